//! The plan for people.

use super::plan::{Action, TransferPlan, WaveName};
use crate::report::format::{bytes, count, duration, in_units};
use crate::report::table::{Align, Table};
use std::fmt::Write;

/// Steps of one kind beyond so many are counted, not listed.
const LISTED: usize = 12;

impl TransferPlan {
    /// The plan as text; `width` is that of the terminal.
    pub fn text(&self, width: Option<u16>) -> String {
        let f = &self.findings;
        let version = |v: &Option<String>| v.as_ref().map_or(String::new(), |v| format!(" ({v})"));
        let mut out = format!(
            "Transfer from {}{} to {}{}: {}.\n",
            self.source.name,
            version(&self.source.kubernetes_version),
            self.target.name,
            version(&self.target.kubernetes_version),
            count(self.waves.len() as u64, "wave")
        );
        let accepted = if f.accepted > 0 { format!(" ({} accepted)", f.accepted) } else { String::new() };
        let _ = writeln!(
            out,
            "Findings: {} block{accepted}, {} rewritten, {} by hand, {}.",
            f.blocks,
            f.rewritten,
            f.by_hand,
            count(u64::from(f.notes), "note")
        );
        for finding in &f.open {
            let _ =
                writeln!(out, "  blocks: {} {} {}: {}", finding.code, finding.object, finding.field, finding.remedy);
        }
        for wave in &self.waves {
            let _ = writeln!(out, "\n{:?}: {}", wave.name, wave.reason);
            if wave.name != WaveName::W0 {
                for m in wave.members.iter().filter(|m| m.pods.is_some() || wave.name == WaveName::W4) {
                    let pods = m.pods.map_or(String::new(), |p| format!(", {}", count(u64::from(p), "pod")));
                    let moved: Vec<i64> = m.claims.iter().filter(|c| c.moves).filter_map(|c| c.bytes).collect();
                    let data = if moved.is_empty() {
                        String::new()
                    } else {
                        format!(", {} of volumes", bytes(moved.into_iter().fold(0, i64::saturating_add)))
                    };
                    let _ = writeln!(out, "  {}{pods}{data}: {}", m.object, m.reason);
                }
            } else {
                let _ = writeln!(out, "  {}", count(wave.members.len() as u64, "object"));
            }
            let mut imports = 0;
            for step in &wave.steps {
                if matches!(step.action, Action::ImportImage { .. }) {
                    imports += 1;
                    if imports > LISTED {
                        continue;
                    }
                }
                let _ = writeln!(out, "    {} (at most {}): {}", step.id, duration(step.timeout_ms as u64), step.what);
            }
            if imports > LISTED {
                let _ = writeln!(out, "    and {} more images", imports - LISTED);
            }
        }
        self.more(width, &mut out);
        out
    }

    fn more(&self, width: Option<u16>, out: &mut String) {
        if !self.critical_path.is_empty() {
            let parts: Vec<String> =
                self.critical_path.iter().map(|m| format!("{} ({})", m.object, duration(m.takes_ms as u64))).collect();
            let total = self.critical_path.iter().map(|m| m.takes_ms).fold(0, i64::saturating_add);
            let _ = writeln!(out, "\nCritical path ({}): {}", duration(total as u64), parts.join(" -> "));
        }
        for cycle in &self.cycles {
            let names: Vec<&str> = cycle.iter().map(|i| i.as_str()).collect();
            let _ = writeln!(out, "Cycle of dependencies, which moves together: {}", names.join(", "));
        }
        out.push_str("\nNode pools:\n");
        let mut table = Table::new(&[
            ("POOL", Align::Left),
            ("VM SIZE", Align::Left),
            ("NODES", Align::Right),
            ("AT PEAK", Align::Right),
            ("PER HOUR", Align::Right),
            ("FOR", Align::Left),
        ]);
        for p in &self.pools {
            let price = p.hourly_micros.map_or("unknown".to_owned(), |m| in_units(m, 1_000_000));
            let mut what = count(p.workloads.len() as u64, "workload");
            if p.spot {
                what.push_str(", spot");
            }
            if p.workloads.is_empty() {
                what = "the cluster's own pods".to_owned();
            }
            if p.nodes == 0 {
                what.push_str(": no VM size that is known here hosts all of its pods");
            }
            table.row([p.name.clone(), p.vm_size.clone(), p.nodes.to_string(), p.peak_nodes.to_string(), price, what]);
        }
        out.push_str(&table.render(width));
        out.push_str("\nNetwork:\n");
        let mut table = Table::new(&[
            ("PLUG-IN", Align::Left),
            ("PODS/NODE", Align::Right),
            ("NODES' SUBNET", Align::Left),
            ("PODS' RANGE", Align::Left),
            ("PROBLEMS", Align::Left),
        ]);
        for n in &self.network {
            let name =
                serde_json::to_value(n.plugin).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
            let chosen = if n.chosen { " (chosen)" } else { "" };
            let pods = n.pod_prefix.map_or("-".to_owned(), |p| format!("/{p} ({})", n.pod_addresses));
            table.row([
                format!("{name}{chosen}"),
                n.pods_per_node.to_string(),
                format!("/{} ({})", n.node_prefix, n.node_addresses),
                pods,
                n.problems.join("; "),
            ]);
        }
        out.push_str(&table.render(width));
        if !self.secrets.is_empty() {
            out.push_str("\nSecrets to create on the target:\n");
            for s in &self.secrets {
                let keys = if s.keys.is_empty() { "keys not known".to_owned() } else { s.keys.join(", ") };
                let _ = writeln!(out, "  {} ({keys})", s.secret);
            }
        }
        let open: Vec<&str> =
            self.checklist.iter().filter(|c| c.mandatory && c.evidence.is_none()).map(|c| c.name.as_str()).collect();
        if !open.is_empty() {
            let _ = writeln!(
                out,
                "\nThe cut-over is refused until there is evidence (checklist of the mapping): {}",
                open.join(", ")
            );
        }
    }
}
