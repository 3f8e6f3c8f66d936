//! Lower bounds of a migration's duration: no simulated or real run can be faster.

use crate::cluster::{NodeIdx, View};
use crate::groups::matching::moving_pods;
use crate::intent::options::Options;
use crate::intent::select::PodChoice;
use petgraph::algo::toposort;
use petgraph::graph::DiGraph;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Least times that the model adds, in ms; 0 for what is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeastDelays {
    /// Launch requested → node Ready.
    pub launch_ms: i64,
    /// Pod bound → ready.
    pub start_ms: i64,
    /// Deletion asked → pod gone.
    pub stop_ms: i64,
}

/// A lower bound with the chain that makes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bound {
    /// Milliseconds.
    pub ms: i64,
    /// What the critical path consists of, in order, with the milliseconds of each.
    pub path: Vec<(String, i64)>,
}

/// The longest chain of steps that must follow one another: batches one after the other, within a batch launch, drain
/// (the client's limits or the spread of evictions), and the start of the last pod.
pub fn lower_bound(view: View<'_>, batches: &[Vec<NodeIdx>], options: &Options, least: LeastDelays) -> Bound {
    let mut graph: DiGraph<(String, i64), ()> = DiGraph::new();
    let mut last = None;
    let choice = PodChoice::new(options);
    for (i, batch) in batches.iter().enumerate() {
        let moving = |n: &NodeIdx| moving_pods(view, *n).into_iter().filter(|p| choice.takes(view, *p)).count();
        let pods: Vec<i64> = batch.iter().map(|n| moving(n) as i64).collect();
        let mut chain = |name: &str, ms: i64| {
            let step = graph.add_node((format!("batch {}: {name}", i + 1), ms));
            if let Some(before) = last {
                graph.add_edge(before, step, ());
            }
            last = Some(step);
        };
        if options.procedure.launches() && pods.iter().any(|p| *p > 0) {
            // Existing nodes may have room, so a launch is no certainty; with none of it free it is.
            chain("new nodes", 0);
        }
        chain("drain", options.procedure.procedure().least_drain_ms(&pods, options, least.stop_ms));
        if pods.iter().any(|p| *p > 0) {
            // The last pod's replacement starts when its eviction is admitted, overlapping the old one's end.
            chain("last pod ready", (least.start_ms - least.stop_ms).max(0));
        }
        if i + 1 < batches.len() {
            let canary = options.canary.filter(|_| i == 0).map_or(0, |c| c.soak_ms);
            chain("soak", options.soak_ms + canary);
        }
    }
    longest(&graph)
}

/// The heaviest path of an acyclic graph.
fn longest(graph: &DiGraph<(String, i64), ()>) -> Bound {
    // Chains are acyclic by construction; a cycle would mean no order, and then no bound.
    let Ok(order) = toposort(graph, None) else { return Bound::default() };
    let mut best = vec![(0i64, None); graph.node_count()];
    for n in &order {
        let before = graph.neighbors_directed(*n, petgraph::Direction::Incoming).max_by_key(|b| best[b.index()].0);
        let sum = before.map_or(0, |b| best[b.index()].0) + graph[*n].1;
        best[n.index()] = (sum, before);
    }
    let Some(mut at) = order.iter().copied().max_by_key(|n| best[n.index()].0) else { return Bound::default() };
    let ms = best[at.index()].0;
    let mut path = vec![graph[at].clone()];
    while let Some(before) = best[at.index()].1 {
        path.push(graph[before].clone());
        at = before;
    }
    path.reverse();
    path.retain(|p| p.1 > 0);
    Bound { ms, path }
}
