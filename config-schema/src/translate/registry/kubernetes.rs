//! Kubernetes Services as services of the registry.

use std::sync::Arc;

use super::service::{Origin, Port, Resolution, Service, TrafficDistribution};
use crate::resources::service::ServiceType;
use crate::resources::{MeshConfig, Object, Resources, Service as KubernetesService};
use crate::translate::host::service_host;
use crate::translate::protocol::Protocol;
use crate::translate::visibility::Visibility;

/// Annotation with the namespaces that see a Service.
const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// The services that Kubernetes Services are.
pub(super) fn services<'a>(resources: &'a Resources, mesh: &'a MeshConfig) -> impl Iterator<Item = Service> + 'a {
    resources.services.iter().map(|service| convert(service, resources, mesh))
}

fn convert(service: &Arc<Object<KubernetesService>>, resources: &Resources, mesh: &MeshConfig) -> Service {
    let meta = &service.meta;
    let spec = &service.spec;
    let external_name = spec.external_name.as_ref().filter(|_| spec.r#type == ServiceType::ExternalName);
    let resolution = match external_name {
        Some(name) => Resolution::Alias(name.clone()),
        None if spec.is_headless() => Resolution::Passthrough,
        None => Resolution::Known,
    };
    let ports = spec.ports.iter().map(|port| {
        let name = port.name.clone().unwrap_or_default();
        let app_protocol = port.app_protocol.as_deref();
        let protocol = Protocol::of_service_port(port.port, &name, port.protocol.as_deref(), app_protocol);
        Port { number: port.port, name, protocol, target_port: None }
    });
    let namespace = resources.namespaces.get("", &meta.namespace).map(|namespace| &namespace.meta.annotations);
    Service {
        host: service_host(&meta.name, &meta.namespace),
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        origin: Origin::Kubernetes(Arc::clone(service)),
        age: service.age,
        ports: ports.collect(),
        resolution,
        external: external_name.is_some(),
        visibility: visibility(service, mesh),
        addresses: addresses(spec),
        subject_alt_names: annotated_accounts(service, mesh),
        labels: meta.labels.clone(),
        selector: spec.selector.clone(),
        node_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
        distribution: TrafficDistribution::new(spec.traffic_distribution.as_deref(), &meta.annotations, namespace),
        race_addresses: false,
        resolve_at_gateway: false,
        allow_addresses: Vec::new(),
    }
}

fn visibility(service: &Object<KubernetesService>, mesh: &MeshConfig) -> Visibility {
    let annotation = service.meta.annotations.get(EXPORT_TO).map(String::as_str).unwrap_or_default();
    let export_to: Vec<String> = if annotation.is_empty() {
        Vec::new()
    } else {
        annotation.split(',').map(|name| name.trim().to_owned()).collect()
    };
    Visibility::new(&export_to, &mesh.default_service_export_to(), &service.meta.namespace)
}

fn addresses(spec: &KubernetesService) -> Vec<String> {
    if spec.is_headless() {
        return Vec::new();
    }
    if spec.cluster_ips.len() > 1 { spec.cluster_ips.clone() } else { spec.cluster_ip.iter().cloned().collect() }
}

/// Identities that annotations of a Service allow beside those of its pods.
fn annotated_accounts(service: &Object<KubernetesService>, mesh: &MeshConfig) -> Vec<String> {
    let list = |annotation: &str| {
        let value = service.meta.annotations.get(annotation).map(String::as_str).unwrap_or_default();
        value.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut accounts = list("alpha.istio.io/canonical-serviceaccounts");
    for name in list("alpha.istio.io/kubernetes-serviceaccounts") {
        accounts.push(super::spiffe_id(mesh, &service.meta.namespace, &name));
    }
    accounts
}
