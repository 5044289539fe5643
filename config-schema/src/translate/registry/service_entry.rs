//! ServiceEntries as services of the registry.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::service::{Origin, Port, Resolution, Service, TrafficDistribution};
use crate::resources::mesh_config::{Visibility as EntryVisibility, VisibilityPolicy};
use crate::resources::service_entry::{Location, Resolution as EntryResolution};
use crate::resources::wire::LabelSelector;
use crate::resources::{MeshConfig, Object, Resources, ServiceEntry};
use crate::translate::egress_gateway::EGRESS_GATEWAY;
use crate::translate::labels::{Labels, selects};
use crate::translate::protocol::Protocol;
use crate::translate::visibility::Visibility;

/// Annotation that asks to try all addresses of a name.
const CONNECT_STRATEGY: &str = "istio.io/connect-strategy";

/// Annotation that lets a gateway resolve what requests and TLS connections ask for, where Istio's gateways do not:
/// with the resolution NONE, and on TLS ports with the resolution DYNAMIC_DNS.
const RESOLVE_AT_GATEWAY: &str = "sallyport.dev/resolve-at-gateway";

/// Annotation with networks that names chosen by clients may resolve to although they are protected.
const ALLOW_ADDRESSES: &str = "sallyport.dev/allow-addresses";

/// An entry that is sent through a gateway has to be resolved there, unless it says otherwise.
fn resolve_at_gateway(annotations: &BTreeMap<String, String>) -> bool {
    match annotations.get(RESOLVE_AT_GATEWAY) {
        Some(value) => value == "true",
        None => annotations.contains_key(EGRESS_GATEWAY),
    }
}

/// Addresses and networks of a comma list. Validation has seen to it that nothing else is there.
fn networks(list: Option<&String>) -> Vec<(IpAddr, u8)> {
    let network = |text: &str| {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| address()).ok().map(|network| (network.network(), network.prefix_len()))
    };
    list.map(|list| list.split(',').filter_map(|text| network(text.trim())).collect()).unwrap_or_default()
}

/// The services that ServiceEntries are, one for each host.
pub(super) fn services<'a>(resources: &'a Resources, mesh: &'a MeshConfig) -> impl Iterator<Item = Service> + 'a {
    resources.service_entries.iter().flat_map(|entry| convert(entry, resources, mesh))
}

fn convert(entry: &Arc<Object<ServiceEntry>>, resources: &Resources, mesh: &MeshConfig) -> Vec<Service> {
    let meta = &entry.meta;
    let spec = &entry.spec;
    let namespace = resources.namespaces.get("", &meta.namespace);
    let annotations = namespace.map(|namespace| &namespace.meta.annotations);
    let strategy = meta.annotations.get(CONNECT_STRATEGY);
    let template = Service {
        host: String::new(),
        name: String::new(),
        namespace: meta.namespace.clone(),
        origin: Origin::ServiceEntry(Arc::clone(entry)),
        age: entry.age,
        ports: ports(spec),
        resolution: resolution(spec.resolution),
        external: spec.location == Location::MeshExternal,
        visibility: visibility(entry, namespace.map(|namespace| &namespace.meta.labels), mesh),
        addresses: spec.addresses.clone(),
        subject_alt_names: spec.subject_alt_names.clone(),
        labels: meta.labels.clone(),
        selector: spec.workload_selector.as_ref().map(|selector| selector.labels.clone()).unwrap_or_default(),
        node_local: false,
        distribution: TrafficDistribution::new(None, &meta.annotations, annotations),
        race_addresses: strategy.is_some_and(|value| value.eq_ignore_ascii_case("RACE_FIRST_TCP_CONNECT")),
        resolve_at_gateway: resolve_at_gateway(&meta.annotations),
        allow_addresses: networks(meta.annotations.get(ALLOW_ADDRESSES)),
    };
    let named = |host: &String| Service { host: host.clone(), name: host.clone(), ..template.clone() };
    spec.hosts.iter().map(named).collect()
}

pub(super) fn ports(spec: &ServiceEntry) -> Vec<Port> {
    let number = |number: u32| u16::try_from(number).ok().filter(|number| *number > 0);
    spec.ports
        .iter()
        .filter_map(|port| {
            Some(Port {
                number: number(port.number)?,
                name: port.name.clone(),
                protocol: Protocol::parse(port.protocol.as_deref().unwrap_or_default()),
                target_port: port.target_port.and_then(number),
            })
        })
        .collect()
}

fn resolution(resolution: EntryResolution) -> Resolution {
    match resolution {
        EntryResolution::None => Resolution::Passthrough,
        EntryResolution::Static => Resolution::Known,
        EntryResolution::Dns => Resolution::Dns,
        EntryResolution::DnsRoundRobin => Resolution::DnsRoundRobin,
        EntryResolution::DynamicDns => Resolution::DynamicDns,
    }
}

/// Who sees an entry: what it says, within what the mesh allows its namespace.
fn visibility(entry: &Object<ServiceEntry>, namespace: Option<&Labels>, mesh: &MeshConfig) -> Visibility {
    let own = &entry.meta.namespace;
    let declared = Visibility::new(&entry.spec.export_to, &mesh.default_service_export_to(), own);
    let Some(cap) = mesh.service_entry_visibility.as_ref().filter(|cap| cap.apply_to_sidecars) else {
        return declared;
    };
    let empty = Labels::new();
    let labels = namespace.unwrap_or(&empty);
    let policy = cap.policies.iter().find(|policy| policy_matches(policy, labels));
    match policy.map_or(cap.default_visibility, |policy| policy.visibility) {
        EntryVisibility::VisibilityUnspecified | EntryVisibility::Public => declared,
        EntryVisibility::Namespace if declared.includes(own) => {
            Visibility::Namespaces(std::iter::once(own.clone()).collect())
        }
        EntryVisibility::Namespace | EntryVisibility::None => Visibility::Nobody,
    }
}

fn policy_matches(policy: &VisibilityPolicy, labels: &Labels) -> bool {
    policy
        .matching_rules
        .iter()
        .any(|rule| rule.namespace_selector.as_ref().is_none_or(|selector| label_selector_matches(selector, labels)))
}

/// Kubernetes' label selector.
fn label_selector_matches(selector: &LabelSelector, labels: &Labels) -> bool {
    selects(&selector.match_labels, labels)
        && selector.match_expressions.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            let listed = value.is_some_and(|value| requirement.values.contains(value));
            match requirement.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}
