//! The loop that joins a session to the world: what it asks for is done, what comes of it is handed back.

use super::client::Client;
use super::clock::Clock;
use super::program::Programs;
use crate::execution::journal_dir::{JournalDirError, JournalWriter};
use crate::runner::StopMode;
use crate::session::{End, Entry, Input, Output, Request, RequestId, Response, Session};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Requests of others (`nodeferry stop`, `nodeferry approve`) are looked for so often.
const POLL: Duration = Duration::from_secs(1);
/// The API server's clock must have moved against ours by more than this for the session to hear of it: it says whole seconds.
const WORTH_MS: i64 = 1_500;
/// What was to leave longer ago than this does not: the process stood still meanwhile, and what it was decided on may not be so any more.
const LEAVES_MS: i64 = 3_000;
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
    programs: &Programs,
    clock: Clock,
    journal: &mut JournalWriter,
    observer: &mut dyn Observer,
) -> Result<End, DriveError> {
    let (send, mut inputs) = mpsc::unbounded_channel();
    let mut driver =
        Driver { session, client, programs, clock, journal, observer, open: BTreeMap::new(), send, ahead_ms: 0 };
    driver.clocks()?;
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
    programs: &'a Programs,
    clock: Clock,
    journal: &'a mut JournalWriter,
    observer: &'a mut dyn Observer,
    open: BTreeMap<RequestId, Open>,
    /// By how much the API server's clock is ahead of ours, as the session knows it.
    ahead_ms: i64,
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
        self.clocks()?;
        if wanted { self.put(input) } else { Ok(()) }
    }

    /// Says by how much the API server's clock and ours differ, where that has changed.
    fn clocks(&mut self) -> Result<(), DriveError> {
        let Some(ahead) = self.client.server_ahead_ms() else { return Ok(()) };
        // Both count on from the same start, but for a journal whose time had come further than this machine's.
        let ahead = ahead.saturating_add(crate::live::clock::counted_unix_ms()).saturating_sub(self.clock.unix_ms());
        if ahead.saturating_sub(self.ahead_ms).saturating_abs() < WORTH_MS || self.session.end().is_some() {
            return Ok(());
        }
        self.ahead_ms = ahead;
        self.put(Input::ServerAhead(ahead))
    }

    fn start(&mut self, id: RequestId, request: Request) {
        let (client, send, clock) = (self.client.clone(), self.send.clone(), self.clock);
        let left = clock.now();
        let open = match request {
            Request::Api(exchange) => Open::Once(tokio::spawn(async move {
                let response = match exchange.writes() && clock.now() > left.saturating_add(LEAVES_MS) {
                    true => Response::Lost("it was not sent: the process stood still when it was to leave".into()),
                    false => client.perform(&exchange).await,
                };
                let _ = send.send(Input::Response(id, response));
            })),
            Request::Run(program) => {
                let programs = self.programs.clone();
                Open::Once(tokio::spawn(async move {
                    let response = programs.run(&program).await;
                    let _ = send.send(Input::Response(id, response));
                }))
            }
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
            Signal::Terminate(name) => self.put(Input::Interrupt(format!("the process was asked to end ({name})"))),
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
            // What comes too late for this process is for the next one.
            if self.session.is_leaving() {
                break;
            }
            match asked.order.input() {
                Some(input) => self.put(input)?,
                None => {
                    self.observer.say("there are no gates of a transfer here; batches are approved by their number")
                }
            }
            self.journal.dir().taken(&asked)?;
        }
        Ok(())
    }

    /// Lets what was sent last (the Lease's release) arrive, and ends the programs that still run.
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
            // They must have been dropped before it can be waited for what they have asked to end.
            while aborts.iter().any(|a| !a.is_finished()) {
                tokio::task::yield_now().await;
            }
        }
        self.programs.finish().await;
    }
}

/// Somebody wants us to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// `kill`, or a terminal that was closed.
    Terminate(&'static str),
}

#[cfg(unix)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate("SIGTERM"),
            _ = self.hang_up.recv() => Signal::Terminate("SIGHUP"),
        }
    }
}

#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> std::io::Result<Signals> {
        Ok(Signals)
    }
    pub(super) async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::journal_dir::{JournalDir, Order};
    use crate::intent::Options;
    use crate::live::testing::{Server, ok, runtime, status};
    use crate::plan::{Baseline, Plan};
    use crate::session::journal::{JOURNAL_VERSION, Record, fold};
    use crate::session::{Began, ProcessId, Setup};
    use serde_json::json;

    struct Heard(Vec<String>);

    impl Observer for Heard {
        fn entry(&mut self, entry: &Entry) {
            self.0.push(serde_json::to_value(entry).expect("JSON")["record"].as_str().unwrap_or_default().to_owned());
        }
        fn say(&mut self, text: &str) {
            self.0.push(text.to_owned());
        }
    }

    fn setup() -> Setup {
        let intent = serde_json::from_value(json!({"batches": [], "options": Options::default()})).expect("an intent");
        let began = Began {
            journal_version: JOURNAL_VERSION,
            nodeferry: "0".into(),
            execution: "run-1".into(),
            cluster: "u-1".into(),
            context: "test".into(),
            unix_ms: crate::live::clock::unix_ms(),
            plan_sha256: String::new(),
            pass_env: Vec::new(),
            plan: Plan::new(intent, Baseline::default()),
        };
        Setup {
            began,
            background: Vec::new(),
            namespace: "kube-system".into(),
            process: ProcessId::new("here", "", 1, ""),
            dead: None,
            resumed: None,
            page: 500,
        }
    }

    /// Drives a session that an API answers so; with orders that were placed before.
    fn driven(
        answer: impl Fn(&str) -> String + Send + Sync + 'static,
        orders: &[Order],
    ) -> (End, Vec<String>, JournalDir, tempfile::TempDir) {
        let tmp = tempfile::tempdir().expect("a directory");
        let dir = JournalDir::at(tmp.path().join("j"));
        let mut journal = dir.create().expect("a journal");
        orders.iter().for_each(|o| drop(dir.ask(o).expect("an order")));
        let setup = setup();
        let clock = Clock::since(setup.began.unix_ms, 0);
        let mut heard = Heard(Vec::new());
        let end = runtime().block_on(async {
            let server = Server::answering(answer).await;
            let client = Client::plain(&server.url, Duration::from_secs(5));
            let programs = Programs::unrecorded(&[]);
            drive(&mut Session::new(setup), &client, &programs, clock, &mut journal, &mut heard)
                .await
                .expect("a journal that is kept")
        });
        (end, heard.0, dir, tmp)
    }

    #[test]
    fn credentials_that_are_not_known_end_it_and_the_journal_says_so() {
        let (end, heard, dir, _tmp) = driven(|_| status(401, "Unauthorized"), &[]);
        let End::Refused(why) = end else { panic!("{end:?}") };
        assert!(why.contains("401"), "{why}");
        assert_eq!(heard[0], "began");
        let journal = dir.read().expect("a journal");
        assert_eq!(journal.entries.len(), heard.len());
        let (began, resumed) = fold(&journal.entries).expect("it folds");
        assert_eq!((began.execution.as_str(), resumed.ended), ("run-1", None));
    }

    #[test]
    fn another_execution_keeps_us_out() {
        let (end, ..) = driven(
            |_| {
                let now = crate::snapshot::time::format_rfc3339(crate::live::clock::unix_ms(), 6);
                let meta = json!({"name": "nodeferry", "namespace": "kube-system", "resourceVersion": "1"});
                ok(&json!({"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": meta,
                    "spec": {"holderIdentity": "other", "leaseDurationSeconds": 30, "renewTime": now}}))
            },
            &[],
        );
        assert!(matches!(&end, End::Refused(why) if why.contains("execution other holds the Lease")), "{end:?}");
    }

    #[test]
    fn an_order_from_another_terminal_is_taken_up_and_taken_away() {
        // What is read together with the order to leave is not heard any more: it stays for the next process.
        let late = Order::Approve { batch: 1, by: "ada".into() };
        let orders = [Order::Interrupt { why: "enough".into() }, late.clone()];
        let (end, _, dir, _tmp) = driven(|_| status(503, "away"), &orders);
        assert_eq!(end, End::Interrupted("enough".into()));
        assert_eq!(dir.pending().expect("readable"), [late]);
        let last = dir.read().expect("a journal").entries.pop().expect("an entry");
        assert!(matches!(last.record, Record::Interrupted { .. }), "{last:?}");
    }
}
