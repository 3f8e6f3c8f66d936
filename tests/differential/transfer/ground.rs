//! Two clusters with the real Velero in each, stand-ins for nodes, pods and volumes, applications to be moved, and nodeferry beside them.

use super::served;
use super::stand_ins::{Pace, StandIns, VELERO, text};
use crate::bed::client::Client;
use crate::bed::controlplane::{Component, ControlPlane};
use crate::bed::kubelets::{Delays, Kubelets};
use crate::bed::rest::{create_node, nodes_are_ready, pods_are_ready, wait};
use crate::executions::cluster;
use crate::executions::executor::{Executor, START, STOP};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The environment variable that names the built Velero, as `scripts/test` sets it.
pub const BINARY: &str = "NODEFERRY_VELERO";
/// How fast the stand-ins are.
pub const PACE: Pace = Pace { provision: Duration::from_millis(500), bytes_per_second: 32 << 20 };
/// Nodes of each cluster.
const NODES: usize = 3;
/// Registries.
pub const ECR: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
/// The target's.
pub const ACR: &str = "shop.azurecr.io";
/// Name of the bucket in each store.
const BUCKET: &str = "bucket";
/// The directory with the stores of the locations that plans of `nodeferry transfer plan` name: `source`, `target`.
const TRANSFERRED: &str = "transferred";

/// Path of Velero's binary; None where it was not built.
pub fn binary() -> Option<PathBuf> {
    std::env::var_os(BINARY).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// One of the clusters.
pub struct Site {
    /// Its control plane.
    pub plane: ControlPlane,
    /// What a cloud brings, and Velero's node agents.
    pub stand_ins: StandIns,
    _kubelets: Kubelets,
    _velero: Component,
}

/// Both, and nodeferry.
pub struct Ground {
    /// The cluster that applications leave.
    pub source: Site,
    /// The cluster that they move to.
    pub target: Site,
    /// The directory with a store for each: `source`, `target`.
    pub store: PathBuf,
    /// nodeferry.
    pub executor: Executor,
}

impl Ground {
    /// Starts all of it.
    pub fn start(binary: &Path, directory: &Path) -> Result<Ground> {
        let velero = self::binary().with_context(|| format!("{BINARY} is not set (scripts/velero path)"))?;
        std::fs::create_dir_all(directory)?;
        // Velero's plugin is another process, which has another working directory.
        let directory = directory.canonicalize()?;
        let store = directory.join("store");
        // The target's store is the copy of the source's: what was not copied is not there.
        let sites = std::thread::scope(|s| {
            let start = |role: &'static str| {
                let (velero, store, directory) = (&velero, store.join(role), &directory);
                s.spawn(move || site(binary, velero, role, &store, directory))
            };
            let (source, target) = (start("source"), start("target"));
            [source, target].map(|t| t.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a site panicked"))))
        });
        let [source, target] = sites;
        let (source, target) = (source?, target?);
        let class = |name: &str, driver: &str| json!({"metadata": {"name": name}, "provisioner": driver, "volumeBindingMode": "WaitForFirstConsumer"});
        let classes = "/apis/storage.k8s.io/v1/storageclasses";
        for name in ["gp3", "io2"] {
            source.plane.client.create(classes, &class(name, "ebs.csi.aws.com"))?.ok()?;
        }
        target.plane.client.create(classes, &class("managed-csi-premium", "disk.csi.azure.com"))?.ok()?;
        let executor = Executor::new(directory.join("nodeferry"), &source.plane.kubeconfig())?;
        let ground = Ground { source, target, store, executor };
        for site in [&ground.source, &ground.target] {
            let client = &site.plane.client;
            for location in ["default", "transfer"] {
                wait("Velero's location", || {
                    let found = client.get(&format!("{VELERO}/backupstoragelocations/{location}"))?.ok()?;
                    Ok(text(&found, "/status/phase") == "Available")
                })?;
            }
            wait("Velero's pods", || pods_are_ready(client))?;
        }
        Ok(ground)
    }

    /// The flags that name the clusters.
    pub fn clusters(&self) -> Vec<String> {
        let path = |site: &Site| site.plane.kubeconfig().display().to_string();
        vec!["--source-kubeconfig".to_owned(), path(&self.source), "--target-kubeconfig".to_owned(), path(&self.target)]
    }

    /// The store of the location that plans of `nodeferry transfer plan` name.
    pub fn transferred(&self, role: &str) -> PathBuf {
        self.store.with_file_name(TRANSFERRED).join(role)
    }

    /// What `transfer status -o json` says of a journal.
    pub fn status(&self, journal: &str) -> Result<Value> {
        let run = self.executor.run(&["transfer", "status", journal, "-o", "json"])?;
        Ok(serde_json::from_str(&run.with(0)?)?)
    }
}

fn site(binary: &Path, velero: &Path, role: &'static str, store: &Path, directory: &Path) -> Result<Site> {
    let plane = ControlPlane::start(binary, &[])?;
    let client = plane.client.clone();
    let kubelets = Kubelets::start(&client, Delays { start: START, stop: STOP, ..Delays::default() });
    for name in cluster::names(role, NODES) {
        let mut node = cluster::node(role, &name);
        let label = if role == "source" { "eks.amazonaws.com/nodegroup" } else { "kubernetes.azure.com/agentpool" };
        // The last of them is for data.
        let is_last = name.ends_with(&format!("{:02}", NODES - 1));
        node["metadata"]["labels"][label] = if is_last { "data" } else { "general" }.into();
        create_node(&client, &node)?;
    }
    if role == "target" {
        gateways(&plane)?;
    }
    wait("the nodes", || nodes_are_ready(&client))?;
    install(&plane, velero)?;
    let mode = if role == "source" { "ReadWrite" } else { "ReadOnly" };
    for (name, store, prefix) in [("default", store, "shop"), ("transfer", &directory.join(TRANSFERRED).join(role), "")]
    {
        std::fs::create_dir_all(store.join(BUCKET))?;
        let url = served::serve(store)?;
        let location = json!({"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": {"name": name, "namespace": "velero"}, "spec": {
            "provider": "velero.io/fs", "default": name == "default", "accessMode": mode, "objectStorage": {"bucket": BUCKET, "prefix": prefix},
            "config": {"fspath": store, "publicUrl": url}, "backupSyncPeriod": "5s", "validationFrequency": "5s",
        }});
        client.create(&format!("{VELERO}/backupstoragelocations"), &location)?.ok()?;
    }
    let log = File::create(directory.join(format!("velero-{role}.log")))?;
    let home = directory.join(format!("home-{role}"));
    std::fs::create_dir_all(&home)?;
    let plugins = velero.parent().context("Velero's binary has no directory")?.join("plugins");
    let server = Command::new(velero)
        .args(["server", "--namespace", "velero", "--metrics-address", "127.0.0.1:0", "--profiler-address", ""])
        .arg("--kubeconfig")
        .arg(plane.kubeconfig())
        .arg("--plugin-dir")
        .arg(plugins)
        .env("VELERO_NAMESPACE", "velero")
        .env("HOME", &home)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| velero.display().to_string())?;
    let stand_ins = StandIns::start(&client, PACE);
    Ok(Site { plane, stand_ins, _kubelets: kubelets, _velero: Component(server) })
}

/// Definitions of Gateways and routes that take anything: the add-on of the target's cloud brings the real ones.
fn gateways(plane: &ControlPlane) -> Result<()> {
    for (plural, kind) in [("gateways", "Gateway"), ("httproutes", "HTTPRoute")] {
        let group = "gateway.networking.k8s.io";
        let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        let definition = json!({
            "metadata": {"name": format!("{plural}.{group}"), "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
            "spec": {"group": group, "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]},
        });
        plane.client.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition)?.ok()?;
        let path = format!("/apis/{group}/v1/{plural}");
        wait("a definition", || Ok(plane.client.get(&path)?.code == 200))?;
    }
    Ok(())
}

/// What `velero install` makes: definitions, the Deployment and the node agents. Its pods are played; the server is a process of ours.
fn install(plane: &ControlPlane, velero: &Path) -> Result<()> {
    let made = Command::new(velero)
        .args([
            "install",
            "--dry-run",
            "-o",
            "yaml",
            "--use-node-agent",
            "--no-secret",
            "--no-default-backup-location",
            "--use-volume-snapshots=false",
        ])
        .args(["--plugins", "registry.example/plugin:v1", "--image", "registry.example/velero:v1.18.3"])
        .env("KUBECONFIG", plane.kubeconfig())
        .output()?;
    ensure!(made.status.success(), "velero install --dry-run: {}", String::from_utf8_lossy(&made.stderr));
    let mut apply = plane
        .command("kubectl")
        .args(["apply", "--server-side", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    apply.stdin.take().context("kubectl has no input")?.write_all(&made.stdout)?;
    let applied = apply.wait_with_output()?;
    ensure!(applied.status.success(), "kubectl apply of Velero: {}", String::from_utf8_lossy(&applied.stderr));
    let path = format!("{VELERO}/backups");
    wait("Velero's kinds", || Ok(plane.client.get(&path)?.code == 200))
}

/// An application with state in a namespace of its own, on the source.
pub struct App {
    /// Its namespace.
    pub namespace: String,
}

/// Size of a claim.
pub const CLAIM: &str = "96Mi";
/// The same in bytes.
pub const CLAIM_BYTES: i64 = 96 << 20;

impl App {
    /// Its claim (`namespace/name`).
    pub fn claim(&self) -> String {
        format!("{}/data-db-0", self.namespace)
    }

    /// Makes it, and waits until it runs.
    pub fn start(client: &Client, namespace: &str) -> Result<App> {
        client.create("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}))?.ok()?;
        let core = format!("/api/v1/namespaces/{namespace}");
        wait("the service account", || Ok(client.get(&format!("{core}/serviceaccounts/default"))?.code == 200))?;
        let role = "arn:aws:iam::111122223333:role/web";
        let account = json!({"metadata": {"name": "web", "annotations": {"eks.amazonaws.com/role-arn": role}}});
        client.create(&format!("{core}/serviceaccounts"), &account)?.ok()?;
        client
            .create(&format!("{core}/configmaps"), &json!({"metadata": {"name": "conf"}, "data": {"a": "1"}}))?
            .ok()?;
        let secret = json!({"metadata": {"name": "keys"}, "stringData": {"password": "not-to-be-seen"}});
        client.create(&format!("{core}/secrets"), &secret)?.ok()?;
        let service = |name: &str| json!({"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}});
        for name in ["web", "db"] {
            client.create(&format!("{core}/services"), &service(name))?.ok()?;
        }
        let apps = format!("/apis/apps/v1/namespaces/{namespace}");
        client.create(&format!("{apps}/deployments"), &web(ECR))?.ok()?;
        client.create(&format!("{apps}/statefulsets"), &db())?.ok()?;
        wait("the application", || {
            let db = client.get(&format!("{apps}/statefulsets/db"))?.ok()?;
            let web = client.get(&format!("{apps}/deployments/web"))?.ok()?;
            Ok(db["status"]["readyReplicas"] == 1 && web["status"]["readyReplicas"] == 2)
        })?;
        Ok(App { namespace: namespace.to_owned() })
    }
}

fn web(registry: &str) -> Value {
    let container = json!({"name": "main", "image": format!("{registry}/web:1"), "envFrom": [{"configMapRef": {"name": "conf"}}],
        "resources": {"requests": {"cpu": "100m"}}});
    json!({"metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"serviceAccountName": "web", "terminationGracePeriodSeconds": 5, "containers": [container]}}}})
}

fn db() -> Value {
    let container = json!({"name": "main", "image": format!("{ECR}/db:1"), "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "resources": {"requests": {"cpu": "100m"}}});
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "gp3",
        "resources": {"requests": {"storage": CLAIM}}}});
    json!({"metadata": {"name": "db"}, "spec": {"serviceName": "db", "replicas": 1, "selector": {"matchLabels": {"app": "db"}},
        "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"terminationGracePeriodSeconds": 5, "containers": [container]}},
        "volumeClaimTemplates": [claim]}})
}
