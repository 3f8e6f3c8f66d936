//! The clusters of an experiment: which one is meant, and how long each lives.

use crate::cluster::View;
use crate::intent::Intent;
use crate::runner::{Packer, Runner};
use crate::sim::SiteSpec;
use crate::sim::world::World;
use crate::trace::{Event, Observation};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A cluster of an experiment: its place in the order in which what happens at one moment happens. That of an experiment with one
/// cluster is [`SiteIdx::FIRST`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SiteIdx(pub u32);

impl SiteIdx {
    /// The first cluster, or the only one.
    pub const FIRST: SiteIdx = SiteIdx(0);

    /// Says of something that it is of this cluster: a call, an observation, an action.
    pub fn at<T>(self, what: T) -> At<T> {
        At { site: self, what }
    }
}

impl fmt::Display for SiteIdx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "site {}", self.0)
    }
}

/// Something of one cluster of several: what is injected into it, a call made there, an observation of it.
///
/// Within a cluster nothing names its site, for nothing leaves it; where several are at hand, everything does. What names none is of
/// the first cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct At<T> {
    /// The cluster.
    pub site: SiteIdx,
    /// What is there.
    pub what: T,
}

impl<T> From<T> for At<T> {
    fn from(what: T) -> At<T> {
        SiteIdx::FIRST.at(what)
    }
}

/// When a cluster of an experiment stops. As long as a migration of its own goes on, it never does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Life {
    /// With its migration. A cluster that has none lives as [`Life::Others`].
    #[default]
    Migration,
    /// Not before this moment, in milliseconds: what happens up to then is waited for.
    Until(i64),
    /// With the last of the other clusters. Where nothing of any cluster is waited for, as [`Life::Until`] its `sim.horizon_ms`, or a
    /// day (C).
    Others,
}

/// How long a cluster lives for which nobody says so, in milliseconds (C: as long as a migration may take by default).
pub(super) const DAY_MS: i64 = 86_400_000;

/// One cluster of an experiment, prepared.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// What it is called; None for its place in words.
    pub name: Option<String>,
    pub spec: Arc<SiteSpec>,
    pub migration: Option<Migration>,
    pub life: Life,
}

/// What is done to a cluster of itself.
#[derive(Clone, Debug)]
pub(super) struct Migration {
    pub intent: Arc<Intent>,
    /// The runner that has not begun; each run starts with a copy.
    runner: Runner,
}

impl Migration {
    pub fn prepare(spec: &SiteSpec, intent: Arc<Intent>, packer: Arc<dyn Packer>) -> Result<Migration, String> {
        let runner = Runner::new(intent.clone(), spec.view(), packer)?
            .with_order_seed(spec.options.order_seed)
            .with_start(spec.options.start_unix_ms(&spec.catalog));
        Ok(Migration { intent, runner })
    }
}

impl Prepared {
    /// The cluster at its beginning, drawing from a seed.
    pub fn world(&self, seed: u64) -> World {
        let Some(migration) = &self.migration else { return World::of_cluster(&self.spec, seed) };
        let mut world = World::new(&self.spec, seed, &[], Some(migration.runner.clone()), self.spec.options.stop());
        if self.life != Life::Migration {
            world.live_on();
        }
        world
    }

    /// Whether its end is waited for, whatever becomes of others.
    pub fn is_awaited(&self) -> bool {
        self.migration.is_some() || matches!(self.life, Life::Until(_))
    }

    /// How long it lives where nothing else is waited for.
    pub fn own_life(&self) -> Life {
        Life::Until(self.spec.options.horizon_ms.unwrap_or(DAY_MS))
    }
}

/// An event of one cluster of several, as a line of a trace: the cluster's name, then the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteEvent {
    /// Name of the cluster.
    pub site: String,
    /// What happened there.
    #[serde(flatten)]
    pub event: Event,
}

impl SiteEvent {
    /// An observation with its names: `site` is what the cluster is called, `view` the cluster at any later moment.
    pub fn of(site: &str, observation: &Observation, view: View<'_>) -> SiteEvent {
        SiteEvent { site: site.to_owned(), event: observation.render(view) }
    }
}
