//! What stands in front of a gateway.

use crate::resources::wire::scalar;
use serde::Deserialize;

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
