//! What the plots over time share: title, bands of batches, axes, legends.

use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas, Ink, chars_in, palette, text_width};
use super::scale::{TimeScale, ValueScale};
use crate::report::format;
use crate::trace::Metrics;

/// Width of every plot, pixels.
pub(super) const WIDTH: i32 = 1_200;
/// First row below title and subtitle.
pub(super) const TOP: i32 = 66;

/// Title, and a line of what it is about.
pub(super) fn title(c: &mut Canvas<'_>, title: &str, subtitle: &str) {
    c.text(title, (20, 24), Anchor::Start, Ink::TITLE);
    let subtitle = &format::shorten(subtitle, chars_in(WIDTH - 40, 12));
    c.text(subtitle, (20, 48), Anchor::Start, Ink { color: palette::FAINT, ..Ink::LABEL });
}

/// The run in a line: outcome, duration, batches, pods.
pub(super) fn summary(m: &Metrics) -> String {
    let outcome = m.outcome.as_deref().unwrap_or("not finished");
    let reason = m.reason.as_ref().map_or_else(String::new, |r| format!(" ({r})"));
    // Which run it is stands before the comma, why it is shown after it.
    let shown = m.shown.as_ref().map_or_else(String::new, |s| format!(" · {}", s.split(',').next().unwrap_or(s)));
    format!(
        "{outcome}{reason} after {} · {} · {} moved · {} refused{shown}",
        format::duration(m.duration_ms()),
        format::count(m.batches.len() as u64, "batch"),
        format::count(m.pods_moved, "pod"),
        format::count(m.refused, "eviction"),
    )
}

/// A panel: where it is and what it shows.
pub(super) struct Panel<'a> {
    pub heading: &'a str,
    pub time: &'a TimeScale,
    /// Rows of its plot area, top and bottom.
    pub y: (i32, i32),
}

impl Panel<'_> {
    /// Heading, grid, and numbers at the left.
    pub fn axes(&self, c: &mut Canvas<'_>, values: &ValueScale) {
        let (x0, x1) = self.time.pixels();
        c.text(self.heading, (x0, self.y.0 - 14), Anchor::Start, Ink::HEADING);
        for (y, label) in values.ticks() {
            c.line((x0, y), (x1, y), palette::GRID, 1);
            c.text(&label, (x0 - 8, y), Anchor::End, Ink::SMALL);
        }
    }

    /// The line at the foot; only the last panel of a plot has the numbers.
    pub fn foot(&self, c: &mut Canvas<'_>, with_numbers: bool) {
        let (x0, x1) = self.time.pixels();
        let y = self.y.1;
        c.line((x0, y), (x1, y), palette::GREY, 1);
        for (x, label) in self.time.ticks() {
            c.line((x, y), (x, y + 4), palette::GREY, 1);
            if with_numbers {
                c.text(&label, (x, y + 14), Anchor::Middle, Ink::SMALL);
            }
        }
        if with_numbers {
            let what = format!("time since the start ({})", self.time.unit());
            c.text(&what, ((x0 + x1) / 2, y + 34), Anchor::Middle, Ink::LABEL);
        }
    }

    /// The legend, at the right above the plot area.
    pub fn legend(&self, c: &mut Canvas<'_>, entries: &[Entry<'_>]) {
        let y = self.y.0 - 14;
        let width: i32 = entries.iter().map(Entry::width).sum();
        legend(c, (self.time.pixels().1 - width, y), entries);
    }
}

/// How an entry of a legend is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Swatch {
    Box,
    Line,
    ThinLine,
    Cross,
}

/// One entry of a legend.
pub(super) struct Entry<'a> {
    pub text: &'a str,
    pub color: RGBColor,
    pub opacity: f64,
    pub swatch: Swatch,
}

impl<'a> Entry<'a> {
    /// An entry of full colour.
    pub fn new(text: &'a str, color: RGBColor, swatch: Swatch) -> Entry<'a> {
        Entry { text, color, opacity: 1.0, swatch }
    }

    /// Pixels it takes in a row of entries.
    pub fn width(&self) -> i32 {
        24 + text_width(self.text, Ink::SMALL.size) + 10
    }
}

/// Draws a row of entries whose middle line is at the point's height.
pub(super) fn legend(c: &mut Canvas<'_>, (mut x, y): (i32, i32), entries: &[Entry<'_>]) {
    for e in entries {
        match e.swatch {
            Swatch::Box => c.rect_mix((x, y - 5), (x + 18, y + 5), e.color, e.opacity),
            Swatch::Line => c.line((x, y), (x + 18, y), e.color, 2),
            Swatch::ThinLine => c.line((x, y), (x + 18, y), e.color, 1),
            Swatch::Cross => c.cross((x + 9, y), 4, e.color),
        }
        c.text(e.text, (x + 24, y), Anchor::Start, Ink { color: palette::INK, ..Ink::SMALL });
        x += e.width();
    }
}

/// Upright bands where batches ran, alternating in tone; numbers at the top where there is room.
pub(super) fn batch_bands(c: &mut Canvas<'_>, m: &Metrics, time: &TimeScale, (top, bottom): (i32, i32), numbers: bool) {
    let mut free_from = i32::MIN;
    for (i, b) in m.batches.iter().enumerate() {
        let Some(start) = b.start_ms else { continue };
        let (x0, x1) = (time.x(start), time.x(b.end_ms.unwrap_or(m.end_ms)));
        let tone = if i % 2 == 0 { palette::BAND } else { palette::BAND_DARK };
        c.rect((x0, top), (x1, bottom), tone);
        let long = format!("batch {}", b.index + 1);
        let short = (b.index + 1).to_string();
        let label = if text_width(&long, 11) + 4 < x1 - x0 { long } else { short };
        let (w, middle) = (text_width(&label, 11) / 2 + 2, (x0 + x1) / 2);
        if numbers && middle - w > free_from && (x1 - x0 >= 8 || m.batches.len() < 40) {
            c.text(&label, (middle, top + 8), Anchor::Middle, Ink::SMALL);
            free_from = middle + w;
        }
    }
}
