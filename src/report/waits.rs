//! What each batch waits for, as people read it.

use super::format::duration;
use crate::plan::forecast::{BatchForecast, Forecast};
use std::fmt::Write;

/// Batches that are shown, those that take longest.
const SHOWN: usize = 5;
/// Waits of a batch that are named.
const NAMED: usize = 3;

/// A line for each of the batches that take longest; empty if none waits for anything.
pub(super) fn waits(forecast: &Forecast) -> String {
    let length = |b: &BatchForecast| b.start_ms.zip(b.end_ms).map_or(0, |(s, e)| e.saturating_sub(s));
    let mut longest: Vec<&BatchForecast> = forecast.batches.iter().filter(|b| !b.waits.is_empty()).collect();
    longest.sort_by_key(|b| (std::cmp::Reverse(length(b)), b.index));
    longest.truncate(SHOWN);
    longest.sort_by_key(|b| b.index);
    if longest.is_empty() {
        return String::new();
    }
    let which = if forecast.batches.len() > longest.len() { " (those that take longest)" } else { "" };
    let mut out = format!("\nWhat batches wait for{which}:\n");
    for b in longest {
        // What rounds to nothing is nothing to act on; the first is named in any case.
        let noted = b.waits.iter().enumerate().filter(|(i, w)| *i == 0 || w.percent > 0).map(|(_, w)| w);
        let named = noted.take(NAMED).map(|w| format!("{} {} % ({})", w.what.as_str(), w.percent, duration(w.ms)));
        let _ = writeln!(out, "  batch {}: {}", b.index + 1, named.collect::<Vec<_>>().join(", "));
    }
    out
}
