//! Before anything is touched: does the plan fit the cluster as it is now?
//!
//! The cluster is the one that the plan was made for, we may do what it needs, what it depends on has not changed, the way to give
//! machines back is known, and it still ends as it was predicted to. Each of these is a step that is told, and that can refuse.

use super::client::{Client, ConnectError, foreign, refusal};
use super::permissions::{self, Deeds};
use super::record::{self, LeftOut, Recorded};
use super::{LEASE_NAMESPACE, clock};
use crate::cluster::{Severity, View};
use crate::live::redact::Redaction;
use crate::plan::Plan;
use crate::plan::forecast::Forecast;
use crate::request::plan::forecast;
use crate::request::resimulate::{self, Laid};
use crate::session::answer::{Answered, Wanted};
use crate::session::api::{FOLLOWED, LEASES, Request};
use crate::session::{Exchange, Holder, LEASE};
use crate::snapshot::group;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is borne.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// So many objects that the plan depends on may have changed.
    pub max_drift: usize,
    /// A prediction that is worse than the plan's, and errors that the plan did not have.
    pub accept_forecast: bool,
}

/// What was found out.
pub struct Proven {
    /// uid of the cluster.
    pub cluster: String,
    /// The cluster as it is now.
    pub recorded: Recorded,
    /// What changed since the plan was made.
    pub drift: Vec<String>,
    /// What is predicted from the present state.
    pub forecast: Forecast,
}

/// Why the plan is not carried out: what, where, why and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The API.
    #[error(transparent)]
    Api(#[from] ConnectError),
    /// A check.
    #[error("{0}")]
    Check(String),
}

fn check(text: impl Into<String>) -> Refusal {
    Refusal::Check(text.into())
}

/// Proves that a plan fits; `say` hears each step once it is done.
///
/// # Errors
/// The first step that refuses.
pub async fn prove(client: &Client, plan: &Plan, limits: Limits, say: &mut dyn FnMut(&str)) -> Result<Proven, Refusal> {
    let cluster = same_cluster(client, plan.baseline.cluster.as_deref()).await?;
    say(&format!("the cluster is the plan's (kube-system has uid {cluster})"));
    let wanted = permissions::execute(Deeds::of(plan), LEASE_NAMESPACE);
    permitted(client, &wanted).await?;
    say(&format!("we may do all that it needs ({} permissions)", wanted.len()));
    nobody_else(client).await?;
    say(&format!("no other execution holds the Lease {LEASE_NAMESPACE}/{LEASE}"));
    let recorded = record::record(client, &Redaction::default(), &mut |_| ()).await?;
    say(&format!("the cluster is read ({} objects{})", recorded.objects.len(), left_out(&recorded.left_out)));
    let (drift, forecast) = fits(plan, &recorded, limits, say)?;
    Ok(Proven { cluster, recorded, drift, forecast })
}

fn left_out(kinds: &[LeftOut]) -> String {
    match kinds.is_empty() {
        true => String::new(),
        false => format!("; without {}", kinds.iter().map(|l| l.kind.as_str()).collect::<Vec<_>>().join(", ")),
    }
}

/// Holds the cluster's uid against the one that is expected, and returns it.
///
/// # Errors
/// Another cluster, or one that does not tell.
pub async fn same_cluster(client: &Client, expected: Option<&str>) -> Result<String, Refusal> {
    let Some(expected) = expected else {
        return Err(check(
            "the plan does not know which cluster it is for: its dump had no namespaces. Make a dump that has them (nodeferry record), and plan again from it",
        ));
    };
    let system = Exchange::get("/api/v1/namespaces/kube-system");
    let what = "cannot tell which cluster this is (namespace kube-system)";
    let object = client.ask(what, &system, ("v1", "Namespace")).await?;
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
    if uid != expected {
        return Err(check(format!(
            "this is another cluster: kube-system has uid {uid} here (context {}), and {expected} in the plan; choose the plan's cluster with --context",
            client.context()
        )));
    }
    Ok(uid.to_owned())
}

/// Refuses if any of these permissions is missing, and names all that are.
///
/// # Errors
/// Missing permissions.
pub async fn permitted(client: &Client, wanted: &permissions::Permissions) -> Result<(), Refusal> {
    let missing = permissions::missing(client, wanted).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let list: String = missing.iter().map(|p| format!("\n  {p}")).collect();
    Err(check(format!(
        "we lack permissions that the execution needs:{list}\nthe roles in deploy/ grant them: clusterrole-execute.yaml, and clusterrole-retire.yaml and clusterrole-delete-pods.yaml for plans that end machines or \
         delete pods (docs/execute.md, \"Permissions\")"
    )))
}

/// Refuses if we may not delete nodes, as the masters are at the end of a migration of their control plane.
///
/// # Errors
/// The permission is missing.
pub async fn may_delete_nodes(client: &Client) -> Result<(), Refusal> {
    permitted(client, &permissions::ack()).await
}

/// Refuses while another execution holds the Lease. The session takes it for good; this only says it early.
async fn nobody_else(client: &Client) -> Result<(), Refusal> {
    match holder(client).await? {
        Some(holder) if holder.seems_alive() && !is_dead(&holder) => Err(check(format!(
            "{}: it is under way in this cluster; wait until it has ended, or stop it (nodeferry stop)",
            holder.words(LEASE_NAMESPACE)
        ))),
        // One that may be dead is waited for by the session, which looks whether it renews the Lease.
        _ => Ok(()),
    }
}

fn is_dead(holder: &Holder) -> bool {
    holder.process.as_ref().is_some_and(super::process::is_dead)
}

/// All that the Lease says of its holder, if that is a process of this machine that is dead. It need not be waited for. Whatever else the API
/// says is the session's to hear.
pub async fn dead_holder(client: &Client) -> Option<String> {
    let holder = holder(client).await.ok().flatten()?;
    is_dead(&holder).then_some(holder.identity)
}

/// Who holds the Lease, by the API server's time where it says that.
async fn holder(client: &Client) -> Result<Option<Holder>, Refusal> {
    let exchange = Exchange::get(LEASES.object(LEASE_NAMESPACE, LEASE));
    let wanted = Wanted::of(&Request::Api(exchange.clone()));
    let why = match client.patiently(&exchange, false, |r| wanted.read(r)).await {
        Answered::Object(lease) => {
            let now = clock::counted_unix_ms().saturating_add(client.server_ahead_ms().unwrap_or(0));
            return Ok(Holder::of(&lease, now));
        }
        Answered::Absent => return Ok(None),
        Answered::Refused(r) => refusal(&r),
        Answered::Unknown(unknown) => foreign(unknown),
        _ => "no answer to it".into(),
    };
    Err(check(format!("cannot tell who holds the Lease {LEASE_NAMESPACE}/{LEASE}: {why}")))
}

/// The steps that need no API: drift, the way machines are given back, and the prediction from the present state.
fn fits(
    plan: &Plan,
    recorded: &Recorded,
    limits: Limits,
    say: &mut dyn FnMut(&str),
) -> Result<(Vec<String>, Forecast), Refusal> {
    let source = recorded.source().map_err(|e| check(e.to_string()))?;
    let loaded = resimulate::read(plan, &[source]).map_err(|e| check(e.to_string()))?;
    let Laid { mut request, batches, drift } = resimulate::lay(plan, loaded).map_err(check)?;
    // Somebody who stops the plan's simulation does not stop its execution.
    request.sim.stop_at_ms = None;
    drifted(&drift, limits.max_drift)?;
    say(&format!("nothing that it depends on has changed{}", drift_note(&drift)));
    let view = View { catalog: &request.cluster.catalog, state: &request.cluster.state };
    retirements(plan, view, &batches)?;
    reimages(plan, view, &batches)?;
    let known: BTreeSet<&str> = plan.intent.guards.accepted_findings.iter().map(String::as_str).collect();
    let intent = plan.intent.clone();
    let planned = forecast(request, intent, batches, &|| ()).map_err(|e| check(e.to_string()))?;
    let predicted = planned.forecast;
    judge(plan, &predicted, &known, limits)?;
    say(&format!("from the present state it is predicted to end as {}", predicted_text(&predicted)));
    Ok((drift, predicted))
}

/// Outcome and duration in words.
pub fn predicted_text(forecast: &Forecast) -> String {
    let duration = crate::trace::time::words(u64::try_from(forecast.duration_ms.p50).unwrap_or(0));
    format!("{} after {duration}", forecast.outcome)
}

fn drift_note(drift: &[String]) -> String {
    match drift.len() {
        0 => String::new(),
        n => format!(" but for {n} objects, which --max-drift allows: {}", shortened(drift)),
    }
}

fn shortened(lines: &[String]) -> String {
    const SHOWN: usize = 20;
    let more = match lines.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("{}{more}", lines[..lines.len().min(SHOWN)].join(", "))
}

fn drifted(drift: &[String], most: usize) -> Result<(), Refusal> {
    if drift.len() <= most {
        return Ok(());
    }
    let list: String = drift.iter().map(|line| format!("\n  {line}")).collect();
    Err(check(format!(
        "the cluster is no longer as it was when the plan was made ({} objects differ, {most} are allowed):{list}\nplan again from a fresh dump, or allow it with --max-drift {}",
        drift.len(),
        drift.len()
    )))
}

/// Every old node whose machine is to be ended must have a way to be given back.
fn retirements(plan: &Plan, view: View<'_>, batches: &[Vec<crate::cluster::NodeIdx>]) -> Result<(), Refusal> {
    let options = &plan.intent.options;
    if !options.terminates() {
        return Ok(());
    }
    let list = without(view, batches, |group| options.execution.retirement(group).is_some());
    if list.is_empty() {
        return Ok(());
    }
    Err(check(format!(
        "the plan ends machines, but does not say how those of these groups are given back:{list}\n\
         a deleted Node object alone leaves a machine running, so there is no default: say it in options.execution.retire (by: command, nodeclaim or node; \
         `*` for all groups; docs/execute.md), or plan with --terminate-nodes false"
    )))
}

/// Every old node whose machine is to be reimaged must have a way to be.
fn reimages(plan: &Plan, view: View<'_>, batches: &[Vec<crate::cluster::NodeIdx>]) -> Result<(), Refusal> {
    let options = &plan.intent.options;
    if !options.reimages() {
        return Ok(());
    }
    let list = without(view, batches, |group| options.execution.reimage(group).is_some());
    if list.is_empty() {
        return Ok(());
    }
    Err(check(format!(
        "the plan reimages machines in place, but does not say how those of these groups are:{list}\n\
         say it in options.execution.reimage (by: command; `*` for all groups; docs/execute.md), or plan with another preset (surge.preset) or with \
         --terminate-nodes false"
    )))
}

/// Old nodes of groups of which nothing is known, a line for each group; empty if there are none.
fn without(view: View<'_>, batches: &[Vec<crate::cluster::NodeIdx>], known: impl Fn(Option<&str>) -> bool) -> String {
    let mut without: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for node in batches.iter().flatten() {
        let group = view.state.nodes[*node].group.map(|g| view.catalog.text(view.catalog.groups[g].id));
        if !known(group) {
            without
                .entry(group.unwrap_or("(no group)").to_owned())
                .or_default()
                .push(view.state.node_name(view.catalog, *node));
        }
    }
    without.iter().map(|(group, nodes)| format!("\n  {group}: {}", nodes.join(", "))).collect()
}

/// Refuses a prediction that is worse than the plan's.
fn judge(plan: &Plan, now: &Forecast, known: &BTreeSet<&str>, limits: Limits) -> Result<(), Refusal> {
    if limits.accept_forecast {
        return Ok(());
    }
    // The lists of a live cluster are whole; statuses that lag behind pods are no error of the cluster.
    let new = now
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error && f.code != "dump-not-whole" && !known.contains(f.code.as_str()));
    let list: String = new.map(|f| format!("\n  {} {}: {}", f.code, f.object, f.message)).collect();
    if !list.is_empty() {
        return Err(check(format!(
            "the cluster has errors that the plan did not have:{list}\nfix them, plan again from a fresh dump, or allow them with --accept-forecast"
        )));
    }
    let then = plan.forecast.as_ref().map_or("", |f| f.outcome.as_str());
    if now.outcome == "FAILED" && then != "FAILED" {
        return Err(check(format!(
            "from the present state the migration is predicted to fail ({}), which it was not when the plan was made; plan again from a fresh dump, or allow it with --accept-forecast",
            now.message.as_deref().unwrap_or_default()
        )));
    }
    Ok(())
}

/// Objects that a session does not follow, but packs and simulates with.
pub fn background(recorded: &Recorded) -> Vec<Value> {
    let followed = |o: &&Value| {
        let (version, kind) = (o["apiVersion"].as_str().unwrap_or_default(), o["kind"].as_str().unwrap_or_default());
        FOLLOWED.iter().any(|r| r.kind == kind && group(r.api_version) == group(version))
    };
    recorded.objects.iter().filter(|o| !followed(o)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::execution::Retirement;
    use crate::live::testing::{Server, ok, runtime, status};
    use crate::request::input::{cluster_of_dump, request_of_cluster};
    use crate::request::plan::plan as make_plan;
    use crate::snapshot::generate::{GenerateParams, generate};
    use serde_json::json;
    use std::time::Duration;

    fn recorded() -> Recorded {
        let params = GenerateParams { nodes: 4, new_nodes: 4, seed: 3, ..GenerateParams::default() };
        Recorded { objects: generate(&params).expect("a cluster"), ..Recorded::default() }
    }

    fn plan(recorded: &Recorded, terminate: bool) -> Plan {
        let loaded = cluster_of_dump(&[recorded.source().unwrap()], &[], None, &Default::default(), false).unwrap();
        let mut request = request_of_cluster(loaded);
        request.nodes.selector = Some("agentpool=old".into());
        request.options.terminate_nodes = Some(terminate);
        make_plan(request, &|| ()).expect("a plan").plan
    }

    fn said(plan: &Plan, recorded: &Recorded, limits: Limits) -> Result<Vec<String>, String> {
        let mut said = Vec::new();
        fits(plan, recorded, limits, &mut |s| said.push(s.to_owned())).map_err(|e| e.to_string())?;
        Ok(said)
    }

    #[test]
    fn a_plan_fits_the_cluster_that_it_was_made_upon() {
        let recorded = recorded();
        let plan = plan(&recorded, false);
        assert_eq!(plan.baseline.cluster.as_deref(), recorded.cluster());
        assert!(recorded.cluster().is_some());
        let said = said(&plan, &recorded, Limits::default()).expect("it fits");
        assert_eq!(said[0], "nothing that it depends on has changed");
        let then = plan.forecast.as_ref().unwrap().duration_ms.p50 as u64;
        assert!(said[1].ends_with(&crate::trace::time::words(then)), "{said:?}");
    }

    #[test]
    fn drift_is_listed_by_object_and_pods_are_no_drift() {
        let mut recorded = recorded();
        let plan = plan(&recorded, false);
        let of = |kind: &str, objects: &[Value]| objects.iter().position(|o| o["kind"] == kind).expect("one");
        let pod = of("Pod", &recorded.objects);
        recorded.objects[pod]["metadata"]["name"] = json!("another-pod");
        said(&plan, &recorded, Limits::default()).expect("pods churn");
        let deployment = of("Deployment", &recorded.objects);
        let name = recorded.objects[deployment]["metadata"]["name"].as_str().unwrap().to_owned();
        recorded.objects[deployment]["spec"]["replicas"] = json!(99);
        let e = said(&plan, &recorded, Limits::default()).unwrap_err();
        assert!(
            e.contains("1 objects differ, 0 are allowed") && e.contains(&name) && e.contains("--max-drift 1"),
            "{e}"
        );
        let limits = Limits { max_drift: 1, accept_forecast: true };
        assert!(said(&plan, &recorded, limits).expect("borne")[0].contains("but for 1 objects"));
    }

    #[test]
    fn machines_that_nobody_gives_back_are_refused() {
        let recorded = recorded();
        let mut plan = plan(&recorded, true);
        let e = said(&plan, &recorded, Limits::default()).unwrap_err();
        assert!(e.contains("does not say how those of these groups are given back") && e.contains("old"), "{e}");
        plan.intent.options.execution.retire.insert("*".into(), Retirement::Node);
        said(&plan, &recorded, Limits::default()).expect("a way for all");
    }

    #[test]
    fn machines_that_nobody_reimages_are_refused() {
        let recorded = recorded();
        let mut plan = plan(&recorded, true);
        plan.intent.options.procedure = crate::intent::options::ProcedureKind::Surge;
        plan.intent.options.execution.retire.insert("*".into(), Retirement::Node);
        let limits = Limits { accept_forecast: true, ..Limits::default() };
        let e = said(&plan, &recorded, limits).unwrap_err();
        assert!(e.contains("reimages machines in place, but does not say how those") && e.contains("old"), "{e}");
        let command = crate::intent::Reimage::Command { command: vec!["reimage".into()], every_ms: 1, timeout_ms: 1 };
        plan.intent.options.execution.reimage.insert("*".into(), command);
        said(&plan, &recorded, limits).expect("a way for all");
    }

    #[test]
    fn another_cluster_is_refused_by_its_uid() {
        let ask = |expected: Option<&'static str>| {
            runtime().block_on(async {
                let server = Server::answering(|_| ok(&json!({"kind": "Namespace", "metadata": {"uid": "u-2"}}))).await;
                let client = Client::plain(&server.url, Duration::from_secs(5));
                same_cluster(&client, expected).await.map_err(|e| e.to_string())
            })
        };
        assert_eq!(ask(Some("u-2")), Ok("u-2".to_owned()));
        let e = ask(Some("u-1")).unwrap_err();
        assert!(e.starts_with("this is another cluster") && e.contains("u-1") && e.contains("u-2"), "{e}");
        assert!(ask(None).unwrap_err().contains("had no namespaces"));
    }

    #[test]
    fn a_lease_that_is_alive_is_refused_and_one_that_has_lapsed_is_not() {
        let ask = |lease: Option<Value>| {
            runtime().block_on(async {
                let server = Server::answering(move |_| lease.as_ref().map_or_else(|| status(404, "none"), ok)).await;
                let client = Client::plain(&server.url, Duration::from_secs(5));
                nobody_else(&client).await.map_err(|e| e.to_string())
            })
        };
        let lease = |ago: i64| {
            let renewed = crate::snapshot::time::format_rfc3339(clock::unix_ms() - ago, 6);
            let meta = json!({"name": "nodeferry", "namespace": "kube-system", "resourceVersion": "1"});
            Some(
                json!({"metadata": meta, "spec": {"holderIdentity": "other", "leaseDurationSeconds": 30, "renewTime": renewed}}),
            )
        };
        assert_eq!(ask(None), Ok(()));
        assert_eq!(ask(lease(31_000)), Ok(()));
        assert!(
            ask(lease(2_000))
                .unwrap_err()
                .starts_with("execution other holds the Lease kube-system/nodeferry, renewed 2 s ago")
        );
    }
}
