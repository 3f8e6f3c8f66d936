//! What a path and its query ask for.

use super::status;
use crate::session::Response;
use crate::session::api::{FOLLOWED, LEASES, NODE_CLAIMS, Resource};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The kinds that the simulated API serves.
pub const SERVED: &[Resource] = &{
    let mut all = [LEASES; 12];
    let mut i = 0;
    while i < FOLLOWED.len() {
        all[i] = FOLLOWED[i];
        i += 1;
    }
    all[i] = LEASES;
    all[i + 1] = NODE_CLAIMS;
    all
};

/// A path taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Kind.
    pub resource: Resource,
    /// Namespace; empty for all, or for a kind without.
    pub namespace: String,
    /// Name; None for the collection.
    pub name: Option<String>,
    /// `eviction`, `status`; None for the object itself.
    pub subresource: Option<String>,
    /// Query.
    pub query: BTreeMap<String, String>,
}

impl Target {
    /// Takes a path apart; None if nothing is served there.
    pub fn parse(path: &str) -> Option<Target> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query = query
            .split('&')
            .filter(|p| !p.is_empty())
            .map(|p| p.split_once('=').unwrap_or((p, "")))
            .map(|(k, v)| (decode(k), decode(v)))
            .collect();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (api_version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return None,
        };
        let served = |plural: &str| SERVED.iter().find(|r| r.api_version == api_version && r.plural == plural).copied();
        let (resource, namespace, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] if served(plural).is_some_and(|r| r.namespaced) => {
                (served(plural)?, *namespace, rest)
            }
            [plural, rest @ ..] => (served(plural)?, "", rest),
            [] => return None,
        };
        if resource.namespaced && namespace.is_empty() && !rest.is_empty() {
            return None;
        }
        let (name, subresource) = match rest {
            [] => (None, None),
            [name] => (Some((*name).to_owned()), None),
            [name, sub] => (Some((*name).to_owned()), Some((*sub).to_owned())),
            _ => return None,
        };
        Some(Target { resource, namespace: namespace.to_owned(), name, subresource, query })
    }
}

/// What the server says of what it serves: at `/apis` of all groups, at `/apis/apps/v1` of one.
pub fn discovered(path: &str) -> Option<Response> {
    let named: Vec<&Resource> = SERVED.iter().filter(|r| r.api_version.contains('/')).collect();
    if path == "/apis" {
        let versions: BTreeSet<&str> = named.iter().map(|r| r.api_version).collect();
        let group = |v: &str| json!({"name": v.split('/').next(), "versions": [{"groupVersion": v}]});
        let groups: Vec<Value> = versions.into_iter().map(group).collect();
        return Some(status::http(200, json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})));
    }
    let version = path.strip_prefix("/apis/")?;
    let of = |r: &&Resource| json!({"name": r.plural, "kind": r.kind, "namespaced": r.namespaced});
    let resources: Vec<Value> = named.iter().filter(|r| r.api_version == version).map(of).collect();
    let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources});
    (!resources.is_empty()).then(|| status::http(200, list))
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = (bytes[i] == b'%').then(|| text.get(i + 1..i + 3)).flatten();
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                i += 3;
            }
            None => {
                plain.push(if bytes[i] == b'+' { b' ' } else { bytes[i] });
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let t = |p: &str| Target::parse(p);
        let pod = t("/api/v1/namespaces/shop/pods/web-1/eviction?dryRun=All").expect("is served");
        assert_eq!((pod.resource.plural, pod.namespace.as_str(), pod.name.as_deref()), ("pods", "shop", Some("web-1")));
        assert_eq!((pod.subresource.as_deref(), pod.query["dryRun"].as_str()), (Some("eviction"), "All"));
        let list = t("/api/v1/pods?limit=2&fieldSelector=spec.nodeName%3Dold-1").expect("is served");
        assert_eq!((list.name, list.query["fieldSelector"].as_str()), (None, "spec.nodeName=old-1"));
        assert_eq!(t("/api/v1/namespaces/kube-system").and_then(|t| t.name).as_deref(), Some("kube-system"));
        assert_eq!(t("/apis/apps/v1/deployments").map(|t| t.resource.kind), Some("Deployment"));
        assert!(t("/api/v1/secrets").is_none() && t("/healthz").is_none() && t("/api/v1/pods/web-1").is_none());
    }
}
