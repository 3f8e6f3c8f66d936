//! Spot nodes of AKS: which pods may run on them, and which would have to.

use super::Templates;
use super::eligible::refusal;
use super::template::UNNAMED;
use super::volumes::VolumeNeeds;
use crate::cluster::{Effect, GroupIdx, PodIdx, Sym, Taint, View};

/// The label that Ocean on AKS owns, and the key of the taint that AKS puts on spot nodes.
pub const KEY: &str = "kubernetes.azure.com/scalesetpriority";

/// Whether a pod requires a scale-set priority.
pub fn requires_priority(view: View<'_>, pod: PodIdx) -> bool {
    let Some(key) = view.catalog.names.get(KEY) else { return false };
    let shape = view.catalog.shape(view.state.pods[pod].spec);
    shape.node_selector.iter().any(|(k, _)| *k == key)
        || shape
            .node_affinity
            .as_ref()
            .is_some_and(|a| a.terms.iter().any(|t| t.expressions.iter().any(|e| e.key == key)))
}

/// Whether a pod may run on a spot node of AKS.
pub fn tolerates_spot(view: View<'_>, pod: PodIdx) -> bool {
    // A name that the dump does not have equals none of its tolerations, but for those that name no key.
    let sym = |text: &str| view.catalog.names.get(text).unwrap_or(UNNAMED);
    let (key, value): (Sym, Sym) = (sym(KEY), sym("spot"));
    let taint = Taint { key, value, effect: Effect::NoSchedule };
    view.catalog.shape(view.state.pods[pod].spec).tolerations.iter().any(|t| t.tolerates(&taint))
}

/// Whether a group launches spot nodes only: all of them, without falling back to on-demand.
fn is_all_spot(view: View<'_>, group: GroupIdx) -> bool {
    let g = &view.catalog.groups[group];
    g.spot_percent == Some(100) && !g.fallback_to_od
}

/// Whether any group launches spot nodes only; without one no pod can lack a toleration.
pub fn may_matter(view: View<'_>) -> bool {
    view.catalog.groups.indices().any(|g| is_all_spot(view, g))
}

/// The group (its id) that would host a pod if it tolerated spot nodes, while no other can; None if it has a place.
pub fn needs_toleration(view: View<'_>, templates: &Templates, pod: PodIdx) -> Option<String> {
    if tolerates_spot(view, pod) {
        return None;
    }
    let spec = view.state.pods[pod].spec;
    let (needs, shape) = (VolumeNeeds::of(view, &view.catalog.specs[spec]), view.catalog.shape(spec));
    let hosts = |g: &GroupIdx| templates.of(*g).iter().any(|t| refusal(view, t, shape, &needs).is_none());
    let mut hosting = view.catalog.groups.indices().filter(hosts);
    let first = hosting.next()?;
    let all = is_all_spot(view, first) && hosting.all(|g| is_all_spot(view, g));
    all.then(|| view.catalog.text(view.catalog.groups[first].id).to_owned())
}
