//! What calls and the border with the world both name.

use serde::{Deserialize, Serialize};

/// Milliseconds since the snapshot, which is also when a simulated migration starts.
pub type Ms = i64;

/// Which of a client's rate limiters a call goes through: client-go has one per API group (docs/reference/kubernetes.md#kubectl-drain).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiGroup {
    /// Nodes, pods.
    Core,
    /// Evictions.
    Policy,
    /// DaemonSets, which kubectl looks up.
    Apps,
    /// What kubectl's resource builder reads: it makes a client of its own, with its own limiter (cli-runtime v0.36.3
    /// `pkg/resource/builder.go`, `getClient`).
    Builder,
    /// Our own looks at nodes, which the imitated client does not make.
    Own,
    /// The provider's API, which has no limit of ours.
    Provider,
}
