//! Ocean's migrations as its own API would tell of them: the seven failures of each cloud to the letter, the states of migration,
//! node, instance and pool, and what of them reaches the trace, the JSON, `status` and `history`.

use crate::cli::{Dir, nodeferry};
use nodeferry::intent::options::BatchSize;
use nodeferry::request::input::{Input, load, request_of_scenario};
use nodeferry::request::plan::{Planned, plan};
use nodeferry::request::scenario::Scenario;
use nodeferry::runner::ocean::{aws, azure};
use nodeferry::trace::{Event, EventKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const BEGINNING: &str = "The migration has stopped due to ";
const CONNECTIVITY: &str = "connectivity issues. Make sure the Spotinst controller is installed and working properly.";

/// Scenario, cloud, message without its beginning (docs/outcomes.md), and the object that the cause names.
const FAILURES: [(&str, &str, &str, &str); 14] = [
    ("ocean-azure-controller-does-not-report", "AKS", CONNECTIVITY, "Spotinst controller"),
    ("controller-does-not-report", "EKS", CONNECTIVITY, "Spotinst controller"),
    (
        "ocean-azure-launches-fail",
        "AKS",
        "the inability to spin up enough new nodes. Make sure all required Virtual Node Groups are configured.",
        "group ssd standard-",
    ),
    (
        "launches-fail",
        "EKS",
        "inability to spin up enough new instances. Make sure all required Virtual Node Groups are configured.",
        "group new standard-8",
    ),
    ("takes-too-long", "AKS", "technical timeout.", "of 12 was under way: "),
    ("ocean-aws-takes-too-long", "EKS", "technical timeout.", "of 10 was under way: "),
    ("manual-pods", "AKS", "the failure to schedule pods for new nodes.", "pod default/load-test-0"),
    ("ocean-aws-manual-pods", "EKS", "failure to schedule pods on new nodes.", "pod default/stress-0"),
    ("old-machine-stays", "AKS", "failure to terminate old nodes.", "old-0003"),
    ("ocean-aws-old-machine-stays", "EKS", "failure to terminate old instances.", "old-0003"),
    (
        "stop-and-machine-stays",
        "AKS",
        "the failure to terminate old nodes during the migration Stop process.",
        "still there: old-0",
    ),
    (
        "ocean-aws-stop-and-machine-stays",
        "EKS",
        "failure to terminate old instances during migration stop process.",
        "still there: old-0",
    ),
    (
        "ocean-azure-stop-and-nodes-stay-cordoned",
        "AKS",
        "failure to reschedule old nodes during the migration stop process.",
        "still cordoned: old-0",
    ),
    (
        "stop-and-nodes-stay-cordoned",
        "EKS",
        "failure to reschedule old instances during migration stop process.",
        "still cordoned: old-0",
    ),
];

fn scenario_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(format!("{name}.yaml"))
}

fn read(name: &str) -> Scenario {
    match load(&[scenario_file(name)]).expect("a scenario") {
        Input::Scenario(scenario) => *scenario,
        Input::Dump(_) => panic!("{name} is no scenario"),
    }
}

fn planned(scenario: &Scenario) -> Planned {
    let planned = plan(request_of_scenario(scenario, false).expect("a request"), &|| ()).expect("the checkers hold");
    check_states(&planned, scenario.options.procedure.name());
    planned
}

/// What holds of the states of any run.
pub(crate) fn check_states(planned: &Planned, procedure: &str) {
    let events: Vec<Event> = planned.events().collect();
    let of = |kind| events.iter().filter(move |e| e.event == kind);
    let state = |e: &Event| e.state.clone().expect("a state event has a state");
    let words: [&[&str]; 3] = match procedure {
        "ocean-aws" => [&aws::STATES, &aws::INSTANCE_STATES, &[]],
        "ocean-azure" => [&azure::STATES, &azure::NODE_STATES, &azure::SCALE_STATES],
        _ => [&[], &[], &[]],
    };
    for (kind, words) in [EventKind::MigrationState, EventKind::NodeState, EventKind::PoolState].into_iter().zip(words)
    {
        let stranger = of(kind).map(state).find(|s| !words.contains(&s.as_str()));
        assert_eq!(stranger, None, "{procedure} has no such {kind:?}");
    }
    let migration: Vec<String> = of(EventKind::MigrationState).map(state).collect();
    assert!(migration.windows(2).all(|p| p[0] != p[1]), "one is told twice: {migration:?}");
    let outcome = planned.forecast.outcome.as_str();
    let last = match (procedure, outcome) {
        ("ocean-aws", "COMPLETED") => Some("FINISHED"),
        ("ocean-aws", "STOPPED") => Some("STOPPED"),
        ("ocean-aws", _) => Some("FINISHED_ERROR"),
        ("ocean-azure", outcome) => Some(outcome),
        _ => None,
    };
    assert_eq!(migration.last().map(String::as_str), last);
    assert_eq!(planned.forecast.migration_state.as_deref(), last, "the JSON says what the trace says");
    let first = match procedure {
        "ocean-aws" => Some("STARTING"),
        "ocean-azure" => Some("IN_PROGRESS"),
        _ => None,
    };
    assert_eq!(migration.first().map(String::as_str), first);
    // The world goes on within that instant (a budget is counted again); of the migration nothing comes after its end.
    let of_the_migration = |e: &&Event| {
        matches!(
            e.event,
            EventKind::MigrationState
                | EventKind::NodeState
                | EventKind::PoolState
                | EventKind::BatchStarted
                | EventKind::BatchFinished
                | EventKind::MigrationFinished
        )
    };
    let last_of_all = events.iter().rfind(of_the_migration).map(|e| e.event);
    assert_eq!(last_of_all, Some(EventKind::MigrationFinished), "nothing comes after the end");

    let mut nodes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for e in of(EventKind::NodeState) {
        nodes.entry(e.node.as_deref().expect("its node")).or_default().push(state(e));
    }
    let drained: BTreeSet<&str> = of(EventKind::NodeDrained).filter_map(|e| e.node.as_deref()).collect();
    for (node, states) in &nodes {
        let last = states.last().map(String::as_str);
        assert!(last != Some("IN_PROGRESS"), "{node} is left in progress: {states:?}");
        assert!(states.windows(2).all(|p| p[0] != p[1]), "{node}: {states:?}");
        if last == Some("REPLACED") {
            assert!(drained.contains(node), "{node} was never drained");
        }
        if outcome == "COMPLETED" {
            assert_eq!(last, Some("REPLACED"), "{node}");
        }
        if last == Some("TO_BE_REPLACED") {
            assert_eq!(outcome, "FAILED", "{node} is still to be replaced");
        }
    }
    let old: usize = planned.plan.intent.batches.iter().map(Vec::len).sum();
    if procedure == "ocean-azure" {
        assert_eq!(nodes.len(), old, "every old node has a state");
    }
    for n in &planned.forecast.nodes {
        assert_eq!(n.state.as_ref(), nodes.get(n.name.as_str()).and_then(|s| s.last()), "{}", n.name);
    }
    assert_eq!(planned.forecast.nodes.len(), if last.is_some() { old } else { 0 });
    let open = planned.forecast.pools.iter().find(|p| p.state == "SCALING");
    assert!(open.is_none(), "a pool is left scaling: {open:?}");
    for f in &planned.forecast.failures {
        let texts = [&f.reason, &f.message, &f.cause, &f.remedy];
        assert!(texts.iter().all(|t| !t.trim().is_empty()), "{f:?}");
    }
}

#[test]
fn each_of_the_seven_failures_of_each_cloud_has_its_scenario() {
    let mut messages = BTreeSet::new();
    for (name, cloud, message, object) in FAILURES {
        let scenario = read(name);
        let expected = if cloud == "AKS" { "ocean-azure" } else { "ocean-aws" };
        assert_eq!(scenario.options.procedure.name(), expected, "{name}");
        let planned = planned(&scenario);
        let f = &planned.forecast.failures[0];
        assert_eq!(f.message, format!("{BEGINNING}{message}"), "{name}");
        assert!(f.cause.contains(object), "{name}: {object} is not in {}", f.cause);
        assert!(!f.advice.is_empty() && f.advice != f.remedy, "{name}");
        assert_eq!(planned.forecast.outcome, "FAILED", "{name}");
        messages.insert((cloud, message));
    }
    assert_eq!(messages.len(), 14);
}

#[test]
fn the_newer_wording_is_an_option_of_the_scenario() {
    let mut scenario = read("ocean-azure-launches-fail");
    scenario.options.ocean.aks_messages = serde_json::from_value(json!("2024-08")).expect("an option");
    let message = planned(&scenario).forecast.message.expect("a message");
    assert!(
        message.starts_with("The migration has failed due to the inability to spin up enough new nodes."),
        "{message}"
    );
}

/// A generated cluster with a trap, migrated on either cloud.
fn trapped(procedure: &str, trap: &Value, options: &Value) -> Planned {
    let mut options = options.clone();
    options["procedure"] = procedure.into();
    // The pool that the nodes leave is no group of Ocean's.
    let pool = match procedure {
        "ocean-aws" => "eks.amazonaws.com/nodegroup",
        _ => "kubernetes.azure.com/agentpool",
    };
    let group = |disk: &str| {
        let machines = json!([{"name": "standard-4"}, {"name": "standard-8"}]);
        json!({"name": disk, "labels": {"disktype": disk}, "machine_types": machines, "max_count": 30})
    };
    let value = json!({
        "scenario": "trapped",
        "cluster": {"generate": {"seed": 23, "nodes": 5, "pods_per_node": 5, "pool_label": pool, "traps": [trap]}},
        "groups": {"inline": {"groups": [group("ssd"), group("hdd")]}},
        "nodes": {"selector": format!("{pool}=old")},
        "options": options,
    });
    let scenario = Scenario::parse(&value.to_string(), Path::new("trapped.json")).expect("a scenario");
    planned(&scenario)
}

fn states(planned: &Planned) -> Vec<&str> {
    planned.forecast.nodes.iter().map(|n| n.state.as_deref().unwrap_or("-")).collect()
}

#[test]
fn what_holds_a_node_is_in_its_state() {
    let held = |trap: &str, options: Value| {
        let planned = trapped("ocean-azure", &json!({"trap": trap}), &options);
        assert_eq!(planned.forecast.migration_state.as_deref(), Some("PARTLY_COMPLETED"));
        let nodes = planned.forecast.nodes.clone();
        nodes.into_iter().filter(|n| n.state.as_deref() != Some("REPLACED")).collect::<Vec<_>>()
    };
    let all = json!("100%");
    let restricted =
        held("restrict_scale_down", json!({"batch_size": all, "ocean": {"respect_restrict_scale_down": true}}));
    assert_eq!(restricted[0].state.as_deref(), Some("NOT_REPLACED_DUE_TO_RSD"));
    assert!(restricted[0].message.as_deref().is_some_and(|m| m.contains("trap-restrict-scale-down")), "{restricted:?}");
    let budget = held("budget_never_met", json!({"batch_size": all}));
    assert!(budget.iter().all(|n| n.state.as_deref() == Some("NOT_REPLACED_DUE_TO_PDB")), "{budget:?}");
    let lone = held("stand_alone_pod", json!({"batch_size": all, "ocean": {"evict_stand_alone_pods": false}}));
    assert_eq!(lone[0].state.as_deref(), Some("DID_NOT_REPLACE"));
    // No group is like some of the nodes: they do not pass validation.
    let mut scenario = read("old-machine-stays");
    scenario.sim.faults.clear();
    scenario.options.batch_size = Some(BatchSize::Nodes(6));
    let groups = scenario.groups.inline.as_mut().and_then(|g| g["groups"].as_array_mut()).expect("two groups");
    groups.retain(|g| g["name"] == "ssd");
    let planned = planned(&scenario);
    let (replaced, invalid): (Vec<_>, Vec<_>) =
        planned.forecast.nodes.iter().partition(|n| n.state.as_deref() == Some("REPLACED"));
    assert!(!replaced.is_empty() && !invalid.is_empty(), "{:?}", states(&planned));
    for n in invalid {
        assert_eq!(n.state.as_deref(), Some("COULD_NOT_BE_REPLACED"));
        assert!(n.message.as_deref().is_some_and(|m| m.contains("no Virtual Node Group matches it")), "{n:?}");
    }
}

#[test]
fn an_instance_that_a_pod_without_a_controller_holds_requires_manual_migration() {
    let options = json!({"batch_size": "50%", "ocean": {"evict_stand_alone_pods": false}});
    let planned = trapped("ocean-aws", &json!({"trap": "stand_alone_pod"}), &options);
    let held: Vec<_> = planned.forecast.nodes.iter().filter(|n| n.state.is_some()).collect();
    assert_eq!(held.len(), 1, "EKS has no other published state of an instance: {:?}", states(&planned));
    assert_eq!(held[0].state.as_deref(), Some("REQUIRES_MANUAL_MIGRATION"));
    let kinds: Vec<(&str, bool)> =
        held[0].pod_details.iter().map(|p| (p.kind.as_str(), p.pod.contains("trap-stand-alone"))).collect();
    assert!(kinds.contains(&("STAND_ALONE_POD", true)) && kinds.contains(&("UNKNOWN", false)), "{kinds:?}");
    assert!(kinds.iter().all(|(kind, is_trap)| (*kind == "STAND_ALONE_POD") == *is_trap), "{kinds:?}");
}

#[test]
fn a_pod_that_was_forced_is_an_event_and_is_listed() {
    let scenario = read("budget-is-forced");
    let planned = planned(&scenario);
    let events: Vec<Event> = planned.events().filter(|e| e.event == EventKind::PodForced).collect();
    assert!(!events.is_empty());
    let named = |e: &Event| (e.pod.clone().expect("its pod"), e.node.clone(), e.batch);
    let listed: Vec<_> =
        planned.forecast.pods_forced.iter().map(|p| (p.pod.clone(), p.node.clone(), p.batch)).collect();
    assert_eq!(listed, events.iter().map(named).collect::<Vec<_>>());
    for e in &events {
        assert!(
            e.message.as_deref().is_some_and(|m| m.starts_with("deleted past its budgets: The disruption budget "))
        );
        assert!(e.node.is_some() && e.batch.is_some() && e.owner.is_some());
    }
}

#[test]
fn other_procedures_have_no_states() {
    let text = include_str!("cli/shop.yaml");
    let scenario = Scenario::parse(text, Path::new("shop.yaml")).expect("a scenario");
    let planned = planned(&scenario);
    let json = serde_json::to_value(&planned.forecast).expect("JSON");
    for field in ["migration_state", "nodes", "pools", "pods_forced"] {
        assert!(json.get(field).is_none(), "{field}");
    }
}

#[test]
fn a_run_whose_world_ends_leaves_nothing_in_progress() {
    let mut scenario = read("takes-too-long");
    scenario.options.ocean.technical_timeout_ms = None;
    scenario.sim.horizon_ms = Some(200_000);
    let planned = planned(&scenario);
    assert_eq!(planned.forecast.reason.as_deref(), Some("horizon"));
    assert_eq!(states(&planned)[0], "COULD_NOT_BE_REPLACED");
    assert!(states(&planned)[1..].iter().all(|s| *s == "TO_BE_REPLACED"));
}

// --- on the command line ---

/// Nodes of an EKS cluster with one pod each, as kubectl prints them.
fn eks(with_instance: impl Fn(usize) -> bool) -> String {
    let mut items = Vec::new();
    for n in 0..4 {
        let name = format!("ip-10-0-0-{n}.eu-central-1.compute.internal");
        let mut spec = json!({});
        if with_instance(n) {
            spec["providerID"] = format!("aws:///eu-central-1a/i-0123456789abcde{n:02}").into();
        }
        items.push(json!({
            "apiVersion": "v1", "kind": "Node", "spec": spec,
            "metadata": {"name": name, "uid": format!("n-{n}"), "labels": {"pool": "old", "kubernetes.io/hostname": name}},
            "status": {
                "allocatable": {"cpu": "4", "memory": "16Gi", "pods": "58"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }));
        items.push(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("web-{n}"), "namespace": "default", "uid": format!("p-{n}"),
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": true}],
            },
            "spec": {"nodeName": name, "containers": [{"name": "c", "image": "i"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }));
    }
    items.push(json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": "default", "uid": "rs"},
        "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "web"}}},
    }));
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

#[test]
fn the_create_call_of_eks_is_written_for_a_dump() {
    let dir = Dir::new();
    let dump = dir.file("dump.json", &eks(|_| true));
    let plan = |more: &[&str]| {
        let args = ["plan", &dump, "-l", "pool=old", "--procedure", "ocean-aws", "--emit-request"];
        nodeferry(&dir, &[&args[..], more].concat())
    };
    let ran = plan(&["-", "--batch-size", "2", "--cordon", "all-first", "--force-pdb"]);
    let instances: Vec<String> = (0..4).map(|n| format!("i-0123456789abcde{n:02}")).collect();
    assert_eq!(
        ran.json(),
        json!({"migration": {
            "instanceIds": instances,
            "shouldTerminateDrainedNodes": true,
            "shouldEvictStandAlonePods": true,
            "forcePodEvictionOnPdbFailure": true,
            "batchSizePercentage": 50,
        }})
    );
    assert_eq!(
        ran.stderr,
        "request: batch_size 2 nodes is said as 50 %, which makes batches of as many nodes\n\
         request: left out: options.cordon (all-first); Ocean cordons the nodes of a batch when it begins\n"
    );
    // Into a file, beside the plan as people read it.
    let file = dir.path("create.json");
    let ran = plan(&[&file]);
    assert!(ran.stdout.contains("\nPlan: empty 4 nodes"), "{}", ran.stdout);
    let body: Value = serde_json::from_str(&std::fs::read_to_string(file).expect("a body")).expect("JSON");
    assert_eq!(body["migration"]["batchSizePercentage"], 20);

    let dump = dir.file("lacks.json", &eks(|n| n != 2));
    let ran = nodeferry(&dir, &["plan", &dump, "-l", "pool=old", "--procedure", "ocean-aws", "--emit-request", "-"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("these nodes have none: ip-10-0-0-2.eu-central-1.compute.internal (no providerID)"));
    assert!(!ran.stderr.contains("ip-10-0-0-1"), "{}", ran.stderr);
}

#[test]
fn the_create_call_of_aks_is_written_and_other_procedures_have_none() {
    let dir = Dir::new();
    let dump = dir.file("dump.json", &eks(|_| true));
    let args = |procedure: &'static str, more: &'static [&'static str]| {
        let args = ["plan", "dump.json", "-l", "pool=old", "--procedure", procedure, "--emit-request", "-"];
        [&args[..], more].concat()
    };
    assert!(dump.ends_with("dump.json"));
    let ran =
        nodeferry(&dir, &args("ocean-azure", &["--comment", "the old pool", "--respect-restrict-scale-down", "true"]));
    let body = ran.json();
    assert_eq!(body["nodeNames"].as_array().map(Vec::len), Some(4));
    assert_eq!(body["comment"], "the old pool");
    assert_eq!(body["respectRestrictScaleDown"], true);
    let keys: BTreeSet<&str> = body.as_object().expect("flat").keys().map(String::as_str).collect();
    let expected = "nodeNames batchSizePercentage batchMinHealthyPercentage comment respectPdb respectRestrictScaleDown \
                    shouldTerminateNodes shouldEvictStandalonePods";
    assert_eq!(keys, expected.split(' ').collect());
    for (args, error) in [
        (args("kubectl-drain", &[]), "procedure kubectl-drain is not Ocean's"),
        (args("ocean-aws", &["--comment", "x"]), "the call on EKS has no comment"),
        (args("ocean-aws", &["--respect-restrict-scale-down", "true"]), "nodes that it is to keep would be drained"),
        (args("ocean-azure", &["--trace", "-"]), "both want the standard output"),
    ] {
        let ran = nodeferry(&dir, &args);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{args:?}");
        assert!(ran.stderr.contains(error), "{}", ran.stderr);
    }
}

#[test]
fn a_rehearsed_execution_is_told_by_status_and_listed_by_history() {
    let dir = Dir::new();
    let text = std::fs::read_to_string(scenario_file("rehearse/ocean")).expect("a scenario");
    let scenario = dir.file("ocean.yaml", &text.replace("ocean-aws", "ocean-azure"));
    let nothing = nodeferry(&dir, &["history"]);
    assert_eq!(nothing.status, 0, "{}", nothing.stderr);
    assert!(nothing.stdout.starts_with("No executions in .: no directory in it has the journal.jsonl of one"));
    assert_eq!(nodeferry(&dir, &["history", "-o", "json"]).stdout.trim(), "[]");

    let ran = nodeferry(&dir, &["rehearse", &scenario, "--seeds", "1", "--journal", "runs/first"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let status = nodeferry(&dir, &["status", "runs/first", "-o", "json"]).json();
    let state = status["migration_state"].as_str().expect("a state").to_owned();
    assert_eq!(status["outcome"], state.as_str(), "AKS words its outcome as we do");
    let nodes = status["nodes"].as_array().expect("nodes");
    for n in nodes {
        let word = n["state"].as_str().expect("each node has a state");
        assert!(azure::NODE_STATES.contains(&word) && word != "IN_PROGRESS", "{n}");
    }
    assert!(!status["pools"].as_array().expect("pools").is_empty());
    let text = nodeferry(&dir, &["status", "runs/first"]).stdout;
    assert!(text.contains(&format!("  ocean     {state}\n")), "{text}");
    assert!(text.contains("NEW POOL  OCEAN") && text.contains("new nodes are Ready"), "{text}");
    let told = nodeferry(&dir, &["history", "runs/first"]).stdout;
    for wanted in ["migration state IN_PROGRESS", "TO_BE_REPLACED", "pool state of group ssd SCALING"] {
        assert!(told.contains(wanted), "{wanted} is not in\n{told}");
    }

    let listed = nodeferry(&dir, &["history", "--dir", "runs", "-o", "json"]).json();
    let replaced = nodes.iter().filter(|n| n["state"] == "REPLACED").count();
    assert_eq!(listed[0]["id"], status["execution"]);
    assert_eq!(listed[0]["migration_state"], state.as_str());
    assert_eq!(
        (listed[0]["replaced"].as_u64(), listed[0]["nodes"].as_u64()),
        (Some(replaced as u64), Some(nodes.len() as u64))
    );
    assert!(listed[0]["completed_at"].is_string() && listed[0]["journal"] == "runs/first");
    let of = |cluster: &str| nodeferry(&dir, &["history", "--dir", "runs", "--cluster", cluster]).stdout;
    assert!(of("simulated").starts_with("EXECUTION  "), "{}", of("simulated"));
    assert!(of("prod").starts_with("No executions of cluster prod in runs (1 of other clusters)"), "{}", of("prod"));
    let refused = nodeferry(&dir, &["history", "--dir", "nowhere"]);
    assert_eq!((refused.status, refused.stdout.as_str()), (2, ""));
}
