//! Core Node: its labels tell the locality of pods.

use serde::Deserialize;

use super::decode::{Decode, decode_field};
use crate::document::{Decoded, Node as Tree};

/// `status` of a Node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Node {
    /// Its addresses.
    #[serde(default)]
    pub addresses: Vec<NodeAddress>,
}

/// An address of a Node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct NodeAddress {
    /// `InternalIP`, `ExternalIP`, `Hostname` …
    #[serde(default)]
    pub r#type: String,
    /// The address.
    #[serde(default)]
    pub address: String,
}

impl Decode for Node {
    fn decode(root: &Tree) -> Decoded<Self> {
        decode_field(root, "status")
    }
}
