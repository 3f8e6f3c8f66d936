//! The steps that are Velero's: a backup, its volumes, its way to the other store, and the restore.

use super::super::attend::Attend;
use super::results;
use super::site::{Apply, EXECUTION_LABEL, MANAGER, Site, velero, velero_namespace, velero_object};
use super::steps::figures;
use super::waiting::{source, target};
use super::{Carrier, Figures, Halt};
use crate::transfer::execution::{
    BACKUP_LABEL, Ending, RESTORE_LABEL, VolumeRun, attempt_name, ending, not_restored, phase, skipped, why_not,
};
use crate::transfer::plan::{ClaimName, Step};
use serde_json::{Value, json};

/// The group of Velero's objects.
const GROUP: &str = "velero.io";

impl Carrier<'_> {
    fn velero_namespace(&self) -> String {
        velero_namespace(&self.state.began.plan).to_owned()
    }

    /// Waits until a location is Available.
    async fn location(&mut self, step: &Step, site: fn(&Self) -> Site, name: &str) -> Result<(), Halt> {
        let id = velero(&self.velero_namespace(), "BackupStorageLocation", name);
        let (id, role) = (&id, site(self).role);
        loop {
            let found = self.read(step, site, |s| async move { s.get(id).await }).await?;
            let why = match found {
                None => {
                    return Err(Halt::Fails {
                        reason: "transfer-location-unavailable",
                        why: format!("the {role} cluster has no {id}"),
                        remedy: "make it as the plan's Velero objects have it (nodeferry transfer render)".to_owned(),
                    });
                }
                Some(location) => match location.pointer("/status/phase").and_then(Value::as_str) {
                    Some("Available") => return Ok(()),
                    Some(phase) => {
                        let message = location.pointer("/status/message").and_then(Value::as_str).unwrap_or_default();
                        return Err(Halt::Fails {
                            reason: "transfer-location-unavailable",
                            why: format!("{id} of the {role} cluster is {phase}: {message}"),
                            remedy: "see that its bucket is there and that Velero's credential may write into it: it writes even where a location is ReadOnly".to_owned(),
                        });
                    }
                    None => format!("Velero has not looked at {id} of the {role} cluster"),
                },
            };
            let remedy = format!("see that Velero runs in the {role} cluster (kubectl logs deployment/velero)");
            self.again(step, "location", &why, &remedy).await?;
        }
    }

    /// Makes an object of Velero, if it is not there; one of the same name that is not ours is left alone.
    async fn make(&mut self, step: &Step, site: fn(&Self) -> Site, object: &Value) -> Result<(), Halt> {
        let made = self.ask(step, site, |s| async move { s.create(object).await }).await?;
        let kind = object["kind"].as_str().unwrap_or_default();
        match made {
            Ok(_) => Ok(()),
            Err(problem) => Err(Halt::Fails {
                reason: if kind == "Backup" { "transfer-backup-failed" } else { "transfer-restore-failed" },
                why: format!("the {kind} cannot be made in the {} cluster: {}", site(self).role, problem.text()),
                remedy: "see that Velero is installed there, and to the permissions of the context".to_owned(),
            }),
        }
    }

    /// Waits until an object of Velero that is ours has ended.
    async fn ended(
        &mut self,
        step: &Step,
        site: fn(&Self) -> Site,
        (kind, name): (&str, &str),
        limit: &'static str,
    ) -> Result<Ending, Halt> {
        let id = velero(&self.velero_namespace(), kind, name);
        let (id, what) = (&id, format!("{kind} {name}"));
        loop {
            let found = self.read(step, site, |s| async move { s.get(id).await }).await?;
            let Some(object) = found else {
                return Err(Halt::Fails {
                    reason: if kind == "Backup" { "transfer-backup-failed" } else { "transfer-restore-failed" },
                    why: format!("{id} was deleted by somebody"),
                    remedy: "let it be until the transfer is over".to_owned(),
                });
            };
            if !self.is_ours(&object) {
                return Err(Halt::Fails {
                    reason: "transfer-name-taken",
                    why: format!("the {} cluster has a {what} that is not of this execution", site(self).role),
                    remedy: format!(
                        "delete it there (velero {} delete {name}), if nobody needs it",
                        kind.to_lowercase()
                    ),
                });
            }
            let phase = phase(&object).to_owned();
            self.seen(&step.id, &what, &phase)?;
            if let Some(ending) = ending(&object) {
                return Ok(ending);
            }
            let (mut why, mut remedy) = (
                format!("{what} is {phase}"),
                format!("see what it does (velero {} describe {name} --details)", kind.to_lowercase()),
            );
            if kind == "Restore" && self.now() > self.until(step) {
                let claims = self.pending_claims(step, name).await?;
                if !claims.is_empty() {
                    why = format!("{why}: {}", claims.join("; "));
                    remedy = "see why its claims are not bound: is their storage class on the target, and does a driver provide volumes of it?".to_owned();
                }
            }
            self.again(step, limit, &why, &remedy).await?;
        }
    }

    /// Whether this execution has made an object of Velero.
    fn is_ours(&self, object: &Value) -> bool {
        object["metadata"]["labels"][EXECUTION_LABEL] == self.state.began.execution.as_str()
    }

    /// Claims of a restore that are not bound, for a restore waits for them.
    async fn pending_claims(&mut self, step: &Step, restore: &str) -> Result<Vec<String>, Halt> {
        let selector = &format!("{RESTORE_LABEL}={restore}");
        let claims = self
            .read(step, target, |s| async move { s.list("", "PersistentVolumeClaim", None, selector).await })
            .await?;
        let pending = claims.iter().filter(|c| c.pointer("/status/phase").and_then(Value::as_str) != Some("Bound"));
        let text = |o: &Value, p: &str| o.pointer(p).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(pending
            .map(|c| {
                format!(
                    "claim {}/{} of storage class {} is {}",
                    text(c, "/metadata/namespace"),
                    text(c, "/metadata/name"),
                    text(c, "/spec/storageClassName"),
                    text(c, "/status/phase")
                )
            })
            .collect())
    }

    /// The data of volumes that a backup or a restore has moved.
    async fn volumes(
        &mut self,
        step: &Step,
        site: fn(&Self) -> Site,
        (kind, label, name): (&'static str, &str, &str),
    ) -> Result<Vec<VolumeRun>, Halt> {
        let (namespace, selector) = (&self.velero_namespace(), &format!("{label}={name}"));
        let list = |s: Site| async move { s.list(GROUP, kind, Some(namespace), selector).await };
        let mut runs: Vec<VolumeRun> = self.read(step, site, list).await?.iter().map(VolumeRun::of).collect();
        runs.sort();
        Ok(runs)
    }

    /// Makes a backup on the source, and waits for it.
    pub(super) async fn backup(&mut self, step: &Step, name: &str, spec: &Value) -> Result<Figures, Halt> {
        let location = spec["storageLocation"].as_str().unwrap_or("default").to_owned();
        self.location(step, source, &location).await?;
        let name = attempt_name(name, self.state.attempt(&step.id));
        let object =
            velero_object(&self.velero_namespace(), "Backup", &name, &self.state.began.execution, spec.clone());
        self.make(step, source, &object).await?;
        let ended = self.ended(step, source, ("Backup", &name), "backup").await?;
        let runs = self.volumes(step, source, ("PodVolumeBackup", BACKUP_LABEL, &name)).await?;
        if let Ending::Otherwise { phase, why } = ended {
            let whys = self.whys(source, "Backup", &name, why, &runs).await?;
            return Err(Halt::Fails {
                reason: "transfer-backup-failed",
                why: format!("Backup {name} is {phase}: {}", whys.join("; ")),
                remedy: format!("remove the cause (its log: velero backup logs {name}); nothing has moved"),
            });
        }
        let mut figures = figures(&[("volumes", runs.len())]);
        figures.insert("bytes".to_owned(), runs.iter().map(|r| r.bytes).sum());
        Ok(figures)
    }

    /// One Completed PodVolumeBackup for each claim: Velero says nothing of a volume that it has passed over.
    pub(super) async fn demand(&mut self, step: &Step, backup: &str, claims: &[ClaimName]) -> Result<Figures, Halt> {
        let name = self.state.backup_name(backup);
        let runs = self.volumes(step, source, ("PodVolumeBackup", BACKUP_LABEL, &name)).await?;
        let lacking = skipped(claims, &runs);
        let mut whys = Vec::new();
        for lacks in lacking {
            let claim = &lacks.claim;
            let why = match lacks.why {
                Some(why) => why,
                None => {
                    let list = |s: Site| async move { s.list("", "Pod", Some(&claim.namespace), "").await };
                    let pods = self.read(step, source, list).await?;
                    why_not(claim, &pods)
                }
            };
            whys.push(format!("claim {}/{} is not in it: {why}", claim.namespace, claim.name));
        }
        if whys.is_empty() {
            return Ok(figures(&[("claims", claims.len())]));
        }
        Err(Halt::Fails {
            reason: "transfer-volume-skipped",
            why: format!("Backup {name} is Completed, and has not the data of all claims: {}", whys.join("; ")),
            remedy: "see that a running pod mounts each claim, and back up again".to_owned(),
        })
    }

    /// Waits until the target's Velero sees the backup, with its volumes.
    pub(super) async fn sync(&mut self, step: &Step, backup: &str) -> Result<Figures, Halt> {
        let name = self.state.backup_name(backup);
        let namespace = self.velero_namespace();
        let id = &velero(&namespace, "Backup", &name);
        let volumes = self.volumes(step, source, ("PodVolumeBackup", BACKUP_LABEL, &name)).await?.len();
        loop {
            let found = self.read(step, target, |s| async move { s.get(id).await }).await?;
            let why = match found {
                Some(object) => {
                    if !matches!(ending(&object), Some(Ending::Completed)) {
                        return Err(Halt::Fails {
                            reason: "transfer-name-taken",
                            why: format!(
                                "the target has a Backup {name} that is not the one of the source: it is not Completed"
                            ),
                            remedy: format!("delete it there (velero backup delete {name}), if nobody needs it"),
                        });
                    }
                    let synced = self.volumes(step, target, ("PodVolumeBackup", BACKUP_LABEL, &name)).await?.len();
                    if synced >= volumes {
                        return Ok(figures(&[("volumes", synced)]));
                    }
                    format!("Backup {name} is there with {synced} of {volumes} volumes")
                }
                None => format!("the target's Velero does not see Backup {name} in its store"),
            };
            let remedy = "see that what was copied is complete (backups/ and kopia/ under the prefix of the location), and that the target's location is Available: Velero looks into it once a minute";
            self.again(step, "sync", &why, remedy).await?;
        }
    }

    /// Restores on the target, and waits for it.
    pub(super) async fn restore(
        &mut self,
        step: &Step,
        name: &str,
        backup: &str,
        spec: &Value,
    ) -> Result<Figures, Halt> {
        let velero_objects = &self.state.began.plan.velero;
        let shared: Vec<Value> =
            [&velero_objects.class_map, &velero_objects.image_map].into_iter().flatten().cloned().collect();
        let modifiers: Vec<Value> = velero_objects.resource_modifiers.iter().cloned().collect();
        let attempt = self.state.attempt(&step.id);
        let (of, all) = (self.state.backup_name(backup), self.state.restore_names(name));
        let name = attempt_name(name, attempt);
        if attempt > 1 {
            // What is there already is not restored again, and a claim without its data is there already.
            let earlier: Vec<String> = all.into_iter().skip(1).collect();
            let gone = self.delete_restored(step, &earlier, &[]).await?;
            self.note(format!(
                "what the earlier restore has made is deleted ({} objects): Velero does not restore what is there",
                gone.get("objects").copied().unwrap_or(0)
            ))?;
        }
        for map in &shared {
            self.share(step, map).await?;
        }
        self.apply(step, target, &modifiers).await?;
        let mut spec = spec.clone();
        spec["backupName"] = of.as_str().into();
        let object = velero_object(&self.velero_namespace(), "Restore", &name, &self.state.began.execution, spec);
        self.make(step, target, &object).await?;
        let ended = self.ended(step, target, ("Restore", &name), "restore").await?;
        let runs = self.volumes(step, target, ("PodVolumeRestore", RESTORE_LABEL, &name)).await?;
        if let Ending::Otherwise { phase, why } = ended {
            let whys = self.whys(target, "Restore", &name, why, &runs).await?;
            return Err(Halt::Fails {
                reason: "transfer-restore-failed",
                remedy: restore_remedy(&whys, &name),
                why: format!("Restore {name} is {phase}: {}", whys.join("; ")),
            });
        }
        let backed_up = self.volumes(step, target, ("PodVolumeBackup", BACKUP_LABEL, &of)).await?;
        let lacking = not_restored(&backed_up, &runs);
        if !lacking.is_empty() {
            return Err(Halt::Fails {
                reason: "transfer-volume-not-restored",
                why: format!("Restore {name} is Completed, and has not the data of all claims: {}", lacking.join("; ")),
                remedy: "delete what is in its way on the target, and restore again".to_owned(),
            });
        }
        let mut figures = figures(&[("volumes", runs.len())]);
        figures.insert("bytes".to_owned(), runs.iter().map(|r| r.bytes).sum());
        Ok(figures)
    }

    /// Applies a map of the target's Velero. It takes one for classes and one for images, whatever their names, for all restores: transfers that are under
    /// way at the same time share them, each as a manager of its own, and where they contradict each other the later one is refused.
    async fn share(&mut self, step: &Step, map: &Value) -> Result<(), Halt> {
        let text = |o: &Value, p: &str| o.pointer(p).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (namespace, name) = (self.velero_namespace(), text(map, "/metadata/name"));
        let labels = map.pointer("/metadata/labels").and_then(Value::as_object);
        let selector: Vec<&str> = labels.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let (space, selector) = (namespace.as_str(), &selector.join(","));
        let list = |s: Site| async move { s.list("", "ConfigMap", Some(space), selector).await };
        let found = self.read(step, target, list).await?;
        if let Some(other) = found.iter().find(|o| text(o, "/metadata/name") != name) {
            let other = text(other, "/metadata/name");
            return Err(Halt::Fails {
                reason: "transfer-apply-refused",
                why: format!(
                    "the target's Velero has a ConfigMap {namespace}/{other} with the labels {selector}, and the plan brings {name}: with two of them every restore fails"
                ),
                remedy: format!(
                    "take what {other} says into the mapping, and delete it (kubectl -n {namespace} delete configmap {other})"
                ),
            });
        }
        let manager = &format!("{MANAGER}-{}", self.state.began.execution);
        let applied = self.ask(step, target, |s| async move { s.apply_as(map, Apply::Own, manager).await }).await?;
        applied.map_err(|problem| Halt::Fails {
            reason: "transfer-apply-refused",
            why: format!("ConfigMap {namespace}/{name} of the target's Velero cannot be applied: {}", problem.text()),
            remedy: format!(
                "another transfer says otherwise in it: wait until that is over, then delete it (kubectl -n {namespace} delete configmap {name})"
            ),
        })
    }

    /// Ends a restore that still waits for the data of volumes: Velero restores one after the other, and this one would hold the others up for
    /// as long as its own limit of hours says. False if a restore of this name is there that is not ours: it is left alone.
    pub(super) async fn cancel(&mut self, step: &Step, name: &str) -> Result<bool, Halt> {
        let namespace = self.velero_namespace();
        let id = &velero(&namespace, "Restore", name);
        loop {
            let found = self.read(step, target, |s| async move { s.get(id).await }).await?;
            let Some(restore) = found else { return Ok(true) };
            if !self.is_ours(&restore) {
                return Ok(false);
            }
            if ending(&restore).is_some() {
                return Ok(true);
            }
            let stands = phase(&restore).to_owned();
            self.seen(&step.id, &format!("Restore {name}"), &stands)?;
            if stands.starts_with("Finalizing") {
                // Only claims are waited for, and for no longer than ten minutes.
                self.note(format!("Restore {name} is {stands}: Velero gives it up by itself"))?;
                return Ok(true);
            }
            let (selector, space) = (&format!("{RESTORE_LABEL}={name}"), namespace.as_str());
            let list = |s: Site| async move { s.list(GROUP, "PodVolumeRestore", Some(space), selector).await };
            for run in self.read(step, target, list).await? {
                let has_ended = matches!(phase(&run), "Completed" | "Failed" | "Canceled" | "Canceling");
                let run_name = run.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                if has_ended || run["spec"]["cancel"] == true {
                    continue;
                }
                let id = &velero(&namespace, "PodVolumeRestore", run_name);
                self.read(step, target, |s| async move { s.merge(id, &json!({"spec": {"cancel": true}})).await })
                    .await?;
            }
            let why = format!("Restore {name} is {stands} and does not end");
            self.again(step, "delete", &why, "see why (velero restore logs), or restart Velero there").await?;
        }
    }

    /// Why a backup or a restore did not end as Completed: what its object says, its volumes, and its results.
    async fn whys(
        &mut self,
        site: fn(&Self) -> Site,
        kind: &str,
        name: &str,
        why: String,
        runs: &[VolumeRun],
    ) -> Result<Vec<String>, Halt> {
        let mut whys: Vec<String> = if why.is_empty() { Vec::new() } else { vec![why] };
        whys.extend(runs.iter().filter_map(VolumeRun::problem));
        let (at, namespace, execution) = (site(self), self.velero_namespace(), self.state.began.execution.clone());
        // A backup that was not validated has no results.
        match self.during(results::errors(&at, &namespace, &execution, kind, name)).await? {
            Ok(errors) => whys.extend(errors),
            Err(_) if !whys.is_empty() && runs.is_empty() => {}
            Err(problem) => whys.push(format!("more is not known: {problem}")),
        }
        Ok(whys)
    }
}

/// What to do about a restore that failed, where the cause is one that is known.
fn restore_remedy(whys: &[String], name: &str) -> String {
    let has = |text: &str| whys.iter().any(|w| w.contains(text));
    if has("cannot create new backup repo for read-only") || has("backup repository is not ready") {
        return "the repository of the volumes is not in the target's store, or cannot be opened: copy kopia/ too, and see that Secret velero-repo-credentials is equal on both clusters".to_owned();
    }
    if has("node-agent") {
        return "see that a node agent of Velero runs on every node of the target that takes restored pods".to_owned();
    }
    format!("remove the cause (more: velero restore describe {name} --details)")
}
