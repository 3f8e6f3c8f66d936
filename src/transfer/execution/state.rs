//! How an execution stands, folded from its records, and what comes next.

use super::record::{Began, Entry, Record};
use crate::runner::Outcome;
use crate::transfer::ObjectId;
use crate::transfer::plan::{Action, Step, Wave, WaveName};
use std::collections::{BTreeMap, BTreeSet};

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// What happened.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its id.
    pub step: String,
    /// Code of the reason.
    pub reason: String,
    /// What happened.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// A wave begins.
    WaveBegins(WaveName),
    /// A step of it, or of its way back.
    Step(Box<Step>),
    /// A wave ends.
    WaveEnds(WaveName),
    /// A step failed, and nobody has said what shall become of it.
    Failed(Failed),
    /// Everything is done, or everything is taken back.
    Over,
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
    /// How many processes have worked at it.
    pub processes: u32,
    /// When each wave began and ended.
    pub waves: BTreeMap<WaveName, (i64, Option<i64>)>,
    /// When each step began for the first time.
    pub step_began: BTreeMap<String, i64>,
    /// When each step was done.
    pub step_done: BTreeMap<String, i64>,
    /// Since when the step under way is waited for: another process, and another try, begin that again.
    pub wait_since_ms: i64,
    /// The step under way.
    pub current: Option<String>,
    /// What was there before a step.
    pub found: BTreeMap<String, BTreeSet<ObjectId>>,
    /// Of each step how many commands have run, and whether one more was announced.
    pub commands: BTreeMap<String, (u32, bool)>,
    /// What was seen last, by step.
    pub seen: BTreeMap<String, BTreeMap<String, String>>,
    /// Gates that are approved, and by whom.
    pub approved: BTreeMap<String, String>,
    /// How often each step has been tried, where more than once.
    pub attempts: BTreeMap<String, u32>,
    /// Figures of steps that are done.
    pub figures: BTreeMap<String, BTreeMap<String, i64>>,
    /// The step that failed.
    pub failed: Option<Failed>,
    /// The first wave that is taken back, if any is.
    pub rollback: Option<WaveName>,
    /// Names point to the target, or perhaps do.
    pub cut_over: bool,
    /// What a person should know.
    pub notes: Vec<String>,
    /// A stop was asked for.
    pub stop_asked: bool,
    /// Why the latest process left, what to do, and which limit it was.
    pub interrupted: Option<(String, String, Option<String>)>,
    /// How it ended.
    pub ended: Option<Ended>,
}

/// The name of something of Velero for a further try: an object of Velero is used once.
pub fn attempt_name(name: &str, attempt: u32) -> String {
    if attempt <= 1 { name.to_owned() } else { format!("{name}-{attempt}") }
}

impl State {
    /// Of what began.
    pub fn new(began: Began) -> State {
        let approved = began.approved.iter().map(|g| (g.clone(), "beforehand".to_owned())).collect();
        State {
            began,
            next_seq: 0,
            t_ms: 0,
            processes: 1,
            waves: BTreeMap::new(),
            step_began: BTreeMap::new(),
            step_done: BTreeMap::new(),
            wait_since_ms: 0,
            current: None,
            found: BTreeMap::new(),
            commands: BTreeMap::new(),
            seen: BTreeMap::new(),
            approved,
            attempts: BTreeMap::new(),
            figures: BTreeMap::new(),
            failed: None,
            rollback: None,
            cut_over: false,
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
                self.stop_asked = false;
            }
            Record::WaveBegan { wave } => _ = self.waves.entry(*wave).or_insert((t, None)),
            Record::WaveEnded { wave } => {
                if let Some(wave) = self.waves.get_mut(wave) {
                    wave.1 = Some(t);
                }
            }
            Record::StepBegan { step } => {
                self.step_began.entry(step.clone()).or_insert(t);
                self.current = Some(step.clone());
                self.wait_since_ms = t;
            }
            Record::Found { step, objects } => {
                self.found.entry(step.clone()).or_insert_with(|| objects.iter().cloned().collect());
            }
            Record::CommandAnnounced { step, .. } => {
                self.commands.entry(step.clone()).or_default().1 = true;
                self.cut_over |= self.is_cut_over(step);
            }
            Record::CommandRan { step, command } => {
                self.commands.insert(step.clone(), (command.saturating_add(1), false));
            }
            Record::Seen { step, what, state } => {
                self.seen.entry(step.clone()).or_default().insert(what.clone(), state.clone());
            }
            Record::GateOpened { .. } => {}
            Record::Approved { gate, by } => _ = self.approved.insert(gate.clone(), by.clone()),
            Record::StepDone { step, figures } => {
                self.cut_over |= self.is_cut_over(step);
                self.step_done.insert(step.clone(), t);
                self.figures.insert(step.clone(), figures.clone());
                self.current = None;
            }
            Record::StepFailed { step, reason, why, remedy } => {
                self.failed = Some(Failed {
                    step: step.clone(),
                    reason: reason.clone(),
                    why: why.clone(),
                    remedy: remedy.clone(),
                });
                self.current = None;
            }
            Record::Retried { from } => self.retry(from),
            Record::RollbackBegan { wave } => {
                self.rollback = Some(*wave);
                self.failed = None;
            }
            Record::Note { text } => self.notes.push(text.clone()),
            Record::StopAsked => self.stop_asked = true,
            Record::Interrupted { why, remedy, limit } => {
                self.interrupted = Some((why.clone(), remedy.clone(), limit.clone()));
            }
            Record::Ended { outcome, message, remedy } => {
                self.ended = Some(Ended { outcome: *outcome, message: message.clone(), remedy: remedy.clone() });
            }
        }
    }

    /// This step and those after it in its wave are to be done again. Objects of Velero are used once, so they get other names.
    fn retry(&mut self, from: &str) {
        self.failed = None;
        let Some(wave) = self.wave_of(from) else { return };
        let steps: Vec<String> = wave.steps.iter().chain(&wave.rollback).map(|s| s.id.clone()).collect();
        for step in steps.into_iter().skip_while(|s| s != from) {
            self.step_done.remove(&step);
            self.commands.remove(&step);
            self.seen.remove(&step);
            if self.step_began.contains_key(&step) {
                *self.attempts.entry(step).or_insert(1) += 1;
            }
        }
    }

    fn is_cut_over(&self, step: &str) -> bool {
        matches!(self.step(step), Some(Step { action: Action::CutOver { .. }, .. }))
    }

    fn wave_of(&self, step: &str) -> Option<&Wave> {
        self.began.plan.waves.iter().find(|w| w.steps.iter().chain(&w.rollback).any(|s| s.id == step))
    }

    /// A step by its id, of a wave or of its way back.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps_all().find(|s| s.id == id)
    }

    /// How often a step is being tried.
    pub fn attempt(&self, step: &str) -> u32 {
        self.attempts.get(step).copied().unwrap_or(1)
    }

    /// The step that makes a backup.
    pub fn backup_step(&self, name: &str) -> Option<&Step> {
        self.steps_all().find(|s| matches!(&s.action, Action::Backup { name: n, .. } if n == name))
    }

    /// The step that makes a restore.
    pub fn restore_step(&self, name: &str) -> Option<&Step> {
        self.steps_all().find(|s| matches!(&s.action, Action::Restore { name: n, .. } if n == name))
    }

    fn steps_all(&self) -> impl Iterator<Item = &Step> {
        self.began.plan.waves.iter().flat_map(|w| w.steps.iter().chain(&w.rollback))
    }

    /// The name that a backup of the plan has on the cluster now.
    pub fn backup_name(&self, name: &str) -> String {
        attempt_name(name, self.backup_step(name).map_or(1, |s| self.attempt(&s.id)))
    }

    /// The name that a restore of the plan has on the cluster now.
    pub fn restore_name(&self, name: &str) -> String {
        attempt_name(name, self.restore_step(name).map_or(1, |s| self.attempt(&s.id)))
    }

    /// All names that a restore of the plan has had, the latest first.
    pub fn restore_names(&self, name: &str) -> Vec<String> {
        let attempts = self.restore_step(name).map_or(1, |s| self.attempt(&s.id));
        (1..=attempts).rev().map(|n| attempt_name(name, n)).collect()
    }

    /// Objects that steps have applied to the target and that were not there before.
    pub fn applied(&self) -> BTreeSet<ObjectId> {
        self.made(|action| match action {
            Action::Apply { objects } => objects.clone(),
            _ => Vec::new(),
        })
    }

    /// Policies with which fences have stopped writes on the source and that were not there before.
    pub fn fences(&self) -> BTreeSet<ObjectId> {
        self.made(|action| match action {
            Action::Fence { policies, .. } => policies.iter().filter_map(ObjectId::of).collect(),
            _ => Vec::new(),
        })
    }

    /// What steps that have looked for it did not find there: a step that has not come so far has made nothing.
    fn made(&self, named: impl Fn(&Action) -> Vec<ObjectId>) -> BTreeSet<ObjectId> {
        let steps = self.began.plan.steps().filter_map(|(_, step)| Some((step, self.found.get(&step.id)?)));
        let mut made = BTreeSet::new();
        for (step, found) in steps {
            made.extend(named(&step.action).into_iter().filter(|o| !found.contains(o)));
        }
        made
    }

    /// The names that a restore of the plan has had, the latest first; none if it has not begun, for then it has made nothing.
    pub fn restores_begun(&self, name: &str) -> Vec<String> {
        match self.restore_step(name).is_some_and(|s| self.step_began.contains_key(&s.id)) {
            true => self.restore_names(name),
            false => Vec::new(),
        }
    }

    /// Whether a restore of this execution has had this name.
    pub fn has_restored(&self, name: &str) -> bool {
        self.began.plan.steps().any(|(_, step)| match &step.action {
            Action::Restore { name: planned, .. } => self.restores_begun(planned).iter().any(|n| n == name),
            _ => false,
        })
    }

    /// The step from which a failed one is tried again: a backup that lacks a claim is made again.
    pub fn retry_from(&self, failed: &str) -> String {
        match self.step(failed).map(|s| &s.action) {
            Some(Action::DemandVolumeBackups { backup, .. } | Action::AwaitSync { backup }) => {
                self.backup_step(backup).map_or_else(|| failed.to_owned(), |s| s.id.clone())
            }
            _ => failed.to_owned(),
        }
    }

    /// What comes next.
    pub fn next(&self) -> Next {
        if let Some(failed) = &self.failed {
            return Next::Failed(failed.clone());
        }
        let todo = |steps: &[Step]| steps.iter().find(|s| !self.step_done.contains_key(&s.id)).cloned();
        let waves = &self.began.plan.waves;
        if let Some(first) = self.rollback {
            let back = waves.iter().rev().filter(|w| w.name >= first && self.waves.contains_key(&w.name));
            return match back.filter_map(|w| todo(&w.rollback)).next() {
                Some(step) => Next::Step(Box::new(step)),
                None => Next::Over,
            };
        }
        for wave in waves {
            match (self.waves.get(&wave.name), todo(&wave.steps)) {
                (None, _) => return Next::WaveBegins(wave.name),
                (Some(_), Some(step)) => return Next::Step(Box::new(step)),
                (Some((_, None)), None) => return Next::WaveEnds(wave.name),
                (Some((_, Some(_))), None) => {}
            }
        }
        Next::Over
    }

    /// The wave that is under way, or the last one that began.
    pub fn wave(&self) -> Option<WaveName> {
        self.waves.keys().next_back().copied()
    }

    /// Mandatory items of the checklist without evidence, neither in the plan nor given since.
    pub fn open_items(&self) -> Vec<String> {
        let items = self.began.plan.checklist.iter().filter(|i| i.mandatory && i.evidence.is_none());
        items.filter(|i| !self.approved.contains_key(&i.name)).map(|i| i.name.clone()).collect()
    }

    /// How it ends when nothing is left to do.
    pub fn ending(&self) -> (Outcome, String, String) {
        let (from, to) = (&self.began.plan.source.name, &self.began.plan.target.name);
        if let Some(wave) = self.rollback {
            let others = if wave == WaveName::W0 { "" } else { "; the waves before it stay" };
            return (
                Outcome::Stopped,
                format!("waves from {wave:?} on are taken back: their workloads run in {from} as before{others}"),
                "remove the cause, plan again and begin again with another journal".to_owned(),
            );
        }
        let message = match self.cut_over {
            true => format!("the workloads run in {to}, and names point there"),
            false => {
                format!("the workloads of the plan run in {to}; it has no cut-over, so names point where they did")
            }
        };
        (Outcome::Completed, message, format!("watch {to} for a time, then remove what is left in {from} by hand"))
    }

    /// Why nothing can be taken back, if so.
    pub fn cannot_roll_back(&self) -> Option<String> {
        if self.cut_over {
            return Some("names point to the target, or perhaps do: what was written there since would be lost. Point them back by hand, then move data back by a transfer of its own".to_owned());
        }
        if self.waves.is_empty() {
            return Some("nothing has begun".to_owned());
        }
        None
    }
}
