//! The workloads that fared worst, their ready pods over time.

use super::canvas::{Anchor, Canvas, Ink, chars_in, palette, picture};
use super::frame::{Entry, Panel, Swatch, TOP, WIDTH, batch_bands, legend, title};
use super::scale::{TimeScale, ValueScale};
use super::step;
use crate::report::format;
use crate::trace::harm::worst;
use crate::trace::{Metrics, WorkloadRow};

/// How many workloads are drawn.
pub const MAX_WORKLOADS: usize = 10;

const LANE: i32 = 44;
const GAP: i32 = 30;

/// Draws the plot.
pub(super) fn draw(m: &Metrics) -> String {
    let shown: Vec<&WorkloadRow> =
        worst(&m.workloads).into_iter().filter(|w| !w.points.is_empty()).take(MAX_WORKLOADS).collect();
    let lanes = i32::try_from(shown.len()).unwrap_or(0).max(1);
    picture(WIDTH, TOP + 40 + lanes * (LANE + GAP) + 36, |c| {
        title(c, "Availability: ready pods of the workloads that fare worst", &subtitle(m));
        let time = TimeScale::new(m.start_ms, m.end_ms, 80, WIDTH - 30);
        let entries = [
            Entry::new("ready pods", palette::BLUE, Swatch::Line),
            Entry::new("wanted", palette::GREY, Swatch::ThinLine),
            Entry { opacity: 0.35, ..Entry::new("none ready", palette::VERMILLION, Swatch::Box) },
        ];
        legend(c, (80, TOP + 6), &entries);
        if shown.is_empty() {
            let text = "No workload had fewer ready pods than at the start at any time.";
            c.text(text, (80, TOP + 60), Anchor::Start, Ink::LABEL);
            return;
        }
        for (i, w) in shown.iter().enumerate() {
            let top = TOP + 40 + i32::try_from(i).unwrap_or(0) * (LANE + GAP);
            let panel = Panel { heading: "", time: &time, y: (top, top + LANE) };
            lane(c, &panel, m, w);
            panel.foot(c, i + 1 == shown.len());
        }
    })
}

fn subtitle(m: &Metrics) -> String {
    let all = format::count(m.workloads.len() as u64, "workload");
    if m.workloads.is_empty() {
        return "the trace has no workloads".to_owned();
    }
    match m.harm.is_zero_downtime() {
        true => format!("{all}; zero downtime: every one kept a ready pod"),
        false => format!(
            "{all}; {} without a ready pod for a time, {} broken at the end",
            format::thousands(u64::from(m.harm.at_zero)),
            format::thousands(u64::from(m.harm.broken))
        ),
    }
}

fn lane(c: &mut Canvas<'_>, panel: &Panel<'_>, m: &Metrics, w: &WorkloadRow) {
    let (top, bottom) = panel.y;
    let (x0, x1) = panel.time.pixels();
    batch_bands(c, m, panel.time, panel.y, false);
    let end = if w.broken { "broken at the end" } else { "ready again" };
    let note = format!(
        "least {} of {} \u{b7} none ready for {} \u{b7} {end}",
        w.ready_least,
        w.ready_start,
        format::duration(w.zero_ms)
    );
    c.text(&note, (x1, top - 10), Anchor::End, Ink::SMALL);
    let name = format::shorten(&w.workload, chars_in(x1 - x0 - 420, 12));
    c.text(&name, (x0, top - 10), Anchor::Start, Ink { bold: true, ..Ink::LABEL });
    let max = w.points.iter().map(|p| i64::from(p.ready.max(p.wanted))).max().unwrap_or(0).max(1);
    let values = ValueScale::new(max, 1, max, bottom, top);
    for (y, label) in values.ticks() {
        c.text(&label, (x0 - 8, y), Anchor::End, Ink::SMALL);
    }
    let ends = w.points.iter().skip(1).map(|p| p.t_ms).chain([m.end_ms]);
    for (p, to) in w.points.iter().zip(ends).filter(|(p, _)| p.ready == 0 && p.wanted > 0) {
        c.rect_mix((panel.time.x(p.t_ms), top), (panel.time.x(to), bottom), palette::VERMILLION, 0.35);
    }
    let line = |of: fn(&crate::trace::workloads::ReadyPoint) -> u32| {
        let steps = w.points.iter().map(|p| (panel.time.x(p.t_ms), values.y(i64::from(of(p)))));
        step::line(steps, x1)
    };
    c.path(&line(|p| p.wanted), palette::GREY, 1);
    c.path(&line(|p| p.ready), palette::BLUE, 2);
}
