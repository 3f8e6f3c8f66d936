//! Times as they are written on the command line.

use anyhow::{Result, anyhow};

const UNITS: [(&str, i64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// `90s`, `10m`, `1h`, `1h30m`, `7d`, `500ms` in milliseconds.
pub(super) fn parse_time(text: &str) -> Result<i64> {
    let bad = || anyhow!("expected a time such as 90s, 10m or 1h30m");
    let (mut total, mut rest) = (0i64, text);
    while !rest.is_empty() || text.is_empty() {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let n: i64 = rest[..rest.len() - after.len()].parse().map_err(|_| bad())?;
        let unit = &after[..after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len()];
        let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
        total = n.checked_mul(*ms).and_then(|v| total.checked_add(v)).ok_or_else(bad)?;
        rest = &after[unit.len()..];
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        let read = |t: &str| parse_time(t).ok();
        assert_eq!([read("90s"), read("10m"), read("1h30m")], [Some(90_000), Some(600_000), Some(5_400_000)]);
        assert_eq!([read("500ms"), read("7d"), read("1m500ms")], [Some(500), Some(604_800_000), Some(60_500)]);
        assert_eq!([read("10"), read(""), read("m"), read("1x"), read("1h5"), read("-1s"), read("1 h")], [None; 7]);
        assert_eq!(read("9223372036854775807d"), None);
    }
}
