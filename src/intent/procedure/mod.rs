//! What is known of a procedure before it runs: its name, defaults, limits, and what it does to a cluster. A file for each, with its options.
//!
//! How a batch goes is a state machine of the runner (`runner/procedure.rs`), which has one line of registration of its own.

mod kubectl_drain;
mod ocean;
mod surge;

pub use kubectl_drain::{AfterLimit, KubectlDrainOptions, KubectlVersion};
pub use ocean::{AksMessages, AwaitedPods, FreeRoom, OceanCloud, OceanOptions};
pub use surge::{CountOrPercent, SurgeOptions, SurgeParameters, SurgePreset, Undrainable, UpdateStrategy};

use super::options::{BatchSize, Options, Percent, UnscheduledAtStart};
use crate::cluster::RateLimit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an execution must be allowed to do in the Kubernetes API for its procedure, besides reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// `patch nodes`: cordons and taints.
    PatchNodes,
    /// `create pods/eviction`.
    EvictPods,
    /// `delete pods`: past their budgets.
    DeletePods,
}

impl Access {
    /// All that any procedure needs.
    pub const ALL: &[Access] = &[Access::PatchNodes, Access::EvictPods, Access::DeletePods];
}

/// How long a procedure waits for the pods of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainLimit {
    /// Milliseconds.
    pub ms: i64,
    /// The option that says so.
    pub option: &'static str,
    /// Afterwards the pods are deleted; else the drain of their node has failed.
    pub forces: bool,
}

/// What becomes of pods that no controller recreates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarePods {
    /// They are evicted, and lost; else they hold their node.
    pub evicted: bool,
    /// The option (or flag) that says so, or else the procedure.
    pub by: &'static str,
}

/// What is known of a procedure before it runs.
pub trait Procedure: Sync {
    /// The name of the command line and of files (`kubectl-drain`).
    fn name(&self) -> &'static str;

    /// The cloud whose migration to Ocean it imitates, if it does.
    fn ocean(&self) -> Option<OceanCloud> {
        None
    }

    /// Whether it launches the replacements itself, ahead of the drain.
    fn launches(&self) -> bool {
        true
    }

    // --- defaults ---

    /// Default of `terminate_nodes`.
    fn terminates(&self) -> bool {
        true
    }

    /// Default of `unscheduled_at_start`.
    fn unscheduled(&self) -> UnscheduledAtStart {
        UnscheduledAtStart::Ignore
    }

    /// Default of `client`: where limits are not published, 50 requests a second and 100 at once (C).
    fn client(&self) -> RateLimit {
        RateLimit { qps: 50, burst: 100 }
    }

    /// Default of `batch_size`.
    fn batch_size(&self) -> BatchSize {
        BatchSize::Percent(Percent(20))
    }

    // --- limits ---

    /// The largest `batch_size` in percent.
    fn largest_batch_percent(&self) -> u32 {
        100
    }

    /// What of its options does not go together.
    fn problem(&self, _options: &Options) -> Option<&'static str> {
        None
    }

    // --- what it does ---

    /// What an execution must be allowed to do.
    fn access(&self, options: &Options) -> &'static [Access];

    /// What becomes of pods that no controller recreates.
    fn bare_pods(&self, options: &Options) -> BarePods;

    /// The least time in ms that the drain of a batch takes, given how many pods leave each node and how long a pod takes to stop.
    fn least_drain_ms(&self, pods: &[i64], options: &Options, stop_ms: i64) -> i64;

    /// How long it waits for the pods of a node; None if without end.
    fn drain_limit(&self, options: &Options) -> Option<DrainLimit>;

    /// The pods that it looks at, as a label selector in kubectl's text form; empty for all.
    fn pod_selector<'o>(&self, _options: &'o Options) -> &'o str {
        ""
    }

    /// Whether it drains as kubectl does, with its filters for DaemonSets and local data.
    fn drains_as_kubectl(&self) -> bool {
        false
    }

    /// Whether it taints old nodes first, and cordons them when they are empty.
    fn taints_first(&self, _options: &Options) -> bool {
        false
    }

    /// Whether its new nodes may be more than their group's maximum, which it raises for the time.
    fn launches_beyond_max(&self) -> bool {
        false
    }

    /// Whether it has the machines of old nodes reimaged in place, instead of giving them back.
    fn reimages(&self, _options: &Options) -> bool {
        false
    }
}

/// The access of a procedure that deletes pods past their budgets, or does not.
const fn access(deletes_pods: bool) -> &'static [Access] {
    if deletes_pods { Access::ALL } else { &[Access::PatchNodes, Access::EvictPods] }
}

/// Makes of one list the kinds (the values of `procedure` in files) and what is known of each. A new procedure is a file here, a folder
/// in the runner, and a line in each of the two lists.
macro_rules! procedures {
    ($($(#[$about:meta])* $kind:ident => $procedure:expr,)+) => {
        /// How a batch goes.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum ProcedureKind {
            $($(#[$about])* $kind,)+
        }

        impl ProcedureKind {
            /// All of them.
            pub const ALL: &[ProcedureKind] = &[$(ProcedureKind::$kind),+];

            /// What is known of it.
            pub fn procedure(self) -> &'static dyn Procedure {
                match self {
                    $(ProcedureKind::$kind => &$procedure,)+
                }
            }
        }
    };
}

procedures! {
    /// `kubectl drain` of the batch, then a wait for all workloads to be whole: what works on any cluster.
    #[default]
    KubectlDrain => kubectl_drain::KubectlDrain,
    /// Ocean's workload migration on EKS.
    OceanAws => ocean::Ocean(OceanCloud::Aws),
    /// Ocean's workload migration on AKS.
    OceanAzure => ocean::Ocean(OceanCloud::Azure),
    /// What EKS, AKS and GKE do when they upgrade a node pool.
    Surge => surge::Surge,
}

impl ProcedureKind {
    /// The name of the command line (`kubectl-drain`).
    pub fn name(self) -> &'static str {
        self.procedure().name()
    }

    /// The cloud whose migration to Ocean it imitates, if it does.
    pub fn ocean(self) -> Option<OceanCloud> {
        self.procedure().ocean()
    }

    /// Whether it is one of Ocean's.
    pub fn is_ocean(self) -> bool {
        self.ocean().is_some()
    }

    /// Whether it launches the replacements itself, ahead of the drain.
    pub fn launches(self) -> bool {
        self.procedure().launches()
    }
}

impl std::str::FromStr for ProcedureKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = ProcedureKind::ALL.iter().copied().find(|kind| kind.name() == text);
        let names = || ProcedureKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("no procedure {text:?}; expected one of {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_files_and_of_the_command_line() {
        for kind in ProcedureKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("JSON"), kind.name());
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        let e = "kubectl".parse::<ProcedureKind>().expect_err("none of them");
        assert!(
            e.starts_with("no procedure \"kubectl\"; expected one of kubectl-drain, ocean-aws, ocean-azure, surge"),
            "{e}"
        );
    }

    #[test]
    fn every_default_is_within_its_own_limits() {
        for kind in ProcedureKind::ALL {
            let options = Options { procedure: *kind, ..Options::default() };
            assert_eq!(options.problems(), Vec::<String>::new(), "{}", kind.name());
            let largest = kind.procedure().largest_batch_percent();
            let sized = |p| Options { batch_size: Some(BatchSize::Percent(Percent(p))), ..options.clone() }.problems();
            assert_eq!((sized(largest).len(), sized(largest + 1).len()), (0, 1), "{}", kind.name());
        }
    }
}
