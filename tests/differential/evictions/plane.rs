//! A control plane of which only the disruption controller runs.

use super::NODES;
use super::definitions::CUSTOMS;
use super::sentinel::Sentinel;
use crate::bed::client::Client;
use crate::bed::controlplane::{Component, ControlPlane};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How long something may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// It, with nodes and custom kinds made.
pub struct Plane {
    _controllers: Component,
    pub sentinel: Sentinel,
    plane: ControlPlane,
}

impl Plane {
    /// Starts one. The controllers come last, because their view of the API's kinds is renewed every 30 seconds only.
    pub fn start(binary: &Path) -> Result<Plane> {
        let plane =
            ControlPlane::start(binary, &["--without", "kube-scheduler", "--without", "kube-controller-manager"])?;
        let client = plane.client.clone();
        for custom in &CUSTOMS {
            let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
            client.create(path, &custom.definition())?.ok().with_context(|| custom.kind)?;
        }
        for node in NODES {
            client.create("/api/v1/nodes", &json!({"metadata": {"name": node}}))?.ok()?;
        }
        for custom in &CUSTOMS {
            wait("a custom kind is served", || Ok(client.get(&custom.path())?.code == 200))?;
        }
        // Kinds served are in discovery a moment later.
        wait("custom kinds are discovered", || {
            let listed = client.get("/apis/example.com/v1")?.body;
            Ok(CUSTOMS
                .iter()
                .all(|c| listed["resources"].as_array().into_iter().flatten().any(|r| r["name"] == c.plural)))
        })?;
        let log = File::create(plane.directory().join("disruption-controller.log"))?;
        let mut command = plane.command("kube-controller-manager");
        let kubeconfig = plane.directory().join("controller-manager.kubeconfig");
        command.arg(format!("--kubeconfig={}", kubeconfig.display())).args([
            "--controllers=disruption-controller",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ]);
        let process = command.stdout(Stdio::null()).stderr(log).spawn()?;
        let controllers = Component(process);
        let sentinel = Sentinel::new(&client)?;
        Ok(Plane { _controllers: controllers, sentinel, plane })
    }
    pub fn client(&self) -> &Client {
        &self.plane.client
    }
}

/// A namespace in which pods can be made.
pub fn namespace(client: &Client, name: &str) -> Result<()> {
    client.create("/api/v1/namespaces", &json!({"metadata": {"name": name}}))?.ok()?;
    let accounts = format!("/api/v1/namespaces/{name}/serviceaccounts");
    client.create(&accounts, &json!({"metadata": {"name": "default"}}))?.ok()?;
    Ok(())
}

/// Waits until something holds.
pub fn wait(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        if holds()? {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("it did not come about within {PATIENCE:?} that {what}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The path of a namespaced object.
pub fn path_of(collection: &str, object: &Value) -> String {
    format!("{collection}/{}", object["metadata"]["name"].as_str().unwrap_or_default())
}
