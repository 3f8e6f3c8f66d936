//! Stand-ins for what a cloud brings into one cluster: the driver that provisions volumes, and Velero's node agents, which move the data of
//! volumes. No data is moved; each takes the time that its size needs.

use crate::bed::client::Client;
use crate::bed::kubelets::now;
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Velero's resources in its namespace.
pub const VELERO: &str = "/apis/velero.io/v1/namespaces/velero";
/// The annotation with which the scheduler says where a volume is wanted.
const SELECTED: &str = "volume.kubernetes.io/selected-node";
/// From a load balancer that is asked for to its address.
const ADDRESS: Duration = Duration::from_millis(1_500);
/// From one look to the next.
const LOOK: Duration = Duration::from_millis(100);

/// How long they take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From a claim that wants a volume to the volume.
    pub provision: Duration,
    /// Bytes that a node agent moves in a second.
    pub bytes_per_second: u64,
}

/// What goes wrong, by the claim (`namespace/name`).
#[derive(Default)]
pub struct Faults {
    /// Backups of these claims' volumes fail.
    pub backup: BTreeSet<String>,
    /// Restores into these claims' volumes fail.
    pub restore: BTreeSet<String>,
    /// These claims get no volume.
    pub provision: BTreeSet<String>,
}

/// The stand-ins of one cluster; dropping them stops them.
pub struct StandIns {
    stopped: Arc<AtomicBool>,
    /// What goes wrong from now on.
    pub faults: Arc<Mutex<Faults>>,
}

impl StandIns {
    /// Starts them.
    pub fn start(client: &Client, pace: Pace) -> StandIns {
        let stand_ins = StandIns { stopped: Arc::default(), faults: Arc::default() };
        for work in [provision, move_data, addresses] {
            let (client, stopped, faults) = (client.clone(), stand_ins.stopped.clone(), stand_ins.faults.clone());
            std::thread::spawn(move || {
                let mut since = Since::default();
                while !stopped.load(Ordering::Relaxed) {
                    // What the API server did not take is tried again with the next look.
                    let _ = work(&client, pace, &faults, &mut since);
                    std::thread::sleep(LOOK);
                }
            });
        }
        stand_ins
    }

    /// Changes what goes wrong.
    pub fn fault(&self, change: impl FnOnce(&mut Faults)) {
        if let Ok(mut faults) = self.faults.lock() {
            change(&mut faults);
        }
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// When each thing was seen first.
#[derive(Default)]
struct Since(BTreeMap<String, Instant>);

impl Since {
    fn is_over(&mut self, object: &Value, wait: Duration) -> bool {
        let seen = self.0.entry(text(object, "/metadata/uid").to_owned()).or_insert_with(Instant::now);
        seen.elapsed() >= wait
    }
}

/// A text in an object, empty where there is none.
pub fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn fails(faults: &Mutex<Faults>, which: impl FnOnce(&Faults) -> bool) -> bool {
    faults.lock().is_ok_and(|f| which(&f))
}

/// Makes the volumes that claims wait for, as an external provisioner does.
fn provision(client: &Client, pace: Pace, faults: &Mutex<Faults>, since: &mut Since) -> Result<()> {
    let claims = client.list("/api/v1/persistentvolumeclaims")?.0;
    let pending =
        claims.iter().filter(|c| text(c, "/status/phase") == "Pending" && text(c, "/spec/volumeName").is_empty());
    let pending: Vec<&Value> = pending.collect();
    if pending.is_empty() {
        return Ok(());
    }
    let classes: BTreeMap<String, Value> = (client.list("/apis/storage.k8s.io/v1/storageclasses")?.0.into_iter())
        .map(|c| (text(&c, "/metadata/name").to_owned(), c))
        .collect();
    for claim in pending {
        let (namespace, name) = (text(claim, "/metadata/namespace"), text(claim, "/metadata/name"));
        let Some(class) = classes.get(text(claim, "/spec/storageClassName")) else { continue };
        let waits = text(class, "/volumeBindingMode") == "WaitForFirstConsumer";
        let is_wanted = !waits || claim["metadata"]["annotations"][SELECTED].is_string();
        if !is_wanted
            || fails(faults, |f| f.provision.contains(&format!("{namespace}/{name}")))
            || !since.is_over(claim, pace.provision)
        {
            continue;
        }
        let uid = text(claim, "/metadata/uid");
        let by = json!({"pv.kubernetes.io/provisioned-by": class["provisioner"]});
        let volume = json!({"metadata": {"name": format!("pvc-{uid}"), "annotations": by}, "spec": {
            "capacity": claim["spec"]["resources"]["requests"], "accessModes": claim["spec"]["accessModes"],
            "storageClassName": class["metadata"]["name"], "persistentVolumeReclaimPolicy": "Delete",
            "csi": {"driver": class["provisioner"], "volumeHandle": format!("vol-{uid}")},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name, "uid": uid},
        }});
        client.create("/api/v1/persistentvolumes", &volume)?.taken()?;
    }
    Ok(())
}

/// Gives load balancers and gateways their addresses, as a cloud's controllers do; each another one.
fn addresses(client: &Client, _: Pace, _: &Mutex<Faults>, since: &mut Since) -> Result<()> {
    static GIVEN: AtomicU32 = AtomicU32::new(1);
    for path in ["/api/v1/services", "/apis/gateway.networking.k8s.io/v1/gateways"] {
        let answer = client.get(path)?;
        if answer.code == 404 {
            continue;
        }
        for object in answer.ok()?["items"].as_array().cloned().unwrap_or_default() {
            let is_gateway = path.ends_with("gateways");
            let has = object.pointer("/status/addresses").or_else(|| object.pointer("/status/loadBalancer/ingress"));
            let is_open = is_gateway || text(&object, "/spec/type") == "LoadBalancer";
            // Azure's controllers leave Services of another class alone.
            if !is_open
                || has.is_some()
                || object["spec"]["loadBalancerClass"].is_string()
                || !since.is_over(&object, ADDRESS)
            {
                continue;
            }
            let address = format!("192.0.2.{}", GIVEN.fetch_add(1, Ordering::Relaxed));
            let (namespace, name) = (text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
            let root = path.rsplit_once('/').map_or(path, |(root, _)| root);
            let plural = if is_gateway { "gateways" } else { "services" };
            let at = format!("{root}/namespaces/{namespace}/{plural}/{name}");
            match is_gateway {
                true => {
                    client.merge(&at, &json!({"status": {"addresses": [{"type": "IPAddress", "value": address}]}}))?
                }
                false => {
                    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}});
                    client.merge(&format!("{at}/status"), &status)?
                }
            }
            .taken()?;
        }
    }
    Ok(())
}

/// Bytes of a claim, as its request says in Mi or Gi.
fn bytes(claim: &Value) -> u64 {
    let request = text(claim, "/spec/resources/requests/storage");
    let (digits, unit) = request.split_at(request.find(|c: char| !c.is_ascii_digit()).unwrap_or(request.len()));
    let factor = match unit {
        "Gi" => 1 << 30,
        "Mi" => 1 << 20,
        _ => 1,
    };
    digits.parse::<u64>().unwrap_or(0) * factor
}

/// Ends backups and restores of volumes after the time that their size needs, and lets the pods that waited for them go on.
fn move_data(client: &Client, pace: Pace, faults: &Mutex<Faults>, since: &mut Since) -> Result<()> {
    for (plural, kind) in [("podvolumebackups", "backup"), ("podvolumerestores", "restore")] {
        let answer = client.get(&format!("{VELERO}/{plural}"))?;
        if answer.code == 404 {
            return Ok(());
        }
        for object in answer.ok()?["items"].as_array().cloned().unwrap_or_default() {
            if ["Completed", "Failed", "Canceled"].contains(&text(&object, "/status/phase")) {
                continue;
            }
            let path = format!("{VELERO}/{plural}/{}", text(&object, "/metadata/name"));
            if object["spec"]["cancel"] == true {
                client
                    .merge(&path, &json!({"status": {"phase": "Canceled", "completionTimestamp": now()}}))?
                    .taken()?;
                continue;
            }
            let Some((claim, pod)) = volume(client, &object)? else { continue };
            if kind == "restore" && !is_waiting(&pod, &claim) {
                continue;
            }
            let size = bytes(&claim);
            if text(&object, "/status/phase") != "InProgress" {
                let status = json!({"phase": "InProgress", "startTimestamp": now(), "progress": {"totalBytes": size, "bytesDone": 0}});
                client.merge(&path, &json!({"status": status}))?.taken()?;
            }
            let takes = Duration::from_secs_f64(size as f64 / pace.bytes_per_second as f64);
            if !since.is_over(&object, takes) {
                continue;
            }
            let name = &format!("{}/{}", text(&claim, "/metadata/namespace"), text(&claim, "/metadata/name"));
            let has_failed =
                fails(faults, |f| if kind == "backup" { f.backup.contains(name) } else { f.restore.contains(name) });
            let mut status = json!({"phase": "Completed", "completionTimestamp": now(),
                "progress": {"totalBytes": size, "bytesDone": size}});
            if has_failed {
                status["phase"] = "Failed".into();
                status["message"] = format!("data path {kind} failed: connection reset by peer").into();
            } else if kind == "backup" {
                status["path"] = "/host_pods/data".into();
                status["snapshotID"] = format!("{:032x}", size).into();
            }
            client.merge(&path, &json!({"status": status}))?.taken()?;
            if kind == "restore" {
                initialized(client, &pod)?;
            }
        }
    }
    Ok(())
}

/// The claim and the pod of a volume's backup or restore, if both are there.
fn volume(client: &Client, object: &Value) -> Result<Option<(Value, Value)>> {
    let (namespace, pod) = (text(object, "/spec/pod/namespace"), text(object, "/spec/pod/name"));
    let Some(pod) = client.get(&format!("/api/v1/namespaces/{namespace}/pods/{pod}"))?.found()? else {
        return Ok(None);
    };
    let volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    let volume = volumes.iter().find(|v| v["name"] == object["spec"]["volume"]);
    let name = volume.map_or("", |v| text(v, "/persistentVolumeClaim/claimName"));
    if name.is_empty() {
        return Ok(None);
    }
    let claim = client.get(&format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"))?.found()?;
    Ok(claim.map(|claim| (claim, pod)))
}

/// Whether a restored pod is on a node with its volume, so that its init container can wait for the data there.
fn is_waiting(pod: &Value, claim: &Value) -> bool {
    pod["spec"]["nodeName"].is_string() && text(claim, "/status/phase") == "Bound"
}

/// The init container that waited for the data has ended; see `bed::kubelets`.
fn initialized(client: &Client, pod: &Value) -> Result<()> {
    let path =
        format!("/api/v1/namespaces/{}/pods/{}/status", text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
    let condition = json!({"type": "Initialized", "status": "True", "lastTransitionTime": now()});
    let patch = json!({"metadata": {"uid": pod["metadata"]["uid"]}, "status": {"conditions": [condition]}});
    client.patch(&path, &patch)?.taken()
}
