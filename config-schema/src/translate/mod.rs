//! What a proxy runs, from what people write: [`translate`] is pure and deterministic.
//!
//! The way: the proxy is identified ([`proxy`]), the services that it may send to are collected ([`registry`]), its
//! Gateways are merged into ports ([`gateway`]), VirtualServices are bound to them ([`virtual_service`]) and become
//! routes ([`route_table`], [`http_route`], [`l4_route`]); or a sidecar's outbound side is made ([`sidecar`]). What
//! routes refer to becomes clusters and endpoints ([`cluster`], [`endpoints`]) under DestinationRules
//! ([`destination_rule`], [`traffic_policy`]), and what servers and clusters refer to becomes secrets ([`secrets`]).

mod alike;
mod auto_passthrough;
mod cluster;
mod cluster_addresses;
mod connection_pool;
mod credential;
mod delegate;
mod destination;
mod destination_rule;
mod downstream_tls;
mod dynamic_names;
mod egress_gateway;
mod endpoints;
mod forward_proxy;
mod gateway;
mod header_ops;
mod health_check;
mod host;
mod http_action;
mod http_match;
mod http_route;
mod l4_route;
mod labels;
mod learned_egress;
mod locality_lb;
mod peer_authentication;
mod protocol;
mod proxy;
mod proxy_settings;
mod registry;
mod report;
mod retry;
mod route_table;
mod rule_tls;
mod secrets;
mod server;
mod sidecar;
mod traffic_policy;
mod upstream_tls;
mod virtual_service;
mod visibility;
mod wanted;
mod workload;

use std::sync::Arc;

pub use egress_gateway::{Expansion, expansions};
pub use learned_egress::learn_egress;
pub use proxy::{ProxyIdentity, ProxyRole};
pub use report::{Finding, Report};

use self::alike::Alike;
use self::destination_rule::{DestinationRules, MergedRule};
use self::http_route::RouteBuilder;
use self::peer_authentication::PeerAuthentications;
use self::proxy::Proxy;
use self::proxy_settings::ListenerSettings;
use self::registry::{Registry, Service};
use self::report::Reports;
use self::server::ListenerBuilder;
use self::virtual_service::VirtualServices;
use self::wanted::Wanted;
use crate::resources::{MeshConfig, Resources};
use crate::snapshot::Snapshot;

/// A snapshot and what became of the objects that it was made from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Translation {
    /// What the proxy runs.
    pub snapshot: Snapshot,
    /// One for each object that concerns the proxy, by kind, namespace and name.
    pub reports: Vec<Report>,
}

/// What the parts of a translation look at.
struct Context<'a> {
    resources: &'a Resources,
    mesh: &'a MeshConfig,
    proxy: Proxy,
    settings: ListenerSettings,
    registry: Registry<'a>,
    rules: DestinationRules,
    peer_authentication: PeerAuthentications<'a>,
}

impl Context<'_> {
    /// The DestinationRule in force for a service.
    fn rule_for(&self, service: &Service) -> Option<Arc<MergedRule>> {
        self.rules.find(service, &self.proxy.namespace, &self.proxy.labels)
    }
}

/// Translates `resources` for one proxy.
#[must_use]
pub fn translate(resources: &Resources, identity: &ProxyIdentity) -> Translation {
    let mut reports = Reports::default();
    match egress_gateway::add(resources, &mut reports) {
        Some((resources, generated)) => {
            let mut translation = translate_all(&resources, identity, reports);
            translation.reports = generated.attribute(translation.reports);
            translation
        }
        None => translate_all(resources, identity, reports),
    }
}

fn translate_all(resources: &Resources, identity: &ProxyIdentity, mut reports: Reports) -> Translation {
    let defaults = MeshConfig::default();
    let mesh = resources.mesh_config().map_or(&defaults, |object| &object.spec);
    let proxy = Proxy::new(resources, mesh, identity);
    if let Some(pod) = &proxy.missing_pod {
        let message = "there is no such Pod in the configuration, so no Gateway selects the proxy".to_owned();
        reports.error(pod, String::new(), "unknown-pod", message);
    }
    let (settings, listener_settings) = proxy_settings::settings(resources, mesh, &proxy, &mut reports);
    let mut registry = Registry::new(resources, mesh, &proxy.namespace);
    let scope = (proxy.role == ProxyRole::Sidecar)
        .then(|| sidecar::Scope::new(resources, mesh, &proxy, &mut registry, &mut reports));
    let context = Context {
        resources,
        mesh,
        settings: listener_settings,
        registry,
        rules: DestinationRules::new(resources, mesh, &mut reports),
        peer_authentication: PeerAuthentications::new(resources, mesh),
        proxy,
    };
    let mut wanted = Wanted::default();
    let mut snapshot = Snapshot { node: context.proxy.node.clone(), settings, ..Snapshot::default() };
    match &scope {
        None => add_gateway(&mut snapshot, &context, &mut wanted, &mut reports),
        Some(scope) => sidecar::add(&mut snapshot, &context, scope, &mut wanted, &mut reports),
    }
    add_clusters(&mut snapshot, &context, &mut wanted, &mut reports);
    secrets::add(&mut snapshot, &context, &wanted, &mut reports);
    snapshot.files = wanted.files;
    dynamic_names::add(&mut snapshot);
    cluster_addresses::add(&mut snapshot, resources);
    Translation { snapshot, reports: reports.finish() }
}

fn add_gateway(snapshot: &mut Snapshot, context: &Context<'_>, wanted: &mut Wanted, reports: &mut Reports) {
    let merged = gateway::merge(context.resources, &context.proxy, reports);
    let services =
        VirtualServices::new(context.resources, context.mesh, &context.proxy.namespace, &merged.names, reports);
    for (name, servers) in &merged.route_tables {
        let mut builder = RouteBuilder { context, wanted, reports, alike: Alike::default() };
        let table = route_table::build(name, servers, &services, &mut builder);
        snapshot.route_tables.insert(name.clone(), Arc::new(table));
    }
    let mut builder = ListenerBuilder { context, services: &services, wanted, reports };
    snapshot.listeners = builder.listeners(&merged);
    virtual_service::report_unbound_hosts(&services, &merged, reports);
}

/// Adds the clusters that are wanted, their endpoints, and what they want in turn.
fn add_clusters(snapshot: &mut Snapshot, context: &Context<'_>, wanted: &mut Wanted, reports: &mut Reports) {
    for (key, places) in std::mem::take(&mut wanted.clusters) {
        match cluster::build(&key, context) {
            Ok(mut built) => {
                let name = built.cluster.name.clone();
                if let Some(rule) = built.rule.as_deref() {
                    rule_tls::note_sources(&mut built.cluster, rule, context, wanted, reports);
                }
                if let Some(endpoints) = built.endpoints {
                    snapshot.endpoints.insert(name.clone(), Arc::new(endpoints));
                }
                snapshot.clusters.insert(name, Arc::new(built.cluster));
            }
            Err(missing) => {
                for (object, path) in &places {
                    let message = format!("{}: {}", wanted::consequence(path), missing.explain(&key, context));
                    reports.error(object, path.clone(), "unknown-destination", message);
                }
            }
        }
    }
}
