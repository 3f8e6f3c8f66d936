//! Each kind's behaviour, by rule, with kubelets at work.

use crate::cluster::*;
use crate::disruption::testing::World;
use crate::sim::options::SimOptions;
use crate::sim::testing::Bench;
use OwnerKind::{Custom, DaemonSet, Job, ReplicaSet, StatefulSet};

fn several(kind: OwnerKind, n: usize) -> (World, OwnerIdx) {
    let mut w = World::new();
    let owner = w.owner(kind, "app", Some(n as i64));
    for i in 0..n {
        w.pod(&format!("app-{i}"), "app", Some(owner), true);
    }
    (w, owner)
}

fn no_limit() -> SimOptions {
    SimOptions { controller_client: RateLimit { qps: 0, burst: 0 }, ..SimOptions::default() }
}

#[test]
fn a_replicaset_replaces_a_pod_as_soon_as_its_deletion_is_seen() {
    let (w, rs) = several(ReplicaSet, 2);
    let mut b = Bench::new(w);
    b.delete(PodIdx(0));
    b.run_to(10);
    assert_eq!(b.active(rs), 2, "the replacement overlaps the old pod");
    assert_eq!(b.state.owned[rs].len(), 3);
    b.run_to(999);
    assert!(b.pods(rs)[0].ends_with("Running*!"), "{:?}", b.pods(rs));
    b.run_to(2_020);
    let pods = b.pods(rs);
    assert_eq!(pods.len(), 2);
    assert!(pods[1].starts_with("app-") && pods[1].ends_with(" Running*"));
    assert_eq!(pods[1].len(), "app-xxxxx Running*".len());
    let specs: Vec<SpecIdx> = b.state.owned[rs].iter().map(|p| b.state.pods[*p].spec).collect();
    assert_eq!(specs[1], SpecIdx(0), "a clone shares its spec");
}

#[test]
fn creations_start_slowly_and_then_pass_the_limiter() {
    // slowStartBatch 1, 2, 4 …; kube-api-qps 20, burst 30
    let (w, rs) = several(ReplicaSet, 60);
    let mut b = Bench::new(w);
    for i in 0..60 {
        b.delete(PodIdx(i));
    }
    let seen = |b: &mut Bench, at: i64| {
        b.run_to(at);
        b.active(rs)
    };
    assert_eq!(seen(&mut b, 9), 0);
    assert_eq!(seen(&mut b, 10), 1);
    assert_eq!(seen(&mut b, 15), 3);
    assert_eq!(seen(&mut b, 20), 7);
    let after_a_second = seen(&mut b, 1_000);
    assert!((15..35).contains(&after_a_second), "{after_a_second}");
    assert_eq!(seen(&mut b, 20_000), 60);
}

#[test]
fn an_owner_at_rest_is_left_as_it_was() {
    let mut w = World::new();
    let rs = w.owner(ReplicaSet, "app", Some(5));
    w.pod("app-0", "app", Some(rs), true);
    let mut b = Bench::new(w);
    b.run_to(60_000);
    assert_eq!(b.active(rs), 1);
}

#[test]
fn a_replicaset_with_too_many_deletes_the_unready_and_the_young() {
    let (mut w, rs) = several(ReplicaSet, 3);
    w.pod("app-late", "app", Some(rs), false);
    let mut b = Bench::new(w);
    b.state.set_replicas(rs, Some(2));
    b.run_to(10);
    let dying: Vec<String> = b.pods(rs).into_iter().filter(|p| p.ends_with('!')).collect();
    assert_eq!(dying, ["app-2 Running*!", "app-late Running!"]);
}

#[test]
fn an_ordered_statefulset_brings_back_one_name_at_a_time() {
    let (w, sts) = several(StatefulSet, 3);
    let mut b = Bench::with(w, no_limit());
    b.delete(PodIdx(0));
    b.delete(PodIdx(2));
    b.run_to(999);
    assert_eq!(b.state.owned[sts].len(), 3, "created only when the object is gone");
    b.run_to(1_500);
    let mut names = b.pods(sts);
    names.sort();
    assert_eq!(names, ["app-0 Pending", "app-1 Running*"], "app-2 waits for app-0");
    b.run_to(3_030);
    let mut names = b.pods(sts);
    names.sort();
    assert_eq!(names, ["app-0 Running*", "app-1 Running*", "app-2 Pending"]);
}

#[test]
fn a_parallel_statefulset_does_not_wait() {
    let (mut w, sts) = several(StatefulSet, 3);
    w.catalog.owners[sts].parallel = true;
    let mut b = Bench::with(w, no_limit());
    b.delete(PodIdx(0));
    b.delete(PodIdx(2));
    b.run_to(1_100);
    assert_eq!(b.active(sts), 3);
}

#[test]
fn a_statefulset_waits_for_min_ready_seconds() {
    let (mut w, sts) = several(StatefulSet, 2);
    w.catalog.owners[sts].min_ready_ms = 10_000;
    let mut b = Bench::with(w, no_limit());
    b.run_to(20_000);
    b.delete(PodIdx(0));
    b.delete(PodIdx(1));
    b.run_to(24_000);
    assert_eq!(b.pods(sts), ["app-0 Running*"]);
    b.run_to(34_000);
    assert_eq!(b.state.owned[sts].len(), 2, "available 10 s after ready");
}

#[test]
fn a_finished_pod_of_a_statefulset_is_deleted_and_made_anew() {
    let (w, sts) = several(StatefulSet, 1);
    let mut b = Bench::with(w, no_limit());
    b.state.set_phase(&b.catalog, PodIdx(0), Phase::Failed);
    b.run_to(5_000);
    assert_eq!(b.pods(sts), ["app-0 Running*"]);
    assert!(b.state.pods[PodIdx(0)].gone);
}

fn job(replace_only_failed: bool, ignores: bool) -> (World, OwnerIdx) {
    let mut w = World::new();
    let owner = w.owner(Job, "app", None);
    w.catalog.owners[owner].job = Some(JobSpec {
        parallelism: 1,
        completions: Some(1),
        backoff_limit: 1,
        replace_only_failed,
        on_disruption: if ignores { FailureAction::Ignore } else { FailureAction::Count },
        backoff_limit_per_index: None,
        max_failed_indexes: None,
        failed_indexes: Vec::new(),
        suspended: false,
        indexed: false,
        succeeded: 0,
        failed: 0,
        deadline_ms: None,
        finished: false,
        cron_job: None,
        took_ms: None,
    });
    w.pod("app-a", "app", Some(owner), true);
    let mut shape = w.catalog.shapes[0].clone();
    shape.restarts_always = false;
    w.catalog.specs[SpecIdx(0)].shape = w.catalog.intern_shape(shape);
    (w, owner)
}

/// When the first replacement of the Job's pod appears, if it does within a minute.
fn replaced_at(b: &mut Bench, from: i64) -> Option<i64> {
    let n = b.state.pods.len();
    (from..from + 60_000).step_by(100).find(|at| {
        b.run_to(*at);
        b.state.pods.len() > n
    })
}

#[test]
fn a_job_counts_a_deletion_as_failure_and_backs_off_from_it() {
    // 10 s from the deletion as the API has it, in whole seconds
    let (w, owner) = job(false, false);
    let mut b = Bench::with(w, no_limit());
    b.delete(PodIdx(0));
    assert_eq!(replaced_at(&mut b, 0), Some(9_600));
    b.run_to(20_000);
    let second = b.state.owned[owner][0];
    b.delete(second);
    assert_eq!(replaced_at(&mut b, 20_000), None, "backoffLimit 1: the second ends it");
    assert_eq!(b.active(owner), 0);
}

#[test]
fn a_job_that_replaces_only_failed_pods_waits_for_the_end() {
    let (w, owner) = job(true, true);
    let mut b = Bench::with(w, no_limit());
    for round in 0..3 {
        let pod = b.state.owned[owner].iter().copied().find(|p| b.state.pods[*p].is_active());
        let from = i64::from(round) * 100_000;
        b.run_to(from);
        b.delete(pod.expect("a pod"));
        let at = replaced_at(&mut b, from).expect("a replacement");
        // Ends 1 s after the deletion; backoff 10, 20, 40 s from there, less what a whole second hides.
        let backoff = 10_000 << round;
        assert_eq!(at - from, 1_000 + backoff - 500 + 100, "disruptions are ignored, not unmarked");
    }
}

#[test]
fn a_jobs_finalizer_holds_its_pod_until_the_job_has_counted_it() {
    // Counted a second after the deletion, or where only failed pods are replaced, a second after the end.
    for (replace_only_failed, grace, gone) in
        [(false, Some(0), 1_020), (false, Some(300), 1_020), (false, None, 1_020), (true, Some(300), 1_330)]
    {
        let (w, _) = job(replace_only_failed, false);
        let mut b = Bench::with(w, no_limit());
        crate::disruption::delete_pod(&b.catalog, &mut b.state, PodIdx(0), 0, grace);
        b.run_to(gone - 20);
        assert!(!b.state.pods[PodIdx(0)].gone, "{replace_only_failed} {grace:?}");
        b.run_to(gone + 10);
        assert!(b.state.pods[PodIdx(0)].gone, "{replace_only_failed} {grace:?}");
    }
}

/// A Job of two indexes with a limit of its own each.
fn indexed_job(limit: i64, on_disruption: FailureAction) -> (Bench, OwnerIdx) {
    let (mut w, owner) = job(false, false);
    let job = w.catalog.owners[owner].job.as_mut().expect("a job");
    (job.parallelism, job.completions, job.indexed) = (2, Some(2), true);
    (job.backoff_limit, job.backoff_limit_per_index, job.on_disruption) =
        (i64::from(i32::MAX), Some(limit), on_disruption);
    job.replace_only_failed = on_disruption != FailureAction::Count;
    w.pod("app-b", "app", Some(owner), true);
    for i in 0..2 {
        let spec = SpecIdx::new(i);
        w.catalog.specs[spec].ordinal = Some(i as u32);
        w.catalog.specs[spec].shape = w.catalog.specs[SpecIdx(0)].shape;
    }
    (Bench::with(w, no_limit()), owner)
}

#[test]
fn a_failed_pod_stays_until_its_index_has_another() {
    let (mut b, owner) = indexed_job(1, FailureAction::Count);
    b.delete(PodIdx(0));
    b.run_to(9_400);
    assert!(!b.state.pods[PodIdx(0)].gone && b.state.pods[PodIdx(0)].phase.is_terminal(), "its finalizer stays");
    assert_eq!(b.active(owner), 1);
    b.run_to(9_700);
    assert_eq!(b.active(owner), 2, "10 s after the failure, whatever the other index does");
    assert!(!b.state.pods[PodIdx(0)].gone);
    b.run_to(11_000);
    assert!(b.state.pods[PodIdx(0)].gone, "a second after its replacement came");
    let second = b.state.owned[owner].iter().copied().find(|p| b.state.pods[*p].spec == SpecIdx(0));
    b.delete(second.expect("the replacement"));
    b.run_to(60_000);
    assert_eq!(b.active(owner), 1, "its limit is 1: the index has failed, the other goes on");
}

#[test]
fn an_index_whose_limit_is_reached_is_not_tried_again_and_holds_no_pod() {
    for (limit, action) in [(0, FailureAction::Count), (3, FailureAction::FailIndex)] {
        let (mut b, owner) = indexed_job(limit, action);
        b.delete(PodIdx(0));
        b.run_to(3_000);
        assert!(b.state.pods[PodIdx(0)].gone, "{action:?}");
        b.run_to(60_000);
        assert_eq!(b.active(owner), 1, "{action:?}");
        assert_eq!(b.failed_jobs(), Vec::<String>::new(), "{action:?}: one index goes on");
        b.delete(PodIdx(1));
        b.run_to(70_000);
        assert_eq!((b.active(owner), b.failed_jobs()), (0, vec!["FailedIndexes".to_owned()]), "{action:?}");
    }
}

#[test]
fn a_rule_may_end_the_whole_job() {
    let (mut b, owner) = indexed_job(3, FailureAction::FailJob);
    b.delete(PodIdx(0));
    b.run_to(60_000);
    assert_eq!((b.active(owner), b.failed_jobs()), (0, vec!["PodFailurePolicy".to_owned()]));
}

#[test]
fn a_daemonset_pod_comes_back_on_its_cordoned_node() {
    let mut w = World::new();
    let ds = w.owner(DaemonSet, "agent", None);
    let pod = w.pod("agent-a", "agent", Some(ds), true);
    w.catalog.owners[ds].template = Some(SpecIdx(0));
    let mut b = Bench::with(w, no_limit());
    b.state.set_unschedulable(NodeIdx(0), true);
    b.run_to(100);
    assert_eq!(b.state.nodes[NodeIdx(0)].taints.len(), 1);
    b.delete(pod);
    b.run_to(1_050);
    assert_eq!(b.state.owned[ds].len(), 1, "only when the old one is gone");
    let new = b.state.owned[ds][0];
    assert_eq!(b.state.pods[new].node, Some(NodeIdx(0)));
    b.run_to(5_000);
    assert!(b.pods(ds)[0].ends_with("Running*"), "{:?}", b.pods(ds));
}

#[test]
fn a_new_node_gets_its_daemonset_pod_once_its_taint_is_off() {
    let mut w = World::new();
    let ds = w.owner(DaemonSet, "agent", None);
    w.pod("agent-a", "agent", Some(ds), true);
    w.catalog.owners[ds].template = Some(SpecIdx(0));
    let key = w.catalog.known.not_ready_taint;
    let value = w.catalog.known.empty;
    let mut b = Bench::with(w, no_limit());
    let node = b.node("n1");
    let taint = Taint { key, value, effect: Effect::NoSchedule };
    b.state.set_taints(node, [taint].into_iter().collect());
    b.run_to(1_000);
    assert_eq!(b.state.owned[ds].len(), 1);
    b.state.set_taints(node, Default::default());
    b.run_to(4_000);
    assert_eq!(b.state.nodes[node].pods.len(), 1);
    assert_eq!(b.active(ds), 2);
}

#[test]
fn a_daemonset_pod_without_room_waits_for_some() {
    let mut w = World::new();
    let ds = w.owner(DaemonSet, "agent", None);
    let other = w.pod("other", "x", None, true);
    w.pod("agent-a", "agent", Some(ds), true);
    let mut b = Bench::with(w, no_limit());
    b.delete(PodIdx(1));
    b.run_to(990);
    let mut spec = (*b.state.nodes[NodeIdx(0)].spec).clone();
    spec.pod_slots = 1;
    b.state.nodes[NodeIdx(0)].spec = std::sync::Arc::new(spec);
    b.run_to(5_000);
    assert_eq!(b.active(ds), 0);
    b.delete(other);
    b.run_to(10_000);
    assert_eq!(b.active(ds), 1);
}

#[test]
fn custom_owners_keep_their_count_and_their_pods_names() {
    let mut w = World::new();
    let pets = w.owner(Custom, "pets", None);
    w.catalog.owners[pets].scale = ScaleSource::None;
    let rex = w.pod("rex", "pets", Some(pets), true);
    let herd = w.owner(Custom, "herd", Some(1));
    let cow = w.pod("herd-1", "herd", Some(herd), true);
    let mut b = Bench::with(w, no_limit());
    b.delete(rex);
    b.delete(cow);
    b.run_to(100);
    assert_eq!((b.active(pets), b.active(herd)), (0, 1));
    b.run_to(5_000);
    assert_eq!(b.pods(pets), ["rex Running*"]);
}

#[test]
fn stand_alone_pods_and_orphans_are_never_replaced() {
    let (mut w, rs) = several(ReplicaSet, 1);
    let alone = w.pod("alone", "x", None, true);
    let gone = w.owner(ReplicaSet, "gone", None);
    w.catalog.owners[gone].missing = true;
    let orphan = w.pod("gone-1", "x", Some(gone), true);
    let mut b = Bench::with(w, no_limit());
    b.delete(alone);
    b.delete(orphan);
    b.run_to(60_000);
    assert_eq!((b.active(gone), b.active(rs)), (0, 1));
    assert_eq!(b.state.live_pods().count(), 1);
}

#[test]
fn same_seed_same_names() {
    let names = || {
        let (w, rs) = several(ReplicaSet, 5);
        let mut b = Bench::new(w);
        for i in 0..5 {
            b.delete(PodIdx(i));
        }
        b.run_to(10_000);
        b.pods(rs)
    };
    assert_eq!(names(), names());
    assert_eq!(names().len(), 5);
}

/// Not a benchmark, but it would time out if a look cost more than its owner's pods.
#[test]
fn thousands_of_owners_and_nodes_are_quick() {
    let mut w = World::new();
    for o in 0..2_000 {
        let rs = w.owner(ReplicaSet, &format!("app{o}"), Some(10));
        for p in 0..10 {
            w.pod(&format!("app{o}-{p}"), "app", Some(rs), true);
        }
    }
    let ds = w.owner(DaemonSet, "agent", None);
    w.pod("agent-a", "agent", Some(ds), true);
    w.catalog.owners[ds].template = Some(SpecIdx(20_000));
    let mut b = Bench::with(w, no_limit());
    b.places = false;
    for i in 0..1_000 {
        b.node(&format!("n{i}"));
    }
    for pod in 0..20_000 {
        if pod % 4 == 0 {
            b.delete(PodIdx(pod));
        }
    }
    b.run_to(60_000);
    assert_eq!(b.state.live_pods().count(), 20_001 + 1_000);
    assert_eq!(b.active(ds), 1_001);
}

/// A quota of pods over everything that a world has, of which `used` are used.
fn limit_pods(w: &mut World, hard: i64, used: i64) {
    let namespace = w.catalog.specs[SpecIdx(0)].namespace;
    let limit = QuotaLimit { resource: "pods".into(), hard, used, unseen: 0 };
    let name = w.sym("team");
    w.catalog.inventory.quotas.push(Quota { namespace, name, scopes: Vec::new(), limits: vec![limit] });
    for spec in w.catalog.specs.indices().collect::<Vec<_>>() {
        w.catalog.inventory.quota_charges.insert(spec, vec![(0, vec![1])]);
    }
}

#[test]
fn a_quota_with_room_for_one_lets_one_replacement_be_created_and_the_next_when_a_pod_has_ended() {
    let (mut w, rs) = several(ReplicaSet, 3);
    limit_pods(&mut w, 4, 3);
    let mut b = Bench::new(w);
    b.delete(PodIdx(0));
    b.delete(PodIdx(1));
    b.run_to(900);
    assert_eq!(b.active(rs), 2, "one that stayed, and one replacement: four pods in all");
    assert_eq!(b.state.live_pods().count(), 4);
    b.run_to(2_500);
    assert_eq!(b.active(rs), 3, "the old ones have ended, and their controller has tried again");
    let refused = b.events.iter().filter(|e| e.kind == crate::trace::EventKind::PodCreationRefused).count();
    assert!(refused > 1, "after pauses that double: {refused}");
}

#[test]
fn a_daemon_set_tries_again_on_the_node_where_its_pod_was_refused() {
    let mut w = World::new();
    let ds = w.owner(DaemonSet, "agent", None);
    w.pod("agent-a", "agent", Some(ds), true);
    let other = w.pod("other", "x", None, true);
    w.catalog.owners[ds].template = Some(SpecIdx(0));
    limit_pods(&mut w, 2, 2);
    let mut b = Bench::new(w);
    b.places = false;
    b.delete(PodIdx(0));
    b.run_to(5_000);
    assert_eq!(b.active(ds), 1, "a DaemonSet replaces a pod when it is gone, so that the quota has room");
    b.node("n1");
    b.run_to(10_000);
    assert_eq!(b.active(ds), 1, "the quota is used up");
    b.delete(other);
    b.run_to(60_000);
    assert_eq!(b.active(ds), 2, "there is room for the pod of the new node");
}
