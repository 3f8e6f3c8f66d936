//! Placements: random clusters and pods through the real scheduler and through ours.

mod cluster;
mod config;
mod pods;
mod record;
mod shrink;

use crate::Compared;
use crate::bed::recording::save_scenario;
use crate::luck::Luck;
use anyhow::Result;
use nodeferry::verify::decisions::verify_decisions;
use std::collections::BTreeSet;
use std::path::Path;

/// Decisions of one seed.
const DECISIONS: usize = 200;

/// What a seed tries.
struct Shape {
    nodes: usize,
    /// Whether nodes are few and small and pods have volumes and priorities, so that some must leave for others.
    tight: bool,
}

impl Shape {
    fn draw(luck: &mut Luck) -> Shape {
        match luck.between(0, 3) {
            0 => Shape { nodes: luck.between(300, 340) as usize, tight: false },
            1 => Shape { nodes: luck.between(8, 24) as usize, tight: true },
            _ => Shape { nodes: luck.between(30, 90) as usize, tight: luck.percent(30) },
        }
    }
}

/// Records a seed's decisions and compares them with ours.
pub fn check(binary: &Path, seed: u64, directory: &Path) -> Result<Compared> {
    let mut luck = Luck::new(seed);
    let shape = Shape::draw(&mut luck);
    let config = config::draw(&mut luck, shape.nodes);
    let world = cluster::draw(&mut luck, &shape);
    let pods = pods::draw(&mut luck, &shape, DECISIONS);
    record::record(binary, &config, &world, &pods, directory)?;
    let report = verify_decisions(directory)?;
    let different: BTreeSet<usize> = report.mismatches.iter().map(|m| m.decision).collect();
    let mut compared = Compared {
        about: format!("placements on {} nodes, {}", shape.nodes, config.about),
        tried: report.decisions,
        equal: report.decisions - different.len(),
        differences: None,
    };
    let Some(first) = report.mismatches.first() else { return Ok(compared) };
    let name = format!("decision {} of seed {seed}", first.decision);
    let smallest = match shrink::shrink(binary, &config, &world, &pods, directory, first.decision, &name)? {
        Some(scenario) => save_scenario(directory, &scenario)?,
        None => format!("(the cluster as it was at {name}, made at once, shows no difference)"),
    };
    compared.differences = Some(format!("{}\n{smallest}", report.render_table()));
    Ok(compared)
}
