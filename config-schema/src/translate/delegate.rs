//! Delegates: rules of another VirtualService in place of a rule that calls for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::host::{resolve_gateway_name, resolve_short_name};
use super::report::{Reports, object_ref};
use super::virtual_service::{HttpRule, RuleRoute};
use super::visibility::Visibility;
use crate::resources::virtual_service::{HttpMatchRequest, HttpRoute};
use crate::resources::wire::StringMatch;
use crate::resources::{MeshConfig, Object, Resources, VirtualService};

/// The rules that stand in place of rule `index` of `root`, which has a delegate.
pub(super) fn rules(
    root: &Arc<Object<VirtualService>>,
    index: usize,
    resources: &Resources,
    mesh: &MeshConfig,
    reports: &mut Reports,
) -> Vec<HttpRule> {
    let rule = &root.spec.http[index];
    let Some(reference) = &rule.delegate else { return Vec::new() };
    let namespace = reference.namespace.as_deref().unwrap_or(&root.meta.namespace);
    let name = reference.name.as_deref().unwrap_or_default();
    let path = format!("spec.http[{index}].delegate");
    let mut refuse = |message: String| {
        reports.error(&object_ref(root), path.clone(), "delegate", format!("rule ignored: {message}"));
        Vec::new()
    };
    let Some(delegate) = resources.virtual_services.get(namespace, name) else {
        return refuse(format!("there is no VirtualService {namespace}/{name} to delegate to"));
    };
    if !delegate.spec.hosts.is_empty() {
        return refuse(format!("VirtualService {namespace}/{name} has hosts; a delegate has none"));
    }
    let default = mesh.default_virtual_service_export_to();
    let visibility = Visibility::new(&delegate.spec.export_to, &default, namespace);
    if !visibility.includes(&root.meta.namespace) {
        let own = &root.meta.namespace;
        return refuse(format!("VirtualService {namespace}/{name} is not exported to namespace {own}"));
    }
    let origin = Arc::new(object_ref(delegate));
    reports.accept(&origin);
    let base = resolved(rule, &root.meta.namespace);
    let mut merged = Vec::new();
    for (index, own) in delegate.spec.http.iter().enumerate() {
        let path = format!("spec.http[{index}]");
        match merge(&base, resolved(own, namespace)) {
            Some(route) => merged.push(HttpRule {
                route: RuleRoute::Merged(Box::new(route)),
                origin: Arc::clone(&origin),
                path,
                namespace: namespace.to_owned(),
            }),
            None => {
                let message = format!(
                    "rule ignored under VirtualService {}/{}: one of its matches fits none of the matches of the rule \
                     that delegates to it; each must ask for a part of what that rule admits",
                    root.meta.namespace, root.meta.name
                );
                reports.error(&origin, format!("{path}.match"), "delegate-match", message);
            }
        }
    }
    merged
}

/// A copy with full names, so that it means the same in another namespace.
fn resolved(rule: &HttpRoute, namespace: &str) -> HttpRoute {
    let mut rule = rule.clone();
    let resolve = |host: &mut String| *host = resolve_short_name(host, namespace).into_owned();
    rule.route.iter_mut().for_each(|route| resolve(&mut route.destination.host));
    rule.mirror.iter_mut().for_each(|mirror| resolve(&mut mirror.host));
    rule.mirrors.iter_mut().for_each(|mirror| resolve(&mut mirror.destination.host));
    for gateway in rule.r#match.iter_mut().flat_map(|block| &mut block.gateways) {
        *gateway = resolve_gateway_name(gateway, namespace);
    }
    rule
}

/// The delegate's rule within the root's; `None` if their matches cannot be joined. What the delegate leaves out comes
/// from the root, whole.
fn merge(root: &HttpRoute, delegate: HttpRoute) -> Option<HttpRoute> {
    let r#match = merge_matches(&root.r#match, &delegate.r#match)?;
    Some(HttpRoute {
        name: join(root.name.as_deref(), delegate.name.as_deref()),
        r#match,
        delegate: None,
        rewrite: delegate.rewrite.or_else(|| root.rewrite.clone()),
        direct_response: delegate.direct_response.or_else(|| root.direct_response.clone()),
        timeout: delegate.timeout.or(root.timeout),
        retries: delegate.retries.or_else(|| root.retries.clone()),
        fault: delegate.fault.or_else(|| root.fault.clone()),
        mirror: delegate.mirror.or_else(|| root.mirror.clone()),
        mirrors: if delegate.mirrors.is_empty() { root.mirrors.clone() } else { delegate.mirrors },
        mirror_percent: delegate.mirror_percent.or(root.mirror_percent),
        mirror_percentage: delegate.mirror_percentage.or(root.mirror_percentage),
        cors_policy: delegate.cors_policy.or_else(|| root.cors_policy.clone()),
        headers: delegate.headers.or_else(|| root.headers.clone()),
        ..delegate
    })
}

fn join(root: Option<&str>, delegate: Option<&str>) -> Option<String> {
    match (root, delegate) {
        (Some(root), Some(delegate)) => Some(format!("{root}-{delegate}")),
        (root, delegate) => root.or(delegate).map(str::to_owned),
    }
}

/// Every pair of a root's and a delegate's block that does not conflict. `None` if a block of the delegate fits none.
fn merge_matches(root: &[HttpMatchRequest], delegate: &[HttpMatchRequest]) -> Option<Vec<HttpMatchRequest>> {
    if root.is_empty() {
        return Some(delegate.to_vec());
    }
    if delegate.is_empty() {
        return Some(root.to_vec());
    }
    let mut merged = Vec::new();
    for own in delegate {
        let fitting = root.iter().filter(|outer| !conflict(outer, own)).map(|outer| merge_blocks(outer, own));
        let before = merged.len();
        merged.extend(fitting);
        if merged.len() == before {
            return None;
        }
    }
    Some(merged)
}

fn merge_blocks(root: &HttpMatchRequest, own: &HttpMatchRequest) -> HttpMatchRequest {
    fn united<V: Clone>(root: &BTreeMap<String, V>, own: &BTreeMap<String, V>) -> BTreeMap<String, V> {
        let mut all = root.clone();
        all.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        all
    }
    HttpMatchRequest {
        name: join(root.name.as_deref(), own.name.as_deref()),
        uri: own.uri.clone().or_else(|| root.uri.clone()),
        scheme: own.scheme.clone().or_else(|| root.scheme.clone()),
        method: own.method.clone().or_else(|| root.method.clone()),
        authority: own.authority.clone().or_else(|| root.authority.clone()),
        headers: united(&root.headers, &own.headers),
        without_headers: united(&root.without_headers, &own.without_headers),
        query_params: united(&root.query_params, &own.query_params),
        port: own.port.or(root.port),
        source_labels: united(&root.source_labels, &own.source_labels),
        source_namespace: own.source_namespace.clone().or_else(|| root.source_namespace.clone()),
        gateways: if own.gateways.is_empty() { root.gateways.clone() } else { own.gateways.clone() },
        ignore_uri_case: own.ignore_uri_case,
        stat_prefix: own.stat_prefix.clone().or_else(|| root.stat_prefix.clone()),
    }
}

/// The delegate's block asks for something that the root's does not admit.
fn conflict(root: &HttpMatchRequest, own: &HttpMatchRequest) -> bool {
    let properties = [
        (root.uri.as_ref(), own.uri.as_ref()),
        (root.scheme.as_deref(), own.scheme.as_deref()),
        (root.method.as_deref(), own.method.as_deref()),
        (root.authority.as_deref(), own.authority.as_deref()),
    ];
    let maps = [
        (&root.headers, &own.headers),
        (&root.without_headers, &own.without_headers),
        (&root.query_params, &own.query_params),
    ];
    let in_maps = |(root, own): (&BTreeMap<String, StringMatch>, &BTreeMap<String, StringMatch>)| {
        own.iter().any(|(name, value)| values_conflict(root.get(name), Some(value)))
    };
    properties.into_iter().any(|(root, own)| values_conflict(root, own))
        || maps.into_iter().any(in_maps)
        || root.ignore_uri_case != own.ignore_uri_case
        || matches!((root.port, own.port), (Some(root), Some(own)) if root != own)
        || root.source_namespace.is_some() && root.source_namespace != own.source_namespace
        || own.source_labels.iter().any(|(name, value)| root.source_labels.get(name).is_some_and(|root| root != value))
        || gateways_conflict(&root.gateways, &own.gateways)
}

fn gateways_conflict(root: &[String], own: &[String]) -> bool {
    !root.is_empty() && !own.is_empty() && (root.len() < own.len() || own.iter().any(|name| !root.contains(name)))
}

fn values_conflict(root: Option<&StringMatch>, own: Option<&StringMatch>) -> bool {
    use StringMatch::{Exact, Prefix};
    let (Some(root), Some(own)) = (root, own) else { return false };
    match (root, own) {
        (Exact(root), Exact(own)) => root.is_empty() || root != own,
        (Prefix(root), Prefix(own) | Exact(own)) => root.is_empty() || own.is_empty() || !own.starts_with(root),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> StringMatch {
        StringMatch::Exact(text.to_owned())
    }

    fn prefix(text: &str) -> StringMatch {
        StringMatch::Prefix(text.to_owned())
    }

    fn regex(text: &str) -> StringMatch {
        StringMatch::Regex(text.to_owned())
    }

    #[test]
    fn values() {
        for (root, own, expected) in [
            (prefix("/a"), prefix("/a/b"), false),
            (prefix("/a/b"), prefix("/a"), true),
            (prefix("/a"), exact("/a/b"), false),
            (prefix("/a"), exact("/b"), true),
            (exact("/a"), exact("/a"), false),
            (exact("/a"), exact("/b"), true),
            (exact("/a"), prefix("/a"), true),
            (regex("/a"), regex("/a"), true),
            (regex("/a"), exact("/a"), true),
            (prefix("/a"), regex("/a.*"), true),
            (StringMatch::Present, exact("x"), true),
            (exact("x"), StringMatch::Present, true),
        ] {
            assert_eq!(values_conflict(Some(&root), Some(&own)), expected, "{root:?} {own:?}");
        }
        assert!(!values_conflict(None, Some(&exact("/a"))));
        assert!(!values_conflict(Some(&exact("/a")), None));
    }

    fn path(uri: StringMatch) -> HttpMatchRequest {
        HttpMatchRequest { uri: Some(uri), ..HttpMatchRequest::default() }
    }

    #[test]
    fn pairs_of_blocks() {
        let root = [path(prefix("/a")), path(prefix("/b"))];
        let merged = |own: &[HttpMatchRequest]| merge_matches(&root, own).map(|blocks| blocks.len());
        assert_eq!(merged(&[]), Some(2));
        assert_eq!(merged(&[path(prefix("/a/x"))]), Some(1));
        assert_eq!(merged(&[HttpMatchRequest::default()]), Some(2));
        assert_eq!(merged(&[path(prefix("/a/x")), path(prefix("/c"))]), None);
        assert_eq!(merge_matches(&[], &[path(prefix("/c"))]).map(|blocks| blocks.len()), Some(1));
    }

    #[test]
    fn names_and_ports() {
        let root = HttpMatchRequest { name: Some("r".into()), port: Some(80), ..HttpMatchRequest::default() };
        let own = HttpMatchRequest { name: Some("d".into()), ..path(exact("/x")) };
        let merged = merge_blocks(&root, &own);
        assert_eq!((merged.name.as_deref(), merged.port), (Some("r-d"), Some(80)));
        assert!(conflict(&root, &HttpMatchRequest { port: Some(81), ..HttpMatchRequest::default() }));
        assert!(conflict(&root, &HttpMatchRequest { ignore_uri_case: true, ..HttpMatchRequest::default() }));
    }
}
