//! The known name that somebody may have meant.

use strsim::osa_distance;

/// The known name nearest to a word, if any is near: one edit in three characters.
pub(super) fn near<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    let most = word.chars().count().div_ceil(3);
    let distances = known.into_iter().map(|k| (osa_distance(&word, &k.to_lowercase()), k));
    distances.filter(|(d, _)| *d <= most).min_by_key(|(d, _)| *d).map(|(_, k)| k)
}

/// `; did you mean x?`, or nothing.
pub(super) fn hint<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    near(word, known).map_or_else(String::new, |k| format!("; did you mean {k}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_near_name_is_found_and_a_far_one_is_not() {
        let known = ["batch-size", "batcher", "procedure", "surge"];
        assert_eq!(near("bacth-size", known), Some("batch-size"));
        assert_eq!(near("batch_size", known), Some("batch-size"));
        assert_eq!(near("procedur", known), Some("procedure"));
        assert_eq!(near("price", known), None);
        assert_eq!((hint("srge", known).as_str(), hint("x", known).as_str()), ("; did you mean surge?", ""));
    }
}
