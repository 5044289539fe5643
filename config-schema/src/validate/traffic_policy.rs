use super::address;
use super::connection_pool::{connection_pool, outlier_detection};
use super::load_balancer::load_balancer;
use super::names::fqdn;
use super::report::Report;
use super::tls;
use crate::document::PathRef;
use crate::resources::destination_rule::{PortTrafficPolicy, RetryBudget, TrafficPolicy, TunnelSettings};

/// How a host of a rule in `namespace` is spoken to.
pub(super) fn validate(policy: Option<&TrafficPolicy>, namespace: &str, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(policy) = policy else { return };
    let empty = *policy == TrafficPolicy::default();
    if empty {
        report.error(path, "empty", "must have at least one field");
        return;
    }
    if policy.tunnel.is_some() && policy.proxy_protocol.is_some() {
        report.error(path, "oneof", "only one of tunnel and proxyProtocol may be set");
    }
    outlier_detection(policy.outlier_detection.as_ref(), path.key("outlierDetection"), report);
    connection_pool(policy.connection_pool.as_ref(), path.key("connectionPool"), report);
    let has_outlier = policy.outlier_detection.is_some();
    load_balancer(policy.load_balancer.as_ref(), has_outlier, path.key("loadBalancer"), report);
    tls::client(policy.tls.as_ref(), namespace, path.key("tls"), report);
    let ports = path.key("portLevelSettings");
    report.max_items(ports, policy.port_level_settings.len(), 4096);
    for (index, port) in policy.port_level_settings.iter().enumerate() {
        port_level(port, namespace, ports.index(index), report);
    }
    if let Some(tunnel) = &policy.tunnel {
        validate_tunnel(tunnel, path.key("tunnel"), report);
    }
    if let Some(budget) = &policy.retry_budget {
        retry_budget(budget, path.key("retryBudget"), report);
    }
}

fn port_level(policy: &PortTrafficPolicy, namespace: &str, path: PathRef<'_>, report: &mut Report<'_>) {
    match &policy.port {
        None => report.required(path.key("port"), "the settings of a port must name the port"),
        Some(port) => {
            if let Err(message) = address::port(port.number) {
                report.warning(
                    path.key("port").key("number"),
                    "port",
                    format!("{message}; the settings apply to no port"),
                );
            }
        }
    }
    let bare = PortTrafficPolicy { port: policy.port, ..PortTrafficPolicy::default() };
    if *policy == bare {
        report.error(path, "empty", "must have at least one field beside the port");
        return;
    }
    outlier_detection(policy.outlier_detection.as_ref(), path.key("outlierDetection"), report);
    connection_pool(policy.connection_pool.as_ref(), path.key("connectionPool"), report);
    let has_outlier = policy.outlier_detection.is_some();
    load_balancer(policy.load_balancer.as_ref(), has_outlier, path.key("loadBalancer"), report);
    tls::client(policy.tls.as_ref(), namespace, path.key("tls"), report);
}

fn validate_tunnel(tunnel: &TunnelSettings, path: PathRef<'_>, report: &mut Report<'_>) {
    if tunnel.protocol.as_deref().is_some_and(|protocol| !matches!(protocol, "CONNECT" | "POST")) {
        report.error(path.key("protocol"), "protocol", "must be CONNECT or POST");
    }
    if !address::is_ip(&tunnel.target_host) {
        report.check(path.key("targetHost"), "host", fqdn(&tunnel.target_host));
    }
    report.check(path.key("targetPort"), "port", address::port(tunnel.target_port));
}

fn retry_budget(budget: &RetryBudget, path: PathRef<'_>, report: &mut Report<'_>) {
    if budget.percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        report.error(path.key("percent"), "range", "must be in the range 0-100");
    }
}
