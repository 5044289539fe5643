//! Requests that the codec refuses.

/// A request that the codec refuses before there is anything to route. The connection closes after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtocolError {
    /// Status of the answer.
    pub status: u16,
    /// `%RESPONSE_CODE_DETAILS%`.
    pub details: &'static str,
}

impl ProtocolError {
    const fn new(status: u16, details: &'static str) -> Self {
        ProtocolError { status, details }
    }

    /// Syntax.
    pub const CODEC: Self = Self::new(400, "http1.codec_error");
    /// Control characters in the head.
    pub const INVALID_CHARACTERS: Self = Self::new(400, "http1.invalid_characters");
    /// Absolute target without host.
    pub const INVALID_URL: Self = Self::new(400, "http1.invalid_url");
    /// Absolute target of a scheme that is not HTTP.
    pub const INVALID_SCHEME: Self = Self::new(400, "http1.invalid_scheme");
    /// An https target on a plaintext connection.
    pub const HTTPS_ON_PLAINTEXT: Self = Self::new(403, "http1.https_url_on_plaintext_connection");
    /// A Host that is no authority.
    pub const INVALID_AUTHORITY: Self = Self::new(400, "http.invalid_authority");
    /// Any transfer-encoding but one `chunked`.
    pub const INVALID_TRANSFER_ENCODING: Self = Self::new(501, "http1.invalid_transfer_encoding");
    /// content-length and transfer-encoding.
    pub const CONTENT_LENGTH_AND_CHUNKED: Self = Self::new(400, "http1.content_length_and_chunked_not_allowed");
    /// `connection` names a field that a client may not take away.
    pub const CONNECTION_HEADER_REJECTED: Self = Self::new(400, "http1.connection_header_rejected");
    /// More fields than allowed.
    pub const TOO_MANY_HEADERS: Self = Self::new(431, "http1.too_many_headers");
    /// More bytes than allowed.
    pub const HEADERS_TOO_LARGE: Self = Self::new(431, "http1.headers_too_large");
    /// A name with an underscore.
    pub const UNEXPECTED_UNDERSCORE: Self = Self::new(400, "http1.unexpected_underscore");
    /// A name with an underscore, over HTTP/2.
    pub const UNEXPECTED_UNDERSCORE_H2: Self = Self::new(400, "http2.unexpected_underscore");
    /// More fields than allowed, over HTTP/2.
    pub const TOO_MANY_HEADERS_H2: Self = Self::new(431, "http2.too_many_headers");
    /// A field that HTTP/2 forbids, or that is none.
    pub const INVALID_HEADER_FIELD_H2: Self = Self::new(400, "http2.invalid.header.field");
    /// A head without what it must have.
    pub const MESSAGING_RULE_H2: Self = Self::new(400, "http2.violation.of.messaging.rule");
    /// A body that is not what its framing says.
    pub const BODY: Self = Self::new(400, "http1.codec_error");
}
