//! The steps of one cut-over in time: how long each takes, where it fails, and what follows.

use super::super::steps::{MASTERS_AT_ONCE, ROLLBACK_TIMEOUT_MS, SIGNED_URL_MS, SLEEP_POLLS_MS, STEPS, StepKind};
use super::options::{AckSimOptions, Trouble};
use crate::cluster::draw::Draws;
use crate::report::format::duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A step as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepRun {
    /// Its name; `rollback` too.
    pub step: String,
    /// When it began, milliseconds since the first step.
    pub start_ms: i64,
    /// When it ended, or was given up.
    pub end_ms: i64,
    /// Whether it succeeded.
    pub succeeded: bool,
}

/// Why a cut-over failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CutOverFailure {
    /// Stable code.
    pub reason: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// The cut-over in time; milliseconds since its first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Its steps, in order; a rollback is the last.
    pub steps: Vec<StepRun>,
    /// When the masters are out of the cluster for good: with the cut-over. None if it did not come to that.
    pub cut_over_ms: Option<i64>,
    /// When the API server is back; None if it never is.
    pub back_ms: Option<i64>,
    /// Why it failed, if it did.
    pub failure: Option<CutOverFailure>,
}

/// Reasons for which a cut-over fails, with what each means: docs/ack.md is held to this list.
pub const REASONS: &[(&str, &str)] = &[
    (
        "ack-masters-not-drained",
        "the masters are not empty: the cut-over must not begin, for what is left on them is lost",
    ),
    ("ack-sleep-failed", "the control plane of the masters was not put to sleep; rolled back"),
    ("ack-find-leader-failed", "the leader of etcd was not found; rolled back"),
    ("ack-snapshot-failed", "no snapshot of etcd was uploaded; rolled back"),
    ("ack-read-keys-failed", "the signing keys were not read; rolled back"),
    ("ack-rollback-failed", "a step failed, and so did the rollback: the API server stays away"),
    ("ack-restore-failed", "the managed control plane did not restore the snapshot; there is no rollback"),
    (
        "ack-signed-url-expired",
        "the restore took longer than the signed URL of the snapshot lives; there is no rollback",
    ),
];

/// How long a step takes that goes well, or when it fails: what it does, and in how much time.
struct Drawn {
    takes_ms: i64,
    fails: Option<&'static str>,
}

impl Timeline {
    /// One possible cut-over of a cluster with so many masters.
    pub fn draw(options: &AckSimOptions, draws: &Draws, masters: usize) -> Timeline {
        if let Some(outage) = options.outage_ms {
            return Timeline { steps: Vec::new(), cut_over_ms: Some(0), back_ms: Some(outage), failure: None };
        }
        let mut timeline = Timeline { steps: Vec::new(), cut_over_ms: None, back_ms: None, failure: None };
        let mut now = 0;
        let mut uploaded = 0;
        for step in STEPS {
            if !step.rolled_back {
                timeline.cut_over_ms = Some(now);
                timeline.restore(options, draws, now, uploaded);
                return timeline;
            }
            let drawn = draw_step(options, draws, Some(step.kind), masters, step.timeout_ms);
            timeline.push(step.name, now, now + drawn.takes_ms, drawn.fails.is_none());
            now += drawn.takes_ms;
            if let Some(how) = drawn.fails {
                timeline.roll_back(options, draws, step.kind, how, now, masters);
                return timeline;
            }
            if step.kind == StepKind::Snapshot {
                uploaded = now;
            }
        }
        timeline
    }

    fn push(&mut self, step: &str, start_ms: i64, end_ms: i64, succeeded: bool) {
        self.steps.push(StepRun { step: step.to_owned(), start_ms, end_ms, succeeded });
    }

    fn roll_back(
        &mut self,
        options: &AckSimOptions,
        draws: &Draws,
        step: StepKind,
        how: &str,
        now: i64,
        masters: usize,
    ) {
        let drawn = draw_step(options, draws, None, masters, Some(ROLLBACK_TIMEOUT_MS));
        let name = step.info().name;
        let inner = match step {
            StepKind::Sleep if how == TIMED_OUT => format!(
                " The step itself would have polled the API server for {} before it rolled back by itself, which its timeout forestalls.",
                duration(SLEEP_POLLS_MS as u64)
            ),
            _ => String::new(),
        };
        let end = now + drawn.takes_ms;
        self.push("rollback", now, end, drawn.fails.is_none());
        let limit = step.info().timeout_ms.map_or(String::new(), |ms| format!(" (limit {})", duration(ms as u64)));
        let failed = format!("Step {name} {how}{limit}.{inner}");
        self.failure = Some(match drawn.fails {
            None => CutOverFailure {
                reason: format!("ack-{name}-failed"),
                message: format!(
                    "{failed} It was rolled back on all masters: the old control plane is back after {}.",
                    duration(end as u64)
                ),
                remedy: "Nothing has moved: read the step's output in the task's events (aliyun cs GET /tasks/<TASK_ID>), remove its cause, and begin again.".to_owned(),
            },
            Some(rollback) => CutOverFailure {
                reason: "ack-rollback-failed".to_owned(),
                message: format!(
                    "{failed} The rollback {rollback} too (limit {}): the API server stays away, and what fails stays failed.",
                    duration(ROLLBACK_TIMEOUT_MS as u64)
                ),
                remedy: "Move the manifests of the static pods back to /etc/kubernetes/manifests on every master by hand, see that etcd has a leader, and call the vendor's support.".to_owned(),
            },
        });
        self.back_ms = drawn.fails.is_none().then_some(end);
    }

    fn restore(&mut self, options: &AckSimOptions, draws: &Draws, now: i64, uploaded: i64) {
        let step = StepKind::Restore;
        let takes = options.takes_ms(Some(step), draws.u64("ack", "restore", 0));
        let expires = uploaded + SIGNED_URL_MS;
        let trouble = options.trouble_of(Some(step));
        let hangs = trouble == Some(Trouble::Hang) || now + takes > expires;
        let end = if hangs { expires } else { now + takes };
        self.push(step.info().name, now, end, !hangs && trouble.is_none());
        let support = "There is no rollback: keep workers and pods as they are, change nothing, and call the vendor's support with the task's id. The snapshot in the bucket and the masters' disks are what is left of the state: release neither.";
        self.failure = match (hangs, trouble) {
            (true, _) => Some(CutOverFailure {
                reason: "ack-signed-url-expired".to_owned(),
                message: format!(
                    "The managed control plane had not restored the snapshot when its signed URL expired, {} after the upload; the API server stays away.",
                    duration(SIGNED_URL_MS as u64)
                ),
                remedy: support.to_owned(),
            }),
            (false, Some(_)) => Some(CutOverFailure {
                reason: "ack-restore-failed".to_owned(),
                message: "The managed control plane did not restore the snapshot; the API server stays away."
                    .to_owned(),
                remedy: support.to_owned(),
            }),
            (false, None) => None,
        };
        self.back_ms = self.failure.is_none().then_some(end);
    }
}

const TIMED_OUT: &str = "ran into its timeout";
const ERROR: &str = "ended with an error on a master";

/// A command on all masters, five at once: as long as the slowest of each five.
fn draw_step(
    options: &AckSimOptions,
    draws: &Draws,
    step: Option<StepKind>,
    masters: usize,
    timeout_ms: Option<i64>,
) -> Drawn {
    let name = step.map_or("rollback", |s| s.info().name);
    let on_all = matches!(step, Some(StepKind::Sleep) | None);
    let commands = if on_all { masters.max(1) } else { 1 };
    let each: Vec<i64> = (0..commands as u64).map(|nth| options.takes_ms(step, draws.u64("ack", name, nth))).collect();
    let takes: i64 = each.chunks(MASTERS_AT_ONCE).filter_map(|five| five.iter().max()).sum();
    let trouble = options.trouble_of(step);
    match timeout_ms {
        Some(limit) if takes > limit || trouble == Some(Trouble::Hang) => {
            Drawn { takes_ms: limit, fails: Some(TIMED_OUT) }
        }
        _ if trouble == Some(Trouble::Error) => Drawn { takes_ms: takes, fails: Some(ERROR) },
        _ => Drawn { takes_ms: takes, fails: None },
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::StepTrouble;
    use super::*;
    use crate::cluster::Delay;

    fn fixed() -> AckSimOptions {
        let constant = |ms| Delay::Constant { ms };
        AckSimOptions {
            sleep: constant(20_000),
            find_leader: constant(2_000),
            snapshot: constant(50_000),
            read_keys: constant(3_000),
            restore: constant(100_000),
            rollback: constant(30_000),
            ..AckSimOptions::default()
        }
    }

    fn of(options: &AckSimOptions) -> Timeline {
        Timeline::draw(options, &Draws::new(1), 3)
    }

    fn with(mut options: AckSimOptions, step: Option<StepKind>, what: Trouble) -> AckSimOptions {
        options.trouble.push(StepTrouble { step, rollback: step.is_none(), what });
        options
    }

    fn reason(timeline: &Timeline) -> Option<&str> {
        timeline.failure.as_ref().map(|f| f.reason.as_str())
    }

    #[test]
    fn steps_follow_each_other_and_the_masters_go_with_the_cut_over() {
        let t = of(&fixed());
        let ends: Vec<i64> = t.steps.iter().map(|s| s.end_ms).collect();
        assert_eq!(
            (ends, t.cut_over_ms, t.back_ms),
            (vec![20_000, 22_000, 72_000, 75_000, 175_000], Some(75_000), Some(175_000))
        );
        assert_eq!(t.failure, None);
        // Six masters: five at once, then the sixth.
        assert_eq!(Timeline::draw(&fixed(), &Draws::new(1), 6).steps[0].end_ms, 40_000);
    }

    #[test]
    fn every_step_before_the_cut_over_is_rolled_back_at_its_own_limit() {
        for (step, at, hung) in [
            (StepKind::Sleep, 20_000, 240_000),
            (StepKind::FindLeader, 22_000, 20_000 + 60_000),
            (StepKind::Snapshot, 72_000, 22_000 + 600_000),
            (StepKind::ReadKeys, 75_000, 72_000 + 60_000),
        ] {
            for (what, end) in [(Trouble::Error, at), (Trouble::Hang, hung)] {
                let t = of(&with(fixed(), Some(step), what));
                assert_eq!(reason(&t), Some(format!("ack-{}-failed", step.info().name).as_str()));
                assert_eq!((t.cut_over_ms, t.back_ms), (None, Some(end + 30_000)), "{step:?} {what:?}");
            }
        }
        let slow = AckSimOptions { sleep: Delay::Constant { ms: 240_001 }, ..fixed() };
        let message = of(&slow).failure.expect("a failure").message;
        assert!(message.contains("5m 00s") && message.contains("4m 00s"), "{message}");
    }

    #[test]
    fn a_rollback_that_fails_leaves_the_api_server_away() {
        let t = of(&with(with(fixed(), Some(StepKind::Snapshot), Trouble::Error), None, Trouble::Hang));
        assert_eq!((reason(&t), t.back_ms), (Some("ack-rollback-failed"), None));
        assert_eq!(t.steps.last().map(|s| s.end_ms), Some(72_000 + 240_000));
    }

    #[test]
    fn the_signed_url_bounds_the_restore_and_nothing_takes_it_back() {
        // Uploaded at 72 s: good until 2,472 s; the restore begins at 75 s.
        let takes = |ms| of(&AckSimOptions { restore: Delay::Constant { ms }, ..fixed() });
        assert_eq!(takes(2_397_000).back_ms, Some(2_472_000));
        let late = takes(2_397_001);
        assert_eq!(
            (reason(&late), late.back_ms, late.cut_over_ms),
            (Some("ack-signed-url-expired"), None, Some(75_000))
        );
        let hung = of(&with(fixed(), Some(StepKind::Restore), Trouble::Hang));
        assert_eq!(reason(&hung), Some("ack-signed-url-expired"));
        let error = of(&with(fixed(), Some(StepKind::Restore), Trouble::Error));
        assert_eq!((reason(&error), error.back_ms), (Some("ack-restore-failed"), None));
    }
}
