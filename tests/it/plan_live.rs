//! `plan` without a file: the live cluster is read over HTTP, nothing is written to it, and the dump that is kept plans the same.

use super::cli::{Dir, nodeferry};
use nodeferry::live::record::kinds::RECORDED;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// An API server that lists the objects of a dump, and remembers what it was asked.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `refused` are collections that it does not let anybody list.
    fn of(dump: &Value, refused: &'static [&'static str]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let objects: Vec<Value> = dump["items"].as_array().expect("a List").clone();
        let remember = asked.clone();
        std::thread::spawn(move || {
            let objects = Arc::new(objects);
            while let Ok((socket, _)) = listener.accept() {
                let (objects, remember) = (objects.clone(), remember.clone());
                std::thread::spawn(move || serve(socket, &objects, refused, &remember));
            }
        });
        Server { url, asked }
    }

    fn kubeconfig(&self, dir: &Dir) -> String {
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "blue",
            "clusters": [{"name": "blue", "cluster": {"server": self.url}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "blue", "context": {"cluster": "blue", "user": "me"}}],
        });
        dir.file("kubeconfig", &text.to_string())
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("the list").clone()
    }
}

fn serve(socket: TcpStream, objects: &[Value], refused: &[&str], remember: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(socket);
    loop {
        let (mut head, mut length) = (String::new(), 0usize);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().unwrap_or(0);
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let line = head.lines().next().unwrap_or_default().to_owned();
        let path = line.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
        remember.lock().expect("the list").push(line);
        let (code, answer) = answer(&path, objects, refused);
        let text = answer.to_string();
        let written = write!(
            reader.get_mut(),
            "HTTP/1.1 {code}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
        if written.is_err() {
            return;
        }
    }
}

fn answer(path: &str, objects: &[Value], refused: &[&str]) -> (&'static str, Value) {
    let last = path.rsplit('/').next().unwrap_or_default();
    let status = |code: u16, reason: &str| {
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
            "message": format!("{last}: {reason}"), "details": {}})
    };
    if refused.contains(&last) {
        return ("403 Forbidden", status(403, "Forbidden"));
    }
    let Some(served) = RECORDED.iter().find(|r| r.collection() == path) else {
        return ("404 Not Found", status(404, "NotFound"));
    };
    let of_kind = |o: &&Value| o["apiVersion"] == served.api_version && o["kind"] == served.kind;
    let items: Vec<&Value> = objects.iter().filter(of_kind).collect();
    let kind = format!("{}List", served.kind);
    (
        "200 OK",
        json!({"apiVersion": served.api_version, "kind": kind, "metadata": {"resourceVersion": "7"}, "items": items}),
    )
}

const OLD: [&str; 2] = ["-l", "agentpool=old"];

fn cluster(dir: &Dir) -> Value {
    let ran = nodeferry(dir, &["generate", "--nodes", "4", "--new-nodes", "4", "--seed", "3"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    ran.json()
}

#[test]
fn a_live_cluster_is_planned_without_a_file_and_without_a_write() {
    let dir = Dir::new();
    let dump = cluster(&dir);
    let server = Server::of(&dump, &["resourcequotas"]);
    let (config, kept) = (server.kubeconfig(&dir), dir.path("kept.json.gz"));
    let live = nodeferry(
        &dir,
        &["plan", OLD[0], OLD[1], "--kubeconfig", &config, "--context", "blue", "--save-dump", &kept, "-o", "json"],
    );
    assert_eq!(live.status, 0, "{}{}", live.stdout, live.stderr);
    assert!(live.stderr.contains("left out: ResourceQuota: we may not list it"), "{}", live.stderr);
    let asked = server.asked();
    assert!(asked.iter().any(|r| r.starts_with("GET /api/v1/nodes?")), "{asked:?}");
    assert!(asked.iter().all(|r| r.starts_with("GET ")), "something was written: {asked:?}");
    assert!(!asked.iter().any(|r| r.contains("secrets") || r.contains("configmaps")), "{asked:?}");

    let again = nodeferry(&dir, &["plan", &kept, OLD[0], OLD[1], "-o", "json"]);
    assert_eq!((again.status, &again.stdout), (live.status, &live.stdout), "the dump that was kept plans the same");
    let own = nodeferry(&dir, &["plan", &dir.file("own.json", &dump.to_string()), OLD[0], OLD[1], "-o", "json"]);
    assert_eq!(own.json()["batches"], live.json()["batches"], "and so does the cluster as kubectl shows it");
}

#[test]
fn what_keeps_a_live_cluster_from_being_planned_is_said_with_what_to_do() {
    let dir = Dir::new();
    let server = Server::of(&cluster(&dir), &["nodes"]);
    let config = server.kubeconfig(&dir);
    let refused = |args: &[&str], says: &[&str]| {
        let ran = nodeferry(&dir, args);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
        says.iter().for_each(|s| assert!(ran.stderr.contains(s), "{args:?}: {s:?} is not in {}", ran.stderr));
    };
    // Which nodes are old is asked before anything is read.
    refused(&["plan", "--kubeconfig", &config], &["--selector", "kubectl get nodes --show-labels"]);
    assert_eq!(server.asked(), Vec::<String>::new());
    refused(
        &["plan", OLD[0], OLD[1], "--kubeconfig", &config],
        &["Node", "we may not list it", "deploy/clusterrole-record.yaml"],
    );
    let missing = dir.path("nowhere");
    refused(
        &["plan", OLD[0], OLD[1], "--kubeconfig", &missing],
        &["nowhere", "--kubeconfig", "name a dump or a scenario"],
    );
    refused(&["plan", OLD[0], OLD[1], "--kubeconfig", &config, "--context", "green"], &["green"]);
    let dump = dir.file("dump.json", "{}");
    refused(&["plan", &dump, OLD[0], OLD[1], "--context", "blue"], &["--context", "dump.json"]);
    refused(&["plan", &dump, OLD[0], OLD[1], "--save-dump", "kept.json"], &["--save-dump"]);
}

#[test]
fn without_any_kubeconfig_it_says_where_one_is_looked_for() {
    let dir = Dir::new();
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_nodeferry"))
        .args(["plan", "-l", "agentpool=old"])
        .env("HOME", dir.path(""))
        .env_remove("KUBECONFIG")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .output()
        .expect("the program runs");
    let said = String::from_utf8(ran.stderr).expect("text");
    assert_eq!(ran.status.code(), Some(2), "{said}");
    for part in ["no cluster is configured", "--kubeconfig FILE", "KUBECONFIG", "name a dump or a scenario"] {
        assert!(said.contains(part), "{said}");
    }
}
