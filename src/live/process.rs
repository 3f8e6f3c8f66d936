//! Which process this is, and whether another one of this machine is alive.

use super::clock;
use crate::session::ProcessId;
use crate::snapshot::hex;
use ring::rand::{SecureRandom, SystemRandom};
use std::path::Path;

/// The machine's boot, and the space in which process numbers count: in a container of the same machine, number 1 is another process.
/// Empty where they are not known; then no process is ever taken for dead.
pub(super) fn boot() -> String {
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let space = std::fs::read_link("/proc/self/ns/pid").ok().map(|p| p.to_string_lossy().into_owned());
    let number = |space: String| space.chars().filter(char::is_ascii_digit).collect::<String>();
    match (read("/proc/sys/kernel/random/boot_id"), space.map(number)) {
        (Some(boot), Some(space)) if !space.is_empty() => format!("{boot}.{space}"),
        _ => String::new(),
    }
}

fn host() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

/// This process.
pub fn this() -> ProcessId {
    let pid = std::process::id();
    let random = random::<8>().map(|bytes| hex(&bytes));
    // Without any, when it began still sets it apart from who had its number before.
    let random = random.unwrap_or_else(|| clock::unix_ms().to_string());
    ProcessId::new(&host(), &boot(), pid, &random)
}

/// Bytes that nobody can guess; None if the system gives none.
pub(super) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| bytes)
}

/// Whether a process is known to be dead: it was of this machine, this boot and this space of numbers, and its number is nobody's.
pub fn is_dead(process: &ProcessId) -> bool {
    let (host, boot) = (host(), boot());
    let here = ProcessId::new(&host, &boot, process.pid, "");
    !boot.is_empty() && process.host == here.host && process.boot == here.boot && is_nobodys(process.pid)
}

#[cfg(not(unix))]
fn is_nobodys(_: u32) -> bool {
    false
}

#[cfg(unix)]
fn is_nobodys(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    // Of somebody else's process that may not be signalled it says so (EPERM); /proc may hide it.
    let none = rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
    none && !Path::new(&format!("/proc/{}", pid.as_raw_nonzero())).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_machine_and_boot_is_known_to_be_dead() {
        let us = this();
        assert!(!us.random.is_empty() && us.random != this().random);
        assert!(!is_dead(&us), "we are alive");
        if us.boot.is_empty() {
            return;
        }
        let mut child = std::process::Command::new("true").spawn().expect("a process");
        let pid = child.id();
        child.wait().expect("it ends");
        let dead = ProcessId { pid, ..us.clone() };
        assert!(is_dead(&dead));
        for other in [
            ProcessId { host: "elsewhere".into(), ..dead.clone() },
            ProcessId { boot: "another".into(), ..dead.clone() },
            ProcessId { boot: String::new(), ..dead.clone() },
            ProcessId { pid: 0, ..dead.clone() },
            ProcessId { pid: u32::MAX, ..dead },
        ] {
            assert!(!is_dead(&other), "{other:?}");
        }
    }
}
