//! From text to items: JSON documents one after another, YAML documents, Lists and arrays taken apart.
//!
//! Documents are judged one by one. What a file of a directory or archive holds beside objects is noted and passed over; in a
//! file that was named it is an error.

use super::complaint::{self, plain};
use super::error::ReadError;
use super::kinds::{KNOWN, plural};
use super::wire::scalar::Text;
use crate::typed;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One object of the input, not decoded yet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    /// As JSON text.
    Json(&'a str),
    /// Already a value (YAML, generators).
    Value(&'a Value),
}

impl<'a> Raw<'a> {
    /// Decodes it; on failure the path of the field and the complaint.
    pub(crate) fn decode<T: Deserialize<'a>>(self) -> Result<T, (String, String)> {
        let read = match self {
            Raw::Json(text) => typed::from_text(text),
            Raw::Value(value) => typed::from_value(value),
        };
        read.map_err(|e| (e.path, plain(&e.what)))
    }
}

/// Where a text is from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'f> {
    /// The file's name.
    pub(crate) file: &'f str,
    /// Index of the source.
    pub(crate) source: usize,
    /// It was found in a directory or archive: what is no object is passed over.
    pub(crate) found: bool,
}

/// An object of the input and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    /// Index of the source.
    pub(crate) source: usize,
    /// Place in the source (`items[3]`, `document 2`).
    pub(crate) place: Place,
    /// Its text or value.
    pub(crate) raw: Raw<'a>,
    /// `apiVersion`.
    pub(crate) api_version: Text<'a>,
    /// `kind`.
    pub(crate) kind: Text<'a>,
}

/// What a source holds.
#[derive(Debug, Default)]
pub(crate) struct Contents<'a> {
    /// The objects.
    pub(crate) items: Vec<Item<'a>>,
    /// `apiVersion` and kind of which a list says that there are none.
    pub(crate) none_of: Vec<(String, String)>,
    /// Lists that say themselves that they are not whole.
    pub(crate) cut: Vec<CutList>,
    /// How many items the others have, by the list's kind.
    pub(crate) whole: Vec<(String, usize)>,
    /// What is no object and was passed over: the place and what is wrong.
    pub(crate) odd: Vec<String>,
}

/// A list of which the server gave a part only: its `metadata.continue` is set.
#[derive(Debug)]
pub(crate) struct CutList {
    /// Its kind.
    pub(crate) kind: String,
    /// The file and the place in it.
    pub(crate) place: String,
    /// How many items came.
    pub(crate) items: usize,
    /// How many more there are, where the server said so.
    pub(crate) remaining: Option<i64>,
}

/// Lists and arrays within one another are taken apart so deep.
const DEEPEST: usize = 3;

/// Where an object stands in its source.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    document: usize,
    steps: [Step; DEEPEST],
}

/// A step into a document.
#[derive(Clone, Copy, Debug, Default)]
enum Step {
    /// None.
    #[default]
    Here,
    /// An item of a List.
    Item(usize),
    /// An element of an array.
    Element(usize),
}

impl Place {
    fn document(document: usize) -> Place {
        Place { document, ..Place::default() }
    }

    /// A step further; None where it is deep enough.
    fn within(mut self, step: Step) -> Option<Place> {
        let free = self.steps.iter_mut().find(|s| matches!(s, Step::Here))?;
        *free = step;
        Some(self)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = matches!(self.steps[0], Step::Here);
        if whole || self.document > 0 {
            write!(f, "document {}{}", self.document + 1, if whole { "" } else { ", " })?;
        }
        for (i, step) in self.steps.iter().enumerate() {
            match step {
                Step::Here => {}
                Step::Item(n) => write!(f, "{}items[{n}]", if i == 0 { "" } else { "." })?,
                Step::Element(n) => write!(f, "[{n}]")?,
            }
        }
        Ok(())
    }
}

/// The outermost fields of a document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Top<'a> {
    #[serde(borrow, default)]
    api_version: Text<'a>,
    #[serde(borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    items: Items<'a>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
}

/// `items` where it is a list; whatever else a custom resource calls so is passed over.
#[derive(Default)]
enum Items<'a> {
    #[default]
    Absent,
    List(Vec<&'a RawValue>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Items<'a>, D::Error> {
        struct V<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> serde::de::Visitor<'de> for V<'a> {
            type Value = Items<'a>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list")
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<Items<'a>, E> {
                Ok(Items::List(Vec::new()))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'a>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Items::List(items))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Items<'a>, A::Error> {
                while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
                Ok(Items::Absent)
            }
            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Items<'a>, E> {
                Ok(Items::Absent)
            }
            fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Items<'a>, E> {
                Ok(Items::Absent)
            }
            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Items<'a>, E> {
                Ok(Items::Absent)
            }
            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Items<'a>, E> {
                Ok(Items::Absent)
            }
            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Items<'a>, E> {
                Ok(Items::Absent)
            }
        }
        deserializer.deserialize_any(V(std::marker::PhantomData))
    }
}

/// The fields of a list's metadata that say whether it is whole (Kubernetes API concepts, "Retrieving large results sets in chunks").
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMeta<'a> {
    #[serde(borrow, rename = "continue")]
    token: Text<'a>,
    remaining_item_count: Option<i64>,
}

/// A document that has been looked at: of a list its items, of anything else itself.
enum Opened<'a> {
    Nothing,
    Array(Vec<Raw<'a>>),
    Object {
        api_version: Text<'a>,
        kind: Text<'a>,
        items: Option<Vec<Raw<'a>>>,
        metadata: Option<Raw<'a>>,
        whole: Raw<'a>,
    },
    Scalar,
}

impl<'a> Top<'a> {
    fn opened(self, whole: &'a str) -> Opened<'a> {
        let items = match self.items {
            Items::Absent => None,
            Items::List(list) => Some(list.into_iter().map(|i| Raw::Json(i.get())).collect()),
        };
        let metadata = self.metadata.map(|m| Raw::Json(m.get()));
        Opened::Object { api_version: self.api_version, kind: self.kind, items, metadata, whole: Raw::Json(whole) }
    }
}

impl<'a> Raw<'a> {
    fn is_null(self) -> bool {
        match self {
            Raw::Json(text) => text.trim() == "null",
            Raw::Value(value) => value.is_null(),
        }
    }

    /// Looks at an element of an array, which may be an object, a List or another array.
    fn open(self) -> Result<Opened<'a>, String> {
        match self {
            Raw::Json(text) => {
                let failed = |e: serde_json::Error| plain(&e.to_string());
                match text.trim_start().as_bytes().first() {
                    Some(b'{') => Ok(serde_json::from_str::<Top<'a>>(text).map_err(failed)?.opened(text)),
                    Some(b'[') => {
                        let list: Vec<&'a RawValue> = serde_json::from_str(text).map_err(failed)?;
                        Ok(Opened::Array(list.into_iter().map(|i| Raw::Json(i.get())).collect()))
                    }
                    Some(b'n') => Ok(Opened::Nothing),
                    _ => Ok(Opened::Scalar),
                }
            }
            Raw::Value(Value::Null) => Ok(Opened::Nothing),
            Raw::Value(Value::Array(list)) => Ok(Opened::Array(list.iter().map(Raw::Value).collect())),
            Raw::Value(whole @ Value::Object(map)) => {
                let text = |key: &str| Text(map.get(key).and_then(Value::as_str).unwrap_or("").into());
                let items = match map.get("items") {
                    Some(Value::Array(list)) => Some(list.iter().map(Raw::Value).collect()),
                    Some(Value::Null) => Some(Vec::new()),
                    _ => None,
                };
                let metadata = map.get("metadata").map(Raw::Value);
                Ok(Opened::Object {
                    api_version: text("apiVersion"),
                    kind: text("kind"),
                    items,
                    metadata,
                    whole: Raw::Value(whole),
                })
            }
            Raw::Value(_) => Ok(Opened::Scalar),
        }
    }
}

/// What JSON text holds: Lists, arrays, single objects, or several of them one after another.
pub(crate) fn of_json<'a>(origin: Origin<'_>, text: &'a str) -> Result<Contents<'a>, ReadError> {
    let mut reader = Reader { origin, contents: Contents::default() };
    let (mut at, mut document) = (0, 0);
    loop {
        // Between documents may stand what YAML or a JSON text sequence (RFC 7464) puts there.
        let rest = text[at..].trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{1e}'));
        at = text.len() - rest.len();
        let opened = match rest.as_bytes() {
            [] => return Ok(reader.contents),
            [b'-', b'-', b'-', ..] => {
                at += 3;
                continue;
            }
            [b'{', ..] => first::<Top<'a>>(rest).map(|(top, used)| (top.opened(&rest[..used]), used)),
            [b'[', ..] => first::<Vec<&'a RawValue>>(rest)
                .map(|(list, used)| (Opened::Array(list.into_iter().map(|i| Raw::Json(i.get())).collect()), used)),
            _ => return Err(syntax(origin.file, "JSON", complaint::stray(text, at))),
        };
        let place = Place::document(document);
        let used = match opened {
            Ok((opened, used)) => {
                reader.take(place, opened)?;
                used
            }
            Err(e) if e.is_data() => {
                reader.odd(place, &plain(&e.to_string()))?;
                first::<&RawValue>(rest).map_err(|e| syntax(origin.file, "JSON", complaint::json(&e, text, at)))?.1
            }
            Err(e) => return Err(syntax(origin.file, "JSON", complaint::json(&e, text, at))),
        };
        at += used;
        document += 1;
    }
}

/// What values hold that somebody else parsed, each an object, a List or an array.
pub(crate) fn of_values<'a>(
    origin: Origin<'_>,
    values: impl IntoIterator<Item = &'a Value>,
) -> Result<Contents<'a>, ReadError> {
    let mut reader = Reader { origin, contents: Contents::default() };
    for (document, value) in values.into_iter().enumerate() {
        let opened = Raw::Value(value).open().unwrap_or(Opened::Scalar);
        reader.take(Place::document(document), opened)?;
    }
    Ok(reader.contents)
}

/// The first value of a text and how many bytes it takes.
fn first<'a, T: Deserialize<'a>>(text: &'a str) -> Result<(T, usize), serde_json::Error> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = stream.next().unwrap_or_else(|| Err(serde::de::Error::custom("expected a value")))?;
    Ok((value, stream.byte_offset()))
}

fn syntax(file: &str, format: &'static str, complaint: complaint::Complaint) -> ReadError {
    ReadError::Syntax { file: file.into(), format, problem: complaint.problem, remedy: complaint.remedy }
}

/// Takes documents apart.
struct Reader<'f, 'a> {
    origin: Origin<'f>,
    contents: Contents<'a>,
}

impl<'a> Reader<'_, 'a> {
    /// Adds a document, the items of a List, or the elements of an array.
    fn take(&mut self, place: Place, opened: Opened<'a>) -> Result<(), ReadError> {
        match opened {
            // An empty YAML document (`---` twice, or only comments), or a list's null.
            Opened::Nothing => Ok(()),
            Opened::Scalar => self.odd(place, "it is a text or a number, no object"),
            Opened::Array(elements) => {
                for (i, element) in elements.into_iter().enumerate() {
                    self.enter(place, Step::Element(i), element, |r, place, element| match element.open() {
                        Ok(opened) => r.take(place, opened),
                        Err(problem) => r.odd(place, &problem),
                    })?;
                }
                Ok(())
            }
            Opened::Object { api_version, kind, items: Some(items), metadata, .. } if kind.ends_with("List") => {
                self.take_list(place, &api_version, &kind, items, metadata)
            }
            Opened::Object { api_version, kind, whole, .. } => self.take_object(place, whole, api_version, kind),
        }
    }

    fn enter(
        &mut self,
        place: Place,
        step: Step,
        raw: Raw<'a>,
        take: impl FnOnce(&mut Self, Place, Raw<'a>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        match place.within(step) {
            _ if raw.is_null() => Ok(()),
            Some(place) => take(self, place, raw),
            None => self.odd(place, "lists are nested too deeply in it"),
        }
    }

    fn take_list(
        &mut self,
        place: Place,
        api_version: &Text<'a>,
        kind: &Text<'a>,
        items: Vec<Raw<'a>>,
        metadata: Option<Raw<'a>>,
    ) -> Result<(), ReadError> {
        let of = kind.trim_end_matches("List");
        let cut = self.cut(place, kind, items.len(), metadata);
        let is_whole = cut.is_none();
        self.contents.cut.extend(cut);
        if is_whole {
            self.contents.whole.push((kind.to_string(), items.len()));
        }
        if is_whole && items.is_empty() {
            // `kubectl get pdb -o json` prints a List of nothing; then the file's name tells what was asked for.
            let named = kind_of_file(self.origin.file).filter(|_| of.is_empty());
            let none_of = named.map_or_else(|| (api_version.to_string(), of.to_owned()), |(v, k)| (v, k.to_owned()));
            self.contents.none_of.push(none_of);
        }
        self.contents.items.reserve(items.len());
        for (i, item) in items.into_iter().enumerate() {
            let (mut item_version, mut item_kind) = head(item);
            // `kubectl get --raw` prints a PodList whose items do not repeat their kind.
            if item_kind.is_empty() && !of.is_empty() {
                (item_version, item_kind) = (api_version.clone(), Text(of.to_owned().into()));
            }
            // A List of Lists, as `jq -s` makes it.
            let nested = item_kind.ends_with("List");
            self.enter(place, Step::Item(i), item, |r, place, item| match nested.then(|| item.open()) {
                Some(Ok(opened)) => r.take(place, opened),
                Some(Err(problem)) => r.odd(place, &problem),
                None => r.take_object(place, item, item_version, item_kind),
            })?;
        }
        Ok(())
    }

    fn take_object(
        &mut self,
        place: Place,
        raw: Raw<'a>,
        mut api_version: Text<'a>,
        mut kind: Text<'a>,
    ) -> Result<(), ReadError> {
        if kind.is_empty() {
            let named = kind_of_file(self.origin.file).filter(|_| has_name(raw));
            let Some((version, of_file)) = named else { return self.odd(place, "kind is missing") };
            (api_version, kind) = (Text(version.into()), Text(of_file.into()));
        }
        if &*kind == "Status" && &*api_version == "v1" {
            let answer = raw.decode::<Answer<'_>>().ok().map(|a| a.message.to_string()).filter(|m| !m.is_empty());
            let answer = answer.map_or(String::new(), |m| format!(" ({m})"));
            return self
                .odd(place, &format!("it is a Status, the API server's answer to a request that failed{answer}"));
        }
        if &*kind == "Table" && api_version.starts_with("meta.k8s.io/") {
            return self.odd(place, "it is a Table, which the API server makes for people; ask for application/json, as kubectl get -o json does");
        }
        self.contents.items.push(Item { source: self.origin.source, place, raw, api_version, kind });
        Ok(())
    }

    /// A list that says that it is not whole.
    fn cut(&self, place: Place, kind: &str, items: usize, metadata: Option<Raw<'a>>) -> Option<CutList> {
        let meta: ListMeta<'_> = metadata?.decode::<Option<ListMeta<'_>>>().ok()??;
        let remaining = meta.remaining_item_count.filter(|n| *n > 0);
        (!meta.token.is_empty() || remaining.is_some()).then(|| CutList {
            kind: kind.to_owned(),
            place: format!("{}, {place}", self.origin.file),
            items,
            remaining,
        })
    }

    /// What is no object: passed over where the file was only found, an error where it was named.
    fn odd(&mut self, place: Place, problem: &str) -> Result<(), ReadError> {
        if self.origin.found {
            self.contents.odd.push(format!("{place}: {problem}"));
            return Ok(());
        }
        Err(ReadError::NotAnObject { file: self.origin.file.into(), item: place.to_string(), problem: problem.into() })
    }
}

/// `v1.Status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    message: Text<'a>,
}

/// Whether an object has a name, so that it could be of a kind that only its file names.
fn has_name(raw: Raw<'_>) -> bool {
    raw.decode::<super::wire::Named<'_>>().is_ok_and(|n| !n.metadata.name.is_empty())
}

/// The kind that a file or its directory is called after (`nodes.json`, `poddisruptionbudgets.policy.json`, `pods/default.json`),
/// with an `apiVersion` of its group.
fn kind_of_file(name: &str) -> Option<(String, &'static str)> {
    let parts = name.rsplit(['/', '\\']);
    let stems = parts.take(2).enumerate().map(|(i, p)| if i == 0 { p.split('.').next().unwrap_or(p) } else { p });
    stems
        .filter_map(|stem| {
            let stem = stem.to_ascii_lowercase();
            let (group, kind) = KNOWN.iter().find(|(_, kind)| plural(kind) == stem)?;
            let version = match *group {
                "" => "v1".to_owned(),
                "autoscaling" => "autoscaling/v2".to_owned(),
                group => format!("{group}/v1"),
            };
            Some((version, *kind))
        })
        .next()
}

/// `apiVersion` and `kind` of an item; "" for what is not there.
fn head<'a>(raw: Raw<'a>) -> (Text<'a>, Text<'a>) {
    match raw {
        Raw::Value(value) => {
            let text = |key: &str| Text(value.get(key).and_then(Value::as_str).unwrap_or("").into());
            (text("apiVersion"), text("kind"))
        }
        Raw::Json(text) => sniff(text),
    }
}

/// Reads `apiVersion` and `kind` and stops: kubectl prints them first, so that most of the item is not looked at.
fn sniff(text: &str) -> (Text<'_>, Text<'_>) {
    struct Visitor<'s, 'a>(&'s mut (Text<'a>, Text<'a>));
    impl<'de> serde::de::Visitor<'de> for Visitor<'_, 'de> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<Text<'de>>()? {
                match &*key {
                    "apiVersion" => self.0.0 = map.next_value()?,
                    "kind" => self.0.1 = map.next_value()?,
                    _ => {
                        map.next_value::<serde::de::IgnoredAny>()?;
                    }
                }
                if !self.0.0.is_empty() && !self.0.1.is_empty() {
                    return Err(serde::de::Error::custom("found"));
                }
            }
            Ok(())
        }
    }
    let mut found = (Text::default(), Text::default());
    // The error is how it stops early; a real one shows again when the item is decoded.
    let _ = serde::Deserializer::deserialize_map(&mut serde_json::Deserializer::from_str(text), Visitor(&mut found));
    found
}

/// The documents of YAML text.
pub(crate) fn yaml_values(file: &str, text: &str) -> Result<Vec<Value>, ReadError> {
    if let Some(values) = super::yaml::values(text) {
        return Ok(values);
    }
    let options = serde_saphyr::options! { budget: None };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|e| syntax(file, "YAML", complaint::yaml(&e, text)))
}

/// The documents of JSON text.
pub(crate) fn json_values(file: &str, text: &str) -> Result<Vec<Value>, ReadError> {
    // The stream counts lines from the beginning of the text.
    let stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    stream.collect::<Result<_, _>>().map_err(|e| syntax(file, "JSON", complaint::json(&e, text, 0)))
}

/// Whether text is JSON rather than YAML: it begins with a brace or bracket.
pub(crate) fn is_json(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '['])
}
