//! What goes on beside every wait, and what every wait has: a limit, and answers that may come later.

use super::super::attend::{Attend, Attention};
use super::super::driver::Signal;
use super::guard::NotOurs;
use super::site::{Problem, Site};
use super::{Carrier, Halt, LOOK};
use crate::execution::journal_dir::Order;
use crate::transfer::execution::Record;
use crate::transfer::plan::Step;
use std::future::Future;

impl Attend for Carrier<'_> {
    type Halt = Halt;

    fn attention(&mut self) -> &mut Attention {
        &mut self.attention
    }

    /// What is under way in the clusters goes on without us, and the next process waits for it: leaving costs nothing.
    fn signal(&mut self, signal: Signal) -> Result<(), Halt> {
        Err(self.leaves(signal))
    }

    fn leaves(&self, signal: Signal) -> Halt {
        self.leave(match signal {
            Signal::Interrupt => "interrupted (Ctrl-C)".to_owned(),
            Signal::Terminate(name) => format!("the process was asked to end ({name})"),
        })
    }

    fn take_orders(&mut self) -> Result<(), Halt> {
        let (asked, refused) = match self.journal.dir().dir().asked() {
            Ok(asked) => asked,
            Err(e) => {
                self.observer.say(&e.to_string());
                return Ok(());
            }
        };
        refused.iter().for_each(|why| self.observer.say(why));
        for order in asked {
            let mut halt = None;
            match &order.order {
                Order::Stop { .. } if self.state.stop_asked => {}
                Order::Stop { .. } => self.put(Record::StopAsked)?,
                Order::Interrupt { why } => halt = Some(self.leave(why.clone())),
                Order::ApproveGate { gate, by } => {
                    if !self.state.approved.contains_key(gate) {
                        self.put(Record::Approved { gate: gate.clone(), by: by.clone() })?;
                    }
                }
                Order::Approve { .. } => self
                    .observer
                    .say("a transfer has no batches to approve; its gates are approved by their names: nodeferry transfer approve"),
            }
            let taken = self.journal.dir().dir().taken(&order);
            taken.map_err(|e| Halt::Journal(e.into()))?;
            if let Some(halt) = halt {
                return Err(halt);
            }
        }
        Ok(())
    }

    fn say(&mut self, text: &str) {
        self.observer.say(text);
    }
}

impl Carrier<'_> {
    fn leave(&self, why: String) -> Halt {
        Halt::Leave {
            why,
            remedy: format!("{}; what goes on in the clusters goes on without us", self.resume()),
            limit: None,
        }
    }

    /// The command that goes on.
    pub(super) fn resume(&self) -> String {
        format!("go on with: nodeferry transfer resume {}", self.dir())
    }

    /// Leaves if a stop was asked for.
    pub(super) fn stopped(&self) -> Result<(), Halt> {
        match self.state.stop_asked {
            true => Err(self.leave("stopped as asked".to_owned())),
            false => Ok(()),
        }
    }

    /// When the wait of a step is given up.
    pub(super) fn until(&self, step: &Step) -> i64 {
        self.state.wait_since_ms.saturating_add(step.timeout_ms)
    }

    /// The way on when a wait has reached its limit.
    pub(super) fn limit(&self, limit: &'static str, why: String, remedy: String) -> Halt {
        Halt::Leave { why, remedy: format!("{remedy}; then {}", self.resume()), limit: Some(limit) }
    }

    /// A pause between two looks, unless the limit is reached.
    pub(super) async fn again(
        &mut self,
        step: &Step,
        limit: &'static str,
        why: &str,
        remedy: &str,
    ) -> Result<(), Halt> {
        if self.now() > self.until(step) {
            let within = crate::report::format::time(step.timeout_ms);
            return Err(self.limit(limit, format!("not within {within}: {why}"), remedy.to_owned()));
        }
        self.stopped()?;
        if let Err(NotOurs::Lost(why)) = self.guard.check() {
            return Err(self.lost(&why));
        }
        self.pause(LOOK).await
    }

    /// Waits until the Leases are surely ours: nothing is begun that another process may be at.
    pub(super) async fn ours(&mut self, step: &Step) -> Result<(), Halt> {
        loop {
            match self.guard.check() {
                Ok(()) => return Ok(()),
                Err(NotOurs::Lost(why)) => return Err(self.lost(&why)),
                Err(NotOurs::Waits(why)) => {
                    self.again(step, "lease", &why, "see that the API server of the source can be reached").await?;
                }
            }
        }
    }

    /// Another process carries the transfer on, or somebody has made room for one: nothing more is sent.
    fn lost(&self, why: &str) -> Halt {
        Halt::Leave {
            why: why.to_owned(),
            remedy: format!("see which process carries the transfer on; if it is none, {}", self.resume()),
            limit: None,
        }
    }

    /// Asks one of the clusters until it answers, or the step's limit is reached. What it refuses for good comes back.
    pub(super) async fn ask<T, F, A>(
        &mut self,
        step: &Step,
        site: fn(&Self) -> Site,
        ask: A,
    ) -> Result<Result<T, Problem>, Halt>
    where
        A: Fn(Site) -> F,
        F: Future<Output = Result<T, Problem>>,
    {
        loop {
            let at = site(self);
            let role = at.role;
            match self.during(ask(at)).await? {
                Err(problem) if problem.passes() => {
                    let why = format!("{role} cluster: {}", problem.text());
                    self.again(
                        step,
                        "answer",
                        &why,
                        "see that the API server can be reached (kubectl get --raw /readyz)",
                    )
                    .await?;
                }
                other => return Ok(other),
            }
        }
    }

    /// The same for what nobody may refuse: reading.
    pub(super) async fn read<T, F, A>(&mut self, step: &Step, site: fn(&Self) -> Site, ask: A) -> Result<T, Halt>
    where
        A: Fn(Site) -> F,
        F: Future<Output = Result<T, Problem>>,
    {
        let role = site(self).role;
        match self.ask(step, site, ask).await? {
            Ok(found) => Ok(found),
            Err(problem) => Err(self.limit(
                "answer",
                format!("the {role} cluster cannot be read: {}", problem.text()),
                "see to the permissions of its context".to_owned(),
            )),
        }
    }
}

/// The source.
pub(super) fn source(carrier: &Carrier<'_>) -> Site {
    carrier.source.clone()
}

/// The target.
pub(super) fn target(carrier: &Carrier<'_>) -> Site {
    carrier.target.clone()
}
