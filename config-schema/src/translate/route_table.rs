//! Route tables of gateways: the hosts of their HTTP servers and what VirtualServices say about them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::gateway::GatewayServer;
use super::host::by_specificity;
use super::http_match::is_catch_all;
use super::http_route::{RouteBuilder, RouteTarget};
use super::virtual_service::{BoundService, VirtualServices};
use crate::snapshot::{Route, RouteTable, VirtualHost};

/// A host in the making.
struct Host {
    name: String,
    require_tls: bool,
    routes: Vec<Arc<Route>>,
}

/// The table of the servers that share one.
pub(super) fn build(
    name: &str,
    servers: &[Arc<GatewayServer>],
    services: &VirtualServices,
    builder: &mut RouteBuilder<'_>,
) -> RouteTable {
    let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
    // A VirtualService is read once for each Gateway, with the number of the first server that admits it.
    let mut read: HashMap<(&str, *const BoundService), Vec<Arc<Route>>> = HashMap::new();
    for server in servers {
        let port = u16::try_from(server.number()).unwrap_or(server.port);
        let redirect = server.tls().is_some_and(|tls| tls.https_redirect);
        let mut host_sets = HashMap::new();
        for service in services.of_gateway(&server.gateway_name) {
            let set =
                host_sets.entry(service.namespace()).or_insert_with_key(|namespace| server.host_set_for(namespace));
            let common = set.intersection(service.hosts.iter().map(String::as_str));
            if common.is_empty() {
                continue;
            }
            let key = (server.gateway_name.as_str(), Arc::as_ptr(service));
            let routes = match read.get(&key) {
                Some(routes) => routes.clone(),
                None => {
                    let target = RouteTarget { gateway: &server.gateway_name, port, tls: server.tls().is_some() };
                    let routes = builder.routes(service, &target);
                    if routes.is_empty() {
                        continue;
                    }
                    read.insert(key, routes.clone());
                    routes
                }
            };
            builder.reports.accept(&service.reference());
            for host in common {
                add(&mut hosts, &host, port, redirect, &routes);
            }
        }
        if redirect {
            for host in &server.hosts {
                add(&mut hosts, host, port, true, &[]);
            }
        }
    }
    RouteTable { name: name.to_owned(), virtual_hosts: finish(hosts) }
}

fn add(hosts: &mut BTreeMap<String, Host>, host: &str, port: u16, redirect: bool, routes: &[Arc<Route>]) {
    let domain = host.to_ascii_lowercase();
    let name = format!("{domain}:{port}");
    let host = hosts.entry(domain).or_insert(Host { name, require_tls: false, routes: Vec::new() });
    host.require_tls |= redirect;
    host.routes.extend(routes.iter().cloned());
}

/// Hosts with the same routes become one; catch-alls go last, so that no VirtualService hides another of its host.
fn finish(hosts: BTreeMap<String, Host>) -> Vec<VirtualHost> {
    // A redirecting host that admits one namespace only is no name that a request could have, as in Istio.
    let mut hosts: Vec<(String, Host)> = hosts.into_iter().filter(|(domain, _)| !domain.contains('/')).collect();
    hosts.sort_by(|(one, _), (other, _)| by_specificity(one, other));
    let mut finished: Vec<VirtualHost> = Vec::new();
    let mut known: HashMap<(bool, Vec<*const Route>), usize> = HashMap::new();
    for (domain, host) in hosts {
        let key = (host.require_tls, host.routes.iter().map(Arc::as_ptr).collect());
        if let Some(existing) = known.get(&key) {
            finished[*existing].domains.push(domain);
            continue;
        }
        known.insert(key, finished.len());
        let (last, first): (Vec<_>, Vec<_>) = host.routes.into_iter().partition(|route| is_catch_all(&route.matches));
        finished.push(VirtualHost {
            name: host.name,
            domains: vec![domain],
            require_tls: host.require_tls,
            routes: first.into_iter().chain(last).collect(),
        });
    }
    finished.sort_by(|one, other| one.name.cmp(&other.name));
    finished
}
