//! Who holds the Lease: which process of which execution.
//!
//! The name of an execution alone would let in a second process of it: one that goes on from a copied journal, a restored backup, or on
//! another machine. So `spec.holderIdentity` names the process too, as client-go's leader election does (a host name and something random).

use super::mirror::text;
use crate::runner::Ms;
use serde_json::Value;
use std::fmt;

/// Name of the Lease.
pub const LEASE: &str = "nodeferry";
/// It lapses when nobody has renewed it for so long.
pub const DURATION_MS: Ms = 30_000;
/// A Lease that claims to last longer is taken to last so long (C): its holder is no nodeferry, or its number is wrong.
const LONGEST_MS: Ms = 10 * 60_000;
/// A renewal that lies further in the future than this shows that its writer's clock is wrong.
const AHEAD_MS: Ms = 2_000;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessId {
    /// Name of its machine.
    pub host: String,
    /// The machine's boot and the space in which its process numbers count; empty where that is not known.
    pub boot: String,
    /// Its number.
    pub pid: u32,
    /// Something random, for numbers are used again.
    pub random: String,
}

impl ProcessId {
    /// A process of this machine.
    pub fn new(host: &str, boot: &str, pid: u32, random: &str) -> ProcessId {
        // What stands between the parts is not within them.
        let part = |text: &str| -> String {
            text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).take(80).collect()
        };
        ProcessId { host: part(host), boot: part(boot), pid, random: part(random) }
    }

    /// The text of `spec.holderIdentity` for an execution that this process carries out.
    pub fn identity(&self, execution: &str) -> String {
        format!("{execution}_{}_{}_{}_{}", self.host, self.boot, self.pid, self.random)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.as_str() {
            "" => write!(f, "process {}", self.pid),
            host => write!(f, "process {} on {host}", self.pid),
        }
    }
}

/// Who holds a Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// All that the Lease says of who holds it.
    pub identity: String,
    /// Name of the execution.
    pub name: String,
    /// Which process of it, if it says so.
    pub process: Option<ProcessId>,
    /// Time since it was renewed, by the time that it carries; None if it does not say.
    pub age_ms: Option<Ms>,
    /// How long it lasts without being renewed.
    pub lasting_ms: Ms,
}

impl Holder {
    /// The holder of a Lease at a moment; None if nobody holds it.
    pub fn of(lease: &Value, unix_ms: i64) -> Option<Holder> {
        let identity = text(lease, "/spec/holderIdentity").to_owned();
        let seconds = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_i64).filter(|s| *s > 0);
        let renewed = crate::snapshot::time::parse_rfc3339(text(lease, "/spec/renewTime"));
        let (name, process) = parts(&identity);
        (!identity.is_empty()).then(|| Holder {
            name,
            process,
            age_ms: renewed.map(|at| unix_ms.saturating_sub(at)),
            lasting_ms: seconds.map_or(DURATION_MS, |s| s.saturating_mul(1000).min(LONGEST_MS)),
            identity,
        })
    }

    /// Whether the time that it carries says that it was renewed a moment ago. Whoever wrote it may have a wrong clock, and so may we: that it
    /// does not say so proves nothing.
    pub fn seems_alive(&self) -> bool {
        self.age_ms.is_some_and(|age| (-AHEAD_MS..self.lasting_ms).contains(&age))
    }

    /// `execution other (process 7 on host) holds the Lease kube-system/nodeferry, renewed 5 s ago`.
    pub fn words(&self, namespace: &str) -> String {
        self.words_of(namespace, LEASE)
    }

    /// The same of a Lease by its name.
    pub fn words_of(&self, namespace: &str, lease: &str) -> String {
        let who = self.process.as_ref().map_or(String::new(), |p| format!(" ({p})"));
        let renewed = match self.age_ms {
            Some(age) if self.seems_alive() => format!(", renewed {} s ago", age.max(0) / 1000),
            Some(age) if age < 0 => format!(", renewed {} s in the future by its clock", -(age / 1000)),
            Some(age) => format!(", renewed {} s ago by its clock", age / 1000),
            None => String::new(),
        };
        format!("execution {}{who} holds the Lease {namespace}/{lease}{renewed}", self.name)
    }
}

/// Execution and process of an identity; other programs, and older versions of this one, name no process.
fn parts(identity: &str) -> (String, Option<ProcessId>) {
    let mut parts = identity.rsplitn(5, '_');
    let (random, pid, boot, host, name) = (parts.next(), parts.next(), parts.next(), parts.next(), parts.next());
    let process = match (name, host, boot, pid.and_then(|p| p.parse().ok()), random) {
        (Some(name), Some(host), Some(boot), Some(pid), Some(random)) if !name.is_empty() => {
            Some((name, ProcessId::new(host, boot, pid, random)))
        }
        _ => None,
    };
    match process {
        Some((name, process)) => (name.to_owned(), Some(process)),
        None => (identity.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lease(identity: &str, seconds: i64, renewed: i64) -> Value {
        json!({"spec": {"holderIdentity": identity, "leaseDurationSeconds": seconds,
            "renewTime": crate::snapshot::time::format_rfc3339(renewed, 6)}})
    }

    #[test]
    fn an_identity_names_execution_and_process() {
        let process = ProcessId::new("old_host.example", "b00t-1", 71, "9f");
        let identity = process.identity("nodeferry-20261121_x");
        assert_eq!(identity, "nodeferry-20261121_x_oldhost.example_b00t-1_71_9f");
        let holder = Holder::of(&lease(&identity, 30, 0), 5_000).expect("a holder");
        assert_eq!((holder.name.as_str(), &holder.process), ("nodeferry-20261121_x", &Some(process)));
        assert_eq!(
            holder.words("kube-system"),
            "execution nodeferry-20261121_x (process 71 on oldhost.example) holds the Lease kube-system/nodeferry, renewed 5 s ago"
        );
        for other in ["nodeferry-1", "a_b_c", "host_0b1c", "_a_b_7_c", "x_a_b_seven_c"] {
            let holder = Holder::of(&lease(other, 30, 0), 0).expect("a holder");
            assert_eq!((holder.name.as_str(), holder.process), (other, None));
        }
        assert_eq!(Holder::of(&lease("", 30, 0), 0), None);
    }

    #[test]
    fn a_renewal_of_a_wrong_clock_is_no_sign_of_life_and_no_number_is_too_large() {
        let of = |seconds, renewed, now| Holder::of(&lease("x", seconds, renewed), now).expect("a holder");
        assert!(of(30, 0, 29_999).seems_alive() && of(30, 1_500, 0).seems_alive());
        assert!(!of(30, 0, 30_000).seems_alive() && !of(30, 3_600_000, 0).seems_alive());
        assert!(of(30, 3_600_000, 0).words("n").contains("renewed 3600 s in the future by its clock"));
        assert!(of(30, 0, 60_000).words("n").contains("renewed 60 s ago by its clock"));
        assert_eq!(of(i64::MAX, 0, i64::MAX).lasting_ms, LONGEST_MS);
        assert_eq!([0, -1, i64::MIN].map(|s| of(s, 0, i64::MIN).lasting_ms), [DURATION_MS; 3]);
    }
}
