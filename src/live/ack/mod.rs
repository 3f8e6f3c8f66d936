//! The migration of a control plane CARRIED OUT from the drained masters on: the gate, the outage that is watched, the proof, the deletions.
//!
//! Before the cut-over nothing is done that cannot be left as it is; after it nothing is restarted or taken back. Each wait has a limit.

mod stages;
#[cfg(test)]
mod tests;
mod waiting;

use super::attend::{Attention, CarryError, Observer};
use super::client::Client;
use super::clock::Clock;
use super::program::Programs;
use crate::ack::execution::{Entry, Record, Stage, State, TaskState};
use crate::execution::ack_dir::{AckDirError, AckWriter};
use crate::runner::Outcome;
use std::collections::BTreeMap;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

/// Why it goes no further.
pub(super) enum Halt {
    /// A stop was asked for, and nothing has been begun.
    Stop,
    /// The process leaves; it can be resumed.
    Leave { why: String, remedy: String, limit: Option<&'static str> },
    /// It is over.
    Over { outcome: Outcome, reason: Option<&'static str>, message: String, remedy: String },
    /// The journal cannot be kept.
    Journal(AckDirError),
}

impl From<AckDirError> for Halt {
    fn from(e: AckDirError) -> Halt {
        Halt::Journal(e)
    }
}

/// How a process leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is over.
    Ended(Outcome),
    /// It can be resumed.
    Interrupted,
}

/// Carries a migration on from where its journal stands, to its end or to where it must leave. The masters are drained already.
///
/// # Errors
/// The journal cannot be kept, or signals cannot be awaited.
pub async fn carry(
    client: &Client,
    programs: &Programs,
    journal: &mut AckWriter,
    state: State,
    clock: Clock,
    observer: &mut dyn Observer<Entry>,
) -> Result<End, CarryError> {
    let attention = Attention::new().map_err(CarryError::Signals)?;
    let mut carrier = Carrier {
        client,
        programs,
        journal,
        state,
        clock,
        observer,
        attention,
        asking: None,
        ask_next: Instant::now(),
        ask_problem: String::new(),
        saw_back: false,
        noted: false,
        renewals: BTreeMap::new(),
    };
    let ran = carrier.run().await;
    if let Some(task) = carrier.asking.take() {
        task.abort();
        // It must have been dropped before it can be waited for what it has asked to end.
        let _ = task.await;
    }
    programs.finish().await;
    let end = match ran {
        Ok(()) => End::Ended(Outcome::Completed),
        Err(Halt::Stop) => {
            let way_back = carrier.state.way_back();
            carrier.write(Record::StopAsked)?;
            carrier.write(Record::Ended {
                outcome: Outcome::Stopped,
                reason: None,
                message: "stopped as asked before the migration was begun; the masters stay cordoned".to_owned(),
                remedy: way_back,
            })?;
            End::Ended(Outcome::Stopped)
        }
        Err(Halt::Leave { why, remedy, limit }) => {
            carrier.write(Record::Interrupted { why, remedy, limit: limit.map(str::to_owned) })?;
            End::Interrupted
        }
        Err(Halt::Over { outcome, reason, message, remedy }) => {
            carrier.write(Record::Ended { outcome, reason: reason.map(str::to_owned), message, remedy })?;
            End::Ended(outcome)
        }
        Err(Halt::Journal(e)) => return Err(e.into()),
    };
    Ok(end)
}

/// A process at work.
struct Carrier<'a> {
    client: &'a Client,
    programs: &'a Programs,
    journal: &'a mut AckWriter,
    state: State,
    clock: Clock,
    observer: &'a mut dyn Observer<Entry>,
    attention: Attention,
    /// The task is being asked for.
    asking: Option<JoinHandle<Result<TaskState, String>>>,
    /// When it is asked for next.
    ask_next: Instant,
    /// Why it could not be asked for, as it was said last.
    ask_problem: String,
    /// This process saw the API server come back, and has watched since.
    saw_back: bool,
    /// This process has noted what there is.
    noted: bool,
    /// Of each master, when its Lease was renewed last, and how many renewals were seen since the API server is back.
    renewals: BTreeMap<String, (String, u32)>,
}

impl Carrier<'_> {
    async fn run(&mut self) -> Result<(), Halt> {
        loop {
            match self.state.stage {
                // The drain has a session of its own.
                Stage::Drain | Stage::Ended => return Ok(()),
                Stage::Inventory => self.inventory().await?,
                Stage::Gate => self.gate().await?,
                Stage::Away => self.away().await?,
                Stage::Prove => self.prove().await?,
                Stage::Settle => self.settle().await?,
                Stage::Delete => self.delete().await?,
            }
        }
    }

    /// Writes an entry down, makes it safe, and says it.
    fn write(&mut self, record: Record) -> Result<(), AckDirError> {
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

    /// Milliseconds since the execution began; never before what is written.
    fn now(&self) -> i64 {
        self.clock.now().max(self.state.t_ms)
    }
}

/// From one look at the API server to the next.
const PROBE: Duration = Duration::from_millis(250);
/// A look must be answered within so long.
const PROBE_WITHIN: Duration = Duration::from_secs(3);
/// From one look at the cluster to the next.
const LOOK: Duration = Duration::from_secs(1);
/// From one question about the task to the next.
const ASK: Duration = Duration::from_secs(5);
