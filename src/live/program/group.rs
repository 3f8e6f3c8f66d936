//! Process groups: what a program has started with all that this has started.

use std::time::Duration;

/// What was asked to end (SIGTERM) may take so long before it is killed (SIGKILL).
pub const GRACE: Duration = Duration::from_secs(5);
/// Whether it has ended is looked at so often.
const LOOK: Duration = Duration::from_millis(20);

/// Asks all processes of a group to end.
pub(super) fn terminate(group: u32) {
    signal(group, Ask::End);
}

/// Kills all processes of a group.
pub(super) fn kill(group: u32) {
    signal(group, Ask::Die);
}

/// Ends a group: asks, waits for [`GRACE`], kills. Whoever drops this before its end kills at once.
pub(super) async fn end(group: u32) {
    let guard = Kill(group);
    terminate(group);
    let _ = tokio::time::timeout(GRACE, gone(group)).await;
    drop(guard);
}

/// Waits until no process of a group is left.
async fn gone(group: u32) {
    while is_there(group) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Kills a group when it is dropped.
struct Kill(u32);

impl Drop for Kill {
    fn drop(&mut self) {
        kill(self.0);
    }
}

#[derive(Clone, Copy)]
enum Ask {
    End,
    Die,
}

#[cfg(unix)]
fn pid(group: u32) -> Option<rustix::process::Pid> {
    i32::try_from(group).ok().and_then(rustix::process::Pid::from_raw)
}

#[cfg(unix)]
fn signal(group: u32, ask: Ask) {
    use rustix::process::{Signal, kill_process_group};
    let signal = match ask {
        Ask::End => Signal::TERM,
        Ask::Die => Signal::KILL,
    };
    if let Some(pid) = pid(group) {
        let _ = kill_process_group(pid, signal);
    }
}

#[cfg(unix)]
fn is_there(group: u32) -> bool {
    pid(group).is_some_and(|pid| rustix::process::test_kill_process_group(pid).is_ok())
}

#[cfg(not(unix))]
fn signal(_: u32, _: Ask) {}

#[cfg(not(unix))]
fn is_there(_: u32) -> bool {
    false
}

/// The processes of a group, where the system shows them.
pub(super) fn members(group: u32) -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").ok().into_iter().flatten().flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(move |pid| group_of(*pid) == Some(group))
}

fn group_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()
}
