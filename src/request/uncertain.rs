//! Simulates all runs again for each assumed delay, with half of it and with twice as much.

use super::ensemble::Ensemble;
use super::error::PlanError;
use crate::cluster::{Catalog, Delay};
use crate::experiment::Experiment;
use crate::intent::Intent;
use crate::plan::uncertainty::{Uncertainty, Variation, VariedAssumption};
use crate::plan::verdict::RunsVerdict;
use crate::runner::Packer;
use crate::sim::delays::{
    Assumed, DEFAULT_LAUNCH, DEFAULT_RETIRE, DEFAULT_START, DEFAULT_STOP, ENOUGH_SAMPLES, describe,
};
use crate::sim::{SimOptions, SiteSpec};
use crate::snapshot::StartDelays;
use std::sync::Arc;

/// A delay that nobody gave and the dump did not show.
struct Assumption {
    name: &'static str,
    assumed: String,
    /// Sets it to a multiple.
    set: fn(&mut SiteSpec, u32, u32),
}

/// Every delay that is assumed, in the order in which the documentation lists them.
fn assumptions(options: &SimOptions, measured: &StartDelays, catalog: &Catalog) -> Vec<Assumption> {
    let delays = &options.delays;
    let plain = SimOptions::default();
    let launches = catalog.groups.iter().any(|g| g.launch_delay.is_none());
    // A value that is the default may be meant or not: then it is an assumption.
    let (detach, provision) = (plain.volume_detach_ms, plain.volume_provision_ms);
    let volumes = !catalog.claims.is_empty();
    let of = |name, assumed: &Delay, set| Assumption { name, assumed: describe(assumed), set };
    let constant = |name, ms: i64, set| Assumption { name, assumed: describe(&Delay::Constant { ms }), set };
    let candidates = [
        (
            delays.start.is_none() && measured.accepted() < ENOUGH_SAMPLES,
            of("start", &DEFAULT_START, |s, n, d| multiply(s, Assumed::Start, n, d)),
        ),
        (delays.stop.is_none(), of("stop", &DEFAULT_STOP, |s, n, d| multiply(s, Assumed::Stop, n, d))),
        (
            delays.launch.is_none() && launches,
            of("launch", &DEFAULT_LAUNCH, |s, n, d| multiply(s, Assumed::Launch, n, d)),
        ),
        (delays.retire.is_none(), of("retire", &DEFAULT_RETIRE, |s, n, d| multiply(s, Assumed::Retire, n, d))),
        (
            volumes && options.volume_detach_ms == detach,
            constant("volume_detach", detach, |s, n, d| {
                let options = Arc::make_mut(&mut s.options);
                options.volume_detach_ms = options.volume_detach_ms * i64::from(n) / i64::from(d);
            }),
        ),
        (
            volumes && options.volume_provision_ms == provision,
            constant("volume_provision", provision, |s, n, d| {
                let options = Arc::make_mut(&mut s.options);
                options.volume_provision_ms = options.volume_provision_ms * i64::from(n) / i64::from(d);
            }),
        ),
    ];
    candidates.into_iter().filter(|(assumed, _)| *assumed).map(|(_, assumption)| assumption).collect()
}

fn multiply(site: &mut SiteSpec, which: Assumed, numerator: u32, denominator: u32) {
    Arc::make_mut(&mut site.delays).multiply(which, numerator, denominator);
}

/// Varies each assumption, one at a time, with the seeds of the prediction itself.
pub(super) fn vary(
    ensemble: &Ensemble<'_>,
    measured: &StartDelays,
    intent: &Arc<Intent>,
    packer: &Arc<dyn Packer>,
    base: &RunsVerdict,
) -> Result<Uncertainty, PlanError> {
    let site = ensemble.experiment.site();
    let run = |assumption: &Assumption, numerator, denominator| -> Result<Variation, PlanError> {
        let mut varied: SiteSpec = site.clone();
        (assumption.set)(&mut varied, numerator, denominator);
        let experiment = Experiment::prepare(varied, intent.clone(), packer.clone()).map_err(PlanError::Input)?;
        Ok(Variation::of(&ensemble.of(&experiment).verdict(base.require_percent)?))
    };
    let mut list = Vec::new();
    for assumption in assumptions(&site.options, measured, &site.catalog) {
        list.push(VariedAssumption {
            half: run(&assumption, 1, 2)?,
            double: run(&assumption, 2, 1)?,
            assumption: assumption.name.to_owned(),
            assumed: assumption.assumed,
        });
    }
    Ok(Uncertainty::of(&Variation::of(base), list))
}
