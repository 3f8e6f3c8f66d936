//! The control plane is swapped under a running cluster: the second goes on with the objects of the first, and nobody is moved.

use crate::Compared;
use crate::bed::client::Client;
use crate::bed::handover::Handover;
use crate::bed::kubelets::{Delays, Kubelets};
use crate::bed::rest::{budgets_are_counted, nodes_are_ready, pods_are_ready, wait};
use crate::executions::cluster;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Nodes of the cluster.
const NODES: usize = 20;

/// What must be the same afterwards, by uid.
const KINDS: [&str; 9] = [
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

/// What is watched after the second control plane serves: the first looks of its controllers.
const WATCHED: Duration = Duration::from_secs(15);

/// Swaps the control plane once back to the first and once for good.
pub fn check(binary: &Path, _seed: u64, directory: &Path) -> Result<Compared> {
    let mut planes = Handover::start(binary, directory)?;
    let client = planes.client.clone();
    let moment = Duration::from_millis(600);
    let _kubelets =
        Kubelets::start(&client, Delays { start: moment, stop: moment, renew_again: Duration::from_secs(10) });
    cluster::add_nodes(&client, "blue", &cluster::names("blue", NODES))?;
    cluster::populate(&client, 1)?;
    let before = uids(&client)?;
    let mut differences = Vec::new();

    planes.sleep()?;
    planes.roll_back()?;
    serves(&client)?;
    differences.extend(differing(&before, &uids(&client)?, "rolled back"));

    let gone = Instant::now();
    planes.sleep()?;
    planes.restore()?;
    planes.switch()?;
    serves(&client)?;
    let away = gone.elapsed();
    let back = Instant::now();
    while back.elapsed() < WATCHED {
        differences.extend(differing(&before, &uids(&client)?, "swapped"));
        std::thread::sleep(Duration::from_secs(1));
    }
    wait("the nodes", || nodes_are_ready(&client))?;
    wait("the pods", || pods_are_ready(&client))?;
    wait("the budgets", || budgets_are_counted(&client))?;
    differences.dedup();
    Ok(Compared {
        about: format!("{} objects, away {:.1} s", before.len(), away.as_secs_f64()),
        tried: 2,
        equal: if differences.is_empty() { 2 } else { 0 },
        differences: (!differences.is_empty()).then(|| differences.join("\n")),
    })
}

/// Waits until somebody serves at the address.
fn serves(client: &Client) -> Result<()> {
    wait("the API server", || Ok(client.get("/readyz").is_ok_and(|a| a.code == 200)))
}

/// Uids by kind, namespace and name.
fn uids(client: &Client) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for path in KINDS {
        for object in client.list(path)?.0 {
            let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
            all.insert(format!("{path} {}/{}", text("namespace"), text("name")), text("uid"));
        }
    }
    Ok(all)
}

/// Objects that are not the same, in words.
fn differing(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>, when: &str) -> Vec<String> {
    let lost = before.iter().filter(|(name, uid)| after.get(*name) != Some(uid));
    let new = after.keys().filter(|name| !before.contains_key(*name));
    let lost = lost.map(|(name, uid)| format!("{when}: {name} was {uid} and is {:?}", after.get(name)));
    lost.chain(new.map(|name| format!("{when}: {name} is new"))).collect()
}
