//! The `connection` field of HTTP/1 requests: what it names is for this hop only (RFC 9110 §7.6.1).

use bytes::Bytes;

use crate::headers::{Headers, names};

/// At this many names the request is refused.
const MAX_NOMINATED: usize = 10;
/// At this length of `te` the request is refused.
const MAX_TE: usize = 256;

/// Removes the fields that `connection` names. False if it names what a client may not take away.
pub fn sanitize(headers: &mut Headers) -> bool {
    let Some(connection) = headers.get("connection").cloned() else { return true };
    let tokens: Vec<&[u8]> = connection.split(|b| *b == b',').filter(|token| !token.is_empty()).collect();
    if tokens.len() >= MAX_NOMINATED {
        return false;
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    for token in tokens {
        let token = token.trim_ascii();
        let lower = token.to_ascii_lowercase();
        match lower.as_slice() {
            b"close" | b"http2-settings" | b"keep-alive" | b"upgrade" => kept.push(token),
            b"connection" => {}
            b"x-forwarded-for" | b"x-forwarded-host" | b"x-forwarded-proto" => return false,
            [b':', ..] => return false,
            b"te" => {
                if !sanitize_te(headers) {
                    return false;
                }
            }
            name => {
                headers.remove(std::str::from_utf8(name).unwrap_or(""));
            }
        }
    }
    if kept.is_empty() {
        headers.remove("connection");
    } else {
        headers.set(names::CONNECTION, Bytes::from(kept.join(&b","[..])));
    }
    true
}

/// Of `te` only `trailers` may pass.
fn sanitize_te(headers: &mut Headers) -> bool {
    let Some(te) = headers.get("te") else { return true };
    if te.len() >= MAX_TE {
        return false;
    }
    if allows_trailers(te) {
        headers.set_static(names::TE, "trailers");
    } else {
        headers.remove("te");
    }
    true
}

/// Whether a `te` value has the token `trailers`; with parameters only if it stands alone.
fn allows_trailers(te: &[u8]) -> bool {
    let is_trailers = |word: &[u8]| word.trim_ascii().eq_ignore_ascii_case(b"trailers");
    te.split(|b| *b == b',').any(is_trailers) || te.split(|b| *b == b';').next().is_some_and(is_trailers)
}
