//! What the lookups of names cost and bring.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::resolver::{Answer, LookupError};

/// Seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Metrics under `sallyport_dns_`.
#[derive(Debug)]
pub struct DnsMetrics {
    /// Lookups, by result: `ok`, `not_found`, `no_data`, `failed`.
    pub lookups: IntCounterVec,
    /// How long lookups take.
    pub duration: Histogram,
    /// Names that are kept resolved.
    pub names: IntGauge,
    /// Names whose addresses are of an earlier answer, because the last lookup failed.
    pub stale: IntGauge,
    /// Answers that differ from the one before.
    pub changes: IntCounter,
    /// Names that requests have chosen and that are resolved, by cluster.
    pub dynamic_hosts: IntGaugeVec,
    /// Requests refused because a cluster resolves as many names as it may, by cluster.
    pub dynamic_overflow: IntCounterVec,
}

impl DnsMetrics {
    /// Registers them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, label: &str| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let duration = Histogram::with_opts(
            HistogramOpts::new("sallyport_dns_lookup_duration_seconds", "Time of DNS lookups")
                .buckets(BUCKETS.to_vec()),
        )?;
        registry.register(Box::new(duration.clone()))?;
        let changes = IntCounter::new("sallyport_dns_address_changes_total", "DNS answers that changed")?;
        registry.register(Box::new(changes.clone()))?;
        let dynamic_hosts =
            IntGaugeVec::new(Opts::new("sallyport_dns_dynamic_hosts", "Names chosen by requests"), &["cluster"])?;
        registry.register(Box::new(dynamic_hosts.clone()))?;
        Ok(DnsMetrics {
            lookups: counters("sallyport_dns_lookups_total", "DNS lookups", "result")?,
            duration,
            names: gauge("sallyport_dns_names", "Names that are kept resolved")?,
            stale: gauge("sallyport_dns_stale_names", "Names served from an earlier answer")?,
            changes,
            dynamic_hosts,
            dynamic_overflow: counters(
                "sallyport_dns_dynamic_overflow_total",
                "Requests refused because a cluster resolves too many names",
                "cluster",
            )?,
        })
    }

    /// The metric's word for an outcome.
    pub(super) fn result(outcome: &Result<Answer, LookupError>) -> &'static str {
        match outcome {
            Ok(_) => "ok",
            Err(LookupError::NotFound { .. }) => "not_found",
            Err(LookupError::NoData { .. }) => "no_data",
            Err(LookupError::Failed(_)) => "failed",
        }
    }
}
