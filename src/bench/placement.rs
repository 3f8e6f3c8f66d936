//! The cluster that placements are measured on.

use crate::cluster::fixtures;
use crate::cluster::*;
use crate::scheduler::preemption::Preemptor;
use crate::scheduler::{Scheduler, SchedulerConfig};
use std::sync::Arc;

/// Pods on each node before anything is measured.
const FILLED: usize = 10;
const ZONES: [&str; 3] = ["a", "b", "c"];

/// What sets the pods of a case apart from ordinary ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A third of the kinds is spread by a Service (the default constraints), a third has a soft constraint of its own, a
    /// third has nothing; 20 different requests.
    Requests,
    /// Likewise, and each kind has a request of its own.
    OwnRequests,
    /// Required spread over zones.
    Spread,
    /// No two pods of a kind on one host.
    AntiAffinity,
    /// All pods of a kind in the zone of the first.
    Affinity,
    /// A volume in a zone for each pod, and nodes that attach 24 of them.
    Volumes,
    /// Pods that fit nowhere: too large for any node, for what is left, or of labels that no node has. Before each try
    /// one node changes.
    Failing,
}

impl Case {
    /// Name, nodes, kinds and case of each measurement.
    pub const ALL: [(&'static str, usize, usize, Case); 11] = [
        ("1000 nodes, 30 kinds", 1_000, 30, Case::Requests),
        ("1 kind", 5_000, 1, Case::Requests),
        ("30 kinds", 5_000, 30, Case::Requests),
        ("300 kinds", 5_000, 300, Case::Requests),
        ("3000 kinds", 5_000, 3_000, Case::Requests),
        ("3000 kinds of requests", 5_000, 3_000, Case::OwnRequests),
        ("required spread over zones", 5_000, 300, Case::Spread),
        ("required anti-affinity by host", 5_000, 300, Case::AntiAffinity),
        ("required affinity by zone", 5_000, 300, Case::Affinity),
        ("zonal volumes", 5_000, 300, Case::Volumes),
        ("failing", 5_000, 300, Case::Failing),
    ];
}

/// A cluster with its scheduler.
#[derive(Clone)]
pub struct World {
    catalog: Catalog,
    state: State,
    scheduler: Scheduler,
    preemptor: Preemptor,
    case: Case,
    /// What the cluster is filled with.
    plain: Vec<SpecIdx>,
    /// What is measured.
    specs: Vec<SpecIdx>,
    placed: Vec<PodIdx>,
}

fn selector(catalog: &mut Catalog, app: &str) -> Selector {
    let (key, value) = (catalog.names.intern("app"), catalog.names.intern(app));
    Selector::All(vec![Requirement { key, operator: Operator::In, values: [value].into_iter().collect(), bound: None }])
}

fn constraint(catalog: &mut Catalog, app: &str, when: WhenUnsatisfiable) -> SpreadConstraint {
    SpreadConstraint {
        max_skew: 1,
        topology_key: catalog.known.zone,
        when,
        selector: selector(catalog, app),
        min_domains: 1,
        honor_node_affinity: true,
        honor_node_taints: false,
    }
}

fn term(catalog: &mut Catalog, app: &str, topology_key: Sym) -> PodTerm {
    let selector = selector(catalog, app);
    PodTerm::new(selector, vec![NsIdx(0)], topology_key)
}

fn spec(catalog: &mut Catalog, app: &str, shape: PodShape) -> SpecIdx {
    let labels = Labels::new([(catalog.names.intern("app"), catalog.names.intern(app))]);
    let shape = catalog.intern_shape(shape);
    let pod = fixtures::pod_spec(NsIdx(0), catalog.known.empty, shape);
    catalog.specs.push(PodSpec { labels, ..pod })
}

/// The i-th kind of a case. `prefix` keeps the labels of two series apart.
fn kind(catalog: &mut Catalog, prefix: &str, i: usize, case: Case) -> SpecIdx {
    let app = format!("{prefix}-{i}");
    let n = i as i64;
    let (cpu, memory) = (50 + 50 * (n % 4), (64 + 64 * (n % 5)) << 20);
    let mut shape = match case {
        Case::OwnRequests => fixtures::shape_asking(catalog, 50 + n % 200, (64 << 20) + n * 4096),
        Case::Failing if i.is_multiple_of(3) => fixtures::shape_asking(catalog, 20_000 + n, memory),
        Case::Failing if i % 3 == 1 => fixtures::shape_asking(catalog, 15_900 + n % 100, memory),
        _ => fixtures::shape_asking(catalog, cpu, memory),
    };
    let host = catalog.known.hostname;
    let zone = catalog.known.zone;
    match case {
        Case::Requests | Case::OwnRequests if i % 3 == 1 => {
            shape.spread = vec![constraint(catalog, &app, WhenUnsatisfiable::ScheduleAnyway)];
        }
        Case::Requests | Case::OwnRequests if i.is_multiple_of(3) => {
            let name = catalog.names.intern(&app);
            let labels = Labels::new([(catalog.names.intern("app"), name)]);
            catalog.services.push(Service { namespace: NsIdx(0), name, selector: Some(labels) });
        }
        Case::Spread => shape.spread = vec![constraint(catalog, &app, WhenUnsatisfiable::DoNotSchedule)],
        Case::AntiAffinity => shape.anti_affinity = vec![term(catalog, &app, host)],
        Case::Affinity => shape.affinity = vec![term(catalog, &app, zone)],
        Case::Failing if i % 3 == 2 => {
            shape.node_selector = vec![(catalog.names.intern("disk"), catalog.names.intern(&app))];
        }
        _ => {}
    }
    spec(catalog, &app, shape)
}

/// A pod's own spec with a volume that is bound in a zone.
fn with_volume(catalog: &mut Catalog, volumes: &mut Vec<(PvcIdx, Arc<Pv>)>, i: usize, kinds: usize) -> SpecIdx {
    let (name, class) = (catalog.names.intern(&format!("data-{i}")), catalog.names.intern("zonal"));
    let modes = AccessModes { rwo: true, ..AccessModes::default() };
    let claim = catalog.claims.push(Pvc {
        namespace: NsIdx(0),
        name,
        uid: name,
        class: Some(class),
        attributes_class: catalog.known.empty,
        request: 1 << 30,
        modes,
        block: false,
        selector: None,
        lost: false,
        deleting: false,
    });
    let zone = catalog.names.intern(ZONES[i / kinds % ZONES.len()]);
    let key = catalog.known.zone;
    let place = Requirement { key, operator: Operator::In, values: [zone].into_iter().collect(), bound: None };
    let terms = vec![NodeSelectorTerm { expressions: vec![place], fields: Vec::new() }];
    let driver = Some(catalog.names.intern("disk.csi.example.com"));
    let phase = catalog.names.intern("Bound");
    let volume = Pv {
        name,
        labels: Labels::default(),
        class,
        attributes_class: catalog.known.empty,
        capacity: 1 << 30,
        modes,
        block: false,
        node_affinity: Some(NodeSelector { terms }),
        driver,
        handle: Some(name),
        claim_ref: Some((NsIdx(0), name)),
        claim_ref_has_uid: false,
        phase,
        deleting: false,
    };
    volumes.push((claim, Arc::new(volume)));
    let mut shape = fixtures::shape_asking(catalog, 50 + 50 * (i % kinds % 4) as i64, 64 << 20);
    shape.volumes = vec![Volume::Claim(0)];
    let spec = spec(catalog, &format!("db-{}", i % kinds), shape);
    catalog.specs[spec].claims = vec![ClaimRef { name, claim: Some(claim), ephemeral: false }];
    spec
}

fn node(catalog: &mut Catalog, i: usize) -> NodeSpec {
    let name = catalog.names.intern(&format!("node-{i}"));
    let zone = catalog.names.intern(ZONES[i % ZONES.len()]);
    let driver = catalog.names.intern("disk.csi.example.com");
    NodeSpec {
        name,
        uid: name,
        labels: Labels::new([(catalog.known.hostname, name), (catalog.known.zone, zone)]),
        annotations: Vec::new(),
        allocatable: vec![16_000, 64 << 30, 100 << 30],
        pod_slots: 110,
        taints: Vec::new(),
        images: Vec::new(),
        attach_limits: Some(vec![AttachLimit { driver, count: Some(24) }]),
        volumes_in_use: Vec::new(),
        provider_id: None,
        kubelet_version: None,
        declared_features: Vec::new(),
        created: 0,
        machine: None,
        price_micros_per_hour: None,
    }
}

impl World {
    /// A cluster of that many nodes with ten pods each.
    pub fn new(nodes: usize, kinds: usize, case: Case) -> World {
        let mut catalog = Catalog::new();
        let name = catalog.names.intern("default");
        catalog.namespaces.push(Namespace { name, labels: Labels::default(), terminating: false });
        let mut volumes = Vec::new();
        let specs: Vec<SpecIdx> = match case {
            Case::Volumes => (0..20_000).map(|i| with_volume(&mut catalog, &mut volumes, i, kinds)).collect(),
            _ => (0..kinds).map(|i| kind(&mut catalog, "app", i, case)).collect(),
        };
        let plain: Vec<SpecIdx> = match case {
            Case::Failing | Case::Volumes => {
                (0..kinds).map(|i| kind(&mut catalog, "plain", i, Case::Requests)).collect()
            }
            _ => specs.clone(),
        };
        let made: Vec<NodeSpec> = (0..nodes).map(|i| node(&mut catalog, i)).collect();
        let mut state = State::new(&catalog);
        for spec in made {
            state.add_node(Arc::new(spec), None, true, 0);
        }
        for (claim, volume) in volumes {
            let volume = state.add_volume(volume, Some(claim));
            state.bind_claim(claim, volume);
        }
        let scheduler = Scheduler::new(&catalog, &state, SchedulerConfig::default());
        let preemptor = Preemptor::default();
        let mut world = World { catalog, state, scheduler, preemptor, case, plain, specs, placed: Vec::new() };
        let plain = world.plain.clone();
        world.fill(&plain, nodes * FILLED);
        world
    }

    /// Decides on so many pods and binds those that fit; how many did.
    pub fn round(&mut self, pods: usize) -> usize {
        match self.case {
            Case::Failing => self.fail(pods),
            _ => self.fill(&self.specs.clone(), pods),
        }
    }

    fn fill(&mut self, specs: &[SpecIdx], pods: usize) -> usize {
        let name = self.state.make_name("pod");
        let before = self.placed.len();
        let step = if self.case == Case::Volumes { 1 } else { 7 };
        for i in 0..pods {
            let pod = self.state.create_pod(&self.catalog, specs[(before + i) * step % specs.len()], name, 0);
            let decision = self.scheduler.decide(&self.catalog, &mut self.state, pod, &mut |_| 0);
            if let Some(node) = decision.node() {
                self.state.bind(&self.catalog, pod, node, 0);
                self.placed.push(pod);
            }
            self.forget();
        }
        self.placed.len() - before
    }

    /// Tries pods that fit nowhere, each after a pod has ended on some node.
    fn fail(&mut self, tries: usize) -> usize {
        let name = self.state.make_name("pod");
        let pending: Vec<PodIdx> =
            self.specs.iter().map(|s| self.state.create_pod(&self.catalog, *s, name, 0)).collect();
        let mut words = 0;
        for i in 0..tries {
            let ended = self.placed[i * 7 % self.placed.len()];
            self.state.set_phase(&self.catalog, ended, Phase::Succeeded);
            let pod = pending[i % pending.len()];
            let decision = self.scheduler.decide(&self.catalog, &mut self.state, pod, &mut |_| 0);
            let Some(failure) = decision.failure().cloned() else { continue };
            let profile = self.scheduler.profile(&self.catalog, &self.state, pod).clone();
            let (check, state) = (&mut self.scheduler, &mut self.state);
            let preemption = self.preemptor.preempt(check, &profile, &self.catalog, state, pod, &failure, &mut |_| 0);
            words += failure.message(&self.catalog, &preemption.post_filter(&profile, &self.catalog, &failure)).len();
            self.forget();
        }
        words
    }

    fn forget(&mut self) {
        let read = self.scheduler.cursor();
        self.state.forget_changes(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::draw::Draws;

    /// What the scheduler keeps from pod to pod changes nothing: each decision, with its words, is that of one that was just made.
    #[test]
    fn each_case_decides_as_a_new_scheduler_does() {
        let cases = [
            Case::Requests,
            Case::OwnRequests,
            Case::Spread,
            Case::AntiAffinity,
            Case::Affinity,
            Case::Volumes,
            Case::Failing,
        ];
        for case in cases {
            let mut world = World::new(150, 12, case);
            let name = world.state.make_name("pod");
            let draws = Draws::new(17);
            let draw =
                |what: &str, step: usize, n: usize| draws.below("placement", what, step as u64, n as u64) as usize;
            let (mut placed, mut failed) = (0, 0);
            for step in 0..120 {
                let node = NodeIdx(draw("node", step, 150) as u32);
                let cordoned = world.state.nodes[node].unschedulable;
                match draw("what", step, 12) {
                    0 => world.state.set_unschedulable(node, !cordoned),
                    1..4 => {
                        let ended = world.placed[draw("pod", step, world.placed.len())];
                        world.state.set_phase(&world.catalog, ended, Phase::Succeeded);
                    }
                    // The first nodes stay: they say in which order a new scheduler sees the zones.
                    4 if step % 3 == 0 && node.0 > 2 => world.state.remove_node(node),
                    _ => {}
                }
                let spec = world.specs[draw("spec", step, world.specs.len().min(100))];
                let pod = world.state.create_pod(&world.catalog, spec, name, 0);
                let mut new = Scheduler::new(&world.catalog, &world.state, SchedulerConfig::default());
                new.sync(&world.catalog, &world.state);
                world.scheduler.sync(&world.catalog, &world.state);
                new.start_with(&world.scheduler);
                let wanted = new.decide(&world.catalog, &mut world.state, pod, &mut |_| 0);
                let found = world.scheduler.decide(&world.catalog, &mut world.state, pod, &mut |_| 0);
                let of = |d: &crate::scheduler::Decision| (d.node(), d.feasible, d.evaluated, d.failure().cloned());
                assert_eq!(of(&found), of(&wanted), "{case:?}, step {step}");
                match found.node() {
                    Some(node) => {
                        placed += 1;
                        world.state.bind(&world.catalog, pod, node, 0);
                        world.placed.push(pod);
                    }
                    None => {
                        failed += 1;
                        let said = |d: &crate::scheduler::Decision| d.failure().map(|f| f.message(&world.catalog, ""));
                        assert_eq!(said(&found), said(&wanted), "{case:?}, step {step}");
                        world.state.remove_pod(&world.catalog, pod);
                    }
                }
            }
            assert!(if case == Case::Failing { failed > 50 } else { placed > 50 }, "{case:?}: {placed}, {failed}");
        }
    }
}
