//! A facts file to be filled in: what is known already, and for each fact what it is needed for and how to get it.

use super::facts::{FACTS, FACTS_VERSION, FactInfo};
use super::known::Known;
use serde_json::Value;

/// The facts file of what is known, every fact with a comment; what is not known is null.
pub fn skeleton(known: &Known) -> String {
    let mut text = format!(
        "# Facts of an ACK cluster for `nodeferry ack preflight DUMP --facts FILE`. The form: nodeferry schema ack-facts.\n\
         # null is \"not known\", and never passes. No credential belongs in here.\n\
         # Outputs of the commands that docs/ack.md lists can be given as they are instead: --output-of FILE.\n\
         ack_facts: {FACTS_VERSION}\n"
    );
    let value = serde_json::to_value(&known.facts).unwrap_or(Value::Null);
    let mut open: Vec<&str> = Vec::new();
    for info in FACTS {
        let path: Vec<&str> = info.path.split('.').collect();
        if path.first() == Some(&"masters") {
            // All facts of one master together, at the place of the first.
            if open.first() != Some(&"masters") {
                open = vec!["masters"];
                masters(&mut text, &value);
            }
            continue;
        }
        let (groups, key) = path.split_at(path.len() - 1);
        let common = open.iter().zip(groups).take_while(|(a, b)| a == b).count();
        for (depth, group) in groups.iter().enumerate().skip(common) {
            text.push_str(&format!("{}{group}:\n", "  ".repeat(depth)));
        }
        open = groups.to_vec();
        let found = value.pointer(&format!("/{}", path.join("/"))).unwrap_or(&Value::Null);
        fact(&mut text, groups.len(), key[0], info, found, known.source(&path));
    }
    text
}

fn masters(text: &mut String, value: &Value) {
    text.push_str("masters:\n");
    let none = serde_json::Map::new();
    let masters = value.get("masters").and_then(Value::as_object).unwrap_or(&none);
    let infos = FACTS.iter().filter(|f| f.path.starts_with("masters."));
    if masters.is_empty() {
        text.push_str("  # The dump shows no masters. For each, by the name of its node:\n  # NAME:\n");
        infos.for_each(|i| text.push_str(&format!("  #   {}: null\n", i.path.trim_start_matches("masters.*."))));
        text.truncate(text.trim_end().len());
        text.push('\n');
        // A mapping without entries.
        *text = text.replacen("masters:\n  #", "masters: {}\n  #", 1);
        return;
    }
    for (i, (name, master)) in masters.iter().enumerate() {
        text.push_str(&format!("  {}:\n", yaml(&Value::String(name.clone()))));
        for info in infos.clone() {
            let key = info.path.trim_start_matches("masters.*.");
            let found = master.get(key).unwrap_or(&Value::Null);
            match i {
                0 => fact(text, 2, key, info, found, None),
                // Explained once.
                _ => text.push_str(&format!("    {key}: {}\n", yaml(found))),
            }
        }
    }
}

fn fact(text: &mut String, depth: usize, key: &str, info: &FactInfo, value: &Value, source: Option<&str>) {
    let indent = "  ".repeat(depth);
    text.push_str(&format!("{indent}# Needed: {}.\n", info.needed));
    match source {
        Some(source) => text.push_str(&format!("{indent}# From {source}.\n")),
        None if value.is_null() => text.push_str(&format!("{indent}# Get it: {}\n", info.how)),
        None => {}
    }
    text.push_str(&format!("{indent}{key}: {}\n", yaml(value)));
}

/// A value on one line; JSON is YAML.
fn yaml(value: &Value) -> String {
    let plain = |text: &str| {
        let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
        let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
        first
            && !words.contains(&text.to_lowercase().as_str())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
    };
    match value {
        Value::String(text) if plain(text) => text.clone(),
        other => other.to_string(),
    }
}
