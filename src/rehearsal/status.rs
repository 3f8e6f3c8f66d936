//! `Status` objects, as the API server answers when it does not answer with what was asked for.

use crate::disruption::Verdict;
use crate::runner::Ms;
use crate::session::{Response, answer};
use crate::sim::apiserver::{MODIFIED, Refusal};
use serde_json::{Value, json};

/// An answer with a status code and nothing else to say.
pub fn http(status: u16, body: Value) -> Response {
    Response::Http { status, retry_after_ms: None, body }
}

/// A failure.
pub fn failure(code: u16, reason: &str, message: impl Into<String>) -> Response {
    failure_after(code, reason, message, None)
}

/// A failure that says when to try again.
pub fn failure_after(code: u16, reason: &str, message: impl Into<String>, retry_after_ms: Option<Ms>) -> Response {
    let mut body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message.into(),
        "reason": reason, "code": code,
    });
    if let Some(ms) = retry_after_ms {
        body["details"] = json!({"retryAfterSeconds": ms / 1000});
    }
    Response::Http { status: code, retry_after_ms, body }
}

/// No such object. `resource` is the plural with its group, if it has one: `leases.coordination.k8s.io`.
pub fn not_found(resource: &str, name: &str) -> Response {
    let mut response = failure(404, "NotFound", format!("{resource} {name:?} not found"));
    if let Response::Http { body, .. } = &mut response {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        body["details"] = json!({"name": name, "kind": plural});
        if !group.is_empty() {
            body["details"]["group"] = group.into();
        }
    }
    response
}

/// A request that did not succeed. `resource` is the plural with its group, as in [`not_found`].
pub fn refused(resource: &str, name: &str, refusal: &Refusal) -> Response {
    let Some(code) = refusal.code() else {
        return Response::Lost("the connection was closed by the server".into());
    };
    let conflict = |why: &str| format!("Operation cannot be fulfilled on {resource} {name:?}: {why}");
    let message = match refusal {
        Refusal::NoAnswer | Refusal::NotFound => return not_found(resource, name),
        Refusal::OtherUid { wanted, found } => conflict(&format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({found}). The object might have been deleted and then recreated"
        )),
        Refusal::Modified => conflict(MODIFIED),
        // As a ValidatingAdmissionPolicy words it.
        Refusal::Denied { cordon: true, .. } => format!(
            "nodes {name:?} is forbidden: ValidatingAdmissionPolicy 'no-cordons' with binding 'no-cordons' denied request: nodes stay schedulable"
        ),
        Refusal::Denied { cordon: false, .. } => format!(
            "nodes {name:?} is forbidden: ValidatingAdmissionPolicy 'no-uncordons' with binding 'no-uncordons' denied request: nodes stay unschedulable"
        ),
        Refusal::Eviction(verdict) => verdict.message.clone().unwrap_or_default(),
    };
    let retry_after_ms = refusal.retry_after_s().map(|s| Ms::from(s) * 1000);
    let mut response = failure_after(code, refusal.reason(), message, retry_after_ms);
    if let (Response::Http { body, .. }, Refusal::Eviction(Verdict { causes, .. })) = (&mut response, refusal)
        && !causes.is_empty()
    {
        body["details"]["causes"] = json!(causes);
    }
    response
}

/// A resource version that is forgotten.
pub fn expired(message: &str) -> Response {
    failure(410, "Expired", message)
}

/// Nothing is served at this path.
pub fn no_such_path() -> Response {
    answer::read(404, None, Some("text/plain; charset=utf-8"), b"404 page not found\n")
}

/// Done, with nothing to show.
pub fn success(code: u16) -> Response {
    http(code, json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code}))
}
