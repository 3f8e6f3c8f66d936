//! `--where 'surge<=20'` and `--best duration,cost`: what is wanted, in the names of the figures.

use super::super::near::hint;
use super::super::time::parse_time;
use crate::sweep::figure::{At, Condition, Figure, Measure, Op};
use anyhow::{Context, Result, anyhow, bail};

/// A figure, and the percentile if one is named.
fn figure(text: &str) -> Result<(Figure, Option<At>)> {
    let text = text.trim();
    let (name, at) = text.split_once('.').map_or((text, None), |(name, at)| (name, Some(at)));
    let names = || Figure::ALL.into_iter().map(Figure::name);
    let figure = Figure::ALL.into_iter().find(|f| f.name() == name).with_context(|| {
        format!(
            "{name} is no figure; expected one of {}{}",
            names().collect::<Vec<_>>().join(", "),
            hint(name, names())
        )
    })?;
    let percentile = |at: &str| At::ALL.iter().find(|(_, name)| *name == at).map(|(at, _)| *at);
    let at = at
        .map(|at| percentile(at).with_context(|| format!("{at} is no percentile; expected p5, p50 or p95")))
        .transpose()?;
    Ok((figure, at))
}

/// `duration` or `duration.p95`; the median by default.
pub(super) fn measure(text: &str) -> Result<Measure> {
    let (figure, at) = figure(text)?;
    Ok(Measure { figure, at: at.unwrap_or(At::P50) })
}

/// `surge<=20`, `duration.p50<2h`, `cost<=12.50`.
pub(super) fn condition(text: &str) -> Result<Condition> {
    let form = "expected a figure, a comparison and a bound, such as surge<=20 or duration<2h";
    let found =
        Op::ALL.iter().find_map(|(sign, op)| text.split_once(sign).map(|(what, bound)| (what, *op, bound.trim())));
    let (what, op, bound) = found.context(form)?;
    let (figure, at) = figure(what)?;
    let bound = match figure {
        Figure::Duration => parse_time(bound).with_context(|| bound.to_owned())?,
        figure => decimal(bound, figure.unit())?,
    };
    Ok(Condition { text: text.to_owned(), measure: Measure { figure, at: at.unwrap_or(op.usual()) }, op, bound })
}

/// A number with decimals in units of which so many make one.
fn decimal(text: &str, unit: i64) -> Result<i64> {
    let bad = || anyhow!("{text:?}: expected a number such as 20{}", if unit > 1 { " or 12.5" } else { "" });
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |t: &str| t.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(part) || part.len() > 6 {
        return Err(bad());
    }
    if unit == 1 && !part.is_empty() {
        bail!("{text:?}: expected a whole number");
    }
    let scale = 10i64.pow(u32::try_from(part.len()).unwrap_or(0));
    let digits: i64 = format!("{whole}{part}").parse().map_err(|_| bad())?;
    digits.checked_mul(unit).map(|n| n / scale).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_name_a_figure_a_comparison_and_a_bound() {
        let read =
            |text: &str| condition(text).map(|c| (c.measure.name(), c.op, c.bound)).map_err(|e| format!("{e:#}"));
        assert_eq!(read("surge<=20"), Ok(("surge.p95".into(), Op::AtMost, 20)));
        assert_eq!(read("duration < 1h30m"), Ok(("duration.p95".into(), Op::Below, 5_400_000)));
        assert_eq!(read("duration.p50<2h"), Ok(("duration.p50".into(), Op::Below, 7_200_000)));
        assert_eq!(read("cost<=12.5"), Ok(("cost.p95".into(), Op::AtMost, 12_500_000)));
        assert_eq!(read("node-hours>=3"), Ok(("node-hours.p5".into(), Op::AtLeast, 10_800_000)));
        assert_eq!(read("harm=0"), Ok(("harm.p50".into(), Op::Equal, 0)));
        for (text, says) in [
            ("srge<=20", "did you mean surge?"),
            ("surge", "surge<=20"),
            ("surge.p99<=20", "p5, p50 or p95"),
            ("surge<=few", "expected a number"),
            ("surge<=2.5", "whole number"),
            ("duration<=20", "such as 90s"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
        assert_eq!(measure("cost").unwrap().name(), "cost.p50");
    }
}
