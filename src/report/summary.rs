//! A plan as people read it on a terminal: what will happen, the prediction, what blocks and what would lift it.

use super::format::{count, duration, thousands};
use super::table::{Align, Table};
use super::waits;
use super::{ending, harm};
use crate::cluster::{Finding, Severity};
use crate::intent::{Intent, Options};
use crate::plan::forecast::{BatchForecast, Forecast, PodElsewhere};
use crate::plan::prerequisites::{Prerequisite, Verdict};
use crate::plan::verdict::{DEFAULT_REQUIRE, Percentiles, RunSpreads, RunsVerdict};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The plan in words and tables; `width` is the terminal's, None for as wide as need be.
pub fn summary(intent: &Intent, forecast: &Forecast, width: Option<u16>) -> String {
    let mut out = String::new();
    let nodes: usize = intent.batches.iter().map(Vec::len).sum();
    out.push_str(&verdict(forecast));
    let _ = writeln!(
        out,
        "Plan: empty {} in {} with procedure {}.\n",
        count(nodes as u64, "node"),
        count(intent.batches.len() as u64, "batch"),
        intent.options.procedure.name()
    );
    if let Some(starts) = &forecast.starts {
        out.pop();
        let _ = write!(out, "Begins {starts}");
        for (i, window) in intent.options.scheduled_windows.iter().enumerate() {
            let _ = write!(out, "{}{}", if i == 0 { "; batches start within " } else { ", or " }, window.text());
        }
        out.push_str(".\n\n");
    }
    out.push_str(&batches(forecast, width));
    out.push('\n');
    out.push_str(&prediction(&intent.options, forecast));
    out.push_str(&uncertainty(forecast, width));
    out.push_str(&blocking(forecast));
    out.push_str(&remedies(forecast));
    out.push_str(&harm::harm(forecast, width));
    out.push_str(&waits::waits(forecast));
    out.push_str(&ending::ending(forecast, width));
    out.push_str(&prerequisites(&forecast.prerequisites, width));
    out.push_str(&findings(&forecast.findings));
    out
}

/// What all runs say, before anything else; whether that is enough; and which run is shown below.
fn verdict(forecast: &Forecast) -> String {
    let Some(v) = &forecast.verdict else { return String::new() };
    let mut out = format!("Verdict: {}\n", v.text);
    let required = v.require_percent;
    if v.runs > 1 && v.met && required < DEFAULT_REQUIRE {
        let _ = writeln!(out, "Required: {required} % of the runs complete (--require), which they do.");
    } else if !v.met {
        let _ = writeln!(
            out,
            "Required: {required} % of the runs complete (--require), which they do not: exit status {}.",
            v.exit_status
        );
    }
    if v.runs > 1 {
        let _ = writeln!(out, "Shown: {}.", v.shown.text);
    }
    out.push('\n');
    out
}

const MOST_ROWS: usize = 40;

fn batches(forecast: &Forecast, width: Option<u16>) -> String {
    let mut table = Table::new(&[
        ("BATCH", Align::Right),
        ("NODES", Align::Left),
        ("STARTS", Align::Right),
        ("TAKES", Align::Right),
        ("EVICTIONS", Align::Right),
        ("REFUSED", Align::Right),
        ("NEW NODES", Align::Right),
        ("ENDS", Align::Left),
    ]);
    for b in forecast.batches.iter().take(MOST_ROWS) {
        let takes = match (b.start_ms, b.end_ms) {
            (Some(s), Some(e)) => duration(e - s),
            (Some(_), None) => "no end".into(),
            _ => "-".into(),
        };
        table.row([
            (b.index + 1).to_string(),
            node_names(&b.nodes),
            b.start_ms.map_or("never".into(), duration),
            takes,
            thousands(b.evictions),
            thousands(b.refused),
            thousands(b.launched),
            ends(b),
        ]);
    }
    let mut out = table.render(width);
    let more = forecast.batches.len().saturating_sub(MOST_ROWS);
    if more > 0 {
        let _ = writeln!(
            out,
            "… and {} (all of them: -o json, or batches.csv of --report)",
            count(more as u64, "more batch")
        );
    }
    out
}

fn ends(b: &BatchForecast) -> String {
    let word = b.outcome.as_deref().unwrap_or(if b.start_ms.is_some() { "unfinished" } else { "not started" });
    match &b.reason {
        Some(reason) => format!("{word}: {reason}"),
        None => word.to_owned(),
    }
}

fn node_names(nodes: &[String]) -> String {
    match nodes {
        [] => String::new(),
        [a] => a.clone(),
        [a, b] => format!("{a}, {b}"),
        [a, b, c] => format!("{a}, {b}, {c}"),
        [a, b, rest @ ..] => format!("{a}, {b} and {} more", rest.len()),
    }
}

fn prediction(options: &Options, forecast: &Forecast) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "Prediction: {}", forecast.outcome);
    for what in &forecast.rests_on {
        let _ = writeln!(out, "  rests on     {what}");
    }
    if let Some(message) = &forecast.message {
        let _ = writeln!(out, "  {message}");
    }
    match forecast.verdict.as_ref().filter(|v| v.runs > 1) {
        Some(verdict) => out.push_str(&spreads(verdict)),
        None => out.push_str(&figures(forecast)),
    }
    if let Some(pods) = forecast.did_not_reach_ocean.as_ref().filter(|p| !p.is_empty()) {
        let _ = writeln!(out, "  elsewhere    {} did not reach Ocean", count(pods.len() as u64, "pod"));
    }
    out.push_str(&harm::availability(forecast));
    out.push_str(&ending::grown(options, forecast));
    out
}

/// The figures of the only run.
fn figures(forecast: &Forecast) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "  duration     {}", duration(forecast.duration_ms.p50.max(0) as u64));
    let twice = match forecast.pods_moved_twice {
        0 => String::new(),
        n => format!(", {} of them twice", thousands(n)),
    };
    let _ = writeln!(out, "  pods moved   {}{twice}", thousands(forecast.pods_moved));
    let _ = writeln!(
        out,
        "  nodes        at most {} at once, {:.1} node-hours",
        thousands(forecast.peak_nodes),
        forecast.node_hours
    );
    let cost = forecast.cost.map_or(UNKNOWN_COST.to_owned(), |c| format!("{c:.2}"));
    let _ = writeln!(out, "  cost         {cost}");
    out
}

const UNKNOWN_COST: &str = "unknown (prices are not known)";

/// The figures of all runs; where only some completed, those and the others apart.
fn spreads(verdict: &RunsVerdict) -> String {
    let all = ("ALL RUNS".to_owned(), &verdict.all);
    let completed = verdict.completed.as_ref().map(|s| (format!("COMPLETED ({})", s.runs), s));
    let others = verdict.not_completed.as_ref().map(|s| (format!("NOT COMPLETED ({})", s.runs), s));
    let columns: Vec<(String, &RunSpreads)> = [Some(all), completed, others].into_iter().flatten().collect();
    let head: Vec<(&str, Align)> = std::iter::once(("  P50 (P5 TO P95)", Align::Left))
        .chain(columns.iter().map(|c| (c.0.as_str(), Align::Left)))
        .collect();
    let mut table = Table::new(&head);
    let mut row = |name: &str, cell: &dyn Fn(&RunSpreads) -> String| {
        let cells = columns.iter().map(|(_, spreads)| cell(spreads));
        table.row(std::iter::once(format!("  {name}")).chain(cells));
    };
    let number = |p: Percentiles<u64>| spread(p, thousands);
    row("duration", &|s| spread(s.duration_ms, |ms| duration(ms.max(0) as u64)));
    row("pods moved", &|s| number(s.pods_moved));
    row("moved twice", &|s| number(s.pods_moved_twice));
    row("refused", &|s| number(s.refused));
    row("peak nodes", &|s| number(s.peak_nodes));
    row("surge", &|s| number(s.surge_nodes));
    row("node-hours", &|s| spread(s.node_hours, |h| format!("{h:.1}")));
    row("cost", &|s| s.cost.map_or(UNKNOWN_COST.to_owned(), |c| spread(c, |c| format!("{c:.2}"))));
    table.render(None)
}

/// `p50 (p5 to p95)`; only one of them where they read alike.
fn spread<T: Copy>(p: Percentiles<T>, words: impl Fn(T) -> String) -> String {
    let (low, middle, high) = (words(p.p5), words(p.p50), words(p.p95));
    if low == middle && middle == high { middle } else { format!("{middle} ({low} to {high})") }
}

/// How many pods did not reach Ocean, and which of them are on which nodes; of many only some are named.
pub fn elsewhere(pods: &[PodElsewhere]) -> String {
    const PODS: usize = 3;
    const NODES: usize = 5;
    let mut by_node: BTreeMap<(&str, bool), Vec<&str>> = BTreeMap::new();
    for p in pods {
        by_node.entry((&p.node, p.old)).or_default().push(&p.pod);
    }
    let mut parts: Vec<String> = by_node
        .iter()
        .take(NODES)
        .map(|((node, old), pods)| {
            let mut names: Vec<String> = pods.iter().take(PODS).map(|p| (*p).to_owned()).collect();
            if pods.len() > PODS {
                names.push(format!("{} more", pods.len() - PODS));
            }
            let old = if *old { ", which was to be drained" } else { "" };
            format!("on {node}{old}: {}", names.join(", "))
        })
        .collect();
    if by_node.len() > NODES {
        parts.push(format!("on {}", count((by_node.len() - NODES) as u64, "more node")));
    }
    format!("{} did not reach Ocean ({})", count(pods.len() as u64, "pod"), parts.join("; "))
}

/// What stands in the way, with what would lift it.
fn blocking(forecast: &Forecast) -> String {
    if forecast.failures.is_empty() {
        return String::new();
    }
    let mut out = String::from("\nBlockers:\n");
    for f in &forecast.failures {
        let share = if forecast.replications > 1 {
            format!(" ({:.0} % of runs)", f.probability * 100.0)
        } else {
            String::new()
        };
        let _ = writeln!(out, "  {}{share}: {}", f.reason, f.message);
        for line in f.cause.lines() {
            let _ = writeln!(out, "    cause:  {line}");
        }
        let _ = writeln!(out, "    remedy: {}", f.remedy);
        if !f.advice.is_empty() {
            let _ = writeln!(out, "    the vendor advises: {}", f.advice);
        }
    }
    out
}

/// What each assumed delay does to the verdict.
fn uncertainty(forecast: &Forecast, width: Option<u16>) -> String {
    let Some(u) = &forecast.uncertainty else { return String::new() };
    let mut out = format!("\nAssumptions (--uncertain): {}\n", u.text);
    if u.assumptions.is_empty() {
        return out;
    }
    let columns =
        [("  DELAY", Align::Left), ("ASSUMED", Align::Left), ("HALF OF IT", Align::Left), ("DOUBLE", Align::Left)];
    let mut table = Table::new(&columns);
    for a in &u.assumptions {
        let name = a.assumption.replace('_', " ");
        table.row([format!("  {name}"), a.assumed.clone(), a.half.words(), a.double.words()]);
    }
    out.push_str(&table.render(width));
    out
}

/// Edits that were tried and help, with the commands that make them.
fn remedies(forecast: &Forecast) -> String {
    if forecast.remedies.is_empty() {
        return String::new();
    }
    let mut out = String::from("\nWhat helps (each tried in the same runs):\n");
    for remedy in &forecast.remedies {
        let _ = writeln!(out, "  {}", remedy.text);
        for edit in &remedy.edits {
            let _ = writeln!(out, "    {}", edit.command);
        }
    }
    out
}

/// What Ocean asks of the cluster, with verdicts; what fails is named with its remedy among the findings.
pub fn prerequisites(list: &[Prerequisite], width: Option<u16>) -> String {
    if list.is_empty() {
        return String::new();
    }
    let of = |verdict| list.iter().filter(|p| p.verdict == verdict).count();
    let mut out = format!(
        "\nPrerequisites of Ocean's migration: {} met, {} not met, {} that the dump does not show\n",
        of(Verdict::Pass),
        of(Verdict::Fail),
        of(Verdict::Unknown)
    );
    let columns = [("  VERDICT", Align::Left), ("PREREQUISITE", Align::Left), ("WHAT THE DUMP SHOWS", Align::Left)];
    let mut table = Table::new(&columns);
    for p in list {
        table.row([format!("  {}", p.verdict.text()), p.rule.clone(), p.fact.clone()]);
    }
    out.push_str(&table.render(width));
    out
}

/// Findings by severity and code; objects beyond a few are counted.
pub fn findings(findings: &[Finding]) -> String {
    const NAMED: usize = 4;
    let mut out = String::new();
    for (severity, title) in [
        (Severity::Error, "Errors (will not resolve by themselves)"),
        (Severity::Warning, "Warnings"),
        (Severity::Info, "Notes"),
    ] {
        let of: Vec<&Finding> = findings.iter().filter(|f| f.severity == severity).collect();
        if of.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{title}:");
        let mut rest = of.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|f| f.code == first.code).count();
            // Where a delay is from is worth a line each.
            let most = if first.code == "delay-origin" { same } else { NAMED };
            let named = &rest[..same.min(most)];
            for (i, f) in named.iter().enumerate() {
                let _ = writeln!(out, "  {} {}: {}", f.code, f.object, f.message);
                // A remedy that holds for several of them is given once, after the last.
                let again = named.get(i + 1).is_some_and(|next| next.remedy == f.remedy);
                let more = i + 1 == named.len() && same > named.len();
                if more {
                    let _ = writeln!(out, "  {} … and {} more (-o json names them)", first.code, same - NAMED);
                }
                if !again && !f.remedy.is_empty() {
                    let _ = writeln!(out, "    remedy: {}", f.remedy);
                }
            }
            rest = &rest[same..];
        }
    }
    out
}
