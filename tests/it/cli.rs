//! The command line as people meet it: what it prints, what it writes, how it ends, and what it says of bad input.

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A directory of one test.
pub(crate) struct Dir(tempfile::TempDir);

impl Dir {
    pub(crate) fn new() -> Dir {
        Dir(tempfile::tempdir().expect("a temporary directory"))
    }
    /// The path of a name in it, as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a path in UTF-8").to_owned()
    }
    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }
}

/// How a command ended.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}\n{}\n{}", self.stdout, self.stderr))
    }
}

/// Runs a binary in a directory with something on its standard input.
pub(crate) fn nodeferry_of(binary: &Path, dir: &Dir, args: &[&str], stdin: &str) -> Ran {
    let mut child = Command::new(binary)
        .args(args)
        .current_dir(dir.0.path())
        .env_remove("COLUMNS")
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}", binary.display()));
    let mut input = child.stdin.take().expect("a pipe");
    // A command that does not read its input closes the pipe: no failure.
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    let out = child.wait_with_output().expect("an end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { status: out.status.code().expect("an exit status"), stdout: text(out.stdout), stderr: text(out.stderr) }
}

/// Runs the program; `plan` with one run where a test does not say how many. What many runs say has tests of its own (ensemble.rs).
pub(crate) fn nodeferry(dir: &Dir, args: &[&str]) -> Ran {
    let mut args = args.to_vec();
    if args.first() == Some(&"plan") && !args.contains(&"--replications") {
        args.extend(["--replications", "1"]);
    }
    nodeferry_of(Path::new(env!("CARGO_BIN_EXE_nodeferry")), dir, &args, "")
}

pub(crate) const SHOP: &str = include_str!("cli/shop.yaml");

/// A generated cluster with one trap, for the exit statuses.
fn trapped(trap: &str) -> String {
    format!(
        "scenario: trapped\ncluster: {{generate: {{seed: 4, nodes: 4, new_nodes: 1, pods_per_node: 4, traps: [{{trap: {trap}}}]}}}}\n\
         nodes: {{selector: agentpool=old}}\nautoscaler: {{kind: reactive}}\noptions: {{batch_size: \"50%\"}}\n"
    )
}

/// The same on AKS, with virtual node groups for its nodes: Ocean launches nothing in the group that they leave.
fn trapped_on_aks(trap: &str) -> String {
    let group = |disk: &str| {
        let machines = "[{name: standard-4}, {name: standard-8}]";
        format!("{{name: {disk}, labels: {{disktype: {disk}}}, machine_types: {machines}, max_count: 30}}")
    };
    let groups = format!("groups: {{inline: {{groups: [{}, {}]}}}}\n", group("ssd"), group("hdd"));
    let pool = "kubernetes.azure.com/agentpool";
    let scenario = trapped(trap).replace("selector: agentpool=old", &format!("selector: {pool}=old"));
    scenario.replace("pods_per_node", &format!("pool_label: {pool}, pods_per_node")) + &groups
}

#[test]
fn help_lists_the_commands_with_examples() {
    let ran = nodeferry(&Dir::new(), &["--help"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let mut commands = vec![
        "discover",
        "plan",
        "sweep",
        "compare",
        "simulate",
        "test",
        "verify",
        "generate",
        "schema",
        "bench",
        "completions",
    ];
    commands.extend(["status", "history", "stop", "approve", "rehearse", "report", "calibrate", "diff", "ack"]);
    if cfg!(feature = "live") {
        commands.extend(["record", "execute", "resume"]);
    }
    for command in commands {
        assert!(
            ran.stdout.lines().any(|l| l.trim_start().starts_with(&format!("{command} "))),
            "{command}: {}",
            ran.stdout
        );
    }
    assert!(ran.stdout.contains("Examples:") && ran.stdout.contains("Exit status: 0 completes"), "{}", ran.stdout);
}

#[test]
fn a_plan_reads_like_this() {
    let dir = Dir::new();
    let ran = nodeferry(&dir, &["plan", &dir.file("shop.yaml", SHOP)]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    // The findings have their own tests; the head is what must stay as it is.
    let head = ran.stdout.split("\nWarnings:").next().unwrap_or_default().to_owned();
    snapbox::assert_data_eq!(head, snapbox::file!["cli/shop.txt"]);
}

#[test]
fn json_has_every_field_that_is_promised() {
    let dir = Dir::new();
    let ran = nodeferry(
        &dir,
        &["plan", &dir.file("s.yaml", &trapped("budget_never_met")), "-o", "json", "--replications", "3"],
    );
    let result = ran.json();
    let has = |value: &Value, fields: &str| {
        for field in fields.split(' ') {
            assert!(value.get(field).is_some(), "no {field} in {value}");
        }
    };
    has(
        &result,
        "outcome reason message duration_ms batches failures findings pods_moved pods_moved_twice did_not_reach_ocean peak_nodes",
    );
    has(&result, "node_hours cost harm harm_count ending outcomes verdict seed snapshot_sha256 version");
    has(&result["duration_ms"], "min p50 p95 max");
    has(&result["verdict"], "text runs require_percent met exit_status endings shown all");
    has(&result["verdict"]["endings"][0], "ending runs share low high reasons");
    has(&result["verdict"]["shown"], "run seed ending reason of_runs text");
    has(
        &result["verdict"]["all"],
        "runs duration_ms peak_nodes surge_nodes cost node_hours pods_moved pods_moved_twice refused harm",
    );
    has(&result["verdict"]["all"]["duration_ms"], "p5 p50 p95");
    let each = |list: &str, fields: &str| {
        let rows = result[list].as_array().expect("a list");
        assert!(!rows.is_empty(), "{list} is empty");
        rows.iter().for_each(|row| has(row, fields));
    };
    each("batches", "index nodes start_ms end_ms evictions refused launched");
    each("failures", "reason probability cause remedy");
    each("findings", "code severity object message remedy");
    assert_eq!(result["snapshot_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(result["version"], env!("CARGO_PKG_VERSION"));
    assert!(result["failures"][0]["cause"].as_str().is_some_and(|c| !c.is_empty()), "{}", result["failures"]);
}

/// The events of the trace, as the documentation lists them.
const EVENTS: &str = "migration_started migration_state node_state pool_state pod_forced batch_started node_cordoned node_launch_requested node_launch_failed node_added node_ready \
    node_not_ready eviction_accepted eviction_refused budget_changed pod_terminated pod_created pod_bound pod_unschedulable pod_ready \
    pod_preempted pod_waited pod_attached workload_changed job_pod_lost job_failed node_drained drain_failed node_deleted node_uncordoned node_warning batch_finished migration_finished";

#[test]
fn a_trace_is_json_lines_of_the_known_events_in_order_of_time() {
    let dir = Dir::new();
    let ran = nodeferry(&dir, &["plan", &dir.file("shop.yaml", SHOP), "--trace", "-"]);
    let known: BTreeSet<&str> = EVENTS.split_whitespace().collect();
    let mut seen = BTreeSet::new();
    let mut before = 0;
    for line in ran.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let (at, name) = (event["t_ms"].as_i64().expect("t_ms"), event["event"].as_str().expect("event").to_owned());
        assert!(known.contains(name.as_str()), "event {name} is not documented");
        assert!(at >= before, "time goes back: {line}");
        before = at;
        seen.insert(name);
    }
    for name in [
        "migration_started",
        "node_cordoned",
        "eviction_accepted",
        "eviction_refused",
        "pod_bound",
        "pod_ready",
        "migration_finished",
    ] {
        assert!(seen.contains(name), "no {name} in {seen:?}");
    }
    let file = dir.path("trace.jsonl");
    nodeferry(&dir, &["plan", &dir.path("shop.yaml"), "--trace", &file]);
    assert_eq!(std::fs::read_to_string(file).expect("a trace"), ran.stdout);
}

#[test]
fn a_report_is_eight_tables_and_plots() {
    let dir = Dir::new();
    let ran = nodeferry(&dir, &["plan", &dir.file("shop.yaml", SHOP), "--report", &dir.path("report")]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    for name in [
        "batches.csv",
        "nodes.csv",
        "pods.csv",
        "capacity.csv",
        "workloads.csv",
        "groups.csv",
        "findings.csv",
        "runs.csv",
    ] {
        let text =
            std::fs::read_to_string(dir.path(&format!("report/{name}"))).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(text.lines().count() >= 2, "{name}: {text}");
    }
    let entries = std::fs::read_dir(dir.path("report")).expect("the report");
    let plots: Vec<_> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|x| x == "svg"))
        .collect();
    assert!(plots.len() >= 6, "{plots:?}");
    for plot in plots {
        let text = std::fs::read_to_string(&plot).expect("a plot");
        assert!(text.contains("<svg") && text.trim_end().ends_with("</svg>"), "{}", plot.display());
    }
}

#[test]
fn a_saved_plan_simulates_to_the_same_forecast() {
    let dir = Dir::new();
    let plan = dir.path("plan.json");
    // A scenario keeps its parameters in the plan; of a dump everything is on the command line.
    for trap in ["stand_alone_pod", "budget_never_met"] {
        let scenario = dir.file("s.yaml", &trapped(trap));
        let made = nodeferry(
            &dir,
            &["plan", &scenario, "--procedure", "ocean-aws", "--replications", "3", "--plan", &plan, "-o", "json"],
        );
        let again = nodeferry(&dir, &["simulate", &plan, &scenario, "-o", "json"]);
        assert_eq!((again.status, again.json()), (made.status, made.json()), "{}", again.stderr);
        let kept: Value = serde_json::from_str(&std::fs::read_to_string(&plan).expect("a plan")).expect("JSON");
        assert_eq!(kept["forecast"], made.json());
    }
    let dump = nodeferry(&dir, &["generate", "--nodes", "4", "--seed", "3"]).stdout;
    let dump = dir.file("dump.json", &dump);
    let made = nodeferry(&dir, &["plan", &dump, "-l", "agentpool=old", "--plan", &plan, "-o", "json"]).json();
    let again = nodeferry(&dir, &["simulate", &plan, &dump, "-o", "json"]).json();
    for field in [
        "outcome",
        "duration_ms",
        "batches",
        "pods_moved",
        "pods_moved_twice",
        "peak_nodes",
        "node_hours",
        "snapshot_sha256",
    ] {
        assert_eq!(again[field], made[field], "{field}");
    }
}

#[test]
fn the_exit_status_tells_the_prediction() {
    let dir = Dir::new();
    let status = |trap: &str, procedure: &str| {
        let scenario = dir.file("s.yaml", &trapped_on_aks(trap));
        let ran = nodeferry(&dir, &["plan", &scenario, "--procedure", procedure, "-o", "json"]);
        (ran.json()["outcome"].as_str().unwrap_or_default().to_owned(), ran.status)
    };
    assert_eq!(status("stand_alone_pod", "ocean-aws"), ("COMPLETED".into(), 0));
    assert_eq!(status("pending_pod", "ocean-azure"), ("FAILED".into(), 3));
    assert_eq!(status("budget_never_met", "ocean-azure"), ("PARTLY_COMPLETED".into(), 4));
}

#[test]
fn a_migration_is_stopped_at_the_moment_asked_for() {
    let dir = Dir::new();
    let ran = nodeferry(&dir, &["plan", &dir.file("shop.yaml", SHOP), "--stop-at", "15s", "-o", "json"]);
    let result = ran.json();
    assert_eq!((result["outcome"].as_str(), ran.status), (Some("STOPPED"), 0));
    assert!(result["reason"].is_string(), "{result}");
    assert_eq!(result["batches"][1]["start_ms"], Value::Null, "the second batch never starts");
}

#[test]
fn every_schema_is_json() {
    let dir = Dir::new();
    for name in [
        "scenario",
        "plan",
        "result",
        "sweep",
        "discovery",
        "groups",
        "generate",
        "bench",
        "ack-facts",
        "ack-plan",
        "ack-preflight",
        "ack-result",
        "ack-simulation",
    ] {
        let schema = nodeferry(&dir, &["schema", name]).json();
        assert!(schema["$schema"].is_string() && schema["title"].is_string(), "{name}");
    }
    assert_eq!(nodeferry(&dir, &["schema", "nothing"]).status, 2);
}

/// `bench` measures each migration so, in a process of its own.
#[test]
fn a_migration_is_measured() {
    let dir = Dir::new();
    let measured = nodeferry(&dir, &["bench", "--case", "kubectl-drain/10/5"]).json();
    assert!(measured["pods"].as_u64() > Some(40) && measured["seconds"].is_number(), "{measured}");
    if cfg!(target_os = "linux") {
        assert!(measured["peak_bytes"].as_u64() > Some(1 << 20), "{measured}");
    }
    let refused = nodeferry(&dir, &["bench", "--case", "surge/10/5"]);
    assert!(refused.status == 2 && refused.stderr.contains("PROCEDURE/NODES/PODS_PER_NODE"), "{}", refused.stderr);
}

#[test]
fn completions_are_printed_for_every_shell() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = nodeferry(&dir, &["completions", shell]);
        assert!(ran.status == 0 && ran.stdout.contains("nodeferry"), "{shell}");
    }
}

#[test]
fn a_generated_cluster_is_planned_from_standard_input() {
    let dir = Dir::new();
    let own = Path::new(env!("CARGO_BIN_EXE_nodeferry"));
    let dump = nodeferry(&dir, &["generate", "--nodes", "3"]);
    assert_eq!(dump.status, 0, "{}", dump.stderr);
    assert_eq!(nodeferry(&dir, &["generate", "--nodes", "3"]).stdout, dump.stdout, "the same bytes again");
    let ran = nodeferry_of(own, &dir, &["plan", "-", "--selector", "agentpool=old", "-o", "json"], &dump.stdout);
    assert_eq!(ran.json()["batches"].as_array().map(Vec::len), Some(3), "{}", ran.stderr);
    let found = nodeferry_of(own, &dir, &["discover", "-", "-o", "json"], &dump.stdout);
    assert_eq!((found.status, found.json()["nodes"].as_array().map(Vec::len)), (0, Some(3)));
}

#[test]
fn what_cannot_be_generated_leaves_an_older_file_as_it_was() {
    let dir = Dir::new();
    let args = ["generate", "--nodes", "2", "--pods-per-node", "900", "--out"];
    for name in ["cluster.json", "cluster.json.gz"] {
        dir.file(name, "older");
        let ran = nodeferry(&dir, &[&args[..], &[name]].concat());
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("no room for pods_per_node"), "{}", ran.stderr);
        assert_eq!(std::fs::read_to_string(dir.path(name)).unwrap(), "older");
    }
    let names = std::fs::read_dir(dir.path("")).unwrap().map(|f| f.unwrap().file_name());
    assert!({ names }.all(|n| !n.to_string_lossy().ends_with(".part")));
}

/// Bad input ends with status 2 and an error that contains each of `says`, once, and is no panic.
fn refused(dir: &Dir, args: &[&str], says: &[&str]) {
    let ran = nodeferry(dir, args);
    assert_eq!(ran.status, 2, "{args:?}: {}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.starts_with("error: "), "{args:?}: {}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{args:?}: {}", ran.stderr);
    assert!(ran.stdout.is_empty(), "{args:?} prints {}", ran.stdout);
    for text in says {
        assert!(ran.stderr.contains(text), "{args:?}: {text:?} is not in {}", ran.stderr);
    }
}

#[test]
fn bad_files_are_refused_with_their_name_and_place() {
    let dir = Dir::new();
    let node = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"},"status":{"allocatable":{"cpu":"4x"}}}"#;
    dir.file("broken.json", r#"{"kind": "List", "items": ["#);
    dir.file("no-nodes.json", r#"{"apiVersion":"v1","kind":"List","items":[]}"#);
    dir.file("quantity.json", node);
    dir.file("field.yaml", "scenario: x\ncluster: {generate: {nodes: 3}}\nnodez: 1\n");
    dir.file("deep.yaml", "scenario: x\ncluster: {generate: {nodes: 3, colour: 2}}\n");
    dir.file("yaml.yaml", "scenario: [1");
    dir.file("range.yaml", "scenario: x\ncluster: {generate: {nodes: 3}}\nsim: {api_latency_ms: -1}\n");
    let plan = |file: &str, says: &[&str]| refused(&dir, &["plan", file, "-l", "agentpool=old"], says);
    plan("missing.json", &["missing.json"]);
    plan("broken.json", &["broken.json", "line 1"]);
    plan("no-nodes.json", &["no nodes"]);
    plan("quantity.json", &["quantity.json", "status.allocatable.cpu", "4x"]);
    plan("field.yaml", &["field.yaml", "nodez"]);
    plan("deep.yaml", &["deep.yaml", "cluster.generate", "colour"]);
    plan("yaml.yaml", &["yaml.yaml", "line 1"]);
    plan("range.yaml", &["range.yaml", "sim.api_latency_ms", "-1"]);
    refused(&dir, &["simulate", "broken.json", "no-nodes.json"], &["broken.json"]);
    refused(&dir, &["simulate", "no-nodes.json", "no-nodes.json"], &["no-nodes.json", "plan_version"]);
    refused(&dir, &["test", "quantity.json"], &["quantity.json", "scenario"]);
    refused(&dir, &["verify", "decisions", "missing"], &["missing"]);
    refused(&dir, &["verify", "evictions", "missing"], &["missing"]);
    refused(&dir, &["verify", "drain", "missing"], &["missing", "cluster.json"]);
    refused(&dir, &["discover", "field.yaml"], &["field.yaml", "nodez"]);
    let missing = nodeferry(&dir, &["plan", "missing.json"]).stderr;
    assert_eq!(missing.matches("os error").count(), 1, "a cause is said once: {missing}");
}

#[test]
fn bad_flags_are_refused_with_what_was_expected() {
    let dir = Dir::new();
    let dump = dir.file("dump.json", &nodeferry(&dir, &["generate", "--nodes", "3"]).stdout);
    refused(&dir, &["plan", &dump], &["--nodes", "--selector"]);
    refused(&dir, &["plan", &dump, "-l", "agentpool=nothing"], &["no node matches"]);
    refused(&dir, &["plan", &dump, "--nodes", "old-0000,nowhere"], &["nowhere"]);
    let flags: [(&str, &str, &[&str]); 12] = [
        ("--procedure", "magic", &["magic", "kubectl-drain"]),
        ("--batcher", "magic", &["magic", "budget-aware"]),
        ("--batch-size", "0%", &["0%", "1 to 100"]),
        ("--batch-size", "many", &["many"]),
        ("--batch-min-healthy", "500", &["500", "100"]),
        ("--autoscaler", "magic", &["--autoscaler", "reactive"]),
        ("--cordon", "never", &["--cordon", "all-first"]),
        ("--unscheduled-at-start", "hope", &["--unscheduled-at-start", "refuse"]),
        ("--stop-at", "soon", &["--stop-at", "10m"]),
        ("--replications", "0", &["replications"]),
        ("--output", "xml", &["xml", "json"]),
        ("--groups", "missing.yaml", &["missing.yaml"]),
    ];
    for (flag, value, says) in flags {
        refused(&dir, &["plan", &dump, "-l", "agentpool=old", flag, value], says);
    }
    refused(&dir, &["plan", &dump, "-l", "agentpool in ("], &["agentpool in ("]);
    refused(&dir, &["plan", &dump, "-l", "agentpool=old", "--no-such-flag"], &["--no-such-flag"]);
}

#[test]
fn expectations_that_are_not_met_are_shown_with_both_sides() {
    let dir = Dir::new();
    let good =
        dir.file("good.yaml", &format!("{SHOP}expect: {{outcome: COMPLETED, pods_moved: {{min: 3, max: 3}}}}\n"));
    let bad = dir.file("bad.yaml", &format!("{SHOP}expect: {{outcome: FAILED, findings: [no-such-code]}}\n"));
    let ran = nodeferry(&dir, &["test", &good]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let ran = nodeferry(&dir, &["test", &good, &bad]);
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    for text in ["- FAILED", "+ COMPLETED", "- no-such-code", "1 passed, 1 failed"] {
        assert!(ran.stdout.contains(text), "{text:?} is not in {}", ran.stdout);
    }
}
