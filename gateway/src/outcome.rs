//! Every way a request can end, and what the client, the log and the metrics are told.
//!
//! Statuses, response flags and details are Envoy's, so that dashboards and alerts carry over. Matches on these
//! enums are exhaustive on purpose: a new way to end must say what it means everywhere.

use std::borrow::Cow;
use std::fmt;

/// Envoy's response flags (`%RESPONSE_FLAGS%`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// UH
    NoHealthyUpstream,
    /// UT
    UpstreamRequestTimeout,
    /// LR
    LocalReset,
    /// UR
    UpstreamRemoteReset,
    /// UF
    UpstreamConnectionFailure,
    /// UC
    UpstreamConnectionTermination,
    /// UO
    UpstreamOverflow,
    /// NR
    NoRouteFound,
    /// DI
    DelayInjected,
    /// FI
    FaultInjected,
    /// DC
    DownstreamConnectionTermination,
    /// URX
    UpstreamRetryLimitExceeded,
    /// SI
    StreamIdleTimeout,
    /// DPE
    DownstreamProtocolError,
    /// DT
    DurationTimeout,
    /// UPE
    UpstreamProtocolError,
    /// NC
    NoClusterFound,
    /// DF
    DnsResolutionFailed,
    /// OM
    OverloadManager,
    /// DR
    DownstreamRemoteReset,
    /// UAEX
    Unauthorized,
}

impl Flag {
    /// Short form.
    pub fn as_str(self) -> &'static str {
        match self {
            Flag::NoHealthyUpstream => "UH",
            Flag::UpstreamRequestTimeout => "UT",
            Flag::LocalReset => "LR",
            Flag::UpstreamRemoteReset => "UR",
            Flag::UpstreamConnectionFailure => "UF",
            Flag::UpstreamConnectionTermination => "UC",
            Flag::UpstreamOverflow => "UO",
            Flag::NoRouteFound => "NR",
            Flag::DelayInjected => "DI",
            Flag::FaultInjected => "FI",
            Flag::DownstreamConnectionTermination => "DC",
            Flag::UpstreamRetryLimitExceeded => "URX",
            Flag::StreamIdleTimeout => "SI",
            Flag::DownstreamProtocolError => "DPE",
            Flag::DurationTimeout => "DT",
            Flag::UpstreamProtocolError => "UPE",
            Flag::NoClusterFound => "NC",
            Flag::DnsResolutionFailed => "DF",
            Flag::OverloadManager => "OM",
            Flag::DownstreamRemoteReset => "DR",
            Flag::Unauthorized => "UAEX",
        }
    }

    /// Envoy's long form.
    fn long(self) -> &'static str {
        match self {
            Flag::NoHealthyUpstream => "NoHealthyUpstream",
            Flag::UpstreamRequestTimeout => "UpstreamRequestTimeout",
            Flag::LocalReset => "LocalReset",
            Flag::UpstreamRemoteReset => "UpstreamRemoteReset",
            Flag::UpstreamConnectionFailure => "UpstreamConnectionFailure",
            Flag::UpstreamConnectionTermination => "UpstreamConnectionTermination",
            Flag::UpstreamOverflow => "UpstreamOverflow",
            Flag::NoRouteFound => "NoRouteFound",
            Flag::DelayInjected => "DelayInjected",
            Flag::FaultInjected => "FaultInjected",
            Flag::DownstreamConnectionTermination => "DownstreamConnectionTermination",
            Flag::UpstreamRetryLimitExceeded => "UpstreamRetryLimitExceeded",
            Flag::StreamIdleTimeout => "StreamIdleTimeout",
            Flag::DownstreamProtocolError => "DownstreamProtocolError",
            Flag::DurationTimeout => "DurationTimeout",
            Flag::UpstreamProtocolError => "UpstreamProtocolError",
            Flag::NoClusterFound => "NoClusterFound",
            Flag::DnsResolutionFailed => "DnsResolutionFailed",
            Flag::OverloadManager => "OverloadManagerTerminated",
            Flag::DownstreamRemoteReset => "DownstreamRemoteReset",
            Flag::Unauthorized => "UnauthorizedExternalService",
        }
    }
}

/// The flags of a request, in the order in which they were raised. At most eight are kept; no request raises more.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    list: [Option<Flag>; 8],
}

impl Flags {
    /// Raises a flag, once.
    pub fn raise(&mut self, flag: Flag) {
        for slot in &mut self.list {
            match slot {
                Some(raised) if *raised == flag => return,
                Some(_) => {}
                None => {
                    *slot = Some(flag);
                    return;
                }
            }
        }
    }

    /// Whether it is raised.
    pub fn has(&self, flag: Flag) -> bool {
        self.list.contains(&Some(flag))
    }

    /// In words, as `%RESPONSE_FLAGS_LONG%` has them.
    pub fn long(&self) -> String {
        if self.is_empty() {
            return "-".to_owned();
        }
        let words: Vec<&str> = self.list.iter().flatten().map(|flag| flag.long()).collect();
        words.join(",")
    }

    /// None is raised.
    pub fn is_empty(&self) -> bool {
        self.list[0].is_none()
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        for (n, flag) in self.list.iter().flatten().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            f.write_str(flag.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

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

/// Why an upstream request came to nothing before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResetReason {
    /// Could not connect. The text says why, without blanks.
    ConnectionFailure(String),
    /// Connecting took longer than connectTimeout.
    ConnectionTimeout,
    /// The connection ended.
    ConnectionTermination,
    /// The stream was reset by the peer (HTTP/2).
    RemoteReset,
    /// The stream was refused by the peer (HTTP/2 REFUSED_STREAM): it has not been worked on.
    RemoteRefusedStream,
    /// What came was no HTTP.
    ProtocolError,
    /// A limit of the cluster: connections, pending or active requests.
    Overflow,
}

impl ResetReason {
    /// Envoy's name.
    pub fn name(&self) -> &'static str {
        match self {
            ResetReason::ConnectionFailure(_) => "remote_connection_failure",
            ResetReason::ConnectionTimeout => "connection_timeout",
            ResetReason::ConnectionTermination => "connection_termination",
            ResetReason::RemoteReset => "remote_reset",
            ResetReason::RemoteRefusedStream => "remote_refused_stream_reset",
            ResetReason::ProtocolError => "protocol_error",
            ResetReason::Overflow => "overflow",
        }
    }

    fn sentence(&self) -> &'static str {
        match self {
            ResetReason::ConnectionFailure(_) => "remote connection failure",
            ResetReason::ConnectionTimeout => "connection timeout",
            ResetReason::ConnectionTermination => "connection termination",
            ResetReason::RemoteReset => "remote reset",
            ResetReason::RemoteRefusedStream => "remote refused stream reset",
            ResetReason::ProtocolError => "protocol error",
            ResetReason::Overflow => "overflow",
        }
    }

    /// Envoy's flag.
    pub fn flag(&self) -> Flag {
        match self {
            ResetReason::ConnectionFailure(_) | ResetReason::ConnectionTimeout => Flag::UpstreamConnectionFailure,
            ResetReason::ConnectionTermination => Flag::UpstreamConnectionTermination,
            ResetReason::RemoteReset | ResetReason::RemoteRefusedStream => Flag::UpstreamRemoteReset,
            ResetReason::ProtocolError => Flag::UpstreamProtocolError,
            ResetReason::Overflow => Flag::UpstreamOverflow,
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A backend answered.
    ViaUpstream,
    /// The configuration answered: a direct response or a redirect.
    DirectResponse,
    /// The codec refused the request.
    Protocol(ProtocolError),
    /// An HTTP/2 request was refused by resetting its stream.
    StreamRefused(ProtocolError),
    /// An HTTP/2 request was refused by closing its connection.
    ConnectionRefused(ProtocolError),
    /// HTTP/1.0 and older.
    LowVersion,
    /// No host.
    MissingHost,
    /// A path that is none: absolute form without one, or `*`.
    AbsolutePathRejected,
    /// A path that normalisation refuses.
    PathNormalizationFailed,
    /// Escaped slashes: redirected to the unescaped path.
    PathNormalizationRedirect,
    /// QUERY without content-type.
    QueryMissingContentType,
    /// An upgrade to what is not configured.
    UpgradeFailed,
    /// A backend answered an upgrade with something else than 101 or an error.
    UpgradeRefused,
    /// No virtual host or no route.
    RouteNotFound,
    /// The request's host belongs to another certificate than its connection's (HTTP/2 reuse): try a new connection.
    Misdirected,
    /// A route to a cluster that does not exist.
    ClusterNotFound,
    /// No endpoint to send to.
    NoHealthyUpstream,
    /// A name that the request chose, and that does not resolve; DNS' reason.
    DnsResolutionFailed(String),
    /// The same of a name that nothing in the configuration has.
    UnknownHostUnresolved(String),
    /// A name that the request chose, beside as many others as a cluster resolves.
    DnsOverflow,
    /// A destination that policy forbids.
    Forbidden(&'static str),
    /// The upstream request came to nothing before an answer; `retried` if it was tried again.
    UpstreamReset {
        /// Why.
        reason: ResetReason,
        /// Tried again in vain.
        retried: bool,
    },
    /// The upstream connection broke in the middle of the answer.
    UpstreamResetAfterStart(ResetReason),
    /// The route's timeout.
    ResponseTimeout,
    /// The route's timeout, after the answer had begun.
    ResponseTimeoutAfterStart,
    /// perTryTimeout.
    PerTryTimeout,
    /// An injected abort.
    FaultAbort {
        /// HTTP status.
        status: u16,
        /// gRPC status.
        grpc_status: Option<u32>,
    },
    /// A CORS preflight.
    CorsPreflight,
    /// The client went away.
    DownstreamDisconnect,
    /// The client reset its stream (HTTP/2).
    DownstreamReset,
    /// The request head did not come in time.
    RequestHeaderTimeout,
    /// The request did not come in time.
    RequestTimeout,
    /// No byte for too long.
    StreamIdleTimeout,
    /// The request lasted too long.
    MaxStreamDuration,
}

impl Outcome {
    /// Status of the local reply; `None` where a backend or the configuration gives it, or nobody is left to read one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Outcome::ViaUpstream
            | Outcome::DirectResponse
            | Outcome::DownstreamDisconnect
            | Outcome::DownstreamReset => None,
            Outcome::StreamRefused(_) | Outcome::ConnectionRefused(_) => None,
            Outcome::UpgradeRefused | Outcome::UpstreamResetAfterStart(_) | Outcome::ResponseTimeoutAfterStart => None,
            Outcome::Protocol(error) => Some(error.status),
            Outcome::LowVersion => Some(426),
            Outcome::MissingHost | Outcome::PathNormalizationFailed | Outcome::QueryMissingContentType => Some(400),
            Outcome::PathNormalizationRedirect => Some(307),
            Outcome::UpgradeFailed | Outcome::Forbidden(_) => Some(403),
            Outcome::AbsolutePathRejected | Outcome::RouteNotFound => Some(404),
            Outcome::Misdirected => Some(421),
            Outcome::ClusterNotFound | Outcome::NoHealthyUpstream => Some(503),
            Outcome::DnsResolutionFailed(_) | Outcome::UnknownHostUnresolved(_) | Outcome::DnsOverflow => Some(503),
            Outcome::UpstreamReset { reason: ResetReason::ProtocolError, .. } => Some(502),
            Outcome::UpstreamReset { .. } => Some(503),
            Outcome::ResponseTimeout | Outcome::PerTryTimeout => Some(504),
            Outcome::FaultAbort { status, .. } => Some(*status),
            Outcome::CorsPreflight => Some(200),
            Outcome::RequestHeaderTimeout | Outcome::RequestTimeout | Outcome::StreamIdleTimeout => Some(408),
            Outcome::MaxStreamDuration => Some(408),
        }
    }

    /// The request is so wrong that an HTTP/1 connection is closed behind the answer.
    pub fn closes_connection(&self) -> bool {
        matches!(
            self,
            Outcome::Protocol(_)
                | Outcome::LowVersion
                | Outcome::MissingHost
                | Outcome::PathNormalizationFailed
                | Outcome::QueryMissingContentType
                | Outcome::RequestHeaderTimeout
                | Outcome::RequestTimeout
        )
    }

    /// The flag that this end raises.
    pub fn flag(&self) -> Option<Flag> {
        match self {
            Outcome::ViaUpstream
            | Outcome::DirectResponse
            | Outcome::MissingHost
            | Outcome::AbsolutePathRejected
            | Outcome::PathNormalizationFailed
            | Outcome::PathNormalizationRedirect
            | Outcome::QueryMissingContentType
            | Outcome::UpgradeFailed
            | Outcome::UpgradeRefused
            | Outcome::Forbidden(_)
            | Outcome::Misdirected
            | Outcome::RequestHeaderTimeout
            | Outcome::RequestTimeout
            | Outcome::CorsPreflight => None,
            Outcome::Protocol(_) | Outcome::ConnectionRefused(_) | Outcome::LowVersion => {
                Some(Flag::DownstreamProtocolError)
            }
            Outcome::RouteNotFound => Some(Flag::NoRouteFound),
            Outcome::ClusterNotFound => Some(Flag::NoClusterFound),
            // A cluster whose endpoints requests choose has none for this one.
            Outcome::UnknownHostUnresolved(_) => Some(Flag::DnsResolutionFailed),
            Outcome::NoHealthyUpstream | Outcome::DnsResolutionFailed(_) | Outcome::DnsOverflow => {
                Some(Flag::NoHealthyUpstream)
            }
            Outcome::UpstreamReset { reason, .. } | Outcome::UpstreamResetAfterStart(reason) => Some(reason.flag()),
            Outcome::ResponseTimeout | Outcome::ResponseTimeoutAfterStart | Outcome::PerTryTimeout => {
                Some(Flag::UpstreamRequestTimeout)
            }
            Outcome::FaultAbort { .. } => Some(Flag::FaultInjected),
            Outcome::DownstreamDisconnect => Some(Flag::DownstreamConnectionTermination),
            Outcome::DownstreamReset | Outcome::StreamRefused(_) => Some(Flag::DownstreamRemoteReset),
            Outcome::StreamIdleTimeout => Some(Flag::StreamIdleTimeout),
            Outcome::MaxStreamDuration => Some(Flag::DurationTimeout),
        }
    }

    /// `%RESPONSE_CODE_DETAILS%`.
    pub fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Outcome::ViaUpstream => "via_upstream",
            Outcome::DirectResponse => "direct_response",
            Outcome::Protocol(error) | Outcome::StreamRefused(error) | Outcome::ConnectionRefused(error) => {
                error.details
            }
            Outcome::LowVersion => "low_version",
            Outcome::MissingHost => "missing_host_header",
            Outcome::AbsolutePathRejected => "absolute_path_rejected",
            Outcome::PathNormalizationFailed | Outcome::PathNormalizationRedirect => "path_normalization_failed",
            Outcome::QueryMissingContentType => "query_missing_content_type",
            Outcome::UpgradeFailed => "upgrade_failed",
            Outcome::UpgradeRefused => "websocket_handshake_unsuccessful",
            Outcome::RouteNotFound => "route_not_found",
            Outcome::Misdirected => "misdirected_request",
            Outcome::ClusterNotFound => "cluster_not_found",
            Outcome::NoHealthyUpstream => "no_healthy_upstream",
            Outcome::DnsResolutionFailed(why) | Outcome::UnknownHostUnresolved(why) => {
                return Cow::Owned(format!("dns_resolution_failure{{{}}}", why.replace(' ', "_")));
            }
            Outcome::DnsOverflow => "dns_cache_overflow",
            Outcome::Forbidden(reason) => reason,
            Outcome::UpstreamReset { reason, .. } => {
                return Cow::Owned(match reason {
                    ResetReason::ConnectionFailure(why) if !why.is_empty() => {
                        format!("upstream_reset_before_response_started{{{}|{}}}", reason.name(), why.replace(' ', "_"))
                    }
                    ResetReason::ConnectionFailure(_)
                    | ResetReason::ConnectionTimeout
                    | ResetReason::ConnectionTermination
                    | ResetReason::RemoteReset
                    | ResetReason::RemoteRefusedStream
                    | ResetReason::ProtocolError
                    | ResetReason::Overflow => {
                        format!("upstream_reset_before_response_started{{{}}}", reason.name())
                    }
                });
            }
            Outcome::UpstreamResetAfterStart(reason) => {
                return Cow::Owned(format!("upstream_reset_after_response_started{{{}}}", reason.name()));
            }
            Outcome::ResponseTimeout | Outcome::ResponseTimeoutAfterStart => "response_timeout",
            Outcome::PerTryTimeout => "upstream_per_try_timeout",
            Outcome::FaultAbort { .. } => "fault_filter_abort",
            Outcome::CorsPreflight => "cors_response",
            Outcome::DownstreamDisconnect => "downstream_remote_disconnect",
            Outcome::DownstreamReset => "downstream_remote_reset",
            Outcome::RequestHeaderTimeout => "request_header_timeout",
            Outcome::RequestTimeout => "request_overall_timeout",
            Outcome::StreamIdleTimeout => "stream_idle_timeout",
            Outcome::MaxStreamDuration => "max_duration_timeout",
        })
    }

    /// Text of the local reply; empty where Envoy sends none.
    pub fn body(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Outcome::Protocol(error) => crate::message::reason(error.status),
            Outcome::LowVersion => "Upgrade Required",
            Outcome::UnknownHostUnresolved(_) => "DNS resolution failure",
            Outcome::NoHealthyUpstream | Outcome::DnsResolutionFailed(_) | Outcome::DnsOverflow => {
                "no healthy upstream"
            }
            Outcome::ResponseTimeout | Outcome::PerTryTimeout => "upstream request timeout",
            Outcome::FaultAbort { .. } => "fault filter abort",
            Outcome::RequestTimeout | Outcome::RequestHeaderTimeout => "request timeout",
            Outcome::StreamIdleTimeout => "stream timeout",
            Outcome::MaxStreamDuration => "request timeout",
            Outcome::Misdirected => "misdirected request",
            Outcome::Forbidden(_) => "forbidden",
            Outcome::UpstreamReset { reason, retried } => {
                let start = "upstream connect error or disconnect/reset before headers. ";
                let word = if *retried { "retried and the latest reset reason" } else { "reset reason" };
                return Cow::Owned(format!("{start}{word}: {}", reason.sentence()));
            }
            Outcome::ViaUpstream
            | Outcome::DirectResponse
            | Outcome::MissingHost
            | Outcome::AbsolutePathRejected
            | Outcome::PathNormalizationFailed
            | Outcome::PathNormalizationRedirect
            | Outcome::QueryMissingContentType
            | Outcome::UpgradeFailed
            | Outcome::UpgradeRefused
            | Outcome::RouteNotFound
            | Outcome::ClusterNotFound
            | Outcome::UpstreamResetAfterStart(_)
            | Outcome::ResponseTimeoutAfterStart
            | Outcome::CorsPreflight
            | Outcome::DownstreamDisconnect
            | Outcome::StreamRefused(_)
            | Outcome::ConnectionRefused(_)
            | Outcome::DownstreamReset => "",
        })
    }
}

/// HTTP status that stands for a gRPC status (Envoy's `grpcToHttpStatus`, which is that of google.rpc.Code).
pub fn http_status(grpc_status: u32) -> u16 {
    match grpc_status {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

/// gRPC status that stands for an HTTP status in a local reply (gRPC over HTTP/2 status mapping).
pub fn grpc_status(http_status: u16) -> u32 {
    match http_status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}
