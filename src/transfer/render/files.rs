//! What is rendered as files.

use super::{Rendered, commands, review};
use crate::transfer::analysis::Judged;
use crate::transfer::checklist;
use crate::transfer::inventory::Inventory;
use crate::transfer::object::ObjectId;
use crate::transfer::plan::{ChecklistItem, SecretKeys, Velero};
use crate::transfer::rules::{self, Ground};
use crate::transfer::yaml;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Everything that `render` writes, by path below the directory.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// The objects and what was changed.
    pub rendered: &'a Rendered,
    /// The findings.
    pub judged: &'a Judged,
    /// What Velero is given.
    pub velero: &'a Velero,
    /// Secrets.
    pub secrets: &'a [SecretKeys],
    /// The checklist.
    pub checklist: &'a [ChecklistItem],
}

/// The files, in order of their paths.
pub fn files(ground: &Ground<'_>, parts: &Parts<'_>) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for object in &parts.rendered.objects {
        let mut path = file_of(&object.id, false);
        if files.contains_key(&path) {
            path = file_of(&object.id, true);
        }
        files.insert(path, yaml::text(&object.object));
    }
    let v = parts.velero;
    let mut add = |path: &str, values: &[&Option<Value>]| {
        let values: Vec<&Value> = values.iter().filter_map(|v| v.as_ref()).collect();
        if !values.is_empty() {
            files.insert(path.to_owned(), yaml::documents(values));
        }
    };
    add("velero/source.yaml", &[&v.source_location]);
    add("velero/target.yaml", &[&v.target_location, &v.class_map, &v.image_map, &v.resource_modifiers]);
    files.insert("identities.sh".into(), commands::identities(ground));
    files.insert("images.sh".into(), commands::images(&parts.judged.analysis.imports));
    files.insert("secrets.md".into(), secrets(parts.secrets));
    files.insert("checklist.md".into(), checklist::text(parts.checklist));
    files.insert("review.diff".into(), review(parts.rendered));
    if let Some(text) = customization(ground) {
        files.insert("node-customization.yaml".into(), text);
    }
    files
}

/// Objects of the cluster stand before those of namespaces, so that `kubectl apply -R` meets namespaces first.
fn file_of(id: &ObjectId, with_group: bool) -> String {
    let directory = id.namespace().map_or("0-cluster".to_owned(), |n| format!("1-{n}"));
    let name: String =
        id.name().chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' }).collect();
    let first = if ["Namespace", "CustomResourceDefinition"].contains(&id.kind()) { "0-" } else { "" };
    let group = if with_group { format!(".{}", id.group()) } else { String::new() };
    format!("manifests/{directory}/{first}{}{group}-{name}.yaml", id.kind().to_lowercase())
}

/// Secrets by name and keys, with the command that makes each.
fn secrets(secrets: &[SecretKeys]) -> String {
    let mut out = "# Secrets\n\nValues are never read, written or logged here. Create each on the target before the wave that uses it.\n".to_owned();
    for s in secrets {
        let (namespace, name) = (s.secret.namespace().unwrap_or_default(), s.secret.name());
        let kind = s.kind.as_deref().unwrap_or("Opaque");
        let _ = writeln!(
            out,
            "\n## {namespace}/{name}\n\ntype {kind}; keys: {}",
            if s.keys.is_empty() { "not known".to_owned() } else { s.keys.join(", ") }
        );
        if !s.seen {
            out.push_str("\nThe input has no such Secret: it is known from those that use it.\n");
        }
        if !s.used_by.is_empty() {
            let users: Vec<&str> = s.used_by.iter().map(ObjectId::as_str).collect();
            let _ = writeln!(out, "\nused by {}", users.join(", "));
        }
        let command = match kind {
            "kubernetes.io/tls" => {
                format!("kubectl create secret tls {name} -n {namespace} --cert=<FILE> --key=<FILE>")
            }
            "kubernetes.io/dockerconfigjson" => format!(
                "kubectl create secret docker-registry {name} -n {namespace} --from-file=.dockerconfigjson=<FILE>"
            ),
            _ => {
                let keys = s.keys.iter().map(|k| format!(" --from-file={}=<FILE>", commands::quoted(k)));
                format!(
                    "kubectl create secret generic {name} -n {namespace}{}{}",
                    if kind == "Opaque" { String::new() } else { format!(" --type={kind}") },
                    keys.collect::<String>()
                )
            }
        };
        let _ = writeln!(out, "\n```sh\n{command}\n```");
    }
    out
}

/// Secrets that must be on the target: those of the input, and those that pods use.
pub fn secret_keys(inventory: &Inventory) -> Vec<SecretKeys> {
    let mut all: BTreeMap<ObjectId, SecretKeys> = BTreeMap::new();
    for item in inventory.items().filter(|i| rules::standing(i) == rules::Standing::Secret && !rules::is_made_secret(i))
    {
        let keys = rules::secret_keys(item);
        let kind = item.text("/type").map(str::to_owned);
        all.insert(
            item.id.clone(),
            SecretKeys { secret: item.id.clone(), kind, keys, seen: true, used_by: Vec::new() },
        );
    }
    for (user, name, key) in rules::secret_uses(inventory) {
        let id = ObjectId::new("v1", "Secret", user.namespace(), &name);
        // What a cluster of AWS makes by itself is not waited for.
        if inventory.get(&id).is_some_and(rules::is_made_secret) {
            continue;
        }
        let entry = all.entry(id.clone()).or_insert_with(|| SecretKeys {
            secret: id,
            kind: None,
            keys: Vec::new(),
            seen: false,
            used_by: Vec::new(),
        });
        if let Some(key) = key.filter(|k| !entry.seen && !entry.keys.contains(k)) {
            entry.keys.push(key);
            entry.keys.sort();
        }
        if !entry.used_by.contains(&user) {
            entry.used_by.push(user);
        }
    }
    all.into_values().collect()
}

/// A skeleton of what takes the place of custom images and user data: the kubelet's configuration, and a DaemonSet.
fn customization(ground: &Ground<'_>) -> Option<String> {
    let classes = rules::customised(ground);
    if classes.is_empty() {
        return None;
    }
    let mut out = "# AKS takes no custom node image. What images and user data did is done by the kubelet's configuration of a pool and by DaemonSets.\n".to_owned();
    for (class, why) in classes {
        let _ = writeln!(out, "#\n# {} ({}): {}", class.id, class.origin, why.join(", "));
        let kubelet =
            class.object.pointer("/spec/kubelet").or_else(|| class.object.pointer("/spec/template/spec/kubelet"));
        if let Some(kubelet) = kubelet {
            let (config, left) = kubelet_config(kubelet);
            let _ = writeln!(
                out,
                "# kubelet-config.json, for az aks nodepool add --kubelet-config kubelet-config.json:\n#   {config}"
            );
            if let Some(pods) = kubelet.get("maxPods").and_then(Value::as_u64) {
                let _ = writeln!(out, "# maxPods {pods}: az aks nodepool add --max-pods {pods}");
            }
            if !left.is_empty() {
                let _ = writeln!(out, "# not settable on AKS: {}", left.join(", "));
            }
        }
        if let Some(data) = class.text("/spec/userData") {
            out.push_str("# user data, to be gone through line by line:\n");
            data.lines().for_each(|l| _ = writeln!(out, "#   {l}"));
        }
    }
    let daemon_set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "node-customization", "namespace": "kube-system", "labels": {"app": "node-customization"}},
        "spec": {"selector": {"matchLabels": {"app": "node-customization"}}, "template": {"metadata": {"labels": {"app": "node-customization"}},
            "spec": {"hostPID": true, "tolerations": [{"operator": "Exists"}], "nodeSelector": {"kubernetes.io/os": "linux"},
                "initContainers": [{"name": "customize", "image": "mcr.microsoft.com/azurelinux/base/core:3.0", "securityContext": {"privileged": true},
                    "command": ["nsenter", "--target", "1", "--mount", "--uts", "--ipc", "--net", "--pid", "--", "sh", "-c"],
                    "args": ["set -eu\n# what the image or the user data did, so that it can be done again and again\necho \"nothing yet\"\n"]}],
                "containers": [{"name": "pause", "image": "mcr.microsoft.com/oss/kubernetes/pause:3.9"}]}}}});
    out.push_str(&yaml::text(&daemon_set));
    Some(out)
}

/// Fields of a kubelet's configuration that a pool of AKS takes, as its file names them; and those that it does not.
fn kubelet_config(kubelet: &Value) -> (Value, Vec<String>) {
    const TAKEN: &[(&str, &str)] = &[
        ("cpuCFSQuota", "cpuCfsQuota"),
        ("cpuCFSQuotaPeriod", "cpuCfsQuotaPeriod"),
        ("cpuManagerPolicy", "cpuManagerPolicy"),
        ("imageGCHighThresholdPercent", "imageGcHighThreshold"),
        ("imageGCLowThresholdPercent", "imageGcLowThreshold"),
        ("topologyManagerPolicy", "topologyManagerPolicy"),
        ("allowedUnsafeSysctls", "allowedUnsafeSysctls"),
        ("containerLogMaxFiles", "containerLogMaxFiles"),
        ("podPidsLimit", "podMaxPids"),
    ];
    let mut config = serde_json::Map::new();
    let mut left = Vec::new();
    for (key, value) in kubelet.as_object().into_iter().flatten() {
        match TAKEN.iter().find(|(k, _)| k == key) {
            Some((_, to)) => drop(config.insert((*to).to_owned(), value.clone())),
            None if key == "maxPods" => {}
            None => left.push(key.clone()),
        }
    }
    (Value::Object(config), left)
}
