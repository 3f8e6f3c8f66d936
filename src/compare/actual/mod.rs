//! Predicted against actual: a plan's forecast beside what its execution really did, batch by batch.

pub mod show;

use crate::execution::run_file::{Execution, Run};
use crate::plan::Spread;
use crate::plan::forecast::{BatchForecast, Forecast};
use crate::trace::delays::{Gap, Samples, together};
use crate::trace::metrics::BatchRow;
use crate::trace::{Event, EventKind, Metrics, SeenDelays};
use serde::Serialize;
use std::collections::BTreeMap;

/// Predicted against actual.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Actual {
    /// Name of the execution.
    pub execution: String,
    /// Name of the context that it was carried out on.
    pub context: String,
    /// When it began, in milliseconds since 1970.
    pub began_unix_ms: i64,
    /// Version of nodeferry that began it.
    pub version: String,
    /// Version of nodeferry that predicted it; null if nothing was predicted.
    pub forecast_version: Option<String>,
    /// The whole.
    pub whole: Whole,
    /// Batches in order.
    pub batches: Vec<Batch>,
    /// Delays that were seen.
    pub delays: Vec<DelayRow>,
    /// What the forecast's delays were, in its own words.
    pub delays_predicted: Vec<String>,
    /// What else should be known.
    pub notes: Vec<String>,
}

/// A figure, predicted and actual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pair {
    /// Predicted; null if it was not.
    pub predicted: Option<i64>,
    /// Actual; null if it did not come to that.
    pub actual: Option<i64>,
    /// How much more the actual one is, in percent of the predicted one; null where one is missing or nothing was predicted.
    pub difference_percent: Option<f64>,
}

impl Pair {
    /// Of two figures.
    pub fn of(predicted: Option<i64>, actual: Option<i64>) -> Pair {
        // Tenths of a percent in integers: the same on every machine.
        let tenths = |(p, a): (i64, i64)| {
            let (p, difference) = (i128::from(p), i128::from(a) - i128::from(p));
            (p > 0).then(|| (difference * 2000 + p * difference.signum()) / (2 * p))
        };
        let difference_percent = predicted.zip(actual).and_then(tenths).map(|t| t as f64 / 10.0);
        Pair { predicted, actual, difference_percent }
    }
}

/// The whole execution.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Whole {
    /// How it was to end; null if nothing was predicted.
    pub outcome_predicted: Option<String>,
    /// How it ended; null if it has not.
    pub outcome: Option<String>,
    /// Why, unless it completed.
    pub reason: Option<String>,
    /// From start to end (the median of the replications).
    pub duration_ms: Pair,
    /// How the prediction spread over the replications; null if nothing was predicted.
    pub duration_spread_ms: Option<Spread>,
    /// Of the actual duration: no process carried it out.
    pub away_ms: u64,
    /// How many times a process went on with it.
    pub resumed: u64,
    /// Of the actual duration: what was waited for between batches, by `Soak`, `Window`, `Check`, `Approval`.
    pub waited_ms: BTreeMap<String, u64>,
    /// Evictions accepted.
    pub evictions: Pair,
    /// Evictions refused, retries included.
    pub refused: Pair,
    /// Nodes launched.
    pub launched: Pair,
    /// Pods moved.
    pub pods_moved: Pair,
    /// Pods moved more than once.
    pub pods_moved_twice: Pair,
    /// Pods that were moved and ended on a node that is not Ocean's; absent unless the procedure is one of Ocean's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_not_reach_ocean: Option<Pair>,
    /// Most nodes at once.
    pub peak_nodes: Pair,
}

/// One batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Batch {
    /// Counted from 0.
    pub index: u32,
    /// Old nodes by name.
    pub nodes: Vec<String>,
    /// Milliseconds since the migration started.
    pub start_ms: Pair,
    /// Milliseconds since the migration started.
    pub end_ms: Pair,
    /// From start to end.
    pub duration_ms: Pair,
    /// Of the actual duration: no process carried it out.
    pub away_ms: u64,
    /// Evictions accepted.
    pub evictions: Pair,
    /// Evictions refused, retries included.
    pub refused: Pair,
    /// Nodes launched.
    pub launched: Pair,
    /// How it was to end.
    pub outcome_predicted: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Why, unless it completed.
    pub reason: Option<String>,
}

/// A delay that was seen, of one workload or group, or of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DelayRow {
    /// `start`, `stop`, `schedule`, `launch`, `boot`, `retire`.
    pub delay: &'static str,
    /// `Kind/namespace/name` of the workload, or the group; null for all.
    pub of: Option<String>,
    /// How many were seen.
    pub samples: usize,
    /// How they spread, in milliseconds.
    pub ms: Spread,
}

/// Lays the forecast beside what happened. A plan without one (a rehearsal's) is no error: then only what happened is told.
///
/// # Errors
/// Says so if the run is a trace.
pub fn actual(run: &Run) -> Result<Actual, String> {
    let Some(e) = &run.execution else {
        return Err("this is a trace, and says nothing of what was predicted; expected a journal (to compare two traces: nodeferry diff)".into());
    };
    let plan = &e.began.plan;
    let forecast = plan.forecast.as_ref();
    let metrics = Metrics::from_events(&run.events);
    let start = metrics.start_ms;
    Ok(Actual {
        execution: e.began.execution.clone(),
        context: e.began.context.clone(),
        began_unix_ms: e.began.unix_ms,
        version: e.began.nodeferry.clone(),
        forecast_version: forecast.map(|f| f.version.clone()),
        whole: whole(e, forecast, &metrics, &run.events),
        batches: (0..)
            .zip(&plan.intent.batches)
            .map(|(index, nodes)| {
                let predicted = forecast.and_then(|f| f.batches.iter().find(|b| b.index == index));
                let row = metrics.batches.iter().find(|r| r.index == index);
                let nodes = nodes.iter().map(|n| n.name.clone()).collect();
                Batch { index, nodes, ..batch(predicted, row, start, &e.away) }
            })
            .collect(),
        delays: delay_rows(&run.delays()),
        delays_predicted: forecast.map(origins).unwrap_or_default(),
        notes: notes(e, forecast, &run.delays()),
    })
}

fn signed(n: u64) -> Option<i64> {
    i64::try_from(n).ok()
}

fn whole(e: &Execution, forecast: Option<&Forecast>, metrics: &Metrics, events: &[Event]) -> Whole {
    let of = |predicted: fn(&Forecast) -> u64, actual: u64| {
        Pair::of(forecast.map(predicted).and_then(signed), signed(actual))
    };
    let end = if metrics.outcome.is_some() { metrics.end_ms } else { e.last_ms };
    Whole {
        outcome_predicted: forecast.map(|f| f.outcome.clone()),
        outcome: e.ended.as_ref().map(|e| e.0.text().to_owned()),
        reason: e.ended.as_ref().and_then(|e| e.1.as_ref()).map(|f| f.reason.clone()),
        duration_ms: Pair::of(
            forecast.map(|f| f.duration_ms.p50),
            e.ended.is_some().then(|| end.saturating_sub(metrics.start_ms)).and_then(signed),
        ),
        duration_spread_ms: forecast.map(|f| f.duration_ms),
        away_ms: overlap(&e.away, metrics.start_ms, end),
        resumed: e.resumed,
        waited_ms: waits(events, end),
        evictions: of(|f| f.batches.iter().map(|b| b.evictions).sum(), metrics.evictions),
        refused: of(|f| f.batches.iter().map(|b| b.refused).sum(), metrics.refused),
        launched: of(|f| f.batches.iter().map(|b| b.launched).sum(), metrics.launched),
        pods_moved: of(|f| f.pods_moved, metrics.pods_moved),
        pods_moved_twice: of(|f| f.pods_moved_twice, metrics.pods_moved_twice),
        did_not_reach_ocean: e.began.plan.intent.options.procedure.is_ocean().then(|| {
            let predicted = |f: &Forecast| f.did_not_reach_ocean.as_ref().map_or(0, Vec::len) as u64;
            of(predicted, metrics.not_on_ocean().count() as u64)
        }),
        peak_nodes: of(|f| f.peak_nodes, metrics.peak_nodes),
    }
}

/// The figures of a batch; its place and nodes are the plan's.
fn batch(forecast: Option<&BatchForecast>, row: Option<&BatchRow>, start: u64, away: &[Gap]) -> Batch {
    let since = |t: Option<u64>| t.map(|t| t.saturating_sub(start)).and_then(signed);
    let span = |a: Option<u64>, b: Option<u64>| a.zip(b).and_then(|(a, b)| signed(b.saturating_sub(a)));
    let (began, ended) = (row.and_then(|r| r.start_ms), row.and_then(|r| r.end_ms));
    let figure = |predicted: fn(&BatchForecast) -> u64, actual: fn(&BatchRow) -> u64| {
        Pair::of(forecast.map(predicted).and_then(signed), row.map(actual).and_then(signed))
    };
    let (begins, ends) = (forecast.and_then(|f| f.start_ms), forecast.and_then(|f| f.end_ms));
    Batch {
        index: 0,
        nodes: Vec::new(),
        start_ms: Pair::of(begins.and_then(signed), since(began)),
        end_ms: Pair::of(ends.and_then(signed), since(ended)),
        duration_ms: Pair::of(span(begins, ends), span(began, ended)),
        away_ms: began.zip(ended).map_or(0, |(a, b)| overlap(away, a, b)),
        evictions: figure(|f| f.evictions, |r| r.evictions),
        refused: figure(|f| f.refused, |r| r.refused),
        launched: figure(|f| f.launched, |r| r.launched),
        outcome_predicted: forecast.and_then(|f| f.outcome.clone()),
        outcome: row.and_then(|r| r.outcome.clone()),
        reason: row.and_then(|r| r.reason.clone()),
    }
}

/// How much of a span lies in gaps.
fn overlap(gaps: &[Gap], from: u64, to: u64) -> u64 {
    gaps.iter().map(|(a, b)| (*b).min(to).saturating_sub((*a).max(from))).sum()
}

/// What was waited for between batches, by reason; a wait that was not over lasted until `end`.
fn waits(events: &[Event], end: u64) -> BTreeMap<String, u64> {
    let mut waited = BTreeMap::new();
    let mut open: Option<(String, u64)> = None;
    for e in events {
        let begins = e.event == EventKind::GateWaiting;
        if !begins && !matches!(e.event, EventKind::GateOpened | EventKind::MigrationFinished) {
            continue;
        }
        if let Some((reason, since)) = open.take() {
            *waited.entry(reason).or_default() += e.t_ms.saturating_sub(since);
        }
        if begins {
            open = Some((e.reason.clone().unwrap_or_default(), e.t_ms));
        }
    }
    if let Some((reason, since)) = open {
        *waited.entry(reason).or_default() += end.saturating_sub(since);
    }
    waited
}

/// Each delay of all, then of each workload or group.
pub fn delay_rows(seen: &SeenDelays) -> Vec<DelayRow> {
    let tables: [(&'static str, &Samples); 6] = [
        ("start", &seen.start),
        ("stop", &seen.stop),
        ("schedule", &seen.schedule),
        ("launch", &seen.launch),
        ("boot", &seen.boot),
        ("retire", &seen.retire),
    ];
    let mut rows = Vec::new();
    for (delay, table) in tables.into_iter().filter(|t| !t.1.is_empty()) {
        let all = together(table);
        rows.push(DelayRow { delay, of: None, samples: all.len(), ms: Spread::of(&all) });
        rows.extend(table.iter().map(|(of, samples)| DelayRow {
            delay,
            of: Some(of.clone()),
            samples: samples.len(),
            ms: Spread::of(samples),
        }));
    }
    rows
}

/// What the forecast says of its own delays.
fn origins(forecast: &Forecast) -> Vec<String> {
    forecast.findings.iter().filter(|f| f.code == "delay-origin").map(|f| f.message.clone()).collect()
}

fn notes(e: &Execution, forecast: Option<&Forecast>, seen: &SeenDelays) -> Vec<String> {
    let mut notes: Vec<String> = e.torn.iter().cloned().collect();
    if forecast.is_none() {
        notes.push("the plan has no prediction (that of a rehearsal has none): only what happened is shown".into());
    }
    if e.ended.is_none() {
        notes.push(
            "the execution has not ended: it is under way, or can be gone on with by nodeferry resume; what is missing is not counted"
                .into(),
        );
    }
    if !e.away.is_empty() {
        notes.push(format!(
            "no process carried it out for a while, {}: what happened then was seen late",
            crate::runner::count(e.away.len(), "time")
        ));
    }
    if seen.unwatched > 0 {
        notes.push(format!(
            "{} left out, because nobody watched for a part of them",
            crate::runner::count(seen.unwatched, "delay")
        ));
    }
    notes
}
