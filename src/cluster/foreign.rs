//! Documents in another program's form that are kept word for word.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A document in another program's form (a Karpenter NodePool, a KubeSchedulerConfiguration), kept word for word and read by whoever
/// knows the form: an object, or a list of objects.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ForeignDocument(Value);

impl ForeignDocument {
    /// From its value; None if that is neither an object nor a list of objects.
    pub fn new(value: Value) -> Option<ForeignDocument> {
        let is_document = match &value {
            Value::Object(_) => true,
            Value::Array(items) => items.iter().all(Value::is_object),
            _ => false,
        };
        is_document.then_some(ForeignDocument(value))
    }

    /// Its value.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ForeignDocument {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let expected = || serde::de::Error::custom("expected an object, or a list of objects");
        ForeignDocument::new(Value::deserialize(d)?).ok_or_else(expected)
    }
}

impl JsonSchema for ForeignDocument {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ForeignDocument".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A document in another program's form, kept word for word.",
            "anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_objects_are_documents() {
        for good in [json!({"kind": "NodePool"}), json!([{"a": 1}, {}]), json!([])] {
            let read: ForeignDocument = serde_json::from_value(good.clone()).expect("a document");
            assert_eq!(serde_json::to_value(&read).expect("JSON"), good);
        }
        for bad in [json!(null), json!("text"), json!(5), json!([{"a": 1}, 2])] {
            let e = serde_json::from_value::<ForeignDocument>(bad.clone()).expect_err("no document").to_string();
            assert!(e.contains("expected an object"), "{bad}: {e}");
        }
    }
}
