//! All luck of a differential test, from one seed.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of draws; the same seed gives the same stream.
pub struct Luck(ChaCha8Rng);

impl Luck {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Luck {
        Luck(ChaCha8Rng::seed_from_u64(seed))
    }
    /// From low to high, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }
    /// Whether something of so many percent happens.
    pub fn percent(&mut self, percent: i64) -> bool {
        self.between(1, 100) <= percent
    }
    /// One of several.
    pub fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.0.random_range(0..of.len())]
    }
    /// Each of several with so many percent, in their order.
    pub fn some<T: Clone>(&mut self, of: &[T], percent: i64) -> Vec<T> {
        of.iter().filter(|_| self.percent(percent)).cloned().collect()
    }
}
