//! Whole migrations: random clusters drained by the real `kubectl drain`, and the same simulated.

mod draw;
mod judge;
mod objects;
mod record;
mod scenario;
mod shrink;
mod watch;

use crate::Compared;
use crate::luck::Luck;
use anyhow::Result;
use nodeferry::ops::verify::drain::verify_drain;
use std::path::Path;

/// Records a seed's migration and compares it with ours; a difference is made as small as a few tries allow.
pub fn check(binary: &Path, seed: u64, directory: &Path) -> Result<Compared> {
    let migration = draw::draw(&mut Luck::new(seed));
    record::record(binary, &migration, directory)?;
    let report = verify_drain(directory, 1)?;
    let differences = judge::differences(&report);
    let summary = judge::summary(&migration, &report);
    if differences.is_empty() {
        return Ok(Compared { summary, differences: None });
    }
    let mut text = judge::text(&report, &differences);
    text.push_str(&shrink::shrink(binary, migration, &differences, directory, &format!("drains of seed {seed}"))?);
    Ok(Compared { summary, differences: Some(text) })
}
