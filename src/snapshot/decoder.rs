//! From items to a cluster: kinds are decoded in an order in which each finds what it refers to.

use super::budgets::ReadStatus;
use super::builder::{Builder, Lookup};
use super::condense::{self, Start};
use super::delays::StartDelays;
use super::diagnostics::kind_text;
use super::document::{self, Contents, CutList, Item, Origin, Raw};
use super::error::ReadError;
use super::inventory;
use super::kinds::{KNOWN, group, known};
use super::nodes::ReadNode;
use super::owners::{Custom, Customs};
use super::pods::ReadPod;
use super::scale::{CustomKinds, Definition};
use super::source::Source;
use super::volumes::ReadClaim;
use super::wire::{Bare, Named, node, pod, policy, storage, workload};
use super::{RecordedBudget, RecordedNode, Snapshot, complaint, webhooks, witness};
use crate::cluster::*;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Gathers objects and makes a [`Snapshot`] of them; pure.
///
/// Texts and values are borrowed until [`finish`](Decoder::finish), which decodes each item once, typed.
#[derive(Default)]
pub struct Decoder<'a> {
    sources: Vec<From<'a>>,
    by_kind: FxHashMap<&'static str, Vec<Item<'a>>>,
    others: Vec<Item<'a>>,
    counts: BTreeMap<String, usize>,
    unknown: BTreeMap<String, usize>,
    /// Kinds of which an empty list says that there are none.
    none_of: FxHashSet<&'static str>,
    cut: Vec<CutList>,
    /// How many items the lists have that go to their end, by kind.
    whole: FxHashMap<String, usize>,
    /// What was passed over because it is no object: the file, the place and what is wrong.
    odd: Vec<(String, String)>,
    taken_unix_ms: Option<i64>,
}

/// Where objects are from.
struct From<'a> {
    name: String,
    /// The text, where it is JSON.
    text: Option<&'a str>,
    /// Of a text that was condensed: where its items stood.
    starts: Option<&'a [Start]>,
}

impl From<'_> {
    /// The line on which an item begins; YAML values no longer know.
    fn line_of(&self, item: Raw<'_>) -> Option<usize> {
        let (Some(text), Raw::Json(raw)) = (self.text, item) else { return None };
        let from = (raw.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
        Some(match self.starts {
            Some(starts) => condense::line_at(starts, from),
            None => complaint::line_at(text, from),
        })
    }
}

/// What has been read and waits for the catalogue to be complete.
#[derive(Default)]
struct Read {
    nodes: Vec<ReadNode>,
    pods: Vec<ReadPod>,
    budgets: Vec<ReadStatus>,
    claims: Vec<ReadClaim>,
    volumes: Vec<Arc<Pv>>,
    attachments: Vec<(Sym, Sym)>,
}

impl<'a> Decoder<'a> {
    /// An empty one.
    pub fn new() -> Decoder<'a> {
        Decoder::default()
    }

    /// Adds a source with its text, and its values where it is YAML; all must outlive the decoder.
    pub(super) fn add_source(
        &mut self,
        source: &'a Source,
        text: &'a str,
        yaml: Option<&'a [Value]>,
    ) -> Result<(), ReadError> {
        let origin = Origin { file: &source.name, source: self.sources.len(), found: source.found };
        let (contents, text) = match yaml {
            Some(values) => (document::of_values(origin, values)?, None),
            None => (document::of_json(origin, text)?, Some(text)),
        };
        let starts = source.condensed.as_ref().map(|original| &original.starts[..]);
        self.add(From { name: source.name.clone(), text, starts }, contents);
        Ok(())
    }

    /// Adds values, each an object, a List or an array.
    ///
    /// # Errors
    /// A value that is none.
    pub fn add_values(&mut self, name: &str, values: impl IntoIterator<Item = &'a Value>) -> Result<(), ReadError> {
        let origin = Origin { file: name, source: self.sources.len(), found: false };
        let contents = document::of_values(origin, values)?;
        self.add(From { name: name.to_owned(), text: None, starts: None }, contents);
        Ok(())
    }

    /// The snapshot's moment, in milliseconds since 1970, for those who know it better than from what the objects mention.
    pub fn taken_at(&mut self, unix_ms: i64) {
        self.taken_unix_ms = Some(unix_ms);
    }

    fn add(&mut self, from: From<'a>, contents: Contents<'a>) {
        let name = from.name.clone();
        self.sources.push(from);
        self.none_of.extend(contents.none_of.iter().filter_map(|(version, kind)| known(version, kind)));
        self.cut.extend(contents.cut);
        for (kind, items) in contents.whole {
            *self.whole.entry(kind).or_default() += items;
        }
        self.odd.extend(contents.odd.into_iter().map(|odd| (name.clone(), odd)));
        for item in contents.items {
            match known(&item.api_version, &item.kind) {
                Some(kind) => {
                    *count(&mut self.counts, kind) += 1;
                    self.by_kind.entry(kind).or_default().push(item);
                }
                // A list of nothing as some clients write it, without `items`.
                None if item.kind.strip_suffix("List").is_some_and(|k| known(&item.api_version, k).is_some()) => {
                    self.none_of.extend(item.kind.strip_suffix("List").and_then(|k| known(&item.api_version, k)));
                }
                None => {
                    let group = group(&item.api_version);
                    let name =
                        if group.is_empty() { item.kind.to_string() } else { format!("{}.{group}", &*item.kind) };
                    *count(&mut self.unknown, &name) += 1;
                    self.others.push(item);
                }
            }
        }
    }

    /// Decodes everything. `sha256` is the snapshot's identity (see [`Snapshot::sha256`]).
    pub fn finish(mut self, sha256: String) -> Result<Snapshot, ReadError> {
        let mut b = Builder::default();
        b.lookup.kinds = KNOWN.iter().map(|(_, k)| *k).filter(|k| self.by_kind.contains_key(k)).collect();
        b.lookup.none_of = std::mem::take(&mut self.none_of);
        let lacks = |kind: &str| !b.lookup.kinds.contains(kind) && !b.lookup.none_of.contains(kind);
        (b.lookup.claims_unknown, b.lookup.volumes_unknown) =
            (lacks("PersistentVolumeClaim"), lacks("PersistentVolume"));
        for (file, odd) in &self.odd {
            b.notices.note("document-passed-over", || format!("File/{file}"), odd);
        }
        let mut read = Read::default();
        let others = std::mem::take(&mut self.others);
        let customs = self.customs(&others)?;
        b.lookup.custom_kinds = customs.kinds.clone();
        b.catalog.inventory.kinds = b.lookup.kinds.iter().map(|k| (*k).to_owned()).collect();
        inventory::read_others(&mut b.catalog.inventory, &others, &self.unknown);
        let node_pools = self.node_pools(&others);
        self.read_shared(&mut b)?;
        self.read_nodes(&mut b, &mut read)?;
        self.read_storage(&mut b, &mut read)?;
        self.read_owners(&mut b)?;
        self.each(&mut b, "PodDisruptionBudget", |b, o: policy::Budget<'_>, _| read.budgets.extend(b.read_budget(&o)))?;
        self.each(&mut b, "Pod", |b, o: pod::Pod<'_>, _| read.pods.extend(b.read_pod(&customs, &o)))?;
        self.notice_unmodelled(&mut b)?;
        notice_missing(&mut b);
        witness::note_cut(&mut b.notices, &self.cut, &self.whole);
        Ok(Snapshot {
            node_pools,
            counts: self.counts,
            unknown: self.unknown,
            ..assemble(b, read, sha256, self.taken_unix_ms)
        })
    }

    /// Decodes each item of a kind and hands it on.
    fn each<T: Deserialize<'a>>(
        &self,
        builder: &mut Builder,
        kind: &str,
        mut take: impl FnMut(&mut Builder, T, &Item<'a>),
    ) -> Result<(), ReadError> {
        for item in self.by_kind.get(kind).map_or(&[][..], |v| v) {
            take(builder, self.decode(item)?, item);
        }
        Ok(())
    }

    fn decode<T: Deserialize<'a>>(&self, item: &Item<'a>) -> Result<T, ReadError> {
        item.raw.decode().map_err(|(path, problem)| {
            let name = item.raw.decode::<Named<'_>>().map(|b| b.metadata).unwrap_or_default();
            let ns = name.namespace.as_deref().map(|n| format!("{n}/")).unwrap_or_default();
            let from = &self.sources[item.source];
            let line = from.line_of(item.raw).map_or(String::new(), |line| format!(", from line {line}"));
            let named = match (&*name.name, &*ns) {
                ("", "") => "without a name".to_owned(),
                ("", ns) => format!("without a name in namespace {}", ns.trim_end_matches('/')),
                (name, ns) => format!("{ns}{name}"),
            };
            ReadError::Field {
                file: from.name.clone(),
                item: format!("{} ({} {named}{line})", item.place, &*item.kind),
                path: if path == "." { "the object".into() } else { path },
                problem,
            }
        })
    }

    /// Karpenter's NodePools, undecoded, with the names of their files.
    fn node_pools(&self, others: &[Item<'_>]) -> Vec<(String, Value)> {
        let pools = others.iter().filter(|i| &*i.kind == "NodePool" && group(&i.api_version) == "karpenter.sh");
        pools.filter_map(|i| Some((self.sources[i.source].name.clone(), i.raw.decode().ok()?))).collect()
    }

    fn customs(&self, others: &[Item<'a>]) -> Result<Customs<'a>, ReadError> {
        let mut customs = Customs::default();
        let mut kinds = CustomKinds::default();
        for item in others {
            // An object of a kind we do not know may look any way it likes.
            let Ok(Bare { metadata: meta }) = item.raw.decode::<Bare<'_>>() else { continue };
            let custom = Custom { raw: item.raw, deleting: meta.deletion_timestamp.is_some() };
            let kind = format!("{}/{}", group(&item.api_version), &*item.kind);
            kinds.names.insert(format!("{kind}/{}/{}", meta.ns(), &*meta.name));
            customs.by_uid.entry(meta.uid.to_string()).or_insert(custom);
        }
        let none = &mut Builder::default();
        self.each(none, "CustomResourceDefinition", |_, d: workload::Definition<'_>, _| {
            let key = format!("{}/{}", &*d.spec.group, &*d.spec.names.kind);
            kinds.definitions.insert(key, Definition::new(&d.spec));
        })?;
        customs.kinds = Arc::new(kinds);
        Ok(customs)
    }

    /// Namespaces and what templates refer to.
    fn read_shared(&self, b: &mut Builder) -> Result<(), ReadError> {
        self.each(b, "Namespace", |b, o: node::Namespace<'_>, _| b.read_namespace(&o))?;
        if !b.lookup.kinds.contains("Namespace") {
            // Namespace selectors must see all of them before the first pod is read.
            for kind in ["Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"] {
                self.each(b, kind, |b, o: Bare<'_>, _| {
                    b.namespace(o.metadata.ns());
                })?;
            }
        }
        self.each(b, "PriorityClass", |b, o: policy::PriorityClass<'_>, _| b.read_priority_class(&o))?;
        self.each(b, "RuntimeClass", |b, o: policy::RuntimeClass<'_>, _| b.read_runtime_class(&o))?;
        self.each(b, "LimitRange", |b, o: policy::LimitRange<'_>, _| b.read_limit_range(&o))?;
        self.each(b, "Service", |b, o: policy::Service<'_>, _| b.read_service(&o))?;
        self.each(b, "ResourceQuota", |b, o: policy::ResourceQuota<'_>, _| b.read_quota(&o))?;
        for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
            self.each(b, kind, |b, o: policy::WebhookConfiguration<'_>, _| b.read_webhooks(kind, &o))?;
        }
        Ok(())
    }

    /// Nodes in the order of their names, whatever the order of the input: it is how a scheduler that just started
    /// lists them (docs/reference/kubernetes.md#what-a-dump-does-not-tell); the order in which a running one saw them come is nowhere written.
    fn read_nodes(&self, b: &mut Builder, read: &mut Read) -> Result<(), ReadError> {
        self.each(b, "Node", |b, o: node::Node<'_>, _| {
            if &*o.status.node_info.operating_system == "windows" {
                b.notices.note("node-windows", || Builder::object("Node", &o.metadata), "the node runs Windows");
            }
            let node = b.read_node(&o);
            read.nodes.push(node);
        })?;
        let text = |s: Sym| b.catalog.names.text(s).unwrap_or("");
        read.nodes.sort_by(|x, y| text(x.spec.name).cmp(text(y.spec.name)));
        read.nodes.dedup_by(|later, first| later.spec.name == first.spec.name);
        for (i, node) in read.nodes.iter().enumerate() {
            b.lookup.nodes.insert(node.spec.name, NodeIdx::new(i));
        }
        self.each(b, "CSINode", |b, o: storage::CsiNode<'_>, _| {
            let limits = b.attach_limits(&o);
            let node = b.catalog.names.get(&o.metadata.name).and_then(|n| b.lookup.nodes.get(&n));
            if let Some(node) = node {
                read.nodes[node.at()].spec.attach_limits = Some(limits);
            }
        })
    }

    fn read_storage(&self, b: &mut Builder, read: &mut Read) -> Result<(), ReadError> {
        self.each(b, "StorageClass", |b, o: storage::Class<'_>, _| b.read_class(&o))?;
        self.each(b, "CSIDriver", |b, o: storage::Driver<'_>, _| b.read_driver(&o))?;
        self.each(b, "PersistentVolume", |b, o: storage::Volume<'_>, _| read.volumes.extend(b.read_volume(&o)))?;
        self.each(b, "PersistentVolumeClaim", |b, o: storage::Claim<'_>, _| read.claims.extend(b.read_claim(&o)))?;
        self.each(b, "VolumeAttachment", |b, o: storage::VolumeAttachment<'_>, _| {
            if let Some(volume) = b.sym_opt(o.spec.source.persistent_volume_name.as_deref()) {
                let node = b.sym(&o.spec.node_name);
                read.attachments.push((volume, node));
            }
        })
    }

    fn read_owners(&self, b: &mut Builder) -> Result<(), ReadError> {
        for kind in ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"] {
            self.each(b, kind, |b, o: workload::Workload<'_>, item| {
                b.read_workload(&item.api_version, kind, &o);
                if kind == "ReplicaSet" {
                    b.link_parent(kind, &o);
                }
            })?;
        }
        self.each(b, "ReplicationController", |b, o: workload::ReplicationController<'_>, item| {
            b.read_replication_controller(&item.api_version, &o);
        })
    }

    /// Objects that influence a real migration and are only noticed.
    fn notice_unmodelled(&self, b: &mut Builder) -> Result<(), ReadError> {
        for (kind, code) in [
            ("ResourceQuota", "resource-quota"),
            ("LimitRange", "limit-range"),
            ("HorizontalPodAutoscaler", "horizontal-autoscaler"),
            ("VerticalPodAutoscaler", "vertical-autoscaler"),
            ("CSIStorageCapacity", "storage-capacity"),
            ("ResourceClaim", "resource-claims"),
            ("MutatingWebhookConfiguration", "webhook"),
            ("ValidatingWebhookConfiguration", "webhook"),
        ] {
            self.each(b, kind, |b, o: Bare<'_>, _| b.notices.note(code, || Builder::object(kind, &o.metadata), ""))?;
        }
        Ok(())
    }
}

fn count<'m>(counts: &'m mut BTreeMap<String, usize>, key: &str) -> &'m mut usize {
    if !counts.contains_key(key) {
        counts.insert(key.to_owned(), 0);
    }
    counts.get_mut(key).expect("just inserted")
}

/// Kinds that are needed, or referred to, and of which the dump holds nothing.
fn notice_missing(b: &mut Builder) {
    let owned = |kind: &str| b.lookup.kinds.contains(kind);
    let has = |kind: &str| owned(kind) || (b.lookup.none_of.contains(kind) && kind != "Node");
    let mut missing: Vec<(&'static str, &'static str)> = Vec::new();
    for (kind, code) in [
        ("Node", "no-nodes-in-dump"),
        ("Pod", "no-pods-in-dump"),
        ("PodDisruptionBudget", "no-budgets-in-dump"),
        ("Service", "no-services-in-dump"),
        ("Namespace", "no-namespaces-in-dump"),
    ] {
        if !has(kind) {
            missing.push((kind, code));
        }
    }
    for (kind, code) in [
        (OwnerKind::ReplicaSet, "no-replicasets-in-dump"),
        (OwnerKind::Deployment, "no-deployments-in-dump"),
        (OwnerKind::StatefulSet, "no-statefulsets-in-dump"),
        (OwnerKind::DaemonSet, "no-daemonsets-in-dump"),
        (OwnerKind::Job, "no-jobs-in-dump"),
        (OwnerKind::ReplicationController, "no-replication-controllers-in-dump"),
    ] {
        if !owned(kind_text(kind)) && b.catalog.owners.iter().any(|o| o.kind == kind) {
            missing.push((kind_text(kind), code));
        }
    }
    let mounts = b.catalog.specs.iter().any(|s| !s.claims.is_empty()) || !b.catalog.inventory.unknown_claims.is_empty();
    let bound = b.lookup.volumes.is_empty() && !b.catalog.claims.is_empty();
    let classes = b.catalog.claims.iter().any(|c| c.class.is_some_and(|c| c != b.catalog.known.empty));
    let customs = b.catalog.owners.iter().any(|o| o.scale == ScaleSource::Unknown);
    for (applies, kind, code) in [
        (mounts, "PersistentVolumeClaim", "no-claims-in-dump"),
        (mounts, "CSINode", "no-csinodes-in-dump"),
        (mounts, "VolumeAttachment", "no-attachments-in-dump"),
        (bound, "PersistentVolume", "no-volumes-in-dump"),
        (classes, "StorageClass", "no-storage-classes-in-dump"),
        (customs, "CustomResourceDefinition", "no-api-definitions-in-dump"),
    ] {
        if applies && !has(kind) {
            missing.push((kind, code));
        }
    }
    for (kind, code) in missing {
        b.notices.note(code, || kind.to_owned(), "");
    }
}

/// Makes the cluster once the catalogue is complete.
fn assemble(mut b: Builder, read: Read, sha256: String, taken_unix_ms: Option<i64>) -> Snapshot {
    let taken = taken_unix_ms.unwrap_or(b.latest);
    b.catalog.taken_unix_ms = taken;
    for created in b.catalog.owners.iter_mut().filter_map(|o| o.created.as_mut()) {
        *created -= taken;
    }
    for deadline in b.catalog.owners.iter_mut().filter_map(|o| o.job.as_mut()?.deadline_ms.as_mut()) {
        *deadline -= taken;
    }
    let mut state = State::new(&b.catalog);
    for node in read.nodes {
        let created = node.spec.created - taken;
        let spec = Arc::new(NodeSpec { created, ..node.spec });
        let index = state.add_node(spec, None, node.ready, created);
        state.set_unschedulable(index, node.unschedulable);
    }
    let mut samples = Vec::new();
    for pod in read.pods {
        samples.extend(pod.started);
        let state_of = since(taken, pod.state);
        let spec = &b.catalog.specs[state_of.spec];
        let key = (spec.namespace, state_of.name);
        let index = state.add_pod(&b.catalog, state_of);
        b.lookup.pods.insert(key, index);
    }
    set_volumes(&b.lookup, &mut state, &read.volumes, &read.claims, &read.attachments);
    for (i, stored) in read.budgets.into_iter().enumerate() {
        let index = BudgetIdx::new(i);
        let ns = b.catalog.budgets[index].namespace;
        let mut status = stored.status;
        for (pod, at) in stored.disrupted {
            if let Some(pod) = b.lookup.pods.get(&(ns, pod)) {
                status.disrupted.push((*pod, at - taken));
            }
        }
        status.disrupted.sort_unstable();
        state.set_budget(index, status);
    }
    let mut webhooks = std::mem::take(&mut b.catalog.inventory.webhooks);
    webhooks::note_backends(&mut webhooks, &b.catalog, &state);
    b.catalog.inventory.webhooks = webhooks;
    // What the status of a quota counts beside the pods that there are.
    let used = crate::cluster::admission::used(View { catalog: &b.catalog, state: &state });
    for (quota, used) in b.catalog.inventory.quotas.iter_mut().zip(used) {
        for (limit, used) in quota.limits.iter_mut().zip(used) {
            limit.unseen = limit.used - used;
        }
    }
    let delays = StartDelays::from_samples(&samples);
    b.judge_health(&state, taken, &delays);
    notice_state(&mut b, &state);
    witness::note(&mut b, &state);
    let cursor = state.cursor();
    state.forget_changes(cursor);
    let findings = b.notices.findings();
    Snapshot {
        cluster: Cluster { catalog: Arc::new(b.catalog), state },
        findings,
        sha256,
        counts: BTreeMap::new(),
        unknown: BTreeMap::new(),
        node_pools: Vec::new(),
        delays,
        lookup: b.lookup,
    }
}

/// A pod's state with times since the snapshot.
pub(super) fn since(taken: i64, mut pod: PodState) -> PodState {
    for t in [&mut pod.created, &mut pod.started, &mut pod.ready_since] {
        *t -= taken;
    }
    if let Some(d) = &mut pod.deleting {
        d.asked -= taken;
        d.deadline -= taken;
    }
    pod
}

fn set_volumes(lookup: &Lookup, state: &mut State, volumes: &[Arc<Pv>], claims: &[ReadClaim], attached: &[(Sym, Sym)]) {
    for volume in volumes {
        let claim = volume.claim_ref.and_then(|c| lookup.claims.get(&c).copied());
        state.add_volume(volume.clone(), claim);
    }
    for (i, claim) in claims.iter().enumerate() {
        let volume = claim.volume.and_then(|v| lookup.volumes.get(&v).copied());
        state.set_claim(
            PvcIdx::new(i),
            PvcState {
                volume,
                volume_missing: claim.volume.is_some() && volume.is_none(),
                bind_completed: claim.bind_completed,
                selected_node: claim.selected_node.and_then(|n| lookup.nodes.get(&n).copied()),
                gone: false,
            },
        );
    }
    let mut seen = FxHashSet::default();
    for (volume, node) in attached {
        if let (Some(volume), Some(node)) = (lookup.volumes.get(volume), lookup.nodes.get(node))
            && seen.insert((*volume, *node))
        {
            state.attach(Attachment { volume: *volume, node: *node });
        }
    }
}

/// A deleted pod whose grace ended so long ago is held by something (the kubelet adds a few seconds of its own).
const OVERDUE_MS: i64 = 60_000;

/// Conditions that the cluster is in already.
fn notice_state(b: &mut Builder, state: &State) {
    let (catalog, notices) = (&b.catalog, &mut b.notices);
    for (i, node) in state.nodes.entries() {
        let object = || format!("Node/{}", catalog.text(node.spec.name));
        if !node.ready {
            notices.note("node-not-ready", object, "");
        }
        if node.unschedulable {
            notices.note("node-cordoned", object, "");
        }
        let requested = state.requested(i).iter().enumerate();
        let over = |(r, sum): (usize, &i64)| *sum > node.spec.allocatable(ResIdx::new(r)) && *sum > 0;
        let slots = node.spec.pod_slots;
        if requested.clone().any(over) || node.pods.len() as i64 > slots {
            let names: Vec<&str> =
                requested.filter(|(r, s)| over((*r, s))).map(|(r, _)| catalog.text(catalog.resources[r])).collect();
            let what = if names.is_empty() { "pods".to_owned() } else { names.join(", ") };
            notices.note("node-overcommitted", object, &format!("its pods request more {what} than it offers"));
        }
    }
    for p in state.live_pods().map(|p| &state.pods[p]).filter(|p| !p.phase.is_terminal()) {
        let Some(deletion) = p.deleting else { continue };
        let spec = &catalog.specs[p.spec];
        let object =
            || format!("Pod/{}/{}", catalog.text(catalog.namespaces[spec.namespace].name), catalog.text(p.name));
        match p.node {
            Some(n) if !state.nodes[n].ready => {
                let detail = format!(
                    "it is being deleted, and its node {} is not Ready",
                    catalog.text(state.nodes[n].spec.name)
                );
                notices.note("pod-terminating-on-lost-node", object, &detail);
            }
            _ if !spec.finalizers.is_empty() => {
                notices.note("pod-terminating-with-finalizer", object, "");
            }
            Some(_) if deletion.deadline < -OVERDUE_MS => {
                let detail = format!(
                    "it is being deleted, and its deadline passed {} before the dump",
                    duration_text(-deletion.deadline)
                );
                notices.note("pod-terminating-overdue", object, &detail);
            }
            _ => notices.note("pod-terminating", object, ""),
        }
    }
    let by_label = pods_by_label(catalog, state);
    for (i, budget) in catalog.budgets.entries() {
        let status = &state.budgets[i];
        let object = || format!("PodDisruptionBudget/{}", catalog.budget_text(i));
        if status.observed_generation < budget.generation {
            let detail =
                format!("generation {} is stored, {} was observed", budget.generation, status.observed_generation);
            notices.note("budget-stale", object, &detail);
        } else if let Some(now) = seen_of(catalog, budget, &by_label) {
            // Pods marked as disrupted count as unhealthy until the controller has seen them go.
            if status.sync_failed.is_none() && status.disrupted.is_empty() && now.ready != status.healthy {
                // With fewer pods than it counts as healthy the dump lacks some: `pods-missing` says it.
                if now.pods >= status.healthy {
                    let detail = format!("it counts {} healthy pods, {} are ready", status.healthy, now.ready);
                    notices.note("budget-stale", object, &detail);
                }
            }
        }
        if let Some(message) = &status.sync_failed {
            notices.note("budget-sync-failed", object, message);
        }
    }
    for ns in catalog.namespaces.iter().filter(|n| n.terminating) {
        notices.note("namespace-terminating", || format!("Namespace/{}", catalog.text(ns.name)), "");
    }
}

/// Pods, and whether they are healthy, by namespace and by each label that some budget selects by.
type PodsByLabel = FxHashMap<(NsIdx, Sym, Sym), Vec<(SpecIdx, bool)>>;

/// What of a budget's pods the dump has.
struct Seen {
    pods: i64,
    ready: i64,
}

/// The first requirement of a budget's selector that names one value: an index over pods is kept for it.
fn narrowing(budget: &Budget) -> Option<(Sym, Sym)> {
    let Selector::All(requirements) = &budget.selector else { return None };
    let one = |r: &&Requirement| r.operator == Operator::In && r.values.len() == 1;
    requirements.iter().find(one).map(|r| (r.key, r.values[0]))
}

fn pods_by_label(catalog: &Catalog, state: &State) -> PodsByLabel {
    let mut index: PodsByLabel = FxHashMap::default();
    for budget in catalog.budgets.iter() {
        if let Some((key, value)) = narrowing(budget) {
            index.entry((budget.namespace, key, value)).or_default();
        }
    }
    for pod in state.pods.iter() {
        let spec = &catalog.specs[pod.spec];
        for (key, value) in spec.labels.iter() {
            if let Some(list) = index.get_mut(&(spec.namespace, key, value)) {
                list.push((pod.spec, pod.ready && pod.deleting.is_none()));
            }
        }
    }
    index
}

/// The pods that a budget selects; None where it cannot be told cheaply.
fn seen_of(catalog: &Catalog, budget: &Budget, index: &PodsByLabel) -> Option<Seen> {
    let (key, value) = narrowing(budget)?;
    let pods = index.get(&(budget.namespace, key, value))?;
    let mut seen = Seen { pods: 0, ready: 0 };
    for (spec, ready) in pods {
        if budget.selector.matches(&catalog.specs[*spec].labels, &catalog.names) {
            seen.pods += 1;
            seen.ready += i64::from(*ready);
        }
    }
    Some(seen)
}

/// Decodes one pod that was recorded apart from the dump.
pub(super) fn decode_pod(builder: &mut Builder, pod: &Value) -> Result<Option<ReadPod>, ReadError> {
    let pod: pod::Pod<'_> = Raw::Value(pod).decode().map_err(|(path, problem)| ReadError::Field {
        file: "recorded pod".into(),
        item: pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("without name").into(),
        path,
        problem,
    })?;
    let customs = Customs { kinds: builder.lookup.custom_kinds.clone(), ..Customs::default() };
    Ok(builder.read_pod(&customs, &pod))
}

/// A node as it is at some later moment.
pub(super) fn decode_node(builder: &mut Builder, node: &Value) -> Result<RecordedNode, ReadError> {
    let node: node::Node<'_> = Raw::Value(node).decode().map_err(|(path, problem)| ReadError::Field {
        file: "recorded node".into(),
        item: node.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("without name").into(),
        path,
        problem,
    })?;
    let read = builder.read_node(&node);
    Ok(RecordedNode { unschedulable: read.unschedulable, ready: read.ready, taints: read.spec.taints })
}

/// One budget of a recording; None for one that is no budget of a known namespace.
pub(super) fn decode_budget(builder: &mut Builder, budget: &Value) -> Result<Option<RecordedBudget>, ReadError> {
    let budget: policy::Budget<'_> = Raw::Value(budget).decode().map_err(|(path, problem)| ReadError::Field {
        file: "recorded budget".into(),
        item: budget.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("without name").into(),
        path,
        problem,
    })?;
    let Some(read) = builder.read_budget(&budget) else { return Ok(None) };
    let taken = builder.catalog.taken_unix_ms;
    let spec = builder.catalog.budgets.iter().last().cloned();
    let disrupted = read.disrupted.into_iter().map(|(pod, at)| (pod, at - taken)).collect();
    Ok(spec.map(|spec| RecordedBudget { spec, status: read.status, disrupted }))
}
