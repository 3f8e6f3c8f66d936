//! The provider: who launches and ends machines, for autoscalers and procedures alike.

mod machines;

pub use machines::{LaunchRequest, Machines};

use super::ctx::Ctx;
use crate::cluster::{GroupIdx, MachineIdx, Sym, View};
use crate::groups::{Template, Templates, limits};
use std::sync::Arc;

/// The provider of one cluster: what its groups would make, the machines under way, and the limits of both.
#[derive(Clone, Debug)]
pub struct Provider {
    templates: Arc<Templates>,
    fallbacks: u32,
    /// Machines under way and machines being ended.
    pub machines: Machines,
    last_launch_ms: Option<i64>,
}

impl Provider {
    /// A provider that has launched nothing yet. Where a machine type has no capacity, `fallbacks` others of the group are tried.
    pub fn new(templates: Arc<Templates>, fallbacks: u32) -> Provider {
        Provider { templates, fallbacks, machines: Machines::default(), last_launch_ms: None }
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
    /// the group that are no smaller (in the same zone, if one was asked for) are tried. Err is the last refusal.
    pub fn launch(
        &mut self,
        ctx: &mut Ctx<'_>,
        group: GroupIdx,
        machine: Option<MachineIdx>,
        zone: Option<Sym>,
        batch: Option<u32>,
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
            match self.launch_template(ctx, &template, batch) {
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
        let mut used = limits::usage(View { catalog: ctx.catalog, state: ctx.state })[template.group].clone();
        for request in self.machines.unregistered().filter(|r| r.group == template.group) {
            if let Some(t) = self.templates.find(request.group, request.machine, request.zone) {
                used.add(t, 1);
            }
        }
        if limits::room(group, &used, template) == 0 {
            return Err("GroupFull");
        }
        let request = LaunchRequest {
            group: template.group,
            machine: template.machine,
            zone: template.zone,
            batch,
            template: self.templates.node_spec(template),
        };
        self.machines.launch(ctx, request)?;
        self.last_launch_ms = Some(ctx.now);
        Ok(())
    }

    /// Templates that serve a request, the one asked for first; zones with the fewest nodes of the group first.
    fn ways(&self, ctx: &Ctx<'_>, group: GroupIdx, machine: Option<MachineIdx>, zone: Option<Sym>) -> Vec<Template> {
        let mut ways: Vec<&Template> =
            self.templates.of(group).iter().filter(|t| zone.is_none() || t.zone == zone).collect();
        let wanted =
            machine.and_then(|m| ways.iter().find(|t| t.machine == m).map(|t| (t.allocatable.clone(), t.pod_slots)));
        let in_zone = |zone: Option<Sym>| {
            let of_group = |n: &crate::cluster::NodeIdx| {
                let node = &ctx.state.nodes[*n];
                node.group == Some(group) && node.spec.labels.get(ctx.catalog.known.zone) == zone
            };
            ctx.state.live_nodes().filter(of_group).count()
                + self.machines.unregistered().filter(|r| r.group == group && r.zone == zone).count()
        };
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
