//! Whether what came back is what went away: the same cluster, the same objects.

use super::inventory::{Inventory, Kept};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Kinds whose objects come and go by themselves, each with its owner or for a while.
const PASSING: &[&str] = &[
    "Pod",
    "ReplicaSet.apps",
    "Job.batch",
    "VolumeAttachment.storage.k8s.io",
    "CSIStorageCapacity.storage.k8s.io",
    "CSINode.storage.k8s.io",
    "ResourceClaim.resource.k8s.io",
    "NodeClaim.karpenter.sh",
];

/// Most objects that a list of differences names.
const NAMED: usize = 50;

/// How two inventories differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The namespace kube-system has another uid: this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_cluster: Option<String>,
    /// Objects that are the same, by uid.
    pub same: u64,
    /// Objects that are gone, though nothing removes them by itself; or that have another uid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// Objects that were not there before, though they are older than others that were: what came back is another state of the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_elsewhere: Vec<String>,
    /// How many objects differ in either way; the lists above are cut.
    pub differing: u64,
    /// Objects of controllers that others of the same controllers took the place of.
    pub replaced: u64,
    /// Objects that were made since.
    pub new: u64,
    /// Kinds that could be read before and cannot be now.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unreadable: BTreeSet<String>,
    /// Objects of each kind, before and after.
    pub counts: BTreeMap<String, (usize, usize)>,
}

impl Comparison {
    /// Compares what is with what was.
    pub fn of(before: &Inventory, after: &Inventory) -> Comparison {
        let mut c = Comparison {
            other_cluster: Some(after.cluster.clone()).filter(|uid| *uid != before.cluster),
            unreadable: after.left_out.difference(&before.left_out).cloned().collect(),
            ..Comparison::default()
        };
        let uids: BTreeSet<&str> = after.objects.values().flatten().map(|(_, o)| o.uid.as_str()).collect();
        let none = BTreeMap::new();
        for (kind, objects) in &before.objects {
            if c.unreadable.contains(kind) {
                continue;
            }
            let now = after.objects.get(kind).unwrap_or(&none);
            c.counts.insert(kind.clone(), (objects.len(), now.len()));
            let is_same = |(name, object): &(&String, &Kept)| now.get(*name).is_some_and(|o| o.uid == object.uid);
            let (same, other): (Vec<_>, Vec<_>) = objects.iter().partition(is_same);
            c.same += same.len() as u64;
            // With an owner that is there, a pod may have been replaced; not all pods of a cluster at once.
            let may_be_replaced = PASSING.contains(&kind.as_str()) && !(same.is_empty() && kind == "Pod");
            for (name, object) in other {
                let owned = object.owner.as_deref().is_some_and(|o| uids.contains(o));
                if may_be_replaced && (owned || kind != "Pod" && object.owner.is_none()) {
                    c.replaced += 1;
                } else {
                    let how = now.get(name).map_or_else(|| "is gone".to_owned(), |o| format!("has uid {}", o.uid));
                    c.differ(true, format!("{kind} {name} (uid {}) {how}", object.uid));
                }
            }
        }
        for (kind, objects) in &after.objects {
            let was = before.objects.get(kind).unwrap_or(&none);
            if before.left_out.contains(kind) {
                continue;
            }
            c.counts.entry(kind.clone()).or_insert((was.len(), objects.len()));
            for (name, object) in objects.iter().filter(|(name, o)| was.get(*name).is_none_or(|w| w.uid != o.uid)) {
                // Its own clock wrote both moments.
                if object.created < before.newest {
                    c.differ(false, format!("{kind} {name} (uid {}, of {})", object.uid, object.created));
                } else {
                    c.new += 1;
                }
            }
        }
        c
    }

    fn differ(&mut self, lost: bool, what: String) {
        self.differing += 1;
        let list = if lost { &mut self.lost } else { &mut self.from_elsewhere };
        if list.len() < NAMED {
            list.push(what);
        }
    }

    /// Whether it is the same cluster with the same objects.
    pub fn is_same(&self) -> bool {
        self.other_cluster.is_none() && self.differing == 0
    }

    /// What differs, a line each.
    pub fn lines(&self) -> Vec<String> {
        let lost = self.lost.iter().map(|l| format!("lost: {l}"));
        let elsewhere = self.from_elsewhere.iter().map(|l| format!("not there before, and older than what was: {l}"));
        let mut lines: Vec<String> = lost.chain(elsewhere).collect();
        let more = self.differing.saturating_sub(lines.len() as u64);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines
    }
}
