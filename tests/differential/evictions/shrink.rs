//! From a difference to the smallest world and the fewest steps that still show one.

use super::definitions::{CUSTOMS, GROUP};
use super::plane::Plane;
use super::record::observe;
use super::steps::{Op, Step};
use super::world::{Reference, World};
use anyhow::Result;
use nodeferry::snapshot::Snapshot;
use nodeferry::verify::evictions::replay_evictions;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long to go on making a case smaller.
const PATIENCE: Duration = Duration::from_secs(180);

/// Part of a case that may be left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Step(usize),
    /// An operation of a step.
    Op(usize, usize),
    Namespace(usize),
    Budget(usize),
    Pod(usize),
}

/// A scenario with the smallest case found; None if the whole of it, made again, shows no difference: then it was of a
/// moment that does not come back.
pub fn shrink(binary: &Path, world: &World, steps: &[Step], name: &str) -> Result<Option<Value>> {
    let mut plane = Plane::start(binary)?;
    let mut tries = 0;
    let mut attempt = |left_out: &[Part]| {
        tries += 1;
        let (world, steps) = without(world, steps, left_out);
        let (world, steps) = renamed(&world, &steps, &format!("case-{tries}-"));
        try_case(&mut plane, &world, &steps, name)
    };
    let mut left_out = Vec::new();
    let Some(mut smallest) = attempt(&left_out)? else { return Ok(None) };
    let until = Instant::now() + PATIENCE;
    let kinds: [Vec<Part>; 5] = [
        (0..steps.len()).map(Part::Step).collect(),
        (0..world.namespaces.len()).map(Part::Namespace).collect(),
        (0..world.budgets.len()).map(Part::Budget).collect(),
        (0..world.pods.len()).map(Part::Pod).collect(),
        steps.iter().enumerate().flat_map(|(s, ops)| (0..ops.len()).map(move |o| Part::Op(s, o))).collect(),
    ];
    for mut parts in kinds {
        parts.retain(|p| !is_out(world, steps, &left_out, *p));
        let mut size = parts.len();
        while size > 0 && Instant::now() < until {
            let mut from = 0;
            while from < parts.len() && Instant::now() < until {
                let chunk = parts[from..(from + size).min(parts.len())].to_vec();
                let fewer = [left_out.clone(), chunk.clone()].concat();
                // A case that cannot be made is no smaller one.
                match attempt(&fewer).unwrap_or(None) {
                    Some(case) => {
                        (smallest, left_out) = (case, fewer);
                        parts.retain(|p| !chunk.contains(p));
                    }
                    None => from += size,
                }
            }
            size /= 2;
        }
    }
    Ok(Some(smallest))
}

/// Whether a part is left out with what holds it already.
fn is_out(world: &World, steps: &[Step], left_out: &[Part], part: Part) -> bool {
    let namespace_out = |name: &str| {
        world.namespaces.iter().position(|n| n == name).is_some_and(|i| left_out.contains(&Part::Namespace(i)))
    };
    left_out.contains(&part)
        || match part {
            Part::Budget(i) => namespace_out(&world.budgets[i].namespace),
            Part::Pod(i) => namespace_out(&world.pods[i].namespace),
            // The only operation of a step goes with the step.
            Part::Op(step, _) => left_out.contains(&Part::Step(step)) || steps[step].len() == 1,
            Part::Step(_) | Part::Namespace(_) => false,
        }
}

/// A world and steps without some parts, and without the owners that nothing names any more.
fn without(world: &World, steps: &[Step], left_out: &[Part]) -> (World, Vec<Step>) {
    let out = |part: Part| is_out(world, steps, left_out, part);
    let mut less = World::default();
    let kept = |namespace: &str| {
        let index = world.namespaces.iter().position(|n| n == namespace);
        index.is_some_and(|i| !left_out.contains(&Part::Namespace(i)))
    };
    less.namespaces = world.namespaces.iter().filter(|n| kept(n)).cloned().collect();
    let mut budgets = BTreeMap::new();
    for (i, budget) in world.budgets.iter().enumerate().filter(|(i, _)| !out(Part::Budget(*i))) {
        budgets.insert(i, less.budgets.len());
        less.budgets.push(budget.clone());
    }
    let pods = world.pods.iter().enumerate().filter(|(i, _)| !out(Part::Pod(*i)));
    less.pods = pods.map(|(_, pod)| pod.clone()).collect();
    let steps = steps.iter().enumerate().filter(|(s, _)| !left_out.contains(&Part::Step(*s)));
    let mut steps: Vec<Step> = steps
        .map(|(s, ops)| {
            let ops = ops.iter().enumerate().filter(|(o, _)| !left_out.contains(&Part::Op(s, *o)));
            ops.filter_map(|(_, op)| with_budget(op, &budgets)).collect()
        })
        .collect();
    keep_named_owners(world, &mut less, &mut steps);
    (less, steps)
}

/// An operation with its budget's new index; None if the budget is left out.
fn with_budget(op: &Op, budgets: &BTreeMap<usize, usize>) -> Option<Op> {
    Some(match op {
        Op::Edit(i, spec) => Op::Edit(*budgets.get(i)?, spec.clone()),
        Op::Plant(i, pods, age) => Op::Plant(*budgets.get(i)?, pods.clone(), *age),
        other => other.clone(),
    })
}

/// Takes over the owners that pods or steps name, and gives all references their new indices.
fn keep_named_owners(world: &World, less: &mut World, steps: &mut [Step]) {
    let mut named = vec![false; world.owners.len()];
    let mut note = |reference: &Reference| {
        let mut next = reference.index();
        while let Some(i) = next.filter(|i| !std::mem::replace(&mut named[*i], true)) {
            next = world.owners[i].parent.as_ref().and_then(Reference::index);
        }
    };
    for pod in &less.pods {
        note(&pod.controller);
    }
    for op in steps.iter().flatten() {
        match op {
            Op::Create(pod) => note(&pod.controller),
            Op::Scale(i, _) | Op::Orphan(i) => note(&Reference::Owner { index: *i, api: String::new() }),
            _ => {}
        }
    }
    let mut indices = BTreeMap::new();
    for (i, owner) in world.owners.iter().enumerate().filter(|(i, _)| named[*i]) {
        indices.insert(i, less.owners.len());
        let mut owner = owner.clone();
        owner.parent = owner.parent.map(|p| p.with_indices(&indices));
        less.owners.push(owner);
    }
    for pod in &mut less.pods {
        pod.controller = std::mem::replace(&mut pod.controller, Reference::None).with_indices(&indices);
    }
    for op in steps.iter_mut().flatten() {
        match op {
            Op::Create(pod) => pod.controller = pod.controller.clone().with_indices(&indices),
            Op::Scale(i, _) | Op::Orphan(i) => *i = indices.get(i).copied().unwrap_or(*i),
            _ => {}
        }
    }
    // What is left of a namespace that is out has no place.
    let kept = less.namespaces.clone();
    let is_kept = |namespace: &str| kept.iter().any(|n| n == namespace);
    for step in steps.iter_mut() {
        step.retain(|op| op.namespace(&less.owners, &less.budgets).is_none_or(|n| is_kept(&n)));
    }
    for owner in &less.owners {
        if let Some(namespace) = owner.namespace.as_ref().filter(|n| !less.namespaces.contains(n)) {
            less.namespaces.push(namespace.clone());
        }
    }
}

/// All namespaces under new names, so that many cases can be tried one after the other.
fn renamed(world: &World, steps: &[Step], prefix: &str) -> (World, Vec<Step>) {
    let (mut world, mut steps) = (world.clone(), steps.to_vec());
    let new = |name: &mut String| *name = format!("{prefix}{name}");
    world.namespaces.iter_mut().for_each(new);
    world.pods.iter_mut().for_each(|p| new(&mut p.namespace));
    world.budgets.iter_mut().for_each(|b| new(&mut b.namespace));
    for owner in &mut world.owners {
        match &mut owner.namespace {
            Some(namespace) => new(namespace),
            None => owner.object["metadata"]["name"] = json!(format!("{prefix}{}", owner.name())),
        }
    }
    for op in steps.iter_mut().flatten() {
        match op {
            Op::Evict { pods, .. } => pods.iter_mut().for_each(|p| new(&mut p.0)),
            Op::Ready(pod, _) | Op::Phase(pod, _) | Op::Delete(pod, _) | Op::Release(pod) | Op::Label(pod, _) => {
                new(&mut pod.0)
            }
            Op::Create(pod) => new(&mut pod.namespace),
            Op::Scale(..) | Op::Orphan(_) | Op::Edit(..) | Op::Plant(..) | Op::Wait(_) => {}
        }
    }
    (world, steps)
}

/// The case as a scenario if we still say other than the real control plane.
fn try_case(plane: &mut Plane, world: &World, steps: &[Step], name: &str) -> Result<Option<Value>> {
    let (cluster, verdicts, changes) = observe(plane, world, steps)?;
    let objects = own(world, &cluster);
    let report = replay_evictions(Snapshot::from_objects(&objects)?, &verdicts, &changes)?;
    if report.is_perfect() {
        return Ok(None);
    }
    Ok(Some(json!({
        "scenario": name,
        "story": "A real control plane said so of these budgets, and nodeferry did not.",
        "cluster": {"objects": objects},
        "recorded": {"verdicts": verdicts, "changes": changes},
    })))
}

/// What belongs to a case: its namespaces and what is in them, nodes, and definitions.
fn own(world: &World, cluster: &Value) -> Vec<Value> {
    let in_it = |object: &&Value| {
        let (kind, metadata) = (object["kind"].as_str().unwrap_or_default(), &object["metadata"]);
        let named = |name: &Value| world.namespaces.iter().any(|n| name == n.as_str());
        let owned = |o: &super::world::Owner| o.object["kind"] == kind && metadata["name"] == o.name();
        match kind {
            "Node" => true,
            "CustomResourceDefinition" => uses(world, object),
            "Namespace" => named(&metadata["name"]),
            _ => named(&metadata["namespace"]) || world.owners.iter().any(|o| o.namespace.is_none() && owned(o)),
        }
    };
    cluster["items"].as_array().into_iter().flatten().filter(in_it).cloned().collect()
}

/// Whether a definition's kind is one that pods of the world may name. One is kept in any case: without any it would seem
/// that nobody asked for them.
fn uses(world: &World, definition: &Value) -> bool {
    let kind = &definition["spec"]["names"]["kind"];
    let group = format!("{GROUP}/");
    let absent =
        |r: &Reference| matches!(r, Reference::Absent { api, kind: k, .. } if api.starts_with(&group) && kind == *k);
    *kind == CUSTOMS[0].kind
        || world.owners.iter().any(|o| o.object["kind"] == *kind)
        || world.pods.iter().any(|p| absent(&p.controller))
}
