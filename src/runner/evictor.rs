//! Evictions of many nodes' pods at once: paced, retried, forced after a while; shared by the procedures that watch
//! instead of polling.

use super::client::Ask;
use super::context::Cx;
use super::interface::{Announcement, Answer, Ms};
use super::jobs;
use super::refs::{N, P};
use crate::cluster::{Budget, OwnerKind, PodIdx, View};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A call whose answer was lost is repeated after so long.
const LOST_MS: Ms = 1000;

/// Where one pod stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Waits for its turn or its retry.
    Planned,
    /// Its turn has come; it is of a Job, and is let finish first.
    AwaitsJob,
    /// The call is under way.
    Asked,
    /// Admitted; the pod is terminating.
    Going,
    /// The uid is gone.
    Gone,
    /// Given up.
    Held,
}

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Eviction {
    node: N,
    step: Step,
    first_refusal: Option<Ms>,
    /// Delete instead of evict from this moment on.
    force_at: Option<Ms>,
    deletes: bool,
    /// Code and text of the latest refusal.
    code: u16,
    why: String,
}

/// The evictions of a batch; the n-th is the batch's n-th pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Evictor {
    pods: Vec<Eviction>,
    timers: BTreeSet<(Ms, u32)>,
    /// Pods that are not gone, by node.
    left: BTreeMap<N, u32>,
    /// Nodes of which none is left and that are not settled; None if that is not known yet (after a resume).
    #[serde(skip)]
    emptied: Option<BTreeSet<N>>,
    /// Pods are deleted after so long of refusals; None for never.
    force_after: Option<Ms>,
    retry_ms: Ms,
}

/// Whether a pod has to leave a node: everything but DaemonSets', static and finished pods.
pub(crate) fn moves(view: View<'_>, pod: PodIdx) -> bool {
    let p = &view.state.pods[pod];
    let spec = &view.catalog.specs[p.spec];
    let stays =
        spec.owner.is_some_and(|o| matches!(view.catalog.owners[o].kind, OwnerKind::DaemonSet | OwnerKind::Node));
    !stays && !spec.mirror && p.occupies()
}

impl Evictor {
    pub fn new(retry_ms: Ms, force_after: Option<Ms>) -> Evictor {
        Evictor { retry_ms, force_after, ..Evictor::default() }
    }
    /// Plans the evictions of a node's pods, spread evenly over `spread_ms` from now on: of n the k-th (from 0) starts
    /// after k·spread/n. Pods known already are left out. Says how many there are that are not gone.
    pub fn plan(&mut self, cx: &mut Cx<'_>, node: N, spread_ms: Ms) -> u32 {
        if let Some(index) = cx.node(node) {
            let mut pods = cx.tables.pods_on(cx.view, index);
            pods.retain(|p| moves(cx.view, *p) && !cx.tables.pod_of.contains_key(p));
            let n = pods.len() as i64;
            for (k, pod) in pods.into_iter().enumerate() {
                let going = cx.view.state.pods[pod].deleting.is_some();
                let p = cx.refer(pod);
                debug_assert_eq!(p.at(), self.pods.len(), "the evictor alone refers to the batch's pods");
                let step = if going { Step::Going } else { Step::Planned };
                self.pods.push(Eviction {
                    node,
                    step,
                    first_refusal: None,
                    force_at: None,
                    deletes: false,
                    code: 0,
                    why: String::new(),
                });
                *self.left.entry(node).or_default() += 1;
                if !going {
                    self.timers.insert((cx.now + k as i64 * spread_ms / n, p.0));
                }
            }
        }
        let left = self.left(node);
        match &mut self.emptied {
            Some(emptied) if left == 0 => _ = emptied.insert(node),
            Some(emptied) => _ = emptied.remove(&node),
            None => {}
        }
        left
    }

    /// Whether one of these nodes may have no pods left; of those that were planned for.
    pub fn may_have_emptied(&mut self, nodes: &[N]) -> bool {
        let left = &self.left;
        let is_empty = |n: &N| left.get(n).is_none_or(|left| *left == 0);
        let emptied = self.emptied.get_or_insert_with(|| nodes.iter().copied().filter(is_empty).collect());
        !emptied.is_empty()
    }

    /// A node is not waited for any more.
    pub fn settled(&mut self, node: N) {
        if let Some(emptied) = &mut self.emptied {
            emptied.remove(&node);
        }
    }

    /// Whether a node has pods that have to leave and are not planned: they came after the others.
    pub fn has_news(cx: &Cx<'_>, node: N) -> bool {
        let pods = cx.node(node).map(|index| cx.tables.pods_on(cx.view, index)).unwrap_or_default();
        pods.iter().any(|p| moves(cx.view, *p) && !cx.tables.pod_of.contains_key(p))
    }
    /// Pods of a node that are not gone.
    pub fn left(&self, node: N) -> u32 {
        self.left.get(&node).copied().unwrap_or(0)
    }
    pub fn next_at(&self) -> Option<Ms> {
        self.timers.first().map(|t| t.0)
    }
    /// Makes the calls that are due.
    pub fn run(&mut self, cx: &mut Cx<'_>) {
        while let Some((_, k)) = self.timers.first().copied().filter(|t| t.0 <= cx.now) {
            self.timers.pop_first();
            let p = P(k);
            if self.pods[p.at()].step != Step::Planned {
                continue;
            }
            if cx.pod(p).is_none() {
                self.gone(p);
                continue;
            }
            // What is evicted from a node that takes pods may come back to it.
            if !cx.is_closed(self.pods[p.at()].node) {
                self.timers.insert((cx.now + LOST_MS, k));
                continue;
            }
            let forced = self.pods[p.at()].force_at.is_some_and(|t| t <= cx.now);
            if !forced && cx.pod(p).is_some_and(|pod| jobs::awaited(cx.view, cx.options, pod).is_some()) {
                self.pods[p.at()].step = Step::AwaitsJob;
                continue;
            }
            let e = &mut self.pods[p.at()];
            e.step = Step::Asked;
            e.deletes |= forced;
            let ask = match e.deletes {
                true => Ask::Delete { pod: p, precondition: true, grace_ms: None },
                false => Ask::Evict { pod: p, precondition: true, grace_ms: None },
            };
            cx.ask(ask);
        }
    }
    fn gone(&mut self, p: P) {
        if self.pods[p.at()].step != Step::Gone {
            self.pods[p.at()].step = Step::Gone;
            if let Some(n) = self.left.get_mut(&self.pods[p.at()].node) {
                *n -= 1;
                if let (0, Some(emptied)) = (*n, &mut self.emptied) {
                    emptied.insert(self.pods[p.at()].node);
                }
            }
        }
    }
    /// What became of a call; true if it was one of ours.
    pub fn answer(&mut self, cx: &mut Cx<'_>, ask: Ask, answer: &Answer) -> bool {
        let p = match ask {
            Ask::Evict { pod, .. } | Ask::Delete { pod, .. } => pod,
            _ => return false,
        };
        if self.pods.get(p.at()).is_none_or(|e| e.step != Step::Asked) {
            return true;
        }
        let batch = cx.common.batch;
        match answer {
            Answer::Accepted | Answer::Unchanged | Answer::Pod(_) => {
                let forced = matches!(ask, Ask::Delete { .. });
                if let Some(r) = cx.common.report() {
                    if forced { r.forced += 1 } else { r.evictions += 1 }
                }
                self.pods[p.at()].step = Step::Going;
                // It may be gone already; then it is named all the same, if the view still has it.
                if let (true, Some(pod)) = (forced, cx.tables.pods[p.at()]) {
                    let message = match self.pods[p.at()].why.as_str() {
                        "" => "deleted past its budgets".to_owned(),
                        why => format!("deleted past its budgets: {why}"),
                    };
                    cx.say(Announcement::PodForced { batch, pod, message });
                }
                // It may have gone before the answer came.
                if cx.pod(p).is_none() {
                    self.gone(p);
                }
            }
            Answer::Gone | Answer::UidChanged => self.gone(p),
            Answer::Unknown => self.again(p, cx.now + LOST_MS),
            Answer::Refused { code, cause, message, retry_after_ms, .. } => {
                if let Some(r) = cx.common.report() {
                    r.refused += 1;
                }
                let force_after = self.force_after;
                let e = &mut self.pods[p.at()];
                e.code = *code;
                e.why = if cause.is_empty() { message.clone() } else { cause.clone() };
                let first = *e.first_refusal.get_or_insert(cx.now);
                if let Some(after) = force_after {
                    e.force_at.get_or_insert(first + after);
                }
                let retry = cx.now + retry_after_ms.unwrap_or(0).max(self.retry_ms);
                let at = e.force_at.map_or(retry, |f| retry.min(f.max(cx.now + 1)));
                self.again(p, at);
            }
        }
        true
    }
    fn again(&mut self, p: P, at: Ms) {
        self.pods[p.at()].step = Step::Planned;
        self.timers.insert((at, p.0));
    }
    /// A pod changed: it may be gone, or no longer be waited for.
    pub fn pod_changed(&mut self, cx: &Cx<'_>, pod: PodIdx) {
        if let Some(p) = cx.tables.pod_of.get(&pod).copied() {
            let s = &cx.view.state.pods[pod];
            if s.gone || s.phase.is_terminal() {
                self.gone(p);
            } else if self.pods.get(p.at()).is_some_and(|e| e.step == Step::AwaitsJob)
                && jobs::awaited(cx.view, cx.options, pod).is_none()
            {
                self.again(p, cx.now);
            }
        }
    }

    /// Looks at every pod again, for a view whose changes were not announced (a resume over a fresh list).
    pub fn refresh(&mut self, cx: &Cx<'_>) {
        for k in 0..self.pods.len() as u32 {
            match cx.pod(P(k)) {
                None => self.gone(P(k)),
                Some(pod) if self.pods[P(k).at()].step == Step::AwaitsJob => self.pod_changed(cx, pod),
                Some(_) => {}
            }
        }
    }
    /// From now on the pods that are left on a node are deleted, past their budgets.
    pub fn force(&mut self, cx: &Cx<'_>, node: N) {
        for (k, e) in self.pods.iter_mut().enumerate().filter(|(_, e)| e.node == node) {
            e.force_at = Some(cx.now);
            if matches!(e.step, Step::Planned | Step::AwaitsJob) {
                e.step = Step::Planned;
                self.timers.insert((cx.now, k as u32));
            }
        }
    }
    /// Pods of a node that are terminating still are deleted once more, with no grace.
    pub fn end_at_once(&mut self, cx: &mut Cx<'_>, node: N) {
        for k in 0..self.pods.len() as u32 {
            let e = &self.pods[P(k).at()];
            if e.node == node && e.step == Step::Going && cx.pod(P(k)).is_some() {
                let e = &mut self.pods[P(k).at()];
                (e.step, e.deletes) = (Step::Asked, true);
                cx.ask(Ask::Delete { pod: P(k), precondition: true, grace_ms: Some(0) });
            }
        }
    }
    /// Gives up what was not admitted yet: of one node, or of all.
    pub fn cancel(&mut self, cx: &mut Cx<'_>, node: Option<N>) {
        for e in self.pods.iter_mut().filter(|e| node.is_none_or(|n| e.node == n)) {
            if matches!(e.step, Step::Planned | Step::AwaitsJob | Step::Asked) {
                e.step = Step::Held;
            }
        }
        let pods = &self.pods;
        cx.common.client.withdraw(|a| match a {
            Ask::Evict { pod, .. } | Ask::Delete { pod, .. } => pods[pod.at()].step == Step::Held,
            _ => false,
        });
    }
    /// The pods that are left on a node with why, and whether a refusal (not a slow end) holds one of them.
    pub fn remaining(&self, cx: &Cx<'_>, node: N) -> (Vec<String>, bool) {
        let (mut lines, mut refused) = (Vec::new(), false);
        for (k, e) in self.pods.iter().enumerate().filter(|(_, e)| e.node == node && e.step != Step::Gone) {
            let job = cx.pod(P(k as u32)).and_then(|pod| jobs::awaited_text(cx.view, cx.options, pod));
            if let (Some(job), Step::AwaitsJob | Step::Held) = (job, e.step) {
                let pod = cx.pod_id(P(k as u32)).text();
                lines.push(format!("pod {pod} on node {}: {job} still runs and is waited for", cx.node_name(node)));
                continue;
            }
            let held = matches!(e.step, Step::Planned | Step::Asked | Step::Held) && e.code != 0;
            refused |= held && (e.code == 429 || (e.code == 500 && is_under_several(cx, P(k as u32))));
            let why = match (held, e.step) {
                (true, _) => e.why.as_str(),
                (false, Step::Going) => "is still terminating",
                _ => "was not evicted yet",
            };
            lines.push(format!("pod {} on node {}: {why}", cx.pod_id(P(k as u32)).text(), cx.node_name(node)));
        }
        (lines, refused)
    }
}

/// Whether a pod is under more than one budget, which the eviction API answers with 500: it is the budgets that hold it then. What else gives
/// that code (a webhook that does not answer) is no budget's doing.
fn is_under_several(cx: &Cx<'_>, pod: P) -> bool {
    let Some(pod) = cx.pod(pod) else { return false };
    let c = cx.view.catalog;
    let spec = &c.specs[cx.view.state.pods[pod].spec];
    let covers = |b: &&Budget| b.namespace == spec.namespace && b.selector.matches(&spec.labels, &c.names);
    c.budgets.iter().filter(covers).nth(1).is_some()
}
