//! What if: faults, delays, windows and any other option as flags. Each becomes what a scenario would say, so that there is one meaning.

mod delays;
mod faults;
mod set;

use super::cluster_args::WhatArgs;
use super::time::parse_time;
use crate::cluster::View;
use crate::intent::calendar::ScheduledWindow;
use crate::request::plan::Request;
use crate::snapshot::time::parse_rfc3339;
use anyhow::{Context, Result, anyhow, bail};

/// Lays the flags over a request.
///
/// # Errors
/// A flag that is not understood, or that names what the cluster does not have.
pub(super) fn lay(request: &mut Request, args: &WhatArgs) -> Result<()> {
    for text in &args.delay {
        delays::lay(&mut request.sim.delays, text).with_context(|| format!("--delay {text}"))?;
    }
    let view = View { catalog: &request.cluster.catalog, state: &request.cluster.state };
    for text in args.fault.iter().filter(|t| *t != "none") {
        let fault = faults::fault(text, view).with_context(|| format!("--fault {text}"))?;
        request.sim.faults.push(fault);
    }
    for (flag, given) in [("--window-duration", &args.window_duration), ("--time-zone", &args.time_zone)] {
        if given.is_some() && args.window.is_empty() {
            bail!("{flag} is of a window, and there is none; give --window '0 22 * * *'");
        }
    }
    if !args.window.is_empty() {
        request.options.scheduled_windows = windows(args)?;
    }
    if let Some(text) = &args.start {
        if parse_rfc3339(text).is_none() {
            bail!("--start {text}: expected a time such as 2026-11-27T20:00:00Z or 2026-11-27T21:00:00+01:00");
        }
        request.sim.start = Some(text.clone());
    }
    if let Some(text) = &args.horizon {
        request.options.horizon_ms = parse_time(text).with_context(|| format!("--horizon {text}"))?;
    }
    for text in &args.set {
        set::lay(request, text).with_context(|| format!("--set {text}"))?;
    }
    let problems = [request.options.problems(), request.sim.problems(), request.autoscaler.problems()].concat();
    if !problems.is_empty() {
        return Err(anyhow!(problems.join("; ")));
    }
    Ok(())
}

fn windows(args: &WhatArgs) -> Result<Vec<ScheduledWindow>> {
    let duration = args.window_duration.as_deref().context("--window needs --window-duration (such as 8h)")?;
    let duration_ms = parse_time(duration).with_context(|| format!("--window-duration {duration}"))?;
    let window = |schedule: &String| {
        let window = ScheduledWindow { schedule: schedule.clone(), duration_ms, time_zone: args.time_zone.clone() };
        match window.problems()[..] {
            [] => Ok(window),
            _ => Err(anyhow!("--window {schedule:?}: {}", window.problems().join("; "))),
        }
    };
    args.window.iter().map(window).collect()
}
