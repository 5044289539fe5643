use super::address::{self, is_ip};
use super::names::{egress_host, fqdn};
use super::report::{Report, list};
use crate::document::PathRef;
use crate::resources::extension_provider::ExtensionProvider;

/// A provider. What is wrong with one is an error of the mesh's configuration only where it is used; Istio starts with
/// it, and so do we: hence warnings.
pub(super) fn validate(provider: &ExtensionProvider, path: PathRef<'_>, report: &mut Report<'_>) {
    if provider.name.is_empty() {
        report.warning(path.key("name"), "provider", "the name of a provider must not be empty");
    }
    match provider.kinds().as_slice() {
        [_] => {}
        [] => report.warning(path, "provider", "the provider has no kind, or one that does not exist"),
        kinds => report.error(path, "oneof", format!("only one of {} may be set", list(kinds))),
    }
    for (field, service, port) in services(provider) {
        let here = path.key(field);
        warn(service_host(service), here.key("service"), report);
        warn(address::port(port), here.key("port"), report);
    }
    for (field, status) in [
        ("envoyExtAuthzHttp", provider.envoy_ext_authz_http.as_ref().and_then(|p| p.status_on_error.as_deref())),
        ("envoyExtAuthzGrpc", provider.envoy_ext_authz_grpc.as_ref().and_then(|p| p.status_on_error.as_deref())),
    ] {
        if let Some(status) = status {
            warn(error_status(status), path.key(field).key("statusOnError"), report);
        }
    }
    if let Some(http) = &provider.envoy_ext_authz_http
        && http.path_prefix.as_deref().is_some_and(|prefix| !prefix.starts_with('/'))
    {
        report.warning(path.key("envoyExtAuthzHttp").key("pathPrefix"), "provider", "must begin with /");
    }
    if provider.opentelemetry.as_ref().is_some_and(|otel| otel.http.is_some() && otel.grpc.is_some()) {
        report.warning(path.key("opentelemetry"), "provider", "only one of http and grpc may be set");
    }
    if provider.lightstep.as_ref().is_some_and(|lightstep| lightstep.access_token.is_none()) {
        report.warning(path.key("lightstep").key("accessToken"), "provider", "must be set");
    }
}

fn warn(result: Result<(), String>, path: PathRef<'_>, report: &mut Report<'_>) {
    if let Err(message) = result {
        report.warning(path, "provider", message);
    }
}

fn services(provider: &ExtensionProvider) -> Vec<(&'static str, &str, u32)> {
    macro_rules! service {
        ($($field:ident $name:literal)*) => {
            [$(provider.$field.as_ref().map(|found| ($name, found.service.as_str(), found.port))),*]
        };
    }
    let found = service!(
        envoy_ext_authz_http "envoyExtAuthzHttp" envoy_ext_authz_grpc "envoyExtAuthzGrpc" zipkin "zipkin"
        lightstep "lightstep" datadog "datadog" opencensus "opencensus" skywalking "skywalking"
        opentelemetry "opentelemetry" envoy_http_als "envoyHttpAls" envoy_tcp_als "envoyTcpAls"
        envoy_otel_als "envoyOtelAls"
    );
    found.into_iter().flatten().collect()
}

fn service_host(service: &str) -> Result<(), String> {
    if service.contains('/') {
        egress_host(service)
    } else if is_ip(service) {
        Ok(())
    } else {
        fqdn(service)
    }
}

/// A status code that Envoy knows.
fn error_status(status: &str) -> Result<(), String> {
    match status.parse::<u16>() {
        Ok(
            100
            | 102
            | 200..=208
            | 226
            | 300..=305
            | 307
            | 308
            | 400..=417
            | 421..=424
            | 426
            | 428
            | 429
            | 431
            | 500..=508
            | 510
            | 511,
        ) => Ok(()),
        _ => Err(format!("{status:?} is not a status code that can be sent")),
    }
}
