//! `--delay NAME=TIME`, `NAME=TIME..TIME`, `NAME=TIME~TIME`: a delay as `sim.delays` has it.

use super::super::near::hint;
use super::super::time::parse_time;
use crate::cluster::Delay;
use crate::sim::delays::DelayOptions;
use anyhow::{Context, Result, bail};

const NAMES: [&str; 5] = ["start", "stop", "run", "launch", "retire"];

pub(super) fn lay(delays: &mut DelayOptions, text: &str) -> Result<()> {
    let (name, value) = text.split_once('=').context("expected NAME=TIME, such as launch=90s or launch=90s..3m")?;
    let delay = Some(delay(value)?);
    match name {
        "start" => delays.start = delay,
        "stop" => delays.stop = delay,
        "run" => delays.run = delay,
        "launch" => delays.launch = delay,
        "retire" => delays.retire = delay,
        other => bail!("{other} is no delay; expected one of {}{}", NAMES.join(", "), hint(other, NAMES)),
    }
    Ok(())
}

fn delay(text: &str) -> Result<Delay> {
    let delay = if let Some((least, most)) = text.split_once("..") {
        Delay::Uniform { min_ms: parse_time(least)?, max_ms: parse_time(most)? }
    } else if let Some((median, p95)) = text.split_once('~') {
        Delay::LogNormal { median_ms: parse_time(median)?, p95_ms: parse_time(p95)? }
    } else {
        Delay::Constant { ms: parse_time(text)? }
    };
    match delay.problem() {
        Some(problem) => bail!("{problem}"),
        None => Ok(delay),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_constant_a_range_uniform_and_a_median_with_its_95th_percentile_log_normal() {
        let mut delays = DelayOptions::default();
        for text in ["launch=90s..3m", "stop=1500ms", "start=5s~30s"] {
            lay(&mut delays, text).unwrap();
        }
        assert_eq!(delays.launch, Some(Delay::Uniform { min_ms: 90_000, max_ms: 180_000 }));
        assert_eq!(delays.stop, Some(Delay::Constant { ms: 1_500 }));
        assert_eq!(delays.start, Some(Delay::LogNormal { median_ms: 5_000, p95_ms: 30_000 }));
        for (wrong, says) in [
            ("launch", "NAME=TIME"),
            ("lanch=90s", "did you mean launch?"),
            ("launch=3m..90s", ""),
            ("launch=90", "90s"),
        ] {
            let error = format!("{:#}", lay(&mut delays, wrong).expect_err(wrong));
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }
}
