//! A mapping file to be filled in: what is known already, and every question that is open with what it is needed for.

use super::mapping::{MAPPING_VERSION, Mapping};
use super::rules::{Ask, Found};
use super::yaml::scalar;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What stands above each part of the file.
const PARTS: &[(&str, &str)] = &[
    ("source", "The cluster that workloads leave."),
    ("target", "The cluster that they move to."),
    ("registries", "Registries of images by host (or host/path): where their images are imported to."),
    ("images", "Single images, before registries is looked at."),
    (
        "identities",
        "IAM roles of service accounts by ARN: the managed identity, and the Azure roles that do what the IAM role's policies did.",
    ),
    (
        "pod_identities",
        "EKS Pod Identity associations, which no manifest shows: namespace/serviceaccount: ARN of the role.",
    ),
    (
        "access",
        "IAM principals of aws-auth and access entries by ARN: who they are on the target (object_id: none for nobody).",
    ),
    ("storage_classes", "Storage classes by name: the class of the target."),
    (
        "ingress",
        "target: gateway (default) or nginx; class; certificates: Secrets by host name; dns_zones: resource groups of Azure DNS zones, or dns_command.",
    ),
    (
        "endpoints",
        "Host names, URLs and ARNs in configuration: what stands there on the target; the same text if it stays.",
    ),
    ("queues", "Queues that KEDA scales by: kind (service-bus, storage-queue), account, queue."),
    ("vault_objects", "Names of secrets in AWS: their names in the key vault."),
    ("node_labels", "Labels of nodes that pods ask for: key=value on the target, or \"\" to ask for none."),
    ("node_customization", "Where that is done which custom images and user data of nodes did."),
    (
        "network",
        "plugin: azure-cni-overlay, azure-cni, azure-cni-dynamic, azure-cni-cilium, kubenet or byo; ranges of addresses.",
    ),
    (
        "data",
        "How data moves: Velero's bucket and container, fences and checks of workloads, claims that are left behind.",
    ),
    ("checklist", "What must be so before traffic is redirected: evidence in words or a link."),
    ("accepted", "Findings that are taken as they are: \"code object\" or \"code object field\": the reason."),
];

/// The mapping of what is known with all open questions, every one with a comment; null is open.
pub fn skeleton(mapping: &Mapping, found: &[Found], checklist: &[(&str, &str)]) -> String {
    let asks: Vec<&Ask> =
        found.iter().filter(|f| f.finding.accepted.is_none()).filter_map(|f| f.ask.as_ref()).collect();
    let mut value = serde_json::to_value(mapping).unwrap_or(Value::Null);
    let mut comments: BTreeMap<Vec<String>, String> = BTreeMap::new();
    for ask in asks {
        let place = insert(&mut value, &ask.path);
        if place {
            let usual = ask.suggestion.as_ref().map_or(String::new(), |s| format!(" Usually {s}."));
            comments.insert(ask.path.clone(), format!("{}.{usual}", ask.how.trim_end_matches('.')));
        }
    }
    for (name, question) in checklist {
        let path = vec!["checklist".to_owned(), (*name).to_owned()];
        insert(&mut value, &path);
        comments.insert(path, (*question).to_owned());
    }
    let mut text = format!(
        "# Mapping for `nodeferry transfer`. The form: nodeferry schema transfer-mapping.\n\
         # null is a question that is open. No credential belongs in here.\n\
         transfer_mapping: {MAPPING_VERSION}\n"
    );
    for (part, what) in PARTS {
        text.push_str(&format!("\n# {what}\n"));
        write(part, value.get(*part).unwrap_or(&Value::Null), &mut vec![(*part).to_owned()], &comments, &mut text);
    }
    text
}

/// Puts a null where there is nothing; false where the path is not one of the mapping.
fn insert(value: &mut Value, path: &[String]) -> bool {
    let mut place = &mut *value;
    for key in path {
        // An identity, a principal or a queue has all of its fields.
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Some(map) = place.as_object_mut() else { return false };
        place = map.entry(key.clone()).or_insert(Value::Null);
    }
    let fields: &[&str] = match path {
        [part, _, _] if part == "identities" => &["name", "client_id", "roles"],
        [part, _, _] if part == "access" => &["object_id", "role"],
        [part, _, _] if part == "queues" => &["kind", "account", "queue"],
        _ => return true,
    };
    if let Some(map) = path.get(..2).and_then(|p| value.get_mut(&p[0])?.get_mut(&p[1])?.as_object_mut()) {
        for field in fields {
            map.entry((*field).to_owned()).or_insert(Value::Null);
        }
    }
    true
}

fn write(
    key: &str,
    value: &Value,
    path: &mut Vec<String>,
    comments: &BTreeMap<Vec<String>, String>,
    text: &mut String,
) {
    let pad = "  ".repeat(path.len() - 1);
    if let Some(comment) = comments.get(path) {
        text.push_str(&format!("{pad}# {comment}\n"));
    }
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push_str(&format!("{pad}{}:\n", scalar(key)));
            for (key, value) in map {
                path.push(key.clone());
                write(key, value, path, comments, text);
                path.pop();
            }
        }
        Value::String(s) => text.push_str(&format!("{pad}{}: {}\n", scalar(key), scalar(s))),
        // JSON is YAML.
        other => text.push_str(&format!("{pad}{}: {other}\n", scalar(key))),
    }
}
