//! Groups against real dumps: inferred and given ones on openb, NodePools of a real Karpenter.

use crate::recording;
use nodeferry::cluster::*;
use nodeferry::groups::{Choice, GroupMatch, PackOptions, Templates, infer_groups, match_node, pack};
use nodeferry::snapshot::{self, groups};
use std::path::PathBuf;

fn view(c: &Cluster) -> View<'_> {
    View { catalog: &c.catalog, state: &c.state }
}

/// Nodes of a pool of openb and the pods on them.
fn general(c: &Cluster) -> (Vec<NodeIdx>, Vec<PodIdx>) {
    let key = c.catalog.names.get("agentpool").expect("openb has the label");
    let value = c.catalog.names.get("general");
    let old: Vec<NodeIdx> = c.state.live_nodes().filter(|n| c.state.nodes[*n].spec.labels.get(key) == value).collect();
    let pods = old.iter().flat_map(|n| c.state.nodes[*n].pods.clone()).collect();
    (old, pods)
}

#[test]
fn openb_pools_are_inferred_and_can_host_their_own_pods() {
    let Some(file) = recording("openb/cluster.json.gz") else { return };
    let mut c = snapshot::read_paths(&[file]).expect("openb is readable").cluster;
    let findings = infer_groups(&mut c);
    assert_eq!(findings[0].code, "groups-inferred");
    let names: Vec<&str> = c.catalog.groups.iter().map(|g| c.catalog.text(g.id)).collect();
    assert_eq!(names, ["general", "gpu"]);
    assert_eq!(c.catalog.groups[GroupIdx(0)].machines.len(), 12);
    assert!(
        c.state.live_nodes().all(|n| match_node(view(&c), n) == GroupMatch::Group(c.state.nodes[n].group.unwrap()))
    );
    let (old, pods) = general(&c);
    let options = PackOptions { choice: Choice::LeastWaste, exclude: old.clone(), ..PackOptions::default() };
    let packing = pack(view(&c), &Templates::new(view(&c)), &pods, &options);
    assert_eq!(packing.unhosted, []);
    assert!(
        packing.nodes() > 0 && packing.nodes() as usize <= old.len(),
        "{} nodes for {}",
        packing.nodes(),
        old.len()
    );
}

#[test]
fn the_groups_written_for_openb_host_all_that_runs_there() {
    let Some(file) = recording("openb/cluster.json.gz") else { return };
    let mut c = snapshot::read_paths(&[file]).expect("openb is readable").cluster;
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios/groups/openb.yaml");
    let findings = groups::read_groups(&[path], None, &mut c).expect("the groups are readable");
    assert_eq!(findings, []);
    assert!(
        c.state.live_nodes().all(|n| match_node(view(&c), n) == GroupMatch::Group(c.state.nodes[n].group.unwrap()))
    );
    let pods: Vec<PodIdx> = c.state.live_pods().filter(|p| c.state.pods[*p].node.is_some()).collect();
    let templates = Templates::new(view(&c));
    let mut empty = c.clone();
    // As if the cluster were built anew: no node counts towards a maximum.
    for n in c.state.live_nodes() {
        empty.state.nodes[n].group = None;
    }
    let packing =
        pack(view(&empty), &templates, &pods, &PackOptions { choice: Choice::Cheapest, ..PackOptions::default() });
    assert_eq!(packing.unhosted, []);
}

#[test]
fn node_pools_of_a_real_karpenter_launch_about_what_it_launched() {
    let (Some(dump), Some(types), Some(settled)) = (
        recording("karpenter-v1/cluster.json.gz"),
        recording("instance_types.json"),
        recording("karpenter-v1/settled.json.gz"),
    ) else {
        return;
    };
    let mut c = snapshot::read_paths(std::slice::from_ref(&dump)).expect("the dump is readable").cluster;
    groups::read_groups(&[dump], Some(&types), &mut c).expect("its NodePools are readable");
    let names: Vec<&str> = c.catalog.groups.iter().map(|g| c.catalog.text(g.id)).collect();
    assert_eq!(names, ["arm", "general", "memory"]);
    let pods: Vec<PodIdx> = c.state.live_pods().filter(|p| c.state.pods[*p].node.is_none()).collect();
    let options = PackOptions { choice: Choice::Cheapest, ..PackOptions::default() };
    let packing = pack(view(&c), &Templates::new(view(&c)), &pods, &options);
    let real = snapshot::read_paths(&[settled]).expect("the dump is readable").cluster;
    let cpus = |n: NodeIdx| real.state.nodes[n].spec.allocatable(CPU);
    let real_cpu: i64 = real.state.live_nodes().map(cpus).sum();
    let ours: i64 =
        packing.launches.iter().map(|l| c.catalog.machines[l.machine].allocatable[0] * i64::from(l.count)).sum();
    eprintln!(
        "karpenter: {} nodes with {real_cpu}m; ours: {} with {ours}m",
        real.state.live_nodes().count(),
        packing.nodes()
    );
    for l in &packing.launches {
        eprintln!(
            "  {} x {} {}",
            l.count,
            c.catalog.text(c.catalog.groups[l.group].id),
            c.catalog.text(c.catalog.machines[l.machine].name)
        );
    }
    for u in &packing.unhosted {
        eprintln!("  not hosted: {} {:?}", u.pods.len(), u.reasons);
    }
    assert!(ours * 10 >= real_cpu * 5 && ours * 10 <= real_cpu * 20, "{ours} against {real_cpu}");
}
