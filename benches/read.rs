//! How fast a dump is read: bytes of JSON to a cluster.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nodeferry::snapshot::generate::{GenerateParams, write_list};
use nodeferry::snapshot::{Snapshot, Source};
use std::hint::black_box;

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    group.sample_size(10);
    for nodes in [100, 1000] {
        let params = GenerateParams { nodes, ..GenerateParams::default() };
        let mut bytes = Vec::new();
        write_list(&params, &mut bytes).expect("the defaults make a cluster");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let sources = [Source::new("generated", bytes).expect("plain text")];
        group.bench_function(format!("{nodes} nodes"), |b| {
            b.iter(|| Snapshot::from_sources(black_box(&sources)).expect("the generator writes what the API takes"));
        });
    }
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
