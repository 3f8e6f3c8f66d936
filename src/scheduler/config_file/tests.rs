//! Reading configurations: what each field does, and what is refused.

use super::*;
use crate::scheduler::config::DefaultConstraint;
use crate::scheduler::names::PluginId;

const HEAD: &str = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";

fn read(text: &str) -> Result<SchedulerConfig, ConfigError> {
    SchedulerConfig::from_yaml(&format!("{HEAD}{text}"), &mut Catalog::new())
}

fn profile(text: &str) -> Profile {
    let config = read(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert!(config.notices.is_empty(), "{:?}", config.notices);
    Profile::clone(&config.profiles[0])
}

/// A profile with arguments for one plugin.
fn with_args(plugin: &str, args: &str) -> String {
    format!("profiles: [{{pluginConfig: [{{name: {plugin}, args: {args}}}]}}]")
}

fn refused(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("not refused: {text}"),
        Err(e) => e.to_string(),
    }
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(read("").expect("valid"), SchedulerConfig::default());
    assert_eq!(read("profiles: null\npercentageOfNodesToScore: null").expect("valid"), SchedulerConfig::default());
}

#[test]
fn a_profile_changes_what_it_names_and_no_more() {
    let text = "
percentageOfNodesToScore: 40
podInitialBackoffSeconds: 2
podMaxBackoffSeconds: 60
clientConnection: {qps: 100, burst: 200}
profiles:
- plugins:
    score: {disabled: [{name: ImageLocality}]}
    multiPoint: {enabled: [{name: TaintToleration, weight: 5}]}
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 3}]}}
";
    let config = read(text).expect("valid");
    let profile = &config.profiles[0];
    assert_eq!((profile.name.as_str(), profile.percentage_of_nodes_to_score), ("default-scheduler", 40));
    assert_eq!(profile.weight(PluginId::ImageLocality), 0);
    assert_eq!(profile.weight(PluginId::TaintToleration), 5);
    assert_eq!(profile.weight(PluginId::NodeAffinity), 2);
    assert_eq!(profile.filter, Profile::default().filter);
    assert_eq!(
        (&profile.fit, &profile.fit_resources[..]),
        (&FitStrategy::MostAllocated, &[("cpu".to_string(), 3)][..])
    );
    assert_eq!((config.queue.initial_backoff_ms, config.queue.max_backoff_ms), (2_000, 60_000));
    assert_eq!(config.client, Some(RateLimit { qps: 100, burst: 200 }));
}

#[test]
fn profiles_are_found_by_the_name_that_pods_give() {
    let text = "
percentageOfNodesToScore: 50
profiles:
- {schedulerName: default-scheduler}
- {schedulerName: packing, percentageOfNodesToScore: 0}
";
    let config = read(text).expect("valid");
    let mut catalog = Catalog::new();
    let (packing, other) = (catalog.names.intern("packing"), catalog.names.intern("other"));
    let percentage = |name| config.profile(&catalog, name).map(|p| p.percentage_of_nodes_to_score);
    assert_eq!(percentage(catalog.known.default_scheduler), Some(50), "the file's");
    assert_eq!(percentage(packing), Some(0), "its own");
    assert_eq!(percentage(other), None);
}

#[test]
fn arguments_of_fit() {
    let args = "{ignoredResources: [example.com/a], ignoredResourceGroups: [example.org], scoringStrategy: {type: RequestedToCapacityRatio, resources: [{name: cpu, weight: 0}, {name: nvidia.com/gpu, weight: 9}], requestedToCapacityRatio: {shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]}}}";
    let read = profile(&with_args("NodeResourcesFit", args));
    assert_eq!(read.ignored_resources, ["example.com/a"]);
    assert_eq!(read.ignored_resource_groups, ["example.org"]);
    assert_eq!(read.fit, FitStrategy::RequestedToCapacityRatio(vec![(0, 0), (100, 100)]));
    assert_eq!(read.fit_resources, [("cpu".to_string(), 1), ("nvidia.com/gpu".to_string(), 9)], "no weight is 1");
    for (args, words) in [
        ("{scoringStrategy: {type: Best}}", "scoringStrategy.type is \"Best\""),
        ("{scoringStrategy: {resources: [{name: cpu}]}}", "scoringStrategy.type is \"\""),
        ("{scoringStrategy: {type: LeastAllocated, resources: [{name: cpu, weight: 101}]}}", "is 101 for cpu"),
        ("{scoringStrategy: {type: LeastAllocated, resources: [{name: cpu, weight: -1}]}}", "is -1 for cpu"),
        ("{scoringStrategy: {type: RequestedToCapacityRatio}}", "is missing for that strategy"),
        ("{scoringStrategy: {type: MostAllocated, requestedToCapacityRatio: {}}}", "is given for the strategy"),
        ("{scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: []}}}", "has no point"),
        (
            "{scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 5, score: 1}, {utilization: 5, score: 2}]}}}",
            "is 5 after 5",
        ),
        (
            "{scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 101, score: 11}]}}}",
            "score is 11",
        ),
        ("{ignoredResourceGroups: [a/b]}", "is \"a/b\""),
        ("{ignoredResources: ['']}", "is \"\""),
        ("{scoringStratgy: {}}", "is not known here"),
    ] {
        let said = refused(&with_args("NodeResourcesFit", args));
        assert!(said.contains(words), "{args}: {said}");
        assert!(said.contains("profiles[0].pluginConfig[0].args"), "{said}");
    }
}

#[test]
fn arguments_of_balanced_allocation() {
    let read = profile(&with_args(
        "NodeResourcesBalancedAllocation",
        "{resources: [{name: cpu}, {name: nvidia.com/gpu, weight: 1}]}",
    ));
    assert_eq!(read.balanced_resources, ["cpu", "nvidia.com/gpu"]);
    assert!(
        refused(&with_args("NodeResourcesBalancedAllocation", "{resources: [{name: cpu, weight: 2}]}"))
            .contains("weight is 2")
    );
    assert!(
        refused(&with_args("NodeResourcesBalancedAllocation", "{resources: [{name: cpu}, {name: cpu}]}"))
            .contains("is cpu again")
    );
}

#[test]
fn arguments_of_pod_affinity() {
    let read =
        profile(&with_args("InterPodAffinity", "{hardPodAffinityWeight: 0, ignorePreferredTermsOfExistingPods: true}"));
    assert_eq!((read.hard_pod_affinity_weight, read.ignore_preferred_terms_of_existing_pods), (0, true));
    assert_eq!(profile(&with_args("InterPodAffinity", "{}")).hard_pod_affinity_weight, 1);
    assert!(refused(&with_args("InterPodAffinity", "{hardPodAffinityWeight: 101}")).contains("is 101; give 0 to 100"));
}

#[test]
fn arguments_of_spread() {
    let args = "{defaultingType: List, defaultConstraints: [{maxSkew: 2, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, minDomains: 3, nodeTaintsPolicy: Honor, nodeAffinityPolicy: Ignore}]}";
    let wanted = DefaultConstraint {
        max_skew: 2,
        topology_key: "zone".into(),
        when: crate::cluster::WhenUnsatisfiable::DoNotSchedule,
        min_domains: 3,
        honor_node_affinity: false,
        honor_node_taints: true,
    };
    assert_eq!(profile(&with_args("PodTopologySpread", args)).default_spread, DefaultSpread::List(vec![wanted]));
    assert_eq!(profile(&with_args("PodTopologySpread", "{}")).default_spread, DefaultSpread::System);
    let none = profile(&with_args("PodTopologySpread", "{defaultingType: List}")).default_spread;
    assert_eq!(none, DefaultSpread::List(Vec::new()), "switches the system's off");
    for (args, words) in [
        (
            "{defaultConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: ScheduleAnyway}]}",
            "defaultingType is System",
        ),
        ("{defaultingType: list}", "defaultingType is \"list\""),
        (
            "{defaultingType: List, defaultConstraints: [{topologyKey: z, whenUnsatisfiable: ScheduleAnyway}]}",
            "maxSkew is 0",
        ),
        (
            "{defaultingType: List, defaultConstraints: [{maxSkew: 1, whenUnsatisfiable: ScheduleAnyway}]}",
            "topologyKey is \"\"",
        ),
        ("{defaultingType: List, defaultConstraints: [{maxSkew: 1, topologyKey: z}]}", "whenUnsatisfiable is \"\""),
        (
            "{defaultingType: List, defaultConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: ScheduleAnyway, labelSelector: {}}]}",
            "labelSelector is given",
        ),
        (
            "{defaultingType: List, defaultConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: ScheduleAnyway}, {maxSkew: 2, topologyKey: z, whenUnsatisfiable: ScheduleAnyway}]}",
            "defaultConstraints[1] repeats {z, ScheduleAnyway}",
        ),
    ] {
        let said = refused(&with_args("PodTopologySpread", args));
        assert!(said.contains(words), "{args}: {said}");
    }
}

#[test]
fn arguments_of_node_affinity() {
    let args = "{addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Gt, values: ['3']}], matchFields: [{key: metadata.name, operator: NotIn, values: [node-1]}]}]}, preferredDuringSchedulingIgnoredDuringExecution: [{weight: 7, preference: {matchExpressions: [{key: b, operator: Exists}]}}, {weight: 0, preference: {matchExpressions: [{key: b, operator: Exists}]}}, {weight: 1, preference: {}}]}}";
    let read = profile(&with_args("NodeAffinity", args));
    let term = &read.added_affinity.as_ref().expect("required").terms[0];
    assert_eq!((term.expressions[0].bound, term.fields.len()), (Some(3), 1));
    assert_eq!(read.added_preferred.len(), 1, "terms without weight or content count for nothing");
    for (expression, words) in [
        ("{key: a, operator: In}", "has 0 values for In"),
        ("{key: a, operator: Exists, values: [x]}", "has 1 values for Exists"),
        ("{key: a, operator: Gt, values: [x]}", "give a whole number"),
        ("{key: a, operator: Near}", "operator is \"Near\""),
        ("{key: 'a b', operator: Exists}", "key is \"a b\""),
        ("{key: a, operator: In, values: ['a b']}", "has \"a b\""),
    ] {
        let args = format!(
            "{{addedAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{{matchExpressions: [{expression}]}}]}}}}}}"
        );
        let said = refused(&with_args("NodeAffinity", &args));
        assert!(said.contains(words), "{expression}: {said}");
    }
}

#[test]
fn arguments_of_preemption() {
    let read =
        profile(&with_args("DefaultPreemption", "{minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 5}"));
    assert_eq!((read.min_candidate_nodes_percentage, read.min_candidate_nodes_absolute), (0, 5));
    for args in [
        "{minCandidateNodesPercentage: 101}",
        "{minCandidateNodesAbsolute: -1}",
        "{minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0}",
    ] {
        assert!(refused(&with_args("DefaultPreemption", args)).contains("minCandidateNodes"), "{args}");
    }
}

#[test]
fn what_the_real_scheduler_would_refuse_is_refused() {
    for (text, words) in [
        ("percentageOfNodesToScore: 101", "percentageOfNodesToScore is 101; give 0 (adaptive) to 100"),
        ("percentageOfNodesToScore: -1", "is -1"),
        ("profiles: [{percentageOfNodesToScore: 200}]", "profiles[0].percentageOfNodesToScore is 200"),
        ("profiles: [{schedulerName: a}, {schedulerName: a}]", "profiles[1].schedulerName is a again"),
        ("profiles: [{schedulerName: a}, {}]", "profiles[1].schedulerName is missing"),
        ("profiles: [{schedulerName: ''}]", "profiles[0].schedulerName is missing"),
        ("parallelism: 0", "parallelism is 0"),
        ("podInitialBackoffSeconds: 0", "podInitialBackoffSeconds is 0"),
        ("podMaxBackoffSeconds: 0", "podMaxBackoffSeconds is 0"),
        ("podInitialBackoffSeconds: 20", "give podInitialBackoffSeconds (20) or more"),
        ("clientConnection: {burst: -1}", "clientConnection.burst is -1"),
        ("leaderElection: {resourceLock: endpoints}", "write leases"),
        ("percentageOfNodesToSkore: 5", "is not known here"),
        ("profiles: [{plugins: {filters: {}}}]", "is not known here"),
        ("percentageOfNodesToScore: many", "percentageOfNodesToScore"),
        ("extenders: [{urlPrefix: x, prioritizeVerb: p}]", "extenders[0].weight is 0"),
        ("extenders: [{bindVerb: a}, {bindVerb: b}]", "has 2 that bind"),
        ("extenders: [{managedResources: [{name: cpu}]}]", "give an extended resource"),
        ("profiles: [{pluginConfig: [{name: NodeName}, {name: NodeName}]}]", "is for NodeName again"),
        ("profiles: [{pluginConfig: [{name: EBSLimits}]}]", "Kubernetes no longer has"),
        (
            "profiles: [{pluginConfig: [{name: VolumeBinding, args: {bindTimeoutSeconds: -1}}]}]",
            "bindTimeoutSeconds is -1",
        ),
        ("profiles: [{pluginConfig: [{name: VolumeBinding, args: {shape: []}}]}]", "shape is given"),
        (
            "profiles: [{pluginConfig: [{name: NodeAffinity, args: {kind: InterPodAffinityArgs}}]}]",
            "write NodeAffinityArgs",
        ),
        (
            "profiles: [{schedulerName: a}, {schedulerName: b, plugins: {queueSort: {enabled: [{name: PrioritySort}]}}}]",
            "profiles[1].plugins.queueSort is not that of the first profile",
        ),
    ] {
        let said = refused(text);
        assert!(said.contains(words), "{text}: {said}");
    }
    let both = refused("parallelism: 0\npercentageOfNodesToScore: 101");
    assert!(both.contains("parallelism") && both.contains("percentageOfNodesToScore"), "all at once: {both}");
    for (text, words) in [
        ("kind: KubeSchedulerConfiguration", "apiVersion is missing"),
        ("apiVersion: kubescheduler.config.k8s.io/v1", "kind is missing"),
        ("apiVersion: kubescheduler.config.k8s.io/v1beta3\nkind: KubeSchedulerConfiguration", "no longer reads"),
        ("apiVersion: v1\nkind: Pod", "it is a Pod of v1"),
        ("a: [", "cannot be read"),
    ] {
        let said = SchedulerConfig::from_yaml(text, &mut Catalog::new()).expect_err(text).to_string();
        assert!(said.contains(words), "{text}: {said}");
    }
}

#[test]
fn what_is_not_modelled_is_noticed() {
    let codes = |text: &str| -> Vec<&'static str> {
        read(text).unwrap_or_else(|e| panic!("{text}: {e}")).notices.iter().map(|n| n.code).collect()
    };
    assert_eq!(codes("extenders: [{urlPrefix: x, filterVerb: filter}]"), ["scheduler-extender"]);
    assert_eq!(codes("clientConnection: {qps: 0.5}"), ["scheduler-argument-not-modelled"]);
    assert_eq!(codes(&with_args("VolumeBinding", "{bindTimeoutSeconds: 5}")), ["scheduler-argument-not-modelled"]);
    assert!(
        codes(&with_args("Coscheduling", "{permitWaitingTimeSeconds: 60}")).is_empty(),
        "arguments alone do nothing"
    );
    let unknown = "profiles: [{plugins: {multiPoint: {enabled: [{name: Coscheduling}]}}}]";
    assert_eq!(codes(unknown), ["scheduler-plugin-unknown"]);
}

/// S/scheduler.go `buildExtenders`: what extenders take over replaces the arguments' list.
#[test]
fn resources_that_an_extender_takes_over_are_not_checked() {
    let text = "
extenders: [{urlPrefix: x, managedResources: [{name: example.com/a, ignoredByScheduler: true}, {name: example.com/b}]}]
profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {ignoredResources: [example.com/c]}}]}]
";
    assert_eq!(read(text).expect("valid").profiles[0].ignored_resources, ["example.com/a"]);
}
