//! The Gantt plot of many nodes: a lane for each batch that shows how many of its nodes are in each state.

use std::collections::BTreeMap;

use super::super::canvas::{Anchor, Canvas, Ink, palette};
use super::super::scale::TimeScale;
use super::super::step;
use super::{Block, MAX_LANES, MAX_NODE_ROWS, PLOT_TOP, State, X, batch_span, columns, spans};
use crate::report::format;
use crate::trace::NodeRole;
use crate::trace::metrics::{Metrics, NodeRow};

const NOTE: i32 = 24;
const GAP: i32 = 10;

/// Joins neighbours so that at most [`MAX_LANES`] blocks remain.
pub(super) fn merge(blocks: Vec<Block<'_>>) -> Vec<Block<'_>> {
    let each = blocks.len().div_ceil(MAX_LANES).max(1);
    let mut merged: Vec<Block<'_>> = Vec::new();
    let mut joined = 0;
    for mut block in blocks {
        match merged.last_mut() {
            Some(last) if joined < each && !block.batches.is_empty() => {
                last.batches.append(&mut block.batches);
                last.nodes.append(&mut block.nodes);
                joined += 1;
            }
            _ => {
                merged.push(block);
                joined = 1;
            }
        }
    }
    merged
}

fn lane_height(lanes: usize) -> i32 {
    match lanes {
        0..=2 => 160,
        3..=12 => 46,
        _ => 26,
    }
}

/// Pixels that all lanes take.
pub(super) fn height(blocks: &[Block<'_>]) -> i32 {
    NOTE + (lane_height(blocks.len()) + GAP) * i32::try_from(blocks.len()).unwrap_or(0)
}

/// Draws all lanes; `rows` is how many nodes they stand for.
pub(super) fn draw(c: &mut Canvas<'_>, time: &TimeScale, m: &Metrics, blocks: &[Block<'_>], rows: usize) {
    let note = format!(
        "{} are more than the {MAX_NODE_ROWS} for which a row each can be read: heights show how many of a lane's nodes are in a state (old below, new above), full at its peak",
        format::count(rows as u64, "node"),
    );
    c.text(&note, (20, PLOT_TOP + 4), Anchor::Start, Ink::SMALL);
    let lane = lane_height(blocks.len());
    for (i, block) in blocks.iter().enumerate() {
        let top = PLOT_TOP + NOTE + (lane + GAP) * i32::try_from(i).unwrap_or(0);
        for b in &block.batches {
            if let Some((from, to)) = batch_span(b, m) {
                let (x0, x1) = columns(time, from, to);
                c.rect_mix((x0, top), (x1, top + lane), palette::BAND_DARK, 0.6);
            }
        }
        draw_lane(c, time, m, block, (top, top + lane));
        captions(c, block, top + lane / 2);
    }
}

fn is_new(n: &NodeRow) -> bool {
    n.role == NodeRole::New
}

/// Old nodes stand on the lane's foot, new ones hang from its top half.
fn draw_lane(c: &mut Canvas<'_>, time: &TimeScale, m: &Metrics, block: &Block<'_>, (top, bottom): (i32, i32)) {
    let (new, old): (Vec<&NodeRow>, Vec<&NodeRow>) = block.nodes.iter().copied().partition(|n| is_new(n));
    let middle = if new.is_empty() { top } else { top + (bottom - top) * 2 / 5 };
    let stack = [State::Drained, State::Draining, State::Cordoned];
    let middle_foot = if old.is_empty() { bottom } else { middle };
    draw_stack(c, time, m, &old, &stack, (middle + 1, bottom));
    draw_stack(c, time, m, &new, &[State::Launching], (top, middle_foot));
    for n in old {
        if let Some(failed) = n.drain_failed_ms {
            c.cross((time.x(failed), (middle + bottom) / 2), 5, palette::VERMILLION);
        }
    }
}

/// Areas upon each other: the first state at the foot, the full height is the most nodes at one time.
fn draw_stack(
    c: &mut Canvas<'_>,
    time: &TimeScale,
    m: &Metrics,
    nodes: &[&NodeRow],
    states: &[State],
    (top, bottom): (i32, i32),
) {
    let most = counts(m, nodes, states).into_iter().map(|(_, n)| n).max().unwrap_or(0);
    // From the top layer down: each is drawn down to the foot, the next one over it.
    for depth in (1..=states.len()).rev() {
        let counts = counts(m, nodes, &states[..depth]);
        let Some((first, _)) = counts.first().copied() else {
            continue;
        };
        let row = |count: i64| {
            let pixels = i64::from(bottom - top) * count / most.max(1);
            bottom - i32::try_from(pixels.max(i64::from(count > 0))).unwrap_or(0)
        };
        let steps = [(time.x(first), bottom)].into_iter().chain(counts.iter().map(|(t, n)| (time.x(*t), row(*n))));
        let line = step::line(steps, i32::MIN);
        c.area(&line, bottom, states[depth - 1].color(), 1.0);
    }
}

/// How many of `nodes` are in one of `states`, from each time on (milliseconds) at which that changes.
fn counts(m: &Metrics, nodes: &[&NodeRow], states: &[State]) -> Vec<(u64, i64)> {
    let mut changes: BTreeMap<u64, i64> = BTreeMap::new();
    for n in nodes {
        for (_, from, to) in spans(n, m).into_iter().filter(|(s, ..)| states.contains(s)) {
            *changes.entry(from).or_default() += 1;
            *changes.entry(to).or_default() -= 1;
        }
    }
    let mut count = 0;
    changes
        .into_iter()
        .map(|(t, by)| {
            count += by;
            (t, count)
        })
        .collect()
}

fn captions(c: &mut Canvas<'_>, block: &Block<'_>, y: i32) {
    let new = block.nodes.iter().filter(|n| is_new(n)).count();
    let old = block.nodes.len() - new;
    let ink = Ink { bold: true, ..Ink::LABEL };
    let name = match block.batches.as_slice() {
        [] => "no batch".to_owned(),
        [b] => format!("batch {}", b.index + 1),
        [first, .., last] => format!("batches {}–{}", first.index + 1, last.index + 1),
    };
    c.text(&name, (20, y), Anchor::Start, ink);
    let sizes = if new == 0 { format!("{old} old") } else { format!("{old} old, {new} new") };
    c.text(&sizes, (X.0 - 10, y), Anchor::End, Ink::SMALL);
    c.text(&ending(block), (X.1 + 12, y), Anchor::Start, Ink { color: palette::INK, ..Ink::SMALL });
}

/// How the lane's batches ended and how long they took from the first start to the last end.
fn ending(block: &Block<'_>) -> String {
    let mut outcomes: Vec<&str> =
        block.batches.iter().map(|b| b.outcome.as_deref().unwrap_or("not finished")).collect();
    outcomes.sort_unstable();
    outcomes.dedup();
    let worst = ["not finished", "FAILED", "STOPPED", "PARTLY_COMPLETED"].into_iter().find(|w| outcomes.contains(w));
    let outcome = worst.or(outcomes.first().copied()).unwrap_or("");
    let start = block.batches.iter().filter_map(|b| b.start_ms).min();
    let end = block.batches.iter().filter_map(|b| b.end_ms).max();
    let took = start.zip(end).map(|(s, e)| format!(" {}", format::duration(e.saturating_sub(s))));
    format!("{outcome}{}", took.unwrap_or_default())
}
