//! What nodes say, by what they are (labels, taints, cordons), of parts that many pods share: tolerations, required and
//! preferred node affinity, images. Few distinct parts make many pods, so each part is judged once a node and change.

use super::index::Index;
use super::names::PluginId;
use super::plugins::volume_zone::{self, ZoneLabel};
use super::plugins::{node_affinity, node_unschedulable, taint_toleration};
use super::sight::Sight;
use super::tally::Tally;
use crate::cluster::{Catalog, Idx, NodeIdx, NodeSelector, NodeSelectorTerm, PodShape, State, Sym, Toleration};
use indexmap::{Equivalent, IndexMap};
use rustc_hash::FxBuildHasher;

/// A set of nodes.
#[derive(Clone, Debug, Default)]
pub struct NodeSet(Vec<u64>);

impl NodeSet {
    /// Whether a node is in it.
    #[inline]
    pub fn has(&self, node: NodeIdx) -> bool {
        self.0.get(node.at() / 64).is_some_and(|word| word >> (node.at() % 64) & 1 == 1)
    }

    /// Puts a node in or takes it out.
    pub fn set(&mut self, node: NodeIdx, is_in: bool) {
        let (word, bit) = (node.at() / 64, 1 << (node.at() % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        match is_in {
            true => self.0[word] |= bit,
            false => self.0[word] &= !bit,
        }
    }
}

/// What nodes say of a list of tolerations.
#[derive(Clone, Debug, Default)]
pub struct Tolerating {
    /// Nodes that cordon and taints let the pod onto.
    pub admitted: NodeSet,
    /// Untolerated PreferNoSchedule taints by node; empty while no node has any.
    soft: Vec<u8>,
    /// Nodes that are there and that they do not.
    refused: NodeSet,
    /// How many those are.
    refusing: usize,
    seen: usize,
}

impl Tolerating {
    /// Whether some node does not admit the pod.
    pub fn refusing(&self) -> bool {
        self.refusing > 0
    }

    /// Whether one of these nodes has an untolerated PreferNoSchedule taint.
    pub fn any_soft(&self, nodes: &[NodeIdx]) -> bool {
        !self.soft.is_empty() && nodes.iter().any(|node| self.soft(*node) > 0)
    }

    /// Untolerated PreferNoSchedule taints of a node.
    #[inline]
    pub fn soft(&self, node: NodeIdx) -> u8 {
        self.soft.get(node.at()).copied().unwrap_or(0)
    }
}

/// Nodes that meet a required node affinity.
#[derive(Clone, Debug, Default)]
struct Selected {
    nodes: NodeSet,
    seen: usize,
}

/// Weights of preferred node affinity by node.
#[derive(Clone, Debug, Default)]
struct Preferred {
    weights: Vec<i32>,
    seen: usize,
}

/// Image scores by node.
#[derive(Clone, Debug, Default)]
struct Pulled {
    scores: Tally,
    any: bool,
    /// The nodes' generation that they are of.
    of: Option<u64>,
}

/// Where volumes can be used from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A volume's node affinity.
    Affinity(NodeSelector),
    /// Its zone labels.
    Zones(Vec<ZoneLabel>),
}

/// The same as it is asked for: what is known is found without a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReachOf<'a> {
    /// [`Reach::Affinity`].
    Affinity(&'a NodeSelector),
    /// [`Reach::Zones`].
    Zones(&'a [ZoneLabel]),
}

impl Reach {
    fn asked(&self) -> ReachOf<'_> {
        match self {
            Reach::Affinity(affinity) => ReachOf::Affinity(affinity),
            Reach::Zones(zones) => ReachOf::Zones(zones),
        }
    }
}

impl std::hash::Hash for Reach {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.asked().hash(hasher);
    }
}

impl Equivalent<Reach> for ReachOf<'_> {
    fn equivalent(&self, known: &Reach) -> bool {
        *self == known.asked()
    }
}

impl From<ReachOf<'_>> for Reach {
    fn from(asked: ReachOf<'_>) -> Reach {
        match asked {
            ReachOf::Affinity(affinity) => Reach::Affinity(affinity.clone()),
            ReachOf::Zones(zones) => Reach::Zones(zones.to_vec()),
        }
    }
}

type Selection = (Vec<(Sym, Sym)>, Option<NodeSelector>);

/// The parts of one kind of pods, by their place in [`Statics`].
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    tolerations: u32,
    /// None if any node will do.
    selection: Option<u32>,
    preferred: Option<u32>,
    images: Option<u32>,
}

/// All parts that pods were made of, each under the profile of that index.
#[derive(Clone, Debug, Default)]
pub struct Statics {
    tolerations: IndexMap<(usize, Vec<Toleration>), Tolerating, FxBuildHasher>,
    selections: IndexMap<(usize, Selection), Selected, FxBuildHasher>,
    preferences: IndexMap<(usize, Vec<(i32, NodeSelectorTerm)>), Preferred, FxBuildHasher>,
    images: IndexMap<(Vec<Sym>, u32), Pulled, FxBuildHasher>,
    reaches: IndexMap<Reach, Selected, FxBuildHasher>,
}

/// The place of a key, which is put in if it is new.
fn place<K: std::hash::Hash + Eq, V: Default>(map: &mut IndexMap<K, V, FxBuildHasher>, key: K) -> u32 {
    let entry = map.entry(key);
    let at = entry.index() as u32;
    entry.or_default();
    at
}

impl Statics {
    /// Takes a shape apart.
    pub fn parts(&mut self, sight: Sight<'_>, shape: &PodShape) -> Parts {
        let (config, profile) = (sight.config, sight.profile);
        let selects = config.filters(PluginId::NodeAffinity)
            && (!shape.node_selector.is_empty() || shape.node_affinity.is_some() || config.added_affinity.is_some());
        let prefers = config.weight(PluginId::NodeAffinity) != 0
            && (!shape.preferred_node_affinity.is_empty() || !config.added_preferred.is_empty());
        let pulls = config.weight(PluginId::ImageLocality) != 0 && !shape.images.is_empty();
        let selection = || (profile, (shape.node_selector.clone(), shape.node_affinity.clone()));
        Parts {
            tolerations: place(&mut self.tolerations, (profile, shape.tolerations.clone())),
            selection: selects.then(|| place(&mut self.selections, selection())),
            preferred: prefers.then(|| place(&mut self.preferences, (profile, shape.preferred_node_affinity.clone()))),
            images: pulls.then(|| place(&mut self.images, (shape.images.clone(), shape.container_count))),
        }
    }

    /// Judges the nodes that changed since these parts were last looked at.
    pub fn catch_up(&mut self, sight: Sight<'_>, index: &Index, shape: &PodShape, parts: Parts) {
        let (config, names) = (sight.config, &sight.catalog.names);
        let node = |n: NodeIdx| &sight.state.nodes[n];
        let log = &index.static_changes[..];
        let tolerating = &mut self.tolerations[parts.tolerations as usize];
        for n in &log[tolerating.seen..] {
            let cordoned = config.filters(PluginId::NodeUnschedulable)
                && !node_unschedulable::admits(shape, node(*n), &sight.catalog.known);
            let tainted = config.filters(PluginId::TaintToleration) && !taint_toleration::admits(shape, node(*n));
            // A node that is gone is not looked at: it counts as one that admits the pod.
            let admitted = node(*n).gone || !cordoned && !tainted;
            let before = usize::from(tolerating.refused.has(*n));
            tolerating.refusing = tolerating.refusing + usize::from(!admitted) - before;
            tolerating.refused.set(*n, !admitted);
            tolerating.admitted.set(*n, admitted);
            let soft = taint_toleration::raw_score(shape, node(*n)).min(255) as u8;
            if soft > 0 && tolerating.soft.len() <= n.at() {
                tolerating.soft.resize(sight.state.nodes.len(), 0);
            }
            if let Some(known) = tolerating.soft.get_mut(n.at()) {
                *known = soft;
            }
        }
        tolerating.seen = log.len();
        if let Some(selection) = parts.selection {
            let selected = &mut self.selections[selection as usize];
            for n in &log[selected.seen..] {
                let admitted = node_affinity::admits_enforced(config.added_affinity.as_ref(), node(*n), names)
                    && node_affinity::admits(shape, node(*n), names);
                selected.nodes.set(*n, admitted);
            }
            selected.seen = log.len();
        }
        if let Some(preferred) = parts.preferred {
            let preferred = &mut self.preferences[preferred as usize];
            preferred.weights.resize(sight.state.nodes.len(), 0);
            let (own, added) = (&shape.preferred_node_affinity, &config.added_preferred);
            for n in &log[preferred.seen..] {
                preferred.weights[n.at()] = node_affinity::raw_score(own, added, node(*n), names) as i32;
            }
            preferred.seen = log.len();
        }
        if let Some(images) = parts.images {
            let pulled = &mut self.images[images as usize];
            if pulled.of != Some(index.nodes_generation) {
                pulled.of = Some(index.nodes_generation);
                pulled.scores = index.images.scores(shape, sight.resolved.rules);
                pulled.any = pulled.scores.held().next().is_some();
            }
        }
    }

    /// The place of the nodes from which volumes can be used, up to date.
    pub fn reach(&mut self, catalog: &Catalog, state: &State, index: &Index, reach: ReachOf<'_>) -> u32 {
        let at = match self.reaches.get_index_of(&reach) {
            Some(known) => known as u32,
            None => place(&mut self.reaches, reach.into()),
        };
        if let Some((reach, selected)) = self.reaches.get_index_mut(at as usize) {
            for n in &index.static_changes[selected.seen..] {
                let labels = &state.nodes[*n].spec.labels;
                let reached = match reach {
                    Reach::Affinity(affinity) => affinity.matches(labels, catalog.known.empty, &catalog.names),
                    Reach::Zones(zones) => volume_zone::admits(catalog, zones, labels),
                };
                selected.nodes.set(*n, reached);
            }
            selected.seen = index.static_changes.len();
        }
        at
    }

    /// Nodes from which volumes can be used.
    pub fn reached(&self, reach: u32) -> &NodeSet {
        &self.reaches[reach as usize].nodes
    }

    /// What nodes say of the tolerations.
    pub fn tolerating(&self, parts: Parts) -> &Tolerating {
        &self.tolerations[parts.tolerations as usize]
    }

    /// Nodes that meet the required affinity; None if any does.
    pub fn selected(&self, parts: Parts) -> Option<&NodeSet> {
        parts.selection.map(|s| &self.selections[s as usize].nodes)
    }

    /// Weights of the preferred affinity, by node; None if nothing is preferred.
    pub fn preferred(&self, parts: Parts) -> Option<&[i32]> {
        parts.preferred.map(|p| &self.preferences[p as usize].weights[..])
    }

    /// Image scores by node; None if no node has any of the images to speak of.
    pub fn images(&self, parts: Parts) -> Option<&Tally> {
        let images = &self.images[parts.images? as usize];
        images.any.then_some(&images.scores)
    }
}
