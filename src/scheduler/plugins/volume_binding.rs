//! VolumeBinding: bound volumes must be reachable from the node, unbound claims must find or get one there
//! (`P/volumebinding/{volume_binding,binder}.go`; `component-helpers/storage/volume/pv_helpers.go`).

use super::{JudgesBy, Plugin};
use crate::cluster::{
    Catalog, ClassIdx, NodeIdx, NodeSelector, PodIdx, Pv, PvIdx, Pvc, PvcIdx, State, StorageClass, Sym,
};
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::plugin::{Code, Point, Reason};
use crate::scheduler::{PluginId, PodPlugin, PodView, PreFilter, Rejection};
use smallvec::SmallVec;

/// `ErrReasonNodeConflict`.
const NODE_CONFLICT: &str = "node(s) didn't match PersistentVolume's node affinity";
/// `ErrReasonBindConflict`.
const BIND_CONFLICT: &str = "node(s) didn't find available persistent volumes to bind";
/// `ErrReasonPVNotExist`.
const NO_VOLUME: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
/// Of a claim that its controller should have bound before.
const UNBOUND_IMMEDIATE: &str = "pod has unbound immediate PersistentVolumeClaims";
/// `NotSupportedProvisioner`: volumes of the class are made by hand.
const BY_HAND: &str = "kubernetes.io/no-provisioner";

/// The VolumeBinding plugin. CSIStorageCapacity is not modelled: a driver's capacity is taken as sufficient.
#[derive(Clone, Debug, Default)]
pub struct VolumeBinding {
    claims: Claims,
}

/// A pod's claims, sorted out (`PodVolumeClaims`).
#[derive(Clone, Debug, Default)]
struct Claims {
    bound: SmallVec<[PvcIdx; 2]>,
    /// Unbound, waiting for the first consumer; small ones first, so that each gets the smallest volume that will do.
    delayed: SmallVec<[Delayed; 2]>,
    /// Unbound, not waiting: nobody but its controller binds it.
    immediate: bool,
}

/// A claim that waits for its first consumer, and what it could be bound to.
#[derive(Clone, Debug)]
struct Delayed {
    claim: PvcIdx,
    /// A volume reserved for it, which is then the only one.
    reserved: Option<PvIdx>,
    /// Volumes that fit but for the node, smallest first.
    candidates: Vec<PvIdx>,
}

/// What placing a pod does to one of its claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeAction {
    /// An existing volume is bound to it (`State::bind_claim`).
    Bind {
        /// The claim.
        claim: PvcIdx,
        /// The volume.
        volume: PvIdx,
    },
    /// A volume is made for it, reachable from the node: its annotation `selected-node` is set and the provisioner acts.
    Provision {
        /// The claim.
        claim: PvcIdx,
        /// Where its pod goes.
        node: NodeIdx,
    },
}

/// What Reserve and PreBind do to the claims of `pod` once `node` is chosen (`AssumePodVolumes`, `BindPodVolumes`); empty if all are
/// bound. Ask before the pod is bound.
pub fn assume_volumes(catalog: &Catalog, state: &State, pod: PodIdx, node: NodeIdx) -> Vec<VolumeAction> {
    let claims = sort_out(catalog, state, pod);
    if claims.delayed.is_empty() {
        return Vec::new();
    }
    find(catalog, state, &claims, node).actions
}

/// `GetPodVolumeClaims`; claims that do not exist are left out.
fn sort_out(catalog: &Catalog, state: &State, pod: PodIdx) -> Claims {
    let mut claims = Claims::default();
    for claim in &catalog.specs[state.pods[pod].spec].claims {
        let Some(index) = claim.claim.filter(|c| !state.claims[*c].gone) else { continue };
        let now = &state.claims[index];
        let named = now.volume.is_some() || now.volume_missing;
        if named && now.bind_completed {
            claims.bound.push(index);
        } else if !named && class_of(catalog, &catalog.claims[index]).is_some_and(|(_, c)| c.waits_for_consumer) {
            claims.delayed.push(volumes_for(catalog, state, index));
        } else {
            claims.immediate = true;
        }
    }
    claims.delayed.sort_by_key(|d| catalog.claims[d.claim].request);
    claims
}

fn class_of<'c>(catalog: &'c Catalog, claim: &Pvc) -> Option<(ClassIdx, &'c StorageClass)> {
    let name = claim.class.filter(|c| *c != catalog.known.empty)?;
    catalog.classes.entries().find(|(_, c)| c.name == name)
}

/// What `FindPodVolumes` finds out about one node.
#[derive(Default)]
struct Found {
    node_conflict: bool,
    bind_conflict: bool,
    no_volume: bool,
    actions: Vec<VolumeAction>,
}

/// `FindPodVolumes`.
fn find(catalog: &Catalog, state: &State, claims: &Claims, node: NodeIdx) -> Found {
    let mut found = Found::default();
    for claim in &claims.bound {
        match state.claims[*claim].volume {
            None => {
                found.no_volume = true;
                break;
            }
            Some(volume) if !reaches(catalog, state, &state.volumes[volume], node) => {
                found.node_conflict = true;
                break;
            }
            Some(_) => {}
        }
    }
    let mut to_provision: SmallVec<[PvcIdx; 2]> = SmallVec::new();
    for delayed in &claims.delayed {
        match state.claims[delayed.claim].selected_node {
            Some(selected) if selected != node => {
                found.bind_conflict = true;
                return found;
            }
            Some(_) => to_provision.push(delayed.claim),
            None => {}
        }
    }
    let mut taken: SmallVec<[PvIdx; 2]> = SmallVec::new();
    for delayed in claims.delayed.iter().filter(|d| state.claims[d.claim].selected_node.is_none()) {
        let claim = delayed.claim;
        let fits = |v: &&PvIdx| !taken.contains(v) && reaches(catalog, state, &state.volumes[**v], node);
        let volume = match &delayed.reserved {
            Some(volume) => Some(volume).filter(fits),
            None => delayed.candidates.iter().find(fits),
        };
        match volume.copied() {
            Some(volume) => {
                taken.push(volume);
                found.actions.push(VolumeAction::Bind { claim, volume });
            }
            None => to_provision.push(claim),
        }
    }
    for claim in to_provision {
        if can_provision(catalog, state, claim, node) {
            found.actions.push(VolumeAction::Provision { claim, node });
        } else {
            found.bind_conflict = true;
            break;
        }
    }
    found
}

/// Whether the node satisfies the volume's affinity (`CheckNodeAffinity`, which knows the node by its labels only).
fn reaches(catalog: &Catalog, state: &State, volume: &Pv, node: NodeIdx) -> bool {
    let labels = &state.nodes[node].spec.labels;
    volume.node_affinity.as_ref().is_none_or(|a| a.matches(labels, catalog.known.empty, &catalog.names))
}

/// How a volume stands to a claim.
#[derive(PartialEq, Eq)]
enum Tie {
    None,
    This,
    Other,
}

/// `spec.claimRef` against the claim (`IsVolumeBoundToClaim`), bindings made during the run included.
fn tie(catalog: &Catalog, state: &State, volume: PvIdx, claim: PvcIdx) -> Tie {
    if let Some(bound) = state.volume_claim[volume] {
        return if bound == claim { Tie::This } else { Tie::Other };
    }
    let (pv, pvc) = (&state.volumes[volume], &catalog.claims[claim]);
    match pv.claim_ref {
        None => Tie::None,
        // A reference by uid that was not found to be this claim is to an older claim of that name.
        Some((namespace, name)) if namespace == pvc.namespace && name == pvc.name && !pv.claim_ref_has_uid => Tie::This,
        Some(_) => Tie::Other,
    }
}

/// `FindMatchingVolume` but for the node: the volume reserved for the claim, or those that will do, smallest first; equal ones
/// (where the real order is that of a map) as in the dump.
fn volumes_for(catalog: &Catalog, state: &State, claim: PvcIdx) -> Delayed {
    let wanted = &catalog.claims[claim];
    let class = wanted.class.unwrap_or(catalog.known.empty);
    let mut delayed = Delayed { claim, reserved: None, candidates: Vec::new() };
    for (index, volume) in state.volumes.entries() {
        let fits = volume.class == class
            && volume.capacity >= wanted.request
            && volume.block == wanted.block
            && (volume.attributes_class == wanted.attributes_class
                || !catalog.kubernetes.rules().attributes_class_counts
                    && volume.attributes_class == catalog.known.empty)
            && !volume.deleting;
        if !fits {
            continue;
        }
        match tie(catalog, state, index, claim) {
            Tie::Other => continue,
            Tie::This => {
                delayed.reserved.get_or_insert(index);
                continue;
            }
            Tie::None => {}
        }
        let selected = wanted.selector.as_ref().is_none_or(|s| s.matches(&volume.labels, &catalog.names));
        if catalog.text(volume.phase) == "Available" && selected && volume.modes.covers(wanted.modes) {
            delayed.candidates.push(index);
        }
    }
    delayed.candidates.sort_by_key(|v| state.volumes[*v].capacity);
    delayed
}

/// `checkVolumeProvisions`, for one claim.
fn can_provision(catalog: &Catalog, state: &State, claim: PvcIdx, node: NodeIdx) -> bool {
    let Some((_, class)) = class_of(catalog, &catalog.claims[claim]) else { return false };
    let provisioner = catalog.text(class.provisioner);
    if provisioner.is_empty() || provisioner == BY_HAND {
        return false;
    }
    let spec = &state.nodes[node].spec;
    class.allowed_topologies.as_ref().is_none_or(|t| t.matches(&spec.labels, spec.name, &catalog.names))
}

impl VolumeBinding {
    /// `podHasPVCs`: what is wrong with one of the claims.
    fn illegal(view: &PodView<'_>) -> Option<String> {
        for claim in &view.spec().claims {
            let name = view.catalog.text(claim.name);
            let Some(index) = claim.claim.filter(|c| !view.state.claims[*c].gone) else {
                return Some(if claim.ephemeral {
                    format!("waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}")
                } else {
                    format!("persistentvolumeclaim {name:?} not found")
                });
            };
            let pvc = &view.catalog.claims[index];
            if pvc.lost {
                let volume = view.state.claims[index].volume.map(|v| view.state.volumes[v].name);
                let volume = volume.map_or("", |v: Sym| view.state.name(view.catalog, v));
                return Some(format!(
                    "persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"
                ));
            }
            if pvc.deleting {
                return Some(format!("persistentvolumeclaim {name:?} is being deleted"));
            }
        }
        None
    }
}

impl VolumeBinding {
    /// The node affinities of the pod's volumes, once it was prepared for; None where more than they decides.
    pub fn affinities<'s>(&self, state: &'s State) -> Option<SmallVec<[&'s NodeSelector; 2]>> {
        let mut affinities = SmallVec::new();
        for claim in &self.claims.bound {
            affinities.extend(state.volumes[state.claims[*claim].volume?].node_affinity.as_ref());
        }
        self.claims.delayed.is_empty().then_some(affinities)
    }
}

impl PodPlugin for VolumeBinding {
    const PLUGIN: PluginId = PluginId::VolumeBinding;

    fn pre_filter(&mut self, view: PodView<'_>) -> PreFilter {
        if view.spec().claims.is_empty() {
            return PreFilter::Skip;
        }
        if let Some(text) = Self::illegal(&view) {
            return PreFilter::Reject(Rejection::text(Self::PLUGIN, Code::Unresolvable, text));
        }
        self.claims = sort_out(view.catalog, view.state, view.pod);
        if self.claims.immediate {
            return PreFilter::Reject(Rejection::unresolvable(Self::PLUGIN, UNBOUND_IMMEDIATE));
        }
        PreFilter::Run
    }

    fn filter(&self, view: PodView<'_>, node: NodeIdx) -> Result<(), Rejection> {
        let found = find(view.catalog, view.state, &self.claims, node);
        let reasons: SmallVec<[Reason; 1]> =
            [(found.node_conflict, NODE_CONFLICT), (found.bind_conflict, BIND_CONFLICT), (found.no_volume, NO_VOLUME)]
                .into_iter()
                .filter(|(holds, _)| *holds)
                .map(|(_, text)| Reason::Fixed(text))
                .collect();
        if reasons.is_empty() {
            return Ok(());
        }
        Err(Rejection { plugin: Self::PLUGIN, code: Code::Unresolvable, reasons })
    }
}

impl Plugin for VolumeBinding {
    const ID: PluginId = PluginId::VolumeBinding;
    const POINTS: &'static [Point] =
        &[Point::PreFilter, Point::Filter, Point::Reserve, Point::PreBind, Point::PreScore, Point::Score];
    const NEEDS: &'static [(Point, Point)] = &[(Point::Filter, Point::PreFilter)];
    const JUDGES_BY: JudgesBy = JudgesBy::Claims;
    const EVENTS: &'static [EventKind] = &[
        EventKind::NodeAdded,
        EventKind::ClaimAdded,
        EventKind::ClaimChanged,
        EventKind::VolumeAdded,
        EventKind::VolumeChanged,
    ];

    /// A node or a volume added, a volume changed, the pod's own claim created or changed (`volumebinding/volume_binding.go`).
    fn says_queue(view: PodView<'_>, event: &ClusterEvent) -> bool {
        let PodView { catalog, state, pod, .. } = view;
        match event {
            ClusterEvent::NodeAdded(_) | ClusterEvent::VolumeAdded(_) | ClusterEvent::VolumeChanged(_) => true,
            ClusterEvent::ClaimAdded(claim) | ClusterEvent::ClaimChanged(claim) => {
                mounts(catalog, state, pod, *claim, true)
            }
            _ => false,
        }
    }
}

/// Whether the pod mounts the claim, counting those of generic ephemeral volumes or not.
pub(super) fn mounts(catalog: &Catalog, state: &State, pod: PodIdx, claim: PvcIdx, ephemeral_too: bool) -> bool {
    let spec = &catalog.specs[state.pods[pod].spec];
    spec.claims.iter().any(|c| c.claim == Some(claim) && (ephemeral_too || !c.ephemeral))
}
