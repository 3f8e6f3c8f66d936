//! Admission webhooks that refuse pods while none of their backends is ready.

use crate::cluster::{Catalog, OwnerIdx, PodIdx, SpecIdx, State, Webhook};

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

/// The webhooks that had a ready backend when the dump was made. One that had none let nobody create a pod then either, or its backends are
/// elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Webhooks {
    gates: Vec<Gate>,
}

impl Webhooks {
    pub fn new(catalog: &Catalog, state: &State) -> Webhooks {
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
        let hooks = catalog.inventory.webhooks.iter().enumerate().filter(|(_, h)| h.creates);
        Webhooks { gates: hooks.map(gate).filter(|g| g.answers(catalog, state)).collect() }
    }

    /// The webhook that refuses a pod made from `spec`, if one does.
    pub fn refuses<'c>(&self, catalog: &'c Catalog, state: &State, spec: SpecIdx) -> Option<&'c Webhook> {
        if self.gates.is_empty() {
            return None;
        }
        let s = &catalog.specs[spec];
        let namespace = &catalog.namespaces[s.namespace].labels;
        let gate = self.gates.iter().find(|g| {
            catalog.inventory.webhooks[g.webhook].is_asked(namespace, &s.labels, &catalog.names)
                && !g.answers(catalog, state)
        })?;
        catalog.inventory.webhooks.get(gate.webhook)
    }
}

impl Gate {
    /// Whether a backend is ready.
    fn answers(&self, catalog: &Catalog, state: &State) -> bool {
        let hook = &catalog.inventory.webhooks[self.webhook];
        let owned = self.owners.iter().flat_map(|o| state.owned[*o].iter().copied());
        owned.chain(self.bare.iter().copied()).any(|p| {
            let pod = &state.pods[p];
            let spec = &catalog.specs[pod.spec];
            // An endpoint that is terminating serves no more.
            pod.ready && pod.is_active() && hook.is_backend(spec.namespace, &spec.labels)
        })
    }
}
