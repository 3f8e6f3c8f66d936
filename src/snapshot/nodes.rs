//! Nodes and namespaces.

use super::builder::Builder;
use super::requests::{is_counted, most_offered};
use super::wire::node as wire;
use super::wire::{condition, storage};
use crate::cluster::{version, *};

/// Labels of nodes that pods get when they are bound.
pub(crate) const TOPOLOGY: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

/// A node read, with what is state rather than spec.
#[derive(Clone, Debug)]
pub(crate) struct ReadNode {
    pub(crate) spec: NodeSpec,
    pub(crate) unschedulable: bool,
    pub(crate) ready: bool,
}

impl Builder {
    pub(crate) fn read_namespace(&mut self, ns: &wire::Namespace<'_>) {
        let name = self.sym(&ns.metadata.name);
        if self.lookup.namespaces.contains_key(&name) {
            return;
        }
        let mut labels = self.labels(&ns.metadata.labels);
        // The API server sets it; a hand-made dump may lack it.
        let key = self.sym("kubernetes.io/metadata.name");
        labels.set(key, name);
        let terminating = ns.metadata.deletion_timestamp.is_some() || ns.status.phase.as_deref() == Some("Terminating");
        if &*ns.metadata.name == "kube-system" && !ns.metadata.uid.is_empty() {
            self.catalog.cluster_uid = Some(ns.metadata.uid.to_string());
        }
        self.add_namespace(Namespace { name, labels, terminating });
    }

    pub(crate) fn read_node(&mut self, node: &wire::Node<'_>) -> ReadNode {
        let meta = &node.metadata;
        let (mut allocatable, mut pod_slots) = (Vec::new(), 0);
        // A node that has not reported yet offers nothing; some tools only write capacity.
        let status = &node.status;
        let offered = if status.allocatable.is_empty() { &status.capacity } else { &status.allocatable };
        for (name, quantity) in offered.iter() {
            if &**name == "pods" {
                pod_slots = quantity.value().clamp(0, i64::from(i32::MAX));
            } else if is_counted(name) {
                let resource = self.catalog.resource(name);
                allocatable.resize(allocatable.len().max(resource.at() + 1), 0);
                self.lookup.offered.extend((quantity.value() > 0).then_some(resource));
                allocatable[resource.at()] =
                    most_offered(if resource == CPU { quantity.milli_value() } else { quantity.value() });
            }
        }
        let images = status.images.iter().flat_map(|i| i.names.iter().map(move |n| (n, i.size_bytes)));
        let images = images.map(|(n, size)| NodeImage { name: self.catalog.names.intern(n), size }).collect();
        let ready = condition(&status.conditions, "Ready");
        for c in status.conditions.iter() {
            self.saw(c.last_heartbeat_time.max(c.last_transition_time).map_or(0, |t| t.0));
        }
        self.saw(meta.created_ms());
        for key in TOPOLOGY {
            if let Some(value) = meta.labels.get(key) {
                let of = (self.catalog.names.intern(&meta.name), self.catalog.names.intern(key));
                self.lookup.topology.insert(of, self.catalog.names.intern(value));
            }
        }
        let version = &*status.node_info.kubelet_version;
        self.catalog.kubernetes_minor = self.catalog.kubernetes_minor.max(version::minor_of(version));
        ReadNode {
            unschedulable: node.spec.unschedulable == Some(true),
            ready: ready.is_some_and(|c| c.holds()),
            spec: NodeSpec {
                name: self.sym(&meta.name),
                uid: self.sym(&meta.uid),
                labels: self.labels(&meta.labels),
                annotations: self.annotations(meta),
                allocatable,
                pod_slots,
                taints: node.spec.taints.iter().filter_map(|t| self.taint(t)).collect(),
                images,
                attach_limits: None,
                volumes_in_use: status.volumes_in_use.iter().map(|v| self.catalog.names.intern(v)).collect(),
                provider_id: self.sym_opt(node.spec.provider_id.as_deref()),
                kubelet_version: self.sym_opt(Some(version)),
                declared_features: status.declared_features.iter().map(|f| self.catalog.names.intern(f)).collect(),
                created: meta.created_ms(),
                machine: None,
                price_micros_per_hour: None,
            },
        }
    }

    fn taint(&mut self, taint: &wire::Taint<'_>) -> Option<Taint> {
        let effect = match &*taint.effect {
            "NoSchedule" => Effect::NoSchedule,
            "PreferNoSchedule" => Effect::PreferNoSchedule,
            "NoExecute" => Effect::NoExecute,
            _ => return None,
        };
        Some(Taint { key: self.sym(&taint.key), value: self.sym(taint.value.as_deref().unwrap_or("")), effect })
    }

    /// Attach limits from a CSINode.
    pub(crate) fn attach_limits(&mut self, node: &storage::CsiNode<'_>) -> Vec<AttachLimit> {
        let drivers = node.spec.drivers.iter();
        drivers
            .map(|d| AttachLimit {
                driver: self.catalog.names.intern(&d.name),
                count: d.allocatable.as_ref().and_then(|a| a.count),
            })
            .collect()
    }
}
