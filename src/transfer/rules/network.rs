//! Security groups, network policies, and what pods ask of the VPC's network plug-in.

use super::{Code, Found, Ground, Rule, Sink, code};
use crate::transfer::edit::{Edit, step};
use crate::transfer::finding::Severity;
use serde_json::Value;

const GROUP: Code = code(
    "transfer-security-group",
    Severity::Blocks,
    "a SecurityGroupPolicy keeps traffic out by groups that are known to AWS alone",
);
const ENGINE: Code = code(
    "transfer-network-policy",
    Severity::ByHand,
    "network policies do nothing on the target unless it has an engine for them",
);
const ADDRESSES: Code = code(
    "transfer-ip-block",
    Severity::Blocks,
    "a network policy names private addresses, which are others on the target",
);
const RANGE: Code =
    code("transfer-ip-range", Severity::Rewritten, "a range of addresses in a network policy is that of the mapping");
const LEFT: Code =
    code("transfer-network-left", Severity::Note, "an object of the VPC's network plug-in is not rendered");
const POD: Code =
    code("transfer-pod-network", Severity::Rewritten, "a pod asks something of the VPC's network plug-in");

/// The rule.
pub(super) const RULE: Rule = Rule { subject: "Network", codes: &[GROUP, ENGINE, ADDRESSES, RANGE, LEFT, POD], judge };

/// Whether an address or a range of addresses is private (RFC 1918, RFC 6598, unique local).
pub(super) fn is_private(range: &str) -> bool {
    let address = range.split('/').next().unwrap_or_default();
    match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(v4)) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || (a == 100 && (64..128).contains(&b))
        }
        Ok(std::net::IpAddr::V6(v6)) => v6.segments()[0] & 0xfe00 == 0xfc00,
        Err(_) => false,
    }
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    let mut policies = 0;
    let mut first = None;
    for item in g.moving() {
        match (item.id.group(), item.id.kind()) {
            ("vpcresources.k8s.aws", "SecurityGroupPolicy") => {
                let groups = item.object.pointer("/spec/securityGroups/groupIds").and_then(Value::as_array);
                let groups: Vec<&str> = groups.into_iter().flatten().filter_map(Value::as_str).collect();
                sink.add(
                    Found::new(item, &GROUP, "without it its pods are open to everybody in the cluster, and closed to what lets the group in")
                        .at("/spec/securityGroups/groupIds")
                        .was(groups.join(", "))
                        .edit(Edit::LeaveOut)
                        .remedy("write the rules of the groups (aws ec2 describe-security-group-rules) as a NetworkPolicy for the same podSelector, and accept the finding in the mapping with its name"),
                );
            }
            ("crd.k8s.amazonaws.com", "ENIConfig") | ("networking.k8s.aws", "PolicyEndpoint") => {
                sink.add(
                    Found::new(item, &LEFT, "the target's own network plug-in has no such object").edit(Edit::LeaveOut),
                );
            }
            ("networking.k8s.io", "NetworkPolicy") | ("cilium.io", "CiliumNetworkPolicy") => {
                policies += 1;
                first.get_or_insert(item);
                for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
                    let rules = item.object.pointer(&format!("/spec/{direction}")).and_then(Value::as_array);
                    for (i, rule) in rules.into_iter().flatten().enumerate() {
                        for (j, peer) in rule.get(peers).and_then(Value::as_array).into_iter().flatten().enumerate() {
                            let Some(range) =
                                peer.pointer("/ipBlock/cidr").and_then(Value::as_str).filter(|r| is_private(r))
                            else {
                                continue;
                            };
                            // All private addresses mean the same everywhere.
                            if ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].contains(&range) {
                                continue;
                            }
                            let at = format!("/spec/{direction}/{i}/{peers}/{j}/ipBlock/cidr");
                            let found = Found::new(
                                item,
                                &ADDRESSES,
                                "what has these addresses in the VPC has others on the target",
                            )
                            .at(&at)
                            .was(range);
                            match g.mapping.endpoints.get(range) {
                                Some(Some(to)) if to == range => {}
                                Some(Some(to)) => sink.add(Found::new(item, &RANGE, "the addresses of the mapping").set(&at, range, to)),
                                _ => sink.add(found.ask(super::Ask::at(&["endpoints", range], "the range of addresses that takes its place on the target; the same if it stays reachable"))),
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }
    if let Some(first) = first {
        sink.add(Found::new(first, &ENGINE, format!("{policies} network policies are among the objects")).remedy(
            "create the cluster with --network-dataplane cilium (or --network-policy azure or calico): without it they are stored and not enforced",
        ));
    }
    for (item, template) in g.workloads() {
        let annotations = item.object.pointer(&format!("{template}/metadata/annotations")).and_then(Value::as_object);
        for (key, value) in annotations.into_iter().flatten() {
            if key.starts_with("vpc.amazonaws.com/") || key == "k8s.amazonaws.com/cniCustomNetworkCfg" {
                let at = format!("{template}/metadata/annotations{}", step(key));
                sink.add(
                    Found::new(item, &POD, "the target's network plug-in does not know it")
                        .remove(&at, value.as_str().unwrap_or_default()),
                );
            }
        }
        for (at, container) in super::containers(item, template) {
            for list in ["requests", "limits"] {
                let resources = container.pointer(&format!("/resources/{list}")).and_then(Value::as_object);
                for (name, amount) in resources.into_iter().flatten() {
                    if ["vpc.amazonaws.com/pod-eni", "vpc.amazonaws.com/PrivateIPv4Address"].contains(&name.as_str()) {
                        let at = format!("{at}/resources/{list}{}", step(name));
                        sink.add(
                            Found::new(item, &POD, "no node of the target has it")
                                .remove(&at, amount.as_str().unwrap_or_default()),
                        );
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_ranges_are_known() {
        for (range, is) in [
            ("10.1.0.0/16", true),
            ("172.20.0.0/16", true),
            ("100.64.0.0/10", true),
            ("0.0.0.0/0", false),
            ("8.8.8.8/32", false),
            ("fd00::/8", true),
            ("x", false),
        ] {
            assert_eq!(is_private(range), is, "{range}");
        }
    }
}
