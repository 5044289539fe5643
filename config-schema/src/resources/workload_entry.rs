//! `networking.istio.io` WorkloadEntry: an endpoint that is not a pod.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::decode::{Decode, decode_field, decode_spec};
use super::pod::PodCondition;
use super::wire::scalar;
use crate::document::{Decoded, Node};

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
    /// What its health checks have found, if it is an object of its own.
    #[serde(skip)]
    pub status: WorkloadEntryStatus,
}

/// `status` of a WorkloadEntry, as far as it says where traffic goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct WorkloadEntryStatus {
    /// `Healthy` counts.
    #[serde(default)]
    pub conditions: Vec<PodCondition>,
}

impl WorkloadEntryStatus {
    /// Whether its own agent has found it healthy; not before it says so.
    pub fn is_healthy(&self) -> bool {
        self.conditions.iter().any(|condition| condition.r#type == "Healthy" && condition.status == "True")
    }
}

impl Decode for WorkloadEntry {
    fn decode(root: &Node) -> Decoded<Self> {
        let mut entry: Decoded<Self> = decode_spec(root, true);
        let status: Decoded<WorkloadEntryStatus> = decode_field(root, "status");
        entry.faults.extend(status.faults);
        if let (Some(entry), Some(status)) = (&mut entry.value, status.value) {
            entry.status = status;
        }
        entry
    }
}
