//! What happened, as a trace has it: from what the runner announces, what its calls are answered, and how the views differ.

use super::mirror::{Renewed, Seen};
use crate::cluster::{Idx, NodeIdx, NodeState, OwnerIdx, OwnerKind, PodIdx, PodState, View};
use crate::runner::observe;
use crate::runner::{Announcement, Answer, Call, Ms, ObjId, Progress};
use crate::trace::workloads::{count, workload_of};
use crate::trace::{Detail, Event, EventKind, Observation, witness};
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
    /// Ready and wanted pods of each workload that changed, as last reported.
    workloads: BTreeMap<String, (u32, u32)>,
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
    pub fn renewed(&mut self, now: Ms, renewed: &Renewed, after: View<'_>) -> (Vec<Event>, Vec<ObjId>) {
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
            events.push(witness::budget(now, *b, &after.state.budgets[*b]).render(after));
        }
        events.extend(self.workloads(now, renewed, before, after));
        (events, changed)
    }

    /// The workloads whose ready or wanted pods are not as they were last reported.
    fn workloads(&mut self, now: Ms, renewed: &Renewed, before: View<'_>, after: View<'_>) -> Vec<Event> {
        let mut touched: BTreeSet<OwnerIdx> = BTreeSet::new();
        for seen in &renewed.pods {
            match (seen.is, &seen.was) {
                (Some(pod), _) => touched.extend(workload_of(after, pod)),
                // Of a pod that is gone the owner is looked up by its name: the view may be another one.
                (None, Some((pod, _))) => touched.extend(workload_of(before, *pod).and_then(|owner| {
                    let name = before.catalog.owner_text(owner);
                    let same = |o: &OwnerIdx| after.catalog.owner_text(*o) == name;
                    let owners = &after.catalog.owners;
                    let here = Some(owner).filter(|o| o.at() < owners.len() && same(o));
                    here.or_else(|| owners.indices().find(same))
                })),
                (None, None) => {}
            }
        }
        let scaled = |o: &&OwnerIdx| {
            let owner = &after.catalog.owners[**o];
            owner.parent.is_none() && !matches!(owner.kind, OwnerKind::DaemonSet | OwnerKind::Node)
        };
        touched.extend(renewed.owners.iter().filter(scaled));
        let mut events = Vec::new();
        for owner in touched {
            let is = count(after, owner);
            if self.workloads.insert(after.catalog.owner_text(owner), (is.ready, is.wanted))
                != Some((is.ready, is.wanted))
            {
                events.push(Observation::new(now, EventKind::WorkloadChanged).workload(is).render(after));
            }
        }
        events
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
        let is = seen.is.map(|i| &after.state.nodes[i]);
        let Some((i, last, view)) = last(seen, is, before, after) else { return };
        let batch = self.batch(view, i);
        let observed = witness::changes_of_node(was, is).into_iter().filter_map(|c| witness::node(now, i, last, c));
        events.extend(observed.map(|o| o.batch(batch).render(view)));
    }
}

fn pod(now: Ms, before: View<'_>, after: View<'_>, seen: &Seen<PodIdx, PodState>, events: &mut Vec<Event>) {
    let was = seen.was.as_ref().map(|w| &w.1);
    let is = seen.is.map(|i| &after.state.pods[i]);
    let Some((i, last, view)) = last(seen, is, before, after) else { return };
    let observed = witness::changes_of_pod(was, is).into_iter().filter_map(|c| witness::pod(now, i, last, c));
    events.extend(observed.map(|o| o.render(view)));
}

/// An object as it is, or as it was last if it is gone, with the view that its index is of.
fn last<'a, I: Copy, S>(
    seen: &'a Seen<I, S>,
    is: Option<&'a S>,
    before: View<'a>,
    after: View<'a>,
) -> Option<(I, &'a S, View<'a>)> {
    match (seen.is, is) {
        (Some(i), Some(is)) => Some((i, is, after)),
        _ => seen.was.as_ref().map(|(i, was)| (*i, was, before)),
    }
}
