//! One simulated run: a site, its API server, and the runner that is driven through them.

use super::apiserver::ApiServer;
use super::autoscaler::AutoscalerKind;
use super::faults::Fault;
use super::site::{Site, SiteSpec};
use crate::cluster::NodeIdx;
use crate::groups::membership::left_groups;
use crate::runner::{Announcement, Failure, Outcome, Runner, StopMode};
use calls::Calls;
use driver::Driver;

mod calls;
mod driver;
mod port;
mod run;

pub use port::{LaunchFailed, Told};
pub use run::Line;

/// Rounds of one instant after which a run is taken to be spinning.
const MOST_ROUNDS: u32 = 100_000;

/// A simulated world and the runner in it: a value that can be stepped, cloned and dropped at any moment.
#[derive(Clone)]
pub struct World {
    site: Site,
    api: ApiServer,
    calls: Calls,
    driver: Driver,
    /// The first instant has been settled.
    begun: bool,
    /// How the migration ended, once it has.
    ended: Option<(Outcome, Option<Failure>)>,
    /// The cluster goes on when its migration has ended.
    lives_on: bool,
}

impl World {
    /// A world at the moment of its snapshot. `more` goes wrong besides what the site's options say. Without a runner somebody
    /// else makes the calls (see [`World::advance_to`]); `stop_at` is when somebody stops the migration, if anybody does.
    pub fn new(
        site: &SiteSpec,
        seed: u64,
        more: &[Fault],
        runner: Option<Runner>,
        stop_at: Option<(i64, StopMode)>,
    ) -> World {
        let runner_wakeup = runner.as_ref().map(|_| 0);
        let migrates = runner.as_ref().is_some_and(|r| r.procedure().is_ocean());
        let spec = site;
        let mut site = Site::new(spec, seed, more);
        // Ocean's own autoscaler knows nothing of the groups that its migration leaves.
        if migrates && spec.autoscaler.kind == AutoscalerKind::Ocean {
            let old: Vec<NodeIdx> = spec.old_nodes.iter().copied().collect();
            site.autoscaler.never_grow(&left_groups(spec.view(), &old));
        }
        World {
            site,
            api: if runner.is_some() { ApiServer::default() } else { ApiServer::with_grants() },
            calls: Calls::default(),
            driver: Driver { runner, runner_wakeup, stop_at, ..Driver::default() },
            begun: false,
            ended: None,
            lives_on: false,
        }
    }

    /// A world that nobody migrates: what others do to it happens, and what comes of that is seen in it.
    pub fn of_cluster(site: &SiteSpec, seed: u64) -> World {
        World {
            site: Site::new(site, seed, &[]),
            api: ApiServer::default(),
            calls: Calls::default(),
            driver: Driver { is_nobody: true, ..Driver::default() },
            begun: false,
            ended: None,
            lives_on: true,
        }
    }

    /// From now on the cluster goes on when its migration has ended: what is under way ends, and others may call.
    pub fn live_on(&mut self) {
        self.lives_on = true;
    }

    /// Whether nothing happens any more, for the migration has ended and the cluster is not to go on.
    pub fn has_stopped(&self) -> bool {
        self.ended.is_some() && !self.lives_on
    }

    /// Whether a migration is under way, or about to begin.
    pub fn migrates(&self) -> bool {
        self.driver.runner.is_some() && self.ended.is_none()
    }

    /// Lets the next moment come and all that happens in it; false if the run has ended already. It ends with the runner, when
    /// nothing can happen any more, or at the horizon.
    pub fn step(&mut self) -> bool {
        if self.has_stopped() {
            return false;
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.settle();
            return true;
        }
        match self.next_moment() {
            next if !self.migrates() => match next {
                Some(next) => self.reach(next),
                None => return false,
            },
            None => self.give_up("nothing-left-to-happen", "no event is left, and the migration has not ended"),
            Some(next) if next > self.horizon_ms() => {
                self.give_up("horizon", "the horizon of the run was reached before the migration ended");
            }
            Some(next) => self.reach(next),
        }
        true
    }

    /// When a run is ended as stuck: at its own horizon, or when the migration should long have given up.
    fn horizon_ms(&self) -> i64 {
        const AFTER_MS: i64 = 3_600_000;
        let of_runner = self.driver.runner.as_ref().map_or(i64::MAX, |r| r.horizon_ms().saturating_add(AFTER_MS));
        self.site.options.horizon_ms.unwrap_or(of_runner)
    }

    // --- the clock ---

    /// The moment comes, and all that happens in it.
    fn reach(&mut self, moment: i64) {
        self.site.pass_to(moment);
        while let Some(timer) = self.site.pop_timer() {
            self.call_timer(timer);
            self.spread_changes();
        }
        self.settle();
    }

    /// The next moment at which something happens by itself.
    pub fn next_moment(&self) -> Option<i64> {
        if self.ended.is_some() {
            return self.site.next_moment();
        }
        let stop = self.driver.stop_at.map(|s| s.0);
        [self.site.next_moment(), self.driver.runner_wakeup, stop].into_iter().flatten().min()
    }

    /// Lets everything that can happen at this instant happen: changes spread, the scheduler empties its queue, the
    /// runner is called once a round.
    fn settle(&mut self) {
        for round in 0..MOST_ROUNDS {
            self.spread_changes();
            let mut moved = self.schedule();
            self.spread_changes();
            moved |= self.stop_if_asked();
            moved |= self.call_runner();
            if !moved || self.has_stopped() {
                return;
            }
            if round + 1 == MOST_ROUNDS {
                self.give_up("spinning", "the same instant was handled too many times");
            }
        }
    }

    /// Hands every new change to every actor until there is none.
    fn spread_changes(&mut self) {
        while let Some(change) = self.site.next_change() {
            self.api.on_change(change);
            self.site.spread(change);
        }
        self.site.changes_are_spread();
    }

    /// Lets the scheduler empty its queue; whether it tried any pod.
    fn schedule(&mut self) -> bool {
        let mut any = false;
        while self.site.schedule_one() {
            any = true;
            self.spread_changes();
        }
        any
    }

    fn give_up(&mut self, reason: &str, message: &str) {
        if self.ended.is_some() {
            return;
        }
        let failure = Failure {
            reason: reason.to_owned(),
            message: format!("{message} ({} ms)", self.site.now),
            cause: self.site.pending_summary(),
            remedy: "look at the findings and at the end of the trace; raise sim.horizon_ms if the run was only slow"
                .into(),
            advice: String::new(),
        };
        match &mut self.driver.runner {
            Some(runner) => {
                runner.abandon(self.site.now, self.site.view(), failure, &mut self.driver.outbox);
                self.take_outbox();
            }
            None => self.announce(Announcement::MigrationFinished { outcome: Outcome::Failed, failure: Some(failure) }),
        }
    }
}
