//! Servers of Gateways that clients use as their HTTP proxy (`HTTP_PROXY`, `HTTPS_PROXY`): the annotation
//! `sallyport.dev/forward-proxy` names their ports. Clients may ask for the hosts and ports of ServiceEntries outside of
//! the mesh that the gateway sees and that the server's hosts admit; a VirtualService is not needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cluster::ClusterKey;
use super::gateway::{GatewayServer, MergedGateway};
use super::registry::{Port, Resolution, Service};
use super::report::{Reports, object_ref};
use super::retry::retry_policy;
use super::server::ListenerBuilder;
use super::traffic_policy::rule_tls_mode;
use crate::resources::destination_rule::ClientTlsMode;
use crate::resources::gateway::ServerTlsMode;
use crate::snapshot::{ForwardDestination, ForwardProxy};
use crate::translate::protocol::Protocol;

/// Annotation of a Gateway with the names of ports, by comma.
const FORWARD_PROXY: &str = "sallyport.dev/forward-proxy";

/// What clients may ask the servers of a port for; `None` if none of them is a forward proxy.
pub(super) fn forward_proxy(builder: &mut ListenerBuilder<'_>, servers: &[Arc<GatewayServer>]) -> Option<ForwardProxy> {
    let proxies: Vec<&Arc<GatewayServer>> = servers.iter().filter(|server| is_forward_proxy(server)).collect();
    let first = proxies.first()?;
    let mut destinations: BTreeMap<(String, u16), ForwardDestination> = BTreeMap::new();
    let services: Vec<Arc<Service>> = builder.context.registry.scope().values().cloned().collect();
    for server in &proxies {
        let object = server.object();
        builder.reports.accept(&object);
        for service in services.iter().filter(|service| service.external && !service.is_kubernetes()) {
            let hosts = server.host_set_for(&service.namespace).intersection([service.host.as_str()]);
            for port in service.ports.iter().filter(|port| !hosts.is_empty() && port.protocol != Protocol::Udp) {
                let (key, template) = destination(builder, service, port);
                builder.wanted.cluster(&key, &object, &server.path());
                for host in &hosts {
                    let destination = ForwardDestination { host: host.clone(), ..template.clone() };
                    destinations.entry((host.clone(), port.number)).or_insert(destination);
                }
            }
        }
    }
    let retries = builder.context.mesh.default_http_retry_policy.as_ref();
    Some(ForwardProxy {
        destinations: destinations.into_values().collect(),
        retry: retry_policy(retries, false).0,
        source: first.object(),
    })
}

fn destination(builder: &ListenerBuilder<'_>, service: &Service, port: &Port) -> (ClusterKey, ForwardDestination) {
    // Where the service does not say how to find endpoints, the client has: by the name it asked for.
    let by_name = service.resolution == Resolution::Passthrough;
    let key = ClusterKey { by_name, ..ClusterKey::new(&service.host, port.number, "") };
    let rule = builder.context.rule_for(service);
    let mode = rule_tls_mode(rule.as_deref(), port.number, "");
    let originates = mode.is_some_and(|mode| mode != ClientTlsMode::Disable);
    let http = port.protocol.is_http();
    let destination = ForwardDestination {
        host: service.host.clone(),
        port: port.number,
        cluster: key.name(),
        // TLS that the gateway originates is not for clients' own TLS.
        connect: !http && !originates,
        http: http || (originates && port.protocol == Protocol::Https),
    };
    (key, destination)
}

fn is_forward_proxy(server: &GatewayServer) -> bool {
    named_ports(server).any(|name| name == server.spec().port.name)
}

fn named_ports(server: &GatewayServer) -> impl Iterator<Item = &str> {
    let value = server.gateway.meta.annotations.get(FORWARD_PROXY);
    value.into_iter().flat_map(|list| list.split(',')).map(str::trim)
}

/// Reports names in the annotation that are no port of an HTTP server.
pub(super) fn report_unknown_ports(gateway: &MergedGateway, reports: &mut Reports) {
    for server in gateway.ports.iter().flat_map(|group| &group.servers) {
        for name in named_ports(server) {
            let mut servers = server.gateway.spec.servers.iter().filter(|server| server.port.name == name);
            let serves = servers.any(|server| {
                let protocol = Protocol::parse(&server.port.protocol);
                let mode = server.tls.as_ref().map(|tls| tls.mode);
                let opened = !matches!(mode, Some(ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough));
                protocol.is_http() || (protocol == Protocol::Https && opened)
            });
            if !serves {
                let message = format!("{name:?} is no port of this Gateway whose server speaks HTTP to its clients");
                let path = format!("metadata.annotations[\"{FORWARD_PROXY}\"]");
                reports.error(&object_ref(&server.gateway), path, "forward-proxy", message);
            }
        }
    }
}
