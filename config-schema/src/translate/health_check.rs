//! Active health checks in the terms of a snapshot.

use std::time::Duration;

use crate::resources::health_check::{HEALTH_CHECK, HealthCheckSettings};
use crate::resources::{DestinationRule, Object};
use crate::snapshot::{HealthCheck, HealthProbe};

/// What the annotation of a rule asks for. A value with faults has been refused before.
pub(super) fn health_check(rule: &Object<DestinationRule>) -> Option<HealthCheck> {
    let settings = HealthCheckSettings::parse(rule.meta.annotations.get(HEALTH_CHECK)?).ok()?;
    let duration = |duration: Option<crate::resources::wire::Duration>, default| duration.map_or(default, |d| d.0);
    Some(HealthCheck {
        interval: duration(settings.interval, Duration::from_secs(5)),
        timeout: duration(settings.timeout, Duration::from_secs(1)),
        unhealthy_threshold: settings.unhealthy_threshold.unwrap_or(3),
        healthy_threshold: settings.healthy_threshold.unwrap_or(2),
        port: settings.port,
        probe: probe(settings)?,
    })
}

fn probe(settings: HealthCheckSettings) -> Option<HealthProbe> {
    let bytes = |text: Option<String>| text.unwrap_or_default().into_bytes();
    match settings {
        HealthCheckSettings { http: Some(http), .. } => Some(HealthProbe::Http {
            expected_statuses: http.statuses().ok()?,
            path: http.path.unwrap_or_else(|| "/".to_owned()),
            host: http.host,
            headers: http.headers.into_iter().collect(),
        }),
        HealthCheckSettings { tcp: Some(tcp), .. } => {
            Some(HealthProbe::Tcp { send: bytes(tcp.send), receive: bytes(tcp.receive) })
        }
        HealthCheckSettings { grpc: Some(grpc), .. } => {
            Some(HealthProbe::Grpc { service: grpc.service.unwrap_or_default(), authority: grpc.authority })
        }
        _ => None,
    }
}
