//! The executions that a directory holds the journals of, as a list.
//!
//! Ocean's own list of a cluster's migrations has `Id`, `state`, `createdAt` and `completedAt` (docs/reference/ocean.md); this one has the same, and
//! how many of the nodes were replaced.

use super::journal_dir::{JOURNAL, JournalDir};
use super::status::{State, Status, plain};
use crate::report::table::{Align, Table};
use crate::runner::Outcome;
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};

/// One execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Execution {
    /// Its name.
    pub id: String,
    /// uid of the cluster's namespace kube-system.
    pub cluster: String,
    /// Name of the context.
    pub context: String,
    /// How a batch goes (`ocean-azure`).
    pub procedure: &'static str,
    /// Whether a process works at it.
    pub state: State,
    /// The provider's word for how the migration stands; null for procedures that have none.
    pub migration_state: Option<String>,
    /// When it began, RFC 3339.
    pub created_at: String,
    /// When it ended, RFC 3339; null if it has not.
    pub completed_at: Option<String>,
    /// Old nodes of the plan.
    pub nodes: usize,
    /// How many of them were replaced.
    pub replaced: usize,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Directory of its journal.
    pub journal: PathBuf,
}

/// What a directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executions {
    /// The executions, in the order in which they began.
    pub list: Vec<Execution>,
    /// Journals that cannot be read, each with why.
    pub problems: Vec<String>,
}

impl Executions {
    /// The executions whose journals are in `dir`: in the directories in it, and in itself.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn in_dir(dir: &Path) -> io::Result<Executions> {
        let mut places: Vec<PathBuf> = vec![dir.to_owned()];
        for entry in std::fs::read_dir(dir)? {
            places.push(entry?.path());
        }
        places.retain(|p| p.join(JOURNAL).is_file());
        places.sort();
        let mut found = Executions::default();
        for place in places {
            // As one would write it: `runs/monday`, not `./runs/monday`.
            let place = place.strip_prefix(".").map_or_else(|_| place.clone(), Path::to_owned);
            let place = if place.as_os_str().is_empty() { PathBuf::from(".") } else { place };
            match Status::of(&JournalDir::at(&place)) {
                Ok(status) => found.list.push(Execution::of(&status, place)),
                Err(e) => found.problems.push(e.to_string()),
            }
        }
        found.list.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        Ok(found)
    }

    /// Leaves only those of a cluster, named by uid or by context.
    pub fn of_cluster(&mut self, cluster: &str) {
        self.list.retain(|e| e.cluster == cluster || e.context == cluster);
    }

    /// As a table.
    pub fn text(&self, width: Option<u16>) -> String {
        let left = |name| (name, Align::Left);
        let mut table = Table::new(&[
            left("EXECUTION"),
            left("CLUSTER"),
            left("STATE"),
            left("CREATED"),
            left("COMPLETED"),
            ("NODES", Align::Right),
            left("OUTCOME"),
            left("JOURNAL"),
        ]);
        for e in &self.list {
            let state = match &e.migration_state {
                Some(word) => format!("{} ({word})", e.state.text()),
                None => e.state.text().to_owned(),
            };
            table.row([
                plain(&e.id),
                plain(&e.context),
                state,
                e.created_at.clone(),
                e.completed_at.clone().unwrap_or_else(|| "-".into()),
                format!("{} of {}", e.replaced, e.nodes),
                e.outcome.map_or("-", Outcome::text).to_owned(),
                plain(&e.journal.display().to_string()),
            ]);
        }
        table.render(width)
    }
}

impl Execution {
    fn of(s: &Status, journal: PathBuf) -> Execution {
        let ended = s.state == State::Ended;
        Execution {
            id: s.execution.clone(),
            cluster: s.cluster.clone(),
            context: s.context.clone(),
            procedure: s.procedure,
            state: s.state,
            migration_state: s.migration_state.clone(),
            created_at: s.began.clone(),
            completed_at: ended.then(|| s.latest.clone()),
            nodes: s.nodes.len(),
            replaced: s.nodes.iter().filter(|n| n.fate.is_replaced()).count(),
            outcome: s.outcome,
            journal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::journal::testing::story;
    use crate::session::journal::{Entry, Record};

    fn write(dir: &Path, entries: &[Entry]) {
        let mut writer = JournalDir::at(dir).create().expect("made");
        entries.iter().for_each(|e| writer.append(e).expect("written"));
    }

    /// The story under another name, begun so much later.
    fn again(entries: &[Entry], execution: &str, later_ms: i64, context: &str) -> Vec<Entry> {
        let mut entries = entries.to_vec();
        if let Record::Began(began) = &mut entries[0].record {
            began.execution = execution.into();
            began.unix_ms += later_ms;
            began.context = context.into();
        }
        entries
    }

    #[test]
    fn each_journal_is_a_row_in_the_order_in_which_they_began() {
        let tmp = tempfile::tempdir().expect("a temporary directory");
        let (entries, _) = story();
        write(&tmp.path().join("a"), &again(&entries, "shop-2", 60_000, "kind-shop"));
        write(&tmp.path().join("z"), &again(&entries[..6], "shop-1", 0, "kind-shop"));
        write(&tmp.path().join("other"), &again(&entries, "bank-1", 30_000, "prod"));
        std::fs::create_dir(tmp.path().join("no-journal")).expect("made");
        let mut found = Executions::in_dir(tmp.path()).expect("read");
        assert_eq!(found.problems, Vec::<String>::new());
        let rows: Vec<(&str, State, Option<Outcome>, usize, usize)> =
            found.list.iter().map(|e| (e.id.as_str(), e.state, e.outcome, e.replaced, e.nodes)).collect();
        assert_eq!(
            rows,
            [
                ("shop-1", State::Killed, None, 0, 2),
                ("bank-1", State::Ended, Some(Outcome::Completed), 2, 2),
                ("shop-2", State::Ended, Some(Outcome::Completed), 2, 2),
            ]
        );
        assert_eq!(found.list[0].completed_at, None);
        assert!(found.list[2].completed_at.as_deref().is_some_and(|t| t > found.list[2].created_at.as_str()));
        found.of_cluster("kind-shop");
        assert_eq!(found.list.len(), 2);
        found.of_cluster("5d1c6d0e-0000-4000-8000-000000000001");
        assert_eq!(found.list.len(), 2, "the uid names it as well");
        let text = found.text(None);
        assert!(text.starts_with("EXECUTION  CLUSTER    STATE   CREATED "), "{text}");
        assert!(text.contains("\nshop-2     kind-shop  ended   2026-11-21T02:58:36.000Z"), "{text}");
        assert!(text.contains("  2 of 2  COMPLETED  "), "{text}");
    }

    #[test]
    fn a_damaged_journal_is_said_and_the_others_are_listed() {
        let tmp = tempfile::tempdir().expect("a temporary directory");
        let (entries, _) = story();
        write(&tmp.path().join("well"), &entries);
        let bad = tmp.path().join("ill");
        write(&bad, &entries);
        let text = std::fs::read_to_string(bad.join(JOURNAL)).expect("read");
        std::fs::write(bad.join(JOURNAL), text.replacen("\"seq\":3", "\"seq\":4", 1)).expect("written");
        let found = Executions::in_dir(tmp.path()).expect("read");
        assert_eq!((found.list.len(), found.problems.len()), (1, 1));
        assert!(found.problems[0].contains("ill"), "{:?}", found.problems);
    }

    #[test]
    fn a_directory_that_is_itself_a_journal_lists_it_and_an_empty_one_nothing() {
        let tmp = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(Executions::in_dir(tmp.path()).expect("read"), Executions::default());
        let (entries, _) = story();
        write(tmp.path(), &entries);
        let found = Executions::in_dir(tmp.path()).expect("read");
        assert_eq!((found.list.len(), &found.list[0].migration_state), (1, &None), "kubectl drain has no such state");
        assert!(Executions::in_dir(&tmp.path().join("missing")).is_err());
    }
}
