//! A look at nodes that are said to be empty: the node by its name and uid, then a fresh list of its pods.
//!
//! A watch may be behind, and the imitated command does not look again. So nothing counts as replaced, and no migration
//! as completed, before each node was seen to be gone, or cordoned and without a pod that should have left.

#[cfg(test)]
mod tests;

use super::client::Ask;
use super::context::Cx;
use super::cordons::takes_pods;
use super::evictor::moves;
use super::interface::{Answer, Ms};
use super::outcome::Reason;
use super::refs::N;
use crate::cluster::{PodIdx, View};
use crate::intent::options::KubectlDrainOptions;
use crate::intent::select::PodChoice;
use serde::{Deserialize, Serialize};

/// A look that was refused is repeated after so long (C).
const RETRY_MS: Ms = 10_000;
/// A look whose answer was lost, or that must be taken again, is repeated after so long (C).
const AGAIN_MS: Ms = 1000;
/// Refusals, and pods that are on their way out, are borne for so long (C).
const PATIENCE_MS: Ms = 120_000;

/// What a look at an old node shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Found {
    /// The node is gone, and nothing that takes pods bears its name.
    Gone,
    /// It is cordoned, and no pod is on it that should have left.
    Empty,
    /// All pods on it that should have left are on their way out.
    Going(Vec<String>),
    /// Pods are on it that should have left.
    Pods(Vec<String>),
    /// It takes new pods.
    Schedulable,
    /// It is gone, and another node that takes pods bears its name.
    RegisteredAgain,
    /// It is left to a person already.
    Left,
    /// The API does not show it: what it says instead.
    Unknown(String),
}

/// `--skip-wait-for-delete-timeout`: the pod's deletion timestamp is more than so many seconds ago.
pub(crate) fn skips_wait(view: View<'_>, pod: PodIdx, flags: &KubectlDrainOptions, now: i64) -> bool {
    flags.skip_wait_for_delete_timeout_seconds > 0
        && view.state.pods[pod]
            .deleting
            .is_some_and(|d| (now - d.deadline) / 1000 > flags.skip_wait_for_delete_timeout_seconds)
}

/// Looks at an old node as the view has it. One that was reimaged is gone: what has its name is the node that took its place.
pub(crate) fn look(cx: &Cx<'_>, n: N) -> Found {
    match cx.is_left(n) {
        true => Found::Left,
        false if !cx.common.nodes[n.at()].reimaged.is_empty() => Found::Gone,
        false => look_itself(cx, n),
    }
}

/// The same of a node whose machine is about to be reimaged.
pub(crate) fn look_itself(cx: &Cx<'_>, n: N) -> Found {
    let Some(node) = cx.node(n) else {
        return match cx.namesake(n) {
            Some(other) if takes_pods(cx.view, other) => Found::RegisteredAgain,
            _ => Found::Gone,
        };
    };
    if !cx.view.state.nodes[node].unschedulable {
        return Found::Schedulable;
    }
    let (choice, flags) = (PodChoice::new(cx.options), &cx.options.kubectl_drain);
    let mut pods = cx.tables.pods_on(cx.view, node);
    pods.retain(|p| moves(cx.view, *p) && choice.takes(cx.view, *p) && !skips_wait(cx.view, *p, flags, cx.now));
    let names = pods.iter().map(|p| cx.view.state.pod_text(cx.view.catalog, *p)).collect();
    match pods.iter().all(|p| cx.view.state.pods[*p].deleting.is_some()) {
        _ if pods.is_empty() => Found::Empty,
        true => Found::Going(names),
        false => Found::Pods(names),
    }
}

/// Some pods by name, and how many more there are.
pub(crate) fn some(pods: &[String]) -> String {
    let more = if pods.len() > 5 { format!(" and {} more", pods.len() - 5) } else { String::new() };
    format!("{}{more}", pods[..pods.len().min(5)].join(", "))
}

/// Where a look stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// The node was asked for.
    Node,
    /// Its pods were asked for.
    Pods,
    /// It is looked at again.
    Again { at: Ms },
    /// It was seen.
    Over(Found),
}

/// A node that is being looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Looked {
    n: N,
    step: Step,
    /// Nothing was seen that can be said, since.
    since: Option<Ms>,
}

/// Nodes that are being looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Looks {
    nodes: Vec<Looked>,
}

impl Looks {
    /// Looks at a node as well.
    pub fn add(&mut self, cx: &mut Cx<'_>, n: N) {
        self.nodes.push(Looked { n, step: Step::Node, since: None });
        cx.ask(Ask::LookNode(n));
    }
    /// Whether a node is being looked at.
    pub fn has(&self, n: N) -> bool {
        self.nodes.iter().any(|l| l.n == n)
    }
    /// Looks at a node no more.
    pub fn forget(&mut self, n: N) {
        self.nodes.retain(|l| l.n != n);
    }
    /// Whether none is left.
    pub fn is_over(&self) -> bool {
        self.nodes.is_empty()
    }
    /// What became of a call; true if it was one of ours.
    pub fn answer(&mut self, cx: &mut Cx<'_>, ask: Ask, answer: &Answer) -> bool {
        let (Ask::LookNode(n) | Ask::LookPods(n)) = ask else { return false };
        let Some(l) = self.nodes.iter_mut().find(|l| l.n == n && !matches!(l.step, Step::Over(_))) else { return true };
        let now = cx.now;
        l.step = match answer {
            // A stop does not wait endlessly for an API server that is away.
            Answer::Unknown if cx.common.stop.is_some() && now >= *l.since.get_or_insert(now) + PATIENCE_MS => {
                Step::Over(Found::Unknown("it does not answer".into()))
            }
            Answer::Unknown => Step::Again { at: now + AGAIN_MS },
            Answer::Refused { message, .. } if now >= *l.since.get_or_insert(now) + PATIENCE_MS => {
                Step::Over(Found::Unknown(message.clone()))
            }
            Answer::Refused { retry_after_ms, .. } => {
                Step::Again { at: now + retry_after_ms.unwrap_or(0).max(RETRY_MS) }
            }
            // No list shows the one that bears its name: what is on that cannot be said.
            Answer::UidChanged if cx.node(n).or_else(|| cx.namesake(n)).is_none() => {
                match now >= *l.since.get_or_insert(now) + PATIENCE_MS {
                    true => {
                        Step::Over(Found::Unknown("another node bears its name, and no list shows that one".into()))
                    }
                    false => Step::Again { at: now + AGAIN_MS },
                }
            }
            _ if matches!(ask, Ask::LookPods(_)) => Self::seen(cx, n, &mut l.since),
            _ if cx.node(n).or_else(|| cx.namesake(n)).is_none() => Step::Over(Found::Gone),
            _ => {
                cx.ask(Ask::LookPods(n));
                Step::Pods
            }
        };
        true
    }
    /// What follows from a node and its pods as they are now.
    fn seen(cx: &mut Cx<'_>, n: N, since: &mut Option<Ms>) -> Step {
        let now = cx.now;
        match look(cx, n) {
            // It is being cordoned again, or is left to a person as soon as that has failed.
            Found::Schedulable if cx.common.stop.is_none() => {
                if !cx.is_cordoned_again(n) {
                    cx.cordon_lost(n);
                }
                Step::Again { at: now + AGAIN_MS }
            }
            Found::Going(_) if now < *since.get_or_insert(now) + PATIENCE_MS => Step::Again { at: now + AGAIN_MS },
            Found::Going(pods) => Step::Over(Found::Pods(pods)),
            found => Step::Over(found),
        }
    }
    /// Looks again where it is time, and says what was seen of which nodes.
    pub fn step(&mut self, cx: &mut Cx<'_>) -> Vec<(N, Found)> {
        let mut over = Vec::new();
        for mut l in std::mem::take(&mut self.nodes) {
            if matches!(l.step, Step::Again { at } if at <= cx.now) {
                cx.ask(Ask::LookNode(l.n));
                l.step = Step::Node;
            }
            match l.step {
                _ if cx.is_left(l.n) => over.push((l.n, Found::Left)),
                Step::Over(found) => over.push((l.n, found)),
                _ => self.nodes.push(l),
            }
        }
        over
    }
    /// When a node is looked at again.
    pub fn next_wakeup(&self) -> Option<Ms> {
        let again = self.nodes.iter().filter_map(|l| match l.step {
            Step::Again { at } => Some(at),
            _ => None,
        });
        again.min()
    }
}

impl Cx<'_> {
    /// A node that was said to be empty is not: it is left to a person. Says whether it is as it should be.
    pub fn believe(&mut self, n: N, found: Found) -> bool {
        match found {
            Found::Gone | Found::Empty => return true,
            Found::Left => {}
            Found::Pods(pods) | Found::Going(pods) => {
                let why = format!("pods came after it had been drained: {}", some(&pods));
                self.leave(n, Reason::PodsLeft, why);
            }
            Found::Schedulable => self.leave(n, Reason::CordonLost, "it is schedulable".into()),
            Found::RegisteredAgain => self.follow(n),
            Found::Unknown(message) => {
                let why = format!("the API does not show whether it is empty: {message}");
                self.leave(n, Reason::NotVerified, why);
            }
        }
        false
    }
}
