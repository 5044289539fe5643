//! Which protocol a connection speaks, by its first bytes.

use crate::wire::http2::PREFACE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Tls,
    Http1,
    Http2,
    Raw,
}

/// The longest method that is taken for one.
const LONGEST_METHOD: usize = 32;

/// The protocol of a connection that begins so; `None` while more bytes may decide.
pub(super) fn sniff(ahead: &[u8]) -> Option<Protocol> {
    match ahead {
        [] | [0x16] => return None,
        [0x16, 3, ..] => return Some(Protocol::Tls),
        _ if ahead.starts_with(PREFACE) => return Some(Protocol::Http2),
        _ if PREFACE.starts_with(ahead) => return None,
        _ => {}
    }
    if let Some(end) = ahead.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&ahead[..end]);
        let http = line.trim_end().rsplit(' ').next().is_some_and(|word| word.starts_with("HTTP/1."));
        return Some(if http { Protocol::Http1 } else { Protocol::Raw });
    }
    let method = ahead.iter().take_while(|byte| byte.is_ascii_graphic()).count();
    let plausible = method > 0 && method <= LONGEST_METHOD && ahead.get(method).is_none_or(|byte| *byte == b' ');
    if plausible { None } else { Some(Protocol::Raw) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols() {
        for (bytes, protocol) in [
            (b"\x16\x03\x01".as_slice(), Some(Protocol::Tls)),
            (b"\x16", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n...", Some(Protocol::Http2)),
            (b"PRI * HTTP", None),
            (b"GET / HTTP/1.1\r\n", Some(Protocol::Http1)),
            (b"FOO-BAR /a b HTTP/1.0\n", Some(Protocol::Http1)),
            (b"GET /", None),
            (b"hello\n", Some(Protocol::Raw)),
            (b"SSH-2.0-OpenSSH_9.6\r\n", Some(Protocol::Raw)),
            (b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", Some(Protocol::Raw)),
            (b"\r\n\r\n\0\r\nQUIT\n", Some(Protocol::Raw)),
            (b"\x01\x02", Some(Protocol::Raw)),
            (b"", None),
        ] {
            assert_eq!(sniff(bytes), protocol, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
