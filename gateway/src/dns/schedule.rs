//! When a name is asked for again. Pure: randomness is passed in.

use std::time::Duration;

use super::resolver::{Answer, LookupError};

/// A name is not asked for more often than this, whatever its TTL says.
const SHORTEST: Duration = Duration::from_secs(1);
/// A TTL is believed up to this.
const LONGEST: Duration = Duration::from_secs(3600);
/// First wait after a failure; it doubles up to the configured refresh.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest that is added so that proxies, and names, do not ask in step.
const LONGEST_JITTER: Duration = Duration::from_secs(10);

/// How long to wait before a name is asked for again.
///
/// `refresh` holds for answers without TTL and limits the wait after failures (Istio: `meshConfig.dnsRefreshRate`).
/// `failures` counts failed lookups in a row, this one too. `jitter`, from 0 to 1, lengthens the wait by up to an eighth
/// of it: an answer is asked for after it has expired, never before, when a resolver on the way would give what is left
/// of the same answer.
pub(super) fn next_refresh(
    outcome: &Result<Answer, LookupError>,
    refresh: Duration,
    failures: u32,
    jitter: f64,
) -> Duration {
    let wait = match outcome {
        Ok(Answer { ttl, .. }) => believed(*ttl, refresh),
        // Absence is cached no longer than an operator waits who has just made the record.
        Err(LookupError::NotFound { ttl } | LookupError::NoData { ttl }) => {
            believed(*ttl, refresh).min(refresh.max(SHORTEST))
        }
        Err(LookupError::Failed(_)) => {
            let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
            doubled.min(refresh).max(SHORTEST)
        }
    };
    let most = (wait / 8).min(LONGEST_JITTER);
    wait + most.mul_f64(jitter.clamp(0.0, 1.0))
}

fn believed(ttl: Option<Duration>, refresh: Duration) -> Duration {
    ttl.filter(|ttl| !ttl.is_zero()).unwrap_or(refresh).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits() {
        let secs = Duration::from_secs;
        let ok = |ttl: Option<u64>| Ok(Answer { addresses: vec![], ttl: ttl.map(secs) });
        let absent = |ttl: Option<u64>| Err(LookupError::NotFound { ttl: ttl.map(secs) });
        let failed = || Err(LookupError::Failed(String::new()));
        let cases = [
            ("the TTL", ok(Some(30)), 60, 0, 0.0, 30_000),
            ("no TTL", ok(None), 60, 0, 0.0, 60_000),
            ("TTL zero", ok(Some(0)), 60, 0, 0.0, 60_000),
            ("a TTL that is too long", ok(Some(604_800)), 60, 0, 0.0, 3_600_000),
            ("jitter is an eighth at most", ok(Some(40)), 60, 0, 1.0, 45_000),
            ("and ten seconds at most", ok(Some(3600)), 60, 0, 1.0, 3_610_000),
            ("absence", absent(Some(20)), 60, 0, 0.0, 20_000),
            ("absence without SOA", absent(None), 60, 0, 0.0, 60_000),
            ("absence for a day", absent(Some(86_400)), 60, 0, 0.0, 60_000),
            ("first failure", failed(), 60, 1, 0.0, 1_000),
            ("fourth failure", failed(), 60, 4, 0.0, 8_000),
            ("many failures", failed(), 60, 99, 0.0, 60_000),
            ("a refresh below the shortest", failed(), 0, 9, 0.0, 1_000),
        ];
        for (what, outcome, refresh, failures, jitter, expected) in cases {
            let wait = next_refresh(&outcome, secs(refresh), failures, jitter);
            assert_eq!(wait.as_millis(), expected, "{what}");
        }
    }
}
