//! What is asked of a proxy.

use serde::Serialize;

/// Host of all requests.
pub const HOST: &str = "shop.example.com";

/// What is asked of a proxy, in a closed loop: each connection (HTTP/2: each stream) sends its next request when it has
/// the answer to the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// Name on the command line and in reports.
    pub name: &'static str,
    /// For people.
    pub about: &'static str,
    /// HTTP version towards the proxy. The proxy speaks HTTP/1.1 to the backend.
    pub protocol: Protocol,
    /// TLS 1.3 (AES-128-GCM, X25519, P-256 certificate) towards the proxy.
    pub tls: bool,
    /// A new connection with a full handshake for each request.
    pub reconnect: bool,
    /// Connections at a time.
    pub connections: usize,
    /// Requests at a time on each connection.
    pub streams: usize,
    /// Bytes of each answer's body.
    pub body: u64,
}

/// HTTP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1
    Http1,
    /// HTTP/2
    Http2,
}

const BASE: Workload = Workload {
    name: "",
    about: "",
    protocol: Protocol::Http1,
    tls: false,
    reconnect: false,
    connections: 64,
    streams: 1,
    body: 0,
};

impl Workload {
    /// All workloads, in the order in which they are driven.
    pub const ALL: &[Workload] = &[
        Workload { name: "h1", about: "HTTP/1.1, 64 connections, empty answers", ..BASE },
        Workload { name: "h1-1k", about: "HTTP/1.1, 64 connections, 1 KiB", body: 1 << 10, ..BASE },
        Workload { name: "h1-1m", about: "HTTP/1.1, 16 connections, 1 MiB", connections: 16, body: 1 << 20, ..BASE },
        Workload {
            name: "tls",
            about: "HTTP/1.1 over TLS 1.3, 64 connections, 1 KiB",
            tls: true,
            body: 1 << 10,
            ..BASE
        },
        Workload {
            name: "tls-1m",
            about: "HTTP/1.1 over TLS 1.3, 16 connections, 1 MiB",
            tls: true,
            connections: 16,
            body: 1 << 20,
            ..BASE
        },
        Workload {
            name: "h2",
            about: "HTTP/2 over TLS 1.3 to HTTP/1.1, 8 connections x 16 streams, 1 KiB",
            protocol: Protocol::Http2,
            tls: true,
            connections: 8,
            streams: 16,
            body: 1 << 10,
            ..BASE
        },
        Workload {
            name: "handshake",
            about: "full TLS 1.3 handshake and one request per connection, 16 at a time, empty answers",
            tls: true,
            reconnect: true,
            connections: 16,
            ..BASE
        },
    ];

    /// The workload of that name.
    pub fn named(name: &str) -> Option<Workload> {
        Self::ALL.iter().copied().find(|workload| workload.name == name)
    }

    /// Path of its requests.
    pub fn path(&self) -> String {
        format!("/api/bytes/{}", self.body)
    }
}
