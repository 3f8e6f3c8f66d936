//! Addresses that each network plug-in of AKS needs.
//!
//! Azure keeps 5 addresses of every subnet. An upgrade adds surge nodes, which need addresses, too: that is why nodes are counted at the peak.

use super::mapping::{Mapping, NetworkPlugin};
use super::plan::NetworkChoice;

/// Addresses that Azure keeps of every subnet.
const KEPT: u64 = 5;
/// Nodes of a cluster with kubenet (its route table has 400 routes).
const KUBENET_NODES: u32 = 400;
/// Pods that a node can be set to run, at least and at most.
const FEWEST_PODS: u32 = 10;
const MOST_PODS: u32 = 250;

/// All plug-ins, in the order of the guide.
const PLUGINS: [NetworkPlugin; 6] = [
    NetworkPlugin::Kubenet,
    NetworkPlugin::AzureCni,
    NetworkPlugin::AzureCniOverlay,
    NetworkPlugin::AzureCniDynamic,
    NetworkPlugin::AzureCniCilium,
    NetworkPlugin::Byo,
];

/// Pods a node can run unless asked otherwise: AKS' own defaults.
pub(super) fn default_pods(plugin: NetworkPlugin) -> u32 {
    match plugin {
        NetworkPlugin::Kubenet => 110,
        NetworkPlugin::AzureCni => 30,
        _ => 250,
    }
}

/// The longest prefix of an IPv4 range with so many addresses.
fn prefix(addresses: u64) -> Option<u8> {
    (0..=32u8).rev().find(|p| (1u64 << (32 - p)) >= addresses)
}

/// An IPv4 range: its first address and the length of its prefix.
fn range(text: &str) -> Result<(u32, u8), String> {
    let wrong = || format!("{text} is no range of IPv4 addresses (10.1.0.0/16)");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address: std::net::Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let prefix: u8 = prefix.parse().ok().filter(|p| *p <= 32).ok_or_else(wrong)?;
    let mask = if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) };
    let bits = u32::from(address);
    match bits & !mask {
        0 => Ok((bits, prefix)),
        _ => Err(format!(
            "{text} does not begin at the beginning of a /{prefix}: {}/{prefix}",
            std::net::Ipv4Addr::from(bits & mask)
        )),
    }
}

fn overlap(a: (u32, u8), b: (u32, u8)) -> bool {
    let shorter = a.1.min(b.1);
    let mask = if shorter == 0 { 0 } else { u32::MAX << (32 - shorter) };
    a.0 & mask == b.0 & mask
}

/// What each plug-in needs for so many nodes at the peak, and the pods and Services of the source.
pub fn choices(mapping: &Mapping, peak_nodes: u32, pods: u32, services: u32) -> Vec<NetworkChoice> {
    PLUGINS.iter().map(|p| choice(mapping, *p, peak_nodes, pods, services)).collect()
}

fn choice(mapping: &Mapping, plugin: NetworkPlugin, peak_nodes: u32, pods: u32, services: u32) -> NetworkChoice {
    let m = &mapping.network;
    let chosen = m.plugin == Some(plugin);
    let per_node = m.pods_per_node.filter(|_| chosen).unwrap_or_else(|| default_pods(plugin));
    let nodes = u64::from(peak_nodes);
    let all = nodes * u64::from(per_node);
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    // An overlay gives each node a /24 of its own, whatever it uses of it.
    let (node_addresses, pod_addresses) = match plugin {
        NetworkPlugin::AzureCni => (nodes + all + KEPT, 0),
        NetworkPlugin::Kubenet | NetworkPlugin::AzureCniOverlay | NetworkPlugin::AzureCniCilium => {
            (nodes + KEPT, nodes * 256)
        }
        // A subnet of pods is handed out in blocks of 16.
        NetworkPlugin::AzureCniDynamic => (nodes + KEPT, nodes * u64::from(per_node.div_ceil(16)) * 16 + KEPT),
        NetworkPlugin::Byo => (nodes + KEPT, all),
    };
    if !(FEWEST_PODS..=MOST_PODS).contains(&per_node) {
        problems.push(format!("{per_node} pods a node: AKS takes {FEWEST_PODS} to {MOST_PODS}"));
    }
    if pods > 0 && u64::from(pods) > all {
        problems.push(format!("{pods} pods of the source do not fit on {peak_nodes} nodes of {per_node} pods"));
    }
    match plugin {
        NetworkPlugin::Kubenet => {
            if peak_nodes > KUBENET_NODES {
                problems.push(format!("{peak_nodes} nodes: kubenet has at most {KUBENET_NODES}"));
            }
            notes.push("retired on 31 March 2028; no network policies of Cilium, no Windows nodes".to_owned());
        }
        NetworkPlugin::AzureCni => notes.push("nearest to the VPC CNI: pods have addresses of the virtual network".to_owned()),
        NetworkPlugin::AzureCniOverlay => notes.push("pods are not reached by their addresses from outside of the cluster".to_owned()),
        NetworkPlugin::AzureCniDynamic => notes.push("pods have addresses of a subnet of their own, and are reached by them".to_owned()),
        NetworkPlugin::AzureCniCilium => notes.push("as the overlay, and it enforces network policies".to_owned()),
        NetworkPlugin::Byo => notes.push("--network-plugin none; Microsoft supports the cluster, not the plug-in; addresses are as the plug-in gives them".to_owned()),
    }
    let node_prefix = prefix(node_addresses).unwrap_or(0);
    let pod_prefix = (pod_addresses > 0).then(|| prefix(pod_addresses).unwrap_or(0));
    if chosen {
        ranges(mapping, node_prefix, pod_prefix, services, &mut problems);
    }
    NetworkChoice {
        plugin,
        chosen,
        peak_nodes,
        pods_per_node: per_node,
        node_addresses,
        node_prefix,
        pod_addresses,
        pod_prefix,
        problems,
        notes,
    }
}

/// Ranges of the mapping, held against what is needed and against each other.
fn ranges(mapping: &Mapping, node_prefix: u8, pod_prefix: Option<u8>, services: u32, problems: &mut Vec<String>) {
    let m = &mapping.network;
    let wanted = [
        ("network.node_subnet", &m.node_subnet, Some(node_prefix)),
        ("network.pod_range", &m.pod_range, pod_prefix),
        // A range of Services: one address each, the API server's and the DNS' own among them.
        ("network.service_range", &m.service_range, prefix(u64::from(services) + 3)),
    ];
    let mut known: Vec<(&str, (u32, u8))> = Vec::new();
    for (name, text, needed) in wanted {
        let Some(text) = text else { continue };
        match range(text) {
            Err(why) => problems.push(format!("{name}: {why}")),
            Ok(found) => {
                if let Some(needed) = needed.filter(|n| found.1 > *n) {
                    problems.push(format!("{name} {text} is too small: a /{needed} is needed"));
                }
                if name == "network.service_range" && found.1 < 12 {
                    problems.push(format!("{name} {text} is too large: AKS takes none above a /12"));
                }
                for (other, range) in &known {
                    if overlap(*range, found) {
                        problems.push(format!("{name} {text} overlaps {other}"));
                    }
                }
                known.push((name, found));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mapping: &Mapping, plugin: NetworkPlugin, nodes: u32) -> NetworkChoice {
        choices(mapping, nodes, 0, 10).into_iter().find(|c| c.plugin == plugin).expect("every plug-in is there")
    }

    #[test]
    fn addresses_are_counted_for_nodes_at_the_peak() {
        let none = Mapping::default();
        // 50 nodes and one more for an upgrade, 30 pods each: the example of Azure's own guide counts (n + 1) + (n + 1) × 30.
        let cni = of(&none, NetworkPlugin::AzureCni, 51);
        assert_eq!((cni.node_addresses, cni.node_prefix, cni.pod_prefix), (51 + 51 * 30 + 5, 21, None));
        let overlay = of(&none, NetworkPlugin::AzureCniOverlay, 51);
        assert_eq!(
            (overlay.node_addresses, overlay.node_prefix, overlay.pod_addresses, overlay.pod_prefix),
            (56, 26, 51 * 256, Some(18))
        );
        let dynamic = of(&none, NetworkPlugin::AzureCniDynamic, 10);
        assert_eq!((dynamic.node_prefix, dynamic.pod_addresses, dynamic.pod_prefix), (28, 2565, Some(20)));
        assert!(of(&none, NetworkPlugin::Kubenet, 401).problems[0].contains("at most 400"));
    }

    #[test]
    fn ranges_of_the_mapping_are_held_against_what_is_needed() {
        let mut mapping = Mapping::default();
        mapping.network.plugin = Some(NetworkPlugin::AzureCniOverlay);
        mapping.network.node_subnet = Some("10.1.0.0/27".into());
        mapping.network.pod_range = Some("10.244.0.0/16".into());
        mapping.network.service_range = Some("10.244.8.0/24".into());
        let said = of(&mapping, NetworkPlugin::AzureCniOverlay, 51).problems;
        assert_eq!(
            said,
            [
                "network.node_subnet 10.1.0.0/27 is too small: a /26 is needed",
                "network.service_range 10.244.8.0/24 overlaps network.pod_range"
            ]
        );
        mapping.network.node_subnet = Some("10.1.0.9/24".into());
        assert!(of(&mapping, NetworkPlugin::AzureCniOverlay, 1).problems[0].contains("10.1.0.0/24"));
        assert!(
            of(&mapping, NetworkPlugin::AzureCni, 1).problems.is_empty(),
            "only the chosen one is held against them"
        );
    }

    #[test]
    fn prefixes_hold_so_many_addresses() {
        for (addresses, expected) in [(1, 32), (2, 31), (256, 24), (257, 23), (65_536, 16)] {
            assert_eq!(prefix(addresses), Some(expected), "{addresses}");
        }
    }
}
