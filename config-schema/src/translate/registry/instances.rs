//! Endpoints of services, from EndpointSlices, Endpoints, Pods, WorkloadEntries and the endpoints of ServiceEntries.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::service::{Origin, Port, Resolution, Service};
use super::spiffe_id;
use crate::resources::endpoint_slice::{
    AddressType, Endpoint, EndpointConditions, EndpointPort, EndpointSlice, ObjectReference, SERVICE_NAME_LABEL,
};
use crate::resources::endpoints::{EndpointAddress, Endpoints};
use crate::resources::service_entry::Resolution as EntryResolution;
use crate::resources::{MeshConfig, Object, Pod, Resources, ServiceEntry, WorkloadEntry};
use crate::snapshot::{Health, Locality, Workload};
use crate::translate::labels::{self, Labels, TLS_MODE_LABEL, selects};
use crate::translate::proxy::{locality_of_pod, target_port};
use crate::translate::workload;

/// An endpoint of a port of a service.
#[derive(Debug, Clone)]
pub(in crate::translate) struct Instance {
    pub(in crate::translate) address: InstanceAddress,
    /// Name of the service's port.
    pub(in crate::translate) port_name: String,
    /// Number of the service's port, for endpoints of ServiceEntries.
    pub(in crate::translate) service_port: Option<u16>,
    pub(in crate::translate) who: Arc<Who>,
    pub(in crate::translate) weight: u32,
    pub(in crate::translate) health: Health,
}

/// Where an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::translate) enum InstanceAddress {
    Ip(IpAddr, u16),
    Host(String, u16),
    Unix(String),
}

/// The workload behind endpoints.
#[derive(Debug, Clone)]
pub(in crate::translate) struct Who {
    /// With those of its place.
    pub(in crate::translate) labels: Labels,
    pub(in crate::translate) namespace: String,
    pub(in crate::translate) locality: Locality,
    pub(in crate::translate) node: Option<String>,
    /// SPIFFE ID.
    pub(in crate::translate) identity: Option<String>,
    /// It says that it speaks mesh TLS.
    pub(in crate::translate) mesh_tls: bool,
    pub(in crate::translate) workload: Arc<Workload>,
}

/// Finds endpoints.
pub(super) struct InstanceIndex<'a> {
    resources: &'a Resources,
    mesh: &'a MeshConfig,
    /// By namespace and Service name.
    slices: HashMap<(&'a str, &'a str), Vec<&'a Object<EndpointSlice>>>,
    /// By address: the Pods that have it.
    pods: HashMap<IpAddr, Vec<&'a Object<Pod>>>,
}

impl<'a> InstanceIndex<'a> {
    pub(super) fn new(resources: &'a Resources, mesh: &'a MeshConfig) -> Self {
        let mut slices: HashMap<(&str, &str), Vec<&Object<EndpointSlice>>> = HashMap::new();
        for slice in resources.endpoint_slices.iter() {
            if let Some(service) = slice.meta.labels.get(SERVICE_NAME_LABEL) {
                slices.entry((&slice.meta.namespace, service)).or_default().push(slice);
            }
        }
        let mut pods: HashMap<IpAddr, Vec<&Object<Pod>>> = HashMap::new();
        for pod in resources.pods.iter() {
            for address in workload::pod_addresses(&pod.spec) {
                pods.entry(address).or_default().push(pod);
            }
        }
        Self { resources, mesh, slices, pods }
    }

    /// The endpoints of `service`; `entries` are the services of its host and namespace that ServiceEntries make.
    pub(super) fn of<'s>(&self, service: &Service, entries: impl Iterator<Item = &'s Arc<Service>>) -> Vec<Instance> {
        let mut found = match &service.origin {
            Origin::Kubernetes(_) => self.of_kubernetes(service),
            Origin::ServiceEntry(_) => Vec::new(),
        };
        let mut round_robin_ports = HashSet::new();
        for entry in entries {
            if let Origin::ServiceEntry(object) = &entry.origin {
                let mut of_entry = self.of_entry(object, &entry.host);
                if object.spec.resolution == EntryResolution::DnsRoundRobin {
                    // One name for each port, that of the oldest.
                    of_entry.retain(|instance| round_robin_ports.insert(instance.service_port));
                }
                found.extend(of_entry);
            }
        }
        found
    }

    fn of_kubernetes(&self, service: &Service) -> Vec<Instance> {
        let namespace = service.namespace.as_str();
        let mut found = match self.slices.get(&(namespace, service.name.as_str())) {
            Some(slices) => slices.iter().flat_map(|slice| self.of_slice(slice)).collect(),
            None => match self.resources.endpoints.get(namespace, &service.name) {
                Some(endpoints) => self.of_endpoints(endpoints),
                None => self.of_selected_pods(service),
            },
        };
        let mut seen = HashSet::new();
        found.retain(|instance| seen.insert((address_of(&instance.address), instance.port_name.clone())));
        if !service.selector.is_empty() && service.resolution == Resolution::Known {
            for entry in self.selected_entries(namespace, &service.selector) {
                found.extend(self.of_entry_as_service_endpoint(entry, service));
            }
        }
        found
    }

    fn of_slice(&self, slice: &Object<EndpointSlice>) -> Vec<Instance> {
        if slice.spec.address_type == AddressType::Fqdn {
            return Vec::new();
        }
        let of_endpoint = |endpoint: &Endpoint| {
            let Some(health) = health(endpoint.conditions) else { return Vec::new() };
            let mut found = Vec::new();
            for address in endpoint.addresses.iter().filter_map(|address| address.parse().ok()) {
                let namespace = &slice.meta.namespace;
                let who = self.who_is_at(address, namespace, endpoint.target_ref.as_ref(), endpoint.node_name.as_ref());
                found.extend(who.iter().flat_map(|who| with_ports(address, &slice.spec.ports, who, health)));
            }
            found
        };
        slice.spec.endpoints.iter().flat_map(of_endpoint).collect()
    }

    fn of_endpoints(&self, endpoints: &Object<Endpoints>) -> Vec<Instance> {
        let mut found = Vec::new();
        for subset in &endpoints.spec.subsets {
            let mut add = |addresses: &[EndpointAddress], health| {
                for entry in addresses {
                    let Ok(address) = entry.ip.parse() else { continue };
                    let namespace = &endpoints.meta.namespace;
                    let who = self.who_is_at(address, namespace, entry.target_ref.as_ref(), entry.node_name.as_ref());
                    found.extend(who.iter().flat_map(|who| with_ports(address, &subset.ports, who, health)));
                }
            };
            add(&subset.addresses, Health::Healthy);
            add(&subset.not_ready_addresses, Health::Unhealthy);
        }
        found
    }

    /// Without EndpointSlices and Endpoints, as on plain machines: the ready Pods that the Service selects.
    fn of_selected_pods(&self, service: &Service) -> Vec<Instance> {
        let Origin::Kubernetes(object) = &service.origin else { return Vec::new() };
        if service.selector.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for pod in self.selected_pods(&service.namespace, &service.selector) {
            let Some(address) = workload::pod_addresses(&pod.spec).first().copied() else { continue };
            let who = Arc::new(self.who_is_pod(pod));
            for port in &object.spec.ports {
                let transport = port.protocol.as_deref();
                let target = target_port(port.target_port.as_ref(), port.port, transport, Some(&pod.spec));
                found.extend(target.map(|target| Instance {
                    address: InstanceAddress::Ip(address, target),
                    port_name: port.name.clone().unwrap_or_default(),
                    service_port: None,
                    who: Arc::clone(&who),
                    weight: 1,
                    health: Health::Healthy,
                }));
            }
        }
        found
    }

    /// WorkloadEntries that a Kubernetes Service selects serve its ports, under the numbers that they give or the
    /// Service's target ports.
    fn of_entry_as_service_endpoint(&self, entry: &Object<WorkloadEntry>, service: &Service) -> Vec<Instance> {
        let Origin::Kubernetes(object) = &service.origin else { return Vec::new() };
        let Some(address) = entry.spec.address.as_ref().and_then(|address| address.parse().ok()) else {
            return Vec::new();
        };
        let who = self.who_is_entry(entry);
        let ports = object.spec.ports.iter().filter_map(|port| {
            let name = port.name.clone().unwrap_or_default();
            let own = entry.spec.ports.get(&name).and_then(|number| u16::try_from(*number).ok());
            let number =
                own.or_else(|| target_port(port.target_port.as_ref(), port.port, port.protocol.as_deref(), None))?;
            Some(Instance {
                address: InstanceAddress::Ip(address, number),
                port_name: name,
                service_port: None,
                who: Arc::clone(&who),
                weight: entry.spec.weight.unwrap_or(1),
                health: Health::Healthy,
            })
        });
        ports.collect()
    }

    fn of_entry(&self, entry: &Object<ServiceEntry>, host: &str) -> Vec<Instance> {
        let spec = &entry.spec;
        let ports = super::service_entry::ports(spec);
        let dns = matches!(spec.resolution, EntryResolution::Dns | EntryResolution::DnsRoundRobin);
        if let Some(selector) = &spec.workload_selector {
            let namespace = &entry.meta.namespace;
            let mut found = Vec::new();
            for pod in self.selected_pods(namespace, &selector.labels) {
                let Some(address) = workload::pod_addresses(&pod.spec).first().copied() else { continue };
                let who = Arc::new(self.who_is_pod(pod));
                found.extend(ports.iter().map(|port| entry_instance(InstanceAt::Ip(address), port, None, &who, 1)));
            }
            for selected in self.selected_entries(namespace, &selector.labels) {
                let who = self.who_is_entry(selected);
                found.extend(of_workload_entry(&selected.spec, &ports, &who, dns));
            }
            return found;
        }
        if spec.endpoints.is_empty() && dns {
            let who = Arc::new(Who::unknown(&entry.meta.namespace, &entry.meta.name));
            let at = InstanceAt::Host(host.to_owned());
            return ports.iter().map(|port| entry_instance(at.clone(), port, None, &who, 1)).collect();
        }
        let of_endpoint = |(index, endpoint): (usize, &WorkloadEntry)| {
            let name = format!("{}-{index}", entry.meta.name);
            let who = Arc::new(self.who_is(endpoint, endpoint.labels.clone(), &entry.meta.namespace, name));
            of_workload_entry(endpoint, &ports, &who, dns)
        };
        spec.endpoints.iter().enumerate().flat_map(of_endpoint).collect()
    }

    fn selected_entries(&self, namespace: &str, selector: &Labels) -> Vec<&'a Object<WorkloadEntry>> {
        let entries = self.resources.workload_entries.in_namespace(namespace);
        let takes = |entry: &&Object<WorkloadEntry>| is_healthy(entry) && selects(selector, &entry_labels(entry));
        entries.map(AsRef::as_ref).filter(takes).collect()
    }

    fn selected_pods(&self, namespace: &str, selector: &Labels) -> Vec<&'a Object<Pod>> {
        let pods = self.resources.pods.in_namespace(namespace);
        pods.map(AsRef::as_ref).filter(|pod| is_ready(&pod.spec) && selects(selector, &pod.meta.labels)).collect()
    }

    /// The workload at an address of a Service in `namespace`; `None` where it should be a Pod that is not there (yet).
    fn who_is_at(
        &self,
        address: IpAddr,
        namespace: &str,
        target: Option<&ObjectReference>,
        node: Option<&String>,
    ) -> Option<Arc<Who>> {
        let pod = match target.filter(|target| target.kind.as_deref() == Some("Pod")) {
            // Whoever gives no Pods of a namespace means its endpoints as they are: files often have the gateway's alone.
            Some(_) if self.resources.pods.in_namespace(namespace).next().is_none() => None,
            Some(target) => Some(self.referenced_pod(target)?),
            None => {
                let pods = self.pods.get(&address);
                pods.and_then(|pods| pods.iter().copied().find(|pod| pod.meta.namespace == namespace))
            }
        };
        Some(Arc::new(match pod {
            Some(pod) => self.who_is_pod(pod),
            None => Who {
                labels: labels::of_endpoint(&Labels::new(), &Locality::default(), None),
                node: node.cloned(),
                ..Who::unknown(namespace, "")
            },
        }))
    }

    fn referenced_pod(&self, target: &ObjectReference) -> Option<&'a Object<Pod>> {
        let pod = self.resources.pods.get(target.namespace.as_deref()?, target.name.as_deref()?)?;
        Some(pod.as_ref())
    }

    fn who_is_pod(&self, pod: &Object<Pod>) -> Who {
        let locality = locality_of_pod(self.resources, pod);
        let node = pod.spec.node_name.clone();
        Who {
            labels: labels::of_endpoint(&pod.meta.labels, &locality, node.as_deref()),
            namespace: pod.meta.namespace.clone(),
            locality,
            node,
            identity: Some(spiffe_id(self.mesh, &pod.meta.namespace, pod.spec.service_account_name())),
            mesh_tls: pod.meta.labels.get(TLS_MODE_LABEL).is_some_and(|mode| mode == "istio"),
            workload: Arc::new(workload::of_pod(pod)),
        }
    }

    fn who_is_entry(&self, entry: &Object<WorkloadEntry>) -> Arc<Who> {
        let name = workload::name_of_workload_entry(&entry.meta);
        Arc::new(self.who_is(&entry.spec, entry_labels(entry), &entry.meta.namespace, name))
    }

    fn who_is(&self, entry: &WorkloadEntry, own: Labels, namespace: &str, name: String) -> Who {
        let locality = match entry.locality.as_deref() {
            Some(text) => labels::parse_locality(text),
            None => labels::locality_of_workload(&own).unwrap_or_default(),
        };
        let account = entry.service_account.as_deref();
        let network = entry.network.as_deref().filter(|network| !network.is_empty());
        Who {
            mesh_tls: own.get(TLS_MODE_LABEL).map_or(account.is_some(), |mode| mode == "istio"),
            labels: labels::with_network(labels::with_place(&own, &locality, None), network),
            namespace: namespace.to_owned(),
            locality,
            node: None,
            identity: account.map(|account| spiffe_id(self.mesh, namespace, account)),
            workload: Arc::new(workload::of_labels(name, namespace.to_owned(), own)),
        }
    }
}

impl Who {
    fn unknown(namespace: &str, name: &str) -> Self {
        Self {
            labels: Labels::new(),
            namespace: namespace.to_owned(),
            locality: Locality::default(),
            node: None,
            identity: None,
            mesh_tls: false,
            workload: Arc::new(workload::of_labels(name.to_owned(), namespace.to_owned(), BTreeMap::new())),
        }
    }
}

/// Health by the conditions of an endpoint; `None` for one that ends.
fn health(conditions: EndpointConditions) -> Option<Health> {
    match (conditions.ready, conditions.terminating) {
        (None | Some(true), _) => Some(Health::Healthy),
        (Some(false), None | Some(true)) => None,
        (Some(false), Some(false)) => Some(Health::Unhealthy),
    }
}

fn with_ports(address: IpAddr, ports: &[EndpointPort], who: &Arc<Who>, health: Health) -> Vec<Instance> {
    let instance = |port: &EndpointPort| {
        Some(Instance {
            address: InstanceAddress::Ip(address, port.port?),
            port_name: port.name.clone().unwrap_or_default(),
            service_port: None,
            who: Arc::clone(who),
            weight: 1,
            health,
        })
    };
    ports.iter().filter_map(instance).collect()
}

/// Where an endpoint of a ServiceEntry is, but for the port.
#[derive(Debug, Clone)]
enum InstanceAt {
    Ip(IpAddr),
    Host(String),
    Unix(String),
}

fn of_workload_entry(entry: &WorkloadEntry, ports: &[Port], who: &Arc<Who>, dns: bool) -> Vec<Instance> {
    let Some(address) = entry.address.as_deref() else { return Vec::new() };
    let at = match (address.strip_prefix("unix://"), address.parse()) {
        (Some(path), _) => InstanceAt::Unix(path.to_owned()),
        (None, Ok(ip)) => InstanceAt::Ip(ip),
        (None, Err(_)) if dns => InstanceAt::Host(address.to_owned()),
        (None, Err(_)) => return Vec::new(),
    };
    let weight = entry.weight.unwrap_or(1);
    let instance = |port: &Port| {
        let own = entry.ports.get(&port.name).and_then(|number| u16::try_from(*number).ok()).filter(|own| *own > 0);
        entry_instance(at.clone(), port, own, who, weight)
    };
    ports.iter().map(instance).collect()
}

fn entry_instance(at: InstanceAt, port: &Port, own: Option<u16>, who: &Arc<Who>, weight: u32) -> Instance {
    let number = own.or(port.target_port).unwrap_or(port.number);
    let address = match at {
        InstanceAt::Ip(address) => InstanceAddress::Ip(address, number),
        InstanceAt::Host(name) => InstanceAddress::Host(name, number),
        InstanceAt::Unix(path) => InstanceAddress::Unix(path),
    };
    Instance {
        address,
        port_name: port.name.clone(),
        service_port: Some(port.number),
        who: Arc::clone(who),
        weight,
        health: Health::Healthy,
    }
}

/// Labels of a WorkloadEntry: those of its metadata win over those of its spec.
fn entry_labels(entry: &Object<WorkloadEntry>) -> Labels {
    let mut labels = entry.spec.labels.clone();
    labels.extend(entry.meta.labels.clone());
    labels
}

fn is_ready(pod: &Pod) -> bool {
    let phase = pod.status.phase.as_deref();
    !matches!(phase, Some("Succeeded" | "Failed"))
        && pod.status.conditions.iter().any(|condition| condition.r#type == "Ready" && condition.status == "True")
}

/// An address stands once for a port of the Service, on whichever port of its own comes first.
fn address_of(address: &InstanceAddress) -> String {
    match address {
        InstanceAddress::Ip(address, _) => address.to_string(),
        other => format!("{other:?}"),
    }
}

/// Where an agent checks the health of a WorkloadEntry, it counts only once that has found it healthy.
fn is_healthy(entry: &Object<WorkloadEntry>) -> bool {
    const CHECKED: &str = "proxy.istio.io/health-checks-enabled";
    let is_checked = |text: &String| matches!(text.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True");
    !entry.meta.annotations.get(CHECKED).is_some_and(is_checked) || entry.spec.status.is_healthy()
}
