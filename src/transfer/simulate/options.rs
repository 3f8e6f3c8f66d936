//! How long things take in a simulated transfer.

use crate::transfer::plan::{Action, TransferPlan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Nothing takes longer, whatever the options and the plan say: a year, in milliseconds.
pub(super) const LONGEST_MS: i64 = 366 * 24 * 3_600_000;

/// How long something takes that has a beginning and a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Whatever the size, milliseconds.
    pub fixed_ms: i64,
    /// Bytes in a second; above 0.
    pub bytes_per_second: i64,
}

impl Rate {
    /// How long so many bytes take, rounded up to milliseconds.
    pub fn takes_ms(self, bytes: i64) -> i64 {
        let moved = i128::from(bytes.max(0)) * 1_000;
        let rate = i128::from(self.bytes_per_second.max(1));
        self.fixed_ms.saturating_add(i64::try_from((moved + rate - 1) / rate).unwrap_or(i64::MAX))
    }
}

/// Parameters of a simulated transfer (YAML or JSON). Those that no document says are ours (C).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransferSimOptions {
    /// An image is copied to the target's registry. Default 2 s and 50 MiB/s (C).
    pub import: Rate,
    /// Size of an image that the plan does not know, bytes. Default 300 MiB (C).
    pub image_bytes: i64,
    /// Velero's store is copied. Default 5 s and 100 MiB/s (C).
    pub copy: Rate,
    /// The data of a volume is backed up, by the node agent of its pod's node. Default 0 s and 50 MiB/s (C).
    pub volume_backup: Rate,
    /// The data of a volume is restored. Default 0 s and 50 MiB/s (C).
    pub volume_restore: Rate,
    /// Node agents that work at once: each moves one volume after the other. Default 1: nobody knows on how many nodes the pods are (C).
    pub node_agents: u32,
    /// What a backup takes beside its data, milliseconds. Default 5 s, as Velero 1.18 takes for a small namespace.
    pub backup_ms: i64,
    /// From the beginning of a restore until its pods are made, milliseconds. Default 1 s.
    pub restore_pods_ms: i64,
    /// From the last data until a restore is Completed, milliseconds. Default 1 s.
    pub restore_end_ms: i64,
    /// The target's Velero looks into its store so often, milliseconds. Default 60 s, which is built into Velero.
    pub sync_period_ms: i64,
    /// When it looks for the first time, milliseconds after the beginning. Null: it has just looked when the copy ends, which is the longest wait.
    pub first_sync_ms: Option<i64>,
    /// From a claim's selected node to its volume, milliseconds. Default 10 s (C).
    pub provision_ms: i64,
    /// A pod that pulls an image on the target to prove that it can, milliseconds. Default 10 s (C).
    pub probe_ms: i64,
    /// Any other command of the plan, milliseconds. Default 1 s (C).
    pub command_ms: i64,
    /// Commands of single steps, by the step's id, milliseconds all together.
    pub commands: BTreeMap<String, i64>,
    /// An object is applied, milliseconds. Default 20 ms.
    pub apply_ms: i64,
    /// How long each gate waits for people, milliseconds. Default 0: waves are predicted without it.
    pub gate_ms: i64,
    /// The executor looks so often, milliseconds. Default 500 ms.
    pub look_ms: i64,
    /// How long a pod of a workload takes from bound to ready that the plan does not know, milliseconds. Default 10 s (C).
    pub start_ms: i64,
    /// How long a pod takes to stop, milliseconds. Default 2 s (C).
    pub stop_ms: i64,
    /// Claims whose pod does not run when they are backed up (`namespace/name`): Velero passes over them.
    pub not_running: Vec<String>,
    /// Claims for which the target's driver provides no volume (`namespace/name`): a restore waits for them.
    pub not_provided: Vec<String>,
    /// Storage classes of the target. Null: those of the target's dump, and without a dump those that the plan names.
    pub target_classes: Option<Vec<String>>,
    /// Steps that fail, by id, with what they say.
    pub failing: BTreeMap<String, String>,
    /// Price of the source in an hour, in millionths of any currency. It goes on until somebody removes it.
    pub source_hourly_micros: Option<i64>,
    /// The same of the target. Null: that of the plan's pools.
    pub target_hourly_micros: Option<i64>,
}

const MIB: i64 = 1 << 20;

impl Default for TransferSimOptions {
    fn default() -> Self {
        TransferSimOptions {
            import: Rate { fixed_ms: 2_000, bytes_per_second: 50 * MIB },
            image_bytes: 300 * MIB,
            copy: Rate { fixed_ms: 5_000, bytes_per_second: 100 * MIB },
            volume_backup: Rate { fixed_ms: 0, bytes_per_second: 50 * MIB },
            volume_restore: Rate { fixed_ms: 0, bytes_per_second: 50 * MIB },
            node_agents: 1,
            backup_ms: 5_000,
            restore_pods_ms: 1_000,
            restore_end_ms: 1_000,
            sync_period_ms: 60_000,
            first_sync_ms: None,
            provision_ms: 10_000,
            probe_ms: 10_000,
            command_ms: 1_000,
            commands: BTreeMap::new(),
            apply_ms: 20,
            gate_ms: 0,
            look_ms: 500,
            start_ms: 10_000,
            stop_ms: 2_000,
            not_running: Vec::new(),
            not_provided: Vec::new(),
            target_classes: None,
            failing: BTreeMap::new(),
            source_hourly_micros: None,
            target_hourly_micros: None,
        }
    }
}

impl TransferSimOptions {
    /// What is out of range, a line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, rate) in [
            ("import", self.import),
            ("copy", self.copy),
            ("volume_backup", self.volume_backup),
            ("volume_restore", self.volume_restore),
        ] {
            if rate.bytes_per_second <= 0 {
                problems.push(format!("{name}.bytes_per_second is {}; it must be above 0", rate.bytes_per_second));
            }
            problems.extend(out_of_range(&format!("{name}.fixed_ms"), rate.fixed_ms));
        }
        if self.node_agents == 0 {
            problems.push("node_agents is 0; at least one moves data".to_owned());
        }
        for (name, ms) in [("sync_period_ms", self.sync_period_ms), ("look_ms", self.look_ms)] {
            if ms == 0 {
                problems.push(format!("{name} is {ms}; it must be above 0"));
            }
        }
        for (name, amount) in [
            ("image_bytes", Some(self.image_bytes)),
            ("source_hourly_micros", self.source_hourly_micros),
            ("target_hourly_micros", self.target_hourly_micros),
        ] {
            if let Some(amount) = amount.filter(|a| *a < 0) {
                problems.push(format!("{name} is {amount}; it must not be negative"));
            }
        }
        for (name, ms) in [
            ("sync_period_ms", self.sync_period_ms),
            ("first_sync_ms", self.first_sync_ms.unwrap_or(0)),
            ("look_ms", self.look_ms),
            ("backup_ms", self.backup_ms),
            ("restore_pods_ms", self.restore_pods_ms),
            ("restore_end_ms", self.restore_end_ms),
            ("provision_ms", self.provision_ms),
            ("probe_ms", self.probe_ms),
            ("command_ms", self.command_ms),
            ("apply_ms", self.apply_ms),
            ("gate_ms", self.gate_ms),
            ("start_ms", self.start_ms),
            ("stop_ms", self.stop_ms),
        ] {
            problems.extend(out_of_range(name, ms));
        }
        problems.extend(self.commands.iter().filter_map(|(step, ms)| out_of_range(&format!("commands.{step}"), *ms)));
        problems
    }

    /// What the options name and the plan does not have, a line each.
    pub fn unknown(&self, plan: &TransferPlan) -> Vec<String> {
        let steps: BTreeSet<&str> = plan.steps().map(|(_, s)| s.id.as_str()).collect();
        let named = self.commands.keys().map(|s| ("commands", s)).chain(self.failing.keys().map(|s| ("failing", s)));
        let mut unknown: Vec<String> = named
            .filter(|(_, step)| !steps.contains(step.as_str()))
            .map(|(option, step)| format!("{option} names step {step}, which the plan does not have"))
            .collect();
        let mut claims: BTreeSet<String> = BTreeSet::new();
        for claim in plan.waves.iter().flat_map(|w| &w.members).flat_map(|m| &m.claims) {
            claims.insert(format!("{}/{}", claim.namespace, claim.name));
        }
        for (_, step) in plan.steps() {
            if let Action::DemandVolumeBackups { claims: demanded, .. } = &step.action {
                claims.extend(demanded.iter().map(|c| format!("{}/{}", c.namespace, c.name)));
            }
        }
        for (option, list) in [("not_running", &self.not_running), ("not_provided", &self.not_provided)] {
            for claim in list.iter().filter(|c| !claims.contains(*c)) {
                unknown.push(format!("{option} names claim {claim}, which the plan does not have (namespace/name)"));
            }
        }
        unknown
    }
}

fn out_of_range(name: &str, ms: i64) -> Option<String> {
    match ms {
        ms if ms < 0 => Some(format!("{name} is {ms}; it must not be negative")),
        ms if ms > LONGEST_MS => Some(format!("{name} is {ms}; expected at most {LONGEST_MS}, which is a year")),
        _ => None,
    }
}
