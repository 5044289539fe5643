//! How requests are divided among priorities, by Envoy's rules.

/// Endpoints are counted as if there were this much more capacity, in percent: up to about a quarter of a priority may
/// fail before the next one is asked.
const OVERPROVISIONING: u64 = 140;

/// Shares of priorities.
#[derive(Debug, Default)]
pub(super) struct Loads {
    priorities: Vec<Priority>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Priority {
    /// Capacity for requests in percent, at most 100.
    health: u32,
    /// Share of requests in percent.
    load: u32,
    /// Health is ignored: too little of it is left.
    panic: bool,
}

impl Loads {
    /// From the numbers of usable and of all endpoints of each priority. Below `panic_threshold` percent of usable
    /// endpoints a priority is in panic; 0 switches that off.
    pub(super) fn new(counts: &[(usize, usize)], panic_threshold: u32) -> Self {
        let mut priorities: Vec<Priority> = counts
            .iter()
            .map(|(usable, all)| Priority { health: health(*usable, *all), ..Priority::default() })
            .collect();
        let available = priorities.iter().map(|p| p.health).sum::<u32>().min(100);
        if available > 0 {
            divide(&mut priorities, available);
        }
        if panic_threshold == 0 && available == 0 {
            if let Some(first) = priorities.first_mut() {
                first.load = 100;
            }
            return Loads { priorities };
        }
        for (priority, (usable, all)) in priorities.iter_mut().zip(counts) {
            let percent = if *all == 0 { 0.0 } else { 100.0 * *usable as f64 / *all as f64 };
            priority.panic = available < 100 && percent < f64::from(panic_threshold.min(100));
        }
        if priorities.iter().all(|priority| priority.panic) {
            divide_by_number(&mut priorities, counts);
        }
        Loads { priorities }
    }

    /// The priority of a request; `draw` is any random number.
    pub(super) fn choose(&self, draw: u64, tried: impl Iterator<Item = u32> + Clone) -> Option<usize> {
        match self.priorities.len() {
            0 => return None,
            1 => return Some(0),
            _ => {}
        }
        let tries = tried.clone().count();
        let is_left_out = |index: usize| {
            // The priorities of an odd last try are left out only after the next one.
            tried.clone().take(tries - tries % 2).any(|priority| priority as usize == index)
        };
        if tries < 2 {
            return self.by_load(draw, |index| self.priorities[index].load);
        }
        let left: u32 =
            (0..self.priorities.len()).filter(|i| !is_left_out(*i)).map(|i| self.priorities[i].health).sum();
        if left == 0 {
            return self.by_load(draw, |index| self.priorities[index].load);
        }
        let normal = left.min(100);
        let mut rest = 100;
        self.by_load(draw, |index| {
            let share = if is_left_out(index) { 0 } else { (self.priorities[index].health * 100 / normal).min(rest) };
            rest -= share;
            share
        })
    }

    fn by_load(&self, draw: u64, mut load: impl FnMut(usize) -> u32) -> Option<usize> {
        let draw = (draw % 100) as u32;
        let mut sum = 0;
        let mut last = None;
        for index in 0..self.priorities.len() {
            let share = load(index);
            if share > 0 {
                last = Some(index);
            }
            sum += share;
            if draw < sum {
                return Some(index);
            }
        }
        // What rounding has left over.
        last.or(Some(0))
    }

    /// Health is ignored for a priority.
    pub(super) fn is_panic(&self, index: usize) -> bool {
        self.priorities.get(index).is_some_and(|priority| priority.panic)
    }

    /// Share of a priority in percent.
    pub(super) fn percent(&self, index: usize) -> u32 {
        self.priorities.get(index).map_or(0, |priority| priority.load)
    }
}

fn health(usable: usize, all: usize) -> u32 {
    if all == 0 {
        return 0;
    }
    (OVERPROVISIONING * usable as u64 / all as u64).min(100) as u32
}

/// Fills priorities up one after the other; what rounding leaves goes to the first that has any health.
fn divide(priorities: &mut [Priority], available: u32) {
    let mut rest = 100;
    for priority in priorities.iter_mut() {
        priority.load = (priority.health * 100 / available).min(rest);
        rest -= priority.load;
    }
    if let Some(first) = priorities.iter_mut().find(|priority| priority.health > 0) {
        first.load += rest;
    }
}

/// All priorities are in panic: shares by the number of endpoints.
fn divide_by_number(priorities: &mut [Priority], counts: &[(usize, usize)]) {
    let all: u64 = counts.iter().map(|(_, all)| *all as u64).sum();
    if all == 0 {
        if let Some(first) = priorities.first_mut() {
            first.load = 100;
        }
        return;
    }
    let mut rest = 100;
    for (priority, (_, number)) in priorities.iter_mut().zip(counts) {
        priority.load = (100 * *number as u64 / all) as u32;
        rest -= priority.load;
    }
    let first = counts.iter().position(|(_, number)| *number > 0).unwrap_or_default();
    priorities[first].load += rest;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(counts: &[(usize, usize)], threshold: u32) -> (Vec<u32>, Vec<bool>) {
        let loads = Loads::new(counts, threshold);
        let indices = 0..counts.len();
        (indices.clone().map(|i| loads.percent(i)).collect(), indices.map(|i| loads.is_panic(i)).collect())
    }

    #[test]
    fn load_spills_over_as_health_falls() {
        // Envoy's documentation has these as examples (priority levels, overprovisioning 1.4).
        for (healthy, expected) in
            [(100, [100, 0]), (72, [100, 0]), (71, [99, 1]), (50, [70, 30]), (25, [35, 65]), (0, [0, 100])]
        {
            assert_eq!(shares(&[(healthy, 100), (100, 100)], 0).0, expected, "{healthy} %");
        }
        for (counts, expected) in [
            ([(100, 100), (100, 100), (100, 100)], [100, 0, 0]),
            ([(50, 100), (50, 100), (100, 100)], [70, 30, 0]),
            ([(25, 100), (25, 100), (100, 100)], [35, 35, 30]),
            ([(20, 100), (0, 100), (100, 100)], [28, 0, 72]),
            ([(0, 100), (0, 100), (0, 0)], [100, 0, 0]),
        ] {
            assert_eq!(shares(&counts, 0).0, expected, "{counts:?}");
        }
    }

    #[test]
    fn too_little_health_in_all_is_scaled_up() {
        // 25 % and 25 % of health are 35 and 35, together 70: half each.
        assert_eq!(shares(&[(25, 100), (25, 100)], 0).0, [50, 50]);
        assert_eq!(shares(&[(10, 100), (20, 100)], 0).0, [34, 66], "the first gets what rounding leaves");
    }

    #[test]
    fn panic_only_if_all_together_lack_capacity() {
        assert_eq!(shares(&[(25, 100), (100, 100)], 50), (vec![35, 65], vec![false, false]));
        assert_eq!(shares(&[(25, 100), (25, 100)], 50), (vec![50, 50], vec![true, true]));
        assert_eq!(shares(&[(0, 100), (60, 100)], 50), (vec![0, 100], vec![true, false]));
        // In total panic the number of endpoints counts, whatever their health.
        assert_eq!(shares(&[(0, 10), (0, 30)], 50), (vec![25, 75], vec![true, true]));
        assert_eq!(shares(&[(0, 0), (0, 3)], 1), (vec![0, 100], vec![true, true]));
        assert_eq!(shares(&[(0, 4)], 0), (vec![100], vec![false]), "0 switches it off");
    }

    #[test]
    fn draws_follow_the_loads() {
        let loads = Loads::new(&[(25, 100), (100, 100)], 0);
        let none = std::iter::empty::<u32>;
        let first = (0..100).filter(|draw| loads.choose(*draw, none()) == Some(0)).count();
        assert_eq!(first, 35);
        assert_eq!(Loads::default().choose(7, none()), None);
    }

    #[test]
    fn every_second_try_leaves_tried_priorities_out() {
        let loads = Loads::new(&[(4, 4), (4, 4), (4, 4)], 0);
        let choose = |tried: &[u32]| loads.choose(50, tried.iter().copied());
        assert_eq!(choose(&[0]), Some(0));
        assert_eq!(choose(&[0, 0]), Some(1));
        assert_eq!(choose(&[0, 0, 1]), Some(1));
        assert_eq!(choose(&[0, 0, 1, 1]), Some(2));
        assert_eq!(choose(&[0, 0, 1, 1, 2, 2]), Some(0), "all have been tried: begin anew");
    }
}
