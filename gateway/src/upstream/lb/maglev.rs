//! Consistent hashing by Maglev (Eisenbud et al., NSDI 2016, §3.4), weighted as in Envoy.

use xxhash_rust::xxh64::xxh64;

/// Largest table that Envoy accepts.
const MAXIMUM_SIZE: u64 = 5_000_011;

/// A table of slots, each with its member.
#[derive(Debug, Default)]
pub struct MaglevTable {
    slots: Vec<u32>,
}

/// A member while the table is filled.
struct Candidate {
    member: u32,
    offset: u64,
    skip: u64,
    weight: f64,
    target: f64,
    next: u64,
}

/// An empty slot.
const EMPTY: u32 = u32::MAX;

impl MaglevTable {
    /// Members by name with their weights, which sum up to 1. `size` must be a prime; another number is taken as the
    /// next prime, and more than 5000011 as that.
    pub fn new<'n>(members: impl Iterator<Item = (&'n str, f64)>, size: u64) -> Self {
        let mut members: Vec<(&str, f64, u32)> =
            (0..).zip(members).map(|(index, (name, weight))| (name, weight, index)).collect();
        let heaviest = members.iter().map(|(_, weight, _)| *weight).fold(0.0, f64::max);
        if heaviest <= 0.0 {
            return MaglevTable::default();
        }
        // Slots are given in turn: the order of turns must not depend on the order of configuration.
        members.sort_by(|a, b| a.0.cmp(b.0));
        let size = accepted(size);
        let mut candidates: Vec<Candidate> = members
            .into_iter()
            .map(|(name, weight, member)| Candidate {
                member,
                offset: xxh64(name.as_bytes(), 0) % size,
                skip: xxh64(name.as_bytes(), 1) % (size - 1) + 1,
                weight,
                target: 0.0,
                next: 0,
            })
            .collect();
        MaglevTable { slots: fill(&mut candidates, heaviest, size) }
    }

    /// The member for a key; another attempt goes elsewhere.
    pub fn get(&self, key: u64, attempt: u32) -> Option<usize> {
        let key = if attempt == 0 { key } else { key ^ (u64::MAX - u64::from(attempt) + 1) };
        let slot = key.checked_rem(self.slots.len() as u64)?;
        self.slots.get(slot as usize).map(|member| *member as usize)
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// Members take slots in turn, each by its own order of preference; the heaviest in every round, others as their weight
/// allows.
fn fill(candidates: &mut [Candidate], heaviest: f64, size: u64) -> Vec<u32> {
    let mut slots = vec![EMPTY; size as usize];
    let mut left = size;
    let mut round = 0.0;
    while left > 0 {
        round += 1.0;
        for candidate in candidates.iter_mut() {
            if left == 0 {
                break;
            }
            if round * candidate.weight < candidate.target {
                continue;
            }
            candidate.target += heaviest;
            let slot = loop {
                let slot = (candidate.offset + candidate.skip * candidate.next) % size;
                candidate.next += 1;
                if slots[slot as usize] == EMPTY {
                    break slot;
                }
            };
            slots[slot as usize] = candidate.member;
            left -= 1;
        }
    }
    slots
}

/// The next prime, within limits.
fn accepted(size: u64) -> u64 {
    let from = size.clamp(2, MAXIMUM_SIZE);
    let is_prime = |n: u64| (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    (from..).find(|n| is_prime(*n)).unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(members: &[(&str, f64)], size: u64) -> MaglevTable {
        MaglevTable::new(members.iter().copied(), size)
    }

    fn slots_of(table: &MaglevTable, member: u32) -> usize {
        table.slots.iter().filter(|owner| **owner == member).count()
    }

    #[test]
    fn slots_are_shared_evenly() {
        let table = table(&[("a", 1.0 / 3.0), ("b", 1.0 / 3.0), ("c", 1.0 / 3.0)], 65537);
        for member in 0..3 {
            assert!((21845..=21846).contains(&slots_of(&table, member)));
        }
    }

    #[test]
    fn weights_get_their_share() {
        let table = table(&[("a", 0.7), ("b", 0.2), ("c", 0.1)], 10007);
        for (member, share) in [(0, 0.7), (1, 0.2), (2, 0.1)] {
            let found = slots_of(&table, member) as f64 / 10007.0;
            assert!((found - share).abs() < 0.002, "{member}: {found}");
        }
    }

    #[test]
    fn the_order_of_configuration_does_not_matter() {
        let one = table(&[("a", 0.5), ("b", 0.5)], 101);
        let other = table(&[("b", 0.5), ("a", 0.5)], 101);
        for key in 0..101 {
            assert_eq!(one.get(key, 0).map(|m| 1 - m), other.get(key, 0));
        }
    }

    #[test]
    fn sizes_that_are_no_primes() {
        assert_eq!(table(&[("a", 1.0)], 100).len(), 101);
        assert_eq!(table(&[("a", 1.0)], 0).len(), 2);
        assert_eq!([accepted(65537), accepted(65538), accepted(u64::MAX)], [65537, 65539, 5_000_011]);
        assert!(table(&[], 101).is_empty());
        assert_eq!(table(&[], 101).get(5, 0), None);
    }

    #[test]
    fn more_members_than_slots() {
        let names: Vec<String> = (0..50).map(|n| format!("10.0.0.{n}:80")).collect();
        let table = MaglevTable::new(names.iter().map(|name| (name.as_str(), 0.02)), 7);
        assert_eq!(table.len(), 7);
    }
}
