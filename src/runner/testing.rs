//! A tiny world, driven by hand: enough of a cluster to answer a runner's calls.
//!
//! Pods move to the first node that is neither cordoned nor full as soon as they are evicted and are ready `start_ms`
//! later; the old pod goes after `stop_ms`. A pod may refuse its eviction until some moment. New nodes come after
//! `launch_ms`, as many as `capacity` allows.

use super::*;
use crate::cluster::Phase;
use crate::cluster::*;
use crate::intent::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Due {
    Answer(CallId, Answer),
    PodGone(PodIdx),
    PodReady(PodIdx),
    NodeComes {
        group: GroupIdx,
        name: String,
    },
    NodeGoes(NodeIdx),
    /// A node of this one's name comes.
    NodeComesBack(NodeIdx),
    Meddled(Meddling),
}

/// What somebody else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meddling {
    /// Makes the n-th node schedulable.
    Uncordons(usize),
    /// Cordons it.
    Cordons(usize),
    /// Puts a pod of the first deployment on the n-th node, cordoned or not.
    PutsPod(usize),
    /// And deletes it.
    TakesPod,
    /// Deletes the n-th node, whose pods are lost, and registers another one under its name, cordoned if so.
    RegistersAgain(usize, bool),
    /// Takes the taints off the n-th node.
    Untaints(usize),
    /// Deletes the pod of this number, whose successor of the same name comes up on the n-th node.
    Replaces(usize, usize),
    /// Creates a pod of this name that nothing schedules, made as the last spec of the catalogue.
    CreatesByHand(&'static str),
}

pub(crate) struct World {
    pub catalog: Catalog,
    pub state: State,
    pub now: Ms,
    pub start_ms: Ms,
    pub stop_ms: Ms,
    pub launch_ms: Ms,
    /// New nodes that still can be had.
    pub capacity: u32,
    /// Until when a pod's evictions are refused, and with which code.
    pub refuses: BTreeMap<String, (Ms, u16)>,
    /// What is said of a pod's refused eviction instead, and the `Retry-After` with it.
    pub says: BTreeMap<String, (String, Option<Ms>)>,
    /// Nodes whose machines cannot be given back.
    pub stuck: BTreeSet<String>,
    /// Pods per node.
    pub slots: usize,
    /// A reimaged node keeps its Node object.
    pub reimages_under_its_uid: bool,
    /// New machines have the names of nodes that are gone, where there are any, as with private addresses that are given out again.
    pub names_return: bool,
    /// Refuses uncordoning.
    pub no_uncordon: bool,
    /// When it refuses to cordon these nodes (`*`: all others), from and until.
    pub no_cordon: BTreeMap<String, (Ms, Ms)>,
    /// When it refuses to show nodes and lists.
    pub blind: (Ms, Ms),
    /// How checks and approvals are answered, one after the other, each so long after it was asked; then at once, yes.
    pub gates: std::collections::VecDeque<(Ms, Answer)>,
    due: BTreeMap<(Ms, u64), Due>,
    sequence: u64,
    ensured: BTreeMap<String, u32>,
    /// Everything that was announced or asked for, as text, with its time.
    pub log: Vec<String>,
    pub lines: Vec<(Ms, Stream, String)>,
    pub finished: Option<(Ms, Outcome, Option<Failure>)>,
    pub stop_at: Option<Ms>,
    /// What the stop says of drained nodes.
    pub stop_terminates: Option<bool>,
    /// From then on every call is lost.
    pub loses_from: Option<Ms>,
    /// Every call is lost from and until.
    pub loses: Option<(Ms, Ms)>,
    /// What others do, and when.
    pub meddling: Vec<(Ms, Meddling)>,
    put: Option<PodIdx>,
    pub resume_always: bool,
    /// If it is there: after each input the time, the progress, and the calls that left with it.
    pub steps: Option<Vec<(Ms, Progress, Vec<(CallId, Call)>)>>,
}

impl World {
    /// `old` and `new` nodes, with deployments given as (name, pods on old nodes by node number).
    pub fn new(old: usize, new: usize, deployments: &[(&str, &[usize])]) -> World {
        let mut c = Catalog::new();
        let ns = c.names.intern("default");
        let ns = c.namespaces.push(Namespace { name: ns, labels: Labels::default(), terminating: false });
        let shape = fixtures::shape(&c);
        let shape = c.intern_shape(shape);
        let mut pods = Vec::new();
        for (name, on) in deployments {
            let sym = c.names.intern(name);
            let owner = fixtures::owner(&mut c, OwnerKind::Deployment, ns, sym, Some(on.len() as i64));
            let owner = c.owners.push(owner);
            for (i, node) in on.iter().enumerate() {
                let pod = c.names.intern(&format!("{name}-{i}"));
                pods.push((pod_spec(&mut c, ns, pod, shape, Some(owner)), pod, *node));
            }
        }
        let texts = (0..old).map(|i| format!("old-{i}")).chain((0..new).map(|i| format!("new-{i}")));
        let names: Vec<Sym> = texts.map(|t| c.names.intern(&t)).collect();
        let group = c.names.intern("pool");
        c.groups.push(fixtures::group(group));
        let mut s = State::new(&c);
        for n in &names {
            s.add_node(Arc::new(node_spec(*n, *n)), Some(GroupIdx(0)), true, 0);
        }
        for (spec, name, node) in pods {
            let pod = add_pod(&mut s, &c, spec, name);
            s.bind(&c, pod, NodeIdx(node as u32), 0);
            s.set_phase(&c, pod, Phase::Running);
            s.set_ready(pod, true, 0);
        }
        World {
            catalog: c,
            state: s,
            now: 0,
            start_ms: 2000,
            stop_ms: 1000,
            launch_ms: 60_000,
            capacity: 100,
            refuses: BTreeMap::new(),
            says: BTreeMap::new(),
            stuck: BTreeSet::new(),
            slots: 100,
            reimages_under_its_uid: false,
            names_return: false,
            no_uncordon: false,
            no_cordon: BTreeMap::new(),
            blind: (0, 0),
            gates: std::collections::VecDeque::new(),
            due: BTreeMap::new(),
            sequence: 0,
            ensured: BTreeMap::new(),
            log: Vec::new(),
            lines: Vec::new(),
            finished: None,
            stop_at: None,
            stop_terminates: None,
            loses_from: None,
            loses: None,
            meddling: Vec::new(),
            put: None,
            resume_always: false,
            steps: None,
        }
    }
    /// A pod without owner on an old node.
    pub fn stand_alone(&mut self, name: &str, node: usize) -> PodIdx {
        let sym = self.catalog.names.intern(name);
        let shape = self.catalog.specs.iter().next().map_or(ShapeIdx(0), |s| s.shape);
        let spec = pod_spec(&mut self.catalog, NsIdx(0), sym, shape, None);
        let state = std::mem::take(&mut self.state);
        // Symbols made after the state began are beyond its base: begin it anew.
        self.state = rebase(&self.catalog, state);
        let pod = add_pod(&mut self.state, &self.catalog, spec, sym);
        self.state.bind(&self.catalog, pod, NodeIdx(node as u32), 0);
        self.state.set_phase(&self.catalog, pod, Phase::Running);
        self.state.set_ready(pod, true, 0);
        pod
    }
    /// Gives the n-th node a provider ID, or takes it away.
    pub fn provider_ids(&mut self, of: impl Fn(usize) -> Option<String>) {
        for n in 0..self.state.nodes.len() {
            let index = NodeIdx(n as u32);
            let mut spec = (*self.state.nodes[index].spec).clone();
            spec.provider_id = of(n).map(|id| self.state.make_name(&id));
            self.state.nodes[index].spec = Arc::new(spec);
        }
    }
    /// A budget over a deployment's pods, with the status of one that is fully healthy.
    pub fn budget(&mut self, name: &str, deployment: &str, demand: Option<Demand>) -> BudgetIdx {
        let (key, value) = (self.catalog.names.intern("app"), self.catalog.names.intern(deployment));
        let owned = |o: Option<OwnerIdx>, c: &Catalog| o.is_some_and(|o| c.owners[o].name == value);
        let mine: Vec<SpecIdx> =
            self.catalog.specs.indices().filter(|s| owned(self.catalog.specs[*s].owner, &self.catalog)).collect();
        for s in &mine {
            self.catalog.specs[*s].labels = Labels::new([(key, value)]);
        }
        let requirement =
            Requirement { key, operator: Operator::In, values: [value].into_iter().collect(), bound: None };
        let sym = self.catalog.names.intern(name);
        let budget = self.catalog.budgets.push(Budget {
            namespace: NsIdx(0),
            name: sym,
            uid: sym,
            selector: Selector::All(vec![requirement]),
            demand,
            always_allow_unhealthy: false,
            generation: 1,
        });
        let state = std::mem::take(&mut self.state);
        self.state = rebase(&self.catalog, state);
        let n = mine.len() as i64;
        let allowed = match demand {
            Some(Demand::MaxUnavailable(Amount::Count(k))) => k,
            _ => 0,
        };
        let status = BudgetStatus { allowed, healthy: n, desired: n - allowed, expected: n, ..BudgetStatus::default() };
        self.state.set_budget(budget, status);
        budget
    }
    pub fn view(&self) -> View<'_> {
        View { catalog: &self.catalog, state: &self.state }
    }
    /// Batches of old nodes by number.
    pub fn intent(&self, batches: &[&[usize]], options: crate::intent::Options) -> Arc<Intent> {
        let batches: Vec<Vec<NodeIdx>> =
            batches.iter().map(|b| b.iter().map(|n| NodeIdx(*n as u32)).collect()).collect();
        Arc::new(Intent::new(self.view(), &batches, options))
    }
    fn later(&mut self, after: Ms, due: Due) {
        self.sequence += 1;
        self.due.insert((self.now + after, self.sequence), due);
    }
    fn text(&self, node: NodeIdx) -> String {
        self.state.node_name(&self.catalog, node).to_owned()
    }

    /// Runs to the end (or a day).
    pub fn run(&mut self, intent: &Arc<Intent>, packer: Arc<dyn Packer>) -> Runner {
        let mut runner = Runner::new(intent.clone(), self.view(), packer.clone()).expect("the plan fits the world");
        let mut out = Outbox::default();
        for (at, m) in std::mem::take(&mut self.meddling) {
            self.later(at, Due::Meddled(m));
        }
        runner.handle(0, self.view(), Input::Tick, &mut out);
        self.keep_step(&runner, &out);
        self.perform(&mut out);
        while self.finished.is_none() && self.now < 100_000_000 {
            if self.resume_always {
                let text = serde_json::to_string(runner.progress()).expect("progress serialises");
                let progress = serde_json::from_str(&text).expect("progress parses");
                runner = Runner::resume(intent.clone(), progress, self.view(), packer.clone()).expect("resumes");
            }
            let wake = runner.next_wakeup();
            let next = self.due.first_key_value().map(|(k, _)| k.0);
            let stop = self.stop_at.filter(|_| true);
            let Some(at) = [wake, next, stop].into_iter().flatten().min() else {
                panic!("nothing will ever happen again; log:\n{}", self.log.join("\n"))
            };
            assert!(at >= self.now, "time went back from {} to {at}", self.now);
            self.now = at;
            if next == Some(at) {
                let (_, due) = self.due.pop_first().expect("one is due");
                let (changed, answer) = self.happen(due);
                if let Some((id, a)) = answer {
                    runner.handle(at, self.view(), Input::Answer(id, a), &mut out);
                } else {
                    runner.handle(at, self.view(), Input::Changed(&changed), &mut out);
                }
            } else if stop == Some(at) {
                self.stop_at = None;
                runner.handle(
                    at,
                    self.view(),
                    Input::Stop(StopMode { terminate_drained: self.stop_terminates }),
                    &mut out,
                );
            } else {
                runner.handle(at, self.view(), Input::Tick, &mut out);
            }
            self.keep_step(&runner, &out);
            self.perform(&mut out);
        }
        runner
    }
    fn keep_step(&mut self, runner: &Runner, out: &Outbox) {
        let Some(steps) = &mut self.steps else { return };
        let calls = out.items.iter().filter_map(|o| match o {
            Output::Call(id, action) => Some((*id, action.clone())),
            Output::Announce(_) => None,
        });
        steps.push((self.now, runner.progress().clone(), calls.collect()));
    }

    fn happen(&mut self, due: Due) -> (Vec<ObjId>, Option<(CallId, Answer)>) {
        match due {
            Due::Answer(id, a) => (Vec::new(), Some((id, a))),
            Due::PodGone(p) => {
                self.state.remove_pod(&self.catalog, p);
                (vec![ObjId::Pod(p)], None)
            }
            Due::PodReady(p) => {
                if self.state.pods[p].node.is_none() {
                    let home = self.state.live_nodes().find(|n| {
                        let node = &self.state.nodes[*n];
                        !node.unschedulable && node.taints.is_empty() && node.ready && node.pods.len() < self.slots
                    });
                    match home {
                        Some(n) => {
                            self.state.set_unschedulable_pod(p, false);
                            self.state.bind(&self.catalog, p, n, self.now);
                        }
                        None => {
                            self.state.set_unschedulable_pod(p, true);
                            self.later(1000, Due::PodReady(p));
                            return (vec![ObjId::Pod(p)], None);
                        }
                    }
                }
                self.state.set_phase(&self.catalog, p, Phase::Running);
                self.state.set_ready(p, true, self.now);
                (vec![ObjId::Pod(p)], None)
            }
            Due::NodeComes { group, name } => {
                let uid = self.state.make_name(&name);
                let mut spec = node_spec(uid, uid);
                let is_free = |n: &NodeIdx| self.state.live_nodes().all(|m| self.text(m) != self.text(*n));
                let gone = self.state.nodes.indices().filter(|n| self.state.nodes[*n].gone).find(is_free);
                if let Some(gone) = gone.filter(|_| self.names_return) {
                    spec = node_spec(self.state.nodes[gone].spec.name, uid);
                    if self.state.nodes[gone].spec.provider_id.is_some() {
                        spec.provider_id = Some(self.state.make_name(&format!("aws:///eu-west-1a/i-{name}")));
                    }
                }
                let n = self.state.add_node(Arc::new(spec), Some(group), true, self.now);
                (vec![ObjId::Node(n)], None)
            }
            Due::NodeGoes(n) => {
                self.state.remove_node(n);
                (vec![ObjId::Node(n)], None)
            }
            Due::NodeComesBack(n) => {
                let uid = self.state.make_name(&format!("reimaged-{}", self.state.nodes.len()));
                let spec = node_spec(self.state.nodes[n].spec.name, uid);
                let back = self.state.add_node(Arc::new(spec), Some(GroupIdx(0)), true, self.now);
                (vec![ObjId::Node(back)], None)
            }
            Due::Meddled(m) => (self.meddle(m), None),
        }
    }

    fn meddle(&mut self, meddling: Meddling) -> Vec<ObjId> {
        self.log.push(format!("{} others: {meddling:?}", self.now));
        match meddling {
            Meddling::Uncordons(n) | Meddling::Cordons(n) => {
                let node = NodeIdx(n as u32);
                self.state.set_unschedulable(node, meddling == Meddling::Cordons(n));
                vec![ObjId::Node(node)]
            }
            Meddling::RegistersAgain(n, cordoned) => {
                let node = NodeIdx(n as u32);
                let lost: Vec<PodIdx> = self.state.nodes[node].pods.clone();
                let fresh: Vec<PodIdx> = lost.iter().map(|p| self.lose(*p)).collect();
                self.state.remove_node(node);
                let uid = self.state.make_name(&format!("again-{n}"));
                let spec = node_spec(self.state.nodes[node].spec.name, uid);
                let other = self.state.add_node(Arc::new(spec), Some(GroupIdx(0)), true, self.now);
                self.state.set_unschedulable(other, cordoned);
                let pods = lost.into_iter().chain(fresh).map(ObjId::Pod);
                pods.chain([ObjId::Node(node), ObjId::Node(other)]).collect()
            }
            Meddling::Untaints(n) => {
                self.state.set_taints(NodeIdx(n as u32), Default::default());
                vec![ObjId::Node(NodeIdx(n as u32))]
            }
            Meddling::Replaces(pod, n) => {
                let before = PodIdx(pod as u32);
                let (spec, name) = (self.state.pods[before].spec, self.state.pods[before].name);
                self.state.remove_pod(&self.catalog, before);
                let after = self.state.create_pod(&self.catalog, spec, name, self.now);
                self.state.bind(&self.catalog, after, NodeIdx(n as u32), self.now);
                self.state.set_phase(&self.catalog, after, Phase::Running);
                self.state.set_ready(after, true, self.now);
                vec![ObjId::Pod(before), ObjId::Pod(after)]
            }
            Meddling::CreatesByHand(name) => {
                let spec = self.catalog.specs.indices().last().expect("there is a spec");
                let name = self.state.make_name(name);
                vec![ObjId::Pod(self.state.create_pod(&self.catalog, spec, name, self.now))]
            }
            Meddling::PutsPod(n) => {
                let name = self.state.make_name("put");
                let pod = self.state.create_pod(&self.catalog, SpecIdx(0), name, self.now);
                self.state.bind(&self.catalog, pod, NodeIdx(n as u32), self.now);
                self.state.set_phase(&self.catalog, pod, Phase::Running);
                self.put = Some(pod);
                vec![ObjId::Pod(pod)]
            }
            Meddling::TakesPod => {
                let pod = self.put.expect("a pod was put before");
                self.state.set_deleting(pod, self.now, 30_000);
                self.later(self.stop_ms, Due::PodGone(pod));
                vec![ObjId::Pod(pod)]
            }
        }
    }

    /// A pod is gone at once, and its owner makes another one.
    fn lose(&mut self, pod: PodIdx) -> PodIdx {
        self.state.remove_pod(&self.catalog, pod);
        let name = self.state.make_name(&format!("{}y", self.state.name(&self.catalog, self.state.pods[pod].name)));
        let fresh = self.state.create_pod(&self.catalog, self.state.pods[pod].spec, name, self.now);
        self.later(self.start_ms, Due::PodReady(fresh));
        fresh
    }
    fn delete(&mut self, pod: PodIdx) {
        if self.state.pods[pod].deleting.is_some() {
            return;
        }
        self.state.set_deleting(pod, self.now, 30_000);
        self.later(self.stop_ms, Due::PodGone(pod));
        let spec = self.state.pods[pod].spec;
        if self.catalog.specs[spec].owner.is_some() && !self.state.pods[pod].phase.is_terminal() {
            let name = self.state.make_name(&format!("{}x", self.state.name(&self.catalog, self.state.pods[pod].name)));
            let fresh = self.state.create_pod(&self.catalog, spec, name, self.now);
            self.later(self.start_ms, Due::PodReady(fresh));
        }
    }

    fn perform(&mut self, out: &mut Outbox) {
        let items: Vec<Output> = out.drain().collect();
        for item in items {
            match item {
                Output::Announce(a) => self.hear(a),
                Output::Call(id, action) => {
                    let gate = matches!(action, Call::Check { .. } | Call::AwaitApproval { .. });
                    let set = if gate { self.gates.pop_front() } else { None };
                    let lost = self.loses_from.is_some_and(|t| self.now >= t)
                        || self.loses.is_some_and(|(from, until)| (from..until).contains(&self.now));
                    let (after, answer) = match set {
                        Some(set) => set,
                        None if lost => (1, Answer::Unknown),
                        None => (1, self.act(&action)),
                    };
                    self.log.push(format!("{} {action:?} -> {answer:?}", self.now));
                    self.later(after, Due::Answer(id, answer));
                }
            }
        }
    }
    fn hear(&mut self, a: Announcement) {
        match &a {
            Announcement::Line { stream, text, .. } => self.lines.push((self.now, *stream, text.clone())),
            Announcement::MigrationFinished { outcome, failure } => {
                self.finished = Some((self.now, *outcome, failure.clone()));
            }
            _ => {}
        }
        self.log.push(format!("{} {a:?}", self.now));
    }
    /// The pod that bears a pod's name now.
    fn bearer(&self, pod: PodIdx) -> Option<PodIdx> {
        let name = self.state.pods[pod].name;
        if !self.state.pods[pod].gone {
            Some(pod)
        } else {
            self.state.live_pods().find(|p| self.state.pods[*p].name == name)
        }
    }
    fn act(&mut self, action: &Call) -> Answer {
        if (self.blind.0..self.blind.1).contains(&self.now)
            && matches!(action, Call::FindNode { .. } | Call::ListPods { .. })
        {
            return refused(403, "nodes is forbidden");
        }
        let at = |node: &NodeRef| node.at.expect("a place in the view");
        match action {
            Call::Cordon { node } => {
                let refused_in = self.no_cordon.get(&self.text(at(node))).or_else(|| self.no_cordon.get("*"));
                if refused_in.is_some_and(|(from, until)| (*from..*until).contains(&self.now)) {
                    return refused(422, "ValidatingAdmissionPolicy 'keep' with binding 'keep' denied request: no");
                }
                self.state.set_unschedulable(at(node), true);
            }
            Call::Uncordon { .. } if self.no_uncordon => return refused(403, "no"),
            Call::Uncordon { node } => self.state.set_unschedulable(at(node), false),
            Call::Evict { pod, precondition, .. } => {
                let asked = pod.at.expect("a place in the view");
                let Some(pod) = self.bearer(asked).as_ref().copied() else { return Answer::Gone };
                if *precondition && pod != asked {
                    return Answer::UidChanged;
                }
                let pod = &pod;
                let name = self.state.name(&self.catalog, self.state.pods[*pod].name).to_owned();
                if let Some((until, code)) = self.refuses.get(&name).copied()
                    && self.now < until
                {
                    let said = "Cannot evict pod as it would violate the pod's disruption budget.";
                    let mut answer = refused(code, self.says.get(&name).map_or(said, |s| &s.0));
                    if let (Some((_, after)), Answer::Refused { retry_after_ms, .. }) =
                        (self.says.get(&name), &mut answer)
                    {
                        *retry_after_ms = *after;
                    }
                    return answer;
                }
                self.delete(*pod);
            }
            Call::DeletePod { pod, .. } => self.delete(pod.at.expect("a place in the view")),
            Call::GetPod { pod } => {
                return self.bearer(pod.at.expect("a place in the view")).map_or(Answer::Gone, Answer::Pod);
            }
            Call::EnsureNodes { key, group, total, .. } => {
                let had = self.ensured.insert(key.clone(), *total).unwrap_or(0);
                for i in had..*total {
                    if self.capacity > 0 {
                        self.capacity -= 1;
                        self.later(
                            self.launch_ms,
                            Due::NodeComes {
                                group: group.at.expect("a place in the view"),
                                name: format!("{key}/{i}"),
                            },
                        );
                    }
                }
            }
            Call::RetireNode { node, .. } => {
                if self.stuck.contains(&self.text(at(node))) {
                    return refused(403, "the role may not delete it");
                }
                self.later(5000, Due::NodeGoes(at(node)));
            }
            Call::ReimageNode { node, .. } => {
                if self.stuck.contains(&self.text(at(node))) {
                    return refused(403, "the role may not reimage it");
                }
                match self.reimages_under_its_uid {
                    true => {}
                    false => {
                        self.later(1, Due::NodeGoes(at(node)));
                        self.later(self.launch_ms, Due::NodeComesBack(at(node)));
                    }
                }
            }
            Call::Taint { node, taint } => {
                let key = self.state.make_name(&taint.key);
                let t = Taint { key, value: self.catalog.known.empty, effect: Effect::NoSchedule };
                self.state.set_taints(at(node), [t].into_iter().collect());
            }
            Call::Untaint { node, .. } => self.state.set_taints(at(node), Default::default()),
            Call::FindNode { node } => {
                let found = self.state.live_nodes().find(|n| self.text(*n) == node.name);
                return match found.map(|n| NodeId::of(self.view(), n) == node.id) {
                    Some(true) => Answer::Accepted,
                    Some(false) => Answer::UidChanged,
                    None => Answer::Gone,
                };
            }
            Call::GetNode { node } if self.state.nodes[at(node)].gone => return Answer::Gone,
            Call::GetNode { .. }
            | Call::ListPods { .. }
            | Call::FreezeGroup { .. }
            | Call::UnfreezeGroup { .. }
            | Call::Check { .. }
            | Call::AwaitApproval { .. } => {}
        }
        Answer::Accepted
    }
}

pub(crate) fn refused(code: u16, message: &str) -> Answer {
    Answer::Refused {
        code,
        reason: if code == 429 { "TooManyRequests" } else { "Forbidden" }.into(),
        cause: if code == 429 {
            "The disruption budget web needs 1 healthy pods and has 1 currently".into()
        } else {
            String::new()
        },
        message: message.into(),
        retry_after_ms: None,
    }
}

fn rebase(c: &Catalog, old: State) -> State {
    let mut s = State::new(c);
    for n in old.nodes.iter() {
        s.add_node(n.spec.clone(), n.group, n.ready, 0);
    }
    for (b, status) in old.budgets.entries() {
        s.set_budget(b, status.clone());
    }
    for p in old.pods.iter() {
        let pod = add_pod(&mut s, c, p.spec, p.name);
        if let Some(n) = p.node {
            s.bind(c, pod, n, 0);
        }
        s.set_phase(c, pod, p.phase);
        s.set_ready(pod, p.ready, 0);
    }
    s
}

fn add_pod(s: &mut State, c: &Catalog, spec: SpecIdx, name: Sym) -> PodIdx {
    s.add_pod(c, fixtures::pod(spec, name))
}

fn pod_spec(c: &mut Catalog, namespace: NsIdx, name: Sym, shape: ShapeIdx, owner: Option<OwnerIdx>) -> SpecIdx {
    c.specs.push(PodSpec { owner, ..fixtures::pod_spec(namespace, name, shape) })
}

fn node_spec(name: Sym, uid: Sym) -> NodeSpec {
    NodeSpec { uid, ..fixtures::node_spec(name, vec![4000, 16 << 30, 0]) }
}

/// Asks for one node of the first group per five pods.
pub(crate) struct Fives;

impl Packer for Fives {
    fn pack(&self, _: View<'_>, pods: &[PodIdx], _: &[NodeIdx]) -> Packing {
        let count = pods.len().div_ceil(5) as u32;
        let launches = vec![Launch { group: GroupIdx(0), machine: None, zone: None, count }];
        Packing { launches: if count > 0 { launches } else { Vec::new() }, unplaceable: Vec::new() }
    }
    fn match_node(&self, _: View<'_>, _: NodeIdx, _: &[GroupIdx]) -> Result<Option<GroupIdx>, String> {
        Ok(Some(GroupIdx(0)))
    }
}
