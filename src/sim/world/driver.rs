//! Who carries the plan out in a world: the runner with what it has said, or somebody who takes what a runner would be told.

use super::World;
use super::port::Told;
use crate::runner::{Announcement, CallId, Input, Outbox, Output, Runner, StopMode, observe};
use crate::sim::event::Timer;
use std::collections::BTreeMap;

/// The runner, and what it has said.
#[derive(Clone, Default)]
pub(super) struct Driver {
    pub runner: Option<Runner>,
    /// What a runner would have been told, where there is none.
    pub told: Told,
    /// There is neither a runner nor somebody who takes what one would be told.
    pub is_nobody: bool,
    pub runner_wakeup: Option<i64>,
    pub outbox: Outbox,
    pub lines: Vec<super::Line>,
    pub exits: BTreeMap<u32, i32>,
    pub returned_ms: BTreeMap<u32, i64>,
    pub stop_at: Option<(i64, StopMode)>,
    /// The runner is serialised and resumed before every input; for tests.
    pub restarts: bool,
}

impl World {
    pub(super) fn stop_if_asked(&mut self) -> bool {
        match self.driver.stop_at {
            Some((at, mode)) if at <= self.site.now => {
                self.driver.stop_at = None;
                self.feed(Input::Stop(mode));
                true
            }
            _ => false,
        }
    }

    /// Tells the runner what changed, or that its time has come.
    pub(super) fn call_runner(&mut self) -> bool {
        if !self.site.changed.is_empty() {
            let changed = self.site.changed.take();
            self.feed(Input::Changed(&changed));
            self.site.changed.reuse(changed);
            return true;
        }
        if self.driver.runner_wakeup.is_some_and(|at| at <= self.site.now) {
            self.driver.runner_wakeup = None;
            self.feed(Input::Tick);
            return true;
        }
        false
    }

    pub(super) fn feed(&mut self, input: Input<'_>) {
        if self.ended.is_some() {
            return;
        }
        let Some(runner) = &mut self.driver.runner else {
            if !self.driver.is_nobody {
                self.driver.told.take(input);
            }
            return;
        };
        let view = self.site.view();
        if self.driver.restarts {
            match runner.reborn(view) {
                Ok(again) => *runner = again,
                Err(e) => return self.give_up("resume-failed", &e),
            }
        }
        runner.handle(self.site.now, view, input, &mut self.driver.outbox);
        self.driver.runner_wakeup = runner.next_wakeup();
        self.take_outbox();
    }

    /// Does what the runner has put out.
    pub(super) fn take_outbox(&mut self) {
        // The list is put back when it is empty: there is one for each input.
        let mut items = std::mem::take(&mut self.driver.outbox.items);
        for item in items.drain(..) {
            match item {
                Output::Call(CallId(id), call) => {
                    self.calls.under_way.insert(id, call);
                    self.site.timers.schedule(self.site.now + self.site.options.api_latency_ms.max(0), Timer::Call(id));
                }
                Output::Announce(announcement) => self.announce(announcement),
            }
        }
        items.append(&mut self.driver.outbox.items);
        self.driver.outbox.items = items;
    }

    pub(super) fn announce(&mut self, announcement: Announcement) {
        let now = self.site.now;
        let view = self.site.view();
        self.site.observations.extend(observe::announced(now, view, &announcement));
        match announcement {
            Announcement::BatchStarted { batch, nodes } => {
                self.site.batch = Some(batch);
                self.site.batch_of.extend(nodes.iter().map(|n| (*n, batch)));
            }
            Announcement::BatchFinished { batch, exit: Some(exit), .. } => {
                self.driver.exits.insert(batch, exit);
            }
            Announcement::MigrationFinished { outcome, failure } => self.ended = Some((outcome, failure)),
            Announcement::CommandReturned { batch, exit } => {
                self.driver.exits.insert(batch, exit);
                self.driver.returned_ms.insert(batch, now);
            }
            Announcement::Line { batch, stream, text } => self.driver.lines.push((batch, stream, text)),
            _ => {}
        }
    }
}
