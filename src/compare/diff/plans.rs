//! Two plans side by side: what is intended, upon what, and what is predicted of it.

use super::{Diff, Section};
use crate::intent::Intent;
use crate::plan::Plan;
use crate::plan::forecast::Forecast;
use crate::report::format::duration;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What differs between two plans.
pub fn diff(a: &Plan, b: &Plan) -> Diff {
    let options = |i: &Intent| serde_json::to_value(&i.options).unwrap_or_default();
    let mut drift = a.baseline.drift(&b.baseline);
    if a.baseline.snapshot_sha256 != b.baseline.snapshot_sha256 {
        drift.insert(0, "made from another dump".into());
    }
    if a.baseline.cluster != b.baseline.cluster {
        let uid = |p: &Plan| p.baseline.cluster.clone().unwrap_or_else(|| "unknown".into());
        drift.insert(0, format!("made for another cluster (uid of kube-system: {} → {})", uid(a), uid(b)));
    }
    let leaves = |a: &Value, b: &Value| leaves("", a, b);
    let guards = |i: &Intent| serde_json::to_value(&i.guards).unwrap_or_default();
    let described = |i: &Intent| serde_json::to_value(&i.groups).unwrap_or_default();
    let scheduler = |p: &Plan| serde_json::to_value(p.simulation.as_ref().map(|s| &s.scheduler)).unwrap_or_default();
    let simulation = |p: &Plan| {
        let mut value = serde_json::to_value(&p.simulation).unwrap_or_default();
        value.as_object_mut().map(|s| s.remove("scheduler"));
        value
    };
    let version = (a.nodeferry != b.nodeferry)
        .then(|| format!("made by nodeferry {}, the second by nodeferry {}", a.nodeferry, b.nodeferry));
    Diff::new(
        "plans",
        vec![
            Section { title: "Predicted", lines: forecasts(a.forecast.as_ref(), b.forecast.as_ref()) },
            Section { title: "Batches", lines: batches(&a.intent, &b.intent) },
            Section { title: "Options", lines: leaves(&options(&a.intent), &options(&b.intent)) },
            Section { title: "Node groups", lines: groups(&described(&a.intent), &described(&b.intent)) },
            Section { title: "Control plane", lines: leaves(&scheduler(a), &scheduler(b)) },
            Section { title: "Simulation", lines: leaves(&simulation(a), &simulation(b)) },
            Section { title: "Guards", lines: leaves(&guards(&a.intent), &guards(&b.intent)) },
            Section { title: "Cluster", lines: drift },
            Section { title: "Made by", lines: version.into_iter().collect() },
        ],
    )
}

/// Nodes that come in, go out or move between batches.
fn batches(a: &Intent, b: &Intent) -> Vec<String> {
    let place = |i: &Intent| -> BTreeMap<(String, String), usize> {
        let nodes = i.batches.iter().enumerate().flat_map(|(n, batch)| batch.iter().map(move |id| (n, id)));
        nodes.map(|(n, id)| ((id.name.clone(), id.uid.clone()), n + 1)).collect()
    };
    let (left, right) = (place(a), place(b));
    let mut lines = Vec::new();
    if a.batches.len() != b.batches.len() {
        lines.push(format!("{} → {} batches", a.batches.len(), b.batches.len()));
    }
    let ids: BTreeSet<&(String, String)> = left.keys().chain(right.keys()).collect();
    for id in ids {
        let other = |of: &BTreeMap<(String, String), usize>| of.keys().any(|k| k.0 == id.0 && k.1 != id.1);
        match (left.get(id), right.get(id)) {
            (Some(x), Some(y)) if x != y => lines.push(format!("node {} moves from batch {x} to batch {y}", id.0)),
            (Some(x), None) if other(&right) => {
                lines.push(format!("node {} of batch {x} is another node of that name now", id.0));
            }
            (Some(x), None) => lines.push(format!("node {} of batch {x} is left out", id.0)),
            (None, Some(_)) if other(&left) => {}
            (None, Some(y)) => lines.push(format!("node {} comes in, in batch {y}", id.0)),
            _ => {}
        }
    }
    if lines.is_empty() && a.batches != b.batches {
        lines.push("the same nodes in the same batches, in another order within them".into());
    }
    lines
}

/// Groups by their name rather than by their place in the list.
fn groups(a: &Value, b: &Value) -> Vec<String> {
    let (Some(x), Some(y)) = (named(a), named(b)) else { return leaves("", a, b) };
    // The same groups in another order are the same groups.
    leaves("", &Value::Object(x), &Value::Object(y))
}

/// Objects of a list by `id`, `name` or `metadata.name`; None if one has none, or two share one.
fn named(list: &Value) -> Option<serde_json::Map<String, Value>> {
    let mut by_name = serde_json::Map::new();
    for item in list.as_array()? {
        let name = ["/id", "/name", "/metadata/name"].into_iter().find_map(|p| item.pointer(p)?.as_str())?;
        if by_name.insert(name.to_owned(), item.clone()).is_some() {
            return None;
        }
    }
    Some(by_name)
}

/// Every leaf that differs, by its path: `canary.nodes: 1 → 2`.
fn leaves(path: &str, a: &Value, b: &Value) -> Vec<String> {
    let child = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (a, b) {
        _ if a == b => Vec::new(),
        (Value::Object(x), Value::Object(y)) => {
            let keys: BTreeSet<&String> = x.keys().chain(y.keys()).collect();
            let null = Value::Null;
            let of = |m: &serde_json::Map<String, Value>, k: &str| m.get(k).unwrap_or(&null).clone();
            keys.into_iter().flat_map(|k| leaves(&child(k), &of(x, k), &of(y, k))).collect()
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() && x.len() <= 64 => {
            x.iter().zip(y).enumerate().flat_map(|(i, (x, y))| leaves(&format!("{path}[{i}]"), x, y)).collect()
        }
        _ => {
            let name = if path.is_empty() { String::new() } else { format!("{path}: ") };
            vec![format!("{name}{} → {}", short(a), short(b))]
        }
    }
}

/// A value in at most a line's room.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "not given".into(),
        Value::Array(items) if items.len() > 8 => format!("{} items", items.len()),
        other => crate::report::format::shorten(&other.to_string(), 120),
    }
}

/// What is predicted otherwise.
fn forecasts(a: Option<&Forecast>, b: Option<&Forecast>) -> Vec<String> {
    let (x, y) = match (a, b) {
        (Some(x), Some(y)) if x != y => (x, y),
        (Some(_), None) => return vec!["the second has no prediction".into()],
        (None, Some(_)) => return vec!["the first has no prediction".into()],
        _ => return Vec::new(),
    };
    let mut lines = Vec::new();
    let mut say = |what: &str, x: String, y: String| {
        if x != y {
            lines.push(format!("{what}: {x} → {y}"));
        }
    };
    let why = |f: &Forecast| f.reason.as_ref().map_or(f.outcome.clone(), |r| format!("{} ({r})", f.outcome));
    let ms = |t: i64| duration(t.max(0) as u64);
    let verdict = |f: &Forecast| f.verdict.as_ref().map_or("none".into(), |v| v.text.clone());
    say("verdict", verdict(x), verdict(y));
    say("outcome", why(x), why(y));
    say("duration", ms(x.duration_ms.p50), ms(y.duration_ms.p50));
    say("duration, p95", ms(x.duration_ms.p95), ms(y.duration_ms.p95));
    say("pods moved", x.pods_moved.to_string(), y.pods_moved.to_string());
    say("pods moved twice", x.pods_moved_twice.to_string(), y.pods_moved_twice.to_string());
    let elsewhere = |f: &Forecast| f.did_not_reach_ocean.as_ref().map_or(0, Vec::len).to_string();
    say("pods that did not reach Ocean", elsewhere(x), elsewhere(y));
    say("most nodes at once", x.peak_nodes.to_string(), y.peak_nodes.to_string());
    let cost = |f: &Forecast| f.cost.map_or("unknown".into(), |c| format!("{c:.2}"));
    say("cost", cost(x), cost(y));
    say("runs", x.replications.to_string(), y.replications.to_string());
    say("seed", x.seed.to_string(), y.seed.to_string());
    lines.extend(batch_forecasts(x, y));
    lines.extend(come_and_gone("finding", &codes(x), &codes(y)));
    if lines.is_empty() {
        let value = |f: &Forecast| serde_json::to_value(f).unwrap_or_default();
        lines = leaves("", &value(x), &value(y));
    }
    lines
}

fn batch_forecasts(x: &Forecast, y: &Forecast) -> Vec<String> {
    let mut lines = Vec::new();
    for (a, b) in x.batches.iter().zip(&y.batches) {
        let takes = |b: &crate::plan::forecast::BatchForecast| match (b.start_ms, b.end_ms) {
            (Some(s), Some(e)) => duration(e.saturating_sub(s)),
            (Some(_), None) => "no end".into(),
            _ => "never begun".into(),
        };
        let ends = |b: &crate::plan::forecast::BatchForecast| b.outcome.clone().unwrap_or_else(|| "no outcome".into());
        let mut parts = Vec::new();
        for (what, x, y) in [
            ("takes", takes(a), takes(b)),
            ("refused", a.refused.to_string(), b.refused.to_string()),
            ("evictions", a.evictions.to_string(), b.evictions.to_string()),
            ("new nodes", a.launched.to_string(), b.launched.to_string()),
            ("ends", ends(a), ends(b)),
        ] {
            if x != y {
                parts.push(format!("{what} {x} → {y}"));
            }
        }
        if !parts.is_empty() {
            lines.push(format!("batch {}: {}", a.index + 1, parts.join(", ")));
        }
    }
    lines
}

/// Each finding in a line.
fn codes(f: &Forecast) -> BTreeSet<String> {
    f.findings.iter().map(|f| format!("{} {}: {}", f.code, f.object, f.message)).collect()
}

fn come_and_gone(what: &str, x: &BTreeSet<String>, y: &BTreeSet<String>) -> Vec<String> {
    let gone = x.difference(y).map(|l| format!("{what} gone: {l}"));
    gone.chain(y.difference(x).map(|l| format!("{what} new: {l}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn leaves_are_named_by_their_path() {
        let (a, b) = (json!({"a": {"b": 1, "c": [1, 2]}, "d": null}), json!({"a": {"b": 2, "c": [1, 3]}, "e": "x"}));
        assert_eq!(leaves("", &a, &b), ["a.b: 1 → 2", "a.c[1]: 2 → 3", "e: not given → \"x\""]);
        assert_eq!(leaves("", &a, &a), [] as [String; 0]);
    }

    #[test]
    fn groups_are_joined_by_name() {
        let (a, b) = (json!([{"name": "x", "max": 1}, {"name": "y"}]), json!([{"name": "y"}, {"name": "x", "max": 2}]));
        assert_eq!(groups(&a, &b), ["x.max: 1 → 2"]);
    }
}
