//! Admission webhooks that refuse when nobody answers, and quotas.

use super::builder::Builder;
use super::wire::policy::{ResourceQuota, Webhook as WireWebhook, WebhookConfiguration, WebhookRule};
use super::wire::scalar::Text;
use super::wire::selector::LabelSelector;
use crate::cluster::*;

impl Builder {
    /// Keeps the webhooks that refuse pods, or their evictions, while no backend answers. One with conditions of its own (CEL) cannot be judged
    /// and is left out, as is one outside of the cluster.
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
        if !refuses || !hook.match_conditions.is_empty() || !(creates || evicts) {
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
            creates,
            evicts,
        })
    }

    /// Keeps a quota that holds for all pods of its namespace.
    pub(super) fn read_quota(&mut self, quota: &ResourceQuota<'_>) {
        if !quota.spec.scopes.is_empty() || quota.spec.scope_selector.is_some() {
            return;
        }
        let namespace = self.namespace(quota.metadata.ns());
        let name = self.sym(&quota.metadata.name);
        let amount = |key: &str, q: Quantity| if key.ends_with("cpu") { q.milli_value() } else { q.value() };
        let limits = quota.spec.hard.iter().filter_map(|(key, hard)| {
            let used = quota.status.used.iter().find(|(k, _)| **k == **key)?.1;
            Some((key.to_string(), amount(key, *hard), amount(key, used)))
        });
        let limits = limits.collect();
        self.catalog.inventory.quotas.push(Quota { namespace, name, limits });
    }
}

/// Whether a rule is about creating pods, or a subresource of them (kubernetes v1.36.3 `apiserver/pkg/admission/plugin/webhook/predicates/rules`).
fn is_about_pods(rule: &WebhookRule<'_>, subresource: &str) -> bool {
    let any = |list: &[Text<'_>], wanted: &str| list.iter().any(|t| &**t == "*" || &**t == wanted);
    let resource = |r: &Text<'_>| {
        let (name, sub) = r.split_once('/').map_or((&**r, ""), |(n, s)| (n, s));
        matches!(name, "*" | "pods") && (sub == subresource || (sub == "*" && (name == "*" || !subresource.is_empty())))
    };
    any(&rule.operations, "CREATE") && any(&rule.api_groups, "") && rule.resources.iter().any(resource)
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
        let other = r#"{"operations": ["*"], "apiGroups": ["apps"], "resources": ["*"]}"#;
        assert!(!is_about_pods(&serde_json::from_str(other).expect("a rule"), ""));
    }
}
