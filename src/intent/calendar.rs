//! Windows by the calendar: a cron schedule, a duration and a time zone.
//!
//! A schedule is read as Kubernetes' CronJobs and Karpenter's disruption budgets read theirs (robfig/cron v3, `ParseStandard`): five fields, or
//! one of `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`. Time zones are those of the IANA database as it is
//! built in, never the machine's, so that the same plan has the same windows everywhere.

use super::execution::LONGEST_MS;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const MINUTE_MS: i64 = 60_000;
/// A schedule that does not occur within so long never does (as robfig/cron has it): five years.
const FAR_MS: i64 = 5 * 366 * 24 * 60 * MINUTE_MS;

/// A span of time in which batches may start, again and again by the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduledWindow {
    /// When it opens: minute, hour, day of the month, month and day of the week, as a CronJob's `schedule` (`0 22 * * *`).
    pub schedule: String,
    /// It closes so long after, in ms; a batch under way goes on.
    pub duration_ms: i64,
    /// Time zone of the schedule, by its name in the IANA database (`Europe/Berlin`). Default UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

impl ScheduledWindow {
    /// The earliest moment at or after `unix_ms` (milliseconds since 1970) at which it is open; None if it never is.
    pub fn next_open(&self, unix_ms: i64) -> Option<i64> {
        let (schedule, zone) = (Schedule::parse(&self.schedule).ok()?, self.zone()?);
        let opens = schedule.next_after(unix_ms.saturating_sub(self.duration_ms), &zone)?;
        Some(opens.max(unix_ms))
    }

    fn zone(&self) -> Option<TimeZone> {
        match self.time_zone.as_deref() {
            None => Some(TimeZone::UTC),
            Some(name) => TimeZoneDatabase::bundled().get(name).ok(),
        }
    }

    /// What is out of range, in words; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let zone = self.zone();
        if let (None, Some(name)) = (&zone, &self.time_zone) {
            problems.push(format!(
                "time_zone {name} is not in the IANA database; expected a name such as Europe/Berlin, America/New_York or UTC"
            ));
        }
        if !(MINUTE_MS..=LONGEST_MS).contains(&self.duration_ms) {
            problems.push(format!("duration_ms is {}; expected 1 minute to 30 days", self.duration_ms));
        }
        match Schedule::parse(&self.schedule) {
            Err(e) => problems.push(format!("schedule {:?}: {e}", self.schedule)),
            Ok(schedule) if schedule.next_after(0, &TimeZone::UTC).is_none() => {
                problems.push(format!("schedule {:?} names a date that does not exist", self.schedule));
            }
            Ok(_) => {}
        }
        problems
    }

    /// `0 22 * * * for 8h (Europe/Berlin)`.
    pub fn text(&self) -> String {
        let minutes = self.duration_ms / MINUTE_MS;
        let long = match (minutes / 60, minutes % 60) {
            (0, m) => format!("{m}m"),
            (h, 0) => format!("{h}h"),
            (h, m) => format!("{h}h{m:02}m"),
        };
        format!("{} for {long} ({})", self.schedule, self.time_zone.as_deref().unwrap_or("UTC"))
    }
}

/// A field of a schedule.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of its values, from `min` on.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of the month", min: 1, max: 31, names: &[] },
    Field { name: "month", min: 1, max: 12, names: &MONTHS },
    Field { name: "day of the week", min: 0, max: 6, names: &WEEKDAYS },
];

/// The values of a field as bits, and whether it is `*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Values {
    bits: u64,
    any: bool,
}

impl Values {
    fn has(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|v| self.bits & (1 << v) != 0)
    }
}

impl Field {
    fn value(&self, text: &str) -> Result<u32, String> {
        let expected = || format!("{} {text:?}: expected {} to {}", self.name, self.min, self.max);
        let named = self.names.iter().position(|n| n.eq_ignore_ascii_case(text));
        let value = match named {
            Some(at) => self.min + at as u32,
            None => text.parse().map_err(|_| expected())?,
        };
        (self.min..=self.max).contains(&value).then_some(value).ok_or_else(expected)
    }

    fn values(&self, text: &str) -> Result<Values, String> {
        let mut values = Values::default();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let every: u32 = match step {
                None => 1,
                Some(step) => step
                    .parse()
                    .ok()
                    .filter(|s| *s > 0)
                    .ok_or_else(|| format!("{} {part:?}: the step must be a number above 0", self.name))?,
            };
            let (from, to) = match range.split_once('-') {
                _ if matches!(range, "*" | "?") => {
                    // A step takes it away: robfig/cron counts `*/2` as a restriction.
                    values.any |= every == 1;
                    (self.min, self.max)
                }
                Some((from, to)) => (self.value(from)?, self.value(to)?),
                // `5/15` is from 5 on.
                None if step.is_some() => (self.value(range)?, self.max),
                None => (self.value(range)?, self.value(range)?),
            };
            if from > to {
                return Err(format!("{} {part:?}: the range ends before it begins", self.name));
            }
            (from..=to).step_by(every as usize).for_each(|v| values.bits |= 1 << v);
        }
        Ok(values)
    }
}

/// A schedule that was read: its fields in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Schedule([Values; 5]);

impl Schedule {
    fn parse(text: &str) -> Result<Schedule, String> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() != FIELDS.len() {
            return Err(format!(
                "expected 5 fields (minute, hour, day of the month, month, day of the week) such as \"0 22 * * *\", or @daily, and found {}",
                words.len()
            ));
        }
        let mut fields = [Values::default(); 5];
        for ((field, word), values) in FIELDS.iter().zip(words).zip(&mut fields) {
            *values = field.values(word)?;
        }
        Ok(Schedule(fields))
    }

    /// Where both days are restricted either may fit, as cron has it.
    fn is_day(&self, at: DateTime) -> bool {
        let [_, _, days, _, weekdays] = self.0;
        let (day, weekday) = (days.has(at.day()), weekdays.has(at.weekday().to_sunday_zero_offset()));
        if days.any || weekdays.any { day && weekday } else { day || weekday }
    }

    /// The first minute after a moment (milliseconds since 1970) that fits. What daylight saving time leaves out does not occur, and what it
    /// repeats occurs twice, as in robfig/cron.
    fn next_after(&self, unix_ms: i64, zone: &TimeZone) -> Option<i64> {
        let [minutes, hours, _, months, _] = self.0;
        let mut at = unix_ms.div_euclid(MINUTE_MS).checked_add(1)?.checked_mul(MINUTE_MS)?;
        let last = at.checked_add(FAR_MS)?;
        while at <= last {
            let civil = zone.to_datetime(Timestamp::from_millisecond(at).ok()?);
            let midnight =
                |date: jiff::civil::Date| Some(zone.to_timestamp(date.at(0, 0, 0, 0)).ok()?.as_millisecond());
            let next = if !months.has(civil.month()) {
                midnight(civil.date().last_of_month().tomorrow().ok()?)?
            } else if !self.is_day(civil) {
                midnight(civil.date().tomorrow().ok()?)?
            } else if !hours.has(civil.hour()) {
                at + i64::from(60 - civil.minute()) * MINUTE_MS
            } else if !minutes.has(civil.minute()) {
                at + MINUTE_MS
            } else {
                return Some(at);
            };
            at = next.max(at + MINUTE_MS);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a time").as_millisecond()
    }

    fn window(schedule: &str, hours: i64, zone: Option<&str>) -> ScheduledWindow {
        ScheduledWindow {
            schedule: schedule.into(),
            duration_ms: hours * 60 * MINUTE_MS,
            time_zone: zone.map(str::to_owned),
        }
    }

    #[test]
    fn a_window_is_open_from_its_moment_until_its_end() {
        let nights = window("0 22 * * *", 8, Some("Europe/Berlin"));
        let opens = |at: &str| nights.next_open(ms(at)).map(|t| Timestamp::from_millisecond(t).unwrap().to_string());
        // 22:00 in Berlin is 21:00 UTC in winter.
        assert_eq!(opens("2026-11-27T12:00:00Z").as_deref(), Some("2026-11-27T21:00:00Z"));
        assert_eq!(opens("2026-11-27T21:00:00Z").as_deref(), Some("2026-11-27T21:00:00Z"));
        assert_eq!(opens("2026-11-28T04:59:59Z").as_deref(), Some("2026-11-28T04:59:59Z"), "open for its last second");
        assert_eq!(opens("2026-11-28T05:00:00Z").as_deref(), Some("2026-11-28T21:00:00Z"), "closed at its end");
        // And 20:00 UTC in summer.
        assert_eq!(opens("2026-07-01T12:00:00Z").as_deref(), Some("2026-07-01T20:00:00Z"));
    }

    #[test]
    fn schedules_are_read_as_cron_jobs_read_them() {
        let next = |schedule: &str, at: &str| {
            let found = Schedule::parse(schedule).unwrap_or_else(|e| panic!("{schedule}: {e}"));
            found.next_after(ms(at), &TimeZone::UTC).map(|t| Timestamp::from_millisecond(t).unwrap().to_string())
        };
        let from = "2026-11-27T10:07:30Z"; // a Friday
        for (schedule, expected) in [
            ("*/15 * * * *", "2026-11-27T10:15:00Z"),
            ("5/15 * * * *", "2026-11-27T10:20:00Z"),
            ("0 2,14 * * *", "2026-11-27T14:00:00Z"),
            ("30 1 * * MON-FRI", "2026-11-30T01:30:00Z"),
            ("0 0 * * 6", "2026-11-28T00:00:00Z"),
            ("0 0 1 * *", "2026-12-01T00:00:00Z"),
            ("0 0 29 feb ?", "2028-02-29T00:00:00Z"),
            // Both days restricted: either.
            ("0 0 15 * sun", "2026-11-29T00:00:00Z"),
            ("@weekly", "2026-11-29T00:00:00Z"),
            ("@hourly", "2026-11-27T11:00:00Z"),
        ] {
            assert_eq!(next(schedule, from).as_deref(), Some(expected), "{schedule}");
        }
        assert_eq!(next("0 0 30 2 *", from), None);
    }

    #[test]
    fn daylight_saving_time_leaves_out_and_repeats() {
        let zone = TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
        let next = |schedule: &str, at: &str| {
            let found = Schedule::parse(schedule).unwrap().next_after(ms(at), &zone);
            found.map(|t| Timestamp::from_millisecond(t).unwrap().to_string())
        };
        // 2026-03-29: 02:00 to 03:00 does not exist.
        assert_eq!(next("30 2 * * *", "2026-03-29T00:00:00Z").as_deref(), Some("2026-03-30T00:30:00Z"));
        // 2026-10-25: 02:30 is there twice.
        assert_eq!(next("30 2 * * *", "2026-10-25T00:00:00Z").as_deref(), Some("2026-10-25T00:30:00Z"));
        assert_eq!(next("30 2 * * *", "2026-10-25T00:30:00Z").as_deref(), Some("2026-10-25T01:30:00Z"));
    }

    #[test]
    fn what_is_no_window_is_refused_with_what_was_expected() {
        for (window, says) in [
            (window("0 22 * *", 8, None), "5 fields"),
            (window("61 22 * * *", 8, None), "minute \"61\": expected 0 to 59"),
            (window("0 22 * * mo", 8, None), "day of the week"),
            (window("0 5-2 * * *", 8, None), "ends before it begins"),
            (window("*/0 * * * *", 8, None), "step"),
            (window("0 0 30 2 *", 8, None), "does not exist"),
            (window("0 22 * * *", 0, None), "duration_ms is 0"),
            (window("0 22 * * *", 8, Some("Europe/Berlni")), "Europe/Berlni is not in the IANA database"),
        ] {
            let problems = window.problems().join("; ");
            assert!(problems.contains(says), "{window:?}: {problems}");
        }
        assert_eq!(window("0 22 * * 1-5", 8, Some("Asia/Kolkata")).problems(), Vec::<String>::new());
    }
}
