//! A small realistic sample of each form.

use super::*;
use crate::groups::tests::World;
use serde_json::json;

fn cluster() -> Cluster {
    let mut w = World::new();
    for (name, zone) in [("n1", "eastus-1"), ("n2", "eastus-2")] {
        let labels = [
            ("topology.kubernetes.io/zone", zone),
            ("node.kubernetes.io/instance-type", "Standard_D4s_v5"),
            ("kubernetes.io/arch", "amd64"),
            ("team", "shop"),
        ];
        w.node(name, &labels, 3860, 13);
    }
    w.build()
}

fn read(cluster: &mut Cluster, value: Value) -> Result<Vec<Finding>, GroupsError> {
    groups_from_values(&[("groups.json".into(), value)], MachineCatalogue::default(), cluster)
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|f| f.code.as_str()).collect()
}

#[test]
fn the_first_that_matches_is_the_first_that_was_created() {
    let group = |id: &str, created: Value| json!({"id": id, "name": id, "availabilityZones": ["1"], "labels": {"team": "shop"}, "createdAt": created});
    let order = |items: Value| {
        let mut c = cluster();
        read(&mut c, json!({ "response": { "items": items } })).expect("reads");
        c.catalog.groups.iter().map(|g| c.catalog.text(g.id).to_owned()).collect::<Vec<_>>()
    };
    let dated = [
        group("late", json!("2026-03-01T10:00:00.000Z")),
        group("undated", Value::Null),
        group("early", json!("2026-02-28T23:00:00.000-02:00")),
        group("middle", json!("2026-03-01T02:00:00Z")),
    ];
    assert_eq!(order(json!(dated)), ["early", "undated", "middle", "late"]);
    assert_eq!(order(json!([group("b", Value::Null), group("a", Value::Null)])), ["b", "a"]);
}

#[test]
fn a_default_group_is_known_by_its_name() {
    for (name, is_default) in [("default", true), ("Default VNG", true), ("default-vng", true), ("defaults", false)] {
        let mut c = cluster();
        read(&mut c, json!({"virtualNodeGroup": {"id": "vng-1", "name": name}})).expect("reads");
        assert_eq!(c.catalog.groups[GroupIdx(0)].is_default, is_default, "{name}");
    }
}

#[test]
fn ocean_azure_in_an_api_envelope() {
    let mut c = cluster();
    let envelope = json!({"request": {"id": "1"}, "response": {"status": {"code": 200}, "items": [{
        "id": "vng-1", "name": "shop", "oceanId": "o-1",
        "availabilityZones": ["1", "2"],
        "labels": {"team": "shop"},
        "taints": [{"key": "dedicated", "value": "shop", "effect": "NoSchedule"}],
        "nodePoolProperties": {"maxPodsPerNode": 30, "osType": "Linux", "somethingNew": 1},
        "nodeCountLimits": {"minCount": 1, "maxCount": 50},
        "strategy": {"spotPercentage": 40, "fallbackToOd": false},
        "autoScale": {"headrooms": [{"cpuPerUnit": 1024, "memoryPerUnit": 512, "gpuPerUnit": 0, "numOfUnits": 2}]},
        "vmSizes": {"filters": {"minVCpu": 2, "maxVCpu": 8, "series": ["Dsv5"]}}
    }], "count": 1}});
    let findings = read(&mut c, envelope).unwrap();
    let g = &c.catalog.groups[GroupIdx(0)];
    let zones: Vec<&str> = g.zones.iter().map(|z| c.catalog.text(*z)).collect();
    assert_eq!(zones, ["eastus-1", "eastus-2"]);
    assert_eq!((g.min_count, g.max_count, g.spot_percent, g.fallback_to_od), (1, 50, Some(40), false));
    assert_eq!(g.headroom, [Headroom { unit: vec![(CPU, 1024), (MEMORY, 512 << 20)], units: 2 }]);
    assert_eq!(c.catalog.machines[g.machines[0]].pod_slots, 30);
    assert_eq!(codes(&findings), ["machine-filters-not-modelled", "group-fields-not-read"]);
    assert!(findings[1].message.contains("series (1), somethingNew (1)"), "{}", findings[1].message);
}

#[test]
fn ocean_aws_launch_specs_as_a_list() {
    let mut c = cluster();
    let list = json!([{"launchSpec": {
        "id": "ols-1", "name": "gpu", "labels": [{"key": "gpu", "value": "true"}],
        "taints": [{"key": "gpu", "value": "true", "effect": "NoExecute"}],
        "instanceTypes": ["Standard_D4s_v5", "p3.2xlarge"], "subnetIds": ["subnet-1"],
        "resourceLimits": {"maxInstanceCount": 7},
        "autoScale": {"autoHeadroomPercentage": 10},
        "strategy": {"drainingTimeout": 600}, "restrictScaleDown": true
    }}]);
    let findings = read(&mut c, list).unwrap();
    let g = &c.catalog.groups[GroupIdx(0)];
    assert_eq!(g.origin, GroupOrigin::OceanAws);
    assert_eq!(
        (g.max_count, g.auto_headroom_percent, g.draining_timeout_ms, g.spot_percent),
        (7, 10, Some(600_000), Some(100))
    );
    assert_eq!(g.taints[0].effect, Effect::NoExecute);
    assert_eq!(g.machines.len(), 1);
    assert_eq!(codes(&findings), ["machine-size-unknown", "group-zones-assumed"]);
}

#[test]
fn karpenter_pools_choose_machine_types_by_requirements() {
    let offering = |zone: &str, kind: &str, price: f64| {
        json!({"Price": price, "Available": true, "Requirements": [
            {"key": "karpenter.sh/capacity-type", "operator": "In", "values": [kind]},
            {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]})
    };
    let machine = |name: &str, cpu: &str, arch: &str, price: f64| {
        json!({"name": name, "architecture": arch, "operatingSystems": ["linux"],
            "resources": {"cpu": cpu, "memory": "8Gi", "pods": "32"},
            "offerings": [offering("za", "on-demand", price), offering("zb", "spot", price / 2.0)]})
    };
    let types = json!([
        machine("c-8x-amd64-linux", "8", "amd64", 0.4),
        machine("c-2x-amd64-linux", "2", "amd64", 0.1),
        machine("c-1x-amd64-linux", "1", "amd64", 0.05),
        machine("c-2x-arm64-linux", "2", "arm64", 0.08)
    ]);
    let pool = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}},
        {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "general"},
         "spec": {"weight": 10, "limits": {"cpu": "24"}, "disruption": {"consolidateAfter": "Never"},
            "template": {"metadata": {"labels": {"team": "any"}}, "spec": {
                "nodeClassRef": {"name": "default"},
                "taints": [{"key": "dedicated", "value": "data", "effect": "NoSchedule"}],
                "requirements": [
                    {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
                    {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
                    {"key": "karpenter.kwok.sh/instance-cpu", "operator": "Gt", "values": ["1"]}]}}}}]});
    let mut c = World::new().build();
    let catalogue = MachineCatalogue::parse("types.json", &types).unwrap();
    let findings = groups_from_values(&[("pools.yaml".into(), pool)], catalogue, &mut c).unwrap();
    let g = &c.catalog.groups[GroupIdx(0)];
    let names: Vec<&str> = g.machines.iter().map(|m| c.catalog.text(c.catalog.machines[*m].name)).collect();
    assert_eq!(names, ["c-2x-amd64-linux", "c-8x-amd64-linux"]);
    let small = &c.catalog.machines[g.machines[0]];
    assert_eq!((small.allocatable[0], small.pod_slots, small.price_micros_per_hour), (1900, 32, Some(100_000)));
    assert_eq!((g.weight, &g.limits[..], g.zones.len(), g.max_count), (10, &[(CPU, 24_000)][..], 2, u32::MAX));
    assert_eq!(codes(&findings), ["machine-reservation-assumed"]);
}

#[test]
fn our_own_form_says_everything_and_refuses_what_it_does_not_know() {
    let mut c = cluster();
    let yaml = "
machine_types:
- {name: m4, allocatable: {cpu: 3900m, memory: 14Gi, pods: 58, example.com/gpu: 1}, price_per_hour: 0.2}
groups:
- name: shop
  labels: {team: shop}
  taints: [{key: dedicated, value: shop, effect: NoSchedule}]
  zones: [za]
  machine_types: [{name: m4}, {name: big, capacity: {cpu: 8, memory: 32Gi}, reserved: {cpu: 100m}}]
  max_count: 5
  headroom: [{unit: {cpu: 500m}, units: 2}]
  launch_delay: {uniform: {min_ms: 1000, max_ms: 2000}}
  launch_failure_probability: 0.25
- name: open
  machine_types: [{name: Standard_D4s_v5}]
";
    let value: Value = serde_saphyr::from_str(yaml).unwrap();
    let findings = read(&mut c, value).unwrap();
    let [shop, open] = [0, 1].map(|i| &c.catalog.groups[GroupIdx(i)]);
    let m4 = &c.catalog.machines[shop.machines[0]];
    let gpu = c.catalog.resources.iter().position(|r| c.catalog.text(*r) == "example.com/gpu").unwrap();
    assert_eq!(
        (m4.allocatable[0], m4.pod_slots, m4.allocatable[gpu], m4.price_micros_per_hour),
        (3900, 58, 1, Some(200_000))
    );
    assert_eq!(c.catalog.machines[shop.machines[1]].allocatable[0], 7900);
    assert_eq!((shop.launch_failure_ppm, shop.max_count, open.max_is_assumed, open.max_count), (250_000, 5, true, 10));
    assert_eq!(open.zones.len(), 2);
    assert_eq!(codes(&findings), ["group-max-assumed"]);
    assert_eq!(c.state.requested(NodeIdx(0)).len(), c.catalog.resources.len());

    let error = read(&mut cluster(), json!({"groups": [{"name": "a", "machines": []}]})).unwrap_err().to_string();
    assert!(error.starts_with("groups.json: groups[0]") && error.contains("unknown field `machines`"), "{error}");
}

#[test]
fn errors_name_file_path_and_what_was_expected() {
    let error = |v: Value| read(&mut cluster(), v).unwrap_err().to_string();
    assert_eq!(
        error(json!({"launchSpec": {"id": "x", "resourceLimits": {"maxInstanceCount": "many"}}})),
        "groups.json: launchSpec.resourceLimits.maxInstanceCount: found \"many\"; expected a whole number from 0"
    );
    assert_eq!(
        error(json!({"groups": [{"name": "a", "machine_types": [{"name": "m", "allocatable": {"cpu": "lots"}}]}]})),
        "groups.json: groups[0].machine_types[0].allocatable.cpu: found \"lots\"; expected a quantity (500m, 16Gi, 8)"
    );
    assert!(error(json!({"items": []})).contains("holds no node group"));
}

#[test]
fn nodes_know_their_groups_once_they_are_read() {
    let mut c = cluster();
    read(
        &mut c,
        json!({"groups": [{"name": "g", "labels": {"team": "shop"}, "machine_types": [{"name": "Standard_D4s_v5"}]}]}),
    )
    .unwrap();
    assert_eq!(c.state.nodes[NodeIdx(1)].group, Some(GroupIdx(0)));
    assert_eq!(c.catalog.groups[GroupIdx(0)].max_count, 12);
}
