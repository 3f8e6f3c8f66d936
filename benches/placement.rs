//! Placements per second: decide and bind, at 1,000 and 5,000 nodes, with the default profile's sampling.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nodeferry::cluster::*;
use nodeferry::scheduler::{Scheduler, SchedulerConfig};
use std::hint::black_box;
use std::sync::Arc;

/// Pods bound in one measured round.
const ROUND: usize = 5_000;

struct World {
    catalog: Catalog,
    state: State,
    scheduler: Scheduler,
    specs: Vec<SpecIdx>,
}

fn selector(catalog: &mut Catalog, app: &str) -> Selector {
    let (key, value) = (catalog.names.intern("app"), catalog.names.intern(app));
    Selector::All(vec![Requirement { key, operator: Operator::In, values: [value].into_iter().collect(), bound: None }])
}

/// A third of the kinds is spread by a service (the system's defaults), a third has an own soft constraint, a third nothing.
fn kind(catalog: &mut Catalog, i: usize) -> SpecIdx {
    let app = format!("app-{i}");
    let cpu = 50 + 50 * (i as i64 % 4);
    let memory = (64 + 64 * (i as i64 % 5)) << 20;
    let spread = match i % 3 {
        1 => vec![SpreadConstraint {
            max_skew: 1,
            topology_key: catalog.known.zone,
            when: WhenUnsatisfiable::ScheduleAnyway,
            selector: selector(catalog, &app),
            min_domains: 1,
            honor_node_affinity: true,
            honor_node_taints: false,
        }],
        _ => Vec::new(),
    };
    let shape = PodShape { spread, ..fixtures::shape_asking(catalog, cpu, memory) };
    let labels = Labels::new([(catalog.names.intern("app"), catalog.names.intern(&app))]);
    if i.is_multiple_of(3) {
        let name = catalog.names.intern(&app);
        catalog.services.push(Service { namespace: NsIdx(0), name, selector: Some(labels.clone()) });
    }
    let shape = catalog.intern_shape(shape);
    let empty = catalog.known.empty;
    catalog.specs.push(PodSpec { labels, ..fixtures::pod_spec(NsIdx(0), empty, shape) })
}

fn world(nodes: usize, kinds: usize) -> World {
    let mut catalog = Catalog::new();
    let name = catalog.names.intern("default");
    catalog.namespaces.push(Namespace { name, labels: Labels::default(), terminating: false });
    let specs: Vec<SpecIdx> = (0..kinds).map(|i| kind(&mut catalog, i)).collect();
    let made: Vec<NodeSpec> = (0..nodes).map(|i| node(&mut catalog, i)).collect();
    let mut state = State::new(&catalog);
    for spec in made {
        state.add_node(Arc::new(spec), None, true, 0);
    }
    let scheduler = Scheduler::new(&catalog, &state, SchedulerConfig::default());
    World { catalog, state, scheduler, specs }
}

fn node(catalog: &mut Catalog, i: usize) -> NodeSpec {
    let name = catalog.names.intern(&format!("node-{i}"));
    let zone = catalog.names.intern(["a", "b", "c"][i % 3]);
    NodeSpec {
        labels: Labels::new([(catalog.known.hostname, name), (catalog.known.zone, zone)]),
        ..fixtures::node_spec(name, vec![16_000, 64 << 30, 100 << 30])
    }
}

impl World {
    fn fill(&mut self, pods: usize) {
        let name = self.state.make_name("pod");
        for i in 0..pods {
            let pod = self.state.create_pod(&self.catalog, self.specs[i * 7 % self.specs.len()], name, 0);
            let decision = self.scheduler.decide(&self.catalog, &mut self.state, pod, &mut |_| 0);
            if let Some(node) = black_box(decision.node()) {
                self.state.bind(&self.catalog, pod, node, 0);
            }
        }
    }
}

fn placements(c: &mut Criterion) {
    let mut group = c.benchmark_group("placement");
    group.sample_size(10).throughput(Throughput::Elements(ROUND as u64));
    for (nodes, kinds) in [(1_000, 30), (5_000, 1), (5_000, 30), (5_000, 300)] {
        let mut full = world(nodes, kinds);
        full.fill(nodes * 10);
        let warm = (full.catalog, full.state, full.scheduler, full.specs);
        let fresh = || {
            let (catalog, state, scheduler, specs) = warm.clone();
            World { catalog, state, scheduler, specs }
        };
        group.bench_function(format!("{nodes} nodes, {kinds} kinds"), |b| {
            b.iter_batched_ref(fresh, |world| world.fill(ROUND), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, placements);
criterion_main!(benches);
