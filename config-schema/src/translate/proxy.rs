//! Which proxy a translation is for, and what the configuration says of it.

use std::net::IpAddr;
use std::sync::Arc;

use super::labels::{self, Labels, selects};
use super::workload;
use crate::resources::wire::IntOrString;
use crate::resources::{Kind, MeshConfig, Object, Pod, Resources, Service};
use crate::snapshot::{Locality, MeshIdentity, Node, ObjectRef};

/// Namespace of gateways unless they say otherwise.
const GATEWAY_NAMESPACE: &str = "istio-system";

/// Which proxy a translation is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyIdentity {
    /// The proxy of a Pod of the configuration.
    Pod {
        /// Namespace of the Pod.
        namespace: String,
        /// Name of the Pod.
        name: String,
        /// What it is; `None` to tell from the Pod (see [`ProxyIdentity::role`]).
        role: Option<ProxyRole>,
    },
    /// A gateway outside of Kubernetes: no Pod speaks for it, only labels.
    Gateway {
        /// Namespace it counts as being in: whose Secrets it reads and which objects it sees.
        namespace: String,
        /// Labels that Gateways select it by.
        labels: Labels,
    },
}

/// What a proxy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyRole {
    /// It serves Gateways.
    Gateway,
    /// It stands beside an application.
    Sidecar,
}

impl Default for ProxyIdentity {
    /// A gateway outside of Kubernetes, in `istio-system`, with the label `istio: ingressgateway`.
    fn default() -> Self {
        Self::Gateway {
            namespace: GATEWAY_NAMESPACE.to_owned(),
            labels: Labels::from([("istio".to_owned(), "ingressgateway".to_owned())]),
        }
    }
}

impl ProxyIdentity {
    /// The proxy of a Pod, whose role is told from the Pod.
    #[must_use]
    pub fn pod(namespace: &str, name: &str) -> Self {
        Self::Pod { namespace: namespace.to_owned(), name: name.to_owned(), role: None }
    }

    /// What the proxy is: what the identity says, else told from the Pod.
    ///
    /// A Pod is a gateway if it has the label `istio` with a value that ends in `gateway`, the label
    /// `gateway.networking.k8s.io/gateway-name`, or the annotation `inject.istio.io/templates: gateway`; or if a
    /// Gateway's selector names it and it has no sidecar.
    #[must_use]
    pub fn role(&self, resources: &Resources) -> ProxyRole {
        match self {
            Self::Gateway { .. } | Self::Pod { role: Some(ProxyRole::Gateway), .. } => ProxyRole::Gateway,
            Self::Pod { role: Some(ProxyRole::Sidecar), .. } => ProxyRole::Sidecar,
            Self::Pod { namespace, name, role: None } => match resources.pods.get(namespace, name) {
                Some(pod) if is_gateway(pod, resources) => ProxyRole::Gateway,
                _ => ProxyRole::Sidecar,
            },
        }
    }
}

fn is_gateway(pod: &Object<Pod>, resources: &Resources) -> bool {
    let meta = &pod.meta;
    let by_label = meta.labels.get("istio").is_some_and(|value| value.ends_with("gateway"));
    let by_gateway_api = meta.labels.contains_key("gateway.networking.k8s.io/gateway-name");
    let templates = meta.annotations.get("inject.istio.io/templates");
    let by_template = templates.is_some_and(|names| names.split(',').any(|name| name.trim() == "gateway"));
    let has_sidecar = meta.labels.contains_key(labels::TLS_MODE_LABEL);
    by_label
        || by_gateway_api
        || by_template
        || !has_sidecar
            && resources
                .gateways
                .iter()
                .any(|gateway| !gateway.spec.selector.is_empty() && selects(&gateway.spec.selector, &meta.labels))
}

/// What the configuration says of a proxy.
pub(super) struct Proxy {
    pub(super) role: ProxyRole,
    pub(super) namespace: String,
    /// With those of its place.
    pub(super) labels: Labels,
    pub(super) node_name: Option<String>,
    /// It is reached by IPv6 alone.
    pub(super) ipv6_only: bool,
    pub(super) pod: Option<Arc<Object<Pod>>>,
    /// Ports of the Services in front of it.
    pub(super) service_ports: Vec<ServicePort>,
    /// For the snapshot.
    pub(super) node: Node,
    /// The Pod that the identity names does not exist.
    pub(super) missing_pod: Option<ObjectRef>,
}

/// A port of a Service in front of a proxy.
pub(super) struct ServicePort {
    /// Number and name as the Service has them.
    pub(super) port: u16,
    /// The number in the pod.
    pub(super) target_port: u16,
    /// False if the Service opted out of translating the ports of Gateways.
    pub(super) translates: bool,
}

/// Label of a Service that keeps the ports of Gateways from being translated by it (Knative).
const DISABLE_PORT_TRANSLATION: &str = "experimental.istio.io/disable-gateway-port-translation";

impl Proxy {
    pub(super) fn new(resources: &Resources, mesh: &MeshConfig, identity: &ProxyIdentity) -> Self {
        match identity {
            ProxyIdentity::Gateway { namespace, labels } => {
                Self::free_standing(resources, mesh, namespace, labels.clone())
            }
            ProxyIdentity::Pod { namespace, name, .. } => {
                let role = identity.role(resources);
                match resources.pods.get(namespace, name) {
                    Some(pod) => Self::of_pod(resources, mesh, pod, role),
                    None => {
                        let mut proxy = Self::free_standing(resources, mesh, namespace, Labels::new());
                        proxy.role = role;
                        proxy.node.name.clone_from(name);
                        proxy.missing_pod = Some(ObjectRef {
                            kind: Pod::INFO.kind.to_owned(),
                            namespace: namespace.clone(),
                            name: name.clone(),
                        });
                        proxy
                    }
                }
            }
        }
    }

    fn free_standing(resources: &Resources, mesh: &MeshConfig, namespace: &str, own: Labels) -> Self {
        let locality = labels::locality_of_workload(&own).unwrap_or_default();
        let service_ports = service_ports(resources, namespace, &own, None);
        let name = own.get("istio").cloned().unwrap_or_else(|| "gateway".to_owned());
        let node = Node {
            name: name.clone(),
            namespace: namespace.to_owned(),
            labels: own.clone(),
            address: None,
            locality: locality.clone(),
            workload: workload::of_labels(name, namespace.to_owned(), own.clone()),
            identity: identity(mesh, "default"),
        };
        Self {
            role: ProxyRole::Gateway,
            namespace: namespace.to_owned(),
            labels: labels::with_place(&own, &locality, None),
            node_name: None,
            ipv6_only: false,
            pod: None,
            service_ports,
            node,
            missing_pod: None,
        }
    }

    fn of_pod(resources: &Resources, mesh: &MeshConfig, pod: &Arc<Object<Pod>>, role: ProxyRole) -> Self {
        let meta = &pod.meta;
        let locality = locality_of_pod(resources, pod);
        let addresses = workload::pod_addresses(&pod.spec);
        let node_name = pod.spec.node_name.clone();
        let node = Node {
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            labels: meta.labels.clone(),
            address: addresses.first().copied(),
            locality: locality.clone(),
            workload: workload::of_pod(pod),
            identity: identity(mesh, pod.spec.service_account_name()),
        };
        Self {
            role,
            namespace: meta.namespace.clone(),
            labels: labels::with_place(&meta.labels, &locality, node_name.as_deref()),
            node_name,
            ipv6_only: !addresses.is_empty() && addresses.iter().all(IpAddr::is_ipv6),
            pod: Some(Arc::clone(pod)),
            service_ports: service_ports(resources, &meta.namespace, &meta.labels, Some(&pod.spec)),
            node,
            missing_pod: None,
        }
    }

    pub(super) fn locality(&self) -> &Locality {
        &self.node.locality
    }
}

fn identity(mesh: &MeshConfig, service_account: &str) -> MeshIdentity {
    MeshIdentity {
        trust_domain: mesh.trust_domain().to_owned(),
        trust_domain_aliases: mesh.trust_domain_aliases.clone(),
        service_account: service_account.to_owned(),
    }
}

/// Where a Pod runs: by its own label, else by its node.
pub(super) fn locality_of_pod(resources: &Resources, pod: &Object<Pod>) -> Locality {
    labels::locality_of_workload(&pod.meta.labels).unwrap_or_else(|| {
        let node = pod.spec.node_name.as_deref().and_then(|name| resources.nodes.get("", name));
        node.map(|node| labels::locality_of_node(&node.meta.labels)).unwrap_or_default()
    })
}

/// Ports of the Services that select `own`, oldest Service first. Without a pod, named target ports cannot be found.
fn service_ports(resources: &Resources, namespace: &str, own: &Labels, pod: Option<&Pod>) -> Vec<ServicePort> {
    let mut services: Vec<&Arc<Object<Service>>> = resources
        .services
        .in_namespace(namespace)
        .filter(|service| !service.spec.selector.is_empty() && selects(&service.spec.selector, own))
        .collect();
    services.sort_by(|one, other| one.cmp_age(other));
    let mut ports = Vec::new();
    for service in services {
        let translates = !service.meta.labels.contains_key(DISABLE_PORT_TRANSLATION);
        for port in &service.spec.ports {
            let transport = port.protocol.as_deref();
            if let Some(target_port) = target_port(port.target_port.as_ref(), port.port, transport, pod) {
                ports.push(ServicePort { port: port.port, target_port, translates });
            }
        }
    }
    ports
}

/// The number in the pod of a port of a Service.
pub(super) fn target_port(
    target: Option<&IntOrString>,
    port: u16,
    transport: Option<&str>,
    pod: Option<&Pod>,
) -> Option<u16> {
    match target {
        None | Some(IntOrString::Int(0)) => Some(port),
        Some(IntOrString::Int(number)) => u16::try_from(*number).ok(),
        Some(IntOrString::String(name)) => {
            let transport = transport.unwrap_or("TCP");
            let mut ports = pod?.containers.iter().chain(&pod?.init_containers).flat_map(|container| &container.ports);
            ports
                .find(|port| {
                    port.name.as_deref() == Some(name) && port.protocol.as_deref().unwrap_or("TCP") == transport
                })
                .map(|port| port.container_port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::pod::{Container, ContainerPort};

    #[test]
    fn target_ports() {
        let container_port =
            |name: &str, port| ContainerPort { name: Some(name.to_owned()), container_port: port, protocol: None };
        let pod = Pod {
            containers: vec![Container { ports: vec![container_port("web", 8080)], ..Container::default() }],
            ..Pod::default()
        };
        let named = |name: &str| IntOrString::String(name.to_owned());
        for (target, expected) in [
            (None, Some(80)),
            (Some(IntOrString::Int(9000)), Some(9000)),
            (Some(IntOrString::Int(-1)), None),
            (Some(named("web")), Some(8080)),
            (Some(named("other")), None),
        ] {
            assert_eq!(target_port(target.as_ref(), 80, Some("TCP"), Some(&pod)), expected, "{target:?}");
        }
    }
}
