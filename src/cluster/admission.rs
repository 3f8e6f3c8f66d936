//! What the API server asks before it creates a pod: admission webhooks that refuse when nobody answers, and quotas.

use super::View;
use super::condition::{Condition, Known, Subject};
use super::ids::{NsIdx, SpecIdx};
use super::intern::{Interner, Sym};
use super::labels::{Labels, Selector};
use super::pod::PodState;
use std::collections::BTreeMap;

/// An admission webhook of a Service in the cluster that refuses what it is asked about when no backend answers (`failurePolicy: Fail`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its configuration: `MutatingWebhookConfiguration/name`.
    pub config: String,
    /// Its name.
    pub name: String,
    /// Namespace of its Service.
    pub namespace: NsIdx,
    /// `namespace/name` of its Service.
    pub service: String,
    /// The labels of its backends.
    pub backends: Labels,
    /// Labels of the namespaces in which it is asked.
    pub namespaces: Selector,
    /// Labels of the objects about which it is asked.
    pub objects: Selector,
    /// Its `matchConditions`: it is asked only where all are true.
    pub conditions: Vec<Condition>,
    /// It is asked before a pod is created.
    pub creates: bool,
    /// It is asked before a pod is evicted.
    pub evicts: bool,
    /// The dump has a pod that is its backend, ready or not. Where it has none nobody knows who answers, and the simulation takes it to refuse nothing.
    pub has_backends: bool,
}

/// A pod about whose creation or eviction a webhook may be asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// The labels of its namespace.
    pub namespace_labels: &'a Labels,
    /// Its name; None if it is generated.
    pub name: Option<&'a str>,
    /// Its labels.
    pub labels: &'a Labels,
}

impl Webhook {
    /// Whether it is asked before a pod is created; None if its conditions cannot be decided.
    pub fn is_asked_of_creation(&self, pod: Asked<'_>, names: &Interner) -> Option<bool> {
        if !self.creates
            || !self.namespaces.matches(pod.namespace_labels, names)
            || !self.objects.matches(pod.labels, names)
        {
            return Some(false);
        }
        self.holds(&Subject {
            namespace: pod.namespace,
            name: pod.name,
            labels: Some(pod.labels),
            eviction: false,
            names,
        })
    }

    /// Whether it is asked before a pod is evicted; None if its conditions cannot be decided. The object that it is asked about is the
    /// Eviction, which has the pod's name and none of its labels.
    pub fn is_asked_of_eviction(&self, pod: Asked<'_>, names: &Interner) -> Option<bool> {
        let none = Labels::default();
        if !self.evicts || !self.namespaces.matches(pod.namespace_labels, names) || !self.objects.matches(&none, names)
        {
            return Some(false);
        }
        self.holds(&Subject { namespace: pod.namespace, name: pod.name, labels: None, eviction: true, names })
    }

    /// Whether all its conditions are true (kubernetes v1.36.3 `apiserver/pkg/admission/plugin/webhook/matchconditions`: one that is false
    /// decides, whatever becomes of the others).
    fn holds(&self, subject: &Subject<'_>) -> Option<bool> {
        let found: Vec<Known> = self.conditions.iter().map(|c| c.judge(subject)).collect();
        match () {
            () if found.contains(&Known::False) => Some(false),
            () if found.contains(&Known::Unknown) => None,
            () => Some(true),
        }
    }

    /// Whether a pod of `namespace` with `labels` is one of its backends.
    pub fn is_backend(&self, namespace: NsIdx, labels: &Labels) -> bool {
        namespace == self.namespace && self.backends.iter().all(|(k, v)| labels.get(k) == Some(v))
    }

    /// What the API server says when none of its backends is ready (kubernetes v1.36.3 `apiserver/pkg/util/webhook`, kube-proxy's
    /// `ResolveEndpoint`), with the path of the call left out.
    pub fn unreachable(&self) -> String {
        let service = self.service.split_once('/').map_or(&*self.service, |s| s.1);
        format!(
            "Internal error occurred: failed calling webhook {:?}: failed to call webhook: no endpoints available for service {service:?}",
            self.name
        )
    }
}

/// Which pods a quota is about (`spec.scopes`, `spec.scopeSelector`); it is about those that are in all of its scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuotaScope {
    /// `Terminating`: pods with `activeDeadlineSeconds`; or `NotTerminating`.
    Terminating(bool),
    /// `BestEffort`; or `NotBestEffort`.
    BestEffort(bool),
    /// `PriorityClass`: pods with one of these classes.
    PriorityIn(Vec<String>),
    /// `PriorityClass`: pods with none of these classes.
    PriorityNotIn(Vec<String>),
    /// `PriorityClass`: pods with a class, or without one.
    Priority(bool),
    /// `CrossNamespacePodAffinity`: pods whose affinity names other namespaces.
    CrossNamespace,
    /// One that no pod is in, or that is not known.
    Other(String),
}

/// A ResourceQuota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Namespace.
    pub namespace: NsIdx,
    /// Name.
    pub name: Sym,
    /// Which pods it is about.
    pub scopes: Vec<QuotaScope>,
    /// What it limits.
    pub limits: Vec<QuotaLimit>,
}

/// An amount that a quota limits: cpu in milli, others in whole units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaLimit {
    /// `pods`, `requests.cpu`, `limits.memory`.
    pub resource: String,
    /// How much may be used.
    pub hard: i64,
    /// How much was used when the dump was made (`status.used`).
    pub used: i64,
    /// How much of that the pods of the dump do not account for; negative where its status is behind them.
    pub unseen: i64,
}

impl QuotaLimit {
    /// Whether pods are counted as long as their objects exist, not only until they have ended.
    pub fn counts_objects(&self) -> bool {
        self.resource == "count/pods"
    }

    /// Whether amounts of a resource are in milli, not in whole units.
    pub fn is_in_milli(resource: &str) -> bool {
        matches!(resource, "cpu" | "requests.cpu" | "limits.cpu")
    }

    /// An amount as the API server writes it.
    pub fn text(&self, amount: i64) -> String {
        const BINARY: [(i64, &str); 4] = [(1 << 40, "Ti"), (1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
        if QuotaLimit::is_in_milli(&self.resource) {
            return if amount % 1000 == 0 { (amount / 1000).to_string() } else { format!("{amount}m") };
        }
        let bytes = self.resource.ends_with("memory") || self.resource.ends_with("ephemeral-storage");
        match BINARY.iter().find(|(unit, _)| bytes && amount != 0 && amount % unit == 0) {
            Some((unit, suffix)) => format!("{}{suffix}", amount / unit),
            None => amount.to_string(),
        }
    }
}

/// What a pod uses of each quota that is about it: the quota's place in the list, and an amount for each of its limits (0 where it uses none).
pub type QuotaCharge = Vec<(u32, Vec<i64>)>;

/// What the pods made from a spec use of their namespace's quotas; specs in namespaces without quotas are left out.
pub type QuotaCharges = BTreeMap<SpecIdx, QuotaCharge>;

impl Quota {
    /// Why a pod that uses so much more is refused, given what is used: the quota admission's words; None if it has room (kubernetes v1.36.3
    /// `apiserver/pkg/admission/plugin/resourcequota` `CheckRequest`).
    pub fn exceeded(&self, name: &str, used: &[i64], more: &[i64]) -> Option<String> {
        let full: Vec<usize> =
            (0..self.limits.len()).filter(|i| more[*i] > 0 && used[*i] + more[*i] > self.limits[*i].hard).collect();
        if full.is_empty() {
            return None;
        }
        let mut full: Vec<(&QuotaLimit, i64, i64)> =
            full.into_iter().map(|i| (&self.limits[i], more[i], used[i])).collect();
        full.sort_by(|a, b| a.0.resource.cmp(&b.0.resource));
        let list = |amount: &dyn Fn(&(&QuotaLimit, i64, i64)) -> i64| {
            let parts: Vec<String> = full.iter().map(|l| format!("{}={}", l.0.resource, l.0.text(amount(l)))).collect();
            parts.join(",")
        };
        Some(format!(
            "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
            list(&|l| l.1),
            list(&|l| l.2),
            list(&|l| l.0.hard)
        ))
    }
}

/// Whether a pod counts against the limits of a quota that do not count objects: it has not ended (kubernetes v1.36.3
/// `pkg/quota/v1/evaluator/core` `QuotaV1Pod`, which also leaves out one that is there longer after its deletion than its grace).
pub fn is_charged(p: &PodState) -> bool {
    !p.gone && !p.phase.is_terminal()
}

/// How much of each limit of each quota is used.
pub fn used(view: View<'_>) -> Vec<Vec<i64>> {
    let inventory = &view.catalog.inventory;
    let mut used: Vec<Vec<i64>> =
        inventory.quotas.iter().map(|q| q.limits.iter().map(|l| l.unseen).collect()).collect();
    if used.is_empty() {
        return used;
    }
    for pod in view.state.live_pods() {
        let p = &view.state.pods[pod];
        for (place, amounts) in inventory.quota_charges.get(&p.spec).into_iter().flatten() {
            let quota = &inventory.quotas[*place as usize];
            for (i, limit) in quota.limits.iter().enumerate() {
                if is_charged(p) || limit.counts_objects() {
                    used[*place as usize][i] += amounts[i];
                }
            }
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_that_is_exceeded_is_said_as_the_api_server_says_it() {
        let limit = |resource: &str, hard, used| QuotaLimit { resource: resource.into(), hard, used, unseen: 0 };
        let quota = Quota {
            namespace: NsIdx(0),
            name: Sym(0),
            scopes: Vec::new(),
            limits: vec![limit("requests.cpu", 2_000, 1_900), limit("pods", 3, 3), limit("limits.memory", 4 << 30, 0)],
        };
        assert_eq!(
            quota.exceeded("team", &[1_900, 3, 0], &[250, 1, 1 << 30]).as_deref(),
            Some(
                "exceeded quota: team, requested: pods=1,requests.cpu=250m, used: pods=3,requests.cpu=1900m, limited: pods=3,requests.cpu=2"
            )
        );
        assert_eq!(quota.exceeded("team", &[1_000, 2, 0], &[1_000, 1, 4 << 30]), None);
        assert_eq!(quota.exceeded("team", &[9_000, 2, 0], &[0, 1, 0]), None, "what is not asked for is not refused");
        assert_eq!(quota.limits[2].text(3 << 29), "1536Mi");
    }
}
