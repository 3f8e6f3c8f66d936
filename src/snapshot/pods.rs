//! Pods: what they were created as, and how they are now.

use super::builder::Builder;
use super::delays::StartSample;
use super::owners::Customs;
use super::requests;
use super::wire::pod as wire;
use super::wire::{Meta, condition};
use crate::cluster::*;

/// A pod read: its spec is in the catalogue, its state still has times since 1970.
#[derive(Clone, Debug)]
pub(crate) struct ReadPod {
    pub(crate) state: PodState,
    pub(crate) started: Option<StartSample>,
}

impl Builder {
    /// Reads a pod; None for one that was there already (the same uid in two files), or whose node is gone.
    pub(crate) fn read_pod(&mut self, customs: &Customs<'_>, pod: &wire::Pod<'_>) -> Option<ReadPod> {
        let meta = &pod.metadata;
        let uid = self.sym(&meta.uid);
        if !meta.uid.is_empty() && !self.lookup.pod_uids.insert(uid) {
            self.notices.note(
                "duplicate-object",
                || Builder::object("Pod", meta),
                "it is in the input twice; the first is used",
            );
            return None;
        }
        let ns = self.namespace(meta.ns());
        let name = self.sym(&meta.name);
        let bound_to = pod.spec.node_name.as_deref().filter(|n| !n.is_empty());
        let node = bound_to.and_then(|n| self.catalog.names.get(n)).and_then(|n| self.lookup.nodes.get(&n).copied());
        if let (Some(gone), None) = (bound_to, node)
            && self.is_orphan(gone, pod)
        {
            return None;
        }
        let mut labels = self.labels(&meta.labels);
        // Binding copies the node's topology onto the pod (PodTopologyLabels admission): the state knows it by the node, and a clone starts
        // without.
        if let Some(on) = bound_to.and_then(|n| self.catalog.names.get(n)) {
            for key in [self.catalog.known.zone, self.catalog.known.region] {
                let of_node = self.lookup.topology.get(&(on, key));
                if of_node.is_some() && labels.get(key) == of_node.copied() {
                    labels.remove(key);
                }
            }
        }
        let shaped = self.shape(&pod.spec, ns, &labels, &meta.name);
        let resized = requests::resized(&mut self.catalog, pod, &shaped.shape.requests);
        let owner = meta.controller().map(|r| self.owner(customs, r, ns));
        let shape = self.catalog.intern_shape(shaped.shape);
        let mirror = meta.annotations.get("kubernetes.io/config.mirror").is_some();
        let spec = PodSpec {
            namespace: ns,
            name,
            generate_name: self.sym_opt(meta.generate_name.as_deref()),
            uid,
            labels,
            annotations: self.annotations(meta),
            shape,
            claims: shaped.claims,
            owner,
            mirror,
            finalizers: self.finalizers(meta),
            resized,
            ordinal: self.ordinal(pod, owner),
        };
        self.notice_pod(pod, &spec);
        let spec = self.catalog.specs.push(spec);
        self.note_not_running(pod, spec);
        self.note_spec(spec, &pod.spec, shaped.unknown_claims);
        self.replacement_of(spec, &pod.spec);
        let state = self.pod_state(pod, spec, name, uid, node);
        self.note_health(pod, spec, &state);
        let started = self.start_sample(pod, &state, owner, mirror);
        Some(ReadPod { state, started })
    }

    /// What replaces a pod with generic ephemeral volumes has claims of its own, which do not exist yet and go where it goes: nothing ties it to
    /// those of its predecessor.
    fn replacement_of(&mut self, spec: SpecIdx, given: &wire::PodSpec<'_>) {
        let of = &self.catalog.specs[spec];
        if !of.claims.iter().any(|c| c.ephemeral) {
            return;
        }
        let mut kept = Vec::new();
        let mut shape = self.catalog.shape(spec).clone();
        for volume in &mut shape.volumes {
            if let Volume::Claim(nth) = volume {
                let claim = of.claims[*nth as usize].clone();
                *volume = if claim.ephemeral { Volume::Other } else { Volume::Claim(kept.len() as u32) };
                kept.extend((!claim.ephemeral).then_some(claim));
            }
        }
        let replacement = PodSpec { claims: kept, ..of.clone() };
        let shape = self.catalog.intern_shape(shape);
        let replacement = self.catalog.specs.push(PodSpec { shape, ..replacement });
        self.note_spec(replacement, given, false);
        self.catalog.inventory.replacements.insert(spec, replacement);
    }

    /// Whether a pod is bound to a node that no longer exists: pod garbage collection is about to remove it. Without any
    /// node in the dump it cannot be told, and a pod that ended holds nothing either way.
    fn is_orphan(&mut self, node: &str, pod: &wire::Pod<'_>) -> bool {
        let ended = matches!(pod.status.phase.as_deref(), Some("Succeeded" | "Failed"));
        if ended || self.lookup.nodes.is_empty() {
            return false;
        }
        let ns = self.namespace(pod.metadata.ns());
        self.lookup.left_out_of.insert(ns);
        *self.lookup.absent_nodes.entry(node.to_owned()).or_default() += 1;
        if let Some(owner) = pod.metadata.controller() {
            let uid = self.sym(&owner.uid);
            *self.lookup.left_out.entry(uid).or_default() += 1;
        }
        let detail = format!("it is bound to node {node}, which the dump lacks");
        self.notices.note("node-missing", || Builder::object("Pod", &pod.metadata), &detail);
        true
    }

    /// Finalizers that may hold the pod. Every Job tracks its pods by one of its own, and takes it off once it has
    /// counted them.
    fn finalizers(&mut self, meta: &Meta<'_>) -> Vec<Sym> {
        let holds = meta.finalizers.iter().filter(|f| &***f != "batch.kubernetes.io/job-tracking");
        holds.map(|f| self.catalog.names.intern(f)).collect()
    }

    /// The ordinal of a StatefulSet's pod, or the completion index of an indexed Job's.
    fn ordinal(&mut self, pod: &wire::Pod<'_>, owner: Option<OwnerIdx>) -> Option<u32> {
        let owner = &self.catalog.owners[owner?];
        match owner.kind {
            OwnerKind::StatefulSet => pod.metadata.name.rsplit_once('-').and_then(|(_, n)| n.parse().ok()),
            OwnerKind::Job => {
                pod.metadata.annotations.get("batch.kubernetes.io/job-completion-index").and_then(|n| n.parse().ok())
            }
            _ => None,
        }
    }

    fn pod_state(
        &mut self,
        pod: &wire::Pod<'_>,
        spec: SpecIdx,
        name: Sym,
        uid: Sym,
        node: Option<NodeIdx>,
    ) -> PodState {
        let (meta, status) = (&pod.metadata, &pod.status);
        let ready = condition(&status.conditions, "Ready");
        let scheduled = condition(&status.conditions, "PodScheduled");
        let preempted = condition(&status.conditions, "DisruptionTarget");
        let created = meta.created_ms();
        let at = |c: Option<&super::wire::Condition<'_>>| c.and_then(|c| c.last_transition_time).map(|t| t.0);
        let started = status.start_time.map(|t| t.0).or(at(scheduled)).unwrap_or(created);
        let deleting = meta.deletion_timestamp.map(|t| {
            let grace = meta.deletion_grace_period_seconds.unwrap_or(0).saturating_mul(1000);
            Deletion { asked: t.0.saturating_sub(grace.max(0)), deadline: t.0 }
        });
        self.saw(created.max(started).max(deleting.map_or(0, |d| d.asked)));
        for c in status.conditions.iter() {
            self.saw(c.last_transition_time.map_or(0, |t| t.0));
        }
        let statuses = || status.container_statuses.iter().chain(status.init_container_statuses.iter());
        for state in statuses().filter_map(|s| s.state.as_ref()) {
            let running = state.running.as_ref().and_then(|r| r.started_at);
            let ended = state.terminated.as_ref().and_then(|t| t.finished_at);
            self.saw(running.max(ended).map_or(0, |t| t.0));
        }
        let nominated = status.nominated_node_name.as_deref().and_then(|n| self.catalog.names.get(n));
        PodState {
            spec,
            name,
            uid,
            phase: match status.phase.as_deref() {
                Some("Running") => Phase::Running,
                Some("Succeeded") => Phase::Succeeded,
                Some("Failed") => Phase::Failed,
                Some("Unknown") => Phase::Unknown,
                _ => Phase::Pending,
            },
            node,
            ready: ready.is_some_and(|c| c.holds()),
            ready_since: at(ready).unwrap_or(created),
            created,
            started,
            deleting,
            incarnation: 0,
            nominated: nominated.and_then(|n| self.lookup.nodes.get(&n).copied()),
            unschedulable: scheduled.is_some_and(|c| &*c.status == "False" && c.because("Unschedulable")),
            preempted: preempted.is_some_and(|c| c.holds() && c.because("PreemptionByScheduler")),
            restarts: u32::try_from(statuses().fold(0, |n: i64, s| n.saturating_add(s.restart_count.max(0))))
                .unwrap_or(u32::MAX),
            kept_by_job: false,
            gone: false,
        }
    }

    /// How long the pod took from scheduled to ready, if it tells.
    fn start_sample(
        &self,
        pod: &wire::Pod<'_>,
        state: &PodState,
        owner: Option<OwnerIdx>,
        mirror: bool,
    ) -> Option<StartSample> {
        let moment = |kind: &str| {
            let c = condition(&pod.status.conditions, kind).filter(|c| c.holds())?;
            c.last_transition_time.map(|t| t.0)
        };
        if mirror || state.node.is_none() || state.phase != Phase::Running {
            return None;
        }
        let (scheduled, ready) = (moment("PodScheduled")?, moment("Ready")?);
        let owner = owner.map(|o| self.catalog.top_owner(o));
        Some(StartSample { owner, ms: ready - scheduled, restarted: state.restarts > 0 })
    }
}
