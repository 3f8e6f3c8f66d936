//! The parts of a session by themselves; as a whole it is tried against a simulated API and a real one.

use super::api::*;
use super::lease::Lease;
use super::mirror::Mirror;
use super::reflect::{Follower, Trouble};
use crate::cluster::View;
use crate::cluster::draw::Draws;
use crate::snapshot::generate::{GenerateParams, generate};
use serde_json::{Value, json};

fn resource_of(object: &Value) -> Option<Resource> {
    FOLLOWED.iter().copied().find(|r| r.kind == object["kind"] && r.api_version == object["apiVersion"])
}

/// All that a runner could see of a view, without indices.
fn describe(view: View<'_>) -> Vec<String> {
    let (c, s) = (view.catalog, view.state);
    let mut lines = Vec::new();
    for i in s.live_nodes() {
        let n = &s.nodes[i];
        let mut pods: Vec<String> = n.pods.iter().map(|p| s.pod_text(c, *p)).collect();
        pods.sort();
        let taints: Vec<String> =
            n.taints.iter().map(|t| format!("{}={}:{:?}", c.text(t.key), c.text(t.value), t.effect)).collect();
        lines.push(format!(
            "node {} {} {} {taints:?} {:?} {pods:?}",
            s.node_name(c, i),
            n.unschedulable,
            n.ready,
            s.requested(i)
        ));
    }
    for i in s.live_pods() {
        let p = &s.pods[i];
        let on = p.node.map(|n| s.node_name(c, n));
        let owner = c.specs[p.spec].owner.map(|o| c.owner_text(o));
        lines.push(format!(
            "pod {} {} {:?} {on:?} {} {:?} {} {owner:?}",
            s.pod_text(c, i),
            s.name(c, p.uid),
            p.phase,
            p.ready,
            p.deleting,
            p.unschedulable
        ));
    }
    for (i, o) in c.owners.entries() {
        let mut pods: Vec<String> = s.owned[i].iter().map(|p| s.pod_text(c, *p)).collect();
        pods.sort();
        lines.push(format!("owner {} {} {:?} {pods:?}", c.owner_text(i), o.missing, s.replicas[i]));
    }
    for b in c.budgets.indices() {
        let status = &s.budgets[b];
        lines.push(format!("budget {} {} {}", c.budget_text(b), status.allowed, status.healthy));
    }
    lines.sort();
    lines
}

/// One random change of a cluster, as an API would tell it.
fn change(objects: &mut Vec<Value>, draws: &Draws, nth: u64, mirror: &mut Mirror) {
    let draw = |what: &str, n: u64| draws.below("change", what, nth, n);
    let of_kind = |objects: &[Value], kind: &str| -> Vec<usize> {
        (0..objects.len()).filter(|i| objects[*i]["kind"] == kind).collect()
    };
    let version = json!((1_000_000 + nth).to_string());
    let pods = of_kind(objects, "Pod");
    let pod = pods[draw("pod", pods.len() as u64) as usize];
    let nodes = of_kind(objects, "Node");
    let node = nodes[draw("node", nodes.len() as u64) as usize];
    let at = match draw("kind", 9) {
        0 => {
            let gone = objects.remove(pod);
            return mirror.deleted(PODS, &gone);
        }
        1 => {
            let mut new = objects[pod].clone();
            new["metadata"]["name"] = json!(format!("new-{nth}"));
            new["metadata"]["uid"] = json!(format!("uid-{nth}"));
            new["status"] = json!({"phase": "Pending"});
            new["spec"].as_object_mut().map(|s| s.remove("nodeName"));
            objects.push(new);
            objects.len() - 1
        }
        2 => {
            objects[pod]["metadata"]["deletionTimestamp"] = json!("2026-11-21T10:00:00Z");
            objects[pod]["metadata"]["deletionGracePeriodSeconds"] = json!(30);
            pod
        }
        3 => {
            let name = objects[node]["metadata"]["name"].clone();
            if objects[pod]["spec"]["nodeName"].is_null() {
                objects[pod]["spec"]["nodeName"] = name;
            }
            // A phase that is final stays.
            if objects[pod]["status"]["phase"] == "Pending" {
                objects[pod]["status"]["phase"] = json!("Running");
            }
            if objects[pod]["status"]["phase"] != "Running" {
                return;
            }
            objects[pod]["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
            pod
        }
        4 => {
            objects[pod]["status"]["phase"] = json!("Succeeded");
            objects[pod]["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
            pod
        }
        5 => {
            objects[node]["spec"]["unschedulable"] = json!(draw("cordon", 2) == 0);
            objects[node]["spec"]["taints"] = json!([{"key": "k", "value": nth.to_string(), "effect": "NoSchedule"}]);
            node
        }
        6 => {
            let ready = if draw("ready", 2) == 0 { "True" } else { "False" };
            objects[node]["status"]["conditions"] = json!([{"type": "Ready", "status": ready}]);
            node
        }
        7 => {
            let owners = of_kind(objects, "ReplicaSet");
            let owner = owners[draw("owner", owners.len() as u64) as usize];
            objects[owner]["spec"]["replicas"] = json!(draw("replicas", 5));
            objects[owner]["status"]["readyReplicas"] = json!(nth);
            owner
        }
        _ => {
            let budgets = of_kind(objects, "PodDisruptionBudget");
            let Some(budget) = budgets.get(draw("budget", budgets.len().max(1) as u64) as usize) else { return };
            objects[*budget]["status"]["disruptionsAllowed"] = json!(draw("allowed", 4));
            *budget
        }
    };
    objects[at]["metadata"]["resourceVersion"] = version;
    if let Some(resource) = resource_of(&objects[at]) {
        mirror.apply(resource, objects[at].clone());
    }
}

#[test]
fn a_view_that_is_told_of_changes_is_the_view_that_is_made_anew() {
    for seed in 0..6u64 {
        let mut objects = generate(&GenerateParams {
            nodes: 6,
            new_nodes: 2,
            pods_per_node: Some(8),
            seed,
            ..GenerateParams::default()
        })
        .expect("generated");
        let background: Vec<Value> = objects.iter().filter(|o| resource_of(o).is_none()).cloned().collect();
        let fill = |objects: &[Value]| {
            let mut mirror = Mirror::new(1_795_258_000_000, background.clone(), &Value::Null);
            for object in objects {
                if let Some(resource) = resource_of(object) {
                    mirror.apply(resource, object.clone());
                }
            }
            mirror.renew().expect("read");
            mirror
        };
        let mut told = fill(&objects);
        for nth in 0..120 {
            change(&mut objects, &Draws::new(seed), nth, &mut told);
            if nth % 3 == 0 {
                told.renew().expect("read");
            }
            if nth % 20 == 19 {
                told.renew().expect("read");
                let made = fill(&objects);
                let (told, made) = (told.view().map(describe), made.view().map(describe));
                let (told, made) = (told.expect("a view"), made.expect("a view"));
                let differs: Vec<_> = told.iter().zip(&made).filter(|(a, b)| a != b).take(3).collect();
                assert!(told.len() == made.len() && differs.is_empty(), "seed {seed}, change {nth}: {differs:#?}");
            }
        }
    }
}

fn pod(name: &str, uid: &str, version: u32) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "d", "uid": uid,
        "resourceVersion": version.to_string()}, "spec": {"containers": [], "nodeName": "n"}})
}
fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d", "uid": "ns", "resourceVersion": "1"}})
}
fn pods_of(mirror: &mut Mirror) -> Vec<String> {
    mirror.apply(FOLLOWED[0], namespace());
    mirror.renew().expect("read");
    let view = mirror.view().expect("a view");
    view.state.live_pods().map(|p| view.state.name(view.catalog, view.state.pods[p].uid).to_owned()).collect()
}

#[test]
fn a_late_watch_neither_brings_back_nor_takes_away() {
    let mut m = Mirror::new(0, Vec::new(), &Value::Null);
    m.apply(PODS, pod("a", "1", 10));
    assert_eq!(pods_of(&mut m), ["1"]);
    // An answer says that it is gone; the watch, which is behind, still tells of it.
    m.bury(PODS, "d", "a", "1");
    m.apply(PODS, pod("a", "1", 12));
    assert_eq!(pods_of(&mut m), [] as [&str; 0]);
    m.apply(PODS, pod("a", "2", 20));
    // The watch gets there: that of the old uid does not concern the successor.
    m.deleted(PODS, &pod("a", "1", 15));
    assert_eq!(pods_of(&mut m), ["2"]);
    // An older version of what is known is no news; a list that is older than the object does not take it away.
    m.apply(PODS, pod("a", "1", 14));
    m.replace(PODS, "19", Vec::new());
    assert_eq!(pods_of(&mut m), ["2"]);
    m.replace(PODS, "21", vec![pod("b", "3", 21)]);
    assert_eq!(pods_of(&mut m), ["3"]);
}

#[test]
fn an_answer_that_is_late_does_not_bring_back_what_the_watch_saw_end() {
    let mut m = Mirror::new(0, Vec::new(), &Value::Null);
    m.replace(PODS, "11", vec![pod("a", "1", 10), pod("b", "2", 11)]);
    // The pod was read while it was stopping; before the answer was here the watch told its end.
    m.deleted(PODS, &pod("a", "1", 14));
    m.apply(PODS, pod("a", "1", 12));
    m.replace_pods_of("n", "13", vec![pod("a", "1", 12), pod("b", "2", 11)]);
    assert_eq!(pods_of(&mut m), ["2"]);
    // Nor does one that ended before the list, or while another was told of.
    m.apply(PODS, pod("c", "3", 9));
    m.watched(PODS, pod("b", "2", 20));
    m.apply(PODS, pod("d", "4", 19));
    assert_eq!(pods_of(&mut m), ["2"]);
    // But one that the watch has not come to yet is there.
    m.apply(PODS, pod("e", "5", 21));
    assert_eq!(pods_of(&mut m), ["2", "5"]);
}

fn http(status: u16, body: Value) -> Response {
    Response::Http { status, retry_after_ms: None, body }
}
fn list(version: &str, next: &str, items: Vec<Value>) -> Response {
    http(200, json!({"metadata": {"resourceVersion": version, "continue": next}, "items": items}))
}

#[test]
fn a_follower_gets_there_whatever_happens() {
    let mut m = Mirror::new(0, Vec::new(), &Value::Null);
    let mut f = Follower::new(PODS, 1);
    let path = |r: Option<Request>| match r {
        Some(Request::Api(e)) => e.path,
        Some(Request::Watch { resource_version, .. }) => format!("watch {resource_version}"),
        other => format!("{other:?}"),
    };
    assert_eq!(path(f.due(0)), "/api/v1/pods?limit=1");
    f.sent(RequestId(1));
    // The first page, then the second is too old: from the start again.
    let next = f.answered(0, list("5", "t/1=", vec![pod("a", "1", 3)]), &mut m).expect("goes on");
    assert_eq!(path(next), "/api/v1/pods?limit=1&continue=t%2F1%3D");
    f.sent_page(RequestId(2));
    assert_eq!(f.answered(10, http(410, json!({"message": "expired"})), &mut m), Ok(None));
    assert!(!f.listed);
    let again = f.next_at().expect("again");
    f.due(again);
    f.sent(RequestId(3));
    assert_eq!(f.answered(again, list("7", "", vec![pod("a", "1", 3)]), &mut m), Ok(None));
    assert!(f.listed);
    assert_eq!(path(f.due(again)), "watch 7");
    f.sent(RequestId(4));
    f.watched(again, RequestId(4), WatchEvent::Applied(pod("b", "2", 9)), &mut m).expect("taken");
    // A stream that ends is taken up where it was; an event of a watch that is over is nobody's.
    f.watched(again, RequestId(4), WatchEvent::Closed("reset".into()), &mut m).expect("taken");
    f.watched(again, RequestId(4), WatchEvent::Applied(pod("c", "3", 11)), &mut m).expect("taken");
    let later = f.next_at().expect("again");
    assert_eq!(path(f.due(later)), "watch 9");
    f.sent(RequestId(5));
    f.watched(later, RequestId(5), WatchEvent::Error { code: 410, message: String::new() }, &mut m).expect("taken");
    assert_eq!(path(f.due(later)), "/api/v1/pods?limit=1");
    f.sent(RequestId(6));
    assert_eq!(pods_of(&mut m), ["1", "2"]);
    let refused = f.answered(later, http(403, json!({"message": "no"})), &mut m);
    assert_eq!(refused, Err(Trouble::Refused(403, "no".into())));
}

#[test]
fn a_lease_is_taken_only_when_nobody_holds_it() {
    let unix = 1_795_258_000_000;
    let held = |by: &str, renewed: i64| {
        let time = crate::snapshot::time::format_rfc3339(renewed, 6);
        json!({"metadata": {"uid": "l", "resourceVersion": "4"},
            "spec": {"holderIdentity": by, "leaseDurationSeconds": 30, "renewTime": time}})
    };
    let mut l = Lease::new("kube-system", "me", unix);
    assert_eq!(
        l.due(0).map(|e| e.path),
        Some("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/nodeferry".into())
    );
    let taken = l.answered(0, http(200, held("other", unix - 5000))).expect_err("held");
    assert!(taken.0.contains("execution other holds the Lease kube-system/nodeferry, renewed 5 s ago"), "{}", taken.0);
    // Its holder is gone for half a minute, but somebody is faster.
    let mut l = Lease::new("kube-system", "me", unix);
    l.due(0);
    l.answered(0, http(200, held("other", unix - 31_000))).expect("lapsed");
    let put = l.due(0).expect("writes");
    let body = put.body.expect("a body");
    assert_eq!((put.method, body["spec"]["holderIdentity"].as_str()), (Method::Put, Some("me")));
    assert_eq!(body["metadata"]["resourceVersion"], "4");
    l.answered(5, http(409, json!({}))).expect("reads again");
    assert!(!l.is_ours(5));
    l.due(5);
    l.answered(5, http(200, held("third", unix))).expect_err("held");
    // An earlier process of the same execution held it: ours at once, and not for ever.
    let mut l = Lease::new("kube-system", "me", unix);
    l.due(0);
    l.answered(0, http(200, held("me", unix))).expect("ours");
    l.due(0);
    // The answer is late; what it was written with is not.
    l.answered(20_000, http(200, held("me", unix))).expect("written");
    assert!(l.is_ours(29_999) && !l.is_ours(30_000));
}
