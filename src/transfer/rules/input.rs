//! What the input itself lacks.

use super::{Code, Found, Ground, Rule, Sink, code};
use crate::transfer::finding::Severity;
use crate::transfer::inventory::{Item, REDUCED};
use crate::transfer::object::ObjectId;
use serde_json::Value;

const PASSED_OVER: Code =
    code("transfer-passed-over", Severity::Note, "something in a directory is no object, and was not read");
const NAMESPACE: Code =
    code("transfer-namespace-assumed", Severity::Note, "a manifest names no namespace, and one is assumed");
const MADE: Code = code(
    "transfer-namespace-made",
    Severity::Note,
    "the input does not have the namespace of objects: it is made on the target by its name alone",
);
const PARTIAL: Code = code(
    "transfer-dump-without-configuration",
    Severity::Blocks,
    "a dump was not made for a transfer: environments, ConfigMaps and service accounts cannot be seen",
);
const REDUCED_VALUE: Code = code(
    "transfer-value-reduced",
    Severity::Blocks,
    "a value is not in the dump but for host names and ARNs in it: the object cannot be rendered from it",
);

/// The rule.
pub(super) const RULE: Rule =
    Rule { subject: "Input", codes: &[PASSED_OVER, NAMESPACE, MADE, PARTIAL, REDUCED_VALUE], judge };

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    for noticed in &g.inventory.noticed {
        let code = RULE.codes.iter().find(|c| c.code == noticed.code).unwrap_or(&PASSED_OVER);
        let item =
            Item { id: noticed.object.clone(), object: Value::Null, origin: noticed.origin.clone(), live: false };
        sink.add(Found::new(&item, code, noticed.message.clone()).remedy(noticed.remedy.clone()));
    }
    for (namespace, of) in super::namespaces_made(g.inventory) {
        let item = Item {
            id: ObjectId::new("v1", "Namespace", None, namespace),
            object: Value::Null,
            origin: of.origin.clone(),
            live: false,
        };
        let message = format!("{} and what else is in it need it", of.id);
        sink.add(Found::new(&item, &MADE, message).remedy(
            "give its manifest, where it has labels or annotations that matter (Pod Security, injection of sidecars)",
        ));
    }
    for item in g.moving() {
        let mut reduced = Vec::new();
        find(&item.object, String::new(), &mut reduced);
        if let Some(first) = reduced.first() {
            let more = match reduced.len() {
                1 => String::new(),
                n => format!(" (and {} more)", n - 1),
            };
            sink.add(
                Found::new(item, &REDUCED_VALUE, format!("the dump does not have the value{more}: only host names and ARNs of it were recorded"))
                    .at(first)
                    .remedy("give the manifest of the object beside the dump (from its repository, helm template, kustomize build); it stands before the dump"),
            );
        }
    }
}

fn find(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with(REDUCED) => found.push(at),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| find(v, format!("{at}/{i}"), found)),
        Value::Object(map) => {
            map.iter().for_each(|(k, v)| find(v, format!("{at}{}", super::super::edit::step(k)), found))
        }
        _ => {}
    }
}
