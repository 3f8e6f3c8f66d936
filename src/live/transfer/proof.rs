//! What is proved before a transfer touches anything: two clusters, the plan's, with Velero in both, and a target that takes the objects.

use super::super::client::{Client, ConnectError};
use super::super::permissions::{self, Permissions};
use super::site::{Apply, Problem, Site, velero_namespace};
use crate::session::Exchange;
use crate::snapshot::time::parse_rfc3339;
use crate::transfer::ObjectId;
use crate::transfer::plan::{Action, TransferPlan};
use serde_json::Value;
use std::collections::BTreeSet;

/// Why a transfer does not begin.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A cluster does not answer.
    #[error("{0}")]
    Api(#[from] ConnectError),
    /// Something is not as the plan needs it.
    #[error("{0}")]
    Check(String),
}

/// The two clusters, proved: uids of their namespaces kube-system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// Of the source.
    pub source: String,
    /// Of the target.
    pub target: String,
    /// When the target's Velero looked into its store last, milliseconds since 1970; None if it has not, or there is none.
    pub synced_ms: Option<i64>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// The uid of a cluster, if it is the expected one.
///
/// # Errors
/// Another cluster, or one that does not answer.
pub async fn cluster(client: &Client, role: &str, expected: Option<&str>) -> Result<String, Refused> {
    let system = Exchange::get("/api/v1/namespaces/kube-system");
    let what = format!("cannot find out which cluster the {role} is (namespace kube-system)");
    let object = client.ask(&what, &system, ("v1", "Namespace")).await?;
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
    match expected {
        Some(expected) if expected != uid => Err(Refused::Check(format!(
            "the {role} is another cluster: kube-system has uid {uid} in context {}, expected {expected}; choose the right one with --{role}-context",
            client.context()
        ))),
        _ => Ok(uid),
    }
}

/// Proves what a plan needs; each step that is proved is said.
///
/// # Errors
/// What is missing or contradicts the plan, and what to do.
pub async fn prove(
    source: &Client,
    target: &Client,
    plan: &TransferPlan,
    say: &mut dyn FnMut(String),
) -> Result<Proved, Refused> {
    let from = cluster(source, "source", plan.source.uid.as_deref()).await?;
    let to = cluster(target, "target", plan.target.uid.as_deref()).await?;
    if from == to {
        return Err(Refused::Check(format!(
            "source and target are the same cluster (kube-system has uid {from}): contexts {} and {}; choose them with --source-context and --target-context",
            source.context(),
            target.context()
        )));
    }
    say(format!("two clusters: {} (kube-system has uid {from}) and {} ({to})", plan.source.name, plan.target.name));
    let needs_velero = plan.steps().any(|(_, s)| matches!(s.action, Action::Backup { .. } | Action::Restore { .. }));
    let velero = needs_velero.then(|| velero_namespace(plan));
    let applied: BTreeSet<(&str, &str)> = plan
        .steps()
        .filter_map(|(_, s)| match &s.action {
            Action::Apply { objects } => Some(objects),
            _ => None,
        })
        .flatten()
        .map(|id| (id.group(), id.kind()))
        .collect();
    let on_target = permissions::transfer_target(velero, |group, kind| applied.contains(&(group, kind)));
    let mut granted = 0;
    for (client, role, wanted) in
        [(source, "source", permissions::transfer_source(velero)), (target, "target", on_target)]
    {
        permitted(client, role, &wanted).await?;
        granted += wanted.len();
    }
    say(format!("we may do all that it needs ({granted} permissions)"));
    let (mut source, mut target) = (Site::new("source", source.clone()), Site::new("target", target.clone()));
    let (mut notes, mut synced_ms) = (Vec::new(), None);
    let versions = (version(&source).await, version(&target).await);
    match versions {
        (Some(old), Some(new)) if new < old && needs_velero => {
            return Err(Refused::Check(format!(
                "the target's Kubernetes is 1.{new} and the source's 1.{old}: what is backed up may be of a version that the target does not serve; upgrade the target first"
            )));
        }
        (Some(old), Some(new)) => say(format!("Kubernetes 1.{old} and 1.{new}")),
        _ => notes.push("the clusters' versions are not known: /version is not answered as Kubernetes does".to_owned()),
    }
    if needs_velero {
        let namespace = velero_namespace(plan);
        for site in [&mut source, &mut target] {
            velero_runs(site, namespace).await?;
        }
        synced_ms = locations(&source, &target, plan, namespace).await?;
        say(format!("Velero is in namespace {namespace} of both, with its node agents"));
    }
    Ok(Proved { source: from, target: to, synced_ms, notes })
}

/// Refuses if a permission is missing; kinds of the user's own are asked for by the dry run and by the steps.
async fn permitted(client: &Client, role: &str, wanted: &Permissions) -> Result<(), Refused> {
    let missing = permissions::missing(client, wanted).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let list: String = missing.iter().map(|p| format!("\n  {p}")).collect();
    Err(Refused::Check(format!(
        "we lack permissions on the {role} that the transfer needs:{list}\nthe roles in deploy/clusterrole-transfer-{role}.yaml grant them (clusterrole-transfer-target-rbac.yaml those for Roles and bindings)"
    )))
}

/// The minor version of a cluster.
async fn version(site: &Site) -> Option<u32> {
    let found = site.raw("/version").await.ok()??;
    let digits: String = found["minor"].as_str()?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Whether Velero is there: without its Deployment every restore ends PartiallyFailed, without node agents no volume is moved.
async fn velero_runs(site: &Site, namespace: &str) -> Result<(), Refused> {
    for (kind, name, why) in [
        (
            "Deployment",
            "velero",
            "Velero is not installed there, or under another name: without its Deployment every restore ends PartiallyFailed",
        ),
        (
            "DaemonSet",
            "node-agent",
            "Velero is installed without its node agents, which move the data of volumes (velero install --use-node-agent)",
        ),
    ] {
        let id = ObjectId::new("apps/v1", kind, Some(namespace), name);
        let found = site.get(&id).await.map_err(|e| unread(site, &id, &e))?;
        let Some(found) = found else {
            return Err(Refused::Check(format!("the {} cluster has no {id}: {why}", site.role)));
        };
        let ready = if kind == "Deployment" { "/status/readyReplicas" } else { "/status/numberReady" };
        if found.pointer(ready).and_then(Value::as_u64).unwrap_or(0) == 0 {
            return Err(Refused::Check(format!(
                "{id} of the {} cluster has no ready pod (kubectl -n {namespace} describe pods)",
                site.role
            )));
        }
    }
    Ok(())
}

fn unread(site: &Site, id: &ObjectId, problem: &Problem) -> Refused {
    Refused::Check(format!("{id} of the {} cluster cannot be read: {}", site.role, problem.text()))
}

/// The locations that backups and restores use.
async fn locations(source: &Site, target: &Site, plan: &TransferPlan, namespace: &str) -> Result<Option<i64>, Refused> {
    let named: BTreeSet<&str> = plan
        .steps()
        .filter_map(|(_, s)| match &s.action {
            Action::Backup { spec, .. } => Some(spec["storageLocation"].as_str().unwrap_or("default")),
            _ => None,
        })
        .collect();
    for name in named {
        let id = super::site::velero(namespace, "BackupStorageLocation", name);
        if source.get(&id).await.map_err(|e| unread(source, &id, &e))?.is_none() {
            return Err(Refused::Check(format!(
                "the source cluster has no {id}, which backups of the plan name: make it as `nodeferry transfer render` writes it"
            )));
        }
    }
    let any = target
        .list("velero.io", "BackupStorageLocation", Some(namespace), "")
        .await
        .map_err(|e| Refused::Check(format!("the target's backup storage locations cannot be read: {}", e.text())))?;
    if any.is_empty() {
        return Err(Refused::Check(format!(
            "the target has no BackupStorageLocation in namespace {namespace}: Velero there has no store to restore from"
        )));
    }
    let synced = any.iter().filter_map(|l| l.pointer("/status/lastSyncedTime")?.as_str()).max();
    Ok(synced.and_then(parse_rfc3339))
}

/// Asks the target whether it takes the plan's objects, without applying any: what it refuses, a line each. An object whose namespace or kind is
/// made by an earlier step cannot be asked for yet, and is counted.
///
/// # Errors
/// The API server does not answer.
pub async fn dry_run(target: &Client, plan: &TransferPlan) -> Result<(Vec<String>, usize), Refused> {
    let site = Site::new("target", target.clone());
    let (mut refused, mut later) = (Vec::new(), 0);
    let made: BTreeSet<&str> =
        plan.objects.iter().filter(|o| o.id.kind() == "Namespace").map(|o| o.id.name()).collect();
    for (_, step) in plan.steps() {
        let Action::Apply { objects } = &step.action else { continue };
        for object in objects.iter().filter_map(|id| plan.object(id)) {
            match site.apply(&object.object, Apply::DryRun).await {
                Ok(()) => {}
                Err(Problem::NotServed(_)) => later += 1,
                Err(Problem::Refused { code: 404, .. }) if object.id.namespace().is_some_and(|n| made.contains(n)) => {
                    later += 1;
                }
                Err(problem @ Problem::Refused { .. }) => {
                    refused.push(format!("{} ({}): {}", object.id, step.id, problem.text()));
                }
                Err(problem) => return Err(Refused::Check(format!("{}: {}", object.id, problem.text()))),
            }
        }
    }
    Ok((refused, later))
}
