//! What an actor of the simulation gets.

use super::delays::Delays;
use super::event::{EventQueue, Timer};
use super::faults::Faults;
use super::options::SimOptions;
use crate::cluster::draw::Draws;
use crate::cluster::{Catalog, NodeIdx, PodIdx, State};
use crate::trace::Observation;

/// What an actor of the simulation gets: the world it may read and change.
pub struct Ctx<'a> {
    /// Milliseconds since the snapshot.
    pub now: i64,
    /// What never changes.
    pub catalog: &'a Catalog,
    /// The cluster; every mutation is logged and reaches the other actors.
    pub state: &'a mut State,
    /// Where to ask for a moment.
    pub timers: &'a mut EventQueue,
    /// Stateless draws of this run.
    pub draws: &'a Draws,
    /// Options of the run.
    pub options: &'a SimOptions,
    /// How long things take.
    pub delays: &'a Delays,
    /// What goes wrong.
    pub faults: &'a Faults,
    /// Events for the trace that the state's changes cannot tell (most are derived from the changes).
    pub events: &'a mut Vec<Observation>,
}

impl Ctx<'_> {
    /// Asks for `timer` in `delay_ms` (at once if not positive).
    pub fn after(&mut self, delay_ms: i64, timer: Timer) {
        self.timers.schedule(self.now + delay_ms.max(0), timer);
    }
    /// `namespace/name` of a pod: the stable name under which its luck is drawn.
    pub fn pod_key(&self, pod: PodIdx) -> String {
        self.state.pod_text(self.catalog, pod)
    }
    /// Name of a node: the stable name under which its luck is drawn.
    pub fn node_key(&self, node: NodeIdx) -> String {
        self.state.node_name(self.catalog, node).to_owned()
    }
}
