//! Node pools of the target, proposed by our own packer from what the pods ask for.
//!
//! Pods that ask for the same labels, tolerations and architecture make one pool; each VM size that could host them is packed, and the one that costs
//! least is taken, or where prices are not known that with the least cores and memory (a core counts as much as 8 GiB; C).

use super::claims;
use super::inventory::Inventory;
use super::mapping::Mapping;
use super::network::default_pods;
use super::object::ObjectId;
use super::plan::{PlannedPool, RenderedObject};
use super::render::commands::{or_blank, quoted};
use super::rules;
use crate::cluster::{CPU, GroupIdx, MEMORY, View};
use crate::groups::{Choice, PackOptions, Templates, pack};
use crate::snapshot::groups::{MachineCatalogue, groups_from_values};
use crate::snapshot::{ReadError, Snapshot};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// A VM size: name, cores, memory in GiB, ARM, GPUs.
struct Size(&'static str, u64, u64, bool, u64);

/// Sizes that are tried where no catalogue is given (C): general, memory, compute, ARM and GPU families of Azure. Without prices.
const SIZES: &[Size] = &[
    Size("Standard_D2s_v5", 2, 8, false, 0),
    Size("Standard_D4s_v5", 4, 16, false, 0),
    Size("Standard_D8s_v5", 8, 32, false, 0),
    Size("Standard_D16s_v5", 16, 64, false, 0),
    Size("Standard_D32s_v5", 32, 128, false, 0),
    Size("Standard_E4s_v5", 4, 32, false, 0),
    Size("Standard_E8s_v5", 8, 64, false, 0),
    Size("Standard_E16s_v5", 16, 128, false, 0),
    Size("Standard_E32s_v5", 32, 256, false, 0),
    Size("Standard_F4s_v2", 4, 8, false, 0),
    Size("Standard_F8s_v2", 8, 16, false, 0),
    Size("Standard_F16s_v2", 16, 32, false, 0),
    Size("Standard_D4ps_v5", 4, 16, true, 0),
    Size("Standard_D8ps_v5", 8, 32, true, 0),
    Size("Standard_D16ps_v5", 16, 64, true, 0),
    Size("Standard_NC4as_T4_v3", 4, 28, false, 1),
    Size("Standard_NC24ads_A100_v4", 24, 220, false, 1),
];

/// Nodes of the pool for the cluster's own pods (C: Azure's guide asks for two at least, of four cores).
const SYSTEM_NODES: u32 = 2;
const SYSTEM_SIZE: &str = "Standard_D4s_v5";
/// Pods of one workload that are packed at most; beyond, the pool is too small and says so by its count.
const MOST_PODS: u32 = 10_000;

/// Sizes with prices that were given.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    /// Names in the order of the file.
    pub names: Vec<String>,
    /// Sizes and prices.
    pub catalogue: MachineCatalogue,
}

/// What AKS keeps of a node: CPU in thousandths of a core, memory in bytes, for so many pods. Source: AKS, "Node resource reservations" (1.29 and newer).
fn reserved(cores: u64, memory: u64, pods: u32) -> (u64, u64) {
    let cpu = match cores {
        0..=1 => 60,
        2..=3 => 100,
        4..=7 => 140,
        8..=15 => 180,
        16..=31 => 260,
        32..=63 => 420,
        _ => 740,
    };
    let kube = (20 * MIB * u64::from(pods) + 50 * MIB).min(memory / 4);
    // The hard eviction threshold.
    (cpu, kube + 100 * MIB)
}

/// What pods ask of the nodes that they run on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    labels: BTreeMap<String, String>,
    spot: bool,
    arm: bool,
}

const SPOT_KEY: &str = "kubernetes.azure.com/scalesetpriority";
const POOL_KEYS: [&str; 2] = ["kubernetes.azure.com/agentpool", "agentpool"];

/// Labels that every node of AKS has, whatever its pool.
fn is_given(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(d, _)| d);
    [
        "kubernetes.io",
        "beta.kubernetes.io",
        "topology.kubernetes.io",
        "node.kubernetes.io",
        "topology.disk.csi.azure.com",
    ]
    .contains(&domain)
}

fn asked(spec: &Value) -> Asked {
    let mut asked = Asked::default();
    let mut take = |key: &str, value: &str| match (key, value) {
        (SPOT_KEY, "spot") => asked.spot = true,
        ("kubernetes.io/arch" | "beta.kubernetes.io/arch", "arm64") => asked.arm = true,
        (key, value) if !is_given(key) => drop(asked.labels.insert(key.to_owned(), value.to_owned())),
        _ => {}
    };
    for (key, value) in spec.get("nodeSelector").and_then(Value::as_object).into_iter().flatten() {
        take(key, value.as_str().unwrap_or_default());
    }
    let terms = spec
        .pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms")
        .and_then(Value::as_array);
    // Several terms are choices: what only one of them asks for is not asked of the pool.
    if let Some([term]) = terms.map(Vec::as_slice) {
        for e in term.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let values = e.get("values").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            if let (Some(key), Some("In"), Some(value)) = (
                e.get("key").and_then(Value::as_str),
                e.get("operator").and_then(Value::as_str),
                values.first().and_then(Value::as_str),
            ) {
                take(key, value);
            }
        }
    }
    asked
}

/// A workload on the target.
struct Workload<'a> {
    id: ObjectId,
    /// Where it stands in the input.
    origin: &'a str,
    template: &'a Value,
    asked: Asked,
    pods: u32,
    peak: u32,
}

/// The most pods that autoscalers let workloads have, by namespace and name.
fn scaled(inventory: &Inventory) -> BTreeMap<(Option<&str>, &str), u32> {
    let mut most: BTreeMap<(Option<&str>, &str), u32> = BTreeMap::new();
    for item in inventory.items() {
        let field = match item.id.kind() {
            "HorizontalPodAutoscaler" => "/spec/maxReplicas",
            "ScaledObject" => "/spec/maxReplicaCount",
            _ => continue,
        };
        let pods = item.object.pointer(field).and_then(Value::as_u64);
        if let (Some(pods), Some(name)) = (pods, item.text("/spec/scaleTargetRef/name")) {
            let entry = most.entry((item.id.namespace(), name)).or_default();
            *entry = (*entry).max(u32::try_from(pods).unwrap_or(u32::MAX));
        }
    }
    most
}

/// The surge of a rollout, as Deployments have it (25 % by default, rounded up).
fn surge(object: &Value, pods: u32) -> u32 {
    let surge = match object.pointer("/spec/strategy/rollingUpdate/maxSurge") {
        Some(Value::Number(n)) => n.as_u64().unwrap_or(0),
        Some(Value::String(s)) => {
            s.trim_end_matches('%').parse::<u32>().map_or(0, |p| (u64::from(pods) * u64::from(p)).div_ceil(100))
        }
        _ => u64::from(pods.div_ceil(4)),
    };
    u32::try_from(surge).unwrap_or(u32::MAX).min(MOST_PODS)
}

fn workloads<'a>(inventory: &'a Inventory, objects: &'a [RenderedObject]) -> (Vec<Workload<'a>>, Vec<&'a Value>) {
    let (mut all, mut daemons) = (Vec::new(), Vec::new());
    let scaled = scaled(inventory);
    for rendered in objects {
        let source = inventory.get(rendered.from.as_ref().unwrap_or(&rendered.id));
        let Some((item, at)) = source.and_then(|i| Some((i, rules::template(i)?))) else { continue };
        if item.id.kind() == "DaemonSet" {
            daemons.push(&rendered.object);
            continue;
        }
        let Some(template) = rendered.object.pointer(at) else { continue };
        let pods = claims::pods(inventory, item).unwrap_or(0).min(MOST_PODS);
        let most = scaled.get(&(item.id.namespace(), item.id.name())).copied();
        let peak = most.unwrap_or(pods).max(pods).min(MOST_PODS);
        let surge = if item.id.kind() == "Deployment" { surge(&rendered.object, peak) } else { 0 };
        let spec = template.get("spec").unwrap_or(&Value::Null);
        all.push(Workload {
            id: rendered.id.clone(),
            origin: &item.origin,
            template,
            asked: asked(spec),
            pods,
            peak: peak + surge,
        });
    }
    (all, daemons)
}

/// Taints that all workloads of a pool tolerate and that say its labels: they keep others away as they did.
fn taints(workloads: &[&Workload<'_>], labels: &BTreeMap<String, String>) -> Vec<Value> {
    let of = |w: &Workload<'_>| -> BTreeSet<(String, String, String)> {
        let tolerations = w.template.pointer("/spec/tolerations").and_then(Value::as_array);
        let text = |t: &Value, f: &str| t.get(f).and_then(Value::as_str).unwrap_or_default().to_owned();
        tolerations.into_iter().flatten().map(|t| (text(t, "key"), text(t, "value"), text(t, "effect"))).collect()
    };
    let mut common: Option<BTreeSet<(String, String, String)>> = None;
    for w in workloads {
        common = Some(match common {
            Some(c) => c.intersection(&of(w)).cloned().collect(),
            None => of(w),
        });
    }
    let all =
        common.unwrap_or_default().into_iter().filter(|(key, value, _)| labels.get(key).is_some_and(|v| v == value));
    all.map(|(key, value, effect)| json!({"key": key, "value": value, "effect": if effect.is_empty() { "NoSchedule".to_owned() } else { effect }})).collect()
}

/// Pools for the rendered workloads. An error says what kept the packer from its work.
pub fn propose(
    inventory: &Inventory,
    mapping: &Mapping,
    objects: &[RenderedObject],
    prices: Option<&Prices>,
) -> Result<Vec<PlannedPool>, String> {
    let (workloads, daemons) = workloads(inventory, objects);
    let mut parts: BTreeMap<&Asked, Vec<&Workload<'_>>> = BTreeMap::new();
    for w in workloads.iter().filter(|w| w.peak > 0) {
        parts.entry(&w.asked).or_default().push(w);
    }
    let plugin = mapping.network.plugin.unwrap_or(super::mapping::NetworkPlugin::AzureCniOverlay);
    let slots = mapping.network.pods_per_node.unwrap_or_else(|| default_pods(plugin));
    let mut pools = vec![pool(
        mapping,
        "system",
        SYSTEM_SIZE,
        SYSTEM_NODES,
        SYSTEM_NODES + 1,
        &Asked::default(),
        &[],
        &[],
        None,
        slots,
        true,
    )];
    let mut names: BTreeSet<String> = BTreeSet::from(["system".to_owned()]);
    for (asked, workloads) in parts {
        let wanted = POOL_KEYS.iter().find_map(|k| asked.labels.get(*k)).cloned();
        let wanted = wanted.unwrap_or_else(|| match (asked.labels.values().next(), asked.spot, asked.arm) {
            (Some(value), ..) => rules::pool_name(value),
            (None, true, _) => "spot".to_owned(),
            (None, _, true) => "arm".to_owned(),
            (None, false, false) => "user".to_owned(),
        });
        let mut name = rules::pool_name(&wanted);
        let mut n = 2;
        while !names.insert(name.clone()) {
            name = format!("{}{n}", rules::pool_name(&wanted).chars().take(10).collect::<String>());
            n += 1;
        }
        let mut labels = asked.labels.clone();
        POOL_KEYS.iter().for_each(|k| drop(labels.remove(*k)));
        let taints = taints(&workloads, &asked.labels);
        let now = best(asked, &taints, &workloads, &daemons, prices, slots, false, None)?;
        // Somebody has to fill in the size of a pool that none of the known ones is large enough for.
        let now = now.unwrap_or_else(|| Best { size: "<VM_SIZE>".to_owned(), nodes: 0, micros: None });
        let peak = match now.nodes {
            0 => None,
            _ => best(asked, &taints, &workloads, &daemons, prices, slots, true, Some(&now.size))?,
        };
        let at_peak = peak.map_or(now.nodes, |p| p.nodes).max(now.nodes);
        // An upgrade adds 10 % of the nodes, one at least (AKS' default maxSurge).
        let peak_nodes = at_peak + at_peak.div_ceil(10).max(1);
        let shown = Asked { labels, ..asked.clone() };
        let ids: Vec<ObjectId> = workloads.iter().map(|w| w.id.clone()).collect();
        pools.push(pool(
            mapping, &name, &now.size, now.nodes, peak_nodes, &shown, &taints, &ids, now.micros, slots, false,
        ));
    }
    Ok(pools)
}

#[expect(clippy::too_many_arguments, reason = "a pool is what it consists of")]
fn pool(
    mapping: &Mapping,
    name: &str,
    size: &str,
    nodes: u32,
    peak: u32,
    asked: &Asked,
    taints: &[Value],
    workloads: &[ObjectId],
    micros: Option<i64>,
    slots: u32,
    system: bool,
) -> PlannedPool {
    let target = &mapping.target;
    let taints: Vec<String> = taints
        .iter()
        .map(|t| {
            let text = |f: &str| t.get(f).and_then(Value::as_str).unwrap_or_default();
            format!("{}={}:{}", text("key"), text("value"), text("effect"))
        })
        .chain(system.then(|| "CriticalAddonsOnly=true:NoSchedule".to_owned()))
        .collect();
    let mut command = format!(
        "az aks nodepool add -g {} --cluster-name {} -n {name} --node-vm-size {size} --node-count {nodes} --max-pods {slots} --enable-cluster-autoscaler --min-count {} --max-count {}",
        or_blank(target.resource_group.as_ref(), "RESOURCE_GROUP"),
        or_blank(target.cluster.as_ref(), "CLUSTER"),
        nodes.min(1),
        peak.max(1)
    );
    if system {
        command.push_str(" --mode System");
    }
    if asked.spot {
        command.push_str(" --priority Spot --eviction-policy Delete --spot-max-price -1");
    }
    if !asked.labels.is_empty() {
        let labels: Vec<String> = asked.labels.iter().map(|(k, v)| quoted(&format!("{k}={v}"))).collect();
        command.push_str(&format!(" --labels {}", labels.join(" ")));
    }
    if !taints.is_empty() {
        command.push_str(&format!(" --node-taints {}", quoted(&taints.join(","))));
    }
    PlannedPool {
        name: name.to_owned(),
        vm_size: size.to_owned(),
        nodes,
        peak_nodes: peak,
        spot: asked.spot,
        labels: asked.labels.clone(),
        taints,
        workloads: workloads.to_vec(),
        hourly_micros: micros,
        command,
    }
}

/// The best VM size for pods, with the nodes that it takes.
struct Best {
    size: String,
    nodes: u32,
    micros: Option<i64>,
}

/// Pods as the packer takes them: what a template asks for, so many times.
fn pods(workloads: &[&Workload<'_>], peak: bool) -> Vec<Value> {
    let mut all = Vec::new();
    for w in workloads {
        for i in 0..if peak { w.peak } else { w.pods } {
            let mut spec = w.template.get("spec").cloned().unwrap_or_default();
            if let Some(fields) = spec.as_object_mut() {
                // Volumes are the scheduler's business; what is not in the input would be a finding for each pod.
                ["volumes", "priorityClassName", "priority", "nodeName", "schedulingGates"]
                    .iter()
                    .for_each(|f| drop(fields.shift_remove(*f)));
            }
            let namespace = w.id.namespace().unwrap_or("default");
            all.push(json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": format!("{}-{}-{i}", w.id.kind().to_lowercase(), w.id.name()), "namespace": namespace, "uid": format!("{}-{i}", w.id),
                    "labels": w.template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}))},
                "spec": spec, "status": {"phase": "Pending"}}));
        }
    }
    all
}

/// An error of the pods of workloads, as one of the manifest that has their template.
fn refused(workloads: &[&Workload<'_>], error: &ReadError) -> String {
    let of = |w: &&Workload<'_>| {
        let mut pods = pods(std::slice::from_ref(w), true);
        pods.truncate(1);
        match Snapshot::from_objects(&pods) {
            Err(ReadError::Field { path, problem, .. }) => {
                Some(format!("{}: the pod template of {}: {path}: {problem}; correct the manifest", w.origin, w.id))
            }
            _ => None,
        }
    };
    workloads.iter().find_map(of).unwrap_or_else(|| error.to_string())
}

#[expect(clippy::too_many_arguments, reason = "a packing is what it consists of")]
fn best(
    asked: &Asked,
    taints: &[Value],
    workloads: &[&Workload<'_>],
    daemons: &[&Value],
    prices: Option<&Prices>,
    slots: u32,
    peak: bool,
    only: Option<&str>,
) -> Result<Option<Best>, String> {
    let mut objects = pods(workloads, peak);
    if objects.is_empty() {
        // Scaled to nothing now: one pod says which size it needs.
        objects = pods(workloads, true);
        objects.truncate(1);
    }
    objects.extend(daemons.iter().map(|d| {
        let mut daemon = (*d).clone();
        daemon["metadata"]["uid"] = daemon.pointer("/metadata/name").cloned().unwrap_or_default();
        daemon
    }));
    let mut snapshot = Snapshot::from_objects(&objects).map_err(|e| refused(workloads, &e))?;
    let mut labels: Map<String, Value> = asked.labels.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    let mut taints = taints.to_vec();
    if asked.spot {
        labels.insert(SPOT_KEY.into(), "spot".into());
        taints.push(json!({"key": SPOT_KEY, "value": "spot", "effect": "NoSchedule"}));
    }
    let of_size = |s: &Size| {
        let (cpu, memory) = reserved(s.1, s.2 * GIB, slots);
        let mut allocatable = json!({"cpu": format!("{}m", s.1 * 1000 - cpu), "memory": s.2 * GIB - memory, "pods": slots, "ephemeral-storage": "100Gi"});
        if s.4 > 0 {
            allocatable["nvidia.com/gpu"] = s.4.into();
        }
        let arch = if s.3 { "arm64" } else { "amd64" };
        json!({"name": s.0, "allocatable": allocatable, "labels": {"kubernetes.io/arch": arch, "kubernetes.io/os": "linux"}})
    };
    let sizes: Vec<Value> = match prices {
        Some(prices) => prices.names.iter().map(|n| json!({"name": n})).collect(),
        None => SIZES.iter().map(of_size).collect(),
    };
    let groups: Vec<Value> = sizes
        .into_iter()
        .filter(|m| only.is_none_or(|o| m["name"] == o))
        .map(|m| json!({"name": m["name"], "labels": labels, "taints": taints, "zones": [], "max_count": 100_000, "spot_percent": if asked.spot { 100 } else { 0 }, "machine_types": [m]}))
        .collect();
    let catalogue = prices.map(|p| p.catalogue.clone()).unwrap_or_default();
    groups_from_values(&[("VM sizes".to_owned(), json!({"groups": groups}))], catalogue, &mut snapshot.cluster)
        .map_err(|e| e.to_string())?;
    let view = View { catalog: &snapshot.cluster.catalog, state: &snapshot.cluster.state };
    let templates = Templates::new(view);
    let waiting: Vec<_> = view.state.live_pods().collect();
    let all: Vec<GroupIdx> = view.catalog.groups.indices().collect();
    let mut found: Option<((u64, u64), Best)> = None;
    for group in &all {
        let frozen = all.iter().copied().filter(|g| g != group).collect();
        let packing = pack(
            view,
            &templates,
            &waiting,
            &PackOptions { choice: Choice::LeastWaste, frozen, ..PackOptions::default() },
        );
        if !packing.unhosted.is_empty() || packing.nodes() == 0 {
            continue;
        }
        let g = &view.catalog.groups[*group];
        let Some(machine) = g.machines.first().map(|m| &view.catalog.machines[*m]) else { continue };
        let price = crate::groups::price::price_of(g, machine);
        let nodes = u64::from(packing.nodes());
        let amount = templates.of(*group).first().map_or(0, |t| {
            // Thousandths of a core, and 8 GiB for as much as a core.
            t.free(CPU).max(0) as u64 + t.free(MEMORY).max(0) as u64 / (8 * GIB / 1000)
        });
        let key = (price.map_or(u64::MAX, |p| p * nodes), amount * nodes);
        if found.as_ref().is_none_or(|(k, _)| key < *k) {
            let micros = price.and_then(|p| i64::try_from(p * nodes).ok());
            found = Some((key, Best { size: view.catalog.text(g.name).to_owned(), nodes: packing.nodes(), micros }));
        }
    }
    Ok(found.map(|(_, best)| best))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::analysis::analyse;
    use crate::transfer::render::render;
    use crate::transfer::rules::tests::{inventory, mapping};

    fn pools(text: &str, answers: &str) -> Vec<PlannedPool> {
        let (inventory, mapping) = (inventory(text), mapping(answers));
        let rendered = render(&inventory, &analyse(&inventory, &mapping).found);
        propose(&inventory, &mapping, &rendered.objects, None).expect("packed")
    }

    fn deployment(name: &str, replicas: u32, cpu: &str, memory: &str, more: &str) -> String {
        format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{replicas: {replicas}, selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{{more}containers: [{{name: c, image: x, resources: {{requests: {{cpu: '{cpu}', memory: '{memory}'}}}}}}]}}}}}}\n"
        )
    }

    #[test]
    fn pods_that_ask_for_other_nodes_make_other_pools() {
        let text = deployment("web", 8, "500m", "1Gi", "")
            + &deployment("batch", 4, "1", "2Gi", "nodeSelector: {karpenter.sh/capacity-type: spot}, ")
            + &deployment(
                "db",
                2,
                "1",
                "12Gi",
                "nodeSelector: {kubernetes.azure.com/agentpool: data, team: a}, tolerations: [{key: team, value: a, effect: NoSchedule}], ",
            );
        let pools = pools(&text, "{}");
        let shown: Vec<(&str, bool, usize)> =
            pools.iter().map(|p| (p.name.as_str(), p.spot, p.workloads.len())).collect();
        assert_eq!(shown, [("system", false, 0), ("user", false, 1), ("spot", true, 1), ("data", false, 1)]);
        let data = &pools[3];
        assert_eq!(data.taints, ["team=a:NoSchedule"]);
        assert_eq!(
            data.labels,
            BTreeMap::from([("team".to_owned(), "a".to_owned())]),
            "AKS writes the pool's name itself"
        );
        assert!(data.vm_size.starts_with("Standard_E"), "{}: 12 GiB for each core", data.vm_size);
        assert!(pools.iter().all(|p| p.nodes > 0 && p.peak_nodes > p.nodes));
    }

    #[test]
    fn a_template_that_cannot_be_read_is_named_with_its_manifest() {
        let text = deployment("web", 1, "lots", "1Gi", "");
        let (inventory, mapping) = (inventory(&text), mapping("{}"));
        let rendered = render(&inventory, &analyse(&inventory, &mapping).found);
        let why = propose(&inventory, &mapping, &rendered.objects, None).expect_err("it has no such amount");
        assert!(
            why.starts_with(
                "in.yaml, line 2: the pod template of Deployment.apps/shop/web: spec.containers[0].resources"
            ),
            "{why}"
        );
    }

    #[test]
    fn pods_that_fit_on_no_known_size_leave_it_open() {
        let pools = pools(&deployment("web", 2, "500", "1Gi", ""), "{}");
        assert_eq!((pools[1].vm_size.as_str(), pools[1].nodes, pools[1].workloads.len()), ("<VM_SIZE>", 0, 1));
        assert!(pools[1].command.contains("--node-vm-size <VM_SIZE> "), "{}", pools[1].command);
    }

    #[test]
    fn nodes_at_the_peak_count_what_autoscalers_allow() {
        let scaler = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web, namespace: shop}\nspec: {maxReplicas: 40, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n";
        let web = deployment("web", 4, "500m", "1Gi", "");
        let (plain, scaled) = (pools(&web, "{}"), pools(&(web.clone() + scaler), "{}"));
        assert_eq!(plain[1].nodes, scaled[1].nodes);
        assert!(scaled[1].peak_nodes > 2 * plain[1].peak_nodes, "{} {}", scaled[1].peak_nodes, plain[1].peak_nodes);
    }

    #[test]
    fn what_aks_keeps_is_taken_off() {
        assert_eq!(reserved(2, 8 * GIB, 110), (100, 2 * GIB + 100 * MIB));
        assert_eq!(reserved(4, 16 * GIB, 30), (140, 750 * MIB));
        assert_eq!(reserved(2, 8 * GIB, 250).1, 2 * GIB + 100 * MIB, "at most a quarter");
    }
}
