//! Replays recorded scheduling decisions one by one, each upon the real outcome of the one before.
//!
//! What is compared: the feasible nodes, every plugin's weighted score of every node, the totals, whether the node
//! really chosen is among our best, and the words of a refusal. With sampled nodes the real sample is luck: it must
//! have the right size, lie within our feasible nodes, and score equally when normalised over itself.

use super::recording::{VerifyError, lines, load, scheduler_config, values};
use crate::cluster::{Catalog, Finding, NodeIdx, Phase, PodIdx, PodState, State};
use crate::disruption::BudgetIndex;
use crate::disruption::arithmetic::{Tally, compute};
use crate::request::control_plane::ControlPlane;
use crate::scheduler::plugins::volume_binding::{VolumeAction, assume_volumes};
use crate::scheduler::preemption::{Preemption, preempt};
use crate::scheduler::{Code, Decision, Explanation, Failure, PluginId, Rejection, Scheduler};
use crate::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// One recorded decision.
#[derive(Deserialize)]
struct Recorded {
    pod: Value,
    node: Option<String>,
    #[serde(default)]
    scores: BTreeMap<String, i64>,
    #[serde(default)]
    plugin_scores: BTreeMap<String, BTreeMap<String, i64>>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    nominated: Option<String>,
    #[serde(default)]
    victims: Vec<String>,
}

/// How far our decisions equal the recorded ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DecisionReport {
    /// How many were replayed.
    pub decisions: usize,
    /// Those with the same feasible nodes.
    pub feasible_equal: usize,
    /// Those in which every plugin gave every node the same score.
    pub plugin_scores_equal: usize,
    /// Those with the same totals.
    pub totals_equal: usize,
    /// Those whose real choice is among our best (or that are unschedulable to both).
    pub choice_in_best_set: usize,
    /// Those with the same message.
    pub message_equal: usize,
    /// Those with the same pods preempted, or none.
    pub victims_equal: usize,
    /// Those with a nomination to the same node by preemption, or none. (The scheduler also nominates pods whose volumes take
    /// long to bind, to the node chosen for them; those have no victims and count as none.)
    pub nominated_equal: usize,
    /// Every difference.
    pub mismatches: Vec<Mismatch>,
    /// What the recorded scheduler does and the model does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// By plugin: scores that are equal, and scores compared.
    #[serde(skip)]
    pub plugins: BTreeMap<PluginId, (usize, usize)>,
}

/// One difference, with both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Which decision, from 0.
    pub decision: usize,
    /// Its pod, `namespace/name`.
    pub pod: String,
    /// `feasible`, `plugin_score`, `total`, `choice`, `message`, `victims`, `nominated`.
    pub what: &'static str,
    /// Which plugin, for a score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<&'static str>,
    /// Which node, for a score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What was recorded.
    pub recorded: String,
    /// What we say.
    pub ours: String,
}

impl DecisionReport {
    /// Whether everything is equal.
    pub fn is_perfect(&self) -> bool {
        self.mismatches.is_empty()
    }
    /// The report as tables: what is equal, by plugin, and the differences.
    pub fn render_table(&self) -> String {
        let share = |n: usize, of: usize| match of {
            0 => "-".to_string(),
            _ => format!("{:.2} %", n as f64 * 100.0 / of as f64),
        };
        let mut summary = comfy_table::Table::new();
        summary.load_style(comfy_table::presets::NOTHING).set_header(["compared", "equal", "of", "share"]);
        let columns = [
            ("feasible nodes", self.feasible_equal),
            ("plugin scores", self.plugin_scores_equal),
            ("totals", self.totals_equal),
            ("choice among the best", self.choice_in_best_set),
            ("message", self.message_equal),
            ("victims", self.victims_equal),
            ("nominated", self.nominated_equal),
        ];
        for (name, equal) in columns {
            let row = [name.to_string(), equal.to_string(), self.decisions.to_string(), share(equal, self.decisions)];
            summary.add_row(row);
        }
        let mut plugins = comfy_table::Table::new();
        plugins.load_style(comfy_table::presets::NOTHING).set_header(["plugin", "scores equal", "of", "share"]);
        for (plugin, (equal, of)) in &self.plugins {
            plugins.add_row([plugin.name().to_string(), equal.to_string(), of.to_string(), share(*equal, *of)]);
        }
        let mut text = format!("{summary}\n\n{plugins}\n");
        for finding in &self.findings {
            text.push_str(&format!("\n{} {}: {}\n", finding.code, finding.object, finding.message));
        }
        if self.mismatches.is_empty() {
            text.push_str("\nNo difference.\n");
            return text;
        }
        let mut list = comfy_table::Table::new();
        list.load_style(comfy_table::presets::NOTHING);
        list.set_header(["#", "pod", "what", "plugin", "node", "recorded", "ours"]);
        for m in &self.mismatches {
            let plugin = m.plugin.unwrap_or_default().to_string();
            let node = m.node.clone().unwrap_or_default();
            let row = [
                m.decision.to_string(),
                m.pod.clone(),
                m.what.to_string(),
                plugin,
                node,
                m.recorded.clone(),
                m.ours.clone(),
            ];
            list.add_row(row);
        }
        text.push_str(&format!("\n{} differences:\n{list}\n", self.mismatches.len()));
        text
    }
}

/// Replays the recording in a directory: `cluster.json`, `decisions.jsonl` (gzipped or not) and, if it is there, `scheduler.yaml`.
///
/// # Errors
/// A file that is missing or cannot be read.
pub fn verify_decisions(dir: &Path) -> Result<DecisionReport, VerifyError> {
    let cluster = load(dir, "cluster.json")?;
    let config = scheduler_config(dir)?;
    let recorded: Vec<Recorded> = lines(&load(dir, "decisions.jsonl")?)?;
    replay(Snapshot::from_sources(&[cluster])?, &ControlPlane::recorded(config.as_deref())?, &recorded)
}

/// Replays decisions, each as a line of `decisions.jsonl`, upon a cluster under a scheduler configuration.
///
/// # Errors
/// A configuration that cannot be used, a decision that is not one.
pub fn replay_decisions(
    snapshot: Snapshot,
    config: Option<&str>,
    decisions: &[Value],
) -> Result<DecisionReport, VerifyError> {
    replay_under(snapshot, &ControlPlane::recorded(config)?, decisions)
}

/// Replays decisions upon a cluster under a control plane.
///
/// # Errors
/// As [`replay_decisions`].
pub fn replay_under(
    snapshot: Snapshot,
    control_plane: &ControlPlane,
    decisions: &[Value],
) -> Result<DecisionReport, VerifyError> {
    let recorded: Vec<Recorded> = values("decisions", decisions)?;
    replay(snapshot, control_plane, &recorded)
}

fn replay(
    mut snapshot: Snapshot,
    control_plane: &ControlPlane,
    recorded: &[Recorded],
) -> Result<DecisionReport, VerifyError> {
    let config = control_plane.settle(&mut snapshot)?;
    let of_control_plane = |f: &&Finding| f.code.starts_with("scheduler-") || f.code.starts_with("kubernetes-");
    let findings = snapshot.findings.iter().filter(of_control_plane).cloned().collect();
    let pods = snapshot.decode_pods(recorded.iter().map(|r| &r.pod))?;
    let catalog = snapshot.cluster.catalog.clone();
    let scheduler = Scheduler::new(&catalog, &snapshot.cluster.state, config);
    let mut replay = Replay {
        budgets: BudgetIndex::new(&catalog),
        by_name: snapshot
            .cluster
            .state
            .nodes
            .entries()
            .map(|(i, n)| (catalog.text(n.spec.name).to_string(), i))
            .collect(),
        catalog,
        lists: snapshot.cluster.state.nodes.entries().map(|(i, n)| (i, n.pods.clone())).collect(),
        state: snapshot.cluster.state,
        scheduler,
        report: DecisionReport { findings, ..DecisionReport::default() },
    };
    for (number, (recorded, (_, pod))) in recorded.iter().zip(pods).enumerate() {
        replay.step(number, recorded, pod);
    }
    Ok(replay.report)
}

struct Replay {
    catalog: Arc<Catalog>,
    state: State,
    scheduler: Scheduler,
    budgets: BudgetIndex,
    by_name: BTreeMap<String, NodeIdx>,
    /// Pods of each node in the order of upstream's NodeInfo, where the last takes the place of one that leaves.
    lists: BTreeMap<NodeIdx, Vec<PodIdx>>,
    report: DecisionReport,
}

/// What we say of one decision.
struct Ours {
    feasible: BTreeSet<String>,
    explanation: Explanation,
    node: Option<NodeIdx>,
    message: String,
    victims: BTreeSet<String>,
    nominated: Option<NodeIdx>,
}

impl Replay {
    fn step(&mut self, number: usize, recorded: &Recorded, pod: PodState) {
        let pod = PodState { node: None, nominated: None, phase: Phase::Pending, ..pod };
        let pod = self.state.add_pod(&self.catalog, pod);
        let ours = self.ours(pod, recorded);
        self.report.decisions += 1;
        self.compare(number, pod, recorded, &ours);
        self.follow(pod, recorded);
    }
    fn name(&self, node: NodeIdx) -> String {
        self.state.node_name(&self.catalog, node).to_string()
    }
    /// Our decision; where a pod must preempt, the one after its victims are gone.
    fn ours(&mut self, pod: PodIdx, recorded: &Recorded) -> Ours {
        let mut decision = self.decide(pod);
        let mut victims = BTreeSet::new();
        let mut nominated = None;
        let mut message = String::new();
        if let Some(failure) = decision.failure().cloned() {
            let config = self.scheduler.profile(&self.catalog, &self.state, pod).clone();
            let preemption =
                preempt(&mut self.scheduler, &config, &self.catalog, &mut self.state, pod, &failure, &mut |_| 0);
            message = failure.message(&self.catalog, &preemption.post_filter(&config, &self.catalog, &failure));
            if let Preemption::Candidate(candidate) = &preemption {
                let real = recorded.node.as_ref().and_then(|n| self.by_name.get(n)).copied();
                let real = real.filter(|n| candidate.tied.contains(n)).unwrap_or(candidate.node);
                victims = self.victims_on(pod, &failure, real).iter().map(|v| self.pod_name(*v)).collect();
                nominated = Some(real);
                message.clear();
            }
        }
        if !recorded.victims.is_empty() {
            self.remove_victims(recorded);
            let node = recorded.node.as_ref().and_then(|n| self.by_name.get(n)).copied();
            self.state.nominate(pod, node);
            decision = self.decide(pod);
        }
        let sampled = decision.feasible < self.by_name.len() && self.enough(pod) < self.by_name.len();
        let nodes = recorded.scores.keys().filter_map(|n| self.by_name.get(n)).copied();
        let mut nodes: Vec<NodeIdx> = nodes.collect();
        nodes.sort_unstable();
        let explanation = match (sampled, decision.explanation.take()) {
            (true, _) if nodes.len() > 1 => self.scheduler.score_over(&self.catalog, &self.state, pod, &nodes),
            (_, explanation) => explanation.map(|e| *e).unwrap_or_default(),
        };
        let feasible = self.feasible(pod, &decision, sampled);
        Ours { feasible, node: decision.node(), explanation, message, victims, nominated }
    }
    /// The pods that would have to leave one node; of equally good nodes the real one is luck.
    ///
    /// The recording's stand-in for kubelets sets no `status.startTime`. Upstream then compares two readings of the
    /// clock (S/util `GetPodStartTime`), always finds the first pod older and so sorts equals the other way round:
    /// the last in its list of the node's pods counts as the oldest.
    fn victims_on(&mut self, pod: PodIdx, failure: &Failure, node: NodeIdx) -> Vec<PodIdx> {
        let mut only = failure.clone();
        let code = |n: NodeIdx, status: &Rejection| if n == node { status.code } else { Code::Unresolvable };
        let statuses = failure.statuses.iter();
        only.statuses = statuses.map(|(n, s)| (n, Rejection { code: code(n, s), ..s.clone() })).collect();
        let config = self.scheduler.profile(&self.catalog, &self.state, pod).clone();
        let placed = self.lists.get(&node).cloned().unwrap_or_default();
        for (age, placed) in placed.iter().enumerate() {
            self.state.pods[*placed].started = -1000 * age as i64;
        }
        let preemption = preempt(&mut self.scheduler, &config, &self.catalog, &mut self.state, pod, &only, &mut |_| 0);
        placed.iter().for_each(|p| self.state.pods[*p].started = 0);
        preemption.candidate().map(|c| c.victims.clone()).unwrap_or_default()
    }
    fn decide(&mut self, pod: PodIdx) -> Decision {
        self.scheduler.explain(&self.catalog, &mut self.state, pod, &mut |_| 0)
    }
    fn feasible(&mut self, pod: PodIdx, decision: &Decision, sampled: bool) -> BTreeSet<String> {
        let alone = decision.hinted || (decision.feasible == 1 && self.state.pods[pod].nominated.is_some());
        let nodes = match decision.node() {
            Some(node) if alone => vec![node],
            _ if sampled || decision.feasible > 0 => self.scheduler.feasible(&self.catalog, &mut self.state, pod),
            _ => Vec::new(),
        };
        nodes.into_iter().map(|n| self.name(n)).collect()
    }
    fn pod_name(&self, pod: PodIdx) -> String {
        self.state.name(&self.catalog, self.state.pods[pod].name).to_string()
    }
    fn compare(&mut self, number: usize, pod: PodIdx, recorded: &Recorded, ours: &Ours) {
        let mut found: Vec<Mismatch> = Vec::new();
        let text = self.state.pod_text(&self.catalog, pod);
        let mismatch = |what, recorded: String, ours: String| Mismatch {
            decision: number,
            pod: text.clone(),
            what,
            plugin: None,
            node: None,
            recorded,
            ours,
        };
        self.report.feasible_equal += usize::from(self.compare_feasible(pod, recorded, ours, &mismatch, &mut found));
        self.report.plugin_scores_equal += usize::from(self.compare_plugins(recorded, ours, &mismatch, &mut found));
        self.report.totals_equal += usize::from(self.compare_totals(recorded, ours, &mismatch, &mut found));
        let best: Vec<String> = match ours.explanation.best.is_empty() {
            true => ours.node.iter().map(|n| self.name(*n)).collect(),
            false => ours.explanation.best.iter().map(|n| self.name(*n)).collect(),
        };
        let chosen_well = match &recorded.node {
            Some(node) => best.contains(node),
            None => ours.node.is_none(),
        };
        self.report.choice_in_best_set += usize::from(chosen_well);
        if !chosen_well {
            let node = recorded.node.clone().unwrap_or_else(|| "none".into());
            found.push(mismatch("choice", node, best.join(" ")));
        }
        let message = recorded.message.clone().unwrap_or_default();
        self.report.message_equal += usize::from(message == ours.message);
        if message != ours.message {
            found.push(mismatch("message", message, ours.message.clone()));
        }
        let victims: BTreeSet<String> = recorded.victims.iter().cloned().collect();
        self.report.victims_equal += usize::from(victims == ours.victims);
        let nominated = recorded.nominated.clone().filter(|_| !victims.is_empty());
        let our_nominated = ours.nominated.map(|n| self.name(n));
        self.report.nominated_equal += usize::from(nominated == our_nominated);
        if nominated != our_nominated {
            let none = || "none".to_string();
            found.push(mismatch("nominated", nominated.unwrap_or_else(none), our_nominated.unwrap_or_else(none)));
        }
        if victims != ours.victims {
            let join = |v: &BTreeSet<String>| v.iter().cloned().collect::<Vec<_>>().join(" ");
            found.push(mismatch("victims", join(&victims), join(&ours.victims)));
        }
        self.report.mismatches.extend(found);
    }
    /// How many feasible nodes end the search.
    fn enough(&self, pod: PodIdx) -> usize {
        self.scheduler.profile(&self.catalog, &self.state, pod).nodes_to_find(self.by_name.len())
    }
    fn compare_feasible(
        &self,
        pod: PodIdx,
        recorded: &Recorded,
        ours: &Ours,
        mismatch: &impl Fn(&'static str, String, String) -> Mismatch,
        found: &mut Vec<Mismatch>,
    ) -> bool {
        // A lone feasible node is not scored: the recording names it as the choice only.
        let theirs: BTreeSet<String> = match recorded.scores.is_empty() {
            true => recorded.node.iter().cloned().collect(),
            false => recorded.scores.keys().cloned().collect(),
        };
        let enough = self.enough(pod);
        let equal = match ours.feasible.len() > enough {
            true => theirs.len() == enough && theirs.is_subset(&ours.feasible),
            false => theirs == ours.feasible,
        };
        if !equal {
            let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
                let extra: Vec<&str> = a.difference(b).map(String::as_str).collect();
                format!("{} nodes, of which only here: {}", a.len(), extra.join(" "))
            };
            found.push(mismatch("feasible", only(&theirs, &ours.feasible), only(&ours.feasible, &theirs)));
        }
        equal
    }
    fn compare_plugins(
        &mut self,
        recorded: &Recorded,
        ours: &Ours,
        mismatch: &impl Fn(&'static str, String, String) -> Mismatch,
        found: &mut Vec<Mismatch>,
    ) -> bool {
        let before = found.len();
        let mut mine: BTreeMap<(String, &'static str), i64> = BTreeMap::new();
        for (plugin, scores) in &ours.explanation.plugins {
            for (node, score) in ours.explanation.feasible.iter().zip(scores) {
                mine.insert((self.name(*node), plugin.name()), *score);
            }
        }
        for (node, scores) in &recorded.plugin_scores {
            for (plugin, score) in scores {
                let Some(id) = PluginId::by_name(plugin) else { continue };
                let our = mine.remove(&(node.clone(), id.name()));
                let tally = self.report.plugins.entry(id).or_default();
                tally.1 += 1;
                if our == Some(*score) {
                    tally.0 += 1;
                } else {
                    let our = our.map_or("skipped".to_string(), |s| s.to_string());
                    let plain = mismatch("plugin_score", score.to_string(), our);
                    found.push(Mismatch { plugin: Some(id.name()), node: Some(node.clone()), ..plain });
                }
            }
        }
        for ((node, plugin), score) in mine {
            let plain = mismatch("plugin_score", "skipped".into(), score.to_string());
            found.push(Mismatch { plugin: Some(plugin), node: Some(node), ..plain });
        }
        found.len() == before
    }
    fn compare_totals(
        &self,
        recorded: &Recorded,
        ours: &Ours,
        mismatch: &impl Fn(&'static str, String, String) -> Mismatch,
        found: &mut Vec<Mismatch>,
    ) -> bool {
        let before = found.len();
        let totals = ours.explanation.feasible.iter().zip(&ours.explanation.totals);
        let mut mine: BTreeMap<String, i64> = totals.map(|(n, t)| (self.name(*n), *t)).collect();
        for (node, total) in &recorded.scores {
            let our = mine.remove(node);
            if our != Some(*total) {
                let plain = mismatch("total", total.to_string(), our.map_or("none".into(), |t| t.to_string()));
                found.push(Mismatch { node: Some(node.clone()), ..plain });
            }
        }
        for (node, total) in mine {
            let plain = mismatch("total", "none".into(), total.to_string());
            found.push(Mismatch { node: Some(node), ..plain });
        }
        found.len() == before
    }
    fn remove_victims(&mut self, recorded: &Recorded) {
        for victim in &recorded.victims {
            let named = |p: &PodIdx| self.pod_name(*p) == *victim;
            let found = self.state.live_pods().find(named);
            if let Some(pod) = found {
                for list in self.lists.values_mut() {
                    if let Some(place) = list.iter().position(|p| *p == pod) {
                        list.swap_remove(place);
                    }
                }
                self.state.remove_pod(&self.catalog, pod);
            }
        }
    }
    /// Does what really happened: the pod runs where it was bound, or is deleted.
    fn follow(&mut self, pod: PodIdx, recorded: &Recorded) {
        let node = recorded.node.as_ref().and_then(|n| self.by_name.get(n)).copied();
        let Some(node) = node else {
            self.state.remove_pod(&self.catalog, pod);
            return;
        };
        for action in assume_volumes(&self.catalog, &self.state, pod, node) {
            // A provisioned volume is reachable from where the pod runs; its claim stays unbound to the replay.
            if let VolumeAction::Bind { claim, volume } = action {
                self.state.bind_claim(claim, volume);
            }
        }
        self.state.nominate(pod, None);
        // The stand-in for kubelets sets no `status.startTime`, so that no pod started before another.
        self.state.bind(&self.catalog, pod, node, 0);
        self.state.set_phase(&self.catalog, pod, Phase::Running);
        self.state.set_ready(pod, true, 0);
        self.lists.entry(node).or_default().push(pod);
        self.recount_budgets();
    }
    /// The disruption controller looks at its budgets between two decisions; preemption asks for their status.
    fn recount_budgets(&mut self) {
        let tallies = Tally::count_all(&self.catalog, &self.state, &self.budgets);
        for (budget, tally) in self.catalog.budgets.indices().zip(&tallies) {
            let status = compute(&self.catalog, &self.state, budget, tally, 0).status;
            self.state.set_budget(budget, status);
        }
    }
}
