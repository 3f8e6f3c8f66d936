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
use std::path::Path;

/// Records a seed's migration and compares it with ours; a difference is made as small as a few tries allow.
pub fn check(binary: &Path, seed: u64, directory: &Path) -> Result<Compared> {
    let migration = draw::draw(&mut Luck::new(seed));
    record::record(binary, &migration, directory)?;
    let (report, mut differences) = judge::judge(directory)?;
    if !differences.is_empty() && differences.iter().all(judge::Difference::is_of_time) {
        // A machine that was busy at the wrong moment is no difference, and it is not so twice at the same place.
        let again = directory.join("again");
        record::record(binary, &migration, &again)?;
        let others = judge::judge(&again)?.1;
        differences.retain(|d| others.iter().any(|o| o.is_like(d)));
    }
    let tried = judge::tried(&report);
    let mut compared = Compared {
        about: judge::about(&migration, &report),
        tried,
        equal: tried - differences.len(),
        differences: None,
    };
    if !differences.is_empty() {
        let name = format!("drains of seed {seed}");
        let mut text = judge::text(&report, &differences);
        text.push_str(&shrink::shrink(binary, migration, &differences, directory, &name)?);
        compared.differences = Some(text);
    }
    Ok(compared)
}
