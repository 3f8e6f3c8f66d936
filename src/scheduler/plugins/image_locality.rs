//! ImageLocality: images of the pod that are on the node already (P/imagelocality).

use super::pod_topology_spread::Scratch;
use super::{Plugin, Scoring};
use crate::cluster::{Idx, NodeIdx, NodeSpec, PodShape, Rules, Sym};
use crate::scheduler::PluginId;
use crate::scheduler::plugin::Point;
use crate::scheduler::tally::Tally;
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;

const MIB: i64 = 1024 * 1024;
const LEAST: i64 = 23 * MIB;
const MOST_PER_CONTAINER: i64 = 1000 * MIB;

/// Where images are. As in the scheduler's cache, an image's size is the one first seen (S/backend/cache/cache.go `addNodeImageStates`).
#[derive(Clone, Debug, Default)]
pub struct Images {
    by_name: FxHashMap<Sym, Image>,
    nodes: usize,
}

#[derive(Clone, Debug)]
struct Image {
    size: i64,
    nodes: Vec<NodeIdx>,
}

impl Images {
    /// Adds a node's images.
    pub fn add_node(&mut self, node: NodeIdx, spec: &NodeSpec) {
        self.nodes += 1;
        for image in &spec.images {
            let known = self.by_name.entry(image.name).or_insert(Image { size: image.size, nodes: Vec::new() });
            if known.nodes.last() != Some(&node) {
                known.nodes.push(node);
            }
        }
    }
    /// Takes a node's images away.
    pub fn remove_node(&mut self, node: NodeIdx, spec: &NodeSpec) {
        self.nodes -= 1;
        for image in &spec.images {
            if let Some(known) = self.by_name.get_mut(&image.name) {
                // Nodes come in the order of their indices, but for a node that came back.
                match known.nodes.binary_search(&node) {
                    Ok(at) if !known.nodes[..at].contains(&node) => drop(known.nodes.remove(at)),
                    _ => known.nodes.retain(|n| *n != node),
                }
                if known.nodes.is_empty() {
                    self.by_name.remove(&image.name);
                }
            }
        }
    }
    /// Scores of the nodes that have any of a pod's images to speak of.
    pub fn scores(&self, shape: &PodShape, rules: Rules) -> Tally {
        // Containers' images come first.
        let counted = if rules.image_volumes_score { usize::MAX } else { shape.container_count as usize };
        let known: Vec<&Image> =
            shape.images.iter().take(counted).filter_map(|image| self.by_name.get(image)).collect();
        let mut sums: FxHashMap<NodeIdx, i64> = FxHashMap::default();
        let mut nodes: Vec<NodeIdx> = Vec::new();
        for image in known {
            let spread = image.nodes.len() as f64 / self.nodes as f64;
            let scaled = (image.size as f64 * spread) as i64;
            for node in &image.nodes {
                match sums.entry(*node) {
                    Entry::Occupied(mut sum) => *sum.get_mut() += scaled,
                    Entry::Vacant(none) => {
                        none.insert(scaled);
                        nodes.push(*node);
                    }
                }
            }
        }
        let mut scores = Tally::default();
        for node in nodes {
            let score = priority(sums.get(&node).copied().unwrap_or(0), shape.container_count);
            if score != 0 {
                scores.change(node.at(), score);
            }
        }
        scores
    }
}

/// `calculatePriority`.
fn priority(sum: i64, containers: u32) -> i64 {
    let most = MOST_PER_CONTAINER * i64::from(containers);
    if most <= LEAST {
        return 0;
    }
    100 * (sum.clamp(LEAST, most) - LEAST) / (most - LEAST)
}

/// The plugin.
pub struct ImageLocality;

impl Plugin for ImageLocality {
    const ID: PluginId = PluginId::ImageLocality;
    const POINTS: &'static [Point] = &[Point::Score];

    fn default_weight(_rules: Rules) -> Option<i64> {
        Some(1)
    }

    fn score(scoring: &Scoring<'_>, _scratch: &mut Scratch, out: &mut Vec<i64>) -> bool {
        let images = scoring.images.scores(scoring.shape, scoring.sight.resolved.rules);
        scoring.fill(out, |n| i64::from(images.get(n.at())));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_thresholds() {
        assert_eq!(priority(0, 1), 0);
        assert_eq!(priority(23 * MIB, 1), 0);
        assert_eq!(priority(500 * MIB, 1), 48);
        assert_eq!(priority(5000 * MIB, 2), 100);
    }
}
