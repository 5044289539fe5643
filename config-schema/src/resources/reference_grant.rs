//! `gateway.networking.k8s.io` ReferenceGrant: a namespace's consent to references from others.

use serde::Deserialize;

use super::wire::scalar;

/// `spec` of a ReferenceGrant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ReferenceGrant {
    /// Who may refer.
    pub from: Vec<ReferenceGrantFrom>,
    /// To what.
    pub to: Vec<ReferenceGrantTo>,
}

/// Objects that may refer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct ReferenceGrantFrom {
    /// Their group; empty for the core group.
    pub group: String,
    /// Their kind.
    pub kind: String,
    /// Their namespace.
    pub namespace: String,
}

/// Objects that may be referred to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct ReferenceGrantTo {
    /// Their group; empty for the core group.
    pub group: String,
    /// Their kind.
    pub kind: String,
    /// Name; none means all of the kind.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
}
