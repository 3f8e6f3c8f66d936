//! Affinity terms that placed pods carry, and how many pods carry each in each domain.

use super::counts::labels_asked;
use super::ident::Ident;
use super::tally::Tally;
use super::topology::{TopoKey, Topology};
use crate::cluster::{Idx, NodeIdx, NsIdx, PodShape, PodTerm, ShapeIdx, SharedArena, State, Sym};
use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::sync::Arc;

/// What a term does to the pods it selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Required anti-affinity: keeps them out of the domain.
    Anti,
    /// Required affinity: draws them by the profile's `hardPodAffinityWeight`.
    Affinity,
    /// Preferred: draws them by its weight, or repels them if negative.
    Preferred(i32),
}

/// Pods that carry one term.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// The term's key.
    pub key: TopoKey,
    /// Pods carrying it in each domain.
    pub counts: Tally,
    /// Pods carrying it in any domain.
    pub total: u64,
}

/// All terms that were ever carried.
#[derive(Clone, Debug, Default)]
pub struct Carriers {
    terms: Arc<IndexSet<(PodTerm, Role), FxBuildHasher>>,
    /// In step with the terms.
    all: SharedArena<usize, Carrier>,
    of_shape: SharedArena<usize, Option<Box<[u32]>>>,
    /// Terms by a label that they ask for; without a namespace where they look in all.
    by_label: Arc<FxHashMap<(Option<NsIdx>, Sym, Sym), Vec<u32>>>,
    /// Those that ask for no label.
    others: Vec<u32>,
}

impl Carriers {
    /// How many terms there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }
    /// A term with its role and carriers.
    pub fn get(&self, carrier: u32) -> (&PodTerm, Role, &Carrier) {
        let (term, role) = &self.terms[carrier as usize];
        (term, *role, &self.all[carrier as usize])
    }
    /// Pods of a shape came to a node (+1) or left it (-1).
    pub fn change(
        &mut self,
        index: ShapeIdx,
        shape: &PodShape,
        node: NodeIdx,
        delta: i64,
        topology: &mut Topology,
        state: &State,
    ) {
        if self.of_shape.len() <= index.at() {
            self.of_shape.grow(index.at() + 1, None);
        }
        if self.of_shape[index.at()].is_none() {
            self.of_shape[index.at()] = Some(self.compile(shape, topology, state));
        }
        for id in self.of_shape[index.at()].iter().flatten() {
            let carrier = &mut self.all[*id as usize];
            let Some(domain) = topology.domain(carrier.key, node) else { continue };
            carrier.counts.change(domain, delta);
            carrier.total = (carrier.total as i64 + delta).max(0) as u64;
        }
    }
    fn compile(&mut self, shape: &PodShape, topology: &mut Topology, state: &State) -> Box<[u32]> {
        let anti = shape.anti_affinity.iter().map(|t| (t, Role::Anti));
        let affinity = shape.affinity.iter().map(|t| (t, Role::Affinity));
        let preferred = shape.preferred_affinity.iter().map(|(w, t)| (t, Role::Preferred(*w)));
        let repelled = shape.preferred_anti_affinity.iter().map(|(w, t)| (t, Role::Preferred(-*w)));
        anti.chain(affinity)
            .chain(preferred)
            .chain(repelled)
            .map(|(term, role)| {
                let key = topology.key(term.topology_key, state);
                if let Some(known) = self.terms.get_index_of(&(term.clone(), role)) {
                    return known as u32;
                }
                let id = self.all.len() as u32;
                Arc::make_mut(&mut self.terms).insert((term.clone(), role));
                self.all.push(Carrier { key, counts: Tally::default(), total: 0 });
                self.list(term, id);
                id
            })
            .collect()
    }

    fn list(&mut self, term: &PodTerm, id: u32) {
        let Some((key, values)) = labels_asked(&term.selector) else { return self.others.push(id) };
        let by_label = Arc::make_mut(&mut self.by_label);
        for value in values {
            match term.all_namespaces {
                true => by_label.entry((None, key, value)).or_default().push(id),
                false => {
                    for namespace in &term.namespaces {
                        by_label.entry((Some(*namespace), key, value)).or_default().push(id);
                    }
                }
            }
        }
    }

    /// Terms from the `first`-th on that may select pods of a kind, in order.
    pub fn candidates(&self, first: usize, ident: &Ident) -> Vec<u32> {
        let mut out = Vec::new();
        let mut take = |list: &[u32]| out.extend(&list[list.partition_point(|id| (*id as usize) < first)..]);
        take(&self.others);
        for (key, value) in ident.labels.iter() {
            for namespace in [Some(ident.namespace), None] {
                self.by_label.get(&(namespace, key, value)).into_iter().for_each(|list| take(list));
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }
}
