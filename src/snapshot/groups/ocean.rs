//! Ocean's virtual node groups: AWS `launchSpec` and Azure `virtualNodeGroup` (MIGRATIONS §1).

use super::fields::{Fields, Unread};
use super::machines::Known;
use super::make::{Draft, EFFECTS, effect, named};
use super::{GroupsError, Reader};
use crate::cluster::{Effect, GroupOrigin, Severity};

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
    let mut types = f.texts("instanceTypes")?;
    types.extend(f.texts("preferredOnDemandTypes")?);
    types.extend(f.texts("preferredSpotTypes")?);
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
        taints: taints(&mut f)?,
        zones: None,
        region: None,
        machines: machines(reader, &types, &filters),
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
        taints: taints(&mut f)?,
        zones: (!zones.is_empty()).then_some(zones),
        region: None,
        machines: machines(reader, &preferred, &wanted),
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
    };
    f.finish(unread);
    Ok((draft, notes))
}

/// Something to say about a group: severity, code, message, remedy.
pub(super) type Note = (Severity, &'static str, String, &'static str);

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

fn taints(f: &mut Fields<'_>) -> Result<Vec<(String, String, Effect)>, GroupsError> {
    let mut taints = Vec::new();
    for mut t in f.children("taints")? {
        let key = t.text("key")?.ok_or_else(|| t.missing("key", "the taint's key"))?;
        let value = t.text("value")?.unwrap_or_default();
        let text = t.text("effect")?.unwrap_or("NoSchedule");
        let effect = effect(text).ok_or_else(|| t.wrong("effect", &text.into(), EFFECTS))?;
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
    min_gib: Option<i64>,
    max_gib: Option<i64>,
    architectures: Vec<String>,
}

fn filters(fields: Option<Fields<'_>>, unread: &mut Unread, notes: &mut Vec<Note>) -> Result<Filters, GroupsError> {
    let Some(mut f) = fields else { return Ok(Filters::default()) };
    let mut either = |a: &'static str, b: &'static str| -> Result<Option<i64>, GroupsError> {
        let first = f.count(a)?;
        Ok(first.or(f.count(b)?))
    };
    let filters = Filters {
        min_cpu: either("minVcpu", "minVCpu")?,
        max_cpu: either("maxVcpu", "maxVCpu")?,
        min_gib: either("minMemoryGiB", "minMemoryGib")?,
        max_gib: either("maxMemoryGiB", "maxMemoryGib")?,
        architectures: f.texts("architectures")?.into_iter().map(str::to_string).collect(),
    };
    let mut others = Unread::new();
    let path = f.path().to_string();
    f.finish(&mut others);
    if !others.is_empty() {
        let names: Vec<&str> = others.keys().map(String::as_str).collect();
        let message = format!(
            "{path}: the filters {} are not applied; more machine types may be allowed than are",
            names.join(", ")
        );
        notes.push((Severity::Info, "machine-filters-not-modelled", message, "name the machine types"));
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
        let arch = known.label("kubernetes.io/arch").map(|a| if a == "amd64" { "x86_64" } else { a });
        let within =
            |n: i64, min: Option<i64>, max: Option<i64>| min.is_none_or(|m| n >= m) && max.is_none_or(|m| n <= m);
        within(cpus, self.min_cpu, self.max_cpu)
            && within(gib, self.min_gib, self.max_gib)
            && (self.architectures.is_empty()
                || arch.is_none_or(|a| self.architectures.iter().any(|w| w == a || (w == "amd64" && a == "x86_64"))))
    }
}

/// The types named, in order, that pass the filters as far as their sizes are known; without names every known type that passes.
fn machines(reader: &Reader<'_>, names: &[&str], filters: &Filters) -> Vec<super::make::DraftMachine> {
    if names.is_empty() {
        return named(reader.known.types.iter().filter(|(_, k)| filters.allow(k)).map(|(n, _)| n.as_str()));
    }
    named(names.iter().copied().filter(|n| reader.known.types.get(*n).is_none_or(|k| filters.allow(k))))
}
