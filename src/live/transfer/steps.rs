//! The steps that are not Velero's: commands, images, objects, gates, fences, checks, and what is taken back.

use super::super::attend::Attend;
use super::super::driver::Signal;
use super::site::{Apply, EXECUTION_LABEL, Problem, Site};
use super::waiting::{source, target};
use super::{Carrier, Figures, Halt};
use crate::session::Program;
use crate::transfer::execution::{RESTORE_LABEL, Readiness, Record, approve, pod_problems, readiness};
use crate::transfer::plan::{Action, Step};
use crate::transfer::{Commands, ObjectId, Places};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Kinds that a restore makes and that hold data or pods, beside those that the plan names: they are looked for by their label.
const RESTORED: [(&str, &str); 9] = [
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("apps", "ReplicaSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("", "Pod"),
    ("", "PersistentVolumeClaim"),
    ("", "Service"),
];

/// What a probe's container runs: nothing. The image is pulled before anybody finds that there is no such program.
const NO_PROGRAM: &str = "/nodeferry-pulls-the-image-and-runs-nothing";

pub(super) fn figures(all: &[(&str, usize)]) -> Figures {
    all.iter().map(|(k, v)| ((*k).to_owned(), i64::try_from(*v).unwrap_or(i64::MAX))).collect()
}

impl Carrier<'_> {
    /// Does a step.
    pub(super) async fn step(&mut self, step: &Step) -> Result<Figures, Halt> {
        match &step.action {
            Action::ImportImage { .. } | Action::CopyStore { .. } | Action::CutOver { .. } => {
                if matches!(step.action, Action::CutOver { .. }) {
                    self.checklist(step).await?;
                }
                self.commands(step).await?;
                Ok(match &step.action {
                    Action::ImportImage { bytes: Some(bytes), .. } | Action::CopyStore { bytes: Some(bytes), .. } => {
                        Figures::from([("bytes".to_owned(), *bytes)])
                    }
                    _ => Figures::new(),
                })
            }
            Action::ProbePull { image, namespace, service_account, pull_secrets } => {
                self.probe(step, image, namespace, service_account, pull_secrets).await
            }
            Action::Apply { objects } => {
                let plan = &self.state.began.plan;
                let all: Vec<Value> =
                    objects.iter().filter_map(|id| plan.object(id)).map(|o| o.object.clone()).collect();
                self.apply(step, target, &all).await
            }
            Action::Gate { name, .. } => self.gate(step, name).await,
            Action::Fence { policies, .. } => {
                let figures = self.apply(step, source, policies).await?;
                self.commands(step).await?;
                Ok(figures)
            }
            Action::Unfence { policies, .. } => {
                self.commands(step).await?;
                // A policy that was there before the fence is somebody else's.
                let made = self.state.fences();
                let ours: Vec<ObjectId> = policies.iter().filter(|p| made.contains(*p)).cloned().collect();
                self.delete(step, source, &ours, |_| true).await
            }
            Action::Backup { name, spec } => self.backup(step, name, spec).await,
            Action::DemandVolumeBackups { backup, claims } => self.demand(step, backup, claims).await,
            Action::AwaitSync { backup } => self.sync(step, backup).await,
            Action::Restore { name, backup, spec } => self.restore(step, name, backup, spec).await,
            Action::Verify { workload, pods, .. } => {
                let figures = self.verify(step, workload, *pods).await?;
                self.commands(step).await?;
                Ok(figures)
            }
            Action::DeleteApplied { objects } => {
                // What was there before this execution applied it, or what it has not applied yet, is not taken back.
                let made = self.state.applied();
                let ours: Vec<ObjectId> = objects.iter().rev().filter(|o| made.contains(*o)).cloned().collect();
                let found = |o: &ObjectId| self.state.found.values().any(|there| there.contains(o));
                let kept = objects.iter().filter(|o| !made.contains(*o) && found(o));
                let kept: Vec<&str> = kept.map(ObjectId::as_str).collect();
                if !kept.is_empty() {
                    self.note(format!("kept, for they were on the target before: {}", kept.join(", ")))?;
                }
                self.delete(step, target, &ours, |_| true).await
            }
            Action::DeleteRestored { restore, objects } => {
                let names = self.state.restores_begun(restore);
                self.delete_restored(step, &names, objects).await
            }
        }
    }

    /// Runs the commands of a step that have not run yet, one after the other.
    async fn commands(&mut self, step: &Step) -> Result<(), Halt> {
        let mut places = Places(self.state.began.places.clone());
        for (place, id) in Commands::addresses(step, &places) {
            let address = self.address(step, &id).await?;
            places.0.insert(place, address);
        }
        let all = Commands::words(step, &places).map_err(|why| Halt::Fails {
            reason: "transfer-command-failed",
            why,
            remedy: "fill it in with --set NAME=VALUE when the transfer begins".to_owned(),
        })?;
        let (ran, announced) = self.state.commands.get(&step.id).copied().unwrap_or((0, false));
        if announced {
            self.note(format!(
                "the process before ended while a command of {} ran: nobody knows how far it came, so it runs again",
                step.id
            ))?;
        }
        for (command, argv) in (0u32..).zip(all).skip(ran as usize) {
            self.ours(step).await?;
            self.put(Record::CommandAnnounced { step: step.id.clone(), command })?;
            let program = Program { argv: argv.clone(), env: self.environment(step), timeout_ms: step.timeout_ms };
            let programs = self.programs.clone();
            let interrupts = self.attention.interrupts;
            let ended = self.until_it_ends(async move { programs.printed(&program).await }).await?;
            let why = match ended {
                Ok(printed) if printed.code == Some(0) => {
                    self.put(Record::CommandRan { step: step.id.clone(), command })?;
                    if self.attention.interrupts > interrupts {
                        return Err(self.leaves(Signal::Interrupt));
                    }
                    continue;
                }
                Ok(printed) => {
                    if !printed.stderr.is_empty() {
                        // For people only: the journal keeps nothing that a program prints.
                        self.observer.say(&printed.stderr);
                    }
                    match printed.code {
                        Some(code) => format!("`{}` ended with exit status {code}", argv.join(" ")),
                        None => format!("`{}` was ended by a signal", argv.join(" ")),
                    }
                }
                Err(Some(why)) => why,
                Err(None) => {
                    let within = crate::report::format::time(step.timeout_ms);
                    format!("`{}` was killed after {within}", argv.join(" "))
                }
            };
            let remedy = "see what it printed, and remove the cause".to_owned();
            return Err(Halt::Fails { reason: "transfer-command-failed", why, remedy });
        }
        Ok(())
    }

    /// Waits until an object on the target has an address.
    async fn address(&mut self, step: &Step, id: &ObjectId) -> Result<String, Halt> {
        loop {
            let found = self.read(step, target, |s| async move { s.get(id).await }).await?;
            let why = match found {
                Some(object) => match address_of(&object) {
                    Some(address) => {
                        self.seen(&step.id, id.as_str(), &address)?;
                        return Ok(address);
                    }
                    None => format!("{id} has no address on the target"),
                },
                None => format!("the target has no {id}"),
            };
            let remedy =
                "see why nothing gives it one (kubectl describe); or begin with its address (--set), if it is known";
            self.again(step, "address", &why, remedy).await?;
        }
    }

    /// What a command finds in its environment.
    fn environment(&self, step: &Step) -> Vec<(String, String)> {
        let began = &self.state.began;
        [
            ("EXECUTION", &began.execution),
            ("STEP", &step.id),
            ("SOURCE_CONTEXT", &began.source.context),
            ("TARGET_CONTEXT", &began.target.context),
        ]
        .iter()
        .map(|(name, value)| (format!("NODEFERRY_{name}"), (*value).clone()))
        .collect()
    }

    /// Waits until somebody approves.
    async fn gate(&mut self, step: &Step, name: &str) -> Result<Figures, Halt> {
        if !self.state.approved.contains_key(name) {
            self.put(Record::GateOpened { step: step.id.clone(), gate: name.to_owned() })?;
        }
        while !self.state.approved.contains_key(name) {
            let remedy = format!("approve it ({}) or give it up", approve(&self.dir(), name));
            self.again(step, "gate", "nobody has approved it", &remedy).await?;
        }
        Ok(Figures::new())
    }

    /// Waits until every mandatory item of the checklist has evidence: without it nobody knows whether the target can take the traffic.
    async fn checklist(&mut self, step: &Step) -> Result<(), Halt> {
        let open = self.state.open_items();
        for item in &open {
            self.put(Record::GateOpened { step: step.id.clone(), gate: item.clone() })?;
        }
        loop {
            let open = self.state.open_items();
            if open.is_empty() {
                return Ok(());
            }
            let why = format!("items of the checklist have no evidence: {}", open.join(", "));
            let remedy = format!("give it: {} --evidence 'what shows it'", approve(&self.dir(), &open[0]));
            self.again(step, "gate", &why, &remedy).await?;
        }
    }

    /// Applies objects by the server, each once it and what it needs is served.
    pub(super) async fn apply(
        &mut self,
        step: &Step,
        site: fn(&Self) -> Site,
        objects: &[Value],
    ) -> Result<Figures, Halt> {
        let ids: Vec<ObjectId> = objects.iter().filter_map(ObjectId::of).collect();
        self.find(step, site, &ids).await?;
        for object in objects {
            let id = ObjectId::of(object).map_or_else(|| "an object".to_owned(), |id| id.to_string());
            let role = site(self).role;
            let mut applied = self.ask(step, site, |s| async move { s.apply(object, Apply::Own).await }).await?;
            if matches!(applied, Err(Problem::Refused { code: 409, .. }))
                && self.has_restored(step, site, object).await?
            {
                // Velero brings the owners of fields along from the source; on the target nobody but the restore has made them.
                applied = self.ask(step, site, |s| async move { s.apply(object, Apply::Owned).await }).await?;
            }
            applied.map_err(|problem| {
                let remedy = match &problem {
                    Problem::Refused { code: 409, .. } => {
                        "somebody else owns a field of it: let them give it up, or take it out of the plan"
                    }
                    Problem::Refused { code: 401 | 403, .. } => "see to the permissions of the context",
                    _ => "change what is refused, in the source or in the mapping, and plan again",
                };
                Halt::Fails {
                    reason: "transfer-apply-refused",
                    why: format!("{id} cannot be applied to the {role} cluster: {}", problem.text()),
                    remedy: remedy.to_owned(),
                }
            })?;
        }
        Ok(figures(&[("objects", objects.len())]))
    }

    /// Whether an object is there because a restore of this execution has made it.
    async fn has_restored(&mut self, step: &Step, site: fn(&Self) -> Site, object: &Value) -> Result<bool, Halt> {
        let Some(id) = &ObjectId::of(object) else { return Ok(false) };
        let found = self.read(step, site, |s| async move { s.get(id).await }).await?;
        let label = found.as_ref().and_then(|o| o["metadata"]["labels"][RESTORE_LABEL].as_str());
        Ok(site(self).role == "target" && label.is_some_and(|name| self.state.has_restored(name)))
    }

    /// Writes down which objects are there before the step touches any; a step that is done again knows it already.
    async fn find(&mut self, step: &Step, site: fn(&Self) -> Site, ids: &[ObjectId]) -> Result<(), Halt> {
        if self.state.found.contains_key(&step.id) {
            return Ok(());
        }
        let mut there = Vec::new();
        for id in ids {
            if self.read(step, site, |s| async move { s.get(id).await }).await?.is_some() {
                there.push(id.clone());
            }
        }
        self.put(Record::Found { step: step.id.clone(), objects: there })
    }

    /// Deletes objects that are still there and ours, and waits until they are gone.
    async fn delete(
        &mut self,
        step: &Step,
        site: fn(&Self) -> Site,
        ids: &[ObjectId],
        ours: impl Fn(&Value) -> bool,
    ) -> Result<Figures, Halt> {
        let mut uids: BTreeMap<ObjectId, String> = BTreeMap::new();
        for id in ids {
            let Some(object) = self.read(step, site, |s| async move { s.get(id).await }).await? else { continue };
            if !ours(&object) {
                self.note(format!("{id} is kept: it was not made by this transfer"))?;
                continue;
            }
            let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            let deleted = self.ask(step, site, |s| {
                let uid = uid.clone();
                async move { s.delete(id, &uid).await }
            });
            if let Err(problem) = deleted.await? {
                return Err(self.limit(
                    "delete",
                    format!("{id} cannot be deleted: {}", problem.text()),
                    "see to the permissions of the context".to_owned(),
                ));
            }
            uids.insert(id.clone(), uid);
        }
        for (id, uid) in &uids {
            loop {
                let found = self.read(step, site, |s| async move { s.get(id).await }).await?;
                if found.is_none_or(|o| o["metadata"]["uid"] != uid.as_str()) {
                    break;
                }
                self.again(step, "delete", &format!("{id} is not gone"), "see whether a finalizer holds it").await?;
            }
        }
        Ok(figures(&[("objects", uids.len())]))
    }

    /// Deletes what restores of these names have made, and nothing else.
    pub(super) async fn delete_restored(
        &mut self,
        step: &Step,
        names: &[String],
        objects: &[ObjectId],
    ) -> Result<Figures, Halt> {
        let mut ours = Vec::new();
        for name in names {
            match self.cancel(step, name).await? {
                true => ours.push(name.as_str()),
                false => {
                    self.note(format!("Restore {name} and what it has made are kept: it is not of this transfer"))?;
                }
            }
        }
        if ours.is_empty() {
            return Ok(figures(&[("objects", 0)]));
        }
        let selector = format!("{RESTORE_LABEL} in ({})", ours.join(","));
        let mut kinds: Vec<(String, String)> =
            RESTORED.iter().map(|(group, kind)| ((*group).to_owned(), (*kind).to_owned())).collect();
        for id in objects {
            let kind = (id.group().to_owned(), id.kind().to_owned());
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let mut ids = Vec::new();
        for (group, kind) in &kinds {
            let selector = selector.as_str();
            let list = |s: Site| async move { s.list(group, kind, None, selector).await };
            let found = self.read(step, target, list).await?;
            ids.extend(found.into_iter().filter_map(|mut o| {
                // Items of a list say neither.
                o["kind"] = kind.as_str().into();
                o["apiVersion"] = if group.is_empty() { "v1".into() } else { format!("{group}/v1").into() };
                ObjectId::of(&o)
            }));
        }
        let is_ours = |o: &Value| {
            let label = o["metadata"]["labels"][RESTORE_LABEL].as_str().unwrap_or_default();
            ours.contains(&label)
        };
        self.delete(step, target, &ids, is_ours).await
    }

    /// Waits until a workload is ready on the target.
    async fn verify(&mut self, step: &Step, workload: &ObjectId, pods: u32) -> Result<Figures, Halt> {
        loop {
            let found = self.read(step, target, |s| async move { s.get(workload).await }).await?;
            let why = match found {
                None => format!("{workload} is not there"),
                Some(object) => {
                    let Readiness { is_ready, figures: how } = readiness(&object, pods);
                    self.seen(&step.id, workload.as_str(), &how)?;
                    if is_ready {
                        return Ok(figures(&[("pods", pods as usize)]));
                    }
                    if self.now() <= self.until(step) {
                        how
                    } else {
                        let problems = self.problems_of(workload, &object).await?;
                        format!("{workload} has {how}: {}", problems.join("; "))
                    }
                }
            };
            let remedy =
                format!("see why (kubectl describe, in namespace {})", workload.namespace().unwrap_or("default"));
            self.again(step, "ready", &why, &remedy).await?;
        }
    }

    /// Why pods of a workload are not ready.
    async fn problems_of(&mut self, workload: &ObjectId, object: &Value) -> Result<Vec<String>, Halt> {
        let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        let Some(labels) = labels else { return Ok(Vec::new()) };
        let selector: Vec<String> =
            labels.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
        let (selector, namespace) = (&selector.join(","), workload.namespace());
        let list = |s: Site| async move { s.list("", "Pod", namespace, selector).await };
        // The limit is reached already: what cannot be read now is left out.
        let found = self.during(list(self.target.clone())).await?;
        Ok(found.map_or_else(|_| Vec::new(), |pods| pod_problems(&pods)))
    }

    /// Pulls an image under a service account, by a pod that runs nothing.
    async fn probe(
        &mut self,
        step: &Step,
        image: &str,
        namespace: &str,
        account: &str,
        secrets: &[String],
    ) -> Result<Figures, Halt> {
        // Another execution's pod may have pulled another image.
        let of = format!("{} {}", self.state.began.execution, step.id);
        let name = format!("nodeferry-pull-{}", &crate::snapshot::hex(&Sha256::digest(of.as_bytes()))[..10]);
        let secrets: Vec<Value> = secrets.iter().map(|s| json!({"name": s})).collect();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": {EXECUTION_LABEL: self.state.began.execution}},
            "spec": {
                "serviceAccountName": account, "imagePullSecrets": secrets, "restartPolicy": "Never",
                "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "pull", "image": image, "imagePullPolicy": "Always", "command": [NO_PROGRAM]}],
            },
        });
        let id = ObjectId::new("v1", "Pod", Some(namespace), &name);
        let (id, pod) = (&id, &pod);
        let made = self.ask(step, target, |s| async move { s.create(pod).await }).await?;
        made.map_err(|problem| Halt::Fails {
            reason: "transfer-pull-failed",
            why: format!("the pod that pulls {image} cannot be made: {}", problem.text()),
            remedy: format!("see that namespace {namespace} and its service account {account} are there, and that admission allows the pod"),
        })?;
        loop {
            let found = self.read(step, target, |s| async move { s.get(id).await }).await?;
            let Some(found) = found else {
                return Err(self.limit("pull", format!("{id} was deleted by somebody"), "let it be".to_owned()));
            };
            match pulled(&found) {
                Some(Ok(())) => break,
                Some(Err(why)) => {
                    let _ = self.delete(step, target, std::slice::from_ref(id), |_| true).await?;
                    return Err(Halt::Fails {
                        reason: "transfer-pull-failed",
                        why: format!("service account {namespace}/{account} cannot pull {image}: {why}"),
                        remedy: "see that the image is imported, and that the kubelet's identity or the pull secret may read it".to_owned(),
                    });
                }
                None => {
                    let why = pod_problems(std::slice::from_ref(&found)).join("; ");
                    self.again(step, "pull", &why, "see why (kubectl describe pod)").await?;
                }
            }
        }
        self.delete(step, target, std::slice::from_ref(id), |_| true).await?;
        Ok(Figures::new())
    }
}

/// Where traffic to a Service, an Ingress or a Gateway goes; None while it has no address.
fn address_of(object: &Value) -> Option<String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|t| !t.is_empty());
    let load_balancer = "/status/loadBalancer/ingress/0";
    let found = text(&format!("{load_balancer}/ip")).or_else(|| text(&format!("{load_balancer}/hostname")));
    found.or_else(|| text("/status/addresses/0/value")).map(str::to_owned)
}

/// Whether a pod's image was pulled; None while nobody knows.
fn pulled(pod: &Value) -> Option<Result<(), String>> {
    let status = pod.pointer("/status/containerStatuses/0")?;
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let state = &status["state"];
    if state["running"].is_object() || state["terminated"].is_object() || !text("/imageID").is_empty() {
        return Some(Ok(()));
    }
    match text("/state/waiting/reason") {
        reason @ ("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull") => {
            Some(Err(format!("{reason}: {}", text("/state/waiting/message"))))
        }
        "CreateContainerError" | "RunContainerError" | "CreateContainerConfigError" => Some(Ok(())),
        _ => None,
    }
}
