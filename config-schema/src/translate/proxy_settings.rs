//! What holds for all listeners of a proxy, from `MeshConfig`, `ProxyConfig` objects and the Pod's annotation.

use std::time::Duration;

use super::labels::selects;
use super::proxy::{Proxy, ProxyRole};
use super::report::{Reports, object_ref};
use crate::document::{DecodeOptions, Decoded, PathRef, compose, decode};
use crate::resources::mesh_config::{AccessLogEncoding as MeshEncoding, NormalizationType};
use crate::resources::mesh_proxy_config as mp;
use crate::resources::mesh_proxy_config::MeshProxyConfig;
use crate::resources::wire;
use crate::resources::{MeshConfig, Object, ProxyConfig, Resources};
use crate::snapshot::{
    AccessLog, AccessLogEncoding, Drain, EscapedSlashesAction, ForwardClientCert, HttpOptions, PathNormalization,
    ProxySettings, UnderscoresAction, XfccDetails,
};

/// Annotation of a Pod with settings of its proxy.
const PROXY_CONFIG: &str = "proxy.istio.io/config";

/// Settings that go into listeners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ListenerSettings {
    /// Every connection starts with a PROXY protocol header.
    pub(super) proxy_protocol: bool,
    /// Most connections of a listener.
    pub(super) listener_connection_limit: Option<u32>,
}

/// The settings of a proxy.
pub(super) fn settings(
    resources: &Resources,
    mesh: &MeshConfig,
    proxy: &Proxy,
    reports: &mut Reports,
) -> (ProxySettings, ListenerSettings) {
    let config = effective_config(resources, mesh, proxy, reports);
    let gateway = proxy.role == ProxyRole::Gateway;
    let connections = config.connection_settings.clone().map(|settings| with_profile(settings, gateway));
    let connections = connections.unwrap_or_default();
    let topology = config.gateway_topology.as_ref();
    let limit = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok()).filter(|value| *value > 0);
    let settings = ProxySettings {
        http: http_options(mesh, &config, &connections, gateway),
        access_log: access_log(mesh),
        connection_limit: limit(connections.global_downstream_connection_limit),
        drain: Drain { minimum: config.termination_drain_duration().0, maximum: config.drain_duration().0 },
        concurrency: config.concurrency.and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0),
    };
    let listeners = ListenerSettings {
        proxy_protocol: gateway && topology.is_some_and(|topology| topology.proxy_protocol.is_some()),
        listener_connection_limit: limit(connections.listener_connection_limit),
    };
    (settings, listeners)
}

fn access_log(mesh: &MeshConfig) -> Option<AccessLog> {
    let path = mesh.access_log_file.clone()?;
    let encoding = match mesh.access_log_encoding {
        MeshEncoding::Text => AccessLogEncoding::Text,
        MeshEncoding::Json => AccessLogEncoding::Json,
    };
    let listeners = !mesh.disable_envoy_listener_log;
    Some(AccessLog { path, encoding, format: mesh.access_log_format.clone(), listeners })
}

/// The mesh's default, under ProxyConfigs of the mesh and the namespace, the Pod's annotation, and the ProxyConfig for
/// the workload.
fn effective_config(resources: &Resources, mesh: &MeshConfig, proxy: &Proxy, reports: &mut Reports) -> MeshProxyConfig {
    let mut config = mesh.default_config.clone().unwrap_or_default();
    let root = mesh.root_namespace();
    let general = |namespace: &str| oldest(resources, namespace, |object| object.spec.selector.is_none());
    apply_object(&mut config, general(root));
    if proxy.namespace != root {
        apply_object(&mut config, general(&proxy.namespace));
    }
    let Some(pod) = &proxy.pod else { return config };
    if let Some(text) = pod.meta.annotations.get(PROXY_CONFIG) {
        match read_annotation(text) {
            Ok(own) => overlay(&mut config, own),
            Err(reason) => {
                let path = format!("metadata.annotations[{PROXY_CONFIG}]");
                reports.error(&object_ref(pod), path, "proxy-config", format!("annotation ignored: {reason}"));
            }
        }
    }
    let of_workload = oldest(resources, &proxy.namespace, |object| {
        let selector = object.spec.selector.as_ref().map(|selector| &selector.match_labels);
        selector.is_some_and(|labels| !labels.is_empty() && selects(labels, &pod.meta.labels))
    });
    apply_object(&mut config, of_workload);
    config
}

fn oldest<'r>(
    resources: &'r Resources,
    namespace: &str,
    wanted: impl Fn(&Object<ProxyConfig>) -> bool,
) -> Option<&'r ProxyConfig> {
    let mut objects: Vec<_> = resources.proxy_configs.in_namespace(namespace).filter(|object| wanted(object)).collect();
    objects.sort_by(|one, other| one.cmp_age(other));
    objects.first().map(|object| &object.spec)
}

fn apply_object(config: &mut MeshProxyConfig, object: Option<&ProxyConfig>) {
    let Some(object) = object else { return };
    config.concurrency = object.concurrency.or(config.concurrency);
    config.proxy_metadata.extend(object.environment_variables.clone());
}

fn read_annotation(text: &str) -> Result<MeshProxyConfig, String> {
    let root = compose(text, 0).map_err(|error| error.message.into_owned())?;
    let Some(root) = root.filter(|root| !root.is_null()) else { return Ok(MeshProxyConfig::default()) };
    let options = DecodeOptions { proto_field_names: true, ..DecodeOptions::default() };
    let decoded: Decoded<MeshProxyConfig> = decode(&root, PathRef::ROOT, options);
    match decoded.faults.first() {
        Some(fault) => Err(format!("{}: {}", fault.path, fault.message)),
        None => Ok(decoded.value.unwrap_or_default()),
    }
}

/// Messages of the annotation replace those of the mesh whole, but for the headers.
fn overlay(config: &mut MeshProxyConfig, own: MeshProxyConfig) {
    config.concurrency = own.concurrency.or(config.concurrency);
    config.drain_duration = own.drain_duration.or(config.drain_duration);
    config.termination_drain_duration = own.termination_drain_duration.or(config.termination_drain_duration);
    config.proxy_metadata.extend(own.proxy_metadata);
    if own.gateway_topology.is_some() {
        config.gateway_topology = own.gateway_topology;
    }
    if own.connection_settings.is_some() {
        config.connection_settings = own.connection_settings;
    }
    if let Some(own) = own.proxy_headers {
        let base = config.proxy_headers.take().unwrap_or_default();
        config.proxy_headers = Some(mp::ProxyHeaders {
            forwarded_client_cert: match own.forwarded_client_cert {
                mp::ForwardClientCertDetails::Undefined => base.forwarded_client_cert,
                details => details,
            },
            request_id: own.request_id.or(base.request_id),
            server: own.server.clone().or(base.server),
            attempt_count: own.attempt_count.or(base.attempt_count),
            envoy_debug_headers: own.envoy_debug_headers.or(base.envoy_debug_headers),
            ..own
        });
    }
}

/// The settings with those of the profile where nothing is said. The profile EDGE is for gateways only.
fn with_profile(own: mp::ConnectionSettings, gateway: bool) -> mp::ConnectionSettings {
    if own.profile != mp::ConnectionProfile::Edge || !gateway {
        return own;
    }
    let seconds = wire::Duration::from_secs;
    mp::ConnectionSettings {
        http_idle_timeout: own.http_idle_timeout.or(Some(seconds(3600))),
        http_stream_idle_timeout: own.http_stream_idle_timeout.or(Some(seconds(300))),
        http_request_timeout: own.http_request_timeout.or(Some(seconds(300))),
        http_request_headers_timeout: own.http_request_headers_timeout.or(Some(seconds(60))),
        http_max_concurrent_streams: own.http_max_concurrent_streams.or(Some(100)),
        http2_initial_stream_window_size: own.http2_initial_stream_window_size.or(Some(64 * 1024)),
        http2_initial_connection_window_size: own.http2_initial_connection_window_size.or(Some(1024 * 1024)),
        http_headers_with_underscores_action: match own.http_headers_with_underscores_action {
            mp::HeadersWithUnderscoresAction::Unspecified => mp::HeadersWithUnderscoresAction::RejectRequest,
            action => action,
        },
        http_merge_slashes: own.http_merge_slashes.or(Some(true)),
        http_path_with_escaped_slashes_action: match own.http_path_with_escaped_slashes_action {
            mp::PathWithEscapedSlashesAction::Unspecified => mp::PathWithEscapedSlashesAction::UnescapeAndRedirect,
            action => action,
        },
        ..own
    }
}

fn http_options(
    mesh: &MeshConfig,
    config: &MeshProxyConfig,
    connections: &mp::ConnectionSettings,
    gateway: bool,
) -> HttpOptions {
    let mut options = HttpOptions { trusted_proxies: config.num_trusted_proxies(), ..HttpOptions::default() };
    (options.path_normalization, options.escaped_slashes) = match mesh.path_normalization() {
        NormalizationType::None => (PathNormalization::None, EscapedSlashesAction::Keep),
        NormalizationType::Default | NormalizationType::Base => (PathNormalization::Base, EscapedSlashesAction::Keep),
        NormalizationType::MergeSlashes => (PathNormalization::MergeSlashes, EscapedSlashesAction::Keep),
        NormalizationType::DecodeAndMergeSlashes => {
            (PathNormalization::DecodeAndMergeSlashes, EscapedSlashesAction::UnescapeAndForward)
        }
    };
    let headers = config.proxy_headers.clone().unwrap_or_default();
    let details = match (gateway, config.gateway_topology.as_ref()) {
        (true, topology) => topology.map(|topology| topology.forward_client_cert_details).unwrap_or_default(),
        (false, _) => headers.forwarded_client_cert,
    };
    options.forward_client_cert = forward_client_cert(details, gateway);
    options.xfcc = if gateway { XfccDetails::default() } else { sidecar_xfcc(&headers) };
    let off = |switch: Option<mp::HeaderSwitch>| switch.is_some_and(|switch| switch.disabled == Some(true));
    let on = |switch: Option<mp::HeaderOptIn>| switch.is_some_and(|switch| switch.enabled == Some(true));
    options.generate_request_id = !off(headers.request_id);
    options.attempt_count = !off(headers.attempt_count);
    options.debug_headers = !off(headers.envoy_debug_headers);
    options.forwarded_host = on(headers.x_forwarded_host);
    options.forwarded_port = on(headers.x_forwarded_port);
    match headers.server {
        Some(server) if server.disabled == Some(true) => options.server = None,
        Some(mp::ServerHeader { value: Some(value), .. }) => options.server = Some(value),
        // Sidecars answer their application in Envoy's own name.
        _ if !gateway => options.server = Some("envoy".to_owned()),
        _ => {}
    }
    apply_connections(&mut options, connections);
    options
}

fn forward_client_cert(details: mp::ForwardClientCertDetails, gateway: bool) -> ForwardClientCert {
    match details {
        mp::ForwardClientCertDetails::Undefined if gateway => ForwardClientCert::SanitizeSet,
        mp::ForwardClientCertDetails::Undefined => ForwardClientCert::AppendForward,
        mp::ForwardClientCertDetails::Sanitize => ForwardClientCert::Sanitize,
        mp::ForwardClientCertDetails::ForwardOnly => ForwardClientCert::ForwardOnly,
        mp::ForwardClientCertDetails::AppendForward => ForwardClientCert::AppendForward,
        mp::ForwardClientCertDetails::SanitizeSet => ForwardClientCert::SanitizeSet,
        mp::ForwardClientCertDetails::AlwaysForwardOnly => ForwardClientCert::AlwaysForwardOnly,
    }
}

fn sidecar_xfcc(headers: &mp::ProxyHeaders) -> XfccDetails {
    let details = headers.set_current_client_cert_details.unwrap_or_default();
    XfccDetails {
        subject: details.subject.unwrap_or(true),
        cert: details.cert.unwrap_or(false),
        chain: details.chain.unwrap_or(false),
        dns: details.dns.unwrap_or(true),
        uri: details.uri.unwrap_or(true),
    }
}

fn apply_connections(options: &mut HttpOptions, own: &mp::ConnectionSettings) {
    // Zero switches a timeout off.
    let set = |field: &mut Option<Duration>, value: Option<wire::Duration>| {
        if let Some(value) = value {
            *field = Some(value.0).filter(|value| !value.is_zero());
        }
    };
    set(&mut options.idle_timeout, own.http_idle_timeout);
    set(&mut options.max_connection_duration, own.http_max_connection_duration);
    set(&mut options.request_timeout, own.http_request_timeout);
    set(&mut options.request_headers_timeout, own.http_request_headers_timeout);
    set(&mut options.stream_idle_timeout, own.http_stream_idle_timeout);
    set(&mut options.max_stream_duration, own.http_max_stream_duration);
    options.drain_timeout = own.http_drain_timeout.map_or(options.drain_timeout, |timeout| timeout.0);
    let number = |field: &mut u32, value: Option<i32>| {
        *field = value.and_then(|value| u32::try_from(value).ok()).unwrap_or(*field);
    };
    number(&mut options.max_concurrent_streams, own.http_max_concurrent_streams);
    number(&mut options.initial_stream_window, own.http2_initial_stream_window_size);
    number(&mut options.initial_connection_window, own.http2_initial_connection_window_size);
    options.underscores = match own.http_headers_with_underscores_action {
        mp::HeadersWithUnderscoresAction::Unspecified => options.underscores,
        mp::HeadersWithUnderscoresAction::Allow => UnderscoresAction::Allow,
        mp::HeadersWithUnderscoresAction::RejectRequest => UnderscoresAction::RejectRequest,
        mp::HeadersWithUnderscoresAction::DropHeader => UnderscoresAction::DropHeader,
    };
    options.escaped_slashes = match own.http_path_with_escaped_slashes_action {
        mp::PathWithEscapedSlashesAction::Unspecified => options.escaped_slashes,
        mp::PathWithEscapedSlashesAction::KeepUnchanged => EscapedSlashesAction::Keep,
        mp::PathWithEscapedSlashesAction::RejectRequest => EscapedSlashesAction::Reject,
        mp::PathWithEscapedSlashesAction::UnescapeAndRedirect => EscapedSlashesAction::UnescapeAndRedirect,
        mp::PathWithEscapedSlashesAction::UnescapeAndForward => EscapedSlashesAction::UnescapeAndForward,
    };
    merge_slashes(options, own.http_merge_slashes);
}

fn merge_slashes(options: &mut HttpOptions, merge: Option<bool>) {
    options.path_normalization = match (merge, options.path_normalization) {
        (Some(true), PathNormalization::Base) => PathNormalization::MergeSlashes,
        (Some(false), PathNormalization::MergeSlashes | PathNormalization::DecodeAndMergeSlashes) => {
            PathNormalization::Base
        }
        (_, normalization) => normalization,
    };
}
