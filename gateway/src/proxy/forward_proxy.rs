//! What clients may ask a forward proxy for: hosts and ports of the registry, and nothing else. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use config_schema::snapshot::{
    Forward, ForwardDestination, ForwardProxy, PathMatch, Route, RouteAction, RouteMatch, WeightedDestination,
};

use crate::dns::client_host::{self, BadHost};
use crate::route::{CompileError, CompiledRoute, HostTable, Interner};

/// Destinations by host and port, compiled.
#[derive(Debug, Default)]
pub struct ForwardPolicy {
    hosts: HostTable,
    ports: Vec<HashMap<u16, Destination>>,
}

/// A host and port that may be asked for.
#[derive(Debug)]
pub struct Destination {
    /// Cluster name.
    pub cluster: Arc<str>,
    connect: bool,
    /// Where requests go; `None` if only CONNECT is served.
    route: Option<Arc<CompiledRoute>>,
}

/// Why a destination is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No name that could be asked for.
    Host(BadHost),
    /// CONNECT without a port.
    NoPort,
    /// No ServiceEntry has the host.
    UnknownHost,
    /// The host has no such port.
    Port,
    /// The port is for HTTP requests: CONNECT would go round the rules about them.
    ConnectToHttp,
    /// The port is not for HTTP requests.
    HttpToConnect,
    /// The TLS that comes through a tunnel is for another host than the tunnel.
    ServerName,
    /// What comes through a tunnel begins like TLS and goes wrong.
    BrokenTls,
}

impl Denied {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Denied::Host(bad) => bad.as_str(),
            Denied::NoPort => "no_port",
            Denied::UnknownHost => "unknown_host",
            Denied::Port => "port_not_allowed",
            Denied::ConnectToHttp => "connect_to_http_port",
            Denied::HttpToConnect => "request_to_connect_port",
            Denied::ServerName => "server_name_mismatch",
            Denied::BrokenTls => "broken_client_hello",
        }
    }

    /// Nothing in the configuration has the host and port.
    pub fn is_unknown(self) -> bool {
        matches!(self, Denied::UnknownHost | Denied::Port)
    }

    /// `%RESPONSE_CODE_DETAILS%`
    pub fn details(self) -> &'static str {
        match self {
            Denied::Host(bad) => bad.details(),
            Denied::NoPort => "destination_forbidden[no_port]",
            Denied::UnknownHost => "destination_forbidden[unknown_host]",
            Denied::Port => "destination_forbidden[port_not_allowed]",
            Denied::ConnectToHttp => "destination_forbidden[connect_to_http_port]",
            Denied::HttpToConnect => "destination_forbidden[request_to_connect_port]",
            Denied::ServerName => "destination_forbidden[server_name_mismatch]",
            Denied::BrokenTls => "destination_forbidden[broken_client_hello]",
        }
    }
}

impl ForwardPolicy {
    /// Compiles.
    pub fn new(spec: &ForwardProxy) -> Result<Self, CompileError> {
        let mut policy = ForwardPolicy::default();
        let mut known: HashMap<String, usize> = HashMap::new();
        for destination in &spec.destinations {
            let index = *known.entry(destination.host.to_ascii_lowercase()).or_insert_with(|| {
                policy.hosts.insert(&destination.host, policy.ports.len());
                policy.ports.push(HashMap::new());
                policy.ports.len() - 1
            });
            let route = if destination.http { Some(Arc::new(route(spec, destination)?)) } else { None };
            let compiled =
                Destination { cluster: destination.cluster.as_str().into(), connect: destination.connect, route };
            policy.ports[index].entry(destination.port).or_insert(compiled);
        }
        Ok(policy)
    }

    /// The destination of a CONNECT, and the name that the tunnel is for.
    pub fn connect(&self, authority: &str) -> Result<(&Destination, String), Denied> {
        let (destination, name) = self.find(authority, None)?;
        if destination.connect { Ok((destination, name)) } else { Err(Denied::ConnectToHttp) }
    }

    /// The route of a request.
    pub fn request(&self, authority: &str, default_port: u16) -> Result<&Arc<CompiledRoute>, Denied> {
        let (destination, _) = self.find(authority, Some(default_port))?;
        destination.route.as_ref().ok_or(Denied::HttpToConnect)
    }

    fn find(&self, authority: &str, default_port: Option<u16>) -> Result<(&Destination, String), Denied> {
        let host = client_host::parse(authority).map_err(Denied::Host)?;
        let port = host.port.or(default_port).ok_or(Denied::NoPort)?;
        let ports = self.hosts.find(host.name.as_bytes()).and_then(|index| self.ports.get(index));
        let destination = ports.ok_or(Denied::UnknownHost)?.get(&port).ok_or(Denied::Port)?;
        Ok((destination, host.name))
    }
}

/// The route that a destination without a VirtualService has.
fn route(spec: &ForwardProxy, destination: &ForwardDestination) -> Result<CompiledRoute, CompileError> {
    let to = WeightedDestination {
        cluster: destination.cluster.as_str().into(),
        weight: 1,
        ..WeightedDestination::default()
    };
    let forward = Forward { destinations: vec![to], retry: spec.retry.clone().map(Arc::new), ..Forward::default() };
    let route = Route {
        name: "forward_proxy".into(),
        source: Arc::new(spec.source.clone()),
        matches: RouteMatch { path: PathMatch::Any, ..RouteMatch::default() },
        action: RouteAction::Forward(Box::new(forward)),
        request_headers: Default::default(),
        response_headers: Default::default(),
        cors: None,
        fault: None,
        operation: String::new(),
    };
    CompiledRoute::new(&Arc::new(route), &mut Interner::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> ForwardPolicy {
        let destination = |host: &str, port, connect, http| ForwardDestination {
            host: host.to_owned(),
            port,
            cluster: format!("outbound|{port}||{host}"),
            connect,
            http,
        };
        let destinations = vec![
            destination("api.example.com", 443, true, false),
            destination("api.example.com", 80, false, true),
            destination("*.Example.com", 443, true, false),
            destination("db.example.net", 5432, true, false),
        ];
        ForwardPolicy::new(&ForwardProxy { destinations, ..ForwardProxy::default() }).unwrap()
    }

    #[test]
    fn tunnels() {
        let policy = policy();
        for (authority, expected) in [
            ("api.example.com:443", Ok("outbound|443||api.example.com")),
            ("API.example.com.:443", Ok("outbound|443||api.example.com")),
            ("b.example.com:443", Ok("outbound|443||*.Example.com")),
            ("db.example.net:5432", Ok("outbound|5432||db.example.net")),
            ("api.example.com:80", Err("connect_to_http_port")),
            ("api.example.com:8443", Err("port_not_allowed")),
            ("api.example.com:22", Err("port_not_allowed")),
            // The exact host has its own ports; the wildcard adds none.
            ("b.example.com:80", Err("port_not_allowed")),
            ("api.example.com", Err("no_port")),
            ("example.com:443", Err("unknown_host")),
            ("evil.example.org:443", Err("unknown_host")),
            ("api.example.com.evil.org:443", Err("unknown_host")),
            ("api.example.com@evil.org:443", Err("bad_host_characters")),
            ("169.254.169.254:443", Err("address_as_host")),
            ("[::1]:443", Err("address_as_host")),
            ("2852039166:443", Err("numeric_host")),
            ("0251.0376.0251.0376:443", Err("numeric_host")),
        ] {
            let verdict = policy.connect(authority).map(|(destination, _)| &*destination.cluster);
            assert_eq!(verdict.map_err(Denied::as_str), expected, "{authority}");
        }
    }

    #[test]
    fn requests() {
        let policy = policy();
        for (authority, port, expected) in [
            ("api.example.com", 80, Ok(())),
            ("api.example.com:80", 80, Ok(())),
            ("api.example.com:443", 80, Err("request_to_connect_port")),
            ("api.example.com", 443, Err("request_to_connect_port")),
            ("api.example.com:8080", 80, Err("port_not_allowed")),
            ("other.example.org", 80, Err("unknown_host")),
            ("10.0.0.1", 80, Err("address_as_host")),
        ] {
            let verdict = policy.request(authority, port).map(|_| ()).map_err(Denied::as_str);
            assert_eq!(verdict, expected, "{authority}");
        }
    }
}
