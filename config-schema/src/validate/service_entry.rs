use std::collections::BTreeSet;

use super::address::{self, ip_or_cidr, is_ip};
use super::export_to::{self, Exported};
use super::labels;
use super::names::{fqdn, is_dns_label, partial_wildcard, wildcard_domain};
use super::protocol::{Protocol, protocol};
use super::report::{Report, SPEC};
use super::selector;
use super::workload_entry;
use crate::document::PathRef;
use crate::host::is_wildcard;
use crate::resources::Object;
use crate::resources::service_entry::{Location, Resolution, ServiceEntry, ServicePort};

const ALLOW_ADDRESSES: &str = "sallyport.dev/allow-addresses";
const RESOLVE_AT_GATEWAY: &str = "sallyport.dev/resolve-at-gateway";
const EGRESS_GATEWAY: &str = "sallyport.dev/egress-gateway";
const ORIGINATE_TLS: &str = "sallyport.dev/originate-tls";

pub(super) fn validate(object: &Object<ServiceEntry>, report: &mut Report<'_>) {
    let entry = &object.spec;
    selector::plain_labels(entry.workload_selector.as_ref(), SPEC.key("workloadSelector"), report);
    if entry.workload_selector.is_some() && report.is_set(SPEC.key("endpoints")) {
        report.error(SPEC, "oneof", "only one of workloadSelector and endpoints may be set");
    }
    hosts(entry, report);
    addresses(entry, report);
    ports(entry, report);
    let endpoints = SPEC.key("endpoints");
    report.max_items(endpoints, entry.endpoints.len(), 4096);
    for (index, endpoint) in entry.endpoints.iter().enumerate() {
        let path = endpoints.index(index);
        workload_entry::sizes(endpoint, path, report);
        if endpoint.address.is_none() && endpoint.network.is_none() && entry.resolution != Resolution::Static {
            report.required(path.key("address"), "the address of an endpoint must be set");
        }
    }
    match entry.resolution {
        Resolution::None => without_resolution(entry, report),
        Resolution::Static => {
            let names = port_names(entry);
            for (index, endpoint) in entry.endpoints.iter().enumerate() {
                workload_entry::entry(endpoint, Some(&names), false, endpoints.index(index), report);
            }
        }
        Resolution::Dns | Resolution::DnsRoundRobin => by_dns(entry, report),
        Resolution::DynamicDns => by_dynamic_dns(object, report),
    }
    several_hosts(entry, report);
    annotations(object, report);
    export_to::validate(
        &entry.export_to,
        &object.meta.namespace,
        &Exported::ServiceEntry,
        SPEC.key("exportTo"),
        report,
    );
}

fn port_names(entry: &ServiceEntry) -> BTreeSet<&str> {
    entry.ports.iter().map(|port| port.name.as_str()).collect()
}

fn port_protocol(port: &ServicePort) -> Option<Protocol> {
    Protocol::parse(port.protocol.as_deref().unwrap_or_default())
}

fn hosts(entry: &ServiceEntry, report: &mut Report<'_>) {
    let path = SPEC.key("hosts");
    if entry.hosts.is_empty() {
        report.required(path, "a ServiceEntry must have at least one host");
    }
    report.max_items(path, entry.hosts.len(), 256);
    for (index, host) in entry.hosts.iter().enumerate() {
        let here = path.index(index);
        if host == "*" {
            report.error(
                here,
                "host",
                "\"*\" cannot be a host of a ServiceEntry; name a domain, such as \"*.example.com\"",
            );
            continue;
        }
        report.check(here, "host", wildcard_domain(host));
        if entry.resolution != Resolution::DynamicDns
            && let Err(message) = partial_wildcard(host)
        {
            report.warning(here, "host", message);
        }
    }
}

fn addresses(entry: &ServiceEntry, report: &mut Report<'_>) {
    let path = SPEC.key("addresses");
    report.max_items(path, entry.addresses.len(), 256);
    for (index, text) in entry.addresses.iter().enumerate() {
        let here = path.index(index);
        report.check(here, "address", ip_or_cidr(text));
        report.max_length(here, text, 64);
        if text.contains('/') && !matches!(entry.resolution, Resolution::None | Resolution::Static) {
            report.error(here, "address", "a range of addresses is possible only with the resolutions NONE and STATIC");
        }
    }
}

fn ports(entry: &ServiceEntry, report: &mut Report<'_>) {
    let path = SPEC.key("ports");
    report.max_items(path, entry.ports.len(), 256);
    let mut names = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for (index, port) in entry.ports.iter().enumerate() {
        let here = path.index(index);
        if !names.insert(&port.name) {
            report.error(here.key("name"), "duplicate", format!("there are two ports of the name {:?}", port.name));
        }
        if !numbers.insert(port.number) {
            report.error(here.key("number"), "duplicate", format!("there are two ports {}", port.number));
        }
        if report.is_set(here.key("targetPort")) {
            report.check(here.key("targetPort"), "port", address::port(port.target_port.unwrap_or(0)));
        }
        if !is_dns_label(&port.name) {
            report.error(
                here.key("name"),
                "name",
                format!("the name of a port must be a DNS label, is {:?}", port.name),
            );
        }
        report.check(here.key("protocol"), "protocol", protocol(port.protocol.as_deref()));
        report.check(here.key("number"), "port", address::port(port.number));
    }
}

fn without_resolution(entry: &ServiceEntry, report: &mut Report<'_>) {
    if report.is_set(SPEC.key("endpoints")) {
        report.error(
            SPEC.key("endpoints"),
            "resolution",
            "the resolution NONE goes where the client dials; it has no endpoints",
        );
    }
    if entry.workload_selector.is_some() {
        report.warning(SPEC.key("workloadSelector"), "resolution", "the resolution NONE goes where the client dials");
    }
}

fn by_dns(entry: &ServiceEntry, report: &mut Report<'_>) {
    if entry.endpoints.is_empty() {
        for (index, host) in entry.hosts.iter().enumerate() {
            if let Err(message) = fqdn(host) {
                let message = format!("{message}; without endpoints DNS is asked for the host itself");
                report.error(SPEC.key("hosts").index(index), "resolution", message);
                break;
            }
        }
    }
    let endpoints = SPEC.key("endpoints");
    if entry.resolution == Resolution::DnsRoundRobin && entry.endpoints.len() > 1 {
        report.error(endpoints, "resolution", "the resolution DNS_ROUND_ROBIN cannot have several endpoints");
    }
    let names = port_names(entry);
    for (index, endpoint) in entry.endpoints.iter().enumerate() {
        let path = endpoints.index(index);
        let address = endpoint.address.as_deref().unwrap_or_default();
        if !is_ip(address) && fqdn(address).is_err() {
            let message = format!("{address:?} is neither an IP address nor a name of DNS");
            report.error(path.key("address"), "address", message);
        }
        labels::validate(&endpoint.labels, path.key("labels"), report);
        workload_entry::known_ports(endpoint, Some(&names), path, report);
    }
    let bytes = entry.ports.iter().any(|port| port_protocol(port).is_some_and(Protocol::is_tcp));
    if !entry.addresses.is_empty() && entry.hosts.len() > 1 && bytes {
        report.warning(SPEC.key("hosts"), "resolution", "with addresses and a TCP port there should be one host");
    }
}

fn by_dynamic_dns(object: &Object<ServiceEntry>, report: &mut Report<'_>) {
    let entry = &object.spec;
    for (index, host) in entry.hosts.iter().enumerate().filter(|(_, host)| !is_wildcard(host)) {
        let message = format!("{host:?} must begin with a wildcard, with the resolution DYNAMIC_DNS");
        report.error(SPEC.key("hosts").index(index), "resolution", message);
    }
    for (set, field) in [(!entry.addresses.is_empty(), "addresses"), (!entry.endpoints.is_empty(), "endpoints")] {
        if set {
            report.error(
                SPEC.key(field),
                "resolution",
                "the resolution DYNAMIC_DNS finds addresses by the hosts alone",
            );
        }
    }
    for (index, port) in entry.ports.iter().enumerate() {
        let known = [Protocol::Http, Protocol::Tls, Protocol::Grpc, Protocol::Http2];
        if !port_protocol(port).is_some_and(|protocol| known.contains(&protocol)) {
            let message = "with the resolution DYNAMIC_DNS the protocol must be HTTP, HTTP2, GRPC or TLS";
            report.error(SPEC.key("ports").index(index).key("protocol"), "resolution", message);
        }
    }
    let waypoint = object.meta.labels.get("istio.io/use-waypoint");
    let uses_waypoint = waypoint.is_some_and(|name| !(name.is_empty() || name.eq_ignore_ascii_case("none")));
    if entry.location == Location::MeshInternal && uses_waypoint {
        let message = "MESH_INTERNAL with the resolution DYNAMIC_DNS is not possible behind a waypoint";
        report.error(SPEC.key("location"), "resolution", message);
    }
}

/// Our own annotations.
fn annotations(object: &Object<ServiceEntry>, report: &mut Report<'_>) {
    let path = PathRef::ROOT.key("metadata");
    let path = path.key("annotations");
    if let Some(list) = object.meta.annotations.get(ALLOW_ADDRESSES) {
        for text in list.split(',') {
            report.check(path.key(ALLOW_ADDRESSES), "annotation", ip_or_cidr(text.trim()));
        }
    }
    if let Some(value) = object.meta.annotations.get(RESOLVE_AT_GATEWAY)
        && !["true", "false"].contains(&value.as_str())
    {
        let message = format!("{value:?} is neither \"true\" nor \"false\"");
        report.error(path.key(RESOLVE_AT_GATEWAY), "annotation", message);
    }
    if let Some(value) = object.meta.annotations.get(EGRESS_GATEWAY) {
        let named =
            value.split_once('/').is_some_and(|(namespace, name)| is_dns_label(namespace) && is_dns_label(name));
        if !named {
            let message = format!("{value:?} is not NAMESPACE/NAME, the Service in front of the egress gateway");
            report.error(path.key(EGRESS_GATEWAY), "annotation", message);
        }
        if object.spec.location == Location::MeshInternal {
            let message = "what is inside of the mesh (MESH_INTERNAL) does not leave it through an egress gateway";
            report.error(SPEC.key("location"), "annotation", message);
        }
    } else if object.meta.annotations.contains_key(ORIGINATE_TLS) {
        let message = format!("has an effect only beside {EGRESS_GATEWAY}");
        report.error(path.key(ORIGINATE_TLS), "annotation", message);
    }
}

/// Bytes do not tell for which of several hosts they are.
fn several_hosts(entry: &ServiceEntry, report: &mut Report<'_>) {
    if entry.resolution == Resolution::None || entry.hosts.len() < 2 {
        return;
    }
    let told_apart = |port: &ServicePort| port_protocol(port).is_some_and(|p| p.is_http() || p.is_tls());
    if let Some(index) = entry.ports.iter().position(|port| !told_apart(port)) {
        let message = "with several hosts every port must speak HTTP or TLS, by which hosts can be told apart";
        report.error(SPEC.key("ports").index(index), "protocol", message);
    }
}
