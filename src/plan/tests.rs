//! Findings, rule by rule; the plan document.

use super::preflight::{Facts, preflight};
use super::*;
use crate::cluster::*;
use crate::disruption::BudgetIndex;
use crate::groups::Templates;
use crate::intent::options::ProcedureKind;
use crate::intent::{Intent, Options};
use crate::runner::testing::World;

fn codes(w: &World, old: &[u32], options: &Options) -> Vec<(String, String)> {
    let old: Vec<NodeIdx> = old.iter().map(|n| NodeIdx(*n)).collect();
    let (templates, budgets) = (Templates::new(w.view()), BudgetIndex::new(&w.catalog));
    let facts =
        Facts { view: w.view(), old: &old, options, templates: &templates, budgets: &budgets, given_run: &|_| None };
    preflight(&facts).into_iter().map(|f| (f.code, f.object)).collect()
}

fn has(found: &[(String, String)], code: &str, object: &str) -> bool {
    found.iter().any(|(c, o)| c == code && o == object)
}

#[test]
fn budgets_that_can_never_be_met_are_told_from_those_that_wait() {
    let mut w = World::new(1, 1, &[("a", &[0]), ("b", &[0]), ("c", &[0, 0]), ("d", &[0])]);
    w.budget("a-pdb", "a", Some(Demand::MaxUnavailable(Amount::Count(0))));
    w.budget("b-pdb", "b", Some(Demand::MinAvailable(Amount::Percent(100))));
    let c = w.budget("c-pdb", "c", Some(Demand::MinAvailable(Amount::Count(1))));
    w.state.set_budget(c, BudgetStatus { expected: 2, healthy: 1, desired: 1, ..BudgetStatus::default() });
    w.budget("d-pdb", "d", Some(Demand::MaxUnavailable(Amount::Count(1))));
    w.budget("d-pdb-2", "d", Some(Demand::MaxUnavailable(Amount::Count(1))));
    let found = codes(&w, &[0], &Options::default());
    assert!(has(&found, "budget-never-met", "PodDisruptionBudget/default/a-pdb"), "{found:?}");
    assert!(has(&found, "budget-never-met", "PodDisruptionBudget/default/b-pdb"));
    assert!(has(&found, "budget-exhausted-now", "PodDisruptionBudget/default/c-pdb"));
    assert!(has(&found, "two-budgets", "Deployment/default/d"));
    assert_eq!(found.iter().filter(|f| f.0 == "budget-never-met").count(), 2);
}

#[test]
fn a_budget_over_several_workloads_names_them() {
    let mut w = World::new(1, 1, &[("a", &[0]), ("b", &[0])]);
    let pdb = w.budget("pdb", "a", Some(Demand::MaxUnavailable(Amount::Count(0))));
    w.catalog.budgets[pdb].selector = Selector::All(Vec::new());
    let old = [NodeIdx(0)];
    let (templates, budgets) = (Templates::new(w.view()), BudgetIndex::new(&w.catalog));
    let options = Options::default();
    let facts = Facts {
        view: w.view(),
        old: &old,
        options: &options,
        templates: &templates,
        budgets: &budgets,
        given_run: &|_| None,
    };
    let found = preflight(&facts).into_iter().find(|f| f.code == "budget-never-met").expect("a finding");
    let named = "(of Deployment/default/a, Deployment/default/b, which the budget counts together)";
    assert!(found.message.contains(named), "{}", found.message);
}

#[test]
fn stand_alone_pods_are_lost_or_hold_their_node() {
    let mut w = World::new(1, 1, &[("a", &[0])]);
    w.stand_alone("lone", 0);
    let mut o = Options::default();
    assert!(has(&codes(&w, &[0], &o), "stand-alone-pod-holds-node", "Pod/default/lone"));
    o.kubectl_drain.force = true;
    assert!(has(&codes(&w, &[0], &o), "stand-alone-pod-lost", "Pod/default/lone"));
    o.procedure = ProcedureKind::OceanAzure;
    assert!(has(&codes(&w, &[0], &o), "stand-alone-pod-lost", "Pod/default/lone"));
}

#[test]
fn daemon_sets_are_refused_without_their_flag_and_where_they_are_gone() {
    let mut w = World::new(1, 1, &[("a", &[0])]);
    let owner = w.catalog.specs[SpecIdx(0)].owner.expect("a controller");
    w.catalog.owners[owner].kind = OwnerKind::DaemonSet;
    let object = w.catalog.owner_text(owner);
    let found = |w: &World, ignore, force| {
        let mut o = Options::default();
        (o.kubectl_drain.ignore_daemonsets, o.kubectl_drain.force) = (ignore, force);
        let found = codes(w, &[0], &o).into_iter().filter(|f| f.1 == object && f.0.starts_with("daemonset"));
        found.map(|f| f.0).collect::<Vec<_>>()
    };
    assert_eq!(found(&w, false, false), ["daemonset-refused"]);
    assert_eq!(found(&w, true, false), [""; 0]);
    w.catalog.owners[owner].missing = true;
    assert_eq!(found(&w, true, false), ["daemonset-missing"], "kubectl asks for the DaemonSet, whatever the flag says");
    assert_eq!(found(&w, true, true), [""; 0]);
}

#[test]
fn an_old_node_that_is_not_ready_is_warned_of() {
    let mut w = World::new(2, 1, &[("a", &[0])]);
    w.state.set_node_ready(NodeIdx(1), false);
    let found = codes(&w, &[0, 1], &Options::default());
    assert!(has(&found, "old-node-not-ready", "Node/old-1") && !has(&found, "old-node-not-ready", "Node/old-0"));
}

#[test]
fn a_finalizer_is_warned_of_but_a_jobs_own() {
    let mut w = World::new(1, 1, &[("a", &[0])]);
    let warned = |w: &World| has(&codes(w, &[0], &Options::default()), "pod-finalizer", "Deployment/default/a");
    let job = w.catalog.names.intern("batch.kubernetes.io/job-tracking");
    w.catalog.specs[SpecIdx(0)].finalizers = vec![job];
    assert!(!warned(&w));
    let other = w.catalog.names.intern("example.com/hold");
    w.catalog.specs[SpecIdx(0)].finalizers.push(other);
    assert!(warned(&w));
}

#[test]
fn pods_that_restrict_scale_down_hold_their_node_or_are_named() {
    let mut w = World::new(1, 1, &[("a", &[0])]);
    let [key, value] =
        ["cluster-autoscaler.kubernetes.io/safe-to-evict", "false"].map(|text| w.catalog.names.intern(text));
    w.catalog.specs[SpecIdx(0)].annotations = vec![(key, value)];
    let mut o = Options { procedure: ProcedureKind::OceanAzure, ..Options::default() };
    let code = |w: &World, o: &Options| {
        let found = codes(w, &[0], o).into_iter().map(|f| f.0);
        found.filter(|code| code.starts_with("restrict-scale-down")).collect::<Vec<_>>()
    };
    o.ocean.respect_restrict_scale_down = true;
    assert_eq!(code(&w, &o), ["restrict-scale-down"]);
    o.ocean.respect_restrict_scale_down = false;
    assert_eq!(code(&w, &o), ["restrict-scale-down-ignored"]);
    o.procedure = ProcedureKind::KubectlDrain;
    assert_eq!(code(&w, &o), [""; 0], "kubectl drain knows no such marks");
}

#[test]
fn a_pod_that_nothing_can_host_is_found() {
    let w = World::new(1, 0, &[("a", &[0])]);
    // The group has no machine type, and no node remains.
    assert!(has(&codes(&w, &[0], &Options::default()), "pod-no-host", "Deployment/default/a"));
    let w = World::new(1, 1, &[("a", &[0])]);
    assert_eq!(codes(&w, &[0], &Options::default()), []);
}

#[test]
fn a_plan_is_written_and_read_back() {
    let w = World::new(2, 1, &[("a", &[0])]);
    let intent = Intent::new(w.view(), &[vec![NodeIdx(0)], vec![NodeIdx(1)]], Options::default());
    let plan = Plan::new(intent, Baseline::of(w.view(), "00"));
    let text = serde_json::to_string_pretty(&plan).expect("serialises");
    assert_eq!(Plan::parse(&text).expect("parses"), plan);
    assert!(Plan::parse("{}").expect_err("no version").contains("plan_version is missing"));
    let of_version = |v: u32| Plan::parse(&text.replace("\"plan_version\": 2", &format!("\"plan_version\": {v}")));
    let newer = of_version(9).expect_err("newer");
    assert!(newer.contains("plan_version is 9") && newer.contains("reads version 2"), "{newer}");
    let older = of_version(1).expect_err("older");
    assert!(older.contains("plan_version is 1") && older.contains("make the plan again"), "{older}");
    assert!(
        older.ends_with("nodeferry plan DUMP --nodes old-0,old-1 --procedure kubectl-drain --plan FILE"),
        "{older}"
    );
    assert!(Plan::parse(&text.replace("\"batches\"", "\"batchez\"")).expect_err("typo").contains("intent"));
    let later = Baseline::of(World::new(1, 1, &[("a", &[0])]).view(), "00");
    assert!(plan.baseline.drift(&later).contains(&"node old-1 is gone".to_owned()));
}

#[test]
fn a_plan_that_names_a_node_twice_is_refused() {
    let w = World::new(3, 1, &[("a", &[0])]);
    let told = |batches: &[&[usize]], edit: &dyn Fn(&mut Intent)| {
        let batches: Vec<Vec<NodeIdx>> =
            batches.iter().map(|b| b.iter().map(|n| NodeIdx(*n as u32)).collect()).collect();
        let mut intent = Intent::new(w.view(), &batches, Options::default());
        edit(&mut intent);
        let plan = Plan::new(intent, Baseline::of(w.view(), "00"));
        let read = Plan::parse(&serde_json::to_string(&plan).expect("serialises")).map(drop);
        assert_eq!(read, plan.intent.names_each_once());
        assert_eq!(read.is_err(), plan.intent.resolve(w.view()).is_err());
        let intent = std::sync::Arc::new(plan.intent);
        let runner = crate::runner::Runner::new(intent, w.view(), std::sync::Arc::new(crate::runner::NoLaunches));
        assert_eq!(runner.err(), read.clone().err());
        read.err().unwrap_or_default()
    };
    assert_eq!(told(&[&[0, 1], &[2]], &|_| ()), "");
    let advice = "take it out of one place, or plan again";
    assert_eq!(told(&[&[0, 1, 0]], &|_| ()), format!("the plan names node old-0 twice in batch 1: {advice}"));
    let two = format!("the plan names node old-0 in batch 1 and again in batch 2: {advice}");
    assert_eq!(told(&[&[0, 1], &[2, 0]], &|_| ()), two);
    // The same name with another uid, and the same uid with another name.
    assert_eq!(told(&[&[0, 1], &[2, 0]], &|i| i.batches[1][1].uid = "another".into()), two);
    let uid = told(&[&[0, 1], &[2]], &|i| i.batches[1][0].uid = "old-0".into());
    let both = "in batch 1 and again in batch 2 (as node old-0 and as node old-2)";
    assert_eq!(uid, format!("the plan names the node of uid old-0 {both}: {advice}"));
}
