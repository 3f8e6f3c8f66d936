//! Every kind of bad answer, for every kind of request.

use super::*;
use crate::session::api::NODES;
use serde_json::json;

fn get(path: &str) -> Exchange {
    Exchange::get(path)
}
fn with(method: Method, path: &str, body: Value) -> Exchange {
    Exchange { method, path: path.into(), body: Some(body) }
}

const LIST: &str = "/api/v1/pods?fieldSelector=spec.nodeName%3Da&limit=500";
const POD: &str = "/api/v1/namespaces/shop/pods/web-1";
const NODE: &str = "/api/v1/nodes/a";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/nodeferry";

/// Requests of every kind, each with what an API server answers.
fn honest() -> Vec<(Exchange, u16, Value)> {
    let listed = json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u", "resourceVersion": "7"},
        "spec": {"nodeName": "a", "containers": [{"name": "c"}]}, "status": {"phase": "Running"}});
    let pod = PODS.named(listed.clone());
    let node = json!({"kind": "Node", "apiVersion": "v1",
        "metadata": {"name": "a", "uid": "n", "resourceVersion": "5"}, "spec": {}, "status": {}});
    let lease = json!({"kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
        "metadata": {"name": "nodeferry", "namespace": "kube-system", "resourceVersion": "3"},
        "spec": {"holderIdentity": "run-1"}});
    let success = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
    let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": [listed]});
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
    vec![
        (get(LIST), 200, list.clone()),
        (get("/api/v1/pods?limit=500"), 200, list),
        (get(POD), 200, pod.clone()),
        (get(NODE), 200, node.clone()),
        (get(LEASE), 200, lease.clone()),
        (with(Method::Post, leases, lease.clone()), 201, lease.clone()),
        (with(Method::Put, LEASE, lease.clone()), 200, lease),
        (with(Method::Patch, NODE, json!({})), 200, node),
        (with(Method::Post, &format!("{POD}/eviction"), json!({})), 201, success.clone()),
        (with(Method::Delete, POD, json!({})), 200, pod),
        (with(Method::Delete, NODE, json!({})), 200, success),
    ]
}

fn http(status: u16, body: Value) -> Response {
    Response::Http { status, retry_after_ms: None, body }
}
fn status(code: u16, reason: &str, details: Value) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "no", "reason": reason,
        "details": details, "code": code})
}
fn said(exchange: &Exchange, response: Response) -> Answered {
    Wanted::of_exchange(exchange).read(response)
}
fn unknown(exchange: &Exchange, response: Response) -> String {
    match said(exchange, response.clone()) {
        Answered::Unknown(u) => format!("{}: {}", Wanted::of_exchange(exchange).words, u.why),
        other => panic!("{exchange:?}: {response:?} passes for {other:?}"),
    }
}

#[test]
fn what_an_api_server_answers_is_an_answer() {
    for (exchange, code, body) in honest() {
        let answered = said(&exchange, http(code, body.clone()));
        assert!(
            matches!(answered, Answered::Page(_) | Answered::Object(_) | Answered::Done),
            "{exchange:?}: {answered:?}"
        );
        for code in [401, 403, 409, 410, 422, 429, 500, 503, 504] {
            let Answered::Refused(r) = said(&exchange, http(code, status(code, "Test", Value::Null))) else {
                panic!("{code} is no refusal")
            };
            assert_eq!((r.code, r.reason.as_str(), r.message.as_str()), (code, "Test", "no"));
        }
    }
}

/// What else may come, whatever was asked for.
fn foreign() -> Vec<Response> {
    let page = b"<html>\n <body>Please log in</body></html>";
    let mut all = Vec::new();
    for status in [200, 201, 302, 400, 401, 403, 404, 407, 409, 410, 422, 429, 500, 502, 503, 504] {
        all.push(read(status, None, Some("text/html"), page));
        all.push(read(status, None, None, page));
        all.push(read(status, None, Some("application/json"), page));
        all.push(read(status, None, Some("application/json"), b""));
        all.push(read(status, None, Some("application/json"), b"{\"kind\": \"PodList\", \"items\": ["));
        for body in [
            json!(null),
            json!([]),
            json!("ok"),
            json!({}),
            json!({"error": "login_required"}),
            json!({"items": []}),
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}}),
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": null}),
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": {}}),
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []}),
            json!({"kind": "PodList", "apiVersion": "v1", "items": []}),
            json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": []}),
            json!({"kind": "PodList", "apiVersion": "v2", "metadata": {"resourceVersion": "9"}, "items": []}),
            json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a", "uid": "u", "resourceVersion": "1"}}),
            json!({"kind": "Status", "apiVersion": "v1", "status": "Unsure"}),
            json!({"kind": "Status", "apiVersion": "other/v1", "status": "Success"}),
            json!({"kind": "Status", "status": "Failure", "message": "of whose API?", "code": 999}),
        ] {
            all.push(http(status, body));
        }
    }
    all.extend([oversized(200, None, 1 << 20), Response::Lost("reset".into())]);
    all.push(http(200, status(404, "NotFound", Value::Null)));
    all.push(http(404, status(410, "NotFound", Value::Null)));
    all
}

#[test]
fn nothing_foreign_passes_for_an_answer() {
    for (exchange, ..) in honest() {
        for response in foreign() {
            unknown(&exchange, response);
        }
    }
}

#[test]
fn what_is_asked_for_is_not_another_object() {
    for (exchange, code, body) in honest() {
        let other = |p: &str, v: Value| {
            let mut other = body.clone();
            match other.pointer_mut(p) {
                Some(there) => *there = v,
                None => return None,
            }
            Some(http(code, other))
        };
        let is_status = body["kind"] == "Status";
        for (p, v) in [
            ("/metadata/name", json!("b")),
            ("/metadata/namespace", json!("other")),
            ("/metadata/name", json!(7)),
            ("/metadata/resourceVersion", json!("")),
            ("/metadata/resourceVersion", json!(7)),
            ("/metadata/uid", json!("")),
            ("/kind", json!("Secret")),
            ("/apiVersion", json!("v9")),
            ("/metadata", json!([])),
            ("/status", json!("Failure")),
            ("/spec", json!([])),
            ("/items/0/metadata/name", json!("")),
            ("/items/0/metadata/uid", json!("")),
            ("/items/0/metadata/namespace", json!("")),
            ("/items/0", json!("web-1")),
            ("/items/0/spec/containers", json!({})),
            ("/items/0/spec/containers/0/name", json!([])),
        ] {
            let is_meta = is_status && p == "/metadata";
            if let Some(response) = other(p, v).filter(|_| !is_meta) {
                unknown(&exchange, response);
            }
        }
        if exchange.path == LIST {
            unknown(&exchange, other("/items/0/spec/nodeName", json!("b")).expect("a pod"));
        }
    }
}

#[test]
fn only_a_404_about_the_very_object_says_that_it_is_gone() {
    let pod = json!({"name": "web-1", "kind": "pods"});
    let absent = |details: Value| said(&get(POD), http(404, status(404, "NotFound", details)));
    assert_eq!(absent(pod.clone()), Answered::Absent);
    assert_eq!(absent(Value::Null), Answered::Absent, "not every server says of what");
    for details in [
        json!({"name": "web-2", "kind": "pods"}),
        json!({"name": "web", "kind": "poddisruptionbudgets", "group": "policy"}),
        json!({"name": "web-1", "kind": "namespaces"}),
    ] {
        assert!(matches!(absent(details.clone()), Answered::Unknown(_)), "{details}");
    }
    assert!(matches!(said(&get(POD), http(404, status(404, "Gone", pod))), Answered::Unknown(_)));
    let mut no_path = status(404, "NotFound", json!({}));
    no_path["message"] = json!("the server could not find the requested resource");
    assert!(matches!(said(&get(POD), http(404, no_path.clone())), Answered::Unknown(_)));
    // Of a list it says that the kind is not served, in either form.
    let plain = read(404, None, Some("text/plain; charset=utf-8"), b"404 page not found\n");
    assert!(matches!(said(&get(POD), plain.clone()), Answered::Unknown(_)));
    for response in [plain, http(404, no_path)] {
        assert_eq!(said(&get(LIST), response), Answered::NotServed);
    }
}

#[test]
fn what_came_is_told_so_that_a_person_knows_where_to_look() {
    let page =
        |status| read(status, None, Some("text/html"), b"<html>\n  login at https://sso.example.com/very/long</html>");
    assert_eq!(
        unknown(&get(LIST), page(200)),
        "list pods of node a: the answer is no PodList: 200 text/html, 58 bytes, begins \"<html> login at https://sso.example.com/…\""
    );
    let evict = with(Method::Post, &format!("{POD}/eviction"), json!({}));
    let said = unknown(&evict, page(404));
    assert!(
        said.starts_with("evict pod shop/web-1: 404 without a Status of the API server: text/html, 58 bytes"),
        "{said}"
    );
    // JSON may hold credentials: its fields are named and not shown.
    let token = json!({"access_token": "sEcReT", "expires_in": 3600});
    let said = unknown(&get(NODE), http(200, token));
    assert_eq!(said, "get node a: the answer is no Node: a JSON object with the fields access_token, expires_in");
    let cut = read(200, None, Some("application/json"), b"{\"token\": \"sEcReT");
    let said = unknown(&get(LEASE), cut);
    assert!(
        said.starts_with("get lease kube-system/nodeferry: the answer is no Lease: 200 application/json"),
        "{said}"
    );
    assert!(!said.contains("sEcReT"), "{said}");
    let said = unknown(
        &get("/api/v1/pods?limit=5"),
        http(200, json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}})),
    );
    assert_eq!(said, "list pods: the answer is no PodList: it has no items");
}

#[test]
fn a_list_that_says_that_more_remains_is_not_its_last_page() {
    let page = |meta: Value| http(200, json!({"kind": "PodList", "apiVersion": "v1", "metadata": meta, "items": []}));
    let next = said(&get(LIST), page(json!({"resourceVersion": "9", "continue": "t", "remainingItemCount": 3})));
    assert_eq!(next, Answered::Page(Page { items: Vec::new(), version: "9".into(), next: "t".into() }));
    unknown(&get(LIST), page(json!({"resourceVersion": "9", "remainingItemCount": 3})));
    unknown(&get(LIST), page(json!({"resourceVersion": "9", "continue": 7})));
}

#[test]
fn retry_after_is_heard_of_whoever_says_it() {
    let busy = read(429, Some(7_000), Some("text/plain"), b"Too many requests, please try again later.\n");
    let Answered::Unknown(u) = said(&get(POD), busy) else { panic!("an answer") };
    assert_eq!((u.retry_after_ms, u.foreign), (Some(7_000), true));
    // But an hour is for people to wait.
    let maintenance = read(503, Some(3_600_000), Some("text/html"), b"<html>");
    let Answered::Unknown(u) = said(&get(POD), maintenance) else { panic!("an answer") };
    assert_eq!(u.retry_after_ms, Some(30_000));
}

#[test]
fn an_event_of_a_watch_is_one_of_its_kind() {
    let node = |version: &str| json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "a", "uid": "n", "resourceVersion": version}});
    let line = |kind: &str, object: Value| json!({"type": kind, "object": object}).to_string();
    let of = |line: &str| event(&NODES, line.as_bytes());
    assert_eq!(of(&line("ADDED", node("5"))), WatchEvent::Applied(node("5")));
    assert_eq!(of(&line("DELETED", node("5"))), WatchEvent::Deleted(node("5")));
    let mark = json!({"kind": "Node", "apiVersion": "v1", "metadata": {"resourceVersion": "8"}});
    assert_eq!(of(&line("BOOKMARK", mark)), WatchEvent::Bookmark("8".into()));
    let expired = WatchEvent::Error { code: 410, message: "no".into() };
    assert_eq!(of(&line("ERROR", status(410, "Expired", Value::Null))), expired);
    let pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "uid": "n", "resourceVersion": "5"}});
    for foreign in [
        "<html>".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        r#"{"error":"login_required"}"#.to_owned(),
        r#"{"type":"error","status":"404"}"#.to_owned(),
        r#"{"type":"ADDED"}"#.to_owned(),
        line("ADDED", pod.clone()),
        line("DELETED", pod.clone()),
        line("DELETED", json!({})),
        line("ADDED", node("")),
        line("BOOKMARK", json!({"kind": "Node", "metadata": {}})),
        line("BOOKMARK", pod),
        line("ERROR", node("5")),
        line("SYNC", node("5")),
    ] {
        assert!(matches!(of(&foreign), WatchEvent::Foreign(_)), "{foreign} passes for {:?}", of(&foreign));
    }
}

#[test]
fn every_request_of_a_session_is_known() {
    let words: Vec<String> = honest().iter().map(|(e, ..)| Wanted::of_exchange(e).words).collect();
    assert_eq!(
        words,
        [
            "list pods of node a",
            "list pods",
            "get pod shop/web-1",
            "get node a",
            "get lease kube-system/nodeferry",
            "create lease kube-system/nodeferry",
            "update lease kube-system/nodeferry",
            "patch node a",
            "evict pod shop/web-1",
            "delete pod shop/web-1",
            "delete node a",
        ]
    );
    for resource in FOLLOWED.iter().chain([&LEASES, &NODE_CLAIMS]) {
        let wanted = Wanted::of_exchange(&get(&format!("{}?limit=5", resource.collection())));
        assert_eq!(wanted.what, What::Page { resource: *resource, node: None });
        let wanted = Wanted::of_exchange(&get(&resource.object("shop", "x")));
        assert!(matches!(&wanted.what, What::Object(p) if p.resource == *resource && p.name == "x"), "{wanted:?}");
    }
}
