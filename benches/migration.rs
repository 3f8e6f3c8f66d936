//! A whole migration in simulation: 200 old nodes, some 3,000 pods, four batches.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use nodeferry::ops::input::request_of_scenario;
use nodeferry::ops::plan::{Request, plan};
use nodeferry::ops::scenario::Scenario;
use std::hint::black_box;
use std::path::Path;

const SCENARIO: &str = "
scenario: bench
cluster: {generate: {nodes: 200, new_nodes: 200, pods_per_node: 15}}
nodes: {selector: agentpool=old}
options: {batch_size: '25%'}
sim: {controller_client: {qps: 0, burst: 0}, scheduler_client: {qps: 0, burst: 0}}
";

fn request() -> Request {
    let scenario = Scenario::parse(SCENARIO, Path::new("bench.yaml")).expect("a scenario");
    request_of_scenario(&scenario, false).expect("a cluster")
}

fn migration(c: &mut Criterion) {
    let mut group = c.benchmark_group("migration");
    group.sample_size(10);
    group.bench_function("200 nodes, 3000 pods", |b| {
        b.iter_batched(
            request,
            |r| black_box(plan(r, &|| ()).expect("a plan").forecast.pods_moved),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, migration);
criterion_main!(benches);
