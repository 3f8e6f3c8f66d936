//! What a dump shows of an ACK cluster: its masters, and what their labels and provider ids say.

use super::known::{Contradiction, FactsError, Known};
use crate::cluster::{NodeIdx, OwnerKind, PodIdx, View, components, provider, version};

/// Labels of which a node with any is a master, whatever their value.
const MASTER_LABELS: [&str; 2] = ["node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane"];
/// The label in which ACK writes the cluster's id on each node.
const CLUSTER_LABEL: &str = "ack.aliyun.com";

/// The value of a node's label.
fn label<'v>(view: View<'v>, node: NodeIdx, key: &str) -> Option<&'v str> {
    let key = view.catalog.names.get(key)?;
    view.state.nodes[node].spec.labels.get(key).map(|v| view.catalog.text(v))
}

/// The masters of a cluster, in the order of the dump.
pub fn masters(view: View<'_>) -> Vec<NodeIdx> {
    let is_master = |n: &NodeIdx| MASTER_LABELS.iter().any(|l| label(view, *n, l).is_some());
    view.state.live_nodes().filter(is_master).collect()
}

/// What a pod on a master is to the migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMaster {
    /// It ends with the master, as it should: a static pod's mirror, a DaemonSet's pod, one that has ended.
    Exempt,
    /// A pod of kube-system that has to be moved to a worker.
    System,
    /// Any other pod that has to be moved to a worker.
    User,
}

/// Judges a pod on a master.
pub fn on_master(view: View<'_>, pod: PodIdx) -> OnMaster {
    let (c, p) = (view.catalog, &view.state.pods[pod]);
    let spec = &c.specs[p.spec];
    let of_daemon_set = spec.owner.is_some_and(|o| c.owners[o].kind == OwnerKind::DaemonSet);
    if p.gone || p.phase.is_terminal() || spec.mirror || of_daemon_set {
        return OnMaster::Exempt;
    }
    match c.text(c.namespaces[spec.namespace].name) {
        "kube-system" => OnMaster::System,
        _ => OnMaster::User,
    }
}

/// Pods on masters that have to be moved, `namespace/name on node`.
pub fn left_on_masters(view: View<'_>, what: OnMaster) -> Vec<String> {
    let mut left = Vec::new();
    for node in masters(view) {
        for pod in view.state.nodes[node].pods.iter().filter(|p| on_master(view, **p) == what) {
            let (c, s) = (view.catalog, view.state);
            left.push(format!("{} on {}", s.pod_text(c, *pod), s.node_name(c, node)));
        }
    }
    left
}

/// DaemonSets and images by which cGPU Basic is known (C: no list of them is published; the device plugin and its image are those of
/// the project that cGPU Basic packages).
const CGPU_NAMES: [&str; 4] =
    ["gpushare-device-plugin-ds", "gpushare-device-plugin", "cgpu-installer", "cgpu-installer-ds"];
const CGPU_IMAGE: &str = "k8s-gpushare-plugin";

/// DaemonSets of cGPU Basic; None if the dump holds no DaemonSets, so that it cannot be seen.
pub fn cgpu_basic(view: View<'_>) -> Option<Vec<String>> {
    if !view.catalog.inventory.has("DaemonSet") {
        return None;
    }
    let found = components::find(view, |c| {
        CGPU_NAMES.contains(&c.name) || c.images.iter().any(|i| components::image_name(i).0 == CGPU_IMAGE)
    });
    Some(found.into_iter().map(|c| c.object).filter(|o| o.starts_with("DaemonSet/")).collect())
}

/// Takes what the dump shows; the names of its masters.
pub(super) fn take(known: &mut Known, view: View<'_>) -> Result<Vec<String>, FactsError> {
    let place = |path: &[&str]| path.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    let name = |n: NodeIdx| view.state.node_name(view.catalog, n).to_owned();
    for node in view.state.live_nodes() {
        if let Some(id) = label(view, node, CLUSTER_LABEL) {
            known.take(
                place(&["cluster", "id"]),
                id.into(),
                format!("the dump (label {CLUSTER_LABEL} of node {})", name(node)),
            )?;
        }
        if let Some(key) = ["topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"]
            .into_iter()
            .find(|k| label(view, node, k).is_some())
        {
            let region = label(view, node, key).unwrap_or_default();
            known.take(
                place(&["cluster", "region"]),
                region.into(),
                format!("the dump (label {key} of node {})", name(node)),
            )?;
        }
    }
    let masters = masters(view);
    for node in &masters {
        let spec = &view.state.nodes[*node].spec;
        let instance = spec.provider_id.and_then(|id| provider::instance_id(view.catalog.text(id)));
        let source = format!("the dump (spec.providerID of node {})", name(*node));
        let value = instance.map_or(serde_json::Value::Null, Into::into);
        known.take(place(&["masters", &name(*node), "instance"]), value, source)?;
    }
    Ok(masters.into_iter().map(name).collect())
}

/// A kubelet is never newer than its control plane (Kubernetes' version skew policy): a stated version that is older than one contradicts the dump.
pub(super) fn check_version(known: &Known, view: View<'_>) -> Result<(), FactsError> {
    let stated = known.facts.cluster.version.as_deref();
    let (Some(text), Some(newest)) = (stated, view.catalog.kubernetes_minor) else { return Ok(()) };
    match version::minor_of(text) {
        Some(minor) if minor < newest => Err(Contradiction {
            place: "cluster.version".to_owned(),
            first: format!("{text:?}"),
            first_source: known.source(&["cluster", "version"]).unwrap_or("a source").to_owned(),
            second: format!("a kubelet of 1.{newest}, and a kubelet is never newer than its control plane"),
            second_source: "the dump".to_owned(),
            how: "aliyun cs GET /clusters/<CLUSTER_ID>".to_owned(),
        }
        .into()),
        _ => Ok(()),
    }
}
