//! Pods judged unschedulable, indexed by the plugins that rejected them.

use crate::cluster::PodIdx;
use crate::scheduler::names::{PluginId, PluginSet};
use std::collections::BTreeSet;

/// `unschedulablePods`: an event visits only those whose rejectors listen to it.
///
/// The real map has no order; here pods are visited by index, that is in order of creation.
#[derive(Clone, Debug)]
pub struct Waiting {
    by_plugin: [BTreeSet<PodIdx>; PluginId::ALL.len()],
    by_age: BTreeSet<(i64, PodIdx)>,
}

impl Default for Waiting {
    fn default() -> Waiting {
        Waiting { by_plugin: std::array::from_fn(|_| BTreeSet::new()), by_age: BTreeSet::new() }
    }
}

impl Waiting {
    /// Adds a pod that waits since `timestamp`.
    pub fn insert(&mut self, pod: PodIdx, timestamp: i64, rejectors: PluginSet) {
        for plugin in rejectors.iter() {
            self.by_plugin[plugin.at()].insert(pod);
        }
        self.by_age.insert((timestamp, pod));
    }
    /// Removes it; timestamp and rejectors as given on insertion.
    pub fn remove(&mut self, pod: PodIdx, timestamp: i64, rejectors: PluginSet) {
        for plugin in rejectors.iter() {
            self.by_plugin[plugin.at()].remove(&pod);
        }
        self.by_age.remove(&(timestamp, pod));
    }
    /// The pods that one of `listeners` rejected, by index.
    pub fn rejected_by(&self, listeners: PluginSet) -> Vec<PodIdx> {
        let mut pods: Vec<PodIdx> = Vec::new();
        for plugin in listeners.iter() {
            pods.extend(&self.by_plugin[plugin.at()]);
        }
        pods.sort_unstable();
        pods.dedup();
        pods
    }
    /// Since when the one that waits longest waits.
    pub fn oldest(&self) -> Option<i64> {
        self.by_age.first().map(|(t, _)| *t)
    }
    /// Those that waited since before `timestamp`, by index.
    pub fn older_than(&self, timestamp: i64) -> Vec<PodIdx> {
        let mut pods: Vec<PodIdx> = self.by_age.range(..(timestamp, PodIdx(0))).map(|(_, p)| *p).collect();
        pods.sort_unstable();
        pods
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_age.len()
    }
}
