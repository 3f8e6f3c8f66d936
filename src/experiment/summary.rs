//! The figures of many runs of one experiment, collected anywhere and merged.

use super::figures::RunFigures;
use super::simulation::SitesResult;
use super::site::SiteIdx;
use super::site_run::RunResult;
use crate::runner::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The figures of many runs of one experiment, by replication.
///
/// Merging is associative and commutative, an empty summary changes nothing, and a run that two summaries hold counts once: the
/// bytes of a summary depend on which replications are in it, not on how they were shared out or in which order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The experiment's seed, from which each replication's follows; none while there is no run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    seed: Option<u64>,
    /// Figures by the number of the replication.
    runs: BTreeMap<u32, RunFigures>,
    /// Of each reason the failure of the first replication that had it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    failures: BTreeMap<String, First>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct First {
    replication: u32,
    failure: Failure,
}

/// Why two summaries cannot be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// They are of different seeds.
    #[error(
        "the summaries are of different experiments: one has seed {0}, the other seed {1}; simulate both with one seed"
    )]
    Seeds(u64, u64),
    /// They are of different numbers of clusters.
    #[error("the summaries are of different experiments: one has {0} clusters, the other {1}")]
    Sites(usize, usize),
    /// They disagree about a run that both hold.
    #[error(
        "the summaries are of different experiments: replication {0} came out differently; simulate both from the same input with the same version"
    )]
    Run(u32),
}

impl RunSummary {
    /// The summary of one run: the `nth` replication of an experiment under `seed`.
    pub fn of(seed: u64, nth: u32, run: &RunResult) -> RunSummary {
        let failures =
            run.failure.iter().map(|f| (f.reason.clone(), First { replication: nth, failure: f.clone() })).collect();
        RunSummary { seed: Some(seed), runs: BTreeMap::from([(nth, run.figures.clone())]), failures }
    }

    /// Both together.
    ///
    /// # Errors
    /// Says that they are not of one experiment.
    pub fn merge(mut self, other: RunSummary) -> Result<RunSummary, MergeError> {
        if let (Some(a), Some(b)) = (self.seed, other.seed)
            && a != b
        {
            return Err(MergeError::Seeds(a.min(b), a.max(b)));
        }
        self.seed = self.seed.or(other.seed);
        for (nth, figures) in other.runs {
            match self.runs.get(&nth) {
                Some(own) if *own != figures => return Err(MergeError::Run(nth)),
                Some(_) => {}
                None => _ = self.runs.insert(nth, figures),
            }
        }
        for (reason, first) in other.failures {
            let kept = self.failures.entry(reason).or_insert_with(|| first.clone());
            if first < *kept {
                *kept = first;
            }
        }
        Ok(self)
    }

    /// How many runs.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The figures by replication, in order.
    pub fn runs(&self) -> impl Iterator<Item = (u32, &RunFigures)> {
        self.runs.iter().map(|(nth, figures)| (*nth, figures))
    }

    /// How long each run took, in the order of the replications.
    pub fn durations_ms(&self) -> Vec<i64> {
        self.runs.values().map(|f| f.duration_ms).collect()
    }

    /// How many runs ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.runs.values().filter(|f| f.outcome == Some(outcome)).count()
    }

    /// Failures by reason with how many runs had them, the most frequent first, then by code.
    pub fn failures(&self) -> Vec<(usize, &Failure)> {
        let count = |reason: &String| self.runs.values().filter(|f| f.reason.as_ref() == Some(reason)).count();
        let mut list: Vec<(usize, &Failure)> =
            self.failures.iter().map(|(reason, first)| (count(reason), &first.failure)).collect();
        list.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.reason.cmp(&b.1.reason)));
        list
    }
}

/// The figures of many runs of an experiment with one or several clusters: a summary of each cluster, and one of all together.
///
/// It merges as a [`RunSummary`] does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SitesSummary {
    /// Of each cluster, in order.
    sites: Vec<RunSummary>,
    /// Figures of all clusters together, by the number of the replication; none where there is one cluster.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    together: BTreeMap<u32, RunFigures>,
}

impl SitesSummary {
    /// The summary of one run: the `nth` replication of an experiment under `seed`.
    pub fn of(seed: u64, nth: u32, run: &SitesResult) -> SitesSummary {
        let sites: Vec<RunSummary> = run.sites.iter().map(|site| RunSummary::of(seed, nth, site)).collect();
        let together = (sites.len() > 1).then(|| (nth, run.figures.clone())).into_iter().collect();
        SitesSummary { sites, together }
    }

    /// Both together.
    ///
    /// # Errors
    /// Says that they are not of one experiment.
    pub fn merge(mut self, other: SitesSummary) -> Result<SitesSummary, MergeError> {
        if self.sites.is_empty() || other.sites.is_empty() {
            return Ok(if self.sites.is_empty() { other } else { self });
        }
        if self.sites.len() != other.sites.len() {
            let (a, b) = (self.sites.len(), other.sites.len());
            return Err(MergeError::Sites(a.min(b), a.max(b)));
        }
        let pairs = self.sites.into_iter().zip(other.sites);
        self.sites = pairs.map(|(own, other)| own.merge(other)).collect::<Result<_, _>>()?;
        for (nth, figures) in other.together {
            let own = self.together.entry(nth).or_insert_with(|| figures.clone());
            if *own != figures {
                return Err(MergeError::Run(nth));
            }
        }
        Ok(self)
    }

    /// The summary of one cluster; None if there is no such cluster or no run.
    pub fn at(&self, site: SiteIdx) -> Option<&RunSummary> {
        self.sites.get(site.0 as usize)
    }

    /// The figures of all clusters together by replication, in order; with one cluster, its own.
    pub fn together(&self) -> impl Iterator<Item = (u32, &RunFigures)> {
        let only = self.sites.first().filter(|_| self.together.is_empty());
        let only = only.into_iter().flat_map(RunSummary::runs);
        self.together.iter().map(|(nth, figures)| (*nth, figures)).chain(only)
    }

    /// The summary of the first cluster; an empty one if there is no run.
    pub fn into_first(self) -> RunSummary {
        self.sites.into_iter().next().unwrap_or_default()
    }
}
