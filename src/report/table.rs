//! Tables for a terminal or a file; no terminal is asked, the width is given.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table as Inner};

/// How a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table with a header, columns two spaces apart and no lines: easy to read, to grep and to diff.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Align>,
    inner: Inner,
    rows: usize,
}

impl Table {
    /// An empty table; numbers stand right, text stands left, the header as its column.
    pub fn new(columns: &[(&str, Align)]) -> Table {
        let mut inner = Inner::new();
        inner.load_style(comfy_table::presets::NOTHING);
        let aligns: Vec<Align> = columns.iter().map(|(_, a)| *a).collect();
        let header = columns.iter().map(|(name, a)| cell((*name).to_owned(), *a));
        inner.set_header(header.collect::<Vec<_>>());
        Table { columns: aligns, inner, rows: 0 }
    }

    /// Adds a row; cells that are missing are empty, cells beyond the header are left out.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Table {
        let mut cells = cells.into_iter().map(Into::into);
        let row: Vec<Cell> = self.columns.iter().map(|a| cell(cells.next().unwrap_or_default(), *a)).collect();
        self.inner.add_row(row);
        self.rows += 1;
        self
    }

    /// True as long as there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The table as lines without trailing blanks, each ended by `\n`.
    ///
    /// With a width (in columns of the terminal) long cells are wrapped to fit; without, each row is one line.
    pub fn render(&self, width: Option<u16>) -> String {
        let mut inner = self.inner.clone();
        match width {
            Some(width) => {
                inner.set_width(width.max(20));
                inner.set_content_arrangement(ContentArrangement::Dynamic);
            }
            None => {
                inner.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        for (i, column) in inner.column_iter_mut().enumerate() {
            column.set_padding((if i == 0 { 0 } else { 1 }, 1));
        }
        inner.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

fn cell(text: String, align: Align) -> Cell {
    Cell::new(text).set_alignment(match align {
        Align::Left => CellAlignment::Left,
        Align::Right => CellAlignment::Right,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut t = Table::new(&[("NODE", Align::Left), ("PODS", Align::Right), ("BLOCKS", Align::Left)]);
        t.row(["a-long-name", "7", ""]);
        t.row(["b", "1,500", "shop/cart allows no disruption"]);
        t
    }

    #[test]
    fn plain() {
        let expected = "\
NODE          PODS  BLOCKS
a-long-name      7
b            1,500  shop/cart allows no disruption
";
        assert_eq!(sample().render(None), expected);
        assert_eq!(sample().render(Some(80)), expected);
    }

    #[test]
    fn narrow_is_wrapped() {
        let text = sample().render(Some(40));
        assert!(text.lines().all(|l| l.chars().count() <= 40), "{text}");
        assert!(text.lines().count() > 3, "{text}");
    }
}
