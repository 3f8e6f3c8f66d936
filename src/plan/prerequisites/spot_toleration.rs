//! Pods that would have to run on spot nodes tolerate the taint that AKS puts on them.
//!
//! Without the toleration Ocean launches an on-demand node (D), which a group that is all spot and does not fall back to on-demand
//! cannot give.

use super::{Judgement, Rule, count, has_vngs};
use crate::cluster::{Effect, GroupIdx, PodIdx, Severity, Sym, Taint, View};
use crate::groups::Templates;
use crate::groups::eligible::refusal;
use crate::groups::template::UNNAMED;
use crate::groups::volumes::VolumeNeeds;
use crate::plan::options::ProcedureKind;
use crate::plan::preflight::Facts;

/// The key of the taint.
const KEY: &str = "kubernetes.azure.com/scalesetpriority";

/// See the module.
pub const RULE: Rule = Rule {
    name: "spot-toleration",
    requirement: |_| "Node validation checks: Whether Spot toleration exists.",
    source: |_| "Migrate AKS Workload using the Console",
    judge: |facts| (facts.options.procedure == ProcedureKind::OceanAzure).then(|| judge(facts)),
};

/// Whether a pod may run on a spot node of AKS.
pub fn tolerates_spot(view: View<'_>, pod: PodIdx) -> bool {
    // A name that the dump does not have equals none of its tolerations, but for those that name no key.
    let sym = |text: &str| view.catalog.names.get(text).unwrap_or(UNNAMED);
    let (key, value): (Sym, Sym) = (sym(KEY), sym("spot"));
    let taint = Taint { key, value, effect: Effect::NoSchedule };
    view.catalog.shape(view.state.pods[pod].spec).tolerations.iter().any(|t| t.tolerates(&taint))
}

/// Whether a group launches spot nodes only: all of them, without falling back to on-demand.
fn is_all_spot(view: View<'_>, group: GroupIdx) -> bool {
    let g = &view.catalog.groups[group];
    g.spot_percent == Some(100) && !g.fallback_to_od
}

/// Whether any group launches spot nodes only; without one no pod can lack a toleration.
pub fn may_matter(view: View<'_>) -> bool {
    view.catalog.groups.indices().any(|g| is_all_spot(view, g))
}

/// The group (its id) that would host a pod if it tolerated spot nodes, while no other can; None if it has a place.
pub fn needs_toleration(view: View<'_>, templates: &Templates, pod: PodIdx) -> Option<String> {
    if tolerates_spot(view, pod) {
        return None;
    }
    let spec = view.state.pods[pod].spec;
    let (needs, shape) = (VolumeNeeds::of(view, &view.catalog.specs[spec]), view.catalog.shape(spec));
    let hosts = |g: &GroupIdx| templates.of(*g).iter().any(|t| refusal(view, t, shape, &needs).is_none());
    let mut hosting = view.catalog.groups.indices().filter(hosts);
    let first = hosting.next()?;
    let all = is_all_spot(view, first) && hosting.all(|g| is_all_spot(view, g));
    all.then(|| view.catalog.text(view.catalog.groups[first].id).to_owned())
}

fn judge(facts: &Facts<'_>) -> Judgement {
    let view = facts.view;
    if !has_vngs(view) {
        return Judgement::unknown(
            "no Virtual Node Groups were given, which say how many of their nodes are spot nodes",
            "Give the Virtual Node Groups with --groups.",
        )
        .see("virtual-node-groups-unknown");
    }
    let pods: Vec<PodIdx> = facts.moving().into_iter().flat_map(|m| m.1).collect();
    let without: Vec<PodIdx> = pods.iter().copied().filter(|p| !tolerates_spot(view, *p)).collect();
    let stuck: Vec<(PodIdx, String)> =
        without.iter().filter_map(|p| Some((*p, needs_toleration(view, facts.templates, *p)?))).collect();
    if let Some((_, group)) = stuck.first() {
        let names: Vec<PodIdx> = stuck.iter().map(|s| s.0).collect();
        let fact = format!(
            "{} without toleration of {KEY}=spot:NoSchedule can run in groups only that launch nothing but spot nodes ({group}): {}",
            count(stuck.len(), "pod"),
            facts.names(&names)
        );
        let mut judgement = Judgement::fail(
            fact,
            "Add the toleration, or set the group's strategy to fall back to on-demand (fallbackToOd) or to less than 100 % spot.",
        );
        for (object, _) in facts.by_workload(names).into_iter().take(20) {
            judgement = judgement.finding(Severity::Error, "spot-toleration-missing", object);
        }
        return judgement;
    }
    let spot = view.catalog.groups.iter().any(|g| g.spot_percent.is_some_and(|p| p > 0));
    Judgement::pass(match (without.len(), spot) {
        (0, _) => format!("all of {} tolerate spot nodes", count(pods.len(), "pod")),
        (_, false) => "the groups launch no spot nodes".to_owned(),
        (n, true) => {
            format!(
                "spot nodes are not tolerated by {n} of {}, for which Ocean launches on-demand nodes",
                count(pods.len(), "pod")
            )
        }
    })
}
