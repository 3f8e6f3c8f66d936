//! The generated cluster judged from its objects alone, as a reader would.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cluster::draw::Draws;

use super::{
    BudgetMix, GenerateError, GenerateParams, Range, SpecialPool, Trap, TrapKind, WorkloadMix, generate, names,
    write_list,
};

/// A cluster with a bit of everything but traps.
fn rich(seed: u64) -> GenerateParams {
    GenerateParams {
        seed,
        nodes: 30,
        new_nodes: 7,
        special_pool: SpecialPool { nodes: 4, workload_percent: 15, ..SpecialPool::default() },
        mix: WorkloadMix {
            deployment: 40,
            replica_set: 10,
            stateful_set: 15,
            stateful_set_parallel: 10,
            job: 5,
            replication_controller: 8,
            stand_alone: 5,
            custom: 7,
        },
        budget_mix: BudgetMix {
            min_available: 1,
            min_available_percent: 1,
            max_unavailable: 1,
            max_unavailable_percent: 1,
        },
        spread_percent: 40,
        anti_affinity_percent: 20,
        ..GenerateParams::default()
    }
}

fn with_traps(mut params: GenerateParams, traps: &[(TrapKind, u32)]) -> GenerateParams {
    params.traps = traps.iter().map(|(trap, count)| Trap { trap: *trap, count: *count }).collect();
    params
}

fn all_traps() -> Vec<(TrapKind, u32)> {
    TrapKind::ALL.into_iter().map(|kind| (kind, 2)).collect()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn of_kind<'v>(objects: &'v [Value], kind: &str) -> Vec<&'v Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

type Key = (String, String, String);

fn key(object: &Value) -> Key {
    (text(object, "/kind").into(), text(object, "/metadata/namespace").into(), text(object, "/metadata/name").into())
}

fn by_key(objects: &[Value]) -> BTreeMap<Key, &Value> {
    objects.iter().map(|object| (key(object), object)).collect()
}

/// Thousandths of cpu, or MiB, or a plain count.
fn quantity(value: &str) -> u64 {
    let unit =
        |suffix: &str, factor: u64| value.strip_suffix(suffix).and_then(|n| n.parse::<u64>().ok()).map(|n| n * factor);
    unit("m", 1)
        .or_else(|| unit("Gi", 1024))
        .or_else(|| unit("Mi", 1))
        .or_else(|| value.parse::<u64>().ok().map(|n| n * 1000))
        .unwrap_or(0)
}

fn ready(pod: &Value) -> bool {
    list(pod, "/status/conditions").iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

#[test]
fn the_same_parameters_give_the_same_bytes() {
    let params = with_traps(rich(5), &all_traps());
    let (mut first, mut second) = (Vec::new(), Vec::new());
    write_list(&params, &mut first).unwrap();
    write_list(&params, &mut second).unwrap();
    assert!(first == second);
    let read: Value = serde_json::from_slice(&first).unwrap();
    assert_eq!(read["items"], Value::Array(generate(&params).unwrap()));
    let other = generate(&rich(6)).unwrap();
    assert_ne!(other, generate(&rich(5)).unwrap());
}

/// Takes one part of `found` over from `object`, if it has it.
fn blank(found: &mut Value, object: &Value, part: &str) {
    if let Some(value) = object.get(part) {
        found[part] = value.clone();
    }
}

#[test]
fn a_trap_with_pods_changes_nothing_else() {
    let base = generate(&rich(1)).unwrap();
    for trap in TrapKind::ALL {
        let trapped = generate(&with_traps(rich(1), &[(trap, 1)])).unwrap();
        let objects = by_key(&trapped);
        let marks_node = matches!(trap, TrapKind::NotReadyNode | TrapKind::CordonedNode | TrapKind::OvercommittedNode);
        let adds_node = matches!(trap, TrapKind::HugePod | TrapKind::ZonalVolumeWithoutNode);
        for object in &base {
            let found = objects.get(&key(object)).unwrap_or_else(|| panic!("{trap} removed {:?}", key(object)));
            let mut found = (*found).clone();
            if marks_node || (adds_node && object["kind"] == "DaemonSet") {
                blank(&mut found, object, "status");
            }
            if marks_node && object["kind"] == "Node" {
                blank(&mut found, object, "spec");
            }
            assert_eq!(&found, object, "{trap}");
        }
        let added = trapped.len() - base.len();
        assert!(marks_node == (added == 0), "{trap} added {added}");
    }
}

#[test]
fn owners_resolve_and_uids_are_unique() {
    owners_resolve(&generate(&with_traps(rich(2), &all_traps())).unwrap());
}

fn owners_resolve(objects: &[Value]) {
    let mut uids = BTreeMap::new();
    for object in objects {
        assert!(
            uids.insert(text(object, "/metadata/uid"), key(object)).is_none(),
            "two objects have one uid: {:?}",
            key(object)
        );
    }
    assert_eq!(by_key(objects).len(), objects.len(), "two objects have one name");
    for object in objects {
        for owner in list(object, "/metadata/ownerReferences") {
            let (kind, _, name) = &uids[text(owner, "/uid")];
            assert_eq!((text(owner, "/kind"), text(owner, "/name")), (kind.as_str(), name.as_str()));
        }
    }
    let claims = by_key(objects);
    for volume in of_kind(objects, "PersistentVolume") {
        let claim = &volume["spec"]["claimRef"];
        let found =
            claims[&("PersistentVolumeClaim".into(), text(claim, "/namespace").into(), text(claim, "/name").into())];
        assert_eq!(
            (found["metadata"]["uid"].clone(), text(found, "/spec/volumeName")),
            (claim["uid"].clone(), text(volume, "/metadata/name"))
        );
    }
}

#[test]
fn every_pod_fits_its_node() {
    let objects = generate(&with_traps(rich(3), &all_traps())).unwrap();
    assert_eq!(overcommitted(&objects), 2, "only the traps are overcommitted");
}

/// Checks that every pod may be where it is; the number of nodes whose pods request more cpu than there is.
fn overcommitted(objects: &[Value]) -> u32 {
    let nodes: BTreeMap<&str, &Value> =
        of_kind(objects, "Node").into_iter().map(|node| (text(node, "/metadata/name"), node)).collect();
    let mut used: BTreeMap<&str, [u64; 4]> = BTreeMap::new();
    for pod in of_kind(objects, "Pod") {
        let Some(node) = nodes.get(text(pod, "/spec/nodeName")) else {
            assert!(text(pod, "/metadata/name").starts_with("trap-pending-pod-"));
            continue;
        };
        let requests = &pod["spec"]["containers"][0]["resources"]["requests"];
        let sums = used.entry(text(node, "/metadata/name")).or_default();
        sums[0] += quantity(text(requests, "/cpu"));
        sums[1] += quantity(text(requests, "/memory"));
        sums[2] += quantity(requests["nvidia.com/gpu"].as_str().unwrap_or("0"));
        sums[3] += 1000;
        for (label, value) in pod["spec"]["nodeSelector"].as_object().into_iter().flatten() {
            assert_eq!(&node["metadata"]["labels"][label], value);
        }
        let tolerated = list(pod, "/spec/tolerations")
            .iter()
            .any(|t| t["key"] == "sku" || (t["operator"] == "Exists" && t["key"].is_null()));
        assert!(tolerated || !list(node, "/spec/taints").iter().any(|taint| taint["key"] == "sku"));
    }
    let mut overcommitted = 0;
    for (name, sums) in used {
        let room = &nodes[name]["status"]["allocatable"];
        let room = [
            text(room, "/cpu"),
            text(room, "/memory"),
            room["nvidia.com/gpu"].as_str().unwrap_or("0"),
            text(room, "/pods"),
        ]
        .map(quantity);
        overcommitted += u32::from(sums[0] > room[0]);
        assert!((1..4).all(|what| sums[what] <= room[what]), "{name}: {sums:?} of {room:?}");
    }
    overcommitted
}

#[test]
fn constraints_hold_and_volumes_are_in_their_zones() {
    let objects = generate(&with_traps(rich(4), &all_traps())).unwrap();
    let zones: BTreeMap<&str, &str> = of_kind(&objects, "Node")
        .iter()
        .map(|node| {
            (text(node, "/metadata/name"), node["metadata"]["labels"]["topology.kubernetes.io/zone"].as_str().unwrap())
        })
        .collect();
    let volume_zones: BTreeMap<&str, &str> = of_kind(&objects, "PersistentVolume")
        .into_iter()
        .map(|pv| {
            (
                text(pv, "/spec/claimRef/name"),
                text(pv, "/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions/0/values/0"),
            )
        })
        .collect();
    let mut apps: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for pod in of_kind(&objects, "Pod").into_iter().filter(|pod| !text(pod, "/spec/nodeName").is_empty()) {
        apps.entry(text(pod, "/metadata/labels/app")).or_default().push(pod);
        for volume in list(pod, "/spec/volumes") {
            if let Some(claim) = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) {
                assert_eq!(volume_zones[claim], zones[text(pod, "/spec/nodeName")]);
            }
        }
    }
    let (mut apart, mut hard) = (0, 0);
    for (app, pods) in apps {
        let anti = &pods[0]["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
        let place = |pod: &Value| match anti["topologyKey"].as_str() {
            Some("topology.kubernetes.io/zone") => zones[text(pod, "/spec/nodeName")].to_owned(),
            _ => text(pod, "/spec/nodeName").to_owned(),
        };
        if !anti.is_null() {
            apart += 1;
            assert_eq!(pods.iter().map(|pod| place(pod)).collect::<BTreeSet<_>>().len(), pods.len(), "{app}");
        }
        let selective = pods[0]["spec"]["nodeSelector"].is_object();
        if text(pods[0], "/spec/topologySpreadConstraints/0/whenUnsatisfiable") == "DoNotSchedule" && !selective {
            hard += 1;
            let mut counts: BTreeMap<&str, u64> =
                zones.values().filter(|zone| !zone.contains("only-old")).map(|zone| (*zone, 0)).collect();
            pods.iter().for_each(|pod| *counts.get_mut(zones[text(pod, "/spec/nodeName")]).unwrap() += 1);
            assert!(counts.values().max().unwrap() - counts.values().min().unwrap() <= 1, "{app}: {counts:?}");
        }
    }
    assert!(apart > 3 && hard > 3 && volume_zones.len() > 5, "{apart} {hard} {}", volume_zones.len());
}

#[test]
fn budgets_say_what_the_disruption_controller_would() {
    let objects = generate(&with_traps(rich(7), &all_traps())).unwrap();
    let pods = of_kind(&objects, "Pod");
    let mut forms = BTreeSet::new();
    for budget in of_kind(&objects, "PodDisruptionBudget") {
        let name = text(budget, "/metadata/name");
        let app = budget
            .pointer("/spec/selector/matchLabels/app")
            .or_else(|| budget.pointer("/spec/selector/matchExpressions/0/values/0"))
            .unwrap();
        let matching: Vec<&&Value> = pods
            .iter()
            .filter(|pod| {
                pod["metadata"]["labels"]["app"] == *app
                    && pod["metadata"]["namespace"] == budget["metadata"]["namespace"]
            })
            .collect();
        assert!(!matching.is_empty());
        let scale = objects
            .iter()
            .filter(|o| text(o, "/metadata/name") == app && o["kind"] != "Pod")
            .map(|o| number(o, "/spec/replicas"))
            .max()
            .unwrap();
        let healthy =
            matching.iter().filter(|pod| ready(pod) && pod["metadata"]["deletionTimestamp"].is_null()).count() as u64;
        let percent = |text: &str| text.trim_end_matches('%').parse::<u64>().unwrap();
        let (form, expected, desired) = match (&budget["spec"]["minAvailable"], &budget["spec"]["maxUnavailable"]) {
            (Value::Number(n), _) => ("min", matching.len() as u64, n.as_u64().unwrap()),
            (Value::String(p), _) => ("min%", scale, (scale * percent(p)).div_ceil(100)),
            (_, Value::Number(n)) => ("max", scale, scale.saturating_sub(n.as_u64().unwrap())),
            (_, Value::String(p)) => ("max%", scale, scale.saturating_sub((scale * percent(p)).div_ceil(100))),
            other => panic!("{name}: {other:?}"),
        };
        forms.insert(form);
        let wanted = [expected, healthy, desired, healthy.saturating_sub(desired)];
        let seen = ["expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed"]
            .map(|field| number(&budget["status"], &format!("/{field}")));
        assert_eq!(wanted != seen, name.starts_with("trap-stale-budget-"), "{name}: {wanted:?} {seen:?}");
        if !name.starts_with("trap-") && healthy == scale {
            assert!(seen[3] > 0, "{name} blocks, but is no trap");
        }
    }
    assert_eq!(forms.len(), 4);
}

#[test]
fn traps_are_what_they_say() {
    let objects = generate(&with_traps(rich(8), &all_traps())).unwrap();
    let pods = of_kind(&objects, "Pod");
    let pod = |prefix: &str| *pods.iter().find(|pod| text(pod, "/metadata/name").starts_with(prefix)).unwrap();
    let condition = &pod("trap-pending-pod-0")["status"]["conditions"][0];
    assert_eq!(
        (text(condition, "/type"), text(condition, "/status"), text(condition, "/reason")),
        ("PodScheduled", "False", "Unschedulable")
    );
    let nodes = of_kind(&objects, "Node").len();
    let message = text(condition, "/message");
    assert!(
        message.starts_with(&format!("0/{nodes} nodes are available: ")) && message.contains(" Insufficient cpu"),
        "{message}"
    );
    assert!(
        message.contains("2 node(s) were unschedulable, ")
            && message.contains(", 6 node(s) had untolerated taint(s). "),
        "{message}"
    );
    assert_eq!(pod("trap-restrict-scale-down-0")["metadata"]["labels"]["spotinst.io/restrict-scale-down"], "true");
    assert_eq!(
        pod("trap-safe-to-evict-false-1")["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"],
        "false"
    );
    assert!(pod("trap-stand-alone-pod-0")["metadata"]["ownerReferences"].is_null());
    let crashing = pods
        .iter()
        .filter(|pod| text(pod, "/status/containerStatuses/0/state/waiting/reason") == "CrashLoopBackOff")
        .count();
    let going = pods.iter().filter(|pod| !pod["metadata"]["deletionTimestamp"].is_null()).count();
    assert_eq!((crashing, going), (2, 2));
    let largest_new = of_kind(&objects, "Node")
        .into_iter()
        .filter(|node| node["metadata"]["labels"]["agentpool"] == "new")
        .map(|node| quantity(text(node, "/status/allocatable/cpu")))
        .max();
    assert!(Some(quantity(text(pod("trap-huge-pod-0"), "/spec/containers/0/resources/requests/cpu"))) > largest_new);
    let lost = of_kind(&objects, "Node")
        .into_iter()
        .filter(|node| node["status"]["conditions"][3]["status"] == "Unknown")
        .count();
    assert_eq!(lost, 2);
}

#[test]
fn names_and_values_are_valid() {
    for object in generate(&with_traps(rich(9), &all_traps())).unwrap() {
        let name = text(&object, "/metadata/name");
        assert!(names::is_dns_subdomain(name), "{name}");
        assert!(object["metadata"]["resourceVersion"].is_null());
        for (label, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
            assert!(names::is_label_key(label) && names::is_label_value(value.as_str().unwrap()), "{label}: {value}");
        }
        if object["kind"] == "Pod" {
            assert!(names::is_dns_label(name), "{name}");
        }
    }
}

#[test]
fn keys_are_sorted_as_the_api_prints_them() {
    fn sorted(value: &Value) -> bool {
        match value {
            Value::Object(map) => map.keys().is_sorted() && map.values().all(sorted),
            Value::Array(items) => items.iter().all(sorted),
            _ => true,
        }
    }
    assert!(generate(&with_traps(rich(1), &all_traps())).unwrap().iter().all(sorted));
}

#[test]
fn start_delays_can_be_measured_from_the_dump() {
    let objects = generate(&GenerateParams { start_seconds: Range { min: 7, max: 7 }, ..rich(1) }).unwrap();
    for pod in of_kind(&objects, "Pod") {
        let at = |kind: &str| {
            let condition = list(pod, "/status/conditions").iter().find(|c| c["type"] == kind).unwrap();
            let time = text(condition, "/lastTransitionTime");
            let clock: Vec<u64> = time[11..19].split(':').map(|part| part.parse().unwrap()).collect();
            clock[0] * 3600 + clock[1] * 60 + clock[2]
        };
        assert_eq!((at("Ready") + names::DAY - at("PodScheduled")) % names::DAY, 7);
        assert_eq!(pod["metadata"]["annotations"]["oracle/start-seconds"], "7");
    }
}

#[test]
fn the_fill_is_reached() {
    let params = GenerateParams { nodes: 50, ..GenerateParams::default() };
    let objects = generate(&params).unwrap();
    let sum = |kind: &str, pointer: &str| {
        of_kind(&objects, kind).into_iter().map(|object| quantity(text(object, pointer))).sum::<u64>()
    };
    let (used, room) =
        (sum("Pod", "/spec/containers/0/resources/requests/cpu"), sum("Node", "/status/allocatable/cpu"));
    assert!((59..=61).contains(&(used * 100 / room)), "{used} of {room}");
    let params =
        GenerateParams { pods_per_node: Some(9), cpu_millis: Range { min: 50, max: 100 }, daemon_sets: 0, ..params };
    assert_eq!(of_kind(&generate(&params).unwrap(), "Pod").len(), 450);
}

#[test]
fn impossible_parameters_say_why_and_what_to_do() {
    let bad = |change: fn(&mut GenerateParams)| {
        let mut params = GenerateParams::default();
        change(&mut params);
        generate(&params).unwrap_err().to_string()
    };
    assert_eq!(bad(|p| p.zones = 0), "generate: parameter zones = 0: zones are named by a letter; give 1 to 26");
    assert!(bad(|p| p.replicas = Range { min: 5, max: 2 }).contains("replicas = 5..2: the least exceeds the most"));
    assert!(bad(|p| p.namespaces = vec!["Shop".into()]).contains("namespaces = Shop: not a DNS label"));
    assert!(bad(|p| p.new_pool = "old".into()).contains("two pools have the same name"));
    assert!(bad(|p| p.pods_per_node = Some(500)).contains("no room for pods_per_node"));
    assert!(bad(|p| p.traps = vec![Trap { trap: TrapKind::NotReadyNode, count: 11 }]).contains("only 10 old nodes"));
    assert!(matches!(
        generate(&GenerateParams { nodes: 0, ..GenerateParams::default() }),
        Err(GenerateError::Parameter { .. })
    ));
}

#[test]
fn parameters_read_from_yaml() {
    let params: GenerateParams =
        serde_saphyr::from_str("seed: 4\nnodes: 3\ntraps:\n  - trap: huge_pod\n  - {trap: pending_pod, count: 2}\n")
            .unwrap();
    assert_eq!((params.nodes, params.traps.len(), params.traps[0].count), (3, 2, 1));
    assert!(serde_saphyr::from_str::<GenerateParams>("sed: 4").is_err());
    let schema = serde_json::to_string(&schemars::schema_for!(GenerateParams)).unwrap();
    assert!(schema.contains("budget_min_available_equals_replicas"));
    assert_eq!("huge_pod=3".parse(), Ok(Trap { trap: TrapKind::HugePod, count: 3 }));
    assert!("hug_pod".parse::<Trap>().unwrap_err().contains("no trap is called \"hug_pod\""));
}

#[test]
fn clusters_of_any_shape_hold_together() {
    let draws = Draws::new(11);
    for nth in 0..60 {
        let draw = |what: &str, low, high| draws.between("shape", what, nth, low, high);
        let percent = |what: &str| u32::try_from(draw(what, 0, 100)).unwrap();
        let mut params = GenerateParams {
            seed: nth,
            nodes: u32::try_from(draw("nodes", 1, 25)).unwrap(),
            new_nodes: u32::try_from(draw("new", 0, 5)).unwrap(),
            zones: u32::try_from(draw("zones", 1, 5)).unwrap(),
            fill_percent: Some(percent("fill")),
            replicas: Range { min: 1, max: draw("replicas", 1, 40) },
            spread_percent: percent("spread"),
            anti_affinity_percent: percent("apart"),
            node_selector_percent: percent("selector"),
            zonal_volume_percent: percent("volumes"),
            attach_limit: u32::try_from(draw("attach", 0, 20)).unwrap(),
            daemon_sets: u32::try_from(draw("daemons", 0, 4)).unwrap(),
            ..rich(nth)
        };
        // Some shapes are too full for some traps; they must say so and nothing else.
        let trap = TrapKind::ALL[nth as usize % TrapKind::ALL.len()];
        params.traps = vec![Trap { trap, count: 1 }];
        match generate(&params) {
            Ok(objects) => {
                owners_resolve(&objects);
                assert_eq!(overcommitted(&objects), u32::from(trap == TrapKind::OvercommittedNode), "{nth}");
            }
            Err(error) => assert!(matches!(error, GenerateError::NoRoom { .. }), "{nth}: {error}"),
        }
    }
}

#[test]
fn the_bytes_are_fixed_across_machines_and_builds() {
    // Golden: when this changes on purpose, so do all scenarios with a generated cluster.
    let mut bytes = Vec::new();
    write_list(&with_traps(rich(1), &all_traps()), &mut bytes).unwrap();
    let digest: String = Sha256::digest(&bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, GOLDEN);
}

const GOLDEN: &str = "5fb90c59587fcf76";
