//! Metrics about the gateway itself, under `sallyport_`.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Connections, handshakes and configuration.
pub struct ProcessMetrics {
    /// Open connections, by listener.
    pub connections: IntGaugeVec,
    /// Connections accepted, by listener.
    pub accepted: IntCounterVec,
    /// Connections closed before they were served, by listener and reason.
    pub rejected: IntCounterVec,
    /// TLS handshakes, by listener and version, or `failed`.
    pub handshakes: IntCounterVec,
    /// Configurations applied.
    pub updates: IntCounter,
    /// Objects that the configuration in force lacks because they are wrong.
    pub rejected_objects: IntGauge,
    /// Lines of access logs dropped because the file did not keep up.
    pub dropped_log_lines: IntCounter,
}

impl ProcessMetrics {
    /// Registers them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let connections =
            IntGaugeVec::new(Opts::new("sallyport_downstream_connections", "Open client connections"), &["listener"])?;
        registry.register(Box::new(connections.clone()))?;
        let rejected_objects =
            IntGauge::new("sallyport_config_rejected_objects", "Objects left out of the configuration in force")?;
        registry.register(Box::new(rejected_objects.clone()))?;
        Ok(ProcessMetrics {
            connections,
            accepted: counters("sallyport_downstream_connections_total", "Client connections accepted", &["listener"])?,
            rejected: counters(
                "sallyport_downstream_connections_rejected_total",
                "Client connections closed before they were served",
                &["listener", "reason"],
            )?,
            handshakes: counters(
                "sallyport_tls_handshakes_total",
                "TLS handshakes with clients",
                &["listener", "result"],
            )?,
            updates: counter("sallyport_config_updates_total", "Configurations applied")?,
            rejected_objects,
            dropped_log_lines: counter("sallyport_access_log_dropped_lines_total", "Access log lines dropped")?,
        })
    }
}
