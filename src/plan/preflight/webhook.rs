//! Admission webhooks that refuse pods when nobody answers, and whose backends are all moved.

use super::Facts;
use crate::cluster::{Finding, NodeIdx, PodIdx, Severity, Webhook};
use std::collections::BTreeSet;

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let moving: Vec<(NodeIdx, Vec<PodIdx>)> = facts.moving();
    facts.view.catalog.inventory.webhooks.iter().flat_map(|hook| judge(facts, &moving, hook)).collect()
}

fn judge(facts: &Facts<'_>, moving: &[(NodeIdx, Vec<PodIdx>)], hook: &Webhook) -> Vec<Finding> {
    let (c, s) = (facts.view.catalog, facts.view.state);
    let is_backend = |p: &PodIdx| {
        let (pod, spec) = (&s.pods[*p], &c.specs[s.pods[*p].spec]);
        pod.ready && pod.is_active() && hook.is_backend(spec.namespace, &spec.labels)
    };
    let backends = s.live_pods().filter(is_backend).count();
    let leave: Vec<(NodeIdx, PodIdx)> =
        moving.iter().flat_map(|(n, pods)| pods.iter().filter(|p| is_backend(p)).map(|p| (*n, *p))).collect();
    if backends == 0 || leave.len() < backends {
        return Vec::new();
    }
    let nodes: BTreeSet<NodeIdx> = leave.iter().map(|l| l.0).collect();
    let pods: Vec<PodIdx> = leave.iter().map(|l| l.1).collect();
    let spec = |p: PodIdx| &c.specs[s.pods[p].spec];
    let asked = |p: &PodIdx| hook.is_asked(&c.namespaces[spec(*p).namespace].labels, &spec(*p).labels, &c.names);
    let itself = hook.creates && pods.iter().any(asked);
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
    } else if hook.creates {
        let then = "as long as none of their replacements is ready, no pod can be created where it is asked".into();
        add(Severity::Warning, "webhook-backends-move", then, REMEDY);
    }
    if hook.evicts {
        let then = "as long as none is ready the real API server refuses evictions where it is asked (500), which is not simulated".into();
        add(Severity::Warning, "webhook-of-evictions", then, REMEDY);
    }
    findings
}
