//! The known name that somebody may have meant.

/// The known name nearest to a word, if any is near: one edit in three characters.
pub(super) fn near<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let most = word.chars().count().div_ceil(3);
    let distances = known.into_iter().map(|k| (edits(word, k), k));
    distances.filter(|(d, _)| *d <= most).min_by_key(|(d, _)| *d).map(|(_, k)| k)
}

/// `; did you mean x?`, or nothing.
pub(super) fn hint<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    near(word, known).map_or_else(String::new, |k| format!("; did you mean {k}?"))
}

/// Characters to insert, delete or replace, or neighbours to swap, until one text is the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
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
