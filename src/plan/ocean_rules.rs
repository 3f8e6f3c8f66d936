//! Every rule of Ocean's migration as it is imitated: what Ocean documents, and what is chosen where it documents nothing (C).
//!
//! One table for the plan's output and for `docs/ocean.md`, which repeats it.

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Ocean's public documents say so.
    Documented,
    /// Ours (C): the documents are silent.
    Chosen,
}

/// A rule of the imitated migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OceanRule {
    /// What is so.
    pub rule: &'static str,
    /// Whether Ocean says so.
    pub origin: Origin,
    /// What changes it, as `options.…` or a flag; empty where nothing does.
    pub option: &'static str,
}

const fn documented(rule: &'static str, option: &'static str) -> OceanRule {
    OceanRule { rule, origin: Origin::Documented, option }
}

const fn chosen(rule: &'static str, option: &'static str) -> OceanRule {
    OceanRule { rule, origin: Origin::Chosen, option }
}

/// All rules, in the order of a migration.
pub const OCEAN_RULES: &[OceanRule] = &[
    chosen(
        "Ocean's own controller is not asked: nodeferry evicts through the Kubernetes API itself, and launches by --execution",
        "",
    ),
    documented("pods that are unscheduled at the start refuse it", "options.unscheduled_at_start"),
    documented("at least one node must pass validation", ""),
    documented(
        "Azure: a node without labels and taints matches `Default`, else the first virtual node group, in order of creation, with its labels and taints",
        "",
    ),
    documented(
        "AWS: a node matches by its pods: the best virtual node group for their selectors, affinity and tolerations",
        "",
    ),
    chosen(
        "AWS: the best group is the one that takes most of the node's pods, then the one whose machines have room for most, then the first in Ocean's order of groups",
        "",
    ),
    chosen("which labels and taints are the system's and do not count (Kubernetes, clouds, provisioners, eksctl)", ""),
    chosen("a virtual node group may have labels that the node lacks; its taints must be equal", ""),
    documented("machine type and zone are no reason against a match", ""),
    documented(
        "batches are a percentage of nodes; their minimum of healthy nodes starts the next one",
        "options.batch_size, options.ocean.batch_min_healthy_percent",
    ),
    chosen(
        "the percentage is of the selected nodes, rounded up (the documents also say: of the target capacity)",
        "options.percent_of",
    ),
    chosen(
        "nodes are ordered by the size of their resources, largest first (the documents only say \"divided by the size\")",
        "options.batcher",
    ),
    documented(
        "replacements are launched before the drain; pods' affinity, then the least restrictive group, decides which group",
        "",
    ),
    chosen(
        "replacements are launched for the whole batch: free room counts on Ocean's own nodes only",
        "options.ocean.free_room",
    ),
    chosen(
        "nothing is launched in a group that old nodes leave; a group in nodeferry's own form is one if the nodes' pool label names it",
        "",
    ),
    chosen(
        "groups of another form than Ocean's stand in for virtual node groups, and what a run launches for them counts as Ocean's",
        "--groups",
    ),
    documented("headroom of 5 % is kept, or what a group configures", ""),
    chosen("how long new nodes are awaited: 15 min", "options.ocean.new_nodes_timeout_ms"),
    documented("evictions of a node are spread over 120 s", "options.ocean.eviction_spread_ms"),
    chosen(
        "a refused eviction is tried again after 5 s (the documents only say \"seconds\")",
        "options.ocean.eviction_retry_ms",
    ),
    documented(
        "AWS: where budgets are forced, a pod is deleted after a minute of refusals",
        "options.ocean.respect_pdb, options.ocean.force_after_ms",
    ),
    chosen(
        "Azure: the same, where budgets are not respected",
        "options.ocean.respect_pdb, options.ocean.force_after_ms",
    ),
    documented("a drain takes at most 300 s", "options.ocean.draining_timeout_ms"),
    chosen(
        "a node whose budget waits for the end of a Job, or is an operator's, passes validation: its drain finds out whether its pods are let go",
        "",
    ),
    documented("a node that a budget holds counts as healthy unless budgets are forced", ""),
    documented(
        "pods without a controller are evicted if allowed, and nothing recreates them",
        "options.ocean.evict_stand_alone_pods",
    ),
    documented("restrict-scale-down holds a node if it is respected", "options.ocean.respect_restrict_scale_down"),
    chosen("how long evicted pods may take to be scheduled and ready: 20 min", "options.ocean.pods_timeout_ms"),
    chosen("how long old nodes may take to be terminated: 10 min", "options.termination_timeout_ms"),
    chosen("after how long it is a technical timeout: never", "options.ocean.technical_timeout_ms"),
    chosen("after how long it is a connectivity issue: 5 min", "options.ocean.connectivity_timeout_ms"),
    documented(
        "the autoscaler does not shrink groups during a migration, and rests 300 s after it acted",
        "autoscaler.cooldown_ms",
    ),
    chosen("requests of the migration to the API: 50 a second, 100 at once", "options.client"),
    documented(
        "a stop finishes the pods of the batch under way and makes nodes schedulable that were not drained; nothing is rolled back",
        "",
    ),
];

/// The options that change a chosen rule, without repeats, in order.
pub fn chosen_options() -> Vec<&'static str> {
    let mut options: Vec<&str> = Vec::new();
    for rule in OCEAN_RULES.iter().filter(|r| r.origin == Origin::Chosen) {
        for option in rule.option.split(", ").filter(|o| !o.is_empty()) {
            if !options.contains(&option) {
                options.push(option);
            }
        }
    }
    options
}

/// The rules as a table in Markdown: a part of `docs/ocean.md` is made of it.
pub fn markdown() -> String {
    let mut out = String::from("| rule | | changed by |\n|---|---|---|\n");
    for r in OCEAN_RULES {
        let origin = match r.origin {
            Origin::Documented => "documented",
            Origin::Chosen => "**chosen (C)**",
        };
        let options: Vec<String> = r.option.split(", ").filter(|o| !o.is_empty()).map(|o| format!("`{o}`")).collect();
        out.push_str(&format!("| {} | {origin} | {} |\n", r.rule, options.join(", ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::Options;

    #[test]
    fn the_document_has_the_same_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ocean.md");
        let text = std::fs::read_to_string(path).expect("docs/ocean.md");
        let (start, end) = ("<!-- rules -->\n", "<!-- /rules -->");
        let (head, rest) = text.split_once(start).expect("the table's begin");
        let (table, tail) = rest.split_once(end).expect("the table's end");
        if std::env::var_os("NODEFERRY_BLESS").is_some() {
            std::fs::write(path, format!("{head}{start}{}{end}{tail}", markdown())).expect("written");
        } else {
            assert!(table == markdown(), "docs/ocean.md is not what the table says; run with NODEFERRY_BLESS=1");
        }
    }

    #[test]
    fn options_that_are_named_exist() {
        let value = serde_json::to_value(Options::default()).expect("serialises");
        for option in OCEAN_RULES.iter().flat_map(|r| r.option.split(", ")) {
            let Some(path) = option.strip_prefix("options.") else { continue };
            // Options whose default is to be absent are null, but there.
            let found = path.split('.').try_fold(&value, |v, key| v.get(key));
            assert!(found.is_some(), "{option}");
        }
        assert!(chosen_options().contains(&"options.ocean.free_room"));
    }
}
