//! How long a request may take, and how the backend is told.

use std::time::Duration;

use config_schema::snapshot::Forward;

use crate::message::RequestHead;

/// The limits of a request.
#[derive(Debug)]
pub(super) struct Timeouts {
    /// For all tries together, once the request has been read.
    pub(super) all: Option<Duration>,
    /// For each try.
    pub(super) per_try: Option<Duration>,
    /// The backend is told in the field grpc-timeout.
    pub(super) grpc: bool,
}

impl Timeouts {
    /// The route's limits; a gRPC client may ask for less in all.
    pub(super) fn new(request: &RequestHead, forward: &Forward) -> Self {
        let grpc = request.is_grpc();
        let asked = request.headers.get_str("grpc-timeout").filter(|_| grpc).and_then(parse_grpc_timeout);
        let asked = asked.filter(|asked| !asked.is_zero());
        let all = forward.timeout.into_iter().chain(asked).min();
        let per_try = forward.retry.as_ref().and_then(|policy| policy.per_try_timeout);
        Timeouts { all, per_try: per_try.filter(|per_try| all.is_none_or(|all| *per_try < all)), grpc }
    }
}

/// The highest number that a grpc-timeout may have.
const MOST: u64 = 99_999_999;

/// A duration for grpc-timeout: at most eight digits, in the smallest unit from milliseconds on that holds it.
pub(super) fn grpc_duration(duration: Duration) -> String {
    let mut n = duration.as_millis();
    let mut unit = 'm';
    for (next, factor) in [('S', 1000), ('M', 60), ('H', 60)] {
        if n > u128::from(MOST) {
            (n, unit) = (n / factor, next);
        }
    }
    format!("{}{unit}", n.min(u128::from(MOST)))
}

/// Digits and a unit (gRPC over HTTP/2), in whole milliseconds, rounded up. As Envoy reads it: blanks around the number
/// count as nothing, and a number of nine digits as no timeout.
fn parse_grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let n: u64 = digits.trim_ascii().parse().ok().filter(|n| *n <= MOST)?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_millis(n.div_ceil(1_000)),
        "n" => Duration::from_millis(n.div_ceil(1_000_000)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_for_grpc() {
        for (millis, expected) in
            [(1, "1m"), (99_999_999, "99999999m"), (100_000_000, "100000S"), (u64::MAX, "99999999H")]
        {
            assert_eq!(grpc_duration(Duration::from_millis(millis)), expected);
        }
        for (text, expected) in [
            ("100m", Some(100)),
            ("2S", Some(2000)),
            ("1H", Some(3_600_000)),
            ("5x", None),
            ("", None),
            ("1u", Some(1)),
            (" 1 S", Some(1000)),
            ("100000000n", None),
        ] {
            assert_eq!(parse_grpc_timeout(text), expected.map(Duration::from_millis), "{text}");
        }
    }
}
