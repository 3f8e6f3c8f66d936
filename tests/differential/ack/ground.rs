//! The cluster whose control plane is swapped: three masters with pods on them, twenty workers, two hundred pods, budgets.

use super::vendor::{self, Steps};
use crate::bed::client::Client;
use crate::bed::handover::Handover;
use crate::bed::kubelets::{self, Delays, Kubelets};
use crate::bed::rest::{budgets_are_counted, create_node, nodes_are_ready, pods_are_ready, wait};
use crate::executions::cluster;
use crate::executions::executor::{Executor, START, STOP};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Workers of the cluster.
pub const WORKERS: usize = 20;
/// Its masters.
pub const MASTERS: [&str; 3] = ["master-0", "master-1", "master-2"];
/// The label of a master.
const MASTER: &str = "node-role.kubernetes.io/master";

/// What must be the same afterwards, by uid. Nothing of nodeferry reads them here.
const KINDS: [&str; 10] = [
    "/api/v1/namespaces",
    "/api/v1/nodes",
    "/api/v1/pods",
    "/api/v1/services",
    "/api/v1/configmaps",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/replicasets",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/policy/v1/poddisruptionbudgets",
];

/// A cluster with its kubelets, and nodeferry beside it.
pub struct Ground {
    /// Both control planes.
    pub planes: Handover,
    /// The kubelets.
    pub kubelets: Kubelets,
    /// nodeferry.
    pub executor: Executor,
}

impl Ground {
    /// Starts it, the workloads divided by `share`; with further arguments of `controlplane up`.
    pub fn start(binary: &Path, directory: &Path, arguments: &[&str], workers: usize, share: u64) -> Result<Ground> {
        let planes = Handover::start(binary, directory, arguments)?;
        let client = planes.client.clone();
        // A kubelet that could not renew its lease waits for its next time.
        let delays = Delays { start: START, stop: STOP, renew_again: Duration::from_secs(10) };
        let kubelets = Kubelets::start(&client, delays);
        for master in MASTERS {
            let mut node = cluster::node("masters", master);
            node["metadata"]["labels"][MASTER] = "".into();
            create_node(&client, &node)?;
        }
        dns(&client)?;
        cluster::add_nodes(&client, "blue", &cluster::names("blue", workers))?;
        cluster::populate(&client, share)?;
        let executor = Executor::new(directory.join("nodeferry"), &planes.kubeconfig)?;
        std::fs::write(executor.file("facts.json"), facts().to_string())?;
        std::fs::write(executor.file("delays.json"), pod_delays().to_string())?;
        Ok(Ground { planes, kubelets, executor })
    }

    /// A client of whoever serves.
    pub fn client(&self) -> &Client {
        &self.planes.client
    }

    /// Dumps the cluster and plans the migration on the dump.
    pub fn plan(&self, steps: &Steps) -> Result<()> {
        std::fs::write(self.executor.file("simulation.json"), steps.simulation().to_string())?;
        self.executor.run(&["record", "-o", "cluster.json.gz"])?.with(0)?;
        let plan = ["ack", "plan", "cluster.json.gz", "--facts", "facts.json", "--delays", "delays.json"];
        let plan = [&plan[..], &["--plan", "ack-plan.json", "-o", "json"]].concat();
        self.executor.run(&plan)?.with(0).context("every rule passes, and the drain completes")?;
        Ok(())
    }

    /// Waits until all is as it shall be.
    pub fn rest(&self) -> Result<()> {
        let client = self.client();
        wait("the nodes", || nodes_are_ready(client))?;
        wait("the pods", || pods_are_ready(client))?;
        wait("the budgets", || budgets_are_counted(client))
    }

    /// Uids by kind, namespace and name.
    pub fn uids(&self) -> Result<BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        for path in KINDS {
            for object in self.client().list(path)?.0 {
                let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
                all.insert(format!("{path} {}/{}", text("namespace"), text("name")), text("uid"));
            }
        }
        Ok(all)
    }

    /// Masters that are there, each with whether it is cordoned.
    pub fn masters(&self) -> Result<BTreeMap<String, bool>> {
        let nodes = self.client().list("/api/v1/nodes")?.0;
        let masters = nodes.iter().filter(|n| n["metadata"]["labels"][MASTER].is_string());
        let name = |n: &Value| n["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        Ok(masters.map(|n| (name(n), n["spec"]["unschedulable"] == true)).collect())
    }

    /// What `status -o json` says of a journal.
    pub fn status(&self, journal: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.executor.run(&["status", journal, "-o", "json"])?.with(0)?)?)
    }
}

/// Two pods of kube-system that would rather be on masters, as CoreDNS is.
fn dns(client: &Client) -> Result<()> {
    wait("the service account", || {
        Ok(client.get("/api/v1/namespaces/kube-system/serviceaccounts/default")?.code == 200)
    })?;
    let labels = json!({"app": "dns"});
    let term = json!({"weight": 100, "preference": {"matchExpressions": [{"key": MASTER, "operator": "Exists"}]}});
    let spec = json!({
        "terminationGracePeriodSeconds": 5,
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}},
        "containers": [{"name": "main", "image": "registry.example/dns:v1", "resources": {"requests": {"cpu": "100m"}}}],
    });
    let template = json!({"metadata": {"labels": labels}, "spec": spec});
    let deployment = json!({"metadata": {"name": "dns"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": labels}, "template": template}});
    client.create("/apis/apps/v1/namespaces/kube-system/deployments", &deployment)?.ok()?;
    let budget =
        json!({"metadata": {"name": "dns"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}}});
    client.create("/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets", &budget)?.ok()?;
    wait("the pods on masters", || pods_are_ready(client))
}

/// Facts with which every rule passes.
fn facts() -> Value {
    let master = json!({"cloud_assistant": true, "tmp_free_bytes": 10_737_418_240_u64, "etcd_certificates": true});
    let masters: BTreeMap<&str, Value> = MASTERS.iter().map(|m| (*m, master.clone())).collect();
    let statement =
        json!({"Effect": "Allow", "Action": ["oss:PutObject", "oss:GetObject"], "Resource": ["acs:oss:*:*:move/*"]});
    json!({
        "ack_facts": 1,
        "cluster": {"id": vendor::CLUSTER, "type": "dedicated", "state": "running", "version": "1.36.3-aliyun.1", "region": "eu-1",
            "time_zone": "Europe/Berlin", "allow_listed": true},
        "api_server": {"internal_slb": {"id": "lb-1", "specification": "slb.s1.small"}, "has_public_slb": false},
        "bucket": {"name": "move", "endpoint": "oss-eu-1-internal.aliyuncs.com", "exists": true, "region": "eu-1", "hotlink_protection": false},
        "ram": {"role": "KubernetesMasterRole-1", "policy": "k8sMasterRolePolicy-Ros-1", "document": {"Version": "1", "Statement": [statement]}},
        "etcd": {"database_bytes": 104_857_600},
        "masters": masters,
        "check": {"status": "Succeeded", "failed": []},
        "acknowledged": {"no_rollback": true, "no_new_dedicated_cluster": true, "masters_unknown": true, "machines_billed": true, "signing_keys_travel": true},
    })
}

/// How long pods take, as the stand-in for the kubelets does it.
fn pod_delays() -> Value {
    json!({
        "start": {"constant": {"ms": START.as_millis() as u64}}, "start_annotation": kubelets::START,
        "stop": {"constant": {"ms": STOP.as_millis() as u64}}, "stop_annotation": kubelets::STOP,
    })
}
