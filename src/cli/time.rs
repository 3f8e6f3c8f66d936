//! Times as they are written on the command line.

use anyhow::{Result, anyhow};

/// `90s`, `10m`, `1h`, `1h30m` in milliseconds.
pub(super) fn parse_time(text: &str) -> Result<i64> {
    let (mut total, mut digits, mut any) = (0i64, String::new(), false);
    let bad = || anyhow!("expected a time such as 90s, 10m or 1h30m");
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c {
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            _ => return Err(bad()),
        };
        let n: i64 = digits.parse().map_err(|_| bad())?;
        total = n.checked_mul(unit).and_then(|v| total.checked_add(v)).ok_or_else(bad)?;
        digits.clear();
        any = true;
    }
    if !digits.is_empty() || !any { Err(bad()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        let read = |t: &str| parse_time(t).ok();
        assert_eq!([read("90s"), read("10m"), read("1h30m")], [Some(90_000), Some(600_000), Some(5_400_000)]);
        assert_eq!([read("10"), read(""), read("m"), read("1x"), read("1h5")], [None; 5]);
    }
}
