//! What goes on beside every wait of a process that carries something out: signals, and orders from other terminals; and who hears of it.

use super::driver::{Signal, Signals};
use crate::execution::entry_dir::EntryDirError;
use std::future::Future;
use tokio::time::{Duration, Instant};

/// Orders are looked for so often.
const ORDERS: Duration = Duration::from_secs(1);

/// Somebody who hears what is written into the journal, after it was written.
pub trait Observer<E> {
    /// An entry, and what it says to people.
    fn entry(&mut self, entry: &E, words: Option<&str>);

    /// Something that is not in the journal: for people, at once.
    fn say(&mut self, text: &str);
}

/// Why something cannot be carried on. Its journal is as safe as it was.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// The journal.
    #[error("the journal cannot be kept, so nothing more is done: {0}")]
    Journal(#[from] EntryDirError),
    /// Signals.
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
}

/// The signals of a process, and when it last looked for orders.
pub(super) struct Attention {
    signals: Signals,
    /// Times that Ctrl-C was pressed and something was let go on.
    pub interrupts: u32,
    orders: Instant,
}

impl Attention {
    pub fn new() -> std::io::Result<Attention> {
        Ok(Attention { signals: Signals::new()?, interrupts: 0, orders: Instant::now() })
    }
}

/// A process that waits, and hears signals and orders meanwhile.
pub(super) trait Attend {
    /// Why it goes no further.
    type Halt;

    fn attention(&mut self) -> &mut Attention;

    /// A signal has come.
    fn signal(&mut self, signal: Signal) -> Result<(), Self::Halt>;

    /// It leaves because of a signal.
    fn leaves(&self, signal: Signal) -> Self::Halt;

    /// Takes up what was asked from another terminal.
    fn take_orders(&mut self) -> Result<(), Self::Halt>;

    /// Something for people, at once.
    fn say(&mut self, text: &str);

    /// Waits.
    async fn pause(&mut self, how_long: Duration) -> Result<(), Self::Halt> {
        self.during(tokio::time::sleep(how_long)).await
    }

    /// Waits for something.
    async fn during<T>(&mut self, what: impl Future<Output = T>) -> Result<T, Self::Halt> {
        tokio::pin!(what);
        loop {
            let attention = self.attention();
            let orders = attention.orders + ORDERS;
            tokio::select! {
                biased;
                signal = attention.signals.next() => self.signal(signal)?,
                () = tokio::time::sleep_until(orders) => {
                    self.attention().orders = Instant::now();
                    self.take_orders()?;
                }
                done = &mut what => return Ok(done),
            }
        }
    }

    /// The same for what must not be cut off by a stop in order: its end is awaited, and only who wants to leave at once leaves.
    async fn until_it_ends<T>(&mut self, what: impl Future<Output = T>) -> Result<T, Self::Halt> {
        let was = self.attention().interrupts;
        tokio::pin!(what);
        loop {
            let attention = self.attention();
            tokio::select! {
                biased;
                signal = attention.signals.next() => match signal {
                    Signal::Interrupt if attention.interrupts == was => {
                        attention.interrupts += 1;
                        self.say("It is waited until what has begun has ended. Ctrl-C again to leave at once (it can be resumed).");
                    }
                    other => return Err(self.leaves(other)),
                },
                done = &mut what => return Ok(done),
            }
        }
    }
}
