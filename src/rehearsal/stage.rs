//! One execution upon the simulated API: the process that carries it out, its disk, its clock, and all that goes wrong.

use super::disk::Disk;
use super::facts::Who;
use super::judge::{self, Broken, Judge};
use super::lies::{self, Lie, Span};
use super::luck::{Fate, Luck, Profile};
use super::nature::{self, Nature};
use super::objects::{Bases, Place};
use super::server::{Reply, Server};
use super::trouble::{Flood, NOT_ALLOWED, Revoked, Webhook};
use crate::cluster::NodeIdx;
use crate::intent::execution::Retirement;
use crate::runner::{Failure, Ms, Outcome, StopMode};
use crate::session::api::{FOLLOWED, LEASES, NODES, PODS, Resource};
use crate::session::{
    Began, End, Exchange, Input, LEASE, Method, Output, ProcessId, Request, RequestId, Response, Resumed, Session,
    Setup, WatchEvent,
};
use crate::sim::SiteSpec;
use crate::sim::faults::{Component, Fault, Window};
use crate::sim::world::World;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What all rehearsals of one plan share.
pub struct Stage {
    /// The cluster at the start, and the rules it goes by.
    pub site: Arc<SiteSpec>,
    /// Its objects.
    pub bases: Arc<Bases>,
    /// Objects that are not served, but that the session is given.
    pub background: Vec<serde_json::Value>,
    /// The execution's beginning, with the plan.
    pub began: Began,
    /// How long the plan is expected to take: faults fall into this time and half of it again.
    pub expected_ms: Ms,
}

/// How one rehearsal went.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub end: Option<(Outcome, Option<Failure>)>,
    /// It was refused before anything was done.
    pub refused: bool,
    /// From the runner's beginning to its end, by the process's clock.
    pub duration_ms: Ms,
    /// Evictions that were granted to us.
    pub evictions: u64,
    /// Processes that it took.
    pub processes: u32,
    /// Requests that left.
    pub requests: u64,
    /// Entries of the journal.
    pub entries: usize,
    /// What must not happen, and did.
    pub broken: Vec<Broken>,
    /// The faults that struck.
    pub struck: BTreeSet<&'static str>,
    /// What happened, line by line, if that was asked for.
    pub log: Vec<String>,
    /// The file of the journal, if that was asked for.
    pub journal: Vec<u8>,
}

/// What is counted of all that may strike.
pub const FAULTS: [&str; 11] = [
    "kill",
    "pause",
    "suspend",
    "clock",
    "second process",
    "rights",
    "webhook",
    "flood",
    "program hangs",
    "outage",
    "lies",
];
/// Objects of one page of a list: few, so that small clusters have several pages.
const PAGE: u32 = 25;
/// Moments after which a rehearsal is taken to be spinning.
const MOST_MOMENTS: u64 = 400_000;
/// A person notices that the execution has ended, and goes on with it, after so long.
const RESUME_MS: Ms = 7_000;
/// Processes after which nobody tries again.
const MOST_PROCESSES: u32 = 60;
/// What is under way when the execution ends has had its effect after so long.
const AFTERMATH_MS: Ms = 240_000;
/// A program or a request that is not answered is given up after so long.
const TIMEOUT_MS: Ms = 30_000;
/// Clocks that differ by less are the same to us.
const WORTH_MS: Ms = 2_000;
/// A process that stands still for longer than this may have lost its Lease.
const SUSPENDED_MS: Ms = 25_000;
/// A bookmark comes so often.
const BOOKMARK_MS: Ms = 60_000;

/// Something that is going to happen.
#[derive(Debug)]
enum Event {
    Arrive {
        epoch: u32,
        id: RequestId,
        request: Request,
        fate: Fate,
    },
    Answer {
        epoch: u32,
        id: RequestId,
        response: Response,
        /// Something between us and the server made it, or made something else of it.
        lied: bool,
    },
    Deliver {
        epoch: u32,
        id: RequestId,
        event: WatchEvent,
    },
    Synced {
        epoch: u32,
        seq: u64,
    },
    /// Somebody stops it, as the scenario says.
    Stop(StopMode),
    /// A request whose process waits no more has its effect.
    Effect {
        epoch: u32,
        request: Request,
    },
    Bookmark {
        epoch: u32,
        id: RequestId,
    },
    Close {
        epoch: u32,
        id: RequestId,
    },
    Start,
    Approve {
        epoch: u32,
        batch: u32,
    },
    Nature(Nature),
}

/// A watch of the process.
#[derive(Debug)]
struct Watch {
    resource: Resource,
    /// Version up to which its events are on their way.
    cursor: u64,
    /// Nothing arrives before this moment: the stream keeps its order.
    not_before: Ms,
}

/// A machine on which the execution is carried out.
#[derive(Default)]
struct Seat {
    process: Option<Process>,
    /// The number of the latest process.
    epoch: u32,
    /// Processes that were started here.
    processes: u32,
    disk: Disk,
    /// The latest process of this machine that is known to be dead, as the Lease names it.
    dead: Option<String>,
    /// It goes on with a copy of the journal.
    is_copy: bool,
}

/// The process under way.
struct Process {
    session: Session,
    /// What the Lease says of it.
    identity: String,
    watches: BTreeMap<RequestId, Watch>,
    /// The latest time that it was told.
    told: Ms,
    /// Its clock is ahead of the world's by so much: the machine's clock was, when it began.
    skew: Ms,
    frozen_until: Ms,
}

/// Somebody between the process and the API server: says of a request that arrives now what becomes of it, if it is no
/// business of luck.
pub type Between<'s> = Box<dyn FnMut(Ms, &Request) -> Option<Fate> + 's>;

/// One rehearsal under way.
pub struct Rehearsal<'s> {
    stage: &'s Stage,
    seed: u64,
    luck: Luck,
    server: Server,
    judge: Judge,
    /// The machine whose events are being handled.
    seat: Seat,
    /// Another machine, on which somebody goes on with a copy of the journal.
    other: Option<Seat>,
    /// Processes that were started, on any machine.
    epochs: u32,
    /// Those of them that went on with a copy of the journal.
    copies: BTreeSet<u32>,
    queue: BTreeMap<(Ms, u64), Event>,
    sequence: u64,
    now: Ms,
    /// The clock of the process's machine is ahead by so much.
    skew: Ms,
    away_until: Ms,
    /// Something else answers in the API server's place.
    lying: Option<Span>,
    between: Option<Between<'s>>,
    revoked: Option<Revoked>,
    webhook: Option<Webhook>,
    flood: Option<Flood>,
    /// Processes when the flood began, and watches of each kind that were asked for since.
    flooded: (u32, BTreeMap<&'static str, u32>),
    /// What has struck, of all that may.
    struck: BTreeSet<&'static str>,
    waiting: BTreeMap<u64, (u32, RequestId, Fate)>,
    pumped: u64,
    stop_asked: Option<StopMode>,
    crashes_left: u64,
    requests: u64,
    end: Option<(Outcome, Option<Failure>)>,
    refused: bool,
    ended_at: Ms,
    over: bool,
    lines: Vec<String>,
    verbose: bool,
}

impl<'s> Rehearsal<'s> {
    /// The world of one rehearsal, where `more` goes wrong besides what the scenario says.
    pub fn world(stage: &Stage, more: &[Fault], seed: u64) -> World {
        World::new(&stage.site, seed, more, None, None)
    }
    /// A rehearsal that has not begun.
    pub fn new(stage: &'s Stage, seed: u64, profile: Profile, verbose: bool) -> Rehearsal<'s> {
        let mut luck = Luck::new(seed, profile);
        let span = stage.expected_ms + stage.expected_ms / 2;
        let events = nature::drawn(&mut luck, span);
        // While the API server is away its own clients are cut off too; what it refuses it refuses to everybody.
        let more = events.iter().filter_map(|(at, n)| match n {
            Nature::Away(ms) => Some(Fault::Outage {
                component: Component::ApiServer,
                window: Window { from_ms: *at, until_ms: Some(at + ms) },
            }),
            Nature::DenyCordons(ms, code) => Some(Fault::CordonRefused {
                node: None,
                window: Window { from_ms: *at, until_ms: Some(at + ms) },
                code: *code,
            }),
            _ => None,
        });
        let world = Rehearsal::world(stage, &more.collect::<Vec<_>>(), seed);
        let options = &stage.began.plan.intent.options;
        let claims = options.execution.retire.values().any(|r| *r == Retirement::Nodeclaim);
        let crashes_left = luck.how_many("crashes", 8);
        let mut rehearsal = Rehearsal {
            judge: Judge::new(stage.bases.clone(), &stage.site.state, &stage.site.old_nodes, options),
            server: Server::new(world, stage.bases.clone(), claims),
            stage,
            seed,
            luck,
            seat: Seat::default(),
            other: None,
            epochs: 0,
            copies: BTreeSet::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            now: 0,
            skew: 0,
            away_until: 0,
            lying: None,
            between: None,
            revoked: None,
            webhook: None,
            flood: None,
            flooded: (0, BTreeMap::new()),
            struck: BTreeSet::new(),
            waiting: BTreeMap::new(),
            pumped: 0,
            stop_asked: None,
            crashes_left,
            requests: 0,
            end: None,
            refused: false,
            ended_at: 0,
            over: false,
            lines: Vec::new(),
            verbose,
        };
        rehearsal.at(0, Event::Start);
        if let Some((at, mode)) = stage.site.options.stop() {
            rehearsal.at(at, Event::Stop(mode));
        }
        for (at, nature) in events {
            rehearsal.at(at, Event::Nature(nature));
        }
        rehearsal
    }

    /// The same with somebody between the process and the API server. What the process says to be drained is judged by the
    /// world as it is then; with other faults that would not be fair, for a list may be some seconds old.
    pub fn through(mut self, between: Between<'s>) -> Rehearsal<'s> {
        self.between = Some(between);
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Rehearsed {
        let planned = self.stage.began.plan.intent.options.horizon_ms;
        let horizon = self.stage.site.options.horizon_ms.map_or(planned, |ms| ms.min(planned)) + 3_600_000;
        for moment in 0..=MOST_MOMENTS {
            if self.over {
                break;
            }
            let Some(next) = self.next_moment() else {
                self.broken("always-an-end", "nothing is left to happen, and it has not ended");
                break;
            };
            if next > horizon || moment == MOST_MOMENTS {
                self.broken("always-an-end", format!("it has neither ended nor stopped after {next} ms"));
                break;
            }
            self.reach(next);
        }
        if self.end.is_some() || self.refused {
            let until = self.now + AFTERMATH_MS;
            while let Some(next) = self.next_moment().filter(|n| *n <= until) {
                self.reach(next);
            }
        }
        self.conclude()
    }
    fn conclude(mut self) -> Rehearsed {
        self.judge.ended(self.now, &self.server, self.end.as_ref().map(|e| e.0));
        match self.seat.disk.open() {
            Err(why) => self.broken("journal-folds", why),
            Ok(Some((_, resumed))) => {
                if let (Some((outcome, _)), ended) = (&self.end, resumed.ended.map(|e| e.0))
                    && ended != Some(*outcome)
                {
                    let text = format!("it ended as {outcome:?}, and the journal says {ended:?}");
                    self.broken("journal-folds", text);
                }
            }
            Ok(None) if self.end.is_some() => self.broken("journal-folds", "it has ended, and the journal is empty"),
            Ok(None) => {}
        }
        Rehearsed {
            seed: self.seed,
            end: self.end,
            refused: self.refused,
            duration_ms: self.ended_at,
            evictions: self.judge.evictions,
            processes: self.epochs,
            requests: self.requests,
            entries: self.seat.disk.safe_entries().len(),
            broken: self.judge.broken,
            struck: self.struck,
            log: self.lines,
            journal: if self.verbose { self.seat.disk.bytes() } else { Vec::new() },
        }
    }

    // --- time ---

    fn at(&mut self, at: Ms, event: Event) {
        self.sequence += 1;
        self.queue.insert((at.max(self.now), self.sequence), event);
    }
    fn next_moment(&self) -> Option<Ms> {
        let queued = self.queue.keys().next().map(|k| k.0);
        [self.server.world().next_moment(), queued, self.wake()].into_iter().flatten().min().map(|t| t.max(self.now))
    }
    /// When a process wants to be woken, by the world's clock.
    fn wake(&self) -> Option<Ms> {
        let seats = std::iter::once(&self.seat).chain(&self.other);
        seats.filter_map(|s| s.wake(self.now)).min()
    }
    fn change_seats(&mut self) {
        if let Some(other) = &mut self.other {
            std::mem::swap(&mut self.seat, other);
        }
    }
    /// Does something on each machine.
    fn on_each(&mut self, mut what: impl FnMut(&mut Self)) {
        what(self);
        if self.other.is_some() {
            self.change_seats();
            what(self);
            self.change_seats();
        }
    }
    fn reach(&mut self, moment: Ms) {
        self.now = self.now.max(moment);
        let answers = self.server.advance(self.now);
        self.pump();
        for (call, response) in answers {
            self.later(call, response);
        }
        while let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= self.now) {
            let (key, event) = entry.remove_entry();
            let there = event.epoch().is_some_and(|e| self.other.as_ref().is_some_and(|s| s.epoch == e));
            if there {
                self.change_seats();
            }
            // A process that stands still takes nothing in; what came for it is there when it goes on.
            let frozen = self.seat.process.as_ref().map_or(0, |p| p.frozen_until);
            if event.is_for_process() && frozen > self.now {
                self.queue.insert((frozen, key.1), event);
            } else {
                self.handle(event);
            }
            if there {
                self.change_seats();
            }
        }
        self.on_each(|r| {
            if r.seat.wake(r.now).is_some_and(|at| at <= r.now) {
                r.feed(Input::Tick);
            }
        });
    }
    fn handle(&mut self, event: Event) {
        match event {
            Event::Start => self.start(),
            Event::Arrive { epoch, id, request, fate } => self.arrive(epoch, id, request, fate),
            Event::Effect { epoch, request } => {
                self.log(|| format!("late: {}", judge::words(&request)));
                self.serve(epoch, &request);
            }
            Event::Nature(nature) => self.happen(nature),
            Event::Stop(mode) => self.stop(mode),
            Event::Approve { epoch, batch } if epoch == self.seat.epoch => {
                self.feed(Input::Approve { batch, by: "rehearsal".into() });
            }
            Event::Answer { epoch, id, response, lied } if epoch == self.seat.epoch => {
                self.log(|| format!("answer {}: {}", id.0, response_words(&response)));
                // Nothing follows from an answer that is none, whatever can be read in it.
                if let Some(process) = self.seat.process.as_ref().filter(|_| !lied) {
                    self.judge.told(self.now, &response, &process.identity, self.seat.is_copy);
                }
                self.feed(Input::Response(id, response));
            }
            Event::Synced { epoch, seq } if epoch == self.seat.epoch && self.seat.process.is_some() => {
                self.sync();
                self.feed(Input::Appended(seq));
            }
            Event::Deliver { epoch, id, event } if epoch == self.seat.epoch => self.deliver(id, event),
            Event::Bookmark { epoch, id } if epoch == self.seat.epoch => self.bookmark(id),
            Event::Close { epoch, id } if epoch == self.seat.epoch => self.close(id, WatchEvent::Closed(String::new())),
            _ => {}
        }
    }

    // --- the process ---

    fn start(&mut self) {
        if self.seat.process.is_some() || self.end.is_some() {
            return;
        }
        let resumed = match self.seat.disk.open() {
            Ok(found) => found.map(|(_, resumed)| resumed),
            Err(why) => {
                self.over = true;
                return self.broken("journal-folds", why);
            }
        };
        if self.seat.processes >= MOST_PROCESSES {
            self.over = true;
            return self.broken("always-an-end", format!("{MOST_PROCESSES} processes did not bring it to an end"));
        }
        self.begin("here", resumed);
    }
    /// A process begins on the machine at hand.
    fn begin(&mut self, host: &str, resumed: Option<Resumed>) {
        self.epochs += 1;
        self.seat.processes += 1;
        self.seat.epoch = self.epochs;
        let epoch = self.epochs;
        if self.seat.is_copy {
            self.copies.insert(epoch);
        }
        self.log(|| format!("process {epoch} begins on {host}"));
        let latest = resumed.as_ref().map_or(0, |r: &Resumed| r.t_ms);
        // As the machine's clock says, but not before what the journal has; from there on it counts the seconds that pass.
        let told = self.now.saturating_add(self.skew).max(latest).max(0);
        let skew = told - self.now;
        let who = ProcessId::new(host, "this-boot", epoch, "0");
        let identity = who.identity(&self.stage.began.execution);
        let session = Session::new(Setup {
            began: self.stage.began.clone(),
            background: self.stage.background.clone(),
            namespace: "default".into(),
            process: who,
            dead: self.seat.dead.clone(),
            resumed,
            page: PAGE,
        });
        self.seat.process = Some(Process { session, identity, watches: BTreeMap::new(), told, skew, frozen_until: 0 });
        if skew.abs() >= WORTH_MS {
            self.struck.insert("clock");
        }
        let options = &self.stage.began.plan.intent.options;
        if options.gates.approval.is_some() {
            for batch in 0..self.stage.began.plan.intent.batches.len() as u32 {
                let delay = self.luck.delay("approval", 0, 120_000);
                self.at(self.now + delay, Event::Approve { epoch: self.seat.epoch, batch });
            }
        }
        self.feed(Input::Tick);
        // What the API server says of the time, to the second; not every proxy lets it through.
        if skew.abs() >= WORTH_MS && self.luck.between("date", 0, 4) > 0 {
            let about = self.luck.between("date about", 0, 1_000) as Ms - 500;
            self.feed(Input::ServerAhead(about - skew));
        }
        if let Some(mode) = self.stop_asked {
            self.feed(Input::Stop(mode));
        }
    }
    /// The process is killed: what it had not synced is lost, or half of it is there.
    fn kill(&mut self, why: &str) {
        let Some(process) = self.seat.process.take() else { return };
        self.struck.insert("kill");
        self.seat.dead = Some(process.identity);
        let loose = self.seat.disk.loose_bytes() as u64;
        let kept = self.luck.between("kept bytes", 0, loose) as usize;
        self.log(|| format!("killed ({why}), {kept} of {loose} loose bytes are there"));
        self.seat.disk.crash(kept);
        // Nobody goes on with a copy twice.
        if self.seat.is_copy {
            return;
        }
        let pause = self.luck.delay("restart", 0, 60_000);
        self.at(self.now + pause, Event::Start);
    }
    /// Whether the process is killed just here.
    fn crashes(&mut self, place: &str) -> bool {
        if self.crashes_left == 0 || !self.luck.strikes("crash", 20_000) {
            return false;
        }
        self.crashes_left -= 1;
        self.kill(place);
        true
    }
    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let Some(process) = &mut self.seat.process else { return };
            process.told = process.told.max(self.now + process.skew);
            let mut out = Vec::new();
            process.session.handle(process.told, input, &mut out);
            for output in out {
                if self.crashes(output_words(&output)) {
                    return;
                }
                match output {
                    Output::Append { entry, sync } => {
                        let seq = entry.seq;
                        if self.between.is_some() {
                            self.judge.appended(self.now, &self.server, &entry);
                        }
                        if let Err(e) = self.seat.disk.append(entry) {
                            self.over = true;
                            return self.broken("journal-folds", e.to_string());
                        }
                        if sync {
                            match self.luck.delay("fsync", 0, 40) {
                                0 => {
                                    self.sync();
                                    inputs.push_back(Input::Appended(seq));
                                }
                                ms => self.at(self.now + ms, Event::Synced { epoch: self.seat.epoch, seq }),
                            }
                        }
                    }
                    Output::Send(id, request) => self.send(id, request),
                    Output::Cancel(id) => {
                        if let Some(p) = &mut self.seat.process {
                            p.watches.remove(&id);
                        }
                    }
                }
                if self.crashes("after it") {
                    return;
                }
            }
            if self.seat.process.as_ref().is_some_and(|p| p.session.end().is_some()) {
                return self.left();
            }
        }
    }
    fn sync(&mut self) {
        self.seat.disk.sync();
        self.judge.safe(self.seat.is_copy, self.seat.disk.safe_entries());
    }
    /// The session is over.
    fn left(&mut self) {
        let Some(process) = self.seat.process.take() else { return };
        self.seat.dead = Some(process.identity.clone());
        // A process that ends in order closes its file.
        self.sync();
        if self.seat.is_copy {
            let end = process.session.end().cloned();
            self.log(|| format!("the copy is left: {end:?}"));
            if let Some(End::Finished(outcome, _)) = end {
                self.judge.finished(self.now, &self.server, outcome, true);
            }
            return;
        }
        match process.session.end() {
            Some(End::Finished(outcome, failure)) => {
                self.log(|| format!("ended: {outcome:?} {failure:?}"));
                if let Some(f) = failure.as_ref().filter(|f| f.cause.contains(NOT_ALLOWED)) {
                    let text = format!("it ended as {outcome:?} for a right that was away for a while: {}", f.cause);
                    self.broken("rights-are-awaited", text);
                }
                let began = process.session.progress().map_or(0, |p| p.began());
                self.ended_at = process.session.progress().map_or(process.told, |p| p.now) - began;
                self.judge.finished(self.now, &self.server, *outcome, false);
                self.end = Some((*outcome, failure.clone()));
                self.over = true;
            }
            Some(End::Refused(why) | End::Interrupted(why)) => {
                self.log(|| format!("left: {why}"));
                if self.luck.profile() == Profile::None && self.between.is_none() {
                    self.over = true;
                    return self.broken("always-an-end", format!("nothing went wrong, and it ended with: {why}"));
                }
                // The Lease's holder goes away, and rights come back; whatever else is refused before anything was done is refused for good.
                let for_now = why.contains("Lease") || why.contains("the API server does not");
                if matches!(process.session.end(), Some(End::Refused(_))) && !for_now {
                    (self.refused, self.over) = (true, true);
                    return;
                }
                let pause = RESUME_MS + self.luck.delay("resume", 0, 60_000);
                self.at(self.now + pause, Event::Start);
            }
            None => {}
        }
    }

    // --- requests ---

    fn send(&mut self, id: RequestId, request: Request) {
        self.requests += 1;
        let now = self.now;
        let identity = self.seat.process.as_ref().map_or("", |p| p.identity.as_str());
        self.judge.sent(now, &request, identity, self.seat.is_copy);
        if let (Some(_), Request::Watch { resource, .. }) = (&self.flood, &request) {
            *self.flooded.1.entry(resource.plural).or_default() += 1;
        }
        let fate = self.luck.fate(&request);
        let fate = lies::single(&mut self.luck, &request).unwrap_or(fate);
        self.log(|| format!("send {}: {}{}", id.0, judge::words(&request), fate_words(&fate)));
        let more = self.luck.delay("latency", 0, 60);
        let at = now + self.stage.site.options.api_latency_ms.max(0) + more;
        self.at(at, Event::Arrive { epoch: self.seat.epoch, id, request, fate });
    }
    fn is_away(&self) -> bool {
        self.now < self.away_until
    }
    fn arrive(&mut self, epoch: u32, id: RequestId, request: Request, fate: Fate) {
        if self.is_away() && !matches!(request, Request::Run(_)) {
            return self.unreachable(epoch, id, &request);
        }
        if let Some(revoked) = self.revoked.filter(|r| self.now < r.until && r.refuses(&request)) {
            self.struck.insert("rights");
            return match request {
                Request::Watch { .. } => self.at(self.now, Event::Deliver { epoch, id, event: revoked.event() }),
                _ => self.answer(epoch, id, revoked.answer()),
            };
        }
        let webhook = self.webhook.filter(|w| self.now < w.until);
        if let Some(response) = webhook.and_then(|w| w.answer(&request)) {
            self.struck.insert("webhook");
            return self.answer(epoch, id, response);
        }
        if let (Some(flood), Request::Watch { resource_version, .. }) = (self.flood, &request) {
            self.struck.insert("flood");
            for event in flood.events(resource_version) {
                self.at(self.now, Event::Deliver { epoch, id, event });
            }
            return;
        }
        let fate = match (&self.lying, &mut self.between) {
            (_, Some(between)) => between(self.now, &request).unwrap_or(fate),
            (Some(span), None) => span.fate(&mut self.luck, self.now, &request).unwrap_or(fate),
            (None, None) => fate,
        };
        match (request, fate) {
            (Request::Watch { resource, .. }, Fate::Lied { lie, .. }) => {
                self.at(self.now, Event::Deliver { epoch, id, event: lie.watched(&resource) });
            }
            (Request::Watch { .. }, Fate::Refused(Response::Http { status, body, .. })) => {
                let message = body["message"].as_str().unwrap_or_default().to_owned();
                let event = WatchEvent::Error { code: status, message };
                self.at(self.now, Event::Deliver { epoch, id, event });
            }
            (Request::Watch { resource, resource_version }, _) => self.watch(epoch, id, resource, &resource_version),
            (_, Fate::Lied { lie, served: false }) => self.lie(epoch, id, lie.told(None)),
            (_, Fate::Refused(response)) => self.answer(epoch, id, response),
            (request, Fate::LostBefore) => {
                if matches!(request, Request::Run(_)) {
                    self.struck.insert("program hangs");
                }
                self.lose(epoch, id);
            }
            (request, Fate::Late(ms)) => {
                self.at(self.now + ms, Event::Effect { epoch, request });
                self.lose(epoch, id);
            }
            (Request::Api(exchange), Fate::Stale(ms)) => {
                let version = self.version_before(ms);
                match self.server.serve_stale(&exchange, version) {
                    Some(response) => {
                        self.judge.showed(&exchange, self.judge.time_of(version));
                        self.answer(epoch, id, response);
                    }
                    None => self.served(epoch, id, &Request::Api(exchange), Fate::Served),
                }
            }
            (request, Fate::Overtaken(ms)) => {
                self.overtake(&request);
                self.at(self.now + ms, Event::Arrive { epoch, id, request, fate: Fate::Served });
            }
            (request, fate) => self.served(epoch, id, &request, fate),
        }
    }
    fn unreachable(&mut self, epoch: u32, id: RequestId, request: &Request) {
        let why = "connection refused".to_owned();
        match request {
            Request::Watch { .. } => self.at(self.now, Event::Deliver { epoch, id, event: WatchEvent::Closed(why) }),
            _ => self.answer(epoch, id, Response::Lost(why)),
        }
    }
    fn served(&mut self, epoch: u32, id: RequestId, request: &Request, fate: Fate) {
        match self.serve(epoch, request) {
            Reply::Now(response) => self.reply(epoch, id, response, fate),
            Reply::Later(call) => {
                self.waiting.insert(call, (epoch, id, fate));
            }
        }
    }
    fn later(&mut self, call: u64, response: Response) {
        if let Some((epoch, id, fate)) = self.waiting.remove(&call) {
            self.reply(epoch, id, response, fate);
        }
    }
    fn reply(&mut self, epoch: u32, id: RequestId, response: Response, fate: Fate) {
        match fate {
            Fate::LostAfter => self.lose(epoch, id),
            Fate::FailedAfter(other) => self.answer(epoch, id, other),
            Fate::Lied { lie, .. } => self.lie(epoch, id, lie.told(Some(&response))),
            Fate::Slow(ms) => self.at(self.now + ms, Event::Answer { epoch, id, response, lied: false }),
            _ => self.answer(epoch, id, response),
        }
    }
    fn answer(&mut self, epoch: u32, id: RequestId, response: Response) {
        self.at(self.now, Event::Answer { epoch, id, response, lied: false });
    }
    fn lie(&mut self, epoch: u32, id: RequestId, response: Response) {
        self.at(self.now, Event::Answer { epoch, id, response, lied: true });
    }
    fn lose(&mut self, epoch: u32, id: RequestId) {
        let (ms, why) = match self.luck.between("lost how", 0, 1) {
            0 => (TIMEOUT_MS, "timed out"),
            _ => (self.luck.delay("reset after", 0, 2_000), "connection reset by peer"),
        };
        self.at(self.now + ms, Event::Answer { epoch, id, response: Response::Lost(why.into()), lied: false });
    }
    /// Serves a request of ours, and tells the judges and the watches what came of it.
    fn serve(&mut self, epoch: u32, request: &Request) -> Reply {
        let reply = match request {
            Request::Api(exchange) => {
                self.judge.observe(self.now, &self.server);
                self.judge.showed(exchange, self.now);
                let reply = self.server.serve(Who::Us, exchange);
                if let Reply::Now(response) = &reply {
                    self.judge.leased(self.now, exchange, response);
                }
                reply
            }
            Request::Run(program) => self.server.run(program),
            Request::Watch { .. } => Reply::Now(super::status::no_such_path()),
        };
        self.judge_facts(self.copies.contains(&epoch));
        self.pump();
        reply
    }
    /// The version that the store had so long ago.
    fn version_before(&self, ms: Ms) -> u64 {
        // What happened carries no times: the share of the history stands for the share of the time.
        let history = self.server.store().history();
        let back = (history.len() as u64).min(ms as u64 / 400);
        self.server.store().version().saturating_sub(back).max(self.server.store().compacted())
    }
    /// Somebody deletes at once the pod that a request is about.
    fn overtake(&mut self, request: &Request) {
        let Request::Api(e) = request else { return };
        let Some(target) = super::paths::Target::parse(&e.path) else { return };
        let path = PODS.object(&target.namespace, target.name.as_deref().unwrap_or_default());
        self.others(Method::Delete, path, json!({"gracePeriodSeconds": 0}));
    }
    /// A request of somebody else.
    fn others(&mut self, method: Method, path: String, body: serde_json::Value) {
        self.log(|| format!("somebody: {} {path}", method.text()));
        self.server.serve(Who::Other, &Exchange { method, path, body: Some(body) });
        self.pump();
    }

    // --- watches ---

    fn watch(&mut self, epoch: u32, id: RequestId, resource: Resource, version: &str) {
        if epoch != self.seat.epoch || self.seat.process.is_none() {
            return;
        }
        let cursor = version.parse::<u64>().unwrap_or(0);
        if cursor < self.server.store().compacted() {
            let message = format!("too old resource version: {version}");
            return self.at(self.now, Event::Deliver { epoch, id, event: WatchEvent::Error { code: 410, message } });
        }
        if let Some(p) = &mut self.seat.process {
            p.watches.insert(id, Watch { resource, cursor, not_before: self.now });
        }
        self.at(self.now + BOOKMARK_MS, Event::Bookmark { epoch, id });
        if self.luck.profile() != Profile::None {
            // The server ends each watch after five to ten minutes (its --min-request-timeout).
            let life = self.luck.delay("watch life", 1_000, 600_000);
            self.at(self.now + life, Event::Close { epoch, id });
        }
        self.pumped = 0;
        self.pump();
    }
    /// Hands the facts to the judges; `copy`: what we did of it was asked for by a process with a copy of the journal.
    fn judge_facts(&mut self, copy: bool) {
        for fact in self.server.take_facts() {
            self.judge.happened(self.now, &self.server, fact, copy);
        }
    }
    /// Sends what happened to the watches, and hands the facts to the judges.
    fn pump(&mut self) {
        let now = self.now;
        self.judge_facts(false);
        self.judge.observe(now, &self.server);
        let version = self.server.store().version();
        if self.pumped == version || self.is_away() {
            return;
        }
        self.pumped = version;
        let mut events = Vec::new();
        for seat in std::iter::once(&mut self.seat).chain(&mut self.other) {
            let epoch = seat.epoch;
            for (id, watch) in seat.process.iter_mut().flat_map(|p| &mut p.watches) {
                let news = self.server.store().since(watch.cursor);
                for h in news.iter().filter(|h| h.place.plural == watch.resource.plural) {
                    let delay = match self.luck.strikes("watch delay", 60_000) {
                        true => self.luck.delay("watch delay by", 10, 15_000),
                        false => 0,
                    };
                    watch.not_before = watch.not_before.max(now + delay);
                    let object = (*h.object).clone();
                    let event = if h.deleted { WatchEvent::Deleted(object) } else { WatchEvent::Applied(object) };
                    events.push((watch.not_before, Event::Deliver { epoch, id: *id, event }));
                }
                watch.cursor = version;
            }
        }
        for (at, event) in events {
            self.at(at, event);
        }
    }
    fn deliver(&mut self, id: RequestId, event: WatchEvent) {
        let known = self.seat.process.as_ref().is_some_and(|p| p.watches.contains_key(&id));
        let over = event.is_last();
        if !known && !over && self.flood.is_none() {
            return;
        }
        if known && !over && self.luck.strikes("watch lies", 4_000) {
            let resource = self.seat.process.as_ref().map_or(PODS, |p| p.watches[&id].resource);
            let number = self.luck.between("watch lies how", 0, u64::MAX);
            return self.close(id, Lie::of(number).watched(&resource));
        }
        if known && !over && self.luck.strikes("watch breaks", 8_000) {
            let event = match self.luck.between("watch breaks how", 0, 3) {
                0 => WatchEvent::Error {
                    code: 410,
                    message: "The resourceVersion for the provided watch is too old.".into(),
                },
                1 => WatchEvent::Error { code: 500, message: "etcdserver: no leader".into() },
                2 => WatchEvent::Closed(String::new()),
                _ => WatchEvent::Closed("connection reset by peer".into()),
            };
            return self.close(id, event);
        }
        if over && let Some(p) = &mut self.seat.process {
            p.watches.remove(&id);
        }
        self.feed(Input::Watch(id, event));
    }
    /// A watch ends; what was on its way is lost.
    fn close(&mut self, id: RequestId, event: WatchEvent) {
        let known = self.seat.process.as_mut().and_then(|p| p.watches.remove(&id));
        if known.is_none() {
            return;
        }
        self.log(|| format!("watch {} ends: {event:?}", id.0));
        // A process that stands still hears of it when it goes on.
        let (epoch, frozen) = (self.seat.epoch, self.seat.process.as_ref().map_or(0, |p| p.frozen_until));
        match frozen > self.now {
            true => self.at(frozen, Event::Deliver { epoch, id, event }),
            false => self.feed(Input::Watch(id, event)),
        }
    }
    fn bookmark(&mut self, id: RequestId) {
        let Some(watch) = self.seat.process.as_mut().and_then(|p| p.watches.get_mut(&id)) else { return };
        let (at, version) = (watch.not_before.max(self.now), watch.cursor);
        self.hold_store_against_truth();
        let epoch = self.seat.epoch;
        self.at(at, Event::Deliver { epoch, id, event: WatchEvent::Bookmark(version.to_string()) });
        self.at(self.now + BOOKMARK_MS, Event::Bookmark { epoch, id });
    }

    /// Whenever all watches are open and have nothing more to say, the session knows the pods and nodes that there are, and no others.
    fn hold_store_against_truth(&mut self) {
        let (now, version, epoch) = (self.now, self.server.store().version(), self.seat.epoch);
        let Some(process) = self.seat.process.as_ref().filter(|p| p.frozen_until <= now) else { return };
        let quiet = |w: &Watch| w.cursor == version && w.not_before <= now;
        let kinds: BTreeSet<&str> = process.watches.values().filter(|w| quiet(w)).map(|w| w.resource.plural).collect();
        let under_way =
            |e: &Event| matches!(e, Event::Deliver { epoch: of, .. } | Event::Answer { epoch: of, .. } if *of == epoch);
        if kinds.len() < FOLLOWED.len() || process.watches.len() > FOLLOWED.len() || self.queue.values().any(under_way)
        {
            return;
        }
        let mut wrong = Vec::new();
        for resource in [PODS, NODES] {
            let text = |o: &serde_json::Value, key: &str| o["metadata"][key].as_str().unwrap_or_default().to_owned();
            let there: BTreeSet<(String, String, String)> = self
                .server
                .store()
                .all(resource.plural)
                .map(|(_, o)| (text(o, "namespace"), text(o, "name"), text(o, "uid")))
                .collect();
            let known = process.session.known(resource);
            wrong.extend(there.symmetric_difference(&known).map(|(_, name, _)| format!("{} {name}", resource.kind)));
        }
        if !wrong.is_empty() {
            self.broken("store-is-truth", format!("it knows otherwise of {}", wrong.join(", ")));
        }
    }

    // --- what happens by itself, or by others ---

    fn stop(&mut self, mode: StopMode) {
        if !self.over {
            self.stop_asked.get_or_insert(mode);
            self.feed(Input::Stop(mode));
        }
    }

    fn happen(&mut self, nature: Nature) {
        if self.over {
            return;
        }
        self.log(|| format!("{nature:?}"));
        match nature {
            Nature::Stop => {
                let terminate_drained = [None, Some(false), Some(true)][self.luck.between("stop mode", 0, 2) as usize];
                self.stop(StopMode { terminate_drained });
            }
            Nature::Kill => self.kill("by somebody"),
            Nature::Freeze(ms) => {
                if let Some(p) = &mut self.seat.process {
                    p.frozen_until = self.now + ms;
                    self.struck.insert(if ms > SUSPENDED_MS { "suspend" } else { "pause" });
                }
            }
            // Processes that are under way count the seconds that pass.
            Nature::Jump(ms) => self.skew = self.skew.saturating_add(ms).max(-self.now),
            Nature::Interrupt => self.feed(Input::Interrupt("interrupted twice".into())),
            Nature::TakeLease(ms) => self.take_lease(ms),
            Nature::LeaveLease => self.leave_lease(),
            Nature::Compact => self.server.compact(),
            Nature::Away(ms) => {
                self.away_until = self.away_until.max(self.now + ms);
                self.struck.insert("outage");
                self.on_each(|r| r.close_all(|_| WatchEvent::Closed("connection reset by peer".into())));
            }
            Nature::Revoke(number, ms) => {
                let revoked = Revoked::of(self.now + ms, number);
                self.log(|| format!("{revoked:?}"));
                self.revoked = Some(revoked);
                self.judge.revoked(revoked.is_of_all().then_some((self.now, revoked.until)));
            }
            Nature::Webhook(number, ms) => {
                let webhook = Webhook::of(self.now + ms, number);
                self.log(|| format!("{webhook:?}"));
                self.webhook = Some(webhook);
            }
            Nature::Flood(number, ms) if self.flood.is_none() => {
                let flood = Flood::of(self.now, self.now + ms, number);
                self.log(|| format!("{flood:?}"));
                (self.flood, self.flooded) = (Some(flood), (self.epochs, BTreeMap::new()));
                self.at(flood.until, Event::Nature(Nature::FloodEnds));
                self.on_each(|r| r.close_all(|_| WatchEvent::Closed("connection reset by peer".into())));
            }
            Nature::Flood(..) => {}
            Nature::FloodEnds => self.flood_ends(),
            Nature::Copy(ms) => self.copy(ms),
            Nature::CopyDies => {
                if self.other.is_some() {
                    self.change_seats();
                    self.kill("the other machine");
                    self.change_seats();
                    self.other = None;
                }
            }
            Nature::Lie(number, ms) => {
                let span = Span::of(self.now + ms, number);
                self.log(|| format!("{span:?}"));
                self.lying = Some(span);
                self.struck.insert("lies");
                if let Some(lie) = span.breaks_watches() {
                    self.on_each(|r| r.close_all(|resource| lie.watched(&resource)));
                }
            }
            Nature::Cordon(luck) => self.cordon(self.some_node(luck), true),
            Nature::Uncordon(luck) => self.cordon(self.some_node(luck), false),
            Nature::UncordonOld(luck) => self.cordon(self.some_old_node(luck), false),
            Nature::DenyCordons(..) => {}
            // Before anything was done, a plan whose nodes are others is refused, and nothing is rehearsed.
            Nature::RegisterAgain(..) if !self.judge.has_begun() => {}
            Nature::RegisterAgain(luck, after_ms) => {
                let Some(node) = self.some_old_node(luck) else { return };
                self.server.edit(|w| w.register_again(node, after_ms));
                self.pump();
            }
            Nature::Drain(luck) => self.drain(luck),
            Nature::DeletePod(luck) => {
                let (c, s) = (self.server.world().catalog(), self.server.world().state());
                let pods: Vec<_> = s.live_pods().collect();
                let Some(pod) = pick(&pods, luck) else { return };
                let place = super::objects::pod_place(c, s, s.pods[pod].spec, s.pods[pod].name);
                self.others(Method::Delete, PODS.object(&place.namespace, &place.name), json!({}));
            }
            Nature::Vanish(luck) => {
                let Some(node) = self.some_node(luck) else { return };
                self.server.edit(|w| w.vanish(node));
                self.pump();
            }
            Nature::Lose(luck) => {
                let Some(node) = self.some_node(luck) else { return };
                self.server.edit(|w| w.lose(node));
                self.pump();
            }
        }
    }
    /// All watches of the process end.
    fn close_all(&mut self, with: impl Fn(Resource) -> WatchEvent) {
        let open: Vec<(RequestId, Resource)> =
            self.seat.process.iter().flat_map(|p| &p.watches).map(|(id, w)| (*id, w.resource)).collect();
        for (id, resource) in open {
            self.close(id, with(resource));
        }
    }
    fn flood_ends(&mut self) {
        let Some(flood) = self.flood.take() else { return };
        let (before, asked) = std::mem::take(&mut self.flooded);
        let most = flood.most(self.epochs - before);
        if let Some((kind, n)) = asked.into_iter().find(|(_, n)| *n > most) {
            let text = format!("watches of {kind} were asked for {n} times in {} ms", flood.until - flood.since);
            self.broken("backs-off", text);
        }
    }
    /// Somebody goes on with a copy of the journal on another machine, which lasts for so long.
    fn copy(&mut self, ms: Ms) {
        let mut disk = self.seat.disk.clone();
        disk.crash(0);
        let Ok(Some((_, resumed))) = disk.open() else { return };
        if self.other.is_some() || resumed.ended.is_some() {
            return;
        }
        self.struck.insert("second process");
        self.judge.copied(resumed.next_seq);
        self.other = Some(Seat { disk, is_copy: true, ..Seat::default() });
        self.at(self.now + ms, Event::Nature(Nature::CopyDies));
        self.change_seats();
        self.begin("elsewhere", Some(resumed));
        self.change_seats();
    }
    fn some_node(&self, luck: u64) -> Option<NodeIdx> {
        let nodes: Vec<NodeIdx> = self.server.world().state().live_nodes().collect();
        pick(&nodes, luck)
    }
    fn node_name(&self, node: NodeIdx) -> String {
        self.server.world().state().node_name(self.server.world().catalog(), node).to_owned()
    }
    fn some_old_node(&self, luck: u64) -> Option<NodeIdx> {
        let is_there = |n: &NodeIdx| !self.server.world().state().nodes[*n].gone;
        let nodes: Vec<NodeIdx> = self.stage.site.old_nodes.iter().copied().filter(is_there).collect();
        pick(&nodes, luck)
    }
    fn cordon(&mut self, node: Option<NodeIdx>, on: bool) {
        let Some(node) = node else { return };
        let path = NODES.object("", &self.node_name(node));
        self.others(Method::Patch, path, json!({"spec": {"unschedulable": on}}));
    }
    fn drain(&mut self, luck: u64) {
        let Some(node) = self.some_node(luck) else { return };
        self.cordon(Some(node), true);
        let (c, s) = (self.server.world().catalog(), self.server.world().state());
        let on = |p: &crate::cluster::PodIdx| s.pods[*p].node == Some(node);
        let places: Vec<Place> =
            s.live_pods().filter(on).map(|p| super::objects::pod_place(c, s, s.pods[p].spec, s.pods[p].name)).collect();
        for place in places {
            let path = format!("{}/eviction", PODS.object(&place.namespace, &place.name));
            self.others(Method::Post, path, json!({}));
        }
    }
    fn take_lease(&mut self, ms: Ms) {
        if self.seat.process.is_some() && !self.luck.strikes("lease by force", 500_000) {
            return;
        }
        let time = crate::snapshot::time::format_rfc3339(self.stage.began.unix_ms + self.now, 6);
        let lease = json!({"metadata": {"name": LEASE, "namespace": "default", "uid": "the-others"}, "spec": {
            "holderIdentity": "another-execution", "leaseDurationSeconds": 30, "renewTime": time, "acquireTime": time}});
        self.judge.lease_taken();
        self.server.put_lease(Place::new(LEASES.plural, "default", LEASE), lease, 200);
        self.at(self.now + ms, Event::Nature(Nature::LeaveLease));
    }
    fn leave_lease(&mut self) {
        let place = Place::new(LEASES.plural, "default", LEASE);
        let theirs = |l: &serde_json::Value| l["spec"]["holderIdentity"] == "another-execution";
        if self.server.store().get(&place).is_some_and(|l| theirs(l)) {
            self.others(Method::Delete, LEASES.object("default", LEASE), json!({}));
        }
    }

    // --- what is said ---

    fn broken(&mut self, rule: &'static str, text: impl Into<String>) {
        let now = self.now;
        self.judge.note(now, rule, text);
    }
    fn log(&mut self, line: impl FnOnce() -> String) {
        if self.verbose {
            self.lines.push(format!("{:>9} {}", self.now, line()));
        }
    }
}

impl Seat {
    /// When the process wants to be woken, by the world's clock.
    fn wake(&self, now: Ms) -> Option<Ms> {
        let p = self.process.as_ref()?;
        p.session.next_wakeup().map(|t| (t - p.skew).max(p.frozen_until).max(now))
    }
}

impl Event {
    /// Which process it is for.
    fn epoch(&self) -> Option<u32> {
        match self {
            Event::Arrive { epoch, .. }
            | Event::Answer { epoch, .. }
            | Event::Deliver { epoch, .. }
            | Event::Synced { epoch, .. }
            | Event::Bookmark { epoch, .. }
            | Event::Close { epoch, .. }
            | Event::Approve { epoch, .. } => Some(*epoch),
            _ => None,
        }
    }
    fn is_for_process(&self) -> bool {
        matches!(
            self,
            Event::Answer { .. }
                | Event::Deliver { .. }
                | Event::Synced { .. }
                | Event::Approve { .. }
                | Event::Close { .. }
                | Event::Stop(_)
                | Event::Nature(Nature::Stop | Nature::Interrupt)
        )
    }
}

fn pick<T: Copy>(all: &[T], luck: u64) -> Option<T> {
    let n = all.len() as u64;
    (n > 0).then(|| all[(luck % n) as usize])
}

fn output_words(output: &Output) -> &'static str {
    match output {
        Output::Append { sync: true, .. } => "before an entry that is synced",
        Output::Append { .. } => "before an entry",
        Output::Send(..) => "before a request leaves",
        Output::Cancel(_) => "before a watch is left",
    }
}

fn fate_words(fate: &Fate) -> String {
    match fate {
        Fate::Served => String::new(),
        Fate::Refused(r) => format!("  ({} instead)", response_words(r)),
        Fate::FailedAfter(r) => format!("  ({} after the effect)", response_words(r)),
        other => format!("  ({other:?})"),
    }
}

fn response_words(response: &Response) -> String {
    match response {
        Response::Http { status, body, .. } => match body["message"].as_str() {
            Some(message) => format!("{status} {message}"),
            None => status.to_string(),
        },
        Response::Foreign(f) => format!("{} {}", f.status, f.what),
        Response::Exited { code, output } => format!("exit {code:?}: {output}"),
        Response::Lost(why) => format!("lost: {why}"),
    }
}
