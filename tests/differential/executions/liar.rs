//! A proxy between nodeferry and the API server that lies by script, as one does whose login has expired.

use super::cases::{self, evicted};
use super::executor::Executor;
use super::judge::{Promise, Verdict};
use super::world::{EXECUTE, World};
use crate::bed::client::Client;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use ureq::http::{Request, Response};

/// What it answers in the server's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// A page with this status.
    Page(u16),
    /// JSON of somebody else.
    Stranger,
    /// The answer without its items, or its metadata.
    Hollow,
    /// The answer as another kind.
    OtherKind,
    /// The list with nothing in it.
    Emptied,
    /// Half of the answer.
    Cut,
}

/// Which requests it lies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    /// All.
    All,
    /// All, and those that write have their effect.
    AllServed,
    /// Lists.
    Lists,
    /// Lists of one node's pods.
    NodeLists,
}

type Script = Arc<Mutex<Option<(To, Lie)>>>;

/// The proxy; its threads end with the test.
struct Proxy {
    address: SocketAddr,
    script: Script,
    /// How often it lied.
    lies: Arc<Mutex<usize>>,
}

impl Proxy {
    fn start(client: &Client) -> Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, script, lies) = (listener.local_addr()?, Script::default(), Arc::new(Mutex::new(0)));
        let (client, told, counted) = (client.clone(), script.clone(), lies.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (client, script, lies) = (client.clone(), told.clone(), counted.clone());
                // A connection that breaks is the client's to notice.
                std::thread::spawn(move || answer(&client, &script, &lies, stream).ok());
            }
        });
        Ok(Proxy { address, script, lies })
    }
    /// A kubeconfig that leads through it, with the token of another.
    fn kubeconfig(&self, world: &World) -> Result<PathBuf> {
        let mut config: Value = serde_json::from_slice(&std::fs::read(&world.kubeconfig)?)?;
        config["clusters"][0]["cluster"] = json!({"server": format!("http://{}", self.address)});
        // Beside the control plane's own credentials: nothing that nodeferry writes may carry one.
        let path = world.plane.directory().join("through-the-liar");
        std::fs::write(&path, serde_json::to_vec(&config)?)?;
        Ok(path)
    }
    fn lies(&self, script: Option<(To, Lie)>) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
    }
    fn count(&self) -> usize {
        *self.lies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request as it came.
struct Asked {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Asked {
    fn read(stream: &TcpStream) -> Result<Asked> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else { bail!("no request: {line:?}") };
        let (method, path) = (method.to_owned(), path.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.trim().split_once(':') {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        let length = headers.iter().find(|(n, _)| n == "content-length").map_or(Ok(0), |(_, v)| v.parse())?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Asked { method, path, headers, body })
    }
    fn reads(&self) -> bool {
        self.method == "GET"
    }
    fn watches(&self) -> bool {
        self.path.contains("watch=true")
    }
    fn is_for(&self, to: To) -> bool {
        let lists = self.reads() && self.path.contains("limit=") && !self.watches();
        match to {
            To::All | To::AllServed => true,
            To::Lists => lists,
            To::NodeLists => lists && self.path.contains("fieldSelector="),
        }
    }
    fn forward(&self, client: &Client) -> Result<Response<ureq::Body>> {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.path);
        for (name, value) in &self.headers {
            if ["authorization", "content-type", "accept", "user-agent"].contains(&name.as_str()) {
                request = request.header(name, value);
            }
        }
        client.forward(request.body(self.body.clone())?)
    }
}

/// Answers one request; the connection closes after it.
fn answer(client: &Client, script: &Script, lies: &Mutex<usize>, stream: TcpStream) -> Result<()> {
    let asked = Asked::read(&stream)?;
    let lie = *script.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((to, lie)) = lie.filter(|(to, _)| asked.is_for(*to)) else {
        return pass(asked.forward(client)?, stream);
    };
    *lies.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    // Half of what never ends would never come.
    let truth = match (asked.reads() || to == To::AllServed) && !asked.watches() {
        true => Some(asked.forward(client)?.into_body().read_to_vec()?),
        false => None,
    };
    lied(lie, truth.as_deref(), stream)
}

/// Hands on what the server says, a watch as it comes.
fn pass(response: Response<ureq::Body>, mut stream: TcpStream) -> Result<()> {
    let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", response.status());
    for name in ["content-type", "retry-after"] {
        if let Some(value) = response.headers().get(name).and_then(|v| v.to_str().ok()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let mut body = response.into_body().into_reader();
    let mut piece = [0; 16 << 10];
    loop {
        match body.read(&mut piece)? {
            0 => return Ok(()),
            n => stream.write_all(&piece[..n])?,
        }
    }
}

fn lied(lie: Lie, truth: Option<&[u8]>, mut stream: TcpStream) -> Result<()> {
    let page = b"<!doctype html><html><title>Sign in</title><body>Your session has expired.</body></html>".to_vec();
    let object = truth.and_then(|t| serde_json::from_slice::<Value>(t).ok());
    let (status, kind, body) = match (lie, object) {
        (Lie::Page(status), _) => (status, "text/html", page),
        (Lie::Cut, Some(_)) => {
            let truth = truth.unwrap_or_default();
            (200, "application/json", truth[..truth.len() / 2].to_vec())
        }
        (Lie::Hollow, Some(mut object)) => {
            let gone = if object["items"].is_array() { "items" } else { "metadata" };
            object.as_object_mut().context("an object")?.remove(gone);
            (200, "application/json", serde_json::to_vec(&object)?)
        }
        (Lie::OtherKind, Some(mut object)) => {
            object["kind"] = json!("ConfigMapList");
            (200, "application/json", serde_json::to_vec(&object)?)
        }
        (Lie::Emptied, Some(mut object)) if object["items"].is_array() => {
            object["items"] = json!([]);
            (200, "application/json", serde_json::to_vec(&object)?)
        }
        (Lie::Emptied | Lie::Cut, _) => (200, "text/html", page),
        _ => (200, "application/json", br#"{"error":"login_required"}"#.to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status} Somehow\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    Ok(stream.write_all(&body)?)
}

/// How long each lie lasts.
const LASTING: Duration = Duration::from_millis(2500);
/// And the truth between.
const HONEST: Duration = Duration::from_millis(1500);

/// What it answers to whom, one after the other: all that a proxy says in the server's place, and lists that lack what is there.
const LIES: [(To, Lie); 12] = [
    (To::All, Lie::Page(200)),
    (To::NodeLists, Lie::Page(200)),
    (To::AllServed, Lie::Page(200)),
    (To::All, Lie::Page(404)),
    (To::Lists, Lie::Emptied),
    (To::All, Lie::Page(403)),
    (To::NodeLists, Lie::Emptied),
    (To::AllServed, Lie::Stranger),
    (To::AllServed, Lie::Cut),
    (To::Lists, Lie::Hollow),
    (To::AllServed, Lie::OtherKind),
    (To::All, Lie::Page(302)),
];

/// nodeferry is lied to while it empties nodes and deletes them: none goes with a pod on it, and it ends well once it hears the truth again.
pub fn lied_to(world: &World, seed: u64) -> Result<Verdict> {
    let executor = world.executor("lied-to")?;
    let old = world.old()?;
    let proxy = Proxy::start(&world.plane.client)?;
    let through =
        vec![("KUBECONFIG", proxy.kubeconfig(world)?.display().to_string()), ("NO_PROXY", "127.0.0.1".into())];
    let verdict = world.judged(&old, &Promise::Gone, |verdict| {
        let mut intent = world.drain(&old, "per-batch")?;
        intent.options["batch_size"] = json!(1);
        intent.options["terminate_nodes"] = json!(true);
        intent.options["execution"] = json!({"retire": {"*": {"by": "node"}}});
        executor.plan(&intent)?;
        let executor = executor.within(through);
        let mut running = executor.start(&EXECUTE)?;
        evicted(&executor, &mut running, 1)?;
        // With another seed it begins with another lie.
        let first = seed as usize % LIES.len();
        for lie in LIES.iter().cycle().skip(first).take(LIES.len()) {
            let before = proxy.count();
            proxy.lies(Some(*lie));
            std::thread::sleep(LASTING);
            proxy.lies(None);
            let told = proxy.count() - before;
            verdict.said.push(format!("{lie:?}: {told} answers"));
            if running.has_ended()? {
                break;
            }
            std::thread::sleep(HONEST);
        }
        let ended = running.wait()?;
        verdict.says(ended.stderr.contains("this is no answer of the API server"), || {
            format!("it was lied to {} times and does not say so: {}", proxy.count(), ended.stderr)
        });
        ended.with(0)?;
        let outcome = executor.outcome("journal")?;
        verdict.says(outcome == "COMPLETED", || format!("it ended as {outcome:?}"));
        Ok(())
    })?;
    cases::renew(world, &old)?;
    Ok(verdict)
}

/// Words of an executor that is lied to from its first request on.
pub fn never_told_the_truth(world: &World, _: u64) -> Result<Verdict> {
    let executor: Executor = world.executor("never-told-the-truth")?;
    let old = world.old()?;
    let proxy = Proxy::start(&world.plane.client)?;
    let through =
        vec![("KUBECONFIG", proxy.kubeconfig(world)?.display().to_string()), ("NO_PROXY", "127.0.0.1".into())];
    world.judged(&old, &Promise::Untouched, |verdict| {
        executor.plan(&world.drain(&old, "per-batch")?)?;
        let executor = executor.within(through);
        proxy.lies(Some((To::All, Lie::Page(200))));
        for arguments in [&EXECUTE[..], &["record", "-o", "lied.json.gz"]] {
            let ended = executor.run(arguments)?;
            verdict.says(ended.code == Some(2), || format!("{arguments:?} ended with {:?}", ended.code));
            let says = ended.stderr.contains("text/html") && ended.stderr.contains("proxy");
            verdict.says(says, || format!("{arguments:?} does not say why: {}", ended.stderr));
        }
        verdict.says(!executor.file("lied.json.gz").exists(), || "a dump was made of lies".into());
        Ok(())
    })
}
