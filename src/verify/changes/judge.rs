//! Holds each step of a recording against the views that it passed through.

use super::Step;
use super::event::{Condition, Seen};
use super::model::Model;
use super::view::{Call, View};
use crate::cluster::{BudgetIdx, BudgetStatus, NsIdx, PodIdx, Sym};
use crate::disruption::eviction::{Bypass, Effect};
use crate::disruption::{Verdict, verdict};
use crate::snapshot::{RecordedBudget, Snapshot};
use crate::verify::eviction_report::{
    ChangeCounts, EvictionReport, Mismatch, Recorded, answer_text, computed_text, says_the_same, status_text,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is known when a step begins.
pub(super) struct Judge<'a> {
    truth: View,
    model: Model,
    conditions: BTreeMap<BudgetIdx, Condition>,
    report: &'a mut EvictionReport,
    pub(super) counts: ChangeCounts,
}

/// What came of a step's events so far.
struct Course {
    /// The view before each event, and the last.
    views: Vec<View>,
    /// Since which view a budget's status cannot be older; None where only luck called the controller.
    called: BTreeMap<BudgetIdx, Option<usize>>,
    /// Charged evictions: pod, budget, the view before.
    charges: Vec<(PodIdx, BudgetIdx, usize)>,
    /// Resource versions of the statuses written by hand.
    planted: Vec<u64>,
    /// An owner was changed.
    scaled: bool,
    now: i64,
}

impl<'a> Judge<'a> {
    pub(super) fn new(snapshot: &Snapshot, report: &'a mut EvictionReport) -> Judge<'a> {
        let truth = View::new(&snapshot.cluster.catalog, &snapshot.cluster.state);
        let model = Model::new(truth.clone());
        Judge { truth, model, conditions: BTreeMap::new(), report, counts: ChangeCounts::default() }
    }

    /// Judges one step.
    pub(super) fn step(&mut self, number: usize, step: &Step, events: &[(i64, Seen)]) {
        self.counts.steps += 1;
        let planted = step.ops.iter().filter_map(|op| op["version"].as_u64()).collect();
        let mut course = Course {
            views: vec![self.truth.clone()],
            called: BTreeMap::new(),
            charges: Vec::new(),
            planted,
            scaled: events.iter().any(|(_, seen)| matches!(seen, Seen::Owner { .. })),
            now: 0,
        };
        for (now, seen) in events {
            course.now = *now;
            self.event(number, &mut course, seen);
        }
        for line in &step.verdicts {
            self.answer(number, &course, events, line);
        }
        self.at_rest(number, &course);
        if let Some(last) = course.views.pop() {
            self.model.adopt(&last, course.now);
            self.truth = last;
        }
    }

    fn differs(&mut self, step: usize, object: String, what: &'static str, recorded: String, computed: String) {
        self.report.mismatches.push(Mismatch { object: format!("step {step}: {object}"), what, recorded, computed });
    }

    /// Takes an event in; a status written must follow from some view.
    fn event(&mut self, step: usize, course: &mut Course, seen: &Seen) {
        let before = course.views.len() - 1;
        let mut after = course.views[before].clone();
        if let Seen::Budget { budget, read, condition, version } = seen {
            self.conditions.insert(*budget, condition.clone());
            self.written(step, course, *budget, read, *version);
        } else {
            self.model.see(seen, course.now);
        }
        after.apply(seen);
        for (budget, call) in after.calls(seen) {
            let since = course.called.entry(budget).or_insert(None);
            match (call, seen) {
                (Call::Maybe, _) => {}
                // Pods come by another watch than budgets, and can come later.
                (Call::Sure, Seen::Budget { .. }) => *since = since.or(Some(0)),
                (Call::Sure, _) => *since = Some(before + 1),
            }
        }
        course.views.push(after);
    }

    /// A budget was written: its spec by somebody, or its status by an eviction, by hand, or by the controller.
    fn written(&mut self, step: usize, course: &mut Course, budget: BudgetIdx, read: &RecordedBudget, version: u64) {
        let at = course.views.len() - 1;
        let view = &course.views[at];
        let (base, status) = (view.state.budgets[budget].clone(), view.status(read));
        let text = view.catalog.budget_text(budget);
        if view.catalog.budgets[budget] != read.spec {
            self.model.edit(budget, &read.spec, course.now);
            return;
        }
        if course.planted.contains(&version) {
            self.model.plant(budget, status, course.now);
            return;
        }
        self.counts.writes += 1;
        let explained = match charged(&base, &status, course.now) {
            Some(pod) => {
                course.charges.push((pod, budget, at));
                self.model.charge(pod, budget, course.now);
                let lowered =
                    BudgetStatus { allowed: base.allowed - 1, disrupted: status.disrupted.clone(), ..base.clone() };
                let plain = |s: &BudgetStatus| BudgetStatus { sync_failed: None, ..s.clone() };
                base.allowed > 0
                    && plain(&lowered) == plain(&status)
                    && status.observed_generation >= read.spec.generation
            }
            None => {
                let views = course.views.iter().rev();
                views.map(|v| v.with_budgets_of(view)).any(|v| v.explains(budget, &base, &status, course.now))
            }
        };
        if explained {
            self.counts.writes_equal += 1;
        } else {
            let computed = format!("no view of this step explains it; stored before: {}", status_text(&base));
            self.differs(step, format!("PodDisruptionBudget/{text}"), "write", status_text(&status), computed);
        }
    }

    /// An answer must follow from a view before the eviction was carried out.
    fn answer(&mut self, step: usize, course: &Course, events: &[(i64, Seen)], line: &Recorded) {
        self.counts.verdicts += 1;
        let first = &course.views[0];
        let Some((namespace, name)) = find(first, &line.pod) else {
            let none = not_found(&line.pod);
            let equal = line.code == none.code && says_the_same(line, &none);
            self.counts.verdicts_equal += usize::from(equal);
            if !equal {
                self.differs(step, format!("Pod/{}", line.pod), "verdict", answer_text(line), computed_text(&none));
            }
            return;
        };
        let bears = |pod: PodIdx| {
            let last = &course.views[course.views.len() - 1];
            last.pod_named(namespace, name) == Some(pod)
                || course.views.iter().any(|v| v.pod_named(namespace, name) == Some(pod))
        };
        let charge = course.charges.iter().find(|(pod, ..)| bears(*pod));
        let carried_out = events.iter().position(|(_, seen)| match seen {
            Seen::Pod { state, evicted: true, .. } => state.name == name && spec_namespace(first, state) == namespace,
            _ => false,
        });
        let until = match (line.code, carried_out) {
            (201, Some(event)) => event,
            _ => events.len(),
        };
        let answers = answers(&course.views[..=until], namespace, name, &line.pod);
        let equal = answers.iter().any(|answer| match (line.code, charge, answer.effect) {
            (201, Some((_, budget, _)), Effect::Charge(charged)) => *budget == charged,
            (201, Some(_), _) => answer.is_accepted(),
            (201, None, effect) => answer.is_accepted() && !matches!(effect, Effect::Charge(_)),
            _ => line.code == answer.code && says_the_same(line, answer),
        });
        let raced = !events.is_empty() && is_race(line) && {
            let passes = |e: Effect| {
                matches!(e, Effect::Delete(Bypass::HealthyBudget(_) | Bypass::AlwaysAllow(_) | Bypass::Phase))
            };
            answers.iter().any(|a| passes(a.effect) || matches!(a.effect, Effect::Charge(_)))
        };
        if equal || raced {
            self.counts.verdicts_equal += 1;
        } else {
            let computed: BTreeSet<String> = answers.iter().map(computed_text).collect();
            let computed = computed.into_iter().collect::<Vec<_>>().join(" or ");
            self.differs(step, format!("Pod/{}", line.pod), "verdict", answer_text(line), computed);
        }
    }

    /// With the controller at rest, what it stored must be what it would store again, and what our worker stored.
    fn at_rest(&mut self, step: usize, course: &Course) {
        let last = &course.views[course.views.len() - 1];
        self.model.run(course.now);
        for (budget, since) in &course.called {
            let Some(since) = since else { continue };
            self.counts.settled += 1;
            let stored = &last.state.budgets[*budget];
            let condition = self.conditions.get(budget);
            let views = course.views[*since..].iter().map(|v| v.with_budgets_of(last));
            let fixed = views.into_iter().any(|v| v.explains(*budget, stored, stored, course.now));
            let object = format!("PodDisruptionBudget/{}", last.catalog.budget_text(*budget));
            match condition.and_then(|c| contradiction(stored, c)) {
                None if fixed => self.counts.settled_equal += 1,
                Some(problem) => self.differs(step, object.clone(), "condition", status_text(stored), problem),
                None => {
                    let computed = last.fresh(*budget, stored, course.now);
                    self.differs(step, object.clone(), "status at rest", status_text(stored), status_text(&computed));
                }
            }
            // The controller may see a scale before or after what called it.
            if self.is_shared(course, *budget) || course.scaled {
                continue;
            }
            self.counts.worker += 1;
            let ours = self.model.view.state.budgets[*budget].clone();
            if nearly(&ours, stored) {
                self.counts.worker_equal += 1;
            } else {
                self.differs(step, object, "status by our worker", status_text(stored), status_text(&ours));
            }
        }
    }

    /// Whether a change of this step may have called the controller to another budget instead.
    fn is_shared(&self, course: &Course, budget: BudgetIdx) -> bool {
        let view = &course.views[course.views.len() - 1];
        let shares = |p: PodIdx| {
            let budgets = view.index.budgets_of(view.state.pods[p].spec);
            budgets.len() > 1 && budgets.contains(&budget)
        };
        view.state.pods.indices().any(shares)
    }
}

impl View {
    /// These pods under the budgets of another view: the controller writes upon the budget it has read, or not at all.
    fn with_budgets_of(&self, other: &View) -> View {
        View { catalog: other.catalog.clone(), index: other.index.clone(), state: self.state.clone() }
    }
    /// What the controller would store now.
    fn fresh(&self, budget: BudgetIdx, base: &BudgetStatus, now: i64) -> BudgetStatus {
        use crate::disruption::arithmetic::{Tally, compute};
        let mut state = self.state.clone();
        state.set_budget(budget, base.clone());
        let tally = Tally::count(&self.catalog, &state, &self.index, budget);
        compute(&self.catalog, &state, budget, &tally, now).status
    }
}

/// The pod that an eviction added to `disruptedPods`: the controller only takes from it. Two evictions of one pod at once
/// are charged twice, and in the same second only the count tells.
fn charged(base: &BudgetStatus, status: &BudgetStatus, now: i64) -> Option<PodIdx> {
    let twice = BudgetStatus { allowed: base.allowed - 1, ..base.clone() } == *status;
    let new = |entry: &&(PodIdx, i64)| !base.disrupted.contains(entry) || (twice && now - entry.1 < 3_000);
    status.disrupted.iter().find(new).map(|(pod, _)| *pod)
}

/// Every answer that an eviction can have got within these views. The API reads the pod once, and its budgets after that;
/// when the budget changes under it, it reads the budget again half a second later, but not the pod.
fn answers(views: &[View], namespace: NsIdx, name: Sym, text: &str) -> Vec<Verdict> {
    let mut answers = Vec::new();
    let pod = |view: &View| view.pod_named(namespace, name).map(|p| (p, view.state.pods[p].clone()));
    for (i, early) in views.iter().enumerate().filter(|(i, v)| *i == 0 || pod(&views[i - 1]) != pod(v)) {
        let Some((pod, state)) = pod(early) else {
            answers.push(not_found(text));
            continue;
        };
        let changed = |j: usize| {
            let (before, after) = (&views[j - 1], &views[j]);
            before.state.budgets.iter().ne(after.state.budgets.iter())
                || before.catalog.budgets.iter().ne(after.catalog.budgets.iter())
        };
        for late in (i..views.len()).filter(|j| *j == i || changed(*j)).map(|j| &views[j]) {
            let mut view = late.state.clone();
            view.pods[pod] = state.clone();
            answers.push(verdict(&late.catalog, &view, &late.index, pod));
        }
    }
    answers
}

/// Namespace and name of `namespace/name`.
fn find(view: &View, pod: &str) -> Option<(NsIdx, Sym)> {
    let (namespace, name) = pod.split_once('/')?;
    let catalog = &view.catalog;
    let namespace = catalog.namespaces.indices().find(|n| catalog.text(catalog.namespaces[*n].name) == namespace)?;
    Some((namespace, catalog.names.get(name)?))
}

fn spec_namespace(view: &View, pod: &crate::cluster::PodState) -> NsIdx {
    view.catalog.specs[pod.spec].namespace
}

fn not_found(pod: &str) -> Verdict {
    let name = pod.rsplit('/').next().unwrap_or_default();
    Verdict {
        code: 404,
        reason: Some("NotFound"),
        message: Some(format!("pods {name:?} not found")),
        causes: Vec::new(),
        retry_after_s: None,
        effect: Effect::Refused,
        budget: None,
    }
}

/// Whether an answer is one that only a race gives: the pod or its budget changed under the eviction.
fn is_race(line: &Recorded) -> bool {
    let causes = line.causes.as_deref().unwrap_or_default();
    let processed = causes.iter().any(|c| c.message.ends_with("is still being processed by the server."));
    line.code == 409 || line.code == 504 || (line.code == 429 && processed && line.retry_after.as_deref() == Some("10"))
}

/// What the condition DisruptionAllowed says other than the status does.
fn contradiction(status: &BudgetStatus, condition: &Condition) -> Option<String> {
    let (truth, reason, message) = match &status.sync_failed {
        Some(message) => ("False", "SyncFailed", message.as_str()),
        None if status.allowed > 0 => ("True", "SufficientPods", ""),
        None => ("False", "InsufficientPods", ""),
    };
    let expected = Condition {
        status: truth.into(),
        reason: reason.into(),
        message: message.into(),
        // A look that fails leaves what it found, also pods that are gone by now.
        disrupted: if status.sync_failed.is_some() { condition.disrupted } else { status.disrupted.len() },
    };
    (*condition != expected).then(|| format!("{expected:?}, not {condition:?}"))
}

/// Whether two statuses are equal but for the second in which a pod was charged, and for which of several failures is told.
fn nearly(ours: &BudgetStatus, stored: &BudgetStatus) -> bool {
    let pods = |s: &BudgetStatus| s.disrupted.iter().map(|(pod, _)| *pod).collect::<Vec<_>>();
    let plain = |s: &BudgetStatus| BudgetStatus { sync_failed: None, disrupted: Vec::new(), ..s.clone() };
    // A look that fails leaves what it found, also pods that are gone by now.
    plain(ours) == plain(stored)
        && (stored.sync_failed.is_some() || pods(ours) == pods(stored))
        && ours.sync_failed.is_some() == stored.sync_failed.is_some()
}
