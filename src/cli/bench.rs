//! `bench`: how fast it is on this machine.

use super::output::Output;
use super::print;
use crate::bench::{Case, Clock, Effort, Growth, Measured, Meter, Migration, Report, Series};
use crate::bench::{placements, reading, replications};
use crate::report::format::thousands;
use crate::report::table::{Align, Table};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

/// `bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry bench --quick
  nodeferry bench -o json > bench.json

Times are CPU time of the process, so that other work on the machine counts little; what is measured: docs/performance.md.")]
pub struct BenchArgs {
    /// A short series, which takes about half a minute.
    #[arg(long, conflicts_with = "huge")]
    pub quick: bool,
    /// Also 50,000 + 50,000 nodes with 1,000,000 pods, which takes many minutes and gigabytes.
    #[arg(long)]
    pub huge: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,
    /// Measure one migration in this process, and print what came of it.
    #[arg(long, hide = true, value_name = "CASE", conflicts_with_all = ["quick", "huge"])]
    pub case: Option<Case>,
}

/// Runs `bench`.
pub fn bench(args: &BenchArgs) -> Result<i32> {
    if let Some(case) = &args.case {
        print(&serde_json::to_string(&case.measure(&mut ThisProcess::default())?)?)?;
        return Ok(0);
    }
    let report = measure(args)?;
    match args.output {
        Output::Json => print(&crate::typed::pretty(&report)?)?,
        Output::Table => print(&as_text(&report))?,
    }
    Ok(0)
}

/// How often the migrations by which growth is measured are run again.
const MORE_FOR_GROWTH: u32 = 2;

fn measure(args: &BenchArgs) -> Result<Report> {
    let (effort, series) = match (args.quick, args.huge) {
        (true, _) => (Effort::QUICK, Series::Quick),
        (false, false) => (Effort::FULL, Series::Full),
        (false, true) => (Effort::FULL, Series::Huge),
    };
    let bar = match std::io::stderr().is_terminal() {
        true => indicatif::ProgressBar::new_spinner(),
        false => indicatif::ProgressBar::hidden(),
    };
    let say = |text: String| {
        bar.set_message(text);
        bar.tick();
    };
    let mut meter = ThisProcess::default();
    let placements_per_s = placements(effort, &mut meter, &mut |case| say(format!("placements: {case}")));
    say("reading".into());
    let reading = reading(effort, &mut meter)?;
    say("replications".into());
    let replications = replications(effort, &mut meter)?;
    let (mut migration, cases) = (Vec::new(), series.cases());
    for case in &cases {
        say(format!("migration of {} nodes, {}", case.nodes, case.procedure()));
        migration.push(apart(case)?);
    }
    // What else the machine does can only slow them down: each of the two that growth is measured by is run again, in turn, and the least counts.
    let pair = Growth::pair(&migration);
    for place in (0..MORE_FOR_GROWTH).flat_map(|_| pair).flatten() {
        say(format!("growth: {} nodes once more", cases[place].nodes));
        let again = apart(&cases[place])?;
        let of: &mut Migration = &mut migration[place];
        of.seconds = if again.seconds < of.seconds { again.seconds } else { of.seconds };
    }
    bar.finish_and_clear();
    Ok(Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        optimized: !cfg!(debug_assertions),
        clock: if cpu_seconds().is_some() { Clock::Cpu } else { Clock::Wall },
        quick: args.quick,
        placements_per_s,
        growth: Growth::of(&migration),
        migration,
        reading,
        replications,
    })
}

/// Measures a migration in a process of its own: its peak of memory is no other's.
fn apart(case: &Case) -> Result<Migration> {
    let program = std::env::current_exe().context("cannot find the program that is running, to measure with it")?;
    let text = case.to_string();
    let done = Command::new(program)
        .args(["bench", "--case", &text])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .context("cannot start a process to measure with")?;
    if !done.status.success() {
        bail!("{text}: {}: {}", done.status, String::from_utf8_lossy(&done.stderr).trim());
    }
    let Measured { pods, seconds, peak_bytes } =
        crate::typed::from_json(&done.stdout).with_context(|| format!("{text}: the measurement cannot be read"))?;
    Ok(Migration { nodes: case.nodes, pods, procedure: case.procedure().to_owned(), seconds, peak_bytes })
}

/// CPU time and memory of the process that we are.
#[derive(Default)]
struct ThisProcess {
    /// The peak cannot be reset: it is that since the process began.
    started: Option<std::time::Instant>,
}

impl Meter for ThisProcess {
    fn seconds(&mut self) -> f64 {
        cpu_seconds().unwrap_or_else(|| {
            // Benchmarks alone look at the clock: nothing that is predicted depends on it.
            #[allow(clippy::disallowed_methods)]
            self.started.get_or_insert_with(std::time::Instant::now).elapsed().as_secs_f64()
        })
    }

    fn reset_peak(&mut self) {
        // Linux: 5 sets the peak to what is held now (proc_pid_clear_refs(5)). Where that is refused, the peak counts from the beginning.
        if let Ok(mut file) = std::fs::OpenOptions::new().write(true).open("/proc/self/clear_refs") {
            let _ = file.write_all(b"5");
        }
    }

    fn peak_bytes(&mut self) -> Option<u64> {
        peak_of(&std::fs::read_to_string("/proc/self/status").ok()?)
    }
}

/// CPU time of this process in seconds.
#[cfg(unix)]
fn cpu_seconds() -> Option<f64> {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(used.tv_sec as f64 + used.tv_nsec as f64 / 1e9)
}

#[cfg(not(unix))]
fn cpu_seconds() -> Option<f64> {
    None
}

/// The line `VmHWM:  1234 kB` of /proc/self/status.
fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn as_text(report: &Report) -> String {
    let mut text = String::new();
    if !report.optimized {
        text.push_str("This is a debug build: its figures say nothing of a release.\n\n");
    }
    let p = &report.placements_per_s;
    let mut table = Table::new(&[("PLACEMENTS (5,000 nodes)", Align::Left), ("PER SECOND", Align::Right)]);
    for (name, rate) in [
        ("300 kinds of pods", p.requests),
        ("3,000 kinds of pods", p.requests_3000_kinds),
        ("required spread over zones", p.spread),
        ("required anti-affinity by host", p.anti_affinity),
        ("required affinity by zone", p.affinity),
        ("zonal volumes", p.volumes),
        ("pods that fit nowhere", p.failing),
    ] {
        table.row([name.to_owned(), thousands(rate as u64)]);
    }
    text.push_str(&table.render(None));
    let mut table = Table::new(&[
        ("MIGRATION", Align::Left),
        ("NODES", Align::Right),
        ("PODS", Align::Right),
        ("SECONDS", Align::Right),
        ("PEAK MIB", Align::Right),
    ]);
    for m in &report.migration {
        let peak = m.peak_bytes.map_or("not measured".to_owned(), |b| thousands(b >> 20));
        let seconds = format!("{:.3}", m.seconds.get());
        table.row([m.procedure.clone(), thousands(u64::from(m.nodes)), thousands(m.pods), seconds, peak]);
    }
    text.push('\n');
    text.push_str(&table.render(None));
    let ratio = |r: Option<f64>| r.map_or("not measured".to_owned(), |r| format!("{r:.2}"));
    let clock = match report.clock {
        Clock::Cpu => "CPU time of the process",
        Clock::Wall => "time on the wall: other work on the machine counts",
    };
    text.push_str(&format!(
        "\nTwice the nodes: {} times the time, {} times the memory.\n\
         Reading: JSON {:.1} MB/s, packed with gzip {:.1} MB/s, YAML {:.1} MB/s.\n\
         Replications of 250 + 250 nodes, 5,000 pods: {:.2} a second; a copy of a run: {:.2} ms.\n\
         Times are {clock}.",
        ratio(report.growth.time_ratio),
        ratio(report.growth.memory_ratio),
        report.reading.json_mb_per_s,
        report.reading.gzip_mb_per_s,
        report.reading.yaml_mb_per_s,
        report.replications.per_s,
        report.replications.fork_ms,
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Placements, Reading, Replications};

    #[test]
    fn the_peak_is_read_from_the_status() {
        assert_eq!(peak_of("Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t  1234 kB\n"), Some(1234 * 1024));
        assert_eq!(peak_of("Name:\tx\n"), None);
    }

    #[test]
    fn what_is_not_measured_is_said() {
        let report = Report {
            version: "1".into(),
            optimized: true,
            clock: Clock::Cpu,
            quick: true,
            placements_per_s: Placements { requests: 152_300.0, ..Placements::default() },
            migration: vec![Migration {
                nodes: 400,
                pods: 12_000,
                procedure: "kubectl-drain".into(),
                seconds: 1.25.into(),
                peak_bytes: None,
            }],
            growth: Growth::default(),
            reading: Reading::default(),
            replications: Replications::default(),
        };
        let text = as_text(&report);
        for part in [
            "300 kinds of pods                  152,300\n",
            "kubectl-drain    400  12,000    1.250  not measured\n",
            "Twice the nodes: not measured times the time",
            "CPU time of the process",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        assert!(!text.contains("debug build"));
    }
}
