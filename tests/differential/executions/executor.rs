//! nodeferry itself, as a user starts it: a process, a kubeconfig, files.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The release build, where `scripts/test` has made one: it leaves more of a small machine to the control plane.
fn nodeferry() -> PathBuf {
    let release = std::env::var_os("NODEFERRY_RELEASE_BIN").filter(|v| !v.is_empty());
    release.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_nodeferry")), PathBuf::from)
}

/// No command may take longer; what does hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// Where nodeferry is run, and as whom.
pub struct Executor {
    /// All its files: plan, journal, what it prints.
    pub directory: PathBuf,
    /// Whom the cluster takes it for.
    pub kubeconfig: PathBuf,
    environment: Vec<(&'static str, String)>,
    started: Arc<AtomicU32>,
}

/// What a command said and how it ended.
pub struct Ended {
    /// Exit status; None if it was killed.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// The output, if it ended with this status.
    pub fn with(self, code: i32) -> Result<String> {
        if self.code == Some(code) {
            return Ok(self.stdout);
        }
        bail!("nodeferry ended with {:?} instead of {code}:\n{}\n{}", self.code, tail(&self.stdout), tail(&self.stderr))
    }
}

fn tail(text: &str) -> &str {
    let lines: Vec<(usize, &str)> = text.match_indices('\n').collect();
    match lines.len().checked_sub(40) {
        Some(n) => &text[lines[n].0 + 1..],
        None => text,
    }
}

/// A command under way; dropping it kills it.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Waits until it ends.
    pub fn wait(mut self) -> Result<Ended> {
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                bail!("nodeferry has not ended after {PATIENCE:?}:\n{}", tail(&std::fs::read_to_string(&self.stderr)?));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.ended()
    }
    /// Whether it has ended.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }
    /// Sends it a signal by name: `INT`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status()?;
        anyhow::ensure!(status.success(), "kill -{name} of nodeferry: {status}");
        Ok(())
    }
    /// Ends it as a crash would, at any instruction.
    pub fn kill(mut self) -> Result<Ended> {
        self.child.kill()?;
        self.ended()
    }
    fn ended(&mut self) -> Result<Ended> {
        let code = self.child.wait()?.code();
        let read =
            |path: &Path| Ok::<String, anyhow::Error>(String::from_utf8_lossy(&std::fs::read(path)?).into_owned());
        Ok(Ended { code, stdout: read(&self.stdout)?, stderr: read(&self.stderr)? })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Executor {
    /// An executor with files of its own.
    pub fn new(directory: PathBuf, kubeconfig: &Path) -> Result<Executor> {
        std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        Ok(Executor { directory, kubeconfig: kubeconfig.to_owned(), environment: Vec::new(), started: Arc::default() })
    }
    /// The same with these environment variables too; KUBECONFIG among them is taken instead of its own.
    pub fn within(&self, environment: Vec<(&'static str, String)>) -> Executor {
        Executor {
            directory: self.directory.clone(),
            kubeconfig: self.kubeconfig.clone(),
            environment,
            started: self.started.clone(),
        }
    }
    /// A file of it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
    /// Starts a command of nodeferry.
    pub fn start(&self, arguments: &[&str]) -> Result<Running> {
        let n = self.started.fetch_add(1, Ordering::Relaxed);
        let name = format!("{n:02}-{}", arguments.first().copied().unwrap_or_default());
        let (stdout, stderr) = (self.file(&format!("{name}.out")), self.file(&format!("{name}.err")));
        let child = Command::new(nodeferry())
            .args(self.confirmed(arguments)?)
            .current_dir(&self.directory)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.directory)
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .spawn()?;
        Ok(Running { child, stdout, stderr })
    }

    /// `--yes` with the hash of the plan that is carried out: nobody is at a terminal.
    fn confirmed(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let plan = arguments.iter().find(|a| a.ends_with("plan.json"));
        let one = |argument: &&str| match (*argument, plan) {
            ("--yes", Some(plan)) => {
                let digest = Sha256::digest(std::fs::read(self.file(plan))?);
                let digits: String = digest.iter().map(|b| format!("{b:02x}")).collect();
                Ok(format!("--yes={digits}"))
            }
            _ => Ok((*argument).to_owned()),
        };
        arguments.iter().map(one).collect()
    }

    /// Runs a command of nodeferry to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Ended> {
        self.start(arguments)?.wait().with_context(|| format!("nodeferry {}", arguments.join(" ")))
    }
    /// Dumps the cluster and plans to drain these nodes; the predicted duration.
    pub fn plan(&self, intent: &Intent<'_>) -> Result<Duration> {
        self.run(&["record", "-o", "cluster.json.gz"])?.with(0)?;
        self.plan_again(intent)
    }
    /// Plans upon the dump that is there.
    pub fn plan_again(&self, intent: &Intent<'_>) -> Result<Duration> {
        std::fs::write(self.file("scenario.json"), serde_json::to_vec_pretty(&intent.scenario())?)?;
        self.run(&["plan", "scenario.json", "--plan", "plan.json", "--trace", "predicted.jsonl", "-o", "json"])?
            .with(0)?;
        let plan: Value = serde_json::from_slice(&std::fs::read(self.file("plan.json"))?)?;
        let ms = plan["forecast"]["duration_ms"]["p50"].as_u64().context("the plan forecasts no duration")?;
        Ok(Duration::from_millis(ms))
    }
    /// How long the execution of a journal took by its own clock, from the first event to the last; None while it is not over.
    pub fn took(&self, journal: &str) -> Result<Option<Duration>> {
        let lines = self.journal(journal)?;
        let moment = |event: &str| {
            let at = lines.iter().map(|l| &l["data"]).find(|d| d["event"] == event);
            at.and_then(|d| d["t_ms"].as_u64())
        };
        Ok(match (moment("migration_started"), moment("migration_finished")) {
            (Some(from), Some(to)) => Some(Duration::from_millis(to.saturating_sub(from))),
            _ => None,
        })
    }
    /// What the journal says of how it ended: `COMPLETED`, `STOPPED`; empty while it has not.
    pub fn outcome(&self, journal: &str) -> Result<String> {
        let ended = self.journal(journal)?.into_iter().rfind(|l| l["record"] == "ended");
        Ok(ended.and_then(|l| l["data"]["outcome"].as_str().map(str::to_owned)).unwrap_or_default())
    }
    /// The journal's lines that are whole.
    fn journal(&self, journal: &str) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.file(journal).join("journal.jsonl"))?;
        Ok(text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect())
    }
    /// Files of the executor in which a text occurs.
    pub fn files_with(&self, needle: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut open = vec![self.directory.clone()];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(&directory)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                } else if std::fs::read(&path)?.windows(needle.len()).any(|w| w == needle.as_bytes()) {
                    found.push(path.display().to_string());
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// What is to be done with which nodes.
pub struct Intent<'a> {
    /// The old nodes.
    pub nodes: &'a [String],
    /// The migration's options.
    pub options: Value,
    /// Groups in nodeferry's own form, if new nodes are to come.
    pub groups: Option<Value>,
    /// The autoscaler beside it.
    pub autoscaler: Value,
    /// How long machines take to come and to go.
    pub machines: Value,
    /// How long a call to the API server takes on this machine now.
    pub latency: Duration,
}

/// What the stand-in for the kubelets needs, as the tests start it.
pub const START: Duration = Duration::from_millis(600);
/// The same for stopping. kubectl looks every second whether a pod is gone, and the API server tries an eviction again half a second
/// after two met at one budget: neither shall be so near to the other that the machine's luck decides.
pub const STOP: Duration = Duration::from_millis(1200);

impl Intent<'_> {
    fn scenario(&self) -> Value {
        let mut delays = self.machines.clone();
        delays["start"] = json!({"constant": {"ms": START.as_millis() as u64}});
        delays["start_annotation"] = json!(crate::bed::kubelets::START);
        delays["stop_annotation"] = json!(crate::bed::kubelets::STOP);
        delays["stop"] = json!({"constant": {"ms": STOP.as_millis() as u64}});
        let latency = self.latency.as_millis() as u64;
        let mut scenario = json!({
            "scenario": "an execution on a live control plane",
            "cluster": {"dump": ["cluster.json.gz"]},
            "nodes": {"names": self.nodes},
            "options": self.options,
            "sim": {
                "controller_client": {"qps": 500, "burst": 1000}, "scheduler_client": {"qps": 1000, "burst": 2000},
                "api_latency_ms": latency, "budget_latency_ms": latency, "controller_latency_ms": latency,
                "kubelet_latency_ms": latency, "taint_latency_ms": 2 * latency,
                "delays": delays,
            },
            "autoscaler": self.autoscaler,
        });
        if let Some(groups) = &self.groups {
            scenario["groups"] = json!({"inline": groups});
        }
        scenario
    }
}
