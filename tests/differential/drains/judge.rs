//! What differs between a recorded and a simulated migration.

use super::draw::Migration;
use anyhow::Result;
use nodeferry::ops::verify::drain::{DrainRecording, DrainReport};
use std::path::Path;

/// In how many ways chance is tried where the usual way differs.
const WAYS: u64 = 24;

/// Compares a recording with the usual run. What differs there and is as recorded in a run with other luck (which of equally
/// good nodes a pod went to, which pod of a node was evicted first) is no difference: the real system has that luck too.
pub fn judge(directory: &Path) -> Result<(DrainReport, Vec<Difference>)> {
    let recording = DrainRecording::load(directory)?;
    let report = recording.compare(1)?;
    let mut left = differences(&report);
    for seed in 2..=WAYS {
        if left.is_empty() {
            break;
        }
        let others = differences(&recording.compare(seed)?);
        left.retain(|l| others.iter().any(|o| o.is_like(l)));
    }
    Ok((report, left))
}

/// One thing that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// In which batch, from 1; None for the whole.
    pub batch: Option<usize>,
    /// Of which kind: the same kind in a smaller migration is taken for the same difference.
    pub what: &'static str,
    /// For people.
    pub text: String,
}

impl Difference {
    /// Whether it is about how long something took, and nothing else.
    pub fn is_of_time(&self) -> bool {
        matches!(self.what, "drain" | "settle" | "batch" | "duration")
    }
    /// Whether another run differs in the same thing.
    pub fn is_like(&self, other: &Difference) -> bool {
        (self.batch, self.what) == (other.batch, other.what)
    }
}

/// Everything that differs: what `verify drain` judges, and besides evictions, refusals and where pods ended.
fn differences(report: &DrainReport) -> Vec<Difference> {
    let mut all: Vec<Difference> = report
        .mismatches
        .iter()
        .map(|m| {
            let of = m.batch.map_or("the whole migration".to_owned(), |b| format!("batch {b}"));
            Difference { batch: m.batch, what: m.what, text: format!("{of}: {}", m.what) }
        })
        .collect();
    let mut differs = |what: &'static str, batch: Option<usize>, actual: String, predicted: String| {
        if actual != predicted {
            let of = batch.map_or("in the end".to_owned(), |b| format!("batch {b}"));
            let text = format!("{of}: {what}: recorded {actual}, predicted {predicted}");
            all.push(Difference { batch, what, text });
        }
    };
    for (i, b) in report.batches.iter().enumerate() {
        let batch = Some(i + 1);
        let (a, p) = (&b.actual, &b.predicted);
        differs("evictions", batch, a.evictions.to_string(), p.evictions.to_string());
        differs("refusals", batch, a.refusals.to_string(), p.refusals.to_string());
        differs("moved twice", batch, a.moved_twice.to_string(), p.moved_twice.to_string());
    }
    let (a, p) = (&report.placements.actual, &report.placements.predicted);
    differs("placements", None, format!("{a:?}"), format!("{p:?}"));
    all
}

/// How many things are compared: eight of each batch, and of the whole how long it took and where pods ended.
pub fn tried(report: &DrainReport) -> usize {
    report.batches.len() * 8 + 2
}

/// One line for people.
pub fn about(migration: &Migration, report: &DrainReport) -> String {
    let pods = report.moved.actual;
    let refusals: usize = report.batches.iter().map(|b| b.actual.refusals).sum();
    let exits: Vec<String> =
        report.batches.iter().map(|b| b.actual.exit.map_or("-".to_owned(), |e| e.to_string())).collect();
    format!(
        "{} of {} nodes in {} batches, kubectl drain {}: {pods} pods moved, {refusals} refusals, exits {}, {:.1} s (predicted {:.1} s)",
        migration.batches.iter().map(Vec::len).sum::<usize>(),
        migration.old.len(),
        migration.batches.len(),
        migration.args.join(" "),
        exits.join(" "),
        report.duration.actual_s,
        report.duration.predicted_s,
    )
}

/// The report and all differences.
pub fn text(report: &DrainReport, differences: &[Difference]) -> String {
    let lines: Vec<&str> = differences.iter().map(|d| d.text.as_str()).collect();
    format!("{}\n{}\n", report.render_table(), lines.join("\n"))
}
