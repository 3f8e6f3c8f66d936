//! In which order a node's goroutines, all made in one loop, come to run.

use crate::cluster::draw::Draws;

/// The order of `n` goroutines. A goroutine that is made takes the place of the one that its processor would have run
/// next, which then queues up behind the others (Go `runtime/proc.go`, `newproc`, `runqput` with next): on one processor
/// the last goes first and the others in the order of their making. A second processor may steal the first half of the
/// queue (`runqsteal`) and runs it at the same time; with a seed it is drawn whether, and how the two halves mingle.
pub(crate) fn order(n: usize, seed: Option<u64>, node: &str) -> Vec<usize> {
    let Some(last) = n.checked_sub(1) else { return Vec::new() };
    let mut draw = seed.map(|s| (Draws::new(s), 0));
    let mut coin = || match &mut draw {
        Some((draws, nth)) => {
            *nth += 1;
            draws.below(node, "goroutines", *nth, 2) == 1
        }
        None => false,
    };
    let stolen = if coin() { last / 2 } else { 0 };
    let (mut thief, mut own) = (0..stolen, std::iter::once(last).chain(stolen..last));
    let mut order = Vec::with_capacity(n);
    while order.len() < n {
        let next = if coin() { thief.next().or_else(|| own.next()) } else { own.next().or_else(|| thief.next()) };
        order.extend(next);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_one_processor_the_last_goes_first() {
        assert_eq!(order(5, None, "n"), [4, 0, 1, 2, 3]);
        assert_eq!((order(1, None, "n"), order(0, None, "n")), (vec![0], vec![]));
    }

    #[test]
    fn with_a_thief_both_halves_keep_their_order() {
        let mut orders = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let o = order(9, Some(seed), "n");
            let part = |keep: &dyn Fn(usize) -> bool| o.iter().copied().filter(|k| keep(*k)).collect::<Vec<_>>();
            assert_eq!(part(&|k| k < 4), [0, 1, 2, 3], "{o:?}");
            assert_eq!(part(&|k| k >= 4), [8, 4, 5, 6, 7], "{o:?}");
            orders.insert(o);
        }
        assert!(orders.len() > 10, "{} orders of 50 seeds", orders.len());
        assert!(orders.contains(&order(9, None, "n")), "no thief is possible too");
    }
}
