//! Which pods selectors cannot tell apart: same namespace, same labels under every key that some selector mentions.

use crate::cluster::Idx;
use crate::cluster::{Catalog, Labels, NodeIdx, NsIdx, OwnerKind, PodShape, Selector, SharedArena, SpecIdx, Sym};
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use std::sync::Arc;

/// A kind of pod as selectors see it.
#[derive(Clone, Debug)]
pub struct Ident {
    /// Namespace.
    pub namespace: NsIdx,
    /// Labels under mentioned keys.
    pub labels: Labels,
    /// How many such pods are on each node: all, and those not being deleted.
    pub nodes: IndexMap<NodeIdx, [u32; 2], FxBuildHasher>,
    /// Matchers that select these pods.
    pub matchers: Vec<u32>,
}

/// All kinds of pods.
#[derive(Clone, Debug, Default)]
pub struct Idents {
    /// The kinds.
    pub all: SharedArena<usize, Ident>,
    /// Kinds by namespace.
    pub by_namespace: Vec<Vec<u32>>,
    by_label: Arc<FxHashMap<(NsIdx, Sym, Sym), Vec<u32>>>,
    keys: FxHashSet<Sym>,
    ids: Arc<FxHashMap<(NsIdx, Labels), u32>>,
    of_spec: Vec<u32>,
    /// Of mentioned keys those that a pod gets from its node (PodTopologyLabels).
    from_node: Vec<Sym>,
    placed: FxHashMap<(SpecIdx, Labels), u32>,
    shapes_read: usize,
    owners_read: usize,
}

impl Idents {
    /// Reads the keys that selectors of the catalogue mention. True if there are new ones: what was projected is void then.
    pub fn read_keys(&mut self, catalog: &Catalog) -> bool {
        let before = self.keys.len();
        if self.shapes_read == 0 && self.owners_read == 0 {
            for service in &catalog.services {
                self.keys.extend(service.selector.iter().flat_map(|s| s.iter()).map(|p| p.0));
            }
        }
        for shape in catalog.shapes.iter().skip(self.shapes_read) {
            selectors(shape).for_each(|s| mention(&mut self.keys, s));
        }
        for owner in catalog.owners.iter().skip(self.owners_read) {
            if matches!(owner.kind, OwnerKind::ReplicaSet | OwnerKind::ReplicationController | OwnerKind::StatefulSet) {
                mention(&mut self.keys, &owner.selector);
            }
        }
        self.shapes_read = catalog.shapes.len();
        self.owners_read = catalog.owners.len();
        let has_new = self.keys.len() != before;
        if has_new {
            self.from_node = catalog.topology_labels().filter(|k| self.keys.contains(k)).collect();
        }
        has_new
    }

    /// All namespaces that have pods of some kind, and those before them.
    pub fn namespaces(&self) -> impl Iterator<Item = NsIdx> + use<> {
        (0..self.by_namespace.len()).map(NsIdx::new)
    }

    /// The kinds in some namespaces that have one of these (different) values under a key.
    pub fn with_label(&self, namespaces: impl Iterator<Item = NsIdx>, key: Sym, values: &[Sym]) -> Vec<u32> {
        let lists = namespaces.flat_map(|n| values.iter().map(move |v| (n, key, *v)));
        lists.filter_map(|l| self.by_label.get(&l)).flatten().copied().collect()
    }

    /// The kind of pods made from a spec; `made` is told of a new kind.
    pub fn of_spec(&mut self, catalog: &Catalog, spec: SpecIdx, made: impl FnOnce(&mut Ident)) -> u32 {
        if let Some(known) = self.of_spec.get(spec.at()).filter(|i| **i != u32::MAX) {
            return *known;
        }
        let of = &catalog.specs[spec];
        let id = self.intern(of.namespace, of.labels.iter(), made);
        if self.of_spec.len() <= spec.at() {
            self.of_spec.resize(catalog.specs.len(), u32::MAX);
        }
        self.of_spec[spec.at()] = id;
        id
    }

    /// The kind of pods made from a spec that are on a node with these labels, some of which they have got from it.
    pub fn of_placed(&mut self, catalog: &Catalog, spec: SpecIdx, node: &Labels, made: impl FnOnce(&mut Ident)) -> u32 {
        let got = self.from_node.iter().filter_map(|k| Some((*k, node.get(*k)?)));
        let got = Labels::new(got);
        if got.is_empty() {
            return self.of_spec(catalog, spec, made);
        }
        let key = (spec, got);
        if let Some(known) = self.placed.get(&key) {
            return *known;
        }
        let of = &catalog.specs[spec];
        let id = self.intern(of.namespace, of.labels.iter().chain(key.1.iter()), made);
        self.placed.insert(key, id);
        id
    }

    fn intern(
        &mut self,
        namespace: NsIdx,
        labels: impl Iterator<Item = (Sym, Sym)>,
        made: impl FnOnce(&mut Ident),
    ) -> u32 {
        let labels = Labels::new(labels.filter(|(k, _)| self.keys.contains(k)));
        let key = (namespace, labels);
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let id = self.all.len() as u32;
        let mut ident =
            Ident { namespace: key.0, labels: key.1.clone(), nodes: IndexMap::default(), matchers: Vec::new() };
        made(&mut ident);
        self.all.push(ident);
        if self.by_namespace.len() <= key.0.at() {
            self.by_namespace.resize(key.0.at() + 1, Vec::new());
        }
        self.by_namespace[key.0.at()].push(id);
        for (label, value) in key.1.iter() {
            Arc::make_mut(&mut self.by_label).entry((key.0, label, value)).or_default().push(id);
        }
        Arc::make_mut(&mut self.ids).insert(key, id);
        id
    }
}

/// Every pod selector of a shape.
fn selectors(shape: &PodShape) -> impl Iterator<Item = &Selector> {
    let required = shape.affinity.iter().chain(&shape.anti_affinity);
    let preferred = shape.preferred_affinity.iter().chain(&shape.preferred_anti_affinity).map(|t| &t.1);
    required.chain(preferred).map(|t| &t.selector).chain(shape.spread.iter().map(|c| &c.selector))
}

fn mention(keys: &mut FxHashSet<Sym>, selector: &Selector) {
    if let Selector::All(requirements) = selector {
        keys.extend(requirements.iter().map(|r| r.key));
    }
}
