//! The eviction subresource in its time: the list of budgets, the look at one, the write of its status, and the deletion.

use super::evictions::Write;
use super::pods::{batch_of, current, found};
use super::{ApiServer, Refusal, Removal, Served};
use crate::cluster::{Phase, PodIdx};
use crate::disruption::eviction::{Effect, charge, too_many_conflicts};
use crate::disruption::{self, Request, Verdict};
use crate::sim::event::Timer;
use crate::sim::site::Site;
use crate::trace::{Detail, EventKind, Observation};

impl ApiServer {
    /// An eviction arrives under this number. None if it is answered later, by [`ApiServer::on_timer`]: where a budget could protect the
    /// pod, the budgets are listed first, which may have to wait.
    pub fn evict(&mut self, site: &mut Site, call: u64, removal: Removal) -> Option<Served> {
        if let Some((pod, verdict)) = refused_by_webhook(site, removal) {
            return Some(self.decided(site, pod, removal.grace_ms, verdict));
        }
        let lists = current(site, removal.pod).is_some_and(|p| {
            let p = &site.state.pods[p];
            p.phase == Phase::Running && p.deleting.is_none()
        });
        let at = if lists { self.evictions.list_at(site.now) } else { site.now };
        if at > site.now {
            self.evictions.wait(call, removal);
            site.timers.schedule(at, Timer::EvictionLook(call));
            return None;
        }
        self.look(site, call, removal)
    }

    /// A moment that an eviction asked for has come: the number of one that is answered now, and how.
    pub fn on_timer(&mut self, site: &mut Site, timer: Timer) -> Option<(u64, Served)> {
        let (call, served) = match timer {
            Timer::EvictionLook(call) => (call, self.listed(site, call)),
            Timer::EvictionWrite(call) => (call, self.written(site, call)),
            Timer::EvictionRetry(call) => (call, self.look_again(site, call)),
            _ => return None,
        };
        Some((call, served?))
    }

    /// The budgets are listed.
    fn listed(&mut self, site: &mut Site, call: u64) -> Option<Served> {
        let removal = self.evictions.listed(call)?;
        if site.is_away() {
            return Some(Err(Refusal::NoAnswer));
        }
        self.look(site, call, removal)
    }

    /// The server looks at an eviction's pod and budget. None if it is answered later: where a budget has to be charged, its status
    /// is written first, a call of the server to itself.
    fn look(&mut self, site: &mut Site, call: u64, removal: Removal) -> Option<Served> {
        let pod = match found(site, removal) {
            Ok(pod) => pod,
            Err(refusal) => return Some(Err(refusal)),
        };
        let verdict = disruption::verdict(&site.catalog, &site.state, site.disruption.index(), pod);
        if let Effect::Charge(budget) = verdict.effect {
            self.evictions.looked(call, pod, removal.grace_ms, budget);
            write_later(site, call);
            return None;
        }
        Some(self.decided(site, pod, removal.grace_ms, verdict))
    }

    /// The new status of an eviction's budget arrives, if nobody else has written it since it was read.
    fn written(&mut self, site: &mut Site, call: u64) -> Option<Served> {
        let pod = self.evictions.get(call)?.pod;
        if site.is_away() {
            self.evictions.forget(call);
            return Some(Err(Refusal::NoAnswer));
        }
        let name = site.state.pod_text(&site.catalog, pod);
        Some(match self.evictions.write(call, &site.draws, &name)? {
            Write::Conflict(sleep) => {
                site.timers.schedule(site.now + sleep, Timer::EvictionRetry(call));
                return None;
            }
            Write::GivenUp(e) => {
                let verdict = too_many_conflicts(&site.catalog, e.budget);
                self.decided(site, pod, e.grace_ms, verdict)
            }
            Write::Done(e) if site.state.pods[pod].gone => {
                charge(&site.catalog, &mut site.state, e.budget, pod, site.now);
                Err(Refusal::NotFound)
            }
            Write::Done(e) => self.decided(site, pod, e.grace_ms, Verdict::accept(Effect::Charge(e.budget))),
        })
    }

    /// After a conflict the server looks at the budget again.
    fn look_again(&mut self, site: &mut Site, call: u64) -> Option<Served> {
        let (pod, budget) = self.evictions.get(call).map(|e| (e.pod, e.budget))?;
        if site.is_away() {
            self.evictions.forget(call);
            return Some(Err(Refusal::NoAnswer));
        }
        let verdict = disruption::verdict_of_budget(&site.catalog, &site.state, budget);
        if verdict.is_accepted() {
            self.evictions.looked_again(call);
            write_later(site, call);
            return None;
        }
        let grace_ms = self.evictions.forget(call).and_then(|e| e.grace_ms);
        Some(self.decided(site, pod, grace_ms, verdict))
    }

    /// Carries out the verdict on an eviction, and writes it into the trace.
    fn decided(&mut self, site: &mut Site, pod: PodIdx, grace_ms: Option<i64>, verdict: Verdict) -> Served {
        let (batch, node) = (batch_of(site, pod), site.state.pods[pod].node);
        let may = site.disruption.allows(&site.catalog, &site.state, pod);
        if verdict.is_accepted() {
            self.note_grant(site, pod);
        }
        disruption::apply(&site.catalog, &mut site.state, pod, &verdict, Request { grace_ms }, site.now);
        let cause = verdict.causes.first().map(|c| &c.message).filter(|m| !m.is_empty()).or(verdict.message.as_ref());
        let kind = if verdict.is_accepted() { EventKind::EvictionAccepted } else { EventKind::EvictionRefused };
        let mut observation = Observation::new(site.now, kind).pod(pod).node(node).batch(batch).detail(Detail {
            code: Some(verdict.code),
            reason: verdict.reason.map(str::to_owned),
            message: cause.filter(|m| !m.is_empty()).cloned(),
            ..Detail::default()
        });
        let first = || site.disruption.index().budgets_of(site.state.pods[pod].spec).first().copied();
        observation.budget = verdict.budget.or_else(first);
        site.observations.push(observation);
        if !verdict.is_accepted() {
            return Err(Refusal::Eviction(verdict));
        }
        site.checkers.evicted(site.now, &site.catalog, &site.state, pod, may);
        Ok(())
    }
}

/// Admission comes before the eviction itself: a fail-closed webhook of which no backend answers.
fn refused_by_webhook(site: &Site, removal: Removal) -> Option<(PodIdx, Verdict)> {
    let pod = found(site, removal).ok()?;
    site.refuses_eviction(pod).map(|hook| (pod, Verdict::of_webhook(hook)))
}

/// The budget's new status arrives after a call's time.
fn write_later(site: &mut Site, call: u64) {
    site.timers.schedule(site.now + site.options.api_latency_ms.max(0), Timer::EvictionWrite(call));
}
