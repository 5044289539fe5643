//! Connections to endpoints that carry requests. One pool for each worker: a connection never leaves the thread that
//! drives it. Other workers only ever close one that idles, where the number of connections is limited.

mod h1;
mod h2;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use self::h1::IdleConnections;
pub(super) use self::h1::Reusable;
use self::h2::Slots;
pub(super) use self::h2::{Asked, H2Connection, H2Grant, Slot, StreamSlot};
use super::circuit_breaker::ConnectionGuard;
use super::ends::Ends;
use super::state::ClusterState;

/// What makes two connections interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// The cluster's policy: what it says about TLS, PROXY protocol and versions.
    pub policy: u64,
    /// The endpoint.
    pub host: u64,
    /// SNI, where it depends on the request.
    pub server_name: Option<Arc<str>>,
    /// Client address in the PROXY protocol header.
    pub source: Option<std::net::SocketAddr>,
    /// HTTP/2.
    pub http2: bool,
}

/// Age and use of a connection.
#[derive(Debug)]
pub struct Life {
    /// When it was opened.
    pub opened: Instant,
    /// Requests it has carried.
    pub requests: u32,
    /// What is known of it.
    pub ends: Ends,
    guard: ConnectionGuard,
}

impl Life {
    /// Of a connection opened at `now`.
    pub fn new(now: Instant, ends: Ends, guard: ConnectionGuard) -> Self {
        Life { opened: now, requests: 0, ends, guard }
    }

    /// Whether the configuration lets it carry one more request.
    pub fn may_continue(&self, limits: &Limits, now: Instant) -> bool {
        limits.max_requests.is_none_or(|max| self.requests < max)
            && limits.max_age.is_none_or(|max| now.duration_since(self.opened) < max)
    }

    fn cluster(&self) -> &Arc<ClusterState> {
        self.guard.state()
    }
}

/// How long connections may live.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Without a request.
    pub idle: Option<Duration>,
    /// At all.
    pub max_age: Option<Duration>,
    /// Requests.
    pub max_requests: Option<u32>,
    /// Requests at once, over HTTP/2.
    pub max_streams: u32,
    /// The cluster has a limit of connections: those that idle can be asked for.
    pub limited: bool,
}

/// The connections of a worker.
#[derive(Debug)]
pub struct Pool {
    id: u64,
    all: Arc<Pools>,
    idle: IdleConnections,
    slots: Slots,
}

/// The pools of all workers.
#[derive(Debug, Default)]
pub struct Pools(Mutex<Vec<Weak<Pool>>>);

/// Numbers pools.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Pool {
    /// One more among `all`.
    pub fn new(all: &Arc<Pools>) -> Arc<Self> {
        let pool = Arc::new(Pool {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            all: Arc::clone(all),
            idle: IdleConnections::default(),
            slots: Slots::default(),
        });
        let mut pools = all.0.lock();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(&pool));
        pool
    }

    /// Takes the most recently used HTTP/1 connection that is still good.
    pub(super) fn take(&self, key: &PoolKey, limits: &Limits, now: Instant) -> Option<Reusable> {
        self.idle.take(key, limits, now)
    }

    /// Keeps an HTTP/1 connection for the next request, or hands it to one that waits for it.
    pub(super) fn put(&self, key: PoolKey, connection: Reusable, limits: &Limits, now: Instant) {
        if !connection.life.may_continue(limits, now) || !connection.host.state.keeps(connection.life.opened.into_std())
        {
            return;
        }
        let state = Arc::clone(connection.life.cluster());
        if state.waiting.is_empty() {
            self.idle.put(key, connection, limits, now);
        } else {
            let place = (self.id, key);
            if let Some(back) = state.waiting.offer(&place, Box::new(connection)) {
                self.idle.put(place.1, *back, limits, now);
            }
        }
        // Someone may have got into line just now, and found nothing idle yet.
        if limits.limited && !state.waiting.is_empty() {
            self.all.close_idle(&state);
        }
    }

    /// The HTTP/2 connections of a key.
    pub(super) fn slot(&self, key: &PoolKey) -> Arc<Slot> {
        self.slots.get(key)
    }

    /// Where a request that waits can use a connection as it is.
    pub(super) fn place(&self, key: &PoolKey) -> (u64, PoolKey) {
        (self.id, key.clone())
    }

    /// Closes a connection of a cluster that idles, in whichever worker's pool.
    pub(super) fn close_idle(&self, state: &Arc<ClusterState>) -> bool {
        self.all.close_idle(state)
    }

    /// Closes what has idled too long, what the peer has closed, and what nothing will ask for again.
    pub fn sweep(&self, now: Instant, policy_is_current: impl Fn(u64) -> bool) {
        self.idle.sweep(now, &policy_is_current);
        self.slots.sweep(now, &policy_is_current);
    }

    /// Number of idle HTTP/1 connections and of HTTP/2 connections.
    pub fn counts(&self) -> (usize, usize) {
        (self.idle.len(), self.slots.len())
    }
}

impl Pools {
    fn close_idle(&self, state: &Arc<ClusterState>) -> bool {
        if !state.waiting.has_idle() {
            return false;
        }
        let pools: Vec<Arc<Pool>> = self.0.lock().iter().filter_map(Weak::upgrade).collect();
        pools.iter().any(|pool| pool.idle.close_one(state) || pool.slots.close_one(state))
    }
}
