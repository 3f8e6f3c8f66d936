//! The loop that joins a session to the world: what it asks for is done, what comes of it is handed back.

use super::client::Client;
use super::clock::Clock;
use super::program;
use crate::ops::journal_dir::{JournalDirError, JournalWriter};
use crate::runner::StopMode;
use crate::session::{End, Entry, Input, Output, Request, RequestId, Session};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Requests of others (`nodeferry stop`, `nodeferry approve`) are looked for so often.
const POLL: Duration = Duration::from_secs(1);
/// In the end, what was still sent may take so long.
const LAST: Duration = Duration::from_secs(5);

/// Somebody who is told what is written into the journal, after it was written.
pub trait Observer {
    /// An entry.
    fn entry(&mut self, entry: &Entry);
    /// Something that is not in the journal: for people, at once.
    fn say(&mut self, text: &str);
}

/// Why a session could not be carried on. Its journal is as safe as it was.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The journal.
    #[error("the journal cannot be kept, so nothing more is done: {0}")]
    Journal(#[from] JournalDirError),
    /// Signals.
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
}

/// Drives a session to its end.
///
/// # Errors
/// A journal that cannot be kept.
pub async fn drive(
    session: &mut Session,
    client: &Client,
    clock: Clock,
    journal: &mut JournalWriter,
    observer: &mut dyn Observer,
) -> Result<End, DriveError> {
    let (send, mut inputs) = mpsc::unbounded_channel();
    let mut driver = Driver { session, client, clock, journal, observer, open: BTreeMap::new(), send };
    let mut signals = Signals::new().map_err(DriveError::Signals)?;
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    driver.put(Input::Tick)?;
    let mut interrupts = 0;
    while driver.session.end().is_none() {
        let wakeup = driver.session.next_wakeup().map(|at| driver.clock.instant(at));
        let asleep = async {
            match wakeup {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            signal = signals.next() => driver.signal(signal, &mut interrupts)?,
            _ = poll.tick() => driver.requests()?,
            input = inputs.recv() => if let Some(input) = input { driver.put_answer(input)? },
            () = asleep => driver.put(Input::Tick)?,
        }
    }
    driver.finish().await;
    Ok(driver.session.end().cloned().unwrap_or_else(|| End::Interrupted(String::new())))
}

/// What is under way.
enum Open {
    /// An exchange or a program.
    Once(JoinHandle<()>),
    /// A watch.
    Watch(JoinHandle<()>),
}

struct Driver<'a> {
    session: &'a mut Session,
    client: &'a Client,
    clock: Clock,
    journal: &'a mut JournalWriter,
    observer: &'a mut dyn Observer,
    open: BTreeMap<RequestId, Open>,
    send: mpsc::UnboundedSender<Input>,
}

impl Driver<'_> {
    /// Puts an input in and does all that comes of it.
    fn put(&mut self, input: Input) -> Result<(), DriveError> {
        let mut out = Vec::new();
        self.session.handle(self.clock.now(), input, &mut out);
        while !out.is_empty() {
            let mut safe = None;
            for output in std::mem::take(&mut out) {
                match output {
                    Output::Append { entry, sync } => {
                        self.journal.append(&entry)?;
                        self.observer.entry(&entry);
                        if sync {
                            safe = Some(entry.seq);
                        }
                    }
                    Output::Send(id, request) => self.start(id, request),
                    Output::Cancel(id) => self.cancel(id),
                }
            }
            // One fsync for all that came out at once.
            if let Some(seq) = safe {
                self.journal.sync()?;
                self.session.handle(self.clock.now(), Input::Appended(seq), &mut out);
            }
        }
        Ok(())
    }

    /// The same for what a task brings: nothing of a watch that was cancelled is fed any more.
    fn put_answer(&mut self, input: Input) -> Result<(), DriveError> {
        let id = match &input {
            Input::Response(id, _) => *id,
            Input::Watch(id, _) => *id,
            _ => return self.put(input),
        };
        let wanted = match &input {
            Input::Response(..) => self.open.remove(&id).is_some(),
            _ => self.open.contains_key(&id),
        };
        if wanted { self.put(input) } else { Ok(()) }
    }

    fn start(&mut self, id: RequestId, request: Request) {
        let (client, send) = (self.client.clone(), self.send.clone());
        let open = match request {
            Request::Api(exchange) => Open::Once(tokio::spawn(async move {
                let response = client.perform(&exchange).await;
                let _ = send.send(Input::Response(id, response));
            })),
            Request::Run(program) => Open::Once(tokio::spawn(async move {
                let response = program::run(&program).await;
                let _ = send.send(Input::Response(id, response));
            })),
            Request::Watch { resource, resource_version } => Open::Watch(tokio::spawn(async move {
                let hand_on = |event| drop(send.send(Input::Watch(id, event)));
                client.watch(&resource, &resource_version, hand_on).await;
            })),
        };
        self.open.insert(id, open);
    }

    fn cancel(&mut self, id: RequestId) {
        if let Some(Open::Once(task) | Open::Watch(task)) = self.open.remove(&id) {
            task.abort();
        }
    }

    fn signal(&mut self, signal: Signal, interrupts: &mut u32) -> Result<(), DriveError> {
        match signal {
            Signal::Interrupt if *interrupts == 0 => {
                *interrupts = 1;
                self.observer.say(
                    "Stopping in order: what has begun is brought to an end, nothing new begins. Ctrl-C again to leave at once (it can be resumed).",
                );
                self.put(Input::Stop(StopMode { terminate_drained: None }))
            }
            Signal::Interrupt => self.put(Input::Interrupt("interrupted twice (Ctrl-C)".into())),
            Signal::Terminate => self.put(Input::Interrupt("the process was asked to end (SIGTERM)".into())),
        }
    }

    /// Takes up what was asked from another terminal. It is taken away once the journal has it safe, and not before.
    fn requests(&mut self) -> Result<(), DriveError> {
        let (orders, refused) = match self.journal.dir().asked() {
            Ok(asked) => asked,
            Err(e) => {
                self.observer.say(&e.to_string());
                return Ok(());
            }
        };
        refused.iter().for_each(|why| self.observer.say(why));
        for asked in orders {
            self.put(asked.order.input())?;
            self.journal.dir().taken(&asked)?;
        }
        Ok(())
    }

    /// Lets what was sent last (the Lease's release) arrive.
    async fn finish(&mut self) {
        let mut last = Vec::new();
        for (_, open) in std::mem::take(&mut self.open) {
            match open {
                Open::Once(task) => last.push(task),
                Open::Watch(task) => task.abort(),
            }
        }
        let aborts: Vec<_> = last.iter().map(JoinHandle::abort_handle).collect();
        if tokio::time::timeout(LAST, futures::future::join_all(last)).await.is_err() {
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
    }
}

/// Somebody wants us to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// `kill`.
    Terminate,
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }
    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals)
    }
    async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}
