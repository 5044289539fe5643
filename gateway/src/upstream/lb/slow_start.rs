//! Slow start: a new endpoint's weight grows until it has warmed up.

use std::time::{Duration, Instant};

use config_schema::snapshot::Warmup;

use crate::upstream::host::Host;

/// The part of its weight that an endpoint has, above 0 and at most 1, `age` after it became usable.
pub(super) fn factor(warmup: &Warmup, age: Duration) -> f64 {
    if warmup.duration.is_zero() || age >= warmup.duration {
        return 1.0;
    }
    let time = age.max(Duration::from_millis(1)).as_secs_f64() / warmup.duration.as_secs_f64();
    let aggression = if warmup.aggression > 0.0 { warmup.aggression } else { 1.0 };
    time.powf(1.0 / aggression).max(warmup.minimum_percent / 100.0).clamp(f64::MIN_POSITIVE, 1.0)
}

/// What an endpoint weighs by now.
pub(super) fn weight(host: &Host, warmup: Option<&Warmup>, now: Instant) -> f64 {
    let weight = f64::from(host.spec.weight.max(1));
    match warmup {
        Some(warmup) => weight * factor(warmup, now.saturating_duration_since(host.state.warm_since())),
        None => weight,
    }
}

/// When an endpoint has warmed up.
pub(super) fn warm_at(host: &Host, warmup: &Warmup) -> Instant {
    host.state.warm_since() + warmup.duration
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(aggression: f64, minimum_percent: f64, percent: u64) -> f64 {
        let warmup = Warmup { duration: Duration::from_secs(100), minimum_percent, aggression };
        factor(&warmup, Duration::from_secs(percent))
    }

    #[test]
    fn grows_in_a_line_by_default() {
        for (age, expected) in
            [(0, 0.1), (5, 0.1), (10, 0.1), (25, 0.25), (50, 0.5), (99, 0.99), (100, 1.0), (900, 1.0)]
        {
            assert!((at(1.0, 10.0, age) - expected).abs() < 1e-9, "{age} s: {}", at(1.0, 10.0, age));
        }
    }

    #[test]
    fn aggression_above_one_grows_faster_at_first() {
        assert!((at(2.0, 0.0, 25) - 0.5).abs() < 1e-9);
        assert!((at(0.5, 0.0, 50) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn never_zero_and_never_above_one() {
        assert!(at(1.0, 0.0, 0) > 0.0);
        assert!((at(1.0, 250.0, 0) - 1.0).abs() < 1e-9);
        assert!((at(0.0, 0.0, 50) - 0.5).abs() < 1e-9, "an aggression of zero is none");
        let none = Warmup { duration: Duration::ZERO, minimum_percent: 10.0, aggression: 1.0 };
        assert!((factor(&none, Duration::ZERO) - 1.0).abs() < 1e-9);
    }
}
