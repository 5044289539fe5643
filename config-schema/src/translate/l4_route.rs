//! Byte routes of gateways: `tcp` rules behind TCP and terminating TLS servers, `tls` rules behind PASSTHROUGH ones.

use std::collections::HashMap;

use super::Context;
use super::connection_pool::{max_connection_duration, tcp_idle_timeout};
use super::destination::cluster_key;
use super::destination_rule::MergedRule;
use super::gateway::GatewayServer;
use super::host::resolve_gateway_name;
use super::report::Reports;
use super::server::{ListenerBuilder, chain_name};
use super::traffic_policy::tunnel;
use super::virtual_service::BoundService;
use super::wanted::Wanted;
use crate::resources::virtual_service::RouteDestination;
use crate::snapshot::{
    FilterChain, FilterChainMatch, HashPolicy, NetworkFilter, TcpProxy, Transport, Tunnel, WeightedCluster,
};

/// SNI names that PASSTHROUGH routes of a gateway have, by port: with the bind address, and the rule that has them.
#[derive(Debug, Default)]
pub(super) struct SniNames(HashMap<u16, HashMap<(String, Option<String>), String>>);

/// Where a byte route goes: the first fitting `tcp` rule of the first VirtualService that has one.
pub(super) fn tcp_proxy(builder: &mut ListenerBuilder<'_>, server: &GatewayServer) -> Option<TcpProxy> {
    for service in builder.services.of_gateway(&server.gateway_name) {
        if !hosts_overlap(service, server) {
            continue;
        }
        for (index, rule) in service.object.spec.tcp.iter().enumerate() {
            let mut blocks = rule.r#match.iter();
            let fits =
                rule.r#match.is_empty() || blocks.any(|block| applies(block.port, &block.gateways, service, server));
            if fits && !rule.route.is_empty() {
                let path = format!("spec.tcp[{index}]");
                return Some(builder.bytes().forward(service, &rule.route, &path, server_number(server)));
            }
        }
    }
    None
}

/// A chain for each match of each `tls` rule.
pub(super) fn passthrough_chains(
    builder: &mut ListenerBuilder<'_>,
    server: &GatewayServer,
    names: &mut SniNames,
) -> Vec<FilterChain> {
    let mut chains = Vec::new();
    for service in builder.services.of_gateway(&server.gateway_name) {
        if !hosts_overlap(service, server) {
            continue;
        }
        for (index, rule) in service.object.spec.tls.iter().enumerate() {
            for (place, block) in rule.r#match.iter().enumerate() {
                if rule.route.is_empty() || !applies(block.port, &block.gateways, service, server) {
                    continue;
                }
                let path = format!("spec.tls[{index}].match[{place}]");
                let sni_hosts: Vec<String> = block.sni_hosts.iter().map(|name| name.to_ascii_lowercase()).collect();
                if let Err(message) = claim(names, server, service, &sni_hosts, &path) {
                    let path = format!("{path}.sniHosts");
                    builder.reports.error(&service.reference(), path, "duplicate-sni", message);
                    continue;
                }
                let route = format!("spec.tls[{index}]");
                let proxy = builder.bytes().forward(service, &rule.route, &route, server_number(server));
                chains.push(FilterChain {
                    name: format!("{}/{}/{}", chain_name(server), service.namespace(), service.object.meta.name),
                    matches: sni_match(sni_hosts),
                    tls: None,
                    filter: NetworkFilter::Tcp(proxy),
                });
            }
        }
    }
    if chains.is_empty() {
        let message = format!(
            "server not served: no VirtualService bound to Gateway {} has a tls rule for its port {} and hosts",
            server.gateway_name,
            server.number()
        );
        builder.reports.error(&server.object(), server.path(), "no-route", message);
    }
    chains
}

/// `*` takes every connection, TLS or not.
fn sni_match(names: Vec<String>) -> FilterChainMatch {
    if names.iter().any(|name| name == "*") {
        return FilterChainMatch::default();
    }
    FilterChainMatch { server_names: names, transport: Some(Transport::Tls), ..FilterChainMatch::default() }
}

/// A match with a name that an older one has on the port is left out whole.
fn claim(
    names: &mut SniNames,
    server: &GatewayServer,
    service: &BoundService,
    sni_hosts: &[String],
    path: &str,
) -> Result<(), String> {
    let known = names.0.entry(server.port).or_default();
    let key = |name: &String| (name.clone(), server.spec().bind.clone());
    if let Some((name, by)) = sni_hosts.iter().find_map(|name| known.get(&key(name)).map(|by| (name, by))) {
        return Err(format!("match ignored: {name} on port {} is already routed by {by}", server.port));
    }
    let by = format!("VirtualService {}/{} {path}", service.namespace(), service.object.meta.name);
    for name in sni_hosts {
        known.insert(key(name), by.clone());
    }
    Ok(())
}

/// Hosts must overlap even for bytes, where no host is ever seen.
fn hosts_overlap(service: &BoundService, server: &GatewayServer) -> bool {
    let set = server.host_set_for(service.namespace());
    service.hosts.iter().any(|host| set.overlaps(host))
}

fn applies(port: Option<u32>, gateways: &[String], service: &BoundService, server: &GatewayServer) -> bool {
    let named = |name: &String| resolve_gateway_name(name, service.namespace()) == server.gateway_name;
    port.is_none_or(|port| port == server.number()) && (gateways.is_empty() || gateways.iter().any(named))
}

fn server_number(server: &GatewayServer) -> u16 {
    u16::try_from(server.number()).unwrap_or(server.port)
}

/// Makes byte routes and notes what they need.
pub(super) struct ByteRoutes<'b> {
    pub(super) context: &'b Context<'b>,
    pub(super) wanted: &'b mut Wanted,
    pub(super) reports: &'b mut Reports,
}

impl ByteRoutes<'_> {
    /// Where a rule sends bytes. A single destination gets everything whatever its weight; one without a port has
    /// `default_port` unless its service has only one.
    pub(super) fn forward(
        &mut self,
        service: &BoundService,
        routes: &[RouteDestination],
        path: &str,
        default_port: u16,
    ) -> TcpProxy {
        let reference = service.reference();
        self.reports.accept(&reference);
        let registry = &self.context.registry;
        let alone = routes.len() == 1;
        let mut clusters = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            let weight = u32::try_from(route.weight).unwrap_or(0);
            if !alone && weight == 0 {
                continue;
            }
            let host = service.resolve(&route.destination.host);
            let known = registry.get(&host).map(AsRef::as_ref);
            let key = cluster_key(&route.destination, &host, known, default_port);
            self.wanted.cluster(&key, &reference, &format!("{path}.route[{index}].destination"));
            clusters.push(WeightedCluster { cluster: key.name(), weight: if alone { 100 } else { weight } });
        }
        let first = routes.first().map(|route| &route.destination);
        let host = first.map(|first| service.resolve(&first.host)).unwrap_or_default();
        let rule = registry.get(&host).and_then(|service| self.context.rule_for(service));
        let subset = first.filter(|_| alone).and_then(|first| first.subset.as_deref()).unwrap_or_default();
        tcp_proxy_under(clusters, rule.as_deref(), subset)
    }
}

/// A byte route under the rule of its first destination.
pub(super) fn tcp_proxy_under(clusters: Vec<WeightedCluster>, rule: Option<&MergedRule>, subset: &str) -> TcpProxy {
    TcpProxy { tunnel: tunnel(rule, subset).map(convert_tunnel), ..tcp_settings(clusters, rule, subset) }
}

/// Timeouts and hash key of a byte route, by the rule of its first destination.
pub(super) fn tcp_settings(clusters: Vec<WeightedCluster>, rule: Option<&MergedRule>, subset: &str) -> TcpProxy {
    let policy = rule.and_then(|rule| rule.traffic_policy.as_ref());
    let tcp = policy.and_then(|policy| policy.connection_pool.as_ref()).and_then(|pool| pool.tcp.as_ref());
    TcpProxy {
        clusters,
        idle_timeout: tcp_idle_timeout(tcp),
        max_connection_duration: max_connection_duration(tcp),
        hash_policy: if hashes_source_ip(rule, subset) { vec![HashPolicy::SourceIp] } else { Vec::new() },
        tunnel: None,
    }
}

fn convert_tunnel(settings: &crate::resources::destination_rule::TunnelSettings) -> Tunnel {
    Tunnel {
        post: settings.protocol.as_deref() == Some("POST"),
        target_host: settings.target_host.clone(),
        target_port: u16::try_from(settings.target_port).unwrap_or(0),
    }
}

/// Only the client's address is a key for bytes. A subset with a balancer of its own decides for itself.
fn hashes_source_ip(rule: Option<&MergedRule>, subset: &str) -> bool {
    let Some(rule) = rule else { return false };
    let of_rule = rule.traffic_policy.as_ref().and_then(|policy| policy.load_balancer.as_ref());
    let of_subset = rule
        .subset(subset)
        .and_then(|subset| subset.traffic_policy.as_ref())
        .and_then(|policy| policy.load_balancer.as_ref());
    let hash = of_subset.or(of_rule).and_then(|balancer| balancer.consistent_hash.as_ref());
    hash.is_some_and(|hash| hash.use_source_ip == Some(true))
}
