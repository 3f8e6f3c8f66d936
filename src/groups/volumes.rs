//! Where a pod's volumes let it run.

use crate::cluster::{Catalog, ClassIdx, Labels, NodeSelector, PodSpec, PvIdx, Sym, View};

/// What the volumes of one pod ask of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VolumeNeeds {
    /// Bound volumes that restrict the node, in claim order.
    pub volumes: Vec<PvIdx>,
    /// Classes with `allowedTopologies` of claims that wait for their first consumer.
    pub classes: Vec<ClassIdx>,
    /// Volumes to attach by CSI driver.
    pub attach: Vec<(Sym, i64)>,
}

impl VolumeNeeds {
    /// Whether there is nothing to ask.
    pub fn is_empty(&self) -> bool {
        self.volumes.is_empty() && self.classes.is_empty() && self.attach.is_empty()
    }

    /// What the claims of `spec` ask, as they are bound now.
    pub fn of(view: View<'_>, spec: &PodSpec) -> VolumeNeeds {
        let mut needs = VolumeNeeds::default();
        // The claim of a generic ephemeral volume is made again for whatever replaces the pod.
        for claim in spec.claims.iter().filter(|c| !c.ephemeral).filter_map(|c| c.claim) {
            let class = view.catalog.claims[claim].class;
            match view.state.claims[claim].volume {
                Some(volume) => {
                    let pv = &view.state.volumes[volume];
                    if pv.node_affinity.is_some() || !pv.labels.is_empty() {
                        needs.volumes.push(volume);
                    }
                    needs.attach_one(pv.driver);
                }
                None => {
                    let found = view.catalog.classes.entries().find(|(_, c)| Some(c.name) == class);
                    if let Some((index, class)) = found {
                        if class.allowed_topologies.is_some() {
                            needs.classes.push(index);
                        }
                        needs.attach_one(Some(class.provisioner));
                    }
                }
            }
        }
        needs
    }

    fn attach_one(&mut self, driver: Option<Sym>) {
        let Some(driver) = driver else { return };
        match self.attach.iter_mut().find(|a| a.0 == driver) {
            Some(a) => a.1 += 1,
            None => self.attach.push((driver, 1)),
        }
    }

    /// The first volume or class that forbids a node with these labels, as text.
    pub fn refusal(&self, view: View<'_>, labels: &Labels, node_name: Sym) -> Option<String> {
        let catalog = view.catalog;
        for volume in &self.volumes {
            let pv = &view.state.volumes[*volume];
            let name = view.state.name(catalog, pv.name);
            if let Some(affinity) = &pv.node_affinity
                && !affinity.matches(labels, node_name, &catalog.names)
            {
                return Some(format!("volume {name} is bound to {}", selector_text(catalog, affinity)));
            }
            if let Some(key) = zone_conflict(catalog, &pv.labels, labels) {
                let value = pv.labels.get(key).map_or("?", |v| view.state.name(catalog, v));
                return Some(format!("volume {name} is in {}={value}", catalog.text(key)));
            }
        }
        self.classes.iter().find_map(|class| {
            let class = &catalog.classes[*class];
            let allowed = class.allowed_topologies.as_ref()?;
            (!allowed.matches(labels, node_name, &catalog.names)).then(|| {
                format!("storage class {} allows only {}", catalog.text(class.name), selector_text(catalog, allowed))
            })
        })
    }
}

/// The topology label of a volume that a node's labels do not satisfy (P/volumezone: a node without any topology label passes;
/// values may list several zones joined by `__`).
fn zone_conflict(catalog: &Catalog, volume: &Labels, node: &Labels) -> Option<Sym> {
    let k = &catalog.known;
    let keys = [k.zone, k.region, k.zone_beta, k.region_beta];
    if keys.iter().all(|key| node.get(*key).is_none()) {
        return None;
    }
    keys.into_iter().find(|key| {
        let Some(wanted) = volume.get(*key) else { return false };
        let Some(have) = node.get(*key) else { return true };
        have != wanted && !catalog.text(wanted).split("__").any(|part| part == catalog.text(have))
    })
}

/// A node selector as text, for messages.
pub fn selector_text(catalog: &Catalog, selector: &NodeSelector) -> String {
    let terms: Vec<String> = selector
        .terms
        .iter()
        .map(|t| {
            let parts: Vec<String> =
                t.expressions.iter().chain(&t.fields).map(|r| requirement_text(catalog, r)).collect();
            parts.join(" and ")
        })
        .collect();
    terms.join(" or ")
}

/// One requirement as text.
pub fn requirement_text(catalog: &Catalog, r: &crate::cluster::Requirement) -> String {
    let values: Vec<&str> = r.values.iter().map(|v| catalog.text(*v)).collect();
    let key = catalog.text(r.key);
    match r.operator {
        crate::cluster::Operator::In if values.len() == 1 => format!("{key}={}", values[0]),
        crate::cluster::Operator::Gt | crate::cluster::Operator::Lt => {
            format!("{key} {:?} {}", r.operator, r.bound.map_or("?".into(), |b| b.to_string()))
        }
        op => format!("{key} {op:?} [{}]", values.join(",")),
    }
}
