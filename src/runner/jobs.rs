//! Jobs whose pods are given time to finish before they are evicted (option `wait_for_jobs`): an evicted one begins again from the start.
//!
//! No procedure that is imitated does so (C). What is waited for is a pod that runs; one that has not started has done no work and is
//! evicted like any other. The wait ends with the pod, or at the procedure's own limit for the pods of a node.

use crate::cluster::{OwnerIdx, Phase, PodIdx, View};
use crate::intent::Options;

/// The Job of a pod that is not evicted before it has finished; None if it may go.
pub(crate) fn awaited(view: View<'_>, options: &Options, pod: PodIdx) -> Option<OwnerIdx> {
    if !options.wait_for_jobs {
        return None;
    }
    let p = &view.state.pods[pod];
    let owner = view.catalog.specs[p.spec].owner.filter(|o| view.catalog.owners[*o].is_job())?;
    (p.phase == Phase::Running && p.deleting.is_none() && !p.gone).then_some(owner)
}

/// The same as a text: `Job/namespace/name`.
pub(crate) fn awaited_text(view: View<'_>, options: &Options, pod: PodIdx) -> Option<String> {
    awaited(view, options, pod).map(|job| view.catalog.owner_text(job))
}
