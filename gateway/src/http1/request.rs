//! Reading the head of an HTTP/1 request: what Envoy's codec takes and refuses, byte for byte.
//!
//! Lenient where Envoy is (bare LF, folded lines, blank lines before the request, runs of blanks in the request
//! line) and strict where it is strict (one content-length, one `chunked`, known methods).

use bytes::{Bytes, BytesMut};
use config_schema::snapshot::UnderscoresAction;

use super::fields::{self, FieldError};
use super::target::{self, Target};
use crate::headers::{Headers, Name};
use crate::message::{self, BodyLength, RequestHead, Version};
use crate::outcome::ProtocolError;

/// Limits of a request head.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Number of fields.
    pub max_headers: usize,
    /// Bytes of target, names and values.
    pub max_bytes: usize,
    /// Field names with an underscore.
    pub underscores: UnderscoresAction,
}

/// A head and how its body comes.
#[derive(Debug)]
pub struct ParsedRequest {
    /// The head.
    pub head: RequestHead,
    /// Body framing. [`BodyLength::UntilClose`]: an upgrade, whatever follows is its data.
    pub body: BodyLength,
    /// The client asks that the connection be closed after the answer.
    pub close: bool,
}

/// Whether a request can start with this byte. Answered at once: the bytes of another protocol (a TLS hello) may never
/// make up a line.
pub fn may_start(byte: u8) -> bool {
    byte > b' '
}

/// Whether a line may begin a request; also answered at once.
pub fn is_request_line(line: &[u8]) -> bool {
    request_line(&Bytes::copy_from_slice(line)).is_ok()
}

/// Where the scan for the end of the head stands between reads.
#[derive(Debug, Default, Clone, Copy)]
pub struct HeadScan {
    at: usize,
    line_start: usize,
    seen_line: bool,
    told_line: bool,
}

impl HeadScan {
    /// Takes away blank lines in front of the head (RFC 9112 §2.2).
    pub fn skip_blank_lines(&mut self, buffer: &mut BytesMut) {
        if !self.seen_line {
            let blank = buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            bytes::Buf::advance(buffer, blank);
            self.seen_line = !buffer.is_empty();
        }
    }

    /// The first line of a head that is not complete yet, once.
    pub fn first_line<'b>(&mut self, buffer: &'b [u8]) -> Option<&'b [u8]> {
        if self.told_line || self.line_start == 0 {
            return None;
        }
        self.told_line = true;
        buffer.split(|b| *b == b'\n').next()
    }

    /// Length of the head with its empty line, once it is complete. A request line without a version is all of it.
    pub fn find_end(&mut self, buffer: &[u8]) -> Option<usize> {
        while let Some(offset) = memchr::memchr(b'\n', &buffer[self.at..]) {
            let end = self.at + offset;
            let line = &buffer[self.line_start..end];
            if self.line_start == 0 && is_short(line) {
                *self = HeadScan::default();
                return Some(end + 1);
            }
            self.at = end + 1;
            self.line_start = self.at;
            if line.is_empty() || line == b"\r" {
                *self = HeadScan::default();
                return Some(end + 1);
            }
        }
        self.at = buffer.len();
        None
    }
}

/// Parses a complete head. `plaintext_scheme` is the scheme of the connection.
pub fn parse(head: BytesMut, limits: &HeadLimits, tls: bool) -> Result<ParsedRequest, ProtocolError> {
    let mut head = head;
    let invalid = fields::has_invalid_byte(&head);
    let line_end = memchr::memchr(b'\n', &head).ok_or(ProtocolError::CODEC)?;
    let line = head.split_to(line_end + 1).freeze();
    if invalid {
        // Where there is no target, nothing else is looked at.
        let has_target = words(&line).nth(1).is_some();
        return Err(if has_target { ProtocolError::INVALID_CHARACTERS } else { ProtocolError::CODEC });
    }
    let (method, raw_target, version) = request_line(&line)?;
    let mut fields = match fields::parse(head, limits) {
        Ok(fields) => fields,
        Err(FieldError::Syntax) => return Err(ProtocolError::CODEC),
        Err(FieldError::TooMany) => return Err(ProtocolError::TOO_MANY_HEADERS),
        Err(FieldError::Underscore) => return Err(ProtocolError::UNEXPECTED_UNDERSCORE),
    };
    if raw_target.len() + fields.byte_size() > limits.max_bytes {
        return Err(ProtocolError::HEADERS_TOO_LARGE);
    }
    crate::headers::inline::join_in_request(&mut fields);
    let body = framing(&mut fields, &method)?;
    let close = version != Version::Http11
        || fields.get_all("connection").any(|value| message::has_token(value, b"close"))
        || fields.get_all("proxy-connection").any(|value| message::has_token(value, b"close"));
    if body != BodyLength::UntilClose && !super::connection::sanitize(&mut fields) {
        return Err(ProtocolError::CONNECTION_HEADER_REJECTED);
    }
    let host = fields.get("host").cloned();
    fields.remove("host");
    let Target { scheme, authority, path } = target::resolve(&raw_target, &method, host, tls)?;
    // Older requests are refused for their version.
    if version == Version::Http11 && authority.as_deref().is_some_and(|a| !target::is_authority(a)) {
        return Err(ProtocolError::INVALID_AUTHORITY);
    }
    let head = RequestHead { version, method, scheme, authority, path, headers: fields };
    Ok(ParsedRequest { head, body, close })
}

/// Splits the request line at runs of blanks and tabs.
fn request_line(line: &Bytes) -> Result<(Bytes, Bytes, Version), ProtocolError> {
    let text = line.trim_ascii_end();
    if text.first().is_none_or(u8::is_ascii_whitespace) {
        return Err(ProtocolError::CODEC);
    }
    let mut parts = words(text);
    let method = parts.next().ok_or(ProtocolError::CODEC)?;
    let target = parts.next().ok_or(ProtocolError::CODEC)?;
    let version = parts.next();
    if parts.next().is_some() || !target::is_known_method(method) {
        return Err(ProtocolError::CODEC);
    }
    let version = match version {
        // HTTP/0.9, but for what its target ends with.
        None if without_end(line).ends_with(b"HTTP/1.1") => Version::Http11,
        None => Version::Http10,
        Some(b"HTTP/1.1") => Version::Http11,
        Some(other) if is_version(other) => Version::Http10,
        Some(_) => return Err(ProtocolError::CODEC),
    };
    Ok((line.slice_ref(method), line.slice_ref(target), version))
}

/// A request line without a version: no fields follow it.
fn is_short(line: &[u8]) -> bool {
    // The usual line is recognised without splitting it.
    let usual =
        line.strip_suffix(b" HTTP/1.1\r").and_then(|rest| rest.split_at_checked(memchr::memchr(b' ', rest)? + 1));
    usual.is_none_or(|(_, target)| target.first().is_none_or(u8::is_ascii_whitespace)) && words(line).nth(2).is_none()
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.trim_ascii_end().split(|b| matches!(b, b' ' | b'\t')).filter(|part| !part.is_empty())
}

fn is_version(text: &[u8]) -> bool {
    matches!(text, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// Body framing by content-length and transfer-encoding (RFC 9112 §6.3), and upgrades.
fn framing(fields: &mut Headers, method: &Bytes) -> Result<BodyLength, ProtocolError> {
    let length = content_length(fields)?;
    let upgrade = take_upgrade(fields) || &method[..] == b"CONNECT";
    if let Some(encoding) = fields.get("transfer-encoding") {
        if !encoding.eq_ignore_ascii_case(b"chunked") || &method[..] == b"CONNECT" {
            return Err(ProtocolError::INVALID_TRANSFER_ENCODING);
        }
        if length.is_some() {
            return Err(ProtocolError::CONTENT_LENGTH_AND_CHUNKED);
        }
        return Ok(if upgrade { BodyLength::UntilClose } else { BodyLength::Streamed });
    }
    Ok(match length {
        _ if upgrade => BodyLength::UntilClose,
        None => BodyLength::None,
        Some(n) => BodyLength::Exact(n),
    })
}

fn content_length(fields: &Headers) -> Result<Option<u64>, ProtocolError> {
    let mut values = fields.get_all("content-length");
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ProtocolError::CODEC);
    }
    fields::decimal(value).map(Some).ok_or(ProtocolError::CODEC)
}

/// Whether this is an upgrade to be handled. An offer of `h2c` is forgotten.
fn take_upgrade(fields: &mut Headers) -> bool {
    if !message::is_upgrade(fields) {
        return false;
    }
    if !fields.get("upgrade").is_some_and(|v| v.eq_ignore_ascii_case(b"h2c")) {
        return true;
    }
    fields.remove("upgrade");
    fields.remove("http2-settings");
    let kept: Vec<Bytes> = fields
        .get_all("connection")
        .flat_map(|value| value.split(|b| *b == b','))
        .map(|token| token.trim_ascii())
        .filter(|token| !token.eq_ignore_ascii_case(b"upgrade") && !token.eq_ignore_ascii_case(b"http2-settings"))
        .map(Bytes::copy_from_slice)
        .collect();
    fields.remove("connection");
    if !kept.is_empty() {
        fields.append(Name::from_static("connection"), Bytes::from(kept.join(&b","[..])));
    }
    false
}
