//! The target's cluster in virtual time: its pods are placed by the real rules, and an autoscaler of it launches nodes for those that find no place.

use crate::cluster::{PodIdx, View};
use crate::experiment::{Experiment, Inject, Life, Simulation, Sink};
use crate::sim::Fault;
use serde_json::Value;
use std::collections::BTreeMap;

/// The cluster is looked at for no longer than this, in milliseconds: thirty days (C).
const LIFE_MS: i64 = 30 * 24 * 3_600_000;

/// The target, or none where no dump of it is given: then every pod finds a place at once.
pub(super) struct Target {
    run: Option<Simulation>,
    made: u32,
    nodes_before: usize,
}

/// Pods that were created together.
#[derive(Clone, Debug)]
pub(super) struct Created {
    names: Vec<String>,
    at_ms: i64,
}

impl Created {
    /// Pods of which nothing is known but when they were created: they find places at once.
    pub fn nowhere(at_ms: i64) -> Created {
        Created { names: Vec::new(), at_ms }
    }
}

impl Target {
    pub fn new(site: Option<&Experiment>) -> Target {
        let run = site.map(|s| s.living(Life::Until(LIFE_MS)).start(1, Sink::Summary));
        let nodes_before = run.as_ref().map_or(0, |r| r.view().state.live_nodes().count());
        Target { run, made: 0, nodes_before }
    }

    /// Whether placement is simulated.
    pub fn is_known(&self) -> bool {
        self.run.is_some()
    }

    /// Creates pods of a template.
    ///
    /// # Errors
    /// What of the pod the API would not store.
    pub fn create(&mut self, at_ms: i64, namespace: &str, template: &Value, count: u32) -> Result<Created, String> {
        self.made += 1;
        let name = format!("transfer-{}", self.made);
        let names = (0..count).map(|i| format!("{namespace}/{name}-{i}")).collect();
        if let Some(run) = &mut self.run {
            run.advance_to(at_ms);
            let fault = Fault::ManualPods {
                at_ms: run.now_ms().max(at_ms),
                count,
                namespace: namespace.to_owned(),
                name,
                cpu: None,
                memory: None,
                node_selector: BTreeMap::new(),
                template: template.as_object().cloned(),
            };
            run.inject(Inject::Fault(fault)).map_err(|e| e.to_string())?;
        }
        Ok(Created { names, at_ms })
    }

    /// When all of them are on nodes.
    ///
    /// # Errors
    /// Those that find no place up to a limit.
    pub fn placed(&mut self, created: &Created, limit_ms: i64) -> Result<i64, Vec<String>> {
        let Some(run) = &mut self.run else { return Ok(created.at_ms) };
        loop {
            let view = run.view();
            let found: BTreeMap<String, PodIdx> =
                view.state.live_pods().map(|p| (view.state.pod_text(view.catalog, p), p)).collect();
            let bound = |name: &String| {
                let pod = &view.state.pods[*found.get(name)?];
                pod.node.map(|_| pod.started)
            };
            let at: Option<Vec<i64>> = created.names.iter().map(bound).collect();
            if let Some(at) = at {
                return Ok(at.into_iter().max().unwrap_or(created.at_ms).max(created.at_ms));
            }
            match run.next_ms().filter(|next| *next <= limit_ms) {
                Some(next) => run.advance_to(next),
                None => {
                    let without = created.names.iter().filter(|n| bound(n).is_none());
                    return Err(without.map(|n| unplaced(view, n)).collect());
                }
            }
        }
    }

    /// Nodes that were launched for pods of the transfer.
    pub fn launched(&self) -> usize {
        let now = self.run.as_ref().map_or(0, |r| r.view().state.live_nodes().count());
        now.saturating_sub(self.nodes_before)
    }
}

/// A pod without a place, in words.
fn unplaced(view: View<'_>, name: &str) -> String {
    let nodes = view.state.live_nodes().count();
    let groups = view.catalog.groups.len();
    let more = match groups {
        0 => "no node group is known that could launch one".to_owned(),
        n => format!("none of {n} node groups launches one for it"),
    };
    format!("pod {name} finds no place on {nodes} nodes, and {more}")
}
