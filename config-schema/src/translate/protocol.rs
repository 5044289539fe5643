//! What a port speaks, by Istio's names.

/// What a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Protocol {
    Http,
    /// The port of a forward proxy (sidecars only).
    HttpProxy,
    Http2,
    Grpc,
    GrpcWeb,
    Https,
    Tls,
    Tcp,
    Mongo,
    Redis,
    MySql,
    Udp,
    /// Not said: sidecars look at the first bytes, gateways take it for HTTP/1.1 or bytes as the route says.
    Unknown,
}

/// Ports that are never looked into unless their protocol is said: SMTP, DNS, MySQL, MongoDB.
const SERVER_FIRST_PORTS: [u16; 4] = [25, 53, 3306, 27017];

impl Protocol {
    /// By name, in any case.
    pub(super) fn parse(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "http" => Self::Http,
            "http_proxy" => Self::HttpProxy,
            "http2" => Self::Http2,
            "grpc" => Self::Grpc,
            "grpc-web" => Self::GrpcWeb,
            "https" => Self::Https,
            "tls" => Self::Tls,
            "tcp" => Self::Tcp,
            "mongo" => Self::Mongo,
            "redis" => Self::Redis,
            "mysql" => Self::MySql,
            "udp" => Self::Udp,
            _ => Self::Unknown,
        }
    }

    /// Of a port of a Kubernetes Service: `appProtocol`, else the first part of the port's name.
    pub(super) fn of_service_port(port: u16, name: &str, transport: Option<&str>, app_protocol: Option<&str>) -> Self {
        if transport == Some("UDP") {
            return Self::Udp;
        }
        match app_protocol {
            Some("kubernetes.io/h2c") => return Self::Http2,
            Some("kubernetes.io/ws") => return Self::Http,
            Some("kubernetes.io/wss") => return Self::Https,
            _ => {}
        }
        let name = app_protocol.unwrap_or(name);
        if name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("grpc-web")) {
            return Self::GrpcWeb;
        }
        match Self::parse(name.split('-').next().unwrap_or(name)) {
            Self::Unknown if SERVER_FIRST_PORTS.contains(&port) => Self::Tcp,
            protocol => protocol,
        }
    }

    /// Requests in the clear.
    pub(super) fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::HttpProxy | Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// Always HTTP/2.
    pub(super) fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_of_service_ports() {
        for (port, name, app_protocol, expected) in [
            (80, "http", None, Protocol::Http),
            (80, "http-admin", None, Protocol::Http),
            (80, "HTTP2-api", None, Protocol::Http2),
            (80, "grpc-web-x", None, Protocol::GrpcWeb),
            (80, "grpcweb", None, Protocol::Unknown),
            (80, "web", None, Protocol::Unknown),
            (3306, "db", None, Protocol::Tcp),
            (3306, "http-db", None, Protocol::Http),
            (80, "tcp", Some("http"), Protocol::Http),
            (80, "http", Some("kubernetes.io/h2c"), Protocol::Http2),
            (80, "http", Some("example.com/thing"), Protocol::Unknown),
        ] {
            assert_eq!(Protocol::of_service_port(port, name, Some("TCP"), app_protocol), expected, "{port} {name}");
        }
        assert_eq!(Protocol::of_service_port(53, "dns", Some("UDP"), None), Protocol::Udp);
    }
}
