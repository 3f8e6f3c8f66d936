//! How a cluster is reached: contexts, several kubeconfigs, credential plugins, proxies.

use super::judge::Verdict;
use super::world::World;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A proxy that makes tunnels (CONNECT, RFC 9110 §9.3.6), and counts them; its threads end with the test.
struct Proxy {
    address: SocketAddr,
    tunnels: Arc<AtomicUsize>,
}

impl Proxy {
    fn start() -> Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, tunnels) = (listener.local_addr()?, Arc::new(AtomicUsize::new(0)));
        let count = tunnels.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let count = count.clone();
                std::thread::spawn(move || tunnel(client, &count));
            }
        });
        Ok(Proxy { address, tunnels })
    }
    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
    /// Tunnels made since it was last asked.
    fn made(&self) -> usize {
        self.tunnels.swap(0, Ordering::SeqCst)
    }
}

fn tunnel(client: TcpStream, count: &AtomicUsize) -> Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let target = first.strip_prefix("CONNECT ").and_then(|t| t.split(' ').next()).context("no CONNECT")?;
    let server = TcpStream::connect(target)?;
    count.fetch_add(1, Ordering::SeqCst);
    (&client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut up, mut down) = (server.try_clone()?, client.try_clone()?);
    let back = std::thread::spawn(move || {
        let _ = std::io::copy(&mut &server, &mut down);
        let _ = down.shutdown(Shutdown::Both);
    });
    std::io::copy(&mut reader, &mut up)?;
    let _ = up.shutdown(Shutdown::Write);
    let _ = back.join();
    Ok(())
}

/// The cluster is recorded by each way there is.
pub fn reached(world: &World, _: u64) -> Result<Verdict> {
    let executor = world.executor("reached")?;
    // Beside the control plane's own credentials: nothing that nodeferry writes may carry one.
    let place = world.plane.directory();
    let write = |name: &str, object: &Value| -> Result<PathBuf> {
        let path = place.join(name);
        std::fs::write(&path, serde_json::to_vec(object)?)?;
        Ok(path)
    };
    let config: Value = serde_json::from_slice(&std::fs::read(&world.kubeconfig)?)?;
    let direct = config["contexts"][0]["context"].clone();
    let (cluster, user) = (direct["cluster"].clone(), direct["user"].clone());
    let mut verdict = Verdict::default();

    let credential = write(
        "credential.json",
        &json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": world.token.borrow().text}}),
    )?;
    let plugin = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
        "command": "cat", "args": [credential]}});
    let users = write(
        "users",
        &json!({"apiVersion": "v1", "kind": "Config",
        "users": [{"name": "plugin", "user": plugin}, {"name": "nobody", "user": {"token": "mistaken-7f3a"}}],
        "contexts": [{"name": "by-plugin", "context": {"cluster": cluster, "user": "plugin"}},
            {"name": "by-nobody", "context": {"cluster": cluster, "user": "nobody"}}]}),
    )?;
    let both = std::env::join_paths([&world.kubeconfig, &users])?.into_string().ok().context("a path")?;
    let proxy = Proxy::start()?;
    let mut through = config.clone();
    through["clusters"][0]["cluster"]["proxy-url"] = json!(proxy.url());
    let through = write("through", &through)?.display().to_string();
    let direct = world.kubeconfig.display().to_string();

    // Kubeconfig(s), context, whether HTTPS_PROXY is set, whether it goes through the proxy, whether it succeeds.
    let context = config["contexts"][0]["name"].as_str().context("a context's name")?;
    let ways = [
        ("the current context", &direct, None, false, false, true),
        ("a context of two files", &both, Some(context), false, false, true),
        ("a credential plugin", &both, Some("by-plugin"), false, false, true),
        ("a wrong token", &both, Some("by-nobody"), false, false, false),
        ("proxy-url", &through, None, false, true, true),
        ("HTTPS_PROXY", &direct, None, true, true, true),
    ];
    for (name, kubeconfig, context, by_environment, proxied, succeeds) in ways {
        let dump = format!("{}.json.gz", name.replace(' ', "-"));
        let mut arguments = vec!["record", "-o", &dump];
        arguments.extend(context.iter().flat_map(|c| ["--context", *c]));
        let mut environment = vec![("KUBECONFIG", kubeconfig.clone()), ("NO_PROXY", String::new())];
        environment.extend(by_environment.then(|| ("HTTPS_PROXY", proxy.url())));
        let ended = executor.within(environment).run(&arguments)?;
        let made = proxy.made();
        verdict.says((ended.code == Some(0)) == succeeds, || format!("{name}: {:?}: {}", ended.code, ended.stderr));
        verdict
            .says(executor.file(&dump).exists() == succeeds, || format!("{name}: a dump that should not be, or none"));
        verdict.says((made > 0) == proxied, || format!("{name}: {made} tunnels of the proxy"));
        verdict.says(!ended.stderr.contains("mistaken-7f3a"), || format!("{name}: tells the token: {}", ended.stderr));
    }
    verdict.said.push(format!("by {} ways, user {user}", ways.len()));
    Ok(verdict)
}
