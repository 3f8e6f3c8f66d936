//! What must be so before traffic is redirected: the considerations of Microsoft's guide to the migration from EKS to AKS, each with its evidence.

use super::inventory::{Inventory, Item};
use super::mapping::Mapping;
use super::plan::ChecklistItem;

/// An item.
struct Consideration {
    name: &'static str,
    question: &'static str,
    mandatory: bool,
    seen: fn(&Inventory) -> Vec<String>,
}

const ITEMS: &[Consideration] = &[
    Consideration {
        name: "alerting",
        question: "The monitoring and alerting strategy is defined, and an alert of the target has reached somebody.",
        mandatory: true,
        seen: |i| {
            counted(
                i,
                &[
                    ("PrometheusRule", "alert rules"),
                    ("ServiceMonitor", "service monitors"),
                    ("PodMonitor", "pod monitors"),
                    ("AmazonCloudWatchAgent", "CloudWatch agents"),
                ],
            )
        },
    },
    Consideration {
        name: "compliance",
        question: "Security and compliance requirements of the application and of the AKS environment are defined, and the target meets them.",
        mandatory: true,
        seen: |i| {
            counted(
                i,
                &[
                    ("ClusterPolicy", "Kyverno policies"),
                    ("ConstraintTemplate", "Gatekeeper templates"),
                    ("NetworkPolicy", "network policies"),
                    ("PodSecurityPolicy", "pod security policies"),
                ],
            )
        },
    },
    Consideration {
        name: "access",
        question: "Access control policies are defined and enforced on the target.",
        mandatory: true,
        seen: |i| counted(i, &[("RoleBinding", "role bindings"), ("ClusterRoleBinding", "cluster role bindings")]),
    },
    Consideration {
        name: "disaster-recovery",
        question: "The disaster recovery and business continuity plan of the AKS environment and the application is defined.",
        mandatory: true,
        seen: |i| counted(i, &[("PodDisruptionBudget", "disruption budgets")]),
    },
    Consideration {
        name: "backup-and-restore",
        question: "Backup and restore policies of the target are defined with a recovery time objective (RTO) and a recovery point objective (RPO).",
        mandatory: true,
        seen: |i| {
            counted(
                i,
                &[
                    ("Schedule", "Velero schedules"),
                    ("PersistentVolumeClaim", "claims"),
                    ("StatefulSet", "stateful sets"),
                ],
            )
        },
    },
    Consideration {
        name: "source-backup",
        question: "The EKS cluster is backed up, and a restore of that backup was tried.",
        mandatory: true,
        seen: |i| counted(i, &[("Backup", "Velero backups")]),
    },
    Consideration {
        name: "functional-test",
        question: "The application was tested on the target before live traffic is redirected.",
        mandatory: true,
        seen: |_| Vec::new(),
    },
    Consideration {
        name: "deployment-process",
        question: "The pipeline or GitOps repository deploys to the target.",
        mandatory: false,
        seen: |i| {
            counted(
                i,
                &[
                    ("Application", "Argo CD applications"),
                    ("Kustomization", "Flux kustomizations"),
                    ("HelmRelease", "Helm releases of Flux"),
                ],
            )
        },
    },
    Consideration {
        name: "best-practices",
        question: "The best practices for cluster operators and developers of AKS were reviewed.",
        mandatory: false,
        seen: |_| Vec::new(),
    },
    Consideration {
        name: "risks",
        question: "Risks and challenges of the deployment are identified.",
        mandatory: false,
        seen: |_| Vec::new(),
    },
];

fn counted(inventory: &Inventory, kinds: &[(&str, &str)]) -> Vec<String> {
    let of = |kind: &str| inventory.items().filter(|i: &&Item| i.id.kind() == kind).count();
    let counts = kinds.iter().map(|(kind, what)| (of(kind), what));
    counts.filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect()
}

/// Names and questions, in order.
pub fn questions() -> Vec<(&'static str, &'static str)> {
    ITEMS.iter().map(|i| (i.name, i.question)).collect()
}

/// The items with the evidence that the mapping gives.
pub(super) fn checklist(inventory: &Inventory, mapping: &Mapping) -> Vec<ChecklistItem> {
    let item = |c: &Consideration| ChecklistItem {
        name: c.name.to_owned(),
        question: c.question.to_owned(),
        mandatory: c.mandatory,
        evidence: mapping.checklist.get(c.name).cloned().flatten().filter(|e| !e.trim().is_empty()),
        seen: (c.seen)(inventory),
    };
    ITEMS.iter().map(item).collect()
}

/// The checklist for people.
pub(super) fn text(items: &[ChecklistItem]) -> String {
    let mut out = "# Before the cut-over\n\n".to_owned();
    for item in items {
        let mark = if item.evidence.is_some() { "x" } else { " " };
        let must = if item.mandatory { " (mandatory: the cut-over is refused while it is open)" } else { "" };
        out.push_str(&format!("- [{mark}] {}{must}: {}\n", item.name, item.question));
        match &item.evidence {
            Some(evidence) => out.push_str(&format!("  - evidence: {evidence}\n")),
            None => out.push_str(&format!("  - open: write evidence under checklist.{} in the mapping\n", item.name)),
        }
        if !item.seen.is_empty() {
            out.push_str(&format!("  - the input has {}\n", item.seen.join(", ")));
        }
    }
    out
}
