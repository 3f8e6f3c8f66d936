//! A call: the one spelling of what the runner asks for, from its outbox to whoever carries it out.
//!
//! The runner writes a call down by its place in its own lists while it waits for a token (`client`), and puts it out as a [`Call`]. The
//! simulation carries that out on its state, a session turns it into requests, a rehearsal's server turns requests back into what the
//! simulation's API server is called with.

use super::base::{ApiGroup, Ms};
use super::refs::PodId;
use crate::cluster::{GroupIdx, Idx, MachineIdx, NodeIdx, PodIdx, Sym, View};
use crate::intent::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// An object by what outlives a view, and where the view at hand had it: a hint, which need not be there.
#[derive(Clone, PartialEq, Eq)]
pub struct Named<I, X> {
    /// Its identity.
    pub id: I,
    /// Where it stands in the view at hand.
    pub at: Option<X>,
}

impl<I, X> From<I> for Named<I, X> {
    fn from(id: I) -> Self {
        Named { id, at: None }
    }
}

impl From<PodId> for PodRef {
    fn from(id: PodId) -> Self {
        PodRef::from(Arc::new(id))
    }
}

impl<I, X> Deref for Named<I, X> {
    type Target = I;

    fn deref(&self) -> &I {
        &self.id
    }
}

/// The place if it is known, since a log of calls is read beside one of changes; else the identity.
impl<I: fmt::Debug, X: fmt::Debug> fmt::Debug for Named<I, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => at.fmt(f),
            None => self.id.fmt(f),
        }
    }
}

/// A node by name and uid.
pub type NodeRef = Named<NodeId, NodeIdx>;
/// A pod by namespace, name and uid, which the calls about it share.
pub type PodRef = Named<Arc<PodId>, PodIdx>;
/// A node group by its id.
pub type GroupRef = Named<String, GroupIdx>;

impl NodeRef {
    /// A node of a view.
    pub fn of(view: View<'_>, node: NodeIdx) -> NodeRef {
        Named { id: NodeId::of(view, node), at: Some(node) }
    }

    /// Where a view has the node, be it gone; None if it never had it.
    pub fn find(&self, view: View<'_>) -> Option<NodeIdx> {
        let is = |n: &NodeIdx| view.state.name(view.catalog, view.state.nodes[*n].spec.uid) == self.uid;
        let hint = self.at.filter(|n| n.at() < view.state.nodes.len() && is(n));
        hint.or_else(|| view.state.nodes.entries().map(|(n, _)| n).find(is))
    }
}

impl PodRef {
    /// A pod of a view.
    pub fn of(view: View<'_>, pod: PodIdx) -> PodRef {
        Named { id: Arc::new(PodId::of(view, pod)), at: Some(pod) }
    }

    /// Where a view has the pod, be it gone; None if it never had it.
    pub fn find(&self, view: View<'_>) -> Option<PodIdx> {
        let is = |p: &PodIdx| view.state.name(view.catalog, view.state.pods[*p].uid) == self.uid;
        let hint = self.at.filter(|p| p.at() < view.state.pods.len() && is(p));
        hint.or_else(|| view.state.pods.entries().map(|(p, _)| p).find(is))
    }
}

impl GroupRef {
    /// A group of a view.
    pub fn of(view: View<'_>, group: GroupIdx) -> GroupRef {
        Named { id: view.catalog.text(view.catalog.groups[group].id).to_owned(), at: Some(group) }
    }

    /// The same with its place in a view; None if that does not have it.
    pub fn in_view(self, view: View<'_>) -> Option<GroupRef> {
        let at = self.find(view)?;
        Some(Named { at: Some(at), ..self })
    }

    /// Where a view has the group; None if it does not have it.
    pub fn find(&self, view: View<'_>) -> Option<GroupIdx> {
        let is = |g: &GroupIdx| view.catalog.text(view.catalog.groups[*g].id) == self.id;
        let hint = self.at.filter(|g| g.at() < view.catalog.groups.len() && is(g));
        hint.or_else(|| view.catalog.groups.entries().map(|(g, _)| g).find(is))
    }
}

/// A taint as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaintText {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule`, `NoExecute`.
    pub effect: String,
}

/// A call to the API server, the provider, or a gate before a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Set `spec.unschedulable`.
    Cordon {
        /// Which.
        node: NodeRef,
    },
    /// Clear `spec.unschedulable`.
    Uncordon {
        /// Which.
        node: NodeRef,
    },
    /// Add a taint to a node.
    Taint {
        /// Which.
        node: NodeRef,
        /// The taint, in text, since the cluster's catalogue may not know its key yet.
        taint: TaintText,
    },
    /// Take a taint off a node.
    Untaint {
        /// Which.
        node: NodeRef,
        /// The taint.
        taint: TaintText,
    },
    /// POST an Eviction.
    Evict {
        /// Which.
        pod: PodRef,
        /// Send the pod's uid as a precondition; without it the eviction is by name, as `kubectl drain` does it.
        precondition: bool,
        /// `deleteOptions.gracePeriodSeconds` in ms; None for the pod's own.
        grace_ms: Option<Ms>,
    },
    /// DELETE a pod, past its budgets.
    DeletePod {
        /// Which.
        pod: PodRef,
        /// See `Evict`.
        precondition: bool,
        /// `gracePeriodSeconds` in ms; None for the pod's own.
        grace_ms: Option<Ms>,
    },
    /// GET the pod of this pod's namespace and name: `Answer::Pod` or `Gone`.
    GetPod {
        /// Which.
        pod: PodRef,
    },
    /// GET a node, as kubectl's resource builder reads those it is to drain: `Accepted` or `Gone`.
    GetNode {
        /// Which.
        node: NodeRef,
    },
    /// GET the node of this name: `Accepted` if it is the one of this uid, `UidChanged` if another has the name, `Gone`.
    FindNode {
        /// Which; the view need not have it any more.
        node: NodeRef,
    },
    /// List the pods of a node: `Accepted`, and the view is as new as the list.
    ListPods {
        /// Which.
        node: NodeRef,
    },
    /// See to it that a group has launched `total` nodes for this key (never "n more": a repeated call launches nothing
    /// twice). `Accepted` when the request is taken; nodes appear in the view, failures come as `Input::LaunchFailed`.
    EnsureNodes {
        /// Deterministic key of this demand.
        key: String,
        /// Group.
        group: GroupRef,
        /// Machine type; None for the group's choice.
        machine: Option<Named<String, MachineIdx>>,
        /// Zone; None for the provider's choice.
        zone: Option<Named<String, Sym>>,
        /// How many in all under this key.
        total: u32,
        /// Even if the group then has more nodes than its maximum: whoever upgrades it raises that for the time.
        beyond_max: bool,
    },
    /// Keep the autoscaler's hands off a group.
    FreezeGroup {
        /// Which.
        group: GroupRef,
        /// No new nodes by the autoscaler.
        scale_up: bool,
        /// No removal of nodes by the autoscaler.
        scale_down: bool,
    },
    /// Take a freeze back.
    UnfreezeGroup {
        /// Which.
        group: GroupRef,
    },
    /// Give the machine back, the group's way; the Node object goes with it.
    RetireNode {
        /// Which.
        node: NodeRef,
        /// Id of its group, if it has one.
        group: Option<String>,
        /// `spec.providerID`; empty if it has none.
        provider_id: String,
    },
    /// Reimage the machine of an empty node in place: it comes back under its name, with another uid or its own. `Accepted` once it
    /// was reimaged, or as soon as its node is gone for that; the node is awaited in the view.
    ReimageNode {
        /// Which.
        node: NodeRef,
        /// Id of its group; None if it belongs to none.
        group: Option<String>,
        /// Its `spec.providerID`; empty if it has none.
        provider_id: String,
    },
    /// Run the check that stands before a batch: `Accepted`, or `Refused` with what it said.
    Check {
        /// The batch that waits, counted from 0.
        batch: u32,
    },
    /// Wait for somebody's approval of a batch: `Accepted` once it is there.
    AwaitApproval {
        /// The batch that waits, counted from 0.
        batch: u32,
    },
}

impl Call {
    /// Gives the machine of a node back.
    pub fn retire(view: View<'_>, node: NodeIdx) -> Call {
        let (node, group, provider_id) = Call::machine(view, node);
        Call::RetireNode { node, group, provider_id }
    }

    /// Reimages the machine of a node.
    pub fn reimage(view: View<'_>, node: NodeIdx) -> Call {
        let (node, group, provider_id) = Call::machine(view, node);
        Call::ReimageNode { node, group, provider_id }
    }

    fn machine(view: View<'_>, node: NodeIdx) -> (NodeRef, Option<String>, String) {
        let (c, s) = (view.catalog, view.state);
        let n = &s.nodes[node];
        let group = n.group.map(|g| c.text(c.groups[g].id).to_owned());
        let provider_id = n.spec.provider_id.map_or(String::new(), |p| s.name(c, p).to_owned());
        (NodeRef::of(view, node), group, provider_id)
    }

    /// The API group the call goes to. Evictions are a subresource of pods, but kubectl POSTs them through the
    /// policy/v1 client, which has its own limiter (kubectl v0.36.3 `pkg/drain/drain.go`, `EvictPod`).
    pub fn api_group(&self) -> ApiGroup {
        match self {
            Call::Evict { .. } => ApiGroup::Policy,
            Call::GetNode { .. } => ApiGroup::Builder,
            Call::FindNode { .. } => ApiGroup::Own,
            Call::EnsureNodes { .. }
            | Call::FreezeGroup { .. }
            | Call::UnfreezeGroup { .. }
            | Call::RetireNode { .. }
            | Call::ReimageNode { .. }
            | Call::Check { .. }
            | Call::AwaitApproval { .. } => ApiGroup::Provider,
            _ => ApiGroup::Core,
        }
    }
}
