//! How many nodes a batch has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the percentage of a batch is of; Ocean's documents say both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PercentOf {
    /// The number of selected nodes.
    #[default]
    Selected,
    /// The number of nodes the cluster has (its target capacity).
    TargetCapacity,
}

/// How many nodes a batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BatchSize {
    /// So many nodes.
    Nodes(u32),
    /// A percentage in text, `"20%"`.
    Percent(Percent),
}

/// A percentage written `"20%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub u32);

impl Serialize for Percent {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{}%", self.0))
    }
}
impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        match text.parse::<BatchSize>() {
            Ok(BatchSize::Percent(p)) => Ok(p),
            Ok(BatchSize::Nodes(_)) => {
                Err(serde::de::Error::custom(format!("{text:?} is no percentage; write \"20%\"")))
            }
            Err(e) => Err(serde::de::Error::custom(e)),
        }
    }
}
impl JsonSchema for Percent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percent".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9]+%$"})
    }
}

impl std::str::FromStr for BatchSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "batch size {text:?}: expected a percentage such as 20% (1 to 100) or a number of nodes of at least 1"
            )
        };
        match text.strip_suffix('%') {
            Some(p) => match p.parse::<u32>() {
                Ok(p) if (1..=100).contains(&p) => Ok(BatchSize::Percent(Percent(p))),
                _ => Err(bad()),
            },
            None => match text.parse::<u32>() {
                Ok(n) if n >= 1 => Ok(BatchSize::Nodes(n)),
                _ => Err(bad()),
            },
        }
    }
}

impl std::fmt::Display for BatchSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BatchSize::Nodes(n) => write!(f, "{n}"),
            BatchSize::Percent(p) => write!(f, "{}%", p.0),
        }
    }
}

/// A first, small batch that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Nodes in it, at least 1.
    pub nodes: u32,
    /// Wait after it, in ms, on top of the usual soak.
    #[serde(default)]
    pub soak_ms: i64,
}
