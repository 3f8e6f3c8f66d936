//! A progress bar for many runs.

use anyhow::Result;
use std::io::IsTerminal;

/// Runs with a progress bar on a terminal's stderr when there is more than one run.
pub(super) fn with_progress<T, E: std::error::Error + Send + Sync + 'static>(
    runs: u32,
    work: impl FnOnce(&(dyn Fn() + Sync)) -> Result<T, E>,
) -> Result<T> {
    if runs < 2 || !std::io::stderr().is_terminal() {
        return Ok(work(&|| ())?);
    }
    let bar = indicatif::ProgressBar::new(u64::from(runs));
    if let Ok(style) = indicatif::ProgressStyle::with_template("{bar:40} {pos}/{len} runs, {eta} left") {
        bar.set_style(style);
    }
    let result = work(&|| bar.inc(1));
    bar.finish_and_clear();
    Ok(result?)
}
