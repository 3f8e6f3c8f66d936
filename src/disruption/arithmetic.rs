//! A budget's status, recomputed as the disruption controller does (pkg/controller/disruption/disruption.go, 1.36).

use super::matching::BudgetIndex;
use crate::cluster::{
    Amount, BudgetIdx, BudgetStatus, Catalog, Demand, OwnerIdx, OwnerKind, PodIdx, PodState, ScaleSource, Selector,
    State,
};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// How long an evicted pod may take to get its deletion timestamp before it counts as healthy again
/// (disruption.go `DeletionTimeout`), in milliseconds.
pub const DELETION_TIMEOUT_MS: i64 = 120_000;

/// What the controller's informers show of the pods under one budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Pods that exist, of any phase, terminating ones included.
    pub pods: i64,
    /// Those with condition Ready and no deletion timestamp; phase and minReadySeconds are not looked at.
    pub healthy: i64,
    /// How many of the pods each controller owns.
    pub owners: BTreeMap<OwnerIdx, u32>,
}

/// Whether a pod counts as healthy but for `disruptedPods` (`countHealthyPods`).
pub fn is_healthy(pod: &PodState) -> bool {
    !pod.gone && pod.ready && pod.deleting.is_none()
}

impl Tally {
    /// Counts the pods under a budget from nothing.
    pub fn count(catalog: &Catalog, state: &State, index: &BudgetIndex, budget: BudgetIdx) -> Tally {
        let mut tally = Tally::default();
        for pod in state.pods.iter().filter(|p| !p.gone) {
            if index.budgets_of(pod.spec).contains(&budget) {
                tally.add(catalog.specs[pod.spec].owner, is_healthy(pod));
            }
        }
        tally
    }
    /// Counts the pods under all budgets in one pass.
    pub fn count_all(catalog: &Catalog, state: &State, index: &BudgetIndex) -> Vec<Tally> {
        use crate::cluster::Idx;
        let mut tallies = vec![Tally::default(); catalog.budgets.len()];
        for pod in state.pods.iter().filter(|p| !p.gone) {
            for budget in index.budgets_of(pod.spec) {
                tallies[budget.at()].add(catalog.specs[pod.spec].owner, is_healthy(pod));
            }
        }
        tallies
    }
    pub(super) fn add(&mut self, owner: Option<OwnerIdx>, healthy: bool) {
        self.pods += 1;
        self.healthy += i64::from(healthy);
        if let Some(owner) = owner {
            *self.owners.entry(owner).or_insert(0) += 1;
        }
    }
    pub(super) fn take(&mut self, owner: Option<OwnerIdx>, healthy: bool) {
        self.pods -= 1;
        self.healthy -= i64::from(healthy);
        if let Some(owner) = owner
            && let Some(n) = self.owners.get_mut(&owner)
        {
            *n -= 1;
            if *n == 0 {
                self.owners.remove(&owner);
            }
        }
    }
}

/// What a look at a budget gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed {
    /// The status that should be stored.
    pub status: BudgetStatus,
    /// When an evicted pod that is still there must be looked at again (milliseconds since the snapshot).
    pub recheck_at: Option<i64>,
}

/// One budget's status as the controller would write it now, from the status stored before (`trySync`, `failSafe`).
pub fn compute(catalog: &Catalog, state: &State, budget: BudgetIdx, tally: &Tally, now: i64) -> Computed {
    let stored = &state.budgets[budget];
    let spec = &catalog.budgets[budget];
    if let Selector::Invalid(complaint) = &spec.selector {
        return failed(stored, vec![complaint.clone()]);
    }
    let (expected, desired) = match spec.demand {
        // Neither given: nothing is expected, so nothing is allowed.
        None => (0, 0),
        Some(Demand::MinAvailable(Amount::Count(n))) => (tally.pods, n),
        Some(Demand::MinAvailable(Amount::Percent(p))) => match expected_scale(catalog, state, budget, tally) {
            Ok(expected) => (expected, percent_up(p, expected)),
            Err(messages) => return failed(stored, messages),
        },
        Some(Demand::MaxUnavailable(amount)) => match expected_scale(catalog, state, budget, tally) {
            Ok(expected) => {
                let unavailable = match amount {
                    Amount::Count(n) => n,
                    Amount::Percent(p) => percent_up(p, expected),
                };
                (expected, (expected - unavailable).max(0))
            }
            Err(messages) => return failed(stored, messages),
        },
    };
    let (disrupted, excluded, recheck_at) = disrupted(catalog, state, budget, now);
    let healthy = tally.healthy - excluded;
    // An expectation of 0 allows nothing: the first pods may have appeared without the controller knowing.
    let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0) };
    Computed {
        status: BudgetStatus {
            allowed,
            healthy,
            desired,
            expected,
            observed_generation: spec.generation,
            disrupted,
            sync_failed: None,
        },
        recheck_at,
    }
}

/// Every text with which looking at a budget can fail now; none if it does not fail.
pub fn failures(catalog: &Catalog, state: &State, budget: BudgetIdx, tally: &Tally) -> Vec<String> {
    let spec = &catalog.budgets[budget];
    match (&spec.selector, spec.demand) {
        (Selector::Invalid(complaint), _) => vec![complaint.clone()],
        (_, None | Some(Demand::MinAvailable(Amount::Count(_)))) => Vec::new(),
        _ => expected_scale(catalog, state, budget, tally).err().unwrap_or_default(),
    }
}

/// `failSafe`: allows nothing, says why, leaves the rest as it was. Of several reasons the one stored already stays;
/// the real controller names whichever pod its cache lists first \[ND\].
fn failed(stored: &BudgetStatus, mut messages: Vec<String>) -> Computed {
    let message = match &stored.sync_failed {
        Some(told) if messages.contains(told) => told.clone(),
        _ => messages.swap_remove(0),
    };
    Computed { status: BudgetStatus { allowed: 0, sync_failed: Some(message), ..stored.clone() }, recheck_at: None }
}

/// Percent of a total, rounded up (apimachinery intstr `GetScaledValueFromIntOrPercent`, roundUp in both forms).
fn percent_up(percent: i64, total: i64) -> i64 {
    let product = i128::from(percent) * i128::from(total);
    let up = product.div_euclid(100) + i128::from(product.rem_euclid(100) != 0);
    up.clamp(i128::from(i32::MIN), i128::from(i32::MAX)) as i64
}

/// Sum of the scales of the pods' distinct controllers (`getExpectedScale`), or every complaint that the first pod of
/// some controller can raise. Pods without a controller add nothing.
fn expected_scale(catalog: &Catalog, state: &State, budget: BudgetIdx, tally: &Tally) -> Result<i64, Vec<String>> {
    let mut counted: SmallVec<[OwnerIdx; 8]> = SmallVec::new();
    let mut expected = 0;
    let mut complaints = Vec::new();
    for owner in tally.owners.keys() {
        match scale_of(catalog, state, *owner) {
            Ok((controller, scale)) => {
                if !counted.contains(&controller) {
                    counted.push(controller);
                    expected += scale;
                }
            }
            Err(NoScale::Told(message)) => complaints.push(message),
            Err(NoScale::NotFound) => {
                let selector = &catalog.budgets[budget].selector;
                let matching = state.owned[*owner]
                    .iter()
                    .filter(|p| selector.matches(&catalog.specs[state.pods[**p].spec].labels, &catalog.names));
                complaints.extend(matching.map(|pod| {
                    let name = state.name(catalog, state.pods[*pod].name);
                    format!("found no controllers for pod {name:?}")
                }));
            }
        }
    }
    if complaints.is_empty() { Ok(expected) } else { Err(complaints) }
}

enum NoScale {
    /// An error with this text.
    Told(String),
    /// No finder knows the controller.
    NotFound,
}

/// The controller that counts for a pod's owner, and its scale (disruption.go `finders`).
fn scale_of(catalog: &Catalog, state: &State, owner: OwnerIdx) -> Result<(OwnerIdx, i64), NoScale> {
    let o = &catalog.owners[owner];
    let replicas = |i: OwnerIdx| state.replicas[i].unwrap_or(1);
    match o.scale {
        ScaleSource::Refused(text) => return Err(NoScale::Told(catalog.text(text).to_owned())),
        ScaleSource::Unreachable => return Err(NoScale::NotFound),
        ScaleSource::None => return Err(NoScale::Told(no_subresource(catalog, owner))),
        ScaleSource::Replicas | ScaleSource::Unknown => {}
    }
    match o.kind {
        OwnerKind::ReplicaSet if !o.missing => {
            // A Deployment stands for its ReplicaSets; if it is gone, `/scale` still answers for the ReplicaSet.
            let deployment =
                o.parent.filter(|p| catalog.owners[*p].kind == OwnerKind::Deployment && !catalog.owners[*p].missing);
            let controller = deployment.unwrap_or(owner);
            Ok((controller, replicas(controller)))
        }
        OwnerKind::Deployment | OwnerKind::ReplicaSet | OwnerKind::ReplicationController | OwnerKind::StatefulSet => {
            known_scale(state, owner, o.missing, o.scale, replicas(owner))
        }
        OwnerKind::Job | OwnerKind::DaemonSet | OwnerKind::Node | OwnerKind::Custom => {
            known_scale(state, owner, o.missing, o.scale, state.replicas[owner].unwrap_or_default())
        }
    }
}

/// The scale of an owner of a kind that has one. What the dump cannot tell ([`ScaleSource::Unknown`]) is taken as
/// the number of pods it has.
fn known_scale(
    state: &State,
    owner: OwnerIdx,
    missing: bool,
    source: ScaleSource,
    replicas: i64,
) -> Result<(OwnerIdx, i64), NoScale> {
    match source {
        ScaleSource::Unknown => {
            let active = |p: &&PodIdx| state.pods[**p].is_active();
            let pods = state.owned[owner].iter().filter(active).count();
            Ok((owner, state.replicas[owner].unwrap_or(pods as i64)))
        }
        // A run that keeps the pods of an owner which the dump lacks says so by a count.
        _ if missing && state.replicas[owner].is_none() => Err(NoScale::NotFound),
        _ => Ok((owner, replicas)),
    }
}

/// The text of `implementsScale` saying no; the resource name is guessed from the kind as apimachinery
/// `UnsafeGuessKindToResource` does, which is right for Kubernetes' own.
fn no_subresource(catalog: &Catalog, owner: OwnerIdx) -> String {
    let o = &catalog.owners[owner];
    let kind = catalog.text(o.kind_name).to_ascii_lowercase();
    let plural = if kind.ends_with('s') {
        format!("{kind}es")
    } else if let Some(stem) = kind.strip_suffix('y') {
        format!("{stem}ies")
    } else {
        format!("{kind}s")
    };
    let group = match catalog.text(o.api_version).split_once('/') {
        Some((group, _)) => format!(".{group}"),
        None => String::new(),
    };
    format!("{plural}{group} does not implement the scale subresource")
}

/// What stays of `disruptedPods` (`buildDisruptedPodMap`), how many healthy pods it excludes, and when to look again.
/// Only pods under the budget stay: after an edit of its selector, or of a pod's labels, some are not.
fn disrupted(catalog: &Catalog, state: &State, budget: BudgetIdx, now: i64) -> (Vec<(PodIdx, i64)>, i64, Option<i64>) {
    let selector = &catalog.budgets[budget].selector;
    let mut kept = Vec::new();
    let mut excluded = 0;
    let mut recheck_at: Option<i64> = None;
    for (pod, at) in &state.budgets[budget].disrupted {
        let Some(pod) = bearer(catalog, state, *pod) else {
            continue;
        };
        let expected_deletion = at + DELETION_TIMEOUT_MS;
        let covered = selector.matches(&catalog.specs[state.pods[pod].spec].labels, &catalog.names);
        if !covered || state.pods[pod].deleting.is_some() || expected_deletion < now {
            continue;
        }
        if expected_deletion > now && is_healthy(&state.pods[pod]) {
            excluded += 1;
        }
        recheck_at = Some(recheck_at.map_or(expected_deletion, |r| r.min(expected_deletion)));
        kept.push((pod, *at));
    }
    kept.sort_unstable();
    (kept, excluded, recheck_at)
}

/// The pod that bears the name of `pod` now: itself, or the one of its owner that took its name (`disruptedPods` knows
/// pods by name alone).
fn bearer(catalog: &Catalog, state: &State, pod: PodIdx) -> Option<PodIdx> {
    let p = &state.pods[pod];
    if !p.gone {
        return Some(pod);
    }
    let owner = catalog.specs[p.spec].owner?;
    let same = |q: &PodIdx| state.pods[*q].name == p.name;
    state.owned[owner].iter().copied().find(same)
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::cluster::OwnerKind::{Deployment, Job, ReplicaSet, StatefulSet};

    fn status_of(world: &mut World, change: impl FnOnce(&Catalog, &mut State)) -> Computed {
        let mut state = world.state();
        change(&world.catalog, &mut state);
        let index = BudgetIndex::new(&world.catalog);
        let budget = BudgetIdx(0);
        let tally = Tally::count(&world.catalog, &state, &index, budget);
        assert_eq!(tally, Tally::count_all(&world.catalog, &state, &index)[0], "both ways of counting agree");
        compute(&world.catalog, &state, budget, &tally, 0)
    }

    fn figures(c: &Computed) -> [i64; 4] {
        let s = &c.status;
        [s.allowed, s.healthy, s.desired, s.expected]
    }

    /// A Deployment of `replicas` with `ready` ready pods and one that is not, under a budget.
    fn shop(demand: Demand, replicas: i64, ready: usize) -> World {
        let mut w = World::new();
        w.budget("b", "web", demand);
        let d = w.owner(Deployment, "web", Some(replicas));
        let rs = w.owner(ReplicaSet, "web-1", Some(99));
        w.catalog.owners[rs].parent = Some(d);
        for i in 0..ready {
            w.pod(&format!("web-{i}"), "web", Some(rs), true);
        }
        w.pod("web-x", "web", Some(rs), false);
        w
    }

    #[test]
    fn percent_rounds_up_in_both_forms() {
        // getExpectedPodCount: GetScaledValueFromIntOrPercent(.., roundUp true)
        let mut w = shop(Demand::MaxUnavailable(Amount::Percent(20)), 7, 6);
        assert_eq!(figures(&status_of(&mut w, |_, _| ())), [1, 6, 5, 7]);
        let mut w = shop(Demand::MinAvailable(Amount::Percent(50)), 7, 6);
        assert_eq!(figures(&status_of(&mut w, |_, _| ())), [2, 6, 4, 7]);
        assert_eq!(percent_up(33, 100), 33);
        assert_eq!(percent_up(33, 10), 4);
        assert_eq!(percent_up(0, 10), 0);
    }

    #[test]
    fn a_minimum_in_pods_counts_pods_and_asks_no_controller() {
        let mut w = shop(Demand::MinAvailable(Amount::Count(2)), 7, 4);
        assert_eq!(figures(&status_of(&mut w, |_, _| ())), [2, 4, 2, 5]);
        let mut w = World::new();
        w.budget("b", "*", Demand::MinAvailable(Amount::Count(1)));
        let job = w.owner(Job, "j", None);
        w.pod("j-a", "j", Some(job), true);
        w.pod("alone", "x", None, true);
        assert_eq!(figures(&status_of(&mut w, |_, _| ())), [1, 2, 1, 2]);
    }

    #[test]
    fn more_may_be_unavailable_than_there_are() {
        let mut w = shop(Demand::MaxUnavailable(Amount::Count(9)), 3, 3);
        assert_eq!(figures(&status_of(&mut w, |_, _| ())), [3, 3, 0, 3]);
    }

    #[test]
    fn nothing_expected_allows_nothing() {
        // updatePdbStatus: expectedCount <= 0 → 0, even with healthy pods
        let mut w = World::new();
        w.budget("b", "*", Demand::MaxUnavailable(Amount::Count(1)));
        w.pod("alone", "x", None, true);
        assert_eq!(figures(&status_of(&mut w, |_, _| ())), [0, 1, 0, 0]);
    }

    #[test]
    fn terminating_pods_are_pods_but_not_healthy() {
        let mut w = shop(Demand::MinAvailable(Amount::Count(1)), 3, 3);
        let c = status_of(&mut w, |_, s| s.set_deleting(PodIdx(0), 0, 30_000));
        assert_eq!(figures(&c), [1, 2, 1, 4]);
    }

    #[test]
    fn owners_without_scale_fail_and_leave_the_rest() {
        let mut w = World::new();
        let b = w.budget("b", "*", Demand::MaxUnavailable(Amount::Count(1)));
        let job = w.owner(Job, "j", None);
        w.pod("j-a", "j", Some(job), true);
        let c = status_of(&mut w, |_, s| {
            let mut old = s.budgets[b].clone();
            (old.allowed, old.healthy, old.expected) = (2, 7, 8);
            s.set_budget(b, old);
        });
        assert_eq!(figures(&c), [0, 7, 0, 8]);
        assert_eq!(c.status.sync_failed.as_deref(), Some("jobs.batch does not implement the scale subresource"));
    }

    #[test]
    fn custom_owners_need_a_scale_subresource() {
        let mut w = World::new();
        w.budget("b", "*", Demand::MaxUnavailable(Amount::Count(1)));
        let gadget = w.owner(OwnerKind::Custom, "g", Some(4));
        w.pod("g-a", "g", Some(gadget), true);
        assert_eq!(figures(&status_of(&mut w, |_, _| ())), [0, 1, 3, 4]);
        w.catalog.owners[gadget].scale = ScaleSource::None;
        assert_eq!(
            status_of(&mut w, |_, _| ()).status.sync_failed.as_deref(),
            Some("gadgets.example.com does not implement the scale subresource")
        );
    }

    #[test]
    fn an_owner_that_is_missing_fails_by_the_pods_name() {
        let mut w = World::new();
        w.budget("b", "*", Demand::MinAvailable(Amount::Percent(50)));
        let sts = w.owner(StatefulSet, "db", None);
        w.catalog.owners[sts].missing = true;
        w.pod("db-0", "db", Some(sts), true);
        assert_eq!(
            status_of(&mut w, |_, _| ()).status.sync_failed.as_deref(),
            Some("found no controllers for pod \"db-0\"")
        );
    }

    #[test]
    fn disrupted_pods_count_as_gone_for_two_minutes() {
        let demand = Demand::MinAvailable(Amount::Count(1));
        let at = |at: i64| {
            let mut w = shop(demand, 3, 3);
            status_of(&mut w, |_, s| {
                let mut status = s.budgets[BudgetIdx(0)].clone();
                status.disrupted = vec![(PodIdx(0), at)];
                s.set_budget(BudgetIdx(0), status);
            })
        };
        let fresh = at(-1_000);
        assert_eq!(figures(&fresh), [1, 2, 1, 4]);
        assert_eq!(fresh.recheck_at, Some(DELETION_TIMEOUT_MS - 1_000));
        assert_eq!(fresh.status.disrupted.len(), 1);
        let overdue = at(-DELETION_TIMEOUT_MS - 1);
        assert_eq!(figures(&overdue), [2, 3, 1, 4]);
        assert_eq!((overdue.recheck_at, overdue.status.disrupted), (None, vec![]));
    }

    #[test]
    fn a_disrupted_pod_under_another_budget_leaves_the_list() {
        // buildDisruptedPodMap goes through the pods that the selector finds
        let mut w = shop(Demand::MinAvailable(Amount::Count(1)), 3, 3);
        let other = w.pod("db-0", "db", None, true);
        let c = status_of(&mut w, |_, s| {
            let mut status = s.budgets[BudgetIdx(0)].clone();
            status.disrupted = vec![(other, -10)];
            s.set_budget(BudgetIdx(0), status);
        });
        assert_eq!(figures(&c), [2, 3, 1, 4]);
        assert_eq!((c.status.disrupted, c.recheck_at), (vec![], None));
    }

    #[test]
    fn a_disrupted_pod_that_is_terminating_leaves_the_list() {
        let mut w = shop(Demand::MinAvailable(Amount::Count(1)), 3, 3);
        let c = status_of(&mut w, |_, s| {
            let mut status = s.budgets[BudgetIdx(0)].clone();
            status.disrupted = vec![(PodIdx(0), -10)];
            s.set_budget(BudgetIdx(0), status);
            s.set_deleting(PodIdx(0), 0, 30_000);
        });
        assert_eq!(figures(&c), [1, 2, 1, 4]);
        assert!(c.status.disrupted.is_empty());
    }
}
