//! Reading the head of an HTTP/1 response.

use bytes::{Bytes, BytesMut};
use config_schema::snapshot::UnderscoresAction;

use super::fields::{self, decimal};
use super::request::HeadLimits;
use crate::message::{self, BodyLength, ResponseHead};

/// What a backend's head may have. Envoy: 100 fields, 80 KiB.
const LIMITS: HeadLimits = HeadLimits { max_headers: 100, max_bytes: 80 * 1024, underscores: UnderscoresAction::Allow };

/// What came is no HTTP/1 response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseError;

/// A head, how its body comes, and whether the connection can be used again.
#[derive(Debug)]
pub struct ParsedResponse {
    /// The head.
    pub head: ResponseHead,
    /// Body framing.
    pub body: BodyLength,
    /// The connection ends with this response.
    pub close: bool,
}

/// What was asked decides how the answer is delimited.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestKind {
    /// HEAD: no body whatever the head says.
    pub head: bool,
    /// An upgrade: 101 hands the connection over.
    pub upgrade: bool,
    /// CONNECT: 2xx hands the connection over.
    pub connect: bool,
}

/// Limit of the head in bytes; a backend that sends more speaks no HTTP.
pub const MAX_HEAD: usize = LIMITS.max_bytes;

/// Parses a complete head.
pub fn parse(mut head: BytesMut, kind: RequestKind) -> Result<ParsedResponse, ResponseError> {
    if fields::has_invalid_byte(&head) {
        return Err(ResponseError);
    }
    let line_end = memchr::memchr(b'\n', &head).ok_or(ResponseError)?;
    let line = head.split_to(line_end + 1).freeze();
    let (old_version, status) = status_line(&line)?;
    let headers = fields::parse(head, &LIMITS).map_err(|_| ResponseError)?;
    let mut lengths = headers.get_all("content-length");
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(value), None) => Some(decimal(value).ok_or(ResponseError)?),
        (Some(_), Some(_)) => return Err(ResponseError),
    };
    drop(lengths);
    let chunked = match headers.get("transfer-encoding") {
        None => false,
        Some(value) if value.eq_ignore_ascii_case(b"chunked") => true,
        Some(_) => return Err(ResponseError),
    };
    let connection = |token: &[u8]| headers.get_all("connection").any(|v| message::has_token(v, token));
    let mut close = connection(b"close") || (old_version && !connection(b"keep-alive"));
    let body = if kind.head || matches!(status, 102..=199 | 100 | 204 | 304) {
        BodyLength::None
    } else if (status == 101 && kind.upgrade) || (kind.connect && (200..300).contains(&status)) {
        BodyLength::UntilClose
    } else if status == 101 {
        return Err(ResponseError);
    } else if chunked {
        BodyLength::Streamed
    } else {
        length.map_or(BodyLength::UntilClose, BodyLength::Exact)
    };
    if matches!(status, 100..=199 | 204) && (chunked || length.is_some_and(|n| n > 0)) {
        return Err(ResponseError);
    }
    // Two lengths: a sign of smuggling (RFC 9112 §6.3).
    if chunked && length.is_some() {
        return Err(ResponseError);
    }
    close |= body == BodyLength::UntilClose;
    Ok(ParsedResponse { head: ResponseHead { status, headers }, body, close })
}

/// `HTTP/1.x STATUS [REASON]`.
fn status_line(line: &Bytes) -> Result<(bool, u16), ResponseError> {
    let text = line.trim_ascii_end();
    let rest = text.strip_prefix(b"HTTP/1.").ok_or(ResponseError)?;
    let (minor, rest) = rest.split_first().ok_or(ResponseError)?;
    let rest = rest.trim_ascii_start();
    let digits = rest.get(..3).ok_or(ResponseError)?;
    if !minor.is_ascii_digit() || rest.get(3).is_some_and(|b| *b != b' ') {
        return Err(ResponseError);
    }
    let status = decimal(digits).and_then(|n| u16::try_from(n).ok()).filter(|n| *n >= 100).ok_or(ResponseError)?;
    Ok((*minor == b'0', status))
}
