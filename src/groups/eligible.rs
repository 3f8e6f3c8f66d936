//! Whether a pod could run on a node that a group would make, and if not, why.

use super::builtin::taint_text;
use super::template::{Template, UNNAMED};
use super::volumes::{VolumeNeeds, selector_text};
use crate::cluster::*;

/// Why a group cannot host a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Refusal {
    /// The group.
    pub group: GroupIdx,
    /// Stable code: `node-selector`, `node-affinity`, `taint`, `resources`, `pod-slots`, `host-port`, `volume-zone`, `attach-limit`,
    /// `group-full`, `group-frozen`, `source-group`, `no-capacity`, `group-without-machines`.
    pub code: &'static str,
    /// What is so.
    pub text: String,
}

/// The first reason why no pod of this shape and with these volumes runs on a fresh node of the template; None if one does.
///
/// In the order of the scheduler's filters: selector and affinity (P/nodeaffinity), taints (P/tainttoleration), ports, resources and
/// slots beside the DaemonSets (P/noderesources), volumes (P/volumebinding, P/volumezone, P/nodevolumelimits).
pub fn refusal(view: View<'_>, template: &Template, shape: &PodShape, volumes: &VolumeNeeds) -> Option<Refusal> {
    let catalog = view.catalog;
    let no = |code, text| Some(Refusal { group: template.group, code, text });
    if let Some(refusal) = constraint(catalog, template, shape) {
        return Some(refusal);
    }
    if let Some(port) = shape.host_ports.iter().find(|p| template.daemon_ports.iter().any(|d| ports_conflict(p, d))) {
        return no("host-port", format!("host port {} is taken by a DaemonSet", port.port));
    }
    for (resource, amount) in &shape.requests.amounts {
        let free = template.free(*resource);
        if *amount > free {
            let name = catalog.text(catalog.resources[resource.at()]);
            let machine = catalog.text(catalog.machines[template.machine].name);
            return no(
                "resources",
                format!("asks for {name} {amount}; machine type {machine} leaves {free} beside DaemonSets"),
            );
        }
    }
    if template.free_slots() < 1 {
        return no("pod-slots", "DaemonSets take every pod slot".into());
    }
    if let Some(text) = volumes.refusal(view, &template.labels, UNNAMED) {
        return no("volume-zone", text);
    }
    let limits = template.attach_limits.iter().flatten();
    limits.into_iter().find_map(|limit| {
        let wanted = volumes.attach.iter().find(|a| a.0 == limit.driver)?.1;
        let count = limit.count.filter(|c| wanted > *c)?;
        no("attach-limit", format!("attaches {wanted} volumes of {}; a node takes {count}", catalog.text(limit.driver)))
    })
}

/// What of a pod's selector, affinity and tolerations keeps it from a node of the template; None if nothing does.
pub fn constraint(catalog: &Catalog, template: &Template, shape: &PodShape) -> Option<Refusal> {
    let no = |code, text| Some(Refusal { group: template.group, code, text });
    if let Some((key, value)) = shape.node_selector.iter().find(|(k, v)| template.labels.get(*k) != Some(*v)) {
        return no("node-selector", format!("node selector asks for {}={}", catalog.text(*key), catalog.text(*value)));
    }
    if let Some(affinity) =
        shape.node_affinity.as_ref().filter(|a| !a.matches(&template.labels, UNNAMED, &catalog.names))
    {
        return no("node-affinity", format!("required node affinity asks for {}", selector_text(catalog, affinity)));
    }
    let taint = shape.first_untolerated(&template.taints)?;
    no("taint", format!("taint {} is not tolerated", taint_text(catalog, taint)))
}

/// Whether a DaemonSet's pod runs on a node of the template (C/daemon `NodeShouldRunDaemonPod`).
///
/// The controller tolerates the node life-cycle taints for its pods; fields (a live pod's own node) do not apply to a new node.
pub fn daemon_runs(catalog: &Catalog, spec: SpecIdx, template: &Template) -> bool {
    let shape = catalog.shape(spec);
    let selected = shape.node_selector.iter().all(|(k, v)| template.labels.get(*k) == Some(*v));
    let affine = shape.node_affinity.as_ref().is_none_or(|a| {
        a.terms.iter().any(|t| {
            let named = !t.fields.is_empty();
            (named || !t.expressions.is_empty())
                && t.expressions.iter().all(|r| r.matches(&template.labels, &catalog.names))
        })
    });
    let lifecycle = |t: &Taint| catalog.text(t.key).starts_with("node.kubernetes.io/");
    let kept: Vec<Taint> = template.taints.iter().copied().filter(|t| !lifecycle(t)).collect();
    selected && affine && shape.first_untolerated(&kept).is_none()
}

/// Whether two host ports cannot be on one node (P/nodeports; an address None is 0.0.0.0 and conflicts with any).
pub fn ports_conflict(a: &HostPort, b: &HostPort) -> bool {
    a.port == b.port && a.protocol == b.protocol && (a.ip.is_none() || b.ip.is_none() || a.ip == b.ip)
}
