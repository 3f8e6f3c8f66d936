//! `budget-aware`: as few pods of one budget in one batch as its allowance, best effort.
//!
//! Nodes are taken in the order of size; each goes to the first batch with room in which no budget would exceed what it
//! allows now, else to the one with room where the excess grows least. Deterministic: ties go to the earlier batch.

use super::{Batcher, by_size, nodes_per_batch};
use crate::cluster::{BudgetIdx, NodeIdx, View};
use crate::disruption::BudgetIndex;
use crate::intent::Options;
use std::collections::BTreeMap;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct BudgetAware;

impl Batcher for BudgetAware {
    fn name(&self) -> &'static str {
        "budget-aware"
    }

    fn batches(&self, view: View<'_>, selected: &[NodeIdx], options: &Options) -> Result<Vec<Vec<NodeIdx>>, String> {
        let room = nodes_per_batch(view, selected.len(), options);
        let count = selected.len().div_ceil(room);
        let index = BudgetIndex::new(view.catalog);
        let mut batches: Vec<(Vec<NodeIdx>, BTreeMap<BudgetIdx, i64>)> = vec![Default::default(); count];
        for node in by_size(view, selected) {
            let mut load: BTreeMap<BudgetIdx, i64> = BTreeMap::new();
            for pod in &view.state.nodes[node].pods {
                for b in index.budgets_of(view.state.pods[*pod].spec) {
                    *load.entry(*b).or_default() += 1;
                }
            }
            let excess = |used: &BTreeMap<BudgetIdx, i64>| -> i64 {
                load.iter()
                    .map(|(b, n)| {
                        let allowed = view.state.budgets[*b].allowed.max(1);
                        let before = used.get(b).copied().unwrap_or(0);
                        (before + n - allowed).max(0) - (before - allowed).max(0)
                    })
                    .sum()
            };
            let best = (0..count).filter(|i| batches[*i].0.len() < room).min_by_key(|i| (excess(&batches[*i].1), *i));
            // There is room in some batch: their sizes add up to at least the number of nodes.
            if let Some(i) = best {
                batches[i].0.push(node);
                for (b, n) in load {
                    *batches[i].1.entry(b).or_default() += n;
                }
            }
        }
        Ok(batches.into_iter().map(|b| b.0).filter(|b| !b.is_empty()).collect())
    }
}
