//! What plugins are called, what they answer, and the interface of those that are asked pod by pod.

use super::config::Profile;
use super::names::PluginId;
use crate::cluster::{Catalog, NodeIdx, PodIdx, PodShape, PodSpec, ResIdx, State};
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;
use std::sync::Arc;

/// An extension point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // Kubernetes' own names
pub enum Point {
    PreEnqueue,
    QueueSort,
    PreFilter,
    Filter,
    PostFilter,
    PreScore,
    Score,
    Reserve,
    Permit,
    PreBind,
    Bind,
    PostBind,
    PlacementGenerate,
    PlacementScore,
}

/// Whether removing pods from the node could help (framework `Unschedulable`, `UnschedulableAndUnresolvable`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Preemption may help.
    Unschedulable,
    /// Preemption cannot help.
    Unresolvable,
}

/// Why a node was rejected, worded as the plugin words it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A fixed text.
    Fixed(&'static str),
    /// `Insufficient <resource>`.
    Insufficient(ResIdx),
    /// A text made for this pod.
    Text(Arc<str>),
}

impl Reason {
    /// The words.
    pub fn text<'a>(&'a self, catalog: &'a Catalog) -> Cow<'a, str> {
        match self {
            Reason::Fixed(text) => Cow::Borrowed(text),
            Reason::Insufficient(resource) => {
                let name = catalog.resources.get(resource.0 as usize).map_or("?", |s| catalog.text(*s));
                Cow::Owned(format!("Insufficient {name}"))
            }
            Reason::Text(text) => Cow::Borrowed(text),
        }
    }
}

/// A plugin's refusal (framework `Status`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Who refuses.
    pub plugin: PluginId,
    /// Whether preemption may help.
    pub code: Code,
    /// Why; Fit gives several reasons.
    pub reasons: SmallVec<[Reason; 1]>,
}

impl Rejection {
    /// A refusal that preemption may lift.
    pub fn unschedulable(plugin: PluginId, reason: &'static str) -> Rejection {
        Rejection { plugin, code: Code::Unschedulable, reasons: smallvec![Reason::Fixed(reason)] }
    }
    /// A refusal that preemption cannot lift.
    pub fn unresolvable(plugin: PluginId, reason: &'static str) -> Rejection {
        Rejection { plugin, code: Code::Unresolvable, reasons: smallvec![Reason::Fixed(reason)] }
    }
    /// The same with a text made for this pod.
    pub fn text(plugin: PluginId, code: Code, reason: impl Into<Arc<str>>) -> Rejection {
        Rejection { plugin, code, reasons: smallvec![Reason::Text(reason.into())] }
    }
    /// Whether preemption may help.
    pub fn is_resolvable(&self) -> bool {
        self.code == Code::Unschedulable
    }
    /// The reasons joined as `Status.Message` does.
    pub fn message(&self, catalog: &Catalog) -> String {
        self.reasons.iter().map(|r| r.text(catalog)).collect::<Vec<_>>().join(", ")
    }
}

/// A pod to be placed, as plugins see it.
#[derive(Clone, Copy, Debug)]
pub struct PodView<'a> {
    /// What never changes.
    pub catalog: &'a Catalog,
    /// What does.
    pub state: &'a State,
    /// The scheduler's parameters.
    pub config: &'a Profile,
    /// The pod.
    pub pod: PodIdx,
}

impl<'a> PodView<'a> {
    /// What the pod was created as.
    pub fn spec(&self) -> &'a PodSpec {
        &self.catalog.specs[self.state.pods[self.pod].spec]
    }
    /// What the scheduler sees of it.
    pub fn shape(&self) -> &'a PodShape {
        self.catalog.shape(self.state.pods[self.pod].spec)
    }
}

/// What a plugin says before nodes are looked at (framework `PreFilter`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreFilter {
    /// Nothing to do for this pod: its filter is not run.
    Skip,
    /// Its filter is run on every node.
    Run,
    /// Only these nodes are looked at (by NodeIdx, sorted; nodes that do not exist left out).
    Narrow(Vec<NodeIdx>),
    /// The pod is rejected everywhere. `Unresolvable` ends the cycle at once.
    Reject(Rejection),
}

/// A filter that is asked pod by pod and node by node: those about volumes, whose claims differ between pods of one class.
pub trait PodPlugin {
    /// Who it is.
    const PLUGIN: PluginId;
    /// Prepares for one pod. What it keeps is valid until the next call or the next change of the state.
    fn pre_filter(&mut self, view: PodView<'_>) -> PreFilter;
    /// Judges a node; asked only if `pre_filter` did not skip or reject, and on nodes that all earlier plugins let pass.
    ///
    /// It is also asked within a hypothesis, after pods were taken off the node (or added) since `pre_filter`; it reads them from `view.state`.
    ///
    /// # Errors
    /// Why the pod cannot run there.
    fn filter(&self, view: PodView<'_>, node: NodeIdx) -> Result<(), Rejection>;
}
