//! `--save-scenario`: what was asked as a scenario, with what came out as its expectation.

use super::cluster_args::{FromArgs, WhatArgs};
use super::from::Read;
use crate::private_file;
use crate::request::control_plane::Configuration;
use crate::request::input::Input;
use crate::request::plan::{Planned, Request};
use crate::request::scenario::{ClusterSource, GroupsSource, Scenario, SchedulerSource};
use crate::verify::expect::expectation;
use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// What a scenario is made of, taken before the request is used up.
pub(super) struct Asked {
    file: PathBuf,
    scenario: Scenario,
}

impl Asked {
    /// The scenario of a request, without an expectation.
    ///
    /// # Errors
    /// A cluster that is in no file.
    pub(super) fn of(file: &Path, read: &Read, from: &FromArgs, what: &WhatArgs, request: &Request) -> Result<Asked> {
        let mut scenario = match read.input() {
            Input::Scenario(scenario) => (**scenario).clone(),
            Input::Dump(_) => {
                let stem = file.file_stem().and_then(OsStr::to_str).unwrap_or("saved");
                let mut scenario = Scenario::named(stem);
                scenario.cluster = ClusterSource { dump: dumps(from)?, ..ClusterSource::default() };
                scenario
            }
        };
        if !what.groups.is_empty() {
            scenario.groups = GroupsSource { files: what.groups.clone(), inline: None };
        }
        if what.machine_types.is_some() {
            scenario.machine_types.clone_from(&what.machine_types);
        }
        if what.kubernetes_version.is_some() {
            scenario.kubernetes.clone_from(&what.kubernetes_version);
        }
        match &what.scheduler_config[..] {
            [] => {}
            [one] if one.exists() => scenario.scheduler = SchedulerSource { config: Some(one.clone()), inline: None },
            several => {
                let inline = Configuration::of_files(several)?.map(|c| c.kept());
                scenario.scheduler = SchedulerSource { config: None, inline };
            }
        }
        scenario.nodes = request.nodes.clone();
        scenario.options = request.options.clone();
        scenario.sim = request.sim.clone();
        scenario.autoscaler = request.autoscaler.clone();
        scenario.seed = request.seed;
        scenario.replications = Some(request.replications);
        scenario.require_percent = request.require_percent;
        let to = std::path::absolute(file).with_context(|| format!("{}", file.display()))?;
        let to = to.parent().unwrap_or(Path::new("/"));
        let paths = scenario.cluster.dump.iter_mut().chain(&mut scenario.groups.files);
        let paths = paths.chain(&mut scenario.machine_types).chain(&mut scenario.scheduler.config);
        for path in paths.chain(scenario.transfer.as_mut().map(|t| &mut t.plan)) {
            *path = relative(path, to)?;
        }
        Ok(Asked { file: file.to_owned(), scenario })
    }

    /// Writes the scenario, which expects what came out.
    ///
    /// # Errors
    /// What the disk does.
    pub(super) fn write(mut self, planned: &Planned) -> Result<()> {
        self.scenario.story = format!("Saved by nodeferry plan --save-scenario. {}", planned.verdict.text);
        self.scenario.expect = expectation(planned);
        let own = serde_json::to_value(&self.scenario)?;
        let usual = serde_json::to_value(Scenario::named(""))?;
        let text = serde_saphyr::to_string(&given(own, &usual))?;
        // What is written must be read as what was meant: a file that is not is none.
        Scenario::parse(&text, &self.file).map_err(|e| anyhow!("the scenario cannot be written: {e}"))?;
        private_file::write(&self.file, text)
            .with_context(|| format!("cannot write the scenario to {}", self.file.display()))
    }
}

/// The dumps as files.
fn dumps(from: &FromArgs) -> Result<Vec<PathBuf>> {
    #[cfg(feature = "live")]
    if from.input.is_empty() {
        return match &from.save_dump {
            Some(dump) if dump != Path::new("-") => Ok(vec![dump.clone()]),
            _ => bail!(
                "--save-scenario needs the cluster in a file that the scenario can name; add --save-dump cluster.json.gz"
            ),
        };
    }
    if from.input.iter().any(|path| path == Path::new("-")) {
        bail!(
            "--save-scenario needs the cluster in a file that the scenario can name, and it is read from standard input; write it to a file first"
        );
    }
    Ok(from.input.clone())
}

/// A path as it is read from a directory.
fn relative(path: &Path, directory: &Path) -> Result<PathBuf> {
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let path = std::path::absolute(path).with_context(|| format!("{}", path.display()))?;
    let (path, directory) = (plain(&path), plain(directory));
    let same = path.iter().zip(&directory).take_while(|(a, b)| a == b).count();
    let up = directory[same..].iter().map(|_| OsStr::new(".."));
    Ok(up.chain(path[same..].iter().map(|part| part.as_os_str())).collect())
}

/// The parts of an absolute path, those that lead back taken out.
fn plain(path: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = Vec::new();
    for component in path.components() {
        match component {
            Component::ParentDir if parts.len() > 1 => drop(parts.pop()),
            Component::CurDir | Component::ParentDir => {}
            other => parts.push(Path::new(&other).to_owned()),
        }
    }
    parts
}

/// What differs from the default: what is null is not said.
fn given(value: Value, usual: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let usual_of = |name: &str| usual.get(name).unwrap_or(&Value::Null);
            let kept = fields.into_iter().filter(|(name, value)| usual_of(name) != value);
            Value::Object(kept.map(|(name, value)| (name.clone(), given(value, usual_of(&name)))).collect())
        }
        Value::Array(list) => list.into_iter().map(|v| given(v, &Value::Null)).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_given_is_written() {
        let usual = json!({"a": 1, "b": {"c": 2, "d": [1]}, "e": null});
        let own = json!({"a": 1, "b": {"c": 3, "d": [1]}, "e": {"f": null, "g": 0}});
        assert_eq!(given(own, &usual), json!({"b": {"c": 3}, "e": {"g": 0}}));
    }

    #[test]
    fn paths_are_taken_from_the_directory_of_the_scenario() {
        let here = std::env::current_dir().unwrap();
        let from = |path: &str, directory: PathBuf| relative(Path::new(path), &directory).unwrap();
        assert_eq!(from("dumps/a.json", here.clone()), Path::new("dumps/a.json"));
        assert_eq!(from("./a.json", here.join("scenarios")), Path::new("../a.json"));
        assert_eq!(from("scenarios/a.json", here.join("scenarios")), Path::new("a.json"));
        assert_eq!(from("/tmp/a.json", here), Path::new("/tmp/a.json"));
    }
}
