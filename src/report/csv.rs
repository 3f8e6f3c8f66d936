//! The CSV files of a report, RFC 4180 with a header line and `\n` line ends.
//!
//! Times are integer milliseconds since the migration started; an empty field means "did not happen" or
//! "not known". Nodes are named by name, pods as `namespace/name`, owners as `Kind/namespace/name`.
//! How each figure is counted is told in [`crate::trace::metrics`].
//!
//! | file | a row for each | columns |
//! |---|---|---|
//! | `batches.csv` | batch | [`BATCHES`] |
//! | `nodes.csv` | node, in order of appearance | [`NODES`] |
//! | `pods.csv` | pod evicted, refused, preempted or terminated | [`PODS`] |
//! | `capacity.csv` | instant at which the cluster's capacity changed | [`CAPACITY`] |
//! | `workloads.csv` | workload of the cluster, and bare pod that is gone | [`WORKLOADS`] |
//! | `groups.csv` | node group and instance type | [`GROUPS`] |
//! | `findings.csv` | finding | [`FINDINGS`] |
//! | `runs.csv` | run of a prediction, in order | [`RUNS`] |

use crate::plan::RunRow;
use crate::trace::NodeRole;
use crate::trace::ending::GroupNodes;
use crate::trace::metrics::{BatchRow, BySide, CapacityPoint, NodeRow, PodRow};
use crate::trace::{Metrics, WaitFor, WorkloadRow};

use super::FindingRow;
use super::format::written_out;

/// Columns of `batches.csv`.
pub const BATCHES: &[&str] = &[
    "batch",
    "nodes",
    "start_ms",
    "end_ms",
    "duration_ms",
    "evictions",
    "refused",
    "launched",
    "outcome",
    "reason",
    "message",
    "wait_launch_ms",
    "wait_queue_flush_ms",
    "wait_backoff_ms",
    "wait_detach_ms",
    "wait_room_ms",
    "wait_budget_ms",
    "wait_start_ms",
    "wait_grace_ms",
];

/// Columns of `nodes.csv`; the price in millionths of the currency unit.
pub const NODES: &[&str] = &[
    "node",
    "role",
    "initial",
    "batch",
    "group",
    "machine_type",
    "price_micros_per_hour",
    "requested_ms",
    "added_ms",
    "ready_ms",
    "cordoned_ms",
    "first_eviction_ms",
    "drained_ms",
    "drain_failed_ms",
    "uncordoned_ms",
    "deleted_ms",
    "evictions",
    "refused",
    "pods_moved",
];

/// Columns of `pods.csv`; `created_ms` to `to_node` are those of the replacement.
pub const PODS: &[&str] = &[
    "pod",
    "owner",
    "uid",
    "batch",
    "departure",
    "from_node",
    "evicted_ms",
    "terminated_ms",
    "refused",
    "last_refusal",
    "last_refusal_budget",
    "replacement",
    "created_ms",
    "bound_ms",
    "ready_ms",
    "to_node",
    "unschedulable",
    "unschedulable_message",
    "moves",
];

/// Columns of `capacity.csv`; CPU in thousandths of a core, memory in bytes.
pub const CAPACITY: &[&str] = &[
    "t_ms",
    "nodes_old",
    "nodes_new",
    "nodes_other",
    "nodes_present",
    "cpu_allocatable_old_milli",
    "cpu_allocatable_new_milli",
    "cpu_allocatable_other_milli",
    "cpu_requested_old_milli",
    "cpu_requested_new_milli",
    "cpu_requested_other_milli",
    "memory_allocatable_old_bytes",
    "memory_allocatable_new_bytes",
    "memory_allocatable_other_bytes",
    "memory_requested_old_bytes",
    "memory_requested_new_bytes",
    "memory_requested_other_bytes",
    "pending_pods",
    "disrupted_pods",
];

/// Columns of `workloads.csv`.
pub const WORKLOADS: &[&str] = &[
    "workload",
    "wanted_start",
    "wanted_end",
    "ready_start",
    "ready_least",
    "least_ms",
    "ready_end",
    "ready_again_ms",
    "broken",
    "zero_ms",
    "below_budget_ms",
    "budgets",
    "preempted",
    "preempted_by",
    "forced",
    "job_failed",
    "restarted",
    "lost_ms",
    "ordered",
];

/// Columns of `groups.csv`: nodes.
pub const GROUPS: &[&str] = &["group", "machine_type", "before", "peak", "after", "drained"];

/// Columns of `findings.csv`.
pub const FINDINGS: &[&str] = &["code", "severity", "object", "message", "remedy"];

/// Columns of `runs.csv`; the cost in currency units, empty if a price is unknown.
pub const RUNS: &[&str] = &[
    "seed",
    "outcome",
    "reason",
    "duration_ms",
    "peak_nodes",
    "surge_nodes",
    "cost",
    "harm",
    "node_hours",
    "pods_moved",
    "pods_moved_twice",
    "refused",
];

/// `runs.csv`.
pub fn runs(rows: &[RunRow]) -> String {
    table(RUNS, rows.iter().map(run))
}

/// All CSV files of a run: name and text.
pub fn files(metrics: &Metrics, findings: &[FindingRow]) -> Vec<(&'static str, String)> {
    vec![
        ("batches.csv", table(BATCHES, metrics.batches.iter().map(batch))),
        ("nodes.csv", table(NODES, metrics.nodes.iter().map(node))),
        ("pods.csv", table(PODS, metrics.pods.iter().map(|p| pod(p, metrics)))),
        ("capacity.csv", table(CAPACITY, metrics.capacity.iter().map(capacity))),
        ("workloads.csv", table(WORKLOADS, metrics.workloads.iter().map(workload))),
        ("groups.csv", table(GROUPS, metrics.ending.groups.iter().map(group))),
        ("findings.csv", table(FINDINGS, findings.iter().map(finding))),
    ]
}

/// A file of a header and rows as long as it.
pub(crate) fn table<R: IntoIterator<Item = String>>(header: &[&str], rows: impl Iterator<Item = R>) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // A Vec takes all bytes and every row has the header's length, so neither can fail.
    _ = writer.write_record(header);
    for row in rows {
        _ = writer.write_record(row.into_iter().map(cell));
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// A cell that spreadsheets take for text: one that would begin a formula gets an apostrophe in front, and control characters are written
/// out but for the end of a line. Numbers stay as they are.
fn cell(value: String) -> String {
    let value = written_out(&value, |c| c != '\n').into_owned();
    match value.starts_with(['=', '+', '-', '@']) && value.parse::<f64>().is_err() {
        true => format!("'{value}"),
        false => value,
    }
}

fn opt(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |v| v.to_string())
}

fn text(value: &Option<String>) -> String {
    value.clone().unwrap_or_default()
}

fn batch(b: &BatchRow) -> [String; 19] {
    let wait = |what| b.waits.iter().find(|w| w.what == what).map_or(0, |w| w.ms).to_string();
    let [launch, flush, backoff, detach, room, budget, start, grace] = WaitFor::ALL.map(wait);
    let duration = b.start_ms.zip(b.end_ms).map(|(s, e)| e.saturating_sub(s));
    [
        b.index.to_string(),
        b.nodes.to_string(),
        opt(b.start_ms),
        opt(b.end_ms),
        opt(duration),
        b.evictions.to_string(),
        b.refused.to_string(),
        b.launched.to_string(),
        text(&b.outcome),
        text(&b.reason),
        text(&b.message),
        launch,
        flush,
        backoff,
        detach,
        room,
        budget,
        start,
        grace,
    ]
}

/// The word for a side.
pub fn role(role: NodeRole) -> &'static str {
    match role {
        NodeRole::Old => "old",
        NodeRole::New => "new",
        NodeRole::Other => "other",
    }
}

fn node(n: &NodeRow) -> [String; 19] {
    [
        n.name.clone(),
        role(n.role).to_owned(),
        n.initial.to_string(),
        opt(n.batch),
        text(&n.group),
        text(&n.machine_type),
        opt(n.price_micros_per_hour),
        opt(n.requested_ms),
        n.added_ms.to_string(),
        opt(n.ready_ms),
        opt(n.cordoned_ms),
        opt(n.first_eviction_ms),
        opt(n.drained_ms),
        opt(n.drain_failed_ms),
        opt(n.uncordoned_ms),
        opt(n.deleted_ms),
        n.evictions.to_string(),
        n.refused.to_string(),
        n.moved.to_string(),
    ]
}

fn pod(p: &PodRow, metrics: &Metrics) -> [String; 19] {
    let name = |node: Option<usize>| node.and_then(|n| metrics.nodes.get(n)).map_or("", |n| &n.name).to_owned();
    [
        p.pod.clone(),
        text(&p.owner),
        text(&p.uid),
        opt(p.batch),
        p.departure.as_str().to_owned(),
        name(p.from_node),
        opt(p.evicted_ms),
        opt(p.terminated_ms),
        p.refused.to_string(),
        text(&p.last_refusal),
        text(&p.last_refusal_budget),
        text(&p.replacement),
        opt(p.created_ms),
        opt(p.bound_ms),
        opt(p.ready_ms),
        name(p.to_node),
        p.unschedulable.to_string(),
        text(&p.unschedulable_message),
        p.moves.to_string(),
    ]
}

fn capacity(c: &CapacityPoint) -> [String; 19] {
    let sides = |v: &BySide<i64>| [v.old, v.new, v.other];
    let [a, b, d] = sides(&c.nodes);
    let [e, f, g] = sides(&c.cpu_allocatable_milli);
    let [h, i, j] = sides(&c.cpu_requested_milli);
    let [k, l, m] = sides(&c.memory_allocatable_bytes);
    let [n, o, p] = sides(&c.memory_requested_bytes);
    let t = i64::try_from(c.t_ms).unwrap_or(i64::MAX);
    [t, a, b, d, c.nodes_present, e, f, g, h, i, j, k, l, m, n, o, p, c.pending_pods, c.disrupted_pods]
        .map(|v| v.to_string())
}

fn run(r: &RunRow) -> [String; 12] {
    // Cut as in the prediction's own cost.
    let cents = r.cost_micros.map(|micros| micros / 10_000);
    let milli_hours = r.node_ms / 3_600;
    [
        r.seed.to_string(),
        r.outcome.text().to_owned(),
        text(&r.reason),
        r.duration_ms.to_string(),
        r.peak_nodes.to_string(),
        r.surge_nodes.to_string(),
        cents.map_or_else(String::new, |c| format!("{}.{:02}", c / 100, c % 100)),
        r.harm.to_string(),
        format!("{}.{:03}", milli_hours / 1_000, milli_hours % 1_000),
        r.pods_moved.to_string(),
        r.pods_moved_twice.to_string(),
        r.refused.to_string(),
    ]
}

fn workload(w: &WorkloadRow) -> [String; 19] {
    let by = w.preempted.iter().map(|(by, pods)| format!("{by} ({pods})"));
    [
        w.workload.clone(),
        w.wanted_start.to_string(),
        w.wanted_end.to_string(),
        w.ready_start.to_string(),
        w.ready_least.to_string(),
        if w.ready_least < w.ready_start { w.least_ms.to_string() } else { String::new() },
        w.ready_end.to_string(),
        opt(w.ready_again_ms),
        w.broken.to_string(),
        w.zero_ms.to_string(),
        w.below_budget_ms.to_string(),
        w.budgets.join(" "),
        w.preempted.values().sum::<u64>().to_string(),
        by.collect::<Vec<_>>().join(" "),
        w.forced.to_string(),
        w.job_failed.to_string(),
        w.restarted.to_string(),
        w.lost_ms.to_string(),
        w.ordered.to_string(),
    ]
}

fn group(g: &GroupNodes) -> [String; 6] {
    [
        text(&g.group),
        text(&g.machine_type),
        g.before.to_string(),
        g.peak.to_string(),
        g.after.to_string(),
        g.drained.to_string(),
    ]
}

fn finding(f: &FindingRow) -> [String; 5] {
    [f.code.clone(), f.severity.clone(), f.object.clone(), f.message.clone(), f.remedy.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Metrics, synthetic};

    fn findings() -> Vec<FindingRow> {
        vec![FindingRow {
            code: "budget-never-met".into(),
            severity: "error".into(),
            object: "PodDisruptionBudget/shop/cart".into(),
            message: "allows no disruption, ever: \"maxUnavailable\" is 0".into(),
            remedy: "raise maxUnavailable,\nor use --force-pdb".into(),
        }]
    }

    /// Writes each file's first lines one after the other.
    fn heads(lines: usize) -> String {
        let metrics = Metrics::from_events(synthetic::small());
        let head = |t: &str| t.lines().take(lines).map(|l| format!("{l}\n")).collect::<String>();
        files(&metrics, &findings()).iter().map(|(name, t)| format!("== {name}\n{}", head(t))).collect()
    }

    #[test]
    fn golden() {
        insta::assert_snapshot!(heads(4));
    }

    #[test]
    fn every_row_has_every_column() {
        let metrics = Metrics::from_events(synthetic::small());
        for (name, text) in files(&metrics, &findings()) {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let columns = reader.headers().expect("a header").len();
            for record in reader.records() {
                assert_eq!(record.expect("a whole row").len(), columns, "{name}");
            }
        }
    }
}
