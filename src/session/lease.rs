//! The Lease that keeps two executions off one cluster: taken before anything else, renewed while it runs, given back.

use super::answer::Answered;
use super::api::{Exchange, LEASES, Method};
use super::mirror::text;
use crate::runner::Ms;
use serde_json::{Value, json};

/// Name of the Lease.
pub const LEASE: &str = "nodeferry";
/// It lapses when nobody has renewed it for so long.
pub const DURATION_MS: Ms = 30_000;
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

/// What a Lease makes impossible: another execution holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken(pub String);

/// The Lease of one execution.
#[derive(Debug)]
pub(crate) struct Lease {
    namespace: String,
    holder: String,
    origin_unix_ms: i64,
    step: Step,
    object: Value,
    /// When the write under way left.
    wrote: Ms,
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
    pub fn new(namespace: &str, holder: &str, origin_unix_ms: i64) -> Lease {
        Lease {
            namespace: namespace.to_owned(),
            holder: holder.to_owned(),
            origin_unix_ms,
            step: Step::ToRead(0),
            object: Value::Null,
            wrote: 0,
            renewed: None,
            had: false,
            conflicted: false,
            failures: 0,
        }
    }
    /// Whether we may write to the cluster.
    pub fn is_ours(&self, now: Ms) -> bool {
        !self.conflicted && self.renewed.is_some_and(|at| now < at + DURATION_MS)
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
        let path = LEASES.object(&self.namespace, LEASE);
        match self.step {
            Step::ToRead(at) if at <= now => {
                self.step = Step::Reading;
                Some(Exchange::get(path))
            }
            Step::ToWrite(at) | Step::Held(at) if at <= now => {
                (self.step, self.wrote) = (Step::Writing, now);
                Some(self.write(now, path))
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
    fn write(&self, now: Ms, path: String) -> Exchange {
        let time = micro_time(self.origin_unix_ms + now);
        let mut lease = match self.object.is_null() {
            true => json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": LEASE, "namespace": self.namespace}, "spec": {"acquireTime": time}}),
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
            (Step::Reading, Answered::Object(lease)) => {
                self.judge(now, &lease)?;
                (self.object, self.step) = (lease, Step::ToWrite(now));
            }
            // What was written comes back as it is stored; a Lease that is none of ours is no renewal.
            (Step::Writing, Answered::Object(lease)) if self.is_written(&lease) => {
                (self.renewed, self.had, self.conflicted) = (Some(self.wrote), true, false);
                (self.object, self.step) = (lease, Step::Held(self.wrote + RENEW_MS));
            }
            // Somebody wrote it in between, or it is gone: read again and see who.
            (Step::Writing, Answered::Absent) => (self.step, self.conflicted) = (Step::ToRead(now), true),
            (Step::Writing, Answered::Refused(r)) if r.code == 409 => {
                (self.step, self.conflicted) = (Step::ToRead(now), true);
            }
            (Step::Releasing, _) => self.step = Step::Released,
            // The write may have had its effect: the version would tell.
            (Step::Reading | Step::Writing, other) => self.step = Step::ToRead(now + self.wait(&other)),
            _ => {}
        }
        Ok(())
    }
    fn is_written(&self, lease: &Value) -> bool {
        let renewed = crate::snapshot::time::parse_rfc3339(text(lease, "/spec/renewTime"));
        text(lease, "/spec/holderIdentity") == self.holder && renewed == Some(self.origin_unix_ms + self.wrote)
    }
    fn wait(&self, answered: &Answered) -> Ms {
        let asked = match answered {
            Answered::Refused(r) => r.retry_after_ms,
            _ => None,
        };
        (RETRY_MS << self.failures.saturating_sub(1)).min(MOST_MS).max(asked.unwrap_or(0))
    }
    fn judge(&self, now: Ms, lease: &Value) -> Result<(), Taken> {
        match Holder::of(lease, self.origin_unix_ms + now) {
            Some(h) if h.name != self.holder && (!h.has_lapsed || self.had) => Err(Taken(h.words(&self.namespace))),
            _ => Ok(()),
        }
    }
}

/// Who holds a Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Name of the execution.
    pub name: String,
    /// Time since it was renewed; None if it does not say.
    pub age_ms: Option<Ms>,
    /// It was not renewed for as long as it lasts: anybody may take it.
    pub has_lapsed: bool,
}

impl Holder {
    /// The holder of a Lease at a moment; None if nobody holds it.
    pub fn of(lease: &Value, unix_ms: i64) -> Option<Holder> {
        let name = text(lease, "/spec/holderIdentity").to_owned();
        let seconds = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_i64);
        let lasting = seconds.map_or(DURATION_MS, |s| s.saturating_mul(1000));
        let renewed = crate::snapshot::time::parse_rfc3339(text(lease, "/spec/renewTime"));
        let age_ms = renewed.map(|at| unix_ms - at);
        (!name.is_empty()).then(|| Holder { name, age_ms, has_lapsed: age_ms.is_some_and(|age| age >= lasting) })
    }
    /// `execution other holds the Lease kube-system/nodeferry, renewed 5 s ago`.
    pub fn words(&self, namespace: &str) -> String {
        let renewed = self.age_ms.map_or(String::new(), |a| format!(", renewed {} s ago", a.max(0) / 1000));
        format!("execution {} holds the Lease {namespace}/{LEASE}{renewed}", self.name)
    }
}

/// A moment as Lease objects have it (`MicroTime`): RFC 3339 with six digits.
fn micro_time(unix_ms: i64) -> String {
    crate::snapshot::time::format_rfc3339(unix_ms, 6)
}
