//! `nodeferry transfer`: workloads change clusters and clouds, from EKS to AKS.

use super::output::Output;
use super::value_file::value_of_file;
use super::{print, width};
use crate::private_file;
use crate::snapshot::groups::read_machine_types;
use crate::snapshot::source;
use crate::transfer::analysis::Judged;
use crate::transfer::graph::Graph;
use crate::transfer::planner::{PlanOptions, plan as make_plan};
use crate::transfer::pools::Prices;
use crate::transfer::render::files::{Parts, files, secret_keys};
use crate::transfer::render::{render, velero};
use crate::transfer::rules::Ground;
use crate::transfer::waves::waves;
use crate::transfer::{Inventory, MAPPING_VERSION, Mapping, analyse, checklist_of, checklist_questions, skeleton, svg};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// `transfer`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry record --for-transfer -o eks.json.gz
  nodeferry transfer analyse eks.json.gz manifests --write-mapping mapping.yaml
  nodeferry transfer analyse eks.json.gz manifests --mapping mapping.yaml
  nodeferry transfer render eks.json.gz manifests --mapping mapping.yaml --out target
  nodeferry transfer plan eks.json.gz manifests --mapping mapping.yaml --plan transfer-plan.json

docs/transfer.md walks from the dump to the report.")]
pub struct TransferArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TransferCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum TransferCommand {
    /// Find everything that is tied to AWS, by object and field, and what becomes of it.
    Analyse(AnalyseArgs),
    /// Write manifests for the target, what Velero is given, commands, the checklist, and a diff with the finding behind each line.
    Render(RenderArgs),
    /// Plan the transfer in waves: what is imported, applied, moved and switched, with pools, addresses and the checklist.
    Plan(TransferPlanArgs),
    /// What is done with a plan.
    #[cfg(feature = "live")]
    #[command(flatten)]
    Run(super::transfer_run::TransferRun),
}

/// What is read.
#[derive(Debug, Args)]
pub struct TransferInput {
    /// Manifests (files, directories, output of kustomize and Helm), and dumps of `nodeferry record --for-transfer`; - for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub input: Vec<PathBuf>,
    /// What only people know: registries, identities, classes, hosts (YAML or JSON; `nodeferry schema transfer-mapping`).
    #[arg(long, short, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
    /// Namespace of manifests that name none.
    #[arg(long, short, value_name = "NAME", default_value = "default")]
    pub namespace: String,
}

/// `transfer analyse`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 nothing blocks, 2 bad input, 3 a finding blocks that the mapping does not accept.")]
pub struct AnalyseArgs {
    /// Input.
    #[command(flatten)]
    pub input: TransferInput,
    /// Write a mapping file with what is known and every question that is open. A file that exists is kept.
    #[arg(long, value_name = "FILE")]
    pub write_mapping: Option<PathBuf>,
    /// Overwrite the file of --write-mapping.
    #[arg(long, requires = "write_mapping")]
    pub overwrite: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// `transfer render`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 written, 2 bad input, 3 a finding blocks that the mapping does not accept: nothing is written unless --partial.")]
pub struct RenderArgs {
    /// Input.
    #[command(flatten)]
    pub input: TransferInput,
    /// Directory to write into; it must be empty or not there.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace what an earlier render has left in the directory.
    #[arg(long)]
    pub overwrite: bool,
    /// Write although findings block, without the objects that they are about.
    #[arg(long)]
    pub partial: bool,
}

/// `transfer plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 nothing blocks and the checklist has evidence, 2 bad input, 3 a finding blocks that the mapping does not accept (execute refuses the plan),
4 an item of the checklist that must have evidence before the cut-over has none.")]
pub struct TransferPlanArgs {
    /// Input.
    #[command(flatten)]
    pub input: TransferInput,
    /// Write the plan here.
    #[arg(long, value_name = "F")]
    pub plan: Option<PathBuf>,
    /// VM sizes with prices, in the form of Karpenter's instance_types.json (docs/groups.md). By default sizes of Azure's usual families, without prices.
    #[arg(long, value_name = "FILE")]
    pub machine_types: Option<PathBuf>,
    /// Parameters of the critical path (YAML or JSON; `nodeferry schema transfer-options`).
    #[arg(long, value_name = "FILE")]
    pub options: Option<PathBuf>,
    /// Write the graph of dependencies for Graphviz here.
    #[arg(long, value_name = "F")]
    pub dot: Option<PathBuf>,
    /// Draw the graph of dependencies here (SVG).
    #[arg(long, value_name = "F")]
    pub svg: Option<PathBuf>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// Runs `transfer`.
pub fn transfer(args: TransferArgs) -> Result<i32> {
    match args.command {
        TransferCommand::Analyse(args) => run_analyse(&args),
        TransferCommand::Render(args) => run_render(&args),
        TransferCommand::Plan(args) => run_plan(&args),
        #[cfg(feature = "live")]
        TransferCommand::Run(run) => super::transfer_run::run(run),
    }
}

/// What was read.
pub(super) struct Read {
    pub(super) inventory: Inventory,
    pub(super) mapping: Mapping,
}

impl Read {
    pub(super) fn ground(&self) -> Ground<'_> {
        Ground { inventory: &self.inventory, mapping: &self.mapping }
    }

    pub(super) fn judge(&self) -> Judged {
        analyse(&self.inventory, &self.mapping)
    }
}

pub(super) fn read(args: &TransferInput) -> Result<Read> {
    let sources = source::load(&args.input)?;
    let inventory = Inventory::from_sources(&sources, &args.namespace)?;
    let mapping = match &args.mapping {
        Some(path) => read_mapping(path)?,
        None => Mapping { transfer_mapping: MAPPING_VERSION, ..Mapping::default() },
    };
    Ok(Read { inventory, mapping })
}

fn read_mapping(path: &Path) -> Result<Mapping> {
    let mapping: Mapping = value_of_file(path, "--mapping", "the form of `nodeferry schema transfer-mapping`")?;
    let at = format!("--mapping {}", path.display());
    if mapping.transfer_mapping != MAPPING_VERSION {
        bail!(
            "{at}: transfer_mapping is {}; this nodeferry reads version {MAPPING_VERSION}: write transfer_mapping: {MAPPING_VERSION}, or a new file with analyse --write-mapping",
            mapping.transfer_mapping
        );
    }
    let problems = mapping.problems(&checklist_questions().iter().map(|(name, _)| *name).collect::<Vec<_>>());
    if !problems.is_empty() {
        bail!("{at}: {}", problems.join("; "));
    }
    Ok(mapping)
}

fn run_analyse(args: &AnalyseArgs) -> Result<i32> {
    let read = read(&args.input)?;
    let judged = read.judge();
    if let Some(path) = &args.write_mapping {
        if !args.overwrite && path.exists() {
            bail!("{} exists; give another name with --write-mapping, or --overwrite to replace it", path.display());
        }
        let text = skeleton(&read.mapping, &judged.found, &checklist_questions());
        private_file::write(path, text).with_context(|| format!("cannot write the mapping to {}", path.display()))?;
        let _ = writeln!(super::terminal::err(), "mapping: written to {}; fill in what is null", path.display());
    }
    match args.output {
        Output::Json => print(&crate::typed::pretty(&judged.analysis)?)?,
        Output::Table => print(&judged.analysis.text(width()))?,
    }
    Ok(judged.analysis.exit_status)
}

fn run_render(args: &RenderArgs) -> Result<i32> {
    let read = read(&args.input)?;
    let judged = read.judge();
    let status = judged.analysis.exit_status;
    let mut err = super::terminal::err();
    if status != 0 {
        let open = judged.analysis.summary().open;
        let _ = writeln!(err, "{}", judged.analysis.sentence());
        for f in &open {
            let _ = writeln!(err, "  {} {} {}: {}", f.code, f.object, f.field, f.remedy);
        }
        if !args.partial {
            let _ = writeln!(
                err,
                "nothing is written; answer the questions in the mapping, accept findings there, or write the rest with --partial"
            );
            return Ok(status);
        }
    }
    let ground = read.ground();
    let mut rendered = render(&read.inventory, &judged.found);
    if status != 0 {
        let blocked: Vec<_> = judged.analysis.summary().open.into_iter().map(|f| f.object).collect();
        rendered.objects.retain(|o| !blocked.contains(&o.id) && !o.from.as_ref().is_some_and(|f| blocked.contains(f)));
    }
    let moved: Vec<_> =
        rendered.changes.iter().filter(|c| crate::transfer::has_claims(&read.inventory, &c.id)).collect();
    let velero = velero::velero(&ground, &judged.analysis.imports, &moved);
    let secrets = secret_keys(&read.inventory);
    let checklist = checklist_of(&read.inventory, &read.mapping);
    let parts =
        Parts { rendered: &rendered, judged: &judged, velero: &velero, secrets: &secrets, checklist: &checklist };
    let files = files(&ground, &parts);
    write_files(&args.out, args.overwrite, &files)?;
    let _ = writeln!(err, "{} objects in {} files below {}", rendered.objects.len(), files.len(), args.out.display());
    Ok(status)
}

/// VM sizes of a file, with their names in its order.
fn prices(path: &Path) -> Result<Prices> {
    let catalogue = read_machine_types(path)?;
    let list: Vec<serde_json::Value> = value_of_file(path, "--machine-types", "a list of machine types")?;
    let names = list.iter().filter_map(|m| Some(m.get("name")?.as_str()?.to_owned())).collect();
    Ok(Prices { names, catalogue })
}

fn run_plan(args: &TransferPlanArgs) -> Result<i32> {
    let read = read(&args.input)?;
    let judged = read.judge();
    let rendered = render(&read.inventory, &judged.found);
    let options: PlanOptions = match &args.options {
        Some(path) => value_of_file(path, "--options", "the form of `nodeferry schema transfer-options`")?,
        None => PlanOptions::default(),
    };
    if options.bytes_per_second == 0 || options.start_median_ms < 0 || options.start_p95_ms < options.start_median_ms {
        bail!(
            "--options: bytes_per_second must be above 0, start_median_ms not below 0, and start_p95_ms not below the median"
        );
    }
    let prices = args.machine_types.as_deref().map(prices).transpose()?;
    let plan = make_plan(&read.ground(), &judged, &rendered, &options, prices.as_ref()).map_err(anyhow::Error::msg)?;
    let write = |path: &Path, what: &str, text: String| {
        private_file::write(path, text).with_context(|| format!("cannot write the {what} to {}", path.display()))
    };
    if let Some(path) = &args.plan {
        write(path, "plan", crate::typed::pretty(&plan)? + "\n")?;
    }
    if args.dot.is_some() || args.svg.is_some() {
        let graph = Graph::of(&read.inventory);
        let places = waves(&read.inventory, &read.mapping, &graph);
        if let Some(path) = &args.dot {
            write(path, "graph", graph.dot(|id| places.get(id).map(|p| format!("{:?}", p.wave))))?;
        }
        if let Some(path) = &args.svg {
            write(path, "picture", svg::draw(&graph, &places))?;
        }
    }
    match args.output {
        Output::Json => print(&crate::typed::pretty(&plan)?)?,
        Output::Table => print(&plan.text(width()))?,
    }
    Ok(plan.exit_status)
}

/// The name of the file that lists what was written, so that it can be replaced.
const LIST: &str = ".nodeferry-files";

fn write_files(out: &Path, overwrite: bool, files: &BTreeMap<String, String>) -> Result<()> {
    let list = out.join(LIST);
    let used = out.exists()
        && std::fs::read_dir(out).with_context(|| format!("cannot read {}", out.display()))?.next().is_some();
    if used {
        match std::fs::read_to_string(&list) {
            Ok(old) if overwrite => {
                // Only what an earlier render has written goes.
                for path in old.lines().filter(|p| !p.contains("..") && !p.starts_with('/')) {
                    let _ = std::fs::remove_file(out.join(path));
                }
            }
            Ok(_) => {
                bail!("{} holds an earlier render; give another directory, or --overwrite to replace it", out.display())
            }
            Err(_) => {
                bail!("{} is not empty and no directory of an earlier render; give another directory", out.display())
            }
        }
    }
    for (path, text) in files {
        let file = out.join(path);
        let at = || format!("cannot write {}", file.display());
        if let Some(directory) = file.parent() {
            private_file::create_dir_all(directory).with_context(at)?;
        }
        private_file::write(&file, text).with_context(at)?;
    }
    let names: String = files.keys().map(|p| format!("{p}\n")).collect();
    private_file::write(&list, names).with_context(|| format!("cannot write {}", list.display()))
}
