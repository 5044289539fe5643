//! AUTO_PASSTHROUGH servers: every service of the mesh by a name that the client's SNI gives, unopened.

use super::cluster::ClusterKey;
use super::gateway::GatewayServer;
use super::host::is_subset;
use super::l4_route::tcp_settings;
use super::protocol::Protocol;
use super::registry::Resolution;
use super::server::{ListenerBuilder, chain_name};
use crate::snapshot::{FilterChain, FilterChainMatch, NetworkFilter, Transport, WeightedCluster};

/// ALPN names of clients that speak mesh TLS.
const MESH_ALPN: [&str; 5] = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];

/// A chain for each port of each service inside of the mesh, and for each subset.
pub(super) fn chains(builder: &mut ListenerBuilder<'_>, server: &GatewayServer) -> Vec<FilterChain> {
    let context = builder.context;
    let hosts: Vec<&str> = server.hosts.iter().map(|host| super::gateway::strip_namespace(host)).collect();
    let mut chains = Vec::new();
    for service in context.registry.scope().values() {
        let alias = matches!(service.resolution, Resolution::Alias(_));
        if service.external || alias || !hosts.iter().any(|host| is_subset(&service.host, host)) {
            continue;
        }
        let rule = context.rule_for(service);
        let subsets = rule.iter().flat_map(|rule| rule.subsets.iter().map(|subset| subset.name.as_str()));
        let subsets: Vec<&str> = std::iter::once("").chain(subsets).collect();
        for port in service.ports.iter().filter(|port| port.protocol != Protocol::Udp) {
            for subset in &subsets {
                let key = ClusterKey { sni_dnat: true, ..ClusterKey::new(&service.host, port.number, subset) };
                builder.wanted.cluster(&key, &server.object(), &server.path());
                let clusters = vec![WeightedCluster { cluster: key.name(), weight: 100 }];
                chains.push(FilterChain {
                    name: format!("{}/{}", chain_name(server), key.name()),
                    matches: FilterChainMatch {
                        server_names: vec![key.sni().to_ascii_lowercase()],
                        transport: Some(Transport::Tls),
                        application_protocols: MESH_ALPN.iter().map(|name| (*name).to_owned()).collect(),
                        ..FilterChainMatch::default()
                    },
                    tls: None,
                    filter: NetworkFilter::Tcp(tcp_settings(clusters, rule.as_deref(), subset)),
                });
            }
        }
    }
    chains
}
