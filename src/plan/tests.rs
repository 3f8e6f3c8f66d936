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
    let facts = Facts { view: w.view(), old: &old, options, templates: &templates, budgets: &budgets };
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
