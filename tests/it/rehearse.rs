//! Rehearsals: what is simulated is what a session does upon the simulated API, whatever goes wrong on the way.

use nodeferry::rehearsal::luck::Profile;
use nodeferry::rehearsal::stage::{FAULTS, Stage};
use nodeferry::rehearsal::{Rehearsals, Seeds, rehearse, stage_of_scenario};
use nodeferry::request::scenario::Scenario;
use std::path::Path;

fn stage(name: &str) -> Stage {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/rehearse").join(name);
    let text = std::fs::read_to_string(&path).expect("a scenario");
    stage_of_scenario(&Scenario::parse(&text, &path).expect("a scenario")).expect("a stage")
}

fn run(stage: &Stage, first: u64, count: u64, profile: Profile, threads: usize, verbose: bool) -> Rehearsals {
    rehearse(stage, Seeds { first, count, profile, verbose, threads }, &|| ()).expect("rehearsals")
}

fn broken(done: &Rehearsals) -> Vec<String> {
    done.failed.iter().flat_map(|r| r.broken.iter().map(move |b| format!("seed {}: {b}", r.seed))).collect()
}

#[test]
fn without_faults_it_is_as_simulated() {
    for name in ["drain.yaml", "surge.yaml", "ocean.yaml", "claims.yaml", "gates.yaml", "jobs.yaml"] {
        let done = run(&stage(name), 1, 1, Profile::None, 1, false);
        assert_eq!(broken(&done), [""; 0], "{name}");
        assert_eq!(done.outcomes.keys().copied().collect::<Vec<_>>(), ["COMPLETED"], "{name}");
    }
}

#[test]
fn the_same_seed_is_the_same_on_any_number_of_threads() {
    let stage = stage("gates.yaml");
    let logs = |threads| -> Vec<Vec<String>> {
        run(&stage, 7, 2, Profile::Heavy, threads, true).all.into_iter().map(|r| r.log).collect()
    };
    let once = logs(1);
    assert!(once.iter().all(|l| l.len() > 100), "{:?}", once.iter().map(Vec::len).collect::<Vec<_>>());
    assert_eq!(once, logs(2));
}

/// Seeds that found something, and what.
#[test]
fn seeds_that_taught_something_keep_to_the_rules() {
    use Profile::{Heavy, Light};
    for (name, profile, seed) in [
        // An old node vanished after the journal began and before anything was done: refused, not resumed.
        ("surge.yaml", Heavy, 105),
        // A cordon whose answer was lost, then a stop before it was asked for again: it has to be taken back too.
        ("surge.yaml", Heavy, 128),
        // A watch broke while the Lease was being given back: the session asked to be woken again and again.
        ("gates.yaml", Heavy, 5021),
        // A drained node was filled again before a stop, and counted as replaced.
        ("drain.yaml", Light, 3_001_311),
        // Lists were emptied from the start of a process on, and nodes with work on them seemed to be empty.
        ("surge.yaml", Heavy, 3_000_664),
        // Calls left after somebody else had written the Lease and before it was read again.
        ("claims.yaml", Heavy, 3_001_375),
        // Another node bore the name of an old one, and no list showed it.
        ("gates.yaml", Light, 4_000_697),
        // A machine was asked to be given back, somebody made its node schedulable, and the request arrived a minute later.
        ("surge.yaml", Heavy, 4_000_201),
        // A request to give a machine back waited for the Lease, and left when its node had work again.
        ("ocean.yaml", Light, 5_000_434),
        // A Lease that another had taken was seen in an answer that was damaged: nothing follows from it.
        ("gates.yaml", Heavy, 7_001_617),
        // A copy of the journal had cordoned nodes, and the process that was stopped knew nothing of it.
        ("drain.yaml", Light, 44),
        ("gates.yaml", Heavy, 317),
        // Somebody went on with a copy of the journal after the stop.
        ("claims.yaml", Heavy, 317),
        // The second page of the first list had nothing in it, and all that it lacks was taken to be gone.
        ("ocean.yaml", Heavy, 342),
        // Everything was refused shortly after an answer had been lost, and tried again call by call.
        ("surge.yaml", Light, 196),
    ] {
        let done = run(&stage(name), seed, 1, profile, 1, false);
        assert_eq!(broken(&done), [""; 0], "{name}");
    }
}

/// The table of docs/faults.md says where each fault is tested; what it names must be there.
#[test]
fn the_table_of_faults_names_what_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    let (text, cases) = (read("docs/faults.md"), read("tests/differential/executions/mod.rs"));
    let rows: Vec<&str> = text
        .lines()
        .skip_while(|l| !l.starts_with("| fault |"))
        .skip(2)
        .take_while(|l| l.starts_with("| "))
        .filter_map(|l| l.trim_end_matches(" |").rsplit(" | ").next())
        .collect();
    assert!(rows.len() > 15, "{} rows", rows.len());
    let mut struck = std::collections::BTreeSet::new();
    for place in rows.iter().flat_map(|row| row.split("; ")) {
        let quoted: Vec<&str> = place.split('`').skip(1).step_by(2).collect();
        match place.split_once(": ") {
            Some(("rehearsed", faults)) => {
                for fault in faults.split(", ") {
                    assert!(FAULTS.contains(&fault), "{fault} is not counted");
                    struck.insert(fault);
                }
            }
            Some(("control plane", _)) => {
                for case in quoted {
                    assert!(cases.contains(&format!("\"{case}\"")), "no case {case} on the control plane");
                }
            }
            None if place == "rehearsed" => {}
            _ => {
                assert!(!quoted.is_empty(), "{place:?} names nothing");
                for file in quoted {
                    let module = format!("src/{}", file.replace("::", "/"));
                    let there = root.join(file).exists()
                        || root.join(format!("{module}.rs")).exists()
                        || root.join(&module).is_dir();
                    assert!(there, "{file} is not there");
                }
            }
        }
    }
    assert_eq!(struck.len(), FAULTS.len(), "each fault that is counted is in the table: {struck:?}");
}
