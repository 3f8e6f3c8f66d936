//! NodeResourcesBalancedAllocation: whether the pod brings the node's shares of resources closer (P/noderesources/balanced_allocation.go).
//!
//! Since 1.36 (PR #135573) the score compares the node's balance with and without the pod; 75 is neutral.

use super::pod_topology_spread::Scratch;
use super::{Plugin, Scoring};
use crate::cluster::{CPU, EPHEMERAL, MEMORY, NodeIdx, NodeState, PodShape, Rules, State};
use crate::scheduler::PluginId;
use crate::scheduler::plugin::Point;
use crate::scheduler::sight::{Resolved, ScoredResources, Sight};
use smallvec::SmallVec;

/// Whether the plugin has nothing to say of a pod: it asks for none of the resources.
pub fn skips(shape: &PodShape, resources: &ScoredResources) -> bool {
    resources.0.iter().all(|(r, _)| shape.requests.get(*r) == 0)
}

/// Score of a node, absolute: 50..=100, and until 1.35 that of the balance with the pod alone.
pub fn score(shape: &PodShape, resolved: &Resolved, index: NodeIdx, node: &NodeState, state: &State) -> i64 {
    let mut with: SmallVec<[f64; 4]> = SmallVec::new();
    let mut without: SmallVec<[f64; 4]> = SmallVec::new();
    for (resource, _) in &resolved.balanced.0 {
        let asked = shape.requests.get(*resource);
        let capacity = node.spec.allocatable(*resource);
        let is_scalar = ![CPU, MEMORY, EPHEMERAL].contains(resource);
        if capacity == 0 || (is_scalar && asked == 0) {
            continue;
        }
        let held = state.requested(index)[resource.0 as usize];
        with.push(((held + asked) as f64 / capacity as f64).min(1.0));
        without.push((held as f64 / capacity as f64).min(1.0));
    }
    match resolved.rules.balance_by_change {
        true => 50 + (50 + balance(&with) - balance(&without)) / 2,
        false => balance(&with),
    }
}

/// `balancedResourceScore`: 100 for equal shares, less the standard deviation.
fn balance(shares: &[f64]) -> i64 {
    let deviation = match shares {
        [] | [_] => 0.0,
        [a, b] => ((a - b) / 2.0).abs(),
        many => {
            let mean = many.iter().sum::<f64>() / many.len() as f64;
            (many.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / many.len() as f64).sqrt()
        }
    };
    ((1.0 - deviation) * 100.0) as i64
}

/// Whether balance is scored for such pods.
pub fn scores(sight: Sight<'_>, shape: &PodShape) -> bool {
    sight.config.weight(PluginId::NodeResourcesBalancedAllocation) != 0 && !skips(shape, &sight.resolved.balanced)
}

/// The plugin.
pub struct NodeResourcesBalancedAllocation;

impl Plugin for NodeResourcesBalancedAllocation {
    const ID: PluginId = PluginId::NodeResourcesBalancedAllocation;
    const POINTS: &'static [Point] = &[Point::PreScore, Point::Score];

    fn default_weight(_rules: Rules) -> Option<i64> {
        Some(1)
    }

    fn score(scoring: &Scoring<'_>, _scratch: &mut Scratch, out: &mut Vec<i64>) -> bool {
        let (sight, shape) = (scoring.sight, scoring.shape);
        let scored = scores(sight, shape);
        if scored {
            let node = |n: NodeIdx| &sight.state.nodes[n];
            scoring.fill(out, |n| score(shape, sight.resolved, n, node(n), sight.state));
        }
        scored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farther_apart_the_worse() {
        assert_eq!(balance(&[]), 100);
        assert_eq!(balance(&[0.9]), 100);
        assert_eq!(balance(&[0.5, 0.5]), 100);
        assert_eq!(balance(&[1.0, 0.0]), 50);
        assert_eq!(balance(&[0.25, 0.5, 0.75]), 79);
    }
}
