//! What differs between a recorded and a simulated migration.

use super::draw::Migration;
use anyhow::Result;
use nodeferry::verify::drain::{DrainRecording, DrainReport};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// In how many ways chance is tried where the usual way differs.
const WAYS: u64 = 24;

/// Compares a recording with the usual run. What differs there and is as recorded in a run with other luck (which of equally
/// good nodes a pod went to, which pod of a node was evicted first) is no difference: the real system has that luck too.
pub fn judge(directory: &Path) -> Result<(DrainReport, Vec<Difference>)> {
    let recording = DrainRecording::load(directory)?;
    let alike = Alike::load(directory)?;
    let report = recording.compare(1)?;
    let mut left = differences(&report, &alike);
    for seed in 2..=WAYS {
        if left.is_empty() {
            break;
        }
        let others = differences(&recording.compare(seed)?, &alike);
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
fn differences(report: &DrainReport, alike: &Alike) -> Vec<Difference> {
    let same_but_for_luck = |batch: Option<usize>| {
        let report = batch.and_then(|b| report.batches.get(b - 1));
        report.is_some_and(|b| alike.canonical(&b.actual.errors) == alike.canonical(&b.predicted.errors))
    };
    let mut all: Vec<Difference> = report
        .mismatches
        .iter()
        .filter(|m| m.what != "errors" || !same_but_for_luck(m.batch))
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

/// Pods that nothing tells apart: of one owner, on one node, in one state. Which of them a budget lets go first is luck.
struct Alike {
    /// The owner's name by the pod's.
    owners: BTreeMap<String, String>,
}

impl Alike {
    fn load(directory: &Path) -> Result<Alike> {
        let cluster: Value = serde_json::from_slice(&std::fs::read(directory.join("cluster.json"))?)?;
        let empty = Vec::new();
        let items = cluster["items"].as_array().unwrap_or(&empty);
        // Ordinals matter where one pod waits for the one before.
        let ordered = |owner: &Value| {
            let set = items.iter().find(|o| o["metadata"]["uid"] == owner["uid"] && o["kind"] == "StatefulSet");
            set.is_some_and(|s| s["spec"]["podManagementPolicy"] != "Parallel")
        };
        let mut groups: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for pod in items.iter().filter(|o| o["kind"] == "Pod") {
            let owner = &pod["metadata"]["ownerReferences"][0];
            if owner.is_null() || ordered(owner) {
                continue;
            }
            let ready = pod["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "Ready");
            let state = json!([
                owner["uid"],
                pod["spec"]["nodeName"],
                pod["status"]["phase"],
                ready.map(|c| &c["status"]),
                pod["metadata"]["deletionTimestamp"].is_null(),
            ]);
            let name = |o: &Value| o["name"].as_str().unwrap_or_default().to_owned();
            groups.entry(state.to_string()).or_default().push((name(&pod["metadata"]), name(owner)));
        }
        let owners = groups.into_values().filter(|g| g.len() > 1).flatten().collect();
        Ok(Alike { owners })
    }
    /// Error lines without the names of such pods, and without order.
    fn canonical(&self, errors: &[String]) -> Vec<Vec<String>> {
        let line = |line: &String| {
            // What comes after the last error tells nothing, and which is the last is luck.
            let line = line.trim_end_matches(", continuing command...");
            let parts = line.split('"').map(|w| self.owners.get(w).map_or(w, String::as_str));
            let line = parts.collect::<Vec<_>>().join("\"");
            let mut errors: Vec<String> =
                line.split("error when ").map(|e| e.trim_end_matches([',', ' ', ']', '[']).to_owned()).collect();
            errors.sort();
            errors
        };
        let mut lines: Vec<Vec<String>> = errors.iter().map(line).collect();
        lines.sort();
        lines
    }
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
