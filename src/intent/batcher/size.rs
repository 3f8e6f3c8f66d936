//! `size`: nodes ordered by size and cut into equal batches, as Ocean says ("divided by the size of their resources").

use super::{Batcher, by_size, nodes_per_batch};
use crate::cluster::{NodeIdx, View};
use crate::intent::Options;

/// Largest nodes first, so that the batch that needs the most room comes while the old nodes still offer some.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size;

impl Batcher for Size {
    fn name(&self) -> &'static str {
        "size"
    }

    fn batches(&self, view: View<'_>, selected: &[NodeIdx], options: &Options) -> Result<Vec<Vec<NodeIdx>>, String> {
        let n = nodes_per_batch(view, selected.len(), options);
        Ok(by_size(view, selected).chunks(n).map(<[NodeIdx]>::to_vec).collect())
    }
}
