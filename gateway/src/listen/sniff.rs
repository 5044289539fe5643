//! What a connection speaks, from its first bytes: TLS with its SNI and ALPN, HTTP/2's preface, or something else.

use crate::http1::target;

/// First bytes of HTTP/2 (RFC 9113 §3.4).
pub const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A ClientHello may not be longer than this, over all its records.
const MAX_HELLO: usize = 64 * 1024;

/// What a TLS client says first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// SNI in lower case.
    pub server_name: Option<String>,
    /// ALPN in the client's order.
    pub alpn: Vec<Vec<u8>>,
    /// The client can verify ECDSA signatures.
    pub supports_ecdsa: bool,
    /// The client can do TLS 1.3.
    pub offers_tls13: bool,
}

/// What a client begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Beginning {
    /// A ClientHello.
    Tls(ClientHello),
    /// A request of HTTP/1.1, or the preface of HTTP/2.
    Http,
    /// Something else, or nothing was looked at.
    #[default]
    Raw,
}

impl Beginning {
    /// The ClientHello.
    pub fn hello(&self) -> Option<&ClientHello> {
        match self {
            Beginning::Tls(hello) => Some(hello),
            Beginning::Http | Beginning::Raw => None,
        }
    }
}

/// What the first bytes say.
#[derive(Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// More bytes are needed.
    NeedMore,
    /// A ClientHello.
    Tls(ClientHello),
    /// No TLS.
    Raw,
    /// It starts like TLS and goes wrong.
    BrokenTls,
}

/// Looks for a ClientHello.
pub fn client_hello(bytes: &[u8]) -> Sniffed {
    match bytes {
        [] => return Sniffed::NeedMore,
        [0x16] => return Sniffed::NeedMore,
        // A handshake record of SSL 3.0 or later.
        [0x16, 3, ..] => {}
        _ => return Sniffed::Raw,
    }
    let message = match handshake_message(bytes) {
        Ok(Some(message)) => message,
        Ok(None) => return Sniffed::NeedMore,
        Err(Broken) => return Sniffed::BrokenTls,
    };
    match parse(&message) {
        Some(hello) => Sniffed::Tls(hello),
        None => Sniffed::BrokenTls,
    }
}

/// Whether the bytes are, or may become, HTTP/2's preface.
pub fn http2_preface(bytes: &[u8]) -> Option<bool> {
    let n = bytes.len().min(HTTP2_PREFACE.len());
    if bytes[..n] != HTTP2_PREFACE[..n] {
        return Some(false);
    }
    (n == HTTP2_PREFACE.len()).then_some(true)
}

/// A request line longer than this is not waited for.
const MAX_REQUEST_LINE: usize = 64 * 1024;

/// Whether the bytes begin a request of HTTP/1.1 or HTTP/2; `None`: they may.
pub fn http_request(bytes: &[u8]) -> Option<bool> {
    match http2_preface(bytes) {
        Some(false) => http1_request(bytes),
        decided => decided,
    }
}

/// A character of a token (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn http1_request(bytes: &[u8]) -> Option<bool> {
    let Some(space) = memchr::memchr(b' ', bytes) else {
        return if target::begins_method(bytes) { None } else { Some(false) };
    };
    let (method, rest) = (&bytes[..space], &bytes[space + 1..]);
    // Any token is a method here: one that HTTP/1 does not have is answered with 400.
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Some(false);
    }
    let Some(end) = memchr::memchr2(b'\r', b'\n', rest) else {
        let text = !rest.iter().any(|byte| byte.is_ascii_control());
        return if text && bytes.len() < MAX_REQUEST_LINE { None } else { Some(false) };
    };
    // HTTP/1.0 is bytes to Istio's sidecars.
    let target = rest[..end].strip_suffix(b" HTTP/1.1");
    Some(target.is_some_and(|target| !target.is_empty() && !target.iter().any(u8::is_ascii_control)))
}

struct Broken;

/// Joins the fragments of the first handshake message, which must be a ClientHello (RFC 8446 §5.1).
fn handshake_message(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
    let mut joined = Vec::new();
    loop {
        let Some((header, rest)) = bytes.split_at_checked(5) else { return Ok(None) };
        if header[0] != 0x16 || header[1] != 3 {
            return Err(Broken);
        }
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if length == 0 || joined.len() + length > MAX_HELLO {
            return Err(Broken);
        }
        let fragment = rest.get(..length.min(rest.len())).unwrap_or_default();
        joined.extend_from_slice(fragment);
        if let [kind, a, b, c, body @ ..] = joined.as_slice() {
            let total = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if *kind != 1 || total > MAX_HELLO {
                return Err(Broken);
            }
            if body.len() >= total {
                return Ok(Some(body[..total].to_vec()));
            }
        }
        if rest.len() < length {
            return Ok(None);
        }
        bytes = &rest[length..];
    }
}

/// A cursor over big-endian TLS structures.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)))
    }

    /// A vector behind a length of so many bytes.
    fn vector(&mut self, length_bytes: usize) -> Option<Reader<'a>> {
        let length = self.number(length_bytes)?;
        self.take(length).map(Reader)
    }
}

fn parse(body: &[u8]) -> Option<ClientHello> {
    let mut reader = Reader(body);
    let version = reader.number(2)?;
    reader.take(32)?;
    reader.vector(1)?;
    let suites = reader.vector(2)?;
    reader.vector(1)?;
    let mut hello = ClientHello::default();
    let mut signature_algorithms = None;
    if !reader.0.is_empty() {
        let mut extensions = reader.vector(2)?;
        while !extensions.0.is_empty() {
            let kind = extensions.number(2)?;
            let data = extensions.vector(2)?;
            match kind {
                0 => hello.server_name = server_name(data)?,
                13 => signature_algorithms = Some(data),
                16 => hello.alpn = alpn(data)?,
                43 => hello.offers_tls13 = offers_tls13(data)?,
                _ => {}
            }
        }
    }
    hello.supports_ecdsa = match signature_algorithms {
        Some(mut list) => list.vector(2)?.0.chunks_exact(2).any(|scheme| matches!(scheme, [4..=6, 3])),
        // Without the extension ECDSA comes with the cipher suites (RFC 8422 §5.1), or not at all.
        None => version >= 0x0301 && suites.0.chunks_exact(2).any(is_ecdsa_suite),
    };
    Some(hello)
}

fn is_ecdsa_suite(suite: &[u8]) -> bool {
    matches!(suite, [0xc0, 0x06..=0x0a | 0x23 | 0x24 | 0x2b | 0x2c] | [0xcc, 0xa9])
}

fn offers_tls13(mut data: Reader<'_>) -> Option<bool> {
    Some(data.vector(1)?.0.chunks_exact(2).any(|version| version == [3, 4]))
}

fn server_name(mut data: Reader<'_>) -> Option<Option<String>> {
    let mut list = data.vector(2)?;
    while !list.0.is_empty() {
        let kind = list.number(1)?;
        let name = list.vector(2)?;
        if kind == 0 {
            return Some(std::str::from_utf8(name.0).ok().map(str::to_ascii_lowercase));
        }
    }
    Some(None)
}

fn alpn(mut data: Reader<'_>) -> Option<Vec<Vec<u8>>> {
    let mut list = data.vector(2)?;
    let mut names = Vec::new();
    while !list.0.is_empty() {
        names.push(list.vector(1)?.0.to_vec());
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_from_other_bytes() {
        for (bytes, expected) in [
            ("", None),
            ("G", None),
            ("GET", None),
            ("GET /x", None),
            ("GET /x HTTP/1.1", None),
            ("GET /x HTTP/1.1\r\n", Some(true)),
            ("OPTIONS * HTTP/1.1\nhost", Some(true)),
            ("GET /x HTTP/1.0\r\n", Some(false)),
            ("GET /x\r\n", Some(false)),
            ("GET  HTTP/1.1\r\n", Some(false)),
            ("GET /\u{1}", Some(false)),
            ("get / HTTP/1.1\r\n", Some(true)),
            ("F@O / HTTP/1.1\r\n", Some(false)),
            ("hello\n", Some(false)),
            ("GETS", Some(false)),
            ("PRI * HTTP/2.0\r\n", None),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(true)),
            ("PRI * HTTP/1.1\r\n", Some(true)),
        ] {
            assert_eq!(http_request(bytes.as_bytes()), expected, "{bytes:?}");
        }
        assert_eq!(http_request(&[b"GET /".as_slice(), &[b'x'; MAX_REQUEST_LINE]].concat()), Some(false));
    }
}
