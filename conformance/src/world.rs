//! The cluster that every case stands in: which addresses its backends listen on, and as whom.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// What the bench needs to know of `world.yaml`; the gateway under test reads the file itself.
#[derive(Debug, Clone)]
pub struct World {
    /// The file's text.
    pub text: String,
    /// Every endpoint of every EndpointSlice, except those of the gateways' own pods, which are no backends.
    pub endpoints: BTreeSet<SocketAddr>,
    /// The workload of each pod's address, as its certificate is named: `mesh-NAMESPACE-SERVICEACCOUNT`.
    workloads: BTreeMap<IpAddr, String>,
    /// The same by `NAMESPACE/POD`.
    pods: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Object {
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    service_account_name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodStatus {
    #[serde(rename = "podIP")]
    pod_ip: Option<IpAddr>,
}

#[derive(Deserialize)]
struct Endpoint {
    addresses: Vec<IpAddr>,
}

#[derive(Deserialize)]
struct Port {
    port: u16,
}

impl World {
    /// Reads `world.yaml`.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::parse(text).with_context(|| path.display().to_string())
    }

    /// No cluster at all.
    pub fn empty() -> Self {
        Self { text: String::new(), endpoints: BTreeSet::new(), workloads: BTreeMap::new(), pods: BTreeMap::new() }
    }

    fn parse(text: String) -> anyhow::Result<Self> {
        let objects: Vec<Object> = serde_saphyr::from_multiple(&text)?;
        let (mut endpoints, mut workloads, mut pods) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        for object in &objects {
            match (object.kind.as_str(), object.status.pod_ip) {
                ("Pod", Some(ip)) => {
                    let (namespace, account) = (&object.metadata.namespace, &object.spec.service_account_name);
                    let workload = format!("mesh-{namespace}-{account}");
                    pods.insert(format!("{namespace}/{}", object.metadata.name), workload.clone());
                    workloads.insert(ip, workload);
                }
                ("EndpointSlice", _) if !object.metadata.name.ends_with("gateway-1") => {
                    let addresses = object.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
                    let all = addresses.flat_map(|ip| object.ports.iter().map(|p| SocketAddr::new(*ip, p.port)));
                    endpoints.extend(all);
                }
                _ => {}
            }
        }
        anyhow::ensure!(!endpoints.is_empty(), "no endpoints");
        Ok(Self { text, endpoints, workloads, pods })
    }

    /// Name of the certificate of the workload that a pod, given as `NAMESPACE/POD`, runs.
    pub fn workload_of_pod(&self, pod: &str) -> Option<&str> {
        self.pods.get(pod).map(String::as_str)
    }

    /// Name of the certificate of the workload that lives at this address: the pod's, or else that of a pod whose
    /// address differs in the last byte only (cases put further endpoints of a workload there).
    pub fn workload(&self, ip: IpAddr) -> Option<&str> {
        let near = |other: &IpAddr| matches!((ip, other), (IpAddr::V4(a), IpAddr::V4(b)) if network(a) == network(*b));
        let found = self.workloads.get(&ip);
        found.or_else(|| self.workloads.iter().find(|(other, _)| near(other)).map(|(_, name)| name)).map(String::as_str)
    }
}

fn network(ip: Ipv4Addr) -> [u8; 3] {
    let [a, b, c, _] = ip.octets();
    [a, b, c]
}

/// Whether nothing listens at this address although it is listed: 127.9.0.0/16 refuses above port 60000.
pub fn refuses(address: SocketAddr) -> bool {
    matches!(address.ip(), IpAddr::V4(ip) if ip.octets()[..2] == [127, 9]) && address.port() > 60000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::behaviour_dir;

    #[test]
    fn the_world() {
        let world = World::load(&behaviour_dir().join("world.yaml")).unwrap();
        let listens = |address: &str| world.endpoints.contains(&address.parse().unwrap());
        assert!(listens("127.1.1.3:9080") && listens("127.1.9.1:9184"));
        assert!(!listens("127.0.10.1:8080"), "the gateway's own pod is no backend");
        let workload = |ip: &str| world.workload(ip.parse().unwrap());
        assert_eq!(workload("127.1.22.1"), Some("mesh-mesh-gamma"));
        assert_eq!(workload("127.1.3.88"), Some("mesh-default-details"));
        assert_eq!(workload("127.2.0.1"), None);
        assert_eq!(world.workload_of_pod("default/productpage-v1"), Some("mesh-default-productpage"));
    }

    #[test]
    fn refusing_addresses() {
        assert!(refuses("127.9.1.1:60080".parse().unwrap()));
        assert!(!refuses("127.9.1.1:9080".parse().unwrap()));
        assert!(!refuses("127.2.1.1:60080".parse().unwrap()));
    }
}
