//! Persistent volumes, claims, classes, drivers, attachments.

use super::builder::Builder;
use super::wire::scalar::Text;
use super::wire::storage as wire;
use crate::cluster::*;
use std::sync::Arc;

/// A claim's state with the names it mentions not looked up yet.
#[derive(Clone, Debug)]
pub(crate) struct ReadClaim {
    pub(crate) volume: Option<Sym>,
    pub(crate) bind_completed: bool,
    pub(crate) selected_node: Option<Sym>,
}

impl Builder {
    pub(crate) fn read_volume(&mut self, volume: &wire::Volume<'_>) -> Option<Arc<Pv>> {
        let name = self.sym(&volume.metadata.name);
        if self.lookup.volumes.contains_key(&name) {
            return None;
        }
        self.lookup.volumes.insert(name, PvIdx::new(self.lookup.volumes.len()));
        let spec = &volume.spec;
        let source = source_of(spec);
        let claim_ref = spec.claim_ref.as_ref();
        let affinity = spec.node_affinity.as_ref().and_then(|a| a.required.as_ref());
        Some(Arc::new(Pv {
            name,
            labels: self.labels(&volume.metadata.labels),
            class: self.sym(spec.storage_class_name.as_deref().unwrap_or("")),
            attributes_class: self.sym(spec.volume_attributes_class_name.as_deref().unwrap_or("")),
            capacity: spec.capacity.get("storage").map_or(0, |q| q.value()),
            modes: modes(&spec.access_modes),
            block: spec.volume_mode.as_deref() == Some("Block"),
            node_affinity: affinity.map(|a| self.node_selector(a)),
            driver: source.map(|(driver, _)| self.sym(driver)),
            handle: source.map(|(_, handle)| self.sym(handle)),
            claim_ref: claim_ref.map(|c| (self.namespace(&c.namespace), self.sym(&c.name))),
            claim_ref_has_uid: claim_ref.is_some_and(|c| c.uid.as_deref().is_some_and(|u| !u.is_empty())),
            phase: self.sym(volume.status.phase.as_deref().unwrap_or("")),
            deleting: volume.metadata.deletion_timestamp.is_some(),
        }))
    }

    pub(crate) fn read_claim(&mut self, claim: &wire::Claim<'_>) -> Option<ReadClaim> {
        let meta = &claim.metadata;
        let namespace = self.namespace(meta.ns());
        let name = self.sym(&meta.name);
        if self.lookup.claims.contains_key(&(namespace, name)) {
            return None;
        }
        let spec = &claim.spec;
        let item = Pvc {
            namespace,
            name,
            uid: self.sym(&meta.uid),
            class: spec.storage_class_name.as_deref().map(|c| self.catalog.names.intern(c)),
            attributes_class: self.sym(spec.volume_attributes_class_name.as_deref().unwrap_or("")),
            request: spec.resources.requests.get("storage").map_or(0, |q| q.value()),
            modes: modes(&spec.access_modes),
            block: spec.volume_mode.as_deref() == Some("Block"),
            selector: spec.selector.as_ref().map(|s| self.selector(Some(s))),
            lost: claim.status.phase.as_deref() == Some("Lost"),
            deleting: meta.deletion_timestamp.is_some(),
        };
        let index = self.catalog.claims.push(item);
        self.lookup.claims.insert((namespace, name), index);
        if self.lookup.volumes_unknown && spec.volume_name.as_deref().is_some_and(|v| !v.is_empty()) {
            self.lookup.unknown_claims.insert((namespace, name));
        }
        // `pvc-protection` is on every claim and goes when its pods do; others hold the claim for their own reasons.
        if meta.finalizers.iter().any(|f| &**f != "kubernetes.io/pvc-protection") {
            self.notices.note(
                "claim-finalizer",
                || Builder::object("PersistentVolumeClaim", meta),
                "it has finalizers",
            );
        }
        Some(ReadClaim {
            volume: self.sym_opt(spec.volume_name.as_deref()),
            bind_completed: meta.annotations.get("pv.kubernetes.io/bind-completed").is_some(),
            selected_node: self.sym_opt(meta.annotations.get("volume.kubernetes.io/selected-node").map(|n| &**n)),
        })
    }

    pub(crate) fn read_class(&mut self, class: &wire::Class<'_>) {
        let mut terms = Vec::new();
        for term in class.allowed_topologies.iter() {
            let mut expressions = Vec::new();
            for e in term.match_label_expressions.iter() {
                let values = e.values.iter().map(|v| self.catalog.names.intern(v)).collect();
                expressions.push(Requirement { key: self.sym(&e.key), operator: Operator::In, values, bound: None });
            }
            terms.push(NodeSelectorTerm { expressions, fields: Vec::new() });
        }
        let item = StorageClass {
            name: self.sym(&class.metadata.name),
            provisioner: self.sym(&class.provisioner),
            waits_for_consumer: class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
            allowed_topologies: (!terms.is_empty()).then_some(NodeSelector { terms }),
            is_default: class.metadata.annotations.get("storageclass.kubernetes.io/is-default-class").map(|v| &**v)
                == Some("true"),
        };
        if !self.catalog.classes.iter().any(|c| c.name == item.name) {
            self.catalog.classes.push(item);
        }
    }

    pub(crate) fn read_driver(&mut self, driver: &wire::Driver<'_>) {
        let item = CsiDriver {
            name: self.sym(&driver.metadata.name),
            attach_required: driver.spec.attach_required.unwrap_or(true),
            storage_capacity: driver.spec.storage_capacity.unwrap_or(false),
        };
        if item.storage_capacity {
            let detail = "it publishes storage capacity, which is not read";
            self.notices.note("storage-capacity", || Builder::object("CSIDriver", &driver.metadata), detail);
        }
        if !self.catalog.drivers.iter().any(|d| d.name == item.name) {
            self.catalog.drivers.push(item);
        }
    }
}

/// Driver and handle of a volume; in-tree disks go by the CSI driver that took them over (csi-translation-lib).
fn source_of<'s>(spec: &'s wire::VolumeSpec<'_>) -> Option<(&'s str, &'s str)> {
    if let Some(v) = &spec.csi {
        Some((&v.driver, &v.volume_handle))
    } else if let Some(v) = &spec.aws_elastic_block_store {
        Some(("ebs.csi.aws.com", &v.volume_id))
    } else if let Some(v) = &spec.gce_persistent_disk {
        Some(("pd.csi.storage.gke.io", &v.pd_name))
    } else if let Some(v) = &spec.azure_disk {
        Some(("disk.csi.azure.com", &v.uri))
    } else if let Some(v) = &spec.vsphere_volume {
        Some(("csi.vsphere.vmware.com", &v.volume_path))
    } else {
        spec.cinder.as_ref().map(|v| ("cinder.csi.openstack.org", &*v.volume_id))
    }
}

fn modes(list: &[Text<'_>]) -> AccessModes {
    let has = |mode: &str| list.iter().any(|m| &**m == mode);
    AccessModes {
        rwo: has("ReadWriteOnce"),
        rox: has("ReadOnlyMany"),
        rwx: has("ReadWriteMany"),
        rwop: has("ReadWriteOncePod"),
    }
}
