//! What stands in the way, found before anything is touched: one rule, one file.
//!
//! An **error** is permanent: no waiting lifts it, and some node will not be replaced (or the migration fails). A
//! **warning** is something that may resolve by itself, or that is lost or delayed by it; an **info** is worth knowing.

pub mod architecture;
pub mod budget_holders;
pub mod budget_never_met;
pub mod budget_waiting;
pub mod capacity;
pub mod daemon_set;
pub mod finalizer;
pub mod host_path;
pub mod hosts;
pub mod jobs;
pub mod local_storage;
pub mod long_stop;
pub mod no_host;
pub mod node_not_ready;
pub mod ocean_imitated;
pub mod ordered_ready;
pub mod pending_at_start;
pub mod quota;
pub mod restrict_scale_down;
pub mod shared_volume;
pub mod source_group;
pub mod spot_affinity;
pub mod stand_alone;
pub mod two_budgets;
pub mod vng_match;
pub mod volume_zone;
pub mod webhook;

use crate::cluster::{Delay, Finding, GroupIdx, NodeIdx, OwnerIdx, PodIdx, View};
use crate::disruption::BudgetIndex;
use crate::groups::Templates;
use crate::groups::matching::moving_pods;
use crate::groups::membership::{is_oceans, left_groups};
use crate::intent::Options;
use crate::intent::options::FreeRoom;
use crate::intent::select::PodChoice;
use crate::runner::packer::Closed;
use std::collections::BTreeMap;

/// What the rules look at.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The cluster.
    pub view: View<'a>,
    /// Nodes to be emptied.
    pub old: &'a [NodeIdx],
    /// Every parameter.
    pub options: &'a Options,
    /// What groups can make.
    pub templates: &'a Templates,
    /// Which budgets cover which pods.
    pub budgets: &'a BudgetIndex,
    /// The run time that is given for the pod of a Job (`delays.run`, `delays.workloads`); None where it is measured or not known.
    pub given_run: &'a dyn Fn(PodIdx) -> Option<Delay>,
}

impl<'a> Facts<'a> {
    /// Pods that must find another place, by old node.
    pub fn moving(&self) -> Vec<(NodeIdx, Vec<PodIdx>)> {
        let choice = PodChoice::new(self.options);
        let moving =
            |n: &NodeIdx| moving_pods(self.view, *n).into_iter().filter(|p| choice.takes(self.view, *p)).collect();
        self.old.iter().map(|n| (*n, moving(n))).collect()
    }
    /// The groups that old nodes leave and that Ocean therefore launches nothing in.
    pub fn left(&self) -> Vec<GroupIdx> {
        if self.options.procedure.is_ocean() { left_groups(self.view, self.old) } else { Vec::new() }
    }

    /// All groups that give no new nodes: those, and what `source_groups_may_grow` and `--to` shut out.
    pub fn closed(&self) -> Vec<GroupIdx> {
        Closed::of(self.options).groups(self.view, self.old)
    }

    /// Whether a node that stays is one that the procedure sends pods to.
    pub fn is_home(&self, node: NodeIdx) -> bool {
        !self.only_oceans() || is_oceans(self.view, node)
    }

    /// Whether the procedure sends pods to Ocean's own nodes only.
    pub fn only_oceans(&self) -> bool {
        self.options.procedure.is_ocean() && self.options.ocean.free_room == FreeRoom::OceanNodes
    }

    /// `Pod/namespace/name`.
    pub fn pod(&self, pod: PodIdx) -> String {
        format!("Pod/{}", self.view.state.pod_text(self.view.catalog, pod))
    }
    /// A node's name.
    pub fn node(&self, node: NodeIdx) -> &'a str {
        self.view.state.node_name(self.view.catalog, node)
    }
    /// The topmost owner of a pod.
    pub fn owner(&self, pod: PodIdx) -> Option<OwnerIdx> {
        let owner = self.view.catalog.specs[self.view.state.pods[pod].spec].owner?;
        Some(self.view.catalog.top_owner(owner))
    }
    /// Pods by owner (`Kind/namespace/name`, or the pod itself if it has none), so that a workload is one finding.
    pub fn by_workload(&self, pods: impl IntoIterator<Item = PodIdx>) -> BTreeMap<String, Vec<PodIdx>> {
        let mut map: BTreeMap<String, Vec<PodIdx>> = BTreeMap::new();
        for pod in pods {
            let key = self.owner(pod).map_or_else(|| self.pod(pod), |o| self.view.catalog.owner_text(o));
            map.entry(key).or_default().push(pod);
        }
        map
    }
    /// The first few pods as text.
    pub fn names(&self, pods: &[PodIdx]) -> String {
        let mut names: Vec<String> =
            pods.iter().take(5).map(|p| self.view.state.pod_text(self.view.catalog, *p)).collect();
        if pods.len() > 5 {
            names.push(format!("{} more", pods.len() - 5));
        }
        names.join(", ")
    }
}

/// A rule of the preflight.
pub type Rule = fn(&Facts<'_>) -> Vec<Finding>;

/// All rules, in the order in which their findings are worth reading.
pub const RULES: &[Rule] = &[
    budget_never_met::check,
    budget_holders::check,
    two_budgets::check,
    no_host::check,
    volume_zone::check,
    source_group::check,
    vng_match::check,
    spot_affinity::check,
    stand_alone::check,
    restrict_scale_down::check,
    daemon_set::check,
    local_storage::check,
    pending_at_start::check,
    capacity::check,
    budget_waiting::check,
    webhook::check,
    long_stop::check,
    ordered_ready::check,
    shared_volume::check,
    jobs::check,
    quota::check,
    host_path::check,
    architecture::check,
    node_not_ready::check,
    finalizer::check,
    ocean_imitated::check,
];

/// The findings of all rules: errors first, then in the order of the rules.
pub fn preflight(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(facts)).collect();
    findings.sort_by_key(|f| f.severity);
    findings
}
