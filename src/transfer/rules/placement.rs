//! Where pods ask to run: selectors, affinity and tolerations for nodes of EKS and Karpenter.

use super::{Ask, Code, Found, Ground, Rule, Sink, code};
use crate::transfer::edit::{Edit, step};
use crate::transfer::finding::Severity;
use crate::transfer::inventory::Item;
use serde_json::{Value, json};

const LABEL: Code = code(
    "transfer-node-label",
    Severity::Rewritten,
    "a label of nodes that pods ask for is that of the target, or asked for no more",
);
const UNMAPPED: Code =
    code("transfer-node-label-unmapped", Severity::Blocks, "pods ask for a label that nodes of the target do not have");
const SPOT: Code = code("transfer-spot", Severity::Rewritten, "pods on spot nodes ask for and tolerate those of AKS");
const TOLERATION: Code =
    code("transfer-toleration", Severity::Rewritten, "a toleration of a taint that only nodes of EKS have goes");
const SPREAD: Code =
    code("transfer-topology-key", Severity::Blocks, "pods spread by a label that nodes of the target do not have");
const DISRUPT: Code = code(
    "transfer-do-not-disrupt",
    Severity::Note,
    "an annotation for Karpenter stays: node auto-provisioning of AKS reads it, the cluster autoscaler does not",
);

/// The rule.
pub(super) const RULE: Rule =
    Rule { subject: "Placement", codes: &[LABEL, UNMAPPED, SPOT, TOLERATION, SPREAD, DISRUPT], judge };

const SPOT_KEY: &str = "kubernetes.azure.com/scalesetpriority";

/// What a label of nodes becomes.
enum Becomes {
    /// It is the same everywhere.
    Same,
    /// Another label.
    Label(String, String),
    /// It is asked for no more.
    Nothing,
    /// Spot nodes.
    Spot,
    /// It is not known.
    Open,
}

fn is_aws_key(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(d, _)| d);
    ["eks.amazonaws.com", "karpenter.k8s.aws", "k8s.amazonaws.com", "node.eks.amazonaws.com", "vpc.amazonaws.com"]
        .contains(&domain)
        || domain.ends_with(".k8s.aws")
        || domain.ends_with("eksctl.io")
}

/// What a label of nodes becomes, by its key and value ("" for any).
fn becomes(g: &Ground<'_>, key: &str, value: &str) -> Becomes {
    for asked in [format!("{key}={value}"), key.to_owned()] {
        match g.mapping.node_labels.get(&asked) {
            Some(Some(to)) if to.is_empty() => return Becomes::Nothing,
            Some(Some(to)) => {
                let (k, v) = to.split_once('=').unwrap_or((to, value));
                return match k == key && v == value {
                    true => Becomes::Same,
                    false => Becomes::Label(k.to_owned(), v.to_owned()),
                };
            }
            Some(None) => return Becomes::Open,
            None => {}
        }
    }
    match (key, value) {
        ("eks.amazonaws.com/capacityType", "SPOT")
        | ("karpenter.sh/capacity-type", "spot")
        | ("node-lifecycle" | "lifecycle", "spot" | "Ec2Spot") => Becomes::Spot,
        ("eks.amazonaws.com/capacityType", "ON_DEMAND") | ("karpenter.sh/capacity-type", "on-demand") => {
            Becomes::Nothing
        }
        ("eks.amazonaws.com/compute-type", "ec2" | "auto") => Becomes::Nothing,
        // The family and the size say what is wanted of AWS; the zone's name is one of AWS.
        ("node.kubernetes.io/instance-type" | "beta.kubernetes.io/instance-type", v) if v.contains('.') => {
            Becomes::Open
        }
        (
            "topology.kubernetes.io/zone"
            | "failure-domain.beta.kubernetes.io/zone"
            | "topology.kubernetes.io/region"
            | "failure-domain.beta.kubernetes.io/region"
            | "topology.ebs.csi.aws.com/zone",
            v,
        ) if is_aws_place(v) => Becomes::Open,
        ("karpenter.sh/nodepool" | "karpenter.sh/provisioner-name", _) => Becomes::Open,
        (key, _) if is_aws_key(key) => Becomes::Open,
        _ => Becomes::Same,
    }
}

/// Whether a text is a region or zone of AWS (`eu-west-1`, `us-east-1a`, `use1-az1`).
fn is_aws_place(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [_, az] if az.starts_with("az") => true,
        [a, .., last] if parts.len() >= 3 && a.len() == 2 => {
            last.bytes().next().is_some_and(|b| b.is_ascii_digit()) && last.len() <= 2
        }
        _ => false,
    }
}

fn ask(key: &str, value: &str) -> Ask {
    let label = if value.is_empty() { key.to_owned() } else { format!("{key}={value}") };
    let usual = match key {
        "eks.amazonaws.com/nodegroup"
        | "alpha.eksctl.io/nodegroup-name"
        | "karpenter.sh/nodepool"
        | "karpenter.sh/provisioner-name" => Some(format!("kubernetes.azure.com/agentpool={}", pool_name(value))),
        k if k.ends_with("/zone") => value
            .chars()
            .last()
            .filter(char::is_ascii_lowercase)
            .map(|c| format!("topology.kubernetes.io/zone=<location>-{}", u32::from(c) - u32::from('a') + 1)),
        _ => None,
    };
    let asked = Ask::at(
        &["node_labels", &label],
        "key=value of a label that nodes of the target have, or \"\" to ask for none",
    );
    match usual {
        Some(usual) => asked.suggest(usual),
        None => asked,
    }
}

/// A name as AKS takes it for a pool: lower-case letters and digits, at most 12, a letter first.
pub(in crate::transfer) fn pool_name(text: &str) -> String {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let plain: String = plain.trim_start_matches(|c: char| c.is_ascii_digit()).chars().take(12).collect();
    if plain.is_empty() { "pool".to_owned() } else { plain }
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    for (item, template) in g.workloads() {
        let mut spot = false;
        selector(g, item, template, &mut spot, sink);
        affinity(g, item, template, &mut spot, sink);
        tolerations(g, item, template, &mut spot, sink);
        spread(item, template, sink);
        let key = "karpenter.sh/do-not-disrupt";
        let at = format!("{template}/metadata/annotations{}", step(key));
        if let Some(value) = item.text(&at) {
            sink.add(
                Found::new(
                    item,
                    &DISRUPT,
                    "with the cluster autoscaler use cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\"",
                )
                .at(&at)
                .was(value),
            );
        }
    }
}

fn tolerate_spot(item: &Item, template: &str, at: &str, was: &str, set: Option<Edit>, sink: &mut Sink) {
    let mut found = Found::new(item, &SPOT, "spot nodes of AKS are tainted")
        .at(at)
        .was(was)
        .becomes(format!("{SPOT_KEY}=spot, tolerated"))
        .edit(Edit::Append(
            format!("{template}/spec/tolerations"),
            json!({"key": SPOT_KEY, "operator": "Equal", "value": "spot", "effect": "NoSchedule"}),
        ));
    if let Some(set) = set {
        found = found.edit(set);
    }
    sink.add(found);
}

fn selector(g: &Ground<'_>, item: &Item, template: &str, spot: &mut bool, sink: &mut Sink) {
    let base = format!("{template}/spec/nodeSelector");
    for (key, value) in item.object.pointer(&base).and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let at = format!("{base}{}", step(key));
        let remove = || Edit::Remove(at.clone());
        match becomes(g, key, value) {
            Becomes::Same => {}
            Becomes::Label(k, v) => sink.add(
                Found::new(item, &LABEL, "the label of the mapping")
                    .at(&at)
                    .was(format!("{key}={value}"))
                    .becomes(format!("{k}={v}"))
                    .edit(remove())
                    .edit(Edit::Set(format!("{base}{}", step(&k)), v.as_str().into())),
            ),
            Becomes::Nothing => sink.add(
                Found::new(item, &LABEL, "nodes of the target need no such label")
                    .at(&at)
                    .was(format!("{key}={value}"))
                    .edit(remove()),
            ),
            Becomes::Spot => {
                *spot = true;
                sink.add(
                    Found::new(item, &LABEL, "said by the label of AKS")
                        .at(&at)
                        .was(format!("{key}={value}"))
                        .becomes(format!("{SPOT_KEY}=spot"))
                        .edit(remove()),
                );
                tolerate_spot(
                    item,
                    template,
                    &at,
                    value,
                    Some(Edit::Set(format!("{base}{}", step(SPOT_KEY)), "spot".into())),
                    sink,
                );
            }
            Becomes::Open => sink.add(
                Found::new(item, &UNMAPPED, "its pods would stay Pending")
                    .at(&at)
                    .was(format!("{key}={value}"))
                    .ask(ask(key, value)),
            ),
        }
    }
}

fn affinity(g: &Ground<'_>, item: &Item, template: &str, spot: &mut bool, sink: &mut Sink) {
    let base = format!("{template}/spec/affinity/nodeAffinity");
    let mut expressions = Vec::new();
    let required = format!("{base}/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    let preferred = format!("{base}/preferredDuringSchedulingIgnoredDuringExecution");
    for (list, inner, is_required) in [(required, "", true), (preferred, "/preference", false)] {
        let terms = item.object.pointer(&list).and_then(Value::as_array).map_or(0, Vec::len);
        for i in 0..terms {
            let at = format!("{list}/{i}{inner}/matchExpressions");
            let count = item.object.pointer(&at).and_then(Value::as_array).map_or(0, Vec::len);
            expressions.extend((0..count).map(|j| (format!("{at}/{j}"), is_required)));
        }
    }
    for (at, is_required) in expressions {
        let Some(key) = item.text(&format!("{at}/key")) else { continue };
        let operator = item.text(&format!("{at}/operator")).unwrap_or("In");
        let values: Vec<&str> = item
            .object
            .pointer(&format!("{at}/values"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        expression(g, item, template, &at, key, operator, &values, is_required, spot, sink);
    }
}

#[expect(clippy::too_many_arguments, reason = "an expression is what it consists of")]
fn expression(
    g: &Ground<'_>,
    item: &Item,
    template: &str,
    at: &str,
    key: &str,
    operator: &str,
    values: &[&str],
    required: bool,
    spot: &mut bool,
    sink: &mut Sink,
) {
    let shown = match values {
        [] => format!("{key} {operator}"),
        values => format!("{key} {operator} {}", values.join(", ")),
    };
    let each: Vec<(&str, Becomes)> = match values {
        [] => vec![("", becomes(g, key, ""))],
        values => values.iter().map(|v| (*v, becomes(g, key, v))).collect(),
    };
    if each.iter().all(|(_, b)| matches!(b, Becomes::Same)) {
        return;
    }
    if let Some((value, _)) = each.iter().find(|(_, b)| matches!(b, Becomes::Open)) {
        // What only excludes, or is only preferred, keeps no pod from running.
        if !required || operator == "NotIn" || operator == "DoesNotExist" {
            let message = "no node of the target has the label, so that it says nothing there";
            sink.add(Found::new(item, &LABEL, message).at(at).was(shown).edit(Edit::Remove(at.to_owned())));
            return;
        }
        sink.add(Found::new(item, &UNMAPPED, "its pods would stay Pending").at(at).was(shown).ask(ask(key, value)));
        return;
    }
    let is_spot = each.iter().any(|(_, b)| matches!(b, Becomes::Spot));
    if is_spot && operator == "In" {
        *spot = true;
        let only = each.iter().all(|(_, b)| matches!(b, Becomes::Spot));
        let edit = match only {
            true => Edit::Set(at.to_owned(), json!({"key": SPOT_KEY, "operator": "In", "values": ["spot"]})),
            false => Edit::Remove(at.to_owned()),
        };
        tolerate_spot(item, template, at, &shown, Some(edit), sink);
        return;
    }
    if is_spot && operator == "NotIn" {
        // Nodes of AKS that are not spot do not have the label.
        let edit = Edit::Set(at.to_owned(), json!({"key": SPOT_KEY, "operator": "NotIn", "values": ["spot"]}));
        sink.add(
            Found::new(item, &LABEL, "said by the label of AKS")
                .at(at)
                .was(shown)
                .becomes(format!("{SPOT_KEY} NotIn spot"))
                .edit(edit),
        );
        return;
    }
    let labels: Vec<(String, String)> = each
        .iter()
        .filter_map(|(value, b)| match b {
            Becomes::Label(k, v) => Some((k.clone(), v.clone())),
            Becomes::Same => Some((key.to_owned(), (*value).to_owned())),
            _ => None,
        })
        .collect();
    let keys: std::collections::BTreeSet<&str> = labels.iter().map(|(k, _)| k.as_str()).collect();
    match keys.len() {
        0 => sink.add(
            Found::new(item, &LABEL, "nodes of the target need no such label")
                .at(at)
                .was(shown)
                .edit(Edit::Remove(at.to_owned())),
        ),
        1 => {
            let to = keys.first().copied().unwrap_or_default();
            let mut values: Vec<&str> = labels.iter().map(|(_, v)| v.as_str()).collect();
            values.dedup();
            let mut value = json!({"key": to, "operator": operator});
            if !each.iter().all(|(v, _)| v.is_empty()) {
                value["values"] = values.clone().into();
            }
            let becomes = format!("{to} {operator} {}", values.join(", "));
            sink.add(
                Found::new(item, &LABEL, "the label of the mapping")
                    .at(at)
                    .was(shown)
                    .becomes(becomes.trim())
                    .edit(Edit::Set(at.to_owned(), value)),
            );
        }
        _ => sink.add(
            Found::new(item, &UNMAPPED, "its values become labels of different keys, which one expression cannot say")
                .at(at)
                .was(shown)
                .remedy("map all values of the key to one key under node_labels in the mapping"),
        ),
    }
}

fn tolerations(g: &Ground<'_>, item: &Item, template: &str, spot: &mut bool, sink: &mut Sink) {
    let base = format!("{template}/spec/tolerations");
    for (i, toleration) in item.object.pointer(&base).and_then(Value::as_array).into_iter().flatten().enumerate() {
        let Some(key) = toleration.get("key").and_then(Value::as_str) else { continue };
        let value = toleration.get("value").and_then(Value::as_str).unwrap_or_default();
        let at = format!("{base}/{i}");
        match becomes(g, key, value) {
            Becomes::Label(k, v) => sink.add(
                Found::new(item, &TOLERATION, "the taint of the mapping's label")
                    .at(&at)
                    .was(format!("{key}={value}"))
                    .becomes(format!("{k}={v}"))
                    .edit(Edit::Set(at.clone(), tolerated(toleration, &k, &v))),
            ),
            Becomes::Spot if !*spot => {
                *spot = true;
                tolerate_spot(item, template, &at, &format!("{key}={value}"), Some(Edit::Remove(at.clone())), sink);
            }
            Becomes::Spot | Becomes::Nothing => sink.add(
                Found::new(item, &TOLERATION, "no node of the target has the taint")
                    .remove(&at, &format!("{key}={value}")),
            ),
            Becomes::Open | Becomes::Same if is_aws_key(key) || key.starts_with("karpenter.sh/") => {
                sink.add(
                    Found::new(item, &TOLERATION, "no node of the target has the taint")
                        .remove(&at, &format!("{key}={value}")),
                );
            }
            Becomes::Open | Becomes::Same => {}
        }
    }
}

/// A toleration of another taint.
fn tolerated(toleration: &Value, key: &str, value: &str) -> Value {
    let mut new = toleration.clone();
    new["key"] = key.into();
    if new.get("value").is_some() {
        new["value"] = value.into();
    }
    new
}

fn spread(item: &Item, template: &str, sink: &mut Sink) {
    let mut keys = Vec::new();
    let base = format!("{template}/spec/topologySpreadConstraints");
    for (i, c) in item.object.pointer(&base).and_then(Value::as_array).into_iter().flatten().enumerate() {
        let hard = c.get("whenUnsatisfiable").and_then(Value::as_str) != Some("ScheduleAnyway");
        keys.push((format!("{base}/{i}"), "topologyKey", hard));
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let base = format!("{template}/spec/affinity/{kind}");
        let required = format!("{base}/requiredDuringSchedulingIgnoredDuringExecution");
        let count = item.object.pointer(&required).and_then(Value::as_array).map_or(0, Vec::len);
        keys.extend((0..count).map(|i| (format!("{required}/{i}"), "topologyKey", true)));
    }
    for (at, field, hard) in keys {
        let at = format!("{at}/{field}");
        let Some(key) = item.text(&at) else { continue };
        match key {
            "failure-domain.beta.kubernetes.io/zone" | "topology.ebs.csi.aws.com/zone" | "topology.k8s.aws/zone-id" => {
                sink.add(Found::new(item, &LABEL, "the label of zones on the target").set(
                    &at,
                    key,
                    "topology.kubernetes.io/zone",
                ));
            }
            "karpenter.sh/capacity-type" | "eks.amazonaws.com/capacityType" => {
                sink.add(
                    Found::new(item, &LABEL, "the label of spot nodes on the target; others do not have it")
                        .set(&at, key, SPOT_KEY),
                );
            }
            key if is_aws_key(key) || key.starts_with("karpenter.sh/") => {
                let found =
                    Found::new(item, if hard { &SPREAD } else { &LABEL }, "no node of the target has the label")
                        .at(&at)
                        .was(key);
                sink.add(match hard {
                    true => {
                        found.remedy("spread by topology.kubernetes.io/zone or kubernetes.io/hostname in the manifest")
                    }
                    false => found
                        .becomes("topology.kubernetes.io/zone")
                        .edit(Edit::Set(at, "topology.kubernetes.io/zone".into())),
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_zones_of_aws_are_known_by_their_form() {
        for (text, is) in [
            ("eu-west-1", true),
            ("us-east-1a", true),
            ("us-gov-west-1b", true),
            ("use1-az1", true),
            ("westeurope-1", false),
            ("1", false),
            ("rack-a", false),
        ] {
            assert_eq!(is_aws_place(text), is, "{text}");
        }
    }

    #[test]
    fn names_of_pools_are_as_aks_takes_them() {
        assert_eq!(pool_name("Web_Nodes-2026-large"), "webnodes2026");
        assert_eq!(pool_name("9-gpu"), "gpu");
        assert_eq!(pool_name("--"), "pool");
    }
}
