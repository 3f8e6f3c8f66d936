//! What `plan` and `sweep` are asked for: a scenario, a dump or the live cluster, and the flags over it.

use super::cluster_args::{FromArgs, RunsArgs, WhatArgs};
use super::time::parse_time;
use super::value_file::value_of_file;
use super::what_if;
use crate::intent::gates::{ApprovalGate, ApproveWhen, CheckGate};
use crate::intent::options::UnscheduledAtStart;
use crate::intent::select::NodeChoice;
use crate::plan::verdict::{default_runs, replications_problem};
use crate::request::control_plane::ControlPlane;
use crate::request::input::{self, Input};
use crate::request::plan::Request;
use crate::request::scenario::{GroupsSource, Scenario};
use crate::sim::autoscaler::AutoscalerKind;
use crate::typed;
use anyhow::{Context, Result, anyhow, bail};

/// What was read: once, however many requests are made of it.
pub(super) struct Read {
    input: Input,
    strict: bool,
    allow_partial: bool,
}

/// Reads a scenario, dumps, or the live cluster where no file is named.
///
/// # Errors
/// Input that cannot be read, a cluster that does not answer, and a dump without a word on which of its nodes are old.
pub(super) fn read(from: &FromArgs, what: &WhatArgs) -> Result<Read> {
    let input = match from.input.is_empty() {
        // Said before the cluster is read, which may take a while.
        true => choice_of(what, LIVE_NODES).and_then(|()| live(from))?,
        false => {
            only_for_live(from)?;
            input::load(&from.input)?
        }
    };
    if let (Input::Dump(_), Some(first)) = (&input, from.input.first()) {
        choice_of(what, &format!("nodeferry discover {} shows the nodes", first.display()))?;
    }
    Ok(Read { input, strict: from.strict, allow_partial: from.allow_partial_dump })
}

/// Where the nodes of a live cluster are shown.
const LIVE_NODES: &str = "`kubectl get nodes --show-labels` shows the nodes and their labels";

fn choice_of(what: &WhatArgs, where_shown: &str) -> Result<()> {
    if what.nodes.is_empty() && what.node_pools.is_empty() && what.selector.is_none() {
        bail!("say which nodes are old: --nodes a,b, --node-pools a,b or --selector key=value ({where_shown})");
    }
    Ok(())
}

/// What names a cluster means nothing where a file is read.
#[cfg(feature = "live")]
fn only_for_live(from: &FromArgs) -> Result<()> {
    let given = [("--context", from.target.context.is_some()), ("--kubeconfig", from.target.kubeconfig.is_some())];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => bail!(
            "{flag} says which live cluster is read, and {} is read instead; leave one of them out",
            from.input[0].display()
        ),
        None => Ok(()),
    }
}

#[cfg(not(feature = "live"))]
fn only_for_live(_: &FromArgs) -> Result<()> {
    Ok(())
}

#[cfg(feature = "live")]
fn live(from: &FromArgs) -> Result<Input> {
    let recorded = super::record::read_live(&from.target.target())
        .context("no INPUT is given, so the live cluster is to be read, or name a dump or a scenario")?;
    if let Some(path) = &from.save_dump {
        super::record::write(&recorded, path)?;
    }
    Ok(Input::Dump(vec![recorded.source()?]))
}

#[cfg(not(feature = "live"))]
fn live(_: &FromArgs) -> Result<Input> {
    bail!("no INPUT is given, and this build cannot read a live cluster; name a dump or a scenario")
}

impl Read {
    /// What was read.
    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    /// The cluster under the groups and the control plane of the flags, and everything else as the scenario has it, or by default.
    ///
    /// # Errors
    /// Input that cannot be decoded; with `strict`, whatever matters and is not modelled.
    pub(super) fn base(&self, what: &WhatArgs) -> Result<Request> {
        let version = what.kubernetes_version.as_deref();
        let with_flags = |control_plane: ControlPlane| control_plane.with_flags(&what.scheduler_config, version);
        Ok(match &self.input {
            Input::Scenario(scenario) => {
                let mut scenario: Scenario = (**scenario).clone();
                if !what.groups.is_empty() {
                    scenario.groups = GroupsSource { files: what.groups.clone(), inline: None };
                }
                if what.machine_types.is_some() {
                    scenario.machine_types.clone_from(&what.machine_types);
                }
                let control_plane = with_flags(input::control_plane_of(&scenario)?)?;
                let mut request = input::request_under(&scenario, &control_plane, self.strict)?;
                if scenario.replications.is_none() {
                    request.replications = default_replications(&request);
                }
                request
            }
            Input::Dump(sources) => {
                let control_plane = with_flags(ControlPlane::default())?;
                let machine_types = what.machine_types.as_deref();
                let loaded = input::cluster_of_dump(sources, &what.groups, machine_types, &control_plane, self.strict)?;
                input::refuse_partial(&loaded.snapshot, self.allow_partial)?;
                let mut request = input::request_of_cluster(loaded);
                request.replications = default_replications(&request);
                request
            }
        })
    }

    /// Lays the flags over a request of [`Read::base`].
    ///
    /// # Errors
    /// A flag that is not understood or out of range.
    pub(super) fn lay(&self, request: &mut Request, what: &WhatArgs, runs: &RunsArgs) -> Result<()> {
        apply(request, what)?;
        if matches!(self.input, Input::Dump(_)) && what.autoscaler.is_none() {
            input::assume_autoscaler(request);
        }
        request.seed = runs.seed.unwrap_or(request.seed);
        request.replications = runs.replications.unwrap_or(request.replications);
        request.require_percent = runs.require.unwrap_or(request.require_percent);
        if let Some(problem) = replications_problem(request.replications) {
            bail!("--replications {problem}");
        }
        request.threads = runs.threads.unwrap_or(0);
        Ok(())
    }

    /// The request that the flags make of it.
    ///
    /// # Errors
    /// As [`Read::base`] and [`Read::lay`].
    pub(super) fn request(&self, what: &WhatArgs, runs: &RunsArgs) -> Result<Request> {
        let mut request = self.base(what)?;
        self.lay(&mut request, what, runs)?;
        Ok(request)
    }
}

/// Lays the flags over what the scenario (or the defaults) say.
fn apply(request: &mut Request, args: &WhatArgs) -> Result<()> {
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
    what_if::lay(request, args)
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
