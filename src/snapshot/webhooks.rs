//! Admission webhooks that refuse when nobody answers.

use super::builder::Builder;
use super::wire::policy::{Webhook as WireWebhook, WebhookConfiguration, WebhookRule};
use super::wire::scalar::Text;
use super::wire::selector::LabelSelector;
use crate::cluster::*;

impl Builder {
    /// Keeps the webhooks that refuse pods, or their evictions, while no backend answers. One outside of the cluster is left out.
    pub(super) fn read_webhooks(&mut self, kind: &str, configuration: &WebhookConfiguration<'_>) {
        for hook in configuration.webhooks.iter() {
            let config = format!("{kind}/{}", &*configuration.metadata.name);
            let webhook = self.webhook(config, hook);
            self.catalog.inventory.webhooks.extend(webhook);
        }
    }

    fn webhook(&mut self, config: String, hook: &WireWebhook<'_>) -> Option<Webhook> {
        let refuses = hook.failure_policy.as_deref().is_none_or(|p| p == "Fail");
        let asks = |subresource| hook.rules.iter().any(|r| is_about_pods(r, subresource));
        let (creates, evicts) = (asks(""), asks("eviction"));
        if !refuses || !(creates || evicts) {
            return None;
        }
        let reference = hook.client_config.service.as_ref()?;
        let namespace = self.namespace(&reference.namespace);
        let name = self.sym(&reference.name);
        let service = self.catalog.services.iter().find(|s| s.namespace == namespace && s.name == name)?;
        let backends = service.selector.clone()?;
        let mut selector = |s: &Option<LabelSelector<'_>>| match s {
            None => Selector::All(Vec::new()),
            some => self.selector(some.as_ref()),
        };
        let (namespaces, objects) = (selector(&hook.namespace_selector), selector(&hook.object_selector));
        Some(Webhook {
            config,
            name: hook.name.to_string(),
            namespace,
            service: format!("{}/{}", &*reference.namespace, &*reference.name),
            backends,
            namespaces,
            objects,
            conditions: hook.match_conditions.iter().map(|c| Condition::read(&c.expression)).collect(),
            creates,
            evicts,
            has_backends: false,
        })
    }
}

/// Notes which webhooks have backends among the pods of the dump.
pub(super) fn note_backends(webhooks: &mut [Webhook], catalog: &Catalog, state: &State) {
    for hook in webhooks {
        let is_backend = |p: &PodState| {
            let spec = &catalog.specs[p.spec];
            p.is_active() && hook.is_backend(spec.namespace, &spec.labels)
        };
        hook.has_backends = state.live_pods().any(|p| is_backend(&state.pods[p]));
    }
}

/// Whether a rule is about creating pods, or a subresource of them (kubernetes v1.36.3 `apiserver/pkg/admission/plugin/webhook/predicates/rules`).
fn is_about_pods(rule: &WebhookRule<'_>, subresource: &str) -> bool {
    let any = |list: &[Text<'_>], wanted: &str| list.iter().any(|t| &**t == "*" || &**t == wanted);
    let resource = |r: &Text<'_>| {
        let (name, sub) = r.split_once('/').map_or((&**r, ""), |(n, s)| (n, s));
        matches!(name, "*" | "pods") && (sub == subresource || (sub == "*" && (name == "*" || !subresource.is_empty())))
    };
    // Pods are in a namespace.
    let in_namespaces = rule.scope.as_deref() != Some("Cluster");
    in_namespaces && any(&rule.operations, "CREATE") && any(&rule.api_groups, "") && rule.resources.iter().any(resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_about_pods_are_not_those_about_their_evictions() {
        for (resources, pods, evictions) in [
            (r#"["pods"]"#, true, false),
            (r#"["*"]"#, true, false),
            (r#"["*/*"]"#, true, true),
            (r#"["pods/*"]"#, false, true),
            (r#"["pods/eviction"]"#, false, true),
            (r#"["deployments", "pods"]"#, true, false),
            (r#"["pods/exec"]"#, false, false),
        ] {
            let text = format!(r#"{{"operations": ["CREATE"], "apiGroups": [""], "resources": {resources}}}"#);
            let rule: WebhookRule<'_> = serde_json::from_str(&text).expect("a rule");
            assert_eq!((is_about_pods(&rule, ""), is_about_pods(&rule, "eviction")), (pods, evictions), "{resources}");
        }
        let other = r#"{"operations": ["UPDATE"], "apiGroups": ["*"], "resources": ["pods"]}"#;
        assert!(!is_about_pods(&serde_json::from_str(other).expect("a rule"), ""));
        let other = r#"{"operations": ["*"], "apiGroups": ["*"], "resources": ["*"], "scope": "Cluster"}"#;
        assert!(!is_about_pods(&serde_json::from_str(other).expect("a rule"), ""));
        let other = r#"{"operations": ["*"], "apiGroups": ["apps"], "resources": ["*"]}"#;
        assert!(!is_about_pods(&serde_json::from_str(other).expect("a rule"), ""));
    }
}
