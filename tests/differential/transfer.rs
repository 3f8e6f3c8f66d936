//! Applications with state move from one real control plane to another, by the real Velero in each, carried out by `nodeferry transfer execute`.
//!
//! What is true is looked at beside nodeferry, by a client of our own: what the target runs, with which images, classes, identities and volumes.

mod ground;
mod planned;
mod plans;
mod served;
mod stand_ins;

use crate::Compared;
use crate::bed::client::Client;
use crate::executions::executor::{Ended, Running, STOP};
use crate::executions::world::overload;
use crate::verdict::Verdict;
use anyhow::{Context, Result, anyhow};
use ground::{ACR, App, ECR, Ground};
use nodeferry::execution::transfer_dir::TransferDir;
use nodeferry::transfer::execution::State;
use plans::Plan;
use serde_json::{Value, json};
use stand_ins::text;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// Side by side, a transfer that is killed at each stage and others in which each thing fails once; then one that nobody disturbs, held against what
/// was predicted.
pub fn check(binary: &Path, _seed: u64, directory: &Path) -> Result<Compared> {
    let ground = Ground::start(binary, directory)?;
    let begun = Instant::now();
    let mut verdict = Verdict::default();
    let only = std::env::var("NODEFERRY_TRANSFER").unwrap_or_default();
    let cases: [(&str, fn(&Ground, &mut Verdict) -> Result<()>); 6] = [
        ("planned", planned::planned),
        ("killed", killed),
        ("backup", backup_fails),
        ("skipped", skipped),
        ("restore", restore_fails),
        ("stuck", restore_is_stuck),
    ];
    if only.is_empty() || only == "planned" {
        planned::prepare(&ground).context("planned")?;
        verdict.said.push(format!(
            "planned: recorded, analysed, rendered and planned in {:.0} s",
            begun.elapsed().as_secs_f64()
        ));
    }
    let cases = cases.into_iter().filter(|(name, _)| only.is_empty() || only == *name);
    // Each has an application of its own; the target's Velero looks into its store once a minute, for all of them.
    let ended = std::thread::scope(|s| {
        let ground = &ground;
        let run = |(name, case): (&'static str, fn(&Ground, &mut Verdict) -> Result<()>)| {
            s.spawn(move || {
                let (begun, mut verdict) = (Instant::now(), Verdict::default());
                case(ground, &mut verdict).with_context(|| name)?;
                verdict.said.push(format!("{name}: in {:.0} s", begun.elapsed().as_secs_f64()));
                Ok::<Verdict, anyhow::Error>(verdict)
            })
        };
        let threads: Vec<_> = cases.map(run).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(anyhow!("a case panicked")))).collect::<Vec<_>>()
    });
    for case in ended {
        verdict.join(case?);
    }
    // By now the target's Velero has looked into its store, from which the next time is known.
    if only.is_empty() || only == "straight" {
        straight(&ground, &mut verdict)?;
    }
    Ok(verdict.compared("applications with state, by Velero, undisturbed, killed and failing".to_owned()))
}

/// Writes a plan down and begins it; the gate and the item of the checklist are approved beforehand.
fn execute(ground: &Ground, plan: &Plan<'_>, journal: &str) -> Result<Running> {
    begin(ground, plan, journal, &[])
}

fn begin(ground: &Ground, plan: &Plan<'_>, journal: &str, more: &[&str]) -> Result<Running> {
    let file = format!("{journal}-plan.json");
    std::fs::write(ground.executor.file(&file), serde_json::to_vec_pretty(&plan.document())?)?;
    let clusters = ground.clusters();
    let mut arguments = vec!["transfer", "execute", &file, "--journal", journal, "--yes"];
    arguments.extend(["--yes-gate", "switch", "--yes-gate", "tested"]);
    arguments.extend(clusters.iter().map(String::as_str));
    arguments.extend(more);
    ground.executor.start(&arguments)
}

fn straight(ground: &Ground, verdict: &mut Verdict) -> Result<()> {
    let app = App::start(&ground.source.plane.client, "shop")?;
    std::fs::write(ground.executor.file("times.json"), times().to_string())?;
    let running = begin(ground, &Plan::new(ground, &app.namespace), "straight", &["--simulation", "times.json"])?;
    let ended = running.wait()?;
    has_moved(ground, verdict, "straight", &app.namespace, &ended)?;
    let status = ground.status("straight")?;
    let rows = |key: &str, name: &str| -> Vec<(String, f64, f64)> {
        let rows = status[key].as_array().cloned().unwrap_or_default();
        let number = |row: &Value, key: &str| row[key].as_f64();
        let row = |r: &Value| Some((text(r, name).to_owned(), number(r, "predicted_ms")?, number(r, "actual_ms")?));
        rows.iter().filter_map(row).collect()
    };
    let all: Vec<_> = rows("waves", "/wave").into_iter().chain(rows("downtime", "/workload")).collect();
    verdict.is("straight: four waves and two workloads are predicted", all.len() == 6, &all);
    for (what, predicted, actual) in all {
        let line = format!("{what}: predicted {:.1} s, came {:.1} s", predicted / 1e3, actual / 1e3);
        verdict.said.push(line.clone());
        match overload() {
            Some(load) => {
                verdict.said.push(format!("NOT JUDGED: {load:.0} processes wait for this machine's processors"));
            }
            None => {
                let near = (actual - predicted).abs() <= NEAR_MS.max(predicted * NEAR_PERCENT / 100.0);
                verdict.is(&line, near, &(predicted, actual));
            }
        }
    }
    Ok(())
}

/// A predicted length may be off by so many percent.
const NEAR_PERCENT: f64 = 5.0;
/// Or by so many milliseconds, where that is more.
const NEAR_MS: f64 = 1_000.0;

/// How long the stand-ins take, and what Velero takes beside them on this machine.
fn times() -> Value {
    let rate = json!({"fixed_ms": 0, "bytes_per_second": ground::PACE.bytes_per_second});
    json!({
        "volume_backup": rate, "volume_restore": rate, "provision_ms": ground::PACE.provision.as_millis() as u64,
        "stop_ms": STOP.as_millis() as u64, "backup_ms": 4_900, "restore_pods_ms": 1_200, "restore_end_ms": 900,
        "probe_ms": 900, "command_ms": 10,
        "commands": {"w0.import.web": 310, "w2.fence": 510, "w2.copy": 60},
    })
}

/// Killed the first time that it is in each step, and half a second later again; another process goes on each time.
fn killed(ground: &Ground, verdict: &mut Verdict) -> Result<()> {
    let app = App::start(&ground.source.plane.client, "killed")?;
    let plan = Plan::new(ground, &app.namespace);
    let mut running = execute(ground, &plan, "killed")?;
    let dir = TransferDir::at(ground.executor.file("killed"));
    let mut seen: BTreeSet<(String, bool)> = BTreeSet::new();
    let mut since: Option<(String, Instant)> = None;
    let mut kills = 0;
    while !running.has_ended()? {
        let step = dir.read().ok().and_then(|entries| State::fold(&entries)).and_then(|s| s.current);
        if let Some(step) = step {
            if since.as_ref().is_none_or(|(s, _)| *s != step) {
                since = Some((step.clone(), Instant::now()));
            }
            let is_late = since.as_ref().is_some_and(|(_, at)| at.elapsed() > Duration::from_millis(700));
            if seen.insert((step.clone(), is_late)) {
                running.kill()?;
                kills += 1;
                let status = ground.status("killed")?;
                verdict.is(&format!("killed at {step}: status says so"), status["state"] == "killed", &status["state"]);
                running = resume(ground, "killed", &[])?;
            }
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    let steps: BTreeSet<&str> = seen.iter().map(|(s, _)| s.as_str()).collect();
    verdict.said.push(format!("killed {kills} times at {} steps", steps.len()));
    let must = ["w0.probe.web", "w1.verify.front", "w2.fence", "w2.backup", "w2.sync", "w2.restore", "w2.verify.db"];
    let missed: Vec<&&str> = must.iter().filter(|m| !steps.contains(**m)).collect();
    verdict.is("killed at each stage", missed.is_empty(), &missed);
    let ended = running.wait()?;
    has_moved(ground, verdict, "killed", &app.namespace, &ended)?;
    // However often it was begun, there is one of each.
    for (site, plural) in [(&ground.source, "backups"), (&ground.target, "restores")] {
        let all = site.plane.client.list(&format!("{}/{plural}", stand_ins::VELERO))?.0;
        let mine = all.iter().filter(|o| text(o, "/metadata/name").starts_with("w2-killed")).count();
        verdict.is(&format!("killed: one of {plural}"), mine == 1, &mine);
    }
    Ok(())
}

/// Starts `transfer resume` with a journal.
fn resume(ground: &Ground, journal: &str, more: &[&str]) -> Result<Running> {
    let clusters = ground.clusters();
    let mut arguments = vec!["transfer", "resume", journal];
    arguments.extend(clusters.iter().map(String::as_str));
    arguments.extend(more);
    ground.executor.start(&arguments)
}

/// It failed at a step, for a reason, and says what was the matter.
fn has_failed(
    ground: &Ground,
    verdict: &mut Verdict,
    journal: &str,
    ended: &Ended,
    (step, reason, says): (&str, &str, &str),
) -> Result<()> {
    verdict.is(&format!("{journal}: exit status"), ended.code == Some(3), &(ended.code, &ended.stderr));
    let status = ground.status(journal)?;
    let is = status["state"] == "failed" && status["step"] == step && status["reason"] == reason;
    verdict.is(&format!("{journal}: reason"), is, &(&status["state"], &status["step"], &status["reason"]));
    verdict.is(&format!("{journal}: says why"), text(&status, "/message").contains(says), &status["message"]);
    verdict.is(&format!("{journal}: says how it goes on"), text(&status, "/next").contains("--retry"), &status["next"]);
    Ok(())
}

/// A node agent cannot read a volume: the backup is PartiallyFailed. It is tried again when the fault is gone, under another name.
fn backup_fails(ground: &Ground, verdict: &mut Verdict) -> Result<()> {
    let app = App::start(&ground.source.plane.client, "backup")?;
    // Two faults, one after the other: the location is none, then the volume cannot be read.
    let location = Plan { location: "elsewhere", ..Plan::new(ground, &app.namespace) };
    let refused = execute(ground, &location, "location")?.wait()?;
    let is = refused.code == Some(2) && refused.stderr.contains("BackupStorageLocation.velero.io/velero/elsewhere");
    verdict.is("a location that is not there is refused", is, &(refused.code, &refused.stderr));
    ground.source.stand_ins.fault(|f| _ = f.backup.insert(app.claim()));
    let ended = execute(ground, &Plan::new(ground, &app.namespace), "backup")?.wait()?;
    let expected = ("w2.backup", "transfer-backup-failed", "connection reset by peer");
    has_failed(ground, verdict, "backup", &ended, expected)?;
    // Without an order it goes no further, and says so.
    let again = resume(ground, "backup", &[])?.wait()?;
    verdict.is("backup: not by itself", again.code == Some(3) && again.stderr.contains("--roll-back"), &again.stderr);
    ground.source.stand_ins.fault(|f| _ = f.backup.remove(&app.claim()));
    let ended = resume(ground, "backup", &["--retry"])?.wait()?;
    has_moved(ground, verdict, "backup", &app.namespace, &ended)
}

/// A database is scaled to zero before its backup: Velero ends as Completed, without its data.
fn skipped(ground: &Ground, verdict: &mut Verdict) -> Result<()> {
    let client = &ground.source.plane.client;
    let app = App::start(client, "skipped")?;
    let db = format!("/apis/apps/v1/namespaces/{}/statefulsets/db", app.namespace);
    client.merge(&db, &json!({"spec": {"replicas": 0}}))?.ok()?;
    crate::bed::rest::wait("the database", || {
        Ok(client.get(&format!("/api/v1/namespaces/{}/pods/db-0", app.namespace))?.code == 404)
    })?;
    let ended = execute(ground, &Plan::new(ground, &app.namespace), "skipped")?.wait()?;
    let expected = ("w2.demand", "transfer-volume-skipped", "was its workload scaled to 0?");
    has_failed(ground, verdict, "skipped", &ended, expected)?;
    // It is given up, and taken back: writes go on, and nothing is left on the target.
    let ended = resume(ground, "skipped", &["--roll-back", "W1"])?.wait()?;
    verdict.is("skipped: taken back", ended.code == Some(0), &(ended.code, &ended.stderr));
    let fence = format!("/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/nodeferry-fence", app.namespace);
    verdict.is("skipped: the fence is gone", client.get(&fence)?.code == 404, &fence);
    let front = format!("/apis/apps/v1/namespaces/{}/deployments/front", app.namespace);
    verdict.is("skipped: front is gone", ground.target.plane.client.get(&front)?.code == 404, &front);
    Ok(())
}

/// A node agent cannot write a volume: the restore is PartiallyFailed. What it made is deleted, and it is tried again.
fn restore_fails(ground: &Ground, verdict: &mut Verdict) -> Result<()> {
    let app = App::start(&ground.source.plane.client, "restore")?;
    ground.target.stand_ins.fault(|f| _ = f.restore.insert(app.claim()));
    let ended = execute(ground, &Plan::new(ground, &app.namespace), "restore")?.wait()?;
    let expected = ("w2.restore", "transfer-restore-failed", "connection reset by peer");
    has_failed(ground, verdict, "restore", &ended, expected)?;
    ground.target.stand_ins.fault(|f| _ = f.restore.remove(&app.claim()));
    let ended = resume(ground, "restore", &["--retry"])?.wait()?;
    has_moved(ground, verdict, "restore", &app.namespace, &ended)
}

/// Nobody provides volumes of the target's class: the restore waits, and at its limit it is said for what; the limit leaves room for the restores
/// before it. Then the wave is taken back.
fn restore_is_stuck(ground: &Ground, verdict: &mut Verdict) -> Result<()> {
    let app = App::start(&ground.source.plane.client, "stuck")?;
    ground.target.stand_ins.fault(|f| _ = f.provision.insert(app.claim()));
    let plan = Plan { restore_ms: 45_000, ..Plan::new(ground, &app.namespace) };
    let ended = execute(ground, &plan, "stuck")?.wait()?;
    verdict.is("stuck: exit status at the limit", ended.code == Some(5), &(ended.code, &ended.stderr));
    let names = format!("claim {}/data-db-0 of storage class managed-csi is Pending", app.namespace);
    verdict.is("stuck: says for what it waits", ended.stderr.contains(&names), &ended.stderr);
    let ended = resume(ground, "stuck", &["--roll-back"])?.wait()?;
    verdict.is("stuck: taken back", ended.code == Some(0), &(ended.code, &ended.stderr));
    let target = &ground.target.plane.client;
    for path in ["apis/apps/v1", "api/v1"].iter().zip(["statefulsets/db", "persistentvolumeclaims/data-db-0"]) {
        let path = format!("/{}/namespaces/{}/{}", path.0, app.namespace, path.1);
        verdict.is(&format!("stuck: {path} is gone"), target.get(&path)?.code == 404, &path);
    }
    let front = format!("/apis/apps/v1/namespaces/{}/deployments/front", app.namespace);
    verdict.is("stuck: the wave before stays", target.get(&front)?.code == 200, &front);
    unharmed(&ground.source.plane.client, verdict, "stuck", &app.namespace)
}

/// What must be so on the target after a transfer that went well.
fn has_moved(ground: &Ground, verdict: &mut Verdict, what: &str, namespace: &str, ended: &Ended) -> Result<()> {
    verdict.is(&format!("{what}: exit status"), ended.code == Some(0), &(ended.code, &ended.stderr));
    if ended.code != Some(0) {
        return Ok(());
    }
    let client = &ground.target.plane.client;
    let get = |path: String| client.get(&path)?.ok().with_context(|| path);
    let apps = format!("/apis/apps/v1/namespaces/{namespace}");
    let core = format!("/api/v1/namespaces/{namespace}");
    for (path, image) in [(format!("{apps}/deployments/web"), "web:1"), (format!("{apps}/statefulsets/db"), "db:1")] {
        let found = get(path)?;
        let is = text(&found, "/spec/template/spec/containers/0/image").to_owned();
        verdict.is(&format!("{what}: image of {image}"), is == format!("{ACR}/{image}"), &is);
        verdict.is(
            &format!("{what}: pods of {image}"),
            found["status"]["readyReplicas"] == found["spec"]["replicas"],
            &found["status"],
        );
    }
    let account = get(format!("{core}/serviceaccounts/web"))?;
    let annotations = &account["metadata"]["annotations"];
    let is = annotations["azure.workload.identity/client-id"] == "c-1"
        && annotations["eks.amazonaws.com/role-arn"].is_null();
    verdict.is(&format!("{what}: identity"), is, annotations);
    let claim = get(format!("{core}/persistentvolumeclaims/data-db-0"))?;
    verdict.is(&format!("{what}: claim"), text(&claim, "/status/phase") == "Bound", &claim);
    let volume = get(format!("/api/v1/persistentvolumes/{}", text(&claim, "/spec/volumeName")))?;
    verdict.is(&format!("{what}: driver"), text(&volume, "/spec/csi/driver") == "disk.csi.azure.com", &volume["spec"]);
    let pods = client.list(&format!("{core}/pods"))?.0;
    let foreign: Vec<&str> =
        pods.iter().map(|p| text(p, "/spec/containers/0/image")).filter(|i| i.starts_with(ECR)).collect();
    verdict.is(&format!("{what}: no pod with an image of the source"), foreign.is_empty(), &foreign);
    let switched = ground.executor.file(&format!("switched-{namespace}")).exists();
    verdict.is(&format!("{what}: names are switched"), switched, &switched);
    let expected = ground.executor.files_with("not-to-be-seen")?;
    verdict.is(&format!("{what}: no value of a Secret is kept"), expected.is_empty(), &expected);
    unharmed(&ground.source.plane.client, verdict, what, namespace)
}

/// The source runs as before.
fn unharmed(client: &Client, verdict: &mut Verdict, what: &str, namespace: &str) -> Result<()> {
    let apps = format!("/apis/apps/v1/namespaces/{namespace}");
    let db: Value = client.get(&format!("{apps}/statefulsets/db"))?.ok()?;
    let is = text(&db, "/spec/template/spec/containers/0/image").starts_with(ECR) && db["status"]["readyReplicas"] == 1;
    verdict.is(&format!("{what}: the source runs on"), is, &db["status"]);
    Ok(())
}
