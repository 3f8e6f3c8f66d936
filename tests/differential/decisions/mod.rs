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
use nodeferry::ops::verify::decisions::verify_decisions;
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
    let summary = format!(
        "{} decisions on {} nodes, {}: {} without any difference",
        report.decisions,
        shape.nodes,
        config.about,
        report.decisions
            - report.mismatches.iter().map(|m| m.decision).collect::<std::collections::BTreeSet<_>>().len()
    );
    let Some(first) = report.mismatches.first() else { return Ok(Compared { summary, differences: None }) };
    let name = format!("decision {} of seed {seed}", first.decision);
    let differences = match shrink::shrink(binary, &config, &world, &pods, directory, first.decision, &name)? {
        Some(scenario) => format!("{}\n{}", report.render_table(), save_scenario(directory, &scenario)?),
        None => {
            format!("{}\n(the cluster as it was at {name}, made at once, shows no difference)", report.render_table())
        }
    };
    Ok(Compared { summary, differences: Some(differences) })
}
