//! The transfer CARRIED OUT: what is written down of it, what comes next, and how it stands.
//!
//! No socket, file or clock is here: `live::transfer` has them. A [`State`] is folded from the records of a journal, so that a process that goes on
//! after another was killed knows as much as that one did.

mod ready;
mod record;
mod report;
mod state;
#[cfg(test)]
mod tests;
mod velero;

pub use ready::{Readiness, pod_problems, readiness};
pub use record::{Began, Entry, JOURNAL_VERSION, Record, Where};
pub use report::{StepRow, TransferReport, WaveRow, WorkloadRow, approve};
pub use state::{Ended, Failed, Next, State, attempt_name};
pub use velero::{
    BACKUP_LABEL, CLAIM_ANNOTATION, Ending, RESTORE_LABEL, Skipped, VolumeRun, ending, not_restored, phase, skipped,
    why_not,
};

/// Reasons for which a step fails, with what each means: docs/transfer-execute.md is held to this list.
pub const REASONS: &[(&str, &str)] = &[
    ("transfer-command-failed", "a command of the step ended with an exit status other than 0, or could not be run"),
    (
        "transfer-apply-refused",
        "the API server of the target refuses an object, or another field manager owns a field of it",
    ),
    ("transfer-pull-failed", "an image cannot be pulled on the target"),
    ("transfer-location-unavailable", "Velero cannot use its backup storage location"),
    ("transfer-backup-failed", "the backup ended, and not as Completed"),
    ("transfer-volume-skipped", "the backup is Completed, and the data of a claim is not in it"),
    ("transfer-restore-failed", "the restore ended, and not as Completed"),
    ("transfer-volume-not-restored", "the restore is Completed, and the data of a claim was not restored"),
    ("transfer-name-taken", "an object of Velero has the name that the plan gives to another"),
];

/// Waits that ended at their limit: the execution is interrupted, and `nodeferry transfer resume` waits again.
pub const LIMITS: &[(&str, &str)] = &[
    ("gate", "nobody has approved the gate"),
    ("location", "Velero has not looked at its backup storage location"),
    ("backup", "the backup has not ended"),
    ("sync", "the target's Velero does not see the backup"),
    ("restore", "the restore has not ended"),
    ("ready", "a workload has not become ready on the target"),
    ("pull", "a pod that pulls an image has not started"),
    ("delete", "what is taken back is not gone"),
    ("answer", "one of the API servers does not answer"),
];
