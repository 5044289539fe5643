//! What limits, outlier detection and health checks do, by cluster. It is counted where it happens and only read here, when
//! somebody asks: a request pays nothing for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec, Opts};

use crate::config::Store;
use crate::upstream::{Checked, Cluster};

/// Metrics under `sallyport_cluster_`. Clusters of which there is nothing to tell have none.
pub struct ClusterMetrics {
    store: Arc<Store>,
    families: Families,
}

struct Families {
    overflows: IntCounterVec,
    ejections: IntCounterVec,
    ejected: IntGaugeVec,
    unhealthy: IntGaugeVec,
}

impl Families {
    fn new() -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let gauges = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["cluster"]);
        Ok(Families {
            overflows: counters(
                "sallyport_cluster_overflows_total",
                "Refusals because a limit was reached (connections, pending_requests, requests, retries)",
                &["cluster", "limit"],
            )?,
            ejections: counters("sallyport_cluster_ejections_total", "Ejections by outlier detection", &["cluster"])?,
            ejected: gauges("sallyport_cluster_ejected_endpoints", "Endpoints that are ejected now")?,
            unhealthy: gauges("sallyport_cluster_unhealthy_endpoints", "Endpoints that fail their health checks now")?,
        })
    }

    fn add(&self, cluster: &Cluster) {
        let overflows = &cluster.state.breakers.overflows;
        for (limit, count) in [
            ("connections", &overflows.connections),
            ("pending_requests", &overflows.pending),
            ("requests", &overflows.requests),
            ("retries", &overflows.retries),
        ] {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                self.overflows.with_label_values(&[&*cluster.name, limit]).inc_by(count);
            }
        }
        let hosts = cluster.state.hosts.load();
        let number = |wanted: &dyn Fn(&crate::upstream::Host) -> bool| {
            i64::try_from(hosts.iter().filter(|host| wanted(host)).count()).unwrap_or(i64::MAX)
        };
        if cluster.spec.outlier_detection.is_some() {
            self.ejections.with_label_values(&[&*cluster.name]).inc_by(cluster.state.ejections());
            self.ejected.with_label_values(&[&*cluster.name]).set(number(&|host| host.state.is_ejected()));
        }
        if cluster.spec.health_check.is_some() {
            let unhealthy = number(&|host| host.state.checked() == Checked::Unhealthy);
            self.unhealthy.with_label_values(&[&*cluster.name]).set(unhealthy);
        }
    }
}

impl ClusterMetrics {
    /// Of the clusters in force at the time of asking.
    ///
    /// # Errors
    /// None: the names are fixed.
    pub fn new(store: Arc<Store>) -> Result<Self, prometheus::Error> {
        Ok(ClusterMetrics { store, families: Families::new()? })
    }
}

impl Collector for ClusterMetrics {
    fn desc(&self) -> Vec<&Desc> {
        let Families { overflows, ejections, ejected, unhealthy } = &self.families;
        [overflows.desc(), ejections.desc(), ejected.desc(), unhealthy.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Anew each time: clusters come and go.
        let Ok(families) = Families::new() else { return Vec::new() };
        for cluster in self.store.load().clusters.values() {
            families.add(cluster);
        }
        let Families { overflows, ejections, ejected, unhealthy } = &families;
        let all = [overflows.collect(), ejections.collect(), ejected.collect(), unhealthy.collect()].concat();
        all.into_iter().filter(|family| !family.get_metric().is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    #[test]
    fn nothing_to_tell() {
        let registry = Registry::new();
        registry.register(Box::new(ClusterMetrics::new(Arc::default()).unwrap())).unwrap();
        assert!(registry.gather().is_empty());
    }
}
