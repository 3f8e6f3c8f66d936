//! Plans of transfers of the test's applications, in the form that `nodeferry transfer plan` writes.

use super::ground::{ACR, CLAIM_BYTES, ECR, Ground};
use serde_json::{Value, json};

/// A plan for the application of a namespace.
pub struct Plan<'a> {
    /// The clusters.
    pub ground: &'a Ground,
    /// The namespace.
    pub namespace: &'a str,
    /// `storageLocation` of the backup.
    pub location: &'a str,
    /// The storage class that claims get on the target.
    pub class: &'a str,
    /// How long the restore may take, milliseconds.
    pub restore_ms: i64,
}

impl<'a> Plan<'a> {
    /// One that goes well.
    pub fn new(ground: &'a Ground, namespace: &'a str) -> Plan<'a> {
        Plan { ground, namespace, location: "default", class: "managed-csi", restore_ms: 120_000 }
    }

    /// The command that copies what the source's Velero has stored.
    fn copy(&self) -> String {
        let store = self.ground.store.display();
        format!("cp -r {store}/source/. {store}/target")
    }

    /// Each plan has modifiers of its own; the maps of classes and images are Velero's, for all restores.
    fn modifiers(&self) -> String {
        format!("nodeferry-modifiers-{}", self.namespace)
    }

    /// The document.
    pub fn document(&self) -> Value {
        let ns = self.namespace;
        let id = |kind: &str, name: &str| format!("{kind}/{ns}/{name}");
        let (web, db) = (id("Deployment.apps", "web"), id("StatefulSet.apps", "db"));
        let front = id("Deployment.apps", "front");
        let class = "StorageClass.storage.k8s.io/managed-csi";
        let space = format!("Namespace/{ns}");
        let objects = json!([
            {"id": front, "object": self.front()},
            {"id": space, "object": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}}},
            {"id": class, "object": {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "managed-csi"},
                "provisioner": "disk.csi.azure.com", "volumeBindingMode": "WaitForFirstConsumer"}},
        ]);
        let step = |id: &str, what: &str, timeout_ms: i64, action: Value| json!({"id": id, "what": what, "timeout_ms": timeout_ms, "action": action});
        let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "nodeferry-fence", "namespace": ns},
            "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"]}});
        let claims = json!([{"namespace": ns, "name": "data-db-0"}]);
        let name = format!("w2-{ns}");
        let backup = json!({"includedNamespaces": [ns], "storageLocation": self.location, "defaultVolumesToFsBackup": true, "snapshotVolumes": false, "ttl": "24h0m0s"});
        let restore = json!({"backupName": name, "includedNamespaces": ["*"], "excludedResources": ["storageclasses.storage.k8s.io"],
            "resourceModifier": {"kind": "ConfigMap", "name": self.modifiers()}});
        let w0 = json!([
            step(
                "w0.import.web",
                "copy the image of web",
                20_000,
                json!({"import_image": {
                "from": format!("{ECR}/web:1"), "to": format!("{ACR}/web:1"), "bytes": 1_000_000, "command": "sleep 0.3"}})
            ),
            step("w0.apply", "apply namespaces and classes", 20_000, json!({"apply": {"objects": [space, class]}})),
            step(
                "w0.probe.web",
                "pull an image",
                20_000,
                json!({"probe_pull": {
                "image": format!("{ACR}/web:1"), "namespace": ns, "service_account": "default", "pull_secrets": []}})
            ),
        ]);
        let w1 = json!([
            step("w1.apply.front", "apply front", 20_000, json!({"apply": {"objects": [front]}})),
            step(
                "w1.verify.front",
                "front is ready",
                60_000,
                json!({"verify": {"workload": front, "pods": 2, "command": null}})
            ),
        ]);
        let w2 = json!([
            step(
                "w2.fence",
                "stop writes",
                20_000,
                json!({"fence": {"workloads": [web, db], "policies": [policy], "commands": ["sleep 0.5"]}})
            ),
            step("w2.backup", "back up", 240_000, json!({"backup": {"name": name, "spec": backup}})),
            step(
                "w2.demand",
                "one volume for each claim",
                20_000,
                json!({"demand_volume_backups": {"backup": name, "claims": claims}})
            ),
            step(
                "w2.copy",
                "copy the store",
                20_000,
                json!({"copy_store": {"command": self.copy(), "bytes": CLAIM_BYTES}})
            ),
            step("w2.sync", "the target sees the backup", 150_000, json!({"await_sync": {"backup": name}})),
            step(
                "w2.restore",
                "restore",
                self.restore_ms,
                json!({"restore": {"name": name, "backup": name, "spec": restore}})
            ),
            step(
                "w2.verify.db",
                "db is ready",
                60_000,
                json!({"verify": {"workload": db, "pods": 1, "command": "true"}})
            ),
            step(
                "w2.verify.web",
                "web is ready",
                60_000,
                json!({"verify": {"workload": web, "pods": 2, "command": null}})
            ),
        ]);
        let w2_back = json!([
            step(
                "w2.back.restored",
                "delete what was restored",
                60_000,
                json!({"delete_restored": {"restore": name, "objects": [web, db]}})
            ),
            step(
                "w2.back.unfence",
                "let writes go on",
                20_000,
                json!({"unfence": {"workloads": [web, db],
                "policies": [format!("NetworkPolicy.networking.k8s.io/{ns}/nodeferry-fence")], "commands": ["sleep 0.1"]}})
            ),
        ]);
        let w1_back =
            json!([step("w1.back.front", "delete front", 60_000, json!({"delete_applied": {"objects": [front]}}))]);
        let w4 = json!([
            step(
                "w4.gate",
                "somebody approves",
                60_000,
                json!({"gate": {"name": "switch", "question": "Shall names point to the target?", "mandatory": true, "commands": []}})
            ),
            step(
                "w4.switch",
                "point names to the target",
                20_000,
                json!({"cut_over": {"hosts": [{"host": "shop.example", "target": id("Service", "web")}],
                "commands": [format!("touch switched-{ns}")]}})
            ),
        ]);
        let wave = |name: &str, reason: &str, members: Value, steps: Value, rollback: Value| json!({"name": name, "reason": reason, "members": members, "steps": steps, "rollback": rollback});
        let member = |object: &str, pods: u32, claims: Value| {
            json!({"object": object, "reason": "a test", "pods": pods, "claims": claims,
            "start": {"median_ms": 600, "p95_ms": 600, "measured": true}})
        };
        let claim = json!([{"namespace": ns, "name": "data-db-0", "bytes": CLAIM_BYTES, "class": "gp3", "target_class": self.class, "moves": true}]);
        json!({
            "transfer_plan_version": 1, "nodeferry": "test", "inputs": [],
            "source": {"name": "eks"}, "target": {"name": "aks"},
            "mapping": {"transfer_mapping": 1},
            "findings": {"blocks": 0, "accepted": 0, "rewritten": 0, "by_hand": 0, "notes": 0, "open": [], "to_do": []},
            "exit_status": 0,
            "waves": [
                wave("W0", "the platform", json!([]), w0, json!([])),
                wave("W1", "no state", json!([member(&front, 2, json!([]))]), w1, w1_back),
                wave("W2", "state", json!([member(&db, 1, claim), member(&web, 2, json!([]))]), w2, w2_back),
                wave("W4", "the cut-over", json!([]), w4, json!([])),
            ],
            "critical_path": [], "cycles": [], "objects": objects, "secrets": [],
            "velero": self.velero(), "pools": [], "network": [], "checklist": [
                {"name": "tested", "question": "Was the target tested?", "mandatory": true, "evidence": null, "seen": []},
            ],
        })
    }

    fn front(&self) -> Value {
        let labels = json!({"app": "front"});
        let container =
            json!({"name": "main", "image": format!("{ACR}/front:1"), "resources": {"requests": {"cpu": "100m"}}});
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "front", "namespace": self.namespace}, "spec": {
            "replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}})
    }

    /// The maps that a restore uses: other classes, other images, other identities.
    fn velero(&self) -> Value {
        let map = |name: &str, labels: Value, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "velero", "labels": labels}, "data": data});
        let rules = json!({"version": "v1", "resourceModifierRules": [
            {"conditions": {"groupResource": "serviceaccounts", "resourceNameRegex": "^web$"}, "mergePatches": [{"patchData":
                json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": null, "azure.workload.identity/client-id": "c-1"}}}).to_string()}]},
            {"conditions": {"groupResource": "deployments.apps", "resourceNameRegex": "^web$"}, "strategicPatches": [{"patchData":
                json!({"spec": {"template": {"metadata": {"labels": {"azure.workload.identity/use": "true"}}}}}).to_string()}]},
        ]});
        json!({
            "namespace": "velero", "source_location": null, "target_location": null,
            "class_map": map("nodeferry-storage-classes", json!({"velero.io/plugin-config": "", "velero.io/change-storage-class": "RestoreItemAction"}), json!({"gp3": self.class})),
            "image_map": map("nodeferry-images", json!({"velero.io/plugin-config": "", "velero.io/change-image-name": "RestoreItemAction"}), json!({"ecr": format!("{ECR},{ACR}")})),
            "resource_modifiers": map(&self.modifiers(), json!({}), json!({"rules.yaml": rules.to_string()})),
        })
    }
}
