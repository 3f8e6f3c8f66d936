//! ResourceQuotas, and what each pod uses of them.

use super::builder::Builder;
use super::requests;
use super::wire::pod::{Affinity, Container, PodSpec, Resources};
use super::wire::policy::{QuotaSpec, ResourceQuota, ScopeRequirement};
use super::wire::scalar::{List, Map};
use crate::cluster::*;
use std::collections::BTreeSet;

/// Most that a quota is taken to allow, or to be used for: sums with what pods ask for stay within 64 bits.
const MOST: i64 = 1 << 60;

impl Builder {
    /// Keeps a quota. One whose status does not say what is used cannot be held against anything (the API server refuses all pods then, until
    /// the quota controller has counted).
    pub(super) fn read_quota(&mut self, quota: &ResourceQuota<'_>) {
        let namespace = self.namespace(quota.metadata.ns());
        let name = self.sym(&quota.metadata.name);
        let amount = |key: &str, q: Quantity| {
            let amount = if QuotaLimit::is_in_milli(key) { q.milli_value() } else { q.value() };
            amount.clamp(-MOST, MOST)
        };
        let hard = if quota.status.hard.is_empty() { &quota.spec.hard } else { &quota.status.hard };
        let limits = hard.iter().filter_map(|(key, hard)| {
            let used = quota.status.used.iter().find(|(k, _)| **k == **key)?.1;
            Some(QuotaLimit { resource: key.to_string(), hard: amount(key, *hard), used: amount(key, used), unseen: 0 })
        });
        let limits: Vec<QuotaLimit> = limits.collect();
        let scopes = scopes(&quota.spec);
        self.lookup.quotas.entry(namespace).or_default().push(self.catalog.inventory.quotas.len());
        self.catalog.inventory.quotas.push(Quota { namespace, name, scopes, limits });
    }

    /// Notes what a pod made from a spec uses of the quotas of its namespace.
    pub(super) fn charge_quotas(&mut self, spec: SpecIdx, given: &PodSpec<'_>) {
        let namespace = self.catalog.specs[spec].namespace;
        let is_about = |i: &usize| self.catalog.inventory.quotas[*i].scopes.iter().all(|s| is_in(s, given));
        let about: Vec<usize> =
            self.lookup.quotas.get(&namespace).into_iter().flatten().copied().filter(is_about).collect();
        if about.is_empty() {
            return;
        }
        let limits = limits(&mut self.catalog, given);
        let requests = &self.catalog.shape(spec).requests;
        let charge = |i: usize| {
            let limits_of = &self.catalog.inventory.quotas[i].limits;
            let amounts: Vec<i64> =
                limits_of.iter().map(|l| uses(&self.catalog, requests, &limits, &l.resource)).collect();
            (amounts.iter().any(|a| *a > 0)).then_some((i as u32, amounts))
        };
        let charges: QuotaCharge = about.into_iter().filter_map(charge).collect();
        if !charges.is_empty() {
            self.catalog.inventory.quota_charges.insert(spec, charges);
        }
    }
}

fn scopes(spec: &QuotaSpec<'_>) -> Vec<QuotaScope> {
    let plain = spec.scopes.iter().map(|s| scope(s, "Exists", &[]));
    let requirements = spec.scope_selector.iter().flat_map(|s| s.match_expressions.iter());
    let selected = requirements.map(|r: &ScopeRequirement<'_>| {
        let values: Vec<String> = r.values.iter().map(|v| v.to_string()).collect();
        scope(&r.scope_name, &r.operator, &values)
    });
    plain.chain(selected).collect()
}

fn scope(name: &str, operator: &str, values: &[String]) -> QuotaScope {
    match (name, operator) {
        ("Terminating", _) => QuotaScope::Terminating(true),
        ("NotTerminating", _) => QuotaScope::Terminating(false),
        ("BestEffort", _) => QuotaScope::BestEffort(true),
        ("NotBestEffort", _) => QuotaScope::BestEffort(false),
        ("PriorityClass", "In") => QuotaScope::PriorityIn(values.to_vec()),
        ("PriorityClass", "NotIn") => QuotaScope::PriorityNotIn(values.to_vec()),
        ("PriorityClass", "Exists") => QuotaScope::Priority(true),
        ("PriorityClass", "DoesNotExist") => QuotaScope::Priority(false),
        ("CrossNamespacePodAffinity", _) => QuotaScope::CrossNamespace,
        (other, _) => QuotaScope::Other(other.to_owned()),
    }
}

/// Whether a pod is in a scope (kubernetes v1.36.3 `pkg/quota/v1/evaluator/core` `podMatchesScopeFunc`).
fn is_in(scope: &QuotaScope, pod: &PodSpec<'_>) -> bool {
    let class = pod.priority_class_name.as_deref().filter(|c| !c.is_empty());
    let named = |classes: &[String]| class.is_some_and(|c| classes.iter().any(|n| n == c));
    match scope {
        QuotaScope::Terminating(is) => pod.active_deadline_seconds.is_some_and(|s| s >= 0) == *is,
        QuotaScope::BestEffort(is) => is_best_effort(pod) == *is,
        QuotaScope::PriorityIn(classes) => named(classes),
        QuotaScope::PriorityNotIn(classes) => !named(classes),
        QuotaScope::Priority(is) => class.is_some() == *is,
        QuotaScope::CrossNamespace => pod.affinity.as_ref().is_some_and(is_cross_namespace),
        QuotaScope::Other(_) => false,
    }
}

/// No container names cpu or memory (kubernetes v1.36.3 `pkg/apis/core/v1/helper/qos` `ComputePodQOS`).
fn is_best_effort(pod: &PodSpec<'_>) -> bool {
    let names = |r: &Resources<'_>| {
        let mut lists = r.requests.iter().chain(r.limits.iter());
        lists.any(|(n, q)| matches!(&**n, "cpu" | "memory") && q.milli_value() > 0)
    };
    let containers = pod.containers.iter().chain(pod.init_containers.iter());
    !(pod.resources.as_ref().is_some_and(names) || containers.map(|c| &c.resources).any(names))
}

fn is_cross_namespace(affinity: &Affinity<'_>) -> bool {
    affinity.pod_terms().any(|t| !t.namespaces.is_empty() || t.namespace_selector.is_some())
}

/// The limits of a pod: summed up as its requests are, with the containers' limits in their place. Its overhead is added to what is limited only
/// (kubernetes v1.36.3 `component-helpers/resource` `PodLimits`).
fn limits(catalog: &mut Catalog, given: &PodSpec<'_>) -> Requests {
    let containers = given.containers.iter().chain(given.init_containers.iter()).map(|c| &c.resources);
    let limited: BTreeSet<&str> = containers
        .chain(given.resources.as_ref())
        .flat_map(|r| r.limits.iter())
        .filter(|(_, limit)| limit.milli_value() > 0)
        .map(|(name, _)| &**name)
        .collect();
    let overhead = given.overhead.iter().filter(|(name, _)| limited.contains(&**name));
    let spec = PodSpec {
        overhead: Map(overhead.cloned().collect()),
        containers: List(given.containers.iter().map(by_limits).collect()),
        init_containers: List(given.init_containers.iter().map(by_limits).collect()),
        resources: given.resources.as_ref().map(limits_of),
        ..PodSpec::default()
    };
    requests::from_spec(catalog, &spec)
}

/// A container that requests its limits.
fn by_limits<'a>(c: &Container<'a>) -> Container<'a> {
    Container { restart_policy: c.restart_policy.clone(), resources: limits_of(&c.resources), ..Container::default() }
}

fn limits_of<'a>(r: &Resources<'a>) -> Resources<'a> {
    Resources { requests: r.limits.clone(), limits: Map::default() }
}

/// What a pod uses of one resource of a quota; 0 for what is not about pods.
fn uses(catalog: &Catalog, requests: &Requests, limits: &Requests, key: &str) -> i64 {
    let of = |amounts: &Requests, name: &str| {
        let resource = match name {
            "cpu" => CPU,
            "memory" => MEMORY,
            "ephemeral-storage" => EPHEMERAL,
            other => {
                let Some(place) = catalog.names.get(other).and_then(|n| catalog.resources.iter().position(|r| *r == n))
                else {
                    return 0;
                };
                ResIdx(place as u32)
            }
        };
        amounts.get(resource)
    };
    match (key, key.strip_prefix("requests."), key.strip_prefix("limits.")) {
        ("pods" | "count/pods", ..) => 1,
        (_, Some(name), _) => of(requests, name),
        (_, _, Some(name)) => of(limits, name),
        ("cpu" | "memory" | "ephemeral-storage", ..) => of(requests, key),
        _ if key.starts_with("hugepages-") => of(requests, key),
        _ => 0,
    }
}
