//! Directories in the form that `nodeferry verify` reads.

use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;

/// Writes a document as JSON.
pub fn write_json(directory: &Path, name: &str, value: &Value) -> Result<()> {
    write(directory, name, &serde_json::to_vec(value)?)
}

/// Writes values, one a line.
pub fn write_lines(directory: &Path, name: &str, values: &[Value]) -> Result<()> {
    let mut text = Vec::new();
    for value in values {
        serde_json::to_writer(&mut text, value)?;
        text.push(b'\n');
    }
    write(directory, name, &text)
}

/// Writes a file of a recording.
pub fn write(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let path = directory.join(name);
    std::fs::write(&path, bytes).with_context(|| path.display().to_string())
}

/// Writes the minimal case of a difference beside its recording as a scenario, and says what to do with it.
pub fn save_scenario(directory: &Path, scenario: &Value) -> Result<String> {
    let path = directory.with_extension("json");
    std::fs::write(&path, serde_json::to_vec_pretty(scenario)?).with_context(|| path.display().to_string())?;
    Ok(format!("the minimal case: nodeferry test {}; it goes to scenarios/ with the repair", path.display()))
}
