//! Shapes and text in whole pixels, written as SVG.

use plotters::prelude::{DrawingBackend, RGBAColor, SVGBackend, ShapeStyle, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontStyle, IntoFont, RGBColor};

/// A point in pixels from the upper left corner.
pub(super) type Point = (i32, i32);

/// Colours of the plots (Okabe and Ito's palette, and greys).
pub(super) mod palette {
    use super::RGBColor;

    /// Old nodes, failures.
    pub const VERMILLION: RGBColor = RGBColor(213, 94, 0);
    /// New nodes.
    pub const BLUE: RGBColor = RGBColor(0, 114, 178);
    /// Work going on.
    pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
    /// Launching.
    pub const SKY: RGBColor = RGBColor(86, 180, 233);
    /// Other nodes.
    pub const GREY: RGBColor = RGBColor(120, 120, 120);
    /// Waiting.
    pub const SILVER: RGBColor = RGBColor(190, 190, 190);
    /// Text.
    pub const INK: RGBColor = RGBColor(34, 34, 34);
    /// Text of less weight.
    pub const FAINT: RGBColor = RGBColor(100, 100, 100);
    /// Grid lines.
    pub const GRID: RGBColor = RGBColor(226, 226, 226);
    /// Bands of batches.
    pub const BAND: RGBColor = RGBColor(240, 244, 248);
    /// The other bands of batches.
    pub const BAND_DARK: RGBColor = RGBColor(226, 233, 240);
    /// Paper.
    pub const WHITE: RGBColor = RGBColor(255, 255, 255);
}

/// Where text stands from its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink {
    /// Pixels.
    pub size: u32,
    pub color: RGBColor,
    pub bold: bool,
}

impl Ink {
    /// Labels.
    pub const LABEL: Ink = Ink { size: 12, color: palette::INK, bold: false };
    /// Ticks and notes.
    pub const SMALL: Ink = Ink { size: 11, color: palette::FAINT, bold: false };
    /// Headings of panels.
    pub const HEADING: Ink = Ink { size: 13, color: palette::INK, bold: true };
    /// Titles of plots.
    pub const TITLE: Ink = Ink { size: 18, color: palette::INK, bold: true };
}

/// Pixels that `text` takes at most in a wide sans-serif of `size` pixels.
pub(super) fn text_width(text: &str, size: u32) -> i32 {
    let chars = i32::try_from(text.chars().count()).unwrap_or(i32::MAX / 1_000);
    chars.saturating_mul(i32::try_from(size).unwrap_or(12)) * 62 / 100
}

/// How many characters fit into `width` pixels at `size`.
pub(super) fn chars_in(width: i32, size: u32) -> usize {
    usize::try_from(i64::from(width) * 100 / (62 * i64::from(size.max(1)))).unwrap_or(0)
}

/// Draws a picture of `width` × `height` pixels and returns its SVG text.
pub(super) fn picture(width: i32, height: i32, draw: impl FnOnce(&mut Canvas<'_>)) -> String {
    let mut text = String::new();
    let size = (width.unsigned_abs(), height.unsigned_abs());
    let mut canvas = Canvas { svg: SVGBackend::with_string(&mut text, size) };
    canvas.rect((0, 0), (width, height), palette::WHITE);
    draw(&mut canvas);
    _ = canvas.svg.present(); // into a String: nothing can fail
    drop(canvas);
    // A name may hold what XML forbids, be it escaped or not.
    text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}")
}

/// The picture being drawn. Nothing here can fail: it is written to a `String`.
pub(super) struct Canvas<'a> {
    svg: SVGBackend<'a>,
}

impl Canvas<'_> {
    /// A filled rectangle; at least one pixel wide and high.
    pub fn rect(&mut self, from: Point, to: Point, color: RGBColor) {
        self.rect_mix(from, to, color, 1.0);
    }

    /// A filled rectangle that lets through what is under it.
    pub fn rect_mix(&mut self, from: Point, to: Point, color: RGBColor, opacity: f64) {
        let to = (to.0.max(from.0 + 1), to.1.max(from.1 + 1));
        _ = self.svg.draw_rect(from, to, &style(color, opacity).filled(), true);
    }

    /// A straight line.
    pub fn line(&mut self, from: Point, to: Point, color: RGBColor, width: u32) {
        _ = self.svg.draw_line(from, to, &style(color, 1.0).stroke_width(width));
    }

    /// A line through many points.
    pub fn path(&mut self, points: &[Point], color: RGBColor, width: u32) {
        if points.len() > 1 {
            _ = self.svg.draw_path(points.iter().copied(), &style(color, 1.0).stroke_width(width));
        }
    }

    /// A filled polygon.
    pub fn polygon(&mut self, points: &[Point], color: RGBColor, opacity: f64) {
        if points.len() > 2 {
            _ = self.svg.fill_polygon(points.iter().copied(), &style(color, opacity).filled());
        }
    }

    /// The area between a line and `base`.
    pub fn area(&mut self, points: &[Point], base: i32, color: RGBColor, opacity: f64) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return;
        };
        let mut outline = points.to_vec();
        outline.extend([(last.0, base), (first.0, base)]);
        self.polygon(&outline, color, opacity);
    }

    /// A cross, `r` pixels to each side.
    pub fn cross(&mut self, (x, y): Point, r: i32, color: RGBColor) {
        self.line((x - r, y - r), (x + r, y + r), color, 2);
        self.line((x - r, y + r), (x + r, y - r), color, 2);
    }

    /// Text whose middle line is at the point's height.
    pub fn text(&mut self, text: &str, at: Point, anchor: Anchor, ink: Ink) {
        // The SVG backend divides sizes by 1.24 to turn them into the em of CSS.
        let font = ("sans-serif", f64::from(ink.size) * 1.24).into_font();
        let font = if ink.bold { font.style(FontStyle::Bold) } else { font };
        let h = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = TextStyle::from(font).color(&ink.color).pos(Pos::new(h, VPos::Center));
        _ = self.svg.draw_text(text, &style, at);
    }
}

fn style(color: RGBColor, opacity: f64) -> ShapeStyle {
    let RGBColor(r, g, b) = color;
    ShapeStyle::from(RGBAColor(r, g, b, opacity).to_rgba())
}
