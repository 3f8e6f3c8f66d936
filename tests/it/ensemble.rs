//! What many runs say together: the verdict, what is required, the run that is shown, and `runs.csv`.

use crate::cli::{Dir, Ran, SHOP, nodeferry_of};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The program as it is, with as many runs as it has by default.
fn run(dir: &Dir, args: &[&str]) -> Ran {
    nodeferry_of(Path::new(env!("CARGO_BIN_EXE_nodeferry")), dir, args, "")
}

/// A shop whose pods may take longer to start than the drain is willing to wait: some runs complete, some do not.
fn chancy() -> String {
    let slow = SHOP.replace("start: {constant: {ms: 10000}}", "start: {uniform: {min_ms: 1000, max_ms: 40000}}");
    let limit =
        slow.replace("procedure: kubectl-drain,", "procedure: kubectl-drain, kubectl_drain: {timeout_ms: 30000},");
    assert_ne!(slow, SHOP);
    assert_ne!(limit, slow);
    limit
}

/// The rows of `runs.csv`, by column.
fn runs_csv(dir: &Dir) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(dir.path("report/runs.csv")).expect("runs.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

/// The exit status that issue and documentation promise, counted here by other means than there.
fn promised(outcomes: &[&str], require: f64) -> i32 {
    let of = |name: &str| outcomes.iter().filter(|o| **o == name).count();
    if of("COMPLETED") as f64 / outcomes.len() as f64 * 100.0 >= require {
        return 0;
    }
    let (failed, partly) = (of("FAILED"), of("PARTLY_COMPLETED"));
    if failed >= partly { 3 } else { 4 }
}

#[test]
fn a_prediction_is_thirty_runs_and_says_so_first() {
    let dir = Dir::new();
    let shop = dir.file("chancy.yaml", &chancy());
    let report = dir.path("report");
    let ran = run(&dir, &["plan", &shop, "--report", &report]);
    let rows = runs_csv(&dir);
    assert_eq!(rows.len(), 30);
    let outcomes: Vec<&str> = rows.iter().map(|r| r["outcome"].as_str()).collect();
    let completed = outcomes.iter().filter(|o| **o == "COMPLETED").count();
    assert!((3..=27).contains(&completed), "some complete, some do not: {outcomes:?}");
    let percents = (completed as f64 / 30.0 * 100.0).round();
    let first = ran.stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with(&format!("Verdict: completes in {percents} % of 30 runs (95 % interval ")), "{first}");
    assert!(first.contains("held-by-budget") && first.ends_with("(p95) when it completes"), "{first}");
    assert_eq!(ran.status, promised(&outcomes, 100.0), "{}", ran.stdout);
    assert!(ran.stdout.contains("\nRequired: 100 % of the runs complete (--require), which they do not: exit status "));
    let head = format!("COMPLETED ({completed})");
    assert!(ran.stdout.contains(&head) && ran.stdout.contains(&format!("NOT COMPLETED ({})", 30 - completed)));
    // Any run again by its seed.
    for row in rows.iter().step_by(11) {
        let again = run(&dir, &["plan", &shop, "--replications", "1", "--seed", &row["seed"], "-o", "json"]).json();
        assert_eq!(again["outcome"], row["outcome"].as_str(), "{row:?}");
        assert_eq!(again["duration_ms"]["p50"].to_string(), row["duration_ms"], "{row:?}");
        assert_eq!(again["reason"].as_str().unwrap_or_default(), row["reason"], "{row:?}");
        assert_eq!(again["peak_nodes"].to_string(), row["peak_nodes"], "{row:?}");
    }
}

#[test]
fn what_is_required_is_compared_with_the_share_of_completed_runs() {
    let dir = Dir::new();
    let shop = dir.file("chancy.yaml", &chancy());
    let report = dir.path("report");
    let plan = |require: &str| run(&dir, &["plan", &shop, "--require", require, "--report", &report, "-o", "json"]);
    let strict = plan("100");
    let rows = runs_csv(&dir);
    let outcomes: Vec<&str> = rows.iter().map(|r| r["outcome"].as_str()).collect();
    let completed = outcomes.iter().filter(|o| **o == "COMPLETED").count();
    assert_eq!(strict.status, promised(&outcomes, 100.0));
    assert_eq!(strict.json()["verdict"]["exit_status"], strict.status);
    // Just what there is, and a little more.
    let share = completed as f64 / 30.0 * 100.0;
    let (enough, too_much) = (format!("{}%", share.floor()), format!("{}", share + 0.5));
    assert_eq!(plan(&enough).status, 0);
    assert_eq!(plan(&too_much).status, promised(&outcomes, share + 0.5));
    assert_ne!(plan(&too_much).status, 0);
    let met = run(&dir, &["plan", &shop, "--require", &enough]).stdout;
    assert!(
        met.contains(&format!("\nRequired: {} % of the runs complete (--require), which they do.\n", share.floor()))
    );
    for wrong in ["101", "-1", "most"] {
        let refused = run(&dir, &["plan", &shop, &format!("--require={wrong}")]);
        assert_eq!(refused.status, 2, "{wrong}: {}", refused.stderr);
        assert!(refused.stderr.contains("--require"), "{}", refused.stderr);
    }
}

#[test]
fn the_run_shown_is_of_median_duration_among_the_most_frequent_ending_and_everything_says_so() {
    let dir = Dir::new();
    let shop = dir.file("chancy.yaml", &chancy());
    let (report, trace) = (dir.path("report"), dir.path("trace.jsonl"));
    let result = run(&dir, &["plan", &shop, "--report", &report, "--trace", &trace, "-o", "json"]).json();
    let rows = runs_csv(&dir);
    let mut alike: BTreeMap<(&str, &str), Vec<i64>> = BTreeMap::new();
    for row in &rows {
        let times = alike.entry((&row["outcome"], &row["reason"])).or_default();
        times.push(row["duration_ms"].parse().expect("a number"));
    }
    let shown = &result["verdict"]["shown"];
    let row = &rows[shown["run"].as_u64().expect("a run") as usize];
    assert_eq!(shown["seed"].to_string(), row["seed"]);
    assert_eq!(
        (&result["outcome"], &result["reason"].as_str().unwrap_or_default()),
        (&Value::from(row["outcome"].as_str()), &row["reason"].as_str())
    );
    let times = alike.get_mut(&(row["outcome"].as_str(), row["reason"].as_str())).expect("its like");
    times.sort_unstable();
    assert_eq!(times[(times.len() - 1) / 2].to_string(), row["duration_ms"]);
    let count = |outcome: &str| rows.iter().filter(|r| r["outcome"] == outcome).count();
    assert!(["COMPLETED", "PARTLY_COMPLETED", "FAILED"].iter().all(|o| count(o) <= count(&row["outcome"])));
    let says = format!("run {} of 30 (seed {})", shown["run"].as_u64().expect("a run") + 1, row["seed"]);
    let trace = std::fs::read_to_string(trace).expect("a trace");
    let begins = trace.lines().find(|l| l.contains("\"migration_started\"")).expect("a beginning");
    let first: Value = serde_json::from_str(begins).expect("JSON");
    assert!(first["message"].as_str().is_some_and(|m| m.starts_with(&says)), "{first}");
    let last: Value = serde_json::from_str(trace.lines().last().expect("a line")).expect("JSON");
    assert_eq!(
        (last["event"].as_str(), last["t_ms"].to_string()),
        (Some("migration_finished"), row["duration_ms"].clone())
    );
    let plot = std::fs::read_to_string(dir.path("report/gantt.svg")).expect("a plot");
    assert!(plot.contains(&says), "the plot says which run it is");
    let text = run(&dir, &["plan", &shop]).stdout;
    assert!(text.contains(&format!("\nShown: {says}")), "{text}");
}

#[test]
fn a_scenario_is_tested_with_one_run_and_planned_with_as_many_as_it_states() {
    let dir = Dir::new();
    let runs = |text: &str| {
        let result = run(&dir, &["plan", &dir.file("s.yaml", text), "-o", "json"]).json();
        (result["replications"].clone(), result["verdict"]["runs"].clone())
    };
    assert_eq!(runs(SHOP), (30.into(), 30.into()));
    assert_eq!(runs(&format!("{SHOP}replications: 3\n")), (3.into(), 3.into()));
    // As a test: one run of the seed that it states, or as many as it states.
    let one = dir
        .file("one.yaml", &format!("{}expect: {{outcomes_percent: {{COMPLETED: {{max: 0}}}}}}\nseed: 1\n", chancy()));
    let many = dir.file(
        "many.yaml",
        &format!("{}replications: 30\nrequire_percent: 5\nexpect: {{exit_status: 0, outcomes_percent: {{COMPLETED: {{min: 10, max: 90}}}}}}\n", chancy()),
    );
    let ran = run(&dir, &["test", &many]);
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    let ran = run(&dir, &["test", &one]);
    assert!(ran.status == 0 || ran.stdout.contains("100"), "one run is all or nothing: {}", ran.stdout);
    let wrong = run(&dir, &["plan", &dir.file("s.yaml", &format!("{SHOP}require_percent: 120\n"))]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.stderr.contains("require_percent") && wrong.stderr.contains("0 to 100"), "{}", wrong.stderr);
}

#[test]
fn a_plan_keeps_how_many_runs_it_had_and_what_was_required() {
    let dir = Dir::new();
    let shop = dir.file("chancy.yaml", &chancy());
    let plan = dir.path("plan.json");
    let made = run(&dir, &["plan", &shop, "--replications", "12", "--require", "5", "--plan", &plan, "-o", "json"]);
    assert_eq!(made.status, 0);
    let again = run(&dir, &["simulate", &plan, &shop, "-o", "json"]);
    assert_eq!((again.status, &again.json()["verdict"]), (made.status, &made.json()["verdict"]));
    let strict = run(&dir, &["simulate", &plan, &shop, "--require", "100", "-o", "json"]);
    assert_ne!(strict.status, 0);
    assert_eq!(strict.json()["verdict"]["runs"], 12);
}

#[test]
fn any_number_of_threads_says_the_same() {
    let dir = Dir::new();
    let shop = dir.file("chancy.yaml", &chancy());
    let said = |threads: &str| {
        let report = dir.path(&format!("report-{threads}"));
        let ran = run(&dir, &["plan", &shop, "--threads", threads, "--report", &report, "-o", "json"]);
        (ran.status, ran.stdout, std::fs::read_to_string(format!("{report}/runs.csv")).expect("runs.csv"))
    };
    assert_eq!(said("1"), said("3"));
}
