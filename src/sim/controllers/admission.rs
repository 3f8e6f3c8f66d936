//! Admission of pods and of their evictions: webhooks that refuse while none of their backends is ready, and quotas that are used up.

use crate::cluster::admission::is_charged;
use crate::cluster::{Catalog, Change, OwnerIdx, PodChange, PodIdx, SpecIdx, State, View, Webhook};
use crate::disruption::admission::{answers, is_asked_of_creation, is_asked_of_eviction};
use std::collections::{BTreeMap, BTreeSet};

/// A webhook, and where its backends are found.
#[derive(Clone, Debug)]
struct Gate {
    /// Place in the catalogue's list.
    webhook: usize,
    /// Owners of its backends.
    owners: Vec<OwnerIdx>,
    /// Backends that nobody owns.
    bare: Vec<PodIdx>,
}

/// Why a pod is not created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Refused {
    /// HTTP status.
    pub code: u16,
    /// `reason` of the Status.
    pub reason: &'static str,
    /// `message` of the Status.
    pub message: String,
}

/// What admission asks before a pod is created or evicted.
#[derive(Clone, Debug, Default)]
pub(in crate::sim) struct Admission {
    /// The webhooks whose backends the dump shows (`Webhook::has_backends`).
    gates: Vec<Gate>,
    quotas: Quotas,
}

impl Admission {
    pub fn new(catalog: &Catalog, state: &State) -> Admission {
        let gate = |(webhook, hook): (usize, &Webhook)| {
            let backends = || catalog.specs.entries().filter(|(_, s)| hook.is_backend(s.namespace, &s.labels));
            let mut owners: Vec<OwnerIdx> = backends().filter_map(|(_, s)| s.owner).collect();
            owners.sort_unstable();
            owners.dedup();
            let bare = |p: &PodIdx| {
                let spec = &catalog.specs[state.pods[*p].spec];
                spec.owner.is_none() && hook.is_backend(spec.namespace, &spec.labels)
            };
            Gate { webhook, owners, bare: state.live_pods().filter(bare).collect() }
        };
        let gates = catalog.inventory.webhooks.iter().enumerate().filter(|(_, h)| h.has_backends).map(gate).collect();
        Admission { gates, quotas: Quotas::new(catalog, state) }
    }

    /// Keeps up with what the quotas are used for.
    pub fn on_change(&mut self, catalog: &Catalog, state: &State, change: Change) {
        if let Change::Pod(pod, PodChange::Added | PodChange::Phase(_) | PodChange::Removed) = change {
            self.quotas.changed(catalog, state, pod);
        }
    }

    /// Why a pod of this name made from `spec` is not created, if it is not. Webhooks are asked before quotas are charged.
    pub fn refuses_creation(&self, view: View<'_>, spec: SpecIdx, name: &str) -> Option<Refused> {
        let hook = self.silent(view, |hook| is_asked_of_creation(view, hook, spec));
        let by_hook = hook.map(|hook| Refused { code: 500, reason: "InternalError", message: hook.unreachable() });
        by_hook.or_else(|| {
            let message = self.quotas.exceeded(view.catalog, spec)?;
            Some(Refused { code: 403, reason: "Forbidden", message: format!("pods {name:?} is forbidden: {message}") })
        })
    }

    /// The webhook that refuses a pod's eviction, if one does.
    pub fn refuses_eviction<'a>(&self, view: View<'a>, pod: PodIdx) -> Option<&'a Webhook> {
        self.silent(view, |hook| is_asked_of_eviction(view, hook, pod))
    }

    /// Whether nothing could refuse a creation.
    pub fn is_idle(&self) -> bool {
        self.gates.is_empty() && self.quotas.used.is_empty()
    }

    /// The first webhook that is asked and does not answer.
    fn silent<'a>(&self, view: View<'a>, asked: impl Fn(&Webhook) -> Option<bool>) -> Option<&'a Webhook> {
        let gate = self
            .gates
            .iter()
            .find(|g| asked(&view.catalog.inventory.webhooks[g.webhook]) == Some(true) && !g.answers(view))?;
        view.catalog.inventory.webhooks.get(gate.webhook)
    }
}

impl Gate {
    /// Whether a backend is ready.
    fn answers(&self, view: View<'_>) -> bool {
        let hook = &view.catalog.inventory.webhooks[self.webhook];
        let owned = self.owners.iter().flat_map(|o| view.state.owned[*o].iter().copied());
        owned.chain(self.bare.iter().copied()).any(|p| answers(view, hook, p))
    }
}

/// What is used of each quota: what its status said when the dump was made, and what came and went since.
#[derive(Clone, Debug, Default)]
struct Quotas {
    /// By place of the quota, its limits in their order.
    used: BTreeMap<u32, Vec<i64>>,
    /// Pods that count against what runs.
    charged: BTreeSet<PodIdx>,
    /// Pods whose objects are counted.
    stored: BTreeSet<PodIdx>,
}

impl Quotas {
    fn new(catalog: &Catalog, state: &State) -> Quotas {
        let mut quotas = Quotas::default();
        for (place, quota) in catalog.inventory.quotas.iter().enumerate() {
            if !quota.limits.is_empty() {
                quotas.used.insert(place as u32, quota.limits.iter().map(|l| l.used).collect());
            }
        }
        let counts = |p: &PodIdx| catalog.inventory.quota_charges.contains_key(&state.pods[*p].spec);
        for pod in state.live_pods().filter(counts) {
            quotas.stored.insert(pod);
            if is_charged(&state.pods[pod]) {
                quotas.charged.insert(pod);
            }
        }
        quotas
    }

    /// A pod came, ended or went.
    fn changed(&mut self, catalog: &Catalog, state: &State, pod: PodIdx) {
        let p = &state.pods[pod];
        let Some(charges) = catalog.inventory.quota_charges.get(&p.spec) else { return };
        let was = (self.charged.contains(&pod), self.stored.contains(&pod));
        let is = (is_charged(p), !p.gone);
        for (place, amounts) in charges {
            let Some(used) = self.used.get_mut(place) else { continue };
            for (i, limit) in catalog.inventory.quotas[*place as usize].limits.iter().enumerate() {
                let (was, is) = if limit.counts_objects() { (was.1, is.1) } else { (was.0, is.0) };
                used[i] += amounts[i] * (i64::from(is) - i64::from(was));
            }
        }
        let keep = |set: &mut BTreeSet<PodIdx>, is| if is { set.insert(pod) } else { set.remove(&pod) };
        keep(&mut self.charged, is.0);
        keep(&mut self.stored, is.1);
    }

    /// Why one more pod made from `spec` has no room.
    fn exceeded(&self, catalog: &Catalog, spec: SpecIdx) -> Option<String> {
        catalog.inventory.quota_charges.get(&spec)?.iter().find_map(|(place, more)| {
            let quota = &catalog.inventory.quotas[*place as usize];
            quota.exceeded(catalog.text(quota.name), self.used.get(place)?, more)
        })
    }
}
