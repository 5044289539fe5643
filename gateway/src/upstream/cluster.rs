//! Clusters at run time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use config_schema::snapshot::{self, Discovery, Endpoints, UpstreamTlsMode};
use parking_lot::Mutex;
use rustc_hash::FxBuildHasher;

use super::host::{Host, HostSet, Observed};
use super::lb::{LbState, PickContext};
use crate::dns::Resolution;
use crate::dns::guard::AddressGuard;
use crate::tls::TlsError;
use crate::tls::client::ClientTls;

/// What survives configuration changes of a cluster.
#[derive(Debug, Default)]
pub struct ClusterState {
    /// Endpoints; replaced as a whole.
    pub hosts: ArcSwap<HostSet>,
    /// The balancer's memory.
    pub lb: LbState,
    /// Requests at once.
    pub active_requests: AtomicU32,
    /// Requests waiting for a connection.
    pub pending_requests: AtomicU32,
    /// Connections at once.
    pub connections: AtomicU32,
    /// Retries at once.
    pub active_retries: AtomicU32,
    /// What DNS says of its endpoints.
    pub resolution: Resolution,
}

/// A cluster: its configuration, compiled, and its state.
#[derive(Debug)]
pub struct Cluster {
    /// Name in the snapshot.
    pub name: Arc<str>,
    /// As configured.
    pub spec: Arc<snapshot::Cluster>,
    /// TLS towards endpoints, compiled; `Err` says why it cannot be used (a missing secret).
    pub tls: Option<Result<Arc<ClientTls>, TlsError>>,
    /// Tells connections of different policies apart in pools.
    pub pool_id: u64,
    /// What names that requests choose may resolve to; `None` where requests choose none.
    pub guard: Option<Arc<AddressGuard>>,
    /// What survives.
    pub state: Arc<ClusterState>,
}

/// Clusters by name.
pub type Clusters = HashMap<Arc<str>, Arc<Cluster>, FxBuildHasher>;

impl Cluster {
    /// Picks an endpoint.
    pub fn pick(&self, context: &mut PickContext<'_>) -> Option<Arc<Host>> {
        let hosts = self.state.hosts.load();
        self.state.lb.pick(&self.spec.load_balancer, &hosts, context)
    }

    /// Takes note of what a request has shown of an endpoint.
    pub fn observe(&self, host: &Host, observed: Observed) {
        if observed.is_failure() {
            host.state.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes over endpoints.
    pub fn update_hosts(&self, endpoints: &Endpoints, now: Instant) {
        let previous = self.state.hosts.load();
        let next = HostSet::new(endpoints, &previous, now);
        self.state.hosts.store(Arc::new(next));
        self.state.lb.hosts_changed();
    }

    /// Whether TLS is spoken to this endpoint (mesh TLS only to endpoints that have it).
    pub fn uses_tls(&self, host: &Host) -> bool {
        match &self.spec.tls {
            UpstreamTlsMode::Disable => false,
            UpstreamTlsMode::Tls(_) => true,
            UpstreamTlsMode::Auto(_) => host.spec.mesh_tls,
        }
    }

    /// Whether its endpoints come with the snapshot (and not from DNS or the connection).
    pub fn is_static(&self) -> bool {
        self.spec.discovery == Discovery::Endpoints
    }
}

/// States of clusters by name: what is asked for again after a configuration change.
#[derive(Debug, Default)]
pub struct ClusterStates {
    states: Mutex<HashMap<String, Arc<ClusterState>>>,
}

impl ClusterStates {
    /// The state of a cluster; a new one if there is none.
    pub fn get(&self, name: &str) -> Arc<ClusterState> {
        Arc::clone(self.states.lock().entry(name.to_owned()).or_default())
    }

    /// Forgets clusters that are gone and that no request uses any more.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.states.lock().retain(|name, state| keep(name) || Arc::strong_count(state) > 1);
    }
}

/// Counts a request in a cluster while it lives.
#[derive(Debug)]
pub struct RequestGuard {
    state: Arc<ClusterState>,
    retry: bool,
}

impl RequestGuard {
    /// Counts a request, unless a circuit breaker is open.
    pub fn try_new(cluster: &Cluster, retry: bool) -> Option<Self> {
        let limits = &cluster.spec.circuit_breakers;
        let state = &cluster.state;
        if !add_within(&state.active_requests, limits.max_requests) {
            return None;
        }
        if retry {
            state.active_retries.fetch_add(1, Ordering::Relaxed);
        }
        Some(RequestGuard { state: Arc::clone(state), retry })
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.state.active_requests.fetch_sub(1, Ordering::Relaxed);
        if self.retry {
            self.state.active_retries.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Adds one unless that would exceed the limit.
pub(super) fn add_within(counter: &AtomicU32, limit: Option<u32>) -> bool {
    let Some(limit) = limit else {
        counter.fetch_add(1, Ordering::Relaxed);
        return true;
    };
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < limit).then_some(count + 1)).is_ok()
}
