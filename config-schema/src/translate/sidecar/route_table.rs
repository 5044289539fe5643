//! Route tables of a sidecar: the services of a port under all their names, and what VirtualServices say of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::host_names::alternatives;
use super::listener::TableOf;
use super::scope::{EgressListener, Scope};
use crate::host::{is_wildcard, overlap};
use crate::snapshot::{
    Forward, ObjectRef, Route, RouteAction, RouteMatch, RouteTable, VirtualHost, WeightedDestination,
};
use crate::translate::cluster::ClusterKey;
use crate::translate::host::{MESH_GATEWAY, covering_wildcards};
use crate::translate::http_route::{RouteBuilder, RouteTarget, service_hash_key};
use crate::translate::protocol::Protocol;
use crate::translate::registry::{Port, Resolution, Service};
use crate::translate::retry::retry_policy;
use crate::translate::virtual_service::BoundService;

/// The only port at which VirtualServices may have hosts that are in no registry.
const HTTP_PORT: u16 = 80;

/// The tables that listeners need.
pub(super) fn tables(
    needed: &BTreeMap<String, TableOf>,
    scope: &Scope,
    builder: &mut RouteBuilder<'_>,
) -> Vec<RouteTable> {
    let mut of_ports: HashMap<u16, Vec<VirtualHost>> = HashMap::new();
    let mut tables = Vec::new();
    for (name, table) in needed {
        let mut hosts = |port: u16, builder: &mut RouteBuilder<'_>| {
            let known = of_ports.entry(port).or_insert_with(|| match scope.listener_of(port) {
                Some(listener) => PortHosts::new(port, listener, builder).build(),
                None => Vec::new(),
            });
            known.clone()
        };
        let virtual_hosts = match table {
            TableOf::Service(host, port) => {
                let own = hosts(*port, builder).into_iter().filter(|one| one.domains.contains(host));
                own.take(1).map(|one| VirtualHost { domains: vec!["*".to_owned()], ..one }).collect()
            }
            TableOf::Port(port) => {
                let mut all = hosts(*port, builder);
                all.push(scope.unknown.requests(builder.wanted));
                all
            }
            TableOf::Unknown => vec![scope.unknown.requests(builder.wanted)],
        };
        tables.push(RouteTable { name: name.clone(), virtual_hosts });
    }
    tables
}

/// A service with the port that a table is for.
type ServicePort<'l> = (&'l Service, &'l Port);

/// The virtual hosts of a port.
struct PortHosts<'l, 'b, 'r> {
    port: u16,
    listener: &'l EgressListener,
    builder: &'r mut RouteBuilder<'b>,
    /// By host in lower case.
    services: BTreeMap<String, ServicePort<'l>>,
    wildcard_services: Vec<String>,
    /// The first VirtualService of each host.
    by_host: HashMap<&'l str, &'l Arc<BoundService>>,
    hosts: BTreeMap<String, VirtualHost>,
    domains: HashSet<String>,
}

impl<'l, 'b, 'r> PortHosts<'l, 'b, 'r> {
    fn new(port: u16, listener: &'l EgressListener, builder: &'r mut RouteBuilder<'b>) -> Self {
        let mut services = BTreeMap::new();
        for service in &listener.services {
            if let Some(found) = service.port(port) {
                services.insert(service.host.to_ascii_lowercase(), (service.as_ref(), found));
            }
        }
        let wildcard_services = services.keys().filter(|host| is_wildcard(host)).cloned().collect();
        let mut by_host = HashMap::new();
        for service in &listener.virtual_services {
            for host in &service.hosts {
                by_host.entry(host.as_str()).or_insert(service);
            }
        }
        let (hosts, domains) = (BTreeMap::new(), HashSet::new());
        Self { port, listener, builder, services, wildcard_services, by_host, hosts, domains }
    }

    fn build(mut self) -> Vec<VirtualHost> {
        let mut decided: HashSet<String> = HashSet::new();
        let listener = self.listener;
        for service in &listener.virtual_services {
            if self.port != HTTP_PORT && !self.concerns_services(service) {
                continue;
            }
            let target = RouteTarget { gateway: MESH_GATEWAY, port: self.port, tls: false };
            let routes = self.builder.routes(service, &target);
            if routes.is_empty() {
                continue;
            }
            let (names, services) = self.split_hosts(service);
            let of_http = services.into_iter().filter(|host| self.services.get(host).is_some_and(speaks_http));
            let services: Vec<String> = of_http.collect();
            if services.is_empty() && self.port != HTTP_PORT {
                continue;
            }
            self.builder.reports.accept(&service.reference());
            for name in names {
                self.add_name(service, &name, &routes);
            }
            for host in services {
                self.add_service(Some(service), &host, &routes);
                decided.insert(host);
            }
        }
        let undecided = self.services.iter().filter(|(host, entry)| speaks_http(entry) && !decided.contains(*host));
        let undecided: Vec<String> = undecided.map(|(host, _)| host.clone()).collect();
        for host in undecided {
            let Some(entry) = self.services.get(&host).copied() else { continue };
            if !matches!(entry.0.resolution, Resolution::Alias(_)) {
                let route = self.default_route(entry);
                self.add_service(None, &host, &[Arc::new(route)]);
            }
        }
        self.hosts.into_values().collect()
    }

    /// One of its hosts stands for a service of the port.
    fn concerns_services(&self, service: &BoundService) -> bool {
        service.hosts.iter().any(|host| {
            let host = host.to_ascii_lowercase();
            self.services.contains_key(&host)
                || is_wildcard(&host) && self.services.keys().any(|service| overlap(&host, service))
                || !is_wildcard(&host) && self.wildcard_services.iter().any(|service| overlap(&host, service))
        })
    }

    /// The hosts of a VirtualService that are in no registry, and the services that it decides for.
    fn split_hosts(&self, service: &Arc<BoundService>) -> (Vec<String>, Vec<String>) {
        let (mut names, mut services) = (Vec::new(), Vec::new());
        let (wildcards, exact): (Vec<&String>, Vec<&String>) = service.hosts.iter().partition(|host| is_wildcard(host));
        for host in exact {
            let host = host.to_ascii_lowercase();
            if self.services.contains_key(&host) { services.push(host) } else { names.push(host) }
        }
        for wildcard in wildcards {
            let wildcard = wildcard.to_ascii_lowercase();
            let mut covered = self.services.keys().filter(|host| overlap(host, &wildcard)).peekable();
            if covered.peek().is_none() {
                names.push(wildcard);
                continue;
            }
            let decides = |host: &&String| self.most_specific(host).is_some_and(|other| Arc::ptr_eq(other, service));
            services.extend(covered.filter(decides).cloned());
        }
        (names, services)
    }

    /// The VirtualService with the name of a service, else that with the longest wildcard.
    fn most_specific(&self, host: &str) -> Option<&Arc<BoundService>> {
        let host = self.services.get(host).map_or(host, |(service, _)| service.host.as_str());
        let by_wildcard = || covering_wildcards(host).find_map(|wildcard| self.by_host.get(wildcard.as_str()));
        self.by_host.get(host).or_else(by_wildcard).copied()
    }

    fn add_name(&mut self, service: &BoundService, host: &str, routes: &[Arc<Route>]) {
        let domains = self.unused(vec![host.to_owned()]);
        self.add(Some(service), host, domains, routes);
    }

    fn add_service(&mut self, by: Option<&BoundService>, host: &str, routes: &[Arc<Route>]) {
        let Some((service, _)) = self.services.get(host).copied() else { return };
        let domains = self.domains_of(service);
        let domains = self.unused(domains);
        self.add(by, host, domains, routes);
    }

    /// Sidecars do not merge VirtualServices of one host: the first has it.
    fn add(&mut self, by: Option<&BoundService>, host: &str, domains: Vec<String>, routes: &[Arc<Route>]) {
        let name = format!("{host}:{}", self.port);
        if domains.is_empty() || self.hosts.contains_key(&name) {
            if let Some(by) = by {
                let index = by.hosts.iter().position(|own| own.eq_ignore_ascii_case(host)).unwrap_or(0);
                let message = format!(
                    "its rules do not hold for {host} on port {} in the mesh: an older VirtualService has this host, \
                     and sidecars do not merge them; bring the rules together in one",
                    self.port
                );
                let path = format!("spec.hosts[{index}]");
                self.builder.reports.warn(&by.reference(), path, "shadowed", message);
            }
            return;
        }
        let host = VirtualHost { name: name.clone(), domains, require_tls: false, routes: routes.to_vec() };
        self.hosts.insert(name, host);
    }

    /// The names of a service: its own, those of its aliases, shorter ones, and its addresses.
    fn domains_of(&self, service: &Service) -> Vec<String> {
        let context = self.builder.context;
        let node = &context.proxy.node;
        let aliases = context.registry.aliases_of(&service.host).map(|alias| &alias.host);
        let mut domains = Vec::new();
        for host in std::iter::once(&service.host).chain(aliases) {
            let host = host.to_ascii_lowercase();
            let others = alternatives(&host, node);
            let others = others.into_iter().filter(|other| !self.services.contains_key(other));
            domains.extend(std::iter::once(host.clone()).chain(others));
        }
        if service.is_kubernetes() && service.resolution == Resolution::Passthrough {
            // Pods of a headless Service have names of their own.
            domains.extend(domains.clone().into_iter().map(|domain| format!("*.{domain}")));
        }
        for address in service.addresses.iter().filter_map(|address| super::listener::network(address)) {
            if address.prefix_len() == address.max_prefix_len() && !address.addr().is_unspecified() {
                let ip = address.addr();
                domains.push(if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() });
            }
        }
        domains
    }

    fn unused(&mut self, domains: Vec<String>) -> Vec<String> {
        domains.into_iter().filter(|domain| self.domains.insert(domain.clone())).collect()
    }

    /// To the service itself.
    fn default_route(&mut self, (service, port): ServicePort<'_>) -> Route {
        let context = self.builder.context;
        let key = ClusterKey::new(&service.host, port.number, "");
        let source = service.reference();
        self.builder.wanted.cluster(&key, &source, "spec.hosts");
        let hash = context.rule_for(service).and_then(|rule| service_hash_key(&rule, port.number));
        let retries = context.mesh.default_http_retry_policy.as_ref();
        let forward = Forward {
            destinations: vec![WeightedDestination {
                cluster: self.builder.alike.cluster(&key.name()),
                weight: 100,
                ..WeightedDestination::default()
            }],
            retry: retry_policy(retries, false).0.map(|policy| self.builder.alike.retry(policy)),
            hash_policy: hash.into_iter().collect(),
            ..Forward::default()
        };
        route(source, format!("{}:{}/*", service.host, port.number), forward)
    }
}

fn route(source: ObjectRef, operation: String, forward: Forward) -> Route {
    Route {
        name: Arc::default(),
        source: Arc::new(source),
        matches: RouteMatch::default(),
        action: RouteAction::Forward(Box::new(forward)),
        request_headers: Default::default(),
        response_headers: Default::default(),
        cors: None,
        fault: None,
        operation,
    }
}

/// Requests are seen on the port, or may be.
fn speaks_http((_, port): &ServicePort<'_>) -> bool {
    port.protocol.is_http() || port.protocol == Protocol::Unknown
}
