use super::report::{Report, SPEC};
use super::selector;
use crate::document::PathRef;
use crate::re2;
use crate::resources::Object;
use crate::resources::envoy_filter::{
    ApplyTo, EnvoyConfigObjectMatch, EnvoyConfigObjectPatch, EnvoyFilter, FilterMatch, PatchContext, PatchOperation,
};

const CONNECTION_MANAGERS: [&str; 2] =
    ["envoy.filters.network.http_connection_manager", "envoy.http_connection_manager"];

/// Judges the outside of a filter; what it would do is not served (see the support table).
pub(super) fn validate(object: &Object<EnvoyFilter>, report: &mut Report<'_>) {
    let filter = &object.spec;
    selector::plain_labels(filter.workload_selector.as_ref(), SPEC.key("workloadSelector"), report);
    if filter.workload_selector.is_some() && !filter.target_refs.is_empty() {
        report.error(SPEC, "oneof", "only one of workloadSelector and targetRefs may be set");
    }
    selector::target_refs(&filter.target_refs, SPEC.key("targetRefs"), report);
    let patches = SPEC.key("configPatches");
    for (index, patch) in filter.config_patches.iter().enumerate() {
        config_patch(patch, patches.index(index), report);
    }
}

fn config_patch(patch: &EnvoyConfigObjectPatch, path: PathRef<'_>, report: &mut Report<'_>) {
    let here = path.key("match");
    if let Some(found) = &patch.r#match {
        report.at_most_one(here, &["listener", "routeConfiguration", "cluster", "waypoint"]);
        let waypoint = found.context == Some(PatchContext::Waypoint);
        if waypoint != found.waypoint.is_some() {
            report.error(here, "envoy-filter", "the context WAYPOINT and a match for waypoint need each other");
        }
        if waypoint {
            return;
        }
        proxy_version(found, here, report);
        fits(patch.apply_to, found, here, report);
    }
    if patch.apply_to == ApplyTo::Invalid {
        report.required(path.key("applyTo"), "must be set");
    }
    let here = path.key("patch");
    let Some(change) = &patch.patch else { return report.required(here, "must be set") };
    if change.operation == PatchOperation::Invalid {
        report.required(here.key("operation"), "must be set");
    } else if change.operation != PatchOperation::Remove && change.value.is_none() {
        report.required(here.key("value"), "must be set unless the operation is REMOVE");
    }
}

fn proxy_version(found: &EnvoyConfigObjectMatch, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(version) = found.proxy.as_ref().and_then(|proxy| proxy.proxy_version.as_deref()) else { return };
    if let Err(error) = re2::search(version) {
        report.error(path.key("proxy").key("proxyVersion"), "regex", error.to_string());
    }
}

fn fits(apply_to: ApplyTo, found: &EnvoyConfigObjectMatch, path: PathRef<'_>, report: &mut Report<'_>) {
    let (fitting, field) = match apply_to {
        ApplyTo::Listener | ApplyTo::FilterChain | ApplyTo::NetworkFilter | ApplyTo::HttpFilter => {
            (found.listener.is_some(), "listener")
        }
        ApplyTo::RouteConfiguration | ApplyTo::VirtualHost | ApplyTo::HttpRoute => {
            (found.route_configuration.is_some(), "routeConfiguration")
        }
        ApplyTo::Cluster => (found.cluster.is_some(), "cluster"),
        _ => return,
    };
    let other = found.listener.is_some() || found.route_configuration.is_some() || found.cluster.is_some();
    if other && !fitting {
        report.error(path, "envoy-filter", format!("what is patched can be matched by {field} only"));
    }
    let chain = found.listener.as_ref().and_then(|listener| listener.filter_chain.as_ref());
    if let Some(filter) = chain.and_then(|chain| chain.filter.as_ref()) {
        let listener = path.key("listener");
        let chain = listener.key("filterChain");
        filter_match(apply_to, filter, chain.key("filter"), report);
    }
}

fn filter_match(apply_to: ApplyTo, filter: &FilterMatch, path: PathRef<'_>, report: &mut Report<'_>) {
    if matches!(apply_to, ApplyTo::Listener | ApplyTo::FilterChain) {
        report.warning(path, "no-effect", "a filter has no effect on the choice of a listener or filter chain");
    }
    let Some(name) = &filter.name else { return report.required(path.key("name"), "must be set") };
    let Some(inner) = &filter.sub_filter else { return };
    let here = path.key("subFilter");
    if apply_to != ApplyTo::HttpFilter {
        report.error(here, "envoy-filter", "it is possible only with applyTo: HTTP_FILTER");
    } else if !CONNECTION_MANAGERS.contains(&name.as_str()) {
        report.error(here, "envoy-filter", format!("the filter around it must be {}", CONNECTION_MANAGERS[0]));
    } else if inner.name.is_none() {
        report.required(here.key("name"), "must be set");
    }
}
