//! Random migrations: workloads, budgets, nodes, flags and batches.

use super::objects::{self, Kind, Template};
use crate::luck::Luck;
use serde_json::{Value, json};

/// What is made, drained and recorded.
#[derive(Clone)]
pub struct Migration {
    /// Nodes that exist from the beginning.
    pub old: Vec<Value>,
    /// Nodes that come when all pods run.
    pub new: Vec<Value>,
    /// Workloads, pods and budgets.
    pub pieces: Vec<Piece>,
    /// Flags of `kubectl drain`, without the timeout.
    pub args: Vec<String>,
    /// `--timeout` in seconds.
    pub timeout_s: u64,
    /// How long to wait after a drain until all is whole again, in seconds.
    pub settle_timeout_s: u64,
    /// Places of old nodes, batch by batch.
    pub batches: Vec<Vec<usize>>,
    /// Requests a second and at once of each controller's client.
    pub controller_client: (u32, u32),
}

/// Something that can be left out.
#[derive(Clone)]
pub struct Piece {
    /// What it is called, for people.
    pub name: String,
    /// The objects by the path they are created at.
    pub objects: Vec<(String, Value)>,
    /// What happens to some of its pods before the dump.
    pub then: Vec<Then>,
}

/// What happens to the n-th pod of a piece when all pods run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Runs and is not ready, and has crashed before.
    Unready(usize),
    /// Ends with this phase.
    Ends(usize, &'static str),
    /// Is deleted, and a finalizer holds it.
    Deleted(usize),
}

impl Migration {
    /// Name of an old node.
    pub fn node(&self, i: usize) -> String {
        self.old[i]["metadata"]["name"].as_str().unwrap_or_default().to_owned()
    }
}

/// A pod's delays in tenths of seconds: never near a whole second, at which kubectl looks, nor near half of one, after which the
/// API server looks again at a budget. Who comes first by some milliseconds would be the machine's luck.
const DELAYS: [i64; 5] = [7, 15, 26, 34, 64];

/// A migration of a seed.
pub fn draw(luck: &mut Luck) -> Migration {
    // Few nodes full of small pods now and then: then kubectl's own limits of requests hold it up.
    let dense = luck.percent(25);
    let old_count = if dense { luck.between(3, 4) } else { luck.between(4, 12) } as usize;
    let drained = luck.between(2, old_count.min(if dense { 3 } else { 6 }) as i64) as usize;
    let old: Vec<Value> = (0..old_count).map(|i| objects::node("old", i, (4000, 16), true, &[])).collect();
    let args = flags(luck);
    let at_once = args.iter().any(|a| a == "--grace-period=0");
    let pieces = pieces(luck, old_count, drained, dense, at_once);
    Migration {
        new: new_nodes(luck, old_count, drained),
        batches: batches(luck, old_count, drained),
        old,
        pieces,
        args,
        timeout_s: luck.between(11, 17) as u64,
        settle_timeout_s: 15,
        controller_client: if luck.percent(30) { (20, 30) } else { (500, 1000) },
    }
}

fn new_nodes(luck: &mut Luck, old: usize, drained: usize) -> Vec<Value> {
    let count = match luck.between(0, 3) {
        0 => drained / 2,
        1 => drained,
        _ => old.max(drained + 2),
    };
    let taint = json!({"key": "dedicated", "value": "db", "effect": "NoSchedule"});
    let node = |i| {
        let taints = if luck.percent(15) { vec![taint.clone()] } else { Vec::new() };
        let size = if luck.percent(70) { (4000, 16) } else { (8000, 32) };
        objects::node("new", i, size, luck.percent(75), &taints)
    };
    (0..count.max(1)).map(node).collect()
}

/// Some of the old nodes, in one to four batches.
fn batches(luck: &mut Luck, old: usize, drained: usize) -> Vec<Vec<usize>> {
    let mut nodes: Vec<usize> = (0..old).collect();
    while nodes.len() > drained {
        nodes.remove(luck.between(0, nodes.len() as i64 - 1) as usize);
    }
    let count = luck.between(1, 4.min(drained as i64)) as usize;
    let mut batches = vec![Vec::new(); count];
    for (k, node) in nodes.into_iter().enumerate() {
        let batch = if k < count { k } else { luck.between(0, count as i64 - 1) as usize };
        batches[batch].push(node);
    }
    batches
}

/// Flags of `kubectl drain`: most often those with which a drain succeeds.
fn flags(luck: &mut Luck) -> Vec<String> {
    let mut args = Vec::new();
    for (flag, percent) in
        [("--ignore-daemonsets", 95), ("--delete-emptydir-data", 93), ("--force", 90), ("--disable-eviction", 10)]
    {
        if luck.percent(percent) {
            args.push(flag.to_owned());
        }
    }
    if luck.percent(15) {
        args.push(format!("--grace-period={}", luck.one(&["0", "8", "40"])));
    }
    if luck.percent(10) {
        args.push("--skip-wait-for-delete-timeout=1".into());
    }
    if luck.percent(10) {
        args.push(format!("--pod-selector={}", luck.one(&["team=red", "team!=red", "app notin (w00,w01)"])));
    }
    args
}

fn pieces(luck: &mut Luck, old: usize, drained: usize, dense: bool, at_once: bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    // Less than the old nodes have, so that each pod finds its place there whatever the order.
    let mut room = old as i64 * 4000 * 65 / 100;
    let mut impossible = 0;
    while room > 0 && pieces.len() < 60 {
        let kind = match luck.between(0, 99) {
            0..=39 => Kind::Deployment,
            40..=49 => Kind::ReplicaSet,
            50..=61 => Kind::StatefulSet { parallel: false },
            62..=71 => Kind::StatefulSet { parallel: true },
            72..=75 => Kind::ReplicationController,
            76..=81 => Kind::Job,
            82..=87 => Kind::DaemonSet,
            _ => Kind::Pod,
        };
        // A Job's finalizer goes a second after the deletion, just when kubectl looks.
        if kind == Kind::Job && at_once {
            continue;
        }
        if kind == Kind::DaemonSet && pieces.iter().any(|p: &Piece| p.name.starts_with("DaemonSet")) {
            continue;
        }
        let name = format!("w{:02}", pieces.len());
        let mut template = template(luck, &name, kind);
        let replicas = match kind {
            Kind::Pod => 1,
            Kind::DaemonSet => old as i64,
            Kind::Job => luck.between(1, 3),
            _ if dense => luck.between(2, 12),
            _ => luck.between(1, 6),
        };
        if dense && kind != Kind::DaemonSet {
            template.cpu = luck.between(2, 6) * 25;
        }
        template.spread &= replicas <= old as i64;
        room -= replicas * template.cpu;
        let mut piece = Piece {
            name: format!("{kind:?} {}/{name}", template.namespace),
            objects: vec![objects::workload(&name, kind, replicas, &template)],
            then: then(luck, kind, replicas as usize, &template),
        };
        if template.held {
            piece.then = vec![Then::Deleted(0)];
        }
        pieces.push(piece);
        if !matches!(kind, Kind::DaemonSet | Kind::Job) {
            budgets(luck, &name, &template, replicas, &mut impossible, &mut pieces);
        }
    }
    for i in 0..luck.between(0, 2) {
        let node = luck.between(0, drained as i64 - 1) as usize;
        pieces.push(objects::mirror(&format!("static-{i}"), &objects::node_name("old", node)));
    }
    pieces
}

fn template(luck: &mut Luck, name: &str, kind: Kind) -> Template {
    let tenths = |luck: &mut Luck| DELAYS[luck.between(0, DELAYS.len() as i64 - 1) as usize];
    let bare = kind == Kind::Pod;
    Template {
        namespace: luck.one(&["default", "shop"]).to_owned(),
        app: name.to_owned(),
        team: luck.one(&["red", "blue", "green"]).to_owned(),
        cpu: if kind == Kind::DaemonSet { 100 } else { luck.between(2, 9) * 100 },
        start_tenths: tenths(luck),
        stop_tenths: tenths(luck).clamp(if kind == Kind::Job { 15 } else { 0 }, 34),
        empty_dir: luck.percent(15),
        needs_ssd: luck.percent(15),
        tolerates: luck.percent(20),
        spread: luck.percent(12) && !bare,
        held: bare && luck.percent(12),
    }
}

fn then(luck: &mut Luck, kind: Kind, replicas: usize, template: &Template) -> Vec<Then> {
    let ends = luck.one(&["Succeeded", "Failed"]);
    match kind {
        Kind::Pod if luck.percent(25) => vec![Then::Ends(0, ends)],
        // A failed pod of a ReplicaSet stays while another takes its place.
        Kind::Deployment | Kind::ReplicaSet if luck.percent(8) => vec![Then::Ends(replicas - 1, "Failed")],
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet { .. } | Kind::Pod if luck.percent(12) => {
            let some = luck.between(0, replicas as i64 - 1) as usize;
            vec![Then::Unready(if template.held { 0 } else { some })]
        }
        _ => Vec::new(),
    }
}

/// Budgets over a workload's pods, as pieces of their own.
fn budgets(luck: &mut Luck, app: &str, t: &Template, replicas: i64, impossible: &mut usize, pieces: &mut Vec<Piece>) {
    let integer = |field: &str, n: i64| json!({field: n});
    let percent = |field: &str, n: i64| json!({field: format!("{n}%")});
    let mut specs = Vec::new();
    match luck.between(0, 99) {
        0..=29 => {}
        30..=44 => specs.push(match luck.between(0, 2) {
            0 => percent("maxUnavailable", 100),
            1 => integer("minAvailable", 0),
            _ => integer("maxUnavailable", replicas),
        }),
        45..=84 if replicas > 1 => specs.push(match luck.between(0, 3) {
            0 => integer("minAvailable", replicas - 1),
            1 => percent("maxUnavailable", luck.between(1, 70)),
            2 => percent("minAvailable", luck.between(20, 80)),
            _ => integer("maxUnavailable", 1),
        }),
        85..=93 if *impossible < 2 && replicas < 5 => {
            *impossible += 1;
            specs.push(match luck.between(0, 2) {
                0 => integer("maxUnavailable", 0),
                1 => integer("minAvailable", replicas),
                _ => percent("minAvailable", 100),
            });
        }
        94.. => specs = vec![integer("maxUnavailable", 1), integer("minAvailable", 0)],
        _ => {}
    }
    for (i, mut spec) in specs.into_iter().enumerate() {
        spec["selector"] = json!({"matchLabels": {"app": app}});
        if luck.percent(40) {
            spec["unhealthyPodEvictionPolicy"] = json!(luck.one(&["AlwaysAllow", "IfHealthyBudget"]));
        }
        let name = format!("{app}-{}", ["first", "second"][i]);
        let path = format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets", t.namespace);
        pieces.push(Piece {
            name: format!("budget {}/{name}", t.namespace),
            objects: vec![(path, json!({"metadata": {"name": name}, "spec": spec}))],
            then: Vec::new(),
        });
    }
}
