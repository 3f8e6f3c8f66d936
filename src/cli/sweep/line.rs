//! The command that plans one variant: that of the sweep, without what only a sweep has.

use super::SweepArgs;
use super::vary;
use crate::sweep::Setting;
use clap::{Args, Command};

/// Flags that only a sweep has, or that mean something else in a plan.
const ITS_OWN: [&str; 8] = ["vary", "where", "best", "rounds", "csv", "plot", "output", "save-dump"];

/// The command `plan` with the settings of a variant, from the words of the sweep.
pub(super) fn plan(words: &[String], settings: &[Setting]) -> String {
    let command = SweepArgs::augment_args(Command::new("sweep"));
    let mut line: Vec<String> = vec!["nodeferry".to_owned(), "plan".to_owned()];
    let mut rest = words.iter().skip_while(|w| *w != "sweep").skip(1);
    while let Some(word) = rest.next() {
        let (found, has_value) = if let Some(long) = word.strip_prefix("--") {
            let name = long.split('=').next().unwrap_or(long);
            (command.get_arguments().find(|a| a.get_long() == Some(name)), long.contains('='))
        } else if let Some(short) = word.strip_prefix('-').filter(|s| !s.is_empty()) {
            let letter = short.chars().next();
            (command.get_arguments().find(|a| a.get_short() == letter), short.chars().count() > 1)
        } else {
            (None, false)
        };
        let name = found.and_then(|a| a.get_long()).unwrap_or_default();
        let value = match found {
            Some(a) if a.get_action().takes_values() && !has_value => rest.next(),
            _ => None,
        };
        let is_varied = settings.iter().any(|s| s.name == name);
        if !(is_varied || ITS_OWN.contains(&name)) {
            line.push(word.clone());
            line.extend(value.cloned());
        }
    }
    line.extend(settings.iter().flat_map(vary::words));
    line.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it for itself.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,%@+".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &str, settings: &[(&str, &str)]) -> String {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let settings: Vec<Setting> =
            settings.iter().map(|(n, v)| Setting { name: (*n).to_owned(), value: (*v).to_owned() }).collect();
        plan(&words, &settings)
    }

    #[test]
    fn what_only_a_sweep_has_is_left_out_and_the_variant_is_added() {
        assert_eq!(
            line(
                "target/nodeferry sweep d.json -l pool=old --vary batch-size=5%,10% --vary=cordon=all-first --batch-size 1 --where surge<=20 --best cost -o json --seed 7 --require=95 --csv a.csv",
                &[("batch-size", "10%"), ("cordon", "all-first")]
            ),
            "nodeferry plan d.json -l pool=old --seed 7 --require=95 --batch-size 10% --cordon all-first"
        );
        assert_eq!(
            line(
                "nodeferry --max-input 1Gi sweep -lpool=old -ojson --force-pdb --vary x",
                &[("options.soak_ms", "5"), ("window", "0 22 * * *")]
            ),
            "nodeferry plan -lpool=old --force-pdb --set options.soak_ms=5 --window '0 22 * * *'"
        );
    }
}
