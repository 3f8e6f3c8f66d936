//! Pods that somebody created by hand while a migration went on: they take the room that evicted pods were to have.
//!
//! "Verify that no new workloads are manually created during the migration" (Ocean on AKS, Migration Failure Reasons).

use super::{count, names};
use crate::cluster::{OwnerIdx, PodIdx, View};
use std::collections::BTreeMap;

/// What was created by hand after `since`, in words; None if nothing was. That is a pod without a controller, and a workload
/// without one (not the ReplicaSet of a Deployment, not the Job of a CronJob) with its pods.
pub(super) fn created_since(view: View<'_>, since: i64) -> Option<String> {
    let (c, s) = (view.catalog, view.state);
    let (mut pods, mut workloads): (Vec<PodIdx>, BTreeMap<OwnerIdx, Vec<PodIdx>>) = Default::default();
    for pod in s.live_pods().filter(|p| s.pods[*p].created > since && s.pods[*p].is_active()) {
        let spec = &c.specs[s.pods[pod].spec];
        match spec.owner.map(|o| c.top_owner(o)) {
            None if !spec.mirror => pods.push(pod),
            Some(top) if c.owners[top].created.is_some_and(|at| at > since) => {
                workloads.entry(top).or_default().push(pod);
            }
            _ => {}
        }
    }
    let all: Vec<PodIdx> = pods.iter().chain(workloads.values().flatten()).copied().collect();
    if all.is_empty() {
        return None;
    }
    let mut named: Vec<String> = workloads
        .iter()
        .map(|(owner, pods)| format!("{} with {}", c.owner_text(*owner), count(pods.len(), "pod")))
        .collect();
    named.sort();
    let mut bare: Vec<String> = pods.iter().map(|p| format!("pod {}", s.pod_text(c, *p))).collect();
    bare.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    named.extend(bare);
    let waiting = all.iter().filter(|p| s.pods[**p].node.is_none()).count();
    let waiting = if waiting > 0 { format!(", {waiting} of them not scheduled") } else { String::new() };
    Some(format!("created by hand since the start, {} in all{waiting}: {}", count(all.len(), "pod"), names(named)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{NodeIdx, SpecIdx};
    use crate::runner::testing::World;

    #[test]
    fn pods_and_workloads_that_came_by_hand_are_named_and_others_are_not() {
        let mut w = World::new(1, 0, &[("web", &[0, 0]), ("load", &[0])]);
        w.stand_alone("before", 0);
        assert_eq!(created_since(w.view(), 1000), None, "what was there is not news");
        // A replacement: its owner explains it.
        let replacement = w.state.make_name("web-2");
        w.state.create_pod(&w.catalog, SpecIdx(0), replacement, 5000);
        assert_eq!(created_since(w.view(), 1000), None);
        // A Deployment that came meanwhile, and pods of nobody.
        let load = w.catalog.owners.indices().nth(1).expect("two deployments");
        w.catalog.owners[load].created = Some(2000);
        let name = w.state.make_name("load-1");
        w.state.create_pod(&w.catalog, SpecIdx(2), name, 2500);
        let bare = w.catalog.specs.indices().last().expect("the spec of the pod without a controller");
        for i in 0..12 {
            let name = w.state.make_name(&format!("load-test-{i}"));
            let pod = w.state.create_pod(&w.catalog, bare, name, 3000);
            if i < 4 {
                w.state.bind(&w.catalog, pod, NodeIdx(0), 3000);
            }
        }
        let text = created_since(w.view(), 1000).expect("they are named");
        assert_eq!(
            text,
            "created by hand since the start, 13 pods in all, 9 of them not scheduled: Deployment/default/load with 1 pod, \
             pod default/load-test-0, pod default/load-test-1, pod default/load-test-2, pod default/load-test-3 and 8 more"
        );
        assert_eq!(created_since(w.view(), 4000), None, "before the start of a later migration");
    }
}
