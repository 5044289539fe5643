//! Endpoints at run time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use config_schema::snapshot::{Endpoint, EndpointAddress, Health, Locality};

use super::outlier::Failures;

/// One endpoint of a cluster.
#[derive(Debug)]
pub struct Host {
    /// As configured.
    pub spec: Endpoint,
    /// Address as text, for logs and hashing.
    pub name: Arc<str>,
    /// Where it is.
    pub locality: Arc<Locality>,
    /// 0 is used first.
    pub priority: u32,
    /// What survives configuration changes.
    pub state: Arc<HostState>,
}

impl Host {
    /// The name that it was found by, or its address.
    pub fn host_name(&self) -> &str {
        match (&self.spec.found_by, &self.spec.address) {
            (Some(name), _) => name,
            (None, EndpointAddress::Host(name, _)) => name,
            (None, EndpointAddress::Socket(_) | EndpointAddress::Unix(_)) => &self.name,
        }
    }

    /// May be chosen: its source says so, it is not ejected, and it passes its health checks if there are any.
    pub fn is_healthy(&self) -> bool {
        self.spec.health == Health::Healthy && !self.state.is_ejected() && !self.state.failed_checks()
    }
}

/// What active health checks have found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Checked {
    /// There are none.
    Never,
    /// Not looked at yet.
    NotYet,
    /// Passes.
    Healthy,
    /// Fails.
    Unhealthy,
}

/// What is known of an endpoint beyond its configuration.
#[derive(Debug)]
pub struct HostState {
    /// Requests (or TCP connections) at once, from the choice of the endpoint on.
    pub active: AtomicU32,
    /// Requests ever.
    pub requests: AtomicU64,
    /// Requests that failed (5xx or no answer).
    pub errors: AtomicU64,
    /// Open connections, of all workers.
    pub connections: AtomicU32,
    /// Failures in a row.
    pub(super) failures: Failures,
    ejected: AtomicBool,
    checked: AtomicU8,
    /// It belongs to its cluster no more.
    removed: AtomicBool,
    since: Instant,
    /// Nanoseconds from `since` to the time when its name moved to other addresses.
    moved: AtomicU64,
    /// Nanoseconds from `since` to the time when slow start began.
    warm: AtomicU64,
    /// Number, unique in this process.
    pub id: u64,
}

/// Numbers endpoints.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl HostState {
    /// Of an endpoint first seen at `now`.
    pub fn new(now: Instant) -> Self {
        HostState {
            active: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            connections: AtomicU32::new(0),
            failures: Failures::default(),
            ejected: AtomicBool::new(false),
            checked: AtomicU8::new(Checked::Never as u8),
            removed: AtomicBool::new(false),
            since: now,
            moved: AtomicU64::new(0),
            warm: AtomicU64::new(0),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Whether its cluster still has it; connections to it are kept only then.
    pub fn is_member(&self) -> bool {
        !self.removed.load(Ordering::Relaxed)
    }

    /// Whether a connection that was opened then may carry another request: its cluster still has the endpoint, and its
    /// name leads where it led.
    pub fn keeps(&self, opened: Instant) -> bool {
        let age = opened.saturating_duration_since(self.since).as_nanos();
        self.is_member() && age >= u128::from(self.moved.load(Ordering::Relaxed))
    }

    /// The name that it stands for has left an address: connections from before carry no more requests.
    pub fn move_away(&self, now: Instant) {
        let after = now.saturating_duration_since(self.since).as_nanos();
        self.moved.store(u64::try_from(after).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Its cluster has it no more.
    pub fn leave(&self) {
        self.removed.store(true, Ordering::Relaxed);
    }

    pub(super) fn set_member(&self, member: bool) {
        self.removed.store(!member, Ordering::Relaxed);
    }

    /// Outlier detection has taken it out.
    pub fn is_ejected(&self) -> bool {
        self.ejected.load(Ordering::Relaxed)
    }

    pub(super) fn set_ejected(&self, ejected: bool) {
        self.ejected.store(ejected, Ordering::Relaxed);
    }

    /// What health checks have found.
    pub fn checked(&self) -> Checked {
        match self.checked.load(Ordering::Relaxed) {
            1 => Checked::NotYet,
            2 => Checked::Healthy,
            3 => Checked::Unhealthy,
            _ => Checked::Never,
        }
    }

    pub(super) fn set_checked(&self, checked: Checked) {
        self.checked.store(checked as u8, Ordering::Relaxed);
    }

    /// Health checks have taken it out.
    pub fn failed_checks(&self) -> bool {
        self.checked() == Checked::Unhealthy
    }

    /// Health checks are on but have not looked at it yet.
    pub fn is_unchecked(&self) -> bool {
        self.checked() == Checked::NotYet
    }

    /// When it became usable: first seen, or healthy again by its checks. Slow start begins there.
    pub fn warm_since(&self) -> Instant {
        self.since + Duration::from_nanos(self.warm.load(Ordering::Relaxed))
    }

    pub(super) fn restart_warmup(&self, now: Instant) {
        let nanos = now.saturating_duration_since(self.since).as_nanos();
        self.warm.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Counts a request at an endpoint while it lives.
#[derive(Debug)]
pub struct ActiveGuard(Arc<HostState>);

impl ActiveGuard {
    /// Counts.
    pub fn new(state: &Arc<HostState>) -> Self {
        state.active.fetch_add(1, Ordering::Relaxed);
        state.requests.fetch_add(1, Ordering::Relaxed);
        ActiveGuard(Arc::clone(state))
    }
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}
