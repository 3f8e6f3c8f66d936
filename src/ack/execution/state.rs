//! How an execution stands: folded from its records.

use super::comparison::Comparison;
use super::record::{Began, Entry, Predicted, Record};
use super::task::TaskState;
use super::words::Context;
use crate::report::format::time;
use crate::runner::Outcome;
use std::collections::{BTreeMap, BTreeSet};

/// Where an execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The masters are drained.
    Drain,
    /// What there is, is read, and what comes is predicted.
    Inventory,
    /// It waits for the console, or begins the migration by the given command.
    Gate,
    /// The API server is away.
    Away,
    /// The API server is back: is it the same cluster, with the same objects?
    Prove,
    /// Nodes report, workloads become ready, masters become Unknown.
    Settle,
    /// The masters are deleted.
    Delete,
    /// It is over.
    Ended,
}

impl Stage {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Drain => "drain",
            Stage::Inventory => "inventory",
            Stage::Gate => "gate",
            Stage::Away => "away",
            Stage::Prove => "prove",
            Stage::Settle => "settle",
            Stage::Delete => "delete",
            Stage::Ended => "ended",
        }
    }

    /// What is done in it.
    pub fn words(self) -> &'static str {
        match self {
            Stage::Drain => "the masters are drained",
            Stage::Inventory => "the cluster is read, and what comes is predicted",
            Stage::Gate => "waits until the migration is begun and the API server goes away",
            Stage::Away => "the API server is away",
            Stage::Prove => "the API server is back; its objects are compared with those of before",
            Stage::Settle => "waits until every node reports, every workload is as before, and the masters are Unknown",
            Stage::Delete => "the masters are deleted",
            Stage::Ended => "it is over",
        }
    }
}

/// What is known of the command that begins the migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Begun {
    /// It was not run.
    #[default]
    No,
    /// It was announced, and its answer is not known.
    Perhaps,
    /// It was run.
    Yes,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Code.
    pub reason: Option<String>,
    /// What happened.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// How an execution stands.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What it began with.
    pub began: Began,
    /// Sequence number of the next entry.
    pub next_seq: u64,
    /// Latest moment.
    pub t_ms: i64,
    /// Where it stands.
    pub stage: Stage,
    /// Since when.
    pub stage_since_ms: i64,
    /// Since when the wait under way is counted: another process begins it again.
    pub wait_since_ms: i64,
    /// How many processes have worked at it.
    pub processes: u32,
    /// When the drain began and ended.
    pub drain_ms: (Option<i64>, Option<i64>),
    /// Whether the prediction was made, and what it is.
    pub predicted: Option<Option<Predicted>>,
    /// Objects of each kind before the cut-over.
    pub counts: Option<BTreeMap<String, usize>>,
    /// The gate is open.
    pub gate_opened: bool,
    /// The command that begins it.
    pub begun: Begun,
    /// When it was begun.
    pub begun_ms: Option<i64>,
    /// The task.
    pub task_id: Option<String>,
    /// What it said last.
    pub task: Option<TaskState>,
    /// Since when the API server was away.
    pub away_ms: Option<i64>,
    /// Whether it was seen to go.
    pub away_seen: bool,
    /// Since when it is back, and whether that was seen.
    pub back_ms: Option<(i64, bool)>,
    /// What the comparison says.
    pub compared: Option<Comparison>,
    /// Since when all masters are Unknown.
    pub unknown_ms: Option<i64>,
    /// When the last change was seen, and whether one process watched all the time.
    pub settled: Option<(i64, bool)>,
    /// Nodes but masters that are gone.
    pub nodes_gone: Vec<String>,
    /// Masters whose deletion was announced.
    pub announced: BTreeSet<String>,
    /// Masters that are deleted.
    pub deleted: Vec<String>,
    /// Masters that are kept, and why.
    pub kept: BTreeMap<String, String>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// A stop was asked for.
    pub stop_asked: bool,
    /// Why the latest process left, what to do, and which limit it was.
    pub interrupted: Option<(String, String, Option<String>)>,
    /// How it ended.
    pub ended: Option<Ended>,
}

impl State {
    /// Of what began.
    pub fn new(began: Began) -> State {
        State {
            began,
            next_seq: 0,
            t_ms: 0,
            stage: Stage::Drain,
            stage_since_ms: 0,
            wait_since_ms: 0,
            processes: 1,
            drain_ms: (None, None),
            predicted: None,
            counts: None,
            gate_opened: false,
            begun: Begun::No,
            begun_ms: None,
            task_id: None,
            task: None,
            away_ms: None,
            away_seen: false,
            back_ms: None,
            compared: None,
            unknown_ms: None,
            settled: None,
            nodes_gone: Vec::new(),
            announced: BTreeSet::new(),
            deleted: Vec::new(),
            kept: BTreeMap::new(),
            notes: Vec::new(),
            stop_asked: false,
            interrupted: None,
            ended: None,
        }
    }

    /// Of a journal's entries; None if there are none.
    pub fn fold(entries: &[Entry]) -> Option<State> {
        let Record::Began(began) = &entries.first()?.record else { return None };
        let mut state = State::new((**began).clone());
        entries.iter().for_each(|e| state.add(e));
        Some(state)
    }

    /// Adds an entry.
    pub fn add(&mut self, entry: &Entry) {
        self.next_seq = entry.seq + 1;
        self.t_ms = self.t_ms.max(entry.t_ms);
        let t = entry.t_ms;
        if !matches!(entry.record, Record::Interrupted { .. }) {
            self.interrupted = None;
        }
        match &entry.record {
            Record::Began(_) => {}
            Record::Resumed => {
                self.processes += 1;
                self.wait_since_ms = t;
            }
            Record::DrainBegan => self.drain_ms.0 = Some(t),
            Record::DrainEnded { outcome, .. } => {
                self.drain_ms.1 = Some(t);
                if *outcome == Outcome::Completed {
                    self.at(Stage::Inventory, t);
                }
            }
            Record::Predicted(predicted) => self.predicted = Some(*predicted),
            Record::Inventoried { counts, .. } => self.counts = Some(counts.clone()),
            Record::GateOpened => {
                self.gate_opened = true;
                self.at(Stage::Gate, t);
            }
            Record::BeginAnnounced => {
                self.begun = Begun::Perhaps;
                self.begun_ms = Some(t);
                self.wait_since_ms = t;
            }
            Record::Begun { task_id } => {
                self.begun = Begun::Yes;
                self.begun_ms = Some(t);
                self.task_id.clone_from(task_id);
            }
            Record::BeginFailed { .. } => {
                self.begun = Begun::No;
                self.begun_ms = None;
            }
            Record::Task(task) => self.task = Some(task.clone()),
            Record::Away { since_ms, seen } => {
                self.away_ms = Some(*since_ms);
                self.away_seen = *seen;
                self.at(Stage::Away, *since_ms);
            }
            Record::Back { since_ms, seen } => {
                self.back_ms = Some((*since_ms, *seen));
                self.at(Stage::Prove, *since_ms);
            }
            Record::Proved(comparison) => {
                self.compared = Some(comparison.clone());
                self.at(Stage::Settle, t);
            }
            Record::Differs(comparison) => self.compared = Some(comparison.clone()),
            Record::MastersUnknown { since_ms } => self.unknown_ms = Some(*since_ms),
            Record::Settled { last_change_ms, watched, nodes_gone } => {
                self.settled = Some((*last_change_ms, *watched));
                self.nodes_gone.clone_from(nodes_gone);
                self.at(Stage::Delete, t);
            }
            Record::DeleteAnnounced { node, .. } => {
                self.kept.remove(node);
                self.announced.insert(node.clone());
            }
            Record::Deleted { node } => {
                self.kept.remove(node);
                self.deleted.push(node.clone());
            }
            Record::Kept { node, why } => {
                self.kept.insert(node.clone(), why.clone());
            }
            Record::Note { text } => self.notes.push(text.clone()),
            Record::StopAsked => self.stop_asked = true,
            Record::Interrupted { why, remedy, limit } => {
                self.interrupted = Some((why.clone(), remedy.clone(), limit.clone()));
            }
            Record::Ended { outcome, reason, message, remedy } => {
                self.ended = Some(Ended {
                    outcome: *outcome,
                    reason: reason.clone(),
                    message: message.clone(),
                    remedy: remedy.clone(),
                });
                self.at(Stage::Ended, t);
            }
        }
    }

    fn at(&mut self, stage: Stage, t: i64) {
        self.stage = stage;
        self.stage_since_ms = t;
        self.wait_since_ms = t;
    }

    /// Whether a stop can still be honoured: the vendor has not been asked for anything, as far as is known here.
    pub fn may_stop(&self) -> bool {
        self.stage <= Stage::Gate && self.begun == Begun::No
    }

    /// The masters, as the drain names them: name and uid.
    pub fn masters(&self) -> Vec<(String, String)> {
        let nodes = self.began.plan.drain.intent.batches.iter().flatten();
        nodes.map(|n| (n.name.clone(), n.uid.clone())).collect()
    }

    /// Names of the masters.
    pub fn master_names(&self) -> BTreeSet<String> {
        self.masters().into_iter().map(|(name, _)| name).collect()
    }

    /// What commands may name.
    pub fn context(&self) -> Context {
        let body = &self.began.plan.cut_over.call.body;
        Context {
            execution: self.began.execution.clone(),
            cluster_id: self.began.plan.cluster.id.clone(),
            bucket: body.oss_bucket_name.clone(),
            bucket_endpoint: body.oss_bucket_endpoint.clone(),
            task_id: self.task_id.clone().unwrap_or_default(),
        }
    }

    /// The way back before the cut-over, in words.
    pub fn way_back(&self) -> String {
        let names: Vec<String> = self.master_names().into_iter().collect();
        format!("to let the masters take pods again: kubectl uncordon {}", names.join(" "))
    }

    /// The machines that are billed until they are released.
    pub fn machines(&self) -> Vec<(String, Option<String>)> {
        self.began.plan.masters.iter().map(|m| (m.node.clone(), m.instance.clone())).collect()
    }
}

impl Record {
    /// What it says to people; None for what only a process needs.
    pub fn words(&self, state: &State) -> Option<String> {
        Some(match self {
            Record::Began(began) => format!("execution {} begins", began.execution),
            Record::Resumed => "another process goes on".to_owned(),
            Record::DrainBegan => format!("the drain of {} begins", masters(state.master_names().len())),
            Record::DrainEnded { outcome, why } if why.is_empty() => format!("the drain ended: {}", outcome.text()),
            Record::DrainEnded { outcome, why } => format!("the drain ended: {}: {why}", outcome.text()),
            Record::Predicted(None) => {
                "nothing is predicted: the plan of the drain has no simulation (make the plan again)".to_owned()
            }
            Record::Predicted(Some(p)) => format!(
                "predicted ({} runs): the API server is away for {}, all is quiet {} after its return",
                p.runs,
                time(p.outage_ms.p50),
                time(p.rush_ms.p50)
            ),
            Record::Inventoried { counts, left_out } => {
                let without = match left_out.is_empty() {
                    true => String::new(),
                    false => format!("; without {}", left_out.join(", ")),
                };
                format!(
                    "{} objects of {} kinds are noted by uid{without}",
                    counts.values().sum::<usize>(),
                    counts.len()
                )
            }
            Record::GateOpened if state.began.begin.is_empty() => format!(
                "the gate is open: begin the migration in the console (Clusters, Migrate to Professional Managed Kubernetes), or with {}",
                state.began.plan.cut_over.command
            ),
            Record::GateOpened => "the gate is open".to_owned(),
            Record::BeginAnnounced => "the migration is begun by the command of --begin".to_owned(),
            Record::Begun { task_id: Some(id) } => format!("the migration is begun: task {id}"),
            Record::Begun { task_id: None } => "the migration is begun".to_owned(),
            Record::BeginFailed { why, .. } => format!("the migration was not begun: {why}"),
            Record::Task(task) => task.text(),
            Record::Away { .. } => "the API server is away".to_owned(),
            Record::Back { since_ms, .. } => match state.away_ms {
                Some(away) => format!("the API server is back after {}", time(since_ms - away)),
                None => "the API server was never seen away, and the task says that it is done".to_owned(),
            },
            Record::Proved(c) => format!(
                "the same cluster: {} objects are the same, {} were replaced by their controllers, {} are new, none is missing",
                c.same, c.replaced, c.new
            ),
            Record::Differs(c) => match &c.other_cluster {
                Some(uid) => format!("another cluster: kube-system has uid {uid}, and had {}", state.began.cluster),
                None => format!("{} objects differ:\n  {}", c.differing, c.lines().join("\n  ")),
            },
            Record::MastersUnknown { .. } => "the masters are Unknown".to_owned(),
            Record::Settled { nodes_gone, .. } if nodes_gone.is_empty() => {
                "every node reports, every workload is as before, and nothing changes any more".to_owned()
            }
            Record::Settled { nodes_gone, .. } => format!(
                "every node reports, every workload is as before, and nothing changes any more; nodes that are gone: {}",
                nodes_gone.join(", ")
            ),
            Record::DeleteAnnounced { .. } => return None,
            Record::Deleted { node } => format!("master {node} is deleted"),
            Record::Kept { node, why } => format!("master {node} is kept: {why}"),
            Record::Note { text } => text.clone(),
            Record::StopAsked => "a stop was asked for".to_owned(),
            Record::Interrupted { why, remedy, .. } => format!("interrupted: {why}\n  next: {remedy}"),
            Record::Ended { outcome, message, remedy, .. } if outcome == &Outcome::Completed => {
                format!("COMPLETED: {message}\n  next: {remedy}")
            }
            Record::Ended { outcome, message, remedy, .. } => {
                format!("{}: {message}\n  next: {remedy}", outcome.text())
            }
        })
    }
}

fn masters(n: usize) -> String {
    crate::report::format::count(n as u64, "master")
}
