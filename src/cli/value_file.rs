//! Files that hold one value of a known form: options, delays, parameters.

use crate::snapshot::{json_problem, plain_words, yaml_problem};
use crate::typed;
use anyhow::{Context, Result, anyhow};
use std::path::Path;

/// A file of one value, YAML or JSON.
pub(super) fn value_of_file<T: serde::de::DeserializeOwned>(path: &Path, flag: &str, form: &str) -> Result<T> {
    let at = || format!("{flag} {}", path.display());
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read; check the path", at()))?;
    let value: serde_json::Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|e| anyhow!("{}: no valid JSON: {}", at(), json_problem(&e, &text)))?
    } else {
        serde_saphyr::from_str(&text).map_err(|e| anyhow!("{}: no valid YAML: {}", at(), yaml_problem(&e, &text)))?
    };
    typed::from_value(&value).map_err(|e| anyhow!("{}: at {}: {}; expected {form}", at(), e.path, plain_words(&e.what)))
}
