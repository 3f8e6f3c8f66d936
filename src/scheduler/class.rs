//! Pods that the scheduler cannot tell apart.

use super::config::Profile;
use super::decision::Failure;
use super::fit::Tables;
use super::index::Index;
use super::names::PluginId;
use super::plugins::inter_pod_affinity::Terms;
use super::plugins::node_resources_fit::{IgnoredResources, ScoredResources};
use super::plugins::pod_topology_spread::{Compiler, Rows, ServiceIndex, default_constraints};
use super::plugins::{
    balanced_allocation, node_affinity, node_ports, node_resources_fit, node_unschedulable, taint_toleration,
};
use super::statics::{Parts, Statics};
use crate::cluster::{
    Catalog, Idx, NodeIdx, OwnerIdx, PodShape, PodSpec, Rules, ShapeIdx, SpecIdx, SpreadConstraint, State, Sym, Volume,
};
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
    /// It asks for ports of the node.
    pub ports: bool,
}

/// Pod classes by what they were made from.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    /// The classes.
    pub all: Vec<Class>,
    /// Verdicts on what classes are made of.
    pub statics: Statics,
    /// Fit and balance by request.
    pub tables: Tables,
    ids: FxHashMap<ClassKey, u32>,
    of_spec: Vec<u32>,
    services: ServiceIndex,
    /// Default constraints by kind of pod and owner, which they follow from.
    defaults: FxHashMap<(usize, u32, Option<OwnerIdx>), Arc<[SpreadConstraint]>>,
}

/// Parameters resolved against the catalogue.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Fit's resources.
    pub fit: ScoredResources,
    /// Balanced allocation's.
    pub balanced: ScoredResources,
    /// What Fit does not check.
    pub ignored: IgnoredResources,
    /// What differs by version.
    pub rules: Rules,
}

impl Resolved {
    /// Resolves names of resources.
    pub fn new(catalog: &Catalog, config: &Profile) -> Resolved {
        Resolved {
            fit: ScoredResources::resolve(catalog, config.fit_resources.iter().map(|(n, w)| (n.as_str(), *w))),
            balanced: ScoredResources::resolve(catalog, config.balanced_resources.iter().map(|n| (n.as_str(), 1))),
            ignored: IgnoredResources::resolve(catalog, config),
            rules: catalog.kubernetes.rules(),
        }
    }
}

/// What judging nodes for a class needs to see.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// Catalogue.
    pub catalog: &'a Catalog,
    /// State.
    pub state: &'a State,
    /// Parameters.
    pub config: &'a Profile,
    /// Parameters, resolved.
    pub resolved: &'a Resolved,
    /// The profile's index.
    pub profile: usize,
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
                self.ids.insert(key, id);
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
        let parts = named.is_none().then(|| ClassParts {
            fixed: self.statics.parts(sight, shape),
            asked: self.tables.place(sight, shape, Class::balances(sight, shape)),
            balance: Class::balances(sight, shape),
            ports: sight.config.filters(PluginId::NodePorts) && !shape.host_ports.is_empty(),
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

/// Whether a plugin that looks at class and node alone refuses a node; the others refuse nothing.
pub fn refuses(sight: Sight<'_>, plugin: PluginId, shape: &PodShape, node: NodeIdx) -> bool {
    let n = &sight.state.nodes[node];
    let (config, catalog) = (sight.config, sight.catalog);
    match plugin {
        PluginId::NodeUnschedulable => !node_unschedulable::admits(shape, n, &catalog.known),
        PluginId::TaintToleration => !taint_toleration::admits(shape, n),
        PluginId::NodeAffinity => {
            !node_affinity::admits_enforced(config.added_affinity.as_ref(), n, &catalog.names)
                || !node_affinity::admits(shape, n, &catalog.names)
        }
        PluginId::NodePorts => !node_ports::admits(shape, n, catalog, sight.state),
        PluginId::NodeResourcesFit => {
            !node_resources_fit::admits(&shape.requests, &sight.resolved.ignored, node, n, sight.state)
        }
        _ => false,
    }
}

/// Whether one of those that look at what the node is refuses it.
fn is_refused_for_good(sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> bool {
    [PluginId::NodeUnschedulable, PluginId::TaintToleration, PluginId::NodeAffinity]
        .into_iter()
        .any(|p| sight.config.filters(p) && refuses(sight, p, shape, node))
}

/// Whether one of those that look at the pods on the node refuses it.
fn is_refused_for_now(sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> bool {
    [PluginId::NodePorts, PluginId::NodeResourcesFit]
        .into_iter()
        .any(|p| sight.config.filters(p) && refuses(sight, p, shape, node))
}

/// Whether a plugin that looks at class and node alone refuses a node.
pub fn is_refused(sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> bool {
    is_refused_for_good(sight, shape, node) || is_refused_for_now(sight, shape, node)
}

impl Class {
    /// Whether balance is scored for its pods.
    pub fn balances(sight: Sight<'_>, shape: &PodShape) -> bool {
        sight.config.weight(PluginId::NodeResourcesBalancedAllocation) != 0
            && !balanced_allocation::skips(shape, &sight.resolved.balanced)
    }
    /// Whether preferred node affinity is scored for its pods.
    pub fn prefers_nodes(sight: Sight<'_>, shape: &PodShape) -> bool {
        sight.config.weight(PluginId::NodeAffinity) != 0
            && (!shape.preferred_node_affinity.is_empty() || !sight.config.added_preferred.is_empty())
    }
}
