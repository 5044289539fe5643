//! `security.istio.io` PeerAuthentication: whether workloads ask for mesh TLS.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::WorkloadSelector;

/// `spec` of a PeerAuthentication.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerAuthentication {
    /// The workloads; none means all of the namespace, in the root namespace all of the mesh.
    pub selector: Option<WorkloadSelector>,
    /// For all ports.
    pub mtls: Option<MutualTls>,
    /// For single ports of the workload.
    #[serde(default)]
    pub port_level_mtls: BTreeMap<u32, MutualTls>,
}

/// Whether mesh TLS is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct MutualTls {
    /// The mode; default inherited.
    #[serde(default)]
    pub mode: MutualTlsMode,
}

/// Whether mesh TLS is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MutualTlsMode {
    /// As the namespace or the mesh says, else `Permissive`.
    #[default]
    Unset,
    /// Plain only.
    Disable,
    /// Plain and TLS.
    Permissive,
    /// TLS only.
    Strict,
}
