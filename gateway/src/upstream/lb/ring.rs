//! Consistent hashing on a ring, by Ketama as Envoy builds it: the same endpoints and keys meet on the same points.

use std::io::Write;

use xxhash_rust::xxh64::xxh64;

/// Points at most, however uneven the weights (Envoy's default; Istio has no field for it).
const MAXIMUM_SIZE: f64 = (8 << 20) as f64;

/// Points of endpoints on the circle of 64-bit numbers.
#[derive(Debug, Default)]
pub struct HashRing {
    /// Position and member, by position.
    points: Vec<(u64, u32)>,
}

impl HashRing {
    /// Members by name with their weights, which sum up to 1. The lightest gets a whole number of points, so that
    /// there are at least `minimum_size`, unless that exceeds Envoy's maximum of 8 Mi.
    pub fn new<'n>(members: impl Iterator<Item = (&'n str, f64)> + Clone, minimum_size: u64) -> Self {
        let lightest = members.clone().map(|(_, weight)| weight).filter(|weight| *weight > 0.0).fold(1.0, f64::min);
        let scale = ((lightest * minimum_size as f64).ceil() / lightest).min(MAXIMUM_SIZE);
        let mut points = Vec::with_capacity(scale.ceil() as usize);
        let mut name = Vec::new();
        // Sums run over all members, so that parts of points are not lost.
        let (mut current, mut target) = (0.0, 0.0);
        for (index, (address, weight)) in (0u32..).zip(members) {
            target += scale * weight;
            let mut number = 0u64;
            while current < target {
                name.clear();
                // Writing to memory does not fail.
                let _ = write!(name, "{address}_{number}");
                points.push((xxh64(&name, 0), index));
                number += 1;
                current += 1.0;
            }
        }
        points.sort_unstable_by_key(|(position, _)| *position);
        HashRing { points }
    }

    /// The member for a key: the owner of the next point, or for another attempt of one behind it.
    pub fn get(&self, key: u64, attempt: u32) -> Option<usize> {
        let next = self.points.partition_point(|(position, _)| *position < key);
        let index = if next == self.points.len() { 0 } else { next };
        let index = index.checked_add(attempt as usize)?.checked_rem(self.points.len())?;
        self.points.get(index).map(|(_, member)| *member as usize)
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Nobody is on it.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(members: &[(&str, f64)], minimum: u64) -> HashRing {
        HashRing::new(members.iter().copied(), minimum)
    }

    #[test]
    fn points_are_hashes_of_address_and_number() {
        let ring = ring(&[("10.0.0.1:80", 0.5), ("10.0.0.2:80", 0.5)], 4);
        assert_eq!(ring.len(), 4);
        for (address, member) in [("10.0.0.1:80", 0), ("10.0.0.2:80", 1)] {
            for number in 0..2 {
                let point = xxh64(format!("{address}_{number}").as_bytes(), 0);
                assert_eq!(ring.get(point, 0), Some(member), "the point itself belongs to its owner");
            }
        }
        let last = ring.points[3];
        assert_eq!(
            ring.get(last.0.wrapping_add(1), 0),
            Some(ring.points[0].1 as usize),
            "behind the last is the first"
        );
        assert_eq!(ring.get(last.0, 1), Some(ring.points[0].1 as usize));
    }

    #[test]
    fn sizes() {
        let third = 1.0 / 3.0;
        assert_eq!(ring(&[("a", third), ("b", third), ("c", third)], 1024).len(), 1026, "342 each");
        assert_eq!(ring(&[("a", 1.0)], 1024).len(), 1024);
        assert_eq!(ring(&[("a", 0.75), ("b", 0.25)], 8).len(), 8);
        assert!(ring(&[("a", 0.999_999_99), ("b", 0.000_000_01)], 1).len() <= 8 << 20);
        assert!(ring(&[], 1024).is_empty());
        assert_eq!(ring(&[], 1024).get(1, 0), None);
    }

    #[test]
    fn weights_get_their_share_of_points() {
        let ring = ring(&[("a", 0.7), ("b", 0.2), ("c", 0.1)], 1000);
        let of = |member: u32| ring.points.iter().filter(|(_, owner)| *owner == member).count();
        assert_eq!((of(0), of(1), of(2)), (700, 200, 100));
    }
}
