//! Why upstream requests come to nothing.

use super::Flag;

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

    pub(super) fn sentence(&self) -> &'static str {
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
