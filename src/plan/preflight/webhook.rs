//! Admission webhooks that refuse pods when nobody answers, and whose backends are all moved.

use super::Facts;
use crate::cluster::{Finding, NodeIdx, PodIdx, Severity, Webhook};
use crate::disruption::admission::{answers, is_asked_of_creation, is_asked_of_eviction, is_silent};
use crate::disruption::holder::why_broken;
use std::collections::BTreeSet;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let moving: Vec<(NodeIdx, Vec<PodIdx>)> = facts.moving();
    facts.view.catalog.inventory.webhooks.iter().flat_map(|hook| judge(facts, &moving, hook)).collect()
}

fn judge(facts: &Facts<'_>, moving: &[(NodeIdx, Vec<PodIdx>)], hook: &Webhook) -> Vec<Finding> {
    let s = facts.view.state;
    let is_backend = |p: &PodIdx| answers(facts.view, hook, *p);
    let backends = s.live_pods().filter(is_backend).count();
    let leave: Vec<(NodeIdx, PodIdx)> =
        moving.iter().flat_map(|(n, pods)| pods.iter().filter(|p| is_backend(p)).map(|p| (*n, *p))).collect();
    if backends == 0 {
        return silent(facts, moving, hook).into_iter().collect();
    }
    if leave.len() < backends {
        return Vec::new();
    }
    let nodes: BTreeSet<NodeIdx> = leave.iter().map(|l| l.0).collect();
    let pods: Vec<PodIdx> = leave.iter().map(|l| l.1).collect();
    let of_creation = |p: &PodIdx| is_asked_of_creation(facts.view, hook, s.pods[*p].spec);
    let itself = hook.creates && pods.iter().any(|p| of_creation(p) == Some(true));
    let moved = || moving.iter().flat_map(|m| &m.1);
    let undecided = moved().any(|p| of_creation(p).is_none() || is_asked_of_eviction(facts.view, hook, *p).is_none());
    let protected = pods.iter().any(|p| !facts.budgets.budgets_of(s.pods[*p].spec).is_empty());
    let chain = format!(
        "its webhook {} has failurePolicy Fail, and all backends of its Service {} are on old nodes ({})",
        hook.name,
        hook.service,
        facts.names(&pods)
    );
    let mut findings = Vec::new();
    let mut add = |severity, code: &str, then: String, remedy: &str| {
        findings.push(Finding::new(severity, code, hook.config.clone(), format!("{chain}: {then}"), remedy));
    };
    const REMEDY: &str = "Run a ready backend on a node that stays first (more replicas), exclude its own namespace by namespaceSelector, or set failurePolicy to Ignore for the time of the migration.";
    if itself && nodes.len() == 1 && !protected {
        let then = "once they are evicted no pod can be created where it is asked, not even their own replacements, until somebody deletes the configuration".into();
        add(Severity::Error, "webhook-deadlock", then, REMEDY);
    } else if itself {
        let then = "if none of them is ready at any moment, no pod can be created where it is asked, not even their own replacements".into();
        add(Severity::Warning, "webhook-backends-move", then, REMEDY);
    } else if hook.creates && (!undecided || moved().any(|p| of_creation(p) == Some(true))) {
        let then = "as long as none of their replacements is ready, no pod can be created where it is asked".into();
        add(Severity::Warning, "webhook-backends-move", then, REMEDY);
    }
    if undecided {
        let then = "whether it is asked about pods of old nodes depends on its matchConditions, which cannot be decided from a dump; it is taken to be asked about none of those"
            .into();
        add(Severity::Warning, "webhook-conditions-unknown", then, REMEDY);
    }
    if hook.evicts && moved().any(|p| is_asked_of_eviction(facts.view, hook, *p) == Some(true)) {
        let then = "as long as none is ready evictions are refused where it is asked (500), which ends a drain of kubectl's at once".into();
        add(Severity::Warning, "webhook-of-evictions", then, REMEDY);
    }
    findings
}

/// A webhook of which no backend is ready now: what it is asked about is refused until one is.
fn silent(facts: &Facts<'_>, moving: &[(NodeIdx, Vec<PodIdx>)], hook: &Webhook) -> Option<Finding> {
    let view = facts.view;
    let asked = |p: &PodIdx| {
        is_asked_of_creation(view, hook, view.state.pods[*p].spec) == Some(true)
            || is_asked_of_eviction(view, hook, *p) == Some(true)
    };
    if !is_silent(view, hook) || !moving.iter().flat_map(|m| &m.1).any(asked) {
        return None;
    }
    let is_backend = |p: &PodIdx| {
        let pod = &view.state.pods[*p];
        let spec = &view.catalog.specs[pod.spec];
        pod.is_active() && hook.is_backend(spec.namespace, &spec.labels)
    };
    let backends: Vec<PodIdx> = view.state.live_pods().filter(is_backend).collect();
    let broken = backends.iter().all(|p| why_broken(view, *p).is_some());
    let until = if broken { "which stays so: they are broken" } else { "until one of them is" };
    Some(Finding::new(
        if broken { Severity::Error } else { Severity::Warning },
        "webhook-without-backend",
        hook.config.clone(),
        format!(
            "its webhook {} has failurePolicy Fail, and no backend of its Service {} is ready ({}): pods and evictions that it is asked about are refused, {until}",
            hook.name,
            hook.service,
            facts.names(&backends)
        ),
        "Bring a backend back first, or set failurePolicy to Ignore (or delete the configuration) until one is ready.",
    ))
}
