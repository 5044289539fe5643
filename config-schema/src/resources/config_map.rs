//! Core ConfigMap: CA certificates, and the mesh's configuration.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::decode::{Decode, decode_object};
use super::wire::Base64Bytes;
use crate::document::{Decoded, Node};

/// A ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMap {
    /// The content as text.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
    /// The content as bytes.
    #[serde(default)]
    pub binary_data: BTreeMap<String, Base64Bytes>,
}

impl ConfigMap {
    /// The bytes of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        let text = self.data.get(key).map(String::as_bytes);
        text.or_else(|| self.binary_data.get(key).map(|bytes| bytes.0.as_slice()))
    }
}

impl Decode for ConfigMap {
    fn decode(root: &Node) -> Decoded<Self> {
        decode_object(root)
    }
}
