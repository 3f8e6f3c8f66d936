//! NodeResourcesFit: what is left on the node, and how full it would be (P/noderesources/fit.go, least_allocated.go, most_allocated.go).

use crate::cluster::{CPU, Catalog, EPHEMERAL, MEMORY, NodeIdx, NodeState, PodShape, Requests, ResIdx, State};
use crate::scheduler::{Code, FitStrategy, PluginId, Reason, Rejection, SchedulerConfig};
use smallvec::SmallVec;

/// Words for a node without a free pod slot.
pub const REASON_PODS: &str = "Too many pods";

/// Resources that a scorer looks at, by index.
#[derive(Clone, Debug, Default)]
pub struct ScoredResources(pub Vec<(ResIdx, i64)>);

impl ScoredResources {
    /// Resolves names; a resource that occurs nowhere in the cluster is left out, as no node has any of it.
    pub fn resolve<'a>(catalog: &Catalog, named: impl Iterator<Item = (&'a str, i64)>) -> ScoredResources {
        let index = |name: &str| {
            let sym = catalog.names.get(name)?;
            catalog.resources.iter().position(|r| *r == sym).map(|i| ResIdx(i as u32))
        };
        ScoredResources(named.filter_map(|(name, weight)| Some((index(name)?, weight))).collect())
    }
}

/// Whether a pod that asks for `requests` fits on what is left of a node.
pub fn admits(requests: &Requests, index: NodeIdx, node: &NodeState, state: &State) -> bool {
    let requested = state.requested(index);
    (node.pods.len() as i64) < node.spec.pod_slots
        && requests.amounts.iter().all(|(r, amount)| *amount <= node.spec.allocatable(*r) - requested[r.0 as usize])
}

/// All that a node lacks. Unresolvable if it would not even fit the empty node.
pub fn rejection(requests: &Requests, index: NodeIdx, node: &NodeState, state: &State) -> Rejection {
    let requested = state.requested(index);
    let mut reasons: SmallVec<[Reason; 1]> = SmallVec::new();
    let mut code = Code::Unschedulable;
    if node.pods.len() as i64 >= node.spec.pod_slots {
        reasons.push(Reason::Fixed(REASON_PODS));
    }
    for (resource, amount) in &requests.amounts {
        let allocatable = node.spec.allocatable(*resource);
        if *amount > allocatable - requested[resource.0 as usize] {
            reasons.push(Reason::Insufficient(*resource));
            if *amount > allocatable {
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
    config: &SchedulerConfig,
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
        sum += weight * share(config.fit, held + asked, capacity);
        weights += weight;
    }
    if weights == 0 { 0 } else { sum / weights }
}

/// `leastRequestedScore` and `mostRequestedScore`.
fn share(strategy: FitStrategy, requested: i64, capacity: i64) -> i64 {
    match strategy {
        FitStrategy::LeastAllocated if requested > capacity => 0,
        FitStrategy::LeastAllocated => percent(capacity - requested, capacity),
        FitStrategy::MostAllocated => percent(requested.min(capacity), capacity),
    }
}

/// `100 * part / whole` without overflow, by the wider type only where it is needed.
fn percent(part: i64, whole: i64) -> i64 {
    match part.checked_mul(100) {
        Some(product) => product / whole,
        None => (i128::from(part) * 100 / i128::from(whole)) as i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_allocated_is_the_free_share() {
        assert_eq!(share(FitStrategy::LeastAllocated, 3000, 4000), 25);
        assert_eq!(share(FitStrategy::LeastAllocated, 4001, 4000), 0);
        assert_eq!(share(FitStrategy::MostAllocated, 3000, 4000), 75);
        assert_eq!(share(FitStrategy::MostAllocated, 4001, 4000), 100, "more than there is counts as full");
    }
}
