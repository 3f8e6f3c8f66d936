//! Why a request does not succeed, and what it may depend on.

use crate::disruption::Verdict;
use crate::runner::Answer;

/// What the API says to a write with an old resource version.
pub const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// What came of a write.
pub type Served = Result<(), Refusal>;

/// Why a request did not succeed.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The server went away before it answered: what became of the request is not known to whoever made it.
    NoAnswer,
    /// There is no such object (404).
    NotFound,
    /// The object of that name has another uid (409).
    OtherUid {
        /// The precondition's.
        wanted: String,
        /// The object's.
        found: String,
    },
    /// The object has another resource version (409).
    Modified,
    /// Admission or authorization does not let a node be cordoned, or uncordoned.
    Denied {
        /// HTTP status: 403, or 422 as a ValidatingAdmissionPolicy answers by default.
        code: u16,
        /// Cordoned, not uncordoned.
        cordon: bool,
    },
    /// The eviction subresource refuses: a budget, a namespace that is being deleted.
    Eviction(Verdict),
}

impl Refusal {
    /// The HTTP status; None if there is no answer.
    pub fn code(&self) -> Option<u16> {
        Some(match self {
            Refusal::NoAnswer => return None,
            Refusal::NotFound => 404,
            Refusal::OtherUid { .. } | Refusal::Modified => 409,
            Refusal::Denied { code, .. } => *code,
            Refusal::Eviction(verdict) => verdict.code,
        })
    }

    /// The `reason` of the `Status`; empty where it has none.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::NoAnswer => "",
            Refusal::NotFound => "NotFound",
            Refusal::OtherUid { .. } | Refusal::Modified => "Conflict",
            Refusal::Denied { code: 422, .. } => "Invalid",
            Refusal::Denied { .. } => "Forbidden",
            Refusal::Eviction(verdict) => verdict.reason.unwrap_or_default(),
        }
    }

    /// `retryAfterSeconds`, if the server says when to try again.
    pub fn retry_after_s(&self) -> Option<u32> {
        match self {
            Refusal::Eviction(verdict) => verdict.retry_after_s,
            _ => None,
        }
    }

    /// What the runner is answered.
    pub fn answer(&self) -> Answer {
        let message = match self {
            Refusal::NoAnswer => return Answer::Unknown,
            Refusal::NotFound => return Answer::Gone,
            Refusal::OtherUid { .. } => return Answer::UidChanged,
            Refusal::Modified => MODIFIED,
            Refusal::Denied { cordon: true, .. } => "cordoning is refused (a fault of the scenario)",
            Refusal::Denied { cordon: false, .. } => "uncordoning is refused (a fault of the scenario)",
            Refusal::Eviction(verdict) => verdict.message.as_deref().unwrap_or_default(),
        };
        Answer::Refused {
            code: self.code().unwrap_or_default(),
            reason: self.reason().to_owned(),
            cause: self.cause().to_owned(),
            message: message.to_owned(),
            retry_after_ms: self.retry_after_s().map(|s| i64::from(s) * 1000),
        }
    }

    /// The message of the first of the `Status`'s causes; empty if it has none.
    pub fn cause(&self) -> &str {
        match self {
            Refusal::Eviction(verdict) => verdict.causes.first().map_or("", |c| &c.message),
            _ => "",
        }
    }
}

/// What an object must be for a write to take place: another uid or version is a conflict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preconditions<'a> {
    /// Its uid.
    pub uid: Option<&'a str>,
    /// Its resource version, and the one that is stored: versions are kept by whoever serves the objects.
    pub version: Option<(&'a str, &'a str)>,
}

impl Preconditions<'_> {
    /// Holds them against an object of this uid.
    ///
    /// # Errors
    /// Says which does not hold: the uid goes first (apiserver `storage.Preconditions.Check`).
    pub fn check(&self, found: &str) -> Served {
        match (self.uid, self.version) {
            (Some(uid), _) if uid != found => {
                Err(Refusal::OtherUid { wanted: uid.to_owned(), found: found.to_owned() })
            }
            (_, Some((wanted, stored))) if wanted != stored => Err(Refusal::Modified),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uid_is_held_against_the_object_before_its_version() {
        let of = |uid, version| Preconditions { uid, version }.check("u1");
        assert_eq!(of(None, None), Ok(()));
        assert_eq!(of(Some("u1"), Some(("7", "7"))), Ok(()));
        assert_eq!(of(Some("u1"), Some(("7", "8"))), Err(Refusal::Modified));
        let other = Refusal::OtherUid { wanted: "u2".into(), found: "u1".into() };
        assert_eq!(of(Some("u2"), Some(("7", "8"))), Err(other));
    }

    #[test]
    fn a_runner_hears_of_what_is_gone_or_another_and_of_refusals_with_their_cause() {
        let other = Refusal::OtherUid { wanted: String::new(), found: String::new() };
        assert_eq!(other.answer(), Answer::UidChanged);
        assert_eq!((Refusal::NotFound.answer(), Refusal::NoAnswer.answer()), (Answer::Gone, Answer::Unknown));
        let Answer::Refused { code, reason, .. } = (Refusal::Denied { code: 422, cordon: true }).answer() else {
            panic!("it is refused")
        };
        assert_eq!((code, reason.as_str()), (422, "Invalid"));
    }
}
