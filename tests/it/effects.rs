//! What a finding says it does to the run, the run does: each finding's effect, seen in the trace.
//!
//! Those whose inputs need more of a story have it in `dump_knows` and `findings`, whose `every_code_has_a_check` looks after all of them.

use crate::dump_knows::{LONG_AGO, NOW, Planned, budget, node, nodes, owner, plan, pod, replica_set, unready};
use serde_json::{Value, json};

crate::findings::effects! {
    evictions_under_budgets_that_cannot_be_computed_are_refused: "budget-invalid" "budget-sync-failed" "budget-stale";
    an_exhausted_budget_lets_go_once_its_pods_are_healthy: "budget-exhausted-now";
    kubectl_refuses_nodes_with_pods_of_daemon_sets_that_are_missing: "no-daemonsets-in-dump" "daemonset-missing";
    nothing_is_placed_on_nodes_that_are_closed_or_full: "node-cordoned" "node-not-ready" "node-overcommitted";
    pods_of_an_old_node_that_is_not_ready_stay_terminating: "old-node-not-ready";
    in_a_namespace_that_is_being_deleted_evictions_are_refused_and_nothing_is_created: "namespace-terminating";
    pods_that_are_gated_or_terminating_are_as_their_findings_say: "pod-gated" "pod-terminating-overdue" "pod-terminating-with-finalizer" "pod-finalizer" "pod-terminating";
    volumes_of_which_the_dump_shows_nothing_tie_no_pod: "no-claims-in-dump" "no-volumes-in-dump" "no-csinodes-in-dump" "no-attachments-in-dump" "claim-missing" "no-storage-classes-in-dump" "claim-finalizer";
    a_generic_ephemeral_volume_is_made_again_for_the_replacement: "ephemeral-claim";
    what_has_no_owner_in_the_dump_is_replaced_or_not_as_its_finding_says: "no-jobs-in-dump" "owner-custom" "no-api-definitions-in-dump" "stand-alone-pod-lost";
    what_is_not_modelled_changes_nothing_in_the_run: "horizontal-autoscaler" "vertical-autoscaler" "limit-range" "storage-capacity" "resource-claims" "duplicate-object" "node-windows";
    pods_that_start_restart_or_are_resized_are_as_their_findings_say: "init-container-waits" "pods-restarting" "pod-resize-pending";
    kinds_that_are_missing_are_as_their_findings_say: "no-budgets-in-dump" "no-services-in-dump" "no-namespaces-in-dump" "no-pods-in-dump" "kubernetes-version-assumed" "no-priority-classes-in-dump";
    a_webhook_whose_backends_all_move_refuses_pods_while_none_is_ready: "webhook-backends-move" "webhook";
    what_ocean_asks_for_and_the_dump_does_not_show_is_taken_for_granted: "infrastructure-unknown" "cluster-autoscaler-unknown" "karpenter-unknown" "ocean-cluster-unknown" "ocean-controller-unknown" "other-infrastructure";
    least_counts_of_values_are_not_looked_at: "min-values-not-modelled";
}

fn web(on: &str) -> Value {
    pod("web-a", on, "apps/v1", "ReplicaSet", "web")
}

/// Plans for the usual nodes, a pod of ReplicaSet `web` that was changed, and more.
fn with(change: impl Fn(&mut Value), more: impl IntoIterator<Item = Value>) -> Planned {
    let mut only = web("old-1");
    change(&mut only);
    let mut objects = nodes();
    objects.extend([only, replica_set("web", 1)]);
    objects.extend(more);
    plan(&objects, &[])
}

fn plain(more: impl IntoIterator<Item = Value>) -> Planned {
    with(|_| {}, more)
}

impl Planned {
    pub(crate) fn says(&self, code: &str) -> &Planned {
        assert!(self.has(code), "no {code}: {}{}", self.ran.stderr, self.json());
        self
    }

    pub(crate) fn count(&self, event: &str) -> usize {
        self.trace.iter().filter(|e| e["event"] == event && e["initial"] != true).count()
    }

    pub(crate) fn bound_to(&self) -> Vec<String> {
        let bound = self.trace.iter().filter(|e| e["event"] == "pod_bound" && e["initial"] != true);
        bound.map(|e| e["node"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The pod was moved, and what replaces it is ready.
    pub(crate) fn moved(&self) -> &Planned {
        assert_eq!(
            (self.outcome().as_str(), self.count("eviction_accepted"), self.count("pod_ready")),
            ("COMPLETED", 1, 1),
            "{:#}",
            self.json()
        );
        self
    }
}

fn evictions_under_budgets_that_cannot_be_computed_are_refused() {
    let mut odd = budget("web", json!({"minAvailable": 1}), [0, 0, 0]);
    odd["spec"]["selector"] = json!({"matchExpressions": [{"key": "app", "operator": "Near", "values": ["web"]}]});
    plain([odd]).says("budget-invalid");
    let mut failed = budget("web", json!({"maxUnavailable": "50%"}), [0, 0, 0]);
    failed["status"]["conditions"] = json!([{"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "jobs.batch does not implement the scale subresource"}]);
    let mut job = owner("batch/v1", "Job", "web", json!({"parallelism": 1}));
    job["status"] = json!({"active": 1});
    let mut objects = nodes();
    objects.extend([pod("web-a", "old-1", "batch/v1", "Job", "web"), job, failed]);
    let p = plan(&objects, &[]);
    assert!(p.says("budget-sync-failed").count("eviction_refused") > 10 && p.count("eviction_accepted") == 0);
    // The stored status counts, not the pods: until something of them changes it is believed.
    let p = plain([budget("web", json!({"maxUnavailable": 1}), [1, 0, 0])]);
    assert!(p.says("budget-stale").count("eviction_refused") > 0, "{:#}", p.json());
}

fn an_exhausted_budget_lets_go_once_its_pods_are_healthy() {
    let mut young = pod("web-b", "new-1", "apps/v1", "ReplicaSet", "web");
    unready(&mut young, "Running", "2026-05-05T11:59:58Z", None);
    young["status"]["startTime"] = json!("2026-05-05T11:59:58Z");
    let mut objects = nodes();
    objects.extend([web("old-1"), young, replica_set("web", 2), budget("web", json!({"minAvailable": 1}), [2, 1, 1])]);
    let p = plan(&objects, &[]);
    p.says("budget-exhausted-now");
    assert!(p.count("eviction_refused") > 0 && p.count("eviction_accepted") == 1, "{:#}", p.json());
}

fn kubectl_refuses_nodes_with_pods_of_daemon_sets_that_are_missing() {
    let mut objects = nodes();
    objects.push(pod("agent-a", "old-1", "apps/v1", "DaemonSet", "agent"));
    let p = plan(&objects, &[]);
    assert_eq!(p.says("no-daemonsets-in-dump").says("daemonset-missing").count("drain_failed"), 1);
    assert_eq!(p.count("eviction_accepted"), 0);
}

fn nothing_is_placed_on_nodes_that_are_closed_or_full() {
    let closed = |change: fn(&mut Value), code: &str| {
        let mut objects = nodes();
        change(&mut objects[2]);
        objects.extend([web("old-1"), replica_set("web", 1)]);
        let p = plan(&objects, &[]);
        assert_eq!(p.says(code).moved().bound_to(), ["new-2"], "{code}");
    };
    closed(|n| n["spec"] = json!({"unschedulable": true}), "node-cordoned");
    closed(
        |n| {
            n["status"]["conditions"][0]["status"] = json!("Unknown");
            n["spec"] = json!({"taints": [{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}]});
        },
        "node-not-ready",
    );
    let mut big = pod("big-a", "new-1", "apps/v1", "ReplicaSet", "big");
    big["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("9");
    let p = plain([big, replica_set("big", 1)]);
    assert_eq!(p.says("node-overcommitted").moved().bound_to(), ["new-2"]);
}

fn pods_of_an_old_node_that_is_not_ready_stay_terminating() {
    let mut objects = nodes();
    objects[0]["status"]["conditions"][0]["status"] = json!("Unknown");
    objects.extend([web("old-1"), replica_set("web", 1)]);
    let p = plan(&objects, &[]);
    p.says("old-node-not-ready").says("node-not-ready");
    assert_eq!((p.count("eviction_accepted"), p.count("pod_terminated"), p.count("drain_failed")), (1, 0, 1));
}

fn in_a_namespace_that_is_being_deleted_evictions_are_refused_and_nothing_is_created() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team", "deletionTimestamp": NOW}, "status": {"phase": "Terminating"}});
    let p = plain([namespace]);
    p.says("namespace-terminating");
    assert!(p.count("eviction_refused") > 0 && p.count("pod_created") == 0 && p.count("eviction_accepted") == 0);
}

fn pods_that_are_gated_or_terminating_are_as_their_findings_say() {
    let p = with(
        |pod| {
            pod["spec"]["schedulingGates"] = json!([{"name": "example.com/wait"}]);
            pod["spec"]["nodeName"] = Value::Null;
            pod["status"] = json!({"phase": "Pending"});
        },
        [],
    );
    assert_eq!(p.says("pod-gated").count("pod_bound"), 0);
    let going = |pod: &mut Value| {
        pod["metadata"]["deletionTimestamp"] = json!("2026-05-05T11:00:00Z");
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    };
    let p = with(going, []);
    let ended = p.trace.iter().find(|e| e["event"] == "pod_terminated").and_then(|e| e["t_ms"].as_i64());
    assert!(
        p.says("pod-terminating-overdue").outcome() == "COMPLETED" && ended.is_some_and(|t| t < 100),
        "it ends at once: {ended:?}"
    );
    // One whose deadline is to come goes then at the latest; nobody evicts it once more.
    let p = with(
        |pod| {
            pod["metadata"]["deletionTimestamp"] = json!("2026-05-05T12:00:20Z");
            pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
        },
        [],
    );
    let ended = p.trace.iter().find(|e| e["event"] == "pod_terminated").and_then(|e| e["t_ms"].as_i64());
    assert!(
        p.says("pod-terminating").outcome() == "COMPLETED" && ended.is_some_and(|t| t <= 21_000),
        "at its deadline: {ended:?}"
    );
    let held = |pod: &mut Value| {
        going(pod);
        pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
    };
    let p = with(held, []);
    assert_eq!((p.says("pod-terminating-with-finalizer").count("pod_terminated"), p.count("drain_failed")), (0, 1));
    let p = with(|pod| pod["metadata"]["finalizers"] = json!(["example.com/hold"]), []);
    assert_eq!((p.says("pod-finalizer").count("pod_terminated"), p.count("drain_failed")), (0, 1));
}

/// A claim of namespace `team`, and a pod that mounts it.
fn claim(name: &str, spec: Value, phase: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "team", "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
        "spec": spec, "status": {"phase": phase}})
}

fn mounts(pod: &mut Value) {
    pod["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
}

fn volume(zone: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-data"}, "spec": {
        "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"}, "csi": {"driver": "example.com", "volumeHandle": "h"},
        "claimRef": {"namespace": "team", "name": "data"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "In", "values": [zone]}]}]}}}})
}

fn volumes_of_which_the_dump_shows_nothing_tie_no_pod() {
    let bound = || claim("data", json!({"accessModes": ["ReadWriteMany"], "volumeName": "pv-data"}), "Bound");
    with(mounts, []).says("no-claims-in-dump").moved();
    with(mounts, [bound()]).says("no-volumes-in-dump").moved();
    // What it does show ties them.
    let p = with(mounts, [bound(), volume("new")]);
    p.says("no-csinodes-in-dump").says("no-attachments-in-dump").moved();
    let p = with(mounts, [bound(), volume("old")]);
    assert!(!p.has("no-volumes-in-dump") && p.outcome() == "FAILED", "{:#}", p.json());
    // A claim that is not among those of the dump does not exist.
    let other = claim("other", json!({"accessModes": ["ReadWriteMany"], "volumeName": "pv-other"}), "Bound");
    let p = with(mounts, [other]);
    assert!(p.says("claim-missing").count("pod_unschedulable") > 0 && p.outcome() == "FAILED", "{:#}", p.json());
    // One that is not bound needs its class.
    let mut open = claim("data", json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"}), "Pending");
    open["metadata"]["annotations"] = Value::Null;
    let p = with(mounts, [open, volume("new")]);
    assert!(p.says("no-storage-classes-in-dump").count("pod_unschedulable") > 0, "{:#}", p.json());
    let mut kept = bound();
    kept["metadata"]["finalizers"] = json!(["kubernetes.io/pvc-protection", "example.com/backup"]);
    with(mounts, [kept, volume("new")]).says("claim-finalizer").moved();
}

fn a_generic_ephemeral_volume_is_made_again_for_the_replacement() {
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}, "provisioner": "example.com", "volumeBindingMode": "WaitForFirstConsumer"});
    let template = json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"}});
    let change = |pod: &mut Value| {
        pod["spec"]["volumes"] = json!([{"name": "v", "ephemeral": {"volumeClaimTemplate": template.clone()}}])
    };
    let own = claim(
        "web-a-v",
        json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": "pv-data"}),
        "Bound",
    );
    let mut volume = volume("old");
    volume["spec"]["claimRef"]["name"] = json!("web-a-v");
    volume["spec"]["storageClassName"] = json!("fast");
    with(change, [class, own, volume]).says("ephemeral-claim").moved();
}

fn what_has_no_owner_in_the_dump_is_replaced_or_not_as_its_finding_says() {
    let of = |api: &str, kind: &str| {
        let mut objects = nodes();
        objects.push(pod("x-1", "old-1", api, kind, "x"));
        plan(&objects, &[])
    };
    let p = of("batch/v1", "Job");
    assert_eq!((p.says("no-jobs-in-dump").count("eviction_accepted"), p.count("pod_created")), (1, 0));
    let p = of("example.com/v1", "Widget");
    p.says("owner-custom").says("no-api-definitions-in-dump").moved();
    let mut objects = nodes();
    let mut bare = web("old-1");
    bare["metadata"]["ownerReferences"] = json!([]);
    objects.push(bare);
    let p = plan(&objects, &["--evict-stand-alone-pods", "true"]);
    assert_eq!((p.says("stand-alone-pod-lost").count("eviction_accepted"), p.count("pod_created")), (1, 0));
}

fn what_is_not_modelled_changes_nothing_in_the_run() {
    let named = |api: &str, kind: &str, spec: Value| json!({"apiVersion": api, "kind": kind, "metadata": {"name": "x", "namespace": "team"}, "spec": spec});
    for (object, code) in [
        (
            named(
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                json!({"maxReplicas": 9, "scaleTargetRef": {"kind": "ReplicaSet", "name": "web"}}),
            ),
            "horizontal-autoscaler",
        ),
        (named("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", json!({})), "vertical-autoscaler"),
        (named("v1", "LimitRange", json!({"limits": [{"type": "Container", "max": {"cpu": "10m"}}]})), "limit-range"),
        (named("storage.k8s.io/v1", "CSIStorageCapacity", json!({})), "storage-capacity"),
        (named("resource.k8s.io/v1", "ResourceClaim", json!({})), "resource-claims"),
        (web("old-1"), "duplicate-object"),
    ] {
        let p = plain([object]);
        assert_eq!(p.says(code).moved().count("pod_created"), 1, "{code}");
    }
    with(|p| p["spec"]["resourceClaims"] = json!([{"name": "gpu", "resourceClaimName": "gpu"}]), [])
        .says("resource-claims")
        .moved();
    let mut windows = nodes();
    windows[0]["status"]["nodeInfo"]["operatingSystem"] = json!("windows");
    windows.extend([web("old-1"), replica_set("web", 1)]);
    plan(&windows, &[]).says("node-windows").moved();
}

fn pods_that_start_restart_or_are_resized_are_as_their_findings_say() {
    let soon = "2026-05-05T11:59:59Z";
    let mut starting = pod("new-a", "new-1", "apps/v1", "ReplicaSet", "new");
    unready(&mut starting, "Pending", soon, None);
    starting["status"]["startTime"] = json!(soon);
    starting["spec"]["initContainers"] = json!([{"name": "prepare", "image": "example.com/app:1"}]);
    starting["status"]["initContainerStatuses"] =
        json!([{"name": "prepare", "restartCount": 0, "state": {"running": {"startedAt": soon}}}]);
    let initialized = json!({"type": "Initialized", "status": "False", "lastTransitionTime": soon});
    starting["status"]["conditions"].as_array_mut().expect("conditions").push(initialized);
    let slow = |pod: &mut Value| {
        pod["spec"]["terminationGracePeriodSeconds"] = json!(120);
        pod["spec"]["containers"][0]["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 100}}});
    };
    let p = with(slow, [starting, replica_set("new", 1)]);
    let ready = p.trace.iter().any(|e| e["event"] == "pod_ready" && e["pod"] == "team/new-a");
    p.says("init-container-waits");
    assert!(ready, "{:#}", p.json());
    let restarted = |pod: &mut Value| {
        pod["status"]["containerStatuses"] =
            json!([{"name": "main", "restartCount": 5, "ready": true, "state": {"running": {"startedAt": LONG_AGO}}}]);
    };
    let p = with(restarted, []);
    p.says("pods-restarting").moved();
    let start = p.json()["findings"]
        .as_array()
        .and_then(|l| l.iter().find(|f| f["object"] == "Delay/start").cloned())
        .expect("its origin");
    assert!(
        start["message"].as_str().is_some_and(|m| m.contains("the dump has 0 usable samples (1 rejected)")),
        "{start}"
    );
    // Until the resize is done the larger amount is charged: beside it nothing of more than a core fits.
    let resized = |pod: &mut Value| {
        pod["spec"]["nodeName"] = json!("new-1");
        pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("1");
        pod["status"]["conditions"]
            .as_array_mut()
            .expect("conditions")
            .push(json!({"type": "PodResizeInProgress", "status": "True"}));
        pod["status"]["containerStatuses"] = json!([{"name": "main", "restartCount": 0, "allocatedResources": {"cpu": "3"}, "resources": {"requests": {"cpu": "3"}}, "state": {"running": {}}}]);
    };
    let mut other = pod("two-a", "old-1", "apps/v1", "ReplicaSet", "two");
    other["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("2");
    let p = with(resized, [other, replica_set("two", 1)]);
    assert_eq!(p.says("pod-resize-pending").moved().bound_to(), ["new-2"]);
}

fn kinds_that_are_missing_are_as_their_findings_say() {
    let p = plain([]);
    p.says("no-budgets-in-dump").says("no-services-in-dump").says("no-namespaces-in-dump").moved();
    assert_eq!(p.count("eviction_refused"), 0);
    let empty = plan(&nodes(), &[]);
    assert_eq!((empty.says("no-pods-in-dump").outcome().as_str(), empty.count("eviction_accepted")), ("COMPLETED", 0));
    let mut unversioned = nodes();
    unversioned.iter_mut().for_each(|n| n["status"]["nodeInfo"] = Value::Null);
    unversioned.extend([web("old-1"), replica_set("web", 1)]);
    plan(&unversioned, &[]).says("kubernetes-version-assumed").moved();
    let refused = plan(&[web("old-1"), replica_set("web", 1)], &[]);
    assert!(refused.ran.status == 2 && refused.ran.stderr.contains("the dump has no nodes"), "{}", refused.ran.stderr);
    // Made from a template, a pod has the priority 0: it makes no room for itself.
    let mut set = replica_set("web", 1);
    set["spec"]["template"]["spec"]["priorityClassName"] = json!("gold");
    let mut objects = nodes();
    objects.extend([web("old-1"), set]);
    plan(&objects, &[]).says("no-priority-classes-in-dump").moved();
}

fn a_webhook_whose_backends_all_move_refuses_pods_while_none_is_ready() {
    let hook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "guard"}, "webhooks": [{
        "name": "guard.example.com", "clientConfig": {"service": {"namespace": "team", "name": "guard"}},
        "objectSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["guard"]}]},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]}]});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "guard", "namespace": "team"}, "spec": {"selector": {"app": "guard"}}});
    let mut objects = vec![node("old-1", "old"), node("new-1", "new")];
    objects.extend([web("old-1"), replica_set("web", 1), hook, service, replica_set("guard", 1)]);
    objects.push(pod("guard-a", "old-1", "apps/v1", "ReplicaSet", "guard"));
    let p = plan(&objects, &[]);
    p.says("webhook-backends-move").says("webhook");
    let event = |name: &str, pod: &str| {
        let of =
            |e: &&Value| e["event"] == name && e["initial"] != true && e["owner"] == format!("ReplicaSet/team/{pod}");
        p.trace.iter().find(of).and_then(|e| e["t_ms"].as_i64())
    };
    let refused = event("pod_creation_refused", "web").expect("it is refused");
    let (ready, created) =
        (event("pod_ready", "guard").expect("a backend"), event("pod_created", "web").expect("created in the end"));
    assert!(refused < ready && ready <= created, "{refused} {ready} {created}");
    assert_eq!(p.outcome(), "COMPLETED", "{:#}", p.json());
}

fn what_ocean_asks_for_and_the_dump_does_not_show_is_taken_for_granted() {
    let dir = crate::cli::Dir::new();
    let groups = json!({"machine_types": [{"name": "m", "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20"}}],
        "groups": [{"name": "fresh", "labels": {"pool": "old"}, "machine_types": [{"name": "m"}], "max_count": 9}]});
    let groups = dir.file("groups.json", &groups.to_string());
    let with = |provider: Value| {
        let mut objects = nodes();
        objects.iter_mut().for_each(|n| n["spec"] = json!({"providerID": provider.clone()}));
        objects.extend([web("old-1"), replica_set("web", 1)]);
        plan(&objects, &["--procedure", "ocean-azure", "--groups", &groups])
    };
    let p = with(Value::Null);
    for code in [
        "infrastructure-unknown",
        "cluster-autoscaler-unknown",
        "karpenter-unknown",
        "ocean-cluster-unknown",
        "ocean-controller-unknown",
    ] {
        p.says(code);
    }
    p.moved();
    let p = with(json!("aws:///eu-west-1a/i-0123456789abcdef0"));
    assert_eq!(p.says("other-infrastructure").count("eviction_accepted"), 1, "it is migrated all the same");
    // Which autoscaler acts nobody says: with none of its own a drain is helped by the stand-in.
    let mut objects = nodes();
    objects.extend([web("old-1"), replica_set("web", 1)]);
    let file = dir.file("dump.json", &json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string());
    let ran = crate::cli::nodeferry(&dir, &["plan", &file, "-l", "pool=old", "--replications", "1", "-o", "json"]);
    assert!(ran.json()["findings"].to_string().contains("autoscaler-assumed"), "{}", ran.stdout);
}

fn least_counts_of_values_are_not_looked_at() {
    let pool = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "fresh"}, "spec": {"template": {"spec": {"requirements": [
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["m5.large"], "minValues": 5}]}}}});
    plain([pool]).says("min-values-not-modelled").moved();
}
