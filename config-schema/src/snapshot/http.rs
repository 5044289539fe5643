//! How the proxy reads and marks HTTP, the same for all its listeners.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// HTTP behaviour of a proxy. The defaults are Istio's for a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpOptions {
    /// How paths are brought into one form before they are matched (`meshConfig.pathNormalization`).
    pub path_normalization: PathNormalization,
    /// What `%2F` and `%5C` in paths mean.
    pub escaped_slashes: EscapedSlashesAction,
    /// Header names with an underscore.
    pub underscores: UnderscoresAction,
    /// Trusted proxies in front (`gatewayTopology.numTrustedProxies`): how far from the end of
    /// x-forwarded-for the client's address stands.
    pub trusted_proxies: u32,
    /// What happens to x-forwarded-client-cert.
    pub forward_client_cert: ForwardClientCert,
    /// Which parts of the client's certificate the header carries.
    pub xfcc: XfccDetails,
    /// Make x-request-id, replacing an external client's (`proxyHeaders.requestId`).
    pub generate_request_id: bool,
    /// Value of the `server` response header; `None` passes the backend's through (`proxyHeaders.server`).
    pub server: Option<String>,
    /// Send x-envoy-attempt-count to backends (`proxyHeaders.attemptCount`).
    pub attempt_count: bool,
    /// Send x-envoy-upstream-service-time and x-envoy-expected-rq-timeout-ms and the like (`proxyHeaders.envoyDebugHeaders`).
    pub debug_headers: bool,
    /// Append x-forwarded-host when the host is rewritten.
    pub forwarded_host: bool,
    /// Set x-forwarded-port.
    pub forwarded_port: bool,
    /// At most this many headers; more is 431. Envoy: 100.
    pub max_headers: usize,
    /// At most this many bytes of request line and headers; more is 431. Envoy: 60 KiB.
    pub max_header_bytes: usize,
    /// Close an idle connection after this long. `None`: never.
    pub idle_timeout: Option<Duration>,
    /// A whole request head must arrive within this long after its first byte. `None`: no limit.
    pub request_headers_timeout: Option<Duration>,
    /// A whole request must arrive within this long. `None`: no limit.
    pub request_timeout: Option<Duration>,
    /// A request with no byte in either direction for this long ends. `None`: no limit.
    pub stream_idle_timeout: Option<Duration>,
    /// A request that lasts this long ends. `None`: no limit.
    pub max_stream_duration: Option<Duration>,
    /// A connection this old is drained. `None`: no limit.
    pub max_connection_duration: Option<Duration>,
    /// After GOAWAY, how long streams may still come before the second GOAWAY.
    pub drain_timeout: Duration,
    /// HTTP/2 streams at once on a connection.
    pub max_concurrent_streams: u32,
    /// HTTP/2 window of a stream in bytes.
    pub initial_stream_window: u32,
    /// HTTP/2 window of a connection in bytes.
    pub initial_connection_window: u32,
}

impl Default for HttpOptions {
    fn default() -> Self {
        HttpOptions {
            path_normalization: PathNormalization::Base,
            escaped_slashes: EscapedSlashesAction::Keep,
            underscores: UnderscoresAction::Allow,
            trusted_proxies: 0,
            forward_client_cert: ForwardClientCert::SanitizeSet,
            xfcc: XfccDetails::default(),
            generate_request_id: true,
            server: Some("istio-envoy".into()),
            attempt_count: true,
            debug_headers: true,
            forwarded_host: false,
            forwarded_port: false,
            max_headers: 100,
            max_header_bytes: 60 * 1024,
            idle_timeout: Some(Duration::from_secs(3600)),
            request_headers_timeout: Some(Duration::from_secs(60)),
            request_timeout: None,
            stream_idle_timeout: None,
            max_stream_duration: None,
            max_connection_duration: None,
            drain_timeout: Duration::from_secs(5),
            max_concurrent_streams: 1024,
            initial_stream_window: 1 << 18,
            initial_connection_window: 1 << 20,
        }
    }
}

/// `meshConfig.pathNormalization.normalization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathNormalization {
    /// Leave paths as they are.
    None,
    /// RFC 3986: dot segments, backslashes, unreserved escapes.
    Base,
    /// As `Base`, then runs of slashes become one.
    MergeSlashes,
    /// As `MergeSlashes`, with escaped slashes and backslashes decoded first.
    DecodeAndMergeSlashes,
}

/// What to do with `%2F` and `%5C` in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EscapedSlashesAction {
    /// Leave them.
    Keep,
    /// 400.
    Reject,
    /// Decode and answer 307 with the decoded path (302 semantics of Envoy's UNESCAPE_AND_REDIRECT).
    UnescapeAndRedirect,
    /// Decode and go on.
    UnescapeAndForward,
}

/// What to do with a header whose name has an underscore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnderscoresAction {
    /// Take it.
    Allow,
    /// 400, or a reset over HTTP/2.
    RejectRequest,
    /// Drop the header.
    DropHeader,
}

/// `gatewayTopology.forwardClientCertDetails`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForwardClientCert {
    /// Remove the header.
    Sanitize,
    /// Keep it on mutual TLS connections, else remove it.
    ForwardOnly,
    /// Keep it on mutual TLS connections and append this hop's.
    AppendForward,
    /// Replace it with this hop's.
    SanitizeSet,
    /// Keep it always.
    AlwaysForwardOnly,
}

/// Parts of the client's certificate in x-forwarded-client-cert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct XfccDetails {
    /// `Subject="…"`
    pub subject: bool,
    /// `Cert="…"`, the leaf as escaped PEM.
    pub cert: bool,
    /// `Chain="…"`
    pub chain: bool,
    /// `DNS=…` for each.
    pub dns: bool,
    /// `URI=…` for each.
    pub uri: bool,
}

impl Default for XfccDetails {
    fn default() -> Self {
        XfccDetails { subject: true, cert: true, chain: false, dns: true, uri: true }
    }
}
