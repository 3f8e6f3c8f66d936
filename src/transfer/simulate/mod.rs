//! The transfer SIMULATED: two sites under one clock.
//!
//! The source goes on as it is, fenced for a time; the target's pods are placed by the simulator of the cluster (`target`). Steps take their time
//! one after the other, as the executor does them.

mod options;
mod report;
mod target;
#[cfg(test)]
mod tests;

use options::LONGEST_MS;
pub use options::{Rate, TransferSimOptions};

use crate::experiment::Experiment;
use crate::report::format::time;
use crate::runner::Outcome;
use crate::transfer::plan::{Action, ClaimName, Member, PlannedClaim, Step, TransferPlan, Wave, WaveName};
use crate::transfer::{Commands, ObjectId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use target::{Created, Target};

/// What is predicted of an execution, without the time that gates wait for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicted {
    /// How long each wave takes, milliseconds.
    pub waves: BTreeMap<WaveName, i64>,
    /// How long each workload whose writes are stopped is not served, milliseconds.
    pub downtime: BTreeMap<ObjectId, i64>,
}

/// A step, simulated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepRun {
    /// Its wave.
    pub wave: WaveName,
    /// Its id.
    pub step: String,
    /// When it begins, milliseconds.
    pub from_ms: i64,
    /// When it ends.
    pub to_ms: i64,
}

/// A step that fails, or whose wait reaches its limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepFailure {
    /// Its id.
    pub step: String,
    /// The code of an execution's reason; of a limit its name.
    pub reason: String,
    /// What happens.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

/// A workload, simulated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkloadRun {
    /// When its writes are stopped, milliseconds.
    pub fenced_ms: Option<i64>,
    /// When it is ready on the target.
    pub ready_ms: Option<i64>,
    /// When it was seen to be so.
    pub verified_ms: Option<i64>,
    /// From the one to the other.
    pub downtime_ms: Option<i64>,
    /// Of it, the second roll-out after a restore, milliseconds.
    pub second_rollout_ms: i64,
    /// How long its pods run on both clusters, to the end of the transfer, milliseconds.
    pub runs_twice_ms: i64,
}

/// What comes of a simulated transfer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TransferResult {
    /// How it ends: COMPLETED or FAILED.
    pub outcome: &'static str,
    /// The step that fails.
    pub failure: Option<StepFailure>,
    /// How long it takes, milliseconds.
    pub duration_ms: i64,
    /// Of it, gates.
    pub gates_ms: i64,
    /// Steps.
    pub steps: Vec<StepRun>,
    /// How long each wave takes, without its gates, milliseconds.
    pub waves: BTreeMap<WaveName, i64>,
    /// Workloads.
    pub workloads: BTreeMap<ObjectId, WorkloadRun>,
    /// How much that is written on the source is lost, milliseconds of it: 0 where writes are stopped before the backup.
    pub rpo_ms: BTreeMap<ObjectId, i64>,
    /// From the first fence until names point to the target, milliseconds.
    pub rto_ms: Option<i64>,
    /// Nodes that are launched on the target for the pods.
    pub nodes_launched: usize,
    /// What both clusters cost meanwhile, in millionths; null where a price is not known.
    pub cost_micros: Option<i64>,
    /// What is assumed or left out.
    pub notes: Vec<String>,
}

impl TransferResult {
    /// What an execution is held against.
    pub fn predicted(&self) -> Predicted {
        let down = self.workloads.iter().filter_map(|(w, run)| Some((w.clone(), run.downtime_ms?)));
        Predicted { waves: self.waves.clone(), downtime: down.collect() }
    }

    /// Exit status: 0 or 3.
    pub fn exit_status(&self) -> i32 {
        if self.failure.is_none() { Outcome::Completed.exit_status() } else { Outcome::Failed.exit_status() }
    }
}

/// What is known besides the plan.
#[derive(Clone, Copy, Default)]
pub struct Ground<'a> {
    /// The target's cluster; none: every pod finds a place at once.
    pub target: Option<&'a Experiment>,
    /// Storage classes of the target, where its dump shows them.
    pub target_classes: Option<&'a BTreeSet<String>>,
    /// Objects of the source, for templates of pods that the plan does not hold.
    pub source: &'a [Value],
}

/// Simulates a transfer.
pub fn simulate(plan: &TransferPlan, ground: Ground<'_>, options: &TransferSimOptions) -> TransferResult {
    let mut run = Run {
        plan,
        options,
        classes: classes(plan, ground, options),
        templates: templates(plan, ground),
        target: Target::new(ground.target),
        now: 0,
        gates: 0,
        steps: Vec::new(),
        waves: BTreeMap::new(),
        workloads: BTreeMap::new(),
        fenced: None,
        backed_up: BTreeMap::new(),
        switched: None,
        pending: BTreeMap::new(),
        notes: BTreeSet::new(),
    };
    let failure = run.waves().err();
    run.result(failure)
}

fn classes(plan: &TransferPlan, ground: Ground<'_>, options: &TransferSimOptions) -> Option<BTreeSet<String>> {
    let applied = plan.objects.iter().filter(|o| o.id.kind() == "StorageClass").map(|o| o.id.name().to_owned());
    let known = match &options.target_classes {
        Some(classes) => classes.iter().cloned().collect(),
        None => ground.target_classes?.clone(),
    };
    Some(applied.chain(known).collect())
}

/// Templates of pods: as the plan applies them, else as the source has them.
fn templates(plan: &TransferPlan, ground: Ground<'_>) -> BTreeMap<ObjectId, Value> {
    let of_source = ground.source.iter().filter_map(|o| Some((ObjectId::of(o)?, o)));
    let of_plan = plan.objects.iter().map(|o| (o.id.clone(), &o.object));
    let template = |o: &Value| o.pointer("/spec/template").filter(|t| t.is_object()).cloned();
    of_source.chain(of_plan).filter_map(|(id, o)| Some((id, template(o)?))).collect()
}

/// A transfer under way.
struct Run<'a> {
    plan: &'a TransferPlan,
    options: &'a TransferSimOptions,
    classes: Option<BTreeSet<String>>,
    templates: BTreeMap<ObjectId, Value>,
    target: Target,
    now: i64,
    gates: i64,
    steps: Vec<StepRun>,
    waves: BTreeMap<WaveName, i64>,
    workloads: BTreeMap<ObjectId, WorkloadRun>,
    fenced: Option<i64>,
    /// When each backup began.
    backed_up: BTreeMap<String, i64>,
    switched: Option<i64>,
    /// Pods of workloads that were created and whose place is not looked for yet, with how long they take to start.
    pending: BTreeMap<ObjectId, (Created, i64)>,
    notes: BTreeSet<String>,
}

fn failure(step: &Step, reason: &str, why: String, remedy: &str) -> StepFailure {
    StepFailure { step: step.id.clone(), reason: reason.to_owned(), why, remedy: remedy.to_owned() }
}

impl Run<'_> {
    fn waves(&mut self) -> Result<(), StepFailure> {
        let plan = self.plan;
        for wave in &plan.waves {
            let (began, gates) = (self.now, self.gates);
            for step in &wave.steps {
                let from_ms = self.now;
                let done = match self.options.failing.get(&step.id) {
                    Some(why) => Err(failure(step, "failing", why.clone(), "it is the simulation's option `failing`")),
                    None => self.step(wave, step).and_then(|()| self.in_time(step, from_ms)),
                };
                self.steps.push(StepRun { wave: wave.name, step: step.id.clone(), from_ms, to_ms: self.now });
                done?;
            }
            self.waves.insert(wave.name, self.now - began - (self.gates - gates));
        }
        Ok(())
    }

    /// A step that takes longer than its limit ends there.
    fn in_time(&mut self, step: &Step, from: i64) -> Result<(), StepFailure> {
        let limit = from.saturating_add(step.timeout_ms);
        if self.now <= limit {
            return Ok(());
        }
        let over = time(self.now - limit);
        self.now = limit;
        let reason = match &step.action {
            Action::ImportImage { .. } | Action::CopyStore { .. } | Action::Fence { .. } | Action::CutOver { .. } => {
                "transfer-command-failed"
            }
            Action::ProbePull { .. } => "pull",
            Action::Gate { .. } => "gate",
            Action::Backup { .. } => "backup",
            Action::AwaitSync { .. } => "sync",
            Action::Restore { .. } => "restore",
            Action::Verify { .. } => "ready",
            _ => "answer",
        };
        Err(failure(
            step,
            reason,
            format!("it takes {over} longer than its limit"),
            "raise the step's limit in the plan, or make it shorter: less data, more bandwidth, other times",
        ))
    }

    fn step(&mut self, wave: &Wave, step: &Step) -> Result<(), StepFailure> {
        let o = self.options;
        match &step.action {
            Action::ImportImage { bytes, .. } => {
                let copied = || o.import.takes_ms(bytes.unwrap_or(o.image_bytes));
                self.pass(o.commands.get(&step.id).copied().unwrap_or_else(copied));
            }
            Action::ProbePull { .. } => self.now = self.seen(self.now + o.probe_ms, self.now),
            Action::Apply { objects } => self.apply(wave, step, objects)?,
            Action::Gate { .. } => {
                self.gates += o.gate_ms;
                self.pass(o.gate_ms);
            }
            Action::Fence { workloads, policies, .. } => {
                let from = self.now;
                self.fenced.get_or_insert(from);
                for workload in workloads {
                    self.workloads.entry(workload.clone()).or_default().fenced_ms = Some(from);
                }
                self.pass(o.apply_ms.saturating_mul(count(policies.len())));
                self.pass(self.commands(step));
            }
            Action::Unfence { policies, .. } => {
                self.pass(o.apply_ms.saturating_mul(count(policies.len())));
                self.pass(self.commands(step));
            }
            Action::Backup { name, spec } => {
                self.backed_up.insert(name.clone(), self.now);
                let data = self.lanes(&self.moving(wave, spec), o.volume_backup);
                self.now = self.seen(self.now + o.backup_ms + data, self.now);
            }
            Action::DemandVolumeBackups { claims, .. } => self.demand(step, claims)?,
            Action::CopyStore { bytes, .. } => {
                let bytes = bytes.unwrap_or_else(|| {
                    self.notes
                        .insert(format!("{}: the size of what is copied is not known, and counted as 0", step.id));
                    0
                });
                self.pass(o.commands.get(&step.id).copied().unwrap_or_else(|| o.copy.takes_ms(bytes)));
            }
            Action::AwaitSync { .. } => {
                let from = self.now;
                let tick = match o.first_sync_ms {
                    // The first look after now.
                    Some(first) if first >= from => first,
                    Some(first) => {
                        let past = from - first;
                        first + (past + o.sync_period_ms - 1) / o.sync_period_ms * o.sync_period_ms
                    }
                    None => from + o.sync_period_ms,
                };
                self.now = self.seen(tick, from);
            }
            Action::Restore { name, backup, .. } => self.restore(wave, step, name, backup)?,
            Action::Verify { workload, .. } => {
                let from = self.now;
                self.started(step, workload)?;
                let ready = self.workloads.get(workload).and_then(|w| w.ready_ms).unwrap_or(from);
                self.now = self.seen(ready.max(from), from);
                self.pass(self.commands(step));
                self.verified(workload);
            }
            Action::CutOver { .. } => {
                self.pass(self.commands(step));
                self.switched = Some(self.now);
            }
            Action::DeleteApplied { objects } | Action::DeleteRestored { objects, .. } => {
                self.pass(o.apply_ms.saturating_mul(count(objects.len())));
                self.pass(o.stop_ms);
            }
        }
        Ok(())
    }

    /// Time passes; no more than a year at once, so that no sum of a plan's numbers is too large.
    fn pass(&mut self, ms: i64) {
        self.now += ms.clamp(0, LONGEST_MS);
    }

    /// When an executor that looks now and then sees what is so from a moment on.
    fn seen(&self, at: i64, from: i64) -> i64 {
        let look = self.options.look_ms.max(1);
        from + (at - from).max(0).saturating_add(look - 1) / look * look
    }

    /// What commands of a step take together.
    fn commands(&self, step: &Step) -> i64 {
        let each = self.options.command_ms.saturating_mul(count(Commands::of(step).len()));
        self.options.commands.get(&step.id).copied().unwrap_or(each)
    }

    fn verified(&mut self, workload: &ObjectId) {
        let now = self.now;
        let run = self.workloads.entry(workload.clone()).or_default();
        run.verified_ms = Some(now);
        run.ready_ms.get_or_insert(now);
        run.downtime_ms = run.fenced_ms.map(|from| now - from);
    }

    /// Bytes of volumes in order, moved by so many at once: how long all of it takes.
    fn lanes(&self, claims: &[&PlannedClaim], rate: Rate) -> i64 {
        let agents = usize::try_from(self.options.node_agents).unwrap_or(1);
        let mut lanes = vec![0i64; agents.min(claims.len()).max(1)];
        for claim in claims {
            if let Some(lane) = lanes.iter_mut().min() {
                *lane = lane.saturating_add(rate.takes_ms(claim.bytes.unwrap_or(0))).min(LONGEST_MS);
            }
        }
        lanes.into_iter().max().unwrap_or(0)
    }

    /// Claims of a wave whose data a backup takes in.
    fn moving<'w>(&self, wave: &'w Wave, spec: &Value) -> Vec<&'w PlannedClaim> {
        let members = members(wave, spec);
        let mut claims: Vec<&PlannedClaim> = members.flat_map(|m| &m.claims).filter(|c| c.moves).collect();
        // The largest first, as if nobody waited for a straggler.
        claims.sort_by_key(|c| std::cmp::Reverse(c.bytes));
        claims
    }

    fn demand(&mut self, step: &Step, claims: &[ClaimName]) -> Result<(), StepFailure> {
        let is_skipped = |c: &&ClaimName| self.options.not_running.contains(&format!("{}/{}", c.namespace, c.name));
        let skipped: Vec<String> =
            claims.iter().filter(is_skipped).map(|c| format!("{}/{}", c.namespace, c.name)).collect();
        if skipped.is_empty() {
            return Ok(());
        }
        Err(failure(
            step,
            "transfer-volume-skipped",
            format!(
                "the backup is Completed, and has not the data of {}: no running pod mounts it",
                skipped.join(", ")
            ),
            "keep the pods running and stop their writes instead",
        ))
    }

    /// How long a pod of a workload takes from bound to ready.
    fn start_of(&mut self, wave: &Wave, workload: &ObjectId) -> i64 {
        let member = wave.members.iter().find(|m| m.object == *workload);
        match member.and_then(|m| m.start) {
            Some(start) => start.median_ms.clamp(0, LONGEST_MS),
            None => {
                self.notes.insert(format!("{workload}: how long its pods take to start is not known, and assumed"));
                self.options.start_ms
            }
        }
    }

    /// Creates pods of a workload on the target.
    fn create(&mut self, step: &Step, workload: &ObjectId, pods: u32) -> Result<Created, StepFailure> {
        let namespace = workload.namespace().unwrap_or("default").to_owned();
        let Some(template) = self.templates.get(workload).cloned() else {
            if self.target.is_known() {
                self.notes.insert(format!(
                    "{workload}: its pods' template is not known, so a place for them is taken for granted"
                ));
            }
            return Ok(Created::nowhere(self.now));
        };
        self.target
            .create(self.now, &namespace, &template, pods)
            .map_err(|why| failure(step, "transfer-apply-refused", why, "see what of the pod the target refuses"))
    }

    /// When created pods are on nodes; a step waits for it up to its limit.
    fn placed(
        &mut self,
        step: &Step,
        workload: &ObjectId,
        created: &Created,
        (from, reason): (i64, &str),
    ) -> Result<i64, StepFailure> {
        let limit = from.saturating_add(step.timeout_ms);
        self.target.placed(created, limit).map_err(|unplaced| {
            self.now = limit;
            failure(
                step,
                reason,
                format!("{workload}: {}", unplaced.join("; ")),
                "give the target larger or more nodes (nodeferry transfer plan proposes pools), or change what the pods ask for",
            )
        })
    }

    /// Pods of a workload that were created before are placed by now, or by the step's limit.
    fn started(&mut self, step: &Step, workload: &ObjectId) -> Result<(), StepFailure> {
        let Some((created, start)) = self.pending.remove(workload) else { return Ok(()) };
        let placed = self.placed(step, workload, &created, (self.now, "ready"))?;
        let run = self.workloads.entry(workload.clone()).or_default();
        // A Deployment replaces its restored pods from the moment at which it is restored.
        run.ready_ms = Some(placed + start.max(run.second_rollout_ms));
        Ok(())
    }

    fn apply(&mut self, wave: &Wave, step: &Step, objects: &[ObjectId]) -> Result<(), StepFailure> {
        for id in objects {
            self.pass(self.options.apply_ms);
            let Some(member) = wave.members.iter().find(|m| m.object == *id) else { continue };
            let Some(pods) = member.pods.filter(|p| *p > 0) else { continue };
            let start = self.start_of(wave, id);
            let created = self.create(step, id, pods)?;
            self.workloads.entry(id.clone()).or_default();
            self.pending.insert(id.clone(), (created, start));
        }
        Ok(())
    }

    fn restore(&mut self, wave: &Wave, step: &Step, name: &str, backup: &str) -> Result<(), StepFailure> {
        let plan = self.plan;
        let spec = plan.steps().find_map(|(_, s)| match &s.action {
            Action::Backup { name, spec } if name == backup => Some(spec.clone()),
            _ => None,
        });
        let spec = spec.unwrap_or_default();
        let from = self.now;
        let limit = from.saturating_add(step.timeout_ms);
        let claims = self.moving(wave, &spec);
        self.missing_class(step, name, &claims, limit)?;
        self.now = from + self.options.restore_pods_ms;
        let restored: Vec<Member> = members(wave, &spec).filter(|m| m.pods.is_some_and(|p| p > 0)).cloned().collect();
        let mut created = Vec::new();
        for member in &restored {
            let pods = self.create(step, &member.object, member.pods.unwrap_or(0))?;
            created.push((member, pods, self.start_of(wave, &member.object)));
        }
        let (mut begins, mut stateful) = (self.now, Vec::new());
        for (member, pods, start) in created {
            let second = self.second_rollout(member, start);
            self.workloads.entry(member.object.clone()).or_default().second_rollout_ms = second;
            if member.claims.iter().any(|c| c.moves) {
                // The data of a volume can be moved once its pod is on a node and its volume is there.
                begins = begins.max(self.placed(step, &member.object, &pods, (from, "restore"))?);
                stateful.push((member, start + second));
            } else {
                self.pending.insert(member.object.clone(), (pods, start));
            }
        }
        let data = self.lanes(&claims, self.options.volume_restore);
        let data_end = if claims.is_empty() { self.now } else { begins + self.options.provision_ms + data };
        // A StatefulSet replaces its pods when they are ready.
        for (member, until_ready) in stateful {
            self.workloads.entry(member.object.clone()).or_default().ready_ms = Some(data_end + until_ready);
        }
        let end = data_end + self.options.restore_end_ms;
        self.now = self.seen(end, from);
        Ok(())
    }

    /// A claim of a class that the target lacks is never bound: the restore waits until somebody gives it up.
    fn missing_class(
        &mut self,
        step: &Step,
        name: &str,
        claims: &[&PlannedClaim],
        limit: i64,
    ) -> Result<(), StepFailure> {
        let stuck = |c: &&&PlannedClaim| self.options.not_provided.contains(&format!("{}/{}", c.namespace, c.name));
        if let Some(claim) = claims.iter().find(stuck) {
            self.now = limit;
            return Err(failure(
                step,
                "restore",
                format!(
                    "Restore {name} does not end: claim {}/{} stays Pending, for nobody provides a volume of its class {}",
                    claim.namespace,
                    claim.name,
                    claim.target_class.as_deref().unwrap_or_default()
                ),
                "see why the driver provides none (kubectl describe pvc): its quota, its permissions, the zone",
            ));
        }
        let Some(classes) = &self.classes else {
            self.notes.insert("storage classes of the target are not known, and taken to be there".to_owned());
            return Ok(());
        };
        let lacks = |c: &&&PlannedClaim| c.target_class.as_ref().is_some_and(|class| !classes.contains(class));
        let Some(claim) = claims.iter().find(lacks) else { return Ok(()) };
        self.now = limit;
        Err(failure(
            step,
            "restore",
            format!(
                "Restore {name} does not end: claim {}/{} stays Pending, for the target has no storage class {}",
                claim.namespace,
                claim.name,
                claim.target_class.as_deref().unwrap_or_default()
            ),
            "make the class on the target, or map it to one that is there",
        ))
    }

    /// How long the second roll-out takes: a restored workload whose template was changed on the way replaces its restored pods.
    fn second_rollout(&self, member: &Member, start: i64) -> i64 {
        let pods = i64::from(member.pods.unwrap_or(0));
        let object = &member.object;
        let velero = &self.plan.velero;
        // The image map changes pods and ReplicaSets as it changes Deployments; a StatefulSet's pods keep the name of their old revision.
        let modified = modifies(velero.resource_modifiers.as_ref(), object);
        match object.kind() {
            "StatefulSet" | "DaemonSet" if modified || velero.image_map.is_some() => {
                pods.saturating_mul(self.options.stop_ms + start).min(LONGEST_MS)
            }
            "Deployment" if modified => {
                // 25 % more, rounded up, and 25 % fewer, rounded down: what a Deployment that says nothing allows.
                let at_once = (pods + 3) / 4 + pods / 4;
                (pods + at_once - 1) / at_once.max(1) * start
            }
            _ => 0,
        }
    }

    fn result(mut self, failure: Option<StepFailure>) -> TransferResult {
        // What no step verifies.
        for (workload, (created, start)) in std::mem::take(&mut self.pending) {
            if let Ok(placed) = self.target.placed(&created, self.now) {
                self.workloads.entry(workload).or_default().ready_ms = Some(placed + start);
            }
        }
        let (end, plan, options) = (self.now, self.plan, self.options);
        let mut workloads = self.workloads;
        for run in workloads.values_mut() {
            run.runs_twice_ms = run.ready_ms.map_or(0, |r| (end - r).max(0));
        }
        let mut rpo = BTreeMap::new();
        for wave in &plan.waves {
            for member in wave.members.iter().filter(|m| m.claims.iter().any(|c| c.moves)) {
                let fenced = workloads.get(&member.object).is_some_and(|w| w.fenced_ms.is_some());
                let backups = wave.steps.iter().filter_map(|s| match &s.action {
                    Action::Backup { name, .. } => self.backed_up.get(name),
                    _ => None,
                });
                if let Some(from) = backups.min() {
                    rpo.insert(member.object.clone(), if fenced { 0 } else { self.switched.unwrap_or(end) - from });
                }
            }
        }
        let prices = plan.pools.iter().map(|p| p.hourly_micros.map(i128::from));
        let prices = prices.sum::<Option<i128>>().filter(|_| !plan.pools.is_empty());
        let hourly = options.source_hourly_micros.zip(options.target_hourly_micros.map(i128::from).or(prices));
        let cost = hourly.map(|(source, target)| {
            let micros = (i128::from(source) + target).saturating_mul(i128::from(end)) / 3_600_000;
            i64::try_from(micros).unwrap_or(i64::MAX)
        });
        let mut notes: Vec<String> = self.notes.into_iter().collect();
        if !self.target.is_known() {
            notes.push("no dump of the target is given: every pod finds a place at once".to_owned());
        }
        TransferResult {
            outcome: if failure.is_none() { Outcome::Completed.text() } else { Outcome::Failed.text() },
            failure,
            duration_ms: end,
            gates_ms: self.gates,
            steps: self.steps,
            waves: self.waves,
            rto_ms: self.fenced.zip(self.switched).map(|(from, to)| to - from),
            workloads,
            rpo_ms: rpo,
            nodes_launched: self.target.launched(),
            cost_micros: cost,
            notes,
        }
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Members of a wave that a backup takes in.
fn members<'w>(wave: &'w Wave, spec: &Value) -> impl Iterator<Item = &'w Member> + use<'w> {
    let namespaces: Option<Vec<String>> = spec["includedNamespaces"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    wave.members.iter().filter(move |m| match &namespaces {
        Some(list) if !list.iter().any(|n| n == "*") => {
            m.object.namespace().is_some_and(|n| list.iter().any(|l| l == n))
        }
        _ => true,
    })
}

/// Whether resource modifiers change the template of a workload.
fn modifies(modifiers: Option<&Value>, object: &ObjectId) -> bool {
    let Some(data) = modifiers.and_then(|m| m["data"].as_object()) else { return false };
    let resource = format!("{}s.{}", object.kind().to_lowercase(), object.group());
    let rules = data.values().filter_map(Value::as_str).filter_map(|text| serde_saphyr::from_str::<Value>(text).ok());
    rules.flat_map(|r| r["resourceModifierRules"].as_array().cloned().unwrap_or_default()).any(|rule| {
        let conditions = &rule["conditions"];
        let names = |key: &str| conditions[key].as_array().cloned();
        let is_here = names("namespaces").is_none_or(|list| list.iter().any(|n| n.as_str() == object.namespace()));
        let is_named = conditions["resourceNameRegex"].as_str().is_none_or(|regex| {
            // What is no plain name is taken to match.
            let plain = regex.trim_start_matches('^').trim_end_matches('$');
            plain == object.name() || plain.chars().any(|c| !c.is_alphanumeric() && c != '-')
        });
        conditions["groupResource"] == resource.as_str() && is_here && is_named && rule.to_string().contains("template")
    })
}
