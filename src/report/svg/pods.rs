//! Pending and disrupted pods over time.

use plotters::style::RGBColor;

use super::canvas::{Canvas, palette, picture};
use super::frame::{Panel, TOP, WIDTH, batch_bands, summary, title};
use super::scale::{TimeScale, ValueScale};
use super::step;
use crate::trace::metrics::{CapacityPoint, Metrics};

const PANEL: i32 = 200;
const GAP: i32 = 52;

/// Draws the plot.
pub(super) fn draw(m: &Metrics) -> String {
    picture(WIDTH, TOP + 2 * (PANEL + GAP) + 30, |c| {
        title(c, "Pending and disrupted pods over time", &summary(m));
        let time = TimeScale::new(m.start_ms, m.end_ms, 80, WIDTH - 30);
        let panel = |i: i32, heading| {
            let top = TOP + 30 + i * (PANEL + GAP);
            Panel { heading, time: &time, y: (top, top + PANEL) }
        };
        let pending = panel(0, "Pending pods: created, on no node");
        let disrupted = panel(1, "Disrupted pods: terminated, their replacement not ready");
        batch_bands(c, m, &time, pending.y, true);
        one(c, &pending, m, palette::BLUE, |p| p.pending_pods);
        batch_bands(c, m, &time, disrupted.y, false);
        one(c, &disrupted, m, palette::VERMILLION, |p| p.disrupted_pods);
        pending.foot(c, false);
        disrupted.foot(c, true);
    })
}

fn one(c: &mut Canvas<'_>, panel: &Panel<'_>, m: &Metrics, color: RGBColor, of: impl Fn(&CapacityPoint) -> i64) {
    let max = m.capacity.iter().map(&of).max().unwrap_or(0);
    let values = ValueScale::new(max, 1, 1, panel.y.1, panel.y.0 + 16);
    panel.axes(c, &values);
    let steps = m.capacity.iter().map(|p| (panel.time.x(p.t_ms), values.y(of(p))));
    let line = step::line(steps, panel.time.pixels().1);
    c.area(&line, panel.y.1, color, 0.25);
    c.path(&line, color, 2);
}
