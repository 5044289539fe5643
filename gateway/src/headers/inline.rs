//! Fields of which the proxy keeps one: further values are joined to the first by a comma, both on arrival and when an
//! operation adds one. The lists are Envoy's inline headers.

use bytes::Bytes;

use super::{Headers, Name, names};

/// Request fields that are one value.
const REQUEST: &[&str] = &[
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "cdn-loop",
    "connection",
    "content-encoding",
    "content-type",
    "expect",
    "grpc-accept-encoding",
    "grpc-timeout",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "pragma",
    "referer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-client-trace-id",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

/// Response fields that are one value.
const RESPONSE: &[&str] = &[
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "age",
    "cache-control",
    "content-encoding",
    "content-type",
    "date",
    "etag",
    "expires",
    "grpc-message",
    "grpc-status",
    "last-modified",
    "location",
    "proxy-status",
    "server",
    "vary",
    "via",
    "x-envoy-attempt-count",
    "x-envoy-degraded",
    "x-envoy-immediate-health-check-fail",
    "x-envoy-ratelimited",
    "x-envoy-upstream-canary",
    "x-envoy-upstream-healthchecked-cluster",
    "x-request-id",
];

/// Whether the proxy keeps one value of this request field.
pub fn is_one_in_requests(name: &Name) -> bool {
    REQUEST.binary_search(&name.as_str()).is_ok()
}

/// Whether the proxy keeps one value of this response field.
pub fn is_one_in_responses(name: &Name) -> bool {
    RESPONSE.binary_search(&name.as_str()).is_ok()
}

/// Joins the repeated fields of a request that has just arrived.
pub fn join_in_request(headers: &mut Headers) {
    for name in repeated(headers) {
        if is_one_in_requests(&name) {
            join(headers, name);
        } else if name == names::TE {
            // A list too, but equal values do not pile up.
            let mut values: Vec<&[u8]> = Vec::new();
            for value in headers.get_all("te").map(|v| &v[..]) {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            let joined = values.join(&b","[..]);
            headers.set(names::TE, Bytes::from(joined));
        }
    }
}

/// Joins the repeated fields of a backend's answer.
pub fn join_in_response(headers: &mut Headers) {
    for name in repeated(headers) {
        if is_one_in_responses(&name) {
            join(headers, name);
        }
    }
}

fn join(headers: &mut Headers, name: Name) {
    let values = headers.get_all(name.as_str()).map(|v| &v[..]).filter(|v| !v.is_empty());
    let joined = values.collect::<Vec<_>>().join(&b","[..]);
    headers.set(name, Bytes::from(joined));
}

/// The names that stand more than once. Most messages have none.
fn repeated(headers: &Headers) -> Vec<Name> {
    let mut found = Vec::new();
    for (place, (name, _)) in headers.iter().enumerate() {
        if headers.iter().take(place).any(|(earlier, _)| earlier == name) && !found.contains(name) {
            found.push(name.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &'static str)]) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in pairs {
            headers.append(Name::new(name), Bytes::from_static(value.as_bytes()));
        }
        headers
    }

    #[test]
    fn the_lists_are_sorted() {
        assert!(REQUEST.is_sorted() && RESPONSE.is_sorted());
    }

    #[test]
    fn repeated_fields_are_joined_where_they_are_one() {
        let mut request =
            fields(&[("if-match", "a"), ("x-any", "1"), ("if-match", "b"), ("x-any", "2"), ("if-match", "")]);
        join_in_request(&mut request);
        assert_eq!(request, fields(&[("if-match", "a,b"), ("x-any", "1"), ("x-any", "2")]));
        let mut response = fields(&[("set-cookie", "a"), ("vary", "a"), ("set-cookie", "b"), ("vary", "b")]);
        join_in_response(&mut response);
        assert_eq!(response, fields(&[("set-cookie", "a"), ("vary", "a,b"), ("set-cookie", "b")]));
    }
}
