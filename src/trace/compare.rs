//! Lays two traces side by side and says in words where they part.
//!
//! The runner knows no lineage and names of new pods and nodes are random, so things are joined by what
//! both runs share: nodes of the start by name, launched nodes by group and order of appearance, pods by
//! owner and the how-manieth event of a kind under it, stand-alone pods by name, batches by index, budgets
//! by name. Events marked `sim_only` are left out.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::event::{Event, EventKind};
use super::time::words;

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// When it first differs in the left trace (or in the right one, if the left lacks it), milliseconds.
    pub t_ms: u64,
    /// What it is about: `migration`, `batch 2`, `node a`, `Deployment/ns/name` …
    pub subject: String,
    /// The difference in a sentence.
    pub words: String,
}

/// What two traces have in common and where they differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Events compared on the left.
    pub left_events: usize,
    /// Events compared on the right.
    pub right_events: usize,
    /// Differences by time, then by subject.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// True when nothing differs.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }
}

/// What is told of one kind of event for one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fact {
    t_ms: u64,
    /// Where or how: a node's label, an outcome, a budget's figures.
    detail: String,
}

/// Subject, then kind: everything about one thing stays together.
type Facts = BTreeMap<(String, EventKind), Vec<Fact>>;

/// Compares two traces; times may differ by `tolerance_ms` milliseconds without being named.
///
/// The left trace is called `left_name` in the sentences ("forecast"), the right one `right_name` ("run").
pub fn compare(
    (left_name, left): (&str, &[Event]),
    (right_name, right): (&str, &[Event]),
    tolerance_ms: u64,
) -> Comparison {
    let (left_events, a) = facts(left);
    let (right_events, b) = facts(right);
    let mut keys: Vec<&(String, EventKind)> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    let names = Names { left: left_name, right: right_name, tolerance_ms };
    let none = Vec::new();
    let mut differences: Vec<Difference> = keys
        .into_iter()
        .flat_map(|key| names.differ(key, a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none)))
        .collect();
    differences.sort_by(|x, y| (x.t_ms, &x.subject, &x.words).cmp(&(y.t_ms, &y.subject, &y.words)));
    Comparison { left_events, right_events, differences }
}

struct Names<'a> {
    left: &'a str,
    right: &'a str,
    tolerance_ms: u64,
}

impl Names<'_> {
    fn differ(&self, (subject, kind): &(String, EventKind), a: &[Fact], b: &[Fact]) -> Vec<Difference> {
        let what = happened(*kind);
        let mut found = Vec::new();
        let mut say = |t_ms, words| found.push(Difference { t_ms, subject: subject.clone(), words });
        if a.len() != b.len() {
            let first = a.get(b.len()).or_else(|| b.get(a.len())).map_or(0, |f| f.t_ms);
            let (left, right) = (times(a.len()), times(b.len()));
            say(first, format!("{what} {left} in the {}, {right} in the {}", self.left, self.right));
        }
        let pairs = || a.iter().zip(b);
        let late = |(x, y): &(&Fact, &Fact)| x.t_ms.abs_diff(y.t_ms) > self.tolerance_ms;
        if let Some((x, y)) = pairs().find(late) {
            let more = and_more(pairs().filter(late).count() - 1);
            let by = words(x.t_ms.abs_diff(y.t_ms));
            let direction = if y.t_ms > x.t_ms { "later" } else { "earlier" };
            let (at, then) = (words(x.t_ms), words(y.t_ms));
            let (left, right) = (self.left, self.right);
            say(x.t_ms, format!("{what} at {at} in the {left}, at {then} in the {right} ({by} {direction}){more}"));
        }
        if let Some((x, y)) = pairs().find(|(x, y)| x.detail != y.detail) {
            let more = and_more(pairs().filter(|(x, y)| x.detail != y.detail).count() - 1);
            let (left, right) = (self.left, self.right);
            let (p, q) = (or_nothing(&x.detail), or_nothing(&y.detail));
            say(x.t_ms, format!("{what} with {p} in the {left}, with {q} in the {right}{more}"));
        }
        found
    }
}

fn times(n: usize) -> String {
    match n {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        _ => format!("{n} times"),
    }
}

fn and_more(n: usize) -> String {
    if n == 0 { String::new() } else { format!("; {n} more like it") }
}

fn or_nothing(detail: &str) -> &str {
    if detail.is_empty() { "nothing named" } else { detail }
}

/// The kind as the verb of a sentence whose subject is the thing.
fn happened(kind: EventKind) -> &'static str {
    match kind {
        EventKind::MigrationStarted | EventKind::BatchStarted => "started",
        EventKind::MigrationFinished | EventKind::BatchFinished => "finished",
        EventKind::NodeCordoned => "cordoned",
        EventKind::NodeLaunchRequested => "asked to launch",
        EventKind::NodeLaunchFailed => "failed to launch",
        EventKind::NodeAdded => "added",
        EventKind::NodeReady | EventKind::PodReady => "ready",
        EventKind::NodeNotReady => "not ready",
        EventKind::EvictionAccepted => "evicted",
        EventKind::EvictionRefused => "refused eviction",
        EventKind::BudgetChanged => "changed",
        EventKind::PodTerminated => "terminated",
        EventKind::PodCreated => "created",
        EventKind::PodBound => "bound",
        EventKind::PodUnschedulable => "unschedulable",
        EventKind::PodPreempted => "preempted",
        EventKind::NodeDrained => "drained",
        EventKind::DrainFailed => "failed to drain",
        EventKind::NodeDeleted => "deleted",
        EventKind::NodeUncordoned => "uncordoned",
        EventKind::NodeWarning => "warned of",
        EventKind::WorkloadChanged => "ready",
        EventKind::JobPodLost => "interrupted",
        EventKind::PodWaited => "held in the queue",
        EventKind::PodAttached => "attached",
        EventKind::JobFailed => "failed",
        EventKind::PodCreationRefused => "refused",
        EventKind::GateWaiting => "waited",
        EventKind::GateOpened => "allowed to start",
        EventKind::MigrationState | EventKind::NodeState | EventKind::PoolState => "changed its state",
        EventKind::PodForced => "deleted past its budgets",
    }
}

/// Reduces a trace to what can be joined; also the number of events that it came from.
fn facts(events: &[Event]) -> (usize, Facts) {
    let mut labels = Labels::default();
    let mut facts = Facts::new();
    let mut compared = 0;
    // What follows from the pods' own events is compared with them.
    let derived = |e: &&Event| matches!(e.event, EventKind::WorkloadChanged | EventKind::JobPodLost);
    for e in events.iter().filter(|e| !e.sim_only && !derived(e)) {
        compared += 1;
        if e.initial && e.event != EventKind::NodeAdded {
            continue;
        }
        let node = labels.node(e);
        let Some(subject) = subject(e, node.as_deref()) else {
            continue;
        };
        let detail = detail(e, node);
        facts.entry((subject, e.event)).or_default().push(Fact { t_ms: e.t_ms, detail });
    }
    (compared, facts)
}

/// Labels by which nodes of both runs are joined.
#[derive(Default)]
struct Labels {
    by_name: FxHashMap<String, String>,
    launched: FxHashMap<String, u64>,
}

impl Labels {
    fn node(&mut self, e: &Event) -> Option<String> {
        let name = e.node.as_ref()?;
        if e.event == EventKind::NodeAdded && !e.initial {
            let group = e.group.as_deref().unwrap_or("no group");
            let n = self.launched.entry(group.to_owned()).or_default();
            *n += 1;
            self.by_name.insert(name.clone(), format!("new node {n} of {group}"));
        }
        Some(self.by_name.get(name).cloned().unwrap_or_else(|| format!("node {name}")))
    }
}

fn subject(e: &Event, node: Option<&str>) -> Option<String> {
    match e.event {
        EventKind::MigrationStarted | EventKind::MigrationFinished | EventKind::MigrationState => {
            Some("migration".to_owned())
        }
        EventKind::BatchStarted | EventKind::BatchFinished | EventKind::GateWaiting | EventKind::GateOpened => {
            Some(format!("batch {}", e.batch?))
        }
        EventKind::BudgetChanged => Some(format!("budget {}", e.budget.as_ref()?)),
        EventKind::NodeLaunchRequested | EventKind::NodeLaunchFailed | EventKind::PoolState => {
            Some(format!("group {}", e.group.as_deref().unwrap_or("no group")))
        }
        _ if e.pod.is_some() => e.owner.clone().or_else(|| Some(format!("pod {}", e.pod.as_ref()?))),
        _ => node.map(str::to_owned),
    }
}

fn detail(e: &Event, node: Option<String>) -> String {
    match e.event {
        EventKind::MigrationFinished | EventKind::BatchFinished => {
            [e.outcome.as_deref(), e.reason.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ")
        }
        EventKind::BudgetChanged => format!(
            "{} allowed ({} healthy of {} desired)",
            e.allowed.unwrap_or(0),
            e.healthy.unwrap_or(0),
            e.desired.unwrap_or(0)
        ),
        EventKind::NodeLaunchFailed
        | EventKind::DrainFailed
        | EventKind::NodeWarning
        | EventKind::GateWaiting
        | EventKind::GateOpened => e.reason.clone().unwrap_or_default(),
        EventKind::EvictionRefused => {
            let code = e.code.map(|c| c.to_string());
            [code.as_deref(), e.reason.as_deref(), e.budget.as_deref()]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" ")
        }
        EventKind::EvictionAccepted | EventKind::PodBound | EventKind::PodForced => node.unwrap_or_default(),
        EventKind::MigrationState | EventKind::NodeState | EventKind::PoolState => e.state.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synthetic;

    #[test]
    fn the_same_run_does_not_differ_from_itself() {
        let events = synthetic::small();
        let c = compare(("forecast", &events), ("run", &events), 0);
        assert!(c.is_same(), "{:?}", c.differences);
        assert!(c.left_events > 100);
    }

    #[test]
    fn names_of_new_pods_and_nodes_do_not_matter() {
        let events = synthetic::small();
        let mut other = events.clone();
        for e in other.iter_mut().filter(|e| !e.initial) {
            for name in [&mut e.node, &mut e.pod, &mut e.uid].into_iter().flatten() {
                *name = name.replace("new-", "fresh-").replace("sim-", "real-");
            }
        }
        let c = compare(("forecast", &events), ("run", &other), 0);
        assert!(c.is_same(), "{:?}", c.differences);
    }

    #[test]
    fn times_counts_and_outcomes_are_worded() {
        let left = synthetic::small();
        let mut right = left.clone();
        let end = right.last_mut().expect("a trace has events");
        end.t_ms += 90_000;
        end.outcome = Some("FAILED".into());
        let at = right.iter().position(|e| e.event == EventKind::NodeDrained).expect("a node is drained");
        let node = right.remove(at).node.expect("a drained node has a name");
        let c = compare(("forecast", &left), ("run", &right), 1_000);
        let said: Vec<String> = c.differences.iter().map(|d| format!("{}: {}", d.subject, d.words)).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert_eq!(said[0], format!("node {node}: drained once in the forecast, never in the run"));
        assert!(said.iter().any(|s| s.ends_with("in the run (1m 30s later)")), "{said:?}");
        assert!(said.iter().any(|s| s.contains("with COMPLETED in the forecast, with FAILED in the run")), "{said:?}");
    }

    #[test]
    fn what_only_a_simulator_knows_is_left_out() {
        let left = synthetic::small();
        let mut right = left.clone();
        let mut extra = Event::new(right.last().map_or(0, |e| e.t_ms), EventKind::NodeNotReady);
        extra.node = Some("old-1".into());
        extra.sim_only = true;
        right.push(extra);
        assert!(compare(("forecast", &left), ("run", &right), 0).is_same());
    }
}
