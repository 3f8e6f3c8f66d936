//! The budgets that held the run up most, over time.

use super::canvas::{Anchor, Canvas, Ink, chars_in, palette, picture};
use super::frame::{Entry, Panel, Swatch, TOP, WIDTH, batch_bands, legend, title};
use super::scale::{TimeScale, ValueScale};
use super::step;
use crate::report::format;
use crate::trace::metrics::{BudgetSeries, Metrics};

/// How many budgets are drawn.
pub const MAX_BUDGETS: usize = 10;

const LANE: i32 = 44;
const GAP: i32 = 30;

/// Draws the plot.
pub(super) fn draw(m: &Metrics) -> String {
    let tightest: Vec<&BudgetSeries> =
        m.tightest_budgets().into_iter().filter(|b| !b.points.is_empty()).take(MAX_BUDGETS).collect();
    let lanes = i32::try_from(tightest.len()).unwrap_or(0).max(1);
    let height = TOP + 40 + lanes * (LANE + GAP) + 36;
    picture(WIDTH, height, |c| {
        title(c, "Tightest budgets over time", &subtitle(m, tightest.len()));
        let time = TimeScale::new(m.start_ms, m.end_ms, 80, WIDTH - 30);
        let entries = [
            Entry::new("disruptions allowed", palette::BLUE, Swatch::Line),
            Entry { opacity: 0.35, ..Entry::new("none allowed", palette::VERMILLION, Swatch::Box) },
        ];
        legend(c, (80, TOP + 6), &entries);
        if tightest.is_empty() {
            c.text("The trace tells of no budget.", (80, TOP + 60), Anchor::Start, Ink::LABEL);
            return;
        }
        for (i, b) in tightest.iter().enumerate() {
            let top = TOP + 40 + i32::try_from(i).unwrap_or(0) * (LANE + GAP);
            let panel = Panel { heading: "", time: &time, y: (top, top + LANE) };
            lane(c, &panel, m, b);
            panel.foot(c, i + 1 == tightest.len());
        }
    })
}

fn subtitle(m: &Metrics, shown: usize) -> String {
    let all = m.budgets.len();
    let which = if shown < all { format!("{shown} of {all} budgets") } else { format::count(all as u64, "budget") };
    format!("{which}, by evictions refused, then by time with none allowed")
}

fn lane(c: &mut Canvas<'_>, panel: &Panel<'_>, m: &Metrics, b: &BudgetSeries) {
    let (top, bottom) = panel.y;
    let (x0, x1) = panel.time.pixels();
    batch_bands(c, m, panel.time, panel.y, false);
    let zero = b.zero_ms(m.end_ms);
    let note =
        format!("{} refused · none allowed for {}", format::count(b.refused, "eviction"), format::duration(zero));
    c.text(&note, (x1, top - 10), Anchor::End, Ink::SMALL);
    let name = format::shorten(&b.budget, chars_in(x1 - x0 - 420, 12));
    c.text(&name, (x0, top - 10), Anchor::Start, Ink { bold: true, ..Ink::LABEL });
    let max = b.points.iter().map(|p| p.allowed).max().unwrap_or(0).max(1);
    let values = ValueScale::new(max, 1, max, bottom, top);
    for (y, label) in values.ticks() {
        c.text(&label, (x0 - 8, y), Anchor::End, Ink::SMALL);
    }
    for (from, to) in zero_spans(b, m.end_ms) {
        c.rect_mix((panel.time.x(from), top), (panel.time.x(to), bottom), palette::VERMILLION, 0.35);
    }
    let steps = b.points.iter().map(|p| (panel.time.x(p.t_ms), values.y(p.allowed)));
    c.path(&step::line(steps, x1), palette::BLUE, 2);
}

/// Spans in which nothing was allowed, neighbours joined, milliseconds.
fn zero_spans(b: &BudgetSeries, end_ms: u64) -> Vec<(u64, u64)> {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    let ends = b.points.iter().skip(1).map(|p| p.t_ms).chain([end_ms]);
    for (p, end) in b.points.iter().zip(ends).filter(|(p, _)| p.allowed <= 0) {
        match spans.last_mut() {
            Some(last) if last.1 == p.t_ms => last.1 = end,
            _ => spans.push((p.t_ms, end)),
        }
    }
    spans
}
