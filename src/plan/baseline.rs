//! What a plan was made upon: a hash per node, workload, budget and group, by which drift is found.

use crate::cluster::View;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Hashes of what the plan depends on, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// SHA-256 of the dump's bytes, hexadecimal; empty if unknown.
    pub snapshot_sha256: String,
    /// uid of the namespace kube-system: which cluster it is. Absent if the dump had no namespaces; such a plan cannot be carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// By node name.
    pub nodes: BTreeMap<String, String>,
    /// By `Kind/namespace/name` of the top owners.
    pub workloads: BTreeMap<String, String>,
    /// By `namespace/name`.
    pub budgets: BTreeMap<String, String>,
    /// By group id.
    pub groups: BTreeMap<String, String>,
}

/// The parts of a node's hash, in their order.
const OF_NODE: &[&str] = &["uid", "labels", "taints", "allocatable", "unschedulable"];
/// Of a workload's.
const OF_WORKLOAD: &[&str] = &["uid", "replicas"];
/// Of a budget's.
const OF_BUDGET: &[&str] = &["uid", "spec"];
/// Of a group's.
const OF_GROUP: &[&str] = &["labels", "taints", "instance types", "limits"];

/// Sixteen hexadecimal digits, enough to find drift and short enough to read in a diff; and after a point four for each part, which say where it is.
/// Plans of older versions have the sixteen only.
fn hash(parts: &[String]) -> String {
    let digits = |parts: &[String], bytes: usize| -> String {
        let mut h = Sha256::new();
        for p in parts {
            h.update((p.len() as u64).to_le_bytes());
            h.update(p.as_bytes());
        }
        h.finalize().iter().take(bytes).map(|b| format!("{b:02x}")).collect()
    };
    let each: Vec<String> = parts.iter().map(|p| digits(std::slice::from_ref(p), 2)).collect();
    format!("{}.{}", digits(parts, 8), each.join(""))
}

/// What has changed between two hashes: nothing (None), or the parts where both say them.
fn changed(then: &str, now: &str, parts: &[&str]) -> Option<String> {
    let (all_then, each_then) = then.split_once('.').unwrap_or((then, ""));
    let (all_now, each_now) = now.split_once('.').unwrap_or((now, ""));
    if all_then == all_now {
        return None;
    }
    let of = |each: &str, i: usize| each.get(i * 4..i * 4 + 4).map(str::to_owned);
    let known = each_then.len() == each_now.len() && each_then.len() == parts.len() * 4;
    let named = parts.iter().enumerate().filter(|(i, _)| known && of(each_then, *i) != of(each_now, *i));
    let named: Vec<&str> = named.map(|(_, part)| *part).collect();
    Some(if named.is_empty() { "changed".to_owned() } else { format!("changed: {}", named.join(", ")) })
}

/// Labels as sorted text; symbols differ between dumps.
fn labels(view: View<'_>, labels: &crate::cluster::Labels) -> String {
    let mut pairs: Vec<String> =
        labels.iter().map(|(k, v)| format!("{}={}", view.catalog.text(k), view.catalog.text(v))).collect();
    pairs.sort();
    pairs.join(",")
}

fn amounts(view: View<'_>, amounts: &[i64]) -> String {
    let mut parts: Vec<String> = amounts
        .iter()
        .enumerate()
        .filter(|(_, a)| **a != 0)
        .map(|(i, a)| format!("{}={a}", view.catalog.text(view.catalog.resources[i])))
        .collect();
    parts.sort();
    parts.join(",")
}

fn taints(view: View<'_>, taints: &[crate::cluster::Taint]) -> String {
    let mut parts: Vec<String> = taints
        .iter()
        .map(|t| format!("{}={}:{:?}", view.catalog.text(t.key), view.catalog.text(t.value), t.effect))
        .collect();
    parts.sort();
    parts.join(",")
}

impl Baseline {
    /// The baseline of a cluster. Counts of pods are not in it: they churn.
    pub fn of(view: View<'_>, snapshot_sha256: &str) -> Baseline {
        let (c, s) = (view.catalog, view.state);
        let mut b = Baseline { snapshot_sha256: snapshot_sha256.into(), ..Baseline::default() };
        b.cluster.clone_from(&c.cluster_uid);
        for i in s.live_nodes() {
            let n = &s.nodes[i];
            let parts = [
                s.name(c, n.spec.uid).to_owned(),
                labels(view, &n.spec.labels),
                taints(view, &n.taints),
                amounts(view, &n.spec.allocatable),
                n.unschedulable.to_string(),
            ];
            b.nodes.insert(s.node_name(c, i).to_owned(), hash(&parts));
        }
        for (i, o) in c.owners.entries() {
            if o.parent.is_none() && !o.missing {
                let parts = [c.text(o.uid).to_owned(), format!("{:?}", s.replicas[i])];
                b.workloads.insert(c.owner_text(i), hash(&parts));
            }
        }
        for (i, p) in c.budgets.entries() {
            let parts = [c.text(p.uid).to_owned(), format!("{:?} {}", p.demand, p.generation)];
            b.budgets.insert(c.budget_text(i), hash(&parts));
        }
        for g in c.groups.iter() {
            let machines: Vec<&str> = g.machines.iter().map(|m| c.text(c.machines[*m].name)).collect();
            let parts = [
                labels(view, &g.labels),
                taints(view, &g.taints),
                machines.join(","),
                format!("{}..{}", g.min_count, g.max_count),
            ];
            b.groups.insert(c.text(g.id).to_owned(), hash(&parts));
        }
        b
    }

    /// What differs between this and a later baseline, one line each, sorted.
    pub fn drift(&self, now: &Baseline) -> Vec<String> {
        let mut lines = Vec::new();
        for (kind, then, now, parts) in [
            ("node", &self.nodes, &now.nodes, OF_NODE),
            ("workload", &self.workloads, &now.workloads, OF_WORKLOAD),
            ("budget", &self.budgets, &now.budgets, OF_BUDGET),
            ("group", &self.groups, &now.groups, OF_GROUP),
        ] {
            for (name, hash) in then {
                match now.get(name) {
                    None => lines.push(format!("{kind} {name} is gone")),
                    Some(h) => lines.extend(changed(hash, h, parts).map(|what| format!("{kind} {name} {what}"))),
                }
            }
            lines.extend(now.keys().filter(|n| !then.contains_key(*n)).map(|n| format!("{kind} {n} is new")));
        }
        lines.sort();
        lines
    }

    /// How many things it covers.
    pub fn len(&self) -> usize {
        self.nodes.len() + self.workloads.len() + self.budgets.len() + self.groups.len()
    }
    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: [&str; 5]) -> String {
        hash(&parts.map(str::to_owned))
    }

    #[test]
    fn drift_names_what_has_changed() {
        let then = of(["u", "a=b", "", "cpu=1", "false"]);
        assert_eq!(changed(&then, &then, OF_NODE), None);
        let now = of(["u", "a=b", "node.kubernetes.io/unschedulable=:NoSchedule", "cpu=1", "true"]);
        assert_eq!(changed(&then, &now, OF_NODE).as_deref(), Some("changed: taints, unschedulable"));
        assert_eq!(changed(&then, &of(["v", "a=b", "", "cpu=1", "false"]), OF_NODE).as_deref(), Some("changed: uid"));
        // A plan of an older version says that it has changed, and not where.
        let old = |hash: &str| hash.split_once('.').map_or(String::new(), |h| h.0.to_owned());
        assert_eq!(changed(&old(&then), &then, OF_NODE), None);
        assert_eq!(changed(&old(&then), &now, OF_NODE).as_deref(), Some("changed"));
        assert_eq!(changed("", "x.", OF_NODE).as_deref(), Some("changed"));
    }
}
