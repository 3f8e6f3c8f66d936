//! How quantities are worded for people; exact figures belong into CSV and JSON.

pub use crate::trace::time::words as duration;
use std::borrow::Cow;

/// A duration in words; a negative one is none.
pub fn time(ms: i64) -> String {
    duration(u64::try_from(ms).unwrap_or(0))
}

/// `1234567` as `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A number with its noun: `1 pod`, `1,500 pods`; the plural is made with an `s`.
pub fn count(n: u64, noun: &str) -> String {
    let s = if n == 1 {
        ""
    } else if noun.ends_with("ch") {
        "es"
    } else {
        "s"
    };
    format!("{} {noun}{s}", thousands(n))
}

/// `value` / `unit` with as many of up to three decimals as are needed, further ones cut: `1.5`, `20`.
pub fn in_units(value: i64, unit: i64) -> String {
    let unit = unit.max(1);
    let sign = if value < 0 { "-" } else { "" };
    let value = value.unsigned_abs();
    let unit = unit.unsigned_abs();
    let milli = u128::from(value) * 1_000 / u128::from(unit);
    let (whole, part) = (milli / 1_000, milli % 1_000);
    let whole = thousands(u64::try_from(whole).unwrap_or(u64::MAX));
    if part == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{}", format!("{part:03}").trim_end_matches('0'))
}

/// Millionths of the currency unit with two decimals, rounded to the nearest.
pub fn money(micros: i64) -> String {
    let cents = (micros.unsigned_abs() + 5_000) / 10_000;
    format!("{}{}.{:02}", if micros < 0 { "-" } else { "" }, thousands(cents / 100), cents % 100)
}

/// Thousandths of a core as cores: `1.5 cores`.
pub fn cores(milli: i64) -> String {
    format!("{} {}", in_units(milli, 1_000), if milli == 1_000 { "core" } else { "cores" })
}

/// Bytes in the largest binary unit of which there is at least one: `7.5 GiB`.
pub fn bytes(n: i64) -> String {
    let (unit, name) = byte_unit(n, 1);
    if unit == 1 {
        format!("{n} {name}")
    } else {
        format!("{} {name}", in_units(n / (unit / 1_024) * (unit / 1_024), unit))
    }
}

/// The largest binary unit of which `n` has at least `least`, and its name.
pub fn byte_unit(n: i64, least: i64) -> (i64, &'static str) {
    const UNITS: [(i64, &str); 5] =
        [(1 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let enough = |(unit, _): &(i64, &str)| n.unsigned_abs() / unit.unsigned_abs() >= least.unsigned_abs();
    UNITS.into_iter().find(enough).unwrap_or((1, "bytes"))
}

/// Shortens `text` to `chars` characters by cutting out its middle: the ends of generated names tell most.
pub fn shorten(text: &str, chars: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    if all.len() <= chars || chars < 3 {
        return text.to_owned();
    }
    let tail = (chars - 1) / 2;
    let head = chars - 1 - tail;
    all[..head].iter().chain(['…'].iter()).chain(&all[all.len() - tail..]).collect()
}

/// Text of somebody else's with those control characters written out that `obeys` says a reader would obey: as JSON writes them, so that
/// text within JSON stays what it is.
pub fn written_out(text: &str, obeys: impl Fn(char) -> bool) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && obeys(c);
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !obeyed(c) => shown.push(c),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c => shown.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!([count(1, "batch"), count(2, "batch"), count(1_500, "pod")], ["1 batch", "2 batches", "1,500 pods"]);
        assert_eq!([cores(1_000), cores(1_500), cores(-250)], ["1 core", "1.5 cores", "-0.25 cores"]);
        assert_eq!([bytes(512), bytes(3 << 29), bytes(2 << 40)], ["512 bytes", "1.5 GiB", "2 TiB"]);
        assert_eq!(shorten("ip-10-0-0-1.eu-west-1.compute.internal", 15), "ip-10-0…nternal");
    }
}
