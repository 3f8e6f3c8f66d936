//! Bringing raw scores to 0..=100 over the feasible nodes (P/helper/normalize_score.go).

/// Highest score a plugin gives a node.
pub const MAX_NODE_SCORE: i64 = 100;

/// `DefaultNormalizeScore`: in proportion to the highest; reversed, the lower the raw score the better.
pub fn by_highest(scores: &mut [i64], reverse: bool) {
    let highest = scores.iter().copied().max().unwrap_or(0);
    if highest <= 0 {
        if reverse {
            scores.fill(MAX_NODE_SCORE);
        }
        return;
    }
    for score in scores {
        let share = MAX_NODE_SCORE * *score / highest;
        *score = if reverse { MAX_NODE_SCORE - share } else { share };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_proportion_to_the_highest() {
        let mut scores = [0, 1, 3];
        by_highest(&mut scores, false);
        assert_eq!(scores, [0, 33, 100]);
        let mut scores = [0, 1, 3];
        by_highest(&mut scores, true);
        assert_eq!(scores, [100, 67, 0]);
        let mut none = [0, 0];
        by_highest(&mut none, true);
        assert_eq!(none, [100, 100], "no untolerated taint anywhere is the best");
    }
}
