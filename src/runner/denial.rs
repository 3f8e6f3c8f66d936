//! Admission's word in a refusal: which webhook or policy denied a request, or failed when it was asked.
//!
//! The codes do not show it: a webhook denies with any code of its own, a policy with 422 or what it names, a webhook that does not answer makes a 500 as a
//! server in trouble does. The words do (apiserver `webhook/errors/statuserror.go`, `webhook/validating/dispatcher.go`, `policy/validating/plugin.go`,
//! v1.36.3).

use std::fmt;

/// What admission said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// A webhook denied the request.
    WebhookDenies(String),
    /// A webhook that must answer (`failurePolicy: Fail`) did not.
    WebhookFails(String),
    /// A ValidatingAdmissionPolicy denied it.
    PolicyDenies(String),
}

impl Denial {
    /// What a refusal's message says of it, if it is admission's.
    pub fn of(message: &str) -> Option<Denial> {
        let named = |before: &str, quote: char| {
            let rest = message.split_once(before)?.1;
            rest.split_once(quote).map(|(name, _)| name.to_owned())
        };
        if message.contains(" denied the request") {
            return named("admission webhook \"", '"').map(Denial::WebhookDenies);
        }
        if message.contains("failed calling webhook \"") {
            return named("failed calling webhook \"", '"').map(Denial::WebhookFails);
        }
        if message.contains(" denied request") {
            return named("ValidatingAdmissionPolicy '", '\'').map(Denial::PolicyDenies);
        }
        None
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denial::WebhookDenies(name) => write!(f, "admission webhook {name} denies it"),
            Denial::WebhookFails(name) => write!(f, "admission webhook {name} fails"),
            Denial::PolicyDenies(name) => write!(f, "admission policy {name} denies it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admission_is_known_by_its_words() {
        for (message, said) in [
            (
                "admission webhook \"guard.example.com\" denied the request: not today",
                "admission webhook guard.example.com denies it",
            ),
            (
                "Internal error occurred: failed calling webhook \"guard.example.com\": failed to call webhook: Post \"https://10.0.0.1/x?timeout=10s\": dial tcp: connection refused",
                "admission webhook guard.example.com fails",
            ),
            (
                "pods \"web-1\" is forbidden: ValidatingAdmissionPolicy 'no-evictions' with binding 'all' denied request: not today",
                "admission policy no-evictions denies it",
            ),
        ] {
            assert_eq!(Denial::of(message).map(|d| d.to_string()).as_deref(), Some(said));
        }
        for message in [
            "",
            "Internal error occurred: etcdserver: request timed out",
            "pods \"a\" is forbidden: User \"u\" cannot create resource \"pods/eviction\"",
            "Cannot evict pod as it would violate the pod's disruption budget.",
            "admission webhook \"x denied the request",
        ] {
            assert_eq!(Denial::of(message), None, "{message}");
        }
    }
}
