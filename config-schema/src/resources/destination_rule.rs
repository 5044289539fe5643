//! `networking.istio.io` DestinationRule: how a host is spoken to once routing has chosen it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::virtual_service::PortSelector;
use super::wire::{Duration, WorkloadSelector, scalar};

/// `spec` of a DestinationRule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationRule {
    /// The host of the registry, possibly with a wildcard first label; a name without dots is a Service in the rule's
    /// namespace.
    pub host: String,
    /// The policy for all of it.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Named parts of the host.
    #[serde(default)]
    pub subsets: Vec<Subset>,
    /// Namespaces that see it: `.`, `*` or names. Default meshConfig.defaultDestinationRuleExportTo.
    #[serde(default)]
    pub export_to: Vec<String>,
    /// Only for these workloads as clients, of its own namespace.
    pub workload_selector: Option<WorkloadSelector>,
}

/// A named part of a host.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subset {
    /// The name that destinations use.
    pub name: String,
    /// Labels that its endpoints have.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Replaces the blocks of the rule's policy that it sets, each as a whole.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// How a host is spoken to.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicy {
    /// How an endpoint is picked.
    pub load_balancer: Option<LoadBalancerSettings>,
    /// Limits of connections and requests.
    pub connection_pool: Option<ConnectionPoolSettings>,
    /// When an endpoint is left out.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS towards the host.
    pub tls: Option<ClientTlsSettings>,
    /// Policies for single ports, in place of everything above.
    #[serde(default)]
    pub port_level_settings: Vec<PortTrafficPolicy>,
    /// Reach the host through a proxy.
    pub tunnel: Option<TunnelSettings>,
    /// Announce the client's address with the PROXY protocol.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Limit of concurrent retries in proportion to requests.
    pub retry_budget: Option<RetryBudget>,
}

/// The policy of one port.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortTrafficPolicy {
    /// The port of the service.
    pub port: Option<PortSelector>,
    /// How an endpoint is picked.
    pub load_balancer: Option<LoadBalancerSettings>,
    /// Limits of connections and requests.
    pub connection_pool: Option<ConnectionPoolSettings>,
    /// When an endpoint is left out.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS towards the port.
    pub tls: Option<ClientTlsSettings>,
}

/// How an endpoint is picked. At most one of `simple` and `consistentHash` is set.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerSettings {
    /// An algorithm without affinity; default least request.
    pub simple: Option<SimpleLb>,
    /// Affinity by hash.
    pub consistent_hash: Option<ConsistentHashLb>,
    /// Preference by locality; overrides the mesh's setting as a whole.
    pub locality_lb_setting: Option<LocalityLbSetting>,
    /// Preference by zone with regard to capacity.
    pub zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
    /// Deprecated form of `warmup.duration`.
    pub warmup_duration_secs: Option<Duration>,
    /// Send new endpoints less at first.
    pub warmup: Option<WarmupConfiguration>,
}

/// Algorithms without affinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimpleLb {
    /// The default: least request.
    #[default]
    Unspecified,
    /// Deprecated name of `LeastRequest`.
    LeastConn,
    /// Any endpoint.
    Random,
    /// The address that the client dialled.
    Passthrough,
    /// One after the other.
    RoundRobin,
    /// The less busy of two random ones.
    LeastRequest,
}

/// Affinity by hash. At most one key and at most one algorithm is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsistentHashLb {
    /// Key: a request header.
    pub http_header_name: Option<String>,
    /// Key: a cookie, made if it is missing.
    pub http_cookie: Option<HttpCookie>,
    /// Key: the client's address.
    pub use_source_ip: Option<bool>,
    /// Key: a query parameter.
    pub http_query_parameter_name: Option<String>,
    /// Algorithm: ring hash (the default).
    pub ring_hash: Option<RingHash>,
    /// Algorithm: Maglev.
    pub maglev: Option<MagLev>,
    /// Deprecated form of `ringHash.minimumRingSize`.
    #[serde(default, deserialize_with = "scalar")]
    pub minimum_ring_size: Option<u64>,
}

/// A cookie for affinity.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct HttpCookie {
    /// Name.
    pub name: String,
    /// Path to set on a new cookie.
    #[serde(default, deserialize_with = "scalar")]
    pub path: Option<String>,
    /// Lifetime of a new cookie; without it none is made, with 0 a session cookie.
    pub ttl: Option<Duration>,
    /// Further attributes of a new cookie.
    #[serde(default)]
    pub attributes: Vec<CookieAttribute>,
}

/// An attribute of a cookie.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct CookieAttribute {
    /// Name.
    pub name: String,
    /// Value; none for a flag.
    #[serde(default, deserialize_with = "scalar")]
    pub value: Option<String>,
}

/// Ring hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RingHash {
    /// Fewest entries of the ring; default 1024.
    #[serde(default, deserialize_with = "scalar")]
    pub minimum_ring_size: Option<u64>,
}

/// Maglev.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MagLev {
    /// Size of the table, a prime number; default 65537.
    #[serde(default, deserialize_with = "scalar")]
    pub table_size: Option<u64>,
}

/// Preference by locality. At most one of `distribute`, `failover` (with or without `failoverPriority`) is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalityLbSetting {
    /// Shares by locality of the client.
    #[serde(default)]
    pub distribute: Vec<LocalityDistribute>,
    /// Which region takes over for which.
    #[serde(default)]
    pub failover: Vec<LocalityFailover>,
    /// Labels whose agreement with the client makes priorities.
    #[serde(default)]
    pub failover_priority: Vec<String>,
    /// Switches it on or off; default on.
    pub enabled: Option<bool>,
}

/// Shares of traffic from one locality.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct LocalityDistribute {
    /// Locality of the client, `region/zone/subzone` with `*`.
    #[serde(default, deserialize_with = "scalar")]
    pub from: Option<String>,
    /// Percent by locality of the endpoint; 100 together.
    #[serde(default)]
    pub to: BTreeMap<String, u32>,
}

/// A region that takes over for another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct LocalityFailover {
    /// The region of the client.
    #[serde(default, deserialize_with = "scalar")]
    pub from: Option<String>,
    /// The region that takes over.
    #[serde(default, deserialize_with = "scalar")]
    pub to: Option<String>,
}

/// Preference by zone with regard to capacity.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneAwareLbSetting {
    /// Switches it on or off.
    pub enabled: Option<bool>,
    /// Which region takes over for which.
    #[serde(default)]
    pub failover: Vec<LocalityFailover>,
    /// Labels whose agreement with the client makes priorities.
    #[serde(default)]
    pub failover_priority: Vec<String>,
    /// Fewest endpoints for which it is done; default 6.
    pub min_cluster_size: Option<u64>,
}

/// Send new endpoints less at first.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WarmupConfiguration {
    /// How long an endpoint counts as new.
    pub duration: Duration,
    /// Least share of the full weight, in percent; default 10.
    pub minimum_percent: Option<f64>,
    /// Shape of the growth; 1 (default) is linear.
    pub aggression: Option<f64>,
}

/// Limits of connections and requests to one host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ConnectionPoolSettings {
    /// Limits of connections.
    pub tcp: Option<TcpSettings>,
    /// Limits of requests.
    pub http: Option<HttpSettings>,
}

/// Limits of connections.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TcpSettings {
    /// Most connections; default 2^32-1.
    #[serde(default, deserialize_with = "scalar")]
    pub max_connections: Option<i32>,
    /// Time to connect; default meshConfig.connectTimeout, 10 s.
    pub connect_timeout: Option<Duration>,
    /// Keepalive probes of the kernel.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Longest life of a connection; default unlimited.
    pub max_connection_duration: Option<Duration>,
    /// Time without bytes after which a connection is closed; default 1 h, 0 for never.
    pub idle_timeout: Option<Duration>,
}

/// Keepalive probes of the kernel; what is absent is left to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct TcpKeepalive {
    /// Probes without an answer until the connection counts as dead.
    #[serde(default, deserialize_with = "scalar")]
    pub probes: Option<u32>,
    /// Idle time before the first probe.
    pub time: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
}

/// Limits of requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpSettings {
    /// Most requests that wait for a connection; default 2^32-1.
    #[serde(default, deserialize_with = "scalar")]
    pub http1_max_pending_requests: Option<i32>,
    /// Most requests under way; default 2^32-1.
    #[serde(default, deserialize_with = "scalar")]
    pub http2_max_requests: Option<i32>,
    /// Most requests on one connection; default unlimited.
    #[serde(default, deserialize_with = "scalar")]
    pub max_requests_per_connection: Option<i32>,
    /// Most retries under way; default 2^32-1.
    #[serde(default, deserialize_with = "scalar")]
    pub max_retries: Option<i32>,
    /// Time without requests after which a connection is closed; default 1 h.
    pub idle_timeout: Option<Duration>,
    /// Whether to speak HTTP/2 to a port that does not ask for it.
    #[serde(default)]
    pub h2_upgrade_policy: H2UpgradePolicy,
    /// Speak the client's version of HTTP.
    #[serde(default)]
    pub use_client_protocol: bool,
    /// Most streams on one HTTP/2 connection.
    #[serde(default, deserialize_with = "scalar")]
    pub max_concurrent_streams: Option<i32>,
    /// PING frames on idle HTTP/2 connections.
    pub http2_keep_alive: Option<Http2KeepAlive>,
}

/// Whether to speak HTTP/2 to a port that does not ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2UpgradePolicy {
    /// As the mesh says.
    #[default]
    Default,
    /// No.
    DoNotUpgrade,
    /// Yes.
    Upgrade,
}

/// PING frames on HTTP/2 connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct Http2KeepAlive {
    /// Time between them.
    pub interval: Option<Duration>,
    /// Time to wait for an answer.
    pub timeout: Option<Duration>,
}

/// When an endpoint is left out. The block switches detection on, also if it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetection {
    /// Deprecated form of `consecutiveGatewayErrors`.
    #[serde(default, deserialize_with = "scalar")]
    pub consecutive_errors: Option<i32>,
    /// Count failures to connect apart from answers.
    #[serde(default)]
    pub split_external_local_origin_errors: bool,
    /// Failures to connect in a row; needs the split.
    pub consecutive_local_origin_failures: Option<u32>,
    /// Answers 502, 503, 504 in a row; default off.
    pub consecutive_gateway_errors: Option<u32>,
    /// Answers 5xx in a row; default 5, 0 for off.
    #[serde(rename = "consecutive5xxErrors")]
    pub consecutive_5xx_errors: Option<u32>,
    /// Time between sweeps; default 10 s.
    pub interval: Option<Duration>,
    /// Time out of service, times the number of ejections; default 30 s.
    pub base_ejection_time: Option<Duration>,
    /// Most endpoints out of service at once, in percent; default 10.
    #[serde(default, deserialize_with = "scalar")]
    pub max_ejection_percent: Option<i32>,
    /// Below this share of healthy endpoints all are used, in percent; default 0.
    #[serde(default, deserialize_with = "scalar")]
    pub min_health_percent: Option<i32>,
    /// Status codes that count as failures instead of 5xx.
    #[serde(default)]
    pub outlier_detection_http_error_codes: Vec<u32>,
}

/// TLS as a client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientTlsSettings {
    /// What kind; default none.
    #[serde(default)]
    pub mode: ClientTlsMode,
    /// File with the client's certificate chain (PEM).
    #[serde(default, deserialize_with = "scalar")]
    pub client_certificate: Option<String>,
    /// File with the client's key (PEM).
    #[serde(default, deserialize_with = "scalar")]
    pub private_key: Option<String>,
    /// File with the CAs that sign servers (PEM); default those of the system.
    #[serde(default, deserialize_with = "scalar")]
    pub ca_certificates: Option<String>,
    /// Secret with all of these, in the namespace of the client workload.
    #[serde(default, deserialize_with = "scalar")]
    pub credential_name: Option<String>,
    /// Names of which the server's certificate must have one; default the SNI.
    #[serde(default)]
    pub subject_alt_names: Vec<String>,
    /// Server name to send; default the request's host.
    #[serde(default, deserialize_with = "scalar")]
    pub sni: Option<String>,
    /// Do not verify the server.
    pub insecure_skip_verify: Option<bool>,
    /// File with a revocation list (PEM).
    #[serde(default, deserialize_with = "scalar")]
    pub ca_crl: Option<String>,
}

/// What kind of TLS a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientTlsMode {
    /// None.
    #[default]
    Disable,
    /// The server shows a certificate.
    Simple,
    /// Both show a certificate.
    Mutual,
    /// Both show their mesh certificate.
    IstioMutual,
}

/// Reach a host through a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TunnelSettings {
    /// `CONNECT` (default) or `POST`.
    #[serde(default, deserialize_with = "scalar")]
    pub protocol: Option<String>,
    /// The host that the proxy is asked for.
    pub target_host: String,
    /// The port that the proxy is asked for.
    pub target_port: u32,
}

/// The PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct ProxyProtocol {
    /// Version; default V1.
    #[serde(default)]
    pub version: ProxyProtocolVersion,
}

/// Version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum ProxyProtocolVersion {
    /// Text.
    #[default]
    V1,
    /// Binary.
    V2,
}

/// Limit of concurrent retries in proportion to requests.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryBudget {
    /// Share of the requests under way, in percent; default 20.
    pub percent: Option<f64>,
    /// Retries always allowed; default 3.
    #[serde(default, deserialize_with = "scalar")]
    pub min_retry_concurrency: Option<u32>,
    /// Time over which requests are counted; default none.
    pub budget_interval: Option<Duration>,
}
