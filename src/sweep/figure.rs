//! The figures by which variants are judged: measured, bounded and ranked.

use crate::experiment::RunFigures;
use crate::plan::verdict::Percentiles;
use crate::report::format::{in_units, money, thousands, time};

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// From start to end, milliseconds.
    Duration,
    /// Cost of the cluster over the run, millionths of the currency unit.
    Cost,
    /// Price of all nodes per hour at the end, millionths of the currency unit; of the run that is shown.
    Price,
    /// How many nodes more than at the start there are at most.
    Surge,
    /// Most nodes at once.
    PeakNodes,
    /// Nodes launched.
    NewNodes,
    /// Node-milliseconds of the cluster.
    NodeHours,
    /// Pods that the migration made leave.
    PodsMoved,
    /// Pods moved more than once.
    MovedTwice,
    /// Evictions refused.
    Refused,
    /// Entries of the list of harm.
    Harm,
}

impl Figure {
    /// Every figure, in the order in which the documentation lists them.
    pub const ALL: [Figure; 11] = [
        Figure::Duration,
        Figure::Cost,
        Figure::Price,
        Figure::Surge,
        Figure::PeakNodes,
        Figure::NewNodes,
        Figure::NodeHours,
        Figure::PodsMoved,
        Figure::MovedTwice,
        Figure::Refused,
        Figure::Harm,
    ];

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Figure::Duration => "duration",
            Figure::Cost => "cost",
            Figure::Price => "price",
            Figure::Surge => "surge",
            Figure::PeakNodes => "peak-nodes",
            Figure::NewNodes => "new-nodes",
            Figure::NodeHours => "node-hours",
            Figure::PodsMoved => "pods-moved",
            Figure::MovedTwice => "moved-twice",
            Figure::Refused => "refused",
            Figure::Harm => "harm",
        }
    }

    /// Of one run; None where it is not known. The price is of no run alone.
    pub(super) fn of(self, run: &RunFigures) -> Option<i64> {
        let count = |n: u64| Some(i64::try_from(n).unwrap_or(i64::MAX));
        match self {
            Figure::Duration => Some(run.duration_ms),
            Figure::Cost => run.cost_micros.and_then(count),
            Figure::Price => None,
            Figure::Surge => count(run.surge_nodes),
            Figure::PeakNodes => count(run.peak_nodes),
            Figure::NewNodes => count(run.launched),
            Figure::NodeHours => count(run.node_ms),
            Figure::PodsMoved => count(run.pods_moved),
            Figure::MovedTwice => count(run.pods_moved_twice),
            Figure::Refused => count(run.refused),
            Figure::Harm => count(u64::from(run.harm.all)),
        }
    }

    /// How many of its units (milliseconds, millionths) make one of the units that people write.
    pub fn unit(self) -> i64 {
        match self {
            Figure::Cost | Figure::Price => 1_000_000,
            Figure::NodeHours => 3_600_000,
            _ => 1,
        }
    }

    /// As people read it.
    pub fn text(self, value: i64) -> String {
        match self {
            Figure::Duration => time(value),
            Figure::Cost | Figure::Price => money(value),
            Figure::NodeHours => in_units((value + 180_000) / 360_000, 10),
            _ => thousands(u64::try_from(value).unwrap_or(0)),
        }
    }
}

/// Which of the runs is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// 5th percentile.
    P5,
    /// Median.
    P50,
    /// 95th percentile.
    P95,
}

impl At {
    /// Every one, with its name.
    pub const ALL: [(At, &'static str); 3] = [(At::P5, "p5"), (At::P50, "p50"), (At::P95, "p95")];

    fn of(self, p: Percentiles<i64>) -> i64 {
        match self {
            At::P5 => p.p5,
            At::P50 => p.p50,
            At::P95 => p.p95,
        }
    }

    fn name(self) -> &'static str {
        At::ALL.iter().find(|(at, _)| *at == self).map_or("", |(_, name)| name)
    }
}

/// A figure at a percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Measure {
    /// Which figure.
    pub figure: Figure,
    /// Which percentile of it.
    pub at: At,
}

impl Measure {
    /// `duration.p50`.
    pub fn name(self) -> String {
        format!("{}.{}", self.figure.name(), self.at.name())
    }
}

/// How a figure is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `<=`
    AtMost,
    /// `<`
    Below,
    /// `>=`
    AtLeast,
    /// `>`
    Above,
    /// `=`
    Equal,
}

impl Op {
    /// Every one as it is written, longer ones first.
    pub const ALL: [(&'static str, Op); 5] =
        [("<=", Op::AtMost), (">=", Op::AtLeast), ("<", Op::Below), (">", Op::Above), ("=", Op::Equal)];

    /// The percentile that is bounded if none is named: an upper bound holds in 95 % of the runs, and so does a lower one (C).
    pub fn usual(self) -> At {
        match self {
            Op::AtMost | Op::Below => At::P95,
            Op::AtLeast | Op::Above => At::P5,
            Op::Equal => At::P50,
        }
    }

    fn holds(self, value: i64, bound: i64) -> bool {
        match self {
            Op::AtMost => value <= bound,
            Op::Below => value < bound,
            Op::AtLeast => value >= bound,
            Op::Above => value > bound,
            Op::Equal => value == bound,
        }
    }
}

/// What must hold of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// As it was written.
    pub text: String,
    /// What is bounded.
    pub measure: Measure,
    /// How.
    pub op: Op,
    /// By what, in the figure's own unit.
    pub bound: i64,
}

/// All figures of a variant: spreads over its runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    spreads: Vec<(Figure, Percentiles<i64>)>,
}

impl Figures {
    pub(super) fn of(runs: &[&RunFigures], price_after: Option<i64>) -> Figures {
        let spread = |figure: Figure| {
            let values: Option<Vec<i64>> = match figure {
                Figure::Price => price_after.map(|p| vec![p]),
                _ => runs.iter().map(|r| figure.of(r)).collect(),
            };
            values.map(|v| (figure, Percentiles::of(v)))
        };
        Figures { spreads: Figure::ALL.into_iter().filter_map(spread).collect() }
    }

    /// The spread of a figure; None if it is not known.
    pub fn spread(&self, figure: Figure) -> Option<Percentiles<i64>> {
        self.spreads.iter().find(|(f, _)| *f == figure).map(|(_, p)| *p)
    }

    /// A figure at a percentile.
    pub fn at(&self, measure: Measure) -> Option<i64> {
        self.spread(measure.figure).map(|p| measure.at.of(p))
    }

    /// Whether a condition holds; what is not known holds nothing.
    pub fn meets(&self, condition: &Condition) -> bool {
        self.at(condition.measure).is_some_and(|value| condition.op.holds(value, condition.bound))
    }

    /// What they are for a ranking; what is not known comes last.
    pub fn key(&self, best: &[Measure]) -> Vec<i64> {
        best.iter().map(|m| self.at(*m).unwrap_or(i64::MAX)).collect()
    }
}
