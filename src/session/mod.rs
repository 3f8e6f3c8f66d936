//! A run against an API, still PURE: answers, watch events and timers in; requests and journal entries out.
//!
//! A [`Session`] drives the same [`crate::runner::Runner`] that the simulator drives. It keeps a mirror of the cluster,
//! turns the runner's calls into requests and their answers back, and lets a request that changes something leave only
//! after the entry that announces it is safe on disk.

pub(crate) mod answer;
pub mod api;
mod backoff;
pub(crate) mod calls;
mod holder;
pub mod journal;
pub(crate) mod lease;
pub(crate) mod mirror;
pub(crate) mod observe;
mod outage;
mod pace;
pub(crate) mod reflect;
mod rights;
mod settling;
#[cfg(test)]
mod tests;

pub use api::{Exchange, Foreign, Input, Method, Output, Program, Request, RequestId, Resource, Response, WatchEvent};
pub use calls::CORDONED_BY;
pub(crate) use calls::RETIRE;
pub use holder::{Holder, LEASE, ProcessId};
pub use journal::{Began, Entry, Record};

use crate::intent::{Intent, NodeId};
use crate::plan::Plan;
use crate::runner::GroupPacker;
use crate::runner::common::{Common, Demand};
use crate::runner::interface::Input as RunnerInput;
use crate::runner::{
    Announcement, Answer, Call, CallId, Failure, Fate, Ms, Outbox, Outcome, Output as RunnerOutput, Progress, Runner,
    StopMode,
};
use crate::trace::Event;
use answer::{Answered, Wanted};
use api::{FOLLOWED, NODES, PODS};
use backoff::Backoff;
use calls::{At, Next, Terms};
use journal::ProgressLog;
use lease::Lease;
use mirror::{Known, Mirror};
use observe::Observer;
use outage::Outage;
use reflect::{Follower, Trouble};
use rights::{Matter, OPEN_MS, Rights};
use settling::Settling;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Rounds of one input after which a session is taken to be spinning.
const MOST_ROUNDS: u32 = 10_000;
/// The view is renewed at once in a small cluster; in a large one so many objects make it wait one millisecond.
const OBJECTS_PER_MS: usize = 100;
/// A machine is not given back on what was seen longer ago than this; it is looked at again (C).
const STALE_MS: Ms = 1000;
/// Pods that wait for a node are looked for so often, where budgets hold evictions back (C).
const PENDING_MS: Ms = 30_000;
/// How long the Lease's return is waited for.
const RELEASE_MS: Ms = 5000;

/// What a session is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The first entry of its journal: plan, cluster, name of the execution, beginning.
    pub began: Began,
    /// Objects of the cluster that are not followed but that the plan's packing needs: storage classes, volumes, custom owners.
    pub background: Vec<serde_json::Value>,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Which process it is; the Lease names it.
    pub process: ProcessId,
    /// A holder of the Lease that is known to be dead, all that the Lease says of it: it is not waited for.
    pub dead: Option<String>,
    /// What a journal says of an execution that goes on; None for one that begins.
    pub resumed: Option<Resumed>,
    /// Objects of one page of a list.
    pub page: u32,
}

/// What a journal says of an execution, all entries folded.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// Sequence number of the next entry.
    pub next_seq: u64,
    /// The runner's progress; None if the process died before it had begun.
    pub progress: Option<Progress>,
    /// Time of the latest entry.
    pub t_ms: Ms,
    /// Batches that were approved, and by whom.
    pub approved: std::collections::BTreeMap<u32, String>,
    /// uids of the nodes that were given back, or were about to be: they no longer count as their groups'.
    pub retiring: BTreeSet<String>,
    /// The latest orderly stop that was asked for; the progress may not know of it yet.
    pub stop: Option<StopMode>,
    /// How it ended, if it did: nothing is left to do.
    pub ended: Option<(Outcome, Option<Failure>)>,
}

/// How a session is over.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The migration is over.
    Finished(Outcome, Option<Failure>),
    /// It cannot begin or go on: what, why and what to do. Nothing was changed by this process.
    Refused(String),
    /// It was interrupted, and can be resumed.
    Interrupted(String),
}

/// Who waits for a response.
#[derive(Clone, Debug, PartialEq)]
enum Asker {
    Lease,
    List(usize),
    Watch(usize),
    Call(CallId),
    /// A demand's program that is run again.
    Standing(String),
}

/// A call of the runner on its way.
#[derive(Debug)]
struct Open {
    op: Call,
    state: CallState,
    conflicts: u32,
    /// It was refused for lack of rights, and is tried again.
    probes: bool,
    /// The entry that announces it.
    seq: u64,
    /// What an eviction's answer will tell the trace.
    about: Option<Event>,
}

#[derive(Debug)]
enum CallState {
    Begins(Ms),
    Asked(At),
    Answers(Ms, Answer),
    Parked,
}

/// A demand for nodes whose program is run again until they are there.
#[derive(Debug)]
struct Standing {
    op: Call,
    seq: u64,
    next_at: Ms,
    asked: bool,
}

/// A request that waits until its entry is safe, and until the Lease is ours.
#[derive(Debug)]
struct Held {
    seq: u64,
    id: RequestId,
    request: Request,
    /// Since when it waits.
    since: Ms,
}

/// An execution of a plan against an API.
pub struct Session {
    began: Began,
    intent: Arc<Intent>,
    page: u32,
    now: Ms,
    begun: bool,
    mirror: Mirror,
    followers: Vec<Follower>,
    lease: Lease,
    runner: Option<Runner>,
    resumed: Option<Resumed>,
    /// A process before this one had begun to act.
    acted: bool,
    observer: Observer,
    log: ProgressLog,
    approved: BTreeMap<u32, String>,
    stop: Option<StopMode>,
    calls: BTreeMap<CallId, Open>,
    standing: BTreeMap<String, Standing>,
    retiring: BTreeSet<String>,
    /// Versions of cordoned nodes, by uid, from just before their pods were listed.
    looked: BTreeMap<String, String>,
    /// Requests under way: who waits for each, and what its answer must be.
    asked: BTreeMap<RequestId, (Asker, Wanted)>,
    held: VecDeque<Held>,
    next_request: u64,
    next_seq: u64,
    /// Entries below this number are safe.
    safe: u64,
    dirty_since: Option<Ms>,
    settling: Settling,
    /// Answers that do not come.
    outage: Outage,
    /// Answers that are none.
    foreign: Outage,
    backoff: Backoff,
    /// What we are not allowed to do at present.
    rights: Rights,
    /// By how much the API server's clock is ahead of ours, as it was said last.
    said_ahead: Ms,
    /// What was said last of pods that wait for a node, and when it is looked at again.
    said_pending: (String, Ms),
    /// It is over once this entry is safe and the Lease is given back, or this moment has come.
    ending: Option<(u64, End, Ms)>,
    end: Option<End>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("now", &self.now).field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Session {
    /// A session that has not begun; it begins at the first input (a [`Input::Tick`]).
    pub fn new(setup: Setup) -> Session {
        let Setup { began, background, namespace, process, dead, resumed, page } = setup;
        let intent = Arc::new(began.plan.intent.clone());
        let page = page.max(1);
        Session {
            page,
            now: resumed.as_ref().map_or(0, |r| r.t_ms),
            begun: false,
            mirror: Mirror::new(began.unix_ms, background, &intent.groups),
            followers: followers(&began.plan, page, seed_of(&process.identity(&began.execution))),
            lease: Lease::new(&namespace, &began.execution, &process, began.unix_ms).with_dead(dead),
            runner: None,
            observer: Observer::default(),
            log: ProgressLog::new(),
            approved: resumed.as_ref().map(|r| r.approved.clone()).unwrap_or_default(),
            stop: resumed.as_ref().and_then(|r| r.stop),
            calls: BTreeMap::new(),
            standing: BTreeMap::new(),
            retiring: resumed.as_ref().map(|r| r.retiring.clone()).unwrap_or_default(),
            looked: BTreeMap::new(),
            asked: BTreeMap::new(),
            held: VecDeque::new(),
            next_request: 0,
            next_seq: resumed.as_ref().map_or(0, |r| r.next_seq),
            safe: resumed.as_ref().map_or(0, |r| r.next_seq),
            dirty_since: None,
            settling: Settling::default(),
            outage: Outage::SILENCE,
            foreign: Outage::FOREIGN,
            backoff: Backoff::default(),
            rights: Rights::default(),
            said_ahead: 0,
            said_pending: (String::new(), 0),
            ending: None,
            end: None,
            acted: resumed.as_ref().is_some_and(|r| r.progress.is_some()),
            resumed,
            intent,
            began,
        }
    }
    /// Whether its last entry was put out: nothing that is asked of it is heard any more.
    pub fn is_leaving(&self) -> bool {
        self.ending.is_some()
    }
    /// How it is over; the driver performs what is still in the outbox, then leaves.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }
    /// The objects of a kind that it knows of: namespace, name and uid of each.
    pub(crate) fn known(&self, resource: Resource) -> BTreeSet<(String, String, String)> {
        let of = |o| {
            (
                mirror::text(o, "/metadata/namespace").into(),
                mirror::text(o, "/metadata/name").into(),
                mirror::uid(o).into(),
            )
        };
        self.mirror.objects_of(resource).map(of).collect()
    }

    /// The runner's progress, once there is a runner.
    pub fn progress(&self) -> Option<&Progress> {
        self.runner.as_ref().map(Runner::progress)
    }

    /// Takes an input at `now` (ms since the execution began; never goes back) and puts out what is to be done, in order.
    pub fn handle(&mut self, now: Ms, input: Input, out: &mut Vec<Output>) {
        if self.end.is_some() {
            return;
        }
        self.now = self.now.max(now);
        if !std::mem::replace(&mut self.begun, true) {
            self.begin(out);
        }
        self.take(input, out);
        for round in 0..MOST_ROUNDS {
            if !self.work(out) || self.end.is_some() {
                break;
            }
            if round + 1 == MOST_ROUNDS {
                self.leave(
                    End::Interrupted("the same moment was handled too many times; please report it".into()),
                    out,
                );
            }
        }
        self.release(out);
        self.part(out);
    }
    /// When the driver must call again at the latest.
    pub fn next_wakeup(&self) -> Option<Ms> {
        if self.end.is_some() {
            return None;
        }
        // Nothing else is worked on any more: to be woken for it would be to spin. As long as the last entry is not
        // safe, only the disk is waited for, with the Lease renewed.
        if let Some((seq, _, until)) = &self.ending {
            let until = (self.safe > *seq).then_some(*until);
            return self.lease.next_at().into_iter().chain(until).min().map(|t| t.max(self.now));
        }
        let calls = self.calls.iter().filter_map(|(id, c)| match &c.state {
            CallState::Begins(at) => self.begins_at(*id, *at),
            CallState::Answers(at, _) => Some(*at),
            _ => None,
        });
        let followers = self.followers.iter().filter_map(Follower::next_at).filter(|_| self.lease.is_ours(self.now));
        let standing = self.standing.values().filter(|s| !s.asked && !self.rights.are_lacking()).map(|s| s.next_at);
        let runner = self.runner.as_ref().and_then(Runner::next_wakeup);
        let renewal = self.dirty_since.filter(|_| self.is_listed()).map(|t| t + self.patience());
        let times = calls.chain(followers).chain(standing).chain(self.lease.next_at());
        let limit = self.rights.limit(self.intent.options.execution.rights_timeout_ms());
        let opened =
            self.rights.watches().filter_map(|i| self.followers[i].watches()).map(|(since, _)| since + OPEN_MS);
        let others = [runner, renewal, limit].into_iter().flatten().chain(opened);
        times.chain(others).min().map(|t| t.max(self.now))
    }

    // --- the beginning ---

    fn begin(&mut self, out: &mut Vec<Output>) {
        let record = match &self.resumed {
            None => Record::Began(Box::new(self.began.clone())),
            Some(_) => {
                Record::Resumed { nodeferry: env!("CARGO_PKG_VERSION").into(), unix_ms: self.began.unix_ms + self.now }
            }
        };
        self.append(record, true, out);
    }
    fn is_listed(&self) -> bool {
        self.followers.iter().all(|f| f.listed)
    }
    /// The first complete view: the run begins, or goes on.
    fn enter(&mut self, out: &mut Vec<Output>) -> Result<(), String> {
        let Some(view) = self.mirror.view() else { return Ok(()) };
        let packer = GroupPacker::of_procedure(view, &self.intent.options);
        let going_on = self.resumed.as_mut().and_then(|r| r.progress.take());
        let resumed = going_on.is_some();
        let mut runner = match going_on {
            Some(progress) => Runner::resume(self.intent.clone(), progress, view, packer)?,
            None => Runner::new(self.intent.clone(), view, packer)?,
        }
        .with_start(self.began.unix_ms);
        // Its journal may not have all that the execution did: somebody may have gone on from a copy of it.
        let marked = self.mirror.objects_of(NODES).filter(|n| calls::is_cordoned_by(n, &self.began.execution));
        runner.claim_cordons(&marked.map(mirror::uid).collect());
        let lost = runner.open_calls();
        let old: BTreeSet<String> = self.intent.batches.iter().flatten().map(|n| n.uid.clone()).collect();
        let events = if resumed { Vec::new() } else { Observer::start(view, &old) };
        self.observer.resume(runner.progress());
        self.runner = Some(runner);
        self.tell(events, out);
        // Calls of the process before are lost: whether they had their effect is seen when they are made again.
        for id in lost {
            self.feed(RunnerInput::Answer(id, Answer::Unknown), out);
        }
        if let Some(mode) = self.stop {
            self.feed(RunnerInput::Stop(mode), out);
        }
        self.feed(RunnerInput::Tick, out);
        Ok(())
    }

    // --- inputs ---

    fn take(&mut self, input: Input, out: &mut Vec<Output>) {
        // Once the last entry is written, only what concerns it and the Lease is heard.
        let heard = match &input {
            Input::Appended(_) => true,
            Input::Response(id, _) => matches!(self.asked.get(id), Some((Asker::Lease, _))),
            _ => false,
        };
        if self.ending.is_some() && !heard {
            return;
        }
        match input {
            Input::Tick => {}
            Input::Appended(seq) => self.safe = self.safe.max(seq + 1),
            Input::Interrupt(why) => self.leave(End::Interrupted(why), out),
            Input::ServerAhead(ms) => self.clocks(ms, out),
            Input::Stop(mode) => {
                self.append(Record::StopAsked(mode), true, out);
                self.stop = Some(mode);
                if self.runner.is_some() {
                    self.feed(RunnerInput::Stop(mode), out);
                }
            }
            Input::Approve { batch, by } => {
                self.append(Record::Approved { batch, by: by.clone() }, true, out);
                self.approved.insert(batch, by);
                let now = self.now;
                for c in self.calls.values_mut().filter(|c| c.op == Call::AwaitApproval { batch }) {
                    c.state = CallState::Answers(now, Answer::Accepted);
                }
            }
            Input::Watch(id, event) => self.watched(id, event, out),
            Input::Response(id, response) => self.answered(id, response, out),
        }
    }
    fn watched(&mut self, id: RequestId, event: WatchEvent, out: &mut Vec<Output>) {
        let Some((Asker::Watch(i), _)) = self.asked.get(&id) else { return };
        let i = *i;
        let event = self.settling.watched(self.now, answer::watched(&FOLLOWED[i], event));
        if let WatchEvent::Foreign(why) = &event {
            self.is_foreign(&format!("watch {}: {why}", FOLLOWED[i].plural), out);
        }
        let over = event.is_last();
        let result = self.followers[i].watched(self.now, id, event, &mut self.mirror);
        // What it said was not believed: another watch takes over.
        let left = !over && result.is_ok() && !self.followers[i].is_watching(id);
        if left {
            out.push(Output::Cancel(id));
        }
        if over || left {
            self.asked.remove(&id);
        }
        self.followed(i, out);
        self.refused(i, true, result, out);
    }
    /// An answer: read as what was asked for, before anybody hears of it.
    fn answered(&mut self, id: RequestId, response: Response, out: &mut Vec<Output>) {
        let Some((asker, wanted)) = self.asked.remove(&id) else { return };
        let mut answered = wanted.read(response);
        // What becomes of a program says nothing of the API server.
        if !wanted.is_program() {
            // What an API server refuses that has just come back counts as 503; a call that lacks rights waits for them in either case.
            if !self.lacks_rights(&asker, &answered) {
                answered = self.settling.answered(self.now, answered);
            }
            self.recovered(&answered, out);
            self.in_trouble(&asker, &wanted, &answered, out);
        }
        if !wanted.is_program() && self.is_refused(&asker, &wanted, &answered, out) {
            return;
        }
        match asker {
            Asker::Lease => {
                if let Err(taken) = self.lease.answered(self.now, answered) {
                    self.taken(taken.0, out);
                }
                if let Some(text) = self.lease.take_note() {
                    self.append(Record::Note { text }, false, out);
                }
            }
            Asker::List(i) => self.listed(i, answered, out),
            Asker::Watch(_) => {}
            Asker::Call(id) => self.responded(id, answered, out),
            Asker::Standing(key) => self.stands(&key, answered, out),
        }
    }
    /// Tells of an answer that did not come, or was none, and of a server that has no time for lists and Leases; what it
    /// says to calls they tell themselves.
    fn in_trouble(&mut self, asker: &Asker, wanted: &Wanted, answered: &Answered, out: &mut Vec<Output>) {
        let what = &wanted.words;
        match answered {
            Answered::Unknown(u) if u.foreign => self.is_foreign(&format!("{what}: {}", u.why), out),
            Answered::Unknown(u) => self.is_silent(&format!("{what}: {}", u.why), out),
            Answered::Refused(r) if matches!(r.code, 429 | 500..) && matches!(asker, Asker::Lease | Asker::List(_)) => {
                self.is_silent(&format!("{what}: {}: {}", r.code, r.message), out);
            }
            _ => {}
        }
    }
    fn is_silent(&mut self, what: &str, out: &mut Vec<Output>) {
        if let Some(text) = self.outage.trouble(self.now, what) {
            self.append(Record::Note { text }, false, out);
        }
    }
    fn is_foreign(&mut self, what: &str, out: &mut Vec<Output>) {
        if let Some(text) = self.foreign.trouble(self.now, what) {
            self.append(Record::Note { text }, false, out);
        }
    }
    /// Tells it when the API server answers again after it did not.
    fn recovered(&mut self, answered: &Answered, out: &mut Vec<Output>) {
        // A server that has no time for us is still in trouble, though it says so.
        let answers = match answered {
            Answered::Unknown(_) => false,
            Answered::Refused(r) => r.code < 500 && r.code != 429,
            _ => true,
        };
        if answers {
            let told = [self.outage.answered(self.now), self.foreign.answered(self.now)];
            for text in told.into_iter().flatten() {
                self.append(Record::Note { text }, false, out);
            }
        }
    }
    fn listed(&mut self, i: usize, answered: Answered, out: &mut Vec<Output>) {
        match self.followers[i].answered(self.now, answered, &mut self.mirror) {
            Ok(followed) => {
                if let Some(text) = followed.note {
                    self.append(Record::Note { text }, false, out);
                }
                if let Some(lie) = followed.lie {
                    self.is_foreign(&lie, out);
                }
                if let Some(request) = followed.ask {
                    let id = self.ask(Asker::List(i), request, out);
                    self.followers[i].sent_next(id);
                }
            }
            Err(trouble) => self.refused(i, false, Err(trouble), out),
        }
        self.followed(i, out);
    }
    /// What a follower has to say.
    fn followed(&mut self, i: usize, out: &mut Vec<Output>) {
        if let Some(text) = self.followers[i].take_note() {
            self.append(Record::Note { text }, false, out);
        }
    }
    fn refused(&mut self, follower: usize, watches: bool, result: Result<(), Trouble>, out: &mut Vec<Output>) {
        let Err(Trouble::Refused(status, message)) = result else { return };
        let what = FOLLOWED[follower].plural;
        let (matter, verb) = match watches {
            true => (Matter::Watch(follower), "watch"),
            false => (Matter::List(follower), "list"),
        };
        self.lacks(matter, status, &format!("{verb} {what}"), &message, out);
    }

    // --- rights ---

    /// Whether a call of the runner is refused for lack of rights.
    fn lacks_rights(&self, asker: &Asker, answered: &Answered) -> bool {
        let (Asker::Call(id), Answered::Refused(r)) = (asker, answered) else { return false };
        let writes = |c: &Open| matches!(c.state, CallState::Asked(At::Write | At::Object));
        self.calls.get(id).is_some_and(|c| r.is_for_lack_of_rights(writes(c)))
    }

    /// Whether an answer is a refusal for lack of rights, or none any more. If it is, whoever asked asks again later.
    fn is_refused(&mut self, asker: &Asker, wanted: &Wanted, answered: &Answered, out: &mut Vec<Output>) -> bool {
        let call = match asker {
            Asker::Call(id) => Some(*id),
            _ => None,
        };
        let matter = match (asker, call.and_then(|id| self.calls.get(&id))) {
            (Asker::Lease, _) => Matter::Lease,
            (Asker::List(i), _) => Matter::List(*i),
            (_, Some(open)) => Matter::Calls(sort_of(&open.op)),
            _ => return false,
        };
        let lacks = match answered {
            Answered::Unknown(_) => return false,
            // Whoever refuses the Lease, be it a policy: without it nothing can be sent. A conflict is another matter.
            Answered::Refused(r) if *asker == Asker::Lease => {
                (400..500).contains(&r.code) && !matches!(r.code, 409 | 429)
            }
            Answered::Refused(r) if matches!(asker, Asker::List(_)) => r.is_for_lack_of_rights(false),
            _ => self.lacks_rights(asker, answered),
        };
        let refusal = match answered {
            Answered::Refused(r) if lacks => r,
            // The server has no time for us, which says nothing of our rights.
            Answered::Refused(r) if r.code >= 500 || r.code == 429 => return false,
            _ => {
                if let Some(open) = call.and_then(|id| self.calls.get_mut(&id)) {
                    open.probes = false;
                }
                if let Some(lasted) = self.rights.allowed(self.now, &matter) {
                    self.is_allowed_again(lasted, out);
                }
                return false;
            }
        };
        // Lists and the Lease have times of their own at which they ask again.
        match (asker, call) {
            (Asker::Lease, _) => self.lacks(matter, refusal.code, &wanted.words, &refusal.message, out),
            (_, Some(id)) => {
                self.lacks(matter, refusal.code, &wanted.words, &refusal.message, out);
                let (now, waits) = (self.now, self.runner.as_ref().is_some_and(|r| r.open_calls().contains(&id)));
                match self.calls.get_mut(&id) {
                    Some(open) if waits => (open.state, open.probes) = (CallState::Begins(now), true),
                    _ => drop(self.calls.remove(&id)),
                }
                return true;
            }
            _ => {}
        }
        self.ending.is_some()
    }
    /// We may not do something: before anything was begun that ends it, and later it pauses.
    fn lacks(&mut self, matter: Matter, code: u16, what: &str, message: &str, out: &mut Vec<Output>) {
        let message = if message.is_empty() { String::new() } else { format!(": {message}") };
        let text = match code {
            401 => format!("the API server does not know us, asked to {what} (401{message})"),
            _ => format!("the API server does not let us {what} ({code}{message})"),
        };
        if self.runner.is_none() && !self.acted {
            return self.stopped_by(format!("{text}; {}", remedy(code)), out);
        }
        if self.rights.refused(self.now, matter, text.clone()) {
            let limit = self.intent.options.execution.rights_timeout_ms();
            let why = format!(
                "{text}. Nothing more is sent until it does; {}; in {} the process leaves, to be resumed",
                remedy(code),
                crate::trace::time::words(limit.max(0).unsigned_abs())
            );
            self.append(Record::Paused { why: Some(why) }, true, out);
        }
    }
    fn is_allowed_again(&mut self, lasted: Ms, out: &mut Vec<Output>) {
        self.append(Record::Paused { why: None }, false, out);
        let lasted = crate::trace::time::words(lasted.max(0).unsigned_abs());
        self.append(
            Record::Note { text: format!("the API server lets us again, after {lasted}: it goes on") },
            false,
            out,
        );
    }
    /// Looks after rights that are lacking; whether anything came of it.
    fn await_rights(&mut self, out: &mut Vec<Output>) -> bool {
        if !self.rights.are_lacking() {
            return false;
        }
        let calls: BTreeSet<String> = self.calls.values().filter(|c| c.probes).map(|c| sort_of(&c.op)).collect();
        let (followers, now) = (&self.followers, self.now);
        // A watch that stays open is allowed; what nobody asks for any more is nothing that we lack.
        let still = |m: &Matter| match m {
            Matter::Watch(i) => followers[*i].watches().is_none_or(|(since, heard)| !heard && now < since + OPEN_MS),
            Matter::Calls(sort) => calls.contains(sort),
            Matter::Lease | Matter::List(_) => true,
        };
        if let Some(lasted) = self.rights.keep(now, still) {
            self.is_allowed_again(lasted, out);
            return true;
        }
        let most = self.intent.options.execution.rights_timeout_ms();
        if self.rights.limit(most).is_some_and(|at| now >= at) {
            let why = format!(
                "{}; give the rights back (deploy/clusterrole-execute.yaml), or log in again",
                self.rights.words(now)
            );
            self.stopped_by(why, out);
            return true;
        }
        false
    }
    /// When a call begins that is to begin at a moment; None as long as it must not.
    fn begins_at(&self, id: CallId, at: Ms) -> Option<Ms> {
        if self.is_blocked(id) {
            return None;
        }
        if !self.rights.are_lacking() {
            return Some(at);
        }
        // Only what was refused is tried, and of each sort one at a time.
        let open = self.calls.get(&id).filter(|c| c.probes)?;
        let sort = sort_of(&open.op);
        let others = |c: &Open| c.probes && sort_of(&c.op) == sort;
        let is_first = self.calls.iter().filter(|(_, c)| others(c)).all(|(other, c)| {
            !matches!(c.state, CallState::Asked(..)) && (*other >= id || !matches!(c.state, CallState::Begins(_)))
        });
        self.rights.again_at(&sort).filter(|_| is_first).map(|again| again.max(at))
    }

    /// A budget holds an eviction back: pods that wait for a node are the likely cause of it, in the scheduler's words.
    fn say_pending(&mut self, out: &mut Vec<Output>) {
        if self.now < self.said_pending.1 {
            return;
        }
        self.said_pending.1 = self.now.saturating_add(PENDING_MS);
        let waits = |pod: &&serde_json::Value| {
            mirror::text(pod, "/spec/nodeName").is_empty() && pod.pointer("/metadata/deletionTimestamp").is_none()
        };
        let why = |pod: &serde_json::Value| {
            let conditions = pod.pointer("/status/conditions").and_then(serde_json::Value::as_array);
            let scheduled = conditions?.iter().find(|c| mirror::text(c, "/type") == "PodScheduled")?;
            Some(mirror::text(scheduled, "/message").to_owned()).filter(|m| !m.is_empty())
        };
        let pending: Vec<(String, String)> = self
            .mirror
            .objects_of(PODS)
            .filter(waits)
            .filter_map(|pod| {
                Some((
                    format!("{}/{}", mirror::text(pod, "/metadata/namespace"), mirror::text(pod, "/metadata/name")),
                    why(pod)?,
                ))
            })
            .collect();
        let Some((first, message)) = pending.first() else { return };
        let text = format!(
            "{} for a node, which may be why budgets hold others back: pod {first}: {message}",
            if pending.len() == 1 { "a pod waits".to_owned() } else { format!("{} pods wait", pending.len()) }
        );
        if text != self.said_pending.0 {
            self.said_pending.0.clone_from(&text);
            self.append(Record::Note { text }, false, out);
        }
    }

    // --- clocks ---

    /// Less is not worth a word: the API server says its time in whole seconds (C).
    fn clocks(&mut self, ahead_ms: Ms, out: &mut Vec<Output>) {
        const WORTH_MS: Ms = 2_000;
        self.lease.set_ahead(ahead_ms);
        if ahead_ms.saturating_sub(self.said_ahead).saturating_abs() < WORTH_MS {
            return;
        }
        self.said_ahead = ahead_ms;
        let by = crate::trace::time::words((ahead_ms.saturating_abs() / 1000 * 1000).unsigned_abs());
        let text = match ahead_ms {
            ..-1_999 => format!("this machine's clock is {by} ahead of the API server's"),
            2_000.. => format!("this machine's clock is {by} behind the API server's"),
            _ => "this machine's clock is the API server's again".to_owned(),
        };
        let text = format!(
            "{text}; the Lease is renewed with the API server's time, and ours counts from when a renewal has left"
        );
        self.append(Record::Note { text }, false, out);
    }

    // --- another process ---

    fn taken(&mut self, who: String, out: &mut Vec<Output>) {
        self.stopped_by(
            format!("{who}: two executions at once would undo each other's work; wait until it has ended, or stop it (nodeferry stop)"),
            out,
        );
    }
    /// Something outside ends this process's part: nothing begun yet, it is refused; else it can be resumed.
    fn stopped_by(&mut self, why: String, out: &mut Vec<Output>) {
        let end = if self.runner.is_none() && !self.acted { End::Refused(why) } else { End::Interrupted(why) };
        self.leave(end, out);
    }

    // --- work ---

    /// Does what can be done at this moment; whether anything was.
    fn work(&mut self, out: &mut Vec<Output>) -> bool {
        let mut moved = false;
        if let Some(exchange) = self.lease.due(self.now) {
            self.ask(Asker::Lease, Request::Api(exchange), out);
            moved = true;
        }
        if self.ending.is_some() {
            return moved;
        }
        if self.lease.is_ours(self.now) {
            moved |= self.follow(out);
        }
        moved |= self.renew(out);
        moved |= self.await_rights(out);
        if self.ending.is_some() {
            return moved;
        }
        moved |= self.call(out);
        if !self.rights.are_lacking() {
            moved |= self.stand(out);
        }
        if self.runner.as_ref().and_then(Runner::next_wakeup).is_some_and(|at| at <= self.now) {
            self.feed(RunnerInput::Tick, out);
            moved = true;
        }
        if let Some(outcome) = self.runner.as_ref().and_then(Runner::outcome) {
            let failure = self.runner.as_ref().and_then(|r| r.progress().failure.clone());
            self.leave(End::Finished(outcome, failure), out);
            moved = true;
        }
        moved
    }
    fn follow(&mut self, out: &mut Vec<Output>) -> bool {
        let mut moved = false;
        for i in 0..self.followers.len() {
            let Some(request) = self.followers[i].due(self.now) else { continue };
            let asker = if matches!(request, Request::Watch { .. }) { Asker::Watch(i) } else { Asker::List(i) };
            let id = self.ask(asker, request, out);
            self.followers[i].sent(self.now, id);
            moved = true;
        }
        moved
    }
    /// How long the view may lag behind the objects.
    fn patience(&self) -> Ms {
        (self.mirror.len() / OBJECTS_PER_MS) as Ms
    }
    /// Renews the view if it is time, and tells the runner.
    fn renew(&mut self, out: &mut Vec<Output>) -> bool {
        if !self.mirror.is_dirty() || !self.is_listed() {
            return false;
        }
        let since = *self.dirty_since.get_or_insert(self.now);
        if self.mirror.view().is_some() && self.now < since + self.patience() {
            return false;
        }
        self.renew_now(out)
    }
    fn renew_now(&mut self, out: &mut Vec<Output>) -> bool {
        if !self.is_listed() {
            return false;
        }
        self.dirty_since = None;
        let renewed = match self.mirror.renew() {
            Ok(Some(renewed)) => renewed,
            Ok(None) => return false,
            Err(why) => {
                self.stopped_by(why, out);
                return false;
            }
        };
        let Some(runner) = self.runner.take() else {
            if let Err(why) = self.enter(out) {
                self.stopped_by(why, out);
            }
            return true;
        };
        let Some(view) = self.mirror.view() else { return true };
        let (events, changed) = self.observer.renewed(self.now, &renewed, view);
        let runner = match renewed.before {
            None => Ok(runner),
            Some(_) => runner.renewed(view, GroupPacker::of_procedure(view, &self.intent.options)),
        };
        match runner {
            Ok(runner) => self.runner = Some(runner),
            Err(why) => {
                self.stopped_by(why, out);
                return true;
            }
        }
        self.tell(events, out);
        self.feed(RunnerInput::Changed(&changed), out);
        true
    }

    // --- the runner ---

    fn feed(&mut self, input: RunnerInput<'_>, out: &mut Vec<Output>) {
        let (Some(runner), Some(view)) = (self.runner.as_mut(), self.mirror.view()) else { return };
        let answered = matches!(input, RunnerInput::Answer(..) | RunnerInput::Stop(_));
        let mut outbox = Outbox::default();
        runner.handle(self.now, view, input, &mut outbox);
        let (mut said, mut calls, mut opened) = (Vec::new(), Vec::new(), Vec::new());
        for item in outbox.drain() {
            match item {
                RunnerOutput::Announce(Announcement::Line { batch, stream, text }) => {
                    said.push(Record::Printed { batch, stream, text });
                }
                RunnerOutput::Announce(a) => {
                    let event = self.observer.announced(self.now, view, &a);
                    said.extend(event.map(|e| Record::Happened(Box::new(e))));
                }
                RunnerOutput::Call(id, op) => {
                    let (what, object, uid) = op.words();
                    calls.push(journal::Call { call: id.0, what: what.to_owned(), object, uid });
                    let about = match &op {
                        Call::Evict { pod, .. } | Call::DeletePod { pod, .. } => {
                            self.mirror.pod(&pod.uid).map(|p| self.observer.about(view, p))
                        }
                        _ => None,
                    };
                    let event = self.observer.called(self.now, view, &op);
                    said.extend(event.map(|e| Record::Happened(Box::new(e))));
                    opened.push((id, op, about));
                }
            }
        }
        let still: BTreeSet<CallId> = runner.open_calls().into_iter().collect();
        let tells = answered || !said.is_empty() || !calls.is_empty();
        let progress = tells.then(|| serde_json::to_value(runner.progress()).unwrap_or_default());
        // What nobody waits for any more is forgotten, but for what is under way.
        self.calls.retain(|id, c| still.contains(id) || matches!(c.state, CallState::Asked(..)));
        for record in said {
            self.append(record, false, out);
        }
        let sync = opened.iter().any(|(_, op, _)| !op.only_reads());
        for record in progress.map(|p| self.log.records(p, calls)).unwrap_or_default() {
            self.append(record, sync, out);
        }
        let seq = self.next_seq.saturating_sub(1);
        for (id, op, about) in opened {
            if let Call::RetireNode { node, .. } = &op {
                self.retiring.insert(node.uid.clone());
            }
            if let Call::EnsureNodes { key, .. } = &op {
                self.standing.remove(key);
            }
            self.calls
                .insert(id, Open { op, state: CallState::Begins(self.now), conflicts: 0, probes: false, seq, about });
        }
    }
    /// Answers a call of the runner.
    fn answer(&mut self, id: CallId, answer: Answer, out: &mut Vec<Output>) {
        let Some(open) = self.calls.remove(&id) else { return };
        if let Some(about) = &open.about {
            let deleted = matches!(open.op, Call::DeletePod { .. });
            self.tell(Observer::judged(self.now, about, deleted, &answer).into_iter().collect(), out);
        }
        self.append(Record::Answered { call: id.0, answer: words(&answer) }, false, out);
        // The view given with an answer is at least as new as the answer.
        self.renew_now(out);
        let waits = self.runner.as_ref().is_some_and(|r| r.open_calls().contains(&id));
        if waits {
            self.feed(RunnerInput::Answer(id, answer), out);
        }
    }

    // --- calls ---

    /// Another call upon the same object is under way: that one comes first.
    fn is_blocked(&self, id: CallId) -> bool {
        let Some(target) = self.calls.get(&id).and_then(|c| c.op.writes_to()) else { return false };
        self.calls.iter().any(|(other, c)| {
            *other != id && matches!(c.state, CallState::Asked(..)) && c.op.writes_to() == Some(target)
        })
    }
    /// Begins and answers the calls whose time has come.
    fn call(&mut self, out: &mut Vec<Output>) -> bool {
        let due: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(id, c)| match &c.state {
                CallState::Begins(at) => self.begins_at(**id, *at).is_some_and(|at| at <= self.now),
                CallState::Answers(at, _) => *at <= self.now,
                _ => false,
            })
            .map(|(id, _)| *id)
            .collect();
        for id in &due {
            let Some(open) = self.calls.get_mut(id) else { continue };
            match std::mem::replace(&mut open.state, CallState::Parked) {
                CallState::Answers(_, answer) => self.answer(*id, answer, out),
                CallState::Begins(at) if self.begins_at(*id, at).is_none_or(|at| at > self.now) => {
                    if let Some(open) = self.calls.get_mut(id) {
                        open.state = CallState::Begins(at);
                    }
                }
                _ => {
                    let op = self.calls[id].op.clone();
                    let next = self.with_terms(out, |t| op.begin(t));
                    self.go_on(*id, next, out);
                }
            }
        }
        !due.is_empty()
    }
    fn responded(&mut self, id: CallId, answered: Answered, out: &mut Vec<Output>) {
        let Some(open) = self.calls.get_mut(&id) else { return };
        let CallState::Asked(at) = std::mem::replace(&mut open.state, CallState::Parked) else { return };
        let (op, conflicts) = (open.op.clone(), open.conflicts);
        if matches!(&answered, Answered::Refused(r) if matches!(r.code, 409 | 422)) && op.writes_to().is_some() {
            open.conflicts += 1;
        }
        if matches!((&op, &answered), (Call::Evict { .. }, Answered::Refused(r)) if r.code == 429) {
            self.say_pending(out);
        }
        let (word, object, _) = op.words();
        let call = format!("{word} {object}");
        let lost_ms = self.backoff.delay(&call);
        let next = self.with_terms(out, |t| {
            t.lost_ms = lost_ms;
            op.answered(t, at, conflicts, answered)
        });
        match &next {
            Next::DoneAt(_, Answer::Unknown) => self.backoff.lost(call),
            Next::Done(_) | Next::Found(_) => self.backoff.answered(&call),
            _ => {}
        }
        // A try whose answer was lost says nothing of rights: the same call tries again, and nobody else is to hear of it.
        let next = match next {
            Next::DoneAt(at, Answer::Unknown) if self.calls.get(&id).is_some_and(|c| c.probes) => Next::AgainAt(at),
            next => next,
        };
        self.go_on(id, next, out);
    }
    fn go_on(&mut self, id: CallId, next: Next, out: &mut Vec<Output>) {
        match next {
            Next::Ask(request, at) => {
                self.ask(Asker::Call(id), request, out);
                self.set(id, CallState::Asked(at));
            }
            Next::Done(answer) => {
                let demand = match (&answer, self.calls.get(&id)) {
                    (Answer::Accepted, Some(Open { op: op @ Call::EnsureNodes { key, group, .. }, seq, .. })) => {
                        Some((key.clone(), group.id.clone(), op.clone(), *seq))
                    }
                    _ => None,
                };
                if let Some((key, group, op, seq)) = demand {
                    self.demanded(key, &group, op, seq);
                }
                self.answer(id, answer, out);
            }
            Next::Found(pod) => {
                self.renew_now(out);
                let found = self.mirror.object(api::PODS, &pod.namespace, &pod.name).map(mirror::uid);
                let answer = found.and_then(|uid| self.mirror.pod(uid)).map_or(Answer::Gone, Answer::Pod);
                self.answer(id, answer, out);
            }
            Next::DoneAt(at, answer) => self.set(id, CallState::Answers(at, answer)),
            Next::AgainAt(at) => self.set(id, CallState::Begins(at)),
            Next::Park => self.set(id, CallState::Parked),
        }
    }
    fn set(&mut self, id: CallId, state: CallState) {
        let waits = self.runner.as_ref().is_some_and(|r| r.open_calls().contains(&id));
        if !waits && !matches!(state, CallState::Asked(..)) {
            self.calls.remove(&id);
        } else if let Some(open) = self.calls.get_mut(&id) {
            open.state = state;
        }
    }
    fn with_terms<R>(&mut self, out: &mut Vec<Output>, f: impl FnOnce(&mut Terms<'_>) -> R) -> R {
        let (mut notes, mut trouble, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
        let nobody = BTreeSet::new();
        let common = self.runner.as_ref().map(|r| &r.progress().common);
        let retiring = common.map_or(Cow::Borrowed(&self.retiring), |c| without_kept(&self.retiring, c));
        let reimaged = common.map_or(Vec::new(), reimaged);
        let result = f(&mut Terms {
            now: self.now,
            execution: &self.began.execution,
            options: &self.intent.options,
            mirror: &mut self.mirror,
            known_nodes: common.map_or(&nobody, |c| &c.known_nodes),
            demands: common.map_or(&[], |c| &c.demands),
            retiring: &retiring,
            reimaged: &reimaged,
            looked: &mut self.looked,
            approved: &self.approved,
            page: self.page,
            notes: &mut notes,
            trouble: &mut trouble,
            foreign: &mut foreign,
            is_lied_to: self.foreign.is_under_way(),
            lost_ms: 0,
        });
        notes.extend(trouble.iter().filter_map(|what| self.outage.trouble(self.now, what)));
        notes.extend(foreign.iter().filter_map(|what| self.foreign.trouble(self.now, what)));
        for text in notes {
            self.append(Record::Note { text }, false, out);
        }
        result
    }

    // --- demands that stand ---

    fn demanded(&mut self, key: String, group: &str, op: Call, seq: u64) {
        if let crate::intent::Provision::Command { every_ms, .. } = self.intent.options.execution.provision(group) {
            self.standing.insert(key, Standing { op, seq, next_at: self.now + every_ms, asked: false });
        }
    }
    /// Runs the programs of demands that are not met yet again. A demand is met as soon as its nodes have been seen: what is taken away from them
    /// later, as surplus nodes of a surge are, is not asked for again.
    fn stand(&mut self, out: &mut Vec<Output>) -> bool {
        let idle: Vec<(String, Call)> =
            self.standing.iter().filter(|(_, s)| !s.asked).map(|(key, s)| (key.clone(), s.op.clone())).collect();
        for (key, op) in idle {
            if self.with_terms(out, |t| op.holds(t)) {
                self.standing.remove(&key);
            }
        }
        let due: Vec<String> =
            self.standing.iter().filter(|(_, s)| !s.asked && s.next_at <= self.now).map(|(k, _)| k.clone()).collect();
        for key in &due {
            let op = self.standing[key].op.clone();
            let total = match &op {
                Call::EnsureNodes { total, .. } => *total,
                _ => 0,
            };
            // The batch may be over, or want fewer by now.
            let wants = |d: &Demand| d.key == *key && d.total >= total;
            if !self.runner.as_ref().is_some_and(|r| r.progress().common.demands.iter().any(wants)) {
                self.standing.remove(key);
                continue;
            }
            if let Next::Ask(request, _) = self.with_terms(out, |t| op.begin(t)) {
                self.ask(Asker::Standing(key.clone()), request, out);
                if let Some(s) = self.standing.get_mut(key) {
                    s.asked = true;
                }
            }
        }
        !due.is_empty()
    }
    fn stands(&mut self, key: &str, answered: Answered, out: &mut Vec<Output>) {
        let Some(s) = self.standing.get(key) else { return };
        let op = s.op.clone();
        // What it says goes into the journal; whether the nodes come is seen, not told.
        let _ = self.with_terms(out, |t| op.answered(t, At::Program, 0, answered));
        let every = match &op {
            Call::EnsureNodes { group, .. } => match self.intent.options.execution.provision(group) {
                crate::intent::Provision::Command { every_ms, .. } => every_ms,
                crate::intent::Provision::Wait => 0,
            },
            _ => 0,
        };
        if let Some(s) = self.standing.get_mut(key) {
            (s.asked, s.next_at) = (false, self.now + every);
        }
    }

    // --- what goes out ---

    fn append(&mut self, record: Record, sync: bool, out: &mut Vec<Output>) {
        let entry = Entry { seq: self.next_seq, t_ms: self.now, record };
        self.next_seq += 1;
        out.push(Output::Append { entry, sync });
    }
    fn tell(&mut self, events: Vec<Event>, out: &mut Vec<Output>) {
        for event in events {
            self.append(Record::Happened(Box::new(event)), false, out);
        }
    }
    fn ask(&mut self, asker: Asker, request: Request, out: &mut Vec<Output>) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let writes = match &request {
            Request::Api(exchange) => exchange.writes(),
            Request::Run(_) => true,
            Request::Watch { .. } => false,
        };
        let seq = match &asker {
            Asker::Call(call) => self.calls.get(call).map(|c| c.seq),
            Asker::Standing(key) => self.standing.get(key).map(|s| s.seq),
            _ => None,
        };
        self.asked.insert(id, (asker, Wanted::of(&request)));
        match seq.filter(|_| writes) {
            Some(seq) => self.held.push_back(Held { seq, id, request, since: self.now }),
            None => out.push(Output::Send(id, request)),
        }
        id
    }
    /// Lets the requests leave whose entry is safe, while the Lease is ours.
    fn release(&mut self, out: &mut Vec<Output>) {
        if !self.lease.is_ours(self.now) || self.ending.is_some() {
            return;
        }
        let (safe, mut kept) = (self.safe, VecDeque::new());
        for held in std::mem::take(&mut self.held) {
            match held.seq < safe {
                true if self.rights.are_lacking() && !self.probes(held.id) => kept.push_back(held),
                true if self.is_stale(&held) => self.withdraw(held.id),
                true => out.push(Output::Send(held.id, held.request)),
                false => kept.push_back(held),
            }
        }
        self.held = kept;
    }

    /// Whether a request is one that was refused for lack of rights.
    fn probes(&self, id: RequestId) -> bool {
        let Some((Asker::Call(call), _)) = self.asked.get(&id) else { return false };
        self.calls.get(call).is_some_and(|c| c.probes)
    }

    /// Whether a request was decided on what may not be so any more. Machines are given back for good and, but for Node objects that are
    /// deleted by version, whatever has come to their nodes meanwhile; all other calls are guarded by a uid or version, or do no harm.
    fn is_stale(&self, held: &Held) -> bool {
        let Some((Asker::Call(call), _)) = self.asked.get(&held.id) else { return false };
        let ends = |op: &Call| matches!(op, Call::RetireNode { .. } | Call::ReimageNode { .. });
        let retires = self.calls.get(call).is_some_and(|c| ends(&c.op));
        retires && self.now >= held.since + STALE_MS
    }
    /// A request does not leave after all: to the runner it is one whose answer was lost, so it looks again before it asks again.
    fn withdraw(&mut self, id: RequestId) {
        if let Some((Asker::Call(call), _)) = self.asked.remove(&id) {
            self.set(call, CallState::Answers(self.now, Answer::Unknown));
        }
    }

    // --- the end ---

    /// The process's part is over: written down, then gone.
    fn leave(&mut self, end: End, out: &mut Vec<Output>) {
        if self.ending.is_some() {
            return;
        }
        let record = match &end {
            End::Finished(outcome, failure) => Record::Ended { outcome: *outcome, failure: failure.clone() },
            End::Refused(why) | End::Interrupted(why) => Record::Interrupted { why: why.clone() },
        };
        self.append(record, true, out);
        for (id, (asker, _)) in &self.asked {
            if matches!(asker, Asker::Watch(_)) {
                out.push(Output::Cancel(*id));
            }
        }
        self.held.clear();
        self.ending = Some((self.next_seq - 1, end, self.now + RELEASE_MS));
    }
    /// Gives the Lease back once the last entry is safe, and is over.
    fn part(&mut self, out: &mut Vec<Output>) {
        let Some((seq, end, until)) = &self.ending else { return };
        if self.safe <= *seq {
            return;
        }
        // An interrupted execution keeps it: requests of ours may still be under way, and nobody else shall meet them.
        if !matches!(end, End::Interrupted(_)) {
            let (end, until) = (end.clone(), *until);
            self.lease.release();
            if let Some(exchange) = self.lease.due(self.now) {
                self.ask(Asker::Lease, Request::Api(exchange), out);
            }
            if self.lease.is_released() || self.now >= until {
                self.end = Some(end);
            }
            return;
        }
        self.end = Some(end.clone());
    }
}

/// A follower for each kind. The nodes of the plan are expected, so that a first list without them is not believed at once;
/// and some pods, if the plan's cluster has workloads.
fn followers(plan: &Plan, page: u32, seed: u64) -> Vec<Follower> {
    let nodes = || plan.intent.batches.iter().flatten();
    let known = |n: &NodeId| Known { namespace: String::new(), name: n.name.clone(), uid: n.uid.clone() };
    let expected = |r| if r == NODES { nodes().map(known).collect() } else { Vec::new() };
    let some = |r| r == PODS && !plan.baseline.workloads.is_empty();
    FOLLOWED
        .iter()
        .map(|r| Follower::new(*r, page).paced(seed).expecting(expected(*r)).expecting_some(some(*r)))
        .collect()
}

/// Nodes that were asked to be given back, but for those that were kept after all: these still count for their group.
fn without_kept<'a>(retiring: &'a BTreeSet<String>, common: &Common) -> Cow<'a, BTreeSet<String>> {
    let mut left = Cow::Borrowed(retiring);
    for (_, id) in common.nodes.iter().zip(common.node_ids.iter()).filter(|(n, _)| n.fate == Fate::Failed) {
        if left.contains(&id.uid) {
            left.to_mut().remove(&id.uid);
        }
    }
    left
}

/// Nodes of the batch under way that were asked to be reimaged, each with its group.
fn reimaged(common: &Common) -> Vec<(NodeId, String)> {
    let here = common.here().into_iter().filter(|n| !common.nodes[n.at()].reimaged.is_empty());
    here.map(|n| (common.node_ids[n.at()].clone(), common.nodes[n.at()].reimaged.clone())).collect()
}

/// A number for the draws of one process (FNV-1a).
fn seed_of(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// The sort of a call, by which it is allowed or not: its requests may be several.
fn sort_of(call: &Call) -> String {
    let (word, object, _) = call.words();
    match object.split_once('/') {
        Some((namespace, _)) => format!("{word} in {namespace}"),
        None => word.to_owned(),
    }
}

/// What to do about rights that are lacking.
fn remedy(code: u16) -> &'static str {
    match code {
        401 => "log in again: the credentials are wrong or have expired",
        _ => "grant what the ClusterRole of nodeferry execute has (deploy/clusterrole-execute.yaml)",
    }
}

/// An answer in words.
fn words(answer: &Answer) -> String {
    match answer {
        Answer::Accepted => "accepted".into(),
        Answer::Unchanged => "was so already".into(),
        Answer::Gone => "gone".into(),
        Answer::UidChanged => "another object bears the name".into(),
        Answer::Unknown => "lost".into(),
        Answer::Pod(_) => "found".into(),
        Answer::Refused { code, reason, cause, message, .. } => {
            let text = if cause.is_empty() { message } else { cause };
            format!("{code} {reason}: {text}")
        }
    }
}
