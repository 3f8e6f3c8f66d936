//! What a simulation is given and an execution is not: a moment at which somebody stops it, the order of evictions, its own horizon.

use crate::cli::{Dir, nodeferry};
use nodeferry::plan::Plan;
use nodeferry::rehearsal::luck::Profile;
use nodeferry::rehearsal::stage::Rehearsal;
use nodeferry::rehearsal::{Seeds, rehearse, stage_of_plan, stage_of_scenario};
use nodeferry::request::input;
use nodeferry::request::scenario::Scenario;
use nodeferry::runner::Outcome;
use std::path::Path;

/// Two batches whose pods take half a minute to stop.
const SCENARIO: &str = "\
scenario: a small drain
cluster: {generate: {seed: 5, nodes: 4, new_nodes: 4, pods_per_node: 5}}
nodes: {selector: agentpool=old}
options: {batch_size: 2, kubectl_drain: {force: true}}
sim: {delays: {stop: {constant: {ms: 30000}}, start: {constant: {ms: 2000}}}}
";

fn scenario(text: &str) -> Result<Scenario, String> {
    Scenario::parse(text, Path::new("drain.yaml")).map_err(|e| e.to_string())
}

/// The text of the plan that `nodeferry plan` makes.
fn planned(dir: &Dir, more: &[&str]) -> String {
    let (file, plan) = (dir.file("drain.yaml", SCENARIO), dir.path("plan.json"));
    let ran = nodeferry(dir, &[&["plan", &file, "--plan", &plan][..], more].concat());
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    std::fs::read_to_string(plan).expect("the plan")
}

#[test]
fn a_plan_made_with_a_stop_does_not_stop_what_carries_it_out() {
    let dir = Dir::new();
    let text = planned(&dir, &["--stop-at", "10s", "--terminate-drained", "true"]);
    let plan = Plan::parse(&text).expect("a plan");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["forecast"]["outcome"], "STOPPED", "the simulation is stopped");
    let options = &json["intent"]["options"];
    assert!(!options.to_string().contains("stop_at"), "{options}");

    let sources = input::sources_of_scenario(&scenario(SCENARIO).expect("a scenario")).expect("its dump");
    let settings = plan.simulation.clone().expect("its settings");
    assert_eq!(settings.sim.stop_at_ms, Some(10_000));
    // The same session, journal and plan as in an execution, and nobody who stops it.
    let alone = stage_of_plan(&plan, &sources, |request| {
        request.sim.delays = settings.sim.delays.clone();
        Ok(())
    });
    let carried_out = Rehearsal::new(&alone.expect("a stage"), 1, Profile::None, false).run();
    assert_eq!(carried_out.end.map(|e| e.0), Some(Outcome::Completed));
    assert!(carried_out.duration_ms > 60_000, "{} ms: it went on past the stop", carried_out.duration_ms);
    // A rehearsal of the plan has somebody who does.
    let stopped = stage_of_plan(&plan, &sources, |request| {
        request.sim = settings.sim.clone();
        Ok(())
    });
    let stopped = Rehearsal::new(&stopped.expect("a stage"), 1, Profile::None, false).run();
    assert_eq!(stopped.end.map(|e| e.0), Some(Outcome::Stopped));
}

#[test]
fn a_rehearsal_is_stopped_as_its_scenario_is() {
    let text = SCENARIO.replace("batch_size: 2", "batch_size: 2, stop_at_ms: 10000");
    let stage = stage_of_scenario(&scenario(&text).expect("a scenario")).expect("a stage");
    let seeds = |first, count, profile| Seeds { first, count, profile, verbose: false, threads: 1 };
    let done = rehearse(&stage, seeds(1, 1, Profile::None), &|| ()).expect("rehearsed");
    assert!(done.failed.is_empty(), "{:?}", done.failed);
    assert_eq!(done.outcomes.keys().copied().collect::<Vec<_>>(), ["STOPPED"]);
    let done = rehearse(&stage, seeds(2, 4, Profile::Light), &|| ()).expect("rehearsed");
    assert!(done.failed.is_empty(), "{:?}", done.failed);
}

#[test]
fn the_keys_of_a_simulation_are_read_from_both_places() {
    let dir = Dir::new();
    let trace = |text: &str| {
        let ran = nodeferry(&dir, &["plan", &dir.file("s.yaml", text), "--trace", "-"]);
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        ran.stdout
    };
    let in_options = SCENARIO
        .replace("{batch_size: 2,", "{batch_size: 2, stop_at_ms: 40000, stop_terminates_drained: false,")
        .replace("{force: true}", "{force: true, order_seed: 3}");
    let in_sim = SCENARIO.replace("sim: {", "sim: {stop_at_ms: 40000, stop_terminates_drained: false, order_seed: 3, ");
    assert_eq!(trace(&in_options), trace(&in_sim));
    assert_ne!(trace(&in_options), trace(SCENARIO));
    let order = |seed: u32| trace(&SCENARIO.replace("{force: true}", &format!("{{force: true, order_seed: {seed}}}")));
    assert!((1..6).any(|seed| order(seed) != trace(SCENARIO)), "another order of evictions is another trace");
}

#[test]
fn errors_name_the_key_where_it_was_written() {
    let with = |options: &str, sim: &str| {
        let text = SCENARIO.replace("batch_size: 2", options).replace("sim: {", sim);
        scenario(&text).map(drop).expect_err("refused")
    };
    let (options, sim) = ("batch_size: 2", "sim: {");
    let e = with("batch_size: 2, stop_at_ms: 5, horizon_ms: 90", "sim: {stop_at_ms: 6, ");
    assert!(e.contains("options.stop_at_ms and sim.stop_at_ms are both given"), "{e}");
    let e = with("batch_size: 2, stop_at_ms: soon", sim);
    assert!(e.contains("options.stop_at_ms") && !e.contains("sim.stop_at_ms"), "{e}");
    let e = with("batch_size: 2, stop_at_ms: -5", sim);
    assert!(e.contains("options.stop_at_ms is -5; a time cannot be negative"), "{e}");
    let e = with(options, "sim: {stop_at_ms: -5, ");
    assert!(e.contains("sim.stop_at_ms is -5; a time cannot be negative"), "{e}");
}

#[test]
fn the_schemas_have_the_keys_where_they_are_read() {
    let dir = Dir::new();
    let schema = |name: &str| nodeferry(&dir, &["schema", name]).json();
    let has = |schema: &serde_json::Value, holder: &str, key: &str| {
        schema.pointer(&format!("/$defs/{holder}/properties/{key}")).is_some()
    };
    for (holder, key) in
        [("Options", "stop_at_ms"), ("Options", "stop_terminates_drained"), ("KubectlDrainOptions", "order_seed")]
    {
        assert!(has(&schema("scenario"), holder, key), "{holder} {key}");
        assert!(has(&schema("scenario"), "SimOptions", key), "{holder} {key}");
        assert!(!has(&schema("plan"), holder, key), "{holder} {key}");
    }
}

#[test]
fn a_simulation_lasts_as_long_as_the_migration_may_unless_it_is_limited() {
    let dir = Dir::new();
    // A budget that lets nothing go, and a drain without a limit.
    let stuck = SCENARIO
        .replace("pods_per_node: 5}", "pods_per_node: 5, traps: [{trap: budget_never_met}]}")
        .replace("batch_size: 2", "batch_size: 2, horizon_ms: 172800000")
        .replace("{force: true}", "{force: true, timeout_ms: 0}");
    let limited = stuck.replace("sim: {", "sim: {horizon_ms: 600000, ");
    let plan = |text: &str| nodeferry(&dir, &["plan", &dir.file("s.yaml", text), "-o", "json"]).json();
    let json = plan(&limited);
    assert_eq!(json["reason"], "horizon");
    assert!(json["message"].as_str().is_some_and(|m| m.starts_with("the horizon of the run was reached")), "{json}");
    let json = plan(&stuck);
    assert_eq!(json["message"], "The migration did not end within its horizon.");
}
