//! Differential tests: what the real control plane does and what nodeferry says, on inputs that nobody wrote down.
//!
//! Without arguments (as `cargo test` calls it) one seed of each kind is tried. `NODEFERRY_CONTROLPLANE` names the built control plane
//! (`scripts/controlplane path`); without it nothing can be tried, which is said. See docs/controlplane.md.

// Real processes take real time; none of it reaches the library.
#![allow(clippy::disallowed_methods)]

mod ack;
mod bed;
mod compare;
mod decisions;
mod drains;
mod evictions;
mod executions;
mod losses;
mod luck;
mod outages;
mod transfer;
mod verdict;

use anyhow::{Context, Result, bail};
use bed::controlplane::binary;
use bed::kubelets::{Delays, Kubelets};
use clap::{Parser, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Holds nodeferry against a real control plane, by seed")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generates, runs and records what the real control plane does, then compares with what nodeferry says.
    Check {
        /// What is compared; all kinds if none is given.
        kinds: Vec<Kind>,
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many seeds, each with a control plane of its own.
        #[arg(long, default_value_t = 1)]
        seeds: u64,
        /// Where recordings go; those without a difference are removed again. Default: the target directory.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Keep recordings without a difference too.
        #[arg(long)]
        keep: bool,
    },
    /// Times the real scheduler and ours on the same cluster (`scripts/compare`).
    Compare(compare::Asked),
    /// Plays the kubelets of a running cluster until it is ended.
    Kubelets {
        /// Kubeconfig with a bearer token, as `controlplane up` writes it.
        #[arg(long)]
        kubeconfig: PathBuf,
        /// Seconds from bound to Running and Ready.
        #[arg(long, default_value_t = 2.0)]
        start_seconds: f64,
        /// Seconds from deletion to gone.
        #[arg(long, default_value_t = 1.0)]
        stop_seconds: f64,
    },
    /// Makes and ends machines of a running cluster, as a plan's commands ask for it.
    Machines {
        /// Kubeconfig with a bearer token, as `controlplane up` writes it.
        #[arg(long)]
        kubeconfig: PathBuf,
        /// What is asked.
        #[command(subcommand)]
        what: executions::machines::Machines,
    },
}

/// What can be compared.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Placements by the real scheduler.
    Decisions,
    /// Whole migrations with the real `kubectl drain`.
    Drains,
    /// Budgets and evictions by the real disruption controller and eviction API.
    Evictions,
    /// Whole executions by nodeferry itself, undisturbed and disturbed.
    Executions,
    /// Nodes that fail, and their pods.
    Losses,
    /// The control plane swapped under a running cluster.
    Ack,
    /// The same, killed at each stage, failed at each step, with losses, and with what came back not being what went away; only if asked for.
    AckLong,
    /// Applications with state moved from one cluster to another by the real Velero.
    Transfer,
    /// The API server away for 20 s and for 60 s, and what becomes of the nodes; only if asked for, for it wants a quiet machine.
    Outages,
    /// The same for six minutes; only if asked for.
    LongOutage,
}

impl Kind {
    /// What is tried where nobody says what.
    const ALL: [Kind; 7] =
        [Kind::Decisions, Kind::Drains, Kind::Evictions, Kind::Executions, Kind::Losses, Kind::Ack, Kind::Transfer];
    fn name(self) -> &'static str {
        match self {
            Kind::Decisions => "decisions",
            Kind::Drains => "drains",
            Kind::Evictions => "evictions",
            Kind::Executions => "executions",
            Kind::Losses => "losses",
            Kind::Ack => "ack",
            Kind::AckLong => "ack-long",
            Kind::Transfer => "transfer",
            Kind::Outages => "outages",
            Kind::LongOutage => "long-outage",
        }
    }
    /// What `nodeferry verify` calls its recordings, if it knows them.
    fn recording(self) -> Option<&'static str> {
        match self {
            Kind::Decisions => Some("decisions"),
            Kind::Drains => Some("drain"),
            Kind::Evictions => Some("evictions"),
            Kind::Executions
            | Kind::Losses
            | Kind::Ack
            | Kind::AckLong
            | Kind::Transfer
            | Kind::Outages
            | Kind::LongOutage => None,
        }
    }
    /// Records one seed and compares; the differences as text, empty if there are none.
    fn check(self, binary: &Path, seed: u64, directory: &Path) -> Result<Compared> {
        match self {
            Kind::Decisions => decisions::check(binary, seed, directory),
            Kind::Drains => drains::check(binary, seed, directory),
            Kind::Evictions => evictions::check(binary, seed, directory),
            Kind::Executions => executions::check(binary, seed, directory),
            Kind::Losses => losses::check(binary, seed, directory),
            Kind::Ack => ack::check(binary, seed, directory),
            Kind::AckLong => ack::check_long(binary, seed, directory),
            Kind::Transfer => transfer::check(binary, seed, directory),
            Kind::Outages => outages::check(binary, seed, directory, &outages::SHORT),
            Kind::LongOutage => outages::check(binary, seed, directory, &outages::LONG),
        }
    }
}

/// What came of one seed.
pub struct Compared {
    /// What was tried, in a few words for people.
    pub about: String,
    /// How many comparisons.
    pub tried: usize,
    /// Those without any difference.
    pub equal: usize,
    /// The differences, if any.
    pub differences: Option<String>,
}

fn main() -> ExitCode {
    // `cargo test NAME` gives its filter to every test binary; only our own commands concern this one.
    let ours = ["check", "compare", "kubelets", "machines", "help", "--help", "-h"];
    let command = match std::env::args().nth(1) {
        None => Command::Check { kinds: Vec::new(), seed: 1, seeds: 1, out: None, keep: false },
        Some(word) if ours.contains(&&*word) => Arguments::parse().command,
        Some(_) => return ExitCode::SUCCESS,
    };
    match run(command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("differential: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<bool> {
    match command {
        Command::Kubelets { kubeconfig, start_seconds, stop_seconds } => {
            let seconds = |s: f64| Duration::try_from_secs_f64(s).context("seconds must not be negative");
            let delays = Delays { start: seconds(start_seconds)?, stop: seconds(stop_seconds)?, ..Delays::default() };
            let _kubelets = Kubelets::start(&bed::client::Client::new(&kubeconfig)?, delays);
            loop {
                std::thread::park();
            }
        }
        Command::Machines { kubeconfig, what } => {
            executions::machines::run(&kubeconfig, &what)?;
            Ok(true)
        }
        Command::Compare(asked) => {
            let binary = binary().with_context(|| {
                format!(
                    "{} does not name a control plane; use scripts/compare, which builds one",
                    bed::controlplane::BINARY
                )
            })?;
            compare::compare(&binary, &asked)?;
            Ok(true)
        }
        Command::Check { kinds, seed, seeds, out, keep } => {
            let Some(binary) = binary() else {
                if std::env::var("CI").as_deref() == Ok("true") {
                    bail!("in CI the real control plane must be there: set {}", bed::controlplane::BINARY);
                }
                eprintln!("LEFT OUT: the differential tests: {} is not set", bed::controlplane::BINARY);
                return Ok(true);
            };
            let kinds = if kinds.is_empty() { Kind::ALL.to_vec() } else { kinds };
            let out = out.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential"));
            let mut good = true;
            for kind in kinds {
                let (mut tried, mut equal) = (0, 0);
                for seed in seed..seed + seeds {
                    let compared = check(kind, &binary, seed, &out, keep)?;
                    good &= compared.differences.is_none();
                    tried += compared.tried;
                    equal += compared.equal;
                }
                println!("{}: {seeds} seeds, {tried} compared, {equal} equal", kind.name());
            }
            Ok(good)
        }
    }
}

/// One seed of one kind; says what came of it and how to try it again.
fn check(kind: Kind, binary: &Path, seed: u64, out: &Path, keep: bool) -> Result<Compared> {
    let name = kind.name();
    let directory = out.join(format!("{name}-{seed}"));
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    let compared = kind.check(binary, seed, &directory).with_context(|| format!("{name}, seed {seed}"))?;
    println!("{name}, seed {seed}: {} of {} equal: {}", compared.equal, compared.tried, compared.about);
    let Some(differences) = &compared.differences else {
        if !keep {
            std::fs::remove_dir_all(&directory)?;
        }
        return Ok(compared);
    };
    println!("{differences}\nagain: cargo test --test differential -- check {name} --seed {seed}");
    if let Some(recording) = kind.recording() {
        println!("the recording: nodeferry verify {recording} {}", directory.display());
    }
    Ok(compared)
}
