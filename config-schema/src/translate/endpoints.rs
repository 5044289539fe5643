//! The endpoints of a cluster, as one proxy sees them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::labels::{Labels, selects};
use super::locality_lb::{Group, LocalitySetting};
use super::peer_authentication::PeerAuthentications;
use super::proxy::Proxy;
use super::registry::{Instance, InstanceAddress, Port, Resolution, Service};
use crate::resources::peer_authentication::MutualTlsMode;
use crate::snapshot::{Endpoint, EndpointAddress, Endpoints, Health, LocalityEndpoints};

/// What the endpoints of a cluster depend on.
pub(super) struct EndpointInput<'i> {
    pub(super) proxy: &'i Proxy,
    pub(super) peer_authentication: &'i PeerAuthentications<'i>,
    pub(super) service: &'i Service,
    pub(super) port: &'i Port,
    /// Labels of the subset.
    pub(super) subset_labels: &'i Labels,
    /// The rule says whether mesh TLS is spoken.
    pub(super) rule_mesh_tls: Option<bool>,
    pub(super) locality: Option<&'i LocalitySetting>,
    /// Outlier detection is on, so that priorities mean something.
    pub(super) failover: bool,
    /// Only endpoints that speak mesh TLS (AUTO_PASSTHROUGH).
    pub(super) mesh_tls_only: bool,
    /// Unready endpoints are left out (`minHealthPercent`).
    pub(super) ready_only: bool,
}

/// The endpoints among `instances`.
pub(super) fn endpoints(instances: &[Instance], input: &EndpointInput<'_>) -> Endpoints {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for instance in instances.iter().filter(|instance| belongs(instance, input)) {
        let locality = &instance.who.locality;
        let group = groups
            .entry(locality.to_string())
            .or_insert_with(|| Group { locality: locality.clone(), ..Group::default() });
        group.weight = group.weight.saturating_add(instance.weight);
        group.instances.push(instance.clone());
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    if let Some(locality) = input.locality {
        groups = locality.apply(groups, input.proxy.locality(), &input.proxy.labels, input.failover);
    }
    groups.sort_by_key(|group| group.priority);
    Endpoints { localities: groups.into_iter().map(|group| convert(group, input)).collect() }
}

fn belongs(instance: &Instance, input: &EndpointInput<'_>) -> bool {
    let dns = matches!(input.service.resolution, Resolution::Dns | Resolution::DnsRoundRobin);
    // Endpoints of DNS clusters are joined by the number of the port, others by its name.
    let of_port = match instance.service_port {
        Some(number) if dns => number == input.port.number,
        _ => instance.port_name == input.port.name,
    };
    let named = matches!(instance.address, InstanceAddress::Host(..));
    of_port
        && (dns || !named)
        && selects(input.subset_labels, &instance.who.labels)
        && !(input.service.node_local && instance.who.node != input.proxy.node_name)
        && !(input.ready_only && instance.health == Health::Unhealthy)
        && (!input.mesh_tls_only || mesh_tls(instance, input))
}

fn convert(group: Group, input: &EndpointInput<'_>) -> LocalityEndpoints {
    let endpoint = |instance: &Instance| Endpoint {
        address: match &instance.address {
            InstanceAddress::Ip(address, port) => EndpointAddress::Socket(SocketAddr::new(*address, *port)),
            InstanceAddress::Host(name, port) => EndpointAddress::Host(name.clone(), *port),
            InstanceAddress::Unix(path) => EndpointAddress::Unix(path.clone()),
        },
        weight: instance.weight.max(1),
        health: instance.health,
        mesh_tls: mesh_tls(instance, input),
        service_account: instance.who.identity.clone(),
        workload: instance.who.workload.clone(),
        found_by: None,
    };
    LocalityEndpoints {
        locality: group.locality,
        priority: group.priority,
        weight: group.weight,
        endpoints: group.instances.iter().map(endpoint).collect(),
    }
}

/// The endpoint is spoken to with mesh TLS: as the rule says, else if it can and nothing forbids it.
fn mesh_tls(instance: &Instance, input: &EndpointInput<'_>) -> bool {
    if let Some(mesh_tls) = input.rule_mesh_tls {
        return mesh_tls;
    }
    let who = &instance.who;
    let port = match &instance.address {
        InstanceAddress::Ip(_, port) | InstanceAddress::Host(_, port) => *port,
        InstanceAddress::Unix(_) => 0,
    };
    who.mesh_tls && input.peer_authentication.workload_mode(&who.namespace, &who.labels, port) != MutualTlsMode::Disable
}
