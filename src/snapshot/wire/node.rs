//! Nodes and namespaces as the API writes them.

use super::pod::ResourceList;
use super::scalar::{List, Text, or_default};
use super::{Condition, Meta};
use serde::Deserialize;

/// `v1.Node`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Node<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: NodeSpec<'a>,
    #[serde(deserialize_with = "or_default")]
    pub status: NodeStatus<'a>,
}

/// `v1.NodeSpec`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeSpec<'a> {
    #[serde(borrow, rename = "providerID")]
    pub provider_id: Option<Text<'a>>,
    pub unschedulable: Option<bool>,
    pub taints: List<Taint<'a>>,
}

/// `v1.Taint`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Taint<'a> {
    #[serde(borrow)]
    pub key: Text<'a>,
    pub value: Option<Text<'a>>,
    pub effect: Text<'a>,
}

/// `v1.NodeStatus`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeStatus<'a> {
    #[serde(borrow)]
    pub allocatable: ResourceList<'a>,
    pub capacity: ResourceList<'a>,
    pub conditions: List<Condition<'a>>,
    pub images: List<Image<'a>>,
    #[serde(deserialize_with = "or_default")]
    pub node_info: NodeInfo<'a>,
    pub volumes_in_use: List<Text<'a>>,
    pub declared_features: List<Text<'a>>,
}

/// `v1.ContainerImage`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Image<'a> {
    #[serde(borrow)]
    pub names: List<Text<'a>>,
    #[serde(deserialize_with = "or_default")]
    pub size_bytes: i64,
}

/// `v1.NodeSystemInfo`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeInfo<'a> {
    #[serde(borrow)]
    pub kubelet_version: Text<'a>,
    pub operating_system: Text<'a>,
}

/// `v1.Namespace`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Namespace<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub status: NamespaceStatus<'a>,
}

/// `v1.NamespaceStatus`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NamespaceStatus<'a> {
    #[serde(borrow)]
    pub phase: Option<Text<'a>>,
}
