//! The plan document: the drain of the masters, the permissions, the cut-over, and what follows.

use super::dump::{OnMaster, cgpu_basic, masters, on_master};
use super::known::{FactsError, Known};
use super::preflight::{Preflight, fix_text};
use super::rules::{Fix, POLICY_RULE, statement_text};
use super::steps::{MASTERS_AT_ONCE, ROLLBACK_TIMEOUT_MS, SIGNED_URL_MS, STEPS, StepKind, until_cut_over_ms};
use crate::cluster::plain::plain;
use crate::cluster::{NodeIdx, View};
use crate::plan::{Plan, Verdict};
use crate::report::format::{count, duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt::Write;

/// Version of the plan's form; raised when an older reader would misread it.
pub const ACK_PLAN_VERSION: u32 = 1;

/// A plan of the migration: readable in a review, stable in a diff.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AckPlan {
    /// [`ACK_PLAN_VERSION`].
    pub ack_plan_version: u32,
    /// Version of nodeferry that wrote it.
    pub nodeferry: String,
    /// The cluster.
    pub cluster: PlannedCluster,
    /// What stands in the way.
    pub preflight: Preflight,
    /// Rules that do not pass and that nothing in this plan changes, by their codes. It must be empty before the cut-over begins.
    pub open: Vec<String>,
    /// 0 if the drain completes and nothing is open; else that of the drain, 3 for a rule that fails, 4 for one that is unknown.
    pub exit_status: i32,
    /// The masters.
    pub masters: Vec<PlannedMaster>,
    /// First: the pods on the masters move to workers, and the masters stay cordoned. A plan of its own, which `nodeferry execute` carries out.
    pub drain: Plan,
    /// Second: the permissions that the masters need.
    pub permissions: Vec<Fix>,
    /// Third: the cut-over.
    pub cut_over: CutOver,
    /// Fourth: what follows, in order.
    pub afterwards: Vec<Afterwards>,
}

/// The cluster that a plan is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedCluster {
    /// Its id at ACK.
    pub id: String,
    /// Region, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Version of the control plane, where known; it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedMaster {
    /// Its node.
    pub node: String,
    /// Its ECS instance, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Pods on it that have to move, `namespace/name`.
    pub pods_to_move: Vec<String>,
}

/// The cut-over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutOver {
    /// What must be so when it begins.
    pub before: Vec<String>,
    /// The call that begins it.
    pub call: Call,
    /// The same as a command.
    pub command: String,
    /// How its task is followed.
    pub follow: String,
    /// Name of the snapshot in the bucket; the timestamp is the procedure's.
    pub snapshot: String,
    /// Its steps.
    pub steps: Vec<PlannedStep>,
    /// The window in which the API server may be away, up to the cut-over: the timeouts of all steps that are rolled back, milliseconds.
    pub until_cut_over_ms: i64,
    /// When a rollback is given up, milliseconds.
    pub rollback_ms: i64,
    /// The life of the snapshot's signed URL, which bounds the restore, milliseconds.
    pub signed_url_ms: i64,
    /// What cannot be done.
    pub no_rollback: String,
}

/// A call of the vendor's API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// HTTP method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Body.
    pub body: MigrateBody,
}

/// The body of the call that begins the migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrateBody {
    /// The bucket.
    pub oss_bucket_name: String,
    /// Its endpoint.
    pub oss_bucket_endpoint: String,
}

/// A step of the cut-over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// Which.
    pub step: StepKind,
    /// What happens in it.
    pub what: String,
    /// When it is given up, milliseconds; null where nothing is published.
    pub timeout_ms: Option<i64>,
    /// Whether an error in it is rolled back.
    pub rolled_back: bool,
}

/// Something to do afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Afterwards {
    /// Its name, kebab-case.
    pub name: String,
    /// What is done, and why.
    pub what: String,
    /// The commands, in order; what stands in angle brackets is filled in by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// What it is about: nodes, instances, DaemonSets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
}

/// Rules that the drain of the masters lifts.
const LIFTED_BY_DRAIN: [&str; 2] = ["ack-system-pods-on-masters", "ack-user-pods-on-masters"];

impl AckPlan {
    /// Whether the facts are known without which there is no plan.
    ///
    /// # Errors
    /// One is missing: the cluster's id, the bucket's name or endpoint.
    pub fn check(known: &Known) -> Result<(), FactsError> {
        let facts = &known.facts;
        known.need("cluster.id", facts.cluster.id.as_ref())?;
        known.need("bucket.name", facts.bucket.name.as_ref())?;
        known.need("bucket.endpoint", facts.bucket.endpoint.as_ref()).map(|_| ())
    }

    /// A plan of the preflight, of the drain's own plan, and of the facts.
    ///
    /// # Errors
    /// A fact is missing without which there is no plan: the cluster's id, the bucket's name or endpoint.
    pub fn new(known: &Known, view: View<'_>, preflight: Preflight, drain: Plan) -> Result<AckPlan, FactsError> {
        let facts = &known.facts;
        let id = known.need("cluster.id", facts.cluster.id.as_ref())?.to_owned();
        let bucket = known.need("bucket.name", facts.bucket.name.as_ref())?.to_owned();
        let endpoint = known.need("bucket.endpoint", facts.bucket.endpoint.as_ref())?.to_owned();
        let drained = drain.forecast.as_ref().and_then(|f| f.verdict.as_ref()).map_or(3, |v| v.exit_status);
        let open: Vec<String> = preflight
            .rules
            .iter()
            .filter(|r| r.verdict != Verdict::Pass)
            .filter(|r| drained != 0 || r.verdict != Verdict::Fail || !LIFTED_BY_DRAIN.contains(&r.rule.as_str()))
            .map(|r| r.rule.clone())
            .collect();
        let is_open = |v: Verdict| preflight.rules.iter().any(|r| r.verdict == v && open.contains(&r.rule));
        let exit_status = match drained {
            0 if is_open(Verdict::Fail) => 3,
            0 if is_open(Verdict::Unknown) => 4,
            drained => drained,
        };
        Ok(AckPlan {
            ack_plan_version: ACK_PLAN_VERSION,
            nodeferry: env!("CARGO_PKG_VERSION").to_owned(),
            masters: masters(view).into_iter().map(|n| master(known, view, n)).collect(),
            permissions: permissions(&preflight, known, &bucket),
            cut_over: cut_over(&id, &bucket, &endpoint),
            afterwards: afterwards(known, view, &id, &bucket),
            cluster: PlannedCluster {
                id,
                region: facts.cluster.region.clone(),
                version: facts.cluster.version.clone(),
            },
            open,
            exit_status,
            preflight,
            drain,
        })
    }

    /// Reads a plan's text.
    ///
    /// # Errors
    /// Says where the text is no such plan, or which version it has and which is understood.
    pub fn parse(text: &str) -> Result<AckPlan, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("the plan is not JSON: {e}"))?;
        match value.get("ack_plan_version").and_then(Value::as_u64) {
            Some(v) if v == u64::from(ACK_PLAN_VERSION) => {}
            Some(v) => {
                return Err(format!(
                    "ack_plan_version is {v}; this nodeferry ({}) reads version {ACK_PLAN_VERSION}: make the plan again with it (nodeferry ack plan)",
                    env!("CARGO_PKG_VERSION")
                ));
            }
            None => {
                return Err("ack_plan_version is missing: this is no plan of nodeferry ack plan (see `nodeferry schema ack-plan`)".into());
            }
        }
        crate::typed::from_value(&value).map_err(|e| format!("plan, at {}: {}", e.path, plain(&e.what)))
    }

    /// For people; `drain` is the drain's own summary.
    pub fn text(&self, drain: &str) -> String {
        let mut out = format!("{}\n", self.preflight.sentence());
        let _ = match self.open.as_slice() {
            [] => writeln!(out, "Nothing is open: the cut-over may begin once the masters are drained."),
            open => {
                writeln!(out, "Open before the cut-over: {}. `nodeferry ack preflight` has the fixes.", open.join(", "))
            }
        };
        let moving: usize = self.masters.iter().map(|m| m.pods_to_move.len()).sum();
        let _ = writeln!(
            out,
            "\n1. Drain {} ({} to move); they stay cordoned.\n",
            count(self.masters.len() as u64, "master"),
            count(moving as u64, "pod")
        );
        drain.lines().for_each(|line| _ = writeln!(out, "{}", format!("   {line}").trim_end()));
        out.push_str("\n2. Permissions\n");
        self.permissions.iter().for_each(|fix| out.push_str(&fix_text(fix, "   ")));
        let _ = writeln!(out, "\n3. Cut-over: {}", self.cut_over.command);
        self.cut_over.before.iter().for_each(|b| _ = writeln!(out, "   before: {b}"));
        for step in &self.cut_over.steps {
            let limit = step
                .timeout_ms
                .map_or_else(|| "no limit is published".to_owned(), |ms| format!("at most {}", duration(ms as u64)));
            let back = if step.rolled_back { "rolled back on error" } else { "no rollback" };
            let _ = writeln!(out, "   {} ({limit}, {back}): {}", step.step.info().name, step.what);
        }
        let _ = writeln!(
            out,
            "   up to the cut-over at most {}, a rollback at most {}; the signed URL of {} lives {}\n   {}",
            duration(self.cut_over.until_cut_over_ms as u64),
            duration(self.cut_over.rollback_ms as u64),
            self.cut_over.snapshot,
            duration(self.cut_over.signed_url_ms as u64),
            self.cut_over.no_rollback
        );
        out.push_str("\n4. Afterwards\n");
        for a in &self.afterwards {
            let _ = writeln!(out, "   {}: {}", a.name, a.what);
            a.commands.iter().for_each(|c| _ = writeln!(out, "     {c}"));
        }
        out
    }
}

fn master(known: &Known, view: View<'_>, node: NodeIdx) -> PlannedMaster {
    let name = view.state.node_name(view.catalog, node).to_owned();
    let pods = view.state.nodes[node].pods.iter().filter(|p| on_master(view, **p) != OnMaster::Exempt);
    PlannedMaster {
        instance: known.facts.masters.get(&name).and_then(|m| m.instance.clone()),
        pods_to_move: pods.map(|p| view.state.pod_text(view.catalog, *p)).collect(),
        node: name,
    }
}

/// What the preflight has as fixes of the policy; where it passes, the statement as it has to stay.
fn permissions(preflight: &Preflight, known: &Known, bucket: &str) -> Vec<Fix> {
    let judged = preflight.rules.iter().find(|r| r.rule == POLICY_RULE);
    match judged {
        Some(judged) if judged.verdict != Verdict::Pass => judged.fixes.clone(),
        _ => {
            let policy = known.facts.ram.policy.as_deref().unwrap_or("k8sMasterRolePolicy-<…>");
            vec![Fix::Document {
                what: format!("statement in policy {policy} of the masters' role"),
                text: statement_text(bucket),
            }]
        }
    }
}

fn cut_over(id: &str, bucket: &str, endpoint: &str) -> CutOver {
    let body = MigrateBody { oss_bucket_name: bucket.to_owned(), oss_bucket_endpoint: endpoint.to_owned() };
    let text = json!(body).to_string();
    CutOver {
        before: vec![
            "every rule of the preflight passes, judged again from a fresh dump".to_owned(),
            "the masters are cordoned and empty but for static pods and pods of DaemonSets".to_owned(),
            "no rollout, node pool change or autoscaler scale-up is under way: what is half done stays half done for the outage".to_owned(),
        ],
        call: Call { method: "POST".to_owned(), path: format!("/clusters/{id}/migrate"), body },
        command: format!("aliyun cs POST /clusters/{id}/migrate --body '{text}'"),
        follow: "aliyun cs GET /tasks/<TASK_ID>".to_owned(),
        snapshot: format!("oss://{bucket}/etcd_{id}_<timestamp>"),
        steps: STEPS
            .iter()
            .map(|s| PlannedStep { step: s.kind, what: s.what.to_owned(), timeout_ms: s.timeout_ms, rolled_back: s.rolled_back })
            .collect(),
        until_cut_over_ms: until_cut_over_ms(),
        rollback_ms: ROLLBACK_TIMEOUT_MS,
        signed_url_ms: SIGNED_URL_MS,
        no_rollback: format!(
            "An error in a step before the cut-over is rolled back on all masters ({MASTERS_AT_ONCE} at once). After it there is no rollback."
        ),
    }
}

fn afterwards(known: &Known, view: View<'_>, id: &str, bucket: &str) -> Vec<Afterwards> {
    let facts = &known.facts;
    let name = |n: &NodeIdx| view.state.node_name(view.catalog, *n).to_owned();
    let nodes: Vec<String> = masters(view).iter().map(name).collect();
    let step = |name: &str, what: &str, commands: Vec<String>, objects: Vec<String>| Afterwards {
        name: name.to_owned(),
        what: what.to_owned(),
        commands,
        objects,
    };
    let mut list = vec![
        step(
            "look",
            "The masters are Unknown, every other node is Ready, and workloads are as they were; kubectl reaches the cluster at its internal address.",
            vec![
                "kubectl get node | grep master".to_owned(),
                "kubectl get pods -A --field-selector status.phase!=Running".to_owned(),
            ],
            Vec::new(),
        ),
        step(
            "delete-masters",
            "The console does not delete masters: kubectl does, one after the other.",
            nodes.iter().map(|n| format!("kubectl delete node {n}")).collect(),
            nodes.clone(),
        ),
    ];
    let instances: Vec<String> = nodes.iter().filter_map(|n| facts.masters.get(n)?.instance.clone()).collect();
    list.push(step(
        "release-machines",
        "The masters' ECS instances are not deleted with their nodes, and are billed until they are released. Stop them first and wait a while: nothing else may use them.",
        instances
            .iter()
            .map(|i| format!("aliyun ecs StopInstance --InstanceId {i}"))
            .chain(instances.iter().map(|i| format!("aliyun ecs DeleteInstance --InstanceId {i}")))
            .collect(),
        instances.clone(),
    ));
    if facts.api_server.has_public_slb != Some(false) {
        let lost = match facts.api_server.has_public_slb {
            Some(true) => "The public address of the API server is lost.",
            _ => "If the API server had a public address (api_server.has_public_slb is not stated), it is lost.",
        };
        list.push(step(
            "bind-public-address",
            &format!("{lost} Bind an elastic IP address where one is needed, and give it to whoever used the old one."),
            vec![
                format!("aliyun vpc AllocateEipAddress --RegionId {}", facts.cluster.region.as_deref().unwrap_or("<REGION>")),
                format!("aliyun cs PUT /api/v2/clusters/{id} --body '{{\"api_server_eip\":true,\"api_server_eip_id\":\"<EIP_ID>\"}}'"),
            ],
            Vec::new(),
        ));
    }
    if let Some(daemon_sets) = cgpu_basic(view).filter(|d| !d.is_empty()) {
        let labelled = |key: &str| {
            let nodes = view.state.live_nodes().filter(|n| {
                let labels = &view.state.nodes[*n].spec.labels;
                let value = view.catalog.names.get(key).and_then(|k| labels.get(k));
                value.is_some_and(|v| view.catalog.text(v) == "true")
            });
            nodes.map(|n| name(&n)).collect::<Vec<_>>()
        };
        let mut commands = Vec::new();
        for (key, value) in [("cgpu", "cgpu"), ("gpushare", "share")] {
            commands.extend(
                labelled(key).iter().map(|n| format!("kubectl label node {n} ack.node.gpu.schedule={value} {key}-")),
            );
        }
        commands.extend(daemon_sets.iter().filter_map(|d| {
            let (namespace, name) = d.strip_prefix("DaemonSet/")?.split_once('/')?;
            Some(format!("kubectl delete daemonset -n {namespace} {name}"))
        }));
        commands.push(format!(
            "aliyun cs POST /clusters/{id}/components/install --body '[{{\"name\":\"ack-ai-installer\"}}]'"
        ));
        list.push(step(
            "upgrade-cgpu",
            "cGPU Basic does not run in a professional cluster: nodes get the labels of cGPU Professional, and its add-on is installed. GPU pods that share a device are not placed until then.",
            commands,
            daemon_sets,
        ));
    }
    list.push(step(
        "remove-snapshot",
        "The snapshot holds every Secret of the cluster: delete it, and take the statement out of the policy again (ours; the vendor's page does not ask for it).",
        vec![format!("aliyun oss rm oss://{bucket}/etcd_{id}_ --recursive --force")],
        Vec::new(),
    ));
    list
}
