//! What a cluster remembers across configuration changes.
//!
//! Picks read the [`Balancer`] and atomics. Whatever changes endpoints, their health or the policy does so under a lock
//! and puts a new balancer in force.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use config_schema::snapshot::{self, Endpoints, LbPolicy, LoadBalancer, OutlierDetection};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::circuit_breaker::Breakers;
use super::host::{Checked, Host};
use super::host_set::HostSet;
use super::lb::{Balancer, PickContext};
use super::original_destination::DialledHosts;
use super::outlier::{Ejections, Trigger};
use super::waiting::Waiting;
use crate::dns::Resolution;

/// What survives configuration changes of a cluster.
#[derive(Debug)]
pub struct ClusterState {
    /// For logs.
    name: String,
    /// Endpoints; replaced as a whole.
    pub hosts: ArcSwap<HostSet>,
    /// Counts and what they may come to.
    pub breakers: Breakers,
    /// What DNS says of its endpoints.
    pub resolution: Resolution,
    /// Endpoints that clients have dialled.
    pub dialled: DialledHosts,
    /// Told when endpoints come or go. One listener.
    pub hosts_changed: Notify,
    pub(super) waiting: Waiting,
    balancer: ArcSwap<Balancer>,
    control: Mutex<Control>,
    created: Instant,
    /// When ejections end next, in nanoseconds from `created`.
    next_sweep: AtomicU64,
    seed: usize,
}

/// What changes only under the lock.
#[derive(Debug)]
struct Control {
    policy: LoadBalancer,
    outlier: Option<OutlierDetection>,
    health_checked: bool,
    endpoints: Option<Endpoints>,
    ejections: Ejections,
}

/// No sweep is due.
const NEVER: u64 = u64::MAX;

impl ClusterState {
    /// Without endpoints. Rotations begin at `seed`.
    pub fn new(name: &str, seed: usize, now: Instant) -> Self {
        ClusterState {
            name: name.to_owned(),
            hosts: ArcSwap::default(),
            breakers: Breakers::default(),
            resolution: Resolution::default(),
            dialled: DialledHosts::default(),
            hosts_changed: Notify::new(),
            waiting: Waiting::default(),
            balancer: ArcSwap::default(),
            control: Mutex::new(Control {
                policy: LoadBalancer {
                    policy: LbPolicy::LeastRequest,
                    warmup: None,
                    panic_threshold: 0,
                    locality_weighted: false,
                },
                outlier: None,
                health_checked: false,
                endpoints: None,
                ejections: Ejections::new(now),
            }),
            created: now,
            next_sweep: AtomicU64::new(NEVER),
            seed,
        }
    }

    /// Takes over what the configuration says.
    pub fn configure(&self, spec: &snapshot::Cluster, now: Instant) {
        let mut control = self.control.lock();
        let health_checked = spec.health_check.is_some();
        let same = control.policy == spec.load_balancer
            && control.outlier == spec.outlier_detection
            && control.health_checked == health_checked;
        if same {
            return;
        }
        control.policy = spec.load_balancer.clone();
        let hosts = self.hosts.load();
        if control.health_checked != health_checked {
            let checked = if health_checked { Checked::NotYet } else { Checked::Never };
            hosts.iter().for_each(|host| host.state.set_checked(checked));
            control.health_checked = health_checked;
        }
        if spec.outlier_detection.is_none() && control.outlier.is_some() {
            control.ejections.retain(|_| false);
            hosts.iter().for_each(|host| {
                host.state.set_ejected(false);
                host.state.failures.reset_all();
            });
        }
        control.outlier.clone_from(&spec.outlier_detection);
        self.rebuild(&control, now);
    }

    /// Takes over endpoints; those that stay keep what is known of them.
    pub fn set_endpoints(&self, endpoints: &Endpoints, now: Instant) {
        let mut control = self.control.lock();
        if control.endpoints.as_ref() == Some(endpoints) {
            return;
        }
        let previous = self.hosts.load_full();
        let next = HostSet::new(endpoints, &previous, now);
        next.replace(&previous);
        if control.health_checked {
            let new = next.iter().filter(|host| host.state.checked() == Checked::Never);
            new.for_each(|host| host.state.set_checked(Checked::NotYet));
        }
        let members: std::collections::HashSet<u64> = next.iter().map(|host| host.state.id).collect();
        control.ejections.retain(|id| members.contains(&id));
        control.endpoints = Some(endpoints.clone());
        self.hosts.store(Arc::new(next));
        self.rebuild(&control, now);
        self.hosts_changed.notify_one();
    }

    /// Picks an endpoint; `None` if there is none that may be used.
    pub fn pick(&self, context: &mut PickContext<'_>) -> Option<Arc<Host>> {
        self.sweep(context.now);
        self.balancer.load().pick(context)
    }

    /// Ends ejections whose time is over. Cheap if there are none; whoever wants to know who is ejected asks for it
    /// first.
    pub fn sweep(&self, now: Instant) {
        let due = self.next_sweep.load(Ordering::Relaxed);
        if due == NEVER || now.saturating_duration_since(self.created) < Duration::from_nanos(due) {
            return;
        }
        let mut control = self.control.lock();
        let Some(config) = control.outlier.clone() else { return };
        let back = control.ejections.sweep(&config, now);
        let hosts = self.hosts.load();
        for host in hosts.iter().filter(|host| back.binary_search(&host.state.id).is_ok()) {
            self.bring_back(host);
        }
        self.rebuild(&control, now);
    }

    /// An endpoint has failed too often in a row; it is ejected unless too many are.
    pub(super) fn eject(&self, host: &Host, trigger: Trigger, now: Instant) {
        self.sweep(now);
        let mut control = self.control.lock();
        let Some(config) = control.outlier.clone() else { return };
        if !host.state.is_member() {
            return;
        }
        let hosts = self.hosts.load().len();
        let failures = (host.state.id, &host.state.failures);
        if control.ejections.eject(failures, trigger, hosts, &config, now) {
            host.state.set_ejected(true);
            tracing::info!(cluster = self.name, endpoint = &*host.name, ?trigger, "ejected");
            self.rebuild(&control, now);
        }
    }

    /// Takes note of what health checks have found.
    pub fn set_checked(&self, host: &Host, healthy: bool, now: Instant) {
        let mut control = self.control.lock();
        if !control.health_checked {
            return;
        }
        let checked = if healthy { Checked::Healthy } else { Checked::Unhealthy };
        let before = host.state.checked();
        // What passes its checks need not sit out its ejection (Envoy: successful_active_health_check_uneject_host).
        let returns = healthy && control.ejections.end(host.state.id, now);
        if returns {
            self.bring_back(host);
        }
        if before == checked && !returns {
            return;
        }
        host.state.set_checked(checked);
        if before == Checked::Unhealthy && healthy {
            host.state.restart_warmup(now);
        }
        if before != checked {
            tracing::info!(cluster = self.name, endpoint = &*host.name, healthy, "health check");
        }
        self.rebuild(&control, now);
    }

    /// Ejections ever.
    pub fn ejections(&self) -> u64 {
        self.control.lock().ejections.total
    }

    fn bring_back(&self, host: &Host) {
        host.state.set_ejected(false);
        host.state.failures.reset_all();
        tracing::info!(cluster = self.name, endpoint = &*host.name, "back from ejection");
    }

    /// Puts a balancer in force that sees what has changed.
    fn rebuild(&self, control: &Control, now: Instant) {
        let next = control.outlier.as_ref().and_then(|config| control.ejections.next_sweep(config));
        let due = next.map_or(NEVER, |next| {
            u64::try_from(next.saturating_duration_since(self.created).as_nanos()).unwrap_or(NEVER)
        });
        let previous = self.balancer.load();
        let balancer = Balancer::new(&control.policy, &self.hosts.load(), &previous, self.seed, now);
        self.balancer.store(Arc::new(balancer));
        self.next_sweep.store(due, Ordering::Relaxed);
    }
}

/// States of clusters by name: what is asked for again after a configuration change.
#[derive(Debug, Default)]
pub struct ClusterStates {
    states: Mutex<HashMap<String, Arc<ClusterState>>>,
    seed: usize,
}

impl ClusterStates {
    /// None yet. Rotations of new clusters begin at `seed`, which should differ between gateways: all of them asking
    /// the first endpoint first would be a burden to it.
    pub fn new(seed: usize) -> Self {
        ClusterStates { states: Mutex::default(), seed }
    }

    /// The state of a cluster; a new one if there is none.
    pub fn get(&self, name: &str, now: Instant) -> Arc<ClusterState> {
        let mut states = self.states.lock();
        let new = || Arc::new(ClusterState::new(name, self.seed, now));
        Arc::clone(states.entry(name.to_owned()).or_insert_with(new))
    }

    /// Forgets clusters that are gone and that no request uses any more.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.states.lock().retain(|name, state| keep(name) || Arc::strong_count(state) > 1);
    }
}
