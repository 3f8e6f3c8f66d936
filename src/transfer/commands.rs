//! Commands of a plan: words in angle brackets are places that somebody fills in, and no command runs before they are.

use crate::intent::command::split;
use crate::transfer::object::ObjectId;
use crate::transfer::plan::{Action, Step, TransferPlan};
use std::collections::{BTreeMap, BTreeSet};

/// What stands in places of commands, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(pub BTreeMap<String, String>);

/// How places begin that are filled in when the step is carried out: with the address that an object has on the target by then.
const ADDRESS_OF: &str = "ADDRESS_OF_";

/// The place of the address of an object on the target.
pub(super) fn address_place(id: &ObjectId) -> String {
    format!("<{ADDRESS_OF}{id}>")
}

/// A place in a text, where one begins: `<name>`, without white space or further brackets in it.
fn place(text: &str) -> Option<&str> {
    let name = &text[..text.find('>')?];
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_./".contains(c));
    is_name.then_some(name)
}

impl Places {
    /// Of `NAME=VALUE`.
    ///
    /// # Errors
    /// No name, no `=`, or one name with two values.
    pub fn of(settings: &[String]) -> Result<Places, String> {
        let mut places = BTreeMap::new();
        for setting in settings {
            let (name, value) =
                setting.split_once('=').ok_or_else(|| format!("`{setting}` has no `=`; expected NAME=VALUE"))?;
            let name = name.trim_start_matches('<').trim_end_matches('>');
            if name.is_empty() {
                return Err(format!("`{setting}` has no name before its `=`; expected NAME=VALUE"));
            }
            if let Some(other) = places.insert(name.to_owned(), value.to_owned()).filter(|o| o != value) {
                return Err(format!("{name} is given as `{other}` and as `{value}`"));
            }
        }
        Ok(Places(places))
    }

    /// A word with its places filled in; those that are not known stay.
    fn fill(&self, word: &str) -> String {
        let (mut filled, mut rest) = (String::new(), word);
        while let Some(at) = rest.find('<') {
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            filled.push_str(before);
            match place(after) {
                Some(name) => {
                    match self.0.get(name) {
                        Some(value) => filled.push_str(value),
                        None => filled.push_str(&format!("<{name}>")),
                    }
                    rest = &after[name.len() + 1..];
                }
                None => {
                    filled.push('<');
                    rest = after;
                }
            }
        }
        filled.push_str(rest);
        filled
    }
}

/// Names of the places that stand in a text.
fn places_in(text: &str) -> BTreeSet<&str> {
    text.match_indices('<').filter_map(|(at, _)| place(&text[at + 1..])).collect()
}

/// Commands of a step, in the order in which they run.
pub struct Commands;

impl Commands {
    /// As the plan has them.
    pub fn of(step: &Step) -> Vec<&str> {
        match &step.action {
            Action::ImportImage { command, .. } | Action::CopyStore { command, .. } => vec![command],
            Action::Fence { commands, .. } | Action::Unfence { commands, .. } | Action::CutOver { commands, .. } => {
                commands.iter().map(String::as_str).collect()
            }
            Action::Verify { command, .. } => command.iter().map(String::as_str).collect(),
            // What a person does before approving, and what no program does.
            _ => Vec::new(),
        }
    }

    /// Places of a step that are filled in when it is carried out, with the object whose address goes there; those that somebody has filled in
    /// are not among them.
    pub fn addresses(step: &Step, places: &Places) -> Vec<(String, ObjectId)> {
        let Action::CutOver { hosts, .. } = &step.action else { return Vec::new() };
        let named: BTreeSet<&str> = Commands::of(step).into_iter().flat_map(places_in).collect();
        let targets: BTreeSet<&ObjectId> = hosts.iter().map(|h| &h.target).collect();
        let place = |id: &ObjectId| (format!("{ADDRESS_OF}{id}"), id.clone());
        let all = targets.into_iter().map(place);
        all.filter(|(name, _)| named.contains(name.as_str()) && !places.0.contains_key(name)).collect()
    }

    /// The words of each command of a step. Places of addresses that are not known yet stay as they are.
    ///
    /// # Errors
    /// A command that is no command, or with a place that nobody has filled in.
    pub fn words(step: &Step, places: &Places) -> Result<Vec<Vec<String>>, String> {
        let later: BTreeSet<String> = Commands::addresses(step, places).into_iter().map(|(name, _)| name).collect();
        let words = |command: &str| {
            let words = split(command).map_err(|e| format!("step {}: {e}", step.id))?;
            let words: Vec<String> = words.iter().map(|w| places.fill(w)).collect();
            let open = words.iter().flat_map(|w| places_in(w)).find(|name| !later.contains(*name)).map(str::to_owned);
            match open {
                None => Ok(words),
                Some(open) => Err(format!("step {}: nobody has filled in <{open}>: {command}", step.id)),
            }
        };
        Commands::of(step).into_iter().map(words).collect()
    }

    /// What is wrong with commands of a plan, a line each; rollbacks too, for nobody has time for them when they are needed.
    pub fn problems(plan: &TransferPlan, places: &Places) -> Vec<String> {
        let steps = plan.waves.iter().flat_map(|w| w.steps.iter().chain(&w.rollback));
        let mut problems: Vec<String> = steps.filter_map(|s| Commands::words(s, places).err()).collect();
        let used: BTreeSet<&str> = plan
            .waves
            .iter()
            .flat_map(|w| w.steps.iter().chain(&w.rollback))
            .flat_map(|s| Commands::of(s).into_iter().flat_map(places_in))
            .collect();
        problems.extend(
            places.0.keys().filter(|n| !used.contains(n.as_str())).map(|n| format!("no command has a place <{n}>")),
        );
        problems
    }
}
