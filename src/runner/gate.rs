//! What stands between two batches: rest, window, check, approval, in this order.
//!
//! A wait that takes no time is not told of; every other begins with [`Announcement::Waiting`] and, once it is over,
//! ends with [`Announcement::Opened`]. A check is asked for again until it succeeds or its limit is over; a window that
//! closed while somebody was waited for is waited for again. A stop ends every wait at once.

use super::client::Ask;
use super::interface::{Announcement, Answer, Ms, Outbox, WaitFor};
use super::outcome::Reason;
use super::phase::{Gate, Phase, Stage};
use super::stand::Doing;
use super::{Progress, Runner};
use crate::cluster::View;
use serde::{Deserialize, Serialize};

/// An approval whose answer was lost is asked for again after so long (C).
const APPROVAL_RETRY_MS: Ms = 1000;

/// What a migration waits for between two batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The batch that is to start, counted from 0.
    pub batch: u32,
    /// What for.
    pub wait: WaitFor,
    /// When a soak or window is over, or the limit of a check or approval; None for no limit but the horizon.
    pub until: Option<Ms>,
}

impl Progress {
    /// What is waited for between two batches; None while a batch is under way, and before and after the migration.
    pub fn waiting(&self) -> Option<Waiting> {
        let Phase::Between(gate) = self.phase else { return None };
        Some(Waiting { batch: self.common.batch, wait: gate.stage.waits_for()?, until: gate.until })
    }
}

impl Runner {
    /// Waits at `stage`, or at the first after it at which there is something to wait for.
    pub(super) fn wait_at(&mut self, now: Ms, stage: Stage, out: &mut Outbox) {
        let batch = self.progress.common.batch;
        self.progress.common.gate_said.clear();
        let mut stage = stage;
        while stage != Stage::Open && self.gate(now, stage).is_none() {
            stage = stage.next();
        }
        let gate = self.gate(now, stage).unwrap_or(Gate { stage: Stage::Open, until: None, again: None });
        if let Some(wait) = stage.waits_for() {
            out.announce(Announcement::Waiting { batch, wait, until: gate.until });
        }
        self.progress.phase = Phase::Between(gate);
        self.ask_gate(now, stage);
    }

    /// The wait of a stage before the next batch, if it has one.
    fn gate(&self, now: Ms, stage: Stage) -> Option<Gate> {
        let (o, batch) = (&self.intent.options, self.progress.common.batch);
        let until = match stage {
            Stage::Soak => {
                let canary = o.canary.filter(|_| batch == 1).map_or(0, |c| c.soak_ms);
                Some(now + o.soak_ms + canary).filter(|t| *t > now)
            }
            Stage::Window | Stage::WindowAgain => Some(self.window_opens(now)).filter(|t| *t > now),
            Stage::Check => {
                let check = o.gates.check.as_ref().filter(|_| batch > 0)?;
                return Some(Gate { stage, until: Some(now + check.limit_ms), again: None });
            }
            Stage::Approval => {
                let approval = o.gates.approval.filter(|a| a.concerns(batch))?;
                return Some(Gate { stage, until: approval.limit_ms.map(|l| now + l), again: None });
            }
            Stage::Open => None,
        };
        until.map(|t| Gate { stage, until: Some(t), again: None })
    }

    /// When a batch may start by the windows: now, or when one opens.
    fn window_opens(&self, from: Ms) -> Ms {
        let o = &self.intent.options;
        if o.windows.is_empty() && o.scheduled_windows.is_empty() {
            return from;
        }
        let start = self.start_unix_ms;
        let scheduled = o.scheduled_windows.iter().filter_map(|w| w.next_open(start.saturating_add(from)));
        let scheduled = scheduled.map(|opens| opens.saturating_sub(start));
        // No window left: the horizon ends the wait.
        o.windows.iter().filter_map(|w| w.next_open(from)).chain(scheduled).min().unwrap_or(o.horizon_ms)
    }

    fn ask_gate(&mut self, now: Ms, stage: Stage) {
        let batch = self.progress.common.batch;
        let ask = match stage {
            Stage::Check => Ask::Check { batch },
            Stage::Approval => Ask::AwaitApproval { batch },
            _ => return,
        };
        self.progress.common.client.ask(now, ask);
    }

    /// What stood before the batch is over: goes on to the next that does.
    fn passed(&mut self, now: Ms, stage: Stage, out: &mut Outbox) {
        if let Some(wait) = stage.waits_for() {
            out.announce(Announcement::Opened { batch: self.progress.common.batch, wait });
        }
        self.wait_at(now, stage.next(), out);
    }

    /// Goes as far as it can between two batches at this moment.
    pub(super) fn step_gate(&mut self, now: Ms, view: View<'_>, gate: Gate, out: &mut Outbox) {
        if self.progress.common.stop.is_some() {
            self.doing(now, view, Doing::Stopping, out);
            return self.conclude_stop(now, view, out);
        }
        let over = gate.until.is_some_and(|t| t <= now);
        match gate.stage {
            Stage::Open => self.next_batch(now, view, out),
            Stage::Soak | Stage::Window | Stage::WindowAgain if over => self.passed(now, gate.stage, out),
            Stage::Check if over => {
                let cause = self.gate_cause("the check", "did not succeed");
                self.conclude(now, view, Some((Reason::CheckFailed, cause)), out);
            }
            Stage::Approval if over => {
                let cause = self.gate_cause("nobody", "approved it");
                self.conclude(now, view, Some((Reason::NotApproved, cause)), out);
            }
            _ if gate.again.is_some_and(|t| t <= now) => {
                self.progress.phase = Phase::Between(Gate { again: None, ..gate });
                self.ask_gate(now, gate.stage);
            }
            _ => {}
        }
    }

    /// `batch 2 of 5: the check did not succeed within its limit; it said: …`
    fn gate_cause(&self, who: &str, what: &str) -> String {
        let c = &self.progress.common;
        let mut cause = format!("batch {} of {}: {who} {what} within its limit", c.batch + 1, c.batches());
        if !c.gate_said.is_empty() {
            cause.push_str("; last answer: ");
            cause.push_str(&c.gate_said);
        }
        cause
    }

    /// What became of a check or of the wait for an approval.
    pub(super) fn gate_answered(&mut self, now: Ms, gate: Gate, ask: Ask, answer: Answer, out: &mut Outbox) {
        let here = self.progress.common.batch;
        let again = match (gate.stage, ask) {
            (Stage::Check, Ask::Check { batch }) if batch == here => {
                now + self.intent.options.gates.check.as_ref().map_or(0, |c| c.every_ms)
            }
            (Stage::Approval, Ask::AwaitApproval { batch }) if batch == here => now + APPROVAL_RETRY_MS,
            _ => return,
        };
        if answer == Answer::Accepted {
            return self.passed(now, gate.stage, out);
        }
        self.progress.common.gate_said = said(&answer);
        self.progress.phase = Phase::Between(Gate { again: Some(again), ..gate });
    }

    /// What was waited for when the horizon came, if it came between two batches.
    pub(super) fn horizon_between(&self) -> Option<String> {
        let w = self.progress.waiting()?;
        let (n, of) = (w.batch + 1, self.progress.common.batches());
        Some(format!("batch {n} of {of} waited for {}", w.wait.text()))
    }
}

/// A refusal in words; empty for an answer that was lost.
fn said(answer: &Answer) -> String {
    match answer {
        Answer::Refused { reason, message, .. } if message.is_empty() => reason.clone(),
        Answer::Refused { message, .. } => message.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
