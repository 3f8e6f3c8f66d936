//! What files of plans and runs say: `report`, `calibrate`, `diff`, and the loop from a run's delays to the next plan.

use crate::cli::{Dir, nodeferry};
use crate::journal::began;
use nodeferry::plan::Plan;
use nodeferry::runner::Outcome;
use nodeferry::session::journal::{Call, Entry, Record, Writer};
use nodeferry::trace::{Event, EventKind, read_jsonl};
use serde_json::Value;
use std::path::Path;

/// Slow starts on one workload, else a second; machines of a minute; budgets that refuse.
const SCENARIO: &str = "\
scenario: a shop that moves
cluster: {generate: {seed: 12, nodes: 6, pods_per_node: 6}}
groups:
  inline:
    machine_types: [{name: standard-8, allocatable: {cpu: 7800m, memory: 30Gi, pods: 110}, price_per_hour: 0.4}]
    groups:
    - {name: ssd, labels: {agentpool: new, disktype: ssd}, zones: [eu-1a, eu-1b, eu-1c], machine_types: [{name: standard-8}], max_count: 30}
nodes: {selector: agentpool=old}
autoscaler: {kind: reactive}
options: {batch_size: 2, kubectl_drain: {force: true}}
sim:
  delays:
    start: {uniform: {min_ms: 1000, max_ms: 9000}}
    stop: {uniform: {min_ms: 500, max_ms: 3000}}
    launch: {uniform: {min_ms: 50000, max_ms: 90000}}
";

/// Plans [`SCENARIO`] with a seed; names of the plan's and the trace's files.
fn planned(dir: &Dir, name: &str, seed: &str, more: &[&str]) -> (String, String) {
    let scenario = dir.file("scenario.yaml", SCENARIO);
    let (plan, trace) = (dir.path(&format!("{name}.json")), dir.path(&format!("{name}.jsonl")));
    let mut args = vec!["plan", &scenario, "--seed", seed, "--plan", &plan, "--trace", &trace];
    args.extend(more);
    let ran = nodeferry(dir, &args);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    (plan, trace)
}

/// Writes down the events of a trace as an execution of a plan; `edit` may change the records.
fn journal(dir: &Dir, name: &str, plan: &str, trace: &str, edit: impl FnOnce(&mut Vec<(i64, Record)>)) -> String {
    let text = std::fs::read_to_string(plan).expect("the plan is there");
    let events = read_jsonl(std::fs::File::open(trace).expect("the trace is there")).expect("a trace");
    let began = began(Plan::parse(&text).expect("a plan"));
    let mut records = vec![(0, Record::Began(Box::new(began)))];
    let last = events.last().expect("events").t_ms as i64;
    let happened = |e: Event| (e.t_ms as i64, Record::Happened(Box::new(e)));
    records.extend(events.into_iter().map(happened));
    records.push((last, Record::Ended { outcome: Outcome::Completed, failure: None }));
    edit(&mut records);
    let mut writer = Writer::new();
    let entry = |(n, (t_ms, record)): (usize, (i64, Record))| Entry { seq: n as u64, t_ms, record };
    let lines: Vec<u8> =
        records.into_iter().enumerate().flat_map(|r| writer.encode(&entry(r)).expect("an entry is written")).collect();
    let folder = dir.path(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(format!("{folder}/journal.jsonl"), lines).expect("a journal");
    folder
}

#[test]
fn an_execution_that_went_as_predicted_differs_in_nothing() {
    let dir = Dir::new();
    let (plan, trace) = planned(&dir, "a", "1", &[]);
    let folder = journal(&dir, "run", &plan, &trace, |_| ());
    let report = nodeferry(&dir, &["report", &folder, "-o", "json"]).json();
    let batches = report["batches"].as_array().expect("batches");
    assert_eq!(batches.len(), 3);
    for row in batches.iter().chain([&report["whole"]]) {
        for figure in ["duration_ms", "evictions", "refused", "launched"] {
            let pair = &row[figure];
            assert!(pair["predicted"].is_i64(), "{figure}: {pair}");
            assert_eq!(pair["predicted"], pair["actual"], "{figure}");
        }
        assert_eq!(row["outcome"], "COMPLETED");
        assert_eq!(row["duration_ms"]["difference_percent"], 0.0);
    }
    assert_eq!(report["notes"], serde_json::json!([]));
    // The same as a table, and by the file instead of the folder.
    let ran = nodeferry(&dir, &["report", &format!("{folder}/journal.jsonl")]);
    assert!(ran.stdout.contains("Execution shop-1 on kind-shop") && ran.stdout.contains("+0 %"), "{}", ran.stdout);
    assert!(ran.stdout.contains("start: bound to ready") && ran.stdout.contains("launch: asked for to ready"));
}

#[test]
fn what_went_otherwise_is_reported_with_interruptions_and_waits() {
    let dir = Dir::new();
    let (plan, trace) = planned(&dir, "a", "1", &[]);
    // From the second batch on all is a minute late, for no process was there; and the first batch waited before.
    let folder = journal(&dir, "run", &plan, &trace, |records| {
        let second =
            |r: &Record| matches!(r, Record::Happened(e) if e.event == EventKind::BatchStarted && e.batch == Some(1));
        let at = records.iter().position(|r| second(&r.1)).expect("a second batch") + 1;
        let t = records[at].0;
        for (t_ms, record) in &mut records[at..] {
            *t_ms += 60_000;
            if let Record::Happened(e) = record {
                e.t_ms += 60_000;
            }
        }
        // The first that went on was killed before it had seen anything.
        for after in [50_000, 40_000] {
            records.insert(at, (t + after, Record::Resumed { nodeferry: "0.1.0".into(), unix_ms: 0 }));
        }
        let waiting =
            Event { batch: Some(1), reason: Some("Approval".into()), ..Event::new(0, EventKind::GateWaiting) };
        let opened = Event { event: EventKind::GateOpened, ..waiting.clone() };
        let at_start = records.iter().position(|r| matches!(r.1, Record::Happened(_))).expect("events");
        records.insert(at_start, (0, Record::Happened(Box::new(waiting))));
        let batch = records.iter().position(|r| second(&r.1)).expect("a second batch");
        let t = records[batch].0;
        records.insert(batch, (t, Record::Happened(Box::new(Event { t_ms: t as u64, ..opened }))));
    });
    let report = nodeferry(&dir, &["report", &folder, "-o", "json"]).json();
    let (whole, second) = (&report["whole"], &report["batches"][1]);
    let late = |pair: &Value| pair["actual"].as_i64().expect("actual") - pair["predicted"].as_i64().expect("predicted");
    assert_eq!((late(&whole["duration_ms"]), late(&second["duration_ms"])), (60_000, 60_000));
    assert!(second["duration_ms"]["difference_percent"].as_f64() > Some(0.0));
    assert_eq!(late(&report["batches"][0]["duration_ms"]), 0);
    assert_eq!(whole["resumed"], 2);
    assert!(second["away_ms"].as_i64() >= Some(60_000), "{second}");
    assert_eq!(whole["waited_ms"]["Approval"], report["batches"][1]["start_ms"]["actual"]);
    let ran = nodeferry(&dir, &["report", &folder]);
    assert!(
        ran.stdout.contains("resumed 2 times, 1m") && ran.stdout.contains("between batches: approval"),
        "{}",
        ran.stdout
    );

    // Files: the usual ones, and what only a comparison has.
    let out = dir.path("out");
    let ran = nodeferry(&dir, &["report", &folder, "--report", &out, "--trace", &dir.path("again.jsonl")]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let csv = std::fs::read_to_string(format!("{out}/predicted.csv")).expect("predicted.csv");
    assert_eq!(csv.lines().count(), 4, "{csv}");
    for file in ["batches.csv", "delays.csv", "gantt.svg"] {
        assert!(Path::new(&format!("{out}/{file}")).is_file(), "{file}");
    }
    assert_eq!(nodeferry(&dir, &["diff", &folder, &dir.path("again.jsonl")]).status, 0, "a journal and its own trace");
}

#[test]
fn an_execution_without_a_prediction_is_reported_as_it_was() {
    let dir = Dir::new();
    let (plan, trace) = planned(&dir, "a", "1", &[]);
    let folder = journal(&dir, "run", &plan, &trace, |records| {
        let Some((_, Record::Began(began))) = records.first_mut() else { panic!("no beginning") };
        began.plan.forecast = None;
    });
    let report = nodeferry(&dir, &["report", &folder, "-o", "json"]).json();
    let batches = report["batches"].as_array().expect("batches");
    assert_eq!(batches.len(), 3);
    for row in batches.iter().chain([&report["whole"]]) {
        for figure in ["duration_ms", "evictions", "refused", "launched"] {
            assert!(row[figure]["predicted"].is_null() && row[figure]["actual"].is_i64(), "{figure}: {row}");
        }
        assert_eq!((&row["outcome_predicted"], &row["outcome"]), (&Value::Null, &"COMPLETED".into()));
    }
    assert!(batches.iter().all(|b| b["nodes"].as_array().is_some_and(|n| !n.is_empty())), "{report}");
    let ran = nodeferry(&dir, &["report", &folder, "--report", &dir.path("out")]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    for text in ["Execution shop-1 on kind-shop: what happened.", "the plan has no prediction"] {
        assert!(ran.stdout.contains(text), "{text} is not in\n{}", ran.stdout);
    }
}

#[test]
fn an_execution_that_has_not_ended_is_reported_as_far_as_it_is() {
    let dir = Dir::new();
    let (plan, trace) = planned(&dir, "a", "1", &[]);
    let folder = journal(&dir, "run", &plan, &trace, |records| {
        let over = |r: &Record| matches!(r, Record::Happened(e) if e.event == EventKind::BatchFinished);
        let at = records.iter().position(|r| over(&r.1)).expect("a batch ends");
        records.truncate(at + 1);
    });
    let path = format!("{folder}/journal.jsonl");
    let mut bytes = std::fs::read(&path).expect("a journal");
    bytes.extend_from_slice(b"{\"seq\":99");
    std::fs::write(&path, bytes).expect("a journal");
    let report = nodeferry(&dir, &["report", &folder, "-o", "json"]).json();
    assert_eq!(report["whole"]["outcome"], Value::Null);
    assert_eq!(report["whole"]["duration_ms"]["actual"], Value::Null);
    assert_eq!(report["batches"][0]["duration_ms"]["difference_percent"], 0.0);
    assert_eq!(report["batches"][1]["duration_ms"]["actual"], Value::Null);
    let notes = report["notes"].to_string();
    assert!(notes.contains("breaks off") && notes.contains("has not ended"), "{notes}");
}

#[test]
fn delays_that_were_seen_predict_the_next_run() {
    let dir = Dir::new();
    let duration = |plan: &str| {
        let text = std::fs::read_to_string(plan).expect("a plan");
        let plan: Value = serde_json::from_str(&text).expect("JSON");
        plan["forecast"]["duration_ms"]["p50"].as_i64().expect("a duration")
    };
    // One run has only a few launches; several say more.
    let traces: Vec<String> = (1..=8).map(|n| planned(&dir, &format!("run-{n}"), &n.to_string(), &[]).1).collect();
    let mut args = vec!["calibrate"];
    args.extend(traces.iter().map(String::as_str));
    let calibrated = nodeferry(&dir, &args);
    assert_eq!(calibrated.status, 0, "{}", calibrated.stderr);
    assert_eq!(calibrated.stdout, nodeferry(&dir, &args).stdout, "the same runs, the same bytes");
    assert!(calibrated.stdout.contains("- owner: \"Deployment/"), "{}", calibrated.stdout);
    let delays = dir.file("delays.yaml", &calibrated.stdout);
    // Forty runs each: with the scenario's own delays, and with those that its runs had.
    let many = ["--replications", "40"];
    let (own, _) = planned(&dir, "own", "2", &many);
    let (seen, _) = planned(&dir, "seen", "2", &["--replications", "40", "--delays", &delays]);
    let (own, seen) = (duration(&own), duration(&seen));
    assert!((own - seen).abs() * 100 <= own * 5, "{own} ms against {seen} ms");
    // And it is the delays that do it: with others the prediction is far off.
    let slow = dir.file("slow.yaml", "start: {constant: {ms: 120000}}\nlaunch: {constant: {ms: 300000}}\n");
    let (slow, _) = planned(&dir, "slow", "2", &["--delays", &slow]);
    assert!(duration(&slow) > 2 * own, "{} ms against {own} ms", duration(&slow));
}

#[test]
fn what_was_given_back_is_timed_from_the_journal() {
    let dir = Dir::new();
    let terminate = ["--terminate-nodes", "true"];
    let (plan, trace) = planned(&dir, "a", "1", &terminate);
    let mut left = String::new();
    let folder = journal(&dir, "run", &plan, &trace, |records| {
        let gone =
            records.iter().position(|r| matches!(&r.1, Record::Happened(e) if e.event == EventKind::NodeDeleted));
        let gone = gone.expect("an old node goes");
        let Record::Happened(e) = &records[gone].1 else { unreachable!() };
        left = e.node.clone().expect("a name");
        let t = records[gone].0 - 29_000;
        let at = records.iter().position(|r| r.0 > t).expect("a place");
        let call = Call { call: 1, what: "retire".into(), object: left.clone(), uid: String::new() };
        records.insert(at, (t, Record::Intends { calls: vec![call], progress: Default::default() }));
    });
    let text = nodeferry(&dir, &["calibrate", &folder]).stdout;
    assert!(text.contains("\nretire: {constant: {ms: 29000}}\n"), "{left}: {text}");
}

#[test]
fn two_plans_are_explained() {
    let dir = Dir::new();
    let (a, trace) = planned(&dir, "a", "1", &[]);
    let same = nodeferry(&dir, &["diff", &a, &a]);
    assert_eq!((same.status, same.stdout.as_str()), (0, "The plans are the same.\n"));
    let (b, other) = planned(&dir, "b", "1", &["--batch-size", "100%", "--check", "./slo-ok --batch {batch}"]);
    let ran = nodeferry(&dir, &["diff", &a, &b]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    for said in ["3 → 1 batches", "moves from batch 2 to batch 1", "batch_size: 2 → \"100%\"", "duration: ", "./slo-ok"]
    {
        assert!(ran.stdout.contains(said), "{said} in\n{}", ran.stdout);
    }
    // Runs: the same, other, and a plan against a run.
    assert_eq!(nodeferry(&dir, &["diff", &trace, &trace]).status, 0);
    let ran = nodeferry(&dir, &["diff", &trace, &other, "-o", "json"]);
    let sections = ran.json()["sections"].clone();
    assert_eq!(ran.status, 1);
    assert!(sections.to_string().contains("batches: 3 → 1"), "{sections}");
    let ran = nodeferry(&dir, &["diff", &a, &trace]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("one is a plan, the other a trace"), "{}", ran.stderr);
}

#[test]
fn files_that_are_none_of_these_are_refused_with_what_was_expected() {
    let dir = Dir::new();
    let (plan, trace) = planned(&dir, "a", "1", &[]);
    let (empty, text) = (dir.file("empty", ""), dir.file("text", "hello\n"));
    let folder = journal(&dir, "run", &plan, &trace, |_| ());
    let path = format!("{folder}/journal.jsonl");
    let damaged = std::fs::read_to_string(&path).expect("a journal").replacen("kind-shop", "kind-shot", 1);
    std::fs::write(&path, damaged).expect("a journal");
    for (args, says) in [
        (vec!["report", &empty], "neither a plan"),
        (vec!["report", &text], "neither a plan"),
        (vec!["report", &plan], "this is a plan"),
        (vec!["report", &trace], "this is a trace"),
        (vec!["report", "nowhere"], "nowhere"),
        (vec!["report", &folder], "line 1"),
        (vec!["calibrate", &plan], "this is a plan"),
        (vec!["diff", &plan, &text], "neither a plan"),
        (vec!["diff", &trace, &trace, "--tolerance", "soon"], "--tolerance soon"),
    ] {
        let ran = nodeferry(&dir, &args);
        assert_eq!(ran.status, 2, "{args:?}: {}", ran.stdout);
        assert!(ran.stderr.contains(says), "{args:?}: {says} in {}", ran.stderr);
    }
}

#[test]
fn flags_of_gates_delays_and_execution_are_checked() {
    let dir = Dir::new();
    let scenario = dir.file("scenario.yaml", SCENARIO);
    let bad = dir.file("bad.yaml", "starts: {constant: {ms: 1}}\n");
    let negative = dir.file("negative.yaml", "start: {constant: {ms: -1}}\n");
    let nothing = dir.file("nothing.yaml", "retire: {\"*\": {by: command, command: []}}\n");
    for (flag, value, says) in [
        ("--check", " ", "--check is empty"),
        ("--approve", "never", "expected after-first or every-batch"),
        ("--delays", &bad, "starts"),
        ("--delays", &negative, "cannot be negative"),
        ("--delays", "nowhere.yaml", "nowhere.yaml"),
        ("--execution", &nothing, "command is empty"),
        ("--execution", &bad, "starts"),
    ] {
        let ran = nodeferry(&dir, &["plan", &scenario, flag, value]);
        assert_eq!(ran.status, 2, "{flag} {value}: {}", ran.stdout);
        assert!(ran.stderr.contains(says), "{flag} {value}: {}", ran.stderr);
    }
    let execution = dir.file("execution.yaml", "retire: {\"*\": {by: node}}\n");
    let (plan, _) = planned(&dir, "a", "1", &["--approve", "every-batch", "--execution", &execution]);
    let plan: Value = serde_json::from_str(&std::fs::read_to_string(plan).expect("a plan")).expect("JSON");
    let options = &plan["intent"]["options"];
    assert_eq!(options["gates"]["approval"]["when"], "every-batch");
    assert_eq!(options["execution"]["retire"]["*"]["by"], "node");
    assert!(plan["forecast"]["findings"].to_string().contains("approval-not-counted"));
}

#[cfg(feature = "live")]
#[test]
fn a_dangerous_plan_needs_its_own_hash_where_nobody_is_at_the_terminal() {
    use sha2::{Digest, Sha256};
    let dir = Dir::new();
    // Deletes nothing past budgets, but evicts bare pods (kubectl_drain.force).
    let (plan, _) = planned(&dir, "a", "1", &[]);
    let digest = Sha256::digest(std::fs::read(&plan).expect("a plan"));
    let sha: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    let kubeconfig = dir.file("kubeconfig", "apiVersion: v1\nkind: Config\n");
    let refused = |yes: &str| {
        let ran = nodeferry(&dir, &["execute", &plan, yes, "--kubeconfig", &kubeconfig]);
        assert_eq!(ran.status, 2, "{}{}", ran.stdout, ran.stderr);
        ran.stderr
    };
    let bare = refused("--yes");
    assert!(
        bare.contains("nobody is at the terminal, and this plan\n  evicts pods that no controller makes again"),
        "{bare}"
    );
    assert!(bare.contains(&format!("say --yes={}:", &sha[..12])), "{bare}");
    // Another plan's, and too little of its own to tell it from another.
    for wrong in ["--yes=0123456789ab", &format!("--yes={}", &sha[..11]), &format!("--yes={sha}0")] {
        let said = refused(wrong);
        assert!(said.contains(&format!("the SHA-256 of the plan's file is {sha}")), "{said}");
    }
    // The next thing that is looked at is the cluster.
    for right in [format!("--yes={}", &sha[..12]), format!("--yes={}", sha.to_uppercase())] {
        let said = refused(&right);
        assert!(said.contains("kubeconfig") && !said.contains("SHA-256"), "{said}");
    }
}

#[test]
fn a_plan_of_an_older_version_is_refused_by_every_command_with_what_to_do() {
    let dir = Dir::new();
    let (plan, trace) = planned(&dir, "a", "1", &[]);
    let text = std::fs::read_to_string(&plan).expect("a plan");
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    value["plan_version"] = 1.into();
    let old = dir.file("old.json", &value.to_string());
    let dump = dir.file("scenario.yaml", SCENARIO);
    for args in [
        vec!["simulate", &old, &dump],
        vec!["rehearse", &old, &dump],
        vec!["diff", &old, &plan],
        vec!["diff", &plan, &old],
        #[cfg(feature = "live")]
        vec!["execute", &old, "--yes"],
    ] {
        let ran = nodeferry(&dir, &args);
        assert_eq!(ran.status, 2, "{args:?}: {}{}", ran.stdout, ran.stderr);
        for says in
            ["old.json", "plan_version is 1", "make the plan again", "nodeferry plan DUMP --nodes old-", "--plan FILE"]
        {
            assert!(ran.stderr.contains(says), "{args:?}: {says:?} is not in {}", ran.stderr);
        }
    }
    let folder = journal(&dir, "run", &plan, &trace, |records| {
        let Some((_, Record::Began(began))) = records.first_mut() else { panic!("no beginning") };
        began.plan.plan_version = 1;
    });
    for command in ["status", "report", "history"] {
        let ran = nodeferry(&dir, &[command, &folder]);
        assert_eq!(ran.status, 2, "{command}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("plan_version of its plan is 1"), "{command}: {}", ran.stderr);
    }
}

#[test]
fn a_plan_is_typed_throughout() {
    let dir = Dir::new();
    let (plan, _) = planned(&dir, "a", "1", &[]);
    let text = std::fs::read_to_string(&plan).expect("a plan");
    let spoiled = |pointer: &str, with: Value| {
        let mut value: Value = serde_json::from_str(&text).expect("JSON");
        *value.pointer_mut(pointer).expect(pointer) = with;
        let ran = nodeferry(&dir, &["diff", &dir.file("bad.json", &value.to_string()), &plan]);
        assert_eq!(ran.status, 2, "{pointer}: {}", ran.stdout);
        ran.stderr
    };
    for (pointer, place) in [
        ("/forecast/duration_ms/p50", "forecast.duration_ms.p50"),
        ("/intent/groups/0", "intent.groups[0]"),
        ("/simulation/sim/api_latency_ms", "simulation.sim.api_latency_ms"),
        ("/simulation/autoscaler/kind", "simulation.autoscaler.kind"),
        ("/simulation/scheduler/kubernetes", "simulation.scheduler.kubernetes"),
        ("/baseline/nodes", "baseline.nodes"),
    ] {
        let said = spoiled(pointer, "spoiled".into());
        assert!(said.contains(&format!("plan, at {place}: ")), "{pointer}: {said}");
    }
    // No part of the published schema takes just anything, but for a pod template, which is in Kubernetes' form.
    let schema = nodeferry(&dir, &["schema", "plan"]).json();
    let mut anything = Vec::new();
    untyped("", &schema, &mut anything);
    assert_eq!(anything, ["/$defs/Fault/oneOf/properties/template/additionalProperties"]);
}

/// Where a schema takes anything: a property or item that is `true`, or has neither type nor reference nor choice.
fn untyped(at: &str, schema: &Value, found: &mut Vec<String>) {
    let Some(object) = schema.as_object() else { return };
    for (key, value) in object {
        let here = format!("{at}/{key}");
        match key.as_str() {
            "properties" | "$defs" => {
                for (name, of) in value.as_object().into_iter().flatten() {
                    if !["type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"].iter().any(|k| of.get(k).is_some())
                    {
                        found.push(format!("{here}/{name}"));
                    }
                    untyped(&format!("{here}/{name}"), of, found);
                }
            }
            "items" | "additionalProperties" => {
                if value == &Value::Bool(true) {
                    found.push(here.clone());
                }
                untyped(&here, value, found);
            }
            "anyOf" | "oneOf" | "allOf" => {
                value.as_array().into_iter().flatten().for_each(|of| untyped(&here, of, found))
            }
            _ => {}
        }
    }
}
