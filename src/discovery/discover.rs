//! What a migration would find on each node: what its cloud calls it, pods, stand-alone ones, budgets that refuse, the group that could
//! replace it, and whether Ocean could migrate it.

use crate::cluster::*;
use crate::disruption::{BudgetIndex, verdict};
use crate::groups::identity::{self, Cloud};
use crate::groups::labels::VNG_LABELS;
use crate::groups::matching::{moving_pods, requirements_text};
use crate::groups::membership::oceans_mark;
use crate::groups::{Difference, GroupMatch, Matcher, Templates, known_match, match_by_pods, match_node, remedy};
use crate::intent::options::{Options, ProcedureKind};
use crate::plan::{Facts, Prerequisite, prerequisites};
use crate::report::format::count;
use crate::report::summary;
use crate::report::table::{Align, Table};
use crate::runner::GroupPacker;
use crate::runner::ocean::Validation;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// What to discover.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// These nodes only; all if None.
    pub nodes: Option<Vec<NodeIdx>>,
    /// List the pods of each node (Ocean's `shouldFetchPods`).
    pub pods: bool,
    /// Parameters of the migration that nodes and prerequisites are judged for; judged only for Ocean's procedures.
    pub options: Options,
}

impl Wanted {
    /// Everything of a cluster, judged for Ocean's procedure of the cloud that its groups are of, if they are Ocean's.
    pub fn of(cluster: &Cluster) -> Wanted {
        let mut wanted = Wanted::default();
        let from = |origin| cluster.catalog.groups.iter().any(|g| g.origin == origin);
        if from(GroupOrigin::OceanAws) {
            wanted.options.procedure = ProcedureKind::OceanAws;
        } else if from(GroupOrigin::OceanAzure) {
            wanted.options.procedure = ProcedureKind::OceanAzure;
        }
        wanted
    }
}

/// What was discovered of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Discovery {
    /// The procedure of Ocean that nodes and prerequisites are judged for; null if none.
    pub procedure: Option<String>,
    /// Every node, by name.
    pub nodes: Vec<NodeDiscovery>,
    /// The groups that nodes are matched to, in their order.
    pub groups: Vec<GroupDiscovery>,
    /// Pods that are unschedulable now (`namespace/name`): Ocean refuses to start on them.
    pub unscheduled_pods: Vec<String>,
    /// Nodes are matched by the pods on them (Ocean on AWS), not by their labels and taints.
    pub matched_by_pods: bool,
    /// What Ocean asks of the cluster before a migration, each with its verdict; for Ocean's procedures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<Prerequisite>,
    /// What the dump does not show of the nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The findings that prerequisites give, for the text form: in JSON each prerequisite has its own remedy.
    #[serde(skip)]
    pub unmet: Vec<Finding>,
}

/// What was discovered of a node.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct NodeDiscovery {
    /// Name.
    pub node: String,
    /// What the cloud calls its instance: `i-0abc…`, `aks-old-1-vmss_3`; null where the dump does not show it.
    pub instance_id: Option<String>,
    /// `spec.providerID`.
    pub provider_id: Option<String>,
    /// The pool that its labels name.
    pub pool: Option<String>,
    /// Its Auto Scaling group on AWS, where the dump shows it.
    pub asg: Option<String>,
    /// Machine type, where it is labelled.
    pub machine_type: Option<String>,
    /// Zone, where it is labelled.
    pub zone: Option<String>,
    /// Condition Ready is True.
    pub ready: bool,
    /// Not cordoned.
    pub schedulable: bool,
    /// Pods on it that are not finished, all kinds.
    pub running_pods: usize,
    /// Those that a drain must move: neither a DaemonSet's nor static.
    pub moving_pods: usize,
    /// Those without a controller (`namespace/name`): nothing recreates them.
    pub stand_alone_pods: Vec<String>,
    /// Budgets that would refuse an eviction from this node now.
    pub blocking_budgets: Vec<BlockingBudget>,
    /// `Default`, the id of the group that could make such a node, or null.
    pub group: Option<String>,
    /// With null: the group that differs least, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Nearest>,
    /// With null: what would make it match.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// With an id: what of the node the group does not have, though it is no reason against the match (machine type, zone; on AWS sizes).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_notes: Vec<Difference>,
    /// It is Ocean's already: Ocean launched it and manages it.
    pub managed_by_ocean: bool,
    /// Whether Ocean can migrate it; for Ocean's procedures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
    /// The pods on it that are not finished, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<Vec<PodDiscovery>>,
}

/// Whether Ocean can migrate a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MigrationStatus {
    /// It passes the validation.
    Ready,
    /// It does not.
    Unable,
    /// It is Ocean's, so there is nothing to migrate.
    AlreadyOcean,
}

/// Whether Ocean can migrate a node, and why not.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Migration {
    /// Whether it can.
    pub status: MigrationStatus,
    /// Why not.
    pub reasons: Vec<MigrationReason>,
}

/// Why a node cannot be migrated.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MigrationReason {
    /// Stable code: `already-ocean`, `control-plane`, `no-matching-group`, `spot-affinity`, `spot-toleration-missing`, `volume-zone`,
    /// `pod-no-host`, `stand-alone-pod`, `restrict-scale-down`, `budget-never-met`, `two-budgets`.
    pub code: String,
    /// What is so.
    pub text: String,
}

/// A pod of a node.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PodDiscovery {
    /// `namespace/name`.
    pub pod: String,
    /// `metadata.uid`.
    pub uid: String,
    /// Its topmost controller (`Deployment/namespace/name`); null for a stand-alone pod.
    pub owner: Option<String>,
    /// Condition Ready is True.
    pub ready: bool,
    /// A drain must move it: it is neither a DaemonSet's nor static.
    pub moves: bool,
}

/// A budget that refuses.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct BlockingBudget {
    /// `namespace/name`; empty where several budgets share a pod, which the API refuses to decide.
    pub budget: String,
    /// How many of the node's pods it holds.
    pub pods: usize,
    /// HTTP status of the refusal.
    pub code: u16,
    /// Why, in the API's words.
    pub message: String,
}

/// The group that differs least from a node.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Nearest {
    /// Its id.
    pub group: String,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// A group, as far as people want to see it here.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct GroupDiscovery {
    /// Identity.
    pub id: String,
    /// Name.
    pub name: String,
    /// Where it came from.
    pub origin: GroupOrigin,
    /// Nodes it has now.
    pub nodes: usize,
    /// Nodes that match it.
    pub matching_nodes: usize,
    /// Most nodes.
    pub max_count: u32,
    /// `max_count` is assumed.
    pub max_is_assumed: bool,
    /// Machine types, most preferred first.
    pub machine_types: Vec<String>,
    /// Zones.
    pub zones: Vec<String>,
    /// Requirements beyond labels, machine types and zones.
    pub requirements: String,
}

/// Discovers a cluster whose groups are read or inferred, all of it.
pub fn discover(cluster: &Cluster) -> Discovery {
    discover_wanted(cluster, &Wanted::of(cluster))
}

/// Discovers what is wanted of a cluster whose groups are read or inferred.
///
/// Nodes are matched by the pods on them if a group is Ocean's on AWS, else by labels and taints (docs/reference/ocean.md). Nodes that are Ocean's
/// already match nothing: they are what others are migrated to.
pub fn discover_wanted(cluster: &Cluster, wanted: &Wanted) -> Discovery {
    let view = View { catalog: &cluster.catalog, state: &cluster.state };
    let catalog = view.catalog;
    let by_pods = catalog.groups.iter().any(|g| g.origin == GroupOrigin::OceanAws);
    let templates = Templates::new(view);
    let index = BudgetIndex::new(catalog);
    // With Ocean's groups the question is which of them would replace a node, not of which pool it is.
    let has_vngs = catalog.groups.iter().any(|g| matches!(g.origin, GroupOrigin::OceanAws | GroupOrigin::OceanAzure));
    let all: Vec<NodeIdx> = view.state.live_nodes().collect();
    let shown = wanted.nodes.clone().unwrap_or_else(|| all.clone());
    let mut matching: BTreeMap<GroupIdx, usize> = BTreeMap::new();
    let mut found: BTreeMap<NodeIdx, GroupMatch> = BTreeMap::new();
    for node in all.into_iter().filter(|n| oceans_mark(view, *n).is_none()) {
        let ask = || if by_pods { match_by_pods(view, &templates, node) } else { match_node(view, node) };
        let known = if has_vngs { None } else { known_match(view, node) };
        let group = known.unwrap_or_else(ask);
        if let GroupMatch::Group(group) = group {
            *matching.entry(group).or_default() += 1;
        }
        found.insert(node, group);
    }
    let matcher = Matcher::new(view, &templates, by_pods, &[]);
    let mut nodes: Vec<NodeDiscovery> = shown
        .iter()
        .map(|n| {
            let found = found.remove(n);
            let remedy = found.as_ref().map_or(String::new(), |f| remedy(view, *n, f));
            let match_notes = match found {
                Some(GroupMatch::Group(group)) => matcher.notes(*n, group),
                _ => Vec::new(),
            };
            NodeDiscovery { remedy, match_notes, ..node_discovery(view, &index, *n, found, wanted.pods) }
        })
        .collect();
    let (prerequisites, unmet) = judge(view, &index, &shown, &mut nodes, wanted);
    let groups =
        catalog.groups.entries().map(|(i, g)| group_discovery(view, i, g, matching.get(&i).copied().unwrap_or(0)));
    Discovery {
        procedure: wanted.options.procedure.is_ocean().then(|| wanted.options.procedure.name().to_owned()),
        groups: groups.collect(),
        notes: notes(view, &shown, &nodes),
        nodes,
        unscheduled_pods: view
            .state
            .live_pods()
            .filter(|p| view.state.pods[*p].unschedulable && view.state.pods[*p].node.is_none())
            .map(|p| view.state.pod_text(catalog, p))
            .collect(),
        matched_by_pods: by_pods,
        prerequisites,
        unmet,
    }
}

/// Labels of nodes that run the control plane, which no migration replaces.
const CONTROL_PLANE: &[&str] = &["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// Says of each node whether Ocean can migrate it, and judges the prerequisites; for Ocean's procedures.
fn judge(
    view: View<'_>,
    budgets: &BudgetIndex,
    shown: &[NodeIdx],
    nodes: &mut [NodeDiscovery],
    wanted: &Wanted,
) -> (Vec<Prerequisite>, Vec<Finding>) {
    let options = &wanted.options;
    if !options.procedure.is_ocean() {
        return (Vec::new(), Vec::new());
    }
    let has = |n: NodeIdx, key: &str| {
        let key = view.catalog.names.get(key);
        key.is_some_and(|k| view.state.nodes[n].spec.labels.get(k).is_some())
    };
    let runs_control_plane = |n: NodeIdx| CONTROL_PLANE.iter().any(|key| has(n, key));
    let old: Vec<NodeIdx> =
        shown.iter().copied().filter(|n| oceans_mark(view, *n).is_none() && !runs_control_plane(*n)).collect();
    let packer = GroupPacker::new(view, options);
    // Groups are left only by nodes that somebody chose to migrate: to look at all of them is no such choice.
    let leaving: &[NodeIdx] = if wanted.nodes.is_some() { &old } else { &[] };
    let validation = Validation::new(view, options, &packer, leaving);
    let because = |code: &str, text: String| vec![MigrationReason { code: code.to_owned(), text }];
    for (index, node) in shown.iter().zip(nodes.iter_mut()) {
        let (status, reasons) = if let Some(mark) = oceans_mark(view, *index) {
            (MigrationStatus::AlreadyOcean, because("already-ocean", mark))
        } else if runs_control_plane(*index) {
            (MigrationStatus::Unable, because("control-plane", "it runs the control plane".to_owned()))
        } else {
            let obstacles = validation.obstacles(*index).into_iter();
            let reasons: Vec<MigrationReason> =
                obstacles.map(|o| MigrationReason { code: o.code.to_owned(), text: o.text }).collect();
            (if reasons.is_empty() { MigrationStatus::Ready } else { MigrationStatus::Unable }, reasons)
        };
        node.migration = Some(Migration { status, reasons });
    }
    let facts = Facts { view, old: &old, options, templates: packer.templates(), budgets, given_run: &|_| None };
    prerequisites::judge(&facts)
}

/// What the dump does not show of these nodes.
fn notes(view: View<'_>, shown: &[NodeIdx], nodes: &[NodeDiscovery]) -> Vec<String> {
    let mut notes = Vec::new();
    let of_aws = |n: &NodeIdx| identity::cloud(view, *n) == Some(Cloud::Aws);
    let without = shown.iter().zip(nodes).filter(|(n, d)| of_aws(n) && d.asg.is_none()).count();
    if without > 0 {
        notes.push(format!(
            "asg is null for {without} of {} nodes: a dump names Auto Scaling groups only by a label or annotation of the node, or by the ConfigMap cluster-autoscaler-status",
            shown.len()
        ));
    }
    let nameless = nodes.iter().filter(|n| n.instance_id.is_none()).count();
    if nameless > 0 && nameless < nodes.len() {
        notes
            .push(format!("instance_id is null for {nameless} of {} nodes: they have no spec.providerID", nodes.len()));
    }
    notes
}

fn node_discovery(
    view: View<'_>,
    index: &BudgetIndex,
    node: NodeIdx,
    found: Option<GroupMatch>,
    pods: bool,
) -> NodeDiscovery {
    let catalog = view.catalog;
    let state = &view.state.nodes[node];
    let label = |key: Sym| state.spec.labels.get(key).map(|v| view.state.name(catalog, v).to_string());
    let moving = moving_pods(view, node);
    let alone = moving.iter().filter(|p| catalog.specs[view.state.pods[**p].spec].owner.is_none());
    let managed_by_ocean = found.is_none();
    let (group, nearest) = match found {
        None => (VNG_LABELS.iter().find_map(|key| label(catalog.names.get(key)?)), None),
        Some(GroupMatch::Default) => (Some("Default".to_string()), None),
        Some(GroupMatch::Group(group)) => (Some(catalog.text(catalog.groups[group].id).to_string()), None),
        Some(GroupMatch::None { nearest }) => (
            None,
            nearest
                .map(|(g, differences)| Nearest { group: catalog.text(catalog.groups[g].id).to_string(), differences }),
        ),
    };
    NodeDiscovery {
        node: view.state.node_name(catalog, node).to_string(),
        instance_id: identity::instance_id(view, node),
        provider_id: identity::provider_id(view, node).map(str::to_owned),
        pool: identity::pool(view, node).map(str::to_owned),
        asg: identity::auto_scaling_group(view, node),
        machine_type: label(catalog.known.instance_type),
        zone: label(catalog.known.zone),
        ready: state.ready,
        schedulable: !state.unschedulable,
        running_pods: state.pods.len(),
        moving_pods: moving.len(),
        stand_alone_pods: alone.map(|p| view.state.pod_text(catalog, *p)).collect(),
        blocking_budgets: blocking(view, index, &moving),
        group,
        nearest,
        remedy: String::new(),
        match_notes: Vec::new(),
        managed_by_ocean,
        migration: None,
        pods: pods.then(|| state.pods.iter().map(|p| pod_discovery(view, *p, moving.contains(p))).collect()),
    }
}

fn pod_discovery(view: View<'_>, pod: PodIdx, moves: bool) -> PodDiscovery {
    let (catalog, p) = (view.catalog, &view.state.pods[pod]);
    PodDiscovery {
        pod: view.state.pod_text(catalog, pod),
        uid: view.state.name(catalog, p.uid).to_owned(),
        owner: catalog.specs[p.spec].owner.map(|o| catalog.owner_text(catalog.top_owner(o))),
        ready: p.ready,
        moves,
    }
}

/// Budgets that would refuse the eviction of one of these pods now, with how many they hold.
fn blocking(view: View<'_>, index: &BudgetIndex, pods: &[PodIdx]) -> Vec<BlockingBudget> {
    let mut found: BTreeMap<(String, u16), (usize, String)> = BTreeMap::new();
    for pod in pods {
        let verdict = verdict(view.catalog, view.state, index, *pod);
        if verdict.is_accepted() {
            continue;
        }
        let budget = verdict.budget.map(|b| view.catalog.budget_text(b)).unwrap_or_default();
        let cause = verdict.causes.first().map(|c| c.message.clone());
        let entry = found.entry((budget, verdict.code)).or_default();
        entry.0 += 1;
        if entry.1.is_empty() {
            entry.1 = cause.or(verdict.message).unwrap_or_default();
        }
    }
    found.into_iter().map(|((budget, code), (pods, message))| BlockingBudget { budget, pods, code, message }).collect()
}

fn group_discovery(view: View<'_>, index: GroupIdx, group: &NodeGroup, matching_nodes: usize) -> GroupDiscovery {
    let catalog = view.catalog;
    let mut machine_types: Vec<String> = Vec::new();
    for machine in &group.machines {
        let name = catalog.text(catalog.machines[*machine].name).to_string();
        if !machine_types.contains(&name) {
            machine_types.push(name);
        }
    }
    GroupDiscovery {
        id: catalog.text(group.id).to_string(),
        name: catalog.text(group.name).to_string(),
        origin: group.origin,
        nodes: view.state.live_nodes().filter(|n| view.state.nodes[*n].group == Some(index)).count(),
        matching_nodes,
        max_count: group.max_count,
        max_is_assumed: group.max_is_assumed,
        machine_types,
        zones: group.zones.iter().map(|z| catalog.text(*z).to_string()).collect(),
        requirements: requirements_text(catalog, group),
    }
}

impl Discovery {
    /// As one JSON object.
    ///
    /// # Errors
    /// Never in practice: all fields are plain data.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        crate::typed::pretty(self)
    }

    /// As tables for a terminal of `width` columns (None: as wide as need be): groups, nodes, and what stands in the way.
    pub fn text(&self, width: Option<u16>) -> String {
        let mut out = self.group_table().render(width);
        out.push('\n');
        out.push_str(&self.node_table().render(width));
        out.push('\n');
        if self.nodes.iter().any(|n| n.pods.is_some()) {
            out.push_str(&self.pod_table().render(width));
            out.push('\n');
        }
        out.push_str(&self.summary());
        out.push_str(&summary::prerequisites(&self.prerequisites, width));
        out
    }

    fn group_table(&self) -> Table {
        let mut table = Table::new(&[
            ("GROUP", Align::Left),
            ("NODES", Align::Right),
            ("MATCHING", Align::Right),
            ("MAX", Align::Right),
            ("ZONES", Align::Left),
            ("MACHINE TYPES", Align::Left),
        ]);
        for g in &self.groups {
            let max = match (g.max_count, g.max_is_assumed) {
                (u32::MAX, _) => "none".to_string(),
                (n, true) => format!("{n} (assumed)"),
                (n, false) => n.to_string(),
            };
            let types = g.machine_types.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
            let more = g.machine_types.len().saturating_sub(4);
            let types = if more > 0 { format!("{types} and {more} more") } else { types };
            table.row([
                g.id.clone(),
                g.nodes.to_string(),
                g.matching_nodes.to_string(),
                max,
                g.zones.join(", "),
                types,
            ]);
        }
        table
    }

    fn node_table(&self) -> Table {
        let any = |what: &dyn Fn(&NodeDiscovery) -> bool| self.nodes.iter().any(what);
        // What says no more than another column is left out.
        let instances = any(&|n| n.instance_id.as_ref().is_some_and(|id| *id != n.node));
        let pools = any(&|n| n.pool.is_some() && n.pool != n.group);
        let groups = any(&|n| n.asg.is_some());
        let migration = any(&|n| n.migration.is_some());
        let mut columns = vec![("NODE", Align::Left)];
        columns.extend(instances.then_some(("INSTANCE", Align::Left)));
        columns.extend(pools.then_some(("POOL", Align::Left)));
        columns.extend(groups.then_some(("ASG", Align::Left)));
        columns.extend([
            ("TYPE", Align::Left),
            ("ZONE", Align::Left),
            ("PODS", Align::Right),
            ("BARE", Align::Right),
            ("BLOCKED BY", Align::Left),
            ("GROUP", Align::Left),
        ]);
        columns.extend(migration.then_some(("MIGRATION", Align::Left)));
        let mut table = Table::new(&columns);
        for n in &self.nodes {
            let mut flags = Vec::new();
            flags.extend((!n.ready).then_some("not ready"));
            flags.extend((!n.schedulable).then_some("cordoned"));
            flags.extend((n.managed_by_ocean && !migration).then_some("Ocean's"));
            let flags = if flags.is_empty() { String::new() } else { format!(" ({})", flags.join(", ")) };
            let blocked = n.blocking_budgets.iter().map(|b| {
                let name = if b.budget.is_empty() { &b.message } else { &b.budget };
                format!("{name} ({} {})", b.pods, if b.pods == 1 { "pod" } else { "pods" })
            });
            let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
            let mut row = vec![format!("{}{flags}", n.node)];
            row.extend(instances.then(|| or_dash(&n.instance_id)));
            row.extend(pools.then(|| or_dash(&n.pool)));
            row.extend(groups.then(|| or_dash(&n.asg)));
            row.extend([
                n.machine_type.clone().unwrap_or_default(),
                n.zone.clone().unwrap_or_default(),
                n.moving_pods.to_string(),
                n.stand_alone_pods.len().to_string(),
                blocked.collect::<Vec<_>>().join(", "),
                n.group_text(),
            ]);
            row.extend(n.migration.as_ref().map(Migration::text));
            table.row(row);
        }
        table
    }

    fn pod_table(&self) -> Table {
        let mut table =
            Table::new(&[("NODE", Align::Left), ("POD", Align::Left), ("OWNER", Align::Left), ("", Align::Left)]);
        for n in &self.nodes {
            for p in n.pods.iter().flatten() {
                let mut words = Vec::new();
                words.extend((!p.ready).then_some("not ready"));
                words.extend((!p.moves).then_some("stays"));
                let owner = p.owner.clone().unwrap_or_else(|| "none".into());
                table.row([n.node.clone(), p.pod.clone(), owner, words.join(", ")]);
            }
        }
        table
    }

    /// Sums, a line each.
    fn summary(&self) -> String {
        let pods: usize = self.nodes.iter().map(|n| n.moving_pods).sum();
        let alone: usize = self.nodes.iter().map(|n| n.stand_alone_pods.len()).sum();
        let blocked = self.nodes.iter().filter(|n| !n.blocking_budgets.is_empty()).count();
        let unmatched = self.nodes.iter().filter(|n| n.group.is_none() && !n.managed_by_ocean).count();
        let by = if self.matched_by_pods { "by the pods on them" } else { "by their labels and taints" };
        let mut lines = vec![
            format!(
                "{} nodes with {pods} pods that a drain would move, {alone} of them without a controller.",
                self.nodes.len()
            ),
            format!("{blocked} nodes have a pod that a budget holds back now."),
            format!("{unmatched} nodes match no group ({by}): no such node can be made."),
        ];
        if unmatched > 0 {
            lines.push("--write-groups FILE writes the virtual node groups that they need.".into());
        }
        lines.extend(self.migration_summary());
        lines.extend(self.notes.iter().map(|note| format!("{note}.")));
        if !self.unscheduled_pods.is_empty() {
            let n = self.unscheduled_pods.len();
            let some = self.unscheduled_pods.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            let more = if n > 3 { ", …" } else { "" };
            lines.push(format!(
                "{n} pods are unschedulable now ({some}{more}): Ocean's procedures refuse to start on them."
            ));
        }
        lines.join("\n") + "\n"
    }
}

impl Discovery {
    /// How many nodes can be migrated, are Ocean's, or cannot be.
    fn migration_summary(&self) -> Option<String> {
        let of = |status| {
            let has = |n: &&NodeDiscovery| n.migration.as_ref().is_some_and(|m| m.status == status);
            self.nodes.iter().filter(has).count()
        };
        let procedure = self.procedure.as_ref()?;
        let left_out = match of(MigrationStatus::AlreadyOcean) {
            0 => String::new(),
            1 => ", 1 is Ocean's already and is left out".to_owned(),
            n => format!(", {n} are Ocean's already and are left out"),
        };
        let (ready, unable) = (of(MigrationStatus::Ready), of(MigrationStatus::Unable));
        Some(format!("{} can be migrated ({procedure}), {unable} cannot{left_out}.", count(ready as u64, "node")))
    }
}

impl Migration {
    fn text(&self) -> String {
        let first = self.reasons.first().map_or("", |r| match r.code.as_str() {
            // How the nearest group differs stands in the column of the group.
            "no-matching-group" => "no Virtual Node Group matches it",
            _ => r.text.as_str(),
        });
        match (self.status, self.reasons.len()) {
            (MigrationStatus::Ready, _) => "ready".into(),
            (MigrationStatus::AlreadyOcean, _) => "Ocean's already".into(),
            (MigrationStatus::Unable, 0 | 1) => format!("unable: {first}"),
            (MigrationStatus::Unable, n) => format!("unable: {first} and {} more", n - 1),
        }
    }
}

impl NodeDiscovery {
    fn group_text(&self) -> String {
        match (&self.group, &self.nearest) {
            (None, _) if self.managed_by_ocean => "-".into(),
            (Some(group), _) => match self.match_notes.first() {
                Some(note) => format!("{group} (note: {})", note.text),
                None => group.clone(),
            },
            (None, Some(nearest)) => {
                let first = nearest.differences.first().map_or("", |d| d.text.as_str());
                let more = nearest.differences.len().saturating_sub(1);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("none; nearest {}: {first}{more}", nearest.group)
            }
            (None, None) => "none".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::tests::World;

    #[test]
    fn each_node_tells_its_pods_and_its_group() {
        let mut w = World::new();
        let m = w.machine("m4", 4000, 16, None);
        w.group("shop", &[("team", "shop")], &[m], 10);
        let a = w.node("a", &[("team", "shop")], 4000, 16);
        w.node("b", &[("team", "other")], 4000, 16);
        w.node("c", &[], 4000, 16);
        w.pods("x", 2, 100, 1, Some(a), |_, _| {});
        let found = discover(&w.build());
        let groups: Vec<Option<&str>> = found.nodes.iter().map(|n| n.group.as_deref()).collect();
        assert_eq!(groups, [Some("shop"), None, Some("Default")]);
        assert_eq!((found.nodes[0].moving_pods, found.nodes[0].stand_alone_pods.len()), (2, 2));
        assert_eq!(found.nodes[1].group_text(), "none; nearest shop: the node has team=other, the group shop");
        assert_eq!((found.groups[0].nodes, found.groups[0].matching_nodes), (1, 1));
        let text = found.text(None);
        assert!(text.contains("1 nodes match no group (by their labels and taints)"), "{text}");
        assert!(found.json().unwrap().contains("\"group\": null"));
    }
}
