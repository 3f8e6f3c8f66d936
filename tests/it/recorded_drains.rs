//! The recorded migrations of a real control plane, run again in simulation.

use crate::shared_data;
use nodeferry::cluster::{Delay, RateLimit};
use nodeferry::ops::plan::{Planned, Request, plan};
use nodeferry::ops::scenario::NodeChoice;
use nodeferry::plan::options::{AfterLimit, BatcherKind, Options};
use nodeferry::runner::Stream;
use nodeferry::scheduler::SchedulerConfig;
use nodeferry::sim::SimOptions;
use nodeferry::snapshot::read_paths;
use std::path::Path;

struct Recorded {
    nodes: Vec<String>,
    exit: i64,
    drain_s: f64,
    settle_s: Option<f64>,
    errors: Vec<String>,
}

/// Lines that tell what went wrong, without those that chance orders (retries, throttling, pending lists).
fn error_lines(stderr: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> =
        stderr.filter(|l| l.starts_with("error: ") || l.contains("global timeout reached")).collect();
    lines.sort();
    lines.dedup();
    lines
}

fn recorded(dir: &Path) -> Vec<Recorded> {
    let text = std::fs::read_to_string(dir.join("result.json")).expect("result.json");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let batches = value["batches"].as_array().expect("batches");
    batches
        .iter()
        .map(|b| {
            let (start, end) = (b["start"].as_f64().expect("start"), b["end"].as_f64().expect("end"));
            Recorded {
                nodes: b["nodes"]
                    .as_array()
                    .expect("nodes")
                    .iter()
                    .map(|n| n.as_str().expect("name").to_owned())
                    .collect(),
                exit: b["exit"].as_i64().expect("exit"),
                drain_s: end - start,
                settle_s: b["settled"].as_f64().map(|s| s - end),
                errors: error_lines(b["stderr"].as_str().expect("stderr").lines().map(str::to_owned)),
            }
        })
        .collect()
}

/// The recording's own parameters: its README in the data directory.
fn simulated(dir: &Path, batches: &[Recorded]) -> Planned {
    let snapshot = read_paths(&[dir.join("cluster.json")]).expect("a readable dump");
    let mut options = Options {
        batcher: BatcherKind::Listed,
        listed_batches: batches.iter().map(|b| b.nodes.clone()).collect(),
        ..Options::default()
    };
    options.kubectl_drain.timeout_ms = 90_000;
    options.kubectl_drain.settle_timeout_ms = Some(90_000);
    options.kubectl_drain.after_settle_timeout = AfterLimit::GoOn;
    let mut sim = SimOptions {
        controller_client: RateLimit { qps: 500, burst: 1000 },
        scheduler_client: RateLimit { qps: 1000, burst: 2000 },
        ..SimOptions::default()
    };
    sim.delays.start = Some(Delay::Constant { ms: 2_000 });
    sim.delays.stop = Some(Delay::Constant { ms: 1_000 });
    sim.delays.start_annotation = Some("oracle/start-seconds".into());
    sim.delays.stop_annotation = Some("oracle/stop-seconds".into());
    let request = Request {
        cluster: snapshot.cluster,
        findings: snapshot.findings,
        snapshot_sha256: snapshot.sha256,
        measured: snapshot.delays,
        nodes: NodeChoice { names: batches.iter().flat_map(|b| b.nodes.clone()).collect(), selector: None },
        options,
        sim,
        autoscaler: Default::default(),
        scheduler: SchedulerConfig::default(),
        groups: serde_json::Value::Null,
        seed: 1,
        replications: 1,
        threads: 1,
    };
    plan(request, &|| ()).expect("a plan")
}

fn same_exit_and_errors(name: &str) {
    let Some(dir) = shared_data(name) else { return };
    let batches = recorded(&dir);
    let planned = simulated(&dir, &batches);
    let mut different = Vec::new();
    for (i, real) in batches.iter().enumerate() {
        let batch = i as u32;
        let forecast = &planned.forecast.batches[i];
        let exit = planned.run.exits.get(&batch).copied();
        let lines = planned.run.lines.iter().filter(|l| l.0 == batch && l.1 == Stream::Stderr).map(|l| l.2.clone());
        let errors = error_lines(lines.flat_map(|l| l.lines().map(str::to_owned).collect::<Vec<_>>()));
        let returned = planned.run.returned_ms.get(&batch).copied().unwrap_or(0);
        let (start, end) = (forecast.start_ms.unwrap_or(0) as f64, forecast.end_ms.unwrap_or(0) as f64);
        eprintln!(
            "{name} batch {i}: exit {} / {:?}; drain {:.1} / {:.1} s; settle {:?} / {:.1} s",
            real.exit,
            exit,
            real.drain_s,
            (returned as f64 - start) / 1e3,
            real.settle_s,
            (end - returned as f64) / 1e3
        );
        if exit.map(i64::from) != Some(real.exit) {
            different.push(format!("batch {i}: exit {} was predicted {exit:?}", real.exit));
        }
        if errors != real.errors {
            different.push(format!("batch {i}: errors\n  real {:#?}\n  predicted {errors:#?}", real.errors));
        }
    }
    assert!(different.is_empty(), "{name}: {}", different.join("\n"));
}

#[test]
fn drain_v1_ends_as_recorded() {
    same_exit_and_errors("drain-v1");
}

#[test]
fn drain_v2_ends_as_recorded() {
    same_exit_and_errors("drain-v2");
}
