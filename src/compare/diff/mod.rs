//! Two plans or two runs side by side: what differs, in words.

pub mod plans;
pub mod runs;

use crate::execution::run_file::Document;
use serde::Serialize;

/// What two files have in common and where they differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// `plans` or `runs`.
    pub of: &'static str,
    /// What differs, most important first; empty if nothing does.
    pub sections: Vec<Section>,
}

/// Differences of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What they are about.
    pub title: &'static str,
    /// One difference each, in words.
    pub lines: Vec<String>,
}

impl Diff {
    /// Of some sections; those without a line are left out.
    fn new(of: &'static str, sections: Vec<Section>) -> Diff {
        Diff { of, sections: sections.into_iter().filter(|s| !s.lines.is_empty()).collect() }
    }
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.sections.is_empty()
    }
    /// As people read it: of each section at most `most` lines.
    pub fn text(&self, most: usize) -> String {
        if self.is_same() {
            return format!("The {} are the same.\n", self.of);
        }
        let mut out = String::new();
        for (i, s) in self.sections.iter().enumerate() {
            out.push_str(if i > 0 { "\n" } else { "" });
            out.push_str(s.title);
            out.push_str(":\n");
            s.lines.iter().take(most).for_each(|l| out.push_str(&format!("  {l}\n")));
            if s.lines.len() > most {
                out.push_str(&format!("  … and {} more (all of them: -o json)\n", s.lines.len() - most));
            }
        }
        out
    }
}

/// Compares two files of one kind. Times of runs may differ by `tolerance_ms` without being named.
///
/// # Errors
/// Says what to do if they are of two kinds.
pub fn diff(first: &Document, second: &Document, tolerance_ms: u64) -> Result<Diff, String> {
    match (first, second) {
        (Document::Plan(a), Document::Plan(b)) => Ok(plans::diff(a, b)),
        (Document::Run(a), Document::Run(b)) => Ok(runs::diff(a, b, tolerance_ms)),
        (Document::Plan(_), Document::Run(r)) | (Document::Run(r), Document::Plan(_)) => Err(format!(
            "one is a plan, the other a {}; expected two plans or two runs (what was predicted against what happened: nodeferry report JOURNAL)",
            r.kind()
        )),
    }
}
