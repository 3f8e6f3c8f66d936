//! Rights that are withdrawn, admission that denies evictions or fails, and a second process with a copy of the journal.

use super::cordons::{BINDINGS, POLICIES, told};
use super::executor::{Ended, Executor};
use super::judge::{Promise, Verdict};
use super::world::{EXECUTE, RESUME, World};
use crate::bed::client::Client;
use crate::bed::rest::wait;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;

/// Exit status of what can be resumed.
const RESUMABLE: i32 = 5;
const BINDING: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/nodeferry-execute";
const WEBHOOKS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const NAME: &str = "no-evictions";

/// The binding of the ClusterRole is deleted in the middle and comes back; then it is deleted for longer than is waited.
pub fn revoked(world: &World, _: u64) -> Result<Verdict> {
    let executor = world.executor("rights-revoked")?;
    let (client, old) = (&world.plane.client, world.old()?);
    let verdict = world.judged(&old, &Promise::Drained, |verdict| {
        let mut intent = world.drain(&old, "per-batch")?;
        intent.options["batch_size"] = json!(2);
        intent.options["execution"] = json!({"rights_timeout_ms": 12_000});
        executor.plan(&intent)?;
        let mut running = executor.start(&EXECUTE)?;
        told(&executor, &mut running, "\"batch_started\"", 2)?;
        let binding = unbind(client)?;
        told(&executor, &mut running, "\"paused\"", 1)?;
        let status = status(&executor)?;
        let paused = status["paused"]["why"].as_str().unwrap_or_default();
        verdict.says(paused.contains("403") && paused.contains("does not let us"), || format!("status says {status}"));
        let failed = |status: &Value| {
            let nodes = status["nodes"].as_array().into_iter().flatten();
            nodes.filter(|n| n["fate"] == "failed").count()
        };
        verdict.says(failed(&status) == 0, || format!("nodes failed for lack of rights: {status}"));
        bind(client, &binding)?;
        told(&executor, &mut running, "lets us again", 1)?;
        let events = client.list("/apis/events.k8s.io/v1/namespaces/default/events")?.0;
        verdict.says(events.iter().any(|e| e["reason"] == "NodeferryPaused"), || "no Event says that it paused".into());
        told(&executor, &mut running, "\"batch_started\"", 3)?;
        let binding = unbind(client)?;
        let ended = running.wait()?;
        verdict.says(ended.code == Some(RESUMABLE), || {
            format!("ended with {:?} instead of {RESUMABLE}: {}", ended.code, ended.stderr)
        });
        for word in ["paused: ", "403", "ordoned by this execution and not drained", "nodeferry resume"] {
            verdict.says(ended.stderr.contains(word), || format!("{word:?} is not said: {}", ended.stderr));
        }
        bind(client, &binding)?;
        executor.run(&RESUME)?.with(0)?;
        Ok(())
    })?;
    world.turn();
    Ok(verdict)
}

/// A policy denies every eviction, then a webhook fails: it stops after the first batch and says what it was, and no node of the others is touched.
pub fn evictions_denied(world: &World, _: u64) -> Result<Verdict> {
    let (client, old) = (&world.plane.client, world.old()?);
    let mut verdict = Verdict::default();
    for (case, make, path, said) in [
        (
            "policy",
            deny as fn(&Client) -> Result<()>,
            format!("{BINDINGS}/{NAME}"),
            "admission policy no-evictions denies it",
        ),
        ("webhook", fail, format!("{WEBHOOKS}/{NAME}"), "admission webhook no-evictions.example.com fails"),
    ] {
        let executor = world.executor(&format!("evictions-denied-by-{case}"))?;
        let mut intent = world.drain(&old, "per-batch")?;
        intent.options["batch_size"] = json!(2);
        executor.plan(&intent)?;
        make(client)?;
        let ended = executor.run(&EXECUTE)?;
        verdict.says(ended.code == Some(3), || {
            format!("{case}: ended with {:?} instead of 3: {}", ended.code, ended.stderr)
        });
        let status = status(&executor)?;
        let failure = &status["failure"];
        verdict.says(failure["reason"] == "evictions-denied", || format!("{case}: the reason is {failure}"));
        verdict.says(ended.stderr.contains(said), || format!("{case}: {said}: not said: {}", ended.stderr));
        verdict.says(!ended.stderr.contains("in trouble"), || format!("{case}: taken for trouble: {}", ended.stderr));
        let cordoned = cordoned(client)?;
        verdict.says(cordoned.len() == 2, || format!("{case}: cordoned are {cordoned:?}"));
        for node in &cordoned {
            let named = last_words(&ended).contains(node.as_str());
            verdict.says(named, || format!("{case}: {node} stays cordoned, and the last words do not say so"));
        }
        client.delete(&path, &json!({}))?.ok()?;
        super::cluster::uncordon(client, &cordoned)?;
        wait("evictions to be allowed", || {
            Ok(dry_eviction(client)? != Some(422) && dry_eviction(client)? != Some(500))
        })?;
    }
    client.delete(&format!("{POLICIES}/{NAME}"), &json!({}))?.ok()?;
    world.rest()?;
    Ok(verdict)
}

/// Somebody goes on with a copy of the journal while the first process works: the second is refused, and sends nothing. Then the first is killed, and
/// the next process of its machine goes on at once.
pub fn two_processes(world: &World, _: u64) -> Result<Verdict> {
    let executor = world.executor("two-processes")?;
    let old = world.old()?;
    let verdict = world.judged(&old, &Promise::Drained, |verdict| {
        let mut intent = world.drain(&old, "per-batch")?;
        intent.options["batch_size"] = json!(1);
        intent.options["soak_ms"] = json!(4_000);
        executor.plan(&intent)?;
        let mut running = executor.start(&EXECUTE)?;
        told(&executor, &mut running, "\"batch_started\"", 2)?;
        copy(&executor.file("journal"), &executor.file("restored"))?;
        let second = executor.run(&["resume", "restored"])?;
        verdict.says(second.code == Some(RESUMABLE) && second.stderr.contains("holds the Lease"), || {
            format!("the second ended with {:?}: {}", second.code, second.stderr)
        });
        let sent = std::fs::read_to_string(executor.file("restored").join("journal.jsonl"))?;
        let resumed = sent.lines().position(|l| l.contains("\"record\":\"resumed\"")).context("it has not resumed")?;
        let calls = sent.lines().skip(resumed).filter(|l| l.contains("\"record\":\"intends\"")).count();
        verdict.says(calls == 0, || format!("the second announced {calls} calls"));
        running.kill()?;
        let begun = std::time::Instant::now();
        let mut running = executor.start(&RESUME)?;
        told(&executor, &mut running, "\"record\":\"resumed\"", 1)?;
        let before = count(&executor, "\"record\":\"intends\"")?;
        while count(&executor, "\"record\":\"intends\"")? == before && begun.elapsed().as_secs() < 40 {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let waited = begun.elapsed().as_secs();
        verdict.says(waited < 15, || format!("the Lease of a process that is dead was waited for: {waited} s"));
        verdict.says(running.wait()?.code == Some(0), || "it did not complete".into());
        Ok(())
    })?;
    world.turn();
    Ok(verdict)
}

fn count(executor: &Executor, word: &str) -> Result<usize> {
    Ok(std::fs::read_to_string(executor.file("journal").join("journal.jsonl"))?.matches(word).count())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for file in ["journal.jsonl", "lock"] {
        std::fs::copy(from.join(file), to.join(file)).with_context(|| format!("copying {file}"))?;
    }
    Ok(())
}

fn status(executor: &Executor) -> Result<Value> {
    Ok(serde_json::from_str(&executor.run(&["status", "journal", "-o", "json"])?.with(0)?)?)
}

fn last_words(ended: &Ended) -> &str {
    ended.stderr.split_once("Cordoned by this execution").map_or("", |(_, rest)| rest)
}

fn cordoned(client: &Client) -> Result<Vec<String>> {
    let nodes = client.list("/api/v1/nodes")?.0.into_iter().filter(|n| n["spec"]["unschedulable"] == true);
    Ok(nodes.filter_map(|n| n["metadata"]["name"].as_str().map(str::to_owned)).collect())
}

/// Deletes the binding, and waits until it is felt. The other roles that ship may read.
fn unbind(client: &Client) -> Result<Value> {
    let binding = client.get(BINDING)?.ok()?;
    client.delete(BINDING, &json!({}))?.ok()?;
    Ok(binding)
}

fn bind(client: &Client, binding: &Value) -> Result<()> {
    let again = json!({"metadata": {"name": binding["metadata"]["name"]}, "roleRef": binding["roleRef"], "subjects": binding["subjects"]});
    let (collection, _) = BINDING.rsplit_once('/').unwrap_or_default();
    client.create(collection, &again)?.ok()?;
    Ok(())
}

/// What the eviction of some pod would be answered; None if there is no pod.
fn dry_eviction(client: &Client) -> Result<Option<u16>> {
    let pods = client.list("/api/v1/pods")?.0;
    let Some(pod) = pods.first() else { return Ok(None) };
    let (namespace, name) = (&pod["metadata"]["namespace"], &pod["metadata"]["name"]);
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/eviction?dryRun=All",
        namespace.as_str().unwrap_or_default(),
        name.as_str().unwrap_or_default()
    );
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": {"dryRun": ["All"]}});
    Ok(Some(client.create(&path, &body)?.code))
}

fn deny(client: &Client) -> Result<()> {
    let policy = json!({
        "metadata": {"name": NAME},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods/eviction"]},
            ]},
            "validations": [{"expression": "false", "message": "not today"}],
        },
    });
    client.create(POLICIES, &policy)?.ok()?;
    let binding = json!({"metadata": {"name": NAME}, "spec": {"policyName": NAME, "validationActions": ["Deny"]}});
    client.create(BINDINGS, &binding)?.ok()?;
    wait("evictions to be denied", || Ok(dry_eviction(client)? == Some(422)))
}

fn fail(client: &Client) -> Result<()> {
    let webhook = json!({
        "metadata": {"name": NAME},
        "webhooks": [{
            "name": "no-evictions.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 2,
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods/eviction"]}],
        }],
    });
    client.create(WEBHOOKS, &webhook)?.ok()?;
    wait("evictions to fail", || Ok(dry_eviction(client)? == Some(500)))
}
