//! Cordons that an admission policy denies, that somebody takes back, and nodes that are registered again under their names:
//! what is not empty in the end is not said to be done.

use super::cluster;
use super::executor::{Ended, Executor, Running};
use super::judge::{Promise, Verdict};
use super::world::{EXECUTE, World};
use crate::bed::client::Client;
use crate::bed::rest::wait;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Exit status of a migration that is done in part.
const PARTLY: i32 = 4;
/// Name of the policy that denies cordons.
const POLICY: &str = "stay-schedulable";
pub(super) const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
pub(super) const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";

/// A ValidatingAdmissionPolicy denies two of the cordons: nothing is evicted from these nodes, and the others are drained.
pub fn denied(world: &World, _: u64) -> Result<Verdict> {
    let executor = world.executor("cordons-denied")?;
    let (client, old) = (&world.plane.client, world.old()?);
    let (kept, moved) = old.split_at(2);
    deny(client, kept)?;
    let mut verdict = world.judged(moved, &Promise::Drained, |verdict| {
        executor.plan(&world.drain(&old, "per-batch")?)?;
        let ended = executor.run(&EXECUTE)?;
        partly(verdict, &executor, &ended, "cordon-refused", kept)?;
        for node in kept {
            let told = format!("node {node} could not be cordoned");
            verdict.says(ended.stderr.contains(&told), || format!("{told}: not told: {}", ended.stderr));
        }
        verdict.says(ended.stderr.contains("denied request: payment"), || "does not say who denied it".into());
        Ok(())
    })?;
    client.delete(&format!("{BINDINGS}/{POLICY}"), &json!({}))?.ok()?;
    client.delete(&format!("{POLICIES}/{POLICY}"), &json!({}))?.ok()?;
    wait("cordons to be allowed", || Ok(dry_cordon(client, &kept[0])? < 400))?;
    the_rest(world, "cordons-allowed", kept, &old, &mut verdict)?;
    Ok(verdict)
}

/// Somebody makes a drained node and one that waits for its batch schedulable: they are cordoned again, and the second time left alone.
pub fn uncordoned(world: &World, _: u64) -> Result<Verdict> {
    let executor = world.executor("uncordoned")?;
    let (client, old) = (&world.plane.client, world.old()?);
    // In the order of the batches, four at a time.
    let (theirs, ours): (Vec<String>, Vec<String>) = {
        executor.plan(&world.drain(&old, "all-first")?)?;
        let order = planned(&executor)?;
        let theirs = vec![order[0].clone(), order[order.len() - 1].clone()];
        let ours = old.iter().filter(|n| !theirs.contains(n)).cloned().collect();
        (theirs, ours)
    };
    let mut verdict = world.judged_of(&old, &ours, &Promise::Drained, |verdict| {
        let mut running = executor.start(&EXECUTE)?;
        told(&executor, &mut running, "\"batch_started\"", 2)?;
        cluster::uncordon(client, &theirs)?;
        told(&executor, &mut running, "\"node_warning\"", 2)?;
        for node in &theirs {
            wait("the node to be cordoned again", || is_cordoned(client, node))?;
        }
        cluster::uncordon(client, &theirs)?;
        let ended = running.wait()?;
        partly(verdict, &executor, &ended, "cordon-lost", &theirs)?;
        let again = ended.stderr.matches("was made schedulable again by somebody else, and is cordoned again").count();
        verdict.says(again == 2, || format!("told {again} times that a node is cordoned again: {}", ended.stderr));
        for node in &theirs {
            verdict.says(!is_cordoned(client, node)?, || format!("{node} was cordoned a third time"));
        }
        Ok(())
    })?;
    the_rest(world, "cordoned-again", &theirs, &old, &mut verdict)?;
    Ok(verdict)
}

/// A node that is drained is deleted and registered again, with another uid, and gets pods.
pub fn registered_again(world: &World, _: u64) -> Result<Verdict> {
    let executor = world.executor("registered-again")?;
    let (client, old) = (&world.plane.client, world.old()?);
    executor.plan(&world.drain(&old, "all-first")?)?;
    let name = planned(&executor)?.remove(0);
    let mut verdict = Verdict::default();
    let mut running = executor.start(&EXECUTE)?;
    told(&executor, &mut running, "\"batch_started\"", 2)?;
    client.delete(&format!("/api/v1/nodes/{name}"), &json!({}))?.ok()?;
    let pool = name.split('-').next().unwrap_or_default();
    cluster::add_nodes(client, pool, std::slice::from_ref(&name))?;
    let ended = running.wait()?;
    partly(&mut verdict, &executor, &ended, "node-registered-again", std::slice::from_ref(&name))?;
    let said = format!("node {name} was deleted and registered again");
    verdict.says(ended.stderr.contains(&said), || format!("{said}: not told: {}", ended.stderr));
    let node = client.get(&format!("/api/v1/nodes/{name}"))?.ok()?;
    verdict.says(node["spec"]["unschedulable"] != true, || format!("{name} is no node of the plan and was cordoned"));
    world.rest()?;
    the_rest(world, "registered-again-rest", std::slice::from_ref(&name), &old, &mut verdict)?;
    Ok(verdict)
}

/// What was left is planned and carried out: after that all old nodes are drained.
fn the_rest(world: &World, case: &str, nodes: &[String], old: &[String], verdict: &mut Verdict) -> Result<()> {
    let executor = world.executor(case)?;
    let after = world.judged(old, &Promise::Drained, |_| {
        executor.plan(&world.drain(nodes, "per-batch")?)?;
        executor.run(&EXECUTE)?.with(0)?;
        Ok(())
    })?;
    verdict.absorb("the rest", after);
    world.turn();
    Ok(())
}

/// It is done in part, for this reason and because of these nodes; `status` says so too.
fn partly(verdict: &mut Verdict, executor: &Executor, ended: &Ended, reason: &str, nodes: &[String]) -> Result<()> {
    verdict.says(ended.code == Some(PARTLY), || {
        format!("ended with {:?} instead of {PARTLY}: {}", ended.code, ended.stderr)
    });
    let status: Value = serde_json::from_str(&executor.run(&["status", "journal", "-o", "json"])?.with(0)?)?;
    let failure = &status["failure"];
    verdict.says(failure["reason"] == reason, || format!("the reason is {failure}, not {reason}"));
    for node in nodes {
        let named = failure["cause"].as_str().is_some_and(|c| c.contains(node.as_str()));
        verdict.says(named, || format!("{node} is not named: {failure}"));
        let of = status["nodes"].as_array().into_iter().flatten().find(|n| n["name"] == node.as_str());
        verdict.says(of.is_some_and(|n| n["fate"] == "failed" && n["reason"] == reason), || {
            format!("status says of {node}: {of:?}")
        });
    }
    Ok(())
}

/// The old nodes of the plan, batch after batch.
fn planned(executor: &Executor) -> Result<Vec<String>> {
    let plan: Value = serde_json::from_slice(&std::fs::read(executor.file("plan.json"))?)?;
    let batches = plan["intent"]["batches"].as_array().into_iter().flatten();
    let nodes = batches.flat_map(|b| b.as_array().into_iter().flatten());
    Ok(nodes.filter_map(|n| n["name"].as_str().map(str::to_owned)).collect())
}

/// Waits until the journal has a word so many times.
pub(super) fn told(executor: &Executor, running: &mut Running, word: &str, times: usize) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(90);
    let journal = executor.file("journal").join("journal.jsonl");
    while std::fs::read_to_string(&journal).unwrap_or_default().matches(word).count() < times {
        if running.has_ended()? || Instant::now() > until {
            bail!("the journal has not {word} {times} times; see {}", executor.directory.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn is_cordoned(client: &Client, node: &str) -> Result<bool> {
    Ok(client.get(&format!("/api/v1/nodes/{node}"))?.ok()?["spec"]["unschedulable"] == true)
}

/// Denies the cordons of these nodes, and waits until that is so.
fn deny(client: &Client, nodes: &[String]) -> Result<()> {
    let names = nodes.iter().map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
    let allowed = format!(
        "!(object.metadata.name in [{names}]) || !has(object.spec.unschedulable) || !object.spec.unschedulable"
    );
    let policy = json!({
        "metadata": {"name": POLICY},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["nodes"]},
            ]},
            "validations": [{"expression": allowed, "message": "payment nodes stay schedulable"}],
        },
    });
    client.create(POLICIES, &policy)?.ok()?;
    let binding = json!({"metadata": {"name": POLICY}, "spec": {"policyName": POLICY, "validationActions": ["Deny"]}});
    client.create(BINDINGS, &binding)?.ok()?;
    wait("cordons to be denied", || Ok(dry_cordon(client, &nodes[0])? == 422))
}

/// The status with which a cordon would be answered.
fn dry_cordon(client: &Client, node: &str) -> Result<u16> {
    let path = format!("/api/v1/nodes/{node}?dryRun=All");
    Ok(client.merge(&path, &json!({"spec": {"unschedulable": true}}))?.code)
}
