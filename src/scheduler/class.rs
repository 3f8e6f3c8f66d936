//! Pods that the scheduler cannot tell apart.

use super::decision::Failure;
use super::fit::Tables;
use super::index::Index;
use super::names::{PluginId, PluginSet};
use super::plugins::inter_pod_affinity::Terms;
use super::plugins::pod_topology_spread::{Compiler, Rows, ServiceIndex, default_constraints};
use super::plugins::{self, OF_THE_NODE, balanced_allocation, node_affinity};
use super::refusal::{Codes, Kinds};
use super::sight::Sight;
use super::statics::{Parts, Statics};
use crate::cluster::{Idx, OwnerIdx, PodShape, PodSpec, ShapeIdx, SharedArena, SpecIdx, SpreadConstraint, Sym, Volume};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What tells two classes apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ClassKey {
    shape: ShapeIdx,
    ident: u32,
    profile: usize,
    defaults: Arc<[SpreadConstraint]>,
}

/// A class.
#[derive(Clone, Debug)]
pub struct Class {
    /// What its pods ask for.
    pub shape: ShapeIdx,
    /// Index of the profile that places them.
    pub profile: usize,
    /// What selectors see of them.
    pub ident: u32,
    /// Nodes that required affinity names; None for any.
    pub named: Option<Vec<Sym>>,
    /// Its pods must be asked about one by one.
    pub has_volumes: bool,
    /// Spread constraints.
    pub rows: Rows,
    /// Affinity terms.
    pub terms: Terms,
    /// What decides by the node alone; None for a class that names its nodes: they are few, and such classes many.
    pub parts: Option<ClassParts>,
    /// Its last failure.
    pub failed: Option<Failed>,
}

/// The last failure of a class.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The index's generation that it is of.
    pub generation: u64,
    /// How many nodes were looked at.
    pub looked: usize,
    /// Why.
    pub failure: Arc<Failure>,
    /// Up to which touch of a node it is known; None if it held for one pod or one moment only.
    pub touches: Option<u64>,
    /// Where its refusals stand that a number tells.
    pub kinds: Kinds,
}

/// What a class shares with others that ask the same of a node.
#[derive(Clone, Copy, Debug)]
pub struct ClassParts {
    /// What depends on labels, taints and cordons.
    pub fixed: Parts,
    /// What depends on the room that is left: a place in [`Tables`].
    pub asked: u32,
    /// Balance is scored.
    pub balance: bool,
    /// Plugins that are asked about each node: what they look at is not kept.
    pub each: PluginSet,
}

/// Plugins that look at the node and its own pods, and whose verdicts are kept: by [`Statics`] and [`Tables`].
const KEPT: PluginSet = PluginSet::of(&[
    PluginId::NodeUnschedulable,
    PluginId::TaintToleration,
    PluginId::NodeAffinity,
    PluginId::NodeResourcesFit,
]);

impl Class {
    /// What refuses its pods, as numbers; None for a class that names its nodes, or asks for ports, volumes or more that no number tells.
    pub fn codes<'a>(&self, sight: Sight<'a>, index: &'a Index, statics: &'a Statics) -> Option<Codes<'a>> {
        let parts = self.parts.as_ref().filter(|p| p.each.is_empty() && !self.has_volumes)?;
        Codes::of(sight, index, statics, self.shape, parts.fixed)
    }
}

/// Pod classes by what they were made from.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    /// The classes.
    pub all: SharedArena<usize, Class>,
    /// Verdicts on what classes are made of.
    pub statics: Statics,
    /// Fit and balance by request.
    pub tables: Tables,
    ids: Arc<FxHashMap<ClassKey, u32>>,
    of_spec: Vec<u32>,
    services: ServiceIndex,
    /// Default constraints by kind of pod and owner, which they follow from.
    defaults: FxHashMap<(usize, u32, Option<OwnerIdx>), Arc<[SpreadConstraint]>>,
}

impl Classes {
    /// The class of pods made from a spec.
    pub fn of_spec(&mut self, sight: Sight<'_>, index: &mut Index, spec: SpecIdx) -> u32 {
        if let Some(known) = self.of_spec.get(spec.at()).filter(|c| **c != u32::MAX) {
            return *known;
        }
        let catalog = sight.catalog;
        let counts = &index.counts;
        let ident = index.idents.of_spec(catalog, spec, |ident| counts.introduce(ident, &catalog.names));
        let pod = &catalog.specs[spec];
        let shape = &catalog.shapes[pod.shape.at()];
        let defaults = match shape.spread.is_empty() {
            true => {
                let known = self.defaults.entry((sight.profile, ident, pod.owner));
                let services = &mut self.services;
                let make = || {
                    let services = services.candidates(catalog, pod);
                    default_constraints(catalog, services, sight.config, pod).into()
                };
                known.or_insert_with(make).clone()
            }
            false => Arc::default(),
        };
        let has_volumes = has_volumes(pod, shape);
        let key = ClassKey { shape: pod.shape, ident, profile: sight.profile, defaults };
        // A class with volumes is made for each set of constraints too: only the volume plugins look at the pod itself.
        let id = match self.ids.get(&key) {
            Some(id) => *id,
            None => {
                let class = self.compile(sight, index, &key, has_volumes);
                self.all.push(class);
                let id = self.all.len() as u32 - 1;
                Arc::make_mut(&mut self.ids).insert(key, id);
                id
            }
        };
        if self.of_spec.len() <= spec.at() {
            self.of_spec.resize(catalog.specs.len(), u32::MAX);
        }
        self.of_spec[spec.at()] = id;
        id
    }

    fn compile(&mut self, sight: Sight<'_>, index: &mut Index, key: &ClassKey, has_volumes: bool) -> Class {
        let shape = &sight.catalog.shapes[key.shape.at()];
        let mut compiler = Compiler {
            catalog: sight.catalog,
            state: sight.state,
            config: sight.config,
            topology: &mut index.topology,
            idents: &mut index.idents,
            counts: &mut index.counts,
        };
        let named = node_affinity::named_nodes(shape.node_affinity.as_ref());
        let balance = balanced_allocation::scores(sight, shape);
        let asked = OF_THE_NODE.without(KEPT).and(sight.config.filter_set());
        let parts = named.is_none().then(|| ClassParts {
            fixed: self.statics.parts(sight, shape),
            asked: self.tables.place(sight, shape, balance),
            balance,
            each: asked.iter().filter(|p| plugins::applies(*p, sight, shape)).collect(),
        });
        Class {
            shape: key.shape,
            profile: sight.profile,
            ident: key.ident,
            named,
            parts,
            has_volumes,
            rows: compiler.rows(shape, key.ident, &key.defaults),
            terms: compiler.terms(shape, key.ident),
            failed: None,
        }
    }
}

/// Whether volumes can decide where a pod runs.
fn has_volumes(pod: &PodSpec, shape: &PodShape) -> bool {
    let decides = |v: &Volume| matches!(v, Volume::Claim(_) | Volume::Disk { .. } | Volume::CsiInline(_));
    !pod.claims.is_empty() || shape.volumes.iter().any(decides)
}
