//! Request headers that tell an echo server how to answer.

use std::time::Duration;

use crate::answer::Headers;
use crate::wire::http1::find;

/// How one attempt is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Steering {
    /// `x-echo-status`, default 200; one value for each attempt.
    pub(super) status: u16,
    /// `x-echo-delay`, such as `2s` or `400ms`; one value for each attempt.
    pub(super) delay: Duration,
    /// `x-echo-close`: 1 ends the connection or the stream without an answer; one value for each attempt.
    pub(super) close: bool,
    /// `x-echo-headers`: `a=1;b=2`, added to the answer.
    pub(super) headers: Headers,
    /// `x-echo-body`, default `echo`.
    pub(super) body: Vec<u8>,
    /// `x-echo-trailers`: `a=1;b=2`.
    pub(super) trailers: Option<Headers>,
}

/// Whether a header of this name is for the echo server and not part of the request.
pub(super) fn steers(name: &str) -> bool {
    name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("x-echo-"))
}

impl Steering {
    /// Reads the headers for an attempt, counted from 0; the last value of a list holds for all further attempts.
    pub(super) fn of(headers: &Headers, attempt: usize) -> Self {
        let nth = |name: &str| {
            let values: Vec<&str> = find(headers, name)?.split(',').map(str::trim).collect();
            values.get(attempt).or(values.last()).copied()
        };
        Self {
            status: nth("x-echo-status").and_then(|status| status.parse().ok()).unwrap_or(200),
            delay: nth("x-echo-delay").and_then(duration).unwrap_or_default(),
            close: nth("x-echo-close").is_some_and(|close| close == "1" || close == "true"),
            headers: find(headers, "x-echo-headers").map(pairs).unwrap_or_default(),
            body: find(headers, "x-echo-body").unwrap_or("echo").as_bytes().to_vec(),
            trailers: find(headers, "x-echo-trailers").map(pairs),
        }
    }

    /// Whether the status is informational, and no answer at all follows it.
    pub(super) fn informational(&self) -> bool {
        self.status < 200
    }

    /// Whether answers of this status have no body, whatever the request (RFC 9110, section 6.4.1).
    pub(super) fn bodiless(&self) -> bool {
        self.informational() || matches!(self.status, 204 | 304)
    }

    /// `headers` with those that the client asked for: a second `x-backend` or `content-type` replaces ours.
    pub(super) fn with_headers(&self, mut headers: Headers) -> Headers {
        headers.retain(|(name, _)| find(&self.headers, name).is_none());
        headers.extend(self.headers.iter().cloned());
        headers
    }
}

fn pairs(text: &str) -> Headers {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.trim().to_owned(), value.to_owned())
    };
    text.split(';').filter(|text| !text.is_empty()).map(pair).collect()
}

fn duration(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(millis) => millis.parse().ok().map(Duration::from_millis),
        None => text.strip_suffix('s')?.parse().ok().map(Duration::from_secs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steering(name: &str, value: &str, attempt: usize) -> Steering {
        Steering::of(&vec![(name.to_owned(), value.to_owned())], attempt)
    }

    #[test]
    fn one_value_for_each_attempt() {
        let statuses = [0, 1, 2, 5].map(|attempt| steering("X-Echo-Status", "503, 404,200", attempt).status);
        assert_eq!(statuses, [503, 404, 200, 200]);
        assert!(steering("x-echo-close", "1,0", 0).close && !steering("x-echo-close", "1,0", 1).close);
        assert_eq!(steering("x-echo-delay", "2s,0s", 0).delay, Duration::from_secs(2));
        assert_eq!(steering("x-echo-delay", "1300ms", 3).delay, Duration::from_millis(1300));
    }

    #[test]
    fn headers_and_defaults() {
        let steering = steering("x-echo-headers", "Set-Cookie=a=b;Set-Cookie=c;Content-Type=x", 0);
        let ours = [("x-backend", "b"), ("content-type", "text/plain")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let names: Vec<_> =
            steering.with_headers(ours.to_vec()).into_iter().map(|(n, v)| format!("{n}: {v}")).collect();
        assert_eq!(names, ["x-backend: b", "Set-Cookie: a=b", "Set-Cookie: c", "Content-Type: x"]);
        assert_eq!((steering.status, steering.body.as_slice(), steering.trailers), (200, b"echo".as_slice(), None));
    }

    #[test]
    fn what_steers() {
        assert!(steers("X-Echo-Body") && !steers("x-echoed") && !steers("x-a"));
    }
}
