//! A whole migration in simulation (200 old nodes, some 3,000 pods, four batches), and forks of one under way.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use nodeferry::experiment::{Simulation, Sink};
use nodeferry::request::input::request_of_scenario;
use nodeferry::request::plan::{Request, experiment_of, plan};
use nodeferry::request::scenario::Scenario;
use std::hint::black_box;
use std::path::Path;

/// Read by a test too, which says when it is refused.
const MIGRATION: &str = include_str!("migration.yaml");
const QUICKSTART: &str = include_str!("../scenarios/quickstart.yaml");
/// Two hundred and fifty old and as many new nodes, 5,000 pods.
const LARGE: &str = "
scenario: large
cluster: {generate: {nodes: 250, new_nodes: 250, pods_per_node: 20, cpu_millis: {min: 50, max: 200}, memory_mib: {min: 64, max: 256}}}
nodes: {selector: agentpool=old}
options: {batch_size: '25%'}
";

fn request(text: &str) -> Request {
    let scenario = Scenario::parse(text, Path::new("bench.yaml")).expect("a scenario");
    request_of_scenario(&scenario, false).expect("a cluster")
}

/// A run whose first batch has ended.
fn under_way(text: &str, sink: Sink) -> Simulation {
    let mut run = experiment_of(request(text)).expect("an experiment").start(1, sink);
    run.advance_past(1);
    assert!(run.progress().outcome.is_none(), "it has ended already");
    run
}

fn migration(c: &mut Criterion) {
    let mut group = c.benchmark_group("migration");
    group.sample_size(10);
    group.bench_function("200 nodes, 3000 pods", |b| {
        b.iter_batched(
            || request(MIGRATION),
            |r| black_box(plan(r, &|| ()).expect("a plan").forecast.pods_moved),
            BatchSize::LargeInput,
        );
    });
    for (name, text) in
        [("fork the quickstart and drop it", QUICKSTART), ("fork 500 nodes, 5000 pods and drop it", LARGE)]
    {
        let run = under_way(text, Sink::trace());
        group.bench_function(name, |b| b.iter(|| drop(black_box(run.fork(None)))));
    }
    // As a planner does it; within a second (`examples/forks.rs` says so with its exit status).
    let run = under_way(QUICKSTART, Sink::Summary);
    group.bench_function("fork the quickstart and drop it, 1000 times", |b| {
        b.iter(|| (0..1_000).for_each(|_| drop(black_box(run.fork(None)))));
    });
    // One cluster steps as fast as it did without others beside it, several as fast as each by itself.
    let one = experiment_of(request(QUICKSTART)).expect("an experiment");
    group.bench_function("simulate the quickstart", |b| b.iter(|| black_box(one.run(1, Sink::Summary).steps)));
    let two = one.beside(&one);
    group.bench_function("simulate two quickstarts under one clock", |b| {
        b.iter(|| black_box(two.start(1, Sink::Summary).finish_all().figures.evictions));
    });
    group.finish();
}

criterion_group!(benches, migration);
criterion_main!(benches);
