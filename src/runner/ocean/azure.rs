//! Ocean on AKS: its words (docs/reference/ocean.md#api).

use crate::intent::options::AksMessages;
use crate::runner::batch_run::Words;
use crate::runner::stand::{Doing, NodeIs, PoolIs};
use crate::runner::{Outcome, Reason};
use std::borrow::Cow;

/// Every status of a migration.
pub const STATES: [&str; 5] = ["IN_PROGRESS", "COMPLETED", "PARTLY_COMPLETED", "FAILED", "STOPPED"];

/// Every status of an old node.
pub const NODE_STATES: [&str; 7] = [
    "TO_BE_REPLACED",
    "IN_PROGRESS",
    "REPLACED",
    "COULD_NOT_BE_REPLACED",
    "NOT_REPLACED_DUE_TO_PDB",
    "NOT_REPLACED_DUE_TO_RSD",
    "DID_NOT_REPLACE",
];

/// Every status of a node pool's scaling.
pub const SCALE_STATES: [&str; 4] = ["SCALING", "COMPLETED", "FAILED", "PARTIAL_SUCCESS"];

/// See the module.
pub(super) const WORDS: Words = Words {
    doing,
    node,
    pool,
    pod_kinds: None,
    message: |reason, options| message(reason, options.ocean.aks_messages),
    advice,
};

/// The status is the same from the first stage to the last.
fn doing(doing: Doing) -> Option<&'static str> {
    Some(match doing {
        Doing::Ended(Outcome::Completed) => "COMPLETED",
        Doing::Ended(Outcome::PartlyCompleted) => "PARTLY_COMPLETED",
        Doing::Ended(Outcome::Failed) => "FAILED",
        Doing::Ended(Outcome::Stopped) => "STOPPED",
        _ => "IN_PROGRESS",
    })
}

/// `DID_NOT_REPLACE` is a node that nobody tried to replace and nobody will: the migration was stopped before it, or it has a pod
/// without a controller that may not be evicted (C). A node that could not be replaced failed.
fn node(is: NodeIs) -> Option<&'static str> {
    Some(match is {
        NodeIs::Waiting => "TO_BE_REPLACED",
        NodeIs::InProgress => "IN_PROGRESS",
        NodeIs::Replaced => "REPLACED",
        NodeIs::HeldByBudget => "NOT_REPLACED_DUE_TO_PDB",
        NodeIs::HeldByRestriction => "NOT_REPLACED_DUE_TO_RSD",
        NodeIs::HeldByStandAlone | NodeIs::LeftOut => "DID_NOT_REPLACE",
        NodeIs::NotReplaced => "COULD_NOT_BE_REPLACED",
    })
}

fn pool(is: PoolIs) -> Option<&'static str> {
    Some(match is {
        PoolIs::Scaling => "SCALING",
        PoolIs::Ready => "COMPLETED",
        PoolIs::Partly => "PARTIAL_SUCCESS",
        PoolIs::Failed => "FAILED",
    })
}

/// The beginning of Ocean's messages, and what its newer page has in its place.
const STOPPED: &str = "The migration has stopped due to ";
const FAILED: &str = "The migration has failed due to ";

/// What Ocean's documentation for AKS says of a failure, to the letter of one of its pages. The newer one has another beginning for all
/// of them but the last, on old nodes that cannot be rescheduled.
pub(crate) fn message(reason: Reason, page: AksMessages) -> Option<Cow<'static, str>> {
    let july = july_message(reason)?;
    let newer = page == AksMessages::August2024 && reason != Reason::StopNotRescheduled;
    Some(match july.strip_prefix(STOPPED).filter(|_| newer) {
        Some(rest) => Cow::Owned(format!("{FAILED}{rest}")),
        None => Cow::Borrowed(july),
    })
}

/// As the page was in July 2024 ("Migration Failure Reasons"), with the Markdown of a link taken off.
pub(crate) fn july_message(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::Connectivity => {
            "The migration has stopped due to connectivity issues. Make sure the Spotinst controller is installed and working properly."
        }
        Reason::NoNewNodes => {
            "The migration has stopped due to the inability to spin up enough new nodes. Make sure all required Virtual Node Groups are configured."
        }
        Reason::TechnicalTimeout | Reason::Horizon => "The migration has stopped due to technical timeout.",
        Reason::PodsNotScheduled | Reason::UnscheduledAtStart => {
            "The migration has stopped due to the failure to schedule pods for new nodes."
        }
        Reason::NodesNotTerminated => "The migration has stopped due to failure to terminate old nodes.",
        Reason::StopNotTerminated => {
            "The migration has stopped due to the failure to terminate old nodes during the migration Stop process."
        }
        Reason::StopNotRescheduled => {
            "The migration has stopped due to failure to reschedule old nodes during the migration stop process."
        }
        _ => return None,
    })
}

/// What Ocean's page says after the message ("Migration Failure Reasons"), to the letter.
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
            "This failure occurs if Ocean cannot terminate some or all of the migration nodes. Ensure you have the correct permissions and role definitions for the Delete Nodes action in your Azure account."
        }
        Reason::StopNotRescheduled => {
            "This failure occurs if Ocean cannot reschedule the old nodes for the migration after you have stopped the migration. Validate the connectivity and permissions for the Uncordon Node action in the Kubernetes cluster."
        }
        _ => return None,
    })
}
