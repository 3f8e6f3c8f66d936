//! Simulates all runs again for each assumed delay, with half of it and with twice as much.

use super::ensemble::Ensemble;
use super::error::PlanError;
use crate::cluster::{Catalog, Delay};
use crate::experiment::Experiment;
use crate::intent::Intent;
use crate::plan::uncertainty::{Uncertainty, Variation, VariedAssumption};
use crate::plan::verdict::RunsVerdict;
use crate::runner::Packer;
use crate::sim::SimOptions;
use crate::sim::delays::{DEFAULT_LAUNCH, DEFAULT_RETIRE, DEFAULT_START, DEFAULT_STOP, ENOUGH_SAMPLES, describe};
use crate::snapshot::StartDelays;
use std::sync::Arc;

/// A delay that nobody gave and the dump did not show.
struct Assumption {
    name: &'static str,
    assumed: String,
    /// Sets it to a multiple.
    set: fn(&mut SimOptions, u32, u32),
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
            of("start", &DEFAULT_START, |o, n, d| o.delays.start = Some(DEFAULT_START.times(n, d))),
        ),
        (delays.stop.is_none(), of("stop", &DEFAULT_STOP, |o, n, d| o.delays.stop = Some(DEFAULT_STOP.times(n, d)))),
        (
            delays.launch.is_none() && launches,
            of("launch", &DEFAULT_LAUNCH, |o, n, d| o.delays.launch = Some(DEFAULT_LAUNCH.times(n, d))),
        ),
        (
            delays.retire.is_none(),
            of("retire", &DEFAULT_RETIRE, |o, n, d| o.delays.retire = Some(DEFAULT_RETIRE.times(n, d))),
        ),
        (
            volumes && options.volume_detach_ms == detach,
            constant("volume_detach", detach, |o, n, d| {
                o.volume_detach_ms = o.volume_detach_ms * i64::from(n) / i64::from(d)
            }),
        ),
        (
            volumes && options.volume_provision_ms == provision,
            constant("volume_provision", provision, |o, n, d| {
                o.volume_provision_ms = o.volume_provision_ms * i64::from(n) / i64::from(d);
            }),
        ),
    ];
    candidates.into_iter().filter(|(assumed, _)| *assumed).map(|(_, assumption)| assumption).collect()
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
        let mut options = (*site.options).clone();
        (assumption.set)(&mut options, numerator, denominator);
        let varied = site.with_options(options, measured);
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
