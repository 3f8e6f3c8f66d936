//! How long things really took, from what watches showed: starts and stops of pods, launches and ends of nodes.

use crate::cluster::Delay;
use crate::runner::Ms;
use crate::sim::delays::DelayOptions;
use serde_json::Value;
use std::collections::BTreeMap;

/// Delays that were seen. Only what began and ended before our eyes is a sample.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    pods: BTreeMap<String, Seen>,
    nodes: BTreeMap<String, Seen>,
    /// Pod bound → Ready.
    pub start_ms: Vec<Ms>,
    /// Pod's deletion asked for → object gone.
    pub stop_ms: Vec<Ms>,
    /// Claim for a machine made → node Ready.
    pub launch_ms: Vec<Ms>,
    /// Node's deletion asked for → object gone.
    pub retire_ms: Vec<Ms>,
    /// When claims of machines were made, by the node that came of them.
    claims: BTreeMap<String, Ms>,
}

/// What was seen of one object.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Since when it counts: bound (a pod), there (a node); None if that was before our time.
    begun: Option<Ms>,
    known: bool,
    ready: bool,
    deleting: Option<Ms>,
}

/// What a watch says of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It was there when the watch began.
    Initial,
    /// It was added or changed.
    Applied,
    /// It is gone.
    Deleted,
}

impl Observed {
    /// Takes what was seen at a moment.
    pub fn see(&mut self, t_ms: Ms, sight: Sight, object: &Value) {
        match object["kind"].as_str() {
            Some("Pod") => self.pod(t_ms, sight, object),
            Some("Node") => self.node(t_ms, sight, object),
            Some("NodeClaim") => self.claim(t_ms, sight, object),
            _ => {}
        }
    }

    fn pod(&mut self, t_ms: Ms, sight: Sight, pod: &Value) {
        let seen = self.pods.entry(uid(pod)).or_default();
        let bound = pod.pointer("/spec/nodeName").is_some_and(|n| n.as_str().is_some_and(|n| !n.is_empty()));
        let was = seen.clone();
        seen.known = true;
        if sight == Sight::Applied && bound && was.begun.is_none() && !was.ready && (!was.known || !is_ready(pod)) {
            seen.begun = Some(t_ms);
        }
        if sight == Sight::Initial && bound {
            // Bound before our time: its start is no sample.
            seen.ready = true;
        }
        let restarted = pod
            .pointer("/status/containerStatuses")
            .and_then(Value::as_array)
            .is_some_and(|statuses| statuses.iter().any(|s| s["restartCount"].as_i64().unwrap_or(0) > 0));
        if is_ready(pod) && !seen.ready {
            seen.ready = true;
            if let (Some(begun), false) = (seen.begun, restarted) {
                self.start_ms.push(t_ms - begun);
            }
        }
        let ended = end(seen, t_ms, sight, pod);
        if sight == Sight::Deleted {
            self.pods.remove(&uid(pod));
        }
        self.stop_ms.extend(ended);
    }

    fn node(&mut self, t_ms: Ms, sight: Sight, node: &Value) {
        let seen = self.nodes.entry(uid(node)).or_default();
        if sight == Sight::Initial {
            seen.ready = true;
        }
        if is_ready(node) && !seen.ready {
            seen.ready = true;
            let name = node["metadata"]["name"].as_str().unwrap_or_default();
            if let Some(asked) = self.claims.remove(name) {
                self.launch_ms.push(t_ms - asked);
            }
        }
        let ended = end(seen, t_ms, sight, node);
        if sight == Sight::Deleted {
            self.nodes.remove(&uid(node));
        }
        self.retire_ms.extend(ended);
    }

    fn claim(&mut self, t_ms: Ms, sight: Sight, claim: &Value) {
        let key = uid(claim);
        if sight == Sight::Applied && !self.nodes.contains_key(&key) {
            self.nodes.insert(key.clone(), Seen { begun: Some(t_ms), ..Seen::default() });
        }
        let begun = self.nodes.get(&key).and_then(|s| s.begun);
        if let (Some(begun), Some(node)) = (begun, claim.pointer("/status/nodeName").and_then(Value::as_str)) {
            self.claims.entry(node.to_owned()).or_insert(begun);
        }
    }

    /// The delays as a scenario's `sim.delays` takes them; what was never seen is left at its default.
    pub fn delays(&self) -> DelayOptions {
        let samples = |ms: &[Ms]| {
            let mut samples_ms: Vec<Ms> = ms.iter().copied().map(|ms| ms.max(0)).collect();
            samples_ms.sort_unstable();
            (!samples_ms.is_empty()).then_some(Delay::Empirical { samples_ms })
        };
        DelayOptions {
            start: samples(&self.start_ms),
            stop: samples(&self.stop_ms),
            launch: samples(&self.launch_ms),
            retire: samples(&self.retire_ms),
            ..DelayOptions::default()
        }
    }
}

/// Follows a deletion; gives how long it took when it is over.
fn end(seen: &mut Seen, t_ms: Ms, sight: Sight, object: &Value) -> Option<Ms> {
    let deleting = object.pointer("/metadata/deletionTimestamp").is_some_and(Value::is_string);
    if deleting && seen.deleting.is_none() && sight == Sight::Applied {
        seen.deleting = Some(t_ms);
    }
    (sight == Sight::Deleted).then_some(t_ms - seen.deleting?)
}

fn uid(object: &Value) -> String {
    object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn is_ready(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(uid: &str, node: Option<&str>, ready: bool, deleting: bool) -> Value {
        let mut pod = json!({"kind": "Pod", "metadata": {"uid": uid}, "spec": {}, "status": {"conditions": [
            {"type": "Ready", "status": if ready { "True" } else { "False" }}]}});
        if let Some(node) = node {
            pod["spec"]["nodeName"] = json!(node);
        }
        if deleting {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        pod
    }

    #[test]
    fn a_pod_counts_from_bound_to_ready_and_from_deletion_to_gone() {
        let mut o = Observed::default();
        o.see(0, Sight::Initial, &pod("old", Some("a"), true, false));
        o.see(1_000, Sight::Applied, &pod("old", Some("a"), true, true));
        o.see(1_100, Sight::Applied, &pod("new", None, false, false));
        o.see(1_500, Sight::Applied, &pod("new", Some("b"), false, false));
        o.see(3_000, Sight::Deleted, &pod("old", Some("a"), false, true));
        o.see(4_200, Sight::Applied, &pod("new", Some("b"), true, false));
        assert_eq!((o.start_ms.as_slice(), o.stop_ms.as_slice()), (&[2_700][..], &[2_000][..]));
        let json = serde_json::to_value(o.delays()).unwrap();
        assert_eq!(json["start"], json!({"empirical": {"samples_ms": [2_700]}}));
        assert_eq!(json["launch"], Value::Null);
    }

    #[test]
    fn what_began_before_our_time_is_no_sample() {
        let mut o = Observed::default();
        o.see(0, Sight::Initial, &pod("starting", Some("a"), false, false));
        o.see(0, Sight::Initial, &pod("stopping", Some("a"), true, true));
        o.see(500, Sight::Applied, &pod("starting", Some("a"), true, false));
        o.see(900, Sight::Deleted, &pod("stopping", Some("a"), true, true));
        assert_eq!((o.start_ms.len(), o.stop_ms.len()), (0, 0));
    }

    #[test]
    fn a_machine_counts_from_its_claim_to_its_ready_node() {
        let mut o = Observed::default();
        let node = |ready: bool| {
            json!({"kind": "Node", "metadata": {"uid": "n", "name": "new-1"}, "status": {"conditions": [
                {"type": "Ready", "status": if ready { "True" } else { "Unknown" }}]}})
        };
        o.see(100, Sight::Applied, &json!({"kind": "NodeClaim", "metadata": {"uid": "c"}}));
        o.see(20_000, Sight::Applied, &node(false));
        o.see(
            20_001,
            Sight::Applied,
            &json!({"kind": "NodeClaim", "metadata": {"uid": "c"}, "status": {"nodeName": "new-1"}}),
        );
        o.see(30_100, Sight::Applied, &node(true));
        o.see(40_000, Sight::Applied, &node(true));
        assert_eq!(o.launch_ms, [30_000]);
    }
}
