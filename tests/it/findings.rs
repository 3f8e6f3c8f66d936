//! Each finding says what it does to the run, and a run does it: one small cluster for each code, and its trace.
//!
//! [`effects`] lists the codes that a test of its module asserts; such a test fails if the finding did not come up in one of its runs. What lists
//! which codes stands in this file, `effects` and `dump_knows`, and [`every_code_has_a_check`] fails for a code of the registry in none of them.

use crate::cli::{Dir, nodeferry};
use crate::dump_knows::{LONG_AGO, Planned, budget, node, nodes, owner, plan, pod, replica_set, text, unready};
use nodeferry::snapshot::diagnostics::TABLE;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    /// Codes that the test under way has seen among the findings of a run.
    static SEEN: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Forgets what an earlier test of this thread has seen.
pub(crate) fn begin() {
    SEEN.with_borrow_mut(BTreeSet::clear);
}

/// A finding of this code came up.
pub(crate) fn saw(code: &str) {
    SEEN.with_borrow_mut(|seen| _ = seen.insert(code.to_owned()));
}

/// Fails if one of these codes did not come up.
pub(crate) fn all_seen(codes: &[&str]) {
    let missing: Vec<&&str> = SEEN.with_borrow(|seen| codes.iter().filter(|c| !seen.contains(**c)).collect());
    assert!(missing.is_empty(), "the test says that it looks at these findings, and they did not come up: {missing:?}");
}

/// The codes whose effect each test of a module asserts. Makes a test of each function.
macro_rules! effects {
    ($($test:ident: $($code:literal)+;)+) => {
        /// Codes whose effect is asserted here.
        pub(crate) const CHECKED: &[&str] = &[$($($code,)+)+];

        mod effect {
            $(
                #[test]
                fn $test() {
                    crate::findings::begin();
                    super::$test();
                    crate::findings::all_seen(&[$($code),+]);
                }
            )+
        }
    };
}
pub(crate) use effects;

#[test]
fn every_code_has_a_check() {
    let checked: BTreeSet<&str> =
        [CHECKED, crate::effects::CHECKED, crate::dump_knows::CHECKED].into_iter().flatten().copied().collect();
    let all: BTreeSet<&str> = TABLE.iter().map(|d| d.code).collect();
    let unchecked: Vec<&&str> = all.difference(&checked).collect();
    assert!(unchecked.is_empty(), "no test asserts what these findings say that they do: {unchecked:?}");
    let unknown: Vec<&&str> = checked.difference(&all).collect();
    assert!(unknown.is_empty(), "the registry has no such codes: {unknown:?}");
}

effects! {
    gates_that_nobody_times_are_assumed: "approval-not-counted" "check-time-assumed";
    an_autoscaler_is_assumed_that_launches_what_lacks_room: "autoscaler-assumed" "groups-inferred" "price-unknown";
    without_the_old_nodes_pods_have_no_room: "capacity-short";
    kubectl_refuses_daemon_sets_and_local_storage_without_its_flags: "daemonset-refused" "local-storage-refused";
    a_delay_that_is_given_is_the_one_of_the_run: "delay-origin";
    pods_that_did_not_reach_ocean_are_counted: "did-not-reach-ocean" "ocean-imitated";
    a_group_of_another_machine_type_is_a_match: "group-match-note";
    pools_read_off_the_nodes_stand_in_for_virtual_node_groups: "groups-stand-in" "virtual-node-groups-unknown";
    a_node_without_a_group_is_not_migrated: "no-matching-group";
    the_old_nodes_own_group_launches_nothing: "source-group-only";
    pods_that_ask_for_spot_nodes_hold_their_nodes: "spot-affinity";
    pods_that_do_not_tolerate_spot_nodes_hold_their_nodes: "spot-toleration-missing";
    a_marked_pod_holds_its_node_unless_marks_are_ignored: "restrict-scale-down" "restrict-scale-down-ignored";
    a_bare_pod_holds_its_node: "stand-alone-pod-holds-node";
    the_left_group_grows_unless_others_are_named: "left-group-grows";
    what_is_pending_at_the_start_refuses_the_migration: "pending-at-start";
    a_pod_that_no_node_could_take_stays_pending: "pod-no-host";
    a_pod_under_two_budgets_is_never_evicted: "two-budgets" "budget-never-met";
    a_volume_of_a_zone_without_nodes_keeps_its_pod_pending: "volume-zone";
    oceans_controller_decides: "ocean-controller-absent" "ocean-controller-not-ready" "ocean-controller-old";
    a_node_of_oceans_is_left_out: "ocean-node-left-out";
    what_runs_beside_ocean_changes_nothing: "autoscaled-pools" "autoscaled-pools-unknown" "cluster-autoscaler-active" "karpenter-active" "kubernetes-version-old";
    what_is_no_object_is_passed_over: "document-passed-over";
    a_dump_that_is_not_whole_is_refused: "dump-not-whole" "pods-missing";
    a_dump_without_nodes_is_refused: "no-nodes-in-dump";
    missing_owners_are_made_up_for: "no-replicasets-in-dump" "no-replication-controllers-in-dump" "no-statefulsets-in-dump" "no-deployments-in-dump";
    a_pod_without_its_node_or_its_owner_is_left_out_or_not_replaced: "node-missing" "owner-missing";
    a_pod_of_another_scheduler_is_not_placed: "other-scheduler";
    pods_of_other_namespaces_are_not_moved: "pods-of-one-namespace";
    what_of_a_scheduler_is_not_modelled_changes_nothing: "scheduler-argument-not-modelled" "scheduler-extender" "scheduler-plugin-not-modelled" "scheduler-plugin-unknown" "schedulers-as-one";
    the_version_is_that_of_the_newest_kubelet_or_the_nearest_known: "kubelets-differ" "kubernetes-version-unknown";
    what_a_group_does_not_say_is_assumed: "group-max-assumed" "group-zones-assumed" "machine-reservation-assumed";
    what_of_a_group_is_not_read_or_applied_allows_more: "group-fields-not-read" "machine-filters-not-modelled" "group-requirement-not-applied" "group-requirement-not-read";
    what_of_a_group_is_not_known_allows_less: "group-not-read" "group-value-unknown" "group-without-machines" "machine-size-unknown";
    a_rollout_under_way_does_not_go_on: "rollout-under-way";
    a_resource_that_no_node_offers_comes_with_a_group_that_does: "extended-resource-absent";
    a_webhook_without_a_backend_refuses_pods_from_the_start: "webhook-without-backend";
}

// --- worlds ---

/// A run of a scenario with these objects.
fn scenario(objects: &[Value], more: Value) -> Planned {
    let mut all = json!({"scenario": "a finding", "cluster": {"objects": objects}, "nodes": {"selector": "pool=old"}, "autoscaler": {"kind": "none"}});
    json_patch::merge(&mut all, &more);
    let dir = Dir::new();
    let file = dir.file("scenario.json", &all.to_string());
    run(&dir, &["plan", &file])
}

/// A run of a dump for the pool `old`, with whatever autoscaler the flags say.
fn drain(objects: &[Value], more: &[&str]) -> Planned {
    let dir = Dir::new();
    let file = dump(&dir, objects);
    run(&dir, &[&["plan", &file, "-l", "pool=old", "--batch-size", "1", "--cordon", "all-first"][..], more].concat())
}

fn dump(dir: &Dir, objects: &[Value]) -> String {
    dir.file("dump.json", &json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())
}

/// A run with its trace.
fn run(dir: &Dir, args: &[&str]) -> Planned {
    let trace = dir.path("trace.jsonl");
    let ran = nodeferry(dir, &[args, &["--replications", "1", "-o", "json", "--trace", &trace]].concat());
    let text = std::fs::read_to_string(&trace).unwrap_or_default();
    Planned { ran, trace: text.lines().map(|l| serde_json::from_str(l).expect("an event")).collect() }
}

/// A run of Ocean's migration with these groups (nodeferry's own form); `m` has four cores.
fn ocean(objects: &[Value], groups: &Value, more: &[&str]) -> Planned {
    ocean_of("ocean-azure", objects, groups, more)
}

fn ocean_of(procedure: &str, objects: &[Value], groups: &Value, more: &[&str]) -> Planned {
    let dir = Dir::new();
    let all = json!({"machine_types": [{"name": "m", "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20"}}], "groups": groups});
    let groups = dir.file("groups.json", &all.to_string());
    let file = dump(&dir, objects);
    let args = ["plan", &file, "-l", "pool=old", "--procedure", procedure, "--groups", &groups];
    run(&dir, &[&args[..], more].concat())
}

/// A group that matches the old nodes.
fn fresh() -> Value {
    json!([{"name": "fresh", "labels": {"pool": "old"}, "machine_types": [{"name": "m"}], "max_count": 9}])
}

fn web(on: &str) -> Value {
    pod("web-a", on, "apps/v1", "ReplicaSet", "web")
}

/// Two old nodes and two new ones, and a pod on the first.
fn plain() -> Vec<Value> {
    let mut objects = nodes();
    objects.extend([web("old-1"), replica_set("web", 1)]);
    objects
}

/// One old node with a pod of three cores, and one new node that another fills.
fn cramped() -> Vec<Value> {
    let asks = |mut pod: Value| {
        pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("3");
        pod
    };
    vec![
        node("old-1", "old"),
        node("new-1", "new"),
        asks(web("old-1")),
        replica_set("web", 1),
        asks(pod("full-a", "new-1", "apps/v1", "ReplicaSet", "full")),
        replica_set("full", 1),
    ]
}

impl Planned {
    fn launched(&self) -> Vec<&Value> {
        self.trace.iter().filter(|e| e["event"] == "node_added" && e["initial"] != true).collect()
    }

    fn at(&self, event: &str) -> Option<i64> {
        let of = |e: &&Value| e["event"] == event && e["initial"] != true;
        self.trace.iter().find(of).and_then(|e| e["t_ms"].as_i64())
    }

    /// Nothing else comes of it than of a run without its cause.
    fn as_without(&self, other: &Planned, code: &str) {
        assert!(self.has(code) && !other.has(code), "{code}: {}{}", self.ran.stderr, self.json());
        assert!(!self.trace.is_empty());
        assert_eq!(self.trace, other.trace, "{code} changes nothing");
        assert_eq!(self.outcome(), other.outcome());
    }
}

// --- gates, assumptions ---

fn gates_that_nobody_times_are_assumed() {
    let gap = |p: &Planned| {
        let at = |event: &str, batch: u64| {
            let of = |e: &&Value| e["event"] == event && e["batch"] == batch;
            p.trace
                .iter()
                .find(of)
                .and_then(|e| e["t_ms"].as_i64())
                .unwrap_or_else(|| panic!("{event} {batch}: {:#}", p.json()))
        };
        at("batch_started", 1) - at("batch_finished", 0)
    };
    let gates = |gates: Value, sim: Value| {
        scenario(&plain(), json!({"options": {"batch_size": 1, "gates": gates}, "sim": {"gates": sim}}))
    };
    let asks = || json!({"approval": {"when": "every-batch"}});
    let p = gates(asks(), json!({}));
    assert!(p.says("approval-not-counted").outcome() == "COMPLETED" && gap(&p) < 100, "it comes at once: {}", gap(&p));
    let p = gates(asks(), json!({"approval": {"constant": {"ms": 900_000}}}));
    assert!(!p.has("approval-not-counted") && gap(&p) >= 900_000, "{}", gap(&p));
    let checks = || json!({"check": {"command": ["./slo-ok"]}});
    let p = gates(checks(), json!({}));
    assert!((1_000..2_000).contains(&gap(p.says("check-time-assumed"))), "it runs for a second: {}", gap(&p));
    let p = gates(checks(), json!({"check": {"constant": {"ms": 30_000}}}));
    assert!(!p.has("check-time-assumed") && gap(&p) >= 30_000, "{}", gap(&p));
}

fn an_autoscaler_is_assumed_that_launches_what_lacks_room() {
    let p = drain(&cramped(), &[]);
    p.says("autoscaler-assumed").says("groups-inferred").says("price-unknown");
    assert_eq!((p.outcome().as_str(), p.launched().len()), ("COMPLETED", 1), "{:#}", p.json());
    assert!(p.json()["cost_micros"].is_null() && p.json()["cost"].is_null(), "{:#}", p.json());
    let p = drain(&cramped(), &["--autoscaler", "none"]);
    assert!(!p.has("autoscaler-assumed"));
    assert_eq!((p.outcome().as_str(), p.launched().len()), ("FAILED", 0));
    // Twelve pods of a node each: an inferred group of one node may have eleven, of which ten are new.
    let mut objects = vec![node("old-1", "old")];
    objects[0]["status"]["allocatable"]["cpu"] = json!("48");
    objects.push(replica_set("web", 12));
    for i in 0..12 {
        let mut pod = pod(&format!("web-{i}"), "old-1", "apps/v1", "ReplicaSet", "web");
        pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("3");
        pod["spec"]["nodeSelector"] = json!({"pool": "new"});
        objects.push(pod);
    }
    objects.push(node("new-1", "new"));
    let p = drain(&objects, &["--autoscaler", "reactive"]);
    assert_eq!(p.says("groups-inferred").launched().len(), 10, "{:#}", p.json());
}

fn without_the_old_nodes_pods_have_no_room() {
    let dir = Dir::new();
    let with = |most: u32| {
        let groups = json!({"machine_types": [{"name": "m", "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20"}}],
            "groups": [{"name": "new", "labels": {"pool": "new"}, "match_labels": {"pool": "new"}, "machine_types": [{"name": "m"}], "max_count": most}]});
        let mut groups = groups;
        groups["groups"][0].as_object_mut().expect("a group").remove("match_labels");
        let file = dir.file("groups.json", &groups.to_string());
        drain(&cramped(), &["--groups", &file, "--autoscaler", "reactive"])
    };
    let p = with(1);
    assert!(p.says("capacity-short").count("pod_unschedulable") > 0 && p.outcome() == "FAILED", "{:#}", p.json());
    let p = with(3);
    assert!(!p.has("capacity-short") && p.outcome() == "COMPLETED", "{:#}", p.json());
}

fn kubectl_refuses_daemon_sets_and_local_storage_without_its_flags() {
    let mut objects = plain();
    objects.extend([
        owner("apps/v1", "DaemonSet", "agent", json!({})),
        pod("agent-a", "old-1", "apps/v1", "DaemonSet", "agent"),
    ]);
    let flags = |name: &str, value: bool| json!({"options": {"kubectl_drain": {name: value}}});
    let p = scenario(&objects, flags("ignore_daemonsets", false));
    assert_eq!((p.says("daemonset-refused").count("eviction_accepted"), p.count("drain_failed")), (0, 1));
    let p = scenario(&objects, flags("ignore_daemonsets", true));
    assert!(!p.has("daemonset-refused"));
    p.moved();
    let mut objects = plain();
    objects[4]["spec"]["volumes"] = json!([{"name": "scratch", "emptyDir": {}}]);
    let p = scenario(&objects, flags("delete_emptydir_data", false));
    assert_eq!((p.says("local-storage-refused").count("eviction_accepted"), p.count("drain_failed")), (0, 1));
    let p = scenario(&objects, flags("delete_emptydir_data", true));
    assert!(!p.has("local-storage-refused"));
    p.moved();
}

fn a_delay_that_is_given_is_the_one_of_the_run() {
    for seconds in [7, 12] {
        let delays = json!({"sim": {"delays": {"stop": {"constant": {"ms": seconds * 1_000}}}}});
        let p = scenario(&plain(), delays);
        let said = p.json()["findings"].to_string();
        assert!(said.contains(&format!("stop delay given: constant {seconds}000 ms")), "{said}");
        let took = p.at("pod_terminated").expect("an end")
            - p.says("delay-origin").at("eviction_accepted").expect("an eviction");
        assert!((seconds * 1_000..seconds * 1_000 + 100).contains(&took), "{took}");
    }
}

// --- Ocean ---

fn pods_that_did_not_reach_ocean_are_counted() {
    let mut objects = nodes();
    objects.push(replica_set("web", 6));
    objects.extend((0..6).map(|i| pod(&format!("web-{i}"), "old-1", "apps/v1", "ReplicaSet", "web")));
    let p = ocean(&objects, &fresh(), &[]);
    p.says("did-not-reach-ocean").says("ocean-imitated");
    let elsewhere = p.bound_to().iter().filter(|n| n.starts_with("new-")).count();
    assert!(elsewhere > 0 && p.outcome() == "COMPLETED", "their node is replaced all the same: {:#}", p.json());
    assert!(!p.launched().is_empty(), "room on nodes that are not Ocean's spares no launch");
    assert_eq!(p.json()["did_not_reach_ocean"].as_array().map(Vec::len), Some(elsewhere));
    // Where Ocean documents nothing the rule is an option: whose room counts is one.
    let mut all = json!({"options": {"procedure": "ocean-azure", "ocean": {"free_room": "any"}}, "autoscaler": null});
    all["groups"] = json!({"inline": {"machine_types": [{"name": "m", "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20"}}], "groups": fresh()}});
    let p = scenario(&objects, all);
    assert!(p.has("ocean-imitated") && p.launched().is_empty() && p.outcome() == "COMPLETED", "{:#}", p.json());
}

fn a_group_of_another_machine_type_is_a_match() {
    let mut objects = plain();
    for node in &mut objects[..2] {
        node["metadata"]["labels"]["node.kubernetes.io/instance-type"] = json!("large");
    }
    let p = ocean(&objects, &fresh(), &[]);
    p.says("group-match-note").moved();
    assert!(p.trace.iter().any(|e| e["event"] == "node_launch_requested" && e["group"] == "fresh"), "{:#}", p.json());
}

fn pools_read_off_the_nodes_stand_in_for_virtual_node_groups() {
    let mut objects = plain();
    objects.iter_mut().take(4).for_each(|n| {
        n["metadata"]["labels"]["kubernetes.azure.com/agentpool"] = n["metadata"]["labels"]["pool"].clone()
    });
    let p = drain(&objects, &["--procedure", "ocean-azure"]);
    p.says("groups-stand-in").says("virtual-node-groups-unknown");
    let named =
        p.json()["failures"].to_string() + &p.launched().iter().map(|e| e["group"].to_string()).collect::<String>();
    assert!(named.contains("new"), "the pool that stays stands for a group: {named}");
    let p = ocean(&objects, &fresh(), &[]);
    assert!(
        !p.has("groups-stand-in") && !p.has("virtual-node-groups-unknown") && p.outcome() == "COMPLETED",
        "{:#}",
        p.json()
    );
}

fn a_node_without_a_group_is_not_migrated() {
    let other =
        json!([{"name": "fresh", "labels": {"pool": "other"}, "machine_types": [{"name": "m"}], "max_count": 9}]);
    let p = ocean(&plain(), &other, &[]);
    assert_eq!((p.says("no-matching-group").count("eviction_accepted"), p.launched().len()), (0, 0));
    assert_eq!(p.json()["failures"][0]["reason"], "no-valid-node", "{:#}", p.json());
}

fn the_old_nodes_own_group_launches_nothing() {
    let objects: Vec<Value> = plain()
        .into_iter()
        .filter(|o| !o["metadata"]["name"].as_str().is_some_and(|n| n.starts_with("new-")))
        .collect();
    let p = drain(&objects, &["--procedure", "ocean-azure"]);
    assert_eq!((p.says("source-group-only").launched().len(), p.outcome().as_str()), (0, "FAILED"), "{:#}", p.json());
}

fn pods_that_ask_for_spot_nodes_hold_their_nodes() {
    let mut objects = plain();
    objects[4]["spec"]["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "kubernetes.azure.com/scalesetpriority", "operator": "In", "values": ["spot"]}]}]}}});
    let p = ocean(&objects, &fresh(), &[]);
    assert_eq!(p.says("spot-affinity").count("eviction_accepted"), 0, "{:#}", p.json());
    assert_ne!(p.outcome(), "COMPLETED");
}

fn pods_that_do_not_tolerate_spot_nodes_hold_their_nodes() {
    let spot = json!([{"name": "fresh", "labels": {"pool": "old"}, "machine_types": [{"name": "m"}], "max_count": 9, "spot_percent": 100, "fallback_to_on_demand": false}]);
    let p = ocean(&plain(), &spot, &[]);
    assert_eq!(p.says("spot-toleration-missing").count("eviction_accepted"), 0, "{:#}", p.json());
    let mut objects = plain();
    objects[4]["spec"]["tolerations"] = json!([{"key": "kubernetes.azure.com/scalesetpriority", "operator": "Equal", "value": "spot", "effect": "NoSchedule"}]);
    let p = ocean(&objects, &spot, &[]);
    assert!(!p.has("spot-toleration-missing") && p.count("eviction_accepted") == 1, "{:#}", p.json());
}

fn a_marked_pod_holds_its_node_unless_marks_are_ignored() {
    let mut objects = plain();
    objects[4]["metadata"]["labels"]["spotinst.io/restrict-scale-down"] = json!("true");
    let p = ocean(&objects, &fresh(), &["--respect-restrict-scale-down", "true"]);
    assert_eq!(p.says("restrict-scale-down").count("eviction_accepted"), 0, "{:#}", p.json());
    assert!(p.trace.iter().all(|e| e["event"] != "node_drained" || e["node"] != "old-1"));
    let p = ocean(&objects, &fresh(), &["--respect-restrict-scale-down", "false"]);
    p.says("restrict-scale-down-ignored").moved();
}

fn a_bare_pod_holds_its_node() {
    let mut objects = nodes();
    let mut bare = web("old-1");
    bare["metadata"]["ownerReferences"] = json!([]);
    objects.push(bare);
    let p = ocean(&objects, &fresh(), &["--evict-stand-alone-pods", "false"]);
    assert_eq!(p.says("stand-alone-pod-holds-node").count("eviction_accepted"), 0, "{:#}", p.json());
    assert!(p.blockers().contains("pod team/web-a has no controller and may not be evicted"), "{}", p.blockers());
}

/// Ocean's controller as a Deployment, and a pod of it.
fn controller(name: &str, image: &str, waits: Option<&str>) -> [Value; 2] {
    let mut deployment = owner("apps/v1", "Deployment", name, json!({"replicas": 1}));
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
    let mut own = pod(&format!("{name}-0"), "new-1", "apps/v1", "Deployment", name);
    own["spec"]["containers"][0]["image"] = json!(image);
    if waits.is_some() {
        unready(&mut own, "Running", LONG_AGO, waits);
    }
    [deployment, own]
}

fn oceans_controller_decides() {
    let with = |controller: [Value; 2], procedure: &str| {
        let mut objects = plain();
        objects.extend(controller);
        ocean_of(procedure, &objects, &fresh(), &[])
    };
    let image = "spotinst/ocean-kubernetes-controller:2.0.68";
    let p = with(controller("other", "example.com/other:1", None), "ocean-azure");
    p.says("ocean-controller-absent");
    assert_eq!((p.outcome().as_str(), p.count("eviction_accepted")), ("COMPLETED", 1), "{:#}", p.json());
    let p = with(controller("ocean-controller", image, Some("CrashLoopBackOff")), "ocean-azure");
    assert_eq!(p.says("ocean-controller-not-ready").count("eviction_accepted"), 0);
    assert_eq!(p.json()["failures"][0]["reason"], "connectivity", "{:#}", p.json());
    let p = with(
        controller("spotinst-kubernetes-cluster-controller", "spotinst/kubernetes-cluster-controller:1.0.101", None),
        "ocean-aws",
    );
    p.says("ocean-controller-old");
    assert_eq!((p.outcome().as_str(), p.count("eviction_accepted")), ("COMPLETED", 1), "{:#}", p.json());
}

fn a_node_of_oceans_is_left_out() {
    let mut objects = plain();
    objects[1]["metadata"]["labels"]["spotinst.io/node-lifecycle"] = json!("od");
    objects.extend([pod("two-a", "old-2", "apps/v1", "ReplicaSet", "two"), replica_set("two", 1)]);
    let p = ocean(&objects, &fresh(), &[]);
    p.says("ocean-node-left-out");
    assert_eq!(
        (p.outcome().as_str(), p.pods("eviction_accepted")),
        ("COMPLETED", vec!["team/web-a".to_owned()]),
        "{:#}",
        p.json()
    );
}

fn what_runs_beside_ocean_changes_nothing() {
    let status = |group: &str| {
        let text = format!(
            "time: 2026-05-05 11:59:58 +0000 UTC\nautoscalerStatus: Running\nnodeGroups:\n- name: {group}\n  health: {{minSize: 1, maxSize: 5}}\n"
        );
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster-autoscaler-status", "namespace": "kube-system"}, "data": {"status": text}})
    };
    let old = |version: &str| {
        let mut objects = plain();
        for (i, node) in objects[..4].iter_mut().enumerate() {
            node["spec"] = json!({"providerID": format!("azure:///subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/aks-old-1-vmss/virtualMachines/{i}")});
            node["status"]["nodeInfo"]["kubeletVersion"] = json!(version);
        }
        objects
    };
    let with = |more: Option<Value>, flags: &[&str]| {
        let mut objects = old("v1.35.1");
        objects.extend(more);
        ocean(&objects, &fresh(), flags)
    };
    let without = with(None, &[]);
    without.says("autoscaled-pools-unknown").moved();
    with(Some(status("aks-old-1-vmss")), &[]).as_without(&without, "autoscaled-pools");
    with(Some(status("aks-old-1-vmss")), &[]).as_without(&without, "cluster-autoscaler-active");
    let pool = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"}});
    with(Some(pool), &[]).as_without(&without, "karpenter-active");
    with(None, &["--oldest-kubernetes", "1.36"]).as_without(&without, "kubernetes-version-old");
}

// --- what stands in the way ---

fn the_left_group_grows_unless_others_are_named() {
    let mut objects = cramped();
    // The new pool's machines are larger: the smallest that fits is one of the pool that is left.
    objects[1]["status"]["allocatable"] = json!({"cpu": "16", "memory": "64Gi", "pods": "110"});
    objects[4]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("15");
    let groups = |p: &Planned| p.launched().iter().map(|e| text(e, "group")).collect::<Vec<_>>();
    let p = drain(&objects, &["--autoscaler", "reactive"]);
    assert_eq!(groups(p.says("left-group-grows")), ["pool=old"], "{:#}", p.json());
    let p = drain(&objects, &["--autoscaler", "reactive", "--to", "pool=new"]);
    assert_eq!((p.has("left-group-grows"), groups(&p)), (false, vec!["pool=new".to_owned()]), "{:#}", p.json());
}

fn what_is_pending_at_the_start_refuses_the_migration() {
    let mut waits = pod("big-a", "old-1", "apps/v1", "ReplicaSet", "big");
    waits["spec"]["nodeName"] = Value::Null;
    waits["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("100");
    waits["status"] = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": LONG_AGO}]});
    let mut objects = plain();
    objects.extend([waits, replica_set("big", 1)]);
    let p = ocean(&objects, &fresh(), &[]);
    assert_eq!(p.says("pending-at-start").count("eviction_accepted"), 0);
    assert_eq!(p.json()["failures"][0]["reason"], "unscheduled-at-start", "{:#}", p.json());
    // kubectl drain does not ask; it is an info then.
    let p = plan(&objects, &[]);
    assert_eq!(
        (p.finding("pending-at-start")["severity"].as_str(), p.count("eviction_accepted")),
        (Some("info"), 1),
        "{:#}",
        p.json()
    );
}

fn a_pod_that_no_node_could_take_stays_pending() {
    let mut objects = plain();
    objects[4]["spec"]["nodeSelector"] = json!({"pool": "old"});
    let p = plan(&objects, &["--source-groups-may-grow", "false"]);
    let p = if p.ran.status == 2 { plan(&objects, &["--to", "pool=new"]) } else { p };
    assert_eq!((p.says("pod-no-host").count("eviction_accepted"), p.bound_to()), (1, vec![]), "{:#}", p.json());
    assert!(p.count("pod_unschedulable") > 0 && p.outcome() == "FAILED");
}

fn a_pod_under_two_budgets_is_never_evicted() {
    let mut second = budget("web", json!({"maxUnavailable": 1}), [1, 0, 1]);
    second["metadata"]["name"] = json!("also-web");
    let mut objects = plain();
    objects.extend([second, budget("web", json!({"maxUnavailable": 1}), [1, 0, 1])]);
    let p = plan(&objects, &[]);
    let refused: Vec<&Value> = p.trace.iter().filter(|e| e["event"] == "eviction_refused").collect();
    assert!(!refused.is_empty() && refused.iter().all(|e| e["code"] == 500), "{refused:?}");
    assert_eq!(p.says("two-budgets").count("eviction_accepted"), 0);
    // Under one that can never be met all are refused, with another code.
    let mut objects = plain();
    objects.push(budget("web", json!({"maxUnavailable": 0}), [1, 1, 1]));
    let p = plan(&objects, &[]);
    assert!(p.says("budget-never-met").count("eviction_refused") > 10 && p.count("eviction_accepted") == 0);
    assert!(p.trace.iter().all(|e| e["event"] != "eviction_refused" || e["code"] == 429));
    assert!(p.trace.iter().all(|e| e["event"] != "node_drained" || e["node"] != "old-1"), "its node is not replaced");
}

fn a_volume_of_a_zone_without_nodes_keeps_its_pod_pending() {
    let with = |zone: &str| {
        let mut objects = plain();
        for (i, node) in objects[..4].iter_mut().enumerate() {
            node["metadata"]["labels"]["topology.kubernetes.io/zone"] = json!(if i < 2 { "a" } else { "b" });
        }
        objects[4]["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
        objects.push(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": "team", "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "pv-data"}, "status": {"phase": "Bound"}}));
        objects.push(json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-data"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "csi": {"driver": "disk.example.com", "volumeHandle": "h"},
            "claimRef": {"namespace": "team", "name": "data"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]}]}}}}));
        plan(&objects, &["--to", "pool=new"])
    };
    let p = with("a");
    assert_eq!((p.says("volume-zone").count("eviction_accepted"), p.bound_to()), (1, vec![]), "{:#}", p.json());
    let blockers = p.blockers();
    assert!(blockers.contains("volume pv-data (claim team/data) can be used on no node that takes pods"), "{blockers}");
    assert!(blockers.contains("Bring a node to where") && !blockers.contains("Make room"), "{blockers}");
    let p = with("b");
    assert!(!p.has("volume-zone"), "{:#}", p.json());
    p.moved();
}

fn a_webhook_without_a_backend_refuses_pods_from_the_start() {
    let with = |since: &str, reason: Option<&str>| {
        let hook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "guard"}, "webhooks": [{
            "name": "guard.example.com", "clientConfig": {"service": {"namespace": "team", "name": "guard"}},
            "objectSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["guard"]}]},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]}]});
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "guard", "namespace": "team"}, "spec": {"selector": {"app": "guard"}}});
        let mut backend = pod("guard-a", "new-1", "apps/v1", "ReplicaSet", "guard");
        unready(&mut backend, "Running", since, reason);
        backend["status"]["startTime"] = json!(since);
        let mut objects = plain();
        objects.extend([hook, service, backend, replica_set("guard", 1)]);
        plan(&objects, &[])
    };
    let p = with(LONG_AGO, Some("CrashLoopBackOff"));
    assert_eq!(p.finding("webhook-without-backend")["severity"], "error");
    assert_eq!(
        (p.count("eviction_accepted"), p.count("pod_created"), p.outcome().as_str()),
        (1, 0, "FAILED"),
        "{:#}",
        p.json()
    );
    assert!(p.blockers().contains("no backend of its Service team/guard is ready"), "{}", p.blockers());
    assert!(p.blockers().contains("set its failurePolicy to Ignore"), "{}", p.blockers());
    // One that only starts answers soon.
    let p = with("2026-05-05T11:59:58Z", None);
    assert_eq!(p.finding("webhook-without-backend")["severity"], "warning");
    assert!(p.count("pod_creation_refused") > 0 && p.outcome() == "COMPLETED", "{:#}", p.json());
}

fn a_resource_that_no_node_offers_comes_with_a_group_that_does() {
    let mut objects = plain();
    objects[4]["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "100m", "example.com/fpga": "1"}, "limits": {"example.com/fpga": "1"}});
    let p = drain(&objects, &["--autoscaler", "reactive"]);
    assert_eq!((p.says("extended-resource-absent").count("eviction_accepted"), p.bound_to()), (1, vec![]));
    assert!(p.count("pod_unschedulable") > 0 && p.outcome() == "FAILED", "{:#}", p.json());
    let dir = Dir::new();
    let groups = json!({"machine_types": [{"name": "f", "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20", "example.com/fpga": "1"}}],
        "groups": [{"name": "fresh", "machine_types": [{"name": "f"}], "max_count": 3}]});
    let file = dir.file("groups.json", &groups.to_string());
    let p = drain(&objects, &["--autoscaler", "reactive", "--groups", &file]);
    assert_eq!((p.outcome().as_str(), p.launched().len(), p.bound_to().len()), ("COMPLETED", 1, 1), "{:#}", p.json());
}

fn a_rollout_under_way_does_not_go_on() {
    let mut deployment = owner("apps/v1", "Deployment", "api", json!({"replicas": 2}));
    deployment["metadata"]["generation"] = json!(2);
    deployment["status"] = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1});
    let of = |name: &str| {
        let mut set = replica_set(name, 1);
        set["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "api", "uid": "uid-api", "controller": true}]);
        set
    };
    let mut objects = nodes();
    objects.extend([deployment, of("api-old"), of("api-new")]);
    objects.push(pod("api-old-1", "old-1", "apps/v1", "ReplicaSet", "api-old"));
    objects.push(pod("api-new-1", "new-1", "apps/v1", "ReplicaSet", "api-new"));
    let p = plan(&objects, &[]);
    p.says("rollout-under-way").moved();
    let made = p.trace.iter().find(|e| e["event"] == "pod_created" && e["initial"] != true).expect("a pod");
    assert!(text(made, "pod").starts_with("team/api-old"), "from the template that it had: {made}");
}

// --- what a dump lacks ---

fn what_is_no_object_is_passed_over() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("dump")).expect("a directory");
    dir.file("dump/objects.json", &json!({"apiVersion": "v1", "kind": "List", "items": plain()}).to_string());
    let args = ["plan", "dump", "-l", "pool=old", "--autoscaler", "none"];
    let without = run(&dir, &args);
    dir.file("dump/notes.yaml", "remember: to ask\n");
    let p = run(&dir, &args);
    p.as_without(&without, "document-passed-over");
    p.moved();
}

fn a_dump_that_is_not_whole_is_refused() {
    let mut set = replica_set("web", 3);
    set["status"] = json!({"replicas": 3});
    let mut objects = nodes();
    objects.extend([web("old-1"), set]);
    let p = plan(&objects, &[]);
    assert!(
        p.ran.status == 2 && p.trace.is_empty() && p.ran.stderr.contains("this dump is not whole"),
        "{}",
        p.ran.stderr
    );
    let p = plan(&objects, &["--allow-partial-dump"]);
    p.says("dump-not-whole").says("pods-missing");
    assert_eq!(
        (p.count("eviction_accepted"), p.count("pod_created")),
        (1, 3),
        "its controller creates what is missing"
    );
}

fn a_dump_without_nodes_is_refused() {
    let p = plan(&[web("old-1"), replica_set("web", 1)], &[]);
    assert!(p.ran.status == 2 && p.trace.is_empty(), "{}", p.ran.stdout);
    assert!(p.ran.stderr.contains("the dump has no nodes"), "{}", p.ran.stderr);
    let dir = Dir::new();
    let file = dump(&dir, &[web("old-1"), replica_set("web", 1)]);
    let shown = nodeferry(&dir, &["discover", &file]);
    let line =
        shown.stdout.lines().find(|l| l.contains("no-nodes-in-dump")).unwrap_or_else(|| panic!("{}", shown.stdout));
    assert!(line.contains("there is nothing to migrate"), "{line}");
    saw("no-nodes-in-dump");
}

fn missing_owners_are_made_up_for() {
    let of = |api: &str, kind: &str| {
        let mut objects = nodes();
        objects.push(pod("x-0", "old-1", api, kind, "x"));
        plan(&objects, &[])
    };
    of("apps/v1", "ReplicaSet").says("no-replicasets-in-dump").moved();
    of("v1", "ReplicationController").says("no-replication-controllers-in-dump").moved();
    let p = of("apps/v1", "StatefulSet");
    p.says("no-statefulsets-in-dump").moved();
    assert!(p.pods("pod_created").contains(&"team/x-0".to_owned()), "under its name: {:?}", p.pods("pod_created"));
    // Budgets go by the replicas of the ReplicaSet: of two one may go at a time.
    let mut set = replica_set("web", 2);
    set["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-d", "controller": true}]);
    let mut objects = nodes();
    objects.extend([web("old-1"), pod("web-b", "old-1", "apps/v1", "ReplicaSet", "web"), set]);
    objects.push(budget("web", json!({"maxUnavailable": "50%"}), [2, 1, 2]));
    let p = plan(&objects, &[]);
    assert!(p.says("no-deployments-in-dump").count("eviction_refused") > 0, "{:#}", p.json());
    assert_eq!((p.outcome().as_str(), p.count("eviction_accepted")), ("COMPLETED", 2));
}

fn a_pod_without_its_node_or_its_owner_is_left_out_or_not_replaced() {
    let mut objects = nodes();
    objects.push(replica_set("web", 4));
    objects.extend(
        ["old-1", "old-2", "new-1", "gone-1"]
            .iter()
            .enumerate()
            .map(|(i, n)| pod(&format!("web-{i}"), n, "apps/v1", "ReplicaSet", "web")),
    );
    let p = plan(&objects, &["--allow-partial-dump"]);
    p.says("node-missing");
    assert!(
        !p.trace.iter().any(|e| e["pod"] == "team/web-3" && e["event"] != "pod_deleted"),
        "it is left out: {:#}",
        p.json()
    );
    assert_eq!(p.pods("eviction_accepted").len(), 2);
    let mut objects = plain();
    objects.push(pod("lone-a", "old-1", "apps/v1", "ReplicaSet", "lone"));
    let p = plan(&objects, &["--allow-partial-dump"]);
    p.says("owner-missing");
    let created: Vec<Value> = p
        .trace
        .iter()
        .filter(|e| e["event"] == "pod_created" && e["initial"] != true)
        .map(|e| e["owner"].clone())
        .collect();
    assert_eq!((p.count("eviction_accepted"), created), (2, vec![json!("ReplicaSet/team/web")]), "{:#}", p.json());
}

fn a_pod_of_another_scheduler_is_not_placed() {
    let mut objects = plain();
    objects[4]["spec"]["schedulerName"] = json!("batch-scheduler");
    let p = plan(&objects, &[]);
    assert_eq!((p.says("other-scheduler").count("eviction_accepted"), p.bound_to()), (1, vec![]), "{:#}", p.json());
    assert_eq!(p.outcome(), "FAILED");
}

fn pods_of_other_namespaces_are_not_moved() {
    let space = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let mut objects = plain();
    objects.extend([space("team"), space("kube-system")]);
    let mut set = replica_set("api", 1);
    set["metadata"]["namespace"] = json!("other");
    objects.push(set);
    let p = plan(&objects, &[]);
    p.says("pods-of-one-namespace");
    assert!(p.pods("eviction_accepted").iter().all(|n| n.starts_with("team/")), "{:?}", p.pods("eviction_accepted"));
    assert_eq!(p.count("eviction_accepted"), 1);
}

// --- schedulers and versions ---

const HEAD: &str = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";

fn what_of_a_scheduler_is_not_modelled_changes_nothing() {
    let dir = Dir::new();
    let with = |configuration: &str| {
        let file = dir.file("scheduler.yaml", &format!("{HEAD}{configuration}"));
        plan(&plain(), &["--scheduler-config", &file])
    };
    let without = with("");
    without.moved();
    for (configuration, code) in [
        (
            "profiles: [{pluginConfig: [{name: VolumeBinding, args: {bindTimeoutSeconds: 5}}]}]\n",
            "scheduler-argument-not-modelled",
        ),
        ("extenders: [{urlPrefix: 'http://x', filterVerb: filter}]\n", "scheduler-extender"),
        (
            "profiles: [{plugins: {preEnqueue: {disabled: [{name: SchedulingGates}]}}}]\n",
            "scheduler-plugin-not-modelled",
        ),
        ("profiles: [{plugins: {multiPoint: {enabled: [{name: Coscheduling}]}}}]\n", "scheduler-plugin-unknown"),
    ] {
        with(configuration).as_without(&without, code);
    }
    let second = dir.file("second.yaml", &format!("{HEAD}profiles: [{{schedulerName: second}}]\n"));
    plan(&plain(), &["--scheduler-config", "default", "--scheduler-config", &second])
        .as_without(&without, "schedulers-as-one");
}

fn the_version_is_that_of_the_newest_kubelet_or_the_nearest_known() {
    let dir = Dir::new();
    let version = |objects: &[Value], more: &[&str]| {
        let file = dir.path("plan.json");
        let p = plan(objects, &[&["--plan", &file], more].concat());
        let saved: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("a plan")).expect("JSON");
        (text(&saved["simulation"]["scheduler"], "kubernetes"), p)
    };
    let mut objects = plain();
    objects[0]["status"]["nodeInfo"]["kubeletVersion"] = json!("v1.33.4");
    let (kept, p) = version(&objects, &[]);
    p.says("kubelets-differ").moved();
    assert_eq!(kept, "1.35", "the newest counts");
    let (_, nearest) = version(&plain(), &["--kubernetes-version", "1.33"]);
    let (_, older) = version(&plain(), &["--kubernetes-version", "1.19"]);
    older.as_without(&nearest, "kubernetes-version-unknown");
}

// --- groups ---

/// A run in which a machine has to be launched, with these groups given.
fn launching(groups: &Value, more: &[&str]) -> Planned {
    let dir = Dir::new();
    let file = dir.file("groups.json", &groups.to_string());
    drain(&cramped_on_aws(), &[&["--groups", &file, "--autoscaler", "reactive"][..], more].concat())
}

/// As `cramped`, on machines whose type shows their size.
fn cramped_on_aws() -> Vec<Value> {
    let mut objects = cramped();
    for node in &mut objects[..2] {
        node["metadata"]["labels"]["node.kubernetes.io/instance-type"] = json!("m5.xlarge");
        node["metadata"]["labels"]["topology.kubernetes.io/zone"] = json!("eu-west-1a");
    }
    objects
}

fn node_pool(requirements: Value) -> Value {
    json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "fresh"}, "spec": {"template": {"spec": {"requirements": requirements}}}})
}

fn what_a_group_does_not_say_is_assumed() {
    let own = json!({"machine_types": [{"name": "m", "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20"}}], "groups": [{"name": "fresh", "machine_types": [{"name": "m"}]}]});
    let p = launching(&own, &[]);
    assert_eq!(
        (p.says("group-max-assumed").outcome().as_str(), p.launched().len()),
        ("COMPLETED", 1),
        "{:#}",
        p.json()
    );
    // Eleven pods of a node each; none is there, so that ten may come.
    let mut objects = vec![node("old-1", "old")];
    objects[0]["status"]["allocatable"]["cpu"] = json!("48");
    objects.push(replica_set("web", 11));
    for i in 0..11 {
        let mut pod = pod(&format!("web-{i}"), "old-1", "apps/v1", "ReplicaSet", "web");
        pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("3");
        objects.push(pod);
    }
    let dir = Dir::new();
    let file = dir.file("groups.json", &own.to_string());
    let p = drain(&objects, &["--groups", &file, "--autoscaler", "reactive"]);
    assert_eq!(p.says("group-max-assumed").launched().len(), 10, "{:#}", p.json());
    // Zones are those of the nodes: a pod that asks for another finds no machine.
    let pool = dir.file("pool.json", &node_pool(json!([])).to_string());
    let zoned = |zone: &str| {
        let mut objects = cramped_on_aws();
        objects[2]["spec"]["nodeSelector"] = json!({"topology.kubernetes.io/zone": zone});
        let p = drain(&objects, &["--groups", &pool, "--autoscaler", "reactive"]);
        p.says("group-zones-assumed").launched().len()
    };
    assert_eq!((zoned("eu-west-1a"), zoned("eu-west-1b")), (1, 0));
    // A catalogue of capacities: so much less can be allocated.
    let types = json!([{"name": "c-4x", "resources": {"cpu": "4", "memory": "16Gi", "pods": "32"}, "architecture": "amd64", "operatingSystems": ["linux"],
        "offerings": [{"Price": 0.1, "Available": true, "Requirements": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eu-west-1a"]}, {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]}]}]}]);
    let types = dir.file("types.json", &types.to_string());
    let p = launching(&node_pool(json!([])), &["--machine-types", &types]);
    p.says("machine-reservation-assumed");
    let offered: Vec<&Value> =
        p.launched().iter().filter(|e| e["machine_type"] == "c-4x").map(|e| &e["cpu_milli"]).collect();
    assert_eq!(offered, [&json!(3_900)], "{:#}", p.json());
}

fn what_of_a_group_is_not_read_or_applied_allows_more() {
    let azure = |size: Value, more: Value| {
        let mut group = json!({"id": "vng-1", "name": "fresh", "availabilityZones": ["1"], "labels": {}, "taints": [], "nodeCountLimits": {"maxCount": 9}, "vmSizes": size});
        json_patch::merge(&mut group, &more);
        json!({"response": {"items": [group]}})
    };
    let named = || json!({"preferredVmSizes": ["m5.xlarge"]});
    let without = launching(&azure(named(), json!({})), &[]);
    assert_eq!((without.outcome().as_str(), without.launched().len()), ("COMPLETED", 1), "{:#}", without.json());
    launching(&azure(named(), json!({"nodePoolProperties": {"somethingNew": 1}})), &[])
        .as_without(&without, "group-fields-not-read");
    let filtered = |series: bool| {
        let mut filters = json!({"minVCpu": 2});
        if series {
            filters["series"] = json!(["Dsv5"]);
        }
        launching(&azure(json!({"filters": filters}), json!({})), &[])
    };
    filtered(true).as_without(&filtered(false), "machine-filters-not-modelled");
    let pool = |more: Value| {
        let mut requirements =
            vec![json!({"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["m5.xlarge"]})];
        requirements.extend(more.as_array().cloned().unwrap_or_default());
        launching(&node_pool(json!(requirements)), &[])
    };
    let without = pool(json!([]));
    assert_eq!(without.launched().len(), 1, "{:#}", without.json());
    pool(json!([{"key": "karpenter.k8s.aws/instance-network-bandwidth", "operator": "Gt", "values": ["1000"]}]))
        .as_without(&without, "group-requirement-not-applied");
    pool(json!([{"key": "karpenter.k8s.aws/instance-cpu", "operator": "Near", "values": ["4"]}]))
        .as_without(&without, "group-requirement-not-read");
}

fn what_of_a_group_is_not_known_allows_less() {
    // A NodePool of the dump that cannot be read launches nothing; one that can does.
    let with = |pool: Value| {
        let mut objects = cramped_on_aws();
        objects.push(pool);
        objects.push(node_pool_named(
            "none-fits",
            json!([{"key": "karpenter.k8s.aws/instance-cpu", "operator": "Lt", "values": ["2"]}]),
        ));
        drain(&objects, &["--autoscaler", "karpenter"])
    };
    let p =
        with(json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "broken"}, "spec": {}}));
    assert_eq!((p.says("group-not-read").launched().len(), p.outcome().as_str()), (0, "FAILED"), "{:#}", p.json());
    p.says("group-without-machines");
    let p = with(node_pool(json!([])));
    assert_eq!((p.has("group-not-read"), p.launched().len()), (false, 1), "{:#}", p.json());
    // The strictest effect is taken for one that is not known, so that the pod does not tolerate the machines.
    let tainted = |effect: &str| {
        let mut pool = node_pool(json!([]));
        pool["spec"]["template"]["spec"]["taints"] = json!([{"key": "dedicated", "effect": effect}]);
        launching(&pool, &[])
    };
    let p = tainted("Never");
    assert_eq!((p.says("group-value-unknown").bound_to(), p.outcome().as_str()), (vec![], "FAILED"), "{:#}", p.json());
    assert!(!tainted("PreferNoSchedule").has("group-value-unknown"));
    let own = |types: Value| json!({"machine_types": [{"name": "m", "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20"}}], "groups": [{"name": "fresh", "machine_types": types, "max_count": 3}]});
    let p = launching(&own(json!([{"name": "x9.huge"}, {"name": "m"}])), &[]);
    let types: Vec<String> = p.launched().iter().map(|e| text(e, "machine_type")).collect();
    p.says("machine-size-unknown");
    assert_eq!(types, ["m"], "{:#}", p.json());
}

fn node_pool_named(name: &str, requirements: Value) -> Value {
    let mut pool = node_pool(requirements);
    pool["metadata"]["name"] = json!(name);
    pool
}
