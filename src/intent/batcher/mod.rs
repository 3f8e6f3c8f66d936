//! Which nodes go together: a batcher is a file here and a line in the list below.

pub mod budget_aware;
pub mod listed;
pub mod size;

use super::options::{BatchSize, Options, Percent, PercentOf};
use crate::cluster::{NodeIdx, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Cuts selected nodes into batches.
pub trait Batcher: Sync {
    /// The name of the command line and of files (`budget-aware`).
    fn name(&self) -> &'static str;

    /// What it lacks in the options.
    fn problem(&self, _options: &Options) -> Option<&'static str> {
        None
    }

    /// Batches in order; every selected node is in exactly one, and none is empty.
    ///
    /// # Errors
    /// Says what the options name that cannot be.
    fn batches(&self, view: View<'_>, selected: &[NodeIdx], options: &Options) -> Result<Vec<Vec<NodeIdx>>, String>;
}

/// Makes of one list the kinds (the values of `batcher` in files) and the batchers.
macro_rules! batchers {
    ($($(#[$about:meta])* $kind:ident => $batcher:expr,)+) => {
        /// Which nodes go together.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum BatcherKind {
            $($(#[$about])* $kind,)+
        }

        impl BatcherKind {
            /// All of them.
            pub const ALL: &[BatcherKind] = &[$(BatcherKind::$kind),+];

            /// The batcher itself.
            pub fn batcher(self) -> &'static dyn Batcher {
                match self {
                    $(BatcherKind::$kind => &$batcher,)+
                }
            }
        }
    };
}

batchers! {
    /// Ordered by size, cut into equal batches (Ocean's).
    #[default]
    Size => size::Size,
    /// As few pods of one budget in one batch as its allowance, best effort.
    BudgetAware => budget_aware::BudgetAware,
    /// As given in `listed_batches`.
    Listed => listed::Listed,
}

impl BatcherKind {
    /// The name of the command line.
    pub fn name(self) -> &'static str {
        self.batcher().name()
    }
}

impl std::str::FromStr for BatcherKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = BatcherKind::ALL.iter().copied().find(|kind| kind.name() == text);
        let names = || BatcherKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("no batcher {text:?}; expected one of {}", names()))
    }
}

/// Batches as the options say, with the canary in front.
///
/// # Errors
/// See [`Batcher::batches`].
pub fn batches(view: View<'_>, selected: &[NodeIdx], options: &Options) -> Result<Vec<Vec<NodeIdx>>, String> {
    let mut batches = options.batcher.batcher().batches(view, selected, options)?;
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

/// How many nodes a batch has at most: max(1, ceil(percent · nodes / 100)) (docs/reference/ocean.md#batches).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_files_and_of_the_command_line() {
        for kind in BatcherKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("JSON"), kind.name());
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        let e = "sizes".parse::<BatcherKind>().expect_err("none of them");
        assert!(e.starts_with("no batcher \"sizes\"; expected one of size, budget-aware, listed"), "{e}");
    }
}
