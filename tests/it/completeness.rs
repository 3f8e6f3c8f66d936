//! Nothing is forgotten: every test module is compiled, every scenario keeps its expectations.

use nodeferry::verify::expect::{run_scenario, scenario_files};
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_file_here_is_a_module_of_main() {
    let main = include_str!("main.rs");
    let mut forgotten = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/it")).expect("this directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|s| s.to_str()).expect("a name").to_owned();
        let is_module = path.extension().is_some_and(|x| x == "rs") && name != "main";
        if is_module && !main.lines().any(|l| l.trim() == format!("mod {name};")) {
            forgotten.push(name);
        }
    }
    forgotten.sort();
    assert!(forgotten.is_empty(), "add to tests/it/main.rs: {forgotten:?}");
}

#[test]
fn every_scenario_keeps_its_expectations() {
    let files = scenario_files(&[root().join("scenarios")]).expect("scenarios");
    let mut broken = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match run_scenario(&file) {
            Ok(result) if result.differences.is_empty() => {}
            Ok(result) => broken.push(format!("{name}: {:?}", result.differences)),
            Err(e) => broken.push(format!("{name}: {e}")),
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
