//! Each prerequisite, met and not met and not to be seen.

use super::*;
use crate::disruption::BudgetIndex;
use crate::groups::infer_groups;
use crate::intent::Options;
use crate::intent::options::ProcedureKind;
use crate::runner::GroupPacker;
use crate::snapshot::diagnostics::diagnostic;
use crate::snapshot::groups::{MachineCatalogue, groups_from_values};
use crate::snapshot::{Decoder, diagnostics::Class};
use serde_json::{Value, json};

const AZURE: &str = "azure:///subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/aks-old-1-vmss/virtualMachines/";

/// A dump, its groups and the options that it is judged with.
struct Bed {
    objects: Vec<Value>,
    groups: Option<Value>,
    options: Options,
    taken: Option<i64>,
}

/// Two old nodes of AKS with a Deployment of two pods, and one group that fits.
fn aks() -> Bed {
    let mut bed = Bed {
        objects: vec![],
        groups: Some(json!([{"id": "vng-1", "name": "default-vng", "labels": {}, "taints": [],
            "vmSizes": {"preferredVmSizes": ["Standard_D4s_v5"]}, "nodeCountLimits": {"maxCount": 20}}])),
        options: Options { procedure: ProcedureKind::OceanAzure, ..Options::default() },
        taken: None,
    };
    for i in 0..2 {
        bed.objects.push(json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": format!("n{i}"), "uid": format!("n{i}"), "labels": {
                "kubernetes.azure.com/agentpool": "old", "node.kubernetes.io/instance-type": "Standard_D4s_v5"}},
            "spec": {"providerID": format!("{AZURE}{i}")},
            "status": {"allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"}, "nodeInfo": {"kubeletVersion": "v1.34.2"},
                "conditions": [{"type": "Ready", "status": "True"}]}}));
    }
    bed.deployment("shop", "web", "web:1", 2);
    bed.pod("shop", "web", "web-0", "web:1", true, json!({}));
    bed.pod("shop", "web", "web-1", "web:1", true, json!({}));
    bed.objects.push(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "none", "namespace": "shop"}, "spec": {"selector": {"matchLabels": {"app": "none"}}, "maxUnavailable": 1}}));
    bed
}

impl Bed {
    fn deployment(&mut self, namespace: &str, name: &str, image: &str, replicas: i64) {
        let labels = json!({"app": name});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}});
        self.objects.push(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace, "uid": format!("d-{name}")},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}}));
    }

    fn pod(&mut self, namespace: &str, owner: &str, name: &str, image: &str, ready: bool, more: Value) {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "uid": name, "labels": {"app": owner},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": owner, "uid": format!("d-{owner}"), "controller": true}]},
            "spec": {"nodeName": "n0", "containers": [{"name": "c", "image": image}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}});
        json_patch::merge(&mut pod, &more);
        self.objects.push(pod);
    }

    fn config_map(&mut self, name: &str, data: Value) {
        self.objects.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "kube-system"}, "data": data}));
    }

    fn without(mut self, kind: &str) -> Bed {
        self.objects.retain(|o| o["kind"] != kind);
        self
    }

    fn on_aws(mut self) -> Bed {
        self.options.procedure = ProcedureKind::OceanAws;
        for (i, node) in self.objects.iter_mut().filter(|o| o["kind"] == "Node").enumerate() {
            node["spec"]["providerID"] = json!(format!("aws:///eu-west-1a/i-{i}"));
            node["metadata"]["labels"] = json!({"eks.amazonaws.com/nodegroup": "old"});
        }
        self.groups = Some(
            json!([{"id": "ols-1", "name": "vng", "oceanId": "o-1", "labels": [], "instanceTypes": ["m5.xlarge"]}]),
        );
        self
    }

    /// The verdict, the fact and the codes of one rule; every finding that a rule gives is in the registry.
    fn rule(&self, name: &str) -> (Verdict, String, Vec<String>) {
        let mut decoder = Decoder::new();
        decoder.add_values("dump", &self.objects).expect("objects");
        if let Some(taken) = self.taken {
            decoder.taken_at(taken);
        }
        let mut cluster = decoder.finish(String::new()).expect("a dump").cluster;
        match &self.groups {
            Some(groups) => {
                groups_from_values(&[("groups".into(), groups.clone())], MachineCatalogue::default(), &mut cluster)
                    .expect("groups");
            }
            None => {
                infer_groups(&mut cluster);
            }
        }
        let view = View { catalog: &cluster.catalog, state: &cluster.state };
        let old: Vec<_> =
            view.state.live_nodes().filter(|n| view.state.node_name(view.catalog, *n).starts_with('n')).collect();
        let packer = GroupPacker::new(view, &self.options);
        let budgets = BudgetIndex::new(view.catalog);
        let facts = Facts {
            view,
            old: &old,
            options: &self.options,
            templates: packer.templates(),
            budgets: &budgets,
            given_run: &|_| None,
        };
        let (judged, findings) = judge(&facts);
        for f in &findings {
            let known = diagnostic(&f.code).unwrap_or_else(|| panic!("{} is not in the registry", f.code));
            assert_eq!((known.class, known.severity), (Class::Prerequisite, f.severity), "{}", f.code);
        }
        for p in &judged {
            assert!(!p.requirement.is_empty() && !p.source.is_empty() && !p.fact.is_empty(), "{p:?}");
            assert_eq!(p.remedy.is_empty(), p.verdict == Verdict::Pass, "{p:?}");
            assert!(p.verdict == Verdict::Pass || !p.findings.is_empty(), "a verdict without a finding: {p:?}");
        }
        let p = judged.iter().find(|p| p.rule == name).unwrap_or_else(|| panic!("no rule {name}"));
        (p.verdict, p.fact.clone(), p.findings.clone())
    }

    fn verdict(&self, name: &str) -> Verdict {
        self.rule(name).0
    }
}

const V1: &str = "spotinst/kubernetes-cluster-controller:1.0.101";
const V2: &str = "us-docker.pkg.dev/spotit-today/container-labs/spotinst-kubernetes-controller:v2.0.69";

#[test]
fn other_procedures_have_no_prerequisites() {
    let mut bed = aks();
    bed.options.procedure = ProcedureKind::KubectlDrain;
    let mut decoder = Decoder::new();
    decoder.add_values("dump", &bed.objects).expect("objects");
    let cluster = decoder.finish(String::new()).expect("a dump").cluster;
    let view = View { catalog: &cluster.catalog, state: &cluster.state };
    let packer = GroupPacker::new(view, &bed.options);
    let budgets = BudgetIndex::new(view.catalog);
    let facts = Facts {
        view,
        old: &[],
        options: &bed.options,
        templates: packer.templates(),
        budgets: &budgets,
        given_run: &|_| None,
    };
    assert_eq!(judge(&facts), (Vec::new(), Vec::new()));
}

#[test]
fn the_controller_is_absent_not_ready_old_or_cannot_be_seen() {
    let with = |name: &str, image: &str, replicas: i64, ready: Option<bool>| {
        let mut bed = aks();
        bed.deployment("spot-system", name, image, replicas);
        if let Some(ready) = ready {
            bed.pod("spot-system", name, "controller-0", image, ready, json!({}));
        }
        bed
    };
    let rule = "ocean-controller";
    let (verdict, fact, codes) = aks().rule(rule);
    assert_eq!((verdict, codes), (Verdict::Fail, vec!["ocean-controller-absent".to_owned()]));
    assert!(fact.contains("the dump has 1 Deployment, and none"), "{fact}");
    assert_eq!(aks().without("Deployment").verdict(rule), Verdict::Unknown);

    // By name with any image, by image with any name, by a Helm release's name, by a mirrored image.
    for (name, image) in [
        ("spotinst-kubernetes-cluster-controller", "mirror/x:1"),
        ("mine", V1),
        ("mine", V2),
        ("ocean-controller-ocean-kubernetes-controller", "x"),
        ("ocean-controller", "x"),
        ("mine", "registry.corp:5000/mirror/kubernetes-cluster-controller:1.0.5@sha256:ab"),
    ] {
        assert_eq!(with(name, image, 1, Some(true)).verdict(rule), Verdict::Pass, "{name} {image}");
    }
    // Its neighbours of one release are not it.
    for name in ["ocean-controller-metrics-server", "ocean-network-client", "my-ocean-controllers"] {
        assert_eq!(with(name, "x", 1, Some(true)).verdict(rule), Verdict::Fail, "{name}");
    }
    let (verdict, fact, codes) = with("ocean-controller", V2, 2, Some(false)).rule(rule);
    assert_eq!((verdict, codes), (Verdict::Fail, vec!["ocean-controller-not-ready".to_owned()]));
    assert!(
        fact.contains(
            "Deployment spot-system/ocean-controller is not ready: pod spot-system/controller-0 is not ready"
        ),
        "{fact}"
    );
    let (verdict, fact, _) = with("ocean-controller", V2, 0, None).rule(rule);
    assert!(verdict == Verdict::Fail && fact.contains("scaled to 0"), "{fact}");
    let (verdict, fact, _) = with("ocean-controller", V2, 1, None).rule(rule);
    assert!(verdict == Verdict::Fail && fact.contains("it has no pod"), "{fact}");
    assert_eq!(with("ocean-controller", V2, 1, None).without("Pod").verdict(rule), Verdict::Unknown);

    // AWS needs the second generation; AKS any, unless it is said.
    let (verdict, fact, codes) = with("ocean", V1, 1, Some(true)).on_aws().rule(rule);
    assert_eq!((verdict, codes), (Verdict::Fail, vec!["ocean-controller-old".to_owned()]), "{fact}");
    assert!(fact.contains("version 1.0.101; the migration needs 2 or newer"), "{fact}");
    assert_eq!(with("ocean", V2, 1, Some(true)).on_aws().verdict(rule), Verdict::Pass);
    let untold = with("ocean-controller", "mirror/ocean-controller@sha256:ab", 1, Some(true));
    assert_eq!(untold.verdict(rule), Verdict::Pass);
    assert_eq!(untold.on_aws().verdict(rule), Verdict::Unknown, "the image does not tell the version");
    let mut bed = with("ocean", V2, 1, Some(true));
    bed.options.ocean.oldest_controller = Some("2.0.70".into());
    assert_eq!(bed.verdict(rule), Verdict::Fail);
    bed.options.ocean.oldest_controller = Some("2.0.9".into());
    assert_eq!(bed.verdict(rule), Verdict::Pass);

    // While it is replaced by the second generation, the one that is ready counts.
    let mut both = with("spotinst-kubernetes-cluster-controller", V1, 0, None).on_aws();
    both.deployment("spot-system", "ocean-kubernetes-controller", V2, 1);
    both.pod("spot-system", "ocean-kubernetes-controller", "two-0", V2, true, json!({}));
    assert_eq!(both.verdict(rule), Verdict::Pass);
}

#[test]
fn why_the_controller_is_not_ready_is_named_with_its_pod() {
    let mut bed = aks();
    bed.deployment("spot-system", "ocean-controller", V2, 1);
    let waiting = json!({"status": {"containerStatuses": [{"restartCount": 88, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}});
    bed.pod("spot-system", "ocean-controller", "oc-0", V2, false, waiting);
    let (_, fact, _) = bed.rule("ocean-controller");
    assert!(fact.ends_with("pod spot-system/oc-0 waits: CrashLoopBackOff, 88 restarts"), "{fact}");
    // Without the Deployments its pod alone tells.
    let (verdict, fact, _) = bed.without("Deployment").rule("ocean-controller");
    assert!(verdict == Verdict::Fail && fact.contains("CrashLoopBackOff"), "{fact}");
}

#[test]
fn a_cluster_autoscaler_is_found_by_name_image_taint_or_its_status() {
    let rule = "cluster-autoscaler";
    // That of AKS runs outside of the cluster.
    assert_eq!(aks().verdict(rule), Verdict::Unknown);
    assert_eq!(aks().on_aws().verdict(rule), Verdict::Pass);
    assert_eq!(aks().on_aws().without("Deployment").verdict(rule), Verdict::Unknown);
    for (name, image, replicas, verdict) in [
        ("cluster-autoscaler", "x", 1, Verdict::Fail),
        ("prod-aws-cluster-autoscaler", "x", 1, Verdict::Fail),
        ("scaler", "registry.k8s.io/autoscaling/cluster-autoscaler:v1.33.0", 2, Verdict::Fail),
        ("scaler", "k8s.gcr.io/cluster-autoscaler-amd64:v1.2", 1, Verdict::Fail),
        ("cluster-autoscaler", "x", 0, Verdict::Pass),
        ("coredns-autoscaler", "registry.k8s.io/cpa/cluster-proportional-autoscaler:v1", 1, Verdict::Pass),
    ] {
        let mut bed = aks().on_aws();
        bed.deployment("kube-system", name, image, replicas);
        let (found, fact, codes) = bed.rule(rule);
        assert_eq!(found, verdict, "{name} {image} {replicas}: {fact}");
        assert_eq!(codes.first().map(String::as_str), (found == Verdict::Fail).then_some("cluster-autoscaler-active"));
    }
    let mut tainted = aks();
    tainted.objects[0]["spec"]["taints"] =
        json!([{"key": "DeletionCandidateOfClusterAutoscaler", "effect": "PreferNoSchedule"}]);
    assert_eq!(tainted.verdict(rule), Verdict::Fail);
    let mut other = aks();
    other.config_map("other", json!({}));
    assert_eq!(other.verdict(rule), Verdict::Pass, "the dump has ConfigMaps, and none of a cluster autoscaler");
    let status = |taken: &str| {
        let mut bed = aks();
        bed.config_map(
            "cluster-autoscaler-status",
            json!({"status": "time: 2026-11-21 10:00:00 +0000 UTC\nautoscalerStatus: Running\nnodeGroups: []\n"}),
        );
        bed.taken = crate::snapshot::time::parse_rfc3339(taken);
        bed.verdict(rule)
    };
    assert_eq!(status("2026-11-21T10:00:30Z"), Verdict::Fail);
    assert_eq!(status("2026-11-21T12:00:00Z"), Verdict::Unknown, "a remnant, or not");
}

#[test]
fn pools_that_are_scaled_automatically_are_named_with_their_bounds() {
    let rule = "autoscaled-pools";
    assert_eq!(aks().verdict(rule), Verdict::Unknown);
    let status = |group: &str, min: i64, max: i64| {
        let mut bed = aks();
        let text = format!(
            "time: 2026-11-21 10:00:00 +0000 UTC\nautoscalerStatus: Running\nnodeGroups:\n- name: {group}\n  health: {{minSize: {min}, maxSize: {max}}}\n"
        );
        bed.config_map("cluster-autoscaler-status", json!({"status": text}));
        bed.taken = crate::snapshot::time::parse_rfc3339("2026-11-21T10:00:05Z");
        bed.rule(rule)
    };
    let (verdict, fact, codes) = status("aks-old-1-vmss", 1, 5);
    assert_eq!((verdict, codes), (Verdict::Fail, vec!["autoscaled-pools".to_owned()]));
    assert!(fact.contains("1 pool: old (aks-old-1-vmss, 1 to 5 nodes)"), "{fact}");
    assert_eq!(status("aks-other-1-vmss", 1, 5).0, Verdict::Pass);
    assert_eq!(status("aks-old-1-vmss", 3, 3).0, Verdict::Pass, "it cannot scale");
}

#[test]
fn karpenter_is_found_by_its_deployment_or_its_pools() {
    let rule = "karpenter";
    assert_eq!(aks().verdict(rule), Verdict::Pass);
    assert_eq!(aks().without("Deployment").verdict(rule), Verdict::Unknown);
    let mut bed = aks();
    bed.deployment("kube-system", "karpenter", "public.ecr.aws/karpenter/controller:1.8.0", 2);
    assert_eq!(bed.verdict(rule), Verdict::Fail);
    bed.objects.last_mut().unwrap()["spec"]["replicas"] = json!(0);
    assert_eq!(bed.verdict(rule), Verdict::Pass);
    let mut bed = aks();
    bed.objects.push(json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"}}));
    let (verdict, fact, codes) = bed.rule(rule);
    assert!(verdict == Verdict::Fail && fact.contains("1 NodePool"), "{fact}");
    assert_eq!(codes, ["karpenter-active"]);
}

#[test]
fn what_counts_as_a_recent_version_is_an_option() {
    let rule = "kubernetes-version";
    let of = |version: &str, oldest: Option<&str>| {
        let mut bed = aks();
        for node in bed.objects.iter_mut().filter(|o| o["kind"] == "Node") {
            node["status"]["nodeInfo"]["kubeletVersion"] = json!(version);
        }
        if let Some(oldest) = oldest {
            bed.options.ocean.oldest_kubernetes = oldest.into();
        }
        bed.rule(rule)
    };
    assert_eq!(of("v1.33.4", None).0, Verdict::Pass);
    let (verdict, fact, codes) = of("v1.19.3", None);
    assert_eq!((verdict, codes), (Verdict::Fail, vec!["kubernetes-version-old".to_owned()]));
    assert!(fact.contains("v1.19.3") && fact.contains("(C)"), "{fact}");
    assert_eq!(of("v1.19.3", Some("1.19")).0, Verdict::Pass);
    assert_eq!(of("", None).0, Verdict::Unknown);
    // A group can be behind the cluster.
    let mut bed = aks();
    bed.groups.as_mut().unwrap()[0]["nodePoolProperties"] = json!({"maxPodsPerNode": 110, "kubernetesVersion": "1.29"});
    let (verdict, fact, codes) = bed.rule(rule);
    assert!(verdict == Verdict::Fail && fact.contains("vng-1 (1.29)"), "{fact}");
    assert_eq!(codes, ["kubernetes-version-old"]);
    // One node that was upgraded shows that the control plane was.
    let mut bed = aks();
    bed.objects[0]["status"]["nodeInfo"]["kubeletVersion"] = json!("v1.19.3");
    assert_eq!(bed.verdict(rule), Verdict::Pass);
    let mut bed = Options::default();
    bed.ocean.oldest_kubernetes = "new".into();
    assert!(bed.problems()[0].contains("oldest_kubernetes"), "{:?}", bed.problems());
}

#[test]
fn the_cloud_and_the_connection_are_told_by_nodes_and_a_config_map() {
    assert_eq!(aks().verdict("infrastructure"), Verdict::Pass);
    assert_eq!(aks().on_aws().verdict("infrastructure"), Verdict::Pass);
    let mut mixed = aks().on_aws();
    mixed.options.procedure = ProcedureKind::OceanAzure;
    let (verdict, fact, _) = mixed.rule("infrastructure");
    assert!(verdict == Verdict::Fail && fact == "2 of 2 nodes are instances of AWS", "{fact}");
    let mut bare = aks();
    bare.objects[0]["spec"] = json!({});
    bare.objects[0]["metadata"]["labels"] = json!({});
    assert_eq!(bare.verdict("infrastructure"), Verdict::Unknown);

    assert_eq!(aks().verdict("ocean-cluster"), Verdict::Unknown);
    let mut named = aks();
    named.config_map("spotinst-kubernetes-cluster-controller-config", json!({"spotinst.cluster-identifier": "prod"}));
    let (verdict, fact, _) = named.rule("ocean-cluster");
    assert!(verdict == Verdict::Pass && fact.contains("prod"), "{fact}");
    let mut launched = aks();
    let mut node = launched.objects[0].clone();
    node["metadata"] = json!({"name": "ocean-1", "uid": "o", "labels": {"spotinst.io/node-lifecycle": "od"}});
    launched.objects.push(node);
    assert_eq!(launched.verdict("ocean-cluster"), Verdict::Pass);
}

#[test]
fn groups_must_match_the_nodes_and_host_their_pods() {
    let rule = "dedicated-groups";
    assert_eq!(aks().verdict(rule), Verdict::Pass);
    let mut bed = aks();
    bed.groups = None;
    assert_eq!(bed.rule(rule).2, ["virtual-node-groups-unknown"]);
    let mut bed = aks();
    bed.objects[1]["metadata"]["labels"]["team"] = json!("api");
    let (verdict, fact, codes) = bed.rule(rule);
    assert!(verdict == Verdict::Fail && fact.contains("no Virtual Node Group matches 1 node: n1"), "{fact}");
    assert_eq!(codes, ["no-matching-group"]);
    let mut bed = aks();
    bed.pod("shop", "web", "gpu-0", "x", true, json!({"spec": {"nodeSelector": {"accel": "nv"}}}));
    let (verdict, fact, codes) = bed.rule(rule);
    assert!(verdict == Verdict::Fail && fact.contains("shop/gpu-0"), "{fact}");
    assert_eq!(codes, ["pod-no-host"]);
}

#[test]
fn spot_tolerations_matter_where_nothing_but_spot_is_launched() {
    let rule = "spot-toleration";
    let with = |strategy: Value, pod: Value| {
        let mut bed = aks();
        bed.groups.as_mut().unwrap()[0]["strategy"] = strategy;
        bed.pod("shop", "web", "web-2", "x", true, pod);
        bed.rule(rule)
    };
    let toleration = |t: Value| json!({"spec": {"tolerations": [t]}});
    let all_spot = json!({"spotPercentage": 100, "fallbackToOd": false});
    let (verdict, fact, codes) = with(all_spot.clone(), json!({}));
    assert_eq!((verdict, codes), (Verdict::Fail, vec!["spot-toleration-missing".to_owned()]));
    assert!(fact.starts_with("3 pods without toleration"), "{fact}");
    for t in [
        json!({"key": "kubernetes.azure.com/scalesetpriority", "operator": "Equal", "value": "spot", "effect": "NoSchedule"}),
        json!({"key": "kubernetes.azure.com/scalesetpriority", "operator": "Exists"}),
        json!({"operator": "Exists"}),
    ] {
        let fact = with(all_spot.clone(), toleration(t.clone())).1;
        assert!(fact.starts_with("2 pods without toleration"), "{t}: {fact}");
    }
    // On-demand nodes take the others: Ocean falls back to them, or launches some anyway.
    for strategy in
        [json!({"spotPercentage": 100, "fallbackToOd": true}), json!({"spotPercentage": 70, "fallbackToOd": false})]
    {
        let (verdict, fact, _) = with(strategy, json!({}));
        assert!(verdict == Verdict::Pass && fact.contains("not tolerated by 3 of 3 pods"), "{fact}");
    }
    assert_eq!(with(json!({"spotPercentage": 0}), json!({})).1, "the groups launch no spot nodes");
}

#[test]
fn pods_budgets_and_volumes_are_summed_up_with_the_findings_that_name_them() {
    let restricted = json!({"metadata": {"labels": {"spotinst.io/restrict-scale-down": "true"}}});
    let mut bed = aks();
    bed.pod("shop", "web", "web-2", "x", true, restricted);
    assert_eq!(bed.verdict("restrict-scale-down"), Verdict::Pass, "it is not respected by default");
    bed.options.ocean.respect_restrict_scale_down = true;
    let (verdict, fact, codes) = bed.rule("restrict-scale-down");
    assert!(
        verdict == Verdict::Fail && fact == "it is on 1 pod, which keep 1 node from being replaced: shop/web-2",
        "{fact}"
    );
    assert_eq!(codes, ["restrict-scale-down"]);

    let budget = |max: i64, healthy: i64| {
        let mut bed = aks();
        bed.objects.push(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "shop", "generation": 2},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "maxUnavailable": max},
            "status": {"observedGeneration": 2, "disruptionsAllowed": (healthy - 1).max(0).min(max), "currentHealthy": healthy, "desiredHealthy": 2 - max, "expectedPods": 2}}));
        bed
    };
    assert_eq!(budget(1, 2).verdict("disruption-budgets"), Verdict::Pass);
    assert_eq!(budget(0, 2).rule("disruption-budgets").2, ["budget-never-met"]);
    assert_eq!(budget(1, 1).rule("disruption-budgets").0, Verdict::Unknown);
    let mut stale = budget(1, 2);
    stale.objects.last_mut().unwrap()["metadata"]["generation"] = json!(3);
    assert_eq!(stale.rule("disruption-budgets").2, ["budget-stale"]);
    let mut forced = budget(0, 2);
    forced.options.ocean.respect_pdb = false;
    assert_eq!(forced.verdict("disruption-budgets"), Verdict::Pass);
    assert_eq!(aks().without("PodDisruptionBudget").rule("disruption-budgets").2, ["no-budgets-in-dump"]);

    let claim = json!({"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}});
    let mut bed = aks();
    bed.pod("shop", "web", "db-0", "x", true, claim);
    assert_eq!(bed.rule("volume-zones").2, ["no-claims-in-dump"]);
    bed.objects.push(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop", "uid": "c"},
        "spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}}));
    assert_eq!(bed.rule("volume-zones").2, ["no-volumes-in-dump"]);
    bed.objects.push(json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-1"}, "spec": {
        "claimRef": {"namespace": "shop", "name": "data", "uid": "c"}, "csi": {"driver": "disk.csi.azure.com", "volumeHandle": "x"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "topology.disk.csi.azure.com/zone", "operator": "In", "values": ["eastus-9"]}]}]}}}}));
    let (verdict, fact, codes) = bed.rule("volume-zones");
    assert!(verdict == Verdict::Fail && fact.contains("shop/db-0"), "{fact}");
    assert_eq!(codes, ["volume-zone"]);
    assert_eq!(aks().verdict("volume-zones"), Verdict::Pass);

    let mut bed = aks();
    bed.pod(
        "shop",
        "web",
        "web-9",
        "x",
        false,
        json!({"spec": {"nodeName": null}, "status": {"phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}}),
    );
    assert_eq!(
        bed.rule("unscheduled-pods"),
        (Verdict::Fail, "unschedulable: 1 pod (shop/web-9)".into(), vec!["pending-at-start".into()])
    );
}
