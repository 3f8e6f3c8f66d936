//! Which pods of a dump are broken: whatever replaces such a pod is made from the same template, and is as broken.

use super::builder::{Builder, Unready};
use super::delays::StartDelays;
use super::wire::condition;
use super::wire::pod as wire;
use crate::cluster::*;
use std::collections::BTreeSet;

/// Reasons for which a container waits that is only about to start (kubernetes v1.36.3 `pkg/kubelet/kubelet_pods.go`: ContainerCreating,
/// PodInitializing). Every other one is something that the kubelet tries again and again.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

impl Builder {
    /// Notes a pod whose containers wait for something, have restarted, or are not ready.
    pub(super) fn note_health(&mut self, pod: &wire::Pod<'_>, spec: SpecIdx, state: &PodState) {
        let statuses = || pod.status.container_statuses.iter().chain(pod.status.init_container_statuses.iter());
        let object = || Builder::object("Pod", &pod.metadata);
        if state.phase.is_terminal() || pod.metadata.deletion_timestamp.is_some() {
            return;
        }
        let reason = |s: &wire::ContainerStatus<'_>| {
            let reason = s.state.as_ref()?.waiting.as_ref()?.reason.as_deref().filter(|r| !r.is_empty())?;
            Some((s.name.to_string(), reason.to_owned()))
        };
        let waits = || statuses().filter_map(reason);
        let is_false = |kind: &str| condition(&pod.status.conditions, kind).is_some_and(|c| !c.holds());
        let mut found = Unready {
            spec,
            object: object(),
            why: String::new(),
            phase: if state.phase == Phase::Running { Phase::Running } else { Phase::Pending },
            since: condition(&pod.status.conditions, "Ready")
                .and_then(|c| c.last_transition_time)
                .or(pod.status.start_time)
                .map(|t| t.0),
            at_once: None,
            initializing: condition(&pod.status.conditions, "Initialized").is_some_and(|c| &*c.status == "False"),
        };
        if let Some((container, _)) = waits().find(|(_, r)| r == "CrashLoopBackOff") {
            found.why = format!("container {container} is in CrashLoopBackOff");
            found.at_once = Some("crash-looping");
        } else if let Some((container, reason)) = waits().find(|(_, r)| !STARTING.contains(&r.as_str())) {
            found.why = format!("container {container} waits: {reason}");
            found.at_once = Some("pod-cannot-start");
        } else if is_false("Ready") && !state.ready && (state.node.is_some() || state.phase == Phase::Running) {
            found.why = match waits().next() {
                Some((container, reason)) if state.phase != Phase::Running => {
                    format!("container {container} waits: {reason}")
                }
                _ => unready_text(pod, state.phase),
            };
        } else {
            if statuses().any(|s| s.restart_count > 0) {
                self.notices.note("pods-restarting", object, "");
            }
            if found.initializing {
                self.notices.note("init-container-waits", object, "");
            }
            return;
        }
        self.lookup.unready.push(found);
    }

    /// Decides which of the unready pods are broken. A pod is not to blame for the silence of its node: the node controller says of every pod
    /// of a node that is not Ready that it is not ready either.
    pub(super) fn judge_health(&mut self, state: &State, taken: i64, delays: &StartDelays) {
        let slowest = delays.overall_ms.last().copied().unwrap_or(0);
        let patience = START_PATIENCE_MS.max(slowest.saturating_mul(2));
        let lost: BTreeSet<SpecIdx> = state
            .live_pods()
            .filter(|p| state.pods[*p].node.is_some_and(|n| !state.nodes[n].ready))
            .map(|p| state.pods[p].spec)
            .collect();
        for u in std::mem::take(&mut self.lookup.unready) {
            // Without a moment, as in dumps made by hand, it has just begun.
            let age = u.since.map_or(0, |since| taken - since);
            let code = match u.at_once {
                Some(code) => Some(code),
                None if lost.contains(&u.spec) => continue,
                None => (age > patience).then_some("pod-unready-for-long"),
            };
            let Some(code) = code else {
                let code = match u.phase {
                    Phase::Running => "pod-not-ready",
                    _ if u.initializing => "init-container-waits",
                    _ => continue,
                };
                self.notices.note(code, || u.object.clone(), if code == "pod-not-ready" { &u.why } else { "" });
                continue;
            };
            let why = match code {
                "pod-unready-for-long" => format!("{}, for {}", u.why, duration_text(age)),
                _ => u.why,
            };
            self.notices.note(code, || u.object.clone(), &why);
            self.catalog.inventory.broken.insert(u.spec, Broken { why, phase: u.phase });
        }
    }
}

fn unready_text(pod: &wire::Pod<'_>, phase: Phase) -> String {
    let ready = condition(&pod.status.conditions, "Ready");
    let why = ready.and_then(|c| c.message.as_deref().or(c.reason.as_deref())).filter(|w| !w.is_empty());
    let what = if phase == Phase::Running { "it runs and is not ready" } else { "it has not started" };
    why.map_or_else(|| what.to_owned(), |why| format!("{what} ({why})"))
}
