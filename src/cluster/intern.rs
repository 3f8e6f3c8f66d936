//! Strings as small numbers: names, label keys and values, images.

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

/// An interned string. Equal symbols of one cluster are equal strings; the order of symbols means nothing to a user.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Sym(pub u32);

/// The strings of a catalogue, in the order in which they were first seen.
#[derive(Clone, Debug, Default)]
pub struct Interner {
    strings: IndexSet<Box<str>, FxBuildHasher>,
}

impl Interner {
    /// The symbol of `text`, made if new.
    pub fn intern(&mut self, text: &str) -> Sym {
        if let Some(i) = self.strings.get_index_of(text) {
            return Sym(i as u32);
        }
        let (i, _) = self.strings.insert_full(text.into());
        Sym(i32::try_from(i).expect("fewer than 2^31 distinct strings") as u32)
    }
    /// The symbol of `text`, if it occurs.
    pub fn get(&self, text: &str) -> Option<Sym> {
        self.strings.get_index_of(text).map(|i| Sym(i as u32))
    }
    /// The string of a symbol of this interner; None for a name made during a run (see `State::name`).
    pub fn text(&self, sym: Sym) -> Option<&str> {
        self.strings.get_index(sym.0 as usize).map(|s| &**s)
    }
    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.strings.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.strings.is_empty()
    }
}
