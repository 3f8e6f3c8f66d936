//! How long 1,000 forks of the quickstart in mid-run take, each dropped again: `cargo run --release --example forks [HOW-MANY]`.
//!
//! Exits with 1 if they take longer than a millisecond each.

use nodeferry::experiment::{Simulation, Sink};
use nodeferry::request::input::request_of_scenario;
use nodeferry::request::plan::experiment_of;
use nodeferry::request::scenario::Scenario;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const QUICKSTART: &str = include_str!("../scenarios/quickstart.yaml");

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let mut run = match under_way() {
        Ok(run) => run,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    run.advance_past(2);
    let at = run.progress();
    println!(
        "quickstart after {} of {} batches, {} pods, {} events",
        at.batches_ended,
        at.batches,
        run.view().state.live_pods().count(),
        at.steps
    );
    let took = seconds_of(|| (0..wanted).for_each(|_| drop(black_box(run.fork(None)))));
    println!("{wanted} times fork and drop: {:.3} s, {:?} each", took.as_secs_f64(), took / wanted.max(1));
    if took <= Duration::from_millis(1) * wanted { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn under_way() -> Result<Simulation, String> {
    let scenario = Scenario::parse(QUICKSTART, Path::new("quickstart.yaml")).map_err(|e| e.to_string())?;
    let request = request_of_scenario(&scenario, false).map_err(|e| e.to_string())?;
    Ok(experiment_of(request).map_err(|e| e.to_string())?.start(1, Sink::Summary))
}

/// How long something takes by the clock on the wall, which no other code of the project asks.
#[allow(clippy::disallowed_methods)]
fn seconds_of(what: impl FnOnce()) -> Duration {
    let start = std::time::Instant::now();
    what();
    start.elapsed()
}
