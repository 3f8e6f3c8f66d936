//! Pod templates and pods.

use serde_json::{Map, Value, json};

use super::super::model::{Apart, Kind, Mark, Model, Pod, PodState, Pool, Shape, Spread, Workload};
use super::super::names::{NOW, timestamp};
use super::cluster::{cpu, memory};
use super::workload::owner;
use super::{fields, string_map, uid};

/// The labels of a workload's template: its own and those that its controller adds.
pub(super) fn template_labels(model: &Model<'_>, workload: &Workload) -> Map<String, Value> {
    let mut labels = string_map([("app", workload.name.as_str())]);
    labels.extend(string_map(workload.shape.labels.iter().copied()));
    if workload.kind == Kind::Job {
        let job = super::object_uid(model, "Job", Some(&workload.namespace), &workload.name);
        labels.extend(string_map([("batch.kubernetes.io/job-name", &workload.name), ("job-name", &workload.name)]));
        labels.extend(string_map([("batch.kubernetes.io/controller-uid", &job), ("controller-uid", &job)]));
    }
    labels
}

fn template_annotations(model: &Model<'_>, workload: &Workload) -> Map<String, Value> {
    let shape = &workload.shape;
    let mut annotations = string_map(shape.annotations.iter().copied());
    let timed =
        [(&model.params.start_annotation, shape.start_seconds), (&model.params.stop_annotation, shape.stop_seconds)];
    for (key, seconds) in timed {
        if let Some(key) = key {
            annotations.insert(key.clone(), seconds.to_string().into());
        }
    }
    annotations
}

/// `spec.template` of a workload, with the labels given.
pub(super) fn template(model: &Model<'_>, workload: &Workload, labels: Map<String, Value>) -> Value {
    let annotations = template_annotations(model, workload);
    let mut meta = json!({"labels": labels});
    if !annotations.is_empty() {
        meta["annotations"] = annotations.into();
    }
    json!({"metadata": meta, "spec": template_spec(model, workload)})
}

fn template_spec(model: &Model<'_>, workload: &Workload) -> Map<String, Value> {
    let shape = &workload.shape;
    let mut spec = Map::new();
    let mut set = |key: &str, value: Value| spec.insert(key.into(), value);
    set("containers", json!([container(model, shape)]));
    set("dnsPolicy", "ClusterFirst".into());
    set("restartPolicy", if workload.kind == Kind::Job { "Never" } else { "Always" }.into());
    set("schedulerName", "default-scheduler".into());
    set("securityContext", json!({}));
    set("terminationGracePeriodSeconds", model.params.grace_seconds.into());
    if let Some(affinity) = affinity(model, workload) {
        set("affinity", affinity);
    }
    if let Some(selector) = node_selector(model, shape) {
        set("nodeSelector", selector);
    }
    if let Some(priority) = shape.priority {
        set("priorityClassName", priority.class().0.into());
    }
    if let Some(spread) = shape.spread {
        set("topologySpreadConstraints", spread_constraints(workload, spread));
    }
    let tolerations = tolerations(model, workload);
    if !tolerations.is_empty() {
        set("tolerations", tolerations.into());
    }
    if shape.empty_dir {
        set("volumes", json!([{"emptyDir": {}, "name": "scratch"}]));
    }
    spec
}

fn container(model: &Model<'_>, shape: &Shape) -> Value {
    let mut resources = json!({"requests": {"cpu": cpu(shape.ask.cpu_millis), "memory": memory(shape.ask.memory_mib)}});
    if shape.ask.special > 0 {
        let resource = &model.params.special_pool.resource;
        resources["requests"][resource] = shape.ask.special.to_string().into();
        resources["limits"] = json!({resource: shape.ask.special.to_string()});
    }
    let mut mounts = Vec::new();
    if shape.volume_gib.is_some() {
        mounts.push(json!({"mountPath": "/data", "name": "data"}));
    }
    if shape.empty_dir {
        mounts.push(json!({"mountPath": "/scratch", "name": "scratch"}));
    }
    let mut container = json!({
        "image": IMAGE, "imagePullPolicy": "IfNotPresent", "name": "main", "resources": resources,
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    });
    if !mounts.is_empty() {
        container["volumeMounts"] = mounts.into();
    }
    container
}

const IMAGE: &str = "registry.example/app:1";

fn node_selector(model: &Model<'_>, shape: &Shape) -> Option<Value> {
    let params = model.params;
    let mut selector = Map::new();
    if shape.special {
        selector.insert(params.pool_label.clone(), params.special_pool.pool.as_str().into());
    }
    if shape.old_pool_only {
        selector.insert(params.pool_label.clone(), params.old_pool.as_str().into());
    }
    if shape.ssd {
        selector.insert("disktype".into(), "ssd".into());
    }
    (!selector.is_empty()).then(|| selector.into())
}

fn affinity(model: &Model<'_>, workload: &Workload) -> Option<Value> {
    let mut affinity = Map::new();
    if workload.shape.spread == Some(Spread::Hard) {
        // Says over which zones it spreads, so that a zone of a trap is none of its domains.
        let zones = model.params.zone_names();
        let term =
            json!({"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": zones}]});
        affinity.insert(
            "nodeAffinity".into(),
            json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}),
        );
    }
    if let Some(apart) = workload.shape.apart {
        let key = match apart {
            Apart::Nodes => "kubernetes.io/hostname",
            Apart::Zones => "topology.kubernetes.io/zone",
        };
        let term = json!({"labelSelector": {"matchLabels": {"app": &workload.name}}, "topologyKey": key});
        affinity.insert("podAntiAffinity".into(), json!({"requiredDuringSchedulingIgnoredDuringExecution": [term]}));
    }
    (!affinity.is_empty()).then(|| affinity.into())
}

fn spread_constraints(workload: &Workload, spread: Spread) -> Value {
    let what = if spread == Spread::Hard { "DoNotSchedule" } else { "ScheduleAnyway" };
    json!([{
        "labelSelector": {"matchLabels": {"app": &workload.name}}, "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": what,
    }])
}

fn tolerations(model: &Model<'_>, workload: &Workload) -> Vec<Value> {
    if workload.kind == Kind::DaemonSet {
        return vec![json!({"operator": "Exists"})];
    }
    if !workload.shape.special {
        return Vec::new();
    }
    let pool = &model.params.special_pool;
    vec![json!({"effect": "NoSchedule", "key": &pool.taint_key, "operator": "Equal", "value": &pool.taint_value})]
}

/// Writes all pods; keeps what the pods of one workload share.
pub(in super::super) struct PodWriter<'m, 'p> {
    model: &'m Model<'p>,
    frame: Option<(usize, Frame)>,
}

/// What the pods of one workload share, keys in order; what differs from pod to pod is null in it.
struct Frame {
    metadata: Map<String, Value>,
    labels: Map<String, Value>,
    spec: Map<String, Value>,
}

const ORDINAL: &str = "apps.kubernetes.io/pod-index";
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const ZONE: &str = "topology.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";

impl<'m, 'p> PodWriter<'m, 'p> {
    pub fn new(model: &'m Model<'p>) -> Self {
        Self { model, frame: None }
    }

    pub fn each<E>(mut self, out: &mut impl FnMut(Value) -> Result<(), E>) -> Result<(), E> {
        let model = self.model;
        let mut order: Vec<(usize, &Pod)> = Vec::new();
        for (index, workload) in model.workloads.iter().enumerate() {
            order.extend(workload.pods.iter().map(|pod| (index, pod)));
        }
        let key = |(index, pod): &(usize, &'m Pod)| (model.workloads[*index].namespace.as_str(), pod.name.as_str());
        order.sort_by(|a, b| key(a).cmp(&key(b)));
        for (index, pod) in order {
            out(self.pod(index, pod))?;
        }
        Ok(())
    }

    fn pod(&mut self, index: usize, pod: &Pod) -> Value {
        let model = self.model;
        let workload = &model.workloads[index];
        if self.frame.as_ref().is_none_or(|(at, _)| *at != index) {
            self.frame = Some((index, frame(model, workload)));
        }
        let Some((_, frame)) = &self.frame else { return Value::Null };
        fields([
            ("apiVersion", "v1".into()),
            ("kind", "Pod".into()),
            ("metadata", pod_metadata(model, workload, pod, frame)),
            ("spec", pod_spec(model, workload, pod, frame).into()),
            ("status", status(model, workload, pod)),
        ])
    }
}

fn frame(model: &Model<'_>, workload: &Workload) -> Frame {
    Frame {
        metadata: sorted(frame_metadata(model, workload)),
        labels: sorted(frame_labels(model, workload)),
        spec: sorted(frame_spec(model, workload)),
    }
}

fn sorted(map: Map<String, Value>) -> Map<String, Value> {
    let mut value = Value::Object(map);
    value.sort_all_objects();
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn frame_metadata(model: &Model<'_>, workload: &Workload) -> Map<String, Value> {
    let mut meta = string_map([("namespace", &workload.namespace)]);
    for field in ["creationTimestamp", "labels", "name", "uid"] {
        meta.insert(field.into(), Value::Null);
    }
    let annotations = template_annotations(model, workload);
    if !annotations.is_empty() {
        meta.insert("annotations".into(), annotations.into());
    }
    if workload.kind == Kind::Job {
        meta.insert("finalizers".into(), json!(["batch.kubernetes.io/job-tracking"]));
    }
    match workload.kind {
        Kind::StandAlone => None,
        Kind::Deployment => meta.insert("generateName".into(), format!("{}-{}-", workload.name, workload.hash).into()),
        _ => meta.insert("generateName".into(), format!("{}-", workload.name).into()),
    };
    meta.insert("generation".into(), 1.into());
    if let Some(owners) = owner(model, workload) {
        meta.insert("ownerReferences".into(), owners);
    }
    meta
}

/// The template's labels, those that the pod's controller adds, and those of the node's place (admission plugin PodTopologyLabels, on since 1.35).
fn frame_labels(model: &Model<'_>, workload: &Workload) -> Map<String, Value> {
    let mut labels = template_labels(model, workload);
    match workload.kind {
        Kind::Deployment => labels.extend(string_map([("pod-template-hash", &workload.hash)])),
        Kind::StatefulSet | Kind::StatefulSetParallel => {
            labels.insert("controller-revision-hash".into(), format!("{}-{}", workload.name, workload.hash).into());
            labels.insert(ORDINAL.into(), Value::Null);
            labels.insert(POD_NAME.into(), Value::Null);
        }
        Kind::DaemonSet => labels.extend(string_map([
            ("controller-revision-hash", workload.hash.as_str()),
            ("pod-template-generation", "1"),
        ])),
        _ => {}
    }
    labels.insert(REGION.into(), model.params.region.as_str().into());
    labels.insert(ZONE.into(), Value::Null);
    labels
}

/// The template's spec with what admission and the pod's controller add to it.
fn frame_spec(model: &Model<'_>, workload: &Workload) -> Map<String, Value> {
    let mut spec = template_spec(model, workload);
    let mut set = |key: &str, value: Value| spec.insert(key.into(), value);
    set("enableServiceLinks", true.into());
    set("nodeName", Value::Null);
    set("preemptionPolicy", "PreemptLowerPriority".into());
    set("priority", workload.shape.priority.map_or(0, |priority| priority.class().1).into());
    set("tolerations", pod_tolerations(model, workload).into());
    if workload.kind == Kind::DaemonSet {
        set("affinity", Value::Null);
    }
    if workload.kind.stateful() {
        set("hostname", Value::Null);
        set("subdomain", workload.name.as_str().into());
    }
    if workload.shape.volume_gib.is_some() {
        let claim = json!({"name": "data", "persistentVolumeClaim": {"claimName": null}});
        match spec.get_mut("volumes").and_then(Value::as_array_mut) {
            Some(volumes) => volumes.insert(0, claim),
            None => {
                spec.insert("volumes".into(), json!([claim]));
            }
        }
    }
    spec
}

/// The template's tolerations and those that admission (DefaultTolerationSeconds) or the DaemonSet controller adds.
fn pod_tolerations(model: &Model<'_>, workload: &Workload) -> Vec<Value> {
    let daemon = workload.kind == Kind::DaemonSet;
    let mut all = tolerations(model, workload);
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let mut toleration = json!({"effect": "NoExecute", "key": key, "operator": "Exists"});
        if !daemon {
            toleration["tolerationSeconds"] = 300.into();
        }
        all.push(toleration);
    }
    if daemon {
        for what in ["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"] {
            all.push(
                json!({"effect": "NoSchedule", "key": format!("node.kubernetes.io/{what}"), "operator": "Exists"}),
            );
        }
    }
    all
}

fn pod_metadata(model: &Model<'_>, workload: &Workload, pod: &Pod, frame: &Frame) -> Value {
    let mut meta = frame.metadata.clone();
    meta["creationTimestamp"] = timestamp(pod.created).into();
    meta["labels"] = pod_labels(model, workload, pod, frame).into();
    meta["name"] = pod.name.as_str().into();
    meta["uid"] = uid(&model.draws, "Pod", &format!("{}/{}", workload.namespace, pod.name)).into();
    if pod.state == PodState::Terminating {
        // Told to go ten seconds ago; the API stores when it will be killed.
        let grace = u64::from(model.params.grace_seconds);
        meta.insert("deletionGracePeriodSeconds".into(), grace.into());
        meta.insert("deletionTimestamp".into(), timestamp(NOW - 10 + grace).into());
        meta["generation"] = 2.into();
        return sorted(meta).into();
    }
    meta.into()
}

fn pod_labels(model: &Model<'_>, workload: &Workload, pod: &Pod, frame: &Frame) -> Map<String, Value> {
    let mut labels = frame.labels.clone();
    if workload.kind.stateful() {
        labels[ORDINAL] = pod.name.rsplit('-').next().unwrap_or_default().into();
        labels[POD_NAME] = pod.name.as_str().into();
    }
    match pod.node {
        Some(node) => labels[ZONE] = model.zones[model.nodes[node].zone].as_str().into(),
        None => labels.retain(|label, _| label != ZONE && label != REGION),
    }
    labels
}

fn pod_spec(model: &Model<'_>, workload: &Workload, pod: &Pod, frame: &Frame) -> Map<String, Value> {
    let mut spec = frame.spec.clone();
    match pod.node {
        Some(node) => spec["nodeName"] = model.nodes[node].name.as_str().into(),
        None => spec.retain(|field, _| field != "nodeName"),
    }
    if workload.kind == Kind::DaemonSet {
        let name = pod.node.map_or("", |node| &model.nodes[node].name);
        spec["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]},
        ]}}});
    }
    if workload.kind.stateful() {
        spec["hostname"] = pod.name.as_str().into();
    }
    if workload.shape.volume_gib.is_some() {
        spec["volumes"][0]["persistentVolumeClaim"]["claimName"] = format!("data-{}", pod.name).into();
    }
    spec
}

fn status(model: &Model<'_>, workload: &Workload, pod: &Pod) -> Value {
    let Some(_) = pod.node else {
        let condition = json!({
            "lastProbeTime": null, "lastTransitionTime": timestamp(pod.created), "message": unschedulable_message(model, &workload.shape),
            "observedGeneration": 1, "reason": "Unschedulable", "status": "False", "type": "PodScheduled",
        });
        return json!({"conditions": [condition], "phase": "Pending", "qosClass": "Burstable"});
    };
    let started = model.ready_at(workload, pod);
    let crashed = pod.state == PodState::CrashLooping;
    let (scheduled, ready_at) = (timestamp(pod.created), timestamp(started));
    let condition = |kind: &str, since: &str| {
        fields([
            ("lastProbeTime", Value::Null),
            ("lastTransitionTime", since.into()),
            ("status", "True".into()),
            ("type", kind.into()),
        ])
    };
    let mut ready = condition("Ready", &ready_at);
    let mut containers_ready = condition("ContainersReady", &ready_at);
    if crashed {
        let crashed_at = timestamp(NOW - 90);
        for condition in [&mut ready, &mut containers_ready] {
            condition["status"] = "False".into();
            condition["lastTransitionTime"] = crashed_at.as_str().into();
            condition["message"] = "containers with unready status: [main]".into();
            condition["reason"] = "ContainersNotReady".into();
            condition.sort_all_objects();
        }
    } else if !model.pod_ready(pod) {
        // The node lifecycle controller takes Ready away and leaves the rest as the kubelet last said it.
        ready["status"] = "False".into();
        ready["lastTransitionTime"] = timestamp(NOW - 60).into();
    }
    let conditions = vec![
        condition("PodReadyToStartContainers", &scheduled),
        condition("Initialized", &scheduled),
        ready,
        containers_ready,
        condition("PodScheduled", &scheduled),
    ];
    fields([
        ("conditions", conditions.into()),
        ("containerStatuses", vec![container_status(crashed, &ready_at)].into()),
        ("phase", "Running".into()),
        ("qosClass", "Burstable".into()),
        ("startTime", scheduled.into()),
    ])
}

fn container_status(crashed: bool, started_at: &str) -> Value {
    let mut status = json!({
        "image": IMAGE, "imageID": "", "lastState": {}, "name": "main", "ready": !crashed, "restartCount": 0, "started": !crashed,
        "state": {"running": {"startedAt": started_at}},
    });
    if crashed {
        status["restartCount"] = 12.into();
        status["lastState"] = json!({"terminated": {
            "exitCode": 1, "finishedAt": timestamp(NOW - 90), "reason": "Error", "startedAt": timestamp(NOW - 95),
        }});
        status["state"] = json!({"waiting": {
            "message": "back-off 5m0s restarting failed container=main", "reason": "CrashLoopBackOff",
        }});
    }
    status
}

/// The PodScheduled condition's message for a pod that no node can take, as kube-scheduler 1.36 words it (pkg/scheduler/framework/types.go, FitError).
fn unschedulable_message(model: &Model<'_>, shape: &Shape) -> String {
    let (mut cordoned, mut tainted, mut cpu, mut memory) = (0, 0, 0, 0);
    for node in &model.nodes {
        match (node.mark, node.pool) {
            (Some(Mark::Cordoned), _) => cordoned += 1,
            (Some(Mark::NotReady), _) | (_, Pool::Special) => tainted += 1,
            _ => {
                cpu += u64::from(node.used.cpu_millis + shape.ask.cpu_millis > node.offered_cpu_millis());
                memory += u64::from(node.used.memory_mib + shape.ask.memory_mib > node.room.memory_mib);
            }
        }
    }
    let reasons = [
        (cpu, "Insufficient cpu"),
        (memory, "Insufficient memory"),
        (tainted, "node(s) had untolerated taint(s)"),
        (cordoned, "node(s) were unschedulable"),
    ];
    let mut reasons: Vec<String> =
        reasons.iter().filter(|(count, _)| *count > 0).map(|(count, reason)| format!("{count} {reason}")).collect();
    reasons.sort_unstable();
    let all = model.nodes.len();
    format!(
        "0/{all} nodes are available: {}. no new claims to deallocate, preemption: 0/{all} nodes are available: {all} Preemption is not helpful for scheduling.",
        reasons.join(", ")
    )
}
