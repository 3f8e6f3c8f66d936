//! `sweep`: variants under the same random seeds, judged, ranked, and the same bytes on any number of threads.

use super::cli::{Dir, Ran, nodeferry};
use serde_json::Value;

const GROUPS: &str = "groups:
- name: small
  labels: {agentpool: new, disktype: ssd}
  zones: [eu-1a, eu-1b, eu-1c]
  machine_types: [{name: standard-4, allocatable: {cpu: 3900m, memory: 15Gi, pods: 110}, price_per_hour: 0.22}]
  max_count: 40
- name: medium
  labels: {agentpool: new, disktype: ssd}
  zones: [eu-1a, eu-1b, eu-1c]
  machine_types: [{name: standard-8, allocatable: {cpu: 7800m, memory: 30Gi, pods: 110}, price_per_hour: 0.40}]
  max_count: 40
- name: large
  labels: {agentpool: new, disktype: ssd}
  zones: [eu-1a, eu-1b, eu-1c]
  machine_types: [{name: standard-16, allocatable: {cpu: 15700m, memory: 61Gi, pods: 110}, price_per_hour: 0.76}]
  max_count: 40
";

/// A directory with a cluster and its groups.
fn place() -> Dir {
    let dir = Dir::new();
    let out = dir.path("d.json.gz");
    let ran = nodeferry(
        &dir,
        &["generate", "--nodes", "6", "--new-nodes", "1", "--pods-per-node", "4", "--seed", "3", "--out", &out],
    );
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    dir.file("groups.yaml", GROUPS);
    dir
}

fn sweep(dir: &Dir, more: &[&str]) -> Ran {
    nodeferry(dir, &[&["sweep", "d.json.gz", "-l", "agentpool=old", "--groups", "groups.yaml"], more].concat())
}

fn runs(document: &Value) -> Vec<u64> {
    document["variants"].as_array().expect("variants").iter().map(|v| v["runs"].as_u64().expect("runs")).collect()
}

#[test]
fn a_sweep_is_the_same_for_any_number_of_threads_and_each_variant_is_what_plan_says() {
    let dir = place();
    let args = |threads: &'static str, csv: &'static str, plot: &'static str| {
        let own = ["--replications", "4", "--rounds", "3", "--threads", threads, "--csv", csv, "--plot", plot];
        let varied = ["--vary", "batch-size=17%,34..100%:2", "--vary", "to=small,large", "--best", "duration,cost"];
        [&own[..], &varied[..]].concat()
    };
    let table = |threads: &'static str| sweep(&dir, &args(threads, "a.csv", "a.svg"));
    let read = |name: &str| std::fs::read_to_string(dir.path(name)).expect(name);
    let one = table("1");
    assert_eq!(one.status, 0, "{}{}", one.stdout, one.stderr);
    let (csv, plot) = (read("a.csv"), read("a.svg"));
    let three = table("3");
    // The line that plans the best names the threads that were asked for, and nothing else differs.
    assert_eq!(one.stdout, three.stdout.replace("--threads 3", "--threads 1"));
    assert_eq!((csv.as_str(), plot.as_str()), (read("a.csv").as_str(), read("a.svg").as_str()));
    assert_eq!(csv.lines().count(), 7, "a header and six variants: {csv}");
    assert!(csv.starts_with("batch-size,to,runs,completed,good,best,pareto,duration_ms_p5,duration_ms_p50"), "{csv}");
    assert!(plot.starts_with("<svg") && plot.contains("on the Pareto front"), "{plot}");

    let document = sweep(&dir, &[&args("2", "b.csv", "b.svg")[..], &["-o", "json"]].concat()).json();
    let (best, variants) = (document["best"].as_u64().expect("a best one") as usize, &document["variants"]);
    assert_eq!(variants[0]["settings"][0]["value"], "17%");
    for n in runs(&document) {
        assert!(n % 4 == 0 && (4..=12).contains(&n), "runs come in rounds: {document}");
    }
    // The line is ready to be run, and the plan says of the variant what the sweep said: the seeds are the same.
    let line = document["plan"].as_str().expect("a line");
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(&words[..2], ["nodeferry", "plan"]);
    let n = variants[best]["runs"].to_string();
    let mut words: Vec<&str> = words[1..].to_vec();
    let at = words.iter().position(|w| *w == "--replications").expect("the number of runs");
    words[at + 1] = &n;
    let plan = nodeferry(&dir, &[&words[..], &["-o", "json"]].concat()).json();
    let (all, figures) = (&plan["verdict"]["all"], &variants[best]["figures"]);
    assert_eq!(all["duration_ms"], figures["duration_ms"]);
    assert_eq!(all["surge_nodes"], figures["surge"]);
    assert_eq!(plan["ending"]["price_after_micros"], figures["price_micros"]["p50"]);
    // It is the shortest of those that meet all.
    let duration = |v: &Value| v["figures"]["duration_ms"]["p50"].as_i64();
    let good = variants.as_array().expect("variants").iter().filter(|v| v["good"] == true);
    assert_eq!(duration(&variants[best]), good.filter_map(duration).min());
}

#[test]
fn rounds_are_added_where_variants_are_close_and_nowhere_else() {
    let dir = place();
    let args = ["--vary", "batch-size=1,6", "--replications", "4", "-o", "json"];
    let document = sweep(&dir, &[&args[..], &["--rounds", "5"]].concat()).json();
    let median = |i: usize| document["variants"][i]["figures"]["duration_ms"]["p50"].as_i64();
    assert!(median(0) > median(1), "one by one takes longer than all at once: {document}");
    assert_eq!(runs(&document), [4, 4], "under equal seeds four runs show it");
    // One distribution is sometimes above the other and sometimes below it.
    let open = ["--vary", "delay=launch=60s~150s,launch=1s..160s", "--replications", "4", "-o", "json"];
    let close = runs(&sweep(&dir, &[&open[..], &["--rounds", "3"]].concat()).json());
    assert!(close[0] > 4 && close[0] == close[1], "what differs by less than chance does goes on: {close:?}");
    let once = runs(&sweep(&dir, &[&open[..], &["--rounds", "1"]].concat()).json());
    assert_eq!(once, [4, 4]);
}

#[test]
fn what_is_required_decides_and_why_a_variant_fails_is_said() {
    let dir = place();
    let faults = ["--vary", "fault=none;group=small:no-capacity;no-capacity", "--replications", "3", "--rounds", "1"];
    let ran = sweep(&dir, &[&faults[..], &["--to", "small"]].concat());
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("Best by duration.p50: fault=none\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("Why variants do not complete as required:"), "{}", ran.stdout);
    for part in ["message: ", "cause: ", "remedy: ", "(fault=group=small:no-capacity; fault=no-capacity)"] {
        assert!(ran.stdout.contains(part), "{part} is not in {}", ran.stdout);
    }
    // Nothing that must hold does: exit status 1, and what is missed is named.
    let strict =
        sweep(&dir, &["--vary", "batch-size=1,2", "--replications", "3", "--rounds", "1", "--where", "surge>=99"]);
    assert_eq!(strict.status, 1, "{}{}", strict.stdout, strict.stderr);
    assert!(
        strict.stdout.starts_with("Best: none.") && strict.stdout.contains("misses surge>=99"),
        "{}",
        strict.stdout
    );
    // A share of runs can be enough.
    let some = ["--vary", "fault=no-capacity", "--replications", "3", "--rounds", "1", "--require", "0"];
    assert_eq!(sweep(&dir, &some).status, 0);
}

#[test]
fn a_scenario_is_swept_over_its_own_fields() {
    let dir = Dir::new();
    let scenario = dir.file(
        "s.yaml",
        "scenario: s\ncluster: {generate: {seed: 4, nodes: 4, new_nodes: 4, pods_per_node: 3}}\nnodes: {selector: agentpool=old}\n",
    );
    let args = ["sweep", &scenario, "--vary", "options.soak_ms=0..60000:2", "--replications", "3", "--rounds", "1"];
    let ran = nodeferry(&dir, &args);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("--set options.soak_ms=0\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("OPTIONS.SOAK_MS"), "{}", ran.stdout);
}

#[test]
fn what_cannot_be_swept_is_refused_with_what_was_expected() {
    let dir = place();
    for (flags, says) in [
        (&["--vary", "bach-size=5%"][..], &["--vary bach-size=5%", "did you mean batch-size?"][..]),
        (&["--vary", "batch-size=1..900"], &["say how many"]),
        (&["--vary", "seed=1,2"], &["seed is no option that can be varied"]),
        (&["--vary", "batch-size=1..50", "--vary", "options.soak_ms=1..50"], &["more than 1000 variants"]),
        (&["--vary", "batch-size=1,2", "--where", "srge<=2"], &["--where srge<=2", "did you mean surge?"]),
        (&["--vary", "batch-size=1,2", "--best", "fast"], &["--best fast", "duration"]),
        (&["--vary", "procedure=magic,hope"], &["no variant can be planned", "magic"]),
        (&[], &["--vary"]),
    ] {
        let ran = sweep(&dir, flags);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{flags:?}: {}", ran.stderr);
        says.iter().for_each(|s| assert!(ran.stderr.contains(s), "{flags:?}: {s:?} is not in {}", ran.stderr));
    }
    // One that cannot be planned does not keep the others from it.
    let mixed = sweep(&dir, &["--vary", "procedure=kubectl-drain,magic", "--replications", "2", "--rounds", "1"]);
    assert_eq!(mixed.status, 0, "{}", mixed.stderr);
    assert!(mixed.stdout.contains("cannot be planned"), "{}", mixed.stdout);
}
