//! How long pods took from scheduled to ready, measured from the dump.

use crate::cluster::OwnerIdx;
use std::collections::BTreeMap;

/// One pod's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartSample {
    /// Topmost controller; None for a stand-alone pod.
    pub owner: Option<OwnerIdx>,
    /// From condition PodScheduled to condition Ready, in milliseconds; the API's resolution is a second.
    pub ms: i64,
    /// A container restarted since, so that the moment of Ready may be a later one.
    pub restarted: bool,
}

/// Start delays of a dump, outliers trimmed.
///
/// A sample is the time from PodScheduled to Ready of a running pod that never restarted. It is rejected as an outlier
/// when it is negative or lies above `Q3 + 3 × max(IQR, 1 s)` of its workload's samples (Tukey's outer fence; of all
/// samples for a workload with fewer than four): a readiness probe that failed for a while moves the moment of Ready
/// without a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartDelays {
    /// Accepted samples of all pods in milliseconds, sorted.
    pub overall_ms: Vec<i64>,
    /// Accepted samples by topmost controller, each sorted; controllers in order of their index.
    pub by_owner: Vec<(OwnerIdx, Vec<i64>)>,
    /// Samples rejected as outliers.
    pub outliers: usize,
    /// Pods left out because a container had restarted.
    pub restarted: usize,
}

/// Workloads with fewer samples are judged by the fence of all.
const ENOUGH: usize = 4;

impl StartDelays {
    /// The delays from all samples.
    pub fn from_samples(samples: &[StartSample]) -> StartDelays {
        let mut groups: BTreeMap<Option<OwnerIdx>, Vec<i64>> = BTreeMap::new();
        for s in samples.iter().filter(|s| !s.restarted) {
            groups.entry(s.owner).or_default().push(s.ms);
        }
        let mut all: Vec<i64> = groups.values().flatten().copied().filter(|ms| *ms >= 0).collect();
        all.sort_unstable();
        let fence_of_all = fence(&all);
        let mut delays =
            StartDelays { restarted: samples.iter().filter(|s| s.restarted).count(), ..StartDelays::default() };
        for (owner, mut group) in groups {
            group.sort_unstable();
            let before = group.len();
            let most = if group.len() >= ENOUGH && owner.is_some() { fence(&group) } else { fence_of_all };
            group.retain(|ms| (0..=most).contains(ms));
            delays.outliers += before - group.len();
            delays.overall_ms.extend_from_slice(&group);
            if let (Some(owner), false) = (owner, group.is_empty()) {
                delays.by_owner.push((owner, group));
            }
        }
        delays.overall_ms.sort_unstable();
        delays
    }
    /// Accepted samples of a workload (its topmost controller), sorted.
    pub fn of(&self, owner: OwnerIdx) -> Option<&[i64]> {
        let i = self.by_owner.binary_search_by_key(&owner, |g| g.0).ok()?;
        Some(&self.by_owner[i].1)
    }
    /// How many samples were used.
    pub fn accepted(&self) -> usize {
        self.overall_ms.len()
    }
    /// How many pods were running but not used: outliers and restarted ones.
    pub fn rejected(&self) -> usize {
        self.outliers + self.restarted
    }
}

/// Tukey's outer fence of sorted samples.
fn fence(sorted: &[i64]) -> i64 {
    let quartile = |q: usize| sorted.get(sorted.len().saturating_sub(1) * q / 4).copied().unwrap_or(0);
    let (q1, q3) = (quartile(1), quartile(3));
    q3 + 3 * (q3 - q1).max(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(owner: u32, ms: &[i64]) -> Vec<StartSample> {
        ms.iter().map(|ms| StartSample { owner: Some(OwnerIdx(owner)), ms: *ms, restarted: false }).collect()
    }

    #[test]
    fn outliers_of_a_workload_are_rejected_and_counted() {
        let mut all = samples(0, &[2000, 2000, 3000, 2000, 90_000, -1000]);
        all.extend(samples(1, &[40_000, 41_000, 39_000, 40_000]));
        all.push(StartSample { owner: Some(OwnerIdx(1)), ms: 1, restarted: true });
        let d = StartDelays::from_samples(&all);
        assert_eq!(d.of(OwnerIdx(0)), Some(&[2000, 2000, 2000, 3000][..]));
        assert_eq!(d.of(OwnerIdx(1)), Some(&[39_000, 40_000, 40_000, 41_000][..]));
        assert_eq!((d.accepted(), d.outliers, d.restarted, d.rejected()), (8, 2, 1, 3));
    }

    #[test]
    fn no_samples_no_delays() {
        assert_eq!(StartDelays::from_samples(&[]), StartDelays::default());
    }
}
