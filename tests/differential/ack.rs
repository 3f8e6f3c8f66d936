//! The control plane is swapped under a running cluster, and nodeferry carries the migration out: two real control planes behind one address, a snapshot of
//! etcd between them, kubelets that stay.
//!
//! What is true is looked at beside nodeferry: uids by a client of our own, masters, what the vendor was asked.

mod ground;
mod vendor;

use crate::Compared;
use crate::bed::client::Client;
use crate::executions::executor::{Ended, Executor, Running};
use crate::executions::world::overload;
use crate::verdict::Verdict;
use anyhow::{Context, Result, anyhow, bail, ensure};
use ground::{Ground, MASTERS, WORKERS};
use nodeferry::ack::execution::{Stage, State};
use nodeferry::execution::ack_dir::AckDir;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use vendor::{NAMES, Returns, Steps, Vendor};

/// Stands in the outputs of the vendor's task, and nowhere else.
const SECRET: &str = "vErYsEcReTsIgNiNgKeY";
/// A predicted length may be off by so many percent.
const NEAR_PERCENT: f64 = 5.0;
/// Or by so many milliseconds, where that is more.
const NEAR_MS: f64 = 1_000.0;
/// Nodes may be another way than in the plan's dump: heartbeats of masters do not count, cordons do.
const EXECUTE: [&str; 6] = ["ack", "execute", "ack-plan.json", "--yes", "--simulation", "simulation.json"];

/// One step fails and is rolled back; then the control plane is swapped for good, predicted against actual.
pub fn check(binary: &Path, seed: u64, directory: &Path) -> Result<Compared> {
    let mut ground = Ground::start(binary, directory, &[], WORKERS, 1)?;
    let mut verdict = Verdict::default();
    let steps = Steps::SHORT;
    let step = (seed % NAMES.len() as u64) as usize;
    rolled_back(&mut ground, &mut verdict, &steps, step)?;
    swapped(&mut ground, &mut verdict, &steps)?;
    Ok(verdict.compared(format!("{step}: {} rolled back, then swapped", NAMES[step])))
}

/// Starts `ack execute` with a journal.
fn execute(ground: &Ground, journal: &str, more: &[String]) -> Result<Running> {
    let mut arguments: Vec<&str> = EXECUTE.to_vec();
    arguments.extend(["--journal", journal, "--max-drift", "9"]);
    arguments.extend(more.iter().map(String::as_str));
    ground.executor.start(&arguments)
}

/// How it ended, as its journal says.
fn reason(ground: &Ground, journal: &str) -> Result<(String, String)> {
    let status = ground.status(journal)?;
    let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
    Ok((text("outcome"), text("reason")))
}

/// A step fails, and is rolled back: nothing has moved, and it is said so.
fn rolled_back(ground: &mut Ground, verdict: &mut Verdict, steps: &Steps, step: usize) -> Result<()> {
    let what = format!("step {} fails", NAMES[step]);
    let journal = format!("fails-{step}");
    ground.plan(steps)?;
    let vendor = Vendor::new(ground)?;
    let running = execute(ground, &journal, &vendor.flags())?;
    vendor.is_begun()?;
    ground.rest()?;
    let before = ground.uids()?;
    vendor.fails_at(ground, steps, step)?;
    let ended = running.wait()?;
    verdict.is(&format!("{what}: exit status"), ended.code == Some(3), &(ended.code, &ended.stderr));
    let said = reason(ground, &journal)?;
    verdict.is(&format!("{what}: reason"), said == ("FAILED".to_owned(), "ack-rolled-back".to_owned()), &said);
    let names =
        ended.stderr.contains(NAMES[step]) && ended.stderr.contains("kubectl uncordon master-0 master-1 master-2");
    verdict.is(&format!("{what}: says which and what to do"), names, &ended.stderr);
    verdict.expect(&format!("{what}: objects"), differing(&before, &ground.uids()?, &[]));
    let masters = ground.masters()?;
    verdict.is(
        &format!("{what}: masters stay, cordoned"),
        masters.len() == 3 && masters.values().all(|c| *c),
        &masters,
    );
    Ok(())
}

/// The control plane is swapped while nobody disturbs it.
fn swapped(ground: &mut Ground, verdict: &mut Verdict, steps: &Steps) -> Result<()> {
    ground.plan(steps)?;
    let vendor = Vendor::new(ground)?;
    let running = execute(ground, "swapped", &vendor.flags())?;
    vendor.is_begun()?;
    ground.rest()?;
    let before = ground.uids()?;
    vendor.swaps(ground, steps, Returns::TheSame, |_| Ok(()))?;
    let ended = running.wait()?;
    is_swapped(ground, verdict, "swapped", "swapped", &ended, &before)?;
    let report: Value = serde_json::from_str(&ground.executor.run(&["report", "swapped", "-o", "json"])?.with(0)?)?;
    for length in report["lengths"].as_array().context("the report has no lengths")? {
        let (predicted, actual) = (length["predicted_ms"]["p50"].as_f64(), length["actual_ms"].as_f64());
        let (Some(predicted), Some(actual)) = (predicted, actual) else {
            bail!("the report does not say how long it was: {length}")
        };
        let line = format!("{}: predicted {:.1} s, came {:.1} s", length["what"], predicted / 1e3, actual / 1e3);
        let near = (actual - predicted).abs() <= NEAR_MS.max(predicted * NEAR_PERCENT / 100.0);
        verdict.said.push(line.clone());
        match overload() {
            Some(load) => {
                verdict.said.push(format!("NOT JUDGED: {load:.0} processes wait for this machine's processors"))
            }
            None => verdict.is(&line, near && length["is_exact"] == true, length),
        }
    }
    Ok(())
}

/// What must be so after a swap that went well.
fn is_swapped(
    ground: &Ground,
    verdict: &mut Verdict,
    what: &str,
    journal: &str,
    ended: &Ended,
    before: &BTreeMap<String, String>,
) -> Result<()> {
    verdict.is(&format!("{what}: exit status"), ended.code == Some(0), &(ended.code, &ended.stderr));
    let said = reason(ground, journal)?;
    verdict.is(&format!("{what}: outcome"), said.0 == "COMPLETED", &said);
    // The pods of the masters' DaemonSet go with them, and nothing else.
    let gone: Vec<String> = MASTERS.iter().map(|m| format!("/api/v1/nodes /{m}")).collect();
    let agents = before.keys().filter(|k| k.starts_with("/api/v1/pods shop/agent-")).cloned();
    let may_go: Vec<String> = gone.iter().cloned().chain(agents).collect();
    let after = ground.uids()?;
    verdict.expect(&format!("{what}: objects"), differing(before, &after, &may_go));
    verdict.is(
        &format!("{what}: masters are deleted"),
        gone.iter().all(|g| !after.contains_key(g)),
        &ground.masters()?,
    );
    let found = ground.executor.files_with(SECRET)?;
    let elsewhere: Vec<&String> = found.iter().filter(|f| !f.contains("task.")).collect();
    verdict.is(&format!("{what}: no key is kept"), elsewhere.is_empty(), &elsewhere);
    Ok(())
}

/// Objects that are not the same, in words; some may be gone.
fn differing(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>, may_go: &[String]) -> Vec<String> {
    let is_lost = |(name, uid): &(&String, &String)| match after.get(*name) {
        None => !may_go.contains(name),
        Some(now) => now != *uid,
    };
    let lost = before.iter().filter(is_lost);
    let new = after.keys().filter(|name| !before.contains_key(*name));
    let lost = lost.map(|(name, uid)| format!("{name} was {uid} and is {:?}", after.get(name)));
    lost.chain(new.map(|name| format!("{name} is new"))).collect()
}

/// What takes longer: each a cluster of its own.
pub fn check_long(binary: &Path, _seed: u64, directory: &Path) -> Result<Compared> {
    let mut verdict = Verdict::default();
    let only = std::env::var("NODEFERRY_ACK").unwrap_or_default();
    let cases: [(&str, fn(&Path, &Path, &mut Verdict) -> Result<()>); 5] =
        [("steps", each_step), ("killed", killed), ("older", older), ("another", another), ("losses", losses)];
    for (name, case) in cases.into_iter().filter(|(name, _)| only.is_empty() || only == *name) {
        let begun = Instant::now();
        case(binary, &directory.join(name), &mut verdict).with_context(|| name.to_owned())?;
        verdict.said.push(format!("{name}: all in {:.0} s", begun.elapsed().as_secs_f64()));
    }
    Ok(verdict.compared("migrations that are disturbed".to_owned()))
}

/// Workers and share of the workloads where no length is measured.
const FEW: (usize, u64) = (6, 8);

/// Each step fails once.
fn each_step(binary: &Path, directory: &Path, verdict: &mut Verdict) -> Result<()> {
    let mut ground = Ground::start(binary, directory, &[], FEW.0, FEW.1)?;
    for step in 0..NAMES.len() {
        rolled_back(&mut ground, verdict, &Steps::SHORT, step)?;
    }
    Ok(())
}

/// The process is killed at each stage, and another goes on. The console begins it.
fn killed(binary: &Path, directory: &Path, verdict: &mut Verdict) -> Result<()> {
    let mut ground = Ground::start(binary, directory, &[], FEW.0, FEW.1)?;
    let steps = Steps::SHORT;
    ground.plan(&steps)?;
    let vendor = Vendor::new(&ground)?;
    let [.., poll, task] = vendor.flags();
    let executor = ground.executor.within(Vec::new());
    let (send, killed_at) = channel();
    let killer = std::thread::spawn(move || kill_at_each_stage(&executor, &[poll, task], &send));
    let mut at: Vec<Stage> = Vec::new();
    for stage in killed_at.iter() {
        at.push(stage);
        if stage == Stage::Gate {
            break;
        }
    }
    // The next process is at the gate again.
    std::thread::sleep(Duration::from_secs(3));
    ground.rest()?;
    let before = ground.uids()?;
    vendor.swaps(&mut ground, &steps, Returns::TheSame, |_| Ok(()))?;
    let ended = killer.join().map_err(|_| anyhow!("the killer panicked"))??;
    at.extend(killed_at.iter());
    verdict.said.push(format!("killed at {}", at.iter().map(|s| s.name()).collect::<Vec<_>>().join(", ")));
    // The others may be over between two looks.
    let must = [Stage::Drain, Stage::Gate, Stage::Away, Stage::Settle];
    verdict.is("killed at each stage", must.iter().all(|m| at.contains(m)), &at);
    is_swapped(&ground, verdict, "killed", "killed", &ended, &before)
}

/// Kills nodeferry the first time that it is in a stage, and lets another process go on, to the end.
fn kill_at_each_stage(executor: &Executor, flags: &[String], killed_at: &Sender<Stage>) -> Result<Ended> {
    let mut arguments: Vec<&str> = EXECUTE.to_vec();
    arguments.extend(["--journal", "killed", "--max-drift", "9"]);
    arguments.extend(flags.iter().map(String::as_str));
    let mut running = executor.start(&arguments)?;
    // Each stage once, and the drain again when it is under way.
    let mut seen: Vec<(Stage, bool)> = Vec::new();
    let dir = AckDir::at(executor.file("killed"));
    while !running.has_ended()? {
        let state = dir.read().ok().and_then(|entries| State::fold(&entries));
        let stage = state
            .filter(|s| s.stage != Stage::Ended && (s.stage != Stage::Drain || s.drain_ms.0.is_some()))
            .map(|s| s.stage);
        let drains = stage == Some(Stage::Drain) && dir.drain().read().is_ok_and(|j| j.entries.len() >= 20);
        if let Some(stage) = stage.filter(|s| !seen.contains(&(*s, drains))) {
            running.kill()?;
            let status: Value = serde_json::from_str(&executor.run(&["status", "killed", "-o", "json"])?.with(0)?)?;
            ensure!(
                status["state"] == "killed" && status["stage"] == stage.name(),
                "killed at {stage:?}, and status says {status}"
            );
            seen.push((stage, drains));
            let _ = killed_at.send(stage);
            running = executor.start(&["resume", "killed"])?;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    running.wait()
}

/// What was saved before the drain comes back.
fn older(binary: &Path, directory: &Path, verdict: &mut Verdict) -> Result<()> {
    let mut ground = Ground::start(binary, directory, &[], FEW.0, FEW.1)?;
    ground.planes.save("older.snapshot")?;
    differs(&mut ground, verdict, Returns::Older, "ack-objects-differ")
}

/// A cluster comes back that is another.
fn another(binary: &Path, directory: &Path, verdict: &mut Verdict) -> Result<()> {
    let mut ground = Ground::start(binary, directory, &[], FEW.0, FEW.1)?;
    differs(&mut ground, verdict, Returns::Another, "ack-another-cluster")
}

fn differs(ground: &mut Ground, verdict: &mut Verdict, returns: Returns, wanted: &str) -> Result<()> {
    let steps = Steps::SHORT;
    ground.plan(&steps)?;
    let vendor = Vendor::new(ground)?;
    let running = execute(ground, "differs", &vendor.flags())?;
    vendor.is_begun()?;
    vendor.swaps(ground, &steps, returns, |_| Ok(()))?;
    let ended = running.wait()?;
    verdict.is(&format!("{wanted}: exit status"), ended.code == Some(3), &(ended.code, &ended.stderr));
    let said = reason(ground, "differs")?;
    verdict.is(&format!("{wanted}: reason"), said == ("FAILED".to_owned(), wanted.to_owned()), &said);
    let requests = std::fs::read_to_string(ground.executor.file("differs").join("ack.jsonl"))?;
    verdict.is(&format!("{wanted}: nothing is deleted"), !requests.contains("delete_announced"), &requests.len());
    Ok(())
}

/// A node that dies.
const DEAD: &str = "blue-03";
/// How many pods die.
const DEAD_PODS: usize = 2;

/// Pods and a node die while the API server is away. It is waited for, up to a limit; nothing is deleted until somebody has seen to the node.
fn losses(binary: &Path, directory: &Path, verdict: &mut Verdict) -> Result<()> {
    let tolerations =
        ["not-ready", "unreachable"].map(|t| format!("--arg=kube-apiserver=--default-{t}-toleration-seconds=5"));
    let tolerations = tolerations.each_ref().map(String::as_str);
    let mut ground = Ground::start(binary, directory, &tolerations, FEW.0, FEW.1)?;
    let steps = Steps::SHORT;
    ground.plan(&steps)?;
    let vendor = Vendor::new(&ground)?;
    let flags: Vec<String> = vendor.flags().into_iter().chain(["--settle-limit".into(), "70s".into()]).collect();
    let running = execute(&ground, "losses", &flags)?;
    vendor.is_begun()?;
    vendor.swaps(&mut ground, &steps, Returns::TheSame, |ground| {
        ground.kubelets.die(DEAD);
        let client = ground.client().clone();
        // Their kubelets say so as soon as somebody hears it.
        std::thread::spawn(move || pods_have_died(&client));
        Ok(())
    })?;
    let ended = running.wait()?;
    verdict.is("losses: exit status at the limit", ended.code == Some(5), &(ended.code, &ended.stderr));
    let named =
        ended.stderr.contains(&format!("node {DEAD} does not report")) && ended.stderr.contains("kubectl delete node");
    verdict.is("losses: says which node and what to do", named, &ended.stderr);
    verdict.is("losses: masters are still there", ground.masters()?.len() == 3, &ground.masters()?);
    ground.client().delete(&format!("/api/v1/nodes/{DEAD}"), &serde_json::json!({}))?.ok()?;
    let ended = ground.executor.run(&["resume", "losses"])?;
    verdict.is("losses: exit status", ended.code == Some(0), &(ended.code, &ended.stderr));
    let status = ground.status("losses")?;
    verdict.is("losses: the node is named", status["nodes_gone"] == serde_json::json!([DEAD]), &status["nodes_gone"]);
    verdict.is("losses: masters are deleted", ground.masters()?.is_empty(), &ground.masters()?);
    ground.rest().or_else(|e| {
        verdict.expect("losses: workloads", vec![e.to_string()]);
        Ok(())
    })
}

/// Two pods have ended for good.
fn pods_have_died(client: &Client) -> Result<()> {
    let selector = "/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb";
    let until = Instant::now() + Duration::from_secs(60);
    let pods = loop {
        match client.list(selector) {
            Ok((pods, _)) => break pods,
            Err(e) if Instant::now() > until => return Err(e),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    };
    for pod in pods.iter().filter(|p| p["spec"]["nodeName"] != DEAD).take(DEAD_PODS) {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let status =
            serde_json::json!({"status": {"phase": "Failed", "conditions": [{"type": "Ready", "status": "False"}]}});
        client.patch(&format!("/api/v1/namespaces/shop/pods/{name}/status"), &status)?.ok()?;
    }
    Ok(())
}
