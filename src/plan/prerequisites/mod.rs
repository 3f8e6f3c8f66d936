//! What Ocean asks of a cluster before a migration, judged from the dump: one rule, one file.
//!
//! Each rule cites the sentence of Ocean's documentation that it stands for, says what the dump shows, and gives its verdict. What a dump
//! does not show is `unknown`, never a silent pass. What is chosen where the documentation is silent is marked (C).

pub mod autoscaled_pools;
pub mod budgets;
pub mod cluster_autoscaler;
pub mod controller;
pub mod dedicated_groups;
pub mod infrastructure;
pub mod karpenter;
pub mod kubernetes_version;
pub mod ocean_cluster;
pub mod restrict_scale_down;
pub mod spot_toleration;
#[cfg(test)]
mod tests;
pub mod unscheduled_pods;
pub mod volume_zones;

use super::preflight::Facts;
use crate::cluster::{Finding, GroupOrigin, Severity, View};
use crate::intent::options::OceanCloud;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a prerequisite is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The dump shows that it is.
    Pass,
    /// The dump shows that it is not.
    Fail,
    /// The dump does not show it.
    Unknown,
}

impl Verdict {
    /// The word of the JSON form.
    pub fn text(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Unknown => "unknown",
        }
    }
}

/// One prerequisite of a migration, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Prerequisite {
    /// Stable name of the rule, kebab-case (`ocean-controller`).
    pub rule: String,
    /// What is asked for, in the words of Ocean's documentation.
    pub requirement: String,
    /// The page that says so.
    pub source: String,
    /// Whether it is met.
    pub verdict: Verdict,
    /// What the dump shows.
    pub fact: String,
    /// What would fix it; empty where nothing needs to be.
    pub remedy: String,
    /// Codes of the findings that name the objects.
    pub findings: Vec<String>,
}

/// What a rule makes of a cluster.
pub struct Judgement {
    verdict: Verdict,
    fact: String,
    remedy: String,
    /// Codes of findings that other rules of the preflight give.
    codes: Vec<&'static str>,
    /// Findings of its own.
    findings: Vec<Finding>,
}

impl Judgement {
    /// It is met.
    fn pass(fact: impl Into<String>) -> Judgement {
        Judgement {
            verdict: Verdict::Pass,
            fact: fact.into(),
            remedy: String::new(),
            codes: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// It is not met.
    fn fail(fact: impl Into<String>, remedy: impl Into<String>) -> Judgement {
        Judgement { verdict: Verdict::Fail, remedy: remedy.into(), ..Judgement::pass(fact) }
    }

    /// The dump does not show it.
    fn unknown(fact: impl Into<String>, remedy: impl Into<String>) -> Judgement {
        Judgement { verdict: Verdict::Unknown, remedy: remedy.into(), ..Judgement::pass(fact) }
    }

    /// Names a finding that another rule of the preflight gives for each object.
    fn see(mut self, code: &'static str) -> Judgement {
        self.codes.push(code);
        self
    }

    /// Makes a finding of it, about an object.
    fn finding(mut self, severity: Severity, code: &'static str, object: impl Into<String>) -> Judgement {
        self.findings.push(Finding::new(severity, code, object, self.fact.clone(), self.remedy.clone()));
        self
    }
}

/// One prerequisite.
pub struct Rule {
    /// Stable name, kebab-case.
    pub name: &'static str,
    /// The sentence of the documentation that it stands for, by cloud.
    pub requirement: fn(OceanCloud) -> &'static str,
    /// Which page says so, by cloud.
    pub source: fn(OceanCloud) -> &'static str,
    /// Judges a cluster; None where the cloud has no such prerequisite.
    pub judge: fn(&Facts<'_>) -> Option<Judgement>,
}

/// All rules, in the order of the documentation.
pub const RULES: &[Rule] = &[
    infrastructure::RULE,
    ocean_cluster::RULE,
    controller::RULE,
    kubernetes_version::RULE,
    cluster_autoscaler::RULE,
    karpenter::RULE,
    autoscaled_pools::RULE,
    dedicated_groups::RULE,
    unscheduled_pods::RULE,
    spot_toleration::RULE,
    restrict_scale_down::RULE,
    budgets::RULE,
    volume_zones::RULE,
];

/// The page with the prerequisites.
fn prerequisites_page(cloud: OceanCloud) -> &'static str {
    match cloud {
        OceanCloud::Aws => "Migrate Workload to Ocean: Prerequisites",
        _ => "Migrate the Workload to Ocean on AKS: Prerequisites",
    }
}

/// The page that describes the parameters of a migration, and what is validated of each node.
fn migration_page(cloud: OceanCloud) -> &'static str {
    match cloud {
        OceanCloud::Aws => "Migrate Workload using the Spot API",
        _ => "Migrate Workload using the Spot API (AKS)",
    }
}

/// Judges every prerequisite of a procedure, with the findings that are not another rule's; nothing for procedures that are not Ocean's.
pub fn judge(facts: &Facts<'_>) -> (Vec<Prerequisite>, Vec<Finding>) {
    let (mut judged, mut findings) = (Vec::new(), Vec::new());
    let Some(cloud) = facts.options.procedure.ocean() else { return (judged, findings) };
    for rule in RULES {
        let Some(j) = (rule.judge)(facts) else { continue };
        let mut codes: Vec<String> = j.codes.iter().map(|c| (*c).to_owned()).collect();
        codes.extend(j.findings.iter().map(|f| f.code.clone()));
        codes.dedup();
        judged.push(Prerequisite {
            rule: rule.name.to_owned(),
            requirement: (rule.requirement)(cloud).to_owned(),
            source: (rule.source)(cloud).to_owned(),
            verdict: j.verdict,
            fact: j.fact,
            remedy: j.remedy,
            findings: codes,
        });
        findings.extend(j.findings);
    }
    (judged, findings)
}

/// Whether groups were given that Ocean could launch nodes of; groups read off the nodes or off Karpenter's pools are none.
fn has_vngs(view: View<'_>) -> bool {
    let given = |o| matches!(o, GroupOrigin::OceanAws | GroupOrigin::OceanAzure | GroupOrigin::Own);
    view.catalog.groups.iter().any(|g| given(g.origin))
}

/// Some of a list, and how many more there are.
fn some(list: &[String], most: usize) -> String {
    let shown = list.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match list.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `1 node`, `3 nodes`.
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
