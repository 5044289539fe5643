//! Endpoints that requests choose by name: one for each name and port, bounded in number, forgotten when unused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use config_schema::snapshot::{Endpoint, EndpointAddress, Health, Workload};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::clusters::has_left;
use super::names::{NameState, Watched};
use crate::upstream::{Host, HostState};

/// Names that one cluster resolves at once (Envoy's `max_hosts`).
const MAX_HOSTS: usize = 1024;
/// A name that no request has asked for this long is forgotten (Envoy's `host_ttl`).
const IDLE: Duration = Duration::from_secs(300);
/// A name without addresses gives way to others after so long: clients can ask for many of those.
const IDLE_WITHOUT_ADDRESSES: Duration = Duration::from_secs(5);

/// An endpoint that requests have chosen.
#[derive(Debug)]
pub struct DynamicHost {
    /// The endpoint. Its address is the name; where that is now is asked at each connect.
    pub host: Arc<Host>,
    watched: Watched,
    used: Mutex<Instant>,
    /// Where its name led when it was last asked for.
    led: Mutex<Arc<[IpAddr]>>,
}

impl DynamicHost {
    /// What is known of its name, once there is an answer.
    pub async fn decided(&self) -> Arc<NameState> {
        let state = self.watched.decided().await;
        let mut led = self.led.lock();
        if !Arc::ptr_eq(&led, &state.addresses) {
            if has_left(&led, &state.addresses) {
                self.host.state.move_away(Instant::now().into_std());
            }
            *led = Arc::clone(&state.addresses);
        }
        drop(led);
        state
    }

    /// What is known of its name now.
    pub fn state(&self) -> Arc<NameState> {
        self.watched.state()
    }

    fn is_idle(&self, now: Instant) -> bool {
        let unused = now.duration_since(*self.used.lock());
        let patience = if self.state().addresses.is_empty() { IDLE_WITHOUT_ADDRESSES } else { IDLE };
        unused >= patience && self.host.state.active.load(std::sync::atomic::Ordering::Relaxed) == 0
    }
}

/// As many names as there may be are being resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// The endpoints of a cluster that requests have chosen.
#[derive(Debug, Default)]
pub struct DynamicHosts {
    hosts: Mutex<HashMap<(String, u16), Arc<DynamicHost>>>,
}

impl DynamicHosts {
    /// The endpoint of a name and port; `watch` begins to resolve the name if it is new.
    pub fn get(
        &self,
        name: &str,
        port: u16,
        now: Instant,
        watch: impl FnOnce() -> Watched,
    ) -> Result<Arc<DynamicHost>, Overflow> {
        let mut hosts = self.hosts.lock();
        let key = (name.to_owned(), port);
        if let Some(known) = hosts.get(&key) {
            *known.used.lock() = now;
            return Ok(Arc::clone(known));
        }
        if hosts.len() >= MAX_HOSTS {
            hosts.retain(|_, host| keep(host, now));
        }
        if hosts.len() >= MAX_HOSTS {
            return Err(Overflow);
        }
        let host = Arc::new(DynamicHost {
            host: Arc::new(logical_host(name, port, now)),
            watched: watch(),
            used: Mutex::new(now),
            led: Mutex::new(Arc::new([])),
        });
        hosts.insert(key, Arc::clone(&host));
        Ok(host)
    }

    /// The addresses of a name that is being resolved.
    pub fn addresses(&self, name: &str, port: u16) -> Option<Arc<[IpAddr]>> {
        let hosts = self.hosts.lock();
        hosts.get(&(name.to_owned(), port)).map(|host| Arc::clone(&host.state().addresses))
    }

    /// Forgets what has not been asked for in a while; returns how many are left.
    pub fn sweep(&self, now: Instant) -> usize {
        let mut hosts = self.hosts.lock();
        hosts.retain(|_, host| keep(host, now));
        hosts.len()
    }

    /// All of them, by name and port.
    pub fn list(&self) -> Vec<Arc<DynamicHost>> {
        let hosts = self.hosts.lock();
        let mut list: Vec<_> = hosts.iter().collect();
        list.sort_by_key(|(key, _)| *key);
        list.into_iter().map(|(_, host)| Arc::clone(host)).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.hosts.lock().len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn keep(host: &DynamicHost, now: Instant) -> bool {
    let idle = host.is_idle(now);
    if idle {
        // Its idle connections are closed with it.
        host.host.state.leave();
    }
    !idle
}

fn logical_host(name: &str, port: u16, now: Instant) -> Host {
    let address = EndpointAddress::Host(name.to_owned(), port);
    Host {
        name: address.to_string().into(),
        spec: Endpoint {
            address,
            weight: 1,
            health: Health::Healthy,
            mesh_tls: false,
            service_account: None,
            workload: Arc::new(Workload::default()),
            found_by: None,
        },
        locality: Arc::default(),
        priority: 0,
        state: Arc::new(HostState::new(now.into_std())),
    }
}
