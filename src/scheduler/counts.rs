//! How many pods that a selector matches are in each domain, kept as pods come and go.

use super::ident::{Ident, Idents};
use super::tally::Tally;
use super::topology::{NO_DOMAIN, TopoKey, Topology};
use crate::cluster::{
    Idx, Interner, NodeIdx, NodeSelector, NodeState, NsIdx, Operator, PodShape, PodTerm, Rules, Selector, SharedArena,
    State, Sym, Toleration,
};
use indexmap::{IndexMap, IndexSet};
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;
use std::sync::Arc;

/// In which namespaces a selector looks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Namespaces {
    /// In all.
    All,
    /// In these, sorted.
    These(Vec<NsIdx>),
}

impl Namespaces {
    /// Those of an affinity term of a pod that is being scheduled.
    pub fn of(term: &PodTerm, rules: Rules) -> Namespaces {
        if term.covers_all_when_scheduled(rules) { Namespaces::All } else { Namespaces::These(term.namespaces.clone()) }
    }
    fn contains(&self, namespace: NsIdx) -> bool {
        match self {
            Namespaces::All => true,
            Namespaces::These(list) => list.contains(&namespace),
        }
    }
}

/// Whether an affinity term of a pod that has its node selects pods of a kind.
pub fn term_matches(term: &PodTerm, ident: &Ident, names: &Interner) -> bool {
    term.covers(ident.namespace) && term.selector.matches(&ident.labels, names)
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
    /// Whether every term selects pods of a kind.
    pub fn matches(&self, ident: &Ident, names: &Interner) -> bool {
        self.terms.iter().all(|(s, ns)| ns.contains(ident.namespace) && s.matches(&ident.labels, names))
    }
}

/// Counts of one matcher by node.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// Matching pods on each node, by index.
    pub nodes: Tally,
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
    /// Its groups, one for each key that is counted by.
    groups: Vec<u32>,
}

/// The domains of one key over eligible nodes; all counters of the same question share them.
#[derive(Clone, Debug)]
struct Group {
    eligibility: u32,
    key: TopoKey,
    /// Eligible nodes in each domain.
    members: Vec<u32>,
    /// Number of domains that have an eligible node.
    domains: usize,
}

impl Group {
    fn join(&mut self, domain: usize) {
        if self.members.len() <= domain {
            self.members.resize(domain + 1, 0);
        }
        self.members[domain] += 1;
        self.domains += usize::from(self.members[domain] == 1);
    }

    fn leave(&mut self, domain: usize) {
        self.members[domain] -= 1;
        self.domains -= usize::from(self.members[domain] == 0);
    }
}

/// Counts of one matcher by domain over eligible nodes. A domain without an eligible node holds nothing.
#[derive(Clone, Debug)]
pub struct Counter {
    /// The key whose domains they are.
    pub key: TopoKey,
    group: u32,
    /// Pods in each domain.
    pub counts: Tally,
    /// Number of domains that hold something, by their count.
    histogram: Vec<u32>,
    lowest: usize,
    /// Number of domains that hold something.
    held: usize,
    /// Pods in all domains.
    pub total: u64,
}

impl Counter {
    fn change(&mut self, domain: usize, delta: i64) {
        if delta == 0 {
            return;
        }
        let (before, after) = self.counts.change(domain, delta);
        self.total = (self.total as i64 + delta).max(0) as u64;
        if before > 0 {
            self.histogram[before as usize] -= 1;
            self.held -= 1;
        }
        if after > 0 {
            let after = after as usize;
            if self.histogram.len() <= after {
                self.histogram.resize(after + 1, 0);
            }
            self.histogram[after] += 1;
            self.held += 1;
            self.lowest = self.lowest.min(after);
        }
        while self.lowest + 1 < self.histogram.len() && self.histogram[self.lowest] == 0 {
            self.lowest += 1;
        }
    }

    /// Fewest pods in a domain that holds something; 0 if none does.
    fn least_held(&self) -> u32 {
        match self.histogram.get(self.lowest) {
            Some(n) if *n > 0 => self.lowest as u32,
            _ => 0,
        }
    }
}

/// All matchers and counters, interned: equal questions share an answer.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    keys: Arc<IndexSet<MatcherKey, FxBuildHasher>>,
    /// In step with their keys.
    matchers: SharedArena<usize, Matcher>,
    /// Matchers by a label that they ask for; without a namespace where they look in all.
    by_label: Arc<FxHashMap<(Option<NsIdx>, Sym, Sym), Vec<u32>>>,
    /// Those that ask for no label: in all namespaces, and by namespace.
    everywhere: Vec<u32>,
    by_namespace: FxHashMap<NsIdx, Vec<u32>>,
    eligibilities: IndexMap<EligibilityKey, Eligibility, FxBuildHasher>,
    groups: IndexMap<(u32, TopoKey), Group, FxBuildHasher>,
    counters: SharedArena<usize, Counter>,
    counter_ids: FxHashMap<(u32, u32), u32>,
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

    /// Number of domains that have an eligible node.
    pub fn domains(&self, counter: &Counter) -> usize {
        self.groups[counter.group as usize].domains
    }

    /// Fewest pods in a domain that has an eligible node; 0 if there is none.
    pub fn least(&self, counter: &Counter) -> u32 {
        if counter.held < self.domains(counter) { 0 } else { counter.least_held() }
    }

    /// Pods that a matcher selects on nodes that a counter's policy admits and that lack its key.
    pub fn beside(&self, matcher: u32, counter: u32, topology: &Topology) -> u32 {
        let counter = &self.counters[counter as usize];
        let eligible = &self.eligibilities[self.groups[counter.group as usize].eligibility as usize].nodes;
        let held = self.matchers[matcher as usize].nodes.held();
        let lacks = |node: usize| topology.domain(counter.key, NodeIdx::new(node)).is_none();
        held.filter(|(node, _)| eligible.get(*node) == Some(&true) && lacks(*node)).map(|(_, pods)| pods).sum()
    }

    /// The matcher of a key; a new one counts the pods that are there.
    pub fn matcher_of(&mut self, key: MatcherKey, idents: &mut Idents, names: &Interner) -> u32 {
        if let Some(known) = self.keys.get_index_of(&key) {
            return known as u32;
        }
        let id = self.matchers.len() as u32;
        let namespaces = match key.terms.first().map(|t| &t.1) {
            Some(Namespaces::These(list)) => Some(list.clone()),
            _ => None,
        };
        let asked = key.terms.first().and_then(|t| labels_asked(&t.0));
        let candidates = match (&namespaces, &asked) {
            (Some(list), Some((key, values))) => idents.with_label(list.iter().copied(), *key, values),
            (None, Some((key, values))) => idents.with_label(idents.namespaces(), *key, values),
            (Some(list), None) => {
                list.iter().flat_map(|n| idents.by_namespace.get(n.at()).into_iter().flatten()).copied().collect()
            }
            (None, None) => (0..idents.all.len() as u32).collect(),
        };
        match (namespaces, asked) {
            (Some(list), Some((key, values))) => {
                for namespace in list {
                    let by_label = Arc::make_mut(&mut self.by_label);
                    values.iter().for_each(|v| by_label.entry((Some(namespace), key, *v)).or_default().push(id));
                }
            }
            (None, Some((key, values))) => {
                let by_label = Arc::make_mut(&mut self.by_label);
                values.iter().for_each(|v| by_label.entry((None, key, *v)).or_default().push(id));
            }
            (Some(list), None) => list.iter().for_each(|n| self.by_namespace.entry(*n).or_default().push(id)),
            (None, None) => self.everywhere.push(id),
        }
        let mut matcher = Matcher::default();
        for ident in candidates {
            let ident = &mut idents.all[ident as usize];
            if key.matches(ident, names) {
                ident.matchers.push(id);
                for (node, counts) in &ident.nodes {
                    matcher.nodes.change(node.at(), i64::from(counts[usize::from(key.live_only)]));
                }
            }
        }
        Arc::make_mut(&mut self.keys).insert(key);
        self.matchers.push(matcher);
        id
    }

    /// Tells a new kind of pods which matchers select it.
    pub fn introduce(&self, ident: &mut Ident, names: &Interner) {
        let local = self.by_namespace.get(&ident.namespace);
        let mut candidates: Vec<u32> = self.everywhere.iter().chain(local.into_iter().flatten()).copied().collect();
        for (key, value) in ident.labels.iter() {
            for namespace in [Some(ident.namespace), None] {
                candidates.extend(self.by_label.get(&(namespace, key, value)).into_iter().flatten());
            }
        }
        candidates.sort_unstable();
        for id in candidates {
            if let Some(key) = self.keys.get_index(id as usize)
                && key.matches(ident, names)
            {
                ident.matchers.push(id);
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
        let group = self.group_of(policy, key, topology, state, names);
        if let Some(known) = self.counter_ids.get(&(matcher, group)) {
            return *known;
        }
        let id = self.counters.len() as u32;
        let mut counter =
            Counter { key, group, counts: Tally::default(), histogram: Vec::new(), lowest: 0, held: 0, total: 0 };
        let eligible = &self.eligibilities[self.groups[group as usize].eligibility as usize].nodes;
        for (node, pods) in self.matchers[matcher as usize].nodes.held() {
            if eligible.get(node).copied().unwrap_or(false)
                && let Some(domain) = topology.domain(key, NodeIdx::new(node))
            {
                counter.change(domain, i64::from(pods));
            }
        }
        self.matchers[matcher as usize].counters.push(id);
        self.counters.push(counter);
        self.counter_ids.insert((matcher, group), id);
        id
    }

    fn group_of(
        &mut self,
        policy: EligibilityKey,
        key: TopoKey,
        topology: &Topology,
        state: &State,
        names: &Interner,
    ) -> u32 {
        let eligibility = match self.eligibilities.get_index_of(&policy) {
            Some(known) => known,
            None => {
                let nodes = state.nodes.entries().map(|(i, n)| policy.admits(topology, i, n, names)).collect();
                self.eligibilities.insert_full(policy, Eligibility { nodes, groups: Vec::new() }).0
            }
        };
        if let Some(known) = self.groups.get_index_of(&(eligibility as u32, key)) {
            return known as u32;
        }
        let mut group = Group { eligibility: eligibility as u32, key, members: Vec::new(), domains: 0 };
        let eligible = &mut self.eligibilities[eligibility];
        for (i, _) in eligible.nodes.iter().enumerate().filter(|e| *e.1) {
            if let Some(domain) = topology.domain(key, NodeIdx::new(i)) {
                group.join(domain);
            }
        }
        let id = self.groups.len() as u32;
        eligible.groups.push(id);
        self.groups.insert((eligibility as u32, key), group);
        id
    }

    /// Pods of a kind came to a node or left it: all of them, and those not being deleted.
    pub fn change(&mut self, ident: &Ident, node: NodeIdx, all: i64, live: i64, topology: &Topology) {
        for id in &ident.matchers {
            let Some(key) = self.keys.get_index(*id as usize) else { continue };
            let delta = if key.live_only { live } else { all };
            if delta == 0 {
                continue;
            }
            let matcher = &mut self.matchers[*id as usize];
            matcher.nodes.change(node.at(), delta);
            for counter in &matcher.counters {
                let counter = &mut self.counters[*counter as usize];
                let eligibility = self.groups[counter.group as usize].eligibility;
                let eligible = &self.eligibilities[eligibility as usize].nodes;
                if eligible.get(node.at()).copied().unwrap_or(false)
                    && let Some(domain) = topology.domain(counter.key, node)
                {
                    counter.change(domain, delta);
                }
            }
        }
    }

    /// A node appeared, went or changed its taints; `present` are the kinds of the pods counted on it, with repeats.
    pub fn node_changed(
        &mut self,
        index: NodeIdx,
        node: &NodeState,
        topology: &Topology,
        names: &Interner,
        present: &[u32],
        idents: &Idents,
    ) {
        let mut flipped: SmallVec<[(u32, bool); 4]> = SmallVec::new();
        for (id, (policy, eligibility)) in self.eligibilities.iter_mut().enumerate() {
            let now = policy.admits(topology, index, node, names);
            if eligibility.nodes.len() <= index.at() {
                eligibility.nodes.resize(index.at() + 1, false);
            }
            if eligibility.nodes[index.at()] == now {
                continue;
            }
            eligibility.nodes[index.at()] = now;
            flipped.push((id as u32, now));
            for group in &eligibility.groups {
                let group = &mut self.groups[*group as usize];
                match topology.domain(group.key, index) {
                    Some(domain) if now => group.join(domain),
                    Some(domain) => group.leave(domain),
                    None => {}
                }
            }
        }
        if flipped.is_empty() || present.is_empty() {
            return;
        }
        let mut matchers: Vec<u32> = present.iter().flat_map(|i| &idents.all[*i as usize].matchers).copied().collect();
        matchers.sort_unstable();
        matchers.dedup();
        for matcher in matchers {
            let matcher = &self.matchers[matcher as usize];
            let pods = i64::from(matcher.nodes.get(index.at()));
            for counter in &matcher.counters {
                let counter = &mut self.counters[*counter as usize];
                let eligibility = self.groups[counter.group as usize].eligibility;
                let Some((_, now)) = flipped.iter().find(|f| f.0 == eligibility) else { continue };
                if let Some(domain) = topology.domain(counter.key, index) {
                    counter.change(domain, if *now { pods } else { -pods });
                }
            }
        }
    }
}

/// A label, by key and possible values, that pods must have for a selector to match them; None if it asks for none.
pub fn labels_asked(selector: &Selector) -> Option<(Sym, SmallVec<[Sym; 2]>)> {
    let Selector::All(requirements) = selector else { return None };
    let asked = requirements.iter().find(|r| r.operator == Operator::In)?;
    let mut values: SmallVec<[Sym; 2]> = SmallVec::new();
    for value in &asked.values {
        if !values.contains(value) {
            values.push(*value);
        }
    }
    Some((asked.key, values))
}

/// The domain of a node in a key's table, if it has the key.
pub fn domain_at(of: &[u32], node: NodeIdx) -> Option<usize> {
    of.get(node.at()).copied().filter(|d| *d != NO_DOMAIN).map(|d| d as usize)
}
