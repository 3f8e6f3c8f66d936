//! The disruption controller in virtual time.

use super::ctx::Ctx;
use super::event::Timer;
use super::options::SimOptions;
use crate::cluster::{Catalog, Change, PodIdx, State};
use crate::disruption::{BudgetIndex, Wake, Worker};
use std::sync::Arc;

/// The disruption controller in virtual time.
#[derive(Clone, Debug)]
pub struct Budgets {
    worker: Worker,
}

impl Budgets {
    /// As it stands at the snapshot: nothing queued.
    pub fn new(catalog: &Catalog, state: &State, index: Arc<BudgetIndex>, options: &SimOptions) -> Budgets {
        let (client, latency) = (options.controller_client, options.budget_latency_ms);
        Budgets { worker: Worker::new(catalog, state, index, client, latency) }
    }
    /// Plans the rechecks of evictions that the snapshot shows and the controller has not yet seen through.
    pub fn begin(&mut self, ctx: &mut Ctx<'_>) {
        let wakes = self.worker.begin(ctx.catalog, ctx.state, ctx.now);
        ask(ctx, wakes);
    }
    /// The catalogue has new specs: budgets may cover pods made from them.
    pub fn catalog_grew(&mut self, catalog: &Catalog) {
        self.worker.set_index(Arc::new(BudgetIndex::new(catalog)));
    }
    /// Which budgets cover which pods.
    pub fn index(&self) -> &Arc<BudgetIndex> {
        self.worker.index()
    }
    /// Enqueues what a change enqueues in the real controller.
    pub fn on_change(&mut self, ctx: &mut Ctx<'_>, change: Change) {
        let wake = self.worker.observe(ctx.catalog, ctx.state, change, ctx.now);
        ask(ctx, wake);
    }
    /// Looks at a budget, or enqueues it for a recheck.
    pub fn on_timer(&mut self, ctx: &mut Ctx<'_>, timer: Timer) {
        match timer {
            Timer::Budget(budget) => {
                let wakes = self.worker.look(ctx.catalog, ctx.state, budget, ctx.now);
                ask(ctx, wakes);
            }
            Timer::BudgetRecheck(budget) => {
                let wake = self.worker.recheck(budget, ctx.now);
                ask(ctx, wake);
            }
            _ => {}
        }
    }
    /// Whether the stored status, or one of the API's bypasses, allows evicting the pod now: judged from the status
    /// alone, apart from [`crate::disruption::verdict`], so that the checker does not ask the code it checks.
    pub fn allows(&self, catalog: &Catalog, state: &State, pod: PodIdx) -> bool {
        let p = &state.pods[pod];
        let budgets = self.index().budgets_of(p.spec);
        let bypass = p.node.is_none()
            || p.phase.is_terminal()
            || p.phase == crate::cluster::Phase::Pending
            || p.deleting.is_some()
            || budgets.is_empty();
        if bypass {
            return true;
        }
        let [budget] = budgets else { return false };
        let (status, spec) = (&state.budgets[*budget], &catalog.budgets[*budget]);
        let unhealthy =
            !p.ready && (spec.always_allow_unhealthy || (status.healthy >= status.desired && status.desired > 0));
        unhealthy || (status.allowed > 0 && status.observed_generation >= spec.generation)
    }
}

fn ask(ctx: &mut Ctx<'_>, wakes: impl IntoIterator<Item = Wake>) {
    for wake in wakes {
        match wake {
            Wake::Look { at, budget } => ctx.timers.schedule(at, Timer::Budget(budget)),
            Wake::Recheck { at, budget } => ctx.timers.schedule(at, Timer::BudgetRecheck(budget)),
        }
    }
}
