//! What a migration does to workloads anywhere in the cluster, as people read it.

use super::format::{count, duration, thousands};
use super::table::{Align, Table};
use crate::plan::forecast::Forecast;
use crate::trace::WorkloadRow;
use std::fmt::Write;

/// Entries of the harm list that are named.
const NAMED: usize = 10;

/// A line of the prediction: whether every workload was available all the time.
pub(super) fn availability(forecast: &Forecast) -> String {
    let c = &forecast.harm_count;
    let zero = match c.at_zero {
        0 if c.is_zero_downtime() => "zero downtime: every workload kept a ready pod".to_owned(),
        0 => "every workload with a controller kept a ready pod".to_owned(),
        1 => format!("1 workload is without a ready pod for a time: {}", duration(c.longest_zero_ms)),
        n => format!(
            "{} workloads are without a ready pod for a time, the longest for {}",
            thousands(u64::from(n)),
            duration(c.longest_zero_ms)
        ),
    };
    format!("  availability {zero}\n")
}

/// The harm, and the workloads that fared worst; empty if all fared well.
pub(super) fn harm(forecast: &Forecast, width: Option<u16>) -> String {
    let mut out = String::new();
    if !forecast.harm.is_empty() {
        out.push_str("\nHarm:\n");
        for h in forecast.harm.iter().take(NAMED) {
            let ordered = if h.ordered { " (ordered)" } else { "" };
            let _ = writeln!(out, "  {}{ordered} {}: {}", h.kind.as_str(), h.workload, h.message);
        }
        let more = forecast.harm.len().saturating_sub(NAMED);
        if more > 0 {
            let _ = writeln!(out, "  … and {} more (-o json names them)", thousands(more as u64));
        }
    }
    let worst: Vec<&WorkloadRow> = forecast.worst_workloads.iter().filter(|w| is_worth_showing(w)).collect();
    if !worst.is_empty() {
        let _ = writeln!(out, "\nWorkloads that fare worst ({} in all are touched):", count_touched(forecast));
        out.push_str(&table(&worst).render(width));
    }
    out
}

/// A workload that only has fewer pods for a while, within its budgets, is what a migration is.
fn is_worth_showing(w: &WorkloadRow) -> bool {
    w.broken || w.job_failed || w.zero_ms > 0 || w.below_budget_ms > 0 || !w.preempted.is_empty() || w.restarted > 0
}

fn count_touched(forecast: &Forecast) -> String {
    count(u64::from(forecast.harm_count.touched), "workload")
}

fn table(rows: &[&WorkloadRow]) -> Table {
    let mut table = Table::new(&[
        ("  WORKLOAD", Align::Left),
        ("READY", Align::Right),
        ("LEAST", Align::Right),
        ("AT ZERO", Align::Right),
        ("BELOW BUDGET", Align::Right),
        ("PREEMPTED", Align::Right),
        ("READY AGAIN", Align::Right),
    ]);
    let time = |ms: u64| if ms == 0 { "-".to_owned() } else { duration(ms) };
    for w in rows {
        let preempted: u64 = w.preempted.values().sum();
        let again = match w.ready_again_ms {
            _ if w.broken || w.job_failed => "never".to_owned(),
            Some(at) => duration(at),
            None => "-".to_owned(),
        };
        table.row([
            format!("  {}", w.workload),
            format!("{} of {}", w.ready_end, w.ready_start),
            w.ready_least.to_string(),
            time(w.zero_ms),
            time(w.below_budget_ms),
            if preempted == 0 { "-".to_owned() } else { thousands(preempted) },
            again,
        ]);
    }
    table
}
