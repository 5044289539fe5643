//! Requests and responses as the gateway handles them, whatever the HTTP version.

use bytes::Bytes;

use crate::headers::Headers;

/// HTTP version of a message as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0, or whatever else is not 1.1.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

impl Version {
    /// As in a request line and in `%PROTOCOL%`.
    pub fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2",
        }
    }
}

/// Head of a request.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// Version as received.
    pub version: Version,
    /// Method; case counts.
    pub method: Bytes,
    /// `http` or `https`, as the client says (absolute form, `:scheme`) or as the connection is.
    pub scheme: Bytes,
    /// Host header or `:authority`, with port if it has one. `None` if there was neither.
    pub authority: Option<Bytes>,
    /// Path and query.
    pub path: Bytes,
    /// All other fields; `host` is never among them.
    pub headers: Headers,
}

impl RequestHead {
    /// Of a request that could not be read.
    pub fn unread(version: Version) -> Self {
        RequestHead {
            version,
            method: Bytes::new(),
            scheme: Bytes::new(),
            authority: None,
            path: Bytes::new(),
            headers: Headers::default(),
        }
    }

    /// Path without query.
    pub fn path_only(&self) -> &[u8] {
        match memchr::memchr(b'?', &self.path) {
            Some(at) => &self.path[..at],
            None => &self.path,
        }
    }

    /// Query with its `?`, or nothing.
    pub fn query_with_mark(&self) -> &[u8] {
        match memchr::memchr(b'?', &self.path) {
            Some(at) => &self.path[at..],
            None => b"",
        }
    }

    /// Authority as text; empty when absent or not text.
    pub fn authority_str(&self) -> &str {
        self.authority.as_deref().and_then(|a| std::str::from_utf8(a).ok()).unwrap_or("")
    }

    /// Whether this is a HEAD request, whose answer has no body.
    pub fn is_head(&self) -> bool {
        &self.method[..] == b"HEAD"
    }

    /// `connection: upgrade` with an `upgrade` header (HTTP/1 only).
    pub fn is_upgrade(&self) -> bool {
        is_upgrade(&self.headers)
    }

    /// Whether content-type says gRPC (`application/grpc`, `application/grpc+…`); CONNECT calls no method.
    pub fn is_grpc(&self) -> bool {
        &self.method[..] != b"CONNECT" && is_grpc_content_type(self.headers.get("content-type"))
    }
}

/// Whether the fields ask for an upgrade: a `connection` token and an `upgrade` field.
pub fn is_upgrade(headers: &Headers) -> bool {
    headers.contains("upgrade") && headers.get_all("connection").any(|value| has_token(value, b"upgrade"))
}

/// Whether a content-type is `application/grpc` or one of its `+` kinds.
pub fn is_grpc_content_type(value: Option<&Bytes>) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    value.is_some_and(|v| v.starts_with(GRPC) && (v.len() == GRPC.len() || v[GRPC.len()] == b'+'))
}

/// Whether a comma list has a token, compared without case.
pub fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|b| *b == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

/// Head of a response.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// Status.
    pub status: u16,
    /// Fields.
    pub headers: Headers,
}

impl ResponseHead {
    /// With no fields.
    pub fn new(status: u16) -> Self {
        ResponseHead { status, headers: Headers::with_capacity(8) }
    }

    /// Informational answers are followed by a final one; 101 is final.
    pub fn is_informational(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// How a message's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// No body.
    None,
    /// This many bytes.
    Exact(u64),
    /// Chunks, or HTTP/2 frames: the end comes by itself.
    Streamed,
    /// Until the connection closes (HTTP/1 responses without length, and upgrades).
    UntilClose,
}

impl BodyLength {
    /// Nothing will come.
    pub fn is_none(self) -> bool {
        matches!(self, BodyLength::None | BodyLength::Exact(0))
    }
}

/// A piece of a body.
#[derive(Debug)]
pub enum Frame {
    /// Bytes, never empty.
    Data(Bytes),
    /// Trailers; the body ends with them.
    Trailers(Headers),
    /// The end.
    End,
}

/// Reason phrase of a status, as Envoy writes it in HTTP/1 answers.
pub fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Unknown")
}
