//! What pods say of themselves beside what the scheduler asks for: how they stop, when they can be ready at the earliest, what they
//! keep on their node, and that they are broken.

use super::pod::Phase;

/// A pod that has been unready for longer than this is broken, not slow (a Deployment gives up waiting after as long, apps/v1 defaulting of
/// `progressDeadlineSeconds`).
pub const START_PATIENCE_MS: i64 = 600_000;

/// What a pod's spec declares. The replacement of a pod shares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// A container has a preStop hook: the least time that it takes, in milliseconds (its sleeps; 0 for a hook that tells nothing).
    pub pre_stop_ms: Option<i64>,
    /// `spec.activeDeadlineSeconds`, in milliseconds from the pod's start.
    pub active_deadline_ms: Option<i64>,
    /// The longest `initialDelaySeconds` of the readiness and startup probes, in milliseconds: no pod is ready before.
    pub initial_delay_ms: i64,
    /// `hostPath` volumes that may hold data of the pod's own.
    pub host_paths: Vec<String>,
}

/// Why a pod of the dump is not ready, and does not become ready by being moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// In words: `container app waits: ImagePullBackOff`.
    pub why: String,
    /// Its phase: Pending where no container has started, else Running.
    pub phase: Phase,
}
