//! `discovery.k8s.io` EndpointSlice: some of the endpoints of a Service.

use serde::Deserialize;

use super::decode::{Decode, decode_object};
use super::wire::scalar;
use crate::document::{Decoded, Node};

/// The label that names the Service of a slice.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// An EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// `IPv4`, `IPv6` or `FQDN`.
    #[serde(default)]
    pub address_type: AddressType,
    /// The endpoints.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// The ports that all of them have.
    #[serde(default)]
    pub ports: Vec<EndpointPort>,
}

/// Kind of the addresses of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum AddressType {
    /// IPv4.
    #[default]
    #[serde(rename = "IPv4")]
    Ipv4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    Ipv6,
    /// Names.
    #[serde(rename = "FQDN")]
    Fqdn,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Its addresses, which all mean the same.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Its state.
    #[serde(default)]
    pub conditions: EndpointConditions,
    /// Its name within a headless Service.
    #[serde(default, deserialize_with = "scalar")]
    pub hostname: Option<String>,
    /// The object behind it, mostly a pod.
    pub target_ref: Option<ObjectReference>,
    /// The node it runs on.
    #[serde(default, deserialize_with = "scalar")]
    pub node_name: Option<String>,
    /// The zone it runs in.
    #[serde(default, deserialize_with = "scalar")]
    pub zone: Option<String>,
}

/// State of an endpoint; what is absent is taken for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct EndpointConditions {
    /// It takes new requests. Never true while it ends, unless the Service publishes unready addresses.
    pub ready: Option<bool>,
    /// It can answer.
    pub serving: Option<bool>,
    /// It is about to end.
    pub terminating: Option<bool>,
}

/// Another object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct ObjectReference {
    /// Kind.
    #[serde(default, deserialize_with = "scalar")]
    pub kind: Option<String>,
    /// Name.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// Namespace.
    #[serde(default, deserialize_with = "scalar")]
    pub namespace: Option<String>,
}

/// A port of endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointPort {
    /// Name of the Service's port.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// The number; none means all.
    pub port: Option<u16>,
    /// `TCP` (default), `UDP` or `SCTP`.
    #[serde(default, deserialize_with = "scalar")]
    pub protocol: Option<String>,
    /// The application's protocol.
    #[serde(default, deserialize_with = "scalar")]
    pub app_protocol: Option<String>,
}

impl Decode for EndpointSlice {
    fn decode(root: &Node) -> Decoded<Self> {
        decode_object(root)
    }
}
