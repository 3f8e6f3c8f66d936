//! Trouble with the API server, told when it begins and when it is over, and not for every call that it befalls.

use crate::runner::Ms;
use crate::runner::count;
use crate::trace::time::words;

/// It is over once answers come and nothing was lost for so long (C).
const QUIET_MS: Ms = 2_000;

/// Calls that are not answered, or answered with trouble of the server's own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outage {
    since: Option<Ms>,
    last: Ms,
    calls: usize,
}

impl Outage {
    /// A call is in trouble; what to tell of it, if it is the first.
    pub fn trouble(&mut self, now: Ms, what: &str) -> Option<String> {
        let first = self.since.is_none();
        if first {
            *self = Outage { since: Some(now), last: now, calls: 0 };
        }
        (self.last, self.calls) = (now, self.calls + 1);
        first.then(|| format!("the API server is in trouble: {what}; it is asked again until it answers"))
    }
    /// A call was answered; what to tell, if that is the end of the trouble.
    pub fn answered(&mut self, now: Ms) -> Option<String> {
        let since = self.since.filter(|_| now - self.last >= QUIET_MS)?;
        self.since = None;
        let lasted = words((now - since).max(0).unsigned_abs());
        Some(format!("the API server answers again after {lasted}; {} went unanswered", count(self.calls, "call")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_once_when_it_begins_and_once_when_it_is_over() {
        let mut o = Outage::default();
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
}
