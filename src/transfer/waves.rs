//! Which wave each object moves in, why, and in which order.

use super::claims::{self, Claim};
use super::graph::{Graph, Why};
use super::inventory::{Inventory, Item};
use super::mapping::Mapping;
use super::object::ObjectId;
use super::plan::WaveName;
use super::rules;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// A place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The wave.
    pub wave: WaveName,
    /// Why this wave.
    pub reason: String,
}

/// Kinds of the platform, by rank: what stands first is needed by what follows.
const PLATFORM: &[&str] = &[
    "CustomResourceDefinition",
    "Namespace",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "VolumeAttributesClass",
    "IngressClass",
    "GatewayClass",
    "ResourceQuota",
    "LimitRange",
    "ClusterRole",
    "Role",
    "ServiceAccount",
    "ClusterRoleBinding",
    "RoleBinding",
    "ConfigMap",
    "SecretProviderClass",
    "ClusterSecretStore",
    "SecretStore",
    "ExternalSecret",
    "ClusterExternalSecret",
    "ClusterIssuer",
    "Issuer",
    "Certificate",
    "NetworkPolicy",
    "CiliumNetworkPolicy",
    "TriggerAuthentication",
    "ClusterTriggerAuthentication",
];

/// How early an object stands among those of its wave that do not depend on each other.
pub fn rank(id: &ObjectId) -> usize {
    let platform = PLATFORM.iter().position(|k| *k == id.kind());
    platform.unwrap_or(match id.kind() {
        "PersistentVolumeClaim" => 100,
        "Service" => 101,
        _ => 102,
    })
}

/// Whether a workload has claims whose data moves.
pub(super) fn is_stateful(inventory: &Inventory, mapping: &Mapping, item: &Item) -> bool {
    claims::claims_of(inventory, item).iter().any(|c| moves(mapping, &c.namespace, &c.name))
}

/// Whether the data of a claim moves.
pub(super) fn moves(mapping: &Mapping, namespace: &str, name: &str) -> bool {
    !mapping.data.leave.contains_key(&format!("{namespace}/{name}"))
}

/// The wave of each object.
pub fn waves(inventory: &Inventory, mapping: &Mapping, graph: &Graph) -> BTreeMap<ObjectId, Place> {
    let mut places: BTreeMap<ObjectId, Place> = BTreeMap::new();
    let items: Vec<&Item> = graph.ids().filter_map(|id| inventory.get(id)).collect();
    let workloads: Vec<&Item> = items.iter().copied().filter(|i| rules::template(i).is_some()).collect();
    let claims: Vec<Vec<Claim>> = workloads.iter().map(|w| claims::claims_of(inventory, w)).collect();
    let with_data = |of: &[Claim]| of.iter().any(|c| moves(mapping, &c.namespace, &c.name));
    let stateful: BTreeSet<&ObjectId> =
        workloads.iter().zip(&claims).filter(|(_, of)| with_data(of)).map(|(w, _)| &w.id).collect();
    let on_state = graph.first_needs(&stateful);
    // What some workload with state depends on.
    let before = graph.all_needs(stateful.iter().copied());
    let mut users: BTreeMap<(&str, &str), &ObjectId> = BTreeMap::new();
    let place = |wave, reason: String| Place { wave, reason };
    for (workload, claims) in workloads.iter().zip(&claims) {
        for claim in claims {
            users.entry((claim.namespace.as_str(), claim.name.as_str())).or_insert(&workload.id);
        }
        let placed = match (stateful.contains(&workload.id), on_state.get(&workload.id)) {
            (true, _) => {
                let names: Vec<&str> = claims.iter().map(|c| c.name.as_str()).collect();
                place(WaveName::W2, format!("it has data: {}", names.join(", ")))
            }
            (false, Some(state)) if before.contains(&workload.id) => {
                place(WaveName::W2, format!("it depends on {state}, and something with data depends on it"))
            }
            (false, Some(state)) => place(WaveName::W3, format!("it depends on {state}")),
            (false, None) => place(WaveName::W1, "it has no data, and depends on nothing that has".to_owned()),
        };
        places.insert(workload.id.clone(), placed);
    }
    for item in items.iter().filter(|i| rules::template(i).is_none()) {
        let placed = other(item, graph, &places, &users, mapping);
        places.insert(item.id.clone(), placed);
    }
    places
}

fn other(
    item: &Item,
    graph: &Graph,
    places: &BTreeMap<ObjectId, Place>,
    users: &BTreeMap<(&str, &str), &ObjectId>,
    mapping: &Mapping,
) -> Place {
    let place = |wave, reason: &str| Place { wave, reason: reason.to_owned() };
    match item.id.kind() {
        kind if PLATFORM.contains(&kind) => return place(WaveName::W0, "part of the platform: others need it"),
        "Ingress" | "HTTPRoute" | "GRPCRoute" | "TCPRoute" | "TLSRoute" | "Gateway" => {
            return place(WaveName::W4, "it lets traffic in");
        }
        "PersistentVolumeClaim" => {
            let user = item.id.namespace().and_then(|n| users.get(&(n, item.id.name())));
            let wave = user.and_then(|u| places.get(*u)).map_or(WaveName::W2, |p| p.wave);
            let leaves = item.id.namespace().is_some_and(|n| !moves(mapping, n, item.id.name()));
            let reason = match (leaves, user) {
                (true, _) => "its data is left behind, as the mapping says".to_owned(),
                (false, Some(user)) => format!("restored with {user}"),
                (false, None) => "no workload uses it".to_owned(),
            };
            return Place { wave, reason };
        }
        _ => {}
    }
    // With what it selects, scales or sends to; at the latest of these.
    let direct: Vec<(&ObjectId, Why)> = graph
        .needs(&item.id)
        .into_iter()
        .filter(|(_, w)| matches!(w, Why::Selects | Why::Scales | Why::Backend))
        .collect();
    let of = direct.iter().flat_map(|(id, _)| match places.get(*id) {
        Some(found) => vec![(*id, found.wave)],
        // A webhook's Service, placed by the workload behind it.
        None => graph.needs(id).into_keys().filter_map(|n| Some((n, places.get(n)?.wave))).collect(),
    });
    match of.max_by_key(|(_, wave)| *wave) {
        Some((id, wave)) => Place { wave, reason: format!("it belongs to {id}") },
        None => place(WaveName::W1, "nothing here says that it needs or is needed by data"),
    }
}

/// Objects in an order in which nothing stands before what it depends on, circles together; equals by rank and name.
pub fn ordered(graph: &Graph, ids: &BTreeSet<ObjectId>) -> Vec<ObjectId> {
    let mut circle: BTreeMap<&ObjectId, usize> = BTreeMap::new();
    let cycles = graph.cycles();
    for (i, cycle) in cycles.iter().enumerate() {
        circle.extend(cycle.iter().filter(|id| ids.contains(*id)).map(|id| (id, i)));
    }
    let same = |a: &ObjectId, b: &ObjectId| circle.get(a).is_some_and(|c| circle.get(b) == Some(c));
    // How many each waits for, and who waits for each.
    let mut waits: BTreeMap<&ObjectId, usize> = BTreeMap::new();
    let mut users: BTreeMap<&ObjectId, Vec<&ObjectId>> = BTreeMap::new();
    for id in ids {
        let needs: Vec<&ObjectId> = graph.needs(id).into_keys().filter(|n| ids.contains(*n) && !same(n, id)).collect();
        waits.insert(id, needs.len());
        needs.into_iter().for_each(|n| users.entry(n).or_default().push(id));
    }
    let mut free: BinaryHeap<Reverse<(usize, &ObjectId)>> =
        waits.iter().filter(|(_, n)| **n == 0).map(|(id, _)| Reverse((rank(id), *id))).collect();
    let mut order = Vec::new();
    // Two circles that depend on each other would be one: everything gets free.
    while let Some(Reverse((_, next))) = free.pop() {
        order.push(next.clone());
        for user in users.get(next).into_iter().flatten() {
            if let Some(n) = waits.get_mut(user) {
                *n -= 1;
                if *n == 0 {
                    free.push(Reverse((rank(user), *user)));
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::rules::tests::{inventory, mapping};

    const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {serviceName: db, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: x}]}}, volumeClaimTemplates: [{metadata: {name: data}, spec: {}}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec: {template: {metadata: {labels: {app: api}}, spec: {containers: [{name: c, image: x, env: [{name: DB, value: 'db:5432'}]}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: x, env: [{name: API, value: 'http://api'}]}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cache, namespace: shop}
spec: {template: {metadata: {labels: {app: cache}}, spec: {containers: [{name: c, image: x}]}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {rules: []}
";

    #[test]
    fn waves_follow_from_data_and_dependencies() {
        let inventory = inventory(SHOP);
        let graph = Graph::of(&inventory);
        let places = waves(&inventory, &Mapping::default(), &graph);
        let of = |id: &str| {
            places.iter().find(|(i, _)| i.as_str() == id).map(|(_, p)| (p.wave, p.reason.clone())).expect("placed")
        };
        assert_eq!(of("Namespace/shop").0, WaveName::W0);
        assert_eq!(of("Deployment.apps/shop/cache").0, WaveName::W1);
        assert_eq!(of("StatefulSet.apps/shop/db"), (WaveName::W2, "it has data: data-db-0".to_owned()));
        assert_eq!(of("Service/shop/db").0, WaveName::W2);
        assert_eq!(
            of("Deployment.apps/shop/web"),
            (WaveName::W3, "it depends on StatefulSet.apps/shop/db".to_owned()),
            "through a Service and another workload"
        );
        assert_eq!(of("Service/shop/api").0, WaveName::W3);
        assert_eq!(of("Ingress.networking.k8s.io/shop/web").0, WaveName::W4);
        let left = mapping("data: {leave: {shop/data-db-0: a cache that fills again}}");
        let places = waves(&inventory, &left, &graph);
        assert!(places.values().all(|p| p.wave != WaveName::W2), "no data moves");
    }

    #[test]
    fn nothing_stands_before_what_it_depends_on() {
        let inventory = inventory(SHOP);
        let graph = Graph::of(&inventory);
        let all: BTreeSet<ObjectId> = graph.ids().cloned().collect();
        let order = ordered(&graph, &all);
        assert_eq!(order.len(), all.len());
        for (i, id) in order.iter().enumerate() {
            for needed in graph.needs(id).into_keys() {
                assert!(
                    order.iter().position(|o| o == needed).is_some_and(|p| p < i),
                    "{needed} does not stand before {id}"
                );
            }
        }
    }
}
