//! Nodes by side, and what their pods request against what they can give, over time.

use plotters::style::RGBColor;

use super::canvas::{Canvas, palette, picture};
use super::frame::{Entry, Panel, Swatch, TOP, WIDTH, batch_bands, summary, title};
use super::scale::{TimeScale, ValueScale};
use super::step;
use crate::report::format;
use crate::trace::metrics::{BySide, CapacityPoint, Metrics};

const PANEL: i32 = 190;
const GAP: i32 = 52;

/// A side's name, colour and value.
type Side = (&'static str, RGBColor, fn(&BySide<i64>) -> i64);

const SIDES: [Side; 3] = [
    ("other", palette::GREY, |v| v.other), // first: what moves is drawn over what stays
    ("old", palette::VERMILLION, |v| v.old),
    ("new", palette::BLUE, |v| v.new),
];

/// Draws the plot.
pub(super) fn draw(m: &Metrics) -> String {
    let height = TOP + 3 * (PANEL + GAP) + 30;
    let sides: Vec<Side> =
        SIDES.into_iter().filter(|(_, _, of)| m.capacity.iter().any(|p| of(&p.nodes) != 0)).collect();
    picture(WIDTH, height, |c| {
        title(c, "Nodes, CPU and memory over time", &summary(m));
        let time = TimeScale::new(m.start_ms, m.end_ms, 80, WIDTH - 30);
        let panel = |i: i32, heading| {
            let top = TOP + 30 + i * (PANEL + GAP);
            Panel { heading, time: &time, y: (top, top + PANEL) }
        };
        let nodes = panel(0, "Ready nodes");
        batch_bands(c, m, &time, nodes.y, true);
        draw_nodes(c, &nodes, m, &sides);
        let cpu = panel(1, "CPU (cores)");
        batch_bands(c, m, &time, cpu.y, false);
        draw_room(c, &cpu, m, &sides, (1_000, 100), |p| (p.cpu_allocatable_milli, p.cpu_requested_milli));
        let most = most(m, |p| p.memory_allocatable_bytes).max(most(m, |p| p.memory_requested_bytes));
        let (unit, name) = format::byte_unit(most, 4);
        let heading = format!("Memory ({name})");
        let memory = panel(2, &heading);
        batch_bands(c, m, &time, memory.y, false);
        draw_room(c, &memory, m, &sides, (unit, unit), |p| (p.memory_allocatable_bytes, p.memory_requested_bytes));
        memory.foot(c, true);
    })
}

/// The largest value of any side at any time.
fn most(m: &Metrics, of: impl Fn(&CapacityPoint) -> BySide<i64>) -> i64 {
    m.capacity.iter().map(of).map(|v| v.old.max(v.new).max(v.other)).max().unwrap_or(0)
}

fn draw_nodes(c: &mut Canvas<'_>, panel: &Panel<'_>, m: &Metrics, sides: &[Side]) {
    let values = ValueScale::new(most(m, |p| p.nodes), 1, 1, panel.y.1, panel.y.0 + 16);
    panel.axes(c, &values);
    for (_, color, of) in sides {
        let steps = m.capacity.iter().map(|p| (panel.time.x(p.t_ms), values.y(of(&p.nodes))));
        c.path(&step::line(steps, panel.time.pixels().1), *color, 2);
    }
    panel.foot(c, false);
    let entries: Vec<Entry<'_>> = sides.iter().map(|(name, color, _)| Entry::new(name, *color, Swatch::Line)).collect();
    panel.legend(c, &entries);
}

/// Requested as a filled line, allocatable as a thin line above it, for each side.
fn draw_room(
    c: &mut Canvas<'_>,
    panel: &Panel<'_>,
    m: &Metrics,
    sides: &[Side],
    (unit, finest): (i64, i64),
    of: impl Fn(&CapacityPoint) -> (BySide<i64>, BySide<i64>),
) {
    let max = most(m, |p| of(p).0).max(most(m, |p| of(p).1));
    let values = ValueScale::new(max, unit, finest, panel.y.1, panel.y.0 + 6);
    panel.axes(c, &values);
    let end = panel.time.pixels().1;
    let line = |pick: &dyn Fn(&CapacityPoint) -> i64| {
        step::line(m.capacity.iter().map(|p| (panel.time.x(p.t_ms), values.y(pick(p)))), end)
    };
    for (_, color, side) in sides {
        let requested = line(&|p| side(&of(p).1));
        c.area(&requested, panel.y.1, *color, 0.18);
        c.path(&requested, *color, 2);
        c.path(&line(&|p| side(&of(p).0)), *color, 1);
    }
    panel.foot(c, false);
    let names: Vec<(String, String, RGBColor)> = sides
        .iter()
        .map(|(name, color, _)| (format!("{name} requested"), format!("{name} allocatable"), *color))
        .collect();
    let entries: Vec<Entry<'_>> = names
        .iter()
        .flat_map(|(r, a, color)| [Entry::new(r, *color, Swatch::Line), Entry::new(a, *color, Swatch::ThinLine)])
        .collect();
    panel.legend(c, &entries);
}
