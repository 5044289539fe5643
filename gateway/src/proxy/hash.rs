//! The consistent-hash key of a request.

use std::time::Duration;

use bytes::Bytes;
use config_schema::snapshot::HashPolicy;
use rand::Rng;
use xxhash_rust::xxh64::xxh64;

use crate::headers::Headers;
use crate::message::RequestHead;
use crate::route::query_parameter;

/// A key, and a cookie that must be set so that the client keeps it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HashKey {
    /// The key; `None` if no part of the policy is present.
    pub key: Option<u64>,
    /// `set-cookie` values for the answer.
    pub cookies: Vec<Bytes>,
}

/// Computes the key.
pub(super) fn key(
    policies: &[HashPolicy],
    request: &RequestHead,
    client: std::net::IpAddr,
    rng: &mut impl Rng,
) -> HashKey {
    let mut result = HashKey::default();
    for policy in policies {
        let part = match policy {
            HashPolicy::Header(name) => header(request, name),
            HashPolicy::SourceIp => Some(xxh64(client.to_string().as_bytes(), 0)),
            HashPolicy::QueryParameter(name) => {
                let query = request.query_with_mark();
                query_parameter(query.strip_prefix(b"?").unwrap_or(query), name.as_bytes()).map(|v| xxh64(v, 0))
            }
            HashPolicy::Cookie { name, path, ttl, attributes } => match cookie(&request.headers, name) {
                Some(value) if !value.is_empty() => Some(xxh64(value, 0)),
                Some(_) | None => ttl.map(|ttl| {
                    let value = format!("{:016x}", rng.next_u64());
                    result.cookies.push(set_cookie(name, &value, path, ttl, attributes));
                    xxh64(value.as_bytes(), 0)
                }),
            },
        };
        if let Some(part) = part {
            // Envoy's combination: rotate, then mix in.
            result.key = Some(result.key.map_or(part, |old| old.rotate_left(1) ^ part));
        }
    }
    result
}

/// The key of a TCP connection: only the client's address counts.
pub fn connection_key(policies: &[HashPolicy], client: std::net::IpAddr) -> Option<u64> {
    policies.contains(&HashPolicy::SourceIp).then(|| xxh64(client.to_string().as_bytes(), 0))
}

fn header(request: &RequestHead, name: &str) -> Option<u64> {
    match name {
        ":method" => return Some(xxh64(&request.method, 0)),
        ":path" => return Some(xxh64(&request.path, 0)),
        ":authority" | "host" => return request.authority.as_deref().map(|v| xxh64(v, 0)),
        ":scheme" => return Some(xxh64(&request.scheme, 0)),
        _ => {}
    }
    let mut values: Vec<&[u8]> = request.headers.get_all(name).map(|v| &v[..]).collect();
    if values.is_empty() {
        return None;
    }
    // The order in which repeated fields arrive must not matter.
    values.sort_unstable();
    Some(values.iter().fold(0, |seed, value| xxh64(value, seed)))
}

/// Value of a cookie, without quotes.
fn cookie<'a>(headers: &'a Headers, name: &str) -> Option<&'a [u8]> {
    headers.get_all("cookie").flat_map(|line| line.split(|b| *b == b';')).find_map(|pair| {
        let pair = pair.trim_ascii();
        let at = memchr::memchr(b'=', pair)?;
        let value = &pair[at + 1..];
        let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
        (&pair[..at] == name.as_bytes()).then_some(value)
    })
}

fn set_cookie(name: &str, value: &str, path: &str, ttl: Duration, attributes: &[(String, String)]) -> Bytes {
    let mut text = format!("{name}=\"{value}\"");
    if !ttl.is_zero() {
        text.push_str(&format!("; Max-Age={}", ttl.as_secs()));
    }
    if !path.is_empty() {
        text.push_str(&format!("; Path={path}"));
    }
    for (key, value) in attributes {
        text.push_str(&if value.is_empty() { format!("; {key}") } else { format!("; {key}={value}") });
    }
    text.push_str("; HttpOnly");
    Bytes::from(text)
}
