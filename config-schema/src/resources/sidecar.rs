//! `networking.istio.io` Sidecar: what a workload's sidecar opens and what it may reach. Never for gateways.

use serde::Deserialize;

use super::destination_rule::ConnectionPoolSettings;
use super::gateway::ServerTlsSettings;
use super::virtual_service::Destination;
use super::wire::{LabelsSelector, scalar};

/// `spec` of a Sidecar.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sidecar {
    /// The workloads; none means all of the namespace.
    pub workload_selector: Option<LabelsSelector>,
    /// Inbound listeners, in place of those of the workload's services.
    #[serde(default)]
    pub ingress: Vec<IstioIngressListener>,
    /// Outbound listeners, and what they may reach.
    #[serde(default)]
    pub egress: Vec<IstioEgressListener>,
    /// Limits for inbound connections.
    pub inbound_connection_pool: Option<ConnectionPoolSettings>,
    /// What becomes of traffic to unknown places.
    pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
}

/// An inbound listener.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IstioIngressListener {
    /// The port.
    pub port: SidecarPort,
    /// The address to listen on.
    #[serde(default, deserialize_with = "scalar")]
    pub bind: Option<String>,
    /// How traffic gets here.
    #[serde(default)]
    pub capture_mode: CaptureMode,
    /// Where traffic goes: `127.0.0.1:PORT`, `0.0.0.0:PORT`, `[::1]:PORT`, `[::]:PORT` or `unix:///path`.
    #[serde(default, deserialize_with = "scalar")]
    pub default_endpoint: Option<String>,
    /// TLS of the listener.
    pub tls: Option<ServerTlsSettings>,
    /// Limits of connections.
    pub connection_pool: Option<ConnectionPoolSettings>,
}

/// An outbound listener.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IstioEgressListener {
    /// The port; none means all ports of the hosts.
    pub port: Option<SidecarPort>,
    /// The address to listen on, or `unix://…`.
    #[serde(default, deserialize_with = "scalar")]
    pub bind: Option<String>,
    /// How traffic gets here.
    #[serde(default)]
    pub capture_mode: CaptureMode,
    /// What may be reached, as `namespace/host`; `.`, `*`, `~` stand for own, any, no namespace.
    pub hosts: Vec<String>,
}

/// A port of a sidecar's listener.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SidecarPort {
    /// The number.
    #[serde(default, deserialize_with = "scalar")]
    pub number: Option<u32>,
    /// Protocol, as for a Gateway.
    #[serde(default, deserialize_with = "scalar")]
    pub protocol: Option<String>,
    /// Name.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// Without effect.
    #[serde(default, deserialize_with = "scalar")]
    pub target_port: Option<u32>,
}

/// How traffic gets to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaptureMode {
    /// As the workload is set up.
    #[default]
    Default,
    /// Redirected by the kernel.
    Iptables,
    /// The application dials it.
    None,
}

/// What becomes of traffic to unknown places.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboundTrafficPolicy {
    /// Default `REGISTRY_ONLY` once the message is there.
    #[serde(default)]
    pub mode: OutboundTrafficPolicyMode,
    /// Send it there.
    pub egress_proxy: Option<Destination>,
}

/// What becomes of traffic to unknown places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutboundTrafficPolicyMode {
    /// It is refused.
    #[default]
    RegistryOnly,
    /// It is passed through.
    AllowAny,
}
