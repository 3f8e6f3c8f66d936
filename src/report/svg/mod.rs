//! The plots of a report, a file each, as SVG text.
//!
//! Everything is laid out in whole pixels from integer figures, so the same trace gives the same bytes.
//! Text is not measured (no fonts are asked for): widths are estimated generously for a wide sans-serif.
//! Colours are Okabe and Ito's, told apart by colour-blind eyes too.

mod availability;
mod budgets;
mod canvas;
mod capacity;
mod durations;
mod frame;
mod gantt;
mod groups;
pub mod pareto;
mod pods;
mod scale;
mod step;

use crate::trace::Metrics;

pub use availability::MAX_WORKLOADS;
pub use budgets::MAX_BUDGETS;
pub use gantt::{MAX_LANES, MAX_NODE_ROWS};
pub use groups::MAX_GROUPS;

/// All plots of a run: name and text.
///
/// `durations_ms` are the durations of all replications in milliseconds; without one there is no histogram.
pub fn files(metrics: &Metrics, durations_ms: &[u64]) -> Vec<(&'static str, String)> {
    let mut files = vec![
        ("gantt.svg", gantt::draw(metrics)),
        ("capacity.svg", capacity::draw(metrics)),
        ("pods.svg", pods::draw(metrics)),
        ("budgets.svg", budgets::draw(metrics)),
        ("availability.svg", availability::draw(metrics)),
        ("groups.svg", groups::draw(metrics)),
    ];
    if !durations_ms.is_empty() {
        files.push(("durations.svg", durations::draw(durations_ms)));
    }
    files
}

#[cfg(test)]
mod tests;
