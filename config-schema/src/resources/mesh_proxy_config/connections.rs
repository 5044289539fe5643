//! Limits of clients' connections and requests.

use crate::resources::wire::Duration;
use serde::Deserialize;

/// Limits and timeouts of connections from clients; what is absent is as the profile says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionSettings {
    /// A set of defaults.
    #[serde(default)]
    pub profile: ConnectionProfile,
    /// Bytes buffered per connection from a client.
    pub listener_per_connection_buffer_limit_bytes: Option<i32>,
    /// Bytes buffered per connection to a backend.
    pub cluster_per_connection_buffer_limit_bytes: Option<i32>,
    /// Time without requests after which a connection is closed.
    pub http_idle_timeout: Option<Duration>,
    /// Longest life of a connection.
    pub http_max_connection_duration: Option<Duration>,
    /// Time between the two GOAWAYs of an HTTP/2 connection that is closed.
    pub http_drain_timeout: Option<Duration>,
    /// Time for a whole request to arrive.
    pub http_request_timeout: Option<Duration>,
    /// Time for the headers of a request to arrive.
    pub http_request_headers_timeout: Option<Duration>,
    /// Time without bytes after which a request is ended.
    pub http_stream_idle_timeout: Option<Duration>,
    /// Longest life of a request.
    pub http_max_stream_duration: Option<Duration>,
    /// Most streams on an HTTP/2 connection.
    pub http_max_concurrent_streams: Option<i32>,
    /// First window of an HTTP/2 stream, in bytes.
    pub http2_initial_stream_window_size: Option<i32>,
    /// First window of an HTTP/2 connection, in bytes.
    pub http2_initial_connection_window_size: Option<i32>,
    /// What becomes of header names with an underscore.
    #[serde(default)]
    pub http_headers_with_underscores_action: HeadersWithUnderscoresAction,
    /// Make double slashes of paths one.
    pub http_merge_slashes: Option<bool>,
    /// What becomes of escaped slashes in paths.
    #[serde(default)]
    pub http_path_with_escaped_slashes_action: PathWithEscapedSlashesAction,
    /// Most connections of a listener.
    pub listener_connection_limit: Option<i32>,
    /// Most connections of the proxy.
    pub global_downstream_connection_limit: Option<i32>,
}

/// A set of defaults for connections from clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConnectionProfile {
    /// For clients that are trusted.
    #[default]
    Sidecar,
    /// For clients that are not.
    Edge,
}

/// What becomes of header names with an underscore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum HeadersWithUnderscoresAction {
    /// As the profile says.
    #[default]
    #[serde(rename = "HEADERS_WITH_UNDERSCORES_UNSPECIFIED")]
    Unspecified,
    /// They pass.
    #[serde(rename = "HEADERS_WITH_UNDERSCORES_ALLOW")]
    Allow,
    /// The request is refused with 400.
    #[serde(rename = "HEADERS_WITH_UNDERSCORES_REJECT_REQUEST")]
    RejectRequest,
    /// The header is dropped.
    #[serde(rename = "HEADERS_WITH_UNDERSCORES_DROP_HEADER")]
    DropHeader,
}

/// What becomes of escaped slashes in paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PathWithEscapedSlashesAction {
    /// As the profile says.
    #[default]
    #[serde(rename = "PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED")]
    Unspecified,
    /// They stay.
    KeepUnchanged,
    /// The request is refused with 400.
    RejectRequest,
    /// The client is redirected to the decoded path.
    UnescapeAndRedirect,
    /// They are decoded.
    UnescapeAndForward,
}
