//! Labels, and the selectors that match them.

use super::intern::{Interner, Sym};
use smallvec::SmallVec;

/// Labels of one object, sorted by key symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Vec<(Sym, Sym)>);

impl Labels {
    /// Labels from pairs; of a key given twice the last counts.
    pub fn new(pairs: impl IntoIterator<Item = (Sym, Sym)>) -> Labels {
        let mut labels = Labels::default();
        for (k, v) in pairs {
            labels.set(k, v);
        }
        labels
    }
    /// The value under `key`.
    pub fn get(&self, key: Sym) -> Option<Sym> {
        self.0.binary_search_by_key(&key, |p| p.0).ok().map(|i| self.0[i].1)
    }
    /// Sets `key` to `value`.
    pub fn set(&mut self, key: Sym, value: Sym) {
        match self.0.binary_search_by_key(&key, |p| p.0) {
            Ok(i) => self.0[i].1 = value,
            Err(i) => self.0.insert(i, (key, value)),
        }
    }
    /// Removes `key`.
    pub fn remove(&mut self, key: Sym) {
        if let Ok(i) = self.0.binary_search_by_key(&key, |p| p.0) {
            self.0.remove(i);
        }
    }
    /// All pairs, by key symbol.
    pub fn iter(&self) -> impl Iterator<Item = (Sym, Sym)> + '_ {
        self.0.iter().copied()
    }
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How a [`Requirement`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Kubernetes' own operator names
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
}

/// One requirement on one label key (apimachinery `labels.Requirement`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// Label key.
    pub key: Sym,
    /// Comparison.
    pub operator: Operator,
    /// Values for `In` and `NotIn`.
    pub values: SmallVec<[Sym; 2]>,
    /// Bound for `Gt` and `Lt`; None if the text is no integer, which matches nothing.
    pub bound: Option<i64>,
}

impl Requirement {
    /// Whether labels satisfy it. `NotIn` and `DoesNotExist` hold where the key is absent.
    pub fn matches(&self, labels: &Labels, names: &Interner) -> bool {
        self.matches_value(labels.get(self.key), names)
    }
    /// Whether the value found under the key (if any) satisfies it.
    pub fn matches_value(&self, value: Option<Sym>, names: &Interner) -> bool {
        let number = || value.and_then(|v| names.text(v)).and_then(|t| t.parse::<i64>().ok());
        match self.operator {
            Operator::In => value.is_some_and(|v| self.values.contains(&v)),
            Operator::NotIn => value.is_none_or(|v| !self.values.contains(&v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => matches!((number(), self.bound), (Some(n), Some(b)) if n > b),
            Operator::Lt => matches!((number(), self.bound), (Some(n), Some(b)) if n < b),
        }
    }
}

/// A label selector as Kubernetes stores one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// No selector given: matches nothing.
    Nothing,
    /// All requirements must hold; none at all (`{}`) matches everything.
    All(Vec<Requirement>),
    /// A selector the real system cannot parse, with its complaint.
    Invalid(String),
}

impl Selector {
    /// Whether labels satisfy it.
    pub fn matches(&self, labels: &Labels, names: &Interner) -> bool {
        match self {
            Selector::All(requirements) => requirements.iter().all(|r| r.matches(labels, names)),
            Selector::Nothing | Selector::Invalid(_) => false,
        }
    }
    /// A label key of which it demands one of some values, if it demands any: what it selects is found by that label, without a look at
    /// the rest.
    pub fn demanded(&self) -> Option<(Sym, &[Sym])> {
        let Selector::All(requirements) = self else { return None };
        requirements.iter().find(|r| r.operator == Operator::In).map(|r| (r.key, r.values.as_slice()))
    }

    /// Whether it says anything of a label key.
    pub fn mentions(&self, key: Sym) -> bool {
        matches!(self, Selector::All(requirements) if requirements.iter().any(|r| r.key == key))
    }

    /// Whether it is `{}`: a selector without requirements.
    pub fn is_empty(&self) -> bool {
        matches!(self, Selector::All(r) if r.is_empty())
    }
}

/// One term of a node selector; expressions and fields must all hold, and an empty term matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeSelectorTerm {
    /// On the node's labels.
    pub expressions: Vec<Requirement>,
    /// On `metadata.name`, the only field there is.
    pub fields: Vec<Requirement>,
}

impl NodeSelectorTerm {
    /// Whether a node satisfies it (component-helpers `scheduling/corev1/nodeaffinity`).
    pub fn matches(&self, labels: &Labels, node_name: Sym, names: &Interner) -> bool {
        if self.expressions.is_empty() && self.fields.is_empty() {
            return false;
        }
        self.expressions.iter().all(|r| r.matches(labels, names))
            && self.fields.iter().all(|r| r.matches_value(Some(node_name), names))
    }
}

/// Node selector terms, of which one must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeSelector {
    /// Alternatives.
    pub terms: Vec<NodeSelectorTerm>,
}

impl NodeSelector {
    /// Whether a node satisfies one of the terms.
    pub fn matches(&self, labels: &Labels, node_name: Sym, names: &Interner) -> bool {
        self.terms.iter().any(|t| t.matches(labels, node_name, names))
    }
}
