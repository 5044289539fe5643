//! Connections to endpoints that wait for their next request. One pool for each worker: a connection never leaves the
//! thread that drives it, and nothing is locked between threads.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use pingora_core::connectors::http::v2::ConnectionRef;
use rustc_hash::FxBuildHasher;
use tokio::time::Instant;

use super::cluster::ClusterState;
use super::host::Host;
use super::stream::UpstreamIo;
use crate::http1::client::ClientConnection;

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

/// Counts a connection in its cluster while it lives.
#[derive(Debug)]
pub struct ConnectionGuard(Arc<ClusterState>);

impl ConnectionGuard {
    /// Counts a connection, unless the limit is reached.
    pub fn try_new(state: &Arc<ClusterState>, limit: Option<u32>) -> Option<Self> {
        super::cluster::add_within(&state.connections, limit).then(|| ConnectionGuard(Arc::clone(state)))
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Age and use of a connection.
#[derive(Debug)]
pub struct Life {
    /// When it was opened.
    pub opened: Instant,
    /// Requests it has carried.
    pub requests: u32,
    /// Our end of it.
    pub local: Option<std::net::SocketAddr>,
    _guard: ConnectionGuard,
}

impl Life {
    /// Of a connection opened at `now`.
    pub fn new(now: Instant, local: Option<std::net::SocketAddr>, guard: ConnectionGuard) -> Self {
        Life { opened: now, requests: 0, local, _guard: guard }
    }

    /// Whether the configuration lets it carry one more request.
    pub fn may_continue(&self, limits: &Limits, now: Instant) -> bool {
        limits.max_requests.is_none_or(|max| self.requests < max)
            && limits.max_age.is_none_or(|max| now.duration_since(self.opened) < max)
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
}

struct IdleH1 {
    connection: Box<ClientConnection<UpstreamIo>>,
    host: Arc<Host>,
    life: Life,
    expires: Option<Instant>,
}

/// HTTP/2 connections of one key; the lock is held while one is opened, so that requests wait for it together.
pub type H2Slot = Arc<tokio::sync::Mutex<Vec<H2Connection>>>;

/// An HTTP/2 connection.
pub struct H2Connection {
    /// Pingora's handle of it.
    pub connection: ConnectionRef,
    /// Requests it has carried, shared with those under way.
    pub requests: Arc<AtomicU32>,
    /// The endpoint.
    pub host: Arc<Host>,
    /// Age and use.
    pub life: Life,
    /// How long it may idle.
    pub idle: Option<Duration>,
    /// Until when, once it idles.
    pub expires: Option<Instant>,
}

impl H2Connection {
    /// Whether another stream may be opened.
    pub fn is_usable(&self, limits: &Limits, now: Instant) -> bool {
        !self.connection.is_closed()
            && self.connection.can_accept_streams(1)
            && limits.max_requests.is_none_or(|max| self.requests.load(Ordering::Relaxed) < max)
            && limits.max_age.is_none_or(|max| now.duration_since(self.life.opened) < max)
    }
}

/// The connections of a worker.
#[derive(Default)]
pub struct Pool {
    h1: Mutex<HashMap<PoolKey, Vec<IdleH1>, FxBuildHasher>>,
    h2: Mutex<HashMap<PoolKey, H2Slot, FxBuildHasher>>,
}

impl Pool {
    /// Takes the most recently used HTTP/1 connection that is still good.
    pub fn take_h1(
        &self,
        key: &PoolKey,
        limits: &Limits,
        now: Instant,
    ) -> Option<(Box<ClientConnection<UpstreamIo>>, Life)> {
        let mut pool = self.h1.lock();
        let idle = pool.get_mut(key)?;
        while let Some(mut candidate) = idle.pop() {
            let expired = candidate.expires.is_some_and(|expires| expires <= now);
            let mut context = Context::from_waker(Waker::noop());
            if !expired && candidate.life.may_continue(limits, now) && !candidate.connection.is_dead(&mut context) {
                return Some((candidate.connection, candidate.life));
            }
        }
        None
    }

    /// Keeps an HTTP/1 connection for the next request.
    pub fn put_h1(
        &self,
        key: PoolKey,
        host: Arc<Host>,
        connection: Box<ClientConnection<UpstreamIo>>,
        life: Life,
        limits: &Limits,
        now: Instant,
    ) {
        if !life.may_continue(limits, now) {
            return;
        }
        let expires = limits.idle.map(|idle| now + idle);
        self.h1.lock().entry(key).or_default().push(IdleH1 { connection, host, life, expires });
    }

    /// The HTTP/2 connections of a key.
    pub fn h2(&self, key: &PoolKey) -> H2Slot {
        let mut pool = self.h2.lock();
        match pool.get(key) {
            Some(slot) => Arc::clone(slot),
            None => Arc::clone(pool.entry(key.clone()).or_default()),
        }
    }

    /// Closes what has idled too long, what the peer has closed, and what nothing will ask for again.
    pub fn sweep(&self, now: Instant, policy_is_current: impl Fn(u64) -> bool) {
        let mut context = Context::from_waker(Waker::noop());
        self.h1.lock().retain(|key, idle| {
            let current = policy_is_current(key.policy);
            idle.retain_mut(|entry| {
                current
                    && entry.host.state.is_member()
                    && entry.expires.is_none_or(|expires| expires > now)
                    && !entry.connection.is_dead(&mut context)
            });
            for entry in idle.iter_mut() {
                entry.connection.release_memory();
            }
            !idle.is_empty()
        });
        self.h2.lock().retain(|key, slot| {
            let current = policy_is_current(key.policy);
            // A slot that is locked is being used right now.
            let Ok(mut connections) = slot.try_lock() else { return true };
            connections.retain_mut(|entry| {
                let busy = !entry.connection.is_idle();
                if busy {
                    entry.expires = None;
                } else if entry.expires.is_none() {
                    entry.expires = entry.idle.map(|idle| now + idle);
                }
                !entry.connection.is_closed()
                    && (busy || (current && entry.host.state.is_member() && entry.expires.is_none_or(|e| e > now)))
            });
            !connections.is_empty() || Arc::strong_count(slot) > 1
        });
    }

    /// Number of idle HTTP/1 connections and of HTTP/2 connections.
    pub fn counts(&self) -> (usize, usize) {
        let h1 = self.h1.lock().values().map(Vec::len).sum();
        let h2 = self.h2.lock().values().map(|slot| slot.try_lock().map_or(1, |list| list.len())).sum();
        (h1, h2)
    }
}
