//! `rehearse`: executions upon the simulated API, and what went wrong in them.

use super::output::Output;
use super::{DIFFERS, print};
use crate::execution::journal_dir::JournalDir;
use crate::plan::Plan;
use crate::rehearsal::luck::Profile;
use crate::rehearsal::stage::{FAULTS, Rehearsed, Stage};
use crate::rehearsal::{Rehearsals, Seeds, rehearse as run_all, stage_of_plan, stage_of_scenario};
use crate::report::table::{Align, Table};
use crate::request::input::{self, Input};
use crate::request::resimulate::settings;
use crate::session::journal;
use anyhow::{Result, anyhow, bail};
use clap::Args;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Lines of a log that are shown of a seed in which a rule was broken.
const SHOWN_LINES: usize = 60;
/// Seeds that are shown in full at most.
const SHOWN_SEEDS: usize = 3;

/// `rehearse`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry rehearse scenarios/rehearse --seeds 1000
  nodeferry rehearse plan.json cluster.json.gz --seeds 200 --faults heavy
  nodeferry rehearse scenarios/rehearse/drain.yaml --first 4711 --seeds 1 --verbose
  nodeferry rehearse scenarios/rehearse/drain.yaml --seeds 1 --journal rehearsed && nodeferry history rehearsed

What may go wrong, and what must never happen: docs/faults.md. Exit status: 0 no rule was broken, 1 one was, 2 bad input.")]
pub struct RehearseArgs {
    /// Scenarios or directories of them; or a plan, followed by the dump(s) that it was made from.
    #[arg(required = true, value_name = "INPUT")]
    pub input: Vec<PathBuf>,
    /// How many seeds.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// The first seed.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub first: u64,
    /// How much goes wrong: none (then each execution must be as it was simulated), light, heavy.
    #[arg(long, value_name = "PROFILE", default_value = "light")]
    pub faults: Profile,
    /// Print all that happens.
    #[arg(long)]
    pub verbose: bool,
    /// Each fault that is counted must strike in at least so many seeds, all inputs together; else the exit status is 1, too.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub each_fault: u64,
    /// Keep the journal of the execution, of one scenario and one seed (--seeds 1), for nodeferry status and history.
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// Threads; the result is the same for any number. All cores by default.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
}

/// A stage and the words to repeat it.
struct Piece {
    name: String,
    input: String,
    stage: Stage,
}

/// Runs `rehearse`.
pub fn rehearse(args: RehearseArgs) -> Result<i32> {
    let seeds = Seeds {
        first: args.first,
        count: args.seeds,
        profile: args.faults,
        verbose: args.verbose || args.journal.is_some(),
        threads: args.threads,
    };
    if args.journal.is_some() && args.seeds != 1 {
        bail!("--journal keeps the journal of one seed; add --seeds 1 (and --first for which)");
    }
    let mut results = Vec::new();
    for piece in pieces(&args.input)? {
        let bar = match std::io::stderr().is_terminal() {
            true => indicatif::ProgressBar::new(args.seeds),
            false => indicatif::ProgressBar::hidden(),
        };
        let done = run_all(&piece.stage, seeds, &|| bar.inc(1))?;
        bar.finish_and_clear();
        results.push((piece, done));
    }
    if let Some(dir) = &args.journal {
        keep_journal(dir, &results)?;
        if !args.verbose {
            results.iter_mut().for_each(|r| r.1.all.clear());
        }
    }
    let seeds = Seeds { verbose: args.verbose, ..seeds };
    match args.output {
        Output::Json => print(&crate::typed::pretty(&as_json(&results, seeds))?)?,
        Output::Table => print(&as_text(&results, seeds))?,
    }
    let seldom: Vec<String> = FAULTS
        .iter()
        .map(|fault| (fault, struck(&results, fault)))
        .filter(|(_, n)| *n < args.each_fault)
        .map(|(fault, n)| format!("{fault} in {n}"))
        .collect();
    if !seldom.is_empty() {
        writeln!(
            super::terminal::err(),
            "error: of all seeds {} were to strike in {} at least (--each-fault); rehearse more seeds, or with --faults heavy",
            seldom.join(", "),
            args.each_fault
        )?;
        return Ok(DIFFERS);
    }
    Ok(if results.iter().all(|r| r.1.failed.is_empty()) { 0 } else { DIFFERS })
}

/// In how many seeds a fault struck.
fn struck(results: &[(Piece, Rehearsals)], fault: &str) -> u64 {
    results.iter().filter_map(|r| r.1.struck.get(fault)).sum()
}

/// Makes a journal's directory of the one execution there was.
fn keep_journal(dir: &Path, results: &[(Piece, Rehearsals)]) -> Result<()> {
    let [(_, done)] = results else {
        bail!("--journal keeps the journal of one scenario; {} were named", results.len());
    };
    let Some(rehearsed) = done.all.first() else { return Ok(()) };
    let journal = journal::read(&rehearsed.journal)?;
    let mut writer = JournalDir::at(dir).create()?;
    journal.entries.iter().try_for_each(|e| writer.append(e))?;
    writer.sync()?;
    Ok(())
}

fn pieces(paths: &[PathBuf]) -> Result<Vec<Piece>> {
    if let Some(plan) = plan_of(&paths[0])? {
        if paths.len() < 2 {
            bail!(
                "{} is a plan; name the dump that it was made from after it (nodeferry rehearse PLAN DUMP)",
                paths[0].display()
            );
        }
        let Input::Dump(sources) = input::load_whole(&paths[1..])? else {
            bail!("after a plan a dump is expected, not a scenario");
        };
        let stage = stage_of_plan(&plan, &sources, |request| {
            let settings = settings(&plan)?;
            request.sim = settings.sim;
            request.autoscaler = settings.autoscaler;
            request.seed = settings.seed;
            Ok(())
        })?;
        let input = paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" ");
        return Ok(vec![Piece { name: input.clone(), input, stage }]);
    }
    let mut pieces = Vec::new();
    for path in crate::verify::expect::scenario_files(paths)? {
        let Input::Scenario(scenario) = input::load(std::slice::from_ref(&path))? else {
            bail!("{} is neither a scenario nor a plan; see nodeferry rehearse --help", path.display());
        };
        let stage = stage_of_scenario(&scenario).map_err(|e| anyhow!("{}: {e}", path.display()))?;
        pieces.push(Piece { name: scenario.scenario.clone(), input: path.display().to_string(), stage });
    }
    if pieces.is_empty() {
        bail!("there is no scenario in what was named");
    }
    Ok(pieces)
}

/// The plan in a file; None if it holds something else.
fn plan_of(path: &Path) -> Result<Option<Plan>> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(None) };
    let value: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    match value.is_some_and(|v| v.get("plan_version").is_some()) {
        true => Ok(Some(Plan::parse(&text).map_err(|e| anyhow!("{}: {e}", path.display()))?)),
        false => Ok(None),
    }
}

fn as_text(results: &[(Piece, Rehearsals)], seeds: Seeds) -> String {
    let mut text = String::new();
    let mut table = Table::new(&[
        ("REHEARSAL", Align::Left),
        ("SEEDS", Align::Right),
        ("ENDS", Align::Left),
        ("PROCESSES", Align::Right),
        ("REQUESTS", Align::Right),
        ("EVICTIONS", Align::Right),
        ("HOURS", Align::Right),
        ("BROKEN", Align::Right),
    ]);
    for (piece, done) in results {
        for r in &done.all {
            text.push_str(&format!("== {} seed {}\n{}\n", piece.name, r.seed, r.log.join("\n")));
        }
        for r in done.failed.iter().take(SHOWN_SEEDS) {
            text.push_str(&failure(piece, r, seeds));
        }
        for r in done.failed.iter().skip(SHOWN_SEEDS) {
            let rule = r.broken.first().map_or(String::new(), ToString::to_string);
            text.push_str(&format!("seed {} of {}: {rule}\n", r.seed, piece.name));
        }
        let ends: Vec<String> = done.outcomes.iter().map(|(outcome, n)| format!("{n} {outcome}")).collect();
        table.row([
            piece.name.clone(),
            done.seeds.to_string(),
            ends.join(", "),
            done.processes.to_string(),
            done.requests.to_string(),
            done.evictions.to_string(),
            (done.duration_ms / 3_600_000).to_string(),
            done.failed.len().to_string(),
        ]);
    }
    text.push_str(&table.render(None));
    let struck: Vec<String> = FAULTS
        .iter()
        .map(|f| (f, struck(results, f)))
        .filter(|(_, n)| *n > 0)
        .map(|(f, n)| format!("{f} {n}"))
        .collect();
    if !struck.is_empty() {
        text.push_str(&format!("seeds in which it struck: {}\n", struck.join(", ")));
    }
    text
}

/// What was broken in a seed, what came before, and how to see it again.
fn failure(piece: &Piece, r: &Rehearsed, seeds: Seeds) -> String {
    let mut text = format!("== {}: seed {}, faults {}\n", piece.name, r.seed, seeds.profile.name());
    for broken in &r.broken {
        text.push_str(&format!("BROKEN {broken}\n"));
    }
    if !seeds.verbose {
        // What came before the first of them is what tells.
        let until = r.broken.first().map_or(i64::MAX, |b| b.t_ms);
        let at = |line: &String| line.trim_start().split(' ').next().and_then(|t| t.parse::<i64>().ok()).unwrap_or(0);
        let end = r.log.partition_point(|line| at(line) <= until);
        let from = end.saturating_sub(SHOWN_LINES);
        r.log[from..end].iter().for_each(|line| text.push_str(&format!("{line}\n")));
    }
    text.push_str(&format!(
        "again: nodeferry rehearse {} --first {} --seeds 1 --faults {} --verbose\n",
        piece.input,
        r.seed,
        seeds.profile.name()
    ));
    text
}

fn as_json(results: &[(Piece, Rehearsals)], seeds: Seeds) -> serde_json::Value {
    let of = |(piece, done): &(Piece, Rehearsals)| {
        let failed: Vec<serde_json::Value> = done
            .failed
            .iter()
            .map(|r| {
                let broken: Vec<_> =
                    r.broken.iter().map(|b| json!({"t_ms": b.t_ms, "rule": b.rule, "text": b.text})).collect();
                json!({"seed": r.seed, "broken": broken})
            })
            .collect();
        json!({
            "rehearsal": piece.name, "input": piece.input, "faults": seeds.profile.name(), "first": seeds.first,
            "seeds": done.seeds, "outcomes": done.outcomes, "processes": done.processes, "requests": done.requests,
            "evictions": done.evictions, "entries": done.entries, "duration_ms": done.duration_ms, "struck": done.struck, "failed": failed,
        })
    };
    results.iter().map(of).collect()
}
