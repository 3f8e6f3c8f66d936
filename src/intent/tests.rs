//! Batchers and the choice of nodes.

use super::options::{BatchSize, BatcherKind, Canary, Percent};
use super::{Options, batches, select};
use crate::cluster::*;
use crate::runner::testing::World;

fn names(w: &World, batches: &[Vec<NodeIdx>]) -> Vec<Vec<String>> {
    let name = |n: &NodeIdx| w.state.node_name(&w.catalog, *n).to_owned();
    batches.iter().map(|b| b.iter().map(name).collect()).collect()
}

fn cut(w: &World, n: u32, options: Options) -> Vec<Vec<String>> {
    let selected: Vec<NodeIdx> = (0..n).map(NodeIdx).collect();
    names(w, &batches(w.view(), &selected, &options).expect("batches"))
}

#[test]
fn a_batch_has_at_least_one_node_and_a_share_is_rounded_up() {
    let w = World::new(5, 1, &[]);
    let size = |p| Options { batch_size: Some(BatchSize::Percent(Percent(p))), ..Options::default() };
    assert_eq!(cut(&w, 5, size(1)).len(), 5);
    assert_eq!(cut(&w, 5, size(30)), [vec!["old-0", "old-1"], vec!["old-2", "old-3"], vec!["old-4"]]);
    let canary = Options { canary: Some(Canary { nodes: 1, soak_ms: 0 }), ..size(50) };
    assert_eq!(cut(&w, 5, canary).iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 2]);
    let listed = Options {
        batcher: BatcherKind::Listed,
        listed_batches: vec![vec!["old-3".into()], vec!["old-1".into(), "old-0".into()]],
        ..Options::default()
    };
    assert_eq!(cut(&w, 5, listed), [vec!["old-3"], vec!["old-1", "old-0"]]);
}

#[test]
fn budget_aware_keeps_pods_of_one_budget_apart() {
    let mut w = World::new(4, 1, &[("a", &[0, 1]), ("b", &[2, 3])]);
    w.budget("a-pdb", "a", Some(Demand::MaxUnavailable(Amount::Count(1))));
    let options =
        Options { batcher: BatcherKind::BudgetAware, batch_size: Some(BatchSize::Nodes(2)), ..Options::default() };
    let cut = cut(&w, 4, options);
    assert_eq!(cut.len(), 2);
    for batch in cut {
        assert_eq!(batch.iter().filter(|n| *n == "old-0" || *n == "old-1").count(), 1, "{batch:?}");
    }
}

#[test]
fn a_node_that_is_selected_twice_is_one_node() {
    let w = World::new(3, 0, &[("a", &[0])]);
    let names = ["old-1", "old-0", "old-1"].map(str::to_owned);
    assert_eq!(select(w.view(), &names, None), Ok(vec![NodeIdx(0), NodeIdx(1)]));
}
