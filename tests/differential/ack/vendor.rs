//! The vendor, played: steps of known length, a task that says how they stand, a rollback before the cut-over.

use super::ground::{Ground, MASTERS};
use crate::bed::rest::wait;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The cluster's id at the vendor.
pub const CLUSTER: &str = "c0123456789abcdef";

/// How long each step takes; real work has to be done within.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// In seconds: sleep, find-leader, snapshot, read-keys.
    pub before: [u64; 4],
    /// The restore.
    pub restore: u64,
    /// The rollback.
    pub rollback: u64,
    /// From the switch of the load balancer until controllers are started.
    pub controllers: u64,
}

/// Names of the steps that are rolled back.
pub const NAMES: [&str; 4] = ["sleep", "find-leader", "snapshot", "read-keys"];

/// From the start of the controllers' processes until they work: they read their certificates and fill their caches (by what was measured).
const CONTROLLERS_START: Duration = Duration::from_millis(1_500);

impl Steps {
    /// Short ones, with room for a busy machine.
    pub const SHORT: Steps = Steps { before: [3, 1, 4, 1], restore: 19, rollback: 4, controllers: 3 };

    /// What the simulation is given of them.
    pub fn simulation(&self) -> Value {
        let constant = |s: u64| json!({"constant": {"ms": s * 1_000}});
        let [sleep, find_leader, snapshot, read_keys] = self.before.map(constant);
        let controllers = Duration::from_secs(self.controllers) + CONTROLLERS_START;
        json!({
            "wait_before_ms": 0, "sleep": sleep, "find_leader": find_leader, "snapshot": snapshot, "read_keys": read_keys,
            "restore": constant(self.restore), "rollback": constant(self.rollback),
            "controllers": {"constant": {"ms": controllers.as_millis() as u64}},
            "failures": {"pods_per_million_hours": 0, "nodes_per_million_hours": 0},
        })
    }
}

/// What comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// What went away.
    TheSame,
    /// What was saved a while before, in a file of this name.
    Older,
    /// A cluster with nothing in it.
    Another,
}

/// The vendor's side of one migration.
pub struct Vendor {
    task: PathBuf,
    mark: PathBuf,
}

impl Vendor {
    /// Lays down the commands that begin the migration and ask for its task.
    pub fn new(ground: &Ground) -> Result<Vendor> {
        let (task, mark) = (ground.executor.file("task.json"), ground.executor.file("begun"));
        let _ = std::fs::remove_file(&mark);
        let vendor = Vendor { task, mark };
        vendor.says("running", None)?;
        Ok(vendor)
    }

    /// The flags with which nodeferry begins it and asks for it.
    pub fn flags(&self) -> [String; 4] {
        // What is begun twice would be seen: the mark is there already.
        let begin = format!(
            "sh -c 'set -C; echo $NODEFERRY_CLUSTER_ID > {mark} && echo \"{{\\\"task_id\\\": \\\"T-1\\\"}}\"'",
            mark = self.mark.display()
        );
        ["--begin".to_owned(), begin, "--poll".to_owned(), format!("cat {}", self.task.display())]
    }

    /// Waits until it is begun.
    pub fn is_begun(&self) -> Result<()> {
        wait("the command that begins the migration", || Ok(self.mark.exists()))
    }

    /// What its task says from now on; a key shows in its outputs, as the vendor's own does.
    pub fn says(&self, state: &str, stage: Option<&str>) -> Result<()> {
        let mut task = json!({
            "task_id": "T-1", "state": state, "current_stage": stage,
            "stages": [{"state": state, "message": "", "outputs": {"sa.key": super::SECRET}}],
        });
        if state == "fail" {
            task["error"] = json!({"code": "StepFailed", "message": "the test lets it fail"});
        }
        let part = self.task.with_extension("part");
        std::fs::write(&part, task.to_string())?;
        std::fs::rename(&part, &self.task).context("the task")
    }

    /// Fails at a step and rolls back.
    pub fn fails_at(&self, ground: &Ground, steps: &Steps, step: usize) -> Result<()> {
        let begun = Instant::now();
        self.says("running", Some(NAMES[0]))?;
        ground.planes.sleep()?;
        let mut at = 0;
        for (name, seconds) in NAMES.iter().zip(steps.before).take(step + 1) {
            self.says("running", Some(name))?;
            at += seconds;
            until(begun, at);
        }
        until(begun, at + steps.rollback);
        ground.planes.roll_back()?;
        self.says("fail", Some(NAMES[step]))
    }

    /// Swaps the control plane; the masters' kubelets are silent from the first step on. `meanwhile` happens while the API server is away.
    pub fn swaps(
        &self,
        ground: &mut Ground,
        steps: &Steps,
        returns: Returns,
        meanwhile: impl FnOnce(&mut Ground) -> Result<()>,
    ) -> Result<()> {
        for master in MASTERS {
            ground.kubelets.silence(&ground.planes.client, master)?;
        }
        let begun = Instant::now();
        ground.planes.sleep()?;
        self.says("running", Some(NAMES[2]))?;
        until(begun, steps.before[0] + steps.before[1]);
        let saved = match returns {
            Returns::TheSame => Some(ground.planes.save("etcd.snapshot")?),
            Returns::Older => Some(ground.executor.file("../older.snapshot")),
            Returns::Another => None,
        };
        self.says("running", Some("restore"))?;
        ground.planes.restore(saved.as_deref())?;
        meanwhile(ground)?;
        until(begun, steps.before.iter().sum::<u64>() + steps.restore);
        ground.planes.switch()?;
        let back = Instant::now();
        until(back, steps.controllers);
        ground.planes.wake_controllers()?;
        self.says("success", None)
    }
}

/// Waits until so many seconds have passed.
fn until(begun: Instant, seconds: u64) {
    std::thread::sleep((begun + Duration::from_secs(seconds)).saturating_duration_since(Instant::now()));
}
