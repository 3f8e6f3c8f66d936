//! Data that stays on the old node: `hostPath` volumes, and `emptyDir` volumes that go with their pod.

use super::Facts;
use crate::cluster::{Finding, PodIdx, Severity};

/// See the module.
pub fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let (c, s) = (facts.view.catalog, facts.view.state);
    let paths = |p: PodIdx| c.inventory.declared.get(&s.pods[p].spec).map_or(&[][..], |d| &d.host_paths);
    let pods: Vec<PodIdx> = facts.moving().into_iter().flat_map(|m| m.1).collect();
    let on_host = pods.iter().copied().filter(|p| !paths(*p).is_empty());
    let mut findings: Vec<Finding> = facts
        .by_workload(on_host)
        .into_iter()
        .map(|(object, pods)| {
            Finding::new(
                Severity::Warning,
                "host-path-left-behind",
                object,
                format!(
                    "its pods use the paths {} of their node, and what is there stays there: a replacement finds what its own node has: {}",
                    paths(pods[0]).join(", "),
                    facts.names(&pods)
                ),
                "Copy the data to a volume first, or make sure that it may be lost.",
            )
        })
        .collect();
    // Where kubectl drain refuses such pods `local-storage-refused` says it.
    let o = facts.options;
    let refused = o.procedure.procedure().drains_as_kubectl() && !o.kubectl_drain.delete_emptydir_data;
    let scratch: Vec<PodIdx> =
        pods.into_iter().filter(|p| !refused && c.shape(s.pods[*p].spec).has_empty_dir()).collect();
    if !scratch.is_empty() {
        let (workloads, n) = (facts.by_workload(scratch.iter().copied()), scratch.len());
        let names: Vec<&str> = workloads.keys().take(5).map(String::as_str).collect();
        let more = if workloads.len() > 5 { format!(" and {} more", workloads.len() - 5) } else { String::new() };
        findings.push(Finding::new(
            Severity::Info,
            "empty-dir-lost",
            "Pod",
            format!(
                "{n} moved pods have emptyDir volumes, whose content is deleted with the pod: {}{more}",
                names.join(", ")
            ),
            "None needed unless one of them keeps there what it cannot make again.",
        ));
    }
    findings
}
