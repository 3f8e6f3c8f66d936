//! The plan: from what was found and rendered to waves of steps.

use super::analysis::Judged;
use super::claims;
use super::commands::address_place;
use super::graph::Graph;
use super::inventory::{Inventory, Item};
use super::object::ObjectId;
use super::plan::{
    Action, ClaimName, HostChange, Member, PathMember, PlannedClaim, Site, StartTime, Step, TRANSFER_PLAN_VERSION,
    TransferPlan, Velero, Wave, WaveName,
};
use super::pools::{self, Prices};
use super::render::commands::{self, quoted};
use super::render::files::secret_keys;
use super::render::velero::{LOCATION, velero};
use super::render::{Change, Rendered};
use super::rules::{self, Ground, Reconciler};
use super::waves::{self, Place, is_stateful, moves, ordered};
use super::{checklist, network};
use crate::cluster::{OwnerKind, View};
use crate::snapshot::{Snapshot, hex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// How a plan is made where nothing else says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanOptions {
    /// How fast data moves, bytes a second, for the critical path: once to the bucket, once to the container, once to the volume (C: 50 MB a second).
    pub bytes_per_second: u64,
    /// Median of the time that a pod takes from scheduled to ready where no pod of a dump shows it, milliseconds (C: 5 s, as everywhere).
    pub start_median_ms: i64,
    /// 95th percentile of the same (C: 30 s).
    pub start_p95_ms: i64,
}

impl Default for PlanOptions {
    fn default() -> PlanOptions {
        PlanOptions { bytes_per_second: 50_000_000, start_median_ms: 5_000, start_p95_ms: 30_000 }
    }
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// When steps are given up (C, but for backup, restore and their resource timeout, which are Velero's own).
const IMPORT: i64 = 30 * MINUTE;
const APPLY: i64 = 5 * MINUTE;
const PROBE: i64 = 10 * MINUTE;
const GATE: i64 = 7 * 24 * HOUR;
const FENCE: i64 = 5 * MINUTE;
const BACKUP: i64 = 4 * HOUR;
const VOLUMES: i64 = 10 * MINUTE;
const COPY: i64 = 12 * HOUR;
const SYNC: i64 = 10 * MINUTE;
const RESTORE: i64 = 4 * HOUR + 10 * MINUTE;
const VERIFY: i64 = 30 * MINUTE;
const CUT_OVER: i64 = HOUR;
const DELETE: i64 = 10 * MINUTE;
/// Life of a backup.
const TTL: &str = "720h0m0s";

/// Exit status where items of the checklist that are mandatory are open.
pub const OPEN_ITEMS: i32 = 4;

/// A plan. An error says what kept it from being made.
pub fn plan(
    ground: &Ground<'_>,
    judged: &Judged,
    rendered: &Rendered,
    options: &PlanOptions,
    prices: Option<&Prices>,
) -> Result<TransferPlan, String> {
    let (inventory, mapping) = (ground.inventory, ground.mapping);
    let graph = Graph::of(inventory);
    let places = waves::waves(inventory, mapping, &graph);
    let delays = starts(inventory)?;
    let changes: BTreeMap<&ObjectId, &Change> = rendered.changes.iter().map(|c| (&c.id, c)).collect();
    let restored: Vec<&Change> = rendered
        .changes
        .iter()
        .filter(|c| {
            inventory.get(&c.id).is_some_and(|i| rules::template(i).is_some() && is_stateful(inventory, mapping, i))
        })
        .collect();
    let velero = velero(ground, &judged.analysis.imports, &restored);
    let maker = Maker {
        ground,
        judged,
        rendered,
        known: rendered.objects.iter().map(|o| &o.id).collect(),
        graph: &graph,
        places: &places,
        delays: &delays,
        changes,
        options,
        restored,
        velero: &velero,
    };
    let checklist = checklist::checklist(inventory, mapping);
    let pools = pools::propose(inventory, mapping, &rendered.objects, prices)?;
    let peak: u32 = pools.iter().map(|p| p.peak_nodes).sum();
    let pods = inventory.items().filter(|i| !i.is_owned()).filter_map(|i| claims::pods(inventory, i)).sum();
    let services = inventory.of_kind("", "Service").count() as u32;
    let waves = maker.waves(&pools, &checklist);
    let open = checklist.iter().any(|c| c.mandatory && c.evidence.is_none());
    let uid =
        inventory.find("", "Namespace", None, "kube-system").and_then(|n| n.text("/metadata/uid")).map(str::to_owned);
    Ok(TransferPlan {
        transfer_plan_version: TRANSFER_PLAN_VERSION,
        nodeferry: env!("CARGO_PKG_VERSION").to_owned(),
        inputs: inventory.inputs.clone(),
        source: Site {
            name: mapping.source.name.clone().unwrap_or_else(|| "eks".to_owned()),
            kubernetes_version: rules::source_version(inventory, mapping.source.kubernetes_version.as_deref()),
            uid,
        },
        target: Site {
            name: mapping.target.name.clone().unwrap_or_else(|| "aks".to_owned()),
            kubernetes_version: mapping.target.kubernetes_version.clone(),
            uid: None,
        },
        mapping: mapping.clone(),
        findings: judged.analysis.summary(),
        exit_status: match judged.analysis.exit_status {
            0 if open => OPEN_ITEMS,
            status => status,
        },
        critical_path: maker.critical_path(),
        cycles: graph.cycles(),
        objects: rendered.objects.clone(),
        secrets: secret_keys(inventory),
        velero: velero.clone(),
        network: network::choices(mapping, peak, pods, services),
        waves,
        pools,
        checklist,
    })
}

/// Start times of workloads that pods of a dump show, sorted, by kind, namespace and name.
type Starts = BTreeMap<(String, String, String), Vec<i64>>;

fn starts(inventory: &Inventory) -> Result<Starts, String> {
    let mut all = Starts::new();
    if !inventory.live.iter().any(|o| o["kind"] == "Pod") {
        return Ok(all);
    }
    let known = |o: &&Value| crate::snapshot::KNOWN.iter().any(|(_, kind)| o["kind"] == *kind);
    let objects: Vec<Value> = inventory.live.iter().filter(known).cloned().collect();
    let snapshot = Snapshot::from_objects(&objects).map_err(|e| e.to_string())?;
    let view = View { catalog: &snapshot.cluster.catalog, state: &snapshot.cluster.state };
    for (owner, samples) in &snapshot.delays.by_owner {
        let o = &view.catalog.owners[*owner];
        if o.kind == OwnerKind::Node {
            continue;
        }
        let name = |sym| view.catalog.text(sym).to_owned();
        all.insert((name(o.kind_name), name(view.catalog.namespaces[o.namespace].name), name(o.name)), samples.clone());
    }
    Ok(all)
}

struct Maker<'a> {
    ground: &'a Ground<'a>,
    judged: &'a Judged,
    rendered: &'a Rendered,
    /// Names of what is rendered.
    known: BTreeSet<&'a ObjectId>,
    graph: &'a Graph,
    places: &'a BTreeMap<ObjectId, Place>,
    delays: &'a Starts,
    changes: BTreeMap<&'a ObjectId, &'a Change>,
    options: &'a PlanOptions,
    /// Workloads that Velero restores.
    restored: Vec<&'a Change>,
    /// What it is given for that.
    velero: &'a Velero,
}

/// Steps of a wave as they are added: each waits for the one before.
struct Steps {
    wave: WaveName,
    steps: Vec<Step>,
    last: Option<String>,
}

impl Steps {
    fn new(wave: WaveName, after: Option<String>) -> Steps {
        Steps { wave, steps: Vec::new(), last: after }
    }

    fn add(&mut self, id: &str, what: impl Into<String>, timeout_ms: i64, action: Action) {
        let id = format!("{}.{id}", self.wave.id());
        let after = self.last.replace(id.clone()).into_iter().collect();
        self.steps.push(Step { id, what: what.into(), timeout_ms, after, action });
    }
}

/// A name as it stands in the id of a step.
fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// A workload in the id of a step: `shop-deployment-web`.
fn workload_word(id: &ObjectId) -> String {
    word(&format!("{}-{}-{}", id.namespace().unwrap_or_default(), id.kind(), id.name()))
}

impl<'a> Maker<'a> {
    fn inventory(&self) -> &'a Inventory {
        self.ground.inventory
    }

    fn item(&self, id: &ObjectId) -> Option<&'a Item> {
        self.inventory().get(id)
    }

    /// Objects of a wave, in order.
    fn members_of(&self, wave: WaveName) -> Vec<ObjectId> {
        let ids: BTreeSet<ObjectId> =
            self.places.iter().filter(|(_, p)| p.wave == wave).map(|(id, _)| id.clone()).collect();
        ordered(self.graph, &ids)
    }

    fn start(&self, id: &ObjectId) -> StartTime {
        let key = (id.kind().to_owned(), id.namespace().unwrap_or_default().to_owned(), id.name().to_owned());
        match self.delays.get(&key).filter(|s| !s.is_empty()) {
            Some(samples) => {
                let at = |percent: usize| samples[(samples.len() * percent / 100).min(samples.len() - 1)];
                StartTime { median_ms: at(50), p95_ms: at(95), measured: true }
            }
            None => StartTime {
                median_ms: self.options.start_median_ms,
                p95_ms: self.options.start_p95_ms,
                measured: false,
            },
        }
    }

    fn claims(&self, item: &Item) -> Vec<PlannedClaim> {
        let target = |class: Option<&str>| match class {
            Some(class) => {
                rules::target_class(self.ground, class).ok().map(|to| to.unwrap_or_else(|| class.to_owned()))
            }
            None => None,
        };
        claims::claims_of(self.inventory(), item)
            .into_iter()
            .map(|c| PlannedClaim {
                target_class: target(c.class.as_deref()),
                moves: moves(self.ground.mapping, &c.namespace, &c.name),
                namespace: c.namespace,
                name: c.name,
                bytes: c.bytes,
                class: c.class,
            })
            .collect()
    }

    fn member(&self, id: &ObjectId) -> Member {
        let item = self.item(id);
        let workload = item.filter(|i| rules::template(i).is_some());
        let mut reason = self.places.get(id).map_or(String::new(), |p| p.reason.clone());
        let needs: Vec<ObjectId> = self
            .graph
            .needs(id)
            .into_iter()
            .map(|(needed, why)| {
                if why.is_weak() {
                    reason.push_str(&format!("; a text of it names {needed}"));
                }
                needed.clone()
            })
            .collect();
        if self.changes.get(id).is_some_and(|c| c.after.is_none()) {
            let made: Vec<String> =
                self.changes[id].made.iter().filter_map(ObjectId::of).map(|i| i.to_string()).collect();
            reason.push_str(&if made.is_empty() {
                "; it is not rendered".to_owned()
            } else {
                format!("; it becomes {}", made.join(", "))
            });
        }
        Member {
            object: id.clone(),
            reason,
            needs,
            pods: workload.and_then(|i| claims::pods(self.inventory(), i)),
            start: workload.map(|i| self.start(&i.id)),
            claims: workload.map(|i| self.claims(i)).unwrap_or_default(),
        }
    }

    /// What objects of the source become on the target, in their order.
    fn on_target(&self, ids: &[ObjectId]) -> Vec<ObjectId> {
        let mut seen = BTreeSet::new();
        let changes = ids.iter().filter_map(|id| self.changes.get(id));
        let made = changes.flat_map(|c| c.after.iter().chain(&c.made)).filter_map(ObjectId::of);
        made.filter(|id| self.known.contains(id) && seen.insert(id.clone())).collect()
    }

    fn waves(&self, pools: &[super::plan::PlannedPool], checklist: &[super::plan::ChecklistItem]) -> Vec<Wave> {
        let mut waves = Vec::new();
        let mut last = None;
        for (name, reason) in [
            (WaveName::W0, "the platform: what everything else needs, and images"),
            (WaveName::W1, "workloads without data, in order of their dependencies"),
            (WaveName::W2, "workloads with data: writes are stopped, data is backed up, copied and restored"),
            (WaveName::W3, "workloads that depend on data"),
            (WaveName::W4, "ingress, names, and the cut-over"),
        ] {
            let ids = self.members_of(name);
            if ids.is_empty() && !matches!(name, WaveName::W0 | WaveName::W4) {
                continue;
            }
            let mut steps = Steps::new(name, last.clone());
            let mut rollback = Steps::new(name, None);
            match name {
                WaveName::W0 => self.platform(&ids, pools, &mut steps),
                WaveName::W1 | WaveName::W3 => self.stateless(&ids, &mut steps),
                WaveName::W2 => self.stateful(&ids, &mut steps, &mut rollback),
                WaveName::W4 => self.cut_over(&ids, checklist, &mut steps),
            }
            self.back(&steps, &mut rollback);
            last = steps.last.clone();
            let members = ids.iter().map(|id| self.member(id)).collect();
            waves.push(Wave { name, reason: reason.to_owned(), members, steps: steps.steps, rollback: rollback.steps });
        }
        waves
    }

    fn reconcilers(&self) -> BTreeSet<Reconciler> {
        self.graph.ids().filter_map(|id| rules::reconciler(self.item(id)?)).collect()
    }

    fn platform(&self, ids: &[ObjectId], pools: &[super::plan::PlannedPool], steps: &mut Steps) {
        for r in self.reconcilers() {
            let question = format!(
                "{} is paused, so that it does not put back what is changed, and what is rendered is in its repository",
                r.name
            );
            steps.add(
                &format!("pause.{}", word(&r.name)),
                "pause reconciliation",
                GATE,
                gate(format!("pause {}", r.name), question, vec![r.pause]),
            );
        }
        let commands: Vec<String> = pools.iter().map(|p| p.command.clone()).collect();
        steps.add(
            "gate.pools",
            "node pools and network of the target",
            GATE,
            gate("pools", "the target has the node pools and addresses of the plan", commands),
        );
        let script = commands::identities(self.ground);
        let lines: Vec<String> = script.lines().filter(|l| l.starts_with("az ")).map(str::to_owned).collect();
        if !lines.is_empty() {
            steps.add(
                "gate.identities",
                "identities of the target",
                GATE,
                gate("identities", "identities, their roles, their federated credentials and access are made", lines),
            );
        }
        for (i, image) in self.judged.analysis.imports.iter().enumerate() {
            let action = Action::ImportImage {
                from: image.from.clone(),
                to: image.to.clone(),
                bytes: self.image_bytes(&image.from),
                command: commands::without_shell(commands::import(image)),
            };
            steps.add(&format!("import.{}", i + 1), format!("import {}", image.to), IMPORT, action);
        }
        // Namespaces that no object of the input stands for come first.
        let made = self.rendered.objects.iter().map(|o| &o.id);
        let mut objects: Vec<ObjectId> =
            made.filter(|id| id.kind() == "Namespace" && self.item(id).is_none()).cloned().collect();
        objects.extend(self.on_target(ids));
        if !objects.is_empty() {
            steps.add("apply", "apply the platform", APPLY, Action::Apply { objects });
        }
        let secrets = secret_keys(self.inventory());
        if !secrets.is_empty() {
            let names: Vec<String> = secrets.iter().map(|s| format!("{} ({})", s.secret, s.keys.join(", "))).collect();
            let question = format!("these Secrets are on the target with their keys: {}", names.join("; "));
            steps.add("gate.secrets", "secrets of the target", GATE, gate("secrets", question, Vec::new()));
        }
        for (i, probe) in self.probes().into_iter().enumerate() {
            let what = match &probe {
                Action::ProbePull { image, service_account, .. } => format!("pull {image} as {service_account}"),
                _ => String::new(),
            };
            steps.add(&format!("probe.{}", i + 1), what, PROBE, probe);
        }
        if !self.restored.is_empty() {
            let namespace = super::render::velero::namespace(self.ground.mapping);
            let question = format!(
                "Velero runs in namespace {namespace} of both clusters (a Deployment called velero, the node agent, locations called {LOCATION} that are Available), its credential for the target's container may write, and Secret velero-repo-credentials is the same on both"
            );
            steps.add("gate.velero", "Velero on both clusters", GATE, gate("velero", question, Vec::new()));
        }
    }

    /// Bytes of an image, as a node of the dump has them.
    fn image_bytes(&self, image: &str) -> Option<i64> {
        let names =
            |entry: &Value| entry.get("names").and_then(Value::as_array).is_some_and(|n| n.iter().any(|n| n == image));
        self.inventory().live.iter().filter(|o| o["kind"] == "Node").find_map(|node| {
            let images = node.pointer("/status/images").and_then(Value::as_array)?;
            images.iter().find(|i| names(i))?.get("sizeBytes")?.as_i64()
        })
    }

    /// One pull of each registry under each service account that pulls from it.
    fn probes(&self) -> Vec<Action> {
        let imported: BTreeSet<&str> = self.judged.analysis.imports.iter().map(|i| i.to.as_str()).collect();
        let mut seen: BTreeMap<(String, String, String), Action> = BTreeMap::new();
        for object in &self.rendered.objects {
            let Some(item) = self.item(object.from.as_ref().unwrap_or(&object.id)) else { continue };
            let Some(template) = rules::template(item) else { continue };
            let on_target =
                Item { id: object.id.clone(), object: object.object.clone(), origin: String::new(), live: false };
            let namespace = object.id.namespace().unwrap_or("default").to_owned();
            let account = rules::service_account(&on_target, template).to_owned();
            for (_, container) in rules::containers(&on_target, template) {
                let Some(image) = container.get("image").and_then(Value::as_str).filter(|i| imported.contains(i))
                else {
                    continue;
                };
                let registry = image.split('/').next().unwrap_or_default().to_owned();
                let pull =
                    on_target.object.pointer(&format!("{template}/spec/imagePullSecrets")).and_then(Value::as_array);
                let pull_secrets =
                    pull.into_iter().flatten().filter_map(|s| Some(s.get("name")?.as_str()?.to_owned())).collect();
                seen.entry((registry, namespace.clone(), account.clone())).or_insert_with(|| Action::ProbePull {
                    image: image.to_owned(),
                    namespace: namespace.clone(),
                    service_account: account.clone(),
                    pull_secrets,
                });
            }
        }
        seen.into_values().collect()
    }

    fn verify(&self, id: &ObjectId, steps: &mut Steps) {
        let Some(item) = self.item(id).filter(|i| rules::template(i).is_some()) else { return };
        for target in self.on_target(std::slice::from_ref(id)) {
            let pods = claims::pods(self.inventory(), item).unwrap_or(0);
            let command = self.ground.mapping.data.checks.get(id.as_str()).cloned();
            let what = format!("{target} has {pods} ready");
            steps.add(
                &format!("verify.{}", workload_word(&target)),
                what,
                VERIFY,
                Action::Verify { workload: target, pods, command },
            );
        }
    }

    fn stateless(&self, ids: &[ObjectId], steps: &mut Steps) {
        let objects = self.on_target(ids);
        if !objects.is_empty() {
            steps.add("apply", "apply the workloads and what belongs to them", APPLY, Action::Apply { objects });
        }
        ids.iter().for_each(|id| self.verify(id, steps));
    }

    fn stateful(&self, ids: &[ObjectId], steps: &mut Steps, rollback: &mut Steps) {
        let restored: BTreeSet<&ObjectId> = self.restored.iter().map(|c| &c.id).collect();
        let mut namespaces: Vec<&str> = Vec::new();
        for id in ids {
            let namespace = id.namespace().unwrap_or_default();
            if !namespaces.contains(&namespace) {
                namespaces.push(namespace);
            }
        }
        for namespace in namespaces {
            let of: Vec<&ObjectId> = ids.iter().filter(|id| id.namespace().unwrap_or_default() == namespace).collect();
            let workloads: Vec<&ObjectId> = of.iter().copied().filter(|id| restored.contains(id)).collect();
            let is_workload = |id: &ObjectId| self.item(id).is_some_and(|i| rules::template(i).is_some());
            let moves_by_velero = |id: &ObjectId| {
                id.kind() == "PersistentVolumeClaim"
                    && moves(self.ground.mapping, id.namespace().unwrap_or_default(), id.name())
            };
            // What stands around them comes first: Services, so that peers find each other.
            let around: Vec<ObjectId> =
                of.iter().copied().filter(|id| !is_workload(id) && !moves_by_velero(id)).cloned().collect();
            let objects = self.on_target(&around);
            if !objects.is_empty() {
                steps.add(
                    &format!("apply.{}", word(namespace)),
                    format!("apply what stands around the workloads with data in {namespace}"),
                    APPLY,
                    Action::Apply { objects },
                );
            }
            if !workloads.is_empty() {
                self.data(namespace, &workloads, steps, rollback);
            }
            let all: Vec<ObjectId> = of.iter().copied().filter(|id| is_workload(id)).cloned().collect();
            let objects = self.on_target(&all);
            if !objects.is_empty() {
                steps.add(
                    &format!("settle.{}", word(namespace)),
                    format!("apply the workloads of {namespace} as they are rendered"),
                    APPLY,
                    Action::Apply { objects },
                );
            }
            of.iter().for_each(|id| self.verify(id, steps));
        }
    }

    /// Fence, backup, copy and restore of a namespace.
    fn data(&self, namespace: &str, workloads: &[&ObjectId], steps: &mut Steps, rollback: &mut Steps) {
        // It is a label of what a restore makes, which holds 63 characters; a further try adds some.
        let ns = word(namespace);
        let name = match ns.len() {
            ..=46 => format!("transfer-{ns}"),
            _ => format!("transfer-{}-{}", &ns[..37], &hex(&Sha256::digest(ns.as_bytes()))[..8]),
        };
        let mut selectors: Vec<Value> = Vec::new();
        let (mut policies, mut close, mut open, mut labels) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut claims, mut bytes): (BTreeSet<ClaimName>, Option<i64>) = (BTreeSet::new(), Some(0));
        for id in workloads {
            let Some(item) = self.item(id) else { continue };
            let selector = pod_selector(item);
            if let Some(command) = label_command(item, &selector) {
                labels.push(command);
            }
            match self.ground.mapping.data.fences.get(id.as_str()) {
                Some(fence) => {
                    close.extend(fence.close.clone());
                    open.extend(fence.open.clone());
                }
                None => policies.push(json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                    "metadata": {"name": format!("nodeferry-fence-{}", id.name()), "namespace": namespace},
                    "spec": {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": selector}]}]}})),
            }
            for claim in self.claims(item).into_iter().filter(|c| c.moves) {
                bytes = bytes.zip(claim.bytes).map(|(a, b)| a.saturating_add(b));
                claims.insert(ClaimName { namespace: claim.namespace, name: claim.name });
            }
            if !selectors.contains(&selector) {
                selectors.push(selector);
            }
        }
        let ids: Vec<ObjectId> = workloads.iter().map(|id| (*id).clone()).collect();
        if !labels.is_empty() {
            let question =
                "the workloads carry the labels by which Velero selects them; nothing in their pods changes by it";
            steps.add(
                &format!("gate.labels.{ns}"),
                "labels on the source",
                GATE,
                gate(format!("labels {namespace}"), question, labels),
            );
        }
        let what = format!("stop writes to the data of {namespace}; downtime begins");
        steps.add(
            &format!("fence.{ns}"),
            what,
            FENCE,
            Action::Fence { workloads: ids.clone(), policies: policies.clone(), commands: close },
        );
        let spec = json!({"includedNamespaces": [namespace],
            "includedResources": ["pods", "persistentvolumeclaims", "persistentvolumes", "statefulsets", "deployments", "replicasets", "daemonsets", "replicationcontrollers"],
            "orLabelSelectors": selectors, "defaultVolumesToFsBackup": true, "snapshotVolumes": false, "storageLocation": LOCATION, "ttl": TTL});
        steps.add(
            &format!("backup.{ns}"),
            format!("back up {namespace}"),
            BACKUP,
            Action::Backup { name: name.clone(), spec },
        );
        let claims: Vec<ClaimName> = claims.into_iter().collect();
        let what = format!("one completed volume backup for each of {} claims", claims.len());
        steps.add(
            &format!("volumes.{ns}"),
            what,
            VOLUMES,
            Action::DemandVolumeBackups { backup: name.clone(), claims: claims.clone() },
        );
        steps.add(
            &format!("copy.{ns}"),
            "copy the backup to the target's store",
            COPY,
            Action::CopyStore { command: self.copy_command(), bytes },
        );
        steps.add(
            &format!("sync.{ns}"),
            "the target sees the backup",
            SYNC,
            Action::AwaitSync { backup: name.clone() },
        );
        let mut spec = json!({"backupName": name, "includedNamespaces": [namespace], "restorePVs": true});
        if let Some(modifiers) = &self.velero.resource_modifiers {
            spec["resourceModifier"] = json!({"kind": "ConfigMap", "name": modifiers["metadata"]["name"]});
        }
        steps.add(
            &format!("restore.{ns}"),
            format!("restore {namespace} on the target"),
            RESTORE,
            Action::Restore { name: name.clone(), backup: name.clone(), spec },
        );
        let claim = |c: &ClaimName| ObjectId::new("v1", "PersistentVolumeClaim", Some(&c.namespace), &c.name);
        let objects: Vec<ObjectId> = self.on_target(&ids).into_iter().chain(claims.iter().map(claim)).collect();
        rollback.add(
            &format!("undo.restore.{ns}"),
            format!("delete what was restored of {namespace}"),
            DELETE,
            Action::DeleteRestored { restore: name, objects },
        );
        let policies = policies.iter().filter_map(ObjectId::of).collect();
        rollback.add(
            &format!("undo.fence.{ns}"),
            format!("allow writes to the data of {namespace} on the source again"),
            FENCE,
            Action::Unfence { workloads: ids, policies, commands: open },
        );
    }

    fn copy_command(&self) -> String {
        let data = &self.ground.mapping.data;
        if let Some(command) = &data.copy_command {
            return command.clone();
        }
        let or = |value: &Option<String>, blank: &str| value.clone().unwrap_or_else(|| format!("<{blank}>"));
        let region = or(&self.ground.mapping.source.region, "REGION");
        let from = format!("https://s3.{region}.amazonaws.com/{}", or(&data.bucket, "BUCKET"));
        let to = format!(
            "https://{}.blob.core.windows.net/{}",
            or(&data.storage_account, "STORAGE_ACCOUNT"),
            or(&data.container, "CONTAINER")
        );
        // backups/ and kopia/ lie in the root of the bucket.
        format!("azcopy copy {} {} --recursive", quoted(&format!("{from}/*")), quoted(&to))
    }

    fn cut_over(&self, ids: &[ObjectId], checklist: &[super::plan::ChecklistItem], steps: &mut Steps) {
        let objects = self.on_target(ids);
        if !objects.is_empty() {
            steps.add("apply", "apply what lets traffic in", APPLY, Action::Apply { objects });
        }
        for item in checklist.iter().filter(|c| c.mandatory) {
            let question = match &item.evidence {
                Some(evidence) => format!("{} Evidence: {evidence}", item.question),
                None => format!("{} It is open: the cut-over is refused without evidence.", item.question),
            };
            steps.add(
                &format!("gate.{}", item.name),
                item.question.clone(),
                GATE,
                gate(item.name.clone(), question, Vec::new()),
            );
        }
        let hosts = self.hosts();
        let commands: Vec<String> = hosts.iter().filter(|h| !h.host.is_empty()).map(|h| self.dns_command(h)).collect();
        if !hosts.is_empty() {
            steps.add("cut-over", "names point to the target", CUT_OVER, Action::CutOver { hosts, commands });
        }
        for r in self.reconcilers() {
            let question = format!("{} goes on, for the target", r.name);
            steps.add(
                &format!("resume.{}", word(&r.name)),
                "resume reconciliation",
                GATE,
                gate(format!("resume {}", r.name), question, vec![r.resume]),
            );
        }
    }

    /// The command that points a name to the target, whose address is filled in when it has one.
    fn dns_command(&self, change: &HostChange) -> String {
        let ingress = &self.ground.mapping.ingress;
        let address = address_place(&change.target);
        if let Some(command) = &ingress.dns_command {
            return command.replace("<HOST>", &change.host).replace("<ADDRESS>", &address);
        }
        // The longest zone that the name is in; a record is named within its zone.
        let in_zone = |zone: &str| match change.host.strip_suffix(zone) {
            Some("") => Some("@".to_owned()),
            Some(head) => head.strip_suffix('.').map(str::to_owned),
            None => None,
        };
        let zones = ingress.dns_zones.iter().filter_map(|(zone, group)| Some((zone, group, in_zone(zone)?)));
        let (group, zone, record) = match zones.max_by_key(|(zone, ..)| zone.len()) {
            Some((zone, group, record)) => {
                (commands::or_blank(group.as_ref(), "DNS_RESOURCE_GROUP"), quoted(zone), quoted(&record))
            }
            None => {
                let of = word(&change.host);
                ("<DNS_RESOURCE_GROUP>".to_owned(), format!("<DNS_ZONE_OF_{of}>"), format!("<DNS_RECORD_OF_{of}>"))
            }
        };
        format!("az network dns record-set a add-record -g {group} -z {zone} -n {record} -a {address}")
    }

    /// Names that will point to the target, and load balancers that no name in the input points to.
    fn hosts(&self) -> Vec<HostChange> {
        let mut all: BTreeSet<HostChange> = BTreeSet::new();
        for id in self.graph.ids() {
            let Some(item) = self.item(id) else { continue };
            let of = |kind: &str| self.on_target(std::slice::from_ref(id)).into_iter().find(|i| i.kind() == kind);
            match (item.id.group(), item.id.kind()) {
                ("networking.k8s.io", "Ingress") => {
                    let gateway = || {
                        let name = rules::gateway_name(item);
                        let id = ObjectId::new("gateway.networking.k8s.io/v1", "Gateway", item.id.namespace(), name);
                        self.known.contains(&id).then_some(id)
                    };
                    let Some(target) = of("Ingress").or_else(gateway) else { continue };
                    let hosts = rules::hosts(item);
                    if hosts.is_empty() {
                        all.insert(HostChange { host: String::new(), target });
                    } else {
                        all.extend(hosts.into_iter().map(|host| HostChange { host, target: target.clone() }));
                    }
                }
                ("gateway.networking.k8s.io", "HTTPRoute") => {
                    let parent = item.text("/spec/parentRefs/0/name").unwrap_or_default();
                    let target = ObjectId::new("gateway.networking.k8s.io/v1", "Gateway", item.id.namespace(), parent);
                    let hosts = item.object.pointer("/spec/hostnames").and_then(Value::as_array).into_iter().flatten();
                    all.extend(
                        hosts
                            .filter_map(Value::as_str)
                            .map(|h| HostChange { host: h.to_owned(), target: target.clone() }),
                    );
                }
                ("", "Service") if item.text("/spec/type") == Some("LoadBalancer") => {
                    let Some(target) = of("Service") else { continue };
                    let names = item.annotation("external-dns.alpha.kubernetes.io/hostname").unwrap_or_default();
                    all.extend(
                        names.split(',').map(|n| HostChange { host: n.trim().to_owned(), target: target.clone() }),
                    );
                }
                _ => {}
            }
        }
        all.into_iter().collect()
    }

    /// How what the steps of a wave have made on the target is taken back, the last first.
    fn back(&self, steps: &Steps, rollback: &mut Steps) {
        let mut seen: BTreeSet<&ObjectId> = BTreeSet::new();
        let applies = steps.steps.iter().filter_map(|step| match &step.action {
            Action::Apply { objects } => Some(objects),
            _ => None,
        });
        let mut applied: Vec<ObjectId> = applies.flatten().filter(|o| seen.insert(*o)).cloned().collect();
        applied.reverse();
        if !applied.is_empty() {
            rollback.add(
                "undo.apply",
                "delete what was applied on the target",
                DELETE,
                Action::DeleteApplied { objects: applied },
            );
        }
        if steps.wave == WaveName::W0 {
            for r in self.reconcilers() {
                let question = format!("{} goes on, for the source", r.name);
                rollback.add(
                    &format!("undo.pause.{}", word(&r.name)),
                    "resume reconciliation",
                    GATE,
                    gate(format!("resume {} on the source", r.name), question, vec![r.resume]),
                );
            }
        }
    }

    /// How long one object takes by itself: the start of its pods, and its data three times over the wire.
    fn takes(&self, id: &ObjectId) -> i64 {
        let Some(item) = self.item(id).filter(|i| rules::template(i).is_some()) else { return 0 };
        if claims::pods(self.inventory(), item) == Some(0) {
            return 0;
        }
        let bytes: i128 = self.claims(item).iter().filter(|c| c.moves).filter_map(|c| c.bytes).map(i128::from).sum();
        let data = 3 * (bytes * 1_000 / i128::from(self.options.bytes_per_second.max(1)));
        self.start(id).median_ms.saturating_add(i64::try_from(data).unwrap_or(i64::MAX))
    }

    /// The longest chain of dependencies, what everything waits for first.
    fn critical_path(&self) -> Vec<PathMember> {
        let all: BTreeSet<ObjectId> = self.graph.ids().cloned().collect();
        let order = ordered(self.graph, &all);
        let mut best: BTreeMap<&ObjectId, (i64, Option<&ObjectId>)> = BTreeMap::new();
        for id in &order {
            let before = self
                .graph
                .needs(id)
                .into_keys()
                .filter_map(|n| best.get_key_value(n).map(|(k, (ms, _))| (*ms, *k)))
                .max();
            let (ms, from) = before.map_or((0, None), |(ms, k)| (ms, Some(k)));
            best.insert(id, (ms.saturating_add(self.takes(id)), from));
        }
        let mut path = Vec::new();
        // Of equals the first by name.
        let mut at = best.iter().max_by(|a, b| a.1.0.cmp(&b.1.0).then(b.0.cmp(a.0))).map(|(id, _)| *id);
        while let Some(id) = at {
            let takes_ms = self.takes(id);
            if takes_ms > 0 {
                path.push(PathMember { object: id.clone(), takes_ms });
            }
            at = best.get(id).and_then(|(_, from)| *from);
        }
        path.reverse();
        path
    }
}

fn gate(name: impl Into<String>, question: impl Into<String>, commands: Vec<String>) -> Action {
    Action::Gate { name: name.into(), question: question.into(), mandatory: true, commands }
}

/// The selector of a workload's pods.
fn pod_selector(item: &Item) -> Value {
    let selector = item.object.pointer("/spec/selector").cloned().unwrap_or_default();
    if selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some() {
        return selector;
    }
    let labels = rules::template(item).and_then(|t| item.object.pointer(&format!("{t}/metadata/labels"))).cloned();
    json!({"matchLabels": labels.unwrap_or_else(|| json!({}))})
}

/// The command that gives a workload itself the labels of its pods, by which Velero selects; None where it has them.
fn label_command(item: &Item, selector: &Value) -> Option<String> {
    let wanted = selector.get("matchLabels").and_then(Value::as_object)?;
    let lacks: Vec<String> = wanted
        .iter()
        .filter(|(k, v)| item.labels().and_then(|l| l.get(*k)) != Some(v))
        .map(|(k, v)| quoted(&format!("{k}={}", v.as_str().unwrap_or_default())))
        .collect();
    if lacks.is_empty() || item.id.kind() == "Pod" {
        return None;
    }
    let namespace = item.id.namespace().unwrap_or_default();
    Some(format!(
        "kubectl label {} {} -n {namespace} {}",
        item.id.kind().to_lowercase(),
        item.id.name(),
        lacks.join(" ")
    ))
}
