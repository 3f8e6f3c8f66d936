//! Giving old machines back, and waiting until they are gone; or having them reimaged, and waiting until they are there again.
//!
//! A node was empty when its drain ended, which may be a while ago: somebody may have made it schedulable since (it is cordoned
//! again, but kept), or a pod that tolerates the cordon may have come. So the node's pods are listed once more just before its machine is given back,
//! and each time that is asked for again; a node that has work again is kept.

#[cfg(test)]
mod tests;

use super::client::Ask;
use super::context::Cx;
use super::interface::{Answer, Ms};
use super::look::{Found, look_itself, some};
use super::outcome::Reason;
use super::refs::N;
use serde::{Deserialize, Serialize};

/// A refused termination is asked for again after so long (C).
const RETRY_MS: Ms = 10_000;
/// A node that changed between the look and its end, or whose pods are still going, is looked at again after so long (ours).
const LOOK_MS: Ms = 1000;
/// `Conflict`: the node is not as it was when it was looked at.
const CONFLICT: u16 = 409;

/// Nodes being retired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retire {
    nodes: Vec<Leaving>,
    /// The provider's latest refusal.
    pub trouble: String,
}

/// A node being retired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Leaving {
    n: N,
    deadline: Ms,
    step: Step,
    /// Its machine is reimaged, not given back.
    #[serde(default)]
    reimages: bool,
}

/// Where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// Its pods are being listed.
    Looking,
    /// It is to be looked at again.
    Again { at: Ms },
    /// It was asked for; the node is awaited to go, or to come back.
    Going,
    /// It was reimaged under its own uid, and is being made schedulable again.
    Uncordoning,
    /// It stays, for this reason.
    Kept { why: String },
}

/// What became of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Gone,
    /// Its machine was reimaged, and a node of its name is Ready.
    Reimaged,
    /// It has work again, or may get some: it was not given back.
    Kept(String),
    /// It is there after the limit.
    Late,
}

impl Retire {
    /// Retires a node as well.
    pub fn add(&mut self, cx: &mut Cx<'_>, n: N) {
        self.put(cx, n, cx.options.termination_timeout_ms, false);
    }
    /// Has a node's machine reimaged as well; it must be back after `timeout_ms`.
    pub fn reimage(&mut self, cx: &mut Cx<'_>, n: N, timeout_ms: Ms) {
        self.put(cx, n, timeout_ms, true);
    }
    fn put(&mut self, cx: &mut Cx<'_>, n: N, timeout_ms: Ms, reimages: bool) {
        self.nodes.push(Leaving { n, deadline: cx.now + timeout_ms, step: Step::Looking, reimages });
        cx.ask(Ask::ListPods(n));
    }
    /// Whether none is left.
    pub fn is_over(&self) -> bool {
        self.nodes.is_empty()
    }
    /// What became of a call; true if it was one of ours.
    pub fn answer(&mut self, cx: &mut Cx<'_>, ask: Ask, answer: &Answer) -> bool {
        let (Ask::ListPods(n) | Ask::Retire(n) | Ask::Reimage(n)) = ask else { return false };
        let Some(k) = self.nodes.iter().position(|l| l.n == n) else { return !matches!(ask, Ask::ListPods(_)) };
        let reimages = self.nodes[k].reimages;
        let now = cx.now;
        let again = |after: Ms| Step::Again { at: now + after };
        self.nodes[k].step = match (ask, answer) {
            (Ask::Retire(_) | Ask::Reimage(_), Answer::Refused { code: CONFLICT, .. }) => again(LOOK_MS),
            (_, Answer::Refused { message, retry_after_ms, .. }) => {
                self.trouble = format!("{}: {message}", cx.node_name(n));
                again(retry_after_ms.unwrap_or(RETRY_MS))
            }
            (_, Answer::Unknown) => again(RETRY_MS),
            (Ask::ListPods(_), _) => Self::looked(cx, n, reimages),
            (Ask::Reimage(_), _) if cx.node(n).is_some() => {
                cx.ask(Ask::Uncordon(n));
                Step::Uncordoning
            }
            _ => Step::Going,
        };
        true
    }
    /// What is done with a node whose pods were just listed.
    fn looked(cx: &mut Cx<'_>, n: N, reimages: bool) -> Step {
        let found = look_itself(cx, n);
        let kept = match found {
            Found::Gone => return Step::Going,
            // It went to be reimaged, though the answer was lost or a refusal: what bears its name took its place.
            Found::RegisteredAgain if !cx.common.nodes[n.at()].reimaged.is_empty() => return Step::Going,
            Found::Going(_) => return Step::Again { at: cx.now + LOOK_MS },
            // Cordoned again or not: whoever did it may want the machine.
            Found::Empty | Found::Schedulable if cx.common.nodes[n.at()].claimed => {
                let why = "it was made schedulable again by somebody after it had been drained, and was kept";
                cx.leave(n, Reason::CordonLost, why.into());
                why.into()
            }
            Found::Empty if reimages => {
                let node = cx.node(n);
                let group = node.and_then(|i| cx.view.state.nodes[i].group);
                let group = group.map(|g| cx.view.catalog.text(cx.view.catalog.groups[g].id));
                // It must not count as lost, nor what comes back as a stranger, whenever the answer comes.
                cx.common.nodes[n.at()].reimaged = group.unwrap_or("-").to_owned();
                cx.ask(Ask::Reimage(n));
                return Step::Going;
            }
            Found::Empty => {
                cx.ask(Ask::Retire(n));
                return Step::Going;
            }
            // It is being cordoned again, or is left to a person as soon as that has failed.
            Found::Schedulable => {
                if !cx.is_cordoned_again(n) {
                    cx.cordon_lost(n);
                }
                return Step::Again { at: cx.now + LOOK_MS };
            }
            Found::Pods(pods) => {
                let why = format!("pods came after it had been drained, and it was kept: {}", some(&pods));
                cx.leave(n, Reason::PodsLeft, why.clone());
                why
            }
            found => {
                cx.believe(n, found);
                cx.common.nodes[n.at()].why.clone()
            }
        };
        Step::Kept { why: kept }
    }
    /// Looks again where it is time, and says what became of which nodes.
    pub fn step(&mut self, cx: &mut Cx<'_>) -> Vec<(N, Left)> {
        let mut over = Vec::new();
        for mut l in std::mem::take(&mut self.nodes) {
            if matches!(l.step, Step::Again { at } if at <= cx.now) {
                cx.ask(Ask::ListPods(l.n));
                l.step = Step::Looking;
            }
            match (cx.node(l.n), &l.step) {
                _ if cx.is_left(l.n) => over.push((l.n, Left::Kept(cx.common.nodes[l.n.at()].why.clone()))),
                (_, Step::Going | Step::Uncordoning) if l.reimages && Self::is_back(cx, &l) => {
                    over.push((l.n, Left::Reimaged));
                }
                (None, _) if cx.common.nodes[l.n.at()].reimaged.is_empty() => over.push((l.n, Left::Gone)),
                (_, Step::Kept { why }) => over.push((l.n, Left::Kept(why.clone()))),
                _ if cx.now >= l.deadline => over.push((l.n, Left::Late)),
                _ => self.nodes.push(l),
            }
        }
        over
    }
    /// Whether a node whose machine is reimaged is there again: another of its name that is Ready, or itself, schedulable.
    fn is_back(cx: &Cx<'_>, l: &Leaving) -> bool {
        match cx.node(l.n) {
            Some(node) => {
                let s = &cx.view.state.nodes[node];
                l.step == Step::Uncordoning && s.ready && !s.unschedulable
            }
            None => cx.namesake(l.n).is_some_and(|node| cx.view.state.nodes[node].ready),
        }
    }
    /// Nodes that are awaited to go.
    pub fn waiting(&self) -> Vec<N> {
        self.nodes.iter().map(|l| l.n).collect()
    }
    /// Nodes that are still there after the limit, in words.
    pub fn late(&self, cx: &Cx<'_>, nodes: &[N]) -> String {
        let names: Vec<&str> = nodes.iter().map(|n| cx.node_name(*n)).collect();
        let trouble = if self.trouble.is_empty() { String::new() } else { format!(" ({})", self.trouble) };
        format!("still there: {}{trouble}", names.join(", "))
    }
    /// A node whose machine was to be reimaged and that is not back after the limit, in words.
    pub fn not_back(&self, cx: &Cx<'_>, n: N) -> String {
        let trouble = if self.trouble.is_empty() { String::new() } else { format!(" ({})", self.trouble) };
        format!("node {} was to be reimaged, and is not Ready again{trouble}", cx.node_name(n))
    }
    pub fn next_wakeup(&self) -> Option<Ms> {
        let again = self.nodes.iter().filter_map(|l| match l.step {
            Step::Again { at } => Some(at),
            _ => None,
        });
        again.chain(self.nodes.iter().map(|l| l.deadline)).min()
    }
}
