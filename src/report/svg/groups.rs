//! Nodes by group and instance type: before, at the peak, after.

use super::canvas::{Anchor, Ink, chars_in, palette, picture};
use super::frame::{Entry, Swatch, TOP, WIDTH, legend, title};
use crate::report::format;
use crate::trace::Metrics;
use crate::trace::ending::GroupNodes;

/// How many groups and instance types are drawn, those with most nodes.
pub const MAX_GROUPS: usize = 12;

const BAR: i32 = 14;
const ROW: i32 = 3 * BAR + 22;
const LEFT: i32 = 330;

/// Draws the plot.
pub(super) fn draw(m: &Metrics) -> String {
    let mut shown: Vec<&GroupNodes> = m.ending.groups.iter().collect();
    shown.sort_by_key(|g| std::cmp::Reverse(g.before.max(g.peak).max(g.after)));
    shown.truncate(MAX_GROUPS);
    shown.sort();
    let rows = i32::try_from(shown.len()).unwrap_or(0).max(1);
    picture(WIDTH, TOP + 30 + rows * ROW + 20, |c| {
        title(c, "Nodes by group and instance type", &subtitle(m, shown.len()));
        let colors = [("before", palette::SILVER), ("at the peak", palette::ORANGE), ("after", palette::BLUE)];
        legend(c, (80, TOP + 6), &colors.map(|(text, color)| Entry::new(text, color, Swatch::Box)));
        if shown.is_empty() {
            c.text("The trace has no nodes.", (80, TOP + 60), Anchor::Start, Ink::LABEL);
            return;
        }
        let most = shown.iter().map(|g| g.before.max(g.peak).max(g.after)).max().unwrap_or(0).max(1);
        let width = |n: u64| i32::try_from(n * u64::from((WIDTH - LEFT - 90).unsigned_abs()) / most).unwrap_or(0);
        for (i, g) in shown.iter().enumerate() {
            let top = TOP + 30 + i32::try_from(i).unwrap_or(0) * ROW;
            let group = g.group.as_deref().unwrap_or("(no group)");
            let name = format!("{group} \u{b7} {}", g.machine_type.as_deref().unwrap_or("type unknown"));
            let name = format::shorten(&name, chars_in(LEFT - 40, 12));
            c.text(&name, (LEFT - 10, top + ROW / 2 - 8), Anchor::End, Ink::LABEL);
            for (j, (n, (_, color))) in [g.before, g.peak, g.after].into_iter().zip(colors).enumerate() {
                let y = top + i32::try_from(j).unwrap_or(0) * BAR;
                c.rect((LEFT, y), (LEFT + width(n), y + BAR - 2), color);
                c.text(&format::thousands(n), (LEFT + width(n) + 6, y + BAR / 2 - 1), Anchor::Start, Ink::SMALL);
            }
        }
    })
}

fn subtitle(m: &Metrics, shown: usize) -> String {
    let all = m.ending.groups.len();
    let which = if shown < all { format!("{shown} of {all} rows") } else { format::count(all as u64, "row") };
    format!(
        "{which} \u{b7} {} more than before at most, at {}",
        format::count(m.ending.surge, "node"),
        format::duration(m.ending.peak_ms)
    )
}
