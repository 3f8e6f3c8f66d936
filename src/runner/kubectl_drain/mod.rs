//! `kubectl drain` of a batch's nodes, to the letter, then a wait until all workloads are whole.
//!
//! One batch is one kubectl process: it cordons all its nodes, then drains them one after the other, evicting all of a
//! node's pods at once through its own rate limiters and polling each until it is gone (kubectl v0.36.3
//! `pkg/cmd/drain/drain.go`, `pkg/drain/drain.go`; docs/reference/kubernetes.md#kubectl-drain; what older versions do otherwise: [`KubectlVersion`]). What follows is ours: the batch ends when every
//! workload it touched is whole again, or at a limit.
//!
//! kubectl evicts from nodes that it could not cordon, evicts a pod's successor wherever that runs, and never looks whether a
//! node is empty when it has drained it. We do not (C): a node is not drained before it is cordoned, successors elsewhere are
//! left alone, and drained nodes are looked at after kubectl has returned; one to which pods came is drained once more.

mod filter;
mod goroutines;
#[cfg(test)]
mod tests;
mod text;

use super::batch_run::{BatchRun, End};
use super::client::Ask;
use super::common::Fate;
use super::context::Cx;
use super::cordons::REFUSED_MS;
use super::denial::Denial;
use super::interface::{Announcement, Answer, ApiGroup, CallId, Ms, Stream};
use super::jobs;
use super::look::{Found, Looks, skips_wait, some};
use super::outcome::{Failure, Reason};
use super::refs::{N, P};
use super::retire::{Left, Retire};
use crate::disruption::deletion::blocking_finalizers;
use crate::intent::options::AfterLimit;
#[cfg(doc)]
use crate::intent::options::KubectlVersion;
use serde::{Deserialize, Serialize};
use text::{aggregate, go_duration};

/// `EvictErrorRetryDelay` (`NewDrainCmdOptions`).
const RETRY_MS: Ms = 5000;
/// Interval of the wait for a pod's end.
const POLL_MS: Ms = 1000;
/// A server that asks for more patience than this is heard up to the node's deadline only (C); what is shorter is waited out as client-go does it,
/// which looks at no deadline then.
const SHORT_PATIENCE_MS: Ms = 60_000;
/// Nobody is waited for longer (C).
const MOST_PATIENCE_MS: Ms = 600_000;
/// client-go retries a response that carries Retry-After so many times before anybody sees it (`rest/with_retry.go`).
const TRANSPARENT_RETRIES: u32 = 10;

/// Where one pod's goroutine stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// Its Job is let finish before it is evicted.
    AwaitsJob,
    /// The eviction (or deletion) was asked for.
    Asked,
    /// Sleeps after a refusal.
    Sleeping { until: Ms },
    /// client-go waits out a Retry-After.
    Backoff { until: Ms },
    /// Re-reads the pod after a refusal.
    Rereading,
    /// Polls until it is gone; ticks come at `since` + k s, of which `ticks` were taken.
    Waiting { since: Ms, ticks: Ms },
    /// A poll is under way.
    Polling { since: Ms, ticks: Ms },
    /// Gone, or given up.
    Over,
}

/// One pod's goroutine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Goroutine {
    /// The pod as listed.
    listed: P,
    /// The pod as last read: after a refusal kubectl takes what has the name now.
    active: P,
    step: Step,
    transparent: u32,
    /// Why a budget held it back last, for our own telling; empty if none did.
    why: String,
}

/// A node that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fatal {
    node: N,
    errors: Vec<String>,
    /// The one error of a deletion; all others come as an aggregate, be it of one.
    bare: bool,
}

/// Where the process stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    #[default]
    Start,
    /// Reads the n-th node.
    Read(usize),
    /// Cordons the n-th node.
    Cordon(usize),
    /// Asks once more for the cordons that were refused.
    CordonAgain { at: Ms },
    /// The n-th node takes pods: it is being cordoned again, and not drained before that.
    AwaitCordon(usize),
    /// Lists the n-th node's pods.
    List(usize),
    /// Evicts the n-th node's pods from `at` on, when the DaemonSets have been looked up.
    Lookup(usize, Ms),
    /// The n-th node's goroutines run.
    Drain(usize),
    /// `--disable-eviction`: deletes the n-th node's pods one after the other.
    Delete(usize, usize),
    /// `--disable-eviction`: polls them one after the other; ticks as in [`Step::Waiting`].
    AwaitDeleted { node: usize, since: Ms, ticks: Ms, next: usize, polling: bool },
    /// Lists what is left of the n-th node after an error.
    Relist(usize),
    /// kubectl has returned; waits for the workloads since then.
    Settle(Ms),
    /// Old machines are given back.
    Retire,
}

/// `kubectl drain` of one batch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct KubectlDrain {
    stage: Stage,
    nodes: Vec<N>,
    pods: Vec<Goroutine>,
    /// Pods that are not over.
    left: usize,
    deadline: Option<Ms>,
    /// Errors of the node under way.
    errors: Vec<String>,
    /// Admission denied evictions of the node under way, or failed: its word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    denied: String,
    /// Nodes of which it did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    denied_nodes: Vec<N>,
    /// Nodes that failed.
    fatal: Vec<Fatal>,
    retire: Retire,
    exit: i32,
    failure: Option<Failure>,
    aborts: bool,
    settle_deadline: Option<Ms>,
    stopped: bool,
    /// Cordons that were refused have been asked for once more.
    #[serde(default)]
    cordoned_twice: bool,
    /// `--disable-eviction`: the next deletion waits until the node is cordoned again.
    #[serde(default)]
    paused: bool,
    /// Drained nodes that are looked at while workloads are waited for.
    #[serde(default)]
    looks: Looks,
    /// Nodes to which pods came after they had been drained.
    #[serde(default)]
    stragglers: Vec<N>,
    /// These are drained once more.
    #[serde(default)]
    again: bool,
}

impl KubectlDrain {
    fn line(&self, cx: &mut Cx<'_>, stream: Stream, text: impl FnOnce() -> String) {
        if !cx.out.without_lines {
            let batch = cx.common.batch;
            cx.say(Announcement::Line { batch, stream, text: text() });
        }
    }

    fn print(&self, cx: &mut Cx<'_>, text: String) {
        self.line(cx, Stream::Stdout, || text);
    }

    fn complain(&self, cx: &mut Cx<'_>, text: String) {
        self.line(cx, Stream::Stderr, || text);
    }

    fn grace(cx: &Cx<'_>) -> Option<Ms> {
        let g = cx.options.kubectl_drain.grace_period_seconds;
        (g >= 0).then_some(g * 1000)
    }

    // --- read and cordon ---

    /// The resource builder reads all nodes, one after the other, before anything is done.
    fn read(&mut self, cx: &mut Cx<'_>, from: usize) {
        match (from..self.nodes.len()).find(|i| cx.node(self.nodes[*i]).is_some()) {
            Some(i) => {
                cx.ask(Ask::GetNode(self.nodes[i]));
                self.stage = Stage::Read(i);
            }
            None => self.cordon(cx, 0),
        }
    }

    fn cordon(&mut self, cx: &mut Cx<'_>, mut i: usize) {
        while i < self.nodes.len() {
            let n = self.nodes[i];
            match cx.node(n) {
                // kubectl reads the nodes first and fails as a whole if one is missing; a node that went since the
                // plan was made has nothing left to drain.
                None => i += 1,
                Some(_) if cx.is_left(n) => i += 1,
                Some(_) if cx.needs_cordon(n) => {
                    cx.ask(Ask::Cordon(n));
                    self.stage = Stage::Cordon(i);
                    return;
                }
                Some(_) => {
                    if !self.cordoned_twice {
                        self.print(cx, format!("node/{} already cordoned", cx.node_name(n)));
                    }
                    i += 1;
                }
            }
        }
        let refused = |n: &N| cx.common.nodes[n.at()].refusals > 0 && !cx.is_closed(*n) && !cx.is_left(*n);
        if !self.cordoned_twice && self.nodes.iter().any(refused) {
            self.stage = Stage::CordonAgain { at: cx.now + REFUSED_MS };
            return;
        }
        self.list(cx, 0);
    }
    fn cordoned(&mut self, cx: &mut Cx<'_>, i: usize, answer: Answer) {
        let n = self.nodes[i];
        let name = cx.node_name(n).to_owned();
        match answer {
            Answer::Refused { message, .. } => {
                self.complain(cx, format!("error: unable to cordon node {name:?}: {message}"));
                // kubectl goes on and evicts all the same; the pods could come back to the node (C).
                cx.cordon_refused(n, &message);
            }
            Answer::Gone => {
                self.complain(cx, format!("error: unable to cordon node {name:?}: nodes {name:?} not found"))
            }
            Answer::Unknown => {
                cx.ask(Ask::Cordon(n));
                return;
            }
            Answer::Unchanged => self.print(cx, format!("node/{name} already cordoned")),
            _ => self.print(cx, format!("node/{name} cordoned")),
        }
        self.cordon(cx, i + 1);
    }

    // --- list ---

    /// Begins with the i-th node, or ends the process after the last.
    fn list(&mut self, cx: &mut Cx<'_>, mut i: usize) {
        while i < self.nodes.len() {
            if cx.common.stop.is_some() {
                break;
            }
            let n = self.nodes[i];
            if cx.is_left(n) {
                i += 1;
                continue;
            }
            if cx.node(n).is_some() {
                cx.settle(n, Fate::InProgress, "");
                if !cx.is_closed(n) {
                    self.await_cordon(cx, i);
                    return;
                }
                cx.ask(Ask::ListPods(n));
                self.stage = Stage::List(i);
                return;
            }
            // The machine is gone by itself.
            cx.settle(n, Fate::Retired, "the node was gone before its turn");
            i += 1;
        }
        self.returned(cx);
    }
    /// Waits until a node that takes pods is cordoned again, or left to a person.
    fn await_cordon(&mut self, cx: &mut Cx<'_>, i: usize) {
        self.stage = Stage::AwaitCordon(i);
        let n = self.nodes[i];
        if !cx.is_cordoned_again(n) {
            cx.cordon_lost(n);
        }
    }
    /// The node that is being worked at.
    fn under_way(&self) -> Option<usize> {
        match &self.stage {
            Stage::AwaitCordon(i) | Stage::List(i) | Stage::Lookup(i, _) | Stage::Drain(i) => Some(*i),
            Stage::Delete(i, _) | Stage::AwaitDeleted { node: i, .. } | Stage::Relist(i) => Some(*i),
            _ => None,
        }
    }
    /// Whether the node that is being worked at takes no pods, so that those which leave it do not come back.
    fn is_closed(&self, cx: &Cx<'_>) -> bool {
        self.under_way().is_none_or(|i| cx.is_closed(self.nodes[i]))
    }
    /// The node that is being worked at is left to a person: nothing more is evicted from it.
    fn abandon(&mut self, cx: &mut Cx<'_>, i: usize) {
        cx.common
            .client
            .withdraw(|a| matches!(a, Ask::Evict { .. } | Ask::Delete { .. } | Ask::GetPod(_) | Ask::ListPods(_)));
        self.pods.clear();
        self.errors.clear();
        (self.left, self.paused) = (0, false);
        self.list(cx, i + 1);
    }
    fn listed(&mut self, cx: &mut Cx<'_>, i: usize) {
        let n = self.nodes[i];
        let Some(node) = cx.node(n) else { return self.drained(cx, i) };
        let pods = cx.tables.pods_on(cx.view, node);
        let filtered = filter::filter(cx.view, &pods, cx.options, cx.now);
        self.errors.clear();
        self.denied.clear();
        self.pods.clear();
        if !filtered.errors.is_empty() {
            self.errors = filtered.errors;
            return self.failed(cx, i);
        }
        if !filtered.warnings.is_empty() {
            self.complain(cx, format!("Warning: {}", filtered.warnings));
        }
        for pod in filtered.take {
            let p = cx.refer(pod);
            self.pods.push(Goroutine { listed: p, active: p, step: Step::Asked, transparent: 0, why: String::new() });
        }
        if cx.options.kubectl_drain.disable_eviction {
            // They are deleted one after the other: those that wait for their Job come last.
            let pods = std::mem::take(&mut self.pods);
            let awaits =
                |g: &Goroutine| cx.pod(g.active).is_some_and(|p| jobs::awaited(cx.view, cx.options, p).is_some());
            let (last, first): (Vec<_>, Vec<_>) = pods.into_iter().partition(awaits);
            self.pods = first.into_iter().chain(last).collect();
        }
        self.left = self.pods.len();
        // Each DaemonSet pod costs a GET through the apps/v1 limiter, one after the other.
        let at = (0..filtered.lookups).map(|_| cx.common.client.reserve(ApiGroup::Apps, cx.now)).max();
        self.stage = Stage::Lookup(i, at.unwrap_or(cx.now));
    }
    fn start(&mut self, cx: &mut Cx<'_>, i: usize) {
        let flags = &cx.options.kubectl_drain;
        self.deadline = (flags.timeout_ms > 0).then_some(cx.now + flags.timeout_ms);
        if self.pods.is_empty() {
            return self.drained(cx, i);
        }
        if flags.disable_eviction {
            self.stage = Stage::Delete(i, 0);
            return self.delete_next(cx, i, 0);
        }
        self.stage = Stage::Drain(i);
        let name = cx.node_name(self.nodes[i]);
        let order = goroutines::order(self.pods.len(), cx.order_seed, name);
        for k in order {
            match self.awaited(cx, k) {
                Some(job) => self.await_job(cx, k, &job),
                None => self.evict(cx, k),
            }
        }
    }

    // --- Jobs that are waited for ---

    /// The Job for whose end the k-th pod is waited for, as text.
    fn awaited(&self, cx: &Cx<'_>, k: usize) -> Option<String> {
        cx.pod(self.pods[k].active).and_then(|pod| jobs::awaited_text(cx.view, cx.options, pod))
    }

    fn await_job(&mut self, cx: &mut Cx<'_>, k: usize, job: &str) {
        let text = format!("pod/{} of {job} is let finish before it is evicted", cx.pod_id(self.pods[k].active).name);
        self.print(cx, text);
        self.pods[k].step = Step::AwaitsJob;
    }

    /// What is said of a pod whose Job has not ended when the time for its node is over. It is not evicted.
    fn job_error(&self, cx: &Cx<'_>, k: usize, job: &str) -> String {
        let (id, limit) = (cx.pod_id(self.pods[k].active), cx.options.kubectl_drain.timeout_ms);
        format!(
            "error when waiting for pod {:?} in namespace {:?} to finish: {job} still runs after {}, and its pod was not evicted",
            id.name,
            id.namespace,
            go_duration(limit)
        )
    }

    /// Moves on with a pod whose Job is waited for, once it has ended or the time is over.
    fn run_job(&mut self, cx: &mut Cx<'_>, k: usize) {
        match self.awaited(cx, k) {
            _ if cx.pod(self.pods[k].active).is_none() => self.over(cx, k, None),
            None => self.evict(cx, k),
            Some(job) if self.past_deadline(cx.now) => {
                let e = self.job_error(cx, k, &job);
                self.over(cx, k, Some(e));
            }
            Some(_) => {}
        }
    }

    // --- evictions ---

    fn past_deadline(&self, now: Ms) -> bool {
        self.deadline.is_some_and(|d| now >= d)
    }
    /// The head of a goroutine's loop: says what it does, looks at the deadline, evicts.
    fn evict(&mut self, cx: &mut Cx<'_>, k: usize) {
        let p = self.pods[k].active;
        let id = cx.pod_id(p).clone();
        self.line(cx, Stream::Stdout, || format!("evicting pod {}", id.text()));
        if self.past_deadline(cx.now) {
            let timeout = go_duration(cx.options.kubectl_drain.timeout_ms);
            let e = format!(
                "error when evicting pods/{:?} -n {:?}: global timeout reached: {timeout}",
                id.name, id.namespace
            );
            return self.over(cx, k, Some(e));
        }
        self.pods[k].step = Step::Asked;
        self.pods[k].transparent = 0;
        self.send(cx, k);
    }
    fn send(&mut self, cx: &mut Cx<'_>, k: usize) {
        if !self.is_closed(cx) {
            self.pods[k].step = Step::Backoff { until: cx.now + POLL_MS };
            return;
        }
        self.pods[k].step = Step::Asked;
        let precondition = Self::names_uids(cx);
        cx.ask(Ask::Evict { pod: self.pods[k].active, precondition, grace_ms: Self::grace(cx) });
    }
    /// kubectl evicts and deletes by name, so that a pod's successor may be meant, wherever it runs.
    fn names_uids(cx: &Cx<'_>) -> bool {
        !cx.options.kubectl_drain.evict_successors_elsewhere
    }
    /// The end of a goroutine.
    fn over(&mut self, cx: &mut Cx<'_>, k: usize, error: Option<String>) {
        if self.pods[k].step == Step::Over {
            return;
        }
        self.pods[k].step = Step::Over;
        self.left -= 1;
        self.errors.extend(error);
        if let (0, Stage::Drain(i)) = (self.left, &self.stage) {
            let i = *i;
            if self.errors.is_empty() { self.drained(cx, i) } else { self.relist(cx, i) }
        }
    }
    fn evicted(&mut self, cx: &mut Cx<'_>, k: usize, answer: Answer) {
        let id = cx.pod_id(self.pods[k].active).clone();
        match answer {
            Answer::Accepted | Answer::Unchanged | Answer::Pod(_) => {
                if let Some(r) = cx.common.report() {
                    r.evictions += 1;
                }
                self.poll_first(cx, k);
            }
            Answer::Gone | Answer::UidChanged => self.over(cx, k, None),
            // kubectl gives up where no answer comes; we ask again (C), and no longer than the node's time.
            Answer::Unknown if self.past_deadline(cx.now) => self.evict(cx, k),
            Answer::Unknown => {
                let until = self.deadline.map_or(cx.now + POLL_MS, |d| d.min(cx.now + POLL_MS));
                (self.pods[k].step, self.pods[k].transparent) = (Step::Backoff { until }, 0);
            }
            Answer::Refused { code, reason, cause, message, retry_after_ms } => {
                if let Some(r) = cx.common.report() {
                    r.refused += 1;
                }
                // 429 is a budget's word, and 500 that two budgets cover the pod (`evictor.rs` reads them so too); anything else holds nothing back.
                let held = code == 429 || code == 500 && Denial::of(&message).is_none();
                let said = if cause.is_empty() { &message } else { &cause };
                self.pods[k].why = if held { said.clone() } else { String::new() };
                let again = code == 429 || code >= 500;
                if let Some(after) = retry_after_ms.filter(|_| again && self.pods[k].transparent < TRANSPARENT_RETRIES)
                {
                    let after = after.clamp(0, MOST_PATIENCE_MS);
                    let most = self.deadline.filter(|_| after > SHORT_PATIENCE_MS).unwrap_or(Ms::MAX);
                    self.pods[k].transparent = if cx.now + after > most { 0 } else { self.pods[k].transparent + 1 };
                    self.pods[k].step = Step::Backoff { until: (cx.now + after).min(most) };
                    return;
                }
                let terminating =
                    code == 403 && (reason == "NamespaceTerminating" || cause.contains("being terminated"));
                let deleting = cx.pod(self.pods[k].active).is_some_and(|p| cx.view.state.pods[p].deleting.is_some());
                if code == 429 {
                    self.line(cx, Stream::Stderr, || {
                        format!(
                            "error when evicting pods/{:?} -n {:?} (will retry after {}): {message}",
                            id.name,
                            id.namespace,
                            go_duration(RETRY_MS)
                        )
                    });
                    self.pods[k].step = Step::Sleeping { until: cx.now + RETRY_MS };
                } else if terminating && deleting {
                    self.poll_first(cx, k);
                } else if terminating {
                    self.complain(
                        cx,
                        format!(
                            "error when evicting pod {:?} from terminating namespace {:?} (will retry after {}): {message}",
                            id.name,
                            id.namespace,
                            go_duration(RETRY_MS)
                        ),
                    );
                    self.pods[k].step = Step::Sleeping { until: cx.now + RETRY_MS };
                } else {
                    if let Some(denial) = Denial::of(&message) {
                        self.denied = denial.to_string();
                    }
                    let e = format!("error when evicting pods/{:?} -n {:?}: {message}", id.name, id.namespace);
                    self.over(cx, k, Some(e));
                }
            }
        }
    }
    fn poll_first(&mut self, cx: &mut Cx<'_>, k: usize) {
        self.pods[k].step = Step::Polling { since: cx.now, ticks: 0 };
        cx.ask(Ask::GetPod(self.pods[k].active));
    }
    fn reread(&mut self, cx: &mut Cx<'_>, k: usize, answer: &Answer) {
        if let Answer::Pod(pod) = answer {
            self.pods[k].active = cx.refer(*pod);
        }
        let active = self.pods[k].active;
        let runs_on = cx.pod(active).and_then(|p| cx.view.state.pods[p].node);
        let here = self.under_way().and_then(|i| cx.node(self.nodes[i]));
        let elsewhere = runs_on.is_none() || runs_on != here;
        if active != self.pods[k].listed && elsewhere && Self::names_uids(cx) {
            let place = runs_on
                .map_or("no node yet".into(), |n| format!("node {}", cx.view.state.node_name(cx.view.catalog, n)));
            let text = format!("pod/{} has a successor on {place}, which is left alone", cx.pod_id(active).name);
            self.print(cx, text);
            return self.over(cx, k, None);
        }
        self.evict(cx, k);
    }
    /// Whether an answer to a poll means that the pod is gone.
    fn is_gone(cx: &Cx<'_>, p: P, answer: &Answer) -> bool {
        match answer {
            Answer::Gone | Answer::UidChanged => true,
            Answer::Pod(pod) => cx.tables.pods[p.at()] != Some(*pod),
            _ => false,
        }
    }
    fn polled(&mut self, cx: &mut Cx<'_>, k: usize, since: Ms, ticks: Ms, answer: &Answer) {
        let p = self.pods[k].active;
        let id = cx.pod_id(p).clone();
        if Self::is_gone(cx, p, answer) {
            self.line(cx, Stream::Stdout, || format!("pod/{} evicted", id.name));
            return self.over(cx, k, None);
        }
        if let Answer::Refused { message, .. } = answer {
            self.print(cx, format!("pod/{} eviction failed", id.name));
            let e = self.wait_error(cx, k, message);
            return self.over(cx, k, Some(e));
        }
        if self.skipped(cx, p) {
            return self.over(cx, k, None);
        }
        self.pods[k].step = Step::Waiting { since, ticks };
    }
    fn skipped(&self, cx: &mut Cx<'_>, p: P) -> bool {
        let flags = &cx.options.kubectl_drain;
        let skips = cx.pod(p).is_some_and(|pod| skips_wait(cx.view, pod, flags, cx.now));
        if skips {
            let n = flags.skip_wait_for_delete_timeout_seconds;
            let text = format!("pod {:?} has DeletionTimestamp older than {n} seconds, skipping", cx.pod_id(p).name);
            self.print(cx, text);
        }
        skips
    }
    fn wait_error(&self, cx: &Cx<'_>, k: usize, error: &str) -> String {
        let id = cx.pod_id(self.pods[k].listed);
        format!("error when waiting for pod {:?} in namespace {:?} to terminate: {error}", id.name, id.namespace)
    }
    /// Moves goroutines whose time has come.
    fn run(&mut self, cx: &mut Cx<'_>) {
        for k in 0..self.pods.len() {
            match self.pods[k].step {
                Step::AwaitsJob => self.run_job(cx, k),
                Step::Sleeping { until } if until <= cx.now && !cx.options.kubectl_drain.version.rereads() => {
                    self.evict(cx, k);
                }
                Step::Sleeping { until } if until <= cx.now => {
                    self.pods[k].step = Step::Rereading;
                    cx.ask(Ask::GetPod(self.pods[k].active));
                }
                // As long as the node takes pods nothing is evicted, and as long as no answer comes nothing is known; the node's time passes all
                // the same.
                Step::Backoff { until }
                    if until <= cx.now
                        && self.past_deadline(cx.now)
                        && (self.pods[k].transparent == 0 || !self.is_closed(cx)) =>
                {
                    self.evict(cx, k);
                }
                Step::Backoff { until } if until <= cx.now => self.send(cx, k),
                Step::Waiting { .. } if self.past_deadline(cx.now) => {
                    let e = self.wait_error(cx, k, "context deadline exceeded");
                    self.over(cx, k, Some(e));
                }
                // A tick that came during a poll was kept (one of them); later ones were dropped.
                Step::Waiting { since, ticks } if since + (ticks + 1) * POLL_MS <= cx.now => {
                    self.pods[k].step = Step::Polling { since, ticks: (cx.now - since) / POLL_MS };
                    cx.ask(Ask::GetPod(self.pods[k].active));
                }
                _ => {}
            }
            if !matches!(self.stage, Stage::Drain(_)) {
                return;
            }
        }
    }

    // --- --disable-eviction ---

    fn delete_next(&mut self, cx: &mut Cx<'_>, i: usize, k: usize) {
        self.stage = Stage::Delete(i, k);
        let job = (k < self.pods.len()).then(|| self.awaited(cx, k)).flatten();
        if let (Some(job), true) = (&job, self.past_deadline(cx.now)) {
            let e = self.job_error(cx, k, job);
            self.errors.push(e);
            return self.relist(cx, i);
        }
        self.paused = k < self.pods.len() && (job.is_some() || !self.is_closed(cx));
        match self.pods.get(k) {
            Some(_) if self.paused => {}
            Some(g) => {
                cx.ask(Ask::Delete { pod: g.active, precondition: Self::names_uids(cx), grace_ms: Self::grace(cx) });
            }
            None => {
                // The deletions themselves have no limit (`deletePods` hands the whole timeout to `waitForDelete`).
                let timeout_ms = cx.options.kubectl_drain.timeout_ms;
                self.deadline = (timeout_ms > 0).then_some(cx.now + timeout_ms);
                self.stage = Stage::AwaitDeleted { node: i, since: cx.now, ticks: 0, next: 0, polling: false };
                self.poll_deleted(cx, i, cx.now, 0, 0);
            }
        }
    }
    fn deleted(&mut self, cx: &mut Cx<'_>, i: usize, k: usize, answer: &Answer) {
        match answer {
            Answer::Refused { message, .. } => {
                if let Some(denial) = Denial::of(message) {
                    self.denied = denial.to_string();
                }
                self.errors.push(message.clone());
                self.relist(cx, i);
            }
            // kubectl gives up where no answer comes; we ask again (C), and no longer than the node's time.
            Answer::Unknown if self.past_deadline(cx.now) => {
                let id = cx.pod_id(self.pods[k].active);
                let timeout = go_duration(cx.options.kubectl_drain.timeout_ms);
                self.errors.push(format!(
                    "error when deleting pods/{:?} -n {:?}: no answer within {timeout}",
                    id.name, id.namespace
                ));
                self.relist(cx, i);
            }
            Answer::Unknown => self.delete_next(cx, i, k),
            _ => {
                if matches!(answer, Answer::Accepted)
                    && let Some(r) = cx.common.report()
                {
                    r.forced += 1;
                }
                self.delete_next(cx, i, k + 1);
            }
        }
    }
    /// Polls the next pod of the round that is not over; after the last, waits for a tick or ends.
    fn poll_deleted(&mut self, cx: &mut Cx<'_>, i: usize, since: Ms, ticks: Ms, from: usize) {
        match (from..self.pods.len()).find(|k| self.pods[*k].step != Step::Over) {
            Some(k) => {
                cx.ask(Ask::GetPod(self.pods[k].active));
                self.stage = Stage::AwaitDeleted { node: i, since, ticks, next: k, polling: true };
            }
            None if self.left == 0 => self.drained(cx, i),
            None => self.stage = Stage::AwaitDeleted { node: i, since, ticks, next: 0, polling: false },
        }
    }
    fn polled_deleted(&mut self, cx: &mut Cx<'_>, answer: &Answer) {
        let Stage::AwaitDeleted { node, since, ticks, next, .. } = self.stage else { return };
        let p = self.pods[next].active;
        let name = cx.pod_id(p).name.clone();
        if Self::is_gone(cx, p, answer) {
            self.print(cx, format!("pod/{name} deleted"));
            self.pods[next].step = Step::Over;
            self.left -= 1;
        } else if let Answer::Refused { message, .. } = answer {
            self.print(cx, format!("pod/{name} deletion failed"));
            self.errors.push(message.clone());
            return self.relist(cx, node);
        } else if self.skipped(cx, p) {
            self.pods[next].step = Step::Over;
            self.left -= 1;
        }
        self.poll_deleted(cx, node, since, ticks, next + 1);
    }

    // --- the end of a node ---

    fn drained(&mut self, cx: &mut Cx<'_>, i: usize) {
        let n = self.nodes[i];
        self.print(cx, format!("node/{} drained", cx.node_name(n)));
        cx.settle(n, Fate::Drained, "");
        if let Some(node) = cx.node(n) {
            let batch = cx.common.batch;
            cx.say(Announcement::NodeDrained { batch, node });
        }
        self.list(cx, i + 1);
    }
    fn relist(&mut self, cx: &mut Cx<'_>, i: usize) {
        cx.ask(Ask::ListPods(self.nodes[i]));
        self.stage = Stage::Relist(i);
    }
    fn relisted(&mut self, cx: &mut Cx<'_>, i: usize) {
        let n = self.nodes[i];
        let error = aggregate(&self.errors);
        if let Some(node) = cx.node(n) {
            let pods = cx.tables.pods_on(cx.view, node);
            let filtered = filter::filter(cx.view, &pods, cx.options, cx.now);
            if !filtered.take.is_empty() {
                let name = cx.node_name(n).to_owned();
                self.complain(cx, format!("There are pending pods in node {name:?} when an error occurred: {error}"));
                for pod in filtered.take {
                    let name = cx.view.state.name(cx.view.catalog, cx.view.state.pods[pod].name).to_owned();
                    self.complain(cx, format!("pod/{name}"));
                }
            }
            if !filtered.errors.is_empty() {
                let e = aggregate(&filtered.errors);
                self.complain(cx, "Following errors occurred while getting the list of pods to delete:".into());
                self.complain(cx, e);
            }
        }
        self.failed(cx, i);
    }
    fn failed(&mut self, cx: &mut Cx<'_>, i: usize) {
        let n = self.nodes[i];
        let error = aggregate(&self.errors);
        let name = cx.node_name(n).to_owned();
        self.complain(cx, format!("error: unable to drain node {name:?} due to error: {error}, continuing command..."));
        let held: Vec<String> = self
            .pods
            .iter()
            .filter(|g| !g.why.is_empty() && cx.pod(g.active).is_some_and(|p| cx.view.state.pods[p].deleting.is_none()))
            .map(|g| format!("pod {} on node {name}: {}", cx.pod_id(g.active).text(), g.why))
            .collect();
        let denied = std::mem::take(&mut self.denied);
        if !denied.is_empty() {
            self.denied_nodes.push(n);
        }
        let (fate, reason, why) = if !denied.is_empty() && held.is_empty() {
            (Fate::Failed, "DrainFailed", format!("{denied}: {error}"))
        } else if !held.is_empty() {
            (Fate::HeldByBudget, "EvictionRefused", held.join("; "))
        } else if error.contains("declare no controller") {
            (Fate::HeldByStandAlone, "StandAlonePods", error.clone())
        } else if self.pods.is_empty() {
            (Fate::Failed, "PodsRefused", error.clone())
        } else {
            (Fate::Failed, "DrainFailed", format!("{error}{}", self.finalizers(cx)))
        };
        cx.settle(n, fate, why);
        if let Some(node) = cx.node(n) {
            let batch = cx.common.batch;
            cx.say(Announcement::DrainFailed { batch, node, reason, message: error.clone() });
        }
        let bare = cx.options.kubectl_drain.disable_eviction && !self.pods.is_empty();
        self.fatal.push(Fatal { node: n, errors: self.errors.clone(), bare });
        self.list(cx, i + 1);
    }
    /// Which finalizers keep pods that are being deleted, in words; empty if none do.
    fn finalizers(&self, cx: &Cx<'_>) -> String {
        let (c, s) = (cx.view.catalog, cx.view.state);
        let kept = self.pods.iter().filter_map(|g| {
            let pod = cx.pod(g.active).filter(|p| s.pods[*p].deleting.is_some())?;
            let names = blocking_finalizers(c, s, pod);
            (!names.is_empty())
                .then(|| format!("; pod {} is kept by its finalizers: {}", s.pod_text(c, pod), names.join(", ")))
        });
        kept.collect()
    }

    /// The errors as kubectl prints them when it ends: of several nodes one line each, of one node a line for each of
    /// its errors (`pkg/cmd/util/helpers.go` `checkErr`, which looks into an aggregate of one but not deeper).
    fn last_words(&self) -> Vec<String> {
        match self.fatal.as_slice() {
            [one] if one.bare => vec![format!("error: {}", aggregate(&one.errors))],
            [one] => one.errors.clone(),
            several => several.iter().map(|f| aggregate(&f.errors)).collect(),
        }
    }
    /// Whether admission let not a single eviction of the batch through: then it would be the same with the others.
    fn is_all_denied(&self, cx: &mut Cx<'_>) -> bool {
        let none = cx.common.report().is_some_and(|r| r.evictions + r.forced == 0);
        none && self.fatal.iter().all(|f| self.denied_nodes.contains(&f.node))
    }

    /// kubectl ends.
    fn returned(&mut self, cx: &mut Cx<'_>) {
        if !self.fatal.is_empty() {
            self.complain(cx, "There are pending nodes to be drained:".into());
            for n in self.fatal.iter().map(|f| f.node).collect::<Vec<_>>() {
                let name = cx.node_name(n).to_owned();
                self.complain(cx, format!(" {name}"));
            }
            for line in self.last_words() {
                self.complain(cx, line);
            }
            self.exit = 1;
            let causes: Vec<String> = self
                .fatal
                .iter()
                .map(|f| match &cx.common.nodes[f.node.at()].why {
                    w if w.is_empty() => format!("node {}: {}", cx.node_name(f.node), aggregate(&f.errors)),
                    w => w.clone(),
                })
                .collect();
            let options = &cx.options.kubectl_drain;
            let stops = options.after_drain_error == AfterLimit::Stop;
            let all_denied = !stops && options.after_denial == AfterLimit::Stop && self.is_all_denied(cx);
            let reason = if all_denied { Reason::EvictionsDenied } else { Reason::DrainFailed };
            self.failure = Some(cx.failure(reason, causes.join("; ")));
            self.aborts = stops || all_denied;
        }
        let (batch, exit) = (cx.common.batch, self.exit);
        cx.say(Announcement::CommandReturned { batch, exit });
        self.settle_deadline = cx.options.kubectl_drain.settle_timeout_ms.map(|t| cx.now + t);
        self.stage = Stage::Settle(cx.now);
        for n in self.nodes.clone() {
            if cx.common.nodes[n.at()].fate == Fate::Drained {
                self.looks.add(cx, n);
            }
        }
    }

    // --- after kubectl ---

    /// What kubectl says is drained is looked at; a node to which pods came is drained once more, by another kubectl.
    fn look(&mut self, cx: &mut Cx<'_>) {
        for (n, found) in self.looks.step(cx) {
            match found {
                Found::Pods(pods) if !self.again && !self.stopped && cx.options.kubectl_drain.drain_again => {
                    let text = format!("is drained once more; pods came after it had been drained: {}", some(&pods));
                    cx.warn(n, Reason::PodsLeft, text);
                    self.stragglers.push(n);
                }
                found => drop(cx.believe(n, found)),
            }
        }
        if !self.looks.is_over() || self.stragglers.is_empty() || self.stopped {
            return;
        }
        self.again = true;
        self.nodes = std::mem::take(&mut self.stragglers);
        self.nodes.sort_unstable();
        for n in self.nodes.clone() {
            cx.settle(n, Fate::InProgress, "");
        }
        self.fatal.clear();
        cx.common.forget_calls();
        self.read(cx, 0);
    }
    fn settle(&mut self, cx: &mut Cx<'_>) -> Option<End> {
        self.look(cx);
        if !matches!(self.stage, Stage::Settle(_)) {
            return None;
        }
        if !cx.is_whole() {
            self.settle_deadline.filter(|d| cx.now >= *d)?;
            let late = cx.failure(Reason::PodsNotScheduled, cx.not_whole());
            if cx.options.kubectl_drain.after_settle_timeout == AfterLimit::Stop {
                return Some(End::Abort { exit: Some(self.exit), failure: late });
            }
            self.failure.get_or_insert(late);
        }
        // Nothing counts as replaced before it was looked at.
        if !self.looks.is_over() && !self.stopped {
            return None;
        }
        let is_drained = |n: &N| cx.common.nodes[n.at()].fate == Fate::Drained;
        let drained: Vec<N> = cx.common.here().into_iter().filter(is_drained).collect();
        if cx.options.terminates() && !drained.is_empty() && !self.stopped {
            for n in drained {
                self.retire.add(cx, n);
            }
            self.stage = Stage::Retire;
            return None;
        }
        Some(self.end(cx))
    }
    /// Waits for the old machines to go.
    fn retire(&mut self, cx: &mut Cx<'_>) -> Option<End> {
        let mut late = Vec::new();
        for (n, left) in self.retire.step(cx) {
            match left {
                Left::Gone | Left::Reimaged => cx.settle(n, Fate::Retired, ""),
                Left::Kept(why) => cx.settle(n, Fate::Failed, why),
                Left::Late => late.push(n),
            }
        }
        if !late.is_empty() {
            let failure = cx.failure(Reason::NodesNotTerminated, self.retire.late(cx, &late));
            return Some(End::Abort { exit: Some(self.exit), failure });
        }
        self.retire.is_over().then(|| self.end(cx))
    }
    fn end(&mut self, cx: &Cx<'_>) -> End {
        let left: Vec<N> = cx.common.here().into_iter().filter(|n| cx.is_left(*n)).collect();
        if let Some(first) = left.first() {
            let causes: Vec<String> =
                left.iter().map(|n| format!("node {}: {}", cx.node_name(*n), cx.common.nodes[n.at()].why)).collect();
            let stops = cx.options.kubectl_drain.after_drain_error == AfterLimit::Stop;
            let reason = cx.common.nodes[first.at()].reason.filter(|_| !stops).unwrap_or(Reason::DrainFailed);
            self.failure.get_or_insert(cx.failure(reason, causes.join("; ")));
            self.aborts |= stops;
        }
        match (self.failure.take(), self.aborts) {
            (failure, _) if self.stopped => End::Stopped { failure },
            (Some(failure), true) => End::Abort { exit: Some(self.exit), failure },
            (failure, _) => End::Next { exit: Some(self.exit), failure },
        }
    }
    /// Interrupts kubectl: what is evicted already is waited for as a workload, nothing else is evicted.
    fn interrupt(&mut self, cx: &mut Cx<'_>) {
        self.stopped = true;
        self.looks = Looks::default();
        if matches!(self.stage, Stage::Settle(_) | Stage::Retire) {
            return;
        }
        cx.common.forget_calls();
        for n in self.nodes.clone() {
            if cx.common.nodes[n.at()].fate == Fate::InProgress {
                cx.settle(n, Fate::Waiting, "");
            }
        }
        self.exit = 130;
        self.pods.clear();
        self.left = 0;
        let (batch, exit) = (cx.common.batch, self.exit);
        cx.say(Announcement::CommandReturned { batch, exit });
        self.settle_deadline = cx.options.kubectl_drain.settle_timeout_ms.map(|t| cx.now + t);
        self.stage = Stage::Settle(cx.now);
    }
}

impl BatchRun for KubectlDrain {
    fn begin(&mut self, cx: &mut Cx<'_>) {
        cx.common.forget_calls();
        self.nodes = cx.common.here();
        self.read(cx, 0);
    }

    fn answer(&mut self, cx: &mut Cx<'_>, _id: CallId, ask: Ask, answer: Answer) {
        match (ask, &self.stage) {
            (Ask::GetNode(_), Stage::Read(i)) => {
                let next = if answer == Answer::Unknown { *i } else { i + 1 };
                self.read(cx, next);
            }
            (Ask::Cordon(_), Stage::Cordon(i)) => {
                let i = *i;
                self.cordoned(cx, i, answer);
            }
            (Ask::ListPods(n), Stage::List(i) | Stage::Relist(i)) if self.nodes.get(*i) == Some(&n) => {
                let (i, first) = (*i, matches!(self.stage, Stage::List(_)));
                match answer {
                    Answer::Unknown => {
                        cx.ask(Ask::ListPods(n));
                    }
                    Answer::Refused { message, .. } if first => {
                        self.errors = vec![message];
                        self.pods.clear();
                        self.failed(cx, i);
                    }
                    _ if first => self.listed(cx, i),
                    _ => self.relisted(cx, i),
                }
            }
            (Ask::Delete { .. }, Stage::Delete(i, k)) => {
                let (i, k) = (*i, *k);
                self.deleted(cx, i, k, &answer);
            }
            (Ask::GetPod(_), Stage::AwaitDeleted { .. }) => self.polled_deleted(cx, &answer),
            (_, Stage::Retire) => {
                self.retire.answer(cx, ask, &answer);
            }
            (Ask::LookNode(_) | Ask::LookPods(_), _) => {
                self.looks.answer(cx, ask, &answer);
            }
            (Ask::Evict { pod, .. }, Stage::Drain(_)) => {
                if let Some(k) = self.pods.iter().position(|g| g.active == pod && g.step == Step::Asked) {
                    self.evicted(cx, k, answer);
                }
            }
            (Ask::GetPod(pod), Stage::Drain(_)) => {
                let asked = |g: &Goroutine| g.active == pod && matches!(g.step, Step::Rereading | Step::Polling { .. });
                if let Some(k) = self.pods.iter().position(asked) {
                    match (self.pods[k].step.clone(), answer) {
                        (Step::Rereading, a) => self.reread(cx, k, &a),
                        (_, Answer::Unknown) if self.past_deadline(cx.now) => {
                            let e = self.wait_error(cx, k, "context deadline exceeded");
                            self.over(cx, k, Some(e));
                        }
                        // A poll that was lost is asked again.
                        (_, Answer::Unknown) => {
                            cx.ask(Ask::GetPod(pod));
                        }
                        (Step::Polling { since, ticks }, a) => self.polled(cx, k, since, ticks, &a),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, cx: &mut Cx<'_>) -> Option<End> {
        if cx.common.stop.is_some() && !self.stopped {
            self.interrupt(cx);
        }
        // Each round takes it one node further.
        while let Some(i) = self.under_way().filter(|i| cx.is_left(self.nodes[*i])) {
            self.abandon(cx, i);
        }
        match self.stage {
            Stage::CordonAgain { at } if at <= cx.now => {
                self.cordoned_twice = true;
                self.cordon(cx, 0);
            }
            Stage::AwaitCordon(i) if self.is_closed(cx) => self.list(cx, i),
            Stage::Delete(i, k) if self.paused && self.is_closed(cx) => self.delete_next(cx, i, k),
            Stage::Lookup(i, at) if at <= cx.now => self.start(cx, i),
            Stage::Drain(_) => self.run(cx),
            Stage::AwaitDeleted { node, .. } if self.past_deadline(cx.now) => {
                cx.common.client.withdraw(|a| matches!(a, Ask::GetPod(_)));
                self.errors.push("context deadline exceeded".into());
                self.relist(cx, node);
            }
            Stage::AwaitDeleted { node, since, ticks, polling: false, .. }
                if since + (ticks + 1) * POLL_MS <= cx.now =>
            {
                self.poll_deleted(cx, node, since, (cx.now - since) / POLL_MS, 0);
            }
            _ => {}
        }
        match self.stage {
            Stage::Settle(_) => self.settle(cx),
            Stage::Retire => self.retire(cx),
            _ => None,
        }
    }

    fn next_wakeup(&self, now: Ms) -> Option<Ms> {
        match &self.stage {
            Stage::Lookup(_, at) | Stage::CordonAgain { at } => Some(*at),
            Stage::Delete(..) if self.paused => self.deadline.filter(|d| *d > now),
            Stage::Drain(_) => self
                .pods
                .iter()
                .filter_map(|g| match g.step {
                    Step::AwaitsJob => self.deadline,
                    Step::Sleeping { until } | Step::Backoff { until } => Some(until),
                    Step::Waiting { since, ticks } => {
                        let tick = since + (ticks + 1) * POLL_MS;
                        Some(self.deadline.map_or(tick, |d| d.min(tick)))
                    }
                    _ => None,
                })
                .min(),
            Stage::AwaitDeleted { since, ticks, polling, .. } => {
                let tick = since + (ticks + 1) * POLL_MS;
                self.deadline.into_iter().chain((!polling).then_some(tick)).min()
            }
            // Workloads may be ready in time and nodes not looked at yet: that has no limit of its own.
            Stage::Settle(_) => {
                let limit = self.settle_deadline.filter(|d| *d > now || self.looks.is_over());
                limit.into_iter().chain(self.looks.next_wakeup()).min()
            }
            Stage::Retire => self.retire.next_wakeup(),
            _ => None,
        }
    }
}
