//! Endpoints that clients have dialled themselves before their connections were redirected.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use config_schema::snapshot::{Discovery, Endpoint, EndpointAddress, Health, UpstreamTlsMode, Workload};
use parking_lot::Mutex;
use rustc_hash::FxBuildHasher;

use super::cluster::Cluster;
use super::host::{Host, HostState};
use super::lb::PickContext;

/// How often endpoints that nobody dials any more are looked for (Envoy's `cleanup_interval`).
const CLEANUP: Duration = Duration::from_secs(5);

/// The endpoints of a cluster that clients have dialled.
#[derive(Debug, Default)]
pub struct DialledHosts(Mutex<Dialled>);

#[derive(Debug, Default)]
struct Dialled {
    hosts: HashMap<SocketAddr, Entry, FxBuildHasher>,
    cleaned: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    host: Arc<Host>,
    used: Instant,
}

impl DialledHosts {
    /// The endpoint at an address; the same one as long as it has requests or connections.
    pub(super) fn get(&self, address: SocketAddr, mesh_tls: bool, now: Instant) -> Arc<Host> {
        let mut dialled = self.0.lock();
        dialled.clean(now);
        let known = dialled.hosts.get_mut(&address).filter(|entry| entry.host.spec.mesh_tls == mesh_tls);
        if let Some(entry) = known {
            entry.used = now;
            return Arc::clone(&entry.host);
        }
        let host = Arc::new(host(address, mesh_tls, now));
        if let Some(old) = dialled.hosts.insert(address, Entry { host: Arc::clone(&host), used: now }) {
            old.host.state.leave();
        }
        host
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().hosts.len()
    }
}

impl Dialled {
    fn clean(&mut self, now: Instant) {
        let last = *self.cleaned.get_or_insert(now);
        if now.saturating_duration_since(last) < CLEANUP {
            return;
        }
        self.cleaned = Some(now);
        self.hosts.retain(|_, entry| {
            let unused = now.saturating_duration_since(entry.used) >= CLEANUP;
            // Requests count it as active, and idle connections hold it.
            let keep =
                !unused || Arc::strong_count(&entry.host) > 1 || entry.host.state.active.load(Ordering::Relaxed) > 0;
            if !keep {
                entry.host.state.leave();
            }
            keep
        });
    }
}

fn host(address: SocketAddr, mesh_tls: bool, now: Instant) -> Host {
    let address = EndpointAddress::Socket(address);
    Host {
        name: address.to_string().into(),
        spec: Endpoint {
            address,
            weight: 1,
            health: Health::Healthy,
            mesh_tls,
            service_account: None,
            workload: Arc::new(Workload::default()),
            found_by: None,
        },
        locality: Arc::default(),
        priority: 0,
        state: Arc::new(HostState::new(now)),
    }
}

impl Cluster {
    /// The endpoint for a client that dialled `dialled`, if its connection was redirected to us: that address where
    /// the cluster sends clients where they wanted to go, else one that the balancer picks.
    pub fn pick_for(&self, dialled: Option<SocketAddr>, context: &mut PickContext<'_>) -> Option<Arc<Host>> {
        let Discovery::OriginalDestination { port } = self.spec.discovery else { return self.pick(context) };
        let mut address = dialled?;
        address.set_port(port.unwrap_or(address.port()));
        // Mesh TLS is asked for only where every endpoint has it.
        let mesh_tls = matches!(self.spec.tls, UpstreamTlsMode::Auto(_));
        Some(self.state.dialled.get(address, mesh_tls, context.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_live_while_they_are_used() {
        let hosts = DialledHosts::default();
        let start = Instant::now();
        let at = |n: u16| SocketAddr::from(([10, 0, 0, 1], n));
        let first = hosts.get(at(1), false, start);
        assert!(Arc::ptr_eq(&first, &hosts.get(at(1), false, start)));
        hosts.get(at(2), false, start);
        assert_eq!(hosts.len(), 2);
        // The second is forgotten; the first is still held.
        hosts.get(at(3), false, start + CLEANUP);
        assert_eq!(hosts.len(), 2);
        assert!(first.state.is_member());
        drop(first);
        hosts.get(at(3), false, start + CLEANUP * 2);
        assert_eq!(hosts.len(), 1);
    }

    #[test]
    fn a_change_of_tls_makes_another_endpoint() {
        let hosts = DialledHosts::default();
        let (now, address) = (Instant::now(), SocketAddr::from(([10, 0, 0, 1], 1)));
        let plain = hosts.get(address, false, now);
        let secured = hosts.get(address, true, now);
        assert!(!Arc::ptr_eq(&plain, &secured) && !plain.state.is_member() && secured.state.is_member());
    }
}
