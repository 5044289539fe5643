use super::address::{self, host_and_port, is_ip};
use super::names::fqdn;
use super::report::Report;
use super::{tls, workload_group};
use crate::document::PathRef;
use crate::resources::mesh_proxy_config::{AuthenticationPolicy, ConnectionSettings, MeshProxyConfig, ProxyTracing};

/// Settings of a proxy, of the mesh or by annotation.
pub(super) fn validate(config: &MeshProxyConfig, path: PathRef<'_>, report: &mut Report<'_>) {
    report.at_most_one(path, &["serviceCluster", "tracingServiceName"]);
    for (field, duration) in [
        ("drainDuration", config.drain_duration),
        ("terminationDrainDuration", config.termination_drain_duration),
        ("fileFlushInterval", config.file_flush_interval),
    ] {
        report.duration(path.key(field), duration);
    }
    if config.drain_duration.is_some_and(|duration| duration.0.subsec_nanos() > 0) {
        report.error(path.key("drainDuration"), "duration", "must be whole seconds");
    }
    for (field, value) in [
        ("discoveryAddress", &config.discovery_address),
        ("zipkinAddress", &config.zipkin_address),
        ("statsdUdpAddress", &config.statsd_udp_address),
        ("envoyMetricsServiceAddress", &config.envoy_metrics_service_address),
    ] {
        proxy_address(value.as_deref(), path.key(field), report);
    }
    for (field, service) in [
        ("envoyMetricsService", &config.envoy_metrics_service),
        ("envoyAccessLogService", &config.envoy_access_log_service),
    ] {
        let value = service.as_ref().and_then(|service| service.address.as_deref());
        proxy_address(value, path.key(field).key("address"), report);
    }
    for (field, port) in [("proxyAdminPort", config.proxy_admin_port), ("statusPort", config.status_port)] {
        if report.is_set(path.key(field)) {
            let port = u32::try_from(port.unwrap_or(0)).unwrap_or(0);
            report.check(path.key(field), "port", address::port(port));
        }
    }
    if config.concurrency.is_some_and(|threads| threads < 0) {
        report.error(path.key("concurrency"), "range", "must not be negative");
    }
    if config.control_plane_auth_policy == Some(AuthenticationPolicy::Inherit) {
        report.error(path.key("controlPlaneAuthPolicy"), "enum", "must be NONE or MUTUAL_TLS");
    }
    if config.proxy_metadata.contains_key("ISTIO_META_DNS_AUTO_ALLOCATE") {
        let here = path.key("proxyMetadata");
        report.warning(
            here.key("ISTIO_META_DNS_AUTO_ALLOCATE"),
            "deprecated",
            "deprecated; addresses are given without it",
        );
    }
    if let Some(tracing) = &config.tracing {
        validate_tracing(tracing, path.key("tracing"), report);
    }
    if let Some(probe) = &config.readiness_probe {
        workload_group::probe(probe, path.key("readinessProbe"), report);
    }
    if let Some(settings) = &config.connection_settings {
        connection_settings(settings, path.key("connectionSettings"), report);
    }
    private_keys(config, path.key("privateKeyProvider"), report);
}

fn proxy_address(address: Option<&str>, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(address) = address else { return };
    let address = address.replacen("$(HOST_IP)", "127.0.0.1", 1);
    let result = host_and_port(&address).and_then(|(host, _)| if is_ip(host) { Ok(()) } else { fqdn(host) });
    report.check(path, "address", result);
}

fn validate_tracing(tracing: &ProxyTracing, path: PathRef<'_>, report: &mut Report<'_>) {
    report.at_most_one(path, &["zipkin", "lightstep", "datadog", "stackdriver", "openCensusAgent"]);
    for (field, receiver) in [("zipkin", &tracing.zipkin), ("datadog", &tracing.datadog)] {
        if let Some(receiver) = receiver {
            let address = receiver.address.as_deref().or(Some(""));
            proxy_address(address, path.key(field).key("address"), report);
        }
    }
    if let Some(lightstep) = &tracing.lightstep {
        let here = path.key("lightstep");
        proxy_address(lightstep.address.as_deref().or(Some("")), here.key("address"), report);
        if lightstep.access_token.is_none() {
            report.required(here.key("accessToken"), "must be set");
        }
    }
    if tracing.sampling.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        report.error(path.key("sampling"), "range", "must be in the range 0-100");
    }
    tls::client(tracing.tls_settings.as_ref(), "", path.key("tlsSettings"), report);
}

fn connection_settings(settings: &ConnectionSettings, path: PathRef<'_>, report: &mut Report<'_>) {
    for (field, value, least) in [
        ("listenerPerConnectionBufferLimitBytes", settings.listener_per_connection_buffer_limit_bytes, 0),
        ("clusterPerConnectionBufferLimitBytes", settings.cluster_per_connection_buffer_limit_bytes, 0),
        ("httpMaxConcurrentStreams", settings.http_max_concurrent_streams, 1),
        ("http2InitialStreamWindowSize", settings.http2_initial_stream_window_size, 65535),
        ("http2InitialConnectionWindowSize", settings.http2_initial_connection_window_size, 65535),
        ("listenerConnectionLimit", settings.listener_connection_limit, 1),
        ("globalDownstreamConnectionLimit", settings.global_downstream_connection_limit, 1),
    ] {
        if value.is_some_and(|value| value < least) {
            report.error(path.key(field), "range", format!("must be at least {least}"));
        }
    }
}

fn private_keys(config: &MeshProxyConfig, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(provider) = &config.private_key_provider else { return };
    report.at_most_one(path, &["cryptomb", "qat"]);
    let mut set = false;
    for (field, accelerator) in [("cryptomb", &provider.cryptomb), ("qat", &provider.qat)] {
        let Some(accelerator) = accelerator else { continue };
        set = true;
        if accelerator.poll_delay.is_none_or(|delay| delay.0.is_zero()) {
            report.required(path.key(field).key("pollDelay"), "must be set, and not 0");
        }
    }
    if !set {
        report.required(path, "must have cryptomb or qat");
    }
}
