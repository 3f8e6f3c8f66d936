//! Which nodes are old: by name, instance or provider id, by pool or by label selector; which of their pods `kubectl drain` looks at.

use super::Options;
use super::selector::LabelSelectorText;
use crate::cluster::{Finding, NodeIdx, PodIdx, Severity, View};
use crate::groups::identity;
use crate::groups::membership::oceans_mark;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which pods a migration looks at: those of `--pod-selector`, or all.
pub struct PodChoice(Option<LabelSelectorText>);

impl PodChoice {
    /// By the options of a migration, whose selector is in order.
    pub fn new(options: &Options) -> PodChoice {
        let selector = options.procedure.procedure().pod_selector(options);
        PodChoice(if selector.is_empty() { None } else { selector.parse().ok() })
    }
    /// Whether it looks at a pod.
    pub fn takes(&self, view: View<'_>, pod: PodIdx) -> bool {
        self.0.as_ref().is_none_or(|s| s.matches(view, &view.catalog.specs[view.state.pods[pod].spec].labels))
    }
}

/// Which nodes are old.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("not" = {"required": ["names", "node_pools"], "properties": {"names": {"minItems": 1}, "node_pools": {"minItems": 1}}}))]
pub struct NodeChoice {
    /// By name, instance id (`i-0abc…`) or provider id (`aws:///eu-west-1a/i-0abc…`), in any mixture. Not together with `node_pools`.
    pub names: Vec<String>,
    /// By the pool that the nodes' labels name (AKS `agentpool`, EKS `nodegroup`, GKE, Karpenter …). Not together with `names`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node_pools: Vec<String>,
    /// By label selector; with names or pools, only those of them that it selects.
    pub selector: Option<String>,
}

impl NodeChoice {
    /// What is wrong with it in itself.
    pub fn problems(&self) -> Vec<String> {
        match !self.names.is_empty() && !self.node_pools.is_empty() {
            true => vec!["nodes has both names and node_pools; a migration is of nodes or of pools: give one".into()],
            false => Vec::new(),
        }
    }

    /// Whether it says nothing, and so means every node.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.node_pools.is_empty() && self.selector.is_none()
    }
}

/// The nodes that exist and are named or selected; all of them if neither is given. In the order of the dump.
///
/// # Errors
/// Names what the cluster lacks, says where the selector is none, and that nothing matches.
pub fn select(view: View<'_>, names: &[String], selector: Option<&str>) -> Result<Vec<NodeIdx>, String> {
    chosen(view, &NodeChoice { names: names.to_vec(), selector: selector.map(str::to_owned), ..NodeChoice::default() })
}

/// The nodes that a choice means, in the order of the dump.
///
/// # Errors
/// Says which name, id or pool no node has (and what comes near), which is that of several nodes, where the selector is none, and that
/// nothing matches.
pub fn chosen(view: View<'_>, choice: &NodeChoice) -> Result<Vec<NodeIdx>, String> {
    if let Some(problem) = choice.problems().into_iter().next() {
        return Err(problem);
    }
    let selector = choice.selector.as_deref().map(str::parse::<LabelSelectorText>).transpose()?;
    let named = named(view, &choice.names)?;
    check_pools(view, &choice.node_pools)?;
    let in_pools = |n: NodeIdx| {
        choice.node_pools.is_empty()
            || identity::pools(view, n).iter().any(|p| choice.node_pools.iter().any(|w| w == p))
    };
    let nodes: Vec<NodeIdx> = view
        .state
        .live_nodes()
        .filter(|n| choice.names.is_empty() || named.contains(n))
        .filter(|n| in_pools(*n))
        .filter(|n| selector.as_ref().is_none_or(|s| s.matches(view, &view.state.nodes[*n].spec.labels)))
        .collect();
    if nodes.is_empty() {
        return Err("no node matches the selection; nodeferry discover lists the nodes, kubectl get nodes --show-labels their labels".into());
    }
    Ok(nodes)
}

/// Every text that means one node, with what it is: its name, its instance's id, its provider id.
fn keys(view: View<'_>, node: NodeIdx) -> Vec<(&'static str, String)> {
    let mut keys = vec![("name", view.state.node_name(view.catalog, node).to_owned())];
    keys.extend(identity::instance_id(view, node).map(|id| ("instance id", id)));
    keys.extend(identity::instance_aliases(view, node).into_iter().map(|id| ("instance id", id)));
    keys.extend(identity::provider_id(view, node).map(|id| ("provider id", id.to_owned())));
    keys
}

/// The nodes that names, instance ids and provider ids mean.
fn named(view: View<'_>, wanted: &[String]) -> Result<BTreeSet<NodeIdx>, String> {
    let mut found = BTreeSet::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    // Clouds are not of one mind about the case of their ids (`resourceGroups`, `resourcegroups`); names of nodes are lower case.
    let mut by_key: BTreeMap<String, Vec<(&'static str, NodeIdx)>> = BTreeMap::new();
    for node in view.state.live_nodes() {
        for (what, key) in keys(view, node) {
            let nodes = by_key.entry(key.to_ascii_lowercase()).or_default();
            if nodes.iter().all(|(_, n)| *n != node) {
                nodes.push((what, node));
            }
        }
    }
    let mut missing = Vec::new();
    for text in wanted {
        match by_key.get(&text.to_ascii_lowercase()).map_or(&[][..], |n| n) {
            [] => missing.push(text.as_str()),
            [(_, node)] => {
                found.insert(*node);
            }
            several => {
                let means = |(what, n): &(&str, NodeIdx)| {
                    let id = identity::provider_id(view, *n).map_or(String::new(), |id| format!(", provider id {id}"));
                    format!("{} (as its {what}{id})", view.state.node_name(view.catalog, *n))
                };
                let list: Vec<String> = several.iter().map(means).collect();
                return Err(format!(
                    "{text} means more than one node: {}; give the name or the provider id of the one that is meant",
                    list.join(", ")
                ));
            }
        }
    }
    if missing.is_empty() { Ok(found) } else { Err(unknown_nodes(view, &missing)) }
}

/// That nodes do not exist, with those that are called much the same.
fn unknown_nodes(view: View<'_>, missing: &[&str]) -> String {
    const NEAR: usize = 3;
    let mut near = Vec::new();
    for text in missing.iter().take(NEAR) {
        let mut distances: Vec<(usize, String)> = Vec::new();
        for node in view.state.live_nodes() {
            // Of each node what comes nearest, its name first.
            let near = |key: &str| distance(&text.to_ascii_lowercase(), &key.to_ascii_lowercase());
            let best = keys(view, node).into_iter().map(|(what, key)| (near(&key), what, key)).min_by_key(|k| k.0);
            distances.extend(best.map(|(distance, what, key)| match what {
                "name" => (distance, key),
                _ => (distance, format!("{key} (node {})", view.state.node_name(view.catalog, node))),
            }));
        }
        distances.sort();
        // Every fourth letter may be wrong; beyond that it is another name.
        let least = (text.chars().count() / 4).max(2);
        near.extend(distances.into_iter().filter(|d| d.0 <= least).take(NEAR).map(|d| d.1));
    }
    let mut seen = BTreeSet::new();
    near.retain(|n| seen.insert(n.clone()));
    let hint = if near.is_empty() {
        let known: Vec<&str> = view.state.live_nodes().take(5).map(|n| view.state.node_name(view.catalog, n)).collect();
        format!("it has {} … (nodeferry discover lists all)", known.join(", "))
    } else {
        format!("near it: {} (nodeferry discover lists all)", near.join(", "))
    };
    format!("no node of the dump is called {}, by name, instance id or provider id; {hint}", missing.join(", "))
}

/// How many letters must be added, removed or changed to make one text of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let changed = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// That every pool has a node.
fn check_pools(view: View<'_>, wanted: &[String]) -> Result<(), String> {
    let known: BTreeSet<&str> = match wanted {
        [] => return Ok(()),
        _ => view.state.live_nodes().flat_map(|n| identity::pools(view, n)).collect(),
    };
    let missing: Vec<&str> = wanted.iter().map(String::as_str).filter(|w| !known.contains(w)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let known: Vec<&str> = known.into_iter().collect();
    let has = match known.is_empty() {
        true => "no node has a label that names its pool; select by --selector or --nodes".to_owned(),
        false => format!("the nodes' labels name {}", known.join(", ")),
    };
    Err(format!("no node is in the pool {}; {has}", missing.join(", ")))
}

/// Takes nodes that are Ocean's already out of a choice: there is nothing to migrate on them (docs/reference/ocean.md#match-of-nodes-and-virtual-node-groups).
///
/// # Errors
/// One of them was named, or no other is left.
pub fn without_oceans(
    view: View<'_>,
    choice: &NodeChoice,
    nodes: Vec<NodeIdx>,
) -> Result<(Vec<NodeIdx>, Vec<Finding>), String> {
    let name = |n: NodeIdx| view.state.node_name(view.catalog, n);
    let (mut old, mut oceans) = (Vec::new(), Vec::new());
    for node in nodes {
        match oceans_mark(view, node) {
            Some(mark) => oceans.push((node, mark)),
            None => old.push(node),
        }
    }
    let list = |n: usize| {
        let some: Vec<String> = oceans.iter().take(n).map(|(n, mark)| format!("{} ({mark})", name(*n))).collect();
        let more = oceans.len().saturating_sub(n);
        if more > 0 { format!("{} and {more} more", some.join(", ")) } else { some.join(", ") }
    };
    if oceans.is_empty() {
        return Ok((old, Vec::new()));
    }
    if !choice.names.is_empty() {
        let (are, them) = if oceans.len() == 1 { ("is", "it") } else { ("are", "them") };
        return Err(format!(
            "{} {are} Ocean's already, so there is nothing to migrate; leave {them} out of --nodes",
            list(10)
        ));
    }
    if old.is_empty() {
        return Err(format!(
            "all {} selected nodes are Ocean's already, so there is nothing to migrate: {}",
            oceans.len(),
            list(5)
        ));
    }
    let findings = oceans.iter().map(|(node, mark)| {
        Finding::new(
            Severity::Info,
            "ocean-node-left-out",
            format!("Node/{}", name(*node)),
            format!("it is Ocean's already ({mark}) and is left out of the migration"),
            "",
        )
    });
    Ok((old, findings.collect()))
}
