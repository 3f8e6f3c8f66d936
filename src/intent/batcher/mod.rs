//! Which nodes go together.

pub mod budget_aware;
pub mod listed;
pub mod size;

use super::options::{BatchSize, BatcherKind, Options, Percent, PercentOf};
use crate::cluster::{NodeIdx, View};

/// Cuts selected nodes into batches.
pub trait Batcher {
    /// Batches in order; every selected node is in exactly one, and none is empty.
    ///
    /// # Errors
    /// Says what the options name that cannot be.
    fn batches(&self, view: View<'_>, selected: &[NodeIdx], options: &Options) -> Result<Vec<Vec<NodeIdx>>, String>;
}

/// The batcher that the options name.
pub fn batcher(kind: BatcherKind) -> Box<dyn Batcher> {
    match kind {
        BatcherKind::Size => Box::new(size::Size),
        BatcherKind::BudgetAware => Box::new(budget_aware::BudgetAware),
        BatcherKind::Listed => Box::new(listed::Listed),
    }
}

/// Batches as the options say, with the canary in front.
///
/// # Errors
/// See [`Batcher::batches`].
pub fn batches(view: View<'_>, selected: &[NodeIdx], options: &Options) -> Result<Vec<Vec<NodeIdx>>, String> {
    let mut batches = batcher(options.batcher).batches(view, selected, options)?;
    let canary = options.canary.map_or(0, |c| c.nodes as usize);
    if let Some(first) = batches.first_mut()
        && canary > 0
        && first.len() > canary
    {
        let rest = first.split_off(canary);
        batches.insert(1, rest);
    }
    Ok(batches)
}

/// How many nodes a batch has at most: max(1, ceil(percent · nodes / 100)) (MIGRATIONS §1: batch algorithm, 2).
pub fn nodes_per_batch(view: View<'_>, selected: usize, options: &Options) -> usize {
    match options.size() {
        BatchSize::Nodes(n) => (n as usize).max(1),
        BatchSize::Percent(Percent(p)) => {
            let of = match options.percent_of {
                PercentOf::Selected => selected,
                PercentOf::TargetCapacity => view.state.live_nodes().count(),
            };
            (of * p as usize).div_ceil(100).max(1)
        }
    }
}

/// The largest share a node has of the selected nodes' cpu or memory, in parts per million: its size.
fn sizes(view: View<'_>, selected: &[NodeIdx]) -> Vec<(u64, NodeIdx)> {
    let total = |r: crate::cluster::ResIdx| -> i128 {
        selected.iter().map(|n| i128::from(view.state.nodes[*n].spec.allocatable(r))).sum::<i128>().max(1)
    };
    let resources = [crate::cluster::CPU, crate::cluster::MEMORY];
    let totals = resources.map(total);
    selected
        .iter()
        .map(|n| {
            let share =
                |i: usize| i128::from(view.state.nodes[*n].spec.allocatable(resources[i])) * 1_000_000_000 / totals[i];
            ((share(0).max(share(1))).max(0) as u64, *n)
        })
        .collect()
}

/// Selected nodes, largest first, then by name: the one order that batchers start from.
pub(crate) fn by_size(view: View<'_>, selected: &[NodeIdx]) -> Vec<NodeIdx> {
    let mut nodes = sizes(view, selected);
    nodes.sort_by(|a, b| {
        let name = |n: NodeIdx| view.state.node_name(view.catalog, n);
        b.0.cmp(&a.0).then_with(|| name(a.1).cmp(name(b.1)))
    });
    nodes.into_iter().map(|n| n.1).collect()
}
