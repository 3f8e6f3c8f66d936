//! What a dump shows beside what is simulated: what the prerequisites of a provider's migration are judged by.

use super::admission::{Quota, QuotaCharges, Webhook};
use super::declared::{Broken, Declared};
use super::ids::{NsIdx, OwnerIdx, SpecIdx};
use super::intern::Sym;
use super::operator::Manager;
use std::collections::{BTreeMap, BTreeSet};

/// What was found in a dump, and of which kinds it holds anything at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Kinds of which the dump holds at least one object: `Deployment`, and with their group those that the reader does not know
    /// (`NodeClaim.karpenter.sh`). A kind that is missing here was not asked for, or there is none: it cannot be told.
    pub kinds: BTreeSet<String>,
    /// How many objects of the kinds that the reader does not know.
    pub others: BTreeMap<String, usize>,
    /// `status.readyReplicas` of the controllers of the dump; 0 where their status does not say it.
    pub ready_replicas: BTreeMap<OwnerIdx, i64>,
    /// Why a container of a live pod does not run, by the pod's spec: `CrashLoopBackOff, 88 restarts`.
    pub not_running: BTreeMap<SpecIdx, String>,
    /// What the pods' specs declare of their start and stop, where they declare anything.
    pub declared: BTreeMap<SpecIdx, Declared>,
    /// Pods of the dump that are broken: what replaces them is made from the same template, and stays as unready as they are.
    pub broken: BTreeMap<SpecIdx, Broken>,
    /// Who manages a budget, where its owner or its labels say so, by namespace and name.
    pub budget_managers: BTreeMap<(NsIdx, Sym), Manager>,
    /// Known operators that own a controller of pods.
    pub workload_managers: BTreeMap<OwnerIdx, Manager>,
    /// Admission webhooks of Services in the cluster that refuse pods when no backend answers.
    pub webhooks: Vec<Webhook>,
    /// ResourceQuotas.
    pub quotas: Vec<Quota>,
    /// Specs that mount claims of which the dump shows nothing, for it lacks their kind or that of their volumes: they are left out of the specs.
    pub unknown_claims: BTreeSet<SpecIdx>,
    /// What replaces pods of the dump that are not replaced by clones of themselves: those with generic ephemeral volumes.
    pub replacements: BTreeMap<SpecIdx, SpecIdx>,
    /// What pods use of them.
    pub quota_charges: QuotaCharges,
    /// What cluster-autoscaler says of itself, where the dump holds its ConfigMap `cluster-autoscaler-status`.
    pub autoscaler: Option<AutoscalerStatus>,
    /// The ConfigMap that connects the cluster to Ocean (its key `spotinst.cluster-identifier`), where the dump holds it.
    pub ocean_config: Option<OceanConfig>,
    /// Minor version of the control plane, where somebody said it.
    pub control_plane_minor: Option<u32>,
}

impl Inventory {
    /// Whether the dump holds any object of a kind.
    pub fn has(&self, kind: &str) -> bool {
        self.kinds.contains(kind)
    }
}

/// What cluster-autoscaler writes about itself every few seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AutoscalerStatus {
    /// `namespace/name` of the ConfigMap.
    pub object: String,
    /// When it was written last, in milliseconds since 1970, if it says so.
    pub updated_unix_ms: Option<i64>,
    /// `Running`, `Initializing`, in its newer form.
    pub state: Option<String>,
    /// The groups that it scales.
    pub groups: Vec<AutoscaledGroup>,
}

/// A group of nodes that cluster-autoscaler scales: an Auto Scaling group, a scale set, a managed instance group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AutoscaledGroup {
    /// Name, as the cloud has it.
    pub name: String,
    /// Fewest nodes.
    pub min: Option<i64>,
    /// Most nodes.
    pub max: Option<i64>,
}

/// How the cluster is connected to Ocean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OceanConfig {
    /// `namespace/name` of the ConfigMap.
    pub object: String,
    /// The cluster's identifier at Ocean.
    pub identifier: String,
}
