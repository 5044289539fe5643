//! Core Service: a name, a virtual address and ports in front of pods. Only what a proxy needs of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::decode::{Decode, decode_field};
use super::wire::{IntOrString, scalar};
use crate::document::{Decoded, Node};

/// `spec` of a Service, and its `status`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// How it is published.
    #[serde(default)]
    pub r#type: ServiceType,
    /// Its address; `None` for a headless one.
    #[serde(default, rename = "clusterIP", deserialize_with = "scalar")]
    pub cluster_ip: Option<String>,
    /// Its addresses, one per family; the first is `clusterIP`.
    #[serde(default, rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    /// Addresses from outside of the cluster that lead to it.
    #[serde(default, rename = "externalIPs")]
    pub external_ips: Vec<String>,
    /// The host that an `ExternalName` Service stands for.
    #[serde(default, deserialize_with = "scalar")]
    pub external_name: Option<String>,
    /// Labels of its pods; empty if its endpoints come from elsewhere.
    #[serde(default)]
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    #[serde(default)]
    pub ports: Vec<ServicePort>,
    /// Endpoints count before they are ready.
    #[serde(default)]
    pub publish_not_ready_addresses: bool,
    /// `Cluster` (default) or `Local`: only endpoints of the client's node.
    #[serde(default, deserialize_with = "scalar")]
    pub internal_traffic_policy: Option<String>,
    /// `Cluster` (default) or `Local`, for traffic from outside.
    #[serde(default, deserialize_with = "scalar")]
    pub external_traffic_policy: Option<String>,
    /// Preference among endpoints: `PreferClose`, `PreferSameZone`, `PreferSameNode`.
    #[serde(default, deserialize_with = "scalar")]
    pub traffic_distribution: Option<String>,
    /// What the cluster says of it.
    #[serde(skip)]
    pub status: ServiceStatus,
}

impl Service {
    /// True if clients are given the endpoints' own addresses.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.cluster_ip.as_deref() == Some("None")
    }
}

/// How a Service is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum ServiceType {
    /// Inside of the cluster.
    #[default]
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// And on a port of every node.
    NodePort,
    /// And by a load balancer.
    LoadBalancer,
    /// As an alias of a host.
    ExternalName,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Name; its first part tells the protocol (`http-admin`).
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// `TCP` (default), `UDP` or `SCTP`.
    #[serde(default, deserialize_with = "scalar")]
    pub protocol: Option<String>,
    /// The application's protocol; wins over the name.
    #[serde(default, deserialize_with = "scalar")]
    pub app_protocol: Option<String>,
    /// The number.
    pub port: u16,
    /// The port of the pods, by number or name; default the number.
    pub target_port: Option<IntOrString>,
    /// The port of the nodes.
    #[serde(default, deserialize_with = "scalar")]
    pub node_port: Option<u16>,
}

/// What the cluster says of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its load balancer.
    #[serde(default)]
    pub load_balancer: LoadBalancerStatus,
}

/// The load balancer of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct LoadBalancerStatus {
    /// Where it is reached.
    #[serde(default)]
    pub ingress: Vec<LoadBalancerIngress>,
}

/// Where a load balancer is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct LoadBalancerIngress {
    /// By address.
    #[serde(default, deserialize_with = "scalar")]
    pub ip: Option<String>,
    /// By name.
    #[serde(default, deserialize_with = "scalar")]
    pub hostname: Option<String>,
}

impl Decode for Service {
    fn decode(root: &Node) -> Decoded<Self> {
        let mut service: Decoded<Self> = decode_field(root, "spec");
        let status: Decoded<ServiceStatus> = decode_field(root, "status");
        service.faults.extend(status.faults);
        if let (Some(service), Some(status)) = (&mut service.value, status.value) {
            service.status = status;
        }
        service
    }
}
