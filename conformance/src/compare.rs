//! What "the same" means: the comparison of a recorded answer with the one that the gateway under test gave.
//!
//! The rules are those of `behaviour/README.md`; each has its function here.

use std::collections::BTreeSet;
use std::fmt;

use crate::answer::{Answer, ErrorClass, Headers, Seen, SeenTls};
use crate::case::Exchange;

/// One key in which two answers differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The key of the answer, such as `status` or `seen.path`.
    pub key: String,
    /// What was recorded.
    pub expected: String,
    /// What the gateway under test did.
    pub actual: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.key, self.expected, self.actual)
    }
}

/// Response and request headers that differ from run to run or from proxy to proxy.
const IGNORED: [&str; 15] = [
    "date",
    "server",
    "content-length",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "x-envoy-upstream-service-time",
    "x-envoy-decorator-operation",
    "traceparent",
    "tracestate",
    "b3",
    "x-ot-span-context",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "x-datadog-trace-id",
];

/// Compares what was recorded for an exchange with what came now; empty if they are the same.
pub fn compare(exchange: &Exchange, actual: &Answer) -> Vec<Mismatch> {
    let expected = &exchange.answer;
    let mut diff = Diff::default();
    diff.error(expected, actual);
    if expected.is_error_alone() {
        return diff.found;
    }
    if exchange.repeat.is_some() {
        diff.repeated(exchange, actual);
        return diff.found;
    }
    diff.option("status", expected.status, actual.status);
    diff.headers("headers", &expected.headers, &actual.headers);
    diff.headers("trailers", &expected.trailers, &actual.trailers);
    diff.body(exchange, actual);
    diff.text("reached", &sorted(&expected.reached), &sorted(&actual.reached));
    diff.seen(expected.seen.as_ref(), actual.seen.as_ref());
    if !expected.mirrored.is_empty() {
        diff.text("mirrored", &copies(&expected.mirrored), &copies(&actual.mirrored));
    }
    diff.option("flags", expected.flags.as_deref(), actual.flags.as_deref());
    diff.option("details", details(expected), details(actual));
    diff.served_tls(expected, actual);
    diff.found
}

#[derive(Default)]
struct Diff {
    found: Vec<Mismatch>,
}

impl Diff {
    fn text(&mut self, key: &str, expected: &str, actual: &str) {
        if expected != actual {
            self.push(key, expected.to_owned(), actual.to_owned());
        }
    }

    fn push(&mut self, key: &str, expected: String, actual: String) {
        self.found.push(Mismatch { key: key.to_owned(), expected, actual });
    }

    fn option<T: PartialEq + fmt::Display>(&mut self, key: &str, expected: Option<T>, actual: Option<T>) {
        if expected != actual {
            let show = |value: Option<T>| value.map_or_else(|| "none".to_owned(), |v| v.to_string());
            self.push(key, show(expected), show(actual));
        }
    }

    fn error(&mut self, expected: &Answer, actual: &Answer) {
        if error_class(expected) != error_class(actual) {
            let show = |answer: &Answer| match (&answer.error, answer.status) {
                (Some(error), _) => format!("{error:?}"),
                (None, Some(status)) => format!("status {status}"),
                (None, None) => "no error".to_owned(),
            };
            self.push("error", show(expected), show(actual));
        }
    }

    fn repeated(&mut self, exchange: &Exchange, actual: &Answer) {
        let expected = &exchange.answer;
        let statuses = |answer: &Answer| -> BTreeSet<String> {
            answer.statuses.keys().map(|key| ErrorClass::of(key).map_or(key.clone(), |c| c.name().to_owned())).collect()
        };
        self.text("statuses", &joined(&statuses(expected)), &joined(&statuses(actual)));
        if !exchange.sticky {
            let backends = |answer: &Answer| joined(&answer.backends.keys().collect());
            self.text("backends", &backends(expected), &backends(actual));
        }
        self.option("distinct", Some(expected.distinct.unwrap_or(0)), Some(actual.distinct.unwrap_or(0)));
    }

    /// Compares two header lists as sorted lists and tells only the lines that are in one of them.
    fn headers(&mut self, key: &str, expected: &Headers, actual: &Headers) {
        let (expected, mut extra) = (canonical(expected), canonical(actual));
        let mut missing = Vec::new();
        for line in expected {
            match extra.iter().position(|other| *other == line) {
                Some(at) => drop(extra.remove(at)),
                None => missing.push(line),
            }
        }
        let show = |lines: &[String]| if lines.is_empty() { "nothing more".to_owned() } else { lines.join(" | ") };
        if !missing.is_empty() || !extra.is_empty() {
            self.push(key, show(&missing), show(&extra));
        }
    }

    fn body(&mut self, exchange: &Exchange, actual: &Answer) {
        let expected = &exchange.answer;
        let made_elsewhere = matches!(details(expected), None | Some("direct_response" | "via_upstream"));
        let rbac = |answer: &Answer| answer.body.as_deref().is_some_and(|body| body.starts_with("RBAC"));
        if (made_elsewhere && expected.error.is_none()) || rbac(expected) || rbac(actual) {
            let expected = expected_body(exchange);
            let actual = actual.body.as_deref().unwrap_or_default();
            if expected != actual {
                self.push("body", format!("{expected:?}"), format!("{actual:?}"));
            }
        }
    }

    fn seen(&mut self, expected: Option<&Seen>, actual: Option<&Seen>) {
        let (expected, actual) = match (expected, actual) {
            (Some(expected), Some(actual)) => (expected, actual),
            (None, None) => return,
            (Some(expected), None) => return self.push("seen", request_line(expected), "nothing".to_owned()),
            (None, Some(actual)) => return self.push("seen", "nothing".to_owned(), request_line(actual)),
        };
        self.option("seen.method", expected.method.as_deref(), actual.method.as_deref());
        self.option("seen.path", expected.path.as_deref(), actual.path.as_deref());
        self.option("seen.authority", expected.authority.as_deref(), actual.authority.as_deref());
        self.option("seen.version", expected.version.as_deref(), actual.version.as_deref());
        let body = |seen: &Seen| format!("{:?}", seen.body.as_deref().unwrap_or_default());
        self.text("seen.body", &body(expected), &body(actual));
        self.headers("seen.headers", &expected.headers, &actual.headers);
        self.text("seen.tls", &seen_tls(expected.tls.as_ref()), &seen_tls(actual.tls.as_ref()));
    }

    fn served_tls(&mut self, expected: &Answer, actual: &Answer) {
        let show = |answer: &Answer| match &answer.tls {
            None => "none".to_owned(),
            Some(tls) => {
                let cert = tls.cert.as_deref().unwrap_or("none");
                format!("version {} alpn {} cert {cert}", tls.version, alpn(tls.alpn.as_deref()))
            }
        };
        self.text("tls", &show(expected), &show(actual));
    }
}

fn error_class(answer: &Answer) -> Option<Result<ErrorClass, &str>> {
    answer.error.as_deref().map(|error| ErrorClass::of(error).ok_or(error))
}

/// `%RESPONSE_CODE_DETAILS%` up to the first brace: what follows is Envoy's wording.
fn details(answer: &Answer) -> Option<&str> {
    answer.details.as_deref().map(|details| details.split('{').next().unwrap_or(details))
}

/// The body that a recorded answer stands for: an absent one is the echo servers' `echo`, unless the answer cannot have
/// a body or its headers say that it is empty.
fn expected_body(exchange: &Exchange) -> String {
    let answer = &exchange.answer;
    if let Some(body) = &answer.body {
        return body.clone();
    }
    let bodiless = exchange.sent_method() == "HEAD" || matches!(answer.status, Some(101 | 204 | 304));
    let empty = match answer.header("content-length") {
        Some(length) => length == "0",
        None => details(answer) == Some("direct_response"),
    };
    if bodiless || empty { String::new() } else { "echo".to_owned() }
}

fn canonical(headers: &Headers) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| !IGNORED.contains(&name.as_str()) && !name.starts_with("x-b3-"))
        .map(|(name, value)| match name.as_str() {
            "x-request-id" => format!("{name}: <uuid>"),
            "set-cookie" => format!("{name}: {}", without_generated_hash(value)),
            _ => format!("{name}: {value}"),
        })
        .collect();
    lines.sort();
    lines
}

/// A cookie that a hash policy generates is 16 hexadecimal digits in quotes: its value is chance.
fn without_generated_hash(cookie: &str) -> String {
    let Some((name, rest)) = cookie.split_once("=\"") else { return cookie.to_owned() };
    match rest.split_once('"') {
        Some((hash, rest)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            format!("{name}=\"<hash>\"{rest}")
        }
        _ => cookie.to_owned(),
    }
}

/// Istio's ALPN names differ by what the proxies tell each other, and count as one.
fn alpn(protocol: Option<&str>) -> &str {
    match protocol {
        None => "none",
        Some(istio) if istio.starts_with("istio") => "istio",
        Some(other) => other,
    }
}

fn seen_tls(tls: Option<&SeenTls>) -> String {
    match tls {
        None => "none".to_owned(),
        Some(tls) => format!(
            "sni {} alpn {} client {}",
            tls.sni.as_deref().unwrap_or("none"),
            alpn(tls.alpn.as_deref()),
            tls.client.as_deref().unwrap_or("none")
        ),
    }
}

fn request_line(seen: &Seen) -> String {
    let backend = seen.backend.map_or_else(String::new, |b| b.to_string());
    match &seen.method {
        Some(method) => format!("{method} {} at {backend}", seen.path.as_deref().unwrap_or_default()),
        None => format!("bytes {:?} at {backend}", seen.body.as_deref().unwrap_or_default()),
    }
}

fn copies(mirrored: &[Seen]) -> String {
    let mut lines: Vec<String> = mirrored
        .iter()
        .map(|seen| {
            let authority = seen.authority.as_deref().unwrap_or_default();
            let body = seen.body.as_deref().unwrap_or_default();
            format!("{} {authority} {body:?} {}", request_line(seen), canonical(&seen.headers).join(", "))
        })
        .collect();
    lines.sort();
    lines.join(" | ")
}

fn sorted(addresses: &[std::net::SocketAddr]) -> String {
    let mut addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.sort();
    addresses.join(", ")
}

fn joined<T: fmt::Display>(items: &BTreeSet<T>) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
