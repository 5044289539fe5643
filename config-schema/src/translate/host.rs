//! Host names with a wildcard first label, and the names that Istio completes.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::net::IpAddr;

pub(super) use crate::host::{is_subset, is_wildcard};

/// Domain of Kubernetes Services.
pub(super) const CLUSTER_DOMAIN: &str = "cluster.local";

/// Longer names first, wildcards last.
pub(super) fn by_specificity(one: &str, other: &str) -> Ordering {
    is_wildcard(one).cmp(&is_wildcard(other)).then_with(|| other.len().cmp(&one.len())).then_with(|| one.cmp(other))
}

/// The wildcards that stand for `host` (itself a name or a wildcard), longest first: `*.b.c`, `*.c`, `*` for `a.b.c`.
pub(super) fn covering_wildcards(host: &str) -> impl Iterator<Item = String> + '_ {
    let name = host.strip_prefix('*').unwrap_or(host);
    let dots = name.match_indices('.').map(|(at, _)| format!("*{}", &name[at..]));
    dots.chain(std::iter::once("*".to_owned()))
}

/// The hosts of a server, to be intersected with those of many VirtualServices.
#[derive(Debug, Default)]
pub(super) struct HostSet {
    exact: HashSet<String>,
    wildcards: HashSet<String>,
    ordered: Vec<String>,
}

impl HostSet {
    pub(super) fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        let mut set = Self::default();
        for host in hosts {
            let names = if is_wildcard(&host) { &mut set.wildcards } else { &mut set.exact };
            if names.insert(host.clone()) {
                set.ordered.push(host);
            }
        }
        set
    }

    /// Of each overlapping pair the narrower name, each once.
    pub(super) fn intersection<'h>(&self, hosts: impl IntoIterator<Item = &'h str>) -> Vec<String> {
        let mut result = Vec::new();
        let mut seen = HashSet::new();
        let mut add = |host: &str| {
            if seen.insert(host.to_owned()) {
                result.push(host.to_owned());
            }
        };
        for host in hosts {
            if self.contains(host) {
                add(host);
            }
            if is_wildcard(host) {
                for own in self.ordered.iter().filter(|own| is_subset(own, host)) {
                    add(own);
                }
            }
        }
        result
    }

    /// One of the hosts stands for all that `host` stands for.
    fn contains(&self, host: &str) -> bool {
        self.exact.contains(host)
            || self.wildcards.contains(host)
            || covering_wildcards(host).any(|wildcard| self.wildcards.contains(&wildcard))
    }

    /// Some name is one that one of the hosts and `host` stand for.
    pub(super) fn overlaps(&self, host: &str) -> bool {
        self.contains(host) || (is_wildcard(host) && self.ordered.iter().any(|own| is_subset(own, host)))
    }
}

/// The full name of a Service for a name without dots; anything else is a full name already.
pub(super) fn resolve_short_name<'h>(host: &'h str, namespace: &str) -> Cow<'h, str> {
    if host.is_empty() || host == "*" || host.contains('.') || host.parse::<IpAddr>().is_ok() {
        Cow::Borrowed(host)
    } else {
        Cow::Owned(service_host(host, namespace))
    }
}

/// The full name of a Service.
pub(super) fn service_host(name: &str, namespace: &str) -> String {
    format!("{name}.{namespace}.svc.{CLUSTER_DOMAIN}")
}

/// `namespace/name` of the Gateway that a VirtualService in `namespace` calls `name`; `mesh` stays.
pub(super) fn resolve_gateway_name(name: &str, namespace: &str) -> String {
    if name == MESH_GATEWAY {
        return name.to_owned();
    }
    if let Some((before, after)) = name.split_once('/') {
        return if before == "." { format!("{namespace}/{after}") } else { name.to_owned() };
    }
    match name.split_once('.') {
        // The old form, as a host name: name.namespace.svc.cluster.local.
        Some((name, rest)) => format!("{}/{name}", rest.split('.').next().unwrap_or(rest)),
        None => format!("{namespace}/{name}"),
    }
}

/// The name of the gateway that all sidecars are.
pub(super) const MESH_GATEWAY: &str = "mesh";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intersections_keep_the_narrower_name() {
        for (server, service, expected) in [
            (vec!["foo.com", "bar.com"], vec!["*.com"], vec!["foo.com", "bar.com"]),
            (vec!["foo.com", "*.net"], vec!["*.com", "bar.net"], vec!["foo.com", "bar.net"]),
            (vec!["foo.com", "*.net"], vec!["*.bar.net"], vec!["*.bar.net"]),
            (vec!["foo.com"], vec!["bar.com"], vec![]),
            (vec!["*"], vec!["a.com", "*.b.com"], vec!["a.com", "*.b.com"]),
            (vec!["*"], vec!["*"], vec!["*"]),
            (vec!["*.com", "www.a.com"], vec!["*.a.com"], vec!["*.a.com", "www.a.com"]),
        ] {
            let set = HostSet::new(server.iter().map(|host| (*host).to_owned()));
            assert_eq!(set.intersection(service.iter().copied()), expected, "{server:?} and {service:?}");
        }
    }

    #[test]
    fn order_of_hosts() {
        let mut hosts = vec!["*", "a.com", "*.a.com", "www.a.com", "*.com"];
        hosts.sort_by(|one, other| by_specificity(one, other));
        assert_eq!(hosts, ["www.a.com", "a.com", "*.a.com", "*.com", "*"]);
    }

    #[test]
    fn names_of_gateways() {
        for (name, expected) in [
            ("gw", "shop/gw"),
            ("./gw", "shop/gw"),
            ("other/gw", "other/gw"),
            ("gw.other.svc.cluster.local", "other/gw"),
            ("gw.other", "other/gw"),
            ("mesh", "mesh"),
        ] {
            assert_eq!(resolve_gateway_name(name, "shop"), expected);
        }
    }

    #[test]
    fn short_names() {
        for (host, expected) in [
            ("reviews", "reviews.shop.svc.cluster.local"),
            ("reviews.default", "reviews.default"),
            ("*", "*"),
            ("::1", "::1"),
            ("", ""),
        ] {
            assert_eq!(resolve_short_name(host, "shop"), expected);
        }
    }
}
