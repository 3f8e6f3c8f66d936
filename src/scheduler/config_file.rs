//! A KubeSchedulerConfiguration file, as far as it decides placements (kubescheduler.config.k8s.io/v1).

use super::config::{DefaultConstraint, DefaultSpread, FitStrategy, SchedulerConfig};
use super::names::PluginId;
use crate::cluster::{Catalog, NodeSelector, NodeSelectorTerm, Operator, Requirement, WhenUnsatisfiable};
use serde::Deserialize;

/// Why a scheduler configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not YAML, or not of the shape.
    #[error(
        "the scheduler configuration cannot be read: {0}; expected a KubeSchedulerConfiguration of kubescheduler.config.k8s.io/v1"
    )]
    Syntax(String),
    /// It has a value that the real scheduler would refuse too.
    #[error("the scheduler configuration has {what}; {remedy}")]
    Value {
        /// What it has.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct File {
    percentage_of_nodes_to_score: Option<i64>,
    profiles: Vec<Profile>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Profile {
    percentage_of_nodes_to_score: Option<i64>,
    plugins: Plugins,
    plugin_config: Vec<PluginArgs>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Plugins {
    multi_point: PluginList,
    filter: PluginList,
    score: PluginList,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PluginList {
    enabled: Vec<Named>,
    disabled: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    weight: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PluginArgs {
    name: String,
    args: Args,
}

/// The arguments of all plugins in one: their fields do not clash.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Args {
    scoring_strategy: Option<Strategy>,
    resources: Option<Vec<Named>>,
    hard_pod_affinity_weight: Option<i64>,
    ignore_preferred_terms_of_existing_pods: Option<bool>,
    defaulting_type: Option<String>,
    default_constraints: Vec<Constraint>,
    added_affinity: Option<AddedAffinity>,
    min_candidate_nodes_percentage: Option<i64>,
    min_candidate_nodes_absolute: Option<i64>,
}

#[derive(Deserialize)]
struct Strategy {
    r#type: Option<String>,
    resources: Option<Vec<Named>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Constraint {
    max_skew: i64,
    topology_key: String,
    when_unsatisfiable: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AddedAffinity {
    required_during_scheduling_ignored_during_execution: Option<Required>,
    preferred_during_scheduling_ignored_during_execution: Vec<Preferred>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Required {
    node_selector_terms: Vec<Term>,
}

#[derive(Deserialize)]
struct Preferred {
    weight: i32,
    preference: Term,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Term {
    match_expressions: Vec<Expression>,
    match_fields: Vec<Expression>,
}

#[derive(Deserialize)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

impl SchedulerConfig {
    /// Reads a KubeSchedulerConfiguration in YAML; its first profile counts. Names it mentions go into the catalogue,
    /// so it must come before the state makes names (`State::catalog_grew`).
    ///
    /// # Errors
    /// What cannot be read, and what to do.
    pub fn from_yaml(text: &str, catalog: &mut Catalog) -> Result<SchedulerConfig, ConfigError> {
        let file: File = serde_saphyr::from_str(text).map_err(|e| ConfigError::Syntax(e.to_string()))?;
        let mut config = SchedulerConfig::default();
        let profile = file.profiles.into_iter().next().unwrap_or_default();
        let percentage = profile.percentage_of_nodes_to_score.or(file.percentage_of_nodes_to_score).unwrap_or(0);
        if !(0..=100).contains(&percentage) {
            let what = format!("percentageOfNodesToScore {percentage}");
            return Err(ConfigError::Value { what, remedy: "give 0 (adaptive) to 100" });
        }
        config.percentage_of_nodes_to_score = percentage;
        config.take_plugins(&profile.plugins)?;
        for plugin in profile.plugin_config {
            config.take_args(&plugin.name, plugin.args, catalog)?;
        }
        Ok(config)
    }
    /// Merges plugin sets into the defaults (S/apis/config/v1/default_plugins.go `mergePluginSet`).
    fn take_plugins(&mut self, plugins: &Plugins) -> Result<(), ConfigError> {
        let enabled = plugins.multi_point.enabled.iter().chain(&plugins.score.enabled);
        for list in [&plugins.multi_point, &plugins.score] {
            for plugin in &list.disabled {
                self.weights.retain(|w| plugin.name != "*" && w.0.name() != plugin.name);
            }
        }
        for list in [&plugins.multi_point, &plugins.filter] {
            for plugin in &list.disabled {
                let all = PluginId::ALL.iter().filter(|p| plugin.name == "*" || p.name() == plugin.name);
                all.for_each(|p| self.filters_disabled.insert(*p));
            }
        }
        for plugin in enabled {
            let Some(id) = PluginId::by_name(&plugin.name) else {
                let what = format!("plugin {}", plugin.name);
                return Err(ConfigError::Value {
                    what,
                    remedy: "only plugins of the default profile are modelled: take it out",
                });
            };
            match self.weights.iter_mut().find(|w| w.0 == id) {
                Some(known) => known.1 = plugin.weight.filter(|w| *w != 0).unwrap_or(known.1),
                None if SchedulerConfig::default().weight(id) > 0 => {
                    self.weights.push((id, plugin.weight.unwrap_or(1)))
                }
                None => {}
            }
        }
        Ok(())
    }
    fn take_args(&mut self, plugin: &str, args: Args, catalog: &mut Catalog) -> Result<(), ConfigError> {
        let weighted = |list: Vec<Named>| list.into_iter().map(|r| (r.name, r.weight.unwrap_or(1).max(1))).collect();
        match PluginId::by_name(plugin) {
            Some(PluginId::NodeResourcesFit) => {
                let Some(strategy) = args.scoring_strategy else { return Ok(()) };
                self.fit = match strategy.r#type.as_deref() {
                    None | Some("LeastAllocated") => FitStrategy::LeastAllocated,
                    Some("MostAllocated") => FitStrategy::MostAllocated,
                    Some(other) => {
                        let what = format!("scoring strategy {other}");
                        return Err(ConfigError::Value {
                            what,
                            remedy: "LeastAllocated and MostAllocated are modelled",
                        });
                    }
                };
                if let Some(resources) = strategy.resources.filter(|r| !r.is_empty()) {
                    self.fit_resources = weighted(resources);
                }
            }
            Some(PluginId::NodeResourcesBalancedAllocation) => {
                if let Some(resources) = args.resources.filter(|r| !r.is_empty()) {
                    self.balanced_resources = resources.into_iter().map(|r| r.name).collect();
                }
            }
            Some(PluginId::InterPodAffinity) => {
                self.hard_pod_affinity_weight = args.hard_pod_affinity_weight.unwrap_or(self.hard_pod_affinity_weight);
                self.ignore_preferred_terms_of_existing_pods =
                    args.ignore_preferred_terms_of_existing_pods.unwrap_or(false);
            }
            Some(PluginId::PodTopologySpread) if args.defaulting_type.as_deref() == Some("List") => {
                self.default_spread =
                    DefaultSpread::List(args.default_constraints.into_iter().map(constraint).collect());
            }
            Some(PluginId::NodeAffinity) => {
                if let Some(added) = args.added_affinity {
                    self.take_affinity(added, catalog)?;
                }
            }
            Some(PluginId::DefaultPreemption) => {
                let least = args.min_candidate_nodes_percentage;
                self.min_candidate_nodes_percentage = least.unwrap_or(self.min_candidate_nodes_percentage);
                self.min_candidate_nodes_absolute =
                    args.min_candidate_nodes_absolute.unwrap_or(self.min_candidate_nodes_absolute);
            }
            _ => {}
        }
        Ok(())
    }
    fn take_affinity(&mut self, added: AddedAffinity, catalog: &mut Catalog) -> Result<(), ConfigError> {
        if let Some(required) = added.required_during_scheduling_ignored_during_execution {
            let terms = required.node_selector_terms.into_iter().map(|t| term(t, catalog)).collect::<Result<_, _>>()?;
            self.added_affinity = Some(NodeSelector { terms });
        }
        for preferred in added.preferred_during_scheduling_ignored_during_execution {
            self.added_preferred.push((preferred.weight, term(preferred.preference, catalog)?));
        }
        Ok(())
    }
}

fn constraint(c: Constraint) -> DefaultConstraint {
    let when = match c.when_unsatisfiable.as_str() {
        "DoNotSchedule" => WhenUnsatisfiable::DoNotSchedule,
        _ => WhenUnsatisfiable::ScheduleAnyway,
    };
    DefaultConstraint { max_skew: c.max_skew, topology_key: c.topology_key, when }
}

fn term(term: Term, catalog: &mut Catalog) -> Result<NodeSelectorTerm, ConfigError> {
    let mut read =
        |list: Vec<Expression>| list.into_iter().map(|e| requirement(e, catalog)).collect::<Result<Vec<_>, _>>();
    Ok(NodeSelectorTerm { expressions: read(term.match_expressions)?, fields: read(term.match_fields)? })
}

fn requirement(e: Expression, catalog: &mut Catalog) -> Result<Requirement, ConfigError> {
    let operator = match e.operator.as_str() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::Gt,
        "Lt" => Operator::Lt,
        other => {
            let what = format!("operator {other} in its added affinity");
            return Err(ConfigError::Value { what, remedy: "use In, NotIn, Exists, DoesNotExist, Gt or Lt" });
        }
    };
    Ok(Requirement {
        key: catalog.names.intern(&e.key),
        operator,
        bound: e.values.first().and_then(|v| v.parse().ok()),
        values: e.values.iter().map(|v| catalog.names.intern(v)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_changes_what_it_names_and_no_more() {
        let text = "
percentageOfNodesToScore: 40
profiles:
- plugins:
    score: {disabled: [{name: ImageLocality}]}
    multiPoint: {enabled: [{name: TaintToleration, weight: 5}]}
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 3}]}}
";
        let config = SchedulerConfig::from_yaml(text, &mut Catalog::new()).expect("it is valid");
        assert_eq!(config.percentage_of_nodes_to_score, 40);
        assert_eq!(config.weight(PluginId::ImageLocality), 0);
        assert!(config.filters(PluginId::ImageLocality));
        assert_eq!(config.weight(PluginId::TaintToleration), 5);
        assert_eq!(config.weight(PluginId::NodeAffinity), 2);
        assert_eq!((config.fit, config.fit_resources), (FitStrategy::MostAllocated, vec![("cpu".to_string(), 3)]));
    }

    #[test]
    fn a_value_out_of_range_is_refused() {
        assert!(SchedulerConfig::from_yaml("percentageOfNodesToScore: 101", &mut Catalog::new()).is_err());
    }
}
