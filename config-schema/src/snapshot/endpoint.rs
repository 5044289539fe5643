//! Endpoints of a cluster, grouped by locality and priority.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Endpoints of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// By priority, then locality.
    pub localities: Vec<LocalityEndpoints>,
}

/// Endpoints of one locality and priority.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalityEndpoints {
    /// Where.
    pub locality: Locality,
    /// 0 is used first; the next ones as health falls.
    pub priority: u32,
    /// Share among the localities of a priority, if localities are weighed.
    pub weight: u32,
    /// Members.
    pub endpoints: Vec<Endpoint>,
}

/// Region, zone, sub-zone; empty parts are unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Locality {
    /// `topology.kubernetes.io/region`
    pub region: String,
    /// `topology.kubernetes.io/zone`
    pub zone: String,
    /// `topology.istio.io/subzone`
    pub subzone: String,
}

impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.region, self.zone, self.subzone)
    }
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where to connect.
    pub address: EndpointAddress,
    /// Share among its neighbours; at least 1.
    pub weight: u32,
    /// As its source says.
    pub health: Health,
    /// It has a sidecar that speaks mesh mutual TLS.
    pub mesh_tls: bool,
    /// Identities that its certificate may have (`spiffe://…`), for mesh mutual TLS.
    pub service_account: Option<String>,
    /// Who it is, for metrics.
    pub workload: Arc<Workload>,
    /// The name whose resolution gave the address, where that has happened.
    #[serde(default)]
    pub found_by: Option<Arc<str>>,
}

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EndpointAddress {
    /// Address and port.
    Socket(SocketAddr),
    /// A name to resolve, and a port.
    Host(String, u16),
    /// A Unix socket path; a leading `@` means the abstract namespace.
    Unix(String),
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndpointAddress::Socket(address) => write!(f, "{address}"),
            EndpointAddress::Host(host, port) => write!(f, "{host}:{port}"),
            EndpointAddress::Unix(path) => write!(f, "{path}"),
        }
    }
}

/// Health as the source of an endpoint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// Ready.
    Healthy,
    /// Serving while it terminates; used when nothing else is there.
    Draining,
    /// Not ready.
    Unhealthy,
}

/// Who an endpoint is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Workload (Deployment) name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// `service.istio.io/canonical-name`, or the `app` label, or the name.
    pub canonical_service: String,
    /// `service.istio.io/canonical-revision`, or the `version` label, or `latest`.
    pub canonical_revision: String,
    /// `app` label.
    pub app: String,
    /// `version` label.
    pub version: String,
    /// Cluster ID.
    pub cluster: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
}
