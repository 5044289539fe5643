//! `MeshNetworks`: the networks of a mesh, from the key `meshNetworks` of the ConfigMap `istio-system/istio`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::scalar;

/// The networks of a mesh.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct MeshNetworks {
    /// Networks by name.
    #[serde(default)]
    pub networks: BTreeMap<String, Network>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Network {
    /// The endpoints that are in it.
    #[serde(default)]
    pub endpoints: Vec<NetworkEndpoints>,
    /// The gateways through which it is reached.
    #[serde(default)]
    pub gateways: Vec<NetworkGateway>,
}

/// Endpoints of a network. One of the two is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkEndpoints {
    /// By address.
    pub from_cidr: Option<String>,
    /// By the cluster they are known from.
    pub from_registry: Option<String>,
}

/// A gateway of a network. One of `registryServiceName` and `address` is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkGateway {
    /// By its Service.
    pub registry_service_name: Option<String>,
    /// By address.
    pub address: Option<String>,
    /// Its port.
    #[serde(default, deserialize_with = "scalar")]
    pub port: Option<u32>,
    /// Its locality.
    #[serde(default, deserialize_with = "scalar")]
    pub locality: Option<String>,
}
