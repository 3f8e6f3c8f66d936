//! Records of the programs that an execution has started: made before a program begins, taken away when it has ended, so that whoever goes on
//! after a process that was killed finds what that one left running, and ends it.

use super::super::process::boot;
use super::group;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The variable by which all that a program has started can be recognized: the path of its record.
pub(super) const MARK: &str = "NODEFERRY_PROGRAM";
/// The first argument of our own command when it is run to start a program.
const START: &str = "--start-program";

/// A program that runs, or was running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its process, which is its process group too.
    pub pid: u32,
    /// The boot of the machine, and the space of numbers, in which that number holds.
    pub boot: String,
    /// When the process began, in ticks since that boot.
    pub began: u64,
    /// What it is, without its arguments, in which there may be secrets.
    pub program: String,
}

/// Where records are kept.
#[derive(Clone, Debug)]
pub(super) struct Records {
    /// Directory.
    pub dir: PathBuf,
    /// Our own command.
    pub starter: PathBuf,
}

impl Records {
    /// The arguments of our own command with which it records itself before it becomes the program.
    pub fn starting(&self, record: &Path, argv: &[String]) -> Vec<OsString> {
        let parent = std::process::id().to_string();
        let own = [OsStr::new(START), record.as_os_str(), OsStr::new(&parent)];
        own.into_iter().map(OsStr::to_owned).chain(argv.iter().map(OsString::from)).collect()
    }

    /// What was recorded and not taken away; what is not a record is taken away.
    pub fn read(&self) -> Vec<(PathBuf, Record)> {
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return Vec::new() };
        let mut paths: Vec<PathBuf> =
            entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|x| x == "json")).collect();
        paths.sort();
        let mut records = Vec::new();
        for path in paths {
            match std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
                Some(record) => records.push((path, record)),
                None => _ = std::fs::remove_file(&path),
            }
        }
        records
    }
}

impl Record {
    /// The process group, if what runs in it is what was recorded: numbers of processes are used again.
    pub fn still_runs(&self, path: &Path) -> Option<u32> {
        if boot() != self.boot || self.boot.is_empty() {
            return None;
        }
        let same = began(self.pid).is_some_and(|b| b == self.began);
        (same || group::members(self.pid).any(|pid| is_marked(pid, path))).then_some(self.pid)
    }
}

/// Runs as the starter of a program, if that is what the command line says: records itself, and becomes the program. None if it says otherwise.
/// Returns only if the program could not be started: an exit status.
pub fn started_program(arguments: &[OsString]) -> Option<i32> {
    let [_, start, record, parent, name, rest @ ..] = arguments else { return None };
    if start != START {
        return None;
    }
    let parent: u32 = parent.to_str()?.parse().ok()?;
    Some(match become_program(Path::new(record), parent, name, rest) {
        Ok(never) => match never {},
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "{} cannot be started: {why}", name.to_string_lossy());
            127
        }
    })
}

#[cfg(unix)]
fn become_program(
    record: &Path,
    parent: u32,
    name: &OsStr,
    rest: &[OsString],
) -> std::io::Result<std::convert::Infallible> {
    use std::os::unix::process::CommandExt;
    let pid = std::process::id();
    let own = Record {
        pid,
        boot: boot(),
        began: began(pid).unwrap_or_default(),
        program: name.to_string_lossy().into_owned(),
    };
    // There as a whole or not at all, for somebody may read it at this moment.
    let part = record.with_extension("part");
    crate::private_file::write(&part, serde_json::to_vec(&own)?)?;
    std::fs::rename(&part, record)?;
    // Who was killed in between may have been followed already by a process that found no record.
    if std::os::unix::process::parent_id() != parent {
        let _ = std::fs::remove_file(record);
        return Err(std::io::Error::other("the nodeferry that starts it has ended"));
    }
    Err(std::process::Command::new(name).args(rest).exec())
}

#[cfg(not(unix))]
fn become_program(_: &Path, _: u32, _: &OsStr, _: &[OsString]) -> std::io::Result<std::convert::Infallible> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// When a process began, in ticks since the boot; None if there is none, or that cannot be read.
fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the 20th field after it is the time.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Whether a process was started by the program of a record.
fn is_marked(pid: u32, path: &Path) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    let mark = format!("{MARK}={}", path.display());
    environment.split(|b| *b == 0).any(|v| v == mark.as_bytes())
}
