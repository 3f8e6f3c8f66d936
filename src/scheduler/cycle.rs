//! The scheduling cycle (S/schedule_one.go `schedulePod`).

use super::batch::Batch;
use super::class::{Class, Classes, Failed};
use super::config::{Batching, Profile, SchedulerConfig, TieBreak};
use super::decision::{Decision, Explanation, Failure, Statuses, Verdict};
use super::fit::NO_ROOM;
use super::index::Index;
use super::names::{PluginId, PluginSet};
use super::plugin::{Code, PodPlugin, PodView, PreFilter, Rejection};
use super::plugins::inter_pod_affinity as ipa;
use super::plugins::normalize::by_highest;
use super::plugins::pod_topology_spread as pts;
use super::plugins::{self, CROSS_NODE, OF_THE_NODE, POD_BY_POD, Scoring, is_refused, node_affinity, refuses};
use super::plugins::{
    node_volume_limits::NodeVolumeLimits, node_volume_limits::UsedVolumes, volume_binding::VolumeBinding,
    volume_restrictions::VolumeRestrictions, volume_zone::VolumeZone,
};
use super::refusal::{FREE, Kinds};
use super::sight::{Resolved, Sight};
use super::statics::{NodeSet, ReachOf};
use super::tie::preorder_first;
use super::topology::Open;
use crate::cluster::{Catalog, Idx, NodeIdx, PodIdx, PodShape, SpecIdx, State};
use smallvec::SmallVec;
use std::sync::Arc;

/// The scheduler's derived knowledge of a state: classes, columns, counts.
#[derive(Clone, Debug)]
pub struct Scheduler {
    profiles: Vec<Arc<Profile>>,
    /// The profiles' parameters against the catalogue, in step with them.
    resolved: Vec<Resolved>,
    tie_break: TieBreak,
    /// What is kept for pods alike, in step with the profiles.
    batches: Vec<Batch>,
    cycle: u64,
    now_ms: i64,
    index: Index,
    classes: Classes,
    volumes: Volumes,
    next_start: usize,
    scratch: Scratch,
}

/// Buffers kept from cycle to cycle.
#[derive(Clone, Debug, Default)]
struct Scratch {
    feasible: Vec<NodeIdx>,
    /// Fit and balance from the scan; then, all plugins'.
    totals: Vec<i64>,
    /// Whether a feasible node has a PreferNoSchedule taint that the pod does not tolerate.
    any_taints: bool,
    column: Vec<i64>,
    spread: pts::Scratch,
}

/// The plugins that look at pods one by one, and which of them run for the pod at hand.
#[derive(Clone, Debug, Default)]
struct Volumes {
    restrictions: VolumeRestrictions,
    limits: NodeVolumeLimits,
    binding: VolumeBinding,
    zone: VolumeZone,
    runs: PluginSet,
    prepared: Option<PodIdx>,
    /// Nodes that the pod's volumes can be used from, by their place in the classes' statics: all must have the node.
    reaches: SmallVec<[u32; 2]>,
    /// Plugins that each node is asked about: those that filter, run for the pod and say more than the reaches do.
    asked: PluginSet,
    /// What the pod wants attached, by driver, where that is known; a node with room for all of it is within its limits.
    wanted: Option<SmallVec<[(usize, i32); 2]>>,
}

/// What a node says that was asked again.
enum Said {
    /// It is no longer there.
    Nothing,
    /// The refusal at this place among the kinds of the failure.
    Known(u32),
    /// A refusal, with the number that tells it.
    Refusal(Rejection, Option<usize>),
}

/// What came of the steps before nodes are looked at.
enum Prepared {
    /// Go on, with these nodes only if given (sorted), narrowed by these plugins.
    Go(Option<Vec<NodeIdx>>, PluginSet),
    /// No node will do.
    Rejected(Rejection, PluginSet),
}

impl Volumes {
    /// One plugin's PreFilter; nothing if it is none of these.
    fn pre_filter(&mut self, plugin: PluginId, view: PodView<'_>) -> Option<PreFilter> {
        let answer = match plugin {
            PluginId::VolumeRestrictions => self.restrictions.pre_filter(view),
            PluginId::NodeVolumeLimits => self.limits.pre_filter(view),
            PluginId::VolumeBinding => self.binding.pre_filter(view),
            PluginId::VolumeZone => self.zone.pre_filter(view),
            _ => return None,
        };
        if matches!(answer, PreFilter::Run | PreFilter::Narrow(_)) {
            self.runs.insert(plugin);
        }
        Some(answer)
    }
    /// One plugin's Filter; those that skipped the pod let it pass.
    fn filter_one(
        &self,
        plugin: PluginId,
        view: PodView<'_>,
        node: NodeIdx,
        used: &UsedVolumes,
    ) -> Result<(), Rejection> {
        match plugin {
            _ if !self.runs.contains(plugin) => Ok(()),
            PluginId::VolumeRestrictions => self.restrictions.filter(view, node),
            PluginId::NodeVolumeLimits => self.limits.within(view, node, used.on(node)),
            PluginId::VolumeBinding => self.binding.filter(view, node),
            PluginId::VolumeZone => self.zone.filter(view, node),
            _ => Ok(()),
        }
    }
    /// All that the profile runs, but for what the reaches say.
    #[inline]
    fn admits(&self, view: PodView<'_>, node: NodeIdx, used: &UsedVolumes) -> bool {
        const LIMITS: PluginSet = PluginSet::of(&[PluginId::NodeVolumeLimits]);
        let asked = match &self.wanted {
            Some(wanted) if used.has_room(node, wanted) => self.asked.without(LIMITS),
            _ => self.asked,
        };
        asked.iter().all(|p| self.filter_one(p, view, node, used).is_ok())
    }
}

impl Scheduler {
    /// A scheduler that has seen all of `state`.
    pub fn new(catalog: &Catalog, state: &State, config: SchedulerConfig) -> Scheduler {
        let resolved = config.profiles.iter().map(|p| Resolved::new(catalog, p)).collect();
        let mut index = Index::new(catalog, state);
        index.order.refresh();
        Scheduler {
            batches: vec![Batch::default(); config.profiles.len()],
            cycle: 0,
            now_ms: 0,
            profiles: config.profiles,
            resolved,
            tie_break: TieBreak::of(catalog.kubernetes),
            index,
            classes: Classes::default(),
            volumes: Volumes::default(),
            next_start: 0,
            scratch: Scratch::default(),
        }
    }
    /// Tells the time: what is kept for pods alike soon is too old.
    pub fn at(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
    }
    /// From now on each of the best nodes is as likely as the others, whatever the version would choose.
    pub fn draw_equal_nodes(&mut self) {
        self.tie_break = TieBreak::Uniform;
    }
    /// Goes on in the list of nodes where another scheduler stands.
    #[cfg(test)]
    pub(crate) fn start_with(&mut self, other: &Scheduler) {
        self.next_start = other.next_start;
    }

    /// The profile that places a pod; the first where none has the name that the pod gives.
    pub fn profile(&self, catalog: &Catalog, state: &State, pod: PodIdx) -> &Arc<Profile> {
        &self.profiles[self.profile_at(catalog, state.pods[pod].spec)]
    }
    fn profile_at(&self, catalog: &Catalog, spec: SpecIdx) -> usize {
        match &self.profiles[..] {
            [_] => 0,
            many => {
                let name = catalog.text(catalog.shape(spec).scheduler_name);
                many.iter().position(|p| p.name == name).unwrap_or(0)
            }
        }
    }
    /// What judging nodes needs to see, under the profile of that index.
    pub(super) fn sight<'a>(&'a self, catalog: &'a Catalog, state: &'a State, profile: usize) -> Sight<'a> {
        Sight { catalog, state, config: &self.profiles[profile], resolved: &self.resolved[profile], profile }
    }
    /// Up to where the change log was read; the log may be forgotten up to here.
    pub fn cursor(&self) -> u64 {
        self.index.cursor()
    }
    /// Pods nominated to a node, in the order of their nomination.
    pub fn nominated(&self, node: NodeIdx) -> &[PodIdx] {
        self.index.nominated.get(&node).map_or(&[], |p| p)
    }
    /// All nodes in the order in which they are looked at, as of the last sync.
    pub fn nodes(&self) -> &[NodeIdx] {
        self.index.order.list()
    }
    /// Reads the change log from where it was left. [`Scheduler::decide`] and [`Scheduler::check`] do so themselves.
    pub fn sync(&mut self, catalog: &Catalog, state: &State) {
        if !self.index.sync(catalog, state) {
            // A selector mentions a label key that none did before: what labels were projected onto no longer tells pods apart.
            self.index = Index::new(catalog, state);
            self.classes = Classes::default();
            self.resolved = self.profiles.iter().map(|p| Resolved::new(catalog, p)).collect();
        }
        self.index.order.refresh();
    }
    /// Runs one cycle for a pending pod. Binds nothing; the state is as before when it returns (hypotheses are taken back).
    ///
    /// `tie(n)` draws one of `n` equally good nodes; it is asked only with [`TieBreak::Uniform`].
    pub fn decide(
        &mut self,
        catalog: &Catalog,
        state: &mut State,
        pod: PodIdx,
        tie: &mut dyn FnMut(usize) -> usize,
    ) -> Decision {
        self.run(catalog, state, pod, tie, false)
    }
    /// As [`Scheduler::decide`], with every feasible node's scores.
    pub fn explain(
        &mut self,
        catalog: &Catalog,
        state: &mut State,
        pod: PodIdx,
        tie: &mut dyn FnMut(usize) -> usize,
    ) -> Decision {
        self.run(catalog, state, pod, tie, true)
    }
    fn run(
        &mut self,
        catalog: &Catalog,
        state: &mut State,
        pod: PodIdx,
        tie: &mut dyn FnMut(usize) -> usize,
        explain: bool,
    ) -> Decision {
        self.sync(catalog, state);
        self.cycle += 1;
        if self.index.order.list().is_empty() {
            return failed(Failure::default(), 0);
        }
        let class = self.class(catalog, state, pod);
        if let Some(decision) = self.still_failing(class, state, pod) {
            return decision;
        }
        if let Some(decision) = self.failing_again(catalog, state, pod, class) {
            return decision;
        }
        let (narrowed, narrowers) = match self.prepare(catalog, state, pod, class) {
            Prepared::Go(nodes, by) => (nodes, by),
            Prepared::Rejected(rejection, by) => {
                let rejectors = by.iter().chain(by.is_empty().then_some(rejection.plugin)).collect();
                let nodes = self.index.order.list().len();
                return failed(Failure { nodes, pre_filter: Some(rejection), rejectors, ..Failure::default() }, 0);
            }
        };
        let hint = self.hint(catalog, state, pod, class);
        // A nomination goes before a hint, even where its node is gone (`evaluateNominatedNode`).
        let tried = state.pods[pod].nominated.or(hint).filter(|n| self.index.is_listed(*n));
        if let Some(node) = tried
            && self.check_prepared(catalog, state, pod, node).is_ok()
        {
            self.note(catalog, state, pod, class, hint, node, None);
            return Decision { hinted: state.pods[pod].nominated.is_none(), ..chosen(node, 1, 1) };
        }
        self.search(catalog, state, pod, class, narrowed, narrowers, hint, tie, explain)
    }
    /// The next best node of the search before, if that was for a pod alike and its node has no room for another
    /// (`GetNodeHint`).
    fn hint(&mut self, catalog: &Catalog, state: &State, pod: PodIdx, class: usize) -> Option<NodeIdx> {
        let profile = self.classes.all[class].profile;
        let how = self.profiles[profile].batching;
        let spec = state.pods[pod].spec;
        let last = self.batches[profile].last_alike(how, catalog, spec, self.cycle, self.now_ms)?;
        if !self.index.is_listed(last) || self.filter(catalog, state, pod, last).is_ok() {
            return None;
        }
        self.batches[profile].next()
    }
    /// Keeps what a search found for the next pod.
    #[allow(clippy::too_many_arguments)] // one cycle's end
    fn note(
        &mut self,
        catalog: &Catalog,
        state: &State,
        pod: PodIdx,
        class: usize,
        hint: Option<NodeIdx>,
        node: NodeIdx,
        found: Option<(&[NodeIdx], &[i64])>,
    ) {
        let profile = self.classes.all[class].profile;
        let how = self.profiles[profile].batching;
        if how != Batching::Off {
            let spec = state.pods[pod].spec;
            self.batches[profile].note(how, catalog, spec, self.cycle, self.now_ms, hint, node, found);
        }
    }
    /// All nodes that pass the filters, by index: no sampling, no nominated node first.
    pub fn feasible(&mut self, catalog: &Catalog, state: &mut State, pod: PodIdx) -> Vec<NodeIdx> {
        self.sync(catalog, state);
        let class = self.class(catalog, state, pod);
        let Prepared::Go(narrowed, _) = self.prepare(catalog, state, pod, class) else { return Vec::new() };
        let candidates = narrowed.unwrap_or_else(|| self.index.order.list().to_vec());
        let passing = |n: &NodeIdx| self.check_prepared(catalog, state, pod, *n).is_ok();
        let mut feasible: Vec<NodeIdx> = candidates.into_iter().filter(passing).collect();
        feasible.sort_unstable();
        feasible
    }
    /// The scores of given nodes, as if they were the feasible ones.
    pub fn score_over(&mut self, catalog: &Catalog, state: &State, pod: PodIdx, nodes: &[NodeIdx]) -> Explanation {
        self.sync(catalog, state);
        let class = self.class(catalog, state, pod);
        let sight = self.sight(catalog, state, self.classes.all[class].profile);
        self.explanation(sight, &self.classes.all[class], nodes)
    }
    /// The class of a pod, its terms up to date.
    fn class(&mut self, catalog: &Catalog, state: &State, pod: PodIdx) -> usize {
        let spec = state.pods[pod].spec;
        let profile = self.profile_at(catalog, spec);
        let (config, resolved) = (&self.profiles[profile], &self.resolved[profile]);
        let sight = Sight { catalog, state, config, resolved, profile };
        let id = self.classes.of_spec(sight, &mut self.index, spec) as usize;
        let class = &mut self.classes.all[id];
        let ident = &self.index.idents.all[class.ident as usize];
        class.terms.catch_up(&self.index.carriers, ident, config, &catalog.names);
        if let Some(parts) = &class.parts {
            let shape = &catalog.shapes[class.shape.at()];
            self.classes.statics.catch_up(sight, &self.index, shape, parts.fixed);
        }
        id
    }
    /// The class's last failure, if nothing has changed since that could lift it.
    fn still_failing(&mut self, class: usize, state: &State, pod: PodIdx) -> Option<Decision> {
        let class = &self.classes.all[class];
        let failed = class.failed.as_ref()?;
        let own = class.has_volumes || !self.index.nominated.is_empty() || state.pods[pod].nominated.is_some();
        if own || failed.generation != self.index.generation {
            return None;
        }
        Some(self.fails_as(failed.looked, failed.failure.clone()))
    }

    fn fails_as(&mut self, looked: usize, failure: Arc<Failure>) -> Decision {
        self.next_start = (self.next_start + looked) % self.index.order.list().len();
        let verdict = Verdict::Unschedulable(failure);
        Decision { verdict, feasible: 0, evaluated: looked, hinted: false, explanation: None }
    }

    /// The class's last failure brought up to date: only nodes that changed since are asked again, and those that pods on
    /// other nodes kept the class from. None if that is not known to be enough, or one of them takes the pod now.
    fn failing_again(&mut self, catalog: &Catalog, state: &State, pod: PodIdx, id: usize) -> Option<Decision> {
        let class = &self.classes.all[id];
        let failed = class.failed.as_ref()?;
        let touched = self.index.touched_since(failed.touches?)?;
        let sight = self.sight(catalog, state, class.profile);
        let own = class.has_volumes || !self.index.nominated.is_empty() || state.pods[pod].nominated.is_some();
        if own || sight.config.batching != Batching::Off || !asks_others_last(sight, &catalog.shapes[class.shape.at()])
        {
            return None;
        }
        let (spread, affinity) = self.cross_node(class);
        let alone = spread.is_empty() && affinity.is_empty();
        let elsewhere = match alone {
            true => Vec::new(),
            false => failed.failure.statuses.of_kind(|refusal| CROSS_NODE.contains(refusal.plugin)),
        };
        let codes = class.codes(sight, &self.index, &self.classes.statics);
        let statuses = &failed.failure.statuses;
        let mut changes: Vec<(NodeIdx, Said)> = Vec::new();
        let mut asked: Vec<NodeIdx> = elsewhere.iter().chain(touched).copied().collect();
        // Without a number that tells, each is asked by its plugins: once is enough.
        if codes.is_none() {
            asked.sort_unstable();
            asked.dedup();
        }
        for node in asked {
            if !self.index.is_listed(node) {
                changes.push((node, Said::Nothing));
                continue;
            }
            let code = codes.as_ref().and_then(|codes| codes.code(node));
            let known = code.and_then(|code| failed.kinds.get(code));
            match known {
                Some(kind) if statuses.kind_of(node) == Some(kind) => {}
                Some(kind) => changes.push((node, Said::Known(kind))),
                None if alone && code == Some(FREE) => return None,
                None => {
                    let refusal = self.first_refusal(sight, pod, class, node, &spread, &affinity)?;
                    changes.push((node, Said::Refusal(refusal, code)));
                }
            }
        }
        drop((spread, affinity));
        let (generation, touches, all) = (self.index.generation, self.index.touches(), self.index.order.list().len());
        let failed = self.classes.all[id].failed.as_mut()?;
        if !changes.is_empty() || failed.failure.nodes != all {
            let failure = Arc::make_mut(&mut failed.failure);
            for (node, said) in changes {
                match said {
                    Said::Nothing => failure.statuses.remove(node),
                    Said::Known(kind) => failure.statuses.set_kind(node, kind),
                    Said::Refusal(refusal, code) => {
                        let kind = failure.statuses.kind(refusal);
                        failed.kinds.set(code, kind);
                        failure.statuses.set_kind(node, kind);
                    }
                }
            }
            failure.nodes = all;
            failure.rejectors = failure.statuses.kinds().map(|k| k.0.plugin).collect();
        }
        (failed.generation, failed.touches, failed.looked) = (generation, Some(touches), all);
        let failure = failed.failure.clone();
        Some(self.fails_as(all, failure))
    }

    /// PreFilter (S/framework/runtime `RunPreFilterPlugins`), in plugin order.
    fn prepare(&mut self, catalog: &Catalog, state: &State, pod: PodIdx, class: usize) -> Prepared {
        let class = &self.classes.all[class];
        let mut narrowed: Option<Vec<NodeIdx>> = None;
        let mut narrowers = PluginSet::default();
        let mut rejected: Option<Rejection> = None;
        let mut stop: Option<Prepared> = None;
        let mut each = |plugin: PluginId, answer: PreFilter| -> bool {
            match answer {
                PreFilter::Skip | PreFilter::Run => true,
                PreFilter::Reject(rejection) if rejection.code == Code::Unresolvable => {
                    stop = Some(Prepared::Rejected(rejection, PluginSet::default()));
                    false
                }
                PreFilter::Reject(rejection) => {
                    rejected = Some(rejection);
                    true
                }
                PreFilter::Narrow(nodes) => {
                    narrowers.insert(plugin);
                    let both = match narrowed.take() {
                        None => nodes,
                        Some(before) => before.into_iter().filter(|n| nodes.contains(n)).collect(),
                    };
                    narrowed = Some(both);
                    true
                }
            }
        };
        let profile = class.profile;
        let config = &self.profiles[profile];
        let view = PodView { catalog, state, config, pod };
        self.volumes.runs = PluginSet::default();
        self.volumes.prepared = Some(pod);
        self.volumes.asked = PluginSet::EMPTY;
        self.volumes.wanted = None;
        self.volumes.reaches.clear();
        for plugin in config.pre_filter.iter().copied() {
            let answer = match (plugin, &class.named) {
                (PluginId::NodeAffinity, Some(names)) if names.is_empty() => {
                    PreFilter::Reject(Rejection::unresolvable(plugin, node_affinity::REASON_CONFLICT))
                }
                (PluginId::NodeAffinity, Some(names)) => {
                    let known = names.iter().filter_map(|n| self.index.by_name.get(n).copied());
                    let mut nodes: Vec<NodeIdx> = known.collect();
                    nodes.sort_unstable();
                    PreFilter::Narrow(nodes)
                }
                _ if class.has_volumes => match self.volumes.pre_filter(plugin, view) {
                    Some(answer) => answer,
                    None => continue,
                },
                _ => continue,
            };
            if !each(plugin, answer) {
                break;
            }
        }
        if class.has_volumes {
            // These find out for themselves in Filter what PreFilter was not asked.
            for plugin in [PluginId::NodeVolumeLimits, PluginId::VolumeZone] {
                if config.filters(plugin) && !config.pre_filter.contains(&plugin) {
                    let _ = self.volumes.pre_filter(plugin, view);
                }
            }
            self.settle(catalog, state, pod, profile);
        }
        match (stop, rejected) {
            (Some(stopped), _) => stopped,
            (None, Some(rejection)) => Prepared::Rejected(rejection, PluginSet::default()),
            (None, None) => Prepared::Go(narrowed, narrowers),
        }
    }
    /// Finds the nodes from which the volumes of the pod at hand can be used, where labels alone decide that, and what it wants attached.
    fn settle(&mut self, catalog: &Catalog, state: &State, pod: PodIdx, profile: usize) {
        let config = &self.profiles[profile];
        let (volumes, statics) = (&mut self.volumes, &mut self.classes.statics);
        volumes.asked = volumes.runs.and(POD_BY_POD).and(config.filter_set());
        let mut settled = PluginSet::EMPTY;
        if volumes.asked.contains(PluginId::VolumeBinding)
            && let Some(affinities) = volumes.binding.affinities(state)
        {
            settled.insert(PluginId::VolumeBinding);
            let reach = |affinity| statics.reach(catalog, state, &self.index, ReachOf::Affinity(affinity));
            volumes.reaches.extend(affinities.into_iter().map(reach));
        }
        if volumes.asked.contains(PluginId::VolumeZone) {
            settled.insert(PluginId::VolumeZone);
            let reach = ReachOf::Zones(volumes.zone.zones());
            volumes.reaches.push(statics.reach(catalog, state, &self.index, reach));
        }
        volumes.asked = volumes.asked.without(settled);
        if volumes.asked.contains(PluginId::NodeVolumeLimits) {
            let view = PodView { catalog, state, config, pod };
            volumes.wanted = volumes.limits.wanted(view, &mut self.index.used_volumes);
        }
    }

    /// Runs the filters for one node as the state stands (also within a hypothesis), pods nominated to it taken into
    /// account (`RunFilterPluginsWithNominatedPods`). For preemption's dry run.
    ///
    /// # Errors
    /// The first refusal.
    pub fn check(&mut self, catalog: &Catalog, state: &mut State, pod: PodIdx, node: NodeIdx) -> Result<(), Rejection> {
        self.sync(catalog, state);
        if self.volumes.prepared != Some(pod) {
            let class = self.class(catalog, state, pod);
            if let Prepared::Rejected(rejection, _) = self.prepare(catalog, state, pod, class) {
                return Err(rejection);
            }
        }
        self.check_prepared(catalog, state, pod, node)
    }
    /// Twice where pods of no lower priority are nominated to the node: as if they were there, then as it is.
    fn check_prepared(
        &mut self,
        catalog: &Catalog,
        state: &mut State,
        pod: PodIdx,
        node: NodeIdx,
    ) -> Result<(), Rejection> {
        let yielding = self.yields_to(catalog, state, pod, node);
        if !yielding.is_empty() {
            let mark = state.suppose();
            let started: Vec<i64> = yielding.iter().map(|p| state.pods[*p].started).collect();
            for other in &yielding {
                state.bind(catalog, *other, node, state.pods[*other].started);
            }
            self.sync(catalog, state);
            let answer = self.filter(catalog, state, pod, node);
            state.rollback(catalog, mark);
            for (other, started) in yielding.iter().zip(started) {
                state.pods[*other].started = started;
            }
            self.sync(catalog, state);
            answer?;
        }
        self.filter(catalog, state, pod, node)
    }
    /// Pods nominated to a node that a pod must leave room for.
    fn yields_to(&self, catalog: &Catalog, state: &State, pod: PodIdx, node: NodeIdx) -> Vec<PodIdx> {
        let priority = |p: PodIdx| catalog.shape(state.pods[p].spec).priority;
        let mine = priority(pod);
        let others = self.nominated(node).iter().copied();
        others.filter(|p| *p != pod && state.pods[*p].node.is_none() && priority(*p) >= mine).collect()
    }
    /// All filters on one node, without columns; the first refusal with its reasons.
    fn filter(&mut self, catalog: &Catalog, state: &State, pod: PodIdx, node: NodeIdx) -> Result<(), Rejection> {
        let id = self.class(catalog, state, pod);
        let class = &self.classes.all[id];
        let sight = self.sight(catalog, state, class.profile);
        let (spread, affinity) = self.cross_node(class);
        self.first_refusal(sight, pod, class, node, &spread, &affinity).map_or(Ok(()), Err)
    }
    fn cross_node(&self, class: &Class) -> (SmallVec<[pts::HardCheck<'_>; 2]>, ipa::Checks<'_>) {
        let config = &self.profiles[class.profile];
        let spread = match config.filters(PluginId::PodTopologySpread) {
            true => pts::checks(&class.rows, &self.index.counts, &self.index.topology),
            false => SmallVec::new(),
        };
        let affinity = match config.filters(PluginId::InterPodAffinity) {
            true => ipa::checks(&class.terms, &self.index.counts, &self.index.carriers, &self.index.topology),
            false => ipa::Checks::default(),
        };
        (spread, affinity)
    }
    /// Why a node is refused, in filter order, with reasons.
    fn first_refusal(
        &self,
        sight: Sight<'_>,
        pod: PodIdx,
        class: &Class,
        node: NodeIdx,
        spread: &[pts::HardCheck<'_>],
        affinity: &ipa::Checks<'_>,
    ) -> Option<Rejection> {
        let shape = &sight.catalog.shapes[class.shape.at()];
        let view = PodView { catalog: sight.catalog, state: sight.state, config: sight.config, pod };
        sight.config.filter.iter().find_map(|plugin| match plugin {
            PluginId::PodTopologySpread => pts::rejection(spread, node),
            PluginId::InterPodAffinity => affinity.rejection(node),
            _ if POD_BY_POD.contains(*plugin) => match class.has_volumes {
                true => self.volumes.filter_one(*plugin, view, node, &self.index.used_volumes).err(),
                false => None,
            },
            _ => refuses(*plugin, sight, shape, node).then(|| plugins::rejection(*plugin, sight, shape, node)),
        })
    }
    /// Looks for feasible nodes and takes the best.
    #[allow(clippy::too_many_arguments)] // one cycle's context, used in this one place
    fn search(
        &mut self,
        catalog: &Catalog,
        state: &mut State,
        pod: PodIdx,
        class: usize,
        narrowed: Option<Vec<NodeIdx>>,
        narrowers: PluginSet,
        hint: Option<NodeIdx>,
        tie: &mut dyn FnMut(usize) -> usize,
        explain: bool,
    ) -> Decision {
        let overlay = self.nominated_overlay(catalog, state, pod);
        let mut scratch = std::mem::take(&mut self.scratch);
        let looked = self.scan(catalog, state, pod, class, narrowed.as_deref(), &overlay, &mut scratch);
        let all = self.index.order.list().len();
        self.next_start = (self.next_start + looked) % all;
        let feasible = scratch.feasible.len();
        let decision = match scratch.feasible[..] {
            [] => {
                let general = narrowed.is_none() && overlay.is_empty() && self.classes.all[class].named.is_none();
                let (failure, kinds) =
                    self.failure(catalog, state, pod, class, narrowed.as_deref(), narrowers, overlay);
                let failure = Arc::new(failure);
                self.classes.all[class].failed = Some(Failed {
                    generation: self.index.generation,
                    looked,
                    failure: failure.clone(),
                    touches: general.then_some(self.index.touches()),
                    kinds,
                });
                Decision {
                    verdict: Verdict::Unschedulable(failure),
                    feasible,
                    evaluated: looked,
                    hinted: false,
                    explanation: None,
                }
            }
            [only] => {
                self.note(catalog, state, pod, class, hint, only, None);
                chosen(only, 1, looked)
            }
            _ => {
                let explanation = self.score(catalog, state, class, &mut scratch, explain);
                let pick = match self.tie_break {
                    TieBreak::Preorder => preorder_first(&scratch.totals),
                    TieBreak::Uniform => uniform(&scratch.totals, tie),
                };
                let node = scratch.feasible[pick];
                self.note(catalog, state, pod, class, hint, node, Some((&scratch.feasible, &scratch.totals)));
                Decision { explanation, ..chosen(node, feasible, looked) }
            }
        };
        self.scratch = scratch;
        decision
    }
    /// Nodes with nominated pods that this pod must yield to, with what the double filtering says of them.
    fn nominated_overlay(
        &mut self,
        catalog: &Catalog,
        state: &mut State,
        pod: PodIdx,
    ) -> Vec<(NodeIdx, Option<Rejection>)> {
        if self.index.nominated.is_empty() {
            return Vec::new();
        }
        let nodes: Vec<NodeIdx> = self.index.nominated.keys().copied().filter(|n| self.index.is_listed(*n)).collect();
        let mut overlay = Vec::new();
        for node in nodes {
            if !self.yields_to(catalog, state, pod, node).is_empty() {
                overlay.push((node, self.check_prepared(catalog, state, pod, node).err()));
            }
        }
        overlay
    }
    /// Filters nodes from where the last cycle stopped until enough are feasible; returns how many were looked at.
    #[allow(clippy::too_many_arguments)] // as above
    fn scan(
        &mut self,
        catalog: &Catalog,
        state: &State,
        pod: PodIdx,
        id: usize,
        narrowed: Option<&[NodeIdx]>,
        overlay: &[(NodeIdx, Option<Rejection>)],
        scratch: &mut Scratch,
    ) -> usize {
        let Scratch { feasible, totals, any_taints, .. } = scratch;
        feasible.clear();
        totals.clear();
        *any_taints = false;
        let nodes = narrowed.unwrap_or(self.index.order.list());
        if nodes.is_empty() {
            return 0;
        }
        let mut tables = std::mem::take(&mut self.classes.tables);
        let class = &self.classes.all[id];
        let sight = self.sight(catalog, state, class.profile);
        let shape = &catalog.shapes[class.shape.at()];
        let enough = sight.config.nodes_to_find(nodes.len());
        let (spread, affinity) = self.cross_node(class);
        let each = class.parts.map_or(PluginSet::EMPTY, |p| p.each);
        // Where there are few domains, what other nodes' pods say is a set of domains; where there are many, each node is asked.
        let mut open: SmallVec<[Open<'_>; 4]> = spread.iter().filter_map(pts::HardCheck::open).collect();
        let by_node = open.len() < spread.len() || !affinity.open(&mut open);
        open.retain(|open| !open.is_all());
        let others = by_node || class.has_volumes || !overlay.is_empty() || !each.is_empty();
        let view = PodView { catalog, state, config: sight.config, pod };
        let order = (nodes, self.next_start % nodes.len(), enough);
        let statics = &self.classes.statics;
        let passes = |node: NodeIdx| {
            !each.iter().any(|plugin| refuses(plugin, sight, shape, node))
                && self.fits(node, class, view, by_node.then_some((&spread, &affinity)), overlay)
        };
        let looked = match class.parts {
            Some(parts) => {
                let tolerating = statics.tolerating(parts.fixed);
                let mut room = tables.open(sight, &self.index, shape, parts.balance, parts.asked);
                let mut sets: SmallVec<[&NodeSet; 4]> = SmallVec::new();
                sets.extend(tolerating.refusing().then_some(&tolerating.admitted));
                sets.extend(statics.selected(parts.fixed));
                if class.has_volumes {
                    sets.extend(self.volumes.reaches.iter().map(|r| statics.reached(*r)));
                }
                let (sets, open) = (&sets[..], &open[..]);
                let admitted =
                    |node: NodeIdx| open.iter().all(|open| open.has(node)) && sets.iter().all(|set| set.has(node));
                let looked = match (sets, open, others) {
                    ([], [], false) => walk(order, feasible, totals, |node| room.score(node)),
                    (_, _, false) => {
                        walk(order, feasible, totals, |node| if admitted(node) { room.score(node) } else { NO_ROOM })
                    }
                    (_, _, true) => walk(order, feasible, totals, |node| {
                        match if admitted(node) { room.score(node) } else { NO_ROOM } {
                            score if score != NO_ROOM && passes(node) => score,
                            _ => NO_ROOM,
                        }
                    }),
                };
                *any_taints = tolerating.any_soft(feasible);
                looked
            }
            // Nodes that the pod names are few, and such classes many (one for each DaemonSet pod): nothing is kept for them.
            None => walk(order, feasible, totals, |node| {
                let open = open.iter().all(|open| open.has(node));
                if open && !is_refused(sight, shape, node) && passes(node) { 0 } else { NO_ROOM }
            }),
        };
        drop((spread, affinity, open));
        self.classes.tables = tables;
        looked
    }

    /// What volumes, other nodes' pods and nominated pods say of a node that would do for itself.
    fn fits(
        &self,
        node: NodeIdx,
        class: &Class,
        view: PodView<'_>,
        cross: Option<(&SmallVec<[pts::HardCheck<'_>; 2]>, &ipa::Checks<'_>)>,
        overlay: &[(NodeIdx, Option<Rejection>)],
    ) -> bool {
        match overlay.iter().find(|o| o.0 == node) {
            Some((_, verdict)) => verdict.is_none(),
            None => {
                (!class.has_volumes || self.volumes.admits(view, node, &self.index.used_volumes))
                    && cross.is_none_or(|(spread, affinity)| {
                        spread.iter().all(|c| c.objection(node).is_none()) && affinity.admits(node)
                    })
            }
        }
    }
    /// The second pass: why each node was refused.
    #[allow(clippy::too_many_arguments)] // as above
    fn failure(
        &self,
        catalog: &Catalog,
        state: &State,
        pod: PodIdx,
        id: usize,
        narrowed: Option<&[NodeIdx]>,
        narrowers: PluginSet,
        mut overlay: Vec<(NodeIdx, Option<Rejection>)>,
    ) -> (Failure, Kinds) {
        let class = &self.classes.all[id];
        let sight = self.sight(catalog, state, class.profile);
        let (spread, affinity) = self.cross_node(class);
        let codes = class.codes(sight, &self.index, &self.classes.statics);
        let (mut statuses, mut kinds) = (Statuses::default(), Kinds::default());
        let mut judge = |node: NodeIdx| {
            if let Some(doubled) = overlay.iter_mut().find(|o| o.0 == node).and_then(|o| o.1.take()) {
                return statuses.set(node, doubled);
            }
            let code = codes.as_ref().and_then(|codes| codes.code(node));
            if let Some(kind) = code.and_then(|code| kinds.get(code)) {
                return statuses.set_kind(node, kind);
            }
            if let Some(refusal) = self.first_refusal(sight, pod, class, node, &spread, &affinity) {
                let kind = statuses.kind(refusal);
                kinds.set(code, kind);
                statuses.set_kind(node, kind);
            }
        };
        match narrowed {
            Some(nodes) => nodes.iter().copied().for_each(&mut judge),
            None => state.nodes.indices().filter(|n| self.index.is_listed(*n)).for_each(&mut judge),
        }
        let absent = narrowed.map(|_| {
            let names = narrowers.iter().map(|p| p.name()).collect::<Vec<_>>().join(" ");
            let first = narrowers.iter().next().unwrap_or(PluginId::NodeAffinity);
            Rejection::text(first, Code::Unresolvable, format!("node(s) didn't satisfy plugin(s) [{names}]"))
        });
        let rejectors = statuses.kinds().map(|k| k.0.plugin).chain(narrowers.iter()).collect();
        let nodes = self.index.order.list().len();
        (Failure { nodes, pre_filter: None, statuses, absent, rejectors }, kinds)
    }
    /// Scores the feasible nodes into `scratch.totals`.
    fn score(
        &self,
        catalog: &Catalog,
        state: &State,
        id: usize,
        scratch: &mut Scratch,
        explain: bool,
    ) -> Option<Box<Explanation>> {
        let class = &self.classes.all[id];
        let sight = self.sight(catalog, state, class.profile);
        if class.named.is_none() {
            self.total(sight, class, scratch);
        }
        (explain || class.named.is_some()).then(|| {
            let explanation = self.explanation(sight, class, &scratch.feasible);
            if class.named.is_some() {
                scratch.totals.clone_from(&explanation.totals);
            }
            // What is shown are the totals that decide.
            Box::new(Explanation { totals: scratch.totals.clone(), ..explanation })
        })
    }
    /// Adds to what the scan left in the totals; what is the same for all nodes is left to the end.
    fn total(&self, sight: Sight<'_>, class: &Class, scratch: &mut Scratch) {
        let Scratch { feasible, totals, any_taints, column, spread } = scratch;
        let Some(parts) = class.parts.map(|p| p.fixed) else { return };
        let (statics, index, config) = (&self.classes.statics, &self.index, sight.config);
        let (preferred, images) = (statics.preferred(parts), statics.images(parts));
        let mut same = 0;
        for (plugin, weight) in &config.score {
            let scored = match plugin {
                PluginId::TaintToleration if !*any_taints => {
                    same += 100 * weight;
                    false
                }
                PluginId::TaintToleration => {
                    column.clear();
                    let tolerating = statics.tolerating(parts);
                    column.extend(feasible.iter().map(|n| i64::from(tolerating.soft(*n))));
                    by_highest(column, true);
                    true
                }
                PluginId::NodeAffinity => match preferred {
                    Some(weights) => {
                        column.clear();
                        column.extend(feasible.iter().map(|n| i64::from(weights[n.at()])));
                        by_highest(column, false);
                        true
                    }
                    None => false,
                },
                PluginId::ImageLocality => match images {
                    Some(scores) => {
                        column.clear();
                        column.extend(feasible.iter().map(|n| i64::from(scores.get(n.at()))));
                        true
                    }
                    None => false,
                },
                PluginId::PodTopologySpread => {
                    let (counts, topology) = (&index.counts, &index.topology);
                    pts::add_scores(&class.rows, counts, topology, feasible, spread, *weight, totals);
                    false
                }
                PluginId::InterPodAffinity => {
                    ipa::score(&class.terms, &index.counts, &index.carriers, &index.topology, config, feasible, column)
                }
                // Fit and balance are in the totals already, claims score the same for all nodes.
                PluginId::NodeResourcesFit | PluginId::NodeResourcesBalancedAllocation | PluginId::DynamicResources => {
                    false
                }
                other => plugins::score(*other, &self.scoring(sight, class, feasible), spread, column),
            };
            if scored {
                totals.iter_mut().zip(&*column).for_each(|(total, score)| *total += weight * score);
            }
        }
        if same != 0 {
            totals.iter_mut().for_each(|total| *total += same);
        }
    }
    /// Every plugin's scores, each from its own rule.
    fn explanation(&self, sight: Sight<'_>, class: &Class, feasible: &[NodeIdx]) -> Explanation {
        let mut explanation =
            Explanation { feasible: feasible.to_vec(), totals: vec![0; feasible.len()], ..Explanation::default() };
        let (mut column, mut scratch) = (Vec::new(), pts::Scratch::default());
        let scoring = self.scoring(sight, class, feasible);
        for (plugin, weight) in &sight.config.score {
            if plugins::score(*plugin, &scoring, &mut scratch, &mut column) {
                column.iter_mut().for_each(|score| *score *= weight);
                explanation.totals.iter_mut().zip(&column).for_each(|(total, score)| *total += score);
                explanation.plugins.push((*plugin, column.clone()));
            }
        }
        let best = explanation.totals.iter().max().copied();
        let totals = feasible.iter().zip(&explanation.totals);
        explanation.best = totals.filter(|n| Some(*n.1) == best).map(|n| *n.0).collect();
        explanation
    }

    /// What the plugins' scores of a class follow from.
    fn scoring<'a>(&'a self, sight: Sight<'a>, class: &'a Class, feasible: &'a [NodeIdx]) -> Scoring<'a> {
        let Index { counts, carriers, topology, images, .. } = &self.index;
        let shape = &sight.catalog.shapes[class.shape.at()];
        let (rows, terms) = (&class.rows, &class.terms);
        Scoring { sight, shape, rows, terms, counts, carriers, topology, images, feasible }
    }
}

/// Looks at nodes in their order, from the given place on and round, until one more than enough are feasible; returns how many
/// were looked at before that. What is not feasible scores [`NO_ROOM`].
#[inline]
fn walk(
    (nodes, start, enough): (&[NodeIdx], usize, usize),
    feasible: &mut Vec<NodeIdx>,
    totals: &mut Vec<i64>,
    mut score: impl FnMut(NodeIdx) -> i64,
) -> usize {
    /// So many are found before they are written to the lists.
    const CHUNK: usize = 64;
    let (mut found, mut scores) = ([NodeIdx(0); CHUNK], [0_i64; CHUNK]);
    let mut looked = 0;
    for part in [&nodes[start..], &nodes[..start]] {
        let mut rest = part.iter();
        while rest.len() > 0 {
            let (before, wanted) = (rest.len(), CHUNK.min(enough - feasible.len()));
            if wanted == 0 {
                // One more has to be found for the search to end there.
                match rest.position(|node| score(*node) != NO_ROOM) {
                    Some(others) => return looked + others,
                    None => looked += before,
                }
                continue;
            }
            let mut count = 0;
            for node in rest.by_ref() {
                let score = score(*node);
                (found[count % CHUNK], scores[count % CHUNK]) = (*node, score);
                count += usize::from(score != NO_ROOM);
                if count == wanted {
                    break;
                }
            }
            looked += before - rest.len();
            feasible.extend_from_slice(&found[..count]);
            totals.extend_from_slice(&scores[..count]);
        }
    }
    looked
}

/// Whether a node that is refused for itself stays so, and in the same words, whatever the pods on other nodes. Plugins that refuse such pods
/// nothing do not count, wherever they stand.
fn asks_others_last(sight: Sight<'_>, shape: &PodShape) -> bool {
    let filter = &sight.config.filter;
    let first = filter.iter().position(|p| CROSS_NODE.contains(*p)).unwrap_or(filter.len());
    !filter[first..].iter().any(|p| OF_THE_NODE.contains(*p) && plugins::applies(*p, sight, shape))
}

fn chosen(node: NodeIdx, feasible: usize, evaluated: usize) -> Decision {
    Decision { verdict: Verdict::Node(node), feasible, evaluated, hinted: false, explanation: None }
}

fn failed(failure: Failure, evaluated: usize) -> Decision {
    Decision {
        verdict: Verdict::Unschedulable(Arc::new(failure)),
        feasible: 0,
        evaluated,
        hinted: false,
        explanation: None,
    }
}

/// One of the best, by the caller's draw.
fn uniform(totals: &[i64], tie: &mut dyn FnMut(usize) -> usize) -> usize {
    let best = totals.iter().max();
    let ties: Vec<usize> = (0..totals.len()).filter(|i| Some(&totals[*i]) == best).collect();
    match ties[..] {
        [only] => only,
        _ => ties[tie(ties.len()) % ties.len()],
    }
}

#[cfg(test)]
mod tests;
