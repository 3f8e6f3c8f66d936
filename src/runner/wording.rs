//! The table of outcomes in the words of each procedure's system.
//!
//! Ocean's messages are to the letter those of its documentation; where a procedure has no published wording for a
//! condition, the words are ours. `docs/outcomes.md` is that table, and a test holds the two together.

use super::ocean::{aws, azure};
use super::outcome::{Failure, Reason};
use super::procedure::words;
use crate::intent::Options;
use crate::intent::options::{AksMessages, ProcedureKind};
use std::borrow::Cow;
use std::fmt::Write as _;

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
         Without a failure the outcome is `COMPLETED` (every old node emptied, and terminated if asked), exit status 0; or 6 if it leaves a\n\
         workload anywhere in the cluster broken or breaks a budget by preemption ([harm.md](harm.md#harm)).\n\
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
        if std::env::var_os("NODEFERRY_BLESS").is_some() {
            std::fs::write(path, table()).expect("docs/outcomes.md is written");
        }
        let doc = std::fs::read_to_string(path).expect("docs/outcomes.md is there");
        assert_eq!(doc, table(), "docs/outcomes.md is not the table; run the test with NODEFERRY_BLESS=1");
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

    /// The same on EKS (docs/outcomes.md).
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
