//! Placements per second on a cluster of 5,000 nodes with ten pods each, with the default profile's sampling: by kinds of requests, with
//! constraints that look at other pods, with volumes, and of pods that fit nowhere.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nodeferry::bench::placement::{Case, World};
use std::hint::black_box;

/// Pods decided on in one measured round.
const ROUND: usize = 5_000;

fn placements(c: &mut Criterion) {
    let mut group = c.benchmark_group("placement");
    group.sample_size(10).throughput(Throughput::Elements(ROUND as u64));
    for (name, nodes, kinds, case) in Case::ALL {
        let full = World::new(nodes, kinds, case);
        group.bench_function(name, |b| {
            b.iter_batched_ref(|| full.clone(), |world| black_box(world.round(ROUND)), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, placements);
criterion_main!(benches);
