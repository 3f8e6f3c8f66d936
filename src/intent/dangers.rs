//! What a plan does that somebody who carries it out should have read: a plan is a file that others hand on, and executing it runs their
//! programs.

use super::procedure::ProcedureKind;
use super::{ExecutionOptions, Options, Provision, Reimage, Retirement};
use serde::Serialize;

/// A program that is run on the machine of the execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program<'a> {
    /// The option that names it.
    pub option: String,
    /// Program and arguments, before anything is filled in.
    pub command: &'a [String],
}

impl ExecutionOptions {
    /// The programs that it names, by option.
    pub fn programs(&self) -> Vec<Program<'_>> {
        let mut programs = Vec::new();
        let mut add = |what: &str, group: &str, command| {
            programs.push(Program { option: format!("execution.{what}.{group}"), command });
        };
        for (group, provision) in &self.provision {
            if let Provision::Command { command, .. } = provision {
                add("provision", group, command);
            }
        }
        for (group, retirement) in &self.retire {
            if let Retirement::Command { command, .. } = retirement {
                add("retire", group, command);
            }
        }
        for (group, Reimage::Command { command, .. }) in &self.reimage {
            add("reimage", group, command);
        }
        programs
    }
}

impl Options {
    /// The programs that an execution runs on its machine.
    pub fn programs(&self) -> Vec<Program<'_>> {
        let check = self.gates.check.as_ref();
        let check = check.map(|c| Program { option: "gates.check".into(), command: &c.command });
        self.execution.programs().into_iter().chain(check).collect()
    }

    /// What an execution does that cannot be taken back, or goes past what protects workloads; a line each.
    pub fn dangers(&self) -> Vec<String> {
        let mut dangers = Vec::new();
        if self.deletes_pods() {
            dangers.push("deletes pods past their disruption budgets".to_owned());
        }
        let bare = self.bare_pods();
        if bare.evicted {
            dangers.push(format!("evicts pods that no controller makes again ({})", bare.by));
        }
        if self.procedure == ProcedureKind::KubectlDrain && self.kubectl_drain.grace_period_seconds >= 0 {
            dangers.push(format!(
                "gives pods {} s to stop, whatever they ask for (kubectl_drain.grace_period_seconds)",
                self.kubectl_drain.grace_period_seconds
            ));
        }
        if self.terminates() {
            dangers.push("ends the machines of drained nodes".to_owned());
        }
        for program in self.programs() {
            let words: Vec<String> = program.command.iter().map(|word| quoted(word)).collect();
            dangers.push(format!("runs a program on this machine ({}): {}", program.option, words.join(" ")));
        }
        dangers
    }
}

/// A word as a shell would be given it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+{}".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::gates::CheckGate;

    #[test]
    fn what_a_plan_does_past_protection_is_listed_and_so_are_its_programs() {
        let mut options = Options::default();
        assert_eq!(options.dangers(), Vec::<String>::new(), "the defaults are what anybody expects");
        options.kubectl_drain.disable_eviction = true;
        options.kubectl_drain.force = true;
        options.kubectl_drain.grace_period_seconds = 0;
        let command = ["sh", "-c", "curl 'x' | sh"].map(str::to_owned).to_vec();
        let retire = Retirement::Command { command: command.clone(), every_ms: 1, timeout_ms: 1 };
        options.execution.retire.insert("*".into(), retire);
        options.gates.check = Some(CheckGate {
            command: vec!["./ready".into(), "{batch}".into()],
            every_ms: 1,
            timeout_ms: 1,
            limit_ms: 1,
        });
        assert_eq!(
            options.dangers(),
            [
                "deletes pods past their disruption budgets",
                "evicts pods that no controller makes again (kubectl_drain.force)",
                "gives pods 0 s to stop, whatever they ask for (kubectl_drain.grace_period_seconds)",
                r"runs a program on this machine (execution.retire.*): sh -c 'curl '\''x'\'' | sh'",
                "runs a program on this machine (gates.check): ./ready {batch}",
            ]
        );
        assert_eq!(options.programs()[0], Program { option: "execution.retire.*".into(), command: &command });
    }
}
