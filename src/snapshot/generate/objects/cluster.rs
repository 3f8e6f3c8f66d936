//! Nodes, namespaces, services and priority classes.

use serde_json::{Value, json};

use super::super::model::{Mark, Model, Node, Pool, SYSTEM_NAMESPACE};
use super::super::names::{CLUSTER_CREATED, NOW, timestamp};
use super::{metadata, object_uid, workloads};

/// When a lost node last posted its status, and when it was found out (upstream's grace period is 50 s; `node-monitor-grace-period`, 1.36).
const LOST_HEARTBEAT: u64 = NOW - 110;
const LOST_SEEN: u64 = NOW - 60;

pub(super) fn nodes<E>(model: &Model<'_>, out: &mut impl FnMut(Value) -> Result<(), E>) -> Result<(), E> {
    let mut nodes: Vec<(usize, &Node)> = model.nodes.iter().enumerate().collect();
    nodes.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    for (index, node) in nodes {
        out(node_object(model, index, node))?;
    }
    Ok(())
}

fn node_object(model: &Model<'_>, index: usize, node: &Node) -> Value {
    let params = model.params;
    let mut meta = metadata(model, "Node", None, &node.name, node.created);
    meta["annotations"] =
        json!({"node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true"});
    let mut labels = json!({
        "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux", "disktype": if node.ssd { "ssd" } else { "hdd" },
        "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": &node.name, "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": &node.machine,
        "topology.kubernetes.io/region": &params.region, "topology.kubernetes.io/zone": &model.zones[node.zone],
    });
    labels[&params.pool_label] = match node.pool {
        Pool::Old => &params.old_pool,
        Pool::New => &params.new_pool,
        Pool::Special => &params.special_pool.pool,
    }
    .as_str()
    .into();
    meta["labels"] = labels;
    let mut spec = json!({"providerID": format!("example:///{}/{}", model.zones[node.zone], node.name)});
    let taints = taints(model, node);
    if !taints.is_empty() {
        spec["taints"] = taints.into();
    }
    if node.mark == Some(Mark::Cordoned) {
        spec["unschedulable"] = true.into();
    }
    json!({"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": spec, "status": status(model, index, node)})
}

fn taints(model: &Model<'_>, node: &Node) -> Vec<Value> {
    let mut taints = Vec::new();
    if node.pool == Pool::Special {
        let pool = &model.params.special_pool;
        taints.push(json!({"effect": "NoSchedule", "key": &pool.taint_key, "value": &pool.taint_value}));
    }
    match node.mark {
        Some(Mark::Cordoned) => {
            taints.push(json!({"effect": "NoSchedule", "key": "node.kubernetes.io/unschedulable", "timeAdded": timestamp(NOW - 3600)}));
        }
        Some(Mark::NotReady) => {
            for effect in ["NoSchedule", "NoExecute"] {
                taints.push(json!({"effect": effect, "key": "node.kubernetes.io/unreachable", "timeAdded": timestamp(LOST_SEEN)}));
            }
        }
        _ => {}
    }
    taints
}

fn status(model: &Model<'_>, index: usize, node: &Node) -> Value {
    let amounts = |cpu: String, memory: String, disk: &str| {
        let mut map = json!({"cpu": cpu, "ephemeral-storage": disk, "hugepages-2Mi": "0", "memory": memory, "pods": node.room.pods.to_string()});
        if node.room.special > 0 {
            map[&model.params.special_pool.resource] = node.room.special.to_string().into();
        }
        map
    };
    // The machine itself: whole cores and GiB, of which the kubelet and the system keep a part.
    let capacity = amounts(
        node.room.cpu_millis.div_ceil(1000).to_string(),
        memory(node.room.memory_mib.div_ceil(1024) * 1024),
        "128Gi",
    );
    let allocatable = amounts(cpu(node.offered_cpu_millis()), memory(node.room.memory_mib), "112Gi");
    json!({
        "addresses": [
            {"address": format!("10.{}.{}.{}", 64 + (index >> 16), (index >> 8) & 255, index & 255), "type": "InternalIP"},
            {"address": &node.name, "type": "Hostname"},
        ],
        "allocatable": allocatable,
        "capacity": capacity,
        "conditions": conditions(node),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": "amd64", "bootID": object_uid(model, "boot", None, &node.name), "containerRuntimeVersion": "containerd://2.1.4",
            "kernelVersion": "6.12.0", "kubeProxyVersion": "", "kubeletVersion": "v1.36.3", "machineID": object_uid(model, "machine", None, &node.name),
            "operatingSystem": "linux", "osImage": "Generated Linux", "systemUUID": object_uid(model, "system", None, &node.name),
        },
    })
}

fn conditions(node: &Node) -> Vec<Value> {
    let ready_since = timestamp(node.created + 20);
    let lost = !node.ready();
    let kinds = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ];
    let condition = |(kind, status, reason, message): (&str, &str, &str, &str)| {
        let (heartbeat, since) = if lost {
            (timestamp(LOST_HEARTBEAT), timestamp(LOST_SEEN))
        } else {
            (timestamp(NOW - 15), ready_since.clone())
        };
        let (status, reason, message) = if lost {
            ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
        } else {
            (status, reason, message)
        };
        json!({"lastHeartbeatTime": heartbeat, "lastTransitionTime": since, "message": message, "reason": reason, "status": status, "type": kind})
    };
    kinds.into_iter().map(condition).collect()
}

/// cpu as the API writes it: whole cores where it is whole.
pub(super) fn cpu(millis: u64) -> String {
    if millis.is_multiple_of(1000) { (millis / 1000).to_string() } else { format!("{millis}m") }
}

/// Memory as the API writes it: the largest binary unit that divides it.
pub(super) fn memory(mib: u64) -> String {
    match mib {
        0 => "0".into(),
        _ if mib.is_multiple_of(1024 * 1024) => format!("{}Ti", mib / (1024 * 1024)),
        _ if mib.is_multiple_of(1024) => format!("{}Gi", mib / 1024),
        _ => format!("{mib}Mi"),
    }
}

pub(super) fn namespaces<E>(model: &Model<'_>, out: &mut impl FnMut(Value) -> Result<(), E>) -> Result<(), E> {
    let mut names = vec!["default", "kube-node-lease", "kube-public", SYSTEM_NAMESPACE];
    names.extend(model.params.namespaces.iter().map(String::as_str));
    names.sort_unstable();
    names.dedup();
    for name in names {
        let mut meta = metadata(model, "Namespace", None, name, CLUSTER_CREATED);
        meta["labels"] = json!({"kubernetes.io/metadata.name": name});
        out(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}),
        )?;
    }
    Ok(())
}

/// Headless services, for no generated cluster IP would be valid in every cluster's range.
pub(super) fn services<E>(model: &Model<'_>, out: &mut impl FnMut(Value) -> Result<(), E>) -> Result<(), E> {
    for workload in workloads(model, |workload| workload.service) {
        out(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(model, "Service", Some(&workload.namespace), &workload.name, workload.created),
            "spec": {
                "clusterIP": "None", "clusterIPs": ["None"], "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}],
                "selector": {"app": &workload.name}, "sessionAffinity": "None", "type": "ClusterIP",
            },
            "status": {"loadBalancer": {}},
        }))?;
    }
    Ok(())
}

pub(super) fn priority_classes<E>(model: &Model<'_>, out: &mut impl FnMut(Value) -> Result<(), E>) -> Result<(), E> {
    let classes = [
        ("generated-high", 1000, "Generated workloads that go first."),
        ("generated-low", -10, "Generated workloads that go last."),
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ];
    for (name, value, description) in classes {
        let mut meta = metadata(model, "PriorityClass", None, name, CLUSTER_CREATED);
        meta["generation"] = 1.into();
        out(json!({
            "apiVersion": "scheduling.k8s.io/v1", "description": description, "kind": "PriorityClass", "metadata": meta,
            "preemptionPolicy": "PreemptLowerPriority", "value": value,
        }))?;
    }
    Ok(())
}
