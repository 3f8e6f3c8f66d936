//! Turns steps over time into a line, no more than a few points for each column of pixels.

use super::canvas::Point;

/// The line of a quantity that keeps each value until the next one comes, up to column `x_end`.
///
/// `steps` are (column, row) in order of time. Of steps within one column the extremes and the last
/// are drawn, so a spike of an instant stays visible.
pub(super) fn line(steps: impl IntoIterator<Item = Point>, x_end: i32) -> Vec<Point> {
    let mut out: Vec<Point> = Vec::new();
    let mut column: Option<Column> = None;
    for (x, y) in steps {
        match &mut column {
            Some(c) if c.x == x => c.take(y),
            _ => {
                if let Some(done) = column.take() {
                    done.draw(&mut out);
                }
                column = Some(Column { x, first: y, low: y, high: y, last: y });
            }
        }
    }
    if let Some(done) = column {
        done.draw(&mut out);
    }
    if let Some(&(x, y)) = out.last()
        && x < x_end
    {
        out.push((x_end, y));
    }
    out
}

/// What a quantity does within one column of pixels.
struct Column {
    x: i32,
    first: i32,
    low: i32,
    high: i32,
    last: i32,
}

impl Column {
    fn take(&mut self, y: i32) {
        self.low = self.low.min(y);
        self.high = self.high.max(y);
        self.last = y;
    }

    fn draw(self, out: &mut Vec<Point>) {
        let before = out.last().map(|(_, y)| *y);
        let enter = before.unwrap_or(self.first);
        if before == Some(self.last) && self.low >= enter && self.high <= enter {
            return; // nothing changed
        }
        for y in [enter, self.low, self.high, self.last] {
            if out.last() != Some(&(self.x, y)) {
                out.push((self.x, y));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn keeps_values_until_the_next() {
        assert_eq!(line([(0, 9), (5, 3)], 8), [(0, 9), (5, 9), (5, 3), (8, 3)]);
    }

    #[test]
    fn one_column_keeps_its_extremes() {
        assert_eq!(line([(0, 5), (4, 5), (4, 1), (4, 9), (4, 5)], 8), [(0, 5), (4, 5), (4, 1), (4, 9), (4, 5), (8, 5)]);
    }

    #[test]
    fn what_does_not_change_costs_nothing() {
        assert_eq!(line((0..100).map(|x| (x, 7)), 100), [(0, 7), (100, 7)]);
        assert!(line([], 10).is_empty());
    }
}
