//! What is noticed of owners and pods while they are decoded.

use super::builder::Builder;
use super::diagnostics::kind_text;
use super::wire::condition;
use super::wire::pod as wire;
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
        if shape.gated {
            notices.note("pod-gated", object, "");
        }
        if !spec.finalizers.is_empty() {
            let names: Vec<&str> = spec.finalizers.iter().map(|f| self.catalog.names.text(*f).unwrap_or("?")).collect();
            notices.note("pod-finalizer", object, &format!("it has the finalizers {}", names.join(", ")));
        }
        if condition(&pod.status.conditions, "Initialized").is_some_and(|c| &*c.status == "False") && !terminal {
            notices.note("init-container-waits", object, "");
        }
        if condition(&pod.status.conditions, "PodResizePending").is_some_and(|c| c.holds())
            || condition(&pod.status.conditions, "PodResizeInProgress").is_some_and(|c| c.holds())
        {
            notices.note("pod-resize-pending", object, "");
        }
        if meta.deletion_timestamp.is_some() {
            notices.note("pod-terminating", object, "");
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
        self.notice_containers(pod, terminal);
    }

    /// Containers that wait for something, have restarted, or are not ready.
    fn notice_containers(&mut self, pod: &wire::Pod<'_>, terminal: bool) {
        let statuses = || pod.status.container_statuses.iter().chain(pod.status.init_container_statuses.iter());
        let object = || Builder::object("Pod", &pod.metadata);
        let reason = |s: &wire::ContainerStatus<'_>| {
            let reason = s.state.as_ref()?.waiting.as_ref()?.reason.as_deref().filter(|r| !r.is_empty())?;
            Some((s.name.to_string(), reason.to_owned()))
        };
        let waits = || statuses().filter_map(reason);
        let notices = &mut self.notices;
        if let Some((container, _)) = waits().find(|(_, r)| r == "CrashLoopBackOff") {
            notices.note("crash-looping", object, &format!("container {container} is in CrashLoopBackOff"));
        } else if let Some((container, reason)) = waits().find(|(_, r)| !STARTING.contains(&r.as_str())) {
            notices.note("pod-cannot-start", object, &format!("container {container} waits: {reason}"));
        } else if terminal || pod.metadata.deletion_timestamp.is_some() {
        } else if pod.status.phase.as_deref() == Some("Running") && is_unready(pod) {
            notices.note("pod-not-ready", object, &unready_text(pod));
        } else if statuses().any(|s| s.restart_count > 0) {
            notices.note("pods-restarting", object, "");
        }
    }
}

/// Reasons for which a container waits that is only about to start (kubernetes v1.36.3 `pkg/kubelet/kubelet_pods.go`: ContainerCreating,
/// PodInitializing). Every other one is something that the kubelet tries again and again.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Whether the condition Ready is there and not True.
fn is_unready(pod: &wire::Pod<'_>) -> bool {
    condition(&pod.status.conditions, "Ready").is_some_and(|c| !c.holds())
}

fn unready_text(pod: &wire::Pod<'_>) -> String {
    let ready = condition(&pod.status.conditions, "Ready");
    let why = ready.and_then(|c| c.message.as_deref().or(c.reason.as_deref())).filter(|w| !w.is_empty());
    why.map_or_else(String::new, |why| format!("it runs and is not ready ({why})"))
}
