//! Recorded scheduling decisions, replayed.

use crate::recording;
use nodeferry::verify::decisions::verify_decisions;

/// Every column of a recording at 100 %.
fn check(name: &str) {
    let Some(dir) = recording(name) else { return };
    let report = verify_decisions(&dir).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(report.decisions > 0);
    assert!(report.is_perfect(), "{name}\n{}", report.render_table());
    for equal in [
        report.feasible_equal,
        report.plugin_scores_equal,
        report.totals_equal,
        report.choice_in_best_set,
        report.message_equal,
        report.victims_equal,
        report.nominated_equal,
    ] {
        assert_eq!(equal, report.decisions);
    }
}

#[test]
fn single_placements() {
    check("parity-v1");
}

#[test]
fn volumes_and_preemption() {
    check("parity-v2");
}

#[test]
fn sampled_nodes() {
    check("parity-v3");
}

#[test]
fn another_configuration() {
    check("parity-v4");
}

#[test]
fn a_cluster_that_is_not_empty_and_volumes_of_every_kind() {
    check("parity-v5");
}
