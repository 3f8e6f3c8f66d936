//! Kubernetes quantities (`250m`, `1.5Gi`, `12e6`), exact to a billionth.

use std::fmt;

/// An amount in billionths of its unit; apimachinery's `resource.Quantity` without its memory of the format.
///
/// The grammar and the rounding are those of apimachinery v0.36.3 `pkg/api/resource/quantity.go`: what is finer than
/// a billionth rounds away from zero, and [`value`](Quantity::value) and [`milli_value`](Quantity::milli_value) do too.
/// Amounts beyond what 128 bits hold are capped, far above anything an `i64` can say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

/// Billionths in one.
const NANO: i128 = 1_000_000_000;
/// Largest magnitude: room to add many without overflow.
const CAP: i128 = i128::MAX / (1 << 20);
/// Significant digits kept; the rest only decides rounding.
const DIGITS: u32 = 36;

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// Not a number with a suffix.
    #[error("it is not a number with an optional suffix")]
    Format,
    /// The number's suffix means nothing.
    #[error("its suffix is none of n u m k M G T P E Ki Mi Gi Ti Pi Ei or an exponent (e3)")]
    Suffix,
}

/// What a suffix multiplies by.
struct Factor {
    /// Power of two.
    binary: u32,
    /// Power of ten.
    decimal: i64,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Quantity = Quantity(0);

    /// So many whole units.
    pub const fn whole(units: i64) -> Quantity {
        Quantity(units as i128 * NANO)
    }
    /// So many thousandths.
    pub const fn milli(thousandths: i64) -> Quantity {
        Quantity(thousandths as i128 * (NANO / 1000))
    }
    /// In billionths.
    pub const fn nanos(self) -> i128 {
        self.0
    }
    /// Whole units, rounded away from zero, capped to what an `i64` holds.
    pub fn value(self) -> i64 {
        self.scaled(NANO)
    }
    /// Thousandths, rounded away from zero, capped to what an `i64` holds.
    pub fn milli_value(self) -> i64 {
        self.scaled(NANO / 1000)
    }
    fn scaled(self, unit: i128) -> i64 {
        let up = away_from_zero(self.0, unit);
        i64::try_from(up).unwrap_or(if up < 0 { i64::MIN } else { i64::MAX })
    }
    /// The sum, capped.
    pub fn plus(self, other: Quantity) -> Quantity {
        Quantity(self.0.saturating_add(other.0).clamp(-CAP, CAP))
    }

    /// The quantity a text names.
    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        let bytes = text.as_bytes();
        if bytes.is_empty() {
            return Err(QuantityError::Empty);
        }
        let (negative, mut at) = match bytes[0] {
            b'-' => (true, 1),
            b'+' => (false, 1),
            _ => (false, 0),
        };
        let mut number = Mantissa::default();
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let whole = digits(at);
        number.take(&bytes[at..at + whole], false);
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            let fraction = digits(at);
            number.take(&bytes[at..at + fraction], true);
            at += fraction;
        }
        let factor = factor(&text[at..])?;
        let magnitude = number.times(&factor);
        Ok(Quantity(if negative { -magnitude } else { magnitude }))
    }
}

/// Digits read so far: `digits × 10^exponent`, plus something smaller if `more`.
#[derive(Default)]
struct Mantissa {
    digits: i128,
    count: u32,
    exponent: i64,
    more: bool,
}

impl Mantissa {
    fn take(&mut self, text: &[u8], fraction: bool) {
        for b in text {
            let digit = i128::from(b - b'0');
            if self.count < DIGITS {
                self.digits = self.digits * 10 + digit;
                self.count += u32::from(self.digits != 0);
                self.exponent -= i64::from(fraction);
            } else {
                self.more |= digit != 0;
                self.exponent += i64::from(!fraction);
            }
        }
    }
    /// In billionths, rounded up, capped.
    fn times(&self, factor: &Factor) -> i128 {
        if self.digits == 0 {
            return i128::from(self.more);
        }
        let Some(mut n) = self.digits.checked_mul(1i128 << factor.binary) else {
            // More digits than fit: give up the last ones, which are far below a billionth of the rest.
            return Mantissa {
                digits: self.digits / 1_000_000_000_000_000_000 + 1,
                exponent: self.exponent + 18,
                ..*self
            }
            .times(factor);
        };
        let power = self.exponent.saturating_add(factor.decimal).saturating_add(9);
        if power >= 0 {
            for _ in 0..power.min(64) {
                n = n.saturating_mul(10);
            }
            return n.saturating_add(i128::from(self.more)).min(CAP);
        }
        let divisor = u32::try_from(-power).ok().and_then(|p| 10i128.checked_pow(p)).unwrap_or(i128::MAX);
        let (quotient, rest) = (n / divisor, n % divisor);
        (quotient + i128::from(rest != 0 || self.more)).min(CAP)
    }
}

fn away_from_zero(n: i128, unit: i128) -> i128 {
    n / unit + (n % unit).signum()
}

fn factor(suffix: &str) -> Result<Factor, QuantityError> {
    let ten = |decimal| Factor { binary: 0, decimal };
    let two = |binary| Factor { binary, decimal: 0 };
    Ok(match suffix {
        "" => ten(0),
        "n" => ten(-9),
        "u" => ten(-6),
        "m" => ten(-3),
        "k" => ten(3),
        "M" => ten(6),
        "G" => ten(9),
        "T" => ten(12),
        "P" => ten(15),
        "E" => ten(18),
        "Ki" => two(10),
        "Mi" => two(20),
        "Gi" => two(30),
        "Ti" => two(40),
        "Pi" => two(50),
        "Ei" => two(60),
        _ => ten(exponent(suffix)?),
    })
}

fn exponent(suffix: &str) -> Result<i64, QuantityError> {
    let known = |b: &u8| b"eEinumkKMGTP".contains(b);
    let letters = suffix.bytes().take_while(|b| known(b)).count();
    let rest = &suffix[letters..];
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(QuantityError::Format);
    }
    let number = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
    number.parse::<i64>().map_err(|_| QuantityError::Suffix)
}

impl std::ops::AddAssign for Quantity {
    fn add_assign(&mut self, other: Quantity) {
        *self = self.plus(other);
    }
}

impl fmt::Display for Quantity {
    /// As a decimal number with the shortest of the suffixes none, `m`, `u`, `n`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, suffix) in [(NANO, ""), (NANO / 1000, "m"), (1000, "u"), (1, "n")] {
            if self.0 % unit == 0 {
                return write!(f, "{}{suffix}", self.0 / unit);
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for Quantity {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Quantity, QuantityError> {
        Quantity::parse(text)
    }
}

/// A JSON string, or a JSON number as Kubernetes takes it too.
impl<'de> serde::Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as \"250m\", \"1.5Gi\" or 2")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
                Quantity::parse(text).map_err(|e| {
                    E::custom(format_args!("expected a quantity such as \"250m\" or \"1.5Gi\", found {text:?}: {e}"))
                })
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Quantity, E> {
                Ok(Quantity::whole(n))
            }
            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Quantity, E> {
                Ok(Quantity(i128::from(n) * NANO))
            }
            fn visit_f64<E: serde::de::Error>(self, n: f64) -> Result<Quantity, E> {
                self.visit_str(&n.to_string())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases of apimachinery's `TestQuantityParse` and of the format's documentation.
    #[test]
    fn texts_name_exact_amounts() {
        for (text, nanos) in [
            ("0", 0),
            ("0n", 0),
            ("1n", 1),
            ("-1n", -1),
            ("0.1n", 1),
            ("-0.000000000001", -1),
            ("1u", 1_000),
            ("250m", 250_000_000),
            ("+1", NANO),
            ("1.", NANO),
            (".5", NANO / 2),
            ("-.5", -NANO / 2),
            ("1k", 1_000 * NANO),
            ("1.1M", 1_100_000 * NANO),
            ("12e6", 12_000_000 * NANO),
            ("12E6", 12_000_000 * NANO),
            ("1e-3", NANO / 1000),
            ("1e+3", 1000 * NANO),
            ("1E", 1_000_000_000_000_000_000 * NANO),
            ("1Ki", 1024 * NANO),
            ("1.5Gi", 3 * (1 << 29) * NANO),
            ("0.5Mi", (1 << 19) * NANO),
            ("1Ei", (1i128 << 60) * NANO),
            ("0.0001Ki", 102_400_000),
            ("00012", 12 * NANO),
            ("Ki", 0),
            ("123456789012345678901234567890123456789012n", i128::MAX),
        ] {
            let got = Quantity::parse(text).map(|q| q.0);
            assert_eq!(got, Ok(nanos.min(CAP)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "1.1.M",
            "1+1.0M",
            "0.1mi",
            "0.1am",
            "aoeu",
            ".5i",
            "1i",
            "-3.01i",
            "-3.01e-",
            "1e",
            "1m5",
            "+5x",
            "1 Gi",
            "1e99999999999999999999",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn value_and_milli_value_round_away_from_zero() {
        for (text, value, milli) in [
            ("1n", 1, 1),
            ("-1n", -1, -1),
            ("1001u", 1, 2),
            ("1500m", 2, 1500),
            ("-1500m", -2, -1500),
            ("2Gi", 2 << 30, (2 << 30) * 1000),
            ("7Ei", 7 << 60, i64::MAX),
            ("1e100", i64::MAX, i64::MAX),
            ("-1e100", i64::MIN, i64::MIN),
        ] {
            let q = Quantity::parse(text).unwrap();
            assert_eq!((q.value(), q.milli_value()), (value, milli), "{text}");
        }
    }
}
