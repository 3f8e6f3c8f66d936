//! The parts of a session by themselves; as a whole it is tried against a simulated API and a real one.

use super::ProcessId;
use super::answer::testing::failure;
use super::answer::{Answered, Wanted};
use super::api::*;
use super::lease::Lease;
use super::mirror::Mirror;
use super::reflect::{Followed, Follower, Trouble};
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
            let mut mirror = Mirror::new(1_795_258_000_000, background.clone(), &[]);
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
    let mut m = Mirror::new(0, Vec::new(), &[]);
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
    let mut m = Mirror::new(0, Vec::new(), &[]);
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
    let meta = json!({"resourceVersion": version, "continue": next});
    http(200, json!({"kind": "PodList", "apiVersion": "v1", "metadata": meta, "items": items}))
}
/// What a response says to a list of pods.
fn listed(response: Response) -> Answered {
    Wanted::of_exchange(&Exchange::get("/api/v1/pods?limit=1")).read(response)
}

#[test]
fn a_follower_gets_there_whatever_happens() {
    let mut m = Mirror::new(0, Vec::new(), &[]);
    let mut f = Follower::new(PODS, 1);
    let path = |r: Option<Request>| match r {
        Some(Request::Api(e)) => e.path,
        Some(Request::Watch { resource_version, .. }) => format!("watch {resource_version}"),
        other => format!("{other:?}"),
    };
    assert_eq!(path(f.due(0)), "/api/v1/pods?limit=1");
    f.sent(0, RequestId(1));
    // The first page, then the second is too old: from the start again.
    let next = f.answered(0, listed(list("5", "t/1=", vec![pod("a", "1", 3)])), &mut m).expect("goes on");
    assert_eq!(path(next.ask), "/api/v1/pods?limit=1&continue=t%2F1%3D");
    f.sent_next(RequestId(2));
    assert_eq!(f.answered(10, listed(http(410, failure(410, "expired"))), &mut m), Ok(Followed::default()));
    assert!(!f.listed);
    let again = f.next_at().expect("again");
    f.due(again);
    f.sent(again, RequestId(3));
    let seven = listed(list("7", "", vec![pod("a", "1", 3)]));
    assert_eq!(f.answered(again, seven, &mut m), Ok(Followed::default()));
    assert!(f.listed);
    assert_eq!(path(f.due(again)), "watch 7");
    f.sent(again, RequestId(4));
    f.watched(again, RequestId(4), WatchEvent::Applied(pod("b", "2", 9)), &mut m).expect("taken");
    // A stream that ends is taken up where it was; an event of a watch that is over is nobody's.
    f.watched(again, RequestId(4), WatchEvent::Closed("reset".into()), &mut m).expect("taken");
    f.watched(again, RequestId(4), WatchEvent::Applied(pod("c", "3", 11)), &mut m).expect("taken");
    let later = f.next_at().expect("again");
    assert_eq!(path(f.due(later)), "watch 9");
    f.sent(later, RequestId(5));
    f.watched(later, RequestId(5), WatchEvent::Error { code: 410, message: String::new() }, &mut m).expect("taken");
    // Too old: all of it again, and not at once.
    assert_eq!(f.due(later), None);
    let later = f.next_at().expect("again");
    assert_eq!(path(f.due(later)), "/api/v1/pods?limit=1");
    f.sent(later, RequestId(6));
    assert_eq!(pods_of(&mut m), ["1", "2"]);
    let refused = f.answered(later, listed(http(403, failure(403, "no"))), &mut m);
    assert_eq!(refused, Err(Trouble::Refused(403, "no".into())));
}

fn pods_of_list(version: &str, names: std::ops::Range<u32>) -> Answered {
    let pods = names.map(|n| pod(&format!("p{n}"), &n.to_string(), n)).collect();
    listed(list(version, "", pods))
}
/// The answer to a look at a pod: as it is, or that it is gone.
fn looked(name: &str, object: Option<Value>) -> Answered {
    let response = match object {
        Some(object) => http(200, object),
        None => http(404, failure(404, "not found")),
    };
    Wanted::of_exchange(&Exchange::get(PODS.object("d", name))).read(response)
}
fn asked_for(followed: &Followed) -> &str {
    match &followed.ask {
        Some(Request::Api(e)) => &e.path,
        other => panic!("nothing is asked for: {other:?}"),
    }
}

#[test]
fn a_first_list_without_a_pod_is_believed_only_if_nothing_is_expected() {
    let lists = |f: &mut Follower, m: &mut Mirror, now: i64, answered: Answered| {
        assert!(matches!(f.due(now), Some(Request::Api(_))), "{f:?}");
        f.sent(now, RequestId(1));
        f.answered(now, answered, m).expect("goes on")
    };
    let mut m = Mirror::new(0, Vec::new(), &[]);
    let mut f = Follower::new(PODS, 500);
    assert!(lists(&mut f, &mut m, 0, pods_of_list("50", 0..0)).note.is_some(), "it is read a second time");
    lists(&mut f, &mut m, 10_000, pods_of_list("50", 0..0));
    assert!(f.listed, "nobody expects a pod");
    let mut f = Follower::new(PODS, 500).expecting_some(true);
    let notes: Vec<Option<String>> =
        (0..20).map(|i| lists(&mut f, &mut m, i * 60_000, pods_of_list("50", 0..0)).note).collect();
    assert_eq!(notes.iter().flatten().count(), 1, "it is said once: {notes:?}");
    assert!(!f.listed, "however often it is said");
    lists(&mut f, &mut m, 2_000_000, pods_of_list("51", 0..1));
    assert!(f.listed && pods_of(&mut m).len() == 1);
}

#[test]
fn a_list_that_lost_half_of_the_pods_is_read_twice_and_the_pods_are_asked_for() {
    let mut m = Mirror::new(0, Vec::new(), &[]);
    let mut f = Follower::new(PODS, 500);
    f.sent(0, RequestId(1));
    f.answered(0, pods_of_list("50", 10..20), &mut m).expect("ten pods");
    let relist = |f: &mut Follower, m: &mut Mirror, now: i64, answered: Answered| {
        let now = f.next_at().map_or(now, |at| at.max(now));
        if !matches!(f.due(now), Some(Request::Api(_))) {
            f.sent(now, RequestId(2));
            f.watched(now, RequestId(2), WatchEvent::Error { code: 410, message: String::new() }, m).expect("taken");
        }
        let now = f.next_at().map_or(now, |at| at.max(now));
        assert!(matches!(f.due(now), Some(Request::Api(_))), "{f:?}");
        f.sent(now, RequestId(3));
        f.answered(now, answered, m).expect("goes on")
    };
    // Four of ten are gone: each is asked for, and no more.
    let followed = relist(&mut f, &mut m, 1_000, pods_of_list("60", 10..16));
    assert_eq!((asked_for(&followed), &followed.note), ("/api/v1/namespaces/d/pods/p16", &None));
    for (name, next) in [("p16", "p17"), ("p17", "p18"), ("p18", "p19")] {
        let followed = f.answered(1_000, looked(name, None), &mut m).expect("goes on");
        assert!(asked_for(&followed).ends_with(next));
    }
    f.answered(1_000, looked("p19", None), &mut m).expect("believed");
    assert_eq!(pods_of(&mut m).len(), 6);
    // All six at once: once more, and again nothing. Then the first is asked for, and it is there.
    let followed = relist(&mut f, &mut m, 2_000, pods_of_list("70", 0..0));
    let note = followed.note.expect("it is told");
    assert_eq!(note, "list pods: the list lacks 6 of 6 known pods; it is read a second time before it is believed");
    assert_eq!((followed.ask, pods_of(&mut m).len()), (None, 6));
    assert!(f.due(2_000).is_none(), "at once it would be the same");
    let followed = relist(&mut f, &mut m, 2_500, pods_of_list("70", 0..0));
    assert!(asked_for(&followed).ends_with("/p10"));
    let followed = f.answered(2_500, looked("p10", Some(pod("p10", "10", 10))), &mut m).expect("goes on");
    assert_eq!(followed.lie.as_deref(), Some("list pods: the list lacks pod d/p10, which is there"));
    assert_eq!(pods_of(&mut m).len(), 6);
    // What answers the question with a page, or with another object, proves nothing.
    let followed = relist(&mut f, &mut m, 10_000, pods_of_list("71", 0..0));
    assert!(asked_for(&followed).ends_with("/p10"), "it was read twice already");
    let page = super::answer::read(404, None, Some("text/html"), b"<html>");
    f.answered(10_000, Wanted::of_exchange(&Exchange::get(PODS.object("d", "p10"))).read(page), &mut m).expect("again");
    assert_eq!(pods_of(&mut m).len(), 6);
    // They are gone in truth, but for one whose name another bears since the list was made.
    let mut followed = relist(&mut f, &mut m, 30_000, pods_of_list("80", 0..0));
    for n in 10..16 {
        assert!(asked_for(&followed).ends_with(&format!("/p{n}")));
        let other = (n == 12).then(|| pod("p12", "another", 81));
        followed = f.answered(30_000, looked(&format!("p{n}"), other), &mut m).expect("goes on");
    }
    assert_eq!((followed, pods_of(&mut m)), (Followed::default(), Vec::new()));
}

#[test]
fn a_cache_that_answers_every_page_with_the_first_is_noticed() {
    let mut m = Mirror::new(0, Vec::new(), &[]);
    let mut f = Follower::new(PODS, 1);
    f.sent(0, RequestId(1));
    let page = || listed(list("5", "t", vec![pod("a", "1", 3)]));
    assert!(asked_for(&f.answered(0, page(), &mut m).expect("goes on")).ends_with("&continue=t"));
    let followed = f.answered(0, page(), &mut m).expect("again");
    assert_eq!(followed.lie.as_deref(), Some("list pods: a page of the list continues where it began"));
    assert!(followed.ask.is_none() && !f.listed && f.next_at().is_some_and(|at| (800..=1600).contains(&at)));
}

#[test]
fn a_list_that_breaks_off_is_noticed() {
    let mut m = Mirror::new(0, Vec::new(), &[]);
    let mut f = Follower::new(PODS, 1);
    f.sent(0, RequestId(1));
    let first = listed(list("5", "t", vec![pod("a", "1", 3)]));
    assert!(asked_for(&f.answered(0, first, &mut m).expect("goes on")).ends_with("&continue=t"));
    let followed = f.answered(0, listed(list("5", "", Vec::new())), &mut m).expect("again");
    let lie = "list pods: a page has nothing in it, though more objects were to follow";
    assert_eq!(followed.lie.as_deref(), Some(lie));
    assert!(followed.ask.is_none() && !f.listed && f.next_at().is_some());
}

#[test]
fn nodes_of_the_plan_that_the_first_list_lacks_are_asked_for() {
    let mut m = Mirror::new(0, Vec::new(), &[]);
    let known =
        |name: &str| super::mirror::Known { namespace: String::new(), name: name.into(), uid: format!("u-{name}") };
    let mut f = Follower::new(NODES, 500).expecting(vec![known("old-1"), known("old-2")]);
    let node = |name: &str| json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": name, "uid": format!("u-{name}"), "resourceVersion": "4"}});
    let list =
        json!({"kind": "NodeList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": [node("old-2")]});
    f.sent(0, RequestId(1));
    let listed = Wanted::of_exchange(&Exchange::get("/api/v1/nodes?limit=500")).read(http(200, list));
    let followed = f.answered(0, listed, &mut m).expect("goes on");
    assert_eq!(asked_for(&followed), "/api/v1/nodes/old-1");
    let there = Wanted::of_exchange(&Exchange::get("/api/v1/nodes/old-1")).read(http(200, node("old-1")));
    let followed = f.answered(0, there, &mut m).expect("goes on");
    assert!(followed.lie.is_some() && !f.listed);
    // It was registered again under its name before the list was made: the list ought to have that one.
    let mut f = Follower::new(NODES, 500).expecting(vec![known("old-1")]);
    f.sent(0, RequestId(1));
    let empty = json!({"kind": "NodeList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": []});
    let listed = Wanted::of_exchange(&Exchange::get("/api/v1/nodes?limit=500")).read(http(200, empty));
    assert_eq!(asked_for(&f.answered(0, listed, &mut m).expect("goes on")), "/api/v1/nodes/old-1");
    let mut other = node("old-1");
    other["metadata"]["uid"] = json!("another");
    let other = Wanted::of_exchange(&Exchange::get("/api/v1/nodes/old-1")).read(http(200, other));
    let followed = f.answered(0, other, &mut m).expect("goes on");
    assert!(followed.lie.is_some() && !f.listed);
}

#[test]
fn that_a_kind_is_not_served_is_believed_of_the_servers_own_list_only() {
    let jobs = FOLLOWED.iter().copied().find(|r| r.kind == "Job").expect("followed");
    let not_found = || super::answer::read(404, None, Some("text/plain"), b"404 page not found\n");
    let said = |path: &str, response: Response| Wanted::of_exchange(&Exchange::get(path)).read(response);
    let served = |names: &[&str]| {
        let names: Vec<Value> = names.iter().map(|n| json!({"name": n})).collect();
        http(
            200,
            json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "batch/v1", "resources": names}),
        )
    };
    let groups = |names: &[&str]| {
        let names: Vec<Value> = names.iter().map(|n| json!({"versions": [{"groupVersion": n}]})).collect();
        http(200, json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": names}))
    };
    // What the kind's group says, what all groups are if that is not found either, and whether it is believed.
    for (of_group, of_all, believed) in [
        (served(&["cronjobs"]), None, true),
        (served(&["cronjobs", "jobs"]), None, false),
        (not_found(), Some(groups(&["apps/v1"])), true),
        (not_found(), Some(groups(&["apps/v1", "batch/v1"])), false),
        (not_found(), Some(not_found()), false),
        (http(200, json!({"error": "login_required"})), None, false),
    ] {
        let mut m = Mirror::new(0, Vec::new(), &[]);
        let mut f = Follower::new(jobs, 500);
        f.sent(0, RequestId(1));
        let followed = f.answered(0, said("/apis/batch/v1/jobs?limit=500", not_found()), &mut m).expect("goes on");
        assert_eq!(asked_for(&followed), "/apis/batch/v1");
        let followed = f.answered(0, said("/apis/batch/v1", of_group), &mut m).expect("goes on");
        if let Some(of_all) = of_all {
            assert_eq!(asked_for(&followed), "/apis");
            f.answered(0, said("/apis", of_all), &mut m).expect("goes on");
        }
        assert_eq!((f.listed, f.next_at().is_none()), (believed, believed));
    }
    // Pods are served everywhere.
    let mut f = Follower::new(PODS, 500);
    f.sent(0, RequestId(1));
    let mut m = Mirror::new(0, Vec::new(), &[]);
    let followed = f.answered(0, listed(not_found()), &mut m).expect("goes on");
    assert!(followed.ask.is_none() && followed.lie.is_some() && !f.listed);
}

#[test]
fn a_list_that_lacked_what_is_there_is_mended_by_the_next() {
    let sorted = |m: &mut Mirror| {
        let mut uids = pods_of(m);
        uids.sort();
        uids
    };
    let mut m = Mirror::new(0, Vec::new(), &[]);
    m.replace(PODS, "10", vec![pod("a", "1", 5), pod("b", "2", 6)]);
    // It was believed, and it was wrong; an older list is no witness, one that is as new is.
    m.replace_pods_of("n", "12", vec![pod("b", "2", 6)]);
    m.replace_pods_of("n", "11", vec![pod("a", "1", 5), pod("b", "2", 6)]);
    assert_eq!(pods_of(&mut m), ["2"]);
    m.replace_pods_of("n", "12", vec![pod("a", "1", 5), pod("b", "2", 6)]);
    assert_eq!(sorted(&mut m), ["1", "2"]);
    // The same of a list of all, and of the watch.
    m.replace(PODS, "20", Vec::new());
    m.replace_pods_of("n", "21", vec![pod("a", "1", 5)]);
    m.watched(PODS, pod("b", "2", 22));
    assert_eq!(sorted(&mut m), ["1", "2"]);
    // What the watch told the end of stays away.
    m.deleted(PODS, &pod("a", "1", 23));
    m.replace_pods_of("n", "22", vec![pod("a", "1", 5), pod("b", "2", 22)]);
    assert_eq!(pods_of(&mut m), ["2"]);
}

#[test]
fn a_pod_that_has_another_name_after_all_is_called_by_it() {
    let named = |m: &mut Mirror| {
        m.renew().expect("read");
        let view = m.view().expect("a view");
        view.state.live_pods().map(|p| view.state.pod_text(view.catalog, p)).collect::<Vec<_>>()
    };
    let mut m = Mirror::new(0, Vec::new(), &[]);
    m.apply(FOLLOWED[0], namespace());
    m.replace(PODS, "10", vec![pod("a", "1", 5)]);
    assert_eq!(named(&mut m), ["d/a"]);
    // The list lacks the one and has the other, of the same uid: what is done by name must reach it.
    m.replace_pods_of("n", "10", vec![pod("b", "1", 5)]);
    assert_eq!(named(&mut m), ["d/b"]);
}

#[test]
fn what_never_changes_is_doubted_once() {
    let mut m = Mirror::new(0, Vec::new(), &[]);
    let born = |name: &str, uid: &str, version: u32, on: &str| {
        let mut pod = pod(name, uid, version);
        pod["metadata"]["creationTimestamp"] = json!("2026-11-21T10:00:00Z");
        pod["spec"]["nodeName"] = json!(on);
        pod
    };
    m.apply(PODS, born("a", "1", 5, "n"));
    assert_eq!(m.doubts(PODS, &born("a", "1", 6, "n")), None);
    let doubt = m.doubts(PODS, &born("a", "1", 6, "m")).expect("a pod moved");
    assert_eq!(doubt, "pod d/a: it is on node n and is said to be on \"m\"");
    assert_eq!(m.doubts(PODS, &born("a", "1", 6, "m")), None, "said twice");
    let doubt = m.doubts(PODS, &born("b", "1", 6, "n")).expect("of another name");
    assert_eq!(doubt, "pod d/b: its uid 1 was that of d/a");
    let doubt = m.doubts(PODS, &born("a", "7", 6, "n")).expect("born at the same time");
    assert_eq!(doubt, "pod d/a: its uid was 1 and is said to be 7");
    // A successor is younger.
    let mut successor = born("a", "8", 6, "m");
    successor["metadata"]["creationTimestamp"] = json!("2026-11-21T10:00:09Z");
    assert_eq!(m.doubts(PODS, &successor), None);
    // Said again it is believed, and a uid is in one place.
    assert_eq!(m.doubts(PODS, &born("b", "1", 6, "n")), None);
    m.apply(PODS, born("b", "1", 6, "n"));
    assert_eq!((pods_of(&mut m), m.object(PODS, "d", "a")), (vec!["1".to_owned()], None));
}

#[test]
fn a_lease_is_renewed_by_its_own_answer_only() {
    let unix = 1_795_258_000_000;
    let path = LEASES.object("kube-system", "nodeferry");
    let lease = |by: &str, at: i64| {
        let time = crate::snapshot::time::format_rfc3339(unix + at, 6);
        json!({"metadata": {"name": "nodeferry", "namespace": "kube-system", "uid": "l", "resourceVersion": "4"},
            "spec": {"holderIdentity": by, "leaseDurationSeconds": 30, "renewTime": time}})
    };
    let said = |response: Response| Wanted::of_exchange(&Exchange::get(path.clone())).read(response);
    let page = || super::answer::read(200, None, Some("text/html"), b"<html>");
    let mut l = Lease::new("kube-system", "me", &us(), unix);
    l.due(0);
    // A page is no Lease that is free, and a 404 without a Status none that is absent.
    let mut now = 0;
    let mut waits = Vec::new();
    for response in [page(), http(404, Value::Null), http(200, json!({})), http(200, failure(404, "")), page()] {
        l.answered(now, said(response)).expect("asked again");
        let next = l.next_at().expect("again");
        waits.push(next - now);
        now = next;
        assert!(matches!(l.due(now), Some(e) if e.method == Method::Get));
    }
    assert_eq!(waits, [1000, 2000, 4000, 5000, 5000]);
    l.answered(now, said(http(404, failure(404, "leases \"nodeferry\" not found")))).expect("nobody's");
    let wrote = now;
    assert!(matches!(l.due(now), Some(e) if e.method == Method::Post));
    // Neither a page, nor the Lease of another, nor ours as it was before, is ours renewed.
    for response in [page(), http(200, lease("other", wrote)), http(200, lease(&ours(), wrote - 10_000))] {
        l.answered(now, said(response)).expect("asked again");
        assert!(!l.is_ours(now));
        now = l.next_at().expect("again");
        l.due(now);
        l.answered(now, said(http(200, lease(&ours(), wrote - 60_000)))).expect("ours as it was");
        l.due(now);
    }
    l.answered(now, said(http(200, lease(&ours(), now)))).expect("ours");
    assert!(l.is_ours(now));
}

fn us() -> ProcessId {
    ProcessId::new("here", "boot", 7, "r")
}

fn ours() -> String {
    us().identity("me")
}

/// A Lease of somebody, renewed at a time since 1970.
fn lease_of(by: &str, renewed: i64, version: &str) -> Value {
    let time = crate::snapshot::time::format_rfc3339(renewed, 6);
    json!({"metadata": {"name": "nodeferry", "namespace": "kube-system", "uid": "l", "resourceVersion": version},
        "spec": {"holderIdentity": by, "leaseDurationSeconds": 30, "renewTime": time}})
}

fn said_of_lease(status: u16, body: Value) -> Answered {
    Wanted::of_exchange(&Exchange::get(LEASES.object("kube-system", "nodeferry"))).read(http(status, body))
}

const UNIX: i64 = 1_795_258_000_000;

#[test]
fn another_execution_that_seems_alive_keeps_us_out_at_once() {
    let mut l = Lease::new("kube-system", "me", &us(), UNIX);
    assert_eq!(
        l.due(0).map(|e| e.path),
        Some("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/nodeferry".into())
    );
    let taken = l.answered(0, said_of_lease(200, lease_of("other", UNIX - 5000, "4"))).expect_err("held");
    assert!(taken.0.contains("execution other holds the Lease kube-system/nodeferry, renewed 5 s ago"), "{}", taken.0);
    // By the API server's clock, where it is known, and not by ours.
    let mut l = Lease::new("kube-system", "me", &us(), UNIX);
    l.set_ahead(-3_600_000);
    l.due(0);
    l.answered(0, said_of_lease(200, lease_of("other", UNIX - 3_605_000, "4"))).expect_err("held");
}

/// Reads the Lease until it is taken or refused; `lease` is what it says at a moment. When that was.
fn waited(l: &mut Lease, from: i64, lease: impl Fn(i64) -> Value) -> Result<i64, i64> {
    let mut now = from;
    for _ in 0..1000 {
        let exchange = l.due(now).expect("asks");
        if exchange.method == Method::Put {
            return Ok(now);
        }
        if l.answered(now, said_of_lease(200, lease(now))).is_err() {
            return Err(now);
        }
        now = l.next_at().expect("again");
    }
    panic!("it never ends: {l:?}");
}

#[test]
fn a_clock_that_is_wrong_neither_lets_in_nor_keeps_out() {
    let other = |renewed: i64, version: i64| lease_of("other", renewed, &version.to_string());
    // A holder whose clock is 60 s slow renews every 10 s.
    let mut l = Lease::new("kube-system", "me", &us(), UNIX);
    let slow = |now: i64| other(UNIX - 60_000 + now / 10_000 * 10_000, 4 + now / 10_000);
    assert!(waited(&mut l, 0, slow).is_err_and(|at| (10_000..13_000).contains(&at)));
    assert!(
        l.take_note().is_some_and(|n| n.contains("renewed 60 s ago by its clock") && n.contains("waited for 30 s"))
    );
    // One whose clock was an hour fast, and that is dead; one that has lapsed long ago by its own time.
    for ahead in [3_600_000, -86_400_000] {
        let mut l = Lease::new("kube-system", "me", &us(), UNIX);
        assert_eq!(waited(&mut l, 0, |_| other(UNIX + ahead, 4)), Ok(30_000), "{ahead}");
    }
    // One that claims to last for ten years is not waited for so long.
    let mut l = Lease::new("kube-system", "me", &us(), UNIX);
    let long = |_: i64| {
        let mut lease = other(UNIX + 3_600_000, 4);
        lease["spec"]["leaseDurationSeconds"] = json!(315_360_000);
        lease
    };
    assert_eq!(waited(&mut l, 0, long), Ok(600_000));
}

#[test]
fn a_second_process_of_the_same_execution_waits_whether_the_first_is_alive() {
    let first = ProcessId::new("elsewhere", "boot", 9, "x").identity("me");
    let mut l = Lease::new("kube-system", "me", &us(), UNIX);
    let alive = |now: i64| lease_of(&first, UNIX + now / 10_000 * 10_000, &now.to_string());
    assert!(waited(&mut l, 0, alive).is_err());
    let mut l = Lease::new("kube-system", "me", &us(), UNIX);
    assert_eq!(waited(&mut l, 500, |_| lease_of(&first, UNIX, "4")), Ok(30_500));
    // One that is known to be dead is not waited for; another is, though of the same machine.
    let mut l = Lease::new("kube-system", "me", &us(), UNIX).with_dead(Some(first.clone()));
    assert_eq!(waited(&mut l, 500, |_| lease_of(&first, UNIX, "4")), Ok(500));
    let mut l = Lease::new("kube-system", "me", &us(), UNIX).with_dead(Some("me_elsewhere_boot_8_x".into()));
    assert_eq!(waited(&mut l, 0, |_| lease_of(&first, UNIX, "4")), Ok(30_000));
}

#[test]
fn a_lease_that_may_be_lost_is_read_before_it_is_written() {
    let mut l = Lease::new("kube-system", "me", &us(), UNIX);
    l.due(0);
    l.answered(0, said_of_lease(404, failure(404, "leases \"nodeferry\" not found"))).expect("nobody's");
    l.due(0);
    l.answered(50, said_of_lease(201, lease_of(&ours(), UNIX, "4"))).expect("ours");
    // It counts from when it left, and others may take it five seconds after we have stopped.
    assert!(l.is_ours(24_999) && !l.is_ours(25_000));
    assert!(matches!(l.due(10_000), Some(e) if e.method == Method::Put));
    l.answered(10_040, said_of_lease(200, lease_of(&ours(), UNIX + 10_000, "5"))).expect("ours");
    // The machine sleeps for an hour: nothing is ours, and it is looked at first.
    assert!(!l.is_ours(3_600_000));
    assert!(matches!(l.due(3_600_000), Some(e) if e.method == Method::Get));
    let mut slept = Lease::new("kube-system", "me", &us(), UNIX);
    std::mem::swap(&mut slept, &mut l);
    let other = ProcessId::new("elsewhere", "boot", 9, "x").identity("me");
    let taken =
        slept.answered(3_600_010, said_of_lease(200, lease_of(&other, UNIX + 3_599_000, "9"))).expect_err("taken");
    assert!(taken.0.contains("process 9 on elsewhere"), "{}", taken.0);
}

#[test]
fn the_lease_carries_the_servers_time() {
    let mut l = Lease::new("kube-system", "me", &us(), UNIX);
    l.set_ahead(61_000);
    l.due(0);
    l.answered(0, said_of_lease(404, failure(404, "leases \"nodeferry\" not found"))).expect("nobody's");
    let body = l.due(5).and_then(|e| e.body).expect("a body");
    assert_eq!(body["spec"]["renewTime"], crate::snapshot::time::format_rfc3339(UNIX + 61_005, 6));
    // What is known of the clocks by the time of the answer is another matter.
    l.set_ahead(0);
    l.answered(20, said_of_lease(201, lease_of(&ours(), UNIX + 61_005, "4"))).expect("ours");
    assert!(l.is_ours(20));
}

#[test]
fn a_lease_is_taken_by_one_of_those_that_are_there() {
    // Its holder is gone, but somebody is faster.
    let mut l = Lease::new("kube-system", "me", &us(), UNIX);
    assert_eq!(waited(&mut l, 0, |_| lease_of("other", UNIX - 31_000, "4")), Ok(30_000));
    let mut l = Lease::new("kube-system", "me", &us(), UNIX);
    l.due(0);
    l.answered(0, said_of_lease(200, lease_of("", UNIX - 31_000, "4"))).expect("nobody's");
    let put = l.due(0).expect("writes");
    let body = put.body.expect("a body");
    assert_eq!((put.method, body["spec"]["holderIdentity"].as_str()), (Method::Put, Some(ours().as_str())));
    assert_eq!(body["metadata"]["resourceVersion"], "4");
    l.answered(5, said_of_lease(409, failure(409, "modified"))).expect("reads again");
    assert!(!l.is_ours(5));
    l.due(5);
    l.answered(5, said_of_lease(200, lease_of("third", UNIX, "5"))).expect_err("held");
    // An earlier write of ours, whose answer was lost: ours at once, and not without end.
    let mut l = Lease::new("kube-system", "me", &us(), UNIX);
    l.due(0);
    l.answered(0, said_of_lease(200, lease_of(&ours(), UNIX, "4"))).expect("ours");
    l.due(0);
    // The answer is late; what it was written with is not.
    l.answered(20_000, said_of_lease(200, lease_of(&ours(), UNIX, "5"))).expect("written");
    assert!(l.is_ours(24_999) && !l.is_ours(25_000));
}
