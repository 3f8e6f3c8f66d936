use super::*;
use crate::intent::procedure::{ProcedureKind, SurgePreset, Undrainable};
use crate::rehearsal::stage::{Rehearsal, Stage};
use crate::rehearsal::stage_of_scenario;
use crate::request::scenario::Scenario;
use crate::session::Program;
use crate::session::journal::Call;
use std::path::Path;

/// Two old nodes with three pods under a budget, and a new one.
fn stage() -> Stage {
    let text = r#"
scenario: judged
cluster:
  objects:
  - {apiVersion: v1, kind: Node, metadata: {name: old-1, labels: {pool: old}}, status: {allocatable: {cpu: "4", memory: 8Gi, pods: "20"}, conditions: [{type: Ready, status: "True"}]}}
  - {apiVersion: v1, kind: Node, metadata: {name: old-2, labels: {pool: old}}, status: {allocatable: {cpu: "4", memory: 8Gi, pods: "20"}, conditions: [{type: Ready, status: "True"}]}}
  - {apiVersion: v1, kind: Node, metadata: {name: new-1, labels: {pool: new}}, status: {allocatable: {cpu: "4", memory: 8Gi, pods: "20"}, conditions: [{type: Ready, status: "True"}]}}
  - {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web, uid: rs}, spec: {replicas: 2, selector: {matchLabels: {app: web}}}}
  - {apiVersion: v1, kind: Pod, metadata: {name: web-1, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: rs, controller: true}]}, spec: {nodeName: old-1, containers: [{name: c}]}, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}
  - {apiVersion: v1, kind: Pod, metadata: {name: web-2, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: rs, controller: true}]}, spec: {nodeName: new-1, containers: [{name: c}]}, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}
  - {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web, generation: 1}, spec: {maxUnavailable: 0, selector: {matchExpressions: [{key: app, operator: In, values: [web]}]}}, status: {observedGeneration: 1, disruptionsAllowed: 0, currentHealthy: 2, desiredHealthy: 2, expectedPods: 2}}
nodes: {selector: pool=old}
options: {terminate_nodes: true, kubectl_drain: {timeout_ms: 1000}}
"#;
    let scenario = Scenario::parse(text, Path::new("judged.yaml")).expect("a scenario");
    stage_of_scenario(&scenario).expect("a stage")
}

struct Bench {
    server: Server,
    judge: Judge,
}

impl Bench {
    fn new() -> Bench {
        let stage = stage();
        let options = stage.began.plan.intent.options.clone();
        let judge = Judge::new(stage.bases.clone(), &stage.site.state, &stage.site.old_nodes, &options);
        let server = Server::new(Rehearsal::world(&stage, &[], 1), stage.bases.clone(), false);
        Bench { server, judge }
    }
    fn node(&self, name: &str) -> NodeIdx {
        self.server.node_of(name).expect("a node")
    }
    fn pod(&self, name: &str) -> PodIdx {
        self.server.pod_of(&format!("Pod/default/{name}")).expect("a pod")
    }
    fn ask(&mut self, who: Who, method: Method, path: &str, body: Value) {
        self.server.serve(who, &Exchange { method, path: path.into(), body: Some(body) });
        for fact in self.server.take_facts() {
            self.judge.happened(10, &self.server, fact, false);
        }
    }
    fn cordon(&mut self, who: Who, name: &str, on: bool) {
        let body = serde_json::json!({"spec": {"unschedulable": on}});
        self.ask(who, Method::Patch, &format!("/api/v1/nodes/{name}"), body);
    }
    /// A request that cordons a node, as an entry announces it.
    fn announced_cordon(&mut self) -> Request {
        let calls = vec![call("cordon", "old-1")];
        let record = Record::Intends { calls, progress: Default::default() };
        self.judge.safe(false, &[Entry { seq: 0, t_ms: 0, record }]);
        cordon()
    }
    fn rules(&self) -> Vec<&'static str> {
        self.judge.broken.iter().map(|b| b.rule).collect()
    }
}

#[test]
fn uncordoning_what_others_cordoned_is_seen_and_our_own_is_not() {
    let mut b = Bench::new();
    b.cordon(Who::Us, "old-1", true);
    b.cordon(Who::Us, "old-1", false);
    assert!(b.rules().is_empty());
    b.cordon(Who::Other, "old-1", true);
    b.cordon(Who::Us, "old-1", false);
    assert_eq!(b.rules(), ["others-cordons"]);
}

#[test]
fn a_node_given_back_with_a_pod_on_it_is_seen() {
    let mut b = Bench::new();
    b.cordon(Who::Us, "old-1", true);
    b.ask(Who::Us, Method::Delete, "/api/v1/nodes/old-2", Value::Null);
    assert!(b.rules().is_empty(), "it was empty");
    let (node, name) = (b.node("old-1"), "old-1".to_owned());
    b.judge.happened(10, &b.server, Fact::Retired { who: Who::Us, node, name }, false);
    let (node, name) = (b.node("new-1"), "new-1".to_owned());
    b.judge.happened(10, &b.server, Fact::Retired { who: Who::Us, node, name }, false);
    assert_eq!(b.rules(), ["nothing-lost", "old-nodes-only", "nothing-lost"]);
}

#[test]
fn a_second_machine_is_seen() {
    let mut b = Bench::new();
    let launched = |started, total| Fact::Launched { key: "k".into(), started, total };
    b.judge.happened(1, &b.server, launched(2, 2), false);
    b.judge.happened(2, &b.server, launched(0, 2), false);
    b.judge.happened(3, &b.server, launched(1, 3), false);
    assert!(b.rules().is_empty());
    b.judge.happened(4, &b.server, launched(1, 2), false);
    assert_eq!(b.rules(), ["no-second-machine"]);
}

#[test]
fn an_eviction_by_name_elsewhere_or_a_deletion_is_seen() {
    let mut b = Bench::new();
    b.ask(Who::Us, Method::Post, "/api/v1/namespaces/default/pods/web-2/eviction", serde_json::json!({}));
    assert_eq!(b.rules(), ["uid-precondition", "old-nodes-only"]);
    b.ask(Who::Other, Method::Delete, "/api/v1/namespaces/default/pods/web-2", serde_json::json!({}));
    b.ask(Who::Us, Method::Delete, "/api/v1/namespaces/default/pods/web-1", serde_json::json!({}));
    assert_eq!(b.rules()[2..], ["no-deletions"]);
}

#[test]
fn an_eviction_against_the_stored_status_is_seen() {
    let mut b = Bench::new();
    let (pod, node) = (b.pod("web-1"), Some(b.node("old-1")));
    let budget = crate::cluster::BudgetIdx(0);
    let status = b.server.world().state().budgets[budget].clone();
    let grant = |ready, exempt, status: &crate::cluster::BudgetStatus| Fact::Granted {
        grant: Grant { pod, node, ready, exempt, statuses: vec![(budget, status.clone())] },
        who: Some(Who::Us),
    };
    let one = crate::cluster::BudgetStatus { allowed: 1, ..status.clone() };
    b.judge.happened(1, &b.server, grant(true, false, &one), false);
    b.judge.happened(1, &b.server, grant(true, true, &status), false);
    b.judge.happened(1, &b.server, grant(false, false, &status), false);
    assert!(b.rules().is_empty(), "allowed, exempt, and not ready under a budget that has what it wants");
    b.judge.happened(1, &b.server, grant(true, false, &status), false);
    assert_eq!(b.rules(), ["eviction-rules"]);
}

#[test]
fn a_request_that_nothing_announces_is_seen() {
    let mut b = Bench::new();
    let patch = Request::Api(Exchange {
        method: Method::Patch,
        path: "/api/v1/nodes/old-1".into(),
        body: Some(serde_json::json!({})),
    });
    let env = vec![("NODEFERRY_KEY".to_owned(), "rehearsal/surge-0/a".to_owned())];
    let run = Request::Run(Program { argv: vec!["p".into()], env, timeout_ms: 1 });
    let call =
        |what: &str, object: &str| Call { call: 1, what: what.into(), object: object.into(), uid: String::new() };
    let calls = vec![call("cordon", "old-1"), call("ensure-nodes", "a: 2 for surge-0/a")];
    b.judge.sent(1, &Request::Api(Exchange::get("/api/v1/nodes")), "us", false);
    b.judge.safe(false, &[Entry { seq: 0, t_ms: 0, record: Record::Intends { calls, progress: Default::default() } }]);
    b.judge.sent(2, &patch, "us", false);
    b.judge.sent(2, &run, "us", false);
    assert!(b.rules().is_empty());
    let mut b = Bench::new();
    b.judge.sent(1, &patch, "us", false);
    b.judge.sent(1, &run, "us", false);
    assert_eq!(b.rules(), ["announced-first", "announced-first"]);
}

#[test]
fn writing_while_another_holds_the_lease_is_seen() {
    let mut b = Bench::new();
    let lease = |holder: &str| {
        super::super::status::http(200, serde_json::json!({"kind": "Lease", "spec": {"holderIdentity": holder}}))
    };
    let check = Request::Run(Program {
        argv: vec!["check".into()],
        env: vec![("NODEFERRY_BATCH".into(), "1".into())],
        timeout_ms: 1,
    });
    let calls = vec![Call { call: 1, what: "check".into(), object: "batch 1".into(), uid: String::new() }];
    b.judge.safe(false, &[Entry { seq: 0, t_ms: 0, record: Record::Intends { calls, progress: Default::default() } }]);
    b.judge.told(0, &lease("us"), "us", false);
    b.judge.sent(1, &check, "us", false);
    assert!(b.rules().is_empty());
    b.judge.told(0, &lease("others"), "us", false);
    b.judge.sent(1, &check, "us", false);
    assert_eq!(b.rules(), ["lease-first"]);
}

#[test]
fn a_node_left_cordoned_after_a_stop_is_seen() {
    let mut b = Bench::new();
    b.cordon(Who::Us, "old-2", true);
    b.judge.ended(20, &b.server, Some(Outcome::Stopped));
    assert!(b.rules().is_empty(), "it is empty");
    b.cordon(Who::Us, "old-1", true);
    b.judge.ended(20, &b.server, Some(Outcome::Failed));
    assert!(b.rules().is_empty(), "it was no stop");
    b.judge.ended(20, &b.server, Some(Outcome::Stopped));
    assert_eq!(b.rules(), ["stop-uncordons"]);
    b.judge.broken.clear();
    b.cordon(Who::Other, "old-1", true);
    b.judge.ended(20, &b.server, Some(Outcome::Stopped));
    assert!(b.rules().is_empty(), "somebody else wants it cordoned too");
}

#[test]
fn an_eviction_from_a_node_that_was_never_cordoned_is_seen() {
    let mut b = Bench::new();
    let evict = serde_json::json!({"deleteOptions": {"preconditions": {"uid": "Pod/default/web-1"}}});
    b.ask(Who::Us, Method::Post, "/api/v1/namespaces/default/pods/web-1/eviction", evict.clone());
    assert_eq!(b.rules(), ["cordoned-first"]);
    let mut b = Bench::new();
    b.cordon(Who::Other, "old-1", true);
    b.cordon(Who::Other, "old-1", false);
    b.ask(Who::Us, Method::Post, "/api/v1/namespaces/default/pods/web-1/eviction", evict);
    assert_eq!(b.rules(), [""; 0], "it was cordoned; who takes it back may be faster than the watch");
}

#[test]
fn completed_over_a_node_that_takes_pods_or_has_some_is_seen() {
    let look = |b: &mut Bench, at: Ms| {
        b.judge.observe(at, &b.server);
        for name in ["old-1", "old-2"] {
            b.judge.showed(&Exchange::get(format!("/api/v1/nodes/{name}")), at);
            b.judge.showed(&Exchange::get(format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{name}&limit=25")), at);
        }
    };
    let ends = |b: &mut Bench, at: Ms| {
        b.judge.broken.clear();
        b.judge.finished(at, &b.server, Outcome::Completed, false);
        b.rules().len()
    };
    let mut b = Bench::new();
    look(&mut b, 20);
    assert_eq!(ends(&mut b, 30), 0, "nothing was shown that was so before");
    look(&mut b, 40);
    assert_eq!(ends(&mut b, 50), 3, "both take pods, and one has one: {:?}", b.judge.broken);
    b.cordon(Who::Us, "old-1", true);
    b.cordon(Who::Other, "old-2", true);
    b.judge.observe(60, &b.server);
    assert_eq!(ends(&mut b, 70), 1, "it has one still: {:?}", b.judge.broken);
    let body = serde_json::json!({"gracePeriodSeconds": 0});
    b.ask(Who::Other, Method::Delete, "/api/v1/namespaces/default/pods/web-1", body);
    b.server.advance(10_000);
    look(&mut b, 10_000);
    assert_eq!(ends(&mut b, 10_010), 0, "{:?}", b.judge.broken);
    // What happens after the last look nobody can know; what the look showed, everybody.
    b.cordon(Who::Other, "old-2", false);
    b.judge.observe(10_020, &b.server);
    assert_eq!(ends(&mut b, 10_030), 0);
    look(&mut b, 10_040);
    assert_eq!(ends(&mut b, 10_050), 1);
    b.cordon(Who::Other, "old-2", true);
    // One that is registered again is no node of the plan.
    let node = b.node("old-2");
    b.server.edit(|w| w.register_again(node, 1_000));
    b.server.advance(12_000);
    look(&mut b, 12_000);
    look(&mut b, 12_010);
    assert_eq!(ends(&mut b, 12_020), 1, "{:?}", b.judge.broken);
}

/// A preset's default counts only where the plan says nothing itself.
#[test]
fn what_a_surge_may_delete_is_what_its_parameters_say() {
    let may_at_the_end = |preset, undrainable, surplus| {
        let mut options = Options { procedure: ProcedureKind::Surge, ..Options::default() };
        (options.surge.preset, options.surge.undrainable) = (preset, undrainable);
        options.surge.undrainable_surplus = surplus;
        options.deletes_pods()
    };
    let may = |preset, undrainable| may_at_the_end(preset, undrainable, None);
    assert!(may(SurgePreset::Gke, None) && may(SurgePreset::Aks, Some(Undrainable::Force)));
    assert!(!may(SurgePreset::Gke, Some(Undrainable::Schedule)) && !may(SurgePreset::Aks, None));
    // EKS shrinks its group past budgets, unless it is not to.
    assert!(may(SurgePreset::Eks, None));
    assert!(!may_at_the_end(SurgePreset::Eks, None, Some(Undrainable::Schedule)));
}

#[test]
fn nothing_leaves_a_process_whose_lease_is_anothers_or_has_lapsed() {
    let mut b = Bench::new();
    let patch = b.announced_cordon();
    let renewal = |b: &mut Bench, who: &str, at: i64| {
        let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/nodeferry".to_owned();
        let body = serde_json::json!({"kind": "Lease", "spec": {"holderIdentity": who}});
        let response = Response::Http { status: 200, retry_after_ms: None, body: body.clone() };
        b.judge.leased(at, &Exchange { method: Method::Put, path, body: Some(body) }, &response);
    };
    renewal(&mut b, "us", 1_000);
    b.judge.sent(30_999, &patch, "us", false);
    assert_eq!(b.rules(), [""; 0]);
    b.judge.sent(31_000, &patch, "us", false);
    renewal(&mut b, "the copy", 32_000);
    b.judge.sent(32_001, &patch, "us", false);
    assert_eq!(b.rules(), ["one-process"; 2]);
    b.judge.sent(32_001, &patch, "the copy", true);
    b.judge.lease_taken();
    b.judge.sent(32_002, &patch, "us", false);
    assert_eq!(b.rules().len(), 2);
}

#[test]
fn what_is_not_allowed_is_tried_now_and_then_and_no_more() {
    let mut b = Bench::new();
    let patch = b.announced_cordon();
    b.judge.revoked(Some((1_000, 100_000)));
    (0..100).for_each(|i| b.judge.sent(1_000 + i, &patch, "us", false));
    assert_eq!(b.rules(), [""; 0], "no answer has shown it yet");
    b.judge.told(1_100, &super::super::status::failure(403, "Forbidden", "no"), "us", false);
    (0..16).for_each(|i| b.judge.sent(2_000 + i * 2_000, &patch, "us", false));
    assert_eq!(b.rules(), [""; 0]);
    (0..10).for_each(|i| b.judge.sent(40_000 + i, &patch, "us", false));
    assert!(b.rules().contains(&"rights-are-awaited"));
}

/// Who was asked to stop leaves no node cordoned that it cordoned. Somebody who goes on with a copy of the journal afterwards was not asked.
#[test]
fn a_node_that_is_left_cordoned_after_a_stop_is_seen() {
    for (copy, at, broken) in [(false, 10, 1), (false, 200, 1), (true, 10, 1), (true, 200, 0)] {
        let mut b = Bench::new();
        let Request::Api(cordon) = cordon() else { unreachable!("it goes to the API") };
        b.server.serve(Who::Us, &cordon);
        for fact in b.server.take_facts() {
            b.judge.happened(at, &b.server, fact, copy);
        }
        b.judge.finished(100, &b.server, Outcome::Stopped, false);
        b.judge.ended(1_000, &b.server, Some(Outcome::Stopped));
        assert_eq!(b.rules(), vec!["stop-uncordons"; broken], "{copy}, {at}");
    }
}

fn cordon() -> Request {
    Request::Api(Exchange {
        method: Method::Patch,
        path: "/api/v1/nodes/old-1".into(),
        body: Some(serde_json::json!({"spec": {"unschedulable": true}})),
    })
}

fn call(what: &str, object: &str) -> Call {
    Call { call: 1, what: what.into(), object: object.into(), uid: String::new() }
}
