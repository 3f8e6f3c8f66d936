//! Reading a vendor's JSON field by field: errors with their path, unknown fields counted.

use super::GroupsError;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Fields that were not read, with how often each occurred.
pub(super) type Unread = BTreeMap<String, usize>;

/// An object of a file, and what was read of it.
pub(super) struct Fields<'a> {
    file: &'a str,
    path: String,
    map: &'a Map<String, Value>,
    read: BTreeSet<&'static str>,
}

impl<'a> Fields<'a> {
    /// The fields of a value that must be an object.
    pub fn of(file: &'a str, path: impl Into<String>, value: &'a Value) -> Result<Fields<'a>, GroupsError> {
        let path = path.into();
        match value.as_object() {
            Some(map) => Ok(Fields { file, path, map, read: BTreeSet::new() }),
            None => Err(form(file, &path, value, "an object")),
        }
    }
    pub fn path(&self) -> &str {
        &self.path
    }
    pub fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }
    /// A field that is there and not null.
    pub fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.read.insert(key);
        self.map.get(key).filter(|v| !v.is_null())
    }
    /// Marks fields that are known and mean nothing to us.
    pub fn skip(&mut self, keys: &[&'static str]) {
        self.read.extend(keys);
    }
    pub fn wrong(&self, key: &str, value: &Value, expected: &str) -> GroupsError {
        form(self.file, &self.at(key), value, expected)
    }
    pub fn missing(&self, key: &str, expected: &str) -> GroupsError {
        GroupsError::Form {
            file: self.file.into(),
            path: self.at(key),
            problem: "it is missing".into(),
            expected: expected.into(),
        }
    }
    pub fn text(&mut self, key: &'static str) -> Result<Option<&'a str>, GroupsError> {
        match self.get(key) {
            None => Ok(None),
            Some(v) => v.as_str().map(Some).ok_or_else(|| self.wrong(key, v, "a string")),
        }
    }
    /// A whole number from 0; one that is written as a float or text counts too, as vendors do.
    pub fn count(&mut self, key: &'static str) -> Result<Option<i64>, GroupsError> {
        let Some(v) = self.get(key) else { return Ok(None) };
        let number = v.as_i64().or_else(|| v.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64));
        let number = number.or_else(|| v.as_str().and_then(|s| s.parse().ok()));
        number.filter(|n| *n >= 0).map(Some).ok_or_else(|| self.wrong(key, v, "a whole number from 0"))
    }
    /// A number from 0 in thousandths, which may have a fraction.
    pub fn milli(&mut self, key: &'static str) -> Result<Option<i64>, GroupsError> {
        let Some(v) = self.get(key) else { return Ok(None) };
        let number = v.as_f64().or_else(|| v.as_str().and_then(|s| s.parse().ok()));
        let number = number.filter(|n| (0.0..=1e12).contains(n)).map(|n| libm::round(n * 1000.0) as i64);
        number.map(Some).ok_or_else(|| self.wrong(key, v, "a number from 0"))
    }

    pub fn flag(&mut self, key: &'static str) -> Result<Option<bool>, GroupsError> {
        match self.get(key) {
            None => Ok(None),
            Some(v) => v.as_bool().map(Some).ok_or_else(|| self.wrong(key, v, "true or false")),
        }
    }
    pub fn list(&mut self, key: &'static str) -> Result<&'a [Value], GroupsError> {
        match self.get(key) {
            None => Ok(&[]),
            Some(v) => v.as_array().map(|a| &a[..]).ok_or_else(|| self.wrong(key, v, "a list")),
        }
    }
    pub fn texts(&mut self, key: &'static str) -> Result<Vec<&'a str>, GroupsError> {
        let items = self.list(key)?;
        items.iter().map(|v| v.as_str().ok_or_else(|| self.wrong(key, v, "strings"))).collect()
    }
    pub fn child(&mut self, key: &'static str) -> Result<Option<Fields<'a>>, GroupsError> {
        match self.get(key) {
            None => Ok(None),
            Some(v) => Fields::of(self.file, self.at(key), v).map(Some),
        }
    }
    pub fn children(&mut self, key: &'static str) -> Result<Vec<Fields<'a>>, GroupsError> {
        let items = self.list(key)?;
        let at = self.at(key);
        items.iter().enumerate().map(|(i, v)| Fields::of(self.file, format!("{at}[{i}]"), v)).collect()
    }
    /// Labels as a map or as a list of `{key, value}`.
    pub fn labels(&mut self, key: &'static str) -> Result<Vec<(String, String)>, GroupsError> {
        let Some(v) = self.get(key) else { return Ok(Vec::new()) };
        if let Some(map) = v.as_object() {
            return map
                .iter()
                .map(|(k, v)| {
                    scalar(v).map(|v| (k.clone(), v)).ok_or_else(|| self.wrong(key, v, "a string for each label"))
                })
                .collect();
        }
        let items = self.children(key)?;
        items
            .into_iter()
            .map(|mut item| {
                let name = item.text("key")?.ok_or_else(|| item.missing("key", "the label's key"))?;
                let value = item.get("value").and_then(scalar).unwrap_or_default();
                Ok((name.to_string(), value))
            })
            .collect()
    }
    /// Counts what was not read.
    pub fn finish(self, unread: &mut Unread) {
        for key in self.map.keys().filter(|k| !self.read.contains(k.as_str())) {
            *unread.entry(key.clone()).or_default() += 1;
        }
    }
}

/// A scalar as text.
fn scalar(v: &Value) -> Option<String> {
    match v {
        Value::String(s) => Some(s.clone()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) => Some(n.to_string()),
        Value::Null => Some(String::new()),
        _ => None,
    }
}

pub(super) fn form(file: &str, path: &str, value: &Value, expected: &str) -> GroupsError {
    let mut found = value.to_string();
    if found.chars().count() > 60 {
        found = found.chars().take(57).chain("...".chars()).collect();
    }
    let path = if path.is_empty() { "the document" } else { path };
    GroupsError::Form {
        file: file.into(),
        path: path.into(),
        problem: format!("found {found}"),
        expected: expected.into(),
    }
}
