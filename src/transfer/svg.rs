//! The graph as a picture: a column for each wave, an arrow for each dependency, dashed where it is read off a text.

use super::graph::Graph;
use super::object::ObjectId;
use super::plan::WaveName;
use super::waves::{Place, ordered};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const COLUMN: usize = 300;
const ROW: usize = 34;
const BOX: (usize, usize) = (230, 26);
const MARGIN: usize = 40;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Draws the graph; namespaces are left out, for everything is in one.
pub fn draw(graph: &Graph, places: &BTreeMap<ObjectId, Place>) -> String {
    let waves = [WaveName::W0, WaveName::W1, WaveName::W2, WaveName::W3, WaveName::W4];
    let mut at: BTreeMap<ObjectId, (usize, usize)> = BTreeMap::new();
    let mut rows = 1;
    for (column, wave) in waves.iter().enumerate() {
        let of = places.iter().filter(|(id, p)| p.wave == *wave && id.kind() != "Namespace");
        let ids: BTreeSet<ObjectId> = of.map(|(id, _)| id.clone()).collect();
        for (row, id) in ordered(graph, &ids).into_iter().enumerate() {
            at.insert(id, (MARGIN + column * COLUMN, MARGIN + 20 + row * ROW));
            rows = rows.max(row + 1);
        }
    }
    let (width, height) = (2 * MARGIN + waves.len() * COLUMN - (COLUMN - BOX.0), 2 * MARGIN + 20 + rows * ROW);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"10\">\n\
         <defs><marker id=\"to\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"6\" markerHeight=\"6\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#888\"/></marker></defs>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (column, wave) in waves.iter().enumerate() {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{MARGIN}\" font-size=\"13\" font-weight=\"bold\">{wave:?}</text>",
            MARGIN + column * COLUMN
        );
    }
    for (id, (x, y)) in &at {
        for (needed, why) in graph.needs(id) {
            let Some((to_x, to_y)) = at.get(needed) else { continue };
            let (half, dash) = (BOX.1 / 2, if why.is_weak() { " stroke-dasharray=\"4 3\"" } else { "" });
            // Within a column an arrow goes round on the left.
            let path = if to_x < x {
                let (from, to) = (*x, to_x + BOX.0);
                let middle = usize::midpoint(from, to);
                format!("M{from} {} C{middle} {} {middle} {} {to} {}", y + half, y + half, to_y + half, to_y + half)
            } else if to_x > x {
                let (from, to) = (x + BOX.0, *to_x);
                let middle = usize::midpoint(from, to);
                format!("M{from} {} C{middle} {} {middle} {} {to} {}", y + half, y + half, to_y + half, to_y + half)
            } else {
                let side = x.saturating_sub(22);
                format!("M{x} {} C{side} {} {side} {} {x} {}", y + half, y + half, to_y + half, to_y + half)
            };
            let _ = writeln!(
                out,
                "<path d=\"{path}\" fill=\"none\" stroke=\"#888\"{dash} marker-end=\"url(#to)\"><title>{} {} {}</title></path>",
                escaped(id.as_str()),
                why.text(),
                escaped(needed.as_str())
            );
        }
    }
    for (id, (x, y)) in &at {
        let name = id.as_str().split_once('/').map_or("", |(_, rest)| rest);
        let shown: String =
            if name.chars().count() > 38 { name.chars().take(37).chain(['…']).collect() } else { name.to_owned() };
        let reason = places.get(id).map_or("", |p| p.reason.as_str());
        let _ = writeln!(
            out,
            "<g><title>{}: {}</title><rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"3\" fill=\"#eef3fa\" stroke=\"#5577aa\"/><text x=\"{}\" y=\"{}\" fill=\"#5577aa\" font-size=\"8\">{}</text><text x=\"{}\" y=\"{}\">{}</text></g>",
            escaped(id.as_str()),
            escaped(reason),
            BOX.0,
            BOX.1,
            x + 5,
            y + 9,
            escaped(id.kind()),
            x + 5,
            y + 21,
            escaped(&shown)
        );
    }
    out.push_str("</svg>\n");
    out
}
