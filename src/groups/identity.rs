//! What clouds call a node: its instance, its pool, its Auto Scaling group.
//!
//! Kubernetes knows a node by its name; Ocean's discovery and its create call know it by the instance's id (AWS) or by the names of
//! node and pool (Azure).

use super::labels::POOL_LABELS;
use crate::cluster::{Labels, NodeIdx, View, provider};

/// Which cloud's instances a cluster's nodes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
    /// Any other, or a stand-in.
    Other,
}

impl Cloud {
    /// The cloud's name.
    pub fn name(self) -> &'static str {
        match self {
            Cloud::Aws => "AWS",
            Cloud::Azure => "Azure",
            Cloud::Gcp => "Google Cloud",
            Cloud::Other => "another provider",
        }
    }
}

/// Domains of the labels that a cloud puts on its nodes.
const CLOUD_LABELS: &[(&str, Cloud)] = &[
    ("kubernetes.azure.com/", Cloud::Azure),
    ("eks.amazonaws.com/", Cloud::Aws),
    ("k8s.amazonaws.com/", Cloud::Aws),
    ("alpha.eksctl.io/", Cloud::Aws),
    ("karpenter.k8s.aws/", Cloud::Aws),
    ("cloud.google.com/", Cloud::Gcp),
];

/// Labels that name the instance where the provider id does not.
const INSTANCE_LABELS: &[&str] = &["alpha.eksctl.io/instance-id"];

/// Names of labels and annotations, without their domain and in lower case, that name a node's Auto Scaling group.
const ASG_NAMES: &[&str] = &[
    "aws:autoscaling:groupname",
    "asg",
    "asg-name",
    "asgname",
    "autoscaling-group",
    "autoscaling-group-name",
    "autoscalinggroup",
    "autoscalinggroupname",
];

/// The instance's id in a provider id ([`provider::instance_id`]); for an instance of a scale set on Azure `SET_3`, as Azure names it,
/// since its number alone is unique only there.
///
/// ```
/// use nodeferry::groups::identity::instance_of_provider_id as of;
/// assert_eq!(of("aws:///eu-west-1a/i-0abc").as_deref(), Some("i-0abc"));
/// assert_eq!(of("gce://project/europe-west1-b/gke-a-1").as_deref(), Some("gke-a-1"));
/// ```
pub fn instance_of_provider_id(id: &str) -> Option<String> {
    let instance = provider::instance_id(id)?;
    Some(match scale_set_of_provider_id(id) {
        Some(set) => format!("{set}_{instance}"),
        None => instance.to_owned(),
    })
}

/// The scale set in an Azure provider id.
pub fn scale_set_of_provider_id(id: &str) -> Option<&str> {
    let mut parts = id.strip_prefix("azure://")?.split('/');
    parts.find(|p| p.eq_ignore_ascii_case("virtualMachineScaleSets"))?;
    parts.next().filter(|p| !p.is_empty())
}

/// The value of a label.
fn value<'a>(view: View<'a>, labels: &Labels, key: &str) -> Option<&'a str> {
    let key = view.catalog.names.get(key)?;
    labels.get(key).map(|v| view.state.name(view.catalog, v)).filter(|v| !v.is_empty())
}

/// `spec.providerID` of a node.
pub fn provider_id(view: View<'_>, node: NodeIdx) -> Option<&str> {
    view.state.nodes[node].spec.provider_id.map(|p| view.state.name(view.catalog, p)).filter(|p| !p.is_empty())
}

/// The id of a node's instance, as its cloud writes it; None where the dump does not show it.
pub fn instance_id(view: View<'_>, node: NodeIdx) -> Option<String> {
    if let Some(id) = provider_id(view, node).and_then(instance_of_provider_id) {
        return Some(id);
    }
    let labels = &view.state.nodes[node].spec.labels;
    let labelled = INSTANCE_LABELS.iter().find_map(|key| value(view, labels, key));
    // EKS can name nodes by their instance (`i-0abc.eu-west-1.compute.internal`).
    let name = view.state.node_name(view.catalog, node);
    let named = name.split('.').next().filter(|n| n.starts_with("i-") && name.contains(".compute."));
    labelled.or(named).map(str::to_owned)
}

/// Further names of an instance that people use: its number within its scale set.
pub fn instance_aliases(view: View<'_>, node: NodeIdx) -> Vec<String> {
    let Some(id) = provider_id(view, node) else { return Vec::new() };
    match (scale_set_of_provider_id(id), provider::instance_id(id)) {
        (Some(set), Some(number)) => vec![number.to_owned(), format!("{set}/{number}")],
        _ => Vec::new(),
    }
}

/// All names of the pools that a node's labels name, the one to show first; without Ocean's own groups.
pub fn pools(view: View<'_>, node: NodeIdx) -> Vec<&str> {
    let labels = &view.state.nodes[node].spec.labels;
    let keys = POOL_LABELS.iter().filter(|(_, whose)| *whose != "Ocean").map(|(key, _)| *key);
    let mut found: Vec<&str> = Vec::new();
    for pool in keys.filter_map(|key| value(view, labels, key)) {
        if !found.contains(&pool) {
            found.push(pool);
        }
    }
    found
}

/// The pool that a node's labels name.
pub fn pool(view: View<'_>, node: NodeIdx) -> Option<&str> {
    pools(view, node).first().copied()
}

/// The Auto Scaling group of a node on AWS, where the dump shows it: by a label or annotation, or by the groups that cluster-autoscaler
/// lists, of which one bears the name that EKS, eksctl or kops gives the node's group.
pub fn auto_scaling_group(view: View<'_>, node: NodeIdx) -> Option<String> {
    let spec = &view.state.nodes[node].spec;
    let text = |sym| view.state.name(view.catalog, sym);
    let pairs = spec.labels.iter().chain(spec.annotations.iter().copied());
    let named = pairs.map(|(k, v)| (text(k), text(v))).find(|(key, value)| {
        let name = key.rsplit('/').next().unwrap_or(key).to_ascii_lowercase();
        ASG_NAMES.contains(&name.as_str()) && !value.is_empty()
    });
    if let Some((_, value)) = named {
        return Some(value.to_owned());
    }
    if cloud(view, node) != Some(Cloud::Aws) {
        return None;
    }
    let label = |key| value(view, &spec.labels, key);
    let mut prefixes = Vec::new();
    if let Some(group) = label("eks.amazonaws.com/nodegroup") {
        prefixes.push(format!("eks-{group}-"));
    }
    if let (Some(cluster), Some(group)) =
        (label("alpha.eksctl.io/cluster-name"), label("alpha.eksctl.io/nodegroup-name"))
    {
        prefixes.push(format!("eksctl-{cluster}-nodegroup-{group}-"));
    }
    if let Some(group) = label("kops.k8s.io/instancegroup") {
        prefixes.push(format!("{group}."));
    }
    let groups = &view.catalog.inventory.autoscaler.as_ref()?.groups;
    prefixes.iter().find_map(|prefix| {
        let mut fitting = groups.iter().filter(|g| g.name.starts_with(prefix));
        // Two that fit (`web` and `web-spot`) show nothing.
        let only = fitting.next()?;
        fitting.next().is_none().then(|| only.name.clone())
    })
}

/// Which cloud's instance a node is, by its provider id, else by its labels; None where neither shows it.
pub fn cloud(view: View<'_>, node: NodeIdx) -> Option<Cloud> {
    if let Some((scheme, _)) = provider_id(view, node).and_then(|p| p.split_once("://")) {
        return Some(match scheme {
            "aws" => Cloud::Aws,
            "azure" => Cloud::Azure,
            "gce" => Cloud::Gcp,
            _ => Cloud::Other,
        });
    }
    let labels = &view.state.nodes[node].spec.labels;
    labels.iter().find_map(|(key, _)| {
        let key = view.catalog.text(key);
        CLOUD_LABELS.iter().find(|(domain, _)| key.starts_with(domain)).map(|(_, cloud)| *cloud)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{AutoscaledGroup, AutoscalerStatus, Cluster};
    use crate::snapshot::Snapshot;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn node(name: &str, labels: Value, provider_id: Option<&str>) -> Value {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name, "labels": labels},
            "spec": {"providerID": provider_id}, "status": {}})
    }

    fn cluster(nodes: &[Value]) -> Cluster {
        Snapshot::from_objects(nodes).expect("a dump").cluster
    }

    #[test]
    fn instances_are_called_as_their_clouds_call_them() {
        let vmss = "azure:///subscriptions/s/resourceGroups/mc_g/providers/Microsoft.Compute/virtualMachineScaleSets/aks-old-1-vmss/virtualMachines/3";
        for (provider_id, instance) in [
            ("aws:///eu-west-1a/i-0abc12", Some("i-0abc12")),
            ("aws:///eu-west-1a/6f2b/fargate-ip-10-0-0-1.eu-west-1.compute.internal", None),
            (vmss, Some("aks-old-1-vmss_3")),
            (
                "azure:///subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualmachines/db-1",
                Some("db-1"),
            ),
            ("azure:///subscriptions/x/virtualMachines/o0", Some("o0")),
            ("azure:///subscriptions/x", None),
            ("gce://project/europe-west1-b/gke-a-pool-1", Some("gke-a-pool-1")),
            ("cn-hangzhou.i-bp1", Some("i-bp1")),
            ("digitalocean://4711", Some("4711")),
            ("kind://docker/kind/kind-worker", Some("kind-worker")),
            ("aws:///", None),
        ] {
            assert_eq!(instance_of_provider_id(provider_id).as_deref(), instance, "{provider_id}");
        }
        assert_eq!(scale_set_of_provider_id(vmss), Some("aks-old-1-vmss"));
        assert_eq!(scale_set_of_provider_id("aws:///a/i-1"), None);
    }

    #[test]
    fn pools_are_named_by_the_labels_of_every_cloud() {
        let labels = [
            (json!({"kubernetes.azure.com/agentpool": "a", "agentpool": "a"}), vec!["a"], Some(Cloud::Azure)),
            (json!({"agentpool": "b"}), vec!["b"], None),
            (
                json!({"eks.amazonaws.com/nodegroup": "c", "alpha.eksctl.io/nodegroup-name": "c"}),
                vec!["c"],
                Some(Cloud::Aws),
            ),
            (json!({"alpha.eksctl.io/nodegroup-name": "d"}), vec!["d"], Some(Cloud::Aws)),
            (json!({"cloud.google.com/gke-nodepool": "e"}), vec!["e"], Some(Cloud::Gcp)),
            (json!({"karpenter.sh/nodepool": "f"}), vec!["f"], None),
            (json!({"kops.k8s.io/instancegroup": "g"}), vec!["g"], None),
            (json!({"spotinst.io/ocean-vng-id": "v", "eks.amazonaws.com/nodegroup": "h"}), vec!["h"], Some(Cloud::Aws)),
            (json!({"team": "x"}), vec![], None),
        ];
        let nodes: Vec<Value> =
            labels.iter().enumerate().map(|(i, (l, ..))| node(&format!("n{i}"), l.clone(), None)).collect();
        let cluster = cluster(&nodes);
        let view = View { catalog: &cluster.catalog, state: &cluster.state };
        for (node, (labels, names, whose)) in view.state.live_nodes().zip(&labels) {
            assert_eq!((&pools(view, node), cloud(view, node)), (names, *whose), "{labels}");
        }
    }

    #[test]
    fn an_auto_scaling_group_is_named_where_the_dump_shows_it_and_else_is_not_guessed() {
        let eks = |group: &str| json!({"eks.amazonaws.com/nodegroup": group});
        let eksctl = json!({"alpha.eksctl.io/cluster-name": "prod", "alpha.eksctl.io/nodegroup-name": "ng"});
        let nodes = [
            node("a", json!({"example.com/asg-name": "mine"}), Some("aws:///z/i-1")),
            node("b", eks("web"), Some("aws:///z/i-2")),
            node("c", eks("api"), Some("aws:///z/i-3")),
            node("d", eks("other"), Some("aws:///z/i-4")),
            node("e", eksctl, Some("aws:///z/i-5")),
            node("f", json!({"alpha.eksctl.io/instance-id": "i-6"}), None),
            node("i-7.eu-west-1.compute.internal", json!({}), None),
        ];
        let mut cluster = cluster(&nodes);
        let names = ["eks-web-11-22", "eks-api-1", "eks-api-spot-2", "eksctl-prod-nodegroup-ng-NodeGroup-X"];
        let groups = names.map(|n| AutoscaledGroup { name: n.into(), ..AutoscaledGroup::default() }).to_vec();
        Arc::make_mut(&mut cluster.catalog).inventory.autoscaler =
            Some(AutoscalerStatus { groups, ..AutoscalerStatus::default() });
        let view = View { catalog: &cluster.catalog, state: &cluster.state };
        let found: Vec<Option<String>> = view.state.live_nodes().map(|n| auto_scaling_group(view, n)).collect();
        let found: Vec<Option<&str>> = found.iter().map(Option::as_deref).collect();
        // Two groups could be that of `api`.
        assert_eq!(
            found[..5],
            [Some("mine"), Some("eks-web-11-22"), None, None, Some("eksctl-prod-nodegroup-ng-NodeGroup-X")]
        );
        let instances: Vec<Option<String>> = view.state.live_nodes().skip(5).map(|n| instance_id(view, n)).collect();
        assert_eq!(instances, [Some("i-6".to_owned()), Some("i-7".to_owned())]);
    }
}
