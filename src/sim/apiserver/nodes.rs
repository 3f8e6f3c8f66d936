//! Writes to nodes: cordons, taints, deletions.

use super::{ApiServer, Preconditions, Refusal, Served};
use crate::cluster::{Catalog, Effect, NodeIdx, State, Taint};
use crate::runner::TaintText;
use crate::sim::site::Site;
use smallvec::SmallVec;

/// What a patch of a node sets; what it does not name stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodePatch {
    /// `spec.unschedulable`.
    pub unschedulable: Option<bool>,
    /// `spec.taints`, all of them.
    pub taints: Option<Vec<TaintText>>,
}

impl NodePatch {
    /// A cordon, or its end.
    pub fn cordon(on: bool) -> NodePatch {
        NodePatch { unschedulable: Some(on), taints: None }
    }

    /// The node's taints as they are, with a taint of this key and effect added, or without it.
    pub fn taint(site: &Site, node: NodeIdx, taint: &TaintText, on: bool) -> NodePatch {
        let view = site.view();
        let words = |t: &Taint| TaintText {
            key: view.state.name(view.catalog, t.key).to_owned(),
            value: view.state.name(view.catalog, t.value).to_owned(),
            effect: t.effect.as_str().to_owned(),
        };
        let same = |t: &TaintText| t.key == taint.key && effect_of(&t.effect) == effect_of(&taint.effect);
        let mut taints: Vec<TaintText> = view.state.nodes[node].taints.iter().map(words).filter(|t| !same(t)).collect();
        taints.extend(on.then(|| taint.clone()));
        NodePatch { unschedulable: None, taints: Some(taints) }
    }
}

impl ApiServer {
    /// Patches a node.
    ///
    /// # Errors
    /// Says why nothing was written.
    pub fn patch_node(&self, site: &mut Site, node: NodeIdx, if_so: Preconditions<'_>, patch: &NodePatch) -> Served {
        exists(site, node, if_so)?;
        // Admission looks at what would change.
        if let Some(on) = patch.unschedulable.filter(|on| *on != site.state.nodes[node].unschedulable) {
            admitted(site, node, on)?;
            site.state.set_unschedulable(node, on);
        }
        if let Some(taints) = &patch.taints {
            set_taints(&site.catalog, &mut site.state, node, taints);
        }
        Ok(())
    }

    /// Deletes a Node object, and its machine with it.
    ///
    /// # Errors
    /// Says why it is still there.
    pub fn delete_node(&self, site: &mut Site, node: NodeIdx, if_so: Preconditions<'_>) -> Served {
        exists(site, node, if_so)?;
        site.vanish(node);
        Ok(())
    }
}

/// Whether a node is there, and as it must be.
fn exists(site: &Site, node: NodeIdx, if_so: Preconditions<'_>) -> Served {
    let n = &site.state.nodes[node];
    if n.gone {
        return Err(Refusal::NotFound);
    }
    if_so.check(site.state.name(&site.catalog, n.spec.uid))
}

/// Whether a node may be cordoned, or uncordoned: the scenario's faults stand for policies and missing permissions.
fn admitted(site: &Site, node: NodeIdx, cordon: bool) -> Served {
    let (catalog, state, now) = (&site.catalog, &site.state, site.now);
    let code = match cordon {
        true => site.faults.cordon_refused(catalog, state, now, node),
        false => site.faults.uncordon_refused(catalog, state, now, node).then_some(403),
    };
    code.map_or(Ok(()), |code| Err(Refusal::Denied { code, cordon }))
}

fn effect_of(text: &str) -> Effect {
    match text {
        "PreferNoSchedule" => Effect::PreferNoSchedule,
        "NoExecute" => Effect::NoExecute,
        _ => Effect::NoSchedule,
    }
}

/// Replaces a node's taints. A key or value that the snapshot does not know is tolerated by no pod of it that names keys.
fn set_taints(catalog: &Catalog, state: &mut State, node: NodeIdx, taints: &[TaintText]) {
    let mut wanted = SmallVec::new();
    for TaintText { key, value, effect } in taints {
        let effect = effect_of(effect);
        let same = |t: &Taint| {
            t.effect == effect && state.name(catalog, t.key) == key && state.name(catalog, t.value) == value
        };
        let known = state.nodes[node].taints.iter().copied().find(same);
        let mut symbol = |text: &str| catalog.names.get(text).unwrap_or_else(|| state.make_name(text));
        wanted.push(known.unwrap_or_else(|| Taint { key: symbol(key), value: symbol(value), effect }));
    }
    state.set_taints(node, wanted);
}
