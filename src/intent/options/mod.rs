//! Every parameter of a migration: its meaning, range and default.

mod batching;

pub use super::batcher::BatcherKind;
pub use super::gates::Window;
pub use super::procedure::{
    AfterLimit, AksMessages, AwaitedPods, CountOrPercent, FreeRoom, KubectlDrainOptions, KubectlVersion, OceanCloud,
    OceanOptions, ProcedureKind, SurgeOptions, SurgeParameters, SurgePreset, Undrainable, UpdateStrategy,
};
pub use batching::{BatchSize, Canary, Percent, PercentOf};

use super::calendar::ScheduledWindow;
use super::execution::ExecutionOptions;
use super::gates::Gates;
use super::procedure::{Access, BarePods, DrainLimit};
use crate::cluster::{RateLimit, time_problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// In milliseconds, as all times of options.
pub(super) const SECOND: i64 = 1000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const DAY: i64 = 24 * 60 * MINUTE;

/// What to do about pods that are unschedulable before anything was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnscheduledAtStart {
    /// End at once (Ocean's rule).
    Refuse,
    /// Leave them out of account: only new ones count.
    Ignore,
}

/// When old nodes are cordoned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CordonWhen {
    /// All before the first batch: nothing moves twice, but the old nodes' free room is lost at once.
    AllFirst,
    /// Each batch's when it starts.
    #[default]
    PerBatch,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Every parameter of a migration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How a batch goes. Default kubectl-drain.
    pub procedure: ProcedureKind,
    /// Which nodes together. Default size.
    pub batcher: BatcherKind,
    /// How many nodes a batch has: `"20%"` or a number. Default 20 % (surge: 100 %, since its window is the limit).
    pub batch_size: Option<BatchSize>,
    /// What the percentage is of. Default selected.
    pub percent_of: PercentOf,
    /// Node names by batch, for the batcher `listed`.
    pub listed_batches: Vec<Vec<String>>,
    /// When old nodes are cordoned. Default per-batch.
    pub cordon: CordonWhen,
    /// Pods that are unschedulable at the start: refuse or ignore. Default refuse for Ocean's procedures, else ignore.
    pub unscheduled_at_start: Option<UnscheduledAtStart>,
    /// Old nodes are terminated once empty. Default true, but false for kubectl-drain, which only empties them.
    pub terminate_nodes: Option<bool>,
    /// How long to wait for terminated nodes to be gone, in ms (C). Default 10 min.
    pub termination_timeout_ms: i64,
    /// A first, small batch. Default none.
    pub canary: Option<Canary>,
    /// Pods of Jobs that run are not evicted before they have finished (C): the rest of their node is drained meanwhile. It waits as long as the
    /// procedure waits for the pods of a node (kubectl_drain.timeout_ms, ocean.draining_timeout_ms, surge.node_timeout_ms); what still runs
    /// then is not evicted, and its node is not replaced, unless the procedure forces (surge with `undrainable: force`). Default false.
    #[serde(skip_serializing_if = "is_default")]
    pub wait_for_jobs: bool,
    /// Wait between batches, in ms. Default 0.
    pub soak_ms: i64,
    /// Spans in which batches may start. Default always.
    pub windows: Vec<Window>,
    /// Windows by the calendar, in which batches may start; with `windows` either may be open. Default none. The simulation takes `sim.start` for
    /// the moment at which it begins, an execution the moment at which it began.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scheduled_windows: Vec<ScheduledWindow>,
    /// What must be so between two batches: a check, an approval. Default nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub gates: Gates,
    /// Where machines come from and go to when the plan is carried out; the simulation does not look at it.
    #[serde(skip_serializing_if = "is_default")]
    pub execution: ExecutionOptions,
    /// New nodes may come from groups that old nodes belong to, whoever launches them: the autoscaler or the procedure. Default true: nobody stops it.
    /// Ocean's procedures launch nothing there, whatever this says; a surge launches only there. An execution does not hold back the cluster's own
    /// autoscaler: freeze those groups in it.
    pub source_groups_may_grow: bool,
    /// Only these groups (by id or name) give new nodes, whoever launches them: the autoscaler or the procedure. Default empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to_groups: Vec<String>,
    /// When the migration is given up, in ms, simulated or carried out. Default 24 h.
    pub horizon_ms: i64,
    /// Limits of the client that carries it out, per API group. Default for kubectl-drain kubectl's 5 a second and 10
    /// at once, for the others 50 and 100 (C; their controllers are not published).
    pub client: Option<RateLimit>,
    /// Parameters of `kubectl-drain`.
    pub kubectl_drain: KubectlDrainOptions,
    /// Parameters of `ocean-aws` and `ocean-azure`.
    pub ocean: OceanOptions,
    /// Parameters of `surge`.
    pub surge: SurgeOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            procedure: ProcedureKind::default(),
            batcher: BatcherKind::default(),
            batch_size: None,
            percent_of: PercentOf::default(),
            listed_batches: Vec::new(),
            cordon: CordonWhen::default(),
            unscheduled_at_start: None,
            terminate_nodes: None,
            termination_timeout_ms: 10 * MINUTE,
            canary: None,
            wait_for_jobs: false,
            soak_ms: 0,
            windows: Vec::new(),
            scheduled_windows: Vec::new(),
            gates: Gates::default(),
            execution: ExecutionOptions::default(),
            source_groups_may_grow: true,
            to_groups: Vec::new(),
            horizon_ms: 24 * 60 * MINUTE,
            client: None,
            kubectl_drain: KubectlDrainOptions::default(),
            ocean: OceanOptions::default(),
            surge: SurgeOptions::default(),
        }
    }
}

impl Options {
    /// Whether old nodes are terminated, the procedure's default if not given.
    pub fn terminates(&self) -> bool {
        self.terminate_nodes.unwrap_or(self.procedure.procedure().terminates())
    }

    /// What to do about pods unschedulable at the start, the procedure's default if not given.
    pub fn unscheduled(&self) -> UnscheduledAtStart {
        self.unscheduled_at_start.unwrap_or(self.procedure.procedure().unscheduled())
    }

    /// The client's limits, the procedure's default if not given.
    pub fn client(&self) -> RateLimit {
        self.client.unwrap_or(self.procedure.procedure().client())
    }

    /// How many nodes a batch has, the procedure's default if not given.
    pub fn size(&self) -> BatchSize {
        self.batch_size.unwrap_or(self.procedure.procedure().batch_size())
    }

    /// The oldest version of Ocean's controller that a migration needs; empty for any.
    pub fn oldest_controller(&self) -> &str {
        self.ocean.oldest_controller(self.procedure.ocean())
    }

    /// Why nothing is launched in a group that may not give new nodes.
    pub fn closed_reason(&self) -> &'static str {
        match (self.to_groups.is_empty(), self.procedure.is_ocean()) {
            (false, _) => "new nodes are to come from other groups only (--to)",
            (true, true) => crate::groups::pack::SOURCE_GROUP,
            (true, false) => "it is being left and may not grow (source_groups_may_grow)",
        }
    }

    /// What an execution must be allowed to do in the Kubernetes API, besides reading.
    pub fn access(&self) -> &'static [Access] {
        self.procedure.procedure().access(self)
    }

    /// Whether pods may be deleted past their budgets.
    pub fn deletes_pods(&self) -> bool {
        self.access().contains(&Access::DeletePods)
    }

    /// What becomes of pods that no controller recreates.
    pub fn bare_pods(&self) -> BarePods {
        self.procedure.procedure().bare_pods(self)
    }

    /// How long the procedure waits for the pods of a node; None if without end.
    pub fn drain_limit(&self) -> Option<DrainLimit> {
        self.procedure.procedure().drain_limit(self)
    }

    /// Whether old nodes are tainted first, and cordoned when they are empty.
    pub fn taints_first(&self) -> bool {
        self.procedure.procedure().taints_first(self)
    }

    /// Whether the machines of old nodes are reimaged in place, instead of being given back.
    pub fn reimages(&self) -> bool {
        self.procedure.procedure().reimages(self)
    }

    /// Everything that is out of range, each with where it stands, what it is and what was expected.
    pub fn problems(&self) -> Vec<String> {
        let procedure = self.procedure.procedure();
        let mut problems = Problems::default();
        match self.batch_size {
            Some(BatchSize::Percent(Percent(p))) => {
                let largest = i64::from(procedure.largest_batch_percent());
                problems.range("batch_size", i64::from(p), 1, largest, " %");
            }
            Some(BatchSize::Nodes(n)) => {
                problems.range("batch_size", i64::from(n), 1, i64::from(u32::MAX), " nodes");
            }
            None => {}
        }
        problems.range("horizon_ms", self.horizon_ms, 1, 366 * DAY, " ms");
        problems.range("soak_ms", self.soak_ms, 0, 366 * DAY, " ms");
        if let Some(c) = self.client {
            problems.range("client.burst", i64::from(c.burst), i64::from(c.qps > 0), 1_000_000, "");
        }
        if let Some(c) = self.canary {
            problems.range("canary.nodes", i64::from(c.nodes), 1, i64::from(u32::MAX), "");
            problems.range("canary.soak_ms", c.soak_ms, 0, 366 * DAY, " ms");
        }
        problems.range("termination_timeout_ms", self.termination_timeout_ms, SECOND, 366 * DAY, " ms");
        self.ocean.check(procedure.ocean(), &mut problems);
        self.kubectl_drain.check(&mut problems);
        self.surge.check(&mut problems);
        problems.0.extend(procedure.problem(self).map(str::to_owned));
        for (i, w) in self.windows.iter().enumerate() {
            let (span, last) = (w.to_ms.saturating_sub(w.from_ms), w.to_ms.max(w.every_ms.unwrap_or(0)));
            if w.from_ms < 0 || span <= 0 || w.every_ms.is_some_and(|e| e < span) || time_problem(last).is_some() {
                let every = w.every_ms.map_or_else(String::new, |e| format!(" with every_ms {e}"));
                problems.say(format!(
                    "options.windows[{i}] is {} ms to {} ms{every}; expected 0 <= from_ms < to_ms, every_ms at least as long as the window, and no \
                     time of more than a hundred years",
                    w.from_ms, w.to_ms
                ));
            }
        }
        for (i, w) in self.scheduled_windows.iter().enumerate() {
            w.problems().into_iter().for_each(|p| problems.say(format!("options.scheduled_windows[{i}]: {p}")));
        }
        problems.0.extend(self.gates.problems());
        problems.0.extend(self.execution.problems());
        problems.0.extend(self.batcher.batcher().problem(self).map(str::to_owned));
        problems.0
    }
}

/// What is out of range, in words.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    pub(super) fn range(&mut self, name: &str, value: i64, min: i64, max: i64, unit: &str) {
        if value < min || value > max {
            self.say(format!("options.{name} is {value}{unit}; expected {min}{unit} to {max}{unit}"));
        }
    }

    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.0.push(text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range_and_survive_the_wire() {
        let o = Options::default();
        assert_eq!(o.problems(), Vec::<String>::new());
        let text = serde_json::to_string(&o).expect("serialises");
        assert_eq!(serde_json::from_str::<Options>(&text).expect("parses"), o);
        assert_eq!(serde_json::from_str::<Options>("{}").expect("parses"), o);
    }

    #[test]
    fn unknown_and_out_of_range_parameters_are_told() {
        let e = serde_json::from_str::<Options>(r#"{"bacth_size":"20%"}"#).expect_err("unknown field").to_string();
        assert!(e.contains("bacth_size"), "{e}");
        let o: Options = serde_json::from_str(r#"{"procedure":"ocean-aws","batch_size":"60%"}"#).expect("parses");
        assert_eq!(o.problems(), ["options.batch_size is 60 %; expected 1 % to 50 %"]);
        let mut o = Options::default();
        o.kubectl_drain.pod_selector = "a in b".into();
        assert!(o.problems()[0].starts_with("options.kubectl_drain.pod_selector: selector part"), "{:?}", o.problems());
        assert!("0%".parse::<BatchSize>().is_err() && "x".parse::<BatchSize>().is_err());
    }

    #[test]
    fn a_window_opens_again() {
        let w = Window { from_ms: 100, to_ms: 200, every_ms: Some(1000) };
        assert_eq!([0, 100, 199, 200, 1150].map(|t| w.next_open(t)), [100, 100, 199, 1100, 1150].map(Some));
        assert_eq!(Window { every_ms: None, ..w }.next_open(200), None);
    }
}
