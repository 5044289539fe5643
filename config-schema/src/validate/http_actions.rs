//! What a rule for HTTP does with a request.

use super::header;
use super::http_match::{Compared, expression, string_match};
use super::report::Report;
use super::{address, names};
use crate::document::PathRef;
use crate::grpc_status;
use crate::re2;
use crate::resources::virtual_service::{
    CorsPolicy, FaultAbort, FaultDelay, HeaderOperations, Headers, HttpDirectResponse, HttpFaultInjection,
    HttpMatchRequest, HttpRedirect, HttpRewrite, RegexRewrite,
};
use crate::resources::wire::{Percent, StringMatch};

const MIB: usize = 1 << 20;

/// Header changes of both directions.
pub(super) fn headers(headers: Option<&Headers>, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(headers) = headers else { return };
    if let Some(request) = &headers.request {
        operations(request, header::request_change, path.key("request"), report);
    }
    if let Some(response) = &headers.response {
        operations(response, header::other_change, path.key("response"), report);
    }
}

fn operations(
    operations: &HeaderOperations,
    change: fn(&str) -> Result<(), String>,
    path: PathRef<'_>,
    report: &mut Report<'_>,
) {
    for (field, values) in [("set", &operations.set), ("add", &operations.add)] {
        let here = path.key(field);
        for (name, value) in values {
            report.check(here.key(name), "header", change(name));
            if change(name).is_ok() && !header::is_sendable(name) {
                let message = format!("{name:?} is not the name of a header in HTTP; servers refuse requests with it");
                report.warning(here.key(name), "header", message);
            }
            report.check(here.key(name), "header", header::value(value));
        }
    }
    let remove = path.key("remove");
    for (index, name) in operations.remove.iter().enumerate() {
        report.check(remove.index(index), "header", header::other_change(name));
    }
}

/// A rule may name the new host of a request in one place only.
pub(super) fn one_authority(
    rewrite: Option<&HttpRewrite>,
    headers: Option<&Headers>,
    path: PathRef<'_>,
    report: &mut Report<'_>,
) {
    let mut set = rewrite.is_some_and(|rewrite| rewrite.authority.is_some());
    let Some(request) = headers.and_then(|headers| headers.request.as_ref()) else { return };
    let headers = path.key("headers");
    let request_path = headers.key("request");
    for (field, values) in [("set", &request.set), ("add", &request.add)] {
        let here = request_path.key(field);
        for (name, value) in values.iter().filter(|(name, _)| header::is_authority(name)) {
            if set {
                let message = "the host is changed in two places: rewrite.authority and headers, or twice in headers";
                report.error(here.key(name), "authority", message);
            }
            set |= !value.is_empty();
        }
    }
}

pub(super) fn cors(policy: Option<&CorsPolicy>, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(policy) = policy else { return };
    let origins = path.key("allowOrigins");
    for (index, origin) in policy.allow_origins.iter().enumerate() {
        let here = origins.index(index);
        match origin {
            StringMatch::Regex(text) if !text.is_empty() => string_match(origin, Compared::Other, here, report),
            StringMatch::Exact(text) | StringMatch::Prefix(text) if !text.is_empty() => {}
            _ => report.error(here, "string-match", "an origin must have a value for exact, prefix or regex"),
        }
    }
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"];
    let methods = path.key("allowMethods");
    for (index, method) in policy.allow_methods.iter().enumerate() {
        if !known.contains(&method.as_str()) {
            report.error(methods.index(index), "method", format!("{method:?} is not a method of HTTP, in upper case"));
        }
    }
    for (field, names) in [("allowHeaders", &policy.allow_headers), ("exposeHeaders", &policy.expose_headers)] {
        for (index, name) in names.iter().enumerate() {
            report.check(path.key(field).index(index), "header", header::cors_name(name));
        }
    }
    if !policy.allow_origin.is_empty() {
        report.warning(path.key("allowOrigin"), "deprecated", "deprecated; use allowOrigins with exact");
    }
    report.duration(path.key("maxAge"), policy.max_age);
    if policy.max_age.is_some_and(|age| age.0.subsec_nanos() > 0) {
        report.error(path.key("maxAge"), "duration", "must be whole seconds");
    }
}

pub(super) fn fault(fault: Option<&HttpFaultInjection>, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(fault) = fault else { return };
    if fault.abort.is_none() && fault.delay.is_none() {
        report.error(path, "empty", "must have an abort or a delay");
    }
    if let Some(abort) = &fault.abort {
        validate_abort(abort, path.key("abort"), report);
    }
    if let Some(delay) = &fault.delay {
        validate_delay(delay, path.key("delay"), report);
    }
}

fn percentage(percentage: Option<Percent>, path: PathRef<'_>, report: &mut Report<'_>) {
    let fine = |value: f64| value == 0.0 || (0.0001..=100.0).contains(&value);
    if percentage.is_some_and(|percentage| !fine(percentage.value)) {
        report.error(path.key("percentage").key("value"), "range", "must be 0, or in the range 0.0001-100");
    }
}

fn validate_abort(abort: &FaultAbort, path: PathRef<'_>, report: &mut Report<'_>) {
    percentage(abort.percentage, path, report);
    report.at_most_one(path, &["httpStatus", "grpcStatus", "http2Error"]);
    if abort.http2_error.is_some() {
        report.error(path.key("http2Error"), "unsupported", "it is not implemented; use httpStatus or grpcStatus");
    }
    if let Some(status) = &abort.grpc_status
        && !grpc_status::NAMES.contains(&status.as_str())
    {
        let message = format!("{status:?} is not a status of gRPC by name, such as \"UNAVAILABLE\"");
        report.error(path.key("grpcStatus"), "grpc-status", message);
    }
    match abort.http_status {
        Some(status) => report.check(path.key("httpStatus"), "range", http_status(i64::from(status))),
        None if abort.grpc_status.is_none() && abort.http2_error.is_none() => {
            report.warning(path, "no-effect", "an abort without httpStatus or grpcStatus has no effect");
        }
        None => {}
    }
}

/// 600 is not a status, but Istio lets it pass.
fn http_status(status: i64) -> Result<(), String> {
    if (200..=600).contains(&status) { Ok(()) } else { Err(format!("must be a status code, 200-599, is {status}")) }
}

fn validate_delay(delay: &FaultDelay, path: PathRef<'_>, report: &mut Report<'_>) {
    percentage(delay.percentage, path, report);
    report.at_most_one(path, &["fixedDelay", "exponentialDelay"]);
    report.duration(path.key("fixedDelay"), delay.fixed_delay);
    if delay.exponential_delay.is_some() {
        report.error(path.key("exponentialDelay"), "unsupported", "it is not implemented; use fixedDelay");
    }
    if delay.percent.is_some() {
        report.warning(path.key("percent"), "deprecated", "deprecated; use percentage");
    }
}

pub(super) fn redirect(
    redirect: Option<&HttpRedirect>,
    matches: &[HttpMatchRequest],
    path: PathRef<'_>,
    report: &mut Report<'_>,
) {
    let Some(redirect) = redirect else { return };
    report.at_most_one(path, &["port", "derivePort"]);
    if redirect.uri.is_some() && redirect.prefix_rewrite.is_some() {
        report.error(path, "oneof", "only one of uri and prefixRewrite may be set");
    }
    let all_prefixes = matches.iter().all(|request| matches!(request.uri, None | Some(StringMatch::Prefix(_))));
    if redirect.prefix_rewrite.is_some() && !all_prefixes {
        let message = "it needs matches of the path by prefix; one of the rule's matches is by exact or regex";
        report.error(path.key("prefixRewrite"), "redirect", message);
    }
    let empty = redirect.uri.is_none()
        && redirect.prefix_rewrite.is_none()
        && redirect.authority.is_none()
        && redirect.scheme.is_none()
        && redirect.port.is_none()
        && redirect.derive_port.is_none();
    if empty {
        report.error(path, "empty", "must have uri, prefixRewrite, authority, scheme, port or derivePort");
    }
    if let Some(code) = redirect.redirect_code
        && !(300..=399).contains(&code)
    {
        report.error(path.key("redirectCode"), "range", format!("must be a status code 3xx, is {code}"));
    }
    if redirect.scheme.as_deref().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        report.error(path.key("scheme"), "redirect", "must be http or https");
    }
    if let Some(port) = redirect.port.filter(|port| *port > 0) {
        report.check(path.key("port"), "port", address::port(port));
    }
}

pub(super) fn direct_response(response: Option<&HttpDirectResponse>, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(response) = response else { return };
    report.check(path.key("status"), "range", http_status(i64::from(response.status)));
    let Some(body) = &response.body else { return };
    let here = path.key("body");
    report.at_most_one(here, &["string", "bytes"]);
    let size = body.as_bytes().len();
    if size > MIB {
        report.error(here, "length", format!("must have at most {MIB} bytes, has {size}"));
    } else if size > 100 << 10 {
        report.warning(here, "length", "more than 100 KiB in a configuration make every change of it slow");
    }
}

pub(super) fn rewrite(rewrite: Option<&HttpRewrite>, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(rewrite) = rewrite else { return };
    if rewrite.uri.is_some() && rewrite.uri_regex_rewrite.is_some() {
        report.error(path, "oneof", "only one of uri and uriRegexRewrite may be set");
    }
    if rewrite.uri.is_none() && rewrite.uri_regex_rewrite.is_none() && rewrite.authority.is_none() {
        report.error(path, "empty", "must have uri, uriRegexRewrite or authority");
    }
    if let Some(regex) = &rewrite.uri_regex_rewrite {
        regex_rewrite(regex, path.key("uriRegexRewrite"), report);
    }
}

fn regex_rewrite(rewrite: &RegexRewrite, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(pattern) = &rewrite.r#match else {
        return report.required(path.key("match"), "must be set beside rewrite");
    };
    report.check(path.key("match"), "regex", expression(pattern));
    let Some(replacement) = &rewrite.rewrite else {
        return report.required(path.key("rewrite"), "must be set beside match");
    };
    let groups = re2::search(pattern).map_or(usize::MAX, |regex| regex.captures_len());
    match re2::highest_group(replacement) {
        Ok(highest) if highest < groups => {}
        Ok(highest) => {
            let message =
                format!("\\{highest} refers to a group that the expression does not have; nothing is rewritten");
            report.warning(path.key("rewrite"), "regex", message);
        }
        Err(error) => report.warning(path.key("rewrite"), "regex", format!("{error}; what comes after it is left out")),
    }
}

/// A share of requests.
pub(super) fn share(percentage: Option<Percent>, path: PathRef<'_>, report: &mut Report<'_>) {
    if percentage.is_some_and(|percentage| !(0.0..=100.0).contains(&percentage.value)) {
        report.error(path.key("value"), "range", "must be in the range 0-100");
    }
}

/// A host with a wildcard is a destination only by its own name in the registry.
pub(super) fn destination_host(host: &str) -> Result<(), String> {
    if host == "*" { Err("\"*\" is not a destination".to_owned()) } else { names::wildcard_domain(host) }
}
