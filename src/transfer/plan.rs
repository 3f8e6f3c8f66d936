//! The plan document: what is imported, applied, moved and switched, in waves, each with its reason.
//!
//! Times are milliseconds, sizes bytes. A step names the steps that it waits for; steps of a wave stand in an order in which they can be done one
//! after the other. Rendered objects are in one list, and steps name them.

use super::finding::TransferFinding;
use super::mapping::{Mapping, NetworkPlugin};
use super::object::ObjectId;
use crate::cluster::plain::plain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Version of the plan's form; raised when an older reader would misread it.
pub const TRANSFER_PLAN_VERSION: u32 = 1;

/// A plan of the transfer: readable in a review, stable in a diff.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferPlan {
    /// [`TRANSFER_PLAN_VERSION`].
    pub transfer_plan_version: u32,
    /// Version of nodeferry that wrote it.
    pub nodeferry: String,
    /// What it was made from, in the order in which it was read.
    pub inputs: Vec<InputDigest>,
    /// The cluster that workloads leave.
    pub source: Site,
    /// The cluster that they move to.
    pub target: Site,
    /// The mapping, as it was given.
    pub mapping: Mapping,
    /// How many findings there are, and those that are open.
    pub findings: FindingSummary,
    /// 0 if nothing blocks; 3 if a finding blocks, 4 if none does and an item that must have evidence before the cut-over has none.
    pub exit_status: i32,
    /// Waves W0 to W4, in order; one without members is not there.
    pub waves: Vec<Wave>,
    /// The longest chain of dependencies through the waves, by start times of pods and the given bandwidths, first to last.
    pub critical_path: Vec<PathMember>,
    /// Objects that depend on each other in a circle, each circle one entry; they move together.
    pub cycles: Vec<Vec<ObjectId>>,
    /// Objects that steps apply, in order of their names.
    pub objects: Vec<RenderedObject>,
    /// Secrets that must be on the target before the wave that needs them. Their values are in no plan.
    pub secrets: Vec<SecretKeys>,
    /// What Velero is given.
    pub velero: Velero,
    /// Node pools of the target.
    pub pools: Vec<PlannedPool>,
    /// Addresses of the target.
    pub network: Vec<NetworkChoice>,
    /// What must be so before traffic is redirected.
    pub checklist: Vec<ChecklistItem>,
}

/// Something that a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputDigest {
    /// How it was named.
    pub name: String,
    /// SHA-256 of its bytes, unpacked.
    pub sha256: String,
}

/// A cluster. Which context it has is said when the plan is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Its name in this plan.
    pub name: String,
    /// Kubernetes version (`1.33`), where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    /// uid of its namespace kube-system, where a dump shows it: an execution refuses another cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// Findings of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingSummary {
    /// How many block.
    pub blocks: u32,
    /// How many of those are accepted by the mapping.
    pub accepted: u32,
    /// How many are rewritten.
    pub rewritten: u32,
    /// How many are to be done by hand.
    pub by_hand: u32,
    /// How many are worth knowing.
    pub notes: u32,
    /// Those that block and are not accepted: an execution is refused while there is one.
    pub open: Vec<TransferFinding>,
    /// Those to be done by hand.
    pub to_do: Vec<TransferFinding>,
}

/// Name of a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum WaveName {
    /// The platform: namespaces, definitions, classes, identities, images.
    W0,
    /// Workloads without state, in order of their dependencies.
    W1,
    /// Workloads with state.
    W2,
    /// What depends on state.
    W3,
    /// Ingress, names and the cut-over.
    W4,
}

impl WaveName {
    /// As it is written in ids of steps (`w2`).
    pub fn id(self) -> &'static str {
        ["w0", "w1", "w2", "w3", "w4"][self as usize]
    }
}

/// A wave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// Which.
    pub name: WaveName,
    /// What belongs to it.
    pub reason: String,
    /// What moves, in an order in which nothing stands before what it depends on.
    pub members: Vec<Member>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// How the wave is taken back, in order; allowed until the names point to the target (the step `cut_over`).
    pub rollback: Vec<Step>,
}

/// Something that moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The object, as the source names it.
    pub object: ObjectId,
    /// Why it is in this wave and at this place.
    pub reason: String,
    /// What it depends on and must be there before, among members of this or an earlier wave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<ObjectId>,
    /// Pods that it runs (DaemonSets: one a node of the source); null for what runs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<u32>,
    /// How long one of its pods takes from scheduled to ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartTime>,
    /// Its persistent volume claims.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<PlannedClaim>,
}

/// How long a pod takes to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartTime {
    /// Median, milliseconds.
    pub median_ms: i64,
    /// 95th percentile, milliseconds.
    pub p95_ms: i64,
    /// Whether pods of the dump show it; else it is assumed.
    pub measured: bool,
}

/// A claim whose data moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedClaim {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its size in bytes: that of the volume, which bounds the data in it; null where the input does not say it.
    pub bytes: Option<i64>,
    /// Its storage class on the source; null for the default class.
    pub class: Option<String>,
    /// Its storage class on the target.
    pub target_class: Option<String>,
    /// Its data moves by Velero's file-system backup; else it is left behind, as the mapping says.
    pub moves: bool,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name, unique in the plan and stable (`w2.backup.shop`).
    pub id: String,
    /// What is done, for people.
    pub what: String,
    /// The longest that it may take, milliseconds.
    pub timeout_ms: i64,
    /// Steps that have to be done before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// What is done.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// An image is copied to the target's registry.
    ImportImage {
        /// As the source names it.
        from: String,
        /// As the target names it.
        to: String,
        /// Its size in bytes, where a node of the dump shows it.
        bytes: Option<i64>,
        /// The command that copies it; words in angle brackets are filled in by hand.
        command: String,
    },
    /// A pod on the target pulls an image under a service account, and ends.
    ProbePull {
        /// The image.
        image: String,
        /// Namespace of the pod.
        namespace: String,
        /// Its service account.
        service_account: String,
        /// Secrets of the registry that it names.
        pull_secrets: Vec<String>,
    },
    /// Objects are applied on the target by the server.
    Apply {
        /// Their names, in order; the plan's `objects` has them.
        objects: Vec<ObjectId>,
    },
    /// Somebody approves.
    Gate {
        /// The gate's name.
        name: String,
        /// What is asked.
        question: String,
        /// Whether nobody may leave it out.
        mandatory: bool,
        /// What has to be done before it is approved, where there are commands.
        commands: Vec<String>,
    },
    /// Writes to workloads are stopped on the source; their pods keep running, for a volume whose pod does not run is not backed up.
    Fence {
        /// The workloads.
        workloads: Vec<ObjectId>,
        /// Network policies that are applied on the source: nothing reaches the pods any more.
        policies: Vec<Value>,
        /// Commands that stop writes, after the policies.
        commands: Vec<String>,
    },
    /// Writes on the source are allowed again.
    Unfence {
        /// The workloads.
        workloads: Vec<ObjectId>,
        /// Network policies that are deleted on the source.
        policies: Vec<ObjectId>,
        /// Commands that let writes go on, before the policies go.
        commands: Vec<String>,
    },
    /// A backup on the source is made, and awaited.
    Backup {
        /// Its name.
        name: String,
        /// `spec` of Velero's Backup.
        spec: Value,
    },
    /// For each claim one PodVolumeBackup of the backup must be Completed.
    DemandVolumeBackups {
        /// Name of the backup.
        backup: String,
        /// The claims.
        claims: Vec<ClaimName>,
    },
    /// What Velero has stored is copied from the source's store to the target's.
    CopyStore {
        /// The command; words in angle brackets are filled in by hand.
        command: String,
        /// How many bytes at most, where sizes are known.
        bytes: Option<i64>,
    },
    /// The target's Velero sees the backup.
    AwaitSync {
        /// Its name.
        backup: String,
    },
    /// The backup is restored on the target, and awaited.
    Restore {
        /// Name of the restore.
        name: String,
        /// Name of the backup.
        backup: String,
        /// `spec` of Velero's Restore.
        spec: Value,
    },
    /// A workload on the target has as many ready pods as it asks for, and its check command says that it is right.
    Verify {
        /// The workload, as the target names it.
        workload: ObjectId,
        /// Pods that must be ready.
        pods: u32,
        /// The check command.
        command: Option<String>,
    },
    /// Names point to the target. After this step no wave is taken back.
    CutOver {
        /// The names.
        hosts: Vec<HostChange>,
        /// Commands that do it; words in angle brackets are filled in by hand.
        commands: Vec<String>,
    },
    /// Objects that a step of the wave has made on the target are deleted, the last first.
    DeleteApplied {
        /// Their names.
        objects: Vec<ObjectId>,
    },
    /// What a restore has made on the target is deleted.
    DeleteRestored {
        /// Name of the restore.
        restore: String,
        /// Objects that it has made, as far as they are known beforehand.
        objects: Vec<ObjectId>,
    },
}

/// A claim by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A name that will point to another address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostChange {
    /// The name; empty for the address of a load balancer that no name in the input points to.
    pub host: String,
    /// What gets its traffic on the target (a Gateway, an Ingress, a Service).
    pub target: ObjectId,
}

/// An object to be applied on the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenderedObject {
    /// Its name on the target.
    pub id: ObjectId,
    /// The object of the source that it comes from, where it is not the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ObjectId>,
    /// The object.
    pub object: Value,
}

/// A Secret by name and keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretKeys {
    /// The Secret.
    pub secret: ObjectId,
    /// Its type, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its keys: those it has, or, where the input has no such Secret, those that pods use.
    pub keys: Vec<String>,
    /// Whether the input shows the Secret itself.
    pub seen: bool,
    /// Workloads that use it.
    pub used_by: Vec<ObjectId>,
}

/// What Velero is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Velero {
    /// Its namespace.
    pub namespace: String,
    /// BackupStorageLocation on the source.
    pub source_location: Option<Value>,
    /// BackupStorageLocation on the target.
    pub target_location: Option<Value>,
    /// ConfigMap that changes storage classes.
    pub class_map: Option<Value>,
    /// ConfigMap that changes images.
    pub image_map: Option<Value>,
    /// ConfigMap of resource modifiers.
    pub resource_modifiers: Option<Value>,
}

/// A node pool of the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedPool {
    /// Its name (at most 12 lower-case letters and digits).
    pub name: String,
    /// VM size; `<VM_SIZE>` where none that is known hosts all of its pods.
    pub vm_size: String,
    /// Nodes that the requests of the source's pods need; 0 where no VM size is known.
    pub nodes: u32,
    /// Nodes at the peak: with those of the largest surge of a rollout and of an upgrade.
    pub peak_nodes: u32,
    /// Spot.
    pub spot: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Taints (`key=value:Effect`).
    pub taints: Vec<String>,
    /// Workloads whose pods it is for.
    pub workloads: Vec<ObjectId>,
    /// Price of all its nodes in an hour, in millionths of the price list's currency; null where a price is not known.
    pub hourly_micros: Option<i64>,
    /// The command that makes it.
    pub command: String,
}

/// Addresses that a network plug-in needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkChoice {
    /// The plug-in.
    pub plugin: NetworkPlugin,
    /// Whether the mapping chooses it.
    pub chosen: bool,
    /// Nodes at the peak, surge included.
    pub peak_nodes: u32,
    /// Pods a node can run.
    pub pods_per_node: u32,
    /// Addresses taken from the subnet of nodes.
    pub node_addresses: u64,
    /// Smallest subnet of nodes (`/24`), by the length of its prefix.
    pub node_prefix: u8,
    /// Addresses of pods outside of the subnet of nodes; 0 if there are none.
    pub pod_addresses: u64,
    /// Smallest range of those, by the length of its prefix; null if there is none.
    pub pod_prefix: Option<u8>,
    /// What speaks against it; empty if nothing does.
    pub problems: Vec<String>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// Something that must be so before traffic is redirected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChecklistItem {
    /// Its name, kebab-case.
    pub name: String,
    /// What must be so.
    pub question: String,
    /// Whether the cut-over is refused without evidence.
    pub mandatory: bool,
    /// The evidence; null is open.
    pub evidence: Option<String>,
    /// What the input shows of it, for whoever looks for evidence.
    pub seen: Vec<String>,
}

/// A step of the longest chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PathMember {
    /// The object.
    pub object: ObjectId,
    /// How long it takes, milliseconds.
    pub takes_ms: i64,
}

impl TransferPlan {
    /// Reads a plan's text.
    ///
    /// # Errors
    /// Says where the text is no such plan, or which version it has and which is understood.
    pub fn parse(text: &str) -> Result<TransferPlan, PlanError> {
        let value: Value = serde_json::from_str(text).map_err(|e| PlanError::NotJson(plain(&e.to_string())))?;
        match value.get("transfer_plan_version").and_then(Value::as_u64) {
            Some(v) if v == u64::from(TRANSFER_PLAN_VERSION) => {}
            Some(v) => return Err(PlanError::Version(v)),
            None => return Err(PlanError::NoPlan),
        }
        let plan: TransferPlan = crate::typed::from_value(&value)
            .map_err(|e| PlanError::Misfit { place: e.path.clone(), what: plain(&e.what) })?;
        match plan.problems() {
            problems if problems.is_empty() => Ok(plan),
            problems => Err(PlanError::Inconsistent(problems.join("; "))),
        }
    }

    /// Every step of every wave in order, without those of rollbacks.
    pub fn steps(&self) -> impl Iterator<Item = (&Wave, &Step)> {
        self.waves.iter().flat_map(|w| w.steps.iter().map(move |s| (w, s)))
    }

    /// A rendered object by its name.
    pub fn object(&self, id: &ObjectId) -> Option<&RenderedObject> {
        self.objects.iter().find(|o| o.id == *id)
    }

    /// What within the document contradicts itself: ids that are not unique, steps that wait for what does not come before, objects that are
    /// named and missing.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        let known: std::collections::BTreeSet<&ObjectId> = self.objects.iter().map(|o| &o.id).collect();
        for wave in &self.waves {
            for step in wave.steps.iter().chain(&wave.rollback) {
                for after in step.after.iter().filter(|a| !seen.contains(a.as_str())) {
                    problems.push(format!("step {} waits for {after}, which does not stand before it", step.id));
                }
                if !seen.insert(step.id.as_str()) {
                    problems.push(format!("two steps have the id {}", step.id));
                }
                if step.timeout_ms <= 0 {
                    problems.push(format!("timeout_ms of step {} is {}; it must be above 0", step.id, step.timeout_ms));
                }
                if let Action::Apply { objects } = &step.action {
                    for object in objects.iter().filter(|o| !known.contains(o)) {
                        problems.push(format!("step {} applies {object}, which is not among the objects", step.id));
                    }
                }
            }
        }
        if let Some(pair) = self.waves.windows(2).find(|p| p[0].name >= p[1].name) {
            problems.push(format!("wave {:?} stands before wave {:?}", pair[0].name, pair[1].name));
        }
        problems
    }
}

/// Why a text is no plan.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Not JSON.
    #[error("the plan is not JSON: {0}")]
    NotJson(String),
    /// Another version.
    #[error(
        "transfer_plan_version is {0}; this nodeferry ({ours}) reads version {TRANSFER_PLAN_VERSION}: make the plan again with it (nodeferry transfer plan)",
        ours = env!("CARGO_PKG_VERSION")
    )]
    Version(u64),
    /// No version.
    #[error(
        "transfer_plan_version is missing: this is no plan of nodeferry transfer plan (see `nodeferry schema transfer-plan`)"
    )]
    NoPlan,
    /// A field does not fit.
    #[error("plan, at {place}: {what}")]
    Misfit {
        /// The field.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// It contradicts itself.
    #[error("the plan contradicts itself: {0}; make it again (nodeferry transfer plan)")]
    Inconsistent(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id(text: &str) -> ObjectId {
        serde_json::from_value(json!(text)).expect("a name")
    }

    fn step(id: &str, after: &[&str], action: Action) -> Step {
        let after = after.iter().map(|a| (*a).to_owned()).collect();
        Step { id: id.to_owned(), what: "what".to_owned(), timeout_ms: 60_000, after, action }
    }

    fn plan() -> TransferPlan {
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop"}});
        let apply = Action::Apply { objects: vec![id("ConfigMap/shop/web")] };
        let backup = Action::Backup { name: "shop".to_owned(), spec: json!({"includedNamespaces": ["shop"]}) };
        let member = Member {
            object: id("StatefulSet.apps/shop/db"),
            reason: "it has a volume".to_owned(),
            needs: vec![id("ConfigMap/shop/web")],
            pods: Some(1),
            start: Some(StartTime { median_ms: 4_000, p95_ms: 9_000, measured: true }),
            claims: vec![PlannedClaim {
                namespace: "shop".to_owned(),
                name: "data-db-0".to_owned(),
                bytes: Some(1 << 30),
                class: Some("gp3".to_owned()),
                target_class: Some("managed-csi".to_owned()),
                moves: true,
            }],
        };
        let wave = |name, members, steps| Wave { name, reason: "why".to_owned(), members, steps, rollback: Vec::new() };
        TransferPlan {
            transfer_plan_version: TRANSFER_PLAN_VERSION,
            nodeferry: "0.1.0".to_owned(),
            inputs: Vec::new(),
            source: Site { name: "eks".to_owned(), kubernetes_version: Some("1.32".to_owned()), uid: None },
            target: Site { name: "aks".to_owned(), kubernetes_version: None, uid: None },
            mapping: Mapping { transfer_mapping: 1, ..Mapping::default() },
            findings: FindingSummary::default(),
            exit_status: 0,
            waves: vec![
                wave(WaveName::W0, Vec::new(), vec![step("w0.apply", &[], apply)]),
                wave(WaveName::W2, vec![member], vec![step("w2.backup.shop", &["w0.apply"], backup)]),
            ],
            critical_path: Vec::new(),
            cycles: Vec::new(),
            objects: vec![RenderedObject { id: id("ConfigMap/shop/web"), from: None, object: config }],
            secrets: Vec::new(),
            velero: Velero { namespace: "velero".to_owned(), ..Velero::default() },
            pools: Vec::new(),
            network: Vec::new(),
            checklist: Vec::new(),
        }
    }

    fn parse(value: &Value) -> Result<TransferPlan, String> {
        TransferPlan::parse(&value.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_plan_that_is_written_is_read_back_the_same() {
        let text = crate::typed::pretty(&plan()).expect("JSON");
        assert_eq!(TransferPlan::parse(&text), Ok(plan()));
    }

    #[test]
    fn what_is_no_plan_of_this_version_is_refused_with_the_place() {
        let good = serde_json::to_value(plan()).expect("JSON");
        let with = |change: &dyn Fn(&mut Value)| {
            let mut value = good.clone();
            change(&mut value);
            parse(&value).expect_err("it is refused")
        };
        let said = with(&|v| v["waves"][1]["steps"][0]["action"] = json!({"backup": {"name": "shop", "spek": {}}}));
        assert!(said.starts_with("plan, at waves[1].steps[0].action.backup") && said.contains("spek"), "{said}");
        let said = with(&|v| v["transfer_plan_version"] = json!(7));
        assert!(said.starts_with("transfer_plan_version is 7; this nodeferry"), "{said}");
        let said = with(&|v| v["waves"][0]["surprise"] = json!(1));
        assert!(said.starts_with("plan, at waves[0]") && said.contains("surprise"), "{said}");
        assert_eq!(TransferPlan::parse("{}"), Err(PlanError::NoPlan));
        assert!(matches!(TransferPlan::parse("{"), Err(PlanError::NotJson(_))));
    }

    #[test]
    fn a_plan_that_contradicts_itself_is_refused() {
        let good = serde_json::to_value(plan()).expect("JSON");
        for (place, value, said) in [
            ("/waves/1/steps/0/after", json!(["w1.apply"]), "waits for w1.apply, which does not stand before it"),
            ("/waves/1/steps/0/id", json!("w0.apply"), "two steps have the id w0.apply"),
            ("/waves/1/steps/0/timeout_ms", json!(0), "timeout_ms of step w2.backup.shop is 0"),
            ("/objects", json!([]), "applies ConfigMap/shop/web, which is not among the objects"),
            ("/waves/0/name", json!("W4"), "wave W4 stands before wave W2"),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(place).expect("a field") = value;
            let why = parse(&bad).expect_err(said);
            assert!(why.contains(said), "{why}");
        }
    }
}
