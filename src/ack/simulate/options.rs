//! Parameters of the simulated cut-over, each with its named default.

use super::super::steps::StepKind;
use crate::cluster::Delay;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Failures in a million hours, of each pod and each node, at most.
const MOST_FAILURES: u64 = 10_000_000;

/// No time of the simulation is longer, milliseconds: a year, as the horizon of a migration.
pub(super) const LONGEST_MS: i64 = 366 * 24 * 3_600_000;
/// Failures are not drawn more often: the shares have a millionth's grain.
const MOST_DRAWS: u32 = 1_000_000;

/// Parameters of the simulated cut-over. Nothing is published of how long its steps take, only when each is given up: all delays are ours (C).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AckSimOptions {
    /// From the end of the drain to the first step, in milliseconds: somebody looks, and presses the button (C). Default 60 s.
    pub wait_before_ms: i64,
    /// One master's control plane is put to sleep (C). Default log-normal, median 30 s, p95 90 s.
    pub sleep: Delay,
    /// The leader of etcd is found (C). Default log-normal, median 5 s, p95 15 s.
    pub find_leader: Delay,
    /// Snapshot, prefix and upload (C). Default log-normal, median 60 s, p95 180 s.
    pub snapshot: Delay,
    /// The keys are read (C). Default log-normal, median 5 s, p95 15 s.
    pub read_keys: Delay,
    /// The managed control plane restores the snapshot, and the load balancer is switched (C). Default log-normal, median 180 s, p95 600 s.
    pub restore: Delay,
    /// The rollback on all masters (C). Default log-normal, median 45 s, p95 120 s.
    pub rollback: Delay,
    /// From the return of the API server until the new controllers and scheduler work. They wait until the leases of the old ones have run out
    /// since they saw them first (client-go `leaderelection`: lease 15 s, tried again every 2 s with up to 1.2 times jitter). Default uniform,
    /// 15 s to 19.4 s.
    pub controllers: Delay,
    /// The API server is away for so long, in milliseconds, whatever the steps would take; the cut-over is taken to succeed. Default null: as the
    /// steps take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage_ms: Option<i64>,
    /// How long the cluster is watched after the API server is back, in milliseconds: what is not as before by then is taken to stay so (C).
    /// Default 30 min.
    pub watch_ms: i64,
    /// What fails by itself in the meantime.
    pub failures: FailureRates,
    /// How many times failures are drawn for the risk of each workload (C), at most 1,000,000. Default 10,000.
    pub draws: u32,
    /// Steps that go wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trouble: Vec<StepTrouble>,
}

impl Default for AckSimOptions {
    fn default() -> Self {
        AckSimOptions {
            wait_before_ms: 60_000,
            sleep: Delay::LogNormal { median_ms: 30_000, p95_ms: 90_000 },
            find_leader: Delay::LogNormal { median_ms: 5_000, p95_ms: 15_000 },
            snapshot: Delay::LogNormal { median_ms: 60_000, p95_ms: 180_000 },
            read_keys: Delay::LogNormal { median_ms: 5_000, p95_ms: 15_000 },
            restore: Delay::LogNormal { median_ms: 180_000, p95_ms: 600_000 },
            rollback: Delay::LogNormal { median_ms: 45_000, p95_ms: 120_000 },
            controllers: Delay::Uniform { min_ms: 15_000, max_ms: 19_400 },
            outage_ms: None,
            watch_ms: 1_800_000,
            failures: FailureRates::default(),
            draws: 10_000,
            trouble: Vec::new(),
        }
    }
}

/// How often pods and nodes fail by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FailureRates {
    /// Pods that end for good, in a million hours of one pod (C: once in 2,000 hours). Containers that their kubelet starts again are none.
    /// Default 500.
    pub pods_per_million_hours: u64,
    /// Nodes that stop answering for good, in a million hours of one node (C: once in two years). Default 57.
    pub nodes_per_million_hours: u64,
}

impl Default for FailureRates {
    fn default() -> Self {
        FailureRates { pods_per_million_hours: 500, nodes_per_million_hours: 57 }
    }
}

/// A step that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepTrouble {
    /// Which; `rollback` is none of them.
    pub step: Option<StepKind>,
    /// It is about the rollback.
    #[serde(default)]
    pub rollback: bool,
    /// What happens.
    pub what: Trouble,
}

/// How a step goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// It ends with an error when it would have ended well.
    Error,
    /// It never ends by itself.
    Hang,
}

impl AckSimOptions {
    /// What is out of range, in words; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, value) in [
            ("wait_before_ms", self.wait_before_ms),
            ("outage_ms", self.outage_ms.unwrap_or(0)),
            ("watch_ms", self.watch_ms),
        ] {
            if value < 0 {
                problems.push(format!("{name} is {value}; a time cannot be negative"));
            } else if value > LONGEST_MS {
                problems.push(format!("{name} is {value}; expected at most {LONGEST_MS}, which is a year"));
            }
        }
        let failures = &self.failures;
        for (name, rate) in [
            ("pods_per_million_hours", failures.pods_per_million_hours),
            ("nodes_per_million_hours", failures.nodes_per_million_hours),
        ] {
            if rate > MOST_FAILURES {
                problems
                    .push(format!("failures.{name} is {rate}; expected at most {MOST_FAILURES}, which is ten an hour"));
            }
        }
        if self.draws > MOST_DRAWS {
            problems.push(format!("draws is {}; expected at most {MOST_DRAWS}", self.draws));
        }
        let delays = [
            ("sleep", &self.sleep),
            ("find_leader", &self.find_leader),
            ("snapshot", &self.snapshot),
            ("read_keys", &self.read_keys),
            ("restore", &self.restore),
            ("rollback", &self.rollback),
            ("controllers", &self.controllers),
        ];
        problems.extend(delays.into_iter().filter_map(|(name, d)| Some(format!("{name}: {}", d.problem()?))));
        for (i, trouble) in self.trouble.iter().enumerate() {
            if trouble.step.is_some() == trouble.rollback {
                problems.push(format!(
                    "trouble[{i}] is about a step or about the rollback; give one of step and rollback: true"
                ));
            }
        }
        problems
    }

    /// How long a step takes, or the rollback where none is named, by a draw.
    pub(super) fn takes_ms(&self, step: Option<StepKind>, draw: u64) -> i64 {
        let delay = match step {
            Some(StepKind::Sleep) => &self.sleep,
            Some(StepKind::FindLeader) => &self.find_leader,
            Some(StepKind::Snapshot) => &self.snapshot,
            Some(StepKind::ReadKeys) => &self.read_keys,
            Some(StepKind::Restore) => &self.restore,
            None => &self.rollback,
        };
        delay.sample(draw).min(LONGEST_MS)
    }

    /// What goes wrong in a step, or in the rollback where none is named.
    pub(super) fn trouble_of(&self, step: Option<StepKind>) -> Option<Trouble> {
        let is = |t: &&StepTrouble| t.step == step && t.rollback == step.is_none();
        self.trouble.iter().find(is).map(|t| t.what)
    }
}
