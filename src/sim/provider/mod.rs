//! The provider: who launches and ends machines, for autoscalers and procedures alike.

mod machines;

pub use machines::{LaunchRequest, Machines};

use super::ctx::Ctx;
use crate::cluster::{Arena, GroupIdx, MachineIdx, Sym, View};
use crate::groups::limits::Usage;
use crate::groups::{Template, Templates, limits};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The provider of one cluster: what its groups would make, the machines under way, and the limits of both.
#[derive(Clone, Debug)]
pub struct Provider {
    templates: Arc<Templates>,
    fallbacks: u32,
    /// Machines under way and machines being ended.
    pub machines: Machines,
    last_launch_ms: Option<i64>,
    had: Option<Had>,
}

/// What the groups had when it was counted last, machines under way included.
#[derive(Clone, Debug)]
struct Had {
    /// Up to which change of the state, and which launch.
    at: (u64, u32),
    used: Arena<GroupIdx, Usage>,
    zones: BTreeMap<(GroupIdx, Option<Sym>), usize>,
}

impl Had {
    fn count(&mut self, template: &Template) {
        self.used[template.group].add(template, 1);
        *self.zones.entry((template.group, template.zone)).or_default() += 1;
    }
}

impl Provider {
    /// A provider that has launched nothing yet. Where a machine type has no capacity, `fallbacks` others of the group are tried.
    pub fn new(templates: Arc<Templates>, fallbacks: u32) -> Provider {
        Provider { templates, fallbacks, machines: Machines::default(), last_launch_ms: None, had: None }
    }

    /// What the groups would make.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// When it last accepted a launch, whoever asked for it.
    pub fn last_launch_ms(&self) -> Option<i64> {
        self.last_launch_ms
    }

    /// Launches one machine of a group: the type and zone asked for, else the group's choice. When that has no capacity, others of
    /// the group that are no smaller (in the same zone, if one was asked for) are tried. Err is the last refusal. `beyond_max`: whatever
    /// the group's maximum is.
    pub fn launch(
        &mut self,
        ctx: &mut Ctx<'_>,
        group: GroupIdx,
        machine: Option<MachineIdx>,
        zone: Option<Sym>,
        batch: Option<u32>,
        beyond_max: bool,
    ) -> Result<(), &'static str> {
        if ctx.catalog.groups.get(group).is_none() {
            return Err("NoSuchGroup");
        }
        let options = self.ways(ctx, group, machine, zone);
        if options.is_empty() {
            return Err("NoMachineType");
        }
        let mut refusal = "GroupFull";
        for template in options.into_iter().take(1 + self.fallbacks as usize) {
            let launched = match beyond_max {
                true => self.start(ctx, &template, batch),
                false => self.launch_template(ctx, &template, batch),
            };
            match launched {
                Ok(()) => return Ok(()),
                // A full group or an absent provider is the same for every type.
                Err(reason @ ("GroupFull" | "ProviderUnavailable")) => return Err(reason),
                Err(reason) => refusal = reason,
            }
        }
        Err(refusal)
    }

    /// Launches one machine of this very type and zone, within the group's limits. Err says why not.
    pub fn launch_template(
        &mut self,
        ctx: &mut Ctx<'_>,
        template: &Template,
        batch: Option<u32>,
    ) -> Result<(), &'static str> {
        let group = &ctx.catalog.groups[template.group];
        if limits::room(group, &self.had(ctx).used[template.group], template) == 0 {
            return Err("GroupFull");
        }
        self.start(ctx, template, batch)
    }

    /// Launches one machine of this very type and zone.
    fn start(&mut self, ctx: &mut Ctx<'_>, template: &Template, batch: Option<u32>) -> Result<(), &'static str> {
        let request = LaunchRequest {
            group: template.group,
            machine: template.machine,
            zone: template.zone,
            batch,
            template: self.templates.node_spec(template),
        };
        self.machines.launch(ctx, request)?;
        self.last_launch_ms = Some(ctx.now);
        if let Some(had) = &mut self.had {
            had.count(template);
            had.at.1 = self.machines.started();
        }
        Ok(())
    }

    /// What the groups have now. Many machines are launched at once: all nodes are counted again only when something has changed meanwhile.
    fn had(&mut self, ctx: &Ctx<'_>) -> &Had {
        let at = (ctx.state.cursor(), self.machines.started());
        let had = match self.had.take() {
            Some(had) if had.at == at => had,
            _ => {
                let zone = ctx.catalog.known.zone;
                let used = limits::usage(View { catalog: ctx.catalog, state: ctx.state });
                let mut had = Had { at, used, zones: BTreeMap::new() };
                for node in ctx.state.live_nodes() {
                    let node = &ctx.state.nodes[node];
                    if let Some(group) = node.group {
                        *had.zones.entry((group, node.spec.labels.get(zone))).or_default() += 1;
                    }
                }
                for request in self.machines.unregistered() {
                    match self.templates.find(request.group, request.machine, request.zone) {
                        Some(template) => had.count(template),
                        None => *had.zones.entry((request.group, request.zone)).or_default() += 1,
                    }
                }
                had
            }
        };
        self.had.insert(had)
    }

    /// Templates that serve a request, the one asked for first; zones with the fewest nodes of the group first.
    fn ways(
        &mut self,
        ctx: &Ctx<'_>,
        group: GroupIdx,
        machine: Option<MachineIdx>,
        zone: Option<Sym>,
    ) -> Vec<Template> {
        self.had(ctx);
        let mut ways: Vec<&Template> =
            self.templates.of(group).iter().filter(|t| zone.is_none() || t.zone == zone).collect();
        let wanted =
            machine.and_then(|m| ways.iter().find(|t| t.machine == m).map(|t| (t.allocatable.clone(), t.pod_slots)));
        let zones = self.had.as_ref().map(|had| &had.zones);
        let in_zone = |zone: Option<Sym>| zones.and_then(|z| z.get(&(group, zone))).copied().unwrap_or(0);
        if let (Some(machine), Some((least, slots))) = (machine, wanted) {
            ways.retain(|t| t.pod_slots >= slots && t.allocatable.iter().zip(&least).all(|(a, b)| a >= b));
            ways.sort_by_cached_key(|t| (t.machine != machine, in_zone(t.zone)));
        } else if machine.is_some() {
            return Vec::new();
        } else {
            let order = |t: &Template| ctx.catalog.groups[group].machines.iter().position(|m| *m == t.machine);
            ways.sort_by_cached_key(|t| (order(t), in_zone(t.zone)));
        }
        ways.into_iter().cloned().collect()
    }
}
