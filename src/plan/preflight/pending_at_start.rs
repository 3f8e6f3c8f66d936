//! Pods that are unschedulable before anything is touched.

use super::Facts;
use super::hosts::node_refusal;
use crate::cluster::{Finding, Idx, NodeIdx, PodIdx, ResIdx, Severity};
use crate::groups::volumes::VolumeNeeds;
use crate::intent::options::UnscheduledAtStart;
use std::collections::BTreeMap;

const REMEDY: &str = "Make room for them or delete them, or plan with --unscheduled-at-start ignore.";

/// What pods take that are placed in thought: amounts by resource and pods, by node.
type Taken = BTreeMap<NodeIdx, (Vec<i64>, i64)>;

/// A node of the dump with room for a pod of which only room decides: then its condition says what the dump does not show, and the scheduler
/// of the simulation places it at once.
fn roomy_node(facts: &Facts<'_>, pod: PodIdx, taken: &mut Taken) -> Option<NodeIdx> {
    let (c, s) = (facts.view.catalog, facts.view.state);
    let spec = &c.specs[s.pods[pod].spec];
    let shape = c.shape(s.pods[pod].spec);
    let only_room = shape.affinity.is_empty()
        && shape.anti_affinity.is_empty()
        && shape.spread.is_empty()
        && shape.host_ports.is_empty()
        && spec.claims.is_empty()
        && !shape.gated
        && shape.scheduler_name == c.known.default_scheduler;
    let needs = VolumeNeeds::of(facts.view, spec);
    let roomy = |node: &NodeIdx| {
        let n = &s.nodes[*node];
        let (amounts, pods) = taken.get(node).cloned().unwrap_or_default();
        let free = |r: ResIdx| {
            let at = r.at();
            let used = s.requested(*node).get(at).copied().unwrap_or(0) + amounts.get(at).copied().unwrap_or(0);
            n.spec.allocatable(r) - used
        };
        n.ready
            && shape.first_untolerated(&n.taints).is_none()
            && (n.pods.len() as i64) + pods < n.spec.pod_slots
            && shape.requests.amounts.iter().all(|(r, a)| free(*r) >= *a)
            && node_refusal(facts, *node, pod, &needs).is_none()
    };
    let node = s.live_nodes().filter(|_| only_room).find(roomy)?;
    let entry = taken.entry(node).or_default();
    entry.1 += 1;
    for (r, a) in &shape.requests.amounts {
        let at = r.at();
        entry.0.resize(entry.0.len().max(at + 1), 0);
        entry.0[at] += a;
    }
    Some(node)
}

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let s = facts.view.state;
    let pods: Vec<_> = s
        .live_pods()
        .filter(|p| s.pods[*p].unschedulable && s.pods[*p].node.is_none() && s.pods[*p].is_active())
        .collect();
    let refuse = facts.options.unscheduled() == UnscheduledAtStart::Refuse;
    let mut taken = Taken::new();
    let (with_room, pods): (Vec<_>, Vec<_>) = pods
        .into_iter()
        .map(|p| (p, roomy_node(facts, p, &mut taken).filter(|_| refuse)))
        .partition(|(_, n)| n.is_some());
    let nodes: BTreeMap<PodIdx, NodeIdx> = with_room.into_iter().filter_map(|(p, n)| Some((p, n?))).collect();
    let mut findings: Vec<Finding> = facts
        .by_workload(nodes.keys().copied())
        .into_iter()
        .map(|(object, pods)| {
            let node = facts.node(nodes[&pods[0]]);
            let message = format!(
                "pods are unschedulable by their condition, but node {node} has room in this dump, and the simulation places them at once: {}. \
                 Either the condition is out of date, or the dump lacks pods that fill the nodes; as long as they are pending, the migration refuses to start",
                facts.names(&pods)
            );
            let remedy = "Make the dump again with the pods of all namespaces, and see whether they are still pending.";
            Finding::new(Severity::Warning, "pending-at-start", object, message, remedy)
        })
        .collect();
    let others = facts.by_workload(pods.into_iter().map(|(p, _)| p)).into_iter().map(|(object, pods)| {
        let (severity, what) = match refuse {
            true => (Severity::Error, "the migration refuses to start"),
            false => (Severity::Info, "they are left out of account"),
        };
        Finding::new(
            severity,
            "pending-at-start",
            object,
            format!("pods are unschedulable already, {what}: {}", facts.names(&pods)),
            REMEDY,
        )
    });
    findings.extend(others);
    findings
}
