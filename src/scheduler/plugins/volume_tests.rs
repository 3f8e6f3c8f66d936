//! The volume plugins by rule; upstream's cases are in `volume_restrictions_test.go`, `csi_test.go`, `binder_test.go`, `volume_zone_test.go`.

use super::node_volume_limits::NodeVolumeLimits;
use super::volume_binding::{VolumeAction, VolumeBinding, assume_volumes};
use super::volume_restrictions::VolumeRestrictions;
use super::volume_zone::VolumeZone;
use crate::cluster::*;
use crate::scheduler::testbed::Bed;
use crate::scheduler::{Code, PodPlugin, PodView, PreFilter, Profile, Rejection};
use std::sync::Arc;

/// Asks a plugin about a pod on a node.
fn ask<P: PodPlugin + Default>(bed: &Bed, pod: PodIdx, node: NodeIdx) -> Result<(), String> {
    let config = Profile::default();
    let view = PodView { catalog: &bed.catalog, state: &bed.state, config: &config, pod };
    let mut plugin = P::default();
    let words = |r: Rejection| format!("{:?}: {}", r.code, r.message(&bed.catalog));
    match plugin.pre_filter(view) {
        PreFilter::Skip => Ok(()),
        PreFilter::Reject(r) => Err(format!("all nodes: {}", words(r))),
        PreFilter::Run | PreFilter::Narrow(_) => plugin.filter(view, node).map_err(words),
    }
}

/// Two nodes, in zones a and b.
fn zones(bed: &mut Bed) -> (NodeIdx, NodeIdx) {
    let key = "topology.kubernetes.io/zone";
    (bed.node("na", 1000, &[(key, "a")]), bed.node("nb", 1000, &[(key, "b")]))
}

#[test]
fn a_bound_volume_ties_the_pod_to_where_it_can_be_reached() {
    let mut bed = Bed::new();
    let class = bed.class("local", "kubernetes.io/no-provisioner", true);
    let claim = bed.claim("c", class);
    let spec = bed.spec_with(&[claim]);
    bed.start();
    let (a, b) = zones(&mut bed);
    let volume = bed.volume("v", class, 10, Some("a"));
    bed.state.bind_claim(claim, volume);
    let pod = bed.pod(spec, 0);
    assert_eq!(ask::<VolumeBinding>(&bed, pod, a), Ok(()));
    assert_eq!(
        ask::<VolumeBinding>(&bed, pod, b),
        Err("Unresolvable: node(s) didn't match PersistentVolume's node affinity".into())
    );
    assert_eq!(assume_volumes(&bed.catalog, &bed.state, pod, a), []);
}

#[test]
fn a_waiting_claim_takes_the_smallest_volume_that_fits_and_is_near() {
    let mut bed = Bed::new();
    let class = bed.class("local", "kubernetes.io/no-provisioner", true);
    let claim = bed.claim("c", class);
    let spec = bed.spec_with(&[claim]);
    bed.start();
    let (a, b) = zones(&mut bed);
    bed.volume("small", class, 5, Some("a"));
    bed.volume("big", class, 40, Some("a"));
    let volume = bed.volume("fit", class, 20, Some("a"));
    let pod = bed.pod(spec, 0);
    assert_eq!(ask::<VolumeBinding>(&bed, pod, a), Ok(()));
    assert_eq!(assume_volumes(&bed.catalog, &bed.state, pod, a), [VolumeAction::Bind { claim, volume }]);
    assert_eq!(
        ask::<VolumeBinding>(&bed, pod, b),
        Err("Unresolvable: node(s) didn't find available persistent volumes to bind".into())
    );
}

#[test]
fn two_claims_take_two_volumes_and_a_reserved_one_is_kept() {
    let mut bed = Bed::new();
    let class = bed.class("local", "kubernetes.io/no-provisioner", true);
    let (one, two) = (bed.claim("one", class), bed.claim("two", class));
    let spec = bed.spec_with(&[one, two]);
    bed.start();
    let (a, _) = zones(&mut bed);
    let first = bed.volume("v1", class, 10, None);
    let pod = bed.pod(spec, 0);
    assert!(ask::<VolumeBinding>(&bed, pod, a).is_err(), "one volume for two claims");
    // Reserved by name for the second claim: the first may not have it.
    let mut pv = (*bed.state.volumes[first]).clone();
    let name = bed.sym("two");
    pv.claim_ref = Some((NsIdx(0), name));
    pv.capacity = 11;
    let reserved = bed.state.add_volume(Arc::new(pv), None);
    assert_eq!(
        assume_volumes(&bed.catalog, &bed.state, pod, a),
        [VolumeAction::Bind { claim: one, volume: first }, VolumeAction::Bind { claim: two, volume: reserved }]
    );
}

#[test]
fn provisioning_honours_topologies_and_the_selected_node() {
    let mut bed = Bed::new();
    let class = bed.class("fast", "csi.x", true);
    let (zone, value) = (bed.catalog.known.zone, bed.sym("b"));
    let requirement =
        Requirement { key: zone, operator: Operator::In, values: smallvec::smallvec![value], bound: None };
    bed.catalog.classes[ClassIdx(0)].allowed_topologies =
        Some(NodeSelector { terms: vec![NodeSelectorTerm { expressions: vec![requirement], fields: Vec::new() }] });
    let claim = bed.claim("c", class);
    let spec = bed.spec_with(&[claim]);
    bed.start();
    let (a, b) = zones(&mut bed);
    let pod = bed.pod(spec, 0);
    assert!(ask::<VolumeBinding>(&bed, pod, a).is_err());
    assert_eq!(ask::<VolumeBinding>(&bed, pod, b), Ok(()));
    assert_eq!(assume_volumes(&bed.catalog, &bed.state, pod, b), [VolumeAction::Provision { claim, node: b }]);
    let mut selected = bed.state.claims[claim].clone();
    selected.selected_node = Some(a);
    bed.state.set_claim(claim, selected);
    assert!(ask::<VolumeBinding>(&bed, pod, b).is_err(), "provisioning is under way for another node");
}

#[test]
fn claims_that_cannot_be_used_reject_the_pod_everywhere() {
    let mut bed = Bed::new();
    let (fast, now) = (bed.class("fast", "csi.x", true), bed.class("now", "csi.x", false));
    let (waits, immediate, dying) = (bed.claim("waits", fast), bed.claim("immediate", now), bed.claim("dying", fast));
    bed.catalog.claims[dying].deleting = true;
    let specs = [waits, immediate, dying].map(|c| bed.spec_with(&[c]));
    bed.start();
    let (a, _) = zones(&mut bed);
    let pods = specs.map(|s| bed.pod(s, 0));
    assert_eq!(ask::<VolumeBinding>(&bed, pods[0], a), Ok(()));
    assert_eq!(
        ask::<VolumeBinding>(&bed, pods[1], a),
        Err("all nodes: Unresolvable: pod has unbound immediate PersistentVolumeClaims".into())
    );
    assert_eq!(
        ask::<VolumeBinding>(&bed, pods[2], a),
        Err("all nodes: Unresolvable: persistentvolumeclaim \"dying\" is being deleted".into())
    );
    bed.state.set_claim(waits, PvcState { gone: true, ..PvcState::default() });
    let missing = Err("all nodes: Unresolvable: persistentvolumeclaim \"waits\" not found".to_string());
    assert_eq!(ask::<VolumeBinding>(&bed, pods[0], a), missing);
    assert_eq!(ask::<VolumeRestrictions>(&bed, pods[0], a), missing);
    assert_eq!(ask::<VolumeZone>(&bed, pods[0], a), missing);
}

#[test]
fn a_zone_label_of_a_volume_lists_zones_and_nodes_without_any_are_fine() {
    let mut bed = Bed::new();
    let class = bed.class("old", "csi.x", true);
    let claim = bed.claim("c", class);
    let spec = bed.spec_with(&[claim]);
    bed.start();
    let (a, b) = zones(&mut bed);
    let c = bed.node("nc", 1000, &[("topology.kubernetes.io/zone", "c")]);
    let bare = bed.node("bare", 1000, &[]);
    let index = bed.volume("v", class, 10, None);
    let mut pv = (*bed.state.volumes[index]).clone();
    let value = bed.sym("a__b");
    pv.labels = Labels::new([(bed.catalog.known.zone_beta, value)]);
    let volume = bed.state.add_volume(Arc::new(pv), None);
    bed.state.bind_claim(claim, volume);
    let pod = bed.pod(spec, 0);
    for (node, fits) in [(a, true), (b, true), (c, false), (bare, true)] {
        let expected =
            if fits { Ok(()) } else { Err("Unresolvable: node(s) had no available volume zone".to_string()) };
        assert_eq!(ask::<VolumeZone>(&bed, pod, node), expected);
    }
}

#[test]
fn read_write_once_pod_has_one_user_in_the_cluster_until_it_is_really_gone() {
    let mut bed = Bed::new();
    let class = bed.class("fast", "csi.x", true);
    let claim = bed.claim("c", class);
    bed.catalog.claims[claim].modes = AccessModes { rwop: true, ..AccessModes::default() };
    let spec = bed.spec_with(&[claim]);
    bed.start();
    let (a, b) = zones(&mut bed);
    let user = bed.running(spec, a, 0);
    let pod = bed.pod(spec, 0);
    bed.state.set_deleting(user, 0, 30_000);
    let refused = ask::<VolumeRestrictions>(&bed, pod, b).unwrap_err();
    assert!(
        refused.starts_with("Unschedulable: node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod")
    );
    bed.state.set_phase(&bed.catalog, user, Phase::Failed);
    assert_eq!(ask::<VolumeRestrictions>(&bed, pod, b), Ok(()));
}

#[test]
fn legacy_disks_have_one_writer_on_a_node() {
    let mut bed = Bed::new();
    let (gce, ebs, id) = (bed.sym("gce-pd"), bed.sym("aws-ebs"), bed.sym("disk"));
    let mut disk = |kind: Sym, read_only: bool| {
        let mut shape = bed.shape(0, 0);
        shape.volumes = vec![Volume::Disk { kind, id, read_only }];
        bed.spec(shape, &[])
    };
    let specs = [disk(gce, true), disk(gce, false), disk(ebs, true)];
    bed.start();
    let (a, b) = zones(&mut bed);
    bed.running(specs[0], a, 0);
    bed.running(specs[2], b, 0);
    let [reader, writer, ebs_reader] = specs.map(|s| bed.pod(s, 0));
    let conflict: Result<(), String> = Err("Unschedulable: node(s) had no available disk".into());
    assert_eq!(ask::<VolumeRestrictions>(&bed, reader, a), Ok(()));
    assert_eq!(ask::<VolumeRestrictions>(&bed, writer, a), conflict);
    assert_eq!(ask::<VolumeRestrictions>(&bed, writer, b), Ok(()));
    assert_eq!(ask::<VolumeRestrictions>(&bed, ebs_reader, b), conflict);
}

#[test]
fn attach_limits_count_each_volume_once_and_attachments_nobody_uses() {
    let mut bed = Bed::new();
    let class = bed.class("fast", "csi.x", true);
    let claims = ["one", "two", "three"].map(|n| bed.claim(n, class));
    let specs = claims.map(|c| bed.spec_with(&[c]));
    bed.start();
    let driver = bed.sym("csi.x");
    let mut node = bed.node_spec("n", 1000, &[]);
    node.attach_limits = Some(vec![AttachLimit { driver, count: Some(2) }]);
    let node = bed.state.add_node(Arc::new(node), None, true, 0);
    for (i, claim) in claims.into_iter().enumerate().take(2) {
        let volume = bed.volume(&format!("v{i}"), class, 10, None);
        bed.state.bind_claim(claim, volume);
    }
    bed.running(specs[0], node, 0);
    let (same, other, unbound) = (bed.pod(specs[0], 0), bed.pod(specs[1], 0), bed.pod(specs[2], 0));
    let full: Result<(), String> = Err(format!("{:?}: node(s) exceed max volume count", Code::Unschedulable));
    assert_eq!(ask::<NodeVolumeLimits>(&bed, other, node), Ok(()));
    bed.running(specs[1], node, 0);
    assert_eq!(ask::<NodeVolumeLimits>(&bed, same, node), Ok(()), "shares a volume that is there");
    assert_eq!(ask::<NodeVolumeLimits>(&bed, unbound, node), full, "a claim counts before it is bound");
    // The second pod goes, but its volume is still attached.
    let second = bed.state.nodes[node].pods[1];
    let volume = bed.state.claims[claims[1]].volume.expect("bound");
    bed.state.attach(Attachment { volume, node });
    bed.state.remove_pod(&bed.catalog, second);
    assert_eq!(ask::<NodeVolumeLimits>(&bed, unbound, node), full);
    bed.state.detach_volume(Attachment { volume, node });
    assert_eq!(ask::<NodeVolumeLimits>(&bed, unbound, node), Ok(()));
}

/// `ErrReasonReadWriteOncePodConflict`: worded anew in 1.34.
#[test]
fn a_claim_in_use_is_worded_anew_since_1_34() {
    let said = KubernetesVersion::ALL.map(|version| {
        let mut bed = Bed::new();
        bed.catalog.kubernetes = version;
        let class = bed.class("fast", "csi", true);
        let claim = bed.claim("c", class);
        bed.catalog.claims[claim].modes = AccessModes { rwop: true, ..AccessModes::default() };
        let spec = bed.spec_with(&[claim]);
        bed.start();
        let (a, b) = zones(&mut bed);
        bed.running(spec, a, 0);
        let pod = bed.pod(spec, 0);
        ask::<VolumeRestrictions>(&bed, pod, b).err().unwrap_or_default()
    });
    assert!(
        said[0]
            .ends_with("node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode")
    );
    assert!(said[1].contains("already in-use by another pod") && said[1] == said[2] && said[2] == said[3]);
}

/// `FindMatchingVolume`: a volume of another VolumeAttributesClass is none for the claim (GA in 1.34; until then one that has a class is
/// bound to no claim).
#[test]
fn a_volume_of_another_attributes_class_does_not_match() {
    let said = KubernetesVersion::ALL.map(|version| {
        [("", ""), ("", "gold"), ("gold", ""), ("gold", "gold"), ("gold", "silver")].map(|(of_claim, of_volume)| {
            let mut bed = Bed::new();
            bed.catalog.kubernetes = version;
            let class = bed.class("local", "kubernetes.io/no-provisioner", true);
            let claim = bed.claim("c", class);
            let (of_claim, of_volume) = (bed.sym(of_claim), bed.sym(of_volume));
            bed.catalog.claims[claim].attributes_class = of_claim;
            let spec = bed.spec_with(&[claim]);
            bed.start();
            let (a, _) = zones(&mut bed);
            let volume = bed.volume("v", class, 10, None);
            Arc::make_mut(&mut bed.state.volumes[volume]).attributes_class = of_volume;
            let pod = bed.pod(spec, 0);
            ask::<VolumeBinding>(&bed, pod, a).is_ok()
        })
    });
    assert_eq!(said[0][..2], [true, false], "1.33");
    for version in &said[1..] {
        assert_eq!(*version, [true, false, false, true, false]);
    }
}
