use super::*;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Every shape that documents have.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Shapes {
    text: String,
    maybe: Option<String>,
    byte: u8,
    whole: i64,
    huge: u64,
    part: f64,
    yes: bool,
    unit: (),
    list: Vec<Shapes>,
    pair: Option<(u32, String)>,
    map: BTreeMap<String, i32>,
    by_number: BTreeMap<u16, bool>,
    kind: Option<Kind>,
    tagged: Option<Tagged>,
    either: Option<Either>,
    any: Value,
    wrapped: Wrapped,
    letter: Option<char>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Wrapped(i16);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Plain,
    One(u8),
    Two(u8, bool),
    Named { deep: Option<Box<Shapes>>, must: u8 },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
enum Tagged {
    Size { n: u32 },
    Nothing,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(u32),
    Named { name: String },
}

fn plain(what: String) -> String {
    what.rsplit_once(" at line ").map_or(what.clone(), |(what, _)| what.to_owned())
}

/// What serde_json and serde_path_to_error say of a value.
fn reference(value: &Value) -> Result<Shapes, (String, String)> {
    serde_path_to_error::deserialize(value).map_err(|e| (e.path().to_string(), plain(e.inner().to_string())))
}

/// Where a list stands for an object, serde takes its items for the fields.
fn is_list_for_object(e: &Misfit) -> bool {
    e.what.starts_with("invalid type: sequence, expected struct")
        || e.what.starts_with("invalid type: sequence, expected newtype")
}

fn same(value: &Value) {
    let text = [value.to_string(), serde_json::to_string_pretty(value).expect("JSON")];
    let ours = [from_value::<Shapes>(value), from_text(&text[0]), from_json(text[1].as_bytes())];
    let reference = reference(value);
    for ours in ours {
        match (&ours, &reference) {
            (Err(e), _) if is_list_for_object(e) => {}
            (Ok(ours), Ok(reference)) => assert_eq!(ours, reference, "{value}"),
            // A key that is no number has no name there.
            (Err(ours), Err((path, what))) if path.ends_with('?') => assert_eq!(&ours.what, what, "{value}"),
            (Err(ours), Err((path, what))) => assert_eq!((&ours.path, &ours.what), (path, what), "{value}"),
            _ => panic!("{value}: {ours:?}, but serde_json: {reference:?}"),
        }
    }
}

fn sample() -> Value {
    json!({
        "text": "a \"b\" \\ \n ü", "maybe": null, "byte": 7, "whole": -3, "huge": u64::MAX, "part": 0.1, "yes": true,
        "unit": null, "list": [{"text": "x"}, {"list": [{"byte": 1}]}], "pair": [1, "b"], "map": {"a": 1, "b\"c": -2},
        "by_number": {"5": true}, "kind": {"named": {"deep": {"kind": "plain"}, "must": 1}}, "tagged": {"by": "size", "n": 3},
        "either": {"name": "x"}, "any": [1, {"a": [null, 1.5, "ü"]}], "wrapped": 4, "letter": "l",
    })
}

/// Values with something else at one place each.
fn altered(value: &Value, out: &mut Vec<Value>) {
    let others = [
        json!(null),
        json!(true),
        json!(5),
        json!(-5),
        json!(70_000),
        json!(1.5),
        json!(1e300),
        json!("x"),
        json!("l\n"),
        json!("plain"),
        json!([]),
        json!([1, 2, 3]),
        json!({}),
        json!({"one": 1}),
        json!({"two": [1, true]}),
        json!({"two": [1]}),
        json!({"plain": null}),
        json!({"plain": 1}),
        json!({"one": 1, "two": 2}),
        json!({"by": "nothing"}),
        json!({"by": "other"}),
        json!({"named": {"must": 1, "more": 2}}),
        json!({"unknown": 1}),
    ];
    out.extend(others);
    match value {
        Value::Array(items) => {
            for i in 0..items.len() {
                let mut inner = Vec::new();
                altered(&items[i], &mut inner);
                out.extend(inner.into_iter().map(|v| {
                    let mut items = items.clone();
                    items[i] = v;
                    Value::Array(items)
                }));
            }
        }
        Value::Object(fields) => {
            for key in fields.keys() {
                let mut inner = Vec::new();
                altered(&fields[key], &mut inner);
                out.extend(inner.into_iter().map(|v| {
                    let mut fields = fields.clone();
                    fields[key] = v;
                    Value::Object(fields)
                }));
                let mut without = fields.clone();
                without.remove(key);
                out.push(Value::Object(without));
            }
            let mut more = fields.clone();
            more.insert("surplus".into(), json!({"a": [1]}));
            out.push(Value::Object(more));
        }
        _ => {}
    }
}

#[test]
fn reads_and_complains_as_serde_json_does() {
    same(&sample());
    let mut all = Vec::new();
    altered(&sample(), &mut all);
    assert!(all.len() > 800, "{}", all.len());
    all.iter().for_each(same);
}

#[test]
fn a_fault_has_its_place_in_the_text() {
    let at = |text: &str| from_json::<Shapes>(text.as_bytes()).map_err(|e| (e.to_string(), e.path)).unwrap_err();
    let of_serde = |text: &str| {
        let mut json = serde_json::Deserializer::from_str(text);
        let e = serde_path_to_error::deserialize::<_, Shapes>(&mut json).unwrap_err();
        (e.inner().to_string(), e.path().to_string())
    };
    for text in [
        "{\"text\": 5}",
        "{\n  \"list\": [\n    {\"byte\": 300}\n  ]\n}",
        "{\"list\": [{\"surplus\": 1}]}",
        "{\"map\": {\"a\": [1]}, \"text\": \"\"}",
        "{\"text\": {\"a\": 1}}",
        "{\"kind\": {\"named\": {}}}",
        "{\"text\": \"\\ud800\"}",
        "{\"part\": 1e999}",
        "{\"whole\": 9223372036854775808}",
    ] {
        let (ours, serde) = (at(text), of_serde(text));
        assert_eq!(ours.1, serde.1, "{text}");
        let what = |m: &str| m.rsplit_once(" at line ").map(|(what, _)| what.to_owned());
        assert_eq!(what(&ours.0), what(&serde.0), "{text}");
    }
    assert_eq!(at("{\"text\": 5}").0, of_serde("{\"text\": 5}").0);
    assert_eq!(at("{\n \"byte\": 300 }").0, of_serde("{\n \"byte\": 300 }").0);
}

#[test]
fn a_fault_in_the_syntax_is_named_with_the_field_it_stands_in() {
    for text in [
        "{\"list\": [{\"text\": }]}",
        "{\"map\": {\"a\": 1,}}",
        "{\"text\": \"a",
        "{\"yes\": tru}",
        "{\"yes\": true} x",
    ] {
        let ours = from_json::<Shapes>(text.as_bytes()).unwrap_err();
        let mut json = serde_json::Deserializer::from_str(text);
        match serde_path_to_error::deserialize::<_, Shapes>(&mut json) {
            Ok(_) => assert_eq!(ours.what, "trailing characters"),
            Err(e) => {
                let path = e.path().to_string();
                assert_eq!(ours.path, path.trim_end_matches(".?"), "{text}");
                assert_eq!(ours.to_string(), e.inner().to_string(), "{text}");
            }
        }
    }
    // The fault in the type comes first.
    let ours = from_json::<Shapes>(b"{\"text\": 5, \"map\": }").unwrap_err();
    assert_eq!(ours.to_string(), "invalid type: integer `5`, expected a string at line 1 column 10");
    let ours = from_json::<Shapes>(b"{\"text\": \"\xff\"}").unwrap_err();
    assert!(ours.to_string().starts_with("invalid unicode code point at line 1"), "{ours}");
}

#[test]
fn a_list_is_no_object() {
    #[derive(Debug, Deserialize)]
    struct Fields {
        #[serde(default)]
        _a: Option<String>,
    }
    let e = from_text::<Fields>("[\"x\"]").unwrap_err();
    assert_eq!((&*e.path, &*e.what), (".", "invalid type: sequence, expected struct Fields"));
    assert!(from_value::<Fields>(&json!([])).is_err());
}

#[test]
fn deep_nesting_is_an_error() {
    let deep = "[".repeat(500) + &"]".repeat(500);
    let e = from_json::<Value>(deep.as_bytes()).unwrap_err();
    assert_eq!(e.what, "recursion limit exceeded");
    assert!(from_json::<de::IgnoredAny>(deep.as_bytes()).is_ok());
}

#[test]
fn texts_are_borrowed_where_they_hold_no_escapes() {
    #[derive(Deserialize)]
    struct Borrowed<'a> {
        text: &'a str,
    }
    let text = "{\"text\": \"a rather long text of more than eight bytes, with ü\"}";
    let read: Borrowed<'_> = from_text(text).expect("read");
    assert!(text.as_bytes().as_ptr_range().contains(&read.text.as_ptr()));
    assert!(from_text::<Borrowed<'_>>("{\"text\": \"a\\n\"}").is_err());
}

proptest! {
    /// Whatever the text is.
    #[test]
    fn never_panics(text in "[\\[\\]{}\",:0-9a-z\\\\ .\\-\nü]{0,40}") {
        let _ = from_text::<Shapes>(&text);
        let _ = from_text::<Value>(&text);
        let ours = from_json::<Value>(text.as_bytes());
        let serde = serde_json::from_str::<Value>(&text);
        prop_assert_eq!(ours.ok(), serde.ok());
    }

    #[test]
    fn numbers_are_read_exactly(n in any::<f64>().prop_filter("finite", |n| n.is_finite()), whole in any::<i64>()) {
        let text = serde_json::to_string(&n).expect("JSON");
        prop_assert_eq!(from_text::<f64>(&text).expect("a number").to_bits(), n.to_bits());
        prop_assert_eq!(from_text::<i64>(&whole.to_string()).expect("a number"), whole);
    }

    #[test]
    fn the_first_of_two_bytes_is_found(bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), any::<u8>()], 0..40)) {
        prop_assert_eq!(offset_of_two(&bytes, b'"', b'\\'), bytes.iter().position(|b| matches!(b, b'"' | b'\\')));
    }
}
