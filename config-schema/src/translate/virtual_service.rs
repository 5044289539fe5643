//! VirtualServices bound to gateways or to the mesh: which the proxy sees, in which order, and with their delegates merged in.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::delegate;
use super::gateway::{GatewayServer, MergedGateway};
use super::host::{HostSet, MESH_GATEWAY, resolve_gateway_name, resolve_short_name};
use super::report::{Reports, object_ref};
use super::visibility::Visibility;
use crate::resources::virtual_service::HttpRoute;
use crate::resources::{MeshConfig, Object, Resources, VirtualService};
use crate::snapshot::ObjectRef;

/// A VirtualService with hosts, as a proxy uses it.
pub(super) struct BoundService {
    pub(super) object: Arc<Object<VirtualService>>,
    /// Its name in reports.
    pub(super) reference: Arc<ObjectRef>,
    /// Full names, as written but for short names.
    pub(super) hosts: Vec<String>,
    /// Rules for HTTP, those of delegates in place of the rules that call for them.
    pub(super) http: Vec<HttpRule>,
}

/// A rule for HTTP with the place that it was written at.
pub(super) struct HttpRule {
    pub(super) route: RuleRoute,
    /// The object it was written in: the VirtualService or its delegate.
    pub(super) origin: Arc<ObjectRef>,
    /// `spec.http[N]` in it.
    pub(super) path: String,
    /// Namespace of short destination names.
    pub(super) namespace: String,
}

/// A rule as it stands in its object, or one that was merged from two.
pub(super) enum RuleRoute {
    Written(Arc<Object<VirtualService>>, usize),
    Merged(Box<HttpRoute>),
}

impl HttpRule {
    pub(super) fn spec(&self) -> &HttpRoute {
        match &self.route {
            RuleRoute::Written(object, index) => &object.spec.http[*index],
            RuleRoute::Merged(route) => route,
        }
    }

    /// The full name of a destination.
    pub(super) fn resolve<'h>(&self, host: &'h str) -> Cow<'h, str> {
        resolve_short_name(host, &self.namespace)
    }
}

impl BoundService {
    pub(super) fn namespace(&self) -> &str {
        &self.object.meta.namespace
    }

    pub(super) fn reference(&self) -> Arc<ObjectRef> {
        Arc::clone(&self.reference)
    }

    /// The full name of a destination of a rule for bytes.
    pub(super) fn resolve<'h>(&self, host: &'h str) -> Cow<'h, str> {
        resolve_short_name(host, self.namespace())
    }
}

/// The VirtualServices of a proxy.
pub(super) struct VirtualServices {
    /// By gateway name (`NAMESPACE/NAME` or `mesh`): private ones first, then those exported by name, then public
    /// ones; each set oldest first.
    by_gateway: HashMap<String, Vec<Arc<BoundService>>>,
}

impl VirtualServices {
    /// Collects those that a proxy in `namespace` sees for one of `gateways`.
    pub(super) fn new(
        resources: &Resources,
        mesh: &MeshConfig,
        namespace: &str,
        gateways: &[String],
        reports: &mut Reports,
    ) -> Self {
        let mut buckets: HashMap<String, [Vec<Arc<BoundService>>; 3]> =
            gateways.iter().map(|name| (name.clone(), Default::default())).collect();
        let default_export_to = mesh.default_virtual_service_export_to();
        for object in resources.virtual_services.by_age() {
            if object.spec.hosts.is_empty() {
                continue;
            }
            let bound = bound_gateways(object);
            if !bound.iter().any(|name| buckets.contains_key(name)) {
                continue;
            }
            let reference = object_ref(object);
            reports.consider(&reference);
            let visibility = Visibility::new(&object.spec.export_to, &default_export_to, &object.meta.namespace);
            if !visibility.includes(namespace) {
                let message = format!(
                    "not exported to namespace {namespace}, where the proxy is; add it to exportTo (the \
                     namespace of the proxy counts, not that of the Gateway object)"
                );
                reports.error(&reference, "spec.exportTo".to_owned(), "not-exported", message);
                continue;
            }
            let bucket = match visibility {
                Visibility::Public => 2,
                _ if object.meta.namespace == namespace => 0,
                _ => 1,
            };
            let service = Arc::new(bind(object, resources, mesh, reports));
            for name in bound {
                if let Some(buckets) = buckets.get_mut(&name) {
                    buckets[bucket].push(Arc::clone(&service));
                }
            }
        }
        let by_gateway = buckets.into_iter().map(|(name, buckets)| (name, buckets.into_iter().flatten().collect()));
        Self { by_gateway: by_gateway.collect() }
    }

    /// Those of a gateway, in order.
    pub(super) fn of_gateway(&self, name: &str) -> &[Arc<BoundService>] {
        self.by_gateway.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The full names of the gateways that a VirtualService names, each once.
fn bound_gateways(object: &Object<VirtualService>) -> Vec<String> {
    if object.spec.gateways.is_empty() {
        return vec![MESH_GATEWAY.to_owned()];
    }
    let mut names = Vec::new();
    for name in &object.spec.gateways {
        let name = resolve_gateway_name(name, &object.meta.namespace);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn bind(
    object: &Arc<Object<VirtualService>>,
    resources: &Resources,
    mesh: &MeshConfig,
    reports: &mut Reports,
) -> BoundService {
    let namespace = &object.meta.namespace;
    let reference = Arc::new(object_ref(object));
    let mut http = Vec::new();
    for (index, route) in object.spec.http.iter().enumerate() {
        if route.delegate.is_some() {
            http.extend(delegate::rules(object, index, resources, mesh, reports));
        } else {
            http.push(HttpRule {
                route: RuleRoute::Written(Arc::clone(object), index),
                origin: Arc::clone(&reference),
                path: format!("spec.http[{index}]"),
                namespace: namespace.clone(),
            });
        }
    }
    let hosts = object.spec.hosts.iter().map(|host| resolve_short_name(host, namespace).into_owned()).collect();
    BoundService { object: Arc::clone(object), reference, hosts, http }
}

/// By VirtualService and number of the host in it: the host, and the Gateways that do not serve it.
type Unbound<'s> = HashMap<(Arc<ObjectRef>, usize), (&'s str, Vec<&'s str>)>;

/// Notes hosts of VirtualServices that no server of their Gateways has.
pub(super) fn report_unbound_hosts(services: &VirtualServices, gateway: &MergedGateway, reports: &mut Reports) {
    let mut servers: HashMap<&str, Vec<&GatewayServer>> = HashMap::new();
    for server in gateway.ports.iter().flat_map(|group| &group.servers) {
        servers.entry(&server.gateway_name).or_default().push(server);
    }
    let mut sets: HashMap<(&str, &str), Vec<HostSet>> = HashMap::new();
    let mut unbound: Unbound<'_> = HashMap::new();
    let mut bound = HashSet::new();
    for (name, of_gateway) in &services.by_gateway {
        for service in of_gateway {
            let namespace = service.namespace();
            let sets = sets.entry((name, namespace)).or_insert_with(|| {
                let servers = servers.get(name.as_str()).into_iter().flatten();
                servers.map(|server| server.host_set_for(namespace)).collect()
            });
            for (index, host) in service.hosts.iter().enumerate() {
                let key = (service.reference(), index);
                if sets.iter().any(|set| set.overlaps(host)) {
                    bound.insert(key);
                } else {
                    unbound.entry(key).or_insert((host, Vec::new())).1.push(name);
                }
            }
        }
    }
    for ((object, index), (host, mut gateways)) in unbound {
        if bound.contains(&(object.clone(), index)) {
            continue;
        }
        gateways.sort_unstable();
        let message = format!(
            "host {host} is not served: no server of Gateway {} has it (and admits VirtualServices of namespace {})",
            gateways.join(", "),
            object.namespace
        );
        reports.warn(&object, format!("spec.hosts[{index}]"), "host-not-on-gateway", message);
    }
}
