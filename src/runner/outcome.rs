//! How a migration ends, and why: one table from condition to outcome, message and exit status.
//!
//! Ocean's messages are to the letter those of its documentation; where a procedure has no published wording for a
//! condition, the words are ours. `docs/outcomes.md` is this table, and a test holds the two together.

use super::ocean::{aws, azure};
use super::procedure::words;
use crate::intent::Options;
use crate::intent::options::{AksMessages, ProcedureKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::Write as _;

/// How a batch or a migration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Every old node was emptied (and terminated, if asked).
    Completed,
    /// Some old nodes were, some were not; nothing is broken.
    PartlyCompleted,
    /// It gave up.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

impl Outcome {
    /// The word of the wire (`PARTLY_COMPLETED`).
    pub fn text(self) -> &'static str {
        match self {
            Outcome::Completed => "COMPLETED",
            Outcome::PartlyCompleted => "PARTLY_COMPLETED",
            Outcome::Failed => "FAILED",
            Outcome::Stopped => "STOPPED",
        }
    }
    /// Exit status of a command that predicts this outcome (2 is kept for bad input).
    pub fn exit_status(self) -> i32 {
        match self {
            Outcome::Completed | Outcome::Stopped => 0,
            Outcome::Failed => 3,
            Outcome::PartlyCompleted => 4,
        }
    }
}

/// Why a batch or a migration did not complete.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Stable code, kebab-case ([`Reason::code`]).
    pub reason: String,
    /// The imitated system's message, to the letter where it has one.
    pub message: String,
    /// What brought it about: the pod, the node, the budget, the filter that refused. Never empty.
    pub cause: String,
    /// What would lift it.
    pub remedy: String,
    /// What the imitated system's own documentation advises for this message, to the letter; empty if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

impl Failure {
    /// A failure in the words of the procedure of `options`. A cause is owed: without one the condition of the reason stands
    /// in its place.
    pub fn new(reason: Reason, options: &Options, cause: impl Into<String>) -> Failure {
        let cause = cause.into();
        debug_assert!(!cause.trim().is_empty(), "{} without a cause", reason.code());
        Failure {
            reason: reason.code().into(),
            message: reason.message(options).into_owned(),
            cause: if cause.trim().is_empty() { reason.condition().into() } else { cause },
            remedy: reason.remedy().into(),
            advice: reason.advice(options.procedure).unwrap_or_default().into(),
        }
    }

    /// The same with a remedy that knows the object.
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Failure {
        self.remedy = remedy.into();
        self
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $outcome:ident, $condition:literal, $message:literal, $remedy:literal;)*) => {
        /// Why a migration did not complete.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];
            /// Stable code.
            pub fn code(self) -> &'static str { match self { $(Reason::$name => $code,)* } }
            /// How the migration ends.
            pub fn outcome(self) -> Outcome { match self { $(Reason::$name => Outcome::$outcome,)* } }
            /// When it comes to this.
            pub fn condition(self) -> &'static str { match self { $(Reason::$name => $condition,)* } }
            /// What would lift it, in general.
            pub fn remedy(self) -> &'static str { match self { $(Reason::$name => $remedy,)* } }
            fn own_message(self) -> &'static str { match self { $(Reason::$name => $message,)* } }
        }
    };
}

reasons! {
    /// Ocean's first condition for a start.
    UnscheduledAtStart = "unscheduled-at-start", Failed,
        "pods are unschedulable before anything was touched, and unscheduled-at-start is refuse",
        "The migration was not started: there are unschedulable pods in the cluster.",
        "Make room for these pods or delete them, or plan with --unscheduled-at-start ignore.";
    /// Nothing to migrate.
    NoValidNode = "no-valid-node", Failed,
        "no selected node passes validation",
        "The migration was not started: none of the selected nodes can be migrated.",
        "Lift what the per-node findings name, or select other nodes.";
    /// The controller or the API does not answer.
    Connectivity = "connectivity", Failed,
        "the controller does not report, or the API refuses or loses calls for longer than connectivity_timeout_ms",
        "The migration has stopped because the Kubernetes API could not be reached.",
        "Check the controller and the API server, then start again; what moved stays.";
    /// Replacements did not come.
    NoNewNodes = "no-new-nodes", Failed,
        "the new nodes a batch needs are not Ready within new_nodes_timeout_ms, or no group can make them",
        "The migration has stopped because not enough new nodes could be launched.",
        "Make a group that fits the named pods, raise its maximum count, or give it other machine types or zones.";
    /// The whole takes too long.
    TechnicalTimeout = "technical-timeout", Failed,
        "the migration takes longer than technical_timeout_ms",
        "The migration has stopped because it took too long.",
        "Run the migration with fewer nodes at a time, grouped by labels or requirements.";
    /// The run's bound.
    Horizon = "horizon", Failed,
        "the run reaches horizon_ms",
        "The migration did not end within its horizon.",
        "Set timeouts so that a wait ends, or raise horizon_ms.";
    /// The evicted pods found no home.
    PodsNotScheduled = "pods-not-scheduled", Failed,
        "pods that a batch evicted are not all scheduled and ready within pods_timeout_ms (kubectl-drain: settle_timeout_ms, with after_settle_timeout stop)",
        "The migration has stopped because workloads of the batch did not become whole again.",
        "Make room for the named pods, or lift the constraint that keeps them from the new nodes.";
    /// The machines would not go.
    NodesNotTerminated = "nodes-not-terminated", Failed,
        "old nodes are not gone within termination_timeout_ms",
        "The migration has stopped because old nodes could not be terminated.",
        "Check that the provider's role may delete nodes, then delete the named ones by hand.";
    /// As above, during a stop.
    StopNotTerminated = "stop-nodes-not-terminated", Failed,
        "the migration was stopped, and drained old nodes are not gone within termination_timeout_ms",
        "Old nodes could not be terminated while the migration was being stopped.",
        "Check that the provider's role may delete nodes, then delete the named ones by hand.";
    /// Uncordoning failed during a stop.
    StopNotRescheduled = "stop-nodes-not-rescheduled", Failed,
        "the migration was stopped, and old nodes that were not drained could not be made schedulable again",
        "Old nodes could not be made schedulable again while the migration was being stopped.",
        "Check that nodes may be uncordoned, then run kubectl uncordon on the named ones.";
    /// Too few of a batch were replaced.
    BatchUnhealthy = "batch-unhealthy", Failed,
        "fewer of a batch's nodes were replaced than batch_min_healthy_percent",
        "The migration has stopped because too few nodes of a batch were replaced.",
        "Lift what held the named nodes, or lower --batch-min-healthy.";
    /// A node of a surge resisted.
    NodeTimeout = "node-timeout", Failed,
        "surge: a node's pods do not leave within node_timeout_ms, and undrainable is schedule",
        "The upgrade has stopped: a node could not be drained in time.",
        "Lift the named budget, or set surge.undrainable to cordon or force.";
    /// kubectl drain ended with an error and was told to stop then.
    DrainFailed = "drain-failed", Failed,
        "kubectl-drain: kubectl drain ends with an error, or a node cannot be kept cordoned or empty, and after_drain_error is stop",
        "The migration has stopped because kubectl drain ended with an error.",
        "Lift what the named node's error names, or set kubectl_drain.after_drain_error to go-on.";
    /// The check between two batches said no.
    CheckFailed = "check-failed", Failed,
        "the check between two batches (gates.check) does not succeed within its limit_ms",
        "The migration has stopped because the check before a batch did not succeed.",
        "Lift what the check says, or correct its command, then plan again for the nodes that are left.";
    /// Nobody approved a batch.
    NotApproved = "not-approved", PartlyCompleted,
        "nobody approves a batch that needs it (gates.approval) within its limit_ms; nothing is broken, and the batches before it stay done",
        "The migration has ended because nobody approved the next batch.",
        "Plan again for the nodes that are left, and approve with nodeferry approve in time, or raise the limit.";
    /// Nothing was replaced though nothing broke.
    NothingReplaced = "nothing-replaced", Failed,
        "every batch was worked through, and not one old node was replaced",
        "The migration ended and no node was replaced.",
        "Lift what held the named nodes.";
    /// Budgets held some nodes.
    HeldByBudget = "held-by-budget", PartlyCompleted,
        "every batch was worked through, and a disruption budget kept some nodes from being drained",
        "Some nodes were not replaced because of disruption budgets.",
        "Raise the named budgets' allowance (maxUnavailable, replicas), or force them.";
    /// restrict-scale-down held some nodes.
    HeldByRestriction = "held-by-restriction", PartlyCompleted,
        "every batch was worked through, and pods with restrict-scale-down kept some nodes (only if respected)",
        "Some nodes were not replaced because of pods with restrict-scale-down.",
        "Plan with --respect-restrict-scale-down false, or take the label off the named pods.";
    /// Pods without a controller held some nodes.
    HeldByStandAlone = "held-by-stand-alone-pods", PartlyCompleted,
        "every batch was worked through, and pods that no controller recreates kept some nodes",
        "Some nodes require manual migration because of stand-alone pods.",
        "Plan with --evict-stand-alone-pods true (kubectl-drain: force), or move the named pods by hand.";
    /// The API refused to cordon some nodes.
    CordonRefused = "cordon-refused", PartlyCompleted,
        "every batch was worked through, and the API refused twice to cordon some nodes (an admission policy, a missing permission); no pod was evicted from a node that was not cordoned",
        "Some nodes were not replaced because they could not be cordoned.",
        "Lift what refuses the cordon (the cause quotes it), then plan again for the nodes that are left.";
    /// Somebody made some nodes schedulable again.
    CordonLost = "cordon-lost", PartlyCompleted,
        "every batch was worked through, and somebody made some nodes schedulable again: twice (they were cordoned again the first time), or after they had been drained and before their machines were given back",
        "Some nodes were not replaced because somebody made them schedulable again.",
        "Find out who uncordons the named nodes and why, then plan again for them.";
    /// Another node bears the name of one of the plan's.
    RegisteredAgain = "node-registered-again", PartlyCompleted,
        "every batch was worked through, and nodes were deleted and registered again under their names, with another uid: these are not the nodes of the plan, and they take pods",
        "Some nodes were not replaced because nodes of their names were registered again.",
        "Check who registers the named nodes again (a kubelet that was restarted, a group that was not made smaller), then plan again for them.";
    /// Pods came to nodes that had been drained.
    PodsLeft = "pods-left", PartlyCompleted,
        "every batch was worked through, and pods that should have left are on nodes that were drained: they tolerate the cordon, or came while it was taken back",
        "Some nodes were not replaced because pods came to them after they had been drained.",
        "Move the named pods (or take the toleration off them that lets them run on cordoned nodes), then plan again for the nodes that are left.";
    /// Nobody could look whether nodes are empty.
    NotVerified = "not-verified", PartlyCompleted,
        "every batch was worked through, and the API refused for two minutes to show some nodes or their pods, so that it is not known whether they are empty",
        "Some nodes do not count as replaced because the API does not show whether they are empty.",
        "Restore the permissions to get nodes and to list pods, look at the named nodes, and plan again for those that are not empty.";
    /// Other causes held some nodes.
    SomeNotReplaced = "some-not-replaced", PartlyCompleted,
        "every batch was worked through, and some nodes could not be drained or did not pass validation",
        "Some nodes were not replaced.",
        "Lift what the named nodes' errors name.";
    /// As asked.
    Stopped = "stopped", Stopped,
        "a stop was asked for, and the batch under way was brought to a safe end",
        "The migration was stopped as asked.",
        "Plan again for the nodes that are left.";
}

impl Reason {
    /// The message in the words of the procedure of `options`; ours where it has none.
    pub fn message(self, options: &Options) -> Cow<'static, str> {
        let words = words(options.procedure);
        (words.message)(self, options).unwrap_or(Cow::Borrowed(self.own_message()))
    }

    /// What the documentation of the imitated system advises, to the letter; None if it has nothing on it.
    pub fn advice(self, procedure: ProcedureKind) -> Option<&'static str> {
        (words(procedure).advice)(self)
    }
}

/// The whole table as Markdown: the text of `docs/outcomes.md`.
pub fn table() -> String {
    let mut t = String::from(
        "# How a migration ends\n\n\
         Condition → outcome → message → exit status. The messages of `ocean-azure` and `ocean-aws` are those of Ocean's\n\
         documentation where it has one for the condition; all others are ours. Exit status 2 is bad input.\n\
         Without a failure the outcome is `COMPLETED` (every old node emptied, and terminated if asked), exit status 0.\n\
         Before it is said, every node of the plan is looked at once more: it is gone, or cordoned and without a pod that should have left.\n\n\
         | reason | condition | outcome | exit | message (own) | `ocean-azure` | `ocean-aws` | remedy |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for r in Reason::ALL {
        let o = r.outcome();
        let (aks, aws) = (azure::july_message(*r).unwrap_or("as own"), aws::message(*r).unwrap_or("as own"));
        let _ = writeln!(
            t,
            "| `{}` | {} | `{}` | {} | {} | {aks} | {aws} | {} |",
            r.code(),
            r.condition(),
            o.text(),
            o.exit_status(),
            r.own_message(),
            r.remedy()
        );
    }
    t.push_str(
        "\n## Ocean's own advice\n\n\
         What Ocean's page for AKS says after each message, to the letter; it is the field `advice` of a failure, beside our\n\
         `remedy`. With `options.ocean.aks_messages: 2024-08` the messages of `ocean-azure` are worded as on the vendor's newer\n\
         page, which has \"failed\" for \"stopped\" in six of the seven. For `ocean-aws` the advice is the same, of instances and\n\
         of an AWS account.\n\n\
         | reason | `ocean-azure`, wording of 2024-08 | advice on AKS | advice on EKS |\n\
         |---|---|---|---|\n",
    );
    for r in Reason::ALL {
        let (Some(aks), Some(eks)) = (azure::advice(*r), aws::advice(*r)) else { continue };
        let newer = azure::message(*r, AksMessages::August2024).unwrap_or(Cow::Borrowed(r.own_message()));
        let _ = writeln!(t, "| `{}` | {newer} | {aks} | {eks} |", r.code());
    }
    t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/outcomes.md");
        if std::env::var_os("NODEFERRY_REWRITE").is_some() {
            std::fs::write(path, table()).expect("docs/outcomes.md is written");
        }
        let doc = std::fs::read_to_string(path).expect("docs/outcomes.md is there");
        assert_eq!(doc, table(), "docs/outcomes.md is not the table; run the test with NODEFERRY_REWRITE=1");
    }

    #[test]
    fn codes_are_distinct_and_every_ocean_message_has_a_reason_and_advice() {
        let codes: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for p in [ProcedureKind::OceanAzure, ProcedureKind::OceanAws] {
            let message = |r: &Reason| failure(*r, p, AksMessages::July2024).message;
            let of_ocean = |r: &&Reason| message(r).starts_with("The migration has stopped due to ");
            let n: std::collections::BTreeSet<_> = Reason::ALL.iter().filter(of_ocean).map(message).collect();
            assert_eq!(n.len(), 7);
            for r in Reason::ALL {
                assert_eq!(r.advice(p).is_some(), of_ocean(&r), "{r:?}");
            }
        }
    }

    /// Seed 000, "Migration Failure Reasons": each message and what stands after it, with the link's Markdown taken off.
    const AKS: [(Reason, &str, &str); 7] = [
        (
            Reason::Connectivity,
            "The migration has stopped due to connectivity issues. Make sure the Spotinst controller is installed and working properly.",
            "Refer to the troubleshooting topic for your version of the Ocean Controller.",
        ),
        (
            Reason::NoNewNodes,
            "The migration has stopped due to the inability to spin up enough new nodes. Make sure all required Virtual Node Groups are configured.",
            "Review all your workload's requirements and ensure that the required Virtual Node Groups exist to comply with those requirements.",
        ),
        (
            Reason::TechnicalTimeout,
            "The migration has stopped due to technical timeout.",
            "Try running the migration with smaller node groups. Group the nodes according to labels or by similar configuration requirements.",
        ),
        (
            Reason::PodsNotScheduled,
            "The migration has stopped due to the failure to schedule pods for new nodes.",
            "This occurs if unscheduled or unready pods are in the cluster after the draining time threshold has passed. Verify that no new workloads are manually created during the migration.",
        ),
        (
            Reason::NodesNotTerminated,
            "The migration has stopped due to failure to terminate old nodes.",
            "This failure occurs if Ocean cannot terminate some or all of the migration nodes. Ensure you have the correct permissions and role definitions for the Delete Nodes action in your Azure account.",
        ),
        (
            Reason::StopNotTerminated,
            "The migration has stopped due to the failure to terminate old nodes during the migration Stop process.",
            "This failure occurs if Ocean cannot terminate some or all of the migration nodes. Ensure you have the correct permissions and role definitions for the Delete Nodes action in your Azure account.",
        ),
        (
            Reason::StopNotRescheduled,
            "The migration has stopped due to failure to reschedule old nodes during the migration stop process.",
            "This failure occurs if Ocean cannot reschedule the old nodes for the migration after you have stopped the migration. Validate the connectivity and permissions for the Uncordon Node action in the Kubernetes cluster.",
        ),
    ];

    /// The same on EKS (MIGRATIONS §1, failure messages).
    const EKS: [(Reason, &str); 7] = [
        (
            Reason::Connectivity,
            "connectivity issues. Make sure the Spotinst controller is installed and working properly.",
        ),
        (
            Reason::NoNewNodes,
            "inability to spin up enough new instances. Make sure all required Virtual Node Groups are configured.",
        ),
        (Reason::TechnicalTimeout, "technical timeout."),
        (Reason::PodsNotScheduled, "failure to schedule pods on new nodes."),
        (Reason::NodesNotTerminated, "failure to terminate old instances."),
        (Reason::StopNotTerminated, "failure to terminate old instances during migration stop process."),
        (Reason::StopNotRescheduled, "failure to reschedule old instances during migration stop process."),
    ];

    fn failure(reason: Reason, procedure: ProcedureKind, aks_messages: AksMessages) -> Failure {
        let mut options = Options { procedure, ..Options::default() };
        options.ocean.aks_messages = aks_messages;
        Failure::new(reason, &options, "node old-0")
    }

    #[test]
    fn a_failure_has_the_message_and_the_advice_of_the_vendors_page() {
        for (reason, message, advice) in AKS {
            let f = failure(reason, ProcedureKind::OceanAzure, AksMessages::default());
            assert_eq!((f.message.as_str(), f.advice.as_str()), (message, advice));
            assert!(!f.remedy.is_empty() && f.remedy != advice, "our remedy stands beside it");
        }
        for (reason, message) in EKS {
            let f = failure(reason, ProcedureKind::OceanAws, AksMessages::default());
            assert_eq!(f.message, format!("The migration has stopped due to {message}"));
            let of_azure = f.advice.contains("Azure") || f.advice.contains("nodes for the migration");
            assert!(!f.advice.is_empty() && !of_azure, "{}", f.advice);
        }
        let own = failure(Reason::Connectivity, ProcedureKind::KubectlDrain, AksMessages::default());
        assert_eq!(own.advice, "", "kubectl drain has no such page");
    }

    #[test]
    fn the_newer_page_says_failed_in_six_of_the_seven() {
        for (reason, message, _) in AKS {
            let f = failure(reason, ProcedureKind::OceanAzure, AksMessages::August2024);
            let expected = match reason {
                Reason::StopNotRescheduled => message.to_owned(),
                _ => message.replacen("has stopped", "has failed", 1),
            };
            assert_eq!(f.message, expected);
            let aws = |aks| failure(reason, ProcedureKind::OceanAws, aks).message;
            assert_eq!(aws(AksMessages::August2024), aws(AksMessages::July2024), "AWS has one wording");
        }
        let own = failure(Reason::BatchUnhealthy, ProcedureKind::OceanAzure, AksMessages::August2024);
        assert!(
            own.message.starts_with("The migration has stopped because"),
            "a message of ours stays: {}",
            own.message
        );
    }

    #[test]
    fn a_failure_of_an_older_journal_is_read() {
        let f: Failure =
            serde_json::from_str(r#"{"reason":"horizon","message":"m","cause":"c","remedy":"r"}"#).expect("read");
        assert_eq!(f.advice, "");
        assert!(!serde_json::to_string(&f).expect("written").contains("advice"));
    }
}
