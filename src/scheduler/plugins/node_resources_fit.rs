//! NodeResourcesFit: what is left on the node, and how full it would be (P/noderesources/fit.go, least_allocated.go, most_allocated.go).

use super::pod_topology_spread::Scratch;
use super::{JudgesBy, Plugin, Scoring};
use crate::cluster::{CPU, EPHEMERAL, MEMORY, NodeIdx, NodeSpec, NodeState, PodShape, Requests, Rules, State};
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::plugin::Point;
use crate::scheduler::sight::{IgnoredResources, Resolved, ScoredResources, Sight};
use crate::scheduler::{Code, FitStrategy, PluginId, PodView, Profile, Reason, Rejection};
use smallvec::SmallVec;

/// Words for a node without a free pod slot.
pub const REASON_PODS: &str = "Too many pods";

/// Whether a pod that asks for `requests` fits on what is left of a node.
pub fn admits(
    requests: &Requests,
    ignored: &IgnoredResources,
    index: NodeIdx,
    node: &NodeState,
    state: &State,
) -> bool {
    let requested = state.requested(index);
    (node.pods.len() as i64) < node.spec.pod_slots
        && requests
            .amounts
            .iter()
            .all(|(r, amount)| *amount <= node.spec.allocatable(*r) - requested[r.0 as usize] || ignored.has(*r))
}

/// All that a node lacks. Unresolvable, since 1.34, if it would not even fit the empty node.
pub fn rejection(
    requests: &Requests,
    resolved: &Resolved,
    index: NodeIdx,
    node: &NodeState,
    state: &State,
) -> Rejection {
    let requested = state.requested(index);
    let mut reasons: SmallVec<[Reason; 1]> = SmallVec::new();
    let mut code = Code::Unschedulable;
    if node.pods.len() as i64 >= node.spec.pod_slots {
        reasons.push(Reason::Fixed(REASON_PODS));
    }
    for (resource, amount) in requests.amounts.iter().filter(|(r, _)| !resolved.ignored.has(*r)) {
        let allocatable = node.spec.allocatable(*resource);
        if *amount > allocatable - requested[resource.0 as usize] {
            reasons.push(Reason::Insufficient(*resource));
            if *amount > allocatable && resolved.rules.too_large_is_final {
                code = Code::Unresolvable;
            }
        }
    }
    Rejection { plugin: PluginId::NodeResourcesFit, code, reasons }
}

/// Score of a node, absolute.
pub fn score(
    shape: &PodShape,
    resources: &ScoredResources,
    config: &Profile,
    index: NodeIdx,
    node: &NodeState,
    state: &State,
) -> i64 {
    let (mut sum, mut weights) = (0, 0);
    for (resource, weight) in &resources.0 {
        let asked = match *resource {
            CPU => shape.incoming_nonzero[0],
            MEMORY => shape.incoming_nonzero[1],
            other => shape.requests.get(other),
        };
        let capacity = node.spec.allocatable(*resource);
        let is_scalar = ![CPU, MEMORY, EPHEMERAL].contains(resource);
        if capacity == 0 || (is_scalar && asked == 0) {
            continue;
        }
        let held = match *resource {
            CPU => state.nonzero(index)[0],
            MEMORY => state.nonzero(index)[1],
            other => state.requested(index)[other.0 as usize],
        };
        let share = share(&config.fit, held + asked, capacity);
        // A resource that scores nothing by its ratio is left out of the mean (`buildRequestedToCapacityRatioScorerFunction`).
        if share > 0 || !matches!(config.fit, FitStrategy::RequestedToCapacityRatio(_)) {
            sum += weight * share;
            weights += weight;
        }
    }
    match (&config.fit, weights) {
        (_, 0) => 0,
        (FitStrategy::RequestedToCapacityRatio(_), _) => (sum as f64 / weights as f64).round() as i64,
        _ => sum / weights,
    }
}

/// `leastRequestedScore`, `mostRequestedScore` and `resourceScoringFunction`.
fn share(strategy: &FitStrategy, requested: i64, capacity: i64) -> i64 {
    match strategy {
        FitStrategy::LeastAllocated if requested > capacity => 0,
        FitStrategy::LeastAllocated => percent(capacity - requested, capacity),
        FitStrategy::MostAllocated => percent(requested.min(capacity), capacity),
        FitStrategy::RequestedToCapacityRatio(shape) => {
            on_shape(shape, if requested > capacity { 100 } else { percent(requested, capacity) })
        }
    }
}

/// The height of a broken line at a utilisation (P/helper/shape_score.go `BuildBrokenLinearFunction`).
fn on_shape(shape: &[(i64, i64)], at: i64) -> i64 {
    match shape.iter().position(|point| at <= point.0) {
        Some(0) => shape[0].1,
        Some(i) => {
            let ((from, low), (to, high)) = (shape[i - 1], shape[i]);
            low + (high - low) * (at - from) / (to - from)
        }
        None => shape.last().map_or(0, |point| point.1),
    }
}

/// `100 * part / whole` without overflow, by the wider type only where it is needed.
fn percent(part: i64, whole: i64) -> i64 {
    match part.checked_mul(100) {
        Some(product) => product / whole,
        None => (i128::from(part) * 100 / i128::from(whole)) as i64,
    }
}

/// The plugin.
pub struct NodeResourcesFit;

impl Plugin for NodeResourcesFit {
    const ID: PluginId = PluginId::NodeResourcesFit;
    const POINTS: &'static [Point] =
        &[Point::PreFilter, Point::Filter, Point::PreScore, Point::Score, Point::PlacementScore];
    const NEEDS: &'static [(Point, Point)] = &[(Point::Filter, Point::PreFilter)];
    const JUDGES_BY: JudgesBy = JudgesBy::Node;
    const EVENTS: &'static [EventKind] = &[EventKind::NodeAdded, EventKind::PodRemoved];

    fn default_weight(_rules: Rules) -> Option<i64> {
        Some(1)
    }

    fn refuses(sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> bool {
        !admits(&shape.requests, &sight.resolved.ignored, node, &sight.state.nodes[node], sight.state)
    }

    fn rejection(sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> Rejection {
        rejection(&shape.requests, sight.resolved, node, &sight.state.nodes[node], sight.state)
    }

    fn score(scoring: &Scoring<'_>, _scratch: &mut Scratch, out: &mut Vec<i64>) -> bool {
        let (sight, shape) = (scoring.sight, scoring.shape);
        let node = |n: NodeIdx| &sight.state.nodes[n];
        scoring.fill(out, |n| score(shape, &sight.resolved.fit, sight.config, n, node(n), sight.state));
        true
    }

    /// Any removal of a pod that held room; a node added whose empty self would hold the pod (`noderesources/fit.go`).
    fn says_queue(view: PodView<'_>, event: &ClusterEvent) -> bool {
        let PodView { catalog, state, pod, .. } = view;
        match event {
            ClusterEvent::PodRemoved { .. } => true,
            ClusterEvent::NodeAdded(node) => fits_empty(catalog.shape(state.pods[pod].spec), &state.nodes[*node].spec),
            _ => false,
        }
    }
}

/// `isFit` on a node without pods.
fn fits_empty(shape: &PodShape, node: &NodeSpec) -> bool {
    node.pod_slots >= 1 && shape.requests.amounts.iter().all(|(r, amount)| *amount <= node.allocatable(*r))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_allocated_is_the_free_share() {
        assert_eq!(share(&FitStrategy::LeastAllocated, 3000, 4000), 25);
        assert_eq!(share(&FitStrategy::LeastAllocated, 4001, 4000), 0);
        assert_eq!(share(&FitStrategy::MostAllocated, 3000, 4000), 75);
        assert_eq!(share(&FitStrategy::MostAllocated, 4001, 4000), 100, "more than there is counts as full");
    }

    /// P/noderesources/requested_to_capacity_ratio_test.go.
    #[test]
    fn a_ratio_is_read_off_the_shape() {
        let shape = FitStrategy::RequestedToCapacityRatio(vec![(10, 10), (50, 100), (90, 0)]);
        let at = |requested| share(&shape, requested, 100);
        assert_eq!([0, 10, 30, 50, 60, 90, 95, 101].map(at), [10, 10, 55, 100, 75, 0, 0, 0]);
    }
}
