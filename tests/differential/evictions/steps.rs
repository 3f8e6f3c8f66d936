//! Random sequences of what can happen to pods and budgets.

use super::budgets;
use super::pods;
use super::world::{Budget, Owner, Pod, World};
use crate::luck::Luck;
use serde_json::{Value, json};

/// Something done to the cluster. Pods are named as `(namespace, name)`, and may be gone by then.
#[derive(Clone, Debug)]
pub enum Op {
    /// Real evictions, at once or one after the other without a pause.
    Evict { pods: Vec<Name>, at_once: bool },
    /// The condition Ready.
    Ready(Name, &'static str),
    /// The phase.
    Phase(Name, &'static str),
    /// A deletion, with its grace or without.
    Delete(Name, bool),
    /// Finalizers taken away.
    Release(Name),
    /// Labels replaced.
    Label(Name, Value),
    /// A pod made.
    Create(Box<Pod>),
    /// `spec.replicas` of an owner.
    Scale(usize, i64),
    /// An owner deleted, its pods left.
    Orphan(usize),
    /// A merge patch of a budget's spec.
    Edit(usize, Value),
    /// `disruptedPods` written by hand: evictions so many seconds ago that deleted nothing.
    Plant(usize, Vec<String>, u64),
    /// So many seconds.
    Wait(u64),
}

impl Op {
    /// The namespace it concerns; None for none.
    pub fn namespace(&self, owners: &[Owner], budgets: &[Budget]) -> Option<String> {
        match self {
            Op::Evict { pods, .. } => pods.first().map(|p| p.0.clone()),
            Op::Ready(pod, _) | Op::Phase(pod, _) | Op::Delete(pod, _) | Op::Release(pod) | Op::Label(pod, _) => {
                Some(pod.0.clone())
            }
            Op::Create(pod) => Some(pod.namespace.clone()),
            Op::Scale(i, _) | Op::Orphan(i) => owners.get(*i)?.namespace.clone(),
            Op::Edit(i, _) | Op::Plant(i, ..) => budgets.get(*i).map(|b| b.namespace.clone()),
            Op::Wait(_) => None,
        }
    }
}

pub type Name = (String, String);

/// What is done before the controller is let come to rest.
pub type Step = Vec<Op>;

/// Steps upon a world. Several in a row concern one namespace.
pub fn draw(luck: &mut Luck, world: &World, count: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut made = 0;
    while steps.len() < count {
        let namespace = &world.namespaces[luck.between(0, world.namespaces.len() as i64 - 1) as usize];
        let place = Place::new(world, namespace);
        if place.pods.is_empty() {
            continue;
        }
        for _ in 0..luck.between(3, 8) {
            let ops = if luck.percent(25) { luck.between(2, 5) } else { 1 };
            steps.push((0..ops).flat_map(|_| place.op(luck, &mut made)).collect());
        }
    }
    steps.truncate(count);
    steps
}

/// A namespace and what is in it.
struct Place<'a> {
    namespace: &'a str,
    pods: Vec<&'a Pod>,
    budgets: Vec<usize>,
    owners: Vec<usize>,
}

impl<'a> Place<'a> {
    fn new(world: &'a World, namespace: &'a str) -> Place<'a> {
        // Of the custom ones those whose count stands where everybody's does.
        let scalable = ["Deployment", "ReplicaSet", "StatefulSet", "ReplicationController", "Widget", "Relic"];
        let owners = (0..world.owners.len()).filter(|i| {
            let owner = &world.owners[*i];
            let counted = owner.object["spec"]["replicas"].is_number();
            owner.namespace.as_deref() == Some(namespace)
                && counted
                && scalable.iter().any(|k| owner.object["kind"] == *k)
        });
        Place {
            namespace,
            pods: world.pods.iter().filter(|p| p.namespace == namespace).collect(),
            budgets: (0..world.budgets.len()).filter(|b| world.budgets[*b].namespace == namespace).collect(),
            owners: owners.collect(),
        }
    }
    fn pod(&self, luck: &mut Luck) -> Name {
        let pod = self.pods[luck.between(0, self.pods.len() as i64 - 1) as usize];
        (self.namespace.to_owned(), pod.name().to_owned())
    }
    fn op(&self, luck: &mut Luck, made: &mut usize) -> Vec<Op> {
        let one = |luck: &mut Luck, of: &[usize]| of[luck.between(0, of.len() as i64 - 1) as usize];
        match luck.between(1, 100) {
            1..=28 => vec![Op::Evict { pods: vec![self.pod(luck)], at_once: false }],
            29..=40 => {
                let pods = (0..luck.between(2, 8)).map(|_| self.pod(luck)).collect();
                vec![Op::Evict { pods, at_once: luck.percent(60) }]
            }
            41..=56 => vec![Op::Ready(self.pod(luck), luck.one(&["True", "True", "False"]))],
            57..=60 => vec![Op::Phase(self.pod(luck), luck.one(&["Failed", "Succeeded", "Running"]))],
            61..=65 => vec![Op::Delete(self.pod(luck), luck.percent(60))],
            66 | 67 => vec![Op::Release(self.pod(luck))],
            68 | 69 => vec![Op::Label(self.pod(luck), self.labels(luck))],
            70..=77 => {
                *made += 1;
                let like = self.pods[luck.between(0, self.pods.len() as i64 - 1) as usize];
                let app = like.object["metadata"]["labels"]["app"].as_str().unwrap_or("bare").to_owned();
                let name = format!("{}-new-{made}", like.name());
                vec![Op::Create(Box::new(pods::draw(luck, self.namespace, &name, &app, like.controller.clone())))]
            }
            78..=84 if !self.owners.is_empty() => vec![Op::Scale(one(luck, &self.owners), luck.between(0, 9))],
            85 if !self.owners.is_empty() => vec![Op::Orphan(one(luck, &self.owners))],
            86..=94 if !self.budgets.is_empty() => {
                let budget = one(luck, &self.budgets);
                vec![Op::Edit(budget, self.edit(luck))]
            }
            95..=97 if !self.budgets.is_empty() => {
                let budget = one(luck, &self.budgets);
                let pods = (0..luck.between(1, 3)).map(|_| self.pod(luck).1).collect();
                let age = *luck.one(&[&30, &100, &119, &121, &500]);
                let wait = if age == 119 { vec![Op::Wait(2)] } else { vec![] };
                [vec![Op::Plant(budget, pods, age)], wait].concat()
            }
            _ => vec![Op::Evict { pods: vec![self.pod(luck)], at_once: false }],
        }
    }
    fn labels(&self, luck: &mut Luck) -> Value {
        let mut labels = json!({"app": null, "tier": null, "track": null});
        if luck.percent(80) {
            labels["app"] = json!(format!("app-{}", luck.between(0, 4)));
        }
        if luck.percent(80) {
            labels["tier"] = json!(luck.one(&["front", "back"]));
        }
        labels
    }
    /// A merge patch that replaces the amount, and sometimes the policy or the selector.
    fn edit(&self, luck: &mut Luck) -> Value {
        let mut spec = json!({"minAvailable": null, "maxUnavailable": null});
        for (key, value) in budgets::demand(luck).as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        if luck.percent(30) {
            spec["unhealthyPodEvictionPolicy"] = json!(budgets::policy(luck));
        }
        if luck.percent(20) {
            // A merge patch would mix the old selector with the new.
            spec["selector"] = json!({"matchLabels": {"app": format!("app-{}", luck.between(0, 4))}});
        }
        spec
    }
}
