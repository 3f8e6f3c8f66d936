//! Every parameter of a migration: its meaning, range and default.

mod batching;
mod kubectl_drain;
mod ocean;
mod procedure;
mod surge;

pub use super::gates::Window;
pub use batching::{BatchSize, BatcherKind, Canary, Percent, PercentOf};
pub use kubectl_drain::{AfterLimit, KubectlDrainOptions, KubectlVersion};
pub use ocean::{AksMessages, AwaitedPods, FreeRoom, OceanOptions};
pub use procedure::ProcedureKind;
pub use surge::{CountOrPercent, SurgeOptions, SurgeParameters, SurgePreset, Undrainable};

use super::execution::ExecutionOptions;
use super::gates::Gates;
use super::selector::LabelSelectorText;
use crate::cluster::RateLimit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

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

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
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
    /// Wait between batches, in ms. Default 0.
    pub soak_ms: i64,
    /// Spans in which batches may start. Default always.
    pub windows: Vec<Window>,
    /// What must be so between two batches: a check, an approval. Default nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub gates: Gates,
    /// Where machines come from and go to when the plan is carried out; the simulation does not look at it.
    #[serde(skip_serializing_if = "is_default")]
    pub execution: ExecutionOptions,
    /// The autoscaler may add nodes to groups that old nodes belong to. Default true: nobody stops it.
    pub source_groups_may_grow: bool,
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
            soak_ms: 0,
            windows: Vec::new(),
            gates: Gates::default(),
            execution: ExecutionOptions::default(),
            source_groups_may_grow: true,
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
        self.terminate_nodes.unwrap_or(self.procedure != ProcedureKind::KubectlDrain)
    }
    /// What to do about pods unschedulable at the start, the procedure's default if not given.
    pub fn unscheduled(&self) -> UnscheduledAtStart {
        self.unscheduled_at_start.unwrap_or(if self.procedure.is_ocean() {
            UnscheduledAtStart::Refuse
        } else {
            UnscheduledAtStart::Ignore
        })
    }
    /// The client's limits, the procedure's default if not given.
    pub fn client(&self) -> RateLimit {
        self.client.unwrap_or(match self.procedure {
            ProcedureKind::KubectlDrain => RateLimit { qps: 5, burst: 10 },
            _ => RateLimit { qps: 50, burst: 100 },
        })
    }
    /// The oldest version of Ocean's controller that a migration needs; empty for any. The migration on AWS needs the second
    /// generation (D).
    pub fn oldest_controller(&self) -> &str {
        let aws = self.procedure == ProcedureKind::OceanAws;
        self.ocean.oldest_controller.as_deref().unwrap_or(if aws { "2" } else { "" })
    }

    /// How many nodes a batch has, the procedure's default if not given.
    pub fn size(&self) -> BatchSize {
        self.batch_size.unwrap_or(BatchSize::Percent(Percent(if self.procedure == ProcedureKind::Surge {
            100
        } else {
            20
        })))
    }

    /// Everything that is out of range, each with where it stands, what it is and what was expected.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut range = |name: &str, value: i64, min: i64, max: i64, unit: &str| {
            if value < min || value > max {
                problems.push(format!("options.{name} is {value}{unit}; expected {min}{unit} to {max}{unit}"));
            }
        };
        let (o, k, day) = (&self.ocean, &self.kubectl_drain, 24 * 60 * MINUTE);
        if let Some(BatchSize::Percent(Percent(p))) = self.batch_size {
            let max = if self.procedure == ProcedureKind::OceanAws { 50 } else { 100 };
            range("batch_size", i64::from(p), 1, max, " %");
        }
        if let Some(BatchSize::Nodes(n)) = self.batch_size {
            range("batch_size", i64::from(n), 1, i64::from(u32::MAX), " nodes");
        }
        range("horizon_ms", self.horizon_ms, 1, 366 * day, " ms");
        range("soak_ms", self.soak_ms, 0, 366 * day, " ms");
        if let Some(c) = self.client {
            range("client.burst", i64::from(c.burst), i64::from(c.qps > 0), 1_000_000, "");
        }
        if let Some(c) = self.canary {
            range("canary.nodes", i64::from(c.nodes), 1, i64::from(u32::MAX), "");
            range("canary.soak_ms", c.soak_ms, 0, 366 * day, " ms");
        }
        range("ocean.batch_min_healthy_percent", i64::from(o.batch_min_healthy_percent), 1, 100, " %");
        range("ocean.eviction_spread_ms", o.eviction_spread_ms, 0, day, " ms");
        range("ocean.eviction_retry_ms", o.eviction_retry_ms, 100, day, " ms");
        range("ocean.force_after_ms", o.force_after_ms, 0, day, " ms");
        let draining =
            if self.procedure == ProcedureKind::OceanAzure { (300 * SECOND, 3600 * SECOND) } else { (SECOND, day) };
        range("ocean.draining_timeout_ms", o.draining_timeout_ms, draining.0, draining.1, " ms");
        for (name, v) in [
            ("ocean.new_nodes_timeout_ms", o.new_nodes_timeout_ms),
            ("ocean.pods_timeout_ms", o.pods_timeout_ms),
            ("termination_timeout_ms", self.termination_timeout_ms),
            ("ocean.connectivity_timeout_ms", o.connectivity_timeout_ms),
        ] {
            range(name, v, SECOND, 366 * day, " ms");
        }
        range("kubectl_drain.timeout_ms", k.timeout_ms, 0, 366 * day, " ms");
        range("kubectl_drain.grace_period_seconds", k.grace_period_seconds, -1, 366 * 86_400, " s");
        range(
            "kubectl_drain.skip_wait_for_delete_timeout_seconds",
            k.skip_wait_for_delete_timeout_seconds,
            0,
            366 * 86_400,
            " s",
        );
        range("kubectl_drain.settle_timeout_ms", k.settle_timeout_ms.unwrap_or(0), 0, 366 * day, " ms");
        let s = &self.surge;
        range("surge.node_timeout_ms", s.node_timeout_ms.unwrap_or(0), 0, day, " ms");
        range("surge.node_soak_ms", s.node_soak_ms.unwrap_or(0), 0, day, " ms");
        range("surge.max_unavailable", i64::from(s.max_unavailable.unwrap_or(0)), 0, 100, "");
        if let Some(Err(e)) = (!k.pod_selector.is_empty()).then(|| k.pod_selector.parse::<LabelSelectorText>()) {
            problems.push(format!("options.kubectl_drain.pod_selector: {e}"));
        }
        if self.procedure == ProcedureKind::Surge && s.resolved().is_stuck() {
            problems
                .push("options.surge: max_surge and max_unavailable are both 0; one of them must be at least 1".into());
        }
        for (i, w) in self.windows.iter().enumerate() {
            let span = w.to_ms - w.from_ms;
            if w.from_ms < 0 || span <= 0 || w.every_ms.is_some_and(|e| e < span) {
                problems.push(format!(
                    "options.windows[{i}] is {} ms to {} ms; expected 0 <= from_ms < to_ms, and every_ms at least as long as the window",
                    w.from_ms, w.to_ms
                ));
            }
        }
        if crate::cluster::version::minor_of(&o.oldest_kubernetes).is_none() {
            problems.push(format!(
                "options.ocean.oldest_kubernetes is {:?}; expected the first two numbers of a version, such as 1.33",
                o.oldest_kubernetes
            ));
        }
        if let Some(v) = o.oldest_controller.as_deref().filter(|v| !v.starts_with(|c: char| c.is_ascii_digit())) {
            problems.push(format!("options.ocean.oldest_controller is {v:?}; expected a version such as 2 or 2.0.50"));
        }
        problems.extend(self.gates.problems());
        problems.extend(self.execution.problems());
        if self.batcher == BatcherKind::Listed && self.listed_batches.is_empty() {
            problems.push(
                "options.batcher is listed, but options.listed_batches is empty; give the node names of each batch"
                    .into(),
            );
        }
        problems
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
