use super::address;
use super::header;
use super::labels;
use super::report::{Report, SPEC};
use super::workload_entry;
use crate::document::PathRef;
use crate::resources::Object;
use crate::resources::workload_group::{HttpHealthCheck, ReadinessProbe, WorkloadGroup};

pub(super) fn validate(object: &Object<WorkloadGroup>, report: &mut Report<'_>) {
    let group = &object.spec;
    workload_entry::sizes(&group.template, SPEC.key("template"), report);
    if let Some(metadata) = &group.metadata {
        let path = SPEC.key("metadata");
        report.max_items(path.key("labels"), metadata.labels.len(), 256);
        report.max_items(path.key("annotations"), metadata.annotations.len(), 256);
        labels::validate(&metadata.labels, path.key("labels"), report);
    }
    if let Some(found) = &group.probe {
        probe(found, SPEC.key("probe"), report);
    }
}

/// How health is found out.
pub(super) fn probe(probe: &ReadinessProbe, path: PathRef<'_>, report: &mut Report<'_>) {
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        if value.is_some_and(|value| value < 0) {
            report.error(path.key(field), "range", "must not be negative");
        }
    }
    report.at_most_one(path, &["httpGet", "tcpSocket", "exec", "grpc"]);
    if let Some(check) = &probe.http_get {
        http_get(check, path.key("httpGet"), report);
    } else if let Some(check) = &probe.tcp_socket {
        report.check(path.key("tcpSocket").key("port"), "port", address::port(check.port));
    } else if let Some(check) = &probe.exec {
        let here = path.key("exec");
        let command = here.key("command");
        if check.command.is_empty() {
            report.required(command, "the command must not be empty");
        }
        for index in 0..check.command.len() {
            report.not_empty(command.index(index));
        }
    } else if let Some(check) = &probe.grpc {
        let here = path.key("grpc");
        if report.is_set(here.key("port")) {
            report.check(here.key("port"), "port", address::port(check.port.unwrap_or(0)));
        }
    } else {
        report.required(path, "a probe must have httpGet, tcpSocket, exec or grpc");
    }
}

fn http_get(check: &HttpHealthCheck, path: PathRef<'_>, report: &mut Report<'_>) {
    report.check(path.key("port"), "port", address::port(check.port));
    if check.scheme.as_deref().is_some_and(|scheme| !matches!(scheme, "HTTP" | "HTTPS")) {
        report.error(path.key("scheme"), "enum", "must be HTTP or HTTPS");
    }
    let headers = path.key("httpHeaders");
    for (index, found) in check.http_headers.iter().enumerate() {
        let name = found.name.as_deref().unwrap_or_default();
        let here = headers.index(index);
        report.check(here.key("name"), "header", header::strict_name(name));
        if name.contains('_') {
            report.error(here.key("name"), "header", "the name of a probe's header may not have underscores");
        }
    }
}
