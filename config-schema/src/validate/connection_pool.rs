use super::report::Report;
use crate::document::PathRef;
use crate::resources::destination_rule::{
    ConnectionPoolSettings, H2UpgradePolicy, HttpSettings, OutlierDetection, TcpKeepalive, TcpSettings,
};
use crate::resources::wire::Duration;

/// Limits of connections and requests.
pub(super) fn connection_pool(pool: Option<&ConnectionPoolSettings>, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(pool) = pool else { return };
    if pool.tcp.is_none() && pool.http.is_none() {
        report.error(path, "empty", "must have tcp or http");
    }
    if let Some(http) = &pool.http {
        validate_http(http, path.key("http"), report);
    }
    if let Some(tcp) = &pool.tcp {
        validate_tcp(tcp, path.key("tcp"), report);
    }
}

fn not_negative(path: PathRef<'_>, number: Option<i32>, report: &mut Report<'_>) {
    if number.is_some_and(|number| number < 0) {
        report.error(path, "range", "must not be negative");
    }
}

fn validate_http(http: &HttpSettings, path: PathRef<'_>, report: &mut Report<'_>) {
    not_negative(path.key("http1MaxPendingRequests"), http.http1_max_pending_requests, report);
    not_negative(path.key("http2MaxRequests"), http.http2_max_requests, report);
    not_negative(path.key("maxRequestsPerConnection"), http.max_requests_per_connection, report);
    not_negative(path.key("maxRetries"), http.max_retries, report);
    not_negative(path.key("maxConcurrentStreams"), http.max_concurrent_streams, report);
    report.duration(path.key("idleTimeout"), http.idle_timeout);
    if http.h2_upgrade_policy == H2UpgradePolicy::Upgrade && http.use_client_protocol {
        let message = "it contradicts h2UpgradePolicy: UPGRADE; set one of the two";
        report.error(path.key("useClientProtocol"), "oneof", message);
    }
    if let Some(keep_alive) = &http.http2_keep_alive {
        let here = path.key("http2KeepAlive");
        for (field, value) in [("interval", keep_alive.interval), ("timeout", keep_alive.timeout)] {
            if value.is_none() {
                report.required(here.key(field), "must be set to keep connections alive");
            }
            report.duration(here.key(field), value);
        }
    }
}

fn validate_tcp(tcp: &TcpSettings, path: PathRef<'_>, report: &mut Report<'_>) {
    not_negative(path.key("maxConnections"), tcp.max_connections, report);
    report.duration(path.key("connectTimeout"), tcp.connect_timeout);
    report.duration(path.key("maxConnectionDuration"), tcp.max_connection_duration);
    // Zero switches the timeout off.
    report.duration(path.key("idleTimeout"), tcp.idle_timeout.filter(|timeout| *timeout >= Duration::from_millis(1)));
    keepalive(tcp.tcp_keepalive.as_ref(), path.key("tcpKeepalive"), report);
}

/// Keepalive probes.
pub(super) fn keepalive(keepalive: Option<&TcpKeepalive>, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(keepalive) = keepalive else { return };
    report.duration(path.key("time"), keepalive.time);
    report.duration(path.key("interval"), keepalive.interval);
}

/// When an endpoint is left out.
pub(super) fn outlier_detection(outlier: Option<&OutlierDetection>, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(outlier) = outlier else { return };
    report.duration(path.key("baseEjectionTime"), outlier.base_ejection_time);
    report.duration(path.key("interval"), outlier.interval);
    if outlier.consecutive_errors.is_some() {
        let message = "deprecated; use consecutiveGatewayErrors or consecutive5xxErrors";
        report.warning(path.key("consecutiveErrors"), "deprecated", message);
    }
    let local = outlier.consecutive_local_origin_failures.unwrap_or(0);
    if local > 0 && !outlier.split_external_local_origin_errors {
        let message = "it needs splitExternalLocalOriginErrors: true";
        report.error(path.key("consecutiveLocalOriginFailures"), "outlier-detection", message);
    }
    for (field, value) in
        [("maxEjectionPercent", outlier.max_ejection_percent), ("minHealthPercent", outlier.min_health_percent)]
    {
        if value.is_some_and(|value| !(0..=100).contains(&value)) {
            report.error(path.key(field), "range", "must be in the range 0-100");
        }
    }
    let codes = path.key("outlierDetectionHttpErrorCodes");
    for (index, code) in outlier.outlier_detection_http_error_codes.iter().enumerate() {
        if !(100..=599).contains(code) {
            report.error(codes.index(index), "range", "must be a status code, 100-599");
        }
    }
}
