//! What happened, as a trace has it: from what the runner announces, what its calls are answered, and how the views differ.

use super::mirror::{Renewed, Seen};
use crate::cluster::{NodeIdx, NodeState, PodIdx, PodState, View};
use crate::runner::observe;
use crate::runner::{Announcement, Answer, Call, Ms, ObjId, Progress};
use crate::trace::{Detail, Event, EventKind, NodeRole, Observation};
use std::collections::{BTreeMap, BTreeSet};

/// Tells a trace of one execution.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    /// The batch under way.
    batch: Option<u32>,
    /// The batch of each old node, by uid.
    batch_of: BTreeMap<String, u32>,
    /// Nodes asked for, by key.
    demanded: BTreeMap<String, u32>,
}

impl Observer {
    /// Goes on where an earlier process was.
    pub fn resume(&mut self, progress: &Progress) {
        let common = &progress.common;
        self.batch = common.reports.last().map(|r| r.index);
        for batch in 0..common.reports.len() as u32 {
            let nodes = common.batch_nodes(batch);
            self.batch_of.extend(nodes.iter().map(|n| (common.node_ids[n.at()].uid.clone(), batch)));
        }
        self.demanded = common.demands.iter().map(|d| (d.key.clone(), d.total)).collect();
    }
    /// The cluster at the start.
    pub fn start(view: View<'_>, old: &BTreeSet<String>) -> Vec<Event> {
        let uid = |n: NodeIdx| view.state.name(view.catalog, view.state.nodes[n].spec.uid);
        observe::initial(view, |n| old.contains(uid(n))).iter().map(|o| o.render(view)).collect()
    }

    /// What an announcement says.
    pub fn announced(&mut self, now: Ms, view: View<'_>, announcement: &Announcement) -> Option<Event> {
        if let Announcement::BatchStarted { batch, nodes } = announcement {
            self.batch = Some(*batch);
            let uid = |n: &NodeIdx| view.state.name(view.catalog, view.state.nodes[*n].spec.uid).to_owned();
            self.batch_of.extend(nodes.iter().map(|n| (uid(n), *batch)));
        }
        observe::announced(now, view, announcement).map(|o| o.render(view))
    }

    /// What a call that leaves tells: a launch that is asked for. A demand that is asked for again tells nothing new.
    pub fn called(&mut self, now: Ms, view: View<'_>, call: &Call) -> Option<Event> {
        let Call::EnsureNodes { key, group, total, .. } = call else { return None };
        let more = total.saturating_sub(self.demanded.insert(key.clone(), *total).unwrap_or(0));
        let detail = Detail { nodes: Some(more), ..Detail::default() };
        let seen = Observation::new(now, EventKind::NodeLaunchRequested)
            .group(group.find(view)?)
            .batch(self.batch)
            .detail(detail);
        (more > 0).then(|| seen.render(view))
    }

    /// The event that an eviction's answer will tell, as far as it is known when it is asked for: by then the pod may be gone.
    pub fn about(&self, view: View<'_>, pod: PodIdx) -> Event {
        let node = view.state.pods[pod].node;
        let batch = node.and_then(|n| self.batch(view, n)).or(self.batch);
        Observation::new(0, EventKind::EvictionAccepted).pod(pod).node(node).batch(batch).render(view)
    }
    /// What the answer to an eviction (or a deletion past the budgets) tells.
    pub fn judged(now: Ms, about: &Event, deleted: bool, answer: &Answer) -> Option<Event> {
        let mut event = Event { t_ms: u64::try_from(now).unwrap_or(0), ..about.clone() };
        match answer {
            Answer::Accepted if deleted => event.reason = Some("Deleted".into()),
            Answer::Accepted => event.code = Some(201),
            Answer::Refused { code, reason, cause, message, .. } if !deleted => {
                event.event = EventKind::EvictionRefused;
                event.code = Some(*code);
                event.reason = Some(reason.clone()).filter(|r| !r.is_empty());
                event.message = Some(if cause.is_empty() { message.clone() } else { cause.clone() });
            }
            _ => return None,
        }
        Some(event)
    }
    fn batch(&self, view: View<'_>, node: NodeIdx) -> Option<u32> {
        self.batch_of.get(view.state.name(view.catalog, view.state.nodes[node].spec.uid)).copied()
    }

    /// What the difference of two views tells, and what the runner is told of it.
    pub fn renewed(&self, now: Ms, renewed: &Renewed, after: View<'_>) -> (Vec<Event>, Vec<ObjId>) {
        let before = renewed.before.as_ref().map(|b| View { catalog: &b.cluster.catalog, state: &b.cluster.state });
        // Indices of the view before mean nothing in one that was made anew.
        let same = before.is_none();
        let before = before.unwrap_or(after);
        let (mut events, mut changed) = (Vec::new(), Vec::new());
        for seen in &renewed.nodes {
            changed.extend(seen.is.or(seen.was.as_ref().map(|w| w.0).filter(|_| same)).map(ObjId::Node));
            self.node(now, before, after, seen, &mut events);
        }
        for seen in &renewed.pods {
            changed.extend(seen.is.or(seen.was.as_ref().map(|w| w.0).filter(|_| same)).map(ObjId::Pod));
            pod(now, before, after, seen, &mut events);
        }
        changed.extend(renewed.owners.iter().copied().map(ObjId::Owner));
        changed.extend(renewed.budgets.iter().copied().map(ObjId::Budget));
        for b in &renewed.budgets {
            let detail = observe::budget_figures(&after.state.budgets[*b]);
            events.push(Observation::new(now, EventKind::BudgetChanged).budget(*b).detail(detail).render(after));
        }
        (events, changed)
    }
    fn node(
        &self,
        now: Ms,
        before: View<'_>,
        after: View<'_>,
        seen: &Seen<NodeIdx, NodeState>,
        events: &mut Vec<Event>,
    ) {
        let was = seen.was.as_ref().map(|w| &w.1);
        let Some(i) = seen.is else {
            let gone = seen.was.as_ref().map(|w| Observation::new(now, EventKind::NodeDeleted).node(w.0));
            events
                .extend(gone.map(|o| o.batch(seen.was.as_ref().and_then(|w| self.batch(before, w.0))).render(before)));
            return;
        };
        let is = &after.state.nodes[i];
        let batch = self.batch(after, i);
        let mut tell = |kind, detail: Option<Detail>| {
            let seen = Observation::new(now, kind).node(i).batch(batch);
            events.push(detail.into_iter().fold(seen, Observation::detail).render(after));
        };
        if was.is_none() {
            tell(EventKind::NodeAdded, Some(Detail { role: Some(NodeRole::New), ..Detail::default() }));
        }
        if is.ready && !was.is_some_and(|w| w.ready) {
            tell(EventKind::NodeReady, None);
        }
        if was.is_some_and(|w| w.ready) && !is.ready {
            tell(EventKind::NodeNotReady, None);
        }
        if is.unschedulable != was.is_some_and(|w| w.unschedulable) {
            tell(if is.unschedulable { EventKind::NodeCordoned } else { EventKind::NodeUncordoned }, None);
        }
    }
}

fn pod(now: Ms, before: View<'_>, after: View<'_>, seen: &Seen<PodIdx, PodState>, events: &mut Vec<Event>) {
    let was = seen.was.as_ref().map(|w| &w.1);
    let ended = |w: &PodState| w.phase.is_terminal();
    let Some(i) = seen.is else {
        // One that ended by itself has been told already.
        if let Some((i, w)) = seen.was.as_ref().filter(|(_, w)| !(ended(w) && w.deleting.is_none())) {
            events.push(Observation::new(now, EventKind::PodTerminated).pod(*i).node(w.node).render(before));
        }
        return;
    };
    let is = &after.state.pods[i];
    let mut tell = |kind, detail: Option<Detail>| {
        let seen = Observation::new(now, kind).pod(i).node(is.node);
        events.push(detail.into_iter().fold(seen, Observation::detail).render(after));
    };
    if was.is_none() {
        tell(EventKind::PodCreated, None);
    }
    if is.node.is_some() && was.is_none_or(|w| w.node.is_none()) {
        tell(EventKind::PodBound, None);
    }
    if is.unschedulable && is.node.is_none() && !was.is_some_and(|w| w.unschedulable) {
        tell(EventKind::PodUnschedulable, None);
    }
    if is.ready && !was.is_some_and(|w| w.ready) {
        tell(EventKind::PodReady, None);
    }
    if ended(is) && is.deleting.is_none() && !was.is_some_and(ended) {
        tell(EventKind::PodTerminated, Some(Detail { reason: Some("Completed".into()), ..Detail::default() }));
    }
}
