//! VolumeZone: a volume's zone and region labels must match the node's (`P/volumezone/volume_zone.go`).

use super::volume_binding::mounts;
use super::{JudgesBy, Plugin};
use crate::cluster::{Catalog, Labels, NodeIdx, PvcState, Sym};
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::plugin::{Code, Point};
use crate::scheduler::{PluginId, PodPlugin, PodView, PreFilter, Rejection};
use smallvec::SmallVec;

/// `ErrReasonConflict`.
const CONFLICT: &str = "node(s) had no available volume zone";

/// A label of a volume with the values it allows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ZoneLabel {
    key: Sym,
    values: SmallVec<[Sym; 2]>,
}

/// The VolumeZone plugin.
#[derive(Clone, Debug, Default)]
pub struct VolumeZone {
    topologies: Vec<ZoneLabel>,
}

/// `topologyLabels`, in upstream's order.
fn labels(catalog: &Catalog) -> [Sym; 4] {
    let known = &catalog.known;
    [known.zone_beta, known.region_beta, known.zone, known.region]
}

/// `LabelZonesToSet`: values joined by `__`; None if one is empty. A value that no label has is left out.
fn zones(catalog: &Catalog, value: Sym) -> Option<SmallVec<[Sym; 2]>> {
    let text = catalog.names.text(value)?;
    let mut out = SmallVec::new();
    for part in text.split("__") {
        let part = part.trim();
        if part.is_empty() {
            return None;
        }
        out.extend(catalog.names.get(part));
    }
    Some(out)
}

impl VolumeZone {
    fn reject(text: String) -> PreFilter {
        PreFilter::Reject(Rejection::text(Self::PLUGIN, Code::Unresolvable, text))
    }
    /// What an unbound claim means: nothing if it waits for its first consumer.
    fn unbound(view: &PodView<'_>, class: Option<Sym>) -> Option<PreFilter> {
        let class = class.filter(|c| *c != view.catalog.known.empty);
        let Some(class) = class else {
            return Some(Self::reject("PersistentVolumeClaim had no pv name and storageClass name".into()));
        };
        match view.catalog.classes.iter().find(|c| c.name == class) {
            None => {
                let name = view.catalog.text(class);
                Some(Self::reject(format!("storageclass.storage.k8s.io {name:?} not found")))
            }
            Some(class) if class.waits_for_consumer => None,
            Some(_) => Some(Self::reject("PersistentVolume had no name".into())),
        }
    }
}

impl PodPlugin for VolumeZone {
    const PLUGIN: PluginId = PluginId::VolumeZone;

    fn pre_filter(&mut self, view: PodView<'_>) -> PreFilter {
        self.topologies.clear();
        for claim in view.spec().claims.iter().filter(|c| !c.ephemeral) {
            let Some(index) = claim.claim.filter(|c| !view.state.claims[*c].gone) else {
                let name = view.catalog.text(claim.name);
                return Self::reject(format!("persistentvolumeclaim {name:?} not found"));
            };
            let volume = match &view.state.claims[index] {
                PvcState { volume: Some(volume), .. } => *volume,
                PvcState { volume_missing: true, .. } => return Self::reject("persistentvolume not found".into()),
                _ => match Self::unbound(&view, view.catalog.claims[index].class) {
                    Some(rejection) => return rejection,
                    None => continue,
                },
            };
            let volume = &view.state.volumes[volume];
            for key in labels(view.catalog) {
                if let Some(values) = volume.labels.get(key).and_then(|v| zones(view.catalog, v)) {
                    self.topologies.push(ZoneLabel { key, values });
                }
            }
        }
        if self.topologies.is_empty() { PreFilter::Skip } else { PreFilter::Run }
    }

    fn filter(&self, view: PodView<'_>, node: NodeIdx) -> Result<(), Rejection> {
        match admits(view.catalog, &self.topologies, &view.state.nodes[node].spec.labels) {
            true => Ok(()),
            false => Err(Rejection::unresolvable(Self::PLUGIN, CONFLICT)),
        }
    }
}

/// Whether a node's labels agree with those of volumes.
pub fn admits(catalog: &Catalog, zones: &[ZoneLabel], node: &Labels) -> bool {
    let known = &catalog.known;
    if labels(catalog).iter().all(|key| node.get(*key).is_none()) {
        return true;
    }
    zones.iter().all(|zone| {
        let general = match zone.key {
            k if k == known.zone_beta => known.zone,
            k if k == known.region_beta => known.region,
            k => k,
        };
        let value = node.get(zone.key).or_else(|| node.get(general));
        value.is_some_and(|v| zone.values.contains(&v))
    })
}

impl VolumeZone {
    /// What the volumes' labels allow, once the pod was prepared for.
    pub fn zones(&self) -> &[ZoneLabel] {
        &self.topologies
    }
}

impl Plugin for VolumeZone {
    const ID: PluginId = PluginId::VolumeZone;
    const POINTS: &'static [Point] = &[Point::PreFilter, Point::Filter];
    const JUDGES_BY: JudgesBy = JudgesBy::Claims;
    /// It registers for changes of volumes too, but asks whether the zone labels changed, which they never do here.
    const EVENTS: &'static [EventKind] =
        &[EventKind::NodeAdded, EventKind::ClaimAdded, EventKind::ClaimChanged, EventKind::VolumeAdded];

    /// A node or a volume added, the pod's own claim created or changed (`volumezone/volume_zone.go`).
    fn says_queue(view: PodView<'_>, event: &ClusterEvent) -> bool {
        let PodView { catalog, state, pod, .. } = view;
        match event {
            ClusterEvent::NodeAdded(_) | ClusterEvent::VolumeAdded(_) => true,
            ClusterEvent::ClaimAdded(claim) | ClusterEvent::ClaimChanged(claim) => {
                mounts(catalog, state, pod, *claim, false)
            }
            _ => false,
        }
    }
}
