//! Every rule, passed, failed and unknown; facts that contradict each other, are missing, or are credentials.

use super::facts::FACTS;
use super::rules::{Fix, Judged, RULES, markdown};
use super::*;
use crate::cluster::{Cluster, View};
use crate::plan::Verdict;
use crate::snapshot::Snapshot;
use serde_json::{Value, json};

/// Facts with which every rule passes.
pub(super) const PASSING: &str = r#"
ack_facts: 1
cluster: {id: c8a1, type: dedicated, state: running, version: 1.33.8-aliyun.1, region: cn-hangzhou, time_zone: Asia/Shanghai, allow_listed: true}
api_server: {internal_slb: {id: lb-1, specification: slb.s1.small}, has_public_slb: false}
bucket: {name: move, endpoint: oss-cn-hangzhou-internal.aliyuncs.com, exists: true, region: cn-hangzhou, hotlink_protection: false}
ram:
  role: KubernetesMasterRole-1
  policy: k8sMasterRolePolicy-Ros-1
  document: {Version: "1", Statement: [{Effect: Allow, Action: ["oss:PutObject", "oss:GetObject"], Resource: ["acs:oss:*:*:move/*"]}]}
etcd: {database_bytes: 104857600}
masters:
  m1: {cloud_assistant: true, tmp_free_bytes: 10737418240, etcd_certificates: true}
  m2: {cloud_assistant: true, tmp_free_bytes: 10737418240, etcd_certificates: true}
  m3: {cloud_assistant: true, tmp_free_bytes: 10737418240, etcd_certificates: true}
check: {status: Succeeded, failed: []}
acknowledged: {no_rollback: true, no_new_dedicated_cluster: true, masters_unknown: true, machines_billed: true, signing_keys_travel: true}
"#;

fn node(name: &str, master: bool) -> Value {
    let mut labels = json!({"ack.aliyun.com": "c8a1", "topology.kubernetes.io/region": "cn-hangzhou", "kubernetes.io/hostname": name});
    if master {
        labels["node-role.kubernetes.io/master"] = "".into();
    }
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": labels},
        "spec": {"providerID": format!("cn-hangzhou.i-{name}")},
        "status": {"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"}, "nodeInfo": {"kubeletVersion": "v1.33.8-aliyun.1"},
            "conditions": [{"type": "Ready", "status": "True"}]}})
}

fn pod(namespace: &str, name: &str, node: &str, owner: Option<(&str, &str)>) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}")},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "x"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    if let Some((kind, owner)) = owner {
        let api = if kind == "Node" { "v1" } else { "apps/v1" };
        pod["metadata"]["ownerReferences"] = json!([{"apiVersion": api, "kind": kind, "name": owner, "uid": format!("uid-{kind}-{owner}"), "controller": true}]);
    }
    pod
}

fn daemon_set(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": "kube-system", "uid": format!("uid-DaemonSet-{name}")},
        "spec": {"selector": {"matchLabels": {"a": name}}, "template": {"metadata": {"labels": {"a": name}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}}})
}

/// Three masters with static pods and DaemonSet pods on them, and a worker.
fn objects() -> Vec<Value> {
    let mut objects: Vec<Value> = ["m1", "m2", "m3"].map(|n| node(n, true)).to_vec();
    objects.push(node("w1", false));
    objects.push(daemon_set("kube-proxy"));
    let mut mirror = pod("kube-system", "kube-apiserver-m1", "m1", Some(("Node", "m1")));
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "1"});
    objects.push(mirror);
    objects.push(pod("kube-system", "kube-proxy-m1", "m1", Some(("DaemonSet", "kube-proxy"))));
    objects.push(pod("shop", "web-1", "w1", Some(("ReplicaSet", "web"))));
    objects
}

fn cluster_of(objects: &[Value]) -> Cluster {
    Snapshot::from_objects(objects).expect("a dump").cluster
}

fn view(cluster: &Cluster) -> View<'_> {
    View { catalog: &cluster.catalog, state: &cluster.state }
}

fn judged(objects: &[Value], facts: &str) -> Result<Preflight, FactsError> {
    judged_with(objects, facts, &PreflightOptions::default())
}

fn judged_with(objects: &[Value], facts: &str, options: &PreflightOptions) -> Result<Preflight, FactsError> {
    let cluster = cluster_of(objects);
    let known = Known::of_texts(view(&cluster), Some(("facts.yaml".into(), facts.into())), Vec::new())?;
    Ok(Preflight::of(&known, view(&cluster), options, ""))
}

fn rule<'p>(preflight: &'p Preflight, code: &str) -> &'p Judged {
    preflight.rules.iter().find(|r| r.rule == code).unwrap_or_else(|| panic!("no rule {code}"))
}

#[test]
fn with_all_facts_every_rule_passes() {
    let preflight = judged(&objects(), PASSING).expect("facts");
    let not: Vec<&Judged> = preflight.rules.iter().filter(|r| r.verdict != Verdict::Pass).collect();
    assert!(not.is_empty(), "{not:#?}");
    assert_eq!((preflight.exit_status, preflight.passed as usize), (0, RULES.len()));
    assert!(preflight.rules.iter().all(|r| !r.stated_by.is_empty() && r.fixes.is_empty()), "{preflight:#?}");
}

/// For every rule what of the passing facts is replaced so that it fails, and so that it is unknown; an empty text is no change of the file.
const CASES: &[(&str, [&str; 2], [&str; 2])] = &[
    ("ack-cluster-type", ["type: dedicated", "type: ManagedKubernetes"], ["type: dedicated, ", ""]),
    ("ack-cluster-state", ["state: running", "state: upgrading"], ["state: running, ", ""]),
    (
        "ack-cloud-assistant",
        ["m2: {cloud_assistant: true", "m2: {cloud_assistant: false"],
        ["m3: {cloud_assistant: true, ", "m3: {"],
    ),
    (
        "ack-internal-slb",
        ["specification: slb.s1.small", "specification: ''"],
        ["specification: slb.s1.small", "specification: slb.s9.huge"],
    ),
    ("ack-bucket", ["exists: true", "exists: false"], ["exists: true, ", ""]),
    (
        "ack-bucket-region",
        ["exists: true, region: cn-hangzhou", "exists: true, region: oss-cn-beijing"],
        ["exists: true, region: cn-hangzhou", "exists: true"],
    ),
    (
        "ack-bucket-hotlink",
        ["hotlink_protection: false", "hotlink_protection: true"],
        [", hotlink_protection: false", ""],
    ),
    ("ack-ram-policy", ["acs:oss:*:*:move/*", "acs:oss:*:*:other/*"], ["acs:oss:*:*:move/*", "acs:oss:*:4711:move/*"]),
    ("ack-allow-list", ["allow_listed: true", "allow_listed: false"], [", allow_listed: true", ""]),
    ("ack-time-zone", ["time_zone: Asia/Shanghai", "time_zone: ''"], ["time_zone: Asia/Shanghai, ", ""]),
    ("ack-public-address", ["has_public_slb: false", "has_public_slb: true"], [", has_public_slb: false", ""]),
    (
        "ack-tmp-room",
        ["database_bytes: 104857600", "database_bytes: 8589934592"],
        ["tmp_free_bytes: 10737418240, ", ""],
    ),
    (
        "ack-etcd-certificates",
        ["etcd_certificates: true", "etcd_certificates: false"],
        [", etcd_certificates: true", ""],
    ),
    ("ack-vendor-check", ["failed: []", "failed: [slb (error)]"], ["status: Succeeded", "status: Running"]),
    ("ack-masters-unknown", ["masters_unknown: true", "masters_unknown: false"], ["masters_unknown: true, ", ""]),
    ("ack-no-rollback", ["no_rollback: true", "no_rollback: false"], ["no_rollback: true, ", ""]),
    (
        "ack-no-new-dedicated-cluster",
        ["no_new_dedicated_cluster: true", "no_new_dedicated_cluster: false"],
        ["no_new_dedicated_cluster: true, ", ""],
    ),
    ("ack-machines-billed", ["machines_billed: true", "machines_billed: false"], ["machines_billed: true, ", ""]),
    (
        "ack-signing-keys",
        ["signing_keys_travel: true", "signing_keys_travel: false"],
        [", signing_keys_travel: true", ""],
    ),
];

#[test]
fn every_rule_fails_and_is_unknown_by_its_own_fact_alone() {
    for (code, failing, unknown) in CASES {
        for ([from, to], wanted) in [(failing, Verdict::Fail), (unknown, Verdict::Unknown)] {
            assert!(PASSING.contains(from), "{code}: {from}");
            let preflight = judged(&objects(), &PASSING.replace(from, to)).unwrap_or_else(|e| panic!("{code}: {e}"));
            let not: Vec<(&str, Verdict)> = preflight
                .rules
                .iter()
                .filter(|r| r.verdict != Verdict::Pass)
                .map(|r| (r.rule.as_str(), r.verdict))
                .collect();
            assert_eq!(not, [(*code, wanted)], "{from} → {to}");
            assert!(!rule(&preflight, code).fixes.is_empty(), "{code} has no fix");
            assert_eq!(preflight.exit_status, if wanted == Verdict::Fail { 3 } else { 4 });
        }
    }
    // The others go by the dump, or by the dump and the facts: the tests below.
    let by_dump = [
        "ack-cluster-id",
        "ack-system-pods-on-masters",
        "ack-user-pods-on-masters",
        "ack-kubernetes-version",
        "ack-cgpu",
    ];
    let mut all: Vec<&str> = CASES.iter().map(|c| c.0).chain(by_dump).collect();
    let mut codes: Vec<&str> = RULES.iter().map(|r| r.code).collect();
    all.sort_unstable();
    codes.sort_unstable();
    assert_eq!(all, codes);
}

fn without_label(mut objects: Vec<Value>, label: &str) -> Vec<Value> {
    for object in objects.iter_mut().filter(|o| o["kind"] == "Node") {
        if let Some(labels) = object["metadata"]["labels"].as_object_mut() {
            labels.remove(label);
        }
    }
    objects
}

#[test]
fn the_id_is_read_off_the_nodes() {
    let anonymous = without_label(objects(), "ack.aliyun.com");
    let of = |objects: &[Value], id: &str| {
        let preflight = judged(objects, &PASSING.replace("id: c8a1, ", id)).expect("facts");
        rule(&preflight, "ack-cluster-id").verdict
    };
    assert_eq!(of(&objects(), ""), Verdict::Pass);
    assert_eq!(of(&anonymous, ""), Verdict::Unknown);
    assert_eq!(of(&anonymous, "id: x9, "), Verdict::Fail);
}

#[test]
fn mirror_pods_and_daemon_sets_stay_on_masters_and_nothing_else_does() {
    let with = |more: Value| {
        let mut all = objects();
        all.push(more);
        judged(&all, PASSING).expect("facts")
    };
    let verdicts =
        |p: &Preflight| ["ack-system-pods-on-masters", "ack-user-pods-on-masters"].map(|c| rule(p, c).verdict);
    let (pass, fail) = (Verdict::Pass, Verdict::Fail);
    assert_eq!(verdicts(&with(pod("kube-system", "coredns-1", "m2", Some(("ReplicaSet", "coredns"))))), [fail, pass]);
    assert_eq!(verdicts(&with(pod("kube-system", "by-hand", "m2", None))), [fail, pass]);
    assert_eq!(verdicts(&with(pod("shop", "db-0", "m2", Some(("StatefulSet", "db"))))), [pass, fail]);
    assert_eq!(verdicts(&with(pod("shop", "bare", "m3", None))), [pass, fail]);
    assert_eq!(verdicts(&with(pod("shop", "db-0", "w1", Some(("StatefulSet", "db"))))), [pass, pass], "on a worker");
    let mut done = pod("shop", "job-1", "m3", None);
    done["status"]["phase"] = "Succeeded".into();
    assert_eq!(verdicts(&with(done)), [pass, pass], "it has ended");
    let named = with(pod("shop", "db-0", "m2", Some(("StatefulSet", "db"))));
    assert!(rule(&named, "ack-user-pods-on-masters").fact.contains("shop/db-0 on m2"));
}

#[test]
fn without_masters_or_pods_in_the_dump_what_is_on_them_is_unknown() {
    let facts = PASSING.split("masters:").next().unwrap_or_default();
    let none: Vec<Value> =
        objects().into_iter().filter(|o| o["kind"] != "Node" || o["metadata"]["name"] == "w1").collect();
    let preflight = judged(&none, facts).expect("facts");
    for code in
        ["ack-system-pods-on-masters", "ack-user-pods-on-masters", "ack-cloud-assistant", "ack-etcd-certificates"]
    {
        assert_eq!(rule(&preflight, code).verdict, Verdict::Unknown, "{code}");
    }
    let no_pods: Vec<Value> = objects().into_iter().filter(|o| o["kind"] != "Pod").collect();
    let preflight = judged(&no_pods, PASSING).expect("facts");
    assert_eq!(rule(&preflight, "ack-system-pods-on-masters").verdict, Verdict::Unknown);
    assert_eq!(rule(&preflight, "ack-user-pods-on-masters").verdict, Verdict::Unknown);
}

#[test]
fn a_dump_of_some_namespaces_shows_nothing_of_the_masters() {
    let some: Vec<Value> = objects().into_iter().filter(|o| o["metadata"]["namespace"] != "kube-system").collect();
    let preflight = judged(&some, PASSING).expect("facts");
    for code in ["ack-system-pods-on-masters", "ack-user-pods-on-masters"] {
        assert_eq!(rule(&preflight, code).verdict, Verdict::Unknown, "{code}");
    }
}

fn with_kubelets(version: &str) -> Vec<Value> {
    let mut objects = objects();
    for object in objects.iter_mut().filter(|o| o["kind"] == "Node") {
        object["status"]["nodeInfo"]["kubeletVersion"] = version.into();
    }
    objects
}

#[test]
fn the_version_floor_is_an_option_and_kubelets_are_a_lower_bound() {
    let unstated = PASSING.replace("version: 1.33.8-aliyun.1, ", "");
    let of = |kubelet: &str, facts: &str, oldest: &str| {
        let options = PreflightOptions { oldest_kubernetes: oldest.into() };
        rule(&judged_with(&with_kubelets(kubelet), facts, &options).expect("facts"), "ack-kubernetes-version").verdict
    };
    let old = PASSING.replace("1.33.8-aliyun.1", "1.16.9-aliyun.1");
    assert_eq!(of("v1.16.9-aliyun.1", &old, "1.16"), Verdict::Pass);
    assert_eq!(of("v1.16.9-aliyun.1", &old, "1.18"), Verdict::Fail);
    assert_eq!(of("v1.18.8", &unstated, "1.18"), Verdict::Pass, "a kubelet is never newer than its control plane");
    assert_eq!(of("v1.14.8", &unstated, "1.16"), Verdict::Unknown, "the control plane may be newer");
}

#[test]
fn cgpu_basic_is_known_by_its_daemon_sets() {
    let of = |objects: &[Value], facts: &str| rule(&judged(objects, facts).expect("facts"), "ack-cgpu").verdict;
    let mut with = objects();
    with.push(daemon_set("gpushare-device-plugin-ds"));
    assert_eq!(of(&with, PASSING), Verdict::Fail);
    assert_eq!(of(&with, &PASSING.replace("no_rollback", "cgpu_upgrade: true, no_rollback")), Verdict::Pass);
    let without: Vec<Value> = objects().into_iter().filter(|o| o["kind"] != "DaemonSet").collect();
    assert_eq!(of(&without, PASSING), Verdict::Unknown);
    assert_eq!(of(&objects(), PASSING), Verdict::Pass);
}

#[test]
fn a_public_address_may_be_lost_by_somebody_who_knows_it() {
    let facts = PASSING.replace("has_public_slb: false", "has_public_slb: true");
    let known = facts.replace("no_rollback", "public_address_lost: true, no_rollback");
    assert_eq!(judged(&objects(), &known).expect("facts").exit_status, 0);
}

#[test]
fn the_statement_of_the_policy_is_ready_to_paste_with_the_buckets_name_in_it() {
    let facts = PASSING.replace("acs:oss:*:*:move/*", "acs:oss:*:*:logs/*");
    let preflight = judged(&objects(), &facts).expect("facts");
    let fixes = &rule(&preflight, "ack-ram-policy").fixes;
    let document = fixes.iter().find_map(|f| if let Fix::Document { text, .. } = f { Some(text) } else { None });
    let statement: Value = serde_json::from_str(document.expect("a document")).expect("JSON");
    assert_eq!(
        statement,
        json!({"Action": ["oss:PutObject", "oss:GetObject"], "Effect": "Allow", "Resource": ["acs:oss:*:*:move/*"]})
    );
    let command =
        fixes.iter().find_map(|f| if let Fix::Command { text } = f { Some(text) } else { None }).expect("a command");
    assert!(
        command.contains("k8sMasterRolePolicy-Ros-1") && command.contains("logs/*") && command.contains("move/*"),
        "{command}"
    );
}

fn error(objects: &[Value], facts: &str, outputs: &[(&str, &str)]) -> String {
    let cluster = cluster_of(objects);
    let outputs = outputs.iter().map(|(f, t)| ((*f).to_owned(), (*t).to_owned())).collect();
    Known::of_texts(view(&cluster), Some(("facts.yaml".into(), facts.into())), outputs)
        .map(|_| ())
        .expect_err("refused")
        .to_string()
}

#[test]
fn facts_that_contradict_the_dump_or_each_other_are_errors_that_name_both() {
    let e = error(&objects(), &PASSING.replace("id: c8a1", "id: c999"), &[]);
    assert!(
        e.contains("facts.yaml: cluster.id says \"c999\"")
            && e.contains("the dump (label ack.aliyun.com of node m1) says \"c8a1\""),
        "{e}"
    );
    let e = error(&objects(), &PASSING.replace("  m3:", "  m4:"), &[]);
    assert!(
        e.contains("masters.m4") && e.contains("the masters are m1, m2, m3") && e.contains("kubectl get node"),
        "{e}"
    );
    let e = error(&objects(), &PASSING.replace("m1: {", "m1: {instance: i-x, "), &[]);
    assert!(e.contains("masters.m1.instance") && e.contains("spec.providerID of node m1"), "{e}");
    let e = error(&objects(), &PASSING.replace("1.33.8-aliyun.1", "1.20.4-aliyun.1"), &[]);
    assert!(e.contains("a kubelet of 1.33") && e.contains("facts.yaml: cluster.version"), "{e}");
    let slb = r#"{"LoadBalancerId": "lb-1", "AddressType": "intranet", "LoadBalancerSpec": "slb.s2.small"}"#;
    let e = error(&objects(), PASSING, &[("slb.json", slb)]);
    assert!(
        e.contains("facts.yaml: api_server.internal_slb.specification says \"slb.s1.small\"")
            && e.contains("slb.json: LoadBalancerSpec"),
        "{e}"
    );
    assert!(e.contains("aliyun slb DescribeLoadBalancerAttribute"), "how to find out: {e}");
}

#[test]
fn credentials_are_refused_and_not_shown() {
    for (file, text) in [
        ("config.json", r#"{"profiles": [{"mode": "AK", "access_key_id": "LTAI5", "access_key_secret": "s3cr3t"}]}"#),
        ("kubeconfig", r#"{"users": [{"name": "u", "user": {"client-key-data": "s3cr3t"}}]}"#),
        ("sts.json", r#"{"Credentials": {"SecurityToken": "s3cr3t"}}"#),
    ] {
        let e = error(&objects(), PASSING, &[(file, text)]);
        assert!(e.contains(file) && e.contains("credential") && !e.contains("s3cr3t"), "{e}");
    }
    let e = error(&objects(), &format!("{PASSING}token: s3cr3t\n"), &[]);
    assert!(e.contains("at token") && !e.contains("s3cr3t"), "{e}");
}

#[test]
fn facts_of_another_form_are_refused_with_what_is_expected() {
    for (facts, part) in [
        (PASSING.replace("ack_facts: 1", "ack_facts: 2"), "reads version 1"),
        (PASSING.replace("ack_facts: 1", ""), "write `ack_facts: 1`"),
        (PASSING.replace("allow_listed: true", "allow_listed: maybe"), "cluster.allow_listed"),
        (PASSING.replace("time_zone:", "timezone:"), "timezone"),
        ("{".to_owned(), "no valid JSON"),
    ] {
        let e = error(&objects(), &facts, &[]);
        assert!(e.starts_with("facts.yaml: ") && e.contains(part), "{e}");
    }
    let e = error(&objects(), PASSING, &[("x.json", r#"{"items": []}"#)]);
    assert!(e.contains("x.json") && e.contains("DescribeLoadBalancerAttribute"), "{e}");
    let e = error(
        &objects(),
        PASSING,
        &[("c.json", r#"{"check_id": "1", "type": "ClusterUpgrade", "status": "Succeeded"}"#)],
    );
    assert!(e.contains("ClusterUpgrade") && e.contains("ClusterMigrate"), "{e}");
}

/// Outputs of the vendor's commands that together state what the facts file of the other tests does, but for what no command shows.
const OUTPUTS: &[(&str, &str)] = &[
    (
        "cluster.json",
        r#"{"cluster_id": "c8a1", "cluster_type": "Kubernetes", "state": "running", "current_version": "1.33.8-aliyun.1", "region_id": "cn-hangzhou",
            "timezone": "Asia/Shanghai", "master_url": "{\"api_server_endpoint\":\"\",\"intranet_api_server_endpoint\":\"https://10.0.0.1:6443\"}"}"#,
    ),
    ("slb.json", r#"{"LoadBalancerId": "lb-1", "AddressType": "intranet", "LoadBalancerSpec": "slb.s1.small"}"#),
    (
        "assistant.json",
        r#"{"InstanceCloudAssistantStatusSet": {"InstanceCloudAssistantStatus": [
            {"InstanceId": "i-m1", "CloudAssistantStatus": "true"}, {"InstanceId": "i-m2", "CloudAssistantStatus": "true"},
            {"InstanceId": "i-m3", "CloudAssistantStatus": "true"}, {"InstanceId": "i-w1", "CloudAssistantStatus": "false"}]}}"#,
    ),
    (
        "bucket.json",
        r#"{"BucketInfo": {"Bucket": {"Name": "move", "Location": "oss-cn-hangzhou", "IntranetEndpoint": "oss-cn-hangzhou-internal.aliyuncs.com"}}}"#,
    ),
    ("referer.json", r#"{"RefererConfiguration": {"AllowEmptyReferer": "true", "RefererList": {"Referer": ""}}}"#),
    (
        "policy.json",
        r#"{"Policy": {"PolicyName": "k8sMasterRolePolicy-Ros-1"}, "DefaultPolicyVersion": {"PolicyDocument":
            "{\"Version\":\"1\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"oss:*\",\"Resource\":\"*\"}]}"}}"#,
    ),
    (
        "masters.json",
        // tmp_free_kib=20000000, etcd_certificates=yes, etcd_database_bytes=1000000
        r#"{"Invocation": {"InvocationResults": {"InvocationResult": [
            {"InstanceId": "i-m1", "Output": "dG1wX2ZyZWVfa2liPTIwMDAwMDAwCmV0Y2RfY2VydGlmaWNhdGVzPXllcwpldGNkX2RhdGFiYXNlX2J5dGVzPTEwMDAwMDAK"},
            {"InstanceId": "i-m2", "Output": "dG1wX2ZyZWVfa2liPTIwMDAwMDAwCmV0Y2RfY2VydGlmaWNhdGVzPXllcwpldGNkX2RhdGFiYXNlX2J5dGVzPTEwMDAwMDAK"},
            {"InstanceId": "i-m3", "Output": "dG1wX2ZyZWVfa2liPTIwMDAwMDAwCmV0Y2RfY2VydGlmaWNhdGVzPXllcwpldGNkX2RhdGFiYXNlX2J5dGVzPTEwMDAwMDAK"}]}}}"#,
    ),
    (
        "check.json",
        r#"{"check_id": "k", "type": "ClusterMigrate", "status": "Succeeded", "message": "", "check_items": {"Cluster": [{"name": "v", "level": "normal"}]}}"#,
    ),
];

#[test]
fn outputs_of_the_vendors_commands_state_what_they_show() {
    let rest = "ack_facts: 1\ncluster: {allow_listed: true}\nacknowledged: {no_rollback: true, no_new_dedicated_cluster: true, masters_unknown: true, machines_billed: true, signing_keys_travel: true}\n";
    let cluster = cluster_of(&objects());
    let outputs = OUTPUTS.iter().map(|(f, t)| ((*f).to_owned(), (*t).to_owned())).collect();
    let known = Known::of_texts(view(&cluster), Some(("facts.yaml".into(), rest.into())), outputs).expect("facts");
    let preflight = Preflight::of(&known, view(&cluster), &PreflightOptions::default(), "");
    let not: Vec<&Judged> = preflight.rules.iter().filter(|r| r.verdict != Verdict::Pass).collect();
    assert!(not.is_empty(), "{not:#?}");
    assert_eq!(known.facts.etcd.database_bytes, Some(1_000_000));
    assert_eq!(known.source(&["masters", "m2", "cloud_assistant"]), Some("assistant.json: CloudAssistantStatus"));
    // The same without any facts file: what no command shows is unknown.
    let outputs = OUTPUTS.iter().map(|(f, t)| ((*f).to_owned(), (*t).to_owned())).collect();
    let known = Known::of_texts(view(&cluster), None, outputs).expect("facts");
    let preflight = Preflight::of(&known, view(&cluster), &PreflightOptions::default(), "");
    assert_eq!((preflight.failed, preflight.unknown, preflight.exit_status), (0, 6, 4));
}

#[test]
fn a_fact_that_is_missing_is_named_with_file_place_need_and_how_to_get_it() {
    let cluster = cluster_of(&objects());
    let known =
        Known::of_texts(view(&cluster), Some(("facts.yaml".into(), PASSING.replace("name: move, ", ""))), vec![])
            .expect("facts");
    let e = known.need("bucket.name", known.facts.bucket.name.as_ref()).expect_err("missing").to_string();
    assert_eq!(
        e,
        "facts.yaml: bucket.name is missing: the snapshot of etcd goes through it; get it: aliyun ossutil api get-bucket-info --bucket <BUCKET> --output-format json"
    );
}

#[test]
fn a_skeleton_is_read_as_it_is_and_keeps_what_is_known() {
    let cluster = cluster_of(&objects());
    let of = |facts: Option<&str>| {
        let facts = facts.map(|f| ("facts.yaml".to_owned(), f.to_owned()));
        Known::of_texts(view(&cluster), facts, Vec::new()).expect("facts")
    };
    for facts in [None, Some(PASSING)] {
        let known = of(facts);
        let text = skeleton(&known);
        assert_eq!(of(Some(&text)).facts, known.facts, "{text}");
        let undocumented: Vec<_> = FACTS.iter().filter(|f| !text.contains(f.needed)).collect();
        assert!(undocumented.is_empty(), "{undocumented:?}");
    }
    let empty = cluster_of(&[node("w1", false)]);
    let known = Known::of_texts(view(&empty), None, Vec::new()).expect("facts");
    let text = skeleton(&known);
    let again = Known::of_texts(view(&empty), Some(("f".into(), text.clone())), Vec::new())
        .unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(again.facts, known.facts);
}

/// docs/ack.md holds the tables of rules and reasons as they are; NODEFERRY_BLESS=1 writes them.
#[test]
fn the_documentation_lists_every_rule_and_reason() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ack.md");
    let text = std::fs::read_to_string(PATH).expect("docs/ack.md");
    let reasons: String = simulate::REASONS.iter().map(|(code, what)| format!("| `{code}` | {what} |\n")).collect();
    let mut wanted = text.clone();
    let table = |first: &str, rows: &[(&str, &str)]| {
        let rows: String = rows.iter().map(|(code, what)| format!("| `{code}` | {what} |\n")).collect();
        format!("| {first} | |\n|---|---|\n{rows}")
    };
    for (name, table) in [
        ("rules", markdown()),
        ("reasons", format!("| code | |\n|---|---|\n{reasons}")),
        ("reasons of executions", table("code", execution::REASONS)),
        ("limits of executions", table("wait", execution::LIMITS)),
    ] {
        let (from, to) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let (before, rest) = wanted.split_once(&from).expect("the mark before");
        let (_, after) = rest.split_once(&to).expect("the mark after");
        wanted = format!("{before}{from}{table}{to}{after}");
    }
    if std::env::var_os("NODEFERRY_BLESS").is_some() {
        std::fs::write(PATH, wanted).expect("docs/ack.md");
    } else {
        assert!(text == wanted, "docs/ack.md is not what the code says; run with NODEFERRY_BLESS=1");
    }
}

/// Every reason has a scenario of its own, in which it is expected.
#[test]
fn every_reason_has_a_scenario() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let files = std::fs::read_dir(folder).expect("scenarios").map(|e| e.expect("a file").path());
    let is_ours =
        |p: &std::path::PathBuf| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("ack-"));
    let texts: Vec<String> = files.filter(is_ours).map(|p| std::fs::read_to_string(p).expect("text")).collect();
    for (code, _) in simulate::REASONS {
        assert!(texts.iter().any(|t| t.contains(&format!("reason: {code}\n"))), "no scenario expects {code}");
    }
}
