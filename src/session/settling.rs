//! An API server that has just come back: it answers before it knows everybody's rights.
//!
//! Roles, bindings and accounts reach its authorizer by watches of its own. Until they have, it says 403 (`clusterrole … not found`, or nothing
//! but `is forbidden`) and 401 to who may do all of it, be it ready or not (`plugin/pkg/auth/authorizer/rbac/rbac.go`, v1.36.3). Within a while
//! of an outage that is therefore as good as a 503.

use super::answer::Answered;
use super::api::WatchEvent;
use crate::runner::Ms;

/// So long after the last sign of trouble a refusal is not believed (C).
const SETTLING_MS: Ms = 60_000;

/// When the API server was last in trouble.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settling {
    trouble_at: Option<Ms>,
}

impl Settling {
    fn is_settling(self, now: Ms) -> bool {
        self.trouble_at.is_some_and(|at| now - at < SETTLING_MS)
    }
    /// The answer as it is to be taken.
    pub fn answered(&mut self, now: Ms, answered: Answered) -> Answered {
        match answered {
            Answered::Refused(mut refusal) if matches!(refusal.code, 401 | 403) && self.is_settling(now) => {
                refusal.code = 503;
                Answered::Refused(refusal)
            }
            Answered::Unknown(_) => {
                self.trouble_at = Some(now);
                answered
            }
            Answered::Refused(refusal) => {
                if matches!(refusal.code, 502..=504) {
                    self.trouble_at = Some(now);
                }
                Answered::Refused(refusal)
            }
            other => other,
        }
    }
    /// The event of a watch as it is to be taken.
    pub fn watched(&mut self, now: Ms, event: WatchEvent) -> WatchEvent {
        match event {
            WatchEvent::Error { code: 401 | 403, message } if self.is_settling(now) => {
                WatchEvent::Error { code: 503, message }
            }
            WatchEvent::Closed(ref why) | WatchEvent::Foreign(ref why) if !why.is_empty() => {
                self.trouble_at = Some(now);
                event
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::answer::Unknown;
    use crate::session::answer::testing::refused;

    #[test]
    fn a_refusal_is_believed_unless_the_server_was_just_away() {
        let mut s = Settling::default();
        let lost = || Answered::Unknown(Unknown::lost("refused".into()));
        assert_eq!(s.answered(0, refused(403)), refused(403));
        assert_eq!(s.answered(10, lost()), lost());
        assert_eq!(s.answered(20, refused(403)), refused(503));
        assert_eq!(s.answered(SETTLING_MS + 9, refused(401)), refused(503));
        assert_eq!(s.answered(SETTLING_MS + 10, refused(401)), refused(401));
    }

    #[test]
    fn a_watch_that_breaks_is_trouble_and_one_that_ends_is_none() {
        let error = |code| WatchEvent::Error { code, message: String::new() };
        let mut s = Settling::default();
        s.watched(0, WatchEvent::Closed(String::new()));
        assert_eq!(s.watched(1, error(403)), error(403));
        s.watched(2, WatchEvent::Closed("reset".into()));
        assert_eq!(s.watched(3, error(403)), error(503));
        assert_eq!(s.watched(4, error(410)), error(410));
    }
}
