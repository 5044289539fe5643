//! The Gateways of a proxy as one: which select it, which ports they open, and which servers share or lose a port.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::host::HostSet;
use super::labels::selects;
use super::protocol::Protocol;
use super::proxy::Proxy;
use super::report::{Reports, object_ref};
use crate::resources::gateway::{MISDIRECTED_REQUESTS, Server, ServerTlsMode, ServerTlsSettings};
use crate::resources::{Gateway, Object, Resources};
use crate::snapshot::ObjectRef;

/// A server of a Gateway that has its port.
#[derive(Debug)]
pub(super) struct GatewayServer {
    pub(super) gateway: Arc<Object<Gateway>>,
    /// `NAMESPACE/NAME` of the Gateway.
    pub(super) gateway_name: String,
    /// Place among the Gateway's servers.
    pub(super) index: usize,
    pub(super) protocol: Protocol,
    /// The number that is bound.
    pub(super) port: u16,
    /// `host` or `namespace/host`; the proxy's `./` and `*/` are resolved.
    pub(super) hosts: Vec<String>,
    /// Name of the route table of an HTTP server.
    pub(super) route_table: Option<String>,
}

impl GatewayServer {
    pub(super) fn spec(&self) -> &Server {
        &self.gateway.spec.servers[self.index]
    }

    /// The number that the Gateway writes.
    pub(super) fn number(&self) -> u32 {
        self.spec().port.number
    }

    pub(super) fn tls(&self) -> Option<&ServerTlsSettings> {
        self.spec().tls.as_ref()
    }

    pub(super) fn object(&self) -> ObjectRef {
        object_ref(&self.gateway)
    }

    /// Requests for hosts of other servers are answered with 421.
    pub(super) fn answers_misdirected(&self) -> bool {
        self.gateway.meta.annotations.get(MISDIRECTED_REQUESTS).is_some_and(|value| value == "421")
    }

    /// `spec.servers[N]`.
    pub(super) fn path(&self) -> String {
        format!("spec.servers[{}]", self.index)
    }

    /// The hosts that VirtualServices of `namespace` may bind to.
    pub(super) fn hosts_for(&self, namespace: &str) -> impl Iterator<Item = &str> {
        self.hosts.iter().filter_map(move |host| match host.split_once('/') {
            Some((own, host)) => (own == namespace).then_some(host),
            None => Some(host.as_str()),
        })
    }

    /// The same as a set.
    pub(super) fn host_set_for(&self, namespace: &str) -> HostSet {
        HostSet::new(self.hosts_for(namespace).map(str::to_owned))
    }

    /// Names for SNI: the hosts without namespaces, sorted, in lower case; none at all if one of them is `*`.
    pub(super) fn sni_names(&self) -> Vec<String> {
        let names: BTreeSet<String> =
            self.hosts.iter().map(|host| strip_namespace(host).to_ascii_lowercase()).collect();
        if names.contains("*") { Vec::new() } else { names.into_iter().collect() }
    }
}

/// The host of `namespace/host`.
pub(super) fn strip_namespace(host: &str) -> &str {
    host.split_once('/').map_or(host, |(_, host)| host)
}

/// The servers that share a port, protocol and bind address.
#[derive(Debug)]
pub(super) struct PortServers {
    pub(super) port: u16,
    /// Address to bind; `None` for all.
    pub(super) bind: Option<String>,
    pub(super) protocol: Protocol,
    pub(super) servers: Vec<Arc<GatewayServer>>,
}

/// The Gateways of a proxy, merged.
#[derive(Debug, Default)]
pub(super) struct MergedGateway {
    /// In the order in which they were opened.
    pub(super) ports: Vec<PortServers>,
    /// Servers by the name of their route table.
    pub(super) route_tables: BTreeMap<String, Vec<Arc<GatewayServer>>>,
    /// `NAMESPACE/NAME` of every Gateway that selects the proxy, oldest first.
    pub(super) names: Vec<String>,
}

/// Merges the Gateways that select the proxy.
pub(super) fn merge(resources: &Resources, proxy: &Proxy, reports: &mut Reports) -> MergedGateway {
    let mut merger = Merger::default();
    for gateway in resources.gateways.by_age() {
        let selector = &gateway.spec.selector;
        if !selects(selector, &proxy.labels) {
            continue;
        }
        reports.consider(&object_ref(gateway));
        merger.merged.names.push(format!("{}/{}", gateway.meta.namespace, gateway.meta.name));
        for index in 0..gateway.spec.servers.len() {
            merger.add(gateway, index, proxy, reports);
        }
    }
    merger.merged
}

/// What tells the listeners of a port apart.
type PortKey = (u16, String, Option<String>);

#[derive(Default)]
struct Merger {
    merged: MergedGateway,
    places: HashMap<PortKey, usize>,
    /// Ports that have a server.
    used: HashSet<u16>,
    /// The plain server group of a port that came last; further plain HTTP servers join it.
    plain: HashMap<u16, PortKey>,
    /// By port: hosts of servers with TLS settings, with their bind address and server.
    tls_hosts: HashMap<u16, HashMap<String, (Option<String>, String)>>,
}

impl Merger {
    fn add(&mut self, gateway: &Arc<Object<Gateway>>, index: usize, proxy: &Proxy, reports: &mut Reports) {
        let spec = &gateway.spec.servers[index];
        let protocol = Protocol::parse(&spec.port.protocol);
        let object = object_ref(gateway);
        let path = format!("spec.servers[{index}]");
        let Some(port) = bound_port(spec.port.number, proxy) else {
            let message = format!("server ignored: {} is no port number", spec.port.number);
            return reports.error(&object, format!("{path}.port.number"), "invalid-port", message);
        };
        let server = GatewayServer {
            gateway: Arc::clone(gateway),
            gateway_name: format!("{}/{}", gateway.meta.namespace, gateway.meta.name),
            index,
            protocol,
            port,
            hosts: resolve_hosts(&spec.hosts, &gateway.meta.namespace),
            route_table: route_table(gateway, spec, protocol, port),
        };
        if matches!(protocol, Protocol::Https | Protocol::Tls) && spec.tls.is_none() {
            let message = format!("server ignored: protocol {} needs tls", spec.port.protocol);
            return reports.error(&object, format!("{path}.tls"), "missing-tls", message);
        }
        if let Err((rule, message)) = self.claim_hosts(&server).and_then(|()| self.place(Arc::new(server))) {
            reports.error(&object, path, rule, format!("server ignored: {message}"));
        } else {
            reports.accept(&object);
        }
    }

    /// A host belongs to one server with TLS settings of a port and address; of a server with a host that is taken,
    /// none counts.
    fn claim_hosts(&mut self, server: &GatewayServer) -> Result<(), Refusal> {
        if server.tls().is_none() {
            return Ok(());
        }
        let known = self.tls_hosts.entry(server.port).or_default();
        let bind = &server.spec().bind;
        let taken = server
            .hosts
            .iter()
            .find_map(|host| known.get(host).filter(|(other, _)| other == bind).map(|(_, by)| (host, by)));
        if let Some((host, by)) = taken {
            let message = format!(
                "host {host} on port {} is already served by {by}; of two servers with one host the older stays, with \
                 all of its hosts",
                server.port
            );
            return Err(("duplicate-host", message));
        }
        let by = describe(server);
        for host in &server.hosts {
            known.insert(host.clone(), (bind.clone(), by.clone()));
        }
        Ok(())
    }

    fn place(&mut self, server: Arc<GatewayServer>) -> Result<(), Refusal> {
        let spec = server.spec();
        let key = (server.port, spec.port.protocol.clone(), spec.bind.clone());
        let first = self.used.insert(server.port);
        let tls_server = spec.tls.is_some() && !server.protocol.is_http();
        let current = if first { None } else { self.plain.get(&server.port).cloned() };
        match current {
            Some(current) if current.2 == key.2 => {
                let current_protocol = Protocol::parse(&current.1);
                let mergeable = server.protocol.is_http() && current_protocol.is_http();
                let Some(place) = self.places.get(&current).copied().filter(|_| mergeable) else {
                    let by = self.places.get(&current).and_then(|place| self.merged.ports[*place].servers.first());
                    let by = by.map(|server| describe(server)).unwrap_or_default();
                    let message = format!(
                        "port {} already serves plain {} by {by}; a port speaks plain HTTP or something else, and the \
                         older server stays",
                        server.port, current.1
                    );
                    return Err(("port-conflict", message));
                };
                self.add_route_table(&server);
                self.merged.ports[place].servers.push(server);
                Ok(())
            }
            // Plain servers of another address, and TLS servers beside TLS servers, tell their connections apart.
            _ => {
                if let Some(name) = server.route_table.as_ref().filter(|_| tls_server)
                    && self.merged.route_tables.contains_key(name)
                {
                    let message = format!(
                        "another server of this Gateway has the port name {:?} on port {}; port names tell HTTPS \
                         servers apart, so each needs its own",
                        spec.port.name, server.port
                    );
                    return Err(("duplicate-port-name", message));
                }
                if !tls_server {
                    self.plain.insert(server.port, key.clone());
                }
                self.add_route_table(&server);
                self.push(key, server);
                Ok(())
            }
        }
    }

    fn add_route_table(&mut self, server: &Arc<GatewayServer>) {
        if let Some(name) = &server.route_table {
            self.merged.route_tables.entry(name.clone()).or_default().push(Arc::clone(server));
        }
    }

    fn push(&mut self, key: PortKey, server: Arc<GatewayServer>) {
        let place = *self.places.entry(key).or_insert_with_key(|(port, protocol, bind)| {
            self.merged.ports.push(PortServers {
                port: *port,
                bind: bind.clone(),
                protocol: Protocol::parse(protocol),
                servers: Vec::new(),
            });
            self.merged.ports.len() - 1
        });
        self.merged.ports[place].servers.push(server);
    }
}

/// Why a server is left out: the rule and the sentence.
type Refusal = (&'static str, String);

fn describe(server: &GatewayServer) -> String {
    format!("Gateway {} {}", server.gateway_name, server.path())
}

/// The port to bind: the target port of the first Service in front of the proxy that has the number, else the number.
fn bound_port(number: u32, proxy: &Proxy) -> Option<u16> {
    let number = u16::try_from(number).ok().filter(|number| *number > 0)?;
    let translated = proxy.service_ports.iter().find(|port| port.translates && port.port == number);
    Some(translated.map_or(number, |port| port.target_port))
}

/// Hosts with the namespaces that they admit: `./h` is the Gateway's own, `*/h` is any. `*/*` swallows all others.
fn resolve_hosts(hosts: &[String], namespace: &str) -> Vec<String> {
    if hosts.iter().any(|host| host == "*/*") {
        return vec!["*".to_owned()];
    }
    let resolve = |host: &String| match host.split_once('/') {
        Some((".", host)) => format!("{namespace}/{host}"),
        Some(("*", host)) => host.to_owned(),
        _ => host.clone(),
    };
    hosts.iter().map(resolve).collect()
}

fn is_passthrough(tls: Option<&ServerTlsSettings>) -> bool {
    matches!(tls.map(|tls| tls.mode), Some(ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough))
}

fn route_table(gateway: &Object<Gateway>, server: &Server, protocol: Protocol, port: u16) -> Option<String> {
    let bind = server.bind.as_ref().map(|bind| format!(".{bind}")).unwrap_or_default();
    if protocol.is_http() {
        return Some(format!("http.{port}{bind}"));
    }
    (protocol == Protocol::Https && !is_passthrough(server.tls.as_ref())).then(|| {
        let (name, namespace) = (&gateway.meta.name, &gateway.meta.namespace);
        format!("https.{}.{}.{name}.{namespace}{bind}", server.port.number, server.port.name)
    })
}
