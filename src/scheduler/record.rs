//! What a plan document keeps of the control plane that it was forecast with.

use crate::cluster::{ForeignDocument, KubernetesVersion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a plan document keeps of the control plane that it was forecast with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlPlaneRecord {
    /// Whose rules hold.
    pub kubernetes: KubernetesVersion,
    /// The minor version that was stated, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_minor: Option<u32>,
    /// The scheduler's configuration (KubeSchedulerConfiguration), a list of those of several; Kubernetes' default if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ForeignDocument>,
    /// SHA-256 of the configuration's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_sha256: Option<String>,
}
