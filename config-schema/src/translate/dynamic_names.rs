//! Names that may be resolved because routes name them: a host of a VirtualService that is sent to a wildcard host, and
//! what a route rewrites the host to. `*` names nothing: what it covers must fit the ServiceEntry's own wildcard, or any
//! client could reach any host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::snapshot::{Discovery, Forward, RouteAction, Snapshot};

/// Adds them to the clusters whose names come from clients.
pub(super) fn add(snapshot: &mut Snapshot) {
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for host in snapshot.route_tables.values().flat_map(|table| &table.virtual_hosts) {
        for route in &host.routes {
            if let RouteAction::Forward(forward) = &route.action {
                add_names(forward, &host.domains, &mut named);
            }
        }
    }
    let named: Vec<(String, Vec<String>)> = named
        .into_iter()
        .map(|(cluster, names)| (cluster.into(), names.into_iter().map(Into::into).collect()))
        .collect();
    for (name, names) in named {
        let Some(cluster) = snapshot.clusters.get_mut(&name) else { continue };
        if matches!(cluster.discovery, Discovery::DynamicDns { .. })
            && let Discovery::DynamicDns { hosts, .. } = &mut Arc::make_mut(cluster).discovery
        {
            let new: Vec<String> = names.into_iter().filter(|name| !hosts.contains(name)).collect();
            hosts.extend(new);
        }
    }
}

fn add_names<'s>(forward: &'s Forward, domains: &'s [String], named: &mut BTreeMap<&'s str, BTreeSet<&'s str>>) {
    for destination in &forward.destinations {
        let rewritten = destination.host_rewrite.as_ref().or(forward.host_rewrite.as_ref());
        let names = named.entry(&destination.cluster).or_default();
        match rewritten {
            Some(host) => names.extend(Some(host_of(host))),
            None => names.extend(domains.iter().map(|domain| host_of(domain)).filter(|domain| *domain != "*")),
        }
    }
}

fn host_of(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}
