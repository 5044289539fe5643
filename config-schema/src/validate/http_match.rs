use std::collections::BTreeMap;

use super::address;
use super::header;
use super::labels;
use super::names::{fqdn, is_dns_label};
use super::report::Report;
use crate::document::PathRef;
use crate::re2;
use crate::resources::virtual_service::HttpMatchRequest;
use crate::resources::wire::StringMatch;

/// Longer expressions are refused, as by Istio.
const MAX_REGEX: usize = 1024;

/// What is special about a compared string.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Compared {
    /// A path: an empty prefix matches all.
    Path,
    /// A header that must not match: the expression `*` means presence.
    WithoutHeader,
    Other,
}

pub(super) fn validate(request: &HttpMatchRequest, path: PathRef<'_>, report: &mut Report<'_>) {
    headers(&request.headers, Compared::Other, path.key("headers"), report);
    headers(&request.without_headers, Compared::WithoutHeader, path.key("withoutHeaders"), report);
    for (field, matcher, compared) in [
        ("uri", request.uri.as_ref(), Compared::Path),
        ("scheme", request.scheme.as_deref(), Compared::Other),
        ("method", request.method.as_deref(), Compared::Other),
        ("authority", request.authority.as_deref(), Compared::Other),
    ] {
        if let Some(matcher) = matcher {
            string_match(matcher, compared, path.key(field), report);
        }
    }
    let parameters = path.key("queryParams");
    for (name, matcher) in &request.query_params {
        string_match(matcher, Compared::Other, parameters.key(name), report);
    }
    if let Some(port) = request.port {
        report.check(path.key("port"), "port", address::port(port));
    }
    labels::validate(&request.source_labels, path.key("sourceLabels"), report);
    gateway_names(&request.gateways, path.key("gateways"), report);
    if let Some(namespace) = &request.source_namespace
        && !is_dns_label(namespace)
    {
        report.error(path.key("sourceNamespace"), "name", format!("{namespace:?} is not a name of a namespace"));
    }
}

fn headers(matchers: &BTreeMap<String, StringMatch>, compared: Compared, path: PathRef<'_>, report: &mut Report<'_>) {
    for (name, matcher) in matchers {
        let here = path.key(name);
        report.check(here, "header", header::match_name(name));
        if matches!(name.as_str(), "uri" | "scheme" | "method" | "authority") {
            report.warning(here, "no-effect", "it is not looked for among headers; match it by the field of that name");
        }
        string_match(matcher, compared, here, report);
    }
}

pub(super) fn string_match(matcher: &StringMatch, compared: Compared, path: PathRef<'_>, report: &mut Report<'_>) {
    match matcher {
        StringMatch::Prefix(text) if text.is_empty() && compared != Compared::Path => {
            report.error(path.key("prefix"), "string-match", "a prefix must not be empty");
        }
        StringMatch::Regex(text) => regex(text, compared, path.key("regex"), report),
        StringMatch::Present | StringMatch::Exact(_) | StringMatch::Prefix(_) => {}
    }
}

fn regex(text: &str, compared: Compared, path: PathRef<'_>, report: &mut Report<'_>) {
    if text.is_empty() {
        report.error(path, "regex", "a regular expression must not be empty");
    } else if !(compared == Compared::WithoutHeader && text == "*") {
        report.check(path, "regex", expression(text));
    }
}

/// A regular expression in RE2's syntax, not too long.
pub(super) fn expression(text: &str) -> Result<(), String> {
    if text.len() > MAX_REGEX {
        return Err(format!("a regular expression must have at most {MAX_REGEX} bytes, has {}", text.len()));
    }
    re2::full_match(text).map(|_| ()).map_err(|error| format!("{text:?} is not an expression of RE2: {error}"))
}

/// Gateways of a VirtualService or of one of its matches.
pub(super) fn gateway_names(names: &[String], path: PathRef<'_>, report: &mut Report<'_>) {
    for (index, name) in names.iter().enumerate() {
        let here = path.index(index);
        let Some((namespace, gateway)) = name.split_once('/') else {
            if let Some((gateway, rest)) = name.split_once('.') {
                let namespace = rest.split('.').next().unwrap_or_default();
                report.warning(here, "deprecated", format!("write {namespace}/{gateway} instead of {name}"));
            }
            report.check(here, "name", fqdn(name));
            continue;
        };
        // Istio's translation would read `./name` as its own namespace, but its admission refuses it.
        if !is_dns_label(namespace) {
            report.error(here, "name", format!("{namespace:?} is not a name of a namespace"));
        }
        if !is_dns_label(gateway) {
            report.error(here, "name", format!("{gateway:?} is not a name of a Gateway"));
        }
    }
}
