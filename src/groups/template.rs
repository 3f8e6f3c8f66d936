//! The node that a group would make of a machine type in a zone.

use super::eligible;
use super::price;
use crate::cluster::*;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Stands for the name and hostname of a node that has none yet; equals no symbol.
pub const UNNAMED: Sym = Sym(u32::MAX);

/// What a new node of one group, machine type and zone would be.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Group.
    pub group: GroupIdx,
    /// Machine type.
    pub machine: MachineIdx,
    /// Zone; None where the provider chooses.
    pub zone: Option<Sym>,
    /// Labels; the hostname (and what copies it) is [`UNNAMED`] until the node has a name.
    pub labels: Labels,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Allocatable by resource.
    pub allocatable: Vec<i64>,
    /// Pods it takes.
    pub pod_slots: i64,
    /// Attach limits: the machine type's, else those of like nodes in the cluster.
    pub attach_limits: Option<Vec<AttachLimit>>,
    /// Millionths of a currency unit per hour, where known.
    pub price_micros_per_hour: Option<u64>,
    /// DaemonSet pods that would run on it, as specs.
    pub daemons: Vec<SpecIdx>,
    /// Sum of their requests by resource.
    pub daemon_requests: Vec<i64>,
    /// Their host ports.
    pub daemon_ports: Vec<HostPort>,
}

impl Template {
    /// What is left of a resource for pods that are not daemons.
    pub fn free(&self, resource: ResIdx) -> i64 {
        let have = self.allocatable.get(resource.at()).copied().unwrap_or(0);
        have - self.daemon_requests.get(resource.at()).copied().unwrap_or(0)
    }
    /// Pod slots left after the daemons.
    pub fn free_slots(&self) -> i64 {
        self.pod_slots - self.daemons.len() as i64
    }
}

/// All templates of a cluster's groups, in order of group, machine preference and zone.
#[derive(Clone, Debug, Default)]
pub struct Templates {
    items: Vec<Template>,
    /// Range of each group's templates.
    ranges: Vec<(usize, usize)>,
    kubelet_version: Option<Sym>,
    declared_features: Vec<Sym>,
}

impl Templates {
    /// The templates of all groups that can launch nodes, with facts that only live nodes can tell (attach limits, labels that repeat
    /// the zone, regions) read from the state.
    pub fn new(view: View<'_>) -> Templates {
        let habits = Habits::of(view);
        let daemons = daemon_specs(view);
        let mut items = Vec::new();
        let mut ranges = Vec::new();
        for (index, group) in view.catalog.groups.entries() {
            let start = items.len();
            for machine in group.machines.iter().filter(|_| !group.template_only) {
                for zone in offered_zones(group, &view.catalog.machines[*machine]) {
                    items.push(habits.template(view, index, *machine, zone, &daemons));
                }
            }
            ranges.push((start, items.len()));
        }
        let Habits { kubelet_version, declared_features, .. } = habits;
        Templates { items, ranges, kubelet_version, declared_features }
    }
    /// All of them.
    pub fn all(&self) -> &[Template] {
        &self.items
    }
    /// Those of one group.
    pub fn of(&self, group: GroupIdx) -> &[Template] {
        let (a, b) = self.ranges.get(group.at()).copied().unwrap_or((0, 0));
        &self.items[a..b]
    }
    /// Position of one group's first template in [`Templates::all`].
    pub(crate) fn range(&self, group: GroupIdx) -> std::ops::Range<usize> {
        let (a, b) = self.ranges.get(group.at()).copied().unwrap_or((0, 0));
        a..b
    }
    /// The template of a group, machine type and zone.
    pub fn find(&self, group: GroupIdx, machine: MachineIdx, zone: Option<Sym>) -> Option<&Template> {
        self.of(group).iter().find(|t| t.machine == machine && t.zone == zone)
    }
    /// What a new node of a template offers, all but its identity: name and uid are [`UNNAMED`], and so is every label that repeats the
    /// hostname.
    pub fn node_spec(&self, template: &Template) -> NodeSpec {
        NodeSpec {
            name: UNNAMED,
            uid: UNNAMED,
            labels: template.labels.clone(),
            annotations: Vec::new(),
            allocatable: template.allocatable.clone(),
            pod_slots: template.pod_slots,
            taints: template.taints.clone(),
            images: Vec::new(),
            attach_limits: template.attach_limits.clone(),
            volumes_in_use: Vec::new(),
            provider_id: None,
            kubelet_version: self.kubelet_version,
            declared_features: self.declared_features.clone(),
            created: 0,
            machine: Some(template.machine),
            price_micros_per_hour: template.price_micros_per_hour,
        }
    }
}

/// Gives every label that repeats the hostname its value.
pub fn name_labels(labels: &mut Labels, name: Sym) {
    let unnamed: Vec<Sym> = labels.iter().filter(|(_, v)| *v == UNNAMED).map(|(k, _)| k).collect();
    unnamed.into_iter().for_each(|k| labels.set(k, name));
}

/// Zones in which a group can have a machine type; one None where the provider chooses.
fn offered_zones(group: &NodeGroup, machine: &MachineType) -> Vec<Option<Sym>> {
    let offered = |zone: &Sym| machine.zones.is_empty() || machine.zones.contains(zone);
    if group.zones.is_empty() {
        return vec![None];
    }
    group.zones.iter().filter(|z| offered(z)).map(|z| Some(*z)).collect()
}

/// The pods of each DaemonSet: its template, or a live pod where the dump has no template.
fn daemon_specs(view: View<'_>) -> Vec<SpecIdx> {
    let owners = view.catalog.owners.entries().filter(|(_, o)| o.kind == OwnerKind::DaemonSet && !o.deleting);
    owners
        .filter_map(|(index, owner)| {
            owner.template.or_else(|| view.state.owned.get(index)?.first().map(|p| view.state.pods[*p].spec))
        })
        .collect()
}

/// What live nodes tell about nodes to come.
struct Habits {
    /// Keys whose value is the zone wherever they occur.
    zone_keys: Vec<Sym>,
    /// Keys whose value is the hostname wherever they occur (`topology.hostpath.csi/node`).
    hostname_keys: Vec<Sym>,
    /// Keys whose value is the machine type wherever they occur.
    type_keys: Vec<Sym>,
    /// Region of each zone.
    regions: FxHashMap<Sym, Sym>,
    /// Attach limits by machine type name.
    by_type: FxHashMap<Sym, Vec<AttachLimit>>,
    /// Least attach limit of each driver, in order of driver.
    least: Vec<AttachLimit>,
    /// Common labels for operating system and architecture, where machines do not say.
    platform: Vec<(Sym, Sym)>,
    kubelet_version: Option<Sym>,
    /// Features that the kubelet of this version declares.
    declared_features: Vec<Sym>,
}

impl Habits {
    fn of(view: View<'_>) -> Habits {
        let known = &view.catalog.known;
        let mut regions = FxHashMap::default();
        let mut by_type: FxHashMap<Sym, Vec<AttachLimit>> = FxHashMap::default();
        let mut least: BTreeMap<Sym, Option<i64>> = BTreeMap::new();
        let (mut kubelet_version, mut declared_features) = (None, Vec::new());
        // For each key: does its value repeat the zone, the hostname, the type, wherever it occurs?
        let mut repeats: BTreeMap<Sym, [bool; 3]> = BTreeMap::new();
        for node in view.state.live_nodes() {
            let spec = &view.state.nodes[node].spec;
            let zone = spec.labels.get(known.zone);
            let machine = spec.labels.get(known.instance_type);
            let hostname = spec.labels.get(known.hostname).unwrap_or(spec.name);
            if let (Some(z), Some(r)) = (zone, spec.labels.get(known.region)) {
                regions.entry(z).or_insert(r);
            }
            if kubelet_version.is_none() && spec.kubelet_version.is_some() {
                (kubelet_version, declared_features) = (spec.kubelet_version, spec.declared_features.clone());
            }
            for (key, value) in spec.labels.iter() {
                let now = [Some(value) == zone, value == hostname || value == spec.name, Some(value) == machine];
                let seen = repeats.entry(key).or_insert([true; 3]);
                (0..3).for_each(|i| seen[i] &= now[i]);
            }
            for limit in spec.attach_limits.iter().flatten() {
                let seen = least.entry(limit.driver).or_insert(limit.count);
                *seen = match (*seen, limit.count) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
            if let (Some(m), Some(limits)) = (machine, &spec.attach_limits) {
                by_type.entry(m).or_insert_with(|| limits.clone());
            }
        }
        let keys = |which: usize, but: Sym| {
            repeats.iter().filter(|(k, r)| r[which] && **k != but).map(|(k, _)| *k).collect::<Vec<Sym>>()
        };
        Habits {
            zone_keys: keys(0, known.zone),
            hostname_keys: keys(1, known.hostname),
            type_keys: keys(2, known.instance_type),
            regions,
            by_type,
            least: least.into_iter().map(|(driver, count)| AttachLimit { driver, count }).collect(),
            platform: platform(view),
            kubelet_version,
            declared_features,
        }
    }

    fn template(
        &self,
        view: View<'_>,
        index: GroupIdx,
        machine: MachineIdx,
        zone: Option<Sym>,
        daemons: &[SpecIdx],
    ) -> Template {
        let catalog = view.catalog;
        let (group, kind) = (&catalog.groups[index], &catalog.machines[machine]);
        let mut template = Template {
            group: index,
            machine,
            zone,
            labels: self.labels(catalog, group, kind, zone),
            taints: group.taints.clone(),
            allocatable: kind.allocatable.clone(),
            pod_slots: kind.pod_slots,
            attach_limits: self.attach_limits(kind),
            price_micros_per_hour: price::price_of(group, kind),
            daemons: Vec::new(),
            daemon_requests: vec![0; catalog.resources.len()],
            daemon_ports: Vec::new(),
        };
        template.allocatable.resize(catalog.resources.len(), 0);
        let run: Vec<SpecIdx> =
            daemons.iter().copied().filter(|s| eligible::daemon_runs(catalog, *s, &template)).collect();
        for spec in run {
            let shape = catalog.shape(spec);
            for (resource, amount) in &shape.requests.amounts {
                template.daemon_requests[resource.at()] += amount;
            }
            template.daemon_ports.extend(&shape.host_ports);
            template.daemons.push(spec);
        }
        template
    }

    fn labels(&self, catalog: &Catalog, group: &NodeGroup, kind: &MachineType, zone: Option<Sym>) -> Labels {
        let known = &catalog.known;
        let mut labels = Labels::new(self.platform.iter().copied());
        for (k, v) in kind.labels.iter().chain(group.labels.iter()) {
            labels.set(k, v);
        }
        // A requirement that leaves one value, or whose first value no machine type decides (Karpenter picks one too).
        for r in &group.requirements.expressions {
            if r.operator == Operator::In
                && labels.get(r.key).is_none()
                && let Some(value) = r.values.first()
            {
                labels.set(r.key, *value);
            }
        }
        // What a group is given holds, though on a few nodes it may happen to be the name, the type or the zone too.
        let free = |k: &&Sym| group.labels.get(**k).is_none();
        labels.set(known.hostname, UNNAMED);
        self.hostname_keys.iter().filter(free).for_each(|k| labels.set(*k, UNNAMED));
        if !catalog.text(kind.name).is_empty() {
            labels.set(known.instance_type, kind.name);
            self.type_keys.iter().filter(free).for_each(|k| labels.set(*k, kind.name));
        }
        if let Some(zone) = zone {
            labels.set(known.zone, zone);
            self.zone_keys.iter().filter(free).for_each(|k| labels.set(*k, zone));
            if let Some(region) = group.region.or_else(|| self.regions.get(&zone).copied()) {
                labels.set(known.region, region);
            }
        }
        labels
    }

    fn attach_limits(&self, kind: &MachineType) -> Option<Vec<AttachLimit>> {
        let like = || self.by_type.get(&kind.name).cloned();
        let least = || (!self.least.is_empty()).then(|| self.least.clone());
        kind.attach_limits.clone().or_else(like).or_else(least)
    }
}

/// The commonest value of each platform label among live nodes; linux on amd64 where there are none.
fn platform(view: View<'_>) -> Vec<(Sym, Sym)> {
    let names = &view.catalog.names;
    let defaults = [
        ("kubernetes.io/os", Some("linux")),
        ("kubernetes.io/arch", Some("amd64")),
        ("beta.kubernetes.io/os", None),
        ("beta.kubernetes.io/arch", None),
    ];
    let mut labels = Vec::new();
    for (key, default) in defaults {
        let Some(key) = names.get(key) else { continue };
        let mut counts: BTreeMap<Sym, usize> = BTreeMap::new();
        for node in view.state.live_nodes() {
            if let Some(value) = view.state.nodes[node].spec.labels.get(key) {
                *counts.entry(value).or_default() += 1;
            }
        }
        // The first of equals, in order of symbols, which is the order of the dump.
        let common = counts.iter().rev().max_by_key(|(_, n)| **n).map(|(v, _)| *v);
        if let Some(value) = common.or_else(|| names.get(default?)) {
            labels.push((key, value));
        }
    }
    labels
}
