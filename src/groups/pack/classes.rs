//! Pods that ask for the same, and what they ask for.

use super::tree::LeastTree;
use super::{PackOptions, order_groups};
use crate::cluster::*;
use crate::groups::eligible::{self, Refusal, ports_conflict};
use crate::groups::template::{Template, Templates};
use crate::groups::volumes::VolumeNeeds;
use fixedbitset::FixedBitSet;
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

/// Amounts by dimension: resources, then pod slots, then CSI drivers with limits. All positive.
pub(crate) type Demand = Vec<(usize, i64)>;

/// "No limit" for a driver.
const UNLIMITED: i64 = i64::MAX / 4;

/// The dimensions in which is packed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dims {
    resources: usize,
    drivers: Vec<Sym>,
}

impl Dims {
    fn of(catalog: &Catalog, templates: &Templates) -> Dims {
        let mut drivers = Vec::new();
        for limit in templates.all().iter().flat_map(|t| t.attach_limits.iter().flatten()) {
            if limit.count.is_some() && !drivers.contains(&limit.driver) {
                drivers.push(limit.driver);
            }
        }
        Dims { resources: catalog.resources.len(), drivers }
    }
    /// The dimension of pod slots.
    pub fn slots(&self) -> usize {
        self.resources
    }
    fn driver(&self, driver: Sym) -> Option<usize> {
        self.drivers.iter().position(|d| *d == driver).map(|i| self.resources + 1 + i)
    }
    fn limits(&self, limits: Option<&[AttachLimit]>) -> impl Iterator<Item = i64> + '_ {
        let limits = limits.unwrap_or_default().to_vec();
        self.drivers
            .iter()
            .map(move |d| limits.iter().find(|l| l.driver == *d).and_then(|l| l.count).unwrap_or(UNLIMITED))
    }
    /// What a fresh node has free.
    pub fn fresh(&self, template: &Template) -> Vec<i64> {
        let mut free: Vec<i64> = (0..self.resources).map(|r| template.free(ResIdx::new(r))).collect();
        free.push(template.free_slots());
        free.extend(self.limits(template.attach_limits.as_deref()));
        free
    }
    /// What an existing node has free; attached volumes are taken off by the pods that mount them.
    pub fn existing(&self, view: View<'_>, node: NodeIdx) -> Vec<i64> {
        let state = &view.state.nodes[node];
        let requested = view.state.requested(node);
        let have = |r: usize| state.spec.allocatable(ResIdx::new(r)) - requested.get(r).copied().unwrap_or(0);
        let mut free: Vec<i64> = (0..self.resources).map(have).collect();
        free.push(state.spec.pod_slots - state.pods.len() as i64);
        free.extend(self.limits(state.spec.attach_limits.as_deref()));
        if !self.drivers.is_empty() {
            for pod in &state.pods {
                let spec = &view.catalog.specs[view.state.pods[*pod].spec];
                if spec.claims.is_empty() {
                    continue;
                }
                for (driver, n) in VolumeNeeds::of(view, spec).attach {
                    if let Some(dim) = self.driver(driver) {
                        free[dim] -= n;
                    }
                }
            }
        }
        free
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    shape: ShapeIdx,
    volumes: VolumeNeeds,
    home: Option<GroupIdx>,
    zone: Option<Sym>,
    /// Namespace and the labels that anti-affinity over hosts asks about, where any pod here has such.
    identity: Option<(NsIdx, Vec<(Sym, Sym)>)>,
}

struct Class {
    spec: SpecIdx,
    volumes: VolumeNeeds,
    /// The zone that its rules over zones keep it in.
    zone: Option<Sym>,
    demand: Demand,
    pods: Vec<PodIdx>,
    /// The first of `pods` that still waits.
    next: usize,
    /// Templates it may run on.
    allowed: FixedBitSet,
    /// Groups in order of choice that have an allowed template, and where it stands in them.
    order: Vec<GroupIdx>,
    /// Classes that it shares no node with; itself among them if only one fits on a node.
    conflicts: Vec<usize>,
}

/// All classes of a packing, largest first.
pub(crate) struct Classes {
    pub dims: Dims,
    /// Most that any template offers, by dimension; the yardstick of size.
    pub yard: Vec<i64>,
    items: Vec<Class>,
    /// What a pod of each class that still waits asks for.
    waiting: LeastTree,
}

impl Classes {
    pub fn of(view: View<'_>, templates: &Templates, pods: &[PodIdx], options: &PackOptions) -> Classes {
        let dims = Dims::of(view.catalog, templates);
        let yard = yardstick(&dims, templates);
        let grouped = group_pods(view, pods, options);
        let mut memo = FxHashMap::default();
        let mut items: Vec<Class> = grouped
            .into_iter()
            .map(|(key, pods)| make_class(view, templates, options, &dims, &mut memo, key, pods))
            .collect();
        // Largest first; equals in the order of their first pods.
        items.sort_by_cached_key(|c| (std::cmp::Reverse(size(&c.demand, &yard)), c.pods.first().copied()));
        let width = yard.len();
        let mut asked = vec![0; width * items.len()];
        for (row, class) in asked.chunks_exact_mut(width).zip(&items) {
            class.demand.iter().for_each(|(dim, amount)| row[*dim] = *amount);
        }
        let waiting = LeastTree::new(width, asked.chunks_exact(width));
        let mut classes = Classes { dims, yard, items, waiting };
        classes.find_conflicts(view);
        classes
    }
    pub fn len(&self) -> usize {
        self.items.len()
    }
    pub fn demand(&self, class: usize) -> &Demand {
        &self.items[class].demand
    }
    pub fn shape<'v>(&self, view: View<'v>, class: usize) -> &'v PodShape {
        view.catalog.shape(self.items[class].spec)
    }
    pub fn spec(&self, class: usize) -> SpecIdx {
        self.items[class].spec
    }
    pub fn volumes(&self, class: usize) -> &VolumeNeeds {
        &self.items[class].volumes
    }
    /// The zone that rules over zones keep it in.
    pub fn zone(&self, class: usize) -> Option<Sym> {
        self.items[class].zone
    }
    /// How many pods wait for a place.
    pub fn remaining(&self, class: usize) -> u32 {
        (self.items[class].pods.len() - self.items[class].next) as u32
    }
    pub fn waiting(&self, class: usize) -> &[PodIdx] {
        &self.items[class].pods[self.items[class].next..]
    }
    pub fn place(&mut self, class: usize, count: u32) {
        self.items[class].next += count as usize;
        if self.remaining(class) == 0 {
            self.waiting.remove(class);
        }
    }
    /// The next class from `from` on that waits and of which a pod fits into what is free.
    pub fn next_fitting(&self, from: usize, free: &[i64]) -> Option<usize> {
        // What is overcommitted concerns only those that ask for it.
        let limits: SmallVec<[i64; 8]> = free.iter().map(|have| (*have).max(0)).collect();
        self.waiting.next(from, &limits)
    }
    pub fn allows(&self, class: usize, template: usize) -> bool {
        self.items[class].allowed.contains(template)
    }
    /// Groups that could host it, in order of choice.
    pub fn order(&self, class: usize) -> &[GroupIdx] {
        &self.items[class].order
    }
    pub fn conflicts(&self, class: usize) -> &[usize] {
        &self.items[class].conflicts
    }
    /// Why no template of a group takes a class: what stands against the one that came closest (the first).
    pub fn refusal(&self, view: View<'_>, templates: &Templates, class: usize, group: GroupIdx) -> Option<Refusal> {
        let (shape, volumes) = (self.shape(view, class), self.volumes(class));
        templates.of(group).iter().find_map(|t| eligible::refusal(view, t, shape, volumes))
    }

    /// Fills in the conflicts. Only classes that a rule can mean are compared: a conflict of two classes is found from the one
    /// whose rule it is, by its ports or by a label that its selector demands.
    fn find_conflicts(&mut self, view: View<'_>) {
        let catalog = view.catalog;
        let mut with_label: FxHashMap<(Sym, Sym), Vec<usize>> = FxHashMap::default();
        let mut with_ports = Vec::new();
        for (i, class) in self.items.iter().enumerate() {
            for pair in catalog.specs[class.spec].labels.iter() {
                with_label.entry(pair).or_default().push(i);
            }
            if !catalog.shape(class.spec).host_ports.is_empty() {
                with_ports.push(i);
            }
        }
        let all: Vec<usize> = (0..self.len()).collect();
        for a in 0..self.len() {
            let spec = self.items[a].spec;
            let shape = catalog.shape(spec);
            let mut candidates: Vec<usize> = Vec::new();
            if !shape.host_ports.is_empty() {
                candidates.extend(&with_ports);
            }
            for term in shape.anti_affinity.iter().filter(|t| t.topology_key == catalog.known.hostname) {
                match demanded_labels(&term.selector) {
                    Some((key, values)) => {
                        candidates.extend(values.iter().filter_map(|v| with_label.get(&(key, *v))).flatten());
                    }
                    None => candidates.extend(&all),
                }
            }
            candidates.retain(|b| specs_conflict(catalog, spec, self.items[*b].spec));
            for b in candidates {
                self.items[a].conflicts.push(b);
                self.items[b].conflicts.push(a);
            }
        }
        for class in &mut self.items {
            class.conflicts.sort_unstable();
            class.conflicts.dedup();
        }
    }
}

/// A label key of which a selector demands one of some values, if it demands any.
fn demanded_labels(selector: &Selector) -> Option<(Sym, &[Sym])> {
    let Selector::All(requirements) = selector else { return None };
    requirements.iter().find(|r| r.operator == Operator::In).map(|r| (r.key, r.values.as_slice()))
}

/// Whether pods of two specs cannot share a node: host ports, or required anti-affinity over hosts in either direction.
pub(crate) fn specs_conflict(catalog: &Catalog, a: SpecIdx, b: SpecIdx) -> bool {
    let (x, y) = (catalog.shape(a), catalog.shape(b));
    let ports = x.host_ports.iter().any(|p| y.host_ports.iter().any(|q| ports_conflict(p, q)));
    let hates = |shape: &PodShape, other: SpecIdx| {
        let other = &catalog.specs[other];
        shape.anti_affinity.iter().any(|t| {
            t.topology_key == catalog.known.hostname
                && (t.covers(other.namespace) || t.covers_all_when_scheduled(catalog.kubernetes.rules()))
                && t.selector.matches(&other.labels, &catalog.names)
        })
    };
    ports || hates(x, b) || hates(y, a)
}

fn yardstick(dims: &Dims, templates: &Templates) -> Vec<i64> {
    let mut yard = vec![1; dims.resources + 1 + dims.drivers.len()];
    for template in templates.all() {
        for (most, have) in yard.iter_mut().zip(dims.fresh(template)) {
            *most = have.max(*most);
        }
    }
    yard
}

/// The dominant share of a demand in millionths of the largest node (P in vector packing: first-fit decreasing by dominant share).
fn size(demand: &Demand, yard: &[i64]) -> (i64, i64) {
    let share = |(dim, amount): &(usize, i64)| (i128::from(*amount) * 1_000_000 / i128::from(yard[*dim])) as i64;
    (demand.iter().map(share).max().unwrap_or(0), demand.iter().map(share).sum())
}

fn group_pods(view: View<'_>, pods: &[PodIdx], options: &PackOptions) -> IndexMap<Key, Vec<PodIdx>, FxBuildHasher> {
    let keys = mentioned_keys(view, pods);
    let mut grouped: IndexMap<Key, Vec<PodIdx>, FxBuildHasher> = IndexMap::default();
    let mut turn: FxHashMap<ShapeIdx, usize> = FxHashMap::default();
    let zones = zones_of_groups(view.catalog);
    for pod in pods.iter().copied() {
        let state = &view.state.pods[pod];
        if state.gone || state.phase.is_terminal() {
            continue;
        }
        let spec = &view.catalog.specs[state.spec];
        let shape = &view.catalog.shapes[spec.shape.at()];
        let node = state.node.map(|n| &view.state.nodes[n]);
        let zone = zone_rule(view.catalog, shape).and_then(|hard| match node {
            Some(n) => n.spec.labels.get(view.catalog.known.zone),
            None if hard && !zones.is_empty() => {
                let turn = turn.entry(spec.shape).or_default();
                *turn += 1;
                Some(zones[(*turn - 1) % zones.len()])
            }
            None => None,
        });
        let identity = (!keys.is_empty()).then(|| {
            let labels = keys.iter().filter_map(|k| spec.labels.get(*k).map(|v| (*k, v))).collect();
            (spec.namespace, labels)
        });
        let key = Key {
            shape: spec.shape,
            volumes: if spec.claims.is_empty() { VolumeNeeds::default() } else { VolumeNeeds::of(view, spec) },
            home: node.filter(|_| options.prefer_home).and_then(|n| n.group),
            zone,
            identity,
        };
        grouped.entry(key).or_default().push(pod);
    }
    grouped
}

/// Label keys that anti-affinity over hosts of these pods asks about.
fn mentioned_keys(view: View<'_>, pods: &[PodIdx]) -> Vec<Sym> {
    let mut seen = FixedBitSet::with_capacity(view.catalog.shapes.len());
    let mut keys = Vec::new();
    for pod in pods {
        let shape = view.catalog.specs[view.state.pods[*pod].spec].shape;
        if seen.put(shape.at()) {
            continue;
        }
        let terms = view.catalog.shapes[shape.at()]
            .anti_affinity
            .iter()
            .filter(|t| t.topology_key == view.catalog.known.hostname);
        for term in terms {
            if let Selector::All(requirements) = &term.selector {
                keys.extend(requirements.iter().map(|r| r.key));
            }
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

/// Whether a shape has rules over zones: Some(true) for hard spread, Some(false) for other ones.
fn zone_rule(catalog: &Catalog, shape: &PodShape) -> Option<bool> {
    let zone = catalog.known.zone;
    let spread = shape.spread.iter().filter(|s| s.topology_key == zone);
    let hard = spread.clone().any(|s| s.when == WhenUnsatisfiable::DoNotSchedule);
    let terms = shape.affinity.iter().chain(&shape.anti_affinity).any(|t| t.topology_key == zone);
    (hard || terms || spread.count() > 0).then_some(hard)
}

fn zones_of_groups(catalog: &Catalog) -> Vec<Sym> {
    let mut zones = Vec::new();
    for zone in catalog.groups.iter().flat_map(|g| &g.zones) {
        if !zones.contains(zone) {
            zones.push(*zone);
        }
    }
    zones
}

type Memo = FxHashMap<(ShapeIdx, VolumeNeeds), FixedBitSet>;

fn make_class(
    view: View<'_>,
    templates: &Templates,
    options: &PackOptions,
    dims: &Dims,
    memo: &mut Memo,
    key: Key,
    pods: Vec<PodIdx>,
) -> Class {
    let spec = view.state.pods[pods[0]].spec;
    let shape = &view.catalog.shapes[key.shape.at()];
    let allowed = memo.entry((key.shape, key.volumes.clone())).or_insert_with(|| {
        let can = |(_, t): &(usize, &Template)| eligible::refusal(view, t, shape, &key.volumes).is_none();
        let mut bits = FixedBitSet::with_capacity(templates.all().len());
        templates.all().iter().enumerate().filter(can).for_each(|(i, _)| bits.insert(i));
        bits
    });
    let mut allowed = allowed.clone();
    if let Some(zone) = key.zone {
        let in_zone: Vec<usize> = allowed.ones().filter(|t| templates.all()[*t].zone == Some(zone)).collect();
        if !in_zone.is_empty() {
            allowed.clear();
            in_zone.into_iter().for_each(|t| allowed.insert(t));
        }
    }
    let mut order = order_groups(view.catalog, options.choice, shape);
    if let Some(home) = key.home.filter(|h| order.contains(h)) {
        order.retain(|g| *g != home);
        order.insert(0, home);
    }
    order.retain(|g| templates.range(*g).any(|t| allowed.contains(t)));
    let mut demand: Demand = shape.requests.amounts.iter().filter(|a| a.1 > 0).map(|(r, n)| (r.at(), *n)).collect();
    demand.push((dims.slots(), 1));
    demand.extend(key.volumes.attach.iter().filter_map(|(d, n)| Some((dims.driver(*d)?, *n))));
    Class { spec, volumes: key.volumes, zone: key.zone, demand, pods, next: 0, allowed, order, conflicts: Vec::new() }
}
