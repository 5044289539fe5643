//! Clusters at run time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use config_schema::snapshot::{self, Discovery, Endpoints, UpstreamTlsMode};
use rustc_hash::FxBuildHasher;

use super::host::Host;
use super::lb::PickContext;
use super::outlier::Observed;
use super::state::ClusterState;
use crate::tls::TlsError;
use crate::tls::client::ClientTls;

use crate::dns::guard::AddressGuard;
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
        self.state.pick(context)
    }

    /// Takes note of what a request has shown of an endpoint. The time is asked for only if that has consequences.
    pub fn observe(&self, host: &Host, observed: Observed, now: impl FnOnce() -> Instant) {
        if observed.is_failure() {
            host.state.errors.fetch_add(1, Ordering::Relaxed);
        }
        let Some(config) = &self.spec.outlier_detection else { return };
        let [first, second] = host.state.failures.count(observed, config);
        if first.is_none() && second.is_none() {
            return;
        }
        let now = now();
        for trigger in [first, second].into_iter().flatten() {
            self.state.eject(host, trigger, now);
        }
    }

    /// Takes over endpoints.
    pub fn update_hosts(&self, endpoints: &Endpoints, now: Instant) {
        self.state.set_endpoints(endpoints, now);
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
