//! Match conditions of admission webhooks, as far as they can be decided from what is known of a request.
//!
//! They are written in CEL. What is read here are its literals, `!`, `&&`, `||`, `==`, `!=`, `in`, `has()`, `startsWith()`, `endsWith()`,
//! `contains()`, and the fields of a request for a pod that do not depend on who makes it. Everything else is unknown, and stays so unless what it is
//! combined with decides.

mod parse;

use super::intern::Interner;
use super::labels::Labels;

/// What is known of a truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// It cannot be decided.
    Unknown,
}

impl Known {
    fn not(self) -> Known {
        match self {
            Known::True => Known::False,
            Known::False => Known::True,
            Known::Unknown => Known::Unknown,
        }
    }
}

impl From<bool> for Known {
    fn from(is: bool) -> Known {
        if is { Known::True } else { Known::False }
    }
}

/// The request that a condition is about: a pod is created, or evicted.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the pod; None if it is generated.
    pub name: Option<&'a str>,
    /// Labels of the pod; None if the object is another (an Eviction).
    pub labels: Option<&'a Labels>,
    /// It is evicted, not created.
    pub eviction: bool,
    /// The texts of the labels.
    pub names: &'a Interner,
}

/// A condition that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    expression: Expr,
}

/// A part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expr {
    Text(String),
    Number(i64),
    Truth(bool),
    List(Vec<Expr>),
    /// `object.metadata.labels`, an index by a literal being a step like any other.
    Path(Vec<String>),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Equal(Box<Expr>, Box<Expr>),
    In(Box<Expr>, Box<Expr>),
    Has(Vec<String>),
    /// `startsWith`, `endsWith`, `contains` of a text.
    Method(Box<Expr>, String, Vec<Expr>),
    /// What is not read.
    Other,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    Number(i64),
    Truth(bool),
    List(Vec<Value>),
    Unknown,
}

impl Value {
    fn is_known(&self) -> bool {
        match self {
            Value::List(items) => items.iter().all(Value::is_known),
            other => *other != Value::Unknown,
        }
    }
}

impl Condition {
    /// Reads an expression; what cannot be read is unknown.
    pub fn read(text: &str) -> Condition {
        Condition { expression: parse::expression(text).unwrap_or(Expr::Other) }
    }

    /// Whether it is true of a request.
    pub fn judge(&self, subject: &Subject<'_>) -> Known {
        self.expression.judge(subject)
    }
}

impl Expr {
    fn judge(&self, s: &Subject<'_>) -> Known {
        match self {
            Expr::Not(e) => e.judge(s).not(),
            // Like CEL, either side may decide.
            Expr::And(a, b) => match (a.judge(s), b.judge(s)) {
                (Known::False, _) | (_, Known::False) => Known::False,
                (Known::True, Known::True) => Known::True,
                _ => Known::Unknown,
            },
            Expr::Or(a, b) => match (a.judge(s), b.judge(s)) {
                (Known::True, _) | (_, Known::True) => Known::True,
                (Known::False, Known::False) => Known::False,
                _ => Known::Unknown,
            },
            Expr::Equal(a, b) => match (a.value(s), b.value(s)) {
                (a, b) if !(a.is_known() && b.is_known()) => Known::Unknown,
                (a, b) => (a == b).into(),
            },
            Expr::In(a, b) => match (&**a, &**b) {
                // `'key' in object.metadata.labels`.
                (Expr::Text(key), Expr::Path(path)) => has(&path.iter().chain([key]).cloned().collect::<Vec<_>>(), s),
                (a, b) => match (a.value(s), b.value(s)) {
                    (a, Value::List(_)) if !a.is_known() => Known::Unknown,
                    (a, Value::List(list)) if list.contains(&a) => Known::True,
                    (_, Value::List(list)) if list.iter().all(Value::is_known) => Known::False,
                    _ => Known::Unknown,
                },
            },
            Expr::Has(path) => has(path, s),
            Expr::Method(of, name, arguments) => method(of, name, arguments, s),
            other => match other.value(s) {
                Value::Truth(is) => is.into(),
                _ => Known::Unknown,
            },
        }
    }

    fn value(&self, s: &Subject<'_>) -> Value {
        match self {
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Number(n) => Value::Number(*n),
            Expr::Truth(is) => Value::Truth(*is),
            Expr::List(list) => Value::List(list.iter().map(|e| e.value(s)).collect()),
            Expr::Path(path) => field(path, s),
            Expr::Other => Value::Unknown,
            e => match e.judge(s) {
                Known::True => Value::Truth(true),
                Known::False => Value::Truth(false),
                Known::Unknown => Value::Unknown,
            },
        }
    }
}

/// The path of a map of labels, and the key in it.
fn label<'p>(path: &'p [&str]) -> Option<&'p str> {
    match path {
        ["object", "metadata", "labels", key] => Some(key),
        _ => None,
    }
}

/// What a request's field holds.
fn field(path: &[String], s: &Subject<'_>) -> Value {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let text = |t: &str| Value::Text(t.to_owned());
    let named = || s.name.map_or(Value::Unknown, text);
    match path.as_slice() {
        ["request", "namespace"] | ["object", "metadata", "namespace"] | ["namespaceObject", "metadata", "name"] => {
            text(s.namespace)
        }
        ["request", "operation"] => text("CREATE"),
        ["request", "resource", "group"] => text(""),
        ["request", "resource", "version"] => text("v1"),
        ["request", "resource", "resource"] => text("pods"),
        ["request", "subResource"] => text(if s.eviction { "eviction" } else { "" }),
        ["request", "kind", "kind"] | ["object", "kind"] => text(if s.eviction { "Eviction" } else { "Pod" }),
        ["request", "kind", "group"] => text(if s.eviction { "policy" } else { "" }),
        ["request", "kind", "version"] => text("v1"),
        ["request", "dryRun"] => Value::Truth(false),
        ["request", "name"] if s.eviction => named(),
        ["object", "metadata", "name"] => named(),
        path => {
            let of = label(path).zip(s.labels).and_then(|(key, labels)| labels.get(s.names.get(key)?));
            of.and_then(|v| s.names.text(v)).map_or(Value::Unknown, text)
        }
    }
}

/// `has(object.metadata.labels)`: whether a field is there.
fn has(path: &[String], s: &Subject<'_>) -> Known {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (path.as_slice(), s.labels) {
        (["object", "metadata", "labels"], Some(labels)) => (labels.iter().next().is_some()).into(),
        (["object", "metadata", "labels"], None) => Known::False,
        (["object", "metadata", "namespace"] | ["request", "namespace"], _) => Known::True,
        (path, Some(labels)) => match label(path) {
            Some(key) => s.names.get(key).is_some_and(|k| labels.get(k).is_some()).into(),
            None => Known::Unknown,
        },
        (path, None) => label(path).map_or(Known::Unknown, |_| Known::False),
    }
}

fn method(of: &Expr, name: &str, arguments: &[Expr], s: &Subject<'_>) -> Known {
    let [part] = arguments else { return Known::Unknown };
    let (Value::Text(text), Value::Text(part)) = (of.value(s), part.value(s)) else { return Known::Unknown };
    match name {
        "startsWith" => text.starts_with(&part).into(),
        "endsWith" => text.ends_with(&part).into(),
        "contains" => text.contains(&part).into(),
        _ => Known::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Known {
        let mut names = Interner::default();
        let (app, web) = (names.intern("app"), names.intern("web"));
        let labels = Labels::new([(app, web)]);
        let subject = Subject { namespace: "team", name: None, labels: Some(&labels), eviction: false, names: &names };
        Condition::read(text).judge(&subject)
    }

    #[test]
    fn what_a_request_shows_is_decided() {
        for (text, expected) in [
            ("true", Known::True),
            ("request.namespace != 'kube-system'", Known::True),
            ("!(request.namespace in ['kube-system', \"team\"])", Known::False),
            ("object.metadata.namespace == 'team' && object.kind == 'Pod'", Known::True),
            (
                "!(request.resource.group == 'coordination.k8s.io' && request.resource.resource == 'leases')",
                Known::True,
            ),
            ("request.resource.resource in ['pods', 'services'] || request.operation == 'DELETE'", Known::True),
            ("has(object.metadata.labels) && 'app' in object.metadata.labels", Known::True),
            ("has(object.metadata.labels.team)", Known::False),
            ("object.metadata.labels['app'] == 'web'", Known::True),
            ("object.metadata.?labels['skip'].orValue('') != 'true'", Known::Unknown),
            ("request.namespace.startsWith('te')", Known::True),
            ("request.namespace.matches('^te')", Known::Unknown),
            ("request.subResource == 'eviction'", Known::False),
        ] {
            assert_eq!(judge(text), expected, "{text}");
        }
    }

    #[test]
    fn what_it_does_not_show_is_unknown_unless_the_rest_decides() {
        for (text, expected) in [
            ("!('system:nodes' in request.userInfo.groups)", Known::Unknown),
            ("request.namespace == 'other' && 'system:nodes' in request.userInfo.groups", Known::False),
            ("'system:nodes' in request.userInfo.groups || request.namespace == 'team'", Known::True),
            ("object.spec.containers.exists(c, c.name == 'x')", Known::Unknown),
            ("object.metadata.name == 'x'", Known::Unknown),
            ("[request.userInfo.username] == ['x']", Known::Unknown),
            ("[object.metadata.name] == [object.metadata.name]", Known::Unknown),
            ("'x' in ['y', request.userInfo.username]", Known::Unknown),
            ("request.dryRun && 1 < 2", Known::Unknown),
            ("request.namespace ==", Known::Unknown),
            ("((((", Known::Unknown),
            ("", Known::Unknown),
        ] {
            assert_eq!(judge(text), expected, "{text}");
        }
        // Nested as deep, or as long, as anybody may write it: no overflow.
        assert_eq!(judge(&format!("{}true{}", "(".repeat(100_000), ")".repeat(100_000))), Known::Unknown);
        assert_eq!(judge(&format!("{}true", "true && ".repeat(100_000))), Known::Unknown);
        assert_eq!(judge(&format!("request.namespace{}", ".x()".repeat(100_000))), Known::Unknown);
        assert_eq!(judge(&format!("{}true", "true && ".repeat(400))), Known::True);
    }
}
