//! The immutable part of a cluster, shared by all runs.

use super::budget::Budget;
use super::group::{MachineType, NodeGroup};
use super::ids::*;
use super::intern::{Interner, Sym};
use super::inventory::Inventory;
use super::labels::Labels;
use super::owner::Owner;
use super::pod::{PodShape, PodSpec};
use super::version::KubernetesVersion;
use super::volume::{CsiDriver, Pvc, StorageClass};
use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

/// cpu, in milli.
pub const CPU: ResIdx = ResIdx(0);
/// Memory, in bytes.
pub const MEMORY: ResIdx = ResIdx(1);
/// Ephemeral storage, in bytes.
pub const EPHEMERAL: ResIdx = ResIdx(2);

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Name.
    pub name: Sym,
    /// Labels.
    pub labels: Labels,
    /// Being deleted.
    pub terminating: bool,
}

/// A Service, as far as the scheduler's default spread constraints ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Namespace.
    pub namespace: NsIdx,
    /// Name.
    pub name: Sym,
    /// `spec.selector`; None if it has none (matches nothing).
    pub selector: Option<Labels>,
}

/// Symbols of names that the rules mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named after the strings
pub struct WellKnown {
    pub empty: Sym,
    pub hostname: Sym,
    pub zone: Sym,
    pub region: Sym,
    pub zone_beta: Sym,
    pub region_beta: Sym,
    pub instance_type: Sym,
    pub unschedulable_taint: Sym,
    pub not_ready_taint: Sym,
    pub unreachable_taint: Sym,
    pub default_scheduler: Sym,
    pub true_: Sym,
}

/// The immutable part of a cluster. Append-only: an index stays valid for ever.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// uid of the namespace kube-system, which tells clusters apart; None if the dump lacks it.
    pub cluster_uid: Option<String>,
    /// Strings.
    pub names: Interner,
    /// Symbols the rules mention.
    pub known: WellKnown,
    /// Resource names; the first three are cpu, memory, ephemeral-storage. Pods are counted apart.
    pub resources: Vec<Sym>,
    /// Namespaces.
    pub namespaces: Arena<NsIdx, Namespace>,
    /// Services.
    pub services: Vec<Service>,
    /// Interned shapes, by [`ShapeIdx`].
    pub shapes: IndexSet<PodShape, FxBuildHasher>,
    /// What pods were created as: live ones first, then controllers' templates.
    pub specs: Arena<SpecIdx, PodSpec>,
    /// Controllers, known or only named.
    pub owners: Arena<OwnerIdx, Owner>,
    /// Budgets.
    pub budgets: Arena<BudgetIdx, Budget>,
    /// Claims of the snapshot.
    pub claims: Arena<PvcIdx, Pvc>,
    /// Storage classes.
    pub classes: Arena<ClassIdx, StorageClass>,
    /// CSI drivers.
    pub drivers: Vec<CsiDriver>,
    /// Node groups.
    pub groups: Arena<GroupIdx, NodeGroup>,
    /// Machine types.
    pub machines: Arena<MachineIdx, MachineType>,
    /// Milliseconds since 1970 at which the snapshot was taken (the latest moment it mentions).
    pub taken_unix_ms: i64,
    /// The newest kubelet's minor version (1.N); None if no node tells.
    pub kubernetes_minor: Option<u32>,
    /// The control plane's version, whose rules hold.
    pub kubernetes: KubernetesVersion,
    /// What the dump shows beside what is simulated.
    pub inventory: Inventory,
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new()
    }
}

impl Catalog {
    /// An empty catalogue with the well-known names in it.
    pub fn new() -> Catalog {
        let mut names = Interner::default();
        let known = WellKnown {
            empty: names.intern(""),
            hostname: names.intern("kubernetes.io/hostname"),
            zone: names.intern("topology.kubernetes.io/zone"),
            region: names.intern("topology.kubernetes.io/region"),
            zone_beta: names.intern("failure-domain.beta.kubernetes.io/zone"),
            region_beta: names.intern("failure-domain.beta.kubernetes.io/region"),
            instance_type: names.intern("node.kubernetes.io/instance-type"),
            unschedulable_taint: names.intern("node.kubernetes.io/unschedulable"),
            not_ready_taint: names.intern("node.kubernetes.io/not-ready"),
            unreachable_taint: names.intern("node.kubernetes.io/unreachable"),
            default_scheduler: names.intern("default-scheduler"),
            true_: names.intern("true"),
        };
        let resources = ["cpu", "memory", "ephemeral-storage"].map(|r| names.intern(r)).to_vec();
        Catalog {
            cluster_uid: None,
            names,
            known,
            resources,
            namespaces: Arena::default(),
            services: Vec::new(),
            shapes: IndexSet::default(),
            specs: Arena::default(),
            owners: Arena::default(),
            budgets: Arena::default(),
            claims: Arena::default(),
            classes: Arena::default(),
            drivers: Vec::new(),
            groups: Arena::default(),
            machines: Arena::default(),
            taken_unix_ms: 0,
            kubernetes_minor: None,
            kubernetes: KubernetesVersion::default(),
            inventory: Inventory::default(),
        }
    }
    /// The text of a symbol of the snapshot; "?" for a name made during a run (use `State::name`).
    pub fn text(&self, sym: Sym) -> &str {
        self.names.text(sym).unwrap_or("?")
    }
    /// The index of a resource, made if new.
    pub fn resource(&mut self, name: &str) -> ResIdx {
        let sym = self.names.intern(name);
        match self.resources.iter().position(|r| *r == sym) {
            Some(i) => ResIdx::new(i),
            None => {
                self.resources.push(sym);
                ResIdx::new(self.resources.len() - 1)
            }
        }
    }
    /// The index of a shape, made if new.
    pub fn intern_shape(&mut self, shape: PodShape) -> ShapeIdx {
        ShapeIdx::new(self.shapes.insert_full(shape).0)
    }
    /// What the scheduler sees of pods created from `spec`.
    pub fn shape(&self, spec: SpecIdx) -> &PodShape {
        &self.shapes[self.specs[spec].shape.at()]
    }
    /// Labels that a pod gets from its node when it is bound (PodTopologyLabels admission); none where the version has no such thing.
    pub fn topology_labels(&self) -> impl Iterator<Item = Sym> + use<> {
        let (keys, copies) = ([self.known.zone, self.known.region], self.kubernetes.rules().pods_get_topology_labels);
        keys.into_iter().filter(move |_| copies)
    }
    /// The namespace called `name`.
    pub fn namespace(&self, name: &str) -> Option<NsIdx> {
        let sym = self.names.get(name)?;
        self.namespaces.entries().find(|(_, n)| n.name == sym).map(|(i, _)| i)
    }
    /// The topmost controller above `owner` (a ReplicaSet's Deployment), itself if it has none.
    pub fn top_owner(&self, owner: OwnerIdx) -> OwnerIdx {
        let mut top = owner;
        // Owner chains are short; the bound guards against a cycle in a hand-made dump.
        for _ in 0..16 {
            match self.owners[top].parent {
                Some(parent) => top = parent,
                None => break,
            }
        }
        top
    }
    /// `Kind/namespace/name` of an owner.
    pub fn owner_text(&self, owner: OwnerIdx) -> String {
        let o = &self.owners[owner];
        joined([self.text(o.kind_name), self.text(self.namespaces[o.namespace].name), self.text(o.name)])
    }
    /// `namespace/name` of a budget.
    pub fn budget_text(&self, budget: BudgetIdx) -> String {
        let b = &self.budgets[budget];
        joined([self.text(self.namespaces[b.namespace].name), self.text(b.name)])
    }
}

/// Texts with a slash between each two of them, in one allocation.
pub(crate) fn joined<const N: usize>(parts: [&str; N]) -> String {
    let mut text = String::with_capacity(parts.iter().map(|p| p.len() + 1).sum());
    for (i, part) in parts.into_iter().enumerate() {
        if i > 0 {
            text.push('/');
        }
        text.push_str(part);
    }
    text
}
