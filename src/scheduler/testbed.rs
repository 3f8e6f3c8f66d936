//! Small hand-made clusters for the tests of this room.

use crate::cluster::*;
use smallvec::SmallVec;
use std::sync::Arc;

/// A cluster under construction: build the catalogue first (`ns`, `spec`, …), then call `start`.
pub(crate) struct Bed {
    pub catalog: Catalog,
    pub state: State,
    names: u32,
}

impl Bed {
    pub fn new() -> Bed {
        let mut catalog = Catalog::new();
        let name = catalog.names.intern("default");
        catalog.namespaces.push(Namespace { name, labels: Labels::default(), terminating: false });
        let state = State::new(&catalog);
        Bed { catalog, state, names: 0 }
    }
    pub fn sym(&mut self, text: &str) -> Sym {
        self.catalog.names.intern(text)
    }
    /// A shape that asks for cpu (milli) at a priority, to be changed at will.
    pub fn shape(&mut self, cpu: i64, priority: i32) -> PodShape {
        let requests =
            Requests { amounts: if cpu > 0 { vec![(CPU, cpu)] } else { Vec::new() }, nonzero: [cpu, 200 << 20] };
        PodShape { incoming_nonzero: requests.nonzero, requests, priority, ..fixtures::shape(&self.catalog) }
    }
    /// A spec of that shape in the default namespace, with labels `k=v`.
    pub fn spec(&mut self, shape: PodShape, labels: &[(&str, &str)]) -> SpecIdx {
        let labels =
            Labels::new(labels.iter().map(|(k, v)| (self.catalog.names.intern(k), self.catalog.names.intern(v))));
        let shape = self.catalog.intern_shape(shape);
        let empty = self.catalog.known.empty;
        self.catalog.specs.push(PodSpec { labels, ..fixtures::pod_spec(NsIdx(0), empty, shape) })
    }
    /// Rebuilds the state once the catalogue is complete.
    pub fn start(&mut self) {
        self.state = State::new(&self.catalog);
    }
    /// A ready node with cpu (milli) and 110 pods; labels besides its hostname. Names must be interned before `start`.
    pub fn node(&mut self, name: &str, cpu: i64, labels: &[(&str, &str)]) -> NodeIdx {
        let spec = self.node_spec(name, cpu, labels);
        self.state.add_node(Arc::new(spec), None, true, 0)
    }
    pub fn node_spec(&mut self, name: &str, cpu: i64, labels: &[(&str, &str)]) -> NodeSpec {
        let name = self.catalog.names.intern(name);
        let mut all: Vec<(Sym, Sym)> =
            labels.iter().map(|(k, v)| (self.catalog.names.intern(k), self.catalog.names.intern(v))).collect();
        all.push((self.catalog.known.hostname, name));
        NodeSpec { labels: Labels::new(all), ..fixtures::node_spec(name, vec![cpu, 64 << 30, 64 << 30]) }
    }
    /// A pending pod.
    pub fn pod(&mut self, spec: SpecIdx, now: i64) -> PodIdx {
        self.names += 1;
        let name = self.state.make_name(&format!("pod-{}", self.names));
        self.state.create_pod(&self.catalog, spec, name, now)
    }
    /// A running pod on a node.
    pub fn running(&mut self, spec: SpecIdx, node: NodeIdx, started: i64) -> PodIdx {
        let pod = self.pod(spec, started);
        self.state.bind(&self.catalog, pod, node, started);
        self.state.set_phase(&self.catalog, pod, Phase::Running);
        pod
    }
    /// One NoSchedule taint.
    pub fn taint(&mut self, key: &str) -> SmallVec<[Taint; 2]> {
        let key = self.sym(key);
        let value = self.catalog.known.empty;
        SmallVec::from_slice(&[Taint { key, value, effect: Effect::NoSchedule }])
    }
    /// A storage class; `waits` for the first consumer.
    pub fn class(&mut self, name: &str, provisioner: &str, waits: bool) -> Sym {
        let (name, provisioner) = (self.sym(name), self.sym(provisioner));
        self.catalog.classes.push(StorageClass {
            name,
            provisioner,
            waits_for_consumer: waits,
            allowed_topologies: None,
            is_default: false,
        });
        name
    }
    /// An unbound claim of 10 bytes.
    pub fn claim(&mut self, name: &str, class: Sym) -> PvcIdx {
        let name = self.sym(name);
        self.catalog.claims.push(Pvc {
            namespace: NsIdx(0),
            name,
            uid: name,
            class: Some(class),
            attributes_class: self.catalog.known.empty,
            request: 10,
            modes: AccessModes { rwo: true, ..AccessModes::default() },
            block: false,
            selector: None,
            lost: false,
            deleting: false,
        })
    }
    /// An available volume, reachable from one zone only if one is named.
    pub fn volume(&mut self, name: &str, class: Sym, capacity: i64, zone: Option<&str>) -> PvIdx {
        let (name, driver, phase) = (self.sym(name), self.sym("csi.x"), self.sym("Available"));
        let key = self.catalog.known.zone;
        let affinity = zone.map(|zone| Requirement {
            key,
            operator: Operator::In,
            values: SmallVec::from_slice(&[self.sym(zone)]),
            bound: None,
        });
        let pv = Pv {
            name,
            labels: Labels::default(),
            class,
            attributes_class: self.catalog.known.empty,
            capacity,
            modes: AccessModes { rwo: true, ..AccessModes::default() },
            block: false,
            node_affinity: affinity
                .map(|r| NodeSelector { terms: vec![NodeSelectorTerm { expressions: vec![r], fields: Vec::new() }] }),
            driver: Some(driver),
            handle: Some(name),
            claim_ref: None,
            claim_ref_has_uid: false,
            phase,
            deleting: false,
        };
        self.state.add_volume(Arc::new(pv), None)
    }
    /// A spec that mounts these claims.
    pub fn spec_with(&mut self, claims: &[PvcIdx]) -> SpecIdx {
        let mut shape = self.shape(0, 0);
        shape.volumes = (0..claims.len() as u32).map(Volume::Claim).collect();
        let spec = self.spec(shape, &[]);
        let claims =
            claims.iter().map(|c| ClaimRef { name: self.catalog.claims[*c].name, claim: Some(*c), ephemeral: false });
        let claims = claims.collect();
        self.catalog.specs[spec].claims = claims;
        spec
    }
}
