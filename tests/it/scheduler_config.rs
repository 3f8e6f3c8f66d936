//! The user's own scheduler through the command line: its configuration, kept by the plan, and what is said of it.

use crate::cli::{Dir, Ran, nodeferry_of};
use serde_json::Value;
use std::path::Path;

/// A cluster in which a large pod finds room only where the small ones are packed.
const SPREADS: &str = include_str!("../../scenarios/scheduler-spreads.yaml");
const PACKING: &str = include_str!("../../scenarios/schedulers/packing.yaml");
const HEAD: &str = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";

fn nodeferry(dir: &Dir, args: &[&str]) -> Ran {
    nodeferry_of(Path::new(env!("CARGO_BIN_EXE_nodeferry")), dir, args, "")
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}\n{}\n{}", ran.stdout, ran.stderr))
}

fn codes(result: &Value) -> Vec<String> {
    let findings = result["findings"].as_array().expect("findings");
    findings.iter().filter_map(|f| f["code"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_plan_keeps_the_scheduler_it_was_made_with() {
    let dir = Dir::new();
    let cluster = dir.file("cluster.yaml", SPREADS);
    let config = dir.file("scheduler.yaml", PACKING);
    let plain = nodeferry(&dir, &["plan", &cluster, "-o", "json", "--plan", &dir.path("plain.json")]);
    assert_eq!((plain.status, json(&plain)["outcome"].as_str()), (3, Some("FAILED")));
    let args = ["plan", &cluster, "--scheduler-config", &config, "-o", "json", "--plan", &dir.path("plan.json")];
    let packed = nodeferry(&dir, &args);
    assert_eq!((packed.status, json(&packed)["outcome"].as_str()), (0, Some("COMPLETED")), "{}", packed.stderr);

    let read = |name: &str| -> Value {
        let text = std::fs::read_to_string(dir.path(name)).expect("a plan");
        serde_json::from_str(&text).expect("JSON")
    };
    let kept = &read("plan.json")["simulation"]["scheduler"];
    let strategy = "/configuration/profiles/0/pluginConfig/0/args/scoringStrategy/type";
    assert_eq!(kept.pointer(strategy).and_then(Value::as_str), Some("MostAllocated"));
    assert_eq!(kept["kubernetes"], "1.36");
    assert_eq!(kept["configuration_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(read("plain.json")["simulation"]["scheduler"], serde_json::json!({"kubernetes": "1.36"}));

    // The plan alone brings the same about; another scheduler, given by hand, does not.
    let again = nodeferry(&dir, &["simulate", &dir.path("plan.json"), &cluster, "-o", "json"]);
    assert_eq!((again.status, json(&again)), (0, json(&packed)), "{}", again.stderr);
    let default = dir.file("default.yaml", HEAD);
    let args = ["simulate", &dir.path("plan.json"), &cluster, "--scheduler-config", &default, "-o", "json"];
    assert_eq!(nodeferry(&dir, &args).status, 3);
}

#[test]
fn a_configuration_that_the_real_scheduler_would_refuse_is_bad_input() {
    let dir = Dir::new();
    let cluster = dir.file("cluster.yaml", SPREADS);
    for (text, says) in [
        ("percentageOfNodesToScore: 120\n", "percentageOfNodesToScore is 120; give 0 (adaptive) to 100"),
        (
            "profiles: [{plugins: {score: {enabled: [{name: NodeName}]}}}]\n",
            "profiles[0].plugins.score.enabled[0] enables NodeName",
        ),
        ("profile: []\n", "is not known here"),
    ] {
        let config = dir.file("scheduler.yaml", &format!("{HEAD}{text}"));
        let ran = nodeferry(&dir, &["plan", &cluster, "--scheduler-config", &config]);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{text}");
        assert!(ran.stderr.contains(says) && ran.stderr.contains("scheduler.yaml"), "{text}: {}", ran.stderr);
    }
    let ran = nodeferry(&dir, &["plan", &cluster, "--scheduler-config", &dir.path("none.yaml")]);
    assert!(
        ran.status == 2 && ran.stderr.contains("none.yaml") && ran.stderr.contains("check the path"),
        "{}",
        ran.stderr
    );
    let ran = nodeferry(&dir, &["plan", &cluster, "--kubernetes-version", "latest"]);
    assert!(ran.status == 2 && ran.stderr.contains("such as 1.34"), "{}", ran.stderr);
}

#[test]
fn what_of_a_configuration_is_not_modelled_is_a_finding() {
    let dir = Dir::new();
    let cluster = dir.file("cluster.yaml", SPREADS);
    let text = "extenders: [{urlPrefix: 'http://x', filterVerb: filter}]\n\
                profiles: [{schedulerName: other, plugins: {multiPoint: {enabled: [{name: Coscheduling}]}}}]\n";
    let config = dir.file("scheduler.yaml", &format!("{HEAD}{text}"));
    let args = ["plan", &cluster, "--scheduler-config", &config, "--kubernetes-version", "1.31"];
    let ran = nodeferry(&dir, &[&args[..], &["-o", "json"]].concat());
    let codes = codes(&json(&ran));
    for code in ["scheduler-extender", "scheduler-plugin-unknown", "other-scheduler", "kubernetes-version-unknown"] {
        assert!(codes.iter().any(|c| c == code), "{code}: {codes:?}");
    }
    assert_eq!(ran.status, 3, "no profile has the pods' scheduler: nothing places their replacements");
    let strict = nodeferry(&dir, &[&args[..], &["--strict"]].concat());
    assert!(strict.status == 2 && strict.stderr.contains("scheduler-extender"), "{}", strict.stderr);
}

#[test]
fn a_profile_of_their_own_places_pods_that_name_it() {
    let dir = Dir::new();
    let named = SPREADS.replace("spec: {containers", "spec: {schedulerName: packer, containers");
    let named = named.replace("spec: {nodeName", "spec: {schedulerName: packer, nodeName");
    let cluster = dir.file("cluster.yaml", &named);
    let alone = nodeferry(&dir, &["plan", &cluster, "-o", "json"]);
    assert!(codes(&json(&alone)).iter().any(|c| c == "other-scheduler"));
    assert_eq!(alone.status, 3);
    let config = PACKING
        .replace("- schedulerName: default-scheduler", "- schedulerName: default-scheduler\n- schedulerName: packer");
    let config = dir.file("scheduler.yaml", &config);
    let served = nodeferry(&dir, &["plan", &cluster, "--scheduler-config", &config, "-o", "json"]);
    assert!(!codes(&json(&served)).iter().any(|c| c == "other-scheduler"));
    assert_eq!(served.status, 0, "{}", served.stdout);
}

#[test]
fn the_version_decides_whose_rules_hold() {
    let dir = Dir::new();
    let cluster = dir.file("cluster.yaml", SPREADS);
    let cause = |args: &[&str]| {
        let ran = nodeferry(&dir, &[&["plan", cluster.as_str(), "-o", "json"], args].concat());
        json(&ran)["failures"][0]["cause"].as_str().map(str::to_owned).unwrap_or_default()
    };
    let claims = "no new claims to deallocate";
    assert!(cause(&[]).contains(claims), "the kubelets are of 1.36");
    assert!(!cause(&["--kubernetes-version", "v1.33.4"]).contains(claims));
    let older = SPREADS.replacen("v1.36.3", "v1.33.1", 4).replace("v1.36.3", "v1.34.0");
    let ran =
        nodeferry(&dir, &["plan", &dir.file("older.yaml", &older), "-o", "json", "--plan", &dir.path("plan.json")]);
    let result = json(&ran);
    assert!(codes(&result).iter().any(|c| c == "kubelets-differ"), "the newest counts: {:?}", codes(&result));
    let plan: Value =
        serde_json::from_str(&std::fs::read_to_string(dir.path("plan.json")).expect("a plan")).expect("JSON");
    assert_eq!(plan["simulation"]["scheduler"]["kubernetes"], "1.34");
    let scenario = dir.file("said.yaml", &format!("kubernetes: \"1.33\"\n{SPREADS}"));
    let ran = nodeferry(&dir, &["plan", &scenario, "-o", "json"]);
    assert!(!json(&ran)["failures"][0]["cause"].as_str().unwrap_or_default().contains(claims));
}

/// `verdicts.jsonl`: what kube-scheduler 1.36.3 said of some hundred configurations, given to it with `--config` and
/// `--write-config-to`. Refused beyond that are only those by which it fails every pod.
#[test]
fn configurations_are_refused_where_the_real_scheduler_refused_them() {
    use nodeferry::cluster::Catalog;
    use nodeferry::scheduler::SchedulerConfig;
    let (mut refused, mut useless) = (0, 0);
    for line in include_str!("scheduler_config/verdicts.jsonl").lines() {
        let mut verdict: Value = serde_json::from_str(line).expect("a verdict");
        let mut config = verdict["config"].take();
        config["apiVersion"] = "kubescheduler.config.k8s.io/v1".into();
        config["kind"] = "KubeSchedulerConfiguration".into();
        let ours = SchedulerConfig::from_value(&config, &mut Catalog::new());
        match (verdict["accepted"] == true, ours) {
            (true, Ok(_)) => {}
            (true, Err(e)) => {
                assert!(e.to_string().contains("fails every pod"), "{line}: {e}");
                useless += 1;
            }
            (false, Ok(_)) => panic!("not refused: {line}"),
            (false, Err(_)) => refused += 1,
        }
    }
    assert!(refused > 200 && useless < 20, "{refused} refused, {useless} useless");
}
