//! Budgets and evictions: random ones through the real disruption controller and eviction API, and through ours.
//!
//! Of the controllers only the disruption controller runs, so that owners and pods stay as they were drawn, in states
//! that controllers pass through quickly; what it and the API see is the real thing.

mod budgets;
mod changes;
mod definitions;
mod owners;
mod plane;
mod pods;
mod record;
mod sentinel;
mod shrink;
mod steps;
mod watch;
mod world;

use crate::Compared;
use crate::bed::recording::save_scenario;
use crate::luck::Luck;
use anyhow::Result;
use nodeferry::verify::evictions::verify_evictions;
use std::path::Path;
use world::{Reference, World};

/// Names of the nodes.
const NODES: [&str; 3] = ["node-0", "node-1", "node-2"];

/// Steps of one seed.
const STEPS: usize = 100;

/// Draws a world: plain namespaces, where each app has a budget of its own, and wild ones, where budgets share pods.
fn draw(luck: &mut Luck) -> World {
    let mut world = World::default();
    for n in 0..luck.between(6, 10) {
        let namespace = format!("ns-{n}");
        let wild = luck.percent(40);
        let apps: Vec<String> = (0..luck.between(2, 5)).map(|a| format!("app-{a}")).collect();
        for app in &apps {
            let mut references = vec![owners::draw(luck, &mut world, &namespace, app)];
            if luck.percent(15) {
                references.push(owners::draw(luck, &mut world, &namespace, &format!("{app}-b")));
            }
            for p in 0..luck.between(0, 9) {
                let reference = references[luck.between(0, references.len() as i64 - 1) as usize].clone();
                world.pods.push(pods::draw(luck, &namespace, &format!("{app}-{p}"), app, reference));
            }
            if !wild {
                world.budgets.push(budgets::draw(luck, &namespace, &format!("b-{app}"), Some(app), &apps));
            }
        }
        if wild || luck.percent(20) {
            for b in 0..luck.between(1, 3) {
                world.budgets.push(budgets::draw(luck, &namespace, &format!("w-{b}"), None, &apps));
            }
        }
        if luck.percent(20) {
            let bare = luck.between(1, 4);
            for p in 0..bare {
                world.pods.push(pods::draw(luck, &namespace, &format!("bare-{p}"), "bare", Reference::None));
            }
        }
        world.namespaces.push(namespace);
    }
    world
}

/// Records a seed's budgets and verdicts and compares them with ours.
pub fn check(binary: &Path, seed: u64, directory: &Path) -> Result<Compared> {
    let mut luck = Luck::new(seed);
    let world = draw(&mut luck);
    let mut plane = plane::Plane::start(binary)?;
    let steps = steps::draw(&mut luck, &world, STEPS);
    record::record(&mut plane, &world, &steps, directory)?;
    let report = verify_evictions(directory)?;
    let c = report.changes.unwrap_or_default();
    let mut compared = Compared {
        about: format!(
            "answers and statuses of {} pods under {} budgets, at rest and in {} steps",
            world.pods.len(),
            report.budgets,
            c.steps
        ),
        tried: report.alone + report.verdicts + c.verdicts + c.writes + c.settled + c.worker,
        equal: report.status_equal
            + report.code_equal.min(report.message_equal)
            + c.verdicts_equal
            + c.writes_equal
            + c.settled_equal
            + c.worker_equal,
        differences: None,
    };
    if report.is_perfect() {
        return Ok(compared);
    }
    drop(plane);
    let smallest = shrink::shrink(binary, &world, &steps, &format!("budgets and evictions of seed {seed}"))?;
    let told = match smallest {
        Some(scenario) => save_scenario(directory, &scenario)?,
        None => "(all of it, done again, shows no difference)".to_owned(),
    };
    compared.differences = Some(format!("{}\n{told}", report.render_table()));
    Ok(compared)
}
