//! What `transfer render` writes, applied by a real API server: by dry run, and then so that nothing differs.
//!
//! It needs the control plane of `scripts/controlplane` (docs/controlplane.md), by NODEFERRY_CONTROLPLANE or where it is built; without it the test says
//! so and is left out. Kinds that the API server of the test does not serve get definitions that take anything.

use super::cli::{Dir, nodeferry};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The control plane's binary, if there is one.
fn binary() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/controlplane/bin/controlplane");
    let named = std::env::var_os("NODEFERRY_CONTROLPLANE").map(PathBuf::from);
    let found = named.or(Some(built)).filter(|p| p.exists());
    if found.is_none() {
        eprintln!(
            "LEFT OUT: no control plane; build it with scripts/controlplane build, or say where it is with NODEFERRY_CONTROLPLANE"
        );
    }
    found
}

/// A control plane that ends with the test.
struct Plane {
    child: Child,
    binary: PathBuf,
    kubeconfig: String,
}

impl Plane {
    fn up(binary: &Path) -> Plane {
        let mut child = Command::new(binary)
            .args(["up", "--until-stdin-closes", "--without", "kube-scheduler", "--without", "kube-controller-manager"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the control plane starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("the path of a kubeconfig");
        Plane { child, binary: binary.to_owned(), kubeconfig: line.trim().to_owned() }
    }

    /// Runs kubectl; its output, whether it succeeded or not.
    fn kubectl(&self, args: &[&str]) -> (bool, String) {
        let out = Command::new(&self.binary)
            .arg("kubectl")
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .output()
            .expect("kubectl runs");
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        (out.status.success(), text)
    }

    fn must(&self, args: &[&str]) -> String {
        let (succeeded, text) = self.kubectl(args);
        assert!(succeeded, "kubectl {}: {text}", args.join(" "));
        text
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A definition of a kind that takes anything.
fn definition(group: &str, version: &str, kind: &str, plural: &str) -> String {
    format!(
        "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {plural}.{group}\n  annotations: {{api-approved.kubernetes.io: 'unapproved, for a test'}}\nspec:\n  group: {group}\n  names: {{kind: {kind}, plural: {plural}, singular: {}}}\n  scope: Namespaced\n  versions:\n  - name: {version}\n    served: true\n    storage: true\n    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}\n",
        kind.to_lowercase()
    )
}

#[test]
fn a_real_api_server_takes_what_is_rendered_and_then_nothing_differs() {
    let Some(binary) = binary() else { return };
    let plane = Plane::up(&binary);
    let dir = Dir::new();
    let definitions: String = [
        ("gateway.networking.k8s.io", "v1", "Gateway", "gateways"),
        ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
        ("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects"),
        ("keda.sh", "v1alpha1", "TriggerAuthentication", "triggerauthentications"),
    ]
    .iter()
    .map(|(group, version, kind, plural)| definition(group, version, kind, plural))
    .collect();
    plane.must(&["apply", "-f", &dir.file("definitions.yaml", &definitions)]);
    plane.must(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    let open = "transfer_mapping: 1\ntarget: {kubernetes_version: '1.36'}\n";
    for (name, objects, mapping) in [
        ("shop", include_str!("transfer/shop.yaml"), include_str!("transfer/shop-mapping.yaml")),
        ("votes", include_str!("transfer/votes.yaml"), open),
        ("queue", include_str!("transfer/queue.yaml"), include_str!("transfer/queue-mapping.yaml")),
    ] {
        let out = dir.path(name);
        let (objects, mapping) =
            (dir.file(&format!("{name}.yaml"), objects), dir.file(&format!("{name}-mapping.yaml"), mapping));
        let ran = nodeferry(&dir, &["transfer", "render", &objects, "--mapping", &mapping, "--out", &out]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let (cluster, all) = (format!("{out}/manifests/0-cluster"), format!("{out}/manifests"));
        // A dry run makes no namespace for the objects that come after it.
        plane.must(&["apply", "--server-side", "-f", &cluster]);
        let dry = plane.must(&["apply", "--server-side", "--dry-run=server", "--validate=strict", "-R", "-f", &all]);
        assert!(dry.contains("serverside-applied (server dry run)"), "{dry}");
        plane.must(&["apply", "--server-side", "--validate=strict", "-R", "-f", &all]);
        let (same, differs) = plane.kubectl(&["diff", "--server-side", "-R", "-f", &all]);
        assert!(same, "{name}: {differs}");
    }
}
