//! What becomes of traffic that no object speaks of.

use crate::resources::destination_rule::{ClientTlsSettings, ConnectionPoolSettings, OutlierDetection};
use serde::Deserialize;

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

/// Policy of hosts that no DestinationRule is for.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefaultTrafficPolicy {
    /// Limits of connections and requests.
    pub connection_pool: Option<ConnectionPoolSettings>,
    /// When an endpoint is left out.
    pub outlier_detection: Option<OutlierDetection>,
}
