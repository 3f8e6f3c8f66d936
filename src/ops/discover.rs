//! What a migration would find on each node: pods, stand-alone ones, budgets that refuse, and the group that could replace it.

use crate::cluster::*;
use crate::disruption::{BudgetIndex, verdict};
use crate::groups::matching::requirements_text;
use crate::groups::{Difference, GroupMatch, Templates, known_match, match_by_pods, match_node};
use crate::report::table::{Align, Table};
use serde::Serialize;
use std::collections::BTreeMap;

/// What was discovered of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Discovery {
    /// Every node, by name.
    pub nodes: Vec<NodeDiscovery>,
    /// The groups that nodes are matched to, in their order.
    pub groups: Vec<GroupDiscovery>,
    /// Pods that are unschedulable now (`namespace/name`): Ocean refuses to start on them.
    pub unscheduled_pods: Vec<String>,
    /// Nodes are matched by the pods on them (Ocean on AWS), not by their labels and taints.
    pub matched_by_pods: bool,
}

/// What was discovered of a node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeDiscovery {
    /// Name.
    pub node: String,
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
}

/// A budget that refuses.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Nearest {
    /// Its id.
    pub group: String,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// A group, as far as people want to see it here.
#[derive(Clone, Debug, PartialEq, Serialize)]
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

/// Discovers a cluster whose groups are read or inferred.
///
/// Nodes are matched by the pods on them if a group is Ocean's on AWS, else by labels and taints (MIGRATIONS §1).
pub fn discover(cluster: &Cluster) -> Discovery {
    let view = View { catalog: &cluster.catalog, state: &cluster.state };
    let catalog = view.catalog;
    let by_pods = catalog.groups.iter().any(|g| g.origin == GroupOrigin::OceanAws);
    let templates = Templates::new(view);
    let index = BudgetIndex::new(catalog);
    let mut matching: BTreeMap<GroupIdx, usize> = BTreeMap::new();
    let nodes = view.state.live_nodes().map(|node| {
        let ask = || if by_pods { match_by_pods(view, &templates, node) } else { match_node(view, node) };
        let found = known_match(view, node).unwrap_or_else(ask);
        if let GroupMatch::Group(group) = found {
            *matching.entry(group).or_default() += 1;
        }
        node_discovery(view, &index, node, found)
    });
    let nodes: Vec<NodeDiscovery> = nodes.collect();
    let groups =
        catalog.groups.entries().map(|(i, g)| group_discovery(view, i, g, matching.get(&i).copied().unwrap_or(0)));
    Discovery {
        groups: groups.collect(),
        nodes,
        unscheduled_pods: view
            .state
            .live_pods()
            .filter(|p| view.state.pods[*p].unschedulable && view.state.pods[*p].node.is_none())
            .map(|p| view.state.pod_text(catalog, p))
            .collect(),
        matched_by_pods: by_pods,
    }
}

fn node_discovery(view: View<'_>, index: &BudgetIndex, node: NodeIdx, found: GroupMatch) -> NodeDiscovery {
    let catalog = view.catalog;
    let state = &view.state.nodes[node];
    let label = |key: Sym| state.spec.labels.get(key).map(|v| view.state.name(catalog, v).to_string());
    let moving = crate::groups::matching::moving_pods(view, node);
    let alone = moving.iter().filter(|p| catalog.specs[view.state.pods[**p].spec].owner.is_none());
    let (group, nearest) = match found {
        GroupMatch::Default => (Some("Default".to_string()), None),
        GroupMatch::Group(group) => (Some(catalog.text(catalog.groups[group].id).to_string()), None),
        GroupMatch::None { nearest } => (
            None,
            nearest
                .map(|(g, differences)| Nearest { group: catalog.text(catalog.groups[g].id).to_string(), differences }),
        ),
    };
    NodeDiscovery {
        node: view.state.node_name(catalog, node).to_string(),
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
        serde_json::to_string_pretty(self)
    }

    /// As tables for a terminal of `width` columns (None: as wide as need be): groups, nodes, and what stands in the way.
    pub fn text(&self, width: Option<u16>) -> String {
        let mut out = self.group_table().render(width);
        out.push('\n');
        out.push_str(&self.node_table().render(width));
        out.push('\n');
        out.push_str(&self.summary());
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
        let mut table = Table::new(&[
            ("NODE", Align::Left),
            ("TYPE", Align::Left),
            ("ZONE", Align::Left),
            ("PODS", Align::Right),
            ("STAND-ALONE", Align::Right),
            ("BLOCKED BY", Align::Left),
            ("GROUP", Align::Left),
        ]);
        for n in &self.nodes {
            let flags = match (n.ready, n.schedulable) {
                (true, true) => "",
                (true, false) => " (cordoned)",
                (false, true) => " (not ready)",
                (false, false) => " (not ready, cordoned)",
            };
            let blocked = n.blocking_budgets.iter().map(|b| {
                let name = if b.budget.is_empty() { &b.message } else { &b.budget };
                format!("{name} ({} {})", b.pods, if b.pods == 1 { "pod" } else { "pods" })
            });
            table.row([
                format!("{}{flags}", n.node),
                n.machine_type.clone().unwrap_or_default(),
                n.zone.clone().unwrap_or_default(),
                n.moving_pods.to_string(),
                n.stand_alone_pods.len().to_string(),
                blocked.collect::<Vec<_>>().join(", "),
                n.group_text(),
            ]);
        }
        table
    }

    /// Sums, a line each.
    fn summary(&self) -> String {
        let pods: usize = self.nodes.iter().map(|n| n.moving_pods).sum();
        let alone: usize = self.nodes.iter().map(|n| n.stand_alone_pods.len()).sum();
        let blocked = self.nodes.iter().filter(|n| !n.blocking_budgets.is_empty()).count();
        let unmatched = self.nodes.iter().filter(|n| n.group.is_none()).count();
        let by = if self.matched_by_pods { "by the pods on them" } else { "by their labels and taints" };
        let mut lines = vec![
            format!(
                "{} nodes with {pods} pods that a drain would move, {alone} of them without a controller.",
                self.nodes.len()
            ),
            format!("{blocked} nodes have a pod that a budget holds back now."),
            format!("{unmatched} nodes match no group ({by}): no such node can be made."),
        ];
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

impl NodeDiscovery {
    fn group_text(&self) -> String {
        match (&self.group, &self.nearest) {
            (Some(group), _) => group.clone(),
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
