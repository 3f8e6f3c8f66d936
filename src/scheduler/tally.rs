//! Counts by place, most of which are zero: the pods of one workload lie on few of many nodes.

/// A place that no slot holds.
const EMPTY: u32 = u32::MAX;
/// So many places are kept as a list whatever is in them.
const SHORT: usize = 64;
/// A list is made where at least one place of so many holds something.
const DENSE: usize = 16;

/// A count by place (a node's or a domain's index). Room follows the places that hold something, not those that there are.
#[derive(Clone, Debug)]
pub struct Tally {
    store: Store,
    /// One past the highest place that ever held something.
    end: usize,
}

#[derive(Clone, Debug)]
enum Store {
    /// By place; places beyond the end hold nothing.
    List(Vec<u32>),
    /// An open table: a place is at its hash or after it.
    Table { slots: Vec<(u32, u32)>, len: usize },
}

impl Default for Tally {
    fn default() -> Self {
        Tally { store: Store::List(Vec::new()), end: 0 }
    }
}

/// Where the search for a place begins in a table of that many slots (a power of two).
#[inline]
fn home(place: u32, slots: usize) -> usize {
    (place.wrapping_mul(0x9E37_79B1) >> (u32::BITS - slots.trailing_zeros())) as usize
}

impl Tally {
    /// The count of a place.
    #[inline]
    pub fn get(&self, place: usize) -> u32 {
        match &self.store {
            Store::List(list) => list.get(place).copied().unwrap_or(0),
            Store::Table { slots, .. } => {
                let mut i = home(place as u32, slots.len());
                loop {
                    match slots[i] {
                        (EMPTY, _) => return 0,
                        (found, count) if found as usize == place => return count,
                        _ => i = (i + 1) & (slots.len() - 1),
                    }
                }
            }
        }
    }

    /// Whether it is kept as a list, so that looking up a place costs nothing.
    pub fn is_list(&self) -> bool {
        matches!(self.store, Store::List(_))
    }

    /// How many places of a table hold something; 0 for a list.
    pub fn table_len(&self) -> usize {
        match &self.store {
            Store::List(_) => 0,
            Store::Table { len, .. } => *len,
        }
    }

    /// Adds to the count of a place, which does not fall below zero; the counts before and after.
    pub fn change(&mut self, place: usize, delta: i64) -> (u32, u32) {
        self.make_room(place);
        let changed = |count: u32| (i64::from(count) + delta).max(0) as u32;
        match &mut self.store {
            Store::List(list) => {
                let before = list[place];
                list[place] = changed(before);
                (before, list[place])
            }
            Store::Table { slots, len } => {
                let mask = slots.len() - 1;
                let mut i = home(place as u32, slots.len());
                while slots[i].0 != EMPTY && slots[i].0 as usize != place {
                    i = (i + 1) & mask;
                }
                let before = if slots[i].0 == EMPTY { 0 } else { slots[i].1 };
                let after = changed(before);
                match (before, after) {
                    (0, 0) => {}
                    (_, 0) => {
                        *len -= 1;
                        close_gap(slots, i);
                    }
                    (before, after) => {
                        *len += usize::from(before == 0);
                        slots[i] = (place as u32, after);
                    }
                }
                (before, after)
            }
        }
    }

    /// Places that hold something with their counts, in no order that means anything.
    pub fn held(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let (list, slots): (&[u32], &[(u32, u32)]) = match &self.store {
            Store::List(list) => (list, &[]),
            Store::Table { slots, .. } => (&[], slots),
        };
        let of_list = list.iter().enumerate().map(|(place, count)| (place, *count)).filter(|p| p.1 > 0);
        let of_table = slots.iter().filter(|s| s.0 != EMPTY).map(|s| (s.0 as usize, s.1));
        of_list.chain(of_table)
    }

    /// Makes the store one that can take a place, and the one that suits what is held.
    fn make_room(&mut self, place: usize) {
        let end = self.end.max(place + 1);
        match &mut self.store {
            Store::List(list) if place < list.len() => {}
            Store::List(list) => {
                let held = list.iter().filter(|c| **c > 0).count();
                if end <= SHORT || held * DENSE >= end {
                    list.resize(end, 0);
                } else {
                    self.store = self.table(held + 1);
                }
            }
            Store::Table { len, .. } if *len * DENSE >= end => {
                let mut list = vec![0; end];
                self.held().for_each(|(place, count)| list[place] = count);
                self.store = Store::List(list);
            }
            Store::Table { slots, len } if (*len + 1) * 2 > slots.len() => {
                let wanted = *len + 1;
                self.store = self.table(wanted);
            }
            Store::Table { .. } => {}
        }
        self.end = end;
    }

    /// What is held as a table that has room for `wanted` places, at most half full.
    fn table(&self, wanted: usize) -> Store {
        let mut slots = vec![(EMPTY, 0); (wanted * 2).next_power_of_two().max(4)];
        let mut len = 0;
        for (place, count) in self.held() {
            let mut i = home(place as u32, slots.len());
            while slots[i].0 != EMPTY {
                i = (i + 1) & (slots.len() - 1);
            }
            slots[i] = (place as u32, count);
            len += 1;
        }
        Store::Table { slots, len }
    }
}

/// Empties a slot and moves up those that a search would no longer find behind the gap.
fn close_gap(slots: &mut [(u32, u32)], mut gap: usize) {
    let mask = slots.len() - 1;
    let mut i = gap;
    loop {
        i = (i + 1) & mask;
        if slots[i].0 == EMPTY {
            break;
        }
        let from_home = i.wrapping_sub(home(slots[i].0, slots.len())) & mask;
        let from_gap = i.wrapping_sub(gap) & mask;
        if from_home >= from_gap {
            slots[gap] = slots[i];
            gap = i;
        }
    }
    slots[gap] = (EMPTY, 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::draw::Draws;
    use std::collections::BTreeMap;

    #[test]
    fn equals_a_plain_map_whatever_it_is_stored_as() {
        let draws = Draws::new(5);
        for (case, places) in [3_u64, 70, 500, 20_000].into_iter().enumerate() {
            let mut tally = Tally::default();
            let mut plain: BTreeMap<usize, u32> = BTreeMap::new();
            for step in 0..3_000_u64 {
                let nth = case as u64 * 10_000 + step;
                let place = draws.below("tally", "place", nth, places) as usize;
                let delta = draws.below("tally", "delta", nth, 4) as i64 - if step < 1_500 { 1 } else { 2 };
                let entry = plain.entry(place).or_default();
                let before = *entry;
                *entry = (i64::from(before) + delta).max(0) as u32;
                assert_eq!(tally.change(place, delta), (before, *entry));
                let other = draws.below("tally", "other", nth, places) as usize;
                assert_eq!(tally.get(other), plain.get(&other).copied().unwrap_or(0));
            }
            let mut held: Vec<_> = tally.held().collect();
            held.sort_unstable();
            let plain: Vec<_> = plain.into_iter().filter(|p| p.1 > 0).collect();
            assert_eq!(held, plain, "{places} places");
        }
    }

    #[test]
    fn a_workload_of_few_pods_takes_little_room_among_many_nodes() {
        let mut tally = Tally::default();
        for node in [99_000, 5, 50_000] {
            tally.change(node, 1);
        }
        assert!(matches!(&tally.store, Store::Table { slots, .. } if slots.len() <= 8));
        for node in 0..20_000 {
            tally.change(node, 1);
        }
        assert!(matches!(&tally.store, Store::List(_)));
        assert_eq!([tally.get(5), tally.get(6), tally.get(99_000), tally.get(99_001)], [2, 1, 1, 0]);
    }
}
