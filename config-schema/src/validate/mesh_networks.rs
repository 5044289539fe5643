use super::address::{self, ip, ip_or_cidr};
use super::names::{fqdn, is_dns_label};
use super::report::Report;
use crate::document::PathRef;
use crate::resources::Object;
use crate::resources::mesh_networks::{MeshNetworks, Network};

pub(super) fn validate(object: &Object<MeshNetworks>, report: &mut Report<'_>) {
    let networks = PathRef::ROOT.key("networks");
    for (name, network) in &object.spec.networks {
        validate_network(network, networks.key(name), report);
    }
}

fn validate_network(network: &Network, path: PathRef<'_>, report: &mut Report<'_>) {
    let endpoints = path.key("endpoints");
    for (index, found) in network.endpoints.iter().enumerate() {
        let here = endpoints.index(index);
        report.at_most_one(here, &["fromCidr", "fromRegistry"]);
        if let Some(range) = &found.from_cidr {
            report.check(here.key("fromCidr"), "address", ip_or_cidr(range));
        }
        if found.from_registry.as_deref().is_some_and(|name| !is_dns_label(name)) {
            report.error(here.key("fromRegistry"), "name", "must be a DNS label");
        }
    }
    let gateways = path.key("gateways");
    for (index, found) in network.gateways.iter().enumerate() {
        let here = gateways.index(index);
        report.at_most_one(here, &["registryServiceName", "address"]);
        if let Some(service) = &found.registry_service_name {
            report.check(here.key("registryServiceName"), "host", fqdn(service));
        }
        if let Some(address) = &found.address {
            report.check(here.key("address"), "address", ip(address).or_else(|_| fqdn(address)));
        }
        report.check(here.key("port"), "port", address::port(found.port.unwrap_or(0)));
    }
}
