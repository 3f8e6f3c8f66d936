//! Plain objects for tests and benches: a shape, pod, node, owner or group with nothing special about it.
//!
//! Every field that a test does not name is here, once. A test writes what it is about and takes the rest by struct update:
//! `PodShape { priority: 10, ..fixtures::shape(&catalog) }`.

use super::*;

/// What the scheduler sees of a pod that asks for nothing.
pub fn shape(catalog: &Catalog) -> PodShape {
    PodShape {
        requests: Requests::default(),
        incoming_nonzero: [0, 0],
        priority: 0,
        may_preempt: true,
        node_selector: Vec::new(),
        node_affinity: None,
        preferred_node_affinity: Vec::new(),
        affinity: Vec::new(),
        preferred_affinity: Vec::new(),
        anti_affinity: Vec::new(),
        preferred_anti_affinity: Vec::new(),
        tolerations: Vec::new(),
        host_ports: Vec::new(),
        images: Vec::new(),
        container_count: 1,
        spread: Vec::new(),
        scheduler_name: catalog.known.default_scheduler,
        gated: false,
        grace_ms: 30_000,
        restarts_always: true,
        volumes: Vec::new(),
        has_resource_claims: false,
        features: Vec::new(),
    }
}

/// The same for a pod that asks for cpu (milli) and memory (bytes); 0 is nothing asked for.
pub fn shape_asking(catalog: &Catalog, cpu: i64, memory: i64) -> PodShape {
    let amounts = [(CPU, cpu), (MEMORY, memory)].into_iter().filter(|a| a.1 > 0).collect();
    let requests = Requests { amounts, nonzero: [cpu, memory] };
    PodShape { incoming_nonzero: requests.nonzero, requests, ..shape(catalog) }
}

/// A pod of `shape` in `namespace`, without labels, claims or a controller; its uid is its name.
pub fn pod_spec(namespace: NsIdx, name: Sym, shape: ShapeIdx) -> PodSpec {
    PodSpec {
        namespace,
        name,
        generate_name: None,
        uid: name,
        labels: Labels::default(),
        annotations: Vec::new(),
        shape,
        claims: Vec::new(),
        owner: None,
        mirror: false,
        finalizers: Vec::new(),
        resized: None,
        ordinal: None,
    }
}

/// A pending pod of `spec`, created at time 0; its uid is its name.
pub fn pod(spec: SpecIdx, name: Sym) -> PodState {
    PodState {
        spec,
        name,
        uid: name,
        phase: Phase::Pending,
        node: None,
        ready: false,
        ready_since: 0,
        created: 0,
        started: 0,
        deleting: None,
        nominated: None,
        unschedulable: false,
        preempted: false,
        restarts: 0,
        incarnation: 0,
        kept_by_job: false,
        gone: false,
    }
}

/// A node with these amounts by resource and room for 110 pods, without labels or taints; its uid is its name.
pub fn node_spec(name: Sym, allocatable: Vec<i64>) -> NodeSpec {
    NodeSpec {
        name,
        uid: name,
        labels: Labels::default(),
        annotations: Vec::new(),
        allocatable,
        pod_slots: 110,
        taints: Vec::new(),
        images: Vec::new(),
        attach_limits: None,
        volumes_in_use: Vec::new(),
        provider_id: None,
        kubelet_version: None,
        declared_features: Vec::new(),
        created: 0,
        machine: None,
        price_micros_per_hour: None,
    }
}

/// An owner of a kind that Kubernetes itself knows (a `Gadget` stands for the others), whose scale source follows from
/// the kind; its uid is its name.
pub fn owner(catalog: &mut Catalog, kind: OwnerKind, namespace: NsIdx, name: Sym, replicas: Option<i64>) -> Owner {
    let (text, api) = match kind {
        OwnerKind::Deployment => ("Deployment", "apps/v1"),
        OwnerKind::ReplicaSet => ("ReplicaSet", "apps/v1"),
        OwnerKind::ReplicationController => ("ReplicationController", "v1"),
        OwnerKind::StatefulSet => ("StatefulSet", "apps/v1"),
        OwnerKind::DaemonSet => ("DaemonSet", "apps/v1"),
        OwnerKind::Job => ("Job", "batch/v1"),
        OwnerKind::Node => ("Node", "v1"),
        OwnerKind::Custom => ("Gadget", "example.com/v1"),
    };
    let scale = match kind {
        OwnerKind::Job | OwnerKind::DaemonSet | OwnerKind::Node => ScaleSource::None,
        _ => ScaleSource::Replicas,
    };
    Owner {
        kind,
        kind_name: catalog.names.intern(text),
        api_version: catalog.names.intern(api),
        namespace,
        name,
        uid: name,
        parent: None,
        missing: false,
        deleting: false,
        created: None,
        replicas,
        scale,
        selector: Selector::Nothing,
        min_ready_ms: 0,
        parallel: false,
        first_ordinal: 0,
        job: None,
        template: None,
        claim_templates: Vec::new(),
    }
}

/// A group of nodeferry's own form that may have a hundred nodes and offers no machine types yet; its name is its id.
pub fn group(id: Sym) -> NodeGroup {
    NodeGroup {
        id,
        name: id,
        origin: GroupOrigin::Own,
        is_default: false,
        template_only: false,
        labels: Labels::default(),
        requirements: NodeSelectorTerm::default(),
        taints: Vec::new(),
        zones: Vec::new(),
        region: None,
        machines: Vec::new(),
        min_count: 0,
        max_count: 100,
        limits: Vec::new(),
        weight: 0,
        headroom: Vec::new(),
        auto_headroom_percent: 0,
        launch_delay: None,
        launch_failure_ppm: 0,
        spot_percent: None,
        fallback_to_od: false,
        restrict_scale_down: false,
        draining_timeout_ms: None,
        kubernetes_version: None,
        max_is_assumed: false,
    }
}
