//! Which procedure a batch goes by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a batch goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProcedureKind {
    /// `kubectl drain` of the batch, then a wait for all workloads to be whole: what works on any cluster.
    #[default]
    KubectlDrain,
    /// Ocean's workload migration on EKS.
    OceanAws,
    /// Ocean's workload migration on AKS.
    OceanAzure,
    /// What EKS, AKS and GKE do when they upgrade a node pool.
    Surge,
}

impl ProcedureKind {
    /// The name of the command line (`kubectl-drain`).
    pub fn name(self) -> &'static str {
        match self {
            ProcedureKind::KubectlDrain => "kubectl-drain",
            ProcedureKind::OceanAws => "ocean-aws",
            ProcedureKind::OceanAzure => "ocean-azure",
            ProcedureKind::Surge => "surge",
        }
    }
    /// Whether it is one of Ocean's.
    pub fn is_ocean(self) -> bool {
        matches!(self, ProcedureKind::OceanAws | ProcedureKind::OceanAzure)
    }
    /// Whether it launches the replacements itself, ahead of the drain.
    pub fn launches(self) -> bool {
        self != ProcedureKind::KubectlDrain
    }
}

impl std::str::FromStr for ProcedureKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "kubectl-drain" => Ok(ProcedureKind::KubectlDrain),
            "ocean-aws" => Ok(ProcedureKind::OceanAws),
            "ocean-azure" => Ok(ProcedureKind::OceanAzure),
            "surge" => Ok(ProcedureKind::Surge),
            _ => Err(format!("no procedure {text:?}; expected one of kubectl-drain, ocean-aws, ocean-azure, surge")),
        }
    }
}
