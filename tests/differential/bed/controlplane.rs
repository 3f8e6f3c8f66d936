//! A real control plane as a child process: started for a test, gone with it.

use super::client::Client;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

/// The environment variable that names the built control plane, as `scripts/test` sets it.
pub const BINARY: &str = "NODEFERRY_CONTROLPLANE";

/// Path of the control plane's binary; None where it was not built.
pub fn binary() -> Option<PathBuf> {
    std::env::var_os(BINARY).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// A running control plane; dropping it stops it.
pub struct ControlPlane {
    binary: PathBuf,
    supervisor: Child,
    /// What the supervisor says, kept for an error's text.
    said: Option<JoinHandle<String>>,
    directory: PathBuf,
    /// A client with all rights.
    pub client: Client,
}

impl ControlPlane {
    /// Starts one with these further arguments of `controlplane up`, and waits until it is ready.
    pub fn start(binary: &Path, arguments: &[&str]) -> Result<ControlPlane> {
        let mut supervisor = Command::new(binary)
            .args(["up", "--until-stdin-closes"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let said = supervisor.stderr.take().map(listen);
        let mut line = String::new();
        if let Some(stdout) = supervisor.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let kubeconfig = PathBuf::from(line.trim_end());
        let Some(directory) = kubeconfig.parent().filter(|_| !line.trim().is_empty()).map(Path::to_owned) else {
            drop(supervisor.stdin.take());
            let status = supervisor.wait()?;
            let said = said.and_then(|s| s.join().ok()).unwrap_or_default();
            bail!("the control plane did not come up ({status}): {said}");
        };
        let client = Client::new(&kubeconfig)?;
        Ok(ControlPlane { binary: binary.to_owned(), supervisor, said, directory, client })
    }
    /// Path of the kubeconfig with all rights.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }
    /// The run directory, gone with the control plane.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
    /// Kills the API server as a crash would, and returns when it answers no more.
    pub fn kill_api_server(&self) -> Result<()> {
        self.signal("USR1")?;
        self.wait("to be gone", |up| !up)
    }
    /// Starts the API server again after it was killed, and returns when it is ready.
    pub fn start_api_server(&self) -> Result<()> {
        self.signal("USR2")?;
        self.wait("to be ready", |up| up)
    }
    /// Starts the API server again after it was killed, and does not wait for it.
    pub fn launch_api_server(&self) -> Result<()> {
        self.signal("USR2")
    }
    fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.supervisor.id().to_string()).status()?;
        anyhow::ensure!(status.success(), "kill -{name} of the control plane's supervisor: {status}");
        Ok(())
    }
    fn wait(&self, what: &str, holds: impl Fn(bool) -> bool) -> Result<()> {
        for _ in 0..600 {
            if holds(self.client.get("/readyz").is_ok_and(|a| a.code == 200)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("waited 30 s for the API server {what}")
    }
    /// Kubectl or a component of the same binary, not started yet; an admin's kubeconfig is in the environment.
    pub fn command(&self, component: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(component).env("KUBECONFIG", self.kubeconfig()).stdin(Stdio::null());
        command
    }
    /// A component that ends with this process, however that ends.
    pub fn component(&self, component: &str) -> Command {
        let mut command = self.command(component);
        command.env("CONTROLPLANE_LIFELINE", "0").stdin(Stdio::piped());
        command
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
        let _ = self.said.take().map(JoinHandle::join);
    }
}

/// Reads what a process says, so that it never waits for a reader.
fn listen(mut from: ChildStderr) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = from.read_to_string(&mut text);
        text
    })
}

/// A component that a test starts beside the supervisor's; dropping it ends it.
pub struct Component(pub Child);

impl Drop for Component {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
