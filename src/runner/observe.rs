//! Which event an announcement of the runner is, in a simulation as live.

use super::interface::{Announcement, Ms, PodOfNode};
use super::outcome::{Failure, Outcome};
use super::states::{pool_group, pool_words};
use crate::cluster::{NodeIdx, View};
use crate::disruption::BudgetIndex;
use crate::trace::workloads::ReadyCounts;
use crate::trace::{Detail, EventKind, Observation, PodDetail, witness};

/// The cluster at the start, as a trace has it.
pub fn initial(view: View<'_>, is_old: impl Fn(NodeIdx) -> bool) -> Vec<Observation> {
    let index = BudgetIndex::new(view.catalog);
    witness::initial(view, is_old, &ReadyCounts::new(view), |spec| index.budgets_of(spec))
}

/// The event of an announcement; None for what only an operator wants to know.
pub fn announced(now: Ms, view: View<'_>, announcement: &Announcement) -> Option<Observation> {
    let detail = Detail::default;
    let seen = |kind| Observation::new(now, kind);
    Some(match announcement {
        Announcement::MigrationStarted { nodes, .. } => {
            seen(EventKind::MigrationStarted).detail(Detail { nodes: Some(*nodes), ..detail() })
        }
        Announcement::BatchStarted { batch, nodes } => {
            let pods = nodes.iter().map(|n| view.state.nodes[*n].pods.len() as u32).sum();
            let detail = Detail { nodes: Some(nodes.len() as u32), pods: Some(pods), ..detail() };
            seen(EventKind::BatchStarted).batch(*batch).detail(detail)
        }
        Announcement::NodeDrained { batch, node } => seen(EventKind::NodeDrained).batch(*batch).node(*node),
        Announcement::DrainFailed { batch, node, reason, message } => {
            let detail = Detail { reason: Some((*reason).to_owned()), message: Some(message.clone()), ..detail() };
            seen(EventKind::DrainFailed).batch(*batch).node(*node).detail(detail)
        }
        Announcement::NodeWarning { batch, node, reason, message } => {
            let detail = Detail { reason: Some((*reason).to_owned()), message: Some(message.clone()), ..detail() };
            seen(EventKind::NodeWarning).batch(*batch).node(*node).detail(detail)
        }
        Announcement::BatchFinished { batch, outcome, failure, .. } => {
            seen(EventKind::BatchFinished).batch(*batch).detail(ended(*outcome, failure.as_ref()))
        }
        Announcement::MigrationFinished { outcome, failure } => {
            seen(EventKind::MigrationFinished).detail(ended(*outcome, failure.as_ref()))
        }
        Announcement::Waiting { batch, wait, until } => seen(EventKind::GateWaiting).batch(*batch).detail(Detail {
            reason: Some(wait.reason().to_owned()),
            until_ms: until.map(|t| t.max(0) as u64),
            ..detail()
        }),
        Announcement::Opened { batch, wait } => {
            let detail = Detail { reason: Some(wait.reason().to_owned()), ..detail() };
            seen(EventKind::GateOpened).batch(*batch).detail(detail)
        }
        Announcement::State { batch, state } => seen(EventKind::MigrationState)
            .batch(*batch)
            .detail(Detail { state: Some((*state).to_owned()), ..detail() }),
        Announcement::NodeState { node, state, message, pods } => {
            let kind = |p: &PodOfNode| PodDetail { pod: p.pod.clone(), kind: p.kind.to_owned() };
            seen(EventKind::NodeState).detail(Detail {
                node_name: Some(node.clone()),
                state: Some((*state).to_owned()),
                message: Some(message.clone()).filter(|m| !m.is_empty()),
                pod_details: pods.iter().map(kind).collect(),
                ..detail()
            })
        }
        Announcement::PoolState { batch, group, state, wanted, ready } => {
            seen(EventKind::PoolState).batch(*batch).group(pool_group(view, group)).detail(Detail {
                state: Some((*state).to_owned()),
                nodes: Some(*ready),
                message: Some(pool_words(*ready, *wanted)),
                ..detail()
            })
        }
        Announcement::PodForced { batch, pod, message } => {
            let node = view.state.pods[*pod].node;
            let detail = Detail { message: Some(message.clone()), ..detail() };
            seen(EventKind::PodForced).batch(*batch).pod(*pod).node(node).detail(detail)
        }
        Announcement::CommandReturned { .. } | Announcement::Line { .. } => return None,
    })
}

fn ended(outcome: Outcome, failure: Option<&Failure>) -> Detail {
    Detail {
        outcome: Some(outcome.text().to_owned()),
        reason: failure.map(|f| f.reason.clone()),
        message: failure.map(|f| f.message.clone()),
        ..Detail::default()
    }
}
