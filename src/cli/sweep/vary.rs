//! `--vary NAME=VALUES`: which option, and the values that it takes: a list, and ranges in it.

use super::super::cluster_args::WhatArgs;
use super::super::near::hint;
use super::super::time::parse_time;
use crate::sweep::Setting;
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Command, FromArgMatches};

/// Most variants of one sweep (C).
pub(super) const MOST_VARIANTS: usize = 1_000;
/// Most values of a range that does not say how many.
const MOST_OF_A_RANGE: i64 = 50;

/// An option that is varied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Varied {
    pub name: String,
    pub values: Vec<String>,
}

/// The flags that can be varied, without their dashes.
fn flags() -> Vec<String> {
    let command = WhatArgs::augment_args(Command::new("vary"));
    command.get_arguments().filter_map(|a| a.get_long().map(str::to_owned)).collect()
}

/// A field of a scenario, as `--set` names it.
fn is_path(name: &str) -> bool {
    ["options.", "sim.", "autoscaler."].iter().any(|room| name.starts_with(room))
}

/// Reads what is varied.
pub(super) fn varied(text: &str) -> Result<Varied> {
    let (name, values) = text.split_once('=').context("expected NAME=VALUES, such as batch-size=5%,10%,20%")?;
    let name = name.trim_start_matches('-');
    let known = flags();
    // A fault, a delay and a field differ in what they are about, which is part of their value.
    if !is_path(name) && (name == "set" || !known.iter().any(|k| k == name)) {
        let known = known.iter().map(String::as_str).filter(|k| *k != "set");
        bail!(
            "{name} is no option that can be varied (an option of `nodeferry plan` that says what is planned, or a path such as options.soak_ms){}",
            hint(name, known)
        );
    }
    let separator = if values.contains(';') { ';' } else { ',' };
    let mut all = Vec::new();
    for item in values.split(separator) {
        match range(item).with_context(|| item.to_owned())? {
            Some(values) => all.extend(values),
            None => all.push(item.to_owned()),
        }
    }
    if all.iter().any(String::is_empty) {
        bail!("a value is empty; expected NAME=VALUE,VALUE");
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|v| seen.insert(v.clone()));
    Ok(Varied { name: name.to_owned(), values: all })
}

/// The values of `2..50%:8`, evenly spaced, both ends included; None for what is no range of numbers or times.
fn range(item: &str) -> Result<Option<Vec<String>>> {
    let Some((from, rest)) = item.split_once("..") else { return Ok(None) };
    let (to, many) = rest.split_once(':').map_or((rest, None), |(to, many)| (to, Some(many)));
    let (Some((from, own)), Some((to, unit))) = (number(from), number(to)) else { return Ok(None) };
    if !own.is_empty() && own != unit {
        return times(item, (from, own), (to, unit), many).map(Some);
    }
    if matches!(unit, "" | "%") {
        return spaced(from, to, many).map(|values| Some(values.into_iter().map(|v| format!("{v}{unit}")).collect()));
    }
    times(item, (from, unit), (to, unit), many).map(Some)
}

/// A number and the unit that it ends in.
fn number(text: &str) -> Option<(i64, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let is_unit = unit.is_empty() || matches!(unit, "%" | "ms" | "s" | "m" | "h" | "d");
    Some((number.parse().ok()?, unit)).filter(|_| is_unit)
}

/// A range of times.
fn times(item: &str, from: (i64, &str), to: (i64, &str), many: Option<&str>) -> Result<Vec<String>> {
    let ms = |(n, unit): (i64, &str)| parse_time(&format!("{n}{unit}")).with_context(|| format!("{item}: {n}{unit}"));
    let many = many.with_context(|| format!("say how many: {item}:5"))?;
    let text = |ms: i64| match ms % 1_000 {
        0 => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    };
    Ok(spaced(ms(from)?, ms(to)?, Some(many))?.into_iter().map(text).collect())
}

fn spaced(from: i64, to: i64, many: Option<&str>) -> Result<Vec<i64>> {
    if from > to {
        bail!("the range ends before it begins");
    }
    let Some(many) = many else {
        if to - from >= MOST_OF_A_RANGE {
            bail!("these are more than {MOST_OF_A_RANGE} values; say how many of them: {from}..{to}:8");
        }
        return Ok((from..=to).collect());
    };
    let n: i64 = many
        .parse()
        .ok()
        .filter(|n| (2..=MOST_VARIANTS as i64).contains(n))
        .with_context(|| format!("{many}: expected how many values, from 2 to {MOST_VARIANTS}"))?;
    // To the nearest whole number; in wide integers, for times may be long.
    let value = |i: i64| {
        let (i, n, width) = (i128::from(i), i128::from(n - 1), i128::from(to) - i128::from(from));
        from + i64::try_from((2 * width * i + n) / (2 * n)).unwrap_or(0)
    };
    let mut values: Vec<i64> = (0..n).map(value).collect();
    values.dedup();
    Ok(values)
}

/// Every combination, the last option varying fastest.
pub(super) fn combinations(varied: &[Varied]) -> Result<Vec<Vec<Setting>>> {
    for (i, one) in varied.iter().enumerate() {
        if varied[..i].iter().any(|earlier| earlier.name == one.name) {
            bail!("{} is varied twice; give all of its values in one --vary", one.name);
        }
    }
    let all = varied.iter().try_fold(1usize, |n, v| n.checked_mul(v.values.len()).filter(|n| *n <= MOST_VARIANTS));
    all.with_context(|| {
        format!("these are more than {MOST_VARIANTS} variants; vary fewer options, or fewer values of each")
    })?;
    let mut variants: Vec<Vec<Setting>> = vec![Vec::new()];
    for one in varied {
        variants = variants
            .into_iter()
            .flat_map(|variant| {
                one.values.iter().map(move |value| {
                    let mut longer = variant.clone();
                    longer.push(Setting { name: one.name.clone(), value: value.clone() });
                    longer
                })
            })
            .collect();
    }
    Ok(variants)
}

/// A setting as words of a command line; none for a switch that is off.
pub(super) fn words(setting: &Setting) -> Vec<String> {
    let command = WhatArgs::augment_args(Command::new("vary"));
    let Setting { name, value } = setting;
    match command.get_arguments().find(|a| a.get_long() == Some(name)) {
        _ if is_path(name) => vec!["--set".to_owned(), format!("{name}={value}")],
        Some(a) if !a.get_action().takes_values() => match value.as_str() {
            "true" => vec![format!("--{name}")],
            _ => Vec::new(),
        },
        // What begins with a dash would be taken for a flag.
        _ if value.starts_with('-') => vec![format!("--{name}={value}")],
        _ => vec![format!("--{name}"), value.clone()],
    }
}

/// The flags of a variant.
///
/// # Errors
/// A value that the flag does not take.
pub(super) fn applied(base: &WhatArgs, settings: &[Setting]) -> Result<WhatArgs> {
    let mut what = base.clone();
    let mut line = vec!["vary".to_owned()];
    for setting in settings {
        let switch = match setting.name.as_str() {
            "respect-pdb" => Some(&mut what.respect_pdb),
            "force-pdb" => Some(&mut what.force_pdb),
            "wait-for-jobs" => Some(&mut what.wait_for_jobs),
            _ => None,
        };
        match (switch, setting.value.as_str()) {
            (None, _) if is_path(&setting.name) => what.set.push(format!("{}={}", setting.name, setting.value)),
            (None, _) => line.extend(words(setting)),
            (Some(switch), "true") => *switch = true,
            (Some(switch), "false") => *switch = false,
            (Some(_), other) => bail!("{}={other}: expected true or false", setting.name),
        }
    }
    if what.respect_pdb && what.force_pdb {
        bail!("respect-pdb and force-pdb exclude each other");
    }
    // Switches have a value even where they are not given: they are laid over above.
    let switches = (what.respect_pdb, what.force_pdb, what.wait_for_jobs);
    let mut matches =
        WhatArgs::augment_args_for_update(Command::new("vary")).try_get_matches_from(line).map_err(|e| {
            anyhow!(e.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned())
        })?;
    what.update_from_arg_matches_mut(&mut matches)?;
    (what.respect_pdb, what.force_pdb, what.wait_for_jobs) = switches;
    Ok(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> String {
        match varied(text) {
            Ok(v) => v.values.join(" "),
            Err(e) => format!("error: {e:#}"),
        }
    }

    #[test]
    fn values_are_lists_and_ranges() {
        for (text, expected) in [
            ("batch-size=2..50%:8", "2% 9% 16% 23% 29% 36% 43% 50%"),
            ("batch-size=1..4", "1 2 3 4"),
            ("batch-size=5%,10..20%:3,20%", "5% 10% 15% 20%"),
            ("--procedure=kubectl-drain,ocean-aws", "kubectl-drain ocean-aws"),
            ("groups=a.yaml,../b.yaml", "a.yaml ../b.yaml"),
            ("horizon=30m..2h:4", "1800s 3600s 5400s 7200s"),
            ("start=2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("delay=launch=90s..3m,launch=5m", "launch=90s..3m launch=5m"),
            ("fault=none;zone=a,group=new:no-capacity", "none zone=a,group=new:no-capacity"),
            ("options.soak_ms=0..60000:3", "0 30000 60000"),
            ("batch-size=1..3:9", "1 2 3"),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
        for (text, says) in [
            ("batchsize=5%", "did you mean batch-size?"),
            ("batch_size=5%", "did you mean batch-size?"),
            ("seed=1,2", "no option that can be varied"),
            ("set=options.soak_ms=1", "no option that can be varied"),
            ("batch-size", "NAME=VALUES"),
            ("batch-size=5%,,10%", "empty"),
            ("batch-size=50..2%:8", "ends before it begins"),
            ("batch-size=1..900", "say how many"),
            ("batch-size=1..9:1", "from 2 to"),
            ("horizon=1h..2h", "say how many"),
        ] {
            assert!(values(text).contains(says), "{text}: {}", values(text));
        }
    }

    #[test]
    fn every_combination_is_a_variant_with_its_flags() {
        let two = [varied("batch-size=5%,10%").unwrap(), varied("force-pdb=true,false").unwrap()];
        let all = combinations(&two).unwrap();
        let said: Vec<String> = all.iter().map(|v| crate::sweep::name(v)).collect();
        assert_eq!(
            said,
            [
                "batch-size=5%, force-pdb=true",
                "batch-size=5%, force-pdb=false",
                "batch-size=10%, force-pdb=true",
                "batch-size=10%, force-pdb=false"
            ]
        );
        let base = WhatArgs {
            batch_size: Some("1".into()),
            wait_for_jobs: true,
            cordon: Some("all-first".into()),
            ..WhatArgs::default()
        };
        let what = applied(&base, &all[2]).unwrap();
        assert_eq!((what.batch_size.as_deref(), what.force_pdb, what.wait_for_jobs), (Some("10%"), true, true));
        assert_eq!(what.cordon.as_deref(), Some("all-first"), "what is not varied stays");
        let words: Vec<String> = all[2].iter().chain(&all[1]).flat_map(words).collect();
        assert_eq!(words, ["--batch-size", "10%", "--force-pdb", "--batch-size", "5%"]);
        assert!(combinations(&[two[0].clone(), two[0].clone()]).is_err());
        let many = Varied { name: "batch-size".into(), values: (0..40).map(|n| n.to_string()).collect() };
        let also = Varied { name: "to".into(), ..many.clone() };
        assert!(combinations(&[many, also]).unwrap_err().to_string().contains("1000 variants"));
        let wrong = Setting { name: "batch-min-healthy".into(), value: "many".into() };
        assert!(applied(&base, &[wrong]).unwrap_err().to_string().contains("many"));
    }
}
