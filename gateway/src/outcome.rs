//! Every way a request can end, and what the client, the log and the metrics are told.
//!
//! Statuses, response flags and details are Envoy's, so that dashboards and alerts carry over. Matches on these
//! enums are exhaustive on purpose: a new way to end must say what it means everywhere.

mod flag;
mod grpc;
mod protocol_error;
mod reset_reason;

use std::borrow::Cow;

pub use flag::{Flag, Flags};
pub use grpc::{grpc_status, http_status};
pub use protocol_error::ProtocolError;
pub use reset_reason::ResetReason;

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
