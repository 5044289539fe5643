//! `connectionPool`, `outlierDetection` and `retryBudget` in the terms of a snapshot.

use std::time::Duration;

use super::traffic_policy::Policy;
use crate::resources::MeshConfig;
use crate::resources::destination_rule as dr;
use crate::resources::wire;
use crate::snapshot::{
    CircuitBreakers, Http2KeepAlive, OutlierDetection, RetryBudget, TcpKeepalive, UpstreamPool, UpstreamProtocol,
};

/// How long a connection may be idle unless something else is said (Envoy's default).
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// A limit; zero and less mean none.
fn limit(value: Option<i32>) -> Option<u32> {
    value.and_then(|value| u32::try_from(value).ok()).filter(|value| *value > 0)
}

/// A timeout where zero means never.
fn never_if_zero(value: Option<wire::Duration>, default: Option<Duration>) -> Option<Duration> {
    value.map_or(default, |value| Some(value.0).filter(|value| !value.is_zero()))
}

/// Time without bytes after which a byte connection is closed.
pub(super) fn tcp_idle_timeout(tcp: Option<&dr::TcpSettings>) -> Option<Duration> {
    never_if_zero(tcp.and_then(|tcp| tcp.idle_timeout), Some(IDLE_TIMEOUT))
}

/// Longest life of a byte connection.
pub(super) fn max_connection_duration(tcp: Option<&dr::TcpSettings>) -> Option<Duration> {
    never_if_zero(tcp.and_then(|tcp| tcp.max_connection_duration), None)
}

/// Limits.
pub(super) fn circuit_breakers(policy: &Policy<'_>) -> CircuitBreakers {
    let tcp = policy.connection_pool.and_then(|pool| pool.tcp.as_ref());
    let http = policy.connection_pool.and_then(|pool| pool.http.as_ref());
    CircuitBreakers {
        max_connections: limit(tcp.and_then(|tcp| tcp.max_connections)),
        max_pending_requests: limit(http.and_then(|http| http.http1_max_pending_requests)),
        max_requests: limit(http.and_then(|http| http.http2_max_requests)),
        max_retries: limit(http.and_then(|http| http.max_retries)),
        retry_budget: policy.retry_budget.map(|budget| RetryBudget {
            percent: budget.percent.unwrap_or(20.0),
            min_concurrency: budget.min_retry_concurrency.unwrap_or(3),
            interval: budget.budget_interval.unwrap_or_default().0,
        }),
    }
}

/// Connections and their life.
pub(super) fn pool(policy: &Policy<'_>, mesh: &MeshConfig, protocol: UpstreamProtocol) -> UpstreamPool {
    let tcp = policy.connection_pool.and_then(|pool| pool.tcp.as_ref());
    let http = policy.connection_pool.and_then(|pool| pool.http.as_ref());
    let http2 = protocol == UpstreamProtocol::Http2;
    let keepalive = http.and_then(|http| http.http2_keep_alive).filter(|_| http2);
    let connect_timeout = tcp.and_then(|tcp| tcp.connect_timeout).unwrap_or_else(|| mesh.connect_timeout());
    let idle = http.and_then(|http| http.idle_timeout).or_else(|| tcp.and_then(|tcp| tcp.idle_timeout));
    UpstreamPool {
        connect_timeout: connect_timeout.0,
        idle_timeout: never_if_zero(idle, Some(IDLE_TIMEOUT)),
        tcp_idle_timeout: tcp_idle_timeout(tcp),
        max_connection_duration: max_connection_duration(tcp),
        max_requests_per_connection: limit(http.and_then(|http| http.max_requests_per_connection)),
        max_concurrent_streams: limit(http.and_then(|http| http.max_concurrent_streams)).filter(|_| http2),
        http2_keepalive: keepalive.map(|keepalive| Http2KeepAlive {
            interval: keepalive.interval.unwrap_or_default().0,
            timeout: keepalive.timeout.unwrap_or_default().0,
        }),
        tcp_keepalive: tcp_keepalive(mesh.tcp_keepalive, tcp.and_then(|tcp| tcp.tcp_keepalive)),
    }
}

/// Each value of the rule over that of the mesh.
fn tcp_keepalive(mesh: Option<dr::TcpKeepalive>, rule: Option<dr::TcpKeepalive>) -> Option<TcpKeepalive> {
    if mesh.is_none() && rule.is_none() {
        return None;
    }
    let (mesh, rule) = (mesh.unwrap_or_default(), rule.unwrap_or_default());
    Some(TcpKeepalive {
        probes: rule.probes.or(mesh.probes),
        time: rule.time.or(mesh.time).map(|time| time.0),
        interval: rule.interval.or(mesh.interval).map(|interval| interval.0),
    })
}

/// Ejection of failing endpoints; thresholds that are not said are Envoy's.
pub(super) fn outlier_detection(settings: &dr::OutlierDetection) -> OutlierDetection {
    let split = settings.split_external_local_origin_errors;
    let local_origin = settings.consecutive_local_origin_failures.filter(|count| *count > 0).unwrap_or(5);
    OutlierDetection {
        consecutive_5xx: settings.consecutive_5xx_errors.unwrap_or(5),
        consecutive_gateway_errors: settings.consecutive_gateway_errors.unwrap_or(0),
        consecutive_local_origin_failures: if split { local_origin } else { 0 },
        split_external_local_origin_errors: split,
        interval: settings.interval.map_or(Duration::from_secs(10), |interval| interval.0),
        base_ejection_time: settings.base_ejection_time.map_or(Duration::from_secs(30), |time| time.0),
        max_ejection_percent: limit(settings.max_ejection_percent).unwrap_or(10),
        http_errors: settings
            .outlier_detection_http_error_codes
            .iter()
            .filter_map(|code| u16::try_from(*code).ok())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_outlier_detection_is_envoys() {
        let settings = outlier_detection(&dr::OutlierDetection::default());
        assert_eq!((settings.consecutive_5xx, settings.consecutive_gateway_errors), (5, 0));
        assert_eq!(settings.max_ejection_percent, 10);
        assert_eq!(settings.consecutive_local_origin_failures, 0);
    }

    #[test]
    fn keepalive_of_the_rule_is_laid_over_the_mesh() {
        let mesh = dr::TcpKeepalive { probes: Some(3), time: Some(wire::Duration::from_secs(5)), interval: None };
        let rule = dr::TcpKeepalive { probes: Some(9), time: None, interval: None };
        let merged = tcp_keepalive(Some(mesh), Some(rule)).unwrap();
        assert_eq!((merged.probes, merged.time), (Some(9), Some(Duration::from_secs(5))));
        assert_eq!(tcp_keepalive(None, None), None);
    }
}
