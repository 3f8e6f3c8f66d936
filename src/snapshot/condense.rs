//! Large dumps, read piece by piece: of each object is kept what is read of it, without white space; the rest of the text is forgotten.
//!
//! What is read of a kind is what its type in [`super::wire`] has fields for, so no list of fields has to be kept beside the types. A List of
//! objects is all that is read so; anything else, and whatever is wrong with the text, is left to those who read it as a whole and know what to say.

use super::kinds::{KNOWN, known};
use super::wire::{Bare, node, pod, policy, storage, workload};
use crate::typed::structs_read;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::sync::OnceLock;

/// So many bytes are read at once, more where an object is longer.
const PIECE: usize = 1 << 20;

/// A List of which only what is read is left.
pub(super) struct Condensed {
    /// JSON text of a List.
    pub(super) text: String,
    /// Where its items stand, in order.
    pub(super) starts: Vec<Start>,
}

/// Where an item begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// Byte in the condensed text.
    at: usize,
    /// Line of the file, from 1.
    line: usize,
}

/// The line of the file on which the item begins that stands at a byte of the condensed text.
pub(crate) fn line_at(starts: &[Start], byte: usize) -> usize {
    let place = starts.partition_point(|s| s.at <= byte);
    place.checked_sub(1).map_or(1, |place| starts[place].line)
}

/// Reads a List, and hashes its bytes; none if the text is anything else, or not right: then neither the text nor the hash is to be used.
///
/// # Errors
/// What the reader gives.
pub(super) fn read(reader: impl Read, hash: &mut Sha256) -> io::Result<Option<Condensed>> {
    let mut feed =
        Feed { reader, hash, text: String::new(), at: 0, rest: Vec::new(), line: 1, counted: 0, is_broken: false };
    let list = list(&mut feed)?;
    Ok(list.filter(|_| !feed.is_broken && feed.rest.is_empty()))
}

/// Text that comes piece by piece.
struct Feed<'h, R> {
    reader: R,
    hash: &'h mut Sha256,
    /// What has come and is not done with.
    text: String,
    /// Up to where it is done with.
    at: usize,
    /// The beginning of a character whose end has not come; with room for a piece.
    rest: Vec<u8>,
    /// The line at `counted`.
    line: usize,
    counted: usize,
    /// Some byte is no text.
    is_broken: bool,
}

impl<R: Read> Feed<'_, R> {
    /// Reads on; false at the end.
    fn more(&mut self) -> io::Result<bool> {
        self.count_lines();
        self.text.drain(..self.at);
        (self.at, self.counted) = (0, 0);
        if self.is_broken {
            return Ok(false);
        }
        let mut bytes = std::mem::take(&mut self.rest);
        let known = bytes.len();
        // An object that is longer than a piece is begun again with each: twice as much each time.
        let wanted = PIECE.max(self.text.len());
        self.reader.by_ref().take(wanted as u64).read_to_end(&mut bytes)?;
        let has_more = bytes.len() > known;
        self.hash.update(&bytes[known..]);
        let valid = match std::str::from_utf8(&bytes) {
            Ok(text) => {
                self.text.push_str(text);
                bytes.len()
            }
            Err(e) => {
                self.text.push_str(std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default());
                self.is_broken = e.error_len().is_some();
                e.valid_up_to()
            }
        };
        bytes.drain(..valid);
        self.rest = bytes;
        Ok(has_more)
    }

    fn count_lines(&mut self) {
        let passed = &self.text.as_bytes()[self.counted..self.at];
        self.line += passed.iter().filter(|b| **b == b'\n').count();
        self.counted = self.at;
    }

    /// The next byte that is no white space; none at the end.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            match rest.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
                Some(space) => {
                    self.at += space;
                    return Ok(Some(rest[space]));
                }
                None => {
                    self.at = self.text.len();
                    if !self.more()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Whether the next byte that is no white space is this one; then it is stepped over.
    fn steps_over(&mut self, byte: u8) -> io::Result<bool> {
        let is_next = self.peek()? == Some(byte);
        self.at += usize::from(is_next);
        Ok(is_next)
    }

    /// The next value; none where the text is no JSON, or not of this type.
    fn value<T: for<'de> Deserialize<'de>>(&mut self) -> io::Result<Option<T>> {
        loop {
            let mut stream = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<T>();
            let (value, used) = (stream.next(), stream.byte_offset());
            // A number goes on, maybe.
            let is_cut = self.at + used == self.text.len();
            match value {
                Some(Ok(value)) if !is_cut => {
                    self.at += used;
                    return Ok(Some(value));
                }
                Some(Ok(value)) => {
                    if !self.more()? {
                        self.at += used;
                        return Ok(Some(value));
                    }
                }
                Some(Err(e)) if !e.is_eof() => return Ok(None),
                _ => {
                    if !self.more()? {
                        return Ok(None);
                    }
                }
            }
        }
    }
}

fn list<R: Read>(feed: &mut Feed<'_, R>) -> io::Result<Option<Condensed>> {
    if !feed.steps_over(b'{')? {
        return Ok(None);
    }
    let (mut text, mut starts) = (String::from("{"), Vec::new());
    let (mut has_items, mut is_list) = (false, false);
    loop {
        let Some(key) = feed.value::<String>()? else { return Ok(None) };
        if !feed.steps_over(b':')? {
            return Ok(None);
        }
        push_text(&key, &mut text);
        text.push(':');
        if key == "items" && feed.steps_over(b'[')? {
            if std::mem::replace(&mut has_items, true) || !items(feed, &mut text, &mut starts)? {
                return Ok(None);
            }
        } else {
            let Some(Whole(value)) = feed.value()? else { return Ok(None) };
            is_list |= key == "kind" && value.ends_with("List\"");
            text.push_str(&value);
        }
        if feed.steps_over(b'}')? {
            break;
        }
        if !feed.steps_over(b',')? {
            return Ok(None);
        }
        text.push(',');
    }
    text.push('}');
    let is_all = feed.peek()?.is_none();
    Ok((is_all && has_items && is_list).then_some(Condensed { text, starts }))
}

/// The items, from behind the bracket on; false if they are not right.
fn items<R: Read>(feed: &mut Feed<'_, R>, text: &mut String, starts: &mut Vec<Start>) -> io::Result<bool> {
    text.push('[');
    while feed.peek()? != Some(b']') || !starts.is_empty() {
        feed.peek()?;
        feed.count_lines();
        starts.push(Start { at: text.len(), line: feed.line });
        let Some(Item(item)) = feed.value()? else { return Ok(false) };
        text.push_str(&item);
        if !feed.steps_over(b',')? {
            break;
        }
        text.push(',');
    }
    text.push(']');
    feed.steps_over(b']')
}

/// A value without white space.
struct Whole(String);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Whole, D::Error> {
        let mut text = String::new();
        push_value(<&RawValue>::deserialize(deserializer)?, &mut text);
        Ok(Whole(text))
    }
}

/// An object, or whatever else stands in its place, without what is not read of its kind.
struct Item(String);

/// Most objects are shorter.
const ROOM: usize = 4096;

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Item, D::Error> {
        let mut text = String::with_capacity(ROOM);
        Part { keep: &Keep::ByKind, out: &mut text }.deserialize(deserializer)?;
        Ok(Item(text))
    }
}

/// A part of an object, which is written down as far as it is kept.
struct Part<'k, 'o> {
    keep: &'k Keep,
    out: &'o mut String,
}

impl<'de> DeserializeSeed<'de> for Part<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.keep {
            Keep::All => {
                push_value(<&RawValue>::deserialize(deserializer)?, self.out);
                Ok(())
            }
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Part<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut version, mut kind) = (Cow::Borrowed(""), Cow::Borrowed(""));
        let mut fields = match self.keep {
            Keep::Fields(fields) => Some(&fields[..]),
            _ => None,
        };
        let by_kind = matches!(self.keep, Keep::ByKind);
        self.out.push('{');
        let start = self.out.len();
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            let keep = match fields {
                Some(fields) => match fields.iter().find(|(name, _)| *name == key) {
                    Some((_, keep)) => keep,
                    None => {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                },
                None if matches!(self.keep, Keep::Annotations) && key == LAST_APPLIED => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                None => &Keep::All,
            };
            if self.out.len() > start {
                self.out.push(',');
            }
            push_key(&key, self.out);
            match &*key {
                "apiVersion" | "kind" if by_kind => {
                    let value: &RawValue = map.next_value()?;
                    let text = serde_json::from_str::<Key<'_>>(value.get()).map_or(Cow::Borrowed(""), |text| text.0);
                    *(if key == "kind" { &mut kind } else { &mut version }) = text;
                    push_value(value, self.out);
                    // Fields that come before are kept.
                    if !kind.is_empty() && !version.is_empty() {
                        fields = known(&version, &kind).and_then(fields_of);
                    }
                }
                _ => map.next_value_seed(Part { keep, out: self.out })?,
            }
        }
        self.out.push('}');
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let keep = match self.keep {
            Keep::List(each) => each,
            _ => &Keep::All,
        };
        self.out.push('[');
        let start = self.out.len();
        loop {
            let before = self.out.len();
            if before > start {
                self.out.push(',');
            }
            if seq.next_element_seed(Part { keep, out: self.out })?.is_none() {
                self.out.truncate(before);
                break;
            }
        }
        self.out.push(']');
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.out.push_str("null");
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        push_text(&value, self.out);
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        push_text(&value, self.out);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        push_text(&value, self.out);
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        push_text(&value, self.out);
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        push_text(&value, self.out);
        Ok(())
    }
}

/// A text, borrowed where it holds no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key<'de>, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The key of a field, with its colon.
fn push_key(key: &str, out: &mut String) {
    match key.bytes().any(|b| b < b' ' || matches!(b, b'"' | b'\\')) {
        true => push_text(key, out),
        false => {
            out.push('"');
            out.push_str(key);
            out.push('"');
        }
    }
    out.push(':');
}

/// A text, number or truth value as JSON.
fn push_text<T: Serialize + ?Sized>(value: &T, out: &mut String) {
    out.push_str(&serde_json::to_string(value).unwrap_or_default());
}

/// A value without the white space between its parts.
fn push_value(value: &RawValue, out: &mut String) {
    let text = value.get();
    if !text.starts_with(['{', '[']) {
        return out.push_str(text);
    }
    let bytes = text.as_bytes();
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|b| *b != b'"') {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                at += 1;
            }
            b' ' | b'\t' | b'\r' | b'\n' => {
                out.push_str(&text[from..at]);
                while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
                    at += 1;
                }
                from = at;
            }
            _ => at += 1,
        }
    }
    out.push_str(&text[from..]);
}

/// What is kept of a value.
#[derive(Debug, PartialEq, Eq)]
enum Keep {
    /// All of it.
    All,
    /// Of an object these fields.
    Fields(Vec<(&'static str, Keep)>),
    /// Of each item of a list.
    List(Box<Keep>),
    /// Of an object what its kind says.
    ByKind,
    /// Of annotations all but kubectl's copy of the object.
    Annotations,
}

/// An object as `kubectl apply` was given it, as text: nobody reads it here.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What is kept of objects of a kind; none where nothing is known of it: all.
fn fields_of(kind: &str) -> Option<&'static [(&'static str, Keep)]> {
    static KEPT: OnceLock<Vec<OnceLock<Keep>>> = OnceLock::new();
    let place = KNOWN.iter().position(|(_, known)| *known == kind)?;
    let kept = KEPT.get_or_init(|| KNOWN.iter().map(|_| OnceLock::new()).collect());
    match kept[place].get_or_init(|| kept_of(kind)) {
        Keep::Fields(fields) => Some(fields),
        _ => None,
    }
}

/// Reads a value as a kind's type does: the fields of the objects that it came through, from the outside in; none where the value does not fit.
type Probe = fn(&Value) -> Option<Vec<&'static [&'static str]>>;

fn kept_of(kind: &str) -> Keep {
    let probe: Probe = match kind {
        "Node" => |v| structs_read::<node::Node<'_>>(v),
        "Namespace" => |v| structs_read::<node::Namespace<'_>>(v),
        "Service" => |v| structs_read::<policy::Service<'_>>(v),
        "Pod" => |v| structs_read::<pod::Pod<'_>>(v),
        "ReplicationController" => |v| structs_read::<workload::ReplicationController<'_>>(v),
        "PersistentVolumeClaim" => |v| structs_read::<storage::Claim<'_>>(v),
        "PersistentVolume" => |v| structs_read::<storage::Volume<'_>>(v),
        "LimitRange" => |v| structs_read::<policy::LimitRange<'_>>(v),
        "ResourceQuota" => |v| structs_read::<policy::ResourceQuota<'_>>(v),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => {
            |v| structs_read::<workload::Workload<'_>>(v)
        }
        "PodDisruptionBudget" => |v| structs_read::<policy::Budget<'_>>(v),
        "PriorityClass" => |v| structs_read::<policy::PriorityClass<'_>>(v),
        "RuntimeClass" => |v| structs_read::<policy::RuntimeClass<'_>>(v),
        "StorageClass" => |v| structs_read::<storage::Class<'_>>(v),
        "CSINode" => |v| structs_read::<storage::CsiNode<'_>>(v),
        "CSIDriver" => |v| structs_read::<storage::Driver<'_>>(v),
        "VolumeAttachment" => |v| structs_read::<storage::VolumeAttachment<'_>>(v),
        "CustomResourceDefinition" => |v| structs_read::<workload::Definition<'_>>(v),
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
            |v| structs_read::<policy::WebhookConfiguration<'_>>(v)
        }
        "HorizontalPodAutoscaler" | "VerticalPodAutoscaler" | "CSIStorageCapacity" | "ResourceClaim" => {
            |v| structs_read::<Bare<'_>>(v)
        }
        _ => return Keep::All,
    };
    // Whatever is read of all kinds alike is read of this one too.
    let bare: Probe = |v| structs_read::<Bare<'_>>(v);
    let heads = ["apiVersion", "kind"].map(|head| (head, Keep::All)).into();
    let mut kept = Keep::of(probe, &mut Vec::new()).and(Keep::of(bare, &mut Vec::new())).and(Keep::Fields(heads));
    if let Some(annotations) = kept.at("metadata").and_then(|metadata| metadata.at("annotations")) {
        *annotations = Keep::Annotations;
    }
    kept
}

/// A step from the document to a value that is tried.
#[derive(Clone, Copy)]
enum Step {
    Field(&'static str),
    Item,
}

/// Types are not nested deeper; what is deeper is kept.
const DEEPEST: usize = 24;

/// The fields of the object that is read at a path, if an object is.
fn fields_at(probe: Probe, path: &[Step]) -> Option<&'static [&'static str]> {
    let value = path.iter().rev().fold(Value::Object(Map::new()), |inner, step| match step {
        Step::Field(name) => Value::Object([((*name).to_owned(), inner)].into_iter().collect()),
        Step::Item => Value::Array(vec![inner]),
    });
    let objects = 1 + path.iter().filter(|step| matches!(step, Step::Field(_))).count();
    probe(&value).filter(|structs| structs.len() == objects)?.last().copied()
}

impl Keep {
    /// What is read of the value at a path: where an object is read there, its fields; where a list of objects, theirs; else all.
    fn of(probe: Probe, path: &mut Vec<Step>) -> Keep {
        if path.len() > DEEPEST {
            return Keep::All;
        }
        if let Some(names) = fields_at(probe, path) {
            let mut fields = Vec::with_capacity(names.len());
            for name in names {
                path.push(Step::Field(name));
                fields.push((*name, Keep::of(probe, path)));
                path.pop();
            }
            return Keep::Fields(fields);
        }
        path.push(Step::Item);
        let keep = match fields_at(probe, path) {
            Some(_) => Keep::List(Box::new(Keep::of(probe, path))),
            None => Keep::All,
        };
        path.pop();
        keep
    }

    /// What is kept of a field.
    fn at(&mut self, field: &str) -> Option<&mut Keep> {
        match self {
            Keep::Fields(fields) => fields.iter_mut().find(|(name, _)| *name == field).map(|(_, keep)| keep),
            _ => None,
        }
    }

    /// What either keeps.
    fn and(self, other: Keep) -> Keep {
        match (self, other) {
            (Keep::Fields(mut fields), Keep::Fields(others)) => {
                for (name, keep) in others {
                    match fields.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, known)) => *known = std::mem::replace(known, Keep::All).and(keep),
                        None => fields.push((name, keep)),
                    }
                }
                Keep::Fields(fields)
            }
            (Keep::List(each), Keep::List(other)) => Keep::List(Box::new(each.and(*other))),
            _ => Keep::All,
        }
    }
}

#[cfg(test)]
mod tests;
