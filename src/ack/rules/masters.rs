//! Rules about the masters: what runs on them, and what the procedure finds there.

use super::super::dump::{OnMaster, left_on_masters, masters};
use super::super::facts::{MASTER_COMMAND, MasterFacts};
use super::{Fix, Ground, Judgement, PAGE, PROCEDURE, Rule, some};
use crate::report::format::{bytes, count};

const GIB: i64 = 1 << 30;
/// etcd's default limit of its database (`--quota-backend-bytes`), taken where its size is not known.
const DEFAULT_QUOTA_BYTES: i64 = 2 * GIB;
/// The snapshot, the database that it is restored into under the new prefix, and the second snapshot (C).
const COPIES: i64 = 3;

/// Room in `/tmp` that the procedure needs for a database of this size (C: the vendor says only that there must be room).
pub fn tmp_needed_bytes(database_bytes: Option<i64>) -> i64 {
    database_bytes.unwrap_or(DEFAULT_QUOTA_BYTES).max(0).saturating_mul(COPIES)
}

/// The Cloud Assistant client runs on each.
pub(super) const CLOUD_ASSISTANT: Rule = Rule {
    code: "ack-cloud-assistant",
    requirement: "A Cloud Assistant client is installed on the master nodes of the cluster.",
    source: PAGE,
    needs: &["masters.*.cloud_assistant"],
    in_dump: false,
    judge: |g| {
        of_each(
            g,
            "masters.*.cloud_assistant",
            "cloud_assistant",
            |m| m.cloud_assistant,
            "the client runs",
            |wrong| {
                let instances: Vec<String> = wrong
                    .iter()
                    .map(|(_, m)| m.instance.clone().unwrap_or_else(|| "<MASTER_INSTANCE>".to_owned()))
                    .collect();
                let numbered =
                    instances.iter().zip(1..).map(|(i, n)| format!(" --InstanceId.{n} {i}")).collect::<String>();
                vec![Fix::command(format!(
                    "aliyun ecs InstallCloudAssistant --RegionId {}{numbered}",
                    g.facts().cluster.region.as_deref().unwrap_or("<REGION>")
                ))]
            },
        )
    },
};

/// etcd's certificates are where the procedure looks.
pub(super) const ETCD_CERTIFICATES: Rule = Rule {
    code: "ack-etcd-certificates",
    requirement: "etcd's certificates are where the procedure looks for them, on every master.",
    source: PROCEDURE,
    needs: &["masters.*.etcd_certificates"],
    in_dump: false,
    judge: |g| {
        of_each(
            g,
            "masters.*.etcd_certificates",
            "etcd_certificates",
            |m| m.etcd_certificates,
            "they are there",
            |_| {
                vec![Fix::words(
                    "Copy etcd's CA certificate, client certificate and client key to /var/lib/etcd/cert/ca.pem, etcd-client.pem and etcd-client-key.pem on these masters (the paths in etcd's own flags show where they are now), readable by root only.",
                )]
            },
        )
    },
};

/// There is room for the snapshot.
pub(super) const TMP_ROOM: Rule = Rule {
    code: "ack-tmp-room",
    requirement: "There is room for the snapshot in /tmp of the masters: three times the size of etcd's database, 6 GiB where it is not known (C).",
    source: PROCEDURE,
    needs: &["masters.*.tmp_free_bytes", "etcd.database_bytes"],
    in_dump: false,
    judge: tmp_room,
};

fn tmp_room(g: &Ground<'_>) -> Judgement {
    let needed = tmp_needed_bytes(g.facts().etcd.database_bytes);
    let enough = |m: &MasterFacts| m.tmp_free_bytes.map(|free| free >= needed);
    let passes = format!("at least {} are free in /tmp", bytes(needed));
    of_each(g, "masters.*.tmp_free_bytes", "tmp_free_bytes", enough, &passes, |wrong| {
        let free: Vec<String> =
            wrong.iter().map(|(name, m)| format!("{name} has {}", bytes(m.tmp_free_bytes.unwrap_or(0)))).collect();
        vec![Fix::words(format!(
            "Free space in /tmp until {} are available ({}): remove old files there, or mount a larger disk on /tmp.",
            bytes(needed),
            some(&free)
        ))]
    })
}

/// A fact that must hold of every master of the dump, or of the facts file where the dump shows none.
fn of_each(
    g: &Ground<'_>,
    path: &str,
    key: &str,
    holds: impl Fn(&MasterFacts) -> Option<bool>,
    passes: &str,
    fixes: impl Fn(&[(&String, &MasterFacts)]) -> Vec<Fix>,
) -> Judgement {
    let all: Vec<(&String, &MasterFacts)> = g.facts().masters.iter().collect();
    if all.is_empty() {
        return no_masters();
    }
    let with = |verdict: Option<bool>| all.iter().filter(|(_, m)| holds(m) == verdict).copied().collect::<Vec<_>>();
    let names = |list: &[(&String, &MasterFacts)]| some(&list.iter().map(|(n, _)| (*n).clone()).collect::<Vec<_>>());
    let (wrong, silent) = (with(Some(false)), with(None));
    let stated =
        |j: Judgement| all.iter().fold(j, |j, (name, _)| j.stated_by(g.known, &["masters", name.as_str(), key]));
    if !wrong.is_empty() {
        let judged = stated(Judgement::fail(format!("not so on {}", names(&wrong))));
        return fixes(&wrong).into_iter().fold(judged, Judgement::fix);
    }
    if !silent.is_empty() {
        let unknown = stated(Judgement::unknown(format!("{key} is not stated of {}", names(&silent)))).get(path);
        let by_command = key != "cloud_assistant";
        return if by_command {
            unknown.fix(Fix::document("command for the masters (Cloud Assistant)", MASTER_COMMAND))
        } else {
            unknown
        };
    }
    stated(Judgement::pass(format!("{passes} on {}", count(all.len() as u64, "master"))))
}

fn no_masters() -> Judgement {
    Judgement::unknown("no node of the dump is a master, and the facts file names none").fix(Fix::words(
        "Add all nodes to the dump (kubectl get nodes -o json); masters have the label node-role.kubernetes.io/master or node-role.kubernetes.io/control-plane.",
    ))
}

/// No pod of kube-system is left there.
pub(super) const SYSTEM_PODS: Rule = Rule {
    code: "ack-system-pods-on-masters",
    requirement: "Pods of control plane components and pods in the kube-system namespace, excluding DaemonSet pods, are migrated to worker nodes; mirror pods of static pods are exempt.",
    source: PAGE,
    needs: &[],
    in_dump: true,
    judge: |g| left(g, OnMaster::System),
};

/// No pod of anybody else is left there.
pub(super) const USER_PODS: Rule = Rule {
    code: "ack-user-pods-on-masters",
    requirement: "No other pod is left on a master: it is lost at the cut-over.",
    source: PROCEDURE,
    needs: &[],
    in_dump: true,
    judge: |g| left(g, OnMaster::User),
};

fn has_system_pods(g: &Ground<'_>) -> bool {
    let (c, s) = (g.view.catalog, g.view.state);
    let is = |p| c.text(c.namespaces[c.specs[s.pods[p].spec].namespace].name) == "kube-system";
    s.live_pods().any(is)
}

fn left(g: &Ground<'_>, what: OnMaster) -> Judgement {
    let all = masters(g.view);
    if all.is_empty() {
        return no_masters();
    }
    if !g.view.catalog.inventory.has("Pod") {
        return Judgement::unknown("the dump has no pods").fix(Fix::command("kubectl get pods -A -o json"));
    }
    let left = left_on_masters(g.view, what);
    if left.is_empty() && !has_system_pods(g) {
        // Every cluster has some: the dump is of other namespaces only.
        return Judgement::unknown("the dump has no pod of kube-system, so that it is not of all namespaces")
            .fix(Fix::command("kubectl get pods -A -o json"));
    }
    if left.is_empty() {
        return Judgement::pass(format!("none is left on {}", count(all.len() as u64, "master"))).seen_in_dump();
    }
    let names: Vec<&str> = all.iter().map(|n| g.view.state.node_name(g.view.catalog, *n)).collect();
    let judged = Judgement::fail(format!("{}: {}", count(left.len() as u64, "pod"), some(&left))).seen_in_dump();
    judged
        .fix(Fix::command(format!("kubectl cordon {}", names.join(" "))))
        .fix(Fix::command(format!("kubectl drain {} --ignore-daemonsets --delete-emptydir-data", names.join(" "))))
        .fix(Fix::words("Or let `nodeferry ack plan` plan the drain of the masters, with budgets, placement and volumes; a pod that only tolerates masters, or asks for one, needs another node selector first."))
}
