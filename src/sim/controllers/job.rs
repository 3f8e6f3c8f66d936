//! Jobs (pkg/controller/job/{job_controller,backoff_utils}.go, 1.36).

use super::memory::Memory;
use super::ranking::first_to_go;
use super::{Action, BURST, JOB_BATCH_MS, Sync};
use crate::cluster::{Catalog, FailureAction, JobSpec, OwnerIdx, Phase, PodIdx, PodSpec, PodState, State};
use std::collections::{BTreeMap, BTreeSet};

/// First backoff after a failure (`DefaultJobPodFailureBackOff`), doubled for each further one in a row.
const BACKOFF_MS: i64 = 10_000;
/// Longest backoff (`MaxJobPodFailureBackOff`).
const LONGEST_BACKOFF_MS: i64 = 600_000;

/// The API keeps whole seconds, rounded down, and so does the backoff that counts from them. Which part of its second a
/// moment was is not known: half of one is lost on average.
const LOST_MS: i64 = 500;

/// What the Job controller remembers of a Job.
#[derive(Clone, Debug, Default)]
pub struct JobMemory {
    /// Pods that succeeded.
    pub succeeded: i64,
    /// Pods that failed and count against `backoffLimit`.
    pub failed: i64,
    /// Complete or Failed.
    pub finished: bool,
    /// Ended as failed during the run.
    pub gave_up: bool,
    /// A pod that a `FailJob` rule fits.
    failed_by_policy: Option<PodIdx>,
    /// Where each index has its own limit: its failures.
    by_index: BTreeMap<u32, IndexFailures>,
    failed_indexes: BTreeSet<u32>,
    /// Failures since the last success, and when the last was.
    in_a_row: u32,
    last_failure: i64,
    /// Indexes that succeeded.
    done: BTreeSet<u32>,
    counted: BTreeSet<PodIdx>,
    new_successes: Vec<i64>,
    new_failures: Vec<i64>,
}

/// Failures of one index: all, those that count, and when the last was.
#[derive(Clone, Copy, Debug, Default)]
struct IndexFailures {
    all: u32,
    counted: i64,
    last: i64,
}

/// Why a Job has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEnd {
    /// The reason of its condition Failed.
    pub reason: &'static str,
    /// That condition's message.
    pub message: String,
}

impl JobEnd {
    fn new(reason: &'static str, message: impl Into<String>) -> JobEnd {
        JobEnd { reason, message: message.into() }
    }
}

impl JobMemory {
    /// As the dump's status has it: pods that are finished already are counted in it.
    pub fn new(catalog: &Catalog, state: &State, owner: OwnerIdx, spec: &JobSpec) -> JobMemory {
        let mut memory = JobMemory {
            succeeded: spec.succeeded,
            failed: spec.failed,
            finished: spec.finished,
            failed_indexes: spec.failed_indexes.iter().copied().collect(),
            ..JobMemory::default()
        };
        for pod in &state.owned[owner] {
            let p = &state.pods[*pod];
            if p.phase.is_terminal() || (p.deleting.is_some() && !spec.replace_only_failed) {
                memory.counted.insert(*pod);
            }
            let of = &catalog.specs[p.spec];
            if let (Some(index), Some(_)) = (of.ordinal, spec.backoff_limit_per_index) {
                let failures = memory.by_index.entry(index).or_default();
                let counted = annotated(catalog, of, "batch.kubernetes.io/job-index-failure-count");
                let ignored = annotated(catalog, of, "batch.kubernetes.io/job-index-ignored-failure-count");
                failures.counted = failures.counted.max(counted);
                failures.all = failures.all.max(u32::try_from(counted.saturating_add(ignored)).unwrap_or(u32::MAX));
            }
        }
        memory
    }
}

/// The number in an annotation; 0 where there is none.
fn annotated(catalog: &Catalog, spec: &PodSpec, key: &str) -> i64 {
    let key = catalog.names.get(key);
    let value = spec.annotations.iter().find(|(k, _)| Some(*k) == key).map(|(_, v)| catalog.text(*v));
    value.and_then(|v| v.parse().ok()).unwrap_or(0).max(0)
}

/// Notes that a pod of a Job finished, once: by its phase, or by its deletion where that counts as a failure
/// (`isPodFailed`: unless only failed pods are replaced).
pub fn note(catalog: &Catalog, memory: &mut Memory, owner: OwnerIdx, pod: PodIdx, p: &PodState, now: i64) {
    let (Some(job), Some(spec)) = (&mut memory.job, &catalog.owners[owner].job) else {
        return;
    };
    let deleted = p.deleting.is_some() && !spec.replace_only_failed;
    if !(p.phase.is_terminal() || deleted || p.gone) || !job.counted.insert(pod) {
        return;
    }
    if p.phase == Phase::Succeeded {
        job.new_successes.push(now);
        job.done.extend(catalog.specs[p.spec].ordinal);
        return;
    }
    // `getFinishedTime`: the containers' end; for a pod still being deleted the moment the deletion was asked for.
    let finish = match p.deleting {
        Some(deletion) if !p.phase.is_terminal() => deletion.asked,
        _ => now,
    };
    job.new_failures.push(finish - LOST_MS);
    // An eviction, preemption or taint eviction marks its pod as a DisruptionTarget; what is deleted during a run is.
    let action = if p.deleting.is_some() { spec.on_disruption } else { FailureAction::Count };
    job.failed += i64::from(action != FailureAction::Ignore);
    if action == FailureAction::FailJob {
        job.failed_by_policy.get_or_insert(pod);
    }
    let index = catalog.specs[p.spec].ordinal.filter(|_| spec.indexed);
    if let (Some(index), Some(limit)) = (index, spec.backoff_limit_per_index) {
        let failures = job.by_index.entry(index).or_default();
        failures.all = failures.all.saturating_add(1);
        failures.counted += i64::from(action != FailureAction::Ignore);
        failures.last = finish - LOST_MS;
        if action == FailureAction::FailIndex || failures.counted > limit {
            job.failed_indexes.insert(index);
        }
    }
}

/// Whether the Job controller keeps its finalizer on a pod that has failed: while its index has no replacement yet, which takes over its
/// count of failures (`getPodsWithDelayedDeletionPerIndex`, `canRemoveFinalizer`).
pub fn keeps(catalog: &Catalog, state: &State, memory: &Memory, owner: OwnerIdx, pod: PodIdx) -> bool {
    let (Some(job), Some(spec)) = (&memory.job, &catalog.owners[owner].job) else { return false };
    let index = |p: PodIdx| catalog.specs[state.pods[p].spec].ordinal;
    let Some(mine) = index(pod).filter(|_| spec.indexed && spec.backoff_limit_per_index.is_some()) else {
        return false;
    };
    let has_ended = job.finished || catalog.owners[owner].deleting || memory.orphaned;
    let decided = job.done.contains(&mine) || job.failed_indexes.contains(&mine);
    let replaced = || state.owned[owner].iter().any(|p| state.pods[*p].is_active() && index(*p) == Some(mine));
    job.counted.contains(&pod) && state.pods[pod].phase != Phase::Succeeded && !has_ended && !decided && !replaced()
}

/// One sync: past its `activeDeadlineSeconds` the Job fails and its pods are deleted, whatever their budgets say (`pastActiveDeadline`,
/// `deleteActivePods`); until then it is looked at again at that moment.
pub fn sync(catalog: &Catalog, state: &State, memory: &mut Memory, owner: OwnerIdx, now: i64) -> Sync {
    let deadline = catalog.owners[owner].job.as_ref().and_then(|j| j.deadline_ms);
    let Some(deadline) = deadline.filter(|_| !memory.orphaned && !catalog.owners[owner].deleting) else {
        return manage(catalog, state, memory, owner, now);
    };
    if now < deadline {
        let sync = manage(catalog, state, memory, owner, now);
        return Sync { again_at: Some(sync.again_at.map_or(deadline, |at| at.min(deadline))), ..sync };
    }
    let Some(job) = memory.job.as_mut().filter(|j| !j.finished) else { return Sync::default() };
    job.settle_backoff();
    (job.finished, job.gave_up) = (true, true);
    let active = state.owned[owner].iter().copied().filter(|p| state.pods[*p].is_active()).collect();
    delete(job, active)
}

/// `syncJob`, `manageJob`: counts what finished, gives up past `backoffLimit`, keeps as many active as are wanted, after
/// the backoff.
fn manage(catalog: &Catalog, state: &State, memory: &mut Memory, owner: OwnerIdx, now: i64) -> Sync {
    let source = memory.source;
    let (Some(job), Some(spec)) = (&mut memory.job, &catalog.owners[owner].job) else {
        return Sync::default();
    };
    job.settle_backoff();
    if job.finished || catalog.owners[owner].deleting || memory.orphaned {
        return Sync::default();
    }
    let active: Vec<PodIdx> = state.owned[owner].iter().copied().filter(|p| state.pods[*p].is_active()).collect();
    if let Some(end) = failure(catalog, state, job, spec) {
        (job.finished, job.gave_up) = (true, true);
        return Sync { failed: Some(end), ..delete(job, active) };
    }
    if spec.completions.is_some_and(|c| job.succeeded >= c) && active.is_empty() {
        job.finished = true;
        return Sync::default();
    }
    if spec.suspended {
        return delete(job, active);
    }
    let wanted = wanted_active(job, spec, active.len() as i64);
    let surplus = (active.len() as i64 - wanted).max(0) as usize;
    if surplus > 0 {
        let victims = first_to_go(state, &active, surplus.min(BURST));
        return delete(job, victims);
    }
    let terminating = match spec.replace_only_failed {
        true => count_terminating(state, owner),
        false => 0,
    };
    let missing = (wanted - terminating - active.len() as i64).max(0) as usize;
    if missing == 0 {
        return Sync::default();
    }
    let rest = if spec.backoff_limit_per_index.is_some() { 0 } else { job.backoff_left_ms(now) };
    if rest > 0 {
        return Sync { again_at: Some(now + rest.max(JOB_BATCH_MS)), ..Sync::default() };
    }
    let mut sync = Sync { slow_start: true, ..Sync::default() };
    let missing = missing.min(BURST);
    if spec.indexed {
        let held: BTreeSet<u32> = active.iter().filter_map(|p| catalog.specs[state.pods[*p].spec].ordinal).collect();
        let open = |i: &u32| !held.contains(i) && !job.done.contains(i) && !job.failed_indexes.contains(i);
        let free = memory.by_ordinal.iter().filter(|(i, _)| open(i)).take(missing);
        // Where each index backs off by itself, those that need not wait come now (`getPodCreationInfoForIndependentIndexes`).
        let (ready, waiting): (Vec<_>, Vec<_>) =
            free.map(|(i, (spec, _))| (*spec, job.index_backoff_left_ms(*i, now))).partition(|(_, rest)| *rest == 0);
        if let (true, Some(rest)) = (ready.is_empty(), waiting.iter().map(|w| w.1).min()) {
            return Sync { again_at: Some(now + rest.max(JOB_BATCH_MS)), ..Sync::default() };
        }
        for (spec, _) in ready {
            sync.create(spec, None);
        }
    } else if let Some(source) = source {
        for _ in 0..missing {
            sync.create(source, None);
        }
    }
    sync
}

/// Why a Job has failed, if it has (`syncJob`).
fn failure(catalog: &Catalog, state: &State, job: &JobMemory, spec: &JobSpec) -> Option<JobEnd> {
    if let Some(pod) = job.failed_by_policy {
        let name = state.pod_text(catalog, pod);
        let message = format!("Pod {name} failed in a way that a FailJob rule of the podFailurePolicy fits");
        return Some(JobEnd::new("PodFailurePolicy", message));
    }
    if job.failed > spec.backoff_limit {
        return Some(JobEnd::new("BackoffLimitExceeded", "Job has reached the specified backoff limit"));
    }
    let failed = job.failed_indexes.len() as i64;
    if spec.max_failed_indexes.is_some_and(|most| failed > most) {
        let message = "Job has exceeded the specified maximal number of failed indexes";
        return Some(JobEnd::new("MaxFailedIndexesExceeded", message));
    }
    let all = spec.completions.is_some_and(|c| failed > 0 && failed + job.succeeded >= c);
    all.then(|| JobEnd::new("FailedIndexes", "Job has failed indexes"))
}

fn wanted_active(job: &JobMemory, spec: &JobSpec, active: i64) -> i64 {
    match spec.completions {
        None if job.succeeded > 0 => active,
        None => spec.parallelism,
        Some(completions) => (completions - job.succeeded).min(spec.parallelism).max(0),
    }
}

/// Pods being deleted that have not reached a terminal phase (`CountTerminatingPods`).
fn count_terminating(state: &State, owner: OwnerIdx) -> i64 {
    let terminating = |p: &&PodIdx| {
        let p = &state.pods[**p];
        p.deleting.is_some() && !p.phase.is_terminal()
    };
    state.owned[owner].iter().filter(terminating).count() as i64
}

/// Deletions of the Job's own do not count as failures (`deleteJobPods` takes the tracking finalizer first).
fn delete(job: &mut JobMemory, pods: Vec<PodIdx>) -> Sync {
    job.counted.extend(pods.iter().copied());
    Sync { actions: pods.into_iter().map(Action::Delete).collect(), ..Sync::default() }
}

impl JobMemory {
    /// `newBackoffRecord`: failures after the last success add up; a success starts anew.
    fn settle_backoff(&mut self) {
        let mut failures = std::mem::take(&mut self.new_failures);
        let successes = std::mem::take(&mut self.new_successes);
        self.succeeded += successes.len() as i64;
        if let Some(last_success) = successes.iter().max() {
            self.in_a_row = 0;
            failures.retain(|at| at > last_success);
        }
        if let Some(last) = failures.iter().max() {
            self.in_a_row = self.in_a_row.saturating_add(failures.len() as u32);
            self.last_failure = *last;
        }
    }

    fn backoff_left_ms(&self, now: i64) -> i64 {
        backoff_left_ms(self.in_a_row, self.last_failure, now)
    }

    /// `getRemainingTimePerIndex`: failures that a policy ignores count too.
    fn index_backoff_left_ms(&self, index: u32, now: i64) -> i64 {
        self.by_index.get(&index).map_or(0, |of| backoff_left_ms(of.all, of.last, now))
    }
}

/// `getRemainingTimeForFailuresCount`, in milliseconds.
fn backoff_left_ms(failures: u32, last: i64, now: i64) -> i64 {
    if failures == 0 {
        return 0;
    }
    let doubled = BACKOFF_MS << (failures - 1).min(16);
    (doubled.min(LONGEST_BACKOFF_MS) - (now - last)).max(0)
}
