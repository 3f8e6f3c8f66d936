//! What goes on beside every wait: what signals and orders from other terminals mean, and the vendor's task.

use super::super::attend::{Attend, Attention};
use super::super::driver::Signal;
use super::super::program::Programs;
use super::{ASK, Carrier, Halt};
use crate::ack::execution::{Begun, Record, Stage, TaskState, substitute};
use crate::execution::journal_dir::Order;
use crate::session::Program;
use tokio::time::Instant;

/// A command that asks for the task may take so long.
const ASK_WITHIN_MS: i64 = 60_000;

impl Attend for Carrier<'_> {
    type Halt = Halt;

    fn attention(&mut self) -> &mut Attention {
        &mut self.attention
    }

    fn leaves(&self, signal: Signal) -> Halt {
        let why = match signal {
            Signal::Interrupt => "interrupted (Ctrl-C)".to_owned(),
            Signal::Terminate(name) => format!("the process was asked to end ({name})"),
        };
        self.leave(why)
    }

    fn say(&mut self, text: &str) {
        self.observer.say(text);
    }

    fn signal(&mut self, signal: Signal) -> Result<(), Halt> {
        match signal {
            Signal::Interrupt if self.state.may_stop() => Err(Halt::Stop),
            Signal::Interrupt if self.attention.interrupts == 0 => {
                self.attention.interrupts = 1;
                self.observer
                    .say(&format!("{} Ctrl-C again to leave at once (it can be resumed).", self.cannot_stop()));
                Ok(())
            }
            other => Err(self.leaves(other)),
        }
    }

    fn take_orders(&mut self) -> Result<(), Halt> {
        let (asked, refused) = match self.journal.dir().asked() {
            Ok(asked) => asked,
            Err(e) => {
                self.observer.say(&e.to_string());
                return Ok(());
            }
        };
        refused.iter().for_each(|why| self.observer.say(why));
        for order in asked {
            let halt = match &order.order {
                Order::Stop { .. } if self.state.may_stop() => Some(Halt::Stop),
                Order::Stop { .. } => {
                    self.note(format!("a stop was asked for. {}", self.cannot_stop()))?;
                    None
                }
                Order::Interrupt { why } => Some(self.leave(why.clone())),
                Order::Approve { .. } | Order::ApproveGate { .. } => {
                    self.observer
                        .say("there are no batches to approve; the gate is the console, or the command of --begin");
                    None
                }
            };
            self.journal.dir().taken(&order)?;
            if let Some(halt) = halt {
                return Err(halt);
            }
        }
        Ok(())
    }
}

impl Carrier<'_> {
    fn leave(&self, why: String) -> Halt {
        Halt::Leave {
            why,
            remedy: format!("{}; what goes on at the vendor goes on without us", self.resume()),
            limit: None,
        }
    }

    /// The command that goes on.
    pub(super) fn resume(&self) -> String {
        format!("go on with: nodeferry resume {}", self.journal.dir().path().display())
    }

    fn cannot_stop(&self) -> &'static str {
        match self.state.stage {
            Stage::Delete => "The masters are being deleted, which is all that is left: it is brought to its end.",
            _ => {
                "The migration was begun at the vendor, who alone can end it: it is watched, and nothing is stopped or taken back from here."
            }
        }
    }

    /// A command with its places filled in.
    pub(super) fn program(&self, words: &[String], timeout_ms: i64) -> Program {
        let context = self.state.context();
        Program { argv: substitute(words, &context), env: context.environment(), timeout_ms }
    }

    /// Asks how the task stands, now and then, and writes down what is new. It never waits: the API server is looked at meanwhile.
    pub(super) async fn ask_task(&mut self) -> Result<(), Halt> {
        let begun = self.state.begun != Begun::No || self.state.away_ms.is_some();
        let known = self.state.task.as_ref().is_some_and(|t| t.failed() || t.succeeded());
        if self.state.began.poll.is_empty() || !begun || known {
            return Ok(());
        }
        match self.asking.take() {
            Some(task) if task.is_finished() => {
                self.ask_next = Instant::now() + ASK;
                match task.await.unwrap_or_else(|_| Err("it ended in an unknown way".to_owned())) {
                    Ok(task) if self.state.task.as_ref() != Some(&task) => self.put(Record::Task(task))?,
                    Ok(_) => {}
                    Err(why) if why != self.ask_problem => {
                        self.note(format!(
                            "the task cannot be asked for (--poll): {why}; it is asked again every {} s",
                            ASK.as_secs()
                        ))?;
                        self.ask_problem = why;
                    }
                    Err(_) => {}
                }
            }
            Some(task) => self.asking = Some(task),
            None if Instant::now() >= self.ask_next => {
                let program = self.program(&self.state.began.poll.clone(), ASK_WITHIN_MS);
                let programs = self.programs.clone();
                self.asking = Some(tokio::spawn(async move { ask(&programs, &program).await }));
            }
            None => {}
        }
        Ok(())
    }
}

/// Runs the command of `--poll`. Nothing of what it prints is kept but the task's state: keys show in its outputs.
async fn ask(programs: &Programs, program: &Program) -> Result<TaskState, String> {
    match programs.printed(program).await {
        Ok(printed) if printed.code == Some(0) => TaskState::parse(&printed.stdout),
        Ok(printed) => Err(match printed.code {
            Some(code) => format!("the command ended with exit status {code}"),
            None => "the command was ended by a signal".to_owned(),
        }),
        Err(Some(why)) => Err(why),
        Err(None) => Err(format!("the command was killed after {} s", ASK_WITHIN_MS / 1_000)),
    }
}
