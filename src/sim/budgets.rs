//! The disruption controller in virtual time, and the eviction API beside it.

use super::ctx::Ctx;
use super::event::Timer;
use super::options::SimOptions;
use crate::cluster::{BudgetIdx, Catalog, Change, Idx, PodIdx, State};
use crate::disruption::eviction::Effect;
use crate::disruption::{BudgetIndex, DisruptionController, Request, Verdict, verdict};
use fixedbitset::FixedBitSet;
use std::sync::Arc;

/// The disruption controller's queue: a budget enqueued is looked at `budget_latency_ms` later, once.
#[derive(Clone, Debug)]
pub struct Budgets {
    controller: DisruptionController,
    queued: FixedBitSet,
}

impl Budgets {
    /// As it stands at the snapshot: nothing queued but the rechecks of evictions not yet seen through.
    pub fn new(catalog: &Catalog, state: &State, index: Arc<BudgetIndex>, _options: &SimOptions) -> Budgets {
        Budgets {
            controller: DisruptionController::new(catalog, state, index),
            queued: FixedBitSet::with_capacity(catalog.budgets.len()),
        }
    }
    /// Which budgets cover which pods.
    pub fn index(&self) -> &Arc<BudgetIndex> {
        self.controller.index()
    }
    /// Enqueues what a change enqueues in the real controller.
    pub fn on_change(&mut self, ctx: &mut Ctx<'_>, change: Change) {
        if let Some(budget) = self.controller.observe(ctx.catalog, ctx.state, change) {
            self.enqueue(ctx, budget);
        }
    }
    fn enqueue(&mut self, ctx: &mut Ctx<'_>, budget: BudgetIdx) {
        if !self.queued.put(budget.at()) {
            ctx.after(ctx.options.budget_latency_ms, Timer::Budget(budget));
        }
    }
    /// Looks at a budget, or enqueues it for a recheck.
    pub fn on_timer(&mut self, ctx: &mut Ctx<'_>, timer: Timer) {
        match timer {
            Timer::Budget(budget) => {
                self.queued.set(budget.at(), false);
                let computed = self.controller.look(ctx.catalog, ctx.state, budget, ctx.now);
                if let Some(at) = computed.recheck_at {
                    ctx.timers.schedule(at, Timer::BudgetRecheck(budget));
                }
                ctx.state.set_budget(budget, computed.status);
            }
            Timer::BudgetRecheck(budget) => self.enqueue(ctx, budget),
            _ => {}
        }
    }
    /// Whether the stored status, or one of the API's bypasses, allows evicting the pod now: judged from the status
    /// alone, apart from [`Budgets::evict`], so that the checker does not ask the code it checks.
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
        let unhealthy = !p.ready
            && (spec.always_allow_unhealthy || (status.healthy >= status.desired && status.desired > 0));
        unhealthy || (status.allowed > 0 && status.observed_generation >= spec.generation)
    }
    /// Asks the eviction API, and carries out what it grants.
    pub fn evict(
        &self,
        catalog: &Catalog,
        state: &mut State,
        pod: PodIdx,
        grace_ms: Option<i64>,
        now: i64,
    ) -> Verdict {
        let answer = verdict(catalog, state, self.index(), pod);
        if answer.effect != Effect::Refused {
            crate::disruption::apply(catalog, state, pod, &answer, Request { grace_ms }, now);
        }
        answer
    }
}
