//! A sweep as people and programs read it: text, JSON, CSV, and the points of its plot.

use super::figure::Figure;
use super::{Judged, Setting, Swept, Tried, Why, name};
use crate::plan::verdict::{Percentiles, percent};
use crate::report::format::{count, written_out};
use crate::report::svg::pareto::{Axis, Mark, Point};
use crate::report::table::{Align, Table};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// What `sweep -o json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SweepDocument {
    /// Version of nodeferry.
    pub version: String,
    /// Random seed of all variants: each has its runs under the same seeds.
    pub seed: u64,
    /// Runs of a round.
    pub round: u32,
    /// Percent of a variant's runs that must complete.
    pub require_percent: f64,
    /// What was ranked by.
    pub best_by: Vec<String>,
    /// Index of the best variant; null if none meets all that is required.
    pub best: Option<usize>,
    /// The command that plans the best variant.
    pub plan: Option<String>,
    /// The variants, in their order.
    pub variants: Vec<VariantDocument>,
}

/// A variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VariantDocument {
    /// What sets it apart.
    pub settings: Vec<Setting>,
    /// How many runs it had; 0 if it cannot be planned.
    pub runs: u32,
    /// How many of them completed without harm.
    pub completed: u32,
    /// Lower and upper end of the 95 % interval of that share, 0 to 1.
    pub interval: (f64, f64),
    /// Figures over all its runs: `duration_ms`, `cost_micros`, `price_micros` (of the nodes at the end, per hour, in the run that is shown), `surge`,
    /// `peak_nodes`, `new_nodes`, `node_ms`, `pods_moved`, `moved_twice`, `refused`, `harm`. Costs and prices are left out where they are not known.
    pub figures: IndexMap<String, Percentiles<i64>>,
    /// It meets all that is required.
    pub good: bool,
    /// What it does not meet: `--require` with its percentage, or a condition as it was written.
    pub misses: Vec<String>,
    /// No other one that meets all is better in one of the two first figures of the ranking and no worse in the other.
    pub pareto: bool,
    /// Why most of the runs that did not complete did not; null if all completed.
    pub why: Option<Why>,
    /// Why it cannot be planned; null if it can.
    pub refused: Option<String>,
}

fn key(figure: Figure) -> String {
    match figure {
        Figure::Duration => "duration_ms".to_owned(),
        Figure::Cost => "cost_micros".to_owned(),
        Figure::Price => "price_micros".to_owned(),
        Figure::NodeHours => "node_ms".to_owned(),
        other => other.name().replace('-', "_"),
    }
}

/// As a document; `plan` is the command that plans the best.
pub fn document(swept: &Swept, plan: Option<String>) -> SweepDocument {
    SweepDocument {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: swept.seed,
        round: swept.round,
        require_percent: swept.require_percent,
        best_by: swept.best_by.iter().map(|m| m.name()).collect(),
        best: swept.best,
        plan,
        variants: swept.variants.iter().map(variant).collect(),
    }
}

fn variant(judged: &Judged) -> VariantDocument {
    let tried = judged.result.as_ref().ok();
    let spread = |f: Figure| Some((key(f), tried?.figures.spread(f)?));
    let first = tried.and_then(|t| t.verdict.endings.first());
    VariantDocument {
        settings: judged.settings.clone(),
        runs: tried.map_or(0, |t| t.verdict.runs),
        completed: tried.map_or(0, |t| t.verdict.completed_runs()),
        interval: first.map_or((0.0, 1.0), |e| (e.low, e.high)),
        figures: Figure::ALL.into_iter().filter_map(spread).collect(),
        good: tried.is_some_and(Tried::is_good),
        misses: tried.map(|t| t.misses.clone()).unwrap_or_default(),
        pareto: tried.is_some_and(|t| t.pareto),
        why: tried.and_then(|t| t.why.clone()),
        refused: judged.result.as_ref().err().cloned(),
    }
}

/// Columns of figures: the figure, the percentile's header.
const COLUMNS: [(Figure, &str); 6] = [
    (Figure::Duration, "DURATION"),
    (Figure::Surge, "SURGE"),
    (Figure::NewNodes, "NEW NODES"),
    (Figure::Refused, "REFUSED"),
    (Figure::Cost, "COST"),
    (Figure::Price, "PRICE/H AFTER"),
];

/// As text; `width` is the terminal's.
pub fn text(swept: &Swept, plan: Option<&str>, width: Option<u16>) -> String {
    let mut out = best(swept, plan);
    out.push_str(&table(swept, width));
    out.push_str(&reasons(swept));
    let unknown = swept.best_by.iter().find(|m| tried(swept).all(|t| t.figures.at(**m).is_none()));
    if let Some(measure) = unknown {
        let _ = writeln!(
            out,
            "\nNo variant has a {}: prices of instance types are not known; give them with --groups or --machine-types.",
            measure.figure.name()
        );
    }
    out
}

fn tried(swept: &Swept) -> impl Iterator<Item = &Tried> {
    swept.variants.iter().filter_map(|v| v.result.as_ref().ok())
}

fn best(swept: &Swept, plan: Option<&str>) -> String {
    let by: Vec<String> = swept.best_by.iter().map(|m| m.name()).collect();
    let all = count(swept.variants.len() as u64, "variant");
    let good = tried(swept).filter(|t| t.is_good()).count();
    let Some((settings, Ok(best))) = swept.best.map(|b| (&swept.variants[b].settings, &swept.variants[b].result))
    else {
        let nearest = swept.variants.iter().filter_map(|v| Some((v, v.result.as_ref().ok()?)));
        let nearest = nearest.max_by_key(|(_, t)| {
            (
                u64::from(t.verdict.completed_runs()) * 1_000_000 / u64::from(t.verdict.runs.max(1)),
                std::cmp::Reverse(t.misses.len()),
            )
        });
        let nearest = nearest.map_or_else(String::new, |(v, t)| {
            format!(" Nearest: {}, which misses {}.", name(&v.settings), t.misses.join(", "))
        });
        return format!("Best: none. Of {all} none meets all that is required.{nearest}\n\n");
    };
    let mut out = format!("Best by {}: {}\n", by.join(", "), name(settings));
    let _ = writeln!(out, "  {}", best.verdict.text);
    if let Some(plan) = plan {
        let _ = writeln!(out, "  {plan}");
    }
    let _ = writeln!(
        out,
        "Of {all} {good} {} all that is required. Each has its runs under the same random seeds; figures are medians, the range is that of 90 % of the runs.\n",
        if good == 1 { "meets" } else { "meet" }
    );
    out
}

fn table(swept: &Swept, width: Option<u16>) -> String {
    let varied: Vec<String> = swept
        .variants
        .first()
        .map(|v| &v.settings[..])
        .unwrap_or_default()
        .iter()
        .map(|s| s.name.to_uppercase())
        .collect();
    let known: Vec<(Figure, &str)> =
        COLUMNS.into_iter().filter(|(f, _)| tried(swept).any(|t| t.figures.spread(*f).is_some())).collect();
    let mut columns: Vec<(&str, Align)> = varied.iter().map(|n| (n.as_str(), Align::Right)).collect();
    columns.extend([("RUNS", Align::Right), ("COMPLETES", Align::Right)]);
    columns.extend(known.iter().map(|(_, header)| (*header, Align::Right)));
    columns.push(("", Align::Left));
    let mut table = Table::new(&columns);
    for (nth, judged) in swept.variants.iter().enumerate() {
        let mut cells: Vec<String> = judged.settings.iter().map(|s| s.value.clone()).collect();
        match &judged.result {
            Err(_) => {
                cells.extend(["0".to_owned(), "-".to_owned()]);
                cells.extend(known.iter().map(|_| "-".to_owned()));
                cells.push("cannot be planned".to_owned());
            }
            Ok(t) => {
                let share = t.verdict.endings.first().map_or(0.0, |e| e.share);
                cells.extend([t.verdict.runs.to_string(), format!("{} %", percent(share))]);
                cells.extend(known.iter().map(|(f, _)| spread(*f, t)));
                cells.push(mark(t, swept.best == Some(nth)));
            }
        }
        table.row(cells);
    }
    table.render(width)
}

fn spread(figure: Figure, tried: &Tried) -> String {
    let Some(p) = tried.figures.spread(figure) else { return "unknown".to_owned() };
    let (low, middle, high) = (figure.text(p.p5), figure.text(p.p50), figure.text(p.p95));
    match low == high {
        true => middle,
        false => format!("{middle} ({low} to {high})"),
    }
}

fn mark(tried: &Tried, is_best: bool) -> String {
    if is_best {
        return "best".to_owned();
    }
    let misses: Vec<String> = tried
        .misses
        .iter()
        .map(|m| match &tried.why {
            Some(why) if m.starts_with("--require") => {
                format!("{m}: {}", why.reason.as_deref().unwrap_or("harms workloads"))
            }
            _ => m.clone(),
        })
        .collect();
    match (misses.is_empty(), tried.pareto) {
        (false, _) => format!("misses {}", misses.join(", ")),
        (true, true) => "pareto".to_owned(),
        (true, false) => String::new(),
    }
}

/// Why variants are refused or fail: each reason once, with the variants that it is of.
fn reasons(swept: &Swept) -> String {
    let mut out = String::new();
    let mut seen: IndexMap<String, (Vec<String>, Option<&Why>, Option<&str>)> = IndexMap::new();
    for judged in &swept.variants {
        let (key, why, refused) = match &judged.result {
            Err(why) => (format!("cannot be planned: {why}"), None, Some(why.as_str())),
            Ok(t) if t.verdict.met => continue,
            Ok(t) => match &t.why {
                Some(why) => (why.reason.clone().unwrap_or_else(|| "completed with harm".to_owned()), Some(why), None),
                None => continue,
            },
        };
        let entry = seen.entry(key).or_insert_with(|| (Vec::new(), why, refused));
        entry.0.push(name(&judged.settings));
    }
    if !seen.is_empty() {
        out.push_str("\nWhy variants do not complete as required:\n");
    }
    for (key, (variants, why, _)) in seen {
        const SHOWN: usize = 4;
        let more = variants.len().saturating_sub(SHOWN);
        let shown: Vec<&str> = variants.iter().take(SHOWN).map(String::as_str).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(out, "  {key} ({}{more})", shown.join("; "));
        if let Some(why) = why {
            for (label, text) in [("message", &why.message), ("cause", &why.cause), ("remedy", &why.remedy)] {
                if !text.is_empty() {
                    let _ = writeln!(out, "    {label}: {}", text.replace('\n', "\n      "));
                }
            }
        }
    }
    out
}

/// As CSV: a row for each variant.
///
/// # Errors
/// Never, in practice: it is written to memory.
pub fn csv(swept: &Swept) -> Result<String, csv::Error> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    let document = document(swept, None);
    let varied: Vec<String> =
        document.variants.first().map(|v| &v.settings[..]).unwrap_or_default().iter().map(|s| s.name.clone()).collect();
    let mut header = varied;
    header.extend(["runs", "completed", "good", "best", "pareto"].map(str::to_owned));
    for figure in Figure::ALL {
        header.extend(["p5", "p50", "p95"].map(|p| format!("{}_{p}", key(figure))));
    }
    header.extend(["misses", "reason", "refused"].map(str::to_owned));
    writer.write_record(&header)?;
    for (nth, v) in document.variants.iter().enumerate() {
        let mut row: Vec<String> = v.settings.iter().map(|s| s.value.clone()).collect();
        row.extend([v.runs.to_string(), v.completed.to_string()]);
        row.extend([v.good, document.best == Some(nth), v.pareto].map(|b| b.to_string()));
        for figure in Figure::ALL {
            match v.figures.get(&key(figure)) {
                Some(p) => row.extend([p.p5, p.p50, p.p95].map(|n| n.to_string())),
                None => row.extend([const { String::new() }; 3]),
            }
        }
        let reason = v.why.as_ref().and_then(|w| w.reason.clone());
        row.extend([v.misses.join("; "), reason.unwrap_or_default(), v.refused.clone().unwrap_or_default()]);
        writer.write_record(row.iter().map(|cell| written_out(cell, char::is_control).into_owned()))?;
    }
    let bytes = writer.into_inner().map_err(|e| csv::Error::from(std::io::Error::other(e.to_string())))?;
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// The two axes of the plot, and a point for each variant that has both figures. The second axis is the second figure of the ranking, or what costs
/// most beside the first: the cost where it is known, else the surge.
pub fn points(swept: &Swept) -> ([Axis; 2], Vec<Point>) {
    let first = swept.best_by.first().map_or(Figure::Duration, |m| m.figure);
    let has = |f: Figure| tried(swept).any(|t| t.figures.spread(f).is_some());
    let beside = [Figure::Cost, Figure::Surge, Figure::Duration].into_iter().find(|f| *f != first && has(*f));
    let second = swept.best_by.get(1).map(|m| m.figure).or(beside).unwrap_or(Figure::Surge);
    let axis = |f: Figure| Axis { name: f.name().replace('-', " "), is_time: f == Figure::Duration, unit: f.unit() };
    let point = |(nth, judged): (usize, &Judged)| {
        let t = judged.result.as_ref().ok()?;
        Some(Point {
            x: t.figures.spread(first)?.p50,
            y: t.figures.spread(second)?.p50,
            label: judged.settings.iter().map(|s| s.value.as_str()).collect::<Vec<_>>().join(" "),
            mark: match t {
                _ if swept.best == Some(nth) => Mark::Best,
                t if t.pareto => Mark::Pareto,
                t if t.is_good() => Mark::Good,
                _ => Mark::Missed,
            },
        })
    };
    ([axis(first), axis(second)], swept.variants.iter().enumerate().filter_map(point).collect())
}
