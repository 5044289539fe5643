use super::address;
use super::destination_rule::subset_name;
use super::http_actions as actions;
use super::http_match;
use super::report::Report;
use super::retry;
use crate::document::PathRef;
use crate::resources::virtual_service::{Destination, HttpRoute, HttpRouteDestination};

/// A rule for HTTP; `delegate` if its VirtualService has no hosts.
pub(super) fn validate(route: &HttpRoute, delegate: bool, path: PathRef<'_>, report: &mut Report<'_>) {
    conflicts(route, delegate, path, report);
    let matches = path.key("match");
    for (index, request) in route.r#match.iter().enumerate() {
        http_match::validate(request, matches.index(index), report);
    }
    actions::headers(route.headers.as_deref(), path.key("headers"), report);
    actions::cors(route.cors_policy.as_deref(), path.key("corsPolicy"), report);
    actions::fault(route.fault.as_deref(), path.key("fault"), report);
    mirrors(route, path, report);
    actions::redirect(route.redirect.as_deref(), &route.r#match, path.key("redirect"), report);
    actions::direct_response(route.direct_response.as_deref(), path.key("directResponse"), report);
    retry::validate(route.retries.as_deref(), path.key("retries"), report);
    actions::rewrite(route.rewrite.as_deref(), path.key("rewrite"), report);
    actions::one_authority(route.rewrite.as_deref(), route.headers.as_deref(), path, report);
    destinations(&route.route, path.key("route"), report);
    report.duration(path.key("timeout"), route.timeout);
}

/// Actions that exclude each other.
fn conflicts(route: &HttpRoute, delegate: bool, path: PathRef<'_>, report: &mut Report<'_>) {
    if route.delegate.is_some() && !delegate {
        for (set, field) in [(route.redirect.is_some(), "redirect"), (!route.route.is_empty(), "route")] {
            if set {
                report.error(path.key(field), "conflict", "a rule with a delegate leaves this to the delegate");
            }
        }
        return;
    }
    if route.delegate.is_some() {
        report.error(
            path.key("delegate"),
            "conflict",
            "a VirtualService without hosts is a delegate and cannot have one",
        );
    }
    let action = if route.redirect.is_some() {
        Some("redirect")
    } else {
        route.direct_response.is_some().then_some("directResponse")
    };
    match action {
        Some(action) => {
            for (set, field) in [
                (!route.route.is_empty(), "route"),
                (route.fault.is_some(), "fault"),
                (route.rewrite.is_some(), "rewrite"),
                (action == "redirect" && route.direct_response.is_some(), "directResponse"),
            ] {
                if set {
                    report.error(path.key(field), "conflict", format!("a rule with {action} cannot have {field}"));
                }
            }
        }
        None if route.route.is_empty() => {
            report.required(path.key("route"), "a rule must have route, redirect, directResponse or delegate");
        }
        None => {}
    }
    if route.mirror.is_some() && !route.mirrors.is_empty() {
        report.error(path.key("mirror"), "oneof", "only one of mirror and mirrors may be set");
    }
}

fn mirrors(route: &HttpRoute, path: PathRef<'_>, report: &mut Report<'_>) {
    if let Some(percent) = route.mirror_percent {
        let written = if report.is_set(path.key("mirror_percent")) { "mirror_percent" } else { "mirrorPercent" };
        let here = path.key(written);
        if percent > 100 {
            report.error(here, "range", "must be in the range 0-100");
        }
        report.warning(here, "deprecated", "deprecated; use mirrorPercentage");
    }
    actions::share(route.mirror_percentage, path.key("mirrorPercentage"), report);
    if let Some(mirror) = &route.mirror {
        destination(mirror, path.key("mirror"), report);
    }
    let mirrors = path.key("mirrors");
    for (index, mirror) in route.mirrors.iter().enumerate() {
        let here = mirrors.index(index);
        destination(&mirror.destination, here.key("destination"), report);
        actions::share(mirror.percentage, here.key("percentage"), report);
    }
}

fn destinations(destinations: &[HttpRouteDestination], path: PathRef<'_>, report: &mut Report<'_>) {
    for (index, weighted) in destinations.iter().enumerate() {
        let here = path.index(index);
        actions::headers(weighted.headers.as_deref(), here.key("headers"), report);
        destination(&weighted.destination, here.key("destination"), report);
    }
    weights(destinations.iter().map(|weighted| weighted.weight), path, report);
}

/// Shares of destinations.
pub(super) fn weights(weights: impl Iterator<Item = i32>, path: PathRef<'_>, report: &mut Report<'_>) {
    let mut total: i64 = 0;
    let mut count = 0;
    for (index, weight) in weights.enumerate() {
        if weight < 0 {
            report.error(path.index(index).key("weight"), "range", "must not be negative");
        }
        total += i64::from(weight);
        count += 1;
    }
    if count > 1 && total == 0 {
        report.error(path, "weight", "the weights are 0 together: no destination gets anything");
    }
}

/// A service or a part of one.
pub(super) fn destination(destination: &Destination, path: PathRef<'_>, report: &mut Report<'_>) {
    report.check(path.key("host"), "host", actions::destination_host(&destination.host));
    if let Some(subset) = &destination.subset {
        report.check(path.key("subset"), "name", subset_name(subset));
    }
    if let Some(port) = destination.port {
        report.check(path.key("port").key("number"), "port", address::port(port.number));
    }
}
