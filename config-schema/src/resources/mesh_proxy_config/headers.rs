//! Headers that a proxy adds.

use super::ForwardClientCertDetails;
use crate::resources::wire::scalar;
use serde::Deserialize;

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
