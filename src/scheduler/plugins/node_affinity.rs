//! NodeAffinity: node selector and node affinity (P/nodeaffinity).

use crate::cluster::{Interner, NodeSelector, NodeSelectorTerm, NodeState, Operator, PodShape, Sym};
use crate::scheduler::counts::node_matches;

/// Its words.
pub const REASON: &str = "node(s) didn't match Pod's node affinity/selector";
/// Words for the profile's added affinity.
pub const REASON_ENFORCED: &str = "node(s) didn't match scheduler-enforced node affinity";
/// Words for terms that name no common node.
pub const REASON_CONFLICT: &str = "pod affinity terms conflict";

/// Whether a node meets the pod's own selector and required affinity.
pub fn admits(shape: &PodShape, node: &NodeState, names: &Interner) -> bool {
    node_matches(&shape.node_selector, shape.node_affinity.as_ref(), node, names)
}

/// Whether a node meets the profile's added affinity.
pub fn admits_enforced(added: Option<&NodeSelector>, node: &NodeState, names: &Interner) -> bool {
    added.is_none_or(|a| a.matches(&node.spec.labels, node.spec.name, names))
}

/// Raw score: sum of the weights of the preferred terms that match, the profile's own included.
pub fn raw_score(
    terms: &[(i32, NodeSelectorTerm)],
    added: &[(i32, NodeSelectorTerm)],
    node: &NodeState,
    names: &Interner,
) -> i64 {
    let matching = |t: &&(i32, NodeSelectorTerm)| t.1.matches(&node.spec.labels, node.spec.name, names);
    terms.iter().chain(added).filter(matching).map(|t| i64::from(t.0)).sum()
}

/// Nodes that required affinity names by `metadata.name`: intersected within a term, united over terms; None for no restriction.
pub fn named_nodes(affinity: Option<&NodeSelector>) -> Option<Vec<Sym>> {
    let terms = affinity.map(|a| &a.terms).filter(|t| !t.is_empty())?;
    let mut all = Vec::new();
    for term in terms {
        let mut named: Option<Vec<Sym>> = None;
        for field in term.fields.iter().filter(|f| f.operator == Operator::In) {
            let values = &field.values;
            named = Some(match named {
                None => values.to_vec(),
                Some(before) => before.into_iter().filter(|v| values.contains(v)).collect(),
            });
        }
        all.extend(named?);
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}
