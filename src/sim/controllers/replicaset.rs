//! ReplicaSets, ReplicationControllers, and custom owners that keep a count (pkg/controller/replicaset, 1.36).

use super::memory::Memory;
use super::ranking::first_to_go;
use super::{Action, BURST, Sync};
use crate::cluster::{Catalog, OwnerIdx, OwnerKind, PodIdx, SpecIdx, State};

/// `manageReplicas`: active pods (not terminal, no deletion timestamp) against `spec.replicas`. A replacement is made
/// as soon as the deletion is seen and overlaps the old pod.
///
/// A custom owner is taken to do the same for the count that `/scale` or its pods at the snapshot tell; pods that it
/// named itself (no generateName) come back under their name, so only once the old object is gone.
pub fn sync(catalog: &Catalog, state: &State, memory: &Memory, owner: OwnerIdx) -> Sync {
    let o = &catalog.owners[owner];
    if o.deleting || memory.orphaned {
        return Sync::default();
    }
    let Some(wanted) = state.replicas[owner].or(memory.kept) else {
        return Sync::default();
    };
    let active = || state.owned[owner].iter().copied().filter(|p| state.pods[*p].is_active());
    let (now, wanted) = (active().count(), usize::try_from(wanted.max(0)).unwrap_or(0));
    if now > wanted {
        let victims = first_to_go(state, &active().collect::<Vec<PodIdx>>(), (now - wanted).min(BURST));
        return Sync { actions: victims.into_iter().map(Action::Delete).collect(), ..Sync::default() };
    }
    let missing = (wanted - now).min(BURST);
    if o.kind == OwnerKind::Custom && !generates_names(catalog, memory) {
        return recreate_named(catalog, state, memory, owner, missing);
    }
    let mut sync = Sync { slow_start: true, ..Sync::default() };
    if let Some(source) = memory.source {
        for _ in 0..missing {
            sync.create(source, None);
        }
    }
    sync
}

fn generates_names(catalog: &Catalog, memory: &Memory) -> bool {
    memory.source.is_none_or(|s| catalog.specs[s].generate_name.is_some())
}

/// Brings back, under their own names, pods of the snapshot whose objects are gone.
fn recreate_named(catalog: &Catalog, state: &State, memory: &Memory, owner: OwnerIdx, missing: usize) -> Sync {
    let mut sync = Sync::default();
    let held: Vec<_> = state.owned[owner].iter().map(|p| state.pods[*p].name).collect();
    let specs = |spec: &SpecIdx| catalog.specs[*spec].name;
    for spec in memory.named_specs.iter() {
        if sync.actions.len() < missing && !held.contains(&specs(spec)) {
            sync.create(*spec, Some(specs(spec)));
        }
    }
    sync
}
