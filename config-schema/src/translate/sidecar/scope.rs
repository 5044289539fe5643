//! What a sidecar may reach: by the Sidecar resource in force, else everything that is visible in its namespace.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::imports::Imports;
use super::unknown_traffic::UnknownTraffic;
use crate::resources::sidecar::{CaptureMode, IstioEgressListener};
use crate::resources::virtual_service::{Destination, HttpRoute};
use crate::resources::{MeshConfig, Object, Resources, Sidecar};
use crate::translate::host::MESH_GATEWAY;
use crate::translate::labels::selects;
use crate::translate::protocol::Protocol;
use crate::translate::proxy::Proxy;
use crate::translate::registry::{Port, Registry, Service, add_to_scope};
use crate::translate::report::{Reports, object_ref};
use crate::translate::virtual_service::{BoundService, VirtualServices};

/// What a sidecar may reach.
pub(in crate::translate) struct Scope {
    /// The one without a port comes last, if there is one.
    pub(super) listeners: Vec<EgressListener>,
    pub(super) unknown: UnknownTraffic,
}

/// Services and VirtualServices that are imported together.
pub(super) struct EgressListener {
    /// The port to open; `None` for all ports of the services.
    pub(super) port: Option<Port>,
    /// The address to open it at; `None` for those of the services.
    pub(super) address: Option<IpAddr>,
    /// It is bound, not redirected to.
    pub(super) binds: bool,
    pub(super) services: Vec<Arc<Service>>,
    pub(super) virtual_services: Vec<Arc<BoundService>>,
}

impl Scope {
    /// Finds it, and restricts `registry` to it.
    pub(in crate::translate) fn new(
        resources: &Resources,
        mesh: &MeshConfig,
        proxy: &Proxy,
        registry: &mut Registry<'_>,
        reports: &mut Reports,
    ) -> Self {
        let sidecar = in_force(resources, mesh, proxy, reports);
        let gateways = [MESH_GATEWAY.to_owned()];
        let services = VirtualServices::new(resources, mesh, &proxy.namespace, &gateways, reports);
        let mut builder = ScopeBuilder { registry, services: services.of_gateway(MESH_GATEWAY), proxy, reports };
        let listeners = match sidecar.filter(|sidecar| !sidecar.spec.egress.is_empty()) {
            Some(sidecar) => builder.listeners(sidecar),
            None => vec![builder.everything()],
        };
        registry.restrict(imported_services(&listeners, registry, &proxy.namespace));
        Self { listeners, unknown: UnknownTraffic::new(sidecar, mesh) }
    }

    /// The listener that decides what is behind `port`.
    pub(super) fn listener_of(&self, port: u16) -> Option<&EgressListener> {
        self.listeners.iter().find(|listener| listener.port.as_ref().is_none_or(|own| own.number == port))
    }
}

/// The Sidecar for a workload: of its namespace one that selects it, else one for all; else that of the root namespace.
fn in_force<'r>(
    resources: &'r Resources,
    mesh: &MeshConfig,
    proxy: &Proxy,
    reports: &mut Reports,
) -> Option<&'r Arc<Object<Sidecar>>> {
    let applies = |sidecar: &&Arc<Object<Sidecar>>| {
        let selector = sidecar.spec.workload_selector.as_ref();
        selector.is_none_or(|selector| selects(&selector.labels, &proxy.labels))
    };
    let mut own: Vec<_> = resources.sidecars.in_namespace(&proxy.namespace).filter(applies).collect();
    own.sort_by(|one, other| one.cmp_age(other));
    own.sort_by_key(|sidecar| sidecar.spec.workload_selector.is_none());
    let mut of_root: Vec<_> = resources.sidecars.in_namespace(mesh.root_namespace()).collect();
    of_root.retain(|sidecar| sidecar.spec.workload_selector.is_none());
    of_root.sort_by(|one, other| one.cmp_age(other));
    let chosen = own.first().or(of_root.first()).copied()?;
    let name = format!("{}/{}", chosen.meta.namespace, chosen.meta.name);
    reports.accept(&object_ref(chosen));
    for other in own.iter().skip(1).filter(|other| other.spec.workload_selector == chosen.spec.workload_selector) {
        let message = format!("not in force: {name} is older and for the same workloads; there is one for each");
        reports.error(&object_ref(other), String::new(), "shadowed", message);
    }
    for (field, present) in [
        ("spec.ingress", !chosen.spec.ingress.is_empty()),
        ("spec.inboundConnectionPool", chosen.spec.inbound_connection_pool.is_some()),
    ] {
        if present {
            let message = "not served: what comes in to the application does not pass the proxy".to_owned();
            reports.error(&object_ref(chosen), field.to_owned(), "inbound", message);
        }
    }
    Some(chosen)
}

struct ScopeBuilder<'b> {
    registry: &'b Registry<'b>,
    services: &'b [Arc<BoundService>],
    proxy: &'b Proxy,
    reports: &'b mut Reports,
}

impl ScopeBuilder<'_> {
    /// Without a Sidecar: what is visible.
    fn everything(&self) -> EgressListener {
        EgressListener {
            port: None,
            address: None,
            binds: false,
            services: one_namespace_for_each_host(self.registry.visible().cloned(), &self.proxy.namespace),
            virtual_services: self.services.to_vec(),
        }
    }

    fn listeners(&mut self, sidecar: &Arc<Object<Sidecar>>) -> Vec<EgressListener> {
        let mut listeners = Vec::new();
        for (index, spec) in sidecar.spec.egress.iter().enumerate() {
            match self.listener(spec) {
                Ok(listener) => {
                    let last = listener.port.is_none();
                    listeners.push(listener);
                    if last {
                        break;
                    }
                }
                Err((field, message)) => {
                    let path = format!("spec.egress[{index}]{field}");
                    let message = format!("listener ignored: {message}");
                    self.reports.error(&object_ref(sidecar), path, "egress-listener", message);
                }
            }
        }
        listeners
    }

    fn listener(&mut self, spec: &IstioEgressListener) -> Result<EgressListener, (&'static str, String)> {
        let (imports, malformed) = Imports::new(&spec.hosts, &self.proxy.namespace);
        if let Some(entry) = malformed.first() {
            return Err((".hosts", format!("{entry:?} is not of the form NAMESPACE/HOST")));
        }
        let port = spec.port.as_ref().map(listen_port).transpose()?;
        let binds = spec.capture_mode == CaptureMode::None;
        let address = match &spec.bind {
            Some(bind) => Some(bind.parse().map_err(|_| (".bind", format!("{bind:?} is no IP address")))?),
            None => binds.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        };
        let imported = self.registry.visible().filter(|one| imports.has_service(&one.namespace, &one.host));
        let services = imported.filter_map(|service| match &port {
            Some(port) => with_port(service, port.number),
            None => Some(Arc::clone(service)),
        });
        let overlaps = |one: &&Arc<BoundService>| imports.has_virtual_service(one.namespace(), &one.hosts);
        Ok(EgressListener {
            services: one_namespace_for_each_host(services, &self.proxy.namespace),
            virtual_services: self.services.iter().filter(overlaps).cloned().collect(),
            port,
            address,
            binds,
        })
    }
}

fn listen_port(port: &crate::resources::sidecar::SidecarPort) -> Result<Port, (&'static str, String)> {
    let number = port.number.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0);
    let number = number.ok_or((".port.number", "it is no port that can be opened".to_owned()))?;
    let protocol = Protocol::parse(port.protocol.as_deref().unwrap_or_default());
    if protocol == Protocol::HttpProxy {
        return Err((".port.protocol", "forward proxies are not served".to_owned()));
    }
    Ok(Port { number, name: port.name.clone().unwrap_or_default(), protocol, target_port: None })
}

/// The service with that port alone, if it has it.
fn with_port(service: &Arc<Service>, number: u16) -> Option<Arc<Service>> {
    let port = service.port(number)?;
    if service.ports.len() == 1 {
        return Some(Arc::clone(service));
    }
    Some(Arc::new(Service { ports: vec![port.clone()], ..(**service).clone() }))
}

/// Of the services of a host those of one namespace: the workload's own; else that of a Kubernetes Service; else the
/// first.
fn one_namespace_for_each_host(services: impl Iterator<Item = Arc<Service>>, own: &str) -> Vec<Arc<Service>> {
    let mut services: Vec<Arc<Service>> = services.collect();
    let mut chosen: HashMap<String, (String, bool)> = HashMap::new();
    for service in &services {
        let candidate = (service.namespace.clone(), service.is_kubernetes());
        let Some(existing) = chosen.get_mut(&service.host) else {
            chosen.insert(service.host.clone(), candidate);
            continue;
        };
        let better = candidate.1 && !existing.1 && existing.0 != own;
        if candidate.0 == own || better {
            *existing = candidate;
        }
    }
    services.retain(|service| chosen.get(&service.host).is_some_and(|(namespace, _)| *namespace == service.namespace));
    services
}

/// What the listeners import, and what their VirtualServices send to: by host.
fn imported_services(
    listeners: &[EgressListener],
    registry: &Registry<'_>,
    namespace: &str,
) -> BTreeMap<String, Arc<Service>> {
    let mut scope = BTreeMap::new();
    for listener in listeners {
        for service in &listener.services {
            add_to_scope(&mut scope, service);
        }
        for service in &listener.virtual_services {
            for host in destinations(service, namespace) {
                let Some(found) = registry.destination(&host) else { continue };
                let found = match &listener.port {
                    Some(port) => with_port(found, port.number),
                    None => Some(Arc::clone(found)),
                };
                if let Some(found) = found {
                    add_to_scope(&mut scope, &found);
                }
            }
        }
    }
    scope
}

/// The full names of all destinations for workloads of `namespace`.
fn destinations(service: &BoundService, namespace: &str) -> Vec<String> {
    let mut hosts = Vec::new();
    for rule in &service.http {
        let spec = rule.spec();
        let from_here = |from: &Option<String>| from.as_ref().is_none_or(|from| from == namespace);
        if spec.r#match.is_empty() || spec.r#match.iter().any(|block| from_here(&block.source_namespace)) {
            hosts.extend(http_destinations(spec).map(|to| rule.resolve(&to.host).into_owned()));
        }
    }
    let tcp = service.object.spec.tcp.iter().flat_map(|rule| &rule.route);
    let tls = service.object.spec.tls.iter().flat_map(|rule| &rule.route);
    hosts.extend(tcp.chain(tls).map(|route| service.resolve(&route.destination.host).into_owned()));
    hosts
}

fn http_destinations(route: &HttpRoute) -> impl Iterator<Item = &Destination> {
    let mirrors = route.mirrors.iter().map(|mirror| &mirror.destination);
    route.route.iter().map(|entry| &entry.destination).chain(route.mirror.as_deref()).chain(mirrors)
}
