//! What the provider's own API would say of a migration while it goes on: its state, each old node's, each new pool's.
//!
//! Which words there are, and for what, is the provider's ([`super::batch_run::Words`]); here is when which of them holds. A state is
//! announced when it changes and at no other time: what was announced last is kept in the progress, so that a restart repeats
//! nothing that was written down. Procedures without a published enum announce none.

use super::Runner;
use super::common::{Fate, NewPool, OldNode};
use super::context::{Cx, group};
use super::interface::{Announcement, Ms, Outbox, PodOfNode};
use super::procedure::words;
use super::refs::N;
use super::stand::{Doing, NodeIs, PoolIs};
use crate::cluster::View;
use crate::groups::matching::moving_pods;

impl Cx<'_> {
    /// The migration does this from now on: announced if the provider has another word for it than for what it did before.
    pub fn doing(&mut self, doing: Doing) {
        let Some(state) = (words(self.options.procedure).doing)(doing) else { return };
        if self.common.said_state != state {
            self.common.said_state = state.to_owned();
            let batch = self.common.reports.last().filter(|r| r.end_ms.is_none()).map(|r| r.index);
            self.say(Announcement::State { batch, state });
        }
    }

    /// The node's batch is over: its pods are ready elsewhere, and its instance is gone if that was asked for.
    pub fn replaced(&mut self, n: N) {
        self.common.nodes[n.at()].replaced = true;
        self.tables.unsaid.push(n);
    }

    // --- pools ---

    /// So many more new nodes of a group are wanted.
    pub fn wants_nodes(&mut self, group: &str, more: u32) {
        if more == 0 || (words(self.options.procedure).pool)(PoolIs::Scaling).is_none() {
            return;
        }
        let batch = self.common.batch;
        let pools = &mut self.common.pools;
        let i = pools.iter().position(|p| p.group == group).unwrap_or_else(|| {
            pools.push(NewPool { group: group.to_owned(), batch, before: 0, wanted: 0, ready: 0, said: String::new() });
            pools.len() - 1
        });
        let pool = &mut pools[i];
        if pool.batch != batch {
            (pool.batch, pool.before) = (batch, pool.ready);
        }
        pool.wanted += more;
        self.say_pool(i, PoolIs::Scaling);
    }

    /// So many new nodes are Ready, by demand.
    pub fn counted_nodes(&mut self, arrived: &[u32]) {
        for i in self.scaling_pools() {
            let pool = &self.common.pools[i];
            let came = self.common.demands.iter().zip(arrived).filter(|(d, _)| d.group == pool.group);
            let ready = pool.before + came.map(|(_, n)| n).sum::<u32>();
            self.common.pools[i].ready = ready;
            if ready >= self.common.pools[i].wanted {
                self.say_pool(i, PoolIs::Ready);
            }
        }
    }

    /// The batch is over: new nodes that did not come are not awaited any more.
    pub fn settle_pools(&mut self) {
        let open = self.scaling_pools();
        if open.is_empty() {
            return;
        }
        let arrived = self.arrived();
        self.counted_nodes(&arrived);
        for i in self.scaling_pools() {
            let is = PoolIs::settled(&self.common.pools[i]);
            self.say_pool(i, is);
        }
    }

    /// Pools whose new nodes are awaited.
    fn scaling_pools(&self) -> Vec<usize> {
        let scaling = (words(self.options.procedure).pool)(PoolIs::Scaling);
        let pools = self.common.pools.iter().enumerate();
        pools.filter(|(_, p)| scaling.is_some_and(|s| s == p.said)).map(|(i, _)| i).collect()
    }

    fn say_pool(&mut self, i: usize, is: PoolIs) {
        let Some(state) = (words(self.options.procedure).pool)(is) else { return };
        let pool = &mut self.common.pools[i];
        if pool.said != state {
            state.clone_into(&mut pool.said);
            let (batch, group) = (pool.batch, pool.group.clone());
            let (wanted, ready) = (pool.wanted, pool.ready);
            self.say(Announcement::PoolState { batch, group, state, wanted, ready });
        }
    }
}

impl Runner {
    /// The migration does this from now on (see [`Cx::doing`]).
    pub(super) fn doing(&mut self, now: Ms, view: View<'_>, doing: Doing, out: &mut Outbox) {
        self.with(now, view, out, |cx| cx.doing(doing));
    }

    /// Announces the states of old nodes that may have changed.
    pub(super) fn tell_nodes(&mut self, view: View<'_>, out: &mut Outbox) {
        let mut unsaid = std::mem::take(&mut self.tables.unsaid);
        unsaid.sort_unstable();
        unsaid.dedup();
        let words = words(self.intent.options.procedure);
        let (ended, stopped) = (self.progress.outcome, self.progress.common.stop.is_some());
        for n in unsaid {
            let old = &self.progress.common.nodes[n.at()];
            let is = NodeIs::of(old, ended, stopped);
            let Some(state) = (words.node)(is).filter(|s| *s != old.said) else { continue };
            let message = self.why(old, is);
            let pods = match (is, words.pod_kinds) {
                (NodeIs::HeldByStandAlone, Some(kinds)) => self.pods_of(view, n, kinds),
                _ => Vec::new(),
            };
            let node = self.progress.common.node_ids[n.at()].name.clone();
            state.clone_into(&mut self.progress.common.nodes[n.at()].said);
            out.announce(Announcement::NodeState { node, state, message, pods });
        }
    }

    /// Why a node is as it is, where there is more to say.
    fn why(&self, old: &OldNode, is: NodeIs) -> String {
        match (is, old.fate) {
            (NodeIs::Waiting | NodeIs::InProgress | NodeIs::Replaced, _) => String::new(),
            (NodeIs::LeftOut, _) if old.why.is_empty() => "the migration was over before its turn".into(),
            // It is empty, and still not replaced: why is in how the migration ended.
            (NodeIs::NotReplaced, Fate::Drained) => {
                self.progress.failure.as_ref().map_or(String::new(), |f| f.cause.clone())
            }
            _ => old.why.clone(),
        }
    }

    /// The pods of a node that would have to move, with the provider's word for their kind.
    fn pods_of(&self, view: View<'_>, n: N, [stand_alone, other]: [&'static str; 2]) -> Vec<PodOfNode> {
        let Some(node) = self.tables.nodes[n.at()] else { return Vec::new() };
        let (c, s) = (view.catalog, view.state);
        let kind = |p| if c.specs[s.pods[p].spec].owner.is_none() { stand_alone } else { other };
        let pods = moving_pods(view, node);
        let mut pods: Vec<PodOfNode> =
            pods.into_iter().map(|p| PodOfNode { pod: s.pod_text(c, p), kind: kind(p) }).collect();
        pods.sort();
        pods
    }

    /// Every old node may be in another state: it began, or it is over.
    pub(super) fn all_nodes_unsaid(&mut self) {
        self.tables.unsaid = (0..self.progress.common.nodes.len() as u32).map(N).collect();
    }
}

/// `2 of 3 new nodes are Ready`.
pub(super) fn pool_words(ready: u32, wanted: u32) -> String {
    format!("{ready} of {wanted} new nodes are Ready")
}

/// The group of a pool, as a view has it.
pub(super) fn pool_group(view: View<'_>, name: &str) -> Option<crate::cluster::GroupIdx> {
    group(view, name)
}
