//! The Lease that keeps two processes off one cluster: taken before anything else, renewed while it runs, given back.
//!
//! No clock of another machine is believed. Ours counts from when the latest write that succeeded has left, by a clock that never goes back and
//! does not stand still while the machine sleeps; and another's is taken only when it has not changed for as long as it lasts, by our clock
//! (as client-go's leader election does), or when the process that it names is known to be dead.

use super::answer::Answered;
use super::api::{Exchange, LEASES, Method};
use super::holder::{DURATION_MS, Holder, LEASE, ProcessId};
use super::mirror::text;
use crate::runner::Ms;
use serde_json::{Value, json};

/// After so long without a renewal we send nothing more: what has left then arrives before anybody else may take it (C).
const OURS_MS: Ms = DURATION_MS - 5_000;
/// While we wait whether another process renews it, it is read so often (C).
const LOOK_MS: Ms = 2_000;
/// It is renewed after so long.
const RENEW_MS: Ms = 10_000;
/// A lost or refused call is repeated after so long, doubled each time up to the most: several fit into the time in which
/// it lapses.
const RETRY_MS: Ms = 1000;
/// The most.
const MOST_MS: Ms = 5000;

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Read at this moment.
    ToRead(Ms),
    Reading,
    /// Written at this moment.
    ToWrite(Ms),
    Writing,
    /// Ours; renewed at this moment.
    Held(Ms),
    /// It is to be given back.
    ToRelease,
    Releasing,
    Released,
}

/// What a Lease makes impossible: another process holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken(pub String);

/// The Lease of another process, as it was seen first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    identity: String,
    renewed: String,
    version: String,
    since: Ms,
}

/// The Lease of one process.
#[derive(Debug)]
pub(crate) struct Lease {
    namespace: String,
    name: &'static str,
    execution: String,
    /// Execution and process, as the Lease names them.
    holder: String,
    /// A holder that is known to be dead: a process of this machine that is gone.
    dead: Option<String>,
    origin_unix_ms: i64,
    /// The API server's clock is ahead of ours by so much.
    ahead_ms: Ms,
    step: Step,
    object: Value,
    /// Another's, which may have lapsed.
    seen: Option<Seen>,
    /// What a person should know.
    note: Option<String>,
    /// When the write under way left.
    wrote: Ms,
    /// The time that it carries, in milliseconds since 1970.
    stamp: i64,
    /// When the latest write that succeeded left: others count from the time that it carries, not from when we hear of it.
    renewed: Option<Ms>,
    /// It was ours before, in this process.
    had: bool,
    /// Somebody else wrote or deleted it since, by what our last write was answered: until it is written again nobody may count on it.
    conflicted: bool,
    /// Answers in a row that were none.
    failures: u32,
}

impl Lease {
    pub fn new(namespace: &str, execution: &str, process: &ProcessId, origin_unix_ms: i64) -> Lease {
        Lease {
            namespace: namespace.to_owned(),
            name: LEASE,
            execution: execution.to_owned(),
            holder: process.identity(execution),
            dead: None,
            origin_unix_ms,
            ahead_ms: 0,
            step: Step::ToRead(0),
            object: Value::Null,
            seen: None,
            note: None,
            wrote: 0,
            stamp: 0,
            renewed: None,
            had: false,
            conflicted: false,
            failures: 0,
        }
    }
    /// The same by another name.
    #[cfg(feature = "live")]
    pub fn named(mut self, name: &'static str) -> Lease {
        self.name = name;
        self
    }

    /// The same, where a holder is known to be dead.
    pub fn with_dead(mut self, identity: Option<String>) -> Lease {
        self.dead = identity;
        self
    }

    /// The API server's clock is ahead of ours by so much: what is written carries its time.
    pub fn set_ahead(&mut self, ms: Ms) {
        self.ahead_ms = ms;
    }

    /// Until when we may write to the cluster; None while we may not.
    pub fn ours_until(&self) -> Option<Ms> {
        self.renewed.filter(|_| !self.conflicted).map(|at| at.saturating_add(OURS_MS))
    }

    /// Whether we may write to the cluster.
    pub fn is_ours(&self, now: Ms) -> bool {
        self.ours_until().is_some_and(|until| now < until)
    }

    /// What a person should know, once.
    pub fn take_note(&mut self) -> Option<String> {
        self.note.take()
    }

    /// Whether it is given back, or nobody waits for it any more.
    pub fn is_released(&self) -> bool {
        self.step == Step::Released
    }
    /// Gives it back.
    pub fn release(&mut self) {
        if !matches!(self.step, Step::Releasing | Step::Released) {
            self.step = if self.renewed.is_some() { Step::ToRelease } else { Step::Released };
        }
    }
    pub fn next_at(&self) -> Option<Ms> {
        match self.step {
            Step::ToRead(at) | Step::ToWrite(at) | Step::Held(at) => Some(at),
            _ => None,
        }
    }
    /// What to ask for now.
    pub fn due(&mut self, now: Ms) -> Option<Exchange> {
        let path = LEASES.object(&self.namespace, self.name);
        match self.step {
            Step::ToRead(at) if at <= now => {
                self.step = Step::Reading;
                Some(Exchange::get(path))
            }
            // We stood still for so long, or were asleep, that somebody else may have it: looked at before anything else.
            Step::Held(at) if at <= now && !self.is_ours(now) => {
                self.step = Step::Reading;
                Some(Exchange::get(path))
            }
            Step::ToWrite(at) | Step::Held(at) if at <= now => {
                (self.step, self.wrote) = (Step::Writing, now);
                self.stamp = self.server_unix_ms(now);
                Some(self.write(path))
            }
            Step::ToRelease => {
                self.step = Step::Releasing;
                let precondition = |p: &str| text(&self.object, p).to_owned();
                let body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {
                    "uid": precondition("/metadata/uid"), "resourceVersion": precondition("/metadata/resourceVersion")}});
                Some(Exchange { method: Method::Delete, path, body: Some(body) })
            }
            _ => None,
        }
    }
    /// The time by the API server's clock.
    fn server_unix_ms(&self, now: Ms) -> i64 {
        self.origin_unix_ms.saturating_add(now).saturating_add(self.ahead_ms)
    }

    fn write(&self, path: String) -> Exchange {
        let time = micro_time(self.stamp);
        let mut lease = match self.object.is_null() {
            true => json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": self.name, "namespace": self.namespace}, "spec": {"acquireTime": time}}),
            false => self.object.clone(),
        };
        let spec = &mut lease["spec"];
        if text(spec, "/holderIdentity") != self.holder {
            spec["acquireTime"] = json!(time);
            let before = spec.pointer("/leaseTransitions").and_then(Value::as_i64).unwrap_or(0);
            spec["leaseTransitions"] = json!(if self.object.is_null() { 0 } else { before + 1 });
        }
        spec["holderIdentity"] = json!(self.holder);
        spec["leaseDurationSeconds"] = json!(DURATION_MS / 1000);
        spec["renewTime"] = json!(time);
        match self.object.is_null() {
            true => Exchange { method: Method::Post, path: LEASES.within(&self.namespace), body: Some(lease) },
            false => Exchange { method: Method::Put, path, body: Some(lease) },
        }
    }
    /// The answer to what was asked for.
    ///
    /// # Errors
    /// Another execution holds it.
    pub fn answered(&mut self, now: Ms, answered: Answered) -> Result<(), Taken> {
        let known = matches!(answered, Answered::Object(_) | Answered::Absent | Answered::Done);
        self.failures = if known { 0 } else { (self.failures + 1).min(10) };
        match (self.step, answered) {
            (Step::Reading, Answered::Absent) => {
                if self.had {
                    return Err(Taken("the Lease was deleted by somebody".into()));
                }
                (self.object, self.step) = (Value::Null, Step::ToWrite(now));
            }
            (Step::Reading, Answered::Object(lease)) => match self.judge(now, &lease)? {
                None => (self.object, self.step) = (lease, Step::ToWrite(now)),
                Some(at) => self.step = Step::ToRead(at),
            },
            // What was written comes back as it is stored; a Lease that is none of ours is no renewal.
            (Step::Writing, Answered::Object(lease)) if self.is_written(&lease) => {
                (self.renewed, self.had, self.conflicted) = (Some(self.wrote), true, false);
                (self.object, self.step) = (lease, Step::Held(self.wrote.saturating_add(RENEW_MS)));
            }
            // Somebody wrote it in between, or it is gone: read again and see who.
            (Step::Writing, Answered::Absent) => (self.step, self.conflicted) = (Step::ToRead(now), true),
            (Step::Writing, Answered::Refused(r)) if r.code == 409 => {
                (self.step, self.conflicted) = (Step::ToRead(now), true);
            }
            (Step::Releasing, _) => self.step = Step::Released,
            // The write may have had its effect: the version would tell.
            (Step::Reading | Step::Writing, other) => self.step = Step::ToRead(now.saturating_add(self.wait(&other))),
            _ => {}
        }
        Ok(())
    }
    fn is_written(&self, lease: &Value) -> bool {
        let renewed = crate::snapshot::time::parse_rfc3339(text(lease, "/spec/renewTime"));
        text(lease, "/spec/holderIdentity") == self.holder && renewed == Some(self.stamp)
    }
    fn wait(&self, answered: &Answered) -> Ms {
        let asked = match answered {
            Answered::Refused(r) => r.retry_after_ms,
            _ => None,
        };
        (RETRY_MS << self.failures.saturating_sub(1)).min(MOST_MS).max(asked.unwrap_or(0))
    }
    /// Whether it may be taken (None), or is to be looked at again at a moment.
    fn judge(&mut self, now: Ms, lease: &Value) -> Result<Option<Ms>, Taken> {
        let Some(holder) = Holder::of(lease, self.server_unix_ms(now)) else { return Ok(None) };
        if holder.identity == self.holder || self.dead.as_ref() == Some(&holder.identity) {
            return Ok(None);
        }
        let words = || Taken(holder.words_of(&self.namespace, self.name));
        if self.had {
            return Err(words());
        }
        let fields =
            [holder.identity.as_str(), text(lease, "/spec/renewTime"), text(lease, "/metadata/resourceVersion")];
        match &self.seen {
            Some(s) if [s.identity.as_str(), s.renewed.as_str(), s.version.as_str()] != fields => Err(words()),
            Some(s) if now >= s.since.saturating_add(holder.lasting_ms) => Ok(None),
            Some(s) => Ok(Some(s.since.saturating_add(holder.lasting_ms).min(now.saturating_add(LOOK_MS)))),
            // Another execution that seems to be alive keeps us out at once; of one that may be dead, or is ours, we wait for a sign.
            None if holder.name != self.execution && holder.seems_alive() => Err(words()),
            None => {
                let [identity, renewed, version] = fields.map(str::to_owned);
                self.note = Some(format!(
                    "{}; whether that process is alive is not known: it is waited for {} s, and begun if it does not renew it",
                    holder.words_of(&self.namespace, self.name),
                    holder.lasting_ms / 1000
                ));
                self.seen = Some(Seen { identity, renewed, version, since: now });
                Ok(Some(now.saturating_add(LOOK_MS)))
            }
        }
    }
}

/// A moment as Lease objects have it (`MicroTime`): RFC 3339 with six digits.
fn micro_time(unix_ms: i64) -> String {
    crate::snapshot::time::format_rfc3339(unix_ms, 6)
}
