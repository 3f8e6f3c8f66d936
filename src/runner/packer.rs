//! The runner's packer: replacements for a batch's pods, from groups.

use super::interface::{Launch, NoLaunches, Packer, Packing, Unplaceable};
use crate::cluster::*;
use crate::groups::membership::left_groups;
use crate::groups::pack::{Choice, PackOptions, pack};
use crate::groups::{GroupMatch, Matcher};
use crate::groups::{Refusal, Templates};
use crate::intent::options::{FreeRoom, OceanCloud, Options};
use std::sync::Arc;

/// Which groups give no new nodes.
#[derive(Clone, Debug)]
pub struct Closed {
    ocean: bool,
    may_grow: bool,
    to: Vec<String>,
}

impl Closed {
    /// As the options have it.
    pub fn of(options: &Options) -> Closed {
        Closed {
            ocean: options.procedure.is_ocean(),
            may_grow: options.source_groups_may_grow,
            to: options.to_groups.clone(),
        }
    }

    /// Whether a group is one of those that alone may give new nodes, if any were named.
    pub fn is_chosen(&self, catalog: &Catalog, group: GroupIdx) -> bool {
        let g = &catalog.groups[group];
        self.to.is_empty() || self.to.iter().any(|t| t == catalog.text(g.id) || t == catalog.text(g.name))
    }

    /// The groups of a migration of these nodes: Ocean launches nothing in the groups that old nodes leave.
    pub fn groups(&self, view: View<'_>, old: &[NodeIdx]) -> Vec<GroupIdx> {
        let mut closed = if self.ocean { left_groups(view, old) } else { Vec::new() };
        if !self.may_grow {
            closed.extend(old.iter().filter_map(|n| view.state.nodes[*n].group));
        }
        closed.extend(view.catalog.groups.indices().filter(|g| !self.is_chosen(view.catalog, *g)));
        closed.sort_unstable();
        closed.dedup();
        closed
    }

    /// The names that no group has, with the groups there are.
    pub fn unknown(&self, catalog: &Catalog) -> Option<String> {
        let names = |g: &NodeGroup| [catalog.text(g.id).to_owned(), catalog.text(g.name).to_owned()];
        let known: Vec<[String; 2]> = catalog.groups.iter().filter(|g| !g.template_only).map(names).collect();
        let unknown = self.to.iter().find(|t| !known.iter().any(|k| k.contains(t)))?;
        let ids: Vec<&str> = known.iter().map(|k| k[0].as_str()).collect();
        let there = if ids.is_empty() { "there are none".to_owned() } else { format!("there are {}", ids.join(", ")) };
        Some(format!("--to (options.to_groups): no node group is called {unknown}; {there}"))
    }
}

/// Plans new nodes by bin-packing onto the groups of the catalogue.
#[derive(Clone, Debug)]
pub struct GroupPacker {
    templates: Templates,
    options: PackOptions,
    /// Match nodes by the pods on them (Ocean on AWS).
    by_pods: bool,
    /// The groups that give no new nodes.
    closed: Closed,
}

impl GroupPacker {
    /// A packer for the cluster as it is before the migration.
    pub fn new(view: View<'_>, options: &Options) -> GroupPacker {
        GroupPacker {
            templates: Templates::new(view),
            options: Self::pack_options(options),
            by_pods: options.procedure.ocean() == Some(OceanCloud::Aws),
            closed: Closed::of(options),
        }
    }
    /// How a procedure packs, but for what depends on the nodes that go.
    ///
    /// Ocean's procedures use Ocean's order of groups, keep its headroom, and count free room on its own nodes only, if not asked otherwise;
    /// others prefer the group that a pod's node is of, then the cheapest, and use what is free on all nodes that stay.
    pub fn pack_options(options: &Options) -> PackOptions {
        let ocean = options.procedure.is_ocean();
        PackOptions {
            choice: if ocean { Choice::Ocean } else { Choice::Cheapest },
            prefer_home: !ocean,
            use_existing: true,
            oceans_only: ocean && options.ocean.free_room == FreeRoom::OceanNodes,
            headroom: ocean,
            left_reason: options.closed_reason(),
            ..PackOptions::default()
        }
    }
    /// Who plans the new nodes: only procedures that launch them need anybody.
    pub fn of_procedure(view: View<'_>, options: &Options) -> Arc<dyn Packer> {
        match options.procedure.launches() {
            true => Arc::new(GroupPacker::new(view, options)),
            false => Arc::new(NoLaunches),
        }
    }
    /// What the groups would make.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }
}

impl Packer for GroupPacker {
    fn pack(&self, view: View<'_>, pods: &[PodIdx], old: &[NodeIdx]) -> Packing {
        // What the run launched and is not Ready yet; nodes of the snapshot that are not Ready may never be again.
        let launched = |n: &NodeIdx| !view.state.nodes[*n].ready && view.state.nodes[*n].created > 0;
        let starting = view.state.live_nodes().filter(launched).collect();
        let left = self.closed.groups(view, old);
        let options = PackOptions { exclude: old.to_vec(), starting, left, ..self.options.clone() };
        let packed = pack(view, &self.templates, pods, &options);
        let reason =
            |r: &Refusal| format!("group {}: {}", view.catalog.text(view.catalog.groups[r.group].name), r.text);
        Packing {
            launches: packed
                .launches
                .iter()
                .map(|l| Launch { group: l.group, machine: Some(l.machine), zone: l.zone, count: l.count })
                .collect(),
            unplaceable: packed
                .unhosted
                .iter()
                .flat_map(|u| {
                    let why: Vec<String> = u.reasons.iter().map(reason).collect();
                    let why = if why.is_empty() { "there is no node group".to_string() } else { why.join("; ") };
                    let passing = |code: &str| matches!(code, "group-full" | "group-frozen" | "no-capacity");
                    let permanent = !u.reasons.iter().any(|r| passing(r.code));
                    u.pods.iter().map(move |p| Unplaceable { pod: *p, why: why.clone(), permanent })
                })
                .collect(),
        }
    }
    fn closed(&self, view: View<'_>, old: &[NodeIdx]) -> Vec<GroupIdx> {
        self.closed.groups(view, old)
    }
    fn match_node(&self, view: View<'_>, node: NodeIdx, closed: &[GroupIdx]) -> Result<Option<GroupIdx>, String> {
        match Matcher::new(view, &self.templates, self.by_pods, closed).find(node) {
            GroupMatch::Default => Ok(None),
            GroupMatch::Group(group) => Ok(Some(group)),
            GroupMatch::None { nearest: None } => Err("there is no node group".into()),
            GroupMatch::None { nearest: Some((group, differences)) } => {
                let texts: Vec<&str> = differences.iter().map(|d| d.text.as_str()).collect();
                Err(format!("nearest group {}: {}", view.catalog.text(view.catalog.groups[group].id), texts.join("; ")))
            }
        }
    }
}
