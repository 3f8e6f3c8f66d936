//! Random budgets: every way to say how many, and which pods.

use super::world::Budget;
use crate::luck::Luck;
use serde_json::{Value, json};

/// A budget over the pods of one app, or over whatever it happens to select.
pub fn draw(luck: &mut Luck, namespace: &str, name: &str, app: Option<&str>, apps: &[String]) -> Budget {
    let mut spec = demand(luck);
    let selector = match app {
        Some(app) => json!({"matchLabels": {"app": app}}),
        None => selector(luck, apps),
    };
    if !selector.is_null() {
        spec["selector"] = selector;
    }
    if let Some(policy) = policy(luck) {
        spec["unhealthyPodEvictionPolicy"] = json!(policy);
    }
    Budget { namespace: namespace.to_owned(), object: json!({"metadata": {"name": name}, "spec": spec}) }
}

/// `unhealthyPodEvictionPolicy`.
pub fn policy(luck: &mut Luck) -> Option<&'static str> {
    match luck.between(0, 3) {
        0 => Some("AlwaysAllow"),
        1 => Some("IfHealthyBudget"),
        _ => None,
    }
}

/// `minAvailable` or `maxUnavailable`, rarely neither.
pub fn demand(luck: &mut Luck) -> Value {
    let amount = match luck.between(0, 19) {
        0 => json!("0%"),
        1 => json!("100%"),
        2 => json!("1%"),
        3 => json!("99%"),
        4 => json!("007%"),
        5..=8 => json!(format!("{}%", luck.between(2, 98))),
        9 => json!(luck.between(10, 2_000_000_000)),
        _ => json!(luck.between(0, 5)),
    };
    match luck.between(0, 29) {
        0 => json!({}),
        1..=15 => json!({"minAvailable": amount}),
        _ => json!({"maxUnavailable": amount}),
    }
}

/// A selector over the labels that pods have here; null for none at all.
pub fn selector(luck: &mut Luck, apps: &[String]) -> Value {
    let app = |luck: &mut Luck| apps[luck.between(0, apps.len() as i64 - 1) as usize].clone();
    let expression =
        |key: &str, operator: &str, values: Value| json!({"key": key, "operator": operator, "values": values});
    match luck.between(0, 13) {
        0 => Value::Null,
        1 | 2 => json!({}),
        3 | 4 => json!({"matchLabels": {"tier": luck.one(&["front", "back"])}}),
        5 => json!({"matchLabels": {"app": app(luck), "tier": luck.one(&["front", "back"])}}),
        6 => json!({"matchLabels": {"app": "nobody"}}),
        7 => json!({"matchExpressions": [expression("app", "In", json!([app(luck), app(luck)]))]}),
        8 => json!({"matchExpressions": [expression("app", "NotIn", json!([app(luck)]))]}),
        9 => json!({"matchExpressions": [{"key": "track", "operator": "Exists"}]}),
        10 => json!({"matchExpressions": [{"key": "track", "operator": "DoesNotExist"}]}),
        11 => json!({
            "matchLabels": {"tier": "back"},
            "matchExpressions": [expression("app", "NotIn", json!([app(luck)])), {"key": "app", "operator": "Exists"}],
        }),
        _ => json!({"matchLabels": {"app": app(luck)}}),
    }
}
