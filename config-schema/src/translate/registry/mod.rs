//! The services that a proxy may send to, from Kubernetes Services and ServiceEntries.

mod instances;
mod kubernetes;
mod service;
mod service_entry;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) use instances::{Instance, InstanceAddress};
pub(super) use service::{Port, Resolution, Service, TrafficDistribution};

use self::instances::InstanceIndex;
use crate::resources::{MeshConfig, Resources};

/// The services of all namespaces, and those that a proxy's namespace sees.
pub(super) struct Registry<'a> {
    /// All of them, oldest first; equal ages by name, then by namespace.
    services: Vec<Arc<Service>>,
    /// By host, oldest first.
    by_host: HashMap<String, Vec<Arc<Service>>>,
    /// What the proxy calls by a host.
    scope: BTreeMap<String, Arc<Service>>,
    namespace: String,
    instances: InstanceIndex<'a>,
}

impl<'a> Registry<'a> {
    /// As a proxy in `namespace` sees it that no Sidecar resource restricts.
    pub(super) fn new(resources: &'a Resources, mesh: &'a MeshConfig, namespace: &str) -> Self {
        let mut services: Vec<Arc<Service>> = kubernetes::services(resources, mesh)
            .chain(service_entry::services(resources, mesh))
            .map(Arc::new)
            .collect();
        services.sort_by(|one, other| {
            one.age
                .cmp(&other.age)
                .then_with(|| one.name.cmp(&other.name))
                .then_with(|| one.namespace.cmp(&other.namespace))
        });
        let mut by_host: HashMap<String, Vec<Arc<Service>>> = HashMap::new();
        for service in &services {
            by_host.entry(service.host.clone()).or_default().push(Arc::clone(service));
        }
        let mut registry = Self {
            services,
            by_host,
            scope: BTreeMap::new(),
            namespace: namespace.to_owned(),
            instances: InstanceIndex::new(resources, mesh),
        };
        registry.scope = registry.default_scope();
        registry
    }

    /// Services that are shown to the namespace by name come before public ones; each set is in order of age.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Arc<Service>> {
        use super::visibility::Visibility;
        let seen = |service: &&Arc<Service>| service.visibility.includes(&self.namespace);
        let private = self.services.iter().filter(|service| service.visibility != Visibility::Public).filter(seen);
        let public = self.services.iter().filter(|service| service.visibility == Visibility::Public);
        private.chain(public)
    }

    fn default_scope(&self) -> BTreeMap<String, Arc<Service>> {
        let mut scope = BTreeMap::new();
        for service in self.visible() {
            add_to_scope(&mut scope, service);
        }
        scope
    }

    /// The service that the proxy calls by `host`.
    pub(super) fn get(&self, host: &str) -> Option<&Arc<Service>> {
        self.scope.get(host)
    }

    /// The service that `host` stands for in a VirtualService of `namespace`: that namespace's own if the proxy sees
    /// it, else the one that the proxy calls so.
    pub(super) fn get_from(&self, host: &str, namespace: &str) -> Option<&Arc<Service>> {
        let own = self.own(host, namespace).filter(|service| service.visibility.includes(&self.namespace));
        own.or_else(|| self.get(host))
    }

    /// A namespace's own service of a host. A Kubernetes Service comes before a ServiceEntry that is older.
    fn own(&self, host: &str, namespace: &str) -> Option<&Arc<Service>> {
        let mut own = self.of_host(host).filter(|service| service.namespace == namespace);
        let oldest = own.next();
        own.find(|service| service.is_kubernetes()).or(oldest)
    }

    /// The service that a VirtualService sends to by `host`, whether or not it is imported: of the proxy's namespace,
    /// else a Kubernetes Service that it sees, else the oldest one.
    pub(super) fn destination(&self, host: &str) -> Option<&Arc<Service>> {
        let visible = || self.of_host(host).filter(|service| service.visibility.includes(&self.namespace));
        self.own(host, &self.namespace)
            .or_else(|| visible().find(|service| service.is_kubernetes()))
            .or_else(|| visible().next())
    }

    /// Lets the proxy call nothing but what is in `scope`.
    pub(super) fn restrict(&mut self, scope: BTreeMap<String, Arc<Service>>) {
        self.scope = scope;
    }

    /// The services of other names that stand for `host` (`ExternalName`).
    pub(super) fn aliases_of<'s>(&'s self, host: &'s str) -> impl Iterator<Item = &'s Service> {
        let aliases = self.scope.values().map(AsRef::as_ref);
        aliases.filter(move |service| matches!(&service.resolution, Resolution::Alias(target) if target == host))
    }

    /// Some service has this host, though the proxy may not see it.
    pub(super) fn is_known(&self, host: &str) -> bool {
        self.by_host.contains_key(host)
    }

    /// What the proxy may call, by host.
    pub(super) fn scope(&self) -> &BTreeMap<String, Arc<Service>> {
        &self.scope
    }

    /// All endpoints of a host of a namespace, whichever objects they come from.
    pub(super) fn instances(&self, service: &Service) -> Vec<Instance> {
        let of_host = self.of_host(&service.host);
        let entries = of_host.filter(|other| other.namespace == service.namespace && !other.is_kubernetes());
        self.instances.of(service, entries)
    }

    /// The services of a host in any namespace, oldest first.
    fn of_host(&self, host: &str) -> impl Iterator<Item = &Arc<Service>> {
        self.by_host.get(host).into_iter().flatten()
    }
}

/// Adds a service unless another of its host takes precedence; ports of ServiceEntries of one namespace are united.
pub(super) fn add_to_scope(scope: &mut BTreeMap<String, Arc<Service>>, service: &Arc<Service>) {
    let Some(existing) = scope.get_mut(&service.host) else {
        scope.insert(service.host.clone(), Arc::clone(service));
        return;
    };
    if !existing.is_kubernetes() && service.is_kubernetes() {
        *existing = Arc::clone(service);
    } else if existing.ports != service.ports && existing.can_merge(service) {
        let merged = Arc::make_mut(existing);
        for port in &service.ports {
            if merged.ports.iter().all(|existing| existing.number != port.number) {
                merged.ports.push(port.clone());
            }
        }
    }
}

/// The SPIFFE ID of a service account.
pub(super) fn spiffe_id(mesh: &MeshConfig, namespace: &str, account: &str) -> String {
    format!("spiffe://{}/ns/{namespace}/sa/{account}", mesh.trust_domain())
}
