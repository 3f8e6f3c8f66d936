//! Two control planes behind one address, as in a migration that swaps the control plane: the second goes on with the objects of the first.

use super::client::Client;
use super::controlplane::{Component, ControlPlane};
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the second control plane keeps its objects in etcd: the vendor puts the cluster's id there.
const PREFIX: &str = "/c0123456789abcdef";

/// One address in front of whichever API server serves, as a load balancer is; its threads end with the test.
pub struct Forwarder {
    address: SocketAddr,
    state: Arc<Mutex<Behind>>,
}

/// What is behind the address.
#[derive(Default)]
struct Behind {
    server: Option<SocketAddr>,
    /// Connections that were made through it, both ends of each.
    open: Vec<TcpStream>,
}

impl Forwarder {
    fn start() -> Result<Forwarder> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, state) = (listener.local_addr()?, Arc::<Mutex<Behind>>::default());
        let behind = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // With nobody behind it, a connection is closed as soon as it is made.
                let _ = connect(client, &behind);
            }
        });
        Ok(Forwarder { address, state })
    }

    /// Connects to another server from now on, or to none; what was open is closed.
    fn turn_to(&self, server: Option<SocketAddr>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.server = server;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn connect(client: TcpStream, behind: &Mutex<Behind>) -> Result<()> {
    let mut behind = behind.lock().unwrap_or_else(PoisonError::into_inner);
    let server = TcpStream::connect(behind.server.context("nobody is behind the address")?)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
        behind.open.push(stream.try_clone()?);
    }
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}

/// A control plane, perhaps its successor, and the address of both.
pub struct Handover {
    binary: PathBuf,
    directory: PathBuf,
    forwarder: Forwarder,
    /// The control plane that hands over.
    pub first: ControlPlane,
    /// Controllers and scheduler of the second, ended before it.
    beside: Vec<Component>,
    second: Option<ControlPlane>,
    /// A kubeconfig of whoever serves at the common address.
    pub kubeconfig: PathBuf,
    /// A client with all rights, of whoever serves at the common address.
    pub client: Client,
}

impl Handover {
    /// Starts the first control plane, with these further arguments of `controlplane up`, and the address in front of it.
    pub fn start(binary: &Path, directory: &Path, arguments: &[&str]) -> Result<Handover> {
        std::fs::create_dir_all(directory)?;
        let first = ControlPlane::start(binary, arguments)?;
        let forwarder = Forwarder::start()?;
        let server = first.client.address()?;
        let kubeconfig = directory.join("handover.kubeconfig");
        let text = std::fs::read_to_string(first.kubeconfig())?;
        let there = text.replace(&server.to_string(), &forwarder.address.to_string());
        ensure!(there != text, "the kubeconfig does not name {server}");
        std::fs::write(&kubeconfig, there)?;
        forwarder.turn_to(Some(server));
        let client = Client::new(&kubeconfig)?;
        Ok(Handover {
            binary: binary.to_owned(),
            directory: directory.to_owned(),
            forwarder,
            first,
            beside: Vec::new(),
            second: None,
            kubeconfig,
            client,
        })
    }

    /// Puts the first control plane to sleep: its API server is gone, and its controllers and scheduler have nobody to talk to.
    pub fn sleep(&self) -> Result<()> {
        self.forwarder.turn_to(None);
        self.first.kill_api_server()
    }

    /// Wakes the first control plane again: nothing has happened.
    pub fn roll_back(&self) -> Result<()> {
        self.first.start_api_server()?;
        self.forwarder.turn_to(Some(self.first.client.address()?));
        Ok(())
    }

    /// Saves what the first control plane has.
    pub fn save(&self, name: &str) -> Result<PathBuf> {
        let file = self.directory.join(name);
        let saved = self.first.command("etcd-snapshot").arg(self.first.directory()).arg(&file).output()?;
        ensure!(saved.status.success(), "etcd-snapshot: {}", String::from_utf8_lossy(&saved.stderr));
        Ok(file)
    }

    /// Starts the second control plane with what was saved, or with nothing; its controllers and scheduler are not started yet, and it is not behind the
    /// address yet.
    pub fn restore(&mut self, saved: Option<&Path>) -> Result<()> {
        let flag = |name: &str, value: &Path| format!("--{name}={}", value.display());
        let mut flags = vec![
            flag("etcd-prefix", Path::new(PREFIX)),
            flag("credentials-of", self.first.directory()),
            "--without=kube-controller-manager".to_owned(),
            "--without=kube-scheduler".to_owned(),
        ];
        flags.extend(saved.map(|file| flag("etcd-snapshot", file)));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        self.second = Some(ControlPlane::start(&self.binary, &flags)?);
        Ok(())
    }

    /// Starts controllers and scheduler of the second control plane.
    pub fn wake_controllers(&mut self) -> Result<()> {
        let second = self.second.as_ref().context("no second control plane was started")?;
        let at = |name: &str| second.directory().join(name).display().to_string();
        let mut controllers = second.component("kube-controller-manager");
        controllers.args([
            format!("--kubeconfig={}", at("controller-manager.kubeconfig")),
            "--leader-elect=false".to_owned(),
            "--use-service-account-credentials".to_owned(),
            format!("--service-account-private-key-file={}", at("service-account.key")),
            format!("--root-ca-file={}", at("ca.crt")),
            format!("--flex-volume-plugin-dir={}", at("flexvolume")),
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=1000".to_owned(),
            "--secure-port=0".to_owned(),
        ]);
        let mut scheduler = second.component("kube-scheduler");
        scheduler.args([format!("--config={}", at("scheduler.yaml")), "--secure-port=0".to_owned()]);
        for (name, mut command) in [("controllers", controllers), ("scheduler", scheduler)] {
            let log = File::create(self.directory.join(format!("{name}.log")))?;
            self.beside.push(Component(command.stdout(Stdio::null()).stderr(log).spawn()?));
        }
        Ok(())
    }

    /// Puts the second control plane behind the address.
    pub fn switch(&self) -> Result<()> {
        let second = self.second.as_ref().context("no second control plane was started")?;
        self.forwarder.turn_to(Some(second.client.address()?));
        Ok(())
    }
}
