//! The rules of the analysis, a subject a file, and what they are judged by.
//!
//! A finding carries the changes that it causes, so that what is rendered can be traced to what was found. The codes of each rule are listed in
//! [`RULES`]; docs/transfer.md is made from them.

mod access;
mod add_ons;
mod apis;
mod endpoints;
mod git_ops;
mod identities;
mod images;
mod ingress;
mod input;
mod keda;
mod load_balancers;
mod monitoring;
mod network;
mod nodes;
mod placement;
mod resources;
mod secrets;
mod storage;

use super::edit::{Edit, shown};
use super::finding::{Severity, TransferFinding};
use super::inventory::{Inventory, Item};
use super::mapping::Mapping;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) use apis::source_version;
pub(super) use endpoints::named_in;
pub(super) use git_ops::{Reconciler, reconciler};
pub(super) use identities::role_of;
pub(super) use ingress::{gateway_name, hosts};
pub(super) use nodes::customised;
pub(super) use placement::pool_name;
pub(super) use secrets::{is_made as is_made_secret, keys as secret_keys, uses as secret_uses};
pub(super) use storage::target_class;

/// A code of a finding.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// The code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it says.
    pub what: &'static str,
}

const fn code(code: &'static str, severity: Severity, what: &'static str) -> Code {
    Code { code, severity, what }
}

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its subject, as the documentation heads it.
    pub subject: &'static str,
    /// Codes of its findings.
    pub codes: &'static [Code],
    judge: fn(&Ground<'_>, &mut Sink),
}

/// The rules, in the order of the documentation.
pub const RULES: &[Rule] = &[
    input::RULE,
    images::RULE,
    identities::RULE,
    access::RULE,
    storage::RULE,
    ingress::RULE,
    load_balancers::RULE,
    secrets::RULE,
    endpoints::RULE,
    placement::RULE,
    nodes::RULE,
    keda::RULE,
    network::RULE,
    add_ons::RULE,
    monitoring::RULE,
    resources::RULE,
    apis::RULE,
    git_ops::RULE,
];

/// What rules are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The objects.
    pub inventory: &'a Inventory,
    /// What people have said.
    pub mapping: &'a Mapping,
}

/// A question of the mapping that is open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask {
    /// The path of keys within the mapping.
    pub path: Vec<String>,
    /// What usually stands there.
    pub suggestion: Option<String>,
    /// What it is needed for, and how to get it.
    pub how: String,
}

impl Ask {
    /// A question at a path.
    pub fn at(path: &[&str], how: impl Into<String>) -> Ask {
        Ask { path: path.iter().map(|p| (*p).to_owned()).collect(), suggestion: None, how: how.into() }
    }

    fn suggest(mut self, what: impl Into<String>) -> Ask {
        self.suggestion = Some(what.into());
        self
    }

    /// The path as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for key in &self.path {
            match key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                true if text.is_empty() => text.push_str(key),
                true => text.push_str(&format!(".{key}")),
                false => text.push_str(&format!("[{key:?}]")),
            }
        }
        text
    }
}

/// A finding with what it causes.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The finding.
    pub finding: TransferFinding,
    /// Changes of its object.
    pub edits: Vec<Edit>,
    /// The question that is open.
    pub ask: Option<Ask>,
}

impl Found {
    /// A finding of an object with one of the codes of a rule.
    fn new(item: &Item, code: &Code, message: impl Into<String>) -> Found {
        Found {
            finding: TransferFinding {
                severity: code.severity,
                code: code.code.to_owned(),
                object: item.id.clone(),
                field: String::new(),
                was: None,
                becomes: None,
                message: message.into(),
                remedy: String::new(),
                question: None,
                origin: item.origin.clone(),
                accepted: None,
            },
            edits: Vec::new(),
            ask: None,
        }
    }

    fn at(mut self, pointer: &str) -> Found {
        self.finding.field = shown(pointer);
        self
    }

    fn was(mut self, text: impl Into<String>) -> Found {
        self.finding.was = Some(text.into());
        self
    }

    fn becomes(mut self, text: impl Into<String>) -> Found {
        self.finding.becomes = Some(text.into());
        self
    }

    fn remedy(mut self, text: impl Into<String>) -> Found {
        self.finding.remedy = text.into();
        self
    }

    fn ask(mut self, ask: Ask) -> Found {
        if self.finding.remedy.is_empty() {
            let suggestion = ask.suggestion.as_ref().map_or(String::new(), |s| format!(" (usually {s})"));
            self.finding.remedy = format!("answer {} in the mapping{suggestion}: {}", ask.text(), ask.how);
        }
        self.finding.question = Some(ask.text());
        self.ask = Some(ask);
        self
    }

    fn edit(mut self, edit: Edit) -> Found {
        self.edits.push(edit);
        self
    }

    /// Sets the value at a place, which it says it was and becomes.
    fn set(self, pointer: &str, was: &str, becomes: &str) -> Found {
        self.at(pointer).was(was).becomes(becomes).edit(Edit::Set(pointer.to_owned(), becomes.into()))
    }

    /// Removes what stands at a place.
    fn remove(self, pointer: &str, was: &str) -> Found {
        self.at(pointer).was(was).edit(Edit::Remove(pointer.to_owned()))
    }
}

/// Where findings go.
#[derive(Debug, Default)]
pub struct Sink {
    /// The findings, in the order in which they were found.
    pub found: Vec<Found>,
}

impl Sink {
    fn add(&mut self, found: Found) {
        self.found.push(found);
    }
}

/// What becomes of an object, whatever rules find in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It moves.
    Moves,
    /// A Secret: it is created on the target by hand or from a vault.
    Secret,
    /// It is left out, and why.
    LeftOut(&'static str),
}

/// Namespace that Velero is installed in unless somebody chooses another.
const VELERO: &str = "velero";

/// Namespaces that every cluster has of its own.
const SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// Kinds that a cluster makes by itself, by group.
const MADE: &[(&str, &[&str])] = &[
    ("", &["Node", "Event", "Endpoints", "ComponentStatus", "PersistentVolume"]),
    ("events.k8s.io", &["Event"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    ("coordination.k8s.io", &["Lease"]),
    ("apps", &["ControllerRevision"]),
    ("storage.k8s.io", &["CSINode", "CSIDriver", "CSIStorageCapacity", "VolumeAttachment"]),
    ("certificates.k8s.io", &["CertificateSigningRequest"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("metrics.k8s.io", &["PodMetrics", "NodeMetrics"]),
    ("karpenter.sh", &["NodeClaim"]),
    ("vpcresources.k8s.aws", &["CNINode"]),
    ("velero.io", &["PodVolumeBackup", "PodVolumeRestore", "BackupRepository", "DataUpload", "DataDownload"]),
    ("wgpolicyk8s.io", &["PolicyReport", "ClusterPolicyReport"]),
    ("nodeferry", &["Input"]),
];

/// Whether the endpoints of a Service were written by hand, as one without a selector needs them: none of them is a pod.
fn is_by_hand(item: &Item) -> bool {
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let endpoints: Vec<Value> = match (item.id.group(), item.id.kind()) {
        ("", "Endpoints") => {
            let subsets = list(&item.object, "subsets");
            subsets.iter().flat_map(|s| [list(s, "addresses"), list(s, "notReadyAddresses")].concat()).collect()
        }
        ("discovery.k8s.io", "EndpointSlice") => list(&item.object, "endpoints"),
        _ => return false,
    };
    // Those of the API server name no pod either.
    let of_api_server = item.id.namespace() == Some("default") && item.id.name() == "kubernetes";
    !of_api_server && !endpoints.is_empty() && endpoints.iter().all(|e| e.get("targetRef").is_none())
}

/// What becomes of an object.
pub fn standing(item: &Item) -> Standing {
    let (group, kind, name) = (item.id.group(), item.id.kind(), item.id.name());
    if kind == "Secret" && group.is_empty() && !is_of_velero(item) {
        return Standing::Secret;
    }
    if item.is_owned() {
        return Standing::LeftOut("its owner makes it again");
    }
    if item.annotation("kubernetes.io/config.mirror").is_some() {
        return Standing::LeftOut("a static pod of a node");
    }
    if MADE.iter().any(|(g, kinds)| *g == group && kinds.contains(&kind)) && !is_by_hand(item) {
        return Standing::LeftOut("the target makes its own");
    }
    if item.id.namespace().is_some_and(|n| SYSTEM.contains(&n)) || (kind == "Namespace" && SYSTEM.contains(&name)) {
        return Standing::LeftOut("part of the cluster's own system");
    }
    let bootstrapped = item.labels().is_some_and(|l| l.contains_key("kubernetes.io/bootstrapping"));
    let own = match kind {
        "ConfigMap" => name == "kube-root-ca.crt",
        "Namespace" => name == "default",
        "Service" => name == "kubernetes" && item.id.namespace() == Some("default"),
        "ServiceAccount" => {
            name == "default" && item.annotations().next().is_none() && item.object.get("imagePullSecrets").is_none()
        }
        "PriorityClass" => name.starts_with("system-"),
        "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding" => {
            bootstrapped || name.starts_with("system:") || name.starts_with("eks:")
        }
        "APIService" => item.object.pointer("/spec/service").is_none_or(Value::is_null),
        _ => false,
    };
    if own {
        return Standing::LeftOut("every cluster has its own");
    }
    if add_ons::is_left(item) {
        return Standing::LeftOut("part of an add-on of AWS");
    }
    if is_of_velero(item) {
        return Standing::LeftOut("part of Velero, which is installed on each cluster by itself");
    }
    // What deploy/ gives to nodeferry on the source.
    if group == "rbac.authorization.k8s.io" && name.starts_with("nodeferry") {
        return Standing::LeftOut("nodeferry's own permissions on the source");
    }
    Standing::Moves
}

/// Whether an object is of an installation of Velero: by its CLI (`component: velero`) or its chart, or one of Velero's own kinds.
fn is_of_velero(item: &Item) -> bool {
    let (kind, name) = (item.id.kind(), item.id.name());
    let labelled = |key: &str| item.labels().is_some_and(|l| l.get(key).is_some_and(|v| v == "velero"));
    item.id.group() == "velero.io"
        || labelled("component")
        || labelled("app.kubernetes.io/name")
        || (kind == "CustomResourceDefinition" && name.ends_with(".velero.io"))
        || item.id.namespace().is_some_and(|n| n == VELERO)
        || (kind == "Namespace" && name == VELERO)
}

/// Namespaces that objects move in and that the input does not have, with the first such object. Every cluster has `default`.
pub fn namespaces_made(inventory: &Inventory) -> BTreeMap<&str, &Item> {
    let mut made: BTreeMap<&str, &Item> = BTreeMap::new();
    for item in inventory.items().filter(|i| standing(i) == Standing::Moves) {
        let Some(namespace) = item.id.namespace().filter(|n| *n != "default") else { continue };
        if inventory.find("", "Namespace", None, namespace).is_none() {
            made.entry(namespace).or_insert(item);
        }
    }
    made
}

impl<'a> Ground<'a> {
    /// The objects that move.
    fn moving(&self) -> impl Iterator<Item = &'a Item> {
        self.inventory.items().filter(|i| standing(i) == Standing::Moves)
    }

    /// Those that run pods, with the pointer to their pod template ("" where it is a pod itself).
    fn workloads(&self) -> impl Iterator<Item = (&'a Item, &'static str)> {
        self.moving().filter_map(|i| Some((i, template(i)?)))
    }
}

/// Where an object has its pod template; None if it runs no pods.
pub fn template(item: &Item) -> Option<&'static str> {
    match (item.id.group(), item.id.kind()) {
        ("", "Pod") => Some(""),
        ("apps" | "extensions", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("", "ReplicationController")
        | ("batch", "Job")
        | ("argoproj.io", "Rollout") => Some("/spec/template").filter(|t| item.object.pointer(t).is_some()),
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template"),
        ("keda.sh", "ScaledJob") => Some("/spec/jobTargetRef/template"),
        _ => None,
    }
}

/// The containers of a pod template with their pointers.
pub fn containers<'a>(item: &'a Item, template: &str) -> Vec<(String, &'a Value)> {
    let mut all = Vec::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let at = format!("{template}/spec/{list}");
        let containers = item.object.pointer(&at).and_then(Value::as_array);
        all.extend(containers.into_iter().flatten().enumerate().map(|(i, c)| (format!("{at}/{i}"), c)));
    }
    all
}

/// The name of the service account that pods of a template have.
pub fn service_account<'a>(item: &'a Item, template: &str) -> &'a str {
    let of = |name: &str| item.text(&format!("{template}/spec/{name}")).filter(|t| !t.is_empty());
    of("serviceAccountName").or_else(|| of("serviceAccount")).unwrap_or("default")
}

/// What the rules find, in the order of severity, code, object and field.
pub fn judge(ground: &Ground<'_>) -> Vec<Found> {
    let mut sink = Sink::default();
    for rule in RULES {
        let before = sink.found.len();
        (rule.judge)(ground, &mut sink);
        debug_assert!(
            sink.found[before..].iter().all(|f| rule.codes.iter().any(|c| c.code == f.finding.code)),
            "a finding of {} has a code that its rule does not list",
            rule.subject
        );
    }
    let mut found = sink.found;
    // Stable: changes of one finding after another stay in the order of the rules.
    found.sort_by(|a, b| a.finding.cmp(&b.finding));
    found.dedup();
    found
}

/// How many objects are left out, by why.
pub fn left_out(inventory: &Inventory) -> BTreeMap<&'static str, u32> {
    let mut counts = BTreeMap::new();
    for item in inventory.items() {
        if let Standing::LeftOut(why) = standing(item) {
            *counts.entry(why).or_insert(0) += 1;
        }
    }
    counts
}

/// The objects that are known by a name of a namespace.
fn named<'a>(ground: &Ground<'a>, group: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<&'a Item> {
    ground.inventory.find(group, kind, namespace, name)
}

/// Whether an annotation says how a load balancer is made: its values may be long and are kept.
pub(super) fn annotation_of_load_balancers(key: &str) -> bool {
    ["alb.ingress.kubernetes.io/", "service.beta.kubernetes.io/", "service.kubernetes.io/"]
        .iter()
        .any(|p| key.starts_with(p))
}

#[cfg(test)]
pub(crate) mod tests;
