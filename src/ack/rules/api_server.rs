//! Rules about the load balancers of the API server.

use super::{Fix, Ground, Judgement, PAGE, PROCEDURE, Rule};

/// What a specification of a load balancer guarantees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlbClass {
    /// Nothing: resources are shared.
    Shared,
    /// So many connections at once.
    Guaranteed {
        /// Connections.
        connections: u32,
    },
    /// What is used is billed, up to the limits of the largest guaranteed specification.
    Elastic,
}

/// Specifications of Classic Load Balancer instances, as its documentation ("CLB instance types and specifications") and its API
/// (`LoadBalancerSpec` of CreateLoadBalancer) name them. `shared` is how a facts file writes that an instance has none.
pub const SLB_SPECIFICATIONS: &[(&str, SlbClass)] = &[
    ("shared", SlbClass::Shared),
    ("slb.share", SlbClass::Shared),
    ("slb.s0.share", SlbClass::Shared),
    ("slb.s1.small", SlbClass::Guaranteed { connections: 5_000 }),
    ("slb.s2.small", SlbClass::Guaranteed { connections: 50_000 }),
    ("slb.s2.medium", SlbClass::Guaranteed { connections: 100_000 }),
    ("slb.s3.small", SlbClass::Guaranteed { connections: 200_000 }),
    ("slb.s3.medium", SlbClass::Guaranteed { connections: 500_000 }),
    ("slb.s3.large", SlbClass::Guaranteed { connections: 1_000_000 }),
    ("slb.lcu.elastic", SlbClass::Elastic),
];

/// The internal load balancer is large enough. The rule binds shared-resource instances; every guaranteed specification is at least
/// slb.s1.small, the smallest.
pub(super) const INTERNAL_SLB: Rule = Rule {
    code: "ack-internal-slb",
    requirement: "If the internal-facing SLB instance is a shared-resource instance, its configuration must be that of slb.s1.small or higher.",
    source: PAGE,
    needs: &["api_server.internal_slb.specification", "api_server.internal_slb.id"],
    in_dump: false,
    judge: internal_slb,
};

fn internal_slb(g: &Ground<'_>) -> Judgement {
    let slb = &g.facts().api_server.internal_slb;
    let place = ["api_server", "internal_slb", "specification"];
    let Some(specification) = &slb.specification else {
        return Judgement::not_stated("api_server.internal_slb.specification");
    };
    let class = SLB_SPECIFICATIONS.iter().find(|(name, _)| name == specification).map(|(_, class)| class);
    match class {
        None => Judgement::unknown(format!("the specification {specification:?} is not in the table of known ones"))
            .stated_by(g.known, &place)
            .fix(Fix::words(
                "See in the load balancer's documentation whether it guarantees at least the 5,000 connections of slb.s1.small; if it does, change it to one of the table all the same, or ask the vendor in the ticket.",
            ))
            .get("api_server.internal_slb.specification"),
        Some(SlbClass::Shared) => Judgement::fail("it is a shared-resource instance, which guarantees less than slb.s1.small")
            .stated_by(g.known, &place)
            .fix(Fix::command(format!(
                "aliyun slb ModifyLoadBalancerInstanceSpec --RegionId {} --LoadBalancerId {} --LoadBalancerSpec slb.s1.small --AutoPay true",
                g.facts().cluster.region.as_deref().unwrap_or("<REGION>"),
                slb.id.as_deref().unwrap_or("<SLB_ID>"),
            ))),
        Some(SlbClass::Guaranteed { connections }) => Judgement::pass(format!(
            "it is {specification}, which guarantees {} connections",
            crate::report::format::thousands(u64::from(*connections))
        ))
        .stated_by(g.known, &place),
        Some(SlbClass::Elastic) => {
            Judgement::pass(format!("it is {specification}, which grows with what is used")).stated_by(g.known, &place)
        }
    }
}

/// A public address of the API server is lost.
pub(super) const PUBLIC_SLB: Rule = Rule {
    code: "ack-public-address",
    requirement: "A public SLB instance of the API server is lost; an elastic IP address is bound afterwards.",
    source: PROCEDURE,
    needs: &["api_server.has_public_slb", "acknowledged.public_address_lost"],
    in_dump: false,
    judge: public_slb,
};

fn public_slb(g: &Ground<'_>) -> Judgement {
    let place = ["api_server", "has_public_slb"];
    let noted = g.facts().acknowledged.public_address_lost;
    match (g.facts().api_server.has_public_slb, noted) {
        (None, _) => Judgement::not_stated("api_server.has_public_slb"),
        (Some(false), _) => Judgement::pass("the API server has no public address").stated_by(g.known, &place),
        (Some(true), Some(true)) => {
            Judgement::pass("it has a public address, which is lost; somebody has taken note of that (acknowledged.public_address_lost)")
                .stated_by(g.known, &place)
                .stated_by(g.known, &["acknowledged", "public_address_lost"])
        }
        (Some(true), _) => Judgement::fail("it has a public address, which is lost")
            .stated_by(g.known, &place)
            .fix(Fix::words(
                "Point kubeconfigs, pipelines and firewalls at the internal address first, plan to bind an elastic IP address afterwards (`nodeferry ack plan` has the command), and state acknowledged.public_address_lost: true.",
            )),
    }
}
