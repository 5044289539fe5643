//! How many requests there were of late. Pure; time is passed in.

use std::time::{Duration, Instant};

/// Parts of an interval that are counted apart.
const PARTS: usize = 10;

/// Counts requests of the last interval, to within a tenth of it.
#[derive(Debug, Default)]
pub(super) struct RequestWindow {
    /// When the current part began.
    started: Option<Instant>,
    parts: [u32; PARTS],
    current: usize,
}

impl RequestWindow {
    /// Counts a request.
    pub(super) fn add(&mut self, now: Instant, interval: Duration) {
        self.advance(now, interval);
        self.parts[self.current] = self.parts[self.current].saturating_add(1);
    }

    /// Requests of the last interval.
    pub(super) fn count(&mut self, now: Instant, interval: Duration) -> u32 {
        self.advance(now, interval);
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(*part))
    }

    fn advance(&mut self, now: Instant, interval: Duration) {
        let part = (interval / PARTS as u32).max(Duration::from_nanos(1));
        let started = *self.started.get_or_insert(now);
        let passed = now.saturating_duration_since(started).as_nanos() / part.as_nanos();
        if passed == 0 {
            return;
        }
        for _ in 0..passed.min(PARTS as u128) {
            self.current = (self.current + 1) % PARTS;
            self.parts[self.current] = 0;
        }
        let far = passed > PARTS as u128;
        self.started = Some(if far { now } else { started + part * u32::try_from(passed).unwrap_or(1) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_forgotten_after_the_interval() {
        let interval = Duration::from_secs(10);
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut window = RequestWindow::default();
        (0..5).for_each(|_| window.add(at(0), interval));
        (0..3).for_each(|_| window.add(at(6), interval));
        assert_eq!(window.count(at(9), interval), 8);
        assert_eq!(window.count(at(10), interval), 3);
        assert_eq!(window.count(at(15), interval), 3);
        assert_eq!(window.count(at(16), interval), 0);
        window.add(at(1000), interval);
        assert_eq!(window.count(at(1009), interval), 1);
    }
}
