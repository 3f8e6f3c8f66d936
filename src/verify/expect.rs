//! Regression tests: scenarios run, and what came out held against what each expects.

use super::decisions::replay_under;
use super::evictions::replay_evictions;
use super::recording::VerifyError;
use crate::ack::simulate::AckResult;
use crate::plan::forecast::Forecast;
use crate::request::ack::{AckError, AckRequest};
use crate::request::control_plane::Configuration;
use crate::request::input::{InputError, cluster_of_scenario, control_plane_of, load, request_of_scenario};
use crate::request::plan::{PlanError, Planned, plan};
use crate::request::scenario::{Bounds, Expect, ExpectAck, Recorded, Scenario};
use crate::request::transfer::{TransferError, TransferRequest};
use crate::transfer::simulate::{StepFailure, TransferResult};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How one scenario went.
#[derive(Clone, Debug, Serialize)]
pub struct ScenarioResult {
    /// File.
    pub file: PathBuf,
    /// Name of the scenario.
    pub scenario: String,
    /// Outcome that came.
    pub outcome: String,
    /// Each expectation that was not met: what, expected, came.
    pub differences: Vec<Difference>,
}

/// An expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub came: String,
}

/// Why a scenario could not be run.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// It cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It cannot be planned.
    #[error("{}: {source}", file.display())]
    Plan {
        /// File.
        file: PathBuf,
        /// Why.
        source: PlanError,
    },
    /// The swap of a control plane cannot be simulated.
    #[error("{}: {source}", file.display())]
    Ack {
        /// File.
        file: PathBuf,
        /// Why.
        source: Box<AckError>,
    },
    /// The transfer cannot be simulated.
    #[error("{}: {source}", file.display())]
    Transfer {
        /// File.
        file: PathBuf,
        /// Why.
        source: Box<TransferError>,
    },
    /// What it says was recorded cannot be replayed.
    #[error("{}: recorded: {source}", file.display())]
    Recorded {
        /// File.
        file: PathBuf,
        /// Why.
        source: Box<VerifyError>,
    },
    /// It is no scenario.
    #[error("{} is a dump, not a scenario; a scenario has the field `scenario`", .0.display())]
    NoScenario(PathBuf),
    /// Nothing to run.
    #[error("no scenario (*.yaml, *.yml, *.json) in {}", .0.display())]
    Nothing(PathBuf),
}

/// The scenario files that paths mean: files as they are, directories by their scenario files, sorted by name, not deeper.
///
/// # Errors
/// A directory that cannot be read or holds none.
pub fn scenario_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, TestError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|_| TestError::Nothing(path.clone()))?;
        let mut found: Vec<PathBuf> = entries
            .filter_map(|e| e.ok().map(|e| e.path()))
            .filter(|p| p.extension().is_some_and(|x| x == "yaml" || x == "yml" || x == "json"))
            .collect();
        found.sort();
        if found.is_empty() {
            return Err(TestError::Nothing(path.clone()));
        }
        files.extend(found);
    }
    Ok(files)
}

/// Runs one scenario and compares.
///
/// # Errors
/// A scenario that cannot be read or planned; expectations not met are in the result.
pub fn run_scenario(file: &Path) -> Result<ScenarioResult, TestError> {
    let crate::request::input::Input::Scenario(scenario) = load(&[file.to_owned()])? else {
        return Err(TestError::NoScenario(file.to_owned()));
    };
    if let Some(recorded) = &scenario.recorded {
        let differences = differences_from_recorded(file, &scenario, recorded)?;
        let outcome = "as recorded".to_owned();
        return Ok(ScenarioResult { file: file.to_owned(), scenario: scenario.scenario.clone(), outcome, differences });
    }
    if scenario.ack.is_some() {
        return ack_scenario(file, &scenario)
            .map_err(|source| TestError::Ack { file: file.to_owned(), source: Box::new(source) });
    }
    if scenario.transfer.is_some() {
        return transfer_scenario(file, &scenario)
            .map_err(|source| TestError::Transfer { file: file.to_owned(), source: Box::new(source) });
    }
    let planned = plan_scenario(file, &scenario)?;
    Ok(ScenarioResult {
        file: file.to_owned(),
        scenario: scenario.scenario.clone(),
        outcome: planned.forecast.outcome.clone(),
        differences: compare(&scenario.expect, &planned),
    })
}

/// Where we say other than what a real control plane did: its decisions, or its budgets and evictions.
fn differences_from_recorded(
    file: &Path,
    scenario: &Scenario,
    recorded: &Recorded,
) -> Result<Vec<Difference>, TestError> {
    let mut control_plane = control_plane_of(scenario)?;
    if let Some(config) = &recorded.scheduler {
        control_plane.scheduler = Some(Configuration::of_value("recorded.scheduler", config.clone()));
    }
    let failed = |source| TestError::Recorded { file: file.to_owned(), source: Box::new(source) };
    let mut differences = Vec::new();
    if !(recorded.verdicts.is_empty() && recorded.changes.is_empty()) {
        let snapshot = cluster_of_scenario(scenario, &control_plane, false)?.snapshot;
        let report = replay_evictions(snapshot, &recorded.verdicts, &recorded.changes).map_err(failed)?;
        differences.extend(report.mismatches.into_iter().map(|m| Difference {
            what: format!("{} {}", m.object, m.what),
            expected: m.recorded,
            came: m.computed,
        }));
    }
    if !recorded.decisions.is_empty() {
        let snapshot = cluster_of_scenario(scenario, &control_plane, false)?.snapshot;
        let report = replay_under(snapshot, &control_plane, &recorded.decisions).map_err(failed)?;
        differences.extend(report.mismatches.into_iter().map(|m| {
            let of = [m.plugin, m.node.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" on ");
            let what = format!("{} {} {of}", m.pod, m.what).trim_end().to_owned();
            Difference { what, expected: m.recorded, came: m.ours }
        }));
    }
    Ok(differences)
}

fn plan_scenario(file: &Path, scenario: &Scenario) -> Result<Planned, TestError> {
    let request = request_of_scenario(scenario, false)?;
    plan(request, &|| ()).map_err(|source| TestError::Plan { file: file.to_owned(), source })
}

/// Judges and simulates the swap of a control plane.
fn ack_scenario(file: &Path, scenario: &Scenario) -> Result<ScenarioResult, AckError> {
    let (request, ack) = AckRequest::of_scenario(scenario)?;
    let preflight = request.preflight.clone();
    let result = request.simulate(&ack.simulation, None, &|| ())?;
    let expect = &scenario.expect;
    let mut differences = differences_from_ack(expect, &result);
    // What a migration of nodes alone has is not looked at here, and must not seem to be met.
    let looked_at = Expect {
        outcome: expect.outcome.clone(),
        reason: expect.reason.clone(),
        message: expect.message.clone(),
        exit_status: expect.exit_status,
        ack: expect.ack.clone(),
        ..Expect::default()
    };
    if *expect != looked_at {
        differences.push(Difference {
            what: "expect".to_owned(),
            expected: "outcome, reason, message, exit_status and ack alone where the scenario has `ack`".to_owned(),
            came: "others, which nobody would look at".to_owned(),
        });
    }
    let of_ack = expect.ack.clone().unwrap_or_default();
    for (code, wanted) in &of_ack.rules {
        let came = preflight.rules.iter().find(|r| r.rule == *code).map_or("no such rule", |r| r.verdict.text());
        differences
            .extend(text_difference(&format!("ack.rules.{code}"), Some(wanted), came, |came, wanted| came == wanted));
    }
    let status = of_ack.preflight_exit_status.map(|e| Bounds { min: Some(e), max: Some(e) });
    differences.extend(status.and_then(|b| outside("ack.preflight_exit_status", b, i64::from(preflight.exit_status))));
    let outcome = result.shown.outcome.clone();
    Ok(ScenarioResult { file: file.to_owned(), scenario: scenario.scenario.clone(), outcome, differences })
}

/// Simulates a transfer.
fn transfer_scenario(file: &Path, scenario: &Scenario) -> Result<ScenarioResult, TransferError> {
    let (request, options) = TransferRequest::of_scenario(scenario)?;
    let result = request.simulate(&options);
    let expect = &scenario.expect;
    let mut differences = differences_from_transfer(expect, &result);
    // What a migration of nodes alone has is not looked at here, and must not seem to be met.
    let looked_at = Expect {
        outcome: expect.outcome.clone(),
        reason: expect.reason.clone(),
        message: expect.message.clone(),
        exit_status: expect.exit_status,
        duration_ms: expect.duration_ms,
        launched: expect.launched,
        transfer: expect.transfer.clone(),
        ..Expect::default()
    };
    if *expect != looked_at {
        differences.push(Difference {
            what: "expect".to_owned(),
            expected: "outcome, reason, message, exit_status, duration_ms, launched and transfer alone where the scenario has `transfer`".to_owned(),
            came: "others, which nobody would look at".to_owned(),
        });
    }
    let outcome = result.outcome.to_owned();
    Ok(ScenarioResult { file: file.to_owned(), scenario: scenario.scenario.clone(), outcome, differences })
}

fn differences_from_transfer(expect: &Expect, result: &TransferResult) -> Vec<Difference> {
    let wanted = expect.transfer.clone().unwrap_or_default();
    let failure = result.failure.as_ref();
    let of = |text: fn(&StepFailure) -> &str| failure.map_or("nothing", text);
    let (same, contains): (fn(&str, &str) -> bool, fn(&str, &str) -> bool) = (|a, b| a == b, |a, b| a.contains(b));
    let mut differences: Vec<Difference> = [
        text_difference("outcome", expect.outcome.as_ref(), result.outcome, same),
        text_difference("reason", expect.reason.as_ref(), of(|f| &f.reason), same),
        text_difference("message (contains)", expect.message.as_ref(), of(|f| &f.why), contains),
        text_difference("transfer.step", wanted.step.as_ref(), of(|f| &f.step), same),
    ]
    .into_iter()
    .flatten()
    .collect();
    let status = expect.exit_status.map(|e| Bounds { min: Some(e), max: Some(e) });
    let launched = i64::try_from(result.nodes_launched).unwrap_or(i64::MAX);
    let mut figures = vec![
        ("exit_status".to_owned(), status, Some(i64::from(result.exit_status()))),
        ("duration_ms".to_owned(), expect.duration_ms, Some(result.duration_ms)),
        ("launched".to_owned(), expect.launched, Some(launched)),
        ("transfer.rto_ms".to_owned(), wanted.rto_ms, result.rto_ms),
    ];
    for (wave, bounds) in wanted.waves_ms {
        let came = result.waves.iter().find(|(w, _)| w.id().eq_ignore_ascii_case(&wave)).map(|(_, ms)| *ms);
        figures.push((format!("transfer.waves_ms.{wave}"), Some(bounds), came));
    }
    for (workload, bounds) in wanted.downtime_ms {
        let came = result.workloads.iter().find(|(w, _)| w.as_str() == workload).and_then(|(_, run)| run.downtime_ms);
        figures.push((format!("transfer.downtime_ms.{workload}"), Some(bounds), came));
    }
    for (workload, bounds) in wanted.rpo_ms {
        let came = result.rpo_ms.iter().find(|(w, _)| w.as_str() == workload).map(|(_, ms)| *ms);
        figures.push((format!("transfer.rpo_ms.{workload}"), Some(bounds), came));
    }
    for (what, bounds, came) in figures {
        match (bounds, came) {
            (Some(bounds), Some(came)) => differences.extend(outside(&what, bounds, came)),
            (Some(bounds), None) => {
                let expected = format!("{:?} to {:?}", bounds.min, bounds.max);
                differences.push(Difference { what, expected, came: "nothing".to_owned() });
            }
            (None, _) => {}
        }
    }
    differences
}

fn text_difference(
    what: &str,
    expected: Option<&String>,
    came: &str,
    equal: fn(&str, &str) -> bool,
) -> Option<Difference> {
    let expected = expected.filter(|e| !equal(came, e))?;
    Some(Difference { what: what.to_owned(), expected: expected.clone(), came: came.to_owned() })
}

fn differences_from_ack(expect: &Expect, result: &AckResult) -> Vec<Difference> {
    let ExpectAck { outage_ms, rush_ms, pods_created, nodes_not_ready, at_zero, not_as_before, all_as_before, .. } =
        expect.ack.clone().unwrap_or_default();
    let shown = &result.shown;
    let failure = shown.failure.as_ref();
    let of = |text: fn(&crate::ack::simulate::CutOverFailure) -> &str| failure.map_or("nothing", text);
    let (same, contains): (fn(&str, &str) -> bool, fn(&str, &str) -> bool) = (|a, b| a == b, |a, b| a.contains(b));
    let mut differences: Vec<Difference> = [
        text_difference("outcome", expect.outcome.as_ref(), &shown.outcome, same),
        text_difference("reason", expect.reason.as_ref(), of(|f| &f.reason), same),
        text_difference("message (contains)", expect.message.as_ref(), of(|f| &f.message), contains),
    ]
    .into_iter()
    .flatten()
    .collect();
    let status = expect.exit_status.map(|e| Bounds { min: Some(e), max: Some(e) });
    let figures = [
        ("exit_status", status, i64::from(result.exit_status())),
        ("ack.outage_ms", outage_ms, result.outage_ms.p50),
        ("ack.rush_ms", rush_ms, result.rush_ms.p50),
        ("ack.pods_created", pods_created, shown.rush.pods_created as i64),
        ("ack.nodes_not_ready", nodes_not_ready, shown.rush.nodes_not_ready as i64),
    ];
    differences.extend(figures.into_iter().filter_map(|(what, bounds, came)| outside(what, bounds?, came)));
    let zero: Vec<&str> = shown.hit.iter().filter(|h| h.at_zero).map(|h| h.workload.as_str()).collect();
    let after: Vec<&str> = result.not_as_before.keys().map(String::as_str).collect();
    for (what, wanted, came) in [("ack.at_zero", &at_zero, &zero), ("ack.not_as_before", &not_as_before, &after)] {
        let missing = wanted.iter().filter(|w| !came.contains(&w.as_str()));
        differences.extend(missing.map(|w| Difference {
            what: what.to_owned(),
            expected: w.clone(),
            came: came.join(", "),
        }));
    }
    let more: Vec<&str> = after.iter().filter(|a| !not_as_before.iter().any(|n| n == *a)).copied().collect();
    if all_as_before && !more.is_empty() {
        let expected = "all as before".to_owned();
        differences.push(Difference { what: "ack.all_as_before".to_owned(), expected, came: more.join(", ") });
    }
    differences
}

/// Every expectation that was not met.
pub fn compare(expect: &Expect, planned: &Planned) -> Vec<Difference> {
    let forecast = &planned.forecast;
    let mut differences = Vec::new();
    let mut text = |what: &str, expected: &Option<String>, came: Option<&str>, equal: fn(&str, &str) -> bool| {
        if let Some(expected) = expected
            && !came.is_some_and(|c| equal(c, expected))
        {
            differences.push(Difference {
                what: what.to_owned(),
                expected: expected.clone(),
                came: came.unwrap_or("nothing").to_owned(),
            });
        }
    };
    let same = |came: &str, expected: &str| came == expected;
    let contains = |came: &str, expected: &str| came.contains(expected);
    text("outcome", &expect.outcome, Some(&forecast.outcome), same);
    text("reason", &expect.reason, forecast.reason.as_deref(), same);
    text("message (contains)", &expect.message, forecast.message.as_deref(), contains);
    let causes = forecast.failures.iter().map(|f| f.cause.as_str()).collect::<Vec<_>>().join("\n");
    text("cause (contains)", &expect.cause, Some(&causes), contains);

    differences.extend(findings(expect, forecast));
    differences.extend(harm(expect, forecast));
    let batches = forecast.batches.iter().filter(|b| b.start_ms.is_some()).count() as i64;
    let figures = [
        (
            "exit_status",
            expect.exit_status.map(|e| Bounds { min: Some(e), max: Some(e) }),
            i64::from(planned.exit_status()),
        ),
        ("duration_ms", expect.duration_ms, forecast.duration_ms.p50),
        ("batches", expect.batches, batches),
        ("pods_moved", expect.pods_moved, forecast.pods_moved as i64),
        ("pods_moved_twice", expect.pods_moved_twice, forecast.pods_moved_twice as i64),
        (
            "did_not_reach_ocean",
            expect.did_not_reach_ocean,
            forecast.did_not_reach_ocean.as_ref().map_or(0, |pods| pods.len() as i64),
        ),
        ("peak_nodes", expect.peak_nodes, forecast.peak_nodes as i64),
        ("refused", expect.refused, planned.metrics.refused as i64),
        ("launched", expect.launched, planned.metrics.launched as i64),
    ];
    for (what, bounds, came) in figures {
        differences.extend(bounds.and_then(|b| outside(what, b, came)));
    }
    for (outcome, bounds) in &expect.outcomes_percent {
        let share = forecast.outcomes.get(outcome).copied().unwrap_or(0.0);
        differences.extend(outside(&format!("outcomes_percent.{outcome}"), *bounds, (share * 100.0).round() as i64));
    }
    differences
}

/// The expectation that a prediction meets, and one that differs in any of its figures does not.
pub fn expectation(planned: &Planned) -> Expect {
    let forecast = &planned.forecast;
    let exactly = |n: i64| Some(Bounds { min: Some(n), max: Some(n) });
    let counted = |n: u64| exactly(i64::try_from(n).unwrap_or(i64::MAX));
    // Which autoscaler is assumed is said of a dump alone; a scenario names it.
    let codes = forecast.findings.iter().map(|f| f.code.clone()).filter(|c| c != "autoscaler-assumed");
    let harm = forecast.harm.iter().map(|h| h.kind.as_str().to_owned());
    let batches = forecast.batches.iter().filter(|b| b.start_ms.is_some()).count();
    let percent = |(outcome, share): (&String, &f64)| {
        let percent = (share * 100.0).round() as i64;
        (outcome.clone(), Bounds { min: Some(percent), max: Some(percent) })
    };
    Expect {
        outcome: Some(forecast.outcome.clone()),
        reason: forecast.reason.clone(),
        findings: codes.collect::<BTreeSet<String>>().into_iter().collect(),
        harm: harm.collect::<BTreeSet<String>>().into_iter().collect(),
        exit_status: Some(i64::from(planned.exit_status())),
        duration_ms: exactly(forecast.duration_ms.p50),
        batches: counted(batches as u64),
        pods_moved: counted(forecast.pods_moved),
        pods_moved_twice: counted(forecast.pods_moved_twice),
        did_not_reach_ocean: forecast.did_not_reach_ocean.as_ref().and_then(|pods| counted(pods.len() as u64)),
        peak_nodes: counted(forecast.peak_nodes),
        refused: counted(planned.metrics.refused),
        launched: counted(planned.metrics.launched),
        outcomes_percent: forecast.outcomes.iter().map(percent).collect(),
        ..Expect::default()
    }
}

fn findings(expect: &Expect, forecast: &Forecast) -> Vec<Difference> {
    let there = |code: &String| forecast.findings.iter().any(|f| f.code == *code);
    let codes = || {
        let mut codes: Vec<&str> = forecast.findings.iter().map(|f| f.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        codes.join(", ")
    };
    let missing = expect.findings.iter().filter(|c| !there(c)).map(|c| Difference {
        what: "findings".into(),
        expected: c.clone(),
        came: codes(),
    });
    let unwanted = expect.no_findings.iter().filter(|c| there(c)).map(|c| Difference {
        what: "no_findings".into(),
        expected: format!("no {c}"),
        came: codes(),
    });
    missing.chain(unwanted).collect()
}

fn harm(expect: &Expect, forecast: &Forecast) -> Vec<Difference> {
    let done: Vec<String> = forecast.harm.iter().map(|h| format!("{} {}", h.kind.as_str(), h.workload)).collect();
    let there = |wanted: &&String| done.iter().any(|d| d == *wanted || d.split(' ').next() == Some(wanted.as_str()));
    let came = || if done.is_empty() { "none".to_owned() } else { done.join(", ") };
    let missing = expect.harm.iter().filter(|h| !there(h)).map(|h| Difference {
        what: "harm".into(),
        expected: h.clone(),
        came: came(),
    });
    let unwanted = expect.no_harm.iter().filter(there).map(|h| Difference {
        what: "no_harm".into(),
        expected: format!("no {h}"),
        came: came(),
    });
    missing.chain(unwanted).collect()
}

fn outside(what: &str, bounds: Bounds, came: i64) -> Option<Difference> {
    let within = bounds.min.is_none_or(|m| came >= m) && bounds.max.is_none_or(|m| came <= m);
    (!within).then(|| Difference {
        what: what.to_owned(),
        expected: match (bounds.min, bounds.max) {
            (Some(a), Some(b)) if a == b => a.to_string(),
            (Some(a), Some(b)) => format!("{a} to {b}"),
            (Some(a), None) => format!("at least {a}"),
            (None, Some(b)) => format!("at most {b}"),
            (None, None) => "anything".into(),
        },
        came: came.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_include_both_ends_and_say_what_came() {
        let b = Bounds { min: Some(2), max: Some(3) };
        assert_eq!((outside("x", b, 2), outside("x", b, 3)), (None, None));
        let d = outside("x", b, 4).expect("outside");
        assert_eq!((d.expected.as_str(), d.came.as_str()), ("2 to 3", "4"));
    }
}
