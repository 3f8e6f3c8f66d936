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
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

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
            Some(other) if takes_pods(cx.view, other) && !cx.is_another_machine(n, other) => Found::RegisteredAgain,
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

/// Nodes that are being looked at, in the order in which they were added; written down as a list.
///
/// A large migration looks at thousands of them at its end, and is called for each answer: each call touches only those that it concerns.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Looked>", into = "Vec<Looked>")]
pub(crate) struct Looks {
    nodes: BTreeMap<u32, Looked>,
    /// Place of the next that is added.
    next: u32,
    /// Their places by node.
    places: BTreeSet<(N, u32)>,
    /// Those that are looked at again, by the moment.
    again: BTreeSet<(Ms, u32)>,
    /// Those of which the next step may have something to say.
    due: BTreeSet<u32>,
    /// How many old nodes were left to a person at the last step; none if those that are looked at were not compared yet.
    lefts: Option<u32>,
}

impl From<Vec<Looked>> for Looks {
    fn from(list: Vec<Looked>) -> Looks {
        let mut looks = Looks::default();
        list.into_iter().for_each(|looked| _ = looks.insert(looked));
        looks
    }
}

impl From<Looks> for Vec<Looked> {
    fn from(looks: Looks) -> Vec<Looked> {
        looks.nodes.into_values().collect()
    }
}

impl Looks {
    fn insert(&mut self, looked: Looked) -> u32 {
        let place = self.next;
        self.next += 1;
        self.places.insert((looked.n, place));
        self.note(place, &looked.step);
        self.nodes.insert(place, looked);
        place
    }

    /// A node's look stands so now.
    fn note(&mut self, place: u32, step: &Step) {
        match step {
            Step::Again { at } => _ = self.again.insert((*at, place)),
            Step::Over(_) => _ = self.due.insert(place),
            Step::Node | Step::Pods => {}
        }
    }

    fn places_of(&self, n: N) -> impl Iterator<Item = u32> + '_ {
        self.places.range((n, 0)..=(n, u32::MAX)).map(|(_, place)| *place)
    }

    fn remove(&mut self, place: u32) -> Option<Looked> {
        let looked = self.nodes.remove(&place)?;
        self.places.remove(&(looked.n, place));
        self.due.remove(&place);
        if let Step::Again { at } = looked.step {
            self.again.remove(&(at, place));
        }
        Some(looked)
    }

    /// Looks at a node as well.
    pub fn add(&mut self, cx: &mut Cx<'_>, n: N) {
        let place = self.insert(Looked { n, step: Step::Node, since: None });
        if cx.is_left(n) {
            self.due.insert(place);
        }
        cx.ask(Ask::LookNode(n));
    }

    /// Whether a node is being looked at.
    pub fn has(&self, n: N) -> bool {
        self.places_of(n).next().is_some()
    }

    /// Looks at a node no more.
    pub fn forget(&mut self, n: N) {
        let places: SmallVec<[u32; 2]> = self.places_of(n).collect();
        places.into_iter().for_each(|place| _ = self.remove(place));
    }

    /// Whether none is left.
    pub fn is_over(&self) -> bool {
        self.nodes.is_empty()
    }

    /// What became of a call; true if it was one of ours.
    pub fn answer(&mut self, cx: &mut Cx<'_>, ask: Ask, answer: &Answer) -> bool {
        let (Ask::LookNode(n) | Ask::LookPods(n)) = ask else { return false };
        let is_open = |place: &u32| self.nodes.get(place).is_some_and(|l| !matches!(l.step, Step::Over(_)));
        let Some(place) = self.places_of(n).find(is_open) else { return true };
        let Some(mut l) = self.nodes.remove(&place) else { return true };
        if let Step::Again { at } = l.step {
            self.again.remove(&(at, place));
        }
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
        self.note(place, &l.step);
        self.nodes.insert(place, l);
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
        if self.lefts.replace(cx.tables.lefts) != Some(cx.tables.lefts) {
            self.due.extend(self.nodes.iter().filter(|(_, l)| cx.is_left(l.n)).map(|(place, _)| *place));
        }
        while let Some((_, place)) = self.again.first().copied().filter(|(at, _)| *at <= cx.now) {
            self.again.pop_first();
            self.due.insert(place);
        }
        let mut over = Vec::new();
        for place in std::mem::take(&mut self.due) {
            let Some(l) = self.nodes.get_mut(&place) else { continue };
            let n = l.n;
            if matches!(l.step, Step::Again { at } if at <= cx.now) {
                cx.ask(Ask::LookNode(n));
                l.step = Step::Node;
            }
            if !cx.is_left(n) && !matches!(l.step, Step::Over(_)) {
                continue;
            }
            let found = match self.remove(place).map(|l| l.step) {
                Some(Step::Over(found)) if !cx.is_left(n) => found,
                _ => Found::Left,
            };
            over.push((n, found));
        }
        over
    }

    /// When a node is looked at again.
    pub fn next_wakeup(&self) -> Option<Ms> {
        self.again.first().map(|(at, _)| *at)
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
