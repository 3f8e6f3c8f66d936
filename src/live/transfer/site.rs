//! One of the two clusters: objects by their names, whatever their kind, by what the API server says that it serves.

use super::super::client::Client;
use super::guard::Guard;
use crate::session::api::percent;
use crate::session::{Exchange, Method, Response};
use crate::transfer::ObjectId;
use crate::transfer::plan::TransferPlan;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Who applies.
pub(super) const MANAGER: &str = "nodeferry-transfer";
/// Group and version of Velero's objects.
const VELERO: &str = "velero.io/v1";

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The API server refuses.
    Refused { code: u16, message: String },
    /// It does not serve the kind, or not yet.
    NotServed(String),
    /// Nobody knows what came of it, or it is busy: asked again later.
    Unknown(String),
}

impl Problem {
    pub fn text(&self) -> String {
        match self {
            Problem::Refused { code, message } => format!("the API server answers {code}: {message}"),
            Problem::NotServed(kind) => format!("the API server serves no {kind}"),
            Problem::Unknown(why) => why.clone(),
        }
    }

    /// Whether it may be otherwise in a moment.
    pub fn passes(&self) -> bool {
        match self {
            Problem::Unknown(_) | Problem::NotServed(_) => true,
            Problem::Refused { code, .. } => matches!(code, 429 | 500 | 502..=504),
        }
    }
}

/// Where objects of a kind are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Served {
    api_version: String,
    plural: String,
    namespaced: bool,
}

/// How an object is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Apply {
    /// Fields that another manager owns are refused.
    Own,
    /// They are taken: the object is ours, whoever its fields name.
    Owned,
    /// Nothing is changed.
    DryRun,
}

/// A cluster.
#[derive(Clone)]
pub(super) struct Site {
    /// `source` or `target`.
    pub role: &'static str,
    pub client: Client,
    /// By group or, where an object names its version, that, and by kind; clones share it.
    served: Arc<Mutex<BTreeMap<(String, String), Served>>>,
    /// Asked before anything is changed.
    guard: Option<Guard>,
}

impl Site {
    pub fn new(role: &'static str, client: Client) -> Site {
        Site { role, client, served: Arc::default(), guard: None }
    }

    /// The same, which changes nothing while a Lease may be somebody else's.
    pub fn guarded(self, guard: Guard) -> Site {
        Site { guard: Some(guard), ..self }
    }

    async fn perform(&self, method: Method, path: String, body: Option<Value>) -> Result<Option<Value>, Problem> {
        if let Some(guard) = self.guard.as_ref().filter(|_| method != Method::Get) {
            guard.check()?;
        }
        let gets = method == Method::Get || method == Method::Delete;
        match self.client.perform(&Exchange { method, path, body }).await {
            Response::Http { status: 200..=299, body, .. } if body.is_object() => Ok(Some(body)),
            Response::Http { status, body, .. } if body["kind"] == "Status" => match status {
                404 if gets && body["reason"] == "NotFound" => Ok(None),
                _ => Err(Problem::Refused {
                    code: status,
                    message: body["message"].as_str().unwrap_or("it does not say why").to_owned(),
                }),
            },
            Response::Http { status, .. } => {
                Err(Problem::Unknown(format!("something answers {status} in the place of the API server")))
            }
            // How an API server says that it does not know a group or a version.
            Response::Foreign(f) if f.page_not_found => Err(Problem::NotServed("such kind".to_owned())),
            Response::Foreign(f) => {
                Err(Problem::Unknown(format!("something else answers in the place of the API server: {}", f.what)))
            }
            Response::Lost(why) => Err(Problem::Unknown(why)),
            _ => Err(Problem::Unknown("no answer".to_owned())),
        }
    }

    /// What the server says at a path.
    pub async fn raw(&self, path: &str) -> Result<Option<Value>, Problem> {
        self.perform(Method::Get, path.to_owned(), None).await
    }

    /// Where objects of a kind are; the API server is asked once for each group.
    async fn served(&self, group: &str, version: Option<&str>, kind: &str) -> Result<Served, Problem> {
        // An object is applied in its own version, and looked at in the one that the server prefers.
        let key = (version.unwrap_or(group).to_owned(), kind.to_owned());
        if let Some(served) = self.served.lock().ok().and_then(|s| s.get(&key).cloned()) {
            return Ok(served);
        }
        let api_version = match (group, version) {
            ("", _) => "v1".to_owned(),
            (_, Some(version)) => version.to_owned(),
            (group, None) => match self.perform(Method::Get, format!("/apis/{group}"), None).await {
                Ok(Some(found)) => {
                    let preferred = found.pointer("/preferredVersion/groupVersion").and_then(Value::as_str);
                    preferred.ok_or_else(|| Problem::NotServed(format!("{kind}.{group}")))?.to_owned()
                }
                Ok(None) | Err(Problem::NotServed(_) | Problem::Refused { code: 404, .. }) => {
                    return Err(Problem::NotServed(format!("{kind}.{group}")));
                }
                Err(e) => return Err(e),
            },
        };
        let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{api_version}") };
        let list = match self.perform(Method::Get, root, None).await {
            Ok(Some(list)) => list,
            Ok(None) | Err(Problem::NotServed(_) | Problem::Refused { code: 404, .. }) => {
                return Err(Problem::NotServed(format!("{kind} of {api_version}")));
            }
            Err(e) => return Err(e),
        };
        let resources = list["resources"].as_array().cloned().unwrap_or_default();
        let is_it = |r: &&Value| r["kind"] == kind && r["name"].as_str().is_some_and(|n| !n.contains('/'));
        let found =
            resources.iter().find(is_it).ok_or_else(|| Problem::NotServed(format!("{kind} of {api_version}")))?;
        let served = Served {
            api_version,
            plural: found["name"].as_str().unwrap_or_default().to_owned(),
            namespaced: found["namespaced"] == true,
        };
        if let Ok(mut known) = self.served.lock() {
            known.insert(key, served.clone());
        }
        Ok(served)
    }

    async fn collection(
        &self,
        group: &str,
        version: Option<&str>,
        kind: &str,
        ns: Option<&str>,
    ) -> Result<String, Problem> {
        let served = self.served(group, version, kind).await?;
        let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}", served.api_version) };
        Ok(match ns.filter(|_| served.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", served.plural),
            None => format!("{root}/{}", served.plural),
        })
    }

    async fn path(&self, id: &ObjectId, version: Option<&str>) -> Result<String, Problem> {
        let collection = self.collection(id.group(), version, id.kind(), id.namespace()).await?;
        Ok(format!("{collection}/{}", id.name()))
    }

    /// An object; None where there is none.
    pub async fn get(&self, id: &ObjectId) -> Result<Option<Value>, Problem> {
        match self.path(id, None).await {
            Ok(path) => self.perform(Method::Get, path, None).await,
            // What is not served is not there.
            Err(Problem::NotServed(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Objects of a kind in a namespace, or in all, by labels (`a=b,c in (d,e)`).
    pub async fn list(&self, group: &str, kind: &str, ns: Option<&str>, labels: &str) -> Result<Vec<Value>, Problem> {
        let collection = match self.collection(group, None, kind, ns).await {
            Ok(collection) => collection,
            Err(Problem::NotServed(_)) => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let (mut items, mut next) = (Vec::new(), String::new());
        loop {
            let path = format!("{collection}?limit=500&labelSelector={}&continue={next}", percent(labels));
            let page = self.perform(Method::Get, path, None).await?.unwrap_or_default();
            match page["items"].as_array() {
                Some(found) => items.extend(found.iter().cloned()),
                None => return Err(Problem::Unknown(format!("the answer is no list of {kind}"))),
            }
            match page.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default() {
                "" => return Ok(items),
                more => next = percent(more),
            }
        }
    }

    /// Applies an object by the server.
    pub async fn apply(&self, object: &Value, how: Apply) -> Result<(), Problem> {
        self.apply_as(object, how, MANAGER).await
    }

    /// Applies an object by the server under the name of a manager.
    pub async fn apply_as(&self, object: &Value, how: Apply, manager: &str) -> Result<(), Problem> {
        let id = ObjectId::of(object).ok_or_else(|| Problem::NotServed("object without kind and name".to_owned()))?;
        let path = self.path(&id, object["apiVersion"].as_str()).await?;
        let more = match how {
            Apply::Own => "",
            Apply::Owned => "&force=true",
            Apply::DryRun => "&dryRun=All",
        };
        let path = format!("{path}?fieldManager={manager}{more}");
        match self.perform(Method::Apply, path, Some(object.clone())).await? {
            Some(_) => Ok(()),
            None => Err(Problem::Unknown("no answer".to_owned())),
        }
    }

    /// Creates an object; None if there is one of its name already.
    pub async fn create(&self, object: &Value) -> Result<Option<Value>, Problem> {
        let id = ObjectId::of(object).ok_or_else(|| Problem::NotServed("object without kind and name".to_owned()))?;
        let collection = self.collection(id.group(), object["apiVersion"].as_str(), id.kind(), id.namespace()).await?;
        match self.perform(Method::Post, format!("{collection}?fieldManager={MANAGER}"), Some(object.clone())).await {
            Err(Problem::Refused { code: 409, .. }) => Ok(None),
            other => other,
        }
    }

    /// Changes fields of an object by a merge patch; None if it is not there.
    pub async fn merge(&self, id: &ObjectId, patch: &Value) -> Result<Option<Value>, Problem> {
        let path = format!("{}?fieldManager={MANAGER}", self.path(id, None).await?);
        match self.perform(Method::Patch, path, Some(patch.clone())).await {
            Err(Problem::Refused { code: 404, .. }) => Ok(None),
            other => other,
        }
    }

    /// Deletes an object, if it is still this one.
    pub async fn delete(&self, id: &ObjectId, uid: &str) -> Result<(), Problem> {
        let path = self.path(id, None).await?;
        let body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": {"uid": uid}});
        match self.perform(Method::Delete, path, Some(body)).await {
            // Another object has its name by now: ours is gone.
            Ok(_) | Err(Problem::Refused { code: 409, .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }
}

/// The name of an object of Velero.
pub(super) fn velero(namespace: &str, kind: &str, name: &str) -> ObjectId {
    ObjectId::new(VELERO, kind, Some(namespace), name)
}

/// The namespace of Velero, in both clusters.
pub(super) fn velero_namespace(plan: &TransferPlan) -> &str {
    match plan.velero.namespace.as_str() {
        "" => "velero",
        namespace => namespace,
    }
}

/// An object of Velero to be made.
pub(super) fn velero_object(namespace: &str, kind: &str, name: &str, execution: &str, spec: Value) -> Value {
    json!({
        "apiVersion": VELERO, "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": {EXECUTION_LABEL: execution}},
        "spec": spec,
    })
}

/// Label of what an execution has made.
pub(super) const EXECUTION_LABEL: &str = "nodeferry.io/execution";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::testing::{Server, ok, runtime};
    use std::time::Duration;

    #[test]
    fn an_object_is_applied_in_its_own_version_whatever_the_server_prefers() {
        let answer = |request: &str| match request.split(['?', ' ']).nth(1).unwrap_or_default() {
            "/apis/autoscaling" => ok(&json!({"kind": "APIGroup", "apiVersion": "v1", "name": "autoscaling",
                "preferredVersion": {"groupVersion": "autoscaling/v2", "version": "v2"}})),
            "/apis/autoscaling/v1" | "/apis/autoscaling/v2" => {
                ok(&json!({"kind": "APIResourceList", "apiVersion": "v1", "resources": [
                {"kind": "HorizontalPodAutoscaler", "name": "horizontalpodautoscalers", "namespaced": true}]}))
            }
            _ => ok(
                &json!({"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v1", "metadata": {"name": "web"}}),
            ),
        };
        let object = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "shop"}});
        let id = ObjectId::of(&object).expect("a name");
        let asked = runtime().block_on(async {
            let server = Server::answering(answer).await;
            let site = Site::new("target", Client::plain(&server.url, Duration::from_secs(5)));
            assert!(site.get(&id).await.expect("an answer").is_some());
            site.apply(&object, Apply::Own).await.expect("it is applied");
            server.requests()
        });
        let of = |version: &str| format!("/apis/autoscaling/{version}/namespaces/shop/horizontalpodautoscalers/web");
        assert!(asked.iter().any(|r| r.starts_with(&format!("GET {} ", of("v2")))), "{asked:?}");
        assert!(asked.iter().any(|r| r.starts_with(&format!("PATCH {}?", of("v1")))), "{asked:?}");
    }
}
