//! `--fault [WHAT:]KIND[=VALUE][@WHEN]`: a fault as `sim.faults` has it.

use super::super::near::hint;
use super::super::time::parse_time;
use crate::cluster::{Sym, View};
use crate::sim::faults::Fault;
use crate::snapshot::plain_words;
use crate::typed;
use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What a fault is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// `zone=`, `group=`, `type=`; all machines by default.
    Machines,
    /// `node=`; all nodes by default.
    Nodes,
    /// `node=`, which must be given.
    OneNode,
    /// `namespace=` and labels; all pods by default.
    Pods,
    /// `pod=NAMESPACE/NAME`.
    OnePod,
    /// `component=`.
    Component,
}

/// What stands after `=`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// `available`.
    Count,
    /// `probability_ppm`; always if not given.
    Percent,
    /// `extra_ms`.
    Time,
    /// `after_ms`, if given.
    After,
    /// `code`, if given.
    Code,
}

/// When it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// A window; always by default.
    Window,
    /// A window, which must be given.
    GivenWindow,
    /// A moment, which must be given.
    Moment,
}

struct Kind {
    name: &'static str,
    fault: &'static str,
    about: About,
    takes: Takes,
    when: When,
}

const fn kind(name: &'static str, fault: &'static str, about: About, takes: Takes, when: When) -> Kind {
    Kind { name, fault, about, takes, when }
}

const KINDS: [Kind; 15] = [
    kind("no-capacity", "capacity_shortage", About::Machines, Takes::Nothing, When::Window),
    kind("capacity", "capacity_shortage", About::Machines, Takes::Count, When::Window),
    kind("launch-failure", "launch_failure", About::Machines, Takes::Percent, When::Window),
    kind("slow-nodes", "slow_nodes", About::Machines, Takes::Time, When::Window),
    kind("never-ready", "slow_nodes", About::Machines, Takes::Percent, When::Window),
    kind("crash-loop", "crash_loop", About::Pods, Takes::Percent, When::Window),
    kind("pod-failure", "pod_failure", About::OnePod, Takes::Nothing, When::Moment),
    kind("node-loss", "node_loss", About::OneNode, Takes::Nothing, When::Moment),
    kind("node-deleted", "node_deleted", About::OneNode, Takes::Nothing, When::Moment),
    kind("node-registered-again", "node_registered_again", About::OneNode, Takes::After, When::Moment),
    kind("uncordon", "uncordon", About::OneNode, Takes::Nothing, When::Moment),
    kind("outage", "outage", About::Component, Takes::Nothing, When::GivenWindow),
    kind("deletion-refused", "deletion_refused", About::Nodes, Takes::Nothing, When::Window),
    kind("cordon-refused", "cordon_refused", About::Nodes, Takes::Code, When::Window),
    kind("uncordon-refused", "uncordon_refused", About::Nodes, Takes::Nothing, When::Window),
];

/// Reads a fault; the zones, groups, instance types and nodes that it names must be there.
pub(super) fn fault(text: &str, view: View<'_>) -> Result<Fault> {
    let value = match text.trim_start().starts_with('{') {
        true => serde_saphyr::from_str(text).map_err(|_| anyhow!("expected a fault of sim.faults as JSON"))?,
        false => value(text, view)?,
    };
    if value["fault"] == "manual_pods" {
        bail!(
            "pods that somebody creates can only stand in a scenario (sim.faults): their specs are read with the cluster"
        );
    }
    typed::from_value(&value).map_err(|e| anyhow!("at {}: {}", e.path, plain_words(&e.what)))
}

fn value(text: &str, view: View<'_>) -> Result<Value> {
    let (what, rest) = text.rsplit_once(':').map_or(("", text), |(what, rest)| (what, rest));
    let (rest, when) = rest.split_once('@').map_or((rest, None), |(rest, when)| (rest, Some(when)));
    let (name, given) = rest.split_once('=').map_or((rest, None), |(name, given)| (name, Some(given)));
    let kind = KINDS.iter().find(|k| k.name == name).with_context(|| {
        let names: Vec<&str> = KINDS.iter().map(|k| k.name).collect();
        format!("{name:?} is no fault; expected one of {}{}", names.join(", "), hint(name, names.iter().copied()))
    })?;
    let mut fault = Map::new();
    fault.insert("fault".into(), kind.fault.into());
    about(&mut fault, kind, what, view)?;
    takes(&mut fault, kind, given)?;
    match (kind.when, when) {
        (When::Window, None) => {}
        (When::GivenWindow, None) => bail!("{name} needs to know when: {name}@4m..6m"),
        (When::Moment, None) => bail!("{name} needs to know when: {name}@10m"),
        (When::Moment, Some(at)) => drop(fault.insert("at_ms".into(), parse_time(at)?.into())),
        (When::Window | When::GivenWindow, Some(span)) => drop(fault.insert("window".into(), window(span)?)),
    }
    Ok(Value::Object(fault))
}

/// `4m..6m`, `4m..` or `..6m`.
fn window(span: &str) -> Result<Value> {
    let (from, until) =
        span.split_once("..").with_context(|| format!("@{span}: expected FROM..UNTIL, such as @4m..6m"))?;
    let time = |text: &str| match text {
        "" => Ok(None),
        text => parse_time(text).map(Some),
    };
    let (from, until) = (time(from)?.unwrap_or(0), time(until)?);
    if until.is_some_and(|until| until <= from) {
        bail!("@{span}: it ends before it begins");
    }
    Ok(json!({"from_ms": from, "until_ms": until}))
}

fn takes(fault: &mut Map<String, Value>, kind: &Kind, given: Option<&str>) -> Result<()> {
    let mut set = |field: &str, value: Value| drop(fault.insert(field.into(), value));
    let name = kind.name;
    if name == "never-ready" {
        set("never_ready", true.into());
    }
    match (kind.takes, given) {
        (Takes::Nothing, None) if kind.fault == "capacity_shortage" => set("available", 0.into()),
        (Takes::Nothing | Takes::After | Takes::Code | Takes::Percent, None) => {}
        (Takes::Nothing, Some(_)) => bail!("{name} takes no value"),
        (Takes::Count, None) => bail!("{name} needs to know how many machines there are: {name}=3"),
        (Takes::Time, None) => bail!("{name} needs to know how much longer it takes: {name}=5m"),
        (Takes::Count, Some(n)) => {
            set(
                "available",
                n.parse::<u32>().map_err(|_| anyhow!("{name}={n}: expected a number of machines"))?.into(),
            );
        }
        (Takes::Percent, Some(p)) => set("probability_ppm", ppm(p)?.into()),
        (Takes::Time, Some(t)) => set("extra_ms", parse_time(t)?.into()),
        (Takes::After, Some(t)) => set("after_ms", parse_time(t)?.into()),
        (Takes::Code, Some(c)) => {
            set(
                "code",
                c.parse::<u16>().map_err(|_| anyhow!("{name}={c}: expected the HTTP status of a refusal"))?.into(),
            );
        }
    }
    Ok(())
}

/// `5%` or `0.25%` in parts per million.
fn ppm(text: &str) -> Result<u32> {
    let bad = || anyhow!("{text}: expected a percentage from 0% to 100%, such as 5% or 0.25%");
    let number = text.strip_suffix('%').ok_or_else(bad)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.len() > 4 || whole.is_empty() || !whole.chars().chain(part.chars()).all(|c| c.is_ascii_digit()) {
        return Err(bad());
    }
    let digits = format!("{whole}{part:0<4}");
    digits.parse().ok().filter(|ppm| *ppm <= 1_000_000).ok_or_else(bad)
}

fn about(fault: &mut Map<String, Value>, kind: &Kind, what: &str, view: View<'_>) -> Result<()> {
    let mut given: Vec<(&str, &str)> = Vec::new();
    for pair in what.split(',').filter(|p| !p.is_empty()) {
        given.push(pair.split_once('=').with_context(|| format!("{pair:?}: expected NAME=VALUE, such as zone=eu-1b"))?);
    }
    let name = kind.name;
    let unknown = |key: &str, known: &str| anyhow!("{name} is about {known}, and not about {key}");
    match kind.about {
        About::Machines => {
            let mut machines = Map::new();
            for (key, value) in given {
                let (field, value) = match key {
                    "zone" => ("zone", one_of("zone", value, &zones(view))?),
                    "group" => ("group", one_of("node group", value, &groups(view))?),
                    "type" => ("machine_type", one_of("instance type", value, &types(view))?),
                    _ => return Err(unknown(key, "zone, group or type")),
                };
                machines.insert(field.into(), value.into());
            }
            fault.insert("machines".into(), machines.into());
        }
        About::Nodes | About::OneNode => {
            for (key, value) in &given {
                match *key {
                    "node" => drop(fault.insert("node".into(), one_of("node", value, &nodes(view))?.into())),
                    _ => return Err(unknown(key, "a node")),
                }
            }
            if kind.about == About::OneNode && given.is_empty() {
                bail!("{name} needs to know which node: node=NAME:{name}@10m");
            }
        }
        About::Pods => {
            let mut pods = Map::new();
            let mut labels = Map::new();
            for (key, value) in given {
                match key {
                    "namespace" => drop(pods.insert("namespace".into(), value.into())),
                    label => drop(labels.insert(label.into(), value.into())),
                }
            }
            pods.insert("match_labels".into(), labels.into());
            fault.insert("pods".into(), pods.into());
        }
        About::OnePod => match given[..] {
            [("pod", pod)] => {
                let (namespace, pod) = pod.split_once('/').context("expected pod=NAMESPACE/NAME")?;
                fault.insert("namespace".into(), namespace.into());
                fault.insert("pod".into(), pod.into());
            }
            _ => bail!("{name} needs to know which pod: pod=NAMESPACE/NAME:{name}@10m"),
        },
        About::Component => match given[..] {
            [("component", component)] => drop(fault.insert("component".into(), component.into())),
            _ => bail!(
                "{name} needs to know whose: component=api-server:{name}@4m..6m (or controller-manager, scheduler, autoscaler, migration-controller)"
            ),
        },
    }
    Ok(())
}

fn texts(view: View<'_>, symbols: impl Iterator<Item = Sym>) -> BTreeSet<String> {
    symbols.map(|s| view.catalog.text(s).to_owned()).collect()
}

fn zones(view: View<'_>) -> BTreeSet<String> {
    let catalog = view.catalog;
    let of_groups = catalog.groups.iter().flat_map(|g| g.zones.iter().copied());
    let of_nodes = view.state.live_nodes().filter_map(|n| view.state.nodes[n].spec.labels.get(catalog.known.zone));
    texts(view, of_groups.chain(of_nodes))
}

fn groups(view: View<'_>) -> BTreeSet<String> {
    texts(view, view.catalog.groups.iter().flat_map(|g| [g.id, g.name]))
}

fn types(view: View<'_>) -> BTreeSet<String> {
    texts(view, view.catalog.machines.iter().map(|m| m.name))
}

fn nodes(view: View<'_>) -> BTreeSet<String> {
    view.state.live_nodes().map(|n| view.state.node_name(view.catalog, n).to_owned()).collect()
}

/// The name itself, or the only one that ends in it: `b` for `eu-1b`.
fn one_of(what: &str, name: &str, known: &BTreeSet<String>) -> Result<String> {
    const SHOWN: usize = 10;
    if known.contains(name) {
        return Ok(name.to_owned());
    }
    let ends: Vec<&String> = known.iter().filter(|k| what == "zone" && k.ends_with(name)).collect();
    if let [only] = ends[..] {
        return Ok(only.clone());
    }
    let shown: Vec<&str> = known.iter().take(SHOWN).map(String::as_str).collect();
    let more = if known.len() > SHOWN { ", …" } else { "" };
    let which = if ends.len() > 1 { "more than one" } else { "no" };
    bail!(
        "{which} {what} is called {name}; there are {}{more}{}",
        if shown.is_empty() { "none".to_owned() } else { shown.join(", ") },
        hint(name, known.iter().map(String::as_str))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::input::request_of_scenario;
    use crate::request::scenario::Scenario;
    use std::path::Path;

    fn with_cluster(run: impl Fn(&dyn Fn(&str) -> Result<Value, String>)) {
        let text = r#"{"scenario": "s", "cluster": {"generate": {"nodes": 3, "new_nodes": 1, "pods_per_node": 2}}}"#;
        let scenario = Scenario::parse(text, Path::new("s.json")).unwrap();
        let request = request_of_scenario(&scenario, false).unwrap();
        let view = View { catalog: &request.cluster.catalog, state: &request.cluster.state };
        run(&|text| match fault(text, view) {
            Ok(fault) => Ok(serde_json::to_value(fault).unwrap()),
            Err(e) => Err(format!("{e:#}")),
        });
    }

    #[test]
    fn each_kind_is_a_fault_of_a_scenario() {
        with_cluster(|read| {
            let window = |from: i64, until: Option<i64>| json!({"from_ms": from, "until_ms": until});
            let machines = |zone: Option<&str>| json!({"group": null, "zone": zone, "machine_type": null});
            for (text, expected) in [
                (
                    "zone=b:no-capacity",
                    json!({"fault": "capacity_shortage", "machines": machines(Some("eu-1b")), "window": window(0, None), "available": 0}),
                ),
                (
                    "capacity=3@10m..",
                    json!({"fault": "capacity_shortage", "machines": machines(None), "window": window(600_000, None), "available": 3}),
                ),
                (
                    "launch-failure=12.5%@..1h",
                    json!({"fault": "launch_failure", "machines": machines(None), "window": window(0, Some(3_600_000)), "probability_ppm": 125_000}),
                ),
                ("node=old-0001:node-loss@90s", json!({"fault": "node_loss", "node": "old-0001", "at_ms": 90_000})),
                (
                    "component=api-server:outage@4m..6m",
                    json!({"fault": "outage", "component": "api-server", "window": window(240_000, Some(360_000))}),
                ),
                (
                    "namespace=shop,app=cart:crash-loop",
                    json!({"fault": "crash_loop", "pods": {"namespace": "shop", "match_labels": {"app": "cart"}}, "window": window(0, None), "probability_ppm": 1_000_000}),
                ),
                (
                    r#"{"fault": "uncordon", "node": "old-0001", "at_ms": 5}"#,
                    json!({"fault": "uncordon", "node": "old-0001", "at_ms": 5}),
                ),
            ] {
                assert_eq!(read(text), Ok(expected), "{text}");
            }
            // Every kind is one that a scenario knows.
            for kind in KINDS {
                let what = match kind.about {
                    About::OneNode => "node=old-0000:",
                    About::OnePod => "pod=a/b:",
                    About::Component => "component=scheduler:",
                    _ => "",
                };
                let value = match kind.takes {
                    Takes::Count => "=1",
                    Takes::Time => "=1m",
                    _ => "",
                };
                let when = match kind.when {
                    When::Window => "",
                    When::GivenWindow => "@1m..2m",
                    When::Moment => "@1m",
                };
                let text = format!("{what}{}{value}{when}", kind.name);
                assert_eq!(read(&text).map(|v| v["fault"].clone()), Ok(json!(kind.fault)), "{text}");
            }
        });
    }

    #[test]
    fn what_is_no_fault_is_refused_with_what_was_expected() {
        with_cluster(|read| {
            for (text, says) in [
                ("zone=q:no-capacity", "no zone is called q; there are eu-1a, eu-1b, eu-1c"),
                ("zone=eu-1:no-capacity", "zone is called eu-1"),
                ("no-capcity", "did you mean no-capacity?"),
                ("node=old-0000:no-capacity", "zone, group or type"),
                ("node-loss@10m", "which node"),
                ("node=old-0000:node-loss", "when: node-loss@10m"),
                ("node=old-00:node-loss@1m", "no node is called old-00"),
                ("launch-failure=120%", "0% to 100%"),
                ("slow-nodes", "slow-nodes=5m"),
                ("capacity=3@5m", "FROM..UNTIL"),
                ("capacity=3@5m..4m", "ends before it begins"),
                ("outage@1m..2m", "component=api-server"),
                (r#"{"fault": "manual_pods", "at_ms": 1, "count": 1}"#, "scenario"),
                (r#"{"fault": "nothing"}"#, "nothing"),
            ] {
                let error = read(text).expect_err(text);
                assert!(error.contains(says), "{text}: {error}");
            }
        });
    }
}
