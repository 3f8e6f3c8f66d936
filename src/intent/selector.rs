//! Label selectors in kubectl's text form.

use crate::cluster::{Labels, View};

/// One requirement of a selector in kubectl's text form.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Greater(String, i64),
    Less(String, i64),
}

/// A label selector as `kubectl -l` takes it: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>3` (apimachinery `labels.Parse`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelectorText(Vec<Requirement>);

impl std::str::FromStr for LabelSelectorText {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = split(text)?;
        if parts.is_empty() {
            return Err("the selector is empty; expected for example agentpool=old".into());
        }
        parts.iter().map(|p| requirement(p)).collect::<Result<_, _>>().map(LabelSelectorText)
    }
}

/// Splits at the commas outside of parentheses.
fn split(text: &str) -> Result<Vec<String>, String> {
    let (mut parts, mut depth, mut part) = (Vec::new(), 0i32, String::new());
    for ch in text.chars() {
        match ch {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if !(0..=1).contains(&depth) {
            return Err(format!("selector {text:?}: parentheses do not match"));
        }
        if ch == ',' && depth == 0 {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(ch);
        }
    }
    if depth != 0 {
        return Err(format!("selector {text:?}: parentheses do not match"));
    }
    parts.push(part);
    Ok(parts.into_iter().map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect())
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let key = |k: &str| -> Result<String, String> {
        let k = k.trim();
        let ok = !k.is_empty() && k.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        if ok { Ok(k.to_owned()) } else { Err(format!("selector part {text:?}: {k:?} is no label key")) }
    };
    let set = |rest: &str| -> Result<Vec<String>, String> {
        let inner = rest.trim().strip_prefix('(').and_then(|r| r.strip_suffix(')'));
        let inner = inner.ok_or(format!("selector part {text:?}: expected values in parentheses, (a,b)"))?;
        Ok(inner.split(',').map(|v| v.trim().to_owned()).collect())
    };
    let number = |v: &str| v.trim().parse::<i64>().map_err(|_| format!("selector part {text:?}: {v:?} is no integer"));
    if let Some((k, rest)) =
        text.split_once(" notin ").or_else(|| text.split_once(" notin(").map(|(k, _)| (k, &text[k.len() + 6..])))
    {
        return Ok(Requirement::NotIn(key(k)?, set(rest)?));
    }
    if let Some((k, rest)) =
        text.split_once(" in ").or_else(|| text.split_once(" in(").map(|(k, _)| (k, &text[k.len() + 3..])))
    {
        return Ok(Requirement::In(key(k)?, set(rest)?));
    }
    if let Some((k, v)) = text.split_once("!=") {
        return Ok(Requirement::NotIn(key(k)?, vec![v.trim().to_owned()]));
    }
    if let Some((k, v)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Requirement::In(key(k)?, vec![v.trim().to_owned()]));
    }
    if let Some((k, v)) = text.split_once('>') {
        return Ok(Requirement::Greater(key(k)?, number(v)?));
    }
    if let Some((k, v)) = text.split_once('<') {
        return Ok(Requirement::Less(key(k)?, number(v)?));
    }
    match text.strip_prefix('!') {
        Some(k) => Ok(Requirement::Absent(key(k)?)),
        None => Ok(Requirement::Exists(key(text)?)),
    }
}

impl LabelSelectorText {
    /// Whether labels satisfy all of it.
    pub fn matches(&self, view: View<'_>, labels: &Labels) -> bool {
        let value = |key: &str| {
            view.catalog.names.get(key).and_then(|k| labels.get(k)).map(|v| view.state.name(view.catalog, v))
        };
        let number = |key: &str| value(key).and_then(|v| v.parse::<i64>().ok());
        self.0.iter().all(|r| match r {
            Requirement::In(k, vs) => value(k).is_some_and(|v| vs.iter().any(|w| w == v)),
            Requirement::NotIn(k, vs) => value(k).is_none_or(|v| vs.iter().all(|w| w != v)),
            Requirement::Exists(k) => value(k).is_some(),
            Requirement::Absent(k) => value(k).is_none(),
            Requirement::Greater(k, n) => number(k).is_some_and(|v| v > *n),
            Requirement::Less(k, n) => number(k).is_some_and(|v| v < *n),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectls_selectors_are_read() {
        let s: LabelSelectorText = "a=b, c!=d,e in (f,g),h notin (i), j,!k,l>3".parse().expect("parses");
        assert_eq!(s.0.len(), 7);
        assert_eq!(s.0[2], Requirement::In("e".into(), vec!["f".into(), "g".into()]));
        assert_eq!(s.0[5], Requirement::Absent("k".into()));
        for bad in ["", "a in (b", "a in b", "a>x", "a b"] {
            assert!(bad.parse::<LabelSelectorText>().is_err(), "{bad}");
        }
    }
}
