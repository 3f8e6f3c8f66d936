//! Karpenter NodePools: labels, taints, requirements, limits, weight (karpenter.sh/v1 and v1beta1).

use super::fields::{Fields, Unread};
use super::machine_labels::{INSTANCE_TYPE, Verdict, is_of_machine, verdict};
use super::make::{Draft, DraftMachine, DraftRequirement, vendors_effect};
use super::{GroupsError, Reader};
use crate::cluster::{GroupOrigin, Operator};
use crate::snapshot::groups::ocean::Note;

const ZONE: &str = "topology.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";
const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";

/// Older names of labels, which Karpenter takes for the newer ones (karpenter `pkg/apis/v1/labels.go` `NormalizedLabels`, and those of
/// its providers).
const RENAMED: &[(&str, &str)] = &[
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/instance-type", INSTANCE_TYPE),
    ("failure-domain.beta.kubernetes.io/zone", ZONE),
    ("failure-domain.beta.kubernetes.io/region", REGION),
    ("topology.ebs.csi.aws.com/zone", ZONE),
    ("topology.disk.csi.azure.com/zone", ZONE),
    ("topology.gke.io/zone", ZONE),
];

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
        let at = t.at("effect");
        let effect = vendors_effect(t.text("effect")?.unwrap_or("NoSchedule"), &at, &mut notes);
        taints.push((key.to_string(), t.text("value")?.unwrap_or_default().to_string(), effect));
    }
    let mut requirements = Vec::new();
    for r in inner.children("requirements")? {
        requirements.extend(requirement(r, unread, &mut notes)?);
    }
    inner.skip(&["nodeClassRef", "expireAfter", "startupTaints", "terminationGracePeriod"]);
    inner.finish(unread);
    let (limits, max_count) = limits(spec.child("limits")?)?;
    let weight = spec.count("weight")?.unwrap_or(0) as i32;
    spec.skip(&["disruption"]);
    spec.finish(unread);
    let chosen = Chosen::of(reader, requirements, &mut notes);
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
        machines: chosen.machines,
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
        without_machines: chosen.without_machines,
    };
    Ok((draft, notes))
}

/// One requirement; None, with a note, for one that is not understood.
fn requirement(
    mut r: Fields<'_>,
    unread: &mut Unread,
    notes: &mut Vec<Note>,
) -> Result<Option<DraftRequirement>, GroupsError> {
    let key = r.text("key")?.ok_or_else(|| r.missing("key", "a label key"))?;
    let key = RENAMED.iter().find(|(old, _)| *old == key).map_or(key, |(_, new)| new).to_string();
    let text = r.text("operator")?.unwrap_or("In");
    let mut values: Vec<String> = r.texts("values")?.into_iter().map(str::to_string).collect();
    let said = format!("{key} {text} {}", values.join(", ")).trim_end().to_owned();
    if r.get("minValues").is_some() {
        let message = format!("requirement {said}: minValues is not modelled; more launches may succeed than would");
        notes.push(("min-values-not-modelled", message));
    }
    r.finish(unread);
    // Bounds are whole numbers, so that Gte 5 is Gt 4.
    let bound = values.first().and_then(|v| v.parse::<i64>().ok());
    let (operator, bound) = match text {
        "In" => (Operator::In, None),
        "NotIn" => (Operator::NotIn, None),
        "Exists" => (Operator::Exists, None),
        "DoesNotExist" => (Operator::DoesNotExist, None),
        "Gt" => (Operator::Gt, bound),
        "Lt" => (Operator::Lt, bound),
        "Gte" => (Operator::Gt, bound.and_then(|n| n.checked_sub(1))),
        "Lte" => (Operator::Lt, bound.and_then(|n| n.checked_add(1))),
        _ => {
            notes.push((
                "group-requirement-not-read",
                format!("requirement {said}: the operator is not known; it is left out"),
            ));
            return Ok(None);
        }
    };
    if matches!(operator, Operator::Gt | Operator::Lt) {
        let Some(bound) = bound else {
            notes.push((
                "group-requirement-not-read",
                format!("requirement {said}: its bound is no whole number; it is left out"),
            ));
            return Ok(None);
        };
        values = vec![bound.to_string()];
    }
    Ok(Some(DraftRequirement { key, operator, values, said }))
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
#[derive(Default)]
struct Chosen {
    labels: Vec<(String, String)>,
    zones: Option<Vec<String>>,
    machines: Vec<DraftMachine>,
    without_machines: Option<String>,
    spot: bool,
    fallback: bool,
    left: Vec<DraftRequirement>,
}

impl Chosen {
    /// Machine types by what is known of them; zones and capacity type apart; of the rest, those that leave one value become labels, the
    /// others stay requirements.
    fn of(reader: &Reader<'_>, requirements: Vec<DraftRequirement>, notes: &mut Vec<Note>) -> Chosen {
        let mut chosen = Chosen::default();
        let (of_machine, rest): (Vec<_>, Vec<_>) = requirements.into_iter().partition(|r| is_of_machine(&r.key));
        chosen.choose_machines(reader, &of_machine, notes);
        let (of_zone, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|r| r.key == ZONE);
        chosen.choose_zones(reader, &of_zone);
        let (capacity, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|r| r.key == CAPACITY_TYPE);
        chosen.choose_capacity(&capacity, notes);
        for r in rest {
            match r.operator {
                _ if r.key.starts_with("topology.") && r.key != REGION => {
                    let message =
                        format!("requirement {}: nothing tells it of the cluster's zones; it is left out", r.said);
                    notes.push(("group-requirement-not-read", message));
                }
                Operator::In if r.values.len() == 1 => chosen.labels.push((r.key, r.values[0].clone())),
                _ => chosen.left.push(r),
            }
        }
        chosen
    }

    /// The types of known size that fulfil all requirements as far as is known. What is not known of some is said.
    fn choose_machines(&mut self, reader: &Reader<'_>, requirements: &[DraftRequirement], notes: &mut Vec<Note>) {
        let known = &reader.known.types;
        let mut names: Vec<&String> = Vec::new();
        let mut unknown: Vec<Vec<&str>> = vec![Vec::new(); requirements.len()];
        for (name, machine) in known {
            let verdicts: Vec<Verdict> = requirements.iter().map(|r| verdict(name, machine, r)).collect();
            if verdicts.contains(&Verdict::Excluded) {
                continue;
            }
            names.push(name);
            for (types, _) in unknown.iter_mut().zip(&verdicts).filter(|(_, v)| **v == Verdict::Unknown) {
                types.push(name.as_str());
            }
        }
        for (r, types) in requirements.iter().zip(unknown).filter(|(_, types)| !types.is_empty()) {
            let more = if types.len() > 5 { format!(" and {} more", types.len() - 5) } else { String::new() };
            let types = types[..types.len().min(5)].join(", ");
            let message =
                format!("requirement {}: it is not known whether {types}{more} fulfil it; they are taken to", r.said);
            notes.push(("group-requirement-not-applied", message));
        }
        if names.is_empty() && !known.is_empty() {
            let all: Vec<&str> = requirements.iter().map(|r| r.said.as_str()).collect();
            let n = known.len();
            self.without_machines = Some(format!(
                "none of the {n} machine types of known size fulfils all its requirements: {}",
                all.join("; ")
            ));
        }
        // Cheapest first: Karpenter orders types by price.
        names.sort_by_key(|n| known.get(*n).and_then(|k| k.price).unwrap_or(u64::MAX));
        let draft = |name: &String| {
            let labels = known.get(name).map(|k| super::machine_labels::of_karpenter(name, k)).unwrap_or_default();
            DraftMachine { name: name.clone(), labels, ..DraftMachine::default() }
        };
        self.machines = names.into_iter().map(draft).collect();
    }

    fn choose_zones(&mut self, reader: &Reader<'_>, requirements: &[DraftRequirement]) {
        let listed = requirements.iter().find(|r| r.operator == Operator::In);
        let zones = listed.map_or_else(|| reader.all_zones(), |r| r.values.clone());
        if !requirements.is_empty() {
            self.zones = Some(zones.into_iter().filter(|z| requirements.iter().all(|r| r.holds(Some(z)))).collect());
        } else if reader.zones.is_empty() {
            self.zones = Some(zones);
        }
    }

    /// Karpenter defaults to on-demand, and takes spot first where both are allowed.
    fn choose_capacity(&mut self, requirements: &[DraftRequirement], notes: &mut Vec<Note>) {
        let allows = |kind: &str| requirements.iter().all(|r| r.holds(Some(kind)));
        self.spot = !requirements.is_empty() && allows("spot");
        self.fallback = self.spot && allows("on-demand");
        if !["spot", "on-demand", "reserved"].into_iter().any(allows) {
            let said: Vec<&str> = requirements.iter().map(|r| r.said.as_str()).collect();
            let message =
                format!("requirement {}: none of spot, on-demand and reserved; on-demand is taken", said.join("; "));
            notes.push(("group-value-unknown", message));
        }
        let kind = if self.spot { "spot" } else { "on-demand" };
        self.labels.push((CAPACITY_TYPE.into(), kind.into()));
    }
}
