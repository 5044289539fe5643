//! Active health checks: endpoints are asked how they are, and what they say takes them out of service or back.
//!
//! Not in Istio; the rules are Envoy's. [`verdict`] decides, [`probe`] asks; here is who asks when. Checks go on across
//! configuration changes as long as their cluster stays as it is.

mod grpc;
mod probe;
mod verdict;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use config_schema::snapshot::HealthCheck;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use self::probe::Probe;
use self::verdict::{Answer, Verdict};
use super::Clusters;
use super::cluster::Cluster;
use super::host::Host;
use crate::net::Dialer;

/// Between the first questions to two endpoints of a cluster, lest all of them are asked in the same instant.
const STAGGER: Duration = Duration::from_millis(2);

/// A task that ends when this is dropped.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Task {
    fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Task(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The checks of all clusters that ask for them; they end with this value.
pub struct HealthChecks {
    dialer: Arc<dyn Dialer>,
    checked: HashMap<Arc<str>, (Arc<Cluster>, Task)>,
}

impl HealthChecks {
    /// Checks nothing yet; asks over connections of this dialer.
    pub fn new(dialer: Arc<dyn Dialer>) -> Self {
        HealthChecks { dialer, checked: HashMap::new() }
    }

    /// These are the clusters now. Checks of those that are the same go on.
    pub fn update(&mut self, clusters: &Clusters) {
        let wanted = |name: &Arc<str>| clusters.get(name).filter(|cluster| cluster.spec.health_check.is_some());
        self.checked.retain(|name, (known, _)| wanted(name).is_some_and(|cluster| is_same(known, cluster)));
        for (name, cluster) in clusters {
            if cluster.spec.health_check.is_some() && !self.checked.contains_key(name) {
                let task = Task::spawn(check_cluster(Arc::clone(cluster), Arc::clone(&self.dialer)));
                self.checked.insert(Arc::clone(name), (Arc::clone(cluster), task));
            }
        }
    }
}

/// Questions to one would be the same as to the other.
fn is_same(known: &Arc<Cluster>, cluster: &Arc<Cluster>) -> bool {
    Arc::ptr_eq(known, cluster)
        || (Arc::ptr_eq(&known.state, &cluster.state) && known.pool_id == cluster.pool_id) && known.spec == cluster.spec
}

/// Checks the endpoints that a cluster has, and those that come.
async fn check_cluster(cluster: Arc<Cluster>, dialer: Arc<dyn Dialer>) {
    let Some(config) = cluster.spec.health_check.clone() else { return };
    let config = Arc::new(config);
    let mut tasks: HashMap<u64, (Arc<Host>, Task)> = HashMap::new();
    loop {
        let hosts = cluster.state.hosts.load_full();
        let members: HashMap<u64, &Arc<Host>> = hosts.iter().map(|host| (host.state.id, host)).collect();
        tasks.retain(|id, (known, _)| members.get(id).is_some_and(|host| host.spec == known.spec));
        let mut wait = Duration::ZERO;
        for host in hosts.iter() {
            tasks.entry(host.state.id).or_insert_with(|| {
                let probe = Probe::new(&cluster, host, &config);
                let checking = check_host(Arc::clone(&cluster), Arc::clone(host), probe, Arc::clone(&dialer), wait);
                wait += STAGGER;
                (Arc::clone(host), Task::spawn(checking))
            });
        }
        cluster.state.hosts_changed.notified().await;
    }
}

/// Asks one endpoint again and again.
async fn check_host(cluster: Arc<Cluster>, host: Arc<Host>, probe: Probe, dialer: Arc<dyn Dialer>, wait: Duration) {
    let Some(HealthCheck { interval, unhealthy_threshold, healthy_threshold, .. }) = cluster.spec.health_check else {
        return;
    };
    let mut verdict = Verdict::new(host.state.checked(), unhealthy_threshold, healthy_threshold);
    sleep(wait.min(interval)).await;
    loop {
        let answer = probe.ask(dialer.as_ref()).await;
        if let Answer::Unhealthy(why) | Answer::Failed(why) = &answer {
            tracing::debug!(cluster = &*cluster.name, endpoint = &*host.name, %why, "health check failed");
        }
        if let Some(healthy) = verdict.take(&answer) {
            cluster.state.set_checked(&host, healthy, Instant::now().into_std());
        }
        sleep(interval).await;
    }
}
