//! What is filled while a dump is decoded: the catalogue, the tables of names, the findings.

use super::diagnostics::Notices;
use super::scale::CustomKinds;
use super::wire::Meta;
use super::wire::scalar::Pairs;
use super::wire::selector;
use crate::cluster::*;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names to indices; for lookup only, never iterated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookup {
    pub(crate) namespaces: FxHashMap<Sym, NsIdx>,
    pub(crate) nodes: FxHashMap<Sym, NodeIdx>,
    /// Resources of which some node has any.
    pub(crate) offered: FxHashSet<ResIdx>,
    /// Zone and region of nodes, by the node's name and the label's key.
    pub(crate) topology: FxHashMap<(Sym, Sym), Sym>,
    pub(crate) pods: FxHashMap<(NsIdx, Sym), PodIdx>,
    pub(crate) pod_uids: FxHashSet<Sym>,
    pub(crate) owners: FxHashMap<Sym, OwnerIdx>,
    /// Owners by kind, namespace and name.
    pub(crate) owner_names: FxHashMap<(Sym, NsIdx, Sym), OwnerIdx>,
    pub(crate) budgets: FxHashSet<(NsIdx, Sym)>,
    pub(crate) claims: FxHashMap<(NsIdx, Sym), PvcIdx>,
    pub(crate) volumes: FxHashMap<Sym, PvIdx>,
    pub(crate) priorities: FxHashMap<Sym, Priority>,
    /// The class marked `globalDefault`.
    pub(crate) default_priority: Option<Priority>,
    pub(crate) runtime_classes: FxHashMap<Sym, Arc<RuntimeDefaults>>,
    /// Defaults of a namespace's limit ranges: `(resource, amount)`.
    pub(crate) limit_defaults: FxHashMap<NsIdx, Vec<(String, Quantity)>>,
    /// What the API serves beside its own kinds.
    pub(crate) custom_kinds: Arc<CustomKinds>,
    /// Kinds that the dump holds at least one object of.
    pub(crate) kinds: FxHashSet<&'static str>,
    /// Kinds of which an empty list says that there are none.
    pub(crate) none_of: FxHashSet<&'static str>,
    /// How many pods controllers' statuses count, where they count any.
    pub(crate) stated_pods: Vec<(OwnerIdx, i64)>,
    /// Pods that are not ready, until it is known since when.
    pub(crate) unready: Vec<Unready>,
    /// Pods that were left out because their node is missing, by their controller's uid; and their namespaces.
    pub(crate) left_out: FxHashMap<Sym, i64>,
    pub(crate) left_out_of: FxHashSet<NsIdx>,
    /// Nodes to which pods are bound and that the dump lacks, with how many pods.
    pub(crate) absent_nodes: BTreeMap<String, i64>,
    /// The dump lacks all claims, or all volumes: nothing is known of those that are named.
    pub(crate) claims_unknown: bool,
    pub(crate) volumes_unknown: bool,
    /// The places of each namespace's quotas in the inventory's list.
    pub(crate) quotas: FxHashMap<NsIdx, Vec<usize>>,
    /// Claims that are bound to volumes of which nothing is known.
    pub(crate) unknown_claims: FxHashSet<(NsIdx, Sym)>,
}

/// A pod that is not ready; whether it is broken is decided once the moment of the dump is known.
#[derive(Clone, Debug)]
pub(crate) struct Unready {
    pub(crate) spec: SpecIdx,
    pub(crate) object: String,
    pub(crate) why: String,
    pub(crate) phase: Phase,
    /// Since when, in milliseconds since 1970, if it says so.
    pub(crate) since: Option<i64>,
    /// The code of a pod that is broken however short it has been so.
    pub(crate) at_once: Option<&'static str>,
    /// It is in its init containers.
    pub(crate) initializing: bool,
}

/// What a PriorityClass says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Priority {
    pub(crate) value: i32,
    pub(crate) may_preempt: bool,
}

/// What a RuntimeClass adds to a pod on admission.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuntimeDefaults {
    pub(crate) overhead: Vec<(String, Quantity)>,
    pub(crate) node_selector: Vec<(Sym, Sym)>,
    pub(crate) tolerations: Vec<Toleration>,
}

/// A dump on its way to becoming a cluster. Times are milliseconds since 1970 until the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Builder {
    pub(crate) catalog: Catalog,
    pub(crate) lookup: Lookup,
    pub(crate) notices: Notices,
    /// Latest moment seen so far.
    pub(crate) latest: i64,
}

impl Builder {
    pub(crate) fn sym(&mut self, text: &str) -> Sym {
        self.catalog.names.intern(text)
    }
    pub(crate) fn sym_opt(&mut self, text: Option<&str>) -> Option<Sym> {
        text.filter(|t| !t.is_empty()).map(|t| self.sym(t))
    }
    /// Notes a moment (milliseconds since 1970): the snapshot cannot be older than what it mentions.
    pub(crate) fn saw(&mut self, ms: i64) {
        self.latest = self.latest.max(ms);
    }
    pub(crate) fn labels(&mut self, pairs: &Pairs<'_>) -> Labels {
        Labels::new(pairs.iter().map(|(k, v)| (self.catalog.names.intern(k), self.catalog.names.intern(v))))
    }
    pub(crate) fn pairs(&mut self, pairs: &Pairs<'_>) -> Vec<(Sym, Sym)> {
        pairs.iter().map(|(k, v)| (self.catalog.names.intern(k), self.catalog.names.intern(v))).collect()
    }
    /// Annotations that are short enough to mean something to us, by key text.
    pub(crate) fn annotations(&mut self, meta: &Meta<'_>) -> Vec<(Sym, Sym)> {
        const LONGEST: usize = 256;
        let mut short: Vec<_> = meta
            .annotations
            .iter()
            .filter(|(k, v)| v.len() <= LONGEST && &**k != "kubectl.kubernetes.io/last-applied-configuration")
            .collect();
        short.sort_by(|a, b| a.0.cmp(&b.0));
        short.into_iter().map(|(k, v)| (self.catalog.names.intern(k), self.catalog.names.intern(v))).collect()
    }
    /// The namespace called `name`, made if the dump did not hold it: the API gives each the label with its name.
    pub(crate) fn namespace(&mut self, name: &str) -> NsIdx {
        let sym = self.sym(name);
        if let Some(ns) = self.lookup.namespaces.get(&sym) {
            return *ns;
        }
        let key = self.sym("kubernetes.io/metadata.name");
        self.add_namespace(Namespace { name: sym, labels: Labels::new([(key, sym)]), terminating: false })
    }
    pub(crate) fn add_namespace(&mut self, namespace: Namespace) -> NsIdx {
        let name = namespace.name;
        let index = self.catalog.namespaces.push(namespace);
        self.lookup.namespaces.insert(name, index);
        index
    }
    pub(crate) fn requirement(&mut self, e: &selector::Expression<'_>) -> Result<Requirement, String> {
        let operator = match &*e.operator {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            "Gt" => Operator::Gt,
            "Lt" => Operator::Lt,
            other => return Err(format!("{other:?} is not a valid label selector operator")),
        };
        if matches!(operator, Operator::In | Operator::NotIn) && e.values.is_empty() {
            return Err("for 'in', 'notin' operators, values set can't be empty".into());
        }
        let bound = match operator {
            Operator::Gt | Operator::Lt => e.values.first().and_then(|v| v.parse().ok()),
            _ => None,
        };
        let values: SmallVec<[Sym; 2]> = match operator {
            Operator::In | Operator::NotIn => e.values.iter().map(|v| self.catalog.names.intern(v)).collect(),
            _ => SmallVec::new(),
        };
        Ok(Requirement { key: self.sym(&e.key), operator, values, bound })
    }
    /// A label selector; None matches nothing, `{}` everything (apimachinery `LabelSelectorAsSelector`).
    pub(crate) fn selector(&mut self, selector: Option<&selector::LabelSelector<'_>>) -> Selector {
        let Some(selector) = selector else { return Selector::Nothing };
        let mut requirements = Vec::with_capacity(selector.match_labels.len() + selector.match_expressions.len());
        for (key, value) in selector.match_labels.iter() {
            requirements.push(self.equals(key, value));
        }
        for e in selector.match_expressions.iter() {
            if matches!(&*e.operator, "Gt" | "Lt") {
                return Selector::Invalid(format!("{:?} is not a valid label selector operator", &*e.operator));
            }
            match self.requirement(e) {
                Ok(r) => requirements.push(r),
                Err(problem) => return Selector::Invalid(problem),
            }
        }
        Selector::All(requirements)
    }
    /// The requirement that a label has a value.
    pub(crate) fn equals(&mut self, key: &str, value: &str) -> Requirement {
        Requirement {
            key: self.sym(key),
            operator: Operator::In,
            values: SmallVec::from_iter([self.sym(value)]),
            bound: None,
        }
    }
    /// A plain map as a selector; None matches nothing.
    pub(crate) fn map_selector(&mut self, pairs: Option<&Pairs<'_>>) -> Selector {
        match pairs {
            Some(pairs) if !pairs.is_empty() => {
                Selector::All(pairs.iter().map(|(k, v)| self.equals(k, v)).collect::<Vec<_>>())
            }
            _ => Selector::Nothing,
        }
    }
    pub(crate) fn node_term(&mut self, term: &selector::NodeSelectorTerm<'_>) -> NodeSelectorTerm {
        let mut side = |list: &[selector::Expression<'_>]| {
            list.iter().map(|e| self.requirement(e).unwrap_or_else(|_| self.never())).collect::<Vec<_>>()
        };
        NodeSelectorTerm { expressions: side(&term.match_expressions), fields: side(&term.match_fields) }
    }
    /// A requirement that nothing satisfies, for one that cannot be parsed: the real term matches nothing then.
    fn never(&mut self) -> Requirement {
        Requirement { key: self.catalog.known.empty, operator: Operator::In, values: SmallVec::new(), bound: None }
    }
    pub(crate) fn node_selector(&mut self, selector: &selector::NodeSelector<'_>) -> NodeSelector {
        NodeSelector { terms: selector.node_selector_terms.iter().map(|t| self.node_term(t)).collect() }
    }
    /// Text of a namespaced object for a finding.
    pub(crate) fn object(kind: &str, meta: &Meta<'_>) -> String {
        match meta.namespace.as_deref() {
            Some(ns) if !ns.is_empty() => format!("{kind}/{ns}/{}", &*meta.name),
            _ => format!("{kind}/{}", &*meta.name),
        }
    }
}
