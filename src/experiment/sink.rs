//! Where what happens in a run goes.

use super::site::{At, SiteIdx};
use crate::cluster::View;
use crate::sim::world::Line;
use crate::trace::{Observation, ObservationLog};
use std::fmt;
use std::sync::Arc;

/// Where what happens in a run goes. The figures of the run are the same with each.
#[derive(Clone, Default)]
pub enum Sink {
    /// Nothing is kept but the figures.
    #[default]
    Summary,
    /// All is kept, with what the imitated command printed; [`Sink::trace`] makes an empty one.
    Trace(Trace),
    /// Each observation is shown to somebody as it happens, with its site and the cluster as it is just after it; forks of the run share the function.
    Callback(Arc<dyn Fn(At<&Observation>, View<'_>) + Send + Sync>),
}

/// What a run that is kept has told so far.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub(super) observations: ObservationLog,
    pub(super) lines: Vec<Line>,
}

impl Sink {
    /// A sink that keeps all.
    pub fn trace() -> Sink {
        Sink::Trace(Trace::default())
    }

    pub(super) fn observe(&mut self, site: SiteIdx, observation: Observation, view: View<'_>) {
        match self {
            Sink::Summary => {}
            Sink::Trace(trace) => trace.observations.push(observation),
            Sink::Callback(show) => show(site.at(&observation), view),
        }
    }

    /// Whether it keeps what the imitated command prints.
    pub(super) fn keeps_lines(&self) -> bool {
        matches!(self, Sink::Trace(_))
    }

    pub(super) fn print(&mut self, lines: Vec<Line>) {
        if let Sink::Trace(trace) = self {
            trace.lines.extend(lines);
        }
    }

    pub(super) fn into_trace(self) -> Trace {
        match self {
            Sink::Trace(trace) => trace,
            Sink::Summary | Sink::Callback(_) => Trace::default(),
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sink::Summary => "Summary",
            Sink::Trace(_) => "Trace",
            Sink::Callback(_) => "Callback",
        })
    }
}
