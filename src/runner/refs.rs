//! References that survive a restart, and the tables that resolve them in the view at hand.

use crate::cluster::{NodeIdx, PodIdx, SharedArena, View};
use crate::intent::NodeId;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An old node: its place in the run's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct N(pub u32);

/// A pod the batch deals with: its place in the batch's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct P(pub u32);

impl N {
    /// The place as a number.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}
impl P {
    /// The place as a number.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// A pod by name and uid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodId {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// uid.
    pub uid: String,
}

impl PodId {
    /// The identity of a pod of a view.
    pub fn of(view: View<'_>, pod: PodIdx) -> PodId {
        let p = &view.state.pods[pod];
        let ns = view.catalog.namespaces[view.catalog.specs[p.spec].namespace].name;
        PodId {
            namespace: view.catalog.text(ns).to_owned(),
            name: view.state.name(view.catalog, p.name).to_owned(),
            uid: view.state.name(view.catalog, p.uid).to_owned(),
        }
    }
    /// `namespace/name`.
    pub fn text(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// Indices of the referenced objects in the view at hand; None for what it lacks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub nodes: Vec<Option<NodeIdx>>,
    pub pods: Vec<Option<PodIdx>>,
    pub pod_of: FxHashMap<PodIdx, P>,
    pub node_of: FxHashMap<NodeIdx, N>,
    /// Old nodes by name.
    by_name: Arc<FxHashMap<String, N>>,
    /// Nodes that bear an old node's name and are others (another uid).
    namesakes: FxHashMap<N, NodeIdx>,
    /// Pods in a terminal phase on old nodes, which no longer count as the node's but still have to go.
    pub terminal: FxHashMap<NodeIdx, Vec<PodIdx>>,
    pub owners: super::whole::Counts,
    /// Nodes that were there when the batch began, for procedures that launch: see `Common::known_nodes`.
    pub known: FxHashSet<NodeIdx>,
    /// How many old nodes are left to a person.
    pub lefts: u32,
    /// Old nodes whose provider's state may have changed within the input at hand.
    pub unsaid: Vec<N>,
}

impl Tables {
    /// Resolves lists of identities by uid.
    pub fn resolve(view: View<'_>, nodes: &[NodeId], pods: &SharedArena<usize, Arc<PodId>>) -> Tables {
        let mut t = Tables::default();
        let (c, s) = (view.catalog, view.state);
        // Of a uid that occurs twice (never in a real cluster) the one that exists wins.
        let by_uid: FxHashMap<&str, NodeIdx> = s.nodes.entries().map(|(i, n)| (s.name(c, n.spec.uid), i)).collect();
        for (k, id) in nodes.iter().enumerate() {
            let index = by_uid.get(id.uid.as_str()).copied().filter(|i| s.node_name(c, *i) == id.name);
            t.nodes.push(index);
            if let Some(i) = index {
                t.node_of.insert(i, N(k as u32));
            }
        }
        t.by_name = Arc::new(nodes.iter().zip(0..).map(|(id, k)| (id.name.clone(), N(k))).collect());
        for node in s.live_nodes() {
            t.note_node(view, node);
        }
        if !pods.is_empty() {
            let by_uid: FxHashMap<&str, PodIdx> = s.pods.entries().map(|(i, p)| (s.name(c, p.uid), i)).collect();
            for (k, id) in pods.iter().enumerate() {
                let index = by_uid.get(id.uid.as_str()).copied();
                t.pods.push(index);
                if let Some(i) = index {
                    t.pod_of.insert(i, P(k as u32));
                }
            }
        }
        for pod in view.state.live_pods() {
            t.note_terminal(view, pod);
        }
        t
    }
    /// The old node that a node is, or whose name it bears; in the latter case it is noted.
    pub fn note_node(&mut self, view: View<'_>, node: NodeIdx) -> Option<N> {
        if let Some(n) = self.node_of.get(&node) {
            return Some(*n);
        }
        let n = *self.by_name.get(view.state.node_name(view.catalog, node))?;
        if !view.state.nodes[node].gone {
            self.namesakes.insert(n, node);
        }
        Some(n)
    }
    /// Takes one more node into the lists: the next place.
    pub fn add_node(&mut self, view: View<'_>, node: NodeIdx) {
        let n = N(self.nodes.len() as u32);
        self.nodes.push(Some(node));
        self.node_of.insert(node, n);
        Arc::make_mut(&mut self.by_name).insert(view.state.node_name(view.catalog, node).to_owned(), n);
    }
    /// The node of the lists whose name a node has.
    pub fn old_of_name(&self, view: View<'_>, node: NodeIdx) -> Option<N> {
        self.by_name.get(view.state.node_name(view.catalog, node)).copied()
    }

    /// The node that bears an old node's name now and is another, if there is one.
    pub fn namesake(&self, view: View<'_>, n: N) -> Option<NodeIdx> {
        self.namesakes.get(&n).copied().filter(|i| !view.state.nodes[*i].gone)
    }
    /// Notes a pod that is terminal on an old node.
    pub fn note_terminal(&mut self, view: View<'_>, pod: PodIdx) {
        let p = &view.state.pods[pod];
        if !p.phase.is_terminal() || p.gone {
            return;
        }
        if let Some(node) = p.node.filter(|n| self.node_of.contains_key(n)) {
            let list = self.terminal.entry(node).or_default();
            if !list.contains(&pod) {
                list.push(pod);
            }
        }
    }
    /// All pods of a node that exist, ordered as the API lists them: by namespace, then name.
    pub fn pods_on(&self, view: View<'_>, node: NodeIdx) -> Vec<PodIdx> {
        let (c, s) = (view.catalog, view.state);
        let mut pods: Vec<PodIdx> = s.nodes[node].pods.clone();
        pods.extend(self.terminal.get(&node).into_iter().flatten().copied());
        pods.retain(|p| !s.pods[*p].gone && s.pods[*p].node == Some(node));
        let key = |p: &PodIdx| {
            let ns = c.namespaces[c.specs[s.pods[*p].spec].namespace].name;
            (c.text(ns), s.name(c, s.pods[*p].name))
        };
        pods.sort_by(|a, b| key(a).cmp(&key(b)));
        pods.dedup();
        pods
    }
}
