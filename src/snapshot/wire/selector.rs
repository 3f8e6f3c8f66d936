//! Selectors as the API writes them.

use super::scalar::{List, Pairs, Text};
use serde::Deserialize;

/// `metav1.LabelSelector`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LabelSelector<'a> {
    #[serde(borrow)]
    pub match_labels: Pairs<'a>,
    pub match_expressions: List<Expression<'a>>,
}

/// A requirement of a label or node selector.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Expression<'a> {
    #[serde(borrow)]
    pub key: Text<'a>,
    pub operator: Text<'a>,
    pub values: List<Text<'a>>,
}

/// `v1.NodeSelector`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeSelector<'a> {
    #[serde(borrow)]
    pub node_selector_terms: List<NodeSelectorTerm<'a>>,
}

/// `v1.NodeSelectorTerm`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeSelectorTerm<'a> {
    #[serde(borrow)]
    pub match_expressions: List<Expression<'a>>,
    pub match_fields: List<Expression<'a>>,
}

/// `v1.TopologySelectorTerm` (StorageClass `allowedTopologies`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopologySelectorTerm<'a> {
    #[serde(borrow)]
    pub match_label_expressions: List<TopologyExpression<'a>>,
}

/// One key of a topology term.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TopologyExpression<'a> {
    #[serde(borrow)]
    pub key: Text<'a>,
    pub values: List<Text<'a>>,
}
