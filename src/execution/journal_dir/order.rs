//! What people ask of the running process from another terminal: one small file each, put there whole.

use super::{JournalDir, JournalDirError, failed, sync_dir};
use crate::private_file;
use crate::runner::StopMode;
use crate::session::Input;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// At most so many are asked and not taken up.
const MOST: u32 = 9_999;

/// Something asked of the process that carries an execution out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// An orderly stop.
    Stop {
        /// See [`StopMode`].
        #[serde(default)]
        terminate_drained: Option<bool>,
    },
    /// The process is to end now; the execution can be resumed.
    Interrupt {
        /// Who or why.
        why: String,
    },
    /// A batch may start as far as people are concerned.
    Approve {
        /// Batch, counted from 0.
        batch: u32,
        /// Who.
        by: String,
    },
    /// A gate of a transfer is approved.
    ApproveGate {
        /// Its name.
        gate: String,
        /// Who.
        by: String,
    },
}

impl Order {
    /// What is asked, in words (batches counted from 1).
    pub fn words(&self) -> String {
        match self {
            Order::Stop { terminate_drained: None } => "an orderly stop".into(),
            Order::Stop { terminate_drained: Some(true) } => "an orderly stop, drained nodes to be given back".into(),
            Order::Stop { terminate_drained: Some(false) } => "an orderly stop, drained nodes to be kept".into(),
            Order::Interrupt { .. } => "to end now".into(),
            Order::Approve { batch, by } => format!("batch {} may start, says {by}", batch.saturating_add(1)),
            Order::ApproveGate { gate, by } => format!("gate {gate} is approved, says {by}"),
        }
    }
    /// What a session hears of it; None for what only a transfer has.
    pub fn input(&self) -> Option<Input> {
        Some(match self {
            Order::Stop { terminate_drained } => Input::Stop(StopMode { terminate_drained: *terminate_drained }),
            Order::Interrupt { why } => Input::Interrupt(why.clone()),
            Order::Approve { batch, by } => Input::Approve { batch: *batch, by: by.clone() },
            Order::ApproveGate { .. } => return None,
        })
    }
}

/// An order in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its file.
    pub file: PathBuf,
    /// What it says.
    pub order: Order,
}

impl JournalDir {
    /// Puts an order where the running process, or the next one, finds it. It is there whole or not at all.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn ask(&self, order: &Order) -> Result<Asked, JournalDirError> {
        let dir = self.requests();
        private_file::create_dir_all(&dir).map_err(failed("make the directory", &dir))?;
        let text = serde_json::to_string(order).map_err(|e| failed("write an order into", &dir)(e.into()))? + "\n";
        let (part, file) = reserve(&dir)?;
        let mut open = private_file::options().write(true).open(&part).map_err(failed("open", &part))?;
        let written = open.write_all(text.as_bytes()).and_then(|()| open.sync_all());
        written.and_then(|()| std::fs::rename(&part, &file)).map_err(failed("write", &file))?;
        sync_dir(&dir)?;
        Ok(Asked { file, order: order.clone() })
    }
    /// What was asked and not taken up, oldest first, and what is wrong with files that are no orders: they are put
    /// aside (`.refused`).
    ///
    /// The process that takes an order up calls [`JournalDir::taken`] once its journal has it safe, not before: if it is
    /// killed in between, the order is taken up twice, which does no harm, and is never lost.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn asked(&self) -> Result<(Vec<Asked>, Vec<String>), JournalDirError> {
        let (mut orders, mut refused) = (Vec::new(), Vec::new());
        for file in files(&self.requests())?.into_iter().filter(|f| has_extension(f, "json")) {
            match read(&file) {
                Ok(Some(order)) => orders.push(Asked { file, order }),
                Ok(None) => {}
                Err(why) => {
                    let aside = file.with_extension("refused");
                    std::fs::rename(&file, &aside).map_err(failed("put aside", &file))?;
                    refused.push(format!(
                        "{}: no order: {why}; it is put aside as {}",
                        file.display(),
                        aside.display()
                    ));
                }
            }
        }
        Ok((orders, refused))
    }
    /// What was asked and not taken up, oldest first; nothing is changed.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn pending(&self) -> Result<Vec<Order>, JournalDirError> {
        Ok(self.standing()?.into_iter().map(|a| a.order).collect())
    }
    fn standing(&self) -> Result<Vec<Asked>, JournalDirError> {
        let files = files(&self.requests())?.into_iter().filter(|f| has_extension(f, "json"));
        Ok(files.filter_map(|file| read(&file).ok().flatten().map(|order| Asked { file, order })).collect())
    }
    /// To end now was asked of the process before, which has ended one way or another.
    pub(in crate::execution) fn forget_interruptions(&self) -> Result<(), JournalDirError> {
        let asked = self.standing()?;
        asked.iter().filter(|a| matches!(a.order, Order::Interrupt { .. })).try_for_each(|a| self.taken(a))
    }
    /// Takes an order away: the journal has it.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn taken(&self, asked: &Asked) -> Result<(), JournalDirError> {
        match std::fs::remove_file(&asked.file) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(failed("remove", &asked.file)(e)),
            _ => sync_dir(&self.requests()),
        }
    }
}

/// None if it is gone already.
fn read(file: &Path) -> Result<Option<Order>, String> {
    match std::fs::read(file) {
        Ok(text) => crate::typed::from_json(&text).map(Some).map_err(|e| e.to_string()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.to_string()),
    }
}

/// A number that no other order has, as a file still being written and its name once it is whole. Two people may ask at
/// once: only one of them can make the first file, and nobody else takes the name it stands for.
fn reserve(dir: &Path) -> Result<(PathBuf, PathBuf), JournalDirError> {
    let number = |f: &PathBuf| f.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse::<u32>().ok());
    let last = files(dir)?.iter().filter_map(number).max().unwrap_or(0);
    for n in last + 1..=last + MOST {
        let (part, file) = (dir.join(format!("{n:06}.part")), dir.join(format!("{n:06}.json")));
        match private_file::options().write(true).create_new(true).open(&part) {
            // Its owner may have put it in place between our look and now.
            Ok(_) if file.exists() => std::fs::remove_file(&part).map_err(failed("remove", &part))?,
            Ok(_) => return Ok((part, file)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(failed("write", &part)(e)),
        }
    }
    Err(failed("write another order into", dir)(ErrorKind::StorageFull.into()))
}

/// Files of a directory by name; none if there is no such directory.
fn files(dir: &Path) -> Result<Vec<PathBuf>, JournalDirError> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed("read the directory", dir))?,
    };
    let paths: Result<Vec<PathBuf>, _> = entries.map(|e| e.map(|e| e.path())).collect();
    let mut paths = paths.map_err(failed("read the directory", dir))?;
    paths.sort();
    Ok(paths)
}

fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|e| e == extension)
}
