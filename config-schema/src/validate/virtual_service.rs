use super::address::{self, ip_or_cidr, is_ip};
use super::export_to::{self, Exported};
use super::header::is_claim;
use super::http_match::gateway_names;
use super::http_route::{self, destination, weights};
use super::labels;
use super::names::{gateway_domain, wildcard_domain};
use super::report::{Report, SPEC};
use super::unreachable;
use crate::document::PathRef;
use crate::host;
use crate::resources::Object;
use crate::resources::virtual_service::{RouteDestination, TcpRoute, TlsMatchAttributes, TlsRoute, VirtualService};

pub(super) fn validate(object: &Object<VirtualService>, report: &mut Report<'_>) {
    let service = &object.spec;
    let delegate = service.hosts.is_empty();
    if delegate {
        no_bindings_in_delegate(service, report);
    }
    gateway_names(&service.gateways, SPEC.key("gateways"), report);
    if !for_gateways(service) {
        no_claims_in_mesh(service, report);
    }
    hosts(service, report);
    if service.http.is_empty() && service.tcp.is_empty() && service.tls.is_empty() {
        report.required(SPEC, "a VirtualService must have http, tls or tcp");
    }
    let http = SPEC.key("http");
    for (index, route) in service.http.iter().enumerate() {
        http_route::validate(route, delegate, http.index(index), report);
    }
    let tls = SPEC.key("tls");
    for (index, route) in service.tls.iter().enumerate() {
        tls_route(route, service, tls.index(index), report);
    }
    let tcp = SPEC.key("tcp");
    for (index, route) in service.tcp.iter().enumerate() {
        tcp_route(route, tcp.index(index), report);
    }
    export_to::validate(&service.export_to, &object.meta.namespace, &Exported::Plain, SPEC.key("exportTo"), report);
    unreachable::validate(service, report);
}

/// True if it applies to gateways and not to sidecars.
fn for_gateways(service: &VirtualService) -> bool {
    !service.gateways.is_empty() && !service.gateways.iter().any(|name| name == "mesh")
}

fn no_bindings_in_delegate(service: &VirtualService, report: &mut Report<'_>) {
    for (set, field) in
        [(!service.gateways.is_empty(), "gateways"), (!service.tls.is_empty(), "tls"), (!service.tcp.is_empty(), "tcp")]
    {
        if set {
            let message = format!("a VirtualService without hosts is a delegate and cannot have {field}");
            report.error(SPEC.key(field), "delegate", message);
        }
    }
}

fn no_claims_in_mesh(service: &VirtualService, report: &mut Report<'_>) {
    let http = SPEC.key("http");
    for (index, route) in service.http.iter().enumerate() {
        let here = http.index(index);
        let matches = here.key("match");
        for (index, request) in route.r#match.iter().enumerate() {
            let here = matches.index(index);
            for (field, headers) in [("headers", &request.headers), ("withoutHeaders", &request.without_headers)] {
                for name in headers.keys().filter(|name| is_claim(name)) {
                    let message =
                        "claims of tokens can be matched at gateways only, and the VirtualService applies to the mesh";
                    report.error(here.key(field).key(name), "claim", message);
                }
            }
        }
    }
}

fn hosts(service: &VirtualService, report: &mut Report<'_>) {
    let path = SPEC.key("hosts");
    let gateways = for_gateways(service);
    let sni = service.tls.iter().flat_map(|route| &route.r#match).any(|attributes| !attributes.sni_hosts.is_empty());
    let mut all_valid = true;
    for (index, host) in service.hosts.iter().enumerate() {
        let result = if gateways { gateway_domain(sni, host) } else { wildcard_domain(host) };
        match result {
            Err(message) if !is_ip(host) => {
                report.error(path.index(index), "host", message);
                all_valid = false;
            }
            Ok(()) if !gateways && host == "*" => {
                let message = "\"*\" is possible for gateways only, and the VirtualService applies to the mesh";
                report.error(path.index(index), "host", message);
                all_valid = false;
            }
            _ => {}
        }
    }
    if !all_valid {
        return;
    }
    for (index, host) in service.hosts.iter().enumerate() {
        if let Some(other) = service.hosts[..index].iter().find(|other| host::overlap(other, host)) {
            report.error(path.index(index), "duplicate", format!("{host:?} and {other:?} are for the same names"));
        }
    }
}

fn tls_route(route: &TlsRoute, service: &VirtualService, path: PathRef<'_>, report: &mut Report<'_>) {
    let matches = path.key("match");
    if route.r#match.is_empty() {
        report.required(matches, "a rule for TLS must have a match");
    }
    for (index, attributes) in route.r#match.iter().enumerate() {
        tls_match(attributes, service, matches.index(index), report);
    }
    route_destinations(&route.route, path.key("route"), report);
}

fn tls_match(attributes: &TlsMatchAttributes, service: &VirtualService, path: PathRef<'_>, report: &mut Report<'_>) {
    let names = path.key("sniHosts");
    if attributes.sni_hosts.is_empty() {
        report.required(names, "a match for TLS must have at least one name");
    }
    for (index, name) in attributes.sni_hosts.iter().enumerate() {
        let here = names.index(index);
        let result = if for_gateways_only(service) { gateway_domain(true, name) } else { wildcard_domain(name) };
        match result {
            Err(_) if is_ip(name) => {
                report.warning(here, "host", "clients send no addresses as server names; this will hardly match");
            }
            Err(message) => report.error(here, "host", message),
            Ok(()) if !service.hosts.iter().any(|host| host::is_subset(name, host)) => {
                let message = format!("{name:?} is not covered by the hosts of the VirtualService");
                report.error(here, "host", message);
            }
            Ok(()) => {}
        }
    }
    subnets(&attributes.destination_subnets, path.key("destinationSubnets"), report);
    if let Some(port) = attributes.port {
        report.check(path.key("port"), "port", address::port(port));
    }
    labels::validate(&attributes.source_labels, path.key("sourceLabels"), report);
    gateway_names(&attributes.gateways, path.key("gateways"), report);
}

/// Unlike for hosts, no gateways at all count as gateways here.
fn for_gateways_only(service: &VirtualService) -> bool {
    !service.gateways.iter().any(|name| name == "mesh")
}

fn tcp_route(route: &TcpRoute, path: PathRef<'_>, report: &mut Report<'_>) {
    let matches = path.key("match");
    for (index, attributes) in route.r#match.iter().enumerate() {
        let here = matches.index(index);
        subnets(&attributes.destination_subnets, here.key("destinationSubnets"), report);
        if let Some(port) = attributes.port {
            report.check(here.key("port"), "port", address::port(port));
        }
        labels::validate(&attributes.source_labels, here.key("sourceLabels"), report);
        gateway_names(&attributes.gateways, here.key("gateways"), report);
    }
    route_destinations(&route.route, path.key("route"), report);
}

fn subnets(subnets: &[String], path: PathRef<'_>, report: &mut Report<'_>) {
    for (index, subnet) in subnets.iter().enumerate() {
        report.check(path.index(index), "address", ip_or_cidr(subnet));
    }
}

fn route_destinations(destinations: &[RouteDestination], path: PathRef<'_>, report: &mut Report<'_>) {
    if destinations.is_empty() {
        report.required(path, "a rule must have a destination");
    }
    for (index, weighted) in destinations.iter().enumerate() {
        destination(&weighted.destination, path.index(index).key("destination"), report);
    }
    weights(destinations.iter().map(|weighted| weighted.weight), path, report);
}
