//! What each batch waited for, made from the figures of its pods and nodes.
//!
//! At every moment of a batch its pods wait for different things. The moment counts for the one that stands highest in [`WaitFor`]: what lies further
//! back in the chain (a pod that is refused by its budget, because the replacement of another waits for a machine, waits for the machine).

use super::metrics::{Metrics, PodRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a batch waits for, what lies furthest back first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WaitFor {
    /// Machines are asked for and not ready.
    Launch,
    /// A pod that no event has woken waits for the scheduler's flush of its queue (five minutes).
    QueueFlush,
    /// A pod backs off in the scheduler's queue.
    Backoff,
    /// A volume is attached to another node.
    Detach,
    /// A pod has no node: there is no room, or what makes room is none of the above.
    Room,
    /// A budget refuses an eviction.
    Budget,
    /// A pod is on its node and not ready.
    Start,
    /// A pod that was evicted is stopping, within its grace period.
    Grace,
}

impl WaitFor {
    /// All of them, in their order.
    pub const ALL: [WaitFor; 8] = [
        WaitFor::Launch,
        WaitFor::QueueFlush,
        WaitFor::Backoff,
        WaitFor::Detach,
        WaitFor::Room,
        WaitFor::Budget,
        WaitFor::Start,
        WaitFor::Grace,
    ];

    /// The word used in files.
    pub fn as_str(self) -> &'static str {
        match self {
            WaitFor::Launch => "launch",
            WaitFor::QueueFlush => "queue-flush",
            WaitFor::Backoff => "backoff",
            WaitFor::Detach => "detach",
            WaitFor::Room => "room",
            WaitFor::Budget => "budget",
            WaitFor::Start => "start",
            WaitFor::Grace => "grace",
        }
    }
}

/// How long a batch waited for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct BatchWait {
    /// For what.
    pub what: WaitFor,
    /// How long, milliseconds.
    pub ms: u64,
    /// Its share of the batch, in percent, rounded to the nearest.
    pub percent: u32,
}

/// A span of waiting, milliseconds.
type Span = (u64, u64, WaitFor);

/// The waits of each batch, in the order of the batches.
pub(super) fn of(m: &Metrics) -> Vec<Vec<BatchWait>> {
    let mut spans: Vec<Vec<Span>> = vec![Vec::new(); m.batches.len()];
    let place = |batch: Option<u32>| m.batches.binary_search_by_key(&batch?, |b| b.index).ok();
    for pod in &m.pods {
        if let Some(own) = place(pod.batch) {
            pod_spans(m, pod, &mut spans[own]);
        }
    }
    for node in m.nodes.iter().filter(|n| !n.initial) {
        let (Some(own), Some(from)) = (place(node.batch), node.requested_ms) else { continue };
        let to = node.ready_ms.or(node.deleted_ms).unwrap_or(m.end_ms);
        spans[own].push((from, to, WaitFor::Launch));
    }
    let of_batch = |(batch, spans): (&super::metrics::BatchRow, Vec<Span>)| {
        let (Some(start), end) = (batch.start_ms, batch.end_ms.unwrap_or(m.end_ms)) else { return Vec::new() };
        attribute(spans, start, end)
    };
    m.batches.iter().zip(spans).map(of_batch).collect()
}

/// What one pod that left, and the one that takes its place, wait for.
fn pod_spans(m: &Metrics, p: &PodRow, spans: &mut Vec<Span>) {
    let end = m.end_ms;
    if let Some(refused) = p.first_refused_ms {
        spans.push((refused, p.evicted_ms.or(p.terminated_ms).unwrap_or(end), WaitFor::Budget));
    }
    if let Some(evicted) = p.evicted_ms {
        spans.push((evicted, p.terminated_ms.unwrap_or(end), WaitFor::Grace));
    }
    let Some(created) = p.created_ms else { return };
    let bound = p.bound_ms.unwrap_or(end);
    if p.unschedulable > 0 || p.bound_ms.is_none() {
        spans.push((created, bound, WaitFor::Room));
        spans.push((bound.saturating_sub(p.backoff_ms), bound, WaitFor::Backoff));
        let woken = bound.saturating_sub(p.backoff_ms);
        spans.push((woken.saturating_sub(p.flush_ms), woken, WaitFor::QueueFlush));
    }
    if p.bound_ms.is_some() {
        let attached = p.attached_ms.unwrap_or(bound);
        spans.push((bound, attached, WaitFor::Detach));
        spans.push((attached, p.ready_ms.unwrap_or(end), WaitFor::Start));
    }
}

/// Shares the time from `start` to `end` out among the spans: each moment goes to the one that stands highest.
fn attribute(spans: Vec<Span>, start: u64, end: u64) -> Vec<BatchWait> {
    // At each moment how many spans of each kind begin (and end).
    let mut edges: Vec<(u64, WaitFor, i64)> = Vec::with_capacity(2 * spans.len());
    for (from, to, what) in spans {
        let (from, to) = (from.clamp(start, end), to.clamp(start, end));
        if from < to {
            edges.extend([(from, what, 1), (to, what, -1)]);
        }
    }
    edges.sort_unstable();
    let mut open = [0i64; WaitFor::ALL.len()];
    let mut sums = [0u64; WaitFor::ALL.len()];
    let mut now = start;
    for (at, what, by) in edges {
        if let Some(first) = open.iter().position(|n| *n > 0) {
            sums[first] += at - now;
        }
        now = at;
        open[what as usize] += by;
    }
    let whole = (end - start).max(1);
    let mut waits: Vec<BatchWait> = WaitFor::ALL
        .into_iter()
        .zip(sums)
        .filter(|(_, ms)| *ms > 0)
        .map(|(what, ms)| BatchWait { what, ms, percent: ((ms * 100 + whole / 2) / whole) as u32 })
        .collect();
    waits.sort_by_key(|w| (std::cmp::Reverse(w.ms), w.what));
    waits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_moment_counts_for_what_lies_furthest_back() {
        let spans = vec![
            (0, 40, WaitFor::Budget),
            (10, 30, WaitFor::Launch),
            (20, 60, WaitFor::Start),
            (50, 500, WaitFor::Grace),
            (90, 90, WaitFor::Room),
        ];
        let waits = attribute(spans, 0, 100);
        let shown: Vec<(&str, u64, u32)> = waits.iter().map(|w| (w.what.as_str(), w.ms, w.percent)).collect();
        assert_eq!(shown, [("grace", 40, 40), ("launch", 20, 20), ("budget", 20, 20), ("start", 20, 20)]);
        assert_eq!(attribute(Vec::new(), 5, 5), []);
    }
}
