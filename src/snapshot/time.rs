//! RFC 3339 moments as milliseconds since 1970, without a clock.

/// The moment a text names (`2026-11-21T10:00:00Z`, `….123456+01:00`); None if it is no such text. Finer than a
/// millisecond is cut off.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    if b.len() < 20
        || b[4] != b'-'
        || b[7] != b'-'
        || !matches!(b[10], b'T' | b't' | b' ')
        || b[13] != b':'
        || b[16] != b':'
    {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        b[from..to].iter().try_fold(0i64, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut milli = 0;
    if b[at] == b'.' {
        let digits = b[at + 1..].iter().take_while(|d| d.is_ascii_digit()).count();
        for k in 0..3 {
            milli = milli * 10 + if k < digits { i64::from(b[at + 1 + k] - b'0') } else { 0 };
        }
        at += 1 + digits;
    }
    let offset_minutes = match b.get(at)? {
        b'Z' | b'z' if at + 1 == b.len() => 0,
        sign @ (b'+' | b'-') if at + 6 == b.len() && b[at + 3] == b':' => {
            let minutes = number(at + 1, at + 3)? * 60 + number(at + 4, at + 6)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let seconds =
        days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_minutes * 60;
    Some(seconds * 1_000 + milli)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; years are counted from March, so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A moment (milliseconds since 1970) as RFC 3339 in UTC with so many digits after the second: 0, 3 or 6.
pub fn format_rfc3339(unix_ms: i64, digits: usize) -> String {
    let (seconds, milli) = (unix_ms.div_euclid(1000), unix_ms.rem_euclid(1000));
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The inverse of `days_since_1970`.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let of_era_year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = of_era_year + era * 400 + i64::from(month <= 2);
    let fraction = match digits {
        0 => String::new(),
        n => format!(".{milli:03}{}", "0".repeat(n.saturating_sub(3))),
    };
    let (hour, minute, second) = (of_day / 3600, of_day % 3600 / 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

#[cfg(test)]
mod tests {
    use super::{format_rfc3339, parse_rfc3339};

    #[test]
    fn what_is_written_is_read_back() {
        for days in (-200_000..200_000i64).step_by(97) {
            let at = days * 86_400_000 + days.rem_euclid(86_400_000);
            assert_eq!(parse_rfc3339(&format_rfc3339(at, 6)), Some(at), "{}", format_rfc3339(at, 6));
        }
        assert_eq!(format_rfc3339(1_795_258_156_789, 3), "2026-11-21T10:49:16.789Z");
        assert_eq!(format_rfc3339(0, 0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn moments() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00Z", Some(951_825_600_000)),
            ("2026-11-21T02:57:36Z", Some(1_795_229_856_000)),
            ("2026-11-21T02:57:36.123456Z", Some(1_795_229_856_123)),
            ("2026-11-21T03:57:36+01:00", Some(1_795_229_856_000)),
            ("1969-12-31T23:59:59.5Z", Some(-500)),
            ("2026-13-21T02:57:36Z", None),
            ("2026-11-21", None),
            ("yesterday at ten past two o'clock", None),
        ] {
            assert_eq!(parse_rfc3339(text), ms, "{text}");
        }
    }
}
