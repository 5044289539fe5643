//! `networking.istio.io` WorkloadEntry: an endpoint that is not a pod.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::scalar;

/// `spec` of a WorkloadEntry; also an endpoint of a ServiceEntry and the template of a WorkloadGroup.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadEntry {
    /// IP address, DNS name, or `unix:///path`.
    #[serde(default, deserialize_with = "scalar")]
    pub address: Option<String>,
    /// Own ports by the name of the service's port.
    #[serde(default)]
    pub ports: BTreeMap<String, u32>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Network; endpoints of other networks are reached through gateways.
    #[serde(default, deserialize_with = "scalar")]
    pub network: Option<String>,
    /// `region/zone/subzone`.
    #[serde(default, deserialize_with = "scalar")]
    pub locality: Option<String>,
    /// Share of the load relative to others; default 1.
    #[serde(default, deserialize_with = "scalar")]
    pub weight: Option<u32>,
    /// Its identity, if it has a sidecar.
    #[serde(default, deserialize_with = "scalar")]
    pub service_account: Option<String>,
}
