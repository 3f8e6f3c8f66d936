//! Batches and nodes on the time axis: a row for each node, or a lane for each batch when they are many.

mod lanes;
mod rows;

use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas};
use super::canvas::{Ink, Point, palette, picture};
use super::frame::{Entry, Swatch, TOP, WIDTH, legend, summary, title};
use super::scale::TimeScale;
use crate::trace::NodeRole;
use crate::trace::metrics::{BatchRow, Metrics, NodeRow};

/// With more nodes than this a lane a batch is drawn instead of a row a node.
pub const MAX_NODE_ROWS: usize = 60;
/// With more batches than this neighbours share a lane.
pub const MAX_LANES: usize = 36;

/// Where the time axis lies: names are left of it, notes right of it.
const X: (i32, i32) = (230, WIDTH - 244);
/// First row of the plot area.
const PLOT_TOP: i32 = TOP + 34;

/// A node's state as the plot tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Cordoned, no eviction asked for yet.
    Cordoned,
    /// From the first eviction asked for to the last pod gone.
    Draining,
    /// Empty, not deleted yet.
    Drained,
    /// Asked for, not ready.
    Launching,
}

impl State {
    const ALL: [State; 4] = [State::Cordoned, State::Draining, State::Drained, State::Launching];

    fn color(self) -> RGBColor {
        match self {
            State::Cordoned => RGBColor(246, 225, 178),
            State::Draining => palette::ORANGE,
            State::Drained => palette::SILVER,
            State::Launching => palette::SKY,
        }
    }

    fn name(self) -> &'static str {
        match self {
            State::Cordoned => "cordoned, no eviction yet",
            State::Draining => "draining",
            State::Drained => "drained, until deleted",
            State::Launching => "new node: launch until ready",
        }
    }
}

/// Draws the plot.
pub(super) fn draw(m: &Metrics) -> String {
    let blocks = blocks(m);
    let rows: usize = blocks.iter().map(|b| b.nodes.len()).sum();
    let by_node = rows <= MAX_NODE_ROWS;
    let merged = if by_node { blocks } else { lanes::merge(blocks) };
    let height = if by_node { rows::height(&merged) } else { lanes::height(&merged) };
    picture(WIDTH, PLOT_TOP + height + 60, |c| {
        title(c, "Batches and nodes", &summary(m));
        draw_legend(c, by_node, m);
        let time = TimeScale::new(m.start_ms, m.end_ms, X.0, X.1);
        grid(c, &time, PLOT_TOP + height);
        if merged.is_empty() {
            c.text("The trace tells of no batch.", (X.0 + 10, PLOT_TOP + 20), Anchor::Start, Ink::LABEL);
        } else if by_node {
            rows::draw(c, &time, m, &merged);
        } else {
            lanes::draw(c, &time, m, &merged, rows);
        }
    })
}

/// Consecutive batches drawn together (one, unless lanes are merged) and the nodes they concern.
struct Block<'a> {
    /// Empty for nodes that no batch names.
    batches: Vec<&'a BatchRow>,
    nodes: Vec<&'a NodeRow>,
}

/// A block for each batch, nodes by the order in which they were cordoned or asked for, old ones first.
fn blocks(m: &Metrics) -> Vec<Block<'_>> {
    let node = |i: &usize| m.nodes.get(*i);
    let mut blocks: Vec<Block<'_>> = m
        .batches
        .iter()
        .map(|b| {
            let mut nodes: Vec<&NodeRow> = b.old_nodes.iter().chain(&b.new_nodes).filter_map(node).collect();
            nodes.sort_by_key(|n| (n.role == NodeRole::New, n.drained_ms.or(n.requested_ms), n.added_ms));
            Block { batches: vec![b], nodes }
        })
        .collect();
    let strays: Vec<&NodeRow> =
        m.nodes.iter().filter(|n| n.batch.is_none() && (n.role == NodeRole::New || n.cordoned_ms.is_some())).collect();
    if !strays.is_empty() {
        blocks.push(Block { batches: Vec::new(), nodes: strays });
    }
    blocks
}

/// What a node went through: state, from, to (milliseconds).
fn spans(n: &NodeRow, m: &Metrics) -> Vec<(State, u64, u64)> {
    let end = n.deleted_ms.unwrap_or(m.end_ms);
    if n.role == NodeRole::New {
        let from = n.requested_ms.unwrap_or(n.added_ms);
        return vec![(State::Launching, from, n.ready_ms.unwrap_or(end))];
    }
    let Some(cordoned) = n.cordoned_ms else {
        return Vec::new();
    };
    let given_up = n.drain_failed_ms.or(n.uncordoned_ms);
    let done = n.drained_ms.or(given_up).unwrap_or(end);
    let begun = n.first_eviction_ms.map_or(done, |t| t.max(cordoned).min(done));
    let mut spans = vec![(State::Cordoned, cordoned, begun), (State::Draining, begun, done)];
    if n.drained_ms.is_some() {
        spans.push((State::Drained, done, n.deleted_ms.or(n.uncordoned_ms).unwrap_or(m.end_ms)));
    }
    spans.retain(|(_, from, to)| from < to);
    spans
}

fn draw_legend(c: &mut Canvas<'_>, by_node: bool, m: &Metrics) {
    let seen = |s: &State| m.nodes.iter().any(|n| spans(n, m).iter().any(|(state, ..)| state == s));
    let states = State::ALL.into_iter().filter(seen);
    let mut entries: Vec<Entry<'_>> = states.map(|s| Entry::new(s.name(), s.color(), Swatch::Box)).collect();
    if by_node && m.nodes.iter().any(|n| n.role == NodeRole::New && n.ready_ms.is_some()) {
        entries.push(Entry::new("new node ready", palette::BLUE, Swatch::Line));
    }
    if m.nodes.iter().any(|n| n.drain_failed_ms.is_some()) {
        entries.push(Entry::new("drain failed", palette::VERMILLION, Swatch::Cross));
    }
    entries.push(Entry::new("batch", palette::BAND_DARK, Swatch::Box));
    legend(c, (20, TOP + 6), &entries);
}

/// Upright grid lines and the time axis below `bottom`.
fn grid(c: &mut Canvas<'_>, time: &TimeScale, bottom: i32) {
    for (x, label) in time.ticks() {
        c.line((x, PLOT_TOP), (x, bottom), palette::GRID, 1);
        c.text(&label, (x, bottom + 14), Anchor::Middle, Ink::SMALL);
    }
    c.line((X.0, bottom), (X.1, bottom), palette::GREY, 1);
    let what = format!("time since the start ({})", time.unit());
    c.text(&what, ((X.0 + X.1) / 2, bottom + 36), Anchor::Middle, Ink::LABEL);
}

/// Columns of a span, at least two pixels wide so that what is short is seen.
fn columns(time: &TimeScale, from: u64, to: u64) -> Point {
    let x0 = time.x(from);
    (x0, time.x(to).max(x0 + 2))
}

/// A batch's span, if it started.
fn batch_span(b: &BatchRow, m: &Metrics) -> Option<(u64, u64)> {
    Some((b.start_ms?, b.end_ms.unwrap_or(m.end_ms)))
}
