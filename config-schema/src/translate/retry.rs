//! `retries` in the terms of a snapshot.

use std::time::Duration;

use crate::resources::virtual_service::HttpRetry;
use crate::snapshot::{RetryOn, RetryPolicy};

/// Retries of a rule that says nothing.
const DEFAULT_ATTEMPTS: u32 = 2;
/// Base of the waiting time.
const BASE_INTERVAL: Duration = Duration::from_millis(25);
/// How often an endpoint is chosen again to avoid one that was tried.
const HOST_SELECTION_ATTEMPTS: u32 = 5;

/// The policy of a rule (or of the mesh); `None` if retries are switched off. `hashed`: the endpoint is chosen by hash,
/// so it stays the same. The second part names words of `retryOn` that mean nothing.
pub(super) fn retry_policy(settings: Option<&HttpRetry>, hashed: bool) -> (Option<RetryPolicy>, Vec<String>) {
    let mut policy = RetryPolicy {
        attempts: DEFAULT_ATTEMPTS,
        per_try_timeout: None,
        retry_on: default_retry_on(),
        status_codes: Vec::new(),
        avoid_previous_hosts: !hashed,
        host_selection_attempts: HOST_SELECTION_ATTEMPTS,
        previous_priorities: false,
        base_interval: BASE_INTERVAL,
    };
    let Some(settings) = settings else { return (Some(policy), Vec::new()) };
    let Some(attempts) = u32::try_from(settings.attempts).ok().filter(|attempts| *attempts > 0) else {
        return (None, Vec::new());
    };
    policy.attempts = attempts;
    policy.per_try_timeout = settings.per_try_timeout.map(|timeout| timeout.0).filter(|timeout| !timeout.is_zero());
    policy.avoid_previous_hosts = settings.retry_ignore_previous_hosts.unwrap_or(!hashed);
    policy.previous_priorities = settings.retry_remote_localities == Some(true);
    policy.base_interval = settings.backoff.map_or(BASE_INTERVAL, |backoff| backoff.0);
    let mut unknown = Vec::new();
    if let Some(words) = &settings.retry_on {
        (policy.retry_on, policy.status_codes) = parse(words, &mut unknown);
    }
    (Some(policy), unknown)
}

fn default_retry_on() -> RetryOn {
    RetryOn {
        connect_failure: true,
        refused_stream: true,
        unavailable: true,
        cancelled: true,
        retriable_status_codes: true,
        ..RetryOn::default()
    }
}

/// Conditions and status codes; a code implies `retriable-status-codes`.
fn parse(words: &str, unknown: &mut Vec<String>) -> (RetryOn, Vec<u16>) {
    let mut on = RetryOn::default();
    let mut codes = Vec::new();
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if let Some(code) = word.parse().ok().filter(|code| (100..600).contains(code)) {
            codes.push(code);
            on.retriable_status_codes = true;
            continue;
        }
        match condition(&mut on, word) {
            Some(flag) => *flag = true,
            None => unknown.push(word.to_owned()),
        }
    }
    (on, codes)
}

fn condition<'o>(on: &'o mut RetryOn, word: &str) -> Option<&'o mut bool> {
    Some(match word {
        "5xx" => &mut on.server_error,
        "gateway-error" => &mut on.gateway_error,
        "reset" => &mut on.reset,
        "reset-before-request" => &mut on.reset_before_request,
        "connect-failure" => &mut on.connect_failure,
        "envoy-ratelimited" => &mut on.ratelimited,
        "retriable-4xx" => &mut on.retriable_4xx,
        "refused-stream" => &mut on.refused_stream,
        "retriable-status-codes" => &mut on.retriable_status_codes,
        "http3-post-connect-failure" => &mut on.http3_post_connect_failure,
        "cancelled" => &mut on.cancelled,
        "deadline-exceeded" => &mut on.deadline_exceeded,
        "internal" => &mut on.internal,
        "resource-exhausted" => &mut on.resource_exhausted,
        "unavailable" => &mut on.unavailable,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(attempts: i32, retry_on: Option<&str>) -> HttpRetry {
        HttpRetry { attempts, retry_on: retry_on.map(str::to_owned), ..HttpRetry::default() }
    }

    #[test]
    fn defaults() {
        let (policy, _) = retry_policy(None, false);
        let policy = policy.unwrap();
        assert_eq!((policy.attempts, policy.retry_on), (2, default_retry_on()));
        assert!(policy.avoid_previous_hosts);
        assert!(!retry_policy(None, true).0.unwrap().avoid_previous_hosts);
        assert_eq!(retry_policy(Some(&settings(0, Some("5xx"))), false).0, None);
    }

    #[test]
    fn codes_and_words() {
        let (policy, unknown) = retry_policy(Some(&settings(3, Some("503, reset ,nonsense,,429"))), false);
        let policy = policy.unwrap();
        assert_eq!((policy.attempts, policy.status_codes), (3, vec![503, 429]));
        let expected = RetryOn { reset: true, retriable_status_codes: true, ..RetryOn::default() };
        assert_eq!(policy.retry_on, expected);
        assert_eq!(unknown, ["nonsense"]);
    }
}
