//! Controllers: those the dump holds, and those only named by their pods.

use super::builder::{Builder, Priority, RuntimeDefaults};
use super::declared::declared;
use super::document::Raw;
use super::kinds::group;
use super::requests;
use super::scale::{self, CustomKinds, Definition, Object, Scale};
use super::wire::pod::{Container, PodTemplate, Resources, Toleration as WireToleration};
use super::wire::scalar::{Map, Text};
use super::wire::{Meta, OwnerReference, workload as wire};
use super::witness;
use crate::cluster::*;
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// Custom resources of the dump, to be looked up when a pod names one as its owner.
#[derive(Default)]
pub(crate) struct Customs<'a> {
    pub(crate) by_uid: FxHashMap<String, Custom<'a>>,
    pub(crate) kinds: Arc<CustomKinds>,
}

/// A custom resource not decoded beyond its metadata.
pub(crate) struct Custom<'a> {
    pub(crate) raw: Raw<'a>,
    pub(crate) deleting: bool,
}

/// The kind of a controller from its group and kind.
pub(crate) fn owner_kind(api_version: &str, kind: &str) -> OwnerKind {
    match (group(api_version), kind) {
        ("apps" | "extensions", "Deployment") => OwnerKind::Deployment,
        ("apps" | "extensions", "ReplicaSet") => OwnerKind::ReplicaSet,
        ("apps", "StatefulSet") => OwnerKind::StatefulSet,
        ("apps" | "extensions", "DaemonSet") => OwnerKind::DaemonSet,
        ("", "ReplicationController") => OwnerKind::ReplicationController,
        ("batch", "Job") => OwnerKind::Job,
        ("", "Node") => OwnerKind::Node,
        _ => OwnerKind::Custom,
    }
}

fn scale_of(kind: OwnerKind) -> ScaleSource {
    match kind {
        OwnerKind::Deployment | OwnerKind::ReplicaSet | OwnerKind::ReplicationController | OwnerKind::StatefulSet => {
            ScaleSource::Replicas
        }
        OwnerKind::DaemonSet | OwnerKind::Job | OwnerKind::Node => ScaleSource::None,
        OwnerKind::Custom => ScaleSource::Unknown,
    }
}

/// When a person or a program outside the cluster created a workload; None if a controller did, or nobody says.
fn created_by_hand(meta: &Meta<'_>) -> Option<i64> {
    (meta.controller().is_none() && meta.creation_timestamp.is_some()).then(|| meta.created_ms())
}

impl Builder {
    /// Adds an owner and its names.
    fn add_owner(&mut self, owner: Owner) -> OwnerIdx {
        let (uid, key) = (owner.uid, (owner.kind_name, owner.namespace, owner.name));
        let index = self.catalog.owners.push(owner);
        if uid != self.catalog.known.empty {
            self.lookup.owners.insert(uid, index);
        }
        self.lookup.owner_names.insert(key, index);
        index
    }

    /// An owner of which only names are known.
    fn bare_owner(&mut self, api_version: &str, kind_name: &str, ns: NsIdx, name: &str, uid: &str) -> Owner {
        let kind = owner_kind(api_version, kind_name);
        Owner {
            kind,
            kind_name: self.sym(kind_name),
            api_version: self.sym(api_version),
            namespace: ns,
            name: self.sym(name),
            uid: self.sym(uid),
            parent: None,
            missing: false,
            deleting: false,
            created: None,
            replicas: None,
            scale: scale_of(kind),
            selector: Selector::Nothing,
            min_ready_ms: 0,
            parallel: false,
            first_ordinal: 0,
            job: None,
            template: None,
            claim_templates: Vec::new(),
        }
    }

    fn is_known(&mut self, kind: &str, meta: &Meta<'_>) -> bool {
        let key = (self.sym(kind), self.namespace(meta.ns()), self.sym(&meta.name));
        self.lookup.owner_names.contains_key(&key)
    }

    pub(crate) fn read_workload(&mut self, api_version: &str, kind: &str, w: &wire::Workload<'_>) {
        if self.is_known(kind, &w.metadata) {
            return;
        }
        let ns = self.namespace(w.metadata.ns());
        self.saw(w.metadata.created_ms());
        let mut owner = self.bare_owner(api_version, kind, ns, &w.metadata.name, &w.metadata.uid);
        let spec = &w.spec;
        owner.deleting = w.metadata.deletion_timestamp.is_some();
        owner.created = created_by_hand(&w.metadata);
        owner.selector = self.selector(spec.selector.as_ref());
        owner.min_ready_ms = spec.min_ready_seconds.saturating_mul(1000);
        if owner.scale == ScaleSource::Replicas {
            owner.replicas = Some(spec.replicas.unwrap_or(1));
        }
        owner.parallel = spec.pod_management_policy.as_deref() == Some("Parallel");
        owner.first_ordinal = spec.ordinals.as_ref().map_or(0, |o| o.start);
        owner.claim_templates =
            spec.volume_claim_templates.iter().map(|c| self.catalog.names.intern(&c.metadata.name)).collect();
        if owner.kind == OwnerKind::Job {
            let cron_job = w.metadata.controller().filter(|r| &*r.kind == "CronJob").map(|r| self.sym(&r.name));
            owner.job = Some(JobSpec { cron_job, ..job(w) });
        }
        let kind = owner.kind;
        let index = self.add_owner(owner);
        let controller = w.metadata.controller();
        let manager = controller.and_then(|r| Manager::of_owner(&r.api_version, &r.kind, &r.name));
        if let Some(manager) = manager.filter(|m| m.operator.is_some()) {
            self.catalog.inventory.workload_managers.insert(index, manager);
        }
        self.notice_rollout(w, kind);
        self.catalog.inventory.ready_replicas.insert(index, w.status.ready_replicas.unwrap_or(0));
        self.lookup.stated_pods.extend(witness::stated_pods(kind, &w.status).map(|n| (index, n)));
        if let Some(template) = &spec.template {
            let spec = self.template(template, ns, index, kind);
            self.catalog.owners[index].template = Some(spec);
        }
    }

    pub(crate) fn read_replication_controller(&mut self, api_version: &str, rc: &wire::ReplicationController<'_>) {
        let kind = "ReplicationController";
        if self.is_known(kind, &rc.metadata) {
            return;
        }
        let ns = self.namespace(rc.metadata.ns());
        let mut owner = self.bare_owner(api_version, kind, ns, &rc.metadata.name, &rc.metadata.uid);
        owner.deleting = rc.metadata.deletion_timestamp.is_some();
        owner.created = created_by_hand(&rc.metadata);
        owner.replicas = Some(rc.spec.replicas.unwrap_or(1));
        owner.selector = self.map_selector(rc.spec.selector.as_ref());
        owner.min_ready_ms = rc.spec.min_ready_seconds.saturating_mul(1000);
        let index = self.add_owner(owner);
        let stated = witness::stated_pods(OwnerKind::ReplicationController, &rc.status);
        self.lookup.stated_pods.extend(stated.map(|n| (index, n)));
        if let Some(template) = &rc.spec.template {
            let spec = self.template(template, ns, index, OwnerKind::ReplicationController);
            self.catalog.owners[index].template = Some(spec);
        }
    }

    /// Links a ReplicaSet to its Deployment. Other controllers of controllers (operators) are not followed: what they
    /// would do is theirs to know.
    pub(crate) fn link_parent(&mut self, kind: &str, w: &wire::Workload<'_>) {
        let Some(parent) = w.metadata.controller() else { return };
        if owner_kind(&parent.api_version, &parent.kind) != OwnerKind::Deployment {
            return;
        }
        let ns = self.namespace(w.metadata.ns());
        let key = (self.sym(kind), ns, self.sym(&w.metadata.name));
        let Some(child) = self.lookup.owner_names.get(&key).copied() else { return };
        let parent = self.owner(&Customs::default(), parent, ns);
        self.catalog.owners[child].parent = Some(parent);
    }

    /// The owner that a reference names, made (as missing, or from a custom resource) if new.
    pub(crate) fn owner(&mut self, customs: &Customs<'_>, reference: &OwnerReference<'_>, ns: NsIdx) -> OwnerIdx {
        let uid = self.sym(&reference.uid);
        if let Some(owner) = self.lookup.owners.get(&uid) {
            return *owner;
        }
        // The uid decides: an owner of the same name made anew is another. Hand-made dumps may have no uids.
        if reference.uid.is_empty() {
            let key = (self.sym(&reference.kind), ns, self.sym(&reference.name));
            if let Some(owner) = self.lookup.owner_names.get(&key) {
                return *owner;
            }
        }
        let mut owner = self.bare_owner(&reference.api_version, &reference.kind, ns, &reference.name, &reference.uid);
        if owner.kind == OwnerKind::Custom {
            self.read_custom(customs, reference, &mut owner);
        } else {
            owner.missing = owner.kind != OwnerKind::Node;
        }
        self.set_scale(customs, reference, &mut owner);
        self.notice_owner(&owner);
        self.add_owner(owner)
    }

    fn read_custom(&mut self, customs: &Customs<'_>, reference: &OwnerReference<'_>, owner: &mut Owner) {
        let Some(custom) = customs.by_uid.get(&*reference.uid) else {
            owner.missing = true;
            return;
        };
        owner.deleting = custom.deleting;
        let definition = customs.kinds.definitions.get(&definition_key(reference));
        let path = definition.and_then(Definition::preferred_path).unwrap_or(".spec.replicas");
        owner.replicas = custom.raw.decode::<Value>().ok().and_then(|v| at_path(&v, path));
    }

    fn has_namesake(&self, customs: &Customs<'_>, reference: &OwnerReference<'_>, ns: NsIdx) -> bool {
        let namespace = self.catalog.text(self.catalog.namespaces[ns].name);
        customs.kinds.names.contains(&format!("{}/{namespace}/{}", definition_key(reference), &*reference.name))
    }

    /// Where budgets find the scale of an owner that no lister of the disruption controller has.
    fn set_scale(&mut self, customs: &Customs<'_>, reference: &OwnerReference<'_>, owner: &mut Owner) {
        let (api_version, kind) = (&*reference.api_version, &*reference.kind);
        let found = match customs.kinds.definitions.get(&definition_key(reference)) {
            Some(definition) => {
                let object = match (owner.missing, owner.replicas) {
                    (false, Some(_)) => Object::WithCount,
                    (false, None) => Object::WithoutCount,
                    (true, _) if self.has_namesake(customs, reference, owner.namespace) => Object::AnotherUid,
                    (true, _) => Object::Missing,
                };
                definition.scale(api_version, kind, object)
            }
            None => scale::without_definition(api_version, kind, !customs.kinds.definitions.is_empty()),
        };
        owner.scale = match found {
            Scale::Replicas => ScaleSource::Replicas,
            Scale::Unreachable => ScaleSource::Unreachable,
            Scale::Unknown => owner.scale,
            Scale::Refused(text) => ScaleSource::Refused(self.sym(&text)),
        };
    }

    /// A pod template as a spec: what the API server and the admission plugins would add is added, as far as the dump
    /// tells (docs/reference/kubernetes.md#what-a-dump-does-not-tell). Replacements are clones of live pods; this is for pods that have none.
    fn template(&mut self, template: &PodTemplate<'_>, ns: NsIdx, owner: OwnerIdx, kind: OwnerKind) -> SpecIdx {
        let labels = self.labels(&template.metadata.labels);
        let mut shaped = self.shape(&template.spec, ns, &labels, "");
        let shape = &mut shaped.shape;
        let given = &template.spec;
        (shape.requests, shape.incoming_nonzero) = self.admitted_requests(template, ns);
        let class = given.priority_class_name.as_deref().filter(|c| !c.is_empty());
        if given.priority.is_none() {
            if let Some(class) = class {
                self.notice_priority_class(class, owner);
            }
            let priority = self.priority(class);
            shape.priority = priority.value;
            shape.may_preempt &= priority.may_preempt;
        }
        let runtime = given.runtime_class_name.as_deref().and_then(|c| self.catalog.names.get(c));
        if let Some(runtime) = runtime.and_then(|c| self.lookup.runtime_classes.get(&c)).cloned() {
            shape.node_selector.extend(runtime.node_selector.iter().copied());
            shape.tolerations.extend(runtime.tolerations.iter().copied());
        }
        if kind == OwnerKind::DaemonSet {
            self.daemon_tolerations(&mut shape.tolerations, given.host_network == Some(true));
        }
        self.default_tolerations(&mut shape.tolerations);
        let shape = self.catalog.intern_shape(shaped.shape);
        let annotations = self.annotations(&template.metadata);
        let spec = self.catalog.specs.push(PodSpec {
            namespace: ns,
            name: self.catalog.known.empty,
            generate_name: None,
            uid: self.catalog.known.empty,
            labels,
            annotations,
            shape,
            claims: shaped.claims,
            owner: Some(owner),
            mirror: false,
            finalizers: Vec::new(),
            resized: None,
            ordinal: None,
        });
        self.note_spec(spec, given, shaped.unknown_claims);
        spec
    }

    /// Notes what pods made from a spec use of quotas, what they declare, and whether they mount claims of which the dump shows nothing.
    pub(super) fn note_spec(&mut self, spec: SpecIdx, given: &super::wire::pod::PodSpec<'_>, unknown_claims: bool) {
        self.charge_quotas(spec, given);
        if unknown_claims {
            self.catalog.inventory.unknown_claims.insert(spec);
        }
        if let Some(declared) = declared(given) {
            self.catalog.inventory.declared.insert(spec, declared);
        }
    }

    /// What a pod made from a template would ask for: limits stand in for requests, then limit ranges, then overhead.
    fn admitted_requests(&mut self, template: &PodTemplate<'_>, ns: NsIdx) -> (Requests, [i64; 2]) {
        let mut spec = super::wire::pod::PodSpec {
            resources: template.spec.resources.clone(),
            overhead: template.spec.overhead.clone(),
            ..Default::default()
        };
        let empty = Vec::new();
        let defaults = self.lookup.limit_defaults.get(&ns).unwrap_or(&empty);
        spec.containers.0 = template.spec.containers.iter().map(|c| admit(c, defaults)).collect();
        spec.init_containers.0 = template.spec.init_containers.iter().map(|c| admit(c, defaults)).collect();
        let runtime = template.spec.runtime_class_name.as_deref().and_then(|c| self.catalog.names.get(c));
        if let Some(runtime) = runtime.and_then(|c| self.lookup.runtime_classes.get(&c)) {
            spec.overhead = Map(runtime.overhead.iter().map(|(n, q)| (Text(Cow::Owned(n.clone())), *q)).collect());
        }
        (requests::from_spec(&mut self.catalog, &spec), requests::incoming_nonzero(&spec))
    }

    fn priority(&mut self, class: Option<&str>) -> Priority {
        let none = Priority { value: 0, may_preempt: true };
        match class {
            // Built in; `kubectl get priorityclasses` shows them, but a dump may lack the kind.
            Some("system-node-critical") => Priority { value: 2_000_001_000, may_preempt: true },
            Some("system-cluster-critical") => Priority { value: 2_000_000_000, may_preempt: true },
            Some(class) => {
                let class = self.sym(class);
                self.lookup.priorities.get(&class).copied().unwrap_or(none)
            }
            None => self.lookup.default_priority.unwrap_or(none),
        }
    }

    /// What the DaemonSet controller adds (kubernetes v1.36.3 `controller/daemon/util` `AddOrUpdateDaemonPodTolerations`).
    fn daemon_tolerations(&mut self, tolerations: &mut Vec<Toleration>, host_network: bool) {
        for (key, effect) in [
            ("not-ready", Effect::NoExecute),
            ("unreachable", Effect::NoExecute),
            ("disk-pressure", Effect::NoSchedule),
            ("memory-pressure", Effect::NoSchedule),
            ("pid-pressure", Effect::NoSchedule),
            ("unschedulable", Effect::NoSchedule),
        ] {
            self.add_toleration(tolerations, key, effect, None);
        }
        if host_network {
            self.add_toleration(tolerations, "network-unavailable", Effect::NoSchedule, None);
        }
    }

    /// What admission adds: five minutes on a node that is not ready or unreachable (`DefaultTolerationSeconds`).
    fn default_tolerations(&mut self, tolerations: &mut Vec<Toleration>) {
        for key in ["not-ready", "unreachable"] {
            let sym = self.sym(&format!("node.kubernetes.io/{key}"));
            let taint = Taint { key: sym, value: self.catalog.known.empty, effect: Effect::NoExecute };
            let tolerated = tolerations
                .iter()
                .any(|t| t.key.is_none_or(|k| k == taint.key) && t.effect.is_none_or(|e| e == taint.effect));
            if !tolerated {
                self.add_toleration(tolerations, key, Effect::NoExecute, Some(300));
            }
        }
    }

    fn add_toleration(&mut self, to: &mut Vec<Toleration>, key: &str, effect: Effect, seconds: Option<i64>) {
        let key = Some(self.sym(&format!("node.kubernetes.io/{key}")));
        let new = Toleration { key, value: None, effect: Some(effect), seconds };
        if !to.contains(&new) {
            to.push(new);
        }
    }

    pub(crate) fn runtime_tolerations(&mut self, list: &[WireToleration<'_>]) -> Vec<Toleration> {
        list.iter().map(|t| self.toleration(t)).collect()
    }
    pub(crate) fn read_runtime_class(&mut self, class: &super::wire::policy::RuntimeClass<'_>) {
        let name = self.sym(&class.metadata.name);
        let overhead = class.overhead.iter().flat_map(|o| o.pod_fixed.iter()).map(|(n, q)| (n.to_string(), *q));
        let mut defaults = RuntimeDefaults { overhead: overhead.collect(), ..Default::default() };
        if let Some(scheduling) = &class.scheduling {
            defaults.node_selector = self.pairs(&scheduling.node_selector);
            defaults.tolerations = self.runtime_tolerations(&scheduling.tolerations);
        }
        self.lookup.runtime_classes.insert(name, defaults.into());
    }
}

/// A container of a template with the requests it would have after admission; only what requests are made of.
fn admit<'c>(c: &Container<'c>, defaults: &[(String, Quantity)]) -> Container<'c> {
    let mut requests = c.resources.requests.0.clone();
    let mut add = |name: &str, quantity: Quantity| {
        if !requests.iter().any(|(n, _)| &**n == name) {
            requests.push((Text(Cow::Owned(name.to_owned())), quantity));
        }
    };
    c.resources.limits.iter().for_each(|(name, q)| add(name, *q));
    defaults.iter().for_each(|(name, q)| add(name, *q));
    Container {
        restart_policy: c.restart_policy.clone(),
        resources: Resources { requests: Map(requests), limits: Map::default() },
        ..Container::default()
    }
}

fn job(w: &wire::Workload<'_>) -> JobSpec {
    let spec = &w.spec;
    let rules = spec.pod_failure_policy.as_ref().map(|p| &p.rules);
    // With a failure policy, `Failed` is the default and the only value allowed.
    let replace_only_failed = spec.pod_replacement_policy.as_deref().map_or(rules.is_some(), |p| p == "Failed");
    let ended = |c: &super::wire::Condition<'_>| matches!(&*c.kind, "Complete" | "Failed") && c.holds();
    JobSpec {
        parallelism: spec.parallelism.unwrap_or(1),
        completions: match (spec.completions, spec.parallelism) {
            (Some(n), _) => Some(n),
            (None, Some(_)) => None,
            (None, None) => Some(1),
        },
        backoff_limit: spec.backoff_limit.unwrap_or(match spec.backoff_limit_per_index {
            None => 6,
            Some(_) => i64::from(i32::MAX),
        }),
        backoff_limit_per_index: spec.backoff_limit_per_index,
        max_failed_indexes: spec.max_failed_indexes,
        failed_indexes: indexes(w.status.failed_indexes.as_deref().unwrap_or("")),
        replace_only_failed,
        on_disruption: rules.map_or(FailureAction::Count, |r| on_disruption(r)),
        suspended: spec.suspend,
        indexed: spec.completion_mode.as_deref() == Some("Indexed"),
        succeeded: w.status.succeeded,
        failed: w.status.failed,
        deadline_ms: spec
            .active_deadline_seconds
            .zip(w.status.start_time)
            .filter(|_| !spec.suspend)
            .map(|(s, t)| t.0.saturating_add(s.saturating_mul(1000))),
        finished: w.status.conditions.iter().any(ended),
        cron_job: None,
        took_ms: took_ms(w),
    }
}

/// Exit codes of a container that a signal ended: SIGKILL, SIGTERM. Which of them it is nobody knows before.
const KILLED: [i64; 2] = [137, 143];

/// What the first rule that fits does about a pod that a disruption ended: its condition DisruptionTarget is True, and its
/// container was killed (kubernetes v1.36.3 `pkg/controller/job/pod_failure_policy.go` `matchPodFailurePolicy`).
fn on_disruption(rules: &[wire::FailureRule<'_>]) -> FailureAction {
    let fits = |rule: &&wire::FailureRule<'_>| match &rule.on_exit_codes {
        Some(codes) => {
            let listed = KILLED.iter().any(|c| codes.values.contains(c));
            match &*codes.operator {
                "In" => listed,
                "NotIn" => !listed,
                _ => false,
            }
        }
        None => rule
            .on_pod_conditions
            .iter()
            .any(|c| &*c.kind == "DisruptionTarget" && c.status.as_deref().is_none_or(|s| s.is_empty() || s == "True")),
    };
    let action = |rule: &wire::FailureRule<'_>| match &*rule.action {
        "Ignore" => Some(FailureAction::Ignore),
        "FailJob" => Some(FailureAction::FailJob),
        "FailIndex" => Some(FailureAction::FailIndex),
        "Count" => Some(FailureAction::Count),
        _ => None,
    };
    rules.iter().filter(fits).find_map(action).unwrap_or_default()
}

/// Indexes as a Job's status lists them: `1,3-5`.
fn indexes(text: &str) -> Vec<u32> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(from), Ok(to)) = (from.parse::<u32>(), to.parse::<u32>()) {
            // No Job has more indexes.
            all.extend((from..=to).take(100_000));
        }
    }
    all
}

/// How long a Job took that is complete and had one pod.
fn took_ms(w: &wire::Workload<'_>) -> Option<i64> {
    let alone = w.spec.parallelism.unwrap_or(1) == 1 && w.spec.completions.unwrap_or(1) == 1;
    let (from, to) = w.status.start_time.zip(w.status.completion_time).filter(|_| alone)?;
    (to.0 >= from.0).then(|| to.0 - from.0)
}

/// The key of a kind in [`Customs::definitions`].
fn definition_key(reference: &OwnerReference<'_>) -> String {
    format!("{}/{}", group(&reference.api_version), &*reference.kind)
}

/// The number under a path such as `.spec.replicas`.
fn at_path(value: &Value, path: &str) -> Option<i64> {
    path.trim_start_matches('.').split('.').try_fold(value, |v, key| v.get(key))?.as_i64()
}
