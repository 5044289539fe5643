/// The protocol of a port, as Gateways, ServiceEntries and Sidecars name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Bytes.
    Tcp,
    /// Datagrams; never served.
    Udp,
    /// gRPC, over HTTP/2.
    Grpc,
    /// gRPC for browsers.
    GrpcWeb,
    /// HTTP/1.1.
    Http,
    /// An explicit forward proxy; sidecars only.
    HttpProxy,
    /// HTTP/2 without TLS.
    Http2,
    /// HTTP over TLS.
    Https,
    /// TLS.
    Tls,
    /// Bytes (MongoDB).
    Mongo,
    /// Bytes (Redis).
    Redis,
    /// Bytes (MySQL).
    MySql,
}

impl Protocol {
    /// Reads the name of a protocol, in any case. `None` for one that does not exist.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "tcp" => Self::Tcp,
            "udp" => Self::Udp,
            "grpc" => Self::Grpc,
            "grpc-web" => Self::GrpcWeb,
            "http" => Self::Http,
            "http_proxy" => Self::HttpProxy,
            "http2" => Self::Http2,
            "https" => Self::Https,
            "tls" => Self::Tls,
            "mongo" => Self::Mongo,
            "redis" => Self::Redis,
            "mysql" => Self::MySql,
            _ => return None,
        })
    }

    /// Requests that the proxy reads without TLS.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::HttpProxy | Self::Grpc | Self::GrpcWeb)
    }

    /// Begins with a TLS handshake.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    /// Bytes as far as routing is concerned, TLS included.
    #[must_use]
    pub fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::Https | Self::Tls | Self::Mongo | Self::Redis | Self::MySql)
    }
}

/// A protocol that exists; none at all means that it is found out.
pub(super) fn protocol(name: Option<&str>) -> Result<(), String> {
    match name {
        Some(name) if Protocol::parse(name).is_none() => Err(format!(
            "{name:?} is not a protocol; known are HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TLS, TCP, MONGO, REDIS, MYSQL"
        )),
        _ => Ok(()),
    }
}
