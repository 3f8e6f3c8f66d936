//! The reader against the recorded dumps.

use crate::recording;
use nodeferry::cluster::*;
use nodeferry::snapshot::{Snapshot, read_paths};

/// A recorded dump, if it is there.
fn dump(name: &str) -> Option<Snapshot> {
    let root = recording(name)?;
    let path = [root.join("cluster.json"), root.join("cluster.json.gz")].into_iter().find(|p| p.exists());
    let path = path.unwrap_or_else(|| panic!("{}: there is no dump", root.display()));
    Some(read_paths(&[path]).unwrap_or_else(|e| panic!("{name}: {e}")))
}

/// Figures of a dump that are easily counted otherwise.
struct Figures {
    name: &'static str,
    nodes: usize,
    pods: usize,
    bound: usize,
    budgets: usize,
    owners: usize,
}

#[test]
fn every_recorded_dump_is_read() {
    for f in [
        Figures { name: "parity-v1", nodes: 60, pods: 0, bound: 0, budgets: 0, owners: 0 },
        Figures { name: "parity-v2", nodes: 24, pods: 0, bound: 0, budgets: 3, owners: 0 },
        Figures { name: "parity-v3", nodes: 400, pods: 0, bound: 0, budgets: 0, owners: 0 },
        Figures { name: "parity-v4", nodes: 60, pods: 0, bound: 0, budgets: 0, owners: 0 },
        Figures { name: "drain-v1", nodes: 22, pods: 176, bound: 176, budgets: 21, owners: 73 },
        Figures { name: "drain-v2", nodes: 17, pods: 144, bound: 144, budgets: 15, owners: 57 },
        Figures { name: "openb", nodes: 1523, pods: 8133, bound: 8133 - 184, budgets: 406, owners: 844 * 2 + 138 },
    ] {
        let Some(s) = dump(f.name) else { continue };
        let (catalog, state) = (&s.cluster.catalog, &s.cluster.state);
        assert_eq!(state.nodes.len(), f.nodes, "{}", f.name);
        assert_eq!(state.pods.len(), f.pods, "{}", f.name);
        assert_eq!(state.pods.iter().filter(|p| p.node.is_some()).count(), f.bound, "{}", f.name);
        assert_eq!(catalog.budgets.len(), f.budgets, "{}", f.name);
        assert_eq!(catalog.owners.len(), f.owners, "{}", f.name);
        assert!(s.unknown.is_empty(), "{}: {:?}", f.name, s.unknown);
        assert_eq!(s.sha256.len(), 64);
        // Nothing lies after the snapshot's moment.
        assert!(state.pods.iter().all(|p| p.created <= 0 && p.started <= 0 && p.ready_since <= 0), "{}", f.name);
    }
}

#[test]
fn owners_of_every_kind_are_told_apart() {
    let Some(s) = dump("evictions-v1") else { return };
    let (catalog, state) = (&s.cluster.catalog, &s.cluster.state);
    assert_eq!((state.pods.len(), catalog.budgets.len()), (890, 113));
    let count = |kind| catalog.owners.iter().filter(|o| o.kind == kind && !o.missing).count();
    assert_eq!(count(OwnerKind::Deployment), 78);
    assert_eq!(count(OwnerKind::ReplicaSet), 103);
    assert_eq!(count(OwnerKind::StatefulSet), 19);
    assert_eq!(count(OwnerKind::DaemonSet), 9);
    assert_eq!(count(OwnerKind::Job), 22);
    assert_eq!(count(OwnerKind::ReplicationController), 8);
    // One custom resource has `/scale`; to ask the other for it is refused.
    let scales = || catalog.owners.iter().filter(|o| o.kind == OwnerKind::Custom).map(|o| o.scale);
    assert!(scales().any(|s| s == ScaleSource::Replicas));
    assert!(scales().any(|s| matches!(s, ScaleSource::Refused(text) if catalog.text(text).contains("scale"))));
    assert!(scales().all(|s| s == ScaleSource::Replicas || matches!(s, ScaleSource::Refused(_))));
    assert!(
        catalog.owners.iter().filter(|o| o.scale == ScaleSource::Replicas && !o.missing).all(|o| o.replicas.is_some())
    );
    for phase in [Phase::Pending, Phase::Running, Phase::Succeeded, Phase::Failed] {
        assert!(state.pods.iter().any(|p| p.phase == phase), "{phase:?}");
    }
    assert!(state.pods.iter().any(|p| p.deleting.is_some()));
}

#[test]
fn claims_volumes_and_attach_limits_are_linked() {
    let Some(s) = dump("parity-v2") else { return };
    let (catalog, state) = (&s.cluster.catalog, &s.cluster.state);
    assert_eq!((catalog.claims.len(), state.volumes.len(), catalog.classes.len()), (40, 40, 2));
    assert!(state.nodes.iter().all(|n| n.spec.attach_limits.as_ref().is_some_and(|l| !l.is_empty())));
    for (i, claim) in state.claims.entries() {
        if let Some(volume) = claim.volume {
            assert_eq!(state.volume_claim[volume], Some(i));
        }
    }
}

#[test]
fn start_delays_are_those_the_recording_was_made_with() {
    let Some(s) = dump("drain-v1") else { return };
    assert!(s.delays.accepted() > 100, "{:?}", s.delays);
    // Two seconds by default, more where an annotation says so; the API's moments are whole seconds.
    assert!(s.delays.overall_ms.iter().all(|ms| (1000..=60_000).contains(ms)), "{:?}", s.delays);
}

#[test]
fn generated_clusters_are_read_whole() {
    use nodeferry::snapshot::generate::{GenerateParams, generate};
    use nodeferry::snapshot::strict_violations;
    for seed in 0..3 {
        let params = GenerateParams { seed, nodes: 20, ..GenerateParams::default() };
        let objects = generate(&params).expect("the defaults make a cluster");
        let s = Snapshot::from_objects(&objects).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert!(s.unknown.is_empty(), "seed {seed}: {:?}", s.unknown);
        assert!(s.cluster.state.nodes.len() >= 20 && s.cluster.state.pods.len() > 20, "seed {seed}");
        assert!(s.findings.iter().all(|f| f.severity != Severity::Error), "seed {seed}: {:?}", s.findings);
        let strict = strict_violations(&s.findings);
        assert!(strict.is_empty(), "seed {seed}: {strict:?}");
    }
}
