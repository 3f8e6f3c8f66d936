//! The eviction subresource: its verdict from the stored status, and what follows from it
//! (pkg/registry/core/pod/storage/eviction.go, 1.36).

use super::deletion::{Deleted, delete_pod};
use super::matching::BudgetIndex;
use crate::cluster::{BudgetIdx, BudgetStatus, Catalog, Phase, PodIdx, State, Webhook};

/// Most entries in `disruptedPods` (eviction.go `MaxDisruptedPodSize`).
pub const MAX_DISRUPTED_PODS: usize = 2000;

/// Message of every 429.
pub const WOULD_VIOLATE: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
/// Message of the 500 that pods under several budgets get.
pub const MORE_THAN_ONE: &str =
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";

/// What the caller asks for beside the pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `deleteOptions.gracePeriodSeconds`, in milliseconds.
    pub grace_ms: Option<i64>,
}

/// A cause in a Status' details.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cause {
    /// `DisruptionBudget`, `NamespaceTerminating`.
    pub reason: &'static str,
    /// Text, to the letter.
    pub message: String,
}

/// What an accepted eviction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it was refused.
    Refused,
    /// The pod is deleted; no budget is asked or charged.
    Delete(Bypass),
    /// The pod is deleted, and this budget's `disruptionsAllowed` goes down by one.
    Charge(BudgetIdx),
}

/// Why a deletion is not charged to a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bypass {
    /// Pending, terminal or already being deleted (`canIgnorePDB`).
    Phase,
    /// No budget covers it.
    NoBudget,
    /// Not ready, and the budget's policy is AlwaysAllow.
    AlwaysAllow(BudgetIdx),
    /// Not ready, and the budget has as many healthy pods as it wants (and wants some).
    HealthyBudget(BudgetIdx),
}

/// The API server's answer to an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// HTTP status: 201, 403, 404, 429, 500.
    pub code: u16,
    /// `reason` of the Status; None on success and for the 500, which has none.
    pub reason: Option<&'static str>,
    /// `message` of the Status; None on success.
    pub message: Option<String>,
    /// `details.causes`.
    pub causes: Vec<Cause>,
    /// `Retry-After` in seconds; client libraries wait it out and try again by themselves.
    pub retry_after_s: Option<u32>,
    /// What it does.
    pub effect: Effect,
    /// The budget that refused, if one did.
    pub budget: Option<BudgetIdx>,
}

impl Verdict {
    /// Whether the eviction goes through.
    pub fn is_accepted(&self) -> bool {
        self.code == 201
    }
    /// A verdict that grants the eviction.
    pub fn accept(effect: Effect) -> Verdict {
        Verdict {
            code: 201,
            reason: None,
            message: None,
            causes: Vec::new(),
            retry_after_s: None,
            effect,
            budget: None,
        }
    }
    fn refuse(code: u16, reason: Option<&'static str>, message: impl Into<String>) -> Verdict {
        Verdict {
            code,
            reason,
            message: Some(message.into()),
            causes: Vec::new(),
            retry_after_s: None,
            effect: Effect::Refused,
            budget: None,
        }
    }
    /// A fail-closed webhook of evictions could not be asked.
    pub fn of_webhook(hook: &Webhook) -> Verdict {
        Verdict::refuse(500, Some("InternalError"), hook.unreachable())
    }
    fn too_many(budget: BudgetIdx, cause: String, retry_after_s: Option<u32>) -> Verdict {
        Verdict {
            causes: vec![Cause { reason: "DisruptionBudget", message: cause }],
            retry_after_s,
            budget: Some(budget),
            ..Verdict::refuse(429, Some("TooManyRequests"), WOULD_VIOLATE)
        }
    }
}

/// What an eviction of `pod` would be answered now. It believes the stored status and nothing else.
pub fn verdict(catalog: &Catalog, state: &State, index: &BudgetIndex, pod: PodIdx) -> Verdict {
    let p = &state.pods[pod];
    let name = state.name(catalog, p.name);
    let namespace = &catalog.namespaces[catalog.specs[p.spec].namespace];
    if namespace.terminating {
        return namespace_terminating(catalog.text(namespace.name), name);
    }
    if p.gone {
        let message = format!("pods {name:?} not found");
        return Verdict::refuse(404, Some("NotFound"), message);
    }
    let ignores_budgets = matches!(p.phase, Phase::Succeeded | Phase::Failed | Phase::Pending);
    if ignores_budgets || p.deleting.is_some() {
        return Verdict::accept(Effect::Delete(Bypass::Phase));
    }
    let budget = match index.budgets_of(p.spec) {
        [] => return Verdict::accept(Effect::Delete(Bypass::NoBudget)),
        [budget] => *budget,
        _ => return Verdict::refuse(500, None, MORE_THAN_ONE),
    };
    let status = &state.budgets[budget];
    if !p.ready {
        if catalog.budgets[budget].always_allow_unhealthy {
            return Verdict::accept(Effect::Delete(Bypass::AlwaysAllow(budget)));
        }
        if status.healthy >= status.desired && status.desired > 0 {
            return Verdict::accept(Effect::Delete(Bypass::HealthyBudget(budget)));
        }
    }
    check(catalog, budget, status)
}

/// `checkAndDecrement` up to the decrement.
fn check(catalog: &Catalog, budget: BudgetIdx, status: &BudgetStatus) -> Verdict {
    let name = catalog.text(catalog.budgets[budget].name);
    let forbidden = |why: &str| Verdict {
        budget: Some(budget),
        ..Verdict::refuse(403, Some("Forbidden"), format!("poddisruptionbudget.policy {name:?} is forbidden: {why}"))
    };
    if status.observed_generation < catalog.budgets[budget].generation {
        let cause = format!("The disruption budget {name} is still being processed by the server.");
        return Verdict::too_many(budget, cause, Some(10));
    }
    if status.allowed < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    if status.disrupted.len() > MAX_DISRUPTED_PODS {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if status.allowed == 0 {
        let why = catalog.kubernetes.rules().eviction_says_why;
        return Verdict::too_many(budget, exhausted(name, status, why), None);
    }
    Verdict::accept(Effect::Charge(budget))
}

/// Why a budget with nothing left refuses. (A condition that is False for another reason than SyncFailed carries no
/// message, so the wording with a reason in brackets never occurs.) Until 1.34 it only counts.
fn exhausted(name: &str, status: &BudgetStatus, says_why: bool) -> String {
    match &status.sync_failed {
        Some(why) if says_why && !why.is_empty() => {
            format!("The disruption budget {name} does not allow evicting pods currently because it failed sync: {why}")
        }
        _ if !says_why || status.healthy <= status.desired => format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            status.desired, status.healthy
        ),
        _ => format!("The disruption budget {name} does not allow evicting pods currently"),
    }
}

/// plugin/pkg/admission NamespaceLifecycle, which runs before everything else.
fn namespace_terminating(namespace: &str, pod: &str) -> Verdict {
    Verdict {
        causes: vec![Cause {
            reason: "NamespaceTerminating",
            message: format!("namespace {namespace} is being terminated"),
        }],
        ..Verdict::refuse(
            403,
            Some("Forbidden"),
            format!(
                "pods {pod:?} is forbidden: unable to create new content in namespace {namespace} because it is being terminated"
            ),
        )
    }
}

/// What the budget that was asked before says now: after a conflict the API server looks at it alone, not at the pod.
pub fn verdict_of_budget(catalog: &Catalog, state: &State, budget: BudgetIdx) -> Verdict {
    check(catalog, budget, &state.budgets[budget])
}

/// Too many conflicts with other writers of a budget's status (`errors.NewTimeoutError`).
pub fn too_many_conflicts(catalog: &Catalog, budget: BudgetIdx) -> Verdict {
    let name = catalog.text(catalog.budgets[budget].name);
    let message = format!("couldn't update PodDisruptionBudget {name:?} due to conflicts");
    Verdict {
        budget: Some(budget),
        retry_after_s: Some(10),
        ..Verdict::refuse(504, Some("Timeout"), format!("Timeout: {message}"))
    }
}

/// Carries out a verdict: charges the budget and deletes the pod. None if it was refused.
pub fn apply(
    catalog: &Catalog,
    state: &mut State,
    pod: PodIdx,
    verdict: &Verdict,
    request: Request,
    now: i64,
) -> Option<Deleted> {
    match verdict.effect {
        Effect::Refused => return None,
        Effect::Delete(_) => {}
        Effect::Charge(budget) => charge(catalog, state, budget, pod, now),
    }
    Some(delete_pod(catalog, state, pod, now, request.grace_ms))
}

/// Asks for a verdict and carries it out.
pub fn evict(
    catalog: &Catalog,
    state: &mut State,
    index: &BudgetIndex,
    pod: PodIdx,
    request: Request,
    now: i64,
) -> Verdict {
    let verdict = verdict(catalog, state, index, pod);
    apply(catalog, state, pod, &verdict, request, now);
    verdict
}

/// Takes one disruption off the stored status and notes the pod. `disruptedPods` keeps whole seconds of wall time
/// (metav1.Time), so the moment is cut there. `currentHealthy` and the rest wait for the controller.
pub fn charge(catalog: &Catalog, state: &mut State, budget: BudgetIdx, pod: PodIdx, now: i64) {
    let mut status = state.budgets[budget].clone();
    status.allowed -= 1;
    if status.allowed == 0 {
        status.sync_failed = None;
    }
    let wall = catalog.taken_unix_ms + now;
    let at = now - wall.rem_euclid(1000);
    let name = state.pods[pod].name;
    status.disrupted.retain(|(p, _)| state.pods[*p].name != name);
    status.disrupted.push((pod, at));
    status.disrupted.sort_unstable();
    state.set_budget(budget, status);
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::cluster::{Amount, Demand};

    const ONE: Demand = Demand::MinAvailable(Amount::Count(1));

    /// One pod under one budget with this status (allowed, healthy, desired).
    fn ask(ready: bool, change: impl FnOnce(&mut World, &mut BudgetStatus)) -> Verdict {
        let mut w = World::new();
        let pod = w.pod("p", "web", None, ready);
        let budget = w.budget("b", "web", ONE);
        let mut status = BudgetStatus { observed_generation: 1, ..BudgetStatus::default() };
        change(&mut w, &mut status);
        let mut state = w.state();
        state.set_budget(budget, status);
        verdict(&w.catalog, &state, &BudgetIndex::new(&w.catalog), pod)
    }

    fn set(status: &mut BudgetStatus, allowed: i64, healthy: i64, desired: i64) {
        (status.allowed, status.healthy, status.desired) = (allowed, healthy, desired);
    }

    fn cause(v: &Verdict) -> &str {
        &v.causes[0].message
    }

    #[test]
    fn a_ready_pod_is_charged_to_its_budget() {
        let v = ask(true, |_, s| set(s, 1, 2, 1));
        assert_eq!((v.code, v.effect), (201, Effect::Charge(BudgetIdx(0))));
    }

    #[test]
    fn an_exhausted_budget_says_what_it_needs() {
        let v = ask(true, |_, s| set(s, 0, 1, 1));
        assert_eq!((v.code, v.retry_after_s), (429, None));
        assert_eq!(v.message.as_deref(), Some(WOULD_VIOLATE));
        assert_eq!(cause(&v), "The disruption budget b needs 1 healthy pods and has 1 currently");
        let v = ask(true, |_, s| set(s, 0, 2, 0));
        assert_eq!(cause(&v), "The disruption budget b does not allow evicting pods currently");
        let v = ask(true, |_, s| s.sync_failed = Some("why".into()));
        assert_eq!(
            cause(&v),
            "The disruption budget b does not allow evicting pods currently because it failed sync: why"
        );
    }

    /// pkg/registry/core/pod/storage/eviction.go `checkAndDecrement`, since 1.35.
    #[test]
    fn until_1_34_an_exhausted_budget_only_counts() {
        use crate::cluster::KubernetesVersion::V1_34;
        let says = |change: &dyn Fn(&mut BudgetStatus)| {
            let v = ask(true, |w, s| {
                w.catalog.kubernetes = V1_34;
                change(s);
            });
            cause(&v).to_owned()
        };
        let counts = |n, m| format!("The disruption budget b needs {n} healthy pods and has {m} currently");
        assert_eq!(says(&|s| set(s, 0, 1, 1)), counts(1, 1));
        assert_eq!(says(&|s| set(s, 0, 2, 0)), counts(0, 2));
        assert_eq!(says(&|s| s.sync_failed = Some("why".into())), counts(0, 0));
    }

    #[test]
    fn an_unobserved_generation_comes_before_everything_else() {
        let v = ask(true, |_, s| {
            s.observed_generation = 0;
            s.sync_failed = Some("why".into());
        });
        assert_eq!((v.code, v.retry_after_s), (429, Some(10)));
        assert_eq!(cause(&v), "The disruption budget b is still being processed by the server.");
    }

    #[test]
    fn pending_terminal_and_terminating_pods_pass_by() {
        for phase in [Phase::Pending, Phase::Succeeded, Phase::Failed] {
            let v = ask(false, |w, _| w.phase(phase));
            assert_eq!((v.code, v.effect), (201, Effect::Delete(Bypass::Phase)));
        }
    }

    #[test]
    fn unready_pods_pass_by_a_budget_that_is_met() {
        let v = ask(false, |_, s| set(s, 0, 1, 1));
        assert_eq!(v.effect, Effect::Delete(Bypass::HealthyBudget(BudgetIdx(0))));
        let v = ask(false, |_, s| set(s, 0, 0, 0));
        assert_eq!(v.code, 429, "a budget that wants nothing does not let them by");
        let v = ask(false, |w, s| {
            w.catalog.budgets[BudgetIdx(0)].always_allow_unhealthy = true;
            set(s, 0, 0, 5);
        });
        assert_eq!(v.effect, Effect::Delete(Bypass::AlwaysAllow(BudgetIdx(0))));
    }

    #[test]
    fn two_budgets_on_one_pod_are_an_internal_error() {
        let v = ask(true, |w, _| {
            w.budget("c", "*", ONE);
        });
        assert_eq!((v.code, v.message.as_deref()), (500, Some(MORE_THAN_ONE)));
        assert_eq!((v.reason, v.causes.len()), (None, 0));
    }

    #[test]
    fn a_namespace_being_deleted_forbids() {
        let v = ask(true, |w, _| w.catalog.namespaces[w.ns].terminating = true);
        assert_eq!((v.code, v.causes[0].reason), (403, "NamespaceTerminating"));
    }

    #[test]
    fn too_many_unconfirmed_evictions_forbid() {
        let v = ask(true, |_, s| {
            s.allowed = 1;
            s.disrupted = vec![(PodIdx(0), 0); MAX_DISRUPTED_PODS + 1];
        });
        assert_eq!(v.code, 403);
        let v = ask(true, |_, s| s.allowed = -1);
        assert_eq!(
            v.message.as_deref(),
            Some("poddisruptionbudget.policy \"b\" is forbidden: pdb disruptions allowed is negative")
        );
    }

    #[test]
    fn an_eviction_charges_the_stored_status_and_deletes_with_grace() {
        let mut w = World::new();
        let pod = w.pod("p", "web", None, true);
        let budget = w.budget("b", "web", ONE);
        w.catalog.taken_unix_ms = 250;
        let mut state = w.state();
        let mut status = state.budgets[budget].clone();
        set(&mut status, 1, 2, 1);
        state.set_budget(budget, status);
        let index = BudgetIndex::new(&w.catalog);
        let v = evict(&w.catalog, &mut state, &index, pod, Request::default(), 5_000);
        assert!(v.is_accepted());
        let s = &state.budgets[budget];
        assert_eq!((s.allowed, s.healthy), (0, 2), "healthy waits for the controller");
        assert_eq!(s.disrupted, [(pod, 4_750)], "whole seconds of wall time");
        let deletion = state.pods[pod].deleting.map(|d| (d.asked, d.deadline));
        assert_eq!(deletion, Some((5_000, 35_000)));
        let again = evict(&w.catalog, &mut state, &index, pod, Request::default(), 6_000);
        assert_eq!(again.effect, Effect::Delete(Bypass::Phase));
    }
}
