//! Why a workload is not fully ready: each trouble has its own cause and its own remedy.

use crate::cluster::{NodeIdx, OwnerIdx, OwnerKind, PodIdx, PvIdx, View, duration_text};
use crate::disruption::admission::{CreationRefused, creation_refused};
use crate::disruption::holder::why_broken;

/// What keeps a pod, or its workload, from being ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// No node takes it.
    Unschedulable,
    /// No node takes it, for a volume of it can be used on none that takes pods.
    VolumePlace,
    /// It is on its node, and a volume of it is attached to another.
    Volume,
    /// It is broken, as its predecessor was.
    Broken,
    /// It runs, or starts, and is not ready.
    NotReady,
    /// It is ready, and not yet for `minReadySeconds`.
    NotAvailable,
    /// A StatefulSet creates no pod behind one that is not ready.
    Ordered,
    /// The pod whose name it takes is still there.
    Terminating,
    /// A fail-closed webhook without a backend lets nobody create it.
    Webhook,
    /// A quota has no room for it.
    Quota,
    /// Its controller has not created it.
    NotCreated,
}

impl Trouble {
    /// What would lift it.
    pub fn remedy(self) -> &'static str {
        match self {
            Trouble::Unschedulable => {
                "Make room for the named pods, or lift the constraint that keeps them from the new nodes."
            }
            Trouble::VolumePlace => {
                "Bring a node to where the named volume can be used, or move its data to a volume that other nodes can use; a volume on a disk of its node \
                 goes with that node."
            }
            Trouble::Volume => {
                "Let the pods that share the named volume run on one node (required pod affinity, or one replica with strategy Recreate), or use a \
                 volume with ReadWriteMany."
            }
            Trouble::Broken => "Repair the named pods' workload first: they were not ready before they were moved.",
            Trouble::NotReady => {
                "See why the named pods do not become ready (kubectl describe pod, kubectl logs); if they only need longer, raise the limit."
            }
            Trouble::NotAvailable => {
                "Raise kubectl_drain.settle_timeout_ms above minReadySeconds of the named pods' workload, or count pods as soon as they are ready \
                 (kubectl_drain.await_available: false)."
            }
            Trouble::Ordered => {
                "Repair the pod of the lower ordinal first, or let the StatefulSet create its pods in parallel (podManagementPolicy: Parallel)."
            }
            Trouble::Terminating => {
                "Give the named pods time to stop: raise the limits of the drain and of the wait after it (kubectl_drain.timeout_ms and settle_timeout_ms, \
                 surge.node_timeout_ms, ocean.draining_timeout_ms and pods_timeout_ms), or shorten their preStop hooks and grace."
            }
            Trouble::Webhook => {
                "Bring a backend of the named webhook's Service back, or set its failurePolicy to Ignore (or delete the named configuration) until one is \
                 ready."
            }
            Trouble::Quota => "Raise the named ResourceQuota for the time of the migration.",
            Trouble::NotCreated => {
                "See why the controller creates no pod (kubectl describe, its events): a quota, an admission webhook, or a controller that does not run."
            }
        }
    }
}

/// Why a pod that exists is not ready, in words.
pub(crate) fn of_pod(view: View<'_>, pod: PodIdx) -> (Trouble, String) {
    let (c, s) = (view.catalog, view.state);
    let (p, name) = (&s.pods[pod], s.pod_text(c, pod));
    let Some(node) = p.node else {
        let what = if p.unschedulable { "is unschedulable" } else { "is not scheduled" };
        return match volume_without_node(view, pod) {
            Some(volume) => {
                (Trouble::VolumePlace, format!("pod {name} {what}: {volume} can be used on no node that takes pods"))
            }
            None => (Trouble::Unschedulable, format!("pod {name} {what}")),
        };
    };
    let on = s.node_name(c, node);
    if let Some((volume, text)) = missing_volume(view, pod) {
        let volume = s.name(c, s.volumes[volume].name);
        return (Trouble::Volume, format!("pod {name} on node {on} waits for volume {volume} {text}"));
    }
    match why_broken(view, pod) {
        Some(why) => (Trouble::Broken, format!("pod {name} on node {on} is not ready, as before it was moved ({why})")),
        None => (Trouble::NotReady, format!("pod {name} on node {on} is not ready")),
    }
}

/// A pod that is ready, and counts as a ready replica from `from` on only.
pub(crate) fn of_young(view: View<'_>, pod: PodIdx, from: i64) -> (Trouble, String) {
    let wait = duration_text(from - view.state.pods[pod].ready_since);
    let name = view.state.pod_text(view.catalog, pod);
    (Trouble::NotAvailable, format!("pod {name} has not been ready for {wait} yet (minReadySeconds)"))
}

/// Why an owner lacks a pod that does not exist, in words.
pub(crate) fn of_missing(view: View<'_>, owner: OwnerIdx) -> (Trouble, String) {
    let (c, s) = (view.catalog, view.state);
    let o = &c.owners[owner];
    let ordered = o.kind == OwnerKind::StatefulSet && !o.parallel;
    let first = s.owned[owner].iter().copied().filter(|p| ordered && s.pods[*p].is_active() && !s.pods[*p].ready);
    let going = s.owned[owner].iter().copied().find(|p| !s.pods[*p].gone && s.pods[*p].deleting.is_some());
    if let (Some(p), OwnerKind::StatefulSet | OwnerKind::Custom | OwnerKind::Job) = (going, o.kind) {
        let (name, grace) = (s.pod_text(c, p), c.shape(s.pods[p].spec).grace_ms);
        let text = format!(
            "pod {name} is still terminating (its grace is {}), and only then it is created again",
            duration_text(grace)
        );
        return (Trouble::Terminating, text);
    }
    match first.min_by_key(|p| c.specs[s.pods[*p].spec].ordinal) {
        Some(p) => {
            let name = s.pod_text(c, p);
            (Trouble::Ordered, format!("pod {name} is not ready, and OrderedReady creates none behind it"))
        }
        None => {
            let missing = "its replacement does not exist yet";
            match creation_refused(view, owner) {
                Some(CreationRefused::Webhook(why)) => (Trouble::Webhook, format!("{missing}: {why}")),
                Some(CreationRefused::Quota(why)) => (Trouble::Quota, format!("{missing}: {why}")),
                None => (Trouble::NotCreated, missing.to_owned()),
            }
        }
    }
}

/// A volume of a pod without a node that can be used on none of the nodes that take pods, with its claim.
fn volume_without_node(view: View<'_>, pod: PodIdx) -> Option<String> {
    let (c, s) = (view.catalog, view.state);
    let claims = c.specs[s.pods[pod].spec].claims.iter().filter_map(|r| r.claim);
    let takes_pods = |n: &NodeIdx| s.nodes[*n].ready && !s.nodes[*n].unschedulable;
    claims.filter_map(|claim| Some((claim, s.claims[claim].volume?))).find_map(|(claim, volume)| {
        let place = s.volumes[volume].node_affinity.as_ref()?;
        let can_use = |n: NodeIdx| place.matches(&s.nodes[n].spec.labels, s.nodes[n].spec.name, &c.names);
        if s.live_nodes().filter(takes_pods).any(can_use) {
            return None;
        }
        let owner = &c.claims[claim];
        let namespace = c.text(c.namespaces[owner.namespace].name);
        let name = s.name(c, s.volumes[volume].name);
        Some(format!("volume {name} (claim {namespace}/{})", c.text(owner.name)))
    })
}

/// The volume that a bound pod waits for, and who has it.
fn missing_volume(view: View<'_>, pod: PodIdx) -> Option<(PvIdx, String)> {
    let (c, s) = (view.catalog, view.state);
    let p = &s.pods[pod];
    let node = p.node?;
    c.specs[p.spec].claims.iter().filter_map(|r| r.claim).find_map(|claim| {
        let volume = s.claims[claim].volume?;
        let modes = s.volumes[volume].modes;
        let holders = s.holders(volume);
        let elsewhere = holders.iter().copied().find(|holder| *holder != node)?;
        if modes.rwx || modes.rox || holders.contains(&node) {
            return None;
        }
        let uses = |q: &PodIdx| *q != pod && c.specs[s.pods[*q].spec].claims.iter().any(|r| r.claim == Some(claim));
        let user = s.nodes[elsewhere].pods.iter().copied().find(uses);
        let why =
            user.map_or_else(|| "is not detached yet".to_owned(), |q| format!("pod {} uses it", s.pod_text(c, q)));
        let owner = &c.claims[claim];
        let text = format!(
            "(claim {}/{}, ReadWriteOnce), which is attached to node {}, where {why}",
            c.text(c.namespaces[owner.namespace].name),
            c.text(owner.name),
            s.node_name(c, elsewhere)
        );
        Some((volume, text))
    })
}
