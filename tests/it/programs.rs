//! Our own command as the starter of a program: it records itself, and becomes the program.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn started(record: &Path, parent: u32, argv: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nodeferry"));
    command.arg("--start-program").arg(record).arg(parent.to_string()).args(argv);
    command.output().expect("it starts")
}

#[test]
fn what_runs_is_recorded_before_it_begins() {
    let tmp = tempfile::tempdir().expect("a directory");
    let record = tmp.path().join("1-0.json");
    let script = format!("echo $$ $(cut -d' ' -f22 /proc/$$/stat); cat {}; exit 7", record.display());
    let ran = started(&record, std::process::id(), &["sh", "-c", &script]);
    assert_eq!(ran.status.code(), Some(7), "its exit status is the program's");
    let text = String::from_utf8(ran.stdout).expect("text");
    let (numbers, seen) = text.split_once('\n').expect("two lines");
    // The program could read its own record: it was there before it began.
    let seen: Value = serde_json::from_str(seen).expect("a record");
    assert_eq!(numbers, format!("{} {}", seen["pid"], seen["began"]));
    assert_eq!(seen["program"], "sh", "arguments may hold secrets");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot");
    assert!(seen["boot"].as_str().is_some_and(|b| b.starts_with(boot.trim())), "{seen}");
}

#[test]
fn nothing_begins_when_whoever_starts_it_is_gone() {
    let tmp = tempfile::tempdir().expect("a directory");
    let (record, mark) = (tmp.path().join("1-0.json"), tmp.path().join("mark"));
    let ran = started(&record, 1, &["touch", &mark.display().to_string()]);
    assert_eq!(ran.status.code(), Some(127));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(said, "touch cannot be started: the nodeferry that starts it has ended\n");
    assert!(!mark.exists() && !record.exists());
}

#[test]
fn a_program_that_is_not_there_is_said() {
    let tmp = tempfile::tempdir().expect("a directory");
    let ran = started(&tmp.path().join("1-0.json"), std::process::id(), &["no-such-program-here"]);
    assert_eq!(ran.status.code(), Some(127));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(said.starts_with("no-such-program-here cannot be started: No such file"), "{said}");
}
