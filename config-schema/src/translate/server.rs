//! Listeners of gateways: a socket for each port and address, and a filter chain for each server that needs its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::Context;
use super::downstream_tls::downstream_tls;
use super::forward_proxy::{self, forward_proxy};
use super::gateway::{GatewayServer, MergedGateway, PortServers};
use super::l4_route::{self, ByteRoutes};
use super::protocol::Protocol;
use super::report::Reports;
use super::virtual_service::VirtualServices;
use super::wanted::Wanted;
use crate::resources::gateway::ServerTlsMode;
use crate::snapshot::{
    Bind, FilterChain, FilterChainMatch, ForwardProxy, HttpFilter, Listener, ListenerClass, NetworkFilter,
};

/// How long a client may take to show what it speaks.
const DETECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// Makes listeners and notes what they need and what is wrong with them.
pub(super) struct ListenerBuilder<'b> {
    pub(super) context: &'b Context<'b>,
    pub(super) services: &'b VirtualServices,
    pub(super) wanted: &'b mut Wanted,
    pub(super) reports: &'b mut Reports,
}

impl ListenerBuilder<'_> {
    /// For byte routes.
    pub(super) fn bytes(&mut self) -> ByteRoutes<'_> {
        ByteRoutes { context: self.context, wanted: self.wanted, reports: self.reports }
    }

    /// The listeners of a gateway, by name. One without filter chains is left out: nobody could use it.
    pub(super) fn listeners(&mut self, gateway: &MergedGateway) -> BTreeMap<String, Arc<Listener>> {
        let mut listeners: BTreeMap<String, Listener> = BTreeMap::new();
        let mut sni_names = l4_route::SniNames::default();
        for group in &gateway.ports {
            let chains = self.chains(group, &mut sni_names);
            let Some(address) = self.address(group) else { continue };
            let name = format!("{}_{}", address.ip(), group.port);
            let settings = &self.context.settings;
            let listener = listeners.entry(name.clone()).or_insert_with(|| Listener {
                name,
                address,
                bind: Bind::Direct,
                proxy_protocol: settings.proxy_protocol,
                connection_limit: settings.listener_connection_limit,
                detection_timeout: Some(DETECTION_TIMEOUT),
                filter_chains: Vec::new(),
            });
            listener.filter_chains.extend(chains);
        }
        forward_proxy::report_unknown_ports(gateway, self.reports);
        let used = listeners.into_iter().filter(|(_, listener)| !listener.filter_chains.is_empty());
        used.map(|(name, listener)| (name, Arc::new(listener))).collect()
    }

    fn address(&mut self, group: &PortServers) -> Option<SocketAddr> {
        let ip = match &group.bind {
            None if self.context.proxy.ipv6_only => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Some(bind) => match bind.parse() {
                Ok(ip) => ip,
                Err(_) => {
                    for server in &group.servers {
                        let message = format!("server ignored: {bind:?} is no IP address to bind");
                        let path = format!("{}.bind", server.path());
                        self.reports.error(&server.object(), path, "invalid-bind", message);
                    }
                    return None;
                }
            },
        };
        Some(SocketAddr::new(ip, group.port))
    }

    fn chains(&mut self, group: &PortServers, sni_names: &mut l4_route::SniNames) -> Vec<FilterChain> {
        if group.protocol.is_http() {
            let forward_proxy = forward_proxy(self, &group.servers);
            return group.servers.first().map(|server| plain_http(group, server, forward_proxy)).into_iter().collect();
        }
        group.servers.iter().flat_map(|server| self.server_chains(server, sni_names)).collect()
    }

    fn server_chains(&mut self, server: &Arc<GatewayServer>, sni_names: &mut l4_route::SniNames) -> Vec<FilterChain> {
        let Some(settings) = server.tls() else {
            return self.tcp_chain(server, FilterChainMatch::default()).into_iter().collect();
        };
        match settings.mode {
            ServerTlsMode::Passthrough => l4_route::passthrough_chains(self, server, sni_names),
            ServerTlsMode::AutoPassthrough => super::auto_passthrough::chains(self, server),
            _ if server.protocol == Protocol::Https => self.https_chain(server).into_iter().collect(),
            _ => self.tcp_chain(server, sni_match(server)).into_iter().collect(),
        }
    }

    fn https_chain(&mut self, server: &Arc<GatewayServer>) -> Option<FilterChain> {
        let route_table = server.route_table.clone()?;
        let forward_proxy = forward_proxy(self, std::slice::from_ref(server));
        Some(FilterChain {
            name: chain_name(server),
            matches: sni_match(server),
            tls: downstream_tls(self, server),
            filter: NetworkFilter::Http(HttpFilter {
                route_table,
                server_port: server_number(server),
                forward_proxy,
                grpc_web: false,
                misdirected: server.answers_misdirected(),
                class: ListenerClass::Gateway,
            }),
        })
    }

    fn tcp_chain(&mut self, server: &GatewayServer, matches: FilterChainMatch) -> Option<FilterChain> {
        let Some(proxy) = l4_route::tcp_proxy(self, server) else {
            let message = format!(
                "server not served: no VirtualService bound to Gateway {} has a tcp rule for its port {} and hosts",
                server.gateway_name,
                server.number()
            );
            self.reports.error(&server.object(), server.path(), "no-route", message);
            return None;
        };
        Some(FilterChain {
            name: chain_name(server),
            matches,
            tls: downstream_tls(self, server),
            filter: NetworkFilter::Tcp(proxy),
        })
    }
}

fn plain_http(group: &PortServers, server: &GatewayServer, forward_proxy: Option<ForwardProxy>) -> FilterChain {
    FilterChain {
        name: chain_name(server),
        matches: FilterChainMatch::default(),
        tls: None,
        filter: NetworkFilter::Http(HttpFilter {
            route_table: server.route_table.clone().unwrap_or_default(),
            server_port: server_number(server),
            forward_proxy,
            grpc_web: group.protocol == Protocol::GrpcWeb,
            misdirected: false,
            class: ListenerClass::Gateway,
        }),
    }
}

/// Connections that ask for one of the server's names; where it takes every name also those that ask for none, by TLS
/// or without.
fn sni_match(server: &GatewayServer) -> FilterChainMatch {
    FilterChainMatch { server_names: server.sni_names(), ..FilterChainMatch::default() }
}

/// `NAMESPACE/GATEWAY/PORT-NAME`, for dumps and logs.
pub(super) fn chain_name(server: &GatewayServer) -> String {
    format!("{}/{}", server.gateway_name, server.spec().port.name)
}

fn server_number(server: &GatewayServer) -> u16 {
    u16::try_from(server.number()).unwrap_or(server.port)
}
