//! Which listeners traffic leaves the mesh by, and where hosts go that are being learned.

use std::sync::Arc;

use config_schema::snapshot::{
    FilterChain, Forward, LEARNED_EGRESS, Listener, NetworkFilter, PathMatch, Route, RouteAction, RouteMatch, Snapshot,
    TcpProxy, WeightedCluster, WeightedDestination,
};

use crate::l4::TcpContext;
use crate::listen::chain::{Chain, Filter};
use crate::route::{CompiledRoute, Interner};

/// Some of its traffic goes to hosts outside of the mesh, or would: what it refuses concerns egress.
pub(super) fn leaves_mesh(snapshot: &Snapshot, listener: &Listener) -> bool {
    snapshot.clusters.contains_key(LEARNED_EGRESS)
        || listener.filter_chains.iter().any(|chain| chain_leaves(snapshot, chain))
}

fn chain_leaves(snapshot: &Snapshot, chain: &FilterChain) -> bool {
    let external = |name: &str| snapshot.clusters.get(name).is_some_and(|cluster| cluster.external);
    match &chain.filter {
        NetworkFilter::Tcp(tcp) => tcp.clusters.iter().any(|cluster| external(&cluster.cluster)),
        NetworkFilter::Http(http) if http.forward_proxy.is_some() => true,
        NetworkFilter::Http(http) => {
            let hosts = snapshot.route_tables.get(&http.route_table).map(|table| table.virtual_hosts.as_slice());
            let routes = hosts.unwrap_or_default().iter().flat_map(|host| &host.routes);
            routes.into_iter().any(|route| match &route.action {
                RouteAction::Forward(forward) => forward.destinations.iter().any(|to| external(&to.cluster)),
                RouteAction::Redirect(_) | RouteAction::Direct(_) => false,
            })
        }
    }
}

/// The route of requests for hosts that are being learned; `None` if they are not.
pub(super) fn learning_route(snapshot: &Snapshot) -> Option<Arc<CompiledRoute>> {
    snapshot.clusters.get(LEARNED_EGRESS)?;
    let to = WeightedDestination { cluster: LEARNED_EGRESS.into(), weight: 1, ..WeightedDestination::default() };
    let forward = Forward { destinations: vec![to], ..Forward::default() };
    let route = Route {
        name: LEARNED_EGRESS.into(),
        source: Default::default(),
        matches: RouteMatch { path: PathMatch::Any, ..RouteMatch::default() },
        action: RouteAction::Forward(Box::new(forward)),
        request_headers: Default::default(),
        response_headers: Default::default(),
        cors: None,
        fault: None,
        operation: String::new(),
    };
    // Without patterns there is nothing that could fail to compile.
    CompiledRoute::new(&Arc::new(route), &mut Interner::default()).ok().map(Arc::new)
}

/// The chain of TLS connections for hosts that are being learned; `None` if they are not.
pub(super) fn learning_chain(snapshot: &Snapshot) -> Option<Arc<Chain>> {
    let cluster = snapshot.clusters.get(LEARNED_EGRESS)?;
    let spec = TcpProxy {
        clusters: vec![WeightedCluster { cluster: LEARNED_EGRESS.to_owned(), weight: 1 }],
        idle_timeout: cluster.pool.tcp_idle_timeout,
        max_connection_duration: None,
        hash_policy: Vec::new(),
        tunnel: None,
    };
    let filter = Filter::Tcp(Arc::new(TcpContext { spec }));
    Some(Arc::new(Chain { name: LEARNED_EGRESS.to_owned(), tls: None, filter }))
}
