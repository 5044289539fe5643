use std::collections::BTreeSet;

use super::address;
use super::names::{is_dns_label, server_host};
use super::protocol::{Protocol, protocol};
use super::report::{Report, SPEC};
use super::tls;
use crate::document::PathRef;
use crate::resources::Object;
use crate::resources::gateway::{Gateway, Server, ServerTlsMode};

const UNIX: &str = "unix://";

pub(super) fn validate(object: &Object<Gateway>, report: &mut Report<'_>) {
    if !is_dns_label(&object.meta.name) {
        let path = PathRef::ROOT.key("metadata");
        report.error(path.key("name"), "name", "the name of a Gateway must be a DNS label, without dots");
    }
    let servers = SPEC.key("servers");
    if object.spec.servers.is_empty() {
        report.required(servers, "a Gateway must have at least one server");
    }
    let mut names = BTreeSet::new();
    for (index, server) in object.spec.servers.iter().enumerate() {
        let path = servers.index(index);
        validate_server(server, path, report);
        if !server.port.name.is_empty() && !names.insert(&server.port.name) {
            let message = format!("another server has a port of the name {:?}", server.port.name);
            report.error(path.key("port").key("name"), "duplicate", message);
        }
    }
}

fn validate_server(server: &Server, path: PathRef<'_>, report: &mut Report<'_>) {
    let hosts = path.key("hosts");
    if server.hosts.is_empty() {
        report.required(hosts, "a server must have at least one host");
    }
    for (index, host) in server.hosts.iter().enumerate() {
        report.check(hosts.index(index), "host", server_host(host));
    }
    validate_port(server, path.key("port"), report);
    validate_bind(server, path, report);
    if let Some(settings) = &server.tls {
        tls::server(settings, path.key("tls"), report);
    }
    if let Some(protocol) = Protocol::parse(&server.port.protocol) {
        tls_fits_protocol(server, protocol, path, report);
    }
}

fn validate_port(server: &Server, path: PathRef<'_>, report: &mut Report<'_>) {
    let port = &server.port;
    report.check(path.key("protocol"), "protocol", protocol(Some(&port.protocol)));
    let on_socket = server.bind.as_deref().is_some_and(|bind| bind.starts_with(UNIX));
    if port.number > 0 || !on_socket {
        report.check(path.key("number"), "port", address::port(port.number));
    }
    if port.target_port.is_some() {
        report.error(path.key("targetPort"), "port", "it has no effect on a Gateway; leave it out");
    }
    if port.name.is_empty() {
        report.required(path.key("name"), "the name of a port must not be empty");
    }
}

fn validate_bind(server: &Server, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(bind) = &server.bind else { return };
    let here = path.key("bind");
    match bind.strip_prefix(UNIX) {
        Some(socket) => {
            report.check(here, "address", address::unix_path(socket));
            if server.port.number != 0 {
                report.error(path.key("port").key("number"), "port", "the port of a Unix socket must be 0");
            }
        }
        None => report.check(here, "address", address::ip(bind)),
    }
}

fn tls_fits_protocol(server: &Server, protocol: Protocol, path: PathRef<'_>, report: &mut Report<'_>) {
    let here = path.key("tls");
    let Some(tls) = &server.tls else {
        if protocol.is_tls() {
            report.required(here, "a port of the protocol HTTPS or TLS needs tls");
        }
        return;
    };
    if protocol.is_tls() {
        if tls.https_redirect {
            let message = "it redirects plain requests; it has no effect on a port that speaks TLS";
            report.warning(here.key("httpsRedirect"), "https-redirect", message);
        }
        return;
    }
    if !protocol.is_http() {
        report.error(here, "tls", "a port of this protocol cannot have tls; the protocols with TLS are HTTPS and TLS");
        return;
    }
    let opens = !matches!(tls.mode, ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough);
    if opens || tls.ca_certificates.is_some() || tls.private_key.is_some() || tls.server_certificate.is_some() {
        report.error(here, "tls", "a port for plain HTTP can have httpsRedirect, but no TLS of its own");
    }
}
