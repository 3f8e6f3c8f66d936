//! Carries out steps and writes down what came of each: answers, and everything that the watches showed until the
//! disruption controller was at rest again.

use super::plane::Plane;
use super::record::{create_pod, evict};
use super::steps::{Name, Op, Step};
use super::watch::{History, version};
use super::world::{Pod, World};
use crate::bed::client::Client;
use anyhow::Result;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// Lines of `changes.jsonl`.
pub fn record(plane: &mut Plane, world: &World, uids: &[String], steps: &[Step]) -> Result<Vec<Value>> {
    let history = History::start(plane.client())?;
    let mut lines = Vec::new();
    for step in steps {
        let mut course =
            Course { client: plane.client().clone(), world, uids, verdicts: Vec::new(), owners: Vec::new() };
        let mut ops = Vec::new();
        for op in step {
            let mut told = describe(world, op);
            if let Some(version) = course.carry_out(op)? {
                told["version"] = json!(version);
            }
            ops.push(told);
        }
        let seen = plane.sentinel.wait()?;
        let events = history.take(&seen, &course.owners)?;
        lines.push(json!({"ops": ops, "verdicts": course.verdicts, "events": events}));
    }
    Ok(lines)
}

/// A step under way.
struct Course<'a> {
    client: Client,
    world: &'a World,
    /// Uids of the world's owners.
    uids: &'a [String],
    verdicts: Vec<Value>,
    /// Where owners were changed, and a resource version that their watch must reach.
    owners: Vec<(String, u64)>,
}

fn path(pod: &Name) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", pod.0, pod.1)
}

impl Course<'_> {
    /// What the server refuses, because the pod is gone or the value no longer valid, has not happened. Gives the resource
    /// version of a status written by hand.
    fn carry_out(&mut self, op: &Op) -> Result<Option<u64>> {
        let client = self.client.clone();
        match op {
            Op::Evict { pods, at_once: false } => {
                for (namespace, name) in pods {
                    self.verdicts.push(evict(&client, namespace, name, false)?);
                }
            }
            Op::Evict { pods, at_once: true } => {
                let asked = pods.iter().cloned().map(|(namespace, name)| {
                    let client = client.clone();
                    std::thread::spawn(move || evict(&client, &namespace, &name, false))
                });
                let asked: Vec<_> = asked.collect();
                for answer in asked {
                    self.verdicts.extend(answer.join().ok().transpose()?);
                }
            }
            Op::Ready(pod, status) => {
                let condition =
                    json!({"type": "Ready", "status": status, "lastTransitionTime": crate::bed::kubelets::now()});
                client.patch(&format!("{}/status", path(pod)), &json!({"status": {"conditions": [condition]}}))?;
            }
            Op::Phase(pod, phase) => {
                client.patch(&format!("{}/status", path(pod)), &json!({"status": {"phase": phase}}))?;
            }
            Op::Delete(pod, with_grace) => {
                let options = if *with_grace { json!({}) } else { json!({"gracePeriodSeconds": 0}) };
                client.delete(&path(pod), &options)?;
            }
            Op::Release(pod) => {
                client.merge(&path(pod), &json!({"metadata": {"finalizers": null}}))?;
            }
            Op::Label(pod, labels) => {
                client.merge(&path(pod), &json!({"metadata": {"labels": labels}}))?;
            }
            Op::Create(pod) => self.create(pod)?,
            Op::Scale(owner, replicas) => self.change_owner(*owner, Some(*replicas))?,
            Op::Orphan(owner) => self.change_owner(*owner, None)?,
            Op::Edit(budget, spec) => {
                client.merge(&self.budget_path(*budget), &json!({"spec": spec}))?;
            }
            Op::Plant(budget, pods, age) => {
                let at = SystemTime::now() - Duration::from_secs(*age);
                let at = json!(humantime::format_rfc3339_seconds(at).to_string());
                let entries: serde_json::Map<String, Value> = pods.iter().map(|p| (p.clone(), at.clone())).collect();
                let path = format!("{}/status", self.budget_path(*budget));
                let answer = client.merge(&path, &json!({"status": {"disruptedPods": entries}}))?;
                return Ok(Some(version(&answer.body)));
            }
            Op::Wait(seconds) => std::thread::sleep(Duration::from_secs(*seconds)),
        }
        Ok(None)
    }
    /// A pod that cannot be made, because its name is taken, is none.
    fn create(&self, pod: &Pod) -> Result<()> {
        match self.client.get(&path(&(pod.namespace.clone(), pod.name().to_owned())))?.found()? {
            Some(_) => Ok(()),
            None => create_pod(&self.client, self.world, self.uids, pod),
        }
    }
    /// Scales an owner, or deletes it and leaves its pods.
    fn change_owner(&mut self, owner: usize, replicas: Option<i64>) -> Result<()> {
        let owner = &self.world.owners[owner];
        let path = format!("{}/{}", owner.collection(), owner.name());
        let Some(before) = self.client.get(&path)?.found()? else { return Ok(()) };
        let answer = match replicas {
            Some(replicas) => self.client.merge(&path, &json!({"spec": {"replicas": replicas}}))?,
            None => self.client.delete(&path, &json!({"propagationPolicy": "Background"}))?,
        };
        let changed = replicas.is_none() || version(&answer.body) > version(&before);
        if changed && answer.code == 200 {
            self.owners.push((format!("{}/{}", owner.prefix, owner.plural), version(&before) + 1));
        }
        Ok(())
    }
    fn budget_path(&self, budget: usize) -> String {
        let budget = &self.world.budgets[budget];
        let name = budget.object["metadata"]["name"].as_str().unwrap_or_default();
        format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets/{name}", budget.namespace)
    }
}

/// An operation for `changes.jsonl`.
fn describe(world: &World, op: &Op) -> Value {
    let text = |(namespace, name): &Name| format!("{namespace}/{name}");
    let owner = |i: &usize| {
        let owner = &world.owners[*i];
        format!(
            "{}/{}/{}",
            owner.object["kind"].as_str().unwrap_or_default(),
            owner.namespace.as_deref().unwrap_or_default(),
            owner.name()
        )
    };
    let budget = |i: &usize| {
        let budget = &world.budgets[*i];
        format!("{}/{}", budget.namespace, budget.object["metadata"]["name"].as_str().unwrap_or_default())
    };
    match op {
        Op::Evict { pods, at_once } => json!({"evict": pods.iter().map(text).collect::<Vec<_>>(), "at_once": at_once}),
        Op::Ready(pod, status) => json!({"ready": text(pod), "status": status}),
        Op::Phase(pod, phase) => json!({"phase": text(pod), "is": phase}),
        Op::Delete(pod, with_grace) => json!({"delete": text(pod), "with_grace": with_grace}),
        Op::Release(pod) => json!({"release": text(pod)}),
        Op::Label(pod, labels) => json!({"label": text(pod), "labels": labels}),
        Op::Create(pod) => json!({"create": format!("{}/{}", pod.namespace, pod.name())}),
        Op::Scale(i, replicas) => json!({"scale": owner(i), "replicas": replicas}),
        Op::Orphan(i) => json!({"orphan": owner(i)}),
        Op::Edit(i, spec) => json!({"edit": budget(i), "spec": spec}),
        Op::Plant(i, pods, age) => json!({"plant": budget(i), "disrupted": pods, "age_seconds": age}),
        Op::Wait(seconds) => json!({"wait_seconds": seconds}),
    }
}
