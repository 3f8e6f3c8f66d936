//! InterPodAffinity: which pods want to be together, and which apart (P/interpodaffinity).

use super::pod_topology_spread::{Compiler, Scratch};
use super::{JudgesBy, Plugin, Scoring};
use crate::cluster::{Idx, NodeIdx, PodIdx, PodShape, PodTerm, Rules, State};
use crate::scheduler::carriers::{Carriers, Role};
use crate::scheduler::counts::{Counter, Counts, EligibilityKey, MatcherKey, Namespaces, domain_at, term_matches};
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::ident::Ident;
use crate::scheduler::plugin::Point;
use crate::scheduler::tally::Tally;
use crate::scheduler::topology::{Domains, Open, TopoKey, Topology};
use crate::scheduler::{PluginId, PodView, Profile, Rejection};
use smallvec::SmallVec;

/// Words for required affinity.
pub const REASON_AFFINITY: &str = "node(s) didn't match pod affinity rules";
/// Words for the pod's own anti-affinity.
pub const REASON_ANTI: &str = "node(s) didn't match pod anti-affinity rules";
/// Words for the anti-affinity of pods that are there.
pub const REASON_EXISTING: &str = "node(s) didn't satisfy existing pods anti-affinity rules";

/// A class's terms, with their counts.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Counters of pods that meet all required terms, one for each term's key.
    affinity: Vec<u32>,
    /// The pod meets its own required terms.
    affine_to_itself: bool,
    anti: Vec<u32>,
    /// Counters of preferred terms with weights, negative for anti-affinity.
    preferred: Vec<(u32, i64)>,
    /// Terms of placed pods that keep this class out.
    repelling: Vec<u32>,
    /// Terms of placed pods that draw or repel it, with weights.
    drawing: Vec<(u32, i64)>,
    carriers_seen: usize,
}

impl Compiler<'_> {
    /// Compiles a class's terms.
    pub fn terms(&mut self, shape: &PodShape, ident: u32) -> Terms {
        let rules = self.catalog.kubernetes.rules();
        let all = |term: &PodTerm| (term.selector.clone(), Namespaces::of(term, rules));
        let together: Vec<_> = shape.affinity.iter().map(all).collect();
        let (kind, names) = (&self.idents.all[ident as usize], &self.catalog.names);
        let own = MatcherKey { terms: together.clone(), live_only: false };
        let affine_to_itself = own.matches(kind, names);
        Terms {
            affine_to_itself,
            affinity: shape.affinity.iter().map(|t| self.counter(together.clone(), t)).collect(),
            anti: shape.anti_affinity.iter().map(|t| self.counter(vec![all(t)], t)).collect(),
            preferred: {
                let drawn = shape.preferred_affinity.iter().map(|(w, t)| (i64::from(*w), t));
                let repelled = shape.preferred_anti_affinity.iter().map(|(w, t)| (-i64::from(*w), t));
                drawn.chain(repelled).map(|(w, t)| (self.counter(vec![all(t)], t), w)).collect()
            },
            ..Terms::default()
        }
    }
    fn counter(&mut self, terms: Vec<(crate::cluster::Selector, Namespaces)>, term: &PodTerm) -> u32 {
        let names = &self.catalog.names;
        let key = self.topology.key(term.topology_key, self.state);
        let matcher = self.counts.matcher_of(MatcherKey { terms, live_only: false }, self.idents, names);
        self.counts.counter_of(matcher, key, EligibilityKey::default(), self.topology, self.state, names)
    }
}

impl Terms {
    /// Takes note of terms that pods carry since it last looked.
    pub fn catch_up(&mut self, carriers: &Carriers, ident: &Ident, config: &Profile, names: &crate::cluster::Interner) {
        if self.carriers_seen == carriers.len() {
            return;
        }
        for id in carriers.candidates(self.carriers_seen, ident) {
            let (term, role, _) = carriers.get(id);
            if !term_matches(term, ident, names) {
                continue;
            }
            match role {
                Role::Anti => self.repelling.push(id),
                Role::Affinity if config.hard_pod_affinity_weight > 0 => {
                    self.drawing.push((id, config.hard_pod_affinity_weight));
                }
                Role::Affinity => {}
                Role::Preferred(weight) => self.drawing.push((id, i64::from(weight))),
            }
        }
        self.carriers_seen = carriers.len();
    }
}

/// One domain table with counts: a domain counts if it holds a pod.
struct Table<'a> {
    domains: &'a Domains,
    /// The domains that hold pods, where there are few domains.
    holding: Option<u64>,
    counts: &'a Tally,
}

impl<'a> Table<'a> {
    /// The domains that hold a pod, or those that do not, the nodes without the key among these; None if there are many.
    fn open(&self, holding: bool) -> Option<Open<'a>> {
        let bits = self.holding?;
        Some(self.domains.open(if holding { bits } else { !bits }, !holding))
    }

    #[inline]
    fn holds(&self, node: NodeIdx) -> Option<bool> {
        let domain = domain_at(&self.domains.of, node)?;
        Some(match self.holding {
            Some(holding) => holding >> domain & 1 == 1,
            None => self.counts.get(domain) > 0,
        })
    }
}

/// The terms made ready for one cycle.
#[derive(Default)]
pub struct Checks<'a> {
    affinity: SmallVec<[Table<'a>; 1]>,
    /// No pod anywhere meets the required terms, but the pod itself does: any node with the keys will do.
    first_of_its_kind: bool,
    anti: SmallVec<[Table<'a>; 1]>,
    repelling: SmallVec<[Table<'a>; 1]>,
}

/// Makes the terms ready for one cycle.
pub fn checks<'a>(terms: &Terms, counts: &'a Counts, carriers: &'a Carriers, topology: &'a Topology) -> Checks<'a> {
    let table = |key: TopoKey, counts: &'a Tally| {
        let domains = topology.domains(key);
        Table { domains, holding: domains.few(|domain| counts.get(domain) > 0), counts }
    };
    let of = |id: &u32| {
        let counter: &'a Counter = counts.counter(*id);
        table(counter.key, &counter.counts)
    };
    let lonely = terms.affinity.iter().all(|c| counts.counter(*c).total == 0);
    let repelling = terms.repelling.iter().map(|c| carriers.get(*c).2).filter(|c| c.total > 0);
    Checks {
        affinity: terms.affinity.iter().map(of).collect(),
        first_of_its_kind: lonely && terms.affine_to_itself,
        anti: terms.anti.iter().map(of).collect(),
        repelling: repelling.map(|c| table(c.key, &c.counts)).collect(),
    }
}

impl<'a> Checks<'a> {
    /// Whether no node can be refused.
    pub fn is_empty(&self) -> bool {
        self.affinity.is_empty() && self.anti.is_empty() && self.repelling.is_empty()
    }
    /// Adds the domains that are left open, of each key that has few; whether that is all there is to say.
    pub fn open(&self, out: &mut SmallVec<[Open<'a>; 4]>) -> bool {
        let first = self.first_of_its_kind;
        let affinity = self.affinity.iter().map(|table| match first {
            true => table.holding.map(|_| table.domains.open(table.domains.every(), false)),
            false => table.open(true),
        });
        let apart = self.anti.iter().chain(&self.repelling).map(|table| table.open(false));
        let mut all = true;
        for open in affinity.chain(apart) {
            all &= open.is_some();
            out.extend(open);
        }
        all
    }

    /// Whether a node lets the pod pass.
    #[inline]
    pub fn admits(&self, node: NodeIdx) -> bool {
        self.meets_affinity(node)
            && !self.anti.iter().any(|t| t.holds(node) == Some(true))
            && !self.repelling.iter().any(|t| t.holds(node) == Some(true))
    }
    /// `satisfyPodAffinity`.
    fn meets_affinity(&self, node: NodeIdx) -> bool {
        let mut all_hold = true;
        for table in &self.affinity {
            match table.holds(node) {
                None => return false,
                Some(holds) => all_hold &= holds,
            }
        }
        all_hold || self.first_of_its_kind
    }
    /// Why a node is refused, if it is.
    pub fn rejection(&self, node: NodeIdx) -> Option<Rejection> {
        let me = PluginId::InterPodAffinity;
        if !self.meets_affinity(node) {
            Some(Rejection::unresolvable(me, REASON_AFFINITY))
        } else if self.anti.iter().any(|t| t.holds(node) == Some(true)) {
            Some(Rejection::unschedulable(me, REASON_ANTI))
        } else if self.repelling.iter().any(|t| t.holds(node) == Some(true)) {
            Some(Rejection::unschedulable(me, REASON_EXISTING))
        } else {
            None
        }
    }
}

/// Normalised scores of the feasible nodes. False if the plugin has nothing to say: no term meets a pod.
pub fn score(
    terms: &Terms,
    counts: &Counts,
    carriers: &Carriers,
    topology: &Topology,
    config: &Profile,
    feasible: &[NodeIdx],
    out: &mut Vec<i64>,
) -> bool {
    if config.ignore_preferred_terms_of_existing_pods && terms.preferred.is_empty() {
        return false;
    }
    let own = terms.preferred.iter().map(|(c, weight)| (counts.counter(*c), *weight));
    let own = own.filter(|(c, _)| c.total > 0).map(|(c, weight)| (c.key, &c.counts, weight));
    let theirs = terms.drawing.iter().map(|(c, weight)| (carriers.get(*c).2, *weight));
    let theirs = theirs.filter(|(c, _)| c.total > 0).map(|(c, weight)| (c.key, &c.counts, weight));
    let mut any = false;
    for (key, counts, weight) in own.chain(theirs) {
        if !any {
            out.clear();
            out.resize(feasible.len(), 0);
            any = true;
        }
        let of = &topology.domains(key).of;
        for (sum, node) in out.iter_mut().zip(feasible) {
            let domain = of.get(node.at()).copied().unwrap_or(u32::MAX) as usize;
            *sum += weight * i64::from(counts.get(domain));
        }
    }
    if any {
        normalize(out);
    }
    any
}

/// P/interpodaffinity/scoring.go `NormalizeScore`, in floats as there.
fn normalize(scores: &mut [i64]) {
    let least = scores.iter().copied().min().unwrap_or(0);
    let span = scores.iter().copied().max().unwrap_or(0) - least;
    for score in scores {
        let share = if span > 0 { 100.0 * ((*score - least) as f64 / span as f64) } else { 0.0 };
        *score = share as i64;
    }
}

/// The plugin.
pub struct InterPodAffinity;

impl Plugin for InterPodAffinity {
    const ID: PluginId = PluginId::InterPodAffinity;
    const POINTS: &'static [Point] = &[Point::PreFilter, Point::Filter, Point::PreScore, Point::Score];
    const NEEDS: &'static [(Point, Point)] = &[(Point::Filter, Point::PreFilter), (Point::Score, Point::PreScore)];
    const JUDGES_BY: JudgesBy = JudgesBy::OtherNodes;
    const EVENTS: &'static [EventKind] = &[EventKind::PodAssigned, EventKind::PodRemoved, EventKind::NodeAdded];

    fn default_weight(_rules: Rules) -> Option<i64> {
        Some(2)
    }

    fn score(scoring: &Scoring<'_>, _scratch: &mut Scratch, out: &mut Vec<i64>) -> bool {
        let Scoring { sight, terms, counts, carriers, topology, feasible, .. } = scoring;
        score(terms, counts, carriers, topology, sight.config, feasible, out)
    }

    /// A pod that matches all affinity terms came; a pod that all anti-affinity terms match, in either direction, went; a node came
    /// that has an affinity key, or any node if the pod has anti-affinity (`interpodaffinity/plugin.go`).
    fn says_queue(view: PodView<'_>, event: &ClusterEvent) -> bool {
        let PodView { catalog, state, pod, .. } = view;
        let shape = catalog.shape(state.pods[pod].spec);
        let rules = catalog.kubernetes.rules();
        match event {
            ClusterEvent::PodAssigned(other) => matches_all(view, &shape.affinity, *other),
            ClusterEvent::PodRemoved { up_to_priority: Some(_), .. } if !rules.nominees_count_in_hints => false,
            ClusterEvent::PodRemoved { pod: other, .. } => {
                let their_terms = &catalog.shape(state.pods[*other].spec).anti_affinity;
                matches_all(view, &shape.anti_affinity, *other)
                    || (rules.end_of_repeller_wakes && matches_all(view, their_terms, pod))
            }
            ClusterEvent::NodeAdded(node) => {
                has_a_key(state, &shape.affinity, *node) || !shape.anti_affinity.is_empty()
            }
            _ => false,
        }
    }
}

/// `podMatchesAllAffinityTerms`: no terms match nothing.
fn matches_all(view: PodView<'_>, terms: &[PodTerm], pod: PodIdx) -> bool {
    if terms.is_empty() {
        return false;
    }
    let PodView { catalog, state, .. } = view;
    let namespace = catalog.specs[state.pods[pod].spec].namespace;
    terms.iter().all(|t| t.hint_covers(namespace) && state.is_selected(catalog, &t.selector, pod))
}

fn has_a_key(state: &State, terms: &[PodTerm], node: NodeIdx) -> bool {
    let labels = &state.nodes[node].spec.labels;
    terms.iter().any(|t| labels.get(t.topology_key).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_extremes() {
        let mut scores = [-5, 0, 10];
        normalize(&mut scores);
        assert_eq!(scores, [0, 33, 100]);
        let mut equal = [7, 7];
        normalize(&mut equal);
        assert_eq!(equal, [0, 0]);
    }
}
