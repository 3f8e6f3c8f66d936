//! What a simulated cluster is made of: read, validated and indexed once, shared by all its runs.

use crate::cluster::{Catalog, Cluster, NodeIdx, State, View};
use crate::disruption::BudgetIndex;
use crate::groups::Templates;
use crate::scheduler::SchedulerConfig;
use crate::sim::autoscaler::AutoscalerOptions;
use crate::sim::delays::{Delays, Detach};
use crate::sim::options::SimOptions;
use crate::snapshot::{Admission, StartDelays};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A cluster at the moment of its snapshot and the rules that it will go by; a [`World`](crate::sim::world::World) is one run of it.
#[derive(Clone, Debug)]
pub struct SiteSpec {
    /// The cluster's unchanging part.
    pub catalog: Arc<Catalog>,
    /// The cluster at the start.
    pub state: State,
    /// Old nodes of the migration; the trace names their side.
    pub old_nodes: BTreeSet<NodeIdx>,
    /// Options of every run.
    pub options: Arc<SimOptions>,
    /// How long things take.
    pub delays: Arc<Delays>,
    /// How the autoscaler behaves.
    pub autoscaler: Arc<AutoscalerOptions>,
    /// The scheduler's configuration.
    pub scheduler: SchedulerConfig,
    /// Index of budgets by pod.
    pub budgets: Arc<BudgetIndex>,
    /// What each node group would make.
    pub templates: Arc<Templates>,
    /// What the API server adds to pods that are created; None if it is not known, and no pods can be injected.
    pub admission: Option<Arc<Admission>>,
    /// The cluster's nodes at the start by name.
    pub(super) by_name: Arc<FxHashMap<String, NodeIdx>>,
}

impl SiteSpec {
    /// Indexes a cluster. `measured` are the start delays of its dump, which hold where the options give none.
    pub fn new(
        cluster: Cluster,
        old_nodes: impl IntoIterator<Item = NodeIdx>,
        options: SimOptions,
        measured: &StartDelays,
        autoscaler: AutoscalerOptions,
        scheduler: SchedulerConfig,
    ) -> SiteSpec {
        let Cluster { catalog, state } = cluster;
        let name = |n: NodeIdx| (state.node_name(&catalog, n).to_owned(), n);
        let by_name = Arc::new(state.live_nodes().map(name).collect());
        SiteSpec {
            old_nodes: old_nodes.into_iter().collect(),
            delays: Arc::new(delays_of(&options, measured, &catalog)),
            options: Arc::new(options),
            autoscaler: Arc::new(autoscaler),
            scheduler,
            by_name,
            budgets: Arc::new(BudgetIndex::new(&catalog)),
            templates: Arc::new(Templates::new(View { catalog: &catalog, state: &state })),
            admission: None,
            catalog,
            state,
        }
    }

    /// The cluster at the start.
    pub fn view(&self) -> View<'_> {
        View { catalog: &self.catalog, state: &self.state }
    }
}

fn delays_of(options: &SimOptions, measured: &StartDelays, catalog: &Catalog) -> Delays {
    let detach = Detach {
        ms: options.volume_detach_ms,
        is_default: options.volume_detach_ms == SimOptions::default().volume_detach_ms,
    };
    Delays::of_cluster(&options.delays, detach, measured, catalog)
}
