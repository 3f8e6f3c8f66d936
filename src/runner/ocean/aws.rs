//! Ocean on EKS: its words (docs/reference/ocean.md#api).

use crate::runner::batch_run::Words;
use crate::runner::stand::{Doing, NodeIs};
use crate::runner::{Outcome, Reason};
use std::borrow::Cow;

/// Every state of a migration.
pub const STATES: [&str; 13] = [
    "STARTING",
    "AWAIT_REPLACEMENTS",
    "HANDLE_UNSCHEDULE",
    "DRAIN_NODES",
    "VALIDATE_DRAIN",
    "STOPPING",
    "ERROR",
    "RESCHEDULE_NODES",
    "TERMINATE_NODES",
    "AWAIT_TERMINATION",
    "FINISHED_ERROR",
    "STOPPED",
    "FINISHED",
];

/// The published states of an instance. Others are not known, so none is shown for them (C).
pub const INSTANCE_STATES: [&str; 1] = ["REQUIRES_MANUAL_MIGRATION"];

/// The kinds of a pod of an instance: one without a controller, and any other.
pub const POD_KINDS: [&str; 2] = ["STAND_ALONE_POD", "UNKNOWN"];

/// See the module.
pub(super) const WORDS: Words = Words {
    doing,
    node,
    pool: |_| None,
    pod_kinds: Some(POD_KINDS),
    message: |reason, _| message(reason).map(Cow::Borrowed),
    advice,
};

/// The names are published, their order is not (C): the enum has no word for the time between two batches and while the next
/// one's nodes are cordoned, so a batch begins as the migration did; what is awaited after a stop is part of `STOPPING`; a
/// migration that left nodes out is `FINISHED_ERROR`.
fn doing(doing: Doing) -> Option<&'static str> {
    Some(match doing {
        Doing::Starting => "STARTING",
        Doing::AwaitingNodes => "AWAIT_REPLACEMENTS",
        Doing::Draining => "DRAIN_NODES",
        Doing::Validating => "VALIDATE_DRAIN",
        Doing::AwaitingPods => "HANDLE_UNSCHEDULE",
        Doing::Terminating => "TERMINATE_NODES",
        Doing::AwaitingTermination => "AWAIT_TERMINATION",
        Doing::Stopping => "STOPPING",
        Doing::Failing => "ERROR",
        Doing::Rescheduling => "RESCHEDULE_NODES",
        Doing::Ended(Outcome::Completed) => "FINISHED",
        Doing::Ended(Outcome::PartlyCompleted | Outcome::Failed) => "FINISHED_ERROR",
        Doing::Ended(Outcome::Stopped) => "STOPPED",
    })
}

fn node(is: NodeIs) -> Option<&'static str> {
    (is == NodeIs::HeldByStandAlone).then_some("REQUIRES_MANUAL_MIGRATION")
}

/// What Ocean's documentation for EKS says of a failure, to the letter.
pub(crate) fn message(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::Connectivity => {
            "The migration has stopped due to connectivity issues. Make sure the Spotinst controller is installed and working properly."
        }
        Reason::NoNewNodes => {
            "The migration has stopped due to inability to spin up enough new instances. Make sure all required Virtual Node Groups are configured."
        }
        Reason::TechnicalTimeout | Reason::Horizon => "The migration has stopped due to technical timeout.",
        Reason::PodsNotScheduled | Reason::UnscheduledAtStart => {
            "The migration has stopped due to failure to schedule pods on new nodes."
        }
        Reason::NodesNotTerminated => "The migration has stopped due to failure to terminate old instances.",
        Reason::StopNotTerminated => {
            "The migration has stopped due to failure to terminate old instances during migration stop process."
        }
        Reason::StopNotRescheduled => {
            "The migration has stopped due to failure to reschedule old instances during migration stop process."
        }
        _ => return None,
    })
}

/// What Ocean's page for EKS says after the message: the same as that for AKS, of instances and of an AWS account (C: the words are those for
/// AKS, with these two put in).
pub(crate) fn advice(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::Connectivity => "Refer to the troubleshooting topic for your version of the Ocean Controller.",
        Reason::NoNewNodes => {
            "Review all your workload's requirements and ensure that the required Virtual Node Groups exist to comply with those requirements."
        }
        Reason::TechnicalTimeout | Reason::Horizon => {
            "Try running the migration with smaller node groups. Group the nodes according to labels or by similar configuration requirements."
        }
        Reason::PodsNotScheduled | Reason::UnscheduledAtStart => {
            "This occurs if unscheduled or unready pods are in the cluster after the draining time threshold has passed. Verify that no new workloads are manually created during the migration."
        }
        Reason::NodesNotTerminated | Reason::StopNotTerminated => {
            "This failure occurs if Ocean cannot terminate some or all of the migration instances. Ensure you have the correct permissions and role definitions for the Delete Instances action in your AWS account."
        }
        Reason::StopNotRescheduled => {
            "This failure occurs if Ocean cannot reschedule the old instances for the migration after you have stopped the migration. Validate the connectivity and permissions for the Uncordon Node action in the Kubernetes cluster."
        }
        _ => return None,
    })
}
