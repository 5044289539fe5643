//! Core Secret: certificates and keys.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::decode::{Decode, decode_object};
use super::wire::{Base64Bytes, scalar};
use crate::document::{Decoded, Node};

/// A Secret. Its content is not shown in debug output.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Kind of the content, such as `kubernetes.io/tls`; default `Opaque`.
    #[serde(default, deserialize_with = "scalar")]
    pub r#type: Option<String>,
    /// The content as bytes.
    #[serde(default)]
    pub data: BTreeMap<String, Base64Bytes>,
    /// The content as text; wins over `data`.
    #[serde(default)]
    pub string_data: BTreeMap<String, String>,
}

impl Secret {
    /// The bytes of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        let text = self.string_data.get(key).map(String::as_bytes);
        text.or_else(|| self.data.get(key).map(|bytes| bytes.0.as_slice()))
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let own = self.data.keys().filter(|key| !self.string_data.contains_key(*key));
        let mut keys: Vec<&str> = own.chain(self.string_data.keys()).map(String::as_str).collect();
        keys.sort_unstable();
        keys.into_iter()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("type", &self.r#type)
            .field("keys", &self.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Decode for Secret {
    fn decode(root: &Node) -> Decoded<Self> {
        decode_object(root)
    }
}
