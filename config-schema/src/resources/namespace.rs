//! Core Namespace: its labels choose what applies to it.

use serde::Deserialize;

use super::decode::{Decode, decode_field};
use super::wire::scalar;
use crate::document::{Decoded, Node};

/// `status` of a Namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Namespace {
    /// `Active` or `Terminating`.
    #[serde(default, deserialize_with = "scalar")]
    pub phase: Option<String>,
}

impl Decode for Namespace {
    fn decode(root: &Node) -> Decoded<Self> {
        decode_field(root, "status")
    }
}
