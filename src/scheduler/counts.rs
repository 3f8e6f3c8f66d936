//! How many pods that a selector matches are in each domain, kept as pods come and go.

use super::ident::{Ident, Idents};
use super::topology::{NO_DOMAIN, TopoKey, Topology};
use crate::cluster::{
    Idx, Interner, NodeIdx, NodeSelector, NodeState, NsIdx, PodShape, PodTerm, Selector, State, Sym, Toleration,
};
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};

/// In which namespaces a selector looks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Namespaces {
    /// In all.
    All,
    /// In these, sorted.
    These(Vec<NsIdx>),
}

impl Namespaces {
    /// Those of an affinity term.
    pub fn of(term: &PodTerm) -> Namespaces {
        if term.all_namespaces { Namespaces::All } else { Namespaces::These(term.namespaces.clone()) }
    }
    fn contains(&self, namespace: NsIdx) -> bool {
        match self {
            Namespaces::All => true,
            Namespaces::These(list) => list.contains(&namespace),
        }
    }
}

/// Whether an affinity term selects pods of a kind.
pub fn term_matches(term: &PodTerm, ident: &Ident, names: &Interner) -> bool {
    (term.all_namespaces || term.namespaces.contains(&ident.namespace)) && term.selector.matches(&ident.labels, names)
}

/// Which pods are counted: those that every one of the terms selects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MatcherKey {
    /// Selectors with their namespaces, all of which must match.
    pub terms: Vec<(Selector, Namespaces)>,
    /// Pods being deleted do not count (spread, not affinity).
    pub live_only: bool,
}

impl MatcherKey {
    fn matches(&self, ident: &Ident, names: &Interner) -> bool {
        self.terms.iter().all(|(s, ns)| ns.contains(ident.namespace) && s.matches(&ident.labels, names))
    }
}

/// Counts of one matcher by node.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// Matching pods on each node, by index; nodes beyond the end have none.
    pub nodes: Vec<u32>,
    counters: Vec<u32>,
}

/// Which nodes a spread constraint counts (`matchNodeInclusionPolicies` and the keys that must be there).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EligibilityKey {
    /// Node selector and required node affinity, where honoured.
    pub affinity: Option<(Vec<(Sym, Sym)>, Option<NodeSelector>)>,
    /// Tolerations, where taints are honoured.
    pub tolerations: Option<Vec<Toleration>>,
    /// Label keys the node must have.
    pub keys: Vec<TopoKey>,
}

/// Nodes that count.
#[derive(Clone, Debug, Default)]
struct Eligibility {
    nodes: Vec<bool>,
    counters: Vec<u32>,
}

/// Counts of one matcher by domain over eligible nodes.
#[derive(Clone, Debug)]
pub struct Counter {
    /// The matcher counted.
    pub matcher: u32,
    /// The key whose domains they are.
    pub key: TopoKey,
    eligibility: u32,
    /// Pods in each domain.
    pub counts: Vec<u32>,
    /// Eligible nodes in each domain.
    members: Vec<u32>,
    /// Number of domains (with members) by their count.
    histogram: Vec<u32>,
    lowest: usize,
    /// Number of domains that have an eligible node.
    pub domains: usize,
    /// Pods in all domains.
    pub total: u64,
}

impl Counter {
    /// Pods in a domain.
    pub fn count(&self, domain: usize) -> u32 {
        self.counts.get(domain).copied().unwrap_or(0)
    }
    /// Fewest pods in a domain that has an eligible node; 0 if there is none.
    pub fn min(&self) -> u32 {
        let from = self.lowest.min(self.histogram.len());
        self.histogram[from..].iter().position(|n| *n > 0).map_or(0, |i| (from + i) as u32)
    }
    fn reserve(&mut self, domain: usize) {
        if self.counts.len() <= domain {
            self.counts.resize(domain + 1, 0);
            self.members.resize(domain + 1, 0);
        }
    }
    fn slot(&mut self, count: u32) -> &mut u32 {
        if self.histogram.len() <= count as usize {
            self.histogram.resize(count as usize + 1, 0);
        }
        self.lowest = self.lowest.min(count as usize);
        &mut self.histogram[count as usize]
    }
    fn change(&mut self, domain: usize, delta: i64) {
        self.reserve(domain);
        let before = self.counts[domain];
        let after = (i64::from(before) + delta).max(0) as u32;
        self.counts[domain] = after;
        self.total = (self.total as i64 + delta).max(0) as u64;
        if self.members[domain] > 0 {
            *self.slot(before) -= 1;
            *self.slot(after) += 1;
            while self.lowest + 1 < self.histogram.len() && self.histogram[self.lowest] == 0 {
                self.lowest += 1;
            }
        }
    }
    fn join(&mut self, domain: usize) {
        self.reserve(domain);
        self.members[domain] += 1;
        if self.members[domain] == 1 {
            self.domains += 1;
            let count = self.counts[domain];
            *self.slot(count) += 1;
        }
    }
    fn leave(&mut self, domain: usize) {
        self.members[domain] -= 1;
        if self.members[domain] == 0 {
            self.domains -= 1;
            let count = self.counts[domain];
            *self.slot(count) -= 1;
        }
    }
}

/// All matchers and counters, interned: equal questions share an answer.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    matchers: IndexMap<MatcherKey, Matcher, FxBuildHasher>,
    everywhere: Vec<u32>,
    by_namespace: FxHashMap<NsIdx, Vec<u32>>,
    eligibilities: IndexMap<EligibilityKey, Eligibility, FxBuildHasher>,
    counters: Vec<Counter>,
    counter_ids: FxHashMap<(u32, TopoKey, u32), u32>,
}

/// Whether a node meets a pod's node selector and required node affinity.
pub fn node_matches(
    selector: &[(Sym, Sym)],
    affinity: Option<&NodeSelector>,
    node: &NodeState,
    names: &Interner,
) -> bool {
    let labels = &node.spec.labels;
    selector.iter().all(|(k, v)| labels.get(*k) == Some(*v))
        && affinity.is_none_or(|a| a.matches(labels, node.spec.name, names))
}

impl EligibilityKey {
    fn admits(&self, topology: &Topology, index: NodeIdx, node: &NodeState, names: &Interner) -> bool {
        !node.gone
            && self.keys.iter().all(|k| topology.domain(*k, index).is_some())
            && self.affinity.as_ref().is_none_or(|(s, a)| node_matches(s, a.as_ref(), node, names))
            && self.tolerations.as_ref().is_none_or(|tolerations| {
                let hard = |t: &&crate::cluster::Taint| t.effect != crate::cluster::Effect::PreferNoSchedule;
                node.taints.iter().filter(hard).all(|t| tolerations.iter().any(|tol| tol.tolerates(t)))
            })
    }
    /// The policies of one constraint of a pod.
    pub fn of(shape: &PodShape, honor_affinity: bool, honor_taints: bool, keys: Vec<TopoKey>) -> EligibilityKey {
        let affinity = (shape.node_selector.clone(), shape.node_affinity.clone());
        let restricts = !affinity.0.is_empty() || affinity.1.is_some();
        EligibilityKey {
            affinity: (honor_affinity && restricts).then_some(affinity),
            tolerations: honor_taints.then(|| shape.tolerations.clone()),
            keys,
        }
    }
}

impl Counts {
    /// A matcher's counts.
    pub fn matcher(&self, matcher: u32) -> &Matcher {
        &self.matchers[matcher as usize]
    }
    /// A counter.
    pub fn counter(&self, counter: u32) -> &Counter {
        &self.counters[counter as usize]
    }
    /// The matcher of a key; a new one counts the pods that are there.
    pub fn matcher_of(&mut self, key: MatcherKey, idents: &mut Idents, names: &Interner) -> u32 {
        if let Some(known) = self.matchers.get_index_of(&key) {
            return known as u32;
        }
        let id = self.matchers.len() as u32;
        let mut matcher = Matcher::default();
        let mut count = |ident: &mut Ident| {
            if key.matches(ident, names) {
                ident.matchers.push(id);
                for (node, counts) in &ident.nodes {
                    *at(&mut matcher.nodes, *node) += counts[usize::from(key.live_only)];
                }
            }
        };
        match key.terms.first().map(|t| &t.1) {
            Some(Namespaces::These(list)) => {
                for namespace in list {
                    self.by_namespace.entry(*namespace).or_default().push(id);
                    for ident in idents.by_namespace.get(namespace.at()).into_iter().flatten() {
                        count(&mut idents.all[*ident as usize]);
                    }
                }
            }
            _ => {
                self.everywhere.push(id);
                idents.all.iter_mut().for_each(count);
            }
        }
        self.matchers.insert(key, matcher);
        id
    }
    /// Tells a new kind of pods which matchers select it.
    pub fn introduce(&self, ident: &mut Ident, names: &Interner) {
        let local = self.by_namespace.get(&ident.namespace);
        for id in self.everywhere.iter().chain(local.into_iter().flatten()) {
            if let Some((key, _)) = self.matchers.get_index(*id as usize)
                && key.matches(ident, names)
            {
                ident.matchers.push(*id);
            }
        }
    }
    /// The counter of a matcher by a key over the nodes that a policy admits.
    pub fn counter_of(
        &mut self,
        matcher: u32,
        key: TopoKey,
        policy: EligibilityKey,
        topology: &Topology,
        state: &State,
        names: &Interner,
    ) -> u32 {
        let eligibility = self.eligibility_of(policy, topology, state, names);
        if let Some(known) = self.counter_ids.get(&(matcher, key, eligibility)) {
            return *known;
        }
        let id = self.counters.len() as u32;
        let mut counter = Counter {
            matcher,
            key,
            eligibility,
            counts: Vec::new(),
            members: Vec::new(),
            histogram: Vec::new(),
            lowest: 0,
            domains: 0,
            total: 0,
        };
        let nodes = &self.matchers[matcher as usize].nodes;
        let eligible = &mut self.eligibilities[eligibility as usize];
        for (i, _) in eligible.nodes.iter().enumerate().filter(|e| *e.1) {
            if let Some(domain) = topology.domain(key, NodeIdx::new(i)) {
                counter.join(domain);
                counter.change(domain, i64::from(nodes.get(i).copied().unwrap_or(0)));
            }
        }
        eligible.counters.push(id);
        self.matchers[matcher as usize].counters.push(id);
        self.counters.push(counter);
        self.counter_ids.insert((matcher, key, eligibility), id);
        id
    }
    fn eligibility_of(&mut self, policy: EligibilityKey, topology: &Topology, state: &State, names: &Interner) -> u32 {
        if let Some(known) = self.eligibilities.get_index_of(&policy) {
            return known as u32;
        }
        let nodes = state.nodes.entries().map(|(i, n)| policy.admits(topology, i, n, names)).collect();
        self.eligibilities.insert_full(policy, Eligibility { nodes, counters: Vec::new() }).0 as u32
    }
    /// Pods of a kind came to a node or left it: all of them, and those not being deleted.
    pub fn change(&mut self, ident: &Ident, node: NodeIdx, all: i64, live: i64, topology: &Topology) {
        for id in &ident.matchers {
            let Some((key, matcher)) = self.matchers.get_index_mut(*id as usize) else { continue };
            let delta = if key.live_only { live } else { all };
            if delta == 0 {
                continue;
            }
            let count = at(&mut matcher.nodes, node);
            *count = (i64::from(*count) + delta).max(0) as u32;
            for counter in &matcher.counters {
                let counter = &mut self.counters[*counter as usize];
                let eligible = &self.eligibilities[counter.eligibility as usize].nodes;
                if eligible.get(node.at()).copied().unwrap_or(false)
                    && let Some(domain) = topology.domain(counter.key, node)
                {
                    counter.change(domain, delta);
                }
            }
        }
    }
    /// A node appeared, went or changed its taints.
    pub fn node_changed(&mut self, index: NodeIdx, node: &NodeState, topology: &Topology, names: &Interner) {
        for (policy, eligibility) in &mut self.eligibilities {
            let now = policy.admits(topology, index, node, names);
            if eligibility.nodes.len() <= index.at() {
                eligibility.nodes.resize(index.at() + 1, false);
            }
            if eligibility.nodes[index.at()] == now {
                continue;
            }
            eligibility.nodes[index.at()] = now;
            for counter in &eligibility.counters {
                let counter = &mut self.counters[*counter as usize];
                let Some(domain) = topology.domain(counter.key, index) else { continue };
                let pods = self.matchers[counter.matcher as usize].nodes.get(index.at()).copied().unwrap_or(0);
                if now {
                    counter.join(domain);
                    counter.change(domain, i64::from(pods));
                } else {
                    counter.change(domain, -i64::from(pods));
                    counter.leave(domain);
                }
            }
        }
    }
}

fn at(nodes: &mut Vec<u32>, node: NodeIdx) -> &mut u32 {
    if nodes.len() <= node.at() {
        nodes.resize(node.at() + 1, 0);
    }
    &mut nodes[node.at()]
}

/// The domain of a node in a key's table, if it has the key.
pub fn domain_at(of: &[u32], node: NodeIdx) -> Option<usize> {
    of.get(node.at()).copied().filter(|d| *d != NO_DOMAIN).map(|d| d as usize)
}
