//! Volumes, claims, classes, drivers as the API writes them.

use super::Meta;
use super::pod::{AwsDisk, GceDisk, ResourceList, Resources};
use super::scalar::{List, Text, count, or_default};
use super::selector::{LabelSelector, NodeSelector, TopologySelectorTerm};
use serde::Deserialize;

/// `v1.PersistentVolume`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Volume<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: VolumeSpec<'a>,
    #[serde(deserialize_with = "or_default")]
    pub status: PhaseOnly<'a>,
}

/// A status of which only the phase is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PhaseOnly<'a> {
    #[serde(borrow)]
    pub phase: Option<Text<'a>>,
}

/// Its spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeSpec<'a> {
    #[serde(borrow)]
    pub storage_class_name: Option<Text<'a>>,
    pub volume_attributes_class_name: Option<Text<'a>>,
    pub capacity: ResourceList<'a>,
    pub access_modes: List<Text<'a>>,
    pub volume_mode: Option<Text<'a>>,
    pub node_affinity: Option<VolumeAffinity<'a>>,
    pub claim_ref: Option<ClaimRef<'a>>,
    pub csi: Option<CsiVolume<'a>>,
    pub gce_persistent_disk: Option<GceDisk<'a>>,
    pub aws_elastic_block_store: Option<AwsDisk<'a>>,
    pub azure_disk: Option<AzureDisk<'a>>,
    pub vsphere_volume: Option<VsphereVolume<'a>>,
    pub cinder: Option<Cinder<'a>>,
}

/// `spec.nodeAffinity`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct VolumeAffinity<'a> {
    #[serde(borrow)]
    pub required: Option<NodeSelector<'a>>,
}

/// `spec.claimRef`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClaimRef<'a> {
    #[serde(borrow)]
    pub namespace: Text<'a>,
    pub name: Text<'a>,
    pub uid: Option<Text<'a>>,
}

/// `spec.csi`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CsiVolume<'a> {
    #[serde(borrow)]
    pub driver: Text<'a>,
    pub volume_handle: Text<'a>,
}

/// `spec.azureDisk`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AzureDisk<'a> {
    #[serde(borrow, rename = "diskURI")]
    pub uri: Text<'a>,
}

/// `spec.vsphereVolume`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VsphereVolume<'a> {
    #[serde(borrow)]
    pub volume_path: Text<'a>,
}

/// `spec.cinder`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Cinder<'a> {
    #[serde(borrow, rename = "volumeID")]
    pub volume_id: Text<'a>,
}

/// `v1.PersistentVolumeClaim`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Claim<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: ClaimSpec<'a>,
    #[serde(deserialize_with = "or_default")]
    pub status: PhaseOnly<'a>,
}

/// Its spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimSpec<'a> {
    #[serde(borrow)]
    pub storage_class_name: Option<Text<'a>>,
    pub volume_attributes_class_name: Option<Text<'a>>,
    pub volume_name: Option<Text<'a>>,
    pub access_modes: List<Text<'a>>,
    pub volume_mode: Option<Text<'a>>,
    #[serde(deserialize_with = "or_default")]
    pub resources: Resources<'a>,
    pub selector: Option<LabelSelector<'a>>,
}

/// `storage.k8s.io/v1.StorageClass`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Class<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    pub provisioner: Text<'a>,
    pub volume_binding_mode: Option<Text<'a>>,
    pub allowed_topologies: List<TopologySelectorTerm<'a>>,
}

/// `storage.k8s.io/v1.CSIDriver`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Driver<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: DriverSpec,
}

/// Its spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DriverSpec {
    pub attach_required: Option<bool>,
    pub storage_capacity: Option<bool>,
}

/// `storage.k8s.io/v1.CSINode`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CsiNode<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: CsiNodeSpec<'a>,
}

/// Its spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CsiNodeSpec<'a> {
    #[serde(borrow)]
    pub drivers: List<NodeDriver<'a>>,
}

/// A driver on a node.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeDriver<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub allocatable: Option<DriverLimit>,
}

/// How many volumes it attaches.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DriverLimit {
    #[serde(deserialize_with = "count")]
    pub count: Option<i64>,
}

/// `storage.k8s.io/v1.VolumeAttachment`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct VolumeAttachment<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Meta<'a>,
    #[serde(deserialize_with = "or_default")]
    pub spec: AttachmentSpec<'a>,
}

/// Its spec.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AttachmentSpec<'a> {
    #[serde(borrow)]
    pub node_name: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    pub source: AttachmentSource<'a>,
}

/// What is attached.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AttachmentSource<'a> {
    #[serde(borrow)]
    pub persistent_volume_name: Option<Text<'a>>,
}
