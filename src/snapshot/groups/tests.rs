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
    assert!(
        error.starts_with("groups.json: groups[0]") && error.contains("the field machines is not known here"),
        "{error}"
    );
}

#[test]
fn errors_name_file_path_and_what_was_expected() {
    let error = |v: Value| read(&mut cluster(), v).unwrap_err().to_string();
    assert_eq!(
        error(json!({"launchSpec": {"id": "x", "resourceLimits": {"maxInstanceCount": "many"}}})),
        "groups.json: launchSpec x: launchSpec.resourceLimits.maxInstanceCount: found \"many\"; expected a whole number from 0"
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

fn document(text: &str) -> (String, Value) {
    ("pool.yaml".into(), serde_saphyr::from_str(text).unwrap())
}

fn pool(name: &str, requirements: Value) -> Value {
    json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": name},
        "spec": {"template": {"spec": {"requirements": requirements}}}})
}

/// A cluster with one node of a machine type.
fn node_of(kind: &str, labels: &[(&str, &str)]) -> Cluster {
    let mut w = World::new();
    let mut all = vec![
        ("topology.kubernetes.io/zone", "z"),
        ("node.kubernetes.io/instance-type", kind),
        ("kubernetes.io/arch", "amd64"),
    ];
    all.extend(labels);
    w.node("n", &all, 3860, 13);
    w.build()
}

fn machines(c: &Cluster, group: usize) -> Vec<&str> {
    let g = &c.catalog.groups[GroupIdx(group as u32)];
    g.machines.iter().map(|m| c.catalog.text(c.catalog.machines[*m].name)).collect()
}

#[test]
fn the_documents_of_a_file_are_judged_one_by_one() {
    let class = |kind: &str| {
        document(&format!(
            "{{apiVersion: karpenter.k8s.aws/v1, kind: {kind}, metadata: {{name: fresh}}, spec: {{role: nodes}}}}"
        ))
    };
    for kind in ["EC2NodeClass", "AKSNodeClass", "ConfigMap"] {
        let mut c = cluster();
        let pool = ("pool.yaml".to_owned(), pool("fresh", json!([])));
        groups_from_values(&[class(kind), pool], MachineCatalogue::default(), &mut c).unwrap();
        assert_eq!(c.catalog.groups.len(), 1);
    }
    // A file must hold a group all the same, and each file its own.
    let alone = |values: &[(String, Value)]| {
        groups_from_values(values, MachineCatalogue::default(), &mut cluster()).unwrap_err().to_string()
    };
    assert!(alone(&[class("EC2NodeClass")]).starts_with("pool.yaml holds no node group"));
    let other = ("other.yaml".to_owned(), pool("fresh", json!([])));
    assert!(alone(&[other, class("EC2NodeClass")]).starts_with("pool.yaml holds no node group"));
    // Another project's kind of the same name is another kind.
    let foreign =
        json!({"apiVersion": "hypershift.openshift.io/v1beta1", "kind": "NodePool", "metadata": {"name": "x"}});
    assert!(alone(&[("f".into(), foreign)]).starts_with("f holds no node group"));
}

#[test]
fn bounds_may_be_included() {
    let key = "karpenter.k8s.aws/instance-generation";
    for (operator, value, fits) in [
        ("Gte", "5", true),
        ("Gte", "6", false),
        ("Lte", "5", true),
        ("Lte", "4", false),
        ("Gt", "4", true),
        ("Gt", "5", false),
        ("Lt", "6", true),
    ] {
        let mut c = node_of("m5.large", &[]);
        let findings = read(&mut c, pool("p", json!([{"key": key, "operator": operator, "values": [value]}]))).unwrap();
        assert_eq!(machines(&c, 0).len(), usize::from(fits), "{operator} {value}");
        assert_eq!(codes(&findings).contains(&"group-without-machines"), !fits, "{findings:?}");
    }
}

#[test]
fn what_is_not_understood_of_a_group_is_said_and_not_fatal() {
    let all = json!([
        {"key": "karpenter.k8s.aws/instance-cpu", "operator": "Near", "values": ["4"]},
        {"key": "karpenter.k8s.aws/instance-cpu", "operator": "Gt", "values": ["many"]},
        {"key": "karpenter.k8s.aws/instance-network-bandwidth", "operator": "Gt", "values": ["1000"]},
        {"key": "topology.k8s.aws/zone-id", "operator": "In", "values": ["euw1-az1"]},
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["Cheap"]},
    ]);
    let mut described = pool("p", all);
    described["spec"]["template"]["spec"]["taints"] =
        json!([{"key": "a", "effect": "no-schedule"}, {"key": "b", "effect": "Never"}]);
    let mut c = node_of("m5.large", &[]);
    let findings = read(&mut c, described).unwrap();
    let g = &c.catalog.groups[GroupIdx(0)];
    assert_eq!(machines(&c, 0), ["m5.large"]);
    assert_eq!(g.taints.iter().map(|t| t.effect).collect::<Vec<_>>(), [Effect::NoSchedule, Effect::NoSchedule]);
    let said: Vec<(&str, &str)> = findings.iter().map(|f| (f.code.as_str(), f.message.as_str())).collect();
    for (code, part) in [
        ("group-requirement-not-read", "karpenter.k8s.aws/instance-cpu Near 4: the operator is not known"),
        ("group-requirement-not-read", "instance-cpu Gt many: its bound is no whole number"),
        (
            "group-requirement-not-applied",
            "instance-network-bandwidth Gt 1000: it is not known whether m5.large fulfil it",
        ),
        ("group-requirement-not-read", "topology.k8s.aws/zone-id In euw1-az1"),
        ("group-value-unknown", "capacity-type In Cheap"),
        ("group-value-unknown", "taints[1].effect: the effect Never is not known; NoSchedule is taken"),
    ] {
        assert!(said.iter().any(|(c, m)| *c == code && m.contains(part)), "{code} {part} in {said:?}");
    }
    assert_eq!(said.iter().filter(|(c, _)| *c == "group-value-unknown").count(), 2);
    assert_eq!(crate::snapshot::strict_violations(&findings).len(), 6);
}

#[test]
fn a_requirement_on_the_machine_is_never_a_label_of_new_nodes() {
    for (kind, requirement) in [
        ("Standard_D4s_v5", json!({"key": "karpenter.azure.com/sku-family", "operator": "In", "values": ["F"]})),
        ("Standard_D4s_v5", json!({"key": "karpenter.azure.com/sku-cpu", "operator": "Lt", "values": ["3"]})),
        ("m5.large", json!({"key": "karpenter.k8s.aws/instance-local-nvme", "operator": "Gt", "values": ["300"]})),
        ("m5.large", json!({"key": "karpenter.k8s.aws/instance-gpu-count", "operator": "Gt", "values": ["0"]})),
        ("m5.large", json!({"key": "beta.kubernetes.io/arch", "operator": "In", "values": ["arm64"]})),
    ] {
        let mut c = node_of(kind, &[]);
        let findings = read(&mut c, pool("p", json!([requirement]))).unwrap();
        assert_eq!(machines(&c, 0), Vec::<&str>::new(), "{requirement}");
        let without = findings.iter().find(|f| f.code == "group-without-machines").expect("said");
        assert!(
            without.message.starts_with("none of the 1 machine types of known size fulfils all its requirements"),
            "{without:?}"
        );
        let g = &c.catalog.groups[GroupIdx(0)];
        let keys: Vec<&str> = g.labels.iter().map(|(k, _)| c.catalog.text(k)).collect();
        assert!(
            keys.iter().all(|k| k.starts_with("karpenter.sh/")) && g.requirements.expressions.is_empty(),
            "{keys:?}"
        );
    }
    // What a node of the type states stands before what its name tells; so it does for pods that ask for it.
    let stated = [("karpenter.k8s.aws/instance-local-nvme", "950"), ("karpenter.k8s.aws/instance-memory", "16384")];
    let mut c = node_of("m5.xlarge", &stated);
    let requirements = json!([
        {"key": "karpenter.k8s.aws/instance-local-nvme", "operator": "Gt", "values": ["300"]},
        {"key": "karpenter.k8s.aws/instance-memory", "operator": "In", "values": ["16384"]},
    ]);
    let findings = read(&mut c, pool("p", requirements)).unwrap();
    assert_eq!((machines(&c, 0), codes(&findings)), (vec!["m5.xlarge"], vec!["group-zones-assumed"]));
    let labels = &c.catalog.machines[c.catalog.groups[GroupIdx(0)].machines[0]].labels;
    let value = |k: &str| c.catalog.names.get(k).and_then(|k| labels.get(k)).map(|v| c.catalog.text(v));
    assert_eq!(value("karpenter.k8s.aws/instance-memory"), Some("16384"));
    assert_eq!(value("karpenter.k8s.aws/instance-family"), Some("m5"));
}

#[test]
fn node_pools_of_a_dump_that_cannot_be_read_are_left_out() {
    let broken =
        json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "broken"}, "spec": {}});
    let pools = [("d/nodepools.json".to_owned(), broken), ("d/nodepools.json".to_owned(), pool("good", json!([])))];
    let mut c = cluster();
    let findings = groups_of_dump(&pools, MachineCatalogue::default(), &mut c);
    assert_eq!(c.catalog.groups.len(), 1);
    let said = findings.iter().find(|f| f.code == "group-not-read").expect("said");
    assert_eq!(said.object, "NodePool/broken");
    let wanted = "d/nodepools.json: NodePool broken: spec.template: it is missing; expected the nodes' template; the group is left out";
    assert_eq!(said.message, wanted);
    // Without any that can be read, groups are read off the nodes.
    let mut c = cluster();
    let findings = groups_of_dump(&pools[..1], MachineCatalogue::default(), &mut c);
    assert!(codes(&findings).contains(&"groups-inferred") && c.catalog.groups.len() == 1, "{findings:?}");
}

#[test]
fn oceans_values_are_compared_as_its_api_compares_them() {
    let vng =
        |filters: Value| json!({"name": "v", "nodeCountLimits": {"maxCount": 3}, "vmSizes": {"filters": filters}});
    for (filters, fits) in [
        (json!({"architectures": ["X86_64"]}), true),
        (json!({"architectures": ["x86_64"]}), true),
        (json!({"architectures": ["AMD64"]}), true),
        (json!({"architectures": ["Intel64"]}), true),
        (json!({"architectures": ["ARM64"]}), false),
        (json!({"architectures": ["arm64", "INTEL64"]}), true),
        (json!({"minMemoryGiB": 3.5, "maxMemoryGiB": 13.0}), true),
        (json!({"maxMemoryGiB": 12.5}), false),
        (json!({"minVCpu": 4.0}), true),
    ] {
        let mut c = node_of("Standard_D4s_v5", &[]);
        let findings = read(&mut c, vng(filters.clone())).unwrap();
        assert_eq!(machines(&c, 0).len(), usize::from(fits), "{filters}");
        let without = findings.iter().find(|f| f.code == "group-without-machines");
        assert_eq!(without.is_none(), fits, "{findings:?}");
        assert!(without.is_none_or(|f| f.message.contains("passes its filters (")), "{without:?}");
    }
    let mut c = node_of("Standard_D4s_v5", &[]);
    let findings = read(&mut c, vng(json!({"architectures": ["RISCV64", "AMD64"]}))).unwrap();
    let said = findings.iter().find(|f| f.code == "group-value-unknown").expect("said");
    assert_eq!(said.message, "vmSizes.filters.architectures: RISCV64 is not known; it allows no machine type");
    assert_eq!(machines(&c, 0), ["Standard_D4s_v5"]);
    let taints = json!({"name": "v", "labels": {"a": "b"}, "taints": [{"key": "t", "effect": "NO_EXECUTE"}, {"key": "u", "effect": "prefernoschedule"}]});
    let mut c = cluster();
    read(&mut c, taints).unwrap();
    let effects: Vec<Effect> = c.catalog.groups[GroupIdx(0)].taints.iter().map(|t| t.effect).collect();
    assert_eq!(effects, [Effect::NoExecute, Effect::PreferNoSchedule]);
}

#[test]
fn preferences_put_machine_types_first_and_exclude_none() {
    let types = json!([
        {"name": "Standard_D4s_v5", "resources": {"cpu": "4", "memory": "16Gi"}},
        {"name": "Standard_D8s_v5", "resources": {"cpu": "8", "memory": "32Gi"}},
        {"name": "Standard_E8s_v5", "resources": {"cpu": "8", "memory": "64Gi"}},
    ]);
    let chosen = |description: Value| {
        let mut c = World::new().build();
        let catalogue = MachineCatalogue::parse("types.json", &types).unwrap();
        groups_from_values(&[("g.json".into(), description)], catalogue, &mut c).unwrap();
        machines(&c, 0).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let azure = |sizes: Value| chosen(json!({"name": "v", "nodeCountLimits": {}, "vmSizes": sizes}));
    assert_eq!(
        azure(json!({"preferredVmSizes": ["Standard_E8s_v5"]})),
        ["Standard_E8s_v5", "Standard_D4s_v5", "Standard_D8s_v5"]
    );
    assert_eq!(
        azure(json!({"preferredVmSizes": ["Standard_E8s_v5"], "filters": {"minVCpu": 8}})),
        ["Standard_E8s_v5", "Standard_D8s_v5"]
    );
    let aws = |mut spec: Value| {
        spec["name"] = "v".into();
        chosen(json!({ "launchSpec": spec }))
    };
    assert_eq!(aws(json!({"preferredSpotTypes": ["Standard_D8s_v5"]})).len(), 3);
    let both = json!({"instanceTypes": ["Standard_D4s_v5", "Standard_D8s_v5"], "preferredSpotTypes": ["Standard_D8s_v5", "Standard_E8s_v5"]});
    assert_eq!(aws(both), ["Standard_D8s_v5", "Standard_D4s_v5"]);
}

#[test]
fn every_finding_of_groups_is_in_the_table() {
    for (file, text) in [
        ("make.rs", include_str!("make.rs")),
        ("mod.rs", include_str!("mod.rs")),
        ("ocean.rs", include_str!("ocean.rs")),
        ("karpenter.rs", include_str!("karpenter.rs")),
        ("infer.rs", include_str!("../../groups/infer.rs")),
    ] {
        let coded = text
            .split("self.say(\"")
            .skip(1)
            .chain(text.split("notes.push((\"").skip(1))
            .chain(text.split("Severity::Info,\n").skip(1));
        for after in coded {
            let code = after.trim_start().trim_start_matches('"').split('"').next().unwrap_or_default();
            assert!(crate::snapshot::diagnostics::diagnostic(code).is_some(), "{file}: {code}");
        }
    }
}
