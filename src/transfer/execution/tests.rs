//! What is folded and what comes next; what Velero's objects say; commands and their places.

use super::*;
use crate::runner::Outcome;
use crate::trace::lines::{read, write};
use crate::transfer::plan::{Action, ClaimName, TransferPlan, WaveName};
use crate::transfer::{Commands, ObjectId, Places};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The plan of the scenarios `transfer-*`.
const SHOP: &str = include_str!("../../../scenarios/transfers/shop.json");

fn plan() -> TransferPlan {
    TransferPlan::parse(SHOP).expect("a plan")
}

fn began() -> Began {
    let at = |name: &str| Where { context: name.to_owned(), cluster: format!("u-{name}") };
    Began {
        transfer_journal_version: JOURNAL_VERSION,
        nodeferry: "0".to_owned(),
        execution: "run-1".to_owned(),
        source: at("eks"),
        target: at("aks"),
        unix_ms: 1_000,
        plan_sha256: "00".to_owned(),
        pass_env: Vec::new(),
        places: BTreeMap::new(),
        approved: Vec::new(),
        predicted: None,
        plan: plan(),
    }
}

/// A journal under way, and its state.
struct Trial {
    entries: Vec<Entry>,
    state: State,
}

impl Trial {
    fn new() -> Trial {
        let mut trial = Trial { entries: Vec::new(), state: State::new(began()) };
        trial.add(Record::Began(Box::new(began())));
        trial
    }

    fn add(&mut self, record: Record) {
        let seq = self.state.next_seq;
        let entry = Entry { seq, t_ms: i64::try_from(seq).expect("few") * 1_000, record };
        self.state.add(&entry);
        self.entries.push(entry);
    }

    fn begin(&mut self, step: &str) {
        self.add(Record::StepBegan { step: step.to_owned() });
    }

    fn done(&mut self, step: &str) {
        self.add(Record::StepDone { step: step.to_owned(), figures: BTreeMap::new() });
    }

    fn fail(&mut self, step: &str, reason: &str) {
        let (why, remedy) = ("it did".to_owned(), "mind it".to_owned());
        self.add(Record::StepFailed { step: step.to_owned(), reason: reason.to_owned(), why, remedy });
    }

    /// Goes on as an executor does, each step done, until a step is next, or to the end.
    fn until(&mut self, step: &str) {
        loop {
            match self.state.next() {
                Next::WaveBegins(wave) => self.add(Record::WaveBegan { wave }),
                Next::WaveEnds(wave) => self.add(Record::WaveEnded { wave }),
                Next::Step(next) if next.id == step => return,
                Next::Step(next) => {
                    self.begin(&next.id);
                    self.done(&next.id);
                }
                Next::Failed(_) | Next::Over => return,
            }
        }
    }

    fn next_step(&self) -> String {
        match self.state.next() {
            Next::Step(step) => step.id,
            other => format!("{other:?}"),
        }
    }
}

#[test]
fn steps_come_in_the_order_of_the_plan_and_waves_end() {
    let mut trial = Trial::new();
    trial.until("no such step");
    assert_eq!(trial.state.next(), Next::Over);
    let ids: Vec<&str> = trial.state.began.plan.waves.iter().flat_map(|w| &w.steps).map(|s| s.id.as_str()).collect();
    let done: Vec<&str> = trial
        .entries
        .iter()
        .filter_map(|e| match &e.record {
            Record::StepDone { step, .. } => Some(step.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(done, ids);
    assert!(trial.state.waves.values().all(|(_, ended)| ended.is_some()), "{:?}", trial.state.waves);
    let (outcome, message, _) = trial.state.ending();
    assert_eq!((outcome, message.contains("names point there")), (Outcome::Completed, true), "{message}");
}

#[test]
fn a_journal_cut_at_any_byte_is_a_shorter_one_and_another_process_knows_as_much() {
    let mut trial = Trial::new();
    trial.until("w2.restore.shop");
    let bytes: Vec<u8> = trial.entries.iter().flat_map(|e| write(e).expect("a line")).collect();
    let (back, kept) = read::<Entry>(&bytes).expect("a journal");
    assert_eq!((&back, kept), (&trial.entries, bytes.len() as u64));
    assert_eq!(State::fold(&back), Some(trial.state.clone()));
    for cut in (0..bytes.len()).step_by(7) {
        let (some, _) = read::<Entry>(&bytes[..cut]).expect("a shorter journal");
        assert_eq!(some, trial.entries[..some.len()]);
    }
    let other = String::from_utf8(bytes).expect("text").replacen(
        "\"transfer_journal_version\":1",
        "\"transfer_journal_version\":9",
        1,
    );
    let said = read::<Entry>(other.as_bytes()).expect_err("another version").to_string();
    assert!(said.contains("transfer_journal_version is 9; this nodeferry reads 1"), "{said}");
}

#[test]
fn a_backup_without_a_claim_is_made_again_under_another_name() {
    let mut trial = Trial::new();
    trial.until("w2.demand.shop");
    trial.begin("w2.demand.shop");
    trial.fail("w2.demand.shop", "transfer-volume-skipped");
    assert!(matches!(trial.state.next(), Next::Failed(f) if f.reason == "transfer-volume-skipped"));
    let from = trial.state.retry_from("w2.demand.shop");
    assert_eq!(from, "w2.backup.shop");
    trial.add(Record::Resumed);
    trial.add(Record::Retried { from });
    assert_eq!(trial.next_step(), "w2.backup.shop");
    assert_eq!(trial.state.backup_name("shop"), "shop-2");
    // What was never begun has its first name still.
    assert_eq!(trial.state.restore_name("shop"), "shop");
    trial.until("w2.restore.shop");
    trial.begin("w2.restore.shop");
    trial.fail("w2.restore.shop", "transfer-restore-failed");
    trial.add(Record::Retried { from: trial.state.retry_from("w2.restore.shop") });
    assert_eq!(trial.next_step(), "w2.restore.shop");
    assert_eq!((trial.state.backup_name("shop"), trial.state.restore_name("shop")), ("shop-2".into(), "shop-2".into()));
    assert_eq!(trial.state.restore_names("shop"), ["shop-2", "shop"]);
}

#[test]
fn waves_are_taken_back_the_latest_first_until_names_point_to_the_target() {
    let mut trial = Trial::new();
    assert!(trial.state.cannot_roll_back().is_some_and(|why| why.contains("nothing has begun")));
    trial.until("w2.sync.shop");
    assert_eq!(trial.state.cannot_roll_back(), None);
    trial.add(Record::RollbackBegan { wave: WaveName::W1 });
    let mut back = Vec::new();
    while let Next::Step(step) = trial.state.next() {
        back.push(step.id.clone());
        trial.begin(&step.id);
        trial.done(&step.id);
    }
    assert_eq!(back, ["w2.back.restored", "w2.back.unfence", "w1.back.front"]);
    assert_eq!((trial.state.next(), trial.state.ending().0), (Next::Over, Outcome::Stopped));

    let mut trial = Trial::new();
    trial.until("w4.cut-over");
    trial.begin("w4.cut-over");
    // Its command has not been announced: nothing has happened yet.
    assert_eq!(trial.state.cannot_roll_back(), None);
    trial.add(Record::CommandAnnounced { step: "w4.cut-over".to_owned(), command: 0 });
    assert!(trial.state.cannot_roll_back().is_some_and(|why| why.contains("perhaps")));
}

#[test]
fn what_a_step_has_not_applied_or_has_found_is_not_taken_back() {
    let id = |text: &str| serde_json::from_value::<ObjectId>(json!(text)).expect("a name");
    let names = |made: BTreeSet<ObjectId>| made.iter().map(|o| o.as_str().to_owned()).collect::<Vec<_>>();
    let mut trial = Trial::new();
    trial.until("w1.apply.front");
    assert_eq!(names(trial.state.applied()), [""; 0], "no step has looked for what is there");
    trial.add(Record::Found { step: "w0.apply".to_owned(), objects: vec![id("Namespace/shop")] });
    assert_eq!(names(trial.state.applied()), ["ServiceAccount/shop/web"]);
    trial.add(Record::Found { step: "w1.apply.front".to_owned(), objects: Vec::new() });
    assert_eq!(names(trial.state.applied()), ["Deployment.apps/shop/front", "ServiceAccount/shop/web"]);
    // A restore of this name that is there before ours has begun is another's.
    assert!(trial.state.restores_begun("shop").is_empty());
    trial.until("w2.restore.shop");
    trial.begin("w2.restore.shop");
    assert_eq!(trial.state.restores_begun("shop"), ["shop"]);
}

#[test]
fn a_step_that_fails_while_waves_are_taken_back_can_only_be_tried_again() {
    let mut trial = Trial::new();
    trial.until("w2.sync.shop");
    trial.add(Record::RollbackBegan { wave: WaveName::W1 });
    trial.until("w2.back.unfence");
    trial.begin("w2.back.unfence");
    trial.fail("w2.back.unfence", "transfer-command-failed");
    assert_eq!(trial.state.ways_on("j"), "try again: nodeferry transfer resume j --retry");
    assert_eq!(approve("j", "cut-over"), "nodeferry transfer approve j cut-over");
    assert_eq!(approve("j", "resume shop on the source"), "nodeferry transfer approve j \"resume shop on the source\"");
}

#[test]
fn a_report_says_where_it_stands_and_how_it_goes_on() {
    let mut trial = Trial::new();
    trial.until("w4.gate");
    trial.begin("w4.gate");
    trial.add(Record::GateOpened { step: "w4.gate".to_owned(), gate: "cut-over".to_owned() });
    let of = |trial: &Trial, process: Option<&str>| {
        TransferReport::of(&trial.entries, process.map(str::to_owned), "j").expect("a report")
    };
    let running = of(&trial, Some("process 1"));
    assert_eq!((running.state, running.step.as_deref()), ("running", Some("w4.gate")));
    assert_eq!(running.next, "nodeferry transfer approve j cut-over");
    assert_eq!(of(&trial, None).state, "killed");
    trial.add(Record::Approved { gate: "cut-over".to_owned(), by: "ada".to_owned() });
    trial.done("w4.gate");
    let report = of(&trial, None);
    let row = report.waves.iter().find(|w| w.wave == WaveName::W4).expect("it has begun");
    assert_eq!(row.gates_ms, 2_000);
    assert_eq!(report.gates.get("cut-over"), Some(&Some("ada".to_owned())));
    // From the fence to its own check, 7 steps later, two entries each.
    let db = report.downtime.iter().find(|d| d.workload.name() == "db").expect("it was fenced");
    assert_eq!(db.actual_ms, Some(13_000));
    assert!(report.text(None).contains("StatefulSet.apps/shop/db"), "{}", report.text(None));
    trial.begin("w4.cut-over");
    trial.fail("w4.cut-over", "transfer-command-failed");
    let failed = of(&trial, None);
    assert_eq!((failed.state, failed.reason.as_deref()), ("failed", Some("transfer-command-failed")));
    assert!(failed.next.contains("--retry") && failed.next.contains("--roll-back"), "{}", failed.next);
}

#[test]
fn every_reason_that_a_step_can_fail_for_is_listed() {
    let live = ["moves.rs", "steps.rs"].map(|f| {
        let path = format!("{}/src/live/transfer/{f}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).expect("it is there")
    });
    let said = live
        .iter()
        .flat_map(|text| text.split('"'))
        .filter(|w| w.starts_with("transfer-") && w.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
    for reason in said {
        assert!(REASONS.iter().any(|(code, _)| *code == reason), "{reason} is not among REASONS");
    }
}

#[test]
fn reasons_and_limits_are_documented() {
    let document = include_str!("../../../docs/transfer-execute.md");
    for (code, _) in REASONS.iter().chain(LIMITS) {
        assert!(document.contains(&format!("`{code}`")), "docs/transfer-execute.md does not have {code}");
    }
}

#[test]
fn endings_of_velero_are_read_with_what_they_say() {
    let object = |status: Value| json!({"status": status});
    for phase in
        ["New", "Queued", "InProgress", "WaitingForPluginOperationsPartiallyFailed", "FinalizingPartiallyFailed"]
    {
        assert_eq!(ending(&object(json!({"phase": phase}))), None, "{phase}");
    }
    assert_eq!(ending(&object(json!({}))), None);
    assert_eq!(ending(&object(json!({"phase": "Completed", "warnings": 3}))), Some(Ending::Completed));
    let why = |status| match ending(&object(status)) {
        Some(Ending::Otherwise { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    let invalid = json!({"phase": "FailedValidation", "validationErrors": ["a storage location not found"]});
    assert_eq!(why(invalid), "a storage location not found");
    assert_eq!(why(json!({"phase": "PartiallyFailed", "errors": 2, "warnings": 1})), "2 errors, 1 warnings");
    assert_eq!(why(json!({"phase": "Failed", "failureReason": "no bucket"})), "no bucket");
}

fn run(claim: &str, phase: &str) -> VolumeRun {
    VolumeRun::of(&json!({
        "metadata": {"annotations": {CLAIM_ANNOTATION: claim}},
        "spec": {"pod": {"namespace": "shop", "name": "db-0"}, "volume": "data"},
        "status": {"phase": phase, "message": if phase == "Failed" { "connection reset" } else { "" }, "progress": {"totalBytes": 5}},
    }))
}

#[test]
fn a_claim_without_a_completed_backup_of_its_volume_is_missed() {
    let claim = ClaimName { namespace: "shop".to_owned(), name: "data-db-0".to_owned() };
    let claims = [claim.clone()];
    assert!(skipped(&claims, &[run("data-db-0", "Completed")]).is_empty());
    let why = |runs: &[VolumeRun]| skipped(&claims, runs).into_iter().map(|s| s.why).collect::<Vec<_>>();
    assert_eq!(why(&[]), [None]);
    assert_eq!(why(&[run("another", "Completed")]), [None]);
    let failed = "volume data of pod shop/db-0 is Failed: connection reset".to_owned();
    assert_eq!(why(&[run("data-db-0", "Failed")]), [Some(failed.clone())]);
    let backups = [run("data-db-0", "Completed")];
    assert!(not_restored(&backups, &backups).is_empty());
    assert_eq!(not_restored(&backups, &[run("", "Failed")]), [failed]);
    assert!(not_restored(&backups, &[])[0].contains("has no PodVolumeRestore"));
}

#[test]
fn what_velero_does_not_say_of_a_volume_its_pods_do() {
    let claim = ClaimName { namespace: "shop".to_owned(), name: "data".to_owned() };
    let pod = |phase: &str, container: Value, annotations: Value| {
        json!({"metadata": {"name": "db-0", "annotations": annotations}, "status": {"phase": phase},
            "spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}], "containers": [container]}})
    };
    let mounts = json!({"volumeMounts": [{"name": "v", "mountPath": "/d"}]});
    let none = json!({});
    for (pods, says) in [
        (vec![], "was its workload scaled to 0?"),
        (vec![pod("Pending", mounts.clone(), none.clone())], "db-0 is Pending"),
        (vec![pod("Running", none.clone(), none.clone())], "no container of pod db-0 mounts its volume v"),
        (vec![pod("Running", json!({"volumeDevices": [{"name": "v"}]}), none.clone())], "is a block device"),
        (
            vec![pod("Running", mounts.clone(), json!({"backup.velero.io/backup-volumes-excludes": "x, v"}))],
            "leaves its volume v out",
        ),
        (vec![pod("Running", mounts, none)], "is no node-agent on its node?"),
    ] {
        let why = why_not(&claim, &pods);
        assert!(why.contains(says), "{why} should say {says}");
    }
}

#[test]
fn a_workload_is_ready_when_no_pod_of_an_older_template_is_left() {
    let ready = |kind: &str, spec: Value, status: Value, pods| {
        readiness(&json!({"kind": kind, "metadata": {"generation": 2}, "spec": spec, "status": status}), pods).is_ready
    };
    let status = |ready, updated, all| json!({"observedGeneration": 2, "readyReplicas": ready, "updatedReplicas": updated, "replicas": all});
    for kind in ["Deployment", "StatefulSet"] {
        assert!(ready(kind, json!({}), status(2, 2, 2), 2), "{kind}");
        assert!(!ready(kind, json!({}), status(2, 1, 2), 2), "{kind}: one is of the older template");
        assert!(!ready(kind, json!({}), status(3, 2, 3), 2), "{kind}: an old one is still there");
        assert!(!ready(kind, json!({}), status(1, 2, 2), 2), "{kind}: one is not ready");
    }
    let mut older = status(2, 2, 2);
    older["observedGeneration"] = json!(1);
    assert!(!ready("Deployment", json!({}), older, 2), "its controller has not seen it");
    assert!(ready("StatefulSet", json!({"updateStrategy": {"type": "OnDelete"}}), status(2, 0, 2), 2));
    assert!(ready("CronJob", json!({}), json!({}), 0));
    let daemons = |wanted, ready| json!({"observedGeneration": 2, "desiredNumberScheduled": wanted, "numberReady": ready, "updatedNumberScheduled": ready});
    assert!(ready("DaemonSet", json!({}), daemons(5, 5), 9), "as many as the target has nodes for");
    assert!(!ready("DaemonSet", json!({}), daemons(0, 0), 9));
    let pods = [json!({"metadata": {"name": "a"}, "status": {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}]}})];
    assert_eq!(pod_problems(&pods), ["pod a Unschedulable: 0/3 nodes are available"]);
}

#[test]
fn no_command_runs_before_its_places_are_filled_in() {
    let mut plan = plan();
    assert_eq!(Commands::problems(&plan, &Places::default()), Vec::<String>::new());
    for wave in &mut plan.waves {
        for step in &mut wave.steps {
            if let Action::CopyStore { command, .. } = &mut step.action {
                *command = "azcopy copy 's3://<bucket>/a b' <STORAGE_ACCOUNT>.blob --if '1<2' <bucket>".to_owned();
            }
        }
    }
    let open = Commands::problems(&plan, &Places::default());
    assert!(open.len() == 1 && open[0].contains("nobody has filled in <bucket>"), "{open:?}");
    let places = |list: &[&str]| Places::of(&list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
    let filled = places(&["bucket=b1", "STORAGE_ACCOUNT=acc"]).expect("places");
    assert_eq!(Commands::problems(&plan, &filled), Vec::<String>::new());
    let step = plan.steps().find(|(_, s)| s.id == "w2.copy").expect("it is there").1;
    let words = Commands::words(step, &filled).expect("words");
    assert_eq!(words, [["azcopy", "copy", "s3://b1/a b", "acc.blob", "--if", "1<2", "b1"]]);
    let unused = Commands::problems(&plan, &places(&["bucket=b", "STORAGE_ACCOUNT=a", "bukcet=b"]).expect("places"));
    assert_eq!(unused, ["no command has a place <bukcet>"]);
    assert!(places(&["a"]).is_err() && places(&["=a"]).is_err() && places(&["a=1", "a=2"]).is_err());
}

#[test]
fn only_restores_of_this_execution_that_have_begun_have_made_something() {
    let mut trial = Trial::new();
    let restore = trial.state.began.plan.steps().find_map(|(_, s)| match &s.action {
        Action::Restore { name, .. } => Some((s.id.clone(), name.clone())),
        _ => None,
    });
    let (step, name) = restore.expect("the plan restores");
    assert!(!trial.state.has_restored(&name));
    trial.begin(&step);
    assert!(trial.state.has_restored(&name) && !trial.state.has_restored("nightly"));
    trial.add(Record::Retried { from: step });
    assert!(trial.state.has_restored(&name) && trial.state.has_restored(&format!("{name}-2")));
}
