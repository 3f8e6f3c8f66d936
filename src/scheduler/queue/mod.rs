//! The scheduling queue of kube-scheduler 1.36 in virtual time (`pkg/scheduler/backend/queue`).
//!
//! Three places: *active* (next to be tried, by priority, then by the moment of the last failure or arrival), *backoff*
//! (two heaps: rejected and failed by error) and *waiting* (`unschedulablePods`). A waiting pod leaves when an event's
//! hint of one of the plugins that rejected it says so, or after five minutes. Events that arrive while
//! a pod is being tried are replayed when it fails.
//!
//! The queue reads the state's log of changes itself ([`Queue::observe`]): pods that arrive, are bound or vanish, and the events.
//! A driver calls `observe`, then `pop` until it gives nothing, with `failed` or `done` after each attempt, and comes back at
//! [`Queue::next_wakeup`].
//!
//! Where the real queue depends on luck ([ND] in docs/reference/kubernetes.md#scheduling-queue) the policy is: equal priority and timestamp → order in which the
//! timestamps were given; waiting pods are visited in order of creation; a pod already pending at the start counts from its creation.

pub mod event;
mod waiting;

#[cfg(test)]
mod tests;

pub use super::backoff::QueueConfig;
pub use super::event::ClusterEvent;

use crate::cluster::{Catalog, PodIdx, SpecIdx, State};
use crate::scheduler::config::{Profile, SchedulerConfig};
use crate::scheduler::names::{PluginId, PluginSet};
use crate::scheduler::plugin::PodView;
use crate::scheduler::plugins::{listeners, says_queue};
use event::{Meaning, Watcher};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use waiting::Waiting;

/// Order of the active queue (`queuesort.Less`): priority descending, timestamp ascending, then the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    minus_priority: i64,
    timestamp: i64,
    nth: u64,
    pod: PodIdx,
}

/// Where a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Active,
    Backoff,
    ErrorBackoff,
    Waiting,
    /// Has scheduling gates, which nothing here lifts.
    Gated,
    /// Being tried; the first event after it was popped.
    InFlight(u64),
}

/// What is known of a pod in the queue (`QueuedPodInfo`).
#[derive(Clone, Copy, Debug)]
struct Entry {
    spec: SpecIdx,
    rank: Rank,
    place: Place,
    /// Index of the profile that places it.
    profile: usize,
    attempts: u32,
    unschedulable_count: u32,
    error_count: u32,
    rejectors: PluginSet,
    expiry: Option<i64>,
    /// Since when it backs off.
    since: i64,
    /// How long it waited in the queue since its last failure.
    waited: Waited,
    /// Kept out by DefaultPreemption's PreEnqueue while its preemption is under way.
    preempting: bool,
}

/// How long a pod waited in the queue, after what it lacked may have been there, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// Backing off.
    pub backoff_ms: i64,
    /// Until the flush of pods that no event has woken for five minutes.
    pub flush_ms: i64,
}

/// How many pods are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Next to be tried.
    pub active: usize,
    /// Backing off after a rejection or an error.
    pub backoff: usize,
    /// Waiting for an event.
    pub waiting: usize,
    /// Being tried.
    pub in_flight: usize,
}

/// The scheduling queue.
#[derive(Clone, Debug)]
pub struct Queue {
    config: QueueConfig,
    profiles: Vec<Arc<Profile>>,
    started: i64,
    now: i64,
    watcher: Watcher,
    /// Empty; kept for its room.
    meanings: Vec<Meaning>,
    entries: FxHashMap<PodIdx, Entry>,
    active: BTreeSet<Rank>,
    backoff: BTreeSet<(i64, Rank)>,
    error_backoff: BTreeSet<(i64, Rank)>,
    waiting: Waiting,
    /// Pods being tried, with the number of the first event after they were popped.
    in_flight: BTreeMap<PodIdx, u64>,
    events: VecDeque<ClusterEvent>,
    first_event: u64,
    preempting: FxHashSet<PodIdx>,
    nth: u64,
}

/// What an event means to a pod (`queueingStrategy`; no plugin of the default profile is ever "pending").
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Skip,
    AfterBackoff,
}

impl Queue {
    /// A queue of the default profile that starts at `now` with the pods that are pending in the state.
    pub fn new(config: QueueConfig, catalog: &Catalog, state: &State, now: i64) -> Queue {
        let scheduler = SchedulerConfig { queue: config, ..SchedulerConfig::of_version(catalog.kubernetes) };
        Queue::of(&scheduler, catalog, state, now)
    }
    /// The queue of a scheduler, which starts at `now` with the pods that are pending in the state.
    pub fn of(config: &SchedulerConfig, catalog: &Catalog, state: &State, now: i64) -> Queue {
        let mut queue = Queue {
            config: config.queue,
            profiles: config.profiles.clone(),
            started: now,
            now,
            watcher: Watcher::new(state),
            meanings: Vec::new(),
            entries: FxHashMap::default(),
            active: BTreeSet::new(),
            backoff: BTreeSet::new(),
            error_backoff: BTreeSet::new(),
            waiting: Waiting::default(),
            in_flight: BTreeMap::new(),
            events: VecDeque::new(),
            first_event: 0,
            preempting: FxHashSet::default(),
            nth: 0,
        };
        for (pod, p) in state.pods.entries() {
            if !p.gone && p.node.is_none() && !p.phase.is_terminal() {
                queue.add_at(catalog, state, pod, p.created.min(now));
            }
        }
        queue
    }

    // --- what a driver calls ---

    /// Reads the state's log up to its end: pods that arrived or left, and events, which move waiting pods.
    pub fn observe(&mut self, catalog: &Catalog, state: &State, now: i64) {
        self.advance(now);
        if self.watcher.cursor() == state.cursor() {
            return;
        }
        let mut meanings = std::mem::take(&mut self.meanings);
        self.watcher.read(catalog, state, &mut meanings);
        for meaning in meanings.drain(..) {
            match meaning {
                Meaning::Arrived(pod) => self.add_at(catalog, state, pod, now),
                Meaning::Left(pod) => self.delete(pod),
                Meaning::Event(event) => self.happened(catalog, state, event),
            }
        }
        self.meanings = meanings;
    }

    /// Up to where the log of changes was read; what lies before may be forgotten.
    pub fn cursor(&self) -> u64 {
        self.watcher.cursor()
    }
    /// Takes the next pod to try: from the active queue, else the one whose backoff ends first.
    ///
    /// Pods that are being deleted are passed over (`skipPodSchedule`). `failed` or `done` must follow.
    pub fn pop(&mut self, state: &State, now: i64) -> Option<PodIdx> {
        self.advance(now);
        loop {
            let rank = match self.active.pop_first() {
                Some(rank) => rank,
                None if self.config.pop_from_backoff => self.backoff.pop_first()?.1,
                None => return None,
            };
            let pod = &state.pods[rank.pod];
            if pod.gone || pod.node.is_some() || pod.phase.is_terminal() || pod.deleting.is_some() {
                self.entries.remove(&rank.pod);
                continue;
            }
            let first = self.first_event + self.events.len() as u64;
            if let Some(entry) = self.entries.get_mut(&rank.pod) {
                if entry.place == Place::Backoff {
                    entry.waited.backoff_ms += now - entry.since;
                }
                entry.place = Place::InFlight(first);
                entry.attempts += 1;
            }
            self.in_flight.insert(rank.pod, first);
            return Some(rank.pod);
        }
    }
    /// Puts a pod back that could not be placed (`AddUnschedulableIfNotPresent`).
    ///
    /// `rejectors` are the plugins that rejected some node first, or the one whose PreFilter failed; none for an error (such as
    /// a cluster without nodes), which is tried again after a backoff without waiting for an event.
    pub fn failed(&mut self, catalog: &Catalog, state: &State, pod: PodIdx, rejectors: PluginSet, now: i64) {
        self.observe(catalog, state, now);
        let Some(mut entry) = self.entries.get(&pod).copied() else { return };
        let Place::InFlight(first) = entry.place else { return };
        if rejectors.is_empty() {
            entry.error_count += 1;
        } else {
            entry.unschedulable_count += 1;
            entry.error_count = 0;
        }
        entry.rejectors = rejectors;
        entry.preempting = false;
        entry.waited = Waited::default();
        entry.rank.timestamp = now;
        entry.rank.nth = self.next_nth();
        let attempts = match catalog.kubernetes.rules().backoff_by_attempts {
            true => entry.attempts,
            false if entry.error_count > 0 => entry.error_count,
            false => entry.unschedulable_count,
        };
        entry.expiry = self.config.expiry(now, attempts);
        let strategy = if rejectors.is_empty() {
            Strategy::AfterBackoff
        } else {
            let skip = first.saturating_sub(self.first_event) as usize;
            let profile = &self.profiles[entry.profile];
            let worth = self
                .events
                .iter()
                .skip(skip)
                .any(|e| worth_requeuing(profile, catalog, state, pod, &entry, e) == Strategy::AfterBackoff);
            if worth { Strategy::AfterBackoff } else { Strategy::Skip }
        };
        self.end_flight(pod);
        match strategy {
            Strategy::Skip => self.put(entry, Place::Waiting),
            Strategy::AfterBackoff => self.requeue(entry),
        }
    }
    /// How long a pod that is being tried waited in the queue since it last failed.
    pub fn waited(&self, pod: PodIdx) -> Waited {
        self.entries.get(&pod).map_or_else(Waited::default, |e| e.waited)
    }
    /// Ends an attempt that succeeded, or that is not to be repeated.
    pub fn done(&mut self, pod: PodIdx) {
        self.end_flight(pod);
        if self.entries.get(&pod).is_some_and(|e| matches!(e.place, Place::InFlight(_))) {
            self.entries.remove(&pod);
        }
    }
    /// Forgets a pod that needs no node any more.
    pub fn delete(&mut self, pod: PodIdx) {
        self.preempting.remove(&pod);
        self.end_flight(pod);
        if let Some(entry) = self.entries.remove(&pod) {
            self.unplace(&entry);
        }
    }
    /// From now on the pod's preemption is under way: it stays out of the queue until [`Queue::preemption_ended`]
    /// (DefaultPreemption's PreEnqueue while the API calls that delete its victims are running).
    pub fn preemption_started(&mut self, pod: PodIdx) {
        self.preempting.insert(pod);
    }
    /// All victims' deletions have been asked for.
    pub fn preemption_ended(&mut self, pod: PodIdx) {
        self.preempting.remove(&pod);
    }
    /// When the queue has to be looked at again if nothing happens before: at once if a pod can be popped, else the next tick
    /// that ends a backoff or a too long wait. None if nothing will ever change by itself.
    pub fn next_wakeup(&self) -> Option<i64> {
        if !self.active.is_empty() || (self.config.pop_from_backoff && !self.backoff.is_empty()) {
            return Some(self.now);
        }
        self.next_tick()
    }
    /// How many pods are where.
    pub fn counts(&self) -> QueueCounts {
        QueueCounts {
            active: self.active.len(),
            backoff: self.backoff.len() + self.error_backoff.len(),
            waiting: self.waiting.len(),
            in_flight: self.in_flight.len(),
        }
    }
    /// Whether the pod is in the queue (waiting, backing off, active, gated or being tried).
    pub fn holds(&self, pod: PodIdx) -> bool {
        self.entries.contains_key(&pod)
    }

    // --- time ---

    /// Runs the flushes that are due: each whole second those whose backoff ended, and every 30 s those that waited too long.
    fn advance(&mut self, now: i64) {
        while let Some(tick) = self.next_tick().filter(|t| *t <= now) {
            self.now = self.now.max(tick);
            self.flush_backoff(tick);
            self.flush_waiting(tick);
        }
        self.now = self.now.max(now);
    }
    fn next_tick(&self) -> Option<i64> {
        // Mostly nothing waits.
        if self.waiting.is_empty() && self.backoff.is_empty() && self.error_backoff.is_empty() {
            return None;
        }
        let first = |set: &BTreeSet<(i64, Rank)>| set.first().map(|(e, _)| QueueConfig::tick_after(*e));
        [first(&self.backoff), first(&self.error_backoff), self.next_flush()].into_iter().flatten().min()
    }
    /// The first 30 s tick at which the pod that waits longest has waited for more than five minutes.
    fn next_flush(&self) -> Option<i64> {
        let overdue = self.waiting.oldest()? + self.config.max_unschedulable_ms;
        let every = self.config.flush_every_ms.max(1);
        let ticks = ((overdue - self.started).div_euclid(every) + 1).max(0);
        let tick = self.started + ticks * every;
        // A pod that preemption keeps out outlasts its flush: look again at the next tick only.
        Some(if tick <= self.now {
            self.started + ((self.now - self.started).div_euclid(every) + 1) * every
        } else {
            tick
        })
    }
    fn flush_backoff(&mut self, tick: i64) {
        let aligned = self.config.align(tick);
        loop {
            let rejected = self.backoff.first().filter(|(e, _)| *e < aligned).copied();
            let errored = self.error_backoff.first().filter(|(e, _)| *e < aligned).copied();
            let Some((_, rank)) = rejected.or(errored) else { break };
            let Some(mut entry) = self.entries.get(&rank.pod).copied() else { break };
            self.unplace(&entry);
            entry.waited.backoff_ms += tick - entry.since;
            // PreEnqueue was asked when it entered the backoff queue and is not asked again.
            self.put(entry, Place::Active);
        }
    }
    fn flush_waiting(&mut self, tick: i64) {
        let since_start = tick - self.started;
        if since_start < 0 || since_start % self.config.flush_every_ms.max(1) != 0 {
            return;
        }
        let pods = self.waiting.older_than(tick - self.config.max_unschedulable_ms);
        if pods.is_empty() {
            return;
        }
        for pod in pods {
            let Some(mut entry) = self.entries.get(&pod).copied() else { continue };
            if !entry.preempting {
                self.unplace(&entry);
                entry.waited.flush_ms += tick - entry.rank.timestamp;
                self.requeue(entry);
            }
        }
        self.note(ClusterEvent::Timeout);
    }

    // --- events ---

    /// Moves the waiting pods that the event makes worth trying, and keeps it for those being tried
    /// (`movePodsToActiveOrBackoffQueue`).
    fn happened(&mut self, catalog: &Catalog, state: &State, event: ClusterEvent) {
        let candidates = self.waiting.rejected_by(listeners(&event));
        // Pods of one spec with the same rejectors get the same hint.
        let mut known: FxHashMap<(SpecIdx, PluginSet), Strategy> = FxHashMap::default();
        for pod in candidates {
            let Some(entry) = self.entries.get(&pod).copied() else { continue };
            if entry.preempting && !matches!(event, ClusterEvent::PodRemoved { .. }) {
                continue;
            }
            let profile = &self.profiles[entry.profile];
            let strategy = *known
                .entry((entry.spec, entry.rejectors))
                .or_insert_with(|| worth_requeuing(profile, catalog, state, pod, &entry, &event));
            if strategy == Strategy::AfterBackoff {
                self.unplace(&entry);
                self.requeue(entry);
            }
        }
        self.note(event);
    }
    fn note(&mut self, event: ClusterEvent) {
        if !self.in_flight.is_empty() {
            self.events.push_back(event);
        }
    }
    /// Ends a pod's attempt and drops the events that nobody in flight needs any more.
    fn end_flight(&mut self, pod: PodIdx) {
        if self.in_flight.remove(&pod).is_none() {
            return;
        }
        let end = self.first_event + self.events.len() as u64;
        let needed = self.in_flight.values().copied().min().unwrap_or(end);
        while self.first_event < needed && self.events.pop_front().is_some() {
            self.first_event += 1;
        }
    }

    // --- places ---

    fn next_nth(&mut self) -> u64 {
        self.nth += 1;
        self.nth
    }
    fn add_at(&mut self, catalog: &Catalog, state: &State, pod: PodIdx, timestamp: i64) {
        let spec = state.pods[pod].spec;
        let shape = catalog.shape(spec);
        // Another scheduler's pods are left to it (`HandlesSchedulerName`).
        let name = catalog.text(shape.scheduler_name);
        let Some(profile) = self.profiles.iter().position(|p| p.name == name) else { return };
        if self.entries.contains_key(&pod) {
            return;
        }
        let nth = self.next_nth();
        let mut rejectors = PluginSet::EMPTY;
        if shape.gated {
            rejectors.insert(PluginId::SchedulingGates);
        }
        let entry = Entry {
            spec,
            rank: Rank { minus_priority: -i64::from(shape.priority), timestamp, nth, pod },
            place: Place::Gated,
            profile,
            attempts: 0,
            unschedulable_count: 0,
            error_count: 0,
            rejectors,
            expiry: None,
            since: timestamp,
            waited: Waited::default(),
            preempting: false,
        };
        self.put(entry, if shape.gated { Place::Gated } else { Place::Active });
    }
    /// To the backoff queue while the backoff lasts, else to the active one (`requeuePodWithQueueingStrategy`).
    fn requeue(&mut self, entry: Entry) {
        let place = if !self.config.lasts(entry.expiry, self.now) {
            Place::Active
        } else if entry.rejectors.is_empty() {
            Place::ErrorBackoff
        } else {
            Place::Backoff
        };
        self.put_unless_preempting(entry, place);
    }
    /// PreEnqueue: a pod whose preemption is under way waits on.
    fn put_unless_preempting(&mut self, mut entry: Entry, place: Place) {
        entry.preempting = self.preempting.contains(&entry.rank.pod);
        if entry.preempting {
            entry.rejectors.insert(PluginId::DefaultPreemption);
            self.put(entry, Place::Waiting);
        } else {
            self.put(entry, place);
        }
    }
    fn put(&mut self, mut entry: Entry, place: Place) {
        entry.place = place;
        entry.since = self.now;
        let (pod, rank) = (entry.rank.pod, entry.rank);
        match place {
            Place::Active => {
                self.active.insert(rank);
            }
            Place::Backoff => {
                self.backoff.insert((entry.expiry.unwrap_or(i64::MIN), rank));
            }
            Place::ErrorBackoff => {
                self.error_backoff.insert((entry.expiry.unwrap_or(i64::MIN), rank));
            }
            Place::Waiting => self.waiting.insert(pod, rank.timestamp, entry.rejectors),
            Place::Gated | Place::InFlight(_) => {}
        }
        self.entries.insert(pod, entry);
    }
    fn unplace(&mut self, entry: &Entry) {
        match entry.place {
            Place::Active => {
                self.active.remove(&entry.rank);
            }
            Place::Backoff => {
                self.backoff.remove(&(entry.expiry.unwrap_or(i64::MIN), entry.rank));
            }
            Place::ErrorBackoff => {
                self.error_backoff.remove(&(entry.expiry.unwrap_or(i64::MIN), entry.rank));
            }
            Place::Waiting => self.waiting.remove(entry.rank.pod, entry.rank.timestamp, entry.rejectors),
            Place::Gated | Place::InFlight(_) => {}
        }
    }
}

/// Whether the event makes the pod worth trying: only the hints of plugins that rejected it count (`isPodWorthRequeuing`).
fn worth_requeuing(
    profile: &Profile,
    catalog: &Catalog,
    state: &State,
    pod: PodIdx,
    entry: &Entry,
    event: &ClusterEvent,
) -> Strategy {
    let worth = match event {
        ClusterEvent::Timeout => true,
        ClusterEvent::PodRemoved { up_to_priority: Some(limit), .. }
            if -entry.rank.minus_priority > i64::from(*limit) =>
        {
            false
        }
        _ => {
            let asked = entry.rejectors.and(listeners(event));
            let view = PodView { catalog, state, config: profile, pod };
            asked.iter().any(|plugin| says_queue(plugin, view, event))
        }
    };
    if worth { Strategy::AfterBackoff } else { Strategy::Skip }
}
