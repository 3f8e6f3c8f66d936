//! What a dump itself knows of a migration: each finding says what the run does, and the run does it.

use crate::cli::{Dir, Ran, nodeferry};
use serde_json::{Value, json};

crate::findings::effects! {
    a_broken_pod_does_not_heal_by_being_moved: "pod-cannot-start" "crash-looping" "pod-unready-for-long" "budget-held-by-broken-pods";
    a_pod_that_is_unready_for_a_short_time_or_with_its_node_heals: "pod-not-ready";
    a_declared_stop_is_as_long_as_its_hook_sleeps_and_a_limit_that_it_reaches_is_named: "grace-reaches-limit";
    a_budget_over_a_job_holds_until_the_job_ends: "budget-over-job";
    a_job_that_used_up_its_failures_ends_when_it_is_moved: "job-ends-for-good" "job-work-lost";
    an_operators_budget_is_its_own_and_the_outcome_uncertain: "budget-of-operator";
    a_webhook_whose_only_backend_is_moved_lets_no_pod_be_created: "webhook-deadlock";
    a_volume_that_two_pods_share_has_its_own_cause_and_remedy: "volume-shared";
    what_stands_behind_a_broken_ordinal_does_not_come_back: "ordered-ready-blocked";
    what_is_said_of_finalizers_and_terminating_pods_is_what_the_run_does: "pod-terminating-on-lost-node";
    data_and_images_that_the_new_node_lacks_are_said: "host-path-left-behind" "empty-dir-lost" "architecture-differs";
    a_quota_without_room_lets_the_replacement_wait_until_the_pod_has_ended: "quota-without-room" "resource-quota";
    a_webhook_of_evictions_without_a_backend_refuses_them: "webhook-of-evictions" "webhook-conditions-unknown";
    a_job_that_outlasts_the_drain_keeps_its_node: "job-waited-for";
}

/// The moment of the dumps, and moments before it.
pub(crate) const NOW: &str = "2026-05-05T12:00:00Z";
pub(crate) const LONG_AGO: &str = "2026-05-01T08:00:00Z";

pub(crate) fn node(name: &str, pool: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": {"pool": pool, "kubernetes.io/hostname": name, "kubernetes.io/arch": "amd64"}},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20"}, "nodeInfo": {"kubeletVersion": "v1.35.1"},
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": LONG_AGO, "lastHeartbeatTime": NOW}]}})
}

/// The nodes of every test: two that are left, two that stay.
pub(crate) fn nodes() -> Vec<Value> {
    vec![node("old-1", "old"), node("old-2", "old"), node("new-1", "new"), node("new-2", "new")]
}

/// A ready pod of a controller in namespace `team`, labelled after it.
pub(crate) fn pod(name: &str, on: &str, api: &str, kind: &str, owner: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "team", "uid": format!("uid-{name}"), "labels": {"app": owner}, "creationTimestamp": LONG_AGO,
            "ownerReferences": [{"apiVersion": api, "kind": kind, "name": owner, "uid": format!("uid-{owner}"), "controller": true}]},
        "spec": {"nodeName": on, "terminationGracePeriodSeconds": 30,
            "containers": [{"name": "main", "image": "example.com/app:1", "resources": {"requests": {"cpu": "100m"}}}]},
        "status": {"phase": "Running", "startTime": LONG_AGO, "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": LONG_AGO},
            {"type": "Ready", "status": "True", "lastTransitionTime": LONG_AGO}]}})
}

pub(crate) fn owner(api: &str, kind: &str, name: &str, spec: Value) -> Value {
    let mut spec = spec;
    spec["selector"] = json!({"matchLabels": {"app": name}});
    spec["template"] = json!({"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "example.com/app:1"}]}});
    json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "team", "uid": format!("uid-{name}")}, "spec": spec})
}

pub(crate) fn replica_set(name: &str, replicas: i64) -> Value {
    owner("apps/v1", "ReplicaSet", name, json!({"replicas": replicas}))
}

pub(crate) fn budget(name: &str, demand: Value, [expected, desired, healthy]: [i64; 3]) -> Value {
    let mut spec = demand;
    spec["selector"] = json!({"matchLabels": {"app": name}});
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": "team", "generation": 1}, "spec": spec,
        "status": {"observedGeneration": 1, "expectedPods": expected, "desiredHealthy": desired, "currentHealthy": healthy,
            "disruptionsAllowed": (healthy - desired).max(0)}})
}

/// Not ready since long ago; a container waits for `reason`, if one is given.
pub(crate) fn unready(pod: &mut Value, phase: &str, since: &str, reason: Option<&str>) {
    pod["status"]["phase"] = json!(phase);
    pod["status"]["conditions"][1] = json!({"type": "Ready", "status": "False", "lastTransitionTime": since});
    if let Some(reason) = reason {
        pod["status"]["containerStatuses"] =
            json!([{"name": "main", "restartCount": 0, "state": {"waiting": {"reason": reason}}}]);
    }
}

pub(crate) struct Planned {
    pub(crate) ran: Ran,
    pub(crate) trace: Vec<Value>,
}

/// Plans to leave the pool `old`, a node at a time.
pub(crate) fn plan(objects: &[Value], more: &[&str]) -> Planned {
    let dir = Dir::new();
    let file = dir.file("dump.json", &json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string());
    let trace = dir.path("trace.jsonl");
    let mut args =
        vec!["plan", &file, "-l", "pool=old", "--batch-size", "1", "--cordon", "all-first", "--autoscaler", "none"];
    args.extend(["--replications", "1", "-o", "json", "--trace", &trace]);
    args.extend(more);
    let ran = nodeferry(&dir, &args);
    let text = std::fs::read_to_string(&trace).unwrap_or_default();
    let trace = text.lines().map(|l| serde_json::from_str(l).expect("an event")).collect();
    Planned { ran, trace }
}

impl Planned {
    pub(crate) fn json(&self) -> Value {
        self.ran.json()
    }

    pub(crate) fn finding(&self, code: &str) -> Value {
        let json = self.json();
        let found = json["findings"].as_array().and_then(|l| l.iter().find(|f| f["code"] == code).cloned());
        found.as_ref().into_iter().for_each(|_| crate::findings::saw(code));
        found.unwrap_or_else(|| panic!("no {code} in {json:#}"))
    }

    pub(crate) fn has(&self, code: &str) -> bool {
        let is_there = self.json()["findings"].as_array().is_some_and(|l| l.iter().any(|f| f["code"] == code));
        if is_there {
            crate::findings::saw(code);
        }
        is_there
    }

    pub(crate) fn outcome(&self) -> String {
        self.json()["outcome"].as_str().unwrap_or_default().to_owned()
    }

    /// Pods of the events of a kind.
    pub(crate) fn pods(&self, event: &str) -> Vec<String> {
        let of = self.trace.iter().filter(|e| e["event"] == event);
        of.map(|e| e["pod"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Causes and remedies of the failures, as one text.
    pub(crate) fn blockers(&self) -> String {
        self.json()["failures"].to_string()
    }
}

pub(crate) fn text(finding: &Value, field: &str) -> String {
    finding[field].as_str().unwrap_or_default().to_owned()
}

fn a_broken_pod_does_not_heal_by_being_moved() {
    for (phase, reason, code) in [
        ("Pending", Some("ImagePullBackOff"), "pod-cannot-start"),
        ("Pending", Some("ErrImagePull"), "pod-cannot-start"),
        ("Pending", Some("InvalidImageName"), "pod-cannot-start"),
        ("Pending", Some("CreateContainerConfigError"), "pod-cannot-start"),
        ("Pending", Some("CreateContainerError"), "pod-cannot-start"),
        ("Running", Some("RunContainerError"), "pod-cannot-start"),
        ("Running", Some("CrashLoopBackOff"), "crash-looping"),
        ("Running", None, "pod-unready-for-long"),
        ("Pending", Some("ContainerCreating"), "pod-unready-for-long"),
    ] {
        let mut sick = pod("mesh-a", "old-1", "apps/v1", "ReplicaSet", "mesh");
        unready(&mut sick, phase, LONG_AGO, reason);
        let mut objects = nodes();
        objects.extend([sick, pod("mesh-b", "old-2", "apps/v1", "ReplicaSet", "mesh"), replica_set("mesh", 2)]);
        objects.push(budget("mesh", json!({"minAvailable": 1}), [2, 1, 1]));
        let p = plan(&objects, &[]);
        assert_eq!(p.outcome(), "PARTLY_COMPLETED", "{phase} {reason:?}: {:#}", p.json());
        assert!(text(&p.finding(code), "message").contains("is taken to be as broken"), "{reason:?}");
        assert_eq!(p.finding("budget-held-by-broken-pods")["severity"], "error");
        assert_eq!(p.pods("eviction_accepted"), ["team/mesh-a"], "the broken one goes, the healthy one is refused");
        let ready = p.pods("pod_ready");
        assert!(ready.is_empty(), "{reason:?}: what replaces it is not ready: {ready:?}");
        assert!(p.blockers().contains("Repair the broken pods' workload"), "{}", p.blockers());
    }
}

fn a_pod_that_is_unready_for_a_short_time_or_with_its_node_heals() {
    let mut young = pod("mesh-a", "old-1", "apps/v1", "ReplicaSet", "mesh");
    unready(&mut young, "Running", "2026-05-05T11:58:00Z", None);
    let mut objects = nodes();
    objects.extend([young, pod("mesh-b", "old-2", "apps/v1", "ReplicaSet", "mesh"), replica_set("mesh", 2)]);
    objects.push(budget("mesh", json!({"minAvailable": 1}), [2, 1, 1]));
    let p = plan(&objects, &[]);
    assert_eq!(p.outcome(), "COMPLETED", "{:#}", p.json());
    assert!(p.has("pod-not-ready") && !p.has("pod-unready-for-long") && !p.has("budget-held-by-broken-pods"));
    // Its node has been silent for long, and so has the pod: on another node it is ready.
    let mut lost = node("old-1", "old");
    lost["status"]["conditions"][0]["status"] = json!("Unknown");
    let mut silent = pod("mesh-a", "old-1", "apps/v1", "ReplicaSet", "mesh");
    unready(&mut silent, "Running", LONG_AGO, None);
    let objects = [lost, node("new-1", "new"), silent, replica_set("mesh", 1)];
    let p = plan(&objects, &["--unscheduled-at-start", "ignore"]);
    assert!(!p.has("pod-unready-for-long"), "{:#}", p.json());
    assert_eq!(p.pods("pod_ready").len(), 1, "{:#}", p.json());
}

fn a_declared_stop_is_as_long_as_its_hook_sleeps_and_a_limit_that_it_reaches_is_named() {
    let stops = |grace: i64, hook: Value, more: &[&str]| {
        let mut only = pod("gate-a", "old-1", "apps/v1", "ReplicaSet", "gate");
        only["spec"]["terminationGracePeriodSeconds"] = json!(grace);
        only["spec"]["containers"][0]["lifecycle"] = json!({"preStop": hook});
        let mut objects = nodes();
        objects.extend([only, replica_set("gate", 1)]);
        plan(&objects, more)
    };
    for hook in [
        json!({"sleep": {"seconds": 200}}),
        json!({"exec": {"command": ["sleep", "200"]}}),
        json!({"exec": {"command": ["sh", "-c", "sleep 200 && nginx -s quit"]}}),
    ] {
        let p = stops(240, hook.clone(), &[]);
        assert_eq!(p.outcome(), "COMPLETED", "{:#}", p.json());
        let ms = p.json()["duration_ms"]["p50"].as_i64().expect("a duration");
        assert!((200_000..=250_000).contains(&ms), "{hook}: {ms}");
        let message = p.json()["findings"].to_string();
        assert!(message.contains("1 workload declares a preStop hook or a grace above 30 s"), "{message}");
        assert!(!p.has("grace-reaches-limit"));
    }
    let p = stops(1200, json!({"sleep": {"seconds": 900}}), &[]);
    assert_eq!(p.outcome(), "PARTLY_COMPLETED", "{:#}", p.json());
    let finding = p.finding("grace-reaches-limit");
    assert_eq!(finding["object"], "ReplicaSet/team/gate");
    assert!(
        text(&finding, "message").contains("preStop hook sleeps 15 min; kubectl_drain.timeout_ms allows 10 min"),
        "{finding}"
    );
    assert!(p.blockers().contains("Raise kubectl_drain.timeout_ms"), "{}", p.blockers());
}

fn a_budget_over_a_job_holds_until_the_job_ends() {
    let with = |deadline: Option<i64>, demand: Value, status: [i64; 3]| {
        let mut job =
            owner("batch/v1", "Job", "nightly", json!({"parallelism": 1, "completions": 1, "backoffLimit": 6}));
        job["status"] = json!({"active": 1, "startTime": "2026-05-05T11:30:00Z"});
        if let Some(seconds) = deadline {
            job["spec"]["activeDeadlineSeconds"] = json!(seconds);
        }
        let mut worker = pod("nightly-x", "old-1", "batch/v1", "Job", "nightly");
        worker["spec"]["restartPolicy"] = json!("Never");
        let mut objects = nodes();
        objects.extend([job, worker, budget("nightly", demand, status)]);
        plan(&objects, &[])
    };
    // 35 minutes of which 30 are over.
    let p = with(Some(2100), json!({"minAvailable": 1}), [1, 1, 1]);
    assert_eq!(p.outcome(), "COMPLETED", "{:#}", p.json());
    let ms = p.json()["duration_ms"]["p50"].as_i64().expect("a duration");
    assert!((295_000..=315_000).contains(&ms), "it waits for the deadline: {ms}");
    assert_eq!(p.ran.status, 0, "a Job that ends at its own deadline is not harmed: {:#}", p.json()["harm"]);
    assert!(
        p.json()["harm"].as_array().is_none_or(|l| l.iter().all(|h| h["grave"] == false)),
        "{:#}",
        p.json()["harm"]
    );
    let finding = p.finding("budget-over-job");
    assert!(text(&finding, "message").contains("at the latest 5 min after the dump"), "{finding}");
    assert!(!p.has("budget-never-met") && !p.has("job-work-lost"), "it is held, not moved");
    let p = with(None, json!({"minAvailable": 1}), [1, 1, 1]);
    assert_eq!(p.outcome(), "PARTLY_COMPLETED", "{:#}", p.json());
    let finding = p.finding("budget-over-job");
    assert!(text(&finding, "message").contains("held until the Job ends; its end is not known"), "{finding}");
    assert!(p.blockers().contains("Wait until Job/team/nightly has ended"), "{}", p.blockers());
    assert!(!p.blockers().contains("force"), "{}", p.blockers());
}

fn a_job_that_used_up_its_failures_ends_when_it_is_moved() {
    let with = |failed: i64, policy: Value| {
        let mut job = owner("batch/v1", "Job", "load", json!({"parallelism": 1, "completions": 1, "backoffLimit": 2}));
        job["status"] = json!({"active": 1, "failed": failed, "startTime": "2026-05-05T06:00:00Z"});
        job["spec"]["podFailurePolicy"] = policy;
        let mut worker = pod("load-x", "old-1", "batch/v1", "Job", "load");
        worker["status"]["startTime"] = json!("2026-05-05T06:00:00Z");
        worker["spec"]["restartPolicy"] = json!("Never");
        // The second node takes a minute, within which the Job has its next pod, if it has one.
        let mut slow = pod("slow-a", "old-2", "apps/v1", "ReplicaSet", "slow");
        slow["spec"]["terminationGracePeriodSeconds"] = json!(60);
        slow["spec"]["containers"][0]["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 60}}});
        let mut objects = nodes();
        objects.extend([job, worker, slow, replica_set("slow", 1)]);
        plan(&objects, &[])
    };
    let created = |p: &Planned| p.pods("pod_created").iter().filter(|n| n.starts_with("team/load")).count();
    let ends = with(2, Value::Null);
    assert!(text(&ends.finding("job-ends-for-good"), "message").contains("nothing begins it again"));
    assert_eq!(created(&ends), 0, "{:#}", ends.json());
    let goes_on = with(1, Value::Null);
    assert!(text(&goes_on.finding("job-work-lost"), "message").contains("up to 6 h of work are lost"));
    assert_eq!(created(&goes_on), 1);
    let fails = with(0, json!({"rules": [{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]}]}));
    assert!(text(&fails.finding("job-ends-for-good"), "message").contains("fails the Job when a pod is evicted"));
    assert_eq!(created(&fails), 0, "{:#}", fails.json());
    let ignored = json!({"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]});
    let ignores = with(2, ignored);
    assert!(text(&ignores.finding("job-work-lost"), "message").contains("does not count the eviction"));
    assert_eq!(created(&ignores), 1);
}

fn an_operators_budget_is_its_own_and_the_outcome_uncertain() {
    let with = |budget_meta: Value, api: &str, kind: &str| {
        let mut b = budget("db", json!({"minAvailable": 1}), [1, 1, 1]);
        b["metadata"]["labels"] = budget_meta["labels"].clone();
        b["metadata"]["ownerReferences"] = budget_meta["ownerReferences"].clone();
        let mut objects = nodes();
        objects.extend([pod("db-1", "old-1", api, kind, "db"), b]);
        if kind == "ReplicaSet" {
            objects.push(replica_set("db", 1));
        }
        plan(&objects, &[])
    };
    let owned = json!({"ownerReferences": [{"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "db", "uid": "u"}]});
    for (meta, api, kind, name) in [
        (owned, "apps/v1", "ReplicaSet", "CloudNativePG"),
        (json!({"labels": {"longhorn.io/managed-by": "longhorn-manager"}}), "apps/v1", "ReplicaSet", "Longhorn"),
        (
            json!({"labels": {"app.kubernetes.io/managed-by": "strimzi-cluster-operator"}}),
            "apps/v1",
            "ReplicaSet",
            "Strimzi",
        ),
        (json!({}), "stores.example.com/v1", "Store", "stores.example.com"),
    ] {
        let p = with(meta, api, kind);
        let finding = p.finding("budget-of-operator");
        assert_eq!(finding["severity"], "warning");
        assert!(text(&finding, "message").contains(&format!("managed by {name}")), "{finding}");
        assert!(!p.has("budget-never-met"), "{name}");
        assert!(p.blockers().contains("uncertain: the budget team/db is managed by"), "{}", p.blockers());
        assert!(!p.blockers().contains("force"), "{}", p.blockers());
    }
    let p = with(json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}}), "apps/v1", "ReplicaSet");
    assert!(p.has("budget-never-met") && !p.has("budget-of-operator"));
}

#[test]
fn operators_are_known_by_labels_of_held_pods_and_jobs_are_judged_apart() {
    let mut member = pod("db-0", "old-1", "apps/v1", "ReplicaSet", "db");
    member["metadata"]["labels"]["common.k8s.elastic.co/type"] = json!("elasticsearch");
    let mut objects = nodes();
    objects.extend([member, replica_set("db", 1), budget("db", json!({"minAvailable": 1}), [1, 1, 1])]);
    let p = plan(&objects, &[]);
    assert!(text(&p.finding("budget-of-operator"), "message").contains("Elastic Cloud on Kubernetes"));
    assert!(!p.has("budget-never-met"));
    // One budget over a Job's pod and a Deployment's: the one goes when its Job ends, the other never.
    let mut job = owner("batch/v1", "Job", "load", json!({"parallelism": 1, "completions": 1}));
    job["status"] = json!({"active": 1, "startTime": LONG_AGO});
    let mut worker = pod("load-x", "old-1", "batch/v1", "Job", "load");
    let mut web = pod("web-a", "old-2", "apps/v1", "ReplicaSet", "web");
    for p in [&mut worker, &mut web] {
        p["metadata"]["labels"] = json!({"app": "both"});
    }
    let mut objects = nodes();
    objects.extend([job, worker, web, replica_set("web", 1), budget("both", json!({"minAvailable": 2}), [2, 2, 2])]);
    let p = plan(&objects, &[]);
    let never = text(&p.finding("budget-never-met"), "message");
    assert!(never.contains("always refused: team/web-a") && !never.contains("always refused: team/load-x"), "{never}");
    let waits = text(&p.finding("budget-over-job"), "message");
    assert!(waits.contains("team/load-x") && !waits.contains("team/web-a"), "{waits}");
}

fn a_webhook_whose_only_backend_is_moved_lets_no_pod_be_created() {
    let hook = |selector: Value, policy: &str| {
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "guard"},
            "webhooks": [{"name": "pods.guard.example.com", "failurePolicy": policy, "namespaceSelector": selector,
                "clientConfig": {"service": {"namespace": "team", "name": "guard"}},
                "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]}]})
    };
    let with = |configuration: Value| {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "guard", "namespace": "team"}, "spec": {"selector": {"app": "guard"}}});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team", "labels": {"kubernetes.io/metadata.name": "team"}}});
        let mut objects = nodes();
        objects.extend([service, namespace, configuration, replica_set("guard", 1), replica_set("web", 1)]);
        objects.extend([
            pod("guard-a", "old-1", "apps/v1", "ReplicaSet", "guard"),
            pod("web-a", "old-2", "apps/v1", "ReplicaSet", "web"),
        ]);
        plan(&objects, &[])
    };
    let p = with(hook(json!({}), "Fail"));
    let finding = p.finding("webhook-deadlock");
    assert_eq!(
        (&finding["severity"], &finding["object"]),
        (&json!("error"), &json!("MutatingWebhookConfiguration/guard"))
    );
    assert!(text(&finding, "message").contains("not even their own replacements"), "{finding}");
    assert!(p.pods("pod_created").is_empty(), "nothing is created any more: {:?}", p.pods("pod_created"));
    assert_eq!(p.outcome(), "FAILED", "{:#}", p.json());
    assert!(p.blockers().contains("Bring a backend of the named webhook's Service back"), "{}", p.blockers());
    let elsewhere =
        json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["team"]}]});
    for (selector, policy) in [(elsewhere, "Fail"), (json!({}), "Ignore")] {
        let p = with(hook(selector, policy));
        assert!(!p.has("webhook-deadlock"), "{:#}", p.json());
        assert_eq!((p.outcome().as_str(), p.pods("pod_created").len()), ("COMPLETED", 2), "{policy}");
    }
}

#[test]
fn a_rollout_under_way_is_said() {
    let with = |kind: &str, generation: i64, status: Value, spec: Value| {
        let mut workload = owner("apps/v1", kind, "api", spec);
        workload["metadata"]["generation"] = json!(generation);
        workload["status"] = status;
        let mut objects = nodes();
        objects.push(workload);
        plan(&objects, &["--allow-partial-dump"]).has("rollout-under-way")
    };
    let four = || json!({"replicas": 4});
    assert!(with("Deployment", 2, json!({"observedGeneration": 1, "replicas": 4, "updatedReplicas": 4}), four()));
    assert!(with("Deployment", 2, json!({"observedGeneration": 2, "replicas": 5, "updatedReplicas": 2}), four()));
    assert!(with("Deployment", 2, json!({"observedGeneration": 2, "replicas": 4}), four()), "a count of 0 is left out");
    assert!(!with("Deployment", 2, json!({"observedGeneration": 2, "replicas": 4, "updatedReplicas": 4}), four()));
    assert!(with("StatefulSet", 1, json!({"observedGeneration": 1, "replicas": 4, "updatedReplicas": 1}), four()));
    let partition =
        json!({"replicas": 4, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}});
    assert!(!with("StatefulSet", 1, json!({"observedGeneration": 1, "replicas": 4, "updatedReplicas": 1}), partition));
    let daemons =
        |updated: i64| json!({"observedGeneration": 1, "desiredNumberScheduled": 4, "updatedNumberScheduled": updated});
    assert!(with("DaemonSet", 1, daemons(2), json!({})) && !with("DaemonSet", 1, daemons(4), json!({})));
    assert!(!with("DaemonSet", 1, daemons(2), json!({"updateStrategy": {"type": "OnDelete"}})));
}

fn a_volume_that_two_pods_share_has_its_own_cause_and_remedy() {
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "team", "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "pv-data", "resources": {"requests": {"storage": "1Gi"}}}, "status": {"phase": "Bound"}});
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "claimRef": {"namespace": "team", "name": "data", "uid": "c"},
            "csi": {"driver": "disk.example.com", "volumeHandle": "h"}}, "status": {"phase": "Bound"}});
    let attachment = json!({"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "va"},
        "spec": {"nodeName": "old-1", "source": {"persistentVolumeName": "pv-data"}}});
    let mut objects = vec![
        node("old-1", "old"),
        node("new-1", "new"),
        node("new-2", "new"),
        claim,
        volume,
        attachment,
        replica_set("wiki", 2),
    ];
    for name in ["wiki-a", "wiki-b"] {
        let mut p = pod(name, "old-1", "apps/v1", "ReplicaSet", "wiki");
        p["spec"]["volumes"] = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
        // They do not go to one node.
        p["spec"]["topologySpreadConstraints"] = json!([{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
            "nodeTaintsPolicy": "Honor", "labelSelector": {"matchLabels": {"app": "wiki"}}}]);
        objects.push(p);
    }
    let p = plan(&objects, &[]);
    assert_eq!(p.outcome(), "FAILED", "{:#}", p.json());
    let blockers = p.blockers();
    assert!(
        blockers.contains("waits for volume pv-data (claim team/data, ReadWriteOnce), which is attached to node"),
        "{blockers}"
    );
    assert!(blockers.contains("required pod affinity") && !blockers.contains("Make room"), "{blockers}");
    assert_eq!(p.finding("volume-shared")["object"], "PersistentVolumeClaim/team/data");
    assert!(
        text(&p.finding("delay-origin"), "message").contains("detach"),
        "the detach delay is among what is assumed"
    );
}

fn what_stands_behind_a_broken_ordinal_does_not_come_back() {
    let set = owner("apps/v1", "StatefulSet", "ring", json!({"replicas": 2, "serviceName": "ring"}));
    let mut first = pod("ring-0", "new-1", "apps/v1", "StatefulSet", "ring");
    unready(&mut first, "Running", LONG_AGO, Some("CrashLoopBackOff"));
    let mut objects = nodes();
    objects.extend([set, first, pod("ring-1", "old-1", "apps/v1", "StatefulSet", "ring")]);
    let p = plan(&objects, &[]);
    assert!(text(&p.finding("ordered-ready-blocked"), "message").contains("do not come back: team/ring-1"));
    assert_eq!((p.pods("eviction_accepted"), p.pods("pod_created")), (vec!["team/ring-1".to_owned()], vec![]));
    let blockers = p.blockers();
    assert!(
        blockers.contains("OrderedReady creates none behind it") && blockers.contains("lower ordinal"),
        "{blockers}"
    );
}

fn what_is_said_of_finalizers_and_terminating_pods_is_what_the_run_does() {
    let mut held = pod("lb-a", "old-1", "apps/v1", "ReplicaSet", "lb");
    held["metadata"]["finalizers"] = json!(["cloud.example.com/address"]);
    let mut objects = nodes();
    objects.extend([held, replica_set("lb", 1)]);
    let p = plan(&objects, &[]);
    assert_eq!(p.outcome(), "PARTLY_COMPLETED");
    let findings = p.json()["findings"].to_string();
    assert!(
        findings.contains("the drain waits for them for 10 min (kubectl_drain.timeout_ms) and fails"),
        "{findings}"
    );
    assert!(p.blockers().contains("take off the named finalizers"), "{}", p.blockers());
    let mut lost = node("old-1", "old");
    lost["status"]["conditions"][0]["status"] = json!("Unknown");
    let mut going = pod("lb-a", "old-1", "apps/v1", "ReplicaSet", "lb");
    going["metadata"]["deletionTimestamp"] = json!("2026-05-05T09:00:00Z");
    going["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    let p = plan(&[lost, node("new-1", "new"), going, replica_set("lb", 0)], &[]);
    assert!(!p.has("pod-terminating"), "nothing says that it goes by itself");
    assert!(text(&p.finding("pod-terminating-on-lost-node"), "message").contains("it stays until the node answers"));
    assert_eq!(p.outcome(), "FAILED", "{:#}", p.json());
    assert!(p.blockers().contains("Delete the object of node old-1"), "{}", p.blockers());
}

fn data_and_images_that_the_new_node_lacks_are_said() {
    let mut local = pod("box-a", "old-1", "apps/v1", "ReplicaSet", "box");
    local["spec"]["volumes"] = json!([{"name": "d", "hostPath": {"path": "/data/box"}}, {"name": "t", "hostPath": {"path": "/etc/localtime"}}, {"name": "e", "emptyDir": {}}]);
    let mut other = node("new-1", "new");
    other["metadata"]["labels"]["kubernetes.io/arch"] = json!("arm64");
    let objects = [node("old-1", "old"), other, local, replica_set("box", 1)];
    let p = plan(&objects, &[]);
    let message = text(&p.finding("host-path-left-behind"), "message");
    assert!(message.contains("/data/box of their node") && !message.contains("localtime"), "{message}");
    assert_eq!(p.finding("empty-dir-lost")["severity"], "info");
    assert!(
        text(&p.finding("architecture-differs"), "message")
            .contains("architecture amd64 and may be placed on nodes with arm64")
    );
    assert_eq!(p.outcome(), "COMPLETED", "the simulation lets them start: {:#}", p.json());
    let mut bound = objects[2].clone();
    bound["spec"]["nodeSelector"] = json!({"kubernetes.io/arch": "amd64"});
    let p = plan(&[objects[0].clone(), node("new-2", "new"), objects[1].clone(), bound, objects[3].clone()], &[]);
    assert!(!p.has("architecture-differs"), "{:#}", p.json());
}

/// A quota of namespace `team`, of which so much is used.
fn quota(hard: Value, used: Value, more: Value) -> Value {
    let mut spec = more;
    spec["hard"] = hard.clone();
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team", "namespace": "team"},
        "spec": spec, "status": {"hard": hard, "used": used}})
}

/// A pod that takes half a minute to stop, under a quota.
fn under_quota(quota: Value, change: impl Fn(&mut Value)) -> Planned {
    let mut slow = pod("web-a", "old-1", "apps/v1", "ReplicaSet", "web");
    slow["spec"]["containers"][0]["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 30}}});
    slow["spec"]["terminationGracePeriodSeconds"] = json!(40);
    change(&mut slow);
    let mut objects = nodes();
    objects.extend([quota, slow, replica_set("web", 1)]);
    plan(&objects, &[])
}

fn a_quota_without_room_lets_the_replacement_wait_until_the_pod_has_ended() {
    let p = under_quota(quota(json!({"pods": "1"}), json!({"pods": "1"}), json!({})), |_| {});
    let message = text(&p.finding("quota-without-room"), "message");
    assert!(message.contains("pods: 1 of 1 used"), "{message}");
    assert_eq!(p.finding("quota-without-room")["severity"], "warning");
    let refused: Vec<&Value> = p.trace.iter().filter(|e| e["event"] == "pod_creation_refused").collect();
    assert!(refused.len() > 3, "each try is refused: {}", refused.len());
    assert_eq!(refused[0]["code"], 403);
    assert!(
        text(refused[0], "message")
            .ends_with("is forbidden: exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1"),
        "{}",
        refused[0]
    );
    let at = |event: &str| {
        p.trace
            .iter()
            .filter(|e| e["event"] == event && e["initial"] != true)
            .map(|e| e["t_ms"].as_i64())
            .next()
            .flatten()
    };
    let (created, evicted) = (at("pod_created").expect("it is created"), at("eviction_accepted").expect("evicted"));
    assert!((30_000..45_000).contains(&(created - evicted)), "only when the old one has ended: {created}, {evicted}");
    assert_eq!(p.outcome(), "COMPLETED", "{:#}", p.json());
    // With room for two nobody waits.
    let p = under_quota(quota(json!({"pods": "2"}), json!({"pods": "1"}), json!({})), |_| {});
    assert!(p.has("resource-quota") && !p.has("quota-without-room"));
    assert!(p.trace.iter().all(|e| e["event"] != "pod_creation_refused"));
}

#[test]
fn a_quota_that_is_overdrawn_lets_no_replacement_be_created() {
    let p = under_quota(quota(json!({"requests.cpu": "1"}), json!({"requests.cpu": "1500m"}), json!({})), |_| {});
    let finding = p.finding("quota-without-room");
    assert_eq!(finding["severity"], "error");
    assert!(text(&finding, "message").contains("requests.cpu: 1500m of 1 used"), "{finding}");
    assert_eq!(p.outcome(), "FAILED", "{:#}", p.json());
    assert!(p.blockers().contains("exceeded quota: team"), "the cause names it: {}", p.blockers());
    assert!(p.pods("pod_ready").is_empty());
}

#[test]
fn a_quota_counts_what_its_scopes_and_keys_say() {
    let full = |key: &str, amount: &str, more: Value, change: fn(&mut Value)| {
        let p = under_quota(quota(json!({key: amount}), json!({key: amount}), more), change);
        let refused = p.trace.iter().any(|e| e["event"] == "pod_creation_refused");
        assert_eq!(refused, p.has("quota-without-room"), "the finding says what the run does: {key}");
        refused
    };
    let limits: fn(&mut Value) =
        |p| p["spec"]["containers"][0]["resources"]["limits"] = json!({"memory": "1Gi", "cpu": "1"});
    let plain: fn(&mut Value) = |_| {};
    assert!(full("limits.memory", "1Gi", json!({}), limits) && !full("limits.memory", "1Gi", json!({}), plain));
    assert!(full("count/pods", "1", json!({}), plain) && full("cpu", "100m", json!({}), plain));
    assert!(!full("services", "1", json!({}), plain) && !full("requests.example.com/gpu", "1", json!({}), plain));
    assert!(
        !full("pods", "1", json!({"scopes": ["BestEffort"]}), plain)
            && full("pods", "1", json!({"scopes": ["NotBestEffort"]}), plain)
    );
    assert!(
        !full("pods", "1", json!({"scopes": ["Terminating"]}), plain)
            && full("pods", "1", json!({"scopes": ["NotTerminating"]}), plain)
    );
    let class = |operator: &str, values: Value| json!({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}});
    let gold: fn(&mut Value) = |p| p["spec"]["priorityClassName"] = json!("gold");
    assert!(
        full("pods", "1", class("In", json!(["gold"])), gold)
            && !full("pods", "1", class("In", json!(["gold"])), plain)
    );
    assert!(
        !full("pods", "1", class("NotIn", json!(["gold"])), gold)
            && full("pods", "1", class("DoesNotExist", Value::Null), plain)
    );
    assert!(!full("pods", "1", json!({"scopes": ["Unheard"]}), plain));
}

/// A fail-closed webhook of Service `team/guard`.
fn webhook(rules: Value, more: Value) -> [Value; 3] {
    let mut hook = more;
    hook["name"] = json!("guard.example.com");
    hook["clientConfig"] = json!({"service": {"namespace": "team", "name": "guard"}});
    hook["rules"] = rules;
    [
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "guard", "namespace": "team"}, "spec": {"selector": {"app": "guard"}}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team", "labels": {"kubernetes.io/metadata.name": "team"}}}),
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "guard"}, "webhooks": [hook]}),
    ]
}

fn a_webhook_of_evictions_without_a_backend_refuses_them() {
    let rules = |resource: &str| json!([{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": [resource]}]);
    let with = |resource: &str, more: Value| {
        let mut objects = nodes();
        objects.extend(webhook(rules(resource), more));
        // kubectl evicts the last of the list first.
        objects.extend([
            pod("web-a", "old-1", "apps/v1", "ReplicaSet", "web"),
            pod("z-guard", "old-1", "apps/v1", "ReplicaSet", "guard"),
        ]);
        objects.extend([replica_set("guard", 1), replica_set("web", 1)]);
        plan(&objects, &[])
    };
    let refusals =
        |p: &Planned| p.trace.iter().filter(|e| e["event"] == "eviction_refused").cloned().collect::<Vec<_>>();
    // Of the pods of one node one is evicted first: the backend is not ready from then on.
    let p = with("pods/eviction", json!({}));
    let refused = refusals(&p);
    assert_eq!(refused.len(), 1, "{:#}", p.json());
    assert_eq!(refused[0]["code"], 500);
    assert!(text(&refused[0], "message").contains("failed calling webhook"), "{}", refused[0]);
    assert!(text(&p.finding("webhook-of-evictions"), "message").contains("evictions are refused"));
    assert_ne!(p.outcome(), "COMPLETED", "{:#}", p.json());
    assert!(p.blockers().contains("failed calling webhook"), "{}", p.blockers());
    // What is asked about is the Eviction, which has no labels; and failurePolicy, conditions and namespaces decide.
    for (more, why) in [
        (json!({"objectSelector": {"matchLabels": {"app": "web"}}}), "no Eviction has the label"),
        (json!({"failurePolicy": "Ignore"}), "it fails open"),
        (
            json!({"namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["team"]}]}}),
            "the namespace is exempt",
        ),
        (
            json!({"matchConditions": [{"name": "other", "expression": "request.namespace != 'team'"}]}),
            "its condition exempts the namespace",
        ),
    ] {
        let p = with("pods/eviction", more);
        assert!(refusals(&p).is_empty(), "{why}");
        assert!(!p.has("webhook-of-evictions"), "{why}");
    }
    // Of what cannot be decided it is said.
    let p = with(
        "pods/eviction",
        json!({"matchConditions": [{"name": "who", "expression": "!('system:nodes' in request.userInfo.groups)"}]}),
    );
    assert!(p.has("webhook-conditions-unknown") && refusals(&p).is_empty(), "{:#}", p.json());
}

#[test]
fn a_webhooks_conditions_decide_whether_pods_are_refused() {
    let with = |expression: &str| {
        let rules = json!([{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["pods"]}]);
        let mut objects = nodes();
        objects.extend(webhook(rules, json!({"matchConditions": [{"name": "c", "expression": expression}]})));
        objects.extend([pod("guard-a", "old-1", "apps/v1", "ReplicaSet", "guard"), replica_set("guard", 1)]);
        plan(&objects, &[])
    };
    let refused = |p: &Planned| p.trace.iter().any(|e| e["event"] == "pod_creation_refused");
    let p = with("request.namespace == 'team' && !has(object.metadata.labels.exempt)");
    assert!(p.has("webhook-deadlock") && refused(&p) && p.outcome() == "FAILED", "{:#}", p.json());
    let event = p.trace.iter().find(|e| e["event"] == "pod_creation_refused").expect("an event");
    assert_eq!((&event["code"], &event["owner"]), (&json!(500), &json!("ReplicaSet/team/guard")));
    assert!(p.blockers().contains("no backend of its Service team/guard is ready"), "{}", p.blockers());
    let p = with("object.metadata.labels['app'] != 'guard'");
    assert!(!p.has("webhook-deadlock") && !refused(&p) && p.outcome() == "COMPLETED", "{:#}", p.json());
}

/// A Job on `old-1`, beside a Deployment's pod; `earlier` Jobs of its CronJob took so many minutes.
fn with_job(earlier: &[i64], deadline: Option<i64>, more: &[&str]) -> Planned {
    let cron = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "report", "uid": "uid-report", "controller": true}]);
    let mut job = owner("batch/v1", "Job", "report-9", json!({"parallelism": 1, "completions": 1, "backoffLimit": 6}));
    job["metadata"]["ownerReferences"] = cron.clone();
    job["status"] = json!({"active": 1, "startTime": "2026-05-05T11:58:00Z"});
    if let Some(seconds) = deadline {
        job["spec"]["activeDeadlineSeconds"] = json!(seconds);
    }
    let mut worker = pod("report-9-x", "old-1", "batch/v1", "Job", "report-9");
    worker["spec"]["restartPolicy"] = json!("Never");
    worker["status"]["startTime"] = json!("2026-05-05T11:58:00Z");
    let mut objects = nodes();
    objects.extend([job, worker, pod("web-a", "old-1", "apps/v1", "ReplicaSet", "web"), replica_set("web", 1)]);
    for (i, minutes) in earlier.iter().enumerate() {
        let mut done = owner("batch/v1", "Job", &format!("report-{i}"), json!({"parallelism": 1, "completions": 1}));
        done["metadata"]["ownerReferences"] = cron.clone();
        done["status"] = json!({"succeeded": 1, "startTime": "2026-05-05T08:00:00Z", "completionTime": format!("2026-05-05T08:{minutes:02}:00Z"),
            "conditions": [{"type": "Complete", "status": "True"}]});
        objects.push(done);
    }
    plan(&objects, more)
}

#[test]
fn jobs_are_let_finish_before_their_pods_are_evicted() {
    let evicted = |p: &Planned| p.pods("eviction_accepted");
    // Five minutes, of which two are over.
    let p = with_job(&[5], None, &["--wait-for-jobs"]);
    assert_eq!(p.outcome(), "COMPLETED", "{:#}", p.json());
    let ms = p.json()["duration_ms"]["p50"].as_i64().expect("a duration");
    assert!((179_000..=190_000).contains(&ms), "until the Job has ended: {ms}");
    let at = |pod: &str| {
        p.trace.iter().find(|e| e["event"] == "eviction_accepted" && e["pod"] == pod).and_then(|e| e["t_ms"].as_i64())
    };
    assert!(at("team/web-a").is_some_and(|t| t < 1_000), "the others go at once");
    assert!(at("team/report-9-x").is_some_and(|t| t >= 179_000), "what has finished is removed as kubectl does it");
    assert!(p.trace.iter().all(|e| e["event"] != "job_pod_lost"), "no work is lost");
    assert!(p.json()["harm"].as_array().is_none_or(Vec::is_empty), "{:#}", p.json()["harm"]);
    let finding = p.finding("job-waited-for");
    assert!(
        text(&finding, "message").contains("let finish before they are evicted") && !p.has("job-work-lost"),
        "{finding}"
    );
    // Without the flag it begins again.
    let p = with_job(&[5], None, &[]);
    assert!(p.has("job-work-lost") && !p.has("job-waited-for"));
    assert!(p.trace.iter().any(|e| e["event"] == "job_pod_lost"));
    assert!(evicted(&p).contains(&"team/report-9-x".to_owned()));
}

fn a_job_that_outlasts_the_drain_keeps_its_node() {
    for (procedure, limit) in [
        (vec!["--wait-for-jobs"], "kubectl_drain.timeout_ms"),
        (vec!["--wait-for-jobs", "--force-pdb"], "kubectl_drain.timeout_ms"),
        (vec!["--wait-for-jobs", "--procedure", "surge"], "surge.node_timeout_ms"),
    ] {
        let p = with_job(&[], None, &procedure);
        assert_ne!(p.outcome(), "COMPLETED", "{procedure:?}: {:#}", p.json());
        assert!(!p.pods("eviction_accepted").contains(&"team/report-9-x".to_owned()), "{procedure:?}");
        assert!(p.trace.iter().all(|e| e["event"] != "job_pod_lost"), "{procedure:?}: it runs on");
        let message = text(&p.finding("job-waited-for"), "message");
        assert!(message.contains("when is not known") && message.contains(limit), "{message}");
        assert!(p.blockers().contains("Job/team/report-9 still runs"), "{procedure:?}: {}", p.blockers());
        assert!(p.blockers().contains(&format!("raise {limit}")), "{procedure:?}: {}", p.blockers());
    }
    // One whose deadline comes in time is an info, and done by then.
    let p = with_job(&[], Some(300), &["--wait-for-jobs"]);
    assert_eq!(p.finding("job-waited-for")["severity"], "info");
    assert_eq!(p.outcome(), "COMPLETED", "{:#}", p.json());
}

#[test]
fn a_run_time_that_is_given_is_the_one_of_the_finding_and_of_the_run() {
    let dir = Dir::new();
    let with = |run: &str, earlier: &[i64]| {
        let delays = dir.file("delays.yaml", &format!("run: {run}\n"));
        with_job(earlier, None, &["--wait-for-jobs", "--delays", &delays])
    };
    // Of five minutes two are over. What the CronJob's earlier Jobs took does not count beside it.
    let p = with("{constant: {ms: 300000}}", &[59]);
    let finding = p.finding("job-waited-for");
    assert_eq!((finding["severity"].as_str(), p.outcome().as_str()), (Some("info"), "COMPLETED"), "{finding}");
    assert!(
        text(&finding, "message").contains("about 3 min after the dump, by the run time that is given"),
        "{finding}"
    );
    let p = with("{constant: {ms: 3600000}}", &[5]);
    let finding = p.finding("job-waited-for");
    assert_eq!(finding["severity"], "warning");
    assert!(text(&finding, "message").contains("about 58 min after the dump"), "{finding}");
    assert_ne!(p.outcome(), "COMPLETED", "{:#}", p.json());
}

#[test]
fn a_quota_of_limits_counts_the_overhead_of_what_is_limited() {
    let refused = |memory: &str, limited: bool| {
        let p =
            under_quota(quota(json!({"limits.memory": memory}), json!({"limits.memory": "560Mi"}), json!({})), |p| {
                p["spec"]["overhead"] = json!({"memory": "60Mi", "cpu": "100m"});
                if limited {
                    p["spec"]["containers"][0]["resources"]["limits"] = json!({"memory": "500Mi"});
                }
            });
        p.trace.iter().any(|e| e["event"] == "pod_creation_refused")
    };
    // 500Mi and 60Mi beside as much: 1120Mi.
    assert!(refused("1119Mi", true) && !refused("1120Mi", true));
    assert!(!refused("561Mi", false), "overhead alone is no limit");
}

#[test]
fn pods_count_as_ready_again_when_they_are_available() {
    let with = |more: &[&str]| {
        let mut set = owner("apps/v1", "ReplicaSet", "web", json!({"replicas": 1, "minReadySeconds": 120}));
        set["status"] = json!({"replicas": 1});
        let mut objects = nodes();
        objects.extend([pod("web-a", "old-1", "apps/v1", "ReplicaSet", "web"), set]);
        plan(&objects, more)
    };
    let p = with(&[]);
    assert_eq!(p.outcome(), "COMPLETED", "{:#}", p.json());
    let ms = p.json()["duration_ms"]["p50"].as_i64().expect("a duration");
    let ready = p.trace.iter().find(|e| e["event"] == "pod_ready").and_then(|e| e["t_ms"].as_i64()).expect("ready");
    assert!((120_000..123_000).contains(&(ms - ready)), "it waits for minReadySeconds: {ms}, {ready}");
}

#[test]
fn budgets_count_pods_as_soon_as_they_are_ready() {
    // The disruption controller looks at the condition Ready, not at what is available.
    let mut set = owner("apps/v1", "ReplicaSet", "web", json!({"replicas": 2, "minReadySeconds": 300}));
    set["status"] = json!({"replicas": 2});
    let mut objects = nodes();
    objects.extend([
        pod("web-a", "old-1", "apps/v1", "ReplicaSet", "web"),
        pod("web-b", "old-1", "apps/v1", "ReplicaSet", "web"),
        set,
    ]);
    objects.push(budget("web", json!({"maxUnavailable": 1}), [2, 1, 2]));
    let p = plan(&objects, &[]);
    let at: Vec<i64> =
        p.trace.iter().filter(|e| e["event"] == "eviction_accepted").filter_map(|e| e["t_ms"].as_i64()).collect();
    assert!(at.len() == 2 && at[1] - at[0] < 60_000, "the second goes when the first's replacement is ready: {at:?}");
}

#[test]
fn a_node_whose_budget_waits_for_a_job_or_an_operator_passes_oceans_validation() {
    for (budget_meta, kind) in
        [(json!({}), "Job"), (json!({"longhorn.io/component": "instance-manager"}), "ReplicaSet")]
    {
        let mut b = budget("db", json!({"minAvailable": 1}), [1, 1, 1]);
        b["metadata"]["labels"] = budget_meta;
        let api = if kind == "Job" { "batch/v1" } else { "apps/v1" };
        let mut controller = owner(api, kind, "db", json!({"replicas": 1, "parallelism": 1, "completions": 1}));
        controller["status"] = json!({"active": 1, "replicas": 1});
        let mut objects = nodes();
        objects.extend([pod("db-1", "old-1", api, kind, "db"), b, controller]);
        let dir = Dir::new();
        let groups = dir.file(
            "groups.json",
            &json!({"machine_types": [{"name": "m", "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20"}}],
            "groups": [{"name": "fresh", "labels": {"pool": "old"}, "machine_types": [{"name": "m"}], "max_count": 9}]})
            .to_string(),
        );
        let p = plan(&objects, &["--procedure", "ocean-azure", "--groups", &groups]);
        assert!(p.pods("eviction_refused").contains(&"team/db-1".to_owned()), "{kind}: the drain asks: {:#}", p.json());
        let rule = p.json()["prerequisites"]
            .as_array()
            .and_then(|l| l.iter().find(|r| r["rule"] == "disruption-budgets").cloned())
            .expect("the rule");
        assert_eq!(rule["verdict"], "unknown", "{kind}: {rule}");
        assert!(!p.has("budget-never-met"), "{kind}");
    }
}

/// Names are somebody else's: neither the terminal nor a picture nor a spreadsheet is given anything to obey.
#[test]
fn names_with_control_characters_and_formulas_are_only_shown() {
    let evil = "=cmd|'/c x'!A1\u{1b}[2J\u{9b}31m\u{7}";
    let mut objects = nodes();
    let mut worker = pod(evil, "old-1", "apps/v1", "ReplicaSet", "web");
    worker["metadata"]["labels"]["app"] = json!("web");
    let mut held = budget("web", json!({"minAvailable": 1}), [1, 1, 1]);
    held["metadata"]["name"] = json!(evil);
    objects.extend([worker, replica_set("web", 1), held]);
    let dir = Dir::new();
    let dump = dir.file("dump.json", &json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string());
    let report = dir.path("report");
    let obeyed = |text: &str| text.contains(|c: char| c.is_control() && c != '\n' && c != '\t' && c != '\r');
    for output in ["table", "json"] {
        let ran = nodeferry(&dir, &["plan", &dump, "-l", "pool=old", "--report", &report, "-o", output]);
        assert!(!obeyed(&ran.stdout) && !obeyed(&ran.stderr), "{output}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("\\u001b[2J"), "{output}: it is shown: {}", ran.stdout);
    }
    let mut seen = 0;
    for file in std::fs::read_dir(&report).expect("a report") {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !matches!(extension, "svg" | "csv") {
            continue;
        }
        assert!(!obeyed(&text), "{}", path.display());
        assert!(
            extension != "csv" || !text.lines().flat_map(|l| l.split(',')).any(|c| c.starts_with(['=', '@'])),
            "{}",
            path.display()
        );
        seen += usize::from(text.contains("cmd"));
    }
    assert!(seen > 0, "the name stands in some file");
}
