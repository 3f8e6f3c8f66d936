//! NodeVolumeLimits: a CSI driver attaches only so many volumes to a node (`P/nodevolumelimits/csi.go`).

use super::volume_binding::mounts;
use super::{JudgesBy, Plugin};
use crate::cluster::{Catalog, ClaimRef, Idx, NodeIdx, PodIdx, PodShape, PvIdx, PvcIdx, State, Sym, Volume};
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::plugin::{Code, Point};
use crate::scheduler::{PluginId, PodPlugin, PodView, PreFilter, Rejection};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// `ErrReasonMaxVolumeCountExceeded`.
const TOO_MANY: &str = "node(s) exceed max volume count";

/// What makes two volumes one (`getVolumeUniqueName`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    /// A volume by its handle.
    Handle(Sym),
    /// A volume without a handle.
    Volume(PvIdx),
    /// A claim that has no volume yet.
    Claim(PvcIdx),
    /// A legacy disk named by the pod itself.
    Disk(Sym),
}

/// A volume that counts, with its driver.
type Counted = (Sym, Identity);

/// The NodeVolumeLimits plugin.
#[derive(Clone, Debug, Default)]
pub struct NodeVolumeLimits {
    wanted: SmallVec<[Counted; 4]>,
}

/// The CSI driver that took over an in-tree plugin (csi-translation-lib), or the name itself.
fn csi_driver(catalog: &Catalog, name: Sym) -> Option<Sym> {
    let csi = match catalog.text(name) {
        "kubernetes.io/aws-ebs" | "aws-ebs" => "ebs.csi.aws.com",
        "kubernetes.io/gce-pd" | "gce-pd" => "pd.csi.storage.gke.io",
        "kubernetes.io/azure-disk" => "disk.csi.azure.com",
        "kubernetes.io/azure-file" => "file.csi.azure.com",
        "kubernetes.io/cinder" => "cinder.csi.openstack.org",
        "kubernetes.io/vsphere-volume" => "csi.vsphere.vmware.com",
        "kubernetes.io/portworx-volume" => "pxd.portworx.com",
        _ => return Some(name),
    };
    // A driver that no object names has no limit anywhere.
    catalog.names.get(csi)
}

/// `getCSIDriverInfo`: None for what is not attached by a CSI driver.
fn of_claim(catalog: &Catalog, state: &State, claim: &ClaimRef) -> Option<Counted> {
    let index = claim.claim.filter(|c| !state.claims[*c].gone)?;
    if let Some(volume) = state.claims[index].volume {
        return of_volume(catalog, state, volume);
    }
    // Unbound, or bound to a volume that cannot be found: the class tells the driver (`getCSIDriverInfoFromSC`).
    let name = catalog.claims[index].class.filter(|c| *c != catalog.known.empty)?;
    let class = catalog.classes.iter().find(|c| c.name == name)?;
    Some((csi_driver(catalog, class.provisioner)?, Identity::Claim(index)))
}

fn of_volume(catalog: &Catalog, state: &State, volume: PvIdx) -> Option<Counted> {
    let pv = &state.volumes[volume];
    let driver = csi_driver(catalog, pv.driver?)?;
    Some((driver, pv.handle.map_or(Identity::Volume(volume), Identity::Handle)))
}

/// `filterAttachableVolumes`: the volumes of a pod that count, each once.
fn of_pod(catalog: &Catalog, state: &State, pod: PodIdx, out: &mut SmallVec<[Counted; 4]>) {
    let spec = &catalog.specs[state.pods[pod].spec];
    for volume in &catalog.shape(state.pods[pod].spec).volumes {
        let counted = match volume {
            Volume::Claim(nth) => spec.claims.get(*nth as usize).and_then(|c| of_claim(catalog, state, c)),
            Volume::Disk { kind, id, .. } if is_migrated(catalog, *kind) => {
                csi_driver(catalog, *kind).map(|driver| (driver, Identity::Disk(*id)))
            }
            _ => None,
        };
        if let Some(counted) = counted.filter(|c| !out.contains(c)) {
            out.push(counted);
        }
    }
}

/// `IsInlineMigratable`, of the kinds that a pod can name itself.
fn is_migrated(catalog: &Catalog, kind: Sym) -> bool {
    matches!(catalog.text(kind), "gce-pd" | "aws-ebs")
}

/// Whether a shape has volumes that count.
pub fn counts(catalog: &Catalog, shape: &PodShape) -> bool {
    shape.volumes.iter().any(|v| match v {
        Volume::Claim(_) => true,
        Volume::Disk { kind, .. } => is_migrated(catalog, *kind),
        _ => false,
    })
}

/// Volumes that count on a node.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// Those of the pods there.
    by_pods: SmallVec<[Counted; 4]>,
    /// Attachments that no pod there uses: a detach under way still takes its slot. A volume that the pod itself brings
    /// and that is such an attachment counts twice, as upstream has it.
    attached: SmallVec<[Counted; 4]>,
}

impl Used {
    /// What counts on a node where these pods are, and perhaps others without volumes that count.
    pub fn of(catalog: &Catalog, state: &State, node: NodeIdx, pods: &[PodIdx]) -> Used {
        let mut used = Used::default();
        for pod in pods {
            of_pod(catalog, state, *pod, &mut used.by_pods);
        }
        let attached = state.attached(node).iter().filter_map(|v| of_volume(catalog, state, *v));
        used.attached = attached.filter(|v| !used.by_pods.contains(v)).collect();
        used
    }

    /// How many count of a driver.
    fn count(&self, driver: Sym) -> usize {
        self.by_pods.iter().chain(&self.attached).filter(|v| v.0 == driver).count()
    }

    /// How many more a node attaches; very many where it has no limit.
    fn free(&self, state: &State, node: NodeIdx, driver: Sym) -> i32 {
        let Some(limit) = limit(state, node, driver) else { return i32::MAX };
        (limit - self.count(driver) as i64).clamp(i32::MIN.into(), i32::MAX.into()) as i32
    }
}

/// How many volumes of a driver a node attaches; None for any number.
fn limit(state: &State, node: NodeIdx, driver: Sym) -> Option<i64> {
    state.nodes[node].spec.attach_limits.as_ref()?.iter().find(|l| l.driver == driver)?.count
}

/// [`Used`] of every node, kept as pods, claims and attachments change.
#[derive(Clone, Debug, Default)]
pub struct UsedVolumes {
    nodes: Vec<Used>,
    /// Pods with volumes that count, by node.
    pods: Vec<Vec<PodIdx>>,
    /// Nodes where a pod with a claim is, with repeats.
    users: FxHashMap<PvcIdx, SmallVec<[NodeIdx; 1]>>,
    stale: Vec<NodeIdx>,
    nothing: Used,
    /// Drivers that some pod wanted a volume of, with how many more each node attaches; none for a node that was not looked at.
    free: Vec<(Sym, Vec<i32>)>,
}

impl UsedVolumes {
    /// A node's.
    pub fn on(&self, node: NodeIdx) -> &Used {
        self.nodes.get(node.at()).unwrap_or(&self.nothing)
    }

    /// The place among the drivers of one that a pod wants a volume of; it is counted from now on.
    pub fn driver(&mut self, state: &State, driver: Sym) -> usize {
        let at = self.free.iter().position(|known| known.0 == driver).unwrap_or_else(|| {
            self.free.push((driver, Vec::new()));
            self.free.len() - 1
        });
        for i in self.free[at].1.len()..state.nodes.len() {
            let node = NodeIdx::new(i);
            let free = self.on(node).free(state, node, driver);
            self.free[at].1.push(free);
        }
        at
    }

    /// Whether a node attaches so many more of drivers, whether or not one of them is attached already.
    #[inline]
    pub fn has_room(&self, node: NodeIdx, wanted: &[(usize, i32)]) -> bool {
        wanted.iter().all(|(driver, count)| self.free[*driver].1.get(node.at()).is_some_and(|free| free >= count))
    }

    /// A pod came to a node, or left it.
    pub fn moved(&mut self, catalog: &Catalog, state: &State, pod: PodIdx, node: NodeIdx, came: bool) {
        let spec = state.pods[pod].spec;
        if !counts(catalog, catalog.shape(spec)) {
            return;
        }
        if self.pods.len() <= node.at() {
            self.pods.resize(node.at() + 1, Vec::new());
        }
        let pods = &mut self.pods[node.at()];
        match came {
            true => pods.push(pod),
            false => pods.retain(|p| *p != pod),
        }
        for claim in catalog.specs[spec].claims.iter().filter_map(|c| c.claim) {
            let users = self.users.entry(claim).or_default();
            match came {
                true => users.push(node),
                false => {
                    users.iter().position(|n| *n == node).map(|i| users.swap_remove(i));
                }
            }
        }
        self.stale.push(node);
    }

    /// A volume was attached to a node or detached from it.
    pub fn attached(&mut self, node: NodeIdx) {
        self.stale.push(node);
    }

    /// A claim was bound, made or deleted.
    pub fn claim_changed(&mut self, claim: PvcIdx) {
        self.stale.extend(self.users.get(&claim).into_iter().flatten());
    }

    /// Counts again where something changed.
    pub fn refresh(&mut self, catalog: &Catalog, state: &State) {
        if self.stale.is_empty() {
            return;
        }
        let mut stale = std::mem::take(&mut self.stale);
        stale.sort_unstable();
        stale.dedup();
        for node in stale.drain(..) {
            if self.nodes.len() <= node.at() {
                self.nodes.resize(node.at() + 1, Used::default());
            }
            let pods = self.pods.get(node.at()).map_or(&[][..], |p| p);
            let used = Used::of(catalog, state, node, pods);
            for (driver, free) in &mut self.free {
                if let Some(free) = free.get_mut(node.at()) {
                    *free = used.free(state, node, *driver);
                }
            }
            self.nodes[node.at()] = used;
        }
        self.stale = stale;
    }
}

impl NodeVolumeLimits {
    /// What the pod at hand wants attached, by the place of the driver; None where a claim of it is missing, of which each node has to say so.
    pub fn wanted(&self, view: PodView<'_>, used: &mut UsedVolumes) -> Option<SmallVec<[(usize, i32); 2]>> {
        let missing = |claim: &ClaimRef| claim.claim.is_none_or(|c| view.state.claims[c].gone);
        if view.spec().claims.iter().any(missing) {
            return None;
        }
        let mut wanted: SmallVec<[(usize, i32); 2]> = SmallVec::new();
        for (driver, _) in &self.wanted {
            let driver = used.driver(view.state, *driver);
            match wanted.iter_mut().find(|w| w.0 == driver) {
                Some(known) => known.1 += 1,
                None => wanted.push((driver, 1)),
            }
        }
        Some(wanted)
    }

    /// Judges a node by what counts there.
    ///
    /// # Errors
    /// Why the pod cannot run there.
    pub fn within(&self, view: PodView<'_>, node: NodeIdx, used: &Used) -> Result<(), Rejection> {
        let (catalog, state) = (view.catalog, view.state);
        if let Some(missing) = view.spec().claims.iter().find(|c| c.claim.is_none_or(|c| state.claims[c].gone)) {
            let namespace = catalog.text(catalog.namespaces[view.spec().namespace].name);
            let name = catalog.text(missing.name);
            let text = format!("looking up PVC {namespace}/{name}: persistentvolumeclaim {name:?} not found");
            return Err(Rejection::text(Self::PLUGIN, Code::Unresolvable, text));
        }
        for (i, (driver, _)) in self.wanted.iter().enumerate() {
            let first_of_driver = !self.wanted[..i].iter().any(|(d, _)| d == driver);
            let Some(limit) = limit(state, node, *driver).filter(|_| first_of_driver) else { continue };
            let of_driver = |v: &&Counted| v.0 == *driver;
            let new = self.wanted.iter().filter(of_driver).filter(|v| !used.by_pods.contains(v)).count();
            let now = used.count(*driver);
            if new > 0 && (now + new) as i64 > limit {
                return Err(Rejection::unschedulable(Self::PLUGIN, TOO_MANY));
            }
        }
        Ok(())
    }
}

impl PodPlugin for NodeVolumeLimits {
    const PLUGIN: PluginId = PluginId::NodeVolumeLimits;

    fn pre_filter(&mut self, view: PodView<'_>) -> PreFilter {
        self.wanted.clear();
        if !counts(view.catalog, view.shape()) {
            return PreFilter::Skip;
        }
        of_pod(view.catalog, view.state, view.pod, &mut self.wanted);
        PreFilter::Run
    }

    fn filter(&self, view: PodView<'_>, node: NodeIdx) -> Result<(), Rejection> {
        let used = Used::of(view.catalog, view.state, node, &view.state.nodes[node].pods);
        self.within(view, node, &used)
    }
}

impl Plugin for NodeVolumeLimits {
    const ID: PluginId = PluginId::NodeVolumeLimits;
    const POINTS: &'static [Point] = &[Point::PreFilter, Point::Filter];
    const JUDGES_BY: JudgesBy = JudgesBy::Claims;
    const EVENTS: &'static [EventKind] =
        &[EventKind::NodeAdded, EventKind::PodRemoved, EventKind::ClaimAdded, EventKind::Detached];

    /// A node added with a CSINode; a pod removed that had claims; an attachment gone; the pod's own claim created
    /// (`nodevolumelimits/csi.go`).
    fn says_queue(view: PodView<'_>, event: &ClusterEvent) -> bool {
        let PodView { catalog, state, pod, .. } = view;
        match event {
            ClusterEvent::NodeAdded(node) => state.nodes[*node].spec.attach_limits.is_some(),
            ClusterEvent::PodRemoved { pod: removed, .. } => {
                let shape = catalog.shape(state.pods[*removed].spec);
                shape.volumes.iter().any(|v| match v {
                    Volume::Claim(_) => true,
                    // In-tree disks that are migrated to CSI count as well.
                    Volume::Disk { kind, .. } => matches!(catalog.text(*kind), "gce-pd" | "aws-ebs"),
                    _ => false,
                })
            }
            ClusterEvent::ClaimAdded(claim) => mounts(catalog, state, pod, *claim, true),
            ClusterEvent::Detached(_) => catalog.specs[state.pods[pod].spec].claims.iter().any(|c| !c.ephemeral),
            _ => false,
        }
    }
}
