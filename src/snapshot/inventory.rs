//! What a dump shows beside workloads: kinds, containers that do not run, ConfigMaps that other controllers write.
//!
//! ConfigMaps hold what they like, so nothing of them is kept but of two that are known by name or key.

use super::builder::Builder;
use super::document::Item;
use super::kinds::group;
use super::time::parse_rfc3339;
use super::wire::pod as wire;
use super::wire::scalar::Pairs;
use super::wire::{Bare, Meta};
use crate::cluster::{AutoscaledGroup, AutoscalerStatus, Inventory, OceanConfig, SpecIdx};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The ConfigMap that cluster-autoscaler writes (kubernetes/autoscaler `clusterstate/utils/status.go`).
const AUTOSCALER_STATUS: &str = "cluster-autoscaler-status";
/// Its annotation with the moment of the last write.
const LAST_UPDATED: &str = "cluster-autoscaler.kubernetes.io/last-updated";
/// The key by which Ocean's controller knows its cluster, in the ConfigMap that its installation makes.
const OCEAN_IDENTIFIER: &str = "spotinst.cluster-identifier";

/// A ConfigMap of text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigMap<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    data: Pairs<'a>,
}

/// What objects of kinds that the reader does not know tell.
pub(super) fn read_others(inventory: &mut Inventory, others: &[Item<'_>], unknown: &BTreeMap<String, usize>) {
    inventory.others = unknown.clone();
    inventory.kinds.extend(unknown.keys().cloned());
    for item in others.iter().filter(|i| &*i.kind == "ConfigMap" && group(&i.api_version).is_empty()) {
        // The name first: the others may be large, and are none of our business.
        let Ok(Bare { metadata }) = item.raw.decode::<Bare<'_>>() else { continue };
        let Ok(map) = item.raw.decode::<ConfigMap<'_>>() else { continue };
        let object = format!("{}/{}", metadata.ns(), &*metadata.name);
        if &*metadata.name == AUTOSCALER_STATUS {
            inventory.autoscaler = Some(autoscaler_status(object, &map));
        } else if let Some(identifier) = map.data.get(OCEAN_IDENTIFIER).filter(|i| !i.is_empty()) {
            inventory.ocean_config = Some(OceanConfig { object, identifier: identifier.to_string() });
        }
    }
}

fn autoscaler_status(object: String, map: &ConfigMap<'_>) -> AutoscalerStatus {
    let text = map.data.get("status").map_or("", |t| &**t);
    let mut status = AutoscalerStatus { object, ..AutoscalerStatus::default() };
    let written = map.metadata.annotations.get(LAST_UPDATED).and_then(|t| go_time(t));
    match serde_saphyr::from_str::<Value>(text).ok().filter(Value::is_object) {
        // Since cluster-autoscaler 1.30 it is YAML.
        Some(value) if value.get("nodeGroups").is_some() || value.get("autoscalerStatus").is_some() => {
            status.state = value["autoscalerStatus"].as_str().map(str::to_owned);
            let groups = value["nodeGroups"].as_array().map_or(&[][..], |g| g);
            status.groups = groups.iter().filter_map(group_of_value).collect();
            status.updated_unix_ms = written.or_else(|| value["time"].as_str().and_then(go_time));
        }
        _ => {
            status.groups = groups_of_text(text);
            let head = text.lines().next().and_then(|l| l.strip_prefix("Cluster-autoscaler status at "));
            status.updated_unix_ms = written.or_else(|| go_time(head?.trim_end_matches(':')));
        }
    }
    status
}

fn group_of_value(value: &Value) -> Option<AutoscaledGroup> {
    Some(AutoscaledGroup {
        name: value.get("name")?.as_str()?.to_owned(),
        min: value.pointer("/health/minSize").and_then(Value::as_i64),
        max: value.pointer("/health/maxSize").and_then(Value::as_i64),
    })
}

/// The groups of the older form: a line `Name: …`, then `Health: … (minSize=1, maxSize=5))`.
fn groups_of_text(text: &str) -> Vec<AutoscaledGroup> {
    let mut groups: Vec<AutoscaledGroup> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("Name:") {
            groups.push(AutoscaledGroup { name: name.trim().to_owned(), ..AutoscaledGroup::default() });
        } else if let Some(last) = groups.last_mut().filter(|_| line.starts_with("Health:")) {
            last.min = number_after(line, "minSize=");
            last.max = number_after(line, "maxSize=");
        }
    }
    groups
}

fn number_after(line: &str, key: &str) -> Option<i64> {
    let rest = &line[line.find(key)? + key.len()..];
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// A moment as Go prints it (`2024-05-21 12:34:56.123456 +0000 UTC`), or in RFC 3339; milliseconds since 1970.
fn go_time(text: &str) -> Option<i64> {
    let text = text.trim();
    parse_rfc3339(text).or_else(|| {
        let mut parts = text.split_whitespace();
        let (date, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
        let zone = match zone {
            "UTC" | "+0000" => "Z".to_owned(),
            offset => format!("{}:{}", offset.get(..3)?, offset.get(3..)?),
        };
        parse_rfc3339(&format!("{date}T{time}{zone}"))
    })
}

impl Builder {
    /// Notes why containers of a live pod do not run.
    pub(super) fn note_not_running(&mut self, pod: &wire::Pod<'_>, spec: SpecIdx) {
        let status = &pod.status;
        if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
            return;
        }
        for container in status.init_container_statuses.iter().chain(status.container_statuses.iter()) {
            let Some(state) = &container.state else { continue };
            let waiting = state.waiting.as_ref().map(|w| w.reason.as_deref().unwrap_or("waiting"));
            let ended = state.terminated.as_ref().map(|t| t.reason.as_deref().unwrap_or("terminated"));
            // An init container that has done its work is as it should be.
            let Some(reason) = waiting.or(ended).filter(|r| *r != "Completed") else { continue };
            let text = match container.restart_count {
                n if n <= 0 => reason.to_owned(),
                1 => format!("{reason}, 1 restart"),
                n => format!("{reason}, {n} restarts"),
            };
            self.catalog.inventory.not_running.insert(spec, text);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;
    use serde_json::json;

    fn inventory(objects: &[Value]) -> Inventory {
        Snapshot::from_objects(objects).expect("a dump").cluster.catalog.inventory.clone()
    }

    fn config_map(name: &str, data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "kube-system",
            "annotations": {LAST_UPDATED: "2026-11-21 10:00:00.5 +0000 UTC"}}, "data": data})
    }

    #[test]
    fn both_forms_of_cluster_autoscalers_status_are_read() {
        let yaml = "time: 2026-11-21 10:00:00 +0000 UTC\nautoscalerStatus: Running\nclusterWide: {}\nnodeGroups:\n\
            - name: aks-old-1-vmss\n  health:\n    status: Healthy\n    minSize: 1\n    maxSize: 5\n";
        let text = "Cluster-autoscaler status at 2026-11-21 09:00:00 +0000 UTC:\nCluster-wide:\n  Health:      Healthy\n\n\
            NodeGroups:\n  Name:        aks-old-1-vmss\n  Health:      Healthy (ready=3 cloudProviderTarget=3 (minSize=1, maxSize=5))\n";
        for (form, state) in [(yaml, Some("Running")), (text, None)] {
            let found = inventory(&[config_map(AUTOSCALER_STATUS, json!({"status": form}))]);
            let status = found.autoscaler.expect("the status");
            assert_eq!(status.groups, [AutoscaledGroup { name: "aks-old-1-vmss".into(), min: Some(1), max: Some(5) }]);
            assert_eq!(
                (status.state.as_deref(), status.object.as_str()),
                (state, "kube-system/cluster-autoscaler-status")
            );
            assert_eq!(status.updated_unix_ms, parse_rfc3339("2026-11-21T10:00:00.5Z"));
        }
        assert_eq!(go_time("2026-11-21 12:00:00 +0200 EET"), parse_rfc3339("2026-11-21T10:00:00Z"));
        assert_eq!(go_time("yesterday"), None);
    }

    #[test]
    fn of_config_maps_only_the_two_are_kept() {
        let found = inventory(&[
            config_map("settings", json!({"password": "x"})),
            config_map("ocean", json!({OCEAN_IDENTIFIER: "prod-1"})),
        ]);
        let ocean = found.ocean_config.clone().expect("the identifier");
        assert_eq!((ocean.object.as_str(), ocean.identifier.as_str()), ("kube-system/ocean", "prod-1"));
        assert!(!format!("{found:?}").contains("password"), "{found:?}");
        assert!(found.has("ConfigMap") && !found.has("Deployment"));
    }

    #[test]
    fn why_a_container_does_not_run_is_kept_with_its_restarts() {
        let pod = |name: &str, status: Value| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "a", "uid": name},
                "spec": {"containers": [{"name": "c", "image": "x"}]}, "status": status})
        };
        let waiting = |reason: &str, n: i64| {
            json!({"phase": "Running", "containerStatuses": [
                {"name": "s", "restartCount": 0, "state": {"running": {}}},
                {"name": "c", "restartCount": n, "state": {"waiting": {"reason": reason}}}]})
        };
        let done = json!({"phase": "Running", "initContainerStatuses": [{"state": {"terminated": {"reason": "Completed"}}}],
            "containerStatuses": [{"state": {"running": {}}}]});
        let found = inventory(&[
            pod("a", waiting("CrashLoopBackOff", 88)),
            pod("b", waiting("ImagePullBackOff", 0)),
            pod("c", done),
        ]);
        let texts: Vec<&str> = found.not_running.values().map(String::as_str).collect();
        assert_eq!(texts, ["CrashLoopBackOff, 88 restarts", "ImagePullBackOff"]);
    }
}
