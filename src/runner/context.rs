//! What a procedure works with during one call.

use super::advice::advise;
use super::by_hand;
use super::client::Ask;
use super::common::{Common, Demand, Fate, OldNode};
use super::interface::{Announcement, Answer, CallId, Ms, Outbox, Packer};
use super::outcome::{Failure, Reason};
use super::refs::{N, P, PodId, Tables};
use super::trouble::{self, Trouble};
use crate::cluster::{GroupIdx, NodeIdx, OwnerKind, PodIdx, View};
use crate::intent::{NodeId, Options};
use std::sync::Arc;

/// What a procedure works with during one call.
pub(crate) struct Cx<'a> {
    pub now: Ms,
    pub view: View<'a>,
    pub options: &'a Options,
    pub packer: &'a dyn Packer,
    /// Draws the order in which `kubectl drain` starts a node's evictions (simulation).
    pub order_seed: Option<u64>,
    pub common: &'a mut Common,
    pub tables: &'a mut Tables,
    pub out: &'a mut Outbox,
}

impl Cx<'_> {
    /// Asks for a call.
    pub fn ask(&mut self, ask: Ask) -> CallId {
        self.common.client.ask(self.now, ask)
    }
    /// Writes something down.
    pub fn say(&mut self, announcement: Announcement) {
        self.out.announce(announcement);
    }
    /// A node's index, if the view has it and it is not gone.
    pub fn node(&self, n: N) -> Option<NodeIdx> {
        self.tables.nodes[n.at()].filter(|i| !self.view.state.nodes[*i].gone)
    }
    /// A node's name.
    pub fn node_name(&self, n: N) -> &str {
        &self.common.node_ids[n.at()].name
    }
    /// A pod's index, if the view has it and it is not gone.
    pub fn pod(&self, p: P) -> Option<PodIdx> {
        self.tables.pods[p.at()].filter(|i| !self.view.state.pods[*i].gone)
    }
    /// A pod's identity.
    pub fn pod_id(&self, p: P) -> &Arc<PodId> {
        &self.common.pod_ids[p.at()]
    }
    /// The batch's reference to a pod, made if new.
    pub fn refer(&mut self, pod: PodIdx) -> P {
        if let Some(p) = self.tables.pod_of.get(&pod) {
            return *p;
        }
        let p = P(self.common.pod_ids.len() as u32);
        self.common.pod_ids.push(Arc::new(PodId::of(self.view, pod)));
        self.tables.pods.push(Some(pod));
        self.tables.pod_of.insert(pod, p);
        p
    }
    /// Sets an old node's fate, unless it is left to a person.
    pub fn settle(&mut self, n: N, fate: Fate, why: impl Into<String>) {
        let node = &mut self.common.nodes[n.at()];
        if !node.left {
            node.fate = fate;
            node.why = why.into();
            self.tables.unsaid.push(n);
        }
    }
    /// A failure in this procedure's words.
    pub fn failure(&self, reason: Reason, cause: impl Into<String>) -> Failure {
        let mut cause = cause.into();
        let mut remedy = None;
        if matches!(reason, Reason::DrainFailed | Reason::NodeTimeout | Reason::BatchUnhealthy | Reason::HeldByBudget) {
            let is_left = |n: &N| !self.common.nodes[n.at()].fate.is_replaced() && !self.common.nodes[n.at()].left;
            let left: Vec<NodeIdx> =
                self.common.here().into_iter().filter(is_left).filter_map(|n| self.node(n)).collect();
            let advice = advise(self.view, self.options, &left);
            remedy = advice.remedy();
            cause = [cause].into_iter().chain(advice.causes).collect::<Vec<_>>().join("; ");
        }
        if reason == Reason::PodsNotScheduled {
            remedy = self.troubles_remedy();
        }
        let mut failure = Failure::new(reason, self.options, cause);
        if let Some(remedy) = remedy {
            failure = failure.with_remedy(remedy);
        }
        match reason {
            Reason::PodsNotScheduled if by_hand::created_since(self.view, self.common.began).is_some() => failure
                .with_remedy(
                    "Delete what was created by hand, or make room for it and for the named pods, then plan again.",
                ),
            _ => failure,
        }
    }
    /// What would lift the troubles of the workloads that are not ready, each kind once.
    fn troubles_remedy(&self) -> Option<String> {
        let mut kinds: Vec<Trouble> = self.tables.owners.troubles(self.view).into_iter().map(|t| t.1).collect();
        if kinds.is_empty() {
            kinds = self.waiting_pods().into_iter().map(|p| trouble::of_pod(self.view, p).0).collect();
        }
        kinds.sort_unstable();
        kinds.dedup();
        let remedies: Vec<&str> = kinds.into_iter().map(Trouble::remedy).collect();
        (!remedies.is_empty()).then(|| remedies.join(" "))
    }

    /// Whether all owners the batch touched are whole.
    pub fn is_whole(&self) -> bool {
        self.tables.owners.are_whole()
    }
    /// Why they are not, and what was created by hand meanwhile: it may have the room that they lack.
    pub fn not_whole(&self) -> String {
        self.with_those_by_hand(self.tables.owners.behind(self.view, &self.common.marks))
    }

    /// What is behind, and what was created by hand meanwhile, if anything is behind.
    pub fn with_those_by_hand(&self, mut behind: Vec<String>) -> String {
        if !behind.is_empty() {
            behind.extend(by_hand::created_since(self.view, self.common.began));
        }
        behind.join("; ")
    }
    /// Pods that were created since the start and are not ready, in words; those that finished, are going, or belong to their
    /// node are no concern of the migration's.
    pub fn new_pods_not_ready(&self) -> Vec<String> {
        let mut pods: Vec<String> = self.waiting_pods().into_iter().map(|p| trouble::of_pod(self.view, p).1).collect();
        pods.sort();
        pods
    }

    /// Whether there are any of [`Cx::new_pods_not_ready`]; the newest are the likeliest.
    pub fn has_new_pods_not_ready(&self) -> bool {
        self.view.state.pods.indices().rev().any(|pod| self.waits(pod))
    }

    /// See [`Cx::new_pods_not_ready`].
    fn waiting_pods(&self) -> Vec<PodIdx> {
        self.view.state.live_pods().filter(|pod| self.waits(*pod)).collect()
    }

    fn waits(&self, pod: PodIdx) -> bool {
        let (c, s) = (self.view.catalog, self.view.state);
        let stays = |p: &PodIdx| {
            let spec = &c.specs[s.pods[*p].spec];
            let kind = spec.owner.map(|o| c.owners[o].kind);
            spec.mirror || matches!(kind, Some(OwnerKind::DaemonSet | OwnerKind::Node))
        };
        let p = &s.pods[pod];
        p.created > self.common.began && p.is_active() && !p.ready && !stays(&pod)
    }

    /// A demand under `key`, made if new: its place in the list.
    pub fn demand(&mut self, key: String, group: String, machine: Option<String>, zone: Option<String>) -> u32 {
        if let Some(i) = self.common.demands.iter().position(|d| d.key == key) {
            return i as u32;
        }
        self.common.demands.push(Demand {
            key,
            group,
            machine,
            zone,
            total: 0,
            trouble: String::new(),
            again_at: None,
        });
        (self.common.demands.len() - 1) as u32
    }
    /// Raises a demand to `total` nodes.
    pub fn ensure(&mut self, demand: u32, total: u32) {
        let before = self.common.demands[demand as usize].total;
        self.common.demands[demand as usize].total = total;
        let more = total.saturating_sub(before);
        if let Some(r) = self.common.report() {
            r.launched += more;
        }
        let group = self.common.demands[demand as usize].group.clone();
        self.wants_nodes(&group, more);
        self.ask(Ask::Ensure { demand, total });
    }
    /// New nodes that are Ready, by demand.
    pub fn arrived(&self) -> Vec<u32> {
        let mut got = vec![0u32; self.common.demands.len()];
        self.arrived_nodes().into_iter().for_each(|(demand, _)| got[demand] += 1);
        got
    }
    /// Whether a node that has an old node's name is another machine, which came after the old one's was given back. Names return: on AWS a node is
    /// named by its private address. A machine that was reimaged for us, or whose provider says the same id, is the old one still.
    pub fn is_another_machine(&self, old: N, node: NodeIdx) -> bool {
        let o = &self.common.nodes[old.at()];
        if o.fate != Fate::Retired || !o.reimaged.is_empty() {
            return false;
        }
        let id = |i: NodeIdx| self.view.state.nodes[i].spec.provider_id;
        let before = self.tables.nodes[old.at()].filter(|i| *i != node).and_then(id);
        matches!((before, id(node)), (Some(a), Some(b)) if a != b)
    }

    /// New nodes that are Ready, each with its demand: a node counts for the first demand that its group, machine and zone match
    /// and that still wants one. Demands that name a machine are served first. What has an old node's name is no new node, unless its machine is
    /// another that came after the old one was given back.
    pub fn arrived_nodes(&self) -> Vec<(usize, NodeIdx)> {
        let mut got = vec![0u32; self.common.demands.len()];
        let mut nodes = Vec::new();
        let (c, s) = (self.view.catalog, self.view.state);
        let mut order: Vec<usize> = (0..got.len()).filter(|i| self.common.demands[*i].total > 0).collect();
        order.sort_by_key(|i| {
            let d = &self.common.demands[*i];
            (d.machine.is_none(), d.zone.is_none(), *i)
        });
        if order.is_empty() {
            return nodes;
        }
        for i in s.live_nodes() {
            let n = &s.nodes[i];
            let Some(g) = n.group else { continue };
            let is_old = match self.tables.old_of_name(self.view, i) {
                Some(old) => !self.is_another_machine(old, i),
                None => self.tables.node_of.contains_key(&i),
            };
            if !n.ready || is_old || self.tables.known.contains(&i) {
                continue;
            }
            let group = c.text(c.groups[g].id);
            let machine = n.spec.machine.map(|m| c.text(c.machines[m].name));
            let zone = n.spec.labels.get(c.known.zone).map(|z| s.name(c, z));
            let fits = |d: &Demand| {
                d.group == group
                    && d.machine.as_deref().is_none_or(|m| Some(m) == machine)
                    && d.zone.as_deref().is_none_or(|z| Some(z) == zone)
            };
            let place = order.iter().copied().find(|k| {
                let d = &self.common.demands[*k];
                fits(d) && got[*k] < d.total
            });
            if let Some(k) = place {
                got[k] += 1;
                nodes.push((k, i));
            }
        }
        nodes
    }
    /// Takes a node that the batch launched into the lists, to be drained and given back like an old one.
    pub fn add_surplus(&mut self, node: NodeIdx) -> N {
        let n = N(self.common.node_ids.len() as u32);
        Arc::make_mut(&mut self.common.node_ids).push(NodeId::of(self.view, node));
        self.common.nodes.push(OldNode::surplus(self.common.batch));
        self.tables.add_node(self.view, node);
        let mut owners = std::mem::take(&mut self.tables.owners);
        owners.also(self.view, &mut self.common.marks, node);
        self.tables.owners = owners;
        n
    }
    /// Whether a refusal means that the server, not the rule, is the trouble.
    pub fn note_answer(&mut self, ask: Ask, answer: &Answer) {
        let said = match answer {
            Answer::Unknown => "no answer",
            Answer::Refused { code, reason, message, .. }
                if *code == 503 || *code == 504 || reason == "ServiceUnavailable" =>
            {
                message
            }
            _ => {
                self.common.unreachable_since = None;
                return;
            }
        };
        self.common.lost_call = format!("the last of them to {}: {said}", self.ask_text(ask));
        self.common.unreachable_since.get_or_insert(self.now);
    }

    /// What a call asks for, as the end of a sentence that begins with "to".
    fn ask_text(&self, ask: Ask) -> String {
        let node = |n: N| format!("node {}", self.node_name(n));
        let pod = |p: P| self.common.pod_ids.get(p.at()).map_or("a pod".to_owned(), |p| format!("pod {}", p.text()));
        let group = |g: u32| self.common.groups.get(g as usize).map_or("a group".to_owned(), |g| format!("group {g}"));
        match ask {
            Ask::Cordon(n) | Ask::CordonAgain(n) => format!("cordon {}", node(n)),
            Ask::Uncordon(n) => format!("uncordon {}", node(n)),
            Ask::Taint(n) => format!("taint {}", node(n)),
            Ask::Untaint(n) => format!("remove the taint of {}", node(n)),
            Ask::Evict { pod: p, .. } => format!("evict {}", pod(p)),
            Ask::Delete { pod: p, .. } => format!("delete {}", pod(p)),
            Ask::GetPod(p) => format!("read {}", pod(p)),
            Ask::GetNode(n) | Ask::LookNode(n) => format!("read {}", node(n)),
            Ask::ListPods(n) | Ask::LookPods(n) => format!("list the pods of {}", node(n)),
            Ask::Ensure { demand, total } => {
                let group = self.common.demands.get(demand as usize).map_or("a group", |d| &d.group);
                format!("launch {} of group {group}", super::count(total as usize, "new node"))
            }
            Ask::Freeze { group: g, .. } => format!("freeze {}", group(g)),
            Ask::Unfreeze { group: g } => format!("unfreeze {}", group(g)),
            Ask::Retire(n) => format!("terminate {}", node(n)),
            Ask::Reimage(n) => format!("reimage {}", node(n)),
            Ask::Check { batch } => format!("run the check before batch {}", batch + 1),
            Ask::AwaitApproval { batch } => format!("wait for the approval of batch {}", batch + 1),
        }
    }
}

/// The group called `id` in a view.
pub(crate) fn group(view: View<'_>, id: &str) -> Option<GroupIdx> {
    view.catalog.groups.entries().find(|(_, g)| view.catalog.text(g.id) == id).map(|(i, _)| i)
}
