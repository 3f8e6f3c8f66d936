//! A recorded migration as its directory holds it: `result.json`, `events.jsonl`, and what the recorder was set to.

use crate::cluster::RateLimit;
use crate::intent::options::{KubectlDrainOptions, KubectlVersion};
use crate::snapshot::Source;
use crate::verify::recording::VerifyError;
use serde::Deserialize;

/// `result.json`: the batches, and the parameters that are not the usual ones.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Recorded {
    pub batches: Vec<RecordedBatch>,
    /// Version of kubectl.
    #[serde(default = "first_version")]
    pub kubectl: KubectlVersion,
    /// `--timeout` of every drain, in seconds; 0 for none.
    #[serde(default = "ninety")]
    pub timeout_s: f64,
    /// How long the recorder waited after a drain until all was whole, in seconds.
    #[serde(default = "ninety")]
    pub settle_timeout_s: f64,
    /// Flags of `kubectl drain` as they were given.
    #[serde(default = "usual_flags")]
    pub args: Vec<String>,
    #[serde(default = "usual_controller_client")]
    pub controller_client: RateLimit,
    #[serde(default = "usual_scheduler_client")]
    pub scheduler_client: RateLimit,
    /// kubectl's own limits, for each API group.
    #[serde(default)]
    pub kubectl_client: Option<RateLimit>,
    #[serde(default = "two")]
    pub pods_start_seconds_default: f64,
    #[serde(default = "one")]
    pub pods_stop_seconds_default: f64,
    #[serde(default = "usual_start_annotation")]
    pub start_annotation: String,
    #[serde(default = "usual_stop_annotation")]
    pub stop_annotation: String,
    /// Label of nodes by which placements are counted.
    #[serde(default = "usual_pool_label")]
    pub pool_label: String,
}

/// One `kubectl drain`; times in seconds from the recorder's start.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RecordedBatch {
    pub nodes: Vec<String>,
    pub start: f64,
    /// kubectl returned.
    pub end: f64,
    /// All was whole again; null if not within the limit.
    #[serde(default)]
    pub settled: Option<f64>,
    pub exit: i32,
    #[serde(default)]
    pub stderr: String,
}

/// A line of `events.jsonl`: the watch of pods.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WatchEvent {
    pub t: f64,
    #[serde(rename = "type")]
    pub kind: String,
    pub ns: String,
    pub pod: String,
    pub uid: String,
    #[serde(default)]
    pub node: Option<String>,
    #[serde(default)]
    pub phase: Option<String>,
    #[serde(default)]
    pub terminating: bool,
}

/// Of the first recordings.
fn first_version() -> KubectlVersion {
    KubectlVersion { minor: 32 }
}
fn ninety() -> f64 {
    90.0
}
fn two() -> f64 {
    2.0
}
fn one() -> f64 {
    1.0
}
fn usual_flags() -> Vec<String> {
    vec!["--ignore-daemonsets".into(), "--delete-emptydir-data".into()]
}
fn usual_controller_client() -> RateLimit {
    RateLimit { qps: 500, burst: 1000 }
}
fn usual_scheduler_client() -> RateLimit {
    RateLimit { qps: 1000, burst: 2000 }
}
fn usual_start_annotation() -> String {
    "oracle/start-seconds".into()
}
fn usual_stop_annotation() -> String {
    "oracle/stop-seconds".into()
}
fn usual_pool_label() -> String {
    "agentpool".into()
}

/// Seconds of a recording as milliseconds.
pub(super) fn ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

impl Recorded {
    /// The options of `kubectl drain` that the recorder used.
    pub(super) fn drain_options(&self, file: &str) -> Result<KubectlDrainOptions, VerifyError> {
        let bad = |problem: String| VerifyError::Form { file: file.to_owned(), problem };
        let mut options = KubectlDrainOptions {
            version: self.kubectl,
            ignore_daemonsets: false,
            delete_emptydir_data: false,
            timeout_ms: ms(self.timeout_s),
            settle_timeout_ms: Some(ms(self.settle_timeout_s)),
            after_settle_timeout: crate::intent::options::AfterLimit::GoOn,
            ..KubectlDrainOptions::default()
        };
        for arg in &self.args {
            let (flag, value) = match arg.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (arg.as_str(), None),
            };
            let number = || {
                let value = value.unwrap_or_default();
                value.parse::<i64>().map_err(|_| bad(format!("args: {arg:?}: expected {flag}=NUMBER")))
            };
            let on = || match value {
                None | Some("true") => Ok(true),
                Some("false") => Ok(false),
                Some(_) => Err(bad(format!("args: {arg:?}: expected {flag}, {flag}=true or {flag}=false"))),
            };
            match flag {
                "--ignore-daemonsets" => options.ignore_daemonsets = on()?,
                "--delete-emptydir-data" => options.delete_emptydir_data = on()?,
                "--force" => options.force = on()?,
                "--disable-eviction" => options.disable_eviction = on()?,
                "--grace-period" => options.grace_period_seconds = number()?,
                "--skip-wait-for-delete-timeout" => options.skip_wait_for_delete_timeout_seconds = number()?,
                "--pod-selector" => options.pod_selector = value.unwrap_or_default().to_owned(),
                "--timeout" => {
                    options.timeout_ms = go_duration_ms(value.unwrap_or_default())
                        .ok_or_else(|| bad(format!("args: {arg:?}: expected a duration such as 90s or 1m30s")))?;
                }
                _ => {
                    return Err(bad(format!(
                        "args: flag {arg:?} is not known; expected those of kubectl drain as FLAG=VALUE, without the nodes"
                    )));
                }
            }
        }
        Ok(options)
    }
}

/// A Go duration of whole hours, minutes, seconds and milliseconds (`1m30s`, `500ms`, `0`).
fn go_duration_ms(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut total) = (text, 0_i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let n: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let factor = match &rest[..unit] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        total = total.checked_add(n.checked_mul(factor)?)?;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(total)
}

/// Reads `result.json`.
pub(super) fn read_result(source: &Source) -> Result<Recorded, VerifyError> {
    let bad = |problem: String| VerifyError::Form { file: source.name.clone(), problem };
    let recorded: Recorded = crate::typed::from_json(&source.bytes).map_err(|e| bad(e.to_string()))?;
    if recorded.batches.is_empty() {
        return Err(bad("batches is empty".into()));
    }
    for (i, b) in recorded.batches.iter().enumerate() {
        let settled = b.settled.unwrap_or(b.end);
        if b.nodes.is_empty() {
            return Err(bad(format!("batches[{i}] has no nodes")));
        }
        if b.end < b.start || settled < b.end {
            return Err(bad(format!("batches[{i}]: start, end and settled are not in order")));
        }
    }
    Ok(recorded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(more: &str) -> Result<Recorded, VerifyError> {
        let text = format!(
            r#"{{"batches":[{{"nodes":["a"],"start":1,"end":2.5,"exit":0,"stderr":""}}]{}{more}}}"#,
            if more.is_empty() { "" } else { "," }
        );
        read_result(&Source::new("result.json", text.into_bytes()).expect("plain"))
    }

    #[test]
    fn what_a_result_does_not_say_is_as_in_the_first_recordings() {
        let o = result("").expect("complete").drain_options("result.json").expect("known flags");
        assert_eq!((o.timeout_ms, o.settle_timeout_ms), (90_000, Some(90_000)));
        assert_eq!((o.ignore_daemonsets, o.delete_emptydir_data, o.force), (true, true, false));
    }

    #[test]
    fn flags_are_taken_as_kubectl_takes_them() {
        let r = result(r#""timeout_s":20,"args":["--force","--grace-period=7","--timeout=1m30s"]"#).expect("complete");
        let o = r.drain_options("result.json").expect("known flags");
        assert_eq!((o.timeout_ms, o.grace_period_seconds), (90_000, 7));
        assert_eq!((o.ignore_daemonsets, o.delete_emptydir_data, o.force), (false, false, true));
        for (args, says) in [("--selector=a", "not known"), ("--force=perhaps", "--force=true"), ("--timeout=9", "90s")]
        {
            let r = result(&format!(r#""args":["{args}"]"#)).expect("complete");
            let e = r.drain_options("result.json").expect_err("a bad flag").to_string();
            assert!(e.contains("result.json") && e.contains(says), "{e}");
        }
    }

    #[test]
    fn a_result_that_makes_no_sense_is_refused() {
        for (text, says) in [
            (r#"{"batches":[]}"#, "batches is empty"),
            (r#"{"batches":[{"nodes":["a"],"start":2,"end":1,"exit":0}]}"#, "not in order"),
            (r#"{"batches":[{"nodes":[],"start":1,"end":1,"exit":0}]}"#, "no nodes"),
            (r#"{"batch":[]}"#, "batches"),
        ] {
            let e = read_result(&Source::new("result.json", text.into()).expect("plain")).expect_err("nonsense");
            assert!(e.to_string().contains(says), "{e}");
        }
    }

    #[test]
    fn durations_are_read_as_go_prints_them() {
        for (text, ms) in [("90s", Some(90_000)), ("1h2m3s", Some(3_723_000)), ("250ms", Some(250)), ("0", Some(0))] {
            assert_eq!(go_duration_ms(text), ms, "{text}");
        }
        for text in ["", "9", "s", "5d"] {
            assert_eq!(go_duration_ms(text), None, "{text}");
        }
    }
}
