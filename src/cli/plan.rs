//! `plan` and `simulate`: flags over a scenario or a dump, and the files they write.

use super::args::{PlanArgs, SimulateArgs};
use super::output::{Output, finding_row};
use super::progress::with_progress;
use super::time::parse_time;
use super::value_file::value_of_file;
use super::{print, width};
use crate::cluster::View;
use crate::discovery::create_request;
use crate::intent::Intent;
use crate::intent::gates::{ApprovalGate, ApproveWhen, CheckGate};
use crate::intent::options::UnscheduledAtStart;
use crate::intent::select::NodeChoice;
use crate::plan::Plan;
use crate::plan::verdict::{default_runs, replications_problem};
use crate::private_file;
use crate::report::{FindingRow, summary, write_metrics};
use crate::request::control_plane::ControlPlane;
use crate::request::input::{self, Input};
use crate::request::plan::{Planned, Request, batches_of, forecast, plan as make_plan};
use crate::request::resimulate::{self, Laid};
use crate::sim::autoscaler::AutoscalerKind;
use crate::trace::recorder::write_jsonl;
use crate::typed;
use anyhow::{Context, Result, anyhow, bail};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Runs `plan`.
pub fn plan(args: PlanArgs) -> Result<i32> {
    let version = args.kubernetes_version.as_deref();
    let with_flags = |control_plane: ControlPlane| control_plane.with_flags(&args.scheduler_config, version);
    let mut request = match input::load(&args.input)? {
        Input::Scenario(mut scenario) => {
            if !args.groups.is_empty() {
                scenario.groups = crate::request::scenario::GroupsSource { files: args.groups.clone(), inline: None };
            }
            if args.machine_types.is_some() {
                scenario.machine_types.clone_from(&args.machine_types);
            }
            let control_plane = with_flags(input::control_plane_of(&scenario)?)?;
            let mut request = input::request_under(&scenario, &control_plane, args.strict)?;
            if scenario.replications.is_none() {
                request.replications = default_replications(&request);
            }
            apply(&mut request, &args)?;
            request
        }
        Input::Dump(sources) => {
            let control_plane = with_flags(ControlPlane::default())?;
            let machine_types = args.machine_types.as_deref();
            let loaded = input::cluster_of_dump(&sources, &args.groups, machine_types, &control_plane, args.strict)?;
            input::refuse_partial(&loaded.snapshot, args.allow_partial_dump)?;
            let mut request = input::request_of_cluster(loaded);
            request.replications = default_replications(&request);
            if args.nodes.is_empty() && args.node_pools.is_empty() && args.selector.is_none() {
                bail!(
                    "say which nodes are old: --nodes a,b, --node-pools a,b or --selector key=value (nodeferry discover {} shows the nodes)",
                    args.input[0].display()
                );
            }
            apply(&mut request, &args)?;
            if args.autoscaler.is_none() {
                input::assume_autoscaler(&mut request);
            }
            request
        }
    };
    if let Some(problem) = replications_problem(request.replications) {
        bail!("--replications {problem}");
    }
    request.threads = args.threads.unwrap_or(0);
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

/// Lays the flags over what the scenario (or the defaults) say.
fn apply(request: &mut Request, args: &PlanArgs) -> Result<()> {
    let parsed = |e: String| anyhow!(e);
    let choice =
        NodeChoice { names: args.nodes.clone(), node_pools: args.node_pools.clone(), selector: args.selector.clone() };
    if !choice.is_empty() {
        request.nodes = choice;
    }
    let o = &mut request.options;
    if let Some(p) = &args.procedure {
        o.procedure = p.parse().map_err(parsed)?;
    }
    if let Some(b) = &args.batcher {
        o.batcher = b.parse().map_err(parsed)?;
    }
    if let Some(size) = &args.batch_size {
        o.batch_size = Some(size.parse().map_err(parsed)?);
    }
    if let Some(percent) = args.batch_min_healthy {
        o.ocean.batch_min_healthy_percent = percent;
    }
    if args.respect_pdb {
        o.ocean.respect_pdb = true;
    }
    if args.force_pdb {
        o.ocean.respect_pdb = false;
        o.surge.undrainable = Some(crate::intent::options::Undrainable::Force);
        o.kubectl_drain.disable_eviction = true;
    }
    if args.terminate_nodes.is_some() {
        o.terminate_nodes = args.terminate_nodes;
    }
    if let Some(evict) = args.evict_stand_alone_pods {
        o.ocean.evict_stand_alone_pods = evict;
        o.kubectl_drain.force = evict;
    }
    if args.wait_for_jobs {
        o.wait_for_jobs = true;
    }
    if let Some(respect) = args.respect_restrict_scale_down {
        o.ocean.respect_restrict_scale_down = respect;
    }
    if let Some(room) = &args.free_room {
        o.ocean.free_room = room.parse().map_err(parsed).context("--free-room")?;
    }
    if args.controller_reports.is_some() {
        o.ocean.controller_reports = args.controller_reports;
    }
    if let Some(version) = &args.oldest_kubernetes {
        o.ocean.oldest_kubernetes.clone_from(version);
    }
    match args.unscheduled_at_start.as_deref() {
        None => {}
        Some("refuse") => o.unscheduled_at_start = Some(UnscheduledAtStart::Refuse),
        Some("ignore") => o.unscheduled_at_start = Some(UnscheduledAtStart::Ignore),
        Some(other) => bail!("--unscheduled-at-start {other}: expected refuse or ignore"),
    }
    match args.cordon.as_deref() {
        None => {}
        Some("all-first") => o.cordon = crate::intent::options::CordonWhen::AllFirst,
        Some("per-batch") => o.cordon = crate::intent::options::CordonWhen::PerBatch,
        Some(other) => bail!("--cordon {other}: expected all-first or per-batch"),
    }
    if let Some(command) = &args.check {
        o.gates.check = Some(check_gate(command)?);
    }
    if let Some(when) = &args.approve {
        let when = match when.as_str() {
            "after-first" => ApproveWhen::AfterFirst,
            "every-batch" => ApproveWhen::EveryBatch,
            other => bail!("--approve {other}: expected after-first or every-batch"),
        };
        o.gates.approval = Some(ApprovalGate { when, ..o.gates.approval.unwrap_or_default() });
    }
    if let Some(path) = &args.execution {
        o.execution = value_of_file(path, "--execution", "options.execution of `nodeferry schema plan`")?;
    }
    if let Some(path) = &args.delays {
        request.sim.delays = value_of_file(path, "--delays", "sim.delays of `nodeferry schema scenario`")?;
        let problems = request.sim.problems();
        if !problems.is_empty() {
            bail!("--delays {}: {}", path.display(), problems.join("; "));
        }
    }
    if !args.to.is_empty() {
        request.options.to_groups.clone_from(&args.to);
    }
    if let Some(text) = &args.stop_at {
        request.sim.stop_at_ms = Some(parse_time(text).with_context(|| format!("--stop-at {text}"))?);
    }
    if args.terminate_drained.is_some() {
        request.sim.stop_terminates_drained = args.terminate_drained;
    }
    if let Some(name) = &args.autoscaler {
        let names: Vec<String> = AutoscalerKind::ALL.iter().map(|kind| kind.name()).collect();
        let unknown = || format!("--autoscaler {name}: expected one of {}", names.join(", "));
        request.autoscaler.kind = AutoscalerKind::named(name).with_context(unknown)?;
    }
    request.seed = args.seed.unwrap_or(request.seed);
    request.replications = args.replications.unwrap_or(request.replications);
    request.require_percent = args.require.unwrap_or(request.require_percent);
    (request.uncertain, request.remedies) = (args.beside.uncertain, !args.beside.no_remedies);
    Ok(())
}

/// As many runs as a cluster of its size has by default.
fn default_replications(request: &Request) -> u32 {
    default_runs(request.cluster.state.live_pods().count())
}

/// A check's command in words of its own; the times are those of a check that says none.
fn check_gate(command: &str) -> Result<CheckGate> {
    let words: Vec<&str> = command.split_whitespace().collect();
    if words.is_empty() {
        bail!("--check is empty; expected a program and its arguments, such as --check './slo-ok --batch {{batch}}'");
    }
    Ok(typed::from_value(&serde_json::json!({ "command": words }))?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        let read = |t: &str| parse_time(t).ok();
        assert_eq!([read("90s"), read("10m"), read("1h30m")], [Some(90_000), Some(600_000), Some(5_400_000)]);
        assert_eq!([read("10"), read(""), read("m"), read("1x"), read("1h5")], [None; 5]);
    }
}
