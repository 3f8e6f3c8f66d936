//! From JSON to types: one deserializer for JSON text and for values, which knows where in the document it is.
//!
//! What serde derives for a type is compiled once for each deserializer that it is read with, and a document's types are many.
//! So every document is read with this one, be it text or a [`Value`] (YAML, a generator, a journal's progress): it
//! reads typed, and when something does not fit it also gives the field's path. Text must be valid JSON: whoever splits
//! a file into its objects has checked it, and [`from_json`] does.
//!
//! A list where an object is expected is an error, though serde would take the items for the fields in their order.

use serde::Serialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, EnumAccess, Expected, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

#[cfg(test)]
mod tests;

/// What does not fit, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Path of the field, such as `spec.containers[0].image`; `.` for the document itself.
    pub path: String,
    /// What is wrong with it, as serde says it.
    pub what: String,
    /// Line and column in the text, from 1: just behind what does not fit. None for values.
    pub at: Option<(usize, usize)>,
}

/// As serde_json words it, without the path.
impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match self.at {
            Some((line, column)) => write!(f, " at line {line} column {column}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Misfit {}

/// Reads a type from text that is known to be valid JSON.
///
/// # Errors
/// What does not fit; text that is no JSON may also give a wrong result, but never a panic.
pub fn from_text<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Misfit> {
    let mut typed = Typed::of_text(text);
    let read = T::deserialize(&mut typed).and_then(|t| typed.end().map(|()| t));
    read.map_err(|e| typed.misfit(e))
}

/// Reads a type from a value, borrowing its texts.
///
/// # Errors
/// What does not fit.
pub fn from_value<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, Misfit> {
    let mut typed = Typed::of_value(value);
    T::deserialize(&mut typed).map_err(|e| typed.misfit(e))
}

/// The fields of each struct that a type reads from a value, in the order in which they come; none if the value does not fit.
pub(crate) fn structs_read<'de, T: Deserialize<'de>>(value: &'de Value) -> Option<Vec<&'static [&'static str]>> {
    let mut typed = Typed { structs: Some(Vec::new()), ..Typed::of_value(value) };
    T::deserialize(&mut typed).ok().and(typed.structs)
}

/// Reads a type from bytes that may be anything.
///
/// # Errors
/// What is no JSON, and what does not fit.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Misfit> {
    match checked(bytes) {
        Ok(text) => from_text(text),
        Err(syntax) => {
            Err(first_of(syntax, std::str::from_utf8(bytes).ok().and_then(|text| from_text::<T>(text).err())))
        }
    }
}

/// What a reader that goes through a text once would complain of: of a fault in the syntax and one in the type the former in
/// the text. The fault in the syntax gets the path of the field that was being read.
fn first_of(syntax: Misfit, typed: Option<Misfit>) -> Misfit {
    match typed {
        Some(typed) if typed.at.is_some() && typed.at < syntax.at && !BROKEN.contains(&&*typed.what) => typed,
        Some(typed) => Misfit { path: typed.path, ..syntax },
        None => syntax,
    }
}

/// JSON text for people, indented. It is made by way of a value, so that types need no code of their own for each form of text.
///
/// # Errors
/// What no JSON can say: an object whose keys are no texts.
pub fn pretty<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&serde_json::to_value(value)?)
}

/// JSON text, if that is what the bytes are.
fn checked(bytes: &[u8]) -> Result<&str, Misfit> {
    let text = std::str::from_utf8(bytes);
    if let Ok(text) = text
        && serde_json::from_str::<de::IgnoredAny>(text).is_ok()
    {
        return Ok(text);
    }
    // Who makes a value of it says more of what is wrong. It also finds what is no UTF-8, and says where.
    let problem = match serde_json::from_slice::<Value>(bytes) {
        Ok(_) => de::Error::custom("invalid unicode code point"),
        Err(e) => e,
    };
    Err(Misfit { path: ".".into(), what: without_place(&problem), at: Some((problem.line(), problem.column())) })
}

/// What serde_json says, without line and column.
fn without_place(problem: &serde_json::Error) -> String {
    let what = problem.to_string();
    what.rsplit_once(" at line ").map_or(&*what, |(what, _)| what).to_owned()
}

/// Why something does not fit, while the way to it is being walked back.
#[derive(Debug)]
struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    what: String,
    /// From the inside out.
    path: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
    Key(String),
    Item(usize),
}

impl Error {
    #[cold]
    fn new(what: String) -> Error {
        Error(Box::new(Inner { what, path: Vec::new() }))
    }

    #[cold]
    fn at_key(mut self, key: &str) -> Error {
        self.0.path.push(Segment::Key(key.to_owned()));
        self
    }

    #[cold]
    fn at_item(mut self, index: usize) -> Error {
        self.0.path.push(Segment::Item(index));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)
    }
}

impl std::error::Error for Error {}

/// The words are those of serde_json, which its readers know.
impl de::Error for Error {
    #[cold]
    fn custom<T: fmt::Display>(what: T) -> Error {
        Error::new(what.to_string())
    }

    #[cold]
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Error {
        Error::new(format!("invalid type: {}, expected {expected}", Found(found)))
    }

    #[cold]
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Error {
        Error::new(format!("invalid value: {}, expected {expected}", Found(found)))
    }
}

/// What was found, in JSON's words.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Unit => f.write_str("null"),
            Unexpected::Float(n) => match serde_json::Number::from_f64(n) {
                Some(n) => write!(f, "floating point `{n}`"),
                None => write!(f, "floating point `{n}`"),
            },
            other => other.fmt(f),
        }
    }
}

/// Text from its place on, or a value.
struct Typed<'de> {
    text: &'de str,
    /// Byte of the text.
    at: usize,
    /// What is read next where it is no text.
    value: Option<&'de Value>,
    /// So many more containers may be opened within one another.
    room: u8,
    /// The fields of the structs that were read, where somebody wants to know.
    structs: Option<Vec<&'static [&'static str]>>,
}

/// What a container has left.
enum Cursor<'de> {
    /// It stands in the text; whether nothing of it has been read.
    Text {
        first: bool,
    },
    Fields(serde_json::map::Iter<'de>),
    Items(std::slice::Iter<'de, Value>),
}

/// What comes next.
enum Next<'de> {
    Null,
    Bool(bool),
    Number(Number),
    Borrowed(&'de str),
    Owned(String),
    List(Cursor<'de>),
    Map(Cursor<'de>),
}

#[derive(Clone, Copy)]
enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// What is said of text that is no JSON.
const BROKEN: [&str; 3] = ["expected value", "EOF while parsing a value", "key must be a string"];

/// As serde_json has it.
const DEEPEST: u8 = 128;

impl<'de> Typed<'de> {
    fn of_text(text: &'de str) -> Typed<'de> {
        Typed { text, at: 0, value: None, room: DEEPEST, structs: None }
    }

    fn of_value(value: &'de Value) -> Typed<'de> {
        Typed { text: "", at: 0, value: Some(value), room: DEEPEST, structs: None }
    }

    #[cold]
    fn misfit(&self, error: Error) -> Misfit {
        let mut path = String::new();
        for segment in error.0.path.iter().rev() {
            match segment {
                Segment::Item(index) => path.push_str(&format!("[{index}]")),
                Segment::Key(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
            }
        }
        if path.is_empty() {
            path.push('.');
        }
        let at = (!self.text.is_empty()).then(|| {
            let before = &self.text.as_bytes()[..self.at.min(self.text.len())];
            let line = before.iter().filter(|b| **b == b'\n').count() + 1;
            let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
            (line, before.len() - start)
        });
        Misfit { path, what: error.0.what, at }
    }

    /// Nothing may follow.
    fn end(&mut self) -> Result<(), Error> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Error::new("trailing characters".into())),
        }
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match *bytes.get(self.at)? {
                b'\n' => {
                    self.at += 1;
                    // kubectl indents, and deeply.
                    while bytes.get(self.at..self.at + 8).is_some_and(|eight| eight == [b' '; 8]) {
                        self.at += 8;
                    }
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                other => return Some(other),
            }
        }
    }

    /// Steps over a byte that must come.
    #[inline]
    fn take(&mut self, byte: u8) -> Result<(), Error> {
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.broken()),
        }
    }

    /// The text is no JSON.
    #[cold]
    fn broken(&mut self) -> Error {
        Error::new(BROKEN[usize::from(self.peek().is_none())].into())
    }

    /// Steps over a literal.
    fn literal(&mut self, literal: &str) -> Result<(), Error> {
        match self.text.as_bytes()[self.at..].starts_with(literal.as_bytes()) {
            true => {
                self.at += literal.len();
                Ok(())
            }
            false => Err(self.broken()),
        }
    }

    /// The end of a string that begins at a byte (behind its quote), and whether it holds escapes.
    #[inline]
    fn string_end(&self, from: usize) -> Option<(usize, bool)> {
        let bytes = self.text.as_bytes();
        let mut at = from;
        let mut escapes = false;
        loop {
            at += offset_of_two(bytes.get(at..)?, b'"', b'\\')?;
            if bytes[at] == b'"' {
                return Some((at, escapes));
            }
            escapes = true;
            at += 2;
        }
    }

    /// A string from its quote on.
    #[inline]
    fn string(&mut self) -> Result<Cow<'de, str>, Error> {
        let start = self.at;
        let Some((end, escapes)) = self.string_end(start + 1) else {
            self.at = self.text.len();
            return Err(self.broken());
        };
        self.at = end + 1;
        if !escapes {
            return Ok(Cow::Borrowed(&self.text[start + 1..end]));
        }
        let read = serde_json::from_str::<String>(&self.text[start..=end]);
        read.map(Cow::Owned).map_err(|e| Error::new(without_place(&e)))
    }

    fn number(&mut self) -> Result<Number, Error> {
        let rest = &self.text.as_bytes()[self.at..];
        let negative = rest.first() == Some(&b'-');
        let mut end = usize::from(negative);
        let mut whole: Option<u64> = Some(0);
        while let Some(digit @ b'0'..=b'9') = rest.get(end) {
            whole = whole.and_then(|n| n.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
            end += 1;
        }
        let fraction = matches!(rest.get(end), Some(b'.' | b'e' | b'E'));
        if fraction {
            while matches!(rest.get(end), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
                end += 1;
            }
        }
        let text = &self.text[self.at..self.at + end];
        if text.is_empty() || text == "-" {
            return Err(self.broken());
        }
        self.at += end;
        match whole.filter(|_| !fraction) {
            Some(n) if !negative => return Ok(Number::Unsigned(n)),
            Some(n) if n > 0 => {
                if let Some(n) = 0i64.checked_sub_unsigned(n) {
                    return Ok(Number::Signed(n));
                }
            }
            _ => {}
        }
        match text.parse::<f64>() {
            Ok(n) if n.is_finite() => Ok(Number::Float(n)),
            _ => Err(Error::new("number out of range".into())),
        }
    }

    /// Steps over a value without looking at it.
    fn skip(&mut self) -> Result<(), Error> {
        if self.value.take().is_some() {
            return Ok(());
        }
        let Some(first) = self.peek() else { return Err(self.broken()) };
        let bytes = self.text.as_bytes();
        let end = match first {
            b'"' => self.string_end(self.at + 1).map(|(end, _)| end + 1),
            b'{' | b'[' => {
                let (mut at, mut open) = (self.at + 1, 1usize);
                loop {
                    if open == 0 {
                        break Some(at);
                    }
                    match bytes.get(at) {
                        Some(b'"') => match self.string_end(at + 1) {
                            Some((end, _)) => at = end + 1,
                            None => break None,
                        },
                        Some(b'{' | b'[') => {
                            open += 1;
                            at += 1;
                        }
                        Some(b'}' | b']') => {
                            open -= 1;
                            at += 1;
                        }
                        Some(b'\n') => {
                            at += 1;
                            while bytes.get(at..at + 8).is_some_and(|eight| eight == [b' '; 8]) {
                                at += 8;
                            }
                        }
                        Some(_) => at += 1,
                        None => break None,
                    }
                }
            }
            _ => {
                let rest = &bytes[self.at..];
                let end = rest.iter().position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
                Some(self.at + end.unwrap_or(rest.len()))
            }
        };
        match end {
            Some(end) => {
                self.at = end;
                Ok(())
            }
            None => {
                self.at = self.text.len();
                Err(self.broken())
            }
        }
    }

    /// Reads a scalar, or opens a container.
    fn next(&mut self) -> Result<Next<'de>, Error> {
        if let Some(value) = self.value.take() {
            return Ok(match value {
                Value::Null => Next::Null,
                Value::Bool(b) => Next::Bool(*b),
                Value::Number(n) => Next::Number(number_of(n)),
                Value::String(text) => Next::Borrowed(text),
                Value::Array(items) => {
                    self.enter()?;
                    Next::List(Cursor::Items(items.iter()))
                }
                Value::Object(fields) => {
                    self.enter()?;
                    Next::Map(Cursor::Fields(fields.iter()))
                }
            });
        }
        match self.peek() {
            Some(b'"') => Ok(match self.string()? {
                Cow::Borrowed(text) => Next::Borrowed(text),
                Cow::Owned(text) => Next::Owned(text),
            }),
            Some(b'{') => {
                self.enter()?;
                self.at += 1;
                Ok(Next::Map(Cursor::Text { first: true }))
            }
            Some(b'[') => {
                self.enter()?;
                self.at += 1;
                Ok(Next::List(Cursor::Text { first: true }))
            }
            Some(b'n') => self.literal("null").map(|()| Next::Null),
            Some(b't') => self.literal("true").map(|()| Next::Bool(true)),
            Some(b'f') => self.literal("false").map(|()| Next::Bool(false)),
            Some(b'-' | b'0'..=b'9') => self.number().map(Next::Number),
            _ => Err(self.broken()),
        }
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.room = match self.room.checked_sub(1) {
            Some(room) => room,
            None => return Err(Error::new("recursion limit exceeded".into())),
        };
        Ok(())
    }

    fn leave(&mut self) {
        self.room += 1;
    }

    /// Steps over null, if that comes.
    fn null(&mut self) -> Result<bool, Error> {
        if let Some(value) = self.value {
            return Ok(value.is_null() && self.value.take().is_some());
        }
        match self.peek() {
            Some(b'n') => self.literal("null").map(|()| true),
            _ => Ok(false),
        }
    }

    /// What comes is not what is expected.
    #[cold]
    fn unexpected(&mut self, expected: &dyn Expected) -> Error {
        // The place of a container is its beginning, that of anything else its end.
        let before = self.at;
        let next = match self.next() {
            Ok(next) => next,
            Err(e) => return e,
        };
        let found = match &next {
            Next::Null => Unexpected::Unit,
            Next::Bool(b) => Unexpected::Bool(*b),
            Next::Number(Number::Unsigned(n)) => Unexpected::Unsigned(*n),
            Next::Number(Number::Signed(n)) => Unexpected::Signed(*n),
            Next::Number(Number::Float(n)) => Unexpected::Float(*n),
            Next::Borrowed(text) => Unexpected::Str(text),
            Next::Owned(text) => Unexpected::Str(text),
            Next::List(_) => Unexpected::Seq,
            Next::Map(_) => Unexpected::Map,
        };
        if matches!(found, Unexpected::Seq | Unexpected::Map) {
            self.at = before;
        }
        de::Error::invalid_type(found, expected)
    }

    /// Whether a value comes that begins so.
    #[inline]
    fn comes(&mut self, first: &[u8], value: fn(&Value) -> bool) -> bool {
        match self.value {
            Some(v) => value(v),
            None => self.peek().is_some_and(|b| first.contains(&b)),
        }
    }

    fn expect_number(&mut self, expected: &dyn Expected) -> Result<Number, Error> {
        if self.comes(b"-0123456789", Value::is_number)
            && let Next::Number(n) = self.next()?
        {
            return Ok(n);
        }
        Err(self.unexpected(expected))
    }

    fn expect_bool(&mut self, expected: &dyn Expected) -> Result<bool, Error> {
        if self.comes(b"tf", Value::is_boolean)
            && let Next::Bool(b) = self.next()?
        {
            return Ok(b);
        }
        Err(self.unexpected(expected))
    }

    fn expect_string(&mut self, expected: &dyn Expected) -> Result<Cow<'de, str>, Error> {
        if self.comes(b"\"", Value::is_string) {
            match self.next()? {
                Next::Borrowed(text) => return Ok(Cow::Borrowed(text)),
                Next::Owned(text) => return Ok(Cow::Owned(text)),
                _ => {}
            }
        }
        Err(self.unexpected(expected))
    }

    fn expect_list(&mut self, expected: &dyn Expected) -> Result<Cursor<'de>, Error> {
        if self.comes(b"[", Value::is_array)
            && let Next::List(cursor) = self.next()?
        {
            return Ok(cursor);
        }
        Err(self.unexpected(expected))
    }

    fn expect_map(&mut self, expected: &dyn Expected) -> Result<Cursor<'de>, Error> {
        if self.comes(b"{", Value::is_object)
            && let Next::Map(cursor) = self.next()?
        {
            return Ok(cursor);
        }
        Err(self.unexpected(expected))
    }

    /// Whether another item comes; at the end of the list it has been stepped over.
    fn item(&mut self, cursor: &mut Cursor<'de>) -> Result<bool, Error> {
        match cursor {
            Cursor::Items(items) => {
                self.value = items.next();
                Ok(self.value.is_some())
            }
            Cursor::Text { first } => self.another(first, b']'),
            Cursor::Fields(_) => Ok(false),
        }
    }

    /// The next key; None at the end of the object, which has been stepped over.
    fn key(&mut self, cursor: &mut Cursor<'de>) -> Result<Option<Cow<'de, str>>, Error> {
        match cursor {
            Cursor::Fields(fields) => {
                let Some((key, value)) = fields.next() else { return Ok(None) };
                self.value = Some(value);
                Ok(Some(Cow::Borrowed(key)))
            }
            Cursor::Text { first } => {
                if !self.another(first, b'}')? {
                    return Ok(None);
                }
                match self.peek() {
                    Some(b'"') => self.string().map(Some),
                    _ => Err(Error::new(BROKEN[2].into())),
                }
            }
            Cursor::Items(_) => Ok(None),
        }
    }

    #[inline]
    fn another(&mut self, first: &mut bool, close: u8) -> Result<bool, Error> {
        let comes = self.peek();
        if comes == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        if !std::mem::take(first) {
            if comes != Some(b',') {
                return Err(self.broken());
            }
            self.at += 1;
        }
        Ok(true)
    }

    /// Before a field's value stands a colon, in text.
    #[inline]
    fn colon(&mut self) -> Result<(), Error> {
        match self.value {
            Some(_) => Ok(()),
            None => self.take(b':'),
        }
    }
}

fn number_of(n: &serde_json::Number) -> Number {
    match (n.as_u64(), n.as_i64()) {
        (Some(n), _) => Number::Unsigned(n),
        (None, Some(n)) => Number::Signed(n),
        _ => Number::Float(n.as_f64().unwrap_or_default()),
    }
}

/// Where the first of two bytes stands. Strings of dumps are short, mostly.
#[inline]
fn offset_of_two(bytes: &[u8], one: u8, other: u8) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let mut at = 0;
    while let Some(Ok(eight)) = bytes.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let word = u64::from_le_bytes(eight);
        // A byte behind the first that is found may be marked falsely, the first never is.
        let found = zero(word ^ (LOW * u64::from(one))) | zero(word ^ (LOW * u64::from(other)));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(|b| *b == one || *b == other).map(|i| at + i)
}

/// The items of a list.
struct Items<'t, 'de> {
    typed: &'t mut Typed<'de>,
    cursor: Cursor<'de>,
    index: usize,
    ended: bool,
}

impl Items<'_, '_> {
    fn advance(&mut self) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        let comes = self.typed.item(&mut self.cursor)?;
        self.ended = !comes;
        Ok(comes)
    }

    /// Whoever reads a list of a known length may leave some of it.
    fn end(&mut self) -> Result<(), Error> {
        let read = self.index;
        while self.advance()? {
            self.typed.skip()?;
            self.index += 1;
        }
        self.typed.leave();
        if self.index > read {
            return Err(de::Error::invalid_length(self.index, &"fewer elements in array"));
        }
        Ok(())
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if !self.advance()? {
            return Ok(None);
        }
        let index = self.index;
        self.index += 1;
        match seed.deserialize(&mut *self.typed) {
            Ok(item) => Ok(Some(item)),
            Err(e) => Err(e.at_item(index)),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        match &self.cursor {
            Cursor::Items(items) => Some(items.len()),
            _ => None,
        }
    }
}

/// The fields of an object.
struct Fields<'t, 'de> {
    typed: &'t mut Typed<'de>,
    cursor: Cursor<'de>,
    key: Cow<'de, str>,
    ended: bool,
}

impl Fields<'_, '_> {
    fn advance(&mut self) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        match self.typed.key(&mut self.cursor)? {
            Some(key) => {
                self.key = key;
                Ok(true)
            }
            None => {
                self.ended = true;
                Ok(false)
            }
        }
    }

    fn end(&mut self) -> Result<(), Error> {
        while self.advance()? {
            self.typed.colon()?;
            self.typed.skip()?;
        }
        self.typed.leave();
        Ok(())
    }
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if !self.advance()? {
            return Ok(None);
        }
        match seed.deserialize(Key(&self.key)) {
            Ok(key) => Ok(Some(key)),
            Err(e) => Err(e.at_key(&self.key)),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        self.typed.colon()?;
        match seed.deserialize(&mut *self.typed) {
            Ok(value) => Ok(value),
            Err(e) => Err(e.at_key(&self.key)),
        }
    }
}

/// A field's name; a number or a truth value where a map is keyed by such.
struct Key<'k, 'de>(&'k Cow<'de, str>);

impl<'de> Key<'_, 'de> {
    fn visit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_str(text),
        }
    }

    /// The key as a number, if it is one.
    fn number(&self) -> Option<Number> {
        let mut typed = Typed::of_text(self.0);
        let number = typed.number().ok()?;
        (typed.at == self.0.len()).then_some(number)
    }
}

macro_rules! number_keys {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.number() {
                Some(Number::Unsigned(n)) => visitor.visit_u64(n),
                Some(Number::Signed(n)) => visitor.visit_i64(n),
                Some(Number::Float(n)) => visitor.visit_f64(n),
                None => Err(Error::new("invalid value: expected key to be a number in quotes".into())),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Key<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit(visitor)
    }

    number_keys! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &**self.0 {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => Err(de::Error::invalid_type(Unexpected::Str(other), &visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(de::value::StrDeserializer::new(self.0))
    }

    serde::forward_to_deserialize_any! { i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct
    map struct identifier ignored_any }
}

impl<'de> Typed<'de> {
    fn list<V: Visitor<'de>>(&mut self, cursor: Cursor<'de>, visitor: V) -> Result<V::Value, Error> {
        let mut items = Items { typed: self, cursor, index: 0, ended: false };
        let value = visitor.visit_seq(&mut items)?;
        items.end()?;
        Ok(value)
    }

    fn map<V: Visitor<'de>>(&mut self, cursor: Cursor<'de>, visitor: V) -> Result<V::Value, Error> {
        let mut fields = Fields { typed: self, cursor, key: Cow::Borrowed(""), ended: false };
        let value = visitor.visit_map(&mut fields)?;
        fields.end()?;
        Ok(value)
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.expect_number(&visitor)? {
                Number::Unsigned(n) => visitor.visit_u64(n),
                Number::Signed(n) => visitor.visit_i64(n),
                Number::Float(n) => visitor.visit_f64(n),
            }
        }
    )*};
}

macro_rules! strings {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.expect_string(&visitor)? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_str(&text),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &mut Typed<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.next()? {
            Next::Null => visitor.visit_unit(),
            Next::Bool(b) => visitor.visit_bool(b),
            Next::Number(Number::Unsigned(n)) => visitor.visit_u64(n),
            Next::Number(Number::Signed(n)) => visitor.visit_i64(n),
            Next::Number(Number::Float(n)) => visitor.visit_f64(n),
            Next::Borrowed(text) => visitor.visit_borrowed_str(text),
            Next::Owned(text) => visitor.visit_string(text),
            Next::List(cursor) => self.list(cursor, visitor),
            Next::Map(cursor) => self.map(cursor, visitor),
        }
    }

    numbers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 }

    strings! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let b = self.expect_bool(&visitor)?;
        visitor.visit_bool(b)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.null()? {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.null()? {
            true => visitor.visit_unit(),
            false => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let cursor = self.expect_list(&visitor)?;
        self.list(cursor, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let cursor = self.expect_map(&visitor)?;
        self.map(cursor, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if let Some(structs) = &mut self.structs {
            structs.push(fields);
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (name, cursor) = self.variant()?;
        let data = cursor.is_some();
        let value = visitor.visit_enum(Variant { typed: &mut *self, name, data })?;
        self.end_variant(cursor)?;
        Ok(value)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip()?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { i128 u128 bytes byte_buf }
}

impl<'de> Typed<'de> {
    /// A variant's name, and what is left of the object that it is the only key of, if it has data.
    fn variant(&mut self) -> Result<(Cow<'de, str>, Option<Cursor<'de>>), Error> {
        if self.comes(b"\"", Value::is_string) {
            return self.expect_string(&"string or map").map(|name| (name, None));
        }
        let mut cursor = self.expect_map(&"string or map")?;
        let single = || de::Error::invalid_value(Unexpected::Map, &"map with a single key");
        if matches!(&cursor, Cursor::Fields(fields) if fields.len() != 1) {
            return Err(single());
        }
        let name = self.key(&mut cursor)?.ok_or_else(single)?;
        self.colon()?;
        Ok((name, Some(cursor)))
    }

    fn end_variant(&mut self, cursor: Option<Cursor<'de>>) -> Result<(), Error> {
        let Some(mut cursor) = cursor else { return Ok(()) };
        self.leave();
        match self.key(&mut cursor)? {
            None => Ok(()),
            Some(_) => Err(de::Error::invalid_value(Unexpected::Map, &"map with a single key")),
        }
    }
}

/// A variant of an enum: its name, and perhaps its data behind it.
struct Variant<'t, 'de> {
    typed: &'t mut Typed<'de>,
    name: Cow<'de, str>,
    data: bool,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let variant = match &self.name {
            Cow::Borrowed(name) => seed.deserialize(BorrowedStrDeserializer::<Error>::new(name))?,
            Cow::Owned(name) => seed.deserialize(de::value::StrDeserializer::<Error>::new(name))?,
        };
        Ok((variant, self))
    }
}

impl Variant<'_, '_> {
    fn without_data(&self, expected: &'static str) -> Result<(), Error> {
        match self.data {
            true => Ok(()),
            false => Err(de::Error::invalid_type(Unexpected::UnitVariant, &expected)),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.data {
            true => <()>::deserialize(&mut *self.typed).map_err(|e| e.at_key(&self.name)),
            false => Ok(()),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        self.without_data("newtype variant")?;
        seed.deserialize(&mut *self.typed).map_err(|e| e.at_key(&self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.without_data("tuple variant")?;
        let read = self.typed.expect_list(&"tuple variant").and_then(|cursor| self.typed.list(cursor, visitor));
        read.map_err(|e| e.at_key(&self.name))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.without_data("struct variant")?;
        let read = self.typed.expect_map(&"struct variant").and_then(|cursor| self.typed.map(cursor, visitor));
        read.map_err(|e| e.at_key(&self.name))
    }
}
