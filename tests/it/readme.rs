//! README and the documents show what the program prints.

use std::path::Path;
use std::process::Command;

fn text_of(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The blocks of a document in a language: what stands between the fences.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    document.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn readme_and_quickstart_show_the_quickstart_as_it_is() {
    let output = Command::new(env!("CARGO_BIN_EXE_nodeferry"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["plan", "scenarios/quickstart.yaml"])
        .output()
        .expect("the program runs");
    let printed = String::from_utf8(output.stdout).expect("text");
    let (full, readme) = (text_of("docs/quickstart.md"), text_of("README.md"));
    let shown = blocks(&full, "text");
    assert_eq!(shown, [&printed], "docs/quickstart.md does not show what is printed now; paste this:\n{printed}");
    let beginning = blocks(&readme, "text");
    assert_eq!(beginning.len(), 1, "README.md shows one output");
    assert!(
        printed.starts_with(beginning[0].trim_end()),
        "README.md does not show how what is printed now begins; paste from this:\n{printed}"
    );
    assert!(readme.lines().count() < 200, "README.md has become long; what it says in detail belongs into docs/");
}

/// A command of a `console` block and what it prints; a line `…` stands for any lines.
struct Shown {
    command: String,
    printed: String,
}

fn shown(block: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => all.push(Shown { command: command.to_owned(), printed: String::new() }),
            (None, Some(last)) => {
                let line = if line == "…" { "..." } else { line };
                last.printed.push_str(line);
                last.printed.push('\n');
            }
            (None, None) => panic!("a block begins with its command, and not with {line:?}"),
        }
    }
    for one in &mut all {
        one.printed.truncate(one.printed.trim_end().len());
    }
    all
}

/// The words of a command as a shell splits them: at blanks, but not within single quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted, mut any) = (String::new(), false, false);
    for c in command.chars() {
        match c {
            '\'' => (quoted, any) = (!quoted, true),
            ' ' if !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            other => word.push(other),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

/// Runs the commands of a document in the repository, with what they write elsewhere, and holds what they print against what it shows.
fn shows_what_is_printed(document: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Its commands name files of the repository; what they write goes elsewhere.
    for shipped in ["scenarios", "tests", "docs"] {
        #[cfg(unix)]
        std::os::unix::fs::symlink(root.join(shipped), dir.path().join(shipped)).expect("a link");
    }
    let text = text_of(document);
    let blocks = blocks(&text, "console");
    assert!(!blocks.is_empty(), "{document} has lost its commands");
    for one in blocks.into_iter().flat_map(shown) {
        let words = words(&one.command);
        assert_eq!(words[0], "nodeferry", "{}", one.command);
        let ran = Command::new(env!("CARGO_BIN_EXE_nodeferry")).current_dir(dir.path()).args(&words[1..]).output();
        let ran = ran.expect("the program runs");
        let printed = String::from_utf8([ran.stdout, ran.stderr].concat()).expect("text");
        let pattern = snapbox::Data::text(one.printed.clone());
        let assert = snapbox::Assert::new();
        if let Err(difference) = assert.try_eq(Some(&one.command), printed.trim_end().into(), pattern) {
            panic!("{document}, $ {}: {difference}", one.command);
        }
    }
}

#[test]
fn the_tour_shows_what_is_printed() {
    shows_what_is_printed("docs/tour.md");
}

#[test]
fn what_if_shows_what_is_printed() {
    shows_what_is_printed("docs/what-if.md");
}

#[test]
fn links_lead_to_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents: Vec<String> = std::fs::read_dir(root.join("docs"))
        .expect("docs")
        .map(|e| format!("docs/{}", e.expect("an entry").file_name().to_string_lossy()))
        .filter(|p| Path::new(p).extension().is_some_and(|x| x == "md"))
        .collect();
    documents
        .extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(str::to_owned));
    documents.sort();
    let mut dead = Vec::new();
    for document in &documents {
        let text = text_of(document);
        let here = root.join(document).parent().expect("a directory").to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !target.contains("://") && !here.join(path).exists() {
                dead.push(format!("{document}: {target}"));
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new(), "links that lead nowhere");
    let index = text_of("docs/README.md");
    let missing: Vec<&String> = documents
        .iter()
        .filter(|d| d.starts_with("docs/") && *d != "docs/README.md")
        .filter(|d| !index.contains(&format!("]({})", d.trim_start_matches("docs/"))))
        .collect();
    assert!(missing.is_empty(), "docs/README.md does not name {missing:?}");
}

/// How a heading is linked to.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .collect::<String>();
    kept.replace(' ', "-")
}

/// All files of a kind below a directory.
fn files_below(directory: &Path, extension: &str, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, extension, found);
        } else if path.extension().is_some_and(|x| x == extension) {
            found.push(path);
        }
    }
}

#[test]
fn what_the_code_cites_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = Vec::new();
    ["src", "tests"].iter().for_each(|d| files_below(&root.join(d), "rs", &mut code));
    let mut dangling = Vec::new();
    for file in code {
        let text = std::fs::read_to_string(&file).expect("text");
        let shown = file.strip_prefix(root).expect("below it").display().to_string();
        for rest in text.split("docs/").skip(1) {
            let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.' | '#');
            let cited: String = rest.chars().take_while(is_part).collect();
            let cited = cited.trim_end_matches('.');
            let (path, heading) = cited.split_once('#').unwrap_or((cited, ""));
            // A name that is put together from parts, or of another repository.
            if !path.ends_with(".md") {
                continue;
            }
            let document = root.join("docs").join(path);
            let Ok(document) = std::fs::read_to_string(document) else {
                dangling.push(format!("{shown}: docs/{path}"));
                continue;
            };
            let headings =
                document.lines().filter_map(|l| l.strip_prefix('#')).map(|l| anchor(l.trim_start_matches('#')));
            if !heading.is_empty() && !headings.into_iter().any(|h| h == heading) {
                dangling.push(format!("{shown}: docs/{path}#{heading}"));
            }
        }
    }
    assert_eq!(dangling, Vec::<String>::new(), "citations of documents or headings that are not there");
}
