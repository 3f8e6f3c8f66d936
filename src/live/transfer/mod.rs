//! A transfer CARRIED OUT on two clusters: steps in the order of the plan, each with its limit, each safe to be done again by the next process.

mod guard;
pub mod lease;
mod moves;
pub mod proof;
mod results;
mod site;
mod steps;
mod waiting;

use super::attend::{Attention, CarryError, Observer};
use super::client::Client;
use super::clock::Clock;
use super::program::Programs;
use crate::execution::entry_dir::EntryDirError;
use crate::execution::transfer_dir::TransferWriter;
use crate::runner::Outcome;
use crate::transfer::execution::{Entry, Next, Record, State};
use guard::Guard;
use lease::Leases;
use site::Site;
use std::collections::BTreeMap;
use tokio::time::Duration;

/// How a process leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is over.
    Ended(Outcome),
    /// A step failed; somebody says how it goes on.
    Failed,
    /// It can be resumed.
    Interrupted,
}

/// Why it goes no further.
pub(super) enum Halt {
    /// The process leaves; it can be resumed.
    Leave { why: String, remedy: String, limit: Option<&'static str> },
    /// The step failed.
    Fails { reason: &'static str, why: String, remedy: String },
    /// The journal cannot be kept.
    Journal(EntryDirError),
}

impl From<EntryDirError> for Halt {
    fn from(e: EntryDirError) -> Halt {
        Halt::Journal(e)
    }
}

/// Figures of a step that is done.
type Figures = BTreeMap<String, i64>;

/// From one look at a cluster to the next.
const LOOK: Duration = Duration::from_millis(500);

/// Carries a transfer on from where its journal stands, to its end or to where it must leave.
///
/// # Errors
/// The journal cannot be kept, or signals cannot be awaited.
pub async fn carry(
    (source, target): (&Client, &Client),
    leases: Leases,
    programs: &Programs,
    journal: &mut TransferWriter,
    state: State,
    clock: Clock,
    observer: &mut dyn Observer<Entry>,
) -> Result<End, CarryError> {
    let guard = leases.guard();
    let ended = carried((source, target), guard, programs, journal, state, clock, observer).await;
    leases.give_back().await;
    ended
}

async fn carried(
    (source, target): (&Client, &Client),
    guard: Guard,
    programs: &Programs,
    journal: &mut TransferWriter,
    state: State,
    clock: Clock,
    observer: &mut dyn Observer<Entry>,
) -> Result<End, CarryError> {
    let attention = Attention::new().map_err(CarryError::Signals)?;
    let site = |role, client: &Client| Site::new(role, client.clone()).guarded(guard.clone());
    let (source, target) = (site("source", source), site("target", target));
    let mut carrier = Carrier { source, target, guard, programs, journal, state, clock, observer, attention };
    let ran = carrier.run().await;
    programs.finish().await;
    match ran {
        Ok(end) => Ok(end),
        Err(Halt::Leave { why, remedy, limit }) => {
            carrier.write(Record::Interrupted { why, remedy, limit: limit.map(str::to_owned) })?;
            Ok(End::Interrupted)
        }
        Err(Halt::Fails { reason, why, remedy }) => {
            let step = carrier.state.current.clone().unwrap_or_default();
            carrier.write(Record::StepFailed { step, reason: reason.to_owned(), why, remedy })?;
            carrier.observer.say(&format!("the ways on: {}", carrier.state.ways_on(&carrier.dir())));
            Ok(End::Failed)
        }
        Err(Halt::Journal(e)) => Err(e.into()),
    }
}

/// A process at work.
struct Carrier<'a> {
    source: Site,
    target: Site,
    guard: Guard,
    programs: &'a Programs,
    journal: &'a mut TransferWriter,
    state: State,
    clock: Clock,
    observer: &'a mut dyn Observer<Entry>,
    attention: Attention,
}

impl Carrier<'_> {
    async fn run(&mut self) -> Result<End, Halt> {
        loop {
            match self.state.next() {
                Next::WaveBegins(wave) => self.put(Record::WaveBegan { wave })?,
                Next::WaveEnds(wave) => self.put(Record::WaveEnded { wave })?,
                Next::Step(step) => {
                    self.ours(&step).await?;
                    if self.state.current.as_ref() != Some(&step.id) {
                        self.put(Record::StepBegan { step: step.id.clone() })?;
                    }
                    let figures = self.step(&step).await?;
                    self.put(Record::StepDone { step: step.id.clone(), figures })?;
                    // A stop takes effect between two steps.
                    self.stopped()?;
                }
                Next::Failed(_) => return Ok(End::Failed),
                Next::Over => {
                    let (outcome, message, remedy) = self.state.ending();
                    self.put(Record::Ended { outcome, message, remedy })?;
                    return Ok(End::Ended(outcome));
                }
            }
        }
    }

    /// Writes an entry down, makes it safe, and says it.
    fn write(&mut self, record: Record) -> Result<(), EntryDirError> {
        let entry = Entry { seq: self.state.next_seq, t_ms: self.now(), record };
        self.journal.append(&entry)?;
        let words = entry.record.words(&self.state);
        self.observer.entry(&entry, words.as_deref());
        self.state.add(&entry);
        Ok(())
    }

    fn put(&mut self, record: Record) -> Result<(), Halt> {
        Ok(self.write(record)?)
    }

    fn note(&mut self, text: impl Into<String>) -> Result<(), Halt> {
        self.put(Record::Note { text: text.into() })
    }

    /// Writes down what is seen, when it is something else than before.
    fn seen(&mut self, step: &str, what: &str, state: &str) -> Result<(), Halt> {
        let known = self.state.seen.get(step).and_then(|s| s.get(what));
        if known.is_some_and(|k| k == state) {
            return Ok(());
        }
        self.put(Record::Seen { step: step.to_owned(), what: what.to_owned(), state: state.to_owned() })
    }

    /// Milliseconds since the execution began; never before what is written.
    fn now(&self) -> i64 {
        self.clock.now().max(self.state.t_ms)
    }

    fn dir(&self) -> String {
        self.journal.dir().path().display().to_string()
    }
}
