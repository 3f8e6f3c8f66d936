//! A small world for unit tests: one namespace, owners, pods and budgets made in a line each.

use crate::cluster::*;
use std::sync::Arc;

/// A catalogue being written, and then the state over it.
pub struct World {
    pub catalog: Catalog,
    pub ns: NsIdx,
    shape: ShapeIdx,
    pods: Vec<PodSeed>,
    statuses: Vec<BudgetStatus>,
}

struct PodSeed {
    spec: SpecIdx,
    phase: Phase,
    ready: bool,
    bound: bool,
}

impl World {
    pub fn new() -> World {
        let mut catalog = Catalog::new();
        let name = catalog.names.intern("ns");
        let ns = catalog.namespaces.push(Namespace { name, labels: Labels::default(), terminating: false });
        let shape = fixtures::shape(&catalog);
        let shape = catalog.intern_shape(shape);
        World { catalog, ns, shape, pods: vec![], statuses: vec![] }
    }
    pub fn sym(&mut self, text: &str) -> Sym {
        self.catalog.names.intern(text)
    }
    /// An owner `kind/name`; the scale source follows from the kind.
    pub fn owner(&mut self, kind: OwnerKind, name: &str, replicas: Option<i64>) -> OwnerIdx {
        let (sym, uid) = (self.sym(name), self.sym(&format!("uid-{name}")));
        let owner = fixtures::owner(&mut self.catalog, kind, self.ns, sym, replicas);
        self.catalog.owners.push(Owner { uid, ..owner })
    }
    /// A bound, running pod `name` with label `app=<app>`; its index is its position of asking.
    pub fn pod(&mut self, name: &str, app: &str, owner: Option<OwnerIdx>, ready: bool) -> PodIdx {
        let key = self.sym("app");
        let value = self.sym(app);
        let generate = name.rsplit_once('-').map(|(stem, _)| format!("{stem}-"));
        let generate_name = generate.map(|g| self.sym(&g));
        let (sym, uid) = (self.sym(name), self.sym(&format!("uid-{name}")));
        let spec = PodSpec {
            generate_name,
            uid,
            labels: Labels::new([(key, value)]),
            owner,
            ordinal: name.rsplit_once('-').and_then(|(_, n)| n.parse().ok()),
            ..fixtures::pod_spec(self.ns, sym, self.shape)
        };
        let spec = self.catalog.specs.push(spec);
        self.pods.push(PodSeed { spec, phase: Phase::Running, ready, bound: true });
        PodIdx::new(self.pods.len() - 1)
    }
    /// Changes the last pod's phase; a pending one is not bound.
    pub fn phase(&mut self, phase: Phase) {
        if let Some(pod) = self.pods.last_mut() {
            pod.phase = phase;
            pod.bound = phase != Phase::Pending;
        }
    }
    /// A budget over `app=<app>` (all pods for "*"), its generation observed.
    pub fn budget(&mut self, name: &str, app: &str, demand: Demand) -> BudgetIdx {
        let key = self.sym("app");
        let value = self.sym(app);
        let requirements = match app {
            "*" => vec![],
            _ => vec![Requirement { key, operator: Operator::In, values: [value].into_iter().collect(), bound: None }],
        };
        let budget = Budget {
            namespace: self.ns,
            name: self.sym(name),
            uid: self.sym(&format!("uid-{name}")),
            selector: Selector::All(requirements),
            demand: Some(demand),
            always_allow_unhealthy: false,
            generation: 1,
        };
        self.statuses.push(BudgetStatus { observed_generation: 1, ..BudgetStatus::default() });
        self.catalog.budgets.push(budget)
    }
    /// The state at time 0: one ready node "n0" with all bound pods on it.
    pub fn state(&mut self) -> State {
        let name = self.sym("n0");
        let node = node_spec(name, self.catalog.resources.len());
        let mut state = State::new(&self.catalog);
        let node = state.add_node(Arc::new(node), None, true, -1000);
        for seed in &self.pods {
            let spec = &self.catalog.specs[seed.spec];
            let pod = PodState {
                uid: spec.uid,
                phase: seed.phase,
                node: seed.bound.then_some(node),
                ready: seed.ready,
                ready_since: -1000,
                created: -1000,
                started: -1000,
                ..fixtures::pod(seed.spec, spec.name)
            };
            state.add_pod(&self.catalog, pod);
        }
        for (i, status) in self.statuses.iter().enumerate() {
            state.set_budget(BudgetIdx::new(i), status.clone());
        }
        state
    }
}

/// A node that offers 110 pods and nothing else.
pub fn node_spec(name: Sym, dims: usize) -> NodeSpec {
    NodeSpec { created: -1000, ..fixtures::node_spec(name, vec![0; dims]) }
}
