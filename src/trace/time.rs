//! How a time in integer milliseconds is worded for people.

/// Words a span of milliseconds with its two or three leading units: `850 ms`, `12.4 s`, `3m 05s`, `2h 07m 00s`.
///
/// Tenths of a second are cut, not rounded, so that the words never overstate.
pub fn words(ms: u64) -> String {
    let (s, m, h) = (ms / 1_000 % 60, ms / 60_000 % 60, ms / 3_600_000);
    match ms {
        0 => "0 s".to_owned(),
        1..1_000 => format!("{ms} ms"),
        1_000..60_000 if ms % 1_000 < 100 => format!("{s} s"),
        1_000..60_000 => format!("{s}.{} s", ms % 1_000 / 100),
        60_000..3_600_000 => format!("{m}m {s:02}s"),
        _ => format!("{h}h {m:02}m {s:02}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn leading_units() {
        let said: Vec<String> = [0, 850, 12_000, 12_480, 185_000, 3_599_999, 3_600_000, 90_061_000].map(words).into();
        assert_eq!(said, ["0 s", "850 ms", "12 s", "12.4 s", "3m 05s", "59m 59s", "1h 00m 00s", "25h 01m 01s"]);
    }
}
