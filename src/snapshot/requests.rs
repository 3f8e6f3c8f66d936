//! What a pod asks of a node: the sums over its containers that the scheduler works with.
//!
//! Rules of component-helpers v0.36.3 `resource/helpers.go` (`PodRequests`, `AggregateContainerRequests`) and
//! kubernetes v1.36.3 `pkg/scheduler/framework/types.go` (`CalculateResource`, `getNonMissingContainerRequests`).

use super::wire::condition;
use super::wire::pod::{Container, ContainerStatus, Pod, PodSpec, PodStatus, ResourceList, Resources};
use crate::cluster::{Catalog, Quantity, Requests};

/// The scorer's defaults for a container that names no cpu or memory: 100m, 200 MiB.
const DEFAULTS: [(&str, Quantity); 2] = [("cpu", Quantity::milli(100)), ("memory", Quantity::whole(200 << 20))];

/// Most that one pod is taken to ask for of anything (2^50: a pebibyte, or a trillion cores): more fits nowhere either,
/// and sums over a node stay within 64 bits.
const MOST: i64 = 1 << 50;

/// An amount as the sums can hold it; the API server refuses negative ones.
fn bounded(amount: i64) -> i64 {
    amount.clamp(0, MOST)
}

/// An amount that a node or a machine offers, as the sums can hold it: never room for a pod that asks for [`MOST`].
pub(crate) fn most_offered(amount: i64) -> i64 {
    amount.clamp(0, MOST - 1)
}

/// cpu in milli and memory in bytes.
fn cpu_and_memory(sums: &Amounts<'_>) -> [i64; 2] {
    [bounded(get(sums, "cpu").milli_value()), bounded(get(sums, "memory").value())]
}

/// Amounts by resource name, in order of first mention.
type Amounts<'s> = Vec<(&'s str, Quantity)>;

/// What a pod asks for, from its spec alone: as the scheduler sees it while it is pending.
pub(crate) fn from_spec(catalog: &mut Catalog, spec: &PodSpec<'_>) -> Requests {
    requests(catalog, spec, None)
}

/// `nonzero` as NodeResourcesFit's scorer sees an incoming pod: it never got the gate for pod-level requests, so it
/// ignores them (kubernetes v1.36.3 `plugins/noderesources/fit.go` `NewFit`).
pub(crate) fn incoming_nonzero(spec: &PodSpec<'_>) -> [i64; 2] {
    let mut sums = aggregate(spec, None, &DEFAULTS);
    add(&mut sums, &spec.overhead);
    cpu_and_memory(&sums)
}

/// What a bound pod holds on its node where an in-place resize made it differ from its spec; None where it does not.
pub(crate) fn resized(catalog: &mut Catalog, pod: &Pod<'_>, spec_requests: &Requests) -> Option<Box<Requests>> {
    let reports = |s: &&ContainerStatus<'_>| s.resources.is_some();
    let status = &pod.status;
    let any = status.container_statuses.iter().chain(status.init_container_statuses.iter()).find(reports).is_some()
        || status.resources.is_some();
    if !any {
        return None;
    }
    let now = requests(catalog, &pod.spec, Some(status));
    (now != *spec_requests).then(|| Box::new(now))
}

fn requests(catalog: &mut Catalog, spec: &PodSpec<'_>, status: Option<&PodStatus<'_>>) -> Requests {
    let real = pod_requests(spec, status, &[]);
    // With pod-level requests set, a default applies only to what neither level names.
    let missing: Vec<_> = DEFAULTS
        .into_iter()
        .filter(|(name, _)| !has_pod_level_requests(spec) || !real.iter().any(|(n, _)| n == name))
        .collect();
    let nonzero = pod_requests(spec, status, &missing);
    let mut amounts: Vec<_> = real
        .iter()
        .filter(|(name, _)| is_counted(name))
        .map(|(name, q)| (catalog.resource(name), bounded(if *name == "cpu" { q.milli_value() } else { q.value() })))
        .filter(|(_, amount)| *amount != 0)
        .collect();
    amounts.sort_unstable_by_key(|a| a.0);
    Requests { amounts, nonzero: cpu_and_memory(&nonzero) }
}

/// Whether a resource is an extended one (`v1helper.IsExtendedResourceName`): what a device plugin or a DeviceClass offers.
pub(crate) fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/")
}

/// Whether the scheduler counts a resource: the native ones, huge pages, attachable volumes and whatever has a domain
/// (kubernetes v1.36.3 `pkg/scheduler/util` `IsScalarResourceName`). Pods are counted apart.
pub(crate) fn is_counted(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage")
        || name.contains('/')
        || name.starts_with("hugepages-")
        || name.starts_with("attachable-volumes-")
}

fn pod_requests<'s>(
    spec: &'s PodSpec<'_>,
    status: Option<&'s PodStatus<'_>>,
    missing: &[(&'static str, Quantity)],
) -> Amounts<'s> {
    let mut sums = aggregate(spec, status, missing);
    if has_pod_level_requests(spec)
        && let Some(level) = &spec.resources
    {
        let effective = status.and_then(|s| {
            let actuated = s.resources.as_ref()?;
            Some(effective(is_infeasible(s), &level.requests, &actuated.requests, s.allocated_resources.as_ref()))
        });
        for (name, quantity) in level.requests.iter().filter(|(n, _)| is_pod_level(n)) {
            let amount = effective.as_ref().map_or(*quantity, |e| get(e, name));
            set(&mut sums, name, amount);
        }
    }
    add(&mut sums, &spec.overhead);
    sums
}

fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

fn has_pod_level_requests(spec: &PodSpec<'_>) -> bool {
    spec.resources.as_ref().is_some_and(|r: &Resources<'_>| r.requests.iter().any(|(n, _)| is_pod_level(n)))
}

/// Sums over containers; sidecars run beside the others, plain init containers only before them.
fn aggregate<'s>(
    spec: &'s PodSpec<'_>,
    status: Option<&'s PodStatus<'_>>,
    missing: &[(&'static str, Quantity)],
) -> Amounts<'s> {
    let mut sums = Amounts::with_capacity(4);
    for container in spec.containers.iter() {
        let statuses = status.map(|s| (s, &*s.container_statuses));
        add_all(&mut sums, &of_container(container, statuses, missing));
    }
    let (mut sidecars, mut most) = (Amounts::new(), Amounts::new());
    for container in spec.init_containers.iter() {
        // Only a sidecar still runs, so only its status can tell of a resize.
        let statuses = status.filter(|_| container.is_sidecar()).map(|s| (s, &*s.init_container_statuses));
        let own = of_container(container, statuses, missing);
        let needed = if container.is_sidecar() {
            add_all(&mut sums, &own);
            add_all(&mut sidecars, &own);
            sidecars.clone()
        } else {
            let mut needed = own;
            add_all(&mut needed, &sidecars);
            needed
        };
        raise_all(&mut most, &needed);
    }
    raise_all(&mut sums, &most);
    sums
}

fn of_container<'s>(
    container: &'s Container<'_>,
    statuses: Option<(&'s PodStatus<'_>, &'s [ContainerStatus<'_>])>,
    missing: &[(&'static str, Quantity)],
) -> Amounts<'s> {
    let spec = &container.resources.requests;
    let reported = statuses.and_then(|(status, all)| {
        let own = all.iter().find(|s| *s.name == *container.name)?;
        let actuated = own.resources.as_ref()?;
        Some(effective(is_infeasible(status), spec, &actuated.requests, own.allocated_resources.as_ref()))
    });
    let mut amounts = reported.unwrap_or_else(|| spec.iter().map(|(n, q)| (&**n, *q)).collect());
    for (name, quantity) in missing {
        // Looked up in the list before defaults: an explicit zero stays zero.
        if !amounts.iter().any(|(n, _)| n == name) {
            amounts.push((name, *quantity));
        }
    }
    amounts
}

/// The most of what is asked for, what is in force and what was granted; a resize that can never happen does not count.
fn effective<'s>(
    infeasible: bool,
    spec: &'s ResourceList<'_>,
    actuated: &'s ResourceList<'_>,
    allocated: Option<&'s ResourceList<'_>>,
) -> Amounts<'s> {
    let mut most = Amounts::new();
    let asked = (!infeasible).then_some(spec);
    for list in [asked, Some(actuated), allocated].into_iter().flatten() {
        for (name, quantity) in list.iter() {
            raise(&mut most, name, *quantity);
        }
    }
    most
}

fn is_infeasible(status: &PodStatus<'_>) -> bool {
    condition(&status.conditions, "PodResizePending").is_some_and(|c| c.because("Infeasible"))
}

fn get(amounts: &Amounts<'_>, name: &str) -> Quantity {
    amounts.iter().find(|(n, _)| *n == name).map_or(Quantity::ZERO, |(_, q)| *q)
}

fn set<'s>(amounts: &mut Amounts<'s>, name: &'s str, quantity: Quantity) {
    match amounts.iter_mut().find(|(n, _)| *n == name) {
        Some(entry) => entry.1 = quantity,
        None => amounts.push((name, quantity)),
    }
}

fn raise<'s>(amounts: &mut Amounts<'s>, name: &'s str, quantity: Quantity) {
    match amounts.iter_mut().find(|(n, _)| *n == name) {
        Some(entry) => entry.1 = entry.1.max(quantity),
        None => amounts.push((name, quantity)),
    }
}

fn raise_all<'s>(amounts: &mut Amounts<'s>, others: &Amounts<'s>) {
    for (name, quantity) in others {
        raise(amounts, name, *quantity);
    }
}

fn add<'s>(amounts: &mut Amounts<'s>, list: &'s ResourceList<'_>) {
    for (name, quantity) in list.iter() {
        let sum = get(amounts, name).plus(*quantity);
        set(amounts, name, sum);
    }
}

fn add_all<'s>(amounts: &mut Amounts<'s>, others: &Amounts<'s>) {
    for (name, quantity) in others {
        let sum = get(amounts, name).plus(*quantity);
        set(amounts, name, sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{CPU, MEMORY};
    use serde_json::{Value, json};

    fn of(pod: Value) -> (Requests, [i64; 2], Option<Box<Requests>>) {
        let mut catalog = Catalog::new();
        let text = pod.to_string();
        let pod: Pod<'_> = serde_json::from_str(&text).unwrap();
        let requests = from_spec(&mut catalog, &pod.spec);
        let resized = resized(&mut catalog, &pod, &requests);
        (requests, incoming_nonzero(&pod.spec), resized)
    }
    fn container(cpu: &str, memory: &str) -> Value {
        json!({"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}})
    }
    const MI: i64 = 1 << 20;

    #[test]
    fn containers_sidecars_and_init_containers_overlap_as_they_run() {
        let sidecar = json!({"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "200m"}}});
        let init = json!({"name": "i", "resources": {"requests": {"cpu": "1"}}});
        for (name, init_containers, cpu) in [
            ("two containers", json!([]), 300),
            ("a sidecar adds", json!([sidecar]), 500),
            ("an init container is a floor", json!([init]), 1000),
            ("with the sidecars before it", json!([sidecar, init]), 1200),
            ("not those after it", json!([init, sidecar]), 1000),
        ] {
            let (r, ..) = of(json!({"spec": {"containers": [container("100m", "1Mi"), container("200m", "1Mi")],
                "initContainers": init_containers}}));
            assert_eq!(r.get(CPU), cpu, "{name}");
        }
    }

    #[test]
    fn sums_round_up_once() {
        let (r, ..) = of(json!({"spec": {"containers": [container("100.4m", "0.4"), container("100.4m", "0.4")]}}));
        assert_eq!((r.get(CPU), r.get(MEMORY)), (201, 1));
    }

    #[test]
    fn scorer_defaults_apply_per_container_that_names_nothing() {
        let bare = json!({"name": "b"});
        let zero = json!({"name": "z", "resources": {"requests": {"cpu": "0", "memory": "0"}}});
        for (name, containers, nonzero) in [
            ("two bare", json!([bare, bare]), [200, 400 * MI]),
            ("explicit zero stays", json!([zero]), [0, 0]),
            ("one each", json!([bare, container("1", "1Gi")]), [1100, 1224 * MI]),
        ] {
            let (r, incoming, _) = of(json!({"spec": {"containers": containers}}));
            assert_eq!((r.nonzero, incoming), (nonzero, nonzero), "{name}");
        }
    }

    #[test]
    fn pod_level_requests_replace_the_sum_but_not_for_the_incoming_scorer() {
        let (r, incoming, _) = of(json!({"spec": {"containers": [container("1", "1Gi"), {"name": "b"}],
            "resources": {"requests": {"cpu": "500m", "example.com/gpu": "1"}}, "overhead": {"cpu": "10m"}}}));
        assert_eq!(r.amounts, vec![(CPU, 510), (MEMORY, 1024 * MI)]);
        assert_eq!(r.nonzero, [510, 1024 * MI]);
        assert_eq!(incoming, [1110, 1224 * MI]);
    }

    #[test]
    fn a_resize_under_way_holds_the_most() {
        let pod = |reason: &str| {
            json!({"spec": {"containers": [container("2", "1Gi")]}, "status": {
                "conditions": [{"type": "PodResizePending", "status": "True", "reason": reason}],
                "containerStatuses": [{"name": "c", "allocatedResources": {"cpu": "1", "memory": "1Gi"},
                    "resources": {"requests": {"cpu": "1", "memory": "2Gi"}}}]}})
        };
        let (_, _, deferred) = of(pod("Deferred"));
        assert_eq!(deferred.unwrap().amounts, vec![(CPU, 2000), (MEMORY, 2048 * MI)]);
        let (_, _, infeasible) = of(pod("Infeasible"));
        assert_eq!(infeasible.unwrap().amounts, vec![(CPU, 1000), (MEMORY, 2048 * MI)]);
    }
}
