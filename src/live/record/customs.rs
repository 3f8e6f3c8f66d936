//! Custom resources that own pods: found by what the recorded objects name as their owners.

use super::super::client::{Client, ConnectError, foreign, refusal};
use super::kinds::RECORDED;
use super::list::{Listed, list};
use super::{LeftOut, Recorded, kind_text};
use crate::live::redact::Redaction;
use crate::session::Exchange;
use crate::session::answer::{self, Said};
use serde_json::Value;
use std::collections::BTreeSet;

/// Owners of owners are followed so far.
const DEPTH: u32 = 5;

/// Records every custom kind that owns something that is recorded.
pub(super) async fn record(
    client: &Client,
    recorded: &mut Recorded,
    redaction: &Redaction,
    tell: &mut dyn FnMut(&str),
) -> Result<(), ConnectError> {
    let kind = |o: &Value| Some((o["apiVersion"].as_str()?.to_owned(), o["kind"].as_str()?.to_owned()));
    let mut known: BTreeSet<(String, String)> = recorded.objects.iter().filter_map(kind).collect();
    let mut from = 0;
    for _ in 0..DEPTH {
        let owners = owners(&recorded.objects[from..]);
        from = recorded.objects.len();
        for (api_version, kind) in owners {
            if !known.insert((api_version.clone(), kind.clone())) {
                continue;
            }
            tell(&kind);
            let listed = match collection(client, &api_version, &kind).await {
                Ok(path) => list(client, &path, &api_version, &kind).await?,
                Err(why) => Listed::LeftOut(why),
            };
            match listed {
                Listed::Objects(mut objects, _) => {
                    objects.iter_mut().for_each(only_numbers);
                    recorded.add(objects, redaction);
                }
                Listed::LeftOut(why) => recorded.left_out.push(LeftOut { kind: kind_text(&api_version, &kind), why }),
            }
        }
        if from == recorded.objects.len() {
            break;
        }
    }
    Ok(())
}

/// What the objects name as controllers and is not recorded by itself. A kind of Kubernetes' own groups that we do not record (a CronJob)
/// owns no pod.
fn owners(objects: &[Value]) -> BTreeSet<(String, String)> {
    let references = objects.iter().filter_map(|o| o.pointer("/metadata/ownerReferences")?.as_array()).flatten();
    references
        .filter(|r| r["controller"] == true)
        .filter_map(|r| Some((r["apiVersion"].as_str()?.to_owned(), r["kind"].as_str()?.to_owned())))
        .filter(|(v, k)| {
            v.split('/').next().is_some_and(|g| g.contains('.'))
                && !RECORDED.iter().any(|r| r.kind == k && r.api_version == v)
        })
        .filter(|(v, _)| !v.split('/').next().is_some_and(|g| g.ends_with(".k8s.io")))
        .collect()
}

/// Where a kind's objects are, as the server's discovery tells.
async fn collection(client: &Client, api_version: &str, kind: &str) -> Result<String, String> {
    let discovery = Exchange::get(format!("/apis/{api_version}"));
    let read = |body: Value| match answer::is_of("v1", "APIResourceList", &body) {
        Ok(()) if body["resources"].is_array() => Ok(body),
        Ok(()) => Err("it has no resources".into()),
        Err(why) => Err(why),
    };
    let not_served = || format!("the server does not serve {api_version}");
    let body = match client.patiently(&discovery, true, |r| answer::take(r, "no APIResourceList", read)).await {
        Said::Is(body) => body,
        Said::Refused(r) if r.code == 404 => return Err(not_served()),
        Said::Refused(r) => return Err(refusal(&r)),
        Said::Unknown(u) if u.page_not_found => return Err(not_served()),
        Said::Unknown(u) => return Err(foreign(u)),
    };
    let resources = body["resources"].as_array().map_or(&[][..], Vec::as_slice);
    let plural = resources.iter().find(|r| r["kind"] == kind && r["name"].as_str().is_some_and(|n| !n.contains('/')));
    let plural = plural.and_then(|r| r["name"].as_str()).ok_or_else(|| format!("{api_version} has no kind {kind}"))?;
    Ok(format!("/apis/{api_version}/{plural}"))
}

/// Leaves of a custom resource its metadata and its numbers: the reader wants replica counts, and the rest may be anything.
fn only_numbers(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    let stays = |name: &str| ["apiVersion", "kind", "metadata"].contains(&name);
    fields.retain(|name, value| stays(name) || value.is_number() || value.is_object());
    fields.iter_mut().filter(|(name, _)| !stays(name)).for_each(|(_, value)| prune(value));
}

fn prune(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, v| v.is_number() || v.is_object());
        fields.values_mut().for_each(prune);
        fields.retain(|_, v| v.as_object().is_none_or(|o| !o.is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_controllers_of_foreign_groups_are_looked_for() {
        let owned = |api: &str, kind: &str, controller: bool| json!({"metadata": {"ownerReferences": [{"apiVersion": api, "kind": kind, "controller": controller}]}});
        let found = owners(&[
            owned("apps/v1", "ReplicaSet", true),
            owned("batch/v1", "CronJob", true),
            owned("v1", "Node", true),
            owned("argoproj.io/v1alpha1", "Rollout", true),
            owned("example.com/v1", "Thing", false),
        ]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("argoproj.io/v1alpha1".to_owned(), "Rollout".to_owned())]);
    }

    #[test]
    fn of_a_custom_resource_only_numbers_stay() {
        let mut object = json!({"apiVersion": "a/v1", "metadata": {"name": "x"}, "spec": {"replicas": 2, "password": "p",
            "deep": {"list": [1], "text": "t"}}, "data": "secret"});
        only_numbers(&mut object);
        assert_eq!(object["spec"], json!({"replicas": 2}));
        assert_eq!(object["metadata"]["name"], "x");
        assert!(!object.to_string().contains("secret"));
    }
}
