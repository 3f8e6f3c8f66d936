//! Several plans and runs, or several dumps, side by side: their figures in a table, and what differs from the first, alike lines folded.

use super::diff::{Section, diff};
use crate::cluster::{Cluster, Finding, Severity, View};
use crate::execution::run_file::{Document, Run};
use crate::plan::verdict::percent;
use crate::plan::{Baseline, Plan};
use crate::report::format::{count, duration, money, time};
use crate::report::table::{Align, Table};
use crate::trace::Metrics;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a file is.
pub enum Subject {
    /// A plan or a run.
    Document(Document),
    /// A cluster, as a dump has it.
    Cluster(Box<Dump>),
}

/// A dump that was read.
pub struct Dump {
    /// Its cluster, with node groups.
    pub cluster: Cluster,
    /// What the reader noticed.
    pub findings: Vec<Finding>,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

impl Subject {
    /// What it is, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Subject::Document(Document::Plan(_)) => "plan",
            Subject::Document(Document::Run(run)) => run.kind(),
            Subject::Cluster(_) => "dump",
        }
    }
}

/// A figure of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Which figure.
    pub figure: &'static str,
    /// Its value in each of them, in their order; null where one does not have it.
    pub values: Vec<Option<String>>,
}

/// What differs from the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Against {
    /// Name of the other.
    pub name: String,
    /// Differences; empty if there are none.
    pub sections: Vec<Section>,
    /// Why they cannot be compared in detail, if they cannot: a plan and a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apart: Option<String>,
}

/// All of them side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// Their names.
    pub names: Vec<String>,
    /// What they are: `plan`, `journal`, `trace` or `dump`.
    pub kinds: Vec<&'static str>,
    /// Their figures.
    pub rows: Vec<Row>,
    /// Each but the first against the first.
    pub differences: Vec<Against>,
}

/// Puts them side by side. Times of runs may differ by `tolerance_ms` without being named.
///
/// # Errors
/// Dumps together with what is none.
pub fn beside(subjects: &[(String, Subject)], tolerance_ms: u64) -> Result<Beside, String> {
    let dumps = subjects.iter().filter(|(_, s)| matches!(s, Subject::Cluster(_))).count();
    if dumps != 0 && dumps != subjects.len() {
        let of = |wanted: bool| {
            let is_dump = |s: &Subject| matches!(s, Subject::Cluster(_));
            subjects.iter().find(|(_, s)| is_dump(s) == wanted).map_or("", |(name, _)| name.as_str())
        };
        return Err(format!(
            "{} is a dump and {} is none; dumps are compared with dumps, plans, journals and traces with each other",
            of(true),
            of(false)
        ));
    }
    let figures: Vec<Vec<(&'static str, String)>> = subjects.iter().map(|(_, s)| figures(s)).collect();
    let mut names: Vec<&'static str> = Vec::new();
    for (figure, _) in figures.iter().flatten() {
        if !names.contains(figure) {
            names.push(figure);
        }
    }
    let value =
        |of: &Vec<(&'static str, String)>, name: &str| of.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
    let row = |figure: &'static str| Row { figure, values: figures.iter().map(|of| value(of, figure)).collect() };
    let mut rows: Vec<Row> = Vec::new();
    // In the order of a plan, which has most of them.
    names.sort_by_key(|n| ORDER.iter().position(|o| o == n));
    rows.extend(names.into_iter().map(row));
    let against = |(name, other): &(String, Subject)| against(&subjects[0].1, name, other, tolerance_ms);
    Ok(Beside {
        names: subjects.iter().map(|(name, _)| name.clone()).collect(),
        kinds: subjects.iter().map(|(_, s)| s.kind()).collect(),
        rows,
        differences: subjects.iter().skip(1).map(against).collect(),
    })
}

/// The figures in the order in which they are shown.
const ORDER: &[&str] = &[
    "procedure",
    "batch size",
    "old nodes",
    "nodes",
    "cordoned nodes",
    "instance types",
    "zones",
    "pods",
    "pods without a node",
    "workloads",
    "budgets",
    "budgets that allow no disruption",
    "node groups",
    "batches",
    "outcome",
    "completes",
    "duration",
    "duration (p95)",
    "predicted duration",
    "peak nodes",
    "surge",
    "new nodes",
    "pods moved",
    "moved twice",
    "refused",
    "harm",
    "cost",
    "price per hour after",
    "errors",
    "warnings",
];

fn figures(subject: &Subject) -> Vec<(&'static str, String)> {
    match subject {
        Subject::Document(Document::Plan(plan)) => of_plan(plan),
        Subject::Document(Document::Run(run)) => of_run(run),
        Subject::Cluster(dump) => of_dump(dump),
    }
}

fn price(micros: u64) -> String {
    money(i64::try_from(micros).unwrap_or(i64::MAX))
}

fn of_findings(findings: &[Finding]) -> [(&'static str, String); 2] {
    let of = |severity: Severity| findings.iter().filter(|f| f.severity == severity).count().to_string();
    [("errors", of(Severity::Error)), ("warnings", of(Severity::Warning))]
}

fn of_plan(plan: &Plan) -> Vec<(&'static str, String)> {
    let options = &plan.intent.options;
    let size = serde_json::to_value(options.size()).unwrap_or_default();
    let mut all = vec![
        ("procedure", options.procedure.name().to_owned()),
        ("batch size", size.as_str().map_or_else(|| size.to_string(), str::to_owned)),
        ("old nodes", plan.intent.batches.iter().map(Vec::len).sum::<usize>().to_string()),
        ("batches", plan.intent.batches.len().to_string()),
    ];
    let Some(f) = &plan.forecast else { return all };
    let reason = f.reason.as_ref().map_or_else(String::new, |r| format!(" ({r})"));
    all.push(("outcome", format!("{}{reason}", f.outcome)));
    if let Some(v) = &f.verdict {
        let share = v.endings.first().map_or(0.0, |e| e.share);
        all.push(("completes", format!("{} % of {} runs", percent(share), v.runs)));
        all.push(("surge", v.all.surge_nodes.p50.to_string()));
        all.push(("refused", v.all.refused.p50.to_string()));
        all.push(("duration", time(v.all.duration_ms.p50)));
        all.push(("duration (p95)", time(v.all.duration_ms.p95)));
    }
    let launched: u64 = f.batches.iter().map(|b| b.launched).sum();
    all.extend([
        ("peak nodes", f.peak_nodes.to_string()),
        ("new nodes", launched.to_string()),
        ("pods moved", f.pods_moved.to_string()),
        ("moved twice", f.pods_moved_twice.to_string()),
        ("harm", f.harm_count.all.to_string()),
        ("cost", f.cost.map_or_else(|| "unknown".to_owned(), |c| format!("{c:.2}"))),
        ("price per hour after", f.ending.price_after_micros.map_or_else(|| "unknown".to_owned(), price)),
    ]);
    all.extend(of_findings(&f.findings));
    all
}

fn of_run(run: &Run) -> Vec<(&'static str, String)> {
    let m = Metrics::from_events(&run.events);
    let reason = m.reason.as_ref().map_or_else(String::new, |r| format!(" ({r})"));
    let mut all = vec![
        ("batches", m.batches.len().to_string()),
        ("outcome", m.outcome.as_ref().map_or_else(|| "not ended".to_owned(), |o| format!("{o}{reason}"))),
        ("duration", duration(m.duration_ms())),
        ("peak nodes", m.peak_nodes.to_string()),
        ("new nodes", m.launched.to_string()),
        ("pods moved", m.pods_moved.to_string()),
        ("moved twice", m.pods_moved_twice.to_string()),
        ("refused", m.refused.to_string()),
        ("harm", m.harm.all.to_string()),
    ];
    if let Some(e) = &run.execution {
        let plan = &e.began.plan;
        all.extend(of_plan(&Plan { forecast: None, ..plan.clone() }).into_iter().filter(|(n, _)| *n != "batches"));
        if let Some(v) = plan.forecast.as_ref().and_then(|f| f.verdict.as_ref()) {
            all.push(("predicted duration", time(v.all.duration_ms.p50)));
        }
    }
    all
}

fn of_dump(dump: &Dump) -> Vec<(&'static str, String)> {
    let view = View { catalog: &dump.cluster.catalog, state: &dump.cluster.state };
    let (catalog, state) = (view.catalog, view.state);
    let mut types: BTreeMap<&str, u64> = BTreeMap::new();
    let mut zones: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut nodes, mut cordoned) = (0u64, 0u64);
    for n in state.live_nodes() {
        let node = &state.nodes[n];
        nodes += 1;
        cordoned += u64::from(node.unschedulable);
        let text = |key| node.spec.labels.get(key).map_or("unknown", |v| catalog.text(v));
        *types.entry(text(catalog.known.instance_type)).or_default() += 1;
        *zones.entry(text(catalog.known.zone)).or_default() += 1;
    }
    let (mut pods, mut pending) = (0u64, 0u64);
    for p in state.live_pods() {
        pods += 1;
        pending += u64::from(state.pods[p].node.is_none());
    }
    let counted = |of: &BTreeMap<&str, u64>| of.iter().map(|(n, c)| format!("{c} {n}")).collect::<Vec<_>>().join(", ");
    let none = state.budgets.iter().filter(|b| b.allowed <= 0).count();
    let mut all = vec![
        ("nodes", nodes.to_string()),
        ("cordoned nodes", cordoned.to_string()),
        ("instance types", counted(&types)),
        ("zones", counted(&zones)),
        ("pods", pods.to_string()),
        ("pods without a node", pending.to_string()),
        ("workloads", Baseline::of(view, &dump.sha256).workloads.len().to_string()),
        ("budgets", catalog.budgets.len().to_string()),
        ("budgets that allow no disruption", none.to_string()),
        ("node groups", catalog.groups.len().to_string()),
    ];
    all.extend(of_findings(&dump.findings));
    all
}

fn against(first: &Subject, name: &str, other: &Subject, tolerance_ms: u64) -> Against {
    let (sections, apart) = match (first, other) {
        (Subject::Document(a), Subject::Document(b)) => match diff(a, b, tolerance_ms) {
            Ok(diff) => (diff.sections, None),
            Err(_) => (
                Vec::new(),
                Some("a plan and a run: their figures are above; for details nodeferry report JOURNAL".to_owned()),
            ),
        },
        (Subject::Cluster(a), Subject::Cluster(b)) => {
            let of = |d: &Dump| Baseline::of(View { catalog: &d.cluster.catalog, state: &d.cluster.state }, &d.sha256);
            let drift = of(a).drift(&of(b));
            let sections = vec![
                Section { title: "Cluster", lines: drift },
                Section { title: "Findings", lines: changed_findings(&a.findings, &b.findings) },
            ];
            (sections.into_iter().filter(|s| !s.lines.is_empty()).collect(), None)
        }
        _ => (Vec::new(), None),
    };
    Against { name: name.to_owned(), sections, apart }
}

/// Findings that come and go, by code and object.
fn changed_findings(a: &[Finding], b: &[Finding]) -> Vec<String> {
    let has = |all: &[Finding], f: &Finding| all.iter().any(|o| o.code == f.code && o.object == f.object);
    let gone = a.iter().filter(|f| !has(b, f)).map(|f| format!("finding {} {} is gone", f.object, f.code));
    let new = b.iter().filter(|f| !has(a, f)).map(|f| format!("finding {} {} is new", f.object, f.code));
    gone.chain(new).collect()
}

/// Lines that say the same of many objects as one: `node … is gone: 12 (a, b, c, …)`. The object is the second word.
pub fn folded(lines: &[String]) -> Vec<String> {
    const LEAST: usize = 3;
    const SHOWN: usize = 3;
    const FOLDED: [&str; 6] = ["node", "workload", "budget", "group", "pod", "finding"];
    let parts = |line: &str| -> Option<(String, String)> {
        let (kind, rest) = line.split_once(' ')?;
        let (name, what) = rest.split_once(' ')?;
        // To which batch each of them moves follows from the sizes of the batches.
        let what = if what.starts_with("moves from batch ") { "moves to another batch" } else { what };
        FOLDED.contains(&kind).then(|| (format!("{kind} … {what}"), name.to_owned()))
    };
    let mut alike: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, name) in lines.iter().filter_map(|l| parts(l)) {
        alike.entry(key).or_default().push(name);
    }
    let mut said: Vec<String> = Vec::new();
    let mut out = Vec::new();
    for line in lines {
        let many = parts(line).and_then(|(key, _)| alike.get(&key).filter(|n| n.len() >= LEAST).map(|n| (key, n)));
        match many {
            None => out.push(line.clone()),
            Some((key, names)) if !said.contains(&key) => {
                let more = if names.len() > SHOWN { ", …" } else { "" };
                let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
                out.push(format!("{key}: {} ({}{more})", names.len(), shown.join(", ")));
                said.push(key);
            }
            Some(_) => {}
        }
    }
    out
}

impl Beside {
    /// As people read it; `width` is the terminal's, and of each section at most `most` lines are shown.
    pub fn text(&self, width: Option<u16>, most: usize) -> String {
        let mut columns: Vec<(&str, Align)> = vec![("", Align::Left)];
        columns.extend(self.names.iter().map(|n| (n.as_str(), Align::Right)));
        let mut table = Table::new(&columns);
        let (same, other): (Vec<&Row>, Vec<&Row>) = self.rows.iter().partition(|r| r.is_same());
        for row in other {
            let cells = row.values.iter().map(|v| v.clone().unwrap_or_else(|| "-".to_owned()));
            table.row([row.figure.to_owned()].into_iter().chain(cells));
        }
        let mut out = String::new();
        if table.is_empty() {
            out.push_str("All figures are the same.\n");
        } else {
            out.push_str(&table.render(width));
        }
        let same: Vec<String> =
            same.iter().map(|r| format!("{} {}", r.figure, r.values[0].as_deref().unwrap_or("-"))).collect();
        if !same.is_empty() {
            let _ = writeln!(out, "\nThe same in all: {}.", same.join("; "));
        }
        for against in &self.differences {
            let _ = writeln!(out, "\n{} → {}", self.names[0], against.name);
            if let Some(apart) = &against.apart {
                let _ = writeln!(out, "  {apart}");
            } else if against.sections.is_empty() {
                out.push_str("  nothing differs\n");
            }
            for section in &against.sections {
                let lines = folded(&section.lines);
                let _ = writeln!(out, "  {}:", section.title);
                lines.iter().take(most).for_each(|l| out.push_str(&format!("    {l}\n")));
                if lines.len() > most {
                    let _ = writeln!(
                        out,
                        "    … and {} (all of them: -o json)",
                        count((lines.len() - most) as u64, "more line")
                    );
                }
            }
        }
        out
    }
}

impl Row {
    fn is_same(&self) -> bool {
        self.values.iter().all(|v| *v == self.values[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_say_the_same_of_many_objects_are_one() {
        let lines: Vec<String> = [
            "made from another dump",
            "node a is gone",
            "node b is gone",
            "budget shop/x changed: spec",
            "node c is gone",
            "node d is gone",
            "node e is new",
        ]
        .map(str::to_owned)
        .into();
        assert_eq!(
            folded(&lines),
            [
                "made from another dump",
                "node … is gone: 4 (a, b, c, …)",
                "budget shop/x changed: spec",
                "node e is new"
            ]
        );
    }
}
