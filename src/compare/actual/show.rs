//! Predicted against actual, as people read it and as CSV.

use super::{Actual, Batch, DelayRow, Pair};
use crate::report::csv::table as csv_table;
use crate::report::format::{count, duration, thousands};
use crate::report::table::{Align, Table};
use std::fmt::Write;

/// The comparison in words and tables; `width` is the terminal's, None for as wide as need be. Delays of single
/// workloads and groups are left to `-o json` and `delays.csv` beyond the slowest few.
pub fn text(actual: &Actual, width: Option<u16>) -> String {
    let mut out = String::new();
    let what = if actual.forecast_version.is_some() { "predicted against actual" } else { "what happened" };
    let _ = writeln!(out, "Execution {} on {}: {what}.\n", actual.execution, actual.context);
    out.push_str(&batches(&actual.batches, width));
    out.push('\n');
    out.push_str(&whole(actual, width));
    out.push('\n');
    out.push_str(&delays(&actual.delays, width));
    for line in &actual.delays_predicted {
        let _ = writeln!(out, "  forecast: {line}");
    }
    for note in &actual.notes {
        let _ = writeln!(out, "\nNote: {note}.");
    }
    out
}

fn ms(value: Option<i64>) -> String {
    value.map_or("-".into(), |v| duration(v.max(0) as u64))
}

fn number(value: Option<i64>) -> String {
    value.map_or("-".into(), |v| thousands(v.max(0) as u64))
}

/// `+12.5 %`, `-3 %`; nothing where there is nothing to compare.
fn difference(pair: &Pair) -> String {
    pair.difference_percent.map_or(String::new(), |d| format!("{d:+} %"))
}

/// `3`, or `3 → 5` where they differ; only what happened where nothing was predicted.
fn both(pair: &Pair) -> String {
    match pair.predicted.is_none() || pair.predicted == pair.actual {
        true => number(pair.actual),
        false => format!("{} → {}", number(pair.predicted), number(pair.actual)),
    }
}

fn batches(batches: &[Batch], width: Option<u16>) -> String {
    let mut table = Table::new(&[
        ("BATCH", Align::Right),
        ("NODES", Align::Right),
        ("STARTS", Align::Right),
        ("STARTED", Align::Right),
        ("TAKES", Align::Right),
        ("TOOK", Align::Right),
        ("", Align::Right),
        ("EVICTIONS", Align::Right),
        ("REFUSED", Align::Right),
        ("NEW NODES", Align::Right),
        ("ENDED", Align::Left),
    ]);
    for b in batches {
        table.row([
            (b.index + 1).to_string(),
            b.nodes.len().to_string(),
            ms(b.start_ms.predicted),
            ms(b.start_ms.actual),
            ms(b.duration_ms.predicted),
            ms(b.duration_ms.actual),
            difference(&b.duration_ms),
            both(&b.evictions),
            both(&b.refused),
            both(&b.launched),
            ended(b),
        ]);
    }
    table.render(width)
}

fn ended(b: &Batch) -> String {
    let word = |w: &Option<String>| w.clone().unwrap_or_else(|| "-".into());
    let mut text = match b.outcome_predicted.is_none() || b.outcome == b.outcome_predicted {
        true => word(&b.outcome),
        false => format!("{} → {}", word(&b.outcome_predicted), word(&b.outcome)),
    };
    if let Some(reason) = &b.reason {
        let _ = write!(text, ": {reason}");
    }
    if b.away_ms > 0 {
        let _ = write!(text, " ({} away)", duration(b.away_ms));
    }
    text
}

fn whole(actual: &Actual, width: Option<u16>) -> String {
    let w = &actual.whole;
    let mut table =
        Table::new(&[("", Align::Left), ("PREDICTED", Align::Right), ("ACTUAL", Align::Right), ("", Align::Right)]);
    let under_way = || "under way".to_owned();
    let predicted = w.outcome_predicted.clone().unwrap_or_else(|| "-".to_owned());
    table.row(["outcome".to_owned(), predicted, w.outcome.clone().unwrap_or_else(under_way)]);
    table.row([
        "duration".to_owned(),
        ms(w.duration_ms.predicted),
        ms(w.duration_ms.actual),
        difference(&w.duration_ms),
    ]);
    let mut figures = vec![
        ("evictions", &w.evictions),
        ("refused", &w.refused),
        ("new nodes", &w.launched),
        ("pods moved", &w.pods_moved),
        ("moved twice", &w.pods_moved_twice),
    ];
    figures.extend(w.did_not_reach_ocean.as_ref().map(|pair| ("did not reach Ocean", pair)));
    figures.push(("most nodes", &w.peak_nodes));
    for (name, pair) in figures {
        table.row([name.to_owned(), number(pair.predicted), number(pair.actual), difference(pair)]);
    }
    let mut out = table.render(width);
    if let Some(s) = w.duration_spread_ms.filter(|s| s.min != s.max) {
        let words = |t: i64| duration(t.max(0) as u64);
        let _ = writeln!(out, "predicted {} to {}, p95 {}", words(s.min), words(s.max), words(s.p95));
    }
    for (reason, ms) in &w.waited_ms {
        let _ = writeln!(out, "waited {} between batches: {}", duration(*ms), reason.to_lowercase());
    }
    if w.resumed > 0 {
        let _ = writeln!(out, "resumed {}, {} without a process", count(w.resumed, "time"), duration(w.away_ms));
    }
    if let Some(reason) = &w.reason {
        let _ = writeln!(out, "reason: {reason}");
    }
    out
}

/// Of each delay the whole, and the workloads or groups with the highest medians.
fn delays(rows: &[DelayRow], width: Option<u16>) -> String {
    const NAMED: usize = 5;
    let mut table = Table::new(&[
        ("DELAY", Align::Left),
        ("OF", Align::Left),
        ("SAMPLES", Align::Right),
        ("LEAST", Align::Right),
        ("MEDIAN", Align::Right),
        ("P95", Align::Right),
        ("MOST", Align::Right),
    ]);
    let words = |t: i64| duration(t.max(0) as u64);
    for all in rows.iter().filter(|r| r.of.is_none()) {
        let mut of: Vec<&DelayRow> = rows.iter().filter(|r| r.delay == all.delay && r.of.is_some()).collect();
        of.sort_by(|a, b| b.ms.p50.cmp(&a.ms.p50).then_with(|| a.of.cmp(&b.of)));
        // A single workload or group is the whole.
        let named = if of.len() > 1 { of.len().min(NAMED) } else { 0 };
        for r in std::iter::once(&all).chain(&of[..named]) {
            let name = r.of.clone().unwrap_or_else(|| match of.as_slice() {
                [only] => only.of.clone().unwrap_or_default(),
                _ => format!("all {}", of.len()),
            });
            table.row([
                if r.of.is_none() { meaning(r.delay).to_owned() } else { String::new() },
                name,
                thousands(r.samples as u64),
                words(r.ms.min),
                words(r.ms.p50),
                words(r.ms.p95),
                words(r.ms.max),
            ]);
        }
    }
    if table.is_empty() { "No delay was seen.\n".into() } else { table.render(width) }
}

fn meaning(delay: &str) -> &'static str {
    match delay {
        "start" => "start: bound to ready",
        "stop" => "stop: evicted to gone",
        "schedule" => "schedule: created to bound",
        "launch" => "launch: asked for to ready",
        "boot" => "boot: node there to ready",
        _ => "retire: given back to gone",
    }
}

/// `predicted.csv`: a row a batch; and `delays.csv`: a row a delay of each workload, group and of all.
pub fn csv_files(actual: &Actual) -> Vec<(&'static str, String)> {
    vec![("predicted.csv", predicted_csv(actual)), ("delays.csv", delays_csv(actual))]
}

/// Columns of `predicted.csv`.
const PREDICTED: &[&str] = &[
    "batch",
    "nodes",
    "start_ms_predicted",
    "start_ms",
    "end_ms_predicted",
    "end_ms",
    "duration_ms_predicted",
    "duration_ms",
    "difference_percent",
    "away_ms",
    "evictions_predicted",
    "evictions",
    "refused_predicted",
    "refused",
    "launched_predicted",
    "launched",
    "outcome_predicted",
    "outcome",
    "reason",
];
/// Columns of `delays.csv`.
const DELAYS: &[&str] = &["delay", "of", "samples", "min_ms", "p50_ms", "p95_ms", "max_ms"];

fn predicted_csv(actual: &Actual) -> String {
    let cell = |v: Option<i64>| v.map_or(String::new(), |v| v.to_string());
    csv_table(
        PREDICTED,
        actual.batches.iter().map(|b| {
            let mut row = vec![b.index.to_string(), b.nodes.len().to_string()];
            for p in [&b.start_ms, &b.end_ms, &b.duration_ms] {
                row.extend([cell(p.predicted), cell(p.actual)]);
            }
            row.push(b.duration_ms.difference_percent.map_or(String::new(), |d| d.to_string()));
            row.push(b.away_ms.to_string());
            for p in [&b.evictions, &b.refused, &b.launched] {
                row.extend([cell(p.predicted), cell(p.actual)]);
            }
            row.extend([&b.outcome_predicted, &b.outcome, &b.reason].map(|w| w.clone().unwrap_or_default()));
            row
        }),
    )
}

fn delays_csv(actual: &Actual) -> String {
    csv_table(
        DELAYS,
        actual.delays.iter().map(|d| {
            let figures = [d.ms.min, d.ms.p50, d.ms.p95, d.ms.max].map(|v| v.to_string());
            [d.delay.to_owned(), d.of.clone().unwrap_or_default(), d.samples.to_string()]
                .into_iter()
                .chain(figures)
                .collect::<Vec<String>>()
        }),
    )
}
