use std::collections::BTreeSet;

use super::address;
use super::labels;
use super::names::{fqdn, is_dns_label};
use super::report::{Report, SPEC};
use crate::document::PathRef;
use crate::resources::Object;
use crate::resources::workload_entry::WorkloadEntry;

const UNIX: &str = "unix://";

pub(super) fn validate(object: &Object<WorkloadEntry>, report: &mut Report<'_>) {
    sizes(&object.spec, SPEC, report);
    entry(&object.spec, None, true, SPEC, report);
}

/// Limits that hold for every entry, also as a template.
pub(super) fn sizes(entry: &WorkloadEntry, path: PathRef<'_>, report: &mut Report<'_>) {
    for (field, value, limit) in [
        ("address", &entry.address, 256),
        ("network", &entry.network, 2048),
        ("locality", &entry.locality, 2048),
        ("serviceAccount", &entry.service_account, 253),
    ] {
        report.max_length(path.key(field), value.as_deref().unwrap_or_default(), limit);
    }
    report.max_items(path.key("labels"), entry.labels.len(), 256);
    report.max_items(path.key("ports"), entry.ports.len(), 128);
    let ports = path.key("ports");
    for (name, number) in &entry.ports {
        let here = ports.key(name);
        // One character less than elsewhere.
        if !is_dns_label(name) || name.len() > 62 {
            report.error(here, "name", format!("{name:?} is not a name of a port"));
        }
        report.check(here, "port", address::port(*number));
    }
    let Some(socket) = entry.address.as_deref().and_then(|address| address.strip_prefix(UNIX)) else { return };
    report.check(path.key("address"), "address", address::unix_path(socket));
    if report.is_set(ports) {
        report.error(ports, "address", "an endpoint with a Unix socket cannot have ports");
    }
}

/// An endpoint; `service_ports` are those of the ServiceEntry it stands in.
pub(super) fn entry(
    entry: &WorkloadEntry,
    service_ports: Option<&BTreeSet<&str>>,
    names_allowed: bool,
    path: PathRef<'_>,
    report: &mut Report<'_>,
) {
    let here = path.key("address");
    match entry.address.as_deref() {
        None if entry.network.is_none() => {
            report.required(here, "the address of an endpoint must be set");
            return;
        }
        None => {
            report.warning(here, "address", "without an address the endpoint is reached through its network's gateway")
        }
        Some(address) if address.starts_with(UNIX) => {
            if service_ports.is_some_and(|ports| ports.len() != 1) {
                report.error(here, "address", "an endpoint with a Unix socket needs a service with exactly one port");
            }
        }
        Some(address) if address::is_ip(address) => {}
        Some(address) if !names_allowed => {
            report.error(
                here,
                "address",
                format!("{address:?} is not an IP address, which the resolution STATIC needs"),
            );
        }
        Some(address) => {
            if fqdn(address).is_err() {
                report.error(here, "address", format!("{address:?} is neither an IP address nor a name of DNS"));
            }
        }
    }
    known_ports(entry, service_ports, path, report);
    labels::validate(&entry.labels, path.key("labels"), report);
}

/// The ports of an endpoint must be ports of its service.
pub(super) fn known_ports(
    entry: &WorkloadEntry,
    service_ports: Option<&BTreeSet<&str>>,
    path: PathRef<'_>,
    report: &mut Report<'_>,
) {
    let Some(known) = service_ports else { return };
    for name in entry.ports.keys().filter(|name| !known.contains(name.as_str())) {
        report.error(path.key("ports").key(name), "name", format!("the ServiceEntry has no port {name:?}"));
    }
}
