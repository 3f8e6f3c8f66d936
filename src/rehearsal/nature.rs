//! What happens by itself, or by others, while an execution goes on: drawn once, at its beginning.

use super::luck::Luck;
use crate::runner::Ms;

/// Something that happens at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Somebody asks for an orderly stop.
    Stop,
    /// The process is killed.
    Kill,
    /// The process stands still for so long.
    Freeze(Ms),
    /// The clock of the process's machine jumps by so much.
    Jump(Ms),
    /// Somebody interrupts the process (Ctrl-C, twice).
    Interrupt,
    /// Another execution writes itself into the Lease, as if ours had lapsed; it leaves after so long.
    TakeLease(Ms),
    /// The other execution gives the Lease back.
    LeaveLease,
    /// The API server forgets its history.
    Compact,
    /// The API server is away for so long.
    Away(Ms),
    /// Somebody cordons a node.
    Cordon(u64),
    /// Somebody uncordons a node.
    Uncordon(u64),
    /// Somebody uncordons one of the nodes that are to be emptied.
    UncordonOld(u64),
    /// An admission policy refuses every cordon for so long, with this status.
    DenyCordons(Ms, u16),
    /// One of the nodes that are to be emptied is deleted, and registered again under its name so long after.
    RegisterAgain(u64, Ms),
    /// Somebody drains a node: cordons it and evicts what is on it.
    Drain(u64),
    /// Somebody deletes a pod.
    DeletePod(u64),
    /// A node's machine vanishes with its object.
    Vanish(u64),
    /// A node stops answering.
    Lose(u64),
    /// Something else answers in the API server's place, which requests and how by this number, for so long.
    Lie(u64, Ms),
    /// We lack rights for so long, which by this number.
    Revoke(u64, Ms),
    /// An admission webhook denies evictions or fails, how by this number, for so long.
    Webhook(u64, Ms),
    /// Every watch ends as soon as it has begun, how by this number, for so long.
    Flood(u64, Ms),
    /// The flood is over.
    FloodEnds,
    /// Somebody goes on with a copy of the journal on another machine, which dies after so long.
    Copy(Ms),
    /// That machine dies.
    CopyDies,
}

/// All that happens within `span` milliseconds, unsorted.
pub fn drawn(luck: &mut Luck, span: Ms) -> Vec<(Ms, Nature)> {
    let mut all = Vec::new();
    let mut some = |luck: &mut Luck, name: &str, most: u64, make: &mut dyn FnMut(&mut Luck) -> Nature| {
        for _ in 0..luck.how_many(name, most) {
            let at = luck.between(&format!("{name} at"), 0, span.max(1) as u64) as Ms;
            let nature = make(luck);
            all.push((at, nature));
        }
    };
    some(luck, "stop", 1, &mut |_| Nature::Stop);
    some(luck, "kill", 4, &mut |_| Nature::Kill);
    some(luck, "freeze", 2, &mut |l| Nature::Freeze(l.delay("freeze for", 1_000, 120_000)));
    some(luck, "jump", 2, &mut |l| Nature::Jump(l.delay("jump by", 0, 600_000) - 200_000));
    some(luck, "interrupt", 1, &mut |_| Nature::Interrupt);
    some(luck, "lease", 1, &mut |l| Nature::TakeLease(l.delay("lease for", 5_000, 120_000)));
    some(luck, "compact", 3, &mut |_| Nature::Compact);
    some(luck, "away", 2, &mut |l| Nature::Away(l.delay("away for", 500, 240_000)));
    some(luck, "cordon", 2, &mut |l| Nature::Cordon(l.between("cordon which", 0, u64::MAX)));
    some(luck, "uncordon", 2, &mut |l| Nature::Uncordon(l.between("uncordon which", 0, u64::MAX)));
    some(luck, "drain", 1, &mut |l| Nature::Drain(l.between("drain which", 0, u64::MAX)));
    some(luck, "delete pod", 4, &mut |l| Nature::DeletePod(l.between("delete which", 0, u64::MAX)));
    some(luck, "vanish", 1, &mut |l| Nature::Vanish(l.between("vanish which", 0, u64::MAX)));
    some(luck, "lie", 3, &mut |l| Nature::Lie(l.between("lie how", 0, u64::MAX), l.delay("lie for", 500, 240_000)));
    some(luck, "uncordon old", 3, &mut |l| Nature::UncordonOld(l.between("uncordon which old", 0, u64::MAX)));
    some(luck, "deny cordons", 1, &mut |l| {
        let code = if l.between("deny how", 0, 1) == 0 { 403 } else { 422 };
        Nature::DenyCordons(l.delay("deny for", 1_000, 300_000), code)
    });
    some(luck, "register again", 1, &mut |l| {
        Nature::RegisterAgain(l.between("register which", 0, u64::MAX), l.delay("register after", 0, 30_000))
    });
    some(luck, "revoke", 1, &mut |l| {
        Nature::Revoke(l.between("revoke which", 0, u64::MAX), l.delay("revoke for", 500, 900_000))
    });
    some(luck, "webhook", 3, &mut |l| {
        Nature::Webhook(l.between("webhook how", 0, u64::MAX), l.delay("webhook for", 500, 300_000))
    });
    some(luck, "flood", 1, &mut |l| {
        Nature::Flood(l.between("flood how", 0, u64::MAX), l.delay("flood for", 5_000, 600_000))
    });
    some(luck, "copy", 1, &mut |l| Nature::Copy(l.delay("copy for", 1_000, 600_000)));
    some(luck, "lose", 1, &mut |l| Nature::Lose(l.between("lose which", 0, u64::MAX)));
    all
}
