use std::collections::{BTreeMap, BTreeSet};

use super::address::{self, host_and_port};
use super::connection_pool::connection_pool;
use super::http_route::destination;
use super::names::{egress_host, fqdn, is_dns_label};
use super::protocol::{Protocol, protocol};
use super::report::{Report, SPEC};
use super::selector;
use super::tls;
use crate::document::PathRef;
use crate::resources::Object;
use crate::resources::gateway::{ServerTlsMode, ServerTlsSettings};
use crate::resources::sidecar::{
    CaptureMode, IstioEgressListener, IstioIngressListener, OutboundTrafficPolicy, OutboundTrafficPolicyMode, Sidecar,
    SidecarPort,
};

const UNIX: &str = "unix://";

pub(super) fn validate(object: &Object<Sidecar>, report: &mut Report<'_>) {
    let sidecar = &object.spec;
    selector::plain_labels(sidecar.workload_selector.as_ref(), SPEC.key("workloadSelector"), report);
    let empty = sidecar.egress.is_empty()
        && sidecar.ingress.is_empty()
        && sidecar.outbound_traffic_policy.is_none()
        && sidecar.inbound_connection_pool.is_none();
    if empty {
        let message = "a Sidecar must have ingress, egress, outboundTrafficPolicy or inboundConnectionPool";
        report.required(SPEC, message);
    }
    let ingress = SPEC.key("ingress");
    let mut ports = BTreeSet::new();
    for (index, listener) in sidecar.ingress.iter().enumerate() {
        let path = ingress.index(index);
        ingress_listener(listener, path, report);
        if !ports.insert(listener.port.number.unwrap_or(0)) {
            report.error(path.key("port").key("number"), "duplicate", "another listener has the same port");
        }
    }
    connection_pool(sidecar.inbound_connection_pool.as_ref(), SPEC.key("inboundConnectionPool"), report);
    egress(&sidecar.egress, &object.meta.namespace, report);
    if let Some(policy) = &sidecar.outbound_traffic_policy {
        outbound_policy(policy, SPEC.key("outboundTrafficPolicy"), report);
    }
}

fn common_port(port: &SidecarPort, path: PathRef<'_>, report: &mut Report<'_>) {
    if port.name.as_deref().is_some_and(|name| !is_dns_label(name)) {
        report.error(path.key("name"), "name", "the name of a port must be a DNS label");
    }
    report.check(path.key("protocol"), "protocol", protocol(port.protocol.as_deref()));
    if port.target_port.is_some() {
        report.error(path.key("targetPort"), "port", "it has no effect on a Sidecar; leave it out");
    }
}

fn ingress_listener(listener: &IstioIngressListener, path: PathRef<'_>, report: &mut Report<'_>) {
    let port = path.key("port");
    common_port(&listener.port, port, report);
    report.check(port.key("number"), "port", address::port(listener.port.number.unwrap_or(0)));
    if let Some(bind) = &listener.bind {
        report.check(path.key("bind"), "address", address::ip(bind));
    }
    if let Some(endpoint) = &listener.default_endpoint {
        report.check(path.key("defaultEndpoint"), "address", default_endpoint(endpoint));
    }
    let spoken = Protocol::parse(listener.port.protocol.as_deref().unwrap_or_default());
    if let Some(settings) = &listener.tls {
        ingress_tls(settings, spoken, path.key("tls"), report);
    }
    let pool = path.key("connectionPool");
    connection_pool(listener.connection_pool.as_ref(), pool, report);
    let http = listener.connection_pool.as_ref().is_some_and(|pool| pool.http.is_some());
    if http && !spoken.is_some_and(Protocol::is_http) {
        report.warning(pool.key("http"), "no-effect", "the port does not speak HTTP; only tcp has an effect");
    }
}

fn default_endpoint(endpoint: &str) -> Result<(), String> {
    if let Some(socket) = endpoint.strip_prefix(UNIX) {
        return address::unix_path(socket);
    }
    let (host, _) = host_and_port(endpoint)?;
    if ["", "127.0.0.1", "0.0.0.0", "::1", "::"].contains(&host) {
        return Ok(());
    }
    Err(format!("{endpoint:?} must be 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT or unix:///path"))
}

fn ingress_tls(settings: &ServerTlsSettings, spoken: Option<Protocol>, path: PathRef<'_>, report: &mut Report<'_>) {
    for (set, field) in [
        (!settings.subject_alt_names.is_empty(), "subjectAltNames"),
        (settings.https_redirect, "httpsRedirect"),
        (settings.credential_name.is_some(), "credentialName"),
        (!settings.credential_names.is_empty(), "credentialNames"),
        (!settings.tls_certificates.is_empty(), "tlsCertificates"),
        (matches!(settings.mode, ServerTlsMode::IstioMutual | ServerTlsMode::AutoPassthrough), "mode"),
    ] {
        if set {
            let message = "it is not possible in a Sidecar's ingress (of the modes, ISTIO_MUTUAL and AUTO_PASSTHROUGH)";
            report.error(path.key(field), "tls", message);
        }
    }
    if !spoken.is_some_and(Protocol::is_tls) {
        report.error(path, "tls", "a port of this protocol cannot have tls; the protocols with TLS are HTTPS and TLS");
    }
    tls::server(settings, path, report);
}

fn egress(listeners: &[IstioEgressListener], namespace: &str, report: &mut Report<'_>) {
    let path = SPEC.key("egress");
    let mut ports = BTreeSet::new();
    let mut sockets = BTreeSet::new();
    for (index, listener) in listeners.iter().enumerate() {
        let here = path.index(index);
        match &listener.port {
            None if index + 1 < listeners.len() => {
                report.error(here, "order", "a listener without a port is for all others and must be the last one");
            }
            None => {}
            Some(port) => {
                egress_port(listener, port, here, report);
                let socket = listener.bind.as_deref().unwrap_or_default();
                match port.number {
                    None if !sockets.insert(socket) => {
                        report.error(here.key("bind"), "duplicate", "another listener has the same socket");
                    }
                    Some(number) if !ports.insert(number) => {
                        report.error(here.key("port").key("number"), "duplicate", "another listener has the same port");
                    }
                    _ => {}
                }
            }
        }
        egress_hosts(&listener.hosts, namespace, here.key("hosts"), report);
    }
}

fn egress_port(listener: &IstioEgressListener, port: &SidecarPort, path: PathRef<'_>, report: &mut Report<'_>) {
    let here = path.key("port");
    common_port(port, here, report);
    let bind = listener.bind.as_deref().unwrap_or_default();
    if let Some(number) = port.number {
        report.check(here.key("number"), "port", address::port(number));
        if !bind.is_empty() {
            report.check(path.key("bind"), "address", address::ip(bind));
        }
        return;
    }
    match bind.strip_prefix(UNIX) {
        Some(socket) => report.check(path.key("bind"), "address", address::unix_path(socket)),
        None => report.error(here.key("number"), "port", "a port 0 needs a Unix socket as bind (unix:///path)"),
    }
    if listener.capture_mode == CaptureMode::Iptables {
        report.error(path.key("captureMode"), "address", "traffic to a Unix socket cannot be redirected by the kernel");
    }
}

fn egress_hosts(hosts: &[String], namespace: &str, path: PathRef<'_>, report: &mut Report<'_>) {
    if hosts.is_empty() {
        report.required(path, "a listener must have at least one host");
    }
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (index, entry) in hosts.iter().enumerate() {
        let here = path.index(index);
        report.check(here, "host", egress_host(entry));
        let Some((space, host)) = entry.split_once('/').filter(|(space, _)| !space.starts_with('~')) else { continue };
        let known = seen.entry(if space == "." { namespace } else { space }).or_default();
        let repeated = if host == "*" { !known.is_empty() } else { known.contains(host) || known.contains("*") };
        if repeated {
            report.warning(here, "duplicate", format!("{entry:?} is covered by another host, or covers one"));
        }
        known.insert(host);
    }
    if seen.len() > 1 && seen.get("*").is_some_and(|hosts| hosts.contains("*")) {
        report.warning(path, "duplicate", "\"*/*\" covers all other hosts");
    }
}

fn outbound_policy(policy: &OutboundTrafficPolicy, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(proxy) = &policy.egress_proxy else { return };
    let here = path.key("egressProxy");
    if policy.mode != OutboundTrafficPolicyMode::AllowAny {
        report.error(here, "outbound-traffic-policy", "it needs the mode ALLOW_ANY");
        return;
    }
    report.check(here.key("host"), "host", fqdn(&proxy.host));
    if proxy.port.is_none() {
        report.required(here.key("port"), "the port of the proxy must be set");
        return;
    }
    destination(proxy, here, report);
}
