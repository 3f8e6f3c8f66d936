//! Which workloads suffer if a pod or a node fails while the API server is away: nothing replaces what is lost until it is back.

use super::options::FailureRates;
use crate::cluster::draw::Draws;
use crate::cluster::{NodeIdx, OwnerIdx, PodIdx, View};
use crate::trace::workloads::workload_of;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const HOUR_MS: f64 = 3_600_000.0;
const MILLION: f64 = 1e6;

/// What runs when the outage begins.
#[derive(Clone, Debug, Default)]
pub struct Exposed {
    /// Running pods, in order, with their workload where they have one.
    pods: Vec<(PodIdx, Option<OwnerIdx>)>,
    /// Nodes that may fail: those of the cluster but for the masters.
    nodes: Vec<NodeIdx>,
    /// Ready pods by workload, and by node.
    ready: BTreeMap<OwnerIdx, Vec<(PodIdx, NodeIdx)>>,
    /// Names, for a run may have nodes that the cluster of the dump has not.
    workload_names: BTreeMap<OwnerIdx, String>,
    node_names: BTreeMap<NodeIdx, String>,
}

/// What the loss of pods and nodes may do to a workload during the outage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadRisk {
    /// `Kind/namespace/name`.
    pub workload: String,
    /// Its ready pods when the outage begins.
    pub ready: u32,
    /// How many are left for the rest of the outage if one of its pods fails.
    pub left_if_a_pod_fails: u32,
    /// How many are left if the node with most of them fails.
    pub left_if_a_node_fails: u32,
    /// That node.
    pub worst_node: String,
    /// Probability that it loses a pod during the outage and goes without to its end.
    pub short: f64,
    /// Probability that it loses all of them.
    pub at_zero: f64,
}

/// Something that fails, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failing {
    /// A node with all its pods.
    Node(NodeIdx),
    /// A pod.
    Pod(PodIdx),
}

impl Exposed {
    /// What runs now; `masters` are no part of it.
    pub fn of(view: View<'_>, masters: &BTreeSet<NodeIdx>) -> Exposed {
        let mut exposed = Exposed {
            nodes: view.state.live_nodes().filter(|n| !masters.contains(n) && view.state.nodes[*n].ready).collect(),
            ..Exposed::default()
        };
        for pod in view.state.live_pods() {
            let p = &view.state.pods[pod];
            let Some(node) = p.node.filter(|n| p.occupies() && !masters.contains(n)) else { continue };
            let workload = workload_of(view, pod);
            exposed.pods.push((pod, workload));
            if let Some(workload) = workload.filter(|_| p.ready && p.deleting.is_none()) {
                exposed.ready.entry(workload).or_default().push((pod, node));
                exposed.workload_names.entry(workload).or_insert_with(|| view.catalog.owner_text(workload));
                let name = || view.state.node_name(view.catalog, node).to_owned();
                exposed.node_names.entry(node).or_insert_with(name);
            }
        }
        exposed
    }

    /// Ready pods of a workload.
    pub fn ready(&self, workload: OwnerIdx) -> u32 {
        self.ready.get(&workload).map_or(0, |r| r.len() as u32)
    }

    /// Workloads with ready pods.
    pub fn workloads(&self) -> impl Iterator<Item = OwnerIdx> + '_ {
        self.ready.keys().copied()
    }

    /// What fails in so much time, each with its moment, in order of time. `nth` keeps draws of one seed apart.
    pub fn fail(&self, rates: FailureRates, draws: &Draws, nth: u64, span_ms: i64) -> Vec<(i64, Failing)> {
        let mut failing = Vec::new();
        let mut draw = |what: &str, among: usize, rate: u64, of: &dyn Fn(usize) -> Failing| {
            let key = format!("ack-{what}-{nth}");
            let mean = among as f64 * rate as f64 / MILLION * span_ms.max(0) as f64 / HOUR_MS;
            for i in 0..poisson(mean, draws.u64(&key, "how many fail", 0)) {
                let at = draws.below(&key, "fails when", i, span_ms.max(1) as u64) as i64;
                let which = draws.below(&key, "which fails", i, among.max(1) as u64) as usize;
                failing.push((at, of(which)));
            }
        };
        draw("node", self.nodes.len(), rates.nodes_per_million_hours, &|i| Failing::Node(self.nodes[i]));
        draw("pod", self.pods.len(), rates.pods_per_million_hours, &|i| Failing::Pod(self.pods[i].0));
        failing.sort_unstable();
        // What has failed does not fail again.
        let mut seen = BTreeSet::new();
        failing.retain(|(_, what)| seen.insert(*what));
        failing
    }

    /// Ready pods that are lost by what fails, by workload: how many, and when the first.
    pub fn lost(&self, failing: &[(i64, Failing)]) -> BTreeMap<OwnerIdx, (u32, i64)> {
        let lost_at = |pod: PodIdx, node: NodeIdx| {
            failing.iter().find(|(_, f)| *f == Failing::Node(node) || *f == Failing::Pod(pod)).map(|(at, _)| *at)
        };
        let mut lost = BTreeMap::new();
        if failing.is_empty() {
            return lost;
        }
        for (workload, pods) in &self.ready {
            let times: Vec<i64> = pods.iter().filter_map(|(pod, node)| lost_at(*pod, *node)).collect();
            if let Some(first) = times.iter().min() {
                lost.insert(*workload, (times.len() as u32, *first));
            }
        }
        lost
    }

    /// The risk of every workload over outages of these lengths, each drawn `draws` times over all of them together.
    pub fn risks(&self, rates: FailureRates, seed: u64, outages_ms: &[i64], draws: u32) -> Vec<WorkloadRisk> {
        let (mut short, mut zero): (BTreeMap<OwnerIdx, u32>, BTreeMap<OwnerIdx, u32>) = Default::default();
        let source = Draws::new(seed).fork("ack-risk", 0);
        for nth in 0..draws {
            let Some(outage) = outages_ms.get(nth as usize % outages_ms.len().max(1)) else { break };
            let failing = self.fail(rates, &source, u64::from(nth), *outage);
            for (workload, (n, _)) in self.lost(&failing) {
                *short.entry(workload).or_default() += 1;
                *zero.entry(workload).or_default() += u32::from(n == self.ready(workload));
            }
        }
        let share = |n: Option<&u32>| {
            (f64::from(n.copied().unwrap_or(0)) / f64::from(draws.max(1)) * MILLION).round() / MILLION
        };
        let risk = |(workload, pods): (&OwnerIdx, &Vec<(PodIdx, NodeIdx)>)| {
            let mut on: BTreeMap<NodeIdx, u32> = BTreeMap::new();
            pods.iter().for_each(|(_, node)| *on.entry(*node).or_default() += 1);
            // The first of equals.
            let worst = on.iter().max_by_key(|(node, n)| (**n, std::cmp::Reverse(**node)));
            let ready = pods.len() as u32;
            WorkloadRisk {
                workload: self.workload_names.get(workload).cloned().unwrap_or_default(),
                ready,
                left_if_a_pod_fails: ready.saturating_sub(1),
                left_if_a_node_fails: ready.saturating_sub(worst.map_or(0, |w| *w.1)),
                worst_node: worst.and_then(|w| self.node_names.get(w.0)).cloned().unwrap_or_default(),
                short: share(short.get(workload)),
                at_zero: share(zero.get(workload)),
            }
        };
        let mut risks: Vec<WorkloadRisk> = self.ready.iter().map(risk).collect();
        // Most endangered first: by what is left after a node, after a pod, then by probability and name.
        let order = |r: &WorkloadRisk| (r.left_if_a_pod_fails > 0, r.left_if_a_node_fails > 0);
        risks.sort_by(|a, b| {
            order(a)
                .cmp(&order(b))
                .then(b.at_zero.total_cmp(&a.at_zero))
                .then(b.short.total_cmp(&a.short))
                .then(a.workload.cmp(&b.workload))
        });
        risks
    }
}

/// How many events come where `mean` are expected, by a uniform draw of 64 bits (inversion; libm's `exp`, so that every machine says the same).
fn poisson(mean: f64, draw: u64) -> u64 {
    const MOST: u64 = 10_000;
    if mean <= 0.0 {
        return 0;
    }
    // Larger means would underflow; a cluster that loses hundreds of pods in minutes is no matter of failure rates.
    let mean = mean.min(500.0);
    let u = ((draw >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    let (mut n, mut p) = (0, libm::exp(-mean));
    let mut sum = p;
    while u > sum && n < MOST {
        n += 1;
        p *= mean / n as f64;
        sum += p;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_fail_as_the_rates_say() {
        let draws = Draws::new(3);
        let mean = |m: f64| {
            let n: u64 = (0..20_000).map(|i| poisson(m, draws.u64("x", "y", i))).sum();
            n as f64 / 20_000.0
        };
        for m in [0.01, 0.5, 3.0, 40.0] {
            assert!((mean(m) - m).abs() < 0.05 * m.max(0.2), "{m}: {}", mean(m));
        }
        assert_eq!((poisson(0.0, u64::MAX), poisson(1e-9, 1 << 63)), (0, 0));
    }
}
