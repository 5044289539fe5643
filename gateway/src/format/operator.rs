//! The operators: their names, arguments, and values.

use std::fmt;

use super::time::TimeFormat;
use super::value::{Scope, Value};

/// A format that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError(String);

impl FormatError {
    pub(crate) fn new(text: String) -> Self {
        FormatError(text)
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FormatError {}

/// A field of a head: a name, another one to take its place, and a maximal length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldArgument {
    name: String,
    alternative: Option<String>,
    max_length: Option<usize>,
}

/// A `%COMMAND%`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// `REQ(X?Y):Z`
    Request(FieldArgument),
    /// `RESP(X?Y):Z`
    Response(FieldArgument),
    /// `TRAILER(X?Y):Z`
    Trailer(FieldArgument),
    /// `START_TIME(FORMAT)`
    StartTime(TimeFormat),
    /// Everything without an argument, by name.
    Plain(Plain),
    /// `ENVIRONMENT(X):Z`: read once, at parse time; a dash if it is not set, in headers too.
    Environment(String),
    /// `PATH(WQ|NQ|ORIG…)`: with or without query, original or rewritten.
    Path {
        /// With query.
        query: bool,
        /// Before rewrites: always, if there is one, or never.
        original: Original,
    },
    /// State of filters that Sallyport does not have (`DYNAMIC_METADATA`, `FILTER_STATE` …): always missing.
    Absent,
}

/// Which path `PATH` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    /// x-envoy-original-path only.
    Only,
    /// x-envoy-original-path, else the path.
    Preferred,
    /// The path.
    Never,
}

macro_rules! plain {
    ($($variant:ident = $text:literal,)*) => {
        /// Operators without an argument.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Plain { $(#[doc = concat!("`", $text, "`")] $variant,)* }

        const PLAIN: &[(&str, Plain)] = &[$(($text, Plain::$variant),)*];
    };
}

plain! {
    Protocol = "PROTOCOL",
    ResponseCode = "RESPONSE_CODE",
    ResponseCodeDetails = "RESPONSE_CODE_DETAILS",
    ConnectionTerminationDetails = "CONNECTION_TERMINATION_DETAILS",
    ResponseFlags = "RESPONSE_FLAGS",
    BytesReceived = "BYTES_RECEIVED",
    BytesSent = "BYTES_SENT",
    Duration = "DURATION",
    RequestDuration = "REQUEST_DURATION",
    ResponseDuration = "RESPONSE_DURATION",
    ResponseTxDuration = "RESPONSE_TX_DURATION",
    RequestTxDuration = "REQUEST_TX_DURATION",
    RouteName = "ROUTE_NAME",
    UpstreamHost = "UPSTREAM_HOST",
    UpstreamCluster = "UPSTREAM_CLUSTER",
    UpstreamClusterRaw = "UPSTREAM_CLUSTER_RAW",
    UpstreamLocalAddress = "UPSTREAM_LOCAL_ADDRESS",
    UpstreamLocalAddressWithoutPort = "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    UpstreamLocalPort = "UPSTREAM_LOCAL_PORT",
    UpstreamRemoteAddress = "UPSTREAM_REMOTE_ADDRESS",
    UpstreamRemoteAddressWithoutPort = "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    UpstreamRemotePort = "UPSTREAM_REMOTE_PORT",
    UpstreamTransportFailureReason = "UPSTREAM_TRANSPORT_FAILURE_REASON",
    UpstreamRequestAttemptCount = "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    DownstreamRemoteAddress = "DOWNSTREAM_REMOTE_ADDRESS",
    DownstreamRemoteAddressWithoutPort = "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    DownstreamRemotePort = "DOWNSTREAM_REMOTE_PORT",
    DownstreamDirectRemoteAddress = "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    DownstreamDirectRemoteAddressWithoutPort = "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    DownstreamDirectRemotePort = "DOWNSTREAM_DIRECT_REMOTE_PORT",
    DownstreamLocalAddress = "DOWNSTREAM_LOCAL_ADDRESS",
    DownstreamLocalAddressWithoutPort = "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    DownstreamLocalPort = "DOWNSTREAM_LOCAL_PORT",
    RequestedServerName = "REQUESTED_SERVER_NAME",
    DownstreamTlsVersion = "DOWNSTREAM_TLS_VERSION",
    DownstreamTlsCipher = "DOWNSTREAM_TLS_CIPHER",
    DownstreamPeerSubject = "DOWNSTREAM_PEER_SUBJECT",
    DownstreamPeerIssuer = "DOWNSTREAM_PEER_ISSUER",
    DownstreamPeerUriSan = "DOWNSTREAM_PEER_URI_SAN",
    DownstreamPeerDnsSan = "DOWNSTREAM_PEER_DNS_SAN",
    DownstreamPeerFingerprint256 = "DOWNSTREAM_PEER_FINGERPRINT_256",
    DownstreamPeerSerial = "DOWNSTREAM_PEER_SERIAL",
    DownstreamPeerCert = "DOWNSTREAM_PEER_CERT",
    DownstreamPeerCertVStart = "DOWNSTREAM_PEER_CERT_V_START",
    DownstreamPeerCertVEnd = "DOWNSTREAM_PEER_CERT_V_END",
    DownstreamLocalSubject = "DOWNSTREAM_LOCAL_SUBJECT",
    DownstreamLocalUriSan = "DOWNSTREAM_LOCAL_URI_SAN",
    DownstreamLocalDnsSan = "DOWNSTREAM_LOCAL_DNS_SAN",
    GrpcStatus = "GRPC_STATUS",
    GrpcStatusNumber = "GRPC_STATUS_NUMBER",
    Hostname = "HOSTNAME",
    ConnectionId = "CONNECTION_ID",
    StreamId = "STREAM_ID",
    VirtualClusterName = "VIRTUAL_CLUSTER_NAME",
}

/// Operators that read the state of Envoy filters and metadata.
const ABSENT: &[&str] = &[
    "DYNAMIC_METADATA",
    "CLUSTER_METADATA",
    "UPSTREAM_METADATA",
    "FILTER_STATE",
    "UPSTREAM_FILTER_STATE",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_PEER_CERT",
    "TRACE_ID",
    "SPAN_ID",
];

impl Operator {
    /// Parses what stands behind a `%`; also how many bytes it takes, with the closing `%`.
    pub(super) fn parse(text: &str) -> Result<(Self, usize), FormatError> {
        let name_end = text
            .find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
            .ok_or_else(|| FormatError(format!("`%{text}` is not closed by `%`")))?;
        let name = &text[..name_end];
        let mut rest = &text[name_end..];
        let mut argument = None;
        if let Some(inner) = rest.strip_prefix('(') {
            let close = inner.find(')').ok_or_else(|| FormatError(format!("`%{name}(` is not closed by `)`")))?;
            argument = Some(&inner[..close]);
            rest = &inner[close + 1..];
        }
        let mut max_length = None;
        if let Some(digits) = rest.strip_prefix(':') {
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            max_length = Some(digits[..end].parse().map_err(|_| FormatError(format!("`%{name}…:` needs a number")))?);
            rest = &digits[end..];
        }
        let rest = rest.strip_prefix('%').ok_or_else(|| FormatError(format!("`%{name}` is not closed by `%`")))?;
        let length = text.len() - rest.len();
        Ok((Self::build(name, argument, max_length)?, length))
    }

    fn build(name: &str, argument: Option<&str>, max_length: Option<usize>) -> Result<Self, FormatError> {
        let field = || -> Result<FieldArgument, FormatError> {
            let argument = argument
                .filter(|a| !a.is_empty())
                .ok_or_else(|| FormatError(format!("`%{name}%` needs a header name")))?;
            let (name, alternative) = match argument.split_once('?') {
                Some((name, alternative)) => (name, Some(alternative.to_ascii_lowercase())),
                None => (argument, None),
            };
            Ok(FieldArgument { name: name.to_ascii_lowercase(), alternative, max_length })
        };
        if ABSENT.contains(&name) {
            return Ok(Operator::Absent);
        }
        Ok(match name {
            "REQ" => Operator::Request(field()?),
            "RESP" => Operator::Response(field()?),
            "TRAILER" => Operator::Trailer(field()?),
            "START_TIME" => Operator::StartTime(TimeFormat::parse(argument.unwrap_or(""))?),
            "ENVIRONMENT" => Operator::Environment(
                argument.and_then(|name| std::env::var(name).ok()).unwrap_or_else(|| "-".to_owned()),
            ),
            "PATH" => path(argument.unwrap_or(""))?,
            "GRPC_STATUS" if argument == Some("NUMBER") => Operator::Plain(Plain::GrpcStatusNumber),
            _ => {
                let plain = PLAIN.iter().find(|(text, _)| *text == name);
                let (_, plain) = plain.ok_or_else(|| FormatError(format!("unknown operator `%{name}%`")))?;
                Operator::Plain(*plain)
            }
        })
    }

    /// The value for a request.
    pub fn evaluate<'a>(&'a self, scope: &Scope<'a>) -> Value<'a> {
        match self {
            Operator::Request(field) => field.evaluate(|name| scope.request_field(name)),
            Operator::Response(field) if field.name == ":status" => {
                scope.response.map_or(Value::Missing, |(status, _)| Value::Owned(status.to_string()))
            }
            Operator::Response(field) => field.evaluate(|name| scope.response_field(name)),
            Operator::Trailer(field) => field.evaluate(|name| scope.trailer(name)),
            Operator::StartTime(format) => Value::Owned(format.render(scope.start_time())),
            Operator::Plain(plain) => scope.plain(*plain),
            Operator::Environment(value) => Value::Bytes(value.as_bytes()),
            Operator::Path { query, original } => scope.path(*query, *original),
            Operator::Absent => Value::Missing,
        }
    }
}

impl FieldArgument {
    fn evaluate<'a>(&self, find: impl Fn(&str) -> Option<&'a [u8]>) -> Value<'a> {
        let found = find(&self.name).or_else(|| self.alternative.as_deref().and_then(find));
        match (found, self.max_length) {
            (None, _) => Value::Missing,
            (Some(value), Some(max)) => Value::Bytes(&value[..max.min(value.len())]),
            (Some(value), None) => Value::Bytes(value),
        }
    }
}

fn path(argument: &str) -> Result<Operator, FormatError> {
    let mut query = true;
    let mut original = Original::Preferred;
    for part in argument.split(':').filter(|part| !part.is_empty()) {
        match part {
            "WQ" => query = true,
            "NQ" => query = false,
            "ORIG" => original = Original::Only,
            "PATH" => original = Original::Never,
            "ORIG_OR_PATH" => original = Original::Preferred,
            other => {
                return Err(FormatError(format!("`%PATH({other})%`: use WQ or NQ, and ORIG, PATH or ORIG_OR_PATH")));
            }
        }
    }
    Ok(Operator::Path { query, original })
}
