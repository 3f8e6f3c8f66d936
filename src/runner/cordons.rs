//! Old nodes are kept cordoned: a cordon that is refused or taken back is reported and asked for once more, then the node
//! is left to a person.
//!
//! The provider's and kubectl's procedures cordon once and never look again. This is ours (C): pods that are evicted from
//! a node that takes new ones may come back to it, and a migration that says COMPLETED must have left every node empty.

#[cfg(test)]
mod tests;

use super::call::TaintText;
use super::client::Ask;
use super::common::Fate;
use super::context::Cx;
use super::interface::{Announcement, Answer, Ms};
use super::outcome::Reason;
use super::refs::N;
use crate::cluster::{NodeIdx, View};
use crate::intent::options::CordonWhen;

/// A cordon that was refused is asked for once more after so long (C).
pub(crate) const REFUSED_MS: Ms = 10_000;
/// A call whose answer was lost is repeated after so long (C).
const LOST_MS: Ms = 1000;

impl Cx<'_> {
    /// Whether a node is left to a person.
    pub fn is_left(&self, n: N) -> bool {
        self.common.nodes[n.at()].left
    }
    /// Whether a node takes no new pods, so that what is evicted from it does not come back. EKS taints first and cordons
    /// when the pods are gone.
    pub fn is_closed(&self, n: N) -> bool {
        self.node(n).is_none_or(|node| self.view.state.nodes[node].unschedulable || self.has_taint(node))
    }
    /// Whether a node bears the taint that EKS puts on old nodes before their pods leave.
    fn has_taint(&self, node: NodeIdx) -> bool {
        self.options.taints_first() && has_eks_taint(self.view, node)
    }
    /// Whether a node must be cordoned; one that somebody has cordoned already is kept so from here on.
    pub fn needs_cordon(&mut self, n: N) -> bool {
        let Some(node) = self.node(n) else { return false };
        let cordoned = self.view.state.nodes[node].unschedulable;
        self.common.nodes[n.at()].seen_cordoned |= cordoned;
        !cordoned && !self.is_left(n)
    }
    /// Whether a cordon of a node is under way that was asked for again.
    pub fn is_cordoned_again(&self, n: N) -> bool {
        self.common.client.pending().any(|a| a == Ask::CordonAgain(n))
    }

    /// What became of a cordon that a procedure (or the beginning) asked for.
    pub fn cordon_answered(&mut self, n: N, answer: &Answer) {
        match answer {
            Answer::Accepted => self.common.nodes[n.at()].cordoned = true,
            // Somebody else was faster: theirs to take back.
            Answer::Unchanged => self.common.nodes[n.at()].cordoned = false,
            // It may have had its effect: until it is known it counts as ours, to be taken back.
            Answer::Unknown => self.common.nodes[n.at()].cordoned = true,
            _ => {}
        }
        // If the view does not show it, somebody was faster to take it back.
        self.common.nodes[n.at()].seen_cordoned |= matches!(answer, Answer::Accepted | Answer::Unchanged);
        self.follow(n);
    }
    /// What became of a taint that keeps pods away from a node before it is cordoned.
    pub fn taint_answered(&mut self, n: N, answer: &Answer) {
        self.common.nodes[n.at()].tainted |= matches!(answer, Answer::Accepted | Answer::Unchanged);
        self.follow(n);
    }
    /// The API refused to cordon a node: when to ask once more. None if that was the second time: the node is left to a
    /// person, and no pod may be evicted from it.
    pub fn cordon_refused(&mut self, n: N, message: &str) -> Option<Ms> {
        let refusals = &mut self.common.nodes[n.at()].refusals;
        *refusals += 1;
        if *refusals == 1 && !self.is_left(n) {
            let seconds = REFUSED_MS / 1000;
            let text = format!("could not be cordoned, which is tried once more in {seconds} s: {message}");
            self.warn(n, Reason::CordonRefused, text);
            return Some(self.now + REFUSED_MS);
        }
        self.leave(n, Reason::CordonRefused, format!("it could not be cordoned: {message}"));
        None
    }
    /// A cordon that was taken back was asked for again.
    pub fn cordoned_again(&mut self, n: N, answer: &Answer) {
        match answer {
            Answer::Unknown => self.common.client.ask_at(self.now + LOST_MS, Ask::CordonAgain(n)),
            Answer::Refused { code, retry_after_ms, .. } if *code >= 500 || *code == 429 => {
                let after = retry_after_ms.unwrap_or(0).max(LOST_MS);
                self.common.client.ask_at(self.now + after, Ask::CordonAgain(n));
            }
            Answer::Refused { message, .. } => {
                let why = format!("somebody made it schedulable again, and it could not be cordoned again: {message}");
                self.leave(n, Reason::CordonRefused, why);
            }
            _ => {}
        }
        self.cordon_answered(n, answer);
    }

    /// Compares an old node with what is known of it: its cordon may be gone, or the node itself, and another may bear its name.
    pub fn follow(&mut self, n: N) {
        let Some(node) = self.node(n) else { return self.follow_name(n) };
        let (is, tainted) = (self.view.state.nodes[node].unschedulable, self.has_taint(node));
        let old = &mut self.common.nodes[n.at()];
        let (was, ours) = (old.seen_cordoned || old.tainted, old.cordoned || old.tainted);
        old.cordoned &= is || !old.seen_cordoned;
        (old.seen_cordoned, old.tainted) = (is, old.tainted && tainted);
        if was && !is && !tainted && self.keeps_cordoned(n, ours) {
            self.cordon_lost(n);
        }
    }
    /// Whether a node that was cordoned has to stay so.
    fn keeps_cordoned(&self, n: N, ours: bool) -> bool {
        // A stop gives back what is not drained, and a node that was not replaced belongs to whoever takes care of it.
        let stopping = self.common.stop.is_some() || self.common.concluding.is_some();
        !stopping
            && !self.is_left(n)
            && self.common.nodes[n.at()].reimaged.is_empty()
            && match self.common.nodes[n.at()].fate {
                Fate::InProgress | Fate::Drained => true,
                Fate::Waiting => ours || self.options.cordon == CordonWhen::AllFirst || self.common.is_under_way(n),
                _ => false,
            }
    }
    /// A node takes pods again though it should not: it is cordoned again, once.
    pub fn cordon_lost(&mut self, n: N) {
        let drained = self.common.nodes[n.at()].fate == Fate::Drained;
        let old = &mut self.common.nodes[n.at()];
        old.losses += 1;
        old.claimed |= drained;
        if old.losses == 1 {
            let text = "was made schedulable again by somebody else, and is cordoned again";
            self.warn(n, Reason::CordonLost, text.into());
            self.ask(Ask::CordonAgain(n));
            return;
        }
        let why = "somebody made it schedulable again, and once more after it had been cordoned again";
        self.leave(n, Reason::CordonLost, why.into());
    }
    /// A node of the plan is gone; another one may bear its name, as when its kubelet registers it again.
    fn follow_name(&mut self, n: N) {
        let Some(other) = self.tables.namesake(self.view, n) else { return };
        // We asked for it: the machine comes back under its name.
        if !self.common.nodes[n.at()].reimaged.is_empty() || self.is_another_machine(n, other) {
            return;
        }
        let uid = self.view.state.name(self.view.catalog, self.view.state.nodes[other].spec.uid).to_owned();
        let planned = self.common.node_ids[n.at()].uid.clone();
        if self.common.nodes[n.at()].namesake != uid {
            let text = format!(
                "was deleted and registered again: it has uid {uid} and is not the plan's, which had {planned}"
            );
            self.common.nodes[n.at()].namesake = uid;
            self.warn(n, Reason::RegisteredAgain, text);
        }
        let counts = |f| matches!(f, Fate::Waiting | Fate::InProgress | Fate::Drained | Fate::Retired);
        if counts(self.common.nodes[n.at()].fate) && takes_pods(self.view, other) {
            let why = "it was deleted and registered again under its name, with another uid, and takes pods";
            self.leave(n, Reason::RegisteredAgain, why.into());
        }
    }
    /// The node that bears an old node's name and is another.
    pub fn namesake(&self, n: N) -> Option<NodeIdx> {
        self.tables.namesake(self.view, n)
    }

    /// Tells people something about an old node.
    pub fn warn(&mut self, n: N, reason: Reason, message: String) {
        self.common.nodes[n.at()].note.clone_from(&message);
        let Some(node) = self.node(n).or_else(|| self.namesake(n)) else { return };
        let batch = self.common.batch_of(n);
        self.say(Announcement::NodeWarning { batch, node, reason: word(reason), message });
    }
    /// Leaves an old node to a person: nothing more is done with it, and it does not count as replaced.
    pub fn leave(&mut self, n: N, reason: Reason, why: String) {
        if self.is_left(n) {
            return;
        }
        self.settle(n, Fate::Failed, why.clone());
        let old = &mut self.common.nodes[n.at()];
        (old.left, old.reason) = (true, Some(reason));
        self.tables.lefts += 1;
        self.common.client.withdraw(|a| a == Ask::CordonAgain(n));
        let Some(node) = self.node(n).or_else(|| self.namesake(n)) else { return };
        let batch = self.common.batch_of(n);
        self.say(Announcement::DrainFailed { batch, node, reason: word(reason), message: why });
    }
}

/// Whether the reason of a trace's `drain_failed` says that a node is left to a person, be it after it was drained.
pub fn is_left_reason(word: &str) -> bool {
    ["CordonRefused", "CordonLost", "RegisteredAgain", "NotVerified", "WorkAgain"].contains(&word)
}

/// A condition as the trace's events call it.
fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::CordonRefused => "CordonRefused",
        Reason::CordonLost => "CordonLost",
        Reason::RegisteredAgain => "RegisteredAgain",
        Reason::NotVerified => "NotVerified",
        _ => "WorkAgain",
    }
}

/// Whether a node takes new pods, or has some that a migration would move.
pub(crate) fn takes_pods(view: View<'_>, node: NodeIdx) -> bool {
    let state = &view.state.nodes[node];
    !state.unschedulable || state.pods.iter().any(|p| super::evictor::moves(view, *p))
}

/// EKS's taint on old nodes.
pub(crate) fn eks_taint() -> TaintText {
    TaintText { key: "eks.amazonaws.com/nodegroup".into(), value: "unschedulable".into(), effect: "NoSchedule".into() }
}

fn has_eks_taint(view: View<'_>, node: NodeIdx) -> bool {
    let key = eks_taint().key;
    view.state.nodes[node].taints.iter().any(|t| view.state.name(view.catalog, t.key) == key)
}
