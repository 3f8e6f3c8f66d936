//! What a pod's spec declares of its start, its stop and its node.

use super::wire::pod::{Container, Hook, PodSpec};
use crate::cluster::Declared;

/// Paths of a node that are the system's, not a pod's: no data of a pod's own is lost with them.
const SYSTEM_PATHS: [&str; 12] = [
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/run",
    "/sys",
    "/usr",
    "/var/run",
    "/var/lib/kubelet",
    "/var/log",
];

/// What a spec declares; None where it declares nothing.
pub(super) fn declared(spec: &PodSpec<'_>) -> Option<Declared> {
    let sidecars = spec.init_containers.iter().filter(|c| c.is_sidecar());
    let running = || spec.containers.iter().chain(sidecars.clone());
    let hook = |c: &Container<'_>| c.lifecycle.as_ref()?.pre_stop.as_ref().map(least_ms);
    let delay = |c: &Container<'_>| {
        let probes = c.readiness_probe.iter().chain(c.startup_probe.iter());
        probes.map(|p| p.initial_delay_seconds.max(0).saturating_mul(1000)).max()
    };
    let paths = spec.volumes.iter().filter_map(|v| Some(v.host_path.as_ref()?.path.to_string()));
    let found = Declared {
        // The hooks of a pod's containers run at the same time (kubernetes v1.36.3 `pkg/kubelet/kuberuntime` `killContainersWithSyncResult`).
        pre_stop_ms: running().filter_map(hook).max(),
        active_deadline_ms: spec.active_deadline_seconds.map(|s| s.saturating_mul(1000)),
        initial_delay_ms: running().filter_map(delay).max().unwrap_or(0),
        host_paths: paths.filter(|p| !is_system_path(p)).collect(),
    };
    (found != Declared::default()).then_some(found)
}

fn is_system_path(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    path.is_empty()
        || SYSTEM_PATHS.iter().any(|s| path == *s || path.strip_prefix(s).is_some_and(|rest| rest.starts_with('/')))
}

/// The least time a hook takes, in milliseconds: what it sleeps. One that does something else may be over at once.
fn least_ms(hook: &Hook<'_>) -> i64 {
    let slept = hook.sleep.as_ref().map_or(0, |s| s.seconds.max(0).saturating_mul(1000));
    let run = hook.exec.as_ref().map_or(0, |e| {
        let words: Vec<&str> = e.command.iter().map(|w| &**w).collect();
        command_ms(&words)
    });
    slept.max(run)
}

/// What a command sleeps: `sleep 30`, `sh -c "sleep 1m; nginx -s quit"`, PowerShell's `Start-Sleep -Seconds 30`. Sleeps follow one another; one
/// within a loop counts once, which is the least.
fn command_ms(words: &[&str]) -> i64 {
    // An argument with spaces is a script; its words are the shell's.
    let separators =
        |c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '{' | '}' | '"' | '\'' | '`');
    let words: Vec<&str> = words.iter().flat_map(|w| w.split(separators)).filter(|w| !w.is_empty()).collect();
    let mut sum = 0i64;
    let mut i = 0;
    while i < words.len() {
        let name = words[i].rsplit('/').next().unwrap_or("");
        i += 1;
        if name == "sleep" {
            while let Some(ms) = words.get(i).and_then(|w| duration_ms(w)) {
                sum = sum.saturating_add(ms);
                i += 1;
            }
        } else if name.eq_ignore_ascii_case("start-sleep") {
            let unit = words.get(i).filter(|w| w.starts_with('-'));
            i += usize::from(unit.is_some());
            let divisor = if unit.is_some_and(|u| u.to_ascii_lowercase().starts_with("-m")) { 1000 } else { 1 };
            if let Some(ms) = words.get(i).and_then(|w| duration_ms(w)) {
                sum = sum.saturating_add(ms / divisor);
                i += 1;
            }
        }
    }
    sum
}

/// A duration of `sleep`, in milliseconds: a number with at most one unit of `s`, `m`, `h`, `d`.
fn duration_ms(word: &str) -> Option<i64> {
    if matches!(word, "infinity" | "inf") {
        return Some(i64::MAX);
    }
    let (number, unit_ms) = match word.char_indices().next_back()? {
        (at, 's') => (&word[..at], 1_000),
        (at, 'm') => (&word[..at], 60_000),
        (at, 'h') => (&word[..at], 3_600_000),
        (at, 'd') => (&word[..at], 86_400_000),
        _ => (word, 1_000),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    let thousandths: String = part.chars().chain("000".chars()).take(3).collect();
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    Some(whole.saturating_mul(unit_ms).saturating_add(thousandths.parse::<i64>().ok()? * unit_ms / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_hooks_sleeps_are_read_in_every_form() {
        for (command, seconds) in [
            (vec!["sleep", "600"], 600),
            (vec!["/bin/sleep", "10m"], 600),
            (vec!["sleep", "1m", "30s"], 90),
            (vec!["sh", "-c", "sleep 15; nginx -s quit"], 15),
            (vec!["/bin/bash", "-c", "echo bye && /usr/bin/sleep 5 && (sleep 7)"], 12),
            (vec!["/bin/sh", "-c", "sleep $GRACE"], 0),
            (vec!["powershell", "-Command", "Start-Sleep -Seconds 20"], 20),
            (vec!["powershell", "Start-Sleep", "-m", "1500"], 1),
            (vec!["/usr/sbin/nginx", "-s", "quit"], 0),
        ] {
            assert_eq!(command_ms(&command) / 1000, seconds, "{command:?}");
        }
        assert_eq!(command_ms(&["sleep", "0.5"]), 500);
        assert_eq!(command_ms(&["sleep", "infinity"]), i64::MAX);
    }

    #[test]
    fn what_a_spec_declares_is_the_most_of_its_containers() {
        let text = json!({"activeDeadlineSeconds": 60,
            "volumes": [{"name": "a", "hostPath": {"path": "/data/db"}}, {"name": "b", "hostPath": {"path": "/etc/ssl/"}}, {"name": "c", "hostPath": {"path": "/"}}],
            "initContainers": [
                {"name": "once", "readinessProbe": {"initialDelaySeconds": 99}, "lifecycle": {"preStop": {"sleep": {"seconds": 99}}}},
                {"name": "proxy", "restartPolicy": "Always", "lifecycle": {"preStop": {"sleep": {"seconds": 30}}}}],
            "containers": [
                {"name": "app", "readinessProbe": {"initialDelaySeconds": 5}, "startupProbe": {"initialDelaySeconds": 40},
                 "lifecycle": {"preStop": {"httpGet": {"path": "/stop", "port": 80}}}}]})
        .to_string();
        let spec: PodSpec<'_> = serde_json::from_str(&text).expect("a spec");
        let wanted = Declared {
            pre_stop_ms: Some(30_000),
            active_deadline_ms: Some(60_000),
            initial_delay_ms: 40_000,
            host_paths: vec!["/data/db".into()],
        };
        assert_eq!(declared(&spec), Some(wanted));
        let plain: PodSpec<'_> = serde_json::from_str(r#"{"containers": [{"name": "app"}]}"#).expect("a spec");
        assert_eq!(declared(&plain), None);
    }
}
