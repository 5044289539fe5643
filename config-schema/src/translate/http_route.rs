//! Routes of a VirtualService's HTTP rules on one server.

use std::sync::Arc;

use super::Context;
use super::alike::Alike;
use super::cluster::ClusterKey;
use super::destination;
use super::destination_rule::MergedRule;
use super::header_ops::Operations;
use super::host::{MESH_GATEWAY, resolve_gateway_name};
use super::http_action;
use super::http_match::{is_catch_all, route_match};
use super::labels::selects;
use super::report::Reports;
use super::retry::retry_policy;
use super::virtual_service::{BoundService, HttpRule};
use super::wanted::Wanted;
use crate::re2;
use crate::resources::destination_rule::{ConsistentHashLb, PortTrafficPolicy, TrafficPolicy};
use crate::resources::virtual_service::{Destination, HttpMatchRequest, HttpRoute, HttpRouteDestination};
use crate::snapshot::{
    Forward, Fraction, HashPolicy, Mirror, PathMatch, PathRewrite, Route, RouteAction, WeightedDestination,
};

/// Where routes are made for.
pub(super) struct RouteTarget<'t> {
    /// `NAMESPACE/NAME` of the Gateway, or `mesh`.
    pub(super) gateway: &'t str,
    /// The number of the server's port, or the port that clients dial.
    pub(super) port: u16,
    /// The server terminates TLS.
    pub(super) tls: bool,
}

/// Makes routes and notes what they need and what is wrong with them.
pub(super) struct RouteBuilder<'b> {
    pub(super) context: &'b Context<'b>,
    pub(super) wanted: &'b mut Wanted,
    pub(super) reports: &'b mut Reports,
    pub(super) alike: Alike,
}

impl RouteBuilder<'_> {
    /// The routes of a VirtualService; none if no rule fits. Nothing comes behind a catch-all.
    pub(super) fn routes(&mut self, service: &BoundService, target: &RouteTarget<'_>) -> Vec<Arc<Route>> {
        let mut routes: Vec<Arc<Route>> = Vec::new();
        for (index, rule) in service.http.iter().enumerate() {
            let blocks = &rule.spec().r#match;
            if blocks.is_empty() {
                routes.extend(self.route(service, rule, None, target));
                self.report_unreachable(&service.http[index + 1..], rule);
                return routes;
            }
            for (place, block) in blocks.iter().enumerate() {
                let Some(route) = self.route(service, rule, Some((place, block)), target) else { continue };
                let last = is_catch_all(&route.matches);
                routes.push(route);
                if last {
                    if place + 1 < blocks.len() {
                        let message = "never reached: the match before it catches everything".to_owned();
                        let path = format!("{}.match[{}]", rule.path, place + 1);
                        self.reports.warn(&rule.origin, path, "unreachable", message);
                    }
                    self.report_unreachable(&service.http[index + 1..], rule);
                    return routes;
                }
            }
        }
        routes
    }

    fn report_unreachable(&mut self, rules: &[HttpRule], before: &HttpRule) {
        for rule in rules {
            let message = format!("never reached: {} before it catches everything", before.path);
            self.reports.warn(&rule.origin, rule.path.clone(), "unreachable", message);
        }
    }

    fn route(
        &mut self,
        service: &BoundService,
        rule: &HttpRule,
        block: Option<(usize, &HttpMatchRequest)>,
        target: &RouteTarget<'_>,
    ) -> Option<Arc<Route>> {
        let spec = rule.spec();
        if block.is_some_and(|(_, block)| !self.applies(block, &rule.namespace, target)) {
            return None;
        }
        let matches = match route_match(block.map(|(_, block)| block)) {
            Ok(matches) => matches,
            Err(bad) => {
                let place = block.map(|(place, _)| place).unwrap_or_default();
                let path = format!("{}.match[{place}].{}", rule.path, bad.field);
                let message = format!("match ignored: {}", bad.message);
                self.reports.error(&rule.origin, path, "bad-regex", message);
                return None;
            }
        };
        let operations = Operations::new(spec.headers.as_deref());
        let action = self.action(service, rule, target, operations.host)?;
        let forwards = matches!(action, RouteAction::Forward(_));
        let operation = operation(&service.reference().name, target.port, &matches.path, &action);
        let block_name = block.and_then(|(_, block)| block.name.as_deref());
        Some(Arc::new(Route {
            name: route_name(spec.name.as_deref(), block_name),
            source: service.reference(),
            matches,
            action,
            request_headers: operations.request,
            response_headers: operations.response,
            cors: self.cors(rule, forwards).map(Box::new),
            fault: spec.fault.as_deref().and_then(http_action::fault).map(Box::new),
            operation,
        }))
    }

    /// The block is for this gateway and port, and for clients like this proxy.
    fn applies(&self, block: &HttpMatchRequest, namespace: &str, target: &RouteTarget<'_>) -> bool {
        if block.port.is_some_and(|port| port != u32::from(target.port)) {
            return false;
        }
        if !block.gateways.is_empty() {
            return block.gateways.iter().any(|name| resolve_gateway_name(name, namespace) == target.gateway);
        }
        let proxy = &self.context.proxy;
        selects(&block.source_labels, &proxy.labels)
            && block.source_namespace.as_ref().is_none_or(|namespace| *namespace == proxy.namespace)
    }

    fn action(
        &mut self,
        service: &BoundService,
        rule: &HttpRule,
        target: &RouteTarget<'_>,
        host: Option<String>,
    ) -> Option<RouteAction> {
        let spec = rule.spec();
        if let Some(redirect) = &spec.redirect {
            let redirect = http_action::redirect(redirect, target.port, target.tls);
            return Some(RouteAction::Redirect(Box::new(redirect)));
        }
        if let Some(response) = &spec.direct_response {
            return Some(RouteAction::Direct(http_action::direct_response(response)));
        }
        let forward = self.forward(service, rule, target, host)?;
        if forward.destinations.is_empty() {
            let message = "rule ignored: it has no destination with a weight".to_owned();
            self.reports.error(&rule.origin, format!("{}.route", rule.path), "no-destination", message);
            return None;
        }
        Some(RouteAction::Forward(Box::new(forward)))
    }

    fn forward(
        &mut self,
        service: &BoundService,
        rule: &HttpRule,
        target: &RouteTarget<'_>,
        host: Option<String>,
    ) -> Option<Forward> {
        let spec = rule.spec();
        let mut forward = Forward {
            path_rewrite: self.path_rewrite(rule)?,
            host_rewrite: spec.rewrite.as_ref().and_then(|rewrite| rewrite.authority.clone()).or(host),
            timeout: spec.timeout.map(|timeout| timeout.0).filter(|timeout| !timeout.is_zero()),
            ..Forward::default()
        };
        let mut mirrors = Mirrors { builder: self, service, rule, target };
        forward.mirrors = mirrors.collect();
        let alone = spec.route.len() == 1;
        forward.destinations.reserve_exact(spec.route.len());
        forward.weighted = !alone;
        let mut hashed = false;
        for (index, entry) in spec.route.iter().enumerate() {
            let weight = u32::try_from(entry.weight).unwrap_or(0);
            if !alone && weight == 0 {
                continue;
            }
            let path = format!("{}.route[{index}].destination", rule.path);
            let key = self.destination(service, rule, &entry.destination, target, &path);
            if let Some(hash) = self.hash_policy(rule, entry) {
                hashed |= alone;
                forward.hash_policy.extend(hash);
            }
            let mut operations = Operations::new(entry.headers.as_deref());
            if alone {
                // A route's only destination is no other than the route.
                forward.host_rewrite = forward.host_rewrite.or(operations.host.take());
            }
            forward.destinations.push(WeightedDestination {
                cluster: self.alike.cluster(&key.name()),
                weight: if alone { 100 } else { weight },
                request_headers: operations.request,
                response_headers: operations.response,
                host_rewrite: operations.host,
            });
        }
        let settings = spec.retries.as_deref().or(self.context.mesh.default_http_retry_policy.as_ref());
        let (retry, unknown) = retry_policy(settings, hashed);
        forward.retry = retry.map(|policy| self.alike.retry(policy));
        for word in unknown {
            let message = format!("{word:?} is no condition for retries and is ignored");
            self.reports.warn(&rule.origin, format!("{}.retries.retryOn", rule.path), "retry-on", message);
        }
        Some(forward)
    }

    /// The cluster of a destination, noted as wanted.
    fn destination(
        &mut self,
        service: &BoundService,
        rule: &HttpRule,
        destination: &Destination,
        target: &RouteTarget<'_>,
        path: &str,
    ) -> ClusterKey {
        let host = rule.resolve(&destination.host);
        let registry = &self.context.registry;
        let known = match target.gateway {
            // The port of a destination that gives none is the dialled one, even where the service has just another.
            MESH_GATEWAY => registry.get(&host).filter(|known| known.port(target.port).is_some()),
            _ => registry.get_from(&host, service.namespace()),
        };
        let key = destination::cluster_key(destination, &host, known.map(AsRef::as_ref), target.port);
        self.wanted.cluster(&key, &rule.origin, path);
        key
    }

    fn path_rewrite(&mut self, rule: &HttpRule) -> Option<Option<PathRewrite>> {
        let Some(rewrite) = &rule.spec().rewrite else { return Some(None) };
        let Some(regex) = &rewrite.uri_regex_rewrite else {
            return Some(rewrite.uri.clone().map(PathRewrite::Prefix));
        };
        let pattern = regex.r#match.clone().unwrap_or_default();
        if let Err(error) = re2::search(&pattern) {
            let message = format!("rule ignored: {pattern:?} is no regular expression in RE2 syntax: {error}");
            let path = format!("{}.rewrite.uriRegexRewrite.match", rule.path);
            self.reports.error(&rule.origin, path, "bad-regex", message);
            return None;
        }
        let substitution = regex.rewrite.clone().unwrap_or_default();
        Some(Some(PathRewrite::Regex { pattern, substitution }))
    }

    fn cors(&mut self, rule: &HttpRule, forwards: bool) -> Option<crate::snapshot::Cors> {
        let policy = rule.spec().cors_policy.as_ref()?;
        let path = format!("{}.corsPolicy", rule.path);
        if !forwards {
            let message = "without effect: the rule answers by itself and never looks at origins".to_owned();
            self.reports.warn(&rule.origin, path, "no-effect", message);
            return None;
        }
        match http_action::cors(policy) {
            Ok(cors) => Some(cors),
            Err((index, message)) => {
                let path = format!("{path}.allowOrigins[{index}].regex");
                self.reports.error(&rule.origin, path, "bad-regex", format!("corsPolicy ignored: {message}"));
                None
            }
        }
    }

    /// What the consistent-hash balancer of a destination hashes. `Some` if it hashes at all, even without a key.
    fn hash_policy(&self, rule: &HttpRule, entry: &HttpRouteDestination) -> Option<Option<HashPolicy>> {
        let host = rule.resolve(&entry.destination.host);
        let service = self.context.registry.get(&host)?;
        let merged = self.context.rule_for(service)?;
        let subset = entry.destination.subset.as_deref().and_then(|name| merged.subset(name));
        let port = entry.destination.port.map(|port| port.number);
        let of_rule = merged.traffic_policy.as_ref();
        let of_subset = subset.and_then(|subset| subset.traffic_policy.as_ref());
        let hash = of_subset
            .and_then(|policy| port_hash(policy, port))
            .or_else(|| of_subset.and_then(hash))
            .or_else(|| of_rule.and_then(|policy| port_hash(policy, port)))
            .or_else(|| of_rule.and_then(hash))?;
        Some(hash_key(hash))
    }
}

fn hash(policy: &TrafficPolicy) -> Option<&ConsistentHashLb> {
    policy.load_balancer.as_ref()?.consistent_hash.as_ref()
}

fn port_hash(policy: &TrafficPolicy, port: Option<u32>) -> Option<&ConsistentHashLb> {
    let number = port?;
    let selected = |settings: &&PortTrafficPolicy| settings.port.is_some_and(|port| port.number == number);
    let settings = policy.port_level_settings.iter().find(selected)?;
    settings.load_balancer.as_ref()?.consistent_hash.as_ref()
}

/// What a service without routes of its own hashes.
pub(super) fn service_hash_key(rule: &MergedRule, port: u16) -> Option<HashPolicy> {
    let policy = rule.traffic_policy.as_ref()?;
    port_hash(policy, Some(u32::from(port))).or_else(|| hash(policy)).and_then(hash_key)
}

/// The key of a consistent hash.
pub(super) fn hash_key(hash: &ConsistentHashLb) -> Option<HashPolicy> {
    if let Some(name) = &hash.http_header_name {
        return Some(HashPolicy::Header(name.to_ascii_lowercase()));
    }
    if let Some(cookie) = &hash.http_cookie {
        return Some(HashPolicy::Cookie {
            name: cookie.name.clone(),
            path: cookie.path.clone().unwrap_or_default(),
            ttl: cookie.ttl.map(|ttl| ttl.0),
            attributes: cookie
                .attributes
                .iter()
                .map(|attribute| (attribute.name.clone(), attribute.value.clone().unwrap_or_default()))
                .collect(),
        });
    }
    if let Some(name) = &hash.http_query_parameter_name {
        return Some(HashPolicy::QueryParameter(name.clone()));
    }
    (hash.use_source_ip == Some(true)).then_some(HashPolicy::SourceIp)
}

/// The rule's name, with the match's behind a dot.
fn route_name(rule: Option<&str>, block: Option<&str>) -> Arc<str> {
    let rule = rule.unwrap_or_default();
    block.map_or_else(|| rule.into(), |block| format!("{rule}.{block}").into())
}

/// Copies of a rule.
struct Mirrors<'m, 'b> {
    builder: &'m mut RouteBuilder<'b>,
    service: &'m BoundService,
    rule: &'m HttpRule,
    target: &'m RouteTarget<'m>,
}

impl Mirrors<'_, '_> {
    fn collect(&mut self) -> Vec<Mirror> {
        let spec = self.rule.spec();
        let mut mirrors = Vec::new();
        if let Some(destination) = &spec.mirror {
            mirrors.extend(self.mirror(destination, mirror_fraction(spec), "mirror".to_owned()));
        }
        for (index, entry) in spec.mirrors.iter().enumerate() {
            let fraction = entry.percentage.map_or(Fraction::ALL, http_action::fraction);
            let field = format!("mirrors[{index}].destination");
            mirrors.extend(self.mirror(&entry.destination, fraction, field));
        }
        mirrors
    }

    fn mirror(&mut self, destination: &Destination, fraction: Fraction, field: String) -> Option<Mirror> {
        if fraction == Fraction(0) {
            return None;
        }
        let path = format!("{}.{field}", self.rule.path);
        let key = self.builder.destination(self.service, self.rule, destination, self.target, &path);
        Some(Mirror { cluster: key.name(), fraction })
    }
}

/// The share of `mirror`: all of it unless something is said.
fn mirror_fraction(spec: &HttpRoute) -> Fraction {
    match (spec.mirror_percentage, spec.mirror_percent) {
        (Some(percentage), _) => http_action::fraction(percentage),
        (None, Some(percent)) => Fraction::from_percent(f64::from(percent.min(100))),
        (None, None) => Fraction::ALL,
    }
}

/// What Istio calls the requests of a route: after the only destination, else after the VirtualService.
fn operation(name: &str, port: u16, path: &PathMatch, action: &RouteAction) -> String {
    let path = match path {
        PathMatch::Any | PathMatch::SegmentPrefix(_) => "/*".to_owned(),
        PathMatch::Exact(path) | PathMatch::Regex(path) => path.clone(),
        PathMatch::Prefix(path) => format!("{path}*"),
    };
    let only = match action {
        RouteAction::Forward(forward) => match forward.destinations.as_slice() {
            [only] => ClusterKey::host_and_port(&only.cluster),
            _ => None,
        },
        RouteAction::Redirect(_) | RouteAction::Direct(_) => None,
    };
    match only {
        Some((host, port)) => format!("{host}:{port}{path}"),
        None => format!("{name}:{port}{path}"),
    }
}
