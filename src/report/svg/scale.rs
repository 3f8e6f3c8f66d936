//! Turns times and quantities into pixels, with ticks at round figures.

use super::super::format;

/// Milliseconds along the x axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimeScale {
    start_ms: u64,
    end_ms: u64,
    x0: i32,
    x1: i32,
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Distances between ticks, milliseconds.
const STEPS: [u64; 20] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    20 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    6 * HOUR,
    12 * HOUR,
    24 * HOUR,
    48 * HOUR,
    168 * HOUR,
];

/// The round distance of time of which at most `n` fit into `range_ms`.
pub(super) fn time_step(range_ms: u64, n: u64) -> u64 {
    let enough = |step: &u64| range_ms / step <= n;
    STEPS.into_iter().find(enough).unwrap_or_else(|| (range_ms / n / HOUR + 1) * HOUR)
}

/// The round distance between ticks of which at most `n` fit into `range_ms` and that reads well in
/// `unit`s: whole or half ones.
pub(super) fn tick_step(range_ms: u64, n: u64, unit: u64) -> u64 {
    let readable = |step: &u64| range_ms / step <= n && (step * 2).is_multiple_of(unit);
    let found = STEPS.into_iter().find(readable);
    found.unwrap_or_else(|| time_step(range_ms, n))
}

/// The unit in which a range is read best, milliseconds and name.
pub(super) fn time_unit(range_ms: u64) -> (u64, &'static str) {
    match range_ms {
        0..=180_000 => (SECOND, "seconds"),
        180_001..=10_800_000 => (MINUTE, "minutes"),
        _ => (HOUR, "hours"),
    }
}

/// A time as a bare number of `unit`s, with the decimals it needs.
pub(super) fn in_time_units(ms: u64, unit: u64) -> String {
    let (ms, unit) = (i64::try_from(ms).unwrap_or(i64::MAX), i64::try_from(unit).unwrap_or(i64::MAX));
    format::in_units(ms, unit)
}

impl TimeScale {
    /// `start_ms..=end_ms` from pixel `x0` to pixel `x1`; an empty range is taken for one second.
    pub fn new(start_ms: u64, end_ms: u64, x0: i32, x1: i32) -> TimeScale {
        TimeScale { start_ms, end_ms: end_ms.max(start_ms + SECOND), x0, x1 }
    }

    /// The range's ends in pixels.
    pub fn pixels(&self) -> (i32, i32) {
        (self.x0, self.x1)
    }

    /// The pixel of a time; times outside stay at the edge.
    pub fn x(&self, t_ms: u64) -> i32 {
        let t = u128::from(t_ms.clamp(self.start_ms, self.end_ms) - self.start_ms);
        let width = u128::from((self.x1 - self.x0).unsigned_abs());
        let range = u128::from(self.end_ms - self.start_ms);
        self.x0 + i32::try_from((t * width + range / 2) / range).unwrap_or(0)
    }

    /// Name of the unit of the ticks.
    pub fn unit(&self) -> &'static str {
        time_unit(self.end_ms - self.start_ms).1
    }

    /// Pixel and number of each tick, counted from the start.
    pub fn ticks(&self) -> Vec<(i32, String)> {
        let range = self.end_ms - self.start_ms;
        let unit = time_unit(range).0;
        let step = tick_step(range, 12, unit);
        (0..=range / step).map(|i| (self.x(self.start_ms + i * step), in_time_units(i * step, unit))).collect()
    }
}

/// A quantity along the y axis, from 0 at the bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueScale {
    max: i64,
    step: i64,
    unit: i64,
    y0: i32,
    y1: i32,
}

impl ValueScale {
    /// `0..=max` from pixel `y0` (bottom) to `y1` (top), read in multiples of `unit`; `finest` is the
    /// smallest distance between ticks. The scale ends at the tick at or above `max`.
    pub fn new(max: i64, unit: i64, finest: i64, y0: i32, y1: i32) -> ValueScale {
        let room = i64::from(((y0 - y1) / 28).max(1));
        let step = round_step(max.max(finest), finest, room);
        let max = (max.max(1) + step - 1) / step * step;
        ValueScale { max, step, unit, y0, y1 }
    }

    /// The value at its end.
    pub fn max(&self) -> i64 {
        self.max
    }

    /// The distance between ticks.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// The pixel of a value; values outside stay at the edge.
    pub fn y(&self, value: i64) -> i32 {
        let v = i128::from(value.clamp(0, self.max));
        let height = i128::from(self.y0 - self.y1);
        self.y0 - i32::try_from((v * height + i128::from(self.max) / 2) / i128::from(self.max)).unwrap_or(0)
    }

    /// Pixel and number of each tick.
    pub fn ticks(&self) -> Vec<(i32, String)> {
        (0..=self.max / self.step)
            .map(|i| (self.y(i * self.step), format::in_units(i * self.step, self.unit)))
            .collect()
    }
}

/// The smallest of 1, 2, 5, 10, 20, … times `finest` of which at most `n` reach `max`.
fn round_step(max: i64, finest: i64, n: i64) -> i64 {
    let mut step = finest.max(1);
    for factor in [2, 5, 10].into_iter().cycle().take(54) {
        let base = decade(step, finest.max(1));
        if max / step < n + 1 {
            break;
        }
        let Some(next) = base.checked_mul(factor) else {
            break;
        };
        step = next;
    }
    step
}

/// The largest `finest` × 10^k that is at most `step`.
fn decade(step: i64, finest: i64) -> i64 {
    let mut base = finest;
    while base.checked_mul(10).is_some_and(|b| b <= step) {
        base *= 10;
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_ticks_are_round() {
        let minutes = TimeScale::new(0, 9 * MINUTE + 400, 0, 1_000);
        let labels: Vec<String> = minutes.ticks().into_iter().map(|(_, l)| l).collect();
        assert_eq!(labels, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert_eq!(minutes.unit(), "minutes");
        let hours = TimeScale::new(0, 5 * HOUR, 0, 1_000);
        let labels: Vec<String> = hours.ticks().into_iter().map(|(_, l)| l).collect();
        assert_eq!(labels[..4], ["0", "0.5", "1", "1.5"]);
        assert_eq!(TimeScale::new(0, 0, 0, 100).unit(), "seconds");
        assert!(TimeScale::new(0, 90 * 24 * HOUR, 0, 100).ticks().len() < 15);
    }

    #[test]
    fn value_ticks_are_round() {
        assert_eq!(
            [round_step(7, 1, 5), round_step(23, 1, 5), round_step(60, 1, 5), round_step(999, 1, 5)],
            [2, 5, 20, 200]
        );
        let s = ValueScale::new(12_345, 1_000, 100, 140, 0);
        let labels: Vec<String> = s.ticks().into_iter().map(|(_, l)| l).collect();
        assert_eq!(labels, ["0", "5", "10", "15"]);
        assert_eq!((s.y(0), s.y(15_000), s.y(-5)), (140, 0, 140));
        assert_eq!(ValueScale::new(0, 1, 1, 100, 0).ticks().len(), 2);
        assert!(ValueScale::new(i64::MAX / 4, 1, 1, 100, 0).ticks().len() < 9);
    }
}
