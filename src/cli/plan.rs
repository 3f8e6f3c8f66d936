//! `plan` and `simulate`: flags over a scenario or a dump, and the files they write.

use super::args::{PlanArgs, SimulateArgs};
use super::output::{Output, finding_row};
use super::progress::with_progress;
use super::save::Asked;
use super::{from, print, width};
use crate::cluster::View;
use crate::discovery::create_request;
use crate::intent::Intent;
use crate::plan::Plan;
use crate::plan::verdict::replications_problem;
use crate::private_file;
use crate::report::{FindingRow, summary, write_metrics};
use crate::request::control_plane::ControlPlane;
use crate::request::input::{self, Input};
use crate::request::plan::{Planned, Request, batches_of, forecast, plan as make_plan};
use crate::request::resimulate::{self, Laid};
use crate::trace::recorder::write_jsonl;
use anyhow::{Context, Result, anyhow, bail};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Runs `plan`.
pub fn plan(args: PlanArgs) -> Result<i32> {
    let read = from::read(&args.from, &args.what)?;
    let mut request = read.request(&args.what, &args.runs)?;
    let asked = args.save_scenario.as_deref();
    let asked = asked.map(|file| Asked::of(file, &read, &args.from, &args.what, &request)).transpose()?;
    drop(read);
    (request.uncertain, request.remedies) = (args.beside.uncertain, !args.beside.no_remedies);
    let stdout = |path: &Option<std::path::PathBuf>| path.as_deref() == Some(Path::new("-"));
    if stdout(&args.trace) && stdout(&args.emit_request) {
        bail!("--trace - and --emit-request - both want the standard output; write one of them to a file");
    }
    // Said before the simulation, which may take a while.
    if let Some(path) = &args.emit_request {
        emit_request(&request, path, args.comment.as_deref())?;
    }
    let planned = with_progress(request.replications, |tick| make_plan(request, tick))?;
    write_files(&planned, args.trace.as_deref(), args.report.as_deref())?;
    if let Some(path) = &args.plan {
        let text = crate::typed::pretty(&planned.plan)? + "\n";
        private_file::write(path, text).with_context(|| format!("cannot write the plan to {}", path.display()))?;
    }
    if let Some(asked) = asked {
        asked.write(&planned)?;
    }
    // A body on standard output is not mixed with anything.
    if !stdout(&args.emit_request) {
        show(&planned, args.output, args.trace.as_deref())?;
    }
    Ok(planned.exit_status())
}

/// Writes the body of the call that creates the migration, and says what of the plan is not in it.
fn emit_request(request: &Request, path: &Path, comment: Option<&str>) -> Result<()> {
    let left_out_stop = |name: &str, value: Option<String>| {
        value.map(|v| format!("left out: options.{name} ({v}); to stop it is a call of its own"))
    };
    let sim = &request.sim;
    let stop_notes = [
        left_out_stop("stop_at_ms", sim.stop_at_ms.map(|v| v.to_string())),
        left_out_stop("stop_terminates_drained", sim.stop_terminates_drained.map(|v| v.to_string())),
    ];
    create_request::check(&request.options, comment).map_err(|e| anyhow!("--emit-request: {e}"))?;
    let view = View { catalog: &request.cluster.catalog, state: &request.cluster.state };
    let (batches, left_out) = batches_of(request)?;
    let intent = Intent::new(view, &batches, request.options.clone());
    // The pools, if they and nothing else chose the nodes (nodePoolNames); else the nodes are named one by one.
    let choice = &request.nodes;
    let by_pools = choice.names.is_empty() && choice.selector.is_none() && left_out.is_empty();
    let pools: &[String] = if by_pools { &choice.node_pools } else { &[] };
    let request =
        create_request::create_request(view, &intent, pools, comment).map_err(|e| anyhow!("--emit-request: {e}"))?;
    let text = crate::typed::pretty(&request.body)? + "\n";
    if path == Path::new("-") {
        print(&text)?;
    } else {
        private_file::write(path, text).with_context(|| format!("cannot write the request to {}", path.display()))?;
    }
    for note in request.notes.iter().chain(stop_notes.iter().flatten()) {
        let _ = writeln!(super::terminal::err(), "request: {note}");
    }
    Ok(())
}

/// Runs `simulate`.
pub fn simulate(args: SimulateArgs) -> Result<i32> {
    let text =
        std::fs::read_to_string(&args.plan).with_context(|| format!("cannot read the plan {}", args.plan.display()))?;
    let saved = Plan::parse(&text).map_err(|e| anyhow!("{}: {e}", args.plan.display()))?;
    let asked = &args.input;
    // The plan's own control plane and groups hold unless others are given.
    let control_plane =
        ControlPlane::of_plan(&saved).with_flags(&asked.scheduler_config, asked.kubernetes_version.as_deref())?;
    let machine_types = asked.machine_types.as_deref();
    let loaded = match input::load(&asked.dump)? {
        Input::Scenario(scenario) => input::cluster_of_scenario(&scenario, &control_plane, asked.strict)?,
        Input::Dump(sources) => match (&asked.groups[..], &saved.intent.groups[..]) {
            ([], groups) if !groups.is_empty() => {
                input::cluster_with_values(&sources, groups, machine_types, &control_plane, asked.strict)?
            }
            (files, _) => input::cluster_of_dump(&sources, files, machine_types, &control_plane, asked.strict)?,
        },
    };
    input::refuse_partial(&loaded.snapshot, args.allow_partial_dump)?;
    let Laid { mut request, batches, drift } =
        resimulate::lay(&saved, loaded).map_err(|e| anyhow!("{}: {e}", args.plan.display()))?;
    request.seed = args.seed.unwrap_or(request.seed);
    request.replications = args.replications.unwrap_or(request.replications).max(1);
    if let Some(problem) = replications_problem(request.replications) {
        bail!("--replications {problem}");
    }
    request.require_percent = args.require.unwrap_or(request.require_percent);
    (request.uncertain, request.remedies) = (args.beside.uncertain, !args.beside.no_remedies);
    for line in drift.iter().take(10) {
        let _ = writeln!(super::terminal::err(), "drift since the plan was made: {line}");
    }
    if drift.len() > 10 {
        let _ = writeln!(super::terminal::err(), "drift since the plan was made: … and {} more", drift.len() - 10);
    }
    let intent = saved.intent.clone();
    let planned = with_progress(request.replications, |tick| forecast(request, intent, batches, tick))?;
    write_files(&planned, args.trace.as_deref(), args.report.as_deref())?;
    show(&planned, args.output, args.trace.as_deref())?;
    Ok(planned.exit_status())
}

fn write_files(planned: &Planned, trace: Option<&Path>, report: Option<&Path>) -> Result<()> {
    if let Some(path) = trace {
        if path == Path::new("-") {
            write_jsonl(planned.events(), BufWriter::new(std::io::stdout().lock()))?;
        } else {
            let file =
                private_file::create(path).with_context(|| format!("cannot write the trace to {}", path.display()))?;
            write_jsonl(planned.events(), BufWriter::new(file))?;
        }
    }
    if let Some(dir) = report {
        let findings: Vec<FindingRow> = planned.forecast.findings.iter().map(finding_row).collect();
        let written = write_metrics(&planned.metrics, &findings, &planned.runs, dir)?;
        let _ = writeln!(super::terminal::err(), "report: {} files in {}", written.len(), dir.display());
    }
    Ok(())
}

fn show(planned: &Planned, output: Output, trace: Option<&Path>) -> Result<()> {
    // A trace on standard output is not mixed with anything.
    if trace == Some(Path::new("-")) {
        return Ok(());
    }
    match output {
        Output::Json => print(&crate::typed::pretty(&planned.forecast)?),
        Output::Table => print(&summary::summary(&planned.plan.intent, &planned.forecast, width())),
    }
}
