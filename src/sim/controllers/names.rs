//! Names of generated pods.

use super::super::ctx::Ctx;
use super::memory::Memory;
use crate::cluster::{OwnerIdx, PodIdx, SpecIdx};
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;

/// Upstream's alphabet: no vowels, no characters that look alike (apimachinery util/rand `alphanums`).
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Characters appended (apiserver storage/names `randomLength`).
const RANDOM_LENGTH: usize = 5;
/// Owners of so many pods know the names' hashes.
const MANY: usize = 64;
/// Longest base (storage/names `MaxGeneratedNameLength`).
const LONGEST_BASE: usize = 63 - RANDOM_LENGTH;

/// A name for a pod of `owner`: its generateName (or `owner-`) and five characters drawn for the n-th pod that the
/// owner makes; drawn again while a live pod of the owner bears it.
pub fn generate(ctx: &Ctx<'_>, owner: OwnerIdx, spec: SpecIdx, memory: &mut Memory) -> String {
    let of_owner;
    let base = match ctx.catalog.specs[spec].generate_name {
        Some(base) => ctx.catalog.text(base),
        None => {
            of_owner = format!("{}-", ctx.catalog.text(ctx.catalog.owners[owner].name));
            &of_owner
        }
    };
    let base = base.get(..LONGEST_BASE).unwrap_or(base);
    let key = ctx.catalog.owner_text(owner);
    // The API server itself tries eight times; a sixth clash in a row does not happen.
    for _ in 0..8 {
        let draw = ctx.draws.u64(&key, "pod-name", memory.named);
        memory.named += 1;
        let name = named(base, draw);
        if !is_taken(ctx, owner, memory, &name) {
            return name;
        }
    }
    named(base, memory.named)
}

/// Whether a pod of the owner bears a name. Those of many pods are not compared each time.
fn is_taken(ctx: &Ctx<'_>, owner: OwnerIdx, memory: &mut Memory, name: &str) -> bool {
    let name_of = |p: &PodIdx| ctx.state.name(ctx.catalog, ctx.state.pods[*p].name);
    let pods = &ctx.state.owned[owner];
    if pods.len() >= MANY {
        let names = memory.names.get_or_insert_with(|| pods.iter().map(|p| hash(name_of(p))).collect());
        if !names.contains(&hash(name)) {
            return false;
        }
    }
    pods.iter().any(|p| name_of(p) == name)
}

/// A name's hash, as [`Memory::names`] has it.
pub fn hash(name: &str) -> u64 {
    FxBuildHasher.hash_one(name)
}

/// The base with a suffix that was drawn.
fn named(base: &str, mut draw: u64) -> String {
    let mut name = String::with_capacity(base.len() + RANDOM_LENGTH);
    name.push_str(base);
    for _ in 0..RANDOM_LENGTH {
        name.push(char::from(ALPHABET[(draw % 27) as usize]));
        draw /= 27;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_use_upstreams_alphabet() {
        assert_eq!(named("a-", 0), "a-bbbbb");
        assert_eq!(named("", 26), "9bbbb");
        assert_eq!(named("", 27), "bcbbb");
        assert!(named("", u64::MAX).bytes().all(|c| ALPHABET.contains(&c)));
    }
}
