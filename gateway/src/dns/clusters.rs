//! Clusters whose endpoints are names: their names are watched, and what they resolve to becomes endpoints.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use config_schema::snapshot::{Discovery, DnsLookup, Endpoint, EndpointAddress, Endpoints};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::guard::refuse_always;
use super::names::{Dns, NameKey, NameState, Watched};
use super::resolution::Addresses;
use super::resolver::{Families, Family, Question};
use crate::config::Runtime;
use crate::upstream::Cluster;

/// How often names that requests have chosen are looked through for those that nobody asks for any more.
const SWEEP: Duration = Duration::from_secs(1);

/// How long the names of a new cluster that have an answer wait for those that have none: which endpoints come first
/// is known only with all of them, but a name that nobody answers for must not keep the others out of service.
const GRACE: Duration = Duration::from_millis(500);

/// Keeps the endpoints of clusters what DNS says.
pub struct DnsClusters {
    dns: Dns,
    runtime: Handle,
    followed: HashMap<String, Followed>,
}

struct Followed {
    cluster: Arc<Cluster>,
    task: AbortHandle,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The family that this proxy prefers: that of its own address (Istio asks for no other one); IPv4 if it is unknown.
pub fn preferred_family(own: Option<IpAddr>) -> Family {
    own.map_or(Family::V4, Family::of)
}

impl DnsClusters {
    /// Follows on `runtime`.
    pub fn new(dns: Dns, runtime: Handle) -> Self {
        DnsClusters { dns, runtime, followed: HashMap::new() }
    }

    /// Makes what is followed what the configuration says. What is known of names that stay is taken over at once.
    pub fn reconcile(&mut self, runtime: &Runtime) {
        let family = preferred_family(runtime.node.address);
        let mut followed = HashMap::new();
        for cluster in runtime.clusters.values() {
            let known = self.followed.remove(&*cluster.name).filter(|known| Arc::ptr_eq(&known.cluster, cluster));
            let next = match known {
                Some(known) => known,
                None => match self.follow(cluster, family) {
                    Some(task) => Followed { cluster: Arc::clone(cluster), task },
                    None => continue,
                },
            };
            followed.insert(cluster.name.to_string(), next);
        }
        // The old ones go last: their names are watched by the new ones before.
        self.followed = followed;
    }

    fn follow(&self, cluster: &Arc<Cluster>, family: Family) -> Option<AbortHandle> {
        let (lookup, logical) = match &cluster.spec.discovery {
            Discovery::Dns(lookup) => (lookup, false),
            Discovery::DnsRoundRobin(lookup) => (lookup, true),
            Discovery::DynamicDns { .. } => {
                let task = self.runtime.spawn(sweep(Arc::clone(cluster), self.dns.clone()));
                return Some(task.abort_handle());
            }
            Discovery::Endpoints | Discovery::OriginalDestination { .. } => return None,
        };
        let changed = Arc::new(Notify::new());
        let families = Families { preferred: family, both: logical };
        let mut names: HashMap<String, Watched> = HashMap::new();
        for name in hosts(lookup) {
            let question = Question { name: name.to_ascii_lowercase().into(), search: true };
            let key = NameKey { question, families, refresh: lookup.refresh };
            names.insert(name.to_owned(), self.dns.watch(key, Some(&changed)));
        }
        let mut follower = Follower { cluster: Arc::clone(cluster), names, logical, patient: true, last: None };
        follower.update();
        let task = self.runtime.spawn(async move {
            let grace = sleep(GRACE);
            tokio::pin!(grace);
            loop {
                tokio::select! {
                    () = changed.notified() => {}
                    () = &mut grace, if follower.patient => follower.patient = false,
                }
                follower.update();
            }
        });
        Some(task.abort_handle())
    }
}

fn hosts(lookup: &DnsLookup) -> HashSet<&str> {
    let endpoints = lookup.endpoints.localities.iter().flat_map(|locality| &locality.endpoints);
    endpoints
        .filter_map(|endpoint| match &endpoint.address {
            EndpointAddress::Host(name, _) => Some(name.as_str()),
            EndpointAddress::Socket(_) | EndpointAddress::Unix(_) => None,
        })
        .collect()
}

async fn sweep(cluster: Arc<Cluster>, dns: Dns) {
    let metric = dns.metrics().dynamic_hosts.with_label_values(&[&cluster.name]);
    loop {
        sleep(SWEEP).await;
        let left = cluster.state.resolution.dynamic.sweep(Instant::now());
        metric.set(i64::try_from(left).unwrap_or(i64::MAX));
    }
}

/// Turns what names resolve to into the endpoints of a cluster.
struct Follower {
    cluster: Arc<Cluster>,
    names: HashMap<String, Watched>,
    /// An endpoint stands for its name; else every address is an endpoint.
    logical: bool,
    /// The grace is not over: endpoints count when all names are decided.
    patient: bool,
    last: Option<Endpoints>,
}

impl Follower {
    fn update(&mut self) {
        let (Discovery::Dns(lookup) | Discovery::DnsRoundRobin(lookup)) = &self.cluster.spec.discovery else { return };
        let states: HashMap<&str, Arc<NameState>> =
            self.names.iter().map(|(name, watched)| (name.as_str(), watched.state())).collect();
        let addresses: Addresses =
            states.iter().map(|(name, state)| ((*name).to_owned(), usable(&self.cluster, name, state))).collect();
        let endpoints = expand(&lookup.endpoints, self.logical, &addresses);
        let resolution = &self.cluster.state.resolution;
        if self.logical {
            self.drain(&addresses);
            resolution.set_addresses(addresses);
        }
        let some = endpoints.localities.iter().any(|locality| !locality.endpoints.is_empty());
        let decided = states.values().all(|state| state.is_decided());
        // Before the first answers, endpoints that an earlier configuration had serve on.
        if !decided && (self.patient || !some) {
            return;
        }
        if self.last.as_ref() != Some(&endpoints) {
            self.cluster.update_hosts(&endpoints, Instant::now().into_std());
            self.last = Some(endpoints);
        }
        resolution.set_ready();
    }
}

impl Follower {
    /// Connections of endpoints whose name has left an address carry no more requests.
    fn drain(&self, next: &Addresses) {
        let now = Instant::now().into_std();
        let hosts = self.cluster.state.hosts.load();
        for host in hosts.priorities.iter().flat_map(|group| &group.hosts) {
            let EndpointAddress::Host(name, port) = &host.spec.address else { continue };
            let before = self.cluster.state.resolution.addresses(name, *port).unwrap_or_default();
            if next.get(name).is_some_and(|after| has_left(&before, after)) {
                host.state.move_away(now);
            }
        }
    }
}

/// A name leads to an address no more, and to others instead.
pub(super) fn has_left(before: &[IpAddr], after: &[IpAddr]) -> bool {
    !after.is_empty() && before.iter().any(|address| !after.contains(address))
}

/// The addresses of a name without those that lead nowhere.
fn usable(cluster: &Cluster, name: &str, state: &NameState) -> Arc<[IpAddr]> {
    if !state.addresses.iter().any(|address| refuse_always(*address).is_some()) {
        return Arc::clone(&state.addresses);
    }
    let kept = state.addresses.iter().copied().filter(|address| match refuse_always(*address) {
        Some(reason) => {
            tracing::warn!(cluster = %cluster.name, %name, %address, %reason, "DNS answer left out");
            false
        }
        None => true,
    });
    kept.collect()
}

/// Endpoints with names replaced by their addresses, or, if an endpoint stands for its name, without those whose name
/// has none. An address that several endpoints of a priority come to is one endpoint.
fn expand(configured: &Endpoints, logical: bool, addresses: &Addresses) -> Endpoints {
    let mut expanded = configured.clone();
    let mut seen = HashSet::new();
    for locality in &mut expanded.localities {
        let members = std::mem::take(&mut locality.endpoints);
        for endpoint in members {
            let EndpointAddress::Host(name, port) = &endpoint.address else {
                if seen.insert((locality.priority, endpoint.address.clone())) {
                    locality.endpoints.push(endpoint);
                }
                continue;
            };
            let found = addresses.get(name).map(|found| &**found).unwrap_or_default();
            if logical {
                if !found.is_empty() {
                    locality.endpoints.push(endpoint);
                }
                continue;
            }
            for address in found {
                let address = EndpointAddress::Socket(SocketAddr::new(*address, *port));
                if seen.insert((locality.priority, address.clone())) {
                    let found_by = Some(Arc::from(name.as_str()));
                    locality.endpoints.push(Endpoint { address, found_by, ..endpoint.clone() });
                }
            }
        }
    }
    expanded
}

#[cfg(test)]
#[path = "clusters_tests.rs"]
mod tests;
