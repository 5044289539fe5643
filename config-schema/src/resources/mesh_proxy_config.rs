//! `MeshConfig.defaultConfig`: settings of every proxy, and the annotation `proxy.istio.io/config` that overrides
//! them for one.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::destination_rule::{ClientTlsSettings, TcpKeepalive};
use super::proxy_config::ProxyImage;
use super::wire::{Duration, scalar};
use super::workload_group::ReadinessProbe;

/// Settings of a proxy (`istio.mesh.v1alpha1.ProxyConfig`).
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeshProxyConfig {
    /// Envoy: directory of generated configuration.
    #[serde(default, deserialize_with = "scalar")]
    pub config_path: Option<String>,
    /// Envoy: path of the binary.
    #[serde(default, deserialize_with = "scalar")]
    pub binary_path: Option<String>,
    /// Name of the service in traces. Excludes `tracingServiceName`.
    pub service_cluster: Option<String>,
    /// How the name of the service in traces is made. Excludes `serviceCluster`.
    pub tracing_service_name: Option<TracingServiceName>,
    /// Time for connections to end when a listener goes; default 45 s.
    pub drain_duration: Option<Duration>,
    /// Address of the controller; default `istiod.istio-system.svc:15012`.
    #[serde(default, deserialize_with = "scalar")]
    pub discovery_address: Option<String>,
    /// Deprecated, without effect.
    pub discovery_refresh_delay: Option<Duration>,
    /// Deprecated form of `tracing.zipkin.address`.
    #[serde(default, deserialize_with = "scalar")]
    pub zipkin_address: Option<String>,
    /// Envoy: address of a statsd server.
    #[serde(default, deserialize_with = "scalar")]
    pub statsd_udp_address: Option<String>,
    /// Deprecated form of `envoyMetricsService`.
    #[serde(default, deserialize_with = "scalar")]
    pub envoy_metrics_service_address: Option<String>,
    /// Port of the admin interface; default 15000.
    #[serde(default, deserialize_with = "scalar")]
    pub proxy_admin_port: Option<i32>,
    /// Deprecated, without effect.
    #[serde(default, deserialize_with = "scalar")]
    pub availability_zone: Option<String>,
    /// How the controller is spoken to; default mutual TLS.
    pub control_plane_auth_policy: Option<AuthenticationPolicy>,
    /// Envoy: a bootstrap file of one's own.
    #[serde(default, deserialize_with = "scalar")]
    pub custom_config_file: Option<String>,
    /// Envoy: longest name of a statistic.
    #[serde(default, deserialize_with = "scalar")]
    pub stat_name_length: Option<i32>,
    /// Worker threads; 0 for one per core, default by CPU limit.
    pub concurrency: Option<i32>,
    /// Envoy: template of the bootstrap.
    #[serde(default, deserialize_with = "scalar")]
    pub proxy_bootstrap_template_path: Option<String>,
    /// How inbound traffic is redirected to a sidecar.
    #[serde(default)]
    pub interception_mode: InterceptionMode,
    /// Traces.
    pub tracing: Option<ProxyTracing>,
    /// Deprecated, without effect.
    pub sds: Option<ProxySds>,
    /// Access log over Envoy's gRPC protocol.
    pub envoy_access_log_service: Option<RemoteService>,
    /// Metrics over Envoy's gRPC protocol.
    pub envoy_metrics_service: Option<RemoteService>,
    /// Environment of the proxy.
    #[serde(default)]
    pub proxy_metadata: BTreeMap<String, String>,
    /// Envoy: runtime flags.
    #[serde(default)]
    pub runtime_values: BTreeMap<String, String>,
    /// Port of health and merged metrics; default 15020.
    #[serde(default, deserialize_with = "scalar")]
    pub status_port: Option<i32>,
    /// Envoy: further labels of statistics.
    #[serde(default)]
    pub extra_stat_tags: Vec<String>,
    /// What stands in front of gateways.
    pub gateway_topology: Option<Topology>,
    /// Least time to drain at the end; default 5 s.
    pub termination_drain_duration: Option<Duration>,
    /// Identity of the mesh; default the trust domain.
    #[serde(default, deserialize_with = "scalar")]
    pub mesh_id: Option<String>,
    /// Probe of a workload outside of Kubernetes.
    pub readiness_probe: Option<ReadinessProbe>,
    /// Envoy: further statistics.
    pub proxy_stats_matcher: Option<ProxyStatsMatcher>,
    /// Start the application only when its sidecar is ready.
    pub hold_application_until_proxy_starts: Option<bool>,
    /// Further roots for the mesh (PEM).
    #[serde(default)]
    pub ca_certificates_pem: Vec<String>,
    /// Image of the proxy.
    pub image: Option<ProxyImage>,
    /// Hardware for private keys.
    pub private_key_provider: Option<PrivateKeyProvider>,
    /// Headers that the proxy adds by itself.
    pub proxy_headers: Option<ProxyHeaders>,
    /// Time after which file logs are flushed.
    pub file_flush_interval: Option<Duration>,
    /// Size at which file logs are flushed, in KiB.
    #[serde(default, deserialize_with = "scalar")]
    pub file_flush_min_size_kb: Option<u32>,
    /// Compress served metrics; default true.
    pub stats_compression: Option<bool>,
    /// Limits and timeouts of connections from clients.
    pub connection_settings: Option<ConnectionSettings>,
}

impl MeshProxyConfig {
    /// Time for connections to end when a listener goes.
    #[must_use]
    pub fn drain_duration(&self) -> Duration {
        self.drain_duration.unwrap_or(Duration::from_secs(45))
    }

    /// Least time to drain at the end.
    #[must_use]
    pub fn termination_drain_duration(&self) -> Duration {
        self.termination_drain_duration.unwrap_or(Duration::from_secs(5))
    }

    /// Address of the controller.
    #[must_use]
    pub fn discovery_address(&self) -> &str {
        self.discovery_address.as_deref().unwrap_or("istiod.istio-system.svc:15012")
    }

    /// Port of the admin interface.
    #[must_use]
    pub fn proxy_admin_port(&self) -> u16 {
        self.proxy_admin_port.and_then(|port| u16::try_from(port).ok()).unwrap_or(15000)
    }

    /// Port of health and merged metrics.
    #[must_use]
    pub fn status_port(&self) -> u16 {
        self.status_port.and_then(|port| u16::try_from(port).ok()).unwrap_or(15020)
    }

    /// Proxies in front that are trusted to tell the client's address.
    #[must_use]
    pub fn num_trusted_proxies(&self) -> u32 {
        self.gateway_topology.as_ref().and_then(|topology| topology.num_trusted_proxies).unwrap_or(0)
    }
}

/// How the name of the service in traces is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TracingServiceName {
    /// `app.namespace`, by label.
    #[default]
    AppLabelAndNamespace,
    /// The canonical name.
    CanonicalNameOnly,
    /// The canonical name and the namespace.
    CanonicalNameAndNamespace,
}

/// How the controller is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthenticationPolicy {
    /// Plain.
    None,
    /// Mutual TLS.
    MutualTls,
    /// As elsewhere.
    Inherit,
}

/// How inbound traffic is redirected to a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InterceptionMode {
    /// iptables REDIRECT.
    #[default]
    Redirect,
    /// iptables TPROXY, which keeps the client's address.
    Tproxy,
    /// Not.
    None,
}

/// Traces. At most one of the five receivers is set.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyTracing {
    /// In Zipkin's format.
    pub zipkin: Option<TracingAddress>,
    /// Deprecated.
    pub lightstep: Option<TracingLightstep>,
    /// In Datadog's format.
    pub datadog: Option<TracingAddress>,
    /// Google Cloud.
    pub stackdriver: Option<TracingStackdriver>,
    /// Deprecated.
    pub open_census_agent: Option<TracingOpenCensus>,
    /// Further tags.
    #[serde(default)]
    pub custom_tags: BTreeMap<String, TracingCustomTag>,
    /// Longest path in a tag; default 256.
    #[serde(default, deserialize_with = "scalar")]
    pub max_path_tag_length: Option<u32>,
    /// Share of requests traced, in percent; default 1.
    pub sampling: Option<f64>,
    /// TLS towards the receiver.
    pub tls_settings: Option<ClientTlsSettings>,
    /// Add Istio's own tags; default true.
    pub enable_istio_tags: Option<bool>,
}

/// Address of a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct TracingAddress {
    /// `host:port`.
    #[serde(default, deserialize_with = "scalar")]
    pub address: Option<String>,
}

/// Deprecated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "deprecated by Istio")]
pub struct TracingLightstep {
    #[serde(default, deserialize_with = "scalar")]
    pub address: Option<String>,
    #[serde(default, deserialize_with = "scalar")]
    pub access_token: Option<String>,
}

/// Google Cloud.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "not served")]
pub struct TracingStackdriver {
    #[serde(default)]
    pub debug: bool,
    pub max_number_of_attributes: Option<i64>,
    pub max_number_of_annotations: Option<i64>,
    pub max_number_of_message_events: Option<i64>,
}

/// Deprecated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[expect(missing_docs, reason = "deprecated by Istio")]
pub struct TracingOpenCensus {
    #[serde(default, deserialize_with = "scalar")]
    pub address: Option<String>,
    #[serde(default)]
    pub context: Vec<super::extension_provider::OpenCensusContext>,
}

/// Where the value of a tag comes from. One of the three is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct TracingCustomTag {
    /// Fixed.
    pub literal: Option<TracingLiteral>,
    /// From the proxy's environment.
    pub environment: Option<TracingNameWithDefault>,
    /// From a request header.
    pub header: Option<TracingNameWithDefault>,
}

/// A fixed text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct TracingLiteral {
    /// The text.
    #[serde(default)]
    pub value: String,
}

/// A name to look up, and what to use if there is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TracingNameWithDefault {
    /// The name.
    #[serde(default)]
    pub name: String,
    /// In place of nothing.
    #[serde(default, deserialize_with = "scalar")]
    pub default_value: Option<String>,
}

/// Deprecated, without effect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "without effect")]
pub struct ProxySds {
    #[serde(default)]
    pub enabled: bool,
    #[serde(default, deserialize_with = "scalar")]
    pub k8s_sa_jwt_path: Option<String>,
}

/// A gRPC service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteService {
    /// `host:port`.
    #[serde(default, deserialize_with = "scalar")]
    pub address: Option<String>,
    /// TLS towards it.
    pub tls_settings: Option<ClientTlsSettings>,
    /// Keepalive probes.
    pub tcp_keepalive: Option<TcpKeepalive>,
}

/// What stands in front of gateways.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Topology {
    /// Proxies in front that are trusted to tell the client's address; default 0.
    #[serde(default, deserialize_with = "scalar")]
    pub num_trusted_proxies: Option<u32>,
    /// What is done with the header x-forwarded-client-cert; default `SANITIZE_SET`.
    #[serde(default)]
    pub forward_client_cert_details: ForwardClientCertDetails,
    /// Take the client's address from the PROXY protocol.
    pub proxy_protocol: Option<ProxyProtocolConfiguration>,
}

/// Take the client's address from the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct ProxyProtocolConfiguration {}

/// What is done with the header x-forwarded-client-cert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ForwardClientCertDetails {
    /// The default of the field.
    #[default]
    Undefined,
    /// Removed.
    Sanitize,
    /// Passed on, on mutual connections.
    ForwardOnly,
    /// Extended, on mutual connections.
    AppendForward,
    /// Replaced, on mutual connections; else removed.
    SanitizeSet,
    /// Passed on.
    AlwaysForwardOnly,
}

/// Envoy: further statistics.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyStatsMatcher {
    /// By prefix.
    #[serde(default)]
    pub inclusion_prefixes: Vec<String>,
    /// By suffix.
    #[serde(default)]
    pub inclusion_suffixes: Vec<String>,
    /// By regular expression.
    #[serde(default)]
    pub inclusion_regexps: Vec<String>,
}

/// Hardware for private keys. One of the two is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct PrivateKeyProvider {
    /// Intel's AVX-512.
    pub cryptomb: Option<KeyAccelerator>,
    /// Intel's QuickAssist.
    pub qat: Option<KeyAccelerator>,
}

/// Hardware for private keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyAccelerator {
    /// Time to collect operations.
    pub poll_delay: Option<Duration>,
    /// Do without if it is not there.
    pub fallback: Option<bool>,
}

/// Headers that the proxy adds by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyHeaders {
    /// What sidecars do with x-forwarded-client-cert.
    #[serde(default)]
    pub forwarded_client_cert: ForwardClientCertDetails,
    /// What x-forwarded-client-cert tells of a certificate.
    pub set_current_client_cert_details: Option<SetCurrentClientCertDetails>,
    /// x-request-id.
    pub request_id: Option<HeaderSwitch>,
    /// server.
    pub server: Option<ServerHeader>,
    /// x-envoy-attempt-count.
    pub attempt_count: Option<HeaderSwitch>,
    /// The x-envoy-… headers that only serve debugging.
    pub envoy_debug_headers: Option<HeaderSwitch>,
    /// x-envoy-peer-metadata.
    pub metadata_exchange_headers: Option<MetadataExchangeHeaders>,
    /// Keep the case of header names of HTTP/1.
    pub preserve_http1_header_case: Option<bool>,
    /// x-forwarded-host; default off.
    pub x_forwarded_host: Option<HeaderOptIn>,
    /// x-forwarded-port; default off.
    pub x_forwarded_port: Option<HeaderOptIn>,
}

/// What x-forwarded-client-cert tells of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct SetCurrentClientCertDetails {
    /// Subject; default true.
    pub subject: Option<bool>,
    /// The whole certificate.
    pub cert: Option<bool>,
    /// The whole chain.
    pub chain: Option<bool>,
    /// DNS names; default true.
    pub dns: Option<bool>,
    /// URI; default true.
    pub uri: Option<bool>,
}

/// A header that is on unless it is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct HeaderSwitch {
    /// Off.
    pub disabled: Option<bool>,
}

/// A header that is off unless it is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct HeaderOptIn {
    /// On.
    pub enabled: Option<bool>,
}

/// The header `server`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ServerHeader {
    /// Leave the backend's alone.
    pub disabled: Option<bool>,
    /// Its value; default `istio-envoy`.
    #[serde(default, deserialize_with = "scalar")]
    pub value: Option<String>,
}

/// x-envoy-peer-metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct MetadataExchangeHeaders {
    /// When it is sent.
    #[serde(default)]
    pub mode: MetadataExchangeMode,
}

/// When x-envoy-peer-metadata is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MetadataExchangeMode {
    /// Always.
    #[default]
    Undefined,
    /// Inside of the mesh.
    InMesh,
}

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
