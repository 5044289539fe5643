//! Upstream clusters: where requests go and how they are balanced, limited and secured.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::listener::{CertificateSource, TrustSource};

/// Name of the cluster for hosts that nothing in the configuration has, while those are learned.
pub const LEARNED_EGRESS: &str = "learned-egress";
/// Name of the cluster that resolves every host that a sidecar knows nothing of (`ALLOW_ANY_DYNAMIC_DNS`).
pub const ANY_DYNAMIC_DNS: &str = "AllowAnyDynamicDNSCluster";

/// A group of endpoints under one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Istio's name: `outbound|PORT|SUBSET|HOST`.
    pub name: String,
    /// The service it stands for, for metrics labels.
    pub service: ServiceRef,
    /// The DestinationRule in force, `NAMESPACE/NAME`, for dumps.
    pub destination_rule: Option<String>,
    /// How endpoints are found.
    pub discovery: Discovery,
    /// How an endpoint is picked.
    pub load_balancer: LoadBalancer,
    /// Limits.
    pub circuit_breakers: CircuitBreakers,
    /// Ejection of failing endpoints. `None`: off.
    pub outlier_detection: Option<OutlierDetection>,
    /// Probes of endpoints (`sallyport.dev/health-check`). `None`: off.
    #[serde(default)]
    pub health_check: Option<HealthCheck>,
    /// HTTP version towards endpoints.
    pub protocol: UpstreamProtocol,
    /// Connections and their life.
    pub pool: UpstreamPool,
    /// TLS towards endpoints.
    pub tls: UpstreamTlsMode,
    /// PROXY protocol header towards endpoints.
    pub proxy_protocol: Option<ProxyProtocolVersion>,
    /// What the names of a DNS cluster may not resolve to is decided by this: outside the mesh.
    pub external: bool,
}

/// A service of the registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRef {
    /// Full host name.
    pub host: String,
    /// Short name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Service port.
    pub port: u16,
    /// Subset name; empty for none.
    pub subset: String,
}

/// How endpoints are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Discovery {
    /// From the snapshot's endpoints of the same name.
    Endpoints,
    /// By resolving names; every address is an endpoint.
    Dns(DnsLookup),
    /// By resolving a name; a new connection goes to the first address.
    DnsRoundRobin(DnsLookup),
    /// By resolving the host (or SNI) of each request, which must match one of these names (exact,
    /// `*.suffix`, or `*` for any).
    DynamicDns {
        /// Names that may be resolved.
        hosts: Vec<String>,
        /// Port to connect to, whatever the request's host says. `None`: that of the request's host, else 443 if TLS
        /// is spoken to the cluster, else 80; and no SNI is resolved, because bytes do not say a port.
        port: Option<u16>,
        /// Networks that the names may resolve to although clients may not lead there: loopback, link-local and
        /// metadata addresses, those of the cluster. Address and prefix length
        /// (annotation `sallyport.dev/allow-addresses` of the ServiceEntry).
        allow_addresses: Vec<(IpAddr, u8)>,
    },
    /// The destination that the client dialled (sidecars). A gateway has none: 503 UH.
    OriginalDestination {
        /// Port to dial instead of the client's (`targetPort` of a ServiceEntry with resolution NONE).
        port: Option<u16>,
    },
}

/// Names to resolve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DnsLookup {
    /// Refresh after failures and for answers without TTL. Istio: 60 s.
    pub refresh: Duration,
    /// Endpoints whose addresses are host names.
    pub endpoints: super::endpoint::Endpoints,
    /// Asked for by `istio.io/connect-strategy: RACE_FIRST_TCP_CONNECT`, which makes a cluster one of
    /// [`Discovery::DnsRoundRobin`]. All of those race the addresses of a name (RFC 8305), as Envoy's do.
    pub race_addresses: bool,
}

/// How an endpoint is picked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Algorithm.
    pub policy: LbPolicy,
    /// New endpoints get a growing share.
    pub warmup: Option<Warmup>,
    /// Below this share of healthy endpoints in percent, health is ignored. 0: never (Istio).
    pub panic_threshold: u32,
    /// Weigh localities by their endpoints' weights (`distribute`).
    pub locality_weighted: bool,
}

/// Algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LbPolicy {
    /// The less loaded of two random ones; in turn by weight and load where weights differ.
    LeastRequest,
    /// In turn, by weight.
    RoundRobin,
    /// At random, whatever the weights.
    Random,
    /// By the hash of a key.
    ConsistentHash(ConsistentHash),
    /// The destination that the client dialled.
    Passthrough,
}

/// Consistent hashing; the key is the route's hash policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistentHash {
    /// Table.
    pub ring: HashRing,
}

/// Table of a consistent-hash balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HashRing {
    /// Ketama ring with at least this many points.
    Ring {
        /// Points. Istio: 1024.
        minimum_size: u64,
    },
    /// Maglev table of this size, a prime.
    Maglev {
        /// Slots. Envoy: 65537.
        table_size: u64,
    },
}

/// Slow start of endpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Warmup {
    /// How long a new endpoint is new.
    pub duration: Duration,
    /// Share it starts with, percent.
    pub minimum_percent: f64,
    /// Shape: 1 is linear.
    pub aggression: f64,
}

/// Limits of a cluster. `None`: no limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CircuitBreakers {
    /// Connections.
    pub max_connections: Option<u32>,
    /// Requests waiting for a connection.
    pub max_pending_requests: Option<u32>,
    /// Requests at once.
    pub max_requests: Option<u32>,
    /// Retries at once.
    pub max_retries: Option<u32>,
    /// Retries at once as a share of requests, instead of `max_retries`.
    pub retry_budget: Option<RetryBudget>,
}

/// Retries as a share of requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryBudget {
    /// Percent of active requests.
    pub percent: f64,
    /// At least this many.
    pub min_concurrency: u32,
    /// Count the requests of this last while instead of the active ones. Zero: active ones.
    pub interval: Duration,
}

/// Ejection of failing endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlierDetection {
    /// 5xx (and local failures unless split) in a row; 0: off.
    pub consecutive_5xx: u32,
    /// 502, 503, 504 in a row; 0: off.
    pub consecutive_gateway_errors: u32,
    /// Connect failures, resets, timeouts in a row, when split; 0: off.
    pub consecutive_local_origin_failures: u32,
    /// Count local failures apart.
    pub split_external_local_origin_errors: bool,
    /// How often ejections end and expire.
    pub interval: Duration,
    /// Ejection time, multiplied by the number of ejections.
    pub base_ejection_time: Duration,
    /// At most this share of endpoints, percent.
    pub max_ejection_percent: u32,
    /// Statuses that count as errors instead of 5xx; empty: 5xx.
    pub http_errors: Vec<u16>,
}

/// Probes of endpoints. Not in Istio's API: the annotation `sallyport.dev/health-check` of a DestinationRule. The
/// meaning of each field is that of Envoy's `HealthCheck`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: HealthProbe,
    /// Time from an answer to the next question.
    pub interval: Duration,
    /// An answer that takes longer is a failure.
    pub timeout: Duration,
    /// Failures in a row that make an endpoint unhealthy, at least 1. A wrong HTTP status is enough at once.
    pub unhealthy_threshold: u32,
    /// Successes in a row that make it healthy again, at least 1. The first answer ever counts at once.
    pub healthy_threshold: u32,
    /// Port to ask, if it is not the endpoint's.
    pub port: Option<u16>,
}

/// What a health check asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthProbe {
    /// An HTTP GET, over the version of HTTP that requests use.
    Http {
        /// Path with query.
        path: String,
        /// Host field; `None`: the service's host.
        host: Option<String>,
        /// Further fields.
        headers: Vec<(String, String)>,
        /// Statuses that mean health, as ranges with both ends.
        expected_statuses: Vec<(u16, u16)>,
    },
    /// A TCP connection, with what must come back over it.
    Tcp {
        /// To send first; empty for nothing.
        send: Vec<u8>,
        /// To receive, perhaps among other bytes; empty for nothing.
        receive: Vec<u8>,
    },
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// Service to ask for; empty for the server as a whole.
        service: String,
        /// `:authority`; `None`: the service's host.
        authority: Option<String>,
    },
}

/// HTTP version towards endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, with prior knowledge or by ALPN.
    Http2,
    /// What the client speaks.
    Client,
}

/// Connections and their life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamPool {
    /// Connecting, with TLS. Istio: 10 s.
    pub connect_timeout: Duration,
    /// Close an HTTP connection unused for this long. Istio: 1 h.
    pub idle_timeout: Option<Duration>,
    /// Close a TCP-proxied connection unused for this long. Istio: 1 h.
    pub tcp_idle_timeout: Option<Duration>,
    /// Close a connection this old once it is free.
    pub max_connection_duration: Option<Duration>,
    /// Requests per connection. `None`: no limit.
    pub max_requests_per_connection: Option<u32>,
    /// HTTP/2 streams at once on a connection.
    pub max_concurrent_streams: Option<u32>,
    /// HTTP/2 PING.
    pub http2_keepalive: Option<Http2KeepAlive>,
    /// TCP keep-alive.
    pub tcp_keepalive: Option<TcpKeepalive>,
}

/// HTTP/2 PING.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http2KeepAlive {
    /// How often.
    pub interval: Duration,
    /// How long to wait for the answer.
    pub timeout: Duration,
}

/// TCP keep-alive. `None`: the system's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpKeepalive {
    /// Probes without answer before the connection is dead.
    pub probes: Option<u32>,
    /// Idle time before the first.
    pub time: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
}

/// TLS towards endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpstreamTlsMode {
    /// Plaintext.
    Disable,
    /// TLS to every endpoint.
    Tls(UpstreamTls),
    /// Mesh mutual TLS to endpoints that have a sidecar, plaintext to others.
    Auto(UpstreamTls),
}

/// How to speak TLS to endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamTls {
    /// Our certificate.
    pub certificate: Option<CertificateSource>,
    /// Whom to trust.
    pub trust: TrustSource,
    /// Do not verify (`insecureSkipVerify`).
    pub insecure_skip_verify: bool,
    /// SNI; `None`: the request's host after rewrites, without port, unless it is an address.
    pub sni: Option<String>,
    /// Check the certificate against the SNI that was chosen by the host.
    pub verify_auto_sni: bool,
    /// Names of which the certificate must carry one. Empty: any.
    pub subject_alt_names: Vec<SubjectAltName>,
    /// ALPN to offer; empty: `h2` or `http/1.1` by the protocol.
    pub alpn: Vec<String>,
    /// TLS 1.2 suites by OpenSSL name; empty: the defaults (`meshConfig.tlsDefaults`).
    pub cipher_suites: Vec<String>,
    /// ECDH curves by OpenSSL name; empty: the defaults (`meshConfig.tlsDefaults`).
    pub ecdh_curves: Vec<String>,
}

/// A name that a certificate must carry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SubjectAltName(pub String);

/// Version of a PROXY protocol header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProxyProtocolVersion {
    /// Text.
    V1,
    /// Binary.
    V2,
}
