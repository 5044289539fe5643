//! What requests share: within a worker, and across all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::clock::Clock;
use crate::config::{Runtime, Store};
use crate::dns::Dns;
use crate::format::Around;
use crate::listen::original_dst::OriginalDestination;
use crate::net::Dialer;
use crate::observe::Observer;
use crate::route::CompiledRoute;
use crate::upstream::pool::{Pool, Pools};

/// Shared by all workers.
pub struct Shared {
    /// The configuration in force.
    pub store: Arc<Store>,
    /// Opens connections to endpoints.
    pub dialer: Arc<dyn Dialer>,
    /// Resolves names.
    pub dns: Dns,
    /// The wall clock.
    pub clock: Clock,
    /// Metrics and access logs.
    pub observer: Arc<Observer>,
    /// Name of this machine or pod.
    pub hostname: Arc<str>,
    /// How redirected connections tell where they were going.
    pub original_dst: OriginalDestination,
    /// Open connections of clients.
    pub open_connections: Arc<AtomicUsize>,
    /// Connections to endpoints, of all workers.
    pub pools: Arc<Pools>,
    connections: AtomicU64,
}

impl Shared {
    /// With nothing counted yet.
    pub fn new(
        store: Arc<Store>,
        dialer: Arc<dyn Dialer>,
        dns: Dns,
        clock: Clock,
        observer: Arc<Observer>,
        hostname: Arc<str>,
    ) -> Self {
        Shared {
            store,
            dialer,
            dns,
            clock,
            observer,
            hostname,
            original_dst: OriginalDestination::default(),
            open_connections: Arc::default(),
            pools: Arc::default(),
            connections: AtomicU64::new(0),
        }
    }

    /// Redirected connections tell so where they were going.
    #[must_use]
    pub fn with_original_dst(self, original_dst: OriginalDestination) -> Self {
        Shared { original_dst, ..self }
    }

    /// The next connection's number.
    pub fn next_connection_id(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// One thread's share.
pub struct Worker {
    /// Shared by all.
    pub shared: Arc<Shared>,
    /// Connections to endpoints.
    pub pool: Arc<Pool>,
    /// Randomness; only this thread asks, so the lock never waits.
    pub rng: Mutex<SmallRng>,
    /// Metrics that this thread has looked up before.
    pub metrics: crate::observe::WorkerMetrics,
}

impl Worker {
    /// With randomness from `seed`.
    pub fn new(shared: Arc<Shared>, seed: u64) -> Self {
        Worker {
            metrics: crate::observe::WorkerMetrics::new(&shared.observer),
            pool: Pool::new(&shared.pools),
            shared,
            rng: Mutex::new(SmallRng::seed_from_u64(seed)),
        }
    }

    /// What operators may read beside a request.
    pub fn around<'a>(&'a self, route: Option<&'a CompiledRoute>, runtime: &'a Runtime) -> Around<'a> {
        Around { clock: self.shared.clock, rng: &self.rng, route, clusters: &runtime.clusters }
    }
}
