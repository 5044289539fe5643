//! Limits of a cluster: connections, waiting and active requests, retries. Counted over all workers.
//!
//! Every count is held by a guard, so that it falls however a request or connection ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use config_schema::snapshot::{CircuitBreakers, RetryBudget};
use parking_lot::Mutex;

use super::host::HostState;
use super::request_window::RequestWindow;
use super::state::ClusterState;

/// Counts of a cluster.
#[derive(Debug, Default)]
pub struct Breakers {
    /// Requests on connections.
    pub requests: AtomicU32,
    /// Requests waiting for a connection, be it opened or used by others.
    pub pending: AtomicU32,
    /// Open connections.
    pub connections: AtomicU32,
    /// Retries under way.
    pub retries: AtomicU32,
    /// How often a limit was in the way.
    pub overflows: Overflows,
    recent: Mutex<Option<RequestWindow>>,
}

/// How often a limit was in the way.
#[derive(Debug, Default)]
pub struct Overflows {
    /// Of active requests.
    pub requests: AtomicU64,
    /// Of waiting requests.
    pub pending: AtomicU64,
    /// Of connections.
    pub connections: AtomicU64,
    /// Of retries.
    pub retries: AtomicU64,
}

impl Overflows {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts a request on a connection while it lives.
#[derive(Debug)]
pub struct RequestGuard(Arc<ClusterState>);

impl RequestGuard {
    /// Counts a request, unless the limit is reached (`http2MaxRequests`, which holds for HTTP/1 too).
    pub fn try_new(state: &Arc<ClusterState>, limits: &CircuitBreakers, now: impl FnOnce() -> Instant) -> Option<Self> {
        let breakers = &state.breakers;
        if !add_within(&breakers.requests, limits.max_requests) {
            Overflows::count(&breakers.overflows.requests);
            return None;
        }
        if let Some(budget) = limits.retry_budget.as_ref().filter(|budget| !budget.interval.is_zero()) {
            breakers.recent.lock().get_or_insert_with(RequestWindow::default).add(now(), budget.interval);
        }
        Some(RequestGuard(Arc::clone(state)))
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.breakers.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a waiting request while it lives.
#[derive(Debug)]
pub struct PendingGuard(Arc<ClusterState>);

impl PendingGuard {
    /// Counts a request that waits for a connection, unless the limit is reached (`http1MaxPendingRequests`).
    pub fn try_new(state: &Arc<ClusterState>, limits: &CircuitBreakers) -> Option<Self> {
        if !add_within(&state.breakers.pending, limits.max_pending_requests) {
            Overflows::count(&state.breakers.overflows.pending);
            return None;
        }
        Some(PendingGuard(Arc::clone(state)))
    }
}

impl Drop for PendingGuard {
    fn drop(&mut self) {
        self.0.breakers.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a retry while it lives: from the decision to the next one, or to the end of the request.
#[derive(Debug)]
pub struct RetryGuard(Arc<ClusterState>);

impl RetryGuard {
    /// Counts a retry, unless the limit is reached (`maxRetries`, or `retryBudget` instead).
    pub fn try_new(state: &Arc<ClusterState>, limits: &CircuitBreakers, now: Instant) -> Option<Self> {
        let breakers = &state.breakers;
        let limit = match &limits.retry_budget {
            Some(budget) => Some(breakers.budget(budget, now)),
            None => limits.max_retries,
        };
        if !add_within(&breakers.retries, limit) {
            Overflows::count(&breakers.overflows.retries);
            return None;
        }
        Some(RetryGuard(Arc::clone(state)))
    }
}

impl Drop for RetryGuard {
    fn drop(&mut self) {
        self.0.breakers.retries.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Breakers {
    /// Retries that a budget allows at once.
    fn budget(&self, budget: &RetryBudget, now: Instant) -> u32 {
        let requests = if budget.interval.is_zero() {
            self.requests.load(Ordering::Relaxed).saturating_add(self.pending.load(Ordering::Relaxed))
        } else {
            self.recent.lock().as_mut().map_or(0, |recent| recent.count(now, budget.interval))
        };
        // Casting cuts off, and saturates.
        ((budget.percent / 100.0 * f64::from(requests)) as u32).max(budget.min_concurrency)
    }
}

/// Counts a connection to an endpoint while it lives. When it is gone, one of those who wait may open another.
#[derive(Debug)]
pub struct ConnectionGuard {
    state: Arc<ClusterState>,
    host: Arc<HostState>,
}

impl ConnectionGuard {
    /// Counts a connection, unless the limit is reached (`maxConnections`).
    pub fn try_new(state: &Arc<ClusterState>, host: &Arc<HostState>, limit: Option<u32>) -> Option<Self> {
        if !add_within(&state.breakers.connections, limit) {
            return None;
        }
        host.connections.fetch_add(1, Ordering::SeqCst);
        Some(ConnectionGuard { state: Arc::clone(state), host: Arc::clone(host) })
    }

    /// The same, but an endpoint without any connection may always have one: requests that are sent there could
    /// otherwise wait for ever.
    pub fn try_for_requests(state: &Arc<ClusterState>, host: &Arc<HostState>, limit: Option<u32>) -> Option<Self> {
        if let Some(guard) = Self::try_new(state, host, limit) {
            return Some(guard);
        }
        host.connections.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).ok()?;
        state.breakers.connections.fetch_add(1, Ordering::SeqCst);
        Some(ConnectionGuard { state: Arc::clone(state), host: Arc::clone(host) })
    }

    /// The cluster it is counted in.
    pub fn state(&self) -> &Arc<ClusterState> {
        &self.state
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.host.connections.fetch_sub(1, Ordering::SeqCst);
        self.state.breakers.connections.fetch_sub(1, Ordering::SeqCst);
        self.state.waiting.grant_permits(&self.state, self.host.id);
    }
}

/// Adds one unless that would exceed the limit.
fn add_within(counter: &AtomicU32, limit: Option<u32>) -> bool {
    let Some(limit) = limit else {
        counter.fetch_add(1, Ordering::SeqCst);
        return true;
    };
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| (count < limit).then_some(count + 1)).is_ok()
}
