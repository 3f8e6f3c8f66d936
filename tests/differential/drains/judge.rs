//! What differs between a recorded and a simulated migration.

use super::draw::Migration;
use nodeferry::ops::verify::drain::DrainReport;

/// One thing that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Of which kind: the same kind in a smaller migration is taken for the same difference.
    pub what: &'static str,
    /// For people.
    pub text: String,
}

/// Everything that differs: what `verify drain` judges, and besides evictions, refusals and where pods ended.
pub fn differences(report: &DrainReport) -> Vec<Difference> {
    let mut all: Vec<Difference> = report
        .mismatches
        .iter()
        .map(|m| {
            let of = m.batch.map_or("the whole migration".to_owned(), |b| format!("batch {b}"));
            Difference { what: m.what, text: format!("{of}: {}", m.what) }
        })
        .collect();
    let mut differs = |what: &'static str, of: String, actual: String, predicted: String| {
        if actual != predicted {
            all.push(Difference { what, text: format!("{of}: {what}: recorded {actual}, predicted {predicted}") });
        }
    };
    for (i, b) in report.batches.iter().enumerate() {
        let of = format!("batch {}", i + 1);
        let (a, p) = (&b.actual, &b.predicted);
        differs("evictions", of.clone(), a.evictions.to_string(), p.evictions.to_string());
        differs("refusals", of.clone(), a.refusals.to_string(), p.refusals.to_string());
        differs("moved twice", of, a.moved_twice.to_string(), p.moved_twice.to_string());
    }
    let (a, p) = (&report.placements.actual, &report.placements.predicted);
    differs("placements", "in the end".into(), format!("{a:?}"), format!("{p:?}"));
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
