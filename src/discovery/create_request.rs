//! The body of the call with which Ocean itself is asked for the migration that was planned (`POST …/migration`, docs/reference/ocean.md).
//!
//! Ocean then carries it out by itself: it makes its own batches, and most of what a plan says has no field in the call. What is left
//! out is named; where the call would mean something else than the plan, it is an error.

use crate::cluster::provider::{instance_id, is_ec2};
use crate::cluster::{NodeSpec, View};
use crate::intent::batcher::nodes_per_batch;
use crate::intent::options::{BatchSize, BatcherKind, OceanCloud, Percent, PercentOf};
use crate::intent::{Intent, Options};
use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::{Map, Value};

/// Characters that a comment may have.
const LONGEST_COMMENT: usize = 256;
/// Nodes that an error names.
const NAMED: usize = 10;

/// The body of a call, and what of the plan is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRequest {
    /// What is sent.
    pub body: Body,
    /// What is not in it or is said in other terms, each in a line.
    pub notes: Vec<String>,
}

/// The body of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// On EKS: one member, `migration`.
    Aws {
        /// All of it.
        migration: AwsMigration,
    },
    /// On AKS: flat.
    Azure(AzureMigration),
}

/// What is asked for on EKS; all five are required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the API's own names
pub struct AwsMigration {
    pub instance_ids: Vec<String>,
    pub should_terminate_drained_nodes: bool,
    pub should_evict_stand_alone_pods: bool,
    pub force_pod_eviction_on_pdb_failure: bool,
    /// 1 to 50.
    pub batch_size_percentage: u32,
}

/// What is asked for on AKS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the API's own names
pub struct AzureMigration {
    #[serde(flatten)]
    pub nodes: AzureNodes,
    /// 1 to 100.
    pub batch_size_percentage: u32,
    /// 1 to 100.
    pub batch_min_healthy_percentage: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    pub respect_pdb: bool,
    pub respect_restrict_scale_down: bool,
    pub should_terminate_nodes: bool,
    /// With a lower-case "alone" here.
    pub should_evict_standalone_pods: bool,
}

/// Which nodes: exactly one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AzureNodes {
    /// These.
    NodeNames(Vec<String>),
    /// All of these pools.
    NodePoolNames(Vec<String>),
}

/// Whether there is a call for a migration with these options at all.
///
/// # Errors
/// Says what the call cannot say, and what to do instead.
pub fn check(options: &Options, comment: Option<&str>) -> Result<(), String> {
    let Some(cloud) = options.procedure.ocean() else {
        return Err(format!(
            "procedure {} is not Ocean's, and there is no call for it; plan with --procedure ocean-aws or ocean-azure",
            options.procedure.name()
        ));
    };
    let on_eks = cloud == OceanCloud::Aws;
    if on_eks && options.ocean.respect_restrict_scale_down {
        return Err(
            "the call on EKS has no field for respect_restrict_scale_down: nodes that it is to keep would be drained; \
                    leave them out (--nodes, --selector), or plan with --respect-restrict-scale-down false"
                .into(),
        );
    }
    match comment.map(|c| c.chars().count()) {
        Some(_) if on_eks => Err("the call on EKS has no comment; leave --comment out".into()),
        Some(n) if n > LONGEST_COMMENT => {
            Err(format!("--comment has {n} characters; expected at most {LONGEST_COMMENT}"))
        }
        _ => Ok(()),
    }
}

/// The body for a plan. `pools` are the node pools by which the old nodes were chosen, if they were (AKS).
///
/// # Errors
/// Says what the call cannot say: see [`check`], a batch that is no percentage, a node without an instance id.
pub fn create_request(
    view: View<'_>,
    intent: &Intent,
    pools: &[String],
    comment: Option<&str>,
) -> Result<CreateRequest, String> {
    let o = &intent.options;
    check(o, comment)?;
    let selected: usize = intent.batches.iter().map(Vec::len).sum();
    let mut notes = Vec::new();
    let percent = percentage(view, o, selected, &mut notes)?;
    notes.extend(left_out(o));
    let body = if o.procedure.ocean() == Some(OceanCloud::Aws) {
        Body::Aws {
            migration: AwsMigration {
                instance_ids: instance_ids(view, intent)?,
                should_terminate_drained_nodes: o.terminates(),
                should_evict_stand_alone_pods: o.ocean.evict_stand_alone_pods,
                force_pod_eviction_on_pdb_failure: !o.ocean.respect_pdb,
                batch_size_percentage: percent,
            },
        }
    } else {
        let nodes = if pools.is_empty() {
            AzureNodes::NodeNames(intent.batches.iter().flatten().map(|n| n.name.clone()).collect())
        } else {
            AzureNodes::NodePoolNames(pools.to_vec())
        };
        Body::Azure(AzureMigration {
            nodes,
            batch_size_percentage: percent,
            batch_min_healthy_percentage: o.ocean.batch_min_healthy_percent,
            comment: comment.map(str::to_owned),
            respect_pdb: o.ocean.respect_pdb,
            respect_restrict_scale_down: o.ocean.respect_restrict_scale_down,
            should_terminate_nodes: o.terminates(),
            should_evict_standalone_pods: o.ocean.evict_stand_alone_pods,
        })
    };
    Ok(CreateRequest { body, notes })
}

/// The old nodes' EC2 instances, in the order of the plan.
fn instance_ids(view: View<'_>, intent: &Intent) -> Result<Vec<String>, String> {
    let (c, s) = (view.catalog, view.state);
    let by_uid: FxHashMap<&str, &NodeSpec> = s.nodes.iter().map(|n| (s.name(c, n.spec.uid), &*n.spec)).collect();
    let (mut ids, mut without) = (Vec::new(), Vec::new());
    for node in intent.batches.iter().flatten() {
        let provider_id = by_uid.get(node.uid.as_str()).and_then(|n| n.provider_id).map(|p| s.name(c, p));
        match provider_id.filter(|p| is_ec2(p)).and_then(instance_id) {
            Some(id) => ids.push(id.to_owned()),
            None => without.push(match provider_id {
                Some(p) => format!("{} ({p})", node.name),
                None => format!("{} (no providerID)", node.name),
            }),
        }
    }
    if without.is_empty() {
        return Ok(ids);
    }
    let more = without.len().saturating_sub(NAMED);
    without.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(format!(
        "the call on EKS takes instance ids, which spec.providerID says (aws:///<zone>/i-…); these nodes have none: {}{more}; \
         dump them with kubectl get nodes -o json, or leave them out",
        without.join(", ")
    ))
}

/// `batchSizePercentage`: as the plan has it, or the one that makes batches of as many nodes.
fn percentage(view: View<'_>, o: &Options, selected: usize, notes: &mut Vec<String>) -> Result<u32, String> {
    let most = o.procedure.procedure().largest_batch_percent();
    let nodes_of = |percent: u32, percent_of: PercentOf| {
        let batch_size = Some(BatchSize::Percent(Percent(percent)));
        nodes_per_batch(view, selected, &Options { batch_size, percent_of, ..o.clone() }).min(selected)
    };
    let planned = nodes_per_batch(view, selected, o).min(selected);
    let percent = match o.size() {
        BatchSize::Percent(Percent(p)) => p,
        BatchSize::Nodes(n) => {
            let of = match o.percent_of {
                PercentOf::Selected => selected,
                PercentOf::TargetCapacity => view.state.live_nodes().count(),
            };
            // The share rounded down first: it is the same number of nodes whichever way Ocean rounds.
            let share = u32::try_from(planned * 100 / of.max(1)).unwrap_or(most);
            let fits = |p: &u32| (1..=most).contains(p) && nodes_of(*p, o.percent_of) == planned;
            let percent = Some(share).into_iter().chain(1..=most).find(fits).ok_or_else(|| {
                format!(
                    "batch_size is {n} nodes, and no batchSizePercentage from 1 to {most} makes batches of {planned} of {of} nodes; \
                     plan with a percentage (--batch-size 20%)"
                )
            })?;
            notes.push(format!("batch_size {n} nodes is said as {percent} %, which makes batches of as many nodes"));
            percent
        }
    };
    let (a, b) = (nodes_of(percent, PercentOf::Selected), nodes_of(percent, PercentOf::TargetCapacity));
    if a != b {
        notes.push(format!(
            "batchSizePercentage {percent} is {a} of the {selected} selected nodes, and {b} if it is of all nodes of the cluster: \
             Ocean's documents say both; planned were batches of {planned}"
        ));
    }
    Ok(percent)
}

/// Options that are not as by default and have no field in the call, each with what Ocean does instead.
fn left_out(o: &Options) -> Vec<String> {
    let default = Options { procedure: o.procedure, ..Options::default() };
    let on_eks = o.procedure.ocean() == Some(OceanCloud::Aws);
    let (given, usual) = (flat(o), flat(&default));
    let names: std::collections::BTreeSet<&String> = given.keys().chain(usual.keys()).collect();
    let mut notes = Vec::new();
    for name in names {
        let value = given.get(name).unwrap_or(&Value::Null);
        let is_said = matches!(
            name.as_str(),
            "procedure"
                | "batch_size"
                | "percent_of"
                | "terminate_nodes"
                | "ocean.respect_pdb"
                | "ocean.evict_stand_alone_pods"
                | "ocean.respect_restrict_scale_down"
        ) || (name == "ocean.batch_min_healthy_percent" && !on_eks);
        // Other procedures', the simulation's and our own client's.
        let concerns_others = matches!(
            name.as_str(),
            "kubectl_drain" | "surge" | "client" | "listed_batches" | "ocean.controller_reports" | "ocean.aks_messages"
        );
        if is_said || concerns_others || usual.get(name).unwrap_or(&Value::Null) == value {
            continue;
        }
        let instead = match name.as_str() {
            "batcher" => "Ocean makes its own batches",
            "canary" | "soak_ms" | "windows" | "scheduled_windows" | "gates" => {
                "Ocean begins a batch when the one before is over"
            }
            "cordon" => "Ocean cordons the nodes of a batch when it begins",
            "unscheduled_at_start" => "Ocean does not begin while pods are unschedulable",
            "execution" => "Ocean launches and terminates nodes itself",
            "ocean.draining_timeout_ms" => "it is strategy.drainingTimeout of the cluster or of the Virtual Node Group",
            _ => "the call has no field for it",
        };
        let value = match (name.as_str(), o.batcher) {
            ("batcher", BatcherKind::Listed) => format!("listed ({} batches)", o.listed_batches.len()),
            _ if value.is_object() || value.is_array() => "given".into(),
            _ => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        };
        notes.push(format!("left out: options.{name} ({value}); {instead}"));
    }
    notes
}

/// Options by name, Ocean's own among them as `ocean.…`.
fn flat(o: &Options) -> Map<String, Value> {
    let Ok(Value::Object(mut all)) = serde_json::to_value(o) else { return Map::new() };
    if let Some(Value::Object(ocean)) = all.remove("ocean") {
        all.extend(ocean.into_iter().map(|(name, value)| (format!("ocean.{name}"), value)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::options::{Canary, CordonWhen, ProcedureKind, Window};
    use crate::runner::testing::World;
    use serde_json::json;

    /// Nodes with EC2 instances, those of `without` excepted.
    fn world(nodes: usize, without: &[usize]) -> World {
        let mut w = World::new(nodes, 0, &[]);
        w.provider_ids(|n| (!without.contains(&n)).then(|| format!("aws:///eu-central-1a/i-00000000000000{n:03}")));
        w
    }

    fn options(procedure: ProcedureKind, change: impl FnOnce(&mut Options)) -> Options {
        let mut o = Options { procedure, ..Options::default() };
        change(&mut o);
        o
    }

    fn request(w: &World, o: Options, comment: Option<&str>) -> Result<(Value, Vec<String>), String> {
        let nodes: Vec<usize> = (0..w.state.nodes.len()).collect();
        let intent = w.intent(&[&nodes], o);
        let r = create_request(w.view(), &intent, &[], comment)?;
        Ok((serde_json::to_value(&r.body).expect("JSON"), r.notes))
    }

    #[test]
    fn on_eks_it_has_the_five_fields_and_instance_ids() {
        let (body, notes) = request(&world(3, &[]), options(ProcedureKind::OceanAws, |_| {}), None).expect("a body");
        assert_eq!(
            body,
            json!({"migration": {
                "instanceIds": ["i-00000000000000000", "i-00000000000000001", "i-00000000000000002"],
                "shouldTerminateDrainedNodes": true,
                "shouldEvictStandAlonePods": true,
                "forcePodEvictionOnPdbFailure": false,
                "batchSizePercentage": 20,
            }})
        );
        assert_eq!(notes, Vec::<String>::new());
        let forced = options(ProcedureKind::OceanAws, |o| {
            o.ocean.respect_pdb = false;
            o.ocean.evict_stand_alone_pods = false;
            o.terminate_nodes = Some(false);
            o.batch_size = Some(BatchSize::Percent(Percent(50)));
        });
        let (body, _) = request(&world(3, &[]), forced, None).expect("a body");
        let m = &body["migration"];
        assert_eq!(m["forcePodEvictionOnPdbFailure"], true);
        assert_eq!(m["shouldEvictStandAlonePods"], false);
        assert_eq!(m["shouldTerminateDrainedNodes"], false);
        assert_eq!(m["batchSizePercentage"], 50);
    }

    #[test]
    fn on_aks_it_is_flat_and_names_nodes_or_pools() {
        let w = World::new(2, 0, &[]);
        let o = options(ProcedureKind::OceanAzure, |o| o.ocean.respect_restrict_scale_down = true);
        let (body, notes) = request(&w, o.clone(), Some("from the old pool")).expect("a body");
        assert_eq!(
            body,
            json!({
                "nodeNames": ["old-0", "old-1"],
                "batchSizePercentage": 20,
                "batchMinHealthyPercentage": 50,
                "comment": "from the old pool",
                "respectPdb": true,
                "respectRestrictScaleDown": true,
                "shouldTerminateNodes": true,
                "shouldEvictStandalonePods": true,
            })
        );
        assert_eq!(notes, Vec::<String>::new());
        let by_pools = create_request(w.view(), &w.intent(&[&[0, 1]], o), &["old".to_owned()], None).expect("a body");
        let body = serde_json::to_value(&by_pools.body).expect("JSON");
        assert_eq!(body["nodePoolNames"], json!(["old"]));
        assert!(body.get("nodeNames").is_none() && body.get("comment").is_none());
    }

    #[test]
    fn nodes_without_an_instance_are_named() {
        let error = request(&world(3, &[1]), options(ProcedureKind::OceanAws, |_| {}), None).expect_err("refused");
        assert!(error.contains("these nodes have none: old-1 (no providerID); dump them"), "{error}");
        let mut w = world(2, &[]);
        w.provider_ids(|_| Some("gce://shop/europe-west3-a/pool-1".into()));
        let error = request(&w, options(ProcedureKind::OceanAws, |_| {}), None).expect_err("refused");
        assert!(error.contains("old-0 (gce://shop/europe-west3-a/pool-1), old-1 ("), "{error}");
    }

    #[test]
    fn a_number_of_nodes_becomes_the_percentage_that_makes_it() {
        let batch = |n| move |o: &mut Options| o.batch_size = Some(BatchSize::Nodes(n));
        let (aws, azure) = (ProcedureKind::OceanAws, ProcedureKind::OceanAzure);
        let (body, notes) = request(&world(6, &[]), options(aws, batch(2)), None).expect("a body");
        assert_eq!(body["migration"]["batchSizePercentage"], 33);
        assert_eq!(notes, ["batch_size 2 nodes is said as 33 %, which makes batches of as many nodes"]);
        let (body, _) = request(&world(6, &[]), options(azure, batch(9)), None).expect("a body");
        assert_eq!(body["batchSizePercentage"], 100, "all in one batch");
        let error = request(&world(5, &[]), options(aws, batch(4)), None).expect_err("80 % is too much on EKS");
        assert!(
            error.starts_with("batch_size is 4 nodes, and no batchSizePercentage from 1 to 50 makes batches of 4 of 5")
        );
        let error = request(&world(250, &[]), options(azure, batch(1)), None).expect_err("less than a percent");
        assert!(error.contains("makes batches of 1 of 250 nodes"), "{error}");
    }

    #[test]
    fn what_a_percentage_is_of_is_said_where_it_matters() {
        let w = world(10, &[]);
        let intent = w.intent(&[&[0, 1, 2, 3]], options(ProcedureKind::OceanAws, |_| {}));
        let notes = create_request(w.view(), &intent, &[], None).expect("a body").notes;
        assert_eq!(
            notes,
            [
                "batchSizePercentage 20 is 1 of the 4 selected nodes, and 2 if it is of all nodes of the cluster: Ocean's documents \
              say both; planned were batches of 1"
            ]
        );
    }

    #[test]
    fn what_the_call_has_no_field_for_is_named() {
        let o = options(ProcedureKind::OceanAws, |o| {
            o.batcher = BatcherKind::BudgetAware;
            o.cordon = CordonWhen::AllFirst;
            o.canary = Some(Canary { nodes: 1, soak_ms: 0 });
            o.windows = vec![Window { from_ms: 0, to_ms: 1, every_ms: None }];
            o.ocean.batch_min_healthy_percent = 80;
            o.ocean.draining_timeout_ms = 600_000;
            o.ocean.pods_timeout_ms = 60_000;
            // Set together with --force-pdb, and of no concern here.
            o.kubectl_drain.disable_eviction = true;
            o.ocean.controller_reports = Some(false);
        });
        let (_, notes) = request(&world(3, &[]), o.clone(), None).expect("a body");
        assert_eq!(
            notes,
            [
                "left out: options.batcher (budget-aware); Ocean makes its own batches",
                "left out: options.canary (given); Ocean begins a batch when the one before is over",
                "left out: options.cordon (all-first); Ocean cordons the nodes of a batch when it begins",
                "left out: options.ocean.batch_min_healthy_percent (80); the call has no field for it",
                "left out: options.ocean.draining_timeout_ms (600000); it is strategy.drainingTimeout of the cluster or of the Virtual \
                 Node Group",
                "left out: options.ocean.pods_timeout_ms (60000); the call has no field for it",
                "left out: options.windows (given); Ocean begins a batch when the one before is over",
            ]
        );
        let on_aks = Options { procedure: ProcedureKind::OceanAzure, ..o };
        let (body, notes) = request(&World::new(3, 0, &[]), on_aks, None).expect("a body");
        assert_eq!(body["batchMinHealthyPercentage"], 80);
        assert!(!notes.iter().any(|n| n.contains("batch_min_healthy")), "{notes:?}");
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        let refusal = |o: Options, comment: Option<&str>| check(&o, comment).expect_err("refused");
        for p in [ProcedureKind::KubectlDrain, ProcedureKind::Surge] {
            let error = refusal(options(p, |_| {}), None);
            assert!(error.starts_with(&format!("procedure {} is not Ocean's", p.name())), "{error}");
        }
        let error = refusal(options(ProcedureKind::OceanAws, |o| o.ocean.respect_restrict_scale_down = true), None);
        assert!(error.contains("nodes that it is to keep would be drained"), "{error}");
        let azure = || options(ProcedureKind::OceanAzure, |_| {});
        assert!(refusal(options(ProcedureKind::OceanAws, |_| {}), Some("x")).contains("no comment"));
        assert_eq!(check(&azure(), Some(&"ä".repeat(256))), Ok(()), "characters, not bytes");
        assert_eq!(refusal(azure(), Some(&"x".repeat(257))), "--comment has 257 characters; expected at most 256");
    }
}
