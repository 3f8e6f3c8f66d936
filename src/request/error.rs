//! Why what is asked for cannot be read or used.

use super::scenario::ScenarioError;
use crate::scheduler::ConfigError;
use crate::snapshot::ReadError;
use crate::snapshot::generate::GenerateError;
use crate::snapshot::groups::GroupsError;

/// Why an input cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A dump.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A scenario.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A generator's parameters.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// Groups.
    #[error(transparent)]
    Groups(#[from] GroupsError),
    /// A scheduler's configuration that is not there.
    #[error("cannot read the scheduler's configuration {file}: {source}; check the path")]
    SchedulerFile {
        /// File.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file with several configurations of schedulers.
    #[error(
        "{name} holds {documents} documents, of which kube-scheduler would read the first only; give each scheduler's configuration as a file of its own, and --scheduler-config once for each"
    )]
    SchedulerDocuments {
        /// File.
        name: String,
        /// How many.
        documents: usize,
    },
    /// Two files configure a scheduler of one name.
    #[error(
        "{second}: the scheduler {scheduler} is in {first} already; give each scheduler a name (schedulerName) of its own"
    )]
    SchedulerTwice {
        /// Its name.
        scheduler: String,
        /// Where it was first.
        first: String,
        /// Where it is again.
        second: String,
    },
    /// A scheduler's configuration.
    #[error("{name}: {source}")]
    Scheduler {
        /// Where it stands.
        name: String,
        /// What is wrong with it.
        source: ConfigError,
    },
    /// A version of Kubernetes.
    #[error("{0:?} is no version of Kubernetes; write its first two numbers, such as 1.34")]
    Version(String),
    /// A dump that says of itself that it is partial.
    #[error(
        "this dump is not whole:\n{}\nmake the dump again: every kind of all namespaces (-A), without selectors, and lists to their end (docs/kubectl.md); or take it as it is with --allow-partial-dump",
        .0.join("\n")
    )]
    NotWhole(Vec<String>),
    /// `--strict`.
    #[error("--strict: {} not modelled or missing:\n{}", .0.len(), .0.join("\n"))]
    Strict(Vec<String>),
}

/// Why no plan can be made of a request.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The request makes no sense upon this cluster.
    #[error("{0}")]
    Input(String),
    /// An invariant of the simulation broke.
    #[error(
        "a bug of nodeferry: {violation} (seed {seed}, version {version}); please report it with the dump or scenario"
    )]
    Violation {
        /// What broke.
        violation: String,
        /// Seed of the run.
        seed: u64,
        /// Version.
        version: &'static str,
    },
}
