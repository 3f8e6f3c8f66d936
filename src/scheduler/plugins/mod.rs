//! The plugins, a file each: what they refuse, in which words, how they score, what they listen to.
//!
//! A plugin is a file here that implements [`Plugin`], and a line in the table of `names.rs`. All the rest is made of the two: the
//! enum, names, the registry that configurations are checked against, the default profile, the calls, the listeners of events.
//! `cargo fmt` does not see files that a macro names; `scripts/test` looks at each.

pub mod normalize;
#[cfg(test)]
mod volume_tests;

use super::carriers::Carriers;
use super::counts::Counts;
use super::event::{ClusterEvent, EventKind};
use super::names::{PluginId, PluginSet};
use super::plugin::{Code, PodView, Point, Rejection};
use super::sight::Sight;
use super::topology::Topology;
use crate::cluster::{KubernetesVersion, NodeIdx, PodShape, Rules};

/// What a plugin's verdict on a node depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JudgesBy {
    /// It refuses no node.
    Nothing,
    /// The node and its own pods.
    Node,
    /// Pods on other nodes.
    OtherNodes,
    /// The pod's own claims: it is asked pod by pod (`PodPlugin`).
    Claims,
}

/// A plugin. What a plugin does not have it leaves as it is here.
pub(super) trait Plugin {
    /// Its place in the table.
    const ID: PluginId;
    /// The extension points that it implements.
    const POINTS: &'static [Point];
    /// The first version that has it.
    const SINCE: KubernetesVersion = KubernetesVersion::V1_33;
    /// Points that stop every pod with an error if another is switched off: the point, what it needs.
    const NEEDS: &'static [(Point, Point)] = &[];
    /// What its verdict on a node depends on.
    const JUDGES_BY: JudgesBy = JudgesBy::Nothing;
    /// Events that it registers for and to which it may say Queue (`EventsToRegister`, with SchedulerQueueingHints on; those to which it
    /// can only say Skip are left out).
    const EVENTS: &'static [EventKind] = &[];

    /// Whether it implements a point in a version that has it.
    fn runs_at(point: Point, _version: KubernetesVersion) -> bool {
        Self::POINTS.contains(&point)
    }

    /// The weight of its score in the default profile; None if that does not have it.
    fn default_weight(_rules: Rules) -> Option<i64> {
        Some(0)
    }

    /// Whether it can refuse a node to such pods at all (PreFilter's Skip says that it cannot).
    fn applies(_sight: Sight<'_>, _shape: &PodShape) -> bool {
        true
    }

    /// Filter, of those that look at the node and its own pods.
    fn refuses(_sight: Sight<'_>, _shape: &PodShape, _node: NodeIdx) -> bool {
        false
    }

    /// The words for a node that it refuses.
    fn rejection(_sight: Sight<'_>, _shape: &PodShape, _node: NodeIdx) -> Rejection {
        Rejection::text(Self::ID, Code::Unschedulable, format!("node(s) didn't satisfy plugin {}", Self::ID.name()))
    }

    /// Scores the feasible nodes, normalised; false if it is skipped for such pods.
    fn score(_scoring: &Scoring<'_>, _scratch: &mut pod_topology_spread::Scratch, _out: &mut Vec<i64>) -> bool {
        false
    }

    /// What it adds to the message of a pod that no node takes, with what preemption says.
    fn post_filter(_preemption: Option<&str>) -> Option<String> {
        None
    }

    /// Whether an event may make a pod schedulable that it rejected (its queueing hint). An event is judged by how its objects are
    /// now: for one that came while the pod was being tried that may be a little later than the event itself.
    fn says_queue(_view: PodView<'_>, _event: &ClusterEvent) -> bool {
        false
    }
}

/// What scores follow from.
pub(super) struct Scoring<'a> {
    pub(super) sight: Sight<'a>,
    pub(super) shape: &'a PodShape,
    pub(super) rows: &'a pod_topology_spread::Rows,
    pub(super) terms: &'a inter_pod_affinity::Terms,
    pub(super) counts: &'a Counts,
    pub(super) carriers: &'a Carriers,
    pub(super) topology: &'a Topology,
    pub(super) images: &'a image_locality::Images,
    pub(super) feasible: &'a [NodeIdx],
}

impl Scoring<'_> {
    /// Writes a score for each feasible node.
    fn fill(&self, out: &mut Vec<i64>, score: impl Fn(NodeIdx) -> i64) {
        out.clear();
        out.extend(self.feasible.iter().map(|n| score(*n)));
    }
}

/// What is fixed of a plugin, for those who ask by its name.
pub(super) struct Facts {
    id: PluginId,
    /// [`Plugin::SINCE`].
    pub(super) since: KubernetesVersion,
    /// [`Plugin::NEEDS`].
    pub(super) needs: &'static [(Point, Point)],
    judges_by: JudgesBy,
    events: &'static [EventKind],
    /// [`Plugin::runs_at`].
    pub(super) runs_at: fn(Point, KubernetesVersion) -> bool,
    /// [`Plugin::default_weight`].
    pub(super) default_weight: fn(Rules) -> Option<i64>,
}

const fn facts_of<P: Plugin>() -> Facts {
    Facts {
        id: P::ID,
        since: P::SINCE,
        needs: P::NEEDS,
        judges_by: P::JUDGES_BY,
        events: P::EVENTS,
        runs_at: P::runs_at,
        default_weight: P::default_weight,
    }
}

/// Modules and calls, each call decided by the plugin's name where it is made: there is no table of functions behind it.
macro_rules! calls {
    ($($name:ident in $file:ident,)*) => {
        $(pub mod $file;)*

        /// In the order of the table.
        const OF_EACH: [Facts; PluginId::ALL.len()] = [$(facts_of::<$file::$name>()),*];

        /// [`Plugin::applies`].
        pub(super) fn applies(plugin: PluginId, sight: Sight<'_>, shape: &PodShape) -> bool {
            match plugin {
                $(PluginId::$name => $file::$name::applies(sight, shape)),*
            }
        }

        /// [`Plugin::refuses`].
        #[inline]
        pub(super) fn refuses(plugin: PluginId, sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> bool {
            match plugin {
                $(PluginId::$name => $file::$name::refuses(sight, shape, node)),*
            }
        }

        /// [`Plugin::rejection`].
        pub(super) fn rejection(plugin: PluginId, sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> Rejection {
            match plugin {
                $(PluginId::$name => $file::$name::rejection(sight, shape, node)),*
            }
        }

        /// [`Plugin::score`].
        pub(super) fn score(
            plugin: PluginId,
            scoring: &Scoring<'_>,
            scratch: &mut pod_topology_spread::Scratch,
            out: &mut Vec<i64>,
        ) -> bool {
            match plugin {
                $(PluginId::$name => <$file::$name as Plugin>::score(scoring, scratch, out)),*
            }
        }

        /// [`Plugin::post_filter`].
        pub(super) fn post_filter(plugin: PluginId, preemption: Option<&str>) -> Option<String> {
            match plugin {
                $(PluginId::$name => $file::$name::post_filter(preemption)),*
            }
        }

        /// [`Plugin::says_queue`].
        pub(super) fn says_queue(plugin: PluginId, view: PodView<'_>, event: &ClusterEvent) -> bool {
            match plugin {
                $(PluginId::$name => $file::$name::says_queue(view, event)),*
            }
        }
    };
}
super::names::plugins!(calls);

static FACTS: [Facts; PluginId::ALL.len()] = OF_EACH;

/// What is fixed of a plugin.
pub(super) fn facts(plugin: PluginId) -> &'static Facts {
    &FACTS[plugin.at()]
}

const fn judging_by(by: JudgesBy) -> PluginSet {
    let mut set = PluginSet::EMPTY;
    let mut i = 0;
    while i < OF_EACH.len() {
        assert!(OF_EACH[i].id as usize == i, "a plugin's ID is another than the table's");
        if OF_EACH[i].judges_by as u8 == by as u8 {
            set = set.with(OF_EACH[i].id);
        }
        i += 1;
    }
    set
}

/// Plugins whose verdict depends on the node and its own pods.
pub(super) const OF_THE_NODE: PluginSet = judging_by(JudgesBy::Node);
/// Plugins whose verdict on a node depends on other nodes' pods.
pub(super) const CROSS_NODE: PluginSet = judging_by(JudgesBy::OtherNodes);
/// Plugins that look at pods one by one.
pub(super) const POD_BY_POD: PluginSet = judging_by(JudgesBy::Claims);

/// Whether a plugin that looks at the node and its own pods refuses it.
pub(super) fn is_refused(sight: Sight<'_>, shape: &PodShape, node: NodeIdx) -> bool {
    sight.config.filter.iter().any(|p| OF_THE_NODE.contains(*p) && refuses(*p, sight, shape, node))
}

const LISTENERS: [PluginSet; EventKind::COUNT] = {
    let mut listeners = [PluginSet::EMPTY; EventKind::COUNT];
    let mut i = 0;
    while i < OF_EACH.len() {
        let mut k = 0;
        while k < OF_EACH[i].events.len() {
            let kind = OF_EACH[i].events[k] as usize;
            listeners[kind] = listeners[kind].with(OF_EACH[i].id);
            k += 1;
        }
        i += 1;
    }
    listeners
};

/// The plugins that may say Queue to an event.
pub(super) fn listeners(event: &ClusterEvent) -> PluginSet {
    event.kind().map_or(PluginSet::EMPTY, |kind| LISTENERS[kind as usize])
}
