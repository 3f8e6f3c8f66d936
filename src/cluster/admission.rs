//! What the API server asks before it creates a pod: admission webhooks that refuse when nobody answers, and quotas.

use super::ids::NsIdx;
use super::intern::{Interner, Sym};
use super::labels::{Labels, Selector};

/// An admission webhook of a Service in the cluster that refuses what it is asked about when no backend answers (`failurePolicy: Fail`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its configuration: `MutatingWebhookConfiguration/name`.
    pub config: String,
    /// Its name.
    pub name: String,
    /// Namespace of its Service.
    pub namespace: NsIdx,
    /// `namespace/name` of its Service.
    pub service: String,
    /// The labels of its backends.
    pub backends: Labels,
    /// Labels of the namespaces in which it is asked.
    pub namespaces: Selector,
    /// Labels of the objects about which it is asked.
    pub objects: Selector,
    /// It is asked before a pod is created.
    pub creates: bool,
    /// It is asked before a pod is evicted.
    pub evicts: bool,
}

impl Webhook {
    /// Whether it is asked about a pod with `labels` in a namespace with `namespace_labels`.
    pub fn is_asked(&self, namespace_labels: &Labels, labels: &Labels, names: &Interner) -> bool {
        self.namespaces.matches(namespace_labels, names) && self.objects.matches(labels, names)
    }

    /// Whether a pod of `namespace` with `labels` is one of its backends.
    pub fn is_backend(&self, namespace: NsIdx, labels: &Labels) -> bool {
        namespace == self.namespace && self.backends.iter().all(|(k, v)| labels.get(k) == Some(v))
    }
}

/// A ResourceQuota without scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Namespace.
    pub namespace: NsIdx,
    /// Name.
    pub name: Sym,
    /// What it limits, how much may be used and how much is: cpu in milli, others in whole units.
    pub limits: Vec<(String, i64, i64)>,
}
