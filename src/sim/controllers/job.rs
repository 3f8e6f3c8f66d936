//! Jobs (pkg/controller/job/{job_controller,backoff_utils}.go, 1.36).

use super::memory::Memory;
use super::ranking::first_to_go;
use super::{Action, BURST, JOB_BATCH_MS, Sync};
use crate::cluster::{Catalog, JobSpec, OwnerIdx, Phase, PodIdx, PodState, SpecIdx, State};
use std::collections::BTreeSet;

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
    /// Ended by `backoffLimit` during the run.
    pub gave_up: bool,
    /// Failures since the last success, and when the last was.
    in_a_row: u32,
    last_failure: i64,
    /// Indexes that succeeded.
    done: BTreeSet<u32>,
    counted: BTreeSet<PodIdx>,
    new_successes: Vec<i64>,
    new_failures: Vec<i64>,
}

impl JobMemory {
    /// As the dump's status has it: pods that are finished already are counted in it.
    pub fn new(state: &State, owner: OwnerIdx, spec: &JobSpec) -> JobMemory {
        let mut memory = JobMemory {
            succeeded: spec.succeeded,
            failed: spec.failed,
            finished: spec.finished,
            ..JobMemory::default()
        };
        for pod in &state.owned[owner] {
            let p = &state.pods[*pod];
            if p.phase.is_terminal() || (p.deleting.is_some() && !spec.replace_only_failed) {
                memory.counted.insert(*pod);
            }
        }
        memory
    }
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
    if !(spec.ignores_disruption && p.deleting.is_some()) {
        job.failed += 1;
    }
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
    if job.failed > spec.backoff_limit {
        (job.finished, job.gave_up) = (true, true);
        return Sync { gave_up: true, ..delete(job, active) };
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
    let rest = job.backoff_left_ms(now);
    if rest > 0 {
        return Sync { again_at: Some(now + rest.max(JOB_BATCH_MS)), ..Sync::default() };
    }
    let mut sync = Sync { slow_start: true, ..Sync::default() };
    let missing = missing.min(BURST);
    if spec.indexed {
        let held: BTreeSet<u32> = active.iter().filter_map(|p| catalog.specs[state.pods[*p].spec].ordinal).collect();
        let done = &job.done;
        let free = memory.by_ordinal.iter().filter(|(i, _)| !held.contains(i) && !done.contains(i));
        let specs: Vec<SpecIdx> = free.map(|(_, (spec, _))| *spec).take(missing).collect();
        for spec in specs {
            sync.create(spec, None);
        }
    } else if let Some(source) = source {
        for _ in 0..missing {
            sync.create(source, None);
        }
    }
    sync
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
    /// `getRemainingTimeForFailuresCount`, in milliseconds.
    fn backoff_left_ms(&self, now: i64) -> i64 {
        if self.in_a_row == 0 {
            return 0;
        }
        let doubled = BACKOFF_MS << (self.in_a_row - 1).min(16);
        let backoff = doubled.min(LONGEST_BACKOFF_MS);
        (backoff - (now - self.last_failure)).max(0)
    }
}
