//! What the vendor's task says of itself. Its outputs are not kept: signing keys show in them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most characters of a text of the task's that are kept.
const KEPT: usize = 200;

/// How a task stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskState {
    /// `running`, `fail`, `success`.
    pub state: String,
    /// The stage under way, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Code of its error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Message of its error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A text in one line, without what may be a key.
fn kept(text: &str) -> Option<String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.contains("-----BEGIN") || line.to_ascii_lowercase().contains("private key") {
        return Some("(not shown: it may hold a key)".to_owned());
    }
    Some(crate::report::format::shorten(&line, KEPT)).filter(|t| !t.is_empty())
}

fn object(output: &str, wanted: &str) -> Result<Value, String> {
    match serde_json::from_str::<Value>(output.trim()) {
        Ok(value) if value.is_object() => Ok(value),
        _ => Err(format!(
            "expected a JSON object with `{wanted}` on standard output ({} bytes came, which are not shown)",
            output.trim().len()
        )),
    }
}

/// Id of the task in what the command of `--begin` printed: `{"task_id": "T-…"}`.
///
/// # Errors
/// What is missing.
pub fn task_id(output: &str) -> Result<String, String> {
    let value = object(output, "task_id")?;
    match value["task_id"].as_str().filter(|id| !id.is_empty()) {
        Some(id) => Ok(id.to_owned()),
        None => Err("`task_id` is missing or no text".to_owned()),
    }
}

impl TaskState {
    /// Reads what the command of `--poll` printed: the answer of `GET /tasks/{id}`.
    ///
    /// # Errors
    /// What is missing.
    pub fn parse(output: &str) -> Result<TaskState, String> {
        let value = object(output, "state")?;
        let text = |value: &Value| value.as_str().and_then(kept);
        let state = text(&value["state"]).ok_or("`state` is missing or no text (running, fail or success)")?;
        Ok(TaskState {
            stage: text(&value["current_stage"]).or_else(|| running(&value)),
            code: text(&value["error"]["code"]),
            message: text(&value["error"]["message"]),
            state: state.to_ascii_lowercase(),
        })
    }

    /// Whether it ended well.
    pub fn succeeded(&self) -> bool {
        ["success", "succeeded"].contains(&self.state.as_str())
    }

    /// Whether it failed.
    pub fn failed(&self) -> bool {
        ["fail", "failed"].contains(&self.state.as_str())
    }

    /// In words.
    pub fn text(&self) -> String {
        let mut text = format!("the task is {:?}", self.state);
        if let Some(stage) = &self.stage {
            text.push_str(&format!(" in stage {stage}"));
        }
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => text.push_str(&format!(": {code}: {message}")),
            (Some(one), None) | (None, Some(one)) => text.push_str(&format!(": {one}")),
            (None, None) => {}
        }
        text
    }
}

/// The stage that runs or failed, where `current_stage` does not say it.
fn running(value: &Value) -> Option<String> {
    let stages = value["stages"].as_array()?;
    let is = |s: &&Value| ["running", "fail", "failed"].iter().any(|state| s["state"] == *state);
    let stage = stages.iter().find(is)?;
    ["name", "type", "message"].iter().find_map(|key| stage[*key].as_str()).and_then(kept)
}
