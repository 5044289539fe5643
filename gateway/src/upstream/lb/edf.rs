//! Earliest deadline first: turns in proportion to weights, as evenly spread as they can be.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Who is next. Each member's next turn is one over its weight after its last one.
#[derive(Debug, Default)]
pub(super) struct Edf {
    heap: BinaryHeap<Entry>,
    now: f64,
    order: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    deadline: f64,
    /// Among equals, who came first is first.
    order: u64,
    index: u32,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap has its greatest on top: the earliest must be the greatest.
        other.deadline.total_cmp(&self.deadline).then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

/// Above this the clock is set back, lest small steps get lost in a large number.
const FAR: f64 = (1u64 << 30) as f64;

impl Edf {
    /// Members by index, with their weights. A weight that is not above zero takes no part.
    pub(super) fn new(weights: impl Iterator<Item = f64>) -> Self {
        let mut edf = Edf::default();
        for (index, weight) in (0u32..).zip(weights) {
            if weight > 0.0 {
                edf.heap.push(Entry { deadline: 1.0 / weight, order: edf.order, index });
                edf.order += 1;
            }
        }
        edf
    }

    /// Nobody takes part.
    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Whose turn it is; `weight` is what it weighs by now.
    pub(super) fn next(&mut self, weight: impl Fn(usize) -> f64) -> Option<usize> {
        if self.now > FAR {
            self.set_back();
        }
        let mut top = self.heap.peek_mut()?;
        let index = top.index as usize;
        self.now = top.deadline;
        top.deadline = self.now + 1.0 / weight(index).max(f64::MIN_POSITIVE);
        top.order = self.order;
        self.order += 1;
        Some(index)
    }

    fn set_back(&mut self) {
        let now = std::mem::take(&mut self.now);
        self.heap = self.heap.drain().map(|entry| Entry { deadline: entry.deadline - now, ..entry }).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(weights: &[f64], n: usize) -> Vec<usize> {
        let mut edf = Edf::new(weights.iter().copied());
        (0..n).map(|_| edf.next(|index| weights[index]).unwrap()).collect()
    }

    #[test]
    fn equal_weights_take_turns() {
        assert_eq!(turns(&[1.0, 1.0, 1.0], 6), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn turns_are_spread_not_bunched() {
        assert_eq!(turns(&[2.0, 1.0], 6), [0, 1, 0, 0, 1, 0]);
        let turns = turns(&[8.0, 1.0], 27);
        assert!(turns.chunks(9).all(|round| round.iter().filter(|turn| **turn == 1).count() == 1));
    }

    /// By the time `t` a member of weight `w` has had `t * w` turns, cut off. So among `n` members nobody is a turn
    /// behind its share, or `n` times its share of one turn ahead.
    #[test]
    fn everyone_is_near_its_share_at_any_time() {
        let weights = [7.0, 5.0, 3.0, 1.0];
        let total: f64 = weights.iter().sum();
        let mut counts = [0.0; 4];
        for (n, turn) in turns(&weights, 1600).into_iter().enumerate() {
            counts[turn] += 1.0;
            for (count, weight) in counts.iter().zip(weights) {
                let share = (n + 1) as f64 * weight / total;
                let ahead = weights.len() as f64 * weight / total;
                assert!(*count >= share - 1.0 - 1e-9, "after {} picks {count} instead of {share}", n + 1);
                assert!(*count <= share + ahead + 1e-9, "after {} picks {count} instead of {share}", n + 1);
            }
        }
    }

    #[test]
    fn weights_of_zero_take_no_part() {
        assert_eq!(turns(&[0.0, 1.0], 3), [1, 1, 1]);
        assert!(Edf::new([0.0].into_iter()).is_empty());
    }

    #[test]
    fn the_clock_may_be_set_back() {
        let mut edf = Edf::new([2.0, 1.0].into_iter());
        let weight = |index: usize| if index == 0 { 2.0 } else { 1.0 };
        edf.now = FAR;
        edf.heap = edf.heap.drain().map(|entry| Entry { deadline: entry.deadline + FAR, ..entry }).collect();
        let first: Vec<_> = (0..6).map(|_| edf.next(weight).unwrap()).collect();
        assert!(edf.now < 10.0);
        assert_eq!(first.iter().filter(|index| **index == 0).count(), 4);
    }
}
