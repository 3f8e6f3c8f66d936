//! The README shows what the program prints.

use std::path::Path;
use std::process::Command;

#[test]
fn the_readme_shows_the_quickstart_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(env!("CARGO_BIN_EXE_nodeferry"))
        .current_dir(root)
        .args(["plan", "scenarios/quickstart.yaml"])
        .output()
        .expect("the program runs");
    let printed = String::from_utf8(output.stdout).expect("text");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md");
    assert!(readme.contains(printed.trim_end()), "README.md does not show what is printed now; paste this:\n{printed}");
}
