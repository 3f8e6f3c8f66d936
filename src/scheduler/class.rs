//! Pods that the scheduler cannot tell apart, and what it knows of each node for them.

use super::config::Profile;
use super::decision::Failure;
use super::index::Index;
use super::names::PluginId;
use super::plugins::inter_pod_affinity::Terms;
use super::plugins::node_resources_fit::{IgnoredResources, ScoredResources};
use super::plugins::pod_topology_spread::{Compiler, Rows, default_constraints};
use super::plugins::{
    balanced_allocation, node_affinity, node_ports, node_resources_fit, node_unschedulable, taint_toleration,
};
use crate::cluster::{
    Catalog, Idx, NodeIdx, PodShape, PodSpec, Rules, ShapeIdx, SpecIdx, SpreadConstraint, State, Sym, Volume,
};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What tells two classes apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ClassKey {
    shape: ShapeIdx,
    ident: u32,
    defaults: Vec<SpreadConstraint>,
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
    /// What depends on the class and one node.
    pub columns: Columns,
    /// Its last failure, with the index's generation and how many nodes were looked at.
    pub failed: Option<(u64, usize, Arc<Failure>)>,
}

/// What depends on the class and one node alone, by node index; a node's cell is made anew when it is looked at and the node changed since.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    cells: Vec<Cell>,
    /// Weights of matching preferred node affinity; empty if the class has none.
    preferred: Vec<i32>,
    /// Image scores; empty if no node has any of the images.
    pub images: Vec<i64>,
    images_of: Option<u64>,
}

/// What is known of one node.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    seen: u32,
    static_seen: u32,
    /// Fit and balance, weighted.
    pub absolute: i64,
    static_refused: bool,
    /// Whether a plugin that looks at class and node alone refuses it.
    pub refused: bool,
    /// Untolerated PreferNoSchedule taints.
    pub taints: u8,
}

const UNSEEN: Cell =
    Cell { seen: u32::MAX, static_seen: u32::MAX, absolute: 0, static_refused: false, refused: false, taints: 0 };

/// Pod classes by what they were made from.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    /// The classes.
    pub all: Vec<Class>,
    ids: FxHashMap<ClassKey, u32>,
    of_spec: Vec<u32>,
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
            true => default_constraints(catalog, sight.config, pod),
            false => Vec::new(),
        };
        let has_volumes = has_volumes(pod, shape);
        let key = ClassKey { shape: pod.shape, ident, defaults };
        // A class with volumes is made for each set of constraints too: only the volume plugins look at the pod itself.
        let id = match self.ids.get(&key) {
            Some(id) => *id,
            None => {
                let class = compile(sight, index, &key, has_volumes);
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
}

/// Whether volumes can decide where a pod runs.
fn has_volumes(pod: &PodSpec, shape: &PodShape) -> bool {
    let decides = |v: &Volume| matches!(v, Volume::Claim(_) | Volume::Disk { .. } | Volume::CsiInline(_));
    !pod.claims.is_empty() || shape.volumes.iter().any(decides)
}

fn compile(sight: Sight<'_>, index: &mut Index, key: &ClassKey, has_volumes: bool) -> Class {
    let shape = &sight.catalog.shapes[key.shape.at()];
    let mut compiler = Compiler {
        catalog: sight.catalog,
        state: sight.state,
        config: sight.config,
        topology: &mut index.topology,
        idents: &mut index.idents,
        counts: &mut index.counts,
    };
    Class {
        shape: key.shape,
        profile: sight.profile,
        ident: key.ident,
        named: node_affinity::named_nodes(shape.node_affinity.as_ref()),
        has_volumes,
        rows: compiler.rows(shape, key.ident, &key.defaults),
        terms: compiler.terms(shape, key.ident),
        columns: Columns::default(),
        failed: None,
    }
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

/// Fit and balance of a node, weighted.
fn absolute(sight: Sight<'_>, shape: &PodShape, node: NodeIdx, balance: bool) -> i64 {
    let n = &sight.state.nodes[node];
    let config = sight.config;
    let mut sum = 0;
    let fit = config.weight(PluginId::NodeResourcesFit);
    if fit != 0 {
        sum += fit * node_resources_fit::score(shape, &sight.resolved.fit, config, node, n, sight.state);
    }
    if balance {
        let weight = config.weight(PluginId::NodeResourcesBalancedAllocation);
        sum += weight * balanced_allocation::score(shape, sight.resolved, node, n, sight.state);
    }
    sum
}

impl Class {
    /// Whether balance is scored for its pods.
    pub fn balances(&self, sight: Sight<'_>, shape: &PodShape) -> bool {
        sight.config.weight(PluginId::NodeResourcesBalancedAllocation) != 0
            && !balanced_allocation::skips(shape, &sight.resolved.balanced)
    }
    /// Whether preferred node affinity is scored for its pods.
    pub fn prefers_nodes(sight: Sight<'_>, shape: &PodShape) -> bool {
        sight.config.weight(PluginId::NodeAffinity) != 0
            && (!shape.preferred_node_affinity.is_empty() || !sight.config.added_preferred.is_empty())
    }
}

/// Looks nodes up in a class's columns, made anew where they are out of date.
pub struct Lookup<'a> {
    sight: Sight<'a>,
    index: &'a Index,
    shape: &'a PodShape,
    balance: bool,
    columns: &'a mut Columns,
}

impl<'a> Lookup<'a> {
    /// Makes columns ready for one cycle.
    pub fn new(
        sight: Sight<'a>,
        index: &'a Index,
        shape: &'a PodShape,
        balance: bool,
        columns: &'a mut Columns,
    ) -> Lookup<'a> {
        let nodes = sight.state.nodes.len();
        columns.cells.resize(nodes.max(columns.cells.len()), UNSEEN);
        if Class::prefers_nodes(sight, shape) {
            columns.preferred.resize(columns.cells.len(), 0);
        }
        if columns.images_of != Some(index.nodes_generation) {
            columns.images_of = Some(index.nodes_generation);
            if sight.config.weight(PluginId::ImageLocality) != 0 {
                index.images.column(shape, sight.resolved.rules, nodes, &mut columns.images);
            }
        }
        Lookup { sight, index, shape, balance, columns }
    }
    /// What is known of a node.
    #[inline]
    pub fn cell(&mut self, node: NodeIdx) -> Cell {
        let i = node.at();
        if self.columns.cells[i].seen != self.index.version[i] {
            self.update(node);
        }
        self.columns.cells[i]
    }
    #[inline(never)]
    fn update(&mut self, node: NodeIdx) {
        let (sight, shape, i) = (self.sight, self.shape, node.at());
        let mut cell = self.columns.cells[i];
        cell.seen = self.index.version[i];
        if cell.static_seen != self.index.static_epoch[i] {
            cell.static_seen = self.index.static_epoch[i];
            let n = &sight.state.nodes[node];
            cell.static_refused = is_refused_for_good(sight, shape, node);
            cell.taints = taint_toleration::raw_score(shape, n).min(255) as u8;
            if !self.columns.preferred.is_empty() {
                let (own, added) = (&shape.preferred_node_affinity, &sight.config.added_preferred);
                self.columns.preferred[i] = node_affinity::raw_score(own, added, n, &sight.catalog.names) as i32;
            }
        }
        cell.refused = cell.static_refused || is_refused_for_now(sight, shape, node);
        if !cell.refused {
            cell.absolute = absolute(sight, shape, node, self.balance);
        }
        self.columns.cells[i] = cell;
    }
}

impl Columns {
    /// A node's cell as it was last looked at.
    #[inline]
    pub fn cell(&self, node: NodeIdx) -> Cell {
        self.cells[node.at()]
    }
    /// Weights of preferred node affinity that a node meets, as it was last looked at.
    pub fn preferred(&self, node: NodeIdx) -> i64 {
        self.preferred.get(node.at()).copied().map_or(0, i64::from)
    }
    /// Whether the class prefers nodes.
    pub fn has_preferred(&self) -> bool {
        !self.preferred.is_empty()
    }
}
