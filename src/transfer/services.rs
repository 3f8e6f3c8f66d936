//! The Services of a cluster, and which of them a text names.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Names of the Services of a cluster by namespace.
pub type Services = BTreeMap<String, BTreeSet<String>>;

/// The Services among objects.
pub fn services<'o>(objects: impl IntoIterator<Item = &'o Value>) -> Services {
    let text = |o: &Value, place: &str| o.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut services = Services::new();
    for o in objects.into_iter().filter(|o| o["kind"] == "Service" && o["apiVersion"] == "v1") {
        services.entry(text(o, "/metadata/namespace")).or_default().insert(text(o, "/metadata/name"));
    }
    services
}

/// The Services that a text names as hosts, by namespace and name: by their full names, or by their own where only a host can stand. `from` is the
/// namespace that the text is of.
pub fn services_named<'t>(text: &'t str, services: &Services, from: &'t str) -> BTreeSet<(&'t str, &'t str)> {
    let in_host = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    let is_service = |of: &str, name: &str| services.get(of).is_some_and(|names| names.contains(name));
    let (mut named, mut at) = (BTreeSet::new(), 0);
    while let Some(start) = text[at..].find(in_host).map(|found| at + found) {
        let end = text[start..].find(|c| !in_host(c)).map_or(text.len(), |found| start + found);
        at = end;
        let (host, before, after) = (&text[start..end], &text[..start], &text[end..]);
        let port = after.strip_prefix(':').is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()));
        let all = before.is_empty() && after.is_empty();
        if (port || all || before.ends_with("//") || before.ends_with('@')) && is_service(from, host) {
            named.insert((from, host));
        }
        // NAME.NAMESPACE, and NAME.NAMESPACE.svc with what follows.
        let mut parts = host.splitn(3, '.');
        if let (Some(name), Some(of), rest) = (parts.next(), parts.next(), parts.next())
            && rest.is_none_or(|r| r.starts_with("svc"))
            && is_service(of, name)
        {
            named.insert((of, name));
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a text of a namespace names the Service redis of shop.
    fn names_redis(text: &str, from: &str) -> bool {
        let services = Services::from([("shop".to_owned(), BTreeSet::from(["redis".to_owned()]))]);
        services_named(text, &services, from).contains(&("shop", "redis"))
    }

    #[test]
    fn services_are_named_as_hosts() {
        for (text, is) in [
            ("redis:6379", true),
            ("redis", true),
            ("http://redis/x", true),
            ("redis.shop", true),
            ("redis.shop.svc.cluster.local:1", true),
            ("redis.other", false),
            ("my-redis:6379", false),
            ("redis-old:6379", false),
            ("we use redis here", false),
            ("user:p@redis/0", true),
            ("a,redis:1", true),
        ] {
            assert_eq!(names_redis(text, "shop"), is, "{text}");
        }
        assert!(!names_redis("redis:6379", "web"), "another namespace");
        assert!(names_redis("redis.shop:6379", "web"));
    }
}
