//! Whether the Leases of a transfer are ours: what is asked before anything is sent.

use super::super::clock::Clock;
use crate::runner::Ms;
use std::sync::{Arc, Mutex, PoisonError};

/// How one Lease stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// `namespace/name`.
    pub(super) of: String,
    /// It is ours until this moment; None while it is not.
    pub(super) until: Option<Ms>,
    /// It is another's, or gone: nothing is sent any more.
    pub(super) lost: Option<String>,
    /// The API server refuses it.
    pub(super) refused: Option<String>,
    /// Why the latest try to renew it failed.
    pub(super) trouble: Option<String>,
    /// What a person should know.
    pub(super) note: Option<String>,
}

/// Why nothing may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotOurs {
    /// For good.
    Lost(String),
    /// Until a Lease is renewed.
    Waits(String),
}

/// What is asked before anything is sent.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) slots: Arc<[Mutex<Slot>]>,
    pub(super) clock: Clock,
}

impl Guard {
    /// Whether we may send.
    pub fn check(&self) -> Result<(), NotOurs> {
        let now = self.clock.now();
        let mut waits = None;
        for slot in self.slots.iter() {
            // One whose keeper broke off is as it was left, and lapses.
            let slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(why) = &slot.lost {
                return Err(NotOurs::Lost(why.clone()));
            }
            if slot.until.is_none_or(|until| now >= until) {
                let why = slot.trouble.as_ref().map_or(String::new(), |t| format!(": {t}"));
                waits = Some(format!("the Lease {} could not be renewed in time{why}", slot.of));
            }
        }
        waits.map_or(Ok(()), |why| Err(NotOurs::Waits(why)))
    }
}
