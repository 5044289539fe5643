//! `MeshConfig`: what holds for the whole mesh, from the key `mesh` of the ConfigMap `istio-system/istio`.
//!
//! Fields keep what was written; the methods of [`MeshConfig`] add Istio's defaults.

mod services;
mod tls;
mod traffic;

use serde::Deserialize;

use super::destination_rule::{ClientTlsSettings, LocalityLbSetting, TcpKeepalive, ZoneAwareLbSetting};
use super::extension_provider::ExtensionProvider;
use super::mesh_proxy_config::MeshProxyConfig;
use super::virtual_service::HttpRetry;
use super::wire::{Duration, LabelSelector, scalar};

pub use services::{
    ServiceEntryVisibility, ServiceScope, ServiceScopeConfig, ServiceSettings, ServiceSettingsSettings, Visibility,
    VisibilityMatchRule, VisibilityPolicy,
};
pub use tls::{Ca, Certificate, CertificateData, ECDH_CURVES, MeshTlsProtocol, TlsConfig};
pub use traffic::{
    DefaultTrafficPolicy, InboundTrafficMode, InboundTrafficPolicy, MeshH2UpgradePolicy, MeshOutboundTrafficMode,
    MeshOutboundTrafficPolicy, NormalizationType, ProxyPathNormalization,
};

/// Settings of the whole mesh.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeshConfig {
    /// Port of the sidecars' outbound listener; default 15001.
    #[serde(default, deserialize_with = "scalar")]
    pub proxy_listen_port: Option<i32>,
    /// Port of the sidecars' inbound listener; default 15006.
    #[serde(default, deserialize_with = "scalar")]
    pub proxy_inbound_listen_port: Option<i32>,
    /// Port of the sidecars' forward proxy; default none.
    #[serde(default, deserialize_with = "scalar")]
    pub proxy_http_port: Option<i32>,
    /// Time to connect to an endpoint; default 10 s.
    pub connect_timeout: Option<Duration>,
    /// Idle time of HBONE connections (ambient mesh).
    pub hbone_idle_timeout: Option<Duration>,
    /// Time to wait for the first bytes of a connection of unknown protocol; default forever.
    pub protocol_detection_timeout: Option<Duration>,
    /// Keepalive probes towards endpoints.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Class of the Ingress objects served; default `istio`.
    #[serde(default, deserialize_with = "scalar")]
    pub ingress_class: Option<String>,
    /// Service of the gateways that serve Ingress; default `istio-ingressgateway`.
    #[serde(default, deserialize_with = "scalar")]
    pub ingress_service: Option<String>,
    /// Which Ingress objects are served; default only those of the class.
    pub ingress_controller_mode: Option<IngressControllerMode>,
    /// Value of the label `istio` on the gateways that serve Ingress; default `ingressgateway`.
    #[serde(default, deserialize_with = "scalar")]
    pub ingress_selector: Option<String>,
    /// Switches tracing on; default true.
    pub enable_tracing: Option<bool>,
    /// File for access logs, `/dev/stdout` for standard output; default no log.
    #[serde(default, deserialize_with = "scalar")]
    pub access_log_file: Option<String>,
    /// Format of access logs; default Istio's.
    #[serde(default, deserialize_with = "scalar")]
    pub access_log_format: Option<String>,
    /// Encoding of access logs; default text.
    #[serde(default)]
    pub access_log_encoding: AccessLogEncoding,
    /// Send access logs over gRPC.
    #[serde(default)]
    pub enable_envoy_access_log_service: bool,
    /// Do not log connections that find no listener or filter chain.
    #[serde(default)]
    pub disable_envoy_listener_log: bool,
    /// Settings of every proxy.
    pub default_config: Option<MeshProxyConfig>,
    /// What becomes of traffic of sidecars to unknown places; default allowed.
    pub outbound_traffic_policy: Option<MeshOutboundTrafficPolicy>,
    /// Where inbound traffic of sidecars is handed on; default the pod's address.
    pub inbound_traffic_policy: Option<InboundTrafficPolicy>,
    /// Where configuration is read from.
    #[serde(default)]
    pub config_sources: Vec<ConfigSource>,
    /// Speak mesh TLS with every endpoint that can; default true.
    pub enable_auto_mtls: Option<bool>,
    /// Trust domain of the mesh's identities; default `cluster.local`.
    #[serde(default, deserialize_with = "scalar")]
    pub trust_domain: Option<String>,
    /// Other trust domains that mean the same.
    #[serde(default)]
    pub trust_domain_aliases: Vec<String>,
    /// Further roots for the mesh.
    #[serde(default)]
    pub ca_certificates: Vec<CertificateData>,
    /// Who sees Services and ServiceEntries that do not say; default everybody.
    #[serde(default)]
    pub default_service_export_to: Vec<String>,
    /// Who sees VirtualServices that do not say; default everybody.
    #[serde(default)]
    pub default_virtual_service_export_to: Vec<String>,
    /// Who sees DestinationRules that do not say; default everybody.
    #[serde(default)]
    pub default_destination_rule_export_to: Vec<String>,
    /// Namespace whose configuration counts for all; default `istio-system`.
    #[serde(default, deserialize_with = "scalar")]
    pub root_namespace: Option<String>,
    /// Preference by locality; default on.
    pub locality_lb_setting: Option<LocalityLbSetting>,
    /// Preference by zone with regard to capacity; default off.
    pub zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
    /// Time after which a failed DNS query is repeated; default 60 s.
    pub dns_refresh_rate: Option<Duration>,
    /// Speak HTTP/2 between sidecars; default no.
    #[serde(default)]
    pub h2_upgrade_policy: MeshH2UpgradePolicy,
    /// Pattern for the names of Envoy's inbound statistics.
    #[serde(default, deserialize_with = "scalar")]
    pub inbound_cluster_stat_name: Option<String>,
    /// Pattern for the names of Envoy's outbound statistics.
    #[serde(default, deserialize_with = "scalar")]
    pub outbound_cluster_stat_name: Option<String>,
    /// Deprecated.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// Properties of services in a mesh of several clusters.
    #[serde(default)]
    pub service_settings: Vec<ServiceSettings>,
    /// Scope of services in a mesh of several clusters (ambient mesh).
    #[serde(default)]
    pub service_scope_configs: Vec<ServiceScopeConfig>,
    /// Serve the application's metrics beside the proxy's; default true.
    pub enable_prometheus_merge: Option<bool>,
    /// Deprecated.
    pub verify_certificate_at_client: Option<bool>,
    /// An external CA.
    pub ca: Option<Ca>,
    /// Services that extend the mesh, by name.
    #[serde(default)]
    pub extension_providers: Vec<ExtensionProvider>,
    /// Providers of telemetry unless an object says otherwise.
    pub default_providers: Option<DefaultProviders>,
    /// Namespaces that are looked at; none means all.
    #[serde(default)]
    pub discovery_selectors: Vec<LabelSelector>,
    /// How paths are normalised before they are matched.
    pub path_normalization: Option<ProxyPathNormalization>,
    /// Retries of HTTP rules that do not say.
    pub default_http_retry_policy: Option<HttpRetry>,
    /// TLS inside of the mesh.
    #[serde(rename = "meshMTLS")]
    pub mesh_mtls: Option<TlsConfig>,
    /// TLS elsewhere.
    pub tls_defaults: Option<TlsConfig>,
    /// Policy of hosts that no DestinationRule is for.
    pub default_traffic_policy: Option<DefaultTrafficPolicy>,
    /// Who sees ServiceEntries.
    pub service_entry_visibility: Option<ServiceEntryVisibility>,
}

impl MeshConfig {
    /// Time to connect to an endpoint.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(Duration::from_secs(10))
    }

    /// Port of the sidecars' outbound listener.
    #[must_use]
    pub fn proxy_listen_port(&self) -> u16 {
        port_or(self.proxy_listen_port, 15001)
    }

    /// Port of the sidecars' inbound listener.
    #[must_use]
    pub fn proxy_inbound_listen_port(&self) -> u16 {
        port_or(self.proxy_inbound_listen_port, 15006)
    }

    /// Trust domain of the mesh's identities.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        self.trust_domain.as_deref().unwrap_or("cluster.local")
    }

    /// Namespace whose configuration counts for all.
    #[must_use]
    pub fn root_namespace(&self) -> &str {
        self.root_namespace.as_deref().unwrap_or("istio-system")
    }

    /// Who sees Services and ServiceEntries that do not say.
    #[must_use]
    pub fn default_service_export_to(&self) -> Vec<&str> {
        export_or_everybody(&self.default_service_export_to)
    }

    /// Who sees VirtualServices that do not say.
    #[must_use]
    pub fn default_virtual_service_export_to(&self) -> Vec<&str> {
        export_or_everybody(&self.default_virtual_service_export_to)
    }

    /// Who sees DestinationRules that do not say.
    #[must_use]
    pub fn default_destination_rule_export_to(&self) -> Vec<&str> {
        export_or_everybody(&self.default_destination_rule_export_to)
    }

    /// Whether mesh TLS is spoken with every endpoint that can.
    #[must_use]
    pub fn enable_auto_mtls(&self) -> bool {
        self.enable_auto_mtls.unwrap_or(true)
    }

    /// Whether tracing is on at all.
    #[must_use]
    pub fn enable_tracing(&self) -> bool {
        self.enable_tracing.unwrap_or(true)
    }

    /// Whether the application's metrics are served beside the proxy's.
    #[must_use]
    pub fn enable_prometheus_merge(&self) -> bool {
        self.enable_prometheus_merge.unwrap_or(true)
    }

    /// What becomes of traffic of sidecars to unknown places. A message without a mode means `REGISTRY_ONLY`.
    #[must_use]
    pub fn outbound_traffic_mode(&self) -> MeshOutboundTrafficMode {
        self.outbound_traffic_policy.as_ref().map_or(MeshOutboundTrafficMode::AllowAny, |policy| policy.mode)
    }

    /// Time after which a failed DNS query is repeated.
    #[must_use]
    pub fn dns_refresh_rate(&self) -> Duration {
        self.dns_refresh_rate.unwrap_or(Duration::from_secs(60))
    }

    /// Preference by locality; on unless a setting of the mesh is there that does not say so.
    #[must_use]
    pub fn locality_lb_setting(&self) -> LocalityLbSetting {
        self.locality_lb_setting
            .clone()
            .unwrap_or_else(|| LocalityLbSetting { enabled: Some(true), ..LocalityLbSetting::default() })
    }

    /// How paths are normalised before they are matched.
    #[must_use]
    pub fn path_normalization(&self) -> NormalizationType {
        self.path_normalization.map_or(NormalizationType::Default, |normalization| normalization.normalization)
    }

    /// Class of the Ingress objects served.
    #[must_use]
    pub fn ingress_class(&self) -> &str {
        self.ingress_class.as_deref().unwrap_or("istio")
    }

    /// Which Ingress objects are served.
    #[must_use]
    pub fn ingress_controller_mode(&self) -> IngressControllerMode {
        self.ingress_controller_mode.unwrap_or(IngressControllerMode::Strict)
    }

    /// Service of the gateways that serve Ingress.
    #[must_use]
    pub fn ingress_service(&self) -> &str {
        self.ingress_service.as_deref().unwrap_or("istio-ingressgateway")
    }

    /// The provider called `name`; Istio has `prometheus`, `stackdriver` and `envoy` unless they are redefined.
    #[must_use]
    pub fn extension_provider(&self, name: &str) -> Option<ExtensionProvider> {
        let own = self.extension_providers.iter().rfind(|provider| provider.name == name);
        own.cloned().or_else(|| ExtensionProvider::built_in(name))
    }
}

fn port_or(port: Option<i32>, default: u16) -> u16 {
    port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default)
}

fn export_or_everybody(export_to: &[String]) -> Vec<&str> {
    if export_to.is_empty() { vec!["*"] } else { export_to.iter().map(String::as_str).collect() }
}

/// Which Ingress objects are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IngressControllerMode {
    /// Same as `Strict`.
    Unspecified,
    /// None.
    Off,
    /// Those of the class and those without one.
    Default,
    /// Those of the class.
    Strict,
}

/// Encoding of access logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccessLogEncoding {
    /// Lines of text.
    #[default]
    Text,
    /// Lines of JSON.
    Json,
}

/// Where configuration is read from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigSource {
    /// `fs:///directory`, `k8s://`, or the address of an xDS server.
    #[serde(default, deserialize_with = "scalar")]
    pub address: Option<String>,
    /// TLS towards the server.
    pub tls_settings: Option<ClientTlsSettings>,
    /// What is read.
    #[serde(default)]
    pub subscribed_resources: Vec<SubscribedResource>,
}

/// What is read from a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubscribedResource {
    /// Services.
    ServiceRegistry,
}

/// Providers of telemetry unless an object says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefaultProviders {
    /// For traces.
    #[serde(default)]
    pub tracing: Vec<String>,
    /// For metrics.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// For access logs.
    #[serde(default)]
    pub access_logging: Vec<String>,
}
