//! Whether to try again. Pure.

use std::time::Duration;

use config_schema::snapshot::{RetryOn, RetryPolicy};

use crate::headers::Headers;
use crate::outcome::ResetReason;

/// The retries of one request.
#[derive(Debug)]
pub(super) struct Retries {
    on: RetryOn,
    status_codes: Vec<u16>,
    left: u32,
    base: Duration,
    tried: u32,
}

/// Why a try failed without an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure<'a> {
    /// The upstream request was reset; `sent` if the request had been on its way.
    Reset {
        /// Why.
        reason: &'a ResetReason,
        /// The request had been started.
        sent: bool,
    },
    /// perTryTimeout.
    PerTryTimeout,
}

/// What to do after a failed try.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Pass it on.
    Pass,
    /// Try again.
    Retry,
    /// It would be tried again, but the tries are used up (URX).
    LimitExceeded,
}

impl Retries {
    /// From the route's policy and what header operations have set on the request.
    pub(super) fn new(policy: Option<&RetryPolicy>, headers: &mut Headers) -> Option<Self> {
        let mut retries = match policy {
            Some(policy) => Retries {
                on: policy.retry_on,
                status_codes: policy.status_codes.clone(),
                left: policy.attempts,
                base: policy.base_interval,
                tried: 0,
            },
            None => Retries {
                on: RetryOn::default(),
                status_codes: Vec::new(),
                left: 1,
                base: Duration::from_millis(25),
                tried: 0,
            },
        };
        let mut steered = false;
        for name in ["x-envoy-retry-on", "x-envoy-retry-grpc-on"] {
            if let Some(list) = headers.get_str(name) {
                steered = true;
                list.split(',').for_each(|word| add_condition(&mut retries.on, word.trim()));
                headers.remove(name);
            }
        }
        if let Some(codes) = headers.get_str("x-envoy-retriable-status-codes") {
            retries.status_codes.extend(codes.split(',').filter_map(|code| code.trim().parse::<u16>().ok()));
            headers.remove("x-envoy-retriable-status-codes");
        }
        if let Some(max) = headers.get_str("x-envoy-max-retries").map(str::parse) {
            retries.left = max.unwrap_or(retries.left);
            headers.remove("x-envoy-max-retries");
        }
        (policy.is_some() || steered).then_some(retries).filter(|retries| retries.on != RetryOn::default())
    }

    /// After an answer's head.
    pub(super) fn judge_response(&mut self, status: u16, headers: &Headers) -> Verdict {
        let wanted = self.wants_response(status, headers);
        self.spend(wanted)
    }

    /// After a failure without answer.
    pub(super) fn judge_failure(&mut self, failure: &Failure<'_>) -> Verdict {
        let wanted = self.wants_failure(failure);
        self.spend(wanted)
    }

    /// How long to wait before the next try: exponential with full jitter, at most ten times the base.
    /// `random` is from 0 to 1.
    pub(super) fn back_off(&self, random: f64) -> Duration {
        let doubled = self.base.saturating_mul(1u32 << self.tried.min(10).saturating_sub(1));
        doubled.min(self.base.saturating_mul(10)).mul_f64(random.clamp(0.0, 1.0))
    }

    fn spend(&mut self, wanted: bool) -> Verdict {
        if !wanted {
            return Verdict::Pass;
        }
        if self.left == 0 {
            return Verdict::LimitExceeded;
        }
        self.left -= 1;
        self.tried += 1;
        Verdict::Retry
    }

    fn wants_response(&self, status: u16, headers: &Headers) -> bool {
        let on = &self.on;
        if headers.contains("x-envoy-ratelimited") {
            return on.ratelimited;
        }
        (on.server_error && (500..600).contains(&status))
            || (on.gateway_error && matches!(status, 502..=504))
            || (on.retriable_4xx && status == 409)
            || (on.retriable_status_codes && self.status_codes.contains(&status))
            || self.wants_grpc(headers)
    }

    fn wants_grpc(&self, headers: &Headers) -> bool {
        match headers.get_str("grpc-status") {
            Some("1") => self.on.cancelled,
            Some("4") => self.on.deadline_exceeded,
            Some("8") => self.on.resource_exhausted,
            Some("13") => self.on.internal,
            Some("14") => self.on.unavailable,
            Some(_) | None => false,
        }
    }

    fn wants_failure(&self, failure: &Failure<'_>) -> bool {
        let on = &self.on;
        let any_reset = on.reset || on.server_error || on.gateway_error;
        match failure {
            Failure::PerTryTimeout => any_reset,
            Failure::Reset { reason, sent } => match reason {
                ResetReason::Overflow => false,
                _ if any_reset => true,
                // Whoever breaks the protocol would do so again.
                ResetReason::ProtocolError => false,
                _ if on.reset_before_request && !sent => true,
                ResetReason::ConnectionFailure(_) | ResetReason::ConnectionTimeout => on.connect_failure,
                ResetReason::RemoteRefusedStream => on.refused_stream,
                ResetReason::ConnectionTermination | ResetReason::RemoteReset => false,
            },
        }
    }
}

/// Adds a condition by Envoy's name; unknown ones are ignored, as in Envoy.
fn add_condition(on: &mut RetryOn, word: &str) {
    match word {
        "5xx" => on.server_error = true,
        "gateway-error" => on.gateway_error = true,
        "reset" => on.reset = true,
        "reset-before-request" => on.reset_before_request = true,
        "connect-failure" => on.connect_failure = true,
        "envoy-ratelimited" => on.ratelimited = true,
        "retriable-4xx" => on.retriable_4xx = true,
        "refused-stream" => on.refused_stream = true,
        "retriable-status-codes" => on.retriable_status_codes = true,
        "http3-post-connect-failure" => on.http3_post_connect_failure = true,
        "cancelled" => on.cancelled = true,
        "deadline-exceeded" => on.deadline_exceeded = true,
        "internal" => on.internal = true,
        "resource-exhausted" => on.resource_exhausted = true,
        "unavailable" => on.unavailable = true,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retries(attempts: u32, words: &str) -> Retries {
        let mut on = RetryOn::default();
        words.split(',').for_each(|word| add_condition(&mut on, word));
        let policy = RetryPolicy {
            attempts,
            retry_on: on,
            status_codes: vec![418],
            base_interval: Duration::from_millis(25),
            ..RetryPolicy::default()
        };
        Retries::new(Some(&policy), &mut Headers::default()).unwrap()
    }

    #[test]
    fn answers() {
        for (words, status, expected) in [
            ("5xx", 500, true),
            ("5xx", 429, false),
            ("gateway-error", 500, false),
            ("gateway-error", 503, true),
            ("retriable-4xx", 409, true),
            ("retriable-4xx", 404, false),
            ("retriable-status-codes", 418, true),
            ("reset", 503, false),
        ] {
            let verdict = retries(1, words).judge_response(status, &Headers::default());
            assert_eq!(verdict == Verdict::Retry, expected, "{words} {status}");
        }
    }

    #[test]
    fn failures() {
        let connect = ResetReason::ConnectionFailure(String::new());
        for (words, reason, sent, expected) in [
            ("connect-failure", &connect, false, true),
            ("connect-failure", &ResetReason::ConnectionTimeout, false, true),
            ("connect-failure", &ResetReason::ConnectionTermination, true, false),
            ("reset", &ResetReason::ConnectionTermination, true, true),
            ("reset-before-request", &ResetReason::ConnectionTermination, true, false),
            ("reset-before-request", &connect, false, true),
            ("refused-stream", &ResetReason::RemoteReset, true, false),
            ("refused-stream", &ResetReason::RemoteRefusedStream, true, true),
            ("5xx,reset", &ResetReason::Overflow, false, false),
        ] {
            let verdict = retries(1, words).judge_failure(&Failure::Reset { reason, sent });
            assert_eq!(verdict == Verdict::Retry, expected, "{words} {reason:?}");
        }
        assert_eq!(retries(1, "connect-failure").judge_failure(&Failure::PerTryTimeout), Verdict::Pass);
    }

    #[test]
    fn the_limit_shows_only_when_a_retry_is_wanted() {
        let mut retries = retries(1, "5xx");
        assert_eq!(retries.judge_response(503, &Headers::default()), Verdict::Retry);
        assert_eq!(retries.judge_response(404, &Headers::default()), Verdict::Pass);
        assert_eq!(retries.judge_response(503, &Headers::default()), Verdict::LimitExceeded);
    }

    #[test]
    fn back_off_doubles_up_to_ten_times_the_base() {
        let mut retries = retries(9, "5xx");
        let mut waits = Vec::new();
        for _ in 0..6 {
            retries.judge_response(503, &Headers::default());
            waits.push(retries.back_off(1.0).as_millis());
        }
        assert_eq!(waits, [25, 50, 100, 200, 250, 250]);
    }
}
