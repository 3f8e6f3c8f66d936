//! Why the API server does not let a pod be created, or evicted, whatever the budgets say: a fail-closed webhook without a backend, a quota
//! without room. These look at a cluster as it is; the simulation keeps counts of its own (`sim/controllers/admission.rs`).

use crate::cluster::admission::used;
use crate::cluster::{Asked, OwnerIdx, PodIdx, Quota, SpecIdx, View, Webhook};

/// What a webhook sees of a pod made from a spec.
pub fn asked(view: View<'_>, spec: SpecIdx) -> Asked<'_> {
    let c = view.catalog;
    let s = &c.specs[spec];
    let namespace = &c.namespaces[s.namespace];
    let generated = s.generate_name.is_some() || s.name == c.known.empty;
    Asked {
        namespace: c.text(namespace.name),
        namespace_labels: &namespace.labels,
        name: (!generated).then(|| c.text(s.name)),
        labels: &s.labels,
    }
}

/// Whether a webhook is asked before a pod is created; None if its conditions cannot be decided.
pub fn is_asked_of_creation(view: View<'_>, hook: &Webhook, spec: SpecIdx) -> Option<bool> {
    hook.is_asked_of_creation(asked(view, spec), &view.catalog.names)
}

/// Whether a webhook is asked before a pod is evicted; None if its conditions cannot be decided.
pub fn is_asked_of_eviction(view: View<'_>, hook: &Webhook, pod: PodIdx) -> Option<bool> {
    let p = &view.state.pods[pod];
    let asked = Asked { name: Some(view.state.name(view.catalog, p.name)), ..asked(view, p.spec) };
    hook.is_asked_of_eviction(asked, &view.catalog.names)
}

/// Whether a pod is a backend that answers. An endpoint that is terminating serves no more.
pub fn answers(view: View<'_>, hook: &Webhook, pod: PodIdx) -> bool {
    let p = &view.state.pods[pod];
    let spec = &view.catalog.specs[p.spec];
    p.ready && p.is_active() && hook.is_backend(spec.namespace, &spec.labels)
}

/// What refuses a pod before it is stored, with why in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreationRefused {
    /// A fail-closed webhook of which no backend is ready.
    Webhook(String),
    /// A quota without room for it.
    Quota(String),
}

/// Why no pod of an owner can be created now, as far as the cluster shows it.
pub fn creation_refused(view: View<'_>, owner: OwnerIdx) -> Option<CreationRefused> {
    let inventory = &view.catalog.inventory;
    if inventory.webhooks.is_empty() && inventory.quotas.is_empty() {
        return None;
    }
    let specs = &view.catalog.specs;
    let of_owner = |s: &SpecIdx| specs[*s].owner.is_some_and(|o| o == owner || view.catalog.top_owner(o) == owner);
    // Replacements are made as the pods that there were; the template counts only where there were none.
    let is_template = |s: &SpecIdx| specs[*s].name == view.catalog.known.empty;
    let spec = specs.indices().filter(of_owner).min_by_key(is_template)?;
    let silent = |hook: &&Webhook| is_asked_of_creation(view, hook, spec) == Some(true) && is_silent(view, hook);
    if let Some(hook) = inventory.webhooks.iter().find(silent) {
        return Some(CreationRefused::Webhook(format!(
            "webhook {} of {} refuses it, for no backend of its Service {} is ready",
            hook.name, hook.config, hook.service
        )));
    }
    let (charges, used) = (inventory.quota_charges.get(&spec)?, used(view));
    let exceeded = charges.iter().find_map(|(place, more)| {
        let quota = &inventory.quotas[*place as usize];
        quota.exceeded(view.catalog.text(quota.name), &used[*place as usize], more)
    });
    exceeded.map(CreationRefused::Quota)
}

/// Whether none of a webhook's backends is ready. One whose backends the dump does not show refuses nothing in the simulation, so that it is no
/// cause of anything.
pub fn is_silent(view: View<'_>, hook: &Webhook) -> bool {
    hook.has_backends && !view.state.live_pods().any(|p| answers(view, hook, p))
}

/// The webhooks that refuse the evictions that they are asked about now, as far as the cluster shows it.
pub fn silent_of_evictions<'a>(view: View<'a>) -> Vec<&'a Webhook> {
    let silent = |hook: &&Webhook| hook.evicts && is_silent(view, hook);
    view.catalog.inventory.webhooks.iter().filter(silent).collect()
}

/// `ResourceQuota/namespace/name`.
pub fn quota_text(view: View<'_>, quota: &Quota) -> String {
    let c = view.catalog;
    format!("ResourceQuota/{}/{}", c.text(c.namespaces[quota.namespace].name), c.text(quota.name))
}
