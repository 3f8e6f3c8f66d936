//! Which pods of a node `kubectl drain` takes, skips or stumbles over (kubectl v0.36.3 `pkg/drain/filters.go`).

use crate::cluster::{OwnerKind, PodIdx, View};
use crate::intent::Options;
use crate::intent::options::KubectlDrainOptions;
use crate::intent::select::PodChoice;
use crate::runner::look::skips_wait;

/// What becomes of a node's pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filtered {
    /// Pods to evict, in the order of the list.
    pub take: Vec<PodIdx>,
    /// `message: ns/name, …` joined by "; ", as the warning prints it.
    pub warnings: String,
    /// `cannot delete message: ns/name, …`, one per message, in order of first occurrence (kubectl's order is a Go
    /// map's, which is random).
    pub errors: Vec<String>,
    /// How many DaemonSets were looked up, one GET each.
    pub lookups: u32,
}

/// Verdict on one pod.
enum Verdict {
    Take,
    TakeWarn(String),
    Skip,
    SkipWarn(String),
    Error(String),
}

/// Sorts a node's pods (in list order, of `--pod-selector` only) as kubectl's filters do. `now` is ms since the snapshot, as deletion times are.
pub(crate) fn filter(view: View<'_>, pods: &[PodIdx], options: &Options, now: i64) -> Filtered {
    let mut out = Filtered::default();
    let (flags, choice) = (&options.kubectl_drain, PodChoice::new(options));
    let (mut warnings, mut errors): (Vec<(String, Vec<String>)>, Vec<(String, Vec<String>)>) = (Vec::new(), Vec::new());
    let note = |list: &mut Vec<(String, Vec<String>)>, message: String, pod: String| match list
        .iter_mut()
        .find(|l| l.0 == message)
    {
        Some(l) => l.1.push(pod),
        None => list.push((message, vec![pod])),
    };
    for pod in pods.iter().filter(|p| choice.takes(view, **p)) {
        let text = view.state.pod_text(view.catalog, *pod);
        match judge(view, *pod, flags, now, &mut out.lookups) {
            Verdict::Take => out.take.push(*pod),
            Verdict::TakeWarn(m) => {
                out.take.push(*pod);
                note(&mut warnings, m, text);
            }
            Verdict::Skip => {}
            Verdict::SkipWarn(m) => note(&mut warnings, m, text),
            Verdict::Error(m) => note(&mut errors, m, text),
        }
    }
    let line = |(m, pods): (String, Vec<String>)| format!("{m}: {}", pods.join(", "));
    out.warnings = warnings.into_iter().map(line).collect::<Vec<_>>().join("; ");
    out.errors = errors.into_iter().map(|e| format!("cannot delete {}", line(e))).collect();
    out
}

/// The filters in kubectl's order; the first that does not delete ends it, of several warnings the last one stays.
fn judge(view: View<'_>, pod: PodIdx, flags: &KubectlDrainOptions, now: i64, lookups: &mut u32) -> Verdict {
    let (c, s) = (view.catalog, view.state);
    let p = &s.pods[pod];
    let spec = &c.specs[p.spec];
    let terminal = p.phase.is_terminal();
    if skips_wait(view, pod, flags, now) {
        return Verdict::Skip;
    }
    if let Some(owner) = spec.owner.map(|o| &c.owners[o])
        && owner.kind == OwnerKind::DaemonSet
        && c.text(owner.api_version) == "apps/v1"
        && !terminal
    {
        *lookups += 1;
        if owner.missing {
            if !flags.force {
                return Verdict::Error(format!("daemonsets.apps {:?} not found", c.text(owner.name)));
            }
        } else if !flags.ignore_daemonsets {
            return Verdict::Error("DaemonSet-managed Pods (use --ignore-daemonsets to ignore)".into());
        } else {
            return Verdict::SkipWarn("ignoring DaemonSet-managed Pods".into());
        }
    }
    if spec.mirror {
        return Verdict::Skip;
    }
    // Warnings of the filters so far are never seen: unreplicatedFilter comes last, and only the last status is kept.
    if c.shape(p.spec).has_empty_dir() && !terminal && !flags.delete_emptydir_data {
        return Verdict::Error("Pods with local storage (use --delete-emptydir-data to override)".into());
    }
    if terminal || spec.owner.is_some() {
        return Verdict::Take;
    }
    match flags.force {
        true => Verdict::TakeWarn("deleting Pods that declare no controller".into()),
        false => Verdict::Error(match flags.version.says_cannot_delete_twice() {
            true => "cannot delete Pods that declare no controller (use --force to override)".into(),
            false => "Pods that declare no controller (use --force to override)".into(),
        }),
    }
}
