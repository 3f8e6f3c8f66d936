//! Preemption: which pods of lower priority would have to go, and where, so that a pod fits (`S/framework/preemption`,
//! `P/defaultpreemption/default_preemption.go`).
//!
//! [`Preemptor::preempt`] tries it out on hypotheses and changes nothing; [`nominate`] writes the nomination down. Deleting the victims (DELETE
//! with their full grace, budgets not asked) is the caller's.
//!
//! Where the real one depends on luck ([ND] in docs/reference/kubernetes.md#preemption): the node at which the dry run starts is the caller's draw; of equal
//! candidates the first by node index is chosen, and [`Candidate::tied`] names them all.

use super::Scheduler;
use super::config::Profile;
use super::decision::{Failure, histogram};
use super::names::PluginId;
use super::plugin::Rejection;
use super::plugins;
use crate::cluster::{BudgetIdx, Catalog, Idx, NodeIdx, NsIdx, PodIdx, ShapeIdx, State};
use rustc_hash::FxHashMap;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Nodes that were not tried.
const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";
/// Nodes without pods of lower priority.
const NO_VICTIMS: &str = "No preemption victims found for incoming pod";

/// Runs the filters for a pod on one node as the state stands, pods nominated to it taken into account
/// (`RunFilterPluginsWithNominatedPods`).
pub trait NodeCheck {
    /// # Errors
    /// The first refusal.
    fn check(&mut self, catalog: &Catalog, state: &mut State, pod: PodIdx, node: NodeIdx) -> Result<(), Rejection>;

    /// Whether no pod is nominated to a node, so that the filters run once. False where that is not known.
    fn has_no_nominee(&self, _node: NodeIdx) -> bool {
        false
    }
}

impl NodeCheck for Scheduler {
    fn check(&mut self, catalog: &Catalog, state: &mut State, pod: PodIdx, node: NodeIdx) -> Result<(), Rejection> {
        Scheduler::check(self, catalog, state, pod, node)
    }

    fn has_no_nominee(&self, node: NodeIdx) -> bool {
        self.nominated(node).is_empty()
    }
}

/// What preemption comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preemption {
    /// The profile preempts nobody. Its nomination is cleared if the profile does nothing at all when no node will do.
    Off,
    /// The pod may not preempt, for this reason. Its nomination stays as it is.
    NotEligible(&'static str),
    /// No node would do. Its nomination is cleared.
    NoCandidate(Tried),
    /// These pods should go. The pod is nominated to the node and tried again when they are gone.
    Candidate(Candidate),
}

/// What was found where no node would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// No pod anywhere is less important, so no node had to be tried.
    Nobody,
    /// What the nodes said that were tried, with how many said so.
    Nodes(Vec<(Rejection, usize)>),
}

/// A node with the pods that would have to leave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The node.
    pub node: NodeIdx,
    /// Those to delete, the most important first; some may already be terminating.
    pub victims: Vec<PodIdx>,
    /// How many of them leave against a budget.
    pub violations: usize,
    /// All nodes that are as good by every criterion, this one included, by index.
    pub tied: Vec<NodeIdx>,
}

impl Preemption {
    /// What PostFilter adds to the message of the PodScheduled condition after a cycle that ended in `failure`; empty if it succeeded.
    pub fn post_filter(&self, config: &Profile, catalog: &Catalog, failure: &Failure) -> String {
        let own = match self {
            Preemption::Off => None,
            Preemption::NotEligible(text) => Some((*text).to_string()),
            Preemption::NoCandidate(tried) => Some(tried.message(catalog, failure)),
            Preemption::Candidate(_) => return String::new(),
        };
        let said = config.post_filter.iter().filter_map(|plugin| plugins::post_filter(*plugin, own.as_deref()));
        said.collect::<Vec<_>>().join(", ")
    }
    /// The candidate, if there is one.
    pub fn candidate(&self) -> Option<&Candidate> {
        match self {
            Preemption::Candidate(candidate) => Some(candidate),
            _ => None,
        }
    }
}

impl Tried {
    /// The nodes that were tried with their reasons, and the others.
    fn message(&self, catalog: &Catalog, failure: &Failure) -> String {
        let absent = Rejection::unresolvable(PluginId::DefaultPreemption, NOT_HELPFUL);
        let nobody = Rejection::unresolvable(PluginId::DefaultPreemption, NO_VICTIMS);
        let parts = match self {
            Tried::Nodes(refusals) => {
                let refusals = refusals.iter().map(|(refusal, nodes)| (refusal, *nodes));
                histogram(catalog, refusals, Some(&absent), failure.nodes)
            }
            Tried::Nobody => {
                let unjudged = failure.pre_filter.as_ref().or(failure.absent.as_ref());
                let others = if unjudged.is_some_and(Rejection::is_resolvable) {
                    failure.nodes - failure.statuses.len()
                } else {
                    0
                };
                let resolvable = failure.statuses.kinds().filter(|k| k.0.is_resolvable()).map(|k| k.1);
                let tried = resolvable.sum::<usize>() + others;
                let said = (tried > 0).then_some((&nobody, tried));
                histogram(catalog, said.into_iter(), Some(&absent), failure.nodes)
            }
        };
        format!("0/{} nodes are available: {}.", failure.nodes, parts.join(", "))
    }
}

/// What preemption keeps from one attempt to the next.
#[derive(Clone, Debug, Default)]
pub struct Preemptor {
    /// The lowest priority there is, and the number of shapes it was read from: they only become more.
    lowest: Option<(usize, i32)>,
    budgets: Option<Budgets>,
    /// The lowest priority on each node, with the node's version that it is of.
    floors: Vec<(u32, i32)>,
    hopeless: Hopeless,
}

/// Nodes that refuse pods of a shape for what the node itself is and has, even with everybody of lower priority gone. That holds as long as the node
/// stays as it is: pods that find no place are tried again and again, over thousands of nodes of which few have changed.
#[derive(Clone, Debug, Default)]
struct Hopeless {
    by_shape: FxHashMap<ShapeIdx, Arc<Refused>>,
}

/// What nodes said to one shape.
#[derive(Clone, Debug, Default)]
struct Refused {
    /// By node: the version that it was of, and the place of what it said; `u32::MAX` for nothing.
    nodes: Vec<(u32, u32)>,
    said: Vec<Rejection>,
}

impl Hopeless {
    /// Shapes that are known at once (ours).
    const SHAPES: usize = 128;

    /// What a node of that version said to a shape.
    fn get(&self, shape: ShapeIdx, node: NodeIdx, version: u32) -> Option<&Rejection> {
        let refused = self.by_shape.get(&shape)?;
        let (of, place) = *refused.nodes.get(node.at())?;
        refused.said.get(place as usize).filter(|_| of == version)
    }

    fn insert(&mut self, shape: ShapeIdx, node: NodeIdx, version: u32, rejection: &Rejection) {
        if self.by_shape.len() >= Self::SHAPES && !self.by_shape.contains_key(&shape) {
            self.by_shape.clear();
        }
        let refused = Arc::make_mut(self.by_shape.entry(shape).or_default());
        let place = refused.said.iter().position(|known| known == rejection).unwrap_or_else(|| {
            refused.said.push(rejection.clone());
            refused.said.len() - 1
        });
        if refused.nodes.len() <= node.at() {
            refused.nodes.resize(node.at() + 1, (0, u32::MAX));
        }
        refused.nodes[node.at()] = (version, place as u32);
    }
}

/// Whether what refuses is asked before all that looks at more than the node, its pods and the pod's shape.
fn is_of_the_node(config: &Profile, rejection: &Rejection) -> bool {
    let looks_further = |plugin: PluginId| plugins::CROSS_NODE.contains(plugin) || plugins::POD_BY_POD.contains(plugin);
    let mut before = config.filter.iter().take_while(|plugin| **plugin != rejection.plugin);
    config.filter.contains(&rejection.plugin)
        && plugins::OF_THE_NODE.contains(rejection.plugin)
        && !before.any(|plugin| looks_further(*plugin))
}

impl Preemptor {
    /// Looks for pods whose removal would let `pod` in, after a cycle that ended in `failure` (not for a cluster without nodes).
    ///
    /// `offset(n)` draws where among `n` nodes the dry run starts; it matters only where more than 100 nodes are tried.
    /// The state is as before when it returns.
    #[allow(clippy::too_many_arguments)] // one attempt's context
    pub fn preempt(
        &mut self,
        check: &mut impl NodeCheck,
        config: &Profile,
        catalog: &Catalog,
        state: &mut State,
        pod: PodIdx,
        failure: &Failure,
        offset: &mut dyn FnMut(usize) -> usize,
    ) -> Preemption {
        if !config.preempts() {
            return Preemption::Off;
        }
        if let Some(reason) = not_eligible(catalog, state, pod, failure) {
            return Preemption::NotEligible(reason);
        }
        if self.nobody_below(catalog, priority(catalog, state, pod)) {
            return Preemption::NoCandidate(Tried::Nobody);
        }
        let nodes = failure.preemptible(state.live_nodes());
        self.floors.resize(state.nodes.len().max(self.floors.len()), (u32::MAX, i32::MAX));
        let (candidates, refusals) = self.dry_run(check, config, catalog, state, pod, &nodes, offset);
        if candidates.is_empty() {
            return Preemption::NoCandidate(Tried::Nodes(refusals));
        }
        Preemption::Candidate(choose(catalog, state, candidates))
    }
    fn nobody_below(&mut self, catalog: &Catalog, mine: i32) -> bool {
        let shapes = catalog.shapes.len();
        let lowest = match self.lowest {
            Some((n, lowest)) if n == shapes => lowest,
            _ => catalog.shapes.iter().map(|s| s.priority).min().unwrap_or(i32::MAX),
        };
        self.lowest = Some((shapes, lowest));
        lowest >= mine
    }
}

/// One attempt by itself; see [`Preemptor::preempt`].
pub fn preempt(
    check: &mut impl NodeCheck,
    config: &Profile,
    catalog: &Catalog,
    state: &mut State,
    pod: PodIdx,
    failure: &Failure,
    offset: &mut dyn FnMut(usize) -> usize,
) -> Preemption {
    Preemptor::default().preempt(check, config, catalog, state, pod, failure, offset)
}

/// Nominates the pod to the candidate's node; pods of lower priority that were nominated there no longer are
/// (`getLowerPriorityNominatedPods`, `clearNominatedNodeName`). Returns the victims still to be deleted, and marks them as preempted.
pub fn nominate(catalog: &Catalog, state: &mut State, pod: PodIdx, candidate: &Candidate) -> Vec<PodIdx> {
    let priority = priority(catalog, state, pod);
    let lesser: Vec<PodIdx> = state
        .live_pods()
        .filter(|p| *p != pod && state.pods[*p].nominated == Some(candidate.node) && state.pods[*p].node.is_none())
        .filter(|p| self::priority(catalog, state, *p) < priority)
        .collect();
    for other in lesser {
        state.nominate(other, None);
    }
    state.nominate(pod, Some(candidate.node));
    let alive = candidate.victims.iter().copied().filter(|v| !state.pods[*v].gone && state.pods[*v].deleting.is_none());
    let alive: Vec<PodIdx> = alive.collect();
    for victim in &alive {
        state.pods[*victim].preempted = true;
    }
    alive
}

fn priority(catalog: &Catalog, state: &State, pod: PodIdx) -> i32 {
    catalog.shape(state.pods[pod].spec).priority
}

/// `status.startTime`, which has whole seconds.
fn start_seconds(state: &State, pod: PodIdx) -> i64 {
    state.pods[pod].started.div_euclid(1_000)
}

/// Sorts by `MoreImportantPod`: priority, then age; equal ones in order of creation.
fn sort_by_importance(catalog: &Catalog, state: &State, pods: &mut [PodIdx]) {
    pods.sort_by_key(|p| (-i64::from(priority(catalog, state, *p)), start_seconds(state, *p), *p));
}

/// `PodEligibleToPreemptOthers`.
fn not_eligible(catalog: &Catalog, state: &State, pod: PodIdx, failure: &Failure) -> Option<&'static str> {
    if !catalog.shape(state.pods[pod].spec).may_preempt {
        return Some("not eligible due to preemptionPolicy=Never.");
    }
    let nominated = state.pods[pod].nominated?;
    // A node that was not judged counts as one where nothing helps.
    if state.nodes[nominated].gone || !failure.status(nominated).is_some_and(Rejection::is_resolvable) {
        return None;
    }
    let mine = priority(catalog, state, pod);
    let leaving = |p: &PodIdx| {
        let other = &state.pods[*p];
        priority(catalog, state, *p) < mine && other.deleting.is_some() && other.preempted
    };
    let waits = state.nodes[nominated].pods.iter().any(leaving);
    waits.then_some("not eligible due to a terminating pod on the nominated node.")
}

/// A node that would do, before the choice.
struct Way {
    node: NodeIdx,
    victims: Vec<PodIdx>,
    violations: usize,
}

impl Preemptor {
    /// `DryRunPreemption` over the nodes, from the drawn one on, until there are enough candidates.
    #[allow(clippy::too_many_arguments)] // one attempt's context, used in this one place
    fn dry_run(
        &mut self,
        check: &mut impl NodeCheck,
        config: &Profile,
        catalog: &Catalog,
        state: &mut State,
        pod: PodIdx,
        nodes: &[NodeIdx],
        offset: &mut dyn FnMut(usize) -> usize,
    ) -> (Vec<Way>, Vec<(Rejection, usize)>) {
        let (mut candidates, mut statuses): (_, Vec<(Rejection, usize)>) = (Vec::new(), Vec::new());
        let mine = priority(catalog, state, pod);
        if nodes.is_empty() {
            return (candidates, statuses);
        }
        let shape = catalog.specs[state.pods[pod].spec].shape;
        let enough = enough_candidates(config, nodes.len());
        let start = if nodes.len() > enough { offset(nodes.len()) % nodes.len() } else { 0 };
        let (mut harmless, mut victimless) = (0, 0);
        let mut refused = |rejection: &Rejection| match statuses.iter_mut().find(|s| s.0 == *rejection) {
            Some(known) => known.1 += 1,
            None => statuses.push((rejection.clone(), 1)),
        };
        let Preemptor { budgets, floors, hopeless, .. } = self;
        let budgets = budgets.get_or_insert_with(|| Budgets::new(catalog));
        for i in 0..nodes.len() {
            let node = nodes[(start + i) % nodes.len()];
            if floor(catalog, state, node, floors) >= mine {
                victimless += 1;
                continue;
            }
            let (version, alone) = (state.nodes[node].version, check.has_no_nominee(node));
            if let Some(known) = hopeless.get(shape, node, version).filter(|_| alone) {
                refused(known);
                continue;
            }
            match victims_on(check, catalog, state, pod, node, budgets) {
                Ok(option) => {
                    harmless += usize::from(option.violations == 0);
                    candidates.push(option);
                    if harmless > 0 && candidates.len() >= enough {
                        break;
                    }
                }
                Err(rejection) => {
                    refused(&rejection);
                    // A pod that names its node (a DaemonSet's) has a shape of its own: not worth the room.
                    if alone && nodes.len() > 1 && is_of_the_node(config, &rejection) {
                        hopeless.insert(shape, node, version, &rejection);
                    }
                }
            }
        }
        if victimless > 0 {
            statuses.push((Rejection::unresolvable(PluginId::DefaultPreemption, NO_VICTIMS), victimless));
        }
        (candidates, statuses)
    }
}

/// The lowest priority of the pods on a node.
fn floor(catalog: &Catalog, state: &State, node: NodeIdx, floors: &mut [(u32, i32)]) -> i32 {
    let n = &state.nodes[node];
    let known = &mut floors[node.at()];
    if known.0 != n.version {
        let lowest = n.pods.iter().map(|p| priority(catalog, state, *p)).min();
        *known = (n.version, lowest.unwrap_or(i32::MAX));
    }
    known.1
}

/// `calculateNumCandidates`.
fn enough_candidates(config: &Profile, nodes: usize) -> usize {
    let share = nodes as i64 * config.min_candidate_nodes_percentage / 100;
    (share.max(config.min_candidate_nodes_absolute).max(0) as usize).min(nodes)
}

/// `SelectVictimsOnNode`, where there is somebody below: takes all pods of lower priority off, and if the pod fits then, puts back as many as it can, those that a
/// budget protects first.
fn victims_on(
    check: &mut impl NodeCheck,
    catalog: &Catalog,
    state: &mut State,
    pod: PodIdx,
    node: NodeIdx,
    budgets: &Budgets,
) -> Result<Way, Rejection> {
    let mine = priority(catalog, state, pod);
    let mut potential: Vec<PodIdx> =
        state.nodes[node].pods.iter().copied().filter(|p| priority(catalog, state, *p) < mine).collect();
    sort_by_importance(catalog, state, &mut potential);
    let version = state.nodes[node].version;
    let mark = state.suppose();
    for victim in &potential {
        state.detach(catalog, *victim);
    }
    let result = check.check(catalog, state, pod, node).map(|()| {
        let (violating, others) = budgets.split(catalog, state, &potential);
        let mut victims = Vec::new();
        let mut violations = 0;
        for (i, victim) in violating.iter().chain(&others).enumerate() {
            let inner = state.suppose();
            state.reattach(catalog, *victim, node);
            if check.check(catalog, state, pod, node).is_ok() {
                state.keep(inner);
            } else {
                state.rollback(catalog, inner);
                victims.push(*victim);
                violations += usize::from(i < violating.len());
            }
        }
        sort_by_importance(catalog, state, &mut victims);
        Way { node, victims, violations }
    });
    state.rollback(catalog, mark);
    // It is as it was: what is known of it still holds.
    state.nodes[node].version = version;
    result
}

/// `pickOneNodeForPreemption`.
fn choose(catalog: &Catalog, state: &State, mut candidates: Vec<Way>) -> Candidate {
    candidates.sort_by_key(|c| c.node);
    let merit = |c: &Way| {
        let top = c.victims.first().map_or(i64::MIN, |v| i64::from(priority(catalog, state, *v)));
        let sum: i64 = c.victims.iter().map(|v| i64::from(priority(catalog, state, *v)) + (1 << 31)).sum();
        let of_top = c.victims.iter().filter(|v| i64::from(priority(catalog, state, **v)) == top);
        let earliest = of_top.map(|v| start_seconds(state, *v)).min().unwrap_or(i64::MIN);
        (c.violations, top, sum, c.victims.len(), -earliest)
    };
    let merits: Vec<_> = candidates.iter().map(merit).collect();
    let best = merits.iter().enumerate().min_by_key(|(i, m)| (**m, *i)).map_or(0, |(i, _)| i);
    let tied = (0..merits.len()).filter(|i| merits[*i] == merits[best]).map(|i| candidates[i].node).collect();
    let chosen = candidates.swap_remove(best);
    Candidate { node: chosen.node, victims: chosen.victims, violations: chosen.violations, tied }
}

/// Budgets by namespace.
#[derive(Clone, Debug)]
struct Budgets {
    by_namespace: FxHashMap<NsIdx, Vec<BudgetIdx>>,
}

impl Budgets {
    fn new(catalog: &Catalog) -> Budgets {
        let mut by_namespace: FxHashMap<NsIdx, Vec<BudgetIdx>> = FxHashMap::default();
        for (index, budget) in catalog.budgets.entries() {
            // Unlike the eviction API, preemption takes a selector without requirements to match nothing.
            if !budget.selector.is_empty() {
                by_namespace.entry(budget.namespace).or_default().push(index);
            }
        }
        Budgets { by_namespace }
    }
    /// `filterPodsWithPDBViolation`: those whose removal, one after the other, a budget would not allow, and the others, each in the order given.
    fn split(&self, catalog: &Catalog, state: &State, pods: &[PodIdx]) -> (Vec<PodIdx>, Vec<PodIdx>) {
        let mut left: FxHashMap<BudgetIdx, i64> = FxHashMap::default();
        pods.iter().partition(|pod| {
            let spec = &catalog.specs[state.pods[**pod].spec];
            if spec.labels.is_empty() {
                return false;
            }
            let mut violated = false;
            for index in self.by_namespace.get(&spec.namespace).into_iter().flatten() {
                let status = &state.budgets[*index];
                let matches = catalog.budgets[*index].selector.matches(&spec.labels, &catalog.names);
                // A pod that the API server is already disrupting costs nothing more.
                if !matches || status.disrupted.iter().any(|(p, _)| p == *pod) {
                    continue;
                }
                let left = left.entry(*index).or_insert(status.allowed);
                *left -= 1;
                violated |= *left < 0;
            }
            violated
        })
    }
}
