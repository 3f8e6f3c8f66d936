//! What a migration did to the workloads of the whole cluster, whoever's pods they are: a row a workload, and the list of harm.
//!
//! Each is measured against the start: what was not ready then is no harm of the migration's.

use super::workloads::{ReadyPoint, Track};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One workload over the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadRow {
    /// `Kind/namespace/name`; `Pod/namespace/name` of a bare pod that is gone.
    pub workload: String,
    /// It is a Job, which serves nobody: its time without a ready pod is no downtime.
    pub job: bool,
    /// It is a bare pod, which nobody makes again.
    pub bare_pod: bool,
    /// Pods that it wants at the start.
    pub wanted_start: u32,
    /// Pods that it wants at the end.
    pub wanted_end: u32,
    /// Pods that were ready at the start.
    pub ready_start: u32,
    /// Fewest ready pods.
    pub ready_least: u32,
    /// When it first had so few, milliseconds.
    pub least_ms: u64,
    /// Pods that are ready at the end.
    pub ready_end: u32,
    /// When it was as ready again as at the start (or as it wants to be), for the last time, milliseconds; it may be after the migration's end. None
    /// if it never was less, or never was again.
    pub ready_again_ms: Option<u64>,
    /// It is still less ready than at the start, though the cluster was watched after the end.
    pub broken: bool,
    /// Time without a ready pod, milliseconds, if it had one at the start.
    pub zero_ms: u64,
    /// Time below what its budgets demand, milliseconds; what was below at the start is not counted.
    pub below_budget_ms: u64,
    /// The budgets over its pods, `namespace/name`.
    pub budgets: Vec<String>,
    /// Its pods that were preempted, by the workload that they had to go for.
    pub preempted: BTreeMap<String, u64>,
    /// Its pods that were deleted past their budgets.
    pub forced: u64,
    /// A Job that ended as failed.
    pub job_failed: bool,
    /// Pods of a Job that had to begin again.
    pub restarted: u64,
    /// How long these had run in all, milliseconds.
    pub lost_ms: u64,
    /// Those of them whose node was lost: nobody evicted them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_with_node: u64,
    /// A bare pod that is gone, and that an option or the procedure ordered so.
    pub ordered: bool,
    /// Ready pods over time.
    #[serde(skip)]
    pub points: Vec<ReadyPoint>,
}

impl WorkloadRow {
    /// A row from what was tracked.
    pub(super) fn new(workload: String, track: Track, below_budget_ms: u64, budgets: Vec<String>) -> WorkloadRow {
        WorkloadRow {
            workload,
            job: track.job,
            bare_pod: false,
            wanted_start: track.wanted.0,
            wanted_end: track.wanted.1,
            ready_start: track.ready_start,
            ready_least: track.least.0,
            least_ms: track.least.1,
            ready_end: track.ready,
            ready_again_ms: track.ready_again_ms,
            broken: track.short_since.is_some() && !track.job_failed,
            zero_ms: track.zero_ms,
            below_budget_ms,
            budgets,
            preempted: track.preempted,
            forced: track.forced,
            job_failed: track.job_failed,
            restarted: track.lost.0,
            lost_ms: track.lost.1,
            lost_with_node: track.lost_with_node,
            ordered: false,
            points: track.points,
        }
    }

    /// A bare pod that is gone: nobody makes it again.
    pub(super) fn bare_pod(pod: &str, gone_ms: u64, end_ms: u64, preempted_by: Option<&str>, ordered: bool) -> Self {
        WorkloadRow {
            workload: format!("Pod/{pod}"),
            bare_pod: true,
            wanted_start: 1,
            wanted_end: 1,
            ready_start: 1,
            least_ms: gone_ms,
            broken: true,
            zero_ms: end_ms.saturating_sub(gone_ms),
            preempted: preempted_by.map(|by| BTreeMap::from([(by.to_owned(), 1)])).unwrap_or_default(),
            ordered,
            ..WorkloadRow::default()
        }
    }

    /// Whether anything happened to it.
    pub fn is_touched(&self) -> bool {
        self.ready_least < self.ready_start || self.broken || !self.preempted.is_empty() || self.restarted > 0
    }
}

/// Whether a count says nothing.
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What kind of harm was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HarmKind {
    /// A workload has fewer ready pods than at the start, and they do not come back by themselves.
    WorkloadBroken,
    /// A Job has ended as failed.
    JobFailed,
    /// Ready pods were fewer than a disruption budget demands.
    BudgetBroken,
    /// A pod that no controller makes again is gone.
    BarePodGone,
    /// Pods were preempted.
    Preempted,
    /// Pods of a Job had to begin again.
    JobRestarted,
}

impl HarmKind {
    /// The word used in files and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            HarmKind::WorkloadBroken => "workload-broken",
            HarmKind::JobFailed => "job-failed",
            HarmKind::BudgetBroken => "budget-broken",
            HarmKind::BarePodGone => "bare-pod-gone",
            HarmKind::Preempted => "preempted",
            HarmKind::JobRestarted => "job-restarted",
        }
    }
}

/// One harm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Harm {
    /// What kind of harm.
    pub kind: HarmKind,
    /// `Kind/namespace/name`.
    pub workload: String,
    /// What happened, in words.
    pub message: String,
    /// It is reason enough that a migration which completes exits with status 6.
    pub grave: bool,
    /// An option (force, disable-eviction) or the procedure itself orders it.
    pub ordered: bool,
}

/// How much harm one run did; the counts are of workloads unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HarmCount {
    /// Workloads that had fewer ready pods than at the start at any time, or that anything else happened to.
    pub touched: u32,
    /// Entries of the harm list.
    pub all: u32,
    /// Those that make a migration which completes exit with status 6.
    pub grave: u32,
    /// Left with fewer ready pods than at the start.
    pub broken: u32,
    /// Below what a budget demands at any time.
    pub budgets_broken: u32,
    /// Jobs that ended as failed.
    pub jobs_failed: u32,
    /// Bare pods that are gone.
    pub bare_pods: u32,
    /// That had a ready pod at the start and none at any time; without Jobs and bare pods.
    pub at_zero: u32,
    /// Longest time of one of these without a ready pod, milliseconds.
    pub longest_zero_ms: u64,
    /// Time that Jobs' pods had run which had to begin again, milliseconds.
    pub lost_ms: u64,
}

impl HarmCount {
    /// Counted from rows.
    pub fn of(rows: &[WorkloadRow]) -> HarmCount {
        let list = harm(rows);
        let kind = |kind| list.iter().filter(|h| h.kind == kind).count() as u32;
        let zero = || rows.iter().filter(|r| r.zero_ms > 0 && !r.job && !r.bare_pod);
        HarmCount {
            touched: rows.iter().filter(|r| r.is_touched()).count() as u32,
            all: list.len() as u32,
            grave: list.iter().filter(|h| h.grave).count() as u32,
            broken: kind(HarmKind::WorkloadBroken),
            budgets_broken: kind(HarmKind::BudgetBroken),
            jobs_failed: kind(HarmKind::JobFailed),
            bare_pods: kind(HarmKind::BarePodGone),
            at_zero: zero().count() as u32,
            longest_zero_ms: zero().map(|r| r.zero_ms).max().unwrap_or(0),
            lost_ms: rows.iter().map(|r| r.lost_ms).sum(),
        }
    }

    /// Adds that of another cluster.
    pub fn add(&mut self, other: HarmCount) {
        self.touched += other.touched;
        self.all += other.all;
        self.grave += other.grave;
        self.broken += other.broken;
        self.budgets_broken += other.budgets_broken;
        self.jobs_failed += other.jobs_failed;
        self.bare_pods += other.bare_pods;
        self.at_zero += other.at_zero;
        self.longest_zero_ms = self.longest_zero_ms.max(other.longest_zero_ms);
        self.lost_ms += other.lost_ms;
    }

    /// Whether a migration that completes with it exits with status 6.
    pub fn is_grave(&self) -> bool {
        self.grave > 0
    }

    /// Whether every workload that had a ready pod at the start had one all the time.
    pub fn is_zero_downtime(&self) -> bool {
        self.at_zero == 0 && self.bare_pods == 0
    }
}

/// The harm of a run, the gravest kind first, then by workload.
pub fn harm(rows: &[WorkloadRow]) -> Vec<Harm> {
    let mut list: Vec<Harm> = rows.iter().flat_map(harm_of).collect();
    list.sort_by(|a, b| (!a.grave, a.ordered, a.kind, &a.workload).cmp(&(!b.grave, b.ordered, b.kind, &b.workload)));
    list
}

fn harm_of(r: &WorkloadRow) -> Vec<Harm> {
    let mut list = Vec::new();
    let mut say = |kind, grave, ordered, message: String| {
        list.push(Harm { kind, workload: r.workload.clone(), message, grave, ordered });
    };
    let by = words_of_preemption(r);
    if r.bare_pod {
        let how = if by.is_empty() { String::new() } else { format!(" ({by})") };
        let why = if r.ordered { "it was evicted as ordered" } else { "it was not evicted by order" };
        say(
            HarmKind::BarePodGone,
            !r.ordered,
            r.ordered,
            format!("is gone, and no controller makes it again: {why}{how}"),
        );
        return list;
    }
    if r.broken {
        let why = if by.is_empty() { String::new() } else { format!("; {by}") };
        let text = format!(
            "{} of {} pods are ready at the end ({} at the start){why}",
            r.ready_end, r.wanted_end, r.ready_start
        );
        say(HarmKind::WorkloadBroken, true, false, text);
    }
    if r.job_failed {
        say(
            HarmKind::JobFailed,
            true,
            false,
            "the Job has ended as failed: more pods failed than its backoffLimit allows".into(),
        );
    }
    // A Job's pods that end by themselves leave their budget below its demand for a moment: nobody broke it. Those whose node is lost do not.
    let ended_by_itself = r.job && r.lost_with_node == 0 && r.preempted.is_empty() && r.forced == 0;
    if r.below_budget_ms > 0 && !ended_by_itself {
        let preempted = !r.preempted.is_empty();
        let ordered = !preempted && r.forced > 0;
        let why = match (preempted, ordered) {
            (true, _) => format!(": {by}"),
            (false, true) => format!(": {} of its pods were deleted past their budgets, as ordered", r.forced),
            (false, false) if r.lost_with_node > 0 => {
                format!(": {} of its pods were lost with their node", r.lost_with_node)
            }
            (false, false) => String::new(),
        };
        let text = format!(
            "was below what {} demands for {}{why}",
            budgets_in_words(&r.budgets),
            super::time::words(r.below_budget_ms)
        );
        say(HarmKind::BudgetBroken, preempted, ordered, text);
    }
    if !r.preempted.is_empty() && !r.broken && r.below_budget_ms == 0 {
        say(HarmKind::Preempted, false, false, by);
    }
    if r.restarted > 0 {
        let text = format!(
            "{} of its pods had to begin again; {} of work are lost",
            r.restarted,
            super::time::words(r.lost_ms)
        );
        say(HarmKind::JobRestarted, false, false, text);
    }
    list
}

fn budgets_in_words(budgets: &[String]) -> String {
    match budgets {
        [one] => format!("budget {one}"),
        many => format!("budgets {}", many.join(", ")),
    }
}

/// `3 pods preempted by Deployment/shop/pay`; empty if there were none.
pub fn words_of_preemption(r: &WorkloadRow) -> String {
    let all: u64 = r.preempted.values().sum();
    if all == 0 {
        return String::new();
    }
    let by: Vec<&str> = r.preempted.keys().map(String::as_str).collect();
    format!("{all} {} preempted by {}", if all == 1 { "pod" } else { "pods" }, by.join(", "))
}

/// The rows in the order of how badly they fared: broken, longest at zero, longest below a budget, furthest below the start, then by name.
pub fn worst(rows: &[WorkloadRow]) -> Vec<&WorkloadRow> {
    use std::cmp::Reverse;
    let mut list: Vec<&WorkloadRow> = rows.iter().filter(|r| r.is_touched()).collect();
    let key = |r: &&WorkloadRow| {
        let grave = r.broken || r.job_failed;
        let preempted: u64 = r.preempted.values().sum();
        (Reverse((grave, r.zero_ms, r.below_budget_ms, preempted, r.ready_start - r.ready_least)), r.workload.clone())
    };
    list.sort_by_cached_key(key);
    list
}
