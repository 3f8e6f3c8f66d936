//! A recorded migration as a scenario that `nodeferry test` runs.

use super::draw::Migration;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;

/// A scenario of a recording: its objects, its batches, and what came of it as expectations.
pub fn scenario(name: &str, migration: &Migration, directory: &Path) -> Result<Value> {
    let read = |name: &str| -> Result<Value> {
        let path = directory.join(name);
        let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
        Ok(serde_json::from_slice(&text)?)
    };
    let (mut cluster, result) = (read("cluster.json")?, read("result.json")?);
    let empty = Vec::new();
    let objects: Vec<Value> =
        cluster["items"].as_array_mut().into_iter().flatten().map(Value::take).filter(own).collect();
    let batches = result["batches"].as_array().unwrap_or(&empty);
    let text = |b: &Value, key: &str| b[key].as_str().unwrap_or_default().to_owned();
    let nodes: Vec<Value> = batches.iter().map(|b| b["nodes"].clone()).collect();
    let names: Vec<&Value> = nodes.iter().filter_map(Value::as_array).flatten().collect();
    let drained = batches.iter().map(|b| text(b, "stdout").lines().filter(|l| l.ends_with(" drained")).count()).sum();
    let settled = batches.iter().all(|b| !b["settled"].is_null());
    let outcome = match drained {
        0 => "FAILED",
        n if n == names.len() && settled => "COMPLETED",
        _ => "PARTLY_COMPLETED",
    };
    let ms = |v: &Value| (v.as_f64().unwrap_or_default() * 1000.0).round() as i64;
    let end = |b: &Value| match &b["settled"] {
        Value::Null => ms(&b["end"]) + ms(&result["settle_timeout_s"]),
        settled => ms(settled),
    };
    let took = batches.last().map_or(0, end) - batches.first().map_or(0, |b| ms(&b["start"]));
    let near = (took * 3 / 100).max(1000);
    let refused: usize =
        batches.iter().map(|b| text(b, "stderr").lines().filter(|l| l.contains("(will retry after")).count()).sum();
    Ok(json!({
        "scenario": name,
        "story": "What is expected is what the real kubectl drain did upon this cluster, and nodeferry did not.",
        "cluster": {"objects": objects},
        "nodes": {"names": names},
        "options": {
            "procedure": "kubectl-drain", "batcher": "listed", "listed_batches": nodes,
            "kubectl_drain": options(migration),
        },
        "sim": {
            "controller_client": result["controller_client"], "scheduler_client": result["scheduler_client"],
            "delays": {
                "start": {"constant": {"ms": 2000}}, "stop": {"constant": {"ms": 1000}},
                "start_annotation": "oracle/start-seconds", "stop_annotation": "oracle/stop-seconds",
            },
        },
        "expect": {
            "outcome": outcome, "refused": {"min": refused, "max": refused},
            "duration_ms": {"min": took - near, "max": took + near},
        },
    }))
}

/// Whether the server did not make an object by itself.
fn own(object: &Value) -> bool {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let made = name.starts_with("system-") || name.starts_with("kube-") || name == "kubernetes";
    !made && object["kind"] != "CSINode"
}

/// The flags in the words of a scenario's options.
fn options(migration: &Migration) -> Value {
    let mut options = json!({
        "ignore_daemonsets": false, "delete_emptydir_data": false, "after_settle_timeout": "go-on",
        "timeout_ms": migration.timeout_s * 1000, "settle_timeout_ms": migration.settle_timeout_s * 1000,
    });
    for arg in &migration.args {
        let (flag, value) = arg.split_once('=').unwrap_or((arg, "true"));
        let name = match flag {
            "--grace-period" => "grace_period_seconds".to_owned(),
            "--skip-wait-for-delete-timeout" => "skip_wait_for_delete_timeout_seconds".to_owned(),
            _ => flag.trim_start_matches("--").replace('-', "_"),
        };
        options[name] = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    }
    options
}
