//! When the disruption controller looks at which budget, and what it finds (pkg/controller/disruption/disruption.go).

use super::arithmetic::{Computed, Tally, compute, is_healthy};
use super::matching::BudgetIndex;
use crate::cluster::{BudgetIdx, Catalog, Change, Idx, OwnerIdx, PodIdx, SharedArena, State};
use std::sync::Arc;

/// How a pod is counted in the tallies of its budgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    present: bool,
    healthy: bool,
}

/// The controller's view of pods and budgets, kept up to date change by change.
///
/// An event of a pod enqueues only the *first* listed of the budgets that cover it (`getPdbForPod`), so budgets that
/// share pods go stale; which one the real lister names first follows a map's order \[ND\], here it is the first by
/// name. An event of a budget enqueues that budget. A change of an owner's scale enqueues nothing: the controller
/// watches pods and budgets only.
#[derive(Clone, Debug)]
pub struct DisruptionController {
    index: Arc<BudgetIndex>,
    tallies: SharedArena<BudgetIdx, Tally>,
    counted: Vec<Counted>,
}

impl DisruptionController {
    /// The controller as it stands when the snapshot was taken: nothing is enqueued, stored statuses are the truth.
    pub fn new(catalog: &Catalog, state: &State, index: Arc<BudgetIndex>) -> DisruptionController {
        let mut controller = DisruptionController {
            index,
            tallies: catalog.budgets.iter().map(|_| Tally::default()).collect(),
            counted: Vec::new(),
        };
        for pod in state.pods.indices() {
            controller.recount(catalog, state, pod);
        }
        controller
    }
    /// Takes the index of a catalogue that has new specs since; of those that it had nothing may differ.
    pub fn set_index(&mut self, index: Arc<BudgetIndex>) {
        self.index = index;
    }
    /// The index it uses.
    pub fn index(&self) -> &Arc<BudgetIndex> {
        &self.index
    }
    /// What it counts under a budget now.
    pub fn tally(&self, budget: BudgetIdx) -> &Tally {
        &self.tallies[budget]
    }
    /// Takes a change in; the budget to enqueue for it, if any.
    pub fn observe(&mut self, catalog: &Catalog, state: &State, change: Change) -> Option<BudgetIdx> {
        match change {
            Change::Pod(pod, _) => {
                self.recount(catalog, state, pod);
                self.index.budgets_of(state.pods[pod].spec).first().copied()
            }
            Change::Budget(budget) => Some(budget),
            _ => None,
        }
    }
    /// What a look at a budget finds now.
    pub fn look(&self, catalog: &Catalog, state: &State, budget: BudgetIdx, now: i64) -> Computed {
        compute(catalog, state, budget, &self.tallies[budget], now)
    }

    fn recount(&mut self, catalog: &Catalog, state: &State, pod: PodIdx) {
        let p = &state.pods[pod];
        let budgets = self.index.budgets_of(p.spec);
        if budgets.is_empty() {
            return;
        }
        if self.counted.len() <= pod.at() {
            self.counted.resize(pod.at() + 1, Counted::default());
        }
        let before = self.counted[pod.at()];
        let after = Counted { present: !p.gone, healthy: is_healthy(p) };
        if before == after {
            return;
        }
        self.counted[pod.at()] = after;
        let owner: Option<OwnerIdx> = catalog.specs[p.spec].owner;
        for budget in budgets {
            let tally = &mut self.tallies[*budget];
            if before.present {
                tally.take(owner, before.healthy);
            }
            if after.present {
                tally.add(owner, after.healthy);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::cluster::draw::Draws;
    use crate::cluster::{Amount, Demand, OwnerKind, Phase};

    #[test]
    fn a_pod_event_enqueues_the_first_budget_by_name_only() {
        let mut w = World::new();
        w.budget("z", "*", Demand::MinAvailable(Amount::Count(1)));
        let first = w.budget("a", "web", Demand::MinAvailable(Amount::Count(1)));
        let pod = w.pod("web-1", "web", None, true);
        let mut state = w.state();
        let index = Arc::new(BudgetIndex::new(&w.catalog));
        let mut c = DisruptionController::new(&w.catalog, &state, index);
        let cursor = state.cursor();
        state.set_ready(pod, false, 0);
        let change = state.changes_since(cursor)[0];
        assert_eq!(c.observe(&w.catalog, &state, change), Some(first));
        let other = c.look(&w.catalog, &state, BudgetIdx(0), 0).status;
        assert_eq!(other.healthy, 0, "the other would see it too, were it looked at");
    }

    #[test]
    fn incremental_tallies_equal_counting_from_nothing() {
        let mut w = World::new();
        let rs = w.owner(OwnerKind::ReplicaSet, "r", Some(3));
        w.budget("all", "*", Demand::MaxUnavailable(Amount::Count(1)));
        w.budget("web", "web", Demand::MaxUnavailable(Amount::Count(1)));
        for i in 0..20 {
            let owner = (i % 3 == 0).then_some(rs);
            let app = if i % 2 == 0 { "web" } else { "db" };
            w.pod(&format!("p-{i}"), app, owner, i % 5 != 0);
        }
        let mut state = w.state();
        let index = Arc::new(BudgetIndex::new(&w.catalog));
        let mut c = DisruptionController::new(&w.catalog, &state, index.clone());
        let draws = Draws::new(1);
        for step in 0..400 {
            let cursor = state.cursor();
            let n = state.pods.len() as u64;
            let pod = PodIdx(draws.below("step", "pod", step, n) as u32);
            let now = step as i64;
            let gone = state.pods[pod].gone;
            match draws.below("step", "what", step, 5) {
                0 if !gone => state.set_ready(pod, !state.pods[pod].ready, now),
                1 if !gone => state.set_deleting(pod, now, 1000),
                2 => state.remove_pod(&w.catalog, pod),
                3 if !gone => state.set_phase(&w.catalog, pod, Phase::Succeeded),
                _ => {
                    let (spec, name) = (state.pods[pod].spec, state.pods[pod].name);
                    state.create_pod(&w.catalog, spec, name, now);
                }
            }
            for change in state.changes_since(cursor).to_vec() {
                c.observe(&w.catalog, &state, change);
            }
            let fresh = Tally::count_all(&w.catalog, &state, &index);
            assert_eq!(c.tallies.iter().cloned().collect::<Vec<_>>(), fresh, "step {step}");
        }
    }
}
