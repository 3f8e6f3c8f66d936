//! What is done to an execution, and what must come of it all the same.

use super::cluster;
use super::executor::{Executor, Intent};
use super::identity;
use super::judge::{Promise, Verdict};
use super::machines;
use super::world::{EXECUTE, OFF, PACE, RESUME, World, near};
use crate::luck::Luck;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How often the executor is killed within one migration.
const KILLS: usize = 30;
/// How long the API server is away.
const AWAY: Duration = Duration::from_secs(4);

/// Nothing goes wrong: from the dump to the report. A machine that was busy at the wrong moment is no wrong prediction, and it is not so twice.
pub fn straight(world: &World, _: u64) -> Result<Verdict> {
    let first = once(world, "straight")?;
    if !first.wrong.iter().any(|w| w.contains(OFF)) || first.wrong.len() > 1 {
        return Ok(first);
    }
    let mut second = once(world, "straight-again")?;
    second.said.extend(first.said.into_iter().map(|s| format!("at first: {s}")));
    Ok(second)
}

fn once(world: &World, name: &str) -> Result<Verdict> {
    let executor = world.executor(name)?;
    let old = world.old()?;
    let verdict = world.judged(&old, &Promise::Drained, |verdict| {
        let intent = world.drain(&old, "per-batch")?;
        let predicted = executor.plan(&intent)?;
        executor.run(&EXECUTE)?.with(0)?;
        verdict.said.push(format!("a call takes {} ms", intent.latency.as_millis()));
        near(verdict, predicted, executor.took("journal")?);
        let report: Value = serde_json::from_str(&executor.run(&["report", "journal", "-o", "json"])?.with(0)?)?;
        verdict.says(report.is_object(), || "the report is no JSON object".into());
        Ok(())
    })?;
    world.turn();
    Ok(verdict)
}

/// The process is killed again and again, at any instruction, and goes on.
pub fn killed(world: &World, seed: u64) -> Result<Verdict> {
    let executor = world.executor("killed")?;
    let old = world.old()?;
    let mut luck = Luck::new(seed);
    let verdict = world.judged(&old, &Promise::Drained, |verdict| {
        executor.plan(&world.drain(&old, "per-batch")?)?;
        let mut running = executor.start(&EXECUTE)?;
        // Before the journal is there, there is nothing to resume.
        begun(&executor, &mut running)?;
        let mut kills = 0;
        while kills < KILLS {
            std::thread::sleep(Duration::from_millis(luck.between(20, 2200) as u64));
            if running.has_ended()? {
                break;
            }
            running.kill()?;
            kills += 1;
            running = executor.start(&RESUME)?;
        }
        running.wait()?.with(0)?;
        verdict.says(kills == KILLS, || format!("it was over after {kills} of {KILLS} kills"));
        verdict.said.push(format!("killed {kills} times"));
        Ok(())
    })?;
    world.turn();
    Ok(verdict)
}

/// Waits until the first batch is under way.
fn begun(executor: &Executor, running: &mut super::executor::Running) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(60);
    while !journal(executor).contains("migration_started") {
        if running.has_ended()? || Instant::now() > until {
            bail!("the execution does not begin; see {}", executor.directory.display());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// How many evictions the journal tells of.
fn evictions(executor: &Executor) -> usize {
    journal(executor).matches("\"eviction_accepted\"").count()
}

/// Waits until the journal tells of so many evictions.
pub fn evicted(executor: &Executor, running: &mut super::executor::Running, count: usize) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(90);
    while evictions(executor) < count {
        if running.has_ended()? || Instant::now() > until {
            bail!("the execution has not come to {count} evictions; see {}", executor.directory.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Waits until there was no further eviction for a while.
fn calm(executor: &Executor) {
    let mut before = usize::MAX;
    for _ in 0..100 {
        let now = evictions(executor);
        if now == before {
            return;
        }
        before = now;
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn journal(executor: &Executor) -> String {
    std::fs::read_to_string(executor.file("journal").join("journal.jsonl")).unwrap_or_default()
}

/// The API server is killed in the middle and comes back: with an odd seed while pods are waited for, with an even one while evictions are on
/// their way. Either may cost two minutes: a StatefulSet's pod that was going has a successor of its name, which the disruption controller,
/// if it comes back late, takes for the one that is still to go (`buildDisruptedPodMap`, `DeletionTimeout`).
pub fn outage(world: &World, seed: u64) -> Result<Verdict> {
    let executor = world.executor("outage")?;
    let old = world.old()?;
    let verdict = world.judged(&old, &Promise::Drained, |_| {
        executor.plan(&world.drain(&old, "per-batch")?)?;
        let mut running = executor.start(&EXECUTE)?;
        evicted(&executor, &mut running, 10)?;
        if seed % 2 == 1 {
            calm(&executor);
        }
        world.plane.kill_api_server()?;
        std::thread::sleep(AWAY);
        world.plane.start_api_server()?;
        running.wait()?.with(0)?;
        Ok(())
    })?;
    world.turn();
    Ok(verdict)
}

/// Somebody stops it in the middle, with an odd seed from another terminal and with an even one by Ctrl-C; later the rest is planned and done.
pub fn stop(world: &World, seed: u64) -> Result<Verdict> {
    let executor = world.executor("stop")?;
    let old = world.old()?;
    let mut verdict = world.judged(&old, &Promise::DrainedOrUntouched, |verdict| {
        executor.plan(&world.drain(&old, "all-first")?)?;
        let mut running = executor.start(&EXECUTE)?;
        evicted(&executor, &mut running, 10)?;
        match seed % 2 {
            1 => drop(executor.run(&["stop", "journal"])?.with(0)?),
            _ => running.signal("INT")?,
        }
        running.wait()?.with(0)?;
        let outcome = executor.outcome("journal")?;
        verdict.says(outcome == "STOPPED", || format!("the journal says that it ended as {outcome:?}, not STOPPED"));
        Ok(())
    })?;
    let client = &world.plane.client;
    let mut rest = Vec::new();
    for name in &old {
        let node = client.get(&format!("/api/v1/nodes/{name}"))?.ok()?;
        if node["spec"]["unschedulable"] != true {
            rest.push(name.clone());
        }
    }
    verdict.says(!rest.is_empty() && rest.len() < old.len(), || {
        format!("a stop in the middle left {} of {} nodes", rest.len(), old.len())
    });
    let executor = world.executor("rest")?;
    let after = world.judged(&old, &Promise::Drained, |verdict| {
        let predicted = executor.plan(&world.drain(&rest, "per-batch")?)?;
        executor.run(&EXECUTE)?.with(0)?;
        near(verdict, predicted, executor.took("journal")?);
        Ok(())
    })?;
    verdict.absorb("the rest", after);
    world.turn();
    Ok(verdict)
}

/// How long the token is good for that expires in the middle.
const GOOD_FOR: Duration = Duration::from_secs(8);

/// The token expires in the middle: the execution ends, can be resumed, and goes on with another. Then the terminal is
/// closed, then it is told to end. The Node objects are deleted.
pub fn token(world: &World, _: u64) -> Result<Verdict> {
    let executor = world.executor("token")?;
    let old = world.old()?;
    let (client, directory) = (&world.plane.client, world.plane.directory());
    let verdict = world.judged(&old, &Promise::Gone, |verdict| {
        // Long enough for the token to expire within it, as what the server remembers is.
        let mut intent = world.drain(&old, "per-batch")?;
        intent.options["batch_size"] = json!(1);
        intent.options["soak_ms"] = json!(3000);
        intent.options["terminate_nodes"] = json!(true);
        // Nobody writes another token into the kubeconfig while it waits.
        intent.options["execution"] = json!({"retire": {"*": {"by": "node"}}, "rights_timeout_ms": 5_000});
        executor.plan(&intent)?;
        let short = identity::expiring(&world.token.borrow(), directory, GOOD_FOR, &world.kubeconfig)?;
        let mut running = executor.start(&EXECUTE)?;
        evicted(&executor, &mut running, 1)?;
        let ended = running.wait()?;
        verdict.says(ended.code == Some(RESUMABLE), || {
            format!("ended with {:?} instead of {RESUMABLE}: {}", ended.code, ended.stderr)
        });
        verdict.says(ended.stderr.contains("401"), || format!("does not say why it ended: {}", ended.stderr));
        world.token.replace(identity::token(client, &world.plane.kubeconfig(), &world.kubeconfig)?);
        let found = executor.files_with(&short.text)?;
        verdict.says(found.is_empty(), || format!("the expired token is written down in {}", found.join(", ")));
        for signal in ["HUP", "TERM"] {
            let mut running = executor.start(&RESUME)?;
            let more = evictions(&executor) + 3;
            evicted(&executor, &mut running, more)?;
            running.signal(signal)?;
            let ended = running.wait()?;
            verdict.says(ended.code == Some(RESUMABLE), || {
                format!("SIG{signal} ended it with {:?} instead of {RESUMABLE}: {}", ended.code, ended.stderr)
            });
        }
        executor.run(&RESUME)?.with(0)?;
        Ok(())
    })?;
    renew(world, &old)?;
    Ok(verdict)
}

/// The old nodes are gone: as many of their names come, and the pods are on the other pool.
pub fn renew(world: &World, old: &[String]) -> Result<()> {
    cluster::add_nodes(&world.plane.client, pool(old), old)?;
    world.turn();
    Ok(())
}

/// Exit status of an execution that can be resumed.
const RESUMABLE: i32 = 5;

/// A plan that was made for another cluster is refused, and nothing is touched, though the nodes have the same names there.
pub fn another_cluster(world: &World, _: u64) -> Result<Verdict> {
    let executor = world.executor("another-cluster")?;
    let old = world.old()?;
    let twin = world.twin()?;
    twin.judged(&old, &Promise::Untouched, |verdict| {
        executor.plan(&world.drain(&old, "per-batch")?)?;
        let ended = executor.within(vec![("KUBECONFIG", twin.kubeconfig.display().to_string())]).run(&EXECUTE)?;
        verdict.says(ended.code == Some(2), || format!("ended with {:?} instead of 2", ended.code));
        verdict.says(ended.stderr.contains("another cluster"), || format!("does not say why: {}", ended.stderr));
        Ok(())
    })
}

/// The pool that nodes are of, by their names.
fn pool(nodes: &[String]) -> &str {
    nodes.first().and_then(|n| n.split('-').next()).unwrap_or_default()
}

/// A surge as AKS does it: a command makes the surge node, another one reimages the old ones, and a third ends the surge node.
pub fn surge(world: &World, _: u64) -> Result<Verdict> {
    let options = json!({"preset": "aks", "max_surge": 1, "node_soak_ms": 3000});
    surge_of(world, "surge", &options, &Promise::Reimaged)
}

/// A surge as EKS does it: the group grows, every old node is ended and replaced, and the group shrinks by one at a time.
pub fn surge_grows(world: &World, _: u64) -> Result<Verdict> {
    let options = json!({"preset": "eks", "max_unavailable": 2, "node_soak_ms": 1000, "node_interval_ms": 0});
    let verdict = surge_of(world, "surge-grows", &options, &Promise::Replaced)?;
    world.turn();
    Ok(verdict)
}

fn surge_of(world: &World, name: &str, surge: &Value, promise: &Promise) -> Result<Verdict> {
    let executor = world.executor(name)?;
    let old = world.old()?;
    let pool = pool(&old);
    world.judged(&old, promise, |verdict| {
        let predicted = executor.plan(&Intent {
            nodes: &old,
            options: json!({
                "procedure": "surge", "cordon": "all-first", "client": {"qps": PACE.0, "burst": PACE.1},
                "surge": surge,
                "execution": {
                    "provision": {"*": {"by": "command", "command": machines::ensure(&world.plane.kubeconfig(), pool), "every_ms": 5000}},
                    "retire": {"*": {"by": "command", "command": machines::end(&world.plane.kubeconfig()), "every_ms": 2000}},
                    "reimage": {"*": {"by": "command", "command": machines::reimage(&world.plane.kubeconfig()), "every_ms": 2000}},
                },
            }),
            groups: Some(json!({
                "machine_types": [{"name": "standard-4", "allocatable": {"cpu": "4", "memory": "16Gi", "pods": 60}}],
                "groups": [{
                    "name": pool, "labels": {(cluster::POOL): pool}, "zones": ["z1"],
                    "machine_types": [{"name": "standard-4"}], "max_count": 40,
                }],
            })),
            autoscaler: json!({"kind": "none"}),
            latency: world.latency()?,
            machines: machines::delays(),
        })?;
        executor.run(&EXECUTE)?.with(0)?;
        near(verdict, predicted, executor.took("journal")?);
        Ok(())
    })
}
