//! HTTP/1 connections that idle.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Waker};

use parking_lot::Mutex;
use rustc_hash::FxBuildHasher;
use tokio::time::Instant;

use super::{Life, Limits, PoolKey};
use crate::http1::client::ClientConnection;
use crate::upstream::UpstreamIo;
use crate::upstream::host::Host;
use crate::upstream::state::ClusterState;

/// An HTTP/1 connection that can carry another request.
pub(in crate::upstream) struct Reusable {
    /// To speak on.
    pub(in crate::upstream) connection: Box<ClientConnection<UpstreamIo>>,
    /// The endpoint.
    pub(in crate::upstream) host: Arc<Host>,
    /// Age and use.
    pub(in crate::upstream) life: Life,
}

impl std::fmt::Debug for Reusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "connection to {}", self.host.name)
    }
}

impl Reusable {
    /// The endpoint's number.
    pub(in crate::upstream) fn host_id(&self) -> u64 {
        self.host.state.id
    }
}

/// By key; the last used last.
#[derive(Debug, Default)]
pub(super) struct IdleConnections(Mutex<HashMap<PoolKey, Vec<Idle>, FxBuildHasher>>);

#[derive(Debug)]
struct Idle {
    kept: Reusable,
    expires: Option<Instant>,
    _count: Option<IdleCount>,
}

/// Counts an idle connection in its cluster while it lives.
#[derive(Debug)]
struct IdleCount(Arc<ClusterState>);

impl IdleCount {
    fn new(state: &Arc<ClusterState>) -> Self {
        state.waiting.count_idle(true);
        IdleCount(Arc::clone(state))
    }
}

impl Drop for IdleCount {
    fn drop(&mut self) {
        self.0.waiting.count_idle(false);
    }
}

impl IdleConnections {
    pub(super) fn take(&self, key: &PoolKey, limits: &Limits, now: Instant) -> Option<Reusable> {
        let mut dead = Vec::new();
        let mut pool = self.0.lock();
        let idle = pool.get_mut(key)?;
        let mut context = Context::from_waker(Waker::noop());
        let found = loop {
            let Some(mut candidate) = idle.pop() else { break None };
            let expired = candidate.expires.is_some_and(|expires| expires <= now);
            let Reusable { connection, host, life } = &mut candidate.kept;
            let kept = life.may_continue(limits, now) && host.state.keeps(life.opened.into_std());
            if !expired && kept && !connection.is_dead(&mut context) {
                break Some(candidate.kept);
            }
            dead.push(candidate);
        };
        // Closing may let someone else open a connection: not under the lock.
        drop(pool);
        drop(dead);
        found
    }

    pub(super) fn put(&self, key: PoolKey, kept: Reusable, limits: &Limits, now: Instant) {
        let expires = limits.idle.map(|idle| now + idle);
        let count = limits.limited.then(|| IdleCount::new(kept.life.cluster()));
        self.0.lock().entry(key).or_default().push(Idle { kept, expires, _count: count });
    }

    /// Closes one of a cluster, the longest unused of some key.
    pub(super) fn close_one(&self, state: &Arc<ClusterState>) -> bool {
        let mut pool = self.0.lock();
        let found = pool
            .values_mut()
            .find_map(|idle| {
                idle.iter().position(|entry| Arc::ptr_eq(entry.kept.life.cluster(), state)).map(|at| (idle, at))
            })
            .map(|(idle, at)| idle.remove(at));
        drop(pool);
        found.is_some()
    }

    pub(super) fn sweep(&self, now: Instant, policy_is_current: &impl Fn(u64) -> bool) {
        let mut context = Context::from_waker(Waker::noop());
        let mut dead = Vec::new();
        let mut pool = self.0.lock();
        pool.retain(|key, idle| {
            let current = policy_is_current(key.policy);
            let keep = |entry: &mut Idle| {
                current
                    && entry.kept.host.state.keeps(entry.kept.life.opened.into_std())
                    && entry.expires.is_none_or(|expires| expires > now)
                    && !entry.kept.connection.is_dead(&mut context)
            };
            let mut keep = keep;
            dead.extend(idle.extract_if(.., |entry| !keep(entry)));
            for entry in idle.iter_mut() {
                entry.kept.connection.release_memory();
            }
            !idle.is_empty()
        });
        drop(pool);
        drop(dead);
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().values().map(Vec::len).sum()
    }
}
