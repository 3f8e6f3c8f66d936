//! From which length of the outage on what breaks.

use super::options::AckSimOptions;
use super::risk::Exposed;
use super::run::{RunError, run};
use super::{Ground, share_text, time};
use crate::ack::steps::{SIGNED_URL_MS, until_cut_over_ms};
use crate::cluster::draw::Draws;
use crate::report::table::{Align, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Lengths of the outage, from and to included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutageRange {
    /// Shortest, milliseconds.
    pub from_ms: i64,
    /// Longest, milliseconds.
    pub to_ms: i64,
}

/// How many lengths of a range are simulated, both ends among them (C).
const LENGTHS: u32 = 8;

/// Something that breaks from a length of the outage on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Break {
    /// From this length on, milliseconds.
    pub from_ms: i64,
    /// What breaks.
    pub what: String,
    /// Who says so.
    pub source: String,
}

/// One length, simulated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Length {
    /// The outage, milliseconds.
    pub outage_ms: i64,
    /// From the return of the API server until all was quiet, milliseconds.
    pub rush_ms: i64,
    /// Pods created in the rush.
    pub pods_created: u64,
    /// Probability that any workload loses a pod meanwhile.
    pub any_short: f64,
    /// Probability that any workload loses all of its pods.
    pub any_at_zero: f64,
    /// Workloads that were not as before in the end, and nodes that were lost, without any failure.
    pub broken: Vec<String>,
}

/// From which length on what breaks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lengths {
    /// The range.
    pub range: OutageRange,
    /// Lengths in it, simulated.
    pub simulated: Vec<Length>,
    /// What breaks within it, the shortest first.
    pub breaks: Vec<Break>,
}

/// Limits that an outage runs into, by published constants.
const LIMITS: &[(i64, &str, &str)] = &[
    (
        10_000,
        "controllers within the cluster that hold a lease (operators, ingress controllers, autoscalers) cannot renew it, give up their leadership and start again",
        "client-go leaderelection, renewDeadline 10 s by default in controller-runtime and Kubernetes' own components",
    ),
    (
        40_000,
        "the Leases of nodes are older than their 40 s; the new node controller gives every node its full grace from its start, so that no node is NotReady for it",
        "kubelet nodeLeaseDurationSeconds; pkg/controller/nodelifecycle",
    ),
    (
        721_400,
        "tokens of pods' service accounts begin to expire, for kubelets renew them when 80 % of their 3,607 s are over; pods get 401 until the next renewal",
        "pkg/kubelet/token, serviceaccount admission (3607 s)",
    ),
    (3_607_000, "every token of a pod's service account has expired", "serviceaccount admission (3607 s)"),
];

/// Simulates lengths of a range.
pub(super) fn lengths(ground: &Ground<'_>, range: OutageRange, exposed: &Exposed) -> Result<Lengths, RunError> {
    let mut simulated: Vec<Length> = Vec::new();
    for outage in points(range) {
        // What breaks by the length alone: nothing fails by itself.
        let options = AckSimOptions {
            outage_ms: Some(outage),
            failures: super::FailureRates { pods_per_million_hours: 0, nodes_per_million_hours: 0 },
            ..ground.options.clone()
        };
        let (one, _) = run(ground.experiment, &ground.masters, &options, 0, ground.seed)?;
        let (any_short, any_at_zero) = any(ground, exposed, outage);
        let nodes = one.nodes_lost.iter().map(|n| format!("Node/{n}"));
        simulated.push(Length {
            outage_ms: outage,
            rush_ms: one.quiet_ms.unwrap_or(outage) - outage,
            pods_created: one.rush.pods_created,
            any_short,
            any_at_zero,
            broken: one.not_as_before.iter().cloned().chain(nodes).collect(),
        });
    }
    let mut breaks: Vec<Break> = LIMITS
        .iter()
        .map(|(from, what, source)| Break { from_ms: *from, what: (*what).to_owned(), source: (*source).to_owned() })
        .collect();
    breaks.push(Break {
        from_ms: until_cut_over_ms(),
        what: "all steps before the cut-over have run into their limits: an outage that is longer is the managed side's, without rollback".to_owned(),
        source: "published procedure".to_owned(),
    });
    breaks.push(Break {
        from_ms: SIGNED_URL_MS,
        what: "the signed URL of the snapshot expires about now: a restore that has not ended fails for good"
            .to_owned(),
        source: "published procedure".to_owned(),
    });
    let mut known: Vec<String> = Vec::new();
    for (nth, length) in simulated.iter().enumerate() {
        let shorter = match nth {
            0 => "already with the shortest outage simulated",
            _ => "not with the next shorter outage simulated",
        };
        for what in length.broken.iter().filter(|b| !known.contains(b)).cloned().collect::<Vec<_>>() {
            breaks.push(Break {
                from_ms: length.outage_ms,
                what: format!("{what} is not as before in the end ({shorter})"),
                source: "simulation".to_owned(),
            });
            known.push(what);
        }
    }
    for (share, name) in [(0.01, "1 %"), (0.05, "5 %"), (0.25, "25 %")] {
        if let Some(first) = simulated.iter().find(|l| l.any_at_zero >= share) {
            breaks.push(Break {
                from_ms: first.outage_ms,
                what: format!("with at least {name} probability some workload loses all of its pods meanwhile"),
                source: "failure rates as stated or assumed".to_owned(),
            });
        }
    }
    breaks.retain(|b| b.from_ms <= range.to_ms);
    breaks.sort_by_key(|b| b.from_ms);
    Ok(Lengths { range, simulated, breaks })
}

/// Lengths from one end to the other, each longer than the one before by the same factor, whole seconds.
fn points(range: OutageRange) -> Vec<i64> {
    let (from, to) = (range.from_ms.max(1_000), range.to_ms.max(range.from_ms).max(1_000));
    let ratio = libm::log(to as f64 / from as f64) / f64::from(LENGTHS - 1);
    let mut points: Vec<i64> = (0..LENGTHS)
        .map(|i| (libm::round(from as f64 * libm::exp(ratio * f64::from(i)) / 1_000.0) as i64 * 1_000).clamp(from, to))
        .collect();
    points.dedup();
    points
}

/// How probable it is that any workload loses a pod, or all of its pods.
fn any(ground: &Ground<'_>, exposed: &Exposed, outage_ms: i64) -> (f64, f64) {
    let (mut short, mut zero) = (0_u32, 0_u32);
    let source = Draws::new(ground.seed).fork("ack-risk", 0);
    let draws = ground.options.draws;
    for nth in 0..draws {
        let failing = exposed.fail(ground.options.failures, &source, u64::from(nth), outage_ms);
        let lost = exposed.lost(&failing);
        short += u32::from(!lost.is_empty());
        zero += u32::from(lost.iter().any(|(w, (n, _))| *n == exposed.ready(*w)));
    }
    let share = |n: u32| (f64::from(n) / f64::from(draws.max(1)) * 1e6).round() / 1e6;
    (share(short), share(zero))
}

impl Lengths {
    pub(super) fn text(&self, width: Option<u16>) -> String {
        let mut out = String::from("\nBy the length of the outage:\n");
        let columns = [
            ("OUTAGE", Align::Right),
            ("QUIET AFTER", Align::Right),
            ("PODS CREATED", Align::Right),
            ("A WORKLOAD LOSES PODS", Align::Right),
            ("ALL OF ITS PODS", Align::Right),
            ("BROKEN", Align::Left),
        ];
        let mut table = Table::new(&columns);
        for l in &self.simulated {
            table.row([
                time(l.outage_ms),
                time(l.rush_ms),
                l.pods_created.to_string(),
                share_text(l.any_short),
                share_text(l.any_at_zero),
                if l.broken.is_empty() { "-".to_owned() } else { l.broken.join(", ") },
            ]);
        }
        out.push_str(&table.render(width));
        out.push_str("From which length on what breaks:\n");
        for b in &self.breaks {
            let _ = writeln!(out, "  {}: {} ({})", time(b.from_ms), b.what, b.source);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_reach_from_one_end_to_the_other() {
        let of = |from_ms, to_ms| points(OutageRange { from_ms, to_ms });
        assert_eq!(of(60_000, 60_000), [60_000]);
        let some = of(30_000, 3_600_000);
        assert_eq!((some.len(), some[0], some[7]), (8, 30_000, 3_600_000));
        assert!(some.windows(2).all(|w| w[0] < w[1]), "{some:?}");
    }
}
