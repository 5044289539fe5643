//! Methods and request targets (RFC 9112 §3.2) as Envoy's codec takes them.

use bytes::Bytes;

use crate::outcome::ProtocolError;

/// Methods that HTTP/1 requests may have.
const METHODS: &[&str] = &[
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// Whether the method is one that HTTP/1 requests may have; case counts.
pub fn is_known_method(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"POST") || METHODS.iter().any(|known| known.as_bytes() == method)
}

/// Whether these bytes are the beginning of such a method.
pub fn begins_method(bytes: &[u8]) -> bool {
    METHODS.iter().any(|method| method.as_bytes().starts_with(bytes))
}

/// What a request target says.
#[derive(Debug)]
pub struct Target {
    /// `http` or `https`.
    pub scheme: Bytes,
    /// Host, with port if given.
    pub authority: Option<Bytes>,
    /// Path and query.
    pub path: Bytes,
}

/// Resolves origin, absolute, authority and asterisk form.
pub fn resolve(raw: &Bytes, method: &Bytes, host: Option<Bytes>, tls: bool) -> Result<Target, ProtocolError> {
    let connection_scheme = Bytes::from_static(if tls { b"https" } else { b"http" });
    if !is_valid(raw, &method[..] == b"CONNECT") {
        return Err(ProtocolError::CODEC);
    }
    if &method[..] == b"CONNECT" {
        if !is_host_and_port(raw) {
            return Err(ProtocolError::INVALID_URL);
        }
        return Ok(Target { scheme: connection_scheme, authority: Some(raw.clone()), path: Bytes::new() });
    }
    if raw[0] == b'/' || (raw[0] == b'*' && &method[..] == b"OPTIONS") {
        return Ok(Target { scheme: connection_scheme, authority: host, path: raw.clone() });
    }
    absolute(raw, tls)
}

/// `scheme://[userinfo@]host[:port][/path][?query]`; the Host field does not count.
fn absolute(raw: &Bytes, tls: bool) -> Result<Target, ProtocolError> {
    let colon = memchr::memmem::find(raw, b"://").ok_or(ProtocolError::INVALID_URL)?;
    let scheme = raw[..colon].to_ascii_lowercase();
    let rest = raw.slice(colon + 3..);
    let host_end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let host_start = memchr::memchr(b'@', &rest[..host_end]).map_or(0, |at| at + 1);
    let authority = rest.slice(host_start..host_end);
    if !is_host(&authority) {
        return Err(ProtocolError::INVALID_URL);
    }
    if scheme != b"http" && scheme != b"https" {
        return Err(ProtocolError::INVALID_SCHEME);
    }
    if scheme == b"https" && !tls {
        return Err(ProtocolError::HTTPS_ON_PLAINTEXT);
    }
    let path = if host_end == rest.len() { Bytes::from_static(b"/") } else { rest.slice(host_end..) };
    let scheme = Bytes::from_static(if scheme == b"https" { b"https" } else { b"http" });
    Ok(Target { scheme, authority: Some(authority), path })
}

/// `host[:port]`, as http-parser takes it in an absolute form and for CONNECT: letters, digits, dots and hyphens, or an
/// address in brackets.
fn is_host(authority: &[u8]) -> bool {
    let is_address =
        |text: &[u8]| !text.is_empty() && text.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'));
    let end = match authority.first() {
        Some(b'[') => match memchr::memchr(b']', authority) {
            Some(end) if is_address(&authority[1..end]) => end + 1,
            _ => 0,
        },
        _ => authority.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')).count(),
    };
    match authority.get(end) {
        None => end > 0,
        Some(b':') if end > 0 => {
            let port = std::str::from_utf8(&authority[end + 1..]).unwrap_or_default();
            port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
        }
        Some(_) => false,
    }
}

/// The characters that a target may have, as http-parser judged.
fn is_valid(url: &[u8], connect: bool) -> bool {
    let path_or_query = |b: &u8| matches!(b, 9 | 12 | b'!'..=126);
    let Some(first) = url.first() else { return false };
    if matches!(first, b'/' | b'*') {
        return url[1..].iter().all(path_or_query);
    }
    let mut rest = url;
    if !connect {
        // RFC 3986 §3.1
        let scheme = url.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')).count();
        if !first.is_ascii_alphabetic() || !url[scheme..].starts_with(b"://") {
            return false;
        }
        rest = &url[scheme + 3..];
    }
    let host_end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_end);
    host.iter().all(|b| is_host_byte(*b))
        && memchr::memmem::find(host, b"@@").is_none()
        && path.iter().all(path_or_query)
}

/// What CONNECT asks for.
fn is_host_and_port(target: &[u8]) -> bool {
    is_host(target) && memchr::memrchr(b':', target).is_some_and(|colon| !target[colon..].contains(&b']'))
}

fn is_host_byte(b: u8) -> bool {
    const TABLE: [bool; 256] = {
        const OTHERS: &[u8] = b"!$%&'()*+,-.:;=@[]_~";
        let mut table = [false; 256];
        let mut b = 0;
        while b < 256 {
            table[b] = (b as u8).is_ascii_alphanumeric();
            b += 1;
        }
        let mut n = 0;
        while n < OTHERS.len() {
            table[OTHERS[n] as usize] = true;
            n += 1;
        }
        table
    };
    TABLE[b as usize]
}

/// Whether a Host value is an authority: the characters that HTTP/2's `:authority` may have.
pub fn is_authority(value: &[u8]) -> bool {
    value.iter().all(|b| is_host_byte(*b))
}
