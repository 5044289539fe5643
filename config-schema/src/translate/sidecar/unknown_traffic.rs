//! Where connections and requests to places that are in no registry go (`outboundTrafficPolicy`).

use std::sync::Arc;
use std::time::Duration;

use crate::resources::mesh_config::MeshOutboundTrafficMode;
use crate::resources::sidecar::{OutboundTrafficPolicy, OutboundTrafficPolicyMode};
use crate::resources::{MeshConfig, Object, Sidecar};
use crate::snapshot::{
    ANY_DYNAMIC_DNS, Cluster, DirectResponse, Discovery, Endpoints, Forward, LbPolicy, LoadBalancer, ObjectRef, Route,
    RouteAction, RouteMatch, ServiceRef, Snapshot, TcpProxy, UpstreamProtocol, UpstreamTlsMode, VirtualHost,
    WeightedCluster, WeightedDestination,
};
use crate::translate::Context;
use crate::translate::cluster::{ClusterKey, any_address};
use crate::translate::connection_pool;
use crate::translate::l4_route::tcp_settings;
use crate::translate::report::object_ref;
use crate::translate::traffic_policy::Policy;
use crate::translate::wanted::Wanted;

/// Sends to where the application dialled.
const PASSTHROUGH: &str = "PassthroughCluster";
/// Sends nowhere.
const BLACK_HOLE: &str = "BlackHoleCluster";
/// Status of requests that may not go on.
const BLOCKED: u16 = 502;
/// How long a connection to an unknown place may be idle between requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// What becomes of traffic to unknown places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UnknownTraffic {
    /// Connections are closed, requests answered with 502.
    Refuse,
    /// It goes on.
    Pass,
    /// It goes to a proxy that decides.
    Proxy(ClusterKey, ObjectRef),
    /// Requests go where DNS says, everything else goes on.
    DynamicDns,
}

impl UnknownTraffic {
    /// By the Sidecar in force if it says anything, else by the mesh.
    pub(super) fn new(sidecar: Option<&Arc<Object<Sidecar>>>, mesh: &MeshConfig) -> Self {
        let own =
            sidecar.and_then(|sidecar| Some((object_ref(sidecar), sidecar.spec.outbound_traffic_policy.as_ref()?)));
        match own {
            None => match mesh.outbound_traffic_mode() {
                MeshOutboundTrafficMode::RegistryOnly => Self::Refuse,
                MeshOutboundTrafficMode::AllowAny => Self::Pass,
                MeshOutboundTrafficMode::AllowAnyDynamicDns => Self::DynamicDns,
            },
            Some((_, OutboundTrafficPolicy { mode: OutboundTrafficPolicyMode::RegistryOnly, .. })) => Self::Refuse,
            Some((object, policy)) => match &policy.egress_proxy {
                None => Self::Pass,
                Some(proxy) => {
                    let port = proxy.port.and_then(|port| u16::try_from(port.number).ok()).unwrap_or(0);
                    let subset = proxy.subset.as_deref().unwrap_or_default();
                    Self::Proxy(ClusterKey::new(&proxy.host, port, subset), object)
                }
            },
        }
    }

    /// The cluster of bytes.
    fn byte_cluster(&self, wanted: &mut Wanted) -> String {
        match self {
            Self::Refuse => BLACK_HOLE.to_owned(),
            Self::Pass | Self::DynamicDns => PASSTHROUGH.to_owned(),
            Self::Proxy(key, object) => {
                wanted.cluster(key, object, "spec.outboundTrafficPolicy.egressProxy");
                key.name()
            }
        }
    }

    /// Where bytes go.
    pub(super) fn bytes(&self, wanted: &mut Wanted) -> TcpProxy {
        to(self.byte_cluster(wanted))
    }

    /// Where requests go: the virtual host of all hosts that no other has.
    pub(super) fn requests(&self, wanted: &mut Wanted) -> VirtualHost {
        let (name, cluster) = match self {
            Self::Refuse => ("block_all", None),
            Self::DynamicDns => ("allow_any_dynamic_dns", Some(ANY_DYNAMIC_DNS.to_owned())),
            Self::Pass | Self::Proxy(..) => ("allow_any", Some(self.byte_cluster(wanted))),
        };
        let action = match cluster {
            None => RouteAction::Direct(DirectResponse { status: BLOCKED, body: None }),
            Some(cluster) => RouteAction::Forward(Box::new(Forward {
                destinations: vec![WeightedDestination {
                    cluster: cluster.into(),
                    weight: 100,
                    ..WeightedDestination::default()
                }],
                ..Forward::default()
            })),
        };
        let route = Route {
            name: name.into(),
            source: Arc::default(),
            matches: RouteMatch::default(),
            action,
            request_headers: Default::default(),
            response_headers: Default::default(),
            cors: None,
            fault: None,
            operation: String::new(),
        };
        VirtualHost {
            name: name.to_owned(),
            domains: vec!["*".to_owned()],
            require_tls: false,
            routes: vec![Arc::new(route)],
        }
    }
}

/// Where connections go that must go nowhere.
pub(super) fn black_hole() -> TcpProxy {
    to(BLACK_HOLE.to_owned())
}

fn to(cluster: String) -> TcpProxy {
    tcp_settings(vec![WeightedCluster { cluster, weight: 100 }], None, "")
}

/// Adds the clusters that traffic to unknown places goes to, but for a proxy's.
pub(super) fn add_clusters(snapshot: &mut Snapshot, context: &Context<'_>, unknown: &UnknownTraffic) {
    let mut wanted = vec![(BLACK_HOLE, Discovery::Endpoints)];
    if matches!(unknown, UnknownTraffic::Pass | UnknownTraffic::DynamicDns) {
        wanted.push((PASSTHROUGH, Discovery::OriginalDestination { port: None }));
    }
    if *unknown == UnknownTraffic::DynamicDns {
        let hosts = vec!["*".to_owned()];
        let discovery = Discovery::DynamicDns { hosts, port: None, allow_addresses: any_address() };
        wanted.push((ANY_DYNAMIC_DNS, discovery));
    }
    for (name, discovery) in wanted {
        if discovery == Discovery::Endpoints {
            snapshot.endpoints.insert(name.to_owned(), Arc::new(Endpoints::default()));
        }
        let cluster = cluster(name, discovery, context.mesh);
        snapshot.clusters.insert(name.to_owned(), Arc::new(cluster));
    }
}

fn cluster(name: &str, discovery: Discovery, mesh: &MeshConfig) -> Cluster {
    // Ejection would make no sense where endpoints are not chosen.
    let policy = Policy { outlier_detection: None, ..Policy::new(None, mesh, 0, "") };
    let protocol = UpstreamProtocol::Client;
    let balancer = if discovery == Discovery::Endpoints { LbPolicy::RoundRobin } else { LbPolicy::Passthrough };
    let mut pool = connection_pool::pool(&policy, mesh, protocol);
    pool.idle_timeout = Some(IDLE_TIMEOUT);
    Cluster {
        name: name.to_owned(),
        service: ServiceRef { host: name.to_owned(), ..ServiceRef::default() },
        destination_rule: None,
        discovery,
        load_balancer: LoadBalancer { policy: balancer, warmup: None, panic_threshold: 0, locality_weighted: false },
        circuit_breakers: connection_pool::circuit_breakers(&policy),
        outlier_detection: None,
        health_check: None,
        protocol,
        pool,
        tls: UpstreamTlsMode::Disable,
        proxy_protocol: None,
        external: true,
    }
}
