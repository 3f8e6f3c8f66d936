//! One execution upon the simulated API: the process that carries it out, its disk, its clock, and all that goes wrong.

use super::disk::Disk;
use super::facts::Who;
use super::judge::{self, Broken, Judge};
use super::lies::{self, Lie, Span};
use super::luck::{Fate, Luck, Profile};
use super::nature::{self, Nature};
use super::objects::{Bases, Place};
use super::server::{Reply, Server};
use crate::cluster::NodeIdx;
use crate::intent::execution::Retirement;
use crate::runner::{Failure, Ms, Outcome, StopMode};
use crate::session::api::{LEASES, NODES, PODS, Resource};
use crate::session::{
    Began, End, Exchange, Input, LEASE, Method, Output, Request, RequestId, Response, Resumed, Session, Setup,
    WatchEvent,
};
use crate::sim::SiteSpec;
use crate::sim::faults::{Component, Fault, Window};
use crate::sim::world::World;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
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
    /// What happened, line by line, if that was asked for.
    pub log: Vec<String>,
    /// The file of the journal, if that was asked for.
    pub journal: Vec<u8>,
}

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
    Effect(Request),
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

/// The process under way.
struct Process {
    session: Session,
    watches: BTreeMap<RequestId, Watch>,
    /// The latest time that it was told.
    told: Ms,
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
    disk: Disk,
    process: Option<Process>,
    epoch: u32,
    queue: BTreeMap<(Ms, u64), Event>,
    sequence: u64,
    now: Ms,
    /// The process's clock is ahead by so much.
    skew: Ms,
    away_until: Ms,
    /// Something else answers in the API server's place.
    lying: Option<Span>,
    between: Option<Between<'s>>,
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
            disk: Disk::default(),
            process: None,
            epoch: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            now: 0,
            skew: 0,
            away_until: 0,
            lying: None,
            between: None,
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
        match self.disk.open() {
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
            processes: self.epoch,
            requests: self.requests,
            entries: self.disk.safe_entries().len(),
            broken: self.judge.broken,
            log: self.lines,
            journal: if self.verbose { self.disk.bytes() } else { Vec::new() },
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
    /// When the process wants to be woken, by the world's clock.
    fn wake(&self) -> Option<Ms> {
        let p = self.process.as_ref()?;
        p.session.next_wakeup().map(|t| (t - self.skew).max(p.frozen_until).max(self.now))
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
            // A process that stands still takes nothing in; what came for it is there when it goes on.
            let frozen = self.process.as_ref().map_or(0, |p| p.frozen_until);
            if event.is_for_process() && frozen > self.now {
                self.queue.insert((frozen, key.1), event);
                continue;
            }
            self.handle(event);
        }
        if self.wake().is_some_and(|at| at <= self.now) {
            self.feed(Input::Tick);
        }
    }
    fn handle(&mut self, event: Event) {
        match event {
            Event::Start => self.start(),
            Event::Arrive { epoch, id, request, fate } => self.arrive(epoch, id, request, fate),
            Event::Effect(request) => {
                self.log(|| format!("late: {}", judge::words(&request)));
                self.serve(&request);
            }
            Event::Nature(nature) => self.happen(nature),
            Event::Stop(mode) => self.stop(mode),
            Event::Approve { epoch, batch } if epoch == self.epoch => {
                self.feed(Input::Approve { batch, by: "rehearsal".into() });
            }
            Event::Answer { epoch, id, response, lied } if epoch == self.epoch => {
                self.log(|| format!("answer {}: {}", id.0, response_words(&response)));
                // Nothing follows from an answer that is none, whatever can be read in it.
                if self.process.is_some() && !lied {
                    self.judge.told(&response, &self.stage.began.execution);
                }
                self.feed(Input::Response(id, response));
            }
            Event::Synced { epoch, seq } if epoch == self.epoch && self.process.is_some() => {
                self.sync();
                self.feed(Input::Appended(seq));
            }
            Event::Deliver { epoch, id, event } if epoch == self.epoch => self.deliver(id, event),
            Event::Bookmark { epoch, id } if epoch == self.epoch => self.bookmark(id),
            Event::Close { epoch, id } if epoch == self.epoch => self.close(id, WatchEvent::Closed(String::new())),
            _ => {}
        }
    }

    // --- the process ---

    fn start(&mut self) {
        if self.process.is_some() || self.end.is_some() {
            return;
        }
        let resumed = match self.disk.open() {
            Ok(found) => found.map(|(_, resumed)| resumed),
            Err(why) => {
                self.over = true;
                return self.broken("journal-folds", why);
            }
        };
        if self.epoch >= MOST_PROCESSES {
            self.over = true;
            return self.broken("always-an-end", format!("{MOST_PROCESSES} processes did not bring it to an end"));
        }
        self.epoch += 1;
        let epoch = self.epoch;
        self.log(|| format!("process {epoch} begins"));
        let told = resumed.as_ref().map_or(0, |r: &Resumed| r.t_ms);
        let session = Session::new(Setup {
            began: self.stage.began.clone(),
            background: self.stage.background.clone(),
            namespace: "default".into(),
            resumed,
            page: PAGE,
        });
        self.process = Some(Process { session, watches: BTreeMap::new(), told, frozen_until: 0 });
        let options = &self.stage.began.plan.intent.options;
        if options.gates.approval.is_some() {
            for batch in 0..self.stage.began.plan.intent.batches.len() as u32 {
                let delay = self.luck.delay("approval", 0, 120_000);
                self.at(self.now + delay, Event::Approve { epoch: self.epoch, batch });
            }
        }
        self.feed(Input::Tick);
        if let Some(mode) = self.stop_asked {
            self.feed(Input::Stop(mode));
        }
    }
    /// The process is killed: what it had not synced is lost, or half of it is there.
    fn kill(&mut self, why: &str) {
        if self.process.take().is_none() {
            return;
        }
        let loose = self.disk.loose_bytes() as u64;
        let kept = self.luck.between("kept bytes", 0, loose) as usize;
        self.log(|| format!("killed ({why}), {kept} of {loose} loose bytes are there"));
        self.disk.crash(kept);
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
            let now = self.now + self.skew;
            let Some(process) = &mut self.process else { return };
            process.told = process.told.max(now);
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
                        if let Err(e) = self.disk.append(entry) {
                            self.over = true;
                            return self.broken("journal-folds", e.to_string());
                        }
                        if sync {
                            match self.luck.delay("fsync", 0, 40) {
                                0 => {
                                    self.sync();
                                    inputs.push_back(Input::Appended(seq));
                                }
                                ms => self.at(self.now + ms, Event::Synced { epoch: self.epoch, seq }),
                            }
                        }
                    }
                    Output::Send(id, request) => self.send(id, request),
                    Output::Cancel(id) => {
                        if let Some(p) = &mut self.process {
                            p.watches.remove(&id);
                        }
                    }
                }
                if self.crashes("after it") {
                    return;
                }
            }
            if self.process.as_ref().is_some_and(|p| p.session.end().is_some()) {
                return self.left();
            }
        }
    }
    fn sync(&mut self) {
        self.disk.sync();
        self.judge.safe(self.disk.safe_entries());
    }
    /// The session is over.
    fn left(&mut self) {
        let Some(process) = self.process.take() else { return };
        // A process that ends in order closes its file.
        self.sync();
        match process.session.end() {
            Some(End::Finished(outcome, failure)) => {
                self.log(|| format!("ended: {outcome:?} {failure:?}"));
                let began = process.session.progress().map_or(0, |p| p.began());
                self.ended_at = process.session.progress().map_or(process.told, |p| p.now) - began;
                self.judge.finished(self.now, &self.server, *outcome);
                self.end = Some((*outcome, failure.clone()));
                self.over = true;
            }
            Some(End::Refused(why) | End::Interrupted(why)) => {
                self.log(|| format!("left: {why}"));
                if self.luck.profile() == Profile::None {
                    self.over = true;
                    return self.broken("always-an-end", format!("nothing went wrong, and it ended with: {why}"));
                }
                // The Lease's holder goes away; whatever else is refused before anything was done is refused for good.
                if matches!(process.session.end(), Some(End::Refused(_))) && !why.contains("Lease") {
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
        self.judge.sent(now, &request);
        let fate = self.luck.fate(&request);
        let fate = lies::single(&mut self.luck, &request).unwrap_or(fate);
        self.log(|| format!("send {}: {}{}", id.0, judge::words(&request), fate_words(&fate)));
        let more = self.luck.delay("latency", 0, 60);
        let at = now + self.stage.site.options.api_latency_ms.max(0) + more;
        self.at(at, Event::Arrive { epoch: self.epoch, id, request, fate });
    }
    fn is_away(&self) -> bool {
        self.now < self.away_until
    }
    fn arrive(&mut self, epoch: u32, id: RequestId, request: Request, fate: Fate) {
        if self.is_away() && !matches!(request, Request::Run(_)) {
            return self.unreachable(epoch, id, &request);
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
            (Request::Watch { resource, resource_version }, _) => self.watch(epoch, id, resource, &resource_version),
            (_, Fate::Lied { lie, served: false }) => self.lie(epoch, id, lie.told(None)),
            (_, Fate::Refused(response)) => self.answer(epoch, id, response),
            (_, Fate::LostBefore) => self.lose(epoch, id),
            (request, Fate::Late(ms)) => {
                self.at(self.now + ms, Event::Effect(request));
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
        match self.serve(request) {
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
    fn serve(&mut self, request: &Request) -> Reply {
        let reply = match request {
            Request::Api(exchange) => {
                self.judge.observe(self.now, &self.server);
                self.judge.showed(exchange, self.now);
                self.server.serve(Who::Us, exchange)
            }
            Request::Run(program) => self.server.run(program),
            Request::Watch { .. } => Reply::Now(super::status::no_such_path()),
        };
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
        if epoch != self.epoch || self.process.is_none() {
            return;
        }
        let cursor = version.parse::<u64>().unwrap_or(0);
        if cursor < self.server.store().compacted() {
            let message = format!("too old resource version: {version}");
            return self.at(self.now, Event::Deliver { epoch, id, event: WatchEvent::Error { code: 410, message } });
        }
        if let Some(p) = &mut self.process {
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
    /// Sends what happened to the watches, and hands the facts to the judges.
    fn pump(&mut self) {
        let now = self.now;
        for fact in self.server.take_facts() {
            self.judge.happened(now, &self.server, fact);
        }
        self.judge.observe(now, &self.server);
        let version = self.server.store().version();
        if self.pumped == version || self.is_away() {
            return;
        }
        self.pumped = version;
        let Some(process) = &mut self.process else { return };
        let mut events = Vec::new();
        for (id, watch) in &mut process.watches {
            let news = self.server.store().since(watch.cursor);
            for h in news.iter().filter(|h| h.place.plural == watch.resource.plural) {
                let delay = match self.luck.strikes("watch delay", 60_000) {
                    true => self.luck.delay("watch delay by", 10, 15_000),
                    false => 0,
                };
                watch.not_before = watch.not_before.max(now + delay);
                let object = (*h.object).clone();
                let event = if h.deleted { WatchEvent::Deleted(object) } else { WatchEvent::Applied(object) };
                events.push((watch.not_before, *id, event));
            }
            watch.cursor = version;
        }
        for (at, id, event) in events {
            self.at(at, Event::Deliver { epoch: self.epoch, id, event });
        }
    }
    fn deliver(&mut self, id: RequestId, event: WatchEvent) {
        let known = self.process.as_ref().is_some_and(|p| p.watches.contains_key(&id));
        let over = event.is_last();
        if !known && !over {
            return;
        }
        if known && !over && self.luck.strikes("watch lies", 4_000) {
            let resource = self.process.as_ref().map_or(PODS, |p| p.watches[&id].resource);
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
        if over && let Some(p) = &mut self.process {
            p.watches.remove(&id);
        }
        self.feed(Input::Watch(id, event));
    }
    /// A watch ends; what was on its way is lost.
    fn close(&mut self, id: RequestId, event: WatchEvent) {
        let known = self.process.as_mut().and_then(|p| p.watches.remove(&id));
        if known.is_some() {
            self.log(|| format!("watch {} ends: {event:?}", id.0));
            self.feed(Input::Watch(id, event));
        }
    }
    fn bookmark(&mut self, id: RequestId) {
        let Some(watch) = self.process.as_mut().and_then(|p| p.watches.get_mut(&id)) else { return };
        let (at, version) = (watch.not_before.max(self.now), watch.cursor);
        let epoch = self.epoch;
        self.at(at, Event::Deliver { epoch, id, event: WatchEvent::Bookmark(version.to_string()) });
        self.at(self.now + BOOKMARK_MS, Event::Bookmark { epoch, id });
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
                if let Some(p) = &mut self.process {
                    p.frozen_until = self.now + ms;
                }
            }
            Nature::Jump(ms) => self.skew = (self.skew + ms).max(-self.now),
            Nature::Interrupt => self.feed(Input::Interrupt("interrupted twice".into())),
            Nature::TakeLease(ms) => self.take_lease(ms),
            Nature::LeaveLease => self.leave_lease(),
            Nature::Compact => self.server.compact(),
            Nature::Away(ms) => {
                self.away_until = self.away_until.max(self.now + ms);
                let ids: Vec<RequestId> =
                    self.process.as_ref().map(|p| p.watches.keys().copied().collect()).unwrap_or_default();
                for id in ids {
                    self.close(id, WatchEvent::Closed("connection reset by peer".into()));
                }
            }
            Nature::Lie(number, ms) => {
                let span = Span::of(self.now + ms, number);
                self.log(|| format!("{span:?}"));
                self.lying = Some(span);
                if let Some(lie) = span.breaks_watches() {
                    let open: Vec<(RequestId, Resource)> =
                        self.process.iter().flat_map(|p| &p.watches).map(|(id, w)| (*id, w.resource)).collect();
                    for (id, resource) in open {
                        self.close(id, lie.watched(&resource));
                    }
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
        if self.process.is_some() && !self.luck.strikes("lease by force", 500_000) {
            return;
        }
        let time = crate::snapshot::time::format_rfc3339(self.stage.began.unix_ms + self.now, 6);
        let lease = json!({"metadata": {"name": LEASE, "namespace": "default", "uid": "the-others"}, "spec": {
            "holderIdentity": "another-execution", "leaseDurationSeconds": 30, "renewTime": time, "acquireTime": time}});
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

impl Event {
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
