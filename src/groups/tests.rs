//! A small cluster made by hand, and what groups make of it.

use super::pack::{Choice, Launch, PackOptions, pack};
use super::*;
use crate::cluster::*;
use std::sync::Arc;

/// A cluster under construction.
pub(crate) struct World {
    pub catalog: Catalog,
    nodes: Vec<(NodeSpec, bool)>,
    pods: Vec<(SpecIdx, Option<usize>)>,
}

impl World {
    pub fn new() -> World {
        let mut catalog = Catalog::new();
        let name = catalog.names.intern("default");
        catalog.namespaces.push(Namespace { name, labels: Labels::default(), terminating: false });
        for text in ["linux", "amd64", "kubernetes.io/os", "kubernetes.io/arch"] {
            catalog.names.intern(text);
        }
        World { catalog, nodes: Vec::new(), pods: Vec::new() }
    }
    pub fn sym(&mut self, text: &str) -> Sym {
        self.catalog.names.intern(text)
    }
    pub fn labels(&mut self, pairs: &[(&str, &str)]) -> Labels {
        let pairs: Vec<(Sym, Sym)> = pairs.iter().map(|(k, v)| (self.sym(k), self.sym(v))).collect();
        Labels::new(pairs)
    }
    pub fn taint(&mut self, key: &str, value: &str) -> Taint {
        Taint { key: self.sym(key), value: self.sym(value), effect: Effect::NoSchedule }
    }
    pub fn machine(&mut self, name: &str, cpu: i64, gib: i64, price: Option<u64>) -> MachineIdx {
        let name = self.sym(name);
        self.catalog.machines.push(MachineType {
            name,
            allocatable: vec![cpu, gib << 30, 0],
            pod_slots: 110,
            labels: Labels::default(),
            zones: Vec::new(),
            price_micros_per_hour: price,
            spot_price_micros_per_hour: None,
            attach_limits: None,
        })
    }
    pub fn group(&mut self, name: &str, labels: &[(&str, &str)], machines: &[MachineIdx], max: u32) -> GroupIdx {
        let (name, labels) = (self.sym(name), self.labels(labels));
        let zones = ["za", "zb"].map(|z| self.sym(z)).to_vec();
        let machines = machines.to_vec();
        self.catalog.groups.push(NodeGroup { labels, zones, machines, max_count: max, ..fixtures::group(name) })
    }
    pub fn node(&mut self, name: &str, labels: &[(&str, &str)], cpu: i64, gib: i64) -> usize {
        let mut labels = self.labels(labels);
        let sym = self.sym(name);
        labels.set(self.catalog.known.hostname, sym);
        let spec = NodeSpec { labels, ..fixtures::node_spec(sym, vec![cpu, gib << 30, 0]) };
        self.nodes.push((spec, true));
        self.nodes.len() - 1
    }
    pub fn taint_node(&mut self, node: usize, taint: Taint) {
        self.nodes[node].0.taints.push(taint);
    }
    pub fn provider_id(&mut self, node: usize, id: Sym) {
        self.nodes[node].0.provider_id = Some(id);
    }
    /// Adds `count` pods with these requests, changed by `edit`.
    pub fn pods(
        &mut self,
        app: &str,
        count: usize,
        cpu: i64,
        gib: i64,
        node: Option<usize>,
        edit: impl FnOnce(&mut World, &mut PodShape),
    ) {
        let spec = self.spec(app, cpu, gib, edit);
        self.pods.extend((0..count).map(|_| (spec, node)));
    }
    pub fn spec(&mut self, app: &str, cpu: i64, gib: i64, edit: impl FnOnce(&mut World, &mut PodShape)) -> SpecIdx {
        let mut shape = PodShape {
            requests: Requests { amounts: vec![(CPU, cpu), (MEMORY, gib << 30)], nonzero: [cpu, gib << 30] },
            incoming_nonzero: [cpu, gib << 30],
            ..fixtures::shape(&self.catalog)
        };
        edit(self, &mut shape);
        let labels = self.labels(&[("app", app)]);
        let (name, shape) = (self.sym(app), self.catalog.intern_shape(shape));
        self.catalog.specs.push(PodSpec { labels, ..fixtures::pod_spec(NsIdx(0), name, shape) })
    }
    pub fn build(self) -> Cluster {
        let mut state = State::new(&self.catalog);
        let nodes: Vec<NodeIdx> =
            self.nodes.into_iter().map(|(spec, ready)| state.add_node(Arc::new(spec), None, ready, 0)).collect();
        for (i, (spec, node)) in self.pods.into_iter().enumerate() {
            let name = state.make_name(&format!("pod-{i}"));
            let pod = state.create_pod(&self.catalog, spec, name, 0);
            if let Some(node) = node {
                state.bind(&self.catalog, pod, nodes[node], 0);
            }
        }
        assign_groups(&self.catalog, &mut state);
        Cluster { catalog: Arc::new(self.catalog), state }
    }
}

fn view(cluster: &Cluster) -> View<'_> {
    View { catalog: &cluster.catalog, state: &cluster.state }
}

fn pack_all(cluster: &Cluster, options: &PackOptions) -> Packing {
    let pods: Vec<PodIdx> = cluster.state.live_pods().collect();
    pack(view(cluster), &Templates::new(view(cluster)), &pods, options)
}

fn keep(_: &mut World, _: &mut PodShape) {}

#[test]
fn pods_fill_nodes_and_zones_take_turns() {
    let mut w = World::new();
    let m = w.machine("m4", 4000, 16, None);
    let g = w.group("g", &[("pool", "new")], &[m], 10);
    w.pods("a", 8, 1000, 2, None, keep);
    w.pods("b", 16, 250, 1, None, keep);
    let (za, zb) = (w.sym("za"), w.sym("zb"));
    let c = w.build();
    let p = pack_all(&c, &PackOptions::default());
    // 12 cores make three nodes; two more than one zone has.
    assert_eq!(
        p.launches,
        [
            Launch { group: g, machine: m, zone: Some(za), count: 2 },
            Launch { group: g, machine: m, zone: Some(zb), count: 1 }
        ]
    );
    assert_eq!(p.unhosted, []);
}

#[test]
fn a_full_group_and_a_pod_too_large_are_told_with_reasons() {
    let mut w = World::new();
    let m = w.machine("m4", 4000, 16, None);
    w.group("g", &[], &[m], 1);
    w.pods("a", 2, 3000, 1, None, keep);
    w.pods("huge", 1, 5000, 1, None, keep);
    let c = w.build();
    let p = pack_all(&c, &PackOptions::default());
    assert_eq!(p.nodes(), 1);
    let codes: Vec<(usize, &str)> = p.unhosted.iter().map(|u| (u.pods.len(), u.reasons[0].code)).collect();
    assert_eq!(codes, [(1, "resources"), (1, "group-full")]);
    assert_eq!(p.unhosted[1].reasons[0].text, "it is full: 1 of at most 1 nodes");
}

#[test]
fn cheapest_and_least_waste_choose_machine_types() {
    let mut w = World::new();
    let big = w.machine("big", 16_000, 64, Some(800_000));
    let small = w.machine("small", 4000, 16, Some(250_000));
    w.group("g", &[], &[big, small], 10);
    w.pods("a", 4, 4000, 16, None, keep);
    let c = w.build();
    let p = pack_all(&c, &PackOptions { choice: Choice::Cheapest, ..PackOptions::default() });
    assert_eq!(p.launches.iter().map(|l| (l.machine, l.count)).collect::<Vec<_>>(), [(big, 1)]);
    let mut w = World::new();
    let big = w.machine("big", 16_000, 64, None);
    let small = w.machine("small", 4000, 16, None);
    w.group("g", &[], &[big, small], 10);
    w.pods("a", 1, 4000, 16, None, keep);
    let c = w.build();
    let p = pack_all(&c, &PackOptions { choice: Choice::LeastWaste, ..PackOptions::default() });
    assert_eq!(p.launches.iter().map(|l| l.machine).collect::<Vec<_>>(), [small]);
}

#[test]
fn host_ports_and_anti_affinity_over_hosts_take_a_node_each() {
    let mut w = World::new();
    let m = w.machine("m4", 4000, 16, None);
    w.group("g", &[], &[m], 10);
    w.pods("port", 3, 100, 0, None, |w, s| {
        let tcp = w.sym("TCP");
        s.host_ports.push(HostPort { ip: None, protocol: tcp, port: 80 });
    });
    w.pods("db", 2, 100, 0, None, |w, s| {
        let (key, value) = (w.sym("app"), w.sym("db"));
        let requirement =
            Requirement { key, operator: Operator::In, values: [value].into_iter().collect(), bound: None };
        s.anti_affinity.push(PodTerm::new(Selector::All(vec![requirement]), vec![NsIdx(0)], w.catalog.known.hostname));
    });
    let c = w.build();
    // Three nodes: each has one of the ports, two of them a database beside it.
    assert_eq!(pack_all(&c, &PackOptions::default()).nodes(), 3);
}

#[test]
fn free_room_and_nodes_in_flight_are_used_before_new_ones() {
    let mut w = World::new();
    let m = w.machine("m4", 4000, 16, None);
    let g = w.group("g", &[("pool", "new")], &[m], 10);
    let za = w.sym("za");
    w.node("old", &[], 2000, 8);
    w.pods("a", 8, 1000, 1, None, keep);
    let c = w.build();
    let in_flight = vec![Launch { group: g, machine: m, zone: Some(za), count: 1 }];
    let p = pack_all(&c, &PackOptions { use_existing: true, in_flight, ..PackOptions::default() });
    assert_eq!((p.on_existing, p.on_in_flight, p.nodes()), (2, 4, 1));
}

#[test]
fn frozen_groups_and_shortages_are_respected() {
    let mut w = World::new();
    let m = w.machine("m4", 4000, 16, None);
    let a = w.group("a", &[], &[m], 20);
    let b = w.group("b", &[], &[m], 10);
    w.pods("x", 1, 1000, 1, None, keep);
    let c = w.build();
    let only = |options: PackOptions| pack_all(&c, &options).launches.first().map(|l| l.group);
    assert_eq!(only(PackOptions::default()), Some(a));
    assert_eq!(only(PackOptions { frozen: vec![a], ..PackOptions::default() }), Some(b));
    let shortages = vec![Shortage { group: Some(a), ..Shortage::default() }];
    assert_eq!(only(PackOptions { shortages, ..PackOptions::default() }), Some(b));
}

#[test]
fn headroom_comes_on_top() {
    let mut w = World::new();
    let m = w.machine("m4", 4000, 16, None);
    let g = w.group("g", &[], &[m], 10);
    w.catalog.groups[g].headroom = vec![Headroom { unit: vec![(CPU, 2000)], units: 3 }];
    w.pods("x", 4, 1000, 1, None, keep);
    let c = w.build();
    let p = pack_all(&c, &PackOptions { headroom: true, ..PackOptions::default() });
    assert_eq!((p.nodes(), p.headroom_nodes), (3, 2));
}

#[test]
fn daemons_are_charged_to_each_new_node() {
    let mut w = World::new();
    let m = w.machine("m4", 4000, 16, None);
    w.group("g", &[], &[m], 10);
    let template = w.spec("agent", 500, 0, keep);
    let name = w.sym("agent");
    w.catalog.owners.push(Owner {
        kind: OwnerKind::DaemonSet,
        kind_name: name,
        api_version: name,
        namespace: NsIdx(0),
        name,
        uid: name,
        parent: None,
        missing: false,
        deleting: false,
        created: None,
        replicas: None,
        scale: ScaleSource::None,
        selector: Selector::Nothing,
        min_ready_ms: 0,
        parallel: false,
        first_ordinal: 0,
        job: None,
        template: Some(template),
        claim_templates: Vec::new(),
    });
    w.pods("x", 4, 1000, 1, None, keep);
    let c = w.build();
    assert_eq!(pack_all(&c, &PackOptions::default()).nodes(), 2);
}

#[test]
fn nodes_match_the_first_group_that_could_make_them() {
    let mut w = World::new();
    let m = w.machine("m4", 4000, 16, None);
    w.group("plain", &[("team", "x")], &[m], 10);
    let second = w.group("second", &[("team", "y"), ("extra", "1")], &[m], 10);
    w.group("third", &[("team", "y")], &[m], 10);
    w.node("bare", &[("topology.kubernetes.io/zone", "zz")], 1, 1);
    w.node("covered", &[("team", "y"), ("topology.kubernetes.io/zone", "za")], 1, 1);
    let elsewhere = [("team", "y"), ("topology.kubernetes.io/zone", "zq"), ("node.kubernetes.io/instance-type", "m9")];
    w.node("elsewhere", &elsewhere, 1, 1);
    let tainted = w.node("tainted", &[], 1, 1);
    let taint = w.taint("a", "b");
    w.taint_node(tainted, taint);
    let c = w.build();
    let got: Vec<GroupMatch> = (0..4).map(|n| match_node(view(&c), NodeIdx(n))).collect();
    assert_eq!(got[0], GroupMatch::Default);
    assert_eq!(got[1], GroupMatch::Group(second));
    // Zone and machine type are notes.
    assert_eq!(got[2], GroupMatch::Group(second));
    let templates = Templates::new(view(&c));
    let notes = |n| Matcher::new(view(&c), &templates, false, &[]).notes(NodeIdx(n), second);
    assert_eq!(notes(1), []);
    let texts: Vec<(&str, String)> = notes(2).into_iter().map(|n| (n.code, n.text)).collect();
    let (zone, kind) = ("zone zq is not among the group's", "machine type m9 is not among the group's");
    assert_eq!(texts, [("zone", zone.to_owned()), ("machine-type", kind.to_owned())]);
    let GroupMatch::None { nearest: Some((_, d)) } = &got[3] else { panic!("{:?}", got[3]) };
    assert_eq!(d[0].text, "the group lacks taint a=b:NoSchedule");
}

#[test]
fn by_pods_the_best_group_takes_most_of_them() {
    let mut w = World::new();
    let small = w.machine("small", 1000, 4, None);
    let big = w.machine("big", 8000, 32, None);
    let a = w.group("a", &[], &[small], 50);
    let b = w.group("b", &[], &[big], 10);
    let api = w.group("api", &[("team", "api")], &[small], 10);
    let taint = w.taint("team", "api");
    w.catalog.groups[api].taints.push(taint);
    let nodes: Vec<usize> = (0..4).map(|n| w.node(&format!("n{n}"), &[("team", "old")], 8000, 32)).collect();
    let tolerant = |w: &mut World, s: &mut PodShape| {
        let key = w.sym("team");
        s.tolerations.push(Toleration { key: Some(key), value: None, effect: None, seconds: None });
        let value = w.sym("api");
        s.node_selector.push((key, value));
    };
    // Both a and b would do; b's machines have room for the large pod.
    w.pods("x", 1, 4000, 1, Some(nodes[0]), keep);
    w.pods("y", 1, 100, 1, Some(nodes[0]), keep);
    // Too large for every machine: still a match, for requests are no selector.
    w.pods("huge", 1, 64_000, 1, Some(nodes[1]), keep);
    // Two of three want the group of their team; the third goes elsewhere.
    w.pods("api", 2, 100, 1, Some(nodes[2]), tolerant);
    w.pods("z", 1, 100, 1, Some(nodes[2]), keep);
    // One that nobody takes.
    w.pods("lost", 1, 100, 1, Some(nodes[3]), |w, s| {
        let pair = (w.sym("team"), w.sym("none"));
        s.node_selector.push(pair);
    });
    w.pods("fine", 1, 100, 1, Some(nodes[3]), keep);
    let c = w.build();
    let templates = Templates::new(view(&c));
    let matcher = Matcher::new(view(&c), &templates, true, &[]);
    let notes = |n, g| matcher.notes(NodeIdx(n), g).into_iter().map(|d| (d.code, d.text)).collect::<Vec<_>>();
    assert_eq!(matcher.find(NodeIdx(0)), GroupMatch::Group(b));
    assert_eq!(matcher.find(NodeIdx(1)), GroupMatch::Group(a));
    assert_eq!(notes(1, a)[0].0, "pod-room");
    assert_eq!(matcher.find(NodeIdx(2)), GroupMatch::Group(api));
    let other = notes(2, api);
    assert_eq!(other.len(), 1);
    assert!(other[0].1.contains("another group takes pod") && other[0].1.ends_with("is not tolerated"), "{other:?}");
    let GroupMatch::None { nearest: Some((_, d)) } = matcher.find(NodeIdx(3)) else { panic!("lost has a group") };
    assert_eq!(d.len(), 1, "only what stands in the way: {d:?}");
    assert!(d[0].text.ends_with("node selector asks for team=none"), "{}", d[0].text);
    assert_eq!(d[0].remedy, "add label team=none to a");
    let found = matcher.find(NodeIdx(3));
    assert!(remedy(view(&c), NodeIdx(3), &found).starts_with("Add label team=none to a, or create "));
    // Without the group of the team its pods have none.
    let left = Matcher::new(view(&c), &templates, true, &[api]).find(NodeIdx(2));
    assert!(matches!(left, GroupMatch::None { .. }), "{left:?}");
}

#[test]
fn free_room_is_that_of_oceans_own_nodes() {
    let mut w = World::new();
    let m = w.machine("m4", 4000, 16, None);
    let g = w.group("vng", &[], &[m], 10);
    w.catalog.groups[g].origin = GroupOrigin::OceanAzure;
    w.node("foreign", &[], 4000, 16);
    w.node("oceans", &[("spotinst.io/node-lifecycle", "od")], 2000, 8);
    w.pods("a", 8, 1000, 1, None, keep);
    let c = w.build();
    let all = PackOptions { use_existing: true, ..PackOptions::default() };
    let p = pack_all(&c, &all);
    assert_eq!((p.on_existing, p.nodes()), (6, 1));
    let p = pack_all(&c, &PackOptions { oceans_only: true, ..all.clone() });
    assert_eq!((p.on_existing, p.nodes()), (2, 2));
    let p = pack_all(&c, &PackOptions { left: vec![g], ..all });
    assert_eq!((p.nodes(), p.unhosted[0].reasons[0].code), (0, "source-group"));
}

#[test]
fn groups_are_inferred_from_pools_and_say_so() {
    let mut w = World::new();
    for (i, zone) in ["za", "zb", "za"].iter().enumerate() {
        let labels = [
            ("agentpool", "general"),
            ("topology.kubernetes.io/zone", *zone),
            ("topology.disk.csi.azure.com/zone", *zone),
            ("node.kubernetes.io/instance-type", if i == 2 { "d8" } else { "d4" }),
            ("kubernetes.io/os", "linux"),
        ];
        w.node(&format!("n{i}"), &labels, 4000, 16);
    }
    w.node("other", &[("team", "x")], 2000, 8);
    let mut c = w.build();
    let findings = infer_groups(&mut c);
    let names: Vec<&str> = c.catalog.groups.iter().map(|g| c.catalog.text(g.id)).collect();
    assert_eq!(names, ["general", "team=x"]);
    let g = &c.catalog.groups[GroupIdx(0)];
    assert_eq!((g.machines.len(), g.zones.len(), g.max_count, g.max_is_assumed), (2, 2, 13, true));
    assert_eq!(c.catalog.text(c.catalog.machines[g.machines[0]].name), "d4");
    assert_eq!(c.state.nodes[NodeIdx(1)].group, Some(GroupIdx(0)));
    assert_eq!(findings[0].code, "groups-inferred");
    // A template repeats the zone under every key that live nodes repeat it under.
    let templates = Templates::new(view(&c));
    let t = &templates.all()[1];
    let key = c.catalog.names.get("topology.disk.csi.azure.com/zone").unwrap();
    assert_eq!(t.labels.get(key), t.zone);
    assert_eq!(match_node(view(&c), NodeIdx(0)), GroupMatch::Group(GroupIdx(0)));
}

#[test]
fn packing_grows_with_classes_not_with_pods() {
    let mut w = World::new();
    let machines = [("m8", 8000, 32), ("m16", 16_000, 64), ("r16", 16_000, 128), ("c32", 32_000, 64)]
        .map(|(n, c, g)| w.machine(n, c, g, None));
    w.group("a", &[("pool", "a")], &machines, 20_000);
    w.group("b", &[("pool", "b")], &machines, 20_000);
    for i in 0..600_usize {
        let (cpu, gib) = (100 + (i as i64 * 37) % 3900, 1 + (i as i64 * 13) % 14);
        w.pods("x", 250, cpu, gib, None, keep);
    }
    let c = w.build();
    let p = pack_all(&c, &PackOptions { choice: Choice::LeastWaste, ..PackOptions::default() });
    assert_eq!(p.unhosted, []);
    // 150,000 pods of 2 cores and 7.5 GiB on average: between the sum and a tenth more.
    let cores: i64 =
        p.launches.iter().map(|l| c.catalog.machines[l.machine].allocatable[0] / 1000 * i64::from(l.count)).sum();
    let asked: i64 =
        c.state.live_pods().map(|p| c.catalog.shape(c.state.pods[p].spec).requests.get(CPU)).sum::<i64>() / 1000;
    assert!(cores >= asked && cores * 10 <= asked * 13, "{cores} cores for {asked}");
}
