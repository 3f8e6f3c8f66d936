//! Bin-packing of pods onto nodes that groups would make.
//!
//! Pods that ask for the same are one class; a round fills one fresh node of the best template with the classes still waiting, largest
//! first, and repeats that node as often as its fill can be repeated. Each round uses up at least one class, so the work grows with
//! the number of classes, not of pods. Everything is integer and in a fixed order: the same input gives the same launches.

pub(crate) mod bins;
pub(crate) mod classes;
pub(crate) mod fill;
mod tree;

use super::eligible::Refusal;
use super::headroom;
use super::limits::{self, Usage};
use super::template::Templates;
use crate::cluster::*;
use classes::{Classes, Demand};
use fixedbitset::FixedBitSet;

/// Which group, and which of its machine types, a pod's node comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Ocean's order of groups (docs/reference/ocean.md); within one, the cheapest fill.
    #[default]
    Ocean,
    /// The cheapest per packed share over all groups of the highest weight; least waste where prices are unknown.
    Cheapest,
    /// Least waste of cpu and memory over all groups of the highest weight (cluster-autoscaler's expander).
    LeastWaste,
}

/// Nodes to launch of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Launch {
    /// Group.
    pub group: GroupIdx,
    /// Machine type.
    pub machine: MachineIdx,
    /// Zone; None where the provider chooses.
    pub zone: Option<Sym>,
    /// How many.
    pub count: u32,
}

/// A combination that has no capacity now; None stands for any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shortage {
    /// Group.
    pub group: Option<GroupIdx>,
    /// Machine type.
    pub machine: Option<MachineIdx>,
    /// Zone.
    pub zone: Option<Sym>,
}

impl Shortage {
    /// Whether it concerns a launch of this kind.
    pub fn concerns(&self, group: GroupIdx, machine: MachineIdx, zone: Option<Sym>) -> bool {
        self.group.is_none_or(|g| g == group)
            && self.machine.is_none_or(|m| m == machine)
            && (self.zone.is_none() || self.zone == zone)
    }
}

/// Why nothing is launched in a group that is being left.
pub const SOURCE_GROUP: &str = "it is being left, and Ocean launches only in Virtual Node Groups of its own";

/// How to pack.
#[derive(Clone, Debug, Default)]
pub struct PackOptions {
    /// Order of groups and machine types.
    pub choice: Choice,
    /// Pods prefer the group of the node they are on, where it can host them.
    pub prefer_home: bool,
    /// Use what is free on existing nodes first (ready, schedulable, not excluded).
    pub use_existing: bool,
    /// Of existing nodes only those that count as Ocean's.
    pub oceans_only: bool,
    /// Existing nodes that are not Ready yet but soon will be: their room is used first, whatever `use_existing` says.
    pub starting: Vec<NodeIdx>,
    /// Existing nodes that are about to go: neither used nor counted as headroom. They still count towards their group's maximum.
    pub exclude: Vec<NodeIdx>,
    /// Groups that may not be scaled up.
    pub frozen: Vec<GroupIdx>,
    /// Groups that are being left: nothing is launched in them, and what they have is no home.
    pub left: Vec<GroupIdx>,
    /// Why nothing is launched in these; that of Ocean's procedures if empty.
    pub left_reason: &'static str,
    /// Launches under way: they count towards maxima and their room is used first.
    pub in_flight: Vec<Launch>,
    /// Combinations without capacity.
    pub shortages: Vec<Shortage>,
    /// Keep the groups' headroom free (explicit units and automatic percent) with nodes on top.
    pub headroom: bool,
}

/// Pods that no group can host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unhosted {
    /// The pods, in the order given; all of one class.
    pub pods: Vec<PodIdx>,
    /// Why not, for each group that stands for choice, in order of groups.
    pub reasons: Vec<Refusal>,
}

/// The result of packing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packing {
    /// New nodes, by group, machine type and zone; one entry each.
    pub launches: Vec<Launch>,
    /// Pods without a place.
    pub unhosted: Vec<Unhosted>,
    /// How many pods found room on existing nodes.
    pub on_existing: u32,
    /// How many found room on nodes in flight.
    pub on_in_flight: u32,
    /// How many of the launches are headroom only.
    pub headroom_nodes: u32,
}

impl Packing {
    /// All new nodes.
    pub fn nodes(&self) -> u32 {
        self.launches.iter().map(|l| l.count).sum()
    }
}

/// Packs pods onto new nodes of groups.
///
/// `pods` may be pending or bound (a batch to be moved); where they are now matters for `prefer_home`, and pods with rules over zones
/// are kept in their zone. Pods that are gone or terminal are left out. Spread over hosts, pod affinity, and anti-affinity over
/// anything but hosts are the scheduler's business afterwards.
pub fn pack(view: View<'_>, templates: &Templates, pods: &[PodIdx], options: &PackOptions) -> Packing {
    let classes = Classes::of(view, templates, pods, options);
    let mut packer = Packer::new(view, templates, options, classes);
    packer.result.on_existing = bins::use_existing(&mut packer);
    packer.result.on_in_flight = bins::use_in_flight(&mut packer);
    fill::open_nodes(&mut packer);
    if options.headroom {
        headroom::add(&mut packer);
    }
    packer.finish()
}

/// The groups that can launch, in the order in which `choice` tries them for a pod of this shape.
///
/// Ocean (D): what the pod's preferred affinity names first; then the least restrictive by highest maximum, spot share, number of zones
/// and machine types; a pod without constraints goes to the group with the most labels; the default group last. Others: by weight.
pub fn order_groups(catalog: &Catalog, choice: Choice, shape: &PodShape) -> Vec<GroupIdx> {
    let constrained = !shape.node_selector.is_empty()
        || shape.node_affinity.is_some()
        || !shape.tolerations.iter().all(is_default_toleration);
    let many = |n: usize| if n == 0 { usize::MAX } else { n };
    let key = |index: &GroupIdx| {
        let g = &catalog.groups[*index];
        let ocean = choice == Choice::Ocean;
        let preferred: i64 = shape
            .preferred_node_affinity
            .iter()
            .filter(|(_, term)| {
                !term.expressions.is_empty() && term.expressions.iter().all(|r| r.matches(&g.labels, &catalog.names))
            })
            .map(|(weight, _)| i64::from(*weight))
            .sum();
        let freedom = (g.max_count, g.spot_percent.unwrap_or(0), many(g.zones.len()), many(g.machines.len()));
        let labels = if ocean && !constrained { g.labels.len() } else { 0 };
        let preferred = if ocean { preferred } else { 0 };
        (!g.is_default, g.weight, preferred, labels, if ocean { freedom } else { (0, 0, 0, 0) })
    };
    let mut order: Vec<GroupIdx> = catalog.groups.indices().filter(|g| !catalog.groups[*g].template_only).collect();
    // Stable: equals stay in creation order.
    order.sort_by_key(|g| std::cmp::Reverse(key(g)));
    order
}

/// Admission gives these to every pod; they are no wish for a particular node.
fn is_default_toleration(t: &Toleration) -> bool {
    t.effect == Some(Effect::NoExecute) && t.seconds.is_some()
}

/// What a packing is made with; shared by its stages.
pub(crate) struct Packer<'a> {
    pub view: View<'a>,
    pub templates: &'a Templates,
    pub options: &'a PackOptions,
    pub classes: Classes,
    /// What each group has, with launches.
    pub used: Arena<GroupIdx, Usage>,
    /// New and kept nodes by (group, zone), for balance.
    pub in_zone: Vec<u32>,
    /// Launches by template.
    pub launched: Vec<u32>,
    /// What is free on launched nodes, by template, with how many nodes have that much.
    pub left: Vec<(usize, Vec<i64>, u32)>,
    /// Existing nodes that are about to go.
    pub excluded: FixedBitSet,
    pub result: Packing,
}

impl<'a> Packer<'a> {
    fn new(view: View<'a>, templates: &'a Templates, options: &'a PackOptions, classes: Classes) -> Packer<'a> {
        let mut used = limits::usage(view);
        for launch in &options.in_flight {
            if let Some(t) = templates.find(launch.group, launch.machine, launch.zone) {
                used[launch.group].add(t, launch.count);
            }
        }
        let mut excluded = FixedBitSet::with_capacity(view.state.nodes.len());
        options.exclude.iter().for_each(|n| excluded.insert(n.at()));
        let mut in_zone = vec![0; templates.all().len()];
        for node in view.state.live_nodes().filter(|n| !excluded.contains(n.at())) {
            let state = &view.state.nodes[node];
            let zone = state.spec.labels.get(view.catalog.known.zone);
            let Some(group) = state.group else { continue };
            for t in templates.range(group).filter(|t| templates.all()[*t].zone == zone) {
                in_zone[t] += 1;
            }
        }
        Packer {
            view,
            templates,
            options,
            classes,
            used,
            in_zone,
            launched: vec![0; templates.all().len()],
            left: Vec::new(),
            excluded,
            result: Packing::default(),
        }
    }

    /// How many more nodes of a template may be launched.
    pub fn room(&self, template: usize) -> u32 {
        let t = &self.templates.all()[template];
        if self.options.frozen.contains(&t.group)
            || self.options.left.contains(&t.group)
            || self.options.shortages.iter().any(|s| s.concerns(t.group, t.machine, t.zone))
        {
            return 0;
        }
        limits::room(&self.view.catalog.groups[t.group], &self.used[t.group], t)
    }

    /// Counts launches of a template, each with `free` left on it.
    pub fn launch(&mut self, template: usize, count: u32, free: Vec<i64>) {
        let t = &self.templates.all()[template];
        self.used[t.group].add(t, count);
        for same in self.templates.range(t.group) {
            if self.templates.all()[same].zone == t.zone {
                self.in_zone[same] += count;
            }
        }
        self.launched[template] += count;
        self.left.push((template, free, count));
    }

    /// What a fresh node of a template has free, in the dimensions of demands.
    pub fn fresh(&self, template: usize) -> Vec<i64> {
        self.classes.dims.fresh(&self.templates.all()[template])
    }

    fn finish(mut self) -> Packing {
        let mut launches: Vec<Launch> = self
            .launched
            .iter()
            .enumerate()
            .filter(|(_, n)| **n > 0)
            .map(|(i, n)| {
                let t = &self.templates.all()[i];
                Launch { group: t.group, machine: t.machine, zone: t.zone, count: *n }
            })
            .collect();
        launches.sort();
        self.result.launches = launches;
        for class in 0..self.classes.len() {
            let waiting = self.classes.waiting(class).to_vec();
            if !waiting.is_empty() {
                let reasons = self.why_not(class);
                self.result.unhosted.push(Unhosted { pods: waiting, reasons });
            }
        }
        self.result
    }

    /// For each group, why a class found no place in it.
    fn why_not(&self, class: usize) -> Vec<Refusal> {
        let catalog = self.view.catalog;
        let groups = catalog.groups.entries().filter(|(_, g)| !g.template_only);
        groups
            .filter_map(|(index, group)| {
                let no = |code, text: String| Some(Refusal { group: index, code, text });
                if self.options.left.contains(&index) {
                    let why = self.options.left_reason;
                    return no("source-group", if why.is_empty() { SOURCE_GROUP } else { why }.into());
                }
                let range = self.templates.range(index);
                if range.is_empty() {
                    return no("group-without-machines", "no machine type of known size in any of its zones".into());
                }
                let can: Vec<usize> = range.clone().filter(|t| self.classes.allows(class, *t)).collect();
                if can.is_empty() {
                    return self.classes.refusal(self.view, self.templates, class, index);
                }
                if self.options.frozen.contains(&index) {
                    return no("group-frozen", "it may not be scaled up".into());
                }
                let short = |t: &usize| {
                    let t = &self.templates.all()[*t];
                    self.options.shortages.iter().any(|s| s.concerns(t.group, t.machine, t.zone))
                };
                if can.iter().all(short) {
                    return no("no-capacity", "the cloud has no capacity for it now".into());
                }
                no("group-full", limits::full_text(catalog, group, &self.used[index]))
            })
            .collect()
    }
}

/// How many times a demand fits into what is free.
pub(crate) fn times(free: &[i64], demand: &Demand) -> u32 {
    let mut most = i64::from(u32::MAX);
    for (dim, amount) in demand {
        let have = free.get(*dim).copied().unwrap_or(0);
        most = most.min(if have < *amount { 0 } else { have / amount });
    }
    most as u32
}

/// Takes a demand off what is free, `count` times.
pub(crate) fn take(free: &mut [i64], demand: &Demand, count: u32) {
    for (dim, amount) in demand {
        free[*dim] -= amount * i64::from(count);
    }
}
