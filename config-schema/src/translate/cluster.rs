//! Clusters: a port of a service, or of a subset of it, under its policy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::Context;
use super::connection_pool;
use super::destination_rule::MergedRule;
use super::endpoints::{EndpointInput, endpoints};
use super::labels::Labels;
use super::locality_lb::LocalitySetting;
use super::protocol::Protocol;
use super::proxy::ProxyRole;
use super::registry::{Instance, Port, Resolution, Service};
use super::traffic_policy::{Policy, rule_tls_mode};
use super::upstream_tls::{TlsInput, upstream_tls, with_aliases};
use crate::resources::destination_rule as dr;
use crate::resources::mesh_config::MeshH2UpgradePolicy;
use crate::resources::peer_authentication::MutualTlsMode;
use crate::snapshot::{
    Cluster, ConsistentHash, Discovery, DnsLookup, Endpoints, HashRing, HealthCheck, LbPolicy, LoadBalancer,
    ProxyProtocolVersion, ServiceRef, UpstreamProtocol, UpstreamTlsMode, Warmup,
};

/// Points of a hash ring unless a rule says otherwise.
const RING_SIZE: u64 = 1024;
/// Slots of a Maglev table unless a rule says otherwise.
const MAGLEV_SIZE: u64 = 65537;

/// Names a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClusterKey {
    pub(super) host: String,
    pub(super) port: u16,
    /// Empty for none.
    pub(super) subset: String,
    /// TLS is passed on unopened, by a name that the client's SNI gives (AUTO_PASSTHROUGH).
    pub(super) sni_dnat: bool,
    /// The endpoint is what the client asks for by name, also where the service does not say how to find endpoints.
    pub(super) by_name: bool,
}

impl ClusterKey {
    pub(super) fn new(host: &str, port: u16, subset: &str) -> Self {
        Self { host: host.to_owned(), port, subset: subset.to_owned(), sni_dnat: false, by_name: false }
    }

    /// Host and port in the name of a cluster.
    pub(super) fn host_and_port(name: &str) -> Option<(&str, &str)> {
        let mut parts = name.split('|').skip(1);
        let (port, _, host) = (parts.next()?, parts.next()?, parts.next()?);
        Some((host, port))
    }

    /// `outbound|PORT|SUBSET|HOST`, or the SNI form; `dynamic|…` beside the cluster of that name.
    pub(super) fn name(&self) -> String {
        let Self { host, port, subset, .. } = self;
        match (self.sni_dnat, self.by_name) {
            (true, _) => self.sni(),
            (false, true) => format!("dynamic|{port}|{subset}|{host}"),
            (false, false) => format!("outbound|{port}|{subset}|{host}"),
        }
    }

    /// `outbound_.PORT_.SUBSET_.HOST`.
    pub(super) fn sni(&self) -> String {
        let Self { host, port, subset, .. } = self;
        format!("outbound_.{port}_.{subset}_.{host}")
    }
}

/// Why there is no cluster of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// No service of that host exists, or none that the proxy sees.
    Host,
    /// The service has no such port, or it is UDP.
    Port,
    /// The rule has no such subset, or there is no rule.
    Subset,
    /// Names to resolve are lacking.
    NoNames,
    /// Hosts of each request cannot be resolved for ports of this protocol, nor for subsets.
    DynamicDns,
}

/// A cluster and its endpoints, unless it finds them itself.
pub(super) struct BuiltCluster {
    pub(super) cluster: Cluster,
    pub(super) endpoints: Option<Endpoints>,
    /// The DestinationRule in force.
    pub(super) rule: Option<Arc<MergedRule>>,
}

impl Missing {
    /// Why there is no such cluster, and what to do about it.
    pub(super) fn explain(&self, key: &ClusterKey, context: &Context<'_>) -> String {
        let ClusterKey { host, port, subset, .. } = key;
        let namespace = &context.proxy.namespace;
        match self {
            Self::Host if context.registry.is_known(host) => {
                format!("{host} is not exported to namespace {namespace}, where the proxy is")
            }
            Self::Host => format!(
                "no Service or ServiceEntry has the host {host} (a name without dots is completed with the namespace, \
                 other names are taken as they are)"
            ),
            Self::Port => {
                let ports = context.registry.get(host).map(|service| {
                    service.ports.iter().map(|port| port.number.to_string()).collect::<Vec<_>>().join(", ")
                });
                format!("{host} has no port {port}; it has {}", ports.unwrap_or_default())
            }
            Self::Subset => match context.registry.get(host).and_then(|service| context.rule_for(service)) {
                Some(rule) => format!("DestinationRule {} for {host} has no subset {subset:?}", rule.name()),
                None => format!("subset {subset:?}: no DestinationRule for {host} holds on this proxy"),
            },
            Self::NoNames => format!("{host} is resolved by DNS but has no name or address to resolve"),
            Self::DynamicDns => format!(
                "{host} has resolution DYNAMIC_DNS, which serves ports of protocol HTTP, HTTP2, GRPC and TLS and has \
                 no subsets"
            ),
        }
    }
}

/// Builds a cluster.
pub(super) fn build(key: &ClusterKey, context: &Context<'_>) -> Result<BuiltCluster, Missing> {
    let service = context.registry.get(&key.host).ok_or(Missing::Host)?;
    if matches!(service.resolution, Resolution::Alias(_)) {
        return Err(Missing::Host);
    }
    let port = service.port(key.port).ok_or(Missing::Port)?;
    let rule = context.rule_for(service);
    if !key.subset.is_empty() && rule.as_ref().and_then(|rule| rule.subset(&key.subset)).is_none() {
        return Err(Missing::Subset);
    }
    let instances = context.registry.instances(service);
    let (cluster, endpoints) =
        ClusterBuilder { key, context, service, port, rule: rule.as_deref(), instances }.build()?;
    Ok(BuiltCluster { cluster, endpoints, rule })
}

struct ClusterBuilder<'b> {
    key: &'b ClusterKey,
    context: &'b Context<'b>,
    service: &'b Service,
    port: &'b Port,
    rule: Option<&'b MergedRule>,
    instances: Vec<Instance>,
}

impl ClusterBuilder<'_> {
    fn build(self) -> Result<(Cluster, Option<Endpoints>), Missing> {
        let mesh = self.context.mesh;
        let policy = Policy::new(self.rule, mesh, self.key.port, &self.key.subset);
        let locality = LocalitySetting::new(policy.load_balancer, self.service, mesh);
        let endpoints = self.endpoints(&policy, locality.as_ref());
        let discovery = self.discovery(&policy, &endpoints)?;
        let protocol = self.protocol(&policy);
        let tls = self.tls(&policy, &discovery, protocol);
        // Whoever dials an endpoint himself gets it, whatever is known of it.
        let outlier = policy.outlier_detection.filter(|_| !matches!(discovery, Discovery::OriginalDestination { .. }));
        let cluster = Cluster {
            name: self.key.name(),
            service: ServiceRef {
                host: self.service.host.clone(),
                name: self.service.name.clone(),
                namespace: self.service.namespace.clone(),
                port: self.key.port,
                subset: self.key.subset.clone(),
            },
            destination_rule: self.rule.map(MergedRule::name),
            load_balancer: self.load_balancer(&policy, locality.as_ref(), &discovery),
            circuit_breakers: connection_pool::circuit_breakers(&policy),
            outlier_detection: outlier.map(connection_pool::outlier_detection),
            health_check: self.health_check(&discovery),
            protocol,
            pool: connection_pool::pool(&policy, mesh, protocol),
            tls,
            proxy_protocol: policy.proxy_protocol.filter(|_| !self.key.sni_dnat).map(|protocol| {
                match protocol.version {
                    dr::ProxyProtocolVersion::V1 => ProxyProtocolVersion::V1,
                    dr::ProxyProtocolVersion::V2 => ProxyProtocolVersion::V2,
                }
            }),
            external: self.service.external,
            discovery,
        };
        let endpoints = (cluster.discovery == Discovery::Endpoints).then_some(endpoints);
        Ok((cluster, endpoints))
    }

    fn endpoints(&self, policy: &Policy<'_>, locality: Option<&LocalitySetting>) -> Endpoints {
        let no_labels = Labels::new();
        let subset = self.rule.and_then(|rule| rule.subset(&self.key.subset));
        let min_health = policy.outlier_detection.and_then(|outlier| outlier.min_health_percent).unwrap_or(0);
        let input = EndpointInput {
            proxy: &self.context.proxy,
            peer_authentication: &self.context.peer_authentication,
            service: self.service,
            port: self.port,
            subset_labels: subset.map_or(&no_labels, |subset| &subset.labels),
            rule_mesh_tls: rule_tls_mode(self.rule, self.port.number, &self.key.subset)
                .map(|mode| mode == dr::ClientTlsMode::IstioMutual),
            locality,
            failover: if self.is_dns() { policy.outlier_detection.is_some() } else { policy.outlier_by_rule },
            mesh_tls_only: self.key.sni_dnat,
            ready_only: min_health > 0,
        };
        endpoints(&self.instances, &input)
    }

    /// Endpoints that clients choose are not there to be checked, and what speaks through a door is not ours to ask.
    fn health_check(&self, discovery: &Discovery) -> Option<HealthCheck> {
        let checkable = match discovery {
            Discovery::Endpoints | Discovery::Dns(_) | Discovery::DnsRoundRobin(_) => !self.key.sni_dnat,
            Discovery::OriginalDestination { .. } | Discovery::DynamicDns { .. } => false,
        };
        self.rule.filter(|_| checkable)?.health_check.clone()
    }

    fn is_dns(&self) -> bool {
        matches!(self.service.resolution, Resolution::Dns | Resolution::DnsRoundRobin)
    }

    fn discovery(&self, policy: &Policy<'_>, endpoints: &Endpoints) -> Result<Discovery, Missing> {
        let simple = policy.load_balancer.and_then(|lb| lb.simple);
        let passthrough = simple == Some(dr::SimpleLb::Passthrough);
        let sidecar = self.context.proxy.role == ProxyRole::Sidecar;
        match self.service.resolution {
            Resolution::DynamicDns => self.dynamic_dns(),
            Resolution::Passthrough if self.resolves_names() => Ok(Discovery::DynamicDns {
                hosts: vec![self.service.host.clone()],
                port: Some(self.port.target_port.unwrap_or(self.port.number)),
                allow_addresses: self.service.allow_addresses.clone(),
            }),
            Resolution::Passthrough if sidecar => Ok(Discovery::OriginalDestination { port: self.port.target_port }),
            _ if passthrough => Ok(Discovery::OriginalDestination { port: None }),
            Resolution::Dns | Resolution::DnsRoundRobin => {
                if endpoints.localities.iter().all(|locality| locality.endpoints.is_empty()) {
                    return Err(Missing::NoNames);
                }
                let lookup = DnsLookup {
                    refresh: self.context.mesh.dns_refresh_rate().0,
                    endpoints: endpoints.clone(),
                    race_addresses: self.service.race_addresses,
                };
                let all = self.service.resolution == Resolution::Dns && !self.service.race_addresses;
                Ok(if all { Discovery::Dns(lookup) } else { Discovery::DnsRoundRobin(lookup) })
            }
            Resolution::Known | Resolution::Passthrough | Resolution::Alias(_) => Ok(Discovery::Endpoints),
        }
    }

    fn dynamic_dns(&self) -> Result<Discovery, Missing> {
        let served = [Protocol::Http, Protocol::Http2, Protocol::Grpc, Protocol::Tls];
        if !served.contains(&self.port.protocol) || !self.key.subset.is_empty() {
            return Err(Missing::DynamicDns);
        }
        let sidecar = self.context.proxy.role == ProxyRole::Sidecar;
        // Istio's sidecars resolve SNI, its gateways do not.
        let of_entry = self.port.protocol == Protocol::Tls && (sidecar || self.resolves_names());
        Ok(Discovery::DynamicDns {
            hosts: vec![self.service.host.clone()],
            port: of_entry.then_some(self.port.number),
            allow_addresses: if sidecar { any_address() } else { self.service.allow_addresses.clone() },
        })
    }

    /// A gateway's clients name the endpoint, where Istio's gateways have none.
    fn resolves_names(&self) -> bool {
        let gateway = self.context.proxy.role == ProxyRole::Gateway;
        gateway && (self.key.by_name || self.service.resolve_at_gateway)
    }

    fn protocol(&self, policy: &Policy<'_>) -> UpstreamProtocol {
        let http = policy.connection_pool.and_then(|pool| pool.http.as_ref());
        if http.is_some_and(|http| http.use_client_protocol) {
            return UpstreamProtocol::Client;
        }
        let upgrade = match http.map(|http| http.h2_upgrade_policy).unwrap_or_default() {
            dr::H2UpgradePolicy::Upgrade => true,
            dr::H2UpgradePolicy::DoNotUpgrade => false,
            dr::H2UpgradePolicy::Default => {
                self.port.protocol.is_http() && self.context.mesh.h2_upgrade_policy == MeshH2UpgradePolicy::Upgrade
            }
        };
        let sidecar = self.context.proxy.role == ProxyRole::Sidecar;
        if self.port.protocol.is_http2() || upgrade {
            UpstreamProtocol::Http2
        } else if sidecar && self.port.protocol == Protocol::Unknown {
            UpstreamProtocol::Client
        } else {
            UpstreamProtocol::Http1
        }
    }

    fn tls(&self, policy: &Policy<'_>, discovery: &Discovery, protocol: UpstreamProtocol) -> UpstreamTlsMode {
        if self.key.sni_dnat {
            return UpstreamTlsMode::Disable;
        }
        let mesh = self.context.mesh;
        let mut identities: Vec<String> =
            self.instances.iter().filter_map(|instance| instance.who.identity.clone()).collect();
        identities.extend(self.service.subject_alt_names.iter().cloned());
        upstream_tls(
            policy.tls,
            &TlsInput {
                mesh,
                service: self.service,
                identities: with_aliases(identities, mesh),
                mesh_sni: self.key.sni(),
                mode: self.mesh_mode(policy),
                http2: protocol == UpstreamProtocol::Http2,
                original_destination: matches!(discovery, Discovery::OriginalDestination { .. }),
                dynamic_dns: matches!(discovery, Discovery::DynamicDns { .. }),
            },
        )
    }

    /// The mode of mutual TLS that the mesh sets for the service. Where clients choose the endpoint, it is off unless
    /// every endpoint speaks it.
    fn mesh_mode(&self, policy: &Policy<'_>) -> Option<MutualTlsMode> {
        if self.service.external {
            return None;
        }
        let passthrough = policy.load_balancer.and_then(|lb| lb.simple) == Some(dr::SimpleLb::Passthrough);
        if passthrough || self.service.resolution == Resolution::Passthrough {
            let mut of_port = self.instances.iter().filter(|instance| instance.port_name == self.port.name).peekable();
            if of_port.peek().is_none() || of_port.any(|instance| !instance.who.mesh_tls) {
                return Some(MutualTlsMode::Disable);
            }
        }
        let mode = self.context.peer_authentication.namespace_mode(&self.service.namespace);
        Some(mode.unwrap_or(MutualTlsMode::Permissive))
    }

    fn load_balancer(
        &self,
        policy: &Policy<'_>,
        locality: Option<&LocalitySetting>,
        discovery: &Discovery,
    ) -> LoadBalancer {
        let settings = policy.load_balancer;
        let simple = settings.and_then(|settings| settings.simple).unwrap_or_default();
        let hash = settings.and_then(|settings| settings.consistent_hash.as_ref());
        let outlier = policy.outlier_detection;
        let algorithm = match (discovery, hash, simple) {
            (Discovery::OriginalDestination { .. } | Discovery::DynamicDns { .. }, ..) => LbPolicy::Passthrough,
            (_, Some(hash), _) => LbPolicy::ConsistentHash(ConsistentHash { ring: ring(hash) }),
            (_, None, dr::SimpleLb::Random) => LbPolicy::Random,
            (_, None, dr::SimpleLb::RoundRobin) => LbPolicy::RoundRobin,
            (_, None, _) => LbPolicy::LeastRequest,
        };
        let warms_up = matches!(algorithm, LbPolicy::LeastRequest | LbPolicy::RoundRobin);
        let min_health = outlier.and_then(|outlier| outlier.min_health_percent).unwrap_or(0);
        LoadBalancer {
            policy: algorithm,
            warmup: settings.filter(|_| warms_up).and_then(warmup),
            panic_threshold: u32::try_from(min_health).unwrap_or(0),
            locality_weighted: locality.is_some_and(|locality| locality.weighted(outlier.is_some())),
        }
    }
}

/// All networks: an application could connect to every address by itself, so that none is protected from it.
pub(super) fn any_address() -> Vec<(IpAddr, u8)> {
    vec![(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)]
}

fn ring(hash: &dr::ConsistentHashLb) -> HashRing {
    if let Some(maglev) = hash.maglev {
        return HashRing::Maglev { table_size: maglev.table_size.unwrap_or(MAGLEV_SIZE) };
    }
    let minimum = match hash.ring_hash {
        Some(ring) => ring.minimum_ring_size,
        None => hash.minimum_ring_size,
    };
    HashRing::Ring { minimum_size: minimum.unwrap_or(RING_SIZE) }
}

fn warmup(settings: &dr::LoadBalancerSettings) -> Option<Warmup> {
    let defaults = |duration: crate::resources::wire::Duration| Warmup {
        duration: duration.0,
        minimum_percent: 10.0,
        aggression: 1.0,
    };
    match (settings.warmup, settings.warmup_duration_secs) {
        (Some(warmup), _) => Some(Warmup {
            duration: warmup.duration.0,
            minimum_percent: warmup.minimum_percent.unwrap_or(10.0),
            aggression: warmup.aggression.unwrap_or(1.0),
        }),
        (None, duration) => duration.map(defaults),
    }
}
