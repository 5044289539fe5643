//! Core Endpoints: the older form of EndpointSlice, still written by hand for Services without a selector.

use serde::Deserialize;

use super::decode::{Decode, decode_object};
use super::endpoint_slice::{EndpointPort, ObjectReference};
use super::wire::scalar;
use crate::document::{Decoded, Node};

/// Endpoints; they belong to the Service of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Endpoints {
    /// Sets of addresses with the same ports.
    #[serde(default)]
    pub subsets: Vec<EndpointSubset>,
}

/// Addresses with the same ports.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSubset {
    /// Those that take requests.
    #[serde(default)]
    pub addresses: Vec<EndpointAddress>,
    /// Those that do not yet.
    #[serde(default)]
    pub not_ready_addresses: Vec<EndpointAddress>,
    /// The ports that all of them have.
    #[serde(default)]
    pub ports: Vec<EndpointPort>,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointAddress {
    /// The address.
    pub ip: String,
    /// Its name within a headless Service.
    #[serde(default, deserialize_with = "scalar")]
    pub hostname: Option<String>,
    /// The node it runs on.
    #[serde(default, deserialize_with = "scalar")]
    pub node_name: Option<String>,
    /// The object behind it, mostly a pod.
    pub target_ref: Option<ObjectReference>,
}

impl Decode for Endpoints {
    fn decode(root: &Node) -> Decoded<Self> {
        decode_object(root)
    }
}
