//! `networking.istio.io` ServiceEntry: a host that the cluster does not know by itself.

use serde::Deserialize;

use super::wire::{LabelsSelector, scalar};
use super::workload_entry::WorkloadEntry;

/// `spec` of a ServiceEntry.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEntry {
    /// The hosts, possibly with a wildcard first label.
    pub hosts: Vec<String>,
    /// Virtual addresses, or CIDRs.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The ports.
    #[serde(default)]
    pub ports: Vec<ServicePort>,
    /// Inside or outside of the mesh; default outside.
    #[serde(default)]
    pub location: Location,
    /// Where the addresses of endpoints come from; default the client's own choice.
    #[serde(default)]
    pub resolution: Resolution,
    /// The endpoints. Excludes `workloadSelector`.
    #[serde(default)]
    pub endpoints: Vec<WorkloadEntry>,
    /// WorkloadEntries and pods of the namespace that are its endpoints.
    pub workload_selector: Option<LabelsSelector>,
    /// Namespaces that see it: `.`, `*`, `~` or names. Default meshConfig.defaultServiceExportTo.
    #[serde(default)]
    pub export_to: Vec<String>,
    /// Names of which a server's certificate must have one.
    #[serde(default)]
    pub subject_alt_names: Vec<String>,
}

/// A port of a ServiceEntry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// The number that clients use.
    pub number: u32,
    /// Protocol, as for a Gateway; default by name, else TCP.
    #[serde(default, deserialize_with = "scalar")]
    pub protocol: Option<String>,
    /// Name, unique within the entry.
    pub name: String,
    /// The port of the endpoints; default the number.
    #[serde(default, deserialize_with = "scalar")]
    pub target_port: Option<u32>,
}

/// Whether a host belongs to the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Location {
    /// No: no mesh TLS, no identity.
    #[default]
    MeshExternal,
    /// Yes.
    MeshInternal,
}

/// Where the addresses of endpoints come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// The address that the client dialled.
    #[default]
    None,
    /// The addresses of the endpoints.
    Static,
    /// All addresses that DNS knows.
    Dns,
    /// The first address that DNS knows, at each new connection.
    DnsRoundRobin,
    /// DNS for the host of each request, under a wildcard.
    DynamicDns,
}
