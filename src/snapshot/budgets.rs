//! Budgets, services, priority classes, limit ranges.

use super::builder::{Builder, Priority};
use super::wire::condition;
use super::wire::policy as wire;
use super::wire::scalar::IntOrString;
use crate::cluster::*;

/// A stored status with the disrupted pods still by name and since 1970.
#[derive(Clone, Debug)]
pub(crate) struct ReadStatus {
    pub(crate) status: BudgetStatus,
    pub(crate) disrupted: Vec<(Sym, i64)>,
}

impl Builder {
    pub(crate) fn read_budget(&mut self, budget: &wire::Budget<'_>) -> Option<ReadStatus> {
        let meta = &budget.metadata;
        let namespace = self.namespace(meta.ns());
        let name = self.sym(&meta.name);
        if !self.lookup.budgets.insert((namespace, name)) {
            return None;
        }
        self.saw(meta.created_ms());
        let demand = self.demand(budget);
        let selector = self.selector(budget.spec.selector.as_ref());
        if let Selector::Invalid(problem) = &selector {
            let detail = format!("its selector is invalid: {problem}");
            self.notices.note("budget-invalid", || Builder::object("PodDisruptionBudget", meta), &detail);
        }
        let owner = meta.owner_references.iter().find_map(|r| Manager::of_owner(&r.api_version, &r.kind, &r.name));
        let labels = meta.labels.iter().map(|(k, v)| (&**k, &**v));
        if let Some(manager) = owner.or_else(|| Manager::of_labels(labels)) {
            self.catalog.inventory.budget_managers.insert((namespace, name), manager);
        }
        let uid = self.sym(&meta.uid);
        self.catalog.budgets.push(Budget {
            namespace,
            name,
            uid,
            selector,
            demand,
            always_allow_unhealthy: budget.spec.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow"),
            generation: meta.generation.unwrap_or(1),
        });
        Some(self.status(budget))
    }

    fn demand(&mut self, budget: &wire::Budget<'_>) -> Option<Demand> {
        let spec = &budget.spec;
        let (text, make): (&IntOrString, fn(Amount) -> Demand) = match (&spec.max_unavailable, &spec.min_available) {
            (Some(max), _) => (max, Demand::MaxUnavailable),
            (None, Some(min)) => (min, Demand::MinAvailable),
            // The API server's default for a budget that says neither is to fail to sync.
            (None, None) => return None,
        };
        let amount = match text {
            IntOrString::Int(n) => Some(Amount::Count(*n)),
            IntOrString::Text(t) => t.strip_suffix('%').and_then(|n| n.parse().ok()).map(Amount::Percent),
        };
        if amount.is_none() {
            let detail = format!("its amount {text:?} is neither a number nor a percentage");
            self.notices.note("budget-invalid", || Builder::object("PodDisruptionBudget", &budget.metadata), &detail);
        }
        amount.map(make)
    }

    fn status(&mut self, budget: &wire::Budget<'_>) -> ReadStatus {
        let s = &budget.status;
        let allowed = condition(&s.conditions, "DisruptionAllowed");
        for c in s.conditions.iter() {
            self.saw(c.last_transition_time.map_or(0, |t| t.0));
        }
        let mut disrupted = Vec::new();
        for (pod, at) in s.disrupted_pods.iter() {
            let at = at.map_or(0, |t| t.0);
            self.saw(at);
            disrupted.push((self.sym(pod), at));
        }
        ReadStatus {
            status: BudgetStatus {
                allowed: s.disruptions_allowed,
                healthy: s.current_healthy,
                desired: s.desired_healthy,
                expected: s.expected_pods,
                observed_generation: s.observed_generation,
                disrupted: Vec::new(),
                sync_failed: allowed
                    .filter(|c| c.because("SyncFailed"))
                    .map(|c| c.message.as_deref().unwrap_or("").to_owned()),
            },
            disrupted,
        }
    }

    pub(crate) fn read_service(&mut self, service: &wire::Service<'_>) {
        let namespace = self.namespace(service.metadata.ns());
        let name = self.sym(&service.metadata.name);
        let selector = service.spec.selector.as_ref().filter(|s| !s.is_empty()).map(|s| self.labels(s));
        self.catalog.services.push(Service { namespace, name, selector });
    }

    pub(crate) fn read_priority_class(&mut self, class: &wire::PriorityClass<'_>) {
        let name = self.sym(&class.metadata.name);
        let priority =
            Priority { value: class.value, may_preempt: class.preemption_policy.as_deref() != Some("Never") };
        self.lookup.priorities.insert(name, priority);
        if class.global_default {
            self.lookup.default_priority = Some(priority);
        }
    }

    pub(crate) fn read_limit_range(&mut self, range: &wire::LimitRange<'_>) {
        let ns = self.namespace(range.metadata.ns());
        let defaults = self.lookup.limit_defaults.entry(ns).or_default();
        for limit in range.spec.limits.iter().filter(|l| &*l.kind == "Container") {
            // A default limit stands in for a request too; the API server stores it so already.
            for (name, quantity) in limit.default_request.iter().chain(limit.default.iter()) {
                if !defaults.iter().any(|(n, _)| n == &**name) {
                    defaults.push((name.to_string(), *quantity));
                }
            }
        }
    }
}
