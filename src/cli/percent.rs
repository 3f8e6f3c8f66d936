//! Percentages on the command line.

use crate::plan::verdict::require_problem;

/// `95`, `95%` or `99.5`.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim_end();
    let parsed: f64 = number.parse().map_err(|_| "expected a percentage from 0 to 100, such as 95".to_owned())?;
    match require_problem(parsed) {
        Some(problem) => Err(problem),
        None => Ok(parsed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_from_0_to_100() {
        assert_eq!([percent("95"), percent("99.5 %"), percent("0%")], [Ok(95.0), Ok(99.5), Ok(0.0)]);
        for wrong in ["", "many", "101", "-1", "NaN", "inf"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
