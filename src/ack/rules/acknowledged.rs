//! Rules of which the fact is that somebody has taken note: what the migration does and nothing takes back.

use super::super::dump::cgpu_basic;
use super::super::facts::Acknowledged;
use super::{Fix, Ground, Judgement, PAGE, PROCEDURE, Rule};

fn noted(g: &Ground<'_>, key: &str, note: fn(&Acknowledged) -> Option<bool>, says: &str, todo: &str) -> Judgement {
    let state = format!("{todo} Then state acknowledged.{key}: true.");
    match note(&g.facts().acknowledged) {
        Some(true) => {
            Judgement::pass(format!("somebody has taken note: {says}")).stated_by(g.known, &["acknowledged", key])
        }
        Some(false) => Judgement::fail(format!("not accepted: {says}"))
            .stated_by(g.known, &["acknowledged", key])
            .fix(Fix::words(state)),
        None => Judgement::unknown(format!("acknowledged.{key} is not stated: {says}")).fix(Fix::words(state)),
    }
}

/// Masters become Unknown.
pub(super) const MASTERS_UNKNOWN: Rule = Rule {
    code: "ack-masters-unknown",
    requirement: "The master nodes no longer belong to the cluster and change to the Unknown state.",
    source: PAGE,
    needs: &["acknowledged.masters_unknown"],
    in_dump: false,
    judge: |g| {
        noted(
            g,
            "masters_unknown",
            |a| a.masters_unknown,
            "the masters become Unknown and stay so until they are deleted with kubectl",
            "Silence the alerts on the masters for the time until they are deleted.",
        )
    },
};

/// No rollback.
pub(super) const NO_ROLLBACK: Rule = Rule {
    code: "ack-no-rollback",
    requirement: "You cannot roll back the migration.",
    source: PAGE,
    needs: &["acknowledged.no_rollback"],
    in_dump: false,
    judge: |g| {
        noted(
            g,
            "no_rollback",
            |a| a.no_rollback,
            "after the cut-over nothing takes it back",
            "Make a backup of what must not be lost, agree on the window, and have the vendor's support at hand during it.",
        )
    },
};

/// No way to make such a cluster again.
pub(super) const NO_NEW_DEDICATED: Rule = Rule {
    code: "ack-no-new-dedicated-cluster",
    requirement: "No new dedicated clusters can be created since 2024-08-21.",
    source: "product announcement",
    needs: &["acknowledged.no_new_dedicated_cluster"],
    in_dump: false,
    judge: |g| {
        noted(
            g,
            "no_new_dedicated_cluster",
            |a| a.no_new_dedicated_cluster,
            "there is no dedicated cluster to go back to, nor to try the migration on unless you have another",
            "If you have another dedicated cluster that matters less, migrate that one first.",
        )
    },
};

/// Machines remain.
pub(super) const MACHINES_BILLED: Rule = Rule {
    code: "ack-machines-billed",
    requirement: "The ECS instances in the dedicated cluster are not automatically deleted; you must manually delete them.",
    source: PAGE,
    needs: &["acknowledged.machines_billed"],
    in_dump: false,
    judge: |g| {
        noted(
            g,
            "machines_billed",
            |a| a.machines_billed,
            "the masters' instances are billed until they are released by hand",
            "Plan who releases them (`nodeferry ack plan` lists them with the commands).",
        )
    },
};

/// Keys travel.
pub(super) const SIGNING_KEYS: Rule = Rule {
    code: "ack-signing-keys",
    requirement: "The service account and front-proxy keys are read on a master and show in the command's output.",
    source: PROCEDURE,
    needs: &["acknowledged.signing_keys_travel"],
    in_dump: false,
    judge: |g| {
        noted(
            g,
            "signing_keys_travel",
            |a| a.signing_keys_travel,
            "who may read outputs of Cloud Assistant commands can read these keys",
            "See who may call ecs:DescribeInvocationResults and ecs:DescribeInvocations on the masters, and take the permission from whoever does not need it.",
        )
    },
};

/// cGPU Basic has to be upgraded.
pub(super) const CGPU: Rule = Rule {
    code: "ack-cgpu",
    requirement: "If cGPU Basic Edition is installed, it must be upgraded to cGPU Professional Edition after the migration.",
    source: PAGE,
    needs: &["acknowledged.cgpu_upgrade"],
    in_dump: true,
    judge: |g| match cgpu_basic(g.view) {
        None => Judgement::unknown("the dump has no DaemonSets, by which cGPU Basic is known")
            .fix(Fix::command("kubectl get daemonsets.apps -A -o json")),
        Some(found) if found.is_empty() => Judgement::pass("no DaemonSet of cGPU Basic is in the dump").seen_in_dump(),
        Some(found) => {
            let says = format!("cGPU Basic is installed ({})", found.join(", "));
            match g.facts().acknowledged.cgpu_upgrade {
                Some(true) => Judgement::pass(format!("{says}; somebody upgrades it afterwards"))
                    .seen_in_dump()
                    .stated_by(g.known, &["acknowledged", "cgpu_upgrade"]),
                _ => Judgement::fail(format!("{says}, and nobody has said that it will be upgraded")).seen_in_dump().fix(Fix::words(
                    "Plan the upgrade to cGPU Professional after the migration (`nodeferry ack plan` has its steps), and state acknowledged.cgpu_upgrade: true.",
                )),
            }
        }
    },
};
