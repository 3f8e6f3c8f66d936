//! The documentation, and plans of small applications.

use super::analysis::analyse;
use super::plan::{Action, TransferPlan, WaveName};
use super::planner::{PlanOptions, plan};
use super::render::render;
use super::rules::tests::{inventory, mapping};
use super::rules::{Ground, RULES, Standing, standing};
use super::{Commands, Places};
use std::fmt::Write;

/// docs/transfer.md holds the table of codes as it is; NODEFERRY_BLESS=1 writes it.
#[test]
fn the_documentation_lists_every_code() {
    let mut table = String::new();
    for rule in RULES {
        let _ = write!(table, "\n### {}\n\n| code | | |\n|---|---|---|\n", rule.subject);
        for code in rule.codes {
            let _ = writeln!(table, "| `{}` | {} | {} |", code.code, code.severity.text(), code.what);
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/transfer.md");
    let text = std::fs::read_to_string(path).expect("docs/transfer.md");
    let (begin, end) = ("<!-- codes -->\n", "\n<!-- end of codes -->");
    let (head, rest) = text.split_once(begin).expect("the beginning of the codes");
    let (_, tail) = rest.split_once(end).expect("the end of the codes");
    let wanted = format!("{head}{begin}{table}{end}{tail}");
    if std::env::var_os("NODEFERRY_BLESS").is_some() {
        std::fs::write(path, wanted).expect("written");
    } else {
        assert!(text == wanted, "docs/transfer.md is not what the code says; run with NODEFERRY_BLESS=1");
    }
}

const SHOP: &str = include_str!("../../tests/it/transfer/shop.yaml");
const ANSWERS: &str = include_str!("../../tests/it/transfer/shop-mapping.yaml");

fn planned(objects: &str, answers: &str) -> TransferPlan {
    let (inventory, mapping) = (inventory(objects), mapping(answers));
    let judged = analyse(&inventory, &mapping);
    let open: Vec<String> =
        judged.analysis.summary().open.iter().map(|f| format!("{} {} {}", f.code, f.object, f.field)).collect();
    assert!(open.is_empty(), "{open:#?}");
    let rendered = render(&inventory, &judged.found);
    plan(&Ground { inventory: &inventory, mapping: &mapping }, &judged, &rendered, &PlanOptions::default(), None)
        .expect("a plan")
}

#[test]
fn a_plan_is_read_back_and_does_not_contradict_itself() {
    let plan = planned(SHOP, ANSWERS);
    assert_eq!(plan.problems(), Vec::<String>::new());
    let text = crate::typed::pretty(&plan).expect("JSON");
    assert_eq!(TransferPlan::parse(&text), Ok(plan.clone()));
    assert_eq!(crate::typed::pretty(&planned(SHOP, ANSWERS)).expect("JSON"), text, "the same bytes");
    let waves: Vec<WaveName> = plan.waves.iter().map(|w| w.name).collect();
    assert_eq!(waves, [WaveName::W0, WaveName::W1, WaveName::W2, WaveName::W3, WaveName::W4]);
}

#[test]
fn data_is_fenced_backed_up_demanded_copied_and_restored_in_this_order() {
    let plan = planned(SHOP, ANSWERS);
    let wave = plan.waves.iter().find(|w| w.name == WaveName::W2).expect("data moves");
    let ids: Vec<&str> = wave.steps.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "w2.apply.shop",
            "w2.gate.labels.shop",
            "w2.fence.shop",
            "w2.backup.shop",
            "w2.volumes.shop",
            "w2.copy.shop",
            "w2.sync.shop",
            "w2.restore.shop",
            "w2.settle.shop",
            "w2.verify.shop-statefulset-db"
        ]
    );
    let action = |id: &str| wave.steps.iter().find(|s| s.id == id).map(|s| s.action.clone()).expect("the step");
    let Action::DemandVolumeBackups { claims, .. } = action("w2.volumes.shop") else { panic!("another action") };
    assert_eq!(claims.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["data-db-0", "data-db-1"]);
    let Action::Fence { policies, .. } = action("w2.fence.shop") else { panic!("another action") };
    assert_eq!(policies[0]["spec"]["podSelector"]["matchLabels"]["app"], "db");
    let Action::Gate { commands, .. } = action("w2.gate.labels.shop") else { panic!("another action") };
    assert_eq!(commands, ["kubectl label statefulset db -n shop app=db"]);
    let Action::CopyStore { bytes, command } = action("w2.copy.shop") else { panic!("another action") };
    assert_eq!(bytes, Some(2 * (8 << 30)));
    assert_eq!(
        command,
        "azcopy copy 'https://s3.eu-west-1.amazonaws.com/shop-velero/*' https://shopvelero.blob.core.windows.net/backups --recursive"
    );
    let back: Vec<&str> = wave.rollback.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(back, ["w2.undo.restore.shop", "w2.undo.fence.shop", "w2.undo.apply"]);
    let modifiers =
        plan.velero.resource_modifiers.as_ref().and_then(|m| m["data"]["modifiers.yaml"].as_str()).expect("modifiers");
    assert!(
        modifiers.contains("groupResource: statefulsets.apps") && modifiers.contains("groupResource: pods"),
        "{modifiers}"
    );
    assert_eq!(
        plan.velero.class_map.as_ref().map(|m| m["data"].clone()),
        Some(serde_json::json!({"gp3": "managed-csi-premium"}))
    );
}

#[test]
fn one_probe_for_each_registry_and_identity_and_open_items_refuse_the_cut_over() {
    let plan = planned(SHOP, ANSWERS);
    let probes = plan.steps().filter(|(_, s)| matches!(s.action, Action::ProbePull { .. })).count();
    assert_eq!(probes, 2, "the account api and the default one pull from the registry");
    assert_eq!(plan.exit_status, 4, "the checklist is open");
    let gates = plan.waves.last().map(|w| w.steps.iter().filter(|s| s.id.starts_with("w4.gate.")).count());
    assert_eq!(gates, Some(plan.checklist.iter().filter(|c| c.mandatory).count()));
    let evidence: String = plan.checklist.iter().map(|c| format!("  {}: seen\n", c.name)).collect();
    assert_eq!(planned(SHOP, &format!("{ANSWERS}checklist:\n{evidence}")).exit_status, 0);
    let cut_over = plan.steps().find_map(|(_, s)| match &s.action {
        Action::CutOver { hosts, .. } => Some(hosts.clone()),
        _ => None,
    });
    let hosts = cut_over.expect("names change");
    assert_eq!(
        hosts.iter().map(|h| format!("{} {}", h.host, h.target)).collect::<Vec<_>>(),
        [" Service/shop/metrics", "shop.example.com Gateway.gateway.networking.k8s.io/shop/web"]
    );
}

#[test]
fn what_a_plan_runs_needs_no_shell_and_no_address_before_there_is_one() {
    let zones = ANSWERS.replace("ingress:\n", "ingress:\n  dns_zones: {example.com: names, com: all}\n");
    let commands_of = |answers: &str| -> Vec<String> {
        let plan = planned(SHOP, answers);
        let step = plan.steps().find(|(_, s)| s.id == "w4.cut-over").expect("names change").1;
        let (none, addresses) = (Places::default(), Commands::addresses(step, &Places::default()));
        let names: Vec<&str> = addresses.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ADDRESS_OF_Gateway.gateway.networking.k8s.io/shop/web"]);
        // Whoever knows the address beforehand gives it.
        let given = Places::of(&[format!("{}=192.0.2.1", names[0])]).expect("a place");
        assert!(Commands::addresses(step, &given).is_empty());
        assert_eq!(Commands::words(step, &none).is_ok(), !Commands::of(step)[0].contains("<DNS_"));
        Commands::of(step).into_iter().map(str::to_owned).collect()
    };
    let address = "<ADDRESS_OF_Gateway.gateway.networking.k8s.io/shop/web>";
    let record = "az network dns record-set a add-record -g";
    assert_eq!(commands_of(&zones), [format!("{record} names -z example.com -n shop -a {address}")]);
    assert_eq!(
        commands_of(ANSWERS),
        [format!(
            "{record} <DNS_RESOURCE_GROUP> -z <DNS_ZONE_OF_shop-example-com> -n <DNS_RECORD_OF_shop-example-com> -a {address}"
        )]
    );
    let own = ANSWERS.replace("ingress:\n", "ingress:\n  dns_command: ./dns.sh <HOST> <ADDRESS>\n");
    assert_eq!(commands_of(&own), [format!("./dns.sh shop.example.com {address}")]);
    assert!(mapping("ingress: {dns_command: ./dns.sh <HOST>}").problems(&[])[0].contains("without <ADDRESS>"));
    let plan = planned(SHOP, ANSWERS);
    let imports = plan.steps().filter_map(|(_, s)| match &s.action {
        Action::ImportImage { .. } => Some(Commands::words(s, &Places::default()).expect("words")),
        _ => None,
    });
    // A password that another program prints is put in by a shell, which must be named.
    for words in imports.flatten() {
        let asks_a_shell = words.iter().any(|w| w.contains("$("));
        assert!(!asks_a_shell || (words[..2] == ["sh", "-c"] && words.len() == 3), "{words:?}");
    }
}

#[test]
fn velero_and_what_nodeferry_was_given_stay_where_they_are() {
    let all = inventory(
        "
apiVersion: v1
kind: Namespace
metadata: {name: velero}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: velero, namespace: backups, labels: {component: velero}}
spec: {template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: velero/velero:v1.18.3}]}}}
---
apiVersion: v1
kind: Secret
metadata: {name: velero-repo-credentials, namespace: velero}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: velero, labels: {app.kubernetes.io/name: velero}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: nodeferry-transfer}
---
apiVersion: velero.io/v1
kind: Backup
metadata: {name: nightly, namespace: velero}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: backups.velero.io}
spec: {group: velero.io, scope: Namespaced, names: {kind: Backup}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: nodeferry-of-ours, namespace: shop}
",
    );
    let moving: Vec<&str> = all.items().filter(|i| standing(i) == Standing::Moves).map(|i| i.id.as_str()).collect();
    assert_eq!(moving, ["ConfigMap/shop/nodeferry-of-ours"]);
    assert!(all.items().all(|i| standing(i) != Standing::Secret));
}

#[test]
fn a_namespace_that_no_manifest_has_is_made_before_what_is_in_it() {
    let objects = SHOP.split("---\n").filter(|d| !d.contains("kind: Namespace")).collect::<Vec<_>>().join("---\n");
    let plan = planned(&objects, ANSWERS);
    let step = plan.steps().find(|(_, s)| s.id == "w0.apply").expect("the platform").1;
    let Action::Apply { objects } = &step.action else { panic!("another action") };
    assert_eq!(objects[0].as_str(), "Namespace/shop");
    assert_eq!(
        plan.object(&objects[0]).map(|o| o.object["metadata"].clone()),
        Some(serde_json::json!({"name": "shop"}))
    );
    assert_eq!(plan.problems(), Vec::<String>::new());
    let with = planned(SHOP, ANSWERS);
    assert_eq!(with.findings.notes + 1, plan.findings.notes, "and it is said");
}
