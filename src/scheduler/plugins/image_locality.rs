//! ImageLocality: images of the pod that are on the node already (P/imagelocality).

use crate::cluster::{Idx, NodeIdx, NodeSpec, PodShape, Rules, Sym};
use rustc_hash::FxHashMap;

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
                known.nodes.retain(|n| *n != node);
                if known.nodes.is_empty() {
                    self.by_name.remove(&image.name);
                }
            }
        }
    }
    /// Scores of all nodes for a pod, by node index; empty if none has any of its images.
    pub fn column(&self, shape: &PodShape, rules: Rules, len: usize, column: &mut Vec<i64>) {
        column.clear();
        // Containers' images come first.
        let counted = if rules.image_volumes_score { usize::MAX } else { shape.container_count as usize };
        for image in shape.images.iter().take(counted) {
            let Some(known) = self.by_name.get(image) else { continue };
            column.resize(len, 0);
            let spread = known.nodes.len() as f64 / self.nodes as f64;
            let scaled = (known.size as f64 * spread) as i64;
            known.nodes.iter().for_each(|n| column[n.at()] += scaled);
        }
        column.iter_mut().for_each(|sum| *sum = priority(*sum, shape.container_count));
        if column.iter().all(|score| *score == 0) {
            column.clear();
        }
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
