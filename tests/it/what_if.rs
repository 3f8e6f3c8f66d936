//! What if: faults, delays, windows and options as flags, and all of it kept as a scenario that expects what came out.

use super::cli::{Dir, nodeferry};

fn dump(dir: &Dir, nodes: &str) -> String {
    let path = dir.path("dump.json.gz");
    let ran = nodeferry(dir, &["generate", "--nodes", nodes, "--new-nodes", "4", "--seed", "3", "--out", &path]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    path
}

fn plan(dir: &Dir, dump: &str, more: &[&str]) -> super::cli::Ran {
    nodeferry(dir, &[&["plan", dump, "-l", "agentpool=old", "--autoscaler", "reactive"], more].concat())
}

const GROUPS: &str = "groups:\n- name: new\n  labels: {agentpool: new, disktype: ssd}\n  zones: [eu-1a, eu-1b, eu-1c]\n  machine_types: [{name: standard-8, allocatable: {cpu: 7800m, memory: 30Gi, pods: 110}, price_per_hour: 0.4}]\n  max_count: 20\n";

#[test]
fn what_is_saved_is_a_scenario_that_expects_what_came_out() {
    let dir = Dir::new();
    dump(&dir, "6");
    let groups = dir.file("groups.yaml", GROUPS);
    std::fs::create_dir(dir.path("scenarios")).expect("a directory");
    // Paths are written as they are read from the scenario's own directory.
    let ran = plan(
        &dir,
        "dump.json.gz",
        &[
            "--groups",
            "groups.yaml",
            "--batch-size",
            "50%",
            "--fault",
            "zone=b:no-capacity",
            "--fault",
            "node=old-0002:cordon-refused=422@..1m",
            "--delay",
            "launch=90s..3m",
            "--set",
            "options.kubectl_drain.force=true",
            "--set",
            "sim.volume_detach_ms=4000",
            "--seed",
            "7",
            "--replications",
            "3",
            "--window",
            "0 0 * * *",
            "--window-duration",
            "24h",
            "--horizon",
            "36h",
            "--save-scenario",
            "scenarios/saved.yaml",
        ],
    );
    assert!([0, 3, 4].contains(&ran.status), "{}", ran.stderr);
    let text = std::fs::read_to_string(dir.path("scenarios/saved.yaml")).expect("the scenario");
    for part in [
        "../dump.json.gz",
        "../groups.yaml",
        "zone: eu-1b",
        "code: 422",
        "min_ms: 90000",
        "volume_detach_ms: 4000",
        "horizon_ms: 129600000",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("api_latency_ms") && !text.contains("null"), "defaults are left out: {text}");
    let tested = nodeferry(&dir, &["test", "scenarios"]);
    assert_eq!(tested.status, 0, "{}", tested.stdout);
    // What expects anything can fail: with another seed it does.
    dir.file("scenarios/saved.yaml", &text.replace("seed: 7\n", "seed: 9\n"));
    assert_eq!(nodeferry(&dir, &["test", "scenarios"]).status, 1);
    // A scenario is saved again as itself, with what the flags changed.
    dir.file("scenarios/saved.yaml", &text);
    let again = nodeferry(
        &dir,
        &["plan", "scenarios/saved.yaml", "--seed", "8", "--replications", "2", "--save-scenario", "again.yaml"],
    );
    assert_eq!(again.stderr, "", "{}", again.stdout);
    assert_eq!(nodeferry(&dir, &["test", "again.yaml"]).status, 0);
    drop(groups);
}

#[test]
fn a_scenario_names_its_cluster_in_a_file() {
    let dir = Dir::new();
    let text = nodeferry(&dir, &["generate", "--nodes", "2"]).stdout;
    let own = std::path::Path::new(env!("CARGO_BIN_EXE_nodeferry"));
    let args = ["plan", "-", "-l", "agentpool=old", "--save-scenario", "saved.yaml"];
    let ran = super::cli::nodeferry_of(own, &dir, &args, &text);
    assert!(ran.status == 2 && ran.stderr.contains("standard input"), "{}", ran.stderr);
}

#[test]
fn batches_start_only_within_windows_simulated_and_carried_out() {
    let dir = Dir::new();
    let dump = dump(&dir, "4");
    let nights =
        ["--window", "0 22 * * *", "--window-duration", "8h", "--time-zone", "Europe/Berlin", "--horizon", "7d"];
    let starts = |start: &str, more: &[&str]| {
        let flags = [&nights[..], &["--start", start, "--batch-size", "50%", "-o", "json"], more].concat();
        let result = plan(&dir, &dump, &flags).json();
        let batches = result["batches"].as_array().expect("batches").clone();
        let starts: Vec<i64> = batches.iter().filter_map(|b| b["start_ms"].as_i64()).collect();
        (result["starts"].as_str().map(str::to_owned), starts)
    };
    const HOUR: i64 = 3_600_000;
    // At noon UTC the night of Berlin is nine hours away in winter, and eight in summer.
    let (said, winter) = starts("2026-01-15T13:00:00+01:00", &[]);
    assert_eq!((said.as_deref(), winter[0]), (Some("2026-01-15T12:00:00Z"), 9 * HOUR));
    assert_eq!(starts("2026-07-15T12:00:00Z", &[]).1[0], 8 * HOUR);
    // Within the window it begins at once; a batch that would begin after its end waits for the next night.
    let (_, late) = starts("2026-01-15T04:59:00Z", &["--set", "options.soak_ms=120000"]);
    assert_eq!(late, [0, 16 * HOUR + 60_000]);
    // Without --start it begins at the newest timestamp of the dump, whatever the clock says.
    let text = plan(&dir, &dump, &nights).stdout;
    assert!(text.contains("\nBegins 2026-01-"), "{text}");
    assert!(text.contains("batches start within 0 22 * * * for 8h (Europe/Berlin).\n"), "{text}");

    // An execution counts from its own beginning, which its journal holds: rehearsed without faults it does as was simulated.
    let saved = dir.path("nights.yaml");
    let flags =
        [&nights[..], &["--start", "2026-01-15T04:59:00Z", "--set", "options.soak_ms=120000", "--batch-size", "50%"]]
            .concat();
    let ran = plan(&dir, &dump, &[&flags[..], &["--save-scenario", &saved]].concat());
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let rehearsed = nodeferry(&dir, &["rehearse", &saved, "--seeds", "2", "--faults", "none"]);
    assert_eq!(rehearsed.status, 0, "{}{}", rehearsed.stdout, rehearsed.stderr);
}

#[test]
fn what_is_not_understood_is_refused_with_what_was_expected() {
    let dir = Dir::new();
    let dump = dump(&dir, "2");
    for (flags, says) in [
        (&["--fault", "zone=q:no-capacity"][..], &["--fault zone=q:no-capacity", "eu-1a"][..]),
        (&["--fault", "no-capcity"], &["did you mean no-capacity?"]),
        (&["--delay", "lanch=90s"], &["did you mean launch?"]),
        (&["--delay", "launch=3m..90s"], &["--delay launch=3m..90s"]),
        (&["--window", "0 22 * * *"], &["--window-duration"]),
        (&["--window", "0 25 * * *", "--window-duration", "8h"], &["hour \"25\": expected 0 to 23"]),
        (&["--window", "0 22 * * *", "--window-duration", "8h", "--time-zone", "Berlin"], &["Berlin", "Europe/Berlin"]),
        (&["--start", "tomorrow"], &["--start tomorrow", "2026-11-27T20:00:00Z"]),
        (&["--horizon", "0s"], &["horizon_ms is 0"]),
        (&["--set", "options.sok_ms=5"], &["sok_ms", "did you mean soak_ms?"]),
        (&["--set", "option.soak_ms=5"], &["did you mean options?"]),
        (&["--set", "options.soak_ms=long"], &["options.soak_ms"]),
    ] {
        let ran = plan(&dir, &dump, flags);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{flags:?}: {}", ran.stderr);
        says.iter().for_each(|s| assert!(ran.stderr.contains(s), "{flags:?}: {s:?} is not in {}", ran.stderr));
    }
}
