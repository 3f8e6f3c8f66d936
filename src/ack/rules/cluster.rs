//! Rules about the cluster itself.

use super::{Fix, Ground, Judgement, NEWER_PAGE, PAGE, Rule, some};
use crate::cluster::version;

/// Only a dedicated cluster is migrated.
pub(super) const KIND: Rule = Rule {
    code: "ack-cluster-type",
    requirement: "A dedicated Kubernetes cluster is created.",
    source: PAGE,
    needs: &["cluster.type"],
    in_dump: false,
    judge: |g| {
        let Some(kind) = &g.facts().cluster.kind else { return Judgement::not_stated("cluster.type") };
        let place = ["cluster", "type"];
        match kind.as_str() {
            "dedicated" => Judgement::pass("it is a dedicated cluster").stated_by(g.known, &place),
            "managed" => Judgement::fail("it is a managed cluster: its control plane is the vendor's already")
                .stated_by(g.known, &place)
                .fix(Fix::words("Nothing is to be done here: a managed cluster of the basic edition becomes professional by another call, without an outage of this kind.")),
            other => Judgement::fail(format!("it is a cluster of type {other}"))
                .stated_by(g.known, &place)
                .fix(Fix::words("Only dedicated clusters have masters of their own to be migrated from; move the workloads to a new cluster instead.")),
        }
    },
};

/// Only a running cluster is migrated.
pub(super) const STATE: Rule = Rule {
    code: "ack-cluster-state",
    requirement: "The cluster is running.",
    source: NEWER_PAGE,
    needs: &["cluster.state"],
    in_dump: false,
    judge: |g| {
        match &g.facts().cluster.state {
        None => Judgement::not_stated("cluster.state"),
        Some(state) if state == "running" => Judgement::pass("it is running").stated_by(g.known, &["cluster", "state"]),
        Some(state) => Judgement::fail(format!("it is {state}"))
            .stated_by(g.known, &["cluster", "state"])
            .fix(Fix::words("Wait until what is under way (an upgrade, a change of nodes) has ended, or repair what failed, and look again."))
            .get("cluster.state"),
    }
    },
};

/// The id has the form that the procedure takes.
pub(super) const ID: Rule = Rule {
    code: "ack-cluster-id",
    requirement: "The cluster's id starts with c.",
    source: super::PROCEDURE,
    needs: &["cluster.id"],
    in_dump: true,
    judge: |g| {
        match &g.facts().cluster.id {
        None => Judgement::not_stated("cluster.id"),
        Some(id) if id.starts_with('c') => {
            Judgement::pass(format!("its id is {id}")).stated_by(g.known, &["cluster", "id"])
        }
        Some(id) => Judgement::fail(format!("its id is {id:?}"))
            .stated_by(g.known, &["cluster", "id"])
            .fix(Fix::words("The procedure refuses such an id: see that it is the cluster's id at ACK, not its name; if it is, ask the vendor in the ticket."))
            .get("cluster.id"),
    }
    },
};

/// The version is not too old; it stays.
pub(super) const VERSION: Rule = Rule {
    code: "ack-kubernetes-version",
    requirement: "The Kubernetes version is 1.16 or later (option; the newer page says 1.18).",
    source: PAGE,
    needs: &["cluster.version"],
    in_dump: true,
    judge: version_of,
};

fn version_of(g: &Ground<'_>) -> Judgement {
    let oldest = &g.options.oldest_kubernetes;
    let least = version::minor_of(oldest).unwrap_or(0);
    let upgrade = || {
        let id = g.facts().cluster.id.as_deref().unwrap_or("<CLUSTER_ID>");
        Fix::command(format!(
            "aliyun cs POST /api/v2/clusters/{id}/upgrade --body '{{\"next_version\":\"<VERSION>\"}}'"
        ))
    };
    if let Some(text) = &g.facts().cluster.version {
        let place = ["cluster", "version"];
        return match version::minor_of(text) {
            Some(minor) if minor >= least => {
                Judgement::pass(format!("the control plane is {text}; {oldest} or later is migrated"))
                    .stated_by(g.known, &place)
            }
            Some(_) => Judgement::fail(format!("the control plane is {text}; {oldest} or later is migrated"))
                .stated_by(g.known, &place)
                .fix(upgrade()),
            None => Judgement::unknown(format!("{text:?} is no version of Kubernetes"))
                .stated_by(g.known, &place)
                .get("cluster.version"),
        };
    }
    // A kubelet is never newer than its control plane, so the newest one is a lower bound.
    match g.view.catalog.kubernetes_minor {
        Some(newest) if newest >= least => Judgement::pass(format!(
            "the newest kubelet is of 1.{newest}, and the control plane is not older; {oldest} or later is migrated"
        ))
        .seen_in_dump(),
        Some(newest) => Judgement::unknown(format!(
            "cluster.version is not stated; the newest kubelet is of 1.{newest}, the control plane may be newer"
        ))
        .get("cluster.version"),
        None => Judgement::not_stated("cluster.version"),
    }
}

/// A time zone is set.
pub(super) const TIME_ZONE: Rule = Rule {
    code: "ack-time-zone",
    requirement: "The cluster's time zone is set.",
    source: NEWER_PAGE,
    needs: &["cluster.time_zone"],
    in_dump: false,
    judge: |g| match g.facts().cluster.time_zone.as_deref() {
        None => Judgement::not_stated("cluster.time_zone"),
        Some("") => Judgement::fail("the cluster has no time zone").stated_by(g.known, &["cluster", "time_zone"]).fix(
            Fix::command(format!(
                "aliyun cs PUT /api/v2/clusters/{} --body '{{\"timezone\":\"Asia/Shanghai\"}}'",
                g.facts().cluster.id.as_deref().unwrap_or("<CLUSTER_ID>")
            )),
        ),
        Some(zone) => Judgement::pass(format!("it is {zone}")).stated_by(g.known, &["cluster", "time_zone"]),
    },
};

/// The account may use the feature.
pub(super) const ALLOW_LIST: Rule = Rule {
    code: "ack-allow-list",
    requirement: "Submit a ticket to apply to be added to a whitelist.",
    source: PAGE,
    needs: &["cluster.allow_listed"],
    in_dump: false,
    judge: |g| {
        let ticket = "Submit a ticket (https://workorder-intl.console.aliyun.com/console.htm) that asks for the migration of this cluster, and state cluster.allow_listed: true once it is approved.";
        match g.facts().cluster.allow_listed {
            None => Judgement::unknown("cluster.allow_listed is not stated").fix(Fix::words(ticket)),
            Some(true) => {
                Judgement::pass("the account is on the allow list").stated_by(g.known, &["cluster", "allow_listed"])
            }
            Some(false) => Judgement::fail("the account is not on the allow list")
                .stated_by(g.known, &["cluster", "allow_listed"])
                .fix(Fix::words(ticket)),
        }
    },
};

/// The vendor's own check passes.
pub(super) const CHECK: Rule = Rule {
    code: "ack-vendor-check",
    requirement: "The vendor's own check of the migration (ClusterMigrate) succeeds.",
    source: "CS API (POST /clusters/{id}/checks)",
    needs: &["check.status", "check.failed"],
    in_dump: false,
    judge: vendor_check,
};

fn vendor_check(g: &Ground<'_>) -> Judgement {
    let check = &g.facts().check;
    let failed = check.failed.as_deref().unwrap_or_default();
    let again = |j: Judgement| j.stated_by(g.known, &["check", "status"]).get("check.status");
    match check.status.as_deref() {
        _ if !failed.is_empty() => again(Judgement::fail(format!(
            "{} did not pass: {}",
            crate::report::format::count(failed.len() as u64, "item"),
            some(failed)
        ))),
        None => Judgement::not_stated("check.status"),
        Some(status) => match status.to_lowercase().as_str() {
            "succeeded" | "success" => Judgement::pass("it succeeded").stated_by(g.known, &["check", "status"]),
            "failed" | "fail" => again(Judgement::fail("it failed")),
            _ => again(Judgement::unknown(format!("its status is {status}: it has not ended, or is not known"))),
        },
    }
}
