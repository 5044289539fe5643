//! Endpoints at run time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use config_schema::snapshot::{Endpoint, EndpointAddress, Endpoints, Health, Locality};

/// One endpoint of a cluster.
#[derive(Debug)]
pub struct Host {
    /// As configured.
    pub spec: Endpoint,
    /// Address as text, for logs.
    pub name: Arc<str>,
    /// Where it is.
    pub locality: Arc<Locality>,
    /// What survives configuration changes.
    pub state: Arc<HostState>,
}

impl Host {
    /// May be chosen: its source says so, and it is not ejected.
    pub fn is_healthy(&self) -> bool {
        self.spec.health == Health::Healthy
            && !self.state.ejected.load(Ordering::Relaxed)
            && !self.state.failed_checks()
    }
}

/// What is known of an endpoint beyond its configuration.
#[derive(Debug)]
pub struct HostState {
    /// Requests (or TCP connections) at once.
    pub active: AtomicU32,
    /// Requests ever.
    pub requests: AtomicU64,
    /// Requests that failed (5xx or no answer).
    pub errors: AtomicU64,
    /// Outlier detection has taken it out.
    pub ejected: AtomicBool,
    /// Active health checks have taken it out.
    unhealthy: AtomicBool,
    /// When it was first seen (slow start).
    pub since: Instant,
    /// Number, unique in this process.
    pub id: u64,
    /// It belongs to its cluster no more.
    removed: AtomicBool,
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
            ejected: AtomicBool::new(false),
            unhealthy: AtomicBool::new(false),
            since: now,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            removed: AtomicBool::new(false),
        }
    }

    /// Whether its cluster still has it; connections to it are kept only then.
    pub fn is_member(&self) -> bool {
        !self.removed.load(Ordering::Relaxed)
    }

    /// Its cluster has it no more.
    pub fn leave(&self) {
        self.removed.store(true, Ordering::Relaxed);
    }

    /// Active health checks have taken it out.
    pub fn failed_checks(&self) -> bool {
        self.unhealthy.load(Ordering::Relaxed)
    }

    /// Result of active health checks.
    pub fn set_checked(&self, healthy: bool) {
        self.unhealthy.store(!healthy, Ordering::Relaxed);
    }
}

/// All endpoints of a cluster.
#[derive(Debug, Default)]
pub struct HostSet {
    /// By priority; 0 first.
    pub priorities: Vec<Priority>,
}

/// Endpoints of one priority.
#[derive(Debug, Default)]
pub struct Priority {
    /// In order of configuration.
    pub hosts: Vec<Arc<Host>>,
    /// Ranges of `hosts` by locality, with the locality's weight.
    pub localities: Vec<(std::ops::Range<usize>, u32)>,
}

impl HostSet {
    /// Takes over endpoints, keeping the state of those that stay.
    pub fn new(endpoints: &Endpoints, previous: &HostSet, now: Instant) -> Self {
        let known: HashMap<&EndpointAddress, &Arc<HostState>> =
            previous.iter().map(|host| (&host.spec.address, &host.state)).collect();
        let mut priorities: Vec<Priority> = Vec::new();
        for group in &endpoints.localities {
            let index = group.priority as usize;
            if priorities.len() <= index {
                priorities.resize_with(index + 1, Priority::default);
            }
            let locality = Arc::new(group.locality.clone());
            let start = priorities[index].hosts.len();
            for endpoint in &group.endpoints {
                let state =
                    known.get(&endpoint.address).map_or_else(|| Arc::new(HostState::new(now)), |s| Arc::clone(s));
                priorities[index].hosts.push(Arc::new(Host {
                    name: endpoint.address.to_string().into(),
                    spec: endpoint.clone(),
                    locality: Arc::clone(&locality),
                    state,
                }));
            }
            let end = priorities[index].hosts.len();
            priorities[index].localities.push((start..end, group.weight));
        }
        let next = HostSet { priorities };
        let stays: std::collections::HashSet<u64> = next.iter().map(|host| host.state.id).collect();
        for host in previous.iter() {
            host.state.removed.store(!stays.contains(&host.state.id), Ordering::Relaxed);
        }
        next
    }

    /// All endpoints.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.priorities.iter().flat_map(|priority| &priority.hosts)
    }

    /// No endpoint at all.
    pub fn is_empty(&self) -> bool {
        self.priorities.iter().all(|priority| priority.hosts.is_empty())
    }
}

/// Counts a request at an endpoint while it lives.
#[derive(Debug)]
pub struct ActiveGuard(Arc<HostState>);

impl ActiveGuard {
    /// Counts.
    pub fn new(state: &Arc<HostState>) -> Self {
        state.active.fetch_add(1, Ordering::Relaxed);
        ActiveGuard(Arc::clone(state))
    }
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a request has shown of an endpoint; outlier detection counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// An answer with this status.
    Status(u16),
    /// It could not be connected to.
    ConnectFailure,
    /// It broke off.
    Reset,
    /// It took too long.
    Timeout,
}

impl Observed {
    /// What a reset shows.
    pub fn from_reset(reason: &crate::outcome::ResetReason) -> Self {
        match reason {
            crate::outcome::ResetReason::ConnectionFailure(_) => Observed::ConnectFailure,
            _ => Observed::Reset,
        }
    }

    /// Whether it speaks against the endpoint.
    pub fn is_failure(self) -> bool {
        match self {
            Observed::Status(status) => status >= 500,
            Observed::ConnectFailure | Observed::Reset | Observed::Timeout => true,
        }
    }
}
