//! What is wrong with a configuration, and how it is said.

use std::fmt;

/// Why a scheduler configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not YAML, or not of the shape.
    #[error(
        "the scheduler configuration cannot be read: {0}; expected a KubeSchedulerConfiguration of kubescheduler.config.k8s.io/v1"
    )]
    Syntax(String),
    /// It has values that the real scheduler would refuse too.
    #[error("the scheduler configuration cannot be used, nor would kube-scheduler: {}", list(.0))]
    Refused(Vec<Refusal>),
}

/// One value that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where it stands (`profiles[0].pluginConfig[1].args.shape`).
    pub at: String,
    /// What is wrong with it.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; {}", self.at, self.what, self.remedy)
    }
}

fn list(refusals: &[Refusal]) -> String {
    match refusals {
        [only] => only.to_string(),
        many => many.iter().map(|r| format!("\n  {r}")).collect(),
    }
}

/// Gathers what is wrong, so that all of it can be said at once.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<Refusal>);

impl Refusals {
    /// Notes a refusal.
    pub(super) fn add(&mut self, at: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Refusal { at: at.into(), what: what.into(), remedy: remedy.into() });
    }
    /// Nothing if there was none.
    pub(super) fn into_result(self) -> Result<(), ConfigError> {
        if self.0.is_empty() { Ok(()) } else { Err(ConfigError::Refused(self.0)) }
    }
}
