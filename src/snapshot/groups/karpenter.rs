//! Karpenter NodePools: labels, taints, requirements, limits, weight (karpenter.sh/v1 and v1beta1).

use super::fields::{Fields, Unread};
use super::make::{Draft, DraftRequirement, EFFECTS, effect, named};
use super::{GroupsError, Reader};
use crate::cluster::{GroupOrigin, Operator, Severity};
use crate::snapshot::groups::ocean::Note;

/// Label keys whose values a machine type has, so that a requirement on them chooses types.
const OF_MACHINE: &[&str] = &["kubernetes.io/arch", "kubernetes.io/os", "node.kubernetes.io/instance-type"];

/// Reads one NodePool.
pub(super) fn read(
    reader: &Reader<'_>,
    mut f: Fields<'_>,
    unread: &mut Unread,
) -> Result<(Draft, Vec<Note>), GroupsError> {
    let mut notes = Vec::new();
    f.skip(&["apiVersion", "kind", "status"]);
    let mut meta = f.child("metadata")?.ok_or_else(|| f.missing("metadata", "the NodePool's metadata"))?;
    let name = meta.text("name")?.ok_or_else(|| meta.missing("name", "the NodePool's name"))?.to_string();
    let mut spec = f.child("spec")?.ok_or_else(|| f.missing("spec", "the NodePool's spec"))?;
    let mut template = spec.child("template")?.ok_or_else(|| spec.missing("template", "the nodes' template"))?;
    let mut labels = match template.child("metadata")? {
        Some(mut m) => m.labels("labels")?,
        None => Vec::new(),
    };
    labels.push(("karpenter.sh/nodepool".into(), name.clone()));
    let mut inner = template.child("spec")?.ok_or_else(|| template.missing("spec", "the nodes' spec"))?;
    let mut taints = Vec::new();
    for mut t in inner.children("taints")? {
        let key = t.text("key")?.ok_or_else(|| t.missing("key", "the taint's key"))?;
        let text = t.text("effect")?.unwrap_or("NoSchedule");
        let effect = effect(text).ok_or_else(|| t.wrong("effect", &text.into(), EFFECTS))?;
        taints.push((key.to_string(), t.text("value")?.unwrap_or_default().to_string(), effect));
    }
    let mut requirements = Vec::new();
    for r in inner.children("requirements")? {
        requirements.push(requirement(r, unread, &mut notes)?);
    }
    inner.skip(&["nodeClassRef", "expireAfter", "startupTaints", "terminationGracePeriod"]);
    inner.finish(unread);
    let (limits, max_count) = limits(spec.child("limits")?)?;
    let weight = spec.count("weight")?.unwrap_or(0) as i32;
    spec.skip(&["disruption"]);
    spec.finish(unread);
    let chosen = Chosen::of(reader, requirements);
    labels.extend(chosen.labels);
    let draft = Draft {
        id: name.clone(),
        name,
        origin: GroupOrigin::Karpenter,
        is_default: false,
        template_only: false,
        labels,
        requirements: chosen.left,
        taints,
        zones: chosen.zones,
        region: None,
        machines: named(chosen.machines.iter().map(String::as_str)),
        min_count: 0,
        // A NodePool has no maximum count of its own.
        max_count: Some(max_count.unwrap_or(u32::MAX)),
        limits,
        weight,
        headroom: Vec::new(),
        auto_headroom_percent: 0,
        launch_delay: None,
        launch_failure_ppm: 0,
        spot_percent: Some(if chosen.spot { 100 } else { 0 }),
        fallback_to_od: chosen.fallback,
        restrict_scale_down: false,
        draining_timeout_ms: None,
        kubernetes_version: None,
        pod_slots: None,
    };
    Ok((draft, notes))
}

fn requirement(mut r: Fields<'_>, unread: &mut Unread, notes: &mut Vec<Note>) -> Result<DraftRequirement, GroupsError> {
    let key = r.text("key")?.ok_or_else(|| r.missing("key", "a label key"))?.to_string();
    let text = r.text("operator")?.unwrap_or("In");
    let operator = match text {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::Gt,
        "Lt" => Operator::Lt,
        _ => return Err(r.wrong("operator", &text.into(), "In, NotIn, Exists, DoesNotExist, Gt or Lt")),
    };
    if r.get("minValues").is_some() {
        let message = format!("requirement on {key}: minValues is not modelled; more launches may succeed than would");
        notes.push((Severity::Info, "min-values-not-modelled", message, "none needed if there is capacity"));
    }
    let values = r.texts("values")?.into_iter().map(str::to_string).collect();
    r.finish(unread);
    Ok(DraftRequirement { key, operator, values })
}

/// Amounts by resource name.
type Amounts = Vec<(String, i64)>;

/// Limits by resource, cpu in milli; `nodes` bounds the count.
fn limits(fields: Option<Fields<'_>>) -> Result<(Amounts, Option<u32>), GroupsError> {
    let (mut limits, mut nodes) = (Vec::new(), None);
    let Some(mut f) = fields else { return Ok((limits, nodes)) };
    for key in ["cpu", "memory", "ephemeral-storage", "nodes", "nvidia.com/gpu"] {
        let Some(value) = f.get(key) else { continue };
        let quantity = super::machines::quantity(value).ok_or_else(|| f.wrong(key, value, "a quantity"))?;
        match key {
            "nodes" => nodes = u32::try_from(quantity.value()).ok(),
            "cpu" => limits.push((key.to_string(), quantity.milli_value())),
            _ => limits.push((key.to_string(), quantity.value())),
        }
    }
    Ok((limits, nodes))
}

/// What a NodePool's requirements choose.
struct Chosen {
    labels: Vec<(String, String)>,
    zones: Option<Vec<String>>,
    machines: Vec<String>,
    spot: bool,
    fallback: bool,
    left: Vec<DraftRequirement>,
}

impl Chosen {
    /// Machine types by the labels they have (one they lack does not exclude them), zones and capacity type apart; of the rest, those
    /// that leave one value become labels, the others stay requirements.
    fn of(reader: &Reader<'_>, requirements: Vec<DraftRequirement>) -> Chosen {
        let mut chosen = Chosen {
            labels: Vec::new(),
            zones: None,
            machines: Vec::new(),
            spot: false,
            fallback: false,
            left: Vec::new(),
        };
        let fits = |(name, known): &(&String, &super::machines::Known)| {
            requirements.iter().all(|r| match r.key.as_str() {
                "node.kubernetes.io/instance-type" => r.holds(Some(name)),
                key => known.label(key).is_none_or(|v| r.holds(Some(v))),
            })
        };
        chosen.machines = reader.known.types.iter().filter(fits).map(|(n, _)| n.clone()).collect();
        // Cheapest first: Karpenter orders types by price.
        let price = |n: &String| reader.known.types.get(n).and_then(|k| k.price).unwrap_or(u64::MAX);
        chosen.machines.sort_by_key(price);
        let mut capacity: Option<DraftRequirement> = None;
        for r in requirements {
            match (r.key.as_str(), r.operator) {
                ("topology.kubernetes.io/zone", _) => {
                    let all = reader.all_zones();
                    let zones: Vec<String> = if r.operator == Operator::In { r.values.clone() } else { all };
                    chosen.zones = Some(zones.into_iter().filter(|z| r.holds(Some(z))).collect());
                }
                ("karpenter.sh/capacity-type", _) => capacity = Some(r),
                (key, _) if OF_MACHINE.contains(&key) || key.contains("/instance-") => {}
                (_, Operator::In) if r.values.len() == 1 => chosen.labels.push((r.key, r.values[0].clone())),
                _ => chosen.left.push(r),
            }
        }
        if chosen.zones.is_none() && reader.zones.is_empty() {
            chosen.zones = Some(reader.all_zones());
        }
        // Karpenter defaults to on-demand, and takes spot first where both are allowed.
        chosen.spot = capacity.as_ref().is_some_and(|r| r.holds(Some("spot")));
        chosen.fallback = chosen.spot && capacity.as_ref().is_some_and(|r| r.holds(Some("on-demand")));
        let kind = if chosen.spot { "spot" } else { "on-demand" };
        chosen.labels.push(("karpenter.sh/capacity-type".into(), kind.into()));
        chosen
    }
}
