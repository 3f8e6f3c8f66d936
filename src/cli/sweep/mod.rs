//! `sweep`: many variants of one plan, under the same random seeds, in one table.

mod goal;
mod line;
mod vary;

use super::cluster_args::{FromArgs, RunsArgs, WhatArgs};
use super::from::{self, Read};
use super::output::Output;
use super::progress::with_progress;
use super::{DIFFERS, print, width};
use crate::private_file;
use crate::report::svg::pareto;
use crate::request::plan::Request;
use crate::sweep::figure::Measure;
use crate::sweep::{Goal, Setting, show, sweep as run_sweep};
use anyhow::{Context, Result, anyhow};
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `sweep`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry sweep cluster.json -l agentpool=old --vary batch-size=2..50%:8
  nodeferry sweep cluster.json -l agentpool=old --groups groups.yaml --vary batch-size=10%,25% --vary procedure=kubectl-drain,ocean-aws --where 'surge<=20' --best duration,cost
  nodeferry sweep cluster.json -l agentpool=old --vary groups=small.yaml,large.yaml --best price --plot types.svg --csv types.csv
  nodeferry sweep cluster.json -l agentpool=old --vary 'fault=none;zone=b:no-capacity' --require 95

Values are a list (5%,10%), a range with its number of values (2..50%:8, 10m..2h:4) or both; where a value holds a comma, separate values by a semicolon. Every combination is a
variant. Figures of --where and --best: duration, cost, price (of the nodes at the end, per hour), surge, peak-nodes, new-nodes, node-hours, pods-moved, moved-twice, refused, harm; with .p5,
.p50 or .p95 another percentile. Exit status: 0 a variant meets all that is required, 1 none does, 2 bad input.")]
pub struct SweepArgs {
    /// Where the cluster comes from.
    #[command(flatten)]
    pub from: FromArgs,
    /// An option and its values: any that says what is planned (batch-size, procedure, groups, cordon, fault, ...), or a path such as
    /// options.soak_ms. Several times for several options.
    #[arg(long, required = true, value_name = "NAME=VALUES")]
    pub vary: Vec<String>,
    /// What must hold of a variant: surge<=20, duration<2h, harm=0. Upper bounds are of the 95th percentile, lower ones of the 5th.
    #[arg(long, value_name = "FIGURE<=VALUE")]
    pub r#where: Vec<String>,
    /// What is to be least in the best variant; the first counts most. Medians if no percentile is named.
    #[arg(long, value_name = "FIGURES", value_delimiter = ',', default_value = "duration")]
    pub best: Vec<String>,
    /// Most rounds of runs that a variant has. Each has one; more are for those that are close to the best, or to what is required.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// What is planned.
    #[command(flatten)]
    pub what: WhatArgs,
    /// How often each variant is simulated in a round.
    #[command(flatten)]
    pub runs: RunsArgs,
    /// Write a row for each variant to this file.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Draw the variants by two figures, with the Pareto front, into this file (SVG).
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// What a cluster is read under: variants that agree in it share the cluster that was read.
type Reading = (Vec<PathBuf>, Option<PathBuf>, Vec<PathBuf>, Option<String>);

fn reading(what: &WhatArgs) -> Reading {
    (what.groups.clone(), what.machine_types.clone(), what.scheduler_config.clone(), what.kubernetes_version.clone())
}

/// Variants as requests, over clusters that are decoded once for each reading.
struct Maker<'a> {
    read: &'a Read,
    args: &'a SweepArgs,
    variants: &'a [Vec<Setting>],
    bases: BTreeMap<Reading, Result<Request, String>>,
}

impl Maker<'_> {
    fn make(&self, nth: usize) -> Result<Request, String> {
        let text = |e: anyhow::Error| super::message(&e);
        let what = vary::applied(&self.args.what, &self.variants[nth]).map_err(text)?;
        let base = self.bases.get(&reading(&what)).ok_or("the cluster was not read")?;
        let mut request = base.as_ref().map_err(Clone::clone)?.clone();
        self.read.lay(&mut request, &what, &self.args.runs).map_err(text)?;
        Ok(request)
    }
}

/// Runs `sweep`.
pub(super) fn sweep(args: SweepArgs) -> Result<i32> {
    let varied = args.vary.iter().map(|text| vary::varied(text).with_context(|| format!("--vary {text}")));
    let variants = vary::combinations(&varied.collect::<Result<Vec<_>>>()?).context("--vary")?;
    let conditions = args.r#where.iter().map(|text| goal::condition(text).with_context(|| format!("--where {text}")));
    let best = args.best.iter().map(|text| goal::measure(text).with_context(|| format!("--best {text}")));
    let goal = Goal {
        conditions: conditions.collect::<Result<_>>()?,
        best: best.collect::<Result<Vec<Measure>>>()?,
        rounds: args.rounds,
    };
    // The old nodes may be what is varied.
    let chosen = variants.first().and_then(|first| vary::applied(&args.what, first).ok());
    let read = from::read(&args.from, chosen.as_ref().unwrap_or(&args.what))?;
    let mut maker = Maker { read: &read, args: &args, variants: &variants, bases: BTreeMap::new() };
    for settings in &variants {
        let Ok(what) = vary::applied(&args.what, settings) else { continue };
        let base = || read.base(&what).map_err(|e| super::message(&e));
        maker.bases.entry(reading(&what)).or_insert_with(base);
    }
    let round = maker.make(0).map_or(1, |request| request.replications);
    let runs = round.saturating_mul(u32::try_from(variants.len()).unwrap_or(u32::MAX));
    let swept = with_progress(runs, |tick| run_sweep(variants.clone(), &|nth| maker.make(nth), &goal, tick))?;
    let plan = swept.best.map(|best| line::plan(&std::env::args().collect::<Vec<_>>(), &swept.variants[best].settings));
    let write = |path: &PathBuf, text: String, what: &str| {
        private_file::write(path, text).with_context(|| format!("cannot write the {what} to {}", path.display()))
    };
    if let Some(path) = &args.csv {
        write(path, show::csv(&swept).map_err(|e| anyhow!("{e}"))?, "table")?;
    }
    if let Some(path) = &args.plot {
        let (axes, points) = show::points(&swept);
        write(path, pareto::draw(&axes, &points), "plot")?;
    }
    let status = if swept.best.is_some() { 0 } else { DIFFERS };
    match args.output {
        Output::Json => print(&crate::typed::pretty(&show::document(&swept, plan))?)?,
        Output::Table => print(&show::text(&swept, plan.as_deref(), width()))?,
    }
    Ok(status)
}
