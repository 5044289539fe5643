//! Sockets, the filter chains behind them, and the TLS at the door.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::route::{HashPolicy, ObjectRef, RetryPolicy};

/// A socket to bind and what to do with its connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `ADDRESS_PORT`, unique in a snapshot.
    pub name: String,
    /// Address and port to bind.
    pub address: SocketAddr,
    /// How connections arrive.
    pub bind: Bind,
    /// Every connection must start with a PROXY protocol header (v1 or v2)
    /// (`gatewayTopology.proxyProtocol`).
    pub proxy_protocol: bool,
    /// At most this many connections at once; further ones are closed at accept. `None`: no limit
    /// (`connectionSettings.listenerConnectionLimit`).
    pub connection_limit: Option<u32>,
    /// How long a client may take to show what it speaks (ClientHello, HTTP preface). Istio: 15 s at gateways; `None`
    /// at sidecars, where protocols may begin with the server (`protocolDetectionTimeout`). After it [`Bind::Direct`]
    /// closes the connection, and [`Bind::Redirected`] takes it for [`Transport::Raw`].
    pub detection_timeout: Option<Duration>,
    /// Chains. The most specific match wins: first by port, then by the longest network, SNI, transport and ALPN; what
    /// was chosen is kept even if no chain fits in it further on. Of chains with the same match the first wins.
    pub filter_chains: Vec<FilterChain>,
}

/// How a listener gets its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bind {
    /// Clients connect to it.
    Direct,
    /// Connections are redirected to it: the destination that the client dialled is the original
    /// destination of the socket, and chains match on it (the sidecar's 15001 and 15006).
    Redirected,
}

/// One way to serve a connection of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterChain {
    /// Names the configuration it came from; shown in dumps and logs.
    pub name: String,
    /// Which connections it takes.
    pub matches: FilterChainMatch,
    /// TLS termination; `None` leaves the bytes as they are.
    pub tls: Option<DownstreamTls>,
    /// What reads the (decrypted) bytes.
    pub filter: NetworkFilter,
}

/// Which connections a chain takes. Empty fields match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterChainMatch {
    /// Port that the client dialled (only with [`Bind::Redirected`]).
    pub destination_port: Option<u16>,
    /// Networks that the client dialled (only with [`Bind::Redirected`]): address and prefix length.
    pub destination_networks: Vec<(IpAddr, u8)>,
    /// SNI names in lower case: exact or `*.suffix`. Exact beats the longest suffix beats none.
    pub server_names: Vec<String>,
    /// What the first bytes are. They are looked at only if a chain of the connection's port and network asks for it
    /// (or for SNI or ALPN), so that protocols which begin with the server pass elsewhere.
    pub transport: Option<Transport>,
    /// ALPN names of which the client must offer one.
    pub application_protocols: Vec<String>,
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Transport {
    /// A TLS ClientHello.
    Tls,
    /// The request line of HTTP/1, or the preface of HTTP/2. If no chain asks for it, it is raw.
    Http,
    /// Anything else.
    Raw,
}

/// What a chain does with its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkFilter {
    /// HTTP/1 and HTTP/2.
    Http(HttpFilter),
    /// Bytes to a cluster.
    Tcp(TcpProxy),
}

/// HTTP on a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpFilter {
    /// Name of the routing table.
    pub route_table: String,
    /// The server port number as the Gateway writes it (`derivePort: FROM_REQUEST_PORT` and logs use the bound one).
    pub server_port: u16,
    /// Translate gRPC-Web requests (server protocol GRPC-WEB).
    pub grpc_web: bool,
    /// Whose requests they are.
    pub class: ListenerClass,
    /// Answer an HTTP/2 request for a host that only another TLS server of the port has with 421 instead of 404
    /// (annotation `sallyport.dev/misdirected-requests: "421"` of the Gateway). Istio: 404.
    pub misdirected: bool,
    /// Serve clients that use this server as their HTTP proxy (`HTTP_PROXY`, `HTTPS_PROXY`).
    pub forward_proxy: Option<ForwardProxy>,
}

/// What clients may ask a forward proxy for: CONNECT, and requests that the routing table has no host for. Whatever is
/// not here is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardProxy {
    /// Hosts and ports, one entry for each pair; of several hosts that match, the most specific counts.
    pub destinations: Vec<ForwardDestination>,
    /// When requests to destinations are tried again.
    pub retry: Option<RetryPolicy>,
    /// The Gateway.
    pub source: ObjectRef,
}

/// A host and a port that clients of a forward proxy may ask for: a port of a ServiceEntry or Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardDestination {
    /// Exact, or `*.suffix`.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Cluster name.
    pub cluster: String,
    /// CONNECT is served: the port's protocol is not one of HTTP's, so that no rule about requests is gone round.
    pub connect: bool,
    /// Requests are served: the port's protocol is one of HTTP's, or the cluster speaks TLS by itself.
    pub http: bool,
}

/// Whose requests a listener takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListenerClass {
    /// Those of clients outside. The address of the connection counts: it is appended to x-forwarded-for, and headers
    /// that only the mesh may set are removed (Envoy's `use_remote_address`).
    Gateway,
    /// Those of the application beside the proxy: x-forwarded-for, x-forwarded-proto and x-request-id stay as they
    /// are, and are added only where they are missing, but for x-forwarded-for.
    SidecarOutbound,
}

/// Bytes from a connection to one of some clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpProxy {
    /// At least one; picked by weight for each connection.
    pub clusters: Vec<WeightedCluster>,
    /// Close after this long without a byte in either direction. `None`: never. Istio: 1 h.
    pub idle_timeout: Option<Duration>,
    /// Close a connection this old. `None`: never (`connectionPool.tcp.maxConnectionDuration`).
    pub max_connection_duration: Option<Duration>,
    /// Consistent-hash key of the connection.
    pub hash_policy: Vec<HashPolicy>,
    /// Ask the endpoint, an HTTP proxy, for a tunnel and send the bytes through it (`trafficPolicy.tunnel`).
    pub tunnel: Option<Tunnel>,
}

/// A tunnel through an HTTP proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// CONNECT, or POST.
    pub post: bool,
    /// Target host.
    pub target_host: String,
    /// Target port.
    pub target_port: u16,
}

/// A cluster and its share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedCluster {
    /// Cluster name.
    pub cluster: String,
    /// Share of the sum of all weights.
    pub weight: u32,
}

/// TLS termination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownstreamTls {
    /// Certificates to serve. The client's SNI and signature algorithms pick one.
    pub certificates: Vec<CertificateSource>,
    /// What is asked of the client's certificate.
    pub client: ClientValidation,
    /// ALPN in order of preference.
    pub alpn: Vec<String>,
    /// Lowest version.
    pub min_version: TlsVersion,
    /// Highest version.
    pub max_version: TlsVersion,
    /// TLS 1.2 suites by OpenSSL name; empty: the provider's defaults. TLS 1.3 suites cannot be chosen.
    pub cipher_suites: Vec<String>,
    /// ECDH curves by OpenSSL name; empty: the provider's defaults.
    pub ecdh_curves: Vec<String>,
    /// Which TLS implementation serves it.
    pub provider: TlsProvider,
}

/// Which TLS implementation terminates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsProvider {
    /// rustls: TLS 1.2 and 1.3, AEAD suites with forward secrecy.
    Rustls,
    /// BoringSSL: for servers that ask for TLS 1.0 or 1.1, CBC suites or RSA key exchange.
    Boring,
}

/// Where a certificate and key come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateSource {
    /// A secret of the snapshot, by name. Absent: handshakes of this chain fail until it appears.
    Secret(String),
    /// PEM files on the proxy's disk, watched.
    Files {
        /// Certificate chain, leaf first.
        certificate: String,
        /// Private key.
        key: String,
    },
    /// The proxy's own workload certificate.
    Workload,
}

/// What is asked of the client's certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientValidation {
    /// Ask for a certificate at all.
    pub request: bool,
    /// Close the handshake without one.
    pub require: bool,
    /// Do not verify what comes (`insecureSkipVerify`), nor names and hashes.
    pub accept_untrusted: bool,
    /// Names of secrets or files with the certificate authorities (and their CRL).
    pub trust: Option<TrustSource>,
    /// Names of which the certificate must carry one. Empty: any.
    pub subject_alt_names: Vec<String>,
    /// Base64 SHA-256 of the SubjectPublicKeyInfo; one of these or of `certificate_hashes` must match.
    pub spki_hashes: Vec<String>,
    /// Hex SHA-256 of the certificate (with or without colons).
    pub certificate_hashes: Vec<String>,
}

/// Where certificate authorities come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrustSource {
    /// A secret of the snapshot, by name. Absent or without a CA: nobody is trusted, and a server refuses every
    /// client, also one that need not show a certificate.
    Secret(String),
    /// PEM files on the proxy's disk, watched.
    Files {
        /// Certificate authorities.
        ca: String,
        /// Revocation lists.
        crl: Option<String>,
    },
    /// The root of the mesh (peers are workloads).
    Mesh,
    /// The operating system's certificate authorities (upstream only).
    System {
        /// A PEM file on the proxy's disk with revocation lists, watched.
        crl: Option<String>,
    },
}

/// A TLS protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.0
    V1_0,
    /// TLS 1.1
    V1_1,
    /// TLS 1.2
    V1_2,
    /// TLS 1.3
    V1_3,
}
