//! What a simulated transfer shows people.

use super::TransferResult;
use crate::report::format::time;
use crate::report::table::{Align, Table};
use std::fmt::Write;

impl TransferResult {
    /// For people.
    pub fn text(&self, width: Option<u16>) -> String {
        let mut out = String::new();
        let gates =
            if self.gates_ms > 0 { format!(", of which gates wait {}", time(self.gates_ms)) } else { String::new() };
        let _ = match &self.failure {
            None => writeln!(out, "{} after {}{gates}", self.outcome, time(self.duration_ms)),
            Some(f) => writeln!(
                out,
                "{} after {}{gates} at {} ({}): {}\n  remedy: {}",
                self.outcome,
                time(self.duration_ms),
                f.step,
                f.reason,
                f.why,
                f.remedy
            ),
        };
        let mut table = Table::new(&[("WAVE", Align::Left), ("TAKES", Align::Right)]);
        for (wave, ms) in &self.waves {
            table.row([format!("{wave:?}"), time(*ms)]);
        }
        let _ = write!(out, "\n{}", table.render(width));
        let mut table =
            Table::new(&[("STEP", Align::Left), ("FROM", Align::Right), ("TO", Align::Right), ("TAKES", Align::Right)]);
        for s in &self.steps {
            table.row([s.step.clone(), time(s.from_ms), time(s.to_ms), time(s.to_ms - s.from_ms)]);
        }
        let _ = write!(out, "\n{}", table.render(width));
        let mut table = Table::new(&[
            ("WORKLOAD", Align::Left),
            ("READY", Align::Right),
            ("DOWNTIME", Align::Right),
            ("SECOND ROLL-OUT", Align::Right),
            ("LOST WRITES", Align::Right),
            ("RUNS TWICE", Align::Right),
        ]);
        let or_dash = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), time);
        for (workload, run) in &self.workloads {
            table.row([
                workload.to_string(),
                or_dash(run.ready_ms),
                or_dash(run.downtime_ms),
                or_dash(Some(run.second_rollout_ms).filter(|ms| *ms > 0)),
                or_dash(self.rpo_ms.get(workload).copied()),
                time(run.runs_twice_ms),
            ]);
        }
        if !self.workloads.is_empty() {
            let _ = write!(out, "\n{}", table.render(width));
        }
        if let Some(rto) = self.rto_ms {
            let _ = writeln!(out, "\nFrom the first fence until names point to the target: {}", time(rto));
        }
        if self.nodes_launched > 0 {
            let _ = writeln!(out, "Nodes launched on the target: {}", self.nodes_launched);
        }
        let cost = self.cost_micros.map_or_else(
            || "unknown (prices are not known)".to_owned(),
            |c| format!("{}.{:02}", c / 1_000_000, c % 1_000_000 / 10_000),
        );
        let _ = writeln!(out, "Both clusters meanwhile cost: {cost}");
        if !self.notes.is_empty() {
            let _ = writeln!(out, "\nNotes:\n  {}", self.notes.join("\n  "));
        }
        out
    }
}
