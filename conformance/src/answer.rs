//! What came of an exchange: one shape for what was recorded and for what the gateway under test did.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;

/// Header fields in the order they came, duplicates kept, names as they were written.
pub type Headers = Vec<(String, String)>;

/// The outcome of an exchange. An absent key means "none".
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// Why there is no (whole) answer; see [`ErrorClass::of`].
    pub error: Option<String>,
    /// Response status.
    pub status: Option<u16>,
    /// Response headers.
    pub headers: Headers,
    /// Response trailers.
    pub trailers: Headers,
    /// Response body, or the bytes that came back; absent if it is the echo servers' own `echo`.
    pub body: Option<String>,
    /// Every backend that saw something: each attempt and each mirror.
    pub reached: Vec<SocketAddr>,
    /// The request (or the bytes) as the answering backend got it.
    pub seen: Option<Seen>,
    /// Copies of the request as backends got them.
    #[serde(deserialize_with = "one_or_many")]
    pub mirrored: Vec<Seen>,
    /// `%RESPONSE_FLAGS%` of the access log; absent for `-`.
    pub flags: Option<String>,
    /// `%RESPONSE_CODE_DETAILS%` of the access log; absent for `-`.
    pub details: Option<String>,
    /// The TLS session, if the handshake came to its end.
    pub tls: Option<ServedTls>,
    /// With `repeat`: how often which status came; `0` for bytes, the error's text for errors.
    pub statuses: BTreeMap<String, u32>,
    /// With `repeat`: how often which backend answered; absent with `sticky`.
    pub backends: BTreeMap<SocketAddr, u32>,
    /// With `repeat`: how many backends answered.
    pub distinct: Option<u32>,
}

/// A request, or bytes, as a backend got them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seen {
    /// The backend's address.
    pub backend: Option<SocketAddr>,
    /// Request method; absent for bytes.
    pub method: Option<String>,
    /// Request target.
    pub path: Option<String>,
    /// Host or `:authority`.
    pub authority: Option<String>,
    /// HTTP version: `1.0`, `1.1` or `2`.
    pub version: Option<String>,
    /// Request headers, without Host and without those that steer the echo server.
    pub headers: Headers,
    /// Request body, or the bytes.
    pub body: Option<String>,
    /// The TLS session of the gateway's connection to the backend.
    pub tls: Option<SeenTls>,
}

/// The TLS session between gateway and backend, as the backend saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeenTls {
    /// Server name as it was sent; [`HANDSHAKE_FAILED`] if the handshake did not come to its end.
    pub sni: Option<String>,
    /// Protocol chosen by ALPN.
    pub alpn: Option<String>,
    /// The gateway's certificate: its URI name, else its common name.
    pub client: Option<String>,
}

/// What stands in for the SNI of a handshake that failed.
pub const HANDSHAKE_FAILED: &str = "handshake failed";

/// The TLS session between client and gateway, as the client saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServedTls {
    /// Protocol version, such as `1.3`.
    pub version: String,
    /// Protocol chosen by ALPN.
    pub alpn: Option<String>,
    /// Common name of the certificate served.
    pub cert: Option<String>,
}

/// The classes of errors that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorClass {
    /// Nothing listens on the port.
    Refused,
    /// The TLS handshake failed, or an alert came later.
    Tls,
    /// The connection or the stream ended without an answer.
    Closed,
    /// Nothing came within the exchange's time.
    NoAnswer,
}

impl ErrorClass {
    /// Classifies an error text as recorded: `connection refused`, `tls: ...`, `remote error: ...`, `closed`,
    /// `reset: ...`, `no answer`. Other texts have no class.
    pub fn of(error: &str) -> Option<Self> {
        match error {
            "connection refused" => Some(Self::Refused),
            "closed" => Some(Self::Closed),
            "no answer" => Some(Self::NoAnswer),
            _ if error.starts_with("tls: ") || error.starts_with("remote error: ") => Some(Self::Tls),
            _ if error.starts_with("reset") => Some(Self::Closed),
            _ => None,
        }
    }

    /// The class in the words of the recorded answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Tls => "tls",
            Self::Closed => "closed or reset",
            Self::NoAnswer => "no answer",
        }
    }
}

impl Answer {
    /// An answer that is nothing but an error.
    pub fn failed(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::default() }
    }

    /// Whether the answer says nothing but which error it was.
    pub fn is_error_alone(&self) -> bool {
        self.error.is_some() && *self == Self::failed(self.error.clone().unwrap_or_default())
    }

    /// Value of the first response header of this name, compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Seen>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(Box<Seen>),
        Many(Vec<Seen>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(seen) => vec![*seen],
        OneOrMany::Many(all) => all,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_classes() {
        let class = |text| ErrorClass::of(text).map(ErrorClass::name);
        assert_eq!(class("connection refused"), Some("refused"));
        assert_eq!(class("tls: closed"), Some("tls"));
        assert_eq!(class("remote error: tls: unknown certificate authority"), Some("tls"));
        assert_eq!(class("closed"), Some("closed or reset"));
        assert_eq!(class("reset: INTERNAL_ERROR"), Some("closed or reset"));
        assert_eq!(class("no answer"), Some("no answer"));
        assert_eq!(class("something else"), None);
    }

    #[test]
    fn error_alone() {
        assert!(Answer::failed("closed").is_error_alone());
        assert!(!Answer { flags: Some("UH".into()), ..Answer::failed("closed") }.is_error_alone());
        assert!(!Answer::default().is_error_alone());
    }
}
