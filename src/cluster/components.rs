//! Controllers of the platform that run in the cluster itself: found by name or image, and whether they are ready.

use crate::cluster::{OwnerIdx, OwnerKind, PodIdx, SpecIdx, View};
use std::collections::BTreeMap;

/// A controller that was found, with its pods.
#[derive(Clone, Debug)]
pub struct Component {
    /// `Deployment/kube-system/cluster-autoscaler`.
    pub object: String,
    /// Its images, as written.
    pub images: Vec<String>,
    /// `spec.replicas`, where the dump holds the controller.
    pub replicas: Option<i64>,
    /// Pods of it that have not ended.
    pub pods: Vec<PodIdx>,
    /// `status.readyReplicas`, where the dump holds the controller.
    ready_replicas: Option<i64>,
}

/// Whether a controller does its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// A pod of it is ready.
    Ready,
    /// It has no replicas on purpose.
    ScaledToZero,
    /// No pod of it is ready, with why.
    NotReady(String),
    /// The dump does not tell.
    Unknown,
}

/// What is looked at: the name, the values of the pods' labels, the images.
pub struct Candidate<'a> {
    /// Name of the controller or pod.
    pub name: &'a str,
    /// Values of the labels of its pods.
    pub labels: Vec<&'a str>,
    /// Its images.
    pub images: Vec<&'a str>,
}

/// The name of an image without registry, path, tag and digest, and its tag: `(cluster-autoscaler, v1.33.0)`.
pub fn image_name(image: &str) -> (&str, Option<&str>) {
    let image = image.split('@').next().unwrap_or(image);
    let last = image.rsplit('/').next().unwrap_or(image);
    match last.split_once(':') {
        Some((name, tag)) => (name, Some(tag)),
        None => (last, None),
    }
}

/// The controllers that `is` takes, those of the dump first, then those that are known by their pods only.
pub fn find(view: View<'_>, is: impl Fn(&Candidate<'_>) -> bool) -> Vec<Component> {
    let (c, s) = (view.catalog, view.state);
    let candidate = |name, spec: SpecIdx| {
        let labels = c.specs[spec].labels.iter().map(|(_, v)| c.text(v)).collect();
        Candidate { name, labels, images: c.shape(spec).images.iter().map(|i| c.text(*i)).collect() }
    };
    let mut by_owner: BTreeMap<Option<OwnerIdx>, Vec<PodIdx>> = BTreeMap::new();
    for pod in s.live_pods().filter(|p| s.pods[*p].is_active()) {
        let owner = c.specs[s.pods[pod].spec].owner.map(|o| c.top_owner(o));
        by_owner.entry(owner).or_default().push(pod);
    }
    let kinds = [OwnerKind::Deployment, OwnerKind::StatefulSet, OwnerKind::DaemonSet];
    let mut found = Vec::new();
    for (owner, o) in c.owners.entries().filter(|(_, o)| kinds.contains(&o.kind) && !o.missing) {
        let name = c.text(o.name);
        let none = Candidate { name, labels: Vec::new(), images: Vec::new() };
        let looked_at = o.template.map_or(none, |t| candidate(name, t));
        if is(&looked_at) {
            found.push(Component {
                object: c.owner_text(owner),
                images: looked_at.images.iter().map(|i| (*i).to_owned()).collect(),
                replicas: o.replicas,
                pods: by_owner.remove(&Some(owner)).unwrap_or_default(),
                ready_replicas: c.inventory.ready_replicas.get(&owner).copied(),
            });
        }
    }
    // What is left: pods whose controller the dump lacks, or that have none.
    for (owner, pods) in by_owner {
        // A Job's pod is at work on a controller (an update, a check), it is none.
        let is_done = |o: OwnerIdx| {
            c.owners[o].kind == OwnerKind::Job || kinds.contains(&c.owners[o].kind) && !c.owners[o].missing
        };
        if owner.is_some_and(is_done) {
            continue;
        }
        let taken = |p: &PodIdx| is(&candidate(s.name(c, s.pods[*p].name), s.pods[*p].spec));
        let pods: Vec<PodIdx> = pods.into_iter().filter(taken).collect();
        let Some(first) = pods.first() else { continue };
        let images = c.shape(s.pods[*first].spec).images.iter().map(|i| c.text(*i).to_owned()).collect();
        let object = match owner {
            Some(owner) => c.owner_text(owner),
            None => format!("Pod/{}", s.pod_text(c, *first)),
        };
        found.push(Component { object, images, replicas: None, pods, ready_replicas: None });
    }
    found
}

impl Component {
    /// Whether it does its work: one ready pod is enough, since the others of a controller stand by.
    pub fn health(&self, view: View<'_>) -> Health {
        let (c, s) = (view.catalog, view.state);
        if self.replicas == Some(0) {
            return Health::ScaledToZero;
        }
        if self.pods.iter().any(|p| s.pods[*p].ready) {
            return Health::Ready;
        }
        if let Some(pod) = self.pods.first() {
            let p = &s.pods[*pod];
            let why = match c.inventory.not_running.get(&p.spec).filter(|_| p.incarnation == 0) {
                Some(why) => format!("waits: {why}"),
                None if p.unschedulable => "is unschedulable".to_owned(),
                None if p.node.is_none() => "has no node".to_owned(),
                None => "is not ready".to_owned(),
            };
            let more = match self.pods.len() - 1 {
                0 => String::new(),
                n => format!(", and {n} more of its pods are not ready"),
            };
            return Health::NotReady(format!("pod {} {why}{more}", s.pod_text(c, *pod)));
        }
        match self.ready_replicas {
            Some(n) if n > 0 => Health::Ready,
            _ if c.inventory.has("Pod") => Health::NotReady("it has no pod".to_owned()),
            _ => Health::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_without_their_registry() {
        for (image, name, tag) in [
            ("spotinst/kubernetes-cluster-controller:1.0.101", "kubernetes-cluster-controller", Some("1.0.101")),
            ("localhost:5000/a/b:v2", "b", Some("v2")),
            ("localhost:5000/b", "b", None),
            ("r.io/x@sha256:ab", "x", None),
            ("r.io/x:1.2@sha256:ab", "x", Some("1.2")),
        ] {
            assert_eq!(image_name(image), (name, tag), "{image}");
        }
    }
}
