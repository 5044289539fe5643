use super::report::Report;
use crate::document::PathRef;
use crate::resources::virtual_service::HttpRetry;

/// Conditions of a retry that Envoy knows, for HTTP and gRPC.
const CONDITIONS: [&str; 16] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// When and how often to try again.
pub(super) fn validate(retry: Option<&HttpRetry>, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(retry) = retry else { return };
    if retry.attempts < 0 {
        report.error(path.key("attempts"), "range", "must not be negative");
    }
    let configured =
        retry.per_try_timeout.is_some() || retry.retry_on.is_some() || retry.retry_remote_localities.is_some();
    if retry.attempts == 0 && configured {
        let message =
            "attempts: 0 switches retries off, but other fields describe them; set attempts or remove the others";
        report.error(path, "retry", message);
    }
    report.duration(path.key("perTryTimeout"), retry.per_try_timeout);
    report.duration(path.key("backoff"), retry.backoff);
    for condition in retry.retry_on.as_deref().unwrap_or_default().split(',').filter(|_| retry.retry_on.is_some()) {
        if !(CONDITIONS.contains(&condition) || is_registered_status(condition)) {
            report.error(
                path.key("retryOn"),
                "retry",
                format!("{condition:?} is neither a condition nor a status code"),
            );
        }
    }
}

/// True for a status code of the IANA registry.
fn is_registered_status(text: &str) -> bool {
    matches!(
        text.parse::<u16>(),
        Ok(
            100..=103
            | 200..=208
            | 226
            | 300..=305
            | 307
            | 308
            | 400..=418
            | 421..=426
            | 428
            | 429
            | 431
            | 451
            | 500..=508
            | 510
            | 511,
        )
    )
}
