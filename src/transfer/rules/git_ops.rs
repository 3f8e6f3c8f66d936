//! Who owns the objects: Argo CD, Flux, Helm.

use super::{Code, Found, Ground, Rule, Sink, code};
use crate::transfer::finding::Severity;
use crate::transfer::inventory::Item;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const OWNED: Code = code(
    "transfer-git-ops",
    Severity::ByHand,
    "objects are reconciled from a repository: the change goes there, and reconciliation is paused meanwhile",
);
const APPLICATION: Code = code(
    "transfer-git-ops-source",
    Severity::ByHand,
    "an Argo CD or Flux object says which repository and which cluster",
);
const HELM: Code = code(
    "transfer-helm",
    Severity::Note,
    "objects are of a release of Helm: values of the chart are the place of the change",
);

/// The rule.
pub(super) const RULE: Rule = Rule { subject: "GitOps", codes: &[OWNED, APPLICATION, HELM], judge };

/// Somebody who puts objects back as the repository has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::transfer) struct Reconciler {
    /// `argo-cd/NAME`, `flux-kustomization/NAMESPACE/NAME`, `flux-helmrelease/NAMESPACE/NAME`.
    pub name: String,
    /// The command that pauses it.
    pub pause: String,
    /// The command that lets it go on.
    pub resume: String,
}

/// Who reconciles an object.
pub(in crate::transfer) fn reconciler(item: &Item) -> Option<Reconciler> {
    let label = |key: &str| item.labels().and_then(|l| l.get(key)).and_then(Value::as_str);
    let argo = item
        .annotation("argocd.argoproj.io/tracking-id")
        .and_then(|t| t.split(':').next())
        .or_else(|| label("argocd.argoproj.io/instance"));
    if let Some(name) = argo.filter(|n| !n.is_empty()) {
        // The application may be in a namespace of its own (`namespace_name`).
        let (namespace, name) = name.split_once('_').unwrap_or(("argocd", name));
        return Some(Reconciler {
            name: format!("argo-cd/{name}"),
            pause: format!(
                "kubectl patch application {name} -n {namespace} --type merge -p '{{\"spec\":{{\"syncPolicy\":{{\"automated\":null}}}}}}'"
            ),
            resume: format!(
                "kubectl patch application {name} -n {namespace} --type merge -p '{{\"spec\":{{\"syncPolicy\":{{\"automated\":{{}}}}}}}}'"
            ),
        });
    }
    for (prefix, kind) in [("kustomize.toolkit.fluxcd.io", "kustomization"), ("helm.toolkit.fluxcd.io", "helmrelease")]
    {
        let name = label(&format!("{prefix}/name"));
        let namespace = label(&format!("{prefix}/namespace"));
        if let (Some(name), Some(namespace)) = (name, namespace) {
            return Some(Reconciler {
                name: format!("flux-{kind}/{namespace}/{name}"),
                pause: format!("flux suspend {kind} {name} -n {namespace}"),
                resume: format!("flux resume {kind} {name} -n {namespace}"),
            });
        }
    }
    None
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    let mut owned: BTreeMap<Reconciler, Vec<&Item>> = BTreeMap::new();
    let mut helm: BTreeMap<(String, String), Vec<&Item>> = BTreeMap::new();
    for item in g.moving() {
        if let Some(reconciler) = reconciler(item) {
            owned.entry(reconciler).or_default().push(item);
        } else if let Some(release) = item.annotation("meta.helm.sh/release-name") {
            let namespace = item.annotation("meta.helm.sh/release-namespace").unwrap_or_default();
            helm.entry((namespace.to_owned(), release.to_owned())).or_default().push(item);
        }
        application(item, sink);
    }
    for (reconciler, items) in owned {
        let kinds: BTreeSet<&str> = items.iter().map(|i| i.id.kind()).collect();
        let kinds: Vec<&str> = kinds.into_iter().collect();
        sink.add(
            Found::new(
                items[0],
                &OWNED,
                format!(
                    "{} reconciles {} of the objects ({}): what is changed in the cluster is put back",
                    reconciler.name,
                    items.len(),
                    kinds.join(", ")
                ),
            )
            .was(reconciler.name.clone())
            .remedy(format!("commit what is rendered to the repository, and pause meanwhile: {}", reconciler.pause)),
        );
    }
    for ((namespace, release), items) in helm {
        sink.add(
            Found::new(items[0], &HELM, format!("release {namespace}/{release} has {} of the objects", items.len()))
                .was(format!("{namespace}/{release}"))
                .remedy(
                    "put what is rendered into the values of the chart, so that the next upgrade does not take it back",
                ),
        );
    }
}

fn application(item: &Item, sink: &mut Sink) {
    let source = match (item.id.group(), item.id.kind()) {
        ("argoproj.io", "Application") => {
            item.text("/spec/source/repoURL").or_else(|| item.text("/spec/sources/0/repoURL"))
        }
        ("source.toolkit.fluxcd.io", "GitRepository" | "OCIRepository" | "Bucket" | "HelmRepository") => {
            item.text("/spec/url").or_else(|| item.text("/spec/endpoint"))
        }
        _ => return,
    };
    let destination = item.text("/spec/destination/server").or_else(|| item.text("/spec/destination/name"));
    let mut message = "what is rendered goes into its repository, on a branch or path for the target".to_owned();
    if let Some(destination) = destination {
        message.push_str(&format!("; its destination {destination} is a name within its own cluster"));
    }
    let mut found = Found::new(item, &APPLICATION, message);
    if let Some(source) = source {
        found = found.was(source);
    }
    sink.add(found.remedy("add the target as a destination once its manifests are in the repository"));
}
