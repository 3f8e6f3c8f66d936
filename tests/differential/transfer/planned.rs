//! A plan that nodeferry makes itself: the source is recorded, analysed, rendered and planned as docs/transfer.md walks, and the plan is carried out
//! with whatever it says: its commands by programs of these names, its gates by somebody who does what they ask.

use super::ground::{ACR, Ground};
use super::stand_ins::text;
use crate::bed::rest::wait;
use crate::executions::executor::{Executor, Running};
use crate::executions::identity;
use crate::verdict::Verdict;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const NAMESPACE: &str = "planned";
/// The application, as its repository has it.
const APPLICATION: &str = include_str!("planned.yaml");
/// What its Secret holds, which is to be found nowhere.
const SECRET: &str = "not-to-be-seen";
/// What `aws ecr get-login-password` prints.
const TOKEN: &str = "token-of-ecr";
/// Namespace of the accounts; that of the system does not move.
const ACCOUNTS: &str = "kube-system";
/// It takes no longer, whatever the other cases do meanwhile.
const PATIENCE: Duration = Duration::from_secs(240);

/// Whoever sits before the terminal, with programs that play those of the clouds.
fn person(ground: &Ground) -> Executor {
    let path = std::env::var("PATH").unwrap_or_default();
    ground.executor.within(vec![("PATH", format!("{}:{path}", ground.executor.file("programs").display()))])
}

fn program(ground: &Ground, name: &str, script: &str) -> Result<()> {
    let file = ground.executor.file(&format!("programs/{name}"));
    std::fs::create_dir_all(ground.executor.file("programs"))?;
    std::fs::write(&file, format!("#!/bin/sh\nset -e\n{script}\n"))?;
    Ok(std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?)
}

/// Everything up to the plan. The other applications are not there yet: what is planned is all that the source has.
pub fn prepare(ground: &Ground) -> Result<()> {
    let log = ground.executor.file("az.log");
    program(ground, "az", &format!("echo \"$*\" >>{}", log.display()))?;
    program(ground, "aws", &format!("[ \"$1 $2\" = 'ecr get-login-password' ]\necho {TOKEN}"))?;
    // A store is a directory of this machine, whatever its address in the clouds is.
    let (from, to) = (ground.transferred("source"), ground.transferred("target"));
    let copied = format!("[ \"$1\" = copy ] && [ \"$4\" = --recursive ]\ncp -r {}/. {}", from.display(), to.display());
    program(ground, "azcopy", &copied)?;

    let manifests = ground.executor.file("manifests");
    std::fs::create_dir_all(&manifests)?;
    std::fs::write(manifests.join("planned.yaml"), APPLICATION)?;
    let source = &ground.source.plane;
    kubectl(source.command("kubectl").args(["apply", "-f"]).arg(&manifests))?;
    secret(&source.client)?;
    let apps = format!("/apis/apps/v1/namespaces/{NAMESPACE}");
    wait("the application", || {
        let ready = |path: &str, pods: u64| {
            Ok::<bool, anyhow::Error>(
                source.client.get(&format!("{apps}/{path}"))?.ok()?["status"]["readyReplicas"] == pods,
            )
        };
        Ok(ready("deployments/front", 2)? && ready("deployments/web", 2)? && ready("statefulsets/db", 1)?)
    })?;

    let person = person(ground);
    accounts(ground)?;
    let kubeconfig = ground.executor.file("source-kubeconfig").display().to_string();
    let recorded = person.run(&["record", "--for-transfer", "--kubeconfig", &kubeconfig, "-o", "eks.json.gz"])?;
    ensure!(!recorded.stderr.contains("forbidden"), "the role of record lacks something: {}", recorded.stderr);
    recorded.with(0)?;
    let input = ["eks.json.gz", "manifests"];
    let with = |before: &[&'static str], after: &[&'static str]| {
        let all: Vec<&str> = before.iter().copied().chain(input).chain(after.iter().copied()).collect();
        person.run(&all)
    };
    with(&["transfer", "analyse"], &["--write-mapping", "mapping.yaml"])?.with(3)?;
    answer(ground)?;
    with(&["transfer", "analyse"], &["--mapping", "mapping.yaml"])?.with(0)?;
    with(&["transfer", "render"], &["--mapping", "mapping.yaml", "--out", "rendered"])?.with(0)?;
    // An item of the checklist is open until the target was tested.
    with(&["transfer", "plan"], &["--mapping", "mapping.yaml", "--plan", "planned-plan.json"])?.with(4)?;
    Ok(())
}

/// Whom both clusters take nodeferry for: accounts with the roles of deploy/ for transfers, and no other right. That for the target has only what the source's has until it was refused.
fn accounts(ground: &Ground) -> Result<()> {
    for (site, name, files) in [
        (&ground.source, "source", ["clusterrole-transfer.yaml", "clusterrole-transfer-source.yaml"].as_slice()),
        (&ground.target, "target", &["clusterrole-transfer-source.yaml"]),
    ] {
        let plane = &site.plane;
        identity::install_in(&plane.client, ACCOUNTS, |file| files.contains(&file))?;
        identity::token_in(
            &plane.client,
            ACCOUNTS,
            &plane.kubeconfig(),
            &ground.executor.file(&format!("{name}-kubeconfig")),
        )?;
    }
    Ok(())
}

/// The flags that name the clusters, with the kubeconfigs of these accounts.
fn clusters(ground: &Ground) -> Vec<String> {
    let path = |name: &str| ground.executor.file(&format!("{name}-kubeconfig")).display().to_string();
    vec!["--source-kubeconfig".to_owned(), path("source"), "--target-kubeconfig".to_owned(), path("target")]
}

/// Starts a command of nodeferry with both clusters.
fn start(ground: &Ground, arguments: &[&str]) -> Result<Running> {
    let clusters = clusters(ground);
    let all: Vec<&str> = arguments.iter().copied().chain(clusters.iter().map(String::as_str)).collect();
    person(ground).start(&all)
}

/// Without the role of the target it is refused, with what is missing; then the account gets it.
fn is_refused_without_rights(ground: &Ground, verdict: &mut Verdict) -> Result<()> {
    let refused =
        start(ground, &["transfer", "execute", "planned-plan.json", "--journal", "refused", "--yes"])?.wait()?;
    let says = [
        "we lack permissions on the target",
        "create restores.velero.io in namespace velero",
        "clusterrole-transfer-target.yaml",
    ];
    let is = refused.code == Some(2)
        && says.iter().all(|s| refused.stderr.contains(s))
        && !ground.executor.file("refused").exists();
    verdict.is("planned: refused without the target's role", is, &(refused.code, &refused.stderr));
    let client = &ground.target.plane.client;
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    for path in [
        format!("{rbac}/clusterrolebindings/nodeferry-transfer-source"),
        format!("{rbac}/namespaces/velero/rolebindings/nodeferry-transfer-source"),
        format!("/api/v1/namespaces/{ACCOUNTS}/serviceaccounts/nodeferry"),
    ] {
        client.delete(&path, &json!({}))?.ok()?;
    }
    identity::install_in(client, ACCOUNTS, |file| file == "clusterrole-transfer-target.yaml")?;
    identity::token_in(
        client,
        ACCOUNTS,
        &ground.target.plane.kubeconfig(),
        &ground.executor.file("target-kubeconfig"),
    )?;
    Ok(())
}

/// A process of a copied journal, and another machine with the same plan, find the Lease and change nothing.
fn is_alone(ground: &Ground, verdict: &mut Verdict) -> Result<()> {
    let (from, to) = (ground.executor.file("planned"), ground.executor.file("copied"));
    ensure!(
        std::process::Command::new("cp").arg("-r").args([&from, &to]).status()?.success(),
        "the journal cannot be copied"
    );
    let journal = |dir: &std::path::Path| std::fs::read(dir.join("transfer.jsonl"));
    let before = journal(&to)?;
    let copied = start(ground, &["transfer", "resume", "copied"])?;
    let other = start(ground, &["transfer", "execute", "planned-plan.json", "--journal", "second", "--yes"])?;
    for (what, ended) in [("copied journal", copied.wait()?), ("second machine", other.wait()?)] {
        let is =
            ended.code == Some(5) && ended.stderr.contains(&format!("holds the Lease {NAMESPACE}/nodeferry-transfer"));
        verdict.is(&format!("planned: {what} is refused"), is, &(ended.code, &ended.stderr));
    }
    verdict.is(
        "planned: nothing is written down of it",
        journal(&to)? == before && !ground.executor.file("second").exists(),
        &"",
    );
    Ok(())
}

/// Somebody else takes the Lease: the process leaves, and another goes on when it is free again.
fn loses_its_lease(ground: &Ground, verdict: &mut Verdict, running: Running) -> Result<Running> {
    let client = &ground.source.plane.client;
    let lease = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/nodeferry-transfer");
    let held = client.get(&lease)?.ok()?;
    let (holder, execution) =
        (text(&held, "/spec/holderIdentity").to_owned(), text(&ground.status("planned")?, "/execution").to_owned());
    verdict.is(
        "planned: the Lease names execution and process",
        holder.starts_with(&format!("{execution}_")) && holder.split('_').count() == 5,
        &holder,
    );
    client.merge(&lease, &json!({"spec": {"holderIdentity": "another"}}))?.ok()?;
    let ended = running.wait()?;
    let is = ended.code == Some(5) && ended.stderr.contains("execution another holds the Lease");
    verdict.is("planned: whoever loses the Lease leaves", is, &(ended.code, &ended.stderr));
    let found = client.get(&lease)?.ok()?;
    verdict.is("planned: it is left to its holder", text(&found, "/spec/holderIdentity") == "another", &found);
    client.delete(&lease, &json!({}))?.ok()?;
    start(ground, &["transfer", "resume", "planned"])
}

/// The Secret, which somebody makes by hand in each cluster.
fn secret(client: &crate::bed::client::Client) -> Result<()> {
    let secret = json!({"metadata": {"name": "keys"}, "stringData": {"password": SECRET}});
    client.create(&format!("/api/v1/namespaces/{NAMESPACE}/secrets"), &secret)?.taken()
}

/// Answers the questions of the skeleton; each must be in it.
fn answer(ground: &Ground) -> Result<()> {
    let file = ground.executor.file("mapping.yaml");
    let mut mapping: Value = serde_saphyr::from_str(&std::fs::read_to_string(&file)?)?;
    let role = "arn:aws:iam::111122223333:role/planned-web";
    let evidence = json!("a ticket");
    for (path, value) in [
        (vec!["source", "region"], json!("eu-west-1")),
        (vec!["target", "kubernetes_version"], json!("1.36")),
        (vec!["target", "resource_group"], json!("shop")),
        (vec!["target", "cluster"], json!("shop-aks")),
        (vec!["registries", super::ground::ECR], json!(ACR)),
        (vec!["identities", role, "client_id"], json!("c-1")),
        (vec!["identities", role, "name"], json!("planned-web")),
        (vec!["identities", role, "roles"], json!([])),
        (vec!["storage_classes", "io2"], json!("managed-csi-premium")),
        (
            vec!["endpoints", "https://sqs.eu-west-1.amazonaws.com/111122223333/orders"],
            json!("https://shop.servicebus.windows.net/orders"),
        ),
        (vec!["node_labels", "eks.amazonaws.com/nodegroup=general"], json!("kubernetes.azure.com/agentpool=general")),
        (vec!["node_labels", "eks.amazonaws.com/nodegroup=data"], json!("kubernetes.azure.com/agentpool=data")),
        (vec!["ingress", "dns_zones"], json!({"planned.example": "names"})),
        (vec!["network", "plugin"], json!("azure-cni-cilium")),
        (vec!["data", "bucket"], json!("shop-velero")),
        (vec!["data", "storage_account"], json!("shopvelero")),
        (vec!["data", "container"], json!("backups")),
        (vec!["data", "checks"], json!({"StatefulSet.apps/planned/db": "true"})),
        (vec!["checklist", "alerting"], evidence.clone()),
        (vec!["checklist", "compliance"], evidence.clone()),
        (vec!["checklist", "access"], evidence.clone()),
        (vec!["checklist", "disaster-recovery"], evidence.clone()),
        (vec!["checklist", "backup-and-restore"], evidence.clone()),
        (vec!["checklist", "source-backup"], evidence),
    ] {
        let mut at = &mut mapping;
        for key in &path {
            at = at.get_mut(*key).with_context(|| format!("the skeleton has no question {}", path.join(".")))?;
        }
        ensure!(
            at.is_null() || at.as_object().is_some_and(serde_json::Map::is_empty),
            "{} is answered",
            path.join(".")
        );
        *at = value;
    }
    Ok(std::fs::write(&file, serde_json::to_vec_pretty(&mapping)?)?)
}

/// Runs kubectl; what it printed, if it succeeded.
fn kubectl(command: &mut std::process::Command) -> Result<String> {
    let ran = command.output()?;
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{command:?}: {printed}");
    Ok(printed)
}

/// The plan is carried out, gate by gate, and what is on the target then is what was rendered.
pub fn planned(ground: &Ground, verdict: &mut Verdict) -> Result<()> {
    let person = person(ground);
    let plan: Value = serde_json::from_slice(&std::fs::read(ground.executor.file("planned-plan.json"))?)?;
    has_waves(verdict, &plan);
    is_refused_without_rights(ground, verdict)?;
    let mut running = start(ground, &["transfer", "execute", "planned-plan.json", "--journal", "planned", "--yes"])?;
    let begun = Instant::now();
    let mut approved: BTreeSet<String> = BTreeSet::new();
    while !running.has_ended()? {
        ensure!(begun.elapsed() < PATIENCE, "planned: not over after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(250));
        if !ground.executor.file("planned/transfer.jsonl").exists() {
            continue;
        }
        let status = ground.status("planned")?;
        let Some(gate) = gate_of(&plan, text(&status, "/step")).filter(|g| !approved.contains(text(g, "/name"))) else {
            continue;
        };
        let name = text(gate, "/name").to_owned();
        match name.as_str() {
            "pools" => is_alone(ground, verdict)?,
            "velero" => running = loses_its_lease(ground, verdict, running)?,
            _ => {}
        }
        does_as_asked(ground, &name, gate).with_context(|| format!("gate {name}"))?;
        let items = plan["checklist"].as_array().cloned().unwrap_or_default();
        let mut approve = vec!["transfer", "approve", "planned", &name];
        if items.iter().any(|i| i["name"] == name.as_str()) {
            approve.extend(["--evidence", "seen by the test"]);
        }
        person.run(&approve)?.with(0)?;
        approved.insert(name);
    }
    let ended = running.wait()?;
    verdict.said.push(format!("planned: {} gates approved", approved.len()));
    verdict.is("planned: exit status", ended.code == Some(0), &(ended.code, &ended.stderr));
    if ended.code != Some(0) {
        return Ok(());
    }
    has_arrived(ground, verdict)?;
    commands_ran(ground, verdict)?;
    let differs = ground
        .target
        .plane
        .command("kubectl")
        .args(["diff", "--server-side", "--force-conflicts", "-R", "-f"])
        .arg(ground.executor.file("rendered/manifests"))
        .output()?;
    let shown = String::from_utf8_lossy(&differs.stdout).into_owned() + &String::from_utf8_lossy(&differs.stderr);
    verdict.is(
        "planned: kubectl diff of what is rendered",
        differs.status.success() && shown.trim().is_empty(),
        &shown,
    );
    let lease = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/nodeferry-transfer");
    let lease = ground.source.plane.client.get(&lease)?.found()?;
    verdict.is("planned: the Lease is given back", lease.is_none(), &lease);
    let seen = ground.executor.files_with(SECRET)?;
    verdict.is("planned: no value of a Secret is kept", seen.is_empty(), &seen);
    let db = ground.source.plane.client.get(&format!("/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/db"))?.ok()?;
    verdict.is("planned: the source runs on", db["status"]["readyReplicas"] == 1, &db["status"]);
    Ok(())
}

/// What stands in the plan: nothing but this application, each part in its wave.
fn has_waves(verdict: &mut Verdict, plan: &Value) {
    let mut waves: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut strangers = Vec::new();
    for wave in plan["waves"].as_array().into_iter().flatten() {
        for member in wave["members"].as_array().into_iter().flatten() {
            let object = text(member, "/object");
            // Classes of the source are members, and not rendered.
            if !object.contains(&format!("/{NAMESPACE}")) && !object.starts_with("StorageClass.storage.k8s.io/") {
                strangers.push(object);
            }
            if member["pods"].is_number() {
                waves.entry(text(wave, "/name")).or_default().push(object);
            }
        }
    }
    verdict.is(
        "planned: nothing of the cluster's own, of Velero or of nodeferry moves",
        strangers.is_empty(),
        &strangers,
    );
    let expected = BTreeMap::from([
        ("W1", vec!["Deployment.apps/planned/front"]),
        ("W2", vec!["StatefulSet.apps/planned/db"]),
        ("W3", vec!["Deployment.apps/planned/web"]),
    ]);
    verdict.is("planned: waves", waves == expected, &waves);
    let pools: BTreeSet<&str> = plan["pools"].as_array().into_iter().flatten().map(|p| text(p, "/name")).collect();
    verdict.is("planned: pools", pools == BTreeSet::from(["data", "general", "system"]), &pools);
}

/// The gate that a step of the plan is.
fn gate_of<'p>(plan: &'p Value, step: &str) -> Option<&'p Value> {
    let waves = plan["waves"].as_array()?;
    let mut steps = waves.iter().filter_map(|w| w["steps"].as_array()).flatten();
    steps.find(|s| s["id"] == step)?.pointer("/action/gate")
}

/// What a person does before approving.
fn does_as_asked(ground: &Ground, name: &str, gate: &Value) -> Result<()> {
    match name {
        "secrets" => secret(&ground.target.plane.client),
        "labels planned" => {
            let commands = gate["commands"].as_array().cloned().unwrap_or_default();
            ensure!(!commands.is_empty(), "it names no command");
            for command in commands.iter().filter_map(Value::as_str) {
                let words = command.strip_prefix("kubectl ").with_context(|| command.to_owned())?;
                kubectl(ground.source.plane.command("kubectl").args(words.split(' ')))?;
            }
            Ok(())
        }
        // Nodes, identities and Velero are there; tests have been made.
        "pools" | "identities" | "velero" | "alerting" | "compliance" | "access" | "disaster-recovery"
        | "backup-and-restore" | "source-backup" | "functional-test" => Ok(()),
        other => bail!("nobody knows what to do for gate {other}"),
    }
}

/// Other images, classes, identities, nodes and addresses.
fn has_arrived(ground: &Ground, verdict: &mut Verdict) -> Result<()> {
    let client = &ground.target.plane.client;
    let get = |path: String| client.get(&path)?.ok().with_context(|| path);
    let core = format!("/api/v1/namespaces/{NAMESPACE}");
    let apps = format!("/apis/apps/v1/namespaces/{NAMESPACE}");
    for (path, image, pods) in
        [("deployments/front", "front:1", 2), ("deployments/web", "web:1", 2), ("statefulsets/db", "db:1", 1)]
    {
        let found = get(format!("{apps}/{path}"))?;
        let is = text(&found, "/spec/template/spec/containers/0/image") == format!("{ACR}/{image}")
            && found["status"]["readyReplicas"] == pods;
        verdict.is(
            &format!("planned: {path} runs its image of the target"),
            is,
            &(&found["spec"]["template"], &found["status"]),
        );
    }
    let account = get(format!("{core}/serviceaccounts/web"))?;
    let annotations = &account["metadata"]["annotations"];
    let is = annotations["azure.workload.identity/client-id"] == "c-1"
        && annotations["eks.amazonaws.com/role-arn"].is_null();
    verdict.is("planned: identity", is, annotations);
    let claim = get(format!("{core}/persistentvolumeclaims/data-db-0"))?;
    let is =
        text(&claim, "/spec/storageClassName") == "managed-csi-premium" && text(&claim, "/status/phase") == "Bound";
    verdict.is("planned: claim", is, &claim);
    let volume = get(format!("/api/v1/persistentvolumes/{}", text(&claim, "/spec/volumeName")))?;
    verdict.is("planned: driver", text(&volume, "/spec/csi/driver") == "disk.csi.azure.com", &volume["spec"]);
    let settings = get(format!("{core}/configmaps/settings"))?;
    let is = settings["data"] == json!({"QUEUE_URL": "https://shop.servicebus.windows.net/orders", "MODE": "careful"});
    verdict.is("planned: configuration", is, &settings["data"]);
    let pods = client.list(&format!("{core}/pods"))?.0;
    for pod in pods.iter().filter(|p| p["metadata"]["deletionTimestamp"].is_null()) {
        let node = get(format!("/api/v1/nodes/{}", text(pod, "/spec/nodeName")))?;
        let pool = &node["metadata"]["labels"]["kubernetes.azure.com/agentpool"];
        let wanted = if text(pod, "/metadata/labels/app") == "db" { "data" } else { "general" };
        verdict.is(&format!("planned: pool of {}", text(pod, "/metadata/labels/app")), pool == wanted, pool);
        let image = text(pod, "/spec/containers/0/image");
        verdict.is("planned: no pod with an image of the source", image.starts_with(ACR), &image);
        let has_token = pod["metadata"]["labels"]["azure.workload.identity/use"] == "true";
        verdict.is(
            "planned: pods of web get tokens",
            has_token == (text(pod, "/metadata/labels/app") == "web"),
            &pod["metadata"]["labels"],
        );
    }
    let front = get(format!("{core}/services/front"))?;
    let is = front["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-internal"] == "true"
        && front["spec"]["loadBalancerClass"].is_null();
    verdict.is("planned: the load balancer stays internal", is, &front);
    Ok(())
}

/// Images were imported, and names point to the addresses that the target has given.
fn commands_ran(ground: &Ground, verdict: &mut Verdict) -> Result<()> {
    let log: PathBuf = ground.executor.file("az.log");
    let lines = std::fs::read_to_string(&log).with_context(|| log.display().to_string())?;
    let imports = lines
        .lines()
        .filter(|l| l.starts_with("acr import --name shop ") && l.ends_with(&format!("--password {TOKEN}")))
        .count();
    verdict.is("planned: three images are imported with a token of ECR", imports == 3, &lines);
    let client = &ground.target.plane.client;
    let gateway =
        client.get(&format!("/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/gateways/web"))?.ok()?;
    let front = client.get(&format!("/api/v1/namespaces/{NAMESPACE}/services/front"))?.ok()?;
    for (name, address) in [
        ("www", text(&gateway, "/status/addresses/0/value")),
        ("front", text(&front, "/status/loadBalancer/ingress/0/ip")),
    ] {
        let line = format!("network dns record-set a add-record -g names -z planned.example -n {name} -a {address}");
        verdict.is(
            &format!("planned: {name} points to the target"),
            !address.is_empty() && lines.lines().any(|l| l == line),
            &(&line, &lines),
        );
    }
    Ok(())
}
