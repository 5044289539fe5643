//! `MeshConfig.defaultConfig`: settings of every proxy, and the annotation `proxy.istio.io/config` that overrides
//! them for one.

mod connections;
mod headers;
mod topology;
mod tracing;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::destination_rule::{ClientTlsSettings, TcpKeepalive};
use super::proxy_config::ProxyImage;
use super::wire::{Duration, scalar};
use super::workload_group::ReadinessProbe;

pub use connections::{
    ConnectionProfile, ConnectionSettings, HeadersWithUnderscoresAction, PathWithEscapedSlashesAction,
};
pub use headers::{
    HeaderOptIn, HeaderSwitch, MetadataExchangeHeaders, MetadataExchangeMode, ProxyHeaders, ServerHeader,
    SetCurrentClientCertDetails,
};
pub use topology::{ForwardClientCertDetails, ProxyProtocolConfiguration, Topology};
pub use tracing::{
    ProxyTracing, TracingAddress, TracingCustomTag, TracingLightstep, TracingLiteral, TracingNameWithDefault,
    TracingOpenCensus, TracingServiceName, TracingStackdriver,
};

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
