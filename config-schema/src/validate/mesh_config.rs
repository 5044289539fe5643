use std::collections::BTreeSet;

use super::address;
use super::connection_pool::{connection_pool, outlier_detection};
use super::extension_provider;
use super::locality;
use super::mesh_proxy_config;
use super::names::{is_dns_label, wildcard_domain};
use super::report::Report;
use super::{retry, tls};
use crate::document::PathRef;
use crate::resources::Object;
use crate::resources::mesh_config::{ECDH_CURVES, MeshConfig, TlsConfig};
use crate::resources::wire::Duration;

const ROOT: PathRef<'static> = PathRef::ROOT;

pub(super) fn validate(object: &Object<MeshConfig>, report: &mut Report<'_>) {
    let mesh = &object.spec;
    for (field, port) in [
        ("proxyListenPort", mesh.proxy_listen_port),
        ("proxyInboundListenPort", mesh.proxy_inbound_listen_port),
        ("proxyHttpPort", mesh.proxy_http_port),
    ] {
        let forward_proxy = field == "proxyHttpPort";
        if port.is_some() || report.is_set(ROOT.key(field)) && !forward_proxy {
            let port = u32::try_from(port.unwrap_or(0)).unwrap_or(0);
            report.check(ROOT.key(field), "port", address::port(port));
        }
    }
    timeouts(mesh, report);
    if let Some(config) = &mesh.default_config {
        mesh_proxy_config::validate(config, ROOT.key("defaultConfig"), report);
    }
    locality::locality(mesh.locality_lb_setting.as_ref(), true, ROOT.key("localityLbSetting"), report);
    locality::zone_aware(mesh.zone_aware_lb_setting.as_ref(), true, ROOT.key("zoneAwareLbSetting"), report);
    trust_domains(mesh, report);
    let settings = ROOT.key("serviceSettings");
    for (index, setting) in mesh.service_settings.iter().enumerate() {
        let here = settings.index(index);
        for (index, host) in setting.hosts.iter().enumerate() {
            report.check(here.key("hosts").index(index), "host", wildcard_domain(host));
        }
    }
    providers(mesh, report);
    tls_settings(mesh, report);
    if let Some(policy) = &mesh.default_traffic_policy {
        let here = ROOT.key("defaultTrafficPolicy");
        connection_pool(policy.connection_pool.as_ref(), here.key("connectionPool"), report);
        outlier_detection(policy.outlier_detection.as_ref(), here.key("outlierDetection"), report);
    }
    retry::validate(mesh.default_http_retry_policy.as_ref(), ROOT.key("defaultHttpRetryPolicy"), report);
}

fn timeouts(mesh: &MeshConfig, report: &mut Report<'_>) {
    report.duration(ROOT.key("connectTimeout"), mesh.connect_timeout);
    if mesh.connect_timeout.is_some_and(|timeout| timeout > Duration::from_secs(3600)) {
        report.error(ROOT.key("connectTimeout"), "duration", "must be at most 1h");
    }
    let detection = mesh.protocol_detection_timeout.filter(|timeout| *timeout != Duration::default());
    report.duration(ROOT.key("protocolDetectionTimeout"), detection);
    report.duration(ROOT.key("dnsRefreshRate"), mesh.dns_refresh_rate);
    super::connection_pool::keepalive(mesh.tcp_keepalive.as_ref(), ROOT.key("tcpKeepalive"), report);
}

fn trust_domain(domain: &str) -> Result<(), String> {
    let labels = domain.strip_suffix('.').unwrap_or(domain);
    if labels.split('.').all(is_dns_label) { Ok(()) } else { Err(format!("{domain:?} is not a trust domain")) }
}

fn trust_domains(mesh: &MeshConfig, report: &mut Report<'_>) {
    if let Some(domain) = &mesh.trust_domain {
        report.check(ROOT.key("trustDomain"), "name", trust_domain(domain));
    }
    let aliases = ROOT.key("trustDomainAliases");
    for (index, alias) in mesh.trust_domain_aliases.iter().enumerate() {
        report.check(aliases.index(index), "name", trust_domain(alias));
    }
}

fn providers(mesh: &MeshConfig, report: &mut Report<'_>) {
    let path = ROOT.key("extensionProviders");
    let mut names = BTreeSet::new();
    for (index, provider) in mesh.extension_providers.iter().enumerate() {
        let here = path.index(index);
        extension_provider::validate(provider, here, report);
        if !names.insert(&provider.name) {
            let message = format!("there are two providers {:?}; the later one counts", provider.name);
            report.warning(here.key("name"), "duplicate", message);
        }
    }
}

fn tls_settings(mesh: &MeshConfig, report: &mut Report<'_>) {
    if let Some(settings) = &mesh.mesh_mtls {
        let here = ROOT.key("meshMTLS");
        tls::cipher_suites(&settings.cipher_suites, here.key("cipherSuites"), report);
        if !settings.ecdh_curves.is_empty() {
            report.error(here.key("ecdhCurves"), "tls", "curves cannot be chosen inside of the mesh");
        }
    }
    if let Some(settings) = &mesh.tls_defaults {
        let here = ROOT.key("tlsDefaults");
        tls::cipher_suites(&settings.cipher_suites, here.key("cipherSuites"), report);
        curves(settings, here.key("ecdhCurves"), report);
    }
}

fn curves(settings: &TlsConfig, path: PathRef<'_>, report: &mut Report<'_>) {
    let mut seen = BTreeSet::new();
    for (index, curve) in settings.ecdh_curves.iter().enumerate() {
        if !ECDH_CURVES.contains(&curve.as_str()) {
            report.warning(
                path.index(index),
                "curve",
                format!("{curve:?} is not a curve that can be chosen and is left out"),
            );
        } else if !seen.insert(curve) {
            report.warning(path.index(index), "curve", format!("{curve:?} stands here twice"));
        }
    }
}
