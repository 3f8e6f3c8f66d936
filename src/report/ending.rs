//! Where a migration ends, as people read it.

use super::format::{bytes, cores, count, duration, money, thousands};
use super::table::{Align, Table};
use crate::intent::Options;
use crate::plan::forecast::Forecast;
use crate::trace::Ending;
use std::fmt::Write;

/// Rows of the table that are shown.
const MOST_ROWS: usize = 20;

/// A line of the prediction where machines are launched in a pool that is being left.
pub(super) fn grown(options: &Options, forecast: &Forecast) -> String {
    let mut out = String::new();
    for g in forecast.grown_unasked(options) {
        let _ = writeln!(
            out,
            "  left group   {} launched in group {}, which is being left; at the end {} there",
            count(g.launched, "node"),
            g.group,
            count(g.pods, "pod")
        );
    }
    out
}

/// Nodes before, at the peak and after; prices and what is free.
pub(super) fn ending(forecast: &Forecast, width: Option<u16>) -> String {
    let e = &forecast.ending;
    if e.groups.is_empty() {
        return String::new();
    }
    let mut out = String::from("\nWhere it ends:\n");
    let mut table = Table::new(&[
        ("  GROUP", Align::Left),
        ("INSTANCE TYPE", Align::Left),
        ("BEFORE", Align::Right),
        ("AT PEAK", Align::Right),
        ("AFTER", Align::Right),
        ("", Align::Left),
    ]);
    for g in e.groups.iter().take(MOST_ROWS) {
        let drained =
            if g.drained > 0 { format!("{} drained, still there", thousands(g.drained)) } else { String::new() };
        table.row([
            format!("  {}", g.group.as_deref().unwrap_or("(none)")),
            g.machine_type.clone().unwrap_or_else(|| "?".to_owned()),
            thousands(g.before),
            thousands(g.peak),
            thousands(g.after),
            drained,
        ]);
    }
    out.push_str(&table.render(width));
    if e.groups.len() > MOST_ROWS {
        let _ = writeln!(out, "  … and {} (-o json has them)", count((e.groups.len() - MOST_ROWS) as u64, "more row"));
    }
    let _ = match e.surge {
        0 => writeln!(out, "  surge: never more nodes than before"),
        n => writeln!(out, "  surge: {} more than before at most, at {}", count(n, "node"), duration(e.peak_ms)),
    };
    let _ = writeln!(out, "  price per hour: {}", prices(e));
    let h = &e.headroom;
    let _ = writeln!(
        out,
        "  headroom left: {} ({} %) and {} ({} %) on {} that {}",
        cores(h.cpu_milli),
        h.cpu_percent,
        bytes(h.memory_bytes),
        h.memory_percent,
        count(h.nodes, "node"),
        if h.nodes == 1 { "stays" } else { "stay" }
    );
    out
}

fn prices(e: &Ending) -> String {
    let price = |p: Option<u64>| p.map(|p| money(i64::try_from(p).unwrap_or(i64::MAX)));
    match (price(e.price_before_micros), price(e.price_peak_micros), price(e.price_after_micros)) {
        (None, None, None) => "unknown (prices are not known)".to_owned(),
        (before, peak, after) => {
            let word = |p: Option<String>| p.unwrap_or_else(|| "unknown".to_owned());
            let extra = match e.extra_cost_micros {
                Some(extra) if extra >= 0 => {
                    format!("; the migration itself costs {} more than the nodes of before would have", money(extra))
                }
                Some(saved) => {
                    format!("; during the migration {} less than the nodes of before would have cost", money(-saved))
                }
                None => String::new(),
            };
            format!("{} before, {} at the peak, {} after{extra}", word(before), word(peak), word(after))
        }
    }
}
