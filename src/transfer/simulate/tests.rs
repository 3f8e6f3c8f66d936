//! How long steps take, and what is in whose way.

use super::*;
use serde_json::json;

const SHOP: &str = include_str!("../../../scenarios/transfers/shop.json");

fn plan() -> TransferPlan {
    TransferPlan::parse(SHOP).expect("a plan")
}

fn run(change: impl FnOnce(&mut TransferSimOptions)) -> TransferResult {
    let mut options = TransferSimOptions { first_sync_ms: Some(30_000), ..TransferSimOptions::default() };
    change(&mut options);
    assert_eq!(options.problems(), Vec::<String>::new());
    simulate(&plan(), Ground::default(), &options)
}

fn took(result: &TransferResult, step: &str) -> i64 {
    let step = result.steps.iter().find(|s| s.step == step).expect("it was done");
    step.to_ms - step.from_ms
}

fn workload<'r>(result: &'r TransferResult, name: &str) -> &'r WorkloadRun {
    result.workloads.iter().find(|(w, _)| w.name() == name).expect("it moves").1
}

const GIB: i64 = 1 << 30;

#[test]
fn a_rate_rounds_up_and_has_a_beginning() {
    let rate = Rate { fixed_ms: 100, bytes_per_second: 3 };
    assert_eq!([0, 1, 3, 4].map(|b| rate.takes_ms(b)), [100, 434, 1_100, 1_434]);
    assert_eq!(Rate { fixed_ms: 0, bytes_per_second: 1 }.takes_ms(i64::MAX), i64::MAX);
}

#[test]
fn data_takes_its_size_by_the_bandwidth_and_agents_share_it() {
    let one = run(|_| ());
    assert_eq!(one.outcome, "COMPLETED");
    // 40 GiB by 50 MiB/s, one volume after the other, and what a backup takes besides.
    assert_eq!(took(&one, "w2.backup.shop"), 40 * GIB * 1_000 / (50 << 20) + 5_000 + 300);
    let two = run(|o| o.node_agents = 2);
    assert_eq!(took(&two, "w2.backup.shop"), 20 * GIB * 1_000 / (50 << 20) + 5_000 + 400);
    assert_eq!(took(&one, "w2.copy"), 40 * GIB * 1_000 / (100 << 20) + 5_000);
    assert_eq!(took(&run(|o| _ = o.commands.insert("w2.copy".into(), 7)), "w2.copy"), 7);
    // An image whose size nobody knows has the assumed one.
    let image = run(|o| o.image_bytes = 50 << 20);
    assert_eq!(took(&image, "w0.import.web"), 3_000);
}

#[test]
fn the_target_looks_into_its_store_at_its_own_times() {
    let look = |first: Option<i64>| {
        let result = run(|o| o.first_sync_ms = first);
        let sync = result.steps.iter().find(|s| s.step == "w2.sync.shop").expect("it was done").clone();
        (sync.from_ms, sync.to_ms)
    };
    let (from, to) = look(Some(30_000));
    assert!(to > from && to - from <= 60_500, "{from} {to}");
    // Seen by the executor half a second after the look at most.
    assert!((to - 30_000).rem_euclid(60_000) < 500, "{to}");
    let (from, to) = look(None);
    assert_eq!(to - from, 60_000);
}

#[test]
fn downtime_goes_from_the_fence_to_the_check_and_has_the_second_roll_out_in_it() {
    let result = run(|_| ());
    let db = workload(&result, "db");
    assert_eq!(db.downtime_ms, db.verified_ms.zip(db.fenced_ms).map(|(to, from)| to - from));
    // Two pods, one after the other, each 2 s to stop and 20 s to start.
    assert_eq!(db.second_rollout_ms, 2 * 22_000);
    // Four pods, two at a time: one more and one fewer.
    assert_eq!(workload(&result, "web").second_rollout_ms, 2 * 10_000);
    assert_eq!(workload(&result, "front").downtime_ms, None);
    // front runs on both clusters from wave 1 on.
    let front = workload(&result, "front");
    assert_eq!(Some(front.runs_twice_ms), front.ready_ms.map(|r| result.duration_ms - r));
    assert_eq!(result.rpo_ms.values().copied().collect::<Vec<_>>(), [0]);
    assert_eq!(result.predicted().downtime.len(), 2);

    let mut plain = plan();
    plain.velero.resource_modifiers = None;
    plain.velero.image_map = None;
    let result = simulate(&plain, Ground::default(), &TransferSimOptions::default());
    assert!(result.workloads.values().all(|w| w.second_rollout_ms == 0), "{:?}", result.workloads);
}

#[test]
fn without_a_fence_what_is_written_after_the_backup_is_lost() {
    let mut plan = plan();
    for wave in &mut plan.waves {
        wave.steps.retain(|s| !matches!(s.action, Action::Fence { .. }));
    }
    let result = simulate(&plan, Ground::default(), &TransferSimOptions::default());
    let began = result.steps.iter().find(|s| s.step == "w2.backup.shop").expect("it was done").from_ms;
    assert_eq!(result.rpo_ms.values().copied().collect::<Vec<_>>(), [result.duration_ms - began]);
    assert_eq!(result.rto_ms, None);
}

#[test]
fn gates_wait_and_no_wave_is_held_responsible() {
    let (quick, slow) = (run(|_| ()), run(|o| o.gate_ms = 3_600_000));
    assert_eq!(quick.waves, slow.waves);
    assert_eq!(slow.duration_ms, quick.duration_ms + 3_600_000);
    let out = run(|o| o.gate_ms = 48 * 3_600_000);
    assert_eq!(out.failure.as_ref().map(|f| (f.step.as_str(), f.reason.as_str())), Some(("w4.gate", "gate")));
    assert_eq!(out.exit_status(), 3);
}

#[test]
fn both_clusters_are_paid_while_it_takes() {
    let result = run(|o| {
        o.source_hourly_micros = Some(3_600_000);
        o.target_hourly_micros = Some(7_200_000);
    });
    assert_eq!(result.cost_micros, Some(result.duration_ms * 3));
    assert_eq!(run(|o| o.source_hourly_micros = Some(1)).cost_micros, None);
    assert!(result.text(None).contains("Both clusters meanwhile cost: "), "{}", result.text(None));
}

#[test]
fn options_out_of_range_are_named() {
    let options: TransferSimOptions = serde_json::from_value(json!({
        "copy": {"fixed_ms": -1, "bytes_per_second": 0}, "node_agents": 0, "look_ms": 0, "stop_ms": -3,
        "commands": {"w2.copy": -5}, "first_sync_ms": i64::MIN, "start_ms": i64::MAX, "source_hourly_micros": -1,
    }))
    .expect("options");
    let problems = options.problems().join("\n");
    for name in [
        "copy.fixed_ms",
        "copy.bytes_per_second",
        "node_agents",
        "look_ms",
        "stop_ms",
        "commands.w2.copy",
        "first_sync_ms",
        "start_ms",
        "source_hourly_micros",
    ] {
        assert!(problems.contains(name), "{problems}");
    }
}

#[test]
fn steps_and_claims_that_the_plan_does_not_have_are_named() {
    let known = TransferSimOptions { not_running: vec!["shop/data-db-1".to_owned()], ..TransferSimOptions::default() };
    assert_eq!(known.unknown(&plan()), [""; 0]);
    let options: TransferSimOptions = serde_json::from_value(json!({
        "commands": {"w2.copy": 1, "w9.copy": 1}, "failing": {"w9.sync": "no"}, "not_running": ["data-db-1"], "not_provided": ["shop/x"],
    }))
    .expect("options");
    let unknown = options.unknown(&plan()).join("\n");
    for name in ["step w9.copy", "step w9.sync", "claim data-db-1,", "claim shop/x"] {
        assert!(unknown.contains(name), "{unknown}");
    }
    assert_eq!(unknown.lines().count(), 4, "{unknown}");
}

#[test]
fn numbers_of_any_size_are_added_up() {
    let mut plan = plan();
    for wave in &mut plan.waves {
        wave.steps.iter_mut().for_each(|s| s.timeout_ms = i64::MAX);
        for claim in wave.members.iter_mut().flat_map(|m| &mut m.claims) {
            claim.bytes = Some(i64::MAX);
        }
    }
    let year = options::LONGEST_MS;
    let slow = TransferSimOptions {
        image_bytes: i64::MAX,
        backup_ms: year,
        provision_ms: year,
        start_ms: year,
        stop_ms: year,
        command_ms: year,
        first_sync_ms: Some(0),
        node_agents: u32::MAX,
        source_hourly_micros: Some(i64::MAX),
        target_hourly_micros: Some(i64::MAX),
        ..TransferSimOptions::default()
    };
    assert_eq!(slow.problems(), Vec::<String>::new());
    let result = simulate(&plan, Ground::default(), &slow);
    assert!(result.duration_ms > year && result.cost_micros == Some(i64::MAX), "{result:?}");
}
