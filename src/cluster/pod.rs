//! Pods: what they were created as, what the scheduler sees of them, and how they are now.

use super::ids::*;
use super::intern::Sym;
use super::labels::*;
use super::taint::Toleration;
use super::version::Rules;

/// Amounts that a pod asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Requests {
    /// Non-zero amounts by resource, sorted; cpu in milli, others in whole units (docs/reference/kubernetes.md#requests-of-a-pod).
    pub amounts: Vec<(ResIdx, i64)>,
    /// cpu (milli) and memory (bytes) with the scorer's defaults (100m, 200 MiB) for containers that name none.
    pub nonzero: [i64; 2],
}

impl Requests {
    /// The amount of one resource, 0 if not asked for.
    pub fn get(&self, resource: ResIdx) -> i64 {
        self.amounts.iter().find(|a| a.0 == resource).map_or(0, |a| a.1)
    }
}

/// A (anti-)affinity term to other pods, its namespaces already resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodTerm {
    /// Which pods.
    pub selector: Selector,
    /// In which namespaces (named ones, those under the namespace selector, or the pod's own), sorted.
    pub namespaces: Vec<NsIdx>,
    /// Of these the ones that do not come from a namespace selector, sorted.
    pub named_namespaces: Vec<NsIdx>,
    /// An empty namespace selector `{}`: every namespace.
    pub all_namespaces: bool,
    /// A namespace selector that a namespace without labels satisfies, such as `DoesNotExist`.
    pub takes_unlabelled: bool,
    /// Label key that makes the domains.
    pub topology_key: Sym,
}

impl PodTerm {
    /// A term for pods in these namespaces, named in it.
    pub fn new(selector: Selector, namespaces: Vec<NsIdx>, topology_key: Sym) -> PodTerm {
        let named_namespaces = namespaces.clone();
        PodTerm { selector, namespaces, named_namespaces, all_namespaces: false, takes_unlabelled: false, topology_key }
    }

    /// Whether a term of a pod that has its node looks in a namespace.
    pub fn covers(&self, namespace: NsIdx) -> bool {
        self.all_namespaces || self.namespaces.contains(&namespace)
    }

    /// Whether a term of a pod that is being scheduled looks in every namespace: since 1.34 the scheduler tries the namespace
    /// selector on no labels at all once more, so that one which these satisfy takes them all
    /// (`interpodaffinity/plugin.go` `mergeAffinityTermNamespacesIfNotEmpty` gets the term by value).
    pub fn covers_all_when_scheduled(&self, rules: Rules) -> bool {
        self.all_namespaces || (rules.namespace_selector_sees_no_labels && self.takes_unlabelled)
    }

    /// Whether a queueing hint takes a namespace for one of the term's: hints know the names in it, and try the namespace selector
    /// on no labels (`podMatchesAllAffinityTerms`).
    pub fn hint_covers(&self, namespace: NsIdx) -> bool {
        self.all_namespaces || self.takes_unlabelled || self.named_namespaces.contains(&namespace)
    }
}

/// What a spread constraint does when it cannot be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Kubernetes' own names
pub enum WhenUnsatisfiable {
    DoNotSchedule,
    ScheduleAnyway,
}

/// A topology spread constraint; `matchLabelKeys` are already merged into the selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpreadConstraint {
    /// Largest allowed difference.
    pub max_skew: i64,
    /// Label key that makes the domains.
    pub topology_key: Sym,
    /// Hard or soft.
    pub when: WhenUnsatisfiable,
    /// Which pods are counted (same namespace).
    pub selector: Selector,
    /// Fewer eligible domains than this make the minimum 0; at least 1.
    pub min_domains: i64,
    /// `nodeAffinityPolicy: Honor`.
    pub honor_node_affinity: bool,
    /// `nodeTaintsPolicy: Honor` (default Ignore).
    pub honor_node_taints: bool,
}

/// A port on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Address; None for 0.0.0.0, which conflicts with any.
    pub ip: Option<Sym>,
    /// `TCP`, `UDP`, `SCTP`.
    pub protocol: Sym,
    /// Port number.
    pub port: u16,
}

/// A volume of a pod, as far as it decides where the pod can run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Volume {
    /// Scratch space: `kubectl drain` refuses it without `--delete-emptydir-data`.
    EmptyDir,
    /// The n-th claim of [`PodSpec::claims`].
    Claim(u32),
    /// A legacy in-tree disk that two pods cannot both write (VolumeRestrictions): kind (`gce-pd`, `aws-ebs`, `iscsi`, `rbd`), identity, read-only.
    Disk {
        /// `gce-pd`, `aws-ebs`, `iscsi`, `rbd`.
        kind: Sym,
        /// What makes it the same disk.
        id: Sym,
        /// Mounted read-only.
        read_only: bool,
    },
    /// Inline CSI volume of a driver.
    CsiInline(Sym),
    /// Any other (config maps, secrets, host paths, projected …).
    Other,
}

/// What the scheduler sees of a pod but for its labels, namespace and claims; equal ones share a [`ShapeIdx`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodShape {
    /// What it asks for, from the spec.
    pub requests: Requests,
    /// `requests.nonzero` as NodeResourcesFit's scorer sees an incoming pod: pod-level requests ignored (a quirk of ≤ 1.36, docs/reference/kubernetes.md#requests-of-a-pod).
    pub incoming_nonzero: [i64; 2],
    /// Priority, 0 if none.
    pub priority: i32,
    /// False for `preemptionPolicy: Never`.
    pub may_preempt: bool,
    /// `spec.nodeSelector`.
    pub node_selector: Vec<(Sym, Sym)>,
    /// Required node affinity.
    pub node_affinity: Option<NodeSelector>,
    /// Preferred node affinity with weights.
    pub preferred_node_affinity: Vec<(i32, NodeSelectorTerm)>,
    /// Required pod affinity.
    pub affinity: Vec<PodTerm>,
    /// Preferred pod affinity with weights.
    pub preferred_affinity: Vec<(i32, PodTerm)>,
    /// Required pod anti-affinity.
    pub anti_affinity: Vec<PodTerm>,
    /// Preferred pod anti-affinity with weights.
    pub preferred_anti_affinity: Vec<(i32, PodTerm)>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// Host ports of containers and sidecars.
    pub host_ports: Vec<HostPort>,
    /// Images of init containers, containers and image volumes, with `:latest` appended where no tag or digest.
    pub images: Vec<Sym>,
    /// Number of init containers and containers (ImageLocality's bound).
    pub container_count: u32,
    /// Own spread constraints (the defaults apply if there is none).
    pub spread: Vec<SpreadConstraint>,
    /// `spec.schedulerName`.
    pub scheduler_name: Sym,
    /// Has scheduling gates: never enters the queue.
    pub gated: bool,
    /// `spec.terminationGracePeriodSeconds`, in milliseconds.
    pub grace_ms: i64,
    /// `restartPolicy: Always`.
    pub restarts_always: bool,
    /// Volumes.
    pub volumes: Vec<Volume>,
    /// Features that its node must declare (`nodedeclaredfeatures` `InferForPodScheduling`).
    pub features: Vec<Sym>,
    /// Uses dynamic resource allocation, which is not modelled.
    pub has_resource_claims: bool,
}

impl PodShape {
    /// Whether a volume is scratch space on the node.
    pub fn has_empty_dir(&self) -> bool {
        self.volumes.contains(&Volume::EmptyDir)
    }
    /// Whether it tolerates every taint with NoSchedule or NoExecute among `taints`; else the first it does not.
    pub fn first_untolerated<'t>(&self, taints: &'t [super::taint::Taint]) -> Option<&'t super::taint::Taint> {
        taints.iter().find(|t| {
            t.effect != super::taint::Effect::PreferNoSchedule && !self.tolerations.iter().any(|tol| tol.tolerates(t))
        })
    }
}

/// A PersistentVolumeClaim that a pod mounts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimRef {
    /// Claim name in the pod's namespace.
    pub name: Sym,
    /// The claim, None if the dump lacks it.
    pub claim: Option<PvcIdx>,
    /// Made for and deleted with the pod (generic ephemeral volume).
    pub ephemeral: bool,
}

/// What a pod was created as. A replacement is a clone: it shares this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSpec {
    /// Namespace.
    pub namespace: NsIdx,
    /// Name of the live pod this was read from; empty for a controller's template.
    pub name: Sym,
    /// `metadata.generateName`.
    pub generate_name: Option<Sym>,
    /// `metadata.uid` of the live pod.
    pub uid: Sym,
    /// Labels.
    pub labels: Labels,
    /// Annotations of at most 256 bytes, sorted by key text.
    pub annotations: Vec<(Sym, Sym)>,
    /// What the scheduler sees.
    pub shape: ShapeIdx,
    /// Claims, in volume order.
    pub claims: Vec<ClaimRef>,
    /// Its controller, known or only named; None for a stand-alone pod.
    pub owner: Option<OwnerIdx>,
    /// A static pod's mirror.
    pub mirror: bool,
    /// Finalizers, which can hold a deleted pod for ever.
    pub finalizers: Vec<Sym>,
    /// Requests of the bound pod where an in-place resize made them differ from the spec.
    pub resized: Option<Box<Requests>>,
    /// Ordinal (StatefulSet, indexed Job).
    pub ordinal: Option<u32>,
}

/// `status.phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)] // Kubernetes' own names
pub enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
    Unknown,
}

impl Phase {
    /// Succeeded or Failed: holds no resources any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Phase::Succeeded | Phase::Failed)
    }
}

/// A pod as it is now. Times are milliseconds since the snapshot; what happened before is negative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodState {
    /// What it was created as.
    pub spec: SpecIdx,
    /// Name (see `State::name`).
    pub name: Sym,
    /// Identity: the API's uid for what was in the snapshot, else a name made from the index.
    pub uid: Sym,
    /// Phase.
    pub phase: Phase,
    /// Node it is bound to; kept after the pod is gone.
    pub node: Option<NodeIdx>,
    /// Condition Ready is True.
    pub ready: bool,
    /// When it last became ready.
    pub ready_since: i64,
    /// When it was created.
    pub created: i64,
    /// `status.startTime`, or when it was bound.
    pub started: i64,
    /// When deletion was asked for, and the deadline (`deletionTimestamp`).
    pub deleting: Option<Deletion>,
    /// `status.nominatedNodeName`.
    pub nominated: Option<NodeIdx>,
    /// Condition PodScheduled is False with reason Unschedulable.
    pub unschedulable: bool,
    /// Condition DisruptionTarget by preemption (docs/reference/kubernetes.md#preemption).
    pub preempted: bool,
    /// Restarts of its containers so far.
    pub restarts: u32,
    /// How many pods were cloned from the same spec before it: 0 for the one of the snapshot. Tells apart the luck of
    /// pods that bear one name in turn (StatefulSets).
    pub incarnation: u32,
    /// The Job controller keeps its finalizer on it until the index has a replacement (`backoffLimitPerIndex`).
    pub kept_by_job: bool,
    /// The object no longer exists.
    pub gone: bool,
}

/// A deletion under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When it was asked for.
    pub asked: i64,
    /// `metadata.deletionTimestamp`: asked + grace.
    pub deadline: i64,
}

impl PodState {
    /// Holds its requests on its node: bound, exists, not in a terminal phase (terminating counts).
    pub fn occupies(&self) -> bool {
        self.node.is_some() && !self.gone && !self.phase.is_terminal()
    }
    /// What a ReplicaSet counts: exists, not terminal, not being deleted (C/controller_utils `IsPodActive`).
    pub fn is_active(&self) -> bool {
        !self.gone && !self.phase.is_terminal() && self.deleting.is_none()
    }
}
