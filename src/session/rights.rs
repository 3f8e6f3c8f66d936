//! Rights that go while an execution is under way.
//!
//! A role binding is deleted, a token expires: what is asked is answered 403 by the authorizer, or 401. The migration has not failed by that, and
//! nothing of it is given up: nothing more is sent but now and then a call that was refused, to see whether it is allowed again, and after a
//! time the process leaves, to be resumed. What admission denies is another thing: it says something of the request, not of us.

use super::answer::Refusal;
use crate::runner::Ms;
use crate::trace::time::words;
use std::collections::BTreeMap;

/// What was refused is tried again after so long, doubled each time up to the most (C).
const FIRST_MS: Ms = 2_000;
/// The most.
const MOST_MS: Ms = 20_000;
/// A watch that is open for so long without a refusal is allowed.
pub(super) const OPEN_MS: Ms = 5_000;

/// What is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Matter {
    /// To read and renew the Lease.
    Lease,
    /// To list a kind that is followed.
    List(usize),
    /// To watch it.
    Watch(usize),
    /// Calls of a sort: `evict pods in namespace shop`.
    Calls(String),
}

#[derive(Debug)]
struct Refused {
    text: String,
    times: u32,
    again_at: Ms,
}

/// What we are not allowed to do at present.
#[derive(Debug, Default)]
pub(super) struct Rights {
    refused: BTreeMap<Matter, Refused>,
    since: Ms,
}

impl Refusal {
    /// Whether we may not do it at all: the API server does not know us (401), or its authorizer refuses (403), and not admission, which has
    /// reasons of its own for either code. `writes`: it was a request that passes admission.
    ///
    /// An authorizer's refusal is worded `… is forbidden: User "…" cannot …` (apiserver `responsewriters.forbiddenMessage`), admission's
    /// `… is forbidden: ` and whatever the plugin says. What has neither form is taken for the authorizer's: to wait for a right that is not
    /// missing loses some minutes, to give up for one that is missing loses the migration.
    pub(crate) fn is_for_lack_of_rights(&self, writes: bool) -> bool {
        match self.code {
            401 => !self.is_denied(),
            403 if self.is_denied()
                || self.reason == "NamespaceTerminating"
                || self.cause.contains("being terminated") =>
            {
                false
            }
            403 => match self.message.split_once(" is forbidden: ") {
                Some((_, why)) if writes => why.starts_with("User "),
                _ => true,
            },
            _ => false,
        }
    }
}

impl Rights {
    /// Whether something is refused, so that nothing is sent.
    pub fn are_lacking(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Something was refused, in words; whether it is the first.
    pub fn refused(&mut self, now: Ms, matter: Matter, text: String) -> bool {
        let first = self.refused.is_empty();
        if first {
            self.since = now;
        }
        let of = self.refused.entry(matter).or_insert(Refused { text: String::new(), times: 0, again_at: now });
        // Many calls under way are refused together: that is once.
        if now >= of.again_at {
            of.again_at = now.saturating_add((FIRST_MS << of.times.min(10)).min(MOST_MS));
            of.times = of.times.saturating_add(1);
        }
        of.text = text;
        first
    }

    /// Something was not refused; how long something was, if nothing is any more.
    pub fn allowed(&mut self, now: Ms, matter: &Matter) -> Option<Ms> {
        self.refused.remove(matter)?;
        self.refused.is_empty().then(|| now.saturating_sub(self.since))
    }

    /// Nobody asks any more for calls of these sorts but `still`.
    pub fn keep(&mut self, now: Ms, still: impl Fn(&Matter) -> bool) -> Option<Ms> {
        let before = self.refused.len();
        self.refused.retain(|m, _| still(m));
        (before > 0 && self.refused.is_empty()).then(|| now.saturating_sub(self.since))
    }

    /// When calls of this sort may be tried again; None if they were not refused.
    pub fn again_at(&self, sort: &str) -> Option<Ms> {
        self.refused.get(&Matter::Calls(sort.to_owned())).map(|r| r.again_at)
    }

    /// Watches that are refused.
    pub fn watches(&self) -> impl Iterator<Item = usize> {
        self.refused.keys().filter_map(|m| if let Matter::Watch(i) = m { Some(*i) } else { None })
    }

    /// When it has lasted for so long.
    pub fn limit(&self, most: Ms) -> Option<Ms> {
        self.are_lacking().then(|| self.since.saturating_add(most))
    }

    /// What is refused, and for how long it was.
    pub fn words(&self, now: Ms) -> String {
        let mut all: Vec<&str> = self.refused.values().map(|r| r.text.as_str()).collect();
        all.dedup();
        let more = if all.len() > 3 { format!("; and {} more", all.len() - 3) } else { String::new() };
        let lasted = words(now.saturating_sub(self.since).max(0).unsigned_abs());
        format!("{}{more} (for {lasted})", all[..all.len().min(3)].join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::answer::testing::failure;
    use crate::session::answer::{Answered, Said, take};
    use crate::session::api::Response;

    fn refusal(code: u16, reason: &str, message: &str) -> Refusal {
        let mut body = failure(code, message);
        body["reason"] = reason.into();
        match take(Response::Http { status: code, retry_after_ms: None, body }, "", |_| {
            Err::<Answered, _>(String::new())
        }) {
            Said::Refused(r) => r,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_authorizers_refusal_is_told_from_that_of_admission() {
        for (code, message, of_reads, of_writes) in [
            (
                403,
                "pods \"a\" is forbidden: User \"ferry\" cannot create resource \"pods/eviction\" in API group \"\"",
                true,
                true,
            ),
            (
                403,
                "pods is forbidden: User \"\" cannot list resource \"pods\": requires one of [\"container.pods.list\"]",
                true,
                true,
            ),
            (403, "Forbidden", true, true),
            (403, "pods \"a\" is forbidden: exceeded quota: q", true, false),
            (403, "nodes \"n\" is forbidden: node \"n\" is not allowed to modify taints", true, false),
            (
                403,
                "pods \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
                false,
                false,
            ),
            (403, "admission webhook \"w\" denied the request: User \"x\" cannot do that now", false, false),
            (401, "Unauthorized", true, true),
            (401, "admission webhook \"w\" denied the request: no", false, false),
            (409, "Conflict", false, false),
            (
                422,
                "nodes \"n\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
                false,
                false,
            ),
        ] {
            let r = refusal(code, "Forbidden", message);
            assert_eq!(
                (r.is_for_lack_of_rights(false), r.is_for_lack_of_rights(true)),
                (of_reads, of_writes),
                "{message}"
            );
        }
        assert!(!refusal(403, "NamespaceTerminating", "no").is_for_lack_of_rights(true));
    }

    #[test]
    fn what_is_refused_is_tried_again_ever_more_rarely_and_ends_when_nothing_is() {
        let calls = || Matter::Calls("evict pods in namespace shop".into());
        let mut r = Rights::default();
        assert!(r.refused(0, calls(), "evict: 403".into()) && !r.refused(1, Matter::Lease, "lease: 403".into()));
        // Twenty others that had left together.
        assert!((0..20).all(|_| !r.refused(5, calls(), "evict: 403".into())));
        assert_eq!(r.again_at("evict pods in namespace shop"), Some(FIRST_MS));
        let mut now = FIRST_MS;
        for _ in 0..20 {
            r.refused(now, calls(), "evict: 403".into());
            now = r.again_at("evict pods in namespace shop").expect("refused");
        }
        assert_eq!(r.again_at("another sort"), None);
        assert_eq!(r.limit(60_000), Some(60_000));
        assert!(r.words(now).contains("evict: 403; ") || r.words(now).contains("; evict: 403"), "{}", r.words(now));
        assert_eq!(r.allowed(now, &calls()), None);
        assert_eq!(r.allowed(now, &Matter::Lease), Some(now));
        assert!(!r.are_lacking() && r.limit(1).is_none() && r.allowed(now, &Matter::Lease).is_none());
    }
}
