//! Volumes can be mounted on the nodes that Ocean launches: a volume of one zone needs a group in that zone.

use super::{Judgement, Rule, count};
use crate::cluster::PodIdx;
use crate::groups::volumes::VolumeNeeds;
use crate::plan::preflight::Facts;
use crate::plan::preflight::hosts::homeless;

/// See the module.
pub const RULE: Rule = Rule {
    name: "volume-zones",
    requirement: |_| "Node validation checks: PVC.",
    source: super::migration_page,
    judge: |facts| Some(judge(facts)),
};

fn judge(facts: &Facts<'_>) -> Judgement {
    let catalog = facts.view.catalog;
    let spec = |p: PodIdx| &catalog.specs[facts.view.state.pods[p].spec];
    let unknown = |p: &PodIdx| catalog.inventory.unknown_claims.contains(&facts.view.state.pods[*p].spec);
    let mounting: Vec<PodIdx> =
        facts.moving().into_iter().flat_map(|m| m.1).filter(|p| !spec(*p).claims.is_empty() || unknown(p)).collect();
    if mounting.is_empty() {
        return match catalog.inventory.has("Pod") {
            true => Judgement::pass("no pod of the selected nodes mounts a claim"),
            false => Judgement::unknown("the dump has no pods", "Add pods of all namespaces to the dump.")
                .see("no-pods-in-dump"),
        };
    }
    for (kind, code) in [("PersistentVolumeClaim", "no-claims-in-dump"), ("PersistentVolume", "no-volumes-in-dump")] {
        let bound =
            mounting.iter().any(|p| {
                unknown(p)
                    || spec(*p).claims.iter().filter_map(|c| c.claim).any(|c| {
                        facts.view.state.claims[c].volume.is_some() || facts.view.state.claims[c].volume_missing
                    })
            });
        if !catalog.inventory.has(kind) && (kind == "PersistentVolumeClaim" || bound) {
            return Judgement::unknown(
                format!("{} mount claims, and the dump has no {kind}", count(mounting.len(), "pod")),
                "Add persistentvolumeclaims and persistentvolumes to the dump.",
            )
            .see(code);
        }
    }
    let stranded: Vec<PodIdx> = homeless(facts).into_iter().filter(|(_, h)| h.by_volume).map(|(p, _)| p).collect();
    if !stranded.is_empty() {
        return Judgement::fail(
            format!(
                "no group launches nodes where the volumes of {} are: {}",
                count(stranded.len(), "pod"),
                facts.names(&stranded)
            ),
            "Add the volumes' zones to a group that fits.",
        )
        .see("volume-zone");
    }
    let tied = mounting.iter().filter(|p| !VolumeNeeds::of(facts.view, spec(**p)).volumes.is_empty()).count();
    Judgement::pass(format!(
        "claims are mounted by {}, {tied} of which use volumes that are tied to a place; there is a node or group for each",
        count(mounting.len(), "pod")
    ))
}
