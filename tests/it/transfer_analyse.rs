//! `nodeferry transfer` as people meet it: analysis, mapping, rendering, plan.

use super::cli::{Dir, Ran, nodeferry};
use serde_json::Value;
use std::path::Path;

const SHOP: &str = include_str!("transfer/shop.yaml");
const MAPPING: &str = include_str!("transfer/shop-mapping.yaml");
const YELB: &str = include_str!("transfer/votes.yaml");
const QUEUE: &str = include_str!("transfer/queue.yaml");
const QUEUE_MAPPING: &str = include_str!("transfer/queue-mapping.yaml");

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", ran.stdout, ran.stderr))
}

fn codes(analysis: &Value) -> Vec<String> {
    let findings = analysis["findings"].as_array().expect("findings");
    findings
        .iter()
        .map(|f| format!("{} {}", f["code"].as_str().unwrap_or("?"), f["object"].as_str().unwrap_or("?")))
        .collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All files below a directory with their texts.
fn files(of: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut next = vec![of.to_owned()];
    while let Some(directory) = next.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                next.push(path)
            } else {
                all.push((path.strip_prefix(of).expect("below").display().to_string(), read(&path)))
            }
        }
    }
    all.sort();
    all
}

#[test]
fn a_mapping_is_written_filled_in_and_everything_is_rendered() {
    let dir = Dir::new();
    let (shop, mapping, out) = (dir.file("shop.yaml", SHOP), dir.path("mapping.yaml"), dir.path("target"));
    let ran = nodeferry(&dir, &["transfer", "analyse", &shop, "--write-mapping", &mapping, "-o", "json"]);
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    let paths: Vec<String> = json(&ran)["questions"]
        .as_array()
        .expect("questions")
        .iter()
        .map(|q| q["path"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            "endpoints[\"https://sqs.eu-west-1.amazonaws.com/123456789012/orders\"]",
            "identities[\"arn:aws:iam::123456789012:role/shop-api\"].client_id",
            "ingress.certificates[\"shop.example.com\"]",
            "node_labels[\"eks.amazonaws.com/nodegroup=data\"]",
            "registries[\"123456789012.dkr.ecr.eu-west-1.amazonaws.com\"]",
            "storage_classes.gp3",
            "target.kubernetes_version",
        ]
    );
    let written = read(Path::new(&mapping));
    for part in [
        "transfer_mapping: 1\n",
        "\"123456789012.dkr.ecr.eu-west-1.amazonaws.com\": null",
        "gp3: null",
        "Usually managed-csi.",
        "  alerting: null",
    ] {
        assert!(written.contains(part), "{part:?} is not in {written}");
    }
    // The skeleton is a mapping, and says nothing.
    let again = nodeferry(&dir, &["transfer", "analyse", &shop, "--mapping", &mapping, "-o", "json"]);
    let places = |ran: &Ran| -> Vec<Value> {
        json(ran)["questions"].as_array().expect("questions").iter().map(|q| q["path"].clone()).collect()
    };
    assert_eq!((again.status, places(&again)), (3, places(&ran)));
    let kept = nodeferry(&dir, &["transfer", "analyse", &shop, "--write-mapping", &mapping]);
    assert!(kept.status == 2 && kept.stderr.contains("exists; give another name"), "{}", kept.stderr);
    let refused = nodeferry(&dir, &["transfer", "render", &shop, "--out", &out]);
    assert!(refused.status == 3 && refused.stderr.contains("nothing is written"), "{}", refused.stderr);
    assert!(!Path::new(&out).exists());

    let mapping = dir.file("answers.yaml", MAPPING);
    let ran = nodeferry(&dir, &["transfer", "render", &shop, "--mapping", &mapping, "--out", &out]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let all = files(Path::new(&out));
    let text = |name: &str| {
        all.iter().find(|(n, _)| n == name).map_or_else(
            || panic!("no {name} among {:?}", all.iter().map(|(n, _)| n).collect::<Vec<_>>()),
            |(_, t)| t.as_str(),
        )
    };
    for (name, text) in all.iter().filter(|(n, _)| n.starts_with("manifests/") || n.starts_with("velero/target")) {
        // What is left of AWS are Velero's maps, which name what is replaced.
        let aws = text.contains("amazonaws.com") || text.contains("eks.") || text.contains("alb.ingress");
        assert!(!aws || name.starts_with("velero/"), "{name}: {text}");
    }
    assert!(text("identities.sh").contains("--subject system:serviceaccount:shop:api "), "{}", text("identities.sh"));
    assert!(text("images.sh").contains("az acr import --name shop --source 123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api:2.3.1 --image shop/api:2.3.1"), "{}", text("images.sh"));
    assert!(text("secrets.md").contains("## shop/db") && text("secrets.md").contains("--from-file=password=<FILE>"));
    assert!(
        text("review.diff").contains("+        image: shop.azurecr.io/shop/web:2.3.1  # transfer-image\n"),
        "{}",
        text("review.diff")
    );
    assert!(text("checklist.md").contains("- [ ] alerting (mandatory"));
    // Every changed line names a finding.
    for line in text("review.diff")
        .lines()
        .filter(|l| (l.starts_with('+') || l.starts_with('-')) && !l.starts_with("+++") && !l.starts_with("---"))
    {
        let whole = line.contains("  # transfer-");
        assert!(whole || is_of_whole_object(text("review.diff"), line), "{line}");
    }
    // The same bytes again, and nothing of others is overwritten.
    let second = dir.path("again");
    nodeferry(&dir, &["transfer", "render", &shop, "--mapping", &mapping, "--out", &second]);
    assert_eq!(files(Path::new(&second)), all);
    let refused = nodeferry(&dir, &["transfer", "render", &shop, "--mapping", &mapping, "--out", &out]);
    assert!(refused.status == 2 && refused.stderr.contains("--overwrite"), "{}", refused.stderr);
    let over = nodeferry(&dir, &["transfer", "render", &shop, "--mapping", &mapping, "--out", &out, "--overwrite"]);
    assert_eq!(over.status, 0, "{}", over.stderr);
}

/// Whether a line of the diff is of an object that comes or goes, whose head names the finding.
fn is_of_whole_object(diff: &str, line: &str) -> bool {
    let mut head = "";
    for l in diff.lines() {
        if l.starts_with("+++") {
            head = l;
        } else if l == line && (head.contains("not rendered  # transfer-") || head.contains("made from")) {
            return true;
        }
    }
    false
}

#[test]
fn a_plan_is_written_with_its_graph() {
    let dir = Dir::new();
    let (shop, mapping) = (dir.file("shop.yaml", SHOP), dir.file("mapping.yaml", MAPPING));
    let (plan, dot, svg) = (dir.path("plan.json"), dir.path("graph.dot"), dir.path("graph.svg"));
    let ran = nodeferry(
        &dir,
        &["transfer", "plan", &shop, "--mapping", &mapping, "--plan", &plan, "--dot", &dot, "--svg", &svg],
    );
    assert_eq!(ran.status, 4, "the checklist is open: {}{}", ran.stdout, ran.stderr);
    for part in [
        "W2: workloads with data",
        "StatefulSet.apps/shop/db, 2 pods, 16 GiB of volumes",
        "azure-cni-cilium (chosen)",
        "Critical path",
        "The cut-over is refused until there is evidence",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in {}", ran.stdout);
    }
    let plan: Value = serde_json::from_str(&read(Path::new(&plan))).expect("JSON");
    assert_eq!(plan["transfer_plan_version"], 1);
    assert!(read(Path::new(&dot)).starts_with("digraph transfer {") && read(Path::new(&svg)).starts_with("<svg "));
    let schema = nodeferry(&dir, &["schema", "transfer-plan"]);
    assert!(schema.status == 0 && schema.stdout.contains("resource_modifiers"));
}

#[test]
fn bad_input_is_named_with_file_line_and_remedy() {
    let dir = Dir::new();
    let shop = dir.file("shop.yaml", SHOP);
    for (name, text, flag, parts) in [
        (
            "chart.yaml",
            "kind: Service\nmetadata:\n  name: {{ .Release.Name }}\n",
            "",
            &["chart.yaml, line 3", "helm template"][..],
        ),
        (
            "bad.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {}\n",
            "",
            &["bad.yaml, line 1: Service has no metadata.name"],
        ),
        ("mapping.yaml", "transfer_mapping: 1\nregistry: {}\n", "--mapping", &["mapping.yaml", "registry", "expected"]),
        ("mapping.yaml", "transfer_mapping: 2\n", "--mapping", &["transfer_mapping is 2", "version 1"]),
        (
            "mapping.yaml",
            "transfer_mapping: 1\nregistries: {a.b: 'https://x.azurecr.io'}\n",
            "--mapping",
            &["without a scheme"],
        ),
        (
            "mapping.yaml",
            "transfer_mapping: 1\nchecklist: {alarm: yes it does}\n",
            "--mapping",
            &["checklist.alarm is no item", "alerting"],
        ),
    ] {
        let file = dir.file(name, text);
        let arguments = if flag.is_empty() {
            vec!["transfer", "analyse", &file]
        } else {
            vec!["transfer", "analyse", &shop, flag, &file]
        };
        let ran = nodeferry(&dir, &arguments);
        assert_eq!(ran.status, 2, "{}{}", ran.stdout, ran.stderr);
        parts.iter().for_each(|p| assert!(ran.stderr.contains(p), "{p:?} is not in {}", ran.stderr));
    }
}

#[test]
fn values_of_secrets_reach_no_output() {
    let dir = Dir::new();
    let secret =
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: shop}\nstringData: {password: hunter2}\n";
    let (shop, mapping, out) =
        (dir.file("shop.yaml", &(SHOP.to_owned() + secret)), dir.file("mapping.yaml", MAPPING), dir.path("target"));
    let plan = dir.path("plan.json");
    for arguments in [
        vec!["transfer", "analyse", &shop, "--mapping", &mapping, "-o", "json"],
        vec!["transfer", "render", &shop, "--mapping", &mapping, "--out", &out],
        vec!["transfer", "plan", &shop, "--mapping", &mapping, "--plan", &plan],
    ] {
        let ran = nodeferry(&dir, &arguments);
        assert!(!ran.stdout.contains("hunter2") && !ran.stderr.contains("hunter2"), "{arguments:?}");
    }
    assert!(!read(Path::new(&plan)).contains("hunter2"));
    assert!(files(Path::new(&out)).iter().all(|(_, text)| !text.contains("hunter2")));
}

/// A voting application of the shape of yelb: a front behind a public Ingress and a public load balancer, two services, a cache and a database
/// without volumes, all images public.
#[test]
fn votes_move_with_a_gateway_and_nothing_else_changed() {
    let dir = Dir::new();
    let (votes, mapping) = (
        dir.file("votes.yaml", YELB),
        dir.file("mapping.yaml", "transfer_mapping: 1\ntarget: {kubernetes_version: '1.34'}\n"),
    );
    let ran = nodeferry(&dir, &["transfer", "analyse", &votes, "--mapping", &mapping, "-o", "json"]);
    let analysis = json(&ran);
    let ingress = "Ingress.networking.k8s.io/votes/votes.app";
    assert_eq!(
        codes(&analysis),
        [
            format!("transfer-ingress {ingress}"),
            format!("transfer-ingress-annotation {ingress}"),
            "transfer-load-balancer-public Service/votes/ui".to_owned(),
        ]
    );
    assert_eq!(ran.status, 0);
    // With a firewall before it somebody has to say what takes its place.
    let waf = YELB.replace("target-type: ip\n", "target-type: ip\n    alb.ingress.kubernetes.io/wafv2-acl-arn: arn:aws:wafv2:us-east-2:123456789012:regional/webacl/votes/1\n");
    let guarded =
        nodeferry(&dir, &["transfer", "analyse", &dir.file("waf.yaml", &waf), "--mapping", &mapping, "-o", "json"]);
    assert_eq!(guarded.status, 3);
    assert!(codes(&json(&guarded)).contains(&format!("transfer-ingress-protection {ingress}")));
}

/// An event-driven application: a reader of a queue under an IAM role, scaled by KEDA, on nodes of Karpenter.
#[test]
fn a_reader_of_a_queue_moves_with_its_trigger_identity_and_pool() {
    let dir = Dir::new();
    let (queue, mapping, out) =
        (dir.file("queue.yaml", QUEUE), dir.file("mapping.yaml", QUEUE_MAPPING), dir.path("target"));
    let ran = nodeferry(&dir, &["transfer", "render", &queue, "--mapping", &mapping, "--out", &out]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let all = files(Path::new(&out));
    let names: Vec<&str> = all.iter().map(|(n, _)| n.as_str()).filter(|n| n.starts_with("manifests/")).collect();
    assert_eq!(
        names,
        [
            "manifests/0-cluster/0-namespace-jobs.yaml",
            "manifests/1-jobs/deployment-reader.yaml",
            "manifests/1-jobs/scaledobject-reader.yaml",
            "manifests/1-jobs/serviceaccount-reader.yaml",
            "manifests/1-jobs/triggerauthentication-aws.yaml",
        ],
        "nodes are made by pools of the plan"
    );
    let text = |name: &str| &all.iter().find(|(n, _)| n.ends_with(name)).expect("rendered").1;
    assert!(text("scaledobject-reader.yaml").contains("- type: azure-queue\n"), "{}", text("scaledobject-reader.yaml"));
    assert!(text("scaledobject-reader.yaml").contains("      accountName: jobsstore\n"));
    assert!(
        text("triggerauthentication-aws.yaml").contains("    identityId: \"99999999-aaaa-bbbb-cccc-dddddddddddd\"\n")
    );
    assert!(text("deployment-reader.yaml").contains("        azure.workload.identity/use: \"true\"\n"));
    assert!(text("identities.sh").contains("system:serviceaccount:kube-system:keda-operator"));
    let plan = nodeferry(&dir, &["transfer", "plan", &queue, "--mapping", &mapping, "-o", "json"]);
    let pools = json(&plan)["pools"].clone();
    assert_eq!(pools.as_array().map(Vec::len), Some(2), "{pools}");
    assert!(pools[1]["peak_nodes"].as_u64() > pools[1]["nodes"].as_u64(), "KEDA scales to 200 pods: {pools}");
}
