//! How long the replications took, as a histogram.

use super::canvas::{Anchor, Canvas, Ink, palette, picture};
use super::frame::{TOP, WIDTH, title};
use super::scale::{ValueScale, in_time_units, tick_step, time_step, time_unit};
use crate::report::format;

const HEIGHT: i32 = 460;
const BINS: u64 = 30;

/// Draws the plot of at least one duration in milliseconds.
pub(super) fn draw(durations_ms: &[u64]) -> String {
    let mut sorted = durations_ms.to_vec();
    sorted.sort_unstable();
    let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
    let step = time_step(max - min, BINS);
    let first = min / step * step;
    let mut bins = vec![0i64; usize::try_from((max - first) / step + 1).unwrap_or(1)];
    for d in &sorted {
        bins[usize::try_from((d - first) / step).unwrap_or(0)] += 1;
    }
    picture(WIDTH, HEIGHT, |c| {
        let subtitle = format!(
            "{} · shortest {} · p50 {} · p95 {} · longest {}",
            format::count(sorted.len() as u64, "replication"),
            format::duration(min),
            format::duration(percentile(&sorted, 50)),
            format::duration(percentile(&sorted, 95)),
            format::duration(max),
        );
        title(c, "Duration of the migration", &subtitle);
        Histogram { first, step, bins: &bins, sorted: &sorted }.draw(c);
    })
}

/// The smallest duration that at least `p` percent do not exceed (nearest rank).
fn percentile(sorted: &[u64], p: usize) -> u64 {
    sorted[(sorted.len() * p).div_ceil(100).max(1) - 1]
}

struct Histogram<'a> {
    first: u64,
    step: u64,
    bins: &'a [i64],
    sorted: &'a [u64],
}

impl Histogram<'_> {
    const X: (i32, i32) = (80, WIDTH - 30);
    const Y: (i32, i32) = (TOP + 60, HEIGHT - 60);

    /// An empty bin's room at each side, so that few bins do not fill the whole plot.
    fn margin(&self) -> u64 {
        10u64.saturating_sub(self.bins.len() as u64).div_ceil(2).max(1)
    }

    /// The pixel of a duration.
    fn x(&self, ms: u64) -> i32 {
        let margin = self.margin() * self.step;
        let range = u128::from(self.step) * self.bins.len() as u128 + 2 * u128::from(margin);
        let from = u128::from(ms + margin - self.first);
        Self::X.0 + i32::try_from(from * (Self::X.1 - Self::X.0).unsigned_abs() as u128 / range).unwrap_or(0)
    }

    fn draw(&self, c: &mut Canvas<'_>) {
        let most = self.bins.iter().copied().max().unwrap_or(1);
        let values = ValueScale::new(most, 1, 1, Self::Y.1, Self::Y.0);
        for (y, label) in values.ticks() {
            c.line((Self::X.0, y), (Self::X.1, y), palette::GRID, 1);
            c.text(&label, (Self::X.0 - 8, y), Anchor::End, Ink::SMALL);
        }
        c.text("Replications", (Self::X.0, Self::Y.0 - 38), Anchor::Start, Ink::HEADING);
        for (i, n) in self.bins.iter().enumerate().filter(|(_, n)| **n > 0) {
            let from = self.first + i as u64 * self.step;
            let (x0, x1) = (self.x(from), self.x(from + self.step));
            c.rect((x0 + 1, values.y(*n)), (x1 - 1, Self::Y.1), palette::SKY);
        }
        c.line((Self::X.0, Self::Y.1), (Self::X.1, Self::Y.1), palette::GREY, 1);
        self.numbers(c);
        self.markers(c);
    }

    fn numbers(&self, c: &mut Canvas<'_>) {
        let (from, to) = (self.first, self.first + self.step * self.bins.len() as u64);
        let (unit, name) = time_unit(to);
        let step = tick_step(to - from, 12, unit);
        for at in (from.div_ceil(step)..=to / step).map(|i| i * step) {
            let x = self.x(at);
            c.line((x, Self::Y.1), (x, Self::Y.1 + 4), palette::GREY, 1);
            c.text(&in_time_units(at, unit), (x, Self::Y.1 + 14), Anchor::Middle, Ink::SMALL);
        }
        let what = format!("duration ({name}; a bar is {} wide)", format::duration(self.step));
        c.text(&what, ((Self::X.0 + Self::X.1) / 2, Self::Y.1 + 36), Anchor::Middle, Ink::LABEL);
    }

    /// Lines at p50 and p95, one row of text each so that they never overlap.
    fn markers(&self, c: &mut Canvas<'_>) {
        for (row, p) in [50, 95].into_iter().enumerate() {
            let ms = percentile(self.sorted, p);
            let (x, y) = (self.x(ms), Self::Y.0 - 30 + i32::try_from(row).unwrap_or(0) * 15);
            let color = if p == 50 { palette::BLUE } else { palette::VERMILLION };
            c.line((x, y), (x, Self::Y.1), color, 2);
            let ink = Ink { color, bold: true, ..Ink::SMALL };
            c.text(&format!("p{p} {}", format::duration(ms)), (x + 6, y), Anchor::Start, ink);
        }
    }
}
