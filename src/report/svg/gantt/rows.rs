//! The Gantt plot of few nodes: a row each, in blocks by batch.

use std::collections::BTreeSet;

use super::super::canvas::{Anchor, Canvas, Ink, chars_in, palette};
use super::super::scale::TimeScale;
use super::{Block, PLOT_TOP, X, batch_span, columns, spans};
use crate::report::format;
use crate::trace::NodeRole;
use crate::trace::metrics::{BatchRow, Metrics, NodeRow};

const ROW: i32 = 17;
const CAPTION: i32 = 20;
const GAP: i32 = 8;

fn block_height(block: &Block<'_>) -> i32 {
    CAPTION + ROW * i32::try_from(block.nodes.len()).unwrap_or(0)
}

/// Pixels that all blocks take.
pub(super) fn height(blocks: &[Block<'_>]) -> i32 {
    blocks.iter().map(|b| block_height(b) + GAP).sum::<i32>().max(40)
}

/// Draws all blocks.
pub(super) fn draw(c: &mut Canvas<'_>, time: &TimeScale, m: &Metrics, blocks: &[Block<'_>]) {
    let names = Names::of(blocks);
    let mut top = PLOT_TOP;
    for block in blocks {
        for b in &block.batches {
            if let Some((from, to)) = batch_span(b, m) {
                let (x0, x1) = columns(time, from, to);
                c.rect_mix((x0, top), (x1, top + block_height(block)), palette::BAND_DARK, 0.6);
            }
        }
        caption(c, block, top + CAPTION / 2);
        for (i, n) in block.nodes.iter().enumerate() {
            let y = top + CAPTION + ROW * i32::try_from(i).unwrap_or(0) + ROW / 2;
            c.text(&names.name(n), (X.0 - 10, y), Anchor::End, NAME);
            row(c, time, m, n, y);
        }
        top += block_height(block) + GAP;
    }
}

const NAME: Ink = Ink { color: palette::INK, ..Ink::SMALL };

/// How nodes are named in the rows.
enum Names {
    /// By what is before the first dot: enough to tell them apart.
    Host,
    /// By all of it.
    Whole,
}

impl Names {
    fn of(blocks: &[Block<'_>]) -> Names {
        let all = || blocks.iter().flat_map(|b| &b.nodes);
        let hosts: BTreeSet<&str> = all().map(|n| host(&n.name)).collect();
        if hosts.len() == all().count() { Names::Host } else { Names::Whole }
    }

    fn name(&self, n: &NodeRow) -> String {
        let name = match self {
            Names::Host => host(&n.name),
            Names::Whole => &n.name,
        };
        format::shorten(name, chars_in(X.0 - 44, NAME.size))
    }
}

fn host(name: &str) -> &str {
    name.split_once('.').map_or(name, |(host, _)| host)
}

fn caption(c: &mut Canvas<'_>, block: &Block<'_>, y: i32) {
    let ink = Ink { bold: true, ..Ink::LABEL };
    let Some(b) = block.batches.first() else {
        return c.text("no batch", (20, y), Anchor::Start, ink);
    };
    c.text(&format!("batch {}", b.index + 1), (20, y), Anchor::Start, ink);
    c.text(&ending(b), (X.1 + 12, y), Anchor::Start, ink);
}

/// How a batch ended and how long it took.
fn ending(b: &BatchRow) -> String {
    let outcome = b.outcome.as_deref().unwrap_or("not finished");
    let took = b.start_ms.zip(b.end_ms).map(|(s, e)| format!(" {}", format::duration(e.saturating_sub(s))));
    format!("{outcome}{}", took.unwrap_or_default())
}

fn row(c: &mut Canvas<'_>, time: &TimeScale, m: &Metrics, n: &NodeRow, y: i32) {
    for (state, from, to) in spans(n, m) {
        let (x0, x1) = columns(time, from, to);
        c.rect((x0, y - 6), (x1, y + 6), state.color());
    }
    if n.role == NodeRole::New {
        if let Some(ready) = n.ready_ms {
            let end = n.deleted_ms.unwrap_or(m.end_ms);
            c.line((time.x(ready), y), (time.x(end), y), palette::BLUE, 2);
        }
        return;
    }
    if let Some(failed) = n.drain_failed_ms {
        c.cross((time.x(failed), y), 5, palette::VERMILLION);
    }
    let refused = if n.refused > 0 { format!(", {} refused", format::thousands(n.refused)) } else { String::new() };
    let note = format!("{} evicted{refused}", format::thousands(n.evictions));
    c.text(&note, (X.1 + 12, y), Anchor::Start, Ink::SMALL);
}
