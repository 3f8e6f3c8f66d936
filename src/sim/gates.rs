//! The gates between batches in a simulation: checks that run, and approvals that somebody gives.

use super::ctx::Ctx;
use super::event::Timer;
use super::gate_options::DEFAULT_CHECK;
use crate::cluster::Delay;
use crate::runner::Answer;
use std::collections::BTreeMap;

/// Checks that run and approvals that are waited for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gates {
    /// Checks begun, by batch.
    begun: BTreeMap<u32, u32>,
    /// How each call under way will be answered.
    answers: BTreeMap<u64, Answer>,
}

impl Gates {
    /// A check begins to run, or somebody is asked for an approval.
    pub fn begin(&mut self, ctx: &mut Ctx<'_>, id: u64, batch: u32, check: bool) {
        let options = &ctx.options.gates;
        let key = format!("batch-{batch}");
        let (delay, purpose, nth) = match check {
            true => {
                let begun = self.begun.entry(batch).or_default();
                *begun += 1;
                (options.check.as_ref().unwrap_or(&DEFAULT_CHECK), "gate-check", *begun - 1)
            }
            false => (options.approval.as_ref().unwrap_or(&Delay::Constant { ms: 0 }), "gate-approval", 0),
        };
        let ms = delay.sample(ctx.draws.u64(&key, purpose, u64::from(nth)));
        let fails = check && nth < options.check_failures;
        self.answers.insert(id, if fails { failed(nth + 1) } else { Answer::Accepted });
        ctx.after(ms, Timer::Gate(id));
    }
    /// How a call is answered whose time has come.
    pub fn answer(&mut self, id: u64) -> Answer {
        self.answers.remove(&id).unwrap_or(Answer::Unknown)
    }
}

fn failed(nth: u32) -> Answer {
    Answer::Refused {
        code: 1,
        reason: "CheckFailed".into(),
        cause: String::new(),
        message: format!("exit status 1 (simulated failure {nth})"),
        retry_after_ms: None,
    }
}
