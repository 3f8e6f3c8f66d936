//! The provider's programs as the simulation knows them: one that starts machines, one that gives them back, one that checks.

use super::facts::{Fact, Who};
use super::server::{Reply, Server};
use crate::intent::execution::{ExecutionOptions, Provision, Reimage, Retirement};
use crate::intent::gates::Gates;
use crate::runner::{Answer, Call, GroupRef, Named};
use crate::session::{Program, Response};

/// Name of the program that starts machines.
const PROVISION: &str = "simulated-provision";
/// Name of the program that gives a machine back.
const RETIRE: &str = "simulated-retire";
/// Name of the program that reimages a machine.
const REIMAGE: &str = "simulated-reimage";
/// Name of the program that stands before a batch.
const CHECK: &str = "simulated-check";

/// Exit status of what is under way: ask again.
const TRY_AGAIN: i32 = 75;

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// Replaces the commands of an execution by the simulated ones, with their times kept. Groups that wait for their nodes
/// get a program too, since nobody else would bring them in a simulation that has no autoscaler.
pub fn simulated(execution: &mut ExecutionOptions, gates: &mut Gates) {
    let provision = argv(&[PROVISION, "{key}", "{group}", "{machine}", "{zone}", "{total}", "{desired}"]);
    for p in execution.provision.values_mut() {
        let (every_ms, timeout_ms) = match p {
            Provision::Wait => (30_000, 60_000),
            Provision::Command { every_ms, timeout_ms, .. } => (*every_ms, *timeout_ms),
        };
        *p = Provision::Command { command: provision.clone(), every_ms, timeout_ms };
    }
    let fallback = Provision::Command { command: provision, every_ms: 30_000, timeout_ms: 60_000 };
    execution.provision.entry("*".into()).or_insert(fallback);
    let retire = argv(&[RETIRE, "{node}", "{provider_id}", "{group}", "{key}"]);
    for r in execution.retire.values_mut() {
        if let Retirement::Command { command, .. } = r {
            command.clone_from(&retire);
        }
    }
    let fallback = Retirement::Command { command: retire, every_ms: 10_000, timeout_ms: 60_000 };
    execution.retire.entry("*".into()).or_insert(fallback);
    let reimage = argv(&[REIMAGE, "{node}", "{provider_id}", "{group}", "{key}"]);
    for Reimage::Command { command, .. } in execution.reimage.values_mut() {
        command.clone_from(&reimage);
    }
    let fallback = Reimage::Command { command: reimage, every_ms: 10_000, timeout_ms: 60_000 };
    execution.reimage.entry("*".into()).or_insert(fallback);
    if let Some(check) = &mut gates.check {
        check.command = argv(&[CHECK, "{batch}"]);
    }
}

impl Server {
    /// Runs a program to its end.
    pub fn run(&mut self, program: &Program) -> Reply {
        let words: Vec<&str> = program.argv.iter().map(String::as_str).collect();
        let (code, output) = match words.as_slice() {
            [CHECK, batch] => return self.check(batch.parse().unwrap_or(0)),
            [PROVISION, key, group, machine, zone, total, _desired] => {
                self.provision(key, group, machine, zone, total.parse().unwrap_or(0))
            }
            [RETIRE, node, provider, ..] => self.give_back(node, provider),
            [REIMAGE, node, provider, ..] => self.give_new_image(node, provider),
            _ => (127, format!("{}: command not found", words.first().unwrap_or(&""))),
        };
        Reply::Now(Response::Exited { code: Some(code), output })
    }
    fn provision(&mut self, key: &str, group: &str, machine: &str, zone: &str, total: u32) -> (i32, String) {
        let catalog = self.world().catalog();
        let Some((index, g)) = catalog.groups.entries().find(|(_, g)| catalog.text(g.id) == group) else {
            return (1, format!("no group {group}"));
        };
        let machine = g.machines.iter().copied().find(|m| catalog.text(catalog.machines[*m].name) == machine);
        let zone = catalog.names.get(zone).filter(|_| !zone.is_empty());
        let before = self.world().launches();
        let named = |at| Named { id: catalog.text(catalog.machines[at].name).to_owned(), at: Some(at) };
        let call = Call::EnsureNodes {
            key: key.to_owned(),
            group: GroupRef { id: group.to_owned(), at: Some(index) },
            machine: machine.map(named),
            zone: zone.map(|at| Named { id: catalog.text(at).to_owned(), at: Some(at) }),
            total,
            // The key tells whose demand it is: `surge-0/…`.
            beyond_max: key.contains("/surge-"),
        };
        let answer = self.provider_call(call);
        let started = self.world().launches() - before;
        self.note(Fact::Launched { key: key.to_owned(), started, total });
        let failures = std::mem::take(&mut self.launch_failures);
        match (answer, failures.first()) {
            (Answer::Accepted, None) => (0, format!("{total} wanted, {started} started")),
            (Answer::Accepted, Some(why)) => (1, why.clone()),
            _ => (1, "the provider does not answer".into()),
        }
    }
    /// Whether a node of this name has this machine: another node may bear the name by now.
    fn is_it(&self, node: &str, provider: &str) -> bool {
        let place = super::objects::Place::new("nodes", "", node);
        self.store().get(&place).is_some_and(|o| o["spec"]["providerID"] == provider)
    }
    fn give_new_image(&mut self, node: &str, provider: &str) -> (i32, String) {
        if self.is_it(node, provider) {
            self.reimaged.insert(provider.to_owned());
            return match self.reimage(Who::Us, node) {
                Ok(()) => (TRY_AGAIN, "it is being reimaged".into()),
                Err(why) => (1, why),
            };
        }
        // Somebody else may have taken the machine away and registered another one under its name.
        if !self.reimaged.contains(provider) {
            return (1, "there is no such machine any more".into());
        }
        let there = self.store().get(&super::objects::Place::new("nodes", "", node)).is_some();
        if there { (0, "reimaged".into()) } else { (TRY_AGAIN, "it is being reimaged".into()) }
    }
    fn give_back(&mut self, node: &str, provider: &str) -> (i32, String) {
        if !self.is_it(node, provider) {
            return (0, "no such machine any more".into());
        }
        match self.retire(Who::Us, node) {
            Ok(true) => (0, "ended".into()),
            Ok(false) => (TRY_AGAIN, "it is ending".into()),
            Err(why) => (1, why),
        }
    }
}
