//! What is known of a request and its connection: the input of the access log, of metrics and of header operators.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::message::Version;
use crate::outcome::Flags;
use crate::upstream::Host;
use crate::upstream::ends::Ends;

/// A connection with a client, fixed once it is established.
#[derive(Debug)]
pub struct Connection {
    /// Number, unique in this process.
    pub id: u64,
    /// The other end of the socket, or what a PROXY protocol header says it is.
    pub peer: SocketAddr,
    /// IP address of `peer` as text.
    pub peer_ip: Bytes,
    /// Our end of the socket, or what a PROXY protocol header says it is.
    pub local: SocketAddr,
    /// Our end of the socket itself.
    pub own: SocketAddr,
    /// Where the client was going before its connection was redirected to us.
    pub dialled: Option<SocketAddr>,
    /// SNI, empty if there was none.
    pub server_name: String,
    /// TLS, if it was terminated.
    pub tls: Option<TlsInfo>,
    /// Name of this machine or pod.
    pub hostname: Arc<str>,
    /// Name of the listener that took it.
    pub listener: Arc<str>,
    /// When it was accepted.
    pub accepted: Instant,
}

/// A terminated TLS connection.
#[derive(Debug)]
pub struct TlsInfo {
    /// `TLSv1.3`
    pub version: &'static str,
    /// OpenSSL name of the cipher suite.
    pub cipher: String,
    /// OpenSSL name of the group of the key exchange; empty if there was none.
    pub group: &'static str,
    /// How long the handshake took.
    pub handshake: Duration,
    /// ALPN that was agreed on.
    pub alpn: Option<Vec<u8>>,
    /// The client's certificate.
    pub peer: Option<CertificateInfo>,
    /// What the client sent behind its certificate.
    pub peer_issuers: Vec<CertificateInfo>,
    /// The chain the client sent, as escaped PEM; empty without one.
    pub peer_chain_escaped: String,
    /// The client's certificate was verified against authorities.
    pub peer_verified: bool,
    /// The certificate that was served.
    pub local: Option<Arc<CertificateInfo>>,
}

/// What is worth knowing of a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateInfo {
    /// RFC 2253.
    pub subject: String,
    /// RFC 2253.
    pub issuer: String,
    /// URI names.
    pub uris: Vec<String>,
    /// Addresses.
    pub addresses: Vec<String>,
    /// Mail addresses.
    pub emails: Vec<String>,
    /// DNS names.
    pub dns_names: Vec<String>,
    /// Hex SHA-1 of the DER form.
    pub sha1: String,
    /// Hex SHA-256 of the DER form.
    pub sha256: String,
    /// Hex.
    pub serial: String,
    /// PEM, percent-encoded.
    pub escaped_pem: String,
    /// RFC 3339.
    pub not_before: String,
    /// RFC 3339.
    pub not_after: String,
}

/// How a request went.
#[derive(Debug)]
pub struct Record {
    /// The connection it came on.
    pub connection: Arc<Connection>,
    /// When its first byte was read.
    pub start_time: SystemTime,
    /// The client's address after trusted proxies have been taken into account.
    pub remote_address: Option<SocketAddr>,
    /// Version of the request.
    pub protocol: Option<Version>,
    /// Status; 0 while there is none.
    pub response_code: u16,
    /// Flags.
    pub flags: Flags,
    /// `%RESPONSE_CODE_DETAILS%`
    pub details: Cow<'static, str>,
    /// `%CONNECTION_TERMINATION_DETAILS%`
    pub connection_termination_details: Cow<'static, str>,
    /// Bytes of the request's body.
    pub bytes_received: u64,
    /// Bytes of the answer's body.
    pub bytes_sent: u64,
    /// From first to last byte.
    pub duration: Option<Duration>,
    /// Until the request was read.
    pub request_duration: Option<Duration>,
    /// Until the answer's first byte.
    pub response_duration: Option<Duration>,
    /// Rule, or `default`; `None` while there is none.
    pub route_name: Option<Arc<str>>,
    /// The endpoint that was used last.
    pub upstream: Option<Arc<Host>>,
    /// Those that the bytes of a connection were offered to before, in order.
    pub upstream_before: Vec<Arc<Host>>,
    /// What was spoken with the endpoint.
    pub upstream_protocol: Option<Version>,
    /// Cluster; empty while there is none.
    pub upstream_cluster: Arc<str>,
    /// What is known of the upstream connection.
    pub upstream_ends: Ends,
    /// Why TLS to the endpoint, or connecting, failed.
    pub upstream_transport_failure: String,
    /// Tries; 1 as soon as there is a cluster to try.
    pub attempts: u32,
    /// gRPC status of the answer, if it is a gRPC answer.
    pub grpc_status: Option<u16>,
    /// Points in time that durations are measured between.
    pub moments: Moments,
    /// Numbers of the upstream connections that requests were sent on.
    pub upstream_connections: SmallVec<[u64; 1]>,
    /// Size of the request's head as it came.
    pub received_head: HeadSize,
    /// Size of the head of the answer as it came; of the last one.
    pub answer_head: HeadSize,
}

/// When things happened; `None`: they have not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moments {
    /// The request began.
    pub begun: Option<Instant>,
    /// A connection was asked for.
    pub wanted: Option<Instant>,
    /// There was one: the request's first byte was sent.
    pub leased: Option<Instant>,
    /// The request's last byte was sent.
    pub sent: Option<Instant>,
}

/// Bytes of a head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeadSize {
    /// Of the fields: names and values, and over HTTP/1 three more for each (four in what we send), as Envoy counts.
    pub fields: u64,
    /// Of all of it on the wire. HTTP/2 compresses: there these are the bytes before.
    pub wire: u64,
}

thread_local! {
    /// Each worker has its own, so that they do not count references in the same place.
    static NO_CLUSTER: Arc<str> = Arc::from("");
}

impl Record {
    /// Address of the endpoint that was used last; empty if there was none.
    pub fn upstream_host(&self) -> &str {
        self.upstream.as_ref().map_or("", |host| &host.name)
    }

    /// Of a request that has just begun.
    pub fn new(connection: Arc<Connection>, start_time: SystemTime) -> Self {
        Record {
            remote_address: Some(connection.peer),
            connection,
            start_time,
            protocol: None,
            response_code: 0,
            flags: Flags::default(),
            details: Cow::Borrowed(""),
            connection_termination_details: Cow::Borrowed(""),
            bytes_received: 0,
            bytes_sent: 0,
            duration: None,
            request_duration: None,
            response_duration: None,
            route_name: None,
            upstream: None,
            upstream_cluster: NO_CLUSTER.with(Arc::clone),
            upstream_ends: Ends::default(),
            upstream_transport_failure: String::new(),
            upstream_before: Vec::new(),
            upstream_protocol: None,
            attempts: 0,
            grpc_status: None,
            moments: Moments::default(),
            upstream_connections: SmallVec::new(),
            received_head: HeadSize::default(),
            answer_head: HeadSize::default(),
        }
    }
}
