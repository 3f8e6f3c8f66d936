//! Delays that were seen, as the delays of the next simulation.

use crate::cluster::Delay;
use crate::sim::delays::{DelayOptions, WorkloadDelay, describe};
use crate::trace::SeenDelays;
use crate::trace::delays::{Samples, together};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Most samples of one distribution; more are thinned to as many quantiles.
pub const MOST_SAMPLES: usize = 50;

/// The distribution of sorted samples; None without one. Thinned ones keep the middles of equal shares, so that neither
/// end is overstated.
pub fn distribution(sorted: &[i64]) -> Option<Delay> {
    let (first, last) = (sorted.first()?, sorted.last()?);
    if first == last {
        return Some(Delay::Constant { ms: *first });
    }
    let n = sorted.len();
    if n <= MOST_SAMPLES {
        return Some(Delay::Empirical { samples_ms: sorted.to_vec() });
    }
    let middle = |i: usize| sorted[(2 * i + 1) * n / (2 * MOST_SAMPLES)];
    Some(Delay::Empirical { samples_ms: (0..MOST_SAMPLES).map(middle).collect() })
}

/// The delays as a scenario's `sim.delays`; a workload with fewer than `least` samples of a kind goes by all pods'.
pub fn delay_options(seen: &SeenDelays, least: usize) -> DelayOptions {
    let all = |table: &Samples| distribution(&together(table));
    let own = |table: &Samples, owner: &str| {
        table.get(owner).filter(|samples| samples.len() >= least).and_then(|samples| distribution(samples))
    };
    let owners: BTreeSet<&String> = seen.start.keys().chain(seen.stop.keys()).collect();
    let workloads = owners.into_iter().filter_map(|owner| {
        let (start, stop) = (own(&seen.start, owner), own(&seen.stop, owner));
        (start.is_some() || stop.is_some()).then(|| WorkloadDelay {
            owner: Some(owner.clone()),
            namespace: None,
            match_labels: Default::default(),
            start,
            stop,
            run: None,
        })
    });
    DelayOptions {
        start: all(&seen.start),
        stop: all(&seen.stop),
        run: None,
        launch: all(&seen.launch),
        registered_ppm: seen.registered_ppm.get(seen.registered_ppm.len() / 2).map(|ppm| *ppm as u32),
        retire: all(&seen.retire),
        start_annotation: None,
        stop_annotation: None,
        declared_stops: Default::default(),
        workloads: workloads.collect(),
    }
}

/// The delays as YAML, to be given to `plan --delays` or put under a scenario's `sim.delays`; `sources` are named in
/// its head.
pub fn yaml(seen: &SeenDelays, options: &DelayOptions, sources: &[String]) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# Delays that were seen in {}.", sources.join(", "));
    out.push_str("# For `nodeferry plan --delays FILE`, or under sim.delays of a scenario. Milliseconds.\n");
    if seen.unwatched > 0 {
        let _ = writeln!(out, "# {} left out: nobody watched for a part of them.", seen.unwatched);
    }
    entry(&mut out, "", "start", options.start.as_ref(), "bound to ready, all pods");
    entry(&mut out, "", "stop", options.stop.as_ref(), "eviction accepted to gone, all pods");
    entry(&mut out, "", "launch", options.launch.as_ref(), "machine asked for to node Ready, all groups");
    for (group, samples) in seen.launch.iter().filter(|_| seen.launch.len() > 1) {
        if let Some(d) = distribution(samples) {
            let _ = writeln!(out, "# launch_delay of group {group}: {}", flow(&d));
        }
    }
    if let Some(ppm) = options.registered_ppm {
        let _ = writeln!(out, "registered_ppm: {ppm} # share of that until the Node object is there");
    }
    entry(&mut out, "", "retire", options.retire.as_ref(), "machine given back to Node object gone");
    if !options.workloads.is_empty() {
        out.push_str("workloads:\n");
    }
    for w in &options.workloads {
        let owner = w.owner.as_deref().unwrap_or_default();
        let _ = writeln!(out, "- owner: {}", serde_json::Value::from(owner));
        entry(&mut out, "  ", "start", w.start.as_ref(), "");
        entry(&mut out, "  ", "stop", w.stop.as_ref(), "");
    }
    out
}

fn entry(out: &mut String, indent: &str, name: &str, delay: Option<&Delay>, what: &str) {
    let Some(delay) = delay else {
        if !what.is_empty() {
            let _ = writeln!(out, "# {name} ({what}): not seen");
        }
        return;
    };
    if !what.is_empty() {
        let _ = writeln!(out, "# {name}: {what}; {}", describe(delay));
    }
    let _ = writeln!(out, "{indent}{name}: {}", flow(delay));
}

/// A delay in YAML's flow form.
fn flow(delay: &Delay) -> String {
    match delay {
        Delay::Constant { ms } => format!("{{constant: {{ms: {ms}}}}}"),
        Delay::Uniform { min_ms, max_ms } => format!("{{uniform: {{min_ms: {min_ms}, max_ms: {max_ms}}}}}"),
        Delay::LogUniform { min_ms, max_ms } => format!("{{log_uniform: {{min_ms: {min_ms}, max_ms: {max_ms}}}}}"),
        Delay::LogNormal { median_ms, p95_ms } => {
            format!("{{log_normal: {{median_ms: {median_ms}, p95_ms: {p95_ms}}}}}")
        }
        Delay::Empirical { samples_ms } => {
            let samples: Vec<String> = samples_ms.iter().map(i64::to_string).collect();
            format!("{{empirical: {{samples_ms: [{}]}}}}", samples.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_samples_become_quantiles_that_occurred() {
        let thousand: Vec<i64> = (0..1000).collect();
        let Some(Delay::Empirical { samples_ms }) = distribution(&thousand) else { panic!("empirical") };
        assert_eq!((samples_ms.len(), samples_ms[0], samples_ms[49]), (MOST_SAMPLES, 10, 990));
        assert_eq!(distribution(&[7, 7, 7]), Some(Delay::Constant { ms: 7 }));
        assert_eq!(distribution(&[]), None);
    }

    #[test]
    fn what_is_written_is_what_was_meant() {
        let mut seen = SeenDelays::default();
        seen.start.insert("Deployment/shop/a \"b\"".into(), vec![1000, 2000, 4000]);
        seen.start.insert("Deployment/shop/rare".into(), vec![90_000]);
        seen.stop.insert("Deployment/shop/rare".into(), vec![500; 4]);
        seen.launch.insert("x".into(), vec![60_000, 61_000]);
        seen.launch.insert("y".into(), vec![70_000]);
        seen.registered_ppm = vec![700_000, 800_000, 900_000];
        let options = delay_options(&seen, 3);
        let text = yaml(&seen, &options, &["run.jsonl".into()]);
        let back: DelayOptions = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(back, options, "{text}");
        assert_eq!(back.start, Some(Delay::Empirical { samples_ms: vec![1000, 2000, 4000, 90_000] }));
        let rare = back.workloads.iter().find(|w| w.owner.as_deref() == Some("Deployment/shop/rare"));
        assert_eq!(rare.map(|w| (w.start.clone(), w.stop.clone())), Some((None, Some(Delay::Constant { ms: 500 }))));
        assert!(text.contains("# retire (machine given back to Node object gone): not seen"), "{text}");
    }
}
