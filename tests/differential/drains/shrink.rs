//! Makes a migration that differs smaller, as long as it differs, on the real control plane again.

use super::draw::Migration;
use super::judge::{self, Difference};
use super::{record, scenario};
use crate::bed::recording::save_scenario;
use anyhow::Result;
use std::path::Path;

/// How many smaller migrations are tried; `NODEFERRY_SHRINK` says otherwise. Each takes as long as a seed.
const TRIES: usize = 8;

/// Tries smaller migrations and keeps each that still differs in the same way; writes what is left as a scenario beside the
/// recording and says where.
pub fn shrink(
    binary: &Path,
    whole: Migration,
    differences: &[Difference],
    directory: &Path,
    name: &str,
) -> Result<String> {
    let tries = std::env::var("NODEFERRY_SHRINK").ok().and_then(|t| t.parse().ok()).unwrap_or(TRIES);
    let mut small = whole;
    let mut kept = directory.to_owned();
    let mut cuts = cuts(&small);
    let mut text = String::new();
    let mut tried = 0;
    while tried < tries {
        let Some(cut) = cuts.pop() else { break };
        let Some(smaller) = cut.apply(&small) else { continue };
        tried += 1;
        let there = directory.join(format!("smaller-{tried}"));
        record::record(binary, &smaller, &there)?;
        let (report, left) = judge::judge(&there)?;
        if left.iter().any(|l| differences.iter().any(|d| d.what == l.what)) {
            text = format!("\nsmaller, in {}:\n{}", there.display(), judge::text(&report, &left));
            small = smaller;
            kept = there;
            if let Some([a, b]) = cut.halves() {
                cuts.retain(|c| !matches!(c, Cut::Pieces(..)));
                cuts.extend([b, a]);
            }
        } else if let Some([a, b]) = cut.halves() {
            cuts.extend([b, a]);
        }
    }
    let saved = save_scenario(directory, &scenario::scenario(name, &small, &kept)?)?;
    Ok(format!("{text}\n{saved}"))
}

/// Something to leave out.
#[derive(Clone, Copy)]
enum Cut {
    /// Pieces of the list, from the end: from, count.
    Pieces(usize, usize),
    /// The batches after the n-th.
    Batches(usize),
}

fn cuts(migration: &Migration) -> Vec<Cut> {
    let n = migration.pieces.len();
    let mut cuts = vec![Cut::Pieces(0, n / 2), Cut::Pieces(n / 2, n - n / 2)];
    cuts.extend((1..migration.batches.len()).rev().map(Cut::Batches));
    cuts
}

impl Cut {
    fn apply(self, migration: &Migration) -> Option<Migration> {
        let mut smaller = migration.clone();
        match self {
            Cut::Pieces(from, count) => {
                let until = (from + count).min(smaller.pieces.len());
                if from >= until {
                    return None;
                }
                smaller.pieces.drain(from..until);
            }
            Cut::Batches(n) if n < smaller.batches.len() => smaller.batches.truncate(n),
            Cut::Batches(_) => return None,
        }
        Some(smaller)
    }
    /// Smaller cuts to try after this one.
    fn halves(self) -> Option<[Cut; 2]> {
        match self {
            Cut::Pieces(from, count) if count > 1 => {
                Some([Cut::Pieces(from, count / 2), Cut::Pieces(from + count / 2, count - count / 2)])
            }
            _ => None,
        }
    }
}
