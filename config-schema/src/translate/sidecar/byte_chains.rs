//! Chains for bytes and for TLS that is passed on unopened: `tcp` and `tls` rules of VirtualServices, else the service
//! itself.

use std::collections::HashSet;
use std::sync::Arc;

use ipnet::IpNet;

use super::entries::Draft;
use super::host_names::alternatives;
use crate::host::{is_wildcard, overlap};
use crate::snapshot::{NetworkFilter, TcpProxy, WeightedCluster};
use crate::translate::cluster::ClusterKey;
use crate::translate::host::MESH_GATEWAY;
use crate::translate::l4_route::{ByteRoutes, tcp_proxy_under};
use crate::translate::labels::{Labels, selects};
use crate::translate::protocol::Protocol;
use crate::translate::registry::{Port, Resolution, Service};
use crate::translate::virtual_service::BoundService;

/// Makes chains for a port of a service.
pub(super) struct ByteChains<'b, 'r> {
    pub(super) routes: &'r mut ByteRoutes<'b>,
    /// Those of the egress listener.
    pub(super) virtual_services: &'r [Arc<BoundService>],
    pub(super) service: &'r Service,
    /// The port that the application dials.
    pub(super) port: &'r Port,
    /// Networks that the service has in place of an address.
    pub(super) networks: &'r [IpNet],
    /// The group has an address that only this service has.
    pub(super) own_address: bool,
}

/// What decides before a connection comes whether a block applies.
struct Conditions<'c> {
    port: Option<u32>,
    gateways: &'c [String],
    source_labels: &'c Labels,
    source_namespace: Option<&'c String>,
}

impl ByteChains<'_, '_> {
    pub(super) fn drafts(&mut self) -> Vec<Draft> {
        let overlapping = |one: &&Arc<BoundService>| one.hosts.iter().any(|host| overlap(host, &self.service.host));
        let services: Vec<Arc<BoundService>> = self.virtual_services.iter().filter(overlapping).cloned().collect();
        if matches!(self.port.protocol, Protocol::Https | Protocol::Tls) {
            self.tls(&services)
        } else {
            self.tcp(&services)
        }
    }

    /// A chain for each match of each rule; of equal matches the first.
    fn tls(&mut self, services: &[Arc<BoundService>]) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let mut seen = HashSet::new();
        for service in services {
            for (index, rule) in service.object.spec.tls.iter().enumerate().filter(|(_, rule)| !rule.route.is_empty()) {
                for (place, block) in rule.r#match.iter().enumerate() {
                    let conditions = Conditions {
                        port: block.port,
                        gateways: &block.gateways,
                        source_labels: &block.source_labels,
                        source_namespace: block.source_namespace.as_ref(),
                    };
                    if !self.applies(&conditions) || !seen.insert((&block.sni_hosts, &block.destination_subnets)) {
                        continue;
                    }
                    let path = format!("spec.tls[{index}].match[{place}]");
                    let networks = self.subnets(service, &block.destination_subnets, &path);
                    let proxy =
                        self.routes.forward(service, &rule.route, &format!("spec.tls[{index}]"), self.port.number);
                    drafts.push(Draft { server_names: sni(&block.sni_hosts), ..self.draft(service, networks, proxy) });
                }
            }
        }
        if drafts.is_empty() {
            let proxy = self.service_itself();
            let server_names = self.names_of_service();
            drafts.push(Draft { name: self.service.host.clone(), server_names, ..self.plain(proxy) });
        }
        drafts
    }

    /// The first rule that holds for all addresses ends the search; rules for some networks stand beside it.
    fn tcp(&mut self, services: &[Arc<BoundService>]) -> Vec<Draft> {
        let mut drafts: Vec<Draft> = Vec::new();
        for service in services {
            for (index, rule) in service.object.spec.tcp.iter().enumerate().filter(|(_, rule)| !rule.route.is_empty()) {
                let path = format!("spec.tcp[{index}]");
                let mut subnets = Vec::new();
                let mut everywhere = rule.r#match.is_empty();
                for block in &rule.r#match {
                    let conditions = Conditions {
                        port: block.port,
                        gateways: &block.gateways,
                        source_labels: &block.source_labels,
                        source_namespace: block.source_namespace.as_ref(),
                    };
                    if self.applies(&conditions) {
                        everywhere |= block.destination_subnets.is_empty();
                        subnets.extend(block.destination_subnets.iter().cloned());
                    }
                }
                if !everywhere && subnets.is_empty() {
                    continue;
                }
                let proxy = self.routes.forward(service, &rule.route, &path, self.port.number);
                if everywhere {
                    drafts.push(self.draft(service, self.networks.to_vec(), proxy));
                    return drafts;
                }
                let networks = self.subnets(service, &subnets, &path);
                drafts.push(self.draft(service, networks, proxy));
            }
        }
        let proxy = self.service_itself();
        let itself = Draft { name: self.service.host.clone(), ..self.plain(proxy) };
        if !drafts.iter().any(|draft| draft.networks == itself.networks) {
            drafts.push(itself);
        }
        drafts
    }

    fn applies(&self, conditions: &Conditions<'_>) -> bool {
        let proxy = &self.routes.context.proxy;
        conditions.port.is_none_or(|port| port == u32::from(self.port.number))
            && (conditions.gateways.is_empty() || conditions.gateways.iter().any(|name| name == MESH_GATEWAY))
            && selects(conditions.source_labels, &proxy.labels)
            && conditions.source_namespace.is_none_or(|namespace| *namespace == proxy.namespace)
    }

    /// The networks of a match, else those of the service.
    fn subnets(&mut self, service: &BoundService, subnets: &[String], path: &str) -> Vec<IpNet> {
        if subnets.is_empty() {
            return self.networks.to_vec();
        }
        let mut networks = Vec::new();
        for subnet in subnets {
            match super::listener::network(subnet) {
                Some(network) => networks.push(network),
                None => {
                    let message = format!("ignored: {subnet:?} is no network");
                    let path = format!("{path}.destinationSubnets");
                    self.routes.reports.error(&service.reference(), path, "bad-network", message);
                }
            }
        }
        networks
    }

    fn draft(&self, service: &BoundService, networks: Vec<IpNet>, proxy: TcpProxy) -> Draft {
        let name = format!("{}/{}", service.namespace(), service.object.meta.name);
        Draft { name, networks, ..self.plain(proxy) }
    }

    fn plain(&self, proxy: TcpProxy) -> Draft {
        Draft {
            name: String::new(),
            http_only: false,
            server_names: Vec::new(),
            networks: self.networks.to_vec(),
            filter: NetworkFilter::Tcp(proxy),
        }
    }

    /// Without rules: the dialled port, or the only one that there is.
    fn service_itself(&mut self) -> TcpProxy {
        let number = self.service.only_port().unwrap_or(self.port).number;
        let key = ClusterKey::new(&self.service.host, number, "");
        self.routes.wanted.cluster(&key, &self.service.reference(), "spec.hosts");
        let rule = self.routes.context.rule_for(self.service);
        tcp_proxy_under(vec![WeightedCluster { cluster: key.name(), weight: 100 }], rule.as_deref(), "")
    }

    /// A service without an address of its own is told by SNI.
    fn names_of_service(&self) -> Vec<String> {
        let any_name = is_wildcard(&self.service.host) && self.service.resolution == Resolution::DynamicDns;
        if self.own_address && !any_name {
            return Vec::new();
        }
        let context = self.routes.context;
        let mut names = vec![self.service.host.clone()];
        for alias in context.registry.aliases_of(&self.service.host) {
            names.push(alias.host.clone());
            names.extend(alternatives(&alias.host, &context.proxy.node));
        }
        sni(&names)
    }
}

/// In lower case; none if `*` is among them.
fn sni(names: &[String]) -> Vec<String> {
    if names.iter().any(|name| name == "*") {
        return Vec::new();
    }
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}
