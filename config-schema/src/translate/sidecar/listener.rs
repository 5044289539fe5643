//! The listeners of a sidecar's outbound side: groups of chains by what the application dialled, under one listener
//! that everything is redirected to; and those that an egress listener binds by itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use super::byte_chains::ByteChains;
use super::entries::{Draft, Entries, Entry, Kind, Request};
use super::scope::{EgressListener, Scope};
use super::unknown_traffic::{UnknownTraffic, black_hole};
use crate::snapshot::{
    Bind, FilterChain, FilterChainMatch, HttpFilter, Listener, ListenerClass, NetworkFilter, TcpProxy, Transport,
};
use crate::translate::Context;
use crate::translate::l4_route::ByteRoutes;
use crate::translate::protocol::Protocol;
use crate::translate::registry::{InstanceAddress, Port, Resolution, Service};
use crate::translate::report::Reports;
use crate::translate::wanted::Wanted;

/// The listener that connections are redirected to.
const VIRTUAL_OUTBOUND: &str = "virtualOutbound";
/// The route table of requests to ports that are in no registry.
const DYNAMIC_DNS_TABLE: &str = "allow_any_dynamic_dns";

/// Listeners, and the route tables that they need.
pub(super) struct Outbound {
    pub(super) listeners: Vec<Listener>,
    pub(super) tables: BTreeMap<String, TableOf>,
}

/// What a route table is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TableOf {
    /// All services of a port.
    Port(u16),
    /// The service of that host alone.
    Service(String, u16),
    /// No service.
    Unknown,
}

/// Where a service is dialled.
struct Target {
    address: IpAddr,
    networks: Vec<IpNet>,
}

/// Makes the listeners.
pub(super) fn outbound(context: &Context<'_>, scope: &Scope, wanted: &mut Wanted, reports: &mut Reports) -> Outbound {
    let ipv6 = context.proxy.ipv6_only;
    let wildcard = if ipv6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    let mut builder = OutboundBuilder {
        routes: ByteRoutes { context, wanted, reports },
        entries: Entries::default(),
        tables: BTreeMap::new(),
        wildcard,
    };
    for listener in &scope.listeners {
        builder.egress_listener(listener);
    }
    let listeners = builder.finish(&scope.unknown);
    Outbound { listeners, tables: builder.tables }
}

struct OutboundBuilder<'b> {
    routes: ByteRoutes<'b>,
    entries: Entries,
    tables: BTreeMap<String, TableOf>,
    /// The address that stands for all.
    wildcard: IpAddr,
}

impl OutboundBuilder<'_> {
    fn egress_listener(&mut self, listener: &EgressListener) {
        if listener.port.is_none() {
            self.entries.lock();
        }
        for service in &listener.services {
            if matches!(service.resolution, Resolution::Alias(_)) {
                continue;
            }
            match &listener.port {
                Some(port) => self.port(listener, service, port),
                None => service.ports.iter().for_each(|port| self.port(listener, service, port)),
            }
        }
    }

    fn port(&mut self, listener: &EgressListener, service: &Service, port: &Port) {
        let Some(kind) = Kind::of(port.protocol) else { return };
        let mut refused = false;
        for target in self.targets(listener, service, port, kind) {
            let request = Request {
                address: target.address,
                port: port.number,
                kind,
                protocol: port.protocol,
                binds: listener.binds,
            };
            let shared = target.address == self.wildcard;
            let mut wanted = Wanted::default();
            let Self { routes, entries, tables, .. } = self;
            let mut new = Vec::new();
            let without_place = entries.add(&request, |wants| {
                if wants.bytes {
                    let mut routes =
                        ByteRoutes { context: routes.context, wanted: &mut wanted, reports: routes.reports };
                    let virtual_services = &listener.virtual_services;
                    let (networks, own_address) = (&target.networks, !shared);
                    let mut chains =
                        ByteChains { routes: &mut routes, virtual_services, service, port, networks, own_address };
                    new.extend(chains.drafts());
                }
                if wants.http {
                    new.push(http(tables, &target, service, port, kind, shared));
                }
                new.clone()
            });
            wanted.clusters.retain(|key, _| {
                let name = key.name();
                new.iter().filter(|draft| !without_place.contains(draft)).any(|draft| draft.sends_to(&name))
            });
            self.routes.wanted.extend(wanted);
            refused |= !without_place.is_empty();
        }
        if refused && !service.is_kubernetes() {
            let message = format!(
                "{} on port {} cannot be told from another service there, which is older or comes first: give it \
                 addresses of its own, or a protocol that names hosts",
                service.host, port.number
            );
            self.routes.reports.warn(&service.reference(), "spec.addresses".to_owned(), "listener-conflict", message);
        }
    }

    fn targets(&self, listener: &EgressListener, service: &Service, port: &Port, kind: Kind) -> Vec<Target> {
        let at = |address| Target { address, networks: Vec::new() };
        if let Some(address) = listener.address {
            return vec![at(address)];
        }
        if kind == Kind::Http {
            return vec![at(self.wildcard)];
        }
        let mut targets: Vec<Target> = Vec::new();
        for network in service.addresses.iter().filter_map(|address| network(address)) {
            if network.prefix_len() == network.max_prefix_len() {
                targets.push(at(network.addr()));
            } else {
                targets.push(Target { address: self.wildcard, networks: vec![network] });
            }
        }
        let unspecified = targets.iter().all(|target| target.address.is_unspecified() && target.networks.is_empty());
        if !unspecified {
            return targets;
        }
        if listener.port.is_some() || service.resolution != Resolution::Passthrough {
            return vec![at(self.wildcard)];
        }
        let instances = self.routes.context.registry.instances(service);
        if !service.is_kubernetes() && instances.is_empty() && service.selector.is_empty() {
            return vec![at(self.wildcard)];
        }
        // Without an address every pod is dialled by its own, but not by itself.
        let own = self.routes.context.proxy.node.address;
        let of_port = instances.iter().filter(|instance| instance.port_name == port.name);
        let addresses = of_port.filter_map(|instance| match instance.address {
            InstanceAddress::Ip(address, _) => Some(address),
            _ => None,
        });
        addresses.filter(|address| Some(*address) != own).map(at).collect()
    }

    fn finish(&mut self, unknown: &UnknownTraffic) -> Vec<Listener> {
        let context = self.routes.context;
        let fallback = unknown.bytes(self.routes.wanted);
        let own_port = context.mesh.proxy_listen_port();
        let mut redirected = vec![FilterChain {
            name: "virtualOutbound-blackhole".to_owned(),
            matches: FilterChainMatch { destination_port: Some(own_port), ..FilterChainMatch::default() },
            tls: None,
            filter: NetworkFilter::Tcp(black_hole()),
        }];
        let mut listeners = Vec::new();
        for ((address, port), entry) in std::mem::take(&mut self.entries.0) {
            let binds = entry.binds;
            let group = Group { address, port, redirected: !binds };
            let chains = group.chains(entry, &fallback);
            if binds {
                listeners.push(self.listener(format!("{address}_{port}"), address, port, Bind::Direct, chains));
            } else {
                redirected.extend(chains);
            }
        }
        if *unknown == UnknownTraffic::DynamicDns {
            self.tables.insert(DYNAMIC_DNS_TABLE.to_owned(), TableOf::Unknown);
            redirected.push(FilterChain {
                name: "virtualOutbound-catchall-tcp-http".to_owned(),
                matches: FilterChainMatch { transport: Some(Transport::Http), ..FilterChainMatch::default() },
                tls: None,
                filter: http_filter(DYNAMIC_DNS_TABLE, 0, Protocol::Http),
            });
        }
        redirected.push(chain("virtualOutbound-catchall-tcp", FilterChainMatch::default(), &fallback));
        let name = VIRTUAL_OUTBOUND.to_owned();
        listeners.push(self.listener(name, self.wildcard, own_port, Bind::Redirected, redirected));
        listeners
    }

    fn listener(&self, name: String, ip: IpAddr, port: u16, bind: Bind, filter_chains: Vec<FilterChain>) -> Listener {
        let context = self.routes.context;
        let timeout = context.mesh.protocol_detection_timeout.map(|timeout| timeout.0);
        Listener {
            name,
            address: SocketAddr::new(ip, port),
            bind,
            proxy_protocol: false,
            connection_limit: context.settings.listener_connection_limit,
            detection_timeout: timeout.filter(|timeout| !timeout.is_zero()),
            filter_chains,
        }
    }
}

/// The chain for requests to a service, or to all services of its port.
fn http(
    tables: &mut BTreeMap<String, TableOf>,
    target: &Target,
    service: &Service,
    port: &Port,
    kind: Kind,
    shared: bool,
) -> Draft {
    let number = port.number;
    let (name, table) = if kind == Kind::Either && !shared {
        (format!("{}:{number}", service.host), TableOf::Service(service.host.clone(), number))
    } else {
        (number.to_string(), TableOf::Port(number))
    };
    let filter = http_filter(&name, number, port.protocol);
    tables.insert(name, table);
    Draft {
        name: format!("{}_{number}", target.address),
        http_only: shared || kind == Kind::Either,
        server_names: Vec::new(),
        networks: Vec::new(),
        filter,
    }
}

fn http_filter(route_table: &str, port: u16, protocol: Protocol) -> NetworkFilter {
    NetworkFilter::Http(HttpFilter {
        route_table: route_table.to_owned(),
        server_port: port,
        grpc_web: protocol == Protocol::GrpcWeb,
        class: ListenerClass::SidecarOutbound,
        misdirected: false,
        forward_proxy: None,
    })
}

fn chain(name: &str, matches: FilterChainMatch, to: &TcpProxy) -> FilterChain {
    FilterChain { name: name.to_owned(), matches, tls: None, filter: NetworkFilter::Tcp(to.clone()) }
}

/// A group of chains and how connections get to it.
struct Group {
    address: IpAddr,
    port: u16,
    redirected: bool,
}

impl Group {
    /// The chains of the group; what none of them takes goes to `fallback`, but not on to other groups.
    fn chains(&self, entry: Entry, fallback: &TcpProxy) -> Vec<FilterChain> {
        let mut open: Vec<IpNet> = Vec::new();
        for draft in &entry.drafts {
            let closed = |network: &IpNet| {
                let all = |other: &&Draft| !other.http_only && other.server_names.is_empty();
                entry.drafts.iter().filter(all).any(|other| other.networks.contains(network))
            };
            open.extend(draft.networks.iter().filter(|network| !closed(network)));
        }
        let takes_all = entry.drafts.iter().any(Draft::takes_all);
        let mut chains: Vec<FilterChain> = entry.drafts.into_iter().filter_map(|draft| self.chain(draft)).collect();
        if !open.is_empty() {
            chains.extend(self.matches(&open).map(|matches| chain("PassthroughFilterChain", matches, fallback)));
        }
        if !takes_all {
            chains.extend(self.matches(&[]).map(|matches| chain("PassthroughFilterChain", matches, fallback)));
        }
        chains
    }

    fn chain(&self, draft: Draft) -> Option<FilterChain> {
        let matches = FilterChainMatch {
            server_names: draft.server_names,
            transport: draft.http_only.then_some(Transport::Http),
            ..self.matches(&draft.networks)?
        };
        Some(FilterChain { name: draft.name, matches, tls: None, filter: draft.filter })
    }

    /// `None` if the group's address is in none of the networks.
    fn matches(&self, networks: &[IpNet]) -> Option<FilterChainMatch> {
        let mut destination_networks: Vec<(IpAddr, u8)> =
            networks.iter().map(|network| (network.network(), network.prefix_len())).collect();
        destination_networks.sort_unstable();
        destination_networks.dedup();
        if self.redirected && !self.address.is_unspecified() {
            let inside = networks.is_empty() || networks.iter().any(|network| network.contains(&self.address));
            let bits = if self.address.is_ipv4() { 32 } else { 128 };
            destination_networks = inside.then(|| vec![(self.address, bits)])?;
        }
        Some(FilterChainMatch {
            destination_port: self.redirected.then_some(self.port),
            destination_networks,
            ..FilterChainMatch::default()
        })
    }
}

/// Reads an address or a network.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
