//! `MeshConfig`: what holds for the whole mesh, from the key `mesh` of the ConfigMap `istio-system/istio`.
//!
//! Fields keep what was written; the methods of [`MeshConfig`] add Istio's defaults.

use serde::Deserialize;

use super::destination_rule::{
    ClientTlsSettings, ConnectionPoolSettings, LocalityLbSetting, OutlierDetection, TcpKeepalive, ZoneAwareLbSetting,
};
use super::extension_provider::ExtensionProvider;
use super::mesh_proxy_config::MeshProxyConfig;
use super::virtual_service::HttpRetry;
use super::wire::{Duration, LabelSelector, scalar};

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

/// What becomes of traffic of sidecars to unknown places.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct MeshOutboundTrafficPolicy {
    /// Default `REGISTRY_ONLY` once the message is there.
    #[serde(default)]
    pub mode: MeshOutboundTrafficMode,
    /// TLS for `ALLOW_ANY_DYNAMIC_DNS`.
    pub tls: Option<ClientTlsSettings>,
}

/// What becomes of traffic of sidecars to unknown places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MeshOutboundTrafficMode {
    /// It is refused.
    #[default]
    RegistryOnly,
    /// It is passed through to the address dialled.
    AllowAny,
    /// It goes where DNS says for the host asked for.
    AllowAnyDynamicDns,
}

/// Where inbound traffic of sidecars is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct InboundTrafficPolicy {
    /// Default `PASSTHROUGH`.
    #[serde(default)]
    pub mode: InboundTrafficMode,
}

/// Where inbound traffic of sidecars is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InboundTrafficMode {
    /// The pod's address.
    #[default]
    Passthrough,
    /// The loopback address.
    Localhost,
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

/// A root certificate. At most one of `pem` and `spiffeBundleUrl` is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateData {
    /// The certificate.
    pub pem: Option<String>,
    /// Where a SPIFFE bundle is fetched.
    pub spiffe_bundle_url: Option<String>,
    /// Kubernetes signers it is for.
    #[serde(default)]
    pub cert_signers: Vec<String>,
    /// Trust domains it is for.
    #[serde(default)]
    pub trust_domains: Vec<String>,
}

/// Whether services speak HTTP/2 between sidecars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MeshH2UpgradePolicy {
    /// No.
    #[default]
    DoNotUpgrade,
    /// Yes.
    Upgrade,
}

/// Deprecated: a certificate for a control plane component.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Secret to put it in.
    #[serde(default, deserialize_with = "scalar")]
    pub secret_name: Option<String>,
    /// Names it is for.
    #[serde(default)]
    pub dns_names: Vec<String>,
}

/// Properties of services in a mesh of several clusters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ServiceSettings {
    /// The properties.
    pub settings: Option<ServiceSettingsSettings>,
    /// The services, possibly with wildcards.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// Properties of services in a mesh of several clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSettingsSettings {
    /// Only endpoints of the client's own cluster.
    #[serde(default)]
    pub cluster_local: bool,
}

/// Scope of services in a mesh of several clusters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceScopeConfig {
    /// Their namespaces.
    pub namespace_selector: Option<LabelSelector>,
    /// The services.
    pub services_selector: Option<LabelSelector>,
    /// The scope.
    #[serde(default)]
    pub scope: ServiceScope,
}

/// Scope of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceScope {
    /// Its own cluster.
    #[default]
    Local,
    /// All clusters.
    Global,
}

/// An external CA.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ca {
    /// Address of its gRPC server.
    #[serde(default, deserialize_with = "scalar")]
    pub address: Option<String>,
    /// TLS towards it.
    pub tls_settings: Option<ClientTlsSettings>,
    /// Time to wait for an answer; default 10 s.
    pub request_timeout: Option<Duration>,
    /// Asked by the control plane rather than by proxies.
    #[serde(default)]
    pub istiod_side: bool,
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

/// How paths are normalised before they are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct ProxyPathNormalization {
    /// The way.
    #[serde(default)]
    pub normalization: NormalizationType,
}

/// A way to normalise paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NormalizationType {
    /// Same as `Base`.
    #[default]
    Default,
    /// Not at all.
    None,
    /// By RFC 3986: dot segments, backslashes, needless escapes.
    Base,
    /// And double slashes become one.
    MergeSlashes,
    /// And escaped slashes are decoded before that.
    DecodeAndMergeSlashes,
}

/// Settings of TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsConfig {
    /// Lowest version.
    #[serde(default)]
    pub min_protocol_version: MeshTlsProtocol,
    /// Curves, by OpenSSL names.
    #[serde(default)]
    pub ecdh_curves: Vec<String>,
    /// Cipher suites up to TLS 1.2, by OpenSSL names.
    #[serde(default)]
    pub cipher_suites: Vec<String>,
}

/// A TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum MeshTlsProtocol {
    /// The default: 1.2.
    #[default]
    #[serde(rename = "TLS_AUTO")]
    Auto,
    /// TLS 1.2.
    #[serde(rename = "TLSV1_2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "TLSV1_3")]
    V1_3,
}

/// Policy of hosts that no DestinationRule is for.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefaultTrafficPolicy {
    /// Limits of connections and requests.
    pub connection_pool: Option<ConnectionPoolSettings>,
    /// When an endpoint is left out.
    pub outlier_detection: Option<OutlierDetection>,
}

/// Who sees ServiceEntries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEntryVisibility {
    /// Unless a policy says otherwise.
    #[serde(default)]
    pub default_visibility: Visibility,
    /// Whether it counts for sidecars too.
    #[serde(default)]
    pub apply_to_sidecars: bool,
    /// Policies, the first that matches counts.
    #[serde(default)]
    pub policies: Vec<VisibilityPolicy>,
}

/// Who sees something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Visibility {
    /// The default of the field.
    #[default]
    VisibilityUnspecified,
    /// Nobody.
    None,
    /// Its namespace.
    Namespace,
    /// Everybody.
    Public,
}

/// Who sees the ServiceEntries that match.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VisibilityPolicy {
    /// Who.
    #[serde(default)]
    pub visibility: Visibility,
    /// Alternatives of which one must match.
    #[serde(default)]
    pub matching_rules: Vec<VisibilityMatchRule>,
}

/// Which ServiceEntries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VisibilityMatchRule {
    /// Those of these namespaces.
    pub namespace_selector: Option<LabelSelector>,
}
