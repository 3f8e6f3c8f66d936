//! Arguments of plugins: their defaults and what is refused of them (S/apis/config/v1/defaults.go,
//! S/apis/config/validation/validation_pluginargs.go).

use super::refusal::Refusals;
use super::wire;
use crate::cluster::plain::plain;
use crate::cluster::{
    Catalog, KubernetesVersion, NodeSelector, NodeSelectorTerm, Operator, Requirement, WhenUnsatisfiable,
};
use crate::scheduler::config::{DefaultConstraint, DefaultSpread, FitStrategy, Notice, Profile};
use crate::scheduler::syntax::{duration_s, is_label_value, is_qualified};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What reading one plugin's arguments needs.
pub(super) struct Arguments<'a> {
    pub(super) version: KubernetesVersion,
    /// Where they stand (`profiles[0].pluginConfig[1].args`).
    pub(super) at: String,
    /// What findings are about.
    pub(super) object: String,
    pub(super) catalog: &'a mut Catalog,
    pub(super) refusals: &'a mut Refusals,
    pub(super) notices: &'a mut Vec<Notice>,
}

impl Arguments<'_> {
    /// Reads a plugin's arguments into the profile. Those of a plugin that is not Kubernetes' own are left alone.
    pub(super) fn take(&mut self, plugin: &str, args: Value, profile: &mut Profile) {
        self.check_kind(plugin, &args);
        match plugin {
            "NodeResourcesFit" => self.fit(args, profile),
            "NodeResourcesBalancedAllocation" => self.balanced(args, profile),
            "InterPodAffinity" => self.affinity(args, profile),
            "PodTopologySpread" => self.spread(args, profile),
            "NodeAffinity" => self.node_affinity(args, profile),
            "DefaultPreemption" => self.preemption(args, profile),
            "VolumeBinding" => self.volume_binding(args),
            "DynamicResources" => self.dynamic_resources(args),
            _ => {}
        }
    }
    fn check_kind(&mut self, plugin: &str, args: &Value) {
        const WITH_ARGS: [&str; 8] = [
            "NodeResourcesFit",
            "NodeResourcesBalancedAllocation",
            "InterPodAffinity",
            "PodTopologySpread",
            "NodeAffinity",
            "DefaultPreemption",
            "VolumeBinding",
            "DynamicResources",
        ];
        if !WITH_ARGS.contains(&plugin) {
            return;
        }
        let expected = [("kind", format!("{plugin}Args")), ("apiVersion", super::API_VERSION.to_owned())];
        for (field, wanted) in expected {
            if let Some(given) = args.get(field).and_then(Value::as_str).filter(|g| *g != wanted) {
                let at = format!("{}.{field}", self.at);
                self.refusals.add(at, format!("is {given}"), format!("write {wanted}, or leave it out"));
            }
        }
    }
    fn read<T: DeserializeOwned + Default>(&mut self, args: Value) -> T {
        if args.is_null() {
            return T::default();
        }
        crate::typed::from_value(&args).unwrap_or_else(|e| {
            let at = match e.path.as_str() {
                "." => self.at.clone(),
                path => format!("{}.{path}", self.at),
            };
            self.refusals.add(
                at,
                format!("cannot be read: {}", plain(&e.what)),
                "see the plugin's arguments in Kubernetes' reference",
            );
            T::default()
        })
    }
    fn refuse(&mut self, field: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.refusals.add(format!("{}.{field}", self.at), what, remedy);
    }

    fn fit(&mut self, args: Value, profile: &mut Profile) {
        let args: wire::NodeResourcesFitArgs = self.read(args);
        for (i, name) in args.ignored_resources.iter().enumerate() {
            if !is_qualified(name) {
                self.refuse(
                    &format!("ignoredResources[{i}]"),
                    format!("is {name:?}"),
                    "give a resource's name (example.com/device)",
                );
            }
        }
        for (i, group) in args.ignored_resource_groups.iter().enumerate() {
            if group.contains('/') || !is_qualified(group) {
                self.refuse(
                    &format!("ignoredResourceGroups[{i}]"),
                    format!("is {group:?}"),
                    "give what stands before the slash of a resource's name",
                );
            }
        }
        profile.ignored_resources = args.ignored_resources;
        profile.ignored_resource_groups = args.ignored_resource_groups;
        let Some(strategy) = args.scoring_strategy else { return };
        if !strategy.resources.is_empty() {
            let mut resources = Vec::new();
            for (i, resource) in strategy.resources.iter().enumerate() {
                let weight = if resource.weight == 0 { 1 } else { resource.weight };
                if !(1..=100).contains(&weight) {
                    let field = format!("scoringStrategy.resources[{i}].weight");
                    self.refuse(&field, format!("is {weight} for {}", resource.name), "give 1 to 100");
                }
                resources.push((resource.name.clone(), weight));
            }
            profile.fit_resources = resources;
        }
        let ratio = strategy.requested_to_capacity_ratio;
        if ratio.is_some() && strategy.r#type != "RequestedToCapacityRatio" {
            let what = format!("is given for the strategy {:?}", strategy.r#type);
            self.refuse(
                "scoringStrategy.requestedToCapacityRatio",
                what,
                "take it out, or set type: RequestedToCapacityRatio",
            );
        }
        profile.fit = match strategy.r#type.as_str() {
            "LeastAllocated" => FitStrategy::LeastAllocated,
            "MostAllocated" => FitStrategy::MostAllocated,
            "RequestedToCapacityRatio" => match ratio {
                Some(ratio) => FitStrategy::RequestedToCapacityRatio(
                    self.shape(&ratio.shape, "scoringStrategy.requestedToCapacityRatio.shape"),
                ),
                None => {
                    let remedy = "give requestedToCapacityRatio.shape";
                    self.refuse("scoringStrategy.requestedToCapacityRatio", "is missing for that strategy", remedy);
                    FitStrategy::LeastAllocated
                }
            },
            other => {
                let remedy = "write LeastAllocated, MostAllocated or RequestedToCapacityRatio (a strategy that is given needs its type)";
                self.refuse("scoringStrategy.type", format!("is {other:?}"), remedy);
                FitStrategy::LeastAllocated
            }
        };
    }
    /// `validateFunctionShape`; scores are brought from 0..=10 to 0..=100.
    fn shape(&mut self, points: &[wire::Point], field: &str) -> Vec<(i64, i64)> {
        if points.is_empty() {
            self.refuse(field, "has no point", "give at least one, such as {utilization: 0, score: 0}");
        }
        if let Some(i) = (1..points.len()).find(|i| points[i - 1].utilization >= points[*i].utilization) {
            let what = format!("is {} after {}", points[i].utilization, points[i - 1].utilization);
            self.refuse(&format!("{field}[{i}].utilization"), what, "sort the points by utilization, each once");
        }
        for (i, point) in points.iter().enumerate() {
            if !(0..=100).contains(&point.utilization) {
                let what = format!("is {}", point.utilization);
                self.refuse(&format!("{field}[{i}].utilization"), what, "give 0 to 100");
            }
            if !(0..=10).contains(&point.score) {
                self.refuse(&format!("{field}[{i}].score"), format!("is {}", point.score), "give 0 to 10");
            }
        }
        points.iter().map(|p| (i64::from(p.utilization), i64::from(p.score) * 10)).collect()
    }
    fn balanced(&mut self, args: Value, profile: &mut Profile) {
        let args: wire::BalancedAllocationArgs = self.read(args);
        for (i, resource) in args.resources.iter().enumerate() {
            if args.resources[..i].iter().any(|r| r.name == resource.name) {
                self.refuse(
                    &format!("resources[{i}].name"),
                    format!("is {} again", resource.name),
                    "name each resource once",
                );
            }
            if !matches!(resource.weight, 0 | 1) {
                self.refuse(
                    &format!("resources[{i}].weight"),
                    format!("is {}", resource.weight),
                    "leave it out, or give 1",
                );
            }
        }
        if !args.resources.is_empty() {
            profile.balanced_resources = args.resources.into_iter().map(|r| r.name).collect();
        }
    }
    fn affinity(&mut self, args: Value, profile: &mut Profile) {
        let args: wire::InterPodAffinityArgs = self.read(args);
        let weight = args.hard_pod_affinity_weight.unwrap_or(1);
        if !(0..=100).contains(&weight) {
            self.refuse("hardPodAffinityWeight", format!("is {weight}"), "give 0 to 100");
        }
        profile.hard_pod_affinity_weight = i64::from(weight);
        profile.ignore_preferred_terms_of_existing_pods = args.ignore_preferred_terms_of_existing_pods;
    }
    fn spread(&mut self, args: Value, profile: &mut Profile) {
        let args: wire::PodTopologySpreadArgs = self.read(args);
        let list = match args.defaulting_type.as_str() {
            "" | "System" => false,
            "List" => true,
            other => {
                self.refuse("defaultingType", format!("is {other:?}"), "write System or List");
                return;
            }
        };
        if !list && !args.default_constraints.is_empty() {
            self.refuse(
                "defaultingType",
                "is System, and there are defaultConstraints",
                "set defaultingType: List, or take the constraints out",
            );
        }
        for (i, c) in args.default_constraints.iter().enumerate() {
            let at = format!("defaultConstraints[{i}]");
            if c.max_skew <= 0 {
                self.refuse(&format!("{at}.maxSkew"), format!("is {}", c.max_skew), "give 1 or more");
            }
            if !is_qualified(&c.topology_key) {
                self.refuse(&format!("{at}.topologyKey"), format!("is {:?}", c.topology_key), "give a label's key");
            }
            if !matches!(c.when_unsatisfiable.as_str(), "DoNotSchedule" | "ScheduleAnyway") {
                let what = format!("is {:?}", c.when_unsatisfiable);
                self.refuse(&format!("{at}.whenUnsatisfiable"), what, "write DoNotSchedule or ScheduleAnyway");
            }
            if c.label_selector.is_some() {
                let remedy = "take it out: it comes from each pod's services and owner";
                self.refuse(&format!("{at}.labelSelector"), "is given", remedy);
            }
            let same = |o: &&wire::Constraint| {
                o.topology_key == c.topology_key && o.when_unsatisfiable == c.when_unsatisfiable
            };
            if args.default_constraints[..i].iter().any(|o| same(&o)) {
                self.refuse(
                    &at,
                    format!("repeats {{{}, {}}}", c.topology_key, c.when_unsatisfiable),
                    "give each pair once",
                );
            }
        }
        if list {
            profile.default_spread =
                DefaultSpread::List(args.default_constraints.into_iter().map(constraint).collect());
        }
    }
    fn preemption(&mut self, args: Value, profile: &mut Profile) {
        let args: wire::DefaultPreemptionArgs = self.read(args);
        let percentage = args.min_candidate_nodes_percentage.unwrap_or(10);
        let absolute = args.min_candidate_nodes_absolute.unwrap_or(100);
        if !(0..=100).contains(&percentage) {
            self.refuse("minCandidateNodesPercentage", format!("is {percentage}"), "give 0 to 100");
        }
        if absolute < 0 {
            self.refuse("minCandidateNodesAbsolute", format!("is {absolute}"), "give 0 or more");
        }
        if percentage == 0 && absolute == 0 {
            self.refuse("minCandidateNodesPercentage", "is 0, and minCandidateNodesAbsolute too", "give one of them");
        }
        profile.min_candidate_nodes_percentage = i64::from(percentage);
        profile.min_candidate_nodes_absolute = i64::from(absolute);
    }
    fn volume_binding(&mut self, args: Value) {
        let args: wire::VolumeBindingArgs = self.read(args);
        let seconds = args.bind_timeout_seconds.unwrap_or(600);
        if seconds < 0 {
            self.refuse("bindTimeoutSeconds", format!("is {seconds}"), "give 0 or more");
        }
        if args.shape.is_some() {
            let remedy = "take it out: the gate StorageCapacityScoring is off unless somebody turns it on";
            self.refuse("shape", "is given", remedy);
        }
        if seconds != 600 {
            self.not_modelled(format!("bindTimeoutSeconds is {seconds}; simulated volumes never fail to bind"));
        }
    }
    fn dynamic_resources(&mut self, args: Value) {
        let args: wire::DynamicResourcesArgs = self.read(args);
        let rules = self.version.rules();
        if args.filter_timeout.is_some() && !rules.claim_filter_timeout {
            self.refuse(
                "filterTimeout",
                format!("is given, and Kubernetes {} does not take it", self.version),
                "take it out",
            );
        }
        if args.binding_timeout.is_some() && !rules.claim_binding_timeout {
            self.refuse(
                "bindingTimeout",
                format!("is given, and Kubernetes {} does not take it", self.version),
                "take it out",
            );
        }
        for (field, given, least) in
            [("filterTimeout", &args.filter_timeout, 0.0), ("bindingTimeout", &args.binding_timeout, 1.0)]
        {
            let Some(text) = given else { continue };
            if duration_s(text).is_none_or(|s| s < least) {
                self.refuse(field, format!("is {text:?}"), format!("give a time of {least} s or more, such as 10s"));
            }
        }
        if args.filter_timeout.is_some() || args.binding_timeout.is_some() {
            self.not_modelled("it sets time limits for resource claims, which are not modelled".to_owned());
        }
    }
    fn not_modelled(&mut self, detail: String) {
        self.notices.push(Notice { code: "scheduler-argument-not-modelled", object: self.object.clone(), detail });
    }

    fn node_affinity(&mut self, args: Value, profile: &mut Profile) {
        let args: wire::NodeAffinityArgs = self.read(args);
        let Some(added) = args.added_affinity else { return };
        if let Some(required) = added.required_during_scheduling_ignored_during_execution {
            let at = "addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
            let terms = required.node_selector_terms.into_iter().enumerate();
            let terms = terms.map(|(i, t)| self.term(t, &format!("{at}[{i}]"))).collect();
            profile.added_affinity = Some(NodeSelector { terms });
        }
        let at = "addedAffinity.preferredDuringSchedulingIgnoredDuringExecution";
        for (i, preferred) in added.preferred_during_scheduling_ignored_during_execution.into_iter().enumerate() {
            let empty =
                preferred.preference.match_expressions.is_empty() && preferred.preference.match_fields.is_empty();
            if preferred.weight != 0 && !empty {
                let term = self.term(preferred.preference, &format!("{at}[{i}]"));
                profile.added_preferred.push((preferred.weight, term));
            }
        }
    }
    /// component-helpers `newNodeSelectorTerm`.
    fn term(&mut self, term: wire::Term, at: &str) -> NodeSelectorTerm {
        let mut read = NodeSelectorTerm::default();
        for (i, e) in term.match_expressions.into_iter().enumerate() {
            read.expressions.push(self.expression(&e, &format!("{at}.matchExpressions[{i}]")));
        }
        for (i, e) in term.match_fields.into_iter().enumerate() {
            let at = format!("{at}.matchFields[{i}]");
            if !matches!(e.operator.as_str(), "In" | "NotIn") {
                self.refuse(&format!("{at}.operator"), format!("is {:?}", e.operator), "write In or NotIn");
            }
            if e.values.len() != 1 {
                self.refuse(&format!("{at}.values"), format!("has {} values", e.values.len()), "give one");
            }
            let operator = if e.operator == "In" { Operator::In } else { Operator::NotIn };
            // metadata.name is the only field a node has here: any other is always empty.
            let is_name = e.key == "metadata.name";
            let values = e.values.iter().filter(|_| is_name).map(|v| self.catalog.names.intern(v)).collect();
            read.fields.push(Requirement { key: self.catalog.names.intern(&e.key), operator, values, bound: None });
        }
        read
    }
    /// `labels.NewRequirement`.
    fn expression(&mut self, e: &wire::Expression, at: &str) -> Requirement {
        let (operator, values) = match e.operator.as_str() {
            "In" => (Operator::In, 1..=usize::MAX),
            "NotIn" => (Operator::NotIn, 1..=usize::MAX),
            "Exists" => (Operator::Exists, 0..=0),
            "DoesNotExist" => (Operator::DoesNotExist, 0..=0),
            "Gt" => (Operator::Gt, 1..=1),
            "Lt" => (Operator::Lt, 1..=1),
            other => {
                let remedy = "write In, NotIn, Exists, DoesNotExist, Gt or Lt";
                self.refuse(&format!("{at}.operator"), format!("is {other:?}"), remedy);
                (Operator::Exists, 0..=usize::MAX)
            }
        };
        if !is_qualified(&e.key) {
            self.refuse(&format!("{at}.key"), format!("is {:?}", e.key), "give a label's key");
        }
        let bound = e.values.first().and_then(|v| v.parse().ok());
        let compares = matches!(operator, Operator::Gt | Operator::Lt);
        if !values.contains(&e.values.len()) {
            let what = format!("has {} values for {}", e.values.len(), e.operator);
            self.refuse(
                &format!("{at}.values"),
                what,
                "give at least one for In and NotIn, none for Exists and DoesNotExist, one for Gt and Lt",
            );
        } else if compares && bound.is_none() {
            self.refuse(&format!("{at}.values"), format!("is {:?}", e.values), "give a whole number");
        }
        for value in e.values.iter().filter(|v| !is_label_value(v)) {
            self.refuse(&format!("{at}.values"), format!("has {value:?}"), "give values as labels have them");
        }
        Requirement {
            key: self.catalog.names.intern(&e.key),
            operator,
            bound,
            values: e.values.iter().map(|v| self.catalog.names.intern(v)).collect(),
        }
    }
}

fn constraint(c: wire::Constraint) -> DefaultConstraint {
    DefaultConstraint {
        max_skew: i64::from(c.max_skew),
        topology_key: c.topology_key,
        when: match c.when_unsatisfiable.as_str() {
            "DoNotSchedule" => WhenUnsatisfiable::DoNotSchedule,
            _ => WhenUnsatisfiable::ScheduleAnyway,
        },
        min_domains: c.min_domains.map_or(1, i64::from),
        honor_node_affinity: c.node_affinity_policy.is_none_or(|p| p == "Honor"),
        honor_node_taints: c.node_taints_policy.is_some_and(|p| p == "Honor"),
    }
}
