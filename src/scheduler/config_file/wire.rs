//! The file as it is written (`k8s.io/kube-scheduler/config/v1/types.go`, `types_pluginargs.go`). Fields that decide
//! no placement are named too: kube-scheduler refuses those it does not know, and so does this.

use serde::Deserialize;
use serde_json::Value;

macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($(#[$attr:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        pub(super) struct $name { $($(#[$attr])* pub(super) $field: $type),* }
    };
}

object! {
    /// `KubeSchedulerConfiguration`.
    File {
        api_version: String,
        kind: String,
        parallelism: Option<i32>,
        leader_election: LeaderElection,
        client_connection: ClientConnection,
        enable_profiling: Option<bool>,
        enable_contention_profiling: Option<bool>,
        percentage_of_nodes_to_score: Option<i32>,
        pod_initial_backoff_seconds: Option<i64>,
        pod_max_backoff_seconds: Option<i64>,
        profiles: Vec<Profile>,
        extenders: Vec<Extender>,
        delay_cache_until_active: Option<bool>,
    }
}

object! {
    LeaderElection {
        leader_elect: Option<bool>,
        lease_duration: Option<String>,
        renew_deadline: Option<String>,
        retry_period: Option<String>,
        resource_lock: Option<String>,
        resource_name: Option<String>,
        resource_namespace: Option<String>,
    }
}

object! {
    ClientConnection {
        kubeconfig: Option<String>,
        accept_content_types: Option<String>,
        content_type: Option<String>,
        qps: Option<f64>,
        burst: Option<i32>,
    }
}

object! {
    Profile {
        scheduler_name: Option<String>,
        percentage_of_nodes_to_score: Option<i32>,
        plugins: Plugins,
        plugin_config: Vec<PluginConfig>,
    }
}

object! {
    Plugins {
        pre_enqueue: PluginSet,
        queue_sort: PluginSet,
        pre_filter: PluginSet,
        filter: PluginSet,
        post_filter: PluginSet,
        pre_score: PluginSet,
        score: PluginSet,
        reserve: PluginSet,
        permit: PluginSet,
        pre_bind: PluginSet,
        bind: PluginSet,
        post_bind: PluginSet,
        multi_point: PluginSet,
        placement_generate: PluginSet,
        placement_score: PluginSet,
    }
}

object! {
    PluginSet { enabled: Vec<Plugin>, disabled: Vec<Plugin> }
}

object! {
    Plugin { name: String, weight: Option<i32> }
}

object! {
    PluginConfig { name: String, args: Option<Value> }
}

object! {
    Extender {
        url_prefix: String,
        filter_verb: String,
        preempt_verb: String,
        prioritize_verb: String,
        weight: i64,
        bind_verb: String,
        #[serde(rename = "enableHTTPS")]
        enable_https: bool,
        tls_config: Option<Value>,
        http_timeout: Option<String>,
        node_cache_capable: bool,
        managed_resources: Vec<ManagedResource>,
        ignorable: bool,
    }
}

object! {
    ManagedResource { name: String, ignored_by_scheduler: bool }
}

object! {
    DefaultPreemptionArgs {
        api_version: Option<String>,
        kind: Option<String>,
        min_candidate_nodes_percentage: Option<i32>,
        min_candidate_nodes_absolute: Option<i32>,
    }
}

object! {
    InterPodAffinityArgs {
        api_version: Option<String>,
        kind: Option<String>,
        hard_pod_affinity_weight: Option<i32>,
        ignore_preferred_terms_of_existing_pods: bool,
    }
}

object! {
    NodeResourcesFitArgs {
        api_version: Option<String>,
        kind: Option<String>,
        ignored_resources: Vec<String>,
        ignored_resource_groups: Vec<String>,
        scoring_strategy: Option<ScoringStrategy>,
    }
}

object! {
    ScoringStrategy {
        r#type: String,
        resources: Vec<Resource>,
        requested_to_capacity_ratio: Option<Ratio>,
    }
}

object! {
    Ratio { shape: Vec<Point> }
}

object! {
    Point { utilization: i32, score: i32 }
}

object! {
    Resource { name: String, weight: i64 }
}

object! {
    PodTopologySpreadArgs {
        api_version: Option<String>,
        kind: Option<String>,
        default_constraints: Vec<Constraint>,
        defaulting_type: String,
    }
}

object! {
    Constraint {
        max_skew: i32,
        topology_key: String,
        when_unsatisfiable: String,
        label_selector: Option<Value>,
        min_domains: Option<i32>,
        node_affinity_policy: Option<String>,
        node_taints_policy: Option<String>,
        match_label_keys: Vec<String>,
    }
}

object! {
    BalancedAllocationArgs {
        api_version: Option<String>,
        kind: Option<String>,
        resources: Vec<Resource>,
    }
}

object! {
    VolumeBindingArgs {
        api_version: Option<String>,
        kind: Option<String>,
        bind_timeout_seconds: Option<i64>,
        shape: Option<Vec<Point>>,
    }
}

object! {
    DynamicResourcesArgs {
        api_version: Option<String>,
        kind: Option<String>,
        filter_timeout: Option<String>,
        binding_timeout: Option<String>,
    }
}

object! {
    NodeAffinityArgs {
        api_version: Option<String>,
        kind: Option<String>,
        added_affinity: Option<NodeAffinity>,
    }
}

object! {
    NodeAffinity {
        required_during_scheduling_ignored_during_execution: Option<Required>,
        preferred_during_scheduling_ignored_during_execution: Vec<Preferred>,
    }
}

object! {
    Required { node_selector_terms: Vec<Term> }
}

object! {
    Preferred { weight: i32, preference: Term }
}

object! {
    Term { match_expressions: Vec<Expression>, match_fields: Vec<Expression> }
}

object! {
    Expression { key: String, operator: String, values: Vec<String> }
}
