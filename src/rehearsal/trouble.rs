//! Trouble that lasts for a while and is not the network's: rights that are taken away, an admission webhook that denies or fails, watches that
//! end as soon as they have begun.

use super::status;
use crate::runner::Ms;
use crate::session::{Method, Request, Response, WatchEvent};

/// What is refused for lack of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    All,
    Evictions,
    NodeWrites,
    Lease,
    Reads,
    Lists,
    Watches,
}

/// A time without some rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Revoked {
    /// Until this moment.
    pub until: Ms,
    /// 403, or 401 where the server does not know us.
    code: u16,
    right: Right,
}

const RIGHTS: [Right; 8] = [
    Right::All,
    Right::All,
    Right::Evictions,
    Right::NodeWrites,
    Right::Lease,
    Right::Reads,
    Right::Lists,
    Right::Watches,
];

impl Revoked {
    /// One by a number, until a moment.
    pub fn of(until: Ms, number: u64) -> Revoked {
        let right = RIGHTS[(number % 8) as usize];
        let code = if right == Right::All && (number / 8).is_multiple_of(2) { 401 } else { 403 };
        Revoked { until, code, right }
    }

    /// Whether nothing is allowed any more.
    pub fn is_of_all(&self) -> bool {
        self.right == Right::All
    }

    /// Whether a request is refused.
    pub fn refuses(&self, request: &Request) -> bool {
        let exchange = match request {
            Request::Run(_) => return false,
            Request::Watch { .. } => return matches!(self.right, Right::All | Right::Watches),
            Request::Api(exchange) => exchange,
        };
        let is_lease = exchange.path.contains("/leases");
        match self.right {
            Right::All => true,
            Right::Evictions => exchange.path.ends_with("/eviction"),
            Right::NodeWrites => exchange.writes() && exchange.path.contains("/nodes/"),
            Right::Lease => is_lease,
            Right::Reads => exchange.method == Method::Get && !is_lease,
            Right::Lists => exchange.path.contains("limit="),
            Right::Watches => false,
        }
    }

    /// What the API server says.
    pub fn answer(&self) -> Response {
        match self.code {
            401 => status::failure(401, "Unauthorized", "Unauthorized"),
            code => status::failure(code, "Forbidden", Revoked::message()),
        }
    }

    /// The same to a watch.
    pub fn event(&self) -> WatchEvent {
        let message = if self.code == 401 { "Unauthorized".to_owned() } else { Revoked::message() };
        WatchEvent::Error { code: self.code, message }
    }

    fn message() -> String {
        format!("it is forbidden: {NOT_ALLOWED} resource \"it\" in API group \"\" at the cluster scope")
    }
}

/// How an authorizer's refusal is known.
pub(super) const NOT_ALLOWED: &str = "User \"ferry\" cannot touch";

/// A time in which an admission webhook stands before evictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Webhook {
    /// Until this moment.
    pub until: Ms,
    /// With this code it denies; None if it does not answer.
    denies: Option<u16>,
    /// Only every second pod is its business.
    half: bool,
}

impl Webhook {
    /// One by a number, until a moment.
    pub fn of(until: Ms, number: u64) -> Webhook {
        let denies = [None, Some(403), Some(400), Some(422)][(number % 4) as usize];
        Webhook { until, denies, half: (number / 4).is_multiple_of(2) }
    }

    /// What it says of a request, if that is its business.
    pub fn answer(&self, request: &Request) -> Option<Response> {
        let Request::Api(exchange) = request else { return None };
        if !exchange.path.ends_with("/eviction") || self.half && exchange.path.len().is_multiple_of(2) {
            return None;
        }
        Some(match self.denies {
            None => status::failure(
                500,
                "InternalError",
                "Internal error occurred: failed calling webhook \"guard.example.com\": failed to call webhook: Post \"https://guard.guard.svc:443/evict?timeout=10s\": no endpoints available for service \"guard\"",
            ),
            Some(code) => status::failure(
                code,
                "Forbidden",
                "admission webhook \"guard.example.com\" denied the request: not today",
            ),
        })
    }
}

/// A time in which every watch ends as soon as it has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flood {
    /// Since when.
    pub since: Ms,
    /// Until this moment.
    pub until: Ms,
    how: u64,
}

impl Flood {
    /// One by a number.
    pub fn of(since: Ms, until: Ms, number: u64) -> Flood {
        Flood { since, until, how: number % 4 }
    }

    /// What a watch that begins brings, its end last.
    pub fn events(&self, version: &str) -> Vec<WatchEvent> {
        let gone = |code| WatchEvent::Error { code, message: "too old resource version".into() };
        match self.how {
            0 => vec![gone(410)],
            1 => vec![WatchEvent::Closed(String::new())],
            2 => vec![WatchEvent::Bookmark(version.to_owned()), WatchEvent::Closed(String::new())],
            _ => vec![gone(500)],
        }
    }

    /// So many watches of one kind may be asked for within it, by as many processes: a reflector waits 0.8 s, 1.6 s, and so on up to 30 s.
    pub fn most(&self, processes: u32) -> u32 {
        let span = u32::try_from((self.until - self.since).max(0) / 30_000).unwrap_or(u32::MAX);
        8 * (processes + 1) + span + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Exchange;
    use crate::session::api::{LEASES, NODES, PODS};

    #[test]
    fn every_trouble_is_somebodys() {
        let exchange = |method, path: String| Request::Api(Exchange { method, path, body: None });
        let all = [
            exchange(Method::Post, format!("{}/eviction", PODS.object("d", "a"))),
            exchange(Method::Post, format!("{}/eviction", PODS.object("d", "ab"))),
            exchange(Method::Patch, NODES.object("", "n")),
            exchange(Method::Put, LEASES.object("d", "nodeferry")),
            exchange(Method::Get, PODS.object("d", "a")),
            exchange(Method::Get, "/api/v1/pods?limit=25".into()),
            Request::Watch { resource: PODS, resource_version: "1".into() },
        ];
        for number in 0..16 {
            let revoked = Revoked::of(1, number);
            let refused = all.iter().filter(|r| revoked.refuses(r)).count();
            assert!(refused > 0 && (revoked.is_of_all() == (refused == all.len())), "{revoked:?}: {refused}");
        }
        for number in 0..8 {
            let webhook = Webhook::of(1, number);
            let refused = all.iter().filter(|r| webhook.answer(r).is_some()).count();
            assert_eq!(refused, if webhook.half { 1 } else { 2 }, "{webhook:?}");
        }
        for number in 0..4 {
            assert!(Flood::of(0, 1, number).events("4").last().is_some_and(WatchEvent::is_last));
        }
        assert_eq!(Flood::of(0, 300_000, 0).most(1), 27);
    }
}
