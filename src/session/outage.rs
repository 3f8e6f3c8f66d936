//! Trouble with the API server, or with what is between, told when it begins and when it is over, and not for every call that it befalls.

use crate::runner::Ms;
use crate::runner::count;
use crate::trace::time::words;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No answers come.
    Silence,
    /// What comes is no answer.
    Foreign,
}

/// Calls that are not answered, or answered with trouble of the server's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    kind: Kind,
    since: Option<Ms>,
    last: Ms,
    calls: usize,
}

impl Outage {
    /// Of answers that do not come.
    pub const SILENCE: Outage = Outage { kind: Kind::Silence, since: None, last: 0, calls: 0 };
    /// Of answers that are none: a proxy's page, an object of another kind.
    pub const FOREIGN: Outage = Outage { kind: Kind::Foreign, since: None, last: 0, calls: 0 };

    /// It is over once answers come and nothing went wrong for so long (C). What is answered with something foreign may be
    /// a single kind of request, asked for again every ten seconds or, in a retirement, twenty; the others say nothing of it.
    fn quiet_ms(self) -> Ms {
        match self.kind {
            Kind::Silence => 2_000,
            Kind::Foreign => 30_000,
        }
    }
    /// Whether it has begun and is not over.
    pub fn is_under_way(&self) -> bool {
        self.since.is_some()
    }
    /// A call is in trouble; what to tell of it, if it is the first.
    pub fn trouble(&mut self, now: Ms, what: &str) -> Option<String> {
        let first = self.since.is_none();
        if first {
            *self = Outage { since: Some(now), last: now, calls: 0, ..*self };
        }
        (self.last, self.calls) = (now, self.calls + 1);
        first.then(|| match self.kind {
            Kind::Silence => format!("the API server is in trouble: {what}; it is asked again until it answers"),
            Kind::Foreign => format!(
                "this is no answer of the API server: {what}; nothing is concluded from it, and it is asked again \
                 (does a proxy or a login page stand between us and the API server?)"
            ),
        })
    }
    /// A call was answered; what to tell, if that is the end of the trouble.
    pub fn answered(&mut self, now: Ms) -> Option<String> {
        let since = self.since.filter(|_| now - self.last >= self.quiet_ms())?;
        self.since = None;
        let lasted = |until: Ms| words((until - since).max(0).unsigned_abs());
        Some(match self.kind {
            Kind::Silence => format!(
                "the API server answers again after {}; {} went unanswered",
                lasted(now),
                count(self.calls, "call")
            ),
            Kind::Foreign => format!(
                "the answers are the API server's again: {} within {} were answered with something else",
                count(self.calls, "call"),
                lasted(self.last)
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_once_when_it_begins_and_once_when_it_is_over() {
        let mut o = Outage::SILENCE;
        assert_eq!(o.answered(0), None);
        let begins = o.trouble(1_000, "evict default/web-1: no answer: refused").expect("it begins");
        assert!(begins.contains("evict default/web-1: no answer: refused"), "{begins}");
        assert_eq!(o.trouble(1_500, "evict default/web-2: no answer: refused"), None);
        // One that was under way is answered in the middle of it.
        assert_eq!(o.answered(1_600), None);
        assert_eq!(o.trouble(9_000, "evict default/web-1: 503: "), None);
        let over = o.answered(11_000).expect("it is over");
        assert_eq!(over, "the API server answers again after 10 s; 3 calls went unanswered");
        assert_eq!(o.answered(12_000), None);
        assert!(o.trouble(20_000, "x").is_some());
    }

    #[test]
    fn answers_that_are_none_are_told_by_themselves() {
        let mut o = Outage::FOREIGN;
        let begins = o.trouble(1_000, "list pods of node a: the answer is no PodList: 200 text/html").expect("begins");
        assert!(begins.contains("list pods of node a") && begins.contains("nothing is concluded"), "{begins}");
        // What else is asked is answered all the time.
        assert_eq!(o.answered(9_000), None);
        assert_eq!(o.trouble(11_000, "list pods of node a"), None);
        let over = o.answered(41_000).expect("it is over");
        assert_eq!(
            over,
            "the answers are the API server's again: 2 calls within 10 s were answered with something else"
        );
    }
}
