//! Core Pod: what a proxy needs to know of a workload.

use serde::Deserialize;

use super::decode::{Decode, decode_field};
use super::wire::scalar;
use crate::document::{Decoded, Node};

/// `spec` of a Pod, and its `status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Its containers.
    #[serde(default)]
    pub containers: Vec<Container>,
    /// Containers that run before the others; with `restartPolicy: Always`, beside them.
    #[serde(default)]
    pub init_containers: Vec<Container>,
    /// The node it runs on.
    #[serde(default, deserialize_with = "scalar")]
    pub node_name: Option<String>,
    /// Its identity; default `default`.
    #[serde(default, deserialize_with = "scalar")]
    pub service_account_name: Option<String>,
    /// It has the node's network.
    #[serde(default)]
    pub host_network: bool,
    /// Its name within a headless Service.
    #[serde(default, deserialize_with = "scalar")]
    pub hostname: Option<String>,
    /// The headless Service that it has a name in.
    #[serde(default, deserialize_with = "scalar")]
    pub subdomain: Option<String>,
    /// Settings of all containers.
    #[serde(default)]
    pub security_context: SecurityContext,
    /// What the cluster says of it.
    #[serde(skip)]
    pub status: PodStatus,
}

impl Pod {
    /// Its identity.
    #[must_use]
    pub fn service_account_name(&self) -> &str {
        self.service_account_name.as_deref().unwrap_or("default")
    }
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Image.
    #[serde(default, deserialize_with = "scalar")]
    pub image: Option<String>,
    /// Ports.
    #[serde(default)]
    pub ports: Vec<ContainerPort>,
    /// Settings of its own.
    #[serde(default)]
    pub security_context: SecurityContext,
    /// `Always` for an init container that runs beside the others.
    #[serde(default, deserialize_with = "scalar")]
    pub restart_policy: Option<String>,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// Name that Services may use.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// The number.
    pub container_port: u16,
    /// `TCP` (default), `UDP` or `SCTP`.
    #[serde(default, deserialize_with = "scalar")]
    pub protocol: Option<String>,
}

/// Who a container runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityContext {
    /// User.
    pub run_as_user: Option<i64>,
}

/// What the cluster says of a Pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    #[serde(default, deserialize_with = "scalar")]
    pub phase: Option<String>,
    /// Its address.
    #[serde(default, rename = "podIP", deserialize_with = "scalar")]
    pub pod_ip: Option<String>,
    /// Its addresses, one per family; the first is `podIP`.
    #[serde(default, rename = "podIPs")]
    pub pod_ips: Vec<PodIp>,
    /// Its node's address.
    #[serde(default, rename = "hostIP", deserialize_with = "scalar")]
    pub host_ip: Option<String>,
    /// Its state.
    #[serde(default)]
    pub conditions: Vec<PodCondition>,
}

/// An address of a Pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct PodIp {
    /// The address.
    #[serde(default)]
    pub ip: String,
}

/// A part of a Pod's state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct PodCondition {
    /// Which, such as `Ready`.
    #[serde(default)]
    pub r#type: String,
    /// `True`, `False` or `Unknown`.
    #[serde(default)]
    pub status: String,
}

impl Decode for Pod {
    fn decode(root: &Node) -> Decoded<Self> {
        let mut pod: Decoded<Self> = decode_field(root, "spec");
        let status: Decoded<PodStatus> = decode_field(root, "status");
        pod.faults.extend(status.faults);
        if let (Some(pod), Some(status)) = (&mut pod.value, status.value) {
            pod.status = status;
        }
        pod
    }
}
