//! How a migration ends, and why: one table from condition to outcome, message and exit status.
//!
//! The messages here are ours; how each procedure's system words them is in `wording`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Exit status of a command that predicts a migration which completes and leaves a workload broken, or breaks a budget by preemption.
pub const HARMED: i32 = 6;

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
    /// The same with a remedy that knows the object.
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Failure {
        self.remedy = remedy.into();
        self
    }
}

/// The message of a failure as it is said of a batch: whether the migration has stopped for it is said when it has.
pub fn of_batch(message: &str) -> &str {
    message.strip_prefix("The migration has stopped because ").unwrap_or(message)
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
            /// Our words for it.
            pub(super) fn own_message(self) -> &'static str { match self { $(Reason::$name => $message,)* } }
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
        "The migration has stopped because workloads of the batch did not become ready again.",
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
        "surge: a node's pods do not leave within node_timeout_ms and undrainable is schedule, or it is cordon and more nodes are blocked than max_blocked_nodes",
        "The upgrade has stopped: a node could not be drained in time.",
        "Lift the named budget, or set surge.undrainable to cordon or force.";
    /// kubectl drain ended with an error and was told to stop then.
    DrainFailed = "drain-failed", Failed,
        "kubectl-drain: kubectl drain ends with an error, or a node cannot be kept cordoned or empty, and after_drain_error is stop",
        "The migration has stopped because kubectl drain ended with an error.",
        "Lift what the named node's error names, or set kubectl_drain.after_drain_error to go-on.";
    /// Admission let no eviction through.
    EvictionsDenied = "evictions-denied", Failed,
        "kubectl-drain: admission (a webhook, a policy) denies every eviction of a batch, or fails, and after_denial is stop; nothing is broken, and the batches before it stay done",
        "The migration has stopped because admission denies evictions.",
        "Look at the named webhook or policy (kubectl get validatingwebhookconfigurations,validatingadmissionpolicies), let it admit evictions (pods/eviction), then plan again for the nodes that are left; or set kubectl_drain.after_denial to go-on.";
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
    /// Nodes that a surge had launched in addition are still there.
    SurplusLeft = "surplus-left", PartlyCompleted,
        "surge: every old node was replaced, and the pods of a surplus node did not leave it in time, or its machine could not be given back; the node group stays larger than before",
        "Every node was replaced, but the node group is larger than before: surplus nodes could not be removed.",
        "Lift what holds the named surplus nodes, then drain them and give their machines back.";
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
