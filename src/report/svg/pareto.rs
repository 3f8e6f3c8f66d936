//! Variants by two figures of which less is better, with the front of those that no other one beats in both.

use super::canvas::{Anchor, Canvas, Ink, palette, picture, text_width};
use super::frame::{Entry, Swatch, TOP, WIDTH, legend, title};
use super::scale::{ValueScale, in_time_units, tick_step, time_unit};
use crate::report::format;
use plotters::style::RGBColor;

const HEIGHT: i32 = 560;
const X: (i32, i32) = (90, WIDTH - 60);
const Y: (i32, i32) = (TOP + 50, HEIGHT - 60);

/// What an axis shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Name of the figure.
    pub name: String,
    /// It is in milliseconds.
    pub is_time: bool,
    /// How many of its units make one that is shown.
    pub unit: i64,
}

/// How a variant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The best.
    Best,
    /// On the front.
    Pareto,
    /// It meets all that is required.
    Good,
    /// It does not.
    Missed,
}

impl Mark {
    const ALL: [Mark; 4] = [Mark::Best, Mark::Pareto, Mark::Good, Mark::Missed];

    fn look(self) -> (&'static str, RGBColor) {
        match self {
            Mark::Best => ("best", palette::VERMILLION),
            Mark::Pareto => ("on the Pareto front", palette::BLUE),
            Mark::Good => ("meets what is required", palette::SKY),
            Mark::Missed => ("does not meet it", palette::GREY),
        }
    }
}

/// A variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its first figure.
    pub x: i64,
    /// Its second figure.
    pub y: i64,
    /// What sets it apart.
    pub label: String,
    /// How it stands.
    pub mark: Mark,
}

/// Draws the plot.
pub fn draw(axes: &[Axis; 2], points: &[Point]) -> String {
    picture(WIDTH, HEIGHT, |c| {
        let subtitle = format!(
            "{} · medians of each variant's runs · less is better on both axes",
            format::count(points.len() as u64, "variant")
        );
        title(c, &format!("{} and {}", axes[0].name, axes[1].name), &subtitle);
        let most = |of: fn(&Point) -> i64| points.iter().map(of).max().unwrap_or(0);
        let across = Scale::new(&axes[0], most(|p| p.x), X.0, X.1);
        let up = Scale::new(&axes[1], most(|p| p.y), Y.1, Y.0);
        for (y, label) in &up.ticks {
            c.line((X.0, *y), (X.1, *y), palette::GRID, 1);
            c.text(label, (X.0 - 8, *y), Anchor::End, Ink::SMALL);
        }
        c.text(&up.heading, (X.0, Y.0 - 24), Anchor::Start, Ink::HEADING);
        c.line((X.0, Y.1), (X.1, Y.1), palette::GREY, 1);
        for (x, label) in &across.ticks {
            c.line((*x, Y.1), (*x, Y.1 + 4), palette::GREY, 1);
            c.text(label, (*x, Y.1 + 14), Anchor::Middle, Ink::SMALL);
        }
        c.text(&across.heading, ((X.0 + X.1) / 2, Y.1 + 36), Anchor::Middle, Ink::LABEL);
        front(c, points, &across, &up);
        // The better ones are drawn over the others, and their labels first.
        let mut taken: Vec<(i32, i32, i32)> = Vec::new();
        for mark in Mark::ALL.into_iter().rev() {
            for p in points.iter().filter(|p| p.mark == mark) {
                let (x, y) = (across.at(p.x), up.at(p.y));
                c.rect((x - 5, y - 5), (x + 5, y + 5), mark.look().1);
            }
        }
        for mark in Mark::ALL {
            for p in points.iter().filter(|p| p.mark == mark) {
                place(c, p, (across.at(p.x), up.at(p.y)), &mut taken);
            }
        }
        let looks = Mark::ALL.map(Mark::look);
        let entries = looks.map(|(text, color)| Entry::new(text, color, Swatch::Box));
        let width: i32 = entries.iter().map(Entry::width).sum();
        legend(c, (X.1 - width, Y.0 - 24), &entries);
    })
}

/// A line through the front, by the first figure.
fn front(c: &mut Canvas<'_>, points: &[Point], across: &Scale, up: &Scale) {
    let mut on: Vec<(i64, i64)> =
        points.iter().filter(|p| matches!(p.mark, Mark::Best | Mark::Pareto)).map(|p| (p.x, p.y)).collect();
    on.sort_unstable();
    on.dedup();
    for pair in on.windows(2) {
        let [a, b] = [pair[0], pair[1]].map(|(x, y)| (across.at(x), up.at(y)));
        // A step: nothing between two variants is known.
        c.line(a, (b.0, a.1), palette::BLUE, 1);
        c.line((b.0, a.1), b, palette::BLUE, 1);
    }
}

/// A label beside its point, if there is room for it.
fn place(c: &mut Canvas<'_>, point: &Point, (x, y): (i32, i32), taken: &mut Vec<(i32, i32, i32)>) {
    let label = format::shorten(&point.label, 40);
    let width = text_width(&label, Ink::SMALL.size);
    let is_right = x + 10 + width < WIDTH;
    let from = if is_right { x + 10 } else { x - 10 - width };
    let is_free =
        |dy: i32| !taken.iter().any(|(x0, x1, row)| from < *x1 && *x0 < from + width && (y + dy - row).abs() < 13);
    if let Some(dy) = [0, -13, 13].into_iter().find(|dy| is_free(*dy)) {
        taken.push((from, from + width, y + dy));
        c.text(&label, (from, y + dy), Anchor::Start, Ink::SMALL);
    }
}

/// Where values of an axis lie.
struct Scale {
    heading: String,
    max: i64,
    pixels: (i32, i32),
    ticks: Vec<(i32, String)>,
}

impl Scale {
    fn new(axis: &Axis, most: i64, from: i32, to: i32) -> Scale {
        if axis.is_time {
            let (unit, name) = time_unit(u64::try_from(most).unwrap_or(0));
            let step =
                i64::try_from(tick_step(u64::try_from(most).unwrap_or(0).max(1_000), 10, unit)).unwrap_or(i64::MAX);
            let max = (most / step + 1).saturating_mul(step);
            let mut scale =
                Scale { heading: format!("{} ({name})", axis.name), max, pixels: (from, to), ticks: Vec::new() };
            scale.ticks = (0..=max / step)
                .map(|i| (scale.at(i * step), in_time_units(u64::try_from(i * step).unwrap_or(0), unit)))
                .collect();
            return scale;
        }
        // Its ticks are laid out upwards; across they are turned.
        let values = ValueScale::new(most.max(1), axis.unit, (axis.unit / 100).max(1), 1_000, 0);
        let max = values.max();
        let mut scale = Scale { heading: axis.name.clone(), max, pixels: (from, to), ticks: Vec::new() };
        let step = values.step();
        scale.ticks = (0..=max / step).map(|i| (scale.at(i * step), format::in_units(i * step, axis.unit))).collect();
        scale
    }

    fn at(&self, value: i64) -> i32 {
        let (from, to) = (i128::from(self.pixels.0), i128::from(self.pixels.1));
        let at = from + (to - from) * i128::from(value.clamp(0, self.max)) / i128::from(self.max.max(1));
        i32::try_from(at).unwrap_or(self.pixels.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_stand_where_their_figures_are_and_the_front_joins_them() {
        let axis = |name: &str, is_time, unit| Axis { name: name.into(), is_time, unit };
        let point = |x, y, label: &str, mark| Point { x, y, label: label.into(), mark };
        let axes = [axis("duration", true, 1), axis("cost", false, 1_000_000)];
        let points = [
            point(600_000, 3_000_000, "10%", Mark::Best),
            point(900_000, 2_000_000, "5%", Mark::Pareto),
            point(950_000, 2_500_000, "<4%>", Mark::Good),
        ];
        let drawn = draw(&axes, &points);
        assert!(drawn.contains("duration (minutes)") && drawn.contains("cost"), "{drawn}");
        assert!(drawn.contains("10%") && drawn.contains("&lt;4%&gt;"), "labels are there, and escaped: {drawn}");
        assert_eq!(drawn, draw(&axes, &points), "the same bytes");
        let scale = Scale::new(&axes[0], 950_000, 0, 1_000);
        assert!(scale.at(0) == 0 && scale.at(600_000) < scale.at(900_000) && scale.at(i64::MAX) == 1_000);
        // Nothing to draw is a plot as well.
        assert!(draw(&axes, &[]).contains("0 variants"));
    }
}
