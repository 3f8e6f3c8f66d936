//! Random scheduler configurations.

use crate::luck::Luck;
use serde_json::{Value, json};

/// A `KubeSchedulerConfiguration` and what is special about it.
pub struct Config {
    /// The document without the connection to a cluster.
    pub document: Value,
    /// A few words.
    pub about: String,
}

/// The default configuration for every other seed, else one with some of its settings changed.
pub fn draw(luck: &mut Luck, nodes: usize) -> Config {
    let mut document = json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": false},
    });
    if luck.percent(50) {
        return Config { document, about: "default configuration".into() };
    }
    let mut about = Vec::new();
    if nodes >= 100 && luck.percent(50) {
        let percentage = luck.between(1, 100);
        document["percentageOfNodesToScore"] = json!(percentage);
        about.push(format!("{percentage} % of nodes scored"));
    }
    let mut profile = json!({"schedulerName": "default-scheduler"});
    let plugins = plugins(luck, &mut about);
    if plugins != json!({}) {
        profile["plugins"] = plugins;
    }
    let args = arguments(luck, &mut about);
    if !args.is_empty() {
        profile["pluginConfig"] = Value::Array(args);
    }
    document["profiles"] = json!([profile]);
    Config { document, about: about.join(", ") }
}

/// Weights changed and plugins switched off, by `multiPoint` or at one point.
fn plugins(luck: &mut Luck, about: &mut Vec<String>) -> Value {
    const SCORING: [&str; 7] = [
        "TaintToleration",
        "NodeAffinity",
        "PodTopologySpread",
        "InterPodAffinity",
        "NodeResourcesFit",
        "NodeResourcesBalancedAllocation",
        "ImageLocality",
    ];
    let (mut enabled, mut disabled) = (Vec::new(), Vec::new());
    for plugin in SCORING {
        match luck.between(0, 9) {
            0 => disabled.push(json!({"name": plugin})),
            1 | 2 => {
                disabled.push(json!({"name": plugin}));
                enabled.push(json!({"name": plugin, "weight": luck.between(1, 20)}));
            }
            _ => {}
        }
    }
    let mut plugins = json!({});
    if !disabled.is_empty() {
        about.push(format!("{} plugins off, {} of them on again with a weight", disabled.len(), enabled.len()));
        plugins["score"] = json!({"enabled": enabled, "disabled": disabled});
    }
    if luck.percent(25) {
        let plugin = luck.one(&SCORING);
        about.push(format!("multiPoint weight of {plugin}"));
        plugins["multiPoint"] = json!({"enabled": [{"name": plugin, "weight": luck.between(1, 9)}]});
    }
    if luck.percent(15) {
        let filter =
            luck.one(&["NodePorts", "TaintToleration", "PodTopologySpread", "InterPodAffinity", "NodeUnschedulable"]);
        about.push(format!("no filter {filter}"));
        plugins["filter"] = json!({"disabled": [{"name": filter}]});
    }
    if luck.percent(10) {
        about.push("no preemption".into());
        plugins["postFilter"] = json!({"disabled": [{"name": "*"}]});
    }
    plugins
}

fn resources(luck: &mut Luck) -> Value {
    let names = ["cpu", "memory", "ephemeral-storage", "example.com/gpu"];
    let mut chosen = luck.some(&names, 60);
    if chosen.is_empty() {
        chosen.push("cpu");
    }
    json!(chosen.iter().map(|n| json!({"name": n, "weight": luck.between(1, 10)})).collect::<Vec<Value>>())
}

fn fit(luck: &mut Luck) -> Value {
    let mut strategy = json!({"type": luck.one(&["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"])});
    strategy["resources"] = resources(luck);
    if strategy["type"] == "RequestedToCapacityRatio" {
        let middle = luck.between(1, 99);
        strategy["requestedToCapacityRatio"] = json!({"shape": [
            {"utilization": 0, "score": luck.between(0, 10)},
            {"utilization": middle, "score": luck.between(0, 10)},
            {"utilization": 100, "score": luck.between(0, 10)},
        ]});
    }
    let mut args = json!({"scoringStrategy": strategy});
    if luck.percent(30) {
        args["ignoredResources"] = json!(["example.com/gpu"]);
    }
    if luck.percent(20) {
        args["ignoredResourceGroups"] = json!(["other.example.com"]);
    }
    args
}

fn spread(luck: &mut Luck) -> Value {
    if luck.percent(30) {
        return json!({"defaultingType": "System"});
    }
    let key = luck.one(&["topology.kubernetes.io/zone", "kubernetes.io/hostname", "rack"]);
    let unsatisfiable = luck.one(&["ScheduleAnyway", "ScheduleAnyway", "DoNotSchedule"]);
    let constraint = json!({"maxSkew": luck.between(1, 4), "topologyKey": key, "whenUnsatisfiable": unsatisfiable});
    json!({"defaultingType": "List", "defaultConstraints": [constraint]})
}

fn added_affinity(luck: &mut Luck) -> Value {
    let term = |key: &str, operator: &str, values: Value| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
    let mut affinity = json!({});
    if luck.percent(50) {
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] =
            json!({"nodeSelectorTerms": [term("disktype", "NotIn", json!(["tape"]))]});
    }
    affinity["preferredDuringSchedulingIgnoredDuringExecution"] = json!([{"weight": luck.between(1, 100), "preference": term("topology.kubernetes.io/zone", "In", json!(["z1", "z2"]))}]);
    json!({"addedAffinity": affinity})
}

fn arguments(luck: &mut Luck, about: &mut Vec<String>) -> Vec<Value> {
    let mut all = Vec::new();
    let mut add = |name: &str, args: Value| {
        about.push(format!("arguments of {name}"));
        all.push(json!({"name": name, "args": args}));
    };
    if luck.percent(60) {
        add("NodeResourcesFit", fit(luck));
    }
    if luck.percent(35) {
        add("NodeResourcesBalancedAllocation", {
            let mut chosen = resources(luck);
            chosen.as_array_mut().into_iter().flatten().for_each(|r| r["weight"] = json!(1));
            json!({"resources": chosen})
        });
    }
    if luck.percent(40) {
        add("PodTopologySpread", spread(luck));
    }
    if luck.percent(30) {
        add("NodeAffinity", added_affinity(luck));
    }
    if luck.percent(30) {
        let weight = luck.between(0, 100);
        let ignore = luck.percent(30);
        add("InterPodAffinity", json!({"hardPodAffinityWeight": weight, "ignorePreferredTermsOfExistingPods": ignore}));
    }
    all
}
