//! What is noticed of owners and pods while they are decoded.

use super::builder::Builder;
use super::diagnostics::kind_text;
use super::requests::is_extended;
use super::wire::condition;
use super::wire::pod as wire;
use super::wire::workload::Workload;
use crate::cluster::*;

impl Builder {
    pub(crate) fn notice_owner(&mut self, owner: &Owner) {
        let object = || {
            let text = |s| self.catalog.text(s);
            format!(
                "{}/{}/{}",
                text(owner.kind_name),
                text(self.catalog.namespaces[owner.namespace].name),
                text(owner.name)
            )
        };
        if owner.kind == OwnerKind::Custom {
            self.notices.note("owner-custom", object, "it is a custom resource that owns pods");
        } else if owner.missing && self.lookup.kinds.contains(kind_text(owner.kind)) {
            self.notices.note("owner-missing", object, "pods name it as their controller, but it does not exist");
        }
    }

    /// A template names a priority class while the dump holds none.
    pub(crate) fn notice_priority_class(&mut self, class: &str, owner: OwnerIdx) {
        // These two are in every cluster, with values that are fixed.
        let built_in = matches!(class, "system-node-critical" | "system-cluster-critical");
        if !built_in && !self.lookup.kinds.contains("PriorityClass") {
            let object = || self.catalog.owner_text(owner);
            self.notices.note("no-priority-classes-in-dump", object, &format!("its template names the priority class {class}, but the dump has no priorityclasses: was the kind asked for?"));
        }
    }

    pub(crate) fn notice_pod(&mut self, pod: &wire::Pod<'_>, spec: &PodSpec) {
        let meta = &pod.metadata;
        let object = || Builder::object("Pod", meta);
        let terminal = matches!(pod.status.phase.as_deref(), Some("Succeeded" | "Failed"));
        let shape = &self.catalog.shapes[spec.shape.at()];
        let notices = &mut self.notices;
        if shape.scheduler_name != self.catalog.known.default_scheduler && !terminal {
            let name = pod.spec.scheduler_name.as_deref().unwrap_or("");
            notices.note("other-scheduler", object, &format!("it names the scheduler {name}"));
        }
        if shape.has_resource_claims {
            notices.note("resource-claims", object, "");
        }
        let absent = shape.requests.amounts.iter().find(|(r, n)| *n > 0 && !self.lookup.offered.contains(r));
        if let Some((resource, _)) = absent.filter(|_| !terminal && !self.lookup.nodes.is_empty()) {
            let name = self.catalog.names.text(self.catalog.resources[resource.at()]).unwrap_or("?");
            if is_extended(name) {
                notices.note("extended-resource-absent", object, &format!("it asks for {name}"));
            }
        }
        if shape.gated {
            notices.note("pod-gated", object, "");
        }
        if !spec.finalizers.is_empty() {
            let names: Vec<&str> = spec.finalizers.iter().map(|f| self.catalog.names.text(*f).unwrap_or("?")).collect();
            notices.note("pod-finalizer", object, &format!("it has the finalizers {}", names.join(", ")));
        }
        if condition(&pod.status.conditions, "PodResizePending").is_some_and(|c| c.holds())
            || condition(&pod.status.conditions, "PodResizeInProgress").is_some_and(|c| c.holds())
        {
            notices.note("pod-resize-pending", object, "");
        }
        if pod.spec.os.as_ref().is_some_and(|os| &*os.name == "windows") {
            notices.note("node-windows", object, "the pod runs Windows");
        }
        if spec.claims.iter().any(|c| c.ephemeral) {
            notices.note("ephemeral-claim", object, "");
        }
        let claims = "PersistentVolumeClaim";
        if !terminal
            && (self.lookup.kinds.contains(claims) || self.lookup.none_of.contains(claims))
            && let Some(claim) = spec.claims.iter().find(|c| c.claim.is_none())
        {
            let name = self.catalog.names.text(claim.name).unwrap_or("?");
            notices.note("claim-missing", object, &format!("it mounts the claim {name}, which does not exist"));
        }
    }

    /// A controller that is bringing its pods to a new template, or has not seen its newest one.
    pub(crate) fn notice_rollout(&mut self, w: &Workload<'_>, kind: OwnerKind) {
        if let Some(why) = rollout(w, kind) {
            self.notices.note("rollout-under-way", || Builder::object(kind_text(kind), &w.metadata), &why);
        }
    }
}

/// What of a rollout is not finished. A status that has seen no generation is none: hand-made dumps have such.
fn rollout(w: &Workload<'_>, kind: OwnerKind) -> Option<String> {
    let (spec, status) = (&w.spec, &w.status);
    let strategy = spec.update_strategy.as_ref();
    let by_hand = strategy.and_then(|s| s.kind.as_deref()) == Some("OnDelete");
    let (updated, wanted) = match kind {
        OwnerKind::Deployment => (status.updated_replicas, spec.replicas.unwrap_or(1)),
        // What stands before the partition is meant to stay as it is.
        OwnerKind::StatefulSet => {
            let partition = strategy.and_then(|s| s.rolling_update.as_ref()?.partition).unwrap_or(0);
            (status.updated_replicas, spec.replicas.unwrap_or(1) - partition.max(0))
        }
        OwnerKind::DaemonSet => (status.updated_number_scheduled, status.desired_number_scheduled.unwrap_or(0)),
        _ => return None,
    };
    let observed = status.observed_generation?;
    if let Some(generation) = w.metadata.generation.filter(|g| *g > observed) {
        return Some(format!("generation {generation} is stored, {observed} was observed"));
    }
    // Counts of 0 are left out of a status.
    let (updated, wanted) = (updated.unwrap_or(0), wanted.max(0));
    let left_over = kind == OwnerKind::Deployment && status.replicas.unwrap_or(0) > updated.max(wanted);
    if by_hand || (updated >= wanted && !left_over) {
        return None;
    }
    let paused = if spec.paused { ", and it is paused" } else { "" };
    let old = status.replicas.unwrap_or(0) - updated;
    Some(match left_over {
        true => format!("{old} pods of an older template are still there{paused}"),
        false => format!("{updated} of {wanted} pods are of the newest template{paused}"),
    })
}
