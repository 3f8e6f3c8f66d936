//! `listed`: batches as given.

use super::Batcher;
use crate::cluster::{NodeIdx, View};
use crate::intent::Options;
use rustc_hash::{FxHashMap, FxHashSet};

/// Node names by batch from the options; selected nodes that are not listed are left alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listed;

impl Batcher for Listed {
    fn name(&self) -> &'static str {
        "listed"
    }

    fn problem(&self, options: &Options) -> Option<&'static str> {
        let none = options.listed_batches.is_empty();
        none.then_some(
            "options.batcher is listed, but options.listed_batches is empty; give the node names of each batch",
        )
    }

    fn batches(&self, view: View<'_>, selected: &[NodeIdx], options: &Options) -> Result<Vec<Vec<NodeIdx>>, String> {
        let by_name: FxHashMap<&str, NodeIdx> =
            selected.iter().map(|n| (view.state.node_name(view.catalog, *n), *n)).collect();
        let mut seen = FxHashSet::default();
        let mut batches = Vec::new();
        for (i, names) in options.listed_batches.iter().enumerate() {
            let mut batch = Vec::new();
            for name in names {
                match by_name.get(name.as_str()) {
                    Some(n) if seen.insert(*n) => batch.push(*n),
                    Some(_) => return Err(format!("options.listed_batches[{i}]: node {name} is listed twice")),
                    None => {
                        return Err(format!(
                            "options.listed_batches[{i}]: node {name} is not among the selected nodes of the cluster"
                        ));
                    }
                }
            }
            if !batch.is_empty() {
                batches.push(batch);
            }
        }
        Ok(batches)
    }
}
