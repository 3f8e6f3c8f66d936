//! What the scheduler sees of a pod, from its spec.

use super::builder::Builder;
use super::requests;
use super::wire::pod as wire;
use super::wire::scalar::Text;
use super::wire::selector::LabelSelector;
use crate::cluster::*;

/// A pod's shape and the claims its volumes name.
pub(crate) struct Shaped {
    pub(crate) shape: PodShape,
    pub(crate) claims: Vec<ClaimRef>,
    /// It mounts claims of which the dump shows nothing.
    pub(crate) unknown_claims: bool,
}

impl Builder {
    /// The shape of a pod of namespace `ns` with `labels`. `name` makes the names of generic ephemeral volumes' claims;
    /// it is empty for a template.
    pub(crate) fn shape(&mut self, spec: &wire::PodSpec<'_>, ns: NsIdx, labels: &Labels, name: &str) -> Shaped {
        let requests = requests::from_spec(&mut self.catalog, spec);
        let (volumes, claims, unknown_claims) = self.volumes(spec, ns, name);
        let none = wire::Affinity::default();
        let affinity = spec.affinity.as_ref().unwrap_or(&none);
        let node = affinity.node_affinity.as_ref();
        let (required, preferred) = self.pod_terms(affinity.pod_affinity.as_ref(), ns, labels);
        let (anti_required, anti_preferred) = self.pod_terms(affinity.pod_anti_affinity.as_ref(), ns, labels);
        let scheduler_name = match spec.scheduler_name.as_deref() {
            Some(s) if !s.is_empty() => self.sym(s),
            _ => self.catalog.known.default_scheduler,
        };
        let shape = PodShape {
            requests,
            incoming_nonzero: requests::incoming_nonzero(spec),
            priority: spec.priority.unwrap_or(0),
            may_preempt: spec.preemption_policy.as_deref() != Some("Never"),
            node_selector: self.pairs(&spec.node_selector),
            node_affinity: node.and_then(|n| n.required.as_ref()).map(|r| self.node_selector(r)),
            preferred_node_affinity: node.map_or_else(Vec::new, |n| self.preferred_nodes(n)),
            affinity: required,
            preferred_affinity: preferred,
            anti_affinity: anti_required,
            preferred_anti_affinity: anti_preferred,
            tolerations: spec.tolerations.iter().map(|t| self.toleration(t)).collect(),
            host_ports: self.host_ports(spec),
            images: self.images(spec),
            container_count: (spec.containers.len() + spec.init_containers.len()) as u32,
            spread: spec.topology_spread_constraints.iter().map(|c| self.spread(c, labels)).collect(),
            scheduler_name,
            gated: !spec.scheduling_gates.is_empty(),
            grace_ms: grace_ms(spec),
            restarts_always: spec.restart_policy.as_deref().is_none_or(|p| p == "Always"),
            volumes,
            features: self.features(spec),
            has_resource_claims: !spec.resource_claims.is_empty(),
        };
        Shaped { shape, claims, unknown_claims }
    }

    /// What a pod needs of its kubelet (component-helpers v0.36.3 `nodedeclaredfeatures/features/restartallcontainers`; the other
    /// feature that is inferred for scheduling belongs to an alpha gate).
    fn features(&mut self, spec: &wire::PodSpec<'_>) -> Vec<Sym> {
        let containers = spec.containers.iter().chain(spec.init_containers.iter());
        let restarts_all =
            |c: &wire::Container<'_>| c.restart_policy_rules.iter().any(|r| &*r.action == "RestartAllContainers");
        match containers.into_iter().any(restarts_all) {
            true => vec![self.catalog.names.intern("RestartAllContainersOnContainerExits")],
            false => Vec::new(),
        }
    }

    /// Preferred node terms; the real scheduler skips those without weight or content.
    fn preferred_nodes(&mut self, affinity: &wire::NodeAffinity<'_>) -> Vec<(i32, NodeSelectorTerm)> {
        let useful = |p: &&wire::PreferredNode<'_>| {
            p.weight != 0 && !(p.preference.match_expressions.is_empty() && p.preference.match_fields.is_empty())
        };
        affinity.preferred.iter().filter(useful).map(|p| (p.weight, self.node_term(&p.preference))).collect()
    }

    fn pod_terms(
        &mut self,
        affinity: Option<&wire::PodAffinity<'_>>,
        ns: NsIdx,
        labels: &Labels,
    ) -> (Vec<PodTerm>, Vec<(i32, PodTerm)>) {
        let Some(affinity) = affinity else { return Default::default() };
        let required = affinity.required.iter().map(|t| self.pod_term(t, ns, labels)).collect();
        let preferred =
            affinity.preferred.iter().map(|p| (p.weight, self.pod_term(&p.pod_affinity_term, ns, labels))).collect();
        (required, preferred)
    }

    /// A term with its namespaces resolved (kubernetes v1.36.3 `framework/types.go` `getNamespacesFromPodAffinityTerm`,
    /// `interpodaffinity` `mergeAffinityTermNamespacesIfNotEmpty`).
    fn pod_term(&mut self, term: &wire::PodTerm<'_>, ns: NsIdx, labels: &Labels) -> PodTerm {
        let mut namespaces: Vec<NsIdx> = term.namespaces.iter().map(|n| self.namespace(n)).collect();
        let selector = term.namespace_selector.as_ref().map(|s| self.selector(Some(s)));
        let all_namespaces = selector.as_ref().is_some_and(Selector::is_empty);
        let mut named_namespaces = namespaces.clone();
        match &selector {
            None if namespaces.is_empty() => namespaces.push(ns),
            Some(selector) if !all_namespaces => {
                let names = &self.catalog.names;
                namespaces.extend(
                    self.catalog
                        .namespaces
                        .entries()
                        .filter(|(_, n)| selector.matches(&n.labels, names))
                        .map(|(i, _)| i),
                );
            }
            _ => {}
        }
        if selector.is_none() {
            named_namespaces.clone_from(&namespaces);
        }
        namespaces.sort_unstable();
        namespaces.dedup();
        named_namespaces.sort_unstable();
        named_namespaces.dedup();
        let takes_unlabelled = selector.is_some_and(|s| s.matches(&Labels::default(), &self.catalog.names));
        let mut selector = self.merged(term.label_selector.as_ref(), &term.match_label_keys, labels);
        if let Selector::All(requirements) = &mut selector {
            for key in term.mismatch_label_keys.iter() {
                let key = self.catalog.names.intern(key);
                if let (Some(value), false) = (labels.get(key), requirements.iter().any(|r| r.key == key)) {
                    let values = [value].into_iter().collect();
                    requirements.push(Requirement { key, operator: Operator::NotIn, values, bound: None });
                }
            }
        }
        let topology_key = self.sym(&term.topology_key);
        PodTerm { selector, namespaces, named_namespaces, all_namespaces, takes_unlabelled, topology_key }
    }

    /// A selector with `matchLabelKeys` ANDed in, unless the API server did so already.
    fn merged(&mut self, selector: Option<&LabelSelector<'_>>, keys: &[Text<'_>], labels: &Labels) -> Selector {
        let mut merged = self.selector(selector);
        if let Selector::All(requirements) = &mut merged {
            for key in keys {
                let key = self.catalog.names.intern(key);
                if let Some(value) = labels.get(key) {
                    let values = [value].into_iter().collect();
                    let wanted = Requirement { key, operator: Operator::In, values, bound: None };
                    if !requirements.contains(&wanted) {
                        requirements.push(wanted);
                    }
                }
            }
        }
        merged
    }

    fn spread(&mut self, c: &wire::SpreadConstraint<'_>, labels: &Labels) -> SpreadConstraint {
        SpreadConstraint {
            max_skew: c.max_skew,
            topology_key: self.sym(&c.topology_key),
            when: match &*c.when_unsatisfiable {
                "ScheduleAnyway" => WhenUnsatisfiable::ScheduleAnyway,
                _ => WhenUnsatisfiable::DoNotSchedule,
            },
            selector: self.merged(c.label_selector.as_ref(), &c.match_label_keys, labels),
            min_domains: c.min_domains.unwrap_or(1),
            honor_node_affinity: c.node_affinity_policy.as_deref().is_none_or(|p| p == "Honor"),
            honor_node_taints: c.node_taints_policy.as_deref() == Some("Honor"),
        }
    }

    pub(crate) fn toleration(&mut self, t: &wire::Toleration<'_>) -> Toleration {
        let exists = t.operator.as_deref() == Some("Exists");
        let key = match t.key.as_deref() {
            None | Some("") if exists => None,
            key => Some(self.sym(key.unwrap_or(""))),
        };
        Toleration {
            key,
            value: (!exists).then(|| self.sym(t.value.as_deref().unwrap_or(""))),
            effect: match t.effect.as_deref() {
                Some("NoSchedule") => Some(Effect::NoSchedule),
                Some("PreferNoSchedule") => Some(Effect::PreferNoSchedule),
                Some("NoExecute") => Some(Effect::NoExecute),
                _ => None,
            },
            seconds: t.toleration_seconds,
        }
    }

    /// Host ports of containers and sidecars (kubernetes v1.36.3 `pkg/scheduler/util` `GetHostPorts`).
    fn host_ports(&mut self, spec: &wire::PodSpec<'_>) -> Vec<HostPort> {
        let mut ports = Vec::new();
        let running = spec.init_containers.iter().filter(|c| c.is_sidecar()).chain(spec.containers.iter());
        for port in running.flat_map(|c| c.ports.iter()) {
            // On the host's network a port of the container is one of the node; in templates nobody has said so yet.
            let on_host = port.container_port.filter(|_| spec.host_network == Some(true));
            let Some(number) = port.host_port.filter(|p| *p > 0).or(on_host) else { continue };
            let ip = self.sym_opt(port.host_ip.as_deref().filter(|ip| *ip != "0.0.0.0"));
            let protocol = self.sym(port.protocol.as_deref().filter(|p| !p.is_empty()).unwrap_or("TCP"));
            ports.push(HostPort { ip, protocol, port: number });
        }
        ports
    }

    /// Images as ImageLocality looks them up (kubernetes v1.36.3 `plugins/imagelocality` `normalizedImageName`).
    fn images(&mut self, spec: &wire::PodSpec<'_>) -> Vec<Sym> {
        let of_containers =
            spec.init_containers.iter().chain(spec.containers.iter()).filter_map(|c| c.image.as_deref());
        let of_volumes = spec.volumes.iter().filter_map(|v| v.image.as_ref()).map(|i| &*i.reference);
        let mut images = Vec::new();
        for image in of_containers.chain(of_volumes) {
            let tagged = image.rfind(':') > image.rfind('/');
            images.push(if tagged { self.sym(image) } else { self.sym(&format!("{image}:latest")) });
        }
        images
    }

    /// The volumes, the claims among them, and whether there are claims of which the dump shows nothing: those tie the pod to nothing.
    fn volumes(&mut self, spec: &wire::PodSpec<'_>, ns: NsIdx, pod: &str) -> (Vec<Volume>, Vec<ClaimRef>, bool) {
        let (mut claims, mut unknown) = (Vec::new(), false);
        let mut volumes = Vec::with_capacity(spec.volumes.len());
        for v in spec.volumes.iter() {
            let mut claim = |builder: &mut Builder, name: &str, ephemeral: bool| {
                let name = builder.sym(name);
                if builder.lookup.claims_unknown || builder.lookup.unknown_claims.contains(&(ns, name)) {
                    unknown = true;
                    return Volume::Other;
                }
                let index = builder.lookup.claims.get(&(ns, name)).copied();
                claims.push(ClaimRef { name, claim: index, ephemeral });
                Volume::Claim(claims.len() as u32 - 1)
            };
            volumes.push(if let Some(source) = &v.persistent_volume_claim {
                claim(self, &source.claim_name, false)
            } else if v.ephemeral.is_some() && pod.is_empty() {
                // A template's: each pod that is made from it gets a claim of its own.
                Volume::Other
            } else if v.ephemeral.is_some() {
                claim(self, &format!("{pod}-{}", &*v.name), true)
            } else if v.empty_dir.is_some() {
                Volume::EmptyDir
            } else if let Some(csi) = &v.csi {
                Volume::CsiInline(self.sym(&csi.driver))
            } else {
                self.disk(v)
            });
            // One that several monitors serve is the same disk by any of them.
            for monitor in v.rbd.iter().flat_map(|d| d.monitors.iter()).skip(1) {
                volumes.extend(v.rbd.as_ref().map(|d| self.rbd(d, monitor)));
            }
        }
        (volumes, claims, unknown)
    }

    /// A legacy disk by what makes it the same one (kubernetes v1.36.3 `plugins/volumerestrictions` `isVolumeConflict`).
    fn disk(&mut self, v: &wire::Volume<'_>) -> Volume {
        let (kind, id, read_only) = if let Some(d) = &v.gce_persistent_disk {
            ("gce-pd", d.pd_name.to_string(), d.read_only)
        } else if let Some(d) = &v.aws_elastic_block_store {
            ("aws-ebs", d.volume_id.to_string(), d.read_only)
        } else if let Some(d) = &v.iscsi {
            ("iscsi", d.iqn.to_string(), d.read_only)
        } else if let Some(d) = &v.rbd {
            return d.monitors.first().map_or(Volume::Other, |monitor| self.rbd(d, monitor));
        } else {
            return Volume::Other;
        };
        Volume::Disk { kind: self.sym(kind), id: self.sym(&id), read_only }
    }

    /// A Ceph image as one of its monitors serves it.
    fn rbd(&mut self, d: &wire::Rbd<'_>, monitor: &str) -> Volume {
        let pool = d.pool.as_deref().unwrap_or("rbd");
        let id = self.sym(&format!("{monitor}/{pool}/{}", &*d.image));
        Volume::Disk { kind: self.sym("rbd"), id, read_only: d.read_only }
    }
}

/// Grace period in milliseconds: 30 s if not given, 1 s if negative (kubernetes v1.36.3 `pkg/registry/core/pod/strategy.go`
/// `CheckGracefulDelete`).
fn grace_ms(spec: &wire::PodSpec<'_>) -> i64 {
    match spec.termination_grace_period_seconds {
        None => 30_000,
        Some(seconds) if seconds < 0 => 1_000,
        // A century, so that deadlines stay within 64 bits.
        Some(seconds) => seconds.min(3_155_760_000) * 1_000,
    }
}
