//! Ocean's virtual node groups: AWS `launchSpec` and Azure `virtualNodeGroup` (docs/reference/ocean.md).

use super::fields::{Fields, Unread};
use super::machines::Known;
use super::make::{Draft, DraftMachine, named, vendors_effect};
use super::{GroupsError, Reader};
use crate::cluster::{Effect, GroupOrigin};

/// Ocean's automatic headroom where none is configured (D).
const AUTO_HEADROOM_PERCENT: u32 = 5;
/// Most nodes of a group where none is configured: Ocean's limit of a cluster on AWS, `maxCount` on Azure (D).
const MAX_COUNT: u32 = 1000;

/// Reads one AWS `launchSpec`.
pub(super) fn read_aws(
    reader: &Reader<'_>,
    mut f: Fields<'_>,
    unread: &mut Unread,
) -> Result<(Draft, Vec<Note>), GroupsError> {
    let mut notes = Vec::new();
    let id = f.text("id")?.map(str::to_string);
    let name = f.text("name")?.map(str::to_string);
    let Some(id) = id.or_else(|| name.clone()) else {
        return Err(f.missing("id", "the launch specification's id or name"));
    };
    let name = name.unwrap_or_else(|| id.clone());
    let mut limits = f.child("resourceLimits")?;
    let (min, max) = match &mut limits {
        Some(l) => (l.count("minInstanceCount")?, l.count("maxInstanceCount")?),
        None => (None, None),
    };
    let filters = filters(f.child("instanceTypesFilters")?, unread, &mut notes)?;
    let types = f.texts("instanceTypes")?;
    let mut preferred = f.texts("preferredOnDemandTypes")?;
    preferred.extend(f.texts("preferredSpotTypes")?);
    let (machines, without_machines) = machines(reader, &preferred, &types, &filters);
    let (headroom, percent) = headroom(f.child("autoScale")?, unread)?;
    let strategy = strategy(f.child("strategy")?, unread)?;
    f.skip(&[
        "oceanId",
        "createdAt",
        "updatedAt",
        "imageId",
        "userData",
        "securityGroupIds",
        "iamInstanceProfile",
        "keyPair",
        "tags",
    ]);
    f.skip(&[
        "blockDeviceMappings",
        "rootVolumeSize",
        "associatePublicIpAddress",
        "instanceMetadataOptions",
        "elasticIpPool",
        "images",
    ]);
    f.skip(&["subnetIds"]); // a subnet's zone is not in the description
    let draft = Draft {
        is_default: is_default(&name),
        id,
        name,
        origin: GroupOrigin::OceanAws,
        template_only: false,
        labels: f.labels("labels")?,
        requirements: Vec::new(),
        taints: taints(&mut f, &mut notes)?,
        zones: None,
        region: None,
        machines,
        min_count: min.unwrap_or(0) as u32,
        max_count: Some(count(max)),
        limits: Vec::new(),
        weight: 0,
        headroom,
        auto_headroom_percent: percent,
        launch_delay: None,
        launch_failure_ppm: 0,
        spot_percent: Some(strategy.spot),
        fallback_to_od: strategy.fallback,
        restrict_scale_down: f.flag("restrictScaleDown")?.unwrap_or(false),
        draining_timeout_ms: strategy.draining_ms,
        kubernetes_version: None,
        pod_slots: None,
        without_machines,
    };
    f.finish(unread);
    Ok((draft, notes))
}

/// Reads one Azure `virtualNodeGroup`.
pub(super) fn read_azure(
    reader: &Reader<'_>,
    mut f: Fields<'_>,
    unread: &mut Unread,
) -> Result<(Draft, Vec<Note>), GroupsError> {
    let mut notes = Vec::new();
    let id = f.text("id")?.map(str::to_string);
    let name = f.text("name")?.map(str::to_string);
    let Some(id) = id.or_else(|| name.clone()) else {
        return Err(f.missing("id", "the virtual node group's id or name"));
    };
    let name = name.unwrap_or_else(|| id.clone());
    let (mut min, mut max, mut slots, mut arch) = (None, None, Some(110), Vec::new());
    let mut version = None;
    if let Some(mut l) = f.child("nodeCountLimits")? {
        (min, max) = (l.count("minCount")?, l.count("maxCount")?);
        l.finish(unread);
    }
    if let Some(mut p) = f.child("nodePoolProperties")? {
        slots = p.count("maxPodsPerNode")?.or(slots);
        version = p.text("kubernetesVersion")?.map(str::to_string);
        if p.text("osType")?.is_some_and(|os| os.eq_ignore_ascii_case("windows")) {
            arch.push(("kubernetes.io/os".to_string(), "windows".to_string()));
        }
        p.skip(&["enableNodePublicIP", "osDiskSizeGB", "osDiskType", "osSKU", "podSubnetIDs", "vnetSubnetIDs"]);
        p.skip(&["linuxOSConfig"]);
        p.finish(unread);
    }
    let (mut preferred, mut wanted) = (Vec::new(), Filters::default());
    if let Some(mut sizes) = f.child("vmSizes")? {
        preferred = sizes.texts("preferredVmSizes")?;
        preferred.extend(sizes.texts("preferredVMSizes")?);
        wanted = filters(sizes.child("filters")?, unread, &mut notes)?;
        sizes.finish(unread);
    }
    let (machines, without_machines) = machines(reader, &preferred, &[], &wanted);
    let (headroom, percent) = headroom(f.child("autoScale")?, unread)?;
    let strategy = strategy(f.child("strategy")?, unread)?;
    let zones: Vec<String> = f.texts("availabilityZones")?.into_iter().map(str::to_string).collect();
    f.skip(&["oceanId", "createdAt", "updatedAt", "tags"]);
    let mut labels = f.labels("labels")?;
    labels.extend(arch);
    let draft = Draft {
        is_default: is_default(&name),
        id,
        name,
        origin: GroupOrigin::OceanAzure,
        template_only: false,
        labels,
        requirements: Vec::new(),
        taints: taints(&mut f, &mut notes)?,
        zones: (!zones.is_empty()).then_some(zones),
        region: None,
        machines,
        min_count: min.unwrap_or(0) as u32,
        max_count: Some(count(max)),
        limits: Vec::new(),
        weight: 0,
        headroom,
        auto_headroom_percent: percent,
        launch_delay: None,
        launch_failure_ppm: 0,
        spot_percent: Some(strategy.spot),
        fallback_to_od: strategy.fallback,
        restrict_scale_down: f.flag("restrictScaleDown")?.unwrap_or(false),
        draining_timeout_ms: strategy.draining_ms,
        kubernetes_version: version,
        pod_slots: slots,
        without_machines,
    };
    f.finish(unread);
    Ok((draft, notes))
}

/// Something to say about a group: code and message.
pub(super) type Note = (&'static str, String);

fn count(max: Option<i64>) -> u32 {
    max.map_or(MAX_COUNT, |m| u32::try_from(m).unwrap_or(u32::MAX))
}

/// Whether a group is the default one by its name: `default`, `Default VNG`, `default-vng`.
fn is_default(name: &str) -> bool {
    let plain = name.to_ascii_lowercase().replace(['-', '_'], " ");
    plain == "default" || plain == "default vng"
}

/// When a description says that it was created, in milliseconds; None if it does not say, or not in a form that can be read.
pub(super) fn created_ms(description: &serde_json::Value) -> Option<i64> {
    let created = description.get("createdAt")?;
    created.as_i64().or_else(|| crate::snapshot::time::parse_rfc3339(created.as_str()?))
}

fn taints(f: &mut Fields<'_>, notes: &mut Vec<Note>) -> Result<Vec<(String, String, Effect)>, GroupsError> {
    let mut taints = Vec::new();
    for mut t in f.children("taints")? {
        let key = t.text("key")?.ok_or_else(|| t.missing("key", "the taint's key"))?;
        let value = t.text("value")?.unwrap_or_default();
        let at = t.at("effect");
        let effect = vendors_effect(t.text("effect")?.unwrap_or("NoSchedule"), &at, notes);
        taints.push((key.to_string(), value.to_string(), effect));
    }
    Ok(taints)
}

/// Units of headroom, each with its amounts by resource (cpu in milli).
type Units = Vec<(Vec<(String, i64)>, u32)>;

/// Explicit units (cpu in milli, memory in MiB) and the automatic percentage: Ocean's default where there are no units.
fn headroom(fields: Option<Fields<'_>>, unread: &mut Unread) -> Result<(Units, u32), GroupsError> {
    let Some(mut f) = fields else { return Ok((Vec::new(), AUTO_HEADROOM_PERCENT)) };
    let mut units = Vec::new();
    for mut h in f.children("headrooms")? {
        let cpu = h.count("cpuPerUnit")?.unwrap_or(0);
        let memory = h.count("memoryPerUnit")?.unwrap_or(0).saturating_mul(1 << 20);
        let gpu = h.count("gpuPerUnit")?.unwrap_or(0);
        let n = h.count("numOfUnits")?.unwrap_or(0);
        let amounts = [("cpu", cpu), ("memory", memory), ("nvidia.com/gpu", gpu)];
        let amounts = amounts.into_iter().filter(|a| a.1 > 0).map(|(r, n)| (r.to_string(), n)).collect();
        units.push((amounts, u32::try_from(n).unwrap_or(u32::MAX)));
    }
    let default = if units.is_empty() { AUTO_HEADROOM_PERCENT } else { 0 };
    let percent = f.count("autoHeadroomPercentage")?.map_or(default, |p| p.min(1000) as u32);
    f.finish(unread);
    Ok((units, percent))
}

struct Strategy {
    spot: u32,
    fallback: bool,
    draining_ms: Option<i64>,
}

/// Spot 100 % with fallback to on-demand where nothing is said (D).
fn strategy(fields: Option<Fields<'_>>, unread: &mut Unread) -> Result<Strategy, GroupsError> {
    let mut strategy = Strategy { spot: 100, fallback: true, draining_ms: None };
    if let Some(mut f) = fields {
        strategy.spot = f.count("spotPercentage")?.map_or(100, |p| p.min(100) as u32);
        strategy.fallback = f.flag("fallbackToOd")?.or(f.flag("fallbackToOnDemand")?).unwrap_or(true);
        strategy.draining_ms = f.count("drainingTimeout")?.map(|s| s.saturating_mul(1000));
        f.finish(unread);
    }
    Ok(strategy)
}

/// Bounds on machine types.
#[derive(Clone, Debug, Default)]
struct Filters {
    min_cpu: Option<i64>,
    max_cpu: Option<i64>,
    /// In thousandths of a GiB, for the bounds may have fractions.
    min_milli_gib: Option<i64>,
    max_milli_gib: Option<i64>,
    /// As the label `kubernetes.io/arch` has them.
    architectures: Vec<&'static str>,
    /// All filters as they stand, for messages.
    said: Vec<String>,
}

/// Architectures as Ocean's API writes them, in any case, and as the label `kubernetes.io/arch` has them: `x86_64` includes Intel's and
/// AMD's (spotinst/openapi `ocean-vmSizes.yaml`).
const ARCHITECTURES: &[(&str, &str)] = &[
    ("x86_64", "amd64"),
    ("intel64", "amd64"),
    ("amd64", "amd64"),
    ("arm64", "arm64"),
    ("aarch64", "arm64"),
    ("i386", "386"),
];

fn filters(fields: Option<Fields<'_>>, unread: &mut Unread, notes: &mut Vec<Note>) -> Result<Filters, GroupsError> {
    let Some(mut f) = fields else { return Ok(Filters::default()) };
    let mut said = Vec::new();
    let mut whole = |a: &'static str, b: &'static str| -> Result<Option<i64>, GroupsError> {
        let first = f.count(a)?;
        let value = first.or(f.count(b)?);
        said.extend(value.map(|v| format!("{a} {v}")));
        Ok(value)
    };
    let (min_cpu, max_cpu) = (whole("minVcpu", "minVCpu")?, whole("maxVcpu", "maxVCpu")?);
    let mut fraction = |a: &'static str, b: &'static str| -> Result<Option<i64>, GroupsError> {
        let first = f.milli(a)?;
        let value = first.or(f.milli(b)?);
        said.extend(value.map(|v| format!("{a} {}", v as f64 / 1000.0)));
        Ok(value)
    };
    let (min_milli_gib, max_milli_gib) =
        (fraction("minMemoryGiB", "minMemoryGib")?, fraction("maxMemoryGiB", "maxMemoryGib")?);
    let given = f.texts("architectures")?;
    let mut architectures = Vec::new();
    for text in &given {
        match ARCHITECTURES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) {
            Some((_, label)) => architectures.push(*label),
            None => {
                let at = f.at("architectures");
                let message = format!("{at}: {text} is not known; it allows no machine type");
                notes.push(("group-value-unknown", message));
                architectures.push("");
            }
        }
    }
    if !given.is_empty() {
        said.push(format!("architectures {}", given.join(", ")));
    }
    let filters = Filters { min_cpu, max_cpu, min_milli_gib, max_milli_gib, architectures, said };
    let mut others = Unread::new();
    let path = f.path().to_string();
    f.finish(&mut others);
    if !others.is_empty() {
        let names: Vec<&str> = others.keys().map(String::as_str).collect();
        let message = format!(
            "{path}: the filters {} are not applied; more machine types may be allowed than are",
            names.join(", ")
        );
        notes.push(("machine-filters-not-modelled", message));
    }
    for (name, n) in others {
        *unread.entry(name).or_default() += n;
    }
    Ok(filters)
}

impl Filters {
    /// Whether a machine type of known size passes; allocatable is rounded up to what the machine has.
    fn allow(&self, known: &Known) -> bool {
        let cpus = known.cpu().saturating_add(999) / 1000;
        let gib = known.memory().saturating_add((1 << 30) - 1) >> 30;
        let within =
            |n: i64, min: Option<i64>, max: Option<i64>| min.is_none_or(|m| n >= m) && max.is_none_or(|m| n <= m);
        within(cpus, self.min_cpu, self.max_cpu)
            && within(gib.saturating_mul(1000), self.min_milli_gib, self.max_milli_gib)
            && (self.architectures.is_empty()
                || known.label("kubernetes.io/arch").is_none_or(|arch| self.architectures.contains(&arch)))
    }
}

/// The machine types that a group may use, and why there is none: of the types it names those that pass the filters as far as their sizes
/// are known, without names every known type that passes. Preferred types come first, and are no restriction.
fn machines(
    reader: &Reader<'_>,
    preferred: &[&str],
    names: &[&str],
    filters: &Filters,
) -> (Vec<DraftMachine>, Option<String>) {
    let known = &reader.known.types;
    let passes = |n: &str| known.get(n).is_none_or(|k| filters.allow(k));
    let all: Vec<&str> = if names.is_empty() { known.keys().map(String::as_str).collect() } else { names.to_vec() };
    let allowed = preferred.iter().copied().filter(|n| names.is_empty() || names.contains(n));
    let machines = named(allowed.chain(all.iter().copied()).filter(|n| passes(n)));
    let filtered = machines.is_empty() && !all.is_empty();
    let why = filtered.then(|| {
        format!(
            "none of the {} machine types of known size passes its filters ({})",
            all.len(),
            filters.said.join("; ")
        )
    });
    (machines, why)
}
