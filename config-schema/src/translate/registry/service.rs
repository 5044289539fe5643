//! A service of the registry, whatever it was made from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::resources::{Age, Object, Service as KubernetesService, ServiceEntry};
use crate::snapshot::ObjectRef;
use crate::translate::labels::Labels;
use crate::translate::protocol::Protocol;
use crate::translate::report::object_ref;
use crate::translate::visibility::Visibility;

/// What clients may connect to by a host name.
#[derive(Debug, Clone)]
pub(in crate::translate) struct Service {
    /// Full host name, possibly a wildcard.
    pub(in crate::translate) host: String,
    /// Name of the Kubernetes Service; the host for a ServiceEntry.
    pub(in crate::translate) name: String,
    pub(in crate::translate) namespace: String,
    pub(in crate::translate) origin: Origin,
    pub(in crate::translate) age: Age,
    pub(in crate::translate) ports: Vec<Port>,
    pub(in crate::translate) resolution: Resolution,
    /// Outside of the mesh: no mesh TLS.
    pub(in crate::translate) external: bool,
    pub(in crate::translate) visibility: Visibility,
    /// Virtual addresses and networks.
    pub(in crate::translate) addresses: Vec<String>,
    /// Names that servers' certificates may have: a ServiceEntry's `subjectAltNames`, a Service's annotated accounts.
    pub(in crate::translate) subject_alt_names: Vec<String>,
    pub(in crate::translate) labels: Labels,
    pub(in crate::translate) selector: Labels,
    /// Only endpoints of the client's node (`internalTrafficPolicy: Local`).
    pub(in crate::translate) node_local: bool,
    pub(in crate::translate) distribution: TrafficDistribution,
    /// Of a name's addresses try one after the other (`connect-strategy: RACE_FIRST_TCP_CONNECT`).
    pub(in crate::translate) race_addresses: bool,
    /// A gateway resolves the name that a request or a TLS connection asks for
    /// (`sallyport.dev/resolve-at-gateway`).
    pub(in crate::translate) resolve_at_gateway: bool,
    /// Networks that names chosen by clients may resolve to although they are protected
    /// (`sallyport.dev/allow-addresses`).
    pub(in crate::translate) allow_addresses: Vec<(IpAddr, u8)>,
}

/// What a service was made from.
#[derive(Debug, Clone)]
pub(in crate::translate) enum Origin {
    Kubernetes(Arc<Object<KubernetesService>>),
    ServiceEntry(Arc<Object<ServiceEntry>>),
}

/// How endpoints are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::translate) enum Resolution {
    /// They are known.
    Known,
    /// By DNS, all addresses.
    Dns,
    /// By DNS, one address for each connection.
    DnsRoundRobin,
    /// By DNS for the host of each request.
    DynamicDns,
    /// By the destination that the client dialled.
    Passthrough,
    /// They are those of another host (`ExternalName`).
    Alias(String),
}

/// Preference among endpoints (`trafficDistribution`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::translate) enum TrafficDistribution {
    #[default]
    Any,
    SameZone,
    SameNode,
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::translate) struct Port {
    pub(in crate::translate) number: u16,
    pub(in crate::translate) name: String,
    pub(in crate::translate) protocol: Protocol,
    /// ServiceEntry: the port of endpoints that do not say.
    pub(in crate::translate) target_port: Option<u16>,
}

impl Service {
    pub(in crate::translate) fn reference(&self) -> ObjectRef {
        match &self.origin {
            Origin::Kubernetes(object) => object_ref(object),
            Origin::ServiceEntry(object) => object_ref(object),
        }
    }

    pub(in crate::translate) fn is_kubernetes(&self) -> bool {
        matches!(self.origin, Origin::Kubernetes(_))
    }

    /// The port of this number; UDP, which may have the same number, is not served.
    pub(in crate::translate) fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|port| port.number == number && port.protocol != Protocol::Udp)
    }

    /// The only port, if there is only one.
    pub(in crate::translate) fn only_port(&self) -> Option<&Port> {
        match self.ports.as_slice() {
            [port] => Some(port),
            _ => None,
        }
    }

    /// Ports of a service of the same host and namespace may be added to this one's.
    pub(super) fn can_merge(&self, other: &Self) -> bool {
        !self.is_kubernetes()
            && !other.is_kubernetes()
            && self.namespace == other.namespace
            && self.resolution == other.resolution
            && self.labels == other.labels
            && self.selector == other.selector
            && self.visibility == other.visibility
    }
}

impl TrafficDistribution {
    /// Of a service: its field, else its annotation, else its namespace's.
    pub(super) fn new(
        field: Option<&str>,
        annotations: &BTreeMap<String, String>,
        namespace: Option<&BTreeMap<String, String>>,
    ) -> Self {
        match field {
            Some("PreferClose" | "PreferSameZone") => return Self::SameZone,
            Some("PreferSameNode") => return Self::SameNode,
            _ => {}
        }
        let annotation = "networking.istio.io/traffic-distribution";
        let value = annotations
            .get(annotation)
            .filter(|value| !value.is_empty())
            .or_else(|| namespace.and_then(|annotations| annotations.get(annotation)));
        match value.map(|value| value.to_ascii_lowercase()).as_deref() {
            Some("preferclose" | "prefersamezone") => Self::SameZone,
            Some("prefersamenode") => Self::SameNode,
            _ => Self::Any,
        }
    }
}
