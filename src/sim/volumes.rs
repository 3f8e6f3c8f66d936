//! The volume side of a run: provisioning, attaching, and letting go.

use super::ctx::Ctx;
use super::event::Timer;
use crate::cluster::{
    AccessModes, Attachment, NodeIdx, NodeSelector, NodeSelectorTerm, Operator, PodIdx, Pv, PvIdx, PvcIdx, Requirement,
    View,
};
use std::sync::Arc;

/// The attach/detach controller and the provisioner.
///
/// A pod starts when all its volumes are attached to its node. A volume that is attached elsewhere and may be attached
/// once only (ReadWriteOnce, ReadWriteOncePod) waits until the last pod there is gone and the volume is let go
/// (`volume_detach_ms`; docs/reference/kubernetes.md#controllers-and-nodes).
#[derive(Clone, Debug, Default)]
pub struct Volumes {
    waiting: Vec<PodIdx>,
}

/// The volumes that a pod's claims are bound to.
fn volumes_of(view: View<'_>, pod: PodIdx) -> impl Iterator<Item = PvIdx> + '_ {
    let spec = &view.catalog.specs[view.state.pods[pod].spec];
    spec.claims.iter().filter_map(move |c| c.claim).filter_map(move |c| view.state.claims[c].volume)
}

/// Whether a volume's driver attaches it to nodes at all.
fn attaches(view: View<'_>, volume: PvIdx) -> bool {
    view.state.volumes[volume]
        .driver
        .is_some_and(|driver| view.catalog.drivers.iter().find(|d| d.name == driver).is_none_or(|d| d.attach_required))
}

impl Volumes {
    /// A pod was bound: attaches what can be attached; true if the pod may start.
    pub fn mount(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) -> bool {
        let Some(node) = ctx.state.pods[pod].node else {
            return false;
        };
        let view = View { catalog: ctx.catalog, state: ctx.state };
        let wanted: Vec<PvIdx> = volumes_of(view, pod).filter(|v| attaches(view, *v)).collect();
        let mut ready = true;
        for volume in wanted {
            let modes = ctx.state.volumes[volume].modes;
            let single = !modes.rwx && !modes.rox;
            let elsewhere = ctx.state.holders(volume).iter().any(|holder| *holder != node);
            if single && elsewhere {
                ready = false;
            } else {
                ctx.state.attach(Attachment { volume, node });
            }
        }
        if !ready {
            self.waiting.push(pod);
        }
        ready
    }

    /// A pod left its node (gone or in a terminal phase): its volumes will be let go.
    pub fn left(&mut self, ctx: &mut Ctx<'_>, pod: PodIdx) {
        self.waiting.retain(|p| *p != pod);
        if let Some(node) = ctx.state.pods[pod].node
            && !ctx.catalog.specs[ctx.state.pods[pod].spec].claims.is_empty()
        {
            ctx.after(ctx.options.volume_detach_ms, Timer::Detach(node));
        }
    }

    /// Lets go of the volumes that no pod on the node uses; returns the pods that may start now.
    pub fn detach(&mut self, ctx: &mut Ctx<'_>, node: NodeIdx) -> Vec<PodIdx> {
        let view = View { catalog: ctx.catalog, state: ctx.state };
        let used: Vec<PvIdx> = view.state.nodes[node].pods.iter().flat_map(|p| volumes_of(view, *p)).collect();
        let idle: Vec<PvIdx> = view.state.attached(node).iter().copied().filter(|v| !used.contains(v)).collect();
        if idle.is_empty() {
            return Vec::new();
        }
        for volume in &idle {
            ctx.state.detach_volume(Attachment { volume: *volume, node });
        }
        // A pod that waits for none of these waits on: what keeps it is where it was.
        let mut started = Vec::new();
        for pod in std::mem::take(&mut self.waiting) {
            let view = View { catalog: ctx.catalog, state: ctx.state };
            if !volumes_of(view, pod).any(|v| idle.contains(&v)) {
                self.waiting.push(pod);
            } else if self.mount(ctx, pod) {
                started.push(pod);
            }
        }
        started
    }
}

/// Makes the volume that a provisioner would make for a claim whose pod was placed on `node`, and binds both.
///
/// The volume is reachable from the node's zone (what every zonal block store does); a node without a zone label gives
/// a volume without affinity.
pub fn provision(ctx: &mut Ctx<'_>, claim: PvcIdx, node: NodeIdx) {
    if ctx.state.claims[claim].volume.is_some() {
        return;
    }
    let c = &ctx.catalog.claims[claim];
    let known = ctx.catalog.known;
    let class = c.class.and_then(|name| ctx.catalog.classes.iter().find(|k| k.name == name));
    let zone = ctx.state.nodes[node].spec.labels.get(known.zone);
    let node_affinity = zone.map(|zone| NodeSelector {
        terms: vec![NodeSelectorTerm {
            expressions: vec![Requirement {
                key: known.zone,
                operator: Operator::In,
                values: [zone].into_iter().collect(),
                bound: None,
            }],
            fields: Vec::new(),
        }],
    });
    let name = ctx.state.make_name(&format!("pvc-sim-{}", ctx.state.volumes.len()));
    let volume = Pv {
        name,
        labels: Default::default(),
        class: c.class.unwrap_or(known.empty),
        attributes_class: c.attributes_class,
        capacity: c.request,
        modes: AccessModes { ..c.modes },
        block: c.block,
        node_affinity,
        driver: class.map(|k| k.provisioner),
        handle: Some(name),
        claim_ref: Some((c.namespace, c.name)),
        claim_ref_has_uid: true,
        phase: known.empty,
        deleting: false,
    };
    let volume = ctx.state.add_volume(Arc::new(volume), Some(claim));
    ctx.state.bind_claim(claim, volume);
}
